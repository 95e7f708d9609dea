//! The lock of a database: a file beside it. The database file itself is never opened for that: closing it would take away
//! the locks that SQLite holds on it in the same process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::fault::Site;
use crate::lock_file::{LockFailure, LockFile};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::StoreLock;

/// The lock, or why there is none.
#[derive(Debug)]
struct SqliteLock(Result<LockFile, String>);

impl StoreLock for SqliteLock {
    fn notice(&self) -> Option<String> {
        self.0.as_ref().err().cloned()
    }
}

/// Takes the lock of the database at `path`. Where the lock file cannot be made nothing is locked: SQLite could not make
/// its own journal there either, so that nobody can restore, and reading needs no lock for its own sake.
pub(super) fn take(path: &Path) -> Result<Box<dyn StoreLock>, StoreError> {
    let file = lock_path(path);
    let without = |reason: &str| {
        format!(
            "the lock file {} cannot be had ({reason}): make sure that no other backup or restore of this database runs",
            file.display()
        )
    };
    let lock = match LockFile::take(&file, || Ok(())) {
        Ok(lock) => Ok(lock),
        Err(LockFailure::Busy(owner)) => {
            return Err(Site::database(path).fail("lock the database", StoreErrorKind::InUse(owner)));
        }
        Err(LockFailure::Io(error)) => Err(without(&error.to_string())),
        Err(LockFailure::Unknown) => Err(without("its file system knows no locks")),
    };
    Ok(Box::new(SqliteLock(lock)))
}

/// The lock file, the same by whichever link the database is reached.
fn lock_path(database: &Path) -> PathBuf {
    let database = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name = OsString::from(".");
    name.push(database.file_name().unwrap_or_default());
    name.push(".intervault-lock");
    database.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_a_database_lead_to_one_lock() {
        let place = tempfile::tempdir().unwrap();
        let (database, link) = (place.path().join("stats.db"), place.path().join("link.db"));
        fs::write(&database, b"x").unwrap();
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let lock = take(&database).unwrap();
        assert_eq!(lock.notice(), None);
        let error = take(&link).err().unwrap();
        assert!(matches!(&error.kind, StoreErrorKind::InUse(owner) if owner.contains("process ")), "{error}");
        assert!(place.path().join(".stats.db.intervault-lock").exists());
        drop(lock);
        drop(take(&link).unwrap());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_place_that_takes_no_lock_file_is_worked_without_one_and_says_so() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("x".repeat(245));
        fs::write(&database, b"x").unwrap();
        let lock = take(&database).unwrap();
        let notice = lock.notice().unwrap();
        assert!(notice.contains(".intervault-lock") && notice.contains("no other backup or restore"), "{notice}");
    }
}
