//! What the chunks of a section that are taken prove, what they do not any more, and what is lost of it. Pure.

use super::account::{Count, SectionAccount};
use super::gaps::{Gaps, acds};
use super::parts::ChunkAt;
use super::room::Room;
use crate::base::limits::RECORD_ENTRIES_MAX;
use crate::base::time::{Instant, Span};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::chunk::PieceEntry;
use crate::format::section::{HeldEntry, Losses, SectionEndRecord, SectionRecord};
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::section::evidence::{Bucket, Claims, Evidence, weigh};
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::summary::BucketTable;
use std::collections::{BTreeMap, BTreeSet};

/// What a section comes to.
pub(super) struct Judgement {
    pub(super) held: Vec<HeldEntry>,
    pub(super) envelope: Vec<HeldEntry>,
    pub(super) unwritten: Vec<BucketEntry>,
    pub(super) lost: Option<Losses>,
    pub(super) short: BTreeSet<Bucket>,
    pub(super) account: SectionAccount,
}

/// What is known of a section from outside its chunks: its header, its end mark if there is one, and what the catalog lists of
/// its buckets and chunks, if that is all there.
pub(super) struct Known<'a> {
    pub(super) header: &'a SectionRecord,
    pub(super) table: &'a SectionTable,
    pub(super) end: Option<&'a SectionEndRecord>,
    pub(super) buckets: Option<&'a [BucketEntry]>,
    pub(super) entries: Option<&'a [ChunkEntry]>,
}

/// What the label says of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labelled {
    Full,
    Incremental,
    /// There is none: the new set counts as a full one, of whatever kind the old one was.
    Lost,
}

impl Labelled {
    /// Whether it left something unwritten, or may have, that the new set does not list.
    fn has_unlisted(self, end: Option<&SectionEndRecord>, buckets: Option<&[BucketEntry]>) -> bool {
        let Some(buckets) = buckets else { return self != Labelled::Full };
        let is_part = || end.is_some_and(|end| end.held != end.envelope) || buckets.iter().any(|one| !one.is_written());
        self == Labelled::Lost && is_part()
    }
}

/// Judges a section by the chunks that are taken. What is told of it takes of the `room`.
pub(super) fn judge(
    known: &Known<'_>,
    mut chunks: BTreeMap<u64, ChunkAt>,
    labelled: Labelled,
    room: &mut Room,
) -> Judgement {
    let Known { header, table, end, buckets, .. } = *known;
    let gaps = Gaps::of(known, &chunks);
    let (count, rows) = (chunks.len() as u64, chunks.values().map(|chunk| u64::from(chunk.rows)).sum::<u64>());
    let pieces = drain(&mut chunks);
    let mut found = BucketTable::default();
    pieces.iter().for_each(|piece| found.add(piece));
    let all = end.is_some_and(|end| end.chunks == count && end.rows == rows);
    let whole = all && end.is_some_and(|end| end.digest == found.digest());
    let claims = Claims { buckets, end, cutoffs: &table.cutoffs, grain: table.bound.grain, window: None };
    let evidence = weigh(claims, &pieces, all);
    drop(pieces);
    let by_catalog = buckets.is_none_or(|_| evidence.unproven.is_empty());
    // Which buckets an incremental set left unwritten its catalog alone says, and a full one lists none.
    let unlisted = table.bound.grain != Grain::None && labelled.has_unlisted(end, buckets);
    let intact = whole && by_catalog && !unlisted && end.is_some_and(|end| end.lost.is_none());
    let (held, cut) = held(&evidence);
    let lost = (!intact).then(|| lost(end, &held, cut, &evidence, &gaps));
    // Only a set that is labelled incremental speaks for more than it holds.
    let listing = buckets.filter(|_| labelled == Labelled::Incremental);
    let envelope = end.filter(|_| listing.is_some()).map_or_else(|| held.clone(), |end| end.envelope.clone());
    let unwritten = listing.map(|buckets| unwritten(buckets, &found)).unwrap_or_default();
    let missing = |of: fn(&SectionEndRecord) -> u64, there: u64, gaps: u64| match end {
        Some(end) => Count::Exactly(of(end).saturating_sub(there)),
        None => Count::AtLeast(gaps),
    };
    let ((acds, more_acds), (gaps_listed, more_gaps)) =
        (acds(known, &found, &evidence, &gaps, room), gaps.listed(room));
    let account = SectionAccount {
        number: table.number,
        table: header.table.clone(),
        header_from_catalog: false,
        ended: end.is_some(),
        rows,
        chunks: count,
        lost_rows: missing(|end| end.rows, rows, gaps.rows),
        lost_chunks: missing(|end| end.chunks, count, gaps.chunks),
        whole: intact,
        unlisted,
        acds,
        more_acds,
        other_acds: !whole && buckets.is_none() && header.acd_column.is_some(),
        gaps: gaps_listed,
        more_gaps,
        files: is_tree(header).then(Default::default),
    };
    let short = if intact { BTreeSet::new() } else { evidence.unproven };
    Judgement { held, envelope, unwritten, lost, short, account }
}

/// The pieces of all chunks, which then have none.
fn drain(chunks: &mut BTreeMap<u64, ChunkAt>) -> Vec<PieceEntry> {
    let mut pieces = Vec::with_capacity(chunks.values().map(|chunk| chunk.pieces.len()).sum());
    for chunk in chunks.values_mut() {
        pieces.extend(std::mem::take(&mut chunk.pieces));
    }
    pieces
}

/// What is proven as held ranges, and whether there are too many of them to list.
fn held(evidence: &Evidence) -> (Vec<HeldEntry>, bool) {
    let entry = |acd: Acd, span: &Span| HeldEntry { acd, start: span.start.0, stop: span.stop.0 };
    let mut held: Vec<HeldEntry> =
        evidence.held.iter().flat_map(|(acd, spans)| spans.iter().map(|span| entry(*acd, span))).collect();
    let cut = held.len() > RECORD_ENTRIES_MAX as usize;
    held.truncate(RECORD_ENTRIES_MAX as usize);
    (held, cut)
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
        .map(|bucket| BucketEntry { pieces: 0, carried: 0, carried_digest: None, ..*bucket })
        .collect()
}
