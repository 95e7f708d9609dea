//! Going on with a run that ended early: it is planned again with the options in its line, and the units that have no line
//! as applied are replaced. A second time there is nothing left to do.

use super::apply::{Todo, Work, cut, unit_report};
use super::guards::of_state;
use super::journal;
use super::options::{Options, Proof};
use super::payloads::Sources;
use super::plan::{GoingOn, plan};
use super::report::{Outcome, RestorePlan, RestoreReport, Stopped, TableAction, UnitReport};
use super::rules::{Refusal, Rule};
use super::target::{UnitRows, changed};
use super::units::{Part, mark, unit};
use super::workers::Order;
use crate::base::monitor::Monitor;
use crate::base::time::Span;
use crate::column::digest::Digest;
use crate::error::{Class, Error};
use crate::format::block::SetId;
use crate::schema::grain::Grain;
use crate::store::control::{Collection, Run, RunStatus, Unit, UnitStatus};
use crate::store::traits::Store;
use std::sync::Mutex;

/// A run that ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its line in the journal.
    pub run: Run,
    /// The set that it restores; of a chain the newest member.
    pub set: SetId,
    /// All sets that it draws on, that one first.
    pub sets: Vec<SetId>,
    /// Its units, with how far each is.
    pub units: Vec<Unit>,
}

impl Unfinished {
    /// How many of its units are replaced.
    #[must_use]
    pub fn applied(&self) -> usize {
        self.units.iter().filter(|unit| unit.status == UnitStatus::Applied).count()
    }
}

/// The run that ended early, if the last one did.
///
/// # Errors
/// The journal cannot be read, or was changed by hand.
pub fn unfinished(store: &dyn Store) -> Result<Option<Unfinished>, Error> {
    let snapshot = store.snapshot(1)?;
    let Some(run) = snapshot.runs()?.pop().filter(|run| run.status == RunStatus::Begun) else { return Ok(None) };
    let units = snapshot.units(run.number)?;
    let set = SetId(run.set);
    let mut sets = journal::read_sets(&run.options)?;
    if sets.is_empty() {
        sets.push(set);
    }
    Ok(Some(Unfinished { run, set, sets, units }))
}

