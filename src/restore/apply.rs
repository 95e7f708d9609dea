//! Changing the target: one transaction; everything is compared before it is made permanent.

use super::drift::Mapping;
use super::options::{Options, Proof};
use super::plan::position;
use super::report::{AcdPlan, Plan, RangesPlan, Report, Source, TableAction, TablePlan, TableReport, WholePlan};
use super::sides::{Cells, Sides};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::side_by_side::side_by_side;
use crate::base::time::{Day, Span, civil_of_day};
use crate::column::batch::Batch;
use crate::column::digest::{Digest, RowHasher};
use crate::column::error::ColumnError;
use crate::error::{Class, Error};
use crate::schema::clock::{RowTimes, RowWhen, When, bucket_day};
use crate::schema::range::Undated;
use crate::schema::table::BoundTable;
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::section::rows::{ChunkRows, SectionTable};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Replacement, Snapshot, Store};
use crate::volume::section::ChunkRef;
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant as Clock};

/// Applies a plan: in one transaction, table by table, rows are deleted, inserted, read again and compared with the
/// volumes. Only if all of it is as it should be the transaction is committed.
///
/// Memory does not grow with the rows but for the keys of those that go: 8 bytes each, and 8 more for those of the table that
/// is at work, so at most 160 MB for ten million.
///
/// # Errors
/// The plan is refused; the target's rows are no longer those that the plan saw (plan again); a chunk cannot be read or
/// is not what its directory says; the target does not hold what was inserted; the store fails. The target is then as it
/// was before.
pub fn apply(
    plan: &Plan,
    set: &SetReader<'_>,
    store: &dyn Store,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report, Error> {
    if let Some(refusal) = plan.refusals.first() {
        return Err(refused(refusal));
    }
    let began = Clock::now();
    let mut replacement = store.replace()?;
    let doomed = look_again(plan, store, options)?;
    let mut report = Report {
        tables: Vec::new(),
        proved: options.proof == Proof::Full,
        apply_time: began.elapsed(),
        proof_time: Duration::ZERO,
    };
    let rows = plan.tables.iter().map(TablePlan::rows_inserted).fold(0, u64::saturating_add);
    monitor.begin(Task::Restore, "replacing rows", rows);
    for (table, doomed) in plan.tables.iter().zip(doomed) {
        let mut work = Work { set, table, options, monitor, replacement: replacement.as_mut(), report: &mut report };
        match &table.action {
            TableAction::Leave(_) => {}
            TableAction::Ranges(ranges) => work.ranges(ranges, &doomed)?,
            TableAction::Whole(whole) => work.whole(whole)?,
        }
    }
    monitor.end(Task::Restore);
    let began = Clock::now();
    replacement.commit()?;
    report.apply_time += began.elapsed();
    Ok(report)
}

fn refused(refusal: &super::report::Refusal) -> Error {
    match refusal.class {
        Class::Damage => Error::damage(refusal.what.clone(), refusal.advice.clone()),
        Class::Volume => {
            let (what, advice) = (refusal.what.clone(), refusal.advice.clone());
            crate::error::ErrorKind::Wanted { what, advice }.into()
        }
        Class::Nothing => Error::nothing(refusal.what.clone(), refusal.advice.clone()),
        _ => Error::refused(refusal.what.clone(), refusal.advice.clone()),
    }
}

fn changed(table: &str) -> Error {
    Error::refused(
        format!("table {table}: the target's rows have changed since the plan was made"),
        "nothing was changed; plan and restore again",
    )
}

/// Looks at the target again, now that nobody else can write, all tables side by side and before the first change: it must
/// be as the plan saw it. Gives the keys of the rows to delete, per table of the plan.
fn look_again(plan: &Plan, store: &dyn Store, options: &Options) -> Result<Vec<Vec<i64>>, Error> {
    // What others can read while the write lock is held and nothing is written is what the transaction itself would read.
    let snapshot = store.snapshot(options.jobs.max(1))?;
    let readers = options.jobs.clamp(1, snapshot.readers().max(1));
    side_by_side(readers, &plan.tables, |reader, table| match &table.action {
        TableAction::Ranges(ranges) if !ranges.is_idle() => doomed(snapshot.as_ref(), reader, plan.acd, table, ranges),
        _ => Ok(Vec::new()),
    })
}

/// Keys of the rows to delete from a table.
fn doomed(
    snapshot: &dyn Snapshot,
    reader: usize,
    acd: Option<i64>,
    table: &TablePlan,
    ranges: &RangesPlan,
) -> Result<Vec<i64>, Error> {
    let bound = &ranges.bound_target;
    let Some(clock) = &bound.clock else { return Ok(Vec::new()) };
    let verdicts = Verdicts::new(ranges);
    let columns = RowTimes::columns(bound);
    let mut times = RowTimes::projected(bound, &columns)?;
    let (mut sides, mut doomed) = (Sides::new(&ranges.cells), Vec::new());
    snapshot.scan_keyed(reader, &ranges.target, clock, ranges.days, &columns, &mut |keys, batch| {
        let when = times.all(&batch);
        doomed.extend(keys.iter().zip(&when).filter(|(_, row)| verdicts.deletes(row)).map(|(key, _)| *key));
        sides.add(&when);
        Ok(())
    })?;
    let now = sides.finish();
    let same = ranges.acds.iter().all(|plan| match now.get(&plan.acd) {
        Some(side) => *side == plan.target,
        None => plan.target.slots().is_empty() && plan.target.undated == 0,
    });
    let known = |of: &Acd| acd.is_some() || ranges.acds.iter().any(|plan| plan.acd == *of);
    if !same || !now.keys().all(known) {
        return Err(changed(&table.table));
    }
    Ok(doomed)
}

impl RangesPlan {
    /// Whether nothing is deleted or inserted.
    fn is_idle(&self) -> bool {
        self.acds.iter().all(|plan| plan.decision.is_idle())
    }
}

/// What the rows that went in amount to, by bucket.
type Expected = BTreeMap<Bucket, Digest>;

struct Work<'a> {
    set: &'a SetReader<'a>,
    table: &'a TablePlan,
    options: &'a Options,
    monitor: &'a dyn Monitor,
    replacement: &'a mut dyn Replacement,
    report: &'a mut Report,
}

