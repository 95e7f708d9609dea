//! What an incremental set writes of a table: which buckets changed since an older catalog, which did not, and for what
//! time the set speaks. Pure.

use super::evidence::Bucket;
use super::pieces::Acd;
use crate::base::time::{Day, Instant, Span};
use crate::format::catalog::BucketEntry;
use crate::format::section::{HeldEntry, SectionEndRecord};
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::schema::range::{SpanSet, held_incremental};
use std::collections::{BTreeMap, BTreeSet};

/// What the newest catalog of the chain that lists the table says of it.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Its buckets, those that its set did not write included.
    pub buckets: &'a [BucketEntry],
    /// Its end mark.
    pub end: &'a SectionEndRecord,
    /// Buckets that no set of the chain can give any more, though it lists them: they count as changed.
    pub lost: &'a BTreeSet<Bucket>,
}

/// What an incremental set writes of a table, and what it says of the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The buckets whose rows are written.
    pub written: BTreeSet<Bucket>,
    /// The buckets that are listed only, for the catalog.
    pub unwritten: Vec<BucketEntry>,
    /// The time for which the set speaks.
    pub held: Vec<HeldEntry>,
    /// The time for which a full set would speak.
    pub envelope: Vec<HeldEntry>,
    /// Buckets that had complete rows before and have none now, in time that the table still reaches or without a time.
    pub vanished: BTreeSet<Bucket>,
    /// Buckets that had complete rows before, in time that the table reaches no more: taken by age, or with their ACD.
    pub expired: BTreeSet<Bucket>,
}

/// Compares what the source has now with what it had. `now` are its buckets, each once, `complete` is the time from the first
/// complete row of each ACD to its last. Without anything before, or with another schema then, all is written.
///
/// A bucket that the table had and has no more is in `held` as long as it lies in the time that the table still reaches:
/// so it is restored as empty. What lies outside was taken by age, and an older set keeps speaking for it.
#[must_use]
pub fn changes(
    grain: Grain,
    now: &[BucketEntry],
    complete: &BTreeMap<Acd, Span>,
    before: Option<Before<'_>>,
) -> Changes {
    let known: BTreeMap<Bucket, &BucketEntry> =
        before.iter().flat_map(|before| before.buckets).map(|bucket| ((bucket.acd, bucket.day), bucket)).collect();
    let mut changes = Changes::default();
    let mut changed: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
    let mut there = BTreeSet::new();
    for bucket in now {
        let key = (bucket.acd, bucket.day);
        let older = known.get(&key).copied();
        if bucket.rows > 0 {
            there.insert(key);
        }
        let lost = before.is_some_and(|before| before.lost.contains(&key));
        if bucket.carried == 0 && !lost && older.is_some_and(|older| same(older, bucket)) {
            changes.unwritten.push(BucketEntry { pieces: 0, ..*bucket });
            continue;
        }
        changes.written.insert(key);
        let reach = older.map_or(bucket.stop, |older| bucket.stop.max(older.stop));
        changed.entry(bucket.acd).or_default().extend(span(grain, key, reach));
    }
    for (key, older) in known.iter().filter(|(key, older)| older.rows > 0 && !there.contains(key)) {
        let spoken = span(grain, *key, older.stop);
        let reached = spoken.is_none_or(|span| complete.get(&key.0).is_some_and(|whole| whole.meets(span)));
        if reached { &mut changes.vanished } else { &mut changes.expired }.insert(*key);
        changed.entry(key.0).or_default().extend(spoken);
    }
    for (acd, whole) in complete {
        let entries = before.iter().flat_map(|before| &before.end.envelope).filter(|entry| entry.acd == *acd);
        let reached = entries.filter_map(|entry| Span::new(Instant(entry.start), Instant(entry.stop)));
        let changed = changed.remove(acd).unwrap_or_default();
        let held = held_incremental(Some(*whole), reached.reduce(Span::hull), changed);
        changes.envelope.extend(entries_of(*acd, &SpanSet::from(*whole)));
        changes.held.extend(entries_of(*acd, &held));
    }
    changes
}

