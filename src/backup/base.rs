//! What an incremental backup builds on: the newest finished set of a chain of the same source, and what it and the sets
//! before it say of each table. Chosen by labels; catalogs are read of no more sets than are needed.
//!
//! # Which sets make a chain
//!
//! Sets of one database with one selection of ACD: an incremental of all ACDs goes on with sets of all ACDs, that of one
//! ACD with sets of this ACD. A full of all ACDs would cover the rows of one, but a set that lists one ACD says of the tables
//! without time, which are replaced whole, that the others have no rows. Sets of specific tables and undo sets join no chain.
//! Neither do sets that were never finished: the next one is written in their place.
//!
//! A chain must have what is wanted: one of which no set was taken of historical data is none to go on with for those. Of
//! several that which was begun last is meant, but none that was begun later than now: the clock of one backup must not decide
//! for all later ones.

use super::lost::{Holding, Lost, Search};
use super::options::Options;
use crate::base::time::{Day, Instant};
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::catalog::BucketEntry;
use crate::format::label::{LabelRecord, Salvaged, data_types};
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::schema::grain::DataType;
use crate::schema::label_text::LabelText;
use crate::section::changes::{Before, read_from};
use crate::section::evidence::{Bucket, is_short};
use crate::volume::error::VolumeError;
use crate::volume::lineage::is_begun_by;
use crate::volume::name::label_of_volume;
use crate::volume::set::{SetReader, find_set, labels};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What to do where there is nothing to build on.
const FULL_FIRST: &str = "take a full backup first, or name the device that holds it";
const NAME_ONE: &str = "name the set to go on with (--set)";
/// Of a table of which nothing is lost.
const NOTHING: &BTreeSet<Bucket> = &BTreeSet::new();

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
    /// What a person should look at: sets of the chain that cannot give all that they wrote, so that it is written again.
    pub warnings: Vec<String>,
}

/// What the newest set that lists a table says of it.
struct Known {
    header: SectionRecord,
    end: SectionEndRecord,
    buckets: Vec<BucketEntry>,
    /// The civil day on which that set was begun.
    day: Day,
}

/// What an incremental builds on.
pub(super) struct Base {
    pub(super) parent: Parent,
    tables: BTreeMap<String, Known>,
    /// Of each table the buckets that no set of the chain can give any more.
    lost: BTreeMap<String, BTreeSet<Bucket>>,
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
    /// Bits of [`data_types`] that are wanted.
    pub(super) data: u32,
}

impl Source {
    /// Whether a set of such data is one to build on, or to be built on by way of others of its chain.
    const fn has_wanted(&self, data: u32) -> bool {
        let wanted = match self.data & data_types::HISTORICAL {
            0 => self.data,
            historical => historical,
        };
        data & wanted != 0
    }

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
        options: &Options,
        tables: &BTreeSet<&str>,
    ) -> Result<Base, Error> {
        let (labels, now) = (all_labels(devices)?, options.now_unix);
        let mut shelf = Shelf { devices, labels, now, notices: Vec::new(), unfit: Vec::new() };
        let ours = shelf.of_source(source)?;
        let named = match options.set_of_chain() {
            Some(text) => Some(shelf.named(text, &ours)?),
            None => None,
        };
        let tip = shelf.tip(&ours, named.as_ref())?;
        let path = path(&ours, tip.label());
        let parent = shelf.parent(&tip, &path);
        let mut base = Base { parent, tables: BTreeMap::new(), lost: BTreeMap::new() };
        base.take(&tip, tables);
        for label in path.iter().skip(1) {
            if tables.iter().all(|table| base.tables.contains_key(*table)) {
                break;
            }
            if let Some(set) = shelf.finished(label)? {
                base.take(&set, tables);
            }
        }
        let Lost { tables, words } = shelf.lost(&base.tables, &path, &options.faulty);
        (base.lost, base.parent.warnings) = (tables, words);
        base.parent.warnings.extend(shelf.half_replaced(&path, source));
        Ok(base)
    }

    /// Takes over what a set says of tables that no newer one lists.
    fn take(&mut self, set: &SetReader<'_>, tables: &BTreeSet<&str>) {
        for section in set.sections() {
            let Some(end) = &section.end else { continue };
            let name = &section.header.table;
            if tables.contains(name.as_str()) && !self.tables.contains_key(name) {
                let (header, end) = (section.header.clone(), end.clone());
                let buckets =
                    section.buckets.iter().filter(|bucket| !is_short(&end, header.grain, bucket)).copied().collect();
                let day = Instant(set.label().created_civil).day();
                self.tables.insert(name.clone(), Known { header, end, buckets, day });
            }
        }
    }

    /// What the chain has of the table that such a section would hold.
    pub(super) fn older(&self, header: &SectionRecord) -> Older<'_> {
        let Some(known) = self.tables.get(&header.table) else { return Older::Whole("new to the chain") };
        if let Err(why) = known.header.compares_with(header) {
            return Older::Whole(why);
        }
        let lost = self.lost.get(&header.table).unwrap_or(NOTHING);
        Older::Same(Before { buckets: &known.buckets, end: &known.end, lost })
    }

    /// The day from which on a table is read if only its last days are: none if all of it has to be, since the chain has no
    /// dated rows of it, or cannot give all of them.
    pub(super) fn read_from(&self, header: &SectionRecord, today: Day, margin_days: u16) -> Option<Day> {
        let Older::Same(before) = self.older(header) else { return None };
        let known = self.tables.get(&header.table)?;
        if before.lost.is_empty() { read_from(before.buckets, known.day.min(today), margin_days) } else { None }
    }
}

