//! The digest of rows: the same rows give the same digest whatever database they came from and in whatever order they
//! stand. A row becomes its *canonical row* (chapter 8 of the specification), that becomes a hash of 128 bits, and the
//! hashes of many rows are added up. `item` says what one value becomes; here rows are put together, column by column
//! over a few rows at a time, so that a whole table is hashed about as fast as it is decoded.

mod item;
mod lanes;

use super::batch::{Batch, Column, ColumnData, Value};
use super::error::{ColumnError, ColumnErrorKind};
use super::logical::LogicalType;
use crate::base::position::Position;
use item::{ITEM, push_value};
use lanes::{BLOCK, Lanes};
use std::ops::Range;

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

/// Whether two values of a column are one in a canonical row: `2.50` and `2.5` of a decimal column are.
///
/// ```
/// use intervault::column::batch::Value;
/// use intervault::column::digest::alike;
/// use intervault::column::logical::LogicalType;
/// let decimal = LogicalType::Decimal { precision: 5, scale: 2 };
/// assert!(alike(Value::Text(b"2.50"), Value::Real(2.5), decimal));
/// assert!(!alike(Value::Text(b"2.50"), Value::Real(2.5), LogicalType::Text));
/// ```
#[must_use]
pub fn alike(one: Value<'_>, other: Value<'_>, logical: LogicalType) -> bool {
    let item = |value| {
        let mut item = Vec::new();
        let class = item::push_value(value, logical, &mut item);
        (class, item)
    };
    item(one) == item(other)
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
    /// The canonical rows, padding included.
    slices: Vec<(usize, usize)>,
    lanes: Lanes,
}

/// Items of one column, one after the other.
#[derive(Debug, Default)]
struct Items {
    /// The items, and behind the last one as many bytes as are read at once.
    bytes: Vec<u8>,
    /// Where each row's bytes start and end, and their class. Equal neighbours share them.
    places: Vec<Place>,
}

/// Where the bytes of a value start and end, and their class.
type Place = (usize, usize, u16);

/// Rows put together at a time: their canonical rows stay in the first cache.
const TILE: usize = 64;
/// Most bytes of a whole number.
const WHOLE_MAX: usize = 9;
/// Bytes of an item that are copied at once.
const ITEM_STRIDE: usize = 16;
/// Most bytes of the item of a text beside the text.
const ITEM_ROOM: usize = 8;
/// Columns that share two bytes of the mask.
const GROUP: usize = 8;
/// Room for the numbers of a group, written eight bytes at a time.
const GROUP_ROOM: usize = GROUP * WHOLE_MAX + 8;

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
            self.pad();
            self.lanes.hash(&self.rows, &self.slices, out);
        }
        Ok(())
    }

    /// Fills every canonical row up with zeros to a multiple of the hash's block.
    fn pad(&mut self) {
        self.slices.clear();
        for (start, end) in self.starts.iter().zip(&self.ends) {
            let stop = start + (end - start).next_multiple_of(BLOCK);
            if let Some(padding) = self.rows.get_mut(*end..stop) {
                padding.fill(0);
            }
            self.slices.push((*start, stop));
        }
    }

    /// Makes the canonical rows of the rows from `first` to before `stop`.
    fn put_together(&mut self, batch: &Batch, types: &[LogicalType], first: usize, stop: usize) {
        let mask = types.len().div_ceil(4);
        self.items.resize_with(types.len(), Items::default);
        let mut lanes = Vec::with_capacity(types.len());
        let mut wholes = 0;
        // Numbers and items are written eight bytes at a time and more, of which the last reach behind the row; then comes
        // the padding.
        let mut room = vec![mask + ITEM_STRIDE + BLOCK; stop - first];
        for ((column, logical), items) in batch.columns.iter().zip(types).zip(&mut self.items) {
            if let Some(values) = whole_numbers(column, *logical, first, stop) {
                wholes += 1;
                lanes.push(Lane::Numbers(values));
                continue;
            }
            items.fill(column, *logical, first, stop);
            for (room, (start, end, _)) in room.iter_mut().zip(&items.places) {
                *room += end - start;
            }
            lanes.push(Lane::Items(items));
        }
        self.starts.clear();
        self.starts.extend(room.iter().scan(0, |at, room| {
            let start = *at;
            *at += room + wholes * WHOLE_MAX;
            Some(start)
        }));
        // The numbers of a group are written into one slice, which the last row must have too.
        let total = room.iter().sum::<usize>() + room.len() * wholes * WHOLE_MAX + GROUP_ROOM;
        if self.rows.len() < total {
            self.rows.resize(total, 0);
        }
        self.ends.clear();
        self.ends.extend(self.starts.iter().map(|start| start + mask));
        let mut copies = [[0; TILE]; GROUP];
        for (number, lanes) in lanes.chunks(GROUP).enumerate() {
            let bytes = 2 * number..mask.min(2 * number + 2);
            Group::new(lanes, &mut copies).append(&mut self.rows, &self.starts, &mut self.ends, bytes);
        }
    }
}

