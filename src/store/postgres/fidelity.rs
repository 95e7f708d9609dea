//! Finds values that a column would not keep as they are.
//!
//! The server converts on the way in: it rounds what has more digits than a column keeps, cuts blanks at the end of a text
//! that is too long, reads a text that means a number or a time, and writes it back in its own words. What was read from a
//! column of the same type has been through that already and stays as it is. From another it may not: such a value is
//! refused here, before it would be changed without a word. What the server refuses by itself is left to it.

use postgres::types::Type;

use crate::column::batch::{Column, ColumnData, Value};

/// What a column takes, as far as it matters to what becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers from the first to the second.
    Integer(i64, i64),
    /// True and false, as 1 and 0.
    Boolean,
    /// Binary floating point of 32 bits.
    Single,
    /// Binary floating point of 64 bits.
    Double,
    /// Exact decimals; digits after the point, if the column says how many (negative: zeros before it).
    Decimal(Option<i32>),
    /// Dates.
    Date,
    /// Times of day, dates and times; digits after the point that it keeps, whether a zone belongs to it.
    Time(u32, bool),
    /// Dates with times, likewise.
    Timestamp(u32, bool),
    /// Text; most characters, if the column says how many.
    Text(Option<usize>),
    /// Text filled up with blanks.
    Padded,
    /// Text of which the server keeps this many bytes.
    Cut(usize),
    /// Bytes.
    Bytes,
    /// Any other: its values travel as their text.
    Other,
}

impl Kind {
    /// What a column of this type (below all domains) and modifier takes.
    pub(super) fn of(oid: u32, modifier: i32) -> Kind {
        // The header that the server counts in with a length.
        let length = usize::try_from(modifier.saturating_sub(4)).ok().filter(|_| modifier >= 4);
        let digits = u32::try_from(modifier).unwrap_or(6);
        match Type::from_oid(oid) {
            Some(Type::INT2) => Kind::Integer(i16::MIN.into(), i16::MAX.into()),
            Some(Type::INT4) => Kind::Integer(i32::MIN.into(), i32::MAX.into()),
            Some(Type::INT8) => Kind::Integer(i64::MIN, i64::MAX),
            Some(Type::BOOL) => Kind::Boolean,
            Some(Type::FLOAT4) => Kind::Single,
            Some(Type::FLOAT8) => Kind::Double,
            Some(Type::NUMERIC) => Kind::Decimal(length.map(|typmod| scale(typmod as i32))),
            Some(Type::DATE) => Kind::Date,
            Some(Type::TIME) => Kind::Time(digits, false),
            Some(Type::TIMETZ) => Kind::Time(digits, true),
            Some(Type::TIMESTAMP) => Kind::Timestamp(digits, false),
            Some(Type::TIMESTAMPTZ) => Kind::Timestamp(digits, true),
            Some(Type::TEXT) => Kind::Text(None),
            Some(Type::VARCHAR) => Kind::Text(length),
            Some(Type::BPCHAR) => Kind::Padded,
            Some(Type::NAME) => Kind::Cut(63),
            Some(Type::CHAR) => Kind::Cut(1),
            Some(Type::BYTEA) => Kind::Bytes,
            _ => Kind::Other,
        }
    }
}

/// The digits after the point in the modifier of a numeric: eleven bits with a sign.
fn scale(modifier: i32) -> i32 {
    (modifier & 0x7FF ^ 1_024).wrapping_sub(1_024)
}

/// Row (from 0) and reason of the first value that would be changed.
pub(super) fn first_changed(column: &Column, kind: Kind) -> Option<(usize, &'static str)> {
    let bare = column.nulls.is_empty() && column.strays.is_empty();
    let keeps_all = match (&column.data, kind) {
        (ColumnData::Integer(values), Kind::Integer(least, most)) => {
            // Rows without a value hold 0 there, which every column of whole numbers takes.
            values.iter().all(|value| (least..=most).contains(value))
        }
        (ColumnData::Integer(_), Kind::Decimal(None)) | (ColumnData::Text(_), Kind::Text(None) | Kind::Padded) => true,
        (ColumnData::Text(_), Kind::Other) | (ColumnData::Blob(_), Kind::Bytes) => true,
        _ => false,
    };
    if keeps_all && bare {
        return None;
    }
    if keeps_all {
        let changed = |(row, value): &(u32, crate::column::batch::OwnedValue)| {
            changed(value.as_value(), kind).map(|reason| (*row as usize, reason))
        };
        return column.strays.iter().find_map(changed);
    }
    (0..column.len()).find_map(|row| changed(column.get(row), kind).map(|reason| (row, reason)))
}

