//! The bytes of a volume: every block's checksums and place, the index, the running hash, the end mark. Takes what a pass over
//! them met, in order, and says in the end what is not as it should be.

use super::finding::Finding;
use super::judge::Fact;
use super::order::{Ordered, ordered};
use crate::base::checksum::{Hash, chain};
use crate::base::position::Position;
use crate::format::block::{BlockKind, SetId};
use crate::format::catalog::{BlockEntry, ChunkEntry, VolumeEntry};
use crate::format::label::Predecessor;
use crate::format::marks::VolumeEndRecord;
use crate::volume::error::VolumeError;
use crate::volume::reader::{Blocks, VolumeIndex};
use crate::volume::scanner::DamagedExtent;
use std::ops::Range;

/// What to try where a volume was not finished.
pub(super) const UNFINISHED_VOLUME: &str =
    "look for a whole copy of the volume; what it holds can be restored (--partial)";

/// What a pass over a volume's bytes gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaProof {
    /// Name of the volume on its device.
    pub name: String,
    /// Its number in the set, from 1.
    pub number: u32,
    /// Blocks that are sound and in their place.
    pub blocks: u64,
    /// Bytes that were read and judged.
    pub bytes: u64,
    /// Bytes that the volume has.
    pub exists: u64,
    /// Number of the last sound block and the running hash after it, for the label of the next volume; `None` if there is none,
    /// or not all blocks were read.
    pub ending: Option<Predecessor>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl MediaProof {
    /// Whether every byte that the volume has was judged.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.bytes == self.exists
    }
}

/// The end mark of a volume and its index, where they were looked for.
pub(super) type Ending = Option<(VolumeEndRecord, Result<VolumeIndex, VolumeError>)>;

/// End mark and index.
pub(super) fn ending(volume: &Blocks) -> Ending {
    volume.end().map(|end| {
        let index = volume.index(&end);
        (end, index)
    })
}

/// What a volume of these blocks was before the first one of a catalog: so the catalog lists it that begins there.
pub(super) fn before_catalog<'e>(blocks: impl Iterator<Item = &'e BlockEntry>) -> Option<VolumeEntry> {
    let mut before = VolumeEntry { blocks: 0, bytes: 0, running_hash: [0; 32] };
    for entry in blocks {
        if entry.kind == BlockKind::Catalog.id() {
            return Some(before);
        }
        before.blocks = before.blocks.saturating_add(1);
        before.bytes = before.bytes.saturating_add(u64::from(entry.bytes));
        before.running_hash = chain(&before.running_hash, &entry.hash);
    }
    None
}

/// What an index says before its list, if that is not what its list and the end mark say.
pub(super) fn index_at_odds(end: &VolumeEndRecord, index: &VolumeIndex) -> Option<Finding> {
    let listed = index.blocks.iter().fold([0; 32], |running, entry| chain(&running, &entry.hash));
    let what = match () {
        () if index.head.running_hash != listed => "the index does not agree with its own running hash",
        () if index.head.bytes != end.index_offset => "the index counts other bytes before it than there are",
        () if index.head.continues == end.set_complete => {
            "of index and end mark one says that another volume follows, and the other that none does"
        }
        () => return None,
    };
    Some(Finding::damage(Position::UNKNOWN, what))
}

/// Where an end mark does not name the catalog blocks of its volume as they are: nothing else covers that of the last volume.
pub(super) fn catalog_elsewhere<'e>(
    end: &VolumeEndRecord,
    blocks: impl Iterator<Item = &'e BlockEntry>,
) -> Option<Finding> {
    let mut catalog = blocks.filter(|entry| entry.kind == BlockKind::Catalog.id());
    let first = catalog.next();
    let count = first.map_or(0, |_| (catalog.count() as u64).saturating_add(1));
    let offset = first.map_or(0, |first| first.offset);
    let words = |count: u64, offset: u64| format!("{count} catalog blocks from byte {offset}");
    let odds = (words(count, offset), words(u64::from(end.catalog_blocks), end.catalog_offset));
    let what = "the end mark does not name the catalog where it is";
    (odds.0 != odds.1).then(|| Finding::damage(Position::UNKNOWN, what).odds(odds.0, odds.1))
}

