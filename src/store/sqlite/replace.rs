//! A change of the database: one connection, one transaction.
//!
//! - `BEGIN IMMEDIATE`: the write lock is taken at once, so that what is read inside stays true until the commit.
//! - Foreign keys are enforced, at the commit. A table whose deletions would change other tables (CASCADE, SET NULL,
//!   SET DEFAULT), or that has triggers, is refused: rows that no volume speaks for would change.
//! - `INSERT OR ABORT`, whatever ON CONFLICT clause the table declares: a row that a rule refuses is an error, and never left out
//!   or put in another's place.
//! - After the first failure of a change nothing more is done, and nothing can be committed.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::connect;
use super::fault::Site;
use super::fidelity;
use super::name::quoted;
use super::reader::Reader;
use super::shape::{self, RowKey, Shape};
use super::snapshot::run_keyed;
use crate::base::time::Day;
use crate::column::batch::{Batch, Column, ColumnData, Value};
use crate::schema::clock::Clock;
use crate::schema::table::TableSchema;
use crate::store::control::{KeyRuns, Range, Run, RunStatus, State, Unit};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{KeyedSink, Replacement};

const CHANGE: &str = "change the database";
const DELETE: &str = "delete rows";
const INSERT: &str = "insert rows";
/// Rows of one INSERT statement: it saves starting a statement for each row.
const GROUP_ROWS: usize = 16;
/// Parameters that one statement may have: SQLite's own limit is 32,766.
const PARAMETERS_MAX: usize = 30_000;
/// Columns that a result may have: SQLite's own limit, which is one for tables as well.
const RESULT_COLUMNS_MAX: usize = 2_000;

/// The change; rolled back when it is dropped.
#[derive(Debug)]
pub(super) struct SqliteReplacement {
    path: PathBuf,
    reader: Reader,
    utf8: bool,
    failed: bool,
    checked: HashMap<String, Rc<Shape>>,
}

impl SqliteReplacement {
    /// Begins.
    pub(super) fn begin(path: &Path) -> Result<SqliteReplacement, StoreError> {
        let failed = Site::database(path).during("begin to change the database");
        let connection = connect::for_writing(path)?;
        connection.execute_batch("BEGIN IMMEDIATE; PRAGMA defer_foreign_keys=ON").map_err(&failed)?;
        let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0)).map_err(&failed)?;
        let reader = Reader::new(connection).map_err(&failed)?;
        let utf8 = encoding == "UTF-8";
        Ok(SqliteReplacement { path: path.to_owned(), reader, utf8, failed: false, checked: HashMap::new() })
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
        let shape = shape::load_same(self.connection(), site, CHANGE, table)?;
        writable(self.connection(), site, &shape)?;
        let shape = Rc::new(shape);
        self.checked.insert(table.name.clone(), Rc::clone(&shape));
        Ok(shape)
    }

    /// Runs a change; after a failure nothing more is done.
    fn change<T>(
        &mut self,
        table: &TableSchema,
        work: impl FnOnce(&SqliteReplacement, Site<'_>, &Shape) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let site = Site::table(&path, &table.name);
        self.alive(site)?;
        let result = self.writable(&path, table).and_then(|shape| work(self, site, &shape));
        self.failed = result.is_err();
        result
    }
}

/// Whether the rows of a table can be deleted and inserted without changing anything else.
pub(super) fn writable(connection: &Connection, site: Site<'_>, shape: &Shape) -> Result<(), StoreError> {
    let RowKey::Rowid(_) = shape.key else {
        return Err(site.fail(CHANGE, StoreErrorKind::Unsupported(no_key(shape))));
    };
    if shape.schema.columns.len() >= RESULT_COLUMNS_MAX {
        let text = format!("the table has {RESULT_COLUMNS_MAX} columns, which cannot be read beside the row number");
        return Err(site.fail(CHANGE, StoreErrorKind::Unsupported(text)));
    }
    // What follows is a rule of this database, which can be lifted: the rows themselves could be written.
    let refuse = |text: String| Err(site.fail(CHANGE, StoreErrorKind::Refused(text)));
    let triggers = shape::triggers(connection, &shape.schema.name).map_err(site.during(CHANGE))?;
    if !triggers.is_empty() {
        let text = "the table has triggers, which would change other rows: drop them for the restore, and create them \
                    again afterwards";
        return refuse(format!("{text} ({})", triggers.join(", ")));
    }
    if let Some(child) = shape::follower(connection, &shape.schema.name).map_err(site.during(CHANGE))? {
        return refuse(format!(
            "a foreign key of table {child} (CASCADE, SET NULL or SET DEFAULT) would change that table too when rows \
             are deleted here: remove that rule for the restore"
        ));
    }
    Ok(())
}

