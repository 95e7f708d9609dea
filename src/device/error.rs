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
    /// There is nothing of that name among the system's devices, where nothing is made that would last.
    #[error("there is no such drive: look at its name, and whether its driver is loaded")]
    NoDrive,
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
    /// It is behind more volumes than are read of one file.
    #[error("more than {volumes} volumes lie in this file, and what is behind so many is not read: divide the file")]
    Beyond {
        /// How many are read.
        volumes: usize,
    },
    /// The medium is full, or is another than the one wanted, and there is no further one.
    #[error("volume {number}, {label}, wants a further medium: {reason}")]
    Wanted {
        /// Number of the volume in its set, from 1.
        number: u32,
        /// Its label, as people read it.
        label: String,
        /// Why the medium at hand does not do.
        reason: String,
    },
    /// A medium holds what must not be overwritten, or is not the one that is wanted.
    #[error("{0}")]
    WrongMedium(
        /// What is on it, and what to do.
        String,
    ),
    /// What has the name of a volume is none that can be opened: a link to what is not here, a name that nobody can write.
    #[error("{0}")]
    NoVolume(
        /// Why, and what to do.
        String,
    ),
    /// The medium must not be written to.
    #[error("the medium is write-protected: lift its protection, or bring another one")]
    WriteProtected,
    /// Who was to read what is written went away.
    #[error("the reader at the other end of the pipe went away")]
    NoReader,
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
            std::io::ErrorKind::BrokenPipe => DeviceErrorKind::NoReader,
            std::io::ErrorKind::ResourceBusy => DeviceErrorKind::Busy(String::new()),
            _ => DeviceErrorKind::Io(error),
        }
    }
}
/// Whether a volume of so many bytes has all that a read wants from a place on.
pub(super) fn within(len: u64, at: u64, buffer: &[u8]) -> Result<(), DeviceErrorKind> {
    let wanted = buffer.len() as u64;
    let fits = at.checked_add(wanted).is_some_and(|end| end <= len);
    if fits { Ok(()) } else { Err(DeviceErrorKind::Short { at, wanted, len }) }
}
