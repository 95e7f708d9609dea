//! Undo: the rows that a run deleted go back, the rows that it inserted go away. Unit by unit, the last one first, each in a
//! transaction of its own; a slice that has changed since is left alone unless somebody says otherwise.

use super::guards::state_refusals;
use super::journal;
use super::options::{Options, Select};
use super::report::cancelled;
use super::rules::{Refusal, Rule};
use super::undo_rows::{Hindrance, Saved, UndoRows, digest, is_dated};
use super::units::Part;
use crate::base::monitor::{Monitor, Task};
use crate::base::time::{Instant, Span};
use crate::column::digest::Digest;
use crate::error::Error;
use crate::format::block::SetId;
use crate::schema::range::SpanSet;
use crate::section::pieces::Acd;
use crate::store::control::{KeyRuns, Range, RangeKind, Run, RunStatus, State, Unit, UnitStatus};
use crate::store::traits::{KeyedSink, Snapshot, Store, StoreLock, Writer};
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
    /// Why units of it cannot be put back as asked; empty if all can.
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
    /// Why it cannot be put back as asked; `None` if it can. Others can, all the same.
    pub refusal: Option<Refusal>,
    /// The highest key of the saved rows of all units of its table.
    highest: Option<i64>,
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
    /// Units that were left alone because their ranges have changed since or something else is wrong with them, or because
    /// work ended before them.
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
    let advice = "look at the journal: intervault log --database";
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

/// Says what an undo would do: every saved row is read and proved, the target is read in a snapshot. What is wrong with one
/// unit alone stands in [`UndoUnit::refusal`].
///
/// # Errors
/// The undo set is not that of the run; the device or the store fails.
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
    // New keys are given above the highest one that any unit of the table will want.
    let mut highest: BTreeMap<String, i64> = BTreeMap::new();
    monitor.begin(Task::Plan, "comparing the undo set and the target", 0);
    for line in last_first(lines, &ranges) {
        let of_unit = ranges.iter().filter(|range| range.run == run.number && range.unit == line.number);
        let of_unit: Vec<Range> = of_unit.cloned().collect();
        let mut unit = UndoUnit::new(line, of_unit);
        unit.refusal = match unit.look(set, snapshot.as_ref(), options) {
            Ok(()) => None,
            Err(Hindrance::Alone(refusal)) => Some(refusal),
            Err(Hindrance::All(error)) => return Err(error),
        };
        if let Some(key) = unit.highest {
            highest.entry(unit.line.table.clone()).and_modify(|last| *last = key.max(*last)).or_insert(key);
        }
        monitor.advance(Task::Plan, unit.line.saved.rows, 0);
        units.push(unit);
    }
    units.iter_mut().for_each(|unit| unit.highest = highest.get(&unit.line.table).copied());
    monitor.end(Task::Plan);
    let refusals = units.iter().filter_map(|unit| unit.refusal.clone()).collect();
    Ok(UndoPlan { run, units, refusals })
}

impl UndoUnit {
    /// A unit that nobody has looked at.
    fn new(line: Unit, ranges: Vec<Range>) -> UndoUnit {
        let part = if line.slice == Span::ALL { Part::Whole } else { Part::Slice(line.slice) };
        let (delete, put_back) = (line.inserted.rows, line.saved.rows);
        UndoUnit { part, ranges, delete, put_back, changed: false, refusal: None, highest: None, line }
    }

