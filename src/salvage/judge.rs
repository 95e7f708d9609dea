//! What the parts of a set make together: which header and end a section has, which of its chunks are taken, what they prove,
//! what is lost. What contradicts itself is not taken.

use super::account::{SectionAccount, SetAccount};
use super::chunks::{self, PIECES_MAX, Prover};
use super::indexes::{Standing, Volumes};
use super::known::{KnownCatalog, Lists};
use super::losses::{self, Judgement, Labelled};
use super::parts::{Places, Proof, SectionParts, SetParts};
use super::room::Room;
use super::sources::{Again, Place};
use crate::base::limits::{NAME_BYTES_MAX, SECTIONS_MAX};
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::catalog::BucketEntry;
use crate::format::label::{LabelRecord, Salvaged, data_types, lost, purpose};
use crate::format::record::Record;
use crate::format::section::{ColumnEntry, HeldEntry, Losses, SectionEndRecord, SectionRecord};
use crate::section::evidence::Bucket;
use crate::section::rows::SectionTable;
use crate::volume::name::label_of_volume;
use crate::volume::summary::first_header;
use std::collections::BTreeSet;

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

/// Contradictions that an account lists of one set, at most.
const CONFLICTS_MAX: usize = 1_000;

/// Different records in one place that are compared, at most.
const VARIANTS_MAX: usize = 3;

/// Bytes that what is judged of a set may take until it is written.
const JUDGED_BYTES_MAX: usize = 56 << 20;

/// Judges a set. What is told of it takes of the `room`.
///
/// # Errors
/// The prover's; a medium fails.
pub(super) fn judge(
    set: SetId,
    parts: SetParts,
    again: &mut Again<'_, '_>,
    prover: &mut Prover<'_>,
    room: &mut Room,
) -> Result<(Judged, SetAccount), Error> {
    let mut conflicts = Vec::new();
    let volumes = Volumes::read(&parts, again, &mut conflicts)?;
    let labels = read::<LabelRecord>(&parts.labels, &volumes, again, of_set)?;
    let original = one(labels, "labels", &mut conflicts);
    let labelled = match &original {
        Some(label) if label.incremental => Labelled::Incremental,
        Some(_) => Labelled::Full,
        None => Labelled::Lost,
    };
    let catalog = KnownCatalog::read(&parts, &volumes, again, &mut conflicts)?;
    let (blocks, bytes, copies) = (parts.blocks, parts.bytes, parts.copies);
    let mut judging =
        Judging { volumes, catalog, conflicts, more_conflicts: 0, labelled, bytes: 0, again, prover, room };
    let (sections, accounts, nameless, all_known) = judging.sections(parts)?;
    let Judging { volumes, catalog, mut conflicts, more_conflicts, room, .. } = judging;
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
    let label = label_of(set, original.as_ref(), &sections, lost);
    let more = room.cut(&mut conflicts, CONFLICTS_MAX, |conflict| conflict.len().saturating_add(size_of::<String>()));
    let more = more.saturating_add(more_conflicts);
    if more > 0 {
        conflicts.push(format!("and {more} more contradictions"));
    }
    let account = SetAccount {
        set,
        label: original.map(|label| label.label),
        blocks,
        bytes,
        copies,
        catalog: catalog.whole,
        ended: volumes.last().is_some(),
        sections: accounts,
        nameless,
        all_known,
        conflicts,
        written: None,
    };
    Ok((Judged { label, sections, absent: catalog.absent, left_out }, account))
}

/// A record that was found: what it says, what the index of its volume says of it, how often it was found.
struct Found<T> {
    what: T,
    strength: Strength,
    copies: u32,
}

/// How far a record is believed, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// An index does not list it where it stands.
    Stray,
    Found,
    InCatalog,
    Listed,
    ListedCatalog,
}

/// Reads records that were found, each as it stands in the first of its places.
fn read<R: Record + PartialEq>(
    places: &Places,
    volumes: &Volumes,
    again: &mut Again<'_, '_>,
    as_first: impl Fn(R) -> R,
) -> Result<Vec<Found<R>>, Error> {
    let mut all: Vec<Found<R>> = Vec::new();
    for claim in places.values().flatten() {
        let strength = match volumes.standing(claim) {
            Standing::Listed => Strength::Listed,
            Standing::Unknown => Strength::Found,
            Standing::Stray => Strength::Stray,
        };
        let Some((_, record)) = again.record::<R>(&claim.place)? else { continue };
        add(&mut all, Found { what: as_first(record), strength, copies: claim.copies });
    }
    Ok(all)
}

fn add<T: PartialEq>(all: &mut Vec<Found<T>>, one: Found<T>) {
    let room = all.len() < VARIANTS_MAX;
    match all.iter_mut().find(|other| other.what == one.what) {
        Some(same) => {
            same.strength = same.strength.max(one.strength);
            same.copies = same.copies.saturating_add(one.copies);
        }
        None if room => all.push(one),
        // What an index lists makes room for no stray.
        None => {
            if let Some(weakest) = all.iter_mut().min_by_key(|other| other.strength)
                && weakest.strength < one.strength
            {
                *weakest = one;
            }
        }
    }
}

