//! Writes a table out: chunks decoded and proved side by side, rows in the order of the set.

use super::csv;
use super::plan::{Plan, TablePlan, plan};
use super::report::{ColumnReport, Lost, TableReport};
use super::rows::{Chosen, Payload, Room, chosen, read};
use super::{Format, Options};
use crate::base::budget::{Budget, Lent};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered_from;
use crate::error::{Class, Error, ErrorKind};
use crate::volume::set::SetReader;
use std::io::{self, Write};

/// Pieces of lines that a worker may be ahead of what is written.
const AHEAD: usize = 8;
/// Bytes of all chunks that workers decode at a time and of what is made of them.
const HELD: u64 = 96 << 20;

/// Bytes of a decoded number.
const NUMBER_BYTES: u64 = 8;

/// What a worker hands on of a chunk.
enum Part<'b, T> {
    Made(T),
    /// It is too large for a worker.
    Heavy(Payload<'b>),
    /// Its end, the rows that were wanted of it, and the memory that it took.
    End(u64, Lent<'b>),
    Lost(Box<Lost>),
}

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

    /// Writes a table. Memory: 96 MiB for all chunks that are decoded side by side, however many threads there are; chunks of
    /// which that would be too few are decoded one after the other, and take up to what the format allows for one.
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
        to.write_all(&csv::heading(schema, spreadsheet)).map_err(Failed::File)?;
        let lines = |chosen: &mut Chosen<'_>, emit: &mut dyn FnMut(Vec<u8>) -> bool| {
            csv::lines(&chosen.rows.batch, &chosen.numbers, &types, spreadsheet, emit);
        };
        let beside = (AHEAD as u64).saturating_add(2).saturating_mul(csv::PIECE as u64);
        (report.rows, report.lost) =
            self.chunks(table, self.room(table, 1, beside), lines, |lines| to.write_all(&lines).map_err(Failed::File))?;
        to.flush().map_err(Failed::File)?;
        Ok(report)
    }

    #[cfg(feature = "parquet")]
    fn parquet(&self, table: &TablePlan, to: &mut (dyn Write + Send)) -> Result<TableReport, Failed> {
        use super::fit::{Fit, Kind};
        use crate::column::batch::Batch;
        let schema = &table.table.bound.schema;
        let types = schema.logical_types();
        let mut fit = Fit::new(&types);
        let fits = |chosen: &mut Chosen<'_>, emit: &mut dyn FnMut(Fit) -> bool| {
            let mut fit = Fit::new(&types);
            fit.take(&chosen.rows.batch.columns, &chosen.numbers);
            emit(fit);
        };
        self.chunks(table, self.room(table, 1, 0), fits, |found| {
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
        // The writer has a row group in memory once more.
        (report.rows, report.lost) = self.chunks(
            table,
            self.room(table, 2, 0),
            |chosen, emit: &mut dyn FnMut((Batch, Vec<u32>)) -> bool| {
                let batch = std::mem::replace(&mut chosen.rows.batch, Batch::new(Vec::new()));
                emit((batch, std::mem::take(&mut chosen.numbers)));
            },
            |(batch, numbers)| file.rows(&batch, &numbers).map_err(Failed::File),
        )?;
        file.finish().map_err(Failed::File)?;
        Ok(report)
    }

    /// How many workers there are for a table, and how their memory is reckoned. Of numbers a chunk has as many as it has
    /// rows and columns; what texts decode to shows when it is read.
    fn room(&self, table: &TablePlan, copies: u64, beside: u64) -> (usize, Room) {
        let columns = table.table.bound.schema.columns.len() as u64;
        let rows = table.chunks.iter().map(|chunk| u64::from(chunk.entry.rows)).max().unwrap_or(0);
        let usual = rows.saturating_mul(columns).saturating_mul(NUMBER_BYTES).saturating_mul(copies);
        let usual = usual.saturating_add(beside).saturating_mul(2).max(1);
        let workers = self.options.jobs.min(usize::try_from(HELD / usual).unwrap_or(usize::MAX)).max(1);
        (workers, Room { copies, beside, share: HELD / workers as u64 })
    }

    /// Reads the chunks of a table: what `make` makes of each, bit by bit, goes to `take`, in order. Returns the rows that were
    /// wanted, and the chunks that could not be read. `room` is how many workers there are and what memory for a chunk is
    /// reckoned by.
    fn chunks<T: Send>(
        &self,
        table: &TablePlan,
        (workers, room): (usize, Room),
        make: impl Fn(&mut Chosen<'_>, &mut dyn FnMut(T) -> bool) + Sync,
        mut take: impl FnMut(T) -> Result<(), Failed>,
    ) -> Result<(u64, Vec<Lost>), Failed> {
        let (budget, mut chunks) = (Budget::new(HELD), table.chunks.iter());
        let (mut wanted, mut lost) = (0u64, Vec::new());
        let mut ended = table.chunks.iter();
        ordered_from(
            workers,
            AHEAD,
            // One after the other, so that memory goes to the chunk first that is written first: who waits for some never
            // waits for a chunk behind it.
            || Ok(chunks.next().map(|chunk| (chunk, read(self.set, chunk, &budget, room)))),
            |_, (chunk, read), emit| {
                let read = match read {
                    Ok(payload) if payload.is_heavy => {
                        emit(Part::Heavy(payload));
                        return Ok(());
                    }
                    read => read,
                };
                match read.and_then(|payload| chosen(table, chunk, payload, &self.options)) {
                    Ok(mut chosen) => {
                        let rows = chosen.numbers.len() as u64;
                        make(&mut chosen, &mut |made| emit(Part::Made(made)));
                        let Chosen { room, .. } = chosen;
                        emit(Part::End(rows, room))
                    }
                    Err(chunk) => emit(Part::Lost(chunk)),
                };
                Ok(())
            },
            |part| {
                if self.monitor.cancelled() {
                    return Err(Failed::Set(ErrorKind::Cancelled.into()));
                }
                let part = match part {
                    Part::Made(made) => return take(made),
                    part => part,
                };
                let of_part = ended.next();
                match (part, of_part) {
                    (Part::Heavy(payload), Some(chunk)) => match chosen(table, chunk, payload, &self.options) {
                        Ok(mut chosen) => {
                            taken(&mut chosen, &make, &mut take)?;
                            wanted = wanted.saturating_add(chosen.numbers.len() as u64);
                        }
                        Err(chunk) => self.lose(table, *chunk, &mut lost)?,
                    },
                    (Part::End(rows, room), _) => {
                        drop(room);
                        wanted = wanted.saturating_add(rows);
                    }
                    (Part::Lost(chunk), _) => self.lose(table, *chunk, &mut lost)?,
                    (Part::Heavy(_) | Part::Made(_), _) => {}
                }
                let entry = of_part.map(|chunk| (u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes)));
                let (rows, bytes) = entry.unwrap_or_default();
                self.monitor.advance(Task::Export, rows, bytes);
                Ok(())
            },
        )?;
        Ok((wanted, lost))
    }
}

