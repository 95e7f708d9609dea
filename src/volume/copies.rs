//! The copies of a set's volumes: which name on the device is which volume, and reading that goes on with the next copy
//! where one fails its checks. Names are believed until a label contradicts; then labels decide.

use super::error::VolumeError;
use super::reader::{Blocks, Volume};
use crate::device::traits::Device;
use crate::format::block::SetId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Volumes kept open at a time, so that a set of thousands does not use up the process's files.
const OPEN_VOLUMES_MAX: usize = 64;

/// The volumes of a set by number, each with its copies.
pub(super) struct Copies<'d> {
    device: &'d dyn Device,
    set: SetId,
    names: Mutex<Names>,
    open: Mutex<VecDeque<Arc<OpenVolume>>>,
    /// What was wrong with a copy where another one helped: the first of each copy, by its name.
    overcome: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default)]
struct Names {
    /// The copies of each volume, the best first. None is empty.
    copies: BTreeMap<u32, Vec<String>>,
    /// What stands under the name of a volume and is another one: the name, and whose volume it is by its label.
    wrong: BTreeMap<u32, (String, SetId, u32)>,
    /// Whether the labels were read.
    by_label: bool,
}

struct OpenVolume {
    number: u32,
    blocks: Blocks,
}

/// What a panic elsewhere leaves in these is whole: each is changed by one statement at a time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'d> Copies<'d> {
    pub(super) fn new(device: &'d dyn Device, set: SetId, copies: BTreeMap<u32, Vec<String>>) -> Copies<'d> {
        let names = Names { copies, ..Names::default() };
        Copies { device, set, names: Mutex::new(names), open: Mutex::default(), overcome: Mutex::default() }
    }

    pub(super) const fn device(&self) -> &'d dyn Device {
        self.device
    }

    /// Numbers of the volumes of which there is a copy, ascending.
    pub(super) fn numbers(&self) -> Vec<u32> {
        locked(&self.names).copies.keys().copied().collect()
    }

    /// Names of the copies of a volume, the best first; none if it is not there.
    pub(super) fn names(&self, number: u32) -> Vec<String> {
        locked(&self.names).copies.get(&number).cloned().unwrap_or_default()
    }

    /// No longer counts a name as a copy of a volume.
    pub(super) fn forget(&self, number: u32, name: &str) {
        let mut names = locked(&self.names);
        if let Some(copies) = names.copies.get_mut(&number) {
            copies.retain(|copy| copy != name);
        }
        names.copies.retain(|_, copies| !copies.is_empty());
    }

    /// Writes down what was wrong with a copy where another one helped.
    pub(super) fn note(&self, name: &str, error: &VolumeError) {
        locked(&self.overcome).entry(name.to_owned()).or_insert_with(|| error.to_string());
    }

    /// What was wrong with copies where others helped, by name.
    pub(super) fn overcome(&self) -> Vec<String> {
        locked(&self.overcome).values().cloned().collect()
    }

    /// What stands under the name of a volume of the set and is another one, as far as labels were read.
    pub(super) fn wrong(&self) -> Vec<VolumeError> {
        let wrong = locked(&self.names).wrong.clone();
        wrong.iter().map(|(number, found)| self.wrong_volume(*number, found)).collect()
    }

    fn wrong_volume(&self, volume: u32, (name, found_set, found_volume): &(String, SetId, u32)) -> VolumeError {
        let (name, found_set, found_volume) = (name.clone(), *found_set, *found_volume);
        VolumeError::WrongVolume { name, set: self.set, volume, found_set, found_volume }
    }

    /// What `read` makes of the volume: of its first copy with which it succeeds.
    ///
    /// # Errors
    /// There is no copy, or `read` fails with all of them: the first of their errors, damage before others.
    pub(super) fn read<T>(
        &self,
        number: u32,
        read: impl Fn(&Blocks) -> Result<T, VolumeError>,
    ) -> Result<T, VolumeError> {
        self.try_each(number, |name| self.opened(number, name).and_then(|volume| read(&volume.blocks)))
    }

    /// What `read` makes of the first copy, by name, with which it succeeds. Where a label says that names are wrong, all
    /// labels are read and the copies that they tell of are tried.
    pub(super) fn try_each<T>(
        &self,
        number: u32,
        read: impl Fn(&str) -> Result<T, VolumeError>,
    ) -> Result<T, VolumeError> {
        let first = self.try_names(number, &read);
        let renamed = matches!(first, Err(VolumeError::WrongVolume { .. })) && !locked(&self.names).by_label;
        if !renamed {
            return first;
        }
        self.read_labels();
        self.try_names(number, &read)
    }

    fn try_names<T>(&self, number: u32, read: &impl Fn(&str) -> Result<T, VolumeError>) -> Result<T, VolumeError> {
        let mut failed = Vec::new();
        for name in self.names(number) {
            match read(&name) {
                Ok(done) => {
                    failed.iter().for_each(|(name, error): &(String, VolumeError)| self.note(name, error));
                    return Ok(done);
                }
                Err(error) => failed.push((name, error)),
            }
        }
        let telling = failed.iter().position(|(_, error)| error.is_damage()).unwrap_or(0);
        match failed.into_iter().nth(telling) {
            Some((_, error)) => Err(error),
            None => Err(self.missing(number)),
        }
    }

    /// The error of a volume that is not there.
    fn missing(&self, number: u32) -> VolumeError {
        let names = locked(&self.names).clone();
        match names.wrong.get(&number) {
            Some(found) => self.wrong_volume(number, found),
            None => {
                let found = names.copies.keys().copied().collect();
                VolumeError::MissingVolumes { set: self.set, wanted: vec![number], found }
            }
        }
    }

    /// Opens a copy, its label checked.
    ///
    /// # Errors
    /// The label is damaged, or is another volume's; the device fails.
    pub(super) fn volume(&self, number: u32, name: &str) -> Result<Volume, VolumeError> {
        let volume = Volume::open(self.device.open(name)?, name)?;
        let found = (volume.label().set(), volume.label().volume);
        if found == (self.set, number) {
            return Ok(volume);
        }
        Err(self.wrong_volume(number, &(name.to_owned(), found.0, found.1)))
    }

    /// The blocks of a copy. A damaged label does not stand in the way, nor one on a medium that is not in the drive: every block
    /// says whose it is.
    ///
    /// # Errors
    /// The label is another volume's; the device fails.
    pub(super) fn blocks(&self, number: u32, name: &str) -> Result<Blocks, VolumeError> {
        match self.volume(number, name) {
            Ok(volume) => Ok(volume.into_blocks()),
            Err(error) if error.is_damage() || error.is_elsewhere() => {
                Ok(Blocks::new(self.device.open(name)?, name, self.set, number))
            }
            Err(error) => Err(error),
        }
    }

    fn opened(&self, number: u32, name: &str) -> Result<Arc<OpenVolume>, VolumeError> {
        let is_it = |volume: &&Arc<OpenVolume>| volume.number == number && volume.blocks.name() == name;
        if let Some(volume) = locked(&self.open).iter().find(is_it) {
            return Ok(Arc::clone(volume));
        }
        let volume = Arc::new(OpenVolume { number, blocks: self.blocks(number, name)? });
        let mut open = locked(&self.open);
        if open.len() >= OPEN_VOLUMES_MAX {
            open.pop_front();
        }
        open.push_back(Arc::clone(&volume));
        Ok(volume)
    }

    /// The payloads of the catalog blocks on a volume, from the first copy on which all of them are sound; none if there is
    /// no such copy.
    pub(super) fn catalog_payloads(&self, number: u32) -> Option<Vec<Vec<u8>>> {
        self.names(number).iter().find_map(|name| {
            let mut blocks = Blocks::new(self.device.open(name).ok()?, name, self.set, number);
            let end = blocks.ended().filter(|end| end.catalog_blocks > 0)?;
            blocks.catalog_payloads(&end).ok()
        })
    }

    /// Learns from the labels which name is which volume. A name whose label cannot be read stays what it was.
    pub(super) fn read_labels(&self) {
        let before = locked(&self.names).copies.clone();
        let mut names = Names { by_label: true, ..Names::default() };
        for (number, copies) in before {
            for name in copies {
                let label = self.device.open(&name).map_err(VolumeError::from);
                let label = label.and_then(|source| Volume::open(source, &name)).map(|volume| volume.label().clone());
                let found = label.map_or((self.set, number), |label| (label.set(), label.volume));
                if found != (self.set, number) {
                    names.wrong.entry(number).or_insert((name.clone(), found.0, found.1));
                }
                if found.0 == self.set {
                    names.copies.entry(found.1).or_default().push(name);
                }
            }
        }
        let Names { copies, wrong, .. } = &mut names;
        // A volume of this set that only has another name is no harm, if its own place is filled; a stranger always is told of.
        wrong.retain(|number, found| found.1 != self.set || !copies.contains_key(number));
        *locked(&self.names) = names;
        locked(&self.open).clear();
    }
}
