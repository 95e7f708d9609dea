//! Finds values that a column would not keep as they are.
//!
//! SQLite converts on the way in: by the column's affinity, a NaN to null, text that is not UTF-8 in a UTF-16 database. What
//! was read from a column with the same declaration has been through that already and stays as it is. From another
//! declaration it may not: such a value is refused here, before it would be changed without a word. A decimal may become a
//! number: another store writes it as text, and it is the same decimal as long as the number has all of its digits.

use super::declared::Affinity;
use crate::column::batch::{Column, ColumnData, Value};
use crate::column::digest::alike;
use crate::column::logical::LogicalType;

/// Row (from 0) and reason of the first value that would be changed.
pub(super) fn first_changed(
    column: &Column,
    logical: LogicalType,
    affinity: Affinity,
    utf8: bool,
) -> Option<(usize, &'static str)> {
    let changed = |value| match changed(value, affinity, utf8) {
        Some(_) if matches!(logical, LogicalType::Decimal { .. }) && same_decimal(value, logical, affinity) => None,
        reason => reason,
    };
    if keeps_all(&column.data, affinity, utf8) {
        let stray = column
            .strays
            .iter()
            .find_map(|(row, value)| changed(value.as_value()).map(|reason| (*row as usize, reason)));
        return stray;
    }
    (0..column.len()).find_map(|row| changed(column.get(row)).map(|reason| (row, reason)))
}

/// Whether the number that SQLite makes of a text in a numeric column is the same decimal.
fn same_decimal(value: Value<'_>, logical: LogicalType, affinity: Affinity) -> bool {
    let Value::Text(text) = value else { return false };
    if affinity == Affinity::Text {
        return false;
    }
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let whole = text.parse().ok().filter(|_| affinity != Affinity::Real).map(Value::Integer);
    let numbers = whole.into_iter().chain(text.parse().ok().map(Value::Real));
    // SQLite makes an integer of what has no fraction and a real of the rest; if both would do they are one decimal.
    numbers.take(1).any(|number| alike(value, number, logical))
}

/// Whether no value of the main storage class can be changed.
fn keeps_all(data: &ColumnData, affinity: Affinity, utf8: bool) -> bool {
    match data {
        ColumnData::Integer(_) => matches!(affinity, Affinity::Numeric | Affinity::Integer | Affinity::Blob),
        ColumnData::Text(_) => utf8 && matches!(affinity, Affinity::Text | Affinity::Blob),
        ColumnData::Blob(_) => true,
        ColumnData::Real(_) => false,
    }
}

/// Why this value would be changed, if it would.
fn changed(value: Value<'_>, affinity: Affinity, utf8: bool) -> Option<&'static str> {
    match (value, affinity) {
        (Value::Null | Value::Blob(_), _) => None,
        (Value::Integer(_), Affinity::Text) => Some("a number would become text"),
        (Value::Integer(_), Affinity::Real) => Some("a whole number would become a real one"),
        (Value::Integer(_), _) => None,
        (Value::Real(v), _) if v.is_nan() => Some("SQLite cannot hold a NaN"),
        (Value::Real(_), Affinity::Text) => Some("a number would become text"),
        (Value::Real(v), Affinity::Real) if v == 0.0 && v.is_sign_negative() => {
            Some("a negative zero would lose its sign")
        }
        (Value::Real(v), Affinity::Numeric | Affinity::Integer) if whole(v) => {
            Some("a real number without a fraction would become a whole one")
        }
        (Value::Real(_), _) => None,
        (Value::Text(v), _) if !utf8 && std::str::from_utf8(v).is_err() => {
            Some("text that is not UTF-8 would be changed in a UTF-16 database")
        }
        (Value::Text(v), Affinity::Numeric | Affinity::Integer | Affinity::Real) if numeric(v) => {
            Some("text that looks like a number would become one")
        }
        (Value::Text(_), _) => None,
    }
}

/// Whether SQLite would take a real for an integer: one without a fraction that lies in the range of integers.
fn whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0
}

