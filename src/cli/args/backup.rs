//! `intervault backup`.

use super::files::TreeArgs;
use super::jobs;
use crate::backup::{ChangedSince, FileTree};
use crate::base::time::Instant;
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DatabaseUrl, DevicePath};
use crate::schema::grain::DataType;
use crate::volume::medium::Overwrite;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What is backed up or restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Kinds of data, without repeats, in label order; never empty.
    Data(Vec<DataType>),
    /// Specific tables, as they were written; never empty.
    Tables(Vec<String>),
}

impl Selection {
    /// The selection of `--data` and `--tables`, of which at most one is given; with neither, all data.
    pub(super) fn of(data: &[DataType], tables: &[String]) -> Selection {
        if !tables.is_empty() {
            return Selection::Tables(tables.to_vec());
        }
        let wanted = |kind: &DataType| data.is_empty() || data.contains(kind);
        Selection::Data(DataType::ALL.into_iter().filter(wanted).collect())
    }
}

/// Reads a kind of data.
pub(super) fn data_type(text: &str) -> Result<DataType, String> {
    let known = DataType::ALL.into_iter().find(|kind| kind.name() == text.trim());
    known.ok_or_else(|| {
        let names: Vec<&str> = DataType::ALL.iter().map(|kind| kind.name()).collect();
        format!("no such kind of data: {}", names.join(", "))
    })
}

/// Since when changes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Since {
    /// Since the newest backup of the chain.
    Last,
}

impl BackupOptions {
    /// The kinds of data that are backed up, files among them; none for specific tables.
    #[must_use]
    pub fn kinds(&self) -> Vec<DataType> {
        let mut kinds = match &self.selection {
            _ if self.database.is_none() => Vec::new(),
            Selection::Data(data) => data.clone(),
            Selection::Tables(_) => Vec::new(),
        };
        if !(self.trees.is_empty() || kinds.contains(&DataType::Custom)) {
            kinds.push(DataType::Custom);
        }
        kinds
    }
}

/// Arguments of `backup`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  Everything, onto volumes of 64 MiB:
    intervault backup --database sqlite:/var/cms/history.db \\
        --to /backup/monday --volume-size 64MiB
  Historical data of ACD 2 only:
    intervault backup --database sqlite:history.db --to /backup/acd2 \\
        --data historical --acd 2
  Two tables:
    intervault backup --database sqlite:history.db --to /backup/two \\
        --tables hsplit,dsplit
  Onto another machine, and proved there:
    intervault backup --database sqlite:history.db --to - --no-verify |
        ssh vault 'tee /backup/monday.ivv | intervault check - --verify'
  Onto a tape, behind what is on it, then onto a second one:
    intervault backup --database sqlite:history.db --to tape:/dev/nst0 \\
        --to tape:/dev/nst1 --retain 28
  What changed since the last backup there:
    intervault backup --database sqlite:/var/cms/history.db \\
        --to /backup/monday --incremental
  The same onto a folder of its own; those that it builds on are elsewhere:
    intervault backup --database sqlite:history.db --to /backup/tuesday \\
        --base /backup/monday --incremental
  Files beside the tables, or alone:
    intervault backup --database sqlite:history.db --to /backup/monday \\
        --files /cms/db/ext --exclude '*.tmp'
    intervault backup --files / --cmsadm --to /backup/system
  What would be backed up:
    intervault backup --database sqlite:history.db --to /backup/monday \\
        --dry-run

An incremental backup reads and hashes every row and writes the days (weeks, months) of each ACD
that are not as the newest set of the chain lists them, and tables without time whole. What sets
of the chain cannot give any more, since volumes are missing or damaged, is written again: status 3.