/// The sets of some devices, as their labels tell.
struct Shelf<'d> {
    devices: &'d [&'d dyn Device],
    labels: Vec<LabelRecord>,
    /// Now, in seconds since 1970-01-01 00:00 UTC.
    now: i64,
    notices: Vec<String>,
    /// Sets that are no base, and were not certainly left unfinished.
    unfit: Vec<LabelRecord>,
}

/// Why a set is no base.
enum Unfit {
    /// It was finished; what it wrote, nobody can tell any more.
    Unlisted,
    /// Its last volume is not here or has no end, or it was never finished.
    Endless,
    /// It was certainly never finished.
    Unfinished,
}

impl Unfit {
    fn of(set: &SetReader<'_>) -> Unfit {
        match () {
            () if set.is_finished() => Unfit::Unlisted,
            () if set.is_interrupted() || set.total_volumes().is_some() => Unfit::Unfinished,
            () => Unfit::Endless,
        }
    }

    const fn words(&self) -> &'static str {
        match self {
            Unfit::Unlisted => "its catalog cannot be read",
            Unfit::Endless => "its end is not here, or it was never finished",
            Unfit::Unfinished => "it was never finished",
        }
    }
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

fn kinds(bits: u32) -> String {
    let kinds = DataType::ALL.into_iter().filter(|kind| kind.bit() & bits != 0);
    kinds.map(DataType::name).collect::<Vec<_>>().join(", ")
}

fn acds(acd: Option<i64>) -> String {
    acd.map_or_else(|| "all ACDs".to_owned(), |acd| format!("ACD {acd}"))
}

