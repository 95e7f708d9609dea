//! A lock that is a file which its owner keeps locked. The operating system gives the lock back when that process ends,
//! however it ends, so nothing has to be cleared by hand. Does not know what is locked by it.

use rustix::fs::OFlags;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock file that was taken away in between is looked for again.
const ATTEMPTS_MAX: u32 = 100;
/// How often somebody who only looks who has a lock is waited for, and how long each time.
const LOOKS_MAX: u32 = 20;
const LOOK: Duration = Duration::from_millis(5);
/// Most bytes of a lock file that are read.
const HOLDER_BYTES_MAX: u64 = 1_000;

/// The lock; dropped, it takes its file away.
#[derive(Debug)]
pub struct LockFile {
    /// Locked for as long as it is open.
    file: File,
    path: PathBuf,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum LockFailure {
    /// Another process, or another part of this one, has it: whose it is, in brackets for a message; empty if that is not
    /// known.
    Busy(String),
    /// The file cannot be made or opened.
    Io(io::Error),
    /// The file system knows no locks. No file is left there.
    Unknown,
}

impl LockFile {
    /// Locks the file at `path`, which is made if it is not there. `prepare` is called before each attempt: a folder that
    /// is to hold it may be taken away by whoever had the lock before.
    ///
    /// # Errors
    /// See [`LockFailure`]; what `prepare` returned.
    ///
    /// ```
    /// use intervault::lock_file::{LockFailure, LockFile};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join(".lock");
    /// let lock = LockFile::take(&path, || Ok(())).unwrap();
    /// assert!(matches!(LockFile::take(&path, || Ok(())), Err(LockFailure::Busy(_))));
    /// drop(lock);
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take(path: &Path, mut prepare: impl FnMut() -> io::Result<()>) -> Result<LockFile, LockFailure> {
        let mut gone = None;
        let mut looks = 0..LOOKS_MAX;
        for _ in 0..ATTEMPTS_MAX {
            prepare().map_err(LockFailure::Io)?;
            let mut file = match open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    gone = Some(error);
                    continue;
                }
                Err(error) => return Err(LockFailure::Io(error)),
            };
            match file.try_lock() {
                Ok(()) => {}
                // Who only looks has it as well, for a moment.
                Err(TryLockError::WouldBlock) if looks.next().is_some() => {
                    std::thread::sleep(LOOK);
                    gone = None;
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(LockFailure::Busy(held_by(&mut file).who)),
                Err(TryLockError::Error(_)) => {
                    let _gone = fs::remove_file(path);
                    return Err(LockFailure::Unknown);
                }
            }
            // Whoever had it may have taken the file away after it was opened here: then it is another file by now.
            if same(&file, path) {
                sign(&file, "");
                return Ok(LockFile { file, path: path.to_owned() });
            }
            gone = None;
        }
        Err(gone.map_or_else(|| LockFailure::Busy(String::new()), LockFailure::Io))
    }

    /// Says to whoever asks for the [`holder`] what is done under the lock now; a line without a break. It is locked without
    /// that too: what cannot be written down is not said.
    pub fn note(&self, note: &str) {
        sign(&self.file, note);
    }
}

/// Who has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Whose it is, in brackets for a message; empty if that is not known.
    pub who: String,
    /// What he says of it: see [`LockFile::note`]; empty if nothing.
    pub note: String,
}

/// Who has the lock; nothing if nobody has. Looks only: no file is made, and whoever wants it waits for as long as the look
/// takes. What cannot be looked at counts as not held.
#[must_use]
pub fn holder(path: &Path) -> Option<Holder> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| held_by(&mut file))
}

/// Whether somebody has the lock: see [`holder`].
#[must_use]
pub fn is_held(path: &Path) -> bool {
    holder(path).is_some()
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // While it is locked the file is ours. If it stays, it is in nobody's way.
        let _gone = fs::remove_file(&self.path);
    }
}

/// The lock file, made if it is not there. One that another user left behind may be readable only: that is enough. A link
/// is not followed: what it leads to would be emptied.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match File::options().read(true).write(true).create(true).truncate(false).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            match File::options().read(true).custom_flags(flags).open(path) {
                Ok(file) => Ok(file),
                Err(_) => Err(error),
            }
        }
        opened => opened,
    }
}

fn same(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(here), Ok(there)) => (here.dev(), here.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Writes down whose lock it is, and what is done under it. The longer text is written before the file is cut: whoever reads
/// meanwhile finds the two lines.
fn sign(file: &File, note: &str) {
    let (process, host) = (rustix::process::getpid().as_raw_nonzero(), rustix::system::uname());
    let text = format!("process {process} on {}\n{note}\n", host.nodename().to_string_lossy());
    let _written = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.set_len(text.len() as u64));
}

/// What is written in a lock file.
fn held_by(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(HOLDER_BYTES_MAX).read_to_string(&mut text));
    let mut lines = text.lines().take(if read.is_ok() { 2 } else { 0 });
    let who = lines.next().map_or_else(String::new, |line| format!(" ({line})"));
    Holder { who, note: lines.next().unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path) -> Result<LockFile, LockFailure> {
        LockFile::take(path, || Ok(()))
    }

    #[test]
    fn one_owner_at_a_time_whose_name_is_known_and_no_file_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        let lock = take(&path).unwrap();
        let Err(LockFailure::Busy(owner)) = take(&path) else { panic!("taken twice") };
        let process = rustix::process::getpid().as_raw_nonzero();
        assert!(owner.starts_with(&format!(" (process {process} on ")), "{owner}");
        drop(lock);
        assert!(!path.exists());
        drop(take(&path).unwrap());
    }

    #[test]
    fn who_only_looks_finds_the_lock_and_makes_no_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        assert!(!is_held(&path) && !path.exists());
        let lock = take(&path).unwrap();
        assert!(is_held(&path) && holder(&path).is_some_and(|holder| holder.who.starts_with(" (process ")));
        for note in ["a longer note", "short", ""] {
            lock.note(note);
            assert!(holder(&path).is_some_and(|holder| holder.note == note && holder.who.ends_with(')')), "{note}");
        }
        drop(lock);
        fs::write(&path, "left behind").unwrap();
        assert!(!is_held(&path));
        drop(take(&path).unwrap());
    }

    #[test]
    fn a_file_that_a_dead_owner_left_is_in_nobody_s_way() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        fs::write(&path, "process 1 on elsewhere, and more\nthan that").unwrap();
        let lock = take(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("process ") && !text.contains("elsewhere"), "{text}");
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_unless_it_is_made() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("folder");
        let path = folder.join(".lock");
        let Err(LockFailure::Io(error)) = take(&path) else { panic!("no folder, no lock") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        drop(LockFile::take(&path, || fs::create_dir_all(&folder)).unwrap());
        let refused = LockFile::take(&path, || Err(io::ErrorKind::StorageFull.into()));
        assert!(matches!(refused, Err(LockFailure::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let (path, other) = (place.path().join(".lock"), place.path().join("other"));
        fs::write(&other, "dear").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(matches!(take(&path), Err(LockFailure::Io(_))));
        assert_eq!(fs::read_to_string(&other).unwrap(), "dear");
    }

    #[test]
    fn what_a_damaged_file_says_of_its_owner_is_left_out() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        let _lock = take(&path).unwrap();
        fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert!(matches!(take(&path), Err(LockFailure::Busy(owner)) if owner.is_empty()));
    }
}
