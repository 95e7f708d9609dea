//! The one device that misbehaves: it wraps any other, writes down every operation, fails those that it is told to,
//! flips bits on reading, and says what a power cut would have left.

use super::mutate::Rng;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::memory::MemoryDevice;
use crate::device::name::{finished_name, partial_name};
use crate::device::traits::{Device, NewVolume, VolumeSink, VolumeSource, WriteLock};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A device operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// [`Device::list`].
    List,
    /// [`Device::open`].
    Open,
    /// [`Device::size`].
    Size,
    /// [`Device::remove`].
    Remove,
    /// [`VolumeSource::read_at`].
    Read,
    /// [`Device::create`].
    Create,
    /// [`VolumeSink::append`].
    Append,
    /// [`VolumeSink::sync`].
    Sync,
    /// [`VolumeSink::finish`].
    Finish,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The medium fails. An append leaves a part of its bytes behind.
    Io,
    /// The medium is full. An append leaves a part of its bytes behind.
    Full,
    /// A signal interrupted the call; nothing was done.
    Interrupted,
    /// A device that lies: a read or an append that does a part of what it was asked for, a sync that does nothing, and all of
    /// them say that they are done. What else is asked for is done.
    Short,
}

/// One operation as it was called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Which.
    pub op: Op,
    /// The volume; empty for [`Op::List`].
    pub name: String,
    /// First byte, for reads and appends.
    pub at: u64,
    /// Bytes, for reads and appends.
    pub bytes: u64,
    /// Whether it was made to fail.
    pub failed: bool,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<LogEntry>,
    /// By number of the operation, from 0 over all kinds.
    at: BTreeMap<usize, Fault>,
    /// Kind, how many of that kind to let pass, fault.
    nth: Vec<(Op, usize, Fault)>,
    /// Volume and bit number.
    flips: Vec<(String, u64)>,
    /// Bytes of each unfinished volume that were synced.
    synced: BTreeMap<String, u64>,
    /// Bytes of a volume after which the medium says that it ends.
    ends_at: Option<u64>,
    seed: u64,
}

/// Wraps a device. Clones share log and script.
#[derive(Debug, Clone)]
pub struct FaultDevice<D> {
    inner: D,
    state: Arc<Mutex<State>>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Writes an operation down; its fault, if the script has one.
    fn enter(&mut self, op: Op, name: &str, at: u64, bytes: u64) -> Option<Fault> {
        let number = self.log.len();
        let mut fault = self.at.get(&number).copied();
        for (kind, left, scripted) in &mut self.nth {
            if *kind == op {
                if *left == 0 {
                    fault = fault.or(Some(*scripted));
                }
                *left = left.wrapping_sub(1);
            }
        }
        self.log.push(LogEntry { op, name: name.to_owned(), at, bytes, failed: fault.is_some() });
        fault
    }
}

/// What a call says that is not made; nothing where it is made all the same.
fn told(op: &'static str, name: &str, fault: Option<Fault>) -> Result<(), DeviceError> {
    match fault {
        None | Some(Fault::Short) => Ok(()),
        Some(fault) => Err(error(op, name, fault)),
    }
}

fn error(op: &'static str, name: &str, fault: Fault) -> DeviceError {
    let kind = match fault {
        Fault::Io | Fault::Short => DeviceErrorKind::Io(io::Error::other("injected: the medium fails")),
        Fault::Full => DeviceErrorKind::Full,
        Fault::Interrupted => DeviceErrorKind::Io(io::Error::from(io::ErrorKind::Interrupted)),
    };
    DeviceError { op, place: PathBuf::from(name), kind }
}

impl<D> FaultDevice<D> {
    /// A device that does what `inner` does until it is told otherwise. `seed` decides how much of a failing append
    /// is left behind.
    pub fn new(inner: D, seed: u64) -> FaultDevice<D> {
        FaultDevice { inner, state: Arc::new(Mutex::new(State { seed, ..State::default() })) }
    }

    /// The device inside.
    pub const fn inner(&self) -> &D {
        &self.inner
    }

    /// Makes the operation with this number (from 0, over all kinds) fail.
    pub fn fail_at(&self, number: usize, fault: Fault) {
        locked(&self.state).at.insert(number, fault);
    }

    /// Makes the next operation of a kind fail, after `passes` more of that kind went well.
    pub fn fail_nth(&self, op: Op, passes: usize, fault: Fault) {
        locked(&self.state).nth.push((op, passes, fault));
    }

    /// Flips a bit of a volume (bit 0 is the lowest of byte 0) whenever it is read.
    pub fn flip(&self, name: &str, bit: u64) {
        locked(&self.state).flips.push((name.to_owned(), bit));
    }

    /// Lets every medium end after so many bytes of a volume: it says so when it is asked for more.
    pub fn end_media_at(&self, bytes: u64) {
        locked(&self.state).ends_at = Some(bytes);
    }

    /// Every operation so far.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        locked(&self.state).log.clone()
    }

    /// How many operations of a kind there were.
    #[must_use]
    pub fn count(&self, op: Op) -> usize {
        locked(&self.state).log.iter().filter(|entry| entry.op == op).count()
    }

    /// Forgets the log, not the script; operations are numbered from 0 again.
    pub fn clear_log(&self) {
        locked(&self.state).log.clear();
    }
}

