//! Whether a section's rows fit the target's table. Decided before anything is touched. Pure.

use crate::column::logical::LogicalType;
use crate::schema::table::{ColumnSchema, TableSchema};

/// How the columns of a section map to those of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// For each column of the section, the number of the target's column.
    pub columns: Vec<usize>,
}

/// What the types of a section say of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types {
    /// The section comes from a store of the target's kind: its types bound its values.
    Same,
    /// It comes from another kind of store, whose types mean other things (every whole number of SQLite has up to 64 bits): each
    /// value is looked at when it goes in, and one that the column would change or not take is refused then.
    Other,
}

impl Types {
    /// By the kinds of the stores.
    #[must_use]
    pub fn between(section: &str, target: &str) -> Types {
        if section == target { Types::Same } else { Types::Other }
    }
}

/// Maps a section's columns to the target's, by name.
///
/// Allowed are a target column that the section lacks, if it may be null or has a default, and a wider type; between stores of
/// two kinds also a narrower type of the same sort, and text for what has no counterpart.
///
/// # Errors
/// Every other difference, one sentence each, with what to do.
pub fn map(section: &TableSchema, target: &TableSchema, types: Types) -> Result<Mapping, Vec<String>> {
    let mut columns = Vec::with_capacity(section.columns.len());
    let mut problems = Vec::new();
    for column in &section.columns {
        let Some(at) = target.column(&column.name) else {
            problems.push(format!(
                "column {} is on the volumes but not in the target: add it to the target's table first",
                column.name
            ));
            continue;
        };
        if let Some(theirs) = target.columns.get(at)
            && !fits(column.logical, theirs.logical)
            && !(types == Types::Other && of_one_sort(column.logical, theirs.logical))
        {
            problems.push(format!(
                "column {} is declared {} on the volumes and {} in the target: give the target's column that type or \
                 a wider one",
                column.name,
                declaration(column),
                declaration(theirs)
            ));
        }
        columns.push(at);
    }
    for (at, column) in target.columns.iter().enumerate() {
        if !columns.contains(&at) && !column.nullable && !column.has_default {
            problems.push(format!(
                "the target's column {} is not on the volumes, may not be null and has no default: give it a default",
                column.name
            ));
        }
    }
    if problems.is_empty() { Ok(Mapping { columns }) } else { Err(problems) }
}

fn declaration(column: &ColumnSchema) -> &str {
    if column.declared.is_empty() { "without a type" } else { &column.declared }
}

/// Whether every value of the one type is a value of the other.
fn fits(from: LogicalType, to: LogicalType) -> bool {
    use LogicalType::{Any, Decimal, FixedText, Float, Integer, Text};
    match (from, to) {
        (_, Any) => true,
        (Integer { bits: from }, Integer { bits: to }) | (Float { bits: from }, Float { bits: to }) => from <= to,
        (FixedText { width: from }, FixedText { width: to }) => from <= to,
        (Decimal { precision: p, scale: s }, Decimal { precision: q, scale: t }) => {
            q == 0 || (p != 0 && s <= t && p.saturating_sub(s) <= q.saturating_sub(t))
        }
        (FixedText { .. }, Text) => true,
        _ => from == to,
    }
}

/// Whether values of the one type may be values of the other that mean the same: read back, they are the same by the digest.
fn of_one_sort(from: LogicalType, to: LogicalType) -> bool {
    use LogicalType::{Any, Boolean, Decimal, FixedText, Float, Integer};
    match (from, to) {
        (Integer { .. }, Integer { .. })
        | (Float { .. }, Float { .. })
        | (Decimal { .. }, Decimal { .. })
        | (FixedText { .. }, FixedText { .. }) => true,
        // A decimal would come back as text, a padded text longer, an instant in another zone.
        (Any, to) => !matches!(to, Decimal { .. } | FixedText { .. } | LogicalType::TimestampZone | Boolean),
        (from, to) => from == to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, LogicalType, bool, bool)]) -> TableSchema {
        let column = |(name, logical, nullable, has_default): &(&str, LogicalType, bool, bool)| ColumnSchema {
            name: (*name).to_owned(),
            logical: *logical,
            nullable: *nullable,
            has_default: *has_default,
            declared: format!("{logical:?}"),
            collation: String::new(),
        };
        TableSchema { name: "t".into(), columns: columns.iter().map(column).collect() }
    }

    const SMALL: LogicalType = LogicalType::Integer { bits: 16 };
    const LARGE: LogicalType = LogicalType::Integer { bits: 32 };

    #[test]
    fn columns_map_by_name_whatever_their_order_and_case() {
        let section = table(&[("a", SMALL, true, false), ("B", LARGE, true, false)]);
        let target = table(&[("b", LARGE, true, false), ("extra", LARGE, true, false), ("A", LARGE, true, false)]);
        assert_eq!(map(&section, &target, Types::Same).unwrap().columns, vec![2, 0]);
    }

    #[test]
    fn every_other_difference_is_named() {
        let section = table(&[("a", LARGE, true, false), ("b", SMALL, true, false)]);
        let target = table(&[("a", SMALL, true, false), ("c", SMALL, false, false), ("d", SMALL, false, true)]);
        let problems = map(&section, &target, Types::Same).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        for (problem, word) in problems.iter().zip(["wider one", "column b is on the volumes", "column c"]) {
            assert!(problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn between_stores_of_two_kinds_values_decide() {
        use LogicalType::{Any, Boolean, Date, Decimal, FixedText, Text};
        let decimal = |precision, scale| Decimal { precision, scale };
        for (from, to, expected) in [
            (LARGE, SMALL, true),
            (decimal(0, 0), decimal(5, 2), true),
            (FixedText { width: 0 }, FixedText { width: 8 }, true),
            (Any, Text, true),
            (Any, SMALL, true),
            (Any, decimal(5, 2), false),
            (Any, Boolean, false),
            (Text, FixedText { width: 8 }, false),
            (Text, Date, false),
            (LARGE, decimal(0, 0), false),
        ] {
            let (section, target) = (table(&[("a", from, true, false)]), table(&[("a", to, true, false)]));
            assert_eq!(map(&section, &target, Types::Other).is_ok(), expected, "{from:?} into {to:?}");
            assert_eq!(map(&section, &target, Types::Same).is_ok(), fits(from, to), "{from:?} into {to:?}");
        }
        assert_eq!(Types::between("sqlite", "postgres"), Types::Other);
        assert_eq!(Types::between("sqlite", "sqlite"), Types::Same);
    }

    #[test]
    fn types_only_widen() {
        use LogicalType::{Any, Date, Decimal, FixedText, Integer, Text};
        let decimal = |precision, scale| Decimal { precision, scale };
        for (from, to, expected) in [
            (SMALL, LARGE, true),
            (LARGE, SMALL, false),
            (Text, FixedText { width: 8 }, false),
            (FixedText { width: 8 }, Text, true),
            (FixedText { width: 9 }, FixedText { width: 8 }, false),
            (decimal(5, 2), decimal(7, 2), true),
            (decimal(5, 2), decimal(5, 3), false),
            (decimal(5, 2), decimal(0, 0), true),
            (decimal(0, 0), decimal(5, 2), false),
            (Date, Text, false),
            (Integer { bits: 64 }, Any, true),
        ] {
            assert_eq!(fits(from, to), expected, "{from:?} into {to:?}");
        }
    }
}
