//! Volumes in memory, for tests and for sets that need not outlive the process. Behaves as a directory does: a volume
//! has its name only when it is finished.

use super::error::{DeviceError, DeviceErrorKind};
use super::name::partial_name;
use super::traits::{Device, VolumeSink, VolumeSource};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Volumes = BTreeMap<String, Arc<Vec<u8>>>;

/// A device in memory. Clones share the volumes.
///
/// ```
/// use intervault::device::memory::MemoryDevice;
/// use intervault::device::traits::Device;
/// # fn main() -> Result<(), intervault::device::error::DeviceError> {
/// let device = MemoryDevice::new();
/// let mut sink = device.create("a.ivv")?;
/// sink.append(b"bytes")?;
/// assert_eq!(device.list()?, [".a.ivv.partial"]);
/// sink.finish()?;
/// assert_eq!(device.list()?, ["a.ivv"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryDevice {
    volumes: Arc<Mutex<Volumes>>,
    place: Option<Arc<str>>,
}

impl MemoryDevice {
    /// A device without volumes.
    #[must_use]
    pub fn new() -> MemoryDevice {
        MemoryDevice::default()
    }

    /// A device without volumes that calls itself `place`, so that it can be told from others beside it.
    #[must_use]
    pub fn named(place: &str) -> MemoryDevice {
        MemoryDevice { place: Some(place.into()), ..MemoryDevice::default() }
    }

    /// Puts a volume there as a whole, under any name, in place of one that has that name.
    pub fn insert(&self, name: &str, bytes: Vec<u8>) {
        locked(&self.volumes).insert(name.to_owned(), Arc::new(bytes));
    }

    /// Takes a volume away; `None` if there is none of that name.
    #[must_use = "the bytes of the volume that was taken away"]
    pub fn remove(&self, name: &str) -> Option<Vec<u8>> {
        locked(&self.volumes).remove(name).map(Arc::unwrap_or_clone)
    }

    /// The bytes of a volume; `None` if there is none of that name.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        locked(&self.volumes).get(name).map(|bytes| bytes.to_vec())
    }

    /// A device of its own with the same volumes.
    #[must_use]
    pub fn copy(&self) -> MemoryDevice {
        let volumes = locked(&self.volumes).iter().map(|(name, bytes)| (name.clone(), Arc::clone(bytes))).collect();
        MemoryDevice { volumes: Arc::new(Mutex::new(volumes)), place: self.place.clone() }
    }
}

// The map is whole between any two statements of ours, so a panic elsewhere in its holder does no harm.
fn locked(volumes: &Mutex<Volumes>) -> MutexGuard<'_, Volumes> {
    volumes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(op: &'static str, name: &str, kind: DeviceErrorKind) -> DeviceError {
    DeviceError { op, place: PathBuf::from(name), kind }
}

impl Device for MemoryDevice {
    fn describe(&self) -> String {
        self.place.as_deref().unwrap_or("memory").to_owned()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(locked(&self.volumes).keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let bytes = locked(&self.volumes).get(name).map(Arc::clone);
        let bytes = bytes.ok_or_else(|| failed("open", name, DeviceErrorKind::NotFound))?;
        Ok(Box::new(MemorySource { bytes, name: name.to_owned() }))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        let len = locked(&self.volumes).get(name).map(|bytes| bytes.len() as u64);
        len.ok_or_else(|| failed("look at", name, DeviceErrorKind::NotFound))
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        let removed = locked(&self.volumes).remove(name);
        removed.map(drop).ok_or_else(|| failed("remove", name, DeviceErrorKind::NotFound))
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let partial = partial_name(name);
        let mut volumes = locked(&self.volumes);
        if volumes.contains_key(name) || volumes.contains_key(&partial) {
            return Err(failed("create", name, DeviceErrorKind::Exists));
        }
        volumes.insert(partial.clone(), Arc::default());
        Ok(Box::new(MemorySink { volumes: Arc::clone(&self.volumes), name: name.to_owned(), partial }))
    }

    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        locked(&self.volumes).remove(&partial_name(name));
        Ok(())
    }
}

struct MemorySource {
    bytes: Arc<Vec<u8>>,
    name: String,
}

impl VolumeSource for MemorySource {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(bytes) = self.bytes.get(start..start.saturating_add(buffer.len())) else {
            let kind = DeviceErrorKind::Short { at, wanted: buffer.len() as u64, len: self.len() };
            return Err(failed("read", &self.name, kind));
        };
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

struct MemorySink {
    volumes: Arc<Mutex<Volumes>>,
    name: String,
    partial: String,
}

impl VolumeSink for MemorySink {
    fn readable(&self) -> bool {
        true
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let mut volumes = locked(&self.volumes);
        let volume = volumes.get_mut(&self.partial);
        let volume = volume.ok_or_else(|| failed("append to", &self.name, DeviceErrorKind::NotFound))?;
        Arc::make_mut(volume).extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        let mut volumes = locked(&self.volumes);
        if volumes.contains_key(&self.name) {
            return Err(failed("finish", &self.name, DeviceErrorKind::Exists));
        }
        let bytes = volumes.remove(&self.partial);
        let bytes = bytes.ok_or_else(|| failed("finish", &self.name, DeviceErrorKind::NotFound))?;
        volumes.insert(self.name.clone(), bytes);
        Ok(())
    }
}
