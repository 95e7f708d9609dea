//! Gathers what the range engine asks for: the rows of volumes and target, counted by ACD and span.

use super::options::Options;
use crate::base::time::{Instant, Span};
use crate::format::catalog::BucketEntry;
use crate::format::section::HeldEntry;
use crate::schema::clock::{RowWhen, When};
use crate::schema::grain::Grain;
use crate::schema::range::{Carried, Side, Slot, SpanSet, event_slot};
use crate::schema::table::BoundTable;
use crate::section::chain::cuts;
use crate::section::pieces::Acd;
use crate::volume::section::{SectionSource, SectionView};
use std::collections::{BTreeMap, HashMap};

/// The spans under which events are counted: the whole slot of the day where all events of a slot share one fate, the
/// event's own span otherwise. A slot may be cut by an edge of the request, of what the set holds, or of what may be
/// touched: its events lie on either side. For other grains every span is its own.
///
/// Edges must be known before the rows are read, and they are if a catalog says what is held: parts that turn out to be
/// unreadable take out whole days. Without a catalog events are counted by their own spans. So are those of slots with rows
/// that are not held, if such rows may go in: each does only where no row of its own second stands. Where they are is known
/// from the catalog too, as long as all that was listed could be read ([`Cells::counts_by_catalog`]).
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    /// Minutes of a slot, if whole slots are counted.
    slot_minutes: Option<u32>,
    /// Instants that cut the slots of all ACDs, ascending.
    edges: Vec<Instant>,
    /// Those of one ACD besides, ascending.
    edges_of: BTreeMap<Acd, Vec<Instant>>,
    /// Time in which rows that are not held are judged one by one.
    loose: BTreeMap<Acd, SpanSet>,
}

impl Cells {
    /// The cells of a table of which sets have these sections, on the volumes as in the target. `applied`: where ranges
    /// that were restored before begin and end.
    pub(super) fn new<'s>(
        table: &BoundTable,
        sections: impl Iterator<Item = &'s SectionView>,
        applied: impl Iterator<Item = (Acd, Instant)>,
        options: &Options,
    ) -> Cells {
        if table.grain != Grain::Event {
            return Cells::default();
        }
        let mut edges: Vec<(Acd, Instant)> = applied.collect();
        let mut loose = BTreeMap::new();
        for section in sections {
            let by_catalog = section.end.as_ref().filter(|_| section.source == SectionSource::Catalog);
            let Some(end) = by_catalog else { return Cells::default() };
            edges.extend(cuts(&section.buckets, end));
            if options.policies.carried == Carried::Insert {
                add_loose(&mut loose, &section.buckets, &end.held);
            }
        }
        let asked = [options.request.start, options.request.stop, options.settled_until];
        Cells { loose, ..Cells::cut(table.event_slot_minutes, asked.into_iter().flatten(), edges) }
    }

    /// Whether whole slots are counted on the word of a catalog.
    pub(super) const fn counts_by_catalog(&self) -> bool {
        self.slot_minutes.is_some()
    }

    /// Slots of some minutes, cut at these edges.
    fn cut(
        slot_minutes: u32,
        edges: impl IntoIterator<Item = Instant>,
        edges_of: impl IntoIterator<Item = (Acd, Instant)>,
    ) -> Cells {
        let mut cells = Cells { slot_minutes: Some(slot_minutes), ..Cells::default() };
        cells.edges.extend(edges);
        cells.edges.sort_unstable();
        for (acd, at) in edges_of {
            cells.edges_of.entry(acd).or_default().push(at);
        }
        cells.edges_of.values_mut().for_each(|edges| edges.sort_unstable());
        cells
    }

    /// The span under which a row of this span is counted.
    pub(super) fn of(&self, acd: Acd, span: Span) -> Span {
        let Some(minutes) = self.slot_minutes else { return span };
        let slot = event_slot(minutes, span.start);
        let cut_by = |edges: &[Instant]| {
            let next = edges.partition_point(|edge| *edge <= slot.start);
            edges.get(next).is_some_and(|edge| *edge < slot.stop)
        };
        let own = self.edges_of.get(&acd).is_some_and(|edges| cut_by(edges));
        let loose = self.loose.get(&acd).is_some_and(|loose| loose.meets(slot));
        if own || loose || cut_by(&self.edges) || !slot.holds(span) { span } else { slot }
    }
}