impl Replacement for SqliteReplacement {
    fn schema(&mut self, table: &str) -> Result<Option<TableSchema>, StoreError> {
        let site = Site::table(&self.path, table);
        let shape = shape::load(self.connection(), table).map_err(site.during("read the columns"))?;
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
        let runs = runs(keys);
        self.change(table, |this, site, shape| {
            let RowKey::Rowid(key) = &shape.key else {
                return Err(site.fail(DELETE, StoreErrorKind::Unsupported(no_key(shape))));
            };
            let sql = format!("DELETE FROM {} WHERE {key} BETWEEN ?1 AND ?2", quoted(&shape.schema.name));
            let mut statement = this.connection().prepare_cached(&sql).map_err(site.during(DELETE))?;
            let mut deleted = 0u64;
            for (first, last) in runs {
                let rows = statement.execute([first, last]).map_err(site.during(DELETE))?;
                deleted = deleted.saturating_add(rows as u64);
            }
            Ok(deleted)
        })
    }

    fn delete_all(&mut self, table: &TableSchema) -> Result<u64, StoreError> {
        self.change(table, |this, site, shape| {
            let sql = format!("DELETE FROM {}", quoted(&shape.schema.name));
            Ok(this.connection().execute(&sql, []).map_err(site.during(DELETE))? as u64)
        })
    }

    fn insert(&mut self, table: &TableSchema, columns: &[usize], batch: &Batch) -> Result<KeyRuns, StoreError> {
        self.change(table, |this, site, shape| {
            check_columns(site, shape, columns, batch, this.utf8)?;
            insert_rows(this.connection(), site, shape, columns, batch)?;
            Ok(KeyRuns::default())
        })
    }

    fn insert_keyed(
        &mut self,
        _table: &TableSchema,
        _columns: &[usize],
        _keys: &[i64],
        _batch: &Batch,
    ) -> Result<u64, StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn scan_runs(
        &mut self,
        _table: &TableSchema,
        _keys: &KeyRuns,
        _columns: &[usize],
        _sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn delete_runs(&mut self, _table: &TableSchema, _keys: &KeyRuns) -> Result<u64, StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn set_state(&mut self, _state: &State) -> Result<(), StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn begin_run(&mut self, _run: &Run, _units: &[Unit]) -> Result<u64, StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn unit_applied(&mut self, _unit: &Unit, _ranges: &[Range]) -> Result<bool, StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn unit_undone(&mut self, _run: u64, _unit: u32) -> Result<bool, StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn end_run(&mut self, _run: u64, _status: RunStatus, _ended_unix: Option<i64>) -> Result<bool, StoreError> {
        Err(super::control::missing(&self.path))
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let path = self.path.clone();
        let site = Site::database(&path);
        self.alive(site)?;
        // Whatever happens now, dropping rolls back what is not committed.
        self.failed = true;
        self.connection().execute_batch("COMMIT").map_err(site.during("commit the change"))
    }
}

impl Drop for SqliteReplacement {
    fn drop(&mut self) {
        if !self.connection().is_autocommit() {
            // An error changes nothing: closing the connection rolls back as well.
            let _ = self.connection().execute_batch("ROLLBACK");
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

/// The keys as runs of consecutive numbers, ascending; first and last of each. Takes 8 bytes a key: runs may be as many.
fn runs(keys: &[i64]) -> impl Iterator<Item = (i64, i64)> + use<> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let mut keys = keys.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = keys.next()?;
        let mut last = first;
        while let Some(next) = keys.next_if(|key| *key <= last.saturating_add(1)) {
            last = next;
        }
        Some((first, last))
    })
}

/// Refuses a batch that does not fit the columns, or holds a value that a column would change.
fn check_columns(
    site: Site<'_>,
    shape: &Shape,
    columns: &[usize],
    batch: &Batch,
    utf8: bool,
) -> Result<(), StoreError> {
    let misfit = |text: String| Err(site.fail(INSERT, StoreErrorKind::Unsupported(text)));
    if columns.len() != batch.columns.len() || columns.is_empty() {
        return misfit(format!("{} columns were named for a batch of {}", columns.len(), batch.columns.len()));
    }
    for (position, (index, column)) in columns.iter().zip(&batch.columns).enumerate() {
        let (Some(target), Some(affinity)) = (shape.schema.columns.get(*index), shape.affinities.get(*index)) else {
            return misfit(format!("there is no column {index}, counted from 0"));
        };
        if columns.iter().take(position).any(|earlier| earlier == index) {
            return misfit(format!("column {} is named twice", target.name));
        }
        if column.len() != batch.rows {
            return misfit(format!("column {} has {} values for {} rows", target.name, column.len(), batch.rows));
        }
        let refused = |row: usize, reason: &str| {
            let text = format!("column {} ({}), row {row} of the batch: {reason}", target.name, target.declared);
            Err(site.fail(INSERT, StoreErrorKind::Refused(text)))
        };
        if shape.rowid_column == Some(*index)
            && let Some(row) = column.nulls.first()
        {
            return refused(*row as usize, "a null would become a new row number");
        }
        if let Some((row, reason)) = fidelity::first_changed(column, *affinity, utf8) {
            return refused(row, reason);
        }
    }
    Ok(())
}

fn insert_rows(
    connection: &Connection,
    site: Site<'_>,
    shape: &Shape,
    columns: &[usize],
    batch: &Batch,
) -> Result<(), StoreError> {
    let failed = site.during(INSERT);
    let names = shape::column_list(&shape.schema, columns).unwrap_or_default();
    let marks = format!("({})", vec!["?"; columns.len()].join(","));
    let statement = |rows: usize| {
        let values = vec![marks.as_str(); rows].join(",");
        let sql = format!("INSERT OR ABORT INTO {}({names}) VALUES {values}", quoted(&shape.schema.name));
        connection.prepare_cached(&sql)
    };
    let group = (PARAMETERS_MAX / columns.len().max(1)).clamp(1, GROUP_ROWS);
    let mut cursors: Vec<Cursor<'_>> = batch.columns.iter().map(Cursor::new).collect();
    let mut row = 0;
    for rows in [group, 1] {
        if batch.rows.saturating_sub(row) < rows {
            continue;
        }
        let mut insert = statement(rows).map_err(&failed)?;
        while batch.rows.saturating_sub(row) >= rows {
            let mut parameter = 0usize;
            for row in row..row.saturating_add(rows) {
                for cursor in &mut cursors {
                    parameter = parameter.saturating_add(1);
                    insert.raw_bind_parameter(parameter, Bound(cursor.next(row))).map_err(&failed)?;
                }
            }
            insert.raw_execute().map_err(&failed)?;
            row = row.saturating_add(rows);
        }
    }
    Ok(())
}

/// Goes through a column row by row, without a search for nulls and strays.
struct Cursor<'a> {
    column: &'a Column,
    nulls: usize,
    strays: usize,
}

