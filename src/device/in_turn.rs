//! Media that take their turn in one drive, for reading. Whoever changes them says which volumes there are elsewhere; what was
//! wanted of those is written down, and copied when their medium comes. Asks nobody, and does not know blocks.

use super::error::{DeviceError, DeviceErrorKind, within};
use super::name::{finished_name, partial_name};
use super::traits::{Device, VolumeSink, VolumeSource};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A volume on a medium that is not in the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name on its medium.
    pub name: String,
    /// Its set: the same for all volumes of it.
    pub set: String,
    /// Its label, as people read it.
    pub label: String,
    /// Its number in its set, from 1.
    pub number: u32,
    /// Its length in bytes.
    pub len: u64,
}

/// A drive with the medium that is in it, and volumes on others.
///
/// ```
/// use intervault::device::in_turn::{Elsewhere, InTurnDevice};
/// use intervault::device::memory::MemoryDevice;
/// use intervault::device::traits::Device;
/// use std::sync::Arc;
/// # fn main() -> Result<(), intervault::device::error::DeviceError> {
/// let (one, two) = (MemoryDevice::new(), MemoryDevice::new());
/// one.insert("a.ivv", vec![1, 2, 3]);
/// two.insert("b.ivv", vec![4, 5, 6, 7]);
/// let drive = InTurnDevice::new(Arc::new(two), std::env::temp_dir())?;
/// let (name, set, label) = ("a.ivv".to_owned(), "a".to_owned(), "A".to_owned());
/// drive.expect(Elsewhere { name, set, label, number: 1, len: 3 });
/// let (a, mut bytes) = (drive.open("a.ivv")?, [0; 2]);
/// assert!(a.read_at(1, &mut bytes).is_err());
/// assert_eq!(drive.wanted().iter().map(|(volume, bytes)| (volume.number, *bytes)).collect::<Vec<_>>(), [(1, 2)]);
/// drive.put_in(Arc::new(one))?;
/// drive.copy()?;
/// drive.take_out();
/// a.read_at(1, &mut bytes)?;
/// assert_eq!((bytes, drive.wanted()), ([2, 3], vec![]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InTurnDevice {
    shared: Arc<Shared>,
}

struct Shared {
    /// What people call it, whatever is in it.
    place: String,
    state: Mutex<State>,
}

struct State {
    medium: Option<Arc<dyn Device>>,
    /// The volumes on the medium, and their lengths.
    here: Contents,
    /// The media that the work goes on with, by what is on them.
    accepted: BTreeSet<Contents>,
    /// The volume of it that was read last.
    open: Option<(String, Arc<dyn VolumeSource>)>,
    /// Volumes that are listed wherever they are.
    expected: BTreeMap<String, Elsewhere>,
    /// The only others that are listed; `None`: all that are on the medium in the drive.
    settled: Option<BTreeSet<String>>,
    /// Bytes that were asked for: by volume and first byte, how many.
    asked: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Whether all that is read is kept.
    keeps: bool,
    kept: Kept,
}

/// Volumes by name, and their lengths.
type Contents = BTreeMap<String, u64>;

