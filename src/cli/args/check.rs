//! The arguments of `check` and `br_check`.

use super::listing::{ListArgs, ListOptions};
use super::{EXIT_STATUS, GlobalArgs};
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DevicePath};
use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  The sets, tables and rows on volumes:
    intervault check /backup/monday
  Every checksum, every row and every digest:
    intervault check /backup/monday --verify
  One volume alone:
    intervault check /backup/monday/CMS-031024-01-LSAC-00-F-02.3f1c0a2b.ivv --verify
  Two copies of a set, each judged, and what they hold together:
    intervault check /backup/monday /mnt/copy/monday --verify
  Of which days is there anything of ACD 1, and which are missing? A calendar:
    intervault check /backup/monday --coverage --acd 1
  Chunks of a table: rows, times, ACDs, encodings and sizes:
    intervault check /backup/monday --chunks --tables hsplit
  Is the database still as it was backed up? Days that differ:
    intervault check /backup/monday --against sqlite:history.db
  What changed between two sets?
    intervault check /backup/monday --against /backup/tuesday

Exit status 4: damage was found, or a difference; the findings name volume, block, table and range.")]
pub struct CheckArgs {
    /// Folders of volumes, single volumes, tapes (tape:PATH), or - for standard input; several are looked at together
    #[arg(value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub devices: Vec<DevicePath>,
    /// List what is on them (the default)
    #[arg(short, long, conflicts_with = "verify")]
    pub list: bool,
    /// Read everything and prove it
    #[arg(short, long)]
    pub verify: bool,
    /// One set only, where the device holds several: its id or the beginning of it
    #[arg(long, value_name = "ID", value_parser = parse::set_id)]
    pub set: Option<String>,
    /// Worker threads [default: as the machine has, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// What else is listed.
    #[command(flatten)]
    pub listing: ListArgs,
}

/// What a check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckWork {
    /// Lists labels, tables, rows and ranges.
    #[default]
    List,
    /// Reads everything and compares checksums, rows and digests.
    Verify,
}

/// What a check is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// Where the volumes are.
    pub devices: Vec<DevicePath>,
    /// What is done.
    pub work: CheckWork,
    /// 4 to 32 hexadecimal digits of the set's id, small letters.
    pub set: Option<String>,
    /// Worker threads, from 1.
    pub jobs: usize,
    /// What else is listed, or compared.
    pub listing: ListOptions,
}

impl CheckArgs {
    /// The options.
    ///
    /// # Errors
    /// As [`ListArgs::options`].
    pub fn options(&self) -> Result<CheckOptions, Failure> {
        let work = if self.verify { CheckWork::Verify } else { CheckWork::List };
        let (set, jobs) = (self.set.clone(), super::jobs(self.jobs));
        Ok(CheckOptions { devices: self.devices.clone(), work, set, jobs, listing: self.listing.options()? })
    }
}

/// Kinds of device that `br_check` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrDevice {
    /// A folder of volumes
    #[value(name = "d", alias = "directory")]
    Directory,
    /// One volume as a file
    #[value(name = "f", alias = "file")]
    File,
    /// A tape
    #[value(name = "q", aliases = ["t", "tape", "qtape"])]
    Tape,
}

/// The end of the help page of `br_check`.
fn br_check_help() -> String {
    format!(
        "Examples:
  Be asked for everything:
    br_check
  The tables in a folder of volumes:
    br_check --type d --path /backup/monday --list
  The tables on a tape:
    br_check --type q --path /dev/nst0 --list
  Prove one volume:
    br_check --type f --path /backup/monday/CMS-031024-01-LSAC-00-F-02.3f1c0a2b.ivv --verify

Nothing is ever changed. Ctrl-D at a question ends with status 2.
{EXIT_STATUS}"
    )
}

/// Looks at backup volumes; asks for what is not given.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "br_check",
    version,
    about = "Looks at backup volumes; asks for what is not given",
    after_help = br_check_help()
)]
pub struct BrCheckArgs {
    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// Kind of device: d for a folder of volumes, f for one volume as a file, q for a tape
    #[arg(short = 't', long = "type", value_enum, value_name = "TYPE")]
    pub device_type: Option<BrDevice>,
    /// Path of the device
    #[arg(short, long, value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// List the tables
    #[arg(short, long, conflicts_with = "verify")]
    pub list: bool,
    /// List the tables and also verify the volume
    #[arg(short, long)]
    pub verify: bool,
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;

    fn check(line: &str) -> Result<CheckOptions, String> {
        match Cli::try_parse_from(line.split(' ')) {
            Ok(Cli { command: Command::Check(args), .. }) => args.options().map_err(|failure| failure.message),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_check_lists_unless_told_to_verify() {
        assert_eq!(check("intervault check /b").unwrap().work, CheckWork::List);
        assert_eq!(check("intervault check /b --list").unwrap().work, CheckWork::List);
        assert_eq!(check("intervault check -v /b --set 00ff").unwrap().work, CheckWork::Verify);
        assert_eq!(check("intervault check /a /b -v").unwrap().devices.len(), 2);
        assert!(check("intervault check /b --list --verify").unwrap_err().contains("cannot be used with"));
        assert_eq!(check("intervault check tape:/dev/nst0").unwrap().devices, [DevicePath::Tape("/dev/nst0".into())]);
        assert!(check("intervault check s3:bucket").unwrap_err().contains("not in this release"));
        assert!(check("intervault check").unwrap_err().contains("DEVICE"));
    }
}
