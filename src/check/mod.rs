//! Check: what is on a device, and whether it can be read. Never changes anything. Judges with `verify`; adds what a
//! person wants to know: sets, tables, rows, ranges, ACDs.

mod against;
mod digests;
mod list;

pub use against::{Compared, Content, Difference, Scope, against_database, against_set, alone, only_in_database};
pub use digests::{TableDigest, digests};
pub use list::{AcdOutline, SetOutline, TableOutline, TreeOutline, outline};

use crate::base::monitor::Monitor;
use crate::device::traits::Device;
use crate::error::{Class, Error};
use crate::format::block::SetId;
use crate::verify::set::{self, Asked, Verified};
use crate::volume::error::VolumeError;
use crate::volume::set::{SetReader, list_sets};
use std::collections::BTreeMap;

/// A volume on a device that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name on the device.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Of what kind that is: damage, or a volume that was never written.
    pub class: Class,
    /// Whether it was begun and never finished, or not yet: no whole label is on it.
    pub begun: bool,
}

impl Unreadable {
    /// With the reason in words.
    pub(crate) fn new(name: String, error: VolumeError) -> Unreadable {
        let reason = error.to_string();
        let begun = matches!(error, VolumeError::Begun { .. } | VolumeError::Interrupted { .. });
        Unreadable { name, reason, class: Error::from(error).class(), begun }
    }
}

/// The sets of a device.
pub struct Found<'d> {
    /// The sets, oldest first.
    pub sets: Vec<SetReader<'d>>,
    /// Volumes that cannot be used: of very many the first, and one at least of each kind.
    pub unreadable: Vec<Unreadable>,
    /// How many more there are.
    pub further: u64,
    /// Sets that somebody is writing now, and who, in brackets for a message; empty if that is not known.
    pub writers: BTreeMap<SetId, String>,
}

impl Found<'_> {
    /// What a set holds: see [`outline`]. Of one that is being written only the damage of finished volumes is told: the end of
    /// the others is not written yet.
    #[must_use]
    pub fn outline(&self, set: &SetReader<'_>) -> SetOutline {
        list::outline_of(set, self.writers.get(&set.set_id()))
    }

    /// Refuses what has volumes and no set that can be read.
    ///
    /// # Errors
    /// What is wrong with one of them: damage before anything else, then what may not be opened, then what is missing.
    pub fn has_sets(&self) -> Result<(), Error> {
        let rank = |bad: &&Unreadable| match bad.class {
            Class::Damage => 0,
            Class::NotPermitted => 1,
            Class::Volume => 2,
            _ => 3,
        };
        let Some(bad) = self.unreadable.iter().min_by_key(rank).filter(|_| self.sets.is_empty()) else { return Ok(()) };
        let what = format!("{}: {}", bad.name, bad.reason);
        let (class, advice) = match bad.class {
            class @ Class::Volume => (class, "nothing can be read from it; use another set"),
            class @ Class::Busy => (class, "nothing can be read from it yet; look again when that is done"),
            class @ Class::NotPermitted => (class, "ask for the right to read it"),
            _ => (Class::Damage, "nothing can be read from it; use another copy"),
        };
        Err(Error::of_class(class, what, advice))
    }
}

/// Finds the sets on a device, or only those whose id begins with `only` (hexadecimal).
///
/// # Errors
/// The device cannot be read, holds no volume at all, or not the set asked for.
pub fn find<'d>(device: &'d dyn Device, only: Option<&str>) -> Result<Found<'d>, Error> {
    let listing = list_sets(device)?;
    let unreadable: Vec<Unreadable> =
        listing.unreadable.into_iter().map(|(name, error)| Unreadable::new(name, error)).collect();
    let (mut sets, further) = (listing.sets, listing.further);
    sets.sort_by_key(|set| (set.label().created_unix, set.label().sequence, set.label().set_id));
    let writers = sets.iter().filter_map(|set| Some((set.set_id(), set.writer()?))).collect();
    if sets.is_empty() && unreadable.is_empty() {
        return Err(Error::nothing(
            format!("no volume on {}", device.describe()),
            "check the path; volumes are files whose names end in .ivv",
        ));
    }
    if let Some(only) = only {
        let wanted = only.to_ascii_lowercase();
        sets.retain(|set| set.label().set().to_string().starts_with(&wanted));
        if sets.is_empty() {
            return Err(Error::nothing(
                format!("no set {only} on {}", device.describe()),
                "list the sets with intervault check DEVICE --list",
            ));
        }
    }
    Ok(Found { sets, unreadable, further, writers })
}

/// What is on a device, with at least one set.
///
/// # Errors
/// As [`find`]; nothing on the device can be read as a set.
pub fn readable(device: &dyn Device) -> Result<Found<'_>, Error> {
    let found = find(device, None)?;
    found.has_sets()?;
    Ok(found)
}

/// The first eight digits of a set's id, enough for people.
#[must_use]
pub fn short(set: SetId) -> String {
    set.to_string().chars().take(8).collect()
}

/// Verifies a set as deep as is asked: every byte of its volumes, every row of its chunks, every total.
pub fn verify(set: &SetReader<'_>, asked: &Asked<'_>, jobs: usize, monitor: &dyn Monitor) -> Verified {
    set::verify(set, asked, jobs, monitor)
}
