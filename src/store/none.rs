//! No database at all: for backups of files alone.

use super::control::{KeyRuns, Range, Run, State, Unit};
use super::error::{StoreError, StoreErrorKind};
use super::traits::{
    DayCount, KeyedSink, Part, Replacement, RowSink, Snapshot, Store, StoreIdentity, StoreLock, Writer,
};
use crate::base::time::Day;
use crate::schema::clock::Clock;
use crate::schema::table::TableSchema;

/// The kind of this store, as labels have it.
pub const KIND: &str = "files";

/// A store without a table, to which nothing can be written.
///
/// ```
/// use intervault::store::none::NoDatabase;
/// use intervault::store::traits::Store;
/// let store = NoDatabase::new();
/// assert_eq!(store.identity().kind, "files");
/// assert!(store.snapshot(1)?.tables()?.is_empty() && store.replace().is_err());
/// # Ok::<(), intervault::store::error::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct NoDatabase {
    identity: StoreIdentity,
}

impl Default for NoDatabase {
    fn default() -> NoDatabase {
        NoDatabase::new()
    }
}

impl NoDatabase {
    /// Of this machine.
    #[must_use]
    pub fn new() -> NoDatabase {
        let server = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (database, version) = (String::new(), String::new());
        NoDatabase { identity: StoreIdentity { kind: KIND.to_owned(), server, database, version } }
    }
}

fn nothing<T>() -> Result<T, StoreError> {
    let kind = StoreErrorKind::Unsupported("there is no database".to_owned());
    Err(StoreError { op: "use".to_owned(), place: "a database".to_owned(), kind })
}

struct NoLock;

impl StoreLock for NoLock {}

impl Store for NoDatabase {
    fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    fn snapshot(&self, _readers: usize) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(Nothing))
    }

    fn replace(&self) -> Result<Box<dyn Replacement>, StoreError> {
        nothing()
    }

    fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        nothing()
    }

    fn lock(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        // There is nothing to keep others from.
        Ok(Box::new(NoLock))
    }
}

/// The view of no database.
struct Nothing;

impl Snapshot for Nothing {
    fn schema(&self, _table: &str) -> Result<Option<TableSchema>, StoreError> {
        Ok(None)
    }

    fn tables(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn parts(&self, _table: &TableSchema, _rows: u64) -> Result<Vec<Part>, StoreError> {
        nothing()
    }

    fn days_in_order(&self, _table: &TableSchema, _clock: &Clock) -> Result<Option<Vec<DayCount>>, StoreError> {
        nothing()
    }

    fn scan(
        &self,
        _reader: usize,
        _table: &TableSchema,
        _part: &Part,
        _batch_rows: usize,
        _batch_bytes: usize,
        _sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError> {
        nothing()
    }

    fn scan_days(
        &self,
        _reader: usize,
        _table: &TableSchema,
        _clock: &Clock,
        _days: (Option<Day>, Option<Day>),
        _columns: &[usize],
        _sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError> {
        nothing()
    }

    fn scan_keyed(
        &self,
        _reader: usize,
        _table: &TableSchema,
        _clock: Option<&Clock>,
        _days: (Option<Day>, Option<Day>),
        _columns: &[usize],
        _sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        nothing()
    }

    fn scan_runs(
        &self,
        _reader: usize,
        _table: &TableSchema,
        _keys: &KeyRuns,
        _columns: &[usize],
        _sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        nothing()
    }

    fn state(&self) -> Result<State, StoreError> {
        Ok(State::default())
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        Ok(Vec::new())
    }

    fn units(&self, _run: u64) -> Result<Vec<Unit>, StoreError> {
        Ok(Vec::new())
    }

    fn ranges(&self) -> Result<Vec<Range>, StoreError> {
        Ok(Vec::new())
    }
}
