//! Writes a table out: chunks decoded and proved side by side, rows in the order of the set.

use super::csv;
use super::plan::{Plan, TablePlan, plan};
use super::report::{ColumnReport, Lost, TableReport};
use super::rows::{Chosen, chosen};
use super::{Format, Options};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::error::{Error, ErrorKind};
use crate::volume::set::SetReader;
use std::io::{self, Write};

/// Chunks that a worker may be ahead of what is written.
const AHEAD: usize = 1;

/// An export of one set: its own rows, of an incremental set those that it wrote.
pub struct Export<'a> {
    set: &'a SetReader<'a>,
    options: Options,
    monitor: &'a dyn Monitor,
}

/// Why an export ended early.
#[derive(Debug)]
pub enum Failed {
    /// The set cannot be read, or somebody asked to stop.
    Set(Error),
    /// The file cannot be written.
    File(io::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Set(error)
    }
}

impl<'a> Export<'a> {
    /// An export of a set.
    #[must_use]
    pub fn new(set: &'a SetReader<'a>, options: Options, monitor: &'a dyn Monitor) -> Export<'a> {
        Export { set, options, monitor }
    }

    /// What would be read.
    ///
    /// # Errors
    /// A table that was named is not in the set, or cannot be exported as asked; a section's header cannot be understood.
    pub fn plan(&self) -> Result<Plan, Error> {
        plan(self.set, &self.options)
    }

    /// Writes a table. Memory: a few chunks for each thread.
    ///
    /// # Errors
    /// A chunk is damaged or not here, and the rest is not wanted without it; somebody asked to stop; `to` fails. What was
    /// written until then is no whole file.
    pub fn table(&self, table: &TablePlan, format: Format, to: &mut (dyn Write + Send)) -> Result<TableReport, Failed> {
        let rows = table.rows_max();
        match format {
            Format::Csv { spreadsheet } => {
                self.monitor.begin(Task::Export, table.name(), rows);
                let report = self.csv(table, spreadsheet, to);
                self.monitor.end(Task::Export);
                report
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                // Twice: once to learn what the columns hold.
                self.monitor.begin(Task::Export, table.name(), rows.saturating_mul(2));
                let report = self.parquet(table, to);
                self.monitor.end(Task::Export);
                report
            }
        }
    }

    fn csv(&self, table: &TablePlan, spreadsheet: bool, to: &mut (dyn Write + Send)) -> Result<TableReport, Failed> {
        let schema = &table.table.bound.schema;
        let types = schema.logical_types();
        let column = |name: &String| ColumnReport { name: name.clone(), written: "text", widened: false };
        let mut report = TableReport {
            table: table.name().to_owned(),
            rows: 0,
            columns: schema.columns.iter().map(|column_schema| column(&column_schema.name)).collect(),
            lost: Vec::new(),
        };
        to.write_all(&csv::heading(schema)).map_err(Failed::File)?;
        let lines = |chosen: Chosen| {
            let lines = csv::lines(&chosen.rows.batch, &chosen.numbers, &types, spreadsheet);
            (chosen.numbers.len() as u64, lines)
        };
        report.lost = self.chunks(table, lines, |(rows, lines)| {
            report.rows = report.rows.saturating_add(rows);
            to.write_all(&lines).map_err(Failed::File)
        })?;
        to.flush().map_err(Failed::File)?;
        Ok(report)
    }

    #[cfg(feature = "parquet")]
    fn parquet(&self, table: &TablePlan, to: &mut (dyn Write + Send)) -> Result<TableReport, Failed> {
        use super::fit::{Fit, Kind};
        let schema = &table.table.bound.schema;
        let types = schema.logical_types();
        let mut fit = Fit::new(&types);
        let fits = |chosen: Chosen| {
            let mut fit = Fit::new(&types);
            fit.take(&chosen.rows.batch.columns, &chosen.numbers);
            fit
        };
        self.chunks(table, fits, |found| {
            fit.and(&found);
            Ok(())
        })?;
        let found = fit.kinds(&types);
        let kinds: Vec<Kind> = found.iter().map(|(kind, _)| *kind).collect();
        let named = schema.columns.iter().zip(&found);
        let mut report = TableReport {
            table: table.name().to_owned(),
            rows: 0,
            columns: named
                .map(|(column, (kind, widened))| ColumnReport {
                    name: column.name.clone(),
                    written: kind.name(),
                    widened: *widened,
                })
                .collect(),
            lost: Vec::new(),
        };
        let label = self.set.label();
        let about = [
            ("intervault.set", label.set().to_string()),
            ("intervault.label", label.label.clone()),
            ("intervault.table", table.name().to_owned()),
        ];
        let mut file = super::columnar::ParquetFile::begin(to, schema, &kinds, &about).map_err(Failed::File)?;
        report.lost = self.chunks(
            table,
            |chosen| chosen,
            |chosen| {
                report.rows = report.rows.saturating_add(chosen.numbers.len() as u64);
                file.rows(&chosen.rows.batch, &chosen.numbers).map_err(Failed::File)
            },
        )?;
        file.finish().map_err(Failed::File)?;
        Ok(report)
    }

    /// Reads the chunks of a table: what `make` makes of each goes to `take`, in order. Returns those that could not be read.
    fn chunks<T: Send>(
        &self,
        table: &TablePlan,
        make: impl Fn(Chosen) -> T + Sync,
        mut take: impl FnMut(T) -> Result<(), Failed>,
    ) -> Result<Vec<Lost>, Failed> {
        let mut lost = Vec::new();
        ordered(
            self.options.jobs,
            table.chunks.len(),
            AHEAD,
            |_, item, emit| {
                if let Some(chunk) = table.chunks.get(item) {
                    emit((item, chosen(self.set, table, chunk, &self.options).map(&make)));
                }
                Ok(())
            },
            |(item, made)| {
                if self.monitor.cancelled() {
                    return Err(Failed::Set(ErrorKind::Cancelled.into()));
                }
                let entry =
                    table.chunks.get(item).map(|chunk| (u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes)));
                let (rows, bytes) = entry.unwrap_or_default();
                self.monitor.advance(Task::Export, rows, bytes);
                match made {
                    Ok(made) => take(made),
                    Err(chunk) if self.options.partial => {
                        lost.push(*chunk);
                        Ok(())
                    }
                    Err(chunk) => Err(Failed::Set(refusal(table, &chunk))),
                }
            },
        )?;
        Ok(lost)
    }
}

fn refusal(table: &TablePlan, lost: &Lost) -> Error {
    let when = lost.span.map_or_else(String::new, |span| format!(" between {} and {}", span.start, span.stop));
    let what = format!("table {}, {} rows{when}: {}", table.name(), lost.rows, lost.reason);
    let advice = "use another copy of the set, or take the rest with --partial";
    if lost.absent { Error::wanted(what, advice) } else { Error::damage(what, advice) }
}
