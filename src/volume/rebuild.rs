//! Makes the sections of a set from the blocks that a forward scan yields: equal to what the catalog says, where
//! everything is there. Where the catalog is among them, whole, it says more than what was found.

use super::catalog::{Catalog, begins_catalog};
use super::error::VolumeError;
use super::scanner::{DamagedExtent, ScanItem, ScannedBlock, Scanner};
use super::section::{ChunkRef, SectionSource, SectionView};
use super::summary::{BucketTable, chunk_entry, first_header};
use crate::base::position::Position;
use crate::format::block::{BlockIdentity, BlockKind};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::chunk::{ChunkRecord, PieceEntry, parse_chunk};
use crate::format::error::FormatError;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::decode_record;
use crate::format::section::{SectionEndRecord, SectionRecord};
use std::collections::{BTreeMap, BTreeSet};

/// Places of damage on a copy of a volume that are told one by one; the rest is summed up.
const PLACES_TOLD: usize = if cfg!(test) { 20 } else { 1_000 };

/// Notes damage, which comes in order.
fn note(damage: &mut Vec<DamagedExtent>, name: &str, extent: DamagedExtent) {
    let told = damage.len();
    match damage.last_mut() {
        Some(DamagedExtent { offset, len, error: VolumeError::Places { places, bytes, .. }, .. })
            if told > PLACES_TOLD =>
        {
            (*places, *bytes) = (places.saturating_add(1), bytes.saturating_add(extent.len));
            *len = extent.offset.saturating_add(extent.len).saturating_sub(*offset);
        }
        _ if told == PLACES_TOLD => {
            let (name, volume) = (name.to_owned(), extent.volume.unwrap_or(0));
            let error = VolumeError::Places { name, volume, places: 1, bytes: extent.len };
            damage.push(DamagedExtent { error, ..extent });
        }
        _ => damage.push(extent),
    }
}

/// What scans found of a set so far.
#[derive(Default)]
pub(super) struct Rebuild {
    sections: BTreeMap<u32, Draft>,
    pub(super) damage: Vec<DamagedExtent>,
    /// Payloads of the catalog blocks met, by volume and block.
    pub(super) catalog: BTreeMap<(u32, u64), Vec<u8>>,
    /// Number of the volume that says that it is the last of a complete set.
    pub(super) last: Option<u32>,
}

/// What scans of the copies of one volume found so far.
#[derive(Default)]
pub(super) struct CopyScans {
    /// Numbers of the sound blocks.
    seen: BTreeSet<u64>,
    /// Whether the end mark is one of them.
    ends: bool,
    /// Damage on each copy.
    copies: Vec<(String, Vec<DamagedExtent>)>,
}

impl CopyScans {
    /// Whether no copy with a sound block was taken in.
    pub(super) const fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }
}

#[derive(Default)]
struct Draft {
    header: Option<SectionRecord>,
    end: Option<SectionEndRecord>,
    chunks: BTreeMap<u64, (ChunkEntry, Vec<PieceEntry>)>,
    bytes: u64,
}

impl Rebuild {
    /// Takes in what a scan of one more copy of a volume yields and the copies before it did not. Volumes must come in
    /// order. Returns whether the copy holds any sound block: if not it counts for nothing.
    pub(super) fn copy(&mut self, scans: &mut CopyScans, scanner: &mut Scanner<'_>, name: &str) -> bool {
        let mut damage = Vec::new();
        for item in scanner.by_ref() {
            match item {
                ScanItem::Damaged(extent) => note(&mut damage, name, extent),
                ScanItem::Block(block) => {
                    let (offset, len) = (block.offset, block.header.block_len() as u64);
                    let BlockIdentity { volume, block: number, .. } = block.header.identity;
                    if scans.seen.contains(&number) {
                        continue;
                    }
                    let ends = block.header.kind == BlockKind::VolumeEnd;
                    match self.block(block) {
                        Ok(()) => {
                            scans.seen.insert(number);
                            scans.ends |= ends;
                        }
                        Err(error) => {
                            let error = VolumeError::format(name, error.within(Position::UNKNOWN.with_block(number)));
                            note(&mut damage, name, DamagedExtent { volume: Some(volume), offset, len, error });
                        }
                    }
                }
            }
        }
        if scanner.coverage().intact == 0 {
            return false;
        }
        scans.copies.push((name.to_owned(), damage));
        true
    }

    /// Ends a volume of which all copies were taken in. What is damaged on one and sound on another costs nothing and is
    /// given back, with the name of the copy; the rest is damage of the set.
    pub(super) fn volume(&mut self, scans: CopyScans) -> Vec<(String, DamagedExtent)> {
        let CopyScans { seen, ends, copies } = scans;
        let several = copies.len() > 1;
        let next = seen.last().map_or(0, |last| last.saturating_add(1));
        let whole = ends && seen.len() as u64 == next;
        let mut overcome = Vec::new();
        for (name, extent) in copies.into_iter().flat_map(|(name, damage)| std::iter::repeat(name).zip(damage)) {
            let elsewhere = extent.error.position().block.is_some_and(|block| seen.contains(&block));
            if several && (whole || elsewhere) {
                overcome.push((name, extent));
            } else {
                self.damage.push(extent);
            }
        }
        overcome
    }

