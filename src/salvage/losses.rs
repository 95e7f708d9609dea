//! What the chunks of a section that are taken prove, what they do not any more, and what is lost of it. Pure.

use super::account::{AcdLoss, Count, Gap, SectionAccount};
use super::collect::ChunkAt;
use crate::base::limits::RECORD_ENTRIES_MAX;
use crate::base::time::{Day, Instant, Span};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::chunk::PieceEntry;
use crate::format::section::{HeldEntry, Losses, SectionEndRecord, SectionRecord};
use crate::schema::range::SpanSet;
use crate::section::evidence::{Bucket, Claims, Evidence, weigh};
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::summary::BucketTable;
use std::collections::{BTreeMap, BTreeSet};

/// Gaps and runs of days that an account lists of one section, at most.
const LISTED_MAX: usize = 1_000;

/// What a section comes to.
pub(super) struct Judgement {
    pub(super) held: Vec<HeldEntry>,
    pub(super) envelope: Vec<HeldEntry>,
    pub(super) unwritten: Vec<BucketEntry>,
    pub(super) lost: Option<Losses>,
    pub(super) short: BTreeSet<Bucket>,
    pub(super) account: SectionAccount,
}

/// Judges a section: its header, its end mark if there is one, what the catalog lists of its buckets and chunks, and the
/// chunks that are taken.
pub(super) fn judge(
    header: &SectionRecord,
    table: &SectionTable,
    end: Option<&SectionEndRecord>,
    (buckets, entries): (Option<&[BucketEntry]>, Option<&[ChunkEntry]>),
    chunks: &BTreeMap<u64, ChunkAt>,
    incremental: bool,
) -> Judgement {
    let found = Found::of(chunks);
    let all = end.is_some_and(|end| end.chunks == chunks.len() as u64 && end.rows == found.rows);
    let whole = all && end.is_some_and(|end| end.digest == found.table.digest());
    let (cutoffs, grain) = (&table.cutoffs, table.bound.grain);
    let evidence = weigh(Claims { buckets, end, cutoffs, grain, window: None }, &found.pieces, all);
    let by_catalog = buckets.is_none_or(|_| evidence.unproven.is_empty());
    let intact = whole && by_catalog && end.is_some_and(|end| end.lost.is_none());
    let (mut held, mut cut) = (Vec::new(), false);
    for (acd, spans) in &evidence.held {
        held.extend(spans.iter().map(|span| HeldEntry { acd: *acd, start: span.start.0, stop: span.stop.0 }));
    }
    if held.len() > RECORD_ENTRIES_MAX as usize {
        held.truncate(RECORD_ENTRIES_MAX as usize);
        cut = true;
    }
    let gaps = Gaps::of(chunks, end, entries);
    let lost = (!intact).then(|| lost(end, &held, cut, &evidence, &gaps));
    let envelope = match (end, buckets) {
        (Some(end), Some(_)) if incremental => end.envelope.clone(),
        _ => held.clone(),
    };
    let unwritten = match buckets {
        Some(buckets) if incremental => unwritten(buckets, &found.table),
        _ => Vec::new(),
    };
    let account = SectionAccount {
        number: table.number,
        table: header.table.clone(),
        header_from_catalog: false,
        ended: end.is_some(),
        rows: found.rows,
        chunks: chunks.len() as u64,
        lost_rows: match end {
            Some(end) => Count::Exactly(end.rows.saturating_sub(found.rows)),
            None => Count::AtLeast(gaps.rows),
        },
        lost_chunks: match end {
            Some(end) => Count::Exactly(end.chunks.saturating_sub(chunks.len() as u64)),
            None => Count::AtLeast(gaps.chunks),
        },
        whole: intact,
        acds: acds(buckets, &found.table, &evidence),
        gaps: gaps.between.into_iter().take(LISTED_MAX).collect(),
        files: is_tree(header).then(Default::default),
    };
    let short = if intact { BTreeSet::new() } else { evidence.unproven };
    Judgement { held, envelope, unwritten, lost, short, account }
}

