//! The first pass of an incremental backup over a table: every row is read and hashed, and the buckets are compared with those
//! that the chain has. What is remembered of each part is only which buckets it holds, and of no more than a bounded number.

use super::report::Compared as Counts;
use super::run::unless_cancelled;
use super::table::{Stretch, TableJob, odd};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::{Day, Span};
use crate::column::digest::RowHasher;
use crate::error::Error;
use crate::format::catalog::BucketEntry;
use crate::schema::clock::{RowWhen, When, bucket_day};
use crate::section::changes::{Before, Changes, changes, changes_since};
use crate::section::evidence::Bucket;
use crate::section::pieces::{Acd, Cutoffs, Pieces, pieces};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::volume::summary::BucketTable;
use std::collections::{BTreeMap, HashMap};

/// Most pairs of part and bucket that are remembered, of one table; parts beyond are read again whatever they hold.
const PAIRS_MAX: usize = 2 << 20;

/// What the first pass found out.
pub(super) struct Comparison<'a> {
    pub(super) changes: Changes,
    /// The parts that hold rows of changed buckets, in row order, in groups whose rows fill a chunk.
    pub(super) parts: Vec<Vec<Stretch<'a>>>,
    read_from: Option<Day>,
    trusted: u64,
    /// Whether the rows come by day, with no undated ones among them.
    pub(super) ordered: bool,
    now: BTreeMap<Bucket, BucketEntry>,
}

/// What one batch of rows says.
struct Heard {
    part: usize,
    pieces: Pieces,
    rows: u64,
    /// First and last day, if the rows come by day.
    days: Option<(Day, Day)>,
}

/// Reads all rows of a table and compares them with what the chain has.
pub(super) fn compare<'a>(
    job: &'a TableJob<'_>,
    cutoffs: &Cutoffs,
    before: Before<'_>,
    monitor: &dyn Monitor,
) -> Result<Comparison<'a>, Error> {
    let parts = job.stretches();
    let mut gathered = Gathered::new(parts.len());
    ordered(
        job.jobs,
        parts.len(),
        2,
        |worker, item, emit| match parts.get(item) {
            Some(part) => hear(job, worker, (item, *part), cutoffs, emit),
            None => Ok(()),
        },
        |heard: Heard| {
            monitor.advance(Task::Backup, heard.rows, 0);
            gathered.add(heard);
            unless_cancelled(monitor)
        },
    )?;
    let now: Vec<BucketEntry> = gathered.table.entries().collect();
    let (grain, read_from) = (job.table().grain, job.planned.read_from);
    let changes = match read_from {
        None => changes(grain, &now, &gathered.complete, Some(before)),
        Some(since) => changes_since(grain, since, &now, &gathered.complete, before),
    };
    let wanted = gathered.wanted(&changes, job.batch_rows() as u64);
    let parts = wanted.into_iter().map(|group| group.into_iter().filter_map(|part| parts.get(part).copied()).collect());
    let trusted = |bucket: &&BucketEntry| read_from.is_some_and(|since| bucket.day.is_none_or(|day| day < since));
    Ok(Comparison {
        trusted: before.buckets.iter().filter(trusted).count() as u64,
        read_from,
        parts: parts.collect(),
        ordered: gathered.ordered,
        now: now.into_iter().map(|entry| ((entry.acd, entry.day), entry)).collect(),
        changes,
    })
}

