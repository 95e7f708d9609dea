//! The file that a table goes to: it gets its name when it is whole and on the medium, and takes the place of no other unless
//! that was asked for.

use crate::error::Error;
use crate::files::error::{FilesError, FilesErrorKind};
use crate::files::name::shown;
use rustix::io::Errno;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Bytes that a file's name may have, with its ending.
const NAME_BYTES_MAX: usize = 200;

/// A name for the file of a table, whatever the table is called: ASCII letters, digits, `_`, `-` and `.` stand for themselves
/// but at the beginning, where a point would hide the file; other bytes become `%` and two hexadecimal digits. So two tables
/// never share one. `None` if that is too long for a name.
///
/// ```
/// use intervault::export::file_name;
/// assert_eq!(file_name("hsplit", "csv").as_deref(), Some("hsplit.csv"));
/// assert_eq!(file_name("../a b", "csv").as_deref(), Some("%2E.%2Fa%20b.csv"));
/// assert_eq!(file_name(&"x".repeat(300), "csv"), None);
/// ```
#[must_use]
pub fn file_name(table: &str, ending: &str) -> Option<String> {
    let mut name = String::new();
    for (place, byte) in table.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || byte == b'.' && place > 0 {
            name.push(char::from(byte));
        } else {
            let _infallible = write!(name, "%{byte:02X}");
        }
    }
    name.push('.');
    name.push_str(ending);
    (name.len() <= NAME_BYTES_MAX).then_some(name)
}

/// A file that is being written. Dropped before [`Target::finish`] it leaves nothing behind; a process that ends without dropping
/// it leaves [`Target::until_then`].
#[derive(Debug)]
pub struct Target {
    file: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
}

impl Target {
    /// Begins a file of this name.
    ///
    /// # Errors
    /// There is no such folder, or no right to write there; something has the name already and is not to be overwritten.
    pub fn create(path: &Path, overwrite: bool) -> Result<Target, Error> {
        let fail = |error: io::Error| failed("create", path, &error);
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(there(path));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // As any other file of whoever asks for it: the umask takes away from this what it should.
        let mode = Permissions::from_mode(0o666);
        let file = tempfile::Builder::new().prefix(".intervault-export-").permissions(mode).tempfile_in(folder);
        let file = file.map_err(fail)?;
        Ok(Target { file, path: path.to_owned(), overwrite })
    }

    /// Its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that it is until then: what is to be removed where the process ends before [`Target::finish`].
    #[must_use]
    pub fn until_then(&self) -> &Path {
        self.file.path()
    }

    /// Where the bytes go.
    pub fn writer(&mut self) -> &mut std::fs::File {
        self.file.as_file_mut()
    }

    /// Gives the file its name once it is on the medium. Returns its length in bytes.
    ///
    /// # Errors
    /// The medium fails or is full, or something has taken the name meanwhile: then nothing is left behind.
    pub fn finish(self) -> Result<u64, Error> {
        let Target { file, path, overwrite } = self;
        let fail = |error: io::Error| failed("write", &path, &error);
        file.as_file().sync_all().map_err(fail)?;
        let bytes = file.as_file().metadata().map_err(fail)?.len();
        let persisted = if overwrite { file.persist(&path) } else { file.persist_noclobber(&path) };
        persisted.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => there(&path),
            _ => fail(error.error),
        })?;
        Ok(bytes)
    }
}

fn there(path: &Path) -> Error {
    Error::refused(format!("{} is there already", path.display()), "name another place, or allow it with --overwrite")
}

/// The error of a file that could not be written.
#[must_use]
pub fn failed(op: &'static str, path: &Path, error: &io::Error) -> Error {
    let path = path.as_os_str().as_bytes();
    let kind = || FilesErrorKind::System(error.to_string());
    let other = || FilesError { op, place: shown(path), kind: kind() };
    let errno = Errno::from_io_error(error).or(match error.kind() {
        io::ErrorKind::NotFound => Some(Errno::NOENT),
        io::ErrorKind::PermissionDenied => Some(Errno::ACCESS),
        io::ErrorKind::StorageFull => Some(Errno::NOSPC),
        _ => None,
    });
    errno.map_or_else(other, |errno| FilesError::system(op, path, errno)).into()
}
