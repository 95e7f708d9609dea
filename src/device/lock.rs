//! One writer at a time in a directory: a file that the writing process keeps locked. The operating system gives the lock
//! back when that process ends, however it ends, so nothing has to be cleared by hand. Readers never ask for it.

use super::error::{DeviceError, DeviceErrorKind};
use super::traits::WriteLock;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the locked file; not that of a volume, so no listing shows it.
const LOCK_NAME: &str = ".intervault.lock";
/// How often a lock file that was taken away in between is looked for again.
const ATTEMPTS_MAX: u32 = 100;
/// Most bytes of a lock file that are read for a message.
const OWNER_BYTES_MAX: u64 = 200;
const OP: &str = "begin to write in";

/// The lock. Dropped, it takes its file away, and with it the folders that were made for it and hold nothing.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    /// Locked for as long as it is open.
    file: Option<File>,
    path: PathBuf,
    /// Folders that were made, the outermost first.
    made: Vec<PathBuf>,
}

impl WriteLock for DirectoryLock {}

impl DirectoryLock {
    /// Locks a directory, which is made if it is not there. A file system that knows no locks is written to without one:
    /// names of volumes are unique and nothing is overwritten, so two writers there still do each other no harm.
    pub(super) fn take(directory: &Path) -> Result<DirectoryLock, DeviceError> {
        let fail = |kind| DeviceError { op: OP, place: directory.to_owned(), kind };
        let mut lock = DirectoryLock { file: None, path: directory.join(LOCK_NAME), made: missing(directory) };
        for _ in 0..ATTEMPTS_MAX {
            fs::create_dir_all(directory).map_err(|error| fail(error.into()))?;
            let mut file = match open(&lock.path) {
                Ok(file) => file,
                // Another writer that made the folder has just taken it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(error.into())),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(fail(DeviceErrorKind::Busy(owner(&mut file)))),
                Err(TryLockError::Error(_)) => {
                    let _gone = fs::remove_file(&lock.path);
                    return Ok(lock);
                }
            }
            // Whoever had it may have taken the file away after it was opened here: then it is another file by now.
            if same(&file, &lock.path) {
                sign(&mut file);
                lock.file = Some(file);
                return Ok(lock);
            }
        }
        Err(fail(DeviceErrorKind::Busy(String::new())))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if self.file.is_some() {
            // While it is locked the file is ours. If it stays, it is in nobody's way.
            let _gone = fs::remove_file(&self.path);
        }
        for folder in self.made.iter().rev() {
            // A folder that holds something stays.
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

/// The lock file, made if it is not there. One that another user left behind may be readable only: that is enough.
fn open(path: &Path) -> io::Result<File> {
    match File::options().read(true).write(true).create(true).truncate(false).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => match File::open(path) {
            Ok(file) => Ok(file),
            Err(_) => Err(error),
        },
        opened => opened,
    }
}

fn same(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(here), Ok(there)) => (here.dev(), here.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Writes down whose lock it is. It is locked without that too.
fn sign(file: &mut File) {
    let (process, host) = (rustix::process::getpid().as_raw_nonzero(), rustix::system::uname());
    let text = format!("process {process} on {}\n", host.nodename().to_string_lossy());
    let _written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
}

/// Whose lock it is, in brackets for a message; empty if that cannot be read.
fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(OWNER_BYTES_MAX).read_to_string(&mut text));
    match (read, text.lines().next()) {
        (Ok(_), Some(line)) => format!(" ({line})"),
        _ => String::new(),
    }
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
        drop(first);
        assert_eq!(names(place.path()), [""; 0]);
        drop(device.lock().unwrap());
    }

    #[test]
    fn a_file_that_a_dead_writer_left_is_in_nobody_s_way() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(LOCK_NAME), "process 1 on elsewhere, and more\nthan that").unwrap();
        let lock = DirectoryLock::take(place.path()).unwrap();
        let text = fs::read_to_string(place.path().join(LOCK_NAME)).unwrap();
        assert!(text.starts_with("process ") && !text.contains("elsewhere"), "{text}");
        drop(lock);
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn folders_that_were_made_for_nothing_go_and_those_that_hold_something_stay() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("a/b/c");
        drop(DirectoryLock::take(&deep).unwrap());
        assert_eq!(names(place.path()), [""; 0]);
        let lock = DirectoryLock::take(&deep).unwrap();
        fs::write(place.path().join("a/b/volume"), "x").unwrap();
        drop(lock);
        assert_eq!(names(&place.path().join("a/b")), ["volume"]);
        let own = place.path().join("own");
        fs::create_dir(&own).unwrap();
        drop(DirectoryLock::take(&own).unwrap());
        assert!(own.is_dir(), "a folder that was there before stays");
    }
}
