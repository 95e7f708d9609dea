//! Cuts the plan of a table into units: slices of time that no row lies across, each replaced in one transaction. Pure.

use super::report::{AcdPlan, RangesPlan, TableAction, TablePlan};
use crate::base::checksum::blake3;
use crate::base::time::{Day, Instant, Span};
use crate::schema::grain::Grain;
use crate::schema::range::{Side, Slot, SpanSet, Undated};
use crate::section::pieces::Acd;
use std::collections::BTreeMap;

/// Which part of a table a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All rows, or all rows of the one ACD.
    Whole,
    /// The rows without a usable time.
    Undated,
    /// The rows of a slice of time.
    Slice(Span),
    /// The rows of all ranges and those without a usable time, where they could be in each other's way.
    Both,
}

impl Part {
    /// The slice of time, as the journal has it: all of time where rows without one are among those of the unit.
    #[must_use]
    pub const fn span(self) -> Span {
        match self {
            Part::Whole | Part::Undated | Part::Both => Span::ALL,
            Part::Slice(slice) => slice,
        }
    }

    /// In which slice of time it replaces ranges, if it does.
    pub(super) const fn dated(self) -> Option<Span> {
        match self {
            Part::Whole | Part::Undated => None,
            Part::Slice(slice) => Some(slice),
            Part::Both => Some(Span::ALL),
        }
    }

    /// Whether it replaces rows without a usable time, beside whole tables.
    pub(super) const fn is_undated(self) -> bool {
        matches!(self, Part::Undated | Part::Both)
    }
}

/// A part of a table that is replaced in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitPlan {
    /// Which part.
    pub part: Part,
    /// Rows of the target that are deleted.
    pub delete: u64,
    /// Rows of the volumes that go in.
    pub insert: u64,
}

/// The units of a table, in order: that of the undated rows in front, then the slices, ascending. They leave out nothing of
/// the actual range, whether or not there are rows in it. None if nothing is replaced.
pub(super) fn units(table: &TablePlan, rows_max: u64) -> Vec<UnitPlan> {
    match &table.action {
        TableAction::Leave(_) => Vec::new(),
        TableAction::Whole(whole) => vec![UnitPlan { part: Part::Whole, delete: whole.delete, insert: whole.insert }],
        TableAction::Ranges(ranges) => {
            let undated = undated(ranges).map(|(delete, insert)| UnitPlan { part: Part::Undated, delete, insert });
            undated.into_iter().chain(slices(ranges, rows_max)).collect()
        }
    }
}

/// The slices with these borders, for a plan that was cut before.
pub(super) fn unit(ranges: &RangesPlan, part: Part) -> UnitPlan {
    let (delete, insert) = match part {
        Part::Slice(slice) => changed(ranges, slice),
        Part::Undated => undated(ranges).unwrap_or_default(),
        Part::Both => {
            let ((delete, insert), (gone, come)) = (changed(ranges, Span::ALL), undated(ranges).unwrap_or_default());
            (delete.saturating_add(gone), insert.saturating_add(come))
        }
        Part::Whole => (0, 0),
    };
    UnitPlan { part, delete, insert }
}

/// Whether rows of one unit could be in the way of another one's. `unique` are the columns of each rule by which rows must
/// differ: rows that are alike by it are of one slice if it speaks of their time, but may be without a usable time otherwise.
pub(super) fn collide(ranges: &RangesPlan, unique: &[Vec<usize>]) -> bool {
    let given = |column: &usize| ranges.sources.iter().any(|source| source.mapping.columns.contains(column));
    let time = ranges.bound_target.clock.as_ref().map(|clock| clock.kind.columns()).unwrap_or_default();
    let some_undated = undated(ranges).is_some_and(|(delete, insert)| delete > 0 || insert > 0);
    let mut rules = unique.iter().filter(|columns| columns.is_empty() || columns.iter().any(given));
    rules.any(|columns| some_undated || !time.iter().all(|column| columns.contains(column)))
}

