//! In which type of a Parquet file the values of a column can be written exactly. A type is found, not assumed: a column goes
//! through all of its values first, since a database may hold a text where it declares a number.

use crate::column::batch::{Column, ColumnData, Value};
use crate::column::civil::{parse_date, parse_time, parse_timestamp};
use crate::column::logical::LogicalType;

/// A type of a column in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Signed, of 32 bits.
    Int32,
    /// Signed, of 64 bits.
    Int64,
    /// Of 32 bits.
    Float,
    /// Of 64 bits.
    Double,
    Boolean,
    /// Exact, of at most 38 digits.
    Decimal {
        precision: u16,
        scale: u16,
    },
    /// Days since 1970.
    Date,
    /// Microseconds of a day.
    Time,
    /// Microseconds since 1970; in UTC, or as the clock on the wall.
    Timestamp {
        utc: bool,
    },
    /// UTF-8.
    Text,
    Bytes,
}

/// Digits that a decimal may have.
const DECIMAL_DIGITS_MAX: u16 = 38;

impl Kind {
    /// The word for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Int32 => "integer of 32 bits",
            Kind::Int64 => "integer of 64 bits",
            Kind::Float => "float of 32 bits",
            Kind::Double => "float of 64 bits",
            Kind::Boolean => "boolean",
            Kind::Decimal { .. } => "decimal",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Timestamp { .. } => "timestamp",
            Kind::Text => "text",
            Kind::Bytes => "bytes",
        }
    }

    /// Whether a value can be written exactly; nulls always can.
    pub(super) fn fits(self, value: Value<'_>) -> bool {
        if value == Value::Null {
            return true;
        }
        match self {
            Kind::Int32 => matches!(value, Value::Integer(number) if i32::try_from(number).is_ok()),
            Kind::Int64 => matches!(value, Value::Integer(_)),
            Kind::Float => matches!(value, Value::Real(real) if f64::from(real as f32).to_bits() == real.to_bits()),
            Kind::Double => matches!(value, Value::Real(_)),
            Kind::Boolean => matches!(value, Value::Integer(0 | 1)),
            Kind::Decimal { precision, scale } => unscaled(value, precision, scale).is_some(),
            Kind::Date | Kind::Time | Kind::Timestamp { .. } => self.civil(value).is_some(),
            Kind::Text => match value {
                Value::Text(text) => std::str::from_utf8(text).is_ok(),
                other => !matches!(other, Value::Blob(_)),
            },
            Kind::Bytes => true,
        }
    }

    /// The number of a date, time or timestamp in the file; `None` if the value is none.
    pub(super) fn civil(self, value: Value<'_>) -> Option<i64> {
        let Value::Text(text) = value else { return None };
        match self {
            Kind::Date => parse_date(text).map(i64::from),
            Kind::Time => {
                let (whole, micros) = fraction(text)?;
                Some(parse_time(whole)?.saturating_mul(1_000_000).saturating_add(micros))
            }
            Kind::Timestamp { utc } => {
                let text = if utc { text.strip_suffix(b"+00")? } else { text };
                let (whole, micros) = fraction(text)?;
                parse_timestamp(whole)?.checked_mul(1_000_000)?.checked_add(micros)
            }
            _ => None,
        }
    }
}

/// A text without its fraction of a second, and that in microseconds. One that ends in a zero or has more than six digits is no
/// fraction that would be written so again.
fn fraction(text: &[u8]) -> Option<(&[u8], i64)> {
    let Some(point) = text.iter().position(|byte| *byte == b'.') else { return Some((text, 0)) };
    let (whole, digits) = (text.get(..point)?, text.get(point.checked_add(1)?..)?);
    let sound =
        (1..=6).contains(&digits.len()) && digits.last() != Some(&b'0') && digits.iter().all(u8::is_ascii_digit);
    let number: i64 = if sound { std::str::from_utf8(digits).ok()?.parse().ok()? } else { return None };
    let places = 6u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
    Some((whole, number.checked_mul(10_i64.checked_pow(places)?)?))
}

