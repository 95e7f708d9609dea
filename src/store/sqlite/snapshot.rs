//! One state of the database, read by several connections.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, ErrorCode, ToSql};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::connect;
use super::control::Control;
use super::days;
use super::fault::Site;
use super::reader::{Reader, Scan};
use super::shape::{self, RowKey, Shape};
use crate::base::time::Day;
use crate::schema::clock::{Clock, ClockKind};
use crate::schema::table::TableSchema;
use crate::store::control::{KeyRuns, Range, Run, State, Unit};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::ledger::Ledger;
use crate::store::name::quoted;
use crate::store::traits::{DayCount, KeyedSink, Part, RowSink, Snapshot};

const BEGIN: &str = "begin to read the database";
/// How often the readers begin again because a commit came between them.
const ATTEMPTS_MAX: u32 = 50;
/// How long one attempt waits for a lock. Short: in rollback mode the writer may be waiting for the readers that have begun.
const ATTEMPT_WAIT: Duration = Duration::from_millis(20);
/// Batches of a scan by days.
const DAYS_BATCH_ROWS: usize = 16_384;
const DAYS_BATCH_BYTES: usize = 8 << 20;
/// From this many rows on a run of row keys is read by a statement of its own; shorter ones are listed key by key, about so
/// many in one statement: with at most 20 digits each the statement stays under SQLite's million bytes.
const LONG_RUN_ROWS: u64 = 256;
const LISTED_KEYS: u64 = 16_384;

/// The snapshot; its transactions end when it is dropped.
///
/// The sink of a scan must not call the snapshot that it is fed from: it might wait for the connection that feeds it.
#[derive(Debug)]
pub(super) struct SqliteSnapshot {
    path: PathBuf,
    /// Those that scan, and behind them one for everything else; or a single one for all.
    readers: Vec<Mutex<Reader>>,
    notices: Vec<String>,
}

impl SqliteSnapshot {
    /// Begins to read with `readers` connections, at least one.
    pub(super) fn begin(path: &Path, readers: usize) -> Result<SqliteSnapshot, StoreError> {
        let failed = Site::database(path).during(BEGIN);
        let probe = connect::for_reading(path)?;
        let mut connections = Vec::new();
        for _ in 0..readers.max(1).saturating_add(1) {
            let connection = connect::for_reading(path)?;
            connection.execute_batch("PRAGMA query_only=ON").map_err(&failed)?;
            connections.push(connection);
        }
        let mut notices = Vec::new();
        begin_together(&probe, &mut connections, &mut notices).map_err(&failed)?;
        let journal: String = probe.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(&failed)?;
        if journal != "wal" && !connect::is_read_only_file_system(path) {
            notices.push(format!(
                "the database keeps a rollback journal (journal_mode {journal}): until everything is read, other \
                 connections cannot commit; in WAL mode they could"
            ));
        }
        let readers = connections.into_iter().map(|connection| Reader::new(connection).map(Mutex::new));
        let readers = readers.collect::<rusqlite::Result<Vec<_>>>().map_err(&failed)?;
        Ok(SqliteSnapshot { path: path.to_owned(), readers, notices })
    }

    fn reader(&self, number: usize) -> Result<MutexGuard<'_, Reader>, StoreError> {
        match self.readers.get(number.checked_rem(self.readers()).unwrap_or(0)) {
            Some(reader) => Ok(reader.lock().unwrap_or_else(PoisonError::into_inner)),
            None => {
                let message = "the snapshot has no reader".to_owned();
                let kind = StoreErrorKind::Other { code: "none".to_owned(), message };
                Err(Site::database(&self.path).fail(BEGIN, kind))
            }
        }
    }

    fn control<T>(&self, work: impl FnOnce(&mut Control<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = self.idle()?;
        work(&mut Control { reader: &reader, site: Site::database(&self.path) })
    }

    /// A reader that nobody uses; if there is none, the one that is not for scans.
    fn idle(&self) -> Result<MutexGuard<'_, Reader>, StoreError> {
        if let Some(reader) = self.readers.iter().rev().find_map(|reader| reader.try_lock().ok()) {
            return Ok(reader);
        }
        match self.readers.last() {
            Some(reader) => Ok(reader.lock().unwrap_or_else(PoisonError::into_inner)),
            None => self.reader(0),
        }
    }
}

