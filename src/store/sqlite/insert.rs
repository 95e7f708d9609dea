//! Rows into a table, under the row numbers that they are to have.
//!
//! SQLite numbers new rows from the highest row number of the table on. Rows deleted at the end of a table give theirs
//! free, and would lose them to the rows that arrive next, so that an undo could not have them back. So the first row that
//! goes in gets a number of its own choosing where that is needed: one above every number that the table had in this
//! transaction. SQLite goes on from there, also for the rows that arrive later.

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql};
use std::collections::BTreeSet;

use super::fault::Site;
use super::fidelity;
use super::replace::no_key;
use super::shape::{self, RowKey, Shape};
use crate::column::batch::{Batch, Column, Value};
use crate::store::control::KeyRuns;
use crate::store::cursor::Cursor;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::name::quoted;

const INSERT: &str = "insert rows";
/// Rows of one INSERT statement: it saves starting a statement for each row.
const GROUP_ROWS: usize = 16;
/// Parameters that one statement may have: SQLite's own limit is 32,766.
const PARAMETERS_MAX: usize = 30_000;

/// A table that rows go into, in one transaction.
pub(super) struct Place<'a> {
    /// The connection that has the transaction.
    pub(super) connection: &'a Connection,
    /// Where that is, for errors.
    pub(super) site: Site<'a>,
    /// The table.
    pub(super) shape: &'a Shape,
    /// Whether the database keeps text in UTF-8.
    pub(super) utf8: bool,
    /// The highest row number that the table had before a deletion in this transaction.
    pub(super) freed: Option<i64>,
}