/// Places of damage on a volume that are told one by one, and so of other things that there may be very many of; the rest is
/// summed up.
pub(super) const PLACES_TOLD: usize = if cfg!(test) { 20 } else { 1_000 };

/// Says of so many blocks that are not told one by one that they are not what they should be.
pub(super) fn further(blocks: u64, at: Position) -> Option<Finding> {
    let what = format!("{blocks} further blocks have right checksums and are not what they should be");
    (blocks > 0).then(|| Finding::damage(at, what))
}

/// Damage that is not told place by place.
#[derive(Default)]
struct Rest {
    places: u64,
    bytes: u64,
    /// From the first of its bytes to the last: sound blocks stand between them.
    hull: Range<u64>,
}

/// A pass over a volume, so far.
pub(super) struct Pass {
    set: SetId,
    name: String,
    number: u32,
    exists: u64,
    judged: u64,
    running: Hash,
    entries: Vec<(BlockEntry, Hash)>,
    findings: Vec<Finding>,
    /// Bytes that are lost, each with the number of the finding that tells of them.
    lost: Vec<(Range<u64>, usize)>,
    /// What is lost behind that.
    rest: Rest,
    /// Sound blocks that are not what they should be: how many are told of, and how many more there are.
    bad: usize,
    further: u64,
}

/// A pass that has ended.
pub(super) struct Passed {
    pub(super) set: SetId,
    pub(super) media: MediaProof,
    pub(super) lost: Vec<(Range<u64>, usize)>,
    /// The sections on it, if it has its blocks as it should.
    pub(super) order: Option<Ordered>,
    /// What it was before the first block of a catalog, if it has one.
    pub(super) before_catalog: Option<VolumeEntry>,
    /// How many places the last finding sums up, where a part is read.
    pub(super) further: u64,
}

impl Passed {
    /// Notes what is not as it should be on a volume of which a part is read: the number of the finding that tells of it. Of
    /// very many the last one counts.
    pub(super) fn note(&mut self, finding: Finding) -> usize {
        let MediaProof { findings, name, number, .. } = &mut self.media;
        let place = findings.len().min(PLACES_TOLD);
        let finding = if place < PLACES_TOLD {
            finding
        } else {
            self.further = self.further.saturating_add(1);
            let what = format!("{} further places that were read are not as they should be", self.further);
            Finding::damage(Position::volume(*number), what).on(name)
        };
        findings.truncate(place);
        findings.push(finding);
        place
    }

    /// The number of the finding that tells of bytes of this chunk, if there is one.
    pub(super) fn finding_at(&self, chunk: &ChunkEntry) -> Option<usize> {
        let stop = chunk.offset.saturating_add(u64::from(chunk.bytes));
        // They lie one behind the other.
        let place = self.lost.partition_point(|(bytes, _)| bytes.end <= chunk.offset);
        self.lost.get(place).filter(|(bytes, _)| bytes.start < stop).map(|(_, finding)| *finding)
    }
}

