//! A folder below which all work is done. Every component of a path is opened in the one before it and must be a real folder,
//! so that no name and no symbolic link, not even one that is planted meanwhile, leads out.

use super::error::FilesError;
use super::name::{components, split, within};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, openat, readlinkat, statat};
use std::path::Path;
use std::sync::Arc;

/// How a folder on the way is opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder, with the one below it that was used last.
#[derive(Debug)]
pub struct Beneath {
    root: Arc<OwnedFd>,
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Clone for Beneath {
    fn clone(&self) -> Beneath {
        Beneath { root: Arc::clone(&self.root), last: None }
    }
}

impl Beneath {
    /// Opens the folder itself; symbolic links on the way to it are followed.
    ///
    /// # Errors
    /// It is no folder that can be read.
    pub fn open(path: &Path) -> Result<Beneath, FilesError> {
        let name = path.as_os_str().as_encoded_bytes();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            openat(CWD, path, flags, Mode::empty()).map_err(|error| FilesError::system("open folder", name, error))?;
        Ok(Beneath { root: Arc::new(root), last: None })
    }

    /// The folder of this path, from the root on; the root for the empty path.
    ///
    /// # Errors
    /// A component is no folder, or cannot be opened.
    pub fn folder(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, FilesError> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let fd = self.walk(path)?;
            self.last = Some((path.to_vec(), fd));
        }
        Ok(self.last.as_ref().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// Forgets the folder that was used last: it may have been replaced.
    pub fn forget(&mut self) {
        self.last = None;
    }

    fn walk(&self, path: &[u8]) -> Result<OwnedFd, FilesError> {
        // What lies below the folder used last is reached from there.
        let start = self.last.as_ref().filter(|(last, _)| within(path, last));
        let (done, mut at) = match start {
            Some((last, fd)) => (last.len().saturating_add(1), Step::Borrowed(fd.as_fd())),
            None => (0, Step::Borrowed(self.root.as_fd())),
        };
        for component in components(path.get(done..).unwrap_or_default()) {
            let opened = openat(at.fd(), component, FOLDER, Mode::empty());
            at = Step::Owned(opened.map_err(|error| FilesError::system("open folder", path, error))?);
        }
        match at {
            Step::Owned(fd) => Ok(fd),
            Step::Borrowed(fd) => {
                fd.try_clone_to_owned().map_err(|_| FilesError::refused("open folder", path, "too many files are open"))
            }
        }
    }

    /// What is known of a path itself, without following it; `None` if it is not there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn stat(&mut self, path: &[u8]) -> Result<Option<Stat>, FilesError> {
        let looked = match split(path) {
            None => rustix::fs::fstat(self.root.as_fd()),
            Some((folder, name)) => match self.folder(folder) {
                Ok(folder) => statat(folder, name, AtFlags::SYMLINK_NOFOLLOW),
                Err(FilesError { kind: super::error::FilesErrorKind::NotFound, .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        match looked {
            Ok(stat) => Ok(Some(stat)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(FilesError::system("look at", path, error)),
        }
    }

    /// Where a symbolic link points.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    pub fn link(&mut self, path: &[u8]) -> Result<Vec<u8>, FilesError> {
        let (folder, name) = split(path).unwrap_or_default();
        let read = readlinkat(self.folder(folder)?, name, Vec::new());
        Ok(read.map_err(|error| FilesError::system("read link", path, error))?.into_bytes())
    }

    /// Opens a file; `flags` beside those that keep links from being followed.
    ///
    /// # Errors
    /// It cannot be opened so.
    pub fn file(&mut self, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, FilesError> {
        let (folder, name) = split(path).unwrap_or((b"", b"."));
        let opened = openat(self.folder(folder)?, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode);
        opened.map_err(|error| FilesError::system("open", path, error))
    }
}

/// A folder on the way.
enum Step<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl Step<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Step::Borrowed(fd) => *fd,
            Step::Owned(fd) => fd.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::FilesErrorKind;
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_are_reached_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b/c")).unwrap();
        fs::write(at("a/b/c/file"), "x").unwrap();
        symlink("a", at("link")).unwrap();
        symlink("b", at("a/inner")).unwrap();
        let mut beneath = Beneath::open(folder.path()).unwrap();
        for path in ["a", "a/b", "a/b/c", "a", "", "a/b/c"] {
            beneath.folder(path.as_bytes()).unwrap();
        }
        assert!(beneath.stat(b"a/b/c/file").unwrap().is_some());
        assert!(beneath.stat(b"a/b/none/file").unwrap().is_none());
        for path in ["link", "link/b", "a/inner", "a/inner/c", "a/b/c/file"] {
            let error = beneath.folder(path.as_bytes()).unwrap_err();
            assert!(matches!(error.kind, FilesErrorKind::Refused(_) | FilesErrorKind::NotFound), "{path}: {error}");
        }
        let link = beneath.file(b"link", OFlags::RDONLY, Mode::empty()).unwrap_err();
        assert_eq!(link.to_string(), "cannot open link: a symbolic link stands in its way, and none is followed");
        assert_eq!(beneath.link(b"a/inner").unwrap(), b"b");
    }

    #[test]
    fn a_path_deeper_than_the_system_takes_at_once_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let mut beneath = Beneath::open(folder.path()).unwrap();
        let mut path = Vec::new();
        for _ in 0..40 {
            let name = [b'n'; 200];
            rustix::fs::mkdirat(beneath.folder(&path).unwrap(), &name[..], Mode::from_raw_mode(0o755)).unwrap();
            path = super::super::name::join(&path, &name);
        }
        assert!(path.len() > 4_096);
        beneath.forget();
        beneath.folder(&path).unwrap();
    }
}