/// Hashes the rows of a part.
fn hear(
    job: &TableJob<'_>,
    reader: usize,
    (number, part): (usize, Stretch<'_>),
    cutoffs: &Cutoffs,
    emit: &mut dyn FnMut(Heard) -> bool,
) -> Result<(), Error> {
    let schema = &job.table().schema;
    let (mut hasher, types, mut hashes) = (RowHasher::default(), schema.logical_types(), Vec::new());
    job.read(reader, part, &mut |batch, when| {
        hashes.clear();
        hasher.hash(&batch, &types, &mut hashes).map_err(|error| odd(&schema.name, error))?;
        let pieces = pieces(&when, &hashes, cutoffs);
        let heard = Heard { part: number, pieces, rows: batch.rows as u64, days: days_in_order(&when) };
        let stopped = || StoreError {
            op: "read a table".to_owned(),
            place: format!("table {}", schema.name),
            kind: StoreErrorKind::Stopped,
        };
        if emit(heard) { Ok(()) } else { Err(stopped()) }
    })
}

/// First and last day of rows that come by day; `None` if they do not, or one has no date.
fn days_in_order(when: &[RowWhen]) -> Option<(Day, Day)> {
    let mut days = when.iter().map(|row| match row.when {
        When::Dated(span) => Some(bucket_day(span)),
        When::Undated => None,
    });
    let first = days.next()??;
    days.try_fold(first, |last, day| day.filter(|day| *day >= last)).map(|last| (first, last))
}

/// What is gathered of all parts.
struct Gathered {
    table: BucketTable,
    complete: BTreeMap<Acd, Span>,
    ordered: bool,
    last_day: Option<Day>,
    numbers: HashMap<Bucket, u32>,
    /// For each part: the buckets that it holds, by number, with rows; `None` if that is not known.
    held: Vec<Option<Vec<(u32, u64)>>>,
    pairs: usize,
}

impl Gathered {
    fn new(parts: usize) -> Gathered {
        Gathered {
            table: BucketTable::default(),
            complete: BTreeMap::new(),
            ordered: true,
            last_day: None,
            numbers: HashMap::new(),
            held: vec![Some(Vec::new()); parts],
            pairs: 0,
        }
    }

    fn add(&mut self, heard: Heard) {
        let Heard { part, pieces: Pieces { mut entries, complete }, days, .. } = heard;
        self.ordered &= days.is_some_and(|(first, _)| self.last_day.is_none_or(|last| last <= first));
        self.last_day = days.map(|(_, last)| last).or(self.last_day);
        for (acd, span) in complete {
            let covered = self.complete.entry(acd).or_insert(span);
            *covered = covered.hull(span);
        }
        self.table.number_and_add(&mut entries);
        let Some(slot) = self.held.get_mut(part) else { return };
        if self.pairs.saturating_add(entries.len()) > PAIRS_MAX {
            self.pairs = self.pairs.saturating_sub(slot.take().map_or(0, |held| held.len()));
        }
        let Some(held) = slot else { return };
        for piece in &entries {
            let next = self.numbers.len() as u32;
            let number = *self.numbers.entry((piece.acd, piece.day)).or_insert(next);
            let rows = u64::from(piece.rows).saturating_add(u64::from(piece.carried));
            match held.iter_mut().rev().take(8).find(|(known, _)| *known == number) {
                Some((_, known)) => *known = known.saturating_add(rows),
                None => {
                    held.push((number, rows));
                    self.pairs = self.pairs.saturating_add(1);
                }
            }
        }
    }

    /// The parts to read again, by number, in groups of about so many rows.
    fn wanted(&self, changes: &Changes, rows: u64) -> Vec<Vec<usize>> {
        let mut wanted = vec![false; self.numbers.len()];
        for bucket in &changes.written {
            let place = self.numbers.get(bucket).and_then(|number| wanted.get_mut(*number as usize));
            place.into_iter().for_each(|wanted| *wanted = true);
        }
        let is_wanted = |number: u32| wanted.get(number as usize).copied().unwrap_or(true);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut gathered = u64::MAX;
        for (part, held) in self.held.iter().enumerate() {
            let of_part = match held {
                Some(held) => held.iter().filter(|(number, _)| is_wanted(*number)).map(|(_, rows)| *rows).sum(),
                None => rows,
            };
            if of_part == 0 {
                continue;
            }
            match groups.last_mut() {
                Some(group) if gathered.saturating_add(of_part) <= rows => group.push(part),
                _ => {
                    groups.push(vec![part]);
                    gathered = 0;
                }
            }
            gathered = gathered.saturating_add(of_part);
        }
        groups
    }
}

impl Comparison<'_> {
    /// Rows of the buckets that are written, carried ones included.
    pub(super) fn rows_of_written(&self) -> BTreeMap<Bucket, u64> {
        let entries = self.changes.written.iter().filter_map(|bucket| self.now.get(bucket));
        entries.map(|entry| ((entry.acd, entry.day), entry.rows.saturating_add(entry.carried))).collect()
    }

    /// What the comparison says, in numbers.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            changed: self.changes.written.len() as u64,
            unchanged: (self.changes.unwritten.len() as u64).saturating_sub(self.trusted),
            trusted: self.trusted,
            read_from: self.read_from,
            vanished: self.changes.vanished.len() as u64,
            expired: self.changes.expired.len() as u64,
            rows: self.rows_of_written().values().fold(0, |sum, rows| sum.saturating_add(*rows)),
            whole: None,
        }
    }
}
