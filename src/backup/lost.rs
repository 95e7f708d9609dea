//! What a chain lists and its sets cannot give any more: volumes of them are missing, cut off or known to be damaged, and no
//! other set of the chain has the same. An incremental writes such buckets again while the source still has their rows.
//!
//! A set that is not here at all is taken to be elsewhere: one set suffices as the base of the next. So are volumes on tapes, of
//! which one is here at a time. Rows that age took at the source since cannot be written again, and are not looked for.

use crate::format::catalog::BucketEntry;
use crate::format::section::SectionRecord;
use crate::section::evidence::Bucket;
use crate::volume::error::VolumeError;
use crate::volume::section::SectionView;
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// One set of a chain, as the devices have it.
pub(super) struct Holding<'d> {
    /// What people call it.
    pub(super) name: String,
    /// The set as each device has it.
    pub(super) sets: Vec<SetReader<'d>>,
    /// Why it cannot be looked at where it lies, if it cannot.
    pub(super) unreadable: Option<String>,
    /// Whether it lies on media of which one is here at a time.
    pub(super) in_turn: bool,
    /// Whether a check has found damage in it.
    pub(super) faulty: bool,
}

/// A search through the sets of a chain, from the newest to the full.
pub(super) struct Search {
    /// Of each table its header, and the buckets for which no sound set was found yet, with their rows and digest.
    open: BTreeMap<String, Open>,
    /// Buckets that a set wrote that cannot give them: the number of its reason.
    broken: BTreeMap<(String, Bucket), usize>,
    reasons: Vec<String>,
}

/// What is looked for of a table.
struct Open {
    /// As the newest catalog has it. A digest is one of values: rows under other columns are other rows.
    header: SectionRecord,
    buckets: BTreeMap<Bucket, (u64, [u8; 16])>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Of each table the buckets that no set of the chain can give; tables without any are not among them.
    pub(super) tables: BTreeMap<String, BTreeSet<Bucket>>,
    /// In words, for each set that is to blame.
    pub(super) words: Vec<String>,
}

impl Search {
    /// For the buckets that the newest catalog lists of each table.
    pub(super) fn new<'a>(tables: impl Iterator<Item = (&'a SectionRecord, &'a [BucketEntry])>) -> Search {
        let content = |entry: &BucketEntry| ((entry.acd, entry.day), (entry.rows, entry.digest));
        let with_rows = |buckets: &[BucketEntry]| buckets.iter().filter(|entry| entry.rows > 0).map(content).collect();
        let open = |(header, buckets): (&SectionRecord, &[BucketEntry])| {
            (header.table.clone(), Open { header: header.clone(), buckets: with_rows(buckets) })
        };
        let open = tables.map(open).collect();
        Search { open, broken: BTreeMap::new(), reasons: Vec::new() }
    }

    /// Whether a sound set was found for all.
    pub(super) fn is_done(&self) -> bool {
        self.open.values().all(|open| open.buckets.is_empty())
    }

    /// Looks at the next older set.
    pub(super) fn look(&mut self, holding: &Holding<'_>) {
        let told = holding.sets.iter().find(|set| set.is_finished() && set.catalog().is_some());
        let Some(told) = told else {
            // Which buckets it has is not known: all may be its.
            if !holding.in_turn {
                let why = holding.unreadable.clone().unwrap_or_else(|| "its catalog is not here or damaged".to_owned());
                let all: Vec<(String, Bucket)> = self.still_open().collect();
                self.blame(holding, &why, all);
            }
            return;
        };
        let why = reason(holding, told);
        let mut blamed = Vec::new();
        for section in told.sections() {
            let table = &section.header.table;
            let Some(open) = self.open.get_mut(table) else { continue };
            if !means_the_same(&open.header, &section.header) {
                continue;
            }
            let proven = if matches!(why, Some(Why::Volumes(_))) { proven(holding, section) } else { BTreeSet::new() };
            for entry in section.buckets.iter().filter(|entry| entry.is_written()) {
                let bucket = (entry.acd, entry.day);
                if open.buckets.get(&bucket) != Some(&(entry.rows, entry.digest)) {
                    continue;
                }
                let given = match &why {
                    None => true,
                    Some(Why::Known(_)) => false,
                    Some(Why::Volumes(_)) => holding.in_turn || proven.contains(&bucket),
                };
                if given {
                    open.buckets.remove(&bucket);
                } else {
                    blamed.push((table.clone(), bucket));
                }
            }
        }
        if let Some(Why::Known(why) | Why::Volumes(why)) = why {
            self.blame(holding, &why, blamed);
        }
    }

    fn still_open(&self) -> impl Iterator<Item = (String, Bucket)> {
        self.open.iter().flat_map(|(table, open)| open.buckets.keys().map(|bucket| (table.clone(), *bucket)))
    }

    fn blame(&mut self, holding: &Holding<'_>, why: &str, buckets: Vec<(String, Bucket)>) {
        let number = self.reasons.len();
        self.reasons.push(format!("set {}: {why}", holding.name));
        for bucket in buckets {
            self.broken.entry(bucket).or_insert(number);
        }
    }

    /// What no set could give.
    pub(super) fn end(self) -> Lost {
        let mut lost = Lost::default();
        let mut counts: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
        for ((table, bucket), number) in &self.broken {
            if self.open.get(table).is_some_and(|open| open.buckets.contains_key(bucket)) {
                lost.tables.entry(table.clone()).or_default().insert(*bucket);
                let count = counts.entry(*number).or_default().entry(table).or_default();
                *count = count.saturating_add(1);
            }
        }
        for (number, tables) in counts {
            let reason = self.reasons.get(number).map_or("", String::as_str);
            let tables: Vec<String> = tables.iter().map(|(table, count)| format!("{count} of {table}")).collect();
            lost.words.push(format!(
                "{reason}; buckets that no other set of the chain has are written again as far as the source has them: {}",
                tables.join(", ")
            ));
        }
        lost
    }
}

