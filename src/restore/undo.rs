//! Undo: the rows that a run deleted go back, the rows that it inserted go away. Unit by unit, the last one first, each in a
//! transaction of its own; a slice that has changed since is left alone unless somebody says otherwise.

use super::drift;
use super::guards::state_refusals;
use super::journal;
use super::options::{Options, Select};
use super::plan::position;
use super::report::cancelled;
use super::rules::{Refusal, Rule};
use super::target::Scan;
use super::units::{Part, days};
use crate::base::monitor::{Monitor, Task};
use crate::base::time::{Day, Instant, Span};
use crate::column::batch::{Batch, ColumnData};
use crate::column::digest::{Digest, RowHasher};
use crate::column::logical::LogicalType;
use crate::error::Error;
use crate::format::block::SetId;
use crate::schema::clock::{Clock, RowTimes, RowWhen, When};
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::schema::table::{BoundTable, TableSchema};
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::store::control::{KeyRuns, Range, RangeKind, Run, RunStatus, State, Totals, Unit, UnitStatus};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Replacement, Snapshot, Store};
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// What to undo, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct UndoOptions {
    /// Number of the run; the last one that is not undone if not given.
    pub run: Option<u64>,
    /// Whether slices that have changed since are put back too: what is in their ranges now is deleted.
    pub force: bool,
    /// Seconds since 1970-01-01 00:00 UTC, for the journal.
    pub now_unix: i64,
}

/// What an undo will do.
#[derive(Debug, Clone)]
pub struct UndoPlan {
    /// The run, as the journal has it.
    pub run: Run,
    /// Its units that were replaced, in the order in which they are put back: the last one first.
    pub units: Vec<UndoUnit>,
    /// Why it cannot be done as asked; empty if it can.
    pub refusals: Vec<Refusal>,
}

/// A unit that is put back.
#[derive(Debug, Clone)]
pub struct UndoUnit {
    /// Its line in the journal.
    pub line: Unit,
    /// Which part of the table it is.
    pub part: Part,
    /// Its ranges in the journal.
    ranges: Vec<Range>,
    /// Rows that are deleted now.
    pub delete: u64,
    /// Rows that go back.
    pub put_back: u64,
    /// Whether its ranges have changed since the restore.
    pub changed: bool,
}

impl UndoUnit {
    /// The ACDs of its ranges; one that has several ranges comes as often.
    pub fn acds(&self) -> impl Iterator<Item = Acd> + '_ {
        self.ranges.iter().map(|range| range.acd)
    }
}

/// What an undo did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// Number of the run.
    pub run: u64,
    /// Units put back.
    pub units: u64,
    /// Units that were left alone because their ranges have changed since, or because work ended before them.
    pub left: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Rows put back.
    pub put_back: u64,
    /// Rows that are back under another key than they had: a newer row has it.
    pub new_keys: u64,
}

/// The run that an undo would take back: as asked, or the last one. That it was undone before does not make the one before it
/// the last: somebody who asks twice does not mean two.
///
/// # Errors
/// There is none, it is undone already, or its rows were not kept; the journal cannot be read.
pub fn undoable(store: &dyn Store, run: Option<u64>) -> Result<Run, Error> {
    let runs = store.snapshot(1)?.runs()?;
    let advice = "look at the journal: intervault_restore in the database";
    let mut before = None;
    let found = match run {
        Some(number) => runs.into_iter().find(|run| run.number == number),
        None => {
            before = runs.iter().rev().find(|run| run.status != RunStatus::Undone).map(|run| run.number);
            runs.into_iter().next_back()
        }
    };
    let Some(found) = found else {
        let what = run.map_or_else(
            || "the database has no restore that could be undone".to_owned(),
            |run| format!("the database has no restore number {run}"),
        );
        return Err(Error::nothing(what, advice));
    };
    let number = found.number;
    if found.status == RunStatus::Undone {
        let what = format!("restore {number} is undone already");
        return Err(match before {
            Some(before) => Error::nothing(what, format!("to take back the one before it too, say --run {before}")),
            None => Error::nothing(what, advice),
        });
    }
    if found.undo.is_none() {
        let what = format!("restore {number} kept nothing of what it deleted (--no-undo)");
        return Err(Rule::NotKept.error(what, "restore again from a backup that has these rows"));
    }
    Ok(found)
}