/// Adds the time in which a section has carried rows and holds nothing.
fn add_loose(loose: &mut BTreeMap<Acd, SpanSet>, buckets: &[BucketEntry], held: &[HeldEntry]) {
    let span = |start: i64, stop: i64| Span::new(Instant(start), Instant(stop));
    let mut carried: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
    for bucket in buckets.iter().filter(|bucket| bucket.carried > 0 && bucket.day.is_some()) {
        carried.entry(bucket.acd).or_default().extend(span(bucket.first, bucket.stop));
    }
    for (acd, carried) in carried {
        let own = held.iter().filter(|held| held.acd == acd).filter_map(|held| span(held.start, held.stop));
        let more = SpanSet::from_spans(carried).minus(&SpanSet::from_spans(own));
        let all = loose.entry(acd).or_insert(SpanSet::EMPTY);
        *all = all.union(&more);
    }
}

/// Counts rows by ACD and cell. Memory grows with the number of distinct cells: intervals and periods have few spans,
/// events few slots; only events counted by their own spans have as many as rows.
#[derive(Debug)]
pub(super) struct Sides<'a> {
    cells: &'a Cells,
    slots: HashMap<(Acd, Span), u64>,
    undated: BTreeMap<Acd, u64>,
    /// What was counted last and how often, kept out of the map: rows of one cell mostly come together.
    run: Option<((Acd, Span), u64)>,
}

