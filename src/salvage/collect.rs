//! The first pass: every intact block of every source, sorted by set and section. What is kept of a block is where it lies
//! and what its records say; rows are decoded and proved while they pass, and let go.

use super::sources::{Place, Sources};
use crate::base::limits::SECTIONS_MAX;
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered_from;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::error::{Error, ErrorKind};
use crate::format::block::{BlockKind, SetId};
use crate::format::catalog::{BlockListRecord, VolumeIndexRecord};
use crate::format::chunk::{ChunkRecord, PieceEntry, parse_chunk};
use crate::format::label::LabelRecord;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{Record, decode_record, read_records};
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::section::rows::{RowsError, SectionTable};
use crate::volume::finder::{Finder, FoundBlock, Sifted};
use crate::volume::name::label_of_volume;
use crate::volume::summary::first_header;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most bytes that the places and records of blocks may take. Honest volumes of some hundred gigabytes stay far below.
const INDEX_BYTES_MAX: u64 = 128 << 20;

/// Different things in one place that are remembered: two are a contradiction, and it is told with two.
const RIVALS_MAX: usize = 2;

/// Whether the rows of a chunk are those of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// They are.
    Sound,
    /// They are not, although the checksums are right.
    Wrong,
    /// The section's header had not been met.
    Later,
}

/// A chunk that was found.
#[derive(Debug, Clone)]
pub(super) struct ChunkAt {
    pub(super) place: Place,
    pub(super) first_row: u64,
    pub(super) rows: u32,
    pub(super) pieces: Box<[PieceEntry]>,
    pub(super) proof: Proof,
}

/// What was found of a section.
#[derive(Debug, Default)]
pub(super) struct SectionParts {
    /// Different headers, as they stand where the section begins.
    pub(super) headers: Vec<SectionRecord>,
    /// Different end marks.
    pub(super) ends: Vec<SectionEndRecord>,
    /// Different chunks of each number.
    pub(super) chunks: BTreeMap<u64, Vec<ChunkAt>>,
}

/// What was found of a set.
#[derive(Debug, Default)]
pub(super) struct SetParts {
    /// Different labels, as volume 1 has them.
    pub(super) labels: Vec<LabelRecord>,
    /// Labels and section headers that were met, by volume and block.
    heads: BTreeSet<(u32, u64)>,
    pub(super) sections: BTreeMap<u32, SectionParts>,
    /// Catalog blocks by volume and block: different ones.
    pub(super) catalog: BTreeMap<(u32, u64), Vec<Place>>,
    /// End marks by volume.
    pub(super) ends: BTreeMap<u32, VolumeEndRecord>,
    pub(super) indexes: BTreeMap<u32, IndexParts>,
    /// Intact blocks that count, of each volume.
    pub(super) volumes: BTreeMap<u32, u64>,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Blocks that were there more than once.
    pub(super) copies: u64,
    /// Intact blocks with records that cannot be used.
    pub(super) unusable: u64,
}

/// What was found of the index of a volume.
#[derive(Debug, Default)]
pub(super) struct IndexParts {
    seen: BTreeSet<u64>,
    /// Blocks that it lists in all, if its head was found.
    blocks: Option<u64>,
    listed: u64,
    /// Chunks of each section.
    pub(super) chunks: BTreeMap<u32, u64>,
}

impl IndexParts {
    /// Whether all of it was found.
    pub(super) fn is_whole(&self) -> bool {
        self.blocks == Some(self.listed)
    }
}

/// What was found in all.
#[derive(Debug, Default)]
pub(super) struct Heap {
    pub(super) sets: BTreeMap<SetId, SetParts>,
    /// Name, bytes, and what these were, of each source.
    pub(super) sources: Vec<(String, u64, Sifted)>,
    /// Why sources could not be opened.
    pub(super) unopened: Vec<(String, String)>,
    weight: u64,
}

/// A section's header and table, as chunks that follow are proved with it.
struct Met {
    table: Option<SectionTable>,
}

/// A block on its way.
struct Item {
    source: u32,
    block: FoundBlock,
    met: Option<Arc<Met>>,
}

/// What the records of a block say.
enum Told {
    Label(Box<LabelRecord>),
    Header(Box<SectionRecord>),
    Chunk {
        directory: Box<ChunkRecord>,
        proof: Proof,
    },
    SectionEnd(Box<SectionEndRecord>),
    Catalog,
    VolumeEnd(Box<VolumeEndRecord>),
    Index(Box<IndexParts>),
    /// Of a kind that a later release may add.
    Other,
    Unusable,
}

