//! The plan of a restore and what it did, as values: for people as tables, for programs as JSON, both elsewhere.

use super::drift::Mapping;
use super::rules::Refusal;
use super::sides::Cells;
use super::units::Part;
use crate::base::checksum::Hash;
use crate::base::time::{Instant, Span};
use crate::error::{Error, ErrorKind};
use crate::format::block::SetId;
use crate::schema::clock::{RowWhen, When};
use crate::schema::range::{Decision, Request, Side, SpanSet, Undated, rows};
use crate::schema::table::{BoundTable, TableSchema};
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::volume::chain::Gap;
use crate::volume::section::ChunkRef;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a restore will do.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The set.
    pub set: SetId,
    /// Its label.
    pub label: String,
    /// The sets that the plan draws on: that one, and those before it in its chain, the newest first.
    pub members: Vec<MemberPlan>,
    /// Members of the chain that are not here.
    pub gaps: Vec<Gap>,
    /// The one ACD that is restored, if not all.
    pub acd: Option<i64>,
    /// The time asked for.
    pub request: Request,
    /// Whether the target collects: nothing after its last finished interval is touched then.
    pub collecting: bool,
    /// One entry for each section that was selected, in the order of the set.
    pub tables: Vec<TablePlan>,
    /// The volumes that hold the chunks needed, in order.
    pub volumes: Vec<VolumeNeed>,
    /// Bytes of the chunks needed.
    pub bytes: u64,
    /// Days, weeks and months that meet a replaced interval range while their own row was not replaced: (table, ACD,
    /// period). They are to be summarised again.
    pub summarise: Vec<(String, Acd, Span)>,
    /// What the journal in the target said when the plan was made.
    pub(super) journal: Hash,
    /// Words that are no refusal.
    pub notices: Vec<String>,
    /// Why the plan cannot be applied; empty if it can.
    pub refusals: Vec<Refusal>,
}

/// A set that a plan draws on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPlan {
    /// The set.
    pub set: SetId,
    /// Its label.
    pub label: String,
    /// Its place in the chain: 0 the full.
    pub sequence: u32,
}

/// A volume that a plan needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeNeed {
    /// Of which of [`RestorePlan::members`], from 0.
    pub member: usize,
    /// Number in the set, from 1.
    pub number: u32,
    /// Whether it is here.
    pub here: bool,
}

/// What a restore will do with one table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The table's name in the target; the section's where the target has none.
    pub table: String,
    /// The section.
    pub section: SectionTable,
    /// What will be done.
    pub action: TableAction,
}

impl TablePlan {
    /// Rows that the table's plan inserts.
    #[must_use]
    pub fn rows_inserted(&self) -> u64 {
        match &self.action {
            TableAction::Leave(_) => 0,
            TableAction::Whole(whole) => whole.insert,
            TableAction::Ranges(ranges) => ranges.acds.iter().map(AcdPlan::rows_inserted).fold(0, u64::saturating_add),
        }
    }

    /// Rows that the table's plan deletes.
    #[must_use]
    pub fn rows_deleted(&self) -> u64 {
        match &self.action {
            TableAction::Leave(_) => 0,
            TableAction::Whole(whole) => whole.delete,
            TableAction::Ranges(ranges) => ranges.acds.iter().map(AcdPlan::rows_deleted).fold(0, u64::saturating_add),
        }
    }
}

/// What a restore will do with one table.
#[derive(Debug, Clone)]
pub enum TableAction {
    /// Nothing, for this reason.
    Leave(String),
    /// Rows in ranges are replaced.
    Ranges(Box<RangesPlan>),
    /// All rows (with one ACD chosen: all of its rows) are replaced.
    Whole(Box<WholePlan>),
}

/// The replacement of ranges of one table.
#[derive(Debug, Clone)]
pub struct RangesPlan {
    /// The target's table.
    pub target: TableSchema,
    /// The section's table, with the column numbers of the target.
    pub bound_target: BoundTable,
    /// Whether the rows that go in bring their own row keys, or others that no two rows may share. Such a key may be that of
    /// any row that goes, whatever its time, so that all rows are replaced together.
    pub keyed: bool,
    /// Whether the table is empty and the database takes all rows in one transaction in less time than in several.
    pub at_once: bool,
    /// Where the rows that go in come from, the newest set first.
    pub sources: Vec<Source>,
    /// The spans under which rows were counted, and by which the decisions are.
    pub(super) cells: Cells,
    /// The days of the target that were looked at: (first, last), `None` for unbounded.
    pub days: (Option<i32>, Option<i32>),
    /// One entry for each ACD that the section or the target has.
    pub acds: Vec<AcdPlan>,
    /// Buckets that are listed but cannot be read whole; nothing is deleted for them.
    pub unproven: Vec<Bucket>,
    /// Buckets of which only an older state is here than the chain's newest catalog lists: left alone.
    pub stale: Vec<Bucket>,
    /// Buckets that the chain's newest catalog lists and that no member here has: left alone.
    pub lost: Vec<Bucket>,
}

