//! Rows into chunks: encoded, sorted into buckets, cut so that each fits a block. Pure.

use super::pieces::{Cutoffs, Pieces, pieces};
use crate::base::limits::{BLOCK_PAYLOAD_MAX, CHUNK_DECODED_MAX, RECORD_BYTES_MAX};
use crate::column::batch::Batch;
use crate::column::encode::{EncodedColumn, Encoder};
use crate::column::error::ColumnError;
use crate::format::chunk::{ColumnBytesEntry, PieceEntry};
use crate::schema::clock::RowWhen;

/// Bytes of a chunk's directory: at most these, these for each column, and these for each piece.
const DIRECTORY_BYTES: u64 = 64;
const COLUMN_BYTES: u64 = 10;
const PIECE_BYTES: u64 = 60;
const CARRIED_BYTES: u64 = 16;
/// Bytes of a block that columns may take: the directory of the chunk needs room beside them.
const BLOCK_ROOM: u64 = (BLOCK_PAYLOAD_MAX - RECORD_BYTES_MAX) as u64;
/// The same for a chunk of a single row, whose directory lists one piece.
const BLOCK_ROOM_OF_ONE: u64 = (BLOCK_PAYLOAD_MAX - (64 << 10)) as u64;

/// Rows with what is known of them.
#[derive(Debug)]
pub struct Rows<'a> {
    /// All columns, in the section's order.
    pub batch: Batch,
    /// ACD and span of each row.
    pub when: &'a [RowWhen],
    /// Hash of each row.
    pub hashes: &'a [u128],
}

/// What bounds the chunks of a table.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Up to when rows are held.
    pub cutoffs: &'a Cutoffs,
    /// Most payload bytes of a chunk, if volumes are bounded.
    pub room: Option<u64>,
}

/// A chunk that has no place on a volume yet.
#[derive(Debug)]
pub struct EncodedChunk {
    /// What it holds of each bucket. The marks of last pieces are the writer's to fill in.
    pub pieces: Pieces,
    /// Rows.
    pub rows: u32,
    /// The columns, in the section's order.
    pub columns: Vec<EncodedColumn>,
}

impl EncodedChunk {
    /// Rows, how the columns are stored, their bytes, the pieces.
    #[must_use]
    pub fn into_parts(self) -> (u32, Vec<ColumnBytesEntry>, Vec<Vec<u8>>, Vec<PieceEntry>) {
        let entry = |column: &EncodedColumn| ColumnBytesEntry {
            encoding: column.encoding,
            stored: column.bytes.len() as u32,
            decoded: column.decoded,
        };
        let entries = self.columns.iter().map(entry).collect();
        (self.rows, entries, self.columns.into_iter().map(|column| column.bytes).collect(), self.pieces.entries)
    }
}

/// Why rows do not become chunks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A column cannot be encoded.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// A row fits no block.
    #[error(
        "a row is too large for a block: {decoded} bytes, {stored} compressed, the limits are {CHUNK_DECODED_MAX} and {room}"
    )]
    RowTooLarge {
        /// Its bytes.
        decoded: u64,
        /// Its bytes, compressed.
        stored: u64,
        /// How many compressed bytes would fit.
        room: u64,
    },
    /// Whoever takes the chunks wants no more of them.
    #[error("stopped")]
    Stopped,
}