/// Rows without a usable time: how many go, how many come.
fn undated(ranges: &RangesPlan) -> Option<(u64, u64)> {
    let touched = ranges.acds.iter().filter(|plan| plan.decision.undated != Undated::Leave);
    let mut sums = None;
    for plan in touched {
        let (delete, insert) = sums.unwrap_or((0u64, 0u64));
        let gone = if plan.decision.undated == Undated::Replace { plan.target.undated } else { 0 };
        sums = Some((delete.saturating_add(gone), insert.saturating_add(plan.volume.undated)));
    }
    sums
}

fn changed(ranges: &RangesPlan, slice: Span) -> (u64, u64) {
    let within = |slots: &[Slot]| {
        let rows = slots.iter().filter(|slot| slice.holds(slot.span)).map(|slot| slot.rows);
        rows.fold(0, u64::saturating_add)
    };
    let sum = |rows: &dyn Fn(&AcdPlan) -> u64| ranges.acds.iter().map(rows).fold(0, u64::saturating_add);
    let insert = |plan: &AcdPlan| within(&plan.decision.insert).saturating_add(within(&plan.decision.carried_in));
    (sum(&|plan| within(&plan.decision.delete)), sum(&insert))
}

/// A mark of a unit: of the target's rows that its decision rests on, as the plan counts them, and of the decision. A plan that
/// is made later and has another mark for it would do something else.
pub(super) fn mark(table: &TablePlan, part: Part) -> [u8; 16] {
    let mut numbers: Vec<i64> = Vec::new();
    let whole = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    match &table.action {
        TableAction::Leave(_) => {}
        TableAction::Whole(plan) => numbers.extend([whole(plan.delete), whole(plan.insert)]),
        TableAction::Ranges(ranges) => {
            for plan in &ranges.acds {
                numbers.extend([i64::from(plan.acd.is_some()), plan.acd.unwrap_or(0)]);
                let decision = &plan.decision;
                if let Some(slice) = part.dated() {
                    let scope = plan.scope().intersection(&SpanSet::from(slice));
                    let target = looked_at(&plan.target, &scope);
                    let lists = [target.slots(), &decision.delete, &decision.insert, &decision.carried_in];
                    for list in lists {
                        let within = list.iter().filter(|slot| slot.span.meets(slice));
                        let before = numbers.len();
                        numbers.extend(within.flat_map(|at| [at.span.start.0, at.span.stop.0, whole(at.rows)]));
                        numbers.push(whole(numbers.len().saturating_sub(before) as u64));
                    }
                }
                if part.is_undated() {
                    let [target, volume] = [plan.target.undated, plan.volume.undated].map(whole);
                    numbers.extend([decision.undated as i64, target, volume]);
                }
            }
        }
    }
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut mark = [0; 16];
    mark.iter_mut().zip(blake3(&bytes)).for_each(|(to, from)| *to = from);
    mark
}

impl AcdPlan {
    /// The time whose rows of this ACD are replaced, carried ones included.
    #[must_use]
    pub fn scope(&self) -> SpanSet {
        let carried: SpanSet = self.decision.carried_in.iter().map(|slot| slot.span).collect();
        self.decision.actual.union(&carried)
    }
}

/// What lies in a slice of the scope of each ACD.
pub(super) fn scopes(ranges: &RangesPlan, slice: Span) -> BTreeMap<Acd, SpanSet> {
    let slice = SpanSet::from(slice);
    let within = ranges.acds.iter().map(|plan| (plan.acd, plan.scope().intersection(&slice)));
    within.filter(|(_, scope)| !scope.is_empty()).collect()
}

/// Those of a side's slots on which a decision about the scope rests.
pub(super) fn looked_at(side: &Side, scope: &SpanSet) -> Side {
    Side::new(side.slots().iter().filter(|slot| scope.meets(slot.span)).copied(), 0)
}

