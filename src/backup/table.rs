//! One table: read by several threads, encoded chunk by chunk, written in order by one.

use super::base::{Base, Older};
use super::capacity::Capacity;
use super::compare::compare;
use super::cutoff::{self, Archived};
use super::options::Options;
use super::plan::{PART_CHUNKS, PlannedTable, chunk_rows, dated};
use super::report::{Compared, TableReport};
use super::run::unless_cancelled;
use super::sink::{Marks, SectionSink};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::Day;
use crate::column::batch::Batch;
use crate::column::digest::RowHasher;
use crate::column::encode::Encoder;
use crate::column::error::ColumnError;
use crate::error::Error;
use crate::format::record::encode_record;
use crate::format::section::SectionRecord;
use crate::schema::clock::{RowTimes, RowWhen, When, bucket_day};
use crate::schema::grain::Grain;
use crate::schema::table::BoundTable;
use crate::section::chunks::{Bounds, EncodeError, EncodedChunk, Rows, encode_chunks};
use crate::section::evidence::Bucket;
use crate::section::pieces::Cutoffs;
use crate::section::table::to_record;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Part, Snapshot};
use crate::volume::set_writer::SetWriter;
use std::collections::BTreeSet;

/// A table to be read, and how.
pub(super) struct TableJob<'a> {
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) archived: &'a Archived,
    pub(super) options: &'a Options,
    /// Threads.
    pub(super) jobs: usize,
    pub(super) planned: &'a PlannedTable,
}

/// What one thread reads in one go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stretch<'a> {
    /// A part of the table.
    Part(&'a Part),
    /// The rows of buckets from one day to another; to the end without a last one.
    Days(Day, Option<Day>),
}

/// Most stretches of days that a table is read in.
const STRETCHES_MAX: i32 = 64;

/// The first chunks of a stretch.
pub(super) struct Sampled {
    pub(super) chunks: Vec<EncodedChunk>,
    /// Rows that were read, a batch more than the chunks hold where there are others: of the ACD that was selected, and of all.
    pub(super) selected: u64,
    pub(super) all: u64,
    /// Whether there are no others.
    pub(super) ended: bool,
}

/// Rows that come in one go, with their time; of the ACD that was selected.
pub(super) type TimedSink<'a> = dyn FnMut(Batch, Vec<RowWhen>) -> Result<(), StoreError> + 'a;

