//! What a section proves it holds. With lost or unreadable parts only those buckets count whose rows are all there; the
//! rest may be looked at, but never justifies a deletion. Pure.

use super::pieces::{Acd, Cutoffs};
use crate::base::time::{Day, Instant, Span};
use crate::format::catalog::BucketEntry;
use crate::format::chunk::PieceEntry;
use crate::format::section::{HeldEntry, SectionEndRecord};
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use std::collections::{BTreeMap, BTreeSet};

/// A bucket: ACD, and first day of its day or period; no day for undated rows and for tables of grain none.
pub type Bucket = (Acd, Option<Day>);

/// What is known of a section from outside its chunks.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The catalog's buckets, if there is a catalog.
    pub buckets: Option<&'a [BucketEntry]>,
    /// The section's end mark, from the section itself or from the catalog.
    pub end: Option<&'a SectionEndRecord>,
    /// Up to when the set speaks.
    pub cutoffs: &'a Cutoffs,
    /// The table's grain.
    pub grain: Grain,
    /// The time in question: buckets outside were not read and are not judged. `None`: all of them, undated rows too.
    pub window: Option<Span>,
}

/// What a section proves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The time for which the section speaks, per ACD: ascending, disjoint spans.
    pub held: BTreeMap<Acd, Vec<Span>>,
    /// ACDs whose undated rows (for grain none: all rows) are all there.
    pub undated: BTreeSet<Acd>,
    /// Whether every row of the section is there, by the totals of its end mark or its catalog; never by pieces alone.
    /// Judged only without a window.
    pub whole: bool,
    /// Buckets that are listed or begun but whose rows are not all there.
    pub unproven: BTreeSet<Bucket>,
}

/// Rows and digest of a bucket as the readable chunks give them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    carried: u64,
    digest: u128,
    carried_digest: u128,
    pieces: u64,
    begun: bool,
    first: i64,
    stop: i64,
}

impl Sum {
    fn add(&mut self, piece: &PieceEntry) {
        (self.first, self.stop) = match self.pieces {
            0 => (piece.first, piece.stop),
            _ => (self.first.min(piece.first), self.stop.max(piece.stop)),
        };
        self.rows = self.rows.saturating_add(u64::from(piece.rows));
        self.carried = self.carried.saturating_add(u64::from(piece.carried));
        self.digest = self.digest.wrapping_add(u128::from_le_bytes(piece.digest));
        self.carried_digest = self.carried_digest.wrapping_add(piece.carried_digest.map_or(0, u128::from_le_bytes));
        self.pieces = self.pieces.saturating_add(1);
        self.begun |= piece.piece == 0;
    }
}

