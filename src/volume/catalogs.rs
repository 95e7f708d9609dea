//! The catalogs of sets whose media take their turn in one drive: which volume must come so that a catalog can be read, and
//! which volumes a catalog tells of that are elsewhere. Reads labels, end marks and catalogs; asks nobody.

use super::catalog::begins_catalog;
use super::error::VolumeError;
use super::name::{label_of_volume, short_id};
use super::reader::Volume;
use super::set::{SetReader, expected_name};
use super::unusable::Unusable;
use crate::device::in_turn::Elsewhere;
use crate::device::name::{finished_name, own_name};
use crate::device::traits::Device;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of sets by the volumes that were looked at.
#[derive(Default)]
pub struct Catalogs {
    /// Names that were looked at.
    names: BTreeSet<String>,
    sets: BTreeMap<SetId, Known>,
}

struct Known {
    /// The label of volume 1.
    label: LabelRecord,
    /// The volumes that were looked at, and how much of a catalog each has.
    volumes: BTreeMap<u32, (Part, Elsewhere)>,
    /// Number of the volume that ends the set.
    last: Option<u32>,
    /// The greatest number of a volume that was not finished, as far as can be seen.
    unfinished: Option<u32>,
}

/// What a volume has of its set's catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Beginning,
    /// What comes behind the beginning.
    More,
    /// It cannot be read.
    Damaged,
}

/// A volume that has, or may have, what is missing of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The label of volume 1 of the set.
    pub label: LabelRecord,
    /// Its number; `None`: the last one, whichever that is.
    pub number: Option<u32>,
    /// The volume with which the set seems to break off: then there may be no last one. One that was finished and whose end is
    /// damaged looks the same.
    pub breaks_off: Option<u32>,
}

impl Sought {
    /// Whether a volume is the one that is sought.
    #[must_use]
    pub fn is(&self, label: &LabelRecord, last: bool) -> bool {
        label.set() == self.label.set() && self.number.map_or(last, |number| number == label.volume)
    }
}

impl Catalogs {
    /// Looks at the volumes of a device that were not looked at before. What cannot be read is passed over, and given back with
    /// the reason: of very many the first that were met.
    ///
    /// # Errors
    /// The device cannot be listed.
    pub fn look(&mut self, device: &dyn Device) -> Result<Vec<(String, VolumeError)>, VolumeError> {
        Ok(self.look_at(device, device.list()?))
    }

    /// The same, of these volumes of a device.
    pub fn look_at(&mut self, device: &dyn Device, names: Vec<String>) -> Vec<(String, VolumeError)> {
        let mut unreadable = Unusable::default();
        for name in names {
            if self.names.contains(&name) {
                continue;
            }
            match device.open(&name).map_err(VolumeError::from).and_then(|from| Volume::open(from, &name)) {
                Ok(volume) => {
                    self.add(&volume);
                    self.names.insert(name);
                }
                Err(error) if error.is_elsewhere() => {}
                Err(error) => unreadable.push(name, error),
            }
        }
        unreadable.finish().0
    }

    fn add(&mut self, volume: &Volume) {
        let label = volume.label();
        let known = self.sets.entry(label.set()).or_insert_with(|| Known {
            label: LabelRecord {
                volume: 1,
                label: label_of_volume(&label.label, 1),
                predecessor: None,
                ..label.clone()
            },
            volumes: BTreeMap::new(),
            last: None,
            unfinished: None,
        });
        let partial = finished_name(volume.name()).is_some();
        if partial && volume.end().is_none() {
            known.unfinished = known.unfinished.max(Some(label.volume));
        }
        if !partial {
            known.last = known.last.or_else(|| volume.end().filter(|end| end.set_complete).map(|_| label.volume));
            let place = Elsewhere {
                name: own_name(volume.name()).to_owned(),
                set: short_id(label.set()),
                label: label.label.clone(),
                number: label.volume,
                len: volume.source().len(),
            };
            known.volumes.insert(label.volume, (part(volume), place));
        }
    }

    /// Whether a volume of a set was met that was never finished, and no later one.
    #[must_use]
    pub fn is_unfinished(&self, set: SetId) -> bool {
        self.sets.get(&set).is_some_and(|known| known.last.is_none() && known.breaks_off().is_some())
    }

    /// The sets, by the labels of their first volumes.
    pub fn labels(&self) -> impl Iterator<Item = &LabelRecord> {
        self.sets.values().map(|known| &known.label)
    }

    /// What must come so that the catalog of a set can be read; `None` if nothing helps: all of it was looked at, it is damaged,
    /// or the set is not known.
    #[must_use]
    pub fn sought(&self, set: SetId) -> Option<Sought> {
        let known = self.sets.get(&set)?;
        let breaks_off = known.breaks_off().filter(|_| known.last.is_none());
        let sought = |number| Some(Sought { label: known.label.clone(), number, breaks_off });
        let Some(last) = known.last else { return sought(None) };
        for number in (1..=last).rev() {
            match known.volumes.get(&number) {
                Some((Part::More, _)) => {}
                Some(_) => return None,
                None => return sought(Some(number)),
            }
        }
        None
    }

    /// The volumes that were looked at of sets whose catalogs can be read. Without a catalog a set is what lies at hand of it.
    #[must_use]
    pub fn volumes(&self) -> Vec<Elsewhere> {
        let listed = self.sets.values().filter(|known| known.is_listed());
        listed.flat_map(|known| known.volumes.values().map(|(_, place)| place.clone())).collect()
    }
}

impl Known {
    /// The volume that was not finished, if none was met behind it.
    fn breaks_off(&self) -> Option<u32> {
        let greatest = self.volumes.last_key_value().map(|(number, _)| *number);
        self.unfinished.filter(|number| greatest.is_none_or(|greatest| greatest < *number))
    }

    /// Whether all of the catalog was looked at, and can be read.
    fn is_listed(&self) -> bool {
        let Some(last) = self.last else { return false };
        let mut parts = (1..=last).rev().map(|number| self.volumes.get(&number).map(|(part, _)| *part));
        parts.find(|part| *part != Some(Part::More)) == Some(Some(Part::Beginning))
    }
}

fn part(volume: &Volume) -> Part {
    let Some(end) = volume.end().filter(|end| end.catalog_blocks > 0) else { return Part::Nothing };
    match volume.blocks().catalog_payloads(end) {
        Ok(payloads) if payloads.first().is_some_and(|first| begins_catalog(first)) => Part::Beginning,
        Ok(_) => Part::More,
        Err(_) => Part::Damaged,
    }
}

/// The volumes of a set that its catalog tells of and that are not here, or not to their end.
#[must_use]
pub fn elsewhere(set: &SetReader<'_>) -> Vec<Elsewhere> {
    if set.catalog().is_none() {
        return Vec::new();
    }
    let missing = set.volumes().iter().filter(|volume| volume.name.is_none() || volume.partial);
    let described = missing.filter_map(|volume| volume.entry.map(|entry| (volume.number, entry)));
    let volume = |(number, entry): (u32, crate::format::catalog::VolumeEntry)| Elsewhere {
        name: expected_name(set.label(), number),
        set: short_id(set.set_id()),
        label: label_of_volume(&set.label().label, number),
        number,
        len: entry.bytes,
    };
    described.map(volume).collect()
}
