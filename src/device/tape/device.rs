//! Volumes on a tape. Each is a *file* of the tape: device records of one size, the last filled up with zeros, then a file
//! mark. A volume that ends without its end mark is partial; what is written next takes its place.

use super::cache::Cache;
use super::drive::{Drive, RECORD_MAX};
use super::image::{ImageDrive, RECORDS_AFTER_WARNING};
use crate::device::directory::refuse_below_dev;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::name::{VOLUME_SUFFIX, partial_name};
use crate::device::traits::{Device, NewVolume, RECORD_BYTES, VolumeSink, VolumeSource};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every volume is a multiple of so many bytes long: what tells its last bytes from the zeros that fill its last record.
const GRANULE: usize = 64;

/// What a tape must know of the volumes on it, and cannot tell by itself.
#[derive(Debug, Clone, Copy)]
pub struct Namer {
    /// The name of the volume whose first record this is; none if it is no volume.
    pub name: fn(&[u8]) -> Option<String>,
    /// Whether a volume that ends with these bytes was finished.
    pub ends: fn(&[u8]) -> bool,
    /// How many bytes at its end tell that.
    pub tail: usize,
}

/// A tape. Clones share the drive.
#[derive(Clone)]
pub struct TapeDevice {
    shared: Arc<Shared>,
}

struct Shared {
    place: PathBuf,
    namer: Namer,
    record: u32,
    /// Whether its image was made for this device.
    made: AtomicBool,
    reel: Mutex<Reel>,
}

/// Takes away an image that was made for nothing. Nobody else writes to it: the drive, which has it locked, goes after this.
impl Drop for Shared {
    fn drop(&mut self) {
        if self.made.load(Ordering::Relaxed) && fs::metadata(&self.place).is_ok_and(|found| found.len() == 0) {
            // An empty image that stays is a blank tape, no more.
            let _stays = fs::remove_file(&self.place);
        }
    }
}

/// One file of the tape.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TapeFile {
    name: String,
    /// Number of its first record among the objects of the tape.
    first: u64,
    records: u64,
    record_bytes: usize,
    /// Bytes of the volume.
    len: u64,
    /// Number of the object behind it and its file mark, if what stands there must stay.
    behind: Option<u64>,
}

/// A volume of which the tape did not take the last bytes. Those that it was to take next are still here.
#[derive(Clone)]
struct Torn {
    file: TapeFile,
    held: Vec<u8>,
}

struct Reel {
    drive: Box<dyn Drive>,
    /// Where the drive stands, if that is known.
    at: Option<u64>,
    /// Size of records that the drive is set to, if that is known.
    set_to: Option<u32>,
    files: Option<Vec<TapeFile>>,
    /// The volume that the tape did not take to its end.
    torn: Option<Torn>,
    /// Whether something follows the files that could not be read: nothing may be written then.
    unknown: bool,
    writing: bool,
    /// Whether the end of the medium was announced.
    full: bool,
    buffer: Vec<u8>,
    cache: Cache,
}

impl std::fmt::Debug for TapeDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TapeDevice").field("place", &self.shared.place).finish_non_exhaustive()
    }
}