impl<'d> Shelf<'d> {
    /// The sets that can be in a chain of the source.
    fn of_source(&self, source: &Source) -> Result<Vec<LabelRecord>, Error> {
        let usable: Vec<&LabelRecord> = self.labels.iter().filter(|label| label.joins_chains()).collect();
        let same: Vec<&LabelRecord> = usable.iter().copied().filter(|label| source.is_of(label)).collect();
        let ours: Vec<&LabelRecord> = same.iter().copied().filter(|label| label.acd == source.acd).collect();
        let mut data: BTreeMap<SetId, u32> = BTreeMap::new();
        for label in &ours {
            *data.entry(label.chain()).or_default() |= label.data_types;
        }
        let of_wanted = |label: &&LabelRecord| data.get(&label.chain()).is_some_and(|data| source.has_wanted(*data));
        let fitting: Vec<LabelRecord> = ours.iter().copied().filter(of_wanted).cloned().collect();
        if !fitting.is_empty() {
            return Ok(fitting);
        }
        if let Some(other) = ours.first() {
            let what = format!(
                "there is no backup of {} data of database {} to build on, only of {} data: {}",
                if source.data & data_types::HISTORICAL == 0 { kinds(source.data) } else { "historical".to_owned() },
                source.database,
                kinds(other.data_types),
                name(other)
            );
            return Err(Error::refused(what, FULL_FIRST));
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
                    let what = format!(
                        "set {} is in no chain of these data of this database and selection of ACD",
                        name(other)
                    );
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
        Ok(self.base(label)?.ok())
    }

    /// The same, or why it is none to build on.
    fn base(&self, label: &LabelRecord) -> Result<Result<SetReader<'d>, Unfit>, Error> {
        let mut unfit = Unfit::Endless;
        for device in self.devices {
            let found = match find_set(*device, label.set()) {
                Err(VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotFound, .. })) => None,
                found => found?,
            };
            match found {
                Some(set) if set.can_be_built_on() => return Ok(Ok(set)),
                Some(set) => unfit = Unfit::of(&set),
                None => {}
            }
        }
        Ok(Err(unfit))
    }

    /// Sets in whose place the backup would be written, and which had kinds of data that are not in it, nor in a set that was
    /// written since.
    fn half_replaced(&self, path: &[&LabelRecord], source: &Source) -> Vec<String> {
        let of = |unfit: &LabelRecord| {
            let is_chain = path.iter().any(|label| label.chain == unfit.chain);
            let later = path.iter().filter(|label| label.sequence >= unfit.sequence);
            let told = later.fold(source.data, |told, label| told | label.data_types);
            let left = unfit.data_types & !told;
            (is_chain && left != 0).then(|| {
                let (name, kinds) = (name(unfit), kinds(left));
                format!(
                    "this backup stands in the place of set {name} and has none of its {kinds} data: back those up again, a \
                     restore refuses the older state of them until then"
                )
            })
        };
        self.unfit.iter().filter_map(of).collect()
    }

    /// The newest finished set of the chain that is meant.
    fn tip(&mut self, ours: &[LabelRecord], named: Option<&LabelRecord>) -> Result<SetReader<'d>, Error> {
        let mut chains: BTreeMap<SetId, Vec<&LabelRecord>> = BTreeMap::new();
        for label in ours.iter().filter(|label| named.is_none_or(|named| named.chain == label.chain)) {
            chains.entry(label.chain()).or_default().push(label);
        }
        let mut chains: Vec<(Begun, Vec<&LabelRecord>)> =
            chains.into_values().map(|members| (Begun::of(&members, self.now), members)).collect();
        // The one whose full was taken last comes first.
        chains.sort_by_key(|(begun, _)| std::cmp::Reverse(*begun));
        let several = chains.len() > 1;
        if let [(begun, first), (other, second), ..] = chains.as_slice()
            && (begun == other || begun.created == other.created && (begun.number.is_none() || other.number.is_none()))
        {
            let what =
                format!("several chains were begun at the same time: {}", names(first.iter().chain(second).copied()));
            return Err(Error::refused(what, NAME_ONE));
        }
        if chains.first().is_some_and(|(begun, _)| begun.by_now) {
            for (_, members) in chains.iter().filter(|(begun, _)| !begun.by_now) {
                let which = members.first().map_or_else(String::new, |label| label.chain().to_string());
                self.notices.push(format!("chain {which} is passed over: by its label it was begun later than now"));
            }
        }
        for (_, mut members) in chains {
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
        members.sort_by_key(|label| Reverse((label.sequence, standing(label))));
        let mut found: Option<SetReader<'d>> = None;
        for label in members {
            if let Some(tip) = &found {
                if tip.label().sequence != label.sequence {
                    break;
                }
                if tip.label().member() == label.member() {
                    continue;
                }
                if self.finished(label)?.is_some() {
                    let what = format!("two sets build on the same one: {}", names([tip.label(), label]));
                    return Err(Error::refused(what, NAME_ONE));
                }
                continue;
            }
            match self.base(label)? {
                Ok(set) => found = Some(set),
                Err(unfit) => {
                    self.notices.push(format!("set {} is no base: {}", name(label), unfit.words()));
                    if label.incremental && !matches!(unfit, Unfit::Unfinished) {
                        self.unfit.push(label.clone());
                    }
                }
            }
        }
        Ok(found)
    }

    /// What the sets of a path, the newest first, list of tables and cannot give any more.
    fn lost(&self, tables: &BTreeMap<String, Known>, path: &[&LabelRecord], faulty: &BTreeSet<SetId>) -> Lost {
        let mut search = Search::new(tables.values().map(|known| (&known.header, known.buckets.as_slice())));
        let any_faulty = path.iter().any(|label| faulty.contains(&label.set()));
        for label in path {
            if search.is_done() {
                break;
            }
            let faulty = faulty.contains(&label.set());
            let mut holding = Holding { name: name(label), sets: Vec::new(), unreadable: None, in_turn: false, faulty };
            for device in self.devices {
                // To go to and fro on a tape takes minutes: it must be worth it.
                if device.is_sequential() && !any_faulty {
                    holding.in_turn = true;
                    continue;
                }
                match find_set(*device, label.set()) {
                    Ok(Some(set)) => {
                        holding.in_turn |= device.is_sequential();
                        holding.sets.push(set);
                    }
                    Ok(None) | Err(VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotFound, .. })) => {}
                    Err(error) => holding.unreadable = Some(error.to_string()),
                }
            }
            search.look(&holding);
        }
        search.end()
    }

    fn parent(&self, tip: &SetReader<'_>, path: &[&LabelRecord]) -> Parent {
        let label = tip.label();
        let mut notices = self.notices.clone();
        for (at, member) in path.iter().enumerate() {
            let next = path.get(at.saturating_add(1));
            if let Some(parent) = member.parent_set.filter(|parent| next.is_none_or(|next| next.member().0 != *parent))
            {
                notices.push(format!(
                    "set {}, on which {} builds, is not here: this backup does not need it, a restore of the chain does",
                    SetId(parent),
                    name(member)
                ));
            }
        }
        Parent {
            set: label.member(),
            label: label_of_volume(&label.label, 1),
            sequence: label.sequence,
            chain: label.chain(),
            notices,
            warnings: Vec::new(),
        }
    }
}