/// What a column gives to the rows at hand.
#[derive(Debug, Clone, Copy)]
enum Lane<'a> {
    /// Whole numbers, one a row.
    Numbers(&'a [i64]),
    /// Items.
    Items(&'a Items),
}

/// Whether two texts are equal; without a call where both have 8 to 16 bytes, as dates and times of day have.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    match (a.first_chunk::<8>(), a.last_chunk::<8>(), b.first_chunk(), b.last_chunk()) {
        (Some(a1), Some(a2), Some(b1), Some(b2)) if a.len() == b.len() && a.len() <= 16 => a1 == b1 && a2 == b2,
        _ => a == b,
    }
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
        self.places.clear();
        if let ColumnData::Text(strings) | ColumnData::Blob(strings) = &column.data {
            // Long values would be in memory twice and more while this grows.
            let lengths = strings.offsets.get(first).zip(strings.offsets.get(stop)).map(|(first, stop)| stop - first);
            self.bytes.reserve_exact(lengths.unwrap_or(0) as usize + (stop - first) * ITEM_ROOM + ITEM_STRIDE);
        }
        let null = column.nulls.partition_point(|row| (*row as usize) < first);
        let stray = column.strays.partition_point(|(row, _)| (*row as usize) < first);
        let mut nulls = column.nulls.get(null..).unwrap_or_default().iter().map(|row| *row as usize).peekable();
        let mut strays = column.strays.get(stray..).unwrap_or_default().iter().peekable();
        // The text whose item was made last, and where that item lies. Dates are costly to read and often repeat.
        let mut last: Option<(&[u8], Place)> = None;
        for row in first..stop {
            let start = self.bytes.len();
            let class = if nulls.next_if_eq(&row).is_some() {
                push_value(Value::Null, logical, &mut self.bytes)
            } else if let Some((_, value)) = strays.next_if(|(at, _)| *at as usize == row) {
                push_value(value.as_value(), logical, &mut self.bytes)
            } else {
                match &column.data {
                    ColumnData::Integer(values) => {
                        let value = Value::Integer(values.get(row).copied().unwrap_or(0));
                        push_value(value, logical, &mut self.bytes)
                    }
                    ColumnData::Real(values) => {
                        let value = Value::Real(f64::from_bits(values.get(row).copied().unwrap_or(0)));
                        push_value(value, logical, &mut self.bytes)
                    }
                    ColumnData::Blob(strings) => push_value(Value::Blob(strings.get(row)), logical, &mut self.bytes),
                    ColumnData::Text(strings) => {
                        let text = strings.get(row);
                        if let Some((_, place)) = last.filter(|(before, _)| same(before, text)) {
                            self.places.push(place);
                            continue;
                        }
                        let class = push_value(Value::Text(text), logical, &mut self.bytes);
                        last = Some((text, (start, self.bytes.len(), class)));
                        class
                    }
                }
            };
            self.places.push((start, self.bytes.len(), class));
        }
        self.bytes.extend_from_slice(&[0; ITEM_STRIDE]);
    }

    /// Appends the item of a row of the tile, from 0, and perhaps something behind it; gives its class.
    #[inline]
    fn append(&self, row: usize, rows: &mut [u8], end: &mut usize) -> u16 {
        let (start, stop, class) = self.places.get(row).copied().unwrap_or_default();
        // Items are short as a rule: a copy of fixed length is no call.
        let strides = self.bytes.get(start..).and_then(<[u8]>::first_chunk::<ITEM_STRIDE>);
        let room = rows.get_mut(*end..).and_then(<[u8]>::first_chunk_mut::<ITEM_STRIDE>);
        match (strides, room, self.bytes.get(start..stop)) {
            (Some(item), Some(room), Some(exact)) if exact.len() <= ITEM_STRIDE => *room = *item,
            (_, _, exact) => {
                let exact = exact.unwrap_or_default();
                if let Some(room) = rows.get_mut(*end..*end + exact.len()) {
                    room.copy_from_slice(exact);
                }
            }
        }
        *end += stop - start;
        class
    }
}

