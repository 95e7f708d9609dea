//! A section's header as a table, and back.

use super::pieces::Cutoffs;
use crate::base::time::Instant;
use crate::column::logical::LogicalType;
use crate::files::rows;
use crate::format::error::{FormatError, FormatErrorKind};
use crate::format::section::{ClockEntry, ColumnEntry, CutoffEntry, SectionRecord};
use crate::schema::clock::{Clock, ClockKind, Length};
use crate::schema::grain::{DataType, Grain};
use crate::schema::table::{BoundTable, ColumnSchema, TableSchema};

/// Id of the row digest that sections are written with.
pub const DIGEST_ID: u16 = 1;

/// The header of a section that holds this table.
#[must_use]
pub fn to_record(table: &BoundTable, ordered: bool, cutoffs: &Cutoffs) -> SectionRecord {
    let column_entry = |column: &ColumnSchema| {
        let (logical, parameter, parameter2) = column.logical.to_stored();
        ColumnEntry {
            name: column.name.clone(),
            logical,
            parameter,
            parameter2,
            nullable: column.nullable,
            declared: column.declared.clone(),
            collation: column.collation.clone(),
        }
    };
    SectionRecord {
        table: table.schema.name.clone(),
        data_type: table.data_type.bit(),
        grain: table.grain.id(),
        clock: clock_entry(table.clock.as_ref()),
        acd_column: table.acd_column.map(|column| column as u32),
        columns: table.schema.columns.iter().map(column_entry).collect(),
        first_row: 0,
        first_chunk: 0,
        ordered,
        slot_minutes: table.event_slot_minutes.clamp(1, 1_440),
        server_bound: table.server_bound,
        digest_id: DIGEST_ID,
        cutoffs: cutoffs.iter().map(|(acd, cutoff)| CutoffEntry { acd, cutoff: cutoff.0 }).collect(),
    }
}

/// Whether a section is a file tree: one without time and without ACDs that has the columns of one.
#[must_use]
pub fn is_tree(record: &SectionRecord) -> bool {
    let logical = |entry: &ColumnEntry| LogicalType::from_stored(entry.logical, entry.parameter, entry.parameter2);
    let columns = record.columns.iter().map(|entry| (entry.name.as_str(), logical(entry), entry.declared.as_str()));
    record.grain == 0 && record.clock.kind == 0 && record.acd_column.is_none() && rows::is_tree(columns)
}

fn clock_entry(clock: Option<&Clock>) -> ClockEntry {
    let (kind, date, time, zone) = match clock.map(|clock| &clock.kind) {
        None => (0, 0, None, ""),
        Some(ClockKind::DateHhmm { date, time }) => (1, *date, Some(*time as u32), ""),
        Some(ClockKind::Date { date }) => (2, *date, None, ""),
        Some(ClockKind::Timestamp { at }) => (3, *at, None, ""),
        Some(ClockKind::EpochSeconds { at, zone }) => (4, *at, None, zone.as_str()),
    };
    let (length_column, length_minutes) = match clock.and_then(|clock| clock.length) {
        None => (None, 0),
        Some(Length::Column(column)) => (Some(column as u32), 0),
        Some(Length::Minutes(minutes)) => (None, minutes),
    };
    ClockEntry {
        kind,
        date_column: date as u32,
        time_column: time,
        length_column,
        length_minutes,
        zone: zone.to_owned(),
    }
}

/// The table of a section header, and its cutoffs.
///
/// # Errors
/// A logical type, clock or combination that this release does not know. Column numbers were checked when the record
/// was read.
pub fn from_record(record: &SectionRecord) -> Result<(BoundTable, Cutoffs), FormatError> {
    let fail = |field, found: u64, allowed| Err(FormatError::new(FormatErrorKind::Field { field, found, allowed }, 0));
    let mut columns = Vec::with_capacity(record.columns.len());
    for entry in &record.columns {
        let Some(logical) = LogicalType::from_stored(entry.logical, entry.parameter, entry.parameter2) else {
            return fail("logical", u64::from(entry.logical), "a logical type of this format version");
        };
        columns.push(ColumnSchema {
            name: entry.name.clone(),
            logical,
            nullable: entry.nullable,
            has_default: false,
            declared: entry.declared.clone(),
            collation: entry.collation.clone(),
        });
    }
    let Some(grain) = Grain::from_id(record.grain) else {
        return fail("grain", u64::from(record.grain), "0 to 5");
    };
    let clock = clock(&record.clock)?;
    if clock.is_some() != (grain != Grain::None) {
        return fail("clock kind", u64::from(record.clock.kind), "0 exactly where the grain is 0");
    }
    // Specific tables carry the data type that their catalogue entry names; a bare bit 5 is not a data type.
    let Some(data_type) = DataType::from_bit(record.data_type) else {
        return fail("data_type", u64::from(record.data_type), "one of 1, 2, 4, 8, 16");
    };
    let table = BoundTable {
        schema: TableSchema { name: record.table.clone(), columns },
        data_type,
        grain,
        clock,
        acd_column: record.acd_column.map(|column| column as usize),
        event_slot_minutes: record.slot_minutes,
        server_bound: record.server_bound,
    };
    let cutoffs = Cutoffs::new(record.cutoffs.iter().map(|entry| (entry.acd, Instant(entry.cutoff))));
    Ok((table, cutoffs))
}

fn clock(entry: &ClockEntry) -> Result<Option<Clock>, FormatError> {
    let date = entry.date_column as usize;
    let kind = match (entry.kind, entry.time_column) {
        (0, _) => return Ok(None),
        (1, Some(time)) => ClockKind::DateHhmm { date, time: time as usize },
        (2, None) => ClockKind::Date { date },
        (3, None) => ClockKind::Timestamp { at: date },
        (4, None) => ClockKind::EpochSeconds { at: date, zone: entry.zone.clone() },
        (kind, _) => {
            let allowed = "0 to 4, with a time column exactly for kind 1";
            let kind = FormatErrorKind::Field { field: "clock kind", found: u64::from(kind), allowed };
            return Err(FormatError::new(kind, 0));
        }
    };
    let length = match (entry.length_column, entry.length_minutes) {
        (Some(column), _) => Some(Length::Column(column as usize)),
        (None, 0) => None,
        (None, minutes) => Some(Length::Minutes(minutes)),
    };
    Ok(Some(Clock { kind, length }))
}