/// What the chunks give.
struct Found {
    pieces: Vec<PieceEntry>,
    table: BucketTable,
    rows: u64,
}

impl Found {
    fn of(chunks: &BTreeMap<u64, ChunkAt>) -> Found {
        let mut found = Found { pieces: Vec::new(), table: BucketTable::default(), rows: 0 };
        for chunk in chunks.values() {
            chunk.pieces.iter().for_each(|piece| found.table.add(piece));
            found.pieces.extend_from_slice(&chunk.pieces);
            found.rows = found.rows.saturating_add(u64::from(chunk.rows));
        }
        found
    }
}

/// Where chunks are missing.
struct Gaps {
    /// Rows and chunks of them, as far as they are known.
    rows: u64,
    chunks: u64,
    between: Vec<Gap>,
    /// Numbers of the rows, as the new section counts them, before which rows are missing.
    before: Vec<u64>,
}

impl Gaps {
    fn of(chunks: &BTreeMap<u64, ChunkAt>, end: Option<&SectionEndRecord>, entries: Option<&[ChunkEntry]>) -> Gaps {
        let mut gaps = Gaps { rows: 0, chunks: 0, between: Vec::new(), before: Vec::new() };
        let old: BTreeSet<u64> =
            end.and_then(|end| end.lost.as_ref()).into_iter().flat_map(|lost| &lost.gaps).copied().collect();
        let (mut next_chunk, mut next_row, mut written, mut after) = (0u64, 0u64, 0u64, None);
        for (number, chunk) in chunks {
            if *number > next_chunk || chunk.first_row > next_row {
                gaps.add(number.saturating_sub(next_chunk), chunk.first_row.saturating_sub(next_row));
                gaps.between.push(Gap {
                    first_row: next_row,
                    rows: Some(chunk.first_row.saturating_sub(next_row)),
                    after,
                    before: first(&chunk.pieces),
                });
                gaps.before.push(written);
            } else if old.contains(&chunk.first_row) {
                gaps.before.push(written);
            }
            next_chunk = number.saturating_add(1);
            next_row = chunk.first_row.saturating_add(u64::from(chunk.rows));
            written = written.saturating_add(u64::from(chunk.rows));
            after = last(&chunk.pieces).or(after);
        }
        let missing = end.map(|end| (end.chunks.saturating_sub(next_chunk), end.rows.saturating_sub(next_row)));
        if missing != Some((0, 0)) {
            let rows = missing.map(|(_, rows)| rows);
            gaps.add(missing.map_or(0, |(chunks, _)| chunks), rows.unwrap_or(0));
            gaps.between.push(Gap { first_row: next_row, rows, after, before: None });
            gaps.before.push(written);
        } else if old.contains(&next_row) {
            gaps.before.push(written);
        }
        gaps.before.dedup();
        // The catalog knows when the rows of a chunk were that is not there.
        for gap in entries.map(|_| &mut gaps.between).into_iter().flatten() {
            let entries = entries.unwrap_or_default();
            let from = entries.partition_point(|entry| entry.first_row < gap.first_row);
            let missing = entries
                .iter()
                .skip(from)
                .take_while(|entry| gap.rows.is_some_and(|rows| entry.first_row < gap.first_row.saturating_add(rows)));
            let dated: Vec<&ChunkEntry> = missing.filter(|entry| entry.first < entry.stop).collect();
            gap.after = dated.iter().map(|entry| Instant(entry.first)).min().or(gap.after);
            gap.before = dated.iter().map(|entry| Instant(entry.stop)).max().or(gap.before);
        }
        gaps
    }

    fn add(&mut self, chunks: u64, rows: u64) {
        self.chunks = self.chunks.saturating_add(chunks);
        self.rows = self.rows.saturating_add(rows);
    }
}

fn first(pieces: &[PieceEntry]) -> Option<Instant> {
    pieces.iter().filter(|piece| piece.day.is_some()).map(|piece| Instant(piece.first)).min()
}

