//! What the values of fields stand for, in words. Knows names of fields, never places.

use super::part::Value;
use crate::base::time::{Day, Instant, civil_of_day};
use crate::column::id::ENCODINGS;
use crate::column::logical::LogicalType;
use crate::format::block::BlockKind;
use crate::format::label::{data_types, purpose};
use crate::format::section::CLOCK_KINDS;
use crate::format::version::unknown_features;
use crate::schema::grain::{DataType, Grain};

/// What a value stands for, given struct and name of its field.
pub(super) fn meaning((structure, field): (&str, &str), value: &Value) -> Option<String> {
    match value {
        Value::Unsigned(number) => of_number(structure, field, *number),
        Value::Signed(number) => of_signed(field, *number),
        Value::Flag(flag) => Some(if *flag { "yes" } else { "no" }.to_owned()),
        Value::None | Value::Text(_) => None,
    }
}

fn of_number(structure: &str, field: &str, number: u64) -> Option<String> {
    let byte = || u8::try_from(number).ok();
    let named = |name: Option<&str>| Some(name.unwrap_or("not known here").to_owned());
    match (structure, field) {
        ("block entry", "kind") => Some(kind_name(byte()?)),
        ("clock entry", "kind") => {
            named(CLOCK_KINDS.iter().find(|(id, _)| u64::from(*id) == number).map(|(_, name)| *name))
        }
        (_, "required_features") if number != 0 => Some(unknown_features(number).join(", ")),
        (_, "data_types") => Some(data_names(number)),
        (_, "data_type") => named(u32::try_from(number).ok().and_then(DataType::from_bit).map(DataType::name)),
        (_, "grain") => named(byte().and_then(Grain::from_id).map(Grain::name)),
        (_, "encoding") => named(ENCODINGS.iter().find(|(id, _)| u64::from(*id) == number).map(|(_, name)| *name)),
        (_, "logical") => named(logical_name(number)),
        (_, "purpose") => named(match byte()? {
            purpose::BACKUP => Some("backup"),
            purpose::UNDO => Some("undo"),
            _ => None,
        }),
        (_, "last") => named(match number {
            0 => Some("not known when it was written"),
            1 => Some("the last piece of its bucket"),
            2 => Some("more pieces follow"),
            _ => None,
        }),
        _ => None,
    }
}

fn of_signed(field: &str, number: i64) -> Option<String> {
    match field {
        // Undated rows have nought in both.
        "first" | "stop" if number == 0 => None,
        "first" | "stop" | "start" | "cutoff" | "created_civil" => instant(number),
        "created_unix" => instant(number).map(|text| format!("{text} UTC")),
        "day" | "retain_until" => Day::try_from(number).ok().and_then(day),
        _ => None,
    }
}

fn instant(number: i64) -> Option<String> {
    let at = Instant(number);
    (Instant::MIN <= at && at <= Instant::MAX).then(|| at.to_string())
}

fn day(day: Day) -> Option<String> {
    let known = Instant::MIN <= Instant::of_day(day) && Instant::of_day(day) < Instant::MAX;
    known.then(|| civil_of_day(day)).map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"))
}

/// The kind of a block, in words.
pub(super) fn kind_name(id: u8) -> String {
    let reserved = BlockKind::RESERVED.iter().find(|(reserved, _)| *reserved == id);
    match (reserved, BlockKind::from_id(id)) {
        (Some((_, name)), _) => format!("{name}, reserved"),
        (None, Some(kind)) => kind.name().to_owned(),
        (None, None) => "not known here".to_owned(),
    }
}

/// The kinds of data of a label.
fn data_names(bits: u64) -> String {
    let named = DataType::ALL.into_iter().filter(|data| bits & u64::from(data.bit()) != 0).map(DataType::name);
    let specific = (bits & u64::from(data_types::SPECIFIC) != 0).then_some("specific tables");
    let unknown = (bits & !u64::from(data_types::ALL) != 0).then_some("bits not known here");
    named.chain(specific).chain(unknown).collect::<Vec<_>>().join(", ")
}

/// The logical type of an id, whatever its parameters are.
fn logical_name(id: u64) -> Option<&'static str> {
    let id = u16::try_from(id).ok()?;
    let types = [(8, 0), (32, 0), (0, 0)].into_iter().find_map(|(one, two)| LogicalType::from_stored(id, one, two))?;
    Some(type_name(types))
}

/// A logical type in a word; see [`type_text`] for its parameters.
const fn type_name(logical: LogicalType) -> &'static str {
    match logical {
        LogicalType::Integer { .. } => "integer",
        LogicalType::Float { .. } => "float",
        LogicalType::Decimal { .. } => "decimal",
        LogicalType::Boolean => "boolean",
        LogicalType::Date => "date",
        LogicalType::Time => "time",
        LogicalType::Timestamp => "timestamp",
        LogicalType::TimestampZone => "timestamp with zone",
        LogicalType::Text => "text",
        LogicalType::FixedText { .. } => "fixed text",
        LogicalType::Blob => "blob",
        LogicalType::Any => "any",
    }
}

/// A logical type with its parameters: `integer 16`, `decimal 10,2`.
#[must_use]
pub fn type_text(logical: LogicalType) -> String {
    let name = type_name(logical);
    match logical {
        LogicalType::Integer { bits } | LogicalType::Float { bits } => format!("{name} {bits}"),
        LogicalType::Decimal { precision: 0, .. } | LogicalType::FixedText { width: 0 } => name.to_owned(),
        LogicalType::Decimal { precision, scale } => format!("{name} {precision},{scale}"),
        LogicalType::FixedText { width } => format!("{name} {width}"),
        _ => name.to_owned(),
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
