//! A directory of files, one per volume. A volume is written under a partial name, synced, then given its name without
//! overwriting, then the directory is synced: a file with a volume's name is whole, whatever happened before.

use super::error::{DeviceError, DeviceErrorKind};
use super::lock::{DirectoryLock, Held};
use super::name::{is_volume_name, partial_name};
use super::traits::{Device, NewVolume, VolumeSink, VolumeSource, VolumeWriter, WriteLock};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Volumes as files in one directory.
#[derive(Debug, Clone)]
pub struct DirectoryDevice {
    path: PathBuf,
    capacity: Option<u64>,
    held: Held,
}

/// Room that a volume asks the file system for at a time, so that it is not asked for every block.
const AHEAD: u64 = 16 << 20;

/// Folders of the system's devices: what is made there is in memory, and gone when the machine is switched off.
const DEVICES: &str = "/dev";
/// The one among them that is made for files of anybody.
const SHARED_MEMORY: &str = "/dev/shm";

/// Refuses to make something that is not there among the system's devices: it is a drive that was meant.
///
/// # Errors
/// [`DeviceErrorKind::NoDrive`].
pub fn refuse_below_dev(op: &'static str, path: &Path) -> Result<(), DeviceError> {
    let above = path.ancestors().skip(1).find_map(|above| fs::canonicalize(above).ok());
    let below =
        |folder: &str| path.starts_with(folder) || above.as_ref().is_some_and(|above| above.starts_with(folder));
    if below(DEVICES) && !below(SHARED_MEMORY) {
        return Err(DeviceError { op, place: path.to_owned(), kind: DeviceErrorKind::NoDrive });
    }
    Ok(())
}

impl DirectoryDevice {
    /// The directory at `path`, which must exist.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be looked at.
    pub fn open(path: impl Into<PathBuf>) -> Result<DirectoryDevice, DeviceError> {
        let path = path.into();
        let fail = |kind| DeviceError { op: "open", place: path.clone(), kind };
        let found = fs::metadata(&path).map_err(|error| fail(error.into()))?;
        if !found.is_dir() && !found.is_file() {
            let reason = io::Error::new(io::ErrorKind::NotADirectory, "it is neither a folder nor a file");
            return Err(fail(DeviceErrorKind::Io(reason)));
        }
        if !found.is_dir() {
            return Err(fail(DeviceErrorKind::Io(io::Error::from(io::ErrorKind::NotADirectory))));
        }
        Ok(DirectoryDevice { path, capacity: None, held: Held::default() })
    }

    /// The directory at `path`, to write to. If it is not there, [`Device::lock`] makes it, with those above it.
    ///
    /// # Errors
    /// Something that is no directory has its name, or it cannot be looked at; it would be made among the system's devices.
    pub fn for_writing(path: impl Into<PathBuf>) -> Result<DirectoryDevice, DeviceError> {
        let path = path.into();
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_below_dev("create", &path)?;
                Ok(DirectoryDevice { path, capacity: None, held: Held::default() })
            }
            _ => DirectoryDevice::open(path),
        }
    }

    /// The same, with room for so many bytes of volumes and no more, those included that are there already, finished or not.
    #[must_use]
    pub fn with_capacity(self, capacity: Option<u64>) -> DirectoryDevice {
        DirectoryDevice { capacity, ..self }
    }

    /// Bytes of the volumes that are there.
    fn used(&self) -> Result<u64, DeviceError> {
        // What cannot be looked at takes no room here, or none that could be told.
        Ok(self.list()?.iter().map(|name| self.size(name).unwrap_or(0)).fold(0, u64::saturating_add))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a volume, which must be a regular file.
    pub(super) fn source(&self, name: &str) -> Result<FileSource, DeviceError> {
        FileSource::open(&self.file("open", name)?)
    }

    /// Names may come from a stored label: none may lead out of the directory.
    fn file(&self, op: &'static str, name: &str) -> Result<PathBuf, DeviceError> {
        let place = self.path.join(name);
        if name.contains(char::REPLACEMENT_CHARACTER) && fs::symlink_metadata(&place).is_err() {
            let reason = "its name is no UTF-8: give it one that a volume has".to_owned();
            return Err(DeviceError { op, place, kind: DeviceErrorKind::NoVolume(reason) });
        }
        let plain = place.parent() == Some(&self.path) && place.file_name().is_some_and(|file| file == name);
        if plain && is_volume_name(name) {
            return Ok(place);
        }
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "not the name of a volume: it must end in .ivv");
        Err(DeviceError { op, place, kind: DeviceErrorKind::Io(reason) })
    }
}

