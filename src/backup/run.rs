//! Writing a set: rows are read and encoded by several threads and written in order by one.

use super::capacity::Capacity;
use super::cutoff;
use super::plan::{Options, PART_CHUNKS, Plan, PlannedTable, ReadBack, chunk_rows, dated, label_text, plan};
use super::report::{Report, TableReport};
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::Span;
use crate::column::batch::Batch;
use crate::column::digest::RowHasher;
use crate::column::encode::Encoder;
use crate::column::error::ColumnError;
use crate::device::traits::Device;
use crate::error::{Error, ErrorKind};
use crate::format::chunk::PieceEntry;
use crate::format::label::{LabelRecord, purpose};
use crate::format::record::encode_record;
use crate::format::section::HeldEntry;
use crate::schema::catalogue::Catalogue;
use crate::schema::clock::RowTimes;
use crate::schema::table::BoundTable;
use crate::section::chunks::{Bounds, EncodeError, EncodedChunk, Rows, encode_chunks};
use crate::section::pieces::Acd;
use crate::section::table::to_record;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Part, Snapshot, Store, StoreIdentity};
use crate::verify::set::verify_set;
use crate::volume::error::VolumeError;
use crate::volume::set::{SetReader, find_set, labels};
use crate::volume::set_writer::{ChunkContent, SetOptions, SetWriter};
use std::collections::BTreeMap;
use std::time::Instant as Clock;

