//! The store traits. Stores deliver and take rows by column; they decide nothing about time: which rows are meant is said
//! by day ranges that an index can serve (a superset), and by row keys that the store itself handed out (exact).

use super::control::{KeyRuns, Range, Run, RunStatus, State, Unit};
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
    /// The database on it: the whole path of its file, with no link in it, or a database name. With the kind and the server it
    /// tells one database from every other: backups of one are never gone on with by another.
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

    /// How many [`Writer`]s may be at work side by side. They may wait for each other where they change the same table.
    fn writers(&self) -> usize {
        1
    }

    /// Opens the database for several changes, one after the other, each a transaction of its own.
    ///
    /// # Errors
    /// The database is read-only, or cannot be opened.
    fn writer(&self) -> Result<Box<dyn Writer>, StoreError>;

    /// Takes the lock of the database, which one backup or restore holds at a time. It dies with its owner, however that
    /// ends. It keeps nobody out who does not ask for it: those that read, and writers of another make.
    ///
    /// # Errors
    /// `InUse`, with whose it is; `NotPermitted` or `Full` if it cannot be known whether somebody else has it.
    fn lock(&self) -> Result<Box<dyn StoreLock>, StoreError>;

    /// As [`Store::lock`], for work that changes nothing: where it cannot be known whether somebody else has the lock, that
    /// work goes on without, and [`StoreLock::notice`] says so.
    ///
    /// # Errors
    /// `InUse`, with whose it is.
    fn lock_for_reading(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        self.lock()
    }
}

/// The lock of a database; given back when it is dropped.
pub trait StoreLock: Send {
    /// Why nothing is locked, if the place of the database does not allow it; another backup or restore is then not kept out.
    fn notice(&self) -> Option<String> {
        None
    }
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

    /// Number of the column, from 0, whose values are the row keys of the table themselves, if one is.
    ///
    /// # Errors
    /// The database cannot be read, or the table is not as `table` says.
    fn key_column(&self, _table: &TableSchema) -> Result<Option<usize>, StoreError> {
        Ok(None)
    }

    /// The rules by which rows of the table must differ, each as the numbers of its columns, from 0: row keys that a column
    /// has, primary keys, unique indexes. Rows that are alike by a rule have equal values in each column that is named; what a
    /// rule compares in another way (an expression, text regardless of case) is left out of its columns.
    ///
    /// # Errors
    /// The database cannot be read, or the table is not as `table` says.
    fn unique_columns(&self, _table: &TableSchema) -> Result<Vec<Vec<usize>>, StoreError> {
        Ok(Vec::new())
    }

    /// Names of the other tables that rows of this one refer to by foreign keys, as the database gives them, sorted.
    ///
    /// # Errors
    /// The database cannot be read, or the table is not as `table` says.
    fn refers_to(&self, _table: &TableSchema) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Names of all tables, sorted, the database's own ones left out.
    ///
    /// # Errors
    /// The database cannot be read.
    fn tables(&self) -> Result<Vec<String>, StoreError>;

    /// Names of what rows can be asked of but [`Snapshot::tables`] does not list, since it cannot be read and put back like a
    /// table, sorted, each with the reason. Views are not among them: what they show is read where it is kept.
    ///
    /// # Errors
    /// The database cannot be read.
    fn unlisted(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(Vec::new())
    }

    /// Whether an empty table takes many rows in one transaction in less time than in several, if it is announced by
    /// [`Replacement::fill`]. False for a table that is not empty.
    ///
    /// # Errors
    /// The database cannot be read, or the table is not as `table` says.
    fn fills_at_once(&self, _table: &TableSchema) -> Result<bool, StoreError> {
        Ok(false)
    }

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
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError>;

