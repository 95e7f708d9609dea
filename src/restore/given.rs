//! What sets give to a table: their chunks are read, their rows counted, and of a chain's members each gives what no newer one
//! does. Changes nothing, decides nothing.

use super::applied::Applied;
use super::fitting::Fit;
use super::options::Options;
use super::payloads::Payloads;
use super::plan::position;
use super::report::{AcdPlan, Speaks, Unfit, cancelled};
use super::sides::{Cells, Sides};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::{Day, Instant, Span};
use crate::error::Error;
use crate::format::chunk::PieceEntry;
use crate::schema::clock::bucket_span;
use crate::schema::range::{Request, Side, Slot, SpanSet, Undated};
use crate::section::chain::{Combined, CombinedAcd, Member, combine};
use crate::section::evidence::{Bucket, Claims, Evidence, weigh};
use crate::section::pieces::Acd;
use crate::section::rows::{ChunkRows, RowsError, SectionTable};
use crate::volume::error::VolumeError;
use crate::volume::section::{ChunkRef, SectionSource, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// The section that a set has of a table.
pub(super) struct MemberSection<'a> {
    /// Which of the sets that the plan draws on, from 0: the newest first.
    pub(super) member: usize,
    /// The set.
    pub(super) set: &'a SetReader<'a>,
    /// The chunks that were read before.
    pub(super) payloads: &'a Payloads,
    /// Its section.
    pub(super) view: &'a SectionView,
    /// The section's table.
    pub(super) table: SectionTable,
    /// Whether a set between this one and the newer one with the table may have had it, and lost it without a trace.
    pub(super) veiled: bool,
    /// How many sets between this one and the newer one with the table have not its kind of data, and say nothing of it.
    pub(super) mute: u32,
}

/// Why a chunk cannot be read.
pub(super) struct Unread {
    /// Whether its volume is not here, or another one in its place.
    pub(super) absent: bool,
    /// In words.
    pub(super) reason: String,
}

/// What was read of a section's chunks.
pub(super) struct Read {
    /// The rows, counted.
    pub(super) sides: BTreeMap<Acd, Side>,
    /// What the section proves.
    pub(super) evidence: Evidence,
    /// The chunks that were read.
    pub(super) chunks: Vec<ChunkRef>,
    /// Those that could not be.
    pub(super) unreadable: Vec<(ChunkRef, Unread)>,
}

