//! The volumes of a set while a device is listed: what names and labels tell before anything else is read.

use super::copies::Copies;
use super::error::VolumeError;
use super::name::{label_of_volume, parse_name, short_id};
use super::reader::{Volume, read_label};
use super::unusable::{Trace, Unusable};
use crate::base::limits::VOLUMES_MAX;
use crate::device::name::{finished_name, own_name};
use crate::device::traits::Device;
use crate::format::block::SetId;
use crate::format::error::FormatErrorKind;
use crate::format::label::LabelRecord;
use crate::format::marks::VolumeEndRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Label and end mark of a volume that was opened, and closed again.
pub(super) struct Seen {
    pub(super) label: LabelRecord,
    pub(super) end: Option<VolumeEndRecord>,
}

impl Seen {
    /// # Errors
    /// As [`Volume::open`]; [`VolumeError::Interrupted`] for the mere beginning of a volume, and [`VolumeError::Begun`] where
    /// somebody is at it.
    pub(super) fn open(device: &dyn Device, name: &str) -> Result<Seen, VolumeError> {
        let source = device.open(name)?;
        let len = source.len();
        match Volume::open(source, name) {
            Ok(volume) => Ok(Seen { label: volume.label().clone(), end: volume.end().cloned() }),
            Err(error) if finished_name(name).is_some() && lacks_label(&error) => {
                let at_work = device.writer(name).filter(|writer| writer.volume.as_deref() == finished_name(name));
                let name = name.to_owned();
                Err(match at_work {
                    Some(writer) => VolumeError::Begun { name, who: writer.who },
                    None => VolumeError::Interrupted { name, len },
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it is the last volume of a complete set with its catalog.
    pub(super) fn lists_all(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.set_complete && end.catalog_blocks > 0)
    }
}

/// Whether a volume ends before its label does, or has none.
fn lacks_label(error: &VolumeError) -> bool {
    match error {
        VolumeError::NotAVolume { .. } => true,
        VolumeError::Format { source, .. } => matches!(source.kind, FormatErrorKind::Short { .. }),
        _ => false,
    }
}

/// What is known of a copy of a volume.
pub(super) enum Known {
    /// Its name says so, and the catalog of its set.
    Believed,
    /// Its label and end mark were read.
    Seen(Box<Seen>),
    /// Its name says so; its label cannot be read.
    LabelLost,
}

/// The volumes of one set, as far as names and labels tell.
#[derive(Default)]
pub(super) struct Draft {
    /// The copies of each volume, the best first.
    pub(super) volumes: BTreeMap<u32, Vec<(String, Known)>>,
    /// Whether there is a volume that was begun and has no label.
    pub(super) interrupted: bool,
}

impl Draft {
    /// Adds a copy of a volume. A finished copy goes before a partial one, one with an end mark before one without, and
    /// those without a readable label come last.
    pub(super) fn add(&mut self, number: u32, name: String, known: Known) {
        let rank = |(name, known): &(String, Known)| {
            let ended = match known {
                Known::Believed => 0,
                Known::Seen(seen) => u8::from(seen.end.is_none()),
                Known::LabelLost => 2,
            };
            (finished_name(name).is_some(), ended)
        };
        let copies = self.volumes.entry(number).or_default();
        copies.push((name, known));
        copies.sort_by_key(rank);
    }

    /// Forgets names that lead to a file that another name of the same volume leads to: that is no copy.
    pub(super) fn forget_same(&mut self, device: &dyn Device) {
        for copies in self.volumes.values_mut().filter(|copies| copies.len() > 1) {
            let mut files = BTreeSet::new();
            copies.retain(|(name, _)| device.file_of(name).is_none_or(|file| files.insert(file)));
        }
    }

    /// Names of the copies, by volume.
    pub(super) fn copies<'d>(&self, device: &'d dyn Device, set: SetId) -> Copies<'d> {
        let names = |copies: &Vec<(String, Known)>| copies.iter().map(|(name, _)| name.clone()).collect();
        Copies::new(device, set, self.volumes.iter().map(|(number, copies)| (*number, names(copies))).collect())
    }

    /// Whether one of the copies of the last volume lists all of the set.
    pub(super) fn lists_all(&self) -> bool {
        let last = self.volumes.last_key_value();
        last.is_some_and(|(_, copies)| {
            copies.iter().any(|(_, known)| matches!(known, Known::Seen(seen) if seen.lists_all()))
        })
    }

    /// The label of volume 1, from any label that was read.
    pub(super) fn label(&self) -> Option<LabelRecord> {
        let seen = self.volumes.values().flatten().find_map(|(_, known)| match known {
            Known::Seen(seen) => Some(seen),
            Known::Believed | Known::LabelLost => None,
        })?;
        let label = label_of_volume(&seen.label.label, 1);
        Some(LabelRecord { volume: 1, label, predecessor: None, ..seen.label.clone() })
    }

    /// Reads the labels of the volumes that were only believed to be there.
    pub(super) fn read_labels(&mut self, device: &dyn Device, set: SetId, unreadable: &mut Unusable) {
        for (number, copies) in std::mem::take(&mut self.volumes) {
            for (name, known) in copies {
                if !matches!(known, Known::Believed) {
                    self.add(number, name, known);
                    continue;
                }
                match Seen::open(device, &name) {
                    Ok(seen) if seen.label.set() == set => {
                        self.add(seen.label.volume, name, Known::Seen(Box::new(seen)));
                    }
                    Ok(Seen { label, .. }) => {
                        let (found_set, found_volume) = (label.set(), label.volume);
                        let wrong = VolumeError::WrongVolume {
                            name: name.clone(),
                            set,
                            volume: number,
                            found_set,
                            found_volume,
                        };
                        unreadable.push(name, wrong);
                    }
                    Err(error) => {
                        if error.is_damage() {
                            self.add(number, name.clone(), Known::LabelLost);
                        }
                        unreadable.push(name, error);
                    }
                }
            }
        }
    }
}

/// Names that are volumes of one set, as far as names tell: those of one stem and short id.
pub(super) struct Group {
    /// First eight digits of the set id.
    pub(super) short_id: String,
    /// The names, each with its number, ascending.
    pub(super) names: Vec<(u32, String)>,
    /// Names that claim the number of another in another spelling, such as -1 beside -01: only their labels can tell.
    pub(super) spelt: Vec<String>,
}

/// A name that says something. There may be very many: nothing of it is held twice.
struct Named {
    /// The set id's beginning.
    short: u32,
    number: u32,
    /// Where in the name the stem stands.
    stem: Range<usize>,
    name: String,
}

impl Named {
    fn of(name: String) -> Result<Named, String> {
        let Some(parts) = parse_name(&name).filter(|_| finished_name(&name).is_none()) else { return Err(name) };
        let Ok(short) = u32::from_str_radix(parts.short_id, 16) else { return Err(name) };
        let start = name.len().saturating_sub(own_name(&name).len());
        let (number, stem) = (parts.number, start..start.saturating_add(parts.stem.len()));
        Ok(Named { short, number, stem, name })
    }

    fn set(&self) -> (u32, &str) {
        (self.short, self.name.get(self.stem.clone()).unwrap_or_default())
    }
}

/// Sorts names by what they say; those that say nothing, or are of unfinished volumes, come back as they are.
pub(super) fn group(names: Vec<String>) -> (impl Iterator<Item = Group>, Vec<String>) {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for name in names {
        match Named::of(name) {
            Ok(name) => named.push(name),
            Err(name) => others.push(name),
        }
    }
    named.sort_by(|a, b| (a.set(), a.number).cmp(&(b.set(), b.number)));
    let mut named = named.into_iter().peekable();
    let groups = std::iter::from_fn(move || {
        let mut last = named.next()?;
        let short_id = parse_name(&last.name)?.short_id.to_owned();
        let mut group = Group { short_id, names: Vec::new(), spelt: Vec::new() };
        while let Some(next) = named.next_if(|next| next.set() == last.set()) {
            group.add(std::mem::replace(&mut last, next));
        }
        group.add(last);
        Some(group)
    });
    (groups, others)
}

impl Group {
    /// Takes names in the order of their numbers.
    fn add(&mut self, named: Named) {
        let first = self.names.partition_point(|(number, _)| *number < named.number);
        match self.names.get(first) {
            Some((_, first)) if own_name(first) != own_name(&named.name) => self.spelt.push(named.name),
            _ => self.names.push((named.number, named.name)),
        }
    }
}

/// Gives volumes whose labels cannot be read to the sets that their names tell of, so that what else is on them can be used.
pub(super) fn adopt(drafts: &mut BTreeMap<SetId, Draft>, traces: Vec<Trace>) {
    // The first of those that begin alike.
    let by_short: BTreeMap<String, SetId> = drafts.keys().rev().map(|set| (short_id(*set), *set)).collect();
    for trace in traces {
        let Some(parts) = parse_name(&trace.name).filter(|parts| parts.number <= VOLUMES_MAX) else { continue };
        let Some(draft) = by_short.get(parts.short_id).and_then(|set| drafts.get_mut(set)) else { continue };
        let number = parts.number;
        draft.interrupted |= trace.begun;
        if trace.lost {
            draft.add(number, trace.name, Known::LabelLost);
        }
    }
}

/// The labels of the sets on a device, one of each set, that of any of its volumes. Opens one volume of each set, unless
/// its label is damaged, and every volume whose name tells of no set; reads nothing but labels.
///
/// # Errors
/// The device cannot be listed. Volumes without a readable label are passed over.
pub fn labels(device: &dyn Device) -> Result<Vec<LabelRecord>, VolumeError> {
    let mut groups: BTreeMap<Option<(String, String)>, Vec<String>> = BTreeMap::new();
    for name in device.list()? {
        let set = parse_name(&name).map(|parts| (parts.short_id.to_owned(), parts.stem.to_owned()));
        groups.entry(set).or_default().push(name);
    }
    let mut found = Vec::new();
    for (set, mut names) in groups {
        names.sort_by_key(|name| finished_name(name).is_some());
        for name in names {
            let Ok((_, label, _)) =
                device.open(&name).map_err(VolumeError::from).and_then(|from| read_label(from, &name))
            else {
                continue;
            };
            let ours = set.as_ref().is_some_and(|(short, _)| *short == short_id(label.set()));
            found.push(label);
            if ours {
                break;
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|label| seen.insert(label.set().0));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::records;
    use crate::volume::name::volume_name;

    #[test]
    fn a_volume_without_a_label_is_given_to_its_set_where_it_has_anything() {
        let set = SetId([7; 16]);
        let name = volume_name(&LabelRecord { set_id: set.0, ..records::label() });
        let taken = |error: VolumeError| {
            let mut drafts = BTreeMap::from([(set, Draft::default())]);
            let mut unusable = Unusable::default();
            unusable.push(name.clone(), error);
            adopt(&mut drafts, unusable.take_traces());
            let draft = &drafts[&set];
            (draft.volumes.values().map(Vec::len).sum::<usize>(), draft.interrupted)
        };
        let begun = |len: u64| VolumeError::Interrupted { name: name.clone(), len };
        assert_eq!(taken(VolumeError::NotAVolume { name: name.clone(), len: 500 }), (1, false));
        assert_eq!((taken(begun(500)), taken(begun(0))), ((1, true), (0, true)));
        // The device failed: nothing is known of the volume.
        assert_eq!(taken(VolumeError::Order("another error")), (0, false));
    }
}
