//! What can go wrong with files, by name.

use super::name::shown;
use rustix::io::Errno;

/// Something could not be done with a file, a folder or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {op} {place}: {kind}")]
pub struct FilesError {
    /// What was tried, such as `open`.
    pub op: &'static str,
    /// With what, fit to be printed.
    pub place: String,
    /// Why not.
    pub kind: FilesErrorKind,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilesErrorKind {
    /// There is no such file.
    #[error("it is not there")]
    NotFound,
    /// The system does not allow it.
    #[error("not permitted")]
    NotPermitted,
    /// The disk is full, or a quota is used up.
    #[error("no space is left")]
    Full,
    /// A rule of this module forbids it.
    #[error("{0}")]
    Refused(String),
    /// Anything else that the system says.
    #[error("{0}")]
    System(String),
}

impl FilesError {
    /// What the system says of a path.
    #[must_use]
    pub fn system(op: &'static str, path: &[u8], error: Errno) -> FilesError {
        let kind = match error {
            Errno::NOENT => FilesErrorKind::NotFound,
            Errno::NOTDIR => FilesErrorKind::Refused("what stands in its way is no folder".to_owned()),
            Errno::ACCESS | Errno::PERM | Errno::ROFS => FilesErrorKind::NotPermitted,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => FilesErrorKind::Full,
            Errno::LOOP => {
                FilesErrorKind::Refused("a symbolic link stands in its way, and none is followed".to_owned())
            }
            other => FilesErrorKind::System(std::io::Error::from(other).to_string()),
        };
        FilesError { op, place: shown(path), kind }
    }

    /// What a rule forbids with a path.
    #[must_use]
    pub fn refused(op: &'static str, path: &[u8], why: impl Into<String>) -> FilesError {
        FilesError { op, place: shown(path), kind: FilesErrorKind::Refused(why.into()) }
    }
}
