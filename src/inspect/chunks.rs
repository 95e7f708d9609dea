//! The chunks of a section: what each holds, and how its columns are stored, from their directories alone.

use crate::base::time::{Instant, Span};
use crate::column::id::ENCODINGS;
use crate::format::chunk::ChunkRecord;
use crate::section::pieces::Acd;
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// A chunk and what its directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkLine {
    /// The chunk.
    pub chunk: ChunkRef,
    /// Its directory; or why it cannot be read.
    pub directory: Result<ChunkRecord, String>,
}

impl ChunkLine {
    /// Reads the directory of a chunk.
    #[must_use]
    pub fn read(set: &SetReader<'_>, chunk: &ChunkRef) -> ChunkLine {
        let directory = if chunk.here {
            set.directory(chunk).map_err(|error| error.to_string())
        } else {
            Err(format!("volume {} is not here", chunk.entry.volume))
        };
        ChunkLine { chunk: *chunk, directory }
    }

    /// The time from the start of its earliest dated row to the end of the last; none if it has none.
    #[must_use]
    pub fn time(&self) -> Option<Span> {
        Span::new(Instant(self.chunk.entry.first), Instant(self.chunk.entry.stop))
    }

    /// The ACDs that its rows name.
    #[must_use]
    pub fn acds(&self) -> BTreeSet<Acd> {
        self.directory.iter().flat_map(|directory| &directory.pieces).map(|piece| piece.acd).collect()
    }
}

/// How a column is stored in the chunks of a section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// In how many chunks each encoding is used, by id.
    pub encodings: BTreeMap<u16, u64>,
    /// Bytes stored.
    pub stored: u64,
    /// Bytes when decoded.
    pub decoded: u64,
}

/// How the columns of a section are stored, put together chunk by chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSummary {
    /// The columns, in schema order.
    pub columns: Vec<ColumnSummary>,
    /// Chunks whose directories were read.
    pub chunks: u64,
    /// Chunks whose directories could not be.
    pub unread: u64,
}

impl ChunkSummary {
    /// Of no chunk yet.
    #[must_use]
    pub fn new(section: &SectionView) -> ChunkSummary {
        let named = |name: &String| ColumnSummary { name: name.clone(), ..ColumnSummary::default() };
        let columns = section.header.columns.iter().map(|column| named(&column.name)).collect();
        ChunkSummary { columns, chunks: 0, unread: 0 }
    }

    /// Adds a chunk.
    pub fn add(&mut self, line: &ChunkLine) {
        let Ok(directory) = &line.directory else {
            self.unread = self.unread.saturating_add(1);
            return;
        };
        self.chunks = self.chunks.saturating_add(1);
        for (column, entry) in self.columns.iter_mut().zip(&directory.columns) {
            let chunks = column.encodings.entry(entry.encoding).or_default();
            *chunks = chunks.saturating_add(1);
            column.stored = column.stored.saturating_add(u64::from(entry.stored));
            column.decoded = column.decoded.saturating_add(u64::from(entry.decoded));
        }
    }

    /// Bytes stored and decoded, of all columns.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        self.columns.iter().fold((0, 0), |(stored, decoded), column| {
            (stored.saturating_add(column.stored), decoded.saturating_add(column.decoded))
        })
    }
}

/// The name of an encoding.
#[must_use]
pub fn encoding_name(id: u16) -> String {
    let known = ENCODINGS.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| format!("encoding {id}"), |(_, name)| (*name).to_owned())
}