impl Snapshot for SqliteSnapshot {
    fn readers(&self) -> usize {
        self.readers.len().saturating_sub(1).max(1)
    }

    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }

    fn schema(&self, table: &str) -> Result<Option<TableSchema>, StoreError> {
        let site = Site::table(&self.path, table);
        let shape = shape::load(&*self.idle()?, table).map_err(site.during("read the columns"))?;
        Ok(shape.map(|shape| shape.schema))
    }

    fn tables(&self) -> Result<Vec<String>, StoreError> {
        let listing = self.idle()?.listing().map_err(Site::database(&self.path).during("list the tables"))?;
        Ok(listing.names())
    }

    fn unlisted(&self) -> Result<Vec<(String, String)>, StoreError> {
        let listing = self.idle()?.listing().map_err(Site::database(&self.path).during("list the tables"))?;
        let reason = "it is a virtual table, which a module of SQLite makes: have its rows in an ordinary table too";
        Ok(listing.virtuals().into_iter().map(|name| (name, reason.to_owned())).collect())
    }

    fn writable(&self, table: &TableSchema) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        let reader = self.idle()?;
        let shape = shape::load_same(&reader, site, "look at the table", table)?;
        super::replace::writable(&reader, site, &shape)
    }

    fn key_column(&self, table: &TableSchema) -> Result<Option<usize>, StoreError> {
        let site = Site::table(&self.path, &table.name);
        let shape = shape::load_same(&*self.idle()?, site, "look at the table", table)?;
        Ok(shape.rowid_column)
    }

    fn unique_columns(&self, table: &TableSchema) -> Result<Vec<Vec<usize>>, StoreError> {
        let op = "look at the table";
        let site = Site::table(&self.path, &table.name);
        let reader = self.idle()?;
        let shape = shape::load_same(&reader, site, op, table)?;
        shape::unique(&reader.connection, &shape).map_err(site.during(op))
    }

    fn refers_to(&self, table: &TableSchema) -> Result<Vec<String>, StoreError> {
        let op = "look at the foreign keys";
        let site = Site::table(&self.path, &table.name);
        let reader = self.idle()?;
        let shape = shape::load_same(&reader, site, op, table)?;
        shape::refers_to(&reader.connection, &shape.schema.name).map_err(site.during(op))
    }

    fn parts(&self, table: &TableSchema, rows: u64) -> Result<Vec<Part>, StoreError> {
        let op = "cut the table into parts";
        let site = Site::table(&self.path, &table.name);
        let reader = self.idle()?;
        let shape = shape::load_same(&reader, site, op, table)?;
        super::parts::parts(&reader.connection, &shape, rows).map_err(site.during(op))
    }

    fn days_in_order(&self, table: &TableSchema, clock: &Clock) -> Result<Option<Vec<DayCount>>, StoreError> {
        let op = "count the rows of each day";
        let site = Site::table(&self.path, &table.name);
        let (ClockKind::DateHhmm { date, .. } | ClockKind::Date { date }) = clock.kind else {
            return Ok(None);
        };
        let reader = self.idle()?;
        let shape = shape::load_same(&reader, site, op, table)?;
        let (Some(column), RowKey::Rowid(key)) = (shape.schema.columns.get(date), &shape.key) else {
            return Ok(None);
        };
        let indexes =
            shape::indexes_on(&reader.connection, &shape.schema.name, &column.name).map_err(site.during(op))?;
        let Some(index) = indexes.first() else {
            return Ok(None);
        };
        let from = format!("{} INDEXED BY {}", quoted(&shape.schema.name), quoted(index));
        reader.days_in_order(&from, &quoted(&column.name), key).map_err(site.during(op))
    }

    fn scan(
        &self,
        reader: usize,
        table: &TableSchema,
        part: &Part,
        batch_rows: usize,
        batch_bytes: usize,
        sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        let reader = self.reader(reader)?;
        let shape = shape::load_same(&reader, site, "read the table", table)?;
        let columns: Vec<usize> = (0..shape.schema.columns.len()).collect();
        let (condition, order): (String, String) = match &shape.key {
            RowKey::Rowid(key) => (format!("{key} BETWEEN ?1 AND ?2"), key.clone()),
            RowKey::Hidden => (String::new(), String::new()),
            RowKey::Primary(keys) => {
                (String::new(), keys.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(","))
            }
        };
        let bounds: Vec<&dyn ToSql> = if condition.is_empty() { Vec::new() } else { vec![&part.first, &part.last] };
        let scan = Scan {
            shape: &shape,
            columns: &columns,
            key: None,
            from: format!("{} NOT INDEXED", quoted(&shape.schema.name)),
            condition,
            parameters: bounds,
            order,
            rows: part.rows,
            batch_rows,
            batch_bytes,
        };
        reader.run(site, &scan, &mut |_, batch| sink(batch))
    }

    fn scan_days(
        &self,
        reader: usize,
        table: &TableSchema,
        clock: &Clock,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        let reader = self.reader(reader)?;
        let shape = shape::load_same(&reader, site, "read the table", table)?;
        let condition = days::condition(&shape, clock, days);
        let scan = scan_of_days(&shape, columns, None, &condition);
        reader.run(site, &scan, &mut |_, batch| sink(batch))
    }

    fn scan_keyed(
        &self,
        reader: usize,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        run_keyed(&*self.reader(reader)?, site, table, clock, days, columns, sink)
    }

    fn scan_runs(
        &self,
        reader: usize,
        table: &TableSchema,
        keys: &KeyRuns,
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        run_runs(&*self.reader(reader)?, site, table, keys, columns, sink)
    }

    fn state(&self) -> Result<State, StoreError> {
        self.control(|control| control.state())
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.control(|control| control.runs())
    }

    fn units(&self, run: u64) -> Result<Vec<Unit>, StoreError> {
        self.control(|control| control.units(run))
    }

    fn ranges(&self) -> Result<Vec<Range>, StoreError> {
        self.control(|control| control.ranges())
    }
}

