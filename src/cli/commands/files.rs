//! `intervault restore --files-to`: proves the file trees, shows what goes where, writes.

use super::{chain, open};
use crate::check;
use crate::cli::args::FilesToOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::Job;
use crate::cli::output::Output;
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
pub fn run(options: &FilesToOptions, job: &Job, output: &Output) -> Result<Exit, Failure> {
    let device = open::all_volumes(&options.from)?;
    let sets = check::readable(&device)?;
    let chain = chain::wanted(&sets, &device, options.set.as_deref(), options.stop_at.as_deref(), CUSTOM)?;
    chain.members().iter().take(1).for_each(|newest| job.set(newest.label()));
    let passed_over = passed_over(&chain);
    passed_over.iter().for_each(|set| output.warning(set));
    let work = FilesOptions {
        choose: options.choose.clone(),
        overwrite: options.overwrite,
        owners: options.owners || rustix::process::geteuid().is_root(),
        partial: options.partial,
        jobs: options.jobs,
    };
    let progress = Progress::new(output);
    let restore = FilesRestore::new(chain, &options.folder, work).watched(&progress);
    let plan = restore.plan()?;
    if !output.json() {
        output.line(render::plan_text(&plan, &options.folder).trim_end());
    }
    if let Some((path, why)) = plan.refusals.first.first() {
        let more = plan.refusals.count.saturating_sub(1);
        let and_more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        if output.json() {
            output.object("intervault/restore-files", Exit::NotRestorable, &render::json(&plan, None, &options.folder));
            return Ok(Exit::NotRestorable);
        }
        return Err(Failure::new(Exit::NotRestorable, format!("{path}: {why}{and_more}; nothing was written"))
            .hint("choose another folder, or replace what is there with --overwrite-files"));
    }
    let mut exit = exit_of_plan(&plan);
    if !passed_over.is_empty() {
        exit = exit.worst(Exit::Warnings);
    }
    if options.dry_run {
        warn_of_plan(&plan, output);
        if output.json() {
            output.object("intervault/restore-files", exit, &render::json(&plan, None, &options.folder));
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
    let (report, stopped) = match restore.apply(&plan) {
        Ok(report) => (report, None),
        Err(stopped) => (stopped.report, Some(Failure::from(stopped.error))),
    };
    stopped.iter().for_each(|failure| job.failed(failure));
    drop(progress);
    if report.written.troubles.count > 0 {
        exit = exit.worst(Exit::Warnings);
    }
    exit = stopped.as_ref().map_or(exit, |failure| failure.exit);
    if output.json() {
        output.object(
            "intervault/restore-files",
            exit,
            &render::json(&plan, Some((&report, stopped.as_ref())), &options.folder),
        );
    } else {
        output.line(&render::report_text(&report, stopped.is_some()));
    }
    warn_of_plan(&plan, output);
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

fn warn_of_plan(plan: &FilesPlan, output: &Output) {
    for noted in plan.trees.iter().flat_map(|tree| [&tree.lost, &tree.changed]) {
        render::named(noted, NAMED).iter().for_each(|text| output.warning(text));
    }
}

fn warn_of_report(report: &FilesReport, output: &Output) {
    render::named(&report.written.troubles, NAMED).iter().for_each(|text| output.warning(text));
}
