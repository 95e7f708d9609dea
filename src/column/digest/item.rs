//! The canonical item: what one value becomes in a canonical row. It follows the logical type, not the storage class, so
//! that a decimal kept as text here and as a number there is the same item; a value that does not fit its logical type
//! is escaped and stands for itself.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::base::time::DAY;
use crate::column::batch::Value;
use crate::column::civil::{parse_date, parse_time};
use crate::column::logical::LogicalType;

/// First bytes of items.
mod tag {
    /// Whole number of this minus 0xC0 bytes.
    pub(super) const WHOLE: u8 = 0xC0;
    pub(super) const NULL: u8 = 0xD0;
    pub(super) const REAL: u8 = 0xD1;
    pub(super) const TEXT: u8 = 0xD2;
    pub(super) const BLOB: u8 = 0xD3;
    pub(super) const DECIMAL: u8 = 0xD4;
    pub(super) const DATE: u8 = 0xD5;
    pub(super) const TIMESTAMP: u8 = 0xD6;
    pub(super) const TIME: u8 = 0xD7;
    pub(super) const TIMESTAMP_ZONE: u8 = 0xD8;
    pub(super) const ESCAPE: u8 = 0xDF;
}

/// The class of what has an item; below it lie whole numbers of 0, 2 and 4 bytes.
pub(super) const ITEM: u16 = 3;

/// The class of a whole number, by which the mask tells how it is stored: 0, then those of up to 2 and up to 4 bytes,
/// which take twice their class in bytes, and [`ITEM`] for the others.
#[inline]
pub(super) const fn class(value: i64) -> u16 {
    let bits = value as u64;
    ((bits != 0) as u16).wrapping_add((bits > 0xFFFF) as u16).wrapping_add((bits > 0xFFFF_FFFF) as u16)
}

/// The item of a whole number, as up to eight bytes and its length; at length 9 the last byte is the highest of the number.
#[inline]
pub(super) const fn whole(value: i64) -> (u64, usize) {
    let bits = value as u64;
    // Bits that say something, and the sign.
    let significant = 65u32.wrapping_sub((bits ^ (value >> 63) as u64).leading_zeros());
    let bytes = significant.div_ceil(8);
    let word = (tag::WHOLE.wrapping_add(bytes as u8)) as u64 | bits.wrapping_shl(8);
    (word, (bytes as usize).wrapping_add(1))
}

/// Appends what the canonical row has of a value, and gives its class.
pub(super) fn push_value(value: Value<'_>, logical: LogicalType, out: &mut Vec<u8>) -> u16 {
    let fitted = match (logical, value) {
        (_, Value::Null) => {
            out.push(tag::NULL);
            Some(())
        }
        (LogicalType::Integer { .. } | LogicalType::Any, Value::Integer(number))
        | (LogicalType::Boolean, Value::Integer(number @ 0..=1)) => {
            let class = class(number);
            if class < ITEM {
                let length = usize::from(class).wrapping_mul(2);
                out.extend_from_slice(number.to_le_bytes().get(..length).unwrap_or_default());
                return class;
            }
            push_whole(number, out);
            Some(())
        }
        (LogicalType::Any, value)
        | (LogicalType::Float { .. }, value @ Value::Real(_))
        | (LogicalType::Text, value @ Value::Text(_))
        | (LogicalType::Blob, value @ Value::Blob(_)) => {
            push_plain(value, out);
            Some(())
        }
        (LogicalType::FixedText { .. }, Value::Text(text)) => {
            push_string(tag::TEXT, unpadded(text), out);
            Some(())
        }
        (LogicalType::Decimal { .. }, value) => push_decimal(value, out),
        (LogicalType::Date, Value::Text(text)) => parse_date(text).map(|day| {
            out.push(tag::DATE);
            out.extend_from_slice(&day.to_le_bytes());
        }),
        (LogicalType::Time, Value::Text(text)) => time_of_day(text).map(|at| push_micros(tag::TIME, at, out)),
        (LogicalType::Timestamp, Value::Text(text)) => timestamp(text).map(|at| push_micros(tag::TIMESTAMP, at, out)),
        (LogicalType::TimestampZone, Value::Text(text)) => {
            text.strip_suffix(b"+00").and_then(timestamp).map(|at| push_micros(tag::TIMESTAMP_ZONE, at, out))
        }
        _ => None,
    };
    if fitted.is_none() {
        out.push(tag::ESCAPE);
        push_plain(value, out);
    }
    ITEM
}