/// Looks through all sources. `only`: sets whose id begins with these digits.
///
/// # Errors
/// Nothing can be opened; there is more than memory may be taken for; somebody asked to stop.
pub(super) fn collect(
    sources: &Sources<'_>,
    only: Option<&str>,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Heap, Error> {
    let mut heap = Heap::default();
    let mut walk =
        Walk { sources, next: 0, open: None, only, met: BTreeMap::new(), done: Vec::new(), unopened: Vec::new() };
    let result = {
        let (walk, heap) = (&mut walk, &mut heap);
        ordered_from(
            jobs.max(1),
            2,
            || walk.step(monitor),
            |_, item, emit| {
                let told = tell(&item);
                let Item { source, block, .. } = item;
                emit((source, block, told));
                Ok(())
            },
            |(source, block, told)| {
                monitor.advance(Task::Verify, rows_of(&told), block.header.block_len() as u64);
                heap.take(source, &block, told)
            },
        )
    };
    heap.sources = walk.done;
    heap.unopened = walk.unopened;
    result.map(|()| heap)
}

fn rows_of(told: &Told) -> u64 {
    match told {
        Told::Chunk { directory, .. } => u64::from(directory.rows),
        _ => 0,
    }
}

/// The walk over the sources, one block at a time.
struct Walk<'a> {
    sources: &'a Sources<'a>,
    next: u32,
    open: Option<(u32, Finder)>,
    only: Option<&'a str>,
    met: BTreeMap<(SetId, u32), Arc<Met>>,
    done: Vec<(String, u64, Sifted)>,
    unopened: Vec<(String, String)>,
}

impl Walk<'_> {
    fn step(&mut self, monitor: &dyn Monitor) -> Result<Option<Item>, Error> {
        loop {
            if monitor.cancelled() {
                return Err(ErrorKind::Cancelled.into());
            }
            let Some((source, finder)) = &mut self.open else {
                if self.next >= self.sources.count() {
                    return Ok(None);
                }
                let number = self.next;
                self.next = number.saturating_add(1);
                match self.sources.open(number) {
                    Ok(opened) => self.open = Some((number, Finder::new(opened))),
                    Err(error) => self.unopened.push((self.sources.name(number), error.to_string())),
                }
                continue;
            };
            let source = *source;
            let Some(block) = finder.next() else {
                let sifted = finder.sifted();
                let bytes = [sifted.intact, sifted.other, sifted.zeros, sifted.unread].iter().sum();
                self.done.push((self.sources.name(source), bytes, sifted));
                self.open = None;
                continue;
            };
            let identity = block.header.identity;
            if self.only.is_some_and(|only| !identity.set.to_string().starts_with(only)) {
                continue;
            }
            let key = (identity.set, identity.section);
            if block.header.kind == BlockKind::SectionHeader
                && !self.met.contains_key(&key)
                && let Ok(header) = decode_record::<SectionRecord>(&block.payload)
            {
                let table = SectionTable::new(identity.section, &header).ok();
                self.met.insert(key, Arc::new(Met { table }));
            }
            let met = (block.header.kind == BlockKind::Chunk).then(|| self.met.get(&key).cloned()).flatten();
            return Ok(Some(Item { source, block, met }));
        }
    }
}

/// What a block says.
fn tell(item: &Item) -> Told {
    let payload = &item.block.payload;
    match item.block.header.kind {
        BlockKind::Label => match decode_record::<LabelRecord>(payload) {
            Ok(label) if label.check_block(&item.block.header).is_ok() => Told::Label(Box::new(label)),
            _ => Told::Unusable,
        },
        BlockKind::SectionHeader => {
            decode_record(payload).map_or(Told::Unusable, |header| Told::Header(Box::new(first_header(&header))))
        }
        BlockKind::Chunk => {
            let Ok(view) = parse_chunk(payload) else { return Told::Unusable };
            let proof = match &item.met {
                None => Proof::Later,
                Some(met) => prove(met.table.as_ref(), payload),
            };
            Told::Chunk { directory: Box::new(ChunkRecord { columns: Vec::new(), ..view.directory }), proof }
        }
        BlockKind::SectionEnd => decode_record(payload).map_or(Told::Unusable, |end| Told::SectionEnd(Box::new(end))),
        BlockKind::Catalog => Told::Catalog,
        BlockKind::VolumeEnd => decode_record(payload).map_or(Told::Unusable, |end| Told::VolumeEnd(Box::new(end))),
        BlockKind::VolumeIndex => index(payload).map_or(Told::Unusable, |index| Told::Index(Box::new(index))),
        BlockKind::Optional(_) => Told::Other,
    }
}

/// Whether the rows of a chunk are those of its directory, as rows of this table.
pub(super) fn prove(table: Option<&SectionTable>, payload: &[u8]) -> Proof {
    match table.map(|table| table.prove(&mut RowHasher::default(), payload, Position::UNKNOWN)) {
        // Where the rules of a time zone are not at hand nothing speaks against the rows.
        Some(Ok(_) | Err(RowsError::Clock(_))) => Proof::Sound,
        Some(Err(_)) | None => Proof::Wrong,
    }
}

fn index(payload: &[u8]) -> Option<IndexParts> {
    let mut index = IndexParts::default();
    for record in read_records(payload).ok()? {
        match record.kind {
            VolumeIndexRecord::KIND => index.blocks = Some(record.decode::<VolumeIndexRecord>().ok()?.blocks),
            BlockListRecord::KIND => {
                let list: BlockListRecord = record.decode().ok()?;
                index.listed = index.listed.saturating_add(list.blocks.len() as u64);
                for entry in list.blocks.iter().filter(|entry| (1..=SECTIONS_MAX).contains(&entry.section)) {
                    let chunks = index.chunks.entry(entry.section).or_default();
                    *chunks = chunks.saturating_add(u64::from(entry.kind == BlockKind::Chunk.id()));
                }
            }
            _ => {}
        }
    }
    Some(index)
}

