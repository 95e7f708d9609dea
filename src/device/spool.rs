//! Volumes in files that have no name in any folder: what came through a pipe, while it is read. Their room is given back when
//! the process ends, however it ends.

use super::directory::FileSource;
use super::error::{DeviceError, DeviceErrorKind};
use super::name::partial_name;
use super::traits::{Device, VolumeSink, VolumeSource};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Volumes = BTreeMap<String, File>;

/// A device on nameless files in one folder. As in a directory, a volume has its name only when it is finished.
///
/// ```
/// use intervault::device::spool::SpoolDevice;
/// use intervault::device::traits::Device;
/// # fn main() -> Result<(), intervault::device::error::DeviceError> {
/// let device = SpoolDevice::new("standard input", std::env::temp_dir());
/// let mut sink = device.create("a.ivv")?;
/// sink.append(b"bytes")?;
/// assert_eq!(device.list()?, [".a.ivv.partial"]);
/// sink.finish()?;
/// let mut read = [0; 3];
/// device.open("a.ivv")?.read_at(2, &mut read)?;
/// assert_eq!((&read, device.size("a.ivv")?), (b"tes", 5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SpoolDevice {
    name: String,
    /// Where its files take their room; `None`: where temporary files go.
    folder: Option<PathBuf>,
    volumes: Arc<Mutex<Volumes>>,
}

impl SpoolDevice {
    /// A device without volumes that people know by `name`; its files take their room where `folder` is.
    #[must_use]
    pub fn new(name: &str, folder: impl Into<PathBuf>) -> SpoolDevice {
        SpoolDevice { folder: Some(folder.into()), ..SpoolDevice::temporary(name) }
    }

    /// The same, where temporary files go.
    #[must_use]
    pub fn temporary(name: &str) -> SpoolDevice {
        SpoolDevice { name: name.to_owned(), folder: None, volumes: Arc::default() }
    }

    /// The folder for people.
    fn place(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| "the folder of temporary files".into())
    }

    fn failed(&self, op: &'static str, kind: DeviceErrorKind) -> DeviceError {
        DeviceError { op, place: self.name.clone().into(), kind }
    }

    fn file(&self, op: &'static str, name: &str) -> Result<File, DeviceError> {
        match locked(&self.volumes).get(name).map(File::try_clone) {
            Some(file) => file.map_err(|error| self.failed(op, error.into())),
            None => Err(self.failed(op, DeviceErrorKind::NotFound)),
        }
    }
}

/// The map is whole between any two statements.
fn locked(volumes: &Mutex<Volumes>) -> MutexGuard<'_, Volumes> {
    volumes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device for SpoolDevice {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(locked(&self.volumes).keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let file = self.file("open", name)?;
        let len = file.metadata().map_err(|error| self.failed("open", error.into()))?.len();
        Ok(Box::new(FileSource { file, len, place: Path::new(&self.name).join(name) }))
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let partial = partial_name(name);
        let mut volumes = locked(&self.volumes);
        if volumes.contains_key(name) || volumes.contains_key(&partial) {
            return Err(self.failed("create", DeviceErrorKind::Exists));
        }
        let place = self.place();
        let fail = |error: io::Error| DeviceError { op: "make room in", place: place.clone(), kind: error.into() };
        let file = self.folder.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in).map_err(fail)?;
        volumes.insert(partial.clone(), file.try_clone().map_err(fail)?);
        Ok(Box::new(SpoolSink { file, device: self.clone(), name: name.to_owned(), partial }))
    }
}

struct SpoolSink {
    file: File,
    device: SpoolDevice,
    name: String,
    partial: String,
}

impl VolumeSink for SpoolSink {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let fail = |error: io::Error| DeviceError { op: "write to", place: self.device.place(), kind: error.into() };
        self.file.write_all(bytes).map_err(fail)
    }

    /// Does nothing: nothing here outlives the process.
    fn sync(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        let mut volumes = locked(&self.device.volumes);
        let file = volumes.remove(&self.partial);
        let file = file.ok_or_else(|| self.device.failed("finish", DeviceErrorKind::NotFound))?;
        volumes.insert(self.name.clone(), file);
        Ok(())
    }
}
