//! `intervault restore`.

use super::backup::{Selection, data_type};
use super::files::{FilesToArgs, FilesToOptions};
use super::{jobs, request};
use crate::base::time::Instant;
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DatabaseUrl, DevicePath};
use crate::schema::grain::DataType;
use crate::schema::range::Request;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Rows of the target in the range for which the volumes hold nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Uncovered {
    /// Change nothing, exit 9
    #[default]
    Refuse,
    /// Delete them; rows across an edge of the range stay
    Delete,
    /// Keep them
    Keep,
}

/// Rows that the backup carries but does not speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Carried {
    /// Leave them on the volumes
    #[default]
    Leave,
    /// Insert them where the target has nothing
    Insert,
}

/// Days, weeks and months that lie in the range only in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PartialPeriods {
    /// Keep the target's, and list them
    #[default]
    Keep,
    /// Replace them too
    Replace,
}

/// How the result is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProofLevel {
    /// Counts and digests of every slice
    #[default]
    Full,
    /// Counts only
    Counts,
}

/// What becomes of the rows that a restore deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// They are saved in a folder beside the database.
    Beside,
    /// They are saved here.
    On(DevicePath),
    /// They are not saved.
    Declined,
}

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  See what an outage's restore would replace; nothing is touched:
    intervault restore --database sqlite:history.db --from /backup/monday \\
        --start '2003-10-23 09:00' --stop '2003-10-23 11:59' --dry-run
  Do it, for ACD 1 only, without asking:
    intervault restore --database sqlite:history.db --from /backup/monday \\
        --start '2003-10-23 09:00' --stop '2003-10-23 11:59' --acd 1 --yes
  Two tables as a whole:
    intervault restore --database sqlite:history.db --from /backup/monday \\
        --tables synonyms,agroups
  The state of an earlier set, where a full backup and its incremental ones lie in one folder:
    intervault restore --database sqlite:history.db --from /backup \\
        --stop-at CMS-031024-02-H-00-I-01
  Files, into a folder; all of them, or what a pattern matches:
    intervault restore --from /backup/monday --files-to /tmp/looked-at
    intervault restore --from /backup/monday --files-to / \\
        --files '/cms/db/ext/*' --overwrite-files
  Save the plan to look at, and apply exactly that later:
    intervault restore --database sqlite:history.db --from /backup/monday \\
        --start 2003-10-23 --save-plan outage.plan
    intervault restore --database sqlite:history.db --from /backup/monday \\
        --plan outage.plan
  Finish one that was stopped or cut short:
    intervault restore --database sqlite:history.db --from /backup/monday \\
        --resume

The stop is a minute that is meant too: 11:59 ends the half hour that began at 11:30. Times are the switch's civil time, as
the tables store it. Only rows in the range that the volumes really speak for are replaced.

