//! The volume end mark: the last block of a complete volume. A volume without it was cut off: what stands before is
//! readable by a forward scan and the set is *incomplete*.

use super::block::ALIGNMENT;
use super::error::FormatErrorKind;
use super::record::{Record, at_most};
use crate::base::checksum::Hash;
use crate::base::limits::VOLUMES_MAX;
use serde::{Deserialize, Serialize};

/// Ends a volume. Fixed in length, so that a reader finds it at the end of a file: the block is
/// [`VOLUME_END_BLOCK_LEN`] bytes long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeEndRecord {
    /// Blocks on the volume, this one not counted.
    pub blocks: u64,
    /// Bytes on the volume, this block not counted.
    pub bytes: u64,
    /// Running hash of all blocks before this one.
    pub running_hash: Hash,
    /// Byte offset of the first volume index block.
    pub index_offset: u64,
    /// Volume index blocks, one after the other; at least 1.
    pub index_blocks: u32,
    /// Byte offset of the first catalog block on this volume; 0 if the volume has none.
    pub catalog_offset: u64,
    /// Catalog blocks on this volume, one after the other.
    pub catalog_blocks: u32,
    /// Number of the volume on which the catalog begins; 0 if this volume has no catalog block.
    pub catalog_volume: u32,
    /// Whether this is the last volume of a complete set.
    pub set_complete: bool,
}

/// Length of the end mark's block in version 1: an 80-byte header and a payload of at most 112 bytes.
pub const VOLUME_END_BLOCK_LEN: usize = 192;

impl Record for VolumeEndRecord {
    const KIND: u16 = 12;
    const VERSION: u16 = 1;
    const NAME: &'static str = "volume end";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        let refuse = |field, found, allowed| Err(FormatErrorKind::Field { field, found, allowed });
        let aligned = |offset: u64| offset.is_multiple_of(ALIGNMENT as u64);
        if !aligned(self.bytes) {
            return refuse("bytes", self.bytes, "a multiple of 64");
        }
        if self.index_offset == 0 || self.index_offset >= self.bytes || !aligned(self.index_offset) {
            return refuse("index_offset", self.index_offset, "a multiple of 64 inside the volume");
        }
        if self.index_blocks == 0 {
            return refuse("index_blocks", 0, "1 or more");
        }
        if u64::from(self.index_blocks).saturating_add(u64::from(self.catalog_blocks)) >= self.blocks {
            return refuse("blocks", self.blocks, "more than the blocks of index and catalog");
        }
        let has_catalog = self.catalog_blocks > 0;
        if (self.catalog_offset > 0) != has_catalog || (self.catalog_volume > 0) != has_catalog {
            return refuse("catalog_offset", self.catalog_offset, "given, with catalog_volume, exactly with a catalog");
        }
        if has_catalog && (self.catalog_offset >= self.index_offset || !aligned(self.catalog_offset)) {
            return refuse("catalog_offset", self.catalog_offset, "a multiple of 64 before the index");
        }
        if self.set_complete && !has_catalog {
            return refuse("set_complete", 1, "0 on a volume without a catalog block");
        }
        at_most("catalog_volume", u64::from(self.catalog_volume), u64::from(VOLUMES_MAX))
    }
}
