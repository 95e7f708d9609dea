//! What a worker makes of a sound block: its hash, and what its payload holds, proved as deep as was asked. Everything that is
//! kept of a block is small; its bytes are gone when it was judged.

use super::finding::Finding;
use crate::base::budget::Budget;
use crate::base::checksum::Hash;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::format::block::{BlockHeader, BlockKind};
use crate::format::catalog::{BlockEntry, ChunkEntry};
use crate::format::chunk::PieceEntry;
use crate::format::error::FormatError;
use crate::format::label::LabelRecord;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{Record, decode_record};
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::section::rows::{RowsError, SectionTable};
use crate::volume::summary::chunk_entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How deep a verification goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Depth {
    /// Label, index, catalog and end mark of each volume, and that they agree. No block with rows is read.
    Index,
    /// Every byte: the checksums of all blocks, their hashes, their places.
    Blocks,
    /// The same, and every chunk decoded, every digest computed again, every total compared.
    #[default]
    Rows,
}

impl Depth {
    /// The word for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Depth::Index => "index",
            Depth::Blocks => "blocks",
            Depth::Rows => "rows",
        }
    }
}

/// Bytes of all chunks that are being decoded at a time.
const DECODING: u64 = 96 << 20;
/// Bytes of all volumes that are in memory as they were read.
const READING: u64 = 48 << 20;

/// A sound block in its place.
pub(super) struct Fact {
    pub(super) header: BlockHeader,
    /// As the index lists it.
    pub(super) entry: BlockEntry,
    pub(super) held: Held,
}

/// What a block holds.
pub(super) enum Held {
    /// Nothing that matters here, or nothing that was looked at.
    Nothing,
    Label(Box<LabelRecord>),
    Header(Box<SectionRecord>),
    Chunk(Box<ChunkFact>),
    /// A chunk that a copy of the same block proved.
    Again,
    End(Box<SectionEndRecord>),
    Catalog(Vec<u8>),
    VolumeEnd(Box<VolumeEndRecord>),
    /// Its checksums are right, and it is not what it should be.
    Bad(Box<Finding>),
}

/// A chunk of which every row was proved.
pub(super) struct ChunkFact {
    /// Its number in the section.
    pub(super) number: u64,
    /// As the catalog lists it.
    pub(super) entry: ChunkEntry,
    pub(super) pieces: Vec<PieceEntry>,
}

/// The tables of sections, as they become known.
#[derive(Default)]
pub(super) struct Tables(Mutex<BTreeMap<u32, Option<Arc<SectionTable>>>>);

impl Tables {
    /// Takes for known what a section's header says, unless one was there before.
    pub(super) fn learn(&self, number: u32, header: &SectionRecord) {
        self.locked().entry(number).or_insert_with(|| SectionTable::new(number, header).ok().map(Arc::new));
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.locked().contains_key(&number)
    }

    fn get(&self, number: u32) -> Option<Arc<SectionTable>> {
        self.locked().get(&number).cloned().flatten()
    }

    /// Entries are whole whatever panicked meanwhile.
    fn locked(&self) -> MutexGuard<'_, BTreeMap<u32, Option<Arc<SectionTable>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges blocks, on several threads.
pub(super) struct Judge {
    pub(super) depth: Depth,
    pub(super) tables: Tables,
    /// For the bytes of blocks. Who holds some of it may wait for `decoding`, never the other way.
    pub(super) reading: Budget,
    decoding: Budget,
    /// Hashes of the chunks of which the proof is kept, where volumes are there more than once: copies of them need no second
    /// proof.
    proved: Option<Mutex<HashSet<Hash>>>,
}

impl Judge {
    pub(super) fn new(depth: Depth, copies: bool) -> Judge {
        let proved = copies.then(Mutex::default);
        Judge {
            depth,
            tables: Tables::default(),
            reading: Budget::new(READING),
            decoding: Budget::new(DECODING),
            proved,
        }
    }

