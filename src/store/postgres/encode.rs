//! Rows as the server's COPY reads them: text, a tab between values, a line feed behind a row. Text is what every type of the
//! server has, so nothing here knows the types; what a type would change of a value is found before, in `fidelity`.

use std::io::Write;

use crate::column::batch::{Batch, Value};
use crate::store::cursor::Cursor;

/// Bytes of a piece of rows, as they are handed to the connection.
pub(super) const PIECE_BYTES: usize = 256 << 10;
/// What is kept free behind a piece, so that its last row seldom makes it grow.
const SPARE_BYTES: usize = 16 << 10;

/// The rows of a batch on their way into a table, in order.
pub(super) struct Encoder<'a> {
    cursors: Vec<Cursor<'a>>,
    rows: usize,
    next: usize,
}

impl<'a> Encoder<'a> {
    /// Stands before the first row.
    pub(super) fn new(batch: &'a Batch) -> Encoder<'a> {
        Encoder { cursors: batch.columns.iter().map(Cursor::new).collect(), rows: batch.rows, next: 0 }
    }

    /// The next rows, whole ones, about [`PIECE_BYTES`] of them; `None` behind the last. A row that `wanted` is false for is
    /// left out; `lead` may write something before a row's values.
    pub(super) fn piece(
        &mut self,
        wanted: impl Fn(usize) -> bool,
        lead: impl Fn(usize, &mut Vec<u8>),
    ) -> Option<Vec<u8>> {
        let mut piece = Vec::with_capacity(PIECE_BYTES.saturating_add(SPARE_BYTES));
        while self.next < self.rows && piece.len() < PIECE_BYTES {
            let row = self.next;
            self.next = row.wrapping_add(1);
            let start = piece.len();
            lead(row, &mut piece);
            for cursor in &mut self.cursors {
                put(cursor.next(row), &mut piece);
                piece.push(b'\t');
            }
            if !wanted(row) {
                piece.truncate(start);
            } else if let Some(last) = piece.last_mut() {
                *last = b'\n';
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}

/// Appends a value.
#[inline]
fn put(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => put_integer(number, out),
        Value::Text(text) => put_text(text, out),
        Value::Null => out.extend_from_slice(br"\N"),
        Value::Real(real) => put_real(real, out),
        Value::Blob(bytes) => put_bytes(bytes, out),
    }
}

/// Appends a whole number in decimal digits, and a tab for nothing else.
#[inline]
pub(super) fn put_integer(number: i64, out: &mut Vec<u8>) {
    let digit = |number: i64| b'0'.wrapping_add((number % 10) as u8);
    // Most numbers of a history are short.
    match number {
        0..=9 => return out.push(digit(number)),
        10..=99 => return out.extend_from_slice(&[digit(number / 10), digit(number)]),
        100..=999 => return out.extend_from_slice(&[digit(number / 100), digit(number / 10), digit(number)]),
        _ => {}
    }
    // Nineteen digits and a sign.
    let mut digits = [0u8; 20];
    let mut rest = number.unsigned_abs();
    let mut used = 0usize;
    for place in digits.iter_mut().rev() {
        *place = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
        used = used.wrapping_add(1);
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(digits.len().wrapping_sub(used)..).unwrap_or_default());
}

/// Appends the shortest digits that are read as the same number.
fn put_real(real: f64, out: &mut Vec<u8>) {
    let size = real.abs();
    // Writing to memory does not fail.
    let _ = match real {
        _ if real.is_nan() => out.write_all(b"NaN"),
        f64::INFINITY => out.write_all(b"Infinity"),
        f64::NEG_INFINITY => out.write_all(b"-Infinity"),
        _ if size != 0.0 && !(1e-5..1e16).contains(&size) => write!(out, "{real:e}"),
        _ => write!(out, "{real}"),
    };
}

/// Appends a text; what COPY takes for something else is escaped.
#[inline]
fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        let Some((plain, [special, more @ ..])) = rest.split_at_checked(at) else { break };
        out.extend_from_slice(plain);
        out.extend_from_slice(match special {
            b'\t' => br"\t",
            b'\n' => br"\n",
            b'\r' => br"\r",
            _ => br"\\",
        });
        rest = more;
    }
    out.extend_from_slice(rest);
}

/// Appends bytes as the server writes them: hex behind a mark, whose backslash is escaped for COPY.
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 0x0F)).copied().unwrap_or(b'0');
    out.extend_from_slice(br"\\x");
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::{Column, ColumnData};

    fn text(value: Value<'_>) -> String {
        let mut out = Vec::new();
        put(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_have_their_texts() {
        let numbers = [0, 7, 10, 42, 255, 256, -1, -10, 1_000_000, i64::MAX, i64::MIN];
        numbers.iter().for_each(|number| assert_eq!(text(Value::Integer(*number)), number.to_string()));
        for (real, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (0.00001, "0.00001"),
            (0.000001, "1e-6"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(Value::Real(real)), expected);
            assert!(real.is_nan() || expected.parse::<f64>().unwrap().to_bits() == real.to_bits());
        }
        assert_eq!(text(Value::Null), r"\N");
        assert_eq!(text(Value::Text(br"\N")), r"\\N");
        assert_eq!(text(Value::Text(b"")), "");
        assert_eq!(text(Value::Text(b"\\.\ta\nb\r\x08\x0b")), "\\\\.\\ta\\nb\\r\x08\x0b");
        assert_eq!(text(Value::Blob(&[0x00, 0xFF, 0x1a])), r"\\x00ff1a");
        assert_eq!(text(Value::Blob(&[])), r"\\x");
    }

    #[test]
    fn pieces_hold_whole_rows_and_all_of_them() {
        let mut batch = Batch::new(vec![Column::new(ColumnData::Integer(Vec::new())); 2]);
        let long = vec![b'x'; 1_000];
        for row in 0..1_000 {
            batch.columns[0].push(Value::Integer(row));
            batch.columns[1].push(if row % 3 == 0 { Value::Null } else { Value::Text(&long) });
            batch.rows += 1;
        }
        let mut encoder = Encoder::new(&batch);
        let mut all = Vec::new();
        let mut pieces = 0;
        while let Some(piece) = encoder.piece(|row| row != 500, |row, out| out.extend(format!("{}\t", row * 2).bytes()))
        {
            assert!(piece.ends_with(b"\n") && piece.len() < PIECE_BYTES + 2_000);
            all.extend_from_slice(&piece);
            pieces += 1;
        }
        assert_eq!(pieces, 3);
        let lines: Vec<String> = String::from_utf8(all).unwrap().lines().map(str::to_owned).collect();
        let long = String::from_utf8(long).unwrap();
        let expected = (0..1_000).filter(|row| *row != 500).map(|row| match row % 3 {
            0 => format!("{}\t{row}\t\\N", row * 2),
            _ => format!("{}\t{row}\t{long}", row * 2),
        });
        assert_eq!(lines, expected.collect::<Vec<_>>());
    }
}
