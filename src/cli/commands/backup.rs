//! `intervault backup`: backs up, reads back, prints the label and what was left out.

use super::media::Shelf;
use super::open;
use crate::backup::{self, Options, ReadBack, Select};
use crate::cli::args::{BackupOptions, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::progress::Progress;
use crate::cli::render::backup as render;
use crate::column::encode::EncodeOptions;
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
    let work = Options {
        select: match &options.selection {
            Selection::Data(data) => Select::Data(data.clone()),
            Selection::Tables(tables) => Select::Tables(tables.clone()),
        },
        acd: options.acd,
        volume_size: options.volume_size,
        retain_until: options.retain.map(|days| now.civil.day().saturating_add(i32::from(days))),
        read_back: if options.verify && !options.to.contains(&DevicePath::Pipe) {
            ReadBack::Verify
        } else {
            ReadBack::Skip
        },
        jobs: options.jobs,
        now: now.civil,
        now_unix: now.unix,
        set: open::new_set()?,
        system: SYSTEM.to_owned(),
        encode: EncodeOptions::default(),
    };
    if options.dry_run {
        let plan = backup::plan(store.snapshot(1)?.as_ref(), &catalogue, &work)?;
        backup::check_volume_size(&plan, store.identity(), &work)?;
        let exit = if plan.gaps.warn() { Exit::Warnings } else { Exit::Done };
        if output.json() {
            output.object("intervault/backup-plan", exit, &render::plan_json(&plan, &now));
        } else {
            output.line(render::plan_text(&plan, &now).trim_end());
        }
        return Ok(exit);
    }
    if options.verify && options.to.contains(&DevicePath::Pipe) {
        output
            .notice("What went through a pipe cannot be read back here; at its other end: intervault check - --verify");
    }
    let shelf = Shelf::new(options, admission(options, &now, store.identity()), output);
    let device = MediaDevice::new(shelf.first()?, &shelf);
    let done = backup::run(&store, &catalogue, &device, &work, &Progress::new(output));
    let report = done.map_err(|error| match error.kind() {
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
    if work.read_back == ReadBack::Verify && !report.verified {
        output.warning("not read back, since a medium was changed: prove the volumes with intervault check --verify");
    }
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