/// As [`changes`], where of the source only the buckets of the day `since` and later ones were read; of all others, undated
/// ones too, it is taken to have what it had. The set speaks for no time before that day.
#[must_use]
pub fn changes_since(
    grain: Grain,
    since: Day,
    now: &[BucketEntry],
    complete: &BTreeMap<Acd, Span>,
    before: Before<'_>,
) -> Changes {
    let (recent, trusted): (Vec<BucketEntry>, Vec<BucketEntry>) =
        before.buckets.iter().partition(|bucket| bucket.day.is_some_and(|day| day >= since));
    let mut whole = complete.clone();
    for bucket in trusted.iter().filter(|bucket| bucket.day.is_some() && bucket.rows > 0) {
        let Some(span) = Span::new(Instant(bucket.first), Instant(bucket.stop)) else { continue };
        let covered = whole.entry(bucket.acd).or_insert(span);
        *covered = covered.hull(span);
    }
    let mut changes = changes(grain, now, &whole, Some(Before { buckets: &recent, ..before }));
    let first = Instant::of_day(since).0;
    changes.held.iter_mut().for_each(|held| held.start = held.start.max(first));
    changes.held.retain(|held| held.start < held.stop);
    changes.unwritten.extend(trusted.into_iter().map(|bucket| BucketEntry { pieces: 0, ..bucket }));
    changes
}

/// The day from which on a table has to be read so that only old buckets are taken on trust: some days before the newest
/// bucket of the ACD whose rows end first (of those that end in the last weeks), and before every bucket with carried rows.
/// Buckets after the day on which the table was backed up, such as forecasts, or rows that a wrong clock dated, do not say where
/// its rows end; if there are no others, these begin on that day. `None` if there is no dated bucket.
#[must_use]
pub fn read_from(buckets: &[BucketEntry], backed_up: Day, margin_days: u16) -> Option<Day> {
    let dated = || buckets.iter().filter_map(|bucket| Some((bucket, bucket.day?)));
    dated().next()?;
    let mut newest: BTreeMap<Acd, Day> = BTreeMap::new();
    for (bucket, day) in dated().filter(|(_, day)| *day <= backed_up) {
        let last = newest.entry(bucket.acd).or_insert(day);
        *last = day.max(*last);
    }
    let last = newest.values().copied().max().unwrap_or(backed_up);
    let lagging = last.saturating_sub(LAGGING_DAYS);
    let carried = dated().filter(|(bucket, _)| bucket.carried > 0).map(|(_, day)| day);
    let first = newest.values().copied().filter(|day| *day >= lagging).chain(carried).fold(last, Day::min);
    Some(first.saturating_sub(i32::from(margin_days)))
}

/// An ACD whose rows end so many days before those of another is taken to be gone, not late.
const LAGGING_DAYS: i32 = 31;

/// Whether two states of a bucket are the same rows, those apart that nobody speaks for.
#[must_use]
pub fn same(one: &BucketEntry, other: &BucketEntry) -> bool {
    (one.rows, one.digest) == (other.rows, other.digest)
}

/// The time that a bucket speaks for; none for undated rows.
fn span(grain: Grain, (_, day): Bucket, stop: i64) -> Option<Span> {
    day.map(|day| bucket_span(grain, day, Some(Instant(stop))))
}

