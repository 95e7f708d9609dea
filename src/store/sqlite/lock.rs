//! The lock of a database: a file beside it. The database file itself is never opened for that: closing it would take away
//! the locks that SQLite holds on it in the same process.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
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

/// What the lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The database is only read: that needs no lock for its own sake, and goes on without one.
    Reading,
    /// The database is changed: where the lock file cannot be had somebody else may have it, and nothing is changed.
    Change,
}

/// Takes the lock of the database at `path`. A file system that knows no locks has none for anybody: then nothing is locked.
pub(super) fn take(path: &Path, purpose: For) -> Result<Box<dyn StoreLock>, StoreError> {
    let file = lock_path(path);
    let without = |reason: &str| {
        format!(
            "the lock file {} cannot be had ({reason}): make sure that no other backup or restore of this database runs",
            file.display()
        )
    };
    let failed = |kind| Err(Site::database(path).fail("lock the database", kind));
    let lock = match LockFile::take(&file, || Ok(())) {
        Ok(lock) => Ok(lock),
        Err(LockFailure::Busy(owner)) => {
            return failed(StoreErrorKind::InUse(owner));
        }
        Err(LockFailure::Io(error)) if purpose == For::Change => {
            return failed(match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreErrorKind::Full,
                _ => StoreErrorKind::NotPermitted(format!(
                    "the lock file {} cannot be made or opened ({error}): look whose it is; if no other backup or restore \
                     of this database runs, remove it, or allow writing to its folder",
                    file.display()
                )),
            });
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
        let lock = take(&database, For::Change).unwrap();
        assert_eq!(lock.notice(), None);
        let error = take(&link, For::Reading).err().unwrap();
        assert!(matches!(&error.kind, StoreErrorKind::InUse(owner) if owner.contains("process ")), "{error}");
        assert!(place.path().join(".stats.db.intervault-lock").exists());
        drop(lock);
        drop(take(&link, For::Reading).unwrap());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_place_that_takes_no_lock_file_is_read_without_one_and_says_so() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("x".repeat(245));
        fs::write(&database, b"x").unwrap();
        let lock = take(&database, For::Reading).unwrap();
        let notice = lock.notice().unwrap();
        assert!(notice.contains(".intervault-lock") && notice.contains("no other backup or restore"), "{notice}");
    }

    #[test]
    fn nothing_is_changed_where_the_lock_file_cannot_be_had() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("stats.db");
        fs::write(&database, b"x").unwrap();
        let file = place.path().join(".stats.db.intervault-lock");
        let refused = |obstacle: &str| {
            let error = take(&database, For::Change).err().unwrap();
            let StoreErrorKind::NotPermitted(reason) = &error.kind else { panic!("{obstacle}: {error}") };
            assert!(
                reason.contains(".stats.db.intervault-lock") && reason.contains("remove it"),
                "{obstacle}: {reason}"
            );
            assert!(take(&database, For::Reading).unwrap().notice().is_some(), "{obstacle}");
        };
        fs::create_dir(&file).unwrap();
        refused("a folder");
        fs::remove_dir(&file).unwrap();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        refused("a link to itself");
        fs::remove_file(&file).unwrap();
        assert_eq!(take(&database, For::Change).unwrap().notice(), None);
    }
}