impl TapeDevice {
    /// The tape in a drive, if `path` is a character device, or in a tape image, if it is a file. `capacity`: bytes after
    /// which an image says that its tape ends; drives know for themselves.
    ///
    /// # Errors
    /// There is no such drive or file, it is in use, it must not be written to and is to be.
    pub fn open(path: &Path, namer: Namer, write: bool, capacity: Option<u64>) -> Result<TapeDevice, DeviceError> {
        let fail = |error: io::Error| DeviceError { op: "open", place: path.to_owned(), kind: kind_of(error) };
        let kind = fs::metadata(path).map_err(fail)?.file_type();
        if kind.is_char_device() {
            return Ok(TapeDevice::on(drive(path, write).map_err(fail)?, path, namer, RECORD_BYTES));
        }
        if !kind.is_file() {
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "neither a tape drive nor a tape image")));
        }
        let image = ImageDrive::open(path, write).map_err(fail)?.with_capacity(capacity, RECORDS_AFTER_WARNING);
        Ok(TapeDevice::on(Box::new(image), path, namer, RECORD_BYTES))
    }

    /// As [`TapeDevice::open`], to write; a tape image that is not there is made, blank. If nothing is ever written to it, it
    /// is gone again with the device.
    ///
    /// # Errors
    /// As [`TapeDevice::open`]; the image cannot be made, or would be made among the system's devices, where a drive was meant.
    pub fn for_writing(path: &Path, namer: Namer, capacity: Option<u64>) -> Result<TapeDevice, DeviceError> {
        if !path.exists() {
            refuse_below_dev("open", path)?;
        }
        let made = match fs::File::options().write(true).create_new(true).open(path) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(DeviceError { op: "create", place: path.to_owned(), kind: kind_of(error) }),
        };
        let device = TapeDevice::open(path, namer, true, capacity)?;
        device.shared.made.store(made, Ordering::Relaxed);
        Ok(device)
    }

    /// The tape in any drive, known to people as `place`; volumes are written in records of `record` bytes.
    #[must_use]
    pub fn on(drive: Box<dyn Drive>, place: &Path, namer: Namer, record: u32) -> TapeDevice {
        let reel = Reel {
            drive,
            at: None,
            set_to: None,
            files: None,
            torn: None,
            unknown: false,
            writing: false,
            full: false,
            buffer: Vec::new(),
            cache: Cache::default(),
        };
        let made = AtomicBool::new(false);
        let shared = Shared { place: place.to_owned(), namer, record, made, reel: Mutex::new(reel) };
        TapeDevice { shared: Arc::new(shared) }
    }
}

#[cfg(target_os = "linux")]
fn drive(path: &Path, write: bool) -> io::Result<Box<dyn Drive>> {
    Ok(Box::new(super::st::StDrive::open(path, write)?))
}

#[cfg(not(target_os = "linux"))]
fn drive(_path: &Path, _write: bool) -> io::Result<Box<dyn Drive>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "tape drives are known on Linux alone: name a tape image"))
}

/// What a drive's error means.
fn kind_of(error: io::Error) -> DeviceErrorKind {
    match Errno::from_io_error(&error) {
        Some(Errno::ROFS) => DeviceErrorKind::WriteProtected,
        Some(Errno::NOMEDIUM) => DeviceErrorKind::WrongMedium("there is no tape in the drive".to_owned()),
        _ => error.into(),
    }
}

impl Shared {
    fn failed(&self, op: &'static str, error: io::Error) -> DeviceError {
        DeviceError { op, place: self.place.clone(), kind: kind_of(error) }
    }

    /// The drive. After a panic of its holder nothing is taken for known of it.
    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.reel.lock().unwrap_or_else(|poisoned: PoisonError<MutexGuard<'_, Reel>>| {
            let mut reel = poisoned.into_inner();
            reel.forget();
            reel
        })
    }

    /// The drive, with its files known.
    fn known(&self, op: &'static str) -> Result<MutexGuard<'_, Reel>, DeviceError> {
        let mut reel = self.reel();
        if reel.writing {
            let kind = DeviceErrorKind::Busy(": a volume is being written".to_owned());
            return Err(DeviceError { op, place: self.place.clone(), kind });
        }
        if reel.files.is_none() {
            reel.scan(&self.namer).map_err(|error| self.failed(op, error))?;
        }
        Ok(reel)
    }

    fn file(&self, op: &'static str, name: &str) -> Result<TapeFile, DeviceError> {
        let found = self.known(op)?.files().iter().find(|file| file.name == name).cloned();
        found.ok_or_else(|| DeviceError { op, place: self.place.join(name), kind: DeviceErrorKind::NotFound })
    }
}