impl InTurnDevice {
    /// A drive with a medium in it, which is accepted; what is kept of the media takes its room where `folder` is, until the
    /// device is dropped.
    ///
    /// # Errors
    /// The medium cannot be listed.
    pub fn new(medium: Arc<dyn Device>, folder: impl Into<PathBuf>) -> Result<InTurnDevice, DeviceError> {
        let place = medium.describe();
        let kept = Kept { folder: folder.into(), file: None, end: 0, extents: BTreeMap::new() };
        let state = State {
            medium: None,
            here: Contents::new(),
            accepted: BTreeSet::new(),
            open: None,
            expected: BTreeMap::new(),
            settled: None,
            asked: BTreeMap::new(),
            keeps: false,
            kept,
        };
        let device = InTurnDevice { shared: Arc::new(Shared { place, state: Mutex::new(state) }) };
        device.put_in(medium)?;
        device.accept();
        Ok(device)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Lets go of the medium, so that its drive is closed.
    pub fn take_out(&self) {
        let mut state = self.state();
        (state.medium, state.open) = (None, None);
        state.here.clear();
    }

    /// The medium that is in the drive now.
    ///
    /// # Errors
    /// It cannot be listed: the drive is empty then.
    pub fn put_in(&self, medium: Arc<dyn Device>) -> Result<(), DeviceError> {
        self.take_out();
        let here = medium.list()?.into_iter().map(|name| Ok((medium.size(&name)?, name)));
        let here = here.map(|sized| sized.map(|(len, name)| (name, len))).collect::<Result<Contents, DeviceError>>()?;
        let mut state = self.state();
        for volume in state.expected.values_mut() {
            volume.len = here.get(&volume.name).copied().unwrap_or(volume.len);
        }
        (state.here, state.medium) = (here, Some(medium));
        Ok(())
    }

    /// Takes the medium in the drive for one that the work goes on with. Any other is only looked at, to see whether it will do.
    pub fn accept(&self) {
        let mut state = self.state();
        let here = state.here.clone();
        state.accepted.insert(here);
    }

    /// Whether there is a medium in the drive, and one that was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        let state = self.state();
        state.medium.is_some() && state.accepted.contains(&state.here)
    }

    /// Names of the volumes on the medium that is in the drive.
    #[must_use]
    pub fn here(&self) -> Vec<String> {
        self.state().here.keys().cloned().collect()
    }

    /// Whether a volume is on the medium that is in the drive. One that is expected is so too where only its end is damaged: it
    /// bears the name of an unfinished one then, and has all of its bytes.
    #[must_use]
    pub fn is_here(&self, name: &str) -> bool {
        self.state().here_as(name).is_some()
    }

    /// Whether a volume was on a medium that was accepted.
    #[must_use]
    pub fn has_seen(&self, name: &str) -> bool {
        self.state().accepted.iter().any(|medium| medium.contains_key(name))
    }

    /// Whether a volume is one of those that the work goes on with, wherever it is.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let state = self.state();
        let settled = state.settled.as_ref().is_some_and(|settled| settled.contains(name));
        settled || state.expected.contains_key(name) || state.settled.is_none() && state.here.contains_key(name)
    }

    /// From now on lists a volume wherever it is.
    pub fn expect(&self, volume: Elsewhere) {
        self.state().expected.insert(volume.name.clone(), volume);
    }

    /// Lists a volume only where it is on the medium in the drive, as before [`InTurnDevice::expect`]. Its bytes are forgotten.
    pub fn forget(&self, name: &str) {
        let mut state = self.state();
        state.expected.remove(name);
        state.asked.remove(name);
        state.kept.forget(name);
    }

    /// Whether volumes that come with a further medium, and are not expected, are passed over from now on: they belong to other
    /// work.
    pub fn settle(&self, settled: bool) {
        let mut state = self.state();
        state.settled = settled.then(|| state.here.keys().cloned().collect());
    }

    /// Whether all that is read from now on is kept, so that it can be read again when its medium is gone. Else what was asked
    /// for is only written down.
    pub fn keep(&self, keeps: bool) {
        self.state().keeps = keeps;
    }

    /// Forgets what was asked for so far.
    pub fn begin(&self) {
        self.state().asked.clear();
    }

    /// What was asked for in vain and still cannot be read: the volumes that have it, by set and number, and the bytes of each.
    #[must_use]
    pub fn wanted(&self) -> Vec<(Elsewhere, u64)> {
        let state = self.state();
        let mut wanted = Vec::new();
        for volume in state.expected.values().filter(|volume| state.here_as(&volume.name).is_none()) {
            let bytes = state.left(&volume.name).map(|(_, len)| len).fold(0, u64::saturating_add);
            if bytes > 0 {
                wanted.push((volume.clone(), bytes));
            }
        }
        wanted.sort_by(|(one, _), (other, _)| (&one.set, one.number).cmp(&(&other.set, other.number)));
        wanted
    }

    /// Copies what was asked for and is on the medium in the drive, so that it can be read when that is gone. What cannot be read
    /// gives the same error from then on.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn copy(&self) -> Result<(), DeviceError> {
        let mut state = self.state();
        let here: Vec<String> = state.asked.keys().filter(|name| state.here_as(name).is_some()).cloned().collect();
        for name in here {
            let left: Vec<(u64, u64)> = state.left(&name).collect();
            for (at, len) in left {
                let read = state.bytes(&name, at, len);
                state.kept.put(&name, at, len, read)?;
            }
        }
        Ok(())
    }
}