impl Device for DirectoryDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn place(&self) -> String {
        plain(&self.path)
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let fail = |error: io::Error| DeviceError { op: "list", place: self.path.clone(), kind: error.into() };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // What is no file (a folder, a pipe) is no volume either, and may block whoever opens it. A name that is not UTF-8 is
            // none that this device gave: it is listed as it is shown, and cannot be opened.
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_volume_name(&name) && may_be_file(&entry) {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        Ok(Box::new(self.source(name)?))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        let place = self.file("look at", name)?;
        fs::metadata(&place).map(|found| found.len()).map_err(|error| {
            let kind = kind_at(&place, error);
            DeviceError { op: "look at", place, kind }
        })
    }

    /// The file system, the file's number in it, when its bytes and when anything of it was changed last, and how many bytes it
    /// has.
    fn stamp(&self, name: &str) -> Option<String> {
        let path = self.file("look at", name).ok()?;
        let found = fs::metadata(&path).ok()?;
        let system = file_system(&path, &found)?;
        let (bytes, any) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
        Some(format!("{system}:{}:{}.{:09}:{}.{:09}:{}", found.ino(), bytes.0, bytes.1, any.0, any.1, found.len()))
    }

    fn writer(&self, name: &str) -> Option<VolumeWriter> {
        fs::symlink_metadata(self.file("look at", name).ok()?).ok()?;
        super::lock::writer(&self.path)
    }

    fn may_open(&self, name: &str) -> bool {
        use rustix::fs::{Access, access};
        use rustix::io::Errno;
        self.file("look at", name).map_or(true, |path| access(path, Access::READ_OK) != Err(Errno::ACCESS))
    }

    /// File system and number.
    fn file_of(&self, name: &str) -> Option<(u64, u64)> {
        let found = fs::metadata(self.file("look at", name).ok()?).ok()?;
        Some((found.dev(), found.ino()))
    }

    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let fail = |kind| DeviceError { op: "create", place: self.path.join(volume.name), kind };
        if self.capacity.is_some_and(|capacity| volume.needed > capacity) {
            let what = format!("a volume needs {} bytes, more than the capacity of the folder", volume.needed);
            return Err(fail(DeviceErrorKind::Io(io::Error::new(io::ErrorKind::InvalidInput, what))));
        }
        if let Some(capacity) = self.capacity
            && self.used()?.saturating_add(volume.needed) > capacity
        {
            return Err(fail(DeviceErrorKind::Full));
        }
        self.create(volume.name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let place = self.file("create", name)?;
        let fail = |kind| DeviceError { op: "create", place: place.clone(), kind };
        if fs::symlink_metadata(&place).is_ok() {
            return Err(fail(DeviceErrorKind::Exists));
        }
        let limit = match self.capacity {
            Some(capacity) => capacity.saturating_sub(self.used()?),
            None => u64::MAX,
        };
        // Said before there is anything of it: it is never taken for one that was given up.
        self.held.begin(name);
        let partial = self.path.join(partial_name(name));
        let file = File::options().write(true).create_new(true).open(&partial);
        let file = file.map_err(|error| fail(error.into()))?;
        let directory = self.path.clone();
        Ok(Box::new(FileSink { file, partial, place, directory, len: 0, limit, reserved: 0 }))
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        let place = self.file("remove", name)?;
        let removed = fs::remove_file(&place).and_then(|()| File::open(&self.path)?.sync_all());
        removed.map_err(|error| DeviceError { op: "remove", place, kind: error.into() })
    }

    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        let place = self.file("remove", name)?.with_file_name(partial_name(name));
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DeviceError { op: "remove", place, kind: error.into() })
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        Ok(Box::new(DirectoryLock::take(&self.path, &self.held)?))
    }
}

/// A path, spelt without what says nothing.
pub(super) fn plain(path: &Path) -> String {
    path.components().collect::<PathBuf>().display().to_string()
}