impl Place<'_> {
    /// Inserts the rows of a batch; returns their row numbers.
    pub(super) fn insert(&self, columns: &[usize], batch: &Batch) -> Result<KeyRuns, StoreError> {
        self.check(columns, batch)?;
        if let Some(column) = self.key_column(columns, batch) {
            self.rows(columns, batch, false)?.up_to(batch.rows, None, &mut |_| Ok(()))?;
            return Ok(KeyRuns::of_keys(&integers(column)));
        }
        if batch.rows == 0 {
            return Ok(KeyRuns::default());
        }
        let natural = highest(self.connection, self.shape).map_err(self.site.during(INSERT))?.unwrap_or(0);
        let last = natural.max(self.sequence()?).max(self.freed.filter(|key| *key < i64::MAX).unwrap_or(natural));
        let (Some(first), Some(end)) = (last.checked_add(1), last.checked_add_unsigned(batch.rows as u64)) else {
            return Err(self.used_up(last));
        };
        let mut next = 0;
        if last != natural {
            let mut rows = self.rows(columns, batch, true)?;
            rows.up_to(1, Some(&[first]), &mut |_| Ok(()))?;
            next = 1;
        }
        let mut rows = self.rows(columns, batch, false)?;
        rows.skip(next);
        rows.up_to(batch.rows, None, &mut |count| {
            // The keys are promised as a run: a row that got another number would be deleted in another's place by an undo.
            let expected = last.checked_add_unsigned(count as u64);
            if expected == Some(self.connection.last_insert_rowid()) { Ok(()) } else { Err(self.used_up(last)) }
        })?;
        let mut keys = KeyRuns::default();
        keys.add_run(first, end);
        Ok(keys)
    }

    /// Inserts row `i` under the row number `keys[i]`, or, where that is taken, under a new one, above `above` too; returns
    /// for each that got a new one the old and the new.
    pub(super) fn insert_keyed(
        &self,
        columns: &[usize],
        keys: &[i64],
        above: Option<i64>,
        batch: &Batch,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        self.check(columns, batch)?;
        let misfit = |text: String| Err(self.site.fail(INSERT, StoreErrorKind::Unsupported(text)));
        if keys.len() != batch.rows {
            return misfit(format!("{} row numbers were given for {} rows", keys.len(), batch.rows));
        }
        if let Some(column) = self.key_column(columns, batch) {
            if (0..batch.rows).any(|row| keys.get(row).map(|key| Value::Integer(*key)) != Some(column.get(row))) {
                return misfit("the row numbers are not those in the column that is the row number".to_owned());
            }
            self.rows(columns, batch, false)?.up_to(batch.rows, None, &mut |_| Ok(()))?;
            return Ok(Vec::new());
        }
        let homeless = if self.shape.rowid_column.is_some() { BTreeSet::new() } else { self.homeless(keys)? };
        let mut keys = keys.to_vec();
        let mut moved = Vec::with_capacity(homeless.len());
        if !homeless.is_empty() {
            let natural = highest(self.connection, self.shape).map_err(self.site.during(INSERT))?.unwrap_or(0);
            let given = keys.iter().copied().chain(above).max().unwrap_or(natural);
            let mut last = natural.max(given).max(self.freed.filter(|key| *key < i64::MAX).unwrap_or(natural));
            for row in &homeless {
                last = last.checked_add(1).ok_or_else(|| self.used_up(last))?;
                if let Some(key) = keys.get_mut(*row) {
                    moved.push((std::mem::replace(key, last), last));
                }
            }
        }
        self.rows(columns, batch, true)?.up_to(batch.rows, Some(&keys), &mut |_| Ok(()))?;
        Ok(moved)
    }

    /// The rows (from 0) whose row number another row has: one of the table, or one before it in the list.
    fn homeless(&self, keys: &[i64]) -> Result<BTreeSet<usize>, StoreError> {
        let failed = self.site.during(INSERT);
        let RowKey::Rowid(key) = &self.shape.key else { return Ok(BTreeSet::new()) };
        let sql = format!("SELECT {key} FROM {} WHERE {key} BETWEEN ?1 AND ?2", quoted(&self.shape.schema.name));
        let mut statement = self.connection.prepare_cached(&sql).map_err(&failed)?;
        let mut taken = KeyRuns::default();
        for (first, last) in KeyRuns::of_keys(keys).iter() {
            let mut rows = statement.query([first, last]).map_err(&failed)?;
            while let Some(row) = rows.next().map_err(&failed)? {
                let key = row.get(0).map_err(&failed)?;
                taken.add_run(key, key);
            }
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|row| keys.get(*row));
        let twice = order.windows(2).filter_map(|pair| match pair {
            [one, other] if keys.get(*one) == keys.get(*other) => Some(*other),
            _ => None,
        });
        let taken_ones = keys.iter().enumerate().filter(|(_, key)| taken.holds(**key)).map(|(row, _)| row);
        Ok(taken_ones.chain(twice).collect())
    }

    /// The column of the batch that is the row number itself, if one is.
    fn key_column<'b>(&self, columns: &[usize], batch: &'b Batch) -> Option<&'b Column> {
        let index = self.shape.rowid_column?;
        columns.iter().position(|column| *column == index).and_then(|at| batch.columns.get(at))
    }

    /// The last number that an AUTOINCREMENT table has given to a row; it never gives one twice.
    fn sequence(&self) -> Result<i64, StoreError> {
        if self.shape.rowid_column.is_none() {
            return Ok(i64::MIN);
        }
        let failed = self.site.during(INSERT);
        let sql = "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'";
        if self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(&failed)? == 0 {
            return Ok(i64::MIN);
        }
        let sql = "SELECT seq FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE";
        let last = self.connection.query_row(sql, [&self.shape.schema.name], |row| row.get::<_, SqlValue>(0));
        match last.optional().map_err(&failed)? {
            Some(SqlValue::Integer(last)) => Ok(last),
            _ => Ok(i64::MIN),
        }
    }

    fn used_up(&self, last: i64) -> StoreError {
        let text = format!(
            "the table's row numbers are used up: {last} is taken, and there are not enough above it; take that row out and \
             put it in again, or, where no column is the row number, let VACUUM number the rows anew"
        );
        self.site.fail(INSERT, StoreErrorKind::Refused(text))
    }

    fn rows<'b>(&'b self, columns: &[usize], batch: &'b Batch, keyed: bool) -> Result<Rows<'b>, StoreError> {
        let RowKey::Rowid(key) = &self.shape.key else {
            return Err(self.site.fail(INSERT, StoreErrorKind::Unsupported(no_key(self.shape))));
        };
        let names = shape::column_list(&self.shape.schema, columns).unwrap_or_default();
        let width = columns.len().saturating_add(usize::from(keyed));
        Ok(Rows {
            connection: self.connection,
            site: self.site,
            into: if keyed {
                format!("{}({key},{names})", quoted(&self.shape.schema.name))
            } else {
                format!("{}({names})", quoted(&self.shape.schema.name))
            },
            marks: format!("({})", vec!["?"; width].join(",")),
            group: (PARAMETERS_MAX / width.max(1)).clamp(1, GROUP_ROWS),
            cursors: batch.columns.iter().map(Cursor::new).collect(),
            next: 0,
        })
    }

    /// Refuses a batch that does not fit the columns, or holds a value that a column would change.
    fn check(&self, columns: &[usize], batch: &Batch) -> Result<(), StoreError> {
        let misfit = |text: String| Err(self.site.fail(INSERT, StoreErrorKind::Unsupported(text)));
        if columns.len() != batch.columns.len() || columns.is_empty() {
            return misfit(format!("{} columns were named for a batch of {}", columns.len(), batch.columns.len()));
        }
        let shape = self.shape;
        for (position, (index, column)) in columns.iter().zip(&batch.columns).enumerate() {
            let (Some(target), Some(affinity)) = (shape.schema.columns.get(*index), shape.affinities.get(*index))
            else {
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
                Err(self.site.fail(INSERT, StoreErrorKind::Refused(text)))
            };
            if shape.rowid_column == Some(*index)
                && let Some(row) = column.nulls.first()
            {
                return refused(*row as usize, "a null would become a new row number");
            }
            if let Some((row, reason)) = fidelity::first_changed(column, *affinity, self.utf8) {
                return refused(row, reason);
            }
        }
        Ok(())
    }
}