impl Reel {
    fn files(&self) -> &[TapeFile] {
        self.files.as_deref().unwrap_or_default()
    }

    /// Takes nothing for known.
    fn forget(&mut self) {
        (self.at, self.set_to, self.files, self.writing) = (None, None, None, false);
        self.cache.clear();
    }

    /// Sets the size of records; 0: whatever comes, for reading.
    fn set(&mut self, record: u32) -> io::Result<()> {
        if self.set_to != Some(record) {
            self.set_to = None;
            self.drive.set_record(record)?;
            self.set_to = Some(record);
        }
        Ok(())
    }

    fn go(&mut self, object: u64) -> io::Result<()> {
        if self.at != Some(object) {
            self.at = None;
            if object == 0 {
                self.drive.rewind()?
            } else {
                self.drive.seek(object)?
            }
            self.at = Some(object);
        }
        Ok(())
    }

    /// Reads an object: the bytes of a record, nothing of a file mark; none behind the end of data.
    fn read(&mut self, object: u64) -> io::Result<Option<Arc<Vec<u8>>>> {
        if let Some(record) = self.cache.get(object) {
            return Ok(Some(record));
        }
        self.set(0)?;
        let len = loop {
            self.go(object)?;
            self.at = None;
            let room = self.buffer.len().max(1 << 20);
            self.buffer.resize(room, 0);
            match self.drive.read(&mut self.buffer) {
                Ok(0) if self.drive.tell()? == object => return Ok(None),
                Ok(len) => break len,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOMEM) && room < RECORD_MAX => {
                    self.buffer.resize(room.saturating_mul(2).min(RECORD_MAX), 0);
                }
                Err(error) => return if self.drive.status()?.end_of_data { Ok(None) } else { Err(error) },
            }
        };
        self.at = object.checked_add(1);
        let record = Arc::new(self.buffer.get(..len).unwrap_or_default().to_vec());
        // A file mark is met once.
        if len > 0 {
            self.cache.put(object, &record);
        }
        Ok(Some(record))
    }

    /// Finds the files of the tape.
    fn scan(&mut self, namer: &Namer) -> io::Result<()> {
        self.forget();
        self.unknown = false;
        if !self.drive.status()?.ready {
            return Err(Errno::NOMEDIUM.into());
        }
        let (mut files, mut names): (Vec<TapeFile>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
        let mut first = 0;
        loop {
            let head = match self.read(first) {
                Ok(Some(head)) => head,
                Ok(None) => break,
                // What comes before can be read all the same; what comes after must not be written over.
                Err(error) if files.is_empty() => return Err(error),
                Err(_) => {
                    self.unknown = true;
                    break;
                }
            };
            if head.is_empty() {
                first = first.saturating_add(1);
                continue;
            }
            let number = files.len().saturating_add(1);
            let (file, next) = match self.file_at(first, &head, number, namer) {
                Err(_) if !files.is_empty() => {
                    self.unknown = true;
                    break;
                }
                other => other?,
            };
            let name = if names.contains(&file.name) { numbered(number) } else { file.name.clone() };
            names.insert(name.clone());
            files.push(TapeFile { name, ..file });
            match next {
                Some(next) => first = next,
                None => break,
            }
        }
        self.files = Some(files);
        Ok(())
    }

    /// The file that begins with a record, and where the next one begins if a file mark follows.
    fn file_at(
        &mut self,
        first: u64,
        head: &[u8],
        number: usize,
        namer: &Namer,
    ) -> io::Result<(TapeFile, Option<u64>)> {
        let marked = match self.drive.space_files(1) {
            Ok(()) => true,
            Err(_) if self.drive.status()?.end_of_data => false,
            // Nothing may be written where nobody knows what follows.
            Err(error) => return Err(error),
        };
        let end = self.drive.tell()?;
        self.at = Some(end);
        let records = end.saturating_sub(first).saturating_sub(u64::from(marked));
        let whole = records.saturating_mul(head.len() as u64);
        let known = (namer.name)(head);
        let mut file = TapeFile {
            name: known.clone().unwrap_or_else(|| numbered(number)),
            first,
            records,
            record_bytes: head.len(),
            len: whole,
            behind: Some(end).filter(|_| marked),
        };
        let finished = marked && self.ends(&mut file, namer);
        if known.is_some() && !finished {
            (file.name, file.len, file.behind) = (partial_name(&file.name), whole, None);
        }
        Ok((file, Some(end).filter(|_| marked)))
    }

    /// Finds where a volume ends in its last record; whether it was finished. One whose end cannot be read may have been, and
    /// stays.
    fn ends(&mut self, file: &mut TapeFile, namer: &Namer) -> bool {
        let Some(last) = file.records.checked_sub(1) else { return false };
        let Ok(Some(record)) = self.read(file.first.saturating_add(last)) else { return true };
        // All records of a file but the last are of one size. What one has beyond that has no place among its bytes.
        let record = record.get(..file.record_bytes).unwrap_or(&record);
        let used = record.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        let used = used.next_multiple_of(GRANULE).min(record.len());
        file.len = last.saturating_mul(file.record_bytes as u64).saturating_add(used as u64);
        let mut tail = record.get(..used).unwrap_or_default().to_vec();
        // An end mark may begin in the record before.
        if let Some(before) = last.checked_sub(1).filter(|_| tail.len() < namer.tail) {
            let Ok(Some(before)) = self.read(file.first.saturating_add(before)) else { return true };
            tail.splice(..0, before.iter().copied());
        }
        let from = tail.len().saturating_sub(namer.tail);
        (namer.ends)(tail.get(from..).unwrap_or_default())
    }

    /// Where the next volume goes: behind the last file that must stay.
    fn behind(&self) -> u64 {
        self.files().iter().rev().find_map(|file| file.behind).unwrap_or(0)
    }

    /// Writes a record. Early warning is remembered; the record goes onto the tape all the same, as long as the tape takes it.
    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        match self.drive.write(record) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOSPC) => {
                self.full = true;
                self.drive.write(record)
            }
            other => other,
        }
    }
}

