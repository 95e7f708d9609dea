//! Which member of a chain speaks for what: a full set and the incremental ones that build on it, any of which may be
//! missing or damaged. Works on what each proves and lists of one table; knows no rows, no volumes.
//!
//! # Rules
//!
//! 1. A member **speaks** for an instant of a bucket if it holds the instant, proven, and knows the bucket: it wrote it, or by
//!    its catalog no row of it starts there. What it holds only because a row of the day before reaches past midnight says
//!    nothing of the rows of a bucket that it lists without having written it. Without a catalog it knows that there
//!    were no rows if it holds all of the day that its envelope reaches.
//! 2. The **newest catalog** of which the envelope reaches an instant says what the source had of that bucket: its rows
//!    and digest, or none. A time that no catalog's envelope reaches has no such witness.
//! 3. An instant of a bucket is **given** by the newest member that speaks for it and, where there is a witness, has the
//!    bucket as the witness says, in the same columns. So a row comes from the newest member that speaks for its bucket and
//!    its start, never for part of its span.
//! 4. If members speak for it and none has it so, the bucket is **stale**: a newer copy is missing or damaged. It is left
//!    alone. If none speaks for it and the witness lists rows there, it is **lost**. Either is so for all of the bucket that the
//!    witness reaches, but for what the witness itself holds of it: there a row of the day before reaches past midnight,
//!    and by the witness none of the bucket's own starts.
//! 5. The chain holds what its members hold, less what is stale or lost. What is held though no member speaks for it has no
//!    rows; it is the newest holder's.
//! 6. Rows for which no member speaks (carried ones, those of unproven buckets) come from a member of which no newer one holds
//!    or reaches the instant.
//! 7. A member that was **salvaged** from a damaged one says for which time that one spoke and it does not. There it is a witness
//!    of what it lists without having it, and otherwise one of something that nobody here has: what older members have is stale.
//! 8. Of an incremental member of which the **list of what it left unwritten is lost** nobody knows whether older members have
//!    that as it was, unless the members before it are here: behind a gap, what they have of a time that it reaches and
//!    does not hold (salvaged: of any time that it does not hold) is stale.
//!    Without a catalog the same is true, with or without a gap, of the time that its end mark holds and it does not prove: there
//!    it wrote something, or the source had nothing any more. Without an end mark either that may be any time.
//!    Nor does anybody know of undated rows that it does not have, or of rows that begin where the last one of a bucket that it
//!    wrote reaches beyond its day.
//! 9. What is given outside the newest member's envelope was taken by age at the source since: only an **older** member
//!    has it.

mod known;
#[cfg(test)]
mod tests;

use super::evidence::{Bucket, Evidence};
use super::pieces::Acd;
use crate::base::time::{Day, Instant, Span};
use crate::format::catalog::BucketEntry;
use crate::format::section::{HeldEntry, SectionEndRecord};
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use known::{Content, Known, Lists, moment};
use std::collections::{BTreeMap, BTreeSet};

/// What one member of a chain says of a table.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// What it proves.
    pub evidence: &'a Evidence,
    /// Its buckets.
    pub buckets: &'a [BucketEntry],
    /// Whether these are its catalog's, so that the source had no other. By a scan they are those that were found.
    pub listed: bool,
    /// The section's end mark.
    pub end: Option<&'a SectionEndRecord>,
    /// Whether members between it and the next older one here are missing.
    pub gap_behind: bool,
    /// Members with the same number here have the same columns with the same meaning. Of others a digest says nothing: rows that
    /// are alike value by value may have these in other columns.
    pub shape: usize,
}

/// What a chain says of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Combined {
    /// Of each ACD.
    pub acds: BTreeMap<Acd, CombinedAcd>,
    /// Buckets of which only another state is here than the newest catalog that lists or reaches them has.
    pub stale: BTreeSet<Bucket>,
    /// Buckets that the newest catalog lists and that no member here has.
    pub lost: BTreeSet<Bucket>,
}

/// What a chain says of a table's rows of one ACD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CombinedAcd {
    /// The time for which the chain speaks.
    pub held: Vec<Span>,
    /// For each member, in the order given: when rows must start to come from it.
    pub gives: Vec<SpanSet>,
    /// Time that only an older member speaks for, which one, and what of it: ascending.
    pub older: Vec<(usize, Span)>,
    /// The member that gives the undated rows, if any does.
    pub undated: Option<usize>,
    /// Whether these undated rows are all that the source had.
    pub undated_proven: bool,
}