fn last(pieces: &[PieceEntry]) -> Option<Instant> {
    pieces.iter().filter(|piece| piece.day.is_some()).map(|piece| Instant(piece.stop)).max()
}

/// What the new section has to say that it lacks.
fn lost(end: Option<&SectionEndRecord>, held: &[HeldEntry], cut: bool, evidence: &Evidence, gaps: &Gaps) -> Losses {
    let before = end.and_then(|end| end.lost.as_ref());
    let mut any_time = cut || end.is_none() || before.is_some_and(|before| before.any_time);
    let mut time = Vec::new();
    if let (Some(end), false) = (end, any_time) {
        let mut spoke: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
        for entry in end.held.iter().chain(before.into_iter().flat_map(|before| &before.time)) {
            spoke.entry(entry.acd).or_default().extend(Span::new(Instant(entry.start), Instant(entry.stop)));
        }
        for (acd, spans) in spoke {
            let holds = held.iter().filter(|entry| entry.acd == acd);
            let holds = holds.filter_map(|entry| Span::new(Instant(entry.start), Instant(entry.stop)));
            let lost = SpanSet::from_spans(spans).minus(&SpanSet::from_spans(holds));
            time.extend(lost.spans().iter().map(|span| HeldEntry { acd, start: span.start.0, stop: span.stop.0 }));
        }
    }
    if time.len() > RECORD_ENTRIES_MAX as usize {
        (any_time, time) = (true, Vec::new());
    }
    let most = RECORD_ENTRIES_MAX as usize;
    let undated = evidence.undated.iter().copied().take(most).collect();
    Losses { any_time, time, undated, gaps: gaps.before.iter().copied().take(most).collect() }
}

/// The buckets that the source had and that the new set does not write: those that the old one did not, and those of which
/// nothing is left.
fn unwritten(buckets: &[BucketEntry], found: &BucketTable) -> Vec<BucketEntry> {
    let gone = |bucket: &&BucketEntry| bucket.rows > 0 && found.get(&(bucket.acd, bucket.day)).is_none();
    buckets
        .iter()
        .filter(gone)
        .map(|bucket| BucketEntry { pieces: 0, carried: 0, carried_digest: [0; 16], ..*bucket })
        .collect()
}

/// What is lost of each ACD: by the catalog with rows, else the buckets that are begun and not whole.
fn acds(buckets: Option<&[BucketEntry]>, found: &BucketTable, evidence: &Evidence) -> Vec<AcdLoss> {
    let mut losses: BTreeMap<Acd, AcdLoss> = BTreeMap::new();
    let mut add = |acd: Acd, day: Option<Day>, rows: Option<u64>| {
        let loss = losses.entry(acd).or_insert(AcdLoss { acd, rows: Some(0), days: Vec::new(), undated: false });
        loss.rows = loss.rows.zip(rows).map(|(sum, rows)| sum.saturating_add(rows));
        let Some(day) = day else {
            loss.undated = true;
            return;
        };
        let room = loss.days.len() < LISTED_MAX;
        match loss.days.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(day) => *last = day,
            _ if room => loss.days.push((day, day)),
            Some((_, last)) => *last = (*last).max(day),
            None => {}
        }
    };
    match buckets {
        Some(buckets) => {
            for bucket in buckets.iter().filter(|bucket| bucket.is_written()) {
                let had = bucket.rows.saturating_add(bucket.carried);
                let found = found.get(&(bucket.acd, bucket.day));
                let has = found.map_or(0, |found| found.rows.saturating_add(found.carried));
                let digests = |bucket: &BucketEntry| (bucket.digest, bucket.carried_digest);
                if has != had || found.is_some_and(|found| digests(found) != digests(bucket)) {
                    add(bucket.acd, bucket.day, Some(had.saturating_sub(has)));
                }
            }
        }
        None => evidence.unproven.iter().for_each(|(acd, day)| add(*acd, *day, None)),
    }
    losses.into_values().collect()
}
