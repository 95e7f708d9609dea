//! `intervault schedule`.

use super::{KeepArgs, Uncovered, age};
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DatabaseUrl, DevicePath};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `schedule`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  A full backup each Sunday, an incremental one every other night; shown, not written:
    intervault schedule --database sqlite:/var/cms/history.db \\
        --to /backup/nightly
  Written, with a monthly backup of files, then switched on:
    intervault schedule /etc/systemd/system \\
        --database sqlite:/var/cms/history.db --to /backup/nightly \\
        --files-to /backup/files --files /cms/db/ext
    systemctl daemon-reload
    systemctl enable --now intervault-full.timer \\
        intervault-incremental.timer
  The same, and once a week old sets go by rules of keeping:
    intervault schedule /etc/systemd/system \\
        --database sqlite:/var/cms/history.db --to /backup/nightly \\
        --keep-last 14 --keep-weeks 8 --keep-months 12
  On the second server: put the newest chain back each night; rows that the first one lacks stay:
    intervault schedule /etc/systemd/system \\
        --restore-onto sqlite:/var/cms/history.db --from /mnt/first/nightly \\
        --uncovered keep

Backups of one schedule wait for each other, so that after days without power none ends since another one is at work.
Until the first full backup is there the incremental ones have nothing to build on: take it with systemctl start.
Incremental backups belong before midnight: what a day brought is then in the set of that day. The times are those of
OnCalendar (systemd.time(7)). What is written replaces only files that this command wrote.")]
pub struct ScheduleArgs {
    /// Folder to write the units to [default: show them]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The database that is backed up: sqlite:PATH or postgresql://USER@HOST/DATABASE [default: that of the configuration,
    /// if no restore is asked for]
    #[arg(long, value_name = "URL", value_parser = parse::database, requires = "to")]
    pub database: Option<DatabaseUrl>,
    /// Where its volumes go [default: as the database]
    #[arg(long, value_name = "DEVICE", value_parser = parse::device, requires = "database")]
    pub to: Option<DevicePath>,
    /// Where the volumes of custom data and files go, once a month: a device of their own
    #[arg(long, value_name = "DEVICE", value_parser = parse::device)]
    pub files_to: Option<DevicePath>,
    /// A folder with all that lies in it, or a file, to back up with them; may be given more than once
    #[arg(long, value_name = "PATH", requires = "files_to")]
    pub files: Vec<PathBuf>,
    /// The database that the newest chain is restored onto each night: sqlite:PATH or postgresql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = parse::database, requires_all = ["from", "uncovered"])]
    pub restore_onto: Option<DatabaseUrl>,
    /// Where the volumes of that chain are
    #[arg(long, value_name = "DEVICE", value_parser = parse::device, requires = "restore_onto")]
    pub from: Option<DevicePath>,
    /// Rows of that database for which the volumes hold nothing: nobody is there at night to be asked
    #[arg(long, value_enum, value_name = "WHAT", requires = "restore_onto")]
    pub uncovered: Option<Uncovered>,
    /// When full backups begin
    #[arg(long, value_name = "TIME", default_value = "Sun *-*-* 22:30:00", value_parser = calendar)]
    pub full_at: String,
    /// When incremental backups begin
    #[arg(long, value_name = "TIME", default_value = "Mon..Sat *-*-* 23:00:00", value_parser = calendar)]
    pub incremental_at: String,
    /// When the backup of files begins
    #[arg(long, value_name = "TIME", default_value = "*-*-01 04:00:00", value_parser = calendar)]
    pub files_at: String,
    /// When restores begin
    #[arg(long, value_name = "TIME", default_value = "*-*-* 02:30:00", value_parser = calendar)]
    pub restore_at: String,
    /// When old sets are removed, if anything says which are kept
    #[arg(long, value_name = "TIME", default_value = "Mon *-*-* 06:00:00", value_parser = calendar)]
    pub prune_at: String,
    /// What is kept
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Begin another volume at this size, such as 64MiB or 1.5G
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub volume_size: Option<u64>,
    /// A file that extends or replaces the built-in table catalogue
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// End a run that takes longer, such as 6h
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub at_most: Option<u64>,
    /// The user that it runs as [default: root]
    #[arg(long, value_name = "USER", value_parser = user)]
    pub user: Option<String>,
    /// What the names of the units begin with
    #[arg(long, value_name = "NAME", default_value = "intervault", value_parser = name)]
    pub name: String,
    /// The program [default: this one]
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
}

/// Reads a calendar expression, as far as what it may be made of.
fn calendar(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || " *:,.~/_+-".contains(c);
    let fits = (1..=100).contains(&text.len()) && text.chars().all(known) && text.trim() == text;
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no time of systemd.time(7), like Sun *-*-* 22:30:00"))
    }
}

fn user(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let fits = (1..=31).contains(&text.len()) && text.chars().all(known) && !text.starts_with('-');
    if fits { Ok(text.to_owned()) } else { Err(format!("{text:?} is no name of a user")) }
}

fn name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let fits = (1..=100).contains(&text.len())
        && text.chars().all(known)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no name of a unit: letters, digits, '-', '_' and '.'"))
    }
}

/// What is put back each night.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NightlyRestore {
    /// Onto which database.
    pub onto: DatabaseUrl,
    /// From where.
    pub from: DevicePath,
    /// Rows for which the volumes hold nothing.
    pub uncovered: Uncovered,
}

