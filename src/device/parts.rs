//! Several volumes in one file, one behind the other. Where each of them is says whoever opens it.

use super::error::{DeviceError, DeviceErrorKind, within};
use super::name::VOLUME_SUFFIX;
use super::traits::{Device, VolumeSink, VolumeSource};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One volume of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    from: u64,
    len: u64,
}

/// Volumes in one file, for reading.
pub struct PartsDevice {
    path: PathBuf,
    file: Arc<dyn VolumeSource>,
    parts: Vec<Part>,
}

impl PartsDevice {
    /// Volumes in the file at `path`, open as `file`: each with the name it is to have, its first byte and its bytes. A volume
    /// without a name, or with one that another has, gets one by its number.
    #[must_use]
    pub fn new(path: &Path, file: Box<dyn VolumeSource>, volumes: Vec<(Option<String>, u64, u64)>) -> PartsDevice {
        let mut parts: Vec<Part> = Vec::new();
        for (number, (name, from, len)) in (1u32..).zip(volumes) {
            let name = name.filter(|name| parts.iter().all(|part| part.name != *name));
            let name = name.unwrap_or_else(|| format!("part-{number:06}{VOLUME_SUFFIX}"));
            parts.push(Part { name, from, len });
        }
        PartsDevice { path: path.to_owned(), file: file.into(), parts }
    }

    fn part(&self, op: &'static str, name: &str) -> Result<&Part, DeviceError> {
        let found = self.parts.iter().find(|part| part.name == name);
        found.ok_or_else(|| DeviceError { op, place: self.path.join(name), kind: DeviceErrorKind::NotFound })
    }
}

impl Device for PartsDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let mut names: Vec<String> = self.parts.iter().map(|part| part.name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let part = self.part("open", name)?;
        let place = self.path.join(name);
        Ok(Box::new(PartSource { file: Arc::clone(&self.file), from: part.from, len: part.len, place }))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        Ok(self.part("look at", name)?.len)
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
        assert_eq!(device.list().unwrap(), ["b.ivv", "part-000002.ivv", "part-000003.ivv"]);
        let read = |name: &str, at, bytes| {
            let mut buffer = vec![0; bytes];
            device.open(name).unwrap().read_at(at, &mut buffer).map(|()| buffer)
        };
        assert_eq!(read("part-000003.ivv", 1, 2).unwrap(), [7, 8]);
        assert_eq!((read("b.ivv", 0, 4).unwrap(), device.size("b.ivv").unwrap()), (vec![0, 1, 2, 3], 4));
        assert!(read("b.ivv", 1, 4).is_err() && device.open("all.ivv").is_err() && device.create("c.ivv").is_err());
    }
}