impl MemberSection<'_> {
    /// The chunks that can hold rows of a window.
    fn chunks(&self, window: Option<Span>) -> Vec<ChunkRef> {
        let chunks = self.view.chunks.iter();
        chunks.filter(|chunk| window.is_none_or(|window| chunk.meets(window))).copied().collect()
    }

    /// Reads the key columns of the chunks in a window; those that cannot be read come back with the reason.
    ///
    /// # Errors
    /// Somebody asked to stop; damage is no error here.
    pub(super) fn read(
        &self,
        window: Option<Span>,
        cells: &Cells,
        options: &Options,
        monitor: &dyn Monitor,
    ) -> Result<Read, Error> {
        let chunks = self.chunks(window);
        let (mut sides, mut entries) = (Sides::new(cells), Vec::<PieceEntry>::new());
        let (mut readable, mut unreadable) = (Vec::with_capacity(chunks.len()), Vec::new());
        ordered(
            options.decoders(),
            chunks.len(),
            2,
            |_, item, emit| {
                if let Some(chunk) = chunks.get(item) {
                    emit((item, self.read_keys(chunk)));
                }
                Ok::<(), Error>(())
            },
            |(item, read)| {
                let Some(chunk) = chunks.get(item) else { return Ok(()) };
                monitor.advance(Task::Plan, u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes));
                match read {
                    Ok(rows) => {
                        sides.add(&rows.when);
                        entries.extend(rows.directory.pieces);
                        readable.push(*chunk);
                    }
                    Err(reason) => unreadable.push((*chunk, reason)),
                }
                if monitor.cancelled() { Err(cancelled()) } else { Ok(()) }
            },
        )?;
        let whole = unreadable.is_empty() && self.view.is_complete();
        let claims = Claims {
            buckets: self.is_listed().then_some(&self.view.buckets[..]),
            end: self.view.end.as_ref(),
            cutoffs: &self.table.cutoffs,
            grain: self.table.bound.grain,
            window,
        };
        let evidence = weigh(claims, &entries, whole);
        Ok(Read { sides: sides.finish(), evidence, chunks: readable, unreadable })
    }

    /// As [`MemberSection::read`] of a section whose rows cannot be used: what its catalog says is enough.
    ///
    /// # Errors
    /// As there.
    pub(super) fn unread(
        &self,
        window: Option<Span>,
        cells: &Cells,
        options: &Options,
        monitor: &dyn Monitor,
    ) -> Result<Read, Error> {
        let Some(end) = self.view.end.as_ref().filter(|_| self.is_listed()) else {
            return self.read(window, cells, options, monitor);
        };
        let mut held: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
        for entry in &end.held {
            held.entry(entry.acd).or_default().extend(Span::new(Instant(entry.start), Instant(entry.stop)));
        }
        let undated = self.view.buckets.iter().filter(|bucket| bucket.day.is_none() && bucket.is_written());
        let undated = undated.map(|bucket| bucket.acd);
        let all_there = |acd: &Acd| end.lost.as_ref().is_none_or(|lost| lost.undated.contains(acd));
        let evidence = Evidence { held, undated: undated.filter(all_there).collect(), ..Evidence::default() };
        Ok(Read { sides: BTreeMap::new(), evidence, chunks: Vec::new(), unreadable: Vec::new() })
    }

    fn read_keys(&self, chunk: &ChunkRef) -> Result<ChunkRows, Unread> {
        let payload = self.payloads.read(self.set, chunk).map_err(|error| Unread {
            absent: matches!(error, VolumeError::MissingVolumes { .. } | VolumeError::WrongVolume { .. }),
            reason: error.to_string(),
        })?;
        let damaged = |error: RowsError| Unread { absent: false, reason: error.to_string() };
        self.table.keys(&payload, position(chunk)).map_err(damaged)
    }

    fn is_listed(&self) -> bool {
        self.view.source == SectionSource::Catalog
    }

    fn sequence(&self) -> u32 {
        self.set.label().sequence
    }

    /// How many rows of a bucket it lists, and their digest.
    fn lists(&self, bucket: Bucket) -> Option<(u64, [u8; 16])> {
        let buckets = &self.view.buckets;
        let at = buckets.binary_search_by_key(&bucket, |entry| (entry.acd, entry.day)).ok()?;
        buckets.get(at).map(|entry| (entry.rows, entry.digest))
    }
}

/// What all sections together give.
#[derive(Default)]
pub(super) struct Given {
    /// What they give of each ACD.
    pub(super) acds: BTreeMap<Acd, GivenAcd>,
    /// For each section: which rows it gives; `None` if all.
    pub(super) speaks: Vec<Option<Speaks>>,
    /// Buckets that are listed but cannot be read whole.
    pub(super) unproven: BTreeSet<Bucket>,
    /// Buckets of which only an older state is here.
    pub(super) stale: BTreeSet<Bucket>,
    /// Buckets of which nothing is here.
    pub(super) lost: BTreeSet<Bucket>,
}

/// What is given of one ACD.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenAcd {
    /// The time for which the sets speak.
    pub(super) held: Vec<Span>,
    /// The rows.
    pub(super) side: Side,
    /// Whether the undated rows are all that the source had.
    pub(super) undated_proven: bool,
    /// Time that only an older member speaks for, and which.
    pub(super) older: Vec<(usize, Span)>,
    /// Time left out because a later member of the chain was restored into it before.
    pub(super) later: SpanSet,
    /// What is left out because only members speak for it that do not fit the target.
    pub(super) unfit: Vec<Unfit>,
}