The database stays in use meanwhile. The volumes are read back before the backup is called done.")]
pub struct BackupArgs {
    /// The database: sqlite:PATH or postgresql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = parse::database, required_unless_present_any = ["files", "file_sets"])]
    pub database: Option<DatabaseUrl>,
    /// Where the volumes go: a folder, made if it is not there; tape:PATH, a tape drive or a tape image; or - for standard
    /// output. May be given more than once: when one is full the backup goes on to the next
    #[arg(long, value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub to: Vec<DevicePath>,
    /// Kinds of data: local, system, acd, historical, custom [default: all of them]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = data_type, conflicts_with = "tables",
        requires = "database")]
    pub data: Vec<DataType>,
    /// Specific tables instead of kinds of data
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse::table, requires = "database")]
    pub tables: Vec<String>,
    /// Back up all rows, as is done unless told otherwise
    #[arg(long, conflicts_with = "incremental")]
    pub full: bool,
    /// Back up what changed since the newest backup of this database, on DEVICE or where --base says
    #[arg(long, conflicts_with = "tables", requires = "database")]
    pub incremental: bool,
    /// Another device with backups to build on; may be given several times
    #[arg(long, value_name = "DEVICE", value_parser = parse::device, requires = "incremental")]
    pub base: Vec<DevicePath>,
    /// The chain to go on with, by one of its sets: label, id or the beginning of that [default: the one begun last, but not
    /// later than now]
    #[arg(long, value_name = "SET", value_parser = parse::set, requires = "incremental")]
    pub set: Option<String>,
    /// Read only the last days of each table, and take all before them to be as the chain has it: quick, and blind to rows
    /// that came late, were corrected or deleted before
    #[arg(long, value_name = "WHEN", value_enum, requires = "incremental")]
    pub changed_since: Option<Since>,
    /// With --changed-since: days before the newest of the chain that are read again [default: 1]
    #[arg(long, value_name = "N", requires = "changed_since")]
    pub margin_days: Option<u16>,
    /// One ACD only; tables without an ACD column are left out
    #[arg(long, value_name = "N", value_parser = parse::acd, allow_negative_numbers = true,
        requires = "database")]
    pub acd: Option<i64>,
    /// Files
    #[command(flatten)]
    pub trees: TreeArgs,
    /// Begin another volume at this size, such as 64MiB or 1.5G [default: one volume]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub volume_size: Option<u64>,
    /// A folder or a tape image holds volumes of so many bytes in all, those that are there included; a tape drive knows
    /// itself where its tape ends [default: until it is full]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub device_capacity: Option<u64>,
    /// When volumes on a tape are overwritten from its beginning: never (new ones go behind them), once all of them are
    /// expired, or whatever is there. Volumes in a folder never are
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub overwrite: OverwriteArg,
    /// Days for which the volumes are to be kept: their labels name the day from which on they may go, and --overwrite expired
    /// and prune ask them
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    pub retain: Option<u16>,
    /// Do not read the volumes back
    #[arg(long)]
    pub no_verify: bool,
    /// A file that extends or replaces the built-in table catalogue
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// The civil time at the switch, which decides whether the newest interval is complete [default: this machine's, in
    /// its zone or that of TZ]
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    pub now: Option<Instant>,
    /// Worker threads [default: as the machine has, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Wait so long for another backup or restore that has the database or the device, such as 2h, instead of ending with
    /// status 6 at once
    #[arg(long, value_name = "TIME", value_parser = super::age)]
    pub wait: Option<u64>,
    /// Write figures of the last backups into this file afterwards, for Prometheus [default: as configured]
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Say what would be backed up, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// When volumes on a tape are overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OverwriteArg {
    /// New volumes go behind those that are there
    #[default]
    Never,
    /// From the day on until which each volume is to be kept
    Expired,
    /// Whatever is there
    Any,
}

impl From<OverwriteArg> for Overwrite {
    fn from(when: OverwriteArg) -> Overwrite {
        match when {
            OverwriteArg::Never => Overwrite::Never,
            OverwriteArg::Expired => Overwrite::Expired,
            OverwriteArg::Any => Overwrite::Any,
        }
    }
}

/// What a backup is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupOptions {
    /// The source; `None` for files alone.
    pub database: Option<DatabaseUrl>,
    /// File trees to back up too.
    pub trees: Vec<FileTree>,
    /// A file of named file sets, which are backed up instead of all else.
    pub file_sets: Option<PathBuf>,
    /// Where the volumes go: the first, and those that follow when it is full; never empty.
    pub to: Vec<DevicePath>,
    /// What is backed up.
    pub selection: Selection,
    /// Seconds for which another backup or restore is waited for.
    pub wait: u64,
    /// Whether only what changed.
    pub incremental: bool,
    /// Where else backups lie to build on.
    pub base: Vec<DevicePath>,
    /// One set of the chain to go on with; the one begun last if `None`.
    pub set: Option<String>,
    /// How little is read; everything if `None`.
    pub changed_since: Option<ChangedSince>,
    /// One ACD, or all.
    pub acd: Option<i64>,
    /// Capacity of a volume in bytes; not bounded if `None`.
    pub volume_size: Option<u64>,
    /// Bytes of all volumes that a device has room for.
    pub device_capacity: Option<u64>,
    /// When volumes on a tape are overwritten.
    pub overwrite: Overwrite,
    /// Days for which the volumes are to be kept.
    pub retain: Option<u16>,
    /// Whether the volumes are read back.
    pub verify: bool,
    /// A user's table catalogue.
    pub catalogue: Option<PathBuf>,
    /// The civil time at the switch; that of this machine if `None`.
    pub now: Option<Instant>,
    /// Worker threads, from 1.
    pub jobs: usize,
    /// File for figures of the last backups.
    pub metrics: Option<PathBuf>,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
}

