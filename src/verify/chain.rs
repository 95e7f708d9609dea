//! Chains among sets: which members are not here, and whether what the newest catalog lists is on the volumes of those that are.
//! Reads no volume: catalogs were read when the sets were listed.

use super::cost::Cost;
use super::finding::{Finding, Level};
use crate::base::position::Position;
use crate::base::time::{Instant, Span};
use crate::format::block::SetId;
use crate::format::catalog::BucketEntry;
use crate::section::pieces::Acd;
use crate::volume::lineage::{Family, families};
use crate::volume::section::{SectionSource, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// What to try where a chain has not all of its rows.
const MEMBERS: &str = "bring the members that are not here; a restore says what it makes of the rest";

/// What is said of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainJudged {
    /// The set that begins it.
    pub chain: SetId,
    /// The members that are here and lead to the newest one, that one first.
    pub members: Vec<SetId>,
    /// Numbers of members that are not here, each range from its first to its last.
    pub missing: Vec<(u32, u32)>,
    /// Rows that the newest catalog lists and no member here holds as it lists them.
    pub lacks: Vec<Cost>,
    /// What is not as it should be: rows that are listed and not held, no full set. Members that are elsewhere and have none of
    /// the rows are none.
    pub findings: Vec<Finding>,
}

/// Judges the chains among sets that have an incremental member.
#[must_use]
pub fn judge_chains(sets: &[SetReader<'_>]) -> Vec<ChainJudged> {
    let chained = |family: &Family<'_>| family.members.iter().any(|set| set.label().sequence > 0);
    families(sets).iter().filter(|family| chained(family)).map(judged).collect()
}

fn judged(family: &Family<'_>) -> ChainJudged {
    let members = path(family);
    let lacks = lacks(&members);
    let mut findings = Vec::new();
    // Nothing that is here is damaged; what a restore makes of it, its plan says.
    let warning = |what: String, costs: &[Cost]| {
        let found = Finding::incomplete(Position::UNKNOWN, what, MEMBERS);
        Finding { level: Level::Warning, costs: costs.to_vec(), ..found }
    };
    if family.missing.iter().any(|(first, _)| *first == 0) {
        findings.push(warning("the full set that begins the chain is not here".to_owned(), &[]));
    }
    if let (Some(newest), false) = (members.first(), lacks.is_empty()) {
        let holder = if family.missing.is_empty() { "no member of the chain" } else { "no member that is here" };
        let what = format!(
            "the catalog of set {}, the newest of its chain, lists rows that {holder} holds",
            newest.label().label
        );
        findings.push(warning(what, &lacks));
    }
    ChainJudged {
        chain: family.chain,
        members: members.iter().map(|set| set.set_id()).collect(),
        missing: family.missing.clone(),
        lacks,
        findings,
    }
}

/// The members that lead to the newest one, that first. Where one is not here, the next one that is.
fn path<'a>(family: &Family<'a>) -> Vec<&'a SetReader<'a>> {
    let mut path: Vec<&SetReader<'_>> = Vec::new();
    let mut left: Vec<&SetReader<'_>> = family.members.iter().copied().filter(|set| !set.is_interrupted()).collect();
    while let Some(next) = left.pop() {
        let parent = path.last().and_then(|last| last.label().parent_set).map(SetId);
        // Several may have gone on from one set: the parent goes before another one of its number.
        let place = left.iter().rposition(|set| Some(set.set_id()) == parent);
        let next = match place.filter(|_| Some(next.set_id()) != parent) {
            Some(place) => left.remove(place),
            None => next,
        };
        left.retain(|set| set.label().sequence < next.label().sequence);
        path.push(next);
    }
    path
}

type Key = (Acd, Option<i32>);

/// What the newest lists and nobody holds.
fn lacks(members: &[&SetReader<'_>]) -> Vec<Cost> {
    let Some(newest) = members.first() else { return Vec::new() };
    let listed = newest.sections().iter().filter(|section| section.source == SectionSource::Catalog);
    listed.filter_map(|section| lacking(section, members)).collect()
}

fn lacking(section: &SectionView, members: &[&SetReader<'_>]) -> Option<Cost> {
    let table = &section.header.table;
    // Of each bucket the state that was written last.
    let mut held: BTreeMap<Key, &BucketEntry> = BTreeMap::new();
    for member in members {
        let sections = member.sections().iter().filter(|other| other.header.table == *table);
        for bucket in sections.flat_map(|section| &section.buckets).filter(|bucket| bucket.is_written()) {
            held.entry((bucket.acd, bucket.day)).or_insert(bucket);
        }
    }
    let same = |bucket: &BucketEntry| {
        let there = held.get(&(bucket.acd, bucket.day));
        there.is_some_and(|there| (there.rows, there.digest) == (bucket.rows, bucket.digest))
    };
    let (mut acds, mut span, mut rows) = (BTreeSet::new(), None::<Span>, 0u64);
    for bucket in section.buckets.iter().filter(|bucket| bucket.rows > 0 && !same(bucket)) {
        acds.insert(bucket.acd);
        rows = rows.saturating_add(bucket.rows);
        let of_bucket = Span::new(Instant(bucket.first), Instant(bucket.stop)).filter(|_| bucket.day.is_some());
        span = span.into_iter().chain(of_bucket).reduce(Span::hull);
    }
    (rows > 0).then(|| Cost { table: table.clone(), acds: acds.into_iter().collect(), span, rows })
}
