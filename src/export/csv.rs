//! Comma-separated values. Written here, since null and the empty text must differ and the crates for it know no null.

use super::text::{push_hex, push_value};
use crate::column::batch::{Batch, Value};
use crate::column::logical::LogicalType;
use crate::schema::table::TableSchema;

/// Bytes of lines that are handed on at a time.
pub(super) const PIECE: usize = 256 << 10;

/// Bytes that go out bit by bit, so that the largest value is never in memory a second time.
struct Pieces<'e> {
    piece: Vec<u8>,
    emit: &'e mut dyn FnMut(Vec<u8>) -> bool,
    /// Whether they are still wanted.
    wanted: bool,
}

impl Pieces<'_> {
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && self.wanted {
            let room = PIECE.saturating_sub(self.piece.len()).max(1);
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            self.piece.extend_from_slice(now);
            rest = later;
            self.hand_on(PIECE);
        }
    }

    /// A value whose text is short.
    fn push_short(&mut self, value: Value<'_>, logical: LogicalType) {
        push_value(value, logical, &mut self.piece);
        self.hand_on(PIECE);
    }

    /// Hands on what has come together if it is so much.
    fn hand_on(&mut self, least: usize) {
        if self.piece.len() >= least.max(1) && self.wanted {
            self.wanted = (self.emit)(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        }
    }

    fn push_text(&mut self, text: &[u8], spreadsheet: bool) {
        // `\\.` alone ends the data for PostgreSQL, so that it is quoted too.
        let plain =
            !text.is_empty() && text != b"\\." && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
        let quote: &[u8] = if plain { b"" } else { b"\"" };
        self.push(quote);
        if spreadsheet {
            self.push_harmless(text);
        } else {
            self.push_doubled(text);
        }
        self.push(quote);
    }

    /// A text with an apostrophe before whatever a spreadsheet would compute, also where it takes semicolons, tabs or line ends
    /// for ends of cells.
    fn push_harmless(&mut self, text: &[u8]) {
        self.push(if matches!(text.first(), Some(b'\t' | b'\r' | b'\n')) { b"'" } else { b"" });
        let (mut from, mut begins) = (0, true);
        for (at, byte) in text.iter().enumerate() {
            if begins && is_sign(text.get(at..).unwrap_or_default()) {
                self.push_doubled(text.get(from..at).unwrap_or_default());
                self.push(b"'");
                from = at;
            }
            begins = matches!(byte, b';' | b'\t' | b'\r' | b'\n') || begins && matches!(byte, b' ' | b'"');
        }
        self.push_doubled(text.get(from..).unwrap_or_default());
    }

    /// A text with each quote twice.
    fn push_doubled(&mut self, text: &[u8]) {
        for part in text.split_inclusive(|byte| *byte == b'"') {
            self.push(part);
            self.push(if part.ends_with(b"\"") { b"\"" } else { b"" });
        }
    }
}

/// The line of the columns' names.
pub(super) fn heading(schema: &TableSchema, spreadsheet: bool) -> Vec<u8> {
    let mut line = Vec::new();
    let mut emit = |piece: Vec<u8>| {
        line.extend(piece);
        true
    };
    let mut out = Pieces { piece: Vec::new(), emit: &mut emit, wanted: true };
    for (number, column) in schema.columns.iter().enumerate() {
        out.push(if number > 0 { b"," } else { b"" });
        out.push_text(column.name.as_bytes(), spreadsheet);
    }
    out.push(b"\n");
    out.hand_on(0);
    line
}

/// The lines of some rows, handed on in pieces of [`PIECE`] bytes until `emit` says that no more are wanted.
pub(super) fn lines(
    batch: &Batch,
    numbers: &[u32],
    types: &[LogicalType],
    spreadsheet: bool,
    emit: &mut dyn FnMut(Vec<u8>) -> bool,
) {
    let mut out = Pieces { piece: Vec::new(), emit, wanted: true };
    for number in numbers {
        for (place, (column, logical)) in batch.columns.iter().zip(types).enumerate() {
            out.push(if place > 0 { b"," } else { b"" });
            match column.get(*number as usize) {
                Value::Text(text) => out.push_text(text, spreadsheet),
                Value::Blob(blob) => {
                    out.push(b"\\x");
                    blob.chunks(PIECE / 4).for_each(|part| {
                        push_hex(part, &mut out.piece);
                        out.hand_on(PIECE);
                    });
                }
                // No digit, sign or name of a number wants quotes.
                other => out.push_short(other, *logical),
            }
        }
        out.push(b"\n");
        if !out.wanted {
            return;
        }
    }
    out.hand_on(0);
}