/// A text without the blanks at its end.
fn unpadded(text: &[u8]) -> &[u8] {
    let kept = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
    text.get(..kept).unwrap_or_default()
}

/// Appends the item of a whole number.
fn push_whole(number: i64, out: &mut Vec<u8>) {
    let (word, length) = whole(number);
    out.extend_from_slice(word.to_le_bytes().get(..length.min(8)).unwrap_or_default());
    if length == 9 {
        out.push((number >> 56) as u8);
    }
}

/// Appends the item that a value has for itself.
fn push_plain(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(tag::NULL),
        Value::Integer(number) => push_whole(number, out),
        Value::Real(real) => {
            let bits = if real.is_nan() { 0x7FF8_0000_0000_0000 } else { real.to_bits() };
            out.push(tag::REAL);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        Value::Text(text) => push_string(tag::TEXT, text, out),
        Value::Blob(blob) => push_string(tag::BLOB, blob, out),
    }
}

fn push_string(tag: u8, string: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    match u8::try_from(string.len()) {
        Ok(length @ 0..=254) => out.push(length),
        _ => {
            out.push(255);
            out.extend_from_slice(&(string.len() as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(string);
}

fn push_micros(tag: u8, micros: i64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&micros.to_le_bytes());
}

/// Microseconds of the day of a text `HH:MM:SS` with an optional point and 1 to 6 digits.
fn time_of_day(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = text.split_at_checked(8)?;
    let second = parse_time(whole)?;
    let micros = match fraction.split_first() {
        None => 0,
        Some((b'.', digits)) if (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
            let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
            padded.fold(0i64, |sum, digit| sum.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0'))))
        }
        Some(_) => return None,
    };
    Some(second.wrapping_mul(1_000_000).wrapping_add(micros))
}

/// Microseconds since 1970 of a text `YYYY-MM-DD HH:MM:SS` with an optional fraction.
fn timestamp(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (b' ', time) = rest.split_first()? else { return None };
    let day = i64::from(parse_date(date)?).wrapping_mul(DAY).wrapping_mul(1_000_000);
    Some(day.wrapping_add(time_of_day(time)?))
}

/// Appends the item of a decimal; `None` if the value is not one.
fn push_decimal(value: Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    let owned;
    let (number, exponent) = match value {
        Value::Text(text) => (text, 0),
        Value::Integer(whole) => {
            owned = whole.to_string();
            (owned.as_bytes(), 0)
        }
        Value::Real(real) if real.is_finite() => {
            // The shortest digits that read back as the same number, as d.ddde-dd.
            owned = format!("{real:e}");
            let (number, exponent) = owned.split_once('e')?;
            (number.as_bytes(), exponent.parse::<i64>().ok()?)
        }
        _ => return None,
    };
    let (negative, unsigned) = match number.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, fraction) = match unsigned.iter().position(|byte| *byte == b'.') {
        Some(point) => {
            let (whole, rest) = unsigned.split_at_checked(point)?;
            (whole, rest.get(1..).filter(|fraction| !fraction.is_empty())?)
        }
        None => (unsigned, [].as_slice()),
    };
    if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let all = [whole, fraction].concat();
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let zeros = all.iter().rev().take_while(|digit| **digit == b'0').count();
    let start = all.iter().take_while(|digit| **digit == b'0').count();
    let kept = all.get(start..all.len().saturating_sub(zeros)).unwrap_or_default();
    let exponent = i32::try_from(exponent.checked_add(i64::try_from(zeros).ok()?)?).ok()?;
    let sign: &[u8] = if negative { b"-" } else { b"" };
    let (exponent, digits) = if kept.is_empty() { (0, b"0".to_vec()) } else { (exponent, [sign, kept].concat()) };
    out.push(tag::DECIMAL);
    out.extend_from_slice(&exponent.to_le_bytes());
    // Only a length and digits follow: the tag of the string is left out.
    let at = out.len();
    push_string(tag::TEXT, &digits, out);
    out.remove(at);
    Some(())
}
