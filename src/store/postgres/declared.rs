//! What the type of a column means: its logical type, and how its text in a COPY is read.
//!
//! A domain is what it is made over. What has no counterpart here (arrays, enums, json, inet, intervals, a time with a zone, …)
//! travels as its text, which PostgreSQL reads back as it was; the section names the type.

use crate::column::logical::LogicalType;

/// How the text of a value becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Digits with a sign: a whole number.
    Integer,
    /// A real number of 32 bits, or of 64 where `wide`.
    Real {
        /// Whether it has 64 bits.
        wide: bool,
    },
    /// `t` and `f`: 1 and 0.
    Boolean,
    /// The text is the value.
    Text,
    /// `\\x` and two digits for each byte.
    Blob,
}

/// Numbers of PostgreSQL's own types: they never change.
mod oid {
    pub(super) const BOOL: u32 = 16;
    pub(super) const BYTEA: u32 = 17;
    pub(super) const NAME: u32 = 19;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const FLOAT4: u32 = 700;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const DATE: u32 = 1082;
    pub(super) const TIME: u32 = 1083;
    pub(super) const TIMESTAMP: u32 = 1114;
    pub(super) const TIMESTAMPTZ: u32 = 1184;
    pub(super) const NUMERIC: u32 = 1700;
}

/// What a type modifier counts too many: the length of the header of a value.
const HEADER: i32 = 4;

/// The logical type and the form of a base type with its modifier (-1: none).
pub(super) fn declared(base: u32, modifier: i32) -> (LogicalType, Form) {
    let given = modifier.checked_sub(HEADER).filter(|given| *given >= 0);
    match base {
        oid::INT2 => (LogicalType::Integer { bits: 16 }, Form::Integer),
        oid::INT4 => (LogicalType::Integer { bits: 32 }, Form::Integer),
        oid::INT8 => (LogicalType::Integer { bits: 64 }, Form::Integer),
        oid::FLOAT4 => (LogicalType::Float { bits: 32 }, Form::Real { wide: false }),
        oid::FLOAT8 => (LogicalType::Float { bits: 64 }, Form::Real { wide: true }),
        oid::BOOL => (LogicalType::Boolean, Form::Boolean),
        oid::BYTEA => (LogicalType::Blob, Form::Blob),
        oid::NUMERIC => (numeric(given), Form::Text),
        oid::DATE => (LogicalType::Date, Form::Text),
        oid::TIME => (LogicalType::Time, Form::Text),
        oid::TIMESTAMP => (LogicalType::Timestamp, Form::Text),
        oid::TIMESTAMPTZ => (LogicalType::TimestampZone, Form::Text),
        oid::TEXT | oid::VARCHAR | oid::NAME => (LogicalType::Text, Form::Text),
        oid::BPCHAR => {
            let width = given.and_then(|width| u32::try_from(width).ok()).unwrap_or(0);
            (LogicalType::FixedText { width }, Form::Text)
        }
        _ => (LogicalType::Any, Form::Text),
    }
}

/// Digits and digits after the point of a numeric column. A negative scale (rounded before the point) says nothing here.
fn numeric(given: Option<i32>) -> LogicalType {
    let none = LogicalType::Decimal { precision: 0, scale: 0 };
    let Some(given) = given else { return none };
    // The scale has 11 bits, of which the highest is its sign.
    let (precision, scale) = ((given >> 16) & 0xFFFF, given & 0x7FF);
    match (u16::try_from(precision), u16::try_from(scale)) {
        (Ok(precision), Ok(scale)) if scale < 0x400 => LogicalType::Decimal { precision, scale },
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_widths_and_digits() {
        let logical = |base, modifier| declared(base, modifier).0;
        assert_eq!(logical(oid::BPCHAR, 14), LogicalType::FixedText { width: 10 });
        assert_eq!(logical(oid::BPCHAR, -1), LogicalType::FixedText { width: 0 });
        assert_eq!(logical(oid::NUMERIC, ((7 << 16) | 2) + 4), LogicalType::Decimal { precision: 7, scale: 2 });
        assert_eq!(logical(oid::NUMERIC, -1), LogicalType::Decimal { precision: 0, scale: 0 });
        assert_eq!(logical(oid::NUMERIC, ((7 << 16) | 0x7FE) + 4), LogicalType::Decimal { precision: 0, scale: 0 });
        assert_eq!(logical(3802, -1), LogicalType::Any);
    }
}