/// Whether a spreadsheet would compute what begins so: with a sign, or with one as wide as two letters.
fn is_sign(text: &[u8]) -> bool {
    let wide = ["＝", "＋", "－", "＠"];
    matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@')) || wide.iter().any(|sign| text.starts_with(sign.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::{Column, ColumnData};
    use crate::schema::table::ColumnSchema;

    fn batch(values: &[Value<'_>]) -> Batch {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        values.iter().for_each(|value| column.push(*value));
        Batch::new(vec![column])
    }

    fn written(values: &[Value<'_>], logical: LogicalType, spreadsheet: bool) -> String {
        let all: Vec<u32> = (0..values.len() as u32).collect();
        String::from_utf8(pieces(values, &all, logical, spreadsheet).concat()).unwrap()
    }

    fn pieces(values: &[Value<'_>], numbers: &[u32], logical: LogicalType, spreadsheet: bool) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        lines(&batch(values), numbers, &[logical], spreadsheet, &mut |piece| {
            pieces.push(piece);
            true
        });
        pieces
    }

    #[test]
    fn null_and_the_empty_text_differ_and_what_would_end_a_field_is_quoted() {
        let texts: Vec<Value<'_>> = ["", "plain", "a,b", "say \"no\"", "two\nlines", "cr\r", "\\.", " blank "]
            .map(|text| Value::Text(text.as_bytes()))
            .into();
        let all = [vec![Value::Null], texts].concat();
        let wanted = "\n\"\"\nplain\n\"a,b\"\n\"say \"\"no\"\"\"\n\"two\nlines\"\n\"cr\r\"\n\"\\.\"\n blank \n";
        assert_eq!(written(&all, LogicalType::Text, false), wanted);
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        let reals = [0.1, -0.0, 1e300, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 16_777_217.0];
        let text = written(&reals.map(Value::Real), LogicalType::Float { bits: 64 }, false);
        assert_eq!(text, "0.1\n-0.0\n1e300\n5e-324\nNaN\nInfinity\n-Infinity\n16777217.0\n");
        for (line, real) in text.lines().zip(reals) {
            let back: f64 = line.parse().unwrap();
            assert!(back.to_bits() == real.to_bits() || back.is_nan() && real.is_nan(), "{line}");
        }
        let short =
            written(&[Value::Real(f64::from(0.1_f32)), Value::Real(0.1)], LogicalType::Float { bits: 32 }, false);
        assert_eq!(short, "0.1\n0.1\n", "the one as 32 bits, the other, which is none of these, as 64");
        let whole = written(&[Value::Integer(i64::MIN), Value::Integer(7)], LogicalType::Integer { bits: 64 }, false);
        assert_eq!(whole, "-9223372036854775808\n7\n");
        assert_eq!(written(&[Value::Blob(&[0, 255])], LogicalType::Blob, false), "\\x00ff\n");
    }

    #[test]
    fn a_spreadsheet_gets_no_formula_and_numbers_stay_numbers() {
        let values = [Value::Text(b"=1+1"), Value::Text(b"@x"), Value::Text(b"a=b"), Value::Integer(-5)];
        assert_eq!(written(&values, LogicalType::Any, true), "'=1+1\n'@x\na=b\n-5\n");
        assert_eq!(written(&values, LogicalType::Any, false), "=1+1\n@x\na=b\n-5\n");
    }

    #[test]
    fn no_other_way_of_parting_cells_makes_a_formula_of_a_text() {
        for (text, wanted) in [
            ("x;=1+1", "x;'=1+1"),
            ("\n=1+1", "\"'\n'=1+1\""),
            ("a\r\n@x", "\"a\r\n'@x\""),
            ("\t-1", "'\t'-1"),
            ("a\t+1;b", "a\t'+1;b"),
            ("－1", "'－1"),
            ("x;＝1", "x;'＝1"),
            (" =1", " '=1"),
            ("x; \"=1\"", "\"x; \"\"'=1\"\"\""),
            ("a-b; c=d", "a-b; c=d"),
            ("１－1", "１－1"),
        ] {
            assert_eq!(
                written(&[Value::Text(text.as_bytes())], LogicalType::Any, true),
                format!("{wanted}\n"),
                "{text:?}"
            );
            let plain = written(&[Value::Text(text.as_bytes())], LogicalType::Any, false);
            assert!(!plain.contains('\''), "{text:?}");
        }
    }

    #[test]
    fn names_of_columns_are_no_formulas_either() {
        let column = |name: &str| ColumnSchema {
            name: name.to_owned(),
            logical: LogicalType::Text,
            nullable: true,
            has_default: false,
            declared: String::new(),
            collation: String::new(),
        };
        let schema = TableSchema { name: "t".to_owned(), columns: ["=1+1", "@a,b", "c"].map(column).into() };
        assert_eq!(heading(&schema, true), b"'=1+1,\"'@a,b\",c\n");
        assert_eq!(heading(&schema, false), b"=1+1,\"@a,b\",c\n");
    }

    #[test]
    fn what_is_large_goes_out_in_pieces_and_no_further_than_it_is_wanted() {
        let (quotes, blob) = (vec![b'"'; 3 * PIECE], vec![0xA5; 2 * PIECE]);
        let values = [Value::Text(&quotes), Value::Blob(&blob), Value::Integer(7)];
        let all = pieces(&values, &[0, 1, 2], LogicalType::Any, false);
        assert!(all.len() > 9 && all.iter().all(|piece| piece.len() <= 2 * PIECE));
        let wanted =
            [vec![b'"'; 6 * PIECE + 2], b"\n\\x".to_vec(), b"a5".repeat(2 * PIECE), b"\n7\n".to_vec()].concat();
        assert!(all.concat() == wanted);
        let mut taken = 0;
        lines(&batch(&values), &[0, 1, 2], &[LogicalType::Any], false, &mut |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!(taken, 2);
    }
}