/// Up to eight neighbouring columns of the rows at hand, which share two bytes of the mask.
struct Group<'a> {
    /// Numbers by column; zeros for columns that are not there or have items.
    numbers: [&'a [i64; TILE]; GROUP],
    items: [Option<&'a Items>; GROUP],
    plain: bool,
}

static ZEROS: [i64; TILE] = [0; TILE];

impl<'a> Group<'a> {
    /// `copies` takes the numbers of columns that end within the rows at hand.
    fn new(lanes: &[Lane<'a>], copies: &'a mut [[i64; TILE]; GROUP]) -> Group<'a> {
        let mut group = Group { numbers: [&ZEROS; GROUP], items: [None; GROUP], plain: true };
        let places = group.numbers.iter_mut().zip(&mut group.items).zip(copies);
        for (lane, ((numbers, items), copy)) in lanes.iter().zip(places) {
            match lane {
                Lane::Items(some) => {
                    *items = Some(some);
                    group.plain = false;
                }
                Lane::Numbers(values) => {
                    *numbers = match (*values).try_into() {
                        Ok(values) => values,
                        Err(_) => {
                            copy.iter_mut().zip(*values).for_each(|(copy, value)| *copy = *value);
                            copy
                        }
                    };
                }
            }
        }
        group
    }

    /// Appends what these columns give to every canonical row, and sets their bytes of the mask.
    fn append(&self, rows: &mut [u8], starts: &[usize], ends: &mut [usize], bytes: Range<usize>) {
        if self.plain {
            return append_plain(&self.numbers, rows, starts, ends, bytes);
        }
        for (row, (start, end)) in starts.iter().zip(ends).enumerate() {
            let numbers = self.numbers.map(|values| values.get(row).copied().unwrap_or(0));
            let mask = self.append_mixed(rows, end, row, &numbers);
            set_mask(rows, start + bytes.start, bytes.len(), mask);
        }
    }

    /// Appends numbers and items of one row; gives their classes.
    fn append_mixed(&self, rows: &mut [u8], end: &mut usize, row: usize, numbers: &[i64; GROUP]) -> u16 {
        let mut mask = 0;
        for (lane, (number, items)) in numbers.iter().zip(&self.items).enumerate() {
            let class = match items {
                Some(items) => items.append(row, rows, end),
                None => {
                    let (class, length) = write_whole(rows, *end, *number);
                    *end += length;
                    class
                }
            };
            mask |= class << (2 * lane);
        }
        mask
    }
}

/// Appends columns of numbers only. Not inlined: on its own this loop keeps what it needs in registers.
#[inline(never)]
fn append_plain(
    numbers: &[&[i64; TILE]; GROUP],
    rows: &mut [u8],
    starts: &[usize],
    ends: &mut [usize],
    bytes: Range<usize>,
) {
    // The columns side by side, row by row: copied together first, they would take twice as long.
    let [a, b, c, d, e, f, g, h] = numbers;
    let columns = a.iter().zip(*b).zip(c.iter().zip(*d)).zip(e.iter().zip(*f).zip(g.iter().zip(*h)));
    for ((start, end), (((a, b), (c, d)), ((e, f), (g, h)))) in starts.iter().zip(ends).zip(columns) {
        let mut mask = 0;
        if a | b | c | d | e | f | g | h != 0 {
            let Some(room) = rows.get_mut(*end..).and_then(<[u8]>::first_chunk_mut::<GROUP_ROOM>) else { return };
            let mut at = 0;
            let mut put = |value: i64, lane: u32| {
                let (class, length) = write_whole(room, at, value);
                at += length;
                mask |= class << (2 * lane);
            };
            put(*a, 0);
            put(*b, 1);
            put(*c, 2);
            put(*d, 3);
            put(*e, 4);
            put(*f, 5);
            put(*g, 6);
            put(*h, 7);
            *end += at;
        }
        set_mask(rows, start + bytes.start, bytes.len(), mask);
    }
}

/// Puts the one or two bytes of a mask in their place.
#[inline]
fn set_mask(rows: &mut [u8], at: usize, bytes: usize, mask: u16) {
    let [low, high] = mask.to_le_bytes();
    if let Some(place) = rows.get_mut(at) {
        *place = low;
    }
    if bytes == 2
        && let Some(place) = rows.get_mut(at + 1)
    {
        *place = high;
    }
}

/// Writes a whole number, and perhaps something behind it; gives its class and length.
#[inline(always)]
fn write_whole(room: &mut [u8], at: usize, value: i64) -> (u16, usize) {
    let class = item::class(value);
    if class == ITEM {
        return (class, write_item(room, at, value));
    }
    if let Some(slot) = room.get_mut(at..at + 8).and_then(<[u8]>::first_chunk_mut) {
        *slot = value.to_le_bytes();
    }
    (class, 2 * usize::from(class))
}

/// Writes the item of a whole number, and perhaps something behind it; gives the item's length.
#[cold]
fn write_item(room: &mut [u8], at: usize, value: i64) -> usize {
    let (word, length) = item::whole(value);
    if let Some(slot) = room.get_mut(at..at + 8).and_then(<[u8]>::first_chunk_mut) {
        *slot = word.to_le_bytes();
    }
    if length == WHOLE_MAX
        && let Some(last) = room.get_mut(at + 8)
    {
        *last = (value >> 56) as u8;
    }
    length
}

#[cfg(test)]
mod tests;