/// Says what an undo would do: every saved row is read and proved, the target is read in a snapshot.
///
/// # Errors
/// The undo set is not that of the run, or damaged; the target's table no longer fits; the store fails.
pub fn undo_plan(
    set: &SetReader<'_>,
    store: &dyn Store,
    options: &UndoOptions,
    monitor: &dyn Monitor,
) -> Result<UndoPlan, Error> {
    let run = undoable(store, options.run)?;
    the_set_of(&run, set)?;
    let snapshot = store.snapshot(1)?;
    let ranges = snapshot.ranges()?;
    let lines = snapshot.units(run.number)?;
    first(&run, &ranges, options)?;
    allowed(&run, snapshot.state()?, set, &lines)?;
    let mut units = Vec::new();
    let mut refusals = Vec::new();
    monitor.begin(Task::Plan, "comparing the undo set and the target", 0);
    for line in lines.into_iter().filter(|line| line.status == UnitStatus::Applied).rev() {
        let of_unit = ranges.iter().filter(|range| range.run == run.number && range.unit == line.number);
        let ranges: Vec<Range> = of_unit.cloned().collect();
        let saved = Saved::of(set, &line.table)?;
        let target = saved.target(snapshot.as_ref())?;
        let part = saved.part(&line);
        let rows = UndoRows { saved: &saved, target: &target, part, ranges: &ranges };
        rows.prove_saved(set, &line, &mut |_, _| Ok(()))?;
        let now = rows.look(&mut |columns, sink| {
            let (clock, days) = rows.days();
            snapshot.scan_keyed(0, &target.schema, clock, days, columns, sink)
        })?;
        let changed = now.digest != digest(line.after);
        if changed && !options.force {
            refusals.push(Rule::ChangedSince.refusal(changed_since(&line, part), TO_FORCE));
        }
        monitor.advance(Task::Plan, line.saved.rows, 0);
        let delete = if changed { now.digest.rows } else { line.inserted.rows };
        units.push(UndoUnit { delete, put_back: line.saved.rows, changed, part, ranges, line });
    }
    monitor.end(Task::Plan);
    Ok(UndoPlan { run, units, refusals })
}

/// Refuses what a later restore has to be undone for first.
fn first(run: &Run, ranges: &[Range], options: &UndoOptions) -> Result<(), Error> {
    match later(run, ranges).filter(|_| !options.force) {
        None => Ok(()),
        Some(later) => Err(Rule::ReplacedSince.error(
            format!("restore {} cannot be undone yet: restore {later} has replaced rows there since", run.number),
            format!("undo restore {later} first, or say --force"),
        )),
    }
}

/// Refuses administration data in a state in which a restore may not touch it either. Options that cannot be read let nothing
/// through, and stop no undo.
fn allowed(run: &Run, state: State, set: &SetReader<'_>, lines: &[Unit]) -> Result<(), Error> {
    let options = journal::read_options(&run.options, &Options::new(Instant(0), 0));
    let select = options.map_or(Select::All, |options| options.select);
    let applied = lines.iter().filter(|line| line.status == UnitStatus::Applied);
    for table in applied.map(|line| line.table.as_str()).collect::<BTreeSet<_>>() {
        let data_type = Saved::of(set, table)?.section.bound.data_type;
        let refusals = state_refusals(&select, state, data_type, table);
        refusals.first().map_or(Ok(()), |refusal| Err(refusal.error()))?;
    }
    Ok(())
}

/// A later restore whose ranges meet those of a run, the last one of them.
fn later(run: &Run, ranges: &[Range]) -> Option<u64> {
    let own = || ranges.iter().filter(|range| range.run == run.number);
    let of = |range: &Range| (range.table.to_ascii_lowercase(), range.acd);
    let mut dated: BTreeMap<(String, Acd), Vec<Span>> = BTreeMap::new();
    for range in own().filter(|range| is_dated(range)) {
        dated.entry(of(range)).or_default().push(range.span);
    }
    let dated: BTreeMap<(String, Acd), SpanSet> =
        dated.into_iter().map(|(of, spans)| (of, SpanSet::from_spans(spans))).collect();
    // Few: one a table and ACD.
    let others: Vec<&Range> = own().filter(|range| !is_dated(range)).collect();
    let meets = |range: &&Range| match range.kind {
        RangeKind::Held | RangeKind::Carried => {
            let same = dated.get(&of(range));
            same.is_some_and(|spans| spans.meets(range.span))
        }
        RangeKind::Undated | RangeKind::Whole => others.iter().any(|other| same_rows(other, range)),
    };
    ranges.iter().filter(|range| range.run > run.number).filter(meets).map(|range| range.run).max()
}

