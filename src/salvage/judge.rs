//! What the parts of a set make together: which header and end a section has, which of its chunks are taken, what they prove,
//! what is lost. What contradicts itself is not taken.

use super::account::{SectionAccount, SetAccount};
use super::collect::{ChunkAt, Proof, SectionParts, SetParts};
use super::known::KnownCatalog;
use super::losses::{self, Judgement};
use super::sources::Place;
use crate::base::limits::{NAME_BYTES_MAX, SECTIONS_MAX};
use crate::format::block::SetId;
use crate::format::catalog::BucketEntry;
use crate::format::label::{LabelRecord, Salvaged, data_types, lost, purpose};
use crate::format::section::{HeldEntry, Losses, SectionRecord};
use crate::section::evidence::Bucket;
use crate::section::rows::SectionTable;
use crate::volume::name::label_of_volume;
use std::collections::{BTreeMap, BTreeSet};

/// A set that can be written.
pub(super) struct Judged {
    /// The label of the new set, but for its id.
    pub(super) label: LabelRecord,
    pub(super) sections: Vec<JudgedSection>,
    pub(super) absent: Vec<String>,
    pub(super) left_out: Vec<(String, String)>,
}

/// A section that can be written.
pub(super) struct JudgedSection {
    /// Its number in the set that is salvaged.
    pub(super) number: u32,
    pub(super) header: SectionRecord,
    pub(super) table: SectionTable,
    pub(super) chunks: Vec<Place>,
    /// Buckets of which not all is there, as far as pieces tell: none of theirs says that it is the last.
    pub(super) short: BTreeSet<Bucket>,
    pub(super) held: Vec<HeldEntry>,
    pub(super) envelope: Vec<HeldEntry>,
    pub(super) unwritten: Vec<BucketEntry>,
    pub(super) lost: Option<Losses>,
}

/// Proves chunks of which the header was not known when they passed: says what each is.
pub(super) type Prover<'p> = dyn FnMut(u32, &SectionTable, &[Place]) -> Result<Vec<Proof>, crate::error::Error> + 'p;