impl Pass {
    pub(super) fn new(volume: &Blocks) -> Pass {
        Pass {
            set: volume.identity().0,
            name: volume.name().to_owned(),
            number: volume.identity().1,
            exists: volume.source().len(),
            judged: 0,
            running: [0; 32],
            entries: Vec::new(),
            findings: Vec::new(),
            lost: Vec::new(),
            rest: Rest::default(),
            bad: 0,
            further: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a sound block; blocks come in order.
    pub(super) fn block(&mut self, fact: &Fact) {
        let before = self.running;
        self.running = chain(&before, &fact.entry.hash);
        self.entries.push((fact.entry, before));
        self.judged = self.judged.saturating_add(u64::from(fact.entry.bytes));
    }

    /// Takes bytes that are no block.
    pub(super) fn damaged(&mut self, extent: &DamagedExtent) {
        self.judged = self.judged.saturating_add(extent.len);
        let bytes = extent.offset..extent.offset.saturating_add(extent.len);
        if self.lost.len() >= PLACES_TOLD {
            let Rest { places, bytes: len, hull } = &mut self.rest;
            hull.start = if *places == 0 { bytes.start } else { hull.start };
            (*places, *len) = (places.saturating_add(1), len.saturating_add(extent.len));
            hull.end = bytes.end;
            return;
        }
        self.lost.push((bytes, self.findings.len()));
        let finding =
            Finding::of_error(&extent.error).about(format_args!("{} bytes from byte {}", extent.len, extent.offset));
        let at = finding.at.within(Position::volume(self.number));
        self.findings.push(Finding { at, ..finding }.on(&self.name));
    }

    /// Notes a sound block that is not what it should be.
    pub(super) fn bad(&mut self, finding: Finding) {
        if self.bad >= PLACES_TOLD {
            self.further = self.further.saturating_add(1);
            return;
        }
        self.bad = self.bad.saturating_add(1);
        self.find(finding);
    }

    /// Notes something else that is not as it should be.
    pub(super) fn find(&mut self, finding: Finding) {
        let at = finding.at.within(Position::volume(self.number));
        self.findings.push(Finding { at, ..finding }.on(&self.name));
    }

    /// Ends the pass, which went over all of the volume unless somebody asked to `stop` it. Compares what was met with what end
    /// mark and index say.
    pub(super) fn end(mut self, ending: Ending, stopped: bool) -> Passed {
        let Rest { places, bytes, hull } = std::mem::take(&mut self.rest);
        if places > 0 {
            self.lost.push((hull.clone(), self.findings.len()));
            let from = format!("{places} further places between bytes {} and {}", hull.start, hull.end);
            self.find(Finding::damage(
                Position::UNKNOWN,
                format!("{from}: {bytes} bytes in all are of no sound block"),
            ));
        }
        further(self.further, Position::UNKNOWN).into_iter().for_each(|finding| self.find(finding));
        if !stopped {
            if self.judged != self.exists {
                let what = "not all of the volume's bytes were judged";
                let odds = (format!("{} bytes", self.exists), format!("{} bytes", self.judged));
                self.find(Finding::damage(Position::UNKNOWN, what).odds(odds.0, odds.1));
            }
            self.compare(ending);
        }
        let order = if stopped || !self.findings.is_empty() { None } else { self.order() };
        let before_catalog = before_catalog(self.entries.iter().map(|(entry, _)| entry));
        let last = (self.entries.len() as u64).checked_sub(1).filter(|_| !stopped);
        let media = MediaProof {
            name: self.name,
            number: self.number,
            blocks: self.entries.len() as u64,
            bytes: self.judged,
            exists: self.exists,
            ending: last.map(|last_block| Predecessor { last_block, running_hash: self.running }),
            findings: self.findings,
        };
        Passed { set: self.set, media, lost: self.lost, order, before_catalog, further: 0 }
    }

    fn order(&mut self) -> Option<Ordered> {
        let order = ordered(self.entries.iter().map(|(entry, _)| entry));
        order.map_err(|finding| self.find(finding)).ok()
    }

    fn compare(&mut self, ending: Ending) {
        let at = Position::UNKNOWN;
        let Some((end, index)) = ending else {
            let what = "the volume has no end mark: it was cut off, or never finished";
            return self.find(Finding::incomplete(at, what, UNFINISHED_VOLUME));
        };
        let last = self.entries.last().filter(|(entry, _)| entry.kind == BlockKind::VolumeEnd.id()).copied();
        let sound = self.findings.is_empty();
        match last {
            Some((entry, before)) if entry.offset == end.bytes && before == end.running_hash => {}
            _ if sound => self.find(Finding::damage(at, "the end mark does not agree with the blocks before it")),
            _ => {}
        }
        if sound {
            let blocks = self.entries.iter().map(|(entry, _)| entry);
            catalog_elsewhere(&end, blocks).into_iter().for_each(|finding| self.find(finding));
        }
        let index = match index {
            Ok(index) => index,
            Err(error) => return self.find(Finding::of_error(&error).about("the index cannot be read")),
        };
        index_at_odds(&end, &index).into_iter().for_each(|finding| self.find(finding));
        let met = self.entries.iter().take(index.blocks.len()).map(|(entry, _)| entry);
        if sound && !met.eq(index.blocks.iter()) {
            self.find(Finding::damage(at, "the index does not list the blocks that are there"));
        }
    }
}