/// Why this value would be changed, if it would.
fn changed(value: Value<'_>, kind: Kind) -> Option<&'static str> {
    match (value, kind) {
        (Value::Null, _) => None,
        (Value::Integer(number), Kind::Integer(least, most)) => {
            (!(least..=most).contains(&number)).then_some("the column's type has no number of this size")
        }
        (Value::Integer(number), Kind::Boolean) => {
            (!(0..=1).contains(&number)).then_some("only 0 and 1 stand for false and true")
        }
        (Value::Integer(number), Kind::Decimal(scale)) => rounded(number.to_string().as_bytes(), scale),
        (Value::Integer(_), Kind::Single | Kind::Double) => Some("a whole number would become a real one"),
        (Value::Integer(_), _) => Some("a number would become something else"),
        (Value::Real(real), Kind::Single | Kind::Double) => {
            let kept = f64::from(real as f32).to_bits() == real.to_bits() || real.is_nan();
            (kind == Kind::Single && !kept).then_some("the column keeps fewer digits, and would change the number")
        }
        (Value::Real(real), Kind::Decimal(scale)) if real.is_finite() => rounded(format!("{real}").as_bytes(), scale),
        (Value::Real(_), _) => Some("a real number would become something else"),
        (Value::Blob(_), Kind::Bytes) => None,
        (Value::Blob(_), _) => Some("bytes would become something else"),
        (Value::Text(text), kind) => changed_text(text, kind),
    }
}

/// Why a text would be changed, if it would.
fn changed_text(text: &[u8], kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Text(None) | Kind::Padded | Kind::Other => None,
        Kind::Text(Some(most)) => (text.len() > most && loses_blanks(text, most))
            .then_some("it is longer than the column, and the server would cut the blanks at its end"),
        Kind::Cut(most) => {
            let octal = most == 1 && text.len() == 4 && text.first() == Some(&b'\\');
            (text.len() > most && !octal).then_some("it is longer than the column, and the server would cut it")
        }
        Kind::Decimal(scale) => match text {
            b"NaN" | b"Infinity" | b"-Infinity" => None,
            _ => rounded(text, scale),
        },
        Kind::Date | Kind::Time(..) | Kind::Timestamp(..) => temporal(text, kind),
        Kind::Integer(..) | Kind::Single | Kind::Double => Some("text would become a number"),
        Kind::Boolean => Some("text would become true or false"),
        Kind::Bytes => Some("text would become bytes"),
    }
}

/// Whether all that a text has beyond `most` characters is blanks.
fn loses_blanks(text: &[u8], most: usize) -> bool {
    let kept = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
    let characters = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    characters(text) > most && characters(text.get(..kept).unwrap_or_default()) <= most
}

/// Why a decimal would be changed by a column with so many digits after the point. Only plain digits are a decimal that is
/// given back as it is.
fn rounded(text: &[u8], scale: Option<i32>) -> Option<&'static str> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, fraction) = match unsigned.iter().position(|byte| *byte == b'.') {
        Some(point) => (unsigned.get(..point)?, unsigned.get(point.saturating_add(1)..).filter(|f| !f.is_empty())),
        None => (unsigned, Some([].as_slice())),
    };
    let Some(fraction) = fraction.filter(|f| !whole.is_empty() && whole.iter().chain(*f).all(u8::is_ascii_digit))
    else {
        return Some("it is not a number as the column would give it back");
    };
    let nonzero = |digits: &[u8]| digits.iter().rposition(|digit| *digit != b'0');
    let lost = match (scale, nonzero(fraction)) {
        (None, _) => false,
        (Some(scale), Some(last)) => i64::from(scale) <= last as i64,
        (Some(scale), None) => nonzero(whole).is_some_and(|last| {
            let zeros = whole.len().saturating_sub(last).saturating_sub(1);
            i64::from(scale).saturating_add(zeros as i64) < 0
        }),
    };
    lost.then_some("the column keeps fewer digits after the point, and would round it")
}

