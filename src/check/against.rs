//! A set held against a database, or against another set: the buckets that differ, by digests alone. No row is moved, nothing is
//! changed. Rows after the cutoff of a set are none of its, and no difference.
//!
//! A set has the state that its catalog lists: of an incremental one that is the state of all tables of its chain, whichever
//! member wrote a bucket. Without a catalog only those buckets are compared that are here whole; of the others nobody knows.

use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::{Day, Instant, Span};
use crate::column::digest::RowHasher;
use crate::error::{Error, ErrorKind};
use crate::format::catalog::BucketEntry;
use crate::schema::catalogue::{Catalogue, Entry};
use crate::schema::clock::{RowTimes, bucket_span};
use crate::schema::grain::Grain;
use crate::schema::table::{BoundTable, TableSchema};
use crate::section::chain::combine;
use crate::section::changes::same;
use crate::section::evidence::Bucket;
use crate::section::pieces::{Acd, Cutoffs, pieces};
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Part, Snapshot};
use crate::verify::listed::{Listed, SetSection};
use crate::volume::section::SectionSource;
use crate::volume::set::SetReader;
use crate::volume::summary::BucketTable;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are read in one go, and most rows and bytes of a batch.
const PART_ROWS: u64 = 1 << 18;
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// Which buckets are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Of one ACD only.
    pub acd: Option<i64>,
    /// Of this time only; undated rows belong to none.
    pub window: Option<Span>,
}

impl Scope {
    fn has(&self, grain: Grain, bucket: &BucketEntry) -> bool {
        let of_acd = self.acd.is_none_or(|acd| bucket.acd == Some(acd));
        let time = bucket.day.map(|day| bucket_span(grain, day, Some(Instant(bucket.stop))));
        of_acd && self.window.is_none_or(|window| time.is_some_and(|time| time.meets(window)))
    }
}

/// Rows of a bucket and their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Rows.
    pub rows: u64,
    /// Sum of their hashes, little-endian.
    pub digest: [u8; 16],
}

/// A bucket that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The ACD; none for rows that name none.
    pub acd: Acd,
    /// First day of the bucket's day or period; none for rows without a time.
    pub day: Option<Day>,
    /// What the set has; none if it has no row.
    pub here: Option<Content>,
    /// What the other side has.
    pub there: Option<Content>,
}

/// What was compared of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// The table.
    pub table: String,
    /// Buckets that were compared.
    pub buckets: u64,
    /// Those that differ, ascending by ACD, then by day.
    pub differences: Vec<Difference>,
    /// Why nothing of it could be compared.
    pub unlike: Option<String>,
    /// Buckets that could not be compared, since the cutoff of one of the two sets lies in them or before them.
    pub beyond_cutoff: u64,
    /// Buckets that the set lists and that cannot be had from the volumes that are here, or only in an older state.
    pub not_here: u64,
    /// Buckets that could not be compared, since a set without its catalog does not say what is in them: they are not here whole,
    /// or are on the other side alone where the set may have more than was found.
    pub unknown: u64,
}

impl Compared {
    fn unlike(table: &str, why: impl Into<String>) -> Compared {
        Compared { table: table.to_owned(), unlike: Some(why.into()), ..Compared::default() }
    }

    /// Whether both sides are the same; `None` if no difference was found and not everything could be compared.
    #[must_use]
    pub fn same(&self) -> Option<bool> {
        let differ = !self.differences.is_empty() || self.unlike.is_some();
        let whole = self.beyond_cutoff == 0 && self.unknown == 0;
        if differ { Some(false) } else { whole.then_some(true) }
    }
}

/// The state of a table: its buckets, up to when it speaks, and which of them are not to be had.
struct State {
    buckets: BTreeMap<Bucket, BucketEntry>,
    /// Buckets of which there is something, without a catalog to say what they were.
    unknown: BTreeSet<Bucket>,
    /// Whether it may have buckets of which nothing was found.
    open: bool,
    cutoffs: Cutoffs,
    not_here: BTreeSet<Bucket>,
    grain: Grain,
}

