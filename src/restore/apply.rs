//! A run: the rows that go are saved, the journal gets its lines, then unit after unit is replaced, each in a transaction
//! of its own that also writes its line. What ends early can be resumed or undone.

use super::guards::Guards;
use super::journal::{self, Member};
use super::keep::{Keep, Keeper};
use super::options::{AT_ONCE_ROWS, Options, Proof, UNIT_ROWS};
use super::payloads::{Payloads, Sources};
use super::plan::position;
use super::report::{
    Outcome, RestorePlan, RestoreReport, Source, Stopped, TableAction, TablePlan, TableReport, UnitReport, cancelled,
};
use super::rules::Rule;
use super::settled::Settled;
use super::target::{After, Contents, Scan, Seen, Sums, UnitRows, bucket, changed, compare, look, read_again};
use super::units::{Part, UnitPlan, mark, unit, units};
use super::workers::Order;
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::{Instant, Span};
use crate::column::digest::{Digest, RowHasher};
use crate::error::Error;
use crate::schema::clock::RowWhen;
use crate::schema::table::BoundTable;
use crate::section::rows::ChunkRows;
use crate::store::control::{KeyRuns, Run, RunStatus, Totals, Unit, UnitStatus};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Replacement, Snapshot, Store, Writer};
use crate::volume::section::ChunkRef;
use crate::volume::set::SetReader;
use std::time::Instant as Clock;

/// As [`super::Restore::apply`].
pub(super) fn apply(
    plan: &RestorePlan,
    sources: &Sources<'_>,
    store: &dyn Store,
    options: &Options,
    keep: Option<Keep<'_>>,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, Box<Stopped>> {
    let Sources { chain, payloads } = *sources;
    let work = Work { plan, sets: chain.members(), payloads, store, options, monitor };
    let mut report = RestoreReport { proved: options.proof == Proof::Full, ..RestoreReport::default() };
    match work.run(keep, &mut report) {
        Ok(()) => Ok(report),
        Err(error) => Err(Box::new(Stopped { error, report })),
    }
}

/// A unit on its way.
pub(super) struct Todo<'a> {
    pub(super) rows: UnitRows<'a>,
    pub(super) plan: UnitPlan,
    /// Number in the run, from 0.
    pub(super) number: u32,
    /// What the undo set has of it, keys included; `None` without one.
    pub(super) saved: Option<Digest>,
    /// The keys of the rows that go, as a snapshot saw them that was begun after the writer was opened.
    pub(super) keys: Option<KeyRuns>,
    /// Whether it was replaced before.
    pub(super) done: bool,
}

/// What all units share.
pub(super) struct Work<'a> {
    pub(super) plan: &'a RestorePlan,
    pub(super) sets: &'a [&'a SetReader<'a>],
    pub(super) payloads: &'a Payloads,
    pub(super) store: &'a dyn Store,
    pub(super) options: &'a Options,
    pub(super) monitor: &'a dyn Monitor,
}