/// Weighs the readable chunks of a section against its claims. `pieces` are those of every readable chunk that can
/// hold rows of the buckets in question; `whole` says that every chunk of the section is known, and that those which can hold
/// such rows were readable and are among them.
#[must_use]
pub fn weigh(claims: Claims<'_>, pieces: &[PieceEntry], whole: bool) -> Evidence {
    let mut sums: BTreeMap<Bucket, Sum> = BTreeMap::new();
    let mut last_numbers: BTreeMap<Bucket, u64> = BTreeMap::new();
    for piece in pieces {
        let bucket = (piece.acd, piece.day);
        sums.entry(bucket).or_default().add(piece);
        if piece.last == 1 {
            // Pieces count from 0: all are there if the number of the last is one less than their count.
            last_numbers.insert(bucket, u64::from(piece.piece));
        }
    }
    let all_pieces = |bucket: &Bucket, sum: &Sum| {
        sum.begun && last_numbers.get(bucket).is_some_and(|last| last.saturating_add(1) == sum.pieces)
    };
    match (claims.buckets, claims.end) {
        (Some(buckets), Some(end)) => {
            let judged = |entry: &&BucketEntry| match (claims.window, entry.day) {
                // The set has no row of it: nothing is lost, and nothing said.
                _ if !entry.is_written() => false,
                (None, _) => true,
                (Some(_), None) => false,
                (Some(window), Some(day)) => bucket_span(claims.grain, day, Some(Instant(entry.stop))).meets(window),
            };
            let buckets: Vec<&BucketEntry> = buckets.iter().filter(judged).collect();
            let proven = |entry: &BucketEntry| {
                let sum = sums.get(&(entry.acd, entry.day)).copied().unwrap_or_default();
                let carried = entry.carried_digest.map_or(0, u128::from_le_bytes);
                let digest = u128::from_le_bytes(entry.digest);
                (sum.rows, sum.carried, sum.digest, sum.carried_digest) == (entry.rows, entry.carried, digest, carried)
            };
            let holes = buckets.iter().filter(|entry| !proven(entry));
            let unproven = holes.map(|entry| ((entry.acd, entry.day), Instant(entry.stop))).collect();
            let undated = buckets.iter().filter(|entry| entry.day.is_none() && proven(entry)).map(|entry| entry.acd);
            from_end(claims, end, unproven, undated.collect())
        }
        (None, Some(end)) if claims.window.is_some() && whole => {
            // No bucket of the window can have rows in other chunks than these.
            let short = sums.iter().filter(|(bucket, sum)| !all_pieces(bucket, sum));
            let short = short.map(|(bucket, sum)| (*bucket, Instant(sum.stop))).collect();
            from_end(claims, end, short, BTreeSet::new())
        }
        (None, Some(end)) => {
            let total = sums.values().fold(0u128, |sum, bucket| sum.wrapping_add(bucket.digest));
            let rows = sums.values().map(|sum| sum.rows.saturating_add(sum.carried)).fold(0, u64::saturating_add);
            if whole && rows == end.rows && total == u128::from_le_bytes(end.digest) {
                let undated = sums.keys().filter(|(_, day)| day.is_none()).map(|(acd, _)| *acd).collect();
                return from_end(claims, end, BTreeMap::new(), undated);
            }
            from_pieces(claims, &sums, all_pieces)
        }
        (_, None) => from_pieces(claims, &sums, all_pieces),
    }
}

/// Whether a salvaged section may have less of a bucket that it lists than the source had.
#[must_use]
pub fn is_short(end: &SectionEndRecord, grain: u8, bucket: &BucketEntry) -> bool {
    let Some(lost) = &end.lost else { return false };
    let span = bucket.day.zip(Grain::from_id(grain)).map(|(day, grain)| bucket_span(grain, day, None));
    let meets = |entries: &[HeldEntry], span: Span| {
        let meets =
            |entry: &HeldEntry| entry.acd == bucket.acd && entry.start < span.stop.0 && span.start.0 < entry.stop;
        entries.iter().any(meets)
    };
    bucket.is_written()
        && match span {
            Some(span) => meets(&lost.time, span) || lost.any_time && !meets(&end.held, span),
            None => !lost.undated.contains(&bucket.acd),
        }
}

/// The end mark says what is held; the days of unproven buckets are taken out.
fn from_end(
    claims: Claims<'_>,
    end: &SectionEndRecord,
    unproven: BTreeMap<Bucket, Instant>,
    undated: BTreeSet<Acd>,
) -> Evidence {
    let mut held: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
    for entry in &end.held {
        if let Some(span) = Span::new(Instant(entry.start), Instant(entry.stop)) {
            held.entry(entry.acd).or_default().push(span);
        }
    }
    dig(&mut held, claims.grain, &unproven);
    let mut unproven: BTreeSet<Bucket> = unproven.into_keys().collect();
    let mut undated = undated;
    if let Some(lost) = &end.lost {
        // What was salvaged adds up, and is not all that the source had.
        let (whole, short) = undated.into_iter().partition::<BTreeSet<Acd>, _>(|acd| lost.undated.contains(acd));
        unproven.extend(short.into_iter().map(|acd| (acd, None)));
        undated = whole;
    }
    let whole = claims.window.is_none() && unproven.is_empty() && end.lost.is_none();
    Evidence { held, undated, whole, unproven }
}