impl State {
    /// By the sections of a chain's members, the newest first.
    fn of(sections: &[SetSection<'_>], scope: Scope) -> Result<State, String> {
        let Some((set, newest)) = sections.first() else { return Err("no set has it".to_owned()) };
        let Some(grain) = Grain::from_id(newest.header.grain) else { return Err("its grain is not known".to_owned()) };
        let listed = Listed::of(grain, sections);
        let combined = combine(grain, &listed.members(), scope.window);
        let whole = newest.source == SectionSource::Catalog;
        let scope = Scope { acd: scope.acd.or(set.label().acd), ..scope };
        let (mut buckets, mut unknown) = (BTreeMap::new(), BTreeSet::new());
        for (bucket, proven) in newest.proven_buckets().filter(|(bucket, _)| scope.has(grain, bucket)) {
            let key = (bucket.acd, bucket.day);
            if whole || proven {
                buckets.insert(key, *bucket);
            } else {
                unknown.insert(key);
            }
        }
        let cutoffs = newest.header.cutoffs.iter().map(|entry| (entry.acd, Instant(entry.cutoff)));
        Ok(State {
            buckets,
            unknown,
            open: !whole && (!newest.is_complete() || set.label().incremental),
            cutoffs: Cutoffs::new(cutoffs),
            not_here: combined.lost.union(&combined.stale).copied().collect(),
            grain,
        })
    }

    /// Of a database: all of its rows are there.
    fn of_rows(buckets: BTreeMap<Bucket, BucketEntry>, set: &State) -> State {
        let (unknown, not_here) = (BTreeSet::new(), BTreeSet::new());
        State { buckets, unknown, open: false, cutoffs: set.cutoffs.clone(), not_here, grain: set.grain }
    }

    /// Whether nobody knows what it has of a bucket.
    fn is_unknown(&self, key: &Bucket) -> bool {
        self.unknown.contains(key) || self.open && !self.buckets.contains_key(key)
    }

    fn not_here(&self) -> u64 {
        self.not_here.iter().filter(|bucket| self.buckets.contains_key(bucket)).count() as u64
    }
}

/// The differences of two states of a table. Where the two speak up to different times for an ACD, buckets with rows after the
/// earlier of them are not compared.
fn differences(table: &str, here: &State, there: &State) -> Compared {
    let not_here = here.not_here().saturating_add(there.not_here());
    let mut compared = Compared { table: table.to_owned(), not_here, ..Compared::default() };
    let states = [here, there];
    let keys: BTreeSet<&Bucket> = states.iter().flat_map(|state| state.buckets.keys().chain(&state.unknown)).collect();
    for key in keys {
        if states.iter().any(|state| state.is_unknown(key)) {
            compared.unknown = compared.unknown.saturating_add(1);
            continue;
        }
        let (one, other) = (here.buckets.get(key), there.buckets.get(key));
        let until = |cutoffs: &Cutoffs| cutoffs.of(key.0).unwrap_or(Instant::MAX);
        let (mine, its) = (until(&here.cutoffs), until(&there.cutoffs));
        let reaches = |bucket: &BucketEntry| key.1.is_some() && bucket.stop > mine.min(its).0;
        if mine != its && one.into_iter().chain(other).any(reaches) {
            compared.beyond_cutoff = compared.beyond_cutoff.saturating_add(1);
            continue;
        }
        let content = |bucket: Option<&BucketEntry>| {
            bucket.filter(|bucket| bucket.rows > 0).map(|bucket| Content { rows: bucket.rows, digest: bucket.digest })
        };
        compared.buckets = compared.buckets.saturating_add(1);
        let alike = match (one, other) {
            (Some(one), Some(other)) => same(one, other),
            _ => content(one) == content(other),
        };
        if !alike {
            let (acd, day) = *key;
            compared.differences.push(Difference { acd, day, here: content(one), there: content(other) });
        }
    }
    compared
}

/// A table that the members of one chain have, and those of another, which `lacks` names, do not: of which nothing was found
/// there, where they may have more than was found.
#[must_use]
pub fn alone(sections: &[SetSection<'_>], lacking: &[&SetReader<'_>], lacks: &str, scope: Scope) -> Compared {
    let table = sections.first().map_or("", |(_, view)| &view.header.table);
    if !lacking.iter().any(|set| set.may_have_more()) {
        return Compared::unlike(table, format!("{lacks} does not have it"));
    }
    let buckets = State::of(sections, scope).map_or(0, |state| state.buckets.len() as u64);
    Compared { table: table.to_owned(), unknown: buckets.max(1), ..Compared::default() }
}

/// Compares a table as two sets have it: the sections of the members of two chains, the newest first. Where one side has none
/// they are unlike; whether that is a table of one side only, [`alone`] knows.
#[must_use]
pub fn against_set(here: &[SetSection<'_>], there: &[SetSection<'_>], scope: Scope) -> Compared {
    let ((set, mine), (other, its)) = match (here.first(), there.first()) {
        (Some(mine), Some(its)) => (mine, its),
        (mine, its) => {
            let table = mine.or(its).map_or("", |(_, section)| section.header.table.as_str());
            return Compared::unlike(table, "one of the two does not have it");
        }
    };
    let table = &mine.header.table;
    if let Err(why) = mine.header.compares_with(&its.header) {
        return Compared::unlike(table, why);
    }
    let scope = Scope { acd: scope.acd.or(set.label().acd).or(other.label().acd), ..scope };
    match (State::of(here, scope), State::of(there, scope)) {
        (Ok(one), Ok(two)) => differences(table, &one, &two),
        (Err(why), _) | (_, Err(why)) => Compared::unlike(table, why),
    }
}

/// Compares a table as a chain has it with a database: all rows of the table are read and hashed.
///
/// # Errors
/// The database cannot be read; somebody asked to stop.
pub fn against_database(
    sections: &[SetSection<'_>],
    snapshot: &dyn Snapshot,
    scope: Scope,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Compared, Error> {
    let Some((set, newest)) = sections.first() else { return Ok(Compared::default()) };
    let name = &newest.header.table;
    if is_tree(&newest.header) {
        return Ok(Compared::unlike(name, "it is a file tree, and no table"));
    }
    let Some(schema) = snapshot.schema(name)? else {
        return Ok(Compared::unlike(name, "the database does not have it"));
    };
    let table = SectionTable::new(newest.number, &newest.header)?;
    if let Some(why) = unlike(&table.bound.schema, &schema) {
        return Ok(Compared::unlike(name, why));
    }
    let scope = Scope { acd: scope.acd.or(set.label().acd), ..scope };
    let state = match State::of(sections, scope) {
        Ok(state) => state,
        Err(why) => return Ok(Compared::unlike(name, why)),
    };
    let now = buckets(snapshot, (&schema, &table), jobs, monitor)?;
    let in_scope = |entry: &BucketEntry| scope.has(state.grain, entry);
    let now = now.entries().filter(in_scope).map(|entry| ((entry.acd, entry.day), entry)).collect();
    Ok(differences(name, &state, &State::of_rows(now, &state)))
}

/// The tables of a database that a set does not have, although a backup as it was taken would have them now: of its kinds of
/// data, and of a set of one ACD those that name theirs; of a `scope` those only of which it can have rows. Nothing of a set
/// without its catalog, of one of tables that were named, or of what a restore deleted: they do not say what they were to hold.
///
/// # Errors
/// The database cannot be read.
pub fn only_in_database(
    set: &SetReader<'_>,
    snapshot: &dyn Snapshot,
    catalogue: &Catalogue,
    scope: Scope,
) -> Result<Vec<Compared>, Error> {
    let label = set.label();
    let Some(catalog) = set.catalog().filter(|_| !label.is_undo()) else { return Ok(Vec::new()) };
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let has = |name: &str| set.sections().iter().any(|section| same(&section.header.table, name));
    let left_out = |name: &str| catalog.left_out.iter().any(|(left, _)| same(left, name)) || catalogue.leaves_out(name);
    let mut further = Vec::new();
    for name in snapshot.tables()?.into_iter().filter(|name| !has(name) && !left_out(name)) {
        let entry = catalogue.get(&name).cloned().unwrap_or_else(|| Entry::whole(&name));
        if label.data_types & entry.data_type.bit() == 0 {
            continue;
        }
        let (of_acd, of_time) = (label.acd.is_some() || scope.acd.is_some(), scope.window.is_some());
        if of_acd || of_time {
            let Some(schema) = snapshot.schema(&name)? else { continue };
            let without = |table: &BoundTable| of_acd && table.acd_column.is_none() || of_time && table.clock.is_none();
            if entry.bind(&schema).is_ok_and(|table| without(&table)) {
                continue;
            }
        }
        further.push(Compared::unlike(&name, "the set does not have it"));
    }
    Ok(further)
}

/// Why rows of a section and of a table cannot be compared by digests: they are made of the values column by column.
fn unlike(section: &TableSchema, table: &TableSchema) -> Option<String> {
    let names = |schema: &TableSchema| -> Vec<String> {
        schema.columns.iter().map(|column| column.name.to_ascii_lowercase()).collect()
    };
    let (mine, its) = (names(section), names(table));
    (mine != its).then(|| {
        let lacks =
            mine.iter().find(|name| !its.contains(name)).map(|name| format!("the database lacks column {name}"));
        let has = || its.iter().find(|name| !mine.contains(name)).map(|name| format!("the set lacks column {name}"));
        lacks.or_else(has).unwrap_or_else(|| "its columns stand in another order".to_owned())
    })
}

/// The buckets of a table of a database, with the digests of the rows up to the section's cutoffs.
fn buckets(
    snapshot: &dyn Snapshot,
    (schema, table): (&TableSchema, &SectionTable),
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<BucketTable, Error> {
    let parts = snapshot.parts(schema, PART_ROWS)?;
    let mut gathered = BucketTable::default();
    ordered(
        jobs.clamp(1, snapshot.readers().max(1)),
        parts.len(),
        2,
        |reader, item, emit| match parts.get(item) {
            Some(part) => hear(snapshot, (schema, table), reader, part, emit),
            None => Ok(()),
        },
        |(mut entries, rows): (Vec<_>, u64)| {
            monitor.advance(Task::Plan, rows, 0);
            gathered.number_and_add(&mut entries);
            if monitor.cancelled() { Err(ErrorKind::Cancelled.into()) } else { Ok(()) }
        },
    )?;
    Ok(gathered)
}

/// Reads and hashes the rows of a part.
fn hear(
    snapshot: &dyn Snapshot,
    (schema, table): (&TableSchema, &SectionTable),
    reader: usize,
    part: &Part,
    emit: &mut dyn FnMut((Vec<crate::format::chunk::PieceEntry>, u64)) -> bool,
) -> Result<(), Error> {
    let mut times = RowTimes::new(&table.bound)?;
    let (mut hasher, mut hashes) = (RowHasher::default(), Vec::new());
    // The digests of the set are those of its own types.
    let types = table.bound.schema.logical_types();
    let fail = |kind| StoreError { op: "compare a table".to_owned(), place: schema.name.clone(), kind };
    snapshot.scan(reader, schema, part, BATCH_ROWS, BATCH_BYTES, &mut |batch| {
        hashes.clear();
        let when = times.all(&batch);
        let hashed = hasher.hash(&batch, &types, &mut hashes);
        hashed.map_err(|error| fail(StoreErrorKind::Unsupported(error.to_string())))?;
        let rows = batch.rows as u64;
        let heard = (pieces(&when, &hashes, &table.cutoffs).entries, rows);
        if emit(heard) { Ok(()) } else { Err(fail(StoreErrorKind::Stopped)) }
    })?;
    Ok(())
}
