//! What is known of a set before it is judged: from its volumes, and from the history as far as there is one.

use crate::base::time::{Day, Instant};
use crate::format::block::SetId;
use crate::format::label::data_types;
use crate::volume::chain::standing;
use crate::volume::lineage::{Family, families};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// What a history knows of sets, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Numbers by which they follow on each other.
    pub order: BTreeMap<SetId, u64>,
    /// Those that were proved whole.
    pub verified: BTreeSet<SetId>,
    /// Those in which damage was found.
    pub faulty: BTreeSet<SetId>,
    /// Those whose removal was begun.
    pub going: BTreeSet<SetId>,
    /// Those whose backup failed or was cut off.
    pub failed: BTreeSet<SetId>,
}

/// How a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Finished, all volumes here, nothing known against it.
    Good,
    /// All volumes here, but damage was found in it.
    Damaged,
    /// It was never finished: its volumes say so, or the history does where it ended between two of them.
    Unfinished,
    /// Volumes are not here: they may be on another device.
    Partly,
    /// Volumes are not here, because its removal was begun.
    Going,
}

/// What is known of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFacts {
    /// Its id.
    pub set: SetId,
    /// Its label.
    pub label: String,
    /// What it is of: sets of other sources, data or tables are judged for themselves.
    pub group: String,
    /// The set that begins its chain.
    pub chain: SetId,
    /// The set that it builds on.
    pub parent: Option<SetId>,
    /// Its number in the chain.
    pub sequence: u32,
    /// Whether it is an undo set.
    pub undo: bool,
    /// How it is.
    pub condition: Condition,
    /// When it was begun, by the clock of its source, in seconds since 1970-01-01 00:00 UTC.
    pub created_unix: i64,
    /// The civil day on which it was begun.
    pub day: Day,
    /// Its number in the history.
    pub order: Option<u64>,
    /// Whether it was proved whole.
    pub verified: bool,
    /// The day before which it must not go.
    pub retain_until: Option<Day>,
    /// Bytes of its volumes that are here, all copies.
    pub bytes: u64,
    /// Names of its volumes that are here, all copies: those of the last volume first.
    pub volumes: Vec<(u32, String)>,
}

/// The facts about the sets of a device; `size` says how long a volume is.
#[must_use]
pub fn facts<'a>(sets: &'a [SetReader<'a>], known: &Known, size: impl Fn(&str) -> u64) -> Vec<SetFacts> {
    let mut facts = Vec::new();
    for family in families(sets) {
        let group = group(&family);
        let standing: BTreeMap<SetId, SetId> =
            standing(family.members.clone()).iter().map(|set| (set.label().member(), set.set_id())).collect();
        facts.extend(family.members.iter().map(|set| {
            let facts = of(set, &group, known, &size);
            // What builds on a set that was salvaged needs the one that stands in its place.
            let parent = facts.parent.map(|parent| standing.get(&parent).copied().unwrap_or(parent));
            SetFacts { parent, ..facts }
        }));
    }
    facts
}

fn of(set: &SetReader<'_>, group: &str, known: &Known, size: &impl Fn(&str) -> u64) -> SetFacts {
    let (label, id) = (set.label(), set.set_id());
    let mut volumes: Vec<(u32, String)> = set
        .volumes()
        .iter()
        .flat_map(|volume| volume.name.iter().chain(&volume.copies).map(|name| (volume.number, name.clone())))
        .collect();
    // A set without its last volume does not look complete, whichever others are there.
    volumes.sort_by(|a, b| b.cmp(a));
    volumes.dedup();
    let damaged = || !set.damage().is_empty() || set.wrong_volumes().iter().any(|error| error.is_damage());
    let condition = match (set.is_complete(), set.is_interrupted()) {
        (true, _) if known.faulty.contains(&id) || label.has_losses() || damaged() => Condition::Damaged,
        (true, _) => Condition::Good,
        (false, true) => Condition::Unfinished,
        (false, false) if set.lacks_end_only() => Condition::Damaged,
        (false, false) if known.failed.contains(&id) => Condition::Unfinished,
        (false, false) if known.going.contains(&id) => Condition::Going,
        (false, false) => Condition::Partly,
    };
    SetFacts {
        set: id,
        label: label.label.clone(),
        group: group.to_owned(),
        chain: label.chain(),
        parent: label.parent_set.map(SetId),
        sequence: label.sequence,
        undo: label.is_undo(),
        condition,
        created_unix: label.created_unix,
        day: Instant(label.created_civil).day(),
        order: known.order.get(&id).copied(),
        verified: known.verified.contains(&id),
        retain_until: label.retain_until,
        bytes: volumes.iter().map(|(_, name)| size(name)).fold(0, u64::saturating_add),
        volumes,
    }
}