impl Export<'_> {
    /// A chunk that cannot be read: passed over, or the end.
    fn lose(&self, table: &TablePlan, chunk: Lost, lost: &mut Vec<Lost>) -> Result<(), Failed> {
        if !self.options.partial {
            return Err(Failed::Set(refusal(table, &chunk)));
        }
        lost.push(chunk);
        Ok(())
    }
}

/// Hands what is made of a chunk on at once.
fn taken<T>(
    chosen: &mut Chosen<'_>,
    make: impl Fn(&mut Chosen<'_>, &mut dyn FnMut(T) -> bool),
    take: &mut impl FnMut(T) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut done = Ok(());
    make(chosen, &mut |made| {
        done = take(made);
        done.is_ok()
    });
    done
}

fn refusal(table: &TablePlan, lost: &Lost) -> Error {
    let when = lost.span.map_or_else(String::new, |span| format!(" between {} and {}", span.start, span.stop));
    let what = format!("table {}, {} rows{when}: {}", table.name(), lost.rows, lost.reason);
    let advice = "use another copy of the set, or take the rest with --partial";
    match lost.class {
        Class::Volume => Error::wanted(what, advice),
        Class::NotPermitted => Error::not_permitted(what, format!("get leave to read that volume, {advice}")),
        _ => Error::damage(what, advice),
    }
}