What is deleted is first saved in an undo set, beside the database unless told otherwise; intervault undo puts it back.
Rows are replaced unit by unit, a slice of a table in each transaction. Ctrl-C stops before the next unit, all consistent.")]
pub struct RestoreArgs {
    /// The database: sqlite:PATH or postgresql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = parse::database, required_unless_present = "files_to")]
    pub database: Option<DatabaseUrl>,
    /// Where the volumes are: a folder, one volume, tape:PATH, or - for standard input; may be given more than once, for the
    /// sets of a chain and for copies of the same volumes
    #[arg(long, value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub from: Vec<DevicePath>,
    /// Kinds of data: local, system, acd, historical, custom [default: all that the volumes hold]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = data_type, conflicts_with = "tables")]
    pub data: Vec<DataType>,
    /// Specific tables instead of kinds of data
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse::table)]
    pub tables: Vec<String>,
    /// One ACD only
    #[arg(long, value_name = "N", value_parser = parse::acd, allow_negative_numbers = true)]
    pub acd: Option<i64>,
    /// The set whose state is wanted, with those before it in its chain: its label, its id or the beginning of it, or
    /// `newest` for the whole set with the newest state of what is wanted [default: the newest, if there is one chain only]
    #[arg(long, value_name = "SET", value_parser = parse::set)]
    pub set: Option<String>,
    /// An earlier state of the chain: up to this set, named in the same way; implies --older-wins
    #[arg(long, value_name = "SET", value_parser = parse::set)]
    pub stop_at: Option<String>,
    /// Replace also where a later set of the same chain was restored before
    #[arg(long)]
    pub older_wins: bool,
    /// First minute of the range, or a day [default: as early as the volumes go]
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// Last minute of the range, or a day [default: as late as the volumes go]
    #[arg(long, value_name = "TIME")]
    pub stop: Option<String>,
    /// Rows of the target in the range for which the volumes hold nothing
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub uncovered: Uncovered,
    /// Rows that the backup carries but does not speak for
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub carried: Carried,
    /// Days, weeks and months that lie in the range only in part
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub partial_periods: PartialPeriods,
    /// How the result is proved
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub proof: ProofLevel,
    /// Worker threads [default: as the machine has, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Where volumes are missing or damaged, restore what is proven whole without them
    #[arg(long)]
    pub partial: bool,
    /// Files
    #[command(flatten)]
    pub files: FilesToArgs,
    /// Show the plan, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Show the plan, save it in a new file for --plan, and stop
    #[arg(long, value_name = "FILE", conflicts_with = "yes")]
    pub save_plan: Option<PathBuf>,
    /// Apply a plan that was saved, with all that it was asked for; refused if anything that it rests on changed since
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "data", "tables", "acd", "set", "start", "stop", "uncovered", "carried", "partial_periods", "proof", "partial",
        "other_version", "stop_at", "older_wins", "save_plan", "resume",
    ])]
    pub plan: Option<PathBuf>,
    /// Do not ask after showing the plan
    #[arg(long)]
    pub yes: bool,
    /// The folder for the undo set: the rows that are deleted [default: the database file's name and .undo, beside it]
    #[arg(long, value_name = "DEVICE", value_parser = parse::folder, conflicts_with = "no_undo")]
    pub undo: Option<DevicePath>,
    /// Do not save what is deleted: the restore cannot be taken back then
    #[arg(long)]
    pub no_undo: bool,
    /// Finish the restore that was stopped or cut short, as it was asked for then
    #[arg(long, conflicts_with_all = [
        "data", "tables", "acd", "set", "start", "stop", "uncovered", "carried", "partial_periods", "proof", "partial",
        "undo", "no_undo", "anew", "other_version", "now", "stop_at", "older_wins",
        "save_plan",
    ])]
    pub resume: bool,
    /// Set a restore aside that was stopped or cut short: it is neither finished nor taken back
    #[arg(long)]
    pub anew: bool,
    /// Let a set in whose database had another version of its schema
    #[arg(long)]
    pub other_version: bool,
    /// The civil time at the switch, which decides what is still being collected [default: this machine's, in its zone or
    /// that of TZ]
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    pub now: Option<Instant>,
}

/// What a restore is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The target.
    pub database: DatabaseUrl,
    /// Where the volumes are; never empty.
    pub from: Vec<DevicePath>,
    /// What is restored; `None` for all that the volumes hold.
    pub selection: Option<Selection>,
    /// One ACD, or all.
    pub acd: Option<i64>,
    /// The set's label, or 4 to 32 hexadecimal digits of its id, small letters; or `newest`.
    pub set: Option<String>,
    /// A set of the same chain up to which it is restored, named likewise.
    pub stop_at: Option<String>,
    /// Whether ranges are replaced into which a later set of the chain was restored before.
    pub older_wins: bool,
    /// The range asked for.
    pub request: Request,
    /// Whether to go on with what is proven whole where parts of the set are missing or damaged.
    pub partial: bool,
    /// What to do with uncovered rows.
    pub uncovered: Uncovered,
    /// What to do with carried rows.
    pub carried: Carried,
    /// What to do with partial periods.
    pub partial_periods: PartialPeriods,
    /// How the result is proved.
    pub proof: ProofLevel,
    /// Worker threads, from 1.
    pub jobs: usize,
    /// Whether to stop after the plan.
    pub dry_run: bool,
    /// Where the plan is saved; nothing is applied then.
    pub save_plan: Option<PathBuf>,
    /// The saved plan that is applied: it has what was asked for, and of these options only `database`, `from`, `jobs`,
    /// `dry_run`, `yes`, `undo`, `anew` and `now` count then.
    pub plan: Option<PathBuf>,
    /// Whether to go on without asking.
    pub yes: bool,
    /// What becomes of the rows that are deleted.
    pub undo: Undo,
    /// Whether to finish a restore that ended early; the journal has its options, and of these only `database`, `from`,
    /// `jobs`, `dry_run` and `yes` count then.
    pub resume: bool,
    /// Whether to set such a restore aside.
    pub anew: bool,
    /// Whether a set of another version of the database's schema is let in.
    pub other_version: bool,
    /// The civil time at the switch; that of this machine if `None`.
    pub now: Option<Instant>,
}

