//! What a declared type means: the affinity by SQLite's rules, and the logical type by the common names.
//!
//! SQLite keeps whole numbers in up to 64 bits whatever the declaration says, so INTEGER and INT are 64 bits here, and only a
//! name that is narrower everywhere (SMALLINT, MEDIUMINT) is taken at its word. TINYINT counts as 16 bits: in some
//! databases it holds 0 to 255.

use crate::column::logical::LogicalType;

/// What SQLite does to a value on its way into a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    /// Numbers become text.
    Text,
    /// Text that looks like a number becomes one; a whole real becomes an integer.
    Numeric,
    /// As numeric.
    Integer,
    /// As numeric, and an integer becomes a real.
    Real,
    /// Nothing changes.
    Blob,
}

/// The affinity of a declared type. In a STRICT table the type ANY changes nothing.
pub(super) fn affinity(declared: &str, strict: bool) -> Affinity {
    let name = declared.to_ascii_uppercase();
    let has = |part: &str| name.contains(part);
    if strict && name == "ANY" {
        Affinity::Blob
    } else if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || name.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// The logical type of a declared type.
pub(super) fn logical(declared: &str, strict: bool) -> LogicalType {
    let (name, parameters) = split(declared);
    let parameter = |index: usize| parameters.get(index).copied().unwrap_or(0);
    match name.as_str() {
        "" | "ANY" | "POINT" | "INTERVAL" => LogicalType::Any,
        "TINYINT" | "SMALLINT" | "INT2" => LogicalType::Integer { bits: 16 },
        "MEDIUMINT" | "INT4" => LogicalType::Integer { bits: 32 },
        "SERIAL" | "SERIAL8" | "BIGSERIAL" => LogicalType::Integer { bits: 64 },
        "BOOL" | "BOOLEAN" => LogicalType::Boolean,
        "DATE" => LogicalType::Date,
        "TIME" | "TIME WITHOUT TIME ZONE" => LogicalType::Time,
        "DATETIME"
        | "TIMESTAMP"
        | "TIMESTAMP WITHOUT TIME ZONE"
        | "DATETIME YEAR TO SECOND"
        | "DATETIME YEAR TO FRACTION"
        | "DATETIME YEAR TO MINUTE" => LogicalType::Timestamp,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => LogicalType::TimestampZone,
        "DECIMAL" | "DEC" | "NUMERIC" | "NUMBER" | "MONEY" => LogicalType::Decimal {
            precision: u16::try_from(parameter(0)).unwrap_or(0),
            scale: u16::try_from(parameter(1)).unwrap_or(0),
        },
        "CHAR" | "CHARACTER" | "NCHAR" | "NATIVE CHARACTER" | "BPCHAR" => {
            LogicalType::FixedText { width: parameter(0) }
        }
        "BYTEA" | "BYTE" | "BINARY" | "VARBINARY" => LogicalType::Blob,
        _ => match affinity(declared, strict) {
            Affinity::Integer => LogicalType::Integer { bits: 64 },
            Affinity::Text => LogicalType::Text,
            Affinity::Real => LogicalType::Float { bits: 64 },
            Affinity::Blob => LogicalType::Blob,
            Affinity::Numeric => LogicalType::Any,
        },
    }
}

/// The name in capitals with single blanks, and the numbers in its parentheses; a number that cannot be one counts as 0.
fn split(declared: &str) -> (String, Vec<u32>) {
    let (before, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
    let words: Vec<&str> = before.split_ascii_whitespace().chain(after.split_ascii_whitespace()).collect();
    let numbers = inside.split(',').map(|number| number.trim().parse().unwrap_or(0)).collect();
    (words.join(" ").to_ascii_uppercase(), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_declarations_have_their_types() {
        let integer = |bits| LogicalType::Integer { bits };
        for (declared, expected) in [
            ("INTEGER", integer(64)),
            ("int", integer(64)),
            ("BIGINT", integer(64)),
            ("unsigned big int", integer(64)),
            ("SmallInt", integer(16)),
            ("tinyint(1)", integer(16)),
            ("MEDIUMINT", integer(32)),
            ("CHAR(10)", LogicalType::FixedText { width: 10 }),
            ("character ( 7 )", LogicalType::FixedText { width: 7 }),
            ("CHAR", LogicalType::FixedText { width: 0 }),
            ("CHAR(99999999999)", LogicalType::FixedText { width: 0 }),
            ("VARCHAR(20)", LogicalType::Text),
            ("character varying(3)", LogicalType::Text),
            ("TEXT", LogicalType::Text),
            ("decimal(10, 5)", LogicalType::Decimal { precision: 10, scale: 5 }),
            ("NUMERIC", LogicalType::Decimal { precision: 0, scale: 0 }),
            ("DOUBLE PRECISION", LogicalType::Float { bits: 64 }),
            ("smallfloat", LogicalType::Float { bits: 64 }),
            ("BOOLEAN", LogicalType::Boolean),
            ("date", LogicalType::Date),
            ("DATETIME", LogicalType::Timestamp),
            ("timestamp(3) with time zone", LogicalType::TimestampZone),
            ("datetime year to second", LogicalType::Timestamp),
            ("TIME", LogicalType::Time),
            ("BLOB", LogicalType::Blob),
            ("varbinary(9)", LogicalType::Blob),
            ("", LogicalType::Any),
            ("STRING", LogicalType::Any),
            ("INTERVAL", LogicalType::Any),
            ("weird (", LogicalType::Any),
        ] {
            assert_eq!(logical(declared, false), expected, "{declared}");
        }
    }

    #[test]
    fn affinity_follows_the_documented_order_of_rules() {
        for (declared, expected) in [
            ("CHARINT", Affinity::Integer),
            ("FLOATING POINT", Affinity::Integer),
            ("DATE", Affinity::Numeric),
            ("STRING", Affinity::Numeric),
            ("BLOBTEXT", Affinity::Text),
            ("", Affinity::Blob),
            ("DOUBLE", Affinity::Real),
            ("ANY", Affinity::Numeric),
        ] {
            assert_eq!(affinity(declared, false), expected, "{declared}");
        }
        assert_eq!(affinity("any", true), Affinity::Blob);
    }
}
