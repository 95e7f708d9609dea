//! SQLite databases: one file, reached through SQLite's own interface only.
//!
//! # What is promised
//! - Opening never creates a database, and reading never writes to one. (In WAL mode SQLite itself keeps a `-wal` and a
//!   `-shm` file beside the database. Those that a reader had to make stay until somebody who may write has had it open;
//!   where they would lock the database's owner out, it is not opened.)
//!   [`SqliteStore::open_for_writing`] alone rolls back what a dead process left in a rollback journal.
//! - A snapshot with several readers is one state: see [`snapshot`](self#snapshots).
//! - A value is read and written with exactly the storage class that it has. What a column's type affinity would change
//!   on the way in is refused, never converted.
//!
//! # Snapshots
//! Each reader is a connection of its own with a read transaction. A further connection asks for
//! `PRAGMA data_version` before the first transaction begins and after the last one has begun: SQLite changes that
//! number whenever any other connection has committed in between. If it is the same, every reader sees the same state;
//! if not, all begin again. A writer that never pauses ends this after some attempts with a single reader, which is
//! consistent by itself.
//!
//! In WAL mode the writer goes on undisturbed; only the WAL file cannot be reset before the snapshot ends. In the rollback
//! journal modes a commit has to wait for the readers: [`Snapshot::notices`] says so.
//!
//! A database in WAL mode on a read-only file system is opened as immutable, since SQLite could not make its `-shm` file;
//! this is refused while a WAL with content lies beside it.
//!
//! # Row numbers
//! A row is named by its row number (rowid). Rows that go in are numbered above all that the table had before, also where
//! the last ones were deleted, so that rows which are put back find their numbers free. VACUUM numbers the rows of a table
//! without INTEGER PRIMARY KEY anew: who keeps row numbers keeps a digest of the rows too.
//!
//! # Control tables
//! `intervault_state`, `intervault_restore`, `intervault_unit` and `intervault_range` are made by the first change that writes
//! to them, in its transaction, and no earlier. They are ordinary tables, so that versions of SQLite that know no STRICT tables
//! go on reading the database, and they refer to no other table.
//!
//! # What is not done
//! Views and virtual tables are no tables. Generated columns are left out. Tables WITHOUT ROWID, with columns named rowid,
//! _rowid_ and oid, or with 2,000 columns are read (the first two as one part) but not written. Text in a UTF-16 database
//! arrives as UTF-8.

mod connect;
mod control;
mod days;
mod declared;
mod fault;
mod fidelity;
mod insert;
mod listing;
mod lock;
mod parts;
mod reader;
mod replace;
mod shape;
mod snapshot;
#[cfg(test)]
mod tests;
mod values;

use std::path::{Path, PathBuf};

use super::error::{StoreError, StoreErrorKind};
use super::traits::{Replacement, Snapshot, Store, StoreIdentity, StoreLock, Writer};

/// An SQLite database file.
///
/// ```
/// use intervault::store::error::StoreErrorKind;
/// use intervault::store::sqlite::SqliteStore;
/// use std::path::Path;
///
/// let missing = SqliteStore::open(Path::new("no/such/file.db")).err().map(|error| error.kind);
/// assert!(matches!(missing, Some(StoreErrorKind::NotFound)));
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    identity: StoreIdentity,
}

impl SqliteStore {
    /// Opens the database file at `path`, which must exist. Nothing is locked or held open between the calls.
    ///
    /// # Errors
    /// `NotFound`, `NotADatabase`, `NotPermitted`, `Busy` if another connection locks it exclusively, `Damaged`.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        let path = connect::resolve(path)?;
        let connection = connect::for_reading(&path)?;
        let version = connect::user_version(&connection, &path)?;
        // The whole path, with no link in it: databases of many centres have one file name.
        let database = path.canonicalize().unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned();
        let server = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let identity = StoreIdentity { kind: "sqlite".to_owned(), server, database, version };
        Ok(SqliteStore { path, identity })
    }

    /// As [`SqliteStore::open`], for a database that is to be changed. A process that died in the middle of a transaction may
    /// have left a rollback journal, which nobody who only reads can put right: here SQLite rolls that transaction back.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_for_writing(path: &Path) -> Result<SqliteStore, StoreError> {
        match SqliteStore::open(path) {
            Err(StoreError { kind: StoreErrorKind::NotPermitted(reason), op, place }) => {
                match connect::resolve(path).and_then(|path| connect::for_writing(&path)) {
                    Ok(_rolled_back) => SqliteStore::open(path),
                    Err(_) => Err(StoreError { kind: StoreErrorKind::NotPermitted(reason), op, place }),
                }
            }
            opened => opened,
        }
    }

    /// The database file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store for SqliteStore {
    fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(snapshot::SqliteSnapshot::begin(&self.path, readers)?))
    }

    fn replace(&self) -> Result<Box<dyn Replacement>, StoreError> {
        Ok(Box::new(replace::SqliteReplacement::begin(&self.path)?))
    }

    fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(replace::SqliteWriter::open(&self.path)?))
    }

    fn lock(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        lock::take(&self.path, lock::For::Change)
    }

    fn lock_for_reading(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        lock::take(&self.path, lock::For::Reading)
    }
}