impl Work<'_> {
    fn run(&self, keep: Option<Keep<'_>>, report: &mut RestoreReport) -> Result<(), Error> {
        if let Some(refusal) = self.plan.refusals.first() {
            return Err(refusal.error());
        }
        let lock = self.store.lock()?;
        lock.notice().iter().for_each(|notice| self.monitor.notice(notice));
        let mut todo = self.todo();
        report.units = todo.iter().map(|todo| unit_report(todo)).collect();
        if todo.is_empty() {
            return self.nothing_to_do();
        }
        // Opened before the snapshot, so that it can tell whether what the snapshot sees is still true later.
        let mut writer = self.store.writer()?;
        let snapshot = self.store.snapshot(self.options.decoders())?;
        let mut runs = snapshot.runs()?;
        self.same_journal(snapshot.as_ref(), &runs)?;
        let last = runs.pop();
        // The database may have come to another state since the plan was made.
        let (state, target) = (snapshot.state()?, self.store.identity());
        if let Some(label) = self.sets.first().map(|set| set.label()) {
            let guards = Guards { state, target, label, last: last.as_ref(), options: self.options };
            let tables: Vec<&TablePlan> = self.plan.tables.iter().collect();
            let refusals = guards.refusals(&tables).into_iter().chain(guards.switched_on(self.plan.collecting));
            refusals.into_iter().next().map_or(Ok(()), |refusal| Err(refusal.error()))?;
        }
        let next = last.as_ref().map_or(0, |run| run.number).saturating_add(1);
        if let Some(keep) = keep {
            let began = Clock::now();
            let keeper = Keeper {
                plan: self.plan,
                snapshot: snapshot.as_ref(),
                source: self.store.identity(),
                options: self.options,
                monitor: self.monitor,
                run: next,
            };
            let rows: Vec<&UnitRows<'_>> = todo.iter().map(|todo| &todo.rows).collect();
            let (undo, saved) = keeper.keep(keep, &rows)?;
            for (todo, saved) in todo.iter_mut().zip(saved) {
                (todo.saved, todo.keys) = (Some(saved.rows), saved.keys);
            }
            report.undo = Some(undo);
            report.undo_time = began.elapsed();
        }
        let order = Order::of(snapshot.as_ref(), &todo)?;
        drop(snapshot);
        let set_aside = last.filter(|last| last.status == RunStatus::Begun).map(|last| last.number);
        let run = self.begin(writer.as_mut(), &todo, set_aside, report)?;
        report.run = Some(run);
        self.replace(writer.as_mut(), run, &todo, &order, report)
    }

    /// What later members were restored into is left alone, and only the journal tells where that is.
    fn same_journal(&self, snapshot: &dyn Snapshot, runs: &[Run]) -> Result<(), Error> {
        if journal::state(runs, &snapshot.ranges()?) == self.plan.journal {
            return Ok(());
        }
        let what = "another restore or undo has been at work in the target since the plan was made";
        Err(Rule::ChangedSincePlan.error(what, "plan again"))
    }

    /// Where no unit is replaced no run is begun. One that ended early is set aside all the same, if that was asked for.
    fn nothing_to_do(&self) -> Result<(), Error> {
        if !self.options.anew {
            return Ok(());
        }
        let snapshot = self.store.snapshot(1)?;
        let mut runs = snapshot.runs()?;
        self.same_journal(snapshot.as_ref(), &runs)?;
        drop(snapshot);
        let Some(before) = runs.pop().filter(|last| last.status == RunStatus::Begun) else { return Ok(()) };
        let mut replacement = self.store.replace()?;
        replacement.end_run(before.number, RunStatus::SetAside, Some(self.options.now_unix))?;
        Ok(replacement.commit()?)
    }

    /// The units of all tables, in order.
    fn todo(&self) -> Vec<Todo<'_>> {
        let mut todo: Vec<Todo<'_>> = Vec::new();
        for table in &self.plan.tables {
            for plan in cut(table, self.options.unit_rows) {
                let number = u32::try_from(todo.len()).unwrap_or(u32::MAX);
                todo.push(Todo {
                    rows: UnitRows::new(table, plan.part),
                    plan,
                    number,
                    saved: None,
                    keys: None,
                    done: false,
                });
            }
        }
        todo
    }

    /// Writes the lines of the run and of its units, all planned; a run that ended early is set aside.
    fn begin(
        &self,
        writer: &mut dyn Writer,
        todo: &[Todo<'_>],
        set_aside: Option<u64>,
        report: &RestoreReport,
    ) -> Result<u64, Error> {
        let newest = self.members().first().copied();
        let run = Run {
            number: 0,
            begun_unix: self.options.now_unix,
            ended_unix: None,
            set: newest.map_or([0; 16], |member| member.set.0),
            label: self.plan.label.clone(),
            undo: report
                .undo
                .as_ref()
                .map(|undo| crate::store::control::UndoPlace { set: undo.set.0, place: undo.place.clone() }),
            options: journal::write_options(
                &Options { collecting: Some(self.plan.collecting), ..self.options.clone() },
                &self.sets.iter().map(|set| set.set_id()).collect::<Vec<_>>(),
                Some(&Settled::of(self.plan)),
            )?,
            status: RunStatus::Begun,
        };
        let lines: Vec<Unit> = todo.iter().map(|todo| planned(todo)).collect();
        let mut replacement = writer.begin()?;
        if let Some(before) = set_aside {
            replacement.end_run(before, RunStatus::SetAside, Some(self.options.now_unix))?;
        }
        let number = replacement.begin_run(&run, &lines)?;
        replacement.commit()?;
        Ok(number)
    }

    pub(super) fn members(&self) -> Vec<Member> {
        let member = |set: &&SetReader<'_>| {
            let label = set.label();
            Member { set: label.set(), chain: label.chain(), sequence: label.sequence }
        };
        self.sets.iter().map(member).collect()
    }

    /// Replaces one unit; `outcome` becomes other than rolled back when its transaction ends.
    pub(super) fn unit(
        &self,
        writer: &mut dyn Writer,
        run: u64,
        todo: &Todo<'_>,
        report: &mut RestoreReport,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let began = Clock::now();
        let unit = &todo.rows;
        let Some(target) = unit.target() else { return Ok(()) };
        let mut replacement = writer.begin()?;
        let mut contents = Contents::new(unit);
        let seen = look_again(replacement.as_mut(), todo, &mut contents)?;
        if seen.keys.rows() != todo.plan.delete {
            return Err(changed(&unit.table.table, unit.part));
        }
        let deleted = delete(replacement.as_mut(), unit, target, &seen)?;
        if at_once(unit.table) {
            replacement.fill(&target.schema)?;
        }
        let by_bucket = self.insert(replacement.as_mut(), todo, target)?;
        report.apply_time += began.elapsed();
        let buckets = by_bucket.len() as u64;
        let began = Clock::now();
        let inserted = by_bucket.values().fold(Digest::default(), |sum, digest| sum.plus(*digest));
        let proved = self.prove(replacement.as_mut(), unit, &mut contents, &seen, by_bucket, todo.saved.is_some())?;
        report.proof_time += began.elapsed();
        let began = Clock::now();
        let after = proved.as_ref().map_or_else(|| inserted.plus(seen.stays), |after| after.own);
        let keys = keys(replacement.as_mut(), todo, target, (inserted.rows, proved))?;
        let alike = contents.are_alike();
        // Rows that stay are counted with those that came in; without them both are the same.
        let inserted = if alike { inserted } else { minus(after, seen.stays) };
        let line = Unit {
            run,
            status: UnitStatus::Applied,
            deleted,
            inserted: totals(inserted),
            after: totals(after),
            keys,
            ..planned(todo)
        };
        if !replacement.unit_applied(&line, &journal::ranges(unit, &self.members()))? {
            return Err(Error::refused(
                format!("the journal's line of {} is not there as planned", unit.table.table),
                "another process has ended or undone this restore: look at the journal before you restore again",
            ));
        }
        let committed = replacement.commit();
        *outcome = ended(&committed);
        committed?;
        report.apply_time += began.elapsed();
        let table = unit.table.table.clone();
        report.tables.push(TableReport { table, deleted, inserted: inserted.rows, buckets });
        Ok(())
    }

    /// Reads the chunks that the unit needs, proves each against its directory, inserts the rows that are the unit's.
    fn insert(&self, replacement: &mut dyn Replacement, todo: &Todo<'_>, target: &BoundTable) -> Result<Sums, Error> {
        let (unit, monitor, name) = (&todo.rows, self.monitor, &todo.rows.table.table);
        let chunks = chunks(unit.table, unit.part);
        let mut inserted = Sums::default();
        let mut rows = 0u64;
        ordered(
            self.options.decoders(),
            chunks.len(),
            1,
            |_, item, emit| {
                let Some((source, chunk)) = chunks.get(item) else { return Ok(()) };
                let Some(set) = self.sets.get(source.member) else { return Ok(()) };
                let payload = self.payloads.read(set, chunk)?;
                let rows = proved(&payload, source, chunk, name)?;
                let picked = pick(rows, |row| source.gives(row) && unit.inserts(row));
                emit((picked, *source, u64::from(chunk.entry.bytes)));
                Ok::<(), Error>(())
            },
            |(picked, source, bytes)| {
                for (row, hash) in picked.when.iter().zip(&picked.hashes) {
                    inserted.entry(bucket(row)).or_default().add(*hash);
                }
                replacement.insert(&target.schema, &source.mapping.columns, &picked.batch)?;
                rows = rows.saturating_add(picked.batch.rows as u64);
                monitor.advance(Task::Restore, picked.batch.rows as u64, bytes);
                if monitor.cancelled() { Err(cancelled()) } else { Ok(()) }
            },
        )?;
        if rows == todo.plan.insert {
            return Ok(inserted);
        }
        let what = format!("table {name}: the plan has {} rows to insert, its chunks {rows}", todo.plan.insert);
        Err(Error::damage(what, "this part was rolled back; verify the set (intervault check DEVICE --verify)"))
    }

    /// Reads the ranges of the unit again: they must hold what stayed and what went in. Gives what they hold, if they were
    /// read.
    fn prove(
        &self,
        replacement: &mut dyn Replacement,
        unit: &UnitRows<'_>,
        contents: &mut Contents<'_>,
        seen: &Seen,
        inserted: Sums,
        undoable: bool,
    ) -> Result<Option<After>, Error> {
        // An undo must be able to tell whether the ranges have changed since, in the target's own columns.
        let wanted = self.options.proof == Proof::Full || (undoable && !contents.are_alike());
        if !wanted {
            return Ok(None);
        }
        let after = scan(unit, replacement, |scan| read_again(unit, contents, scan))?;
        if after.left > 0 {
            let what =
                format!("table {}: {} rows that were to be deleted are still there", unit.table.table, after.left);
            return Err(Error::damage(what, "this part was rolled back; look for triggers or other writers"));
        }
        let mut expected = inserted;
        for (bucket, digest) in &seen.stays_by_bucket {
            let sum = expected.entry(*bucket).or_default();
            *sum = sum.plus(*digest);
        }
        compare(&unit.table.table, &expected, &after.by_bucket)?;
        Ok(Some(after))
    }
}

