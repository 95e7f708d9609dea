//! What one member of a chain knows of one ACD: rules 1, 2, 7 and 8.

use super::Member;
use crate::base::time::{Day, Instant, Span};
use crate::format::catalog::BucketEntry;
use crate::format::section::HeldEntry;
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::section::pieces::Acd;
use std::collections::BTreeMap;

/// Entries of a list, found by their ACD.
struct ByAcd<'a, T>(Vec<&'a T>);

/// What is listed of one ACD.
trait OfAcd {
    fn acd(&self) -> Acd;
}

impl OfAcd for HeldEntry {
    fn acd(&self) -> Acd {
        self.acd
    }
}

impl OfAcd for BucketEntry {
    fn acd(&self) -> Acd {
        self.acd
    }
}

impl<'a, T: OfAcd> ByAcd<'a, T> {
    fn new(entries: impl IntoIterator<Item = &'a T>) -> ByAcd<'a, T> {
        let mut entries: Vec<&T> = entries.into_iter().collect();
        entries.sort_by_key(|entry| entry.acd());
        ByAcd(entries)
    }

    fn of(&self, acd: Acd) -> &[&'a T] {
        let first = self.0.partition_point(|entry| entry.acd() < acd);
        let behind = self.0.partition_point(|entry| entry.acd() <= acd);
        self.0.get(first..behind).unwrap_or_default()
    }
}

impl ByAcd<'_, HeldEntry> {
    fn spans(&self, acd: Acd) -> SpanSet {
        let entries = self.of(acd).iter();
        SpanSet::from_spans(entries.map(|entry| Span { start: Instant(entry.start), stop: Instant(entry.stop) }))
    }
}

/// What a member lists, found by ACD: there may be very many.
pub(super) struct Lists<'a> {
    buckets: ByAcd<'a, BucketEntry>,
    /// By its end mark: for what a full set would speak, for what it speaks, and of that what was lost.
    envelope: ByAcd<'a, HeldEntry>,
    claimed: ByAcd<'a, HeldEntry>,
    lost: ByAcd<'a, HeldEntry>,
    /// The ACDs of which a salvaged member has all undated rows, ascending.
    undated_whole: Vec<Acd>,
}

impl<'a> Lists<'a> {
    pub(super) fn new(member: &Member<'a>) -> Lists<'a> {
        let lost = member.end.and_then(|end| end.lost.as_ref());
        let mut undated_whole: Vec<Acd> = lost.iter().flat_map(|lost| &lost.undated).copied().collect();
        undated_whole.sort_unstable();
        Lists {
            buckets: ByAcd::new(member.buckets),
            envelope: ByAcd::new(member.end.iter().flat_map(|end| &end.envelope)),
            claimed: ByAcd::new(member.end.iter().flat_map(|end| &end.held)),
            lost: ByAcd::new(lost.iter().flat_map(|lost| &lost.time)),
            undated_whole,
        }
    }
}

/// What the source had of a bucket: complete rows and their digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) rows: u64,
    pub(super) digest: [u8; 16],
    pub(super) shape: usize,
}

impl Content {
    /// What the source had nobody knows: it is like nothing that a member has.
    pub(super) const UNKNOWN: Content = Content { rows: 1, digest: [0; 16], shape: usize::MAX };

    pub(super) fn of(entry: Option<&BucketEntry>, shape: usize) -> Content {
        match entry {
            Some(entry) if entry.rows > 0 => Content { rows: entry.rows, digest: entry.digest, shape },
            _ => Content::default(),
        }
    }
}

/// What a member knows of one ACD.
pub(super) struct Known<'a> {
    pub(super) held: SpanSet,
    pub(super) envelope: SpanSet,
    pub(super) has_end: bool,
    pub(super) listed: bool,
    pub(super) buckets: BTreeMap<Option<Day>, &'a BucketEntry>,
    pub(super) undated_proven: bool,
    pub(super) shape: usize,
    /// What it holds only because rows of a bucket reach there, where its list of what it left unwritten is lost: rows that begin
    /// there may be among these.
    pub(super) tails: SpanSet,
    /// The time for which it, or the set that it was salvaged from, spoke, and of which it proves nothing.
    pub(super) lost: SpanSet,
    /// Whether that may be any time that it does not hold.
    pub(super) any_lost: bool,
    /// Whether not all undated rows that it had are there.
    pub(super) undated_lost: bool,
    /// Whether it may have had undated rows of which nothing was found, or have left them unwritten.
    pub(super) undated_unread: bool,
}