/// Judges a set.
///
/// # Errors
/// The prover's.
pub(super) fn judge(
    set: SetId,
    mut parts: SetParts,
    catalog: KnownCatalog,
    prover: &mut Prover<'_>,
) -> Result<(Judged, SetAccount), crate::error::Error> {
    let mut conflicts = catalog.conflicts.clone();
    let original = one(&parts.labels, "labels", &mut conflicts);
    let incremental = original.as_ref().is_some_and(|label| label.incremental);
    let (numbers, all_known) = numbers(&parts, &catalog);
    let (mut sections, mut accounts, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=numbers {
        let found = parts.sections.remove(&number).unwrap_or_default();
        let orphans = found.chunks.len() as u64;
        let judged = section(number, found, &catalog, incremental, prover, &mut conflicts)?;
        match judged {
            Some((section, account)) => {
                sections.push(section);
                accounts.push(account);
            }
            None => add_nameless(&mut nameless, number, orphans),
        }
    }
    let lost = match () {
        () if !nameless.is_empty() || !all_known => lost::SECTIONS,
        () if accounts.iter().any(SectionAccount::has_losses) => lost::ROWS,
        () => lost::NOTHING,
    };
    let mut left_out = catalog.left_out.clone();
    left_out.extend(nameless.iter().take(1_000).map(|(first, last, _)| {
        let name = if first == last { format!("section {first}") } else { format!("sections {first} to {last}") };
        (name, "lost before this set was salvaged; nobody knows of which table".to_owned())
    }));
    let label = label_of(set, original.as_ref(), &accounts, &sections, lost);
    let account = SetAccount {
        set,
        label: original.map(|label| label.label),
        blocks: parts.volumes.values().copied().fold(0, u64::saturating_add),
        bytes: parts.bytes,
        copies: parts.copies,
        catalog: catalog.whole,
        sections: accounts,
        nameless,
        all_known,
        conflicts,
        written: None,
    };
    Ok((Judged { label, sections, absent: catalog.absent, left_out }, account))
}

/// The only one of what should be one; none if there is none, or they contradict each other.
fn one<T: Clone>(found: &[T], what: &str, conflicts: &mut Vec<String>) -> Option<T> {
    match found {
        [one] => Some(one.clone()),
        [] => None,
        _ => {
            conflicts.push(format!("{what} that contradict each other were found; none is believed"));
            None
        }
    }
}

/// The number of the last section that there is a trace of, and whether it is known that there were no others.
fn numbers(parts: &SetParts, catalog: &KnownCatalog) -> (u32, bool) {
    let found = parts.sections.keys().next_back().copied().unwrap_or(0);
    let listed = parts.indexes.values().filter_map(|index| index.chunks.keys().next_back().copied()).max().unwrap_or(0);
    let last = found.max(listed).max(catalog.sections.keys().next_back().copied().unwrap_or(0)).min(SECTIONS_MAX);
    let ended = parts.ends.iter().find(|(_, end)| end.set_complete).map(|(volume, _)| *volume);
    let indexes = ended.is_some_and(|ended| {
        parts.indexes.len() as u64 == u64::from(ended)
            && parts.indexes.values().all(super::collect::IndexParts::is_whole)
    });
    (last, indexes || catalog.whole && u64::from(last) <= catalog.sections.len() as u64)
}

fn add_nameless(nameless: &mut Vec<(u32, u32, u64)>, number: u32, orphans: u64) {
    match nameless.last_mut() {
        Some((_, last, chunks)) if last.checked_add(1) == Some(number) => {
            *last = number;
            *chunks = chunks.saturating_add(orphans);
        }
        _ => nameless.push((number, number, orphans)),
    }
}

/// A section, if it is known of which table it is.
fn section(
    number: u32,
    mut found: SectionParts,
    catalog: &KnownCatalog,
    incremental: bool,
    prover: &mut Prover<'_>,
    conflicts: &mut Vec<String>,
) -> Result<Option<(JudgedSection, SectionAccount)>, crate::error::Error> {
    let listed = catalog.sections.get(&number);
    let own = !found.headers.is_empty();
    if let Some(listed) = listed {
        let header = &listed.record.header;
        if !found.headers.contains(header) {
            found.headers.push(header.clone());
        }
        if !found.ends.contains(&listed.record.end) {
            found.ends.push(listed.record.end.clone());
        }
    }
    let Some(header) = one(&found.headers, &format!("section {number}: headers"), conflicts) else { return Ok(None) };
    let Ok(table) = SectionTable::new(number, &header) else {
        conflicts.push(format!("section {number} (table {}): its header cannot be used", header.table));
        return Ok(None);
    };
    let end = one(&found.ends, &format!("section {number} (table {}): end marks", header.table), conflicts);
    let chunks = chunks(number, &table, found.chunks, prover, conflicts)?;
    // A catalog whose end mark is not believed lists nothing either.
    let buckets = listed.filter(|listed| listed.complete && end.is_some()).map(|listed| &listed.buckets[..]);
    let entries = listed.filter(|listed| listed.complete && end.is_some()).map(|listed| &listed.chunks[..]);
    let judgement = losses::judge(&header, &table, end.as_ref(), (buckets, entries), &chunks, incremental);
    let Judgement { held, envelope, unwritten, lost, short, mut account } = judgement;
    account.header_from_catalog = !own;
    let chunks = chunks.into_values().map(|chunk| chunk.place).collect();
    Ok(Some((JudgedSection { number, header, table, chunks, short, held, envelope, unwritten, lost }, account)))
}

/// The chunks that are taken: those that are proved, where no other one claims the same number.
fn chunks(
    number: u32,
    table: &SectionTable,
    found: BTreeMap<u64, Vec<ChunkAt>>,
    prover: &mut Prover<'_>,
    conflicts: &mut Vec<String>,
) -> Result<BTreeMap<u64, ChunkAt>, crate::error::Error> {
    let mut all: Vec<(u64, ChunkAt)> =
        found.into_iter().flat_map(|(chunk, rivals)| rivals.into_iter().map(move |rival| (chunk, rival))).collect();
    let later: Vec<Place> = all.iter().filter(|(_, at)| at.proof == Proof::Later).map(|(_, at)| at.place).collect();
    if !later.is_empty() {
        let mut proofs = prover(number, table, &later)?.into_iter();
        for (_, at) in all.iter_mut().filter(|(_, at)| at.proof == Proof::Later) {
            at.proof = proofs.next().unwrap_or(Proof::Wrong);
        }
    }
    let (mut taken, mut rivals) = (BTreeMap::new(), BTreeSet::new());
    let (mut wrong, name) = (0u64, &table.bound.schema.name);
    for (chunk, at) in all {
        if at.proof != Proof::Sound {
            wrong = wrong.saturating_add(1);
        } else if taken.insert(chunk, at).is_some() {
            rivals.insert(chunk);
        }
    }
    if wrong > 0 {
        conflicts.push(format!(
            "section {number} (table {name}): {wrong} chunks with sound checksums whose rows are not those of their directories"
        ));
    }
    for chunk in rivals {
        taken.remove(&chunk);
        conflicts.push(format!("section {number} (table {name}): different chunks of number {chunk}; none is taken"));
    }
    // A chunk that says that it begins before the one before it ends is in no place.
    let (mut next, mut strangers) = (0u64, Vec::new());
    for (chunk, at) in &taken {
        if at.first_row < next {
            strangers.push(*chunk);
        } else {
            next = at.first_row.saturating_add(u64::from(at.rows));
        }
    }
    for chunk in strangers {
        taken.remove(&chunk);
        conflicts.push(format!(
            "section {number} (table {name}): chunk {chunk} lies across the one before it; it is not taken"
        ));
    }
    Ok(taken)
}

/// The label of the new set, but for its id, which is still that of the old one.
fn label_of(
    set: SetId,
    original: Option<&LabelRecord>,
    accounts: &[SectionAccount],
    sections: &[JudgedSection],
    lost: u8,
) -> LabelRecord {
    let software = concat!("intervault ", env!("CARGO_PKG_VERSION")).to_owned();
    let rows = lost.max(u8::from(accounts.iter().any(SectionAccount::has_losses)));
    match original {
        Some(label) => {
            let before = label.salvaged.map_or(lost::NOTHING, |salvaged| salvaged.lost);
            let salvaged = Some(Salvaged { set: label.member().0, lost: rows.max(before) });
            LabelRecord { software, salvaged, ..label.clone() }
        }
        // Nobody knows what it was of: as one of tables that were named it joins no chain.
        None => LabelRecord {
            required_features: 0,
            optional_features: 0,
            set_id: set.0,
            volume: 1,
            label: label_of_volume(&clip(&format!("salvaged-{set}")), 1),
            created_unix: 0,
            created_civil: 0,
            source_store: String::new(),
            source_server: String::new(),
            source_database: String::new(),
            source_version: String::new(),
            data_types: data_types::SPECIFIC,
            acd: None,
            incremental: false,
            parent_set: None,
            sequence: 0,
            capacity: 0,
            device_record: 0,
            predecessor: None,
            retain_until: None,
            software,
            purpose: if sections.iter().any(is_of_undo) { purpose::UNDO } else { purpose::BACKUP },
            chain: set.0,
            salvaged: Some(Salvaged { set: set.0, lost: lost::SECTIONS }),
        },
    }
}

/// Whether a section has the column in which an undo set keeps the numbers of its rows.
fn is_of_undo(section: &JudgedSection) -> bool {
    section.header.columns.last().is_some_and(|column| column.name.trim_end_matches('_') == "intervault_key")
}

fn clip(text: &str) -> String {
    text.chars().take(NAME_BYTES_MAX as usize / 8).collect()
}