/// The days on which rows that meet a slice are dated.
pub(super) fn days(grain: Grain, slice: Span) -> (Option<Day>, Option<Day>) {
    // A row is dated at the beginning of its span, a month on any of its days.
    let before = match grain {
        Grain::Interval => 1,
        Grain::Weekly => 6,
        Grain::None | Grain::Event | Grain::Daily => 0,
        Grain::Monthly => 31,
    };
    let after = if grain == Grain::Monthly { 31 } else { 0 };
    let last = slice.stop.plus(-1);
    (
        (slice.start != Instant::MIN).then(|| slice.start.day().saturating_sub(before)),
        (slice.stop != Instant::MAX).then(|| last.day().saturating_add(after)),
    )
}

/// A span of either side, with the rows of it that are deleted or inserted.
struct Weight {
    span: Span,
    rows: u64,
}

fn slices(ranges: &RangesPlan, rows_max: u64) -> Vec<UnitPlan> {
    let envelopes = ranges.acds.iter().filter_map(|plan| plan.scope().envelope());
    let Some(all) = envelopes.reduce(Span::hull) else { return Vec::new() };
    let weights = weights(ranges, all);
    let mut cuts = vec![all.start];
    cuts.extend(borders(&weights, all, rows_max));
    // In the journal all of time stands for the undated rows: no slice may be that.
    if cuts.len() == 1 && all == Span::ALL {
        cuts.extend(somewhere(&weights, all));
    }
    cuts.push(all.stop);
    let spans = cuts.windows(2).filter_map(|pair| Span::new(*pair.first()?, *pair.last()?));
    spans.map(|span| unit(ranges, Part::Slice(span))).collect()
}

fn weights(ranges: &RangesPlan, all: Span) -> Vec<Weight> {
    let mut weights: Vec<Weight> = Vec::new();
    for plan in &ranges.acds {
        let decision = &plan.decision;
        let changed = decision.delete.iter().chain(&decision.insert).chain(&decision.carried_in);
        weights.extend(changed.map(|slot| Weight { span: slot.span, rows: slot.rows }));
        let others = plan.target.slots().iter().chain(plan.volume.slots()).filter(|slot| slot.span.meets(all));
        weights.extend(others.map(|slot| Weight { span: slot.span, rows: 0 }));
    }
    weights.sort_unstable_by_key(|weight| weight.span.start);
    weights
}

/// An instant that no row lies across; `None` only where the rows lie across each.
fn somewhere(weights: &[Weight], all: Span) -> Option<Instant> {
    let mut reach = all.start;
    for Weight { span, .. } in weights {
        if span.start >= reach && span.start > all.start {
            return Some(span.start);
        }
        reach = reach.max(span.stop);
    }
    if reach == all.start { Some(Instant(0)) } else { (reach < all.stop).then_some(reach) }
}