/// Reads rows led by their keys: those of some days, or without a clock all.
pub(super) fn run_keyed(
    reader: &Reader,
    site: Site<'_>,
    table: &TableSchema,
    clock: Option<&Clock>,
    days: (Option<Day>, Option<Day>),
    columns: &[usize],
    sink: &mut KeyedSink<'_>,
) -> Result<(), StoreError> {
    let shape = shape::load_same(reader, site, "read the table", table)?;
    let RowKey::Rowid(key) = &shape.key else {
        return Err(site.fail("read the table", StoreErrorKind::Unsupported(super::replace::no_key(&shape))));
    };
    let condition = clock.map(|clock| days::condition(&shape, clock, days)).unwrap_or_default();
    let scan = scan_of_days(&shape, columns, Some(key), &condition);
    reader.run(site, &scan, &mut |keys, batch| sink(&keys, batch))
}

/// Reads the rows with these keys, led by them.
pub(super) fn run_runs(
    reader: &Reader,
    site: Site<'_>,
    table: &TableSchema,
    keys: &KeyRuns,
    columns: &[usize],
    sink: &mut KeyedSink<'_>,
) -> Result<(), StoreError> {
    let shape = shape::load_same(reader, site, "read the table", table)?;
    let RowKey::Rowid(key) = &shape.key else {
        return Err(site.fail("read the table", StoreErrorKind::Unsupported(super::replace::no_key(&shape))));
    };
    let mut read = |condition: String, parameters: Vec<SqlValue>, rows: u64| {
        let condition = days::Condition { sql: condition, parameters };
        let mut scan = scan_of_days(&shape, columns, Some(key), &condition);
        scan.rows = rows;
        reader.run(site, &scan, &mut |keys, batch| sink(&keys, batch))
    };
    let mut few = String::new();
    let mut listed = 0u64;
    for (first, last) in keys.iter() {
        let rows = last.abs_diff(first).saturating_add(1);
        if rows >= LONG_RUN_ROWS {
            read(format!("{key} BETWEEN ?1 AND ?2"), vec![first.into(), last.into()], rows)?;
            continue;
        }
        for key in first..=last {
            few.push_str(if listed == 0 { "" } else { "," });
            few.push_str(&key.to_string());
            listed = listed.saturating_add(1);
        }
        if listed >= LISTED_KEYS {
            read(format!("{key} IN ({few})"), Vec::new(), listed)?;
            few.clear();
            listed = 0;
        }
    }
    if listed > 0 { read(format!("{key} IN ({few})"), Vec::new(), listed) } else { Ok(()) }
}

/// The scan of the rows that meet a condition on their day; keys lead the rows where a key is named.
pub(super) fn scan_of_days<'a>(
    shape: &'a Shape,
    columns: &'a [usize],
    key: Option<&'a str>,
    condition: &'a days::Condition,
) -> Scan<'a> {
    Scan {
        shape,
        columns,
        key,
        from: quoted(&shape.schema.name),
        condition: condition.sql.clone(),
        parameters: condition.parameters.iter().map(|value: &SqlValue| value as &dyn ToSql).collect(),
        order: String::new(),
        rows: DAYS_BATCH_ROWS as u64,
        batch_rows: DAYS_BATCH_ROWS,
        batch_bytes: DAYS_BATCH_BYTES,
    }
}

/// Begins a read transaction on each connection, all on the same state; if that cannot be had, on the first one alone.
fn begin_together(
    probe: &Connection,
    connections: &mut Vec<Connection>,
    notices: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let deadline = Instant::now() + connect::BUSY_WAIT;
    for connection in connections.iter().chain([probe]) {
        connection.busy_timeout(ATTEMPT_WAIT)?;
    }
    let mut attempts = 0u32;
    loop {
        attempts = attempts.saturating_add(1);
        match attempt(probe, connections) {
            Ok(true) => return Ok(()),
            Ok(false) if attempts >= ATTEMPTS_MAX => {
                connections.truncate(1);
                notices.push(
                    "another connection commits without a pause: one reader is used instead of several".to_owned(),
                );
            }
            Ok(false) => {}
            Err(error) if is_busy(&error) && Instant::now() < deadline => {}
            Err(error) => return Err(error),
        }
        for connection in connections.iter().filter(|connection| !connection.is_autocommit()) {
            connection.execute_batch("ROLLBACK")?;
        }
        thread::sleep(Duration::from_micros(u64::from(attempts.min(100)).saturating_mul(100)));
    }
}

/// One attempt; false if a commit came in between.
fn attempt(probe: &Connection, connections: &[Connection]) -> rusqlite::Result<bool> {
    let before = connect::data_version(probe)?;
    for connection in connections {
        connection.execute_batch("BEGIN")?;
        // BEGIN alone takes no lock: the first read does.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    }
    Ok(connections.len() == 1 || connect::data_version(probe)? == before)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
