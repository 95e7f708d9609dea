//! The digest of rows: the same rows give the same digest whatever database they came from and in whatever order they
//! stand. A row becomes its *canonical row* (chapter 8 of the specification), that becomes a hash of 128 bits, and the
//! hashes of many rows are added up. `item` says what one value becomes; here rows are put together, column by column
//! over a few rows at a time, so that a whole table is hashed about as fast as it is decoded.

mod item;

use super::batch::{Batch, Column, ColumnData};
use super::error::{ColumnError, ColumnErrorKind};
use super::logical::LogicalType;
use crate::base::position::Position;
use item::push_item;

/// The count and the sum of hashes of some rows; independent of their order. The id of this digest is 1.
///
/// ```
/// use intervault::column::digest::Digest;
/// let mut both = Digest::default();
/// both.add(7);
/// both.add(u128::MAX);
/// assert_eq!(both, Digest { sum: 6, rows: 2 });
/// assert_eq!(both.plus(Digest { sum: 1, rows: 1 }), Digest { sum: 7, rows: 3 });
/// assert_eq!(Digest::from_bytes(both.to_bytes(), 2), both);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Digest {
    /// Sum of the row hashes, modulo 2^128.
    pub sum: u128,
    /// Number of rows; saturates.
    pub rows: u64,
}

impl Digest {
    /// Takes in the hash of one more row.
    pub const fn add(&mut self, row_hash: u128) {
        self.sum = self.sum.wrapping_add(row_hash);
        self.rows = self.rows.saturating_add(1);
    }

    /// The digest of the rows of both.
    #[must_use]
    pub const fn plus(self, other: Digest) -> Digest {
        Digest { sum: self.sum.wrapping_add(other.sum), rows: self.rows.saturating_add(other.rows) }
    }

    /// The digest of some row hashes.
    #[must_use]
    pub fn of(row_hashes: &[u128]) -> Digest {
        let mut digest = Digest::default();
        row_hashes.iter().for_each(|hash| digest.add(*hash));
        digest
    }

    /// The sum as it is stored: little-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.sum.to_le_bytes()
    }

    /// A digest from a stored sum and a number of rows.
    #[must_use]
    pub const fn from_bytes(sum: [u8; 16], rows: u64) -> Digest {
        Digest { sum: u128::from_le_bytes(sum), rows }
    }
}

/// Puts the hash of every row of a batch into `out`, in row order; what was in `out` is gone.
///
/// ```
/// use intervault::column::batch::{Batch, Column, ColumnData};
/// use intervault::column::digest::row_hashes;
/// use intervault::column::logical::LogicalType;
///
/// let batch = Batch::new(vec![Column::new(ColumnData::Integer(vec![5, 5, 6]))]);
/// let mut hashes = Vec::new();
/// row_hashes(&batch, &[LogicalType::Integer { bits: 32 }], &mut hashes)?;
/// assert!(hashes[0] == hashes[1] && hashes[1] != hashes[2]);
/// # Ok::<(), intervault::column::error::ColumnError>(())
/// ```
///
/// # Errors
/// Not as many types as columns, or columns that are not as long as the batch; `out` is left empty.
pub fn row_hashes(batch: &Batch, types: &[LogicalType], out: &mut Vec<u128>) -> Result<(), ColumnError> {
    RowHasher::default().hash(batch, types, out)
}

/// Hashes rows; keeps its memory from one batch to the next.
#[derive(Debug, Default)]
pub struct RowHasher {
    /// Items of the columns that are not plain whole numbers, for the rows at hand.
    items: Vec<Items>,
    /// Canonical rows, with room behind each.
    rows: Vec<u8>,
    /// Where each canonical row starts, and where its next item goes.
    starts: Vec<usize>,
    ends: Vec<usize>,
}

/// Items of one column, one after the other.
#[derive(Debug, Default)]
struct Items {
    bytes: Vec<u8>,
    /// Where each item ends; an item without bytes is the whole number 0.
    ends: Vec<usize>,
}

/// Rows put together at a time: their canonical rows stay in the first cache.
const TILE: usize = 64;
/// Most bytes of the item of a whole number.
const WHOLE_MAX: usize = 9;