/// Encodes rows as one chunk, or, where a few of them are very large, as several. `emit` takes them in order and says
/// whether it wants more.
///
/// # Errors
/// As [`EncodeError`] lists.
pub fn encode_chunks(
    rows: Rows<'_>,
    bounds: Bounds<'_>,
    encoder: &mut Encoder,
    emit: &mut dyn FnMut(EncodedChunk) -> bool,
) -> Result<(), EncodeError> {
    let Rows { batch, when, hashes } = rows;
    let columns = encoder.encode(&batch)?;
    let pieces = pieces(when, hashes, bounds.cutoffs);
    let around = directory_bytes(columns.len(), pieces.entries.len(), pieces.carrying());
    if one_chunk(batch.rows, &columns, bounds.room.map(|room| room.saturating_sub(around))) {
        fits(batch.rows, &columns)?;
        let chunk = EncodedChunk { pieces, rows: batch.rows as u32, columns };
        return if emit(chunk) { Ok(()) } else { Err(EncodeError::Stopped) };
    }
    let middle = batch.rows / 2;
    let first: Vec<bool> = (0..batch.rows).map(|row| row < middle).collect();
    let second: Vec<bool> = first.iter().map(|first| !first).collect();
    let (left, right) = (batch.keep(&first), batch.keep(&second));
    drop(batch);
    let parts = (when.split_at_checked(middle), hashes.split_at_checked(middle));
    let (Some((left_when, right_when)), Some((left_hashes, right_hashes))) = parts else { return Ok(()) };
    encode_chunks(Rows { batch: left, when: left_when, hashes: left_hashes }, bounds, encoder, emit)?;
    encode_chunks(Rows { batch: right, when: right_when, hashes: right_hashes }, bounds, encoder, emit)
}

/// Most bytes of the directory of a chunk of so many columns and pieces, `carrying` of which have carried rows.
#[must_use]
pub fn directory_bytes(columns: usize, pieces: usize, carrying: usize) -> u64 {
    let bytes = |each: u64, count: usize| each.saturating_mul(count as u64);
    let columns = DIRECTORY_BYTES.saturating_add(bytes(COLUMN_BYTES, columns));
    columns.saturating_add(bytes(PIECE_BYTES, pieces)).saturating_add(bytes(CARRIED_BYTES, carrying))
}

fn stored(columns: &[EncodedColumn]) -> u64 {
    columns.iter().map(|column| column.bytes.len() as u64).fold(0, u64::saturating_add)
}

fn decoded(columns: &[EncodedColumn]) -> u64 {
    columns.iter().map(|column| u64::from(column.decoded)).fold(0, u64::saturating_add)
}

/// Whether rows go into one chunk: a single row always does, if it fits a block at all.
fn one_chunk(rows: usize, columns: &[EncodedColumn], room: Option<u64>) -> bool {
    let room = room.map_or(BLOCK_ROOM, |room| room.min(BLOCK_ROOM));
    rows <= 1 || (stored(columns) <= room && decoded(columns) <= CHUNK_DECODED_MAX)
}

/// A chunk must fit one block; it does unless a single row is enormous.
fn fits(rows: usize, columns: &[EncodedColumn]) -> Result<(), EncodeError> {
    let (decoded, stored) = (decoded(columns), stored(columns));
    let room = if rows <= 1 { BLOCK_ROOM_OF_ONE } else { BLOCK_ROOM };
    if decoded <= CHUNK_DECODED_MAX && stored <= room {
        return Ok(());
    }
    Err(EncodeError::RowTooLarge { decoded, stored, room })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::chunk::{ChunkRecord, encode_chunk};

    #[test]
    fn a_directory_never_takes_more() {
        let column = ColumnBytesEntry { encoding: 1, stored: 0, decoded: 8 };
        let piece = PieceEntry {
            acd: Some(1),
            day: Some(3),
            piece: 0,
            last: 1,
            rows: 1,
            carried: 0,
            first: 3 * 86_400,
            stop: 4 * 86_400,
            digest: [0; 16],
            carried_digest: None,
        };
        let (held, carrying) = (piece, PieceEntry { rows: 0, carried: 1, carried_digest: Some([1; 16]), ..piece });
        for (columns, pieces, piece) in
            [(1, 1, held), (50, 1, carrying), (2_000, 7, held), (3, 900, carrying), (3, 900, held)]
        {
            let rows = pieces as u32;
            let directory = ChunkRecord {
                chunk: 0,
                first_row: 0,
                rows,
                columns: vec![column; columns],
                pieces: (0..pieces).map(|at| PieceEntry { acd: Some(at as i64), ..piece }).collect(),
            };
            let bytes = encode_chunk(&directory, &vec![Vec::new(); columns]).unwrap().len() as u64;
            let bound = directory_bytes(columns, pieces, if piece.carried > 0 { pieces } else { 0 });
            assert!(bytes <= bound && bound <= bytes + DIRECTORY_BYTES, "{columns} {pieces}: {bytes}, {bound}");
        }
    }
}
