//! Files of any name and any content, for reading: what is left of volumes. Knows no blocks; the records of tape images are
//! put one behind the other, so that what lies across two of them is in one piece.

use super::directory::FileSource;
use super::error::{DeviceError, DeviceErrorKind};
use super::traits::{Device, VolumeSink, VolumeSource};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Longest record of a tape image.
const RECORD_MAX: u64 = 8 << 20;

/// Stretches of a file that are told apart, at most; what follows is taken as it is.
const STRETCHES_MAX: usize = 1 << 20;

/// One file, or all files in a folder. Folders in it are not looked into, and nothing is opened that is no file.
#[derive(Debug)]
pub struct HeapDevice {
    path: PathBuf,
    files: BTreeMap<String, PathBuf>,
}

impl HeapDevice {
    /// The file, or the files of the folder, at a path.
    ///
    /// # Errors
    /// There is nothing, or it cannot be read; it is neither a file nor a folder.
    pub fn open(path: &Path) -> Result<HeapDevice, DeviceError> {
        let fail = |error: std::io::Error| DeviceError { op: "open", place: path.to_owned(), kind: error.into() };
        let about = std::fs::metadata(path).map_err(fail)?;
        let mut files = BTreeMap::new();
        if about.is_file() {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            files.insert(name, path.to_owned());
        } else if about.is_dir() {
            for entry in std::fs::read_dir(path).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                    continue;
                }
                let mut name = entry.file_name().to_string_lossy().into_owned();
                while files.contains_key(&name) {
                    name.push('+');
                }
                files.insert(name, entry.path());
            }
        } else {
            let kind = DeviceErrorKind::Io(std::io::Error::other("it is neither a file nor a folder"));
            return Err(DeviceError { op: "open", place: path.to_owned(), kind });
        }
        Ok(HeapDevice { path: path.to_owned(), files })
    }
}

impl Device for HeapDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(self.files.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let place = self.path.join(name);
        let fail = |kind| DeviceError { op: "open", place: place.clone(), kind };
        let path = self.files.get(name).ok_or_else(|| fail(DeviceErrorKind::NotFound))?;
        let file = File::open(path).map_err(|error| fail(error.into()))?;
        let len = file.metadata().map_err(|error| fail(error.into()))?.len();
        let source = Box::new(FileSource { file, len, place: path.clone() });
        Ok(match stretches(source.as_ref()) {
            Some(stretches) => Box::new(Stretched::new(source, stretches)),
            None => source,
        })
    }

    /// Always refused: what is left of volumes is only read.
    fn create(&self, _name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(DeviceError { op: "write to", place: self.path.clone(), kind: DeviceErrorKind::NotPermitted })
    }
}

/// Where the records of a tape image lie in its file: first byte and bytes of each. `None` if it is no tape image.
fn stretches(source: &dyn VolumeSource) -> Option<Vec<(u64, u64)>> {
    let number = |at: u64| {
        let mut bytes = [0; 4];
        source.read_at(at, &mut bytes).ok().map(|()| u64::from(u32::from_le_bytes(bytes)))
    };
    let stored = |len: u64| len.next_multiple_of(2).saturating_add(4);
    let record_at = |at: u64| {
        let len = number(at).filter(|len| (1..=RECORD_MAX).contains(len))?;
        (number(at.saturating_add(stored(len))) == Some(len)).then_some(len)
    };
    let mut usual = record_at(0)?;
    let (mut found, mut at) = (Vec::new(), 0u64);
    while at < source.len() && found.len() < STRETCHES_MAX {
        let left = source.len().saturating_sub(at);
        let len = match (record_at(at), number(at)) {
            (Some(len), _) => len,
            (None, Some(0)) => {
                at = at.saturating_add(4);
                continue;
            }
            // A length that is damaged: the record is as long as the one before if another one follows it then.
            (None, _) if record_at(at.saturating_add(stored(usual)).saturating_add(4)).is_some() => usual,
            (None, _) => {
                found.push((at, left));
                return Some(found);
            }
        };
        usual = len;
        found.push((at.saturating_add(4), len.min(left.saturating_sub(4))));
        at = at.saturating_add(stored(len)).saturating_add(4);
    }
    if at < source.len() {
        found.push((at, source.len().saturating_sub(at)));
    }
    Some(found)
}

