//! Decoding: the way back from a column's bytes. Bytes may be hostile: every count is checked against the rows of the
//! chunk or the size that its directory promised before anything is allocated, and nothing here can panic.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::batch::{Batch, Column, ColumnData, OwnedValue, Strings};
use super::encode::EncodedColumn;
use super::error::{ColumnError, ColumnErrorKind};
use super::id::{self, class};
use super::numbers::read::{read_numbers, read_places};
use super::numbers::unzigzag;
use super::stream::read_stream;
use super::text::read::read_strings;
use crate::base::cursor::Cursor;
use crate::base::limits::{CHUNK_DECODED_MAX, CHUNK_ROWS_MAX};
use crate::base::position::Position;

/// One column of a chunk as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredColumn<'a> {
    /// Id of the encoding.
    pub encoding: u16,
    /// Bytes that the decoded column takes at most, as the chunk's directory says.
    pub decoded: u32,
    /// What is stored.
    pub bytes: &'a [u8],
}

impl<'a> From<&'a EncodedColumn> for StoredColumn<'a> {
    fn from(column: &'a EncodedColumn) -> StoredColumn<'a> {
        StoredColumn { encoding: column.encoding, decoded: column.decoded, bytes: &column.bytes }
    }
}

/// Decodes the columns of a chunk with `rows` rows: all of them, or only those in `wanted` (numbers from 0), which then
/// are the columns of the batch, in the order of `wanted`. What is not wanted is not looked at, unless a wanted column
/// refers to it.
///
/// # Errors
/// More rows or decoded bytes than a chunk may have, a wanted column that does not exist, or bytes that are not a
/// column; the error names the column.
pub fn decode_batch(columns: &[StoredColumn<'_>], rows: usize, wanted: Option<&[usize]>) -> Result<Batch, ColumnError> {
    limit("rows", rows as u64, u64::from(CHUNK_ROWS_MAX))?;
    let all: Vec<usize>;
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => {
            all = (0..columns.len()).collect();
            &all
        }
    };
    let promised = wanted.iter().filter_map(|number| columns.get(*number)).map(|column| u64::from(column.decoded));
    limit("decoded bytes", promised.fold(0, u64::saturating_add), CHUNK_DECODED_MAX)?;
    let mut decoded: Vec<Column> = Vec::with_capacity(wanted.len());
    for number in wanted {
        let place = Position::UNKNOWN.with_column(*number as u32);
        let column = decode_one(columns, *number, rows, wanted, &decoded).map_err(|error| error.within(place))?;
        decoded.push(column);
    }
    Ok(Batch { columns: decoded, rows })
}

fn limit(field: &'static str, found: u64, limit: u64) -> Result<(), ColumnError> {
    if found > limit {
        return Err(ColumnError { kind: ColumnErrorKind::Limit { field, found, limit }, at: Position::UNKNOWN });
    }
    Ok(())
}