impl Shared {
    /// What another thread's panic left is whole: nothing is taken for read that was not.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, op: &'static str, name: &str, kind: DeviceErrorKind) -> DeviceError {
        DeviceError { op, place: Path::new(&self.place).join(name), kind }
    }
}

impl State {
    /// The name that a volume has on the medium in the drive.
    fn here_as(&self, name: &str) -> Option<String> {
        if self.here.contains_key(name) {
            return Some(name.to_owned());
        }
        let (volume, unfinished) = (self.expected.get(name)?, partial_name(name));
        self.here.get(&unfinished).filter(|len| **len >= volume.len).map(|_| unfinished)
    }

    /// What was asked for of a volume and is not kept.
    fn left<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (u64, u64)> + 's {
        let asked = self.asked.get(name).into_iter().flatten().map(|(at, len)| (*at, *len));
        asked.filter(move |(at, len)| self.kept.find(name, *at, *len).is_none())
    }

    /// A volume of the medium in the drive.
    fn source(&mut self, name: &str) -> Result<Option<Arc<dyn VolumeSource>>, DeviceError> {
        let Some((medium, here)) = self.medium.as_ref().zip(self.here_as(name)) else { return Ok(None) };
        if let Some((_, source)) = self.open.as_ref().filter(|(open, _)| open == name) {
            return Ok(Some(Arc::clone(source)));
        }
        let source: Arc<dyn VolumeSource> = medium.open(&here)?.into();
        self.open = Some((name.to_owned(), Arc::clone(&source)));
        Ok(Some(source))
    }

    /// Bytes of a volume of the medium in the drive.
    fn bytes(&mut self, name: &str, at: u64, len: u64) -> Result<Vec<u8>, String> {
        let source = self.source(name).map_err(|error| error.to_string())?;
        let source = source.ok_or_else(|| "it is on another medium".to_owned())?;
        let mut bytes = vec![0; usize::try_from(len).map_err(|error| error.to_string())?];
        source.read_at(at, &mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn read(&mut self, of: (&Shared, &str), at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let ((shared, name), len) = (of, buffer.len() as u64);
        if let Some(place) = self.kept.find(name, at, len) {
            let failed = |why: String| shared.fail("read", name, DeviceErrorKind::Io(io::Error::other(why)));
            return self.kept.read(&place, buffer).map_err(failed);
        }
        if !self.keeps {
            let asked = self.asked.entry(name.to_owned()).or_default().entry(at).or_default();
            *asked = (*asked).max(len);
        }
        match self.source(name)? {
            Some(source) => source.read_at(at, buffer)?,
            None => return Err(shared.fail("read", name, self.wanted(name))),
        }
        if self.keeps { self.kept.put(name, at, len, Ok(buffer.to_vec())) } else { Ok(()) }
    }

    fn wanted(&self, name: &str) -> DeviceErrorKind {
        match self.expected.get(name) {
            Some(Elsewhere { label, number, .. }) => {
                let reason = "it is on another medium than that in the drive".to_owned();
                DeviceErrorKind::Wanted { number: *number, label: label.clone(), reason }
            }
            None => DeviceErrorKind::NotFound,
        }
    }
}

impl Device for InTurnDevice {
    fn describe(&self) -> String {
        self.shared.place.clone()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let state = self.state();
        let listed = |name: &&String| state.settled.as_ref().is_none_or(|settled| settled.contains(*name));
        // What is expected stands for what is there of it.
        let stands_for = |name: &&String| finished_name(name).is_some_and(|name| state.expected.contains_key(name));
        let here = state.here.keys().filter(|name| !stands_for(name));
        let names = here.filter(listed).chain(state.expected.keys());
        Ok(names.cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let mut state = self.state();
        let len = match (state.source(name)?, state.expected.get(name)) {
            (_, Some(volume)) => volume.len,
            (Some(source), None) => source.len(),
            (None, None) => return Err(self.shared.fail("open", name, DeviceErrorKind::NotFound)),
        };
        Ok(Box::new(InTurnSource { shared: Arc::clone(&self.shared), name: name.to_owned(), len }))
    }

    /// Always refused: the media are only read.
    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(self.shared.fail("create", name, DeviceErrorKind::NotPermitted))
    }
}

struct InTurnSource {
    shared: Arc<Shared>,
    name: String,
    len: u64,
}

impl VolumeSource for InTurnSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        within(self.len, at, buffer).map_err(|kind| self.shared.fail("read", &self.name, kind))?;
        self.shared.state().read((&self.shared, &self.name), at, buffer)
    }
}