/// What a ranges plan says of rows.
struct Verdicts<'a> {
    acds: HashMap<Acd, &'a AcdPlan>,
    cells: &'a Cells,
}

impl<'a> Verdicts<'a> {
    fn new(ranges: &'a RangesPlan) -> Verdicts<'a> {
        Verdicts { acds: ranges.acds.iter().map(|plan| (plan.acd, plan)).collect(), cells: &ranges.cells }
    }

    fn deletes(&self, row: &RowWhen) -> bool {
        self.acds.get(&row.acd).is_some_and(|plan| match row.when {
            When::Dated(span) => plan.decision.deletes(self.cells.of(row.acd, span)),
            When::Undated => plan.decision.undated == Undated::Replace,
        })
    }

    fn inserts(&self, row: &RowWhen) -> bool {
        self.acds.get(&row.acd).is_some_and(|plan| match row.when {
            When::Dated(span) => plan.decision.inserts(self.cells.of(row.acd, span)),
            When::Undated => plan.decision.undated != Undated::Leave,
        })
    }
}

impl Work<'_> {
    fn ranges(&mut self, ranges: &RangesPlan, keys: &[i64]) -> Result<(), Error> {
        if ranges.is_idle() {
            return Ok(());
        }
        let began = Clock::now();
        let verdicts = Verdicts::new(ranges);
        let deleted = self.replacement.delete(&ranges.target, keys)?;
        if deleted != keys.len() as u64 {
            return Err(changed(&self.table.table));
        }
        let mut expected = Expected::new();
        let inserted = self.insert(&ranges.sources, &ranges.target, &mut expected, |row| verdicts.inserts(row))?;
        self.all_in(inserted)?;
        self.report.apply_time += began.elapsed();
        let began = Clock::now();
        let buckets = expected.len() as u64;
        if self.options.proof == Proof::Full {
            self.prove_ranges(ranges, &verdicts, expected)?;
        }
        self.report.proof_time += began.elapsed();
        self.done(deleted, inserted, buckets);
        Ok(())
    }

