//! The store traits. Stores deliver and take rows by column; they decide nothing about time: which rows are meant is said
//! by day ranges that an index can serve (a superset), and by row keys that the store itself handed out (exact).

use super::error::StoreError;
use crate::base::time::Day;
use crate::column::batch::Batch;
use crate::schema::clock::Clock;
use crate::schema::table::TableSchema;

/// Whose database this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreIdentity {
    /// `sqlite`, `postgres`, …
    pub kind: String,
    /// The server: a host name.
    pub server: String,
    /// The database on it: a file name, a database name.
    pub database: String,
    /// Version of its schema or load, empty if not known.
    pub version: String,
}

/// A database.
pub trait Store: Send + Sync {
    /// Whose it is.
    fn identity(&self) -> &StoreIdentity;

    /// A consistent view of everything, for reading with up to `readers` threads. The writer of the database goes on.
    ///
    /// # Errors
    /// The database cannot be read, or is locked exclusively.
    fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Begins a change of the database: one transaction, rolled back unless [`Replacement::commit`] succeeds.
    ///
    /// # Errors
    /// The database is read-only, locked or full.
    fn replace(&self) -> Result<Box<dyn Replacement>, StoreError>;
}

/// What a scan hands its rows to. Returning an error stops the scan.
pub type RowSink<'a> = dyn FnMut(Batch) -> Result<(), StoreError> + 'a;

/// A part of a table that one thread reads in one go. Parts of a table follow each other in row order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// First row key, inclusive.
    pub first: i64,
    /// Last row key, inclusive.
    pub last: i64,
    /// Rows expected; an estimate.
    pub rows: u64,
}

/// Rows of one day, in the order in which the table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// The day.
    pub day: Day,
    /// Rows of that day, whatever their ACD.
    pub rows: u64,
}

/// A consistent view of a database.
pub trait Snapshot: Send + Sync {
    /// How many readers there really are, if fewer than were asked for. With fewer, [`Snapshot::scan`] still takes every
    /// number that was asked for, but two of them may wait for each other.
    fn readers(&self) -> usize {
        usize::MAX
    }

    /// What a person should know about this view: what it keeps others from doing, why it has fewer readers.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }

    /// The table's columns, or `None` if there is no such table. ASCII case is ignored; the name returned is the
    /// database's own.
    ///
    /// # Errors
    /// The database cannot be read.
    fn schema(&self, table: &str) -> Result<Option<TableSchema>, StoreError>;

    /// Whether the rows of a table can be replaced by [`Store::replace`], as far as can be told without trying.
    ///
    /// # Errors
    /// They cannot, and why: `Unsupported` if the table is of a kind that is not written, `Refused` if a rule of the database
    /// forbids it; the database cannot be read.
    fn writable(&self, _table: &TableSchema) -> Result<(), StoreError> {
        Ok(())
    }

    /// Names of all tables, sorted, the database's own ones left out.
    ///
    /// # Errors
    /// The database cannot be read.
    fn tables(&self) -> Result<Vec<String>, StoreError>;

    /// Cuts a table into parts of about `rows` rows each, in row order; none for an empty table.
    ///
    /// # Errors
    /// The table cannot be read.
    fn parts(&self, table: &TableSchema, rows: u64) -> Result<Vec<Part>, StoreError>;

    /// If it can be proved cheaply that row order is ascending day order: the days with their row counts. `None` if not.
    ///
    /// # Errors
    /// The table cannot be read.
    fn days_in_order(&self, table: &TableSchema, clock: &Clock) -> Result<Option<Vec<DayCount>>, StoreError>;

    /// Reads a part, all columns, row order, in batches of at most `batch_rows` rows and about `batch_bytes` bytes.
    /// `reader` (from 0, below the number asked for) says which connection to use; two threads never share one.
    ///
    /// # Errors
    /// The table cannot be read, or what `sink` returned.
    fn scan(
        &self,
        reader: usize,
        table: &TableSchema,
        part: &Part,
        batch_rows: usize,
        batch_bytes: usize,
        sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError>;

    /// Reads some columns (by number) of the rows whose date or timestamp column may lie in the days
    /// `first..=last`: every row that does, perhaps a few that do not. `None` on a side: unbounded. With both sides
    /// unbounded also rows without a usable date come.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    fn scan_days(
        &self,
        reader: usize,
        table: &TableSchema,
        clock: &Clock,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError>;

    /// As [`Snapshot::scan_days`], with the row keys by which a [`Replacement`] deletes.
    ///
    /// # Errors
    /// As [`Snapshot::scan`], and when the rows of the table cannot be named.
    fn scan_keyed(
        &self,
        reader: usize,
        table: &TableSchema,
        clock: &Clock,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError>;
}

/// Row keys beside rows: key `i` belongs to row `i` of the batch.
pub type KeyedSink<'a> = dyn FnMut(&[i64], Batch) -> Result<(), StoreError> + 'a;

/// A change of a database in one transaction. Dropping it rolls back.
pub trait Replacement {
    /// As [`Snapshot::schema`], inside the transaction.
    ///
    /// # Errors
    /// The database cannot be read.
    fn schema(&mut self, table: &str) -> Result<Option<TableSchema>, StoreError>;

    /// As [`Snapshot::scan_keyed`], inside the transaction; without a clock the whole table is read.
    ///
    /// # Errors
    /// The table cannot be read, or what `sink` returned.
    fn scan_keyed(
        &mut self,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError>;

    /// Deletes the rows with these keys; returns how many there were.
    ///
    /// # Errors
    /// A rule of the database forbids it, or the database fails.
    fn delete(&mut self, table: &TableSchema, keys: &[i64]) -> Result<u64, StoreError>;

    /// Deletes every row of a table; returns how many there were.
    ///
    /// # Errors
    /// As [`Replacement::delete`].
    fn delete_all(&mut self, table: &TableSchema) -> Result<u64, StoreError>;

    /// Inserts rows; the batch's column `i` goes to the table's column `columns[i]`.
    ///
    /// # Errors
    /// A rule of the database forbids a row, or the database is full or fails.
    fn insert(&mut self, table: &TableSchema, columns: &[usize], batch: &Batch) -> Result<(), StoreError>;

    /// Makes everything permanent.
    ///
    /// # Errors
    /// The database fails; nothing was changed then.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
