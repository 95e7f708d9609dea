//! A change of the database: one connection, one transaction.
//!
//! - `BEGIN IMMEDIATE`: the write lock is taken at once, so that what is read inside stays true until the commit.
//! - Foreign keys are enforced, at the commit. A table whose deletions would change other tables (CASCADE, SET NULL,
//!   SET DEFAULT), or that has triggers, is refused: rows that no volume speaks for would change.
//! - `INSERT OR ABORT`, whatever ON CONFLICT clause the table declares: a row that a rule refuses is an error, and never left out
//!   or put in another's place.
//! - After the first failure of a change nothing more is done, and nothing can be committed.

use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::connect;
use super::control::Control;
use super::fault::Site;
use super::insert::{Place, highest};
use super::reader::Reader;
use super::shape::{self, RowKey, Shape};
use super::snapshot::{run_keyed, run_runs};
use crate::base::time::Day;
use crate::column::batch::Batch;
use crate::schema::clock::Clock;
use crate::schema::table::TableSchema;
use crate::store::control::{KeyRuns, Range, Run, RunStatus, State, Unit};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::ledger::Ledger;
use crate::store::name::quoted;
use crate::store::traits::{KeyedSink, Replacement, Writer};

const CHANGE: &str = "change the database";
const DELETE: &str = "delete rows";
/// Columns that a result may have: SQLite's own limit, which is one for tables as well.
const RESULT_COLUMNS_MAX: usize = 2_000;

/// A connection for several changes, one after the other.
#[derive(Debug)]
pub(super) struct SqliteWriter {
    path: PathBuf,
    reader: Reader,
    utf8: bool,
    /// A number that SQLite changes for this connection whenever another one has committed.
    version: i64,
}

impl SqliteWriter {
    /// Opens the connection.
    pub(super) fn open(path: &Path) -> Result<SqliteWriter, StoreError> {
        let failed = Site::database(path).during("begin to change the database");
        let connection = connect::for_writing(path)?;
        let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0)).map_err(&failed)?;
        let version = connect::data_version(&connection).map_err(&failed)?;
        let reader = Reader::new(connection).map_err(&failed)?;
        Ok(SqliteWriter { path: path.to_owned(), reader, utf8: encoding == "UTF-8", version })
    }
}

impl Writer for SqliteWriter {
    fn begin(&mut self) -> Result<Box<dyn Replacement + '_>, StoreError> {
        let SqliteWriter { path, reader, utf8, version } = self;
        Ok(Box::new(SqliteReplacement::begin_with(path, Held::Lent(reader), *utf8, *version)?))
    }
}

/// A connection of one's own, or one that is used again afterwards.
#[derive(Debug)]
enum Held<'a> {
    Own(Box<Reader>),
    Lent(&'a Reader),
}

impl Deref for Held<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        match self {
            Held::Own(reader) => reader,
            Held::Lent(reader) => reader,
        }
    }
}

/// The change; rolled back when it is dropped.
#[derive(Debug)]
pub(super) struct SqliteReplacement<'a> {
    path: PathBuf,
    reader: Held<'a>,
    /// See [`SqliteWriter`].
    version: i64,
    utf8: bool,
    failed: bool,
    committed: bool,
    checked: HashMap<String, Rc<Shape>>,
    /// For each table the highest row number that it had before a deletion in this transaction.
    freed: HashMap<String, i64>,
    /// For each table the row numbers that new rows got.
    inserted: HashMap<String, KeyRuns>,
    /// For each table the rows that were put back under other row numbers: the old one and the new one.
    moved: HashMap<String, BTreeMap<i64, i64>>,
    control_is_there: bool,
}

impl SqliteReplacement<'static> {
    /// Begins, on a connection of its own.
    pub(super) fn begin(path: &Path) -> Result<SqliteReplacement<'static>, StoreError> {
        let SqliteWriter { path, reader, utf8, version } = SqliteWriter::open(path)?;
        SqliteReplacement::begin_with(&path, Held::Own(Box::new(reader)), utf8, version)
    }
}

