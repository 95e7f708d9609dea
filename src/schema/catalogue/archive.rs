//! The table in which a database says up to when each ACD's data were archived.

use super::bind::{BindError, BindProblem};
use super::{StartColumns, TimeColumns};
use crate::base::time::Instant;
use crate::column::batch::Batch;
use crate::schema::clock::{ClockError, RowTimes, When};
use crate::schema::grain::{DataType, Grain};
use crate::schema::table::{BoundTable, TableSchema};

/// Names the table and the columns. Where a catalogue has it, it alone decides which intervals, days, weeks and months are
/// complete for the ACDs that it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveStatus {
    /// The table: one row an ACD.
    pub table: String,
    /// The column of the ACD; `None`: one row for all tables without an ACD.
    pub acd: Option<String>,
    /// The column with the date.
    pub date: String,
    /// The column with the time of day, HHMM: everything before this minute was written.
    pub time: String,
}

impl ArchiveStatus {
    /// A reader for batches with all columns of the table.
    ///
    /// # Errors
    /// The table lacks one of the columns.
    pub fn reader(&self, schema: &TableSchema) -> Result<ArchiveReader, BindError> {
        let missing = |name: &str| BindError::new(schema, BindProblem::Missing(name.to_owned()));
        let acd_column = match &self.acd {
            Some(name) => Some(schema.column(name).ok_or_else(|| missing(name))?),
            None => None,
        };
        let start = StartColumns::DateHhmm { date: self.date.clone(), time: self.time.clone() };
        let clock = TimeColumns { start, length: None }.bind(schema);
        let clock = clock.map_err(|reason| BindError::new(schema, BindProblem::Time(vec![reason])))?;
        let table = BoundTable {
            schema: schema.clone(),
            data_type: DataType::Acd,
            grain: Grain::Event,
            clock: Some(clock),
            acd_column,
            event_slot_minutes: 1,
            server_bound: true,
        };
        let times = RowTimes::new(&table).map_err(|error| match error {
            ClockError::Missing { column, .. } => missing(&format!("number {column}")),
            ClockError::Zone { zone, .. } => missing(&zone),
        })?;
        Ok(ArchiveReader { times })
    }
}

/// Reads rows of an archive status.
#[derive(Debug)]
pub struct ArchiveReader {
    times: RowTimes,
}

impl ArchiveReader {
    /// The ACD and the instant of every row that has one. A row without a usable time says nothing: its ACD is judged by
    /// the clock.
    #[must_use]
    pub fn read(&mut self, batch: &Batch) -> Vec<(Option<i64>, Instant)> {
        let mut status = Vec::new();
        self.times.each(batch, |_, row| {
            if let When::Dated(span) = row.when {
                status.push((row.acd, span.start));
            }
        });
        status
    }
}