/// Looks under the write lock at the rows that the decision rests on, and refuses if they are not those that the plan and
/// the undo set saw. Where it is certain that nobody has written since these were seen, they need not be read again.
fn look_again(replacement: &mut dyn Replacement, todo: &Todo<'_>, contents: &mut Contents<'_>) -> Result<Seen, Error> {
    let unit = &todo.rows;
    if let Some(keys) = todo.keys.as_ref().filter(|_| !unit.keeps_some())
        && replacement.undisturbed()?
    {
        return Ok(Seen { keys: keys.clone(), ..Seen::default() });
    }
    let full = todo.saved.is_some() || unit.keeps_some();
    let seen = scan(unit, replacement, |scan| look(unit, full.then_some(contents), None, scan))?;
    unit.check(&seen)?;
    match todo.saved {
        Some(saved) if saved != seen.goes => Err(changed(&unit.table.table, unit.part)),
        _ => Ok(seen),
    }
}

/// Deletes the rows that go.
fn delete(
    replacement: &mut dyn Replacement,
    unit: &UnitRows<'_>,
    target: &BoundTable,
    seen: &Seen,
) -> Result<u64, Error> {
    let all = matches!(&unit.table.action, TableAction::Whole(whole) if whole.acd.is_none());
    let deleted = match all {
        true => replacement.delete_all(&target.schema)?,
        false => replacement.delete_runs(&target.schema, &seen.keys)?,
    };
    if deleted == seen.keys.rows() { Ok(deleted) } else { Err(changed(&unit.table.table, unit.part)) }
}

