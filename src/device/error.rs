//! What a device can fail with.

use std::path::PathBuf;

/// A device operation that failed: what, where, why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}: {kind}", place.display())]
pub struct DeviceError {
    /// What was tried: `create`, `append to`, `sync`, `read`, …
    pub op: &'static str,
    /// The file or directory.
    pub place: PathBuf,
    /// Why it failed.
    #[source]
    pub kind: DeviceErrorKind,
}

/// The ways in which a device can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceErrorKind {
    /// The medium or its directory is full.
    #[error("no space left: free some, or use another device")]
    Full,
    /// There is nothing of that name.
    #[error("no such file or directory")]
    NotFound,
    /// A volume of that name is there already.
    #[error("it is there already: volumes are never overwritten, use another device or remove it yourself")]
    Exists,
    /// The operating system refuses access.
    #[error("permission denied")]
    NotPermitted,
    /// Another process is writing there.
    #[error("another process is writing there{0}: wait for it to end")]
    Busy(
        /// Which one, in brackets and with a blank before them; empty if that is not known.
        String,
    ),
    /// Fewer bytes than asked for.
    #[error("{wanted} bytes wanted at byte {at}, the volume ends after {len}")]
    Short {
        /// Where reading began.
        at: u64,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that the volume has.
        len: u64,
    },
    /// More bytes than can be mapped.
    #[error("{len} bytes are more than can be mapped into memory: read it without a memory map")]
    TooLong {
        /// Bytes that the volume has.
        len: u64,
    },
    /// Anything else that the operating system says.
    #[error(transparent)]
    Io(std::io::Error),
}

impl From<std::io::Error> for DeviceErrorKind {
    fn from(error: std::io::Error) -> DeviceErrorKind {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                DeviceErrorKind::Full
            }
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => DeviceErrorKind::NotFound,
            std::io::ErrorKind::AlreadyExists => DeviceErrorKind::Exists,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                DeviceErrorKind::NotPermitted
            }
            _ => DeviceErrorKind::Io(error),
        }
    }
}
