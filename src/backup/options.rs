//! What a backup is asked to do.

use super::files::FileTree;
use crate::base::limits::CHUNK_DECODED_TARGET;
use crate::base::time::Instant;
use crate::column::encode::EncodeOptions;
use crate::format::block::SetId;
use crate::format::label::data_types;
use crate::schema::grain::DataType;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Everything of these data types that the table catalogue lists.
    Data(Vec<DataType>),
    /// These tables and nothing else. Tables that the catalogue does not list are written as custom data, whole.
    Tables(Vec<String>),
}

impl Select {
    /// The data types as the label carries them; empty for specific tables.
    #[must_use]
    pub fn data(&self) -> &[DataType] {
        match self {
            Select::Data(data) => data,
            Select::Tables(_) => &[],
        }
    }
}

/// Whether the volumes are read back and proved before the backup is called done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadBack {
    /// They are.
    #[default]
    Verify,
    /// They are not: exit status 0 then means written and synced only.
    Skip,
}

/// How much of the selection is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    /// All of it; begins a chain.
    #[default]
    Full,
    /// What changed since the newest backup of a chain; goes on with that chain.
    Incremental(Incremental),
}

/// How a chain is gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incremental {
    /// A set of the chain: its id, the first digits of it, or its label. `None`: the chain that was begun last.
    pub set: Option<String>,
    /// Read only the last days, and take all before them on trust. `None`: every row is read.
    pub changed_since: Option<ChangedSince>,
}

/// How an incremental of very large tables gets by without reading them: it begins a little before the time at which the
/// chain's rows of a table end, and takes every older bucket, and rows without a usable time, to be as the newest set that
/// lists the table has them. It misses rows that came late, were corrected or deleted, or were taken by age, before that;
/// the next incremental that reads everything finds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedSince {
    /// Days that are read again before the newest one of the chain that is not ahead of the backup which has it.
    pub margin_days: u16,
}

impl Default for ChangedSince {
    fn default() -> ChangedSince {
        ChangedSince { margin_days: 1 }
    }
}

/// How to back up.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to back up.
    pub select: Select,
    /// File trees beside what is selected; those that the table catalogue lists need not be named. Each is written whole.
    pub trees: Vec<FileTree>,
    /// Folders that no tree includes: where the backup itself is written.
    pub skip: Vec<PathBuf>,
    /// All of it, or what changed.
    pub kind: Kind,
    /// Only the rows of this ACD; tables without an ACD column are left out.
    pub acd: Option<i64>,
    /// Capacity of a volume in bytes; `None`: not bounded.
    pub volume_size: Option<u64>,
    /// Civil day until which the volumes should not be overwritten, since 1970-01-01.
    pub retain_until: Option<i32>,
    /// Whether to read back. What a device cannot read again is not.
    pub read_back: ReadBack,
    /// Threads that read and encode, at least 1.
    pub jobs: usize,
    /// The civil time at the source, which decides whether the newest interval is complete.
    pub now: Instant,
    /// The same moment, in seconds since 1970-01-01 00:00 UTC.
    pub now_unix: i64,
    /// Identity of the new set: random. Two sets must never share one.
    pub set: SetId,
    /// System name in the label.
    pub system: String,
    /// The highest number of the day that a label has which the devices may not know of, from a history; 0 if none.
    pub number_after: u32,
    /// Sets in which a check has found damage, or of which it missed a volume, from a history: an incremental does not rely on
    /// them, and writes again what no other set of its chain has.
    pub faulty: BTreeSet<SetId>,
    /// How columns are encoded.
    pub encode: EncodeOptions,
}

impl Options {
    /// A full backup of everything, read back, by one thread, onto one volume. `now` is the civil time at the source,
    /// `now_unix` the same moment in seconds since 1970-01-01 00:00 UTC, `set` the random identity of the new set.
    #[must_use]
    pub fn new(now: Instant, now_unix: i64, set: SetId) -> Options {
        Options {
            select: Select::Data(DataType::ALL.to_vec()),
            trees: Vec::new(),
            skip: Vec::new(),
            kind: Kind::Full,
            acd: None,
            volume_size: None,
            retain_until: None,
            read_back: ReadBack::Verify,
            jobs: 1,
            now,
            now_unix,
            set,
            system: "CMS".to_owned(),
            number_after: 0,
            faulty: BTreeSet::new(),
            encode: EncodeOptions::default(),
        }
    }

    /// The data types of the label: those selected, and custom data where there are file trees besides.
    pub(super) fn data(&self) -> Vec<DataType> {
        let selected = self.select.data();
        let besides = |kind: &DataType| *kind == DataType::Custom && !self.trees.is_empty() && !self.is_specific();
        DataType::ALL.into_iter().filter(|kind| selected.contains(kind) || besides(kind)).collect()
    }

    /// The same as bits of [`data_types`].
    pub(super) fn bits(&self) -> u32 {
        match self.is_specific() {
            true => data_types::SPECIFIC,
            false => self.data().iter().map(|data_type| data_type.bit()).fold(0, |bits, bit| bits | bit),
        }
    }

    const fn is_specific(&self) -> bool {
        matches!(self.select, Select::Tables(_))
    }

    /// How little is read, if not everything.
    pub(super) fn changed_since(&self) -> Option<ChangedSince> {
        match &self.kind {
            Kind::Full => None,
            Kind::Incremental(incremental) => incremental.changed_since,
        }
    }

    /// The set that names the chain to go on with, if one was named.
    pub(super) fn set_of_chain(&self) -> Option<&str> {
        match &self.kind {
            Kind::Full => None,
            Kind::Incremental(incremental) => incremental.set.as_deref(),
        }
    }

    /// Bytes in memory at which a chunk is cut: several fit a volume.
    pub(super) fn chunk_bytes(&self) -> u64 {
        CHUNK_DECODED_TARGET.min(self.volume_size.map_or(u64::MAX, |size| size / 4))
    }
}