/// Which of several sets that stand for one member of a chain goes before: one that was salvaged, unless it lacks something; of
/// those the one that lacks less.
const fn standing(label: &LabelRecord) -> (bool, bool, Reverse<u8>) {
    let lost = match label.salvaged {
        Some(Salvaged { lost, .. }) => lost,
        None => 0,
    };
    (lost == 0, label.salvaged.is_some(), Reverse(lost))
}

/// When a chain was begun. The greatest is that which was begun last; one that was begun later than now comes after none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Begun {
    /// Whether it was begun by now.
    by_now: bool,
    created: i64,
    /// Day and number of the day in the label, which tell two apart that were begun within one second.
    number: Option<(Day, u32)>,
}

impl Begun {
    fn of(members: &[&LabelRecord], now: i64) -> Begun {
        let first = members.iter().min_by_key(|label| (label.sequence, label.created_unix));
        let created = first.map_or(i64::MIN, |label| label.created_unix);
        let parsed = first.and_then(|label| label.label.parse::<LabelText>().ok());
        let number = parsed.map(|label| (label.day, label.number));
        Begun { by_now: first.is_some_and(|label| is_begun_by(label, now)), created, number }
    }
}

/// A set and those before it in its chain, the newest first; beyond a gap it goes on where that is certain.
fn path<'a>(labels: &'a [LabelRecord], newest: &LabelRecord) -> Vec<&'a LabelRecord> {
    let mut path: Vec<&LabelRecord> = labels.iter().filter(|label| label.set_id == newest.set_id).collect();
    while let Some(last) = path.last()
        && let Some(parent) = last.parent_set
    {
        let below: Vec<&LabelRecord> =
            labels.iter().filter(|label| label.chain == last.chain && label.sequence < last.sequence).collect();
        let next = below
            .iter()
            .copied()
            .filter(|label| label.member().0 == parent)
            .max_by_key(|label| standing(label))
            .or_else(|| {
                let highest = below.iter().map(|label| label.sequence).max()?;
                let mut left = below.iter().copied().filter(|label| label.sequence == highest);
                left.next().filter(|_| left.next().is_none())
            });
        let Some(next) = next else { break };
        path.push(next);
    }
    path
}
