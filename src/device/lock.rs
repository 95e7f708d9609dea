//! One writer at a time in a directory, by a lock file. Readers never ask for it.

use super::error::{DeviceError, DeviceErrorKind};
use super::traits::{VolumeWriter, WriteLock};
use crate::lock_file::{Holder, LockFailure, LockFile, holder};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Name of the locked file; not that of a volume, so no listing shows it.
const LOCK_NAME: &str = ".intervault.lock";
const OP: &str = "begin to write in";

/// The lock. Dropped, it takes its file away, and with it the folders that were made for it and hold nothing.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: Option<Arc<LockFile>>,
    /// Folders that were made, the outermost first.
    made: Vec<PathBuf>,
}

impl WriteLock for DirectoryLock {}

/// Who is writing in a directory, and which volume; nothing if nobody is.
pub(super) fn writer(directory: &Path) -> Option<VolumeWriter> {
    let Holder { who, note } = holder(&directory.join(LOCK_NAME))?;
    Some(VolumeWriter { who, volume: (!note.is_empty()).then_some(note) })
}

/// The lock of a directory as its device knows it, for as long as somebody has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<Weak<LockFile>>>);

impl Held {
    /// Says in the lock file which volume is begun now.
    pub(super) fn begin(&self, volume: &str) {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        lock.inspect(|lock| lock.note(volume));
    }
}

impl DirectoryLock {
    /// Locks a directory, which is made if it is not there. A file system that knows no locks is written to without one:
    /// names of volumes are unique and nothing is overwritten, so two writers there still do each other no harm.
    pub(super) fn take(directory: &Path, held: &Held) -> Result<DirectoryLock, DeviceError> {
        let fail = |kind| DeviceError { op: OP, place: directory.to_owned(), kind };
        let mut lock = DirectoryLock { file: None, made: missing(directory) };
        // Another writer that made the folder takes it away when it ends.
        match LockFile::take(&directory.join(LOCK_NAME), || fs::create_dir_all(directory)) {
            Ok(file) => {
                let file = Arc::new(file);
                *held.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&file);
                lock.file = Some(file);
            }
            Err(LockFailure::Unknown) => {}
            Err(LockFailure::Busy(owner)) => return Err(fail(DeviceErrorKind::Busy(owner))),
            Err(LockFailure::Io(error)) => return Err(fail(error.into())),
        }
        Ok(lock)
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // The file goes first: a folder that holds something stays.
        drop(self.file.take());
        for folder in self.made.iter().rev() {
            let _gone = fs::remove_dir(folder);
        }
    }
}

/// The folders on the way to `directory`, itself included, that are not there, the outermost first.
fn missing(directory: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = directory
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && fs::symlink_metadata(folder).is_err())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}

#[cfg(test)]
mod tests {
    use super::super::directory::DirectoryDevice;
    use super::super::traits::Device;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn one_writer_at_a_time_and_its_name_is_known() {
        let place = tempfile::tempdir().unwrap();
        let device = DirectoryDevice::open(place.path()).unwrap();
        let first = device.lock().unwrap();
        let refused = device.lock().err().unwrap();
        assert!(matches!(refused.kind, DeviceErrorKind::Busy(_)), "{refused}");
        let process = rustix::process::getpid().as_raw_nonzero();
        assert!(refused.to_string().contains(&format!("process {process} on ")), "{refused}");
        assert_eq!(device.list().unwrap(), [""; 0]);
        assert_eq!(device.writer("a.ivv"), None, "there is no such volume");
        fs::write(place.path().join("a.ivv"), "").unwrap();
        let writer = || device.writer("a.ivv").unwrap();
        assert!(
            writer().who.contains(&format!("process {process} on ")) && writer().volume.is_none(),
            "{:?}",
            writer()
        );
        drop((device.create("b.ivv").unwrap(), DirectoryDevice::open(place.path()).unwrap().create("c.ivv").unwrap()));
        assert_eq!(writer().volume.as_deref(), Some("b.ivv"), "the one that has the lock began this one last");
        assert!(writer().who.contains(&format!("process {process} on ")), "{:?}", writer());
        fs::remove_file(place.path().join("a.ivv")).unwrap();
        device.discard("b.ivv").unwrap();
        device.discard("c.ivv").unwrap();
        drop(first);
        assert_eq!(names(place.path()), [""; 0]);
        drop(device.lock().unwrap());
    }

    #[test]
    fn folders_that_were_made_for_nothing_go_and_those_that_hold_something_stay() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("a/b/c");
        drop(DirectoryLock::take(&deep, &Held::default()).unwrap());
        assert_eq!(names(place.path()), [""; 0]);
        let lock = DirectoryLock::take(&deep, &Held::default()).unwrap();
        fs::write(place.path().join("a/b/volume"), "x").unwrap();
        drop(lock);
        assert_eq!(names(&place.path().join("a/b")), ["volume"]);
        let own = place.path().join("own");
        fs::create_dir(&own).unwrap();
        drop(DirectoryLock::take(&own, &Held::default()).unwrap());
        assert!(own.is_dir(), "a folder that was there before stays");
    }
}
