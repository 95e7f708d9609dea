//! A catalogue entry and the columns of a real table put together.

use super::{Entry, EntryKind, RowLength, StartColumns, TableEntry, TimeColumns};
use crate::column::logical::LogicalType;
use crate::schema::clock::{Clock, ClockKind, Length};
use crate::schema::grain::{DataType, Grain};
use crate::schema::table::{BoundTable, ColumnSchema, TableSchema};
use std::fmt;

/// A table that is not as the catalogue says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table {table}: {problem}; the table has {columns}; write an entry for it in a table catalogue of your own")]
pub struct BindError {
    /// The table.
    pub table: String,
    /// What is wrong with it.
    pub problem: BindProblem,
    /// Its columns with their declared types, as far as they fit on a line.
    pub columns: String,
}

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindProblem {
    /// None of the alternatives for the time fits: each with the reason.
    Time(Vec<String>),
    /// None of these columns is there to name the ACD.
    Acd(Vec<String>),
    /// A column that the archive status needs is missing.
    Missing(String),
    /// The entry is a path.
    Path,
}

impl fmt::Display for BindProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindProblem::Time(tried) => {
                write!(f, "no column that the table catalogue names says when a row was ({})", tried.join("; "))
            }
            BindProblem::Acd(names) => write!(f, "no column names the ACD: {} expected", names.join(" or ")),
            BindProblem::Missing(name) => {
                write!(f, "the archive status is to be read from column {name}, which is not there")
            }
            BindProblem::Path => f.write_str("the table catalogue has a path of this name, not a table"),
        }
    }
}

impl BindError {
    pub(super) fn new(schema: &TableSchema, problem: BindProblem) -> BindError {
        const SHOWN: usize = 12;
        let mut columns: Vec<String> = schema.columns.iter().take(SHOWN).map(describe).collect();
        match schema.columns.len().saturating_sub(SHOWN) {
            0 => {}
            more => columns.push(format!("{more} more columns")),
        }
        let columns = if columns.is_empty() { "no columns".to_owned() } else { columns.join(", ") };
        BindError { table: schema.name.clone(), problem, columns }
    }
}

fn describe(column: &ColumnSchema) -> String {
    if column.declared.is_empty() { column.name.clone() } else { format!("{} {}", column.name, column.declared) }
}

pub(super) fn bind(entry: &Entry, schema: &TableSchema) -> Result<BoundTable, BindError> {
    let EntryKind::Table(table) = &entry.kind else { return Err(BindError::new(schema, BindProblem::Path)) };
    let acd_column = table.acd.iter().find_map(|name| schema.column(name));
    if acd_column.is_none() && !table.acd.is_empty() && table.grain != Grain::None {
        return Err(BindError::new(schema, BindProblem::Acd(table.acd.clone())));
    }
    Ok(BoundTable {
        schema: schema.clone(),
        data_type: entry.data_type,
        grain: table.grain,
        clock: clock(table, schema)?,
        acd_column,
        event_slot_minutes: table.event_slot_minutes,
        server_bound: table.server_state || entry.data_type == DataType::Local,
    })
}

fn clock(table: &TableEntry, schema: &TableSchema) -> Result<Option<Clock>, BindError> {
    if table.grain == Grain::None {
        return Ok(None);
    }
    let mut tried = Vec::new();
    for times in &table.times {
        match times.bind(schema) {
            Ok(clock) => return Ok(Some(clock)),
            Err(reason) => tried.push(reason),
        }
    }
    Err(BindError::new(schema, BindProblem::Time(tried)))
}

impl TimeColumns {
    pub(super) fn bind(&self, schema: &TableSchema) -> Result<Clock, String> {
        let kind = match &self.start {
            StartColumns::DateHhmm { date, time } => ClockKind::DateHhmm {
                date: column(schema, date, "a date", holds_date)?,
                time: column(schema, time, "a number HHMM", holds_number)?,
            },
            StartColumns::Date { date } => ClockKind::Date { date: column(schema, date, "a date", holds_date)? },
            StartColumns::Timestamp { timestamp } => {
                ClockKind::Timestamp { at: column(schema, timestamp, "a civil timestamp", holds_timestamp)? }
            }
            StartColumns::Epoch { epoch, zone } => ClockKind::EpochSeconds {
                at: column(schema, epoch, "a number of seconds", holds_number)?,
                zone: zone.clone(),
            },
        };
        let length = match &self.length {
            None => None,
            Some(RowLength::Column(name)) => {
                Some(Length::Column(column(schema, name, "a number of minutes", holds_number)?))
            }
            Some(RowLength::Minutes(minutes)) => Some(Length::Minutes(*minutes)),
        };
        Ok(Clock { kind, length })
    }
}

fn column(schema: &TableSchema, name: &str, expected: &str, holds: fn(LogicalType) -> bool) -> Result<usize, String> {
    let number = schema.column(name).ok_or_else(|| format!("{name} is not there"))?;
    match schema.columns.get(number) {
        Some(column) if !holds(column.logical) => {
            Err(format!("{name} is declared {}, which does not hold {expected}", column.declared))
        }
        _ => Ok(number),
    }
}

const fn holds_date(logical: LogicalType) -> bool {
    holds_text(logical) || matches!(logical, LogicalType::Date | LogicalType::Timestamp)
}

const fn holds_timestamp(logical: LogicalType) -> bool {
    holds_text(logical) || matches!(logical, LogicalType::Timestamp)
}

const fn holds_text(logical: LogicalType) -> bool {
    matches!(logical, LogicalType::Text | LogicalType::FixedText { .. } | LogicalType::Any)
}

const fn holds_number(logical: LogicalType) -> bool {
    holds_text(logical) || matches!(logical, LogicalType::Integer { .. } | LogicalType::Decimal { .. })
}