/// As [`super::Restore::resume`].
pub(super) fn resume(
    unfinished: &Unfinished,
    sources: &Sources<'_>,
    store: &dyn Store,
    base: &Options,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, Box<Stopped>> {
    // Until it is known better: whatever goes wrong before the first unit, this is how far the run is.
    let unit = |line: &Unit| UnitReport {
        table: line.table.clone(),
        part: if line.slice == Span::ALL { Part::Whole } else { Part::Slice(line.slice) },
        outcome: match line.status {
            UnitStatus::Applied => Outcome::ReplacedBefore,
            UnitStatus::Planned => Outcome::NotBegun,
        },
    };
    let units = unfinished.units.iter().map(unit).collect();
    let mut report = RestoreReport { run: Some(unfinished.run.number), units, ..RestoreReport::default() };
    match go_on(unfinished, sources, store, base, monitor, &mut report) {
        Ok(()) => Ok(report),
        Err(error) => Err(Box::new(Stopped { error, report })),
    }
}

/// As [`super::Restore::plan_rest`].
pub(super) fn plan_rest(
    run: &Run,
    sources: &Sources<'_>,
    store: &dyn Store,
    base: &Options,
    monitor: &dyn Monitor,
) -> Result<RestorePlan, Error> {
    let going_on = GoingOn { run: run.number, settled: journal::read_settled(&run.options)? };
    plan(sources, store, &journal::read_options(&run.options, base)?, Some(&going_on), monitor)
}

fn go_on(
    unfinished: &Unfinished,
    sources: &Sources<'_>,
    store: &dyn Store,
    base: &Options,
    monitor: &dyn Monitor,
    report: &mut RestoreReport,
) -> Result<(), Error> {
    let run = &unfinished.run;
    let sets = sources.chain.members();
    if !sets.iter().map(|set| set.set_id()).eq(unfinished.sets.iter().copied()) {
        let ids: Vec<String> = unfinished.sets.iter().map(SetId::to_string).collect();
        return Err(Error::wanted(
            format!("restore {} is of {}, set {}", run.number, run.label, ids.join(" with ")),
            "give the devices that have just these sets",
        ));
    }
    let lock = store.lock()?;
    lock.notice().iter().for_each(|notice| monitor.notice(notice));
    if super::unfinished(store)?.as_ref() != Some(unfinished) {
        // Somebody else has finished it meanwhile: nothing is left to do.
        let runs = store.snapshot(1)?.runs()?;
        if runs.iter().any(|line| line.number == run.number && line.status == RunStatus::Finished) {
            report.units.iter_mut().for_each(|unit| unit.outcome = Outcome::ReplacedBefore);
            return Ok(());
        }
        return Err(Rule::ChangedSincePlan.error(
            format!("restore {} was gone on with or taken back since this was asked for", run.number),
            "nothing was changed by this: look at the journal (intervault log), and ask again",
        ));
    }
    let options = journal::read_options(&run.options, base)?;
    let state = store.snapshot(1)?.state()?;
    if options.collecting == Some(false) && state.collection == Collection::On && base.collecting != Some(false) {
        return Err(Rule::Collection.error(
            format!("restore {} was begun while collection was off, and it is on now", run.number),
            "switch it off (intervault state --collection off) and resume then, or take it back with intervault undo",
        ));
    }
    report.proved = options.proof == Proof::Full;
    let plan = plan_rest(run, sources, store, base, monitor)?;
    // Without what cannot be read the plan is another one: say that, not that the target has changed.
    let unreadable = |refusal: &&Refusal| matches!(refusal.class, Class::Damage | Class::Volume);
    let unfit = |refusal: &&Refusal| matches!(refusal.rule, Rule::SchemaDrift | Rule::AbsentTable);
    let refusal = plan.refusals.iter().find(|refusal| unreadable(refusal) || unfit(refusal));
    refusal.map_or(Ok(()), |refusal| Err(refusal.error()))?;
    let todo = todo(unfinished, &plan)?;
    report.units = todo.iter().map(unit_report).collect();
    // The state may have changed since the run began.
    let left: Vec<_> = todo.iter().filter(|unit| !unit.done).map(|unit| unit.rows.table).collect();
    of_state(&options.select, state, &left).first().map_or(Ok(()), |refusal| Err(refusal.error()))?;
    let work = Work {
        plan: &plan,
        sets,
        payloads: sources.payloads,
        store,
        options: &options,
        monitor,
        lock: Mutex::new(lock),
    };
    let order = Order::of(store.snapshot(1)?.as_ref(), &todo)?;
    work.replace(store.writer()?.as_mut(), run.number, &todo, &order, report)
}

/// The units as they were cut when the run began.
fn todo<'a>(unfinished: &Unfinished, plan: &'a RestorePlan) -> Result<Vec<Todo<'a>>, Error> {
    let kept = unfinished.run.undo.is_some();
    let mut todo = Vec::with_capacity(unfinished.units.len());
    for line in &unfinished.units {
        let Some(table) = plan.tables.iter().find(|table| table.table == line.table) else {
            return Err(Error::refused(
                format!(
                    "restore {} replaces table {}, which its set no longer gives",
                    unfinished.run.number, line.table
                ),
                "undo that restore, or begin anew with --anew",
            ));
        };
        let done = line.status == UnitStatus::Applied;
        let both = cut(table, u64::MAX).first().is_some_and(|unit| unit.part == Part::Both);
        let part = match (table.section.bound.grain, line.slice == Span::ALL) {
            (Grain::None, _) => Part::Whole,
            (_, true) if both => Part::Both,
            (_, true) => Part::Undated,
            (_, false) => Part::Slice(line.slice),
        };
        let planned = match &table.action {
            TableAction::Ranges(ranges) => unit(ranges, part),
            TableAction::Whole(whole) => super::units::UnitPlan { part, delete: whole.delete, insert: whole.insert },
            TableAction::Leave(_) => return Err(changed(&line.table, part)),
        };
        // A unit that was undone meanwhile has no mark any more.
        let other = line.after.digest != [0; 16] && line.after.digest != mark(table, part);
        if !done && (other || (planned.delete, planned.insert) != (line.deleted, line.inserted.rows)) {
            return Err(changed(&line.table, part));
        }
        let saved = kept.then(|| Digest::from_bytes(line.saved.digest, line.saved.rows));
        todo.push(Todo {
            rows: UnitRows::new(table, part),
            plan: planned,
            number: line.number,
            saved,
            keys: None,
            done,
        });
    }
    Ok(todo)
}