    /// Judges a block that stands at byte `offset` of its volume.
    pub(super) fn block(
        &self,
        hasher: &mut RowHasher,
        offset: u64,
        header: BlockHeader,
        payload: &[u8],
        hash: Hash,
    ) -> Fact {
        let bytes = u32::try_from(header.block_len()).unwrap_or(u32::MAX);
        let section = header.identity.section;
        let entry = BlockEntry { kind: header.kind.id(), section, offset, bytes, hash };
        let held = match header.kind {
            BlockKind::Label => record(payload, &header, |label: LabelRecord| match label.check_block(&header) {
                Ok(()) => Held::Label(Box::new(label)),
                Err(error) => bad(Finding::of_format(&error).about("the label")),
            }),
            BlockKind::SectionHeader => record(payload, &header, |header| {
                self.tables.learn(section, &header);
                Held::Header(Box::new(header))
            }),
            BlockKind::Chunk => self.chunk(hasher, &header, &entry, payload),
            BlockKind::SectionEnd => record(payload, &header, |end| Held::End(Box::new(end))),
            BlockKind::Catalog => Held::Catalog(payload.to_vec()),
            BlockKind::VolumeEnd => record(payload, &header, |end| Held::VolumeEnd(Box::new(end))),
            BlockKind::VolumeIndex | BlockKind::Optional(_) => Held::Nothing,
        };
        Fact { header, entry, held }
    }

    /// Takes a chunk for proved: what was proved of it is kept.
    pub(super) fn kept(&self, hash: &Hash) {
        if let Some(proved) = &self.proved {
            locked(proved).insert(*hash);
        }
    }

    fn chunk(&self, hasher: &mut RowHasher, header: &BlockHeader, entry: &BlockEntry, payload: &[u8]) -> Held {
        if self.depth < Depth::Rows {
            return Held::Nothing;
        }
        let known = |known: &Mutex<HashSet<Hash>>| locked(known).contains(&entry.hash);
        if self.proved.as_ref().is_some_and(known) {
            return Held::Again;
        }
        let at = header.position().with_section(entry.section);
        match self.rows(hasher, header, entry, payload) {
            Ok(fact) => Held::Chunk(Box::new(fact)),
            Err(finding) => bad(Finding { at: finding.at.within(at), ..finding }),
        }
    }

    fn rows(
        &self,
        hasher: &mut RowHasher,
        header: &BlockHeader,
        entry: &BlockEntry,
        payload: &[u8],
    ) -> Result<ChunkFact, Finding> {
        let at = header.position().with_section(entry.section);
        let unknown = || Finding::damage(at, "no header says what the rows of this chunk are");
        let table = self.tables.get(entry.section).ok_or_else(unknown)?;
        let view = table.view(payload, at).map_err(|error| of_rows(&error))?;
        let decoded = view.directory.columns.iter().map(|column| u64::from(column.decoded));
        // Decoded columns, and beside them the instants and hashes of the rows.
        let needed = decoded.fold(u64::from(view.directory.rows).saturating_mul(128), u64::saturating_add);
        let lent = self.decoding.take(needed);
        let directory =
            table.prove_view(hasher, view, at).map(|rows| rows.directory).map_err(|error| of_rows(&error))?;
        drop(lent);
        let identity = header.identity;
        let chunk = chunk_entry(&directory, identity.volume, identity.block, entry.offset, entry.bytes);
        Ok(ChunkFact { number: directory.chunk, entry: chunk, pieces: directory.pieces })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bad(finding: Finding) -> Held {
    Held::Bad(Box::new(finding))
}

/// What the one record of a payload says.
fn record<R: Record>(payload: &[u8], header: &BlockHeader, held: impl FnOnce(R) -> Held) -> Held {
    match decode_record(payload) {
        Ok(record) => held(record),
        Err(error) => {
            let error: FormatError = error.within(header.position());
            bad(Finding::of_format(&error).about(format_args!("the {} record", R::NAME)))
        }
    }
}

/// Why the rows of a chunk are not what they should be.
fn of_rows(error: &RowsError) -> Finding {
    match error {
        RowsError::Format(error) => Finding::of_format(error),
        RowsError::Digest { at, .. } => {
            let (bucket, expected, found) = error.odds().unwrap_or_default();
            let what = format!("the rows of bucket {bucket} are not those that the chunk lists");
            Finding::damage(*at, what).odds(expected, found)
        }
        RowsError::Columns { found, expected, at } => {
            Finding::damage(*at, "the chunk has not the columns of its section")
                .odds(expected.to_string(), found.to_string())
        }
        RowsError::Column(error) => Finding::damage(error.at, error.kind.to_string()),
        RowsError::Clock(error) => Finding::damage(Position::UNKNOWN, error.to_string()),
    }
}