    /// Reads some columns of the rows with these keys, in any order; keys that name no row are passed over.
    ///
    /// # Errors
    /// As [`Snapshot::scan_keyed`].
    fn scan_runs(
        &self,
        reader: usize,
        table: &TableSchema,
        keys: &KeyRuns,
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError>;

    /// The state of the database; the default where none was set.
    ///
    /// # Errors
    /// The control tables are of a newer version, or not as the engine wrote them; the database cannot be read. So for all of
    /// the journal.
    fn state(&self) -> Result<State, StoreError>;

    /// All restores, by number; none where the journal is not there.
    ///
    /// # Errors
    /// As [`Snapshot::state`].
    fn runs(&self) -> Result<Vec<Run>, StoreError>;

    /// The units of a run, by number. Those that were undone are not among them.
    ///
    /// # Errors
    /// As [`Snapshot::state`].
    fn units(&self, run: u64) -> Result<Vec<Unit>, StoreError>;

    /// The ranges of all applied units of all runs, in the order in which they were applied.
    ///
    /// # Errors
    /// As [`Snapshot::state`].
    fn ranges(&self) -> Result<Vec<Range>, StoreError>;
}

/// Row keys beside rows: key `i` belongs to row `i` of the batch.
pub type KeyedSink<'a> = dyn FnMut(&[i64], Batch) -> Result<(), StoreError> + 'a;

/// A database open for changes.
pub trait Writer: Send {
    /// Begins a change: one transaction, rolled back unless [`Replacement::commit`] succeeds.
    ///
    /// # Errors
    /// The database is locked or full.
    fn begin(&mut self) -> Result<Box<dyn Replacement + '_>, StoreError>;
}

/// A change of a database in one transaction. Dropping it rolls back.
pub trait Replacement {
    /// Whether it is certain that nobody has changed the database since the [`Writer`] was opened but by the writer itself, so
    /// that what a snapshot begun after that has seen is still true. Asked inside the transaction, the answer holds until its
    /// end.
    ///
    /// # Errors
    /// The database cannot be read.
    fn undisturbed(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

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

    /// Announces that many rows are about to come into a table: where it is empty, what the database keeps up row by row may be
    /// put off to the commit. Nothing else may be asked of it. After the commit the table is as it was but for its rows.
    ///
    /// # Errors
    /// The table cannot be read. That something cannot be put off is none.
    fn fill(&mut self, _table: &TableSchema) -> Result<(), StoreError> {
        Ok(())
    }

    /// Inserts rows; the batch's column `i` goes to the table's column `columns[i]`. [`Replacement::inserted`] says by which keys
    /// they are named.
    ///
    /// Where a database lets keys be chosen, rows get such as lie above every key that the table had in this transaction, those
    /// of deleted rows included, so that a later change can put deleted rows back under their own keys; or, where a column is
    /// the key, what that column says.
    ///
    /// # Errors
    /// A rule of the database forbids a row, row keys are used up, or the database is full or fails.
    fn insert(&mut self, table: &TableSchema, columns: &[usize], batch: &Batch) -> Result<(), StoreError>;

    /// The keys of the rows that [`Replacement::insert`] has put into the table in this transaction. The days are those in which
    /// all of them lie, as in [`Snapshot::scan_days`]; without a clock the whole table may be searched for them.
    ///
    /// # Errors
    /// The table cannot be read.
    fn inserted(
        &mut self,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
    ) -> Result<KeyRuns, StoreError>;

    /// As [`Replacement::insert`], row `i` under `keys[i]`, the key that it had when it was deleted. Where a database lets keys
    /// be chosen, only a row whose key is taken gets a new one, above all that the table has, all of `keys`, and `above`, the
    /// highest key of rows that are still to come. Where it does not, every row gets a new one. Returns how many did. What the
    /// journal says of such rows is put right by [`Replacement::unit_undone`].
    ///
    /// # Errors
    /// As [`Replacement::insert`]. Where a column of the table is the key, a taken key is refused: another key would be
    /// another row.
    fn insert_keyed(
        &mut self,
        table: &TableSchema,
        columns: &[usize],
        keys: &[i64],
        above: Option<i64>,
        batch: &Batch,
    ) -> Result<u64, StoreError>;

    /// As [`Snapshot::scan_runs`], inside the transaction.
    ///
    /// # Errors
    /// The table cannot be read, or what `sink` returned.
    fn scan_runs(
        &mut self,
        table: &TableSchema,
        keys: &KeyRuns,
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError>;

    /// As [`Replacement::delete`]; keys that name no row are passed over.
    ///
    /// # Errors
    /// As [`Replacement::delete`].
    fn delete_runs(&mut self, table: &TableSchema, keys: &KeyRuns) -> Result<u64, StoreError>;

    /// Sets the state of the database. The control tables are made if they are not there; so by all that write to them.
    ///
    /// # Errors
    /// As [`Snapshot::state`], or the database is full or fails. So for all that write to the journal.
    fn set_state(&mut self, state: &State) -> Result<(), StoreError>;

    /// Writes the line of a run and those of its units, all planned; returns the number that the run got. The numbers in
    /// `run` and `units` of a run, and the status of both, are not looked at.
    ///
    /// # Errors
    /// As [`Replacement::set_state`]; two units have the same number.
    fn begin_run(&mut self, run: &Run, units: &[Unit]) -> Result<u64, StoreError>;

    /// Writes down that a unit was applied, with what it did and the ranges that it put in, in this order. False if its line
    /// is not there as planned, for this table and slice; then nothing was written.
    ///
    /// # Errors
    /// As [`Replacement::set_state`].
    fn unit_applied(&mut self, unit: &Unit, ranges: &[Range]) -> Result<bool, StoreError>;

    /// Takes back the line of an applied unit, and its ranges. In a run that has not ended the line says planned again, so that
    /// going on with the run does it once more. False if there is no such line; then nothing was changed.
    ///
    /// Rows that [`Replacement::insert_keyed`] has put back under other keys in this transaction may be those that earlier runs
    /// inserted: the lines of their applied units name them by their new keys from now on.
    ///
    /// # Errors
    /// As [`Replacement::set_state`].
    fn unit_undone(&mut self, run: u64, unit: u32) -> Result<bool, StoreError>;

    /// Writes down what became of a run, and when it ended (`None`: it has not). False if there is no such run.
    ///
    /// # Errors
    /// As [`Replacement::set_state`].
    fn end_run(&mut self, run: u64, status: RunStatus, ended_unix: Option<i64>) -> Result<bool, StoreError>;

    /// Makes everything permanent.
    ///
    /// # Errors
    /// The database is busy or full, or a rule of it forbids the change: nothing was changed then. It fails otherwise:
    /// then nothing was changed or everything,
    /// which is certain only when the database is opened again.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