/// Bytes of media in a file without a name.
struct Kept {
    folder: PathBuf,
    file: Option<File>,
    end: u64,
    /// By volume and first byte.
    extents: BTreeMap<String, BTreeMap<u64, Extent>>,
}

/// Bytes of a volume.
struct Extent {
    len: u64,
    /// Where they are, or why they cannot be read.
    place: Result<u64, String>,
}

/// Extents that are looked at in search of one that has what is asked for. Reads are of whole blocks, or of what stands at the
/// beginning of one.
const LOOKED_AT: usize = 4;

impl Kept {
    /// Where bytes are kept, or why they cannot be read.
    fn find(&self, name: &str, at: u64, len: u64) -> Option<Result<u64, String>> {
        let end = at.checked_add(len)?;
        let mut before = self.extents.get(name)?.range(..=at).rev().take(LOOKED_AT);
        let (from, extent) = before.find(|(from, extent)| from.saturating_add(extent.len) >= end)?;
        Some(extent.place.clone().map(|place| place.saturating_add(at.saturating_sub(*from))))
    }

    fn read(&self, place: &Result<u64, String>, buffer: &mut [u8]) -> Result<(), String> {
        let place = place.as_ref().map_err(Clone::clone)?;
        let file = self.file.as_ref().ok_or("what was kept is gone")?;
        file.read_exact_at(buffer, *place).map_err(|error| error.to_string())
    }

    fn put(&mut self, name: &str, at: u64, len: u64, read: Result<Vec<u8>, String>) -> Result<(), DeviceError> {
        let fail = |error: io::Error| DeviceError { op: "keep in", place: self.folder.clone(), kind: error.into() };
        let place = match read {
            Ok(bytes) => {
                if self.file.is_none() {
                    self.file = Some(tempfile::tempfile_in(&self.folder).map_err(fail)?);
                }
                let (place, file) = (self.end, self.file.as_ref());
                file.map_or(Ok(()), |file| file.write_all_at(&bytes, place)).map_err(fail)?;
                self.end = place.saturating_add(len);
                Ok(place)
            }
            Err(why) => Err(why),
        };
        self.extents.entry(name.to_owned()).or_default().insert(at, Extent { len, place });
        Ok(())
    }

    fn forget(&mut self, name: &str) {
        self.extents.remove(name);
    }
}
