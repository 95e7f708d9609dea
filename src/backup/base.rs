//! What an incremental backup builds on: the newest finished set of a chain of the same source, and what it and the sets
//! before it say of each table. Chosen by labels; catalogs are read of no more sets than are needed.
//!
//! # Which sets make a chain
//!
//! Sets of one database with one selection of ACD: an incremental of all ACDs goes on with sets of all ACDs, that of one
//! ACD with sets of this ACD. A full of all ACDs would cover the rows of one, but a set that lists one ACD says of the tables
//! without time, which are replaced whole, that the others have no rows. Sets of specific tables and undo sets join no chain.
//! Neither do sets that were never finished: the next one is written in their place.

use super::options::Incremental;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::catalog::BucketEntry;
use crate::format::label::LabelRecord;
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::section::changes::Before;
use crate::volume::error::VolumeError;
use crate::volume::name::label_of_volume;
use crate::volume::section::SectionSource;
use crate::volume::set::{SetReader, find_set, labels};
use std::collections::{BTreeMap, BTreeSet};

/// What to do where there is nothing to build on.
const FULL_FIRST: &str = "take a full backup first, or name the device that holds it";
const NAME_ONE: &str = "name the set to go on with (--set)";

/// The set that an incremental builds on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub set: SetId,
    /// Its label.
    pub label: String,
    /// Its place in the chain, 0 for the full.
    pub sequence: u32,
    /// The full that begins the chain.
    pub chain: SetId,
    /// What a person should know of the choice.
    pub notices: Vec<String>,
}

/// What the newest set that lists a table says of it.
struct Known {
    header: SectionRecord,
    end: SectionEndRecord,
    buckets: Vec<BucketEntry>,
}

/// What an incremental builds on.
pub(super) struct Base {
    pub(super) parent: Parent,
    tables: BTreeMap<String, Known>,
}

/// How a table of the source compares with what the chain has of it.
pub(super) enum Older<'a> {
    /// It can be compared bucket by bucket.
    Same(Before<'a>),
    /// It has to be written whole, and why.
    Whole(&'static str),
}

/// Whose data are to be backed up, as a label has it.
pub(super) struct Source {
    pub(super) store: String,
    pub(super) server: String,
    pub(super) database: String,
    pub(super) acd: Option<i64>,
}

impl Source {
    fn is_of(&self, label: &LabelRecord) -> bool {
        let found = (&label.source_store, &label.source_server, &label.source_database);
        found == (&self.store, &self.server, &self.database)
    }
}

impl Base {
    /// Finds what to build on among the sets of some devices. Of the catalogs only what concerns `tables` is kept.
    ///
    /// # Errors
    /// There is no chain of this source, or it is not clear which set is meant; a device fails.
    pub(super) fn find(
        devices: &[&dyn Device],
        source: &Source,
        wanted: &Incremental,
        tables: &BTreeSet<&str>,
    ) -> Result<Base, Error> {
        let mut shelf = Shelf { devices, labels: all_labels(devices)?, notices: Vec::new() };
        let ours = shelf.of_source(source)?;
        let named = match &wanted.set {
            Some(text) => Some(shelf.named(text, &ours)?),
            None => None,
        };
        let tip = shelf.tip(&ours, named.as_ref())?;
        let path = path(&ours, tip.label());
        let mut base = Base { parent: shelf.parent(&tip, &path), tables: BTreeMap::new() };
        base.take(&tip, tables);
        for label in path.iter().skip(1) {
            if tables.iter().all(|table| base.tables.contains_key(*table)) {
                break;
            }
            if let Some(set) = shelf.finished(label)? {
                base.take(&set, tables);
            }
        }
        Ok(base)
    }

    /// Takes over what a set says of tables that no newer one lists.
    fn take(&mut self, set: &SetReader<'_>, tables: &BTreeSet<&str>) {
        for section in set.sections() {
            let Some(end) = &section.end else { continue };
            let name = &section.header.table;
            if tables.contains(name.as_str()) && !self.tables.contains_key(name) {
                let (header, end, buckets) = (section.header.clone(), end.clone(), section.buckets.clone());
                self.tables.insert(name.clone(), Known { header, end, buckets });
            }
        }
    }

    /// What the chain has of the table that such a section would hold.
    pub(super) fn older(&self, header: &SectionRecord) -> Older<'_> {
        let Some(known) = self.tables.get(&header.table) else { return Older::Whole("new to the chain") };
        let meaning = |header: &SectionRecord| {
            let SectionRecord { grain, clock, acd_column, digest_id, .. } = header;
            (*grain, clock.clone(), *acd_column, *digest_id)
        };
        if known.header.columns != header.columns {
            return Older::Whole("its columns changed");
        }
        if meaning(&known.header) != meaning(header) {
            return Older::Whole("the table catalogue reads it in another way");
        }
        Older::Same(Before { buckets: &known.buckets, end: &known.end })
    }
}

