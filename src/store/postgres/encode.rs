//! Rows as the server's COPY reads them: text, a tab between values, a line feed behind a row. Text is what every type of the
//! server has, so nothing here knows the types; what a type would change of a value is found before, in `fidelity`.

use crate::column::batch::{Batch, Value};
use crate::store::cursor::Cursor;

/// Bytes of a piece of rows, as they are handed to the connection.
pub(super) const PIECE_BYTES: usize = 256 << 10;
/// What is kept free behind a piece, so that its last row seldom makes it grow.
const SPARE_BYTES: usize = 16 << 10;
/// Most bytes of a value that is not text or bytes, with the tab behind it: a number in any form is shorter.
const VALUE_BYTES: usize = 32;

/// Rows that are put side by side before they are written. The columns of a batch lie at like addresses, of which a processor's
/// cache holds only a few: read from one after the other, row by row, they would push each other out.
const TILE: usize = 64;

/// Numbers up to here are written from a list.
const SHORT: usize = 1_000;
/// The digits of each, a tab, and in the last byte how many bytes that makes. Most numbers of a history are short: these are
/// written eight bytes at once, with no loop and no branch.
static SHORT_NUMBERS: [[u8; 8]; SHORT] = short_numbers();

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
const fn short_numbers() -> [[u8; 8]; SHORT] {
    let mut all = [[0u8; 8]; SHORT];
    let mut number = 0;
    while number < SHORT {
        let digits = if number < 10 {
            1
        } else if number < 100 {
            2
        } else {
            3
        };
        let (mut at, mut rest) = (digits, number);
        while at > 0 {
            at -= 1;
            all[number][at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        all[number][digits] = b'\t';
        all[number][7] = digits as u8 + 1;
        number += 1;
    }
    all
}

/// The rows of a batch on their way into a table, in order.
pub(super) struct Encoder<'a> {
    cursors: Vec<Cursor<'a>>,
    rows: usize,
    next: usize,
    /// The rows at hand, one after the other; of no meaning where a column has other values than whole numbers among them.
    tile: Vec<i64>,
    /// Those columns, ascending.
    others: Vec<usize>,
}

impl<'a> Encoder<'a> {
    /// Stands before the first row.
    pub(super) fn new(batch: &'a Batch) -> Encoder<'a> {
        let cursors: Vec<Cursor<'a>> = batch.columns.iter().map(Cursor::new).collect();
        let tile = vec![0; TILE.saturating_mul(cursors.len())];
        Encoder { cursors, rows: batch.rows, next: 0, tile, others: Vec::new() }
    }

    /// The next rows, whole ones, about [`PIECE_BYTES`] of them; `None` behind the last. A row that `wanted` is false for is
    /// left out.
    pub(super) fn piece(&mut self, wanted: impl Fn(usize) -> bool) -> Option<Vec<u8>> {
        let mut piece = Piece { bytes: vec![0; PIECE_BYTES.saturating_add(SPARE_BYTES)], end: 0 };
        let width = VALUE_BYTES.saturating_mul(self.cursors.len().saturating_add(1));
        while self.next < self.rows && piece.end < PIECE_BYTES {
            let row = self.next;
            if row.is_multiple_of(TILE) {
                self.turn(row);
            }
            self.next = row.wrapping_add(1);
            let start = piece.end;
            piece.reserve(width);
            self.write(row, &mut piece, width);
            if !wanted(row) {
                piece.end = start;
            } else if let Some(last) = piece.end.checked_sub(1).and_then(|last| piece.bytes.get_mut(last)) {
                *last = b'\n';
            }
        }
        piece.bytes.truncate(piece.end);
        (!piece.bytes.is_empty()).then_some(piece.bytes)
    }

    /// Puts the next rows side by side.
    fn turn(&mut self, first: usize) {
        let stop = self.rows.min(first.saturating_add(TILE));
        let width = self.cursors.len().max(1);
        self.others.clear();
        for (column, cursor) in self.cursors.iter().enumerate() {
            match cursor.whole_numbers(first, stop) {
                Some(numbers) => {
                    for (row, number) in self.tile.chunks_exact_mut(width).zip(numbers) {
                        if let Some(place) = row.get_mut(column) {
                            *place = *number;
                        }
                    }
                }
                None => self.others.push(column),
            }
        }
    }

    /// Writes a row of those at hand.
    fn write(&mut self, row: usize, piece: &mut Piece, width: usize) {
        let columns = self.cursors.len();
        let start = (row % TILE).saturating_mul(columns);
        let numbers = self.tile.get(start..start.saturating_add(columns)).unwrap_or_default();
        let mut from = 0;
        for column in &self.others {
            piece.integers(numbers.get(from..*column).unwrap_or_default());
            if let Some(cursor) = self.cursors.get_mut(*column) {
                piece.put(cursor.next(row), width);
            }
            from = column.saturating_add(1);
        }
        piece.integers(numbers.get(from..).unwrap_or_default());
    }
}

/// Rows as text, and room behind them.
struct Piece {
    bytes: Vec<u8>,
    end: usize,
}

impl Piece {
    /// Makes room for so many bytes.
    #[inline]
    fn reserve(&mut self, more: usize) {
        let wanted = self.end.saturating_add(more);
        if wanted > self.bytes.len() {
            self.bytes.resize(wanted.max(self.bytes.len().saturating_mul(2)), 0);
        }
    }

    /// Appends whole numbers, each with a tab.
    fn integers(&mut self, numbers: &[i64]) {
        for number in numbers {
            let short = usize::try_from(*number).ok().and_then(|number| SHORT_NUMBERS.get(number));
            let room = self.bytes.get_mut(self.end..).and_then(|room| room.first_chunk_mut());
            match (short, room) {
                (Some(short), Some(room)) => {
                    *room = *short;
                    self.end = self.end.wrapping_add(usize::from(short[7]));
                }
                _ => self.long_integer(*number),
            }
        }
    }

    fn long_integer(&mut self, number: i64) {
        // Nineteen digits, a sign and the tab.
        let mut digits = [b'\t'; 21];
        let mut rest = number.unsigned_abs();
        let mut used = 1usize;
        for place in digits.iter_mut().rev().skip(1) {
            *place = b'0'.wrapping_add((rest % 10) as u8);
            rest /= 10;
            used = used.wrapping_add(1);
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            self.append(b"-");
        }
        self.append(digits.get(digits.len().wrapping_sub(used)..).unwrap_or_default());
    }

    /// Appends a value and a tab. There is room for `width` bytes afterwards.
    fn put(&mut self, value: Value<'_>, width: usize) {
        match value {
            Value::Integer(number) => self.integers(&[number]),
            Value::Text(text) => self.text(text),
            Value::Null => self.append(br"\N"),
            Value::Real(real) => self.real(real),
            Value::Blob(bytes) => self.blob(bytes),
        }
        if !matches!(value, Value::Integer(_)) {
            self.append(b"\t");
        }
        self.reserve(width);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.end.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.end..end) {
            room.copy_from_slice(bytes);
        }
        self.end = end;
    }

    /// Appends the shortest digits that are read as the same number.
    fn real(&mut self, real: f64) {
        let size = real.abs();
        match real {
            _ if real.is_nan() => self.append(b"NaN"),
            f64::INFINITY => self.append(b"Infinity"),
            f64::NEG_INFINITY => self.append(b"-Infinity"),
            _ if size != 0.0 && !(1e-5..1e16).contains(&size) => self.append(format!("{real:e}").as_bytes()),
            _ => self.append(format!("{real}").as_bytes()),
        }
    }

    /// Appends a text; what COPY takes for something else is escaped.
    fn text(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
            let Some((plain, [special, more @ ..])) = rest.split_at_checked(at) else { break };
            self.append(plain);
            self.append(match special {
                b'\t' => br"\t",
                b'\n' => br"\n",
                b'\r' => br"\r",
                _ => br"\\",
            });
            rest = more;
        }
        self.append(rest);
    }

    /// Appends bytes as the server writes them: hex behind a mark, whose backslash is escaped for COPY.
    fn blob(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value & 0x0F)).copied().unwrap_or(b'0');
        self.append(br"\\x");
        bytes.iter().for_each(|byte| self.append(&[digit(byte >> 4), digit(*byte)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::{Column, ColumnData};

    fn text(value: Value<'_>) -> String {
        let mut piece = Piece { bytes: Vec::new(), end: 0 };
        piece.put(value, 0);
        piece.bytes.truncate(piece.end);
        let text = String::from_utf8(piece.bytes).unwrap();
        text.strip_suffix('\t').unwrap().to_owned()
    }

    #[test]
    fn values_have_their_texts() {
        let numbers = (-1_100..1_100).chain([1_000_000, i64::MAX, i64::MIN]);
        numbers.for_each(|number| {
            assert_eq!(text(Value::Integer(number)), number.to_string());
            // As it is written where there is room.
            let mut piece = Piece { bytes: vec![b'?'; 64], end: 3 };
            piece.put(Value::Integer(number), 32);
            assert_eq!(&piece.bytes[3..piece.end], format!("{number}\t").as_bytes());
        });
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
        while let Some(piece) = encoder.piece(|row| row != 500) {
            assert!(piece.ends_with(b"\n") && piece.len() < PIECE_BYTES + 2_000);
            all.extend_from_slice(&piece);
            pieces += 1;
        }
        assert_eq!(pieces, 3);
        let lines: Vec<String> = String::from_utf8(all).unwrap().lines().map(str::to_owned).collect();
        let long = String::from_utf8(long).unwrap();
        let expected = (0..1_000).filter(|row| *row != 500).map(|row| match row % 3 {
            0 => format!("{row}\t\\N"),
            _ => format!("{row}\t{long}"),
        });
        assert_eq!(lines, expected.collect::<Vec<_>>());
    }
}