    /// Refuses to go on if not as many rows went in as the plan says: chunks were left out that had some, or have changed.
    fn all_in(&self, inserted: u64) -> Result<(), Error> {
        let planned = self.table.rows_inserted();
        if inserted == planned {
            return Ok(());
        }
        let what = format!("table {}: the plan has {planned} rows to insert, its chunks {inserted}", self.table.table);
        Err(Error::damage(what, "the restore was rolled back; verify the set (intervault check DEVICE --verify)"))
    }

    fn done(&mut self, deleted: u64, inserted: u64, buckets: u64) {
        let table = self.table.table.clone();
        self.report.tables.push(TableReport { table, deleted, inserted, buckets });
    }

    /// Reads the chunks, proves each against its directory, inserts the rows that `wanted` picks.
    fn insert(
        &mut self,
        sources: &[Source],
        target: &crate::schema::table::TableSchema,
        expected: &mut Expected,
        wanted: impl Fn(&RowWhen) -> bool + Sync,
    ) -> Result<u64, Error> {
        let (set, name) = (self.set, &self.table.table);
        let chunks: Vec<(&Source, &ChunkRef)> =
            sources.iter().flat_map(|source| source.chunks.iter().map(move |chunk| (source, chunk))).collect();
        let (replacement, monitor) = (&mut *self.replacement, self.monitor);
        let mut inserted = 0u64;
        ordered(
            self.options.jobs.max(1),
            chunks.len(),
            1,
            |_, item, emit| {
                if let Some((source, chunk)) = chunks.get(item) {
                    let rows = read(set, &source.section, chunk, name)?;
                    let picked = pick(rows, |row| source.gives(row) && wanted(row));
                    emit((picked, &source.mapping, u64::from(chunk.entry.bytes)));
                }
                Ok::<(), Error>(())
            },
            |(picked, mapping, bytes)| {
                for (row, hash) in picked.when.iter().zip(&picked.hashes) {
                    expected.entry(bucket(row)).or_default().add(*hash);
                }
                replacement.insert(target, &mapping.columns, &picked.batch)?;
                inserted = inserted.saturating_add(picked.batch.rows as u64);
                monitor.advance(Task::Restore, picked.batch.rows as u64, bytes);
                Ok(())
            },
        )?;
        Ok(inserted)
    }

    /// Reads the replaced ranges again: every bucket must hold exactly the rows that went in.
    fn prove_ranges(&mut self, ranges: &RangesPlan, verdicts: &Verdicts<'_>, expected: Expected) -> Result<(), Error> {
        // The volumes' rows are hashed by the section's types and column order, so the target's are read in that order.
        let mut proof = TargetProof::new(&self.table.section.bound)?;
        let mut left = 0u64;
        let clock = ranges.bound_target.clock.as_ref();
        let days = touched_days(ranges);
        let Some(Source { mapping: Mapping { columns }, .. }) = ranges.sources.first() else {
            return Ok(());
        };
        self.replacement.scan_keyed(&ranges.target, clock, days, columns, &mut |_, batch| {
            proof.add(&batch, |row| {
                let wanted = verdicts.inserts(row);
                left = left.saturating_add(u64::from(!wanted && verdicts.deletes(row)));
                wanted
            })
        })?;
        if left > 0 {
            let what = format!("table {}: {left} rows that were to be deleted are still there", self.table.table);
            return Err(Error::damage(what, "the restore was rolled back; look for triggers or other writers"));
        }
        compare(&self.table.table, &expected, &proof.found)
    }