/// What tells a file system from another one that was mounted in the same place: the id that it was made with, else its device.
/// Nothing for those that do not keep when a file was changed, or number files as they are met: another medium looks the same
/// there.
fn file_system(path: &Path, found: &fs::Metadata) -> Option<String> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // FAT, exFAT, and what runs in a process of its own (FUSE), of which nobody knows.
        const FORGETFUL: [rustix::fs::FsWord; 3] = [0x4D44, 0x2011_BAB0, 0x6573_5546];
        if FORGETFUL.contains(&rustix::fs::statfs(path).ok()?.f_type) {
            return None;
        }
    }
    let id = rustix::fs::statvfs(path).ok()?.f_fsid;
    Some(if id == 0 { format!("device {:x}", found.dev()) } else { format!("{id:x}") })
}

/// A volume that is a file, read by positions.
pub(super) struct FileSource {
    pub(super) file: File,
    /// Bytes when it was opened.
    pub(super) len: u64,
    pub(super) place: PathBuf,
}

impl FileSource {
    /// Opens a regular file, whatever its name.
    pub(super) fn open(place: &Path) -> Result<FileSource, DeviceError> {
        let fail = |error: io::Error| DeviceError { op: "open", place: place.to_owned(), kind: kind_at(place, error) };
        // What is no file may block whoever opens it.
        let file = fs::metadata(place).and_then(|found| match found.is_file() {
            true => File::open(place),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")),
        });
        let file = file.map_err(fail)?;
        let found = file.metadata().map_err(fail)?;
        Ok(FileSource { file, len: found.len(), place: place.to_owned() })
    }
}

impl VolumeSource for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let fail = |kind| DeviceError { op: "read", place: self.place.clone(), kind };
        let wanted = buffer.len() as u64;
        let short = DeviceErrorKind::Short { at, wanted, len: self.len };
        if at.checked_add(wanted).is_none_or(|end| end > self.len) {
            return Err(fail(short));
        }
        // The file may have been cut since it was opened.
        self.file.read_exact_at(buffer, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => fail(short),
            _ => fail(error.into()),
        })
    }

    fn next_data(&self, at: u64) -> u64 {
        data_from(&self.file, at).map_or(at, |data| data.clamp(at, self.len.max(at)))
    }
}

/// Where the next bytes of a file are that are stored at all, from `at` on; its end if there are none, nothing if the file system
/// does not say.
fn data_from(file: &File, at: u64) -> Option<u64> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{SeekFrom, seek};
        use rustix::io::Errno;
        // Nobody reads from where a seek leads: reads name their place.
        match seek(file, SeekFrom::Data(at)) {
            Ok(data) => Some(data),
            Err(Errno::NXIO) => Some(u64::MAX),
            Err(_) => None,
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _unasked = (file, at);
        None
    }
}

struct FileSink {
    file: File,
    partial: PathBuf,
    place: PathBuf,
    directory: PathBuf,
    /// Bytes so far.
    len: u64,
    /// Bytes that the volume may have.
    limit: u64,
    /// Bytes from its start for which the file system has given room.
    reserved: u64,
}

impl FileSink {
    fn failed(&self, op: &'static str, error: io::Error) -> DeviceError {
        DeviceError { op, place: self.place.clone(), kind: error.into() }
    }

    /// Gives back the room that was asked for and not used.
    fn give_back(&self) {
        if self.reserved > self.len && self.reserved != u64::MAX {
            // It is room lost, no more, if the file system does not take it back.
            let _room = self.file.set_len(self.len);
        }
    }
}