impl<'a> SqliteReplacement<'a> {
    fn begin_with(
        path: &Path,
        reader: Held<'a>,
        utf8: bool,
        version: i64,
    ) -> Result<SqliteReplacement<'a>, StoreError> {
        let failed = Site::database(path).during("begin to change the database");
        reader.connection.execute_batch("BEGIN IMMEDIATE; PRAGMA defer_foreign_keys=ON").map_err(&failed)?;
        Ok(SqliteReplacement {
            path: path.to_owned(),
            reader,
            version,
            utf8,
            failed: false,
            committed: false,
            checked: HashMap::new(),
            freed: HashMap::new(),
            inserted: HashMap::new(),
            moved: HashMap::new(),
            control_is_there: false,
        })
    }

    /// Lets the database grow to this many pages and no further.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) {
        self.connection().query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())).unwrap();
    }

    /// Keeps next to nothing in memory, so that changes reach the disk before the commit.
    #[cfg(test)]
    pub(super) fn shrink_cache(&self) {
        self.connection().execute_batch("PRAGMA cache_size=5").unwrap();
    }

    fn connection(&self) -> &Connection {
        &self.reader.connection
    }

    /// Refuses to go on after a failure, and where SQLite has rolled back on its own.
    fn alive(&self, site: Site<'_>) -> Result<(), StoreError> {
        if self.failed || self.connection().is_autocommit() {
            let message = "the change has failed before and is rolled back".to_owned();
            return Err(site.fail(CHANGE, StoreErrorKind::Other { code: "none".to_owned(), message }));
        }
        Ok(())
    }

    /// The shape of a table that rows may be deleted from and inserted into.
    fn writable(&mut self, path: &Path, table: &TableSchema) -> Result<Rc<Shape>, StoreError> {
        let site = Site::table(path, &table.name);
        if let Some(shape) = self.checked.get(&table.name) {
            return Ok(Rc::clone(shape));
        }
        let shape = shape::load_same(&self.reader, site, CHANGE, table)?;
        writable(&self.reader, site, &shape)?;
        let shape = Rc::new(shape);
        self.checked.insert(table.name.clone(), Rc::clone(&shape));
        Ok(shape)
    }

    /// Runs a change; after a failure nothing more is done.
    fn change<T>(
        &mut self,
        table: &TableSchema,
        work: impl FnOnce(&mut SqliteReplacement<'_>, Site<'_>, &Shape) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let site = Site::table(&path, &table.name);
        self.alive(site)?;
        let result = self.writable(&path, table).and_then(|shape| work(self, site, &shape));
        self.failed = result.is_err();
        result
    }

    /// Remembers the highest row number of a table: by a deletion it may become free.
    fn before_deletion(&mut self, site: Site<'_>, shape: &Shape) -> Result<(), StoreError> {
        if let Some(key) = highest(self.connection(), shape).map_err(site.during(DELETE))? {
            self.freed(shape, key);
        }
        Ok(())
    }

    fn freed(&mut self, shape: &Shape, key: i64) {
        let freed = self.freed.entry(shape.schema.name.clone()).or_insert(key);
        *freed = key.max(*freed);
    }

    fn place<'p>(&'p self, site: Site<'p>, shape: &'p Shape) -> Place<'p> {
        let freed = self.freed.get(&shape.schema.name).copied();
        Place { connection: self.connection(), site, shape, utf8: self.utf8, freed }
    }

    /// Runs a change of the control tables, which are made if they are not there.
    fn control<T>(&mut self, work: impl FnOnce(&mut Control<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let path = self.path.clone();
        let site = Site::database(&path);
        self.alive(site)?;
        let mut control = Control { reader: &self.reader, site };
        let ready = if self.control_is_there { Ok(()) } else { control.make() };
        let result = ready.and_then(|()| work(&mut control));
        self.control_is_there = result.is_ok();
        self.failed = result.is_err();
        result
    }
}

/// Whether the rows of a table can be deleted and inserted without changing anything else.
pub(super) fn writable(reader: &Reader, site: Site<'_>, shape: &Shape) -> Result<(), StoreError> {
    let RowKey::Rowid(_) = shape.key else {
        return Err(site.fail(CHANGE, StoreErrorKind::Unsupported(no_key(shape))));
    };
    if shape.schema.columns.len() >= RESULT_COLUMNS_MAX {
        let text = format!("the table has {RESULT_COLUMNS_MAX} columns, which cannot be read beside the row number");
        return Err(site.fail(CHANGE, StoreErrorKind::Unsupported(text)));
    }
    // What follows is a rule of this database, which can be lifted: the rows themselves could be written.
    let refuse = |text: String| Err(site.fail(CHANGE, StoreErrorKind::Refused(text)));
    let listing = reader.listing().map_err(site.during(CHANGE))?;
    let triggers = listing.triggers(&reader.connection, &shape.schema.name).map_err(site.during(CHANGE))?;
    if !triggers.is_empty() {
        let text = "the table has triggers, which would change other rows: drop them for the restore, and create them \
                    again afterwards";
        return refuse(format!("{text} ({})", triggers.join(", ")));
    }
    if let Some(child) = listing.follower(&reader.connection, &shape.schema.name).map_err(site.during(CHANGE))? {
        return refuse(format!(
            "a foreign key of table {child} (CASCADE, SET NULL or SET DEFAULT) would change that table too when rows \
             are deleted here: remove that rule for the restore"
        ));
    }
    Ok(())
}