const fn is_dated(range: &Range) -> bool {
    matches!(range.kind, RangeKind::Held | RangeKind::Carried)
}

/// Whether two ranges without time have rows in common. A table that is replaced whole names an ACD only if that one's rows
/// are replaced alone; rows without a usable time are those of one ACD, which may be none.
fn same_rows(one: &Range, other: &Range) -> bool {
    let of_all = |range: &Range| range.kind == RangeKind::Whole && range.acd.is_none();
    one.table.eq_ignore_ascii_case(&other.table)
        && one.kind == other.kind
        && (one.acd == other.acd || of_all(one) || of_all(other))
}

fn the_set_of(run: &Run, set: &SetReader<'_>) -> Result<(), Error> {
    let wanted = run.undo.as_ref().map(|undo| SetId(undo.set));
    if wanted == Some(set.label().set()) {
        return Ok(());
    }
    let place = run.undo.as_ref().map(|undo| undo.place.clone()).unwrap_or_default();
    let wanted = wanted.map(|wanted| wanted.to_string()).unwrap_or_default();
    Err(Error::wanted(
        format!("set {} does not have the rows that restore {} deleted", set.label().label, run.number),
        format!("they are in set {wanted}, written to {place}"),
    ))
}

const TO_FORCE: &str =
    "--partial takes the other units back and leaves these alone; --force takes these back too, over what is there now";

fn renumbered(table: &str) -> String {
    format!(
        "table {table}: its rows have other keys by now (the database was vacuumed or rewritten since), so that those of the \
         restore cannot be told from those that stayed; restore these rows from a backup"
    )
}

fn changed_since(line: &Unit, part: Part) -> String {
    let of = match part {
        Part::Whole => String::new(),
        Part::Undated => ", rows without a usable time".to_owned(),
        Part::Slice(slice) => format!(", {}", SpanSet::from(slice)),
    };
    format!("table {}{of}: rows have changed since the restore", line.table)
}

/// Puts the rows back, unit by unit. Units whose ranges have changed since are left alone unless `force` is set.
///
/// # Errors
/// Another backup or restore is at work; the undo set is damaged; the store fails; somebody asked to stop; ranges have
/// changed since (the others were put back). Each unit is wholly put back or as it was.
pub fn undo(
    plan: &UndoPlan,
    set: &SetReader<'_>,
    store: &dyn Store,
    options: &UndoOptions,
    monitor: &dyn Monitor,
) -> Result<UndoReport, Error> {
    the_set_of(&plan.run, set)?;
    let lock = store.lock()?;
    lock.notice().iter().for_each(|notice| monitor.notice(notice));
    still(plan, set, store, options)?;
    let mut report = UndoReport { run: plan.run.number, left: plan.units.len() as u64, ..UndoReport::default() };
    let rows = plan.units.iter().map(|unit| unit.put_back).fold(0, u64::saturating_add);
    monitor.begin(Task::Undo, "putting rows back", rows);
    let mut left = Vec::new();
    for unit in &plan.units {
        if monitor.cancelled() {
            return Err(cancelled());
        }
        let work = UndoWork { set, store, options, unit };
        match work.put_back(&mut report)? {
            None => report.left = report.left.saturating_sub(1),
            Some(reason) => left.push(reason),
        }
        monitor.advance(Task::Undo, unit.put_back, 0);
    }
    monitor.end(Task::Undo);
    if let Some(first) = left.first() {
        let more = left.len().saturating_sub(1);
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let advice = format!(
            "{} parts were put back and these were left alone; --force puts back what has changed, over what is there now",
            report.units
        );
        return Err(Rule::ChangedSince.error(format!("{first}{more}"), advice));
    }
    let mut replacement = store.replace()?;
    replacement.end_run(plan.run.number, RunStatus::Undone, Some(options.now_unix))?;
    replacement.commit()?;
    Ok(report)
}