impl BackupArgs {
    /// The options.
    ///
    /// # Errors
    /// A path cannot be the name of a file tree; devices and options that do not go together.
    pub fn options(&self) -> Result<BackupOptions, Failure> {
        let piped = self.to.contains(&DevicePath::Pipe);
        if piped && self.to.len() > 1 {
            return Err(Failure::usage("- takes all volumes: name no other device beside it"));
        }
        if self.device_capacity.is_some() && piped {
            return Err(Failure::usage("--device-capacity is for folders and tape images: a pipe is never full"));
        }
        Ok(BackupOptions {
            database: self.database.clone(),
            trees: self.trees.trees()?,
            file_sets: self.trees.file_sets.clone(),
            to: self.to.clone(),
            selection: Selection::of(&self.data, &self.tables),
            incremental: self.incremental,
            base: self.base.clone(),
            set: self.set.clone(),
            changed_since: self.changed_since.map(|Since::Last| {
                self.margin_days.map_or_else(ChangedSince::default, |margin_days| ChangedSince { margin_days })
            }),
            acd: self.acd,
            volume_size: self.volume_size,
            device_capacity: self.device_capacity,
            overwrite: self.overwrite.into(),
            retain: self.retain,
            verify: !self.no_verify,
            catalogue: self.catalogue.clone(),
            now: self.now,
            jobs: jobs(self.jobs),
            wait: self.wait.unwrap_or(0),
            metrics: self.metrics.clone(),
            dry_run: self.dry_run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser as _;

    fn read(line: &str) -> Result<BackupOptions, String> {
        let line = format!("intervault backup --database sqlite:a.db --to /b {line}");
        match Cli::try_parse_from(line.split_whitespace()) {
            Ok(Cli { command: Command::Backup(args), .. }) => args.options().map_err(|failure| failure.message),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn options_have_defaults() {
        let options = read("").unwrap();
        assert_eq!(options.selection, Selection::Data(DataType::ALL.to_vec()));
        assert_eq!((options.acd, options.volume_size, options.verify, options.dry_run), (None, None, true, false));
        assert!((1..=16).contains(&options.jobs));
    }

    #[test]
    fn options_are_read() {
        let options =
            read("--data historical,local,historical --acd 2 --volume-size 64MiB --no-verify --jobs 3 --full").unwrap();
        assert_eq!(options.selection, Selection::Data(vec![DataType::Local, DataType::Historical]));
        assert_eq!((options.acd, options.volume_size), (Some(2), Some(64 << 20)));
        assert_eq!((options.verify, options.jobs), (false, 3));
        let options = read("--incremental --base /a --base /b --set CMS-030303-01-LSAX-00-F-01").unwrap();
        let label = Some("CMS-030303-01-LSAX-00-F-01".to_owned());
        assert_eq!((options.incremental, options.base.len(), options.set), (true, 2, label));
        let since = |line| read(line).unwrap().changed_since.map(|since| since.margin_days);
        assert_eq!(since("--incremental --changed-since last"), Some(1));
        assert_eq!(since("--incremental --changed-since last --margin-days 7"), Some(7));
        assert_eq!(read("--acd -1").unwrap().acd, Some(-1));
        let tables = Selection::Tables(vec!["hsplit".to_owned(), "dsplit".to_owned()]);
        assert_eq!(read("--tables hsplit,dsplit").unwrap().selection, tables);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (line, part) in [
            ("--incremental --tables a", "cannot be used with"),
            ("--base /a", "--incremental"),
            ("--set abcd", "--incremental"),
            ("--changed-since last", "--incremental"),
            ("--incremental --changed-since monday", "last"),
            ("--incremental --margin-days 3", "--changed-since"),
            ("--full --incremental", "cannot be used with"),
            ("--data local --tables a", "cannot be used with"),
            ("--data everything", "local, system, acd, historical, custom"),
            ("--volume-size big", "is no size"),
            ("--acd all", "leave it out for all ACDs"),
            ("--jobs 0", "0 is not in 1..=64"),
            ("--tables a,,b", "is no table"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