impl Replacement for SqliteReplacement<'_> {
    fn undisturbed(&mut self) -> Result<bool, StoreError> {
        let site = Site::database(&self.path);
        let now = connect::data_version(self.connection()).map_err(site.during("look for other writers"))?;
        Ok(now == self.version)
    }

    fn schema(&mut self, table: &str) -> Result<Option<TableSchema>, StoreError> {
        let site = Site::table(&self.path, table);
        let shape = shape::load(&self.reader, table).map_err(site.during("read the columns"))?;
        Ok(shape.map(|shape| shape.schema))
    }

    fn scan_keyed(
        &mut self,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        self.alive(site)?;
        run_keyed(&self.reader, site, table, clock, days, columns, sink)
    }

    fn delete(&mut self, table: &TableSchema, keys: &[i64]) -> Result<u64, StoreError> {
        self.delete_runs(table, &KeyRuns::of_keys(keys))
    }

    fn delete_all(&mut self, table: &TableSchema) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| {
            this.before_deletion(site, shape)?;
            let sql = format!("DELETE FROM {}", quoted(&shape.schema.name));
            Ok(this.connection().execute(&sql, []).map_err(site.during(DELETE))? as u64)
        })
    }

    fn insert(&mut self, table: &TableSchema, columns: &[usize], batch: &Batch) -> Result<(), StoreError> {
        self.change(table, |this, site, shape| {
            let keys = this.place(site, shape).insert(columns, batch)?;
            this.inserted.entry(shape.schema.name.clone()).or_default().add(&keys);
            Ok(())
        })
    }

    fn inserted(
        &mut self,
        table: &TableSchema,
        _clock: Option<&Clock>,
        _days: (Option<Day>, Option<Day>),
    ) -> Result<KeyRuns, StoreError> {
        Ok(self.inserted.get(&table.name).cloned().unwrap_or_default())
    }

    fn insert_keyed(
        &mut self,
        table: &TableSchema,
        columns: &[usize],
        keys: &[i64],
        above: Option<i64>,
        batch: &Batch,
    ) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| {
            let moved = this.place(site, shape).insert_keyed(columns, keys, above, batch)?;
            let renumbered = moved.len() as u64;
            this.moved.entry(shape.schema.name.clone()).or_default().extend(moved);
            Ok(renumbered)
        })
    }

    fn scan_runs(
        &mut self,
        table: &TableSchema,
        keys: &KeyRuns,
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        let site = Site::table(&self.path, &table.name);
        self.alive(site)?;
        run_runs(&self.reader, site, table, keys, columns, sink)
    }

    fn delete_runs(&mut self, table: &TableSchema, keys: &KeyRuns) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| {
            let RowKey::Rowid(key) = &shape.key else {
                return Err(site.fail(DELETE, StoreErrorKind::Unsupported(no_key(shape))));
            };
            this.before_deletion(site, shape)?;
            let sql = format!("DELETE FROM {} WHERE {key} BETWEEN ?1 AND ?2", quoted(&shape.schema.name));
            let mut statement = this.connection().prepare_cached(&sql).map_err(site.during(DELETE))?;
            let mut deleted = 0u64;
            for (first, last) in keys.iter() {
                let rows = statement.execute([first, last]).map_err(site.during(DELETE))?;
                deleted = deleted.saturating_add(rows as u64);
            }
            Ok(deleted)
        })
    }

    fn set_state(&mut self, state: &State) -> Result<(), StoreError> {
        self.control(|control| control.set_state(state))
    }

    fn begin_run(&mut self, run: &Run, units: &[Unit]) -> Result<u64, StoreError> {
        self.control(|control| control.begin_run(run, units))
    }

    fn unit_applied(&mut self, unit: &Unit, ranges: &[Range]) -> Result<bool, StoreError> {
        self.control(|control| control.unit_applied(unit, ranges))
    }

    fn unit_undone(&mut self, run: u64, unit: u32) -> Result<bool, StoreError> {
        let moved = std::mem::take(&mut self.moved);
        self.control(|control| {
            moved
                .iter()
                .filter(|(_, moved)| !moved.is_empty())
                .try_for_each(|(table, moved)| control.rename(run, table, moved))?;
            control.unit_undone(run, unit)
        })
    }

    fn end_run(&mut self, run: u64, status: RunStatus, ended_unix: Option<i64>) -> Result<bool, StoreError> {
        self.control(|control| control.end_run(run, status, ended_unix))
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let path = self.path.clone();
        let site = Site::database(&path);
        self.alive(site)?;
        // Whatever happens now, dropping rolls back what is not committed.
        self.failed = true;
        self.connection().execute_batch("COMMIT").map_err(site.during("commit the change"))?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for SqliteReplacement<'_> {
    fn drop(&mut self) {
        if !self.connection().is_autocommit() {
            // An error changes nothing: closing the connection rolls back as well.
            let _ = self.connection().execute_batch("ROLLBACK");
        }
        if !self.committed {
            // The number of a schema that was taken back is given again, to another one.
            self.reader.forget_listing();
        }
    }
}

pub(super) fn no_key(shape: &Shape) -> String {
    match shape.key {
        RowKey::Primary(_) => "the table is WITHOUT ROWID: its rows can be backed up but not restored".to_owned(),
        _ => "the table has columns named rowid, _rowid_ and oid, so that no row of it can be named: rename one"
            .to_owned(),
    }
}