/// Combines what the members of a chain say of a table; the newest comes first. Buckets are told as stale or lost if they
/// meet the `window`, outside of which nothing was proved; undated ones without a window only.
#[must_use]
pub fn combine(grain: Grain, members: &[Member<'_>], window: Option<Span>) -> Combined {
    let mut acds: BTreeSet<Acd> = members.iter().flat_map(|member| member.evidence.held.keys()).copied().collect();
    acds.extend(members.iter().flat_map(|member| member.buckets).map(|bucket| bucket.acd));
    let lists: Vec<(&Member<'_>, Lists<'_>)> = members.iter().map(|member| (member, Lists::new(member))).collect();
    let mut combined = Combined::default();
    for acd in acds {
        let known: Vec<Known<'_>> = lists.iter().map(|(member, lists)| Known::new(grain, member, lists, acd)).collect();
        let mut one = dated(grain, acd, &known, window, &mut combined);
        undated(acd, &known, window, &mut one, &mut combined);
        combined.acds.insert(acd, one);
    }
    combined
}

/// Who gives an instant of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Giver {
    Member(usize),
    /// The number of the witness.
    Stale(usize),
    /// The number of the witness.
    Lost(usize),
    Nobody,
}

/// Rules 3, 4 and 7.
fn giver(members: &[Known<'_>], day: Day, at: Instant) -> Giver {
    let content = |member: &Known<'_>| member.content(day, at);
    let (mut witness, mut spoken) = (None, false);
    for (number, member) in members.iter().enumerate() {
        witness = witness.or_else(|| member.is_witness(at).then_some((number, member)));
        if member.speaks(day, at) {
            if witness.is_none_or(|(_, witness)| content(witness) == content(member)) {
                return Giver::Member(number);
            }
            spoken = true;
        }
    }
    let listed = |(_, witness): &(usize, &Known<'_>)| {
        content(witness) == Content::UNKNOWN || witness.rows_at(day, at).is_some_and(|entry| entry.rows > 0)
    };
    let holder = || members.iter().position(|member| member.held.meets(moment(at)));
    match witness {
        Some((number, _)) if spoken => Giver::Stale(number),
        Some((number, _)) if witness.as_ref().is_some_and(listed) => Giver::Lost(number),
        _ => holder().map_or(Giver::Nobody, Giver::Member),
    }
}

/// Where, inside a day, the rows of one slot of events may begin to be another member's or to be held no longer, by what one
/// section says without being read: the edges of what it holds and would hold, and of the rows of buckets that it lists
/// without having written them while it holds some of their day.
#[must_use]
pub fn cuts(buckets: &[BucketEntry], end: &SectionEndRecord) -> Vec<(Acd, Instant)> {
    let entries = end.held.iter().chain(&end.envelope);
    let mut cuts: Vec<(Acd, Instant)> =
        entries.flat_map(|entry| [(entry.acd, Instant(entry.start)), (entry.acd, Instant(entry.stop))]).collect();
    for bucket in buckets.iter().filter(|bucket| !bucket.is_written()) {
        let Some(day) = bucket.day.map(Span::of_day) else { continue };
        let holds = |held: &&HeldEntry| held.acd == bucket.acd && held.start < day.stop.0 && day.start.0 < held.stop;
        if end.held.iter().any(|held| holds(&held)) {
            cuts.extend([(bucket.acd, Instant(bucket.first)), (bucket.acd, Instant(bucket.stop))]);
        }
    }
    cuts
}

/// The instants at which another member may begin to give, ascending: between two of them either there is one bucket, and for
/// every member rows of it may start or may not; or whole days of which no member lists a bucket.
fn edges(members: &[Known<'_>]) -> Vec<Instant> {
    let mut edges = BTreeSet::new();
    let mut day = |day: Day| {
        edges.insert(Instant::of_day(day));
        edges.insert(Instant::of_day(day.saturating_add(1)));
    };
    for member in members {
        member.buckets.keys().flatten().for_each(|at| day(*at));
        for span in member.held.spans().iter().chain(member.envelope.spans()).chain(member.lost.spans()) {
            day(span.start.day());
            day(span.stop.day());
        }
    }
    for member in members {
        let spans = member.held.spans().iter().chain(member.envelope.spans()).chain(member.lost.spans());
        edges.extend(spans.flat_map(|span| [span.start, span.stop]));
        let rows = member.buckets.values().filter(|bucket| bucket.day.is_some());
        edges.extend(rows.flat_map(|bucket| [Instant(bucket.first), Instant(bucket.stop)]));
    }
    edges.into_iter().collect()
}

/// Rules 3 to 9, for the dated rows of one ACD.
fn dated(grain: Grain, acd: Acd, members: &[Known<'_>], window: Option<Span>, combined: &mut Combined) -> CombinedAcd {
    let mut given: Vec<Vec<Span>> = vec![Vec::new(); members.len()];
    let (mut without, mut certain) = (Vec::new(), Vec::new());
    let (mut stale, mut lost) = (BTreeSet::new(), BTreeSet::new());
    let edges = edges(members);
    let witnessed: Vec<SpanSet> = members.iter().map(Known::witnessed).collect();
    for (start, stop) in edges.iter().zip(edges.iter().skip(1)) {
        let (span, day) = (Span { start: *start, stop: *stop }, start.day());
        let stops = members.iter().filter_map(|member| member.entry(Some(day))).map(|entry| entry.stop);
        let whole = bucket_span(grain, day, stops.max().map(Instant));
        let told = window.is_none_or(|window| whole.meets(window));
        match giver(members, day, *start) {
            Giver::Member(number) => {
                given.get_mut(number).into_iter().for_each(|spans| spans.push(span));
                let newer = members.iter().take(number).any(|member| member.is_witness(*start));
                if !newer && members.get(number).is_some_and(|member| member.is_certain(day, *start)) {
                    certain.push(span);
                }
            }
            found @ (Giver::Stale(witness) | Giver::Lost(witness)) => {
                let reached = witnessed.get(witness).map(|reached| reached.intersection(&SpanSet::from(whole)));
                without.extend(reached.iter().flat_map(SpanSet::spans));
                if told {
                    let told = if matches!(found, Giver::Stale(_)) { &mut stale } else { &mut lost };
                    told.insert((acd, Some(day)));
                }
            }
            Giver::Nobody => {}
        }
    }
    // A bucket of which one part is stale is told once.
    combined.lost.extend(lost.difference(&stale));
    combined.stale.append(&mut stale);
    let held = members.iter().fold(SpanSet::EMPTY, |held, member| held.union(&member.held));
    let given: Vec<SpanSet> = given.into_iter().map(SpanSet::from_spans).collect();
    CombinedAcd {
        held: held.minus(&SpanSet::from_spans(without).minus(&SpanSet::from_spans(certain))).spans().to_vec(),
        older: older(members, &given),
        gives: gives(members, given),
        undated: None,
        undated_proven: false,
    }
}

/// Rule 6 added to what each member gives.
fn gives(members: &[Known<'_>], given: Vec<SpanSet>) -> Vec<SpanSet> {
    let taken = given.iter().fold(SpanSet::EMPTY, |taken, own| taken.union(own));
    let mut newer = SpanSet::EMPTY;
    let mut gives = Vec::with_capacity(given.len());
    for (member, given) in members.iter().zip(given) {
        let free = taken.union(&newer).complement();
        gives.push(given.union(&free));
        newer = newer.union(&member.reach());
    }
    gives
}

/// Rule 9.
fn older(members: &[Known<'_>], given: &[SpanSet]) -> Vec<(usize, Span)> {
    let Some(newest) = members.first() else { return Vec::new() };
    let reached = newest.reach();
    let mut older: Vec<(usize, Span)> = Vec::new();
    for (number, given) in given.iter().enumerate().skip(1) {
        older.extend(given.minus(&reached).spans().iter().map(|span| (number, *span)));
    }
    older.sort_unstable_by_key(|(number, span)| (*span, *number));
    older
}

/// Undated rows of one ACD are a bucket that every catalog lists or has none of.
fn undated(acd: Acd, members: &[Known<'_>], window: Option<Span>, one: &mut CombinedAcd, combined: &mut Combined) {
    let (mut witness, mut first, mut spoken) = (None, None, false);
    for (number, member) in members.iter().enumerate() {
        let entry = member.entry(None);
        let written = entry.is_some_and(BucketEntry::is_written);
        if written && witness.is_none() {
            first = first.or(Some(number));
        }
        let unknown = member.undated_lost || member.undated_unread;
        let said = || if unknown { Content::UNKNOWN } else { Content::of(entry, member.shape) };
        let says = unknown || member.listed;
        witness = witness.or_else(|| says.then(said));
        let same = witness.is_none_or(|witness| witness == Content::of(entry, member.shape));
        spoken |= written && member.undated_proven;
        if written && member.undated_proven && same {
            (one.undated, one.undated_proven) = (Some(number), true);
            return;
        }
    }
    // What is not proven may go in where the target has nothing, if it is the newest that there is.
    one.undated = first;
    let any = members.iter().any(|member| member.undated_lost || member.entry(None).is_some());
    let missing = any && witness.is_some_and(|witness| witness.rows > 0);
    if missing && window.is_none() {
        let told = if spoken { &mut combined.stale } else { &mut combined.lost };
        told.insert((acd, None));
    }
}
