//! A real drive, by the st driver of Linux. The device must be one that does not rewind by itself (`/dev/nst0`,
//! `/dev/tape/by-id/...-nst`).

use super::drive::{Drive, DriveStatus};
use super::mtio::{self, Op};
use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A drive of this machine.
#[derive(Debug)]
pub struct StDrive {
    file: File,
}

impl StDrive {
    /// Opens the drive. The kernel lets one process at a time have it.
    ///
    /// # Errors
    /// It is busy, there is no tape in it, the tape must not be written to, it is no tape drive.
    pub fn open(path: &Path, write: bool) -> io::Result<StDrive> {
        let file = File::options().read(true).write(write).open(path)?;
        mtio::status(&file)?;
        Ok(StDrive { file })
    }

    fn operate(&self, op: Op, count: u64) -> io::Result<()> {
        let count = c_int::try_from(count).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(mtio::operate(&self.file, op, count)?)
    }
}

impl Drive for StDrive {
    fn status(&mut self) -> io::Result<DriveStatus> {
        let general = mtio::status(&self.file)?.general;
        let says = |bit| general & bit != 0;
        Ok(DriveStatus {
            ready: says(mtio::ONLINE),
            write_protected: says(mtio::WRITE_PROTECTED),
            end_of_data: says(mtio::END_OF_DATA),
        })
    }

    fn set_record(&mut self, bytes: u32) -> io::Result<()> {
        self.operate(Op::SetBlock, u64::from(bytes))
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        match self.file.write(record)? {
            written if written == record.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    fn file_marks(&mut self, count: u32) -> io::Result<()> {
        self.operate(Op::WriteFileMarks, u64::from(count))
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.operate(Op::Rewind, 1)
    }

    fn space_files(&mut self, count: u32) -> io::Result<()> {
        self.operate(Op::ForwardFiles, u64::from(count))
    }

    fn space_back_files(&mut self, count: u32) -> io::Result<()> {
        self.operate(Op::BackFiles, u64::from(count))
    }

    fn end_of_data(&mut self) -> io::Result<()> {
        self.operate(Op::EndOfData, 1)
    }

    fn tell(&mut self) -> io::Result<u64> {
        u64::try_from(mtio::position(&self.file)?).map_err(|_| io::Error::other("the drive does not know where it is"))
    }

    fn seek(&mut self, object: u64) -> io::Result<()> {
        self.operate(Op::Seek, object)
    }
}