/// Refuses a plan that the journal has left behind: the lock was not held when it was made.
fn still(plan: &UndoPlan, set: &SetReader<'_>, store: &dyn Store, options: &UndoOptions) -> Result<(), Error> {
    let run = undoable(store, Some(plan.run.number))?;
    let snapshot = store.snapshot(1)?;
    let lines = snapshot.units(run.number)?;
    let applied = lines.iter().filter(|line| line.status == UnitStatus::Applied).rev();
    if run != plan.run || !applied.eq(plan.units.iter().map(|unit| &unit.line)) {
        return Err(Rule::ChangedSincePlan.error(
            format!("restore {} was gone on with or taken back since this was planned", run.number),
            "nothing was changed by this: plan the undo again",
        ));
    }
    first(&run, &snapshot.ranges()?, options)?;
    allowed(&run, snapshot.state()?, set, &lines)
}

struct UndoWork<'a> {
    set: &'a SetReader<'a>,
    store: &'a dyn Store,
    options: &'a UndoOptions,
    unit: &'a UndoUnit,
}

impl UndoWork<'_> {
    /// Puts one unit back, or says why it was left alone: its ranges have changed since, or nobody can tell its rows.
    fn put_back(&self, report: &mut UndoReport) -> Result<Option<String>, Error> {
        let line = &self.unit.line;
        let saved = Saved::of(self.set, &line.table)?;
        let mut replacement = self.store.replace()?;
        let Some(schema) = replacement.schema(&line.table)? else { return Err(no_table(&line.table)) };
        let target = saved.fitted(schema)?;
        let rows = UndoRows { saved: &saved, target: &target, part: self.unit.part, ranges: &self.unit.ranges };
        let now = rows.look_in(replacement.as_mut())?;
        let changed = now.digest != digest(line.after);
        if changed && !self.options.force {
            return Ok(Some(changed_since(line, self.unit.part)));
        }
        let Some((keys, gone)) = self.inserted(replacement.as_mut(), &rows, &now)? else {
            return Ok(Some(renumbered(&line.table)));
        };
        let deleted = replacement.delete_runs(&target.schema, &keys)?;
        let mut new_keys = 0u64;
        let saved = rows.prove_saved(self.set, line, &mut |keys, batch| {
            let columns: Vec<usize> = (0..batch.columns.len()).collect();
            new_keys = new_keys.saturating_add(replacement.insert_keyed(&target.schema, &columns, keys, &batch)?);
            Ok(())
        })?;
        let expected = minus(now.digest, gone).plus(saved);
        let after = rows.look_in(replacement.as_mut())?;
        if after.digest != expected {
            let what = format!("table {}: the target does not hold what was put back", line.table);
            return Err(Error::damage(what, "this part was rolled back; look for triggers or other writers"));
        }
        if !replacement.unit_undone(line.run, line.number)? {
            let what = format!("the journal's line of {} is gone", line.table);
            return Err(Error::refused(what, "another process has undone it: look at the journal"));
        }
        replacement.commit()?;
        report.units = report.units.saturating_add(1);
        report.deleted = report.deleted.saturating_add(deleted);
        report.put_back = report.put_back.saturating_add(line.saved.rows);
        report.new_keys = report.new_keys.saturating_add(new_keys);
        Ok(None)
    }

    /// The keys of the rows that go, and what these amount to; `None` if nobody can tell. Where nothing stayed beside the
    /// inserted rows all that is in
    /// the ranges goes, whatever keys the rows have by now; else the journal's keys must still name the inserted rows.
    fn inserted(
        &self,
        replacement: &mut dyn Replacement,
        rows: &UndoRows<'_>,
        now: &Now,
    ) -> Result<Option<(KeyRuns, Digest)>, Error> {
        let line = &self.unit.line;
        if line.after == line.inserted {
            return Ok(Some((KeyRuns::of_keys(&now.keys), now.digest)));
        }
        let named = rows.at(replacement, &line.keys)?;
        // By force what these rows hold may have changed, but they must all be there, in the ranges.
        let there = || {
            let here = now.keys.iter().filter(|key| line.keys.holds(**key)).count() as u64;
            self.options.force && named.rows == line.inserted.rows && here == named.rows
        };
        Ok((named == digest(line.inserted) || there()).then(|| (line.keys.clone(), named)))
    }
}

/// Takes saved rows with their keys.
type Take<'a> = dyn FnMut(&[i64], Batch) -> Result<(), Error> + 'a;

/// A table of the undo set.
struct Saved {
    view: SectionView,
    section: SectionTable,
}