/// The keys of the rows that have come in: only an undo asks for them.
fn keys(
    replacement: &mut dyn Replacement,
    todo: &Todo<'_>,
    target: &BoundTable,
    (inserted, proved): (u64, Option<After>),
) -> Result<KeyRuns, Error> {
    Ok(match (todo.saved, proved) {
        (None, _) => KeyRuns::default(),
        // Where the ranges hold no more rows than have come in, nothing else is there.
        (Some(_), Some(after)) if after.own.rows == inserted => after.keys,
        (Some(_), _) => {
            let (clock, days) = todo.rows.days();
            replacement.inserted(&target.schema, clock, days)?
        }
    })
}

/// Runs `work` with a function that scans the unit's days in a transaction.
fn scan<T>(
    unit: &UnitRows<'_>,
    replacement: &mut dyn Replacement,
    work: impl FnOnce(&mut Scan<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let (clock, days) = unit.days();
    let Some(target) = unit.target() else { return work(&mut |_, _| Ok(())) };
    work(&mut |columns, sink| replacement.scan_keyed(&target.schema, clock, days, columns, sink))
}

/// What a unit has come to by the end of its transaction.
const fn ended(committed: &Result<(), StoreError>) -> Outcome {
    match committed {
        Ok(()) => Outcome::Replaced,
        Err(StoreError { kind: StoreErrorKind::Busy | StoreErrorKind::Full | StoreErrorKind::Refused(_), .. }) => {
            Outcome::RolledBack
        }
        Err(_) => Outcome::InDoubt,
    }
}

/// As [`super::Restore::units`].
pub(super) fn units_of(plan: &RestorePlan, options: &Options) -> Vec<UnitReport> {
    let of_table = |table: &TablePlan| {
        let unit = |unit: UnitPlan| (table.table.clone(), unit.part);
        cut(table, options.unit_rows).into_iter().map(unit).collect::<Vec<_>>()
    };
    let units = plan.tables.iter().flat_map(of_table);
    units.map(|(table, part)| UnitReport { table, part, outcome: Outcome::NotBegun }).collect()
}

/// The units of a table. Where its chunks are not in the order of time, each slice reads most of them: then there are fewer
/// slices. Rows that bring their own keys go in together: those of one slice may have the keys of rows that a later slice
/// deletes.
pub(super) fn cut(table: &TablePlan, unit_rows: u64) -> Vec<UnitPlan> {
    if let TableAction::Ranges(ranges) = &table.action
        && ranges.keyed
    {
        let alone = units(table, u64::MAX);
        return if alone.len() > 1 { vec![unit(ranges, Part::Both)] } else { alone };
    }
    if at_once(table) {
        return units(table, u64::MAX);
    }
    let rows = |chunks: &[(&Source, &ChunkRef)]| {
        chunks.iter().map(|(_, chunk)| u64::from(chunk.entry.rows)).fold(0, u64::saturating_add)
    };
    let once = rows(&chunks(table, Part::Whole));
    let mut rows_max = unit_rows.max(1);
    loop {
        let plan = units(table, rows_max);
        let read = plan.iter().map(|unit| rows(&chunks(table, unit.part))).fold(0, u64::saturating_add);
        // Undated rows have a unit of their own, and all of time is cut in two whatever is in it.
        if plan.len() <= 3 || rows_max == u64::MAX || read <= once.saturating_mul(2).saturating_add(UNIT_ROWS) {
            return plan;
        }
        rows_max = rows_max.saturating_mul(2);
    }
}

/// Whether all rows of a table go in together, as far as it can be told before.
fn at_once(table: &TablePlan) -> bool {
    matches!(&table.action, TableAction::Ranges(ranges) if ranges.at_once) && table.rows_inserted() <= AT_ONCE_ROWS
}

/// The chunks of a table's plan that may have rows of a part.
fn chunks(table: &TablePlan, part: Part) -> Vec<(&Source, &ChunkRef)> {
    let meets = |chunk: &ChunkRef| match part {
        Part::Whole | Part::Both => true,
        Part::Undated => chunk.entry.undated > 0,
        Part::Slice(slice) => {
            let span = Span::new(Instant(chunk.entry.first), Instant(chunk.entry.stop));
            span.is_some_and(|span| span.meets(slice))
        }
    };
    let all = table.sources().iter().flat_map(|source| source.chunks.iter().map(move |chunk| (source, chunk)));
    all.filter(|(_, chunk)| meets(chunk)).collect()
}

pub(super) fn planned(todo: &Todo<'_>) -> Unit {
    let UnitPlan { part, delete, insert } = todo.plan;
    Unit {
        deleted: delete,
        inserted: Totals { rows: insert, digest: [0; 16] },
        saved: todo.saved.map(totals).unwrap_or_default(),
        after: Totals { rows: 0, digest: mark(todo.rows.table, part) },
        ..Unit::planned(0, todo.number, &todo.rows.table.table, part.span())
    }
}

fn totals(digest: Digest) -> Totals {
    Totals { rows: digest.rows, digest: digest.to_bytes() }
}

fn minus(all: Digest, some: Digest) -> Digest {
    Digest { sum: all.sum.wrapping_sub(some.sum), rows: all.rows.saturating_sub(some.rows) }
}

pub(super) fn unit_report(todo: &Todo<'_>) -> UnitReport {
    let outcome = if todo.done { Outcome::ReplacedBefore } else { Outcome::NotBegun };
    UnitReport { table: todo.rows.table.table.clone(), part: todo.plan.part, outcome }
}

fn proved(payload: &[u8], source: &Source, chunk: &ChunkRef, table: &str) -> Result<ChunkRows, Error> {
    source.section.prove(&mut RowHasher::default(), payload, position(chunk)).map_err(|error| {
        Error::damage(
            format!("table {table}: {error}"),
            "this part was rolled back; check the set (intervault check DEVICE --verify) and use another copy",
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
