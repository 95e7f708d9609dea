//! Where chunks of a section are missing, and whose rows they may have had, and of when: as wide as what is known allows. Pure.
//!
//! With the catalog that is known of each chunk. Without it only the order of the section says something, if it is `ordered`:
//! rows come by the days of their buckets then, of all ACDs together. In other sections any chunk may have rows of any time.

use super::account::{AcdLoss, Gap};
use super::losses::Known;
use super::parts::ChunkAt;
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

/// Gaps and runs of days that an account lists of one section, at most.
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

    /// The gaps of an account.
    pub(super) fn listed(self) -> Vec<Gap> {
        self.between.into_iter().take(LISTED_MAX).map(|(gap, _)| gap).collect()
    }

    fn add(&mut self, chunks: u64, rows: Option<u64>, first_row: u64, days: Days) {
        self.chunks = self.chunks.saturating_add(chunks);
        self.rows = self.rows.saturating_add(rows.unwrap_or(0));
        self.between.push((Gap { first_row, rows, after: None, before: None }, days));
    }

    fn bound(&mut self, first: Option<Day>) {
        let open = self.between.iter_mut().rev().take_while(|(_, (_, last))| last.is_none());
        open.for_each(|(_, (_, last))| *last = first);
    }

    /// Says of each gap when its rows may have been.
    fn date(&mut self, known: &Known<'_>) {
        let (grain, bounds) = (known.table.bound.grain, bounds(known, None));
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

/// The days of which the section may have rows, of one ACD or of all: none where that is not known. Carried rows lie behind all
/// that it speaks for.
fn bounds(known: &Known<'_>, acd: Option<Acd>) -> Days {
    let Some(end) = known.end else { return (None, None) };
    let mine = |entry: &&HeldEntry| acd.is_none_or(|acd| acd == entry.acd);
    let spoke: Vec<&HeldEntry> = spoke(end).filter(mine).collect();
    let first = spoke.iter().map(|entry| Instant(entry.start).day()).min();
    let last = spoke.iter().map(|entry| Instant(entry.stop).plus(-1).day()).max();
    (first, last.filter(|_| known.header.cutoffs.is_empty()))
}

fn spoke(end: &SectionEndRecord) -> impl Iterator<Item = &HeldEntry> {
    end.held.iter().chain(&end.envelope).chain(end.lost.iter().flat_map(|lost| &lost.time))
}

/// What is lost of each ACD: by the catalog with rows, else what may be.
pub(super) fn acds(known: &Known<'_>, found: &BucketTable, evidence: &Evidence, gaps: &Gaps) -> Vec<AcdLoss> {
    let mut losses: BTreeMap<Acd, Loss> = BTreeMap::new();
    match known.buckets {
        Some(buckets) => by_buckets(buckets, found, &mut losses),
        None => by_gaps(known, found, evidence, gaps, &mut losses),
    }
    losses.into_iter().map(|(acd, loss)| loss.finish(acd)).collect()
}

/// What is lost of an ACD, in the making.
#[derive(Default)]
struct Loss {
    rows: Option<u64>,
    days: Vec<(Day, Day)>,
    any_time: bool,
    undated: bool,
}

impl Loss {
    fn finish(mut self, acd: Acd) -> AcdLoss {
        self.days.sort_unstable();
        let mut days: Vec<(Day, Day)> = Vec::new();
        for (first, stop) in self.days {
            let full = days.len() >= LISTED_MAX;
            match days.last_mut() {
                Some((_, last)) if full || first <= last.saturating_add(1) => *last = (*last).max(stop),
                _ => days.push((first, stop)),
            }
        }
        AcdLoss { acd, rows: self.rows, days, any_time: self.any_time, undated: self.undated }
    }
}

/// By the catalog: buckets of which rows are missing.
fn by_buckets(buckets: &[BucketEntry], found: &BucketTable, losses: &mut BTreeMap<Acd, Loss>) {
    for bucket in buckets.iter().filter(|bucket| bucket.is_written()) {
        let had = bucket.rows.saturating_add(bucket.carried);
        let found = found.get(&(bucket.acd, bucket.day));
        let has = found.map_or(0, |found| found.rows.saturating_add(found.carried));
        let digests = |bucket: &BucketEntry| (bucket.digest, bucket.carried_digest);
        if has == had && found.is_some_and(|found| digests(found) == digests(bucket)) {
            continue;
        }
        let loss = losses.entry(bucket.acd).or_insert(Loss { rows: Some(0), ..Loss::default() });
        loss.rows = loss.rows.map(|rows| rows.saturating_add(had.saturating_sub(has)));
        match bucket.day {
            Some(day) => loss.days.push((day, day)),
            None => loss.undated = true,
        }
    }
}

/// Without it: every ACD that is known of, wherever rows are missing, and whatever is begun and not proven.
fn by_gaps(known: &Known<'_>, found: &BucketTable, evidence: &Evidence, gaps: &Gaps, losses: &mut BTreeMap<Acd, Loss>) {
    for (acd, day) in &evidence.unproven {
        let loss = losses.entry(*acd).or_default();
        match day {
            Some(day) => loss.days.push((*day, *day)),
            None => loss.undated = true,
        }
    }
    if gaps.between.is_empty() {
        return;
    }
    let mut acds: BTreeSet<Acd> = found.entries().map(|bucket| bucket.acd).collect();
    acds.extend(known.end.into_iter().flat_map(spoke).map(|entry| entry.acd));
    acds.extend(known.header.acd_column.is_none().then_some(None));
    acds.extend(known.header.cutoffs.iter().map(|cutoff| cutoff.acd));
    let proven =
        |acd: Acd, day: Day| found.get(&(acd, Some(day))).is_some() && !evidence.unproven.contains(&(acd, Some(day)));
    for acd in acds {
        let loss = losses.entry(acd).or_default();
        // A row without a usable time may stand anywhere.
        loss.undated = true;
        for (_, days) in &gaps.between {
            let days = if known.header.ordered { *days } else { bounds(known, Some(acd)) };
            let (Some(mut first), Some(mut last)) = days else {
                loss.days.extend(days.0.or(days.1).map(|day| (day, day)));
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
                loss.days.push((first, last));
            }
        }
    }
}