impl RestoreArgs {
    /// The options, if files are restored and no tables.
    #[must_use]
    pub fn files_options(&self) -> Option<FilesToOptions> {
        let files = &self.files;
        Some(FilesToOptions {
            from: self.from.clone(),
            folder: files.files_to.clone()?,
            choose: files.files.clone(),
            overwrite: files.overwrite_files,
            owners: files.owners,
            set: self.set.clone(),
            stop_at: self.stop_at.clone(),
            partial: self.partial,
            jobs: jobs(self.jobs),
            dry_run: self.dry_run,
            yes: self.yes,
        })
    }

    /// The options.
    ///
    /// # Errors
    /// The stop lies before the start, or something is asked for that this release does not have.
    pub fn options(&self) -> Result<RestoreOptions, Failure> {
        let request = request(self.start.as_deref(), self.stop.as_deref())?;
        let all = self.data.is_empty() && self.tables.is_empty();
        Ok(RestoreOptions {
            database: self.database.clone().ok_or_else(|| Failure::usage("--database is missing"))?,
            from: self.from.clone(),
            selection: (!all).then(|| Selection::of(&self.data, &self.tables)),
            acd: self.acd,
            set: self.set.clone(),
            stop_at: self.stop_at.clone(),
            older_wins: self.older_wins || self.stop_at.is_some(),
            request,
            partial: self.partial,
            uncovered: self.uncovered,
            carried: self.carried,
            partial_periods: self.partial_periods,
            proof: self.proof,
            jobs: jobs(self.jobs),
            dry_run: self.dry_run,
            save_plan: self.save_plan.clone(),
            plan: self.plan.clone(),
            yes: self.yes,
            undo: match (&self.undo, self.no_undo) {
                (Some(device), _) => Undo::On(device.clone()),
                (None, true) => Undo::Declined,
                (None, false) => Undo::Beside,
            },
            resume: self.resume,
            anew: self.anew,
            other_version: self.other_version,
            now: self.now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser as _;

    fn read(line: &[&str]) -> Result<RestoreOptions, String> {
        let fixed = ["intervault", "restore", "--database", "sqlite:a.db", "--from", "/b"];
        match Cli::try_parse_from(fixed.iter().chain(line)) {
            Ok(Cli { command: Command::Restore(args), .. }) => args.options().map_err(|failure| failure.message),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_defaults_are_the_careful_ones() {
        let options = read(&[]).unwrap();
        assert_eq!((options.selection, options.request, options.set), (None, Request::ALL, None));
        assert_eq!((options.uncovered, options.carried), (Uncovered::Refuse, Carried::Leave));
        assert_eq!((options.partial_periods, options.proof), (PartialPeriods::Keep, ProofLevel::Full));
        assert_eq!((options.dry_run, options.yes, options.undo), (false, false, Undo::Beside));
        assert_eq!((options.resume, options.anew, options.other_version, options.now), (false, false, false, None));
    }

    #[test]
    fn options_are_read() {
        let line = [
            "--start",
            "2003-10-23 09:00",
            "--stop",
            "2003-10-23 11:59",
            "--from",
            "/c",
            "--set",
            "3F1C",
            "--acd",
            "1",
            "--uncovered",
            "keep",
            "--carried",
            "insert",
            "--partial-periods",
            "replace",
            "--proof",
            "counts",
            "--yes",
        ];
        let options = read(&line).unwrap();
        assert_eq!(options.request.start.unwrap().to_string(), "2003-10-23 09:00");
        assert_eq!(options.request.stop.unwrap().to_string(), "2003-10-23 12:00");
        assert_eq!((options.from.len(), options.set.as_deref(), options.acd), (2, Some("3f1c"), Some(1)));
        assert_eq!((options.uncovered, options.carried), (Uncovered::Keep, Carried::Insert));
        assert_eq!((options.partial_periods, options.proof), (PartialPeriods::Replace, ProofLevel::Counts));
        assert!(options.yes);
        let on = Undo::On(DevicePath::Path("/u".into()));
        assert_eq!((read(&["--undo", "/u"]).unwrap().undo, read(&["--no-undo"]).unwrap().undo), (on, Undo::Declined));
        assert!(read(&["--resume", "--jobs", "2", "--dry-run", "--yes"]).unwrap().resume);
        let options = read(&["--set", "CMS-240301-01-H-00-I-01", "--stop-at", "12AB"]).unwrap();
        assert_eq!((options.stop_at.as_deref(), options.older_wins), (Some("12ab"), true));
        assert!(read(&["--older-wins"]).unwrap().older_wins && !read(&[]).unwrap().older_wins);
        assert_eq!(read(&["--now", "2024-03-01 05:30"]).unwrap().now.unwrap().to_string(), "2024-03-01 05:30");
    }

    /// What shapes a plan, whichever it is.
    const SHAPING: [&[&str]; 15] = [
        &["--data", "historical"],
        &["--tables", "hsplit"],
        &["--acd", "1"],
        &["--set", "3f1c"],
        &["--start", "2003-10-23"],
        &["--stop", "2003-10-23"],
        &["--uncovered", "refuse"],
        &["--carried", "leave"],
        &["--partial-periods", "keep"],
        &["--proof", "full"],
        &["--partial"],
        &["--other-version"],
        &["--stop-at", "1234"],
        &["--older-wins"],
        &["--save-plan", "b"],
    ];

    fn goes_with_none(option: &[&str], others: &[&[&str]]) {
        for more in others {
            let error = read(&[option, *more].concat()).unwrap_err();
            assert!(error.contains("cannot be used with"), "{option:?} {more:?}: {error}");
        }
    }

    /// What was asked for then stands in the journal; another word now would be one too many.
    #[test]
    fn nothing_that_shapes_a_plan_goes_with_resume() {
        goes_with_none(&["--resume"], &SHAPING);
        goes_with_none(&["--resume"], &[&["--undo", "/u"], &["--no-undo"], &["--anew"], &["--now", "2003-10-23"]]);
    }

    #[test]
    fn nothing_that_shapes_a_plan_goes_with_a_saved_one() {
        goes_with_none(&["--plan", "a"], &SHAPING);
        goes_with_none(&["--plan", "a"], &[&["--resume"]]);
        let more =
            ["--plan", "a", "--undo", "/u", "--jobs", "2", "--yes", "--anew", "--now", "2024-03-01", "--dry-run"];
        assert_eq!(read(&more).unwrap().plan, Some("a".into()));
        assert!(read(&["--save-plan", "a", "--yes"]).unwrap_err().contains("cannot be used with"));
        assert_eq!(read(&["--save-plan", "a", "--dry-run"]).unwrap().save_plan, Some("a".into()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let cases: [(&[&str], &str); 6] = [
            (&["--start", "2003-10-24", "--stop", "2003-10-23"], "exchange them"),
            (&["--start", "2003-02-30"], "no such date"),
            (&["--uncovered", "maybe"], "refuse, delete, keep"),
            (&["--undo", "/u", "--no-undo"], "cannot be used with"),
            (&["--undo", "tape:/dev/nst0"], "kept in a folder"),
            (&["--stop-at", "123"], "or its label"),
        ];
        for (line, part) in cases {
            let error = read(line).unwrap_err();
            assert!(error.contains(part), "{line:?}: {error}");
        }
    }
}