/// A volume that is given up stays as far as it was written.
impl Drop for FileSink {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl VolumeSink for FileSink {
    fn readable(&self) -> bool {
        true
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.file.write_all(bytes).map_err(|error| self.failed("append to", error))?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn reserve(&mut self, bytes: u64) -> Result<bool, DeviceError> {
        let wanted = self.len.saturating_add(bytes);
        if wanted > self.limit {
            return Ok(false);
        }
        if wanted <= self.reserved {
            return Ok(true);
        }
        for end in [wanted.saturating_add(AHEAD), wanted] {
            match allocate(&self.file, self.reserved, end) {
                Ok(known) => {
                    self.reserved = if known { end } else { u64::MAX };
                    return Ok(true);
                }
                Err(error) if is_full(&error) => {}
                Err(error) => return Err(self.failed("make room for", error)),
            }
        }
        Ok(false)
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        self.file.sync_data().map_err(|error| self.failed("sync", error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), DeviceError> {
        self.give_back();
        self.reserved = 0;
        self.file.sync_all().map_err(|error| self.failed("sync", error))?;
        rename_new(&self.partial, &self.place).map_err(|error| self.failed("name", error))?;
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| self.failed("sync the directory of", error))
    }
}

/// Whether a directory entry is a file, or leads to one, or cannot be looked at: a link to what is not there may be one to a
/// volume. Most directories tell without a look at the file.
fn may_be_file(entry: &fs::DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => kind.is_file(),
        _ => fs::metadata(entry.path()).map_or(true, |found| found.is_file()),
    }
}

/// The kind of an error at a place. What a link leads to may be on a disk that is not here: that is another error than that
/// nothing is there.
fn kind_at(place: &Path, error: io::Error) -> DeviceErrorKind {
    let is_link = || fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink());
    let refused = error.kind() == io::ErrorKind::PermissionDenied;
    if !refused && is_link() && fs::metadata(place).is_err() {
        return DeviceErrorKind::NoVolume("the link leads to nothing that is here".to_owned());
    }
    error.into()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Asks the file system for the room from byte `from` to byte `to` of a file, whose length stays. False if it does not know
/// how to promise room.
fn allocate(file: &File, from: u64, to: u64) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::{Errno, retry_on_intr};
        let len = to.saturating_sub(from);
        match retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, from, len)) {
            Ok(()) => Ok(true),
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _unasked = (file, from, to);
        Ok(false)
    }
}

/// Renames, but never over something that is there.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // Some file systems do not know the flag; a link does not overwrite either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(folder: &Path) -> FileSink {
        let place = folder.join("a-01.00ff10ab.ivv");
        let partial = folder.join(partial_name("a-01.00ff10ab.ivv"));
        let file = File::options().write(true).create_new(true).open(&partial).unwrap();
        FileSink { file, partial, place, directory: folder.to_owned(), len: 0, limit: u64::MAX, reserved: 0 }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn room_is_asked_for_ahead_and_what_is_not_used_is_given_back() {
        use rustix::fs::{FallocateFlags, fallocate};
        let folder = tempfile::tempdir().unwrap();
        let probe = File::create(folder.path().join("probe")).unwrap();
        if fallocate(&probe, FallocateFlags::KEEP_SIZE, 0, 4096).is_err() {
            return;
        }
        let mut sink = sink(folder.path());
        assert!(sink.reserve(1_000).unwrap());
        let room = || sink.file.metadata().unwrap().blocks() * 512;
        assert_eq!(sink.reserved, 1_000 + AHEAD);
        assert!(room() >= 1_000 + AHEAD, "{} bytes have room", room());
        sink.append(&[7; 1_000]).unwrap();
        assert!(sink.reserve(AHEAD).unwrap());
        assert_eq!(sink.reserved, 1_000 + AHEAD, "what has room is asked for again");
        let place = sink.place.clone();
        Box::new(sink).finish().unwrap();
        let found = fs::metadata(place).unwrap();
        assert_eq!(found.len(), 1_000);
        assert!(found.blocks() * 512 < AHEAD, "{} bytes are kept", found.blocks() * 512);
    }

    #[test]
    fn what_was_synced_is_read_under_the_partial_name() {
        let folder = tempfile::tempdir().unwrap();
        let device = DirectoryDevice::open(folder.path()).unwrap();
        let mut sink = sink(folder.path());
        sink.append(b"some bytes").unwrap();
        sink.sync().unwrap();
        assert!(sink.readable());
        let mut bytes = [0; 10];
        device.open(&partial_name("a-01.00ff10ab.ivv")).unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"some bytes");
    }

    /// The system's null device takes bytes and syncs none.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_sync_that_fails_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::options().write(true).open("/dev/null").unwrap();
        let mut sink = sink(folder.path());
        sink.file = file;
        sink.append(b"some bytes").unwrap();
        assert_eq!(sink.sync().unwrap_err().op, "sync");
    }
}
