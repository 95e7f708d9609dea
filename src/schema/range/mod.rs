//! The range engine: which rows of one table and one ACD a restore deletes, keeps and inserts.
//!
//! One pure function, [`decide`], works on *slots*: the distinct spans of the rows on the volumes and in the target, with
//! the number of rows of each. Nothing else about a row matters here, so that counts by span are all that a caller has to
//! gather, and rows of one span share one fate. It knows no columns, no volumes, no databases.
//!
//! # Rules
//!
//! 1. **Widened.** Interval tables: the request, widened to every row of either side that it meets, until none lies across
//!    an edge. If an edge would move by more than the longest row in the widened range lasts, there is no answer
//!    ([`RangeError::WidenedTooFar`]): rows that overlap in a long chain would otherwise draw in what nobody asked for.
//!    Events: the request itself. Days, weeks, months: the periods that lie wholly in the request, with
//!    [`PartialPeriods::Replace`] also those that only meet it. Weeks have no calendar of their own (the day on which they
//!    start is a site's choice, and it changes): the weeks are those of the rows.
//! 2. **Actual** = widened ∩ held ∩ time before [`Question::settled_until`]. Held spans that touch are one span.
//! 3. A target row wholly in the actual range is deleted, a volume row wholly in it inserted.
//! 4. A target row that meets the actual range without lying in it is **straddling**: it is never deleted.
//! 5. A target row to be deleted is **covered** if every instant of it is covered by volume rows that really go in; an
//!    event belongs to the slot of the day in which it starts ([`Question::event_slot_minutes`]) and is covered if an event
//!    of that slot goes in.
//! 6. A row that is **kept** keeps its whole span: volume rows that meet it are left out, which may leave further target
//!    rows uncovered; under [`Uncovered::Keep`] those are kept too, until nothing changes. A kept event keeps its own span,
//!    not its slot: events of one slot stood side by side at the source.
//! 7. With [`Uncovered::Refuse`] the decision is that of [`Uncovered::Delete`], for show; [`Decision::refused`] says why it
//!    must not be applied. Under both, straddling rows stay and push volume rows out; target rows that these covered are
//!    uncovered then.
//! 8. **Carried** rows (on the volumes, in the widened range, not wholly held: rows after the cutoff, rows of unproven
//!    buckets) go in only with [`Carried::Insert`] and only where neither the target as it stands nor the rows of rule 3 have
//!    a row that meets them. They do not push each other out. Nothing of them is after [`Question::settled_until`]. They
//!    cover nothing: a deletion must not rest on rows that the set does not speak for.
//! 9. **Undated** rows are replaced only by a request without start and stop, if the volumes have some and they are
//!    proven; unproven ones go in with [`Carried::Insert`] where the target has none.
//! 10. **Partial periods** are listed in either case, whatever is held: they are the ones to summarise again.
//!
//! # What the two sides must hold
//! Every row whose date lies in the request moved apart by [`reach_days`] days at either side; further rows change nothing.

mod engine;
mod held;
#[cfg(any(test, feature = "testing"))]
pub mod oracle;
mod periods;
mod request;
#[cfg(test)]
mod scenarios;
mod settle;
mod spans;
#[cfg(test)]
mod tests;

pub use engine::decide;
pub use held::{held_by_rows, held_incremental};
pub use periods::periods_touched;
pub use request::{Request, RequestError, date_text};
pub use spans::SpanSet;

use super::grain::Grain;
use crate::base::time::{Instant, Span};

/// Rows of one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// When they were.
    pub span: Span,
    /// How many there are, at least 1.
    pub rows: u64,
}

/// The rows of one table and one ACD, on the volumes or in the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    slots: Vec<Slot>,
    /// Rows without a usable time.
    pub undated: u64,
}

