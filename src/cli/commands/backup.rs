//! `intervault backup`: backs up, reads back, prints the label and what was left out.

use super::media::{Round, Shelf};
use super::open::{self, Now};
use crate::backup::{
    Backup, BackupReport, ChangedMedia, Gap, Incremental, Kind, Options, Parent, ReadBack, Select, TableReport,
    TreeReport,
};
use crate::cli::args::{BackupOptions, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::job::Job;
use crate::cli::output::Output;
use crate::cli::parse::DevicePath;
use crate::cli::progress::Progress;
use crate::cli::render::backup as render;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::media::MediaDevice;
use crate::error::ErrorKind;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use crate::store::none::NoDatabase;
use crate::store::traits::{Store, StoreIdentity};
use crate::volume::error::VolumeError;
use crate::volume::medium::Admission;
use serde_json::Value;
use std::time::{Duration, Instant as Clock};

/// What a backup, or the plan of one, answers.
pub struct Answer {
    /// Name of the JSON object.
    schema: &'static str,
    /// The exit status.
    pub exit: Exit,
    /// For programs.
    pub json: Value,
    /// For people.
    pub text: String,
    warnings: Vec<String>,
}

impl Answer {
    /// Gives the whole answer.
    pub fn give(&self, output: &Output) {
        if output.json() {
            output.object(self.schema, self.exit, &self.json);
        } else {
            output.line(self.text.trim_end());
        }
        self.warn(output);
    }

    /// Says what a person should look at.
    pub fn warn(&self, output: &Output) {
        self.warnings.iter().for_each(|warning| output.warning(warning));
    }
}

fn admission(
    options: &BackupOptions,
    now: &open::Now,
    source: &StoreIdentity,
    round: &Round<'_>,
    set: SetId,
) -> Admission {
    let (server, database, before) = (source.server.clone(), source.database.clone(), round.begins(set));
    Admission { overwrite: options.overwrite, today: now.civil.day(), server, database, set, before }
}

/// How long is waited before somebody else's work is looked for again.
const PAUSE: Duration = Duration::from_secs(2);

/// Backs up, or plans it, once nobody else has the database or the device any more.
///
/// # Errors
/// As [`run`]; somebody else has it for longer than the options let it wait.
pub fn run_when_free(
    options: &BackupOptions,
    round: &Round<'_>,
    job: &Job,
    output: &Output,
) -> Result<Answer, Failure> {
    let (began, most) = (Clock::now(), Duration::from_secs(options.wait));
    let mut told = false;
    loop {
        let done = run(options, round, job, output);
        match &done {
            // A set that was begun is another matter.
            Err(failure) if failure.exit == Exit::Busy && began.elapsed() < most && job.entry().set.is_none() => {
                if !std::mem::replace(&mut told, true) {
                    output.notice(&format!("Waiting: {failure}."));
                }
                interrupt::halt();
                std::thread::sleep(PAUSE.min(most.saturating_sub(began.elapsed())));
            }
            _ => return done,
        }
    }
}

/// Backs up, or plans it.
///
/// # Errors
/// The database or the device cannot be used, or what was written cannot be read back.
pub fn run(options: &BackupOptions, round: &Round<'_>, job: &Job, output: &Output) -> Result<Answer, Failure> {
    let now = open::now(options.now)?;
    now.doubt().iter().for_each(|doubt| output.warning(doubt));
    let store: Box<dyn Store> = match &options.database {
        Some(url) => open::database(url)?,
        None => Box::new(NoDatabase::new()),
    };
    let catalogue = open::catalogue(options.catalogue.as_deref())?;
    let folders = options.to.iter().filter_map(|to| match to {
        DevicePath::Path(folder) => Some(folder.clone()),
        DevicePath::Tape(_) | DevicePath::Pipe => None,
    });
    let work = Options { skip: folders.collect(), ..work(options, job, &now)? };
    let admission = admission(options, &now, store.identity(), round, work.set);
    let shelf = Shelf::new(options, admission, round, output);
    let progress = Progress::new(output);
    let changed = ChangedMedia::new(work.set, &progress);
    let device = MediaDevice::new(if options.dry_run { shelf.planned()? } else { shelf.first()? }, &shelf);
    let device = if options.verify { device.leaving(&changed) } else { device };
    let others = options.base.iter().map(open::volumes).collect::<Result<Vec<_>, _>>()?;
    let backup = Backup::new(store.as_ref(), &catalogue, &device, work).watched(&progress).read_back_by(&changed);
    let backup = others.iter().fold(backup, |backup, other| backup.based_on(other.as_ref()));
    if options.dry_run {
        let (plan, refused) = (backup.plan()?, shelf.refused(0));
        let empty = plan.trees.iter().any(|planned| planned.count.entries == 0);
        let warns = warned(plan.parent.as_ref()) || empty || plan.gaps.warn() || !refused.is_empty();
        let exit = if warns { Exit::Warnings } else { Exit::Done };
        let (json, text) = (render::plan_json(&plan, &refused, &now), render::plan_text(&plan, &now));
        return Ok(Answer { schema: "intervault/backup-plan", exit, json, text, warnings: refused });
    }
    // Said while somebody is still there to change them.
    shelf.refused(1).iter().for_each(|refused| output.warning(refused));
    let announce = |label: &LabelRecord| {
        interrupt::halt();
        job.set(label);
        // A history that cannot be written was told of when the line was begun.
        let _told = job.checkpoint();
    };
    let report = backup.announced(&announce).run().map_err(|error| match error.kind() {
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
    job.written(&report.set, report.parent.as_ref(), report.verified);
    let unproved = options.verify && !report.verified;
    let warns = unproved
        || warned(report.parent.as_ref())
        || report.gaps.warn()
        || report.trees.iter().any(TreeReport::warns)
        || report.tables.iter().any(is_timeless);
    let exit = if warns { Exit::Warnings } else { Exit::Done };
    let (json, text) = (render::report_json(&report, &now), render::report_text(&report, &now));
    Ok(Answer {
        schema: "intervault/backup",
        exit,
        json,
        text,
        warnings: warnings(&report, unproved, options.to.contains(&DevicePath::Pipe)),
    })
}

/// Whether the chain that is gone on with cannot give all that it had.
fn warned(parent: Option<&Parent>) -> bool {
    parent.is_some_and(|parent| !parent.warnings.is_empty())
}

fn warnings(report: &BackupReport, unproved: bool, piped: bool) -> Vec<String> {
    let warned = |gaps: &[Gap], what: &str| {
        let gaps = gaps.iter().filter(|gap| gap.warns);
        gaps.map(|gap| format!("{what}{}: {}", gap.name, gap.reason)).collect::<Vec<_>>()
    };
    let files: Vec<Gap> = report.trees.iter().flat_map(TreeReport::gaps).collect();
    let proof = match piped {
        true => {
            "not read back, since it went through a pipe: prove it at the other end, with intervault check - --verify; \
             --no-verify says that you do"
        }
        false => "not read back: prove the volumes with intervault check --verify",
    };
    [
        report.parent.iter().flat_map(|parent| &parent.warnings).cloned().collect(),
        if unproved { vec![proof.to_owned()] } else { Vec::new() },
        warned(&report.gaps.left_out, "left out: "),
        warned(&report.gaps.not_restorable, "backed up, but this release cannot restore it: "),
        warned(&files, ""),
        report.tables.iter().filter(|done| is_timeless(done)).map(timeless).collect(),
    ]
    .concat()
}

/// Whether none of the rows of a table says when it was, though they should. Of an incremental the others may be as before.
fn is_timeless(done: &TableReport) -> bool {
    let as_before = done.compared.as_ref().map_or(0, |compared| compared.unchanged.saturating_add(compared.trusted));
    done.undated > 0 && done.undated == done.rows && done.held.is_empty() && as_before == 0
}

fn timeless(done: &TableReport) -> String {
    format!(
        "table {}: none of its {} rows has a date that can be read: no range of time brings them back, only a restore of all \
         of it; look at its date column, and at the catalogue's entry for the table",
        done.table, done.rows
    )
}

/// What the engine is asked to do.
fn work(options: &BackupOptions, job: &Job, now: &Now) -> Result<Options, Failure> {
    Ok(Options {
        select: match &options.selection {
            _ if options.database.is_none() => Select::Data(Vec::new()),
            Selection::Data(data) => Select::Data(data.clone()),
            Selection::Tables(tables) => Select::Tables(tables.clone()),
        },
        kind: match options.incremental {
            true => Kind::Incremental(Incremental { set: options.set.clone(), changed_since: options.changed_since }),
            false => Kind::Full,
        },
        trees: options.trees.clone(),
        acd: options.acd,
        volume_size: options.volume_size,
        retain_until: options.retain.map(|days| now.civil.day().saturating_add(i32::from(days))),
        read_back: if options.verify { ReadBack::Verify } else { ReadBack::Skip },
        jobs: options.jobs,
        system: job.system_name().to_owned(),
        number_after: job.last_number(now.civil.day()),
        faulty: job.faulty(),
        ..Options::new(now.civil, now.unix, open::new_set()?)
    })
}
