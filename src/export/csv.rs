//! Comma-separated values. Written here, since null and the empty text must differ and the crates for it know no null.

use super::text::push_value;
use crate::column::batch::{Batch, Value};
use crate::column::logical::LogicalType;
use crate::schema::table::TableSchema;

/// The line of the columns' names.
pub(super) fn heading(schema: &TableSchema) -> Vec<u8> {
    let mut line = Vec::new();
    for (number, column) in schema.columns.iter().enumerate() {
        if number > 0 {
            line.push(b',');
        }
        push_text(column.name.as_bytes(), &mut line);
    }
    line.push(b'\n');
    line
}

/// The lines of some rows.
pub(super) fn lines(batch: &Batch, numbers: &[u32], types: &[LogicalType], spreadsheet: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(numbers.len().saturating_mul(types.len()).saturating_mul(4));
    for number in numbers {
        for (place, (column, logical)) in batch.columns.iter().zip(types).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match column.get(*number as usize) {
                Value::Text(text) if spreadsheet && is_formula(text) => push_text(&[b"'", text].concat(), &mut out),
                Value::Text(text) => push_text(text, &mut out),
                // No digit, sign or name of a number wants quotes.
                other => push_value(other, *logical, &mut out),
            }
        }
        out.push(b'\n');
    }
    out
}

/// Whether a spreadsheet would compute the text.
fn is_formula(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'))
}

fn push_text(text: &[u8], out: &mut Vec<u8>) {
    // `\.` alone ends the data for PostgreSQL, so that it is quoted too.
    let plain =
        !text.is_empty() && text != b"\\." && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if plain {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::{Column, ColumnData};

    fn batch(values: &[Value<'_>]) -> Batch {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        values.iter().for_each(|value| column.push(*value));
        Batch::new(vec![column])
    }

    fn written(values: &[Value<'_>], logical: LogicalType, spreadsheet: bool) -> String {
        let all: Vec<u32> = (0..values.len() as u32).collect();
        String::from_utf8(lines(&batch(values), &all, &[logical], spreadsheet)).unwrap()
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
}
