//! Reading texts and blobs.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::digits::{DIGITS_MAX, SCALE_MAX, digits, push_decimal, push_digits};
use crate::base::cursor::Cursor;
use crate::column::batch::Strings;
use crate::column::civil::{date_text, timestamp_text};
use crate::column::error::{ColumnError, ColumnErrorKind};
use crate::column::id;
use crate::column::numbers::read::read_numbers;
use crate::column::stream::read_stream_exact;

/// Collects strings whose bytes together may not exceed what the chunk's directory promised.
struct Gather {
    strings: Strings,
    bytes_max: usize,
}

impl Gather {
    fn new(count: usize, bytes_max: usize) -> Gather {
        let mut offsets = Vec::with_capacity(count.saturating_add(1));
        offsets.push(0);
        Gather { strings: Strings { offsets, bytes: Vec::new() }, bytes_max }
    }

    /// Ends the string whose bytes were appended last.
    fn end(&mut self) -> Result<(), ColumnErrorKind> {
        let bytes = self.strings.bytes.len();
        if bytes > self.bytes_max {
            return Err(over(bytes as u64, self.bytes_max));
        }
        self.strings.offsets.push(bytes as u32);
        Ok(())
    }

    fn push(&mut self, string: &[u8]) -> Result<(), ColumnErrorKind> {
        self.strings.bytes.extend_from_slice(string);
        self.end()
    }

    /// Adds the text of every number. Neighbours are often equal, and made once.
    fn dated<const N: usize>(
        &mut self,
        values: &[i64],
        text: impl Fn(i64) -> Result<[u8; N], ColumnErrorKind>,
    ) -> Result<(), ColumnErrorKind> {
        let Some(first) = values.first() else { return Ok(()) };
        let mut last = (*first, text(*first)?);
        values.iter().try_for_each(|value| {
            if *value != last.0 {
                last = (*value, text(*value)?);
            }
            self.push(&last.1)
        })
    }
}

fn over(found: u64, limit: usize) -> ColumnErrorKind {
    ColumnErrorKind::Limit { field: "bytes of all strings", found, limit: limit as u64 }
}

fn refused(field: &'static str, found: i64, allowed: &'static str) -> ColumnErrorKind {
    ColumnErrorKind::Field { field, found: found as u64, allowed }
}

/// Reads `count` strings of at most `bytes_max` bytes in all; `None` if the encoding is not one of strings.
///
/// # Errors
/// The bytes are cut short, contradict themselves or exceed the bound.
pub(in crate::column) fn read_strings(
    encoding: u16,
    cursor: &mut Cursor<'_>,
    count: usize,
    bytes_max: usize,
) -> Result<Option<Strings>, ColumnError> {
    let mut gather = Gather::new(count, bytes_max);
    let done = match encoding {
        id::STRINGS => return read_plain(cursor, count, bytes_max).map(Some),
        id::STRING_DICTIONARY => return read_dictionary(cursor, count, bytes_max).map(Some),
        id::DIGIT_GROUPS => return read_groups(cursor, count, bytes_max).map(Some),
        id::DATES => gather.dated(&read_numbers(cursor, count)?, |day| {
            date_text(day).ok_or_else(|| refused("day", day, "0001-01-01 to 9999-12-31"))
        }),
        id::TIMESTAMPS => gather.dated(&read_numbers(cursor, count)?, |second| {
            timestamp_text(second).ok_or_else(|| refused("second", second, "of the years 1 to 9999"))
        }),
        id::DECIMALS => {
            let scale = cursor.u8()?;
            if scale > SCALE_MAX {
                let kind = refused("scale", i64::from(scale), "0 to 17");
                return Err(ColumnError::new(kind, cursor.position()));
            }
            each(&read_numbers(cursor, count)?, |value| {
                push_decimal(value, scale, &mut gather.strings.bytes);
                gather.end()
            })
        }
        id::DIGITS => each(&read_numbers(cursor, count)?, |value| {
            push_digits(value, &mut gather.strings.bytes)
                .ok_or_else(|| refused("number of digits", value, "a 1 and up to 17 digits"))?;
            gather.end()
        }),
        _ => return Ok(None),
    };
    done.map_err(|kind| ColumnError::new(kind, cursor.position()))?;
    Ok(Some(gather.strings))
}