fn entries_of(acd: Acd, set: &SpanSet) -> impl Iterator<Item = HeldEntry> {
    set.spans().iter().map(move |span| HeldEntry { acd, start: span.start.0, stop: span.stop.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const ACD: Acd = Some(1);
    const NONE: BTreeSet<Bucket> = BTreeSet::new();

    /// A bucket of a whole day, whose digest is `state`; a row of it ends `late` seconds after the day.
    fn bucket(day: i32, state: u8, late: i64) -> BucketEntry {
        let first = i64::from(day) * DAY;
        let (rows, digest) = (5, [state; 16]);
        BucketEntry {
            acd: ACD,
            day: Some(day),
            pieces: 1,
            rows,
            carried: 0,
            first,
            stop: first + DAY + late,
            digest,
            carried_digest: None,
        }
    }

    fn days(range: std::ops::Range<i32>) -> Vec<BucketEntry> {
        range.map(|day| bucket(day, 1, 0)).collect()
    }

    fn end(start: i64, stop: i64) -> SectionEndRecord {
        let envelope = vec![HeldEntry { acd: ACD, start: start * DAY, stop: stop * DAY }];
        SectionEndRecord { rows: 0, chunks: 0, buckets: 0, digest: [0; 16], held: Vec::new(), envelope, lost: None }
    }

    fn complete(start: i64, stop: i64) -> BTreeMap<Acd, Span> {
        BTreeMap::from([(ACD, Span { start: Instant(start * DAY), stop: Instant(stop * DAY) })])
    }

    /// Held ranges in days, written and unwritten days.
    type Shown = (Vec<(i64, i64)>, Vec<Option<i32>>, Vec<Option<i32>>);

    fn shown(changes: &Changes) -> Shown {
        let held = changes.held.iter().map(|held| (held.start / DAY, held.stop / DAY)).collect();
        let written = changes.written.iter().map(|(_, day)| *day).collect();
        (held, written, changes.unwritten.iter().map(|bucket| bucket.day).collect())
    }

    #[test]
    fn a_changed_day_and_new_days_are_written_and_held() {
        let (old, end) = (days(10..15), end(10, 15));
        let mut now = days(10..17);
        now[2] = bucket(12, 2, 0);
        let changes =
            changes(Grain::Interval, &now, &complete(10, 17), Some(Before { buckets: &old, end: &end, lost: &NONE }));
        let unwritten = [10, 11, 13, 14].map(Some).to_vec();
        assert_eq!(shown(&changes), (vec![(12, 13), (15, 17)], vec![Some(12), Some(15), Some(16)], unwritten));
        assert!(changes.unwritten.iter().all(|bucket| bucket.pieces == 0 && bucket.rows == 5));
        assert_eq!(changes.envelope, [HeldEntry { acd: ACD, start: 10 * DAY, stop: 17 * DAY }]);
    }

    #[test]
    fn a_vanished_day_is_held_and_an_expired_one_is_not() {
        let (old, end) = (days(10..15), end(10, 15));
        let mut now = days(12..15);
        now.remove(1);
        let changes =
            changes(Grain::Interval, &now, &complete(12, 15), Some(Before { buckets: &old, end: &end, lost: &NONE }));
        assert_eq!(shown(&changes), (vec![(13, 14)], vec![], vec![Some(12), Some(14)]));
        let days = |buckets: &BTreeSet<Bucket>| buckets.iter().map(|(_, day)| *day).collect::<Vec<_>>();
        assert_eq!((days(&changes.vanished), days(&changes.expired)), (vec![Some(13)], vec![Some(10), Some(11)]));
    }

    #[test]
    fn a_row_that_reached_past_midnight_is_spoken_for_with_its_day() {
        let old = [bucket(10, 1, 900), bucket(11, 1, 0)];
        let now = [bucket(10, 2, 0), bucket(11, 1, 0)];
        let end = end(10, 12);
        let changes =
            changes(Grain::Interval, &now, &complete(10, 12), Some(Before { buckets: &old, end: &end, lost: &NONE }));
        assert_eq!(changes.held, [HeldEntry { acd: ACD, start: 10 * DAY, stop: 11 * DAY + 900 }]);
    }

    #[test]
    fn without_anything_before_all_is_written() {
        let changes = changes(Grain::Interval, &days(10..12), &complete(10, 12), None);
        assert_eq!(shown(&changes), (vec![(10, 12)], vec![Some(10), Some(11)], vec![]));
        assert_eq!(changes.held, changes.envelope);
    }

    #[test]
    fn a_bucket_with_carried_rows_is_written_though_its_other_rows_are_the_same() {
        let (old, end) = (days(10..12), end(10, 12));
        let now = [bucket(10, 1, 0), BucketEntry { carried: 3, ..bucket(11, 1, 0) }];
        let changes =
            changes(Grain::Interval, &now, &complete(10, 12), Some(Before { buckets: &old, end: &end, lost: &NONE }));
        assert_eq!(shown(&changes), (vec![(11, 12)], vec![Some(11)], vec![Some(10)]));
    }

    #[test]
    fn what_is_not_read_is_trusted_and_not_spoken_for() {
        let (old, end) = (days(10..20), end(10, 20));
        let mut now = days(10..22);
        now[7] = bucket(17, 2, 0);
        now.remove(8);
        let before = Before { buckets: &old, end: &end, lost: &NONE };
        let all = changes(Grain::Interval, &now, &complete(10, 22), Some(before));
        let recent: Vec<BucketEntry> = now.iter().copied().filter(|bucket| bucket.day >= Some(16)).collect();
        let since = changes_since(Grain::Interval, 16, &recent, &complete(16, 22), before);
        assert_eq!((shown(&since).0, shown(&since).1), (shown(&all).0, shown(&all).1));
        assert_eq!(shown(&since).0, [(17, 19), (20, 22)]);
        assert_eq!((&since.envelope, &since.vanished), (&all.envelope, &all.vanished));
        let mut unwritten = since.unwritten.clone();
        unwritten.sort_unstable_by_key(|bucket| bucket.day);
        assert_eq!(unwritten, all.unwritten);
        // An ACD whose rows ended long before: the gap was not read, so nothing is said of it.
        let late = changes_since(Grain::Interval, 30, &days(33..34), &complete(33, 34), before);
        assert_eq!(shown(&late).0, [(30, 34)]);
        assert_eq!(late.envelope, [HeldEntry { acd: ACD, start: 10 * DAY, stop: 34 * DAY }]);
        let gone = changes_since(Grain::Interval, 30, &[], &BTreeMap::new(), before);
        assert_eq!((shown(&gone).0, gone.envelope.len(), gone.unwritten.len()), (vec![], 1, 10));
    }

    #[test]
    fn nothing_is_said_of_time_before_the_day_from_which_was_read() {
        // The sets before reach from the 12th to the 15th: what trusted buckets have besides lies before that day too.
        let (old, end) = (days(10..20), end(12, 15));
        let before = Before { buckets: &old, end: &end, lost: &NONE };
        let since = changes_since(Grain::Interval, 30, &[], &BTreeMap::new(), before);
        assert_eq!(since.held, []);
        assert_eq!(since.envelope, [HeldEntry { acd: ACD, start: 10 * DAY, stop: 20 * DAY }]);
    }

    #[test]
    fn a_trusted_bucket_counts_from_its_first_row_on() {
        let envelope = |rows| {
            let (old, end) = ([BucketEntry { rows, ..bucket(10, 1, 0) }], end(10, 11));
            let before = Before { buckets: &old, end: &end, lost: &NONE };
            changes_since(Grain::Interval, 30, &[], &BTreeMap::new(), before).envelope
        };
        assert_eq!(envelope(1), [HeldEntry { acd: ACD, start: 10 * DAY, stop: 11 * DAY }]);
        assert_eq!(envelope(0), []);
    }

    #[test]
    fn it_is_read_from_where_the_last_rows_are() {
        let acd = |acd, bucket: BucketEntry| BucketEntry { acd: Some(acd), ..bucket };
        let read = |buckets: &[BucketEntry], margin| read_from(buckets, 200, margin);
        let mut buckets = days(100..140);
        assert_eq!((read(&buckets, 1), read(&buckets, 0), read(&[], 1)), (Some(138), Some(139), None));
        buckets.push(acd(2, bucket(130, 1, 0)));
        assert_eq!(read(&buckets, 1), Some(129));
        buckets.push(acd(3, bucket(90, 1, 0)));
        assert_eq!(read(&buckets, 1), Some(129), "it is gone");
        buckets.push(BucketEntry { carried: 1, ..acd(3, bucket(91, 1, 0)) });
        assert_eq!(read(&buckets, 2), Some(89));
        assert_eq!(read(&[BucketEntry { day: None, ..bucket(0, 1, 0) }], 2), None);
    }

    #[test]
    fn what_is_dated_ahead_does_not_say_where_the_rows_end() {
        let mut buckets = days(100..140);
        buckets.extend([bucket(150, 1, 0), bucket(9_000, 1, 0), BucketEntry { acd: Some(2), ..bucket(9_000, 1, 0) }]);
        assert_eq!(read_from(&buckets, 141, 1), Some(138));
        assert_eq!(read_from(&buckets, 120, 1), Some(119));
        assert_eq!(read_from(&buckets, 99, 1), Some(98), "all of it is ahead");
        assert_eq!(read_from(&buckets, 10_000, 1), Some(8_999));
    }

    #[test]
    fn what_no_set_can_give_is_written_again() {
        let (old, end) = (days(10..16), end(10, 16));
        let now = [days(11..13), days(14..17)].concat();
        let lost: BTreeSet<Bucket> = [10, 12, 13].map(|day| (ACD, Some(day))).into();
        let before = Before { buckets: &old, end: &end, lost: &lost };
        let all = changes(Grain::Interval, &now, &complete(11, 17), Some(before));
        // The 10th age took, the 13th somebody deleted.
        assert_eq!(
            shown(&all),
            (vec![(12, 14), (16, 17)], vec![Some(12), Some(16)], vec![Some(11), Some(14), Some(15)])
        );
        assert_eq!((all.vanished.len(), all.expired.len()), (1, 1));
    }

    #[test]
    fn weeks_and_undated_rows_are_buckets_too() {
        let undated = |state| BucketEntry { day: None, first: 0, stop: 0, ..bucket(0, state, 0) };
        let (old, end) = ([undated(1), bucket(14, 1, 0), bucket(21, 1, 0)], end(14, 28));
        let now = [undated(2), bucket(14, 1, 0), bucket(21, 2, 0)];
        let changes =
            changes(Grain::Weekly, &now, &complete(14, 28), Some(Before { buckets: &old, end: &end, lost: &NONE }));
        assert_eq!(shown(&changes), (vec![(21, 28)], vec![None, Some(21)], vec![Some(14)]));
    }
}