    /// Looks at the saved rows and at the target, and says why the unit cannot be put back, if it cannot.
    fn look(&mut self, set: &SetReader<'_>, snapshot: &dyn Snapshot, options: &UndoOptions) -> Result<(), Hindrance> {
        let line = &self.line;
        let saved = Saved::of(set, &line.table)?;
        self.part = saved.part(line, &self.ranges);
        let target = saved.target(snapshot.schema(&line.table)?)?;
        snapshot.writable(&target.schema)?;
        let has_key = snapshot.key_column(&target.schema)?.is_some();
        let rows = UndoRows { saved: &saved, target: &target, part: self.part, ranges: &self.ranges };
        let (mut keys, mut highest) = (Vec::new(), None);
        let proved = rows.prove_saved(set, line, &mut |some, _| {
            highest = some.iter().copied().max().max(highest);
            keys.extend(some.iter().filter(|_| has_key));
            Ok(())
        });
        self.highest = highest;
        proved?;
        let now = rows.look(&mut |columns, sink| {
            let (clock, days) = rows.days();
            snapshot.scan_keyed(0, &target.schema, clock, days, columns, sink)
        })?;
        self.changed = now.digest != digest(line.after);
        if self.changed {
            self.delete = now.digest.rows;
        }
        if self.changed && !options.force {
            return Err(Rule::ChangedSince.refusal(changed_since(line, self.part), TO_FORCE).into());
        }
        let mut scan = |keys: &KeyRuns, columns: &[usize], sink: &mut KeyedSink<'_>| {
            snapshot.scan_runs(0, &target.schema, keys, columns, sink)
        };
        let Some((gone, _)) = rows.going(line, &now, options.force, &mut scan)? else {
            return Err(renumbered(&line.table).into());
        };
        let mut taken = KeyRuns::default();
        scan(&KeyRuns::of_keys(&keys), &[0], &mut |keys, _| {
            taken.add_keys(&keys.iter().copied().filter(|key| !gone.holds(*key)).collect::<Vec<_>>());
            Ok(())
        })?;
        taken.iter().next().map_or(Ok(()), |(key, _)| Err(numbers_taken(&line.table, key, taken.rows()).into()))
    }
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
        // What the undo set lacks is not put back, whatever the state.
        let data_type = match Saved::of(set, table).map_err(Hindrance::from) {
            Ok(saved) => saved.section.bound.data_type,
            Err(Hindrance::Alone(_)) => continue,
            Err(Hindrance::All(error)) => return Err(error),
        };
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
    if wanted == Some(set.label().member()) {
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

const OTHERS: &str = "--partial takes the other units back and leaves these alone";

fn renumbered(table: &str) -> Refusal {
    let what = format!(
        "table {table}: its rows have other keys by now (the database was vacuumed or rewritten since, or partitions were put \
         in or taken out), so that those of the restore cannot be told from those that stayed; restore these rows from a \
         backup"
    );
    Rule::ChangedSince.refusal(what, OTHERS)
}

/// Rows that bring their own keys cannot have others.
fn numbers_taken(table: &str, first: i64, count: u64) -> Refusal {
    let more = if count > 1 { format!(" and {} more", count.saturating_sub(1)) } else { String::new() };
    let what = format!("table {table}: newer rows have the keys of rows that would be put back: {first}{more}");
    Rule::NotWritable.refusal(what, format!("give the newer rows other keys and undo then; {OTHERS}"))
}

fn changed_since(line: &Unit, part: Part) -> String {
    let of = match part {
        Part::Whole | Part::Both => String::new(),
        Part::Undated => ", rows without a usable time".to_owned(),
        Part::Slice(slice) => format!(", {}", SpanSet::from(slice)),
    };
    format!("table {}{of}: rows have changed since the restore", line.table)
}

/// Puts the rows back, unit by unit. Units with something wrong with them alone are left as they are, whatever the plan said:
/// ranges have changed since (unless `force` is set), the table is gone or another one, saved rows are damaged, a rule of the
/// database forbids them.
///
/// # Errors
/// Another backup or restore is at work; the device or the store fails; somebody asked to stop; units were left alone (the
/// others were put back). Each unit is wholly put back or as it was.
pub fn undo(
    plan: &UndoPlan,
    set: &SetReader<'_>,
    store: &dyn Store,
    options: &UndoOptions,
    monitor: &dyn Monitor,
) -> Result<UndoReport, Error> {
    the_set_of(&plan.run, set)?;
    let mut lock = store.lock()?;
    lock.notice().iter().for_each(|notice| monitor.notice(notice));
    still(plan, set, store, options)?;
    let mut report = UndoReport { run: plan.run.number, left: plan.units.len() as u64, ..UndoReport::default() };
    let rows = plan.units.iter().map(|unit| unit.put_back).fold(0, u64::saturating_add);
    monitor.begin(Task::Undo, "putting rows back", rows);
    let mut left = Vec::new();
    let mut writer = store.writer()?;
    for unit in &plan.units {
        if monitor.cancelled() {
            return Err(cancelled());
        }
        let work = UndoWork { set, options, unit };
        match work.put_back(writer.as_mut(), lock.as_mut(), &mut report) {
            Ok(()) => report.left = report.left.saturating_sub(1),
            Err(Hindrance::Alone(refusal)) => left.push(refusal),
            Err(Hindrance::All(error)) => return Err(error),
        }
        monitor.advance(Task::Undo, unit.put_back, 0);
    }
    monitor.end(Task::Undo);
    if let Some(first) = left.first() {
        return Err(left_alone(first, left.len(), report.units).error());
    }
    let mut replacement = writer.begin()?;
    replacement.end_run(plan.run.number, RunStatus::Undone, Some(options.now_unix))?;
    replacement.commit()?;
    Ok(report)
}

/// Why some units were left alone.
fn left_alone(first: &Refusal, count: usize, done: u64) -> Refusal {
    let more = count.saturating_sub(1);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let advice = match first.rule {
        Rule::ChangedSince => "--force puts back what has changed, over what is there now",
        _ => &first.advice,
    };
    let advice = format!("{done} parts were put back and these were left alone; {advice}");
    Refusal { what: format!("{}{more}", first.what), advice, ..first.clone() }
}

/// Refuses a plan that the journal has left behind: the lock was not held when it was made.
fn still(plan: &UndoPlan, set: &SetReader<'_>, store: &dyn Store, options: &UndoOptions) -> Result<(), Error> {
    let run = undoable(store, Some(plan.run.number))?;
    let snapshot = store.snapshot(1)?;
    let (lines, ranges) = (snapshot.units(run.number)?, snapshot.ranges()?);
    if run != plan.run || !last_first(lines.clone(), &ranges).iter().eq(plan.units.iter().map(|unit| &unit.line)) {
        return Err(Rule::ChangedSincePlan.error(
            format!("restore {} was gone on with or taken back since this was planned", run.number),
            "nothing was changed by this: plan the undo again",
        ));
    }
    first(&run, &ranges, options)?;
    allowed(&run, snapshot.state()?, set, &lines)
}

/// The applied units of a run, the one that was applied last first: rows come back in the order in which nothing refers to what
/// is not there.
fn last_first(lines: Vec<Unit>, ranges: &[Range]) -> Vec<Unit> {
    let mut applied: Vec<Unit> = lines.into_iter().filter(|line| line.status == UnitStatus::Applied).collect();
    let places: BTreeMap<(u64, u32), usize> =
        ranges.iter().enumerate().map(|(place, range)| ((range.run, range.unit), place)).collect();
    applied.sort_by_key(|line| std::cmp::Reverse((places.get(&(line.run, line.number)).copied(), line.number)));
    applied
}

struct UndoWork<'a> {
    set: &'a SetReader<'a>,
    options: &'a UndoOptions,
    unit: &'a UndoUnit,
}

