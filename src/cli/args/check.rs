//! The arguments of `check` and `br_check`.

use super::listing::{ListArgs, ListOptions};
use super::{EXIT_STATUS, GlobalArgs};
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DevicePath};
use crate::verify::Depth;
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
  Whether all volumes are here and each says the same of itself as the others do, without reading rows:
    intervault check /backup/monday --verify=index
  Every byte, without decoding rows:
    intervault check /backup/monday --verify=blocks
  One volume alone:
    intervault check /backup/monday/CMS-031024-01-LSAC-00-F-02.3f1c0a2b.ivv \\
        --verify
  Two copies of a set, each judged, and what they hold together:
    intervault check /backup/monday /mnt/copy/monday --verify
  Every night another part, every block in a month of thirty nights:
    intervault check /backup/monday --verify --subset today/30
  A random twentieth:
    intervault check /backup/monday --verify --sample 5%
  Two hours now; the next time it goes on where it was, and begins again with what is older than four weeks:
    intervault check /backup/monday --verify --max-duration 2h --since-last=4w
  Of which days is there anything of ACD 1, and which are missing? A calendar:
    intervault check /backup/monday --coverage --acd 1
  Chunks of a table: rows, times, ACDs, encodings and sizes:
    intervault check /backup/monday --chunks --tables hsplit
  Is the database still as it was backed up? Days that differ:
    intervault check /backup/monday --against sqlite:history.db
  What changed between two sets?
    intervault check /backup/monday --against /backup/tuesday

Exit status 4: damage was found, or a difference; the findings name volume, block, table and range, what was expected and what
was found. Status 3: a chain lacks its full set, or rows of a member that is not here. Status 6: a set is being written now.
Status 10: nothing of what was asked for is there, or none of it was compared. Whoever asks for a part is told how much was read
of how much there is; status 0 then says that nothing is wrong with that, also where --max-duration ended it. A part holds each
chunk against the catalog, but compares the total of an ACD's day only where it reads all chunks with rows of it: verify the
whole now and then. What was proved before damage was found on a volume counts no more for --since-last, nor what was proved of a
file that was changed since or is another one, by its number, its times and its file system; where nobody can tell (tapes,
standard input, FAT, FUSE) nothing is left out.")]
pub struct CheckArgs {
    /// Folders of volumes, single volumes, tapes (tape:PATH), or - for standard input; several are looked at together
    #[arg(value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub devices: Vec<DevicePath>,
    /// List what is on them (the default)
    #[arg(short, long, conflicts_with = "verify")]
    pub list: bool,
    /// Read and prove: what volumes say of themselves, every block, or every row too
    #[arg(
        short,
        long,
        value_enum,
        value_name = "DEPTH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "rows"
    )]
    pub verify: Option<Deep>,
    /// Read a random part of the blocks, such as 5%
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "verify")]
    pub sample: Option<u32>,
    /// Choose the same sample again [default: another one each time; it is told]
    #[arg(long, value_name = "N", requires = "sample")]
    pub seed: Option<u64>,
    /// Read the N-th of M parts, which together are all blocks: N/M, or today/M for another one each day
    #[arg(long, value_name = "N/M", value_parser = subset, requires = "verify", conflicts_with = "sample")]
    pub subset: Option<Part>,
    /// Stop after this time, between two blocks, the listing not counted: a number with s, m, h, d or w, such as 2h
    #[arg(long, value_name = "TIME", value_parser = super::age, requires = "verify")]
    pub max_duration: Option<u64>,
    /// Leave out what earlier checks have proved as deep, in this time if one is given: such as 4w
    #[arg(
        long,
        value_name = "AGE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "ever",
        value_parser = since,
        requires = "verify"
    )]
    pub since_last: Option<Since>,
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

/// How deep a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deep {
    /// Labels, indexes, catalog and end marks, and that they agree; no block with rows is read
    Index,
    /// The checksums of all blocks: every byte
    Blocks,
    /// The same, and every row, every digest, every total
    Rows,
}

impl From<Deep> for Depth {
    fn from(deep: Deep) -> Depth {
        match deep {
            Deep::Index => Depth::Index,
            Deep::Blocks => Depth::Blocks,
            Deep::Rows => Depth::Rows,
        }
    }
}

/// One of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number from 1; `None`: that of the day.
    pub part: Option<u32>,
    /// How many there are, from 1.
    pub of: u32,
}

/// How old a proof may be that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// As old as it is.
    Ever,
    /// So many seconds.
    Seconds(u64),
}

fn since(text: &str) -> Result<Since, String> {
    if text == "ever" { Ok(Since::Ever) } else { super::age(text).map(Since::Seconds) }
}

/// Millionths.
fn percent(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no part of all: write for example 5% or 0.5%, at most 100%");
    let number = text.trim().trim_end_matches('%').trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
        return Err(wrong());
    }
    let millionths = format!("{whole}{fraction:0<4}").parse::<u32>().map_err(|_| wrong())?;
    Some(millionths).filter(|millionths| (1..=1_000_000).contains(millionths)).ok_or_else(wrong)
}