/// Why a date or time would be changed: the server takes many spellings and gives back one, drops what a column does not keep,
/// and reads some words (`now`, `today`) anew each time. Zeros at the end of a fraction are none. What looks like a date and is
/// none is refused by the server.
fn temporal(text: &[u8], kind: Kind) -> Option<&'static str> {
    const OTHER: Option<&str> = Some("it is not a date or time as the server writes it");
    if matches!(text, b"infinity" | b"-infinity") {
        return None;
    }
    let dated = text.strip_suffix(b" BC").unwrap_or(text);
    let (clock, digits, zoned) = match kind {
        Kind::Time(digits, zoned) => (Some(text), digits, zoned),
        Kind::Timestamp(digits, zoned) => (behind_date(dated).and_then(|rest| rest.strip_prefix(b" ")), digits, zoned),
        _ => return if behind_date(dated).is_some_and(<[u8]>::is_empty) { None } else { OTHER },
    };
    let Some((fraction, offset)) = clock.and_then(behind_time) else { return OTHER };
    let of_day = matches!(kind, Kind::Time(..));
    if !of_day && clock.is_some_and(|clock| clock.starts_with(b"24")) {
        return Some("the server would make the next day of it");
    }
    let signed = matches!(offset, [b'+' | b'-', ..]);
    match (zoned, offset) {
        (false, []) => {}
        (false, _) if signed => return Some("the column has no zone, and would drop that of this time"),
        (true, _) if of_day && is_offset(offset) => {}
        (true, _) if !of_day && offset == b"+00" => {}
        (true, _) if !of_day && (signed || offset.is_empty()) => return Some("the server would give it back in UTC"),
        _ => return OTHER,
    }
    let last = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last.saturating_add(1));
    (last > digits as usize).then_some("the column keeps fewer digits of a second, and would round it")
}

/// What is behind a text that is written like this: `0` stands for a digit, all else for itself.
fn behind<'t>(text: &'t [u8], like: &[u8]) -> Option<&'t [u8]> {
    let (front, rest) = text.split_at_checked(like.len())?;
    let same = |(byte, like): (&u8, &u8)| if *like == b'0' { byte.is_ascii_digit() } else { byte == like };
    front.iter().zip(like).all(same).then_some(rest)
}

/// What is behind a date; a year has four digits or more.
fn behind_date(text: &[u8]) -> Option<&[u8]> {
    let year = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(year)?;
    (year == 4 || year > 4 && !digits.starts_with(b"0")).then(|| behind(rest, b"-00-00")).flatten()
}

/// The digits of a fraction of a second, and what is behind a time; a minute has no 61st second.
fn behind_time(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = behind(text, b"00:00:00").filter(|_| text.get(6).is_some_and(|tens| *tens < b'6'))?;
    let Some(fraction) = rest.strip_prefix(b".") else { return Some((&[], rest)) };
    let end = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
    fraction.split_at_checked(end).filter(|_| (1..=6).contains(&end))
}

