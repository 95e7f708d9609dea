//! What a backup did.

use super::plan::Gaps;
use crate::base::time::Span;
use crate::section::pieces::Acd;
use crate::volume::set_writer::SetSummary;
use std::time::Duration;

/// What a backup did.
#[derive(Debug, Clone)]
pub struct Report {
    /// The set, its label and its volumes.
    pub set: SetSummary,
    /// One entry for each section, in the order of the sections.
    pub tables: Vec<TableReport>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Held range per ACD.
    pub held: Vec<(Acd, Span)>,
}