fn subset(text: &str) -> Result<Part, String> {
    let wrong = || format!("{text:?} is no part: write for example 3/30 or today/30");
    let (part, of) = text.split_once('/').ok_or_else(wrong)?;
    let of: u32 = of.trim().parse().ok().filter(|of| *of >= 1).ok_or_else(wrong)?;
    let part = match part.trim() {
        "today" => None,
        number => Some(number.parse().ok().filter(|part| (1..=of).contains(part)).ok_or_else(wrong)?),
    };
    Ok(Part { part, of })
}

/// What a check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckWork {
    /// Lists labels, tables, rows and ranges.
    #[default]
    List,
    /// Reads and proves so deep.
    Verify(Depth),
}

/// What a check is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// Where the volumes are.
    pub devices: Vec<DevicePath>,
    /// What is done.
    pub work: CheckWork,
    /// Which part is read.
    pub part: PartOptions,
    /// 4 to 32 hexadecimal digits of the set's id, small letters.
    pub set: Option<String>,
    /// Worker threads, from 1.
    pub jobs: usize,
    /// What else is listed, or compared.
    pub listing: ListOptions,
}

/// Which part of the volumes is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartOptions {
    /// Millionths of the blocks, at random.
    pub sample: Option<u32>,
    /// What chooses them; `None`: another number each time.
    pub seed: Option<u64>,
    /// One of several parts.
    pub subset: Option<Part>,
    /// Seconds after which no further block is read.
    pub max_duration: Option<u64>,
    /// What was proved before is left out.
    pub since_last: Option<Since>,
}

impl PartOptions {
    /// Whether anything but the whole may be read.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self != PartOptions::default()
    }
}

impl CheckArgs {
    /// The options.
    ///
    /// # Errors
    /// As [`ListArgs::options`].
    pub fn options(&self) -> Result<CheckOptions, Failure> {
        let part = PartOptions {
            sample: self.sample,
            seed: self.seed,
            subset: self.subset,
            max_duration: self.max_duration,
            since_last: self.since_last,
        };
        Ok(CheckOptions {
            devices: self.devices.clone(),
            work: self.verify.map_or(CheckWork::List, |deep| CheckWork::Verify(deep.into())),
            part,
            set: self.set.clone(),
            jobs: super::jobs(self.jobs),
            listing: self.listing.options()?,
        })
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
    br_check --type f --verify \\
        --path /backup/monday/CMS-031024-01-LSAC-00-F-02.3f1c0a2b.ivv

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
        assert_eq!(check("intervault check -v /b --set 00ff").unwrap().work, CheckWork::Verify(Depth::Rows));
        assert_eq!(check("intervault check /a /b -v").unwrap().devices.len(), 2);
        assert!(check("intervault check /b --list --verify").unwrap_err().contains("cannot be used with"));
        assert_eq!(check("intervault check tape:/dev/nst0").unwrap().devices, [DevicePath::Tape("/dev/nst0".into())]);
        assert!(check("intervault check s3:bucket").unwrap_err().contains("not in this release"));
        assert!(check("intervault check").unwrap_err().contains("DEVICE"));
    }

    #[test]
    fn a_verification_is_as_deep_as_was_asked() {
        let deep = |line: &str| check(line).unwrap().work;
        assert_eq!(deep("intervault check --verify /b"), CheckWork::Verify(Depth::Rows));
        assert_eq!(deep("intervault check --verify=index /b"), CheckWork::Verify(Depth::Index));
        assert_eq!(deep("intervault check /b --verify=blocks"), CheckWork::Verify(Depth::Blocks));
        assert!(check("intervault check /b --verify=all").unwrap_err().contains("index, blocks, rows"));
    }

    #[test]
    fn a_part_is_asked_for_by_words() {
        let part = |line: &str| check(&format!("intervault check /b -v {line}")).map(|options| options.part);
        assert_eq!(part("--sample 5%").unwrap().sample, Some(50_000));
        assert_eq!(
            part("--sample 0.5% --seed 7").unwrap(),
            PartOptions { sample: Some(5_000), seed: Some(7), ..PartOptions::default() }
        );
        let of = |part, of| Some(Part { part, of });
        assert_eq!(part("--subset 3/30").unwrap().subset, of(Some(3), 30));
        assert_eq!(part("--subset today/31").unwrap().subset, of(None, 31));
        assert_eq!(
            part("--max-duration 2h --since-last").unwrap(),
            PartOptions { max_duration: Some(7_200), since_last: Some(Since::Ever), ..PartOptions::default() }
        );
        assert_eq!(part("--since-last=4w").unwrap().since_last, Some(Since::Seconds(28 * 86_400)));
        for wrong in ["--sample 0%", "--sample 101%", "--sample x", "--subset 0/3", "--subset 4/3", "--subset 3"] {
            assert!(part(wrong).unwrap_err().contains("write for example"), "{wrong}");
        }
        assert!(part("--seed 7").is_err() && part("--sample 5% --subset 1/2").is_err());
        assert!(check("intervault check /b --sample 5%").unwrap_err().contains("--verify"));
    }
}