    /// A block whose checksums are right but whose records are not is damage like any other.
    pub(super) fn block(&mut self, block: ScannedBlock) -> Result<(), FormatError> {
        let ScannedBlock { offset, header, payload, .. } = block;
        let fail = |error: FormatError| error.within(header.position());
        let section = header.identity.section;
        match header.kind {
            BlockKind::SectionHeader => {
                let record: SectionRecord = decode_record(&payload).map_err(fail)?;
                let draft = self.draft(section, &header);
                draft.header.get_or_insert_with(|| first_header(&record));
            }
            BlockKind::Chunk => {
                let directory = parse_chunk(&payload).map_err(fail)?.directory;
                let bytes = u32::try_from(header.block_len()).unwrap_or(u32::MAX);
                let (volume, number) = (header.identity.volume, header.identity.block);
                let entry = chunk_entry(&directory, volume, number, offset, bytes);
                let ChunkRecord { chunk, pieces, .. } = directory;
                let draft = self.draft(section, &header);
                // A chunk that was written again on the next volume counts once.
                draft.chunks.entry(chunk).or_insert((entry, pieces));
            }
            BlockKind::SectionEnd => {
                let record: SectionEndRecord = decode_record(&payload).map_err(fail)?;
                self.draft(section, &header).end.get_or_insert(record);
            }
            BlockKind::Catalog => {
                self.catalog.insert((header.identity.volume, header.identity.block), payload);
            }
            BlockKind::VolumeEnd => {
                let end: VolumeEndRecord = decode_record(&payload).map_err(fail)?;
                if end.set_complete {
                    self.last = Some(header.identity.volume);
                }
            }
            BlockKind::Label | BlockKind::VolumeIndex | BlockKind::Optional(_) => {}
        }
        Ok(())
    }

    fn draft(&mut self, section: u32, header: &crate::format::block::BlockHeader) -> &mut Draft {
        let draft = self.sections.entry(section).or_default();
        draft.bytes = draft.bytes.saturating_add(header.block_len() as u64);
        draft
    }

    /// The catalog, if all of it was found: read from the last block that begins one, whose volume it names.
    pub(super) fn whole_catalog(&mut self) -> Option<Catalog> {
        let first = *self.catalog.iter().rfind(|(_, payload)| begins_catalog(payload))?.0;
        let payloads: Vec<Vec<u8>> = std::mem::take(&mut self.catalog).split_off(&first).into_values().collect();
        Catalog::from_payloads(&payloads).ok().filter(|catalog| catalog.head.volumes == first.0)
    }

    /// Puts the chunks of a section that the catalog lists where they were found: a volume may have lost bytes before them, or
    /// got some.
    pub(super) fn place(&self, listed: &mut SectionView) {
        let Some(draft) = self.sections.get(&listed.number) else { return };
        for chunk in &mut listed.chunks {
            let found = draft.chunks.get(&chunk.number).map(|(entry, _)| *entry);
            let moved = |found: &ChunkEntry| ChunkEntry { offset: chunk.entry.offset, ..*found } == chunk.entry;
            if let Some(found) = found.filter(moved) {
                chunk.entry = found;
            }
        }
    }

    /// For each bucket of a section that the catalog lists: whether the chunks found have all of it. They need no header.
    pub(super) fn proven(&self, listed: &SectionView) -> Vec<bool> {
        let mut table = BucketTable::default();
        let found = self.sections.get(&listed.number).into_iter().flat_map(|draft| draft.chunks.values());
        found.flat_map(|(_, pieces)| pieces).for_each(|piece| table.add(piece));
        let is_found = |bucket: &BucketEntry| table.get(&(bucket.acd, bucket.day)) == Some(bucket);
        listed.buckets.iter().map(is_found).collect()
    }

    /// The sections found. Those of which no header was found cannot be read: their chunks are reported as damage.
    pub(super) fn sections(&mut self, name: &str) -> Vec<SectionView> {
        let mut views = Vec::new();
        for (number, draft) in std::mem::take(&mut self.sections) {
            match draft.view(number) {
                Ok(view) => views.push(view),
                Err(chunks) => {
                    let place = Position::UNKNOWN.with_section(number);
                    let allowed = "chunks of a section of which a header was found";
                    let error = VolumeError::field(name, place, "chunks without schema", chunks, allowed);
                    self.damage.push(DamagedExtent { volume: None, offset: 0, len: 0, error });
                }
            }
        }
        views
    }
}

impl Draft {
    fn view(self, number: u32) -> Result<SectionView, u64> {
        let Some(header) = self.header else { return Err(self.chunks.len() as u64) };
        let mut table = BucketTable::default();
        let mut chunks = Vec::with_capacity(self.chunks.len());
        let mut rows = 0u64;
        for (chunk, (entry, pieces)) in self.chunks {
            pieces.iter().for_each(|piece| table.add(piece));
            rows = rows.saturating_add(u64::from(entry.rows));
            chunks.push(ChunkRef { section: number, number: chunk, entry, here: true });
        }
        let whole = self
            .end
            .as_ref()
            .is_some_and(|end| end.chunks == chunks.len() as u64 && end.rows == rows && end.digest == table.digest());
        let buckets: Vec<_> = table.entries().collect();
        let proven = buckets.iter().map(|bucket| whole || table.is_whole(&(bucket.acd, bucket.day))).collect();
        let (end, bytes) = (self.end, self.bytes);
        Ok(SectionView { number, header, end, bytes, chunks, buckets, proven, source: SectionSource::Scan })
    }
}