/// Takes the days or periods of buckets that are not proven out of what is held, and what rows of these reach beyond.
fn dig(held: &mut BTreeMap<Acd, Vec<Span>>, grain: Grain, unproven: &BTreeMap<Bucket, Instant>) {
    let mut holes: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
    for ((acd, day), rows_stop) in unproven {
        if let Some(day) = day {
            holes.entry(*acd).or_default().push(bucket_span(grain, *day, Some(*rows_stop)));
        }
    }
    for (acd, holes) in holes {
        if let Some(spans) = held.get_mut(&acd) {
            let left = SpanSet::from_spans(spans.iter().copied()).minus(&SpanSet::from_spans(holes));
            *spans = left.spans().to_vec();
        }
    }
}

/// For which time a bucket speaks by its rows alone, if all of them are there: from its first row to the end of its last one, or
/// to the `cutoff`. Where a row reaches beyond its day or period, rows may begin there of which nothing is known, unless the
/// `next` bucket is whole too.
#[must_use]
pub fn spoken_for(
    grain: Grain,
    day: Day,
    rows: Span,
    cutoff: Option<Instant>,
    next: impl Fn(Day) -> bool,
) -> Option<Span> {
    let end = bucket_span(grain, day, None).stop;
    let stop = if next(end.day()) { rows.stop } else { rows.stop.min(end) };
    Span::new(rows.start, cutoff.map_or(stop, |cutoff| stop.min(cutoff)))
}

/// Nothing but the pieces themselves: see [`spoken_for`].
fn from_pieces(
    claims: Claims<'_>,
    sums: &BTreeMap<Bucket, Sum>,
    all_pieces: impl Fn(&Bucket, &Sum) -> bool,
) -> Evidence {
    let mut evidence = Evidence::default();
    let mut unproven = BTreeMap::new();
    let is_whole = |bucket: &Bucket| sums.get(bucket).is_some_and(|sum| all_pieces(bucket, sum));
    for (bucket, sum) in sums {
        let (acd, day) = *bucket;
        if !all_pieces(bucket, sum) {
            evidence.unproven.insert(*bucket);
            unproven.insert(*bucket, Instant(sum.stop));
            continue;
        }
        let Some(day) = day else {
            evidence.undated.insert(acd);
            continue;
        };
        let cutoff = claims.cutoffs.of(acd).map(|cutoff| Instant(cutoff.0));
        let rows = Span { start: Instant(sum.first), stop: Instant(sum.stop) };
        let next = |next: Day| is_whole(&(acd, Some(next)));
        if let Some(span) = spoken_for(claims.grain, day, rows, cutoff, next) {
            join(evidence.held.entry(acd).or_default(), span);
        }
    }
    // Only weeks lie over each other: they begin on any date.
    dig(&mut evidence.held, claims.grain, &unproven);
    evidence
}