impl TableJob<'_> {
    pub(super) fn table(&self) -> &BoundTable {
        &self.planned.table
    }

    pub(super) fn cutoffs(&self) -> Result<Cutoffs, Error> {
        cutoff::cutoffs(self.snapshot, self.table(), self.archived, self.options)
    }

    /// The chain's state of the table, if it has one that can be compared; else why not. `None` for tables without time,
    /// which are written whole each time.
    pub(super) fn older<'b>(&self, base: &'b Base, cutoffs: &Cutoffs) -> Option<Older<'b>> {
        dated(self.table()).then(|| base.older(&to_record(self.table(), false, cutoffs)))
    }

    /// Writes the table's section: all of it, or what changed since the base.
    pub(super) fn write(
        &self,
        base: Option<&Base>,
        capacity: &Capacity,
        set: &mut SetWriter<'_>,
        monitor: &dyn Monitor,
    ) -> Result<TableReport, Error> {
        let cutoffs = self.cutoffs()?;
        match base.and_then(|base| self.older(base, &cutoffs)) {
            None => self.write_whole(&cutoffs, capacity, set, monitor),
            Some(Older::Whole(why)) => {
                let report = self.write_whole(&cutoffs, capacity, set, monitor)?;
                let compared = Compared { changed: report.buckets, ..Compared::whole(why, report.rows) };
                Ok(TableReport { compared: Some(compared), ..report })
            }
            Some(Older::Same(before)) => {
                let compared = compare(self, &cutoffs, before, monitor)?;
                let header = to_record(self.table(), compared.ordered, &cutoffs);
                let room = begin(set, capacity, &header)?;
                let marks = Marks::Count(compared.rows_of_written());
                let mut sink = SectionSink::new(set, &self.table().schema.name, marks);
                let wanted = &compared.changes.written;
                self.write_parts(&compared.parts, Some(wanted), Bounds { cutoffs: &cutoffs, room }, |chunk| {
                    take(&mut sink, chunk, false, monitor)
                })?;
                let counts = compared.counts();
                let report = sink.finish_changes(compared.changes)?;
                Ok(TableReport { compared: Some(counts), ..report })
            }
        }
    }

    fn write_whole(
        &self,
        cutoffs: &Cutoffs,
        capacity: &Capacity,
        set: &mut SetWriter<'_>,
        monitor: &dyn Monitor,
    ) -> Result<TableReport, Error> {
        let table = self.table();
        let ordered_by_day = match &table.clock {
            Some(clock) if dated(table) => self.snapshot.days_in_order(&table.schema, clock)?.is_some(),
            _ => false,
        };
        let room = begin(set, capacity, &to_record(table, ordered_by_day, cutoffs))?;
        let mut sink = SectionSink::new(set, &table.schema.name, Marks::Look { ordered_by_day });
        let parts: Vec<Vec<Stretch<'_>>> = self.planned.parts.iter().map(|part| vec![Stretch::Part(part)]).collect();
        self.write_parts(&parts, None, Bounds { cutoffs, room }, |chunk| take(&mut sink, chunk, true, monitor))?;
        let report = sink.finish()?;
        let undated = if dated(table) { report.undated } else { 0 };
        Ok(TableReport { undated, ..report })
    }

    /// Reads and encodes groups of parts, each group by one thread; `take` gets the chunks in order. With `wanted` only the
    /// rows of these buckets.
    fn write_parts(
        &self,
        groups: &[Vec<Stretch<'_>>],
        wanted: Option<&BTreeSet<Bucket>>,
        bounds: Bounds<'_>,
        take: impl FnMut(EncodedChunk) -> Result<(), Error>,
    ) -> Result<(), Error> {
        ordered(
            self.jobs,
            groups.len(),
            PART_CHUNKS as usize,
            |worker, item, emit| match groups.get(item) {
                Some(group) => self.encode(worker, group, wanted, bounds, emit),
                None => Ok(()),
            },
            take,
        )
    }

    /// Reads parts one after the other and encodes their rows. Rows picked out of several are put together until they fill
    /// a chunk.
    fn encode(
        &self,
        reader: usize,
        parts: &[Stretch<'_>],
        wanted: Option<&BTreeSet<Bucket>>,
        bounds: Bounds<'_>,
        emit: &mut dyn FnMut(EncodedChunk) -> bool,
    ) -> Result<(), Error> {
        let table = self.table();
        let name = &table.schema.name;
        let mut hasher = RowHasher::default();
        let types = table.schema.logical_types();
        let mut encoder = Encoder::new(self.options.encode);
        let mut write = |batch: Batch, when: &[RowWhen]| -> Result<(), StoreError> {
            let mut hashes = Vec::with_capacity(batch.rows);
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| odd(name, error))?;
            let rows = Rows { batch, when, hashes: &hashes };
            encode_chunks(rows, bounds, &mut encoder, emit).map_err(|error| not_encoded(name, error))
        };
        let Some(wanted) = wanted else {
            for part in parts {
                self.read(reader, *part, &mut |batch, when| write(batch, &when))?;
            }
            return Ok(());
        };
        let (most, bytes) = (self.batch_rows(), self.options.chunk_bytes() as usize);
        let mut gathered: Option<(Batch, Vec<RowWhen>)> = None;
        for part in parts {
            self.read(reader, *part, &mut |batch, mut when| {
                let keep: Vec<bool> = when.iter().map(|row| wanted.contains(&bucket(row))).collect();
                if keep.iter().any(|keep| !keep) {
                    let mut kept = keep.iter();
                    when.retain(|_| kept.next().is_some_and(|keep| *keep));
                }
                let batch = if when.len() == batch.rows { batch } else { batch.keep(&keep) };
                match &mut gathered {
                    _ if batch.rows == 0 => {}
                    Some((rows, times))
                        if rows.rows.saturating_add(batch.rows) <= most
                            && rows.bytes().saturating_add(batch.bytes()) <= bytes =>
                    {
                        rows.append(&batch);
                        times.extend(when);
                    }
                    gathered => {
                        if let Some((rows, times)) = gathered.replace((batch, when)) {
                            write(rows, &times)?;
                        }
                    }
                }
                Ok(())
            })?;
        }
        match gathered {
            Some((rows, times)) => Ok(write(rows, &times)?),
            None => Ok(()),
        }
    }

    /// The chunks of the first rows of a stretch.
    pub(super) fn sample(&self, reader: usize, stretch: Stretch<'_>, bounds: Bounds<'_>) -> Result<Sampled, Error> {
        let table = self.table();
        let (mut hashes, mut encoder, mut chunks) = (Vec::new(), Encoder::new(self.options.encode), Vec::new());
        let (mut all, mut selected, mut ended) = (0, 0_u64, true);
        let read = self.read_counted(reader, stretch, &mut all, &mut |batch, when| {
            selected = selected.saturating_add(batch.rows as u64);
            if !chunks.is_empty() {
                ended = false;
                let (op, place) = ("sample a table".to_owned(), format!("table {}", table.schema.name));
                return Err(StoreError { op, place, kind: StoreErrorKind::Stopped });
            }
            hashes.resize(batch.rows, 0);
            let rows = Rows { batch, when: &when, hashes: &hashes };
            let mut keep = |chunk| {
                chunks.push(chunk);
                true
            };
            encode_chunks(rows, bounds, &mut encoder, &mut keep).map_err(|error| not_encoded(&table.schema.name, error))
        });
        if ended {
            read?;
        }
        Ok(Sampled { chunks, selected, all, ended })
    }

    /// What is read of the table, in row order; of the last days only if the rest is taken on trust.
    pub(super) fn stretches(&self) -> Vec<Stretch<'_>> {
        let Some(first) = self.planned.read_from else {
            return self.planned.parts.iter().map(Stretch::Part).collect();
        };
        // A month's row may carry any date of it, and then belongs to a bucket of an earlier day.
        let by_day = matches!(self.table().grain, Grain::Interval | Grain::Daily | Grain::Event);
        let last = self.options.now.day().min(first.saturating_add(STRETCHES_MAX));
        let last = if by_day { last } else { first };
        let day = |day: Day| Stretch::Days(day, Some(day).filter(|day| *day < last));
        (first..=last.max(first)).map(day).collect()
    }

    /// Reads a stretch; the rows come in batches that fill a chunk at most.
    pub(super) fn read(&self, reader: usize, stretch: Stretch<'_>, sink: &mut TimedSink<'_>) -> Result<(), Error> {
        self.read_counted(reader, stretch, &mut 0, sink)
    }

    /// As [`TableJob::read`]; `all` counts the rows of all ACDs.
    fn read_counted(
        &self,
        reader: usize,
        stretch: Stretch<'_>,
        all: &mut u64,
        sink: &mut TimedSink<'_>,
    ) -> Result<(), Error> {
        let table = self.table();
        let mut times = RowTimes::new(table)?;
        let mut timed = |batch: Batch| -> Result<(), StoreError> {
            *all = all.saturating_add(batch.rows as u64);
            let mut when = times.all(&batch);
            let of_acd = |row: &RowWhen| self.options.acd.is_none_or(|acd| row.acd == Some(acd));
            let of_days = |row: &RowWhen| match stretch {
                Stretch::Part(_) => true,
                Stretch::Days(first, last) => {
                    bucket(row).1.is_some_and(|day| first <= day && last.is_none_or(|last| day <= last))
                }
            };
            let keep: Vec<bool> = when.iter().map(|row| of_acd(row) && of_days(row)).collect();
            if keep.iter().all(|keep| *keep) {
                return if batch.rows == 0 { Ok(()) } else { sink(batch, when) };
            }
            let mut kept = keep.iter();
            when.retain(|_| kept.next().is_some_and(|keep| *keep));
            if when.is_empty() { Ok(()) } else { sink(batch.keep(&keep), when) }
        };
        let (rows, bytes) = (self.batch_rows(), self.options.chunk_bytes() as usize);
        match (stretch, &table.clock) {
            (Stretch::Part(part), _) => self.snapshot.scan(reader, &table.schema, part, rows, bytes, &mut timed)?,
            (Stretch::Days(first, last), Some(clock)) => {
                let columns: Vec<usize> = (0..table.schema.columns.len()).collect();
                let days = (Some(first), last);
                self.snapshot.scan_days(reader, &table.schema, clock, days, &columns, &mut timed)?;
            }
            (Stretch::Days(..), None) => {}
        }
        Ok(())
    }

    /// Rows that are likely to fill a chunk.
    pub(super) fn batch_rows(&self) -> usize {
        chunk_rows(&self.table().schema, self.options.chunk_bytes()) as usize
    }
}