fn decode_one(
    columns: &[StoredColumn<'_>],
    number: usize,
    rows: usize,
    wanted: &[usize],
    decoded: &[Column],
) -> Result<Column, ColumnError> {
    let Some(stored) = columns.get(number) else {
        let kind = field("column wanted", number as u64, "a column of the chunk");
        return Err(ColumnError::new(kind, 0));
    };
    let Some(other) = refers_to(stored)? else {
        return decode_column(stored, rows, None);
    };
    let earlier = columns.get(other).filter(|_| other < number);
    let Some(earlier) = earlier.filter(|earlier| !matches!(earlier.encoding, id::EQUAL | id::DIFFERENCE)) else {
        let kind = field("column referred to", other as u64, "an earlier column that refers to none");
        return Err(ColumnError::new(kind, 0));
    };
    let known = wanted.iter().position(|wanted| *wanted == other).and_then(|at| decoded.get(at));
    match known {
        Some(column) => decode_column(stored, rows, Some(column)),
        None => decode_column(stored, rows, Some(&decode_column(earlier, rows, None)?)),
    }
}

/// The number of the earlier column that this one refers to, if it does.
///
/// # Errors
/// The reference is cut short.
pub fn refers_to(stored: &StoredColumn<'_>) -> Result<Option<usize>, ColumnError> {
    match stored.encoding {
        id::EQUAL | id::DIFFERENCE => Ok(Some(usize::from(Cursor::new(stored.bytes).u16()?))),
        _ => Ok(None),
    }
}

/// Decodes one column of `rows` rows; `earlier` is the decoded column that it refers to, see [`refers_to`].
///
/// # Errors
/// The bytes are not a column of that many rows, take more than `decoded` bytes, or bytes are left over.
pub fn decode_column(stored: &StoredColumn<'_>, rows: usize, earlier: Option<&Column>) -> Result<Column, ColumnError> {
    limit("rows", rows as u64, u64::from(CHUNK_ROWS_MAX))?;
    limit("decoded bytes", u64::from(stored.decoded), CHUNK_DECODED_MAX)?;
    let mut cursor = Cursor::new(stored.bytes);
    let column = match stored.encoding {
        id::EQUAL | id::DIFFERENCE => decode_related(&mut cursor, stored, rows, earlier)?,
        id::INTEGERS..=id::DIGIT_GROUPS => decode_alone(&mut cursor, stored, rows)?,
        other => return Err(ColumnError::new(ColumnErrorKind::Encoding(other), 0)),
    };
    if cursor.left() > 0 {
        let kind = field("bytes after the column", cursor.left() as u64, "0");
        return Err(ColumnError::new(kind, cursor.position()));
    }
    Ok(column)
}

const fn field(field: &'static str, found: u64, allowed: &'static str) -> ColumnErrorKind {
    ColumnErrorKind::Field { field, found, allowed }
}

fn decode_related(
    cursor: &mut Cursor<'_>,
    stored: &StoredColumn<'_>,
    rows: usize,
    earlier: Option<&Column>,
) -> Result<Column, ColumnError> {
    let other = u64::from(cursor.u16()?);
    let Some(earlier) = earlier.filter(|earlier| earlier.len() == rows) else {
        let kind = field("column referred to", other, "a decoded column of as many rows");
        return Err(ColumnError::new(kind, 0));
    };
    if stored.encoding == id::EQUAL {
        let mut budget = Budget::new(stored.decoded);
        budget.take_column(earlier)?;
        return Ok(earlier.clone());
    }
    let base = match &earlier.data {
        ColumnData::Integer(values) if earlier.nulls.is_empty() && earlier.strays.is_empty() => values,
        _ => {
            let kind = field("column referred to", other, "whole numbers without nulls and strays");
            return Err(ColumnError::new(kind, 0));
        }
    };
    Budget::new(stored.decoded).take(rows, 8)?;
    let steps = read_numbers(cursor, rows)?;
    let add = |(step, base): (i64, &i64)| base.wrapping_add(unzigzag(step as u64));
    Ok(Column::new(ColumnData::Integer(steps.into_iter().zip(base).map(add).collect())))
}

/// What is left of the bytes that the directory promised for the decoded column.
struct Budget {
    left: usize,
    promised: u64,
}

impl Budget {
    const fn new(decoded: u32) -> Budget {
        Budget { left: decoded as usize, promised: decoded as u64 }
    }

    fn take(&mut self, count: usize, each: usize) -> Result<(), ColumnError> {
        let bytes = count.saturating_mul(each);
        let over = ColumnErrorKind::Limit { field: "decoded bytes", found: bytes as u64, limit: self.promised };
        self.left = self.left.checked_sub(bytes).ok_or(ColumnError { kind: over, at: Position::UNKNOWN })?;
        Ok(())
    }

    fn take_column(&mut self, column: &Column) -> Result<(), ColumnError> {
        match &column.data {
            ColumnData::Integer(_) | ColumnData::Real(_) => self.take(column.len(), 8)?,
            ColumnData::Text(strings) | ColumnData::Blob(strings) => {
                self.take(column.len(), 4)?;
                self.take(strings.bytes.len(), 1)?;
            }
        }
        self.take(column.nulls.len(), 4)?;
        column.strays.iter().try_for_each(|(_, value)| match value {
            OwnedValue::Text(bytes) | OwnedValue::Blob(bytes) => self.take(bytes.len().saturating_add(16), 1),
            OwnedValue::Null | OwnedValue::Integer(_) | OwnedValue::Real(_) => self.take(1, 16),
        })
    }
}

fn decode_alone(cursor: &mut Cursor<'_>, stored: &StoredColumn<'_>, rows: usize) -> Result<Column, ColumnError> {
    let mut budget = Budget::new(stored.decoded);
    let head = cursor.u8()?;
    if head > 15 {
        return Err(ColumnError::new(field("head", u64::from(head), "0 to 15"), 0));
    }
    let nulls = if head & class::HAS_NULLS != 0 { read_places(cursor, rows)? } else { Vec::new() };
    budget.take(nulls.len(), 4)?;
    let strays = if head & class::HAS_STRAYS != 0 { read_strays(cursor, rows, &mut budget)? } else { Vec::new() };
    let holes = merge(&nulls, &strays).ok_or_else(|| {
        let kind = field("row of a stray", rows as u64, "a row that is not null");
        ColumnError::new(kind, cursor.position())
    })?;
    let count = rows.saturating_sub(holes.len());
    let strings = |cursor: &mut Cursor<'_>, budget: &mut Budget| -> Result<Strings, ColumnError> {
        budget.take(rows, 4)?;
        match read_strings(stored.encoding, cursor, count, budget.left)? {
            Some(strings) => Ok(expand_strings(strings, &holes, rows)),
            None => Err(ColumnError::new(mismatch(stored.encoding), 0)),
        }
    };
    let data = match (head & 3, stored.encoding) {
        (class::INTEGER, id::INTEGERS) => {
            budget.take(rows, 8)?;
            ColumnData::Integer(expand(read_numbers(cursor, count)?, &holes, rows))
        }
        (class::REAL, id::REALS | id::SCALED_REALS) => {
            budget.take(rows, 8)?;
            let bits = read_reals(stored.encoding, cursor, count)?;
            ColumnData::Real(expand(bits, &holes, rows))
        }
        (class::TEXT, _) => ColumnData::Text(strings(cursor, &mut budget)?),
        (class::BLOB, id::STRINGS | id::STRING_DICTIONARY) => ColumnData::Blob(strings(cursor, &mut budget)?),
        _ => return Err(ColumnError::new(mismatch(stored.encoding), 0)),
    };
    Ok(Column { data, nulls, strays })
}