    fn whole(&mut self, whole: &WholePlan) -> Result<(), Error> {
        let began = Clock::now();
        let bound = &self.table.section.bound;
        let only = whole.acd;
        let deleted = match only {
            None => self.replacement.delete_all(&whole.target)?,
            Some(acd) => {
                let keys = self.keys_of_acd(whole, acd)?;
                self.replacement.delete(&whole.target, &keys)?
            }
        };
        if deleted != whole.delete {
            return Err(changed(&self.table.table));
        }
        let mut expected = Expected::new();
        let wanted = |row: &RowWhen| only.is_none_or(|acd| row.acd == Some(acd));
        let inserted = self.insert(std::slice::from_ref(&whole.source), &whole.target, &mut expected, wanted)?;
        self.all_in(inserted)?;
        self.report.apply_time += began.elapsed();
        let began = Clock::now();
        if self.options.proof == Proof::Full {
            let mut proof = TargetProof::new(bound)?;
            self.replacement.scan_keyed(
                &whole.target,
                None,
                (None, None),
                &whole.source.mapping.columns,
                &mut |_, batch| proof.add(&batch, wanted),
            )?;
            compare(&self.table.table, &expected, &proof.found)?;
        }
        self.report.proof_time += began.elapsed();
        self.done(deleted, inserted, expected.len() as u64);
        Ok(())
    }

    fn keys_of_acd(&mut self, whole: &WholePlan, acd: i64) -> Result<Vec<i64>, Error> {
        let columns = RowTimes::columns(&whole.bound_target);
        let mut times = RowTimes::projected(&whole.bound_target, &columns)?;
        let mut doomed = Vec::new();
        self.replacement.scan_keyed(&whole.target, None, (None, None), &columns, &mut |keys, batch| {
            let when = times.all(&batch);
            doomed.extend(keys.iter().zip(&when).filter(|(_, row)| row.acd == Some(acd)).map(|(key, _)| *key));
            Ok(())
        })?;
        Ok(doomed)
    }
}

fn read(set: &SetReader<'_>, section: &SectionTable, chunk: &ChunkRef, table: &str) -> Result<ChunkRows, Error> {
    let payload = set.read_chunk(chunk)?;
    section.prove(&mut RowHasher::default(), &payload, position(chunk)).map_err(|error| {
        Error::damage(
            format!("table {table}: {error}"),
            "nothing was changed; check the set (intervault check DEVICE --verify) and use another copy",
        )
    })
}

/// The rows of a chunk that are wanted.
fn pick(rows: ChunkRows, wanted: impl Fn(&RowWhen) -> bool) -> ChunkRows {
    let keep: Vec<bool> = rows.when.iter().map(wanted).collect();
    if keep.iter().all(|keep| *keep) {
        return rows;
    }
    let kept = |at: usize| keep.get(at).copied().unwrap_or(false);
    ChunkRows {
        batch: rows.batch.keep(&keep),
        when: rows.when.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, row)| *row).collect(),
        hashes: rows.hashes.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, hash)| *hash).collect(),
        directory: rows.directory,
    }
}

/// The days on which rows that are deleted or inserted are dated: from the first to the last day of their spans (a month
/// may be dated on any of its days). Everything, if undated rows are among them.
fn touched_days(ranges: &RangesPlan) -> (Option<Day>, Option<Day>) {
    if ranges.acds.iter().any(|plan| plan.decision.undated != Undated::Leave) {
        return (None, None);
    }
    let envelopes = ranges.acds.iter().filter_map(|plan| plan.decision.touched().envelope());
    let all = envelopes.reduce(Span::hull);
    all.map_or((None, None), |span| (Some(span.start.day()), Some(span.stop.plus(-1).day())))
}