impl Side {
    /// Slots in any order, spans given several times added up; those that are empty or have no row are left out.
    ///
    /// ```
    /// use intervault::base::time::{Instant, Span};
    /// use intervault::schema::range::{Side, Slot};
    /// let span = Span { start: Instant(0), stop: Instant(1800) };
    /// let side = Side::new([Slot { span, rows: 2 }, Slot { span, rows: 3 }], 0);
    /// assert_eq!(side.slots(), [Slot { span, rows: 5 }]);
    /// ```
    #[must_use]
    pub fn new(slots: impl IntoIterator<Item = Slot>, undated: u64) -> Side {
        let mut all: Vec<Slot> =
            slots.into_iter().filter(|slot| slot.rows > 0 && slot.span.start < slot.span.stop).collect();
        all.sort_unstable();
        let mut merged: Vec<Slot> = Vec::with_capacity(all.len());
        for slot in all {
            match merged.last_mut() {
                Some(last) if last.span == slot.span => last.rows = last.rows.saturating_add(slot.rows),
                _ => merged.push(slot),
            }
        }
        Side { slots: merged, undated }
    }

    /// The slots: ascending, each span once.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

/// What to do with target rows in the actual range for which the volumes have nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Uncovered {
    /// Refuse the restore.
    #[default]
    Refuse,
    /// Delete them: the volumes are right.
    Delete,
    /// Keep them: the target is right.
    Keep,
}

/// What to do with days, weeks and months that the request meets without holding them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum PartialPeriods {
    /// Leave them as they are.
    #[default]
    Keep,
    /// Replace them whole.
    Replace,
}

/// What to do with rows on the volumes for which the set does not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Carried {
    /// Leave them on the volumes.
    #[default]
    Leave,
    /// Insert them where the target has nothing.
    Insert,
}

/// What the person who restores has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Policies {
    /// Target rows without counterpart.
    pub uncovered: Uncovered,
    /// Periods that are only partly asked for.
    pub partial_periods: PartialPeriods,
    /// Rows after the cutoff and rows that are not proven.
    pub carried: Carried,
}

/// Everything that a decision about one table and one ACD depends on.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The table's grain. [`Grain::None`] is no business of the engine: such tables are replaced whole.
    pub grain: Grain,
    /// Length of an event slot in minutes, counted from midnight (the last of a day may be shorter); 0 counts as 1.
    pub event_slot_minutes: u32,
    /// What is asked for.
    pub request: Request,
    /// What the set speaks for, only what is proven; any order.
    pub held: &'a [Span],
    /// The rows on the volumes, carried and unproven ones included.
    pub volume: &'a Side,
    /// The rows in the target.
    pub target: &'a Side,
    /// Whether the volumes' undated rows are proven to be all.
    pub undated_proven: bool,
    /// What the person has said.
    pub policies: Policies,
    /// Where the target is collecting: the end of its last finished interval
    /// ([`crate::schema::clock::settled_until`]); nothing after it is touched.
    pub settled_until: Option<Instant>,
}

/// A question that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// The request holds no instant.
    #[error("the start of the range is not before its end: exchange them, or leave one out")]
    EmptyRequest,
    /// Rows that overlap in a chain would move an edge further than the longest of them is.
    #[error(
        "rows that overlap each other reach from {edge} to {widened}, {minutes} minutes, more than the longest row there \
         lasts ({longest} minutes): choose a range that begins and ends where no row lies across the edge"
    )]
    WidenedTooFar {
        /// The edge of the request.
        edge: Instant,
        /// Where widening would put it.
        widened: Instant,
        /// How far apart these are.
        minutes: i64,
        /// Length of the longest row in the widened range.
        longest: i64,
    },
    /// A table without grain came here.
    #[error("a table without times is replaced whole, not by range")]
    NoGrain,
}

/// What happens to the rows without a usable time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undated {
    /// Nothing.
    #[default]
    Leave,
    /// The target's are deleted, the volumes' inserted.
    Replace,
    /// The volumes' are inserted; the target has none.
    Insert,
}

/// A span in which the volumes hold fewer rows than the target loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thinner {
    /// The span of the target rows; for events their slot of the day.
    pub span: Span,
    /// Target rows of that span that are deleted.
    pub target_rows: u64,
    /// Volume rows that go in and meet it.
    pub volume_rows: u64,
}

/// A day, week or month that the request meets without holding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// The period.
    pub span: Span,
    /// Its rows in the target.
    pub target_rows: u64,
    /// Its rows on the volumes.
    pub volume_rows: u64,
}

