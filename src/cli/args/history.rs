//! The commands that tell what was done: `status`, `log`.

use crate::cli::parse::{self, DatabaseUrl, DevicePath};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  The last backup, errors, what is at work now:
    intervault status
  For a monitor: is the last finished backup of a database younger than 26 hours?
    intervault status --database sqlite:/var/cms/history.db --max-age 26h
  The same by the volumes themselves, not by the history:
    intervault status /backup/nightly --max-age 26h
  The chains on devices: full sets, the incremental ones that build on them, what is missing:
    intervault status --chain /backup/nightly /backup/weekly
  The history was lost: make it up from the volumes:
    intervault status --rebuild /backup/nightly /backup/weekly

With --max-age the exit status is 0 if the last finished backup is young enough, 3 if it is too old (or lies in the
future: a clock was set back), 10 if there is none. Backups of specific tables do not count, nor do those of custom data
beside a database: what somebody saved by hand says nothing of the nightly ones. An error is shown until a later run did
the same for the same database and data (or devices); after 35 days, until any of its kind went well.")]
pub struct StatusArgs {
    /// Devices whose chains are shown
    #[arg(value_name = "DEVICE", value_parser = parse::device)]
    pub devices: Vec<DevicePath>,
    /// Show the chains, of the devices that the history names if none is given
    #[arg(long)]
    pub chain: bool,
    /// Only what concerns this database
    #[arg(long, value_name = "URL", value_parser = parse::database)]
    pub database: Option<DatabaseUrl>,
    /// Judge the age of the last finished backup: a number with s, m, h, d or w, such as 26h
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub max_age: Option<u64>,
    /// Write figures of the last backups into this file, for Prometheus
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Write the sets on the devices into the history that are not in it; the history that was is kept beside it
    #[arg(long, requires = "devices")]
    pub rebuild: bool,
}

/// What `status` is asked to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOptions {
    /// Devices to look at.
    pub devices: Vec<DevicePath>,
    /// Whether chains are shown.
    pub chain: bool,
    /// The only database that matters.
    pub database: Option<DatabaseUrl>,
    /// The age that the last finished backup may have, in seconds.
    pub max_age: Option<u64>,
    /// File for figures of the last backups.
    pub metrics: Option<PathBuf>,
    /// Whether the history is rebuilt from the devices first.
    pub rebuild: bool,
}

impl StatusArgs {
    /// The options. Whoever names devices wants to see what is on them.
    #[must_use]
    pub fn options(&self) -> StatusOptions {
        StatusOptions {
            devices: self.devices.clone(),
            chain: self.chain || !self.devices.is_empty(),
            database: self.database.clone(),
            max_age: self.max_age,
            metrics: self.metrics.clone(),
            rebuild: self.rebuild,
        }
    }
}

/// Reads a length of time in seconds: a whole number with `s`, `m`, `h`, `d` or `w`.
///
/// # Errors
/// It is none.
///
/// ```
/// use intervault::cli::args::age;
/// assert_eq!([age("26h"), age("90m"), age("2d")], [Ok(93_600), Ok(5_400), Ok(172_800)]);
/// assert!(age("26").unwrap_err().contains("write for example 26h"));
/// ```
pub fn age(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no length of time: write for example 26h, 90m or 2d");
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u64> = number.parse().ok().filter(|_| plain);
    number.and_then(|number| number.checked_mul(seconds)).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

/// Arguments of `log`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  What was backed up, restored, taken back, checked, pruned and salvaged on this machine:
    intervault log
  What went wrong:
    intervault log --failed
  The restores of a database, and where their undo sets are:
    intervault log --database sqlite:history.db
  What one of them replaced, unit by unit:
    intervault log --database sqlite:history.db --run 3")]
pub struct LogArgs {
    /// The restores of this database, from the journal in it: sqlite:PATH or postgresql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = parse::database)]
    pub database: Option<DatabaseUrl>,
    /// One restore only, with its units and ranges
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "database")]
    pub run: Option<u64>,
    /// Show so many of the history, the last ones
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..),
          conflicts_with = "database")]
    pub last: u32,
    /// Only what failed or was interrupted
    #[arg(long, conflicts_with = "database")]
    pub failed: bool,
}

/// What `log` is asked to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOptions {
    /// The restores of a database.
    Restores(RestoresOptions),
    /// The history of this machine.
    History(HistoryOptions),
}

/// Which restores of a database are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoresOptions {
    /// The database.
    pub database: DatabaseUrl,
    /// Number of the only restore to show, with its units.
    pub run: Option<u64>,
}

/// What of the history is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryOptions {
    /// How many runs, the last ones.
    pub last: usize,
    /// Only those that went wrong.
    pub failed: bool,
}

impl LogArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> LogOptions {
        match &self.database {
            Some(database) => LogOptions::Restores(RestoresOptions { database: database.clone(), run: self.run }),
            None => LogOptions::History(HistoryOptions { last: self.last as usize, failed: self.failed }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser as _;

    fn read(line: &str) -> Result<Command, String> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_is_of_this_machine_or_of_a_database() {
        let log = |line: &str| match read(line) {
            Ok(Command::Log(args)) => args.options(),
            other => panic!("{other:?}"),
        };
        assert_eq!(log("intervault log"), LogOptions::History(HistoryOptions { last: 50, failed: false }));
        assert_eq!(
            log("intervault log --last 3 --failed"),
            LogOptions::History(HistoryOptions { last: 3, failed: true })
        );
        let database = DatabaseUrl::Sqlite("a".into());
        let restores = LogOptions::Restores(RestoresOptions { database, run: Some(3) });
        assert_eq!(log("intervault log --database sqlite:a --run 3"), restores);
        for (line, part) in [
            ("log --run 3", "--database"),
            ("log --database sqlite:a --failed", "cannot be used with"),
            ("log --last 0", "0 is not in 1.."),
        ] {
            let error = read(&format!("intervault {line}")).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn devices_ask_for_their_chains() {
        let status = |line: &str| match read(line) {
            Ok(Command::Status(args)) => Ok(args.options()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert!(!status("intervault status").unwrap().chain);
        assert!(status("intervault status /b").unwrap().chain && status("intervault status --chain").unwrap().chain);
        assert_eq!(status("intervault status --max-age 26h").unwrap().max_age, Some(93_600));
        assert!(status("intervault status --rebuild").unwrap_err().contains("DEVICE"));
    }

    #[test]
    fn ages_have_a_unit() {
        for text in
            ["", "h", "26", "0h", "-1h", "1.5h", "+1h", "26 h", "1y", "99999999999999999999d", "18446744073709551615w"]
        {
            assert!(age(text).is_err(), "{text}");
        }
        assert_eq!([age("1s"), age("1w")], [Ok(1), Ok(604_800)]);
    }
}