/// What one set gives to a table.
#[derive(Debug, Clone)]
pub struct Source {
    /// Which of the sets that the plan draws on, from 0: the newest first.
    pub member: usize,
    /// The section.
    pub section: SectionTable,
    /// How its columns map to the target's.
    pub mapping: Mapping,
    /// The chunks to read, in order.
    pub chunks: Vec<ChunkRef>,
    /// Which rows are this set's to give, and not another one's; `None` if all are.
    pub speaks: Option<Speaks>,
}

/// Which rows a set gives, where others give the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaks {
    /// Per ACD, when rows must start to come from it.
    pub dated: BTreeMap<Acd, SpanSet>,
    /// The ACDs whose undated rows come from it.
    pub undated: BTreeSet<Acd>,
    /// Per ACD, time in which the source had these rows once more after others: with the place in the chain of the newest member
    /// that lists them so.
    pub again: BTreeMap<Acd, Vec<(u32, SpanSet)>>,
    /// The same of the undated rows.
    pub undated_again: BTreeMap<Acd, u32>,
}

impl Source {
    /// Whether a row is this set's to give.
    #[must_use]
    pub fn gives(&self, row: &RowWhen) -> bool {
        let Some(speaks) = &self.speaks else { return true };
        match row.when {
            When::Dated(span) => {
                speaks.dated.get(&row.acd).is_some_and(|set| set.meets(Span { stop: span.start.plus(1), ..span }))
            }
            When::Undated => speaks.undated.contains(&row.acd),
        }
    }
}

/// What a restore will do with the rows of one ACD of a table.
#[derive(Debug, Clone)]
pub struct AcdPlan {
    /// The ACD.
    pub acd: Acd,
    /// The time for which the set speaks.
    pub held: Vec<Span>,
    /// The rows on the volumes that were looked at.
    pub volume: Side,
    /// The rows in the target that were looked at.
    pub target: Side,
    /// Nothing after this instant is touched; `None` where nothing is held back.
    pub settled_until: Option<Instant>,
    /// What the range engine says.
    pub decision: Decision,
    /// Time that only an older member of the chain speaks for, and which of [`RestorePlan::members`]; ascending.
    pub older: Vec<(usize, Span)>,
    /// Time left out because a later member of the chain was restored into it before.
    pub later: SpanSet,
    /// What is left out because only older members of the chain speak for it that do not fit the target.
    pub unfit: Vec<Unfit>,
}

/// What a member of a chain alone speaks for, and does not give: its columns do not fit the target's table, or say otherwise
/// than those of the newest member to which time or ACD a row belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Which of [`RestorePlan::members`].
    pub member: usize,
    /// The time for which it alone speaks.
    pub spans: SpanSet,
    /// Where in that time it has rows.
    pub rows: SpanSet,
    /// Whether it alone has the rows without a usable time too.
    pub undated: bool,
}

impl AcdPlan {
    /// The same as [`AcdPlan::unfit`], as far as it was asked for. There may be no row in it.
    pub fn unfit_in_question(&self) -> impl Iterator<Item = Unfit> + '_ {
        let all = self.decision.widened == SpanSet::from(Span::ALL);
        let asked = move |unfit: &Unfit| Unfit {
            member: unfit.member,
            spans: unfit.spans.intersection(&self.decision.widened),
            rows: unfit.rows.intersection(&self.decision.widened),
            undated: unfit.undated && all,
        };
        self.unfit.iter().map(asked).filter(|unfit| unfit.undated || !unfit.spans.is_empty())
    }

    /// What of that has rows, and so is to be told.
    pub fn unfit_rows(&self) -> impl Iterator<Item = Unfit> + '_ {
        self.unfit_in_question().filter(|unfit| unfit.undated || !unfit.rows.is_empty())
    }

    /// Rows that go in, undated and carried ones included.
    #[must_use]
    pub fn rows_inserted(&self) -> u64 {
        let undated = if self.decision.undated == Undated::Leave { 0 } else { self.volume.undated };
        let dated = rows(&self.decision.insert);
        dated.saturating_add(rows(&self.decision.carried_in)).saturating_add(undated)
    }

    /// Rows that are deleted, undated ones included.
    #[must_use]
    pub fn rows_deleted(&self) -> u64 {
        let undated = if self.decision.undated == Undated::Replace { self.target.undated } else { 0 };
        rows(&self.decision.delete).saturating_add(undated)
    }
}

