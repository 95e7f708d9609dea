//! `intervault backup`: backs up, reads back, prints the label and what was left out.

use super::open::{self, Now};
use crate::backup::{Backup, Incremental, Kind, Options, ReadBack, Select};
use crate::cli::args::{BackupOptions, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::progress::Progress;
use crate::cli::render::backup as render;
use crate::device::directory::DirectoryDevice;
use crate::error::ErrorKind;

/// Name of the system in labels.
const SYSTEM: &str = "CMS";

/// Runs it.
///
/// # Errors
/// The database or the device cannot be used, or what was written cannot be read back.
pub fn run(options: &BackupOptions, output: &Output) -> Result<Exit, Failure> {
    let now = open::now(options.now)?;
    now.doubt().iter().for_each(|doubt| output.warning(doubt));
    let store = open::database(&options.database)?;
    let catalogue = open::catalogue(options.catalogue.as_deref())?;
    let work = work(options, &now)?;
    let DevicePath::Path(folder) = &options.to;
    let device = DirectoryDevice::for_writing(folder)?;
    let others = options.base.iter().map(open::volumes).collect::<Result<Vec<_>, _>>()?;
    let progress = Progress::new(output);
    let backup = Backup::new(&store, &catalogue, &device, work).watched(&progress);
    let backup = others.iter().fold(backup, |backup, other| backup.based_on(other.as_ref()));
    if options.dry_run {
        let plan = backup.plan()?;
        let exit = if plan.gaps.warn() { Exit::Warnings } else { Exit::Done };
        if output.json() {
            output.object("intervault/backup-plan", exit, &render::plan_json(&plan, &now));
        } else {
            output.line(render::plan_text(&plan, &now).trim_end());
        }
        return Ok(exit);
    }
    let report = backup.run().map_err(|error| match error.kind() {
        ErrorKind::Cancelled => {
            Failure::from(error).hint("what was written so far is no whole set: take the backup again")
        }
        _ => Failure::from(error),
    })?;
    let exit = if report.gaps.warn() { Exit::Warnings } else { Exit::Done };
    if output.json() {
        output.object("intervault/backup", exit, &render::report_json(&report, &now));
    } else {
        output.line(render::report_text(&report, &now).trim_end());
    }
    for gap in report.gaps.left_out.iter().filter(|gap| gap.warns) {
        output.warning(&format!("left out: {}: {}", gap.name, gap.reason));
    }
    for gap in report.gaps.not_restorable.iter().filter(|gap| gap.warns) {
        output.warning(&format!("backed up, but this release cannot restore it: {}: {}", gap.name, gap.reason));
    }
    Ok(exit)
}

/// What the engine is asked to do.
fn work(options: &BackupOptions, now: &Now) -> Result<Options, Failure> {
    Ok(Options {
        select: match &options.selection {
            Selection::Data(data) => Select::Data(data.clone()),
            Selection::Tables(tables) => Select::Tables(tables.clone()),
        },
        kind: match options.incremental {
            true => Kind::Incremental(Incremental { set: options.set.clone(), changed_since: options.changed_since }),
            false => Kind::Full,
        },
        acd: options.acd,
        volume_size: options.volume_size,
        read_back: if options.verify { ReadBack::Verify } else { ReadBack::Skip },
        jobs: options.jobs,
        system: SYSTEM.to_owned(),
        ..Options::new(now.civil, now.unix, open::new_set()?)
    })
}