/// Stretches of a file, one behind the other.
struct Stretched {
    file: Box<dyn VolumeSource>,
    /// First byte of each as it is read, its first byte in the file, its bytes.
    stretches: Vec<(u64, u64, u64)>,
    len: u64,
}

impl Stretched {
    fn new(file: Box<dyn VolumeSource>, found: Vec<(u64, u64)>) -> Stretched {
        let mut len = 0u64;
        let mut stretches = Vec::with_capacity(found.len());
        for (from, bytes) in found {
            stretches.push((len, from, bytes));
            len = len.saturating_add(bytes);
        }
        Stretched { file, stretches, len }
    }
}

impl VolumeSource for Stretched {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let wanted = buffer.len() as u64;
        if at.checked_add(wanted).is_none_or(|end| end > self.len) {
            let kind = DeviceErrorKind::Short { at, wanted, len: self.len };
            return Err(DeviceError { op: "read", place: PathBuf::from("a tape image"), kind });
        }
        let first = self.stretches.partition_point(|(start, _, bytes)| start.saturating_add(*bytes) <= at);
        let (mut at, mut rest) = (at, buffer);
        for (start, from, bytes) in self.stretches.iter().skip(first) {
            if rest.is_empty() {
                break;
            }
            let inside = at.saturating_sub(*start);
            let take = usize::try_from(bytes.saturating_sub(inside)).unwrap_or(usize::MAX).min(rest.len());
            let (here, behind) = rest.split_at_mut(take);
            self.file.read_at(from.saturating_add(inside), here)?;
            at = at.saturating_add(take as u64);
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(records: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records {
            let len = (record.len() as u32).to_le_bytes();
            out.extend(len);
            out.extend(*record);
            out.extend(vec![0; record.len() % 2]);
            if !record.is_empty() {
                out.extend(len);
            }
        }
        out
    }

    fn read(bytes: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("some thing"), bytes).unwrap();
        let device = HeapDevice::open(folder.path()).unwrap();
        assert_eq!(device.list().unwrap(), ["some thing"]);
        let source = device.open("some thing").unwrap();
        let mut whole = vec![0; source.len() as usize];
        source.read_at(0, &mut whole).unwrap();
        let middle = whole.len() / 2;
        let mut part = vec![0; middle];
        source.read_at(1, &mut part).unwrap();
        assert_eq!(part, whole[1..][..middle]);
        whole
    }

    #[test]
    fn records_of_a_tape_image_are_read_as_one() {
        let whole = image(&[b"abcdefgh", b"ijk", b"", b"lmnopqrs"]);
        assert_eq!(read(&whole), b"abcdefghijklmnopqrs");
        assert_eq!(read(b"no tape image at all"), b"no tape image at all");
        let mut hurt = image(&[b"abcdefgh", b"ijklmnop", b"qrstuvwx"]);
        hurt[16] ^= 0x40;
        assert_eq!(read(&hurt), b"abcdefghijklmnopqrstuvwx", "one length that is damaged costs nothing");
        hurt.truncate(30);
        assert_eq!(read(&hurt)[..8], *b"abcdefgh");
    }

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("a"), [1]).unwrap();
        assert_eq!(HeapDevice::open(folder.path()).unwrap().list().unwrap(), ["a"]);
        let one = HeapDevice::open(&folder.path().join("a")).unwrap();
        assert!(one.open("a").is_ok() && one.open("b").is_err() && one.create("c").is_err());
        assert!(HeapDevice::open(&folder.path().join("nothing")).is_err());
    }
}
