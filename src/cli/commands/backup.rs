//! `intervault backup`: backs up, reads back, prints the label and what was left out.

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
use crate::device::directory::DirectoryDevice;
use crate::store::traits::Store;

/// Name of the system in labels.
const SYSTEM: &str = "CMS";

/// Runs it.
///
/// # Errors
/// The database or the device cannot be used, or what was written cannot be read back.
pub fn run(options: &BackupOptions, output: &Output) -> Result<Exit, Failure> {
    let (civil, unix) = open::now();
    let store = open::database(&options.database)?;
    let catalogue = open::catalogue(options.catalogue.as_deref())?;
    let work = Options {
        select: match &options.selection {
            Selection::Data(data) => Select::Data(data.clone()),
            Selection::Tables(tables) => Select::Tables(tables.clone()),
        },
        acd: options.acd,
        volume_size: options.volume_size,
        read_back: if options.verify { ReadBack::Verify } else { ReadBack::Skip },
        jobs: options.jobs,
        now: options.now.unwrap_or(civil),
        now_unix: unix,
        set: open::new_set()?,
        system: SYSTEM.to_owned(),
        encode: EncodeOptions::default(),
    };
    if options.dry_run {
        let plan = backup::plan(store.snapshot(1)?.as_ref(), &catalogue, &work)?;
        backup::check_volume_size(&plan, store.identity(), &work)?;
        let exit = if plan.left_out.is_empty() { Exit::Done } else { Exit::Warnings };
        if output.json() {
            output.object("intervault/backup-plan", exit, &render::plan_json(&plan));
        } else {
            output.line(render::plan_text(&plan).trim_end());
        }
        return Ok(exit);
    }
    let DevicePath::Path(folder) = &options.to;
    let device = DirectoryDevice::for_writing(folder)?;
    let report = backup::run(&store, &catalogue, &device, &work, &Progress::new(output))?;
    let exit = if report.left_out.is_empty() { Exit::Done } else { Exit::Warnings };
    if output.json() {
        output.object("intervault/backup", exit, &render::report_json(&report));
    } else {
        output.line(render::report_text(&report).trim_end());
    }
    for (name, reason) in &report.left_out {
        output.warning(&format!("left out: {name}: {reason}"));
    }
    Ok(exit)
}
