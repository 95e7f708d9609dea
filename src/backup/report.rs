//! What a backup did.

use super::base::Parent;
use super::plan::Gaps;
use crate::base::time::{Day, Span};
use crate::section::pieces::Acd;
use crate::volume::set_writer::SetSummary;
use std::time::Duration;

/// What a backup did.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// The set, its label and its volumes.
    pub set: SetSummary,
    /// The set that it builds on, if it is incremental.
    pub parent: Option<Parent>,
    /// One entry for each section, in the order of the sections.
    pub tables: Vec<TableReport>,
    /// What became of the files of each tree.
    pub trees: Vec<super::files::TreeReport>,
    /// What of the selection is not on the volumes, or will not come back from them.
    pub gaps: Gaps,
    /// Whether the volumes were read back and proved.
    pub verified: bool,
    /// Time for reading, encoding and writing.
    pub write_time: Duration,
    /// Time for reading back.
    pub verify_time: Duration,
}

/// What a backup wrote of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows written, carried ones included.
    pub rows: u64,
    /// Rows carried, not held: their interval or period was not over.
    pub carried: u64,
    /// Undated rows of a table whose rows should say when they were.
    pub undated: u64,
    /// Buckets.
    pub buckets: u64,
    /// Bytes of columns in memory before encoding.
    pub decoded_bytes: u64,
    /// Bytes of encoded columns.
    pub stored_bytes: u64,
    /// Held ranges, ascending by ACD; in a full backup one for each.
    pub held: Vec<(Acd, Span)>,
    /// How it compares with what the chain had; `None` in a full backup and for tables without time, which are written whole
    /// each time.
    pub compared: Option<Compared>,
}

/// How the buckets of a table compare with what the chain had of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Buckets with other rows than before, new ones included: these are written.
    pub changed: u64,
    /// Buckets with the same rows as before.
    pub unchanged: u64,
    /// Buckets that have no rows any more, in time that the table still reaches: restored as empty.
    pub vanished: u64,
    /// Buckets that have no rows any more, in time that the table reaches no more: an older set keeps speaking for them.
    pub expired: u64,
    /// Rows of the changed buckets.
    pub rows: u64,
    /// Buckets that were not read and are taken to be as before ([`super::ChangedSince`]).
    pub trusted: u64,
    /// The day from which on the table was read, if not all of it was.
    pub read_from: Option<Day>,
    /// Why the table is written whole, where it cannot be compared.
    pub whole: Option<&'static str>,
}

impl Compared {
    pub(super) fn whole(why: &'static str, rows: u64) -> Compared {
        Compared { rows, whole: Some(why), ..Compared::default() }
    }
}