/// The sections of a table, the newest first, and how each fits the target.
#[derive(Clone, Copy)]
pub(super) struct Fitted<'a> {
    pub(super) sections: &'a [MemberSection<'a>],
    pub(super) fits: &'a [Fit],
}

impl Fitted<'_> {
    fn is_unfit(&self, number: usize) -> bool {
        self.fits.get(number).is_some_and(Result::is_err)
    }

    /// For each section the first that has the same columns, and says by the same ones to which time and ACD a row belongs.
    /// What can be used and what cannot is never the same.
    fn shapes(&self) -> Vec<usize> {
        let alike = |one: usize, other: usize| {
            let table = |number: usize| self.sections.get(number).map(|section| &section.table.bound);
            let shape = |number| table(number).map(|table| (table.grain, &table.clock, table.acd_column));
            let names = |number| table(number).into_iter().flat_map(|table| &table.schema.columns).map(|at| &at.name);
            let same =
                names(one).map(|name| name.to_ascii_lowercase()).eq(names(other).map(|name| name.to_ascii_lowercase()));
            same && shape(one) == shape(other) && self.is_unfit(one) == self.is_unfit(other)
        };
        (0..self.sections.len()).map(|at| (0..at).find(|first| alike(*first, at)).unwrap_or(at)).collect()
    }
}

/// Puts together what was read of a table's sections. `alone`: nothing is asked of others of the chain.
pub(super) fn given(
    fitted: Fitted<'_>,
    reads: &[Read],
    applied: Option<&Applied<'_>>,
    window: Option<Span>,
    alone: bool,
) -> Given {
    let sections = fitted.sections;
    let Some((section, read)) = sections.first().zip(reads.first()) else { return Given::default() };
    let one = sections.len() == 1 && !section.set.label().incremental;
    let combined = if one { by_itself(read) } else { of_chain(fitted, reads, window) };
    let mut given = Given { speaks: vec![Some(Speaks::default()); sections.len()], ..Given::default() };
    let mut cut = false;
    for (acd, combined) in &combined.acds {
        let later: Vec<SpanSet> = match applied {
            Some(applied) => (0..sections.len()).map(|number| later(sections, number, *acd, applied)).collect(),
            None => vec![SpanSet::EMPTY; sections.len()],
        };
        let later_undated = |number: usize| {
            let section = sections.get(number).zip(applied);
            let sequence = |section: &MemberSection<'_>| {
                vouches(sections, number, (*acd, None)).unwrap_or_else(|| section.sequence())
            };
            section.is_some_and(|(section, applied)| applied.undated_later(*acd, sequence(section)))
        };
        let undated = combined.undated.filter(|number| !later_undated(*number));
        cut |= undated != combined.undated || later.iter().any(|later| !later.is_empty());
        let (combined, unfit) = without_unfit(*acd, CombinedAcd { undated, ..combined.clone() }, fitted);
        let one = of_acd(*acd, &combined, reads, &later, &unfit, &mut given.speaks);
        given.acds.insert(*acd, GivenAcd { unfit, ..one });
    }
    for (number, speaks) in given.speaks.iter_mut().enumerate() {
        if let Some(speaks) = speaks {
            again(sections, number, speaks);
        }
    }
    if one && !cut {
        given.speaks = vec![None];
    }
    if one || alone {
        given.unproven = read.evidence.unproven.clone();
    } else {
        let scanned = sections.iter().zip(reads).filter(|(section, _)| !section.is_listed());
        given.unproven = scanned.flat_map(|(_, read)| &read.evidence.unproven).copied().collect();
        (given.stale, given.lost) = (combined.stale, combined.lost);
    }
    given
}

