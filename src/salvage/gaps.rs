//! Where chunks of a section are missing, and whose rows they may have had, and of when: as wide as what is known allows. Pure.
//!
//! With the catalog that is known of each chunk. Without it only the order of the section says something, if it is `ordered`:
//! rows come by the days of their buckets then, of all ACDs together. In other sections any chunk may have rows of any time.

use super::account::{AcdLoss, Gap};
use super::losses::Known;
use super::parts::ChunkAt;
use super::room::Room;
use crate::base::limits::INTERVAL_MINUTES_MAX;
use crate::base::time::{Day, Instant};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::section::{HeldEntry, SectionEndRecord};
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::section::evidence::Evidence;
use crate::section::pieces::Acd;
use crate::volume::summary::BucketTable;
use std::collections::{BTreeMap, BTreeSet};

/// Gaps and ACDs that an account lists of one section, and runs of days of one ACD, at most.
const LISTED_MAX: usize = 1_000;

/// The days that rows may have, from the first to the last; none where there is no bound.
type Days = (Option<Day>, Option<Day>);

/// Where chunks are missing.
pub(super) struct Gaps {
    /// Rows and chunks of them, as far as they are known.
    pub(super) rows: u64,
    pub(super) chunks: u64,
    between: Vec<(Gap, Days)>,
    /// Numbers of the rows, as the new section counts them, before which rows are missing.
    pub(super) before: Vec<u64>,
}

impl Gaps {
    pub(super) fn of(known: &Known<'_>, chunks: &BTreeMap<u64, ChunkAt>) -> Gaps {
        let mut gaps = Gaps { rows: 0, chunks: 0, between: Vec::new(), before: Vec::new() };
        let end = known.end;
        let old: BTreeSet<u64> =
            end.and_then(|end| end.lost.as_ref()).into_iter().flat_map(|lost| &lost.gaps).copied().collect();
        let (mut next_chunk, mut next_row, mut written, mut behind) = (0u64, 0u64, 0u64, None::<Day>);
        for (number, chunk) in chunks {
            let (first, last) = days(chunk);
            // The days of gaps that were met before end with the first row behind them that has one.
            gaps.bound(first);
            if *number > next_chunk || chunk.first_row > next_row {
                let rows = chunk.first_row.saturating_sub(next_row);
                gaps.add(number.saturating_sub(next_chunk), Some(rows), next_row, (behind, first));
                gaps.before.push(written);
            } else if old.contains(&chunk.first_row) {
                gaps.before.push(written);
            }
            next_chunk = number.saturating_add(1);
            next_row = chunk.first_row.saturating_add(u64::from(chunk.rows));
            written = written.saturating_add(u64::from(chunk.rows));
            behind = behind.max(last);
        }
        let missing = end.map(|end| (end.chunks.saturating_sub(next_chunk), end.rows.saturating_sub(next_row)));
        if missing != Some((0, 0)) {
            let rows = missing.map(|(_, rows)| rows);
            gaps.add(missing.map_or(0, |(chunks, _)| chunks), rows, next_row, (behind, None));
            gaps.before.push(written);
        } else if old.contains(&next_row) {
            gaps.before.push(written);
        }
        gaps.before.dedup();
        gaps.date(known);
        gaps
    }

    /// The gaps of an account, as far as there is room, and how many more there are.
    pub(super) fn listed(&self, room: &mut Room) -> (Vec<Gap>, u64) {
        let mut listed: Vec<Gap> = self.between.iter().take(LISTED_MAX).map(|(gap, _)| *gap).collect();
        let more = self.between.len().saturating_sub(listed.len()) as u64;
        let cut = room.cut(&mut listed, LISTED_MAX, |_| size_of::<Gap>());
        (listed, more.saturating_add(cut))
    }

    /// The days of gaps, each once; of very many the last ones from the first to the last of them all.
    fn kinds(&self) -> Vec<Days> {
        let (mut kinds, mut rest) = (BTreeSet::new(), None);
        for (_, days) in &self.between {
            if kinds.len() < LISTED_MAX || kinds.contains(days) {
                kinds.insert(*days);
            } else {
                rest = Some(rest.map_or(*days, |rest| hull(rest, *days)));
            }
        }
        kinds.into_iter().chain(rest).collect()
    }