impl Saved {
    fn of(set: &SetReader<'_>, table: &str) -> Result<Saved, Error> {
        let view = set.sections().iter().find(|section| section.header.table.eq_ignore_ascii_case(table)).cloned();
        let Some(view) = view else {
            return Err(Error::damage(
                format!("undo set {} has no table {table}", set.label().label),
                "check it: intervault check DEVICE --verify",
            ));
        };
        let section = SectionTable::new(view.number, &view.header)?;
        Ok(Saved { view, section })
    }

    /// The columns as they were in the target: all but the last, which is the key.
    fn schema(&self) -> TableSchema {
        let mut schema = self.section.bound.schema.clone();
        schema.columns.pop();
        schema
    }

    fn types(&self) -> Vec<LogicalType> {
        self.schema().logical_types()
    }

    fn target(&self, snapshot: &dyn Snapshot) -> Result<BoundTable, Error> {
        let table = &self.section.bound.schema.name;
        match snapshot.schema(table)? {
            Some(schema) => self.fitted(schema),
            None => Err(no_table(table)),
        }
    }

    /// The target's table, if it is as it was.
    fn fitted(&self, schema: TableSchema) -> Result<BoundTable, Error> {
        let own = self.schema();
        let names =
            |schema: &TableSchema| -> Vec<String> { schema.columns.iter().map(|column| column.name.clone()).collect() };
        if names(&own) != names(&schema) || drift::map(&own, &schema).is_err() {
            return Err(Rule::SchemaDrift.error(
                format!("table {}: its columns are not those that it had before the restore", schema.name),
                "give it these columns again, in their order, and undo then",
            ));
        }
        Ok(BoundTable { schema, ..self.section.bound.clone() })
    }

    fn part(&self, line: &Unit) -> Part {
        match (self.section.bound.grain, line.slice == Span::ALL) {
            (Grain::None, _) => Part::Whole,
            (_, true) => Part::Undated,
            (_, false) => Part::Slice(line.slice),
        }
    }
}

fn no_table(table: &str) -> Error {
    Rule::AbsentTable
        .error(format!("the target has no table {table} any more"), "create it again, with its columns, first")
}

/// What the ranges of a unit hold now.
struct Now {
    keys: Vec<i64>,
    digest: Digest,
}

/// The rows of one unit, on the undo set and in the target.
struct UndoRows<'a> {
    saved: &'a Saved,
    target: &'a BoundTable,
    part: Part,
    ranges: &'a [Range],
}

