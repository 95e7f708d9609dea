//! `intervault restore --files-to`: proves the file trees, shows what goes where, writes.

use super::chain;
use super::turns::{Of, Turns};
use super::unusable::{self, Beside};
use crate::base::monitor::{Monitor as _, Task};
use crate::check::Found;
use crate::cli::args::FilesToOptions;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::parse::NEWEST;
use crate::cli::progress::Progress;
use crate::cli::prompt::confirm;
use crate::cli::render::files as render;
use crate::cli::render::text::counted;
use crate::format::label::data_types::CUSTOM;
use crate::restore::{FilesOptions, FilesPlan, FilesReport, FilesRestore, passed_over};

/// Paths that are named in warnings before the rest is only counted.
const NAMED: usize = 20;

/// Runs it.
///
/// # Errors
/// The set has no files, or not those that were chosen; the volumes are damaged or not all there; something is in the way; the
/// folder cannot be written.
pub fn run(options: &FilesToOptions, config: &Config, job: &Job, output: &Output) -> Result<Exit, Failure> {
    let turns = Turns::open(&options.from, options.partial, config, output)?;
    turns.gather(Of::Chain(options.set.as_deref().filter(|set| *set != NEWEST)))?;
    // What is on other tapes is known when it was wanted in vain: then it is brought, and all is planned again.
    loop {
        if let Some(exit) = round(options, &turns, job, output)? {
            return Ok(exit);
        }
    }
}

/// Plans, and does what was asked for; `None` if tapes were brought for the plan, which is to be made again.
fn round(options: &FilesToOptions, turns: &Turns<'_>, job: &Job, output: &Output) -> Result<Option<Exit>, Failure> {
    let found = turns.found()?;
    let (set, stop_at) = (options.set.as_deref(), options.stop_at.as_deref());
    let chain = chain::wanted(&found.sets, turns.device(), set, stop_at, CUSTOM);
    let chain = chain.inspect_err(|_| unusable::warn(&found, "", output))?;
    if turns.members(&chain)? {
        return Ok(None);
    }
    chain.members().iter().take(1).for_each(|newest| job.set(newest.label()));
    let passed_over = passed_over(&chain);
    let beside = Beside::of(&found, &chain, (stop_at.or(set), options.partial), CUSTOM, output);
    let work = FilesOptions {
        choose: options.choose.clone(),
        overwrite: options.overwrite,
        owners: options.owners || rustix::process::geteuid().is_root(),
        partial: options.partial,
        jobs: options.jobs,
    };
    let progress = Progress::new(output);
    if chain.members().iter().any(|set| turns.spans(set)) {
        // A plan that may not do without a volume ends at the first that is elsewhere: this one tells of all.
        let all = FilesOptions { partial: true, ..work.clone() };
        drop(FilesRestore::new(chain.clone(), &options.folder, all).watched(&progress).plan());
        progress.end(Task::Plan);
        if turns.fetch()? {
            return Ok(None);
        }
    }
    let restore = FilesRestore::new(chain, &options.folder, work).watched(&progress);
    let plan = restore.plan();
    progress.end(Task::Plan);
    if turns.fetch()? {
        return Ok(None);
    }
    let warned = warn_of_sets(&passed_over, output).worst(beside.warn(output)?);
    decide(options, &restore, &plan?, (warned, &found), &progress, job, output).map(Some)
}

/// Shows a plan, and writes if that is what was asked for.
fn decide(
    options: &FilesToOptions,
    restore: &FilesRestore<'_>,
    plan: &FilesPlan,
    (warned, found): (Exit, &Found<'_>),
    progress: &Progress<'_>,
    job: &Job,
    output: &Output,
) -> Result<Exit, Failure> {
    if !output.json() {
        output.line(render::plan_text(plan, &options.folder).trim_end());
    }
    if let Some((path, why)) = plan.refusals.first.first() {
        let more = plan.refusals.count.saturating_sub(1);
        let and_more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        if output.json() {
            output.object(
                "intervault/restore-files",
                Exit::NotRestorable,
                &render::json(plan, None, &options.folder, found),
            );
            return Ok(Exit::NotRestorable);
        }
        return Err(Failure::new(Exit::NotRestorable, format!("{path}: {why}{and_more}; nothing was written"))
            .hint("choose another folder, or replace what is there with --overwrite-files"));
    }
    let mut exit = exit_of_plan(plan).worst(warned);
    if options.dry_run {
        warn_of_plan(plan, output);
        if output.json() {
            output.object("intervault/restore-files", exit, &render::json(plan, None, &options.folder, found));
        }
        return Ok(exit);
    }
    let files = plan.trees.iter().map(|tree| tree.files).fold(0, u64::saturating_add);
    let question = format!("Write {} and replace those that are there?", counted(files, "file", "files"));
    if options.overwrite && !options.yes && !confirm(output, &question)? {
        output.notice("Nothing was written.");
        job.declined();
        return Ok(Exit::Failed);
    }
    let (report, stopped) = match restore.apply(plan) {
        Ok(report) => (report, None),
        Err(stopped) => (stopped.report, Some(Failure::from(stopped.error))),
    };
    stopped.iter().for_each(|failure| job.failed(failure));
    progress.end(Task::Restore);
    interrupt::over();
    if report.written.troubles.count > 0 {
        exit = exit.worst(Exit::Warnings);
    }
    exit = stopped.as_ref().map_or(exit, |failure| failure.exit);
    if output.json() {
        output.object(
            "intervault/restore-files",
            exit,
            &render::json(plan, Some((&report, stopped.as_ref())), &options.folder, found),
        );
    } else {
        output.line(&render::report_text(&report, stopped.is_some()));
    }
    warn_of_plan(plan, output);
    warn_of_report(&report, output);
    if let Some(failure) = &stopped {
        output.error(failure);
    }
    Ok(exit)
}

/// Files that are lost are damage, or volumes that are not here; either way a person must know.
fn exit_of_plan(plan: &FilesPlan) -> Exit {
    match plan.trees.iter().any(|tree| tree.lost.count > 0 || tree.changed.count > 0) {
        true => Exit::Warnings,
        false => Exit::Done,
    }
}

/// Sets that were passed over may be newer than what is restored.
fn warn_of_sets(sets: &[String], output: &Output) -> Exit {
    sets.iter().for_each(|set| output.warning(set));
    if sets.is_empty() { Exit::Done } else { Exit::Warnings }
}

fn warn_of_plan(plan: &FilesPlan, output: &Output) {
    for noted in plan.trees.iter().flat_map(|tree| [&tree.lost, &tree.changed]) {
        render::named(noted, NAMED).iter().for_each(|text| output.warning(text));
    }
}

fn warn_of_report(report: &FilesReport, output: &Output) {
    render::named(&report.written.troubles, NAMED).iter().for_each(|text| output.warning(text));
}