fn mismatch(encoding: u16) -> ColumnErrorKind {
    field("encoding", u64::from(encoding), "one that suits the storage class in the head")
}

fn read_reals(encoding: u16, cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<u64>, ColumnError> {
    if encoding == id::REALS {
        return Ok(read_numbers(cursor, count)?.into_iter().map(|bits| bits as u64).collect());
    }
    let scale = cursor.u8()?;
    if scale > 15 {
        return Err(ColumnError::new(field("scale", u64::from(scale), "0 to 15"), cursor.position()));
    }
    // Powers of ten up to the 15th are exact.
    let power = 10i64.saturating_pow(u32::from(scale)) as f64;
    Ok(read_numbers(cursor, count)?.into_iter().map(|whole| (whole as f64 / power).to_bits()).collect())
}

fn read_strays(
    cursor: &mut Cursor<'_>,
    rows: usize,
    budget: &mut Budget,
) -> Result<Vec<(u32, OwnedValue)>, ColumnError> {
    let places = read_places(cursor, rows)?;
    budget.take(places.len(), 16)?;
    let at = cursor.position();
    // A stray needs at most 9 bytes beside those of its string.
    let bytes = read_stream(cursor, budget.left.saturating_add(places.len().saturating_mul(9)))?;
    let mut values = Cursor::new(&bytes);
    let mut strays = Vec::with_capacity(places.len());
    for row in places {
        strays.push((row, read_stray(&mut values, budget).map_err(|error| ColumnError::new(error.kind, at))?));
    }
    if values.left() > 0 {
        return Err(ColumnError::new(field("bytes after the strays", values.left() as u64, "0"), at));
    }
    Ok(strays)
}

fn read_stray(values: &mut Cursor<'_>, budget: &mut Budget) -> Result<OwnedValue, ColumnError> {
    let class = values.u8()?;
    match class {
        class::INTEGER => Ok(OwnedValue::Integer(values.i64()?)),
        class::REAL => Ok(OwnedValue::Real(f64::from_bits(values.u64()?))),
        class::TEXT | class::BLOB => {
            let length = values.u32()? as usize;
            budget.take(length, 1)?;
            let string = values.bytes(length)?.to_vec();
            Ok(if class == class::TEXT { OwnedValue::Text(string) } else { OwnedValue::Blob(string) })
        }
        other => Err(ColumnError::new(field("class of a stray", u64::from(other), "0 to 3"), 0)),
    }
}

/// Rows of nulls and strays together, ascending; `None` if they have one in common.
fn merge(nulls: &[u32], strays: &[(u32, OwnedValue)]) -> Option<Vec<u32>> {
    let mut holes: Vec<u32> = nulls.iter().copied().chain(strays.iter().map(|(row, _)| *row)).collect();
    if !strays.is_empty() {
        holes.sort_unstable();
    }
    holes.is_sorted_by(|a, b| a < b).then_some(holes)
}

/// Puts a zero into every hole.
fn expand<T: Copy + Default>(values: Vec<T>, holes: &[u32], rows: usize) -> Vec<T> {
    if holes.is_empty() {
        return values;
    }
    let mut all = Vec::with_capacity(rows);
    let mut rest = values.as_slice();
    for hole in holes {
        let before = (*hole as usize).saturating_sub(all.len());
        let (run, after) = rest.split_at_checked(before).unwrap_or((rest, &[]));
        all.extend_from_slice(run);
        all.push(T::default());
        rest = after;
    }
    all.extend_from_slice(rest);
    all
}

/// Puts an empty string into every hole.
fn expand_strings(strings: Strings, holes: &[u32], rows: usize) -> Strings {
    if holes.is_empty() {
        return strings;
    }
    let mut offsets = Vec::with_capacity(rows.saturating_add(1));
    let mut ends = strings.offsets.iter().copied();
    let mut end = ends.next().unwrap_or(0);
    offsets.push(end);
    let mut holes = holes.iter().copied().peekable();
    for row in 0..rows as u32 {
        if holes.next_if_eq(&row).is_none() {
            end = ends.next().unwrap_or(end);
        }
        offsets.push(end);
    }
    Strings { offsets, bytes: strings.bytes }
}
