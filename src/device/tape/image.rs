//! A tape in a file, which enforces what drives enforce. The layout is that of the tape images of simulators (SIMH): a record is
//! its length in four bytes, its bytes, a zero byte if they are odd in number, and the length again; a file mark is four zero
//! bytes. The file ends where the data end.

use super::drive::{Drive, DriveStatus, RECORD_MAX};
use super::objects::{MARK, Objects, stored};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Records that still go onto the tape behind early warning, unless told otherwise.
pub const RECORDS_AFTER_WARNING: u32 = 256;

/// Bytes of the file that are read at a time in search of its objects: a length and the next one stand side by side.
const LOOK: usize = 4_096;

/// A file-backed drive with its tape.
#[derive(Debug)]
pub struct ImageDrive {
    file: File,
    writable: bool,
    objects: Objects,
    /// Number of the object before which the drive stands.
    at: u64,
    /// Size of the records that are written; 0: none was set.
    record: u32,
    /// Bytes of records before early warning, and records that go on after it.
    capacity: Option<u64>,
    after: u32,
    /// Whether the next write behind early warning is the one that goes on.
    spoken: bool,
    /// Whether the end of data was read once since the drive stood before it.
    seen_end: bool,
    /// Bytes of the file that were written out.
    synced: u64,
}

impl ImageDrive {
    /// Opens a file as a tape; an empty file is a blank one. To write, it is locked for this process.
    ///
    /// # Errors
    /// It cannot be opened, another process writes to it, it is no tape image.
    pub fn open(path: &Path, write: bool) -> io::Result<ImageDrive> {
        let file = File::options().read(true).write(write).open(path)?;
        if write {
            flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
                Errno::WOULDBLOCK => io::Error::from(ErrorKind::ResourceBusy),
                other => other.into(),
            })?;
        }
        let mut drive = ImageDrive {
            file,
            writable: write,
            objects: Objects::default(),
            at: 0,
            record: 0,
            capacity: None,
            after: RECORDS_AFTER_WARNING,
            spoken: false,
            seen_end: false,
            synced: 0,
        };
        drive.scan()?;
        Ok(drive)
    }

    /// The same with a tape that warns after so many bytes of records, and takes so many records more.
    #[must_use]
    pub fn with_capacity(self, capacity: Option<u64>, after: u32) -> ImageDrive {
        ImageDrive { capacity, after, ..self }
    }

    /// What a power cut now leaves: what was written out, and nothing of what was only buffered.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn power_cut(self) -> io::Result<()> {
        self.file.set_len(self.synced.min(self.objects.bytes()))
    }

    /// Lists the objects. A record that is cut off at the end of the file was never written whole: the data end before it.
    fn scan(&mut self) -> io::Result<()> {
        let mut lengths = Lengths { total: self.file.metadata()?.len(), file: &self.file, from: 0, held: Vec::new() };
        loop {
            let at = self.objects.bytes();
            let Some(bytes) = lengths.at(at)? else { break };
            if bytes > 0 {
                let strange = || io::Error::new(ErrorKind::InvalidData, "it is no tape image");
                if bytes as usize > RECORD_MAX {
                    return Err(strange());
                }
                match lengths.at(at.saturating_add(stored(bytes)).saturating_sub(MARK))? {
                    None => break,
                    Some(again) if again != bytes => return Err(strange()),
                    Some(_) => {}
                }
            }
            self.objects.push(Some(bytes).filter(|bytes| *bytes > 0))?;
        }
        self.synced = self.objects.bytes();
        Ok(())
    }

    /// Where in the file the drive stands.
    fn offset(&self) -> u64 {
        self.objects.get(self.at).map_or_else(|| self.objects.bytes(), |next| next.offset)
    }

    /// Discards what follows, and says where the next object goes.
    fn cut(&mut self) -> io::Result<u64> {
        if !self.writable {
            return Err(Errno::ACCESS.into());
        }
        let end = self.offset();
        if self.file.metadata()?.len() != end {
            self.file.set_len(end)?;
        }
        self.objects.truncate(self.at);
        self.synced = self.synced.min(end);
        Ok(end)
    }

    /// What the end of the medium has to say about one more record; see [`Drive::write`].
    fn warn(&mut self, end: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else { return Ok(()) };
        if end.saturating_add(u64::from(self.record)) <= capacity {
            self.spoken = false;
            return Ok(());
        }
        // Whoever wrote them: a tape does not grow by being put in again.
        let warned = self.objects.records_beyond(capacity);
        self.spoken = !self.spoken || warned >= u64::from(self.after);
        if self.spoken { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }

    fn go(&mut self, object: u64) {
        (self.at, self.seen_end) = (object, false);
    }
}

/// Reads lengths out of an image, most of them without a further look at the file.
struct Lengths<'f> {
    file: &'f File,
    total: u64,
    /// What was read last, and where in the file that begins.
    from: u64,
    held: Vec<u8>,
}

