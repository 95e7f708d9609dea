//! Values as text, in the spelling that databases read back.

use crate::column::batch::Value;
use crate::column::logical::LogicalType;
use std::io::Write as _;

/// The text of a whole number.
pub(super) fn push_integer(number: i64, out: &mut Vec<u8>) {
    let _infallible = write!(out, "{number}");
}

/// The shortest text that reads back as the same number; of a column of 32 bits as the same of 32 bits.
pub(super) fn push_real(real: f64, logical: LogicalType, out: &mut Vec<u8>) {
    let short = real as f32;
    let _infallible = match real {
        _ if real.is_nan() => write!(out, "NaN"),
        f64::INFINITY => write!(out, "Infinity"),
        f64::NEG_INFINITY => write!(out, "-Infinity"),
        _ if logical == (LogicalType::Float { bits: 32 }) && f64::from(short).to_bits() == real.to_bits() => {
            write!(out, "{short:?}")
        }
        _ => write!(out, "{real:?}"),
    };
}

/// `\x` and two hexadecimal digits for each byte.
pub(super) fn push_blob(blob: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    push_hex(blob, out);
}

/// Two hexadecimal digits for each byte.
pub(super) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |half: u8| if half < 10 { half.saturating_add(b'0') } else { half.saturating_add(b'a' - 10) };
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// The text of a value; nothing for null.
pub(super) fn push_value(value: Value<'_>, logical: LogicalType, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Integer(number) => push_integer(number, out),
        Value::Real(real) => push_real(real, logical, out),
        Value::Text(text) => out.extend_from_slice(text),
        Value::Blob(blob) => push_blob(blob, out),
    }
}
