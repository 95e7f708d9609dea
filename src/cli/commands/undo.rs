//! `intervault undo`: shows what taking a restore back would do, asks, does it.

use super::open;
use crate::cli::args::UndoOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::parse;
use crate::cli::progress::Progress;
use crate::cli::prompt::confirm;
use crate::cli::render::text::counted;
use crate::cli::render::undo as render;
use crate::cli::render::undo::Taken;
use crate::device::joined::JoinedDevice;
use crate::device::traits::Device;
use crate::error::{Error, ErrorKind};
use crate::format::block::SetId;
use crate::restore::{self, UndoPlan, UndoReport};
use crate::store::control::{Run, UnitStatus};
use crate::store::traits::Store;
use crate::volume::set::{SetReader, find_set, list_sets};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Runs it.
///
/// # Errors
/// There is no such restore, its undo set is not there, rows have changed since, nobody said yes.
pub fn run(options: &UndoOptions, job: &Job, output: &Output) -> Result<Exit, Failure> {
    let now = open::now(None)?;
    let store = open::database(&options.database)?;
    let run = restore::undoable(store.as_ref(), options.run)?;
    restore::refuse_at_work(store.as_ref(), Some(&run))?;
    let device = device(options, &run)?;
    let set = set_of(&run, &device)?;
    job.set(set.label());
    let work = restore::UndoOptions { run: Some(run.number), force: options.force, now_unix: now.unix };
    let progress = Progress::new(output);
    let plan = restore::undo_plan(&set, store.as_ref(), &work, &progress)?;
    if !output.json() {
        output.line(render::plan_text(&plan).trim_end());
    }
    let planned = render::plan_json(&plan);
    let refused = plan.refusals.iter().map(|refusal| Exit::from(refusal.class)).reduce(Exit::worst);
    let exit = match refused {
        Some(worst) if !options.partial => worst,
        Some(_) => Exit::Warnings,
        None => Exit::Done,
    };
    let refused = refused.is_some() && !options.partial;
    if refused && !output.json() {
        return Err(refusal(&plan, exit));
    }
    if refused || options.dry_run {
        answer(output, exit, planned, None);
        return Ok(exit);
    }
    let (delete, put_back) = render::changes(&plan);
    let rows = |rows: u64| counted(rows, "row", "rows");
    if !options.yes && !confirm(output, &format!("Delete {} and put back {}?", rows(delete), rows(put_back)))? {
        output.notice("Nothing was changed.");
        job.declined();
        return Ok(Exit::Failed);
    }
    let began = Instant::now();
    let done = restore::undo(&plan, &set, store.as_ref(), &work, &progress);
    drop(progress);
    let time = began.elapsed();
    let taken = match done {
        Ok(report) => Taken { report, time, stopped: None },
        Err(error) => {
            // That others were left alone is what --partial asked for.
            let of_units =
                matches!(error.kind(), ErrorKind::Refused { .. } | ErrorKind::Damage { .. } | ErrorKind::Wanted { .. });
            let left = options.partial && of_units;
            let failure = Failure::from(error);
            let stopped = Some(if left { Failure { exit: Exit::Warnings, ..failure } } else { failure });
            Taken { report: so_far(&plan, store.as_ref())?, time, stopped }
        }
    };
    job.note(|entry| entry.rows = Some(taken.report.deleted.saturating_add(taken.report.put_back)));
    taken.stopped.iter().for_each(|failure| job.failed(failure));
    let exit = taken.stopped.as_ref().map_or(exit, |failure| failure.exit);
    if output.json() {
        answer(output, exit, planned, Some(render::report_json(&taken)));
    } else {
        output.line(&format!("\n{}", render::report_text(&taken).trim_end()));
    }
    match &taken.stopped {
        Some(failure) if failure.exit == Exit::Warnings => output.warning(&failure.message),
        Some(failure) => output.error(failure),
        None => {}
    }
    Ok(exit)
}

/// The devices that were named, or the one that the journal names.
fn device(options: &UndoOptions, run: &Run) -> Result<JoinedDevice, Failure> {
    if !options.from.is_empty() {
        return open::all_volumes(&options.from);
    }
    let place = run.undo.as_ref().map(|undo| undo.place.clone()).unwrap_or_default();
    let device = parse::device(&place).map_err(Failure::usage);
    let opened = device.and_then(|device| open::all_volumes(&[device]));
    opened.map_err(|failure| failure.hint("say with --from where the undo set is now"))
}

fn set_of<'d>(run: &Run, device: &'d dyn Device) -> Result<SetReader<'d>, Error> {
    let wanted = SetId(run.undo.as_ref().map(|undo| undo.set).unwrap_or_default());
    let salvaged = |set: &SetReader<'_>| set.label().member() == wanted;
    let found = match find_set(device, wanted)? {
        Some(set) => Some(set),
        None => list_sets(device)?.sets.into_iter().find(salvaged),
    };
    found.ok_or_else(|| {
        let place = run.undo.as_ref().map(|undo| undo.place.clone()).unwrap_or_default();
        let what = format!("the undo set of restore {}, {wanted}, is not on {}", run.number, device.describe());
        Error::wanted(what, format!("it was written to {place}: say with --from where it is now"))
    })
}

/// What was put back by an undo that ended early: the journal has no line any more of what was.
fn so_far(plan: &UndoPlan, store: &dyn Store) -> Result<UndoReport, Failure> {
    let lines = store.snapshot(1)?.units(plan.run.number)?;
    let still = |number: u32| lines.iter().any(|line| line.number == number && line.status == UnitStatus::Applied);
    let mut report = UndoReport { run: plan.run.number, ..UndoReport::default() };
    for unit in &plan.units {
        if still(unit.line.number) {
            report.left = report.left.saturating_add(1);
        } else {
            report.units = report.units.saturating_add(1);
            report.deleted = report.deleted.saturating_add(unit.delete);
            report.put_back = report.put_back.saturating_add(unit.put_back);
        }
    }
    Ok(report)
}

fn refusal(plan: &UndoPlan, exit: Exit) -> Failure {
    let worst = plan.refusals.iter().find(|refusal| Exit::from(refusal.class) == exit);
    let more = plan.refusals.len().saturating_sub(1);
    let and_more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    worst.map_or_else(
        || Failure::new(exit, "the undo is refused"),
        |refusal| Failure::new(exit, format!("{refusal}{and_more}; nothing was changed")).hint(refusal.advice.clone()),
    )
}

fn answer(output: &Output, exit: Exit, plan: Value, done: Option<Value>) {
    if !output.json() {
        return;
    }
    let mut body = Map::new();
    body.insert("plan".to_owned(), plan);
    body.insert("done".to_owned(), json!(done));
    output.object("intervault/undo", exit, &body);
}