/// Backs up: plan, write, sync, read back, compare. After an error what was written so far stays on the device: as an
/// incomplete set, or, if only the reading back failed, as a set that must not be relied on.
///
/// # Errors
/// As [`plan`] and [`check_volume_size`]; another process writes to the device; the store or the device fails; a row is too
/// large for a block; somebody asked to stop (asked between chunks); what is read back differs.
pub fn run(
    store: &dyn Store,
    catalogue: &Catalogue,
    device: &dyn Device,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report, Error> {
    let began = Clock::now();
    // Held to the end: a restore must not change the database while it is read, nor delete what is not proven to be saved.
    let database = store.lock_for_reading()?;
    database.notice().iter().for_each(|notice| monitor.notice(notice));
    let snapshot = store.snapshot(options.jobs.max(1))?;
    snapshot.notices().iter().for_each(|notice| monitor.notice(notice));
    let jobs = options.jobs.clamp(1, snapshot.readers().max(1));
    let plan = plan(snapshot.as_ref(), catalogue, options)?;
    check_volume_size(&plan, store.identity(), options)?;
    let archived = cutoff::archived(snapshot.as_ref(), catalogue)?;
    // Held until the set is read back, so that no other backup takes its number or makes its volumes vanish.
    let _lock = device.lock()?;
    let number = number_of_the_day(device, options)?;
    let label = label(store.identity(), options, &plan, number);
    let capacity = Capacity::new(options.volume_size, &label)?;
    let mut set = SetWriter::create(device, label, &SetOptions { volume_size: options.volume_size })?;
    let mut tables = Vec::new();
    let rows = plan.tables.iter().map(|planned| planned.rows).fold(0, u64::saturating_add);
    monitor.begin(Task::Backup, "reading tables", rows);
    for planned in &plan.tables {
        unless_cancelled(monitor)?;
        let job =
            TableJob { snapshot: snapshot.as_ref(), archived: &archived, options, capacity: &capacity, jobs, planned };
        tables.push(job.write(&mut set, monitor)?);
    }
    let summary = set.finish(plan.gaps.absent.clone(), plan.gaps.left_out_pairs())?;
    monitor.end(Task::Backup);
    drop(snapshot);
    let write_time = began.elapsed();
    let began = Clock::now();
    let verified = options.read_back == ReadBack::Verify && device.reads_back();
    if verified {
        read_back(device, options, &tables, monitor)?;
    }
    let verify_time = began.elapsed();
    Ok(Report { set: summary, tables, gaps: plan.gaps, verified, write_time, verify_time })
}

/// Nothing is lost by stopping: a set without an end is told from a whole one.
fn unless_cancelled(monitor: &dyn Monitor) -> Result<(), Error> {
    if monitor.cancelled() { Err(ErrorKind::Cancelled.into()) } else { Ok(()) }
}

/// Refuses a volume size that is too small for the tables of a plan, before anything is written.
///
/// # Errors
/// It is; the text says which size would do.
pub fn check_volume_size(plan: &Plan, source: &StoreIdentity, options: &Options) -> Result<(), Error> {
    Capacity::new(options.volume_size, &label(source, options, plan, u32::MAX))?.check(plan)
}

/// One more than the highest number among the sets of this day that the device holds.
fn number_of_the_day(device: &dyn Device, options: &Options) -> Result<u32, Error> {
    let day = options.now.day();
    let texts = labels(device)?.into_iter().map(|label| label.label);
    let numbers = texts.flat_map(|text| text.parse::<crate::schema::label_text::LabelText>());
    let last = numbers.filter(|label| label.day == day).map(|label| label.number).max().unwrap_or(0);
    Ok(last.saturating_add(1))
}

fn label(source: &StoreIdentity, options: &Options, plan: &Plan, number: u32) -> LabelRecord {
    LabelRecord {
        required_features: 0,
        optional_features: 0,
        set_id: options.set.0,
        volume: 1,
        label: label_text(options, number).to_string(),
        created_unix: options.now_unix,
        created_civil: options.now.0,
        source_store: clip(&source.kind),
        source_server: clip(&source.server),
        source_database: clip(&source.database),
        source_version: clip(&source.version),
        data_types: plan.data_types,
        acd: options.acd,
        incremental: false,
        parent_set: None,
        sequence: 0,
        capacity: options.volume_size.unwrap_or(0),
        device_record: 0,
        predecessor: None,
        retain_until: options.retain_until,
        software: concat!("intervault ", env!("CARGO_PKG_VERSION")).to_owned(),
        purpose: purpose::BACKUP,
        chain: options.set.0,
    }
}

/// A name for people, cut at the format's limit.
fn clip(text: &str) -> String {
    let end = (0..=text.len().min(NAME_BYTES_MAX as usize)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

struct TableJob<'a> {
    snapshot: &'a dyn Snapshot,
    archived: &'a cutoff::Archived,
    options: &'a Options,
    capacity: &'a Capacity,
    jobs: usize,
    planned: &'a PlannedTable,
}

impl TableJob<'_> {
    fn table(&self) -> &BoundTable {
        &self.planned.table
    }

    fn write(&self, set: &mut SetWriter<'_>, monitor: &dyn Monitor) -> Result<TableReport, Error> {
        let table = self.table();
        let cutoffs = cutoff::cutoffs(self.snapshot, table, self.archived, self.options)?;
        let ordered_by_day = match &table.clock {
            Some(clock) if dated(table) => self.snapshot.days_in_order(&table.schema, clock)?.is_some(),
            _ => false,
        };
        let header = to_record(table, ordered_by_day, &cutoffs);
        let bounds = Bounds { cutoffs: &cutoffs, room: self.capacity.chunk_room(encode_record(&header)?.len()) };
        set.begin_section(header)?;
        let parts = &self.planned.parts;
        let mut sink = SectionSink::new(set, table, ordered_by_day);
        ordered(
            self.jobs,
            parts.len(),
            PART_CHUNKS as usize,
            |worker, item, emit| match parts.get(item) {
                Some(part) => self.read_part(worker, part, bounds, emit),
                None => Ok(()),
            },
            |chunk| {
                let before = sink.report.stored_bytes;
                let rows = u64::from(chunk.rows);
                sink.take(chunk)?;
                monitor.advance(Task::Backup, rows, sink.report.stored_bytes.saturating_sub(before));
                unless_cancelled(monitor)
            },
        )?;
        sink.finish()
    }

    /// Reads a part, encodes it chunk by chunk.
    fn read_part(
        &self,
        reader: usize,
        part: &Part,
        bounds: Bounds<'_>,
        emit: &mut dyn FnMut(EncodedChunk) -> bool,
    ) -> Result<(), Error> {
        let table = self.table();
        let bytes = self.options.chunk_bytes();
        let mut hasher = RowHasher::default();
        let types = table.schema.logical_types();
        let mut times = RowTimes::new(table)?;
        let mut encoder = Encoder::new(self.options.encode);
        let mut sink = |batch: Batch| -> Result<(), StoreError> {
            let mut when = times.all(&batch);
            let batch = match self.options.acd {
                None => batch,
                Some(acd) => {
                    let keep: Vec<bool> = when.iter().map(|row| row.acd == Some(acd)).collect();
                    when.retain(|row| row.acd == Some(acd));
                    batch.keep(&keep)
                }
            };
            if batch.rows == 0 {
                return Ok(());
            }
            let mut hashes = Vec::with_capacity(batch.rows);
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| odd(&table.schema.name, error))?;
            let rows = Rows { batch, when: &when, hashes: &hashes };
            encode_chunks(rows, bounds, &mut encoder, emit).map_err(|error| not_encoded(&table.schema.name, error))
        };
        let rows = chunk_rows(&table.schema, bytes);
        Ok(self.snapshot.scan(reader, &table.schema, part, rows as usize, bytes as usize, &mut sink)?)
    }
}