fn bucket(row: &RowWhen) -> Bucket {
    let day: Option<Day> = match row.when {
        When::Dated(span) => Some(bucket_day(span)),
        When::Undated => None,
    };
    (row.acd, day)
}

/// Sums up target rows by bucket, as the section would hash them.
struct TargetProof<'a> {
    table: &'a BoundTable,
    times: RowTimes,
    hasher: RowHasher,
    hashes: Vec<u128>,
    found: Expected,
}

impl<'a> TargetProof<'a> {
    fn new(table: &'a BoundTable) -> Result<TargetProof<'a>, Error> {
        let times = RowTimes::new(table)?;
        Ok(TargetProof { table, times, hasher: RowHasher::default(), hashes: Vec::new(), found: Expected::new() })
    }

    fn add(&mut self, batch: &Batch, mut wanted: impl FnMut(&RowWhen) -> bool) -> Result<(), StoreError> {
        let types = self.table.schema.logical_types();
        self.hasher.hash(batch, &types, &mut self.hashes).map_err(|error| self.odd(&error))?;
        for (row, hash) in self.times.all(batch).iter().zip(&self.hashes) {
            if wanted(row) {
                self.found.entry(bucket(row)).or_default().add(*hash);
            }
        }
        Ok(())
    }

    fn odd(&self, error: &ColumnError) -> StoreError {
        let kind = StoreErrorKind::Unsupported(format!("its rows cannot be compared: {error}"));
        StoreError { op: "read restored rows".to_owned(), place: self.table.schema.name.clone(), kind }
    }
}

fn compare(table: &str, expected: &Expected, found: &Expected) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    let buckets: std::collections::BTreeSet<&Bucket> = expected.keys().chain(found.keys()).collect();
    let differ: Vec<String> = buckets
        .into_iter()
        .filter(|bucket| expected.get(bucket) != found.get(bucket))
        .take(5)
        .map(|(acd, day)| {
            let acd = acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"));
            match day.map(civil_of_day) {
                Some((year, month, day)) => format!("{acd} on {year:04}-{month:02}-{day:02}"),
                None => format!("{acd}, undated"),
            }
        })
        .collect();
    Err(Error::damage(
        format!("table {table}: the target does not hold what was restored: {}", differ.join("; ")),
        "the restore was rolled back; look for triggers, type conversions or other writers in the target",
    ))
}

impl TablePlan {
    /// Rows that the table's plan inserts.
    #[must_use]
    pub fn rows_inserted(&self) -> u64 {
        match &self.action {
            TableAction::Leave(_) => 0,
            TableAction::Whole(whole) => whole.insert,
            TableAction::Ranges(ranges) => ranges.acds.iter().map(AcdPlan::rows_inserted).fold(0, u64::saturating_add),
        }
    }

    /// Rows that the table's plan deletes.
    #[must_use]
    pub fn rows_deleted(&self) -> u64 {
        match &self.action {
            TableAction::Leave(_) => 0,
            TableAction::Whole(whole) => whole.delete,
            TableAction::Ranges(ranges) => ranges.acds.iter().map(AcdPlan::rows_deleted).fold(0, u64::saturating_add),
        }
    }
}

impl AcdPlan {
    /// Rows that go in, undated and carried ones included.
    #[must_use]
    pub fn rows_inserted(&self) -> u64 {
        let undated = if self.decision.undated == Undated::Leave { 0 } else { self.volume.undated };
        let dated = crate::schema::range::rows(&self.decision.insert);
        dated.saturating_add(crate::schema::range::rows(&self.decision.carried_in)).saturating_add(undated)
    }

    /// Rows that are deleted, undated ones included.
    #[must_use]
    pub fn rows_deleted(&self) -> u64 {
        let undated = if self.decision.undated == Undated::Replace { self.target.undated } else { 0 };
        crate::schema::range::rows(&self.decision.delete).saturating_add(undated)
    }
}