/// The name of a file that has none of its own.
fn numbered(number: usize) -> String {
    format!("file-{number:06}{VOLUME_SUFFIX}")
}

impl Device for TapeDevice {
    fn describe(&self) -> String {
        format!("tape:{}", self.shared.place.display())
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let mut names: Vec<String> = self.shared.known("list")?.files().iter().map(|file| file.name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let shared = Arc::clone(&self.shared);
        let torn = self.shared.known("open")?.torn.clone();
        if let Some(Torn { file, held }) = torn.filter(|torn| torn.file.name == name) {
            return Ok(Box::new(TornSource { tape: TapeSource { file, shared }, held }));
        }
        let file = self.shared.file("open", name)?;
        Ok(Box::new(TapeSource { file, shared }))
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        const OP: &str = "write to";
        let shared = &self.shared;
        let fail = |kind| DeviceError { op: OP, place: shared.place.clone(), kind };
        let mut reel = shared.known(OP)?;
        if reel.files().iter().any(|file| file.name == name) {
            return Err(fail(DeviceErrorKind::Exists));
        }
        if reel.full {
            return Err(fail(DeviceErrorKind::Full));
        }
        let io = |error| shared.failed(OP, error);
        if reel.unknown || reel.files().last().is_some_and(|last| last.behind.is_none() && !is_partial(last)) {
            let what = "it ends with something that cannot be read: what is there would be lost";
            return Err(fail(DeviceErrorKind::WrongMedium(what.to_owned())));
        }
        if reel.drive.status().map_err(io)?.write_protected {
            return Err(fail(DeviceErrorKind::WriteProtected));
        }
        let first = reel.behind();
        reel.go(first).map_err(io)?;
        reel.set(shared.record).map_err(io)?;
        (reel.writing, reel.torn) = (true, None);
        // What stands behind is gone with the first record.
        reel.cache.clear();
        let held = Vec::with_capacity(shared.record as usize);
        let shared = Arc::clone(shared);
        Ok(Box::new(TapeSink { shared, name: name.to_owned(), first, records: 0, held, ended: false }))
    }

    /// Full before it is begun, where the drive knows that the volume would be begun in vain.
    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        const OP: &str = "write to";
        let shared = &self.shared;
        let mut reel = shared.known(OP)?;
        let first = reel.behind();
        let room = reel.go(first).and_then(|()| reel.drive.room()).map_err(|error| shared.failed(OP, error))?;
        drop(reel);
        if let Some(room) = room {
            let fail = |kind| Err(DeviceError { op: OP, place: shared.place.clone(), kind });
            let records = volume.needed.next_multiple_of(u64::from(shared.record.max(1)));
            if first == 0 && room < volume.needed {
                let what = format!("a volume needs {} bytes, more than the capacity of the tape", volume.needed);
                return fail(DeviceErrorKind::Io(io::Error::new(io::ErrorKind::InvalidInput, what)));
            }
            if first > 0 && room < records {
                return fail(DeviceErrorKind::Full);
            }
        }
        self.create(volume.name)
    }

