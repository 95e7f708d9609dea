//! The rows of a chunk: decoded, placed in time, hashed, proved against the chunk's own directory.

use super::pieces::{Cutoffs, pieces};
use crate::base::position::Position;
use crate::column::batch::Batch;
use crate::column::decode::{StoredColumn, decode_batch};
use crate::column::digest::RowHasher;
use crate::column::error::ColumnError;
use crate::format::chunk::{ChunkRecord, ChunkView, PieceEntry, parse_chunk};
use crate::format::error::FormatError;
use crate::format::section::SectionRecord;
use crate::schema::clock::{ClockError, RowTimes, RowWhen};
use crate::schema::table::BoundTable;

use super::table::from_record;

/// A section's table with what is needed to read its chunks.
#[derive(Debug, Clone)]
pub struct SectionTable {
    /// Section number, from 1.
    pub number: u32,
    /// The table, as the section's header has it.
    pub bound: BoundTable,
    /// Up to when the set speaks.
    pub cutoffs: Cutoffs,
}

/// The rows of one chunk.
#[derive(Debug, Clone)]
pub struct ChunkRows {
    /// The chunk's directory.
    pub directory: ChunkRecord,
    /// The rows: all columns in schema order, or those asked for.
    pub batch: Batch,
    /// ACD and span of each row.
    pub when: Vec<RowWhen>,
    /// Hash of each row; empty unless the chunk was proved.
    pub hashes: Vec<u128>,
}

/// Why the rows of a chunk cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RowsError {
    /// The directory is not as the format demands.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The bytes of a column cannot be decoded.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// The section's clock cannot be read.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The rows are not those that the directory lists.
    #[error(
        "bucket {} of the chunk: directory says {}, its rows give {} ({at})",
        bucket_name(expected, found),
        counts(expected),
        counts(found)
    )]
    Digest {
        /// What the directory lists.
        expected: Option<Box<PieceEntry>>,
        /// What the rows give.
        found: Option<Box<PieceEntry>>,
        /// Which chunk.
        at: Position,
    },
    /// The chunk does not belong to its section.
    #[error("the chunk has {found} columns, its section {expected} ({at})")]
    Columns {
        /// Columns in the chunk.
        found: usize,
        /// Columns in the section's schema.
        expected: usize,
        /// Which chunk.
        at: Position,
    },
}

fn bucket_name(expected: &Option<Box<PieceEntry>>, found: &Option<Box<PieceEntry>>) -> String {
    expected.as_ref().or(found.as_ref()).map_or_else(String::new, |piece| {
        let acd = piece.acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"));
        let day = piece.day.map_or_else(
            || "undated".to_owned(),
            |day| {
                let (year, month, day) = crate::base::time::civil_of_day(day);
                format!("{year:04}-{month:02}-{day:02}")
            },
        );
        format!("({acd}, {day})")
    })
}

fn counts(piece: &Option<Box<PieceEntry>>) -> String {
    piece.as_ref().map_or_else(
        || "no such bucket".to_owned(),
        |piece| {
            let digest: String = piece.digest.iter().rev().map(|byte| format!("{byte:02x}")).collect();
            format!("{} rows, {} carried, digest {digest}", piece.rows, piece.carried)
        },
    )
}

impl RowsError {
    /// Of rows that are not those listed: which bucket, what the directory says of it, what its rows give.
    #[must_use]
    pub fn odds(&self) -> Option<(String, String, String)> {
        match self {
            RowsError::Digest { expected, found, .. } => {
                Some((bucket_name(expected, found), counts(expected), counts(found)))
            }
            _ => None,
        }
    }
}

impl SectionTable {
    /// The table of a section.
    ///
    /// # Errors
    /// As [`from_record`].
    pub fn new(number: u32, header: &SectionRecord) -> Result<SectionTable, FormatError> {
        let (bound, cutoffs) =
            from_record(header).map_err(|error| error.within(Position::UNKNOWN.with_section(number)))?;
        Ok(SectionTable { number, bound, cutoffs })
    }