impl UndoRows<'_> {
    fn days(&self) -> (Option<&Clock>, (Option<Day>, Option<Day>)) {
        match self.part {
            Part::Slice(slice) => (self.target.clock.as_ref(), days(self.target.grain, slice)),
            Part::Whole | Part::Undated => (None, (None, None)),
        }
    }

    fn look_in(&self, replacement: &mut dyn Replacement) -> Result<Now, Error> {
        let (clock, days) = self.days();
        self.look(&mut |columns, sink| replacement.scan_keyed(&self.target.schema, clock, days, columns, sink))
    }

    /// Reads what is in the ranges of the unit.
    fn look(&self, scan: &mut Scan<'_>) -> Result<Now, Error> {
        let ranges = Ranges::of(self.ranges);
        let (mut now, mut hasher) = (Now { keys: Vec::new(), digest: Digest::default() }, RowHasher::default());
        let (types, mut hashes) = (self.saved.types(), Vec::new());
        let columns: Vec<usize> = (0..types.len()).collect();
        let mut times = RowTimes::projected(self.target, &columns)?;
        scan(&columns, &mut |keys, batch| {
            let when = times.all(&batch);
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| self.odd(error.to_string()))?;
            for ((row, hash), key) in when.iter().zip(&hashes).zip(keys) {
                if ranges.hold(row) {
                    now.digest.add(*hash);
                    now.keys.push(*key);
                }
            }
            Ok(())
        })?;
        Ok(now)
    }

    /// What the rows with these keys amount to.
    fn at(&self, replacement: &mut dyn Replacement, keys: &KeyRuns) -> Result<Digest, Error> {
        let (types, mut hashes, mut hasher) = (self.saved.types(), Vec::new(), RowHasher::default());
        let columns: Vec<usize> = (0..types.len()).collect();
        let mut sum = Digest::default();
        replacement.scan_runs(&self.target.schema, keys, &columns, &mut |_, batch| {
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| self.odd(error.to_string()))?;
            sum = sum.plus(Digest::of(&hashes));
            Ok(())
        })?;
        Ok(sum)
    }

    fn odd(&self, text: String) -> StoreError {
        let place = format!("table {}", self.target.schema.name);
        StoreError { op: "read the rows to undo".to_owned(), place, kind: StoreErrorKind::Unsupported(text) }
    }

    /// Reads the saved rows of the unit, proves them, and hands them on with their keys. Gives what they amount to without
    /// the keys.
    fn prove_saved(&self, set: &SetReader<'_>, line: &Unit, take: &mut Take<'_>) -> Result<Digest, Error> {
        let (types, mut hashes, mut hasher) = (self.saved.types(), Vec::new(), RowHasher::default());
        let (mut sum, mut keyed) = (Digest::default(), Digest::default());
        for chunk in self.saved.view.chunks.iter().filter(|chunk| self.may_have(chunk)) {
            let payload = set.read_chunk(chunk)?;
            let damaged = |what: String| {
                let what = format!("undo set {}, table {}: {what}", set.label().label, line.table);
                Error::damage(what, "this part was left as it is; use another copy of the undo set")
            };
            let rows = self.saved.section.prove(&mut RowHasher::default(), &payload, position(chunk));
            let rows = rows.map_err(|error| damaged(error.to_string()))?;
            let mine: Vec<bool> = rows.when.iter().map(|row| self.is_mine(row)).collect();
            rows.hashes.iter().zip(&mine).filter(|(_, mine)| **mine).for_each(|(hash, _)| keyed.add(*hash));
            let mut batch = rows.batch.keep(&mine);
            let keys = batch.columns.pop();
            let Some(ColumnData::Integer(keys)) = keys.map(|column| column.data) else {
                return Err(damaged("its rows have no keys".to_owned()));
            };
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| damaged(error.to_string()))?;
            sum = sum.plus(Digest::of(&hashes));
            if batch.rows > 0 {
                take(&keys, batch)?;
            }
        }
        if keyed == digest(line.saved) {
            return Ok(sum);
        }
        let what = format!("undo set {}, table {}: not the rows that were saved", set.label().label, line.table);
        Err(Error::damage(what, "this part was left as it is; use another copy of the undo set"))
    }

    fn may_have(&self, chunk: &ChunkRef) -> bool {
        match self.part {
            Part::Whole | Part::Undated => true,
            Part::Slice(slice) => {
                let span = Span::new(Instant(chunk.entry.first), Instant(chunk.entry.stop));
                span.is_some_and(|span| span.meets(slice))
            }
        }
    }

    /// Every saved row is one unit's: slices are cut where no row lies across.
    fn is_mine(&self, row: &RowWhen) -> bool {
        match (self.part, row.when) {
            (Part::Whole, _) | (Part::Undated, When::Undated) => true,
            (Part::Slice(slice), When::Dated(span)) => slice.holds(span),
            _ => false,
        }
    }
}

/// The ranges of a unit's lines.
struct Ranges {
    dated: BTreeMap<Acd, SpanSet>,
    undated: BTreeSet<Acd>,
    whole: BTreeSet<Acd>,
}

impl Ranges {
    fn of(lines: &[Range]) -> Ranges {
        let mut spans: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
        let (mut undated, mut whole) = (BTreeSet::new(), BTreeSet::new());
        for line in lines {
            match line.kind {
                RangeKind::Held | RangeKind::Carried => spans.entry(line.acd).or_default().push(line.span),
                RangeKind::Undated => drop(undated.insert(line.acd)),
                RangeKind::Whole => drop(whole.insert(line.acd)),
            }
        }
        let dated = spans.into_iter().map(|(acd, spans)| (acd, SpanSet::from_spans(spans))).collect();
        Ranges { dated, undated, whole }
    }

    fn hold(&self, row: &RowWhen) -> bool {
        if self.whole.contains(&None) || self.whole.contains(&row.acd) {
            return true;
        }
        match row.when {
            When::Dated(span) => self.dated.get(&row.acd).is_some_and(|ranges| ranges.holds(span)),
            When::Undated => self.undated.contains(&row.acd),
        }
    }
}

fn digest(totals: Totals) -> Digest {
    Digest::from_bytes(totals.digest, totals.rows)
}

fn minus(all: Digest, some: Digest) -> Digest {
    Digest { sum: all.sum.wrapping_sub(some.sum), rows: all.rows.saturating_sub(some.rows) }
}