/// Whether SQLite reads the text as a number: blanks, sign, digits with a point, exponent, blanks. It looks no further than
/// the first zero byte.
fn numeric(text: &[u8]) -> bool {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let stop = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last.saturating_add(1));
    let body = text.get(start..stop).unwrap_or_default();
    let body = body.strip_prefix(b"-").or_else(|| body.strip_prefix(b"+")).unwrap_or(body);
    let (whole, body) = digits(body);
    let (fraction, body) = match body.strip_prefix(b".") {
        Some(rest) => digits(rest),
        None => (0, body),
    };
    if whole == 0 && fraction == 0 {
        return false;
    }
    let [b'e' | b'E', exponent @ ..] = body else {
        return body.is_empty();
    };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    let (count, rest) = digits(exponent);
    count > 0 && rest.is_empty()
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(count).map_or((0, text), |(digits, rest)| (digits.len(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::OwnedValue;
    use rusqlite::types::{Value as SqlValue, ValueRef};
    use rusqlite::{Connection, ToSql, types::ToSqlOutput};

    struct Bound<'a>(Value<'a>);

    impl ToSql for Bound<'_> {
        fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
            Ok(ToSqlOutput::Borrowed(match self.0 {
                Value::Null => ValueRef::Null,
                Value::Integer(v) => ValueRef::Integer(v),
                Value::Real(v) => ValueRef::Real(v),
                Value::Text(v) => ValueRef::Text(v),
                Value::Blob(v) => ValueRef::Blob(v),
            }))
        }
    }

    fn same(stored: &SqlValue, value: Value<'_>) -> bool {
        match (stored, value) {
            (SqlValue::Null, Value::Null) => true,
            (SqlValue::Integer(a), Value::Integer(b)) => *a == b,
            (SqlValue::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
            (SqlValue::Text(a), Value::Text(b)) => a.as_bytes() == b,
            (SqlValue::Blob(a), Value::Blob(b)) => a == b,
            _ => false,
        }
    }

    #[test]
    fn what_is_let_through_is_stored_as_it_is_and_what_is_refused_is_not() {
        let connection = Connection::open_in_memory().unwrap();
        let declared = [
            ("TEXT", Affinity::Text),
            ("DATE", Affinity::Numeric),
            ("INTEGER", Affinity::Integer),
            ("REAL", Affinity::Real),
            ("BLOB", Affinity::Blob),
            ("", Affinity::Blob),
        ];
        let mut values = vec![OwnedValue::Null, OwnedValue::Blob(b"12".to_vec()), OwnedValue::Blob(Vec::new())];
        values.extend([0, 1, -1, i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1].map(OwnedValue::Integer));
        values.extend(
            [0.0, -0.0, 0.5, 5.0, -3.0, 1e15, 2.25e15, 1e18, 1e19, f64::INFINITY, f64::MIN_POSITIVE, f64::NAN]
                .map(OwnedValue::Real),
        );
        for text in [
            "",
            " ",
            "12",
            " 12 ",
            "+5",
            "-0",
            "1.",
            ".5",
            ".",
            "1e5",
            "1e",
            "1e+",
            "1.5E-3",
            "0x10",
            "2024-01-05",
            "12 ab",
            "١٢",
            "inf",
            "nan",
            "1_000",
            "1\u{b}",
            "\u{a0}1",
            "--1",
            "9223372036854775808",
            "1\0",
            "\t1\r\n",
            "1e999",
        ] {
            values.push(OwnedValue::Text(text.as_bytes().to_vec()));
        }
        let mut needless = Vec::new();
        for (declaration, affinity) in declared {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t(a {declaration})")).unwrap();
            for value in &values {
                connection.execute("DELETE FROM t", []).unwrap();
                connection.execute("INSERT INTO t VALUES (?1)", [Bound(value.as_value())]).unwrap();
                let stored: SqlValue = connection.query_row("SELECT a FROM t", [], |row| row.get(0)).unwrap();
                let kept = same(&stored, value.as_value());
                match changed(value.as_value(), affinity, true) {
                    None => assert!(kept, "{declaration}: {value:?} became {stored:?} unnoticed"),
                    Some(_) if kept => needless.push(format!("{declaration}: {value:?}")),
                    Some(_) => {}
                }
            }
        }
        assert_eq!(needless, Vec::<String>::new(), "refused though they would stay as they are");
    }

    /// What SQLite makes of a decimal that is let through is the same decimal.
    #[test]
    fn a_decimal_in_digits_becomes_the_number_that_it_is_or_is_refused() {
        let decimal = LogicalType::Decimal { precision: 0, scale: 0 };
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t(a DECIMAL(9,2))").unwrap();
        let mut taken = 0;
        for text in [
            "2.50",
            "-0.1",
            "0",
            "-7",
            "007.10",
            "123456789012345",
            "9223372036854775807",
            "9223372036854775808",
            "1e5",
            "0.1000000000000000055511151231257827",
            "12345678901234567.89",
            "9007199254740993",
            "9007199254740993.0",
            "NaN",
            "Infinity",
            "-Infinity",
            "",
        ] {
            let mut column = Column::new(crate::column::batch::ColumnData::Text(Default::default()));
            column.push(Value::Text(text.as_bytes()));
            if first_changed(&column, decimal, Affinity::Numeric, true).is_none() {
                connection.execute("DELETE FROM t", []).unwrap();
                connection.execute("INSERT INTO t VALUES (?1)", [text]).unwrap();
                let stored: OwnedValue = connection
                    .query_row("SELECT a FROM t", [], |row| {
                        Ok(match row.get_ref(0)? {
                            ValueRef::Integer(number) => OwnedValue::Integer(number),
                            ValueRef::Real(number) => OwnedValue::Real(number),
                            other => OwnedValue::Text(other.as_bytes()?.to_vec()),
                        })
                    })
                    .unwrap();
                assert!(alike(Value::Text(text.as_bytes()), stored.as_value(), decimal), "{text} became {stored:?}");
                taken += 1;
            }
        }
        assert_eq!(taken, 12, "texts that were let through");
        let mut text = Column::new(crate::column::batch::ColumnData::Text(Default::default()));
        text.push(Value::Text(b"2.50"));
        assert!(first_changed(&text, LogicalType::Date, Affinity::Numeric, true).is_some(), "only decimals");
    }

    #[test]
    fn a_stray_is_found_behind_a_main_class_that_is_safe() {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        column.push(Value::Integer(1));
        column.push(Value::Text(b"2024-01-01"));
        let first_changed = |column: &Column, affinity, utf8| first_changed(column, LogicalType::Any, affinity, utf8);
        assert_eq!(first_changed(&column, Affinity::Integer, true), None);
        column.push(Value::Text(b"17"));
        assert_eq!(first_changed(&column, Affinity::Integer, true).map(|(row, _)| row), Some(2));
        assert_eq!(first_changed(&column, Affinity::Blob, true), None);
        let text =
            Column::new(ColumnData::Text(crate::column::batch::Strings { offsets: vec![0, 1], bytes: vec![0xFF] }));
        assert_eq!(first_changed(&text, Affinity::Text, true), None);
        assert_eq!(first_changed(&text, Affinity::Text, false).map(|(row, _)| row), Some(0));
    }
}