/// Whether the values of two sections of a table stand in the same columns and belong to the same times and ACDs.
fn means_the_same(one: &SectionRecord, other: &SectionRecord) -> bool {
    let shape = |header: &'_ SectionRecord| (header.grain, header.clock.clone(), header.acd_column);
    one.columns == other.columns && shape(one) == shape(other)
}

/// Why a set does not give all that it wrote.
enum Why {
    /// Nothing of it is relied on.
    Known(String),
    /// Some of its volumes are not here.
    Volumes(String),
}

fn reason(holding: &Holding<'_>, told: &SetReader<'_>) -> Option<Why> {
    if holding.faulty {
        return Some(Why::Known("a check has found it damaged".to_owned()));
    }
    let cut = |set: &SetReader<'_>| {
        let alone = |number: u32| set.copies(number).len() < 2;
        let found = set.wrong_volumes().iter().find(|error| match error {
            VolumeError::Length { volume, .. } => alone(*volume),
            _ => false,
        });
        found.map(ToString::to_string)
    };
    if let Some(what) = holding.sets.iter().find_map(cut) {
        return Some(Why::Known(what));
    }
    let here = |number: u32| {
        let named = |set: &SetReader<'_>| set.volumes().iter().any(|view| view.number == number && view.name.is_some());
        holding.sets.iter().any(named)
    };
    let missing: Vec<u32> = (1..=told.total_volumes().unwrap_or(0)).filter(|number| !here(*number)).collect();
    let names = crate::base::numbers::told(&missing);
    match missing.as_slice() {
        [] => None,
        [_] => Some(Why::Volumes(format!("its volume {names} is not here"))),
        _ => Some(Why::Volumes(format!("its volumes {names} are not here"))),
    }
}

/// The buckets of a section of which all rows are on the volumes that one of the devices has.
fn proven(holding: &Holding<'_>, section: &SectionView) -> BTreeSet<Bucket> {
    let views = holding.sets.iter().flat_map(SetReader::sections).filter(|view| view.number == section.number);
    let proven = views.flat_map(SectionView::proven_buckets).filter(|(_, proven)| *proven);
    proven.map(|(entry, _)| (entry.acd, entry.day)).collect()
}