impl<'a> Sides<'a> {
    /// Nothing counted yet.
    pub(super) fn new(cells: &'a Cells) -> Sides<'a> {
        Sides { cells, slots: HashMap::new(), undated: BTreeMap::new(), run: None }
    }

    /// Counts some rows.
    pub(super) fn add(&mut self, when: &[RowWhen]) {
        for row in when {
            match row.when {
                When::Dated(span) => self.count((row.acd, self.cells.of(row.acd, span))),
                When::Undated => {
                    let count = self.undated.entry(row.acd).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
    }

    fn count(&mut self, key: (Acd, Span)) {
        match &mut self.run {
            Some((same, rows)) if *same == key => *rows = rows.saturating_add(1),
            _ => {
                self.flush();
                self.run = Some((key, 1));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((key, rows)) = self.run.take() {
            let count = self.slots.entry(key).or_default();
            *count = count.saturating_add(rows);
        }
    }

    /// The sides, by ACD.
    pub(super) fn finish(mut self) -> BTreeMap<Acd, Side> {
        self.flush();
        let mut by_acd: BTreeMap<Acd, Vec<Slot>> = BTreeMap::new();
        for ((acd, span), rows) in self.slots {
            by_acd.entry(acd).or_default().push(Slot { span, rows });
        }
        for acd in self.undated.keys() {
            by_acd.entry(*acd).or_default();
        }
        let undated = self.undated;
        let side = |(acd, slots)| (acd, Side::new(slots, undated.get(&acd).copied().unwrap_or(0)));
        by_acd.into_iter().map(side).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::range::{PartialPeriods, Policies, Question, Request, Thinner, Uncovered, decide};
    use proptest::prelude::*;

    const ACD: Acd = Some(1);

    /// What becomes of each row: whether target rows go, whether volume rows come.
    type Fates = (Vec<bool>, Vec<bool>);

    /// A question about events; rows are seconds, each an event of `unit` seconds.
    #[derive(Debug, Clone)]
    struct World {
        unit: i64,
        slot_minutes: u32,
        volume: Vec<i64>,
        target: Vec<i64>,
        request: (Option<i64>, Option<i64>),
        held: Vec<(i64, i64)>,
        settled_until: Option<i64>,
        uncovered: Uncovered,
        carried: Carried,
    }

    impl World {
        fn any() -> impl Strategy<Value = World> {
            // Two hours before and after midnight; edges mostly within slots, sometimes between them.
            let at = || prop_oneof![3 => 79_200..93_600_i64, 1 => (2_640..3_120_i64).prop_map(|n| n / 15 * 15 * 30)];
            let rows = || proptest::collection::vec(at(), 0..40);
            let edge = || proptest::option::of(at());
            let held = proptest::collection::vec((at(), at()), 0..4);
            let minutes = prop_oneof![Just(30_u32), Just(15), Just(7), Just(1_440), Just(1)];
            let unit = prop_oneof![3 => Just(1_i64), 1 => Just(60), 1 => Just(86_400)];
            let told = prop_oneof![Just(Uncovered::Refuse), Just(Uncovered::Delete), Just(Uncovered::Keep)];
            let told = (told, prop_oneof![Just(Carried::Leave), Just(Carried::Insert)]);
            let world = (unit, minutes, rows(), rows(), rows(), (edge(), edge()), held, edge(), told);
            world.prop_map(|(unit, slot_minutes, both, volume, target, request, held, settled_until, told)| {
                let (uncovered, carried) = told;
                let whole = |rows: Vec<i64>| both.iter().copied().chain(rows).map(|at| at - at % unit).collect();
                let held = held.into_iter().filter(|(one, other)| one != other);
                let request = match request {
                    (Some(start), Some(stop)) if start > stop => (Some(stop), Some(start)),
                    request => request,
                };
                World {
                    unit,
                    slot_minutes,
                    volume: whole(volume),
                    target: whole(target),
                    request,
                    held: held.map(|(one, other)| (one.min(other), one.max(other))).collect(),
                    settled_until,
                    uncovered,
                    carried,
                }
            })
        }

        fn span(&self, at: i64) -> Span {
            Span { start: Instant(at), stop: Instant(at + self.unit) }
        }

        fn cells(&self) -> Cells {
            let edges = [self.request.0, self.request.1, self.settled_until];
            let held = self.held.iter().flat_map(|(start, stop)| [(ACD, Instant(*start)), (ACD, Instant(*stop))]);
            let mut loose = BTreeMap::new();
            if self.carried == Carried::Insert {
                add_loose(&mut loose, &self.buckets(), &self.entries());
            }
            Cells { loose, ..Cells::cut(self.slot_minutes, edges.into_iter().flatten().map(Instant), held) }
        }

        fn entries(&self) -> Vec<HeldEntry> {
            self.held.iter().map(|(start, stop)| HeldEntry { acd: ACD, start: *start, stop: *stop }).collect()
        }

        /// The buckets of a catalog: a row that is not held is a carried one.
        fn buckets(&self) -> Vec<BucketEntry> {
            let held = SpanSet::from_spans(
                self.held.iter().map(|(start, stop)| Span { start: Instant(*start), stop: Instant(*stop) }),
            );
            let mut days: BTreeMap<i32, BucketEntry> = BTreeMap::new();
            for span in self.volume.iter().map(|at| self.span(*at)) {
                let day = span.start.day();
                let (first, stop) = (span.start.0, span.stop.0);
                let blank = BucketEntry {
                    acd: ACD,
                    day: Some(day),
                    pieces: 1,
                    rows: 0,
                    carried: 0,
                    first,
                    stop,
                    digest: [0; 16],
                    carried_digest: None,
                };
                let bucket = days.entry(day).or_insert(blank);
                (bucket.first, bucket.stop) = (bucket.first.min(first), bucket.stop.max(stop));
                let count = if held.holds(span) { &mut bucket.rows } else { &mut bucket.carried };
                *count += 1;
            }
            days.into_values().collect()
        }

        /// Fates, rows uncovered, kept, left out, going and coming, and the thinner slots. `None`: there is no answer.
        fn fates(&self, cells: &Cells) -> Option<(Fates, [u64; 5], Vec<Thinner>)> {
            let side = |rows: &[i64]| {
                let mut sides = Sides::new(cells);
                let when = |at: &i64| RowWhen { acd: ACD, when: When::Dated(self.span(*at)) };
                sides.add(&rows.iter().map(when).collect::<Vec<_>>());
                sides.finish().remove(&ACD).unwrap_or_default()
            };
            let (volume, target) = (side(&self.volume), side(&self.target));
            let held: Vec<Span> =
                self.held.iter().map(|(start, stop)| Span { start: Instant(*start), stop: Instant(*stop) }).collect();
            let decision = decide(&Question {
                grain: Grain::Event,
                event_slot_minutes: self.slot_minutes,
                request: Request { start: self.request.0.map(Instant), stop: self.request.1.map(Instant) },
                held: &held,
                volume: &volume,
                target: &target,
                undated_proven: true,
                policies: Policies {
                    uncovered: self.uncovered,
                    partial_periods: PartialPeriods::Keep,
                    carried: self.carried,
                },
                settled_until: self.settled_until.map(Instant),
            });
            let decision = decision.ok()?;
            let cell = |at: &i64| cells.of(ACD, self.span(*at));
            let going = self.target.iter().map(|at| decision.deletes(cell(at))).collect();
            let coming = self.volume.iter().map(|at| decision.inserts(cell(at))).collect();
            let lists = [&decision.uncovered, &decision.kept, &decision.left_out, &decision.delete, &decision.insert];
            Some(((going, coming), lists.map(|list| crate::schema::range::rows(list)), decision.thinner))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rows_share_the_fate_of_their_cell(world in World::any()) {
            prop_assert_eq!(world.fates(&world.cells()), world.fates(&Cells::default()));
        }
    }

    #[test]
    fn a_slot_is_one_cell_unless_an_edge_cuts_it() {
        let second = |at: i64| Span { start: Instant(at), stop: Instant(at + 1) };
        let slot = |n: i64| Span { start: Instant(n * 1_800), stop: Instant((n + 1) * 1_800) };
        let cells = Cells::cut(30, [Instant(3_600), Instant(5_401)], [(ACD, Instant(1_000)), (None, Instant(1_799))]);
        for (acd, at, cell) in [
            (ACD, 10, second(10)),
            (ACD, 1_799, second(1_799)),
            (ACD, 1_800, slot(1)),
            (None, 10, second(10)),
            (Some(2), 10, slot(0)),
            // An edge between two slots cuts neither; one a second after their border does.
            (Some(2), 3_599, slot(1)),
            (Some(2), 3_600, slot(2)),
            (Some(2), 5_400, second(5_400)),
            (Some(2), 7_200, slot(4)),
        ] {
            assert_eq!(cells.of(acd, second(at)), cell, "{acd:?} {at}");
        }
        // A span that reaches beyond its slot is none of its events.
        let day = Span { start: Instant(7_200), stop: Instant(7_200 + 86_400) };
        assert_eq!(cells.of(ACD, day), day);
        assert_eq!(Cells::default().of(ACD, second(7_200)), second(7_200));
    }

    /// Sixty days of events, one a second, carried rows in the last slots only: nothing else is counted by the second.
    #[test]
    fn carried_rows_are_counted_one_by_one_and_no_others() {
        let held = [HeldEntry { acd: ACD, start: 0, stop: 60 * 86_400 - 1_800 }];
        let bucket = |day: i32| {
            let (first, stop) = (i64::from(day) * 86_400, i64::from(day + 1) * 86_400);
            let carried = if day == 59 { 1_800 } else { 0 };
            BucketEntry {
                acd: ACD,
                day: Some(day),
                pieces: 1,
                rows: 86_400 - carried,
                carried,
                first,
                stop,
                digest: [0; 16],
                carried_digest: None,
            }
        };
        let mut loose = BTreeMap::new();
        add_loose(&mut loose, &(0..60).map(bucket).collect::<Vec<_>>(), &held);
        let cells = Cells { loose, ..Cells::cut(30, [], [(ACD, Instant(held[0].stop))]) };
        let cell = |at: i64| cells.of(ACD, Span { start: Instant(at), stop: Instant(at + 1) });
        let distinct: std::collections::BTreeSet<Span> = (0..60 * 86_400).step_by(60).map(cell).collect();
        assert_eq!(distinct.len(), 60 * 48 - 1 + 30);
    }

    /// A day of events, one a second: what is counted must not grow with them.
    #[test]
    fn slots_are_counted_not_events() {
        let cells = Cells::cut(30, [Instant(5)], []);
        let mut sides = Sides::new(&cells);
        let when =
            |at: i64| RowWhen { acd: ACD, when: When::Dated(Span { start: Instant(at), stop: Instant(at + 1) }) };
        sides.add(&(0..86_400).map(when).collect::<Vec<_>>());
        let sides = sides.finish();
        // 1,800 events of the slot that an edge cuts, and 47 slots.
        assert_eq!(sides[&ACD].slots().len(), 1_847);
        assert_eq!(crate::schema::range::rows(sides[&ACD].slots()), 86_400);
    }
}