fn each(values: &[i64], mut push: impl FnMut(i64) -> Result<(), ColumnErrorKind>) -> Result<(), ColumnErrorKind> {
    values.iter().try_for_each(|value| push(*value))
}

/// Lengths, then all bytes.
fn read_plain(cursor: &mut Cursor<'_>, count: usize, bytes_max: usize) -> Result<Strings, ColumnError> {
    let lengths = read_numbers(cursor, count)?;
    let at = cursor.position();
    let mut offsets = Vec::with_capacity(count.saturating_add(1));
    offsets.push(0);
    let mut total = 0usize;
    for length in lengths {
        total = usize::try_from(length)
            .ok()
            .and_then(|length| total.checked_add(length))
            .filter(|total| *total <= bytes_max)
            .ok_or_else(|| ColumnError::new(over(length as u64, bytes_max), at))?;
        offsets.push(total as u32);
    }
    let bytes = read_stream_exact(cursor, total)?.into_owned();
    Ok(Strings { offsets, bytes })
}

/// The distinct strings, then the index of each.
fn read_dictionary(cursor: &mut Cursor<'_>, count: usize, bytes_max: usize) -> Result<Strings, ColumnError> {
    let distinct = cursor.u32()? as usize;
    if distinct > count {
        let kind = refused("distinct strings", distinct as i64, "at most the number of values");
        return Err(ColumnError::new(kind, cursor.position()));
    }
    let entries = read_plain(cursor, distinct, bytes_max)?;
    let indices = read_numbers(cursor, count)?;
    let mut gather = Gather::new(count, bytes_max);
    each(&indices, |index| match usize::try_from(index) {
        Ok(at) if at < distinct => gather.push(entries.get(at)),
        _ => Err(refused("index", index, "below the number of distinct strings")),
    })
    .map_err(|kind| ColumnError::new(kind, cursor.position()))?;
    Ok(gather.strings)
}

/// Groups of digits, each a number stream of its own.
fn read_groups(cursor: &mut Cursor<'_>, count: usize, bytes_max: usize) -> Result<Strings, ColumnError> {
    let at = cursor.position();
    let groups = usize::from(cursor.u8()?);
    let widths: Vec<usize> = cursor.bytes(groups)?.iter().map(|width| usize::from(*width)).collect();
    if let Some(width) = widths.iter().find(|width| !(1..=DIGITS_MAX).contains(*width)) {
        return Err(ColumnError::new(refused("width of a group", *width as i64, "1 to 18"), at));
    }
    let length: usize = widths.iter().sum();
    let total = length.saturating_mul(count);
    if total > bytes_max {
        return Err(ColumnError::new(over(total as u64, bytes_max), at));
    }
    let mut bytes = vec![b'0'; total];
    let mut start = 0usize;
    for width in widths {
        let shift = 10i64.saturating_pow(width as u32);
        let values = read_numbers(cursor, count)?;
        for (value, text) in values.into_iter().zip(bytes.chunks_exact_mut(length.max(1))) {
            if !(0..shift).contains(&value) {
                let kind = refused("group of digits", value, "a number of as many digits as the group is wide");
                return Err(ColumnError::new(kind, cursor.position()));
            }
            let mut buffer = [0; 20];
            let all = digits(&mut buffer, value as u64, width);
            if let Some(slot) = text.get_mut(start..start.saturating_add(width)) {
                slot.copy_from_slice(all);
            }
        }
        start = start.saturating_add(width);
    }
    let offsets = (0..=count).map(|row| row.saturating_mul(length) as u32).collect();
    Ok(Strings { offsets, bytes })
}
