//! The label: the first block of every volume. Says whose volume this is, and what came before it.

use super::block::{BlockHeader, SetId};
use super::error::{FormatError, FormatErrorKind};
use super::record::{Record, at_most};
use super::version::unknown_features;
use crate::base::checksum::Hash;
use crate::base::limits::{NAME_BYTES_MAX, VOLUMES_MAX};
use serde::{Deserialize, Serialize};

/// Data-type bits of [`LabelRecord::data_types`].
pub mod data_types {
    /// Local system administration.
    pub const LOCAL: u32 = 1;
    /// CMS system administration.
    pub const SYSTEM: u32 = 2;
    /// ACD-specific administration.
    pub const ACD: u32 = 4;
    /// Historical.
    pub const HISTORICAL: u32 = 8;
    /// Custom: non-CMS tables and file trees.
    pub const CUSTOM: u32 = 16;
    /// The tables were named one by one; excludes all other bits.
    pub const SPECIFIC: u32 = 32;
    /// All bits that have a meaning.
    pub const ALL: u32 = 63;
}

/// What a set was made for: values of [`LabelRecord::purpose`].
pub mod purpose {
    /// A backup.
    pub const BACKUP: u8 = 0;
    /// What a restore deleted, so that it can be put back.
    pub const UNDO: u8 = 1;
}

/// The label record. Never rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRecord {
    /// Required-feature bits: a reader that does not know one refuses the volume and names the bit.
    pub required_features: u64,
    /// Optional-feature bits: a reader ignores those that it does not know.
    pub optional_features: u64,
    /// Random identity of the set; equal to that in the block header.
    pub set_id: [u8; 16],
    /// Volume number in the set, from 1.
    pub volume: u32,
    /// The label for people: `CMS-yymmdd-NN-LLLL-NN-L-NN`.
    pub label: String,
    /// When the set was begun, seconds since 1970-01-01 00:00 UTC.
    pub created_unix: i64,
    /// When the set was begun in the civil time of the source, seconds since 1970-01-01 00:00.
    pub created_civil: i64,
    /// Kind of the source database: `sqlite`, `postgres`, …
    pub source_store: String,
    /// Identity of the server that the data came from.
    pub source_server: String,
    /// Name of the source database on that server.
    pub source_database: String,
    /// Version of the source database's schema or load; empty if not known.
    pub source_version: String,
    /// What was selected: bits of [`data_types`].
    pub data_types: u32,
    /// The one ACD selected, if not all.
    pub acd: Option<i64>,
    /// Whether the set is incremental.
    pub incremental: bool,
    /// The set that this one builds on, for an incremental.
    pub parent_set: Option<[u8; 16]>,
    /// Number in its chain: 0 for a set that is not incremental, one more than its parent's for an incremental.
    pub sequence: u32,
    /// Capacity of the volume in bytes; 0 if not bounded.
    pub capacity: u64,
    /// Bytes of one device record where the volume lies on a tape, or would; 0 if that is not said.
    pub device_record: u32,
    /// The volume before this one, if this is not the first.
    pub predecessor: Option<Predecessor>,
    /// Civil day before which the volume should not be overwritten, days since 1970-01-01.
    pub retain_until: Option<i32>,
    /// The software that wrote the volume, with its version.
    pub software: String,
    /// What the set was made for: one of [`purpose`].
    pub purpose: u8,
    /// The set that begins the chain: for an incremental the full that it goes back to, for every other set its own id, or that
    /// of the set that it was salvaged from.
    pub chain: [u8; 16],
    /// Of what set this one was salvaged, if it was.
    pub salvaged: Option<Salvaged>,
}

/// What a salvaged set stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvaged {
    /// The set whose blocks these were, as its chain knows it: the place of that set is this one's.
    pub set: [u8; 16],
    /// What of it is lost: one of [`lost`].
    pub lost: u8,
}

/// What a salvaged set lacks: values of [`Salvaged::lost`].
pub mod lost {
    /// Nothing: it has every row.
    pub const NOTHING: u8 = 0;
    /// Rows of sections that say so at their ends.
    pub const ROWS: u8 = 1;
    /// Whole sections besides, of which nobody knows whose rows they had.
    pub const SECTIONS: u8 = 2;
}