/// A decimal as a whole number of its last place; `None` if the value is none with at most that many digits.
pub(super) fn unscaled(value: Value<'_>, precision: u16, scale: u16) -> Option<i128> {
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    let within = |number: i128| (number.unsigned_abs() < limit.unsigned_abs()).then_some(number);
    let text = match value {
        Value::Integer(number) => {
            return within(i128::from(number).checked_mul(10_i128.checked_pow(u32::from(scale))?)?);
        }
        Value::Text(text) => text,
        _ => return None,
    };
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    let (whole, places) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (digits.get(..point)?, digits.get(point.checked_add(1)?..)?),
        None => (digits, &[][..]),
    };
    let all = || whole.iter().chain(places);
    if whole.is_empty() || places.len() > usize::from(scale) || !all().all(u8::is_ascii_digit) {
        return None;
    }
    let missing = usize::from(scale).checked_sub(places.len())?;
    let digits = all().map(|byte| byte.wrapping_sub(b'0')).chain(std::iter::repeat_n(0, missing));
    let mut number = 0_i128;
    for digit in digits {
        number = number.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    within(if negative { number.checked_neg()? } else { number })
}

/// The types that a column may be written in, the first that fits: that of its declaration, then wider ones. Bytes fit always.
fn candidates(logical: LogicalType) -> Vec<Kind> {
    let mut kinds = match logical {
        LogicalType::Integer { bits: 64 } => vec![Kind::Int64],
        LogicalType::Integer { .. } => vec![Kind::Int32, Kind::Int64],
        LogicalType::Float { bits: 32 } => vec![Kind::Float, Kind::Double],
        LogicalType::Float { .. } => vec![Kind::Double],
        LogicalType::Decimal { precision, scale }
            if (1..=DECIMAL_DIGITS_MAX).contains(&precision) && scale <= precision =>
        {
            vec![Kind::Decimal { precision, scale }]
        }
        LogicalType::Boolean => vec![Kind::Boolean, Kind::Int64],
        LogicalType::Date => vec![Kind::Date],
        LogicalType::Time => vec![Kind::Time],
        LogicalType::Timestamp => vec![Kind::Timestamp { utc: false }],
        LogicalType::TimestampZone => vec![Kind::Timestamp { utc: true }],
        LogicalType::Any | LogicalType::Decimal { .. } => vec![Kind::Int64, Kind::Double],
        LogicalType::Text | LogicalType::FixedText { .. } => vec![Kind::Text],
        LogicalType::Blob => Vec::new(),
    };
    if logical != LogicalType::Blob && kinds.last() != Some(&Kind::Text) {
        kinds.push(Kind::Text);
    }
    kinds.push(Kind::Bytes);
    kinds
}

/// What is left of the types of a table's columns after some of its rows.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    columns: Vec<Vec<Kind>>,
}

impl Fit {
    /// Before any row.
    pub(super) fn new(types: &[LogicalType]) -> Fit {
        Fit { columns: types.iter().map(|logical| candidates(*logical)).collect() }
    }

    /// Strikes the types that rows of a batch do not fit.
    pub(super) fn take(&mut self, columns: &[Column], numbers: &[u32]) {
        for (kinds, column) in self.columns.iter_mut().zip(columns) {
            if all_are(kinds, column) {
                continue;
            }
            for number in numbers {
                let value = column.get(*number as usize);
                while kinds.len() > 1 && kinds.first().is_some_and(|kind| !kind.fits(value)) {
                    kinds.remove(0);
                }
            }
        }
    }

    /// Strikes also what others found not to fit.
    pub(super) fn and(&mut self, other: &Fit) {
        for (kinds, others) in self.columns.iter_mut().zip(&other.columns) {
            if others.len() < kinds.len() {
                kinds.clone_from(others);
            }
        }
    }

    /// The types that are left, and whether each is another one than the declared.
    pub(super) fn kinds(&self, types: &[LogicalType]) -> Vec<(Kind, bool)> {
        let first = |logical: &LogicalType| candidates(*logical).len();
        self.columns
            .iter()
            .zip(types)
            .map(|(kinds, logical)| (kinds.first().copied().unwrap_or(Kind::Bytes), kinds.len() < first(logical)))
            .collect()
    }
}

