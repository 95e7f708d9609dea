//! What to restore, and what to do where the volumes and the target disagree.

use crate::base::time::Instant;
use crate::schema::grain::DataType;
use crate::schema::range::{Policies, Request};

/// Rows that one transaction deletes and inserts, about: few enough for short transactions and little memory, many enough
/// that a commit costs next to nothing beside them.
pub const UNIT_ROWS: u64 = 250_000;

/// Rows up to which an empty table is filled in one transaction, where its database takes them faster that way. What ends early
/// begins this table anew.
pub const AT_ONCE_ROWS: u64 = 8_000_000;

/// Threads that decode whole rows side by side, at most. Each holds a chunk or two of up to 8 MiB as the volumes count them, and
/// several times that while it decodes, hashes or encodes; one writer takes no more than a few give.
const DECODERS_MAX: usize = 3;

/// Which sections of the set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Select {
    /// All of them; with a start or a stop, only those whose rows say when they were.
    #[default]
    All,
    /// Those of these data types.
    Data(Vec<DataType>),
    /// These tables.
    Tables(Vec<String>),
}

impl Select {
    /// The kinds of data that are asked for of this time, as bits of
    /// [`data_types`](crate::format::label::data_types); `None` where tables are named, which may be of any kind.
    #[must_use]
    pub fn kinds(&self, request: Request) -> Option<u32> {
        let bits = |kinds: &[DataType]| kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        let asked = match self {
            // A site's own tables are restored by name only.
            Select::All => bits(&DataType::ALL) & !DataType::Custom.bit(),
            Select::Data(kinds) => bits(kinds),
            Select::Tables(_) => return None,
        };
        // Tables without a time are no part of a time range.
        Some(if request == Request::ALL { asked } else { asked & DataType::Historical.bit() })
    }
}

/// What to do when parts of the set that the request needs are missing or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// Refuse.
    #[default]
    Refuse,
    /// Restore what is proven whole without them; never delete for a bucket that is not.
    Partial,
}

/// How the restored rows are compared with the volumes before the change is made permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// Every row is read again; counts and digests of each bucket are compared.
    #[default]
    Full,
    /// Only the counts of deleted and inserted rows are compared.
    Counts,
}

/// How to restore.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which sections.
    pub select: Select,
    /// Only the rows of this ACD; tables without an ACD column are left alone.
    pub acd: Option<i64>,
    /// The time asked for.
    pub request: Request,
    /// What to do where volumes and target disagree.
    pub policies: Policies,
    /// What to do when parts of the set are missing or damaged.
    pub missing: Missing,
    /// How the result is compared.
    pub proof: Proof,
    /// Threads that read and decode, at least 1.
    pub jobs: usize,
    /// Nothing of the target after this instant is touched. Where it collects nothing after its last finished interval is
    /// touched either, whatever stands here.
    pub settled_until: Option<Instant>,
    /// Whether the target collects; `None`: as its state says.
    pub collecting: Option<bool>,
    /// The civil time of the target's switch now.
    pub now: Instant,
    /// When it was decided what to restore, if that was earlier than now: what the target was still collecting then is left
    /// alone. Of a saved plan.
    pub decided_at: Option<Instant>,
    /// The same moment as now in seconds since 1970-01-01 00:00 UTC.
    pub now_unix: i64,
    /// Rows that one transaction deletes and inserts, about: [`UNIT_ROWS`] unless there is a reason.
    pub unit_rows: u64,
    /// Whether a restore that ended early is set aside, neither finished nor undone.
    pub anew: bool,
    /// Whether a set of another version of the database's schema is let in.
    pub other_version: bool,
    /// Whether a set may replace ranges into which a later one of its chain was restored before.
    pub older_wins: bool,
}

impl Options {
    /// Threads for work that holds whole rows: as many as asked for, as far as memory stays in bounds.
    pub(super) fn decoders(&self) -> usize {
        self.jobs.clamp(1, DECODERS_MAX)
    }

    /// Everything, with the careful answers: refuse what would lose rows, prove all. `now` is the civil time of the target's
    /// switch, `now_unix` the same moment in seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn new(now: Instant, now_unix: i64) -> Options {
        Options {
            select: Select::All,
            acd: None,
            request: Request::ALL,
            policies: Policies::default(),
            missing: Missing::Refuse,
            proof: Proof::Full,
            jobs: 1,
            settled_until: None,
            collecting: None,
            now,
            decided_at: None,
            now_unix,
            unit_rows: UNIT_ROWS,
            anew: false,
            other_version: false,
            older_wins: false,
        }
    }
}