/// The bucket of a row.
pub(super) fn bucket(row: &RowWhen) -> Bucket {
    match row.when {
        When::Dated(span) => (row.acd, Some(bucket_day(span))),
        When::Undated => (row.acd, None),
    }
}

/// Begins a section; returns the room that its chunks have.
fn begin(set: &mut SetWriter<'_>, capacity: &Capacity, header: &SectionRecord) -> Result<Option<u64>, Error> {
    let room = capacity.chunk_room(encode_record(header)?.len());
    set.begin_section(header.clone())?;
    Ok(room)
}

/// Hands a chunk to the sink. Rows that were compared before were counted then.
fn take(sink: &mut SectionSink<'_, '_>, chunk: EncodedChunk, counts: bool, monitor: &dyn Monitor) -> Result<(), Error> {
    let before = sink.report.stored_bytes;
    let rows = if counts { u64::from(chunk.rows) } else { 0 };
    sink.take(chunk)?;
    monitor.advance(Task::Backup, rows, sink.report.stored_bytes.saturating_sub(before));
    unless_cancelled(monitor)
}

pub(super) fn odd(table: &str, error: ColumnError) -> StoreError {
    let kind = StoreErrorKind::Unsupported(format!("its rows cannot be encoded: {error}"));
    StoreError { op: "encode a table".to_owned(), place: table.to_owned(), kind }
}

fn not_encoded(table: &str, error: EncodeError) -> StoreError {
    let (op, kind) = match error {
        EncodeError::Column(error) => return odd(table, error),
        EncodeError::Stopped => ("read a table", StoreErrorKind::Stopped),
        EncodeError::RowTooLarge { .. } => {
            let text = format!("{error}; leave the table out, or shorten the row");
            ("back up a table", StoreErrorKind::Unsupported(text))
        }
    };
    StoreError { op: op.to_owned(), place: format!("table {table}"), kind }
}
