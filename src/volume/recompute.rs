//! Index and catalog of a set made anew from its blocks, by the code that scans and the code that writes. Where everything is
//! there they are equal to what was written, byte for byte; one thing stands in the catalog alone, and is taken from there:
//! what an incremental set left unwritten, and what was absent or left out.

use super::catalog::{Catalog, CatalogSection};
use super::error::VolumeError;
use super::rebuild::Rebuild;
use super::scanner::{ScanItem, Scanner};
use super::section::SectionView;
use super::set::SetReader;
use super::writer::index_payloads;
use crate::base::checksum::{Hash, chain};
use crate::base::limits::BLOCK_PAYLOAD_MAX;
use crate::format::block::BlockKind;
use crate::format::catalog::{
    BlockEntry, BucketEntry, CatalogRecord, CatalogSectionRecord, VolumeEntry, VolumeIndexRecord,
};
use crate::format::error::FormatError;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::decode_record;
use std::collections::{BTreeMap, BTreeSet};

/// A volume as its blocks say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeBlocks {
    /// Number in the set, from 1.
    pub number: u32,
    /// Name of the copy that was read.
    pub name: String,
    /// What is damaged there, in words.
    pub damage: Vec<String>,
    /// Payloads of the index blocks that stand there.
    pub index: Vec<Vec<u8>>,
    /// Payloads of the index blocks as the blocks before them say.
    pub index_made: Vec<Vec<u8>>,
    /// Whether it has an end mark.
    pub ended: bool,
    /// The volume as the catalog lists it: as a whole, and before its first catalog block.
    whole: VolumeEntry,
    before_catalog: Option<VolumeEntry>,
}

/// A set as its blocks say.
pub struct SetBlocks {
    /// The copies of each volume that is here, in order.
    pub volumes: Vec<VolumeBlocks>,
    /// Payloads of the catalog blocks that stand there, in order.
    pub catalog: Vec<Vec<u8>>,
    /// The sections that were found.
    pub sections: Vec<SectionView>,
    capacity: u64,
}

/// Reads all volumes of a set that are here, every copy of each, from their first byte to their last. What is damaged on one copy
/// is taken from another.
///
/// # Errors
/// A volume cannot be opened, the device fails.
pub fn recompute(set: &SetReader<'_>) -> Result<SetBlocks, VolumeError> {
    let mut rebuild = Rebuild::default();
    let mut volumes = Vec::new();
    for view in set.volumes() {
        let mut seen = BTreeSet::new();
        for name in view.name.iter().chain(&view.copies) {
            volumes.push(volume(set, view.number, name, &mut seen, &mut rebuild)?);
        }
    }
    let sections = rebuild.sections(&set.label().label);
    let catalog = std::mem::take(&mut rebuild.catalog).into_values().collect();
    Ok(SetBlocks { volumes, catalog, sections, capacity: set.label().capacity })
}

/// Reads one copy of a volume. `seen`: numbers of the blocks that copies before it gave.
fn volume(
    set: &SetReader<'_>,
    number: u32,
    name: &str,
    seen: &mut BTreeSet<u64>,
    rebuild: &mut Rebuild,
) -> Result<VolumeBlocks, VolumeError> {
    let blocks = set.blocks(number, name)?;
    let (mut entries, mut damage, mut index) = (Vec::<BlockEntry>::new(), Vec::new(), Vec::new());
    let (mut running, mut bytes): (Hash, u64) = ([0; 32], 0);
    let (mut before_index, mut before_catalog, mut mark) = (None, None, None::<VolumeEndRecord>);
    for item in Scanner::new(blocks.source(), name, Some((set.set_id(), number))).with_hashes() {
        let block = match item {
            ScanItem::Block(block) => block,
            ScanItem::Damaged(extent) => {
                damage.push(format!("{} bytes from byte {}: {}", extent.len, extent.offset, extent.error));
                continue;
            }
        };
        let here = VolumeEntry { blocks: entries.len() as u64, bytes, running_hash: running };
        match block.header.kind {
            BlockKind::VolumeIndex => {
                before_index.get_or_insert(here);
                index.push(block.payload.clone());
            }
            BlockKind::Catalog => {
                before_catalog.get_or_insert(here);
            }
            BlockKind::VolumeEnd => {
                mark = decode_record(&block.payload).ok();
                let due = made_end(&entries, here);
                damage.extend(mark.as_ref().filter(|mark| !agree(mark, &due)).map(|_| END_DIFFERS.to_owned()));
            }
            _ => {}
        }
        let len = block.header.block_len();
        let entry = BlockEntry {
            kind: block.header.kind.id(),
            section: block.header.identity.section,
            offset: block.offset,
            bytes: u32::try_from(len).unwrap_or(u32::MAX),
            hash: block.hash.unwrap_or_default(),
        };
        running = chain(&running, &entry.hash);
        bytes = block.offset.saturating_add(len as u64);
        entries.push(entry);
        if seen.contains(&block.header.identity.block) {
            continue;
        }
        let number = block.header.identity.block;
        match rebuild.block(block) {
            Ok(()) => drop(seen.insert(number)),
            Err(error) => damage.push(error.to_string()),
        }
    }
    let whole = VolumeEntry { blocks: entries.len() as u64, bytes, running_hash: running };
    let listed = before_index.unwrap_or(whole);
    let before = entries.get(..usize::try_from(listed.blocks).unwrap_or(0)).unwrap_or_default();
    // Without the end mark the index alone says whether another volume follows.
    let said = || index.first().and_then(|first| decode_record::<VolumeIndexRecord>(first).ok());
    let continues = match &mark {
        Some(mark) => !mark.set_complete,
        None => said().is_none_or(|head| head.continues),
    };
    let index_made = index_payloads(before, &listed, continues).map_err(|error| VolumeError::format(name, error))?;
    let ended = mark.is_some();
    Ok(VolumeBlocks { number, name: name.to_owned(), damage, index, index_made, ended, whole, before_catalog })
}