/// What a chain, or a set alone, is of: the source, and the data that its first member is of; a chain is not torn apart
/// where the full set has more kinds of data than the incremental ones.
fn group(family: &Family<'_>) -> String {
    let Some(first) = family.members.first() else { return String::new() };
    let label = first.label();
    let source = [&label.source_store, &label.source_server, &label.source_database].map(|text| format!("{text:?}"));
    let mut group = format!("{} {} {:?}", source.join(" "), label.data_types, label.acd);
    if label.is_undo() {
        group.push_str(" undo");
    } else if [data_types::SPECIFIC, data_types::CUSTOM].contains(&label.data_types) {
        // Such sets are of what somebody chose: other tables, or the trees of another file set, are another matter.
        let tables: BTreeSet<&str> = first.sections().iter().map(|section| section.header.table.as_str()).collect();
        group.push_str(&format!(" {tables:?}"));
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::format::label::LabelRecord;
    use crate::testing::sets::{sample_header, sample_label};
    use crate::volume::set::list_sets;
    use crate::volume::set_writer::{SetOptions, SetWriter};

    fn write(device: &MemoryDevice, label: LabelRecord, tables: &[&str]) {
        let mut set = SetWriter::create(device, label, &SetOptions { volume_size: None }).unwrap();
        for table in tables {
            set.begin_section(sample_header(table)).unwrap();
            set.end_section(Vec::new()).unwrap();
        }
        set.finish(Vec::new(), Vec::new()).unwrap();
    }

    #[test]
    fn what_somebody_chose_is_judged_beside_its_like_only() {
        let device = MemoryDevice::new();
        let label = |seed, data_types| LabelRecord { data_types, ..sample_label(seed) };
        let of = [
            (1, data_types::SPECIFIC, vec!["a", "b"]),
            (2, data_types::SPECIFIC, vec!["b", "a"]),
            (3, data_types::SPECIFIC, vec!["a"]),
            (4, data_types::CUSTOM, vec!["/etc"]),
            (5, data_types::CUSTOM, vec!["/srv"]),
            (6, data_types::HISTORICAL, vec!["a"]),
            (7, data_types::HISTORICAL, vec!["a", "b"]),
            (8, data_types::HISTORICAL | data_types::ACD, vec!["a"]),
        ];
        for (seed, data_types, tables) in &of {
            write(&device, label(*seed, *data_types), tables);
        }
        write(&device, LabelRecord { source_database: "other".to_owned(), ..label(9, data_types::HISTORICAL) }, &["a"]);
        write(&device, LabelRecord { purpose: 1, ..label(10, data_types::HISTORICAL) }, &["a"]);
        write(&device, LabelRecord { acd: Some(2), ..label(11, data_types::HISTORICAL) }, &["a"]);
        let sets = list_sets(&device).unwrap().sets;
        let facts = facts(&sets, &Known::default(), |_| 1);
        let group = |seed| &facts.iter().find(|facts| facts.set == sample_label(seed).set()).unwrap().group;
        assert_eq!(group(1), group(2));
        assert_eq!(group(6), group(7));
        let groups: BTreeSet<&String> = facts.iter().map(|facts| &facts.group).collect();
        assert_eq!(groups.len(), facts.len() - 2, "{groups:?}");
    }

    #[test]
    fn the_last_volume_comes_first_and_history_speaks_for_sets() {
        let device = MemoryDevice::new();
        let sample = crate::testing::sets::Sample::default();
        let written = crate::testing::sets::write_sample(&device, &sample, Some(4_000)).unwrap();
        let sets = list_sets(&device).unwrap().sets;
        let set = written.set;
        let only = |known: &Known| facts(&sets, known, |_| 10).remove(0);
        let plain = only(&Known::default());
        let numbers: Vec<u32> = plain.volumes.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=written.volumes.len() as u32).rev().collect::<Vec<_>>());
        assert_eq!((plain.bytes, plain.condition), (10 * numbers.len() as u64, Condition::Good));
        let known = Known {
            order: [(set, 7)].into(),
            verified: [set].into(),
            faulty: [set].into(),
            going: [set].into(),
            failed: [set].into(),
        };
        let told = only(&known);
        assert_eq!((told.order, told.verified, told.condition), (Some(7), true, Condition::Damaged));
    }
}
