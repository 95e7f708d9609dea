//! Volumes in files, read through memory maps instead of positional reads (feature `mmap`). Does not know blocks.
//!
//! # What a map risks
//! A page that another process has cut off a mapped file cannot be read any more: the operating system then ends the whole
//! process (`SIGBUS`), and no error can be returned. Therefore
//!
//! - only finished volumes are mapped: nothing of this crate ever changes a file that has a finished name. A volume that
//!   is still being written is read by positions;
//! - only regular files are mapped, with the length that they have when they are opened;
//! - every read first asks the system how long the file is now, and fails with [`DeviceErrorKind::Short`] if it was cut.
//!
//! What remains is a file that is cut by somebody else between that question and the copy a moment later, and a medium
//! that fails under the map: a bad sector, or a network share that goes away, is an error for a positional read and the end
//! of the process here. So use it for volumes on local disks that nobody else writes to, best in read-only files, and
//! [`DirectoryDevice`] for everything else.
//!
//! The command line reads by positions, since a map is not faster: 250 MiB of volumes in the page cache took 28 ms by
//! positions and 52 ms by map, their chunks 50 and 69 ms, a scan 60 and 62 ms (`benches/volume.rs`, one run on a busy
//! machine). Every byte is copied once either way, and a map pays for its page faults besides.
#![expect(unsafe_code, reason = "the bytes of a map can be had through raw pointers only")]

use super::directory::{DirectoryDevice, FileSource};
use super::error::{DeviceError, DeviceErrorKind};
use super::file::FileDevice;
use super::name::finished_name;
use super::traits::{Device, NewVolume, VolumeSink, VolumeSource, VolumeWriter, WriteLock};
use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::path::Path;

/// A directory of volumes, or one of its files, read through memory maps. Writes as [`DirectoryDevice`] does.
///
/// ```
/// use intervault::device::map::MapDevice;
/// use intervault::device::traits::Device;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("a.ivv"), b"bytes")?;
/// let source = MapDevice::open(folder.path())?.open("a.ivv")?;
/// let mut bytes = [0; 2];
/// source.read_at(3, &mut bytes)?;
/// assert_eq!(&bytes, b"es");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MapDevice {
    directory: DirectoryDevice,
    /// The only file that is seen, if the device is one file.
    file: Option<FileDevice>,
}

impl MapDevice {
    /// The directory at `path`, or the single volume at `path`.
    ///
    /// # Errors
    /// There is neither, or it cannot be looked at.
    pub fn open(path: impl AsRef<Path>) -> Result<MapDevice, DeviceError> {
        let path = path.as_ref();
        if !path.is_file() {
            return Ok(MapDevice { directory: DirectoryDevice::open(path)?, file: None });
        }
        let file = FileDevice::open(path)?;
        Ok(MapDevice { directory: file.folder().clone(), file: Some(file) })
    }

    fn unmapped(&self) -> &dyn Device {
        self.file.as_ref().map_or(&self.directory as &dyn Device, |file| file)
    }
}

impl Device for MapDevice {
    fn describe(&self) -> String {
        self.unmapped().describe()
    }

    fn place(&self) -> String {
        self.directory.place()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.unmapped().list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        if let Some(file) = &self.file {
            file.own("open", name)?;
        }
        let source = self.directory.source(name)?;
        // An unfinished volume may change, and of nothing there is no map.
        if finished_name(name).is_some() || source.len == 0 {
            return Ok(Box::new(source));
        }
        Ok(Box::new(MapSource::new(source)?))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        self.unmapped().size(name)
    }

    fn stamp(&self, name: &str) -> Option<String> {
        self.unmapped().stamp(name)
    }

    fn writer(&self, name: &str) -> Option<VolumeWriter> {
        self.unmapped().writer(name)
    }

    fn remarks(&self) -> Vec<String> {
        self.unmapped().remarks()
    }

    fn may_open(&self, name: &str) -> bool {
        self.unmapped().may_open(name)
    }

    fn file_of(&self, name: &str) -> Option<(u64, u64)> {
        self.unmapped().file_of(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.unmapped().create(name)
    }

    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.unmapped().begin(volume)
    }

    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        self.unmapped().lock()
    }
}

struct MapSource {
    /// The file, kept open so that its length can be asked for.
    source: FileSource,
    /// Exactly `source.len` bytes, readable, for as long as this lives.
    map: MmapRaw,
}

impl MapSource {
    fn new(source: FileSource) -> Result<MapSource, DeviceError> {
        let fail = |kind| DeviceError { op: "map", place: source.place.clone(), kind };
        let len = addressable(source.len).map_err(fail)?;
        let map = MmapOptions::new().len(len).map_raw_read_only(&source.file).map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => fail(DeviceErrorKind::TooLong { len: source.len }),
            _ => fail(error.into()),
        })?;
        Ok(MapSource { source, map })
    }
}

/// A length as one that a map can have: a range of addresses spans at most half of what an address can say.
fn addressable(len: u64) -> Result<usize, DeviceErrorKind> {
    isize::try_from(len).map(isize::cast_unsigned).map_err(|_| DeviceErrorKind::TooLong { len })
}

