//! The volume end mark: the last block of a complete volume. A volume without it was cut off: what stands before is
//! readable by a forward scan and the set is *incomplete*.

use super::error::FormatErrorKind;
use super::record::Record;
use crate::base::checksum::Hash;
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
    /// Byte offset of the volume index block.
    pub index_offset: u64,
    /// Byte offset of the first catalog block; 0 if the volume has none.
    pub catalog_offset: u64,
    /// Catalog blocks on the volume.
    pub catalog_blocks: u32,
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
        if self.index_offset >= self.bytes {
            let allowed = "inside the volume";
            return Err(FormatErrorKind::Field { field: "index_offset", found: self.index_offset, allowed });
        }
        if self.catalog_blocks > 0 && self.catalog_offset >= self.bytes {
            let allowed = "inside the volume";
            return Err(FormatErrorKind::Field { field: "catalog_offset", found: self.catalog_offset, allowed });
        }
        Ok(())
    }
}
