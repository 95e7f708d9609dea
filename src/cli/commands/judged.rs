//! On which of the devices of a check the copies lie that it judges: a copy that is sound settles nothing of one elsewhere.

use super::open;
use crate::cli::job::device_name;
use crate::cli::parse::DevicePath;
use crate::device::name::split_place;
use crate::history::entry::Copies;
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// The devices of a check, and what lies on each.
pub(in crate::cli) struct Places {
    /// Those that can be listed at any time: their names in the history, their places, the names of the volumes there.
    listed: Vec<(String, String, BTreeSet<String>)>,
    /// Those that cannot: tapes, pipes, and what cannot be opened.
    others: Vec<String>,
}

impl Places {
    /// Looks at devices, of which several were joined. One alone has everything, and is not looked at.
    pub(super) fn of(devices: &[DevicePath]) -> Places {
        let mut places = Places { listed: Vec::new(), others: Vec::new() };
        for device in devices {
            let names = || {
                let opened = open::volumes(device).ok()?;
                Some((opened.place(), opened.list().ok()?.into_iter().collect()))
            };
            let looks = devices.len() > 1 && matches!(device, DevicePath::Path(_));
            match looks.then(names).flatten() {
                Some((place, names)) => places.listed.push((device_name(device), place, names)),
                None => places.others.push(device_name(device)),
            }
        }
        places
    }

    /// How many volumes of a set lie on which devices, one with several copies on a device counted once there; nothing, if that
    /// cannot be told of one of them.
    pub(super) fn copies(&self, set: &SetReader<'_>) -> Vec<Copies> {
        let mut numbers: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for volume in set.volumes() {
            for name in set.copies(volume.number) {
                let Some(device) = self.device(&name) else { return Vec::new() };
                numbers.entry(device).or_default().insert(volume.number);
            }
        }
        let copies = |(device, numbers): (&str, BTreeSet<u32>)| (device.to_owned(), numbers.len() as u64);
        numbers.into_iter().map(copies).map(|(device, volumes)| Copies { device, volumes }).collect()
    }

    /// The device on which a volume lies, by its name among those of all devices together.
    fn device(&self, name: &str) -> Option<&str> {
        let (place, own) = split_place(name).map_or((None, name), |(place, own)| (Some(place), own));
        let has = |(_, at, names): &&(String, String, BTreeSet<String>)| {
            place.is_none_or(|place| place == at) && names.contains(own)
        };
        match (self.listed.iter().find(has), self.others.as_slice()) {
            (Some((device, ..)), _) => Some(device),
            (None, [other]) => Some(other),
            (None, _) => None,
        }
    }
}