    /// A volume that is torn at the end of the data gives way to a file mark.
    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        const OP: &str = "write to";
        let Ok(file) = self.shared.file(OP, &partial_name(name)) else { return Ok(()) };
        self.shared.reel().torn = None;
        let mut reel = self.shared.known(OP)?;
        if reel.files().last() != Some(&file) {
            return Ok(());
        }
        let done = reel.go(file.first).and_then(|()| reel.drive.file_marks(1));
        reel.forget();
        done.map_err(|error| self.shared.failed(OP, error))
    }

    /// Forgets what is on the tape: the next volume goes to its beginning, and only then is anything lost.
    fn erase(&self) -> Result<(), DeviceError> {
        let mut reel = self.shared.reel();
        if reel.drive.status().map_err(|error| self.shared.failed("erase", error))?.write_protected {
            let kind = DeviceErrorKind::WriteProtected;
            return Err(DeviceError { op: "erase", place: self.shared.place.clone(), kind });
        }
        (reel.files, reel.torn, reel.unknown, reel.full) = (Some(Vec::new()), None, false, false);
        Ok(())
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn record_bytes(&self) -> u32 {
        self.shared.record
    }
}

fn is_partial(file: &TapeFile) -> bool {
    crate::device::name::finished_name(&file.name).is_some()
}

struct TapeSource {
    file: TapeFile,
    shared: Arc<Shared>,
}

impl VolumeSource for TapeSource {
    fn len(&self) -> u64 {
        self.file.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let place = || self.shared.place.join(&self.file.name);
        let short = |wanted: u64| DeviceError {
            op: "read",
            place: place(),
            kind: DeviceErrorKind::Short { at, wanted, len: self.file.len },
        };
        let wanted = buffer.len() as u64;
        if at.checked_add(wanted).is_none_or(|end| end > self.file.len) {
            return Err(short(wanted));
        }
        let size = self.file.record_bytes as u64;
        let mut done = 0;
        while let Some(room) = buffer.get_mut(done..).filter(|room| !room.is_empty()) {
            let from = at.saturating_add(done as u64);
            let (number, skip) = (from / size, (from % size) as usize);
            let mut reel = self.shared.known("read")?;
            let read = reel.read(self.file.first.saturating_add(number));
            drop(reel);
            let fail = |error| DeviceError { op: "read", place: place(), kind: kind_of(error) };
            let record = read.map_err(fail)?.ok_or_else(|| short(wanted))?;
            let part = record.get(skip..record.len().min(self.file.record_bytes)).unwrap_or_default();
            let take = part.len().min(room.len());
            if take == 0 {
                return Err(short(wanted));
            }
            for (to, from) in room.iter_mut().zip(part) {
                *to = *from;
            }
            done = done.saturating_add(take);
        }
        Ok(())
    }
}