    fn add(&mut self, chunks: u64, rows: Option<u64>, first_row: u64, days: Days) {
        self.chunks = self.chunks.saturating_add(chunks);
        self.rows = self.rows.saturating_add(rows.unwrap_or(0));
        self.between.push((Gap { first_row, rows, after: None, before: None }, days));
    }

    fn bound(&mut self, first: Option<Day>) {
        if first.is_none() {
            return;
        }
        let open = self.between.iter_mut().rev().take_while(|(_, (_, last))| last.is_none());
        open.for_each(|(_, (_, last))| *last = first);
    }

    /// Says of each gap when its rows may have been.
    fn date(&mut self, known: &Known<'_>) {
        let (grain, bounds) = (known.table.bound.grain, bounds(known));
        for (gap, days) in &mut self.between {
            if grain == Grain::None {
                *days = (None, None);
                continue;
            }
            if let (Some(entries), Some(rows)) = (known.entries, gap.rows) {
                (gap.after, gap.before) = by_catalog(entries, gap.first_row, rows);
                *days = (gap.after.map(Instant::day), gap.before.map(|stop| stop.plus(-1).day()));
                continue;
            }
            *days = match known.header.ordered {
                true => (days.0.or(bounds.0), days.1.or(bounds.1)),
                false => bounds,
            };
            gap.after = days.0.map(Instant::of_day);
            gap.before = days.1.map(|day| {
                // An interval may reach past the end of its day.
                let reach = if grain == Grain::Interval { INTERVAL_MINUTES_MAX.saturating_mul(60) } else { 0 };
                bucket_span(grain, day, None).stop.plus(reach)
            });
        }
    }
}

/// The first and the last day of a bucket of which a chunk has rows.
fn days(chunk: &ChunkAt) -> Days {
    let days = || chunk.pieces.iter().filter_map(|piece| piece.day);
    (days().min(), days().max())
}

/// When the rows of missing chunks were, by the catalog: from the start of the first to the end of the last.
fn by_catalog(entries: &[ChunkEntry], first_row: u64, rows: u64) -> (Option<Instant>, Option<Instant>) {
    let from = entries.partition_point(|entry| entry.first_row < first_row);
    let missing = entries.iter().skip(from).take_while(|entry| entry.first_row < first_row.saturating_add(rows));
    let dated: Vec<&ChunkEntry> = missing.filter(|entry| entry.first < entry.stop).collect();
    let first = dated.iter().map(|entry| Instant(entry.first)).min();
    (first, dated.iter().map(|entry| Instant(entry.stop)).max())
}

/// The days of which the section may have rows, of all ACDs: none where that is not known. Carried rows lie behind all that it
/// speaks for.
fn bounds(known: &Known<'_>) -> Days {
    known.end.into_iter().flat_map(spoke).map(|entry| days_of(known, entry)).reduce(hull).unwrap_or_default()
}

/// The same of each ACD of which it speaks.
fn bounds_of_each(known: &Known<'_>) -> BTreeMap<Acd, Days> {
    let mut each: BTreeMap<Acd, Days> = BTreeMap::new();
    for entry in known.end.into_iter().flat_map(spoke) {
        let days = days_of(known, entry);
        each.entry(entry.acd).and_modify(|before| *before = hull(*before, days)).or_insert(days);
    }
    each
}

fn days_of(known: &Known<'_>, entry: &HeldEntry) -> Days {
    let last = known.header.cutoffs.is_empty().then(|| Instant(entry.stop).plus(-1).day());
    (Some(Instant(entry.start).day()), last)
}

/// The days from the first of both to the last of both.
fn hull(one: Days, other: Days) -> Days {
    (one.0.zip(other.0).map(|(one, other)| one.min(other)), one.1.zip(other.1).map(|(one, other)| one.max(other)))
}

fn spoke(end: &SectionEndRecord) -> impl Iterator<Item = &HeldEntry> {
    end.held.iter().chain(&end.envelope).chain(end.lost.iter().flat_map(|lost| &lost.time))
}