/// Whether it shows without a look at each value that all fit the first type.
fn all_are(kinds: &[Kind], column: &Column) -> bool {
    column.strays.is_empty()
        && match (kinds.first(), &column.data) {
            (Some(Kind::Int64), ColumnData::Integer(_)) | (Some(Kind::Double), ColumnData::Real(_)) => true,
            (Some(Kind::Int32), ColumnData::Integer(numbers)) => {
                numbers.iter().all(|number| i32::try_from(*number).is_ok())
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(logical: LogicalType, values: &[Value<'_>]) -> (Kind, bool) {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        values.iter().for_each(|value| column.push(*value));
        let mut fit = Fit::new(&[logical]);
        fit.take(&[column], &(0..values.len() as u32).collect::<Vec<_>>());
        fit.kinds(&[logical])[0]
    }

    #[test]
    fn a_column_is_written_as_declared_until_a_value_does_not_fit() {
        let small = LogicalType::Integer { bits: 16 };
        let (seven, large) = (Value::Integer(7), Value::Integer(1 << 40));
        assert_eq!(kinds(small, &[]), (Kind::Int32, false));
        assert_eq!(kinds(small, &[seven, Value::Null]), (Kind::Int32, false));
        assert_eq!(kinds(small, &[seven, large]), (Kind::Int64, true));
        assert_eq!(kinds(small, &[seven, Value::Text(b"x")]), (Kind::Text, true));
        assert_eq!(kinds(small, &[large, Value::Text(b"\xFF")]), (Kind::Bytes, true));
        assert_eq!(kinds(LogicalType::Text, &[Value::Text(b"x"), seven]), (Kind::Text, false));
        assert_eq!(kinds(LogicalType::Blob, &[Value::Blob(b"x")]), (Kind::Bytes, false));
        assert_eq!(kinds(LogicalType::Boolean, &[Value::Integer(1), Value::Integer(2)]), (Kind::Int64, true));
        assert_eq!(kinds(LogicalType::Float { bits: 32 }, &[Value::Real(0.5)]), (Kind::Float, false));
        assert_eq!(kinds(LogicalType::Float { bits: 32 }, &[Value::Real(0.1)]), (Kind::Double, true));
        assert_eq!(kinds(LogicalType::Any, &[Value::Real(0.5), seven]).0, Kind::Text, "neither is both");
    }

    #[test]
    fn what_a_later_batch_widens_stays_wide() {
        let types = [LogicalType::Date];
        let fit = |text: &[u8]| {
            let mut column = Column::new(ColumnData::Text(crate::column::batch::Strings::default()));
            column.push(Value::Text(text));
            let mut fit = Fit::new(&types);
            fit.take(&[column], &[0]);
            fit
        };
        let (mut all, odd, even) = (fit(b"2024-02-29"), fit(b"infinity"), fit(b"2024-03-01"));
        all.and(&even);
        assert_eq!(all.kinds(&types), [(Kind::Date, false)]);
        all.and(&odd);
        all.and(&even);
        assert_eq!(all.kinds(&types), [(Kind::Text, true)]);
    }

    #[test]
    fn times_are_their_numbers_or_none() {
        let text = |kind: Kind, text: &str| kind.civil(Value::Text(text.as_bytes()));
        assert_eq!(text(Kind::Date, "1970-01-02"), Some(1));
        assert_eq!(text(Kind::Date, "0001-01-01 BC"), None);
        assert_eq!(text(Kind::Time, "00:00:01.5"), Some(1_500_000));
        assert_eq!(text(Kind::Time, "24:00:00"), None);
        let (wall, utc) = (Kind::Timestamp { utc: false }, Kind::Timestamp { utc: true });
        assert_eq!(text(wall, "1970-01-01 00:00:01.000001"), Some(1_000_001));
        assert_eq!(text(wall, "1969-12-31 23:59:59.25"), Some(-750_000));
        assert_eq!(text(utc, "1970-01-01 00:00:01+00"), Some(1_000_000));
        assert_eq!((text(utc, "1970-01-01 00:00:01"), text(wall, "infinity")), (None, None));
        assert_eq!((text(wall, "1970-01-01 00:00:01.0000001"), text(wall, "1970-01-01 00:00:01.50")), (None, None));
    }

    #[test]
    fn decimals_are_whole_numbers_of_their_last_place() {
        let text = |text: &str| unscaled(Value::Text(text.as_bytes()), 5, 2);
        assert_eq!((text("1.5"), text("-1.50"), text("0.01"), text("7")), (Some(150), Some(-150), Some(1), Some(700)));
        assert_eq!((text("999.99"), text("1000.00"), text("1.234"), text("NaN")), (Some(99_999), None, None, None));
        assert_eq!(
            (text(""), text("-"), text("."), text(".5"), text("1e2"), text("+1")),
            (None, None, None, None, None, None)
        );
        assert_eq!(unscaled(Value::Integer(-3), 5, 2), Some(-300));
        assert_eq!(unscaled(Value::Integer(i64::MIN), 38, 0), Some(i128::from(i64::MIN)));
        assert_eq!(unscaled(Value::Text(&[b'9'; 38]), 38, 0), 10_i128.checked_pow(38).map(|n| n - 1));
        assert_eq!(unscaled(Value::Text(&[b'9'; 39]), 38, 0), None);
        assert_eq!(unscaled(Value::Real(1.5), 5, 2), None);
    }
}