impl Lengths<'_> {
    /// The length that stands at a place; none if the file ends there.
    fn at(&mut self, offset: u64) -> io::Result<Option<u32>> {
        if offset.saturating_add(MARK) > self.total {
            return Ok(None);
        }
        if let Some(bytes) = self.held(offset) {
            return Ok(Some(u32::from_le_bytes(bytes)));
        }
        let room = usize::try_from(self.total.saturating_sub(offset)).unwrap_or(usize::MAX).min(LOOK);
        self.held.resize(room, 0);
        self.from = offset;
        self.file.read_exact_at(&mut self.held, offset)?;
        Ok(self.held(offset).map(u32::from_le_bytes))
    }

    fn held(&self, offset: u64) -> Option<[u8; MARK as usize]> {
        let at = usize::try_from(offset.checked_sub(self.from)?).ok()?;
        self.held.get(at..)?.first_chunk().copied()
    }
}

impl Drive for ImageDrive {
    fn status(&mut self) -> io::Result<DriveStatus> {
        let end_of_data = self.at == self.objects.len();
        Ok(DriveStatus { ready: true, write_protected: !self.writable, end_of_data })
    }

    fn set_record(&mut self, bytes: u32) -> io::Result<()> {
        if bytes as usize > RECORD_MAX {
            return Err(Errno::INVAL.into());
        }
        self.record = bytes;
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let bytes = u32::try_from(record.len()).unwrap_or(u32::MAX);
        if bytes == 0 || bytes != self.record {
            return Err(Errno::INVAL.into());
        }
        let offset = self.cut()?;
        self.warn(offset)?;
        let mut whole = Vec::with_capacity(record.len().saturating_add(9));
        whole.extend_from_slice(&bytes.to_le_bytes());
        whole.extend_from_slice(record);
        whole.resize(whole.len().next_multiple_of(2), 0);
        whole.extend_from_slice(&bytes.to_le_bytes());
        self.file.write_all_at(&whole, offset)?;
        self.objects.push(Some(bytes))?;
        self.go(self.objects.len());
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(object) = self.objects.get(self.at) else {
            let before = std::mem::replace(&mut self.seen_end, true);
            return if before { Err(Errno::IO.into()) } else { Ok(0) };
        };
        let bytes = object.record.unwrap_or(0) as usize;
        self.go(self.at.saturating_add(1));
        let Some(room) = buffer.get_mut(..bytes) else { return Err(Errno::NOMEM.into()) };
        self.file.read_exact_at(room, object.offset.saturating_add(MARK))?;
        Ok(bytes)
    }

    fn file_marks(&mut self, count: u32) -> io::Result<()> {
        for _ in 0..count {
            let offset = self.cut()?;
            self.file.write_all_at(&[0; MARK as usize], offset)?;
            self.objects.push(None)?;
            self.go(self.objects.len());
        }
        self.file.sync_data()?;
        self.synced = self.objects.bytes();
        Ok(())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.go(0);
        Ok(())
    }

    fn space_files(&mut self, count: u32) -> io::Result<()> {
        for _ in 0..count {
            let mark = self.objects.mark_from(self.at);
            self.go(mark.as_ref().map_or(self.objects.len(), |mark| mark.saturating_add(1)));
            mark?;
        }
        Ok(())
    }

    fn space_back_files(&mut self, count: u32) -> io::Result<()> {
        for _ in 0..count {
            let mark = self.objects.mark_before(self.at);
            self.go(*mark.as_ref().unwrap_or(&0));
            mark?;
        }
        Ok(())
    }

    fn end_of_data(&mut self) -> io::Result<()> {
        self.go(self.objects.len());
        Ok(())
    }

    fn tell(&mut self) -> io::Result<u64> {
        Ok(self.at)
    }

    fn seek(&mut self, object: u64) -> io::Result<()> {
        if object > self.objects.len() {
            return Err(Errno::IO.into());
        }
        self.go(object);
        Ok(())
    }