    /// The columns that say when and whose a row is, ascending, by number.
    #[must_use]
    pub fn key_columns(&self) -> Vec<usize> {
        RowTimes::columns(&self.bound)
    }

    /// Decodes only the key columns of a chunk and places its rows in time. Nothing is proved.
    ///
    /// # Errors
    /// As [`RowsError`]; `at` is the chunk's place.
    pub fn keys(&self, payload: &[u8], at: Position) -> Result<ChunkRows, RowsError> {
        let view = self.view(payload, at)?;
        let keys = self.key_columns();
        let batch = decode(&view, Some(&keys), at)?;
        let when = RowTimes::projected(&self.bound, &keys)?.all(&batch);
        Ok(ChunkRows { directory: view.directory, batch, when, hashes: Vec::new() })
    }

    /// Decodes a chunk whole and proves it: every bucket of the directory has exactly the rows and the digest that the
    /// rows give, and there is no other.
    ///
    /// # Errors
    /// As [`RowsError`]; `at` is the chunk's place.
    pub fn prove(&self, hasher: &mut RowHasher, payload: &[u8], at: Position) -> Result<ChunkRows, RowsError> {
        self.prove_view(hasher, self.view(payload, at)?, at)
    }

    /// The same, of a chunk that was taken apart already.
    ///
    /// # Errors
    /// As [`RowsError`]; `at` is the chunk's place.
    pub fn prove_view(
        &self,
        hasher: &mut RowHasher,
        view: ChunkView<'_>,
        at: Position,
    ) -> Result<ChunkRows, RowsError> {
        let batch = decode(&view, None, at)?;
        let when = RowTimes::new(&self.bound)?.all(&batch);
        let mut hashes = Vec::with_capacity(batch.rows);
        hasher.hash(&batch, &self.bound.schema.logical_types(), &mut hashes)?;
        let found = pieces(&when, &hashes, &self.cutoffs).entries;
        compare(&view.directory.pieces, &found, at)?;
        Ok(ChunkRows { directory: view.directory, batch, when, hashes })
    }

    /// Takes a chunk of the section apart into its directory and the bytes of its columns; decodes none.
    ///
    /// # Errors
    /// The directory is not as the format demands, or has not the columns of the section; `at` is the chunk's place.
    pub fn view<'a>(&self, payload: &'a [u8], at: Position) -> Result<ChunkView<'a>, RowsError> {
        let view = parse_chunk(payload).map_err(|error| error.within(at))?;
        let (found, expected) = (view.columns.len(), self.bound.schema.columns.len());
        if found != expected {
            return Err(RowsError::Columns { found, expected, at });
        }
        Ok(view)
    }
}

fn decode(view: &ChunkView<'_>, wanted: Option<&[usize]>, at: Position) -> Result<Batch, RowsError> {
    let columns: Vec<StoredColumn<'_>> = view
        .directory
        .columns
        .iter()
        .zip(&view.columns)
        .map(|(entry, bytes)| StoredColumn { encoding: entry.encoding, decoded: entry.decoded, bytes })
        .collect();
    decode_batch(&columns, view.directory.rows as usize, wanted)
        .map_err(|error| ColumnError { at: error.at.within(at), ..error }.into())
}

fn compare(listed: &[PieceEntry], found: &[PieceEntry], at: Position) -> Result<(), RowsError> {
    // Number and last-mark of a piece are the writer's, everything else follows from the rows.
    let same = |a: &PieceEntry, b: &PieceEntry| PieceEntry { piece: a.piece, last: a.last, ..*b } == *a;
    for at_piece in 0..listed.len().max(found.len()) {
        let (expected, found) = (listed.get(at_piece), found.get(at_piece));
        if !matches!((expected, found), (Some(a), Some(b)) if same(a, b)) {
            let boxed = |piece: Option<&PieceEntry>| piece.map(|piece| Box::new(*piece));
            return Err(RowsError::Digest { expected: boxed(expected), found: boxed(found), at });
        }
    }
    Ok(())
}
