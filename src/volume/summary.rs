//! Sums that the writer keeps and that a scan computes again, by the same code: the entry of a chunk and the buckets of
//! a section follow from the pieces in chunk directories alone.

use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::chunk::{ChunkRecord, PieceEntry};
use crate::format::section::SectionRecord;
use std::collections::BTreeMap;

/// A bucket's ACD and day.
pub type BucketKey = (Option<i64>, Option<i32>);

/// The sum of two bucket digests, modulo 2^128, little-endian.
#[must_use]
pub fn add_digests(left: [u8; 16], right: [u8; 16]) -> [u8; 16] {
    u128::from_le_bytes(left).wrapping_add(u128::from_le_bytes(right)).to_le_bytes()
}

/// The catalog's entry of a chunk that stands at a place.
#[must_use]
pub fn chunk_entry(directory: &ChunkRecord, volume: u32, block: u64, offset: u64, bytes: u32) -> ChunkEntry {
    let dated = || directory.pieces.iter().filter(|piece| piece.day.is_some());
    let undated = directory.pieces.iter().filter(|piece| piece.day.is_none());
    ChunkEntry {
        volume,
        block,
        offset,
        bytes,
        first_row: directory.first_row,
        rows: directory.rows,
        first: dated().map(|piece| piece.first).min().unwrap_or(0),
        stop: dated().map(|piece| piece.stop).max().unwrap_or(0),
        undated: undated.fold(0, |sum, piece| sum.saturating_add(piece.rows).saturating_add(piece.carried)),
    }
}

/// The buckets of one section, summed from pieces in any order.
#[derive(Debug, Clone, Default)]
pub struct BucketTable {
    buckets: BTreeMap<BucketKey, Bucket>,
}

#[derive(Debug, Clone)]
struct Bucket {
    entry: BucketEntry,
    /// One more than the greatest piece number seen.
    piece_end: u32,
    /// Number of the piece that says that it is the last.
    last_piece: Option<u32>,
}

impl BucketTable {
    /// Gives each piece its number, which counts from 0 in its bucket, and adds it.
    pub fn number_and_add(&mut self, pieces: &mut [PieceEntry]) {
        for piece in pieces {
            piece.piece = self.buckets.get(&(piece.acd, piece.day)).map_or(0, |bucket| bucket.entry.pieces);
            self.add(piece);
        }
    }

    /// Adds a piece that has its number.
    pub fn add(&mut self, piece: &PieceEntry) {
        let dated = piece.day.is_some();
        let (first, stop) = if dated { (piece.first, piece.stop) } else { (0, 0) };
        let bucket = self.buckets.entry((piece.acd, piece.day)).or_insert_with(|| Bucket {
            entry: BucketEntry {
                acd: piece.acd,
                day: piece.day,
                pieces: 0,
                rows: 0,
                carried: 0,
                first,
                stop,
                digest: [0; 16],
                carried_digest: None,
            },
            piece_end: 0,
            last_piece: None,
        });
        let entry = &mut bucket.entry;
        entry.pieces = entry.pieces.saturating_add(1);
        entry.rows = entry.rows.saturating_add(u64::from(piece.rows));
        entry.carried = entry.carried.saturating_add(u64::from(piece.carried));
        entry.first = entry.first.min(first);
        entry.stop = entry.stop.max(stop);
        entry.digest = add_digests(entry.digest, piece.digest);
        entry.carried_digest = match (entry.carried_digest, piece.carried_digest) {
            (Some(sum), Some(digest)) => Some(add_digests(sum, digest)),
            (one, other) => one.or(other),
        };
        bucket.piece_end = bucket.piece_end.max(piece.piece.saturating_add(1));
        if piece.last == 1 {
            bucket.last_piece = Some(piece.piece);
        }
    }

