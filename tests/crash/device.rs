//! A device whose writing is watched.

use super::watch::{Call, Fault, Kind, Watch};
use intervault::device::error::{DeviceError, DeviceErrorKind};
use intervault::device::traits::{Device, VolumeSink, VolumeSource, WriteLock};
use std::io;

/// Wraps a device.
pub struct WatchedDevice<D> {
    pub inner: D,
    pub watch: Watch,
}

fn error(op: &'static str, name: &str, fault: Fault) -> DeviceError {
    let kind = match fault {
        Fault::Full => DeviceErrorKind::Full,
        Fault::Io => DeviceErrorKind::Io(io::Error::other("injected: the medium fails")),
    };
    DeviceError { op, place: name.into(), kind }
}

impl<D: Device> Device for WatchedDevice<D> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.inner.open(name)
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        self.inner.size(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        let call = Call::new(Kind::Create, "volume");
        let fail = |fault| Err(error("create", name, fault));
        let inner = self.watch.call(call, || {}, || self.inner.create(name), fail)?;
        Ok(Box::new(WatchedSink { inner, name: name.to_owned(), watch: self.watch.clone() }))
    }

    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        self.inner.lock()
    }
}

struct WatchedSink {
    inner: Box<dyn VolumeSink>,
    name: String,
    watch: Watch,
}

impl VolumeSink for WatchedSink {
    fn readable(&self) -> bool {
        self.inner.readable()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let call = Call { kind: Kind::Append, file: "volume".to_owned(), bytes: bytes.len(), grows: true };
        let inner = std::cell::RefCell::new(&mut self.inner);
        let half = || drop(inner.borrow_mut().append(&bytes[..bytes.len() / 2]));
        let whole = || inner.borrow_mut().append(bytes);
        self.watch.call(call, half, whole, |fault| Err(error("append to", &self.name, fault)))
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        let call = Call::new(Kind::SyncVolume, "volume");
        let inner = &mut self.inner;
        self.watch.call(call, || {}, || inner.sync(), |fault| Err(error("sync", &self.name, fault)))
    }

    fn reserve(&mut self, bytes: u64) -> Result<bool, DeviceError> {
        self.inner.reserve(bytes)
    }

    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        let WatchedSink { inner, name, watch } = *self;
        let call = Call::new(Kind::Finish, "volume");
        watch.call(call, || {}, || inner.finish(), |fault| Err(error("sync", &name, fault)))
    }
}
