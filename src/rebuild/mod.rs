//! Rebuild: catalog and indexes of sets made anew from media alone, and compared with those that are there. Changes nothing.

use crate::base::monitor::{Monitor, Task};
use crate::error::Error;
use crate::format::block::SetId;
use crate::volume::catalog::{Catalog, CatalogSection};
use crate::volume::recompute::{SetBlocks, VolumeBlocks, recompute};
use crate::volume::set::SetReader;

/// Places that are told of one difference.
const PLACES_MAX: usize = 20;

/// All that a catalog differs in whose records say what the blocks say. How they are divided into blocks follows from the size of
/// the volumes by the label, which nothing else on a set tells.
pub const DIVISION: &str = "how its records are divided into blocks";

/// How something that is there compares with what the blocks say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// Byte for byte.
    Equal,
    /// It differs, and where.
    Differs(Vec<String>),
    /// It is not there, and what to do.
    Missing(String),
    /// Not all of the blocks are here.
    NotJudged(String),
}

/// A set that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRebuilt {
    /// The set.
    pub set: SetId,
    /// Its label, as people read it.
    pub label: String,
    /// Its catalog.
    pub catalog: Compared,
    /// The index of each copy of a volume that is here, by its number.
    pub indexes: Vec<(u32, Compared)>,
    /// Each copy of a volume as a whole: its number, its name, and whether every byte of it is as blocks and end mark say.
    pub volumes: Vec<(u32, String, Compared)>,
}

impl SetRebuilt {
    /// What was compared, the catalog first.
    pub fn all(&self) -> impl Iterator<Item = &Compared> {
        let volumes = self.volumes.iter().map(|(_, _, volume)| volume);
        std::iter::once(&self.catalog).chain(self.indexes.iter().map(|(_, index)| index)).chain(volumes)
    }
}

/// What to do where a catalog is lost.
const SALVAGE: &str = "intervault salvage writes a new set that has one";

/// Makes catalog and indexes of a set anew, and compares.
///
/// # Errors
/// A volume cannot be opened, the device fails.
pub fn rebuild(set: &SetReader<'_>, monitor: &dyn Monitor) -> Result<SetRebuilt, Error> {
    monitor.begin(Task::Verify, "making catalog and indexes anew", 0);
    let blocks = recompute(set);
    monitor.end(Task::Verify);
    let blocks = blocks?;
    let indexes = blocks.volumes.iter().map(|volume| (volume.number, index(volume))).collect();
    let one = |volume: &VolumeBlocks| (volume.number, volume.name.clone(), whole(volume));
    let volumes = blocks.volumes.iter().map(one).collect();
    let label = set.label().label.clone();
    Ok(SetRebuilt { set: set.set_id(), label, catalog: catalog(set, &blocks), indexes, volumes })
}

fn whole(volume: &VolumeBlocks) -> Compared {
    if !volume.damage.is_empty() {
        return Compared::Differs(volume.damage.iter().take(PLACES_MAX).cloned().collect());
    }
    match volume.ended {
        true => Compared::Equal,
        false => Compared::Missing("its end mark: it was cut off, or never finished".to_owned()),
    }
}

fn index(volume: &VolumeBlocks) -> Compared {
    if volume.index.is_empty() {
        return Compared::Missing(
            "the volume was cut off, or its index is damaged; its blocks are found without".to_owned(),
        );
    }
    if volume.index == volume.index_made {
        return Compared::Equal;
    }
    let mut places: Vec<String> = volume.damage.iter().take(PLACES_MAX).cloned().collect();
    if places.is_empty() {
        places = (0u64..)
            .zip(volume.index.iter().zip(&volume.index_made))
            .filter(|(_, (there, made))| there != made)
            .map(|(number, _)| format!("index block {number} does not list the blocks that are there"))
            .take(PLACES_MAX)
            .collect();
    }
    if places.is_empty() {
        places.push(format!(
            "it has {} blocks, {} would list what is there",
            volume.index.len(),
            volume.index_made.len()
        ));
    }
    Compared::Differs(places)
}

fn catalog(set: &SetReader<'_>, blocks: &SetBlocks) -> Compared {
    let said = Catalog::from_payloads(&blocks.catalog);
    let mut missing = set.missing_volumes();
    if let Ok(said) = &said {
        // The catalog tells how many there are, though what ends the set be lost.
        missing.retain(|number| *number <= said.head.volumes);
    } else if set.total_volumes().is_none() && !set.is_interrupted() {
        let numbers = set.volumes().iter().filter(|volume| volume.name.is_none()).map(|volume| volume.number);
        missing = numbers.collect();
        if missing.is_empty() {
            let why = "what ends the set is not here: it is on further volumes, or was cut off, or never written";
            return Compared::NotJudged(why.to_owned());
        }
    }
    if !missing.is_empty() {
        let numbers: Vec<String> = missing.iter().map(u32::to_string).collect();
        return Compared::NotJudged(format!("volume {} is not here", numbers.join(", ")));
    }
    if blocks.catalog.is_empty() {
        let why = if set.is_interrupted() { "the set was never finished" } else { "its blocks are damaged" };
        return Compared::Missing(format!("{why}; {SALVAGE}"));
    }
    let said = match said {
        Ok(said) => said,
        Err(error) => return Compared::Missing(format!("not all of it can be read ({error}); {SALVAGE}")),
    };
    match blocks.catalog_made(Some(&said)) {
        Ok(made) if made == blocks.catalog => Compared::Equal,
        Ok(_) => Compared::Differs(differences(&said, &blocks.made(Some(&said)))),
        Err(error) => Compared::Differs(vec![format!("the blocks make no catalog: {error}")]),
    }
}

/// Where two catalogs differ.
fn differences(said: &Catalog, made: &Catalog) -> Vec<String> {
    let mut places = Vec::new();
    if said.head != made.head {
        places.push("its head: the numbers of volumes, sections or rows".to_owned());
    }
    for (number, (one, other)) in (1u32..).zip(said.volumes.iter().zip(&made.volumes)) {
        if one != other {
            places.push(format!("volume {number}: its blocks, bytes or running hash"));
        }
    }
    let of = |number: u32| made.sections.iter().find(|section| section.record.section == number);
    for section in &said.sections {
        let (number, table) = (section.record.section, &section.record.header.table);
        let what = of(number).map_or_else(|| vec!["it was not found".to_owned()], |other| parts(section, other));
        if !what.is_empty() {
            places.push(format!("section {number} (table {table}): {}", what.join(", ")));
        }
    }
    if places.is_empty() {
        places.push(DIVISION.to_owned());
    }
    places.truncate(PLACES_MAX);
    places
}

fn parts(said: &CatalogSection, made: &CatalogSection) -> Vec<String> {
    let mut parts = Vec::new();
    let mut tell = |differs: bool, what: String| parts.extend(differs.then_some(what));
    tell(said.record.header != made.record.header, "its header".to_owned());
    tell(said.record.end != made.record.end, "its end".to_owned());
    tell(said.record.bytes != made.record.bytes, "its bytes".to_owned());
    let first = said.chunks.iter().zip(&made.chunks).position(|(one, other)| one != other);
    let (lists, are) = (said.chunks.len(), made.chunks.len());
    tell(first.is_some() || lists != are, format!("its chunks from number {} on", first.unwrap_or(lists.min(are))));
    let first = said.buckets.iter().zip(&made.buckets).find(|(one, other)| one != other).map(|(one, _)| *one);
    let which = first.map_or_else(String::new, |one| format!(", first ACD {:?}, day {:?}", one.acd, one.day));
    tell(said.buckets != made.buckets, format!("its buckets{which}"));
    parts
}