/// Where to cut: at midnight if it can be helped, so that no day is looked at twice.
fn borders(weights: &[Weight], all: Span, rows_max: u64) -> Vec<Instant> {
    let (mut cuts, mut rows, mut reach) = (Vec::new(), 0u64, all.start);
    for weight in weights {
        let start = weight.span.start;
        if rows >= rows_max && start >= reach && reach > all.start && reach < all.stop {
            let midnight = Instant::of_day(reach.plus(-1).day().saturating_add(1));
            let cut = if midnight <= start && midnight < all.stop { Some(midnight) } else { None };
            // A table whose rows meet every midnight is cut elsewhere, a little later.
            if let Some(cut) = cut.or((rows >= rows_max.saturating_mul(2)).then_some(reach)) {
                cuts.push(cut);
                rows = 0;
            }
        }
        rows = rows.saturating_add(weight.rows);
        reach = reach.max(weight.span.stop);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::super::drift::Mapping;
    use super::super::report::Source;
    use super::super::sides::Cells;
    use super::*;
    use crate::schema::clock::{Clock, ClockKind};
    use crate::schema::grain::DataType;
    use crate::schema::table::{BoundTable, TableSchema};
    use crate::section::pieces::Cutoffs;
    use crate::section::rows::SectionTable;

    const DAY: i64 = 86_400;

    /// A table whose first two columns say when, and whose third comes from the volumes too.
    fn ranges(acds: Vec<AcdPlan>) -> RangesPlan {
        let schema = TableSchema { name: "t".into(), columns: Vec::new() };
        let bound = BoundTable {
            schema: schema.clone(),
            data_type: DataType::Historical,
            grain: Grain::Interval,
            clock: Some(Clock { kind: ClockKind::DateHhmm { date: 0, time: 1 }, length: None }),
            acd_column: None,
            event_slot_minutes: 30,
            server_bound: false,
        };
        let section = SectionTable { number: 1, bound: bound.clone(), cutoffs: Cutoffs::default() };
        let mapping = Mapping { columns: vec![0, 1, 2] };
        RangesPlan {
            target: schema,
            bound_target: bound,
            keyed: false,
            at_once: false,
            sources: vec![Source { member: 0, section, mapping, chunks: Vec::new(), speaks: None }],
            cells: Cells::default(),
            days: (None, None),
            acds,
            unproven: Vec::new(),
            stale: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn span(start: i64, stop: i64) -> Span {
        Span { start: Instant(start), stop: Instant(stop) }
    }

    /// Replaces so many rows without a usable time by so many.
    fn undated_rows(delete: u64, insert: u64) -> AcdPlan {
        let mut plan = AcdPlan::idle(Side::new([], insert), Side::new([], delete));
        plan.decision.undated = Undated::Replace;
        plan
    }

    #[test]
    fn rows_without_a_time_collide_where_one_goes_or_comes() {
        let collides =
            |delete, insert, unique: &[usize]| collide(&ranges(vec![undated_rows(delete, insert)]), &[unique.to_vec()]);
        for (delete, insert) in [(1, 0), (0, 1), (1, 1)] {
            assert!(collides(delete, insert, &[0, 1]), "{delete} go, {insert} come");
        }
        assert!(!collides(0, 0, &[0, 1]), "the rule has the time in it");
        assert!(
            collides(0, 0, &[0]) && collides(0, 0, &[2]) && collides(0, 0, &[]),
            "the rule says nothing of the time"
        );
        assert!(!collides(1, 1, &[3]), "nothing comes into the column of the rule");
    }

    #[test]
    fn rows_that_meet_a_slice_are_dated_at_most_their_own_length_before_it() {
        let slice = span(100 * DAY, 110 * DAY);
        let looked = |grain| days(grain, slice);
        for grain in [Grain::Daily, Grain::Event, Grain::None] {
            assert_eq!(looked(grain), (Some(100), Some(109)), "{grain:?}");
        }
        assert_eq!(looked(Grain::Interval), (Some(99), Some(109)));
        assert_eq!(looked(Grain::Weekly), (Some(94), Some(109)));
        assert_eq!(looked(Grain::Monthly), (Some(69), Some(140)));
        assert_eq!(days(Grain::Monthly, Span::ALL), (None, None));
    }

    /// Where slices of rows that are inserted begin and end, in hours.
    fn cuts(hours: &[(i64, i64)], rows_max: u64) -> Vec<i64> {
        let slot = |(start, stop): &(i64, i64)| Slot { span: span(start * 3_600, stop * 3_600), rows: 10 };
        let mut plan = AcdPlan::idle(Side::default(), Side::default());
        plan.decision.insert = hours.iter().map(slot).collect();
        plan.decision.actual = SpanSet::from(span(0, 96 * 3_600));
        let units = slices(&ranges(vec![plan]), rows_max);
        let starts = units.iter().map(|unit| unit.part.span().start.0 / 3_600);
        starts.chain([96]).collect()
    }

    #[test]
    fn a_slice_ends_at_midnight_where_the_rows_allow_it() {
        // A row that begins at midnight does not lie across it.
        assert_eq!(cuts(&[(8, 9), (24, 25), (50, 51)], 10), [0, 24, 48, 96]);
        assert_eq!(cuts(&[(8, 9), (10, 11), (12, 13), (30, 31)], 30), [0, 24, 96]);
        // One that lies across midnight: a little later, where there are twice as many.
        assert_eq!(cuts(&[(8, 9), (23, 25), (26, 27), (49, 50)], 10), [0, 25, 48, 96]);
    }
}
