//! What the first pass keeps of a set: where blocks lie and what their headers say, for each place in the set that they claim.
//! Records are read again when they are judged, so that what is kept is small whatever they say; only of chunks the directory
//! is kept.

use super::sources::Place;
use crate::format::block::{BlockIdentity, BlockKind};
use crate::format::chunk::PieceEntry;
use std::collections::BTreeMap;

/// Different blocks of one place that are kept. Whoever writes more than that by accident has no right one among them.
const RIVALS_MAX: usize = 16;

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

/// A block that claims a place in its set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) place: Place,
    pub(super) volume: u32,
    pub(super) block: u64,
    /// How often it was found.
    pub(super) copies: u32,
}

/// A chunk that was found.
#[derive(Debug, Clone)]
pub(super) struct ChunkAt {
    pub(super) claim: Claim,
    pub(super) first_row: u64,
    pub(super) rows: u32,
    pub(super) pieces: Box<[PieceEntry]>,
    pub(super) proof: Proof,
}

/// What became of a block that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is new, and takes so many bytes of memory.
    New(u64),
    /// It was there already.
    Copy,
    /// It cannot be used, or there are too many others in its place.
    Unusable,
}

/// Bytes of memory that a place takes with what is around it.
const PLACE_BYTES: u64 = 144;

/// Blocks by volume and number: different ones of each.
pub(super) type Places = BTreeMap<(u32, u64), Vec<Claim>>;

/// What was found of a section.
#[derive(Debug, Default)]
pub(super) struct SectionParts {
    pub(super) headers: Places,
    pub(super) ends: Places,
    /// Different chunks of each number.
    pub(super) chunks: BTreeMap<u64, Vec<ChunkAt>>,
    /// Pieces of all of them.
    pub(super) pieces: u64,
}

/// What was found of a set.
#[derive(Debug, Default)]
pub(super) struct SetParts {
    pub(super) labels: Places,
    pub(super) sections: BTreeMap<u32, SectionParts>,
    pub(super) catalog: Places,
    pub(super) ends: Places,
    pub(super) indexes: Places,
    /// Intact blocks, each counted once.
    pub(super) blocks: u64,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Blocks that were there more than once.
    pub(super) copies: u64,
    /// Intact blocks with records that cannot be used.
    pub(super) unusable: u64,
}

/// What the records of a block say, as far as that is kept.
pub(super) enum Told {
    /// One whose records are read again where they are needed.
    Record(BlockKind),
    Chunk {
        number: u64,
        first_row: u64,
        rows: u32,
        pieces: Box<[PieceEntry]>,
        proof: Proof,
    },
    /// Of a kind that a later release may add.
    Other,
    Unusable,
}

impl SetParts {
    /// Takes a block in.
    pub(super) fn take(&mut self, identity: BlockIdentity, place: Place, told: Told) -> Taken {
        let BlockIdentity { volume, block, section, .. } = identity;
        let claim = Claim { place, volume, block, copies: 1 };
        match told {
            Told::Record(BlockKind::Label) => add(&mut self.labels, claim),
            Told::Record(BlockKind::SectionHeader) => {
                add(&mut self.sections.entry(section).or_default().headers, claim)
            }
            Told::Record(BlockKind::SectionEnd) => add(&mut self.sections.entry(section).or_default().ends, claim),
            Told::Record(BlockKind::Catalog) => add(&mut self.catalog, claim),
            Told::Record(BlockKind::VolumeEnd) => add(&mut self.ends, claim),
            Told::Record(BlockKind::VolumeIndex) => add(&mut self.indexes, claim),
            Told::Chunk { number, first_row, rows, pieces, proof } => {
                self.sections.entry(section).or_default().add(number, ChunkAt { claim, first_row, rows, pieces, proof })
            }
            Told::Record(BlockKind::Chunk | BlockKind::Optional(_)) | Told::Other => Taken::New(0),
            Told::Unusable => Taken::Unusable,
        }
    }

    /// Whether there is anything of which a set could be made.
    pub(super) fn has_substance(&self) -> bool {
        !self.sections.is_empty() || !self.catalog.is_empty()
    }
}

fn add(places: &mut Places, claim: Claim) -> Taken {
    let rivals = places.entry((claim.volume, claim.block)).or_default();
    if let Some(same) = rivals.iter_mut().find(|other| other.place.is_copy(&claim.place)) {
        same.copies = same.copies.saturating_add(1);
        return Taken::Copy;
    }
    if rivals.len() >= RIVALS_MAX {
        return Taken::Unusable;
    }
    rivals.push(claim);
    Taken::New(PLACE_BYTES)
}

impl SectionParts {
    /// Adds a chunk unless it is there already.
    fn add(&mut self, number: u64, found: ChunkAt) -> Taken {
        let rivals = self.chunks.entry(number).or_default();
        if let Some(same) = rivals.iter_mut().find(|other| other.claim.place.is_copy(&found.claim.place)) {
            same.claim.copies = same.claim.copies.saturating_add(1);
            return Taken::Copy;
        }
        let pieces = found.pieces.len() as u64;
        let bytes = pieces.saturating_mul(size_of::<PieceEntry>() as u64).saturating_add(PLACE_BYTES);
        if rivals.len() < RIVALS_MAX {
            rivals.push(found);
        } else {
            // What is not what it says makes room for what is.
            let Some(wrong) = rivals.iter_mut().find(|other| other.proof == Proof::Wrong) else {
                return Taken::Unusable;
            };
            *wrong = found;
        }
        self.pieces = self.pieces.saturating_add(pieces);
        Taken::New(bytes)
    }
}
