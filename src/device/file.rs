//! A single volume in a file of its own, for reading.

use super::directory::DirectoryDevice;
use super::error::{DeviceError, DeviceErrorKind};
use super::traits::{Device, VolumeSink, VolumeSource};
use std::path::{Path, PathBuf};

/// One file as a device.
pub struct FileDevice {
    folder: DirectoryDevice,
    path: PathBuf,
    name: String,
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
}

impl Device for FileDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(vec![self.name.clone()])
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        if name != self.name {
            return Err(DeviceError { op: "open", place: name.into(), kind: DeviceErrorKind::NotFound });
        }
        self.folder.open(name)
    }

    /// Always refused: a single file is only read.
    fn create(&self, _name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(DeviceError { op: "write to", place: self.path.clone(), kind: DeviceErrorKind::NotPermitted })
    }
}