/// The time of an ACD that a section leaves to what was restored there before: a later member than the section's, or, of a bucket
/// that a newer member lists just so, a later one than that: it had the same rows, and need not have written them.
fn later(sections: &[MemberSection<'_>], number: usize, acd: Acd, applied: &Applied<'_>) -> SpanSet {
    let Some(section) = sections.get(number) else { return SpanSet::EMPTY };
    let later = applied.later(acd, section.sequence());
    if later.is_empty() {
        return later;
    }
    let grain = section.table.bound.grain;
    let mut vouched: BTreeMap<u32, Vec<Span>> = BTreeMap::new();
    for entry in section.view.buckets.iter().filter(|entry| entry.acd == acd) {
        let by = vouches(sections, number, (acd, entry.day));
        let span = entry.day.map(|day| bucket_span(grain, day, Some(Instant(entry.stop))));
        by.zip(span).into_iter().for_each(|(sequence, span)| vouched.entry(sequence).or_default().push(span));
    }
    vouched.into_iter().fold(later, |later, (sequence, spans)| {
        let spans = SpanSet::from_spans(spans);
        later.minus(&spans).union(&spans.intersection(&applied.later(acd, sequence)))
    })
}

/// The time of those buckets of a section that a newer member lists just so although one between them had other rows or none,
/// or nobody can tell since it is not here: the source took a change back. Whoever restores that one later must not take the
/// rows for those from before the change.
fn again(sections: &[MemberSection<'_>], number: usize, speaks: &mut Speaks) {
    let Some(section) = sections.get(number).filter(|_| number > 0) else { return };
    let grain = section.table.bound.grain;
    let mut found: BTreeMap<(Acd, u32), Vec<Span>> = BTreeMap::new();
    for own in &section.view.buckets {
        let bucket = (own.acd, own.day);
        let Some(by) = vouches(sections, number, bucket) else { continue };
        let listed = Some((own.rows, own.digest));
        let since = || sections.iter().take(number.saturating_add(1)).filter(|other| other.sequence() < by);
        let mute = since().map(|other| u64::from(other.mute)).fold(0, u64::saturating_add);
        let between = by.saturating_sub(section.sequence()).saturating_sub(1);
        let same = |other: &&MemberSection<'_>| other.is_listed() && other.lists(bucket) == listed;
        let told = since().filter(|other| other.sequence() > section.sequence()).filter(same).count() as u64;
        if told.saturating_add(mute) >= u64::from(between) {
            continue;
        }
        match own.day {
            None => drop(speaks.undated_again.insert(own.acd, by)),
            Some(day) => {
                found.entry((own.acd, by)).or_default().push(bucket_span(grain, day, Some(Instant(own.stop))));
            }
        }
    }
    for ((acd, sequence), spans) in found {
        speaks.again.entry(acd).or_default().push((sequence, SpanSet::from_spans(spans)));
    }
}

/// The place in the chain of the newest member before a section that lists a bucket with the rows that the section has of it.
fn vouches(sections: &[MemberSection<'_>], number: usize, bucket: Bucket) -> Option<u32> {
    let own = sections.get(number)?.lists(bucket)?;
    let mut newer = sections.iter().take(number).filter(|section| section.is_listed());
    newer.find(|section| section.lists(bucket) == Some(own)).map(MemberSection::sequence)
}

impl Given {
    /// Tells of those buckets only that were asked for: of the one ACD, if there is one, and with time in the request.
    pub(super) fn tell_only(&mut self, sections: &[MemberSection<'_>], acd: Option<i64>, request: Request) {
        if self.stale.is_empty() && self.lost.is_empty() {
            return;
        }
        // Rows of a bucket may reach beyond its day.
        let mut ends: BTreeMap<Bucket, Instant> = BTreeMap::new();
        for entry in sections.iter().flat_map(|section| &section.view.buckets) {
            let end = ends.entry((entry.acd, entry.day)).or_insert(Instant(entry.stop));
            *end = (*end).max(Instant(entry.stop));
        }
        let asked = |bucket: &Bucket| {
            let end = ends.get(bucket).copied();
            let span = |(section, day): (&MemberSection<'_>, Day)| bucket_span(section.table.bound.grain, day, end);
            let time = sections.first().zip(bucket.1).map(span);
            let start = |start: Instant| time.is_some_and(|time| time.stop > start);
            let stop = |stop: Instant| time.is_some_and(|time| time.start < stop);
            acd.is_none_or(|only| bucket.0 == Some(only))
                && request.start.is_none_or(start)
                && request.stop.is_none_or(stop)
        };
        self.stale.retain(asked);
        self.lost.retain(asked);
    }
}

/// A full set that stands by itself gives all that it has.
fn by_itself(read: &Read) -> Combined {
    let acds: BTreeSet<Acd> = read.evidence.held.keys().chain(read.sides.keys()).copied().collect();
    let one = |acd: Acd| CombinedAcd {
        held: read.evidence.held.get(&acd).cloned().unwrap_or_default(),
        gives: vec![SpanSet::from(Span::ALL)],
        older: Vec::new(),
        undated: Some(0),
        undated_proven: read.evidence.undated.contains(&acd),
    };
    Combined { acds: acds.into_iter().map(|acd| (acd, one(acd))).collect(), ..Combined::default() }
}

fn of_chain(fitted: Fitted<'_>, reads: &[Read], window: Option<Span>) -> Combined {
    let sections = fitted.sections;
    let older = sections.iter().skip(1).map(Some).chain([None]);
    // More numbers of the chain lie between two sections than members are here.
    let gap = |one: &MemberSection<'_>, older: &MemberSection<'_>| {
        let numbers = one.sequence().saturating_sub(older.sequence());
        numbers as usize > older.member.saturating_sub(one.member)
    };
    let both = sections.iter().zip(reads).zip(older);
    let members = both.zip(fitted.shapes()).map(|(((section, read), older), shape)| Member {
        evidence: &read.evidence,
        buckets: &section.view.buckets,
        listed: section.is_listed(),
        end: section.view.end.as_ref(),
        gap_behind: older.is_some_and(|older| older.veiled || gap(section, older)),
        shape,
    });
    let members: Vec<Member<'_>> = members.collect();
    let grain = sections.first().map(|section| section.table.bound.grain);
    let mut combined = grain.map(|grain| combine(grain, &members, window)).unwrap_or_default();
    let number = |at: usize| sections.get(at).map_or(at, |section| section.member);
    for one in combined.acds.values_mut() {
        one.older.iter_mut().for_each(|(member, _)| *member = number(*member));
    }
    combined
}

/// Takes away what only members give that do not fit the target, and says what that is.
fn without_unfit(acd: Acd, mut combined: CombinedAcd, fitted: Fitted<'_>) -> (CombinedAcd, Vec<Unfit>) {
    let mut held = SpanSet::from_spans(combined.held.iter().copied());
    let mut all = Vec::new();
    for (number, gives) in combined.gives.iter_mut().enumerate().filter(|(number, _)| fitted.is_unfit(*number)) {
        let spans = std::mem::replace(gives, SpanSet::EMPTY).intersection(&held);
        held = held.minus(&spans);
        let undated = combined.undated == Some(number);
        if undated {
            (combined.undated, combined.undated_proven) = (None, false);
        }
        if undated || !spans.is_empty() {
            let section = fitted.sections.get(number);
            let buckets = section.into_iter().flat_map(|section| &section.view.buckets);
            let written = buckets.filter(|bucket| bucket.acd == acd && bucket.day.is_some() && bucket.is_written());
            let rows = written.filter_map(|bucket| Span::new(Instant(bucket.first), Instant(bucket.stop)));
            let rows = SpanSet::from_spans(rows).intersection(&spans);
            all.push(Unfit { member: section.map_or(number, |section| section.member), spans, rows, undated });
        }
    }
    combined.held = held.spans().to_vec();
    (combined, all)
}

/// What is given of one ACD when what later members put in is left out; notes which rows each section gives.
fn of_acd(
    acd: Acd,
    combined: &CombinedAcd,
    reads: &[Read],
    later: &[SpanSet],
    unfit: &[Unfit],
    speaks: &mut [Option<Speaks>],
) -> GivenAcd {
    let (held, undated) = (SpanSet::from_spans(combined.held.iter().copied()), combined.undated);
    let unfit = unfit.iter().fold(SpanSet::EMPTY, |all, unfit| all.union(&unfit.spans));
    let (mut left_out, mut slots, mut undated_rows) = (SpanSet::EMPTY, Vec::<Slot>::new(), 0);
    for (number, ((gives, read), later)) in combined.gives.iter().zip(reads).zip(later).enumerate() {
        left_out = left_out.union(&gives.intersection(later));
        let gives = gives.minus(later);
        if let Some(side) = read.sides.get(&acd) {
            // A row that begins before what is left out and reaches into it is left out with it.
            let begins = |slot: &&Slot| gives.meets(Span { stop: slot.span.start.plus(1), ..slot.span });
            let mine = |slot: &&Slot| begins(slot) && !later.meets(slot.span) && !unfit.meets(slot.span);
            slots.extend(side.slots().iter().filter(mine));
            if undated == Some(number) {
                undated_rows = side.undated;
            }
        }
        if let Some(Some(speaks)) = speaks.get_mut(number) {
            speaks.dated.insert(acd, gives);
            if undated == Some(number) {
                speaks.undated.insert(acd);
            }
        }
    }
    GivenAcd {
        held: held.minus(&left_out).spans().to_vec(),
        side: Side::new(slots, undated_rows),
        undated_proven: combined.undated_proven && undated.is_some(),
        older: combined.older.clone(),
        later: held.intersection(&left_out),
        unfit: Vec::new(),
    }
}

/// Those of a section's chunks that may have rows that go in.
pub(super) fn giving(chunks: Vec<ChunkRef>, speaks: Option<&Speaks>, acds: &[AcdPlan]) -> Vec<ChunkRef> {
    let gives_undated = |acd: &AcdPlan| speaks.is_none_or(|speaks| speaks.undated.contains(&acd.acd));
    let undated = acds.iter().any(|plan| plan.decision.undated != Undated::Leave && gives_undated(plan));
    let mut time = Vec::new();
    for plan in acds {
        let slots = plan.decision.insert.iter().chain(&plan.decision.carried_in);
        let Some(given) = slots.map(|slot| slot.span).reduce(Span::hull) else { continue };
        match speaks {
            None => time.push(given),
            Some(speaks) => {
                let own = speaks.dated.get(&plan.acd);
                time.extend(own.map(|own| own.intersection(&SpanSet::from(given))).iter().flat_map(SpanSet::spans));
            }
        }
    }
    let time = SpanSet::from_spans(time);
    let span = |chunk: &ChunkRef| Span::new(Instant(chunk.entry.first), Instant(chunk.entry.stop));
    let dated = |chunk: &ChunkRef| span(chunk).is_some_and(|span| time.meets(span));
    chunks.into_iter().filter(|chunk| dated(chunk) || (undated && chunk.entry.undated > 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(undated: u64) -> Read {
        let sides = BTreeMap::from([(Some(1), Side::new([], undated))]);
        Read { sides, evidence: Evidence::default(), chunks: Vec::new(), unreadable: Vec::new() }
    }

    #[test]
    fn rows_without_a_time_come_from_the_one_member_that_gives_them() {
        let reads = [read(3), read(5)];
        let given = |undated: Option<usize>| {
            let gives = vec![SpanSet::EMPTY; 2];
            let combined = CombinedAcd { gives, undated, undated_proven: true, ..CombinedAcd::default() };
            let mut speaks = vec![Some(Speaks::default()); 2];
            let later = [SpanSet::EMPTY, SpanSet::EMPTY];
            let acd = of_acd(Some(1), &combined, &reads, &later, &[], &mut speaks);
            let says: Vec<bool> = speaks.iter().flatten().map(|speaks| speaks.undated.contains(&Some(1))).collect();
            (acd.side.undated, acd.undated_proven, says)
        };
        assert_eq!(given(Some(0)), (3, true, vec![true, false]));
        assert_eq!(given(Some(1)), (5, true, vec![false, true]));
        assert_eq!(given(None), (0, false, vec![false, false]));
    }
}
