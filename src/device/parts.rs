//! Several volumes in one file, one behind the other. Where each of them is says whoever opens it.

use super::directory::plain;
use super::error::{DeviceError, DeviceErrorKind, within};
use super::name::VOLUME_SUFFIX;
use super::traits::{Device, VolumeSink, VolumeSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Volumes of one file that are read; what stands behind so many is not.
pub const PARTS_MAX: usize = if cfg!(test) { 40 } else { 10_000 };

/// One volume of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    from: u64,
    len: u64,
    /// Whether it is all that stands behind as many volumes as are read.
    beyond: bool,
}

/// Volumes in one file, for reading.
pub struct PartsDevice {
    path: PathBuf,
    file: Arc<dyn VolumeSource>,
    stamp: Option<String>,
    parts: BTreeMap<String, Part>,
}

impl PartsDevice {
    /// Volumes in the file at `path`, open as `file`: each with the name it is to have, its first byte and its bytes. A volume
    /// without a name, or with one that another has, gets one by its number and place. What is in none of them is told of as
    /// zeros between them. Of more than [`PARTS_MAX`] what is behind so many is one part that cannot be opened.
    #[must_use]
    pub fn new(
        path: &Path,
        file: Box<dyn VolumeSource>,
        volumes: impl IntoIterator<Item = (Option<String>, u64, u64)>,
    ) -> PartsDevice {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for (number, (name, from, len)) in (1usize..).zip(volumes) {
            let beyond = number > PARTS_MAX;
            let name = name.filter(|name| !beyond && !parts.contains_key(name));
            let name = name.unwrap_or_else(|| format!("part-{number:06}-from-byte-{from}{VOLUME_SUFFIX}"));
            let len = if beyond { file.len().saturating_sub(from) } else { len };
            parts.insert(name, Part { from, len, beyond });
            if beyond {
                break;
            }
        }
        PartsDevice { path: path.to_owned(), file: file.into(), stamp: None, parts }
    }

    /// The same, of a file that had this stamp before it was opened: see [`Device::stamp`].
    #[must_use]
    pub fn with_stamp(self, stamp: Option<String>) -> PartsDevice {
        PartsDevice { stamp, ..self }
    }

    fn part(&self, op: &'static str, name: &str) -> Result<&Part, DeviceError> {
        let found = self.parts.get(name);
        found.ok_or_else(|| DeviceError { op, place: self.path.join(name), kind: DeviceErrorKind::NotFound })
    }
}

impl Device for PartsDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(self.parts.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let part = self.part("open", name)?;
        let place = self.path.join(name);
        if part.beyond {
            return Err(DeviceError { op: "read", place, kind: DeviceErrorKind::Beyond { volumes: PARTS_MAX } });
        }
        Ok(Box::new(PartSource { file: Arc::clone(&self.file), from: part.from, len: part.len, place }))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        Ok(self.part("look at", name)?.len)
    }

    /// That of the file, and where in it the volume lies.
    fn stamp(&self, name: &str) -> Option<String> {
        let (part, stamp) = (self.part("look at", name).ok()?, self.stamp.as_ref()?);
        Some(format!("{stamp}:{}", part.from))
    }

    fn remarks(&self) -> Vec<String> {
        let taken = self.parts.values().map(|part| part.len).fold(0, u64::saturating_add);
        let between = self.file.len().saturating_sub(taken);
        let what =
            |bytes: u64| format!("{}: {bytes} bytes beside its volumes are zeros and belong to none", self.describe());
        (between > 0).then(|| what(between)).into_iter().collect()
    }

    /// The folder that the file lies in, and its name.
    fn place(&self) -> String {
        plain(&self.path)
    }

    /// Always refused: what a pipe brought is only read.
    fn create(&self, _name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(DeviceError { op: "write to", place: self.path.clone(), kind: DeviceErrorKind::NotPermitted })
    }
}

struct PartSource {
    file: Arc<dyn VolumeSource>,
    from: u64,
    len: u64,
    place: PathBuf,
}

impl VolumeSource for PartSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let fail = |kind| DeviceError { op: "read", place: self.place.clone(), kind };
        within(self.len, at, buffer).map_err(fail)?;
        self.file.read_at(self.from.saturating_add(at), buffer)
    }

    fn next_data(&self, at: u64) -> u64 {
        let data = self.file.next_data(self.from.saturating_add(at)).saturating_sub(self.from);
        data.clamp(at, self.len.max(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryDevice;
    use super::*;

    #[test]
    fn each_volume_ends_where_it_ends() {
        let memory = MemoryDevice::new();
        memory.insert("all.ivv", (0..9).collect());
        let named = |name: &str| Some(name.to_owned());
        let volumes = vec![(named("b.ivv"), 0, 4), (None, 4, 2), (named("b.ivv"), 6, 3)];
        let device = PartsDevice::new(Path::new("all.ivv"), memory.open("all.ivv").unwrap(), volumes);
        assert_eq!(device.list().unwrap(), ["b.ivv", "part-000002-from-byte-4.ivv", "part-000003-from-byte-6.ivv"]);
        let read = |name: &str, at, bytes| {
            let mut buffer = vec![0; bytes];
            device.open(name).unwrap().read_at(at, &mut buffer).map(|()| buffer)
        };
        assert_eq!(read("part-000003-from-byte-6.ivv", 1, 2).unwrap(), [7, 8]);
        assert_eq!((read("b.ivv", 0, 4).unwrap(), device.size("b.ivv").unwrap()), (vec![0, 1, 2, 3], 4));
        assert!(read("b.ivv", 1, 4).is_err() && device.open("all.ivv").is_err() && device.create("c.ivv").is_err());
        assert_eq!((device.stamp("b.ivv"), device.remarks()), (None, vec![]));
        let device = device.with_stamp(Some("7:9".to_owned()));
        let stamps = ["b.ivv", "part-000003-from-byte-6.ivv", "c.ivv"].map(|name| device.stamp(name));
        assert_eq!(stamps, [Some("7:9:0".to_owned()), Some("7:9:6".to_owned()), None]);
        let device =
            PartsDevice::new(Path::new("all.ivv"), memory.open("all.ivv").unwrap(), vec![(None, 0, 4), (None, 6, 3)]);
        assert_eq!(device.remarks(), ["all.ivv: 2 bytes beside its volumes are zeros and belong to none"]);
    }

    #[test]
    fn what_is_behind_very_many_volumes_is_one_part_that_cannot_be_opened() {
        let memory = MemoryDevice::new();
        memory.insert("all.ivv", vec![1; 1_000]);
        let named = |name: u64| (Some(format!("{name:03}.ivv")), name * 2, 2);
        let device = |volumes: u64| {
            PartsDevice::new(Path::new("all.ivv"), memory.open("all.ivv").unwrap(), (0..volumes).map(named))
        };
        let most = PARTS_MAX as u64;
        let all = device(most);
        assert!(
            all.list().unwrap().iter().all(|name| all.open(name).is_ok()) && all.list().unwrap().len() == PARTS_MAX
        );
        let more = device(most + 100);
        let closed: Vec<String> = more.list().unwrap().into_iter().filter(|name| more.open(name).is_err()).collect();
        assert_eq!((more.list().unwrap().len(), closed.len()), (PARTS_MAX + 1, 1));
        assert_eq!(more.size(&closed[0]).unwrap(), 1_000 - most * 2);
        let said = more.open(&closed[0]).err().unwrap().to_string();
        assert!(said.contains(&format!("more than {PARTS_MAX} volumes")), "{said}");
        assert_eq!(more.remarks(), Vec::<String>::new());
    }
}