    /// Number of buckets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether there is no bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The sum of the digests of all buckets.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        self.buckets.values().fold([0; 16], |sum, bucket| add_digests(sum, bucket.entry.digest))
    }

    /// One bucket.
    #[must_use]
    pub fn get(&self, key: &BucketKey) -> Option<&BucketEntry> {
        self.buckets.get(key).map(|bucket| &bucket.entry)
    }

    /// Whether all pieces of a bucket were added, as far as the pieces themselves can prove it: the one that says that
    /// it is the last, and each before it. Each piece is added once, so that the count decides.
    #[must_use]
    pub fn is_whole(&self, key: &BucketKey) -> bool {
        self.buckets.get(key).is_some_and(|bucket| {
            bucket.piece_end == bucket.entry.pieces
                && bucket.last_piece.is_some_and(|last| last.checked_add(1) == Some(bucket.piece_end))
        })
    }

    /// All buckets, ascending by ACD (none first), then by day (none first).
    pub fn entries(&self) -> impl ExactSizeIterator<Item = BucketEntry> + '_ {
        self.buckets.values().map(|bucket| bucket.entry)
    }
}

/// A section's header as it stands where the section begins.
#[must_use]
pub fn first_header(header: &SectionRecord) -> SectionRecord {
    SectionRecord { first_row: 0, first_chunk: 0, ..header.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(acd: Option<i64>, day: Option<i32>, rows: u32, last: u8) -> PieceEntry {
        let mut digest = [0xFF; 16];
        digest[0] = rows as u8;
        PieceEntry {
            acd,
            day,
            piece: 0,
            last,
            rows,
            carried: 1,
            first: 10,
            stop: 20 + i64::from(rows),
            digest,
            carried_digest: Some(digest),
        }
    }

    #[test]
    fn pieces_are_numbered_within_their_bucket() {
        let mut table = BucketTable::default();
        let mut pieces = [piece(Some(1), Some(5), 2, 2), piece(None, Some(5), 3, 0), piece(Some(1), Some(5), 4, 1)];
        table.number_and_add(&mut pieces);
        assert_eq!(pieces.map(|piece| piece.piece), [0, 0, 1]);
        let entry = table.get(&(Some(1), Some(5))).unwrap();
        assert_eq!((entry.pieces, entry.rows, entry.carried, entry.first, entry.stop), (2, 6, 2, 10, 24));
        assert_eq!(table.entries().map(|bucket| bucket.acd).collect::<Vec<_>>(), [None, Some(1)]);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn digests_wrap_at_128_bits() {
        let mut one = [0; 16];
        one[0] = 1;
        assert_eq!(add_digests([0xFF; 16], one), [0; 16]);
    }

    #[test]
    fn a_bucket_is_whole_with_its_last_piece_and_all_before() {
        let key = (Some(1), Some(5));
        let numbered = |number, last| PieceEntry { piece: number, ..piece(Some(1), Some(5), 1, last) };
        let whole = |pieces: &[PieceEntry]| {
            let mut table = BucketTable::default();
            pieces.iter().for_each(|piece| table.add(piece));
            table.is_whole(&key)
        };
        assert!(whole(&[numbered(0, 1)]));
        assert!(whole(&[numbered(1, 1), numbered(0, 2)]));
        assert!(!whole(&[numbered(0, 2), numbered(1, 0)]), "nothing says that it is the last");
        assert!(!whole(&[numbered(1, 1)]), "piece 0 is missing");
        assert!(!whole(&[numbered(0, 2), numbered(2, 1)]), "piece 1 is missing");
        assert!(!whole(&[numbered(0, 1), numbered(1, 0)]), "a piece follows the last one");
        assert!(!whole(&[]));
    }

    #[test]
    fn undated_rows_do_not_widen_a_chunk() {
        let pieces = vec![piece(None, None, 3, 0), PieceEntry { first: 100, stop: 200, ..piece(None, Some(1), 1, 0) }];
        let directory = ChunkRecord { chunk: 0, first_row: 7, rows: 6, columns: vec![], pieces };
        let entry = chunk_entry(&directory, 2, 3, 640, 128);
        assert_eq!((entry.first, entry.stop, entry.undated), (100, 200, 4));
        assert_eq!((entry.volume, entry.block, entry.offset, entry.bytes, entry.first_row), (2, 3, 640, 128, 7));
    }
}