fn odd(table: &str, error: ColumnError) -> StoreError {
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

/// Takes the chunks of one section in order and writes them, one behind, so that a bucket's last piece can be marked.
struct SectionSink<'a, 'd> {
    set: &'a mut SetWriter<'d>,
    ordered_by_day: bool,
    waiting: Option<EncodedChunk>,
    complete: BTreeMap<Acd, Span>,
    report: TableReport,
}

impl<'a, 'd> SectionSink<'a, 'd> {
    fn new(set: &'a mut SetWriter<'d>, table: &BoundTable, ordered_by_day: bool) -> SectionSink<'a, 'd> {
        let report = TableReport {
            table: table.schema.name.clone(),
            rows: 0,
            carried: 0,
            undated: 0,
            buckets: 0,
            decoded_bytes: 0,
            stored_bytes: 0,
            held: Vec::new(),
        };
        SectionSink { set, ordered_by_day, waiting: None, complete: BTreeMap::new(), report }
    }

    fn take(&mut self, chunk: EncodedChunk) -> Result<(), Error> {
        let report = &mut self.report;
        report.rows = report.rows.saturating_add(u64::from(chunk.rows));
        for piece in &chunk.pieces.entries {
            report.carried = report.carried.saturating_add(u64::from(piece.carried));
            if piece.day.is_none() {
                report.undated = report.undated.saturating_add(u64::from(piece.rows));
            }
        }
        for column in &chunk.columns {
            report.decoded_bytes = report.decoded_bytes.saturating_add(u64::from(column.decoded));
            report.stored_bytes = report.stored_bytes.saturating_add(column.bytes.len() as u64);
        }
        for (acd, span) in &chunk.pieces.complete {
            let covered = self.complete.entry(*acd).or_insert(*span);
            *covered = covered.hull(*span);
        }
        if let Some(before) = self.waiting.take() {
            self.write(before, Some(&chunk.pieces.entries))?;
        }
        self.waiting = Some(chunk);
        Ok(())
    }

    fn finish(mut self) -> Result<TableReport, Error> {
        if let Some(last) = self.waiting.take() {
            self.write(last, None)?;
        }
        let held: Vec<HeldEntry> = self
            .complete
            .iter()
            .map(|(acd, span)| HeldEntry { acd: *acd, start: span.start.0, stop: span.stop.0 })
            .collect();
        let end = self.set.end_section(held)?;
        self.report.buckets = end.buckets;
        self.report.held = self.complete.into_iter().collect();
        Ok(self.report)
    }

    /// Writes a chunk; `next` lists the pieces of the chunk that follows in the section.
    fn write(&mut self, mut chunk: EncodedChunk, next: Option<&[PieceEntry]>) -> Result<(), Error> {
        for piece in &mut chunk.pieces.entries {
            piece.last = last_mark(piece, next, self.ordered_by_day);
        }
        let (rows, columns, bytes, pieces) = chunk.into_parts();
        let content = ChunkContent { rows, columns, bytes, pieces };
        self.set.chunk(content).map_err(|error| too_small(&self.report.table, error))
    }
}

/// A chunk is cut until it fits a volume; what does not fit even then is a single row.
fn too_small(table: &str, error: VolumeError) -> Error {
    let VolumeError::CapacityTooSmall { capacity, needed } = error else { return error.into() };
    let what = format!("table {table}: a row needs volumes of {needed} bytes, and they have {capacity}");
    Error::refused(what, "begin again with a larger volume size, or leave the table out")
}

/// The last-mark of a piece, given the pieces of the chunk that follows: 1 last, 2 more follow, 0 not known.
fn last_mark(piece: &PieceEntry, next: Option<&[PieceEntry]>, ordered_by_day: bool) -> u8 {
    let Some(next) = next else { return 1 };
    if next.iter().any(|other| (other.acd, other.day) == (piece.acd, piece.day)) {
        return 2;
    }
    // Undated rows may stand anywhere, and without an order so may every other row.
    match (piece.day, next.iter().filter_map(|other| other.day).min()) {
        (Some(day), Some(first)) if ordered_by_day && day < first => 1,
        _ => 0,
    }
}

/// Reads the set back from the device, proves every row, and compares with what was written.
fn read_back(
    device: &dyn Device,
    options: &Options,
    tables: &[TableReport],
    monitor: &dyn Monitor,
) -> Result<(), Error> {
    let set = find_set(device, options.set)?;
    let advice = "do not rely on this set: check the medium and back up again";
    let Some(set) = set.filter(SetReader::is_complete) else {
        return Err(Error::damage("the set just written cannot be read back whole", advice));
    };
    let proved = verify_set(&set, options.jobs, monitor);
    if let Some(finding) = proved.findings.first() {
        return Err(Error::damage(format!("reading back found: {finding}"), advice));
    }
    for (section, table) in set.sections().iter().zip(tables) {
        let rows = section.end.as_ref().map_or(0, |end| end.rows);
        if rows != table.rows || section.header.table != table.table {
            let what = format!("table {}: {} rows written, {rows} read back", table.table, table.rows);
            return Err(Error::damage(what, advice));
        }
    }
    Ok(())
}