impl UndoWork<'_> {
    /// Puts one unit back, or says why not; then all is as it was.
    fn put_back(
        &self,
        writer: &mut dyn Writer,
        lock: &mut dyn StoreLock,
        report: &mut UndoReport,
    ) -> Result<(), Hindrance> {
        let UndoUnit { line, part, ranges, highest, .. } = self.unit;
        let saved = Saved::of(self.set, &line.table)?;
        let mut replacement = writer.begin()?;
        let target = saved.target(replacement.schema(&line.table)?)?;
        let rows = UndoRows { saved: &saved, target: &target, part: *part, ranges };
        let now = rows.look_in(replacement.as_mut())?;
        let changed = now.digest != digest(line.after);
        if changed && !self.options.force {
            return Err(Rule::ChangedSince.refusal(changed_since(line, *part), TO_FORCE).into());
        }
        let mut scan = |keys: &KeyRuns, columns: &[usize], sink: &mut KeyedSink<'_>| {
            replacement.scan_runs(&target.schema, keys, columns, sink)
        };
        let Some((keys, gone)) = rows.going(line, &now, self.options.force, &mut scan)? else {
            return Err(renumbered(&line.table).into());
        };
        let deleted = replacement.delete_runs(&target.schema, &keys)?;
        let mut new_keys = 0u64;
        let saved = rows.prove_saved(self.set, line, &mut |keys, batch| {
            let columns: Vec<usize> = (0..batch.columns.len()).collect();
            let renamed = replacement.insert_keyed(&target.schema, &columns, keys, *highest, &batch)?;
            new_keys = new_keys.saturating_add(renamed);
            Ok(())
        })?;
        let expected = minus(now.digest, gone).plus(saved);
        let after = rows.look_in(replacement.as_mut())?;
        if after.digest != expected {
            let what = format!("table {}: the target does not hold what was put back", line.table);
            return Err(Error::damage(what, "this part was rolled back; look for triggers or other writers").into());
        }
        if !replacement.unit_undone(line.run, line.number)? {
            let what = format!("the journal's line of {} is gone", line.table);
            return Err(Error::refused(what, "another process has undone it: look at the journal").into());
        }
        lock.held().map_err(Error::from)?;
        replacement.commit()?;
        report.units = report.units.saturating_add(1);
        report.deleted = report.deleted.saturating_add(deleted);
        report.put_back = report.put_back.saturating_add(line.saved.rows);
        report.new_keys = report.new_keys.saturating_add(new_keys);
        Ok(())
    }
}

fn minus(all: Digest, some: Digest) -> Digest {
    Digest { sum: all.sum.wrapping_sub(some.sum), rows: all.rows.saturating_sub(some.rows) }
}