/// How the volume before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Number of its last block, from 0.
    pub last_block: u64,
    /// Its running hash after that block.
    pub running_hash: Hash,
}

impl LabelRecord {
    /// Identity of the set.
    #[must_use]
    pub const fn set(&self) -> SetId {
        SetId(self.set_id)
    }

    /// The id by which its chain knows it: that of the set that it was salvaged from, or its own.
    #[must_use]
    pub fn member(&self) -> SetId {
        SetId(self.salvaged.map_or(self.set_id, |salvaged| salvaged.set))
    }

    /// Whether it was salvaged and has less than the set that it stands for.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        self.salvaged.is_some_and(|salvaged| salvaged.lost != lost::NOTHING)
    }

    /// The set that begins the chain of this one: [`LabelRecord::member`], unless it is incremental.
    #[must_use]
    pub const fn chain(&self) -> SetId {
        SetId(self.chain)
    }

    /// Whether the set holds what a restore deleted, and is for undoing it.
    #[must_use]
    pub const fn is_undo(&self) -> bool {
        self.purpose == purpose::UNDO
    }

    /// Whether the set can be a member of a chain beside others, of all ACDs or of one: it is a backup by kinds of data.
    #[must_use]
    pub const fn joins_chains(&self) -> bool {
        !self.is_undo() && self.data_types != data_types::SPECIFIC
    }

    /// Checks that the label stands in a block of its own set and volume.
    ///
    /// # Errors
    /// [`FormatErrorKind::Identity`] naming both.
    pub fn check_block(&self, header: &BlockHeader) -> Result<(), FormatError> {
        header.expect(self.set(), self.volume, 0)
    }
}

impl Record for LabelRecord {
    const KIND: u16 = 1;
    const VERSION: u16 = 1;
    const NAME: &'static str = "label";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        let unknown = unknown_features(self.required_features);
        if !unknown.is_empty() {
            return Err(FormatErrorKind::Feature(unknown.join(", ")));
        }
        if self.volume == 0 {
            return Err(FormatErrorKind::Field { field: "volume", found: 0, allowed: "1 or more" });
        }
        at_most("volume", u64::from(self.volume), u64::from(VOLUMES_MAX))?;
        let texts = [
            ("label", &self.label),
            ("source_store", &self.source_store),
            ("source_server", &self.source_server),
            ("source_database", &self.source_database),
            ("source_version", &self.source_version),
            ("software", &self.software),
        ];
        for (field, text) in texts {
            at_most(field, text.len() as u64, u64::from(NAME_BYTES_MAX))?;
        }
        let bits = self.data_types;
        if bits == 0
            || bits & !data_types::ALL != 0
            || (bits & data_types::SPECIFIC != 0 && bits != data_types::SPECIFIC)
        {
            let allowed = "some of bits 0 to 4, or bit 5 alone";
            return Err(FormatErrorKind::Field { field: "data_types", found: u64::from(bits), allowed });
        }
        if self.predecessor.is_some() != (self.volume > 1) {
            let (found, allowed) =
                (u64::from(self.predecessor.is_some()), "present exactly on volumes after the first");
            return Err(FormatErrorKind::Field { field: "predecessor", found, allowed });
        }
        if self.parent_set.is_some() != self.incremental || (self.sequence > 0) != self.incremental {
            let allowed = "1 or more, with a parent_set, exactly in an incremental";
            return Err(FormatErrorKind::Field { field: "sequence", found: u64::from(self.sequence), allowed });
        }
        let own = self.chain == self.member().0;
        if own == self.incremental {
            let allowed = "another set for an incremental, the set itself, or that it was salvaged from, otherwise";
            return Err(FormatErrorKind::Field { field: "chain", found: u64::from(own), allowed });
        }
        if self.purpose > purpose::UNDO || (self.is_undo() && self.incremental) {
            let allowed = "0, or 1 in a set that is not incremental";
            return Err(FormatErrorKind::Field { field: "purpose", found: u64::from(self.purpose), allowed });
        }
        if let Some(Salvaged { set, lost }) = self.salvaged {
            at_most("lost", u64::from(lost), u64::from(lost::SECTIONS))?;
            if set == self.set_id {
                return Err(FormatErrorKind::Field { field: "salvaged", found: 0, allowed: "another set than itself" });
            }
        }
        Ok(())
    }
}
