//! `intervault backup`: backs up, reads back, prints the label and what was left out.

use super::media::Shelf;
use super::open::{self, Now};
use crate::backup::{Backup, Incremental, Kind, Options, ReadBack, Select};
use crate::cli::args::{BackupOptions, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::progress::Progress;
use crate::cli::render::backup as render;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::media::MediaDevice;
use crate::error::ErrorKind;
use crate::store::traits::{Store, StoreIdentity};
use crate::volume::error::VolumeError;
use crate::volume::medium::Admission;

/// Name of the system in labels.
const SYSTEM: &str = "CMS";

fn admission(options: &BackupOptions, now: &open::Now, source: &StoreIdentity) -> Admission {
    let (server, database) = (source.server.clone(), source.database.clone());
    Admission { overwrite: options.overwrite, today: now.civil.day(), server, database }
}

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
    let shelf = Shelf::new(options, admission(options, &now, store.identity()), output);
    let device = MediaDevice::new(if options.dry_run { shelf.planned()? } else { shelf.first()? }, &shelf);
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
        ErrorKind::Volume(VolumeError::Device(DeviceError { kind: DeviceErrorKind::Wanted { .. }, .. })) => {
            Failure::from(error).hint(
                "what was written stays as an incomplete set; to take it again, name further devices with --to, or run it on \
                 a terminal, where the next medium is asked for",
            )
        }
        ErrorKind::Cancelled => {
            Failure::from(error).hint("what was written so far is no whole set: take the backup again")
        }
        _ => Failure::from(error),
    })?;
    let unproved = options.verify && !report.verified;
    let exit = if unproved || report.gaps.warn() { Exit::Warnings } else { Exit::Done };
    if output.json() {
        output.object("intervault/backup", exit, &render::report_json(&report, &now));
    } else {
        output.line(render::report_text(&report, &now).trim_end());
    }
    if unproved {
        output.warning(match options.to.contains(&DevicePath::Pipe) {
            true => {
                "not read back, since it went through a pipe: prove it at the other end, with intervault check - \
                     --verify; --no-verify says that you do"
            }
            false => "not read back, since a medium was changed: prove the volumes with intervault check --verify",
        });
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
        retain_until: options.retain.map(|days| now.civil.day().saturating_add(i32::from(days))),
        read_back: if options.verify { ReadBack::Verify } else { ReadBack::Skip },
        jobs: options.jobs,
        system: SYSTEM.to_owned(),
        ..Options::new(now.civil, now.unix, open::new_set()?)
    })
}