/// Adds what is not among them yet; says whether it was.
fn add<T: PartialEq>(rivals: &mut Vec<T>, one: T) -> bool {
    let new = !rivals.contains(&one);
    if new && rivals.len() < RIVALS_MAX {
        rivals.push(one);
    }
    new
}

impl Heap {
    fn take(&mut self, source: u32, block: &FoundBlock, told: Told) -> Result<(), Error> {
        let identity = block.header.identity;
        let place = Place::of(source, block);
        self.weight = self.weight.saturating_add(weight(&told));
        if !self.sets.contains_key(&identity.set) {
            self.weight = self.weight.saturating_add(512);
        }
        if self.weight > INDEX_BYTES_MAX {
            let what = "there are more blocks, sets or buckets than can be held in mind at once".to_owned();
            return Err(Error::refused(what, "give fewer sources at a time, or one set (--set)"));
        }
        let set = self.sets.entry(identity.set).or_default();
        let new = set.take(identity.volume, identity.section, identity.block, place, told);
        match new {
            Some(true) => {
                let blocks = set.volumes.entry(identity.volume).or_default();
                *blocks = blocks.saturating_add(1);
                set.bytes = set.bytes.saturating_add(block.header.block_len() as u64);
            }
            Some(false) => set.copies = set.copies.saturating_add(1),
            None => set.unusable = set.unusable.saturating_add(1),
        }
        Ok(())
    }
}

/// Bytes of memory that something takes, about.
fn weight(told: &Told) -> u64 {
    let entries = match told {
        Told::Chunk { directory, .. } => directory.pieces.len().saturating_mul(88).saturating_add(160),
        Told::Header(header) => header.columns.len().saturating_mul(160).saturating_add(600),
        Told::SectionEnd(end) => {
            end.held.len().saturating_add(end.envelope.len()).saturating_mul(32).saturating_add(300)
        }
        Told::Label(_) => 900,
        Told::Index(index) => index.chunks.len().saturating_mul(48).saturating_add(200),
        Told::Catalog | Told::VolumeEnd(_) => 200,
        Told::Other | Told::Unusable => 16,
    };
    entries as u64
}

impl SetParts {
    /// Takes a block in: whether it is new; nothing if it cannot be used.
    fn take(&mut self, volume: u32, section: u32, block: u64, place: Place, told: Told) -> Option<bool> {
        Some(match told {
            Told::Label(label) => {
                add(&mut self.labels, of_set(*label));
                self.heads.insert((volume, block))
            }
            Told::Header(header) => {
                let parts = self.sections.entry(section).or_default();
                add(&mut parts.headers, *header);
                self.heads.insert((volume, block))
            }
            Told::SectionEnd(end) => add(&mut self.sections.entry(section).or_default().ends, *end),
            Told::Chunk { directory, proof } => {
                let ChunkRecord { chunk, first_row, rows, pieces, .. } = *directory;
                let found = ChunkAt { place, first_row, rows, pieces: pieces.into_boxed_slice(), proof };
                self.sections.entry(section).or_default().add(chunk, found)
            }
            Told::Catalog => {
                let rivals = self.catalog.entry((volume, block)).or_default();
                let new = rivals.iter().all(|other| !other.is_copy(&place));
                if new && rivals.len() < RIVALS_MAX {
                    rivals.push(place);
                }
                new
            }
            Told::VolumeEnd(end) => self.ends.insert(volume, *end).is_none(),
            Told::Index(part) => {
                let index = self.indexes.entry(volume).or_default();
                let new = index.seen.insert(block);
                if new {
                    index.blocks = index.blocks.or(part.blocks);
                    index.listed = index.listed.saturating_add(part.listed);
                    for (section, chunks) in part.chunks {
                        let sum = index.chunks.entry(section).or_default();
                        *sum = sum.saturating_add(chunks);
                    }
                }
                new
            }
            Told::Other => true,
            Told::Unusable => return None,
        })
    }
}

impl SectionParts {
    /// Adds a chunk unless it is there already.
    fn add(&mut self, number: u64, found: ChunkAt) -> bool {
        let rivals = self.chunks.entry(number).or_default();
        if rivals.iter().any(|other| other.place.is_copy(&found.place)) {
            return false;
        }
        // What is not what it says makes room for what is.
        if let Some(wrong) = rivals.iter_mut().find(|other| other.proof == Proof::Wrong) {
            *wrong = found;
        } else if rivals.len() < RIVALS_MAX {
            rivals.push(found);
        }
        true
    }
}

/// A label as volume 1 of its set has it.
fn of_set(label: LabelRecord) -> LabelRecord {
    let text = label_of_volume(&label.label, 1);
    LabelRecord { volume: 1, label: text, capacity: 0, predecessor: None, ..label }
}