impl<'a> Cursor<'a> {
    fn new(column: &'a Column) -> Cursor<'a> {
        Cursor { column, nulls: 0, strays: 0 }
    }

    /// The value of `row`; rows come ascending.
    #[inline]
    fn next(&mut self, row: usize) -> Value<'a> {
        let at = row as u32;
        if self.column.nulls.get(self.nulls) == Some(&at) {
            self.nulls = self.nulls.wrapping_add(1);
            return Value::Null;
        }
        if let Some((stray, value)) = self.column.strays.get(self.strays)
            && *stray == at
        {
            self.strays = self.strays.wrapping_add(1);
            return value.as_value();
        }
        match &self.column.data {
            ColumnData::Integer(v) => v.get(row).map_or(Value::Null, |v| Value::Integer(*v)),
            ColumnData::Real(v) => v.get(row).map_or(Value::Null, |v| Value::Real(f64::from_bits(*v))),
            ColumnData::Text(v) => Value::Text(v.get(row)),
            ColumnData::Blob(v) => Value::Blob(v.get(row)),
        }
    }
}

/// A value as a statement parameter.
struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(v) => ValueRef::Integer(v),
            Value::Real(v) => ValueRef::Real(v),
            Value::Text(v) => ValueRef::Text(v),
            Value::Blob(v) => ValueRef::Blob(v),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_runs() {
        let runs = |keys: &[i64]| runs(keys).collect::<Vec<_>>();
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[3, 1, 2, 7, 2]), [(1, 3), (7, 7)]);
        assert_eq!(runs(&[i64::MAX, i64::MAX - 1, i64::MIN]), [(i64::MIN, i64::MIN), (i64::MAX - 1, i64::MAX)]);
    }

    #[test]
    fn the_cursor_and_the_search_agree() {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        for value in
            [Value::Null, Value::Integer(4), Value::Text(b"x"), Value::Null, Value::Real(0.5), Value::Integer(9)]
        {
            column.push(value);
        }
        let mut cursor = Cursor::new(&column);
        for row in 0..column.len() {
            assert_eq!(cursor.next(row), column.get(row));
        }
    }
}
