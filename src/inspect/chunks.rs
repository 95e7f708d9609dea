//! The chunks of a section: what each holds, and how its columns are stored, from their directories. Of a block the checksum is
//! that of all its bytes, so that all of it is read: a directory that was not proved may say anything.

use crate::base::time::{Instant, Span};
use crate::column::id::ENCODINGS;
use crate::error::{Class, Error};
use crate::format::chunk::{ChunkRecord, parse_chunk};
use crate::section::pieces::Acd;
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The reason in words.
    pub reason: String,
    /// Of what kind that is: damage, a volume that is not here or may not be opened.
    pub class: Class,
}

impl<E: Into<Error>> From<E> for Unread {
    fn from(error: E) -> Unread {
        let error = error.into();
        Unread { reason: error.to_string(), class: error.class() }
    }
}

/// A chunk and what its directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkLine {
    /// The chunk.
    pub chunk: ChunkRef,
    /// Its directory; or why it cannot be read.
    pub directory: Result<ChunkRecord, Unread>,
}

impl ChunkLine {
    /// Reads a chunk for its directory.
    #[must_use]
    pub fn read(set: &SetReader<'_>, chunk: &ChunkRef) -> ChunkLine {
        let directory = if chunk.here {
            set.read_chunk(chunk).map_err(Unread::from).and_then(|payload| match parse_chunk(&payload) {
                Ok(view) => Ok(view.directory),
                Err(error) => Err(error.within(chunk.position()).into()),
            })
        } else {
            let reason = format!("volume {} is not here", chunk.entry.volume);
            Err(Unread { reason, class: Class::Volume })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::format::block::BlockKind;
    use crate::testing::damage::{Damage, places};
    use crate::testing::fixtures::small;
    use crate::volume::set::list_sets;

    fn lines(name: &str, bytes: Vec<u8>) -> Vec<ChunkLine> {
        let device = MemoryDevice::new();
        device.insert(name, bytes);
        let sets = list_sets(&device).unwrap().sets;
        let set = &sets[0];
        set.sections().iter().flat_map(|section| &section.chunks).map(|chunk| ChunkLine::read(set, chunk)).collect()
    }

    /// A bit in any byte of a directory, and of what is behind it: other encodings or sizes are never told.
    #[test]
    fn a_directory_that_was_changed_is_not_told() {
        let (name, bytes) = small(None).volumes.remove(0);
        let whole = lines(&name, bytes.clone());
        assert!(whole.iter().all(|line| line.directory.is_ok()));
        let chunks = places(&bytes).into_iter().filter(|place| place.header.kind == BlockKind::Chunk).take(3);
        let (mut changed, mut refused) = (0, 0);
        for at in chunks.flat_map(|place| (place.at + 64..place.end().min(place.at + 464)).step_by(3)) {
            let found = lines(&name, Damage::Flip { at, mask: 0x40 }.of(&bytes));
            changed += found.iter().zip(&whole).filter(|(line, whole)| line.directory.is_ok() && line != whole).count();
            refused += found.iter().filter(|line| line.directory.is_err()).count();
        }
        assert!(changed == 0 && refused > 100, "{changed} {refused}");
    }
}