/// A volume with its last bytes, which are on no tape.
struct TornSource {
    tape: TapeSource,
    held: Vec<u8>,
}

impl VolumeSource for TornSource {
    fn len(&self) -> u64 {
        self.tape.len().saturating_add(self.held.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let (wanted, len, on_tape) = (buffer.len() as u64, self.len(), self.tape.len());
        if at.checked_add(wanted).is_none_or(|end| end > len) {
            let place = self.tape.shared.place.join(&self.tape.file.name);
            return Err(DeviceError { op: "read", place, kind: DeviceErrorKind::Short { at, wanted, len } });
        }
        let first = usize::try_from(on_tape.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        let (from_tape, from_held) = buffer.split_at_mut(first);
        if !from_tape.is_empty() {
            self.tape.read_at(at, from_tape)?;
        }
        let skip = usize::try_from(at.saturating_sub(on_tape)).unwrap_or(usize::MAX);
        from_held.iter_mut().zip(self.held.iter().skip(skip)).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

struct TapeSink {
    shared: Arc<Shared>,
    name: String,
    first: u64,
    records: u64,
    /// Bytes that do not fill a record yet.
    held: Vec<u8>,
    ended: bool,
}

impl TapeSink {
    fn failed(&self, op: &'static str, error: io::Error) -> DeviceError {
        self.shared.failed(op, error)
    }

    /// Writes what is held, which is one record.
    fn record(&mut self) -> Result<(), DeviceError> {
        let mut reel = self.shared.reel();
        reel.at = None;
        let written = reel.write(&self.held);
        drop(reel);
        written.map_err(|error| self.failed("write to", error))?;
        self.held.clear();
        self.records = self.records.saturating_add(1);
        Ok(())
    }
}

impl VolumeSink for TapeSink {
    fn append(&mut self, mut bytes: &[u8]) -> Result<(), DeviceError> {
        let size = self.shared.record as usize;
        while !bytes.is_empty() {
            let room = size.saturating_sub(self.held.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() == size {
                self.record()?;
            }
        }
        Ok(())
    }

    /// Until early warning: what a drive still takes after it is many times what index and end mark need.
    fn reserve(&mut self, _bytes: u64) -> Result<bool, DeviceError> {
        Ok(!self.shared.reel().full)
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        let synced = self.shared.reel().drive.file_marks(0);
        synced.map_err(|error| self.failed("sync", error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), DeviceError> {
        let size = self.shared.record as usize;
        let len = self.records.saturating_mul(size as u64).saturating_add(self.held.len() as u64);
        if !self.held.is_empty() {
            self.held.resize(size, 0);
            self.record()?;
        }
        let mut reel = self.shared.reel();
        let ended = reel.drive.file_marks(1);
        ended.map_err(|error| self.failed("write a file mark to", error))?;
        let behind = self.first.saturating_add(self.records).saturating_add(1);
        let file = TapeFile {
            name: self.name.clone(),
            first: self.first,
            records: self.records,
            record_bytes: size,
            len,
            behind: Some(behind),
        };
        let mut files = reel.files.take().unwrap_or_default();
        files.retain(|other| other.first < file.first);
        files.push(file);
        (reel.files, reel.at, reel.writing) = (Some(files), None, false);
        drop(reel);
        self.ended = true;
        Ok(())
    }
}

impl Drop for TapeSink {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (size, name) = (self.shared.record as usize, partial_name(&self.name));
        let len = self.records.saturating_mul(size as u64);
        let file = TapeFile { name, first: self.first, records: self.records, record_bytes: size, len, behind: None };
        let mut reel = self.shared.reel();
        reel.forget();
        reel.torn = Some(Torn { file, held: std::mem::take(&mut self.held) });
    }
}