    fn room(&mut self) -> io::Result<Option<u64>> {
        Ok(self.capacity.map(|capacity| capacity.saturating_sub(self.offset())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tap");
        File::create(&path).unwrap();
        (folder, path)
    }

    fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<Errno> {
        Errno::from_io_error(&result.unwrap_err())
    }

    #[test]
    fn records_and_marks_are_read_as_they_were_written() {
        let (_folder, path) = blank();
        let mut drive = ImageDrive::open(&path, true).unwrap();
        drive.set_record(7).unwrap();
        drive.write(b"seven b").unwrap();
        assert_eq!(errno(drive.write(b"six by")), Some(Errno::INVAL));
        drive.write(b"again 7").unwrap();
        drive.file_marks(1).unwrap();
        drive.set_record(2).unwrap();
        drive.write(b"ab").unwrap();
        drive.file_marks(2).unwrap();
        drop(drive);
        let mut drive = ImageDrive::open(&path, false).unwrap();
        let mut buffer = [0; 7];
        assert_eq!((drive.read(&mut buffer).unwrap(), &buffer), (7, b"seven b"));
        assert_eq!(errno(drive.read(&mut [0; 6])), Some(Errno::NOMEM));
        assert_eq!(drive.read(&mut buffer).unwrap(), 0, "a file mark");
        assert_eq!(drive.tell().unwrap(), 3);
        assert_eq!(drive.read(&mut buffer).unwrap(), 2);
        assert_eq!([drive.read(&mut buffer).unwrap(), drive.read(&mut buffer).unwrap()], [0, 0]);
        assert!(drive.status().unwrap().end_of_data);
        assert_eq!(drive.read(&mut buffer).unwrap(), 0, "the end of data, once");
        assert_eq!(errno(drive.read(&mut buffer)), Some(Errno::IO));
        drive.space_back_files(3).unwrap();
        assert_eq!(drive.tell().unwrap(), 2);
        assert_eq!(errno(drive.space_back_files(1)), Some(Errno::IO));
        assert_eq!(drive.tell().unwrap(), 0);
        drive.space_files(2).unwrap();
        assert_eq!(drive.tell().unwrap(), 5);
        assert_eq!((errno(drive.space_files(2)), drive.tell().unwrap()), (Some(Errno::IO), 6));
        assert_eq!(errno(drive.seek(7)), Some(Errno::IO));
        assert_eq!(errno(drive.file_marks(1)), Some(Errno::ACCESS), "opened to be read");
    }

    #[test]
    fn a_write_discards_what_follows() {
        let (_folder, path) = blank();
        let mut drive = ImageDrive::open(&path, true).unwrap();
        drive.set_record(1).unwrap();
        for record in [b"a", b"b", b"c"] {
            drive.write(record).unwrap();
        }
        drive.seek(1).unwrap();
        drive.write(b"d").unwrap();
        assert!(drive.status().unwrap().end_of_data);
        drop(drive);
        assert_eq!(std::fs::read(&path).unwrap(), *b"\x01\0\0\0a\0\x01\0\0\0\x01\0\0\0d\0\x01\0\0\0");
    }

    #[test]
    fn the_end_is_told_early_and_then_comes() {
        let (_folder, path) = blank();
        let mut drive = ImageDrive::open(&path, true).unwrap().with_capacity(Some(30), 2);
        drive.set_record(2).unwrap();
        let told: Vec<bool> = (0..12).map(|_| drive.write(b"ab").is_ok()).collect();
        // Ten bytes of the file each: the third record no longer ends before the warning at 30 once two of them stand there.
        assert_eq!(told, [true, true, true, false, true, false, true, false, false, false, false, false]);
        drive.file_marks(1).unwrap();
        drive.seek(0).unwrap();
        drive.write(b"ab").unwrap();
    }

    #[test]
    fn the_end_stays_where_it_is_however_often_a_tape_is_put_in() {
        let (_folder, path) = blank();
        let put_in = || ImageDrive::open(&path, true).unwrap().with_capacity(Some(30), 2);
        let mut written = 0;
        for _ in 0..9 {
            let mut drive = put_in();
            drive.set_record(2).unwrap();
            drive.end_of_data().unwrap();
            written += (0..2).filter(|_| drive.write(b"ab").is_ok()).count();
            drive.file_marks(1).unwrap();
        }
        // Ten bytes a record and four a mark: the third begins at 24.
        assert_eq!(written, 5, "three records before the warning and two behind it");
        assert_eq!(put_in().room().unwrap(), Some(30));
        let mut drive = put_in();
        drive.end_of_data().unwrap();
        assert_eq!(drive.room().unwrap(), Some(0));
    }

    #[test]
    fn a_power_cut_takes_what_was_only_buffered() {
        let (_folder, path) = blank();
        let mut drive = ImageDrive::open(&path, true).unwrap();
        drive.set_record(1).unwrap();
        drive.write(b"a").unwrap();
        drive.file_marks(0).unwrap();
        drive.write(b"b").unwrap();
        drive.power_cut().unwrap();
        let mut drive = ImageDrive::open(&path, true).unwrap();
        let mut buffer = [0; 9];
        assert_eq!([drive.read(&mut buffer).unwrap(), drive.read(&mut buffer).unwrap()], [1, 0]);
        drive.end_of_data().unwrap();
        assert_eq!(drive.tell().unwrap(), 1);
    }

    #[test]
    fn a_record_cut_off_is_none_and_something_else_is_no_tape() {
        let (_folder, path) = blank();
        let mut drive = ImageDrive::open(&path, true).unwrap();
        drive.set_record(3).unwrap();
        drive.write(b"abc").unwrap();
        drive.write(b"def").unwrap();
        drop(drive);
        let whole = std::fs::read(&path).unwrap();
        for len in whole.len() / 2..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            let mut drive = ImageDrive::open(&path, false).unwrap();
            drive.end_of_data().unwrap();
            assert_eq!(drive.tell().unwrap(), 1, "{len}");
        }
        std::fs::write(&path, b"something else altogether").unwrap();
        assert_eq!(ImageDrive::open(&path, false).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn one_writer_at_a_time() {
        let (_folder, path) = blank();
        let _first = ImageDrive::open(&path, true).unwrap();
        assert_eq!(ImageDrive::open(&path, true).unwrap_err().kind(), ErrorKind::ResourceBusy);
        assert!(ImageDrive::open(&path, false).is_ok(), "readers are let in");
    }
}
