//! The volume index, written before the end of every volume, and the catalog, written at the end of a set.
//! Both only repeat what a forward scan finds: what is rebuilt is equal to what was written.
//!
//! A volume ends with its catalog blocks (where the set ends), its index blocks, its end mark, in this order.
//! Payload of an index: one [`VolumeIndexRecord`], then [`BlockListRecord`]s.
//! Payload of a catalog: one [`CatalogRecord`], [`VolumeListRecord`]s, then for each section one [`CatalogSectionRecord`]
//! with its [`ChunkListRecord`]s and then its [`BucketListRecord`]s. An index or catalog that does not fit one block
//! continues in the next, a record is never cut; a catalog may go on over further volumes, an index may not.

use super::block::BLOCK_BYTES_MAX;
use super::chunk::{check_carried, check_instants};
use super::error::FormatErrorKind;
use super::record::{Record, at_most};
use super::section::{SectionEndRecord, SectionRecord};
use crate::base::checksum::Hash;
use crate::base::limits::{RECORD_ENTRIES_MAX, SECTIONS_MAX, VOLUMES_MAX};
use serde::{Deserialize, Serialize};

/// Heads a volume index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeIndexRecord {
    /// Blocks on the volume before the index.
    pub blocks: u64,
    /// Bytes on the volume before the index.
    pub bytes: u64,
    /// Running hash of the volume before the index.
    pub running_hash: Hash,
    /// Whether another volume of the set follows.
    pub continues: bool,
}

impl Record for VolumeIndexRecord {
    const KIND: u16 = 5;
    const VERSION: u16 = 1;
    const NAME: &'static str = "volume index";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        Ok(())
    }
}

/// Some of the blocks of a volume, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockListRecord {
    /// Number of the first block listed, from 0 in the volume.
    pub first_block: u64,
    /// The blocks.
    pub blocks: Vec<BlockEntry>,
}

/// One block in a volume index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEntry {
    /// Kind id.
    pub kind: u8,
    /// Section number, 0 outside sections.
    pub section: u32,
    /// Byte offset on the volume, from 0.
    pub offset: u64,
    /// Bytes with header and padding.
    pub bytes: u32,
    /// BLAKE3 of the whole block.
    pub hash: Hash,
}

impl Record for BlockListRecord {
    const KIND: u16 = 6;
    const VERSION: u16 = 1;
    const NAME: &'static str = "block list";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        at_most("blocks listed", self.blocks.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        self.blocks.iter().try_for_each(|block| block_bytes(block.bytes))
    }
}

/// Heads a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogRecord {
    /// Volumes of the set up to the one on which the catalog begins, that one included; further volumes hold nothing but
    /// the rest of the catalog.
    pub volumes: u32,
    /// Sections of the set.
    pub sections: u32,
    /// Rows of the set.
    pub rows: u64,
    /// Tables and paths that were selected and that the source does not have.
    pub absent: Vec<String>,
    /// Tables and paths that were selected, that the source has, and that are not on the volumes, or of which rows were not
    /// looked at; with the reason.
    pub left_out: Vec<(String, String)>,
}

impl Record for CatalogRecord {
    const KIND: u16 = 7;
    const VERSION: u16 = 1;
    const NAME: &'static str = "catalog";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        at_most("volumes", u64::from(self.volumes), u64::from(VOLUMES_MAX))?;
        at_most("sections", u64::from(self.sections), u64::from(SECTIONS_MAX))?;
        at_most("absent", self.absent.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        at_most("left_out", self.left_out.len() as u64, u64::from(RECORD_ENTRIES_MAX))
    }
}

/// Some of the volumes of a set, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeListRecord {
    /// Number of the first volume listed, from 1.
    pub first_volume: u32,
    /// The volumes, complete with their end marks; the volume on which the catalog begins as it stands before the catalog.
    pub volumes: Vec<VolumeEntry>,
}

/// One volume in a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeEntry {
    /// Blocks on the volume.
    pub blocks: u64,
    /// Bytes on the volume.
    pub bytes: u64,
    /// Its running hash after the last of them.
    pub running_hash: Hash,
}

impl Record for VolumeListRecord {
    const KIND: u16 = 8;
    const VERSION: u16 = 1;
    const NAME: &'static str = "volume list";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        at_most("volumes listed", self.volumes.len() as u64, u64::from(RECORD_ENTRIES_MAX))
    }
}