impl<'a> Known<'a> {
    pub(super) fn new(grain: Grain, member: &Member<'a>, lists: &Lists<'a>, acd: Acd) -> Known<'a> {
        let held = SpanSet::from_spans(member.evidence.held.get(&acd).into_iter().flatten().copied());
        let (envelope, claimed) = (lists.envelope.spans(acd), lists.claimed.spans(acd));
        let lost = member.end.and_then(|end| end.lost.as_ref());
        // A salvaged member without its list of what it left unwritten reaches no further than it held when it was salvaged,
        // whatever is damaged since.
        let listless = lost.is_some() && envelope.minus(&claimed).is_empty();
        // Rule 8.
        let unlisted = member.gap_behind && (!member.listed || listless);
        let reached = match member.end {
            Some(_) if !member.listed && unlisted => claimed.union(&envelope).minus(&held),
            Some(_) if !member.listed => claimed.minus(&held),
            _ => SpanSet::EMPTY,
        };
        let any_lost = unlisted && member.listed || !member.listed && member.end.is_none();
        let buckets: BTreeMap<Option<Day>, &BucketEntry> =
            lists.buckets.of(acd).iter().map(|bucket| (bucket.day, *bucket)).collect();
        let tails = if listless && member.listed { tails(grain, &buckets, &held) } else { SpanSet::EMPTY };
        let undated_whole = || lists.undated_whole.binary_search(&acd).is_ok();
        Known {
            lost: lists.lost.spans(acd).union(&reached),
            any_lost: any_lost || lost.is_some_and(|lost| lost.any_time),
            undated_lost: unlisted || lost.is_some_and(|lost| lost.has_rows() && !undated_whole()),
            undated_unread: !member.listed && !member.evidence.whole
                || (!member.listed || listless) && !buckets.contains_key(&None),
            held,
            envelope,
            has_end: member.end.is_some(),
            listed: member.listed,
            tails,
            buckets,
            undated_proven: member.evidence.undated.contains(&acd),
            shape: member.shape,
        }
    }

    /// The bucket's entry, if rows of it may start at the instant.
    pub(super) fn rows_at(&self, day: Day, at: Instant) -> Option<&'a BucketEntry> {
        self.entry(Some(day)).filter(|entry| entry.first <= at.0 && at.0 < entry.stop)
    }

    pub(super) fn entry(&self, day: Option<Day>) -> Option<&'a BucketEntry> {
        self.buckets.get(&day).copied()
    }

    /// Rule 1, of an instant and its bucket's day.
    pub(super) fn speaks(&self, day: Day, at: Instant) -> bool {
        if !self.held.meets(moment(at)) {
            return false;
        }
        match self.entry(Some(day)) {
            Some(entry) if entry.is_written() => true,
            _ if self.tails.meets(moment(at)) => false,
            _ if self.listed => self.rows_at(day, at).is_none(),
            _ => {
                let reached = self.envelope.intersection(&SpanSet::from(Span::of_day(day)));
                self.has_end && reached.spans().iter().all(|span| self.held.holds(*span))
            }
        }
    }

    /// Rules 2, 7 and 8.
    pub(super) fn is_witness(&self, at: Instant) -> bool {
        let reaches = |set: &SpanSet| set.meets(moment(at));
        self.listed && reaches(&self.envelope) && !reaches(&self.tails) || self.lacks(at)
    }

    /// Rules 7 and 8: whether the source had something there that this member should have and has not, or may have.
    pub(super) fn lacks(&self, at: Instant) -> bool {
        self.lost.meets(moment(at)) || self.any_lost && !self.held.meets(moment(at))
    }

    /// Whether it speaks for an instant as it would of the whole bucket: by its catalog, or as it wrote the bucket and
    /// all of that is there.
    pub(super) fn is_certain(&self, day: Day, at: Instant) -> bool {
        let wrote = || !self.listed && self.entry(Some(day)).is_some_and(BucketEntry::is_written);
        self.speaks(day, at) && (self.is_witness(at) || wrote())
    }

    /// What it says that the source had of a bucket at an instant.
    pub(super) fn content(&self, day: Day, at: Instant) -> Content {
        match self.entry(Some(day)) {
            Some(entry) if !entry.is_written() => Content::of(Some(entry), self.shape),
            _ if self.lacks(at) => Content::UNKNOWN,
            entry => Content::of(entry, self.shape),
        }
    }

    /// The time for which it is a witness.
    pub(super) fn witnessed(&self) -> SpanSet {
        if self.any_lost { SpanSet::from(Span::ALL) } else { self.envelope.minus(&self.tails).union(&self.lost) }
    }

    /// The time of which it says that the source had it, as far as that is known.
    pub(super) fn reach(&self) -> SpanSet {
        if self.any_lost { SpanSet::from(Span::ALL) } else { self.envelope.union(&self.held).union(&self.lost) }
    }
}

/// What rows of buckets that were written reach beyond the day or period of these, into one that was not and of which not all is
/// held.
fn tails(grain: Grain, buckets: &BTreeMap<Option<Day>, &BucketEntry>, held: &SpanSet) -> SpanSet {
    let is_written = |day: Day| buckets.get(&Some(day)).is_some_and(|bucket| bucket.is_written());
    let tail = |bucket: &&BucketEntry| {
        let end = bucket_span(grain, bucket.day?, None).stop;
        let known = is_written(end.day()) || held.holds(bucket_span(grain, end.day(), None));
        Span::new(end, Instant(bucket.stop)).filter(|_| bucket.is_written() && !known)
    };
    SpanSet::from_spans(buckets.values().filter_map(tail))
}

/// The span of an instant.
pub(super) fn moment(at: Instant) -> Span {
    Span { start: at, stop: at.plus(1) }
}