/// What is backed up each night.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NightlyBackup {
    /// The database.
    pub database: DatabaseUrl,
    /// Where its volumes go.
    pub to: DevicePath,
    /// Where those of files go.
    pub files_to: Option<DevicePath>,
    /// The files and folders that go there beside the custom data.
    pub files: Vec<PathBuf>,
}

/// What `schedule` is asked to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleOptions {
    /// The folder; shown if `None`.
    pub dir: Option<PathBuf>,
    /// Backups.
    pub backup: Option<NightlyBackup>,
    /// Restores.
    pub restore: Option<NightlyRestore>,
    /// When: full, incremental, files, restore, prune.
    pub times: [String; 5],
    /// Options of a prune that say what is kept, with their numbers; none: nothing is removed.
    pub keep: Vec<(&'static str, u16)>,
    /// Capacity of a volume in bytes.
    pub volume_size: Option<u64>,
    /// A user's table catalogue.
    pub catalogue: Option<PathBuf>,
    /// Seconds that a run may take.
    pub at_most: Option<u64>,
    /// The user.
    pub user: Option<String>,
    /// What the names of the units begin with.
    pub name: String,
    /// The program; this one if `None`.
    pub program: Option<PathBuf>,
}

impl ScheduleArgs {
    /// The options; `configured` says what is backed up where the arguments do not.
    ///
    /// # Errors
    /// Neither a backup nor a restore is asked for; a restore would stop at the first row that it must ask about.
    pub fn options(&self, configured: Option<(DatabaseUrl, DevicePath)>) -> Result<ScheduleOptions, Failure> {
        let configured = configured.filter(|_| self.restore_onto.is_none());
        let backup = self.database.clone().zip(self.to.clone()).or(configured);
        let backup = backup.map(|(database, to)| NightlyBackup {
            database,
            to,
            files_to: self.files_to.clone(),
            files: self.files.clone(),
        });
        let restore = match (self.restore_onto.clone(), self.from.clone(), self.uncovered) {
            (Some(_), Some(_), Some(Uncovered::Refuse)) => {
                return Err(Failure::usage(
                    "--uncovered refuse would end a nightly restore whenever there is such a row",
                )
                .hint("say what becomes of these rows: --uncovered keep or --uncovered delete"));
            }
            (Some(onto), Some(from), Some(uncovered)) => Some(NightlyRestore { onto, from, uncovered }),
            _ => None,
        };
        if backup.is_none() && restore.is_none() {
            return Err(Failure::usage("nothing is to be scheduled")
                .hint("give --database and --to for backups, or --restore-onto, --from and --uncovered for restores"));
        }
        if backup.is_none() && self.files_to.is_some() {
            return Err(Failure::usage("--files-to belongs to backups").hint("give --database and --to"));
        }
        if backup.is_none() && !self.keep.given().is_empty() {
            return Err(Failure::usage("what is kept belongs to backups").hint("give --database and --to"));
        }
        Ok(ScheduleOptions {
            dir: self.dir.clone(),
            backup,
            restore,
            times: [&self.full_at, &self.incremental_at, &self.files_at, &self.restore_at, &self.prune_at]
                .map(String::clone),
            keep: self.keep.given(),
            volume_size: self.volume_size,
            catalogue: self.catalogue.clone(),
            at_most: self.at_most,
            user: self.user.clone(),
            name: self.name.clone(),
            program: self.program.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser as _;

    fn read(words: &[&str]) -> Result<ScheduleOptions, String> {
        match Cli::try_parse_from([&["intervault", "schedule"], words].concat()) {
            Ok(Cli { command: Command::Schedule(args), .. }) => args.options(None).map_err(|failure| failure.message),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn backups_and_restores_are_asked_for_each_by_itself() {
        let backup = read(&["--database", "sqlite:/a", "--to", "/b"]).unwrap();
        assert!(backup.backup.is_some() && backup.restore.is_none() && backup.dir.is_none());
        let restore = read(&["/d", "--restore-onto", "sqlite:/a", "--from", "/b", "--uncovered", "keep"]).unwrap();
        assert!(restore.backup.is_none() && restore.restore.is_some());
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let backup = ["--database", "sqlite:/a", "--to", "/b"];
        let with = |more: &[&'static str]| [&backup[..], more].concat();
        let cases: [(Vec<&str>, &str); 11] = [
            (vec![], "nothing is to be scheduled"),
            (vec!["--database", "sqlite:/a"], "--to"),
            (vec!["--restore-onto", "sqlite:/a", "--from", "/b"], "--uncovered"),
            (
                vec!["--restore-onto", "sqlite:/a", "--from", "/b", "--uncovered", "refuse"],
                "would end a nightly restore",
            ),
            (
                vec!["--restore-onto", "sqlite:/a", "--from", "/b", "--uncovered", "keep", "--files-to", "/c"],
                "belongs to",
            ),
            (
                vec!["--restore-onto", "sqlite:/a", "--from", "/b", "--uncovered", "keep", "--keep-last", "1"],
                "belongs to",
            ),
            (with(&["--keep-last", "0"]), "keep 1 or more"),
            (with(&["--full-at", "Sun 22:30\nExecStart=/bin/rm"]), "is no time"),
            (with(&["--full-at", ""]), "is no time"),
            (with(&["--user", "a b"]), "no name of a user"),
            (with(&["--name", "../x"]), "no name of a unit"),
        ];
        for (words, part) in cases {
            let error = read(&words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