/// The sets of some devices, as their labels tell.
struct Shelf<'d> {
    devices: &'d [&'d dyn Device],
    labels: Vec<LabelRecord>,
    notices: Vec<String>,
}

fn all_labels(devices: &[&dyn Device]) -> Result<Vec<LabelRecord>, Error> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for device in devices {
        let found = match labels(*device) {
            // The first backup makes the place.
            Err(VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotFound, .. })) => continue,
            found => found?,
        };
        all.extend(found.into_iter().filter(|label| seen.insert(label.set_id)));
    }
    Ok(all)
}

fn name(label: &LabelRecord) -> String {
    format!("{} ({})", label_of_volume(&label.label, 1), label.set())
}

fn names<'a>(labels: impl IntoIterator<Item = &'a LabelRecord>) -> String {
    labels.into_iter().map(name).collect::<Vec<_>>().join("; ")
}

fn acds(acd: Option<i64>) -> String {
    acd.map_or_else(|| "all ACDs".to_owned(), |acd| format!("ACD {acd}"))
}

impl<'d> Shelf<'d> {
    /// The sets that can be in a chain of the source.
    fn of_source(&self, source: &Source) -> Result<Vec<LabelRecord>, Error> {
        let usable: Vec<&LabelRecord> = self.labels.iter().filter(|label| label.joins_chains()).collect();
        let same: Vec<&LabelRecord> = usable.iter().copied().filter(|label| source.is_of(label)).collect();
        let ours: Vec<LabelRecord> = same.iter().copied().filter(|label| label.acd == source.acd).cloned().collect();
        if !ours.is_empty() {
            return Ok(ours);
        }
        let what = match (same.first(), usable.first()) {
            (Some(other), _) => format!(
                "an incremental backup of {} cannot build on a backup of {}, and there is no other here: {}",
                acds(source.acd),
                acds(other.acd),
                name(other)
            ),
            (None, Some(other)) => format!(
                "there is no backup of database {} on {} to build on, only of database {} on {}: {}",
                source.database,
                source.server,
                other.source_database,
                other.source_server,
                name(other)
            ),
            (None, None) => format!("there is no backup of database {} to build on", source.database),
        };
        Err(Error::refused(what, FULL_FIRST))
    }

    /// The one set that a person named.
    fn named(&self, text: &str, ours: &[LabelRecord]) -> Result<LabelRecord, Error> {
        let small = text.to_ascii_lowercase();
        let fits = |label: &&LabelRecord| {
            !text.is_empty()
                && (label.set().to_string().starts_with(&small) || label_of_volume(&label.label, 1) == text)
        };
        let found: Vec<&LabelRecord> = ours.iter().filter(fits).collect();
        match found.as_slice() {
            [label] => Ok((*label).clone()),
            [] => match self.labels.iter().find(fits) {
                Some(other) => {
                    let what = format!("set {} is in no chain of this database and selection of ACD", name(other));
                    Err(Error::refused(what, "name a full or incremental backup of it (--set)"))
                }
                None => Err(Error::nothing(format!("there is no set {text} here"), NAME_ONE)),
            },
            several => {
                let what = format!("several sets fit {text}: {}", names(several.iter().copied()));
                Err(Error::refused(what, NAME_ONE))
            }
        }
    }