/// What is told of an end mark that is not what the blocks before it make.
const END_DIFFERS: &str = "its end mark does not say what the blocks before it are";

/// What an end mark says of the blocks before it.
struct Due {
    here: VolumeEntry,
    index: (u64, u32),
    catalog: (u64, u32),
}

fn made_end(entries: &[BlockEntry], here: VolumeEntry) -> Due {
    let of = |kind: BlockKind| {
        let mut mine = entries.iter().filter(|entry| entry.kind == kind.id());
        let first = mine.next().map(|entry| entry.offset);
        (first.unwrap_or(0), first.map_or(0, |_| u32::try_from(mine.count()).unwrap_or(u32::MAX).saturating_add(1)))
    };
    Due { here, index: of(BlockKind::VolumeIndex), catalog: of(BlockKind::Catalog) }
}

fn agree(mark: &VolumeEndRecord, due: &Due) -> bool {
    let Due { here, index, catalog } = due;
    (mark.blocks, mark.bytes, mark.running_hash) == (here.blocks, here.bytes, here.running_hash)
        && (mark.index_offset, mark.index_blocks) == *index
        && (mark.catalog_offset, mark.catalog_blocks) == *catalog
}

impl SetBlocks {
    /// The payloads of the catalog's blocks as the other blocks say; `said` is the catalog that is there, for what it alone
    /// says.
    ///
    /// # Errors
    /// A record fails its checks: blocks that contradict each other were found.
    pub fn catalog_made(&self, said: Option<&Catalog>) -> Result<Vec<Vec<u8>>, FormatError> {
        let limit = if self.capacity == 0 { u64::MAX } else { self.capacity / 4 };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(BLOCK_PAYLOAD_MAX as usize);
        self.made(said).to_payloads(limit)
    }

    /// The catalog as the other blocks say.
    #[must_use]
    pub fn made(&self, said: Option<&Catalog>) -> Catalog {
        let mut volumes = Vec::new();
        let mut last = 0;
        for volume in &self.volumes {
            // A further copy says nothing else.
            if std::mem::replace(&mut last, volume.number) == volume.number {
                continue;
            }
            // The volume on which the catalog begins is listed as it stood before, and the last.
            volumes.push(volume.before_catalog.unwrap_or(volume.whole));
            if volume.before_catalog.is_some() {
                break;
            }
        }
        let of = |number: u32| said.and_then(|said| said.sections.iter().find(|at| at.record.section == number));
        let sections: Vec<CatalogSection> =
            self.sections.iter().filter_map(|view| made(view, of(view.number))).collect();
        let rows = sections.iter().map(|section| section.record.end.rows).fold(0, u64::saturating_add);
        let head = said.map(|said| said.head.clone());
        let (absent, left_out) = head.map(|head| (head.absent, head.left_out)).unwrap_or_default();
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let head =
            CatalogRecord { volumes: count(volumes.len()), sections: count(sections.len()), rows, absent, left_out };
        Catalog { head, volumes, sections }
    }
}

/// The catalog's records of a section; none without its end mark.
fn made(view: &SectionView, said: Option<&CatalogSection>) -> Option<CatalogSection> {
    let (header, end) = (view.header.clone(), view.end.clone()?);
    let unwritten = said.into_iter().flat_map(|said| &said.buckets).filter(|bucket| !bucket.is_written());
    let both = view.buckets.iter().chain(unwritten).map(|bucket| ((bucket.acd, bucket.day), *bucket));
    // What was written is believed before what was not.
    let mut buckets: BTreeMap<_, BucketEntry> = BTreeMap::new();
    both.for_each(|(key, bucket)| {
        buckets.entry(key).or_insert(bucket);
    });
    let listed = buckets.len() as u64;
    Some(CatalogSection {
        record: CatalogSectionRecord { section: view.number, header, end, bytes: view.bytes, listed },
        chunks: view.chunks.iter().map(|chunk| chunk.entry).collect(),
        buckets: buckets.into_values().collect(),
    })
}