impl VolumeSource for MapSource {
    fn len(&self) -> u64 {
        self.source.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let fail = |kind| DeviceError { op: "read", place: self.source.place.clone(), kind };
        let wanted = buffer.len() as u64;
        let end = at.checked_add(wanted).filter(|end| *end <= self.map.len() as u64);
        let (Some(end), Ok(start)) = (end, usize::try_from(at)) else {
            return Err(fail(DeviceErrorKind::Short { at, wanted, len: self.source.len }));
        };
        let now = self.source.file.metadata().map_err(|error| fail(error.into()))?.len();
        if end > now {
            return Err(fail(DeviceErrorKind::Short { at, wanted, len: now }));
        }
        // SAFETY: `start + buffer.len()` is `end`, which does not exceed the length of the map, so that all of the source
        // lies inside one allocation that is readable and lives as long as `self.map`; its length fits an `isize`. The
        // target is a slice of ours of exactly that length, and nobody else can hold a map of ours for writing, so that
        // the two do not overlap. No reference into the map is ever made: another process may change the bytes at any
        // time, and what is checked and used is only the private copy. Pages behind the end of a file that was cut would
        // raise SIGBUS: the file had these bytes a moment ago, see the head of this module for what is left of that risk.
        unsafe {
            std::ptr::copy_nonoverlapping(self.map.as_ptr().add(start), buffer.as_mut_ptr(), buffer.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What reading from a device of files must do, however it reads. `device` reads the folder.
    fn reads_files(folder: &Path, device: &dyn Device) {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 7 / 3) as u8).collect();
        fs::write(folder.join("a.ivv"), &bytes).unwrap();
        fs::write(folder.join("empty.ivv"), []).unwrap();
        fs::write(folder.join(".b.ivv.partial"), &bytes[..10]).unwrap();
        fs::create_dir(folder.join("folder.ivv")).unwrap();
        assert_eq!(device.list().unwrap(), [".b.ivv.partial", "a.ivv", "empty.ivv"]);
        let source = device.open("a.ivv").unwrap();
        assert_eq!((source.len(), device.size("a.ivv").unwrap()), (100_000, 100_000));
        for (at, len) in [(0, 0), (0, 1), (0, 100_000), (4_095, 2), (99_999, 1), (100_000, 0), (31, 8_193)] {
            let mut buffer = vec![0xEE; len + 2];
            source.read_at(at as u64, &mut buffer[1..=len]).unwrap();
            assert_eq!(buffer[1..=len], bytes[at..at + len], "{len} bytes from {at}");
            assert_eq!((buffer[0], buffer[len + 1]), (0xEE, 0xEE), "nothing beside them");
        }
        for (at, len) in [(0, 100_001), (100_000, 1), (100_001, 0), (u64::MAX, 1), (u64::MAX, 0), (u64::MAX - 3, 4)] {
            let error = source.read_at(at, &mut vec![0; len]).unwrap_err();
            let expected = DeviceErrorKind::Short { at, wanted: len as u64, len: 100_000 };
            assert_eq!(error.kind.to_string(), expected.to_string());
        }
        let empty = device.open("empty.ivv").unwrap();
        assert!(empty.is_empty() && empty.read_at(0, &mut []).is_ok());
        assert!(matches!(empty.read_at(0, &mut [0]).unwrap_err().kind, DeviceErrorKind::Short { len: 0, .. }));
        let mut last = [0];
        device.open(".b.ivv.partial").unwrap().read_at(9, &mut last).unwrap();
        assert_eq!(last, bytes[9..10]);
        for refused in ["c.ivv", "folder.ivv", "../a.ivv", "a.txt"] {
            assert!(device.open(refused).is_err(), "{refused}");
        }
        // What is cut under a source that is open is an error where it is missed, and nowhere else.
        fs::File::options().write(true).open(folder.join("a.ivv")).unwrap().set_len(50_000).unwrap();
        let mut buffer = vec![0; 10_000];
        source.read_at(40_000, &mut buffer).unwrap();
        assert_eq!(buffer, bytes[40_000..50_000]);
        for at in [40_001, 60_000, 90_000] {
            let error = source.read_at(at, &mut buffer).unwrap_err();
            assert!(matches!(error.kind, DeviceErrorKind::Short { .. }), "{error}");
        }
        let mut sink = device.create("new.ivv").unwrap();
        sink.append(&bytes).unwrap();
        sink.finish().unwrap();
        assert_eq!(device.open("new.ivv").unwrap().len(), 100_000);
    }

    #[test]
    fn maps_and_positional_reads_do_the_same() {
        let folder = tempfile::tempdir().unwrap();
        reads_files(folder.path(), &DirectoryDevice::open(folder.path()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        reads_files(folder.path(), &MapDevice::open(folder.path()).unwrap());
    }

    #[test]
    fn one_file_is_seen_alone() {
        let folder = tempfile::tempdir().unwrap();
        ["a.ivv", "b.ivv"].iter().for_each(|name| fs::write(folder.path().join(name), [1, 2]).unwrap());
        let device = MapDevice::open(folder.path().join("b.ivv")).unwrap();
        assert_eq!(device.list().unwrap(), ["b.ivv"]);
        assert_eq!(device.open("b.ivv").unwrap().len(), 2);
        assert!(device.open("a.ivv").is_err() && device.create("c.ivv").is_err());
        assert!(MapDevice::open(folder.path().join("c.ivv")).is_err());
    }

    #[test]
    fn lengths_that_no_address_can_say_are_refused() {
        assert_eq!(addressable(5).unwrap(), 5);
        for len in [u64::MAX, 1 << 63] {
            assert!(matches!(addressable(len), Err(DeviceErrorKind::TooLong { len: told }) if told == len));
        }
    }

    #[test]
    fn a_file_longer_than_the_address_space_is_an_error() {
        // A file system in memory takes such lengths, others may not: then there is nothing to open.
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else { return };
        let path = folder.path().join("long.ivv");
        if fs::File::create(&path).unwrap().set_len(1 << 60).is_err() {
            return;
        }
        let error = MapDevice::open(folder.path()).unwrap().open("long.ivv").err().unwrap();
        assert!(matches!(error.kind, DeviceErrorKind::TooLong { len: 0x1000_0000_0000_0000 }), "{error}");
        assert!(DirectoryDevice::open(folder.path()).unwrap().open("long.ivv").is_ok());
    }
}