/// The replacement of a whole table.
#[derive(Debug, Clone)]
pub struct WholePlan {
    /// The target's table.
    pub target: TableSchema,
    /// The section's table, with the column numbers of the target.
    pub bound_target: BoundTable,
    /// The only ACD that is replaced, if not all.
    pub acd: Option<i64>,
    /// Where the rows come from.
    pub source: Source,
    /// Rows on the volumes.
    pub insert: u64,
    /// Rows in the target.
    pub delete: u64,
}

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct RestoreReport {
    /// Number of the run in the journal; `None` if nothing had to be changed, or if it was not begun.
    pub run: Option<u64>,
    /// Where the rows are that it deleted; `None` if they were not kept.
    pub undo: Option<UndoSet>,
    /// One entry for each table that was changed, in the order of the plan.
    pub tables: Vec<TableReport>,
    /// The units, in order, and what became of each.
    pub units: Vec<UnitReport>,
    /// Whether every replaced row was read again and its bucket's digest compared.
    pub proved: bool,
    /// Time for saving the rows that go.
    pub undo_time: Duration,
    /// Time that passed with deleting and inserting; where several writers were at work, their share of it.
    pub apply_time: Duration,
    /// Time for the proof, likewise.
    pub proof_time: Duration,
}

impl RestoreReport {
    /// Adds what became of some units.
    pub(super) fn add(&mut self, part: RestoreReport) {
        for more in part.tables {
            match self.tables.iter_mut().find(|table| table.table == more.table) {
                Some(table) => {
                    table.deleted = table.deleted.saturating_add(more.deleted);
                    table.inserted = table.inserted.saturating_add(more.inserted);
                    table.buckets = table.buckets.saturating_add(more.buckets);
                }
                None => self.tables.push(more),
            }
        }
        self.apply_time = self.apply_time.saturating_add(part.apply_time);
        self.proof_time = self.proof_time.saturating_add(part.proof_time);
    }
}

/// The set that has the rows which a restore deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoSet {
    /// The set.
    pub set: SetId,
    /// Its label.
    pub label: String,
    /// The device that it is on, for people.
    pub place: String,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its volumes.
    pub bytes: u64,
}

/// What a restore did with one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows deleted.
    pub deleted: u64,
    /// Rows inserted.
    pub inserted: u64,
    /// Buckets whose digests were compared.
    pub buckets: u64,
}

/// One unit of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitReport {
    /// The table.
    pub table: String,
    /// Which part of it.
    pub part: Part,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was replaced.
    Replaced,
    /// An earlier part of the same run had replaced it.
    ReplacedBefore,
    /// It was begun, and is as it was before.
    RolledBack,
    /// The target failed while the change was made permanent: it is wholly as it was or wholly replaced, and the journal
    /// tells which as soon as the target can be opened again.
    InDoubt,
    /// It was not begun.
    NotBegun,
}

impl RestoreReport {
    /// How many units came to this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.units.iter().filter(|unit| unit.outcome == outcome).count()
    }
}

/// A restore ended early: every unit is wholly old or wholly new.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub error: Error,
    /// What was done until then.
    pub report: RestoreReport,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Stopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Box<Stopped>> for Error {
    fn from(stopped: Box<Stopped>) -> Error {
        stopped.error
    }
}

/// Somebody asked to stop.
pub(super) fn cancelled() -> Error {
    Error::from(ErrorKind::Cancelled)
}

#[cfg(test)]
impl AcdPlan {
    /// The plan of ACD 1 with these rows, of which nothing happens; each test fills in what it is about.
    pub(super) fn idle(volume: Side, target: Side) -> AcdPlan {
        use crate::schema::grain::Grain;
        use crate::schema::range::{Policies, Question, decide};
        let question = Question {
            grain: Grain::Interval,
            event_slot_minutes: 30,
            request: Request::ALL,
            held: &[],
            volume: &volume,
            target: &target,
            undated_proven: false,
            policies: Policies::default(),
            settled_until: None,
        };
        let decision = decide(&question).unwrap();
        AcdPlan {
            acd: Some(1),
            held: Vec::new(),
            volume,
            target,
            settled_until: None,
            decision,
            older: Vec::new(),
            later: SpanSet::EMPTY,
            unfit: Vec::new(),
        }
    }
}
