//! A single volume in a file of its own, for reading.

use super::directory::{DirectoryDevice, FileSource};
use super::error::{DeviceError, DeviceErrorKind};
use super::traits::{Device, VolumeSink, VolumeSource, VolumeWriter};
use std::path::{Path, PathBuf};

/// One file as a device.
#[derive(Debug, Clone)]
pub struct FileDevice {
    folder: DirectoryDevice,
    path: PathBuf,
    name: String,
}

/// Opens a file to be looked at, whatever its name and whatever it holds.
///
/// # Errors
/// There is no such file, it is none (a folder, a pipe), or it cannot be read.
pub fn open_any(path: &Path) -> Result<Box<dyn VolumeSource>, DeviceError> {
    Ok(Box::new(FileSource::open(path)?))
}

impl FileDevice {
    /// The volume in this file.
    ///
    /// # Errors
    /// There is no such file, or its name is not that of a volume.
    pub fn open(path: &Path) -> Result<FileDevice, DeviceError> {
        let fail = |kind| DeviceError { op: "open", place: path.to_owned(), kind };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => DirectoryDevice::open(parent)?,
            _ => DirectoryDevice::open(".")?,
        };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| fail(DeviceErrorKind::NotFound))?;
        let name = name.to_owned();
        folder.open(&name)?;
        Ok(FileDevice { folder, path: path.to_owned(), name })
    }

    /// The folder that the file lies in.
    #[cfg(feature = "mmap")]
    pub(super) const fn folder(&self) -> &DirectoryDevice {
        &self.folder
    }

    /// Refuses every name but its own.
    pub(super) fn own(&self, op: &'static str, name: &str) -> Result<(), DeviceError> {
        if name == self.name {
            return Ok(());
        }
        Err(DeviceError { op, place: name.into(), kind: DeviceErrorKind::NotFound })
    }
}

impl Device for FileDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    /// The folder that the file lies in.
    fn place(&self) -> String {
        self.folder.place()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(vec![self.name.clone()])
    }

    /// Refuses every name but its own, whatever else lies in the folder.
    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.own("open", name)?;
        self.folder.open(name)
    }

    /// As [`FileDevice::open`].
    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        self.own("look at", name)?;
        self.folder.size(name)
    }

    fn stamp(&self, name: &str) -> Option<String> {
        self.own("look at", name).ok()?;
        self.folder.stamp(name)
    }

    fn writer(&self, name: &str) -> Option<VolumeWriter> {
        self.own("look at", name).ok()?;
        self.folder.writer(name)
    }

    fn may_open(&self, name: &str) -> bool {
        self.own("look at", name).is_err() || self.folder.may_open(name)
    }

    fn file_of(&self, name: &str) -> Option<(u64, u64)> {
        self.own("look at", name).ok()?;
        self.folder.file_of(name)
    }

    /// Always refused: a single file is only read.
    fn create(&self, _name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(DeviceError { op: "write to", place: self.path.clone(), kind: DeviceErrorKind::NotPermitted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_file_of_the_folder_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.ivv"), [1]).unwrap();
        std::fs::write(folder.path().join("b.ivv"), [2, 2]).unwrap();
        let device = FileDevice::open(&folder.path().join("b.ivv")).unwrap();
        assert_eq!(device.list().unwrap(), ["b.ivv"]);
        assert_eq!((device.open("b.ivv").unwrap().len(), device.size("b.ivv").unwrap()), (2, 2));
        let refused = [device.open("a.ivv").err(), device.size("a.ivv").err()];
        assert!(refused.iter().all(|error| matches!(error, Some(DeviceError { kind: DeviceErrorKind::NotFound, .. }))));
        assert!(device.create("c.ivv").is_err());
    }
}
