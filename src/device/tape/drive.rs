//! What a tape drive does, in the words of Linux's st driver: its calls, and the errors that they give.

use std::io;

/// Largest record that is read or written.
pub const RECORD_MAX: usize = 8 << 20;

/// What a drive says about itself and the tape in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DriveStatus {
    /// Whether there is a tape that can be worked with.
    pub ready: bool,
    /// Whether the tape must not be written to.
    pub write_protected: bool,
    /// Whether the tape stands behind the last that is written on it.
    pub end_of_data: bool,
}

/// A drive with a tape in it. A tape is a row of *objects*: records and file marks, numbered from 0. The drive stands before
/// one of them. What is written discards all that follows it.
///
/// Errors are those of the operating system: `EINVAL` for a write that is no record of the size set, `ENOMEM` for a record
/// that is longer than the buffer, `ENOSPC` at the end of the medium, `EIO` beyond the end of data and where the medium
/// fails, `EROFS` or `EACCES` on a write-protected tape, `ENOMEDIUM` without one.
pub trait Drive: Send {
    /// Looks at drive and tape.
    ///
    /// # Errors
    /// The drive cannot be asked.
    fn status(&mut self) -> io::Result<DriveStatus>;

    /// Sets the size of the records that are written; 0: any, for reading.
    ///
    /// # Errors
    /// The drive does not take records of that size.
    fn set_record(&mut self, bytes: u32) -> io::Result<()>;

    /// Writes one record of the size that was set. Near the end of the medium (*early warning*) one call in two fails with
    /// `ENOSPC` and writes nothing, the next one succeeds again, until nothing more goes on: then each fails.
    ///
    /// # Errors
    /// See [`Drive`].
    fn write(&mut self, record: &[u8]) -> io::Result<()>;

    /// Reads one record and gives its length; 0 for a file mark, behind which the drive stands then, and, once, for the end
    /// of data.
    ///
    /// # Errors
    /// See [`Drive`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes so many file marks and returns when all that was written is on the tape; 0 does that alone.
    ///
    /// # Errors
    /// See [`Drive`].
    fn file_marks(&mut self, count: u32) -> io::Result<()>;

    /// Goes to the beginning of the tape.
    ///
    /// # Errors
    /// See [`Drive`].
    fn rewind(&mut self) -> io::Result<()>;

    /// Goes forward behind the next so many file marks.
    ///
    /// # Errors
    /// `EIO` if there are fewer: the drive then stands at the end of data.
    fn space_files(&mut self, count: u32) -> io::Result<()>;

    /// Goes back before the last so many file marks.
    ///
    /// # Errors
    /// `EIO` if there are fewer: the drive then stands at the beginning.
    fn space_back_files(&mut self, count: u32) -> io::Result<()>;

    /// Goes behind all that is written.
    ///
    /// # Errors
    /// See [`Drive`].
    fn end_of_data(&mut self) -> io::Result<()>;

    /// Number of the object before which the drive stands.
    ///
    /// # Errors
    /// The drive does not know.
    fn tell(&mut self) -> io::Result<u64>;

    /// Goes before an object.
    ///
    /// # Errors
    /// There are fewer objects.
    fn seek(&mut self, object: u64) -> io::Result<()>;

    /// Bytes between where the drive stands and early warning; none if it does not know, as most do not.
    ///
    /// # Errors
    /// See [`Drive`].
    fn room(&mut self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}
