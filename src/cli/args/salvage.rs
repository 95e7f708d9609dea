//! `intervault salvage` and `intervault rebuild`.

use super::jobs;
use crate::cli::parse::{self, DevicePath};
use clap::Args;

/// Arguments of `salvage`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  What is still there, and what is lost?
    intervault salvage /backup/monday --dry-run
  A new set of all that is intact, from two copies and whatever else was found:
    intervault salvage /backup/monday /mnt/copy rescued.img found.000 \\
        --to /backup/salvaged
  One set of several:
    intervault salvage /recovered --set 3f1c0a2b --to /backup/salvaged
  Restore from it what is proven:
    intervault restore --database sqlite:history.db --from /backup/salvaged \\
        --partial

Files may have any name and hold anything: volumes without a head, several one behind the other, a dump of a tape, parts in any
order, with anything between them; folders in a folder are not looked into. Nothing is written to them. The new set stands in its
chain where the old one stood; it speaks for nothing of which rows are lost. Blocks that contradict each other: what the catalog
lists is believed, then what the index of a volume lists, then what was found most often; the rest is told and not taken.

Exit status 0: it is certain that nothing is lost but, perhaps, the end of a set, which the new one has again. 3: the same, and a
set among them is being written now. 4: something is lost or may be, and the answer says what; the rest is written. 7: that, and
volumes may not be opened. 10: nothing was found of which it is known what it is.")]
pub struct SalvageArgs {
    /// Folders and files of any name, tapes (tape:PATH), or - for standard input
    #[arg(value_name = "FROM", value_parser = parse::device, required = true)]
    pub from: Vec<DevicePath>,
    /// Where the new sets go: a folder or a tape (tape:PATH) that is none of FROM
    #[arg(long, value_name = "DEVICE", value_parser = parse::device, required_unless_present = "dry_run")]
    pub to: Option<DevicePath>,
    /// One set only: its id or the beginning of it
    #[arg(long, value_name = "ID", value_parser = parse::set_id)]
    pub set: Option<String>,
    /// Capacity of each new volume, such as 64MiB [default: one volume takes all]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub volume_size: Option<u64>,
    /// Say what is there and what is lost, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not read the new sets back
    #[arg(long)]
    pub no_verify: bool,
    /// Worker threads [default: as the machine has, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
}

/// What a salvage is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvageRequest {
    /// What is looked through.
    pub from: Vec<DevicePath>,
    /// Where the new sets go; none: nothing is written.
    pub to: Option<DevicePath>,
    /// 4 to 32 hexadecimal digits of a set's id, small letters.
    pub set: Option<String>,
    /// Capacity of each new volume in bytes.
    pub volume_size: Option<u64>,
    /// Whether the new sets are read back.
    pub verify: bool,
    /// Worker threads, from 1.
    pub jobs: usize,
}

impl SalvageArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> SalvageRequest {
        SalvageRequest {
            from: self.from.clone(),
            to: self.to.clone().filter(|_| !self.dry_run),
            set: self.set.clone(),
            volume_size: self.volume_size,
            verify: !self.no_verify,
            jobs: jobs(self.jobs),
        }
    }
}

/// Arguments of `rebuild`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  Are catalog and indexes what the blocks say? What was backed up goes into the history:
    intervault rebuild /backup/nightly /backup/weekly

Every copy of every volume is read from its first byte to its last. Nothing on it is changed: a set whose catalog is lost gets
a new one by intervault salvage, as a new set.

Exit status 4: a catalog or an index differs from what the blocks say, or is lost; a copy is damaged or says something else at
its end.")]
pub struct RebuildArgs {
    /// Folders of volumes, single volumes, tapes (tape:PATH), or - for standard input
    #[arg(value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub devices: Vec<DevicePath>,
    /// One set only: its id or the beginning of it
    #[arg(long, value_name = "ID", value_parser = parse::set_id)]
    pub set: Option<String>,
}

/// What a rebuild is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildOptions {
    /// Where the volumes are.
    pub devices: Vec<DevicePath>,
    /// 4 to 32 hexadecimal digits of a set's id, small letters.
    pub set: Option<String>,
}

impl RebuildArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> RebuildOptions {
        RebuildOptions { devices: self.devices.clone(), set: self.set.clone() }
    }
}