/// What should be one: that which is proved best, then that which was found most often. None if there is none, or several are
/// as good.
fn one<T>(mut found: Vec<Found<T>>, what: &str, conflicts: &mut Vec<String>) -> Option<T> {
    let all = found.len();
    found.retain(|one| one.strength > Strength::Stray);
    let strays = all.saturating_sub(found.len());
    found.sort_by_key(|one| std::cmp::Reverse((one.strength, one.copies)));
    let rank = |at: usize| found.get(at).map(|one| (one.strength, one.copies));
    let tie = found.len() > 1 && rank(0) == rank(1);
    let believed = match rank(0) {
        _ if tie => "none is believed",
        None => "none is believed, for the index of their volume does not list them",
        Some((Strength::Found, _)) => "that which was found most often is believed",
        Some((Strength::Listed, _)) => "that which the index of its volume lists is believed",
        Some(_) => "that of the catalog is believed",
    };
    if found.len() > 1 || strays > 0 {
        conflicts.push(format!("{what} that contradict each other, or what is left, were found; {believed}"));
    }
    found.into_iter().next().filter(|_| !tie).map(|one| one.what)
}

/// Sections of which the table is not known, in runs: first, last, chunks.
type Nameless = Vec<(u32, u32, u64)>;

fn add_nameless(nameless: &mut Nameless, number: u32, orphans: u64) {
    match nameless.last_mut() {
        Some((_, last, chunks)) if last.checked_add(1) == Some(number) => {
            *last = number;
            *chunks = chunks.saturating_add(orphans);
        }
        _ => nameless.push((number, number, orphans)),
    }
}

/// The judging of one set.
struct Judging<'j, 'a, 'd, 'p> {
    volumes: Volumes,
    catalog: KnownCatalog,
    conflicts: Vec<String>,
    /// Contradictions that were let go, beside those.
    more_conflicts: u64,
    labelled: Labelled,
    /// Bytes that what was judged takes.
    bytes: usize,
    again: &'j mut Again<'a, 'd>,
    prover: &'j mut Prover<'p>,
    room: &'j mut Room,
}

type Sections = (Vec<JudgedSection>, Vec<SectionAccount>, Nameless, bool);