/// The highest row number of a table; `None` if it is empty.
pub(super) fn highest(connection: &Connection, shape: &Shape) -> rusqlite::Result<Option<i64>> {
    let RowKey::Rowid(key) = &shape.key else { return Ok(None) };
    // Alone in its statement the maximum is looked up; beside others the table would be walked.
    let sql = format!("SELECT max({key}) FROM {}", quoted(&shape.schema.name));
    connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))
}

/// The values of a column of whole numbers; what is none is left out.
fn integers(column: &Column) -> Vec<i64> {
    let values = (0..column.len()).filter_map(|row| match column.get(row) {
        Value::Integer(key) => Some(key),
        _ => None,
    });
    values.collect()
}

/// The rows of a batch on their way into a table, in order.
struct Rows<'a> {
    connection: &'a Connection,
    site: Site<'a>,
    into: String,
    marks: String,
    group: usize,
    cursors: Vec<Cursor<'a>>,
    next: usize,
}

impl Rows<'_> {
    /// Leaves out the rows before row `to`.
    fn skip(&mut self, to: usize) {
        for row in self.next..to {
            for cursor in &mut self.cursors {
                cursor.next(row);
            }
        }
        self.next = self.next.max(to);
    }

    /// Inserts the rows before row `stop`, each led by its key where keys are given. `done` is told after each statement how
    /// many rows have gone in.
    fn up_to(
        &mut self,
        stop: usize,
        keys: Option<&[i64]>,
        done: &mut dyn FnMut(usize) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = self.site.during(INSERT);
        for rows in [self.group, 1] {
            if stop.saturating_sub(self.next) < rows {
                continue;
            }
            let values = vec![self.marks.as_str(); rows].join(",");
            let sql = format!("INSERT OR ABORT INTO {} VALUES {values}", self.into);
            let mut insert = self.connection.prepare_cached(&sql).map_err(&failed)?;
            while stop.saturating_sub(self.next) >= rows {
                let mut parameter = 0usize;
                for row in self.next..self.next.saturating_add(rows) {
                    if let Some(key) = keys.and_then(|keys| keys.get(row)) {
                        parameter = parameter.saturating_add(1);
                        insert.raw_bind_parameter(parameter, *key).map_err(&failed)?;
                    }
                    for cursor in &mut self.cursors {
                        parameter = parameter.saturating_add(1);
                        insert.raw_bind_parameter(parameter, Bound(cursor.next(row))).map_err(&failed)?;
                    }
                }
                insert.raw_execute().map_err(&failed)?;
                self.next = self.next.saturating_add(rows);
                done(self.next)?;
            }
        }
        Ok(())
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
