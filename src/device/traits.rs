//! The device traits.

use super::error::{DeviceError, DeviceErrorKind};

/// Bytes of a device record, unless told otherwise.
pub const RECORD_BYTES: u32 = 256 << 10;

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

    /// What tells the bytes under a name from others that have or had the same name, without reading any: which file it is and
    /// when it was changed. `None` where the device cannot tell; then nobody may take them for bytes that were read before.
    fn stamp(&self, _name: &str) -> Option<String> {
        None
    }

    /// What a person should know of the place beside its volumes, where something is there that belongs to none.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Who is writing now where the volume of this name lies. `None` if nobody is, or the device cannot tell.
    fn writer(&self, _name: &str) -> Option<VolumeWriter> {
        None
    }

    /// Whether whoever asks is allowed to open the volume of this name, without opening it; true where the device cannot tell.
    fn may_open(&self, _name: &str) -> bool {
        true
    }

    /// Which file a volume is: names with the same one lead to the same bytes. `None` where the device cannot tell.
    fn file_of(&self, _name: &str) -> Option<(u64, u64)> {
        None
    }

    /// Removes a volume, and returns when that is on stable storage. Whoever is reading it may fail.
    ///
    /// # Errors
    /// There is no such volume; it cannot be removed, as from every device that does not say otherwise.
    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        Err(DeviceError { op: "remove", place: name.into(), kind: DeviceErrorKind::NotPermitted })
    }

    /// Begins a volume of which more is known than its name: what a device needs that chooses a medium for it, or asks a
    /// person for one.
    ///
    /// # Errors
    /// As [`Device::create`]; [`DeviceErrorKind::Wanted`] if the volume needs a
    /// further medium and there is none.
    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.create(volume.name)
    }

    /// Whether what is written there can be opened again by this process. What goes into a pipe cannot.
    fn reads_back(&self) -> bool {
        true
    }

    /// Whether a medium that is full is followed by another one: then a volume that did not fit is begun again there.
    fn goes_on(&self) -> bool {
        false
    }

    /// Takes away what is there of a volume that was never finished, and whose blocks are all on a further medium now. Where
    /// that cannot be, it stays.
    ///
    /// # Errors
    /// The medium fails.
    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        let _stays = name;
        Ok(())
    }

    /// Forgets all volumes, so that the next one takes their place. Only a medium that is written from its beginning to its end
    /// can be erased so; where volumes are files nothing is ever overwritten.
    ///
    /// # Errors
    /// The device has no such medium, or it is write-protected.
    fn erase(&self) -> Result<(), DeviceError> {
        let place = self.describe().into();
        Err(DeviceError { op: "erase", place, kind: super::error::DeviceErrorKind::NotPermitted })
    }

    /// Whether volumes lie one behind the other on one medium, each at the end of what was written before.
    fn is_sequential(&self) -> bool {
        false
    }

    /// Bytes of one device record of a tape that takes the volumes, now or later: what their labels say, wherever they are
    /// written, so that their bytes are the same everywhere.
    fn record_bytes(&self) -> u32 {
        RECORD_BYTES
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

impl<D: Device + ?Sized> Device for std::sync::Arc<D> {
    fn describe(&self) -> String {
        (**self).describe()
    }

    fn place(&self) -> String {
        (**self).place()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        (**self).list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        (**self).open(name)
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        (**self).size(name)
    }

    fn stamp(&self, name: &str) -> Option<String> {
        (**self).stamp(name)
    }

    fn remarks(&self) -> Vec<String> {
        (**self).remarks()
    }

    fn writer(&self, name: &str) -> Option<VolumeWriter> {
        (**self).writer(name)
    }

    fn file_of(&self, name: &str) -> Option<(u64, u64)> {
        (**self).file_of(name)
    }

    fn may_open(&self, name: &str) -> bool {
        (**self).may_open(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        (**self).create(name)
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        (**self).remove(name)
    }

    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        (**self).begin(volume)
    }

    fn reads_back(&self) -> bool {
        (**self).reads_back()
    }

    fn goes_on(&self) -> bool {
        (**self).goes_on()
    }

    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        (**self).discard(name)
    }

    fn erase(&self) -> Result<(), DeviceError> {
        (**self).erase()
    }

    fn is_sequential(&self) -> bool {
        (**self).is_sequential()
    }

    fn record_bytes(&self) -> u32 {
        (**self).record_bytes()
    }

    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        (**self).lock()
    }
}

/// A volume that is about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewVolume<'a> {
    /// Its name on the device.
    pub name: &'a str,
    /// Its label, as people read it.
    pub label: &'a str,
    /// Its number in the set, from 1.
    pub number: u32,
    /// Bytes without which it would be begun in vain.
    pub needed: u64,
}

/// The one who writes on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeWriter {
    /// Who that is, in brackets for a message; empty if that is not known.
    pub who: String,
    /// The name of the volume that was begun last; `None` before the first one.
    pub volume: Option<String>,
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

    /// Asks for room before it is used: whether `bytes` more bytes fit. Once this was true for some bytes, the medium takes
    /// them (as far as it can promise anything); false means that the volume must end now, within what was promised last.
    /// A device that cannot tell says true.
    ///
    /// # Errors
    /// The medium fails.
    fn reserve(&mut self, bytes: u64) -> Result<bool, DeviceError> {
        let _unknown = bytes;
        Ok(true)
    }

    /// Returns when everything appended is on stable storage. On a medium of fixed records that is every whole record: the
    /// bytes after the last one wait for more, or for the end of the volume.
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

    /// The first byte from `at` on that may be other than zero: what lies before it is a hole, which need not be read to be
    /// known. The length, if nothing but a hole follows; `at` itself where the medium knows no holes.
    fn next_data(&self, at: u64) -> u64 {
        at
    }
}