impl Judging<'_, '_, '_, '_> {
    fn sections(&mut self, mut parts: SetParts) -> Result<Sections, Error> {
        let (numbers, all_known) = self.numbers(&parts);
        let (mut sections, mut accounts, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=numbers {
            let found = parts.sections.remove(&number).unwrap_or_default();
            let orphans = found.chunks.len() as u64;
            let over = self.conflicts.len().saturating_sub(CONFLICTS_MAX);
            self.conflicts.truncate(CONFLICTS_MAX);
            self.more_conflicts = self.more_conflicts.saturating_add(over as u64);
            match self.section(number, found)? {
                Some((section, account)) => {
                    sections.push(section);
                    accounts.push(account);
                }
                None => add_nameless(&mut nameless, number, orphans),
            }
        }
        for (number, found) in parts.sections {
            let blocks = found.headers.len().saturating_add(found.ends.len()).saturating_add(found.chunks.len());
            self.conflicts.push(format!("section {number}: {blocks} blocks of a section that the set does not have"));
        }
        Ok((sections, accounts, nameless, all_known))
    }

    /// The number of the last section that there is a trace of, and whether it is known that there were no others.
    fn numbers(&self, parts: &SetParts) -> (u32, bool) {
        let by_catalog = self.catalog.last_section();
        if self.catalog.whole {
            return (by_catalog.min(SECTIONS_MAX), true);
        }
        let (listed, all) = self.volumes.sections();
        if all {
            return (listed.max(by_catalog).min(SECTIONS_MAX), true);
        }
        let found = parts.sections.keys().next_back().copied().unwrap_or(0);
        (found.max(listed).max(by_catalog).min(SECTIONS_MAX), false)
    }

    /// A section, if it is known of which table it is.
    fn section(
        &mut self,
        number: u32,
        mut found: SectionParts,
    ) -> Result<Option<(JudgedSection, SectionAccount)>, Error> {
        let mut headers =
            read::<SectionRecord>(&found.headers, &self.volumes, self.again, |header| first_header(&header))?;
        let mut ends = read::<SectionEndRecord>(&found.ends, &self.volumes, self.again, |end| end)?;
        let own = headers.iter().any(|found| found.strength > Strength::Stray);
        let lists = self.catalog.lists(number, self.again)?;
        if let Some(Lists { record, standing, .. }) = &lists {
            let strength = match standing {
                Standing::Listed => Strength::ListedCatalog,
                Standing::Unknown | Standing::Stray => Strength::InCatalog,
            };
            add(&mut headers, Found { what: record.header.clone(), strength, copies: 1 });
            add(&mut ends, Found { what: record.end.clone(), strength, copies: 1 });
        }
        let several = headers.len() > 1;
        let Some(header) = one(headers, &format!("section {number}: headers"), &mut self.conflicts) else {
            return Ok(None);
        };
        let Ok(table) = SectionTable::new(number, &header) else {
            self.conflicts.push(format!("section {number} (table {}): its header cannot be used", header.table));
            return Ok(None);
        };
        self.bytes = self.bytes.saturating_add(header_bytes(&header));
        if found.pieces > PIECES_MAX || self.bytes > JUDGED_BYTES_MAX || !self.room.name(&header.table) {
            let what = format!(
                "section {number} (table {}): it and those before it are more than can be held in mind",
                header.table
            );
            self.conflicts.push(what);
            return Ok(None);
        }
        if several {
            // Their chunks may have been proved by another header.
            found.chunks.values_mut().flatten().for_each(|at| at.proof = Proof::Later);
        }
        let end = one(ends, &format!("section {number} (table {}): end marks", header.table), &mut self.conflicts);
        // Of another header or end than are believed the catalog lists nothing either.
        let lists = lists.filter(|lists| lists.record.header == header && Some(&lists.record.end) == end.as_ref());
        let mut all = lists.and_then(|lists| lists.all);
        let listed = all.as_ref().map_or(0, |(_, buckets)| buckets.len().saturating_mul(size_of::<BucketEntry>()));
        if self.bytes.saturating_add(listed) > JUDGED_BYTES_MAX {
            let what = "its catalog entries are more than can be held in mind, and not used";
            self.conflicts.push(format!("section {number} (table {}): {what}", header.table));
            all = None;
        }
        let (entries, buckets) = (all.as_ref().map(|all| &all.0[..]), all.as_ref().map(|all| &all.1[..]));
        let known = chunks::Known { table: &table, end: end.as_ref(), entries, volumes: &self.volumes };
        let chunks = chunks::choose(&known, found.chunks, self.prover, &mut self.conflicts)?;
        let places = chunks.values().map(|chunk| chunk.claim.place).collect();
        let claims = losses::Known { header: &header, table: &table, end: end.as_ref(), buckets, entries };
        let judgement = losses::judge(&claims, chunks, self.labelled, self.room);
        let Judgement { held, envelope, unwritten, lost, short, mut account } = judgement;
        account.header_from_catalog = !own;
        let section = JudgedSection { header, table, chunks: places, short, held, envelope, unwritten, lost };
        self.bytes = self.bytes.saturating_add(section.list_bytes());
        Ok(Some((section, account)))
    }
}

/// Bytes that a header takes, with the table that is made of it, about.
fn header_bytes(header: &SectionRecord) -> usize {
    let texts = |column: &ColumnEntry| {
        let ColumnEntry { name, declared, collation, .. } = column;
        name.len().saturating_add(declared.len()).saturating_add(collation.len()).saturating_mul(2).saturating_add(500)
    };
    let columns = header.columns.iter().map(texts).fold(0, usize::saturating_add);
    columns.saturating_add(header.cutoffs.len().saturating_mul(80)).saturating_add(header.table.len())
}

impl JudgedSection {
    /// Bytes that its lists take, about.
    fn list_bytes(&self) -> usize {
        let lost = self.lost.iter().map(|lost| {
            let time = lost.time.len().saturating_mul(size_of::<HeldEntry>());
            time.saturating_add(lost.undated.len().saturating_mul(16)).saturating_add(lost.gaps.len().saturating_mul(8))
        });
        let ranges = self.held.len().saturating_add(self.envelope.len()).saturating_mul(size_of::<HeldEntry>());
        let short = self.short.len().saturating_mul(48);
        let chunks = self.chunks.len().saturating_mul(size_of::<Place>());
        let unwritten = self.unwritten.len().saturating_mul(size_of::<BucketEntry>());
        [ranges, short, chunks, unwritten].into_iter().chain(lost).fold(0, usize::saturating_add)
    }
}

/// The label of the new set, but for its id, which is still that of the old one.
fn label_of(set: SetId, original: Option<&LabelRecord>, sections: &[JudgedSection], lost: u8) -> LabelRecord {
    let software = concat!("intervault ", env!("CARGO_PKG_VERSION")).to_owned();
    match original {
        Some(label) => {
            let before = label.salvaged.map_or(lost::NOTHING, |salvaged| salvaged.lost);
            let salvaged = Some(Salvaged { set: label.member().0, lost: lost.max(before) });
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
            salvaged: Some(Salvaged { set: set.0, lost }),
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

/// A label as volume 1 of its set has it.
fn of_set(label: LabelRecord) -> LabelRecord {
    let text = label_of_volume(&label.label, 1);
    LabelRecord { volume: 1, label: text, capacity: 0, predecessor: None, ..label }
}
