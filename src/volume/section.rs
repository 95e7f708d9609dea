//! A section as a reader sees it, whether the catalog told or a scan found out.

use crate::base::position::Position;
use crate::base::time::{Instant, Span};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::section::{SectionEndRecord, SectionRecord};

/// Where the knowledge about a section comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SectionSource {
    /// The set's catalog.
    Catalog,
    /// A forward scan of the volumes that are there.
    Scan,
}

/// One chunk of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// Section number, from 1.
    pub section: u32,
    /// Number in the section, from 0.
    pub number: u64,
    /// Place, rows and time.
    pub entry: ChunkEntry,
    /// Whether its volume is on the device.
    pub here: bool,
}

impl ChunkRef {
    /// Where its block stands, and which rows of the section it holds.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position::volume(self.entry.volume)
            .with_block(self.entry.block)
            .with_section(self.section)
            .with_rows(self.entry.first_row, self.entry.rows as u64)
    }

    /// From the first instant of its rows to the last; `None` if none of them has a usable time.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        Span::new(Instant(self.entry.first), Instant(self.entry.stop))
    }

    /// Whether it can hold rows of a time.
    #[must_use]
    pub fn meets(&self, time: Span) -> bool {
        self.span().is_some_and(|span| span.meets(time))
    }
}

/// One section of a set, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionView {
    /// Number in the set, from 1.
    pub number: u32,
    /// The header, as it stood where the section begins.
    pub header: SectionRecord,
    /// The end mark; none if it was not found.
    pub end: Option<SectionEndRecord>,
    /// Bytes of the section's blocks: on all volumes by the catalog, on those that are there by a scan.
    pub bytes: u64,
    /// The chunks, in order. By the catalog all of them, also those whose volume is not here; by a scan those found.
    pub chunks: Vec<ChunkRef>,
    /// The buckets, ascending by ACD (none first), then by day (none first). By the catalog of an incremental set also those
    /// that it did not write, which have no pieces; by a scan those of which anything was found.
    pub buckets: Vec<BucketEntry>,
    /// For each bucket: whether all of its rows are on the volumes that are there, proven by the catalog's or the end
    /// mark's totals or by its own last piece. Never true of a bucket without pieces. Damage inside chunks that the
    /// catalog lists shows only when they are read.
    pub proven: Vec<bool>,
    /// Where this knowledge comes from.
    pub source: SectionSource,
}

impl SectionView {
    /// Rows on the volumes that are there.
    #[must_use]
    pub fn rows_here(&self) -> u64 {
        let here = self.chunks.iter().filter(|chunk| chunk.here);
        here.map(|chunk| u64::from(chunk.entry.rows)).fold(0, u64::saturating_add)
    }

    /// Whether every chunk is known and there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let known = self.end.as_ref().is_some_and(|end| end.chunks == self.chunks.len() as u64);
        known && self.chunks.iter().all(|chunk| chunk.here)
    }

    /// Each bucket with whether it is proven whole.
    pub fn proven_buckets(&self) -> impl Iterator<Item = (&BucketEntry, bool)> {
        self.buckets.iter().zip(self.proven.iter().copied())
    }
}
