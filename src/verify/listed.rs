//! What the sections of a chain prove by what is known of them without reading a chunk: end marks, and of each bucket whether all
//! volumes that have it are here. Damage inside chunks shows only when they are read.

use crate::base::time::{Day, Instant, Span};
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::section::chain::Member;
use crate::section::evidence::{Bucket, Evidence, spoken_for};
use crate::section::pieces::{Acd, Cutoffs};
use crate::volume::section::{SectionSource, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// The section that a set has of a table.
pub type SetSection<'a> = (&'a SetReader<'a>, &'a SectionView);

/// The tables of the members of a chain, in the order of the newest that has them, with the section of each member that has one:
/// the newest first.
#[must_use]
pub fn member_sections<'a>(members: &[&'a SetReader<'a>]) -> Vec<Vec<SetSection<'a>>> {
    let mut tables: Vec<Vec<SetSection<'a>>> = Vec::new();
    for set in members {
        for view in set.sections() {
            let same = |table: &&mut Vec<SetSection<'_>>| {
                table.first().is_some_and(|(_, first)| first.header.table == view.header.table)
            };
            match tables.iter_mut().find(same) {
                Some(table) => table.push((set, view)),
                None => tables.push(vec![(set, view)]),
            }
        }
    }
    tables
}

/// The sections of a table that go together, with what each proves.
pub struct Listed<'a> {
    /// The sections of one grain, the newest first.
    pub sections: Vec<SetSection<'a>>,
    evidence: Vec<Evidence>,
}

impl<'a> Listed<'a> {
    /// Of the sections that the members of a chain have of a table, the newest first; those of another grain are left out.
    #[must_use]
    pub fn of(grain: Grain, sections: &[SetSection<'a>]) -> Listed<'a> {
        let sections: Vec<_> = sections.iter().copied().filter(|(_, view)| view.header.grain == grain.id()).collect();
        let evidence = sections.iter().map(|(_, view)| evidence(grain, view)).collect();
        Listed { sections, evidence }
    }

    /// The members, for [`combine`](crate::section::chain::combine).
    #[must_use]
    pub fn members(&self) -> Vec<Member<'_>> {
        let shape = |view: &SectionView| {
            let same = |(_, other): &SetSection<'_>| other.header.columns == view.header.columns;
            self.sections.iter().position(same).unwrap_or(0)
        };
        let older = self.sections.iter().skip(1).map(Some).chain([None]);
        let is_parent = |set: &SetReader<'_>, older: &SetReader<'_>| {
            set.label().parent_set.is_none_or(|parent| parent == older.label().member().0)
        };
        let both = self.sections.iter().zip(&self.evidence).zip(older);
        both.map(|(((set, view), evidence), older)| Member {
            evidence,
            buckets: &view.buckets,
            listed: view.source == SectionSource::Catalog,
            end: view.end.as_ref(),
            gap_behind: older.is_some_and(|(older, _)| !is_parent(set, older)),
            shape: shape(view),
        })
        .collect()
    }
}

/// What a section proves by what is known of it without reading its chunks.
fn evidence(grain: Grain, view: &SectionView) -> Evidence {
    let mut evidence = Evidence::default();
    let mut held: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
    let mut holes: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
    let cutoffs = view.header.cutoffs.iter().map(|entry| (entry.acd, Instant(entry.cutoff)));
    let cutoffs = Cutoffs::new(cutoffs);
    // Without a catalog there may be buckets of which nothing was found: an end mark then proves nothing of its held ranges.
    let by_end = view.source == SectionSource::Catalog || view.is_complete();
    evidence.whole = by_end && view.proven_buckets().all(|(bucket, proven)| proven || !bucket.is_written());
    let proven = view.proven_buckets().filter(|(bucket, proven)| *proven && bucket.is_written());
    let whole: BTreeSet<Bucket> = proven.map(|(bucket, _)| (bucket.acd, bucket.day)).collect();
    for (bucket, proven) in view.proven_buckets().filter(|(bucket, _)| bucket.is_written()) {
        match (bucket.day, proven) {
            (None, true) => drop(evidence.undated.insert(bucket.acd)),
            (None, false) => {}
            (Some(day), false) => {
                evidence.unproven.insert((bucket.acd, bucket.day));
                holes.entry(bucket.acd).or_default().push(bucket_span(grain, day, Some(Instant(bucket.stop))));
            }
            (Some(day), true) if view.end.is_none() || !by_end => {
                let cutoff = cutoffs.of(bucket.acd).map(|cutoff| Instant(cutoff.0));
                let rows = Span { start: Instant(bucket.first), stop: Instant(bucket.stop) };
                let next = |next: Day| whole.contains(&(bucket.acd, Some(next)));
                held.entry(bucket.acd).or_default().extend(spoken_for(grain, day, rows, cutoff, next));
            }
            (Some(_), true) => {}
        }
    }
    for entry in view.end.iter().filter(|_| by_end).flat_map(|end| &end.held) {
        held.entry(entry.acd).or_default().extend(Span::new(Instant(entry.start), Instant(entry.stop)));
    }
    for (acd, spans) in held {
        let holes = SpanSet::from_spans(holes.remove(&acd).unwrap_or_default());
        evidence.held.insert(acd, SpanSet::from_spans(spans).minus(&holes).spans().to_vec());
    }
    evidence
}
