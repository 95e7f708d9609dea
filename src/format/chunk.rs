//! The chunk: one block of rows. Its directory says which rows, which buckets and which column bytes follow; the bytes of
//! the columns stand behind the directory, in schema order, one after the other. `column` gives them meaning.

use super::error::{FormatError, FormatErrorKind};
use super::record::{Record, at_most, next_record, push_record};
use crate::base::cursor::Cursor;
use crate::base::limits::{CHUNK_BUCKETS_MAX, CHUNK_DECODED_MAX, CHUNK_ROWS_MAX, COLUMNS_MAX};
use crate::base::time::{Day, Instant};
use serde::{Deserialize, Serialize};

/// The directory of a chunk; first record of its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Number of the chunk in its section, from 0.
    pub chunk: u64,
    /// Number of the chunk's first row in its section, from 0.
    pub first_row: u64,
    /// Rows in the chunk.
    pub rows: u32,
    /// The columns, in schema order.
    pub columns: Vec<ColumnBytesEntry>,
    /// What the chunk holds of each bucket, in order of first appearance.
    pub pieces: Vec<PieceEntry>,
}

/// How one column of a chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnBytesEntry {
    /// Encoding id, see [`crate::column`].
    pub encoding: u16,
    /// Bytes stored.
    pub stored: u32,
    /// Bytes that the decoded column takes: 8 per number, 4 per string and its bytes. A bound for the reader.
    pub decoded: u32,
}

/// What one chunk holds of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceEntry {
    /// The ACD; none where the row names none.
    pub acd: Option<i64>,
    /// First day of the bucket's day or period, days since 1970-01-01; none for undated rows and for grain none.
    pub day: Option<i32>,
    /// Number of this piece in its bucket, from 0.
    pub piece: u32,
    /// 1: the bucket's last piece. 2: more follow. 0: not known when the chunk was written.
    pub last: u8,
    /// Rows that the set speaks for.
    pub rows: u32,
    /// Rows beside them that are carried, not held.
    pub carried: u32,
    /// Start of the earliest row, carried ones included; 0 if the bucket has no day.
    pub first: i64,
    /// End of the row that ends last, carried ones included; 0 if the bucket has no day.
    pub stop: i64,
    /// Sum (modulo 2^128, little-endian) of the row hashes of the rows that the set speaks for.
    #[serde(deserialize_with = "super::record::sixteen")]
    pub digest: [u8; 16],
    /// The same of the carried rows, given exactly if there are any.
    pub carried_digest: Option<[u8; 16]>,
}

impl Record for ChunkRecord {
    const KIND: u16 = 4;
    const VERSION: u16 = 1;
    const NAME: &'static str = "chunk directory";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        at_most("rows", u64::from(self.rows), u64::from(CHUNK_ROWS_MAX))?;
        at_most("columns", self.columns.len() as u64, u64::from(COLUMNS_MAX))?;
        at_most("bucket pieces", self.pieces.len() as u64, u64::from(CHUNK_BUCKETS_MAX))?;
        let decoded = self.columns.iter().map(|column| u64::from(column.decoded)).fold(0, u64::saturating_add);
        at_most("decoded bytes", decoded, CHUNK_DECODED_MAX)?;
        if self.first_row.checked_add(u64::from(self.rows)).is_none() {
            return Err(FormatErrorKind::Limit { field: "first_row", found: self.first_row, limit: u64::MAX });
        }
        let counted = |piece: &PieceEntry| u64::from(piece.rows).saturating_add(u64::from(piece.carried));
        let total = self.pieces.iter().map(counted).fold(0, u64::saturating_add);
        if total != u64::from(self.rows) {
            let allowed = "the number of rows in the chunk";
            return Err(FormatErrorKind::Field { field: "rows of all pieces", found: total, allowed });
        }
        self.pieces.iter().try_for_each(PieceEntry::validate)
    }
}

impl PieceEntry {
    fn validate(&self) -> Result<(), FormatErrorKind> {
        let refuse = |field, found, allowed| Err(FormatErrorKind::Field { field, found, allowed });
        if self.last > 2 {
            return refuse("last", u64::from(self.last), "0 to 2");
        }
        if self.rows == 0 && self.carried == 0 {
            return refuse("rows", 0, "1 or more in rows and carried");
        }
        check_carried(u64::from(self.carried), self.carried_digest)?;
        check_instants(self.day, self.first, self.stop)
    }
}

/// Checks that there is a digest of carried rows exactly if there are such rows.
pub(super) fn check_carried(carried: u64, digest: Option<[u8; 16]>) -> Result<(), FormatErrorKind> {
    let allowed = "0 exactly if it has no digest of carried rows";
    if digest.is_some() == (carried > 0) {
        return Ok(());
    }
    Err(FormatErrorKind::Field { field: "carried", found: carried, allowed })
}

/// Checks the day of a bucket and the first and last instant of its rows.
pub(super) fn check_instants(day: Option<Day>, first: i64, stop: i64) -> Result<(), FormatErrorKind> {
    let refuse = |field, found, allowed| Err(FormatErrorKind::Field { field, found, allowed });
    let Some(day) = day else {
        if first == 0 && stop == 0 {
            return Ok(());
        }
        return refuse("stop", stop.unsigned_abs(), "0, as first, without a day");
    };
    if Instant::of_day(day) < Instant::MIN || Instant::of_day(day) >= Instant::MAX {
        return refuse("day", u64::from(day.unsigned_abs()), "a day of the years 1 to 9999");
    }
    if first < Instant::MIN.0 || first >= stop || stop > Instant::MAX.0 {
        return refuse("stop", stop.unsigned_abs(), "after first, both in the years 1 to 9999");
    }
    Ok(())
}

/// A chunk's payload, taken apart but not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkView<'a> {
    /// The directory.
    pub directory: ChunkRecord,
    /// The stored bytes of each column, in schema order.
    pub columns: Vec<&'a [u8]>,
}

/// The payload of a chunk block.
///
/// # Errors
/// The directory fails its checks, or does not fit the column bytes.
pub fn encode_chunk(directory: &ChunkRecord, columns: &[Vec<u8>]) -> Result<Vec<u8>, FormatError> {
    let mut payload = Vec::new();
    push_record(&mut payload, directory)?;
    let same = directory.columns.len() == columns.len()
        && directory.columns.iter().zip(columns).all(|(entry, bytes)| entry.stored as usize == bytes.len());
    if !same {
        let kind = FormatErrorKind::Field { field: "stored", found: 0, allowed: "the length of the column's bytes" };
        return Err(FormatError::new(kind, 0));
    }
    columns.iter().for_each(|bytes| payload.extend_from_slice(bytes));
    Ok(payload)
}

/// Takes a chunk's payload apart. Nothing is decompressed.
///
/// # Errors
/// The directory cannot be read, or the column bytes are not exactly those that it lists.
pub fn parse_chunk(payload: &[u8]) -> Result<ChunkView<'_>, FormatError> {
    let mut cursor = Cursor::new(payload);
    let directory: ChunkRecord = next_record(&mut cursor)?.decode()?;
    let mut columns = Vec::with_capacity(directory.columns.len());
    for entry in &directory.columns {
        columns.push(cursor.bytes(entry.stored as usize)?);
    }
    if cursor.left() > 0 {
        let kind =
            FormatErrorKind::Field { field: "bytes after the last column", found: cursor.left() as u64, allowed: "0" };
        return Err(FormatError::new(kind, cursor.position()));
    }
    Ok(ChunkView { directory, columns })
}