/// What is lost of each ACD: by the catalog with rows, else what may be. Of very many ACDs the first are listed, as far as there
/// is room, and the others counted.
pub(super) fn acds(
    known: &Known<'_>,
    found: &BucketTable,
    evidence: &Evidence,
    gaps: &Gaps,
    room: &mut Room,
) -> (Vec<AcdLoss>, u64) {
    let mut listed = Listed { losses: Vec::new(), more: 0, room };
    match known.buckets {
        Some(buckets) => by_buckets(buckets, found, &mut listed),
        None => by_gaps(known, found, evidence, gaps, &mut listed),
    }
    (listed.losses, listed.more)
}

/// ACDs of which something is lost.
struct Listed<'r> {
    losses: Vec<AcdLoss>,
    more: u64,
    room: &'r mut Room,
}

impl Listed<'_> {
    /// Whether one more is listed; else it is counted.
    fn has_room(&mut self) -> bool {
        let listed = self.losses.len() < LISTED_MAX && self.room.list(size_of::<AcdLoss>());
        self.more = self.more.saturating_add(u64::from(!listed));
        listed
    }

    fn push(&mut self, acd: Acd, loss: Loss) {
        let Loss { rows, mut days, mut any_time, undated } = loss;
        days.settle();
        let mut days = days.0;
        // Days for which there is no room may be any.
        any_time |= self.room.cut(&mut days, LISTED_MAX, |_| size_of::<(Day, Day)>()) > 0;
        self.losses.push(AcdLoss { acd, rows, days, any_time, undated });
    }
}

/// What is lost of an ACD, in the making.
#[derive(Default)]
struct Loss {
    rows: Option<u64>,
    days: Runs,
    any_time: bool,
    undated: bool,
}

impl Loss {
    fn day(&mut self, day: Option<Day>) {
        match day {
            Some(day) => self.days.add(day, day),
            None => self.undated = true,
        }
    }
}

/// Runs of days, each from its first to its last. Those that touch become one as they come; where there are very many, the last
/// ones do.
#[derive(Default)]
struct Runs(Vec<(Day, Day)>);

impl Runs {
    fn add(&mut self, first: Day, last: Day) {
        if let Some(run) = self.0.last_mut()
            && run.0 <= first
            && first <= run.1.saturating_add(1)
        {
            run.1 = run.1.max(last);
            return;
        }
        if self.0.len() >= LISTED_MAX.saturating_mul(2) {
            self.settle();
        }
        self.0.push((first, last));
    }

    fn settle(&mut self) {
        self.0.sort_unstable();
        let mut runs: Vec<(Day, Day)> = Vec::new();
        for (first, stop) in self.0.drain(..) {
            let full = runs.len() >= LISTED_MAX;
            match runs.last_mut() {
                Some((_, last)) if full || first <= last.saturating_add(1) => *last = (*last).max(stop),
                _ => runs.push((first, stop)),
            }
        }
        self.0 = runs;
    }
}

/// By the catalog, whose buckets ascend: those of which rows are missing.
fn by_buckets(buckets: &[BucketEntry], found: &BucketTable, listed: &mut Listed<'_>) {
    for buckets in buckets.chunk_by(|a, b| a.acd == b.acd) {
        let mut lost = buckets.iter().filter(|bucket| bucket.is_written()).filter_map(|bucket| {
            let had = bucket.rows.saturating_add(bucket.carried);
            let found = found.get(&(bucket.acd, bucket.day));
            let has = found.map_or(0, |found| found.rows.saturating_add(found.carried));
            let digests = |bucket: &BucketEntry| (bucket.digest, bucket.carried_digest);
            let all = has == had && found.is_some_and(|found| digests(found) == digests(bucket));
            (!all).then(|| (bucket, had.saturating_sub(has)))
        });
        let Some((first, rows)) = lost.next() else { continue };
        if !listed.has_room() {
            continue;
        }
        let (mut loss, mut sum) = (Loss::default(), rows);
        loss.day(first.day);
        for (bucket, rows) in lost {
            sum = sum.saturating_add(rows);
            loss.day(bucket.day);
        }
        listed.push(first.acd, Loss { rows: Some(sum), ..loss });
    }
}