    /// A set, if it was finished and its catalog can be read.
    fn finished(&self, label: &LabelRecord) -> Result<Option<SetReader<'d>>, Error> {
        for device in self.devices {
            let found = match find_set(*device, label.set()) {
                Err(VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotFound, .. })) => None,
                found => found?,
            };
            if let Some(set) = found.filter(is_finished) {
                return Ok(Some(set));
            }
        }
        Ok(None)
    }

    /// The newest finished set of the chain that is meant.
    fn tip(&mut self, ours: &[LabelRecord], named: Option<&LabelRecord>) -> Result<SetReader<'d>, Error> {
        let mut chains: BTreeMap<SetId, Vec<&LabelRecord>> = BTreeMap::new();
        for label in ours.iter().filter(|label| named.is_none_or(|named| named.chain == label.chain)) {
            chains.entry(label.chain()).or_default().push(label);
        }
        let begun = |members: &[&LabelRecord]| members.iter().map(|label| (label.sequence, label.created_unix)).min();
        let mut chains: Vec<Vec<&LabelRecord>> = chains.into_values().collect();
        // The one whose full was taken last comes first.
        chains.sort_by_key(|members| std::cmp::Reverse(begun(members).map(|(_, created)| created)));
        let several = chains.len() > 1;
        if let [first, second, ..] = chains.as_slice()
            && begun(first) == begun(second)
        {
            let what =
                format!("several chains were begun at the same time: {}", names(first.iter().chain(second).copied()));
            return Err(Error::refused(what, NAME_ONE));
        }
        for mut members in chains {
            if let Some(named) = named {
                let descends = |label: &LabelRecord| path(ours, label).iter().any(|at| at.set_id == named.set_id);
                members.retain(|label| descends(label));
            }
            if let Some(tip) = self.newest(members)? {
                if several {
                    let label = tip.label();
                    let of = format!("chain {} of several here, begun last, is gone on with", label.chain());
                    self.notices.push(format!("{of}; {NAME_ONE} otherwise"));
                }
                return Ok(tip);
            }
        }
        let what = format!("no backup here was finished: {}", names(ours));
        Err(Error::refused(what, FULL_FIRST))
    }

    /// The newest finished one of the members of a chain.
    fn newest(&mut self, mut members: Vec<&LabelRecord>) -> Result<Option<SetReader<'d>>, Error> {
        members.sort_by_key(|label| std::cmp::Reverse(label.sequence));
        let mut found: Option<SetReader<'d>> = None;
        for label in members {
            if let Some(tip) = &found {
                if tip.label().sequence != label.sequence {
                    break;
                }
                if self.finished(label)?.is_some() {
                    let what = format!("two sets build on the same one: {}", names([tip.label(), label]));
                    return Err(Error::refused(what, NAME_ONE));
                }
                continue;
            }
            found = self.finished(label)?;
            if found.is_none() {
                let text = format!("set {} is no base: its end is not here, or it was never finished", name(label));
                self.notices.push(text);
            }
        }
        Ok(found)
    }

    fn parent(&self, tip: &SetReader<'_>, path: &[&LabelRecord]) -> Parent {
        let label = tip.label();
        let mut notices = self.notices.clone();
        for (at, member) in path.iter().enumerate() {
            let next = path.get(at.saturating_add(1));
            if let Some(parent) = member.parent_set.filter(|parent| next.is_none_or(|next| next.set_id != *parent)) {
                notices.push(format!(
                    "set {}, on which {} builds, is not here: this backup does not need it, a restore of the chain does",
                    SetId(parent),
                    name(member)
                ));
            }
        }
        Parent {
            set: label.set(),
            label: label_of_volume(&label.label, 1),
            sequence: label.sequence,
            chain: label.chain(),
            notices,
        }
    }
}

/// Whether everything that the set wrote is listed by a catalog of its own.
fn is_finished(set: &SetReader<'_>) -> bool {
    let listed = set.sections().iter().all(|section| section.source == SectionSource::Catalog);
    set.is_finished() && set.catalog().is_some() && listed
}

/// A set and those before it in its chain, the newest first; beyond a gap it goes on where that is certain.
fn path<'a>(labels: &'a [LabelRecord], newest: &LabelRecord) -> Vec<&'a LabelRecord> {
    let mut path: Vec<&LabelRecord> = labels.iter().filter(|label| label.set_id == newest.set_id).collect();
    while let Some(last) = path.last()
        && let Some(parent) = last.parent_set
    {
        let below: Vec<&LabelRecord> =
            labels.iter().filter(|label| label.chain == last.chain && label.sequence < last.sequence).collect();
        let next = below.iter().copied().find(|label| label.set_id == parent).or_else(|| {
            let highest = below.iter().map(|label| label.sequence).max()?;
            let mut left = below.iter().copied().filter(|label| label.sequence == highest);
            left.next().filter(|_| left.next().is_none())
        });
        let Some(next) = next else { break };
        path.push(next);
    }
    path
}