impl FaultDevice<MemoryDevice> {
    /// What is there after a power cut now: finished volumes whole; of unfinished ones what was synced, and of the rest
    /// some pages of 4 KiB, others zero, up to a random length.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> MemoryDevice {
        let image = self.inner.copy();
        let mut random = Rng::new(seed);
        for name in image.list().unwrap_or_default() {
            let Some(whole) = finished_name(&name) else { continue };
            let Some(mut bytes) = image.remove(&name) else { continue };
            let synced = locked(&self.state).synced.get(whole).copied().unwrap_or(0) as usize;
            let unsynced = bytes.len().saturating_sub(synced);
            bytes.truncate(synced.saturating_add(random.below(unsynced.saturating_add(1))));
            for page in bytes.get_mut(synced..).unwrap_or_default().chunks_mut(4_096) {
                if random.below(2) == 0 {
                    page.fill(0);
                }
            }
            image.insert(&partial_name(whole), bytes);
        }
        image
    }
}

impl<D: Device> Device for FaultDevice<D> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        told("list", "", locked(&self.state).enter(Op::List, "", 0, 0))?;
        self.inner.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        told("open", name, locked(&self.state).enter(Op::Open, name, 0, 0))?;
        let inner = self.inner.open(name)?;
        Ok(Box::new(FaultSource { inner, name: name.to_owned(), state: Arc::clone(&self.state) }))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        told("look at", name, locked(&self.state).enter(Op::Size, name, 0, 0))?;
        self.inner.size(name)
    }

    fn stamp(&self, name: &str) -> Option<String> {
        self.inner.stamp(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        told("create", name, locked(&self.state).enter(Op::Create, name, 0, 0))?;
        let inner = self.inner.create(name)?;
        Ok(Box::new(FaultSink { inner, name: name.to_owned(), len: 0, state: Arc::clone(&self.state) }))
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        told("remove", name, locked(&self.state).enter(Op::Remove, name, 0, 0))?;
        self.inner.remove(name)
    }

    fn begin(&self, volume: &NewVolume<'_>) -> Result<Box<dyn VolumeSink>, DeviceError> {
        told("create", volume.name, locked(&self.state).enter(Op::Create, volume.name, 0, 0))?;
        let inner = self.inner.begin(volume)?;
        Ok(Box::new(FaultSink { inner, name: volume.name.to_owned(), len: 0, state: Arc::clone(&self.state) }))
    }

    fn discard(&self, name: &str) -> Result<(), DeviceError> {
        self.inner.discard(name)
    }

    fn reads_back(&self) -> bool {
        self.inner.reads_back()
    }

    fn goes_on(&self) -> bool {
        self.inner.goes_on()
    }

    fn erase(&self) -> Result<(), DeviceError> {
        self.inner.erase()
    }

    fn is_sequential(&self) -> bool {
        self.inner.is_sequential()
    }

    fn record_bytes(&self) -> u32 {
        self.inner.record_bytes()
    }

    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        self.inner.lock()
    }
}

struct FaultSource {
    inner: Box<dyn VolumeSource>,
    name: String,
    state: Arc<Mutex<State>>,
}

impl VolumeSource for FaultSource {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let mut state = locked(&self.state);
        let fault = state.enter(Op::Read, &self.name, at, buffer.len() as u64);
        told("read", &self.name, fault)?;
        let read = if fault.is_some() { buffer.len() / 2 } else { buffer.len() };
        self.inner.read_at(at, buffer.get_mut(..read).unwrap_or_default())?;
        for (_, bit) in state.flips.iter().filter(|(name, _)| *name == self.name) {
            let byte = (bit / 8).checked_sub(at).and_then(|byte| usize::try_from(byte).ok());
            if let Some(byte) = byte.and_then(|byte| buffer.get_mut(byte)) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Ok(())
    }

    fn next_data(&self, at: u64) -> u64 {
        self.inner.next_data(at)
    }
}

struct FaultSink {
    inner: Box<dyn VolumeSink>,
    name: String,
    len: u64,
    state: Arc<Mutex<State>>,
}

impl VolumeSink for FaultSink {
    fn readable(&self) -> bool {
        self.inner.readable()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let mut state = locked(&self.state);
        let fault = state.enter(Op::Append, &self.name, self.len, bytes.len() as u64);
        if fault.is_some_and(|fault| fault != Fault::Interrupted) {
            let left = Rng::new(state.seed ^ self.len).below(bytes.len());
            self.inner.append(bytes.get(..left).unwrap_or_default())?;
        }
        told("append to", &self.name, fault)?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        if fault.is_some() { Ok(()) } else { self.inner.append(bytes) }
    }

    fn reserve(&mut self, bytes: u64) -> Result<bool, DeviceError> {
        let ends = locked(&self.state).ends_at;
        let fits = ends.is_none_or(|end| self.len.saturating_add(bytes) <= end);
        Ok(fits && self.inner.reserve(bytes)?)
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        let mut state = locked(&self.state);
        let fault = state.enter(Op::Sync, &self.name, 0, 0);
        told("sync", &self.name, fault)?;
        if fault.is_some() {
            return Ok(());
        }
        state.synced.insert(self.name.clone(), self.len);
        self.inner.sync()
    }

    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        told("sync", &self.name, locked(&self.state).enter(Op::Finish, &self.name, 0, 0))?;
        self.inner.finish()
    }
}