/// Why a decision must not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Target rows that would be deleted and not replaced.
    pub uncovered_rows: u64,
    /// Target rows that lie across an edge of the actual range.
    pub straddling_rows: u64,
}

/// What happens to the rows of one table and one ACD. All lists ascend; each span stands at most once in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The request, widened; empty if no period lies wholly in it.
    pub widened: SpanSet,
    /// The time in which rows are replaced.
    pub actual: SpanSet,
    /// Target rows that are deleted.
    pub delete: Vec<Slot>,
    /// Volume rows that the set speaks for and that are inserted.
    pub insert: Vec<Slot>,
    /// Volume rows in the actual range that stay out because they meet a kept row.
    pub left_out: Vec<Slot>,
    /// Target rows in or across the actual range that stay: all straddling ones, and the uncovered ones if told to keep.
    pub kept: Vec<Slot>,
    /// Target rows in the actual range that the rows going in do not cover.
    pub uncovered: Vec<Slot>,
    /// Target rows that lie across an edge of the actual range.
    pub straddling: Vec<Slot>,
    /// Volume rows in the widened range that the set speaks for and that stay out because the target is collecting.
    pub unsettled: Vec<Slot>,
    /// Where fewer rows come than go; uncovered rows are not repeated here.
    pub thinner: Vec<Thinner>,
    /// Volume rows in the widened range that the set does not speak for and that go in all the same.
    pub carried_in: Vec<Slot>,
    /// Those that stay on the volumes.
    pub carried_left: Vec<Slot>,
    /// Days, weeks or months that the request meets without holding them.
    pub partial: Vec<Period>,
    /// What happens to the rows without a usable time.
    pub undated: Undated,
    /// What was said of uncovered rows.
    pub uncovered_policy: Uncovered,
}

impl Decision {
    /// Whether target rows of this span are deleted. Takes logarithmic time.
    #[must_use]
    pub fn deletes(&self, span: Span) -> bool {
        contains(&self.delete, span)
    }

    /// Whether volume rows of this span are inserted, carried ones included. Takes logarithmic time.
    #[must_use]
    pub fn inserts(&self, span: Span) -> bool {
        contains(&self.insert, span) || contains(&self.carried_in, span)
    }

    /// Why it must not be applied as it stands, if so.
    #[must_use]
    pub fn refused(&self) -> Option<Refusal> {
        let refusal = Refusal { uncovered_rows: rows(&self.uncovered), straddling_rows: rows(&self.straddling) };
        let guarded = self.uncovered_policy == Uncovered::Refuse;
        (guarded && (refusal.uncovered_rows > 0 || refusal.straddling_rows > 0)).then_some(refusal)
    }

    /// Whether no row is deleted or inserted, undated ones included.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let dated = self.delete.is_empty() && self.insert.is_empty() && self.carried_in.is_empty();
        dated && self.undated == Undated::Leave
    }

    /// The time of the rows that are deleted or inserted.
    #[must_use]
    pub fn touched(&self) -> SpanSet {
        let slots = self.delete.iter().chain(&self.insert).chain(&self.carried_in);
        slots.map(|slot| slot.span).collect()
    }
}

fn contains(slots: &[Slot], span: Span) -> bool {
    slots.binary_search_by_key(&span, |slot| slot.span).is_ok()
}

/// The number of rows in all of these slots.
#[must_use]
pub fn rows(slots: &[Slot]) -> u64 {
    slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.rows))
}

/// How many days to either side of a request rows can matter for a decision, by the rows' own date: a widened edge moves by
/// less than the longest interval, and a row begins less than its length before the time that it meets.
///
/// ```
/// use intervault::schema::{grain::Grain, range::reach_days};
/// assert_eq!(reach_days(Grain::Weekly), 14);
/// ```
#[must_use]
pub const fn reach_days(grain: Grain) -> i32 {
    match grain {
        Grain::None => 0,
        Grain::Event => 1,
        Grain::Daily => 2,
        Grain::Interval => 2,
        Grain::Weekly => 14,
        Grain::Monthly => 62,
    }
}