/// Without it: every ACD that is known of, wherever rows are missing, and whatever is begun and not proven.
fn by_gaps(known: &Known<'_>, found: &BucketTable, evidence: &Evidence, gaps: &Gaps, listed: &mut Listed<'_>) {
    let mut acds: BTreeSet<Acd> = evidence.unproven.iter().map(|(acd, _)| *acd).collect();
    let somewhere = !gaps.between.is_empty();
    if somewhere {
        acds.extend(found.entries().map(|bucket| bucket.acd));
        acds.extend(known.end.into_iter().flat_map(spoke).map(|entry| entry.acd));
        acds.extend(known.header.acd_column.is_none().then_some(None));
        acds.extend(known.header.cutoffs.iter().map(|cutoff| cutoff.acd));
    }
    let proven =
        |acd: Acd, day: Day| found.get(&(acd, Some(day))).is_some() && !evidence.unproven.contains(&(acd, Some(day)));
    let (kinds, bounds) = match known.header.ordered {
        true => (gaps.kinds(), BTreeMap::new()),
        // What may be missing at one place may be at every other.
        false => (Vec::new(), bounds_of_each(known)),
    };
    for acd in acds {
        if !listed.has_room() {
            continue;
        }
        let mut loss = Loss::default();
        evidence.unproven.range((acd, None)..=(acd, Some(Day::MAX))).for_each(|(_, day)| loss.day(*day));
        // A row without a usable time may stand anywhere.
        loss.undated |= somewhere;
        let unordered = || somewhere.then(|| bounds.get(&acd).copied().unwrap_or((None, None)));
        let own = if known.header.ordered { None } else { unordered() };
        for days in kinds.iter().copied().chain(own) {
            let (Some(mut first), Some(mut last)) = days else {
                days.0.or(days.1).into_iter().for_each(|day| loss.days.add(day, day));
                loss.any_time |= known.table.bound.grain != Grain::None;
                continue;
            };
            if first <= last && proven(acd, first) {
                first = first.saturating_add(1);
            }
            if first <= last && proven(acd, last) {
                last = last.saturating_sub(1);
            }
            if first <= last {
                loss.days.add(first, last);
            }
        }
        listed.push(acd, loss);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(days: impl IntoIterator<Item = (Day, Day)>) -> Vec<(Day, Day)> {
        let mut runs = Runs::default();
        for (first, last) in days {
            runs.add(first, last);
            assert!(runs.0.len() <= 2 * LISTED_MAX);
        }
        runs.settle();
        runs.0
    }

    #[test]
    fn runs_that_touch_become_one_in_whatever_order_they_come() {
        assert_eq!(runs([(1, 1), (2, 2), (3, 5), (4, 4)]), [(1, 5)]);
        assert_eq!(runs([(9, 9), (1, 1), (3, 4), (2, 2)]), [(1, 4), (9, 9)]);
        assert_eq!(runs([(5, 6), (1, 9)]), [(1, 9)]);
    }

    #[test]
    fn of_very_many_runs_few_are_kept_and_no_day_is_let_go() {
        let apart = |step: usize| (0..10_000).step_by(step).map(|day| (day, day));
        let all = runs(apart(2));
        assert_eq!((all.len(), all[0], all.last().map(|run| run.1)), (LISTED_MAX, (0, 0), Some(9_998)));
        let backwards = runs(apart(2).collect::<Vec<_>>().into_iter().rev());
        assert!(backwards.len() <= LISTED_MAX && backwards[0].0 == 0);
        let covered = |day: Day| backwards.iter().any(|(first, last)| (*first..=*last).contains(&day));
        assert!(apart(2).all(|(day, _)| covered(day)));
    }

    #[test]
    fn a_hull_is_open_where_one_of_both_is() {
        assert_eq!(hull((Some(3), Some(4)), (Some(1), Some(9))), (Some(1), Some(9)));
        assert_eq!(hull((Some(3), None), (Some(1), Some(9))), (Some(1), None));
        assert_eq!(hull((None, Some(3)), (Some(1), Some(2))), (None, Some(3)));
    }
}