/// Whether this is the distance of a zone from UTC as the server writes it: hours, and minutes and seconds where there are some.
fn is_offset(text: &[u8]) -> bool {
    let Some((b'+' | b'-', rest)) = text.split_first() else { return false };
    let shortest = !rest.ends_with(b":00") && text != b"-00";
    shortest && [&b"00"[..], b"00:00", b"00:00:00"].iter().any(|like| behind(rest, like).is_some_and(<[u8]>::is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::Strings;

    #[test]
    fn decimals_that_would_be_rounded_are_found() {
        let kept = |text: &str, scale: Option<i32>| rounded(text.as_bytes(), scale).is_none();
        for text in ["0", "-0", "12", "12.5", "12.50", "-12.500", "0.10", "9999999999999999999999.25"] {
            assert!(kept(text, Some(2)) && kept(text, None), "{text}");
        }
        for text in ["0.001", "12.505", "-0.0000001"] {
            assert!(!kept(text, Some(2)) && kept(text, None), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1e5", "+5", " 5", "5 ", "0x10", "1_000", "--1", "1.2.3", "nan"] {
            assert!(!kept(text, Some(2)) && !kept(text, None), "{text}");
        }
        assert!(kept("1200", Some(-2)) && kept("0", Some(-2)) && !kept("1250", Some(-2)) && !kept("1200.1", Some(-2)));
        let scale_of = |modifier: i32| Kind::of(1_700, modifier);
        assert_eq!(scale_of(-1), Kind::Decimal(None));
        assert_eq!(scale_of((9 << 16 | 2) + 4), Kind::Decimal(Some(2)));
        assert_eq!(scale_of((9 << 16 | (-2 & 0x7FF)) + 4), Kind::Decimal(Some(-2)));
    }

    #[test]
    fn times_that_would_be_changed_are_found() {
        let kept = |text: &str, kind: Kind| changed_text(text.as_bytes(), kind).is_none();
        let (date, time, stamp) = (Kind::Date, Kind::Time(6, false), Kind::Timestamp(3, false));
        let (zoned, zoned_time) = (Kind::Timestamp(6, true), Kind::Time(6, true));
        for (text, kind) in [
            ("2024-02-29", date),
            ("infinity", date),
            ("0044-03-15 BC", date),
            ("12345-01-01", date),
            ("24:00:00", time),
            ("07:00:00.123456", time),
            ("2024-02-29 07:00:00", stamp),
            ("2024-02-29 07:00:00.12300", stamp),
            ("-infinity", stamp),
            ("2024-02-29 07:00:00+00", zoned),
            ("2024-02-29 07:00:00.5+00 BC", zoned),
            ("07:00:00-03", zoned_time),
            ("07:00:00.5+05:30", zoned_time),
            ("24:00:00+00:00:01", zoned_time),
        ] {
            assert!(kept(text, kind), "{text} {kind:?}");
        }
        for (text, kind) in [
            ("today", date),
            ("", date),
            ("Jan 5 2024", date),
            ("07:00:00.1234567", time),
            ("07:00:00+02", time),
            ("now", stamp),
            ("2024-02-29 07:00:00.1235", stamp),
            ("2024-02-29 07:00:00+00", stamp),
            ("2024-02-29 07:00:00", zoned),
            ("2024-02-29 07:00:00+02", zoned),
            ("2024-02-29 10:11:12", date),
            ("2024-2-29", date),
            ("24-02-29", date),
            ("02024-02-29", date),
            ("2024-060", date),
            ("2024-02-29 ", date),
            ("2024-02-29 07:00:00", time),
            ("7:00:00", time),
            ("07:00", time),
            ("07:00:", time),
            ("07:00:00.", time),
            ("07:00:00 BC", time),
            ("07:00:00.0000000", time),
            ("23:59:60", time),
            ("07:00:00+05:00", zoned_time),
            ("07:00:00-00", zoned_time),
            ("07:00:00", zoned_time),
            ("07:00:00+5", zoned_time),
            ("2024-02-29", stamp),
            ("2024-02-29 07:00", stamp),
            ("2024-02-29  07:00:00", stamp),
            ("2024-02-29 24:00:00", stamp),
            ("2024-02-29 07:00:00 PM", stamp),
            ("20240229 070000", stamp),
            ("2024-02-29 07:00:00+00 ", zoned),
        ] {
            assert!(!kept(text, kind), "{text} {kind:?}");
        }
    }

    #[test]
    fn texts_that_would_be_cut_are_found() {
        let kept = |text: &str, kind: Kind| changed_text(text.as_bytes(), kind).is_none();
        let three = Kind::Text(Some(3));
        assert!(kept("abc", three) && kept("äöü", three) && !kept("äö  ", three) && !kept("abc ", three));
        assert!(kept("abcd", three), "the server refuses it");
        assert!(kept("x", Kind::Cut(1)) && kept("\\303", Kind::Cut(1)) && !kept("xy", Kind::Cut(1)));
        assert_eq!(Kind::of(1_043, 14), Kind::Text(Some(10)));
        assert_eq!((Kind::of(1_043, -1), Kind::of(1_114, -1)), (Kind::Text(None), Kind::Timestamp(6, false)));
        assert_eq!(Kind::of(1_114, 0), Kind::Timestamp(0, false));
    }

    #[test]
    fn a_column_shows_its_first_bad_row() {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        [1, 32_767, -32_768].iter().for_each(|number| column.push(Value::Integer(*number)));
        let small = Kind::of(21, -1);
        assert_eq!(first_changed(&column, small), None);
        column.push(Value::Null);
        column.push(Value::Text(b"7"));
        assert_eq!(first_changed(&column, small).map(|(row, _)| row), Some(4));
        column.push(Value::Integer(32_768));
        assert_eq!(first_changed(&column, small).map(|(row, _)| row), Some(4));
        assert_eq!(first_changed(&column, Kind::Boolean).map(|(row, _)| row), Some(1));
        assert_eq!(first_changed(&column, Kind::Double).map(|(row, _)| row), Some(0));
        let text = Column::new(ColumnData::Text(Strings { offsets: vec![0, 1], bytes: b"1".to_vec() }));
        assert_eq!(first_changed(&text, Kind::Other), None);
        assert_eq!(first_changed(&text, Kind::Bytes).map(|(row, _)| row), Some(0));
        let mut reals = Column::new(ColumnData::Real(Vec::new()));
        [f64::from(0.1f32), f64::NAN, f64::INFINITY, 0.1].iter().for_each(|real| reals.push(Value::Real(*real)));
        assert_eq!(first_changed(&reals, Kind::Single).map(|(row, _)| row), Some(3));
        assert_eq!(first_changed(&reals, Kind::Double), None);
        assert_eq!(first_changed(&reals, Kind::Decimal(None)).map(|(row, _)| row), Some(1));
    }
}