/// One section in a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogSectionRecord {
    /// Section number, from 1.
    pub section: u32,
    /// The section's header, as it stands where the section begins.
    #[serde(with = "super::record::embedded")]
    pub header: SectionRecord,
    /// The section's end mark.
    #[serde(with = "super::record::embedded")]
    pub end: SectionEndRecord,
    /// Bytes of the section's blocks on all volumes.
    pub bytes: u64,
    /// Buckets that the bucket lists of the section name, those without pieces included: a catalog that lacks its last lists is
    /// not taken for whole.
    pub listed: u64,
}

impl Record for CatalogSectionRecord {
    const KIND: u16 = 9;
    const VERSION: u16 = 1;
    const NAME: &'static str = "catalog section";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        self.header.validate()?;
        self.end.validate()
    }
}

/// Whoever reads a block takes so much memory for it before anything of it is known.
fn block_bytes(bytes: u32) -> Result<(), FormatErrorKind> {
    at_most("bytes of a block", u64::from(bytes), u64::from(BLOCK_BYTES_MAX))
}

/// Some of the chunks of a section, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkListRecord {
    /// Section number, from 1.
    pub section: u32,
    /// Number of the first chunk listed, from 0 in the section.
    pub first_chunk: u64,
    /// The chunks.
    pub chunks: Vec<ChunkEntry>,
}

/// One chunk in a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Volume that holds it, from 1.
    pub volume: u32,
    /// Block number on that volume, from 0.
    pub block: u64,
    /// Byte offset on that volume.
    pub offset: u64,
    /// Bytes with header and padding.
    pub bytes: u32,
    /// Number of its first row in the section.
    pub first_row: u64,
    /// Rows.
    pub rows: u32,
    /// Start of its earliest dated row; 0 if it has none.
    pub first: i64,
    /// End of the dated row that ends last; 0 if it has none.
    pub stop: i64,
    /// Undated rows.
    pub undated: u32,
}

impl Record for ChunkListRecord {
    const KIND: u16 = 10;
    const VERSION: u16 = 1;
    const NAME: &'static str = "chunk list";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        at_most("chunks listed", self.chunks.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        self.chunks.iter().try_for_each(|chunk| block_bytes(chunk.bytes))
    }
}

/// Some of the buckets of a section, ascending by ACD (none first), then by day (none first).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketListRecord {
    /// Section number, from 1.
    pub section: u32,
    /// Number of the first bucket listed, from 0 in the section.
    pub first_bucket: u64,
    /// The buckets.
    pub buckets: Vec<BucketEntry>,
}

/// One bucket in a catalog: the sum of its pieces. Or, without pieces, a bucket that an incremental set did not write,
/// because the sets before it in its chain have it as it was: its rows are not on the volumes of this set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketEntry {
    /// The ACD.
    pub acd: Option<i64>,
    /// First day of its day or period.
    pub day: Option<i32>,
    /// Pieces on the volumes of the set; 0 for a bucket that it did not write.
    pub pieces: u32,
    /// Rows that the set speaks for; of a bucket that it did not write, the rows that the source had.
    pub rows: u64,
    /// Rows carried beside them.
    pub carried: u64,
    /// Start of the earliest row, carried ones included; 0 if the bucket has no day.
    pub first: i64,
    /// End of the row that ends last, carried ones included; 0 if the bucket has no day.
    pub stop: i64,
    /// Digest of the rows that the set speaks for.
    #[serde(deserialize_with = "super::record::sixteen")]
    pub digest: [u8; 16],
    /// The same of the carried rows, given exactly if there are any.
    pub carried_digest: Option<[u8; 16]>,
}

impl BucketEntry {
    /// Whether the bucket's rows are on the volumes of the set.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        self.pieces > 0
    }

    fn validate(&self) -> Result<(), FormatErrorKind> {
        if !self.is_written() && (self.rows == 0 || self.carried > 0) {
            let (found, allowed) = (self.rows, "1 or more, and none carried, in a bucket without pieces");
            return Err(FormatErrorKind::Field { field: "rows", found, allowed });
        }
        check_carried(self.carried, self.carried_digest)?;
        check_instants(self.day, self.first, self.stop)
    }
}

impl Record for BucketListRecord {
    const KIND: u16 = 11;
    const VERSION: u16 = 1;
    const NAME: &'static str = "bucket list";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        at_most("buckets listed", self.buckets.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        self.buckets.iter().try_for_each(BucketEntry::validate)
    }
}