impl RowHasher {
    /// As [`row_hashes`].
    ///
    /// # Errors
    /// As [`row_hashes`].
    pub fn hash(&mut self, batch: &Batch, types: &[LogicalType], out: &mut Vec<u128>) -> Result<(), ColumnError> {
        out.clear();
        if types.len() != batch.columns.len() {
            let kind = ColumnErrorKind::Shape("it has not as many columns as types");
            return Err(ColumnError { kind, at: Position::UNKNOWN });
        }
        if let Some(number) = batch.columns.iter().position(|column| column.len() != batch.rows) {
            let kind = ColumnErrorKind::Shape("its columns have different lengths");
            return Err(ColumnError { kind, at: Position::UNKNOWN.with_column(number as u32) });
        }
        out.reserve(batch.rows);
        for first in (0..batch.rows).step_by(TILE) {
            let stop = batch.rows.min(first + TILE);
            self.put_together(batch, types, first, stop);
            for (start, end) in self.starts.iter().zip(&self.ends) {
                out.push(row_hash(self.rows.get(*start..*end).unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Makes the canonical rows of the rows from `first` to before `stop`.
    fn put_together(&mut self, batch: &Batch, types: &[LogicalType], first: usize, stop: usize) {
        let mask = types.len().div_ceil(8);
        let mut room = vec![mask; stop - first];
        self.items.resize_with(types.len(), Items::default);
        for ((column, logical), items) in batch.columns.iter().zip(types).zip(&mut self.items) {
            if whole_numbers(column, *logical, first, stop).is_some() {
                room.iter_mut().for_each(|room| *room += WHOLE_MAX);
                continue;
            }
            items.fill(column, *logical, first, stop);
            let mut start = 0;
            for (room, end) in room.iter_mut().zip(&items.ends) {
                *room += end - start;
                start = *end;
            }
        }
        self.starts.clear();
        self.starts.extend(room.iter().scan(0, |at, room| {
            let start = *at;
            *at += room;
            Some(start)
        }));
        // Numbers are written eight bytes at a time, of which the last may reach beyond the item.
        let total = room.iter().sum::<usize>() + WHOLE_MAX;
        if self.rows.len() < total {
            self.rows.resize(total, 0);
        }
        self.ends.clear();
        for start in &self.starts {
            if let Some(bits) = self.rows.get_mut(*start..*start + mask) {
                bits.fill(0);
            }
            self.ends.push(start + mask);
        }
        for (number, ((column, logical), items)) in batch.columns.iter().zip(types).zip(&self.items).enumerate() {
            let mut target = Target { rows: &mut self.rows, starts: &self.starts, ends: &mut self.ends, number };
            match whole_numbers(column, *logical, first, stop) {
                Some(values) => target.append_numbers(values),
                None => target.append_items(items),
            }
        }
    }
}

/// The first 16 bytes of the BLAKE3 hash of a canonical row, little-endian.
fn row_hash(canonical: &[u8]) -> u128 {
    let hash = blake3::hash(canonical);
    hash.as_bytes().first_chunk().map_or(0, |first| u128::from_le_bytes(*first))
}

/// The values of these rows, if all are whole numbers of a column that declares whole numbers.
fn whole_numbers(column: &Column, logical: LogicalType, first: usize, stop: usize) -> Option<&[i64]> {
    let ColumnData::Integer(values) = &column.data else { return None };
    if !matches!(logical, LogicalType::Integer { .. } | LogicalType::Any) {
        return None;
    }
    let clear = |from: usize, len: usize, row: &dyn Fn(usize) -> u32| from == len || row(from) as usize >= stop;
    let null = column.nulls.partition_point(|row| (*row as usize) < first);
    let stray = column.strays.partition_point(|(row, _)| (*row as usize) < first);
    let plain = clear(null, column.nulls.len(), &|at| column.nulls.get(at).copied().unwrap_or(0))
        && clear(stray, column.strays.len(), &|at| column.strays.get(at).map_or(0, |(row, _)| *row));
    values.get(first..stop).filter(|_| plain)
}

impl Items {
    fn fill(&mut self, column: &Column, logical: LogicalType, first: usize, stop: usize) {
        self.bytes.clear();
        self.ends.clear();
        let mut start = 0;
        for row in first..stop {
            let value = column.get(row);
            // Neighbours are often equal, and dates are costly to read.
            if row > first && same_text(column, row) {
                let last = start..self.bytes.len();
                start = last.end;
                self.bytes.extend_from_within(last);
            } else {
                start = self.bytes.len();
                push_item(value, logical, &mut self.bytes);
            }
            self.ends.push(self.bytes.len());
        }
    }
}

/// Whether a row and the one before it hold the same text, in a column of nothing else.
fn same_text(column: &Column, row: usize) -> bool {
    match &column.data {
        ColumnData::Text(strings) if column.nulls.is_empty() && column.strays.is_empty() => {
            strings.get(row) == strings.get(row - 1)
        }
        _ => false,
    }
}

/// The canonical rows, about to get the items of one column.
struct Target<'a> {
    rows: &'a mut [u8],
    starts: &'a [usize],
    ends: &'a mut [usize],
    number: usize,
}

impl Target<'_> {
    fn append_numbers(&mut self, values: &[i64]) {
        if values.iter().fold(0, |all, value| all | value) == 0 {
            return;
        }
        let (byte, bit) = (self.number / 8, self.number % 8);
        for ((value, start), end) in values.iter().zip(self.starts).zip(self.ends.iter_mut()) {
            let (word, length) = item::whole(*value);
            if let Some(bits) = self.rows.get_mut(start + byte) {
                *bits |= u8::from(*value != 0) << bit;
            }
            if let Some(room) = self.rows.get_mut(*end..).and_then(<[u8]>::first_chunk_mut) {
                *room = word.to_le_bytes();
            }
            *end += length;
            if length == WHOLE_MAX
                && let Some(last) = self.rows.get_mut(*end - 1)
            {
                *last = (*value >> 56) as u8;
            }
        }
    }

    fn append_items(&mut self, items: &Items) {
        let (byte, bit) = (self.number / 8, self.number % 8);
        let mut start = 0;
        for ((stop, row), end) in items.ends.iter().zip(self.starts).zip(self.ends.iter_mut()) {
            let item = items.bytes.get(start..*stop).unwrap_or_default();
            start = *stop;
            if item.is_empty() {
                continue;
            }
            if let Some(bits) = self.rows.get_mut(row + byte) {
                *bits |= 1 << bit;
            }
            if let Some(room) = self.rows.get_mut(*end..*end + item.len()) {
                room.copy_from_slice(item);
            }
            *end += item.len();
        }
    }
}

#[cfg(test)]
mod tests;
