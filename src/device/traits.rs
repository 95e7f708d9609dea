//! The device traits.

use super::error::{DeviceError, DeviceErrorKind};

/// A place that holds volumes, each under a name.
pub trait Device: Send + Sync {
    /// The device for people: a path, `memory`, …
    fn describe(&self) -> String;

    /// The place where the volumes lie, as it may stand before their names. Devices with the same place hold the same
    /// volumes under the same names.
    fn place(&self) -> String {
        self.describe()
    }

    /// Names of the complete and incomplete volumes that are there, sorted.
    ///
    /// # Errors
    /// The place cannot be read.
    fn list(&self) -> Result<Vec<String>, DeviceError>;

    /// Opens a volume for reading.
    ///
    /// # Errors
    /// There is no such volume, or it cannot be read.
    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError>;

    /// Length of a volume in bytes. Where the device can tell without opening the volume, it does.
    ///
    /// # Errors
    /// There is no such volume, or it cannot be looked at.
    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        Ok(self.open(name)?.len())
    }

    /// Begins a volume. It appears in [`Device::list`] under this name only when [`VolumeSink::finish`] succeeded;
    /// a sink that is dropped leaves a file marked as partial, which a later scan can still read.
    ///
    /// # Errors
    /// A volume of that name exists; the place is full or cannot be written.
    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError>;

    /// Removes a volume, and returns when that is on stable storage. Whoever is reading it may fail.
    ///
    /// # Errors
    /// There is no such volume; it cannot be removed, as from every device that does not say otherwise.
    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        Err(DeviceError { op: "remove", place: name.into(), kind: DeviceErrorKind::NotPermitted })
    }

    /// Keeps other processes from writing there, reading excepted, until what it returns is dropped or this process ends.
    /// A device that no other process can write to needs no lock, and gives one that does nothing.
    ///
    /// # Errors
    /// Another process has it; the place cannot be written.
    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        Ok(Box::new(NoLock))
    }
}

/// Held by the one writer of a device; given back when it is dropped.
pub trait WriteLock: Send {}

/// The lock of a device that needs none.
struct NoLock;

impl WriteLock for NoLock {}

/// A volume being written, forward only.
pub trait VolumeSink: Send {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// The medium is full or fails. The volume must then be given up: nothing is retried.
    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Returns when everything appended is on stable storage.
    ///
    /// # Errors
    /// The medium fails. Never retried: after a failed sync the data may be gone although a second sync succeeds.
    fn sync(&mut self) -> Result<(), DeviceError>;

    /// Whether [`Device::open`] reads, under the volume's partial name, what was synced, before the volume has its own. Then a
    /// set can be proved before it counts as finished.
    fn readable(&self) -> bool {
        false
    }

    /// Syncs, gives the volume its name and syncs that too.
    ///
    /// # Errors
    /// As [`VolumeSink::sync`]; the volume then stays partial.
    fn finish(self: Box<Self>) -> Result<(), DeviceError>;
}

/// A volume being read.
pub trait VolumeSource: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the volume holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from byte `at` on.
    ///
    /// # Errors
    /// The volume ends before, or the medium fails.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError>;
}
