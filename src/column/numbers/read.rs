//! Reading number streams. Nothing is trusted: counts come from outside and are bounded there, everything else is
//! checked against the bytes left before it is used.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::tokens::{BitReader, KEPT_BITS_MAX, table};
use super::unzigzag;
use crate::base::cursor::Cursor;
use crate::column::error::{ColumnError, ColumnErrorKind};
use crate::column::id::{NUMBERS_DEPTH_MAX, form};
use crate::column::stream::read_stream_exact;

/// Reads a number stream of `count` numbers. The caller has bounded `count`; memory is a small multiple of it.
///
/// # Errors
/// The stream is cut short or contradicts itself.
pub(in crate::column) fn read_numbers(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, ColumnError> {
    read_at_depth(cursor, count, 1)
}

fn field(cursor: &Cursor<'_>, field: &'static str, found: u64, allowed: &'static str) -> ColumnError {
    ColumnError::new(ColumnErrorKind::Field { field, found, allowed }, cursor.position())
}

fn read_at_depth(cursor: &mut Cursor<'_>, count: usize, depth: u32) -> Result<Vec<i64>, ColumnError> {
    if depth > NUMBERS_DEPTH_MAX {
        return Err(field(cursor, "depth of number streams", u64::from(depth), "1 to 4"));
    }
    let form = cursor.u8()?;
    let inner = depth.saturating_add(1);
    match form {
        form::CONSTANT => Ok(vec![cursor.i64()?; count]),
        form::NARROW => read_narrow(cursor, count),
        form::PLANES => read_planes(cursor, count),
        form::TOKENS => read_tokens(cursor, count),
        form::SPARSE => read_sparse(cursor, count, inner),
        form::DICTIONARY => read_dictionary(cursor, count, inner),
        form::DELTA => read_delta(cursor, count, inner),
        other => Err(field(cursor, "form", u64::from(other), "1 to 7")),
    }
}

fn read_width(cursor: &mut Cursor<'_>) -> Result<usize, ColumnError> {
    match cursor.u8()? {
        width @ (1 | 2 | 4 | 8) => Ok(usize::from(width)),
        other => Err(field(cursor, "width", u64::from(other), "1, 2, 4 or 8")),
    }
}

fn read_narrow(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, ColumnError> {
    let width = read_width(cursor)?;
    let base = cursor.i64()?;
    let bytes = read_stream_exact(cursor, count.saturating_mul(width))?;
    let add = |rest: u64| base.wrapping_add(rest as i64);
    Ok(match width {
        1 => bytes.iter().map(|byte| add(u64::from(*byte))).collect(),
        2 => bytes.as_chunks().0.iter().map(|chunk| add(u64::from(u16::from_le_bytes(*chunk)))).collect(),
        4 => bytes.as_chunks().0.iter().map(|chunk| add(u64::from(u32::from_le_bytes(*chunk)))).collect(),
        _ => bytes.as_chunks().0.iter().map(|chunk| add(u64::from_le_bytes(*chunk))).collect(),
    })
}

fn read_planes(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, ColumnError> {
    let width = read_width(cursor)?;
    let base = cursor.i64()?;
    let mut values = vec![base; count];
    for plane in 0..width as u32 {
        let bytes = read_stream_exact(cursor, count)?;
        for (value, byte) in values.iter_mut().zip(bytes.iter()) {
            *value = value.wrapping_add(i64::from(*byte).wrapping_shl(plane.wrapping_mul(8)));
        }
    }
    Ok(values)
}

fn read_tokens(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i64>, ColumnError> {
    let kept = u32::from(cursor.u8()?);
    if kept > KEPT_BITS_MAX {
        return Err(field(cursor, "kept bits", u64::from(kept), "0 to 7"));
    }
    let base = cursor.i64()?;
    let tokens = read_stream_exact(cursor, count)?;
    let table = table(kept);
    // A token that stands for no number gets so many low bits that the sum cannot be met.
    let lows: [u64; 256] = table.map(|entry| entry.map_or(u64::MAX, |(_, low)| u64::from(low)));
    let bits = tokens
        .iter()
        .fold(0u64, |sum, token| sum.saturating_add(lows.get(usize::from(*token)).copied().unwrap_or(u64::MAX)));
    let bytes = usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX);
    let mut reader = BitReader::new(cursor.bytes(bytes)?);
    let entries: [(u64, u32); 256] = table.map(Option::unwrap_or_default);
    Ok(tokens
        .iter()
        .map(|token| {
            let (lead, low) = entries.get(usize::from(*token)).copied().unwrap_or_default();
            base.wrapping_add((lead | reader.take(low)) as i64)
        })
        .collect())
}

fn read_sparse(cursor: &mut Cursor<'_>, count: usize, depth: u32) -> Result<Vec<i64>, ColumnError> {
    let common = cursor.i64()?;
    let exceptions = cursor.u32()? as usize;
    if exceptions > count {
        return Err(field(cursor, "exceptions", exceptions as u64, "at most the number of values"));
    }
    let gaps = read_at_depth(cursor, exceptions, depth)?;
    let exceptional = read_at_depth(cursor, exceptions, depth)?;
    let mut values = vec![common; count];
    let places = Places::new(&gaps, count);
    for (place, value) in places.zip(exceptional) {
        match place.and_then(|at| values.get_mut(at)) {
            Some(slot) => *slot = value,
            None => return Err(field(cursor, "gap", count as u64, "a place within the values")),
        }
    }
    Ok(values)
}

/// The places that gaps name: each gap counts what lies between a place and the one before it.
pub(in crate::column) struct Places<'a> {
    gaps: std::slice::Iter<'a, i64>,
    next: usize,
    end: usize,
}

impl<'a> Places<'a> {
    /// Places within `end` values.
    pub(in crate::column) fn new(gaps: &'a [i64], end: usize) -> Places<'a> {
        Places { gaps: gaps.iter(), next: 0, end }
    }
}

impl Iterator for Places<'_> {
    /// `None` inside: the place would lie behind the end.
    type Item = Option<usize>;

    fn next(&mut self) -> Option<Option<usize>> {
        let gap = self.gaps.next()?;
        let place = usize::try_from(*gap).ok().and_then(|gap| self.next.checked_add(gap)).filter(|at| *at < self.end);
        self.next = place.unwrap_or(self.end).saturating_add(1);
        Some(place)
    }
}

fn read_dictionary(cursor: &mut Cursor<'_>, count: usize, depth: u32) -> Result<Vec<i64>, ColumnError> {
    let distinct = cursor.u32()? as usize;
    if distinct > count {
        return Err(field(cursor, "distinct values", distinct as u64, "at most the number of values"));
    }
    let entries = read_at_depth(cursor, distinct, depth)?;
    let mut values = read_at_depth(cursor, count, depth)?;
    for value in &mut values {
        match usize::try_from(*value).ok().and_then(|index| entries.get(index)) {
            Some(entry) => *value = *entry,
            None => return Err(field(cursor, "index", *value as u64, "below the number of distinct values")),
        }
    }
    Ok(values)
}

fn read_delta(cursor: &mut Cursor<'_>, count: usize, depth: u32) -> Result<Vec<i64>, ColumnError> {
    if count == 0 {
        return Err(field(cursor, "values of a delta", 0, "at least 1"));
    }
    let mut last = cursor.i64()?;
    let steps = read_at_depth(cursor, count.saturating_sub(1), depth)?;
    let mut values = Vec::with_capacity(count);
    values.push(last);
    values.extend(steps.into_iter().map(|step| {
        last = last.wrapping_add(unzigzag(step as u64));
        last
    }));
    Ok(values)
}

/// Reads `count`, then gaps, then the places they name within `end`, ascending.
///
/// # Errors
/// More places than `end`, or one behind it.
pub(in crate::column) fn read_places(cursor: &mut Cursor<'_>, end: usize) -> Result<Vec<u32>, ColumnError> {
    let count = cursor.u32()? as usize;
    if count > end {
        return Err(field(cursor, "rows", count as u64, "at most the number of rows of the chunk"));
    }
    let gaps = read_numbers(cursor, count)?;
    let places: Option<Vec<u32>> = Places::new(&gaps, end).map(|place| place.map(|at| at as u32)).collect();
    places.ok_or_else(|| field(cursor, "gap", end as u64, "a row of the chunk"))
}