/// Adds a span that starts no earlier than those before it; what overlaps or touches becomes one.
fn join(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        Some(last) if span.start <= last.stop => last.stop = last.stop.max(span.stop),
        _ => spans.push(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::section::HeldEntry;

    const DAY: i64 = 86_400;

    fn piece(day: i32, piece: u32, last: u8, rows: u32) -> PieceEntry {
        let first = i64::from(day) * DAY;
        let digest = u128::from(rows).wrapping_mul(0x9E37_79B9).to_le_bytes();
        PieceEntry {
            acd: Some(1),
            day: Some(day),
            piece,
            last,
            rows,
            carried: 0,
            first,
            stop: first + DAY,
            digest,
            carried_digest: None,
        }
    }

    /// Three days: one in one piece, one in two, one in one.
    fn pieces() -> Vec<PieceEntry> {
        vec![piece(10, 0, 1, 5), piece(11, 0, 2, 6), piece(11, 1, 1, 7), piece(12, 0, 1, 8)]
    }

    fn buckets(pieces: &[PieceEntry]) -> Vec<BucketEntry> {
        let mut buckets: Vec<BucketEntry> = Vec::new();
        for piece in pieces {
            let sum = |digest: [u8; 16]| u128::from_le_bytes(digest).wrapping_add(u128::from_le_bytes(piece.digest));
            match buckets.iter_mut().find(|bucket| bucket.day == piece.day) {
                Some(bucket) => {
                    bucket.pieces += 1;
                    bucket.rows += u64::from(piece.rows);
                    bucket.digest = sum(bucket.digest).to_le_bytes();
                }
                None => buckets.push(BucketEntry {
                    acd: piece.acd,
                    day: piece.day,
                    pieces: 1,
                    rows: u64::from(piece.rows),
                    carried: 0,
                    first: piece.first,
                    stop: piece.stop,
                    digest: piece.digest,
                    carried_digest: None,
                }),
            }
        }
        buckets
    }

    fn end(pieces: &[PieceEntry]) -> SectionEndRecord {
        let digest = pieces.iter().map(|p| u128::from_le_bytes(p.digest)).fold(0u128, u128::wrapping_add);
        SectionEndRecord {
            rows: pieces.iter().map(|piece| u64::from(piece.rows)).sum(),
            chunks: 3,
            buckets: 3,
            digest: digest.to_le_bytes(),
            held: vec![HeldEntry { acd: Some(1), start: 8 * DAY, stop: 14 * DAY }],
            envelope: vec![HeldEntry { acd: Some(1), start: 8 * DAY, stop: 14 * DAY }],
            lost: None,
        }
    }

    fn held(evidence: &Evidence) -> Vec<(i64, i64)> {
        let spans = evidence.held.get(&Some(1)).cloned().unwrap_or_default();
        spans.iter().map(|span| (span.start.0 / DAY, span.stop.0 / DAY)).collect()
    }

    fn weighed(catalog: bool, end_mark: bool, left: &[PieceEntry], whole: bool) -> Evidence {
        let (all, cutoffs) = (pieces(), Cutoffs::default());
        let (buckets, end) = (buckets(&all), end(&all));
        let claims = Claims {
            buckets: catalog.then_some(&buckets[..]),
            end: end_mark.then_some(&end),
            cutoffs: &cutoffs,
            grain: Grain::Interval,
            window: None,
        };
        weigh(claims, left, whole)
    }

    #[test]
    fn a_whole_section_speaks_for_its_held_range() {
        for catalog in [true, false] {
            let evidence = weighed(catalog, true, &pieces(), true);
            assert_eq!((held(&evidence), evidence.unproven.len()), (vec![(8, 14)], 0));
            assert!(evidence.whole);
        }
    }

    #[test]
    fn carried_rows_count_among_the_rows_of_a_section_that_lost_its_catalog() {
        let (mut all, cutoffs) = (pieces(), Cutoffs::default());
        (all[3].carried, all[3].carried_digest) = (2, Some([7; 16]));
        let held_with = |carried: u64| {
            let end = end(&all);
            let end = SectionEndRecord { rows: end.rows + carried, ..end };
            let (buckets, grain) = (None, Grain::Interval);
            held(&weigh(Claims { buckets, end: Some(&end), cutoffs: &cutoffs, grain, window: None }, &all, true))
        };
        assert_eq!(held_with(2), vec![(8, 14)]);
        // The totals do not agree: only what the pieces prove.
        assert_eq!((held_with(0), held_with(3)), (vec![(10, 13)], vec![(10, 13)]));
    }

    #[test]
    fn with_a_catalog_only_the_days_with_lost_rows_are_taken_out() {
        let mut left = pieces();
        left.remove(2);
        let evidence = weighed(true, true, &left, false);
        assert_eq!(held(&evidence), vec![(8, 11), (12, 14)]);
        assert_eq!(evidence.unproven.into_iter().collect::<Vec<_>>(), vec![(Some(1), Some(11))]);
    }

    #[test]
    fn a_digest_that_differs_is_no_proof() {
        let mut left = pieces();
        left[0].digest[3] ^= 1;
        assert_eq!(held(&weighed(true, true, &left, true)), vec![(8, 10), (11, 14)]);
        // Without a catalog the totals no longer agree, so the end mark's envelope is not believed.
        assert_eq!(held(&weighed(false, true, &left, true)), vec![(10, 13)]);
    }

    #[test]
    fn without_claims_a_bucket_needs_all_its_pieces() {
        let all = pieces();
        assert_eq!(held(&weighed(false, false, &all, false)), vec![(10, 13)]);
        assert!(!weighed(false, false, &all, false).whole);
        for lost in [1, 2] {
            let mut left = all.clone();
            left.remove(lost);
            let evidence = weighed(false, false, &left, false);
            assert_eq!(held(&evidence), vec![(10, 11), (12, 13)], "piece {lost} lost");
            assert_eq!(evidence.unproven.len(), 1);
        }
        let unknown: Vec<PieceEntry> = all.iter().map(|piece| PieceEntry { last: 0, ..*piece }).collect();
        assert_eq!(held(&weighed(false, false, &unknown, false)), vec![]);
    }

    #[test]
    fn a_cutoff_clips_what_pieces_alone_prove() {
        let cutoffs = Cutoffs::new([(Some(1), Instant(12 * DAY + 3_600))]);
        let claims = Claims { buckets: None, end: None, cutoffs: &cutoffs, grain: Grain::Interval, window: None };
        let evidence = weigh(claims, &pieces(), false);
        let last = evidence.held.get(&Some(1)).and_then(|spans| spans.last()).copied();
        assert_eq!(last.map(|span| span.stop), Some(Instant(12 * DAY + 3_600)));
    }

    #[test]
    fn buckets_outside_the_window_are_not_judged() {
        let (all, cutoffs) = (pieces(), Cutoffs::default());
        let (buckets, end) = (buckets(&all), end(&all));
        let window = Span::new(Instant(12 * DAY), Instant(13 * DAY));
        let claims =
            Claims { buckets: Some(&buckets), end: Some(&end), cutoffs: &cutoffs, grain: Grain::Interval, window };
        let evidence = weigh(claims, &all[3..], false);
        assert_eq!((held(&evidence), evidence.unproven.len()), (vec![(8, 14)], 0));
    }

    #[test]
    fn undated_rows_are_proven_where_their_bucket_is() {
        let mut all = pieces();
        all.push(PieceEntry { day: None, first: 0, stop: 0, ..piece(0, 0, 1, 3) });
        let (listed, cutoffs) = (buckets(&all), Cutoffs::default());
        let undated = |left: &[PieceEntry]| {
            let (end, grain) = (end(&all), Grain::Interval);
            let claims = Claims { buckets: Some(&listed), end: Some(&end), cutoffs: &cutoffs, grain, window: None };
            weigh(claims, left, false).undated.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(undated(&all), [Some(1)]);
        assert_eq!(undated(&all[..4]), []);
        assert_eq!(weighed(true, true, &pieces(), true).undated.len(), 0);
    }

    /// Weeks begin on any date, and lie over each other then.
    #[test]
    fn a_week_of_which_rows_are_lost_is_taken_out_of_those_that_lie_over_it() {
        let week = |day: i32, last: u8| PieceEntry { stop: (i64::from(day) + 7) * DAY, ..piece(day, 0, last, 5) };
        let held = |middle: u8| {
            let pieces = [week(7, 1), week(10, middle), week(14, 1)];
            let claims =
                Claims { buckets: None, end: None, cutoffs: &Cutoffs::default(), grain: Grain::Weekly, window: None };
            weigh(claims, &pieces, false).held.remove(&Some(1)).unwrap_or_default()
        };
        let span = |start: i64, stop: i64| Span { start: Instant(start * DAY), stop: Instant(stop * DAY) };
        assert_eq!(held(1), [span(7, 21)]);
        assert_eq!(held(2), [span(7, 10), span(17, 21)]);
    }
}
