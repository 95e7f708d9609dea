//! `intervault inspect`.

use crate::cli::failure::Failure;
use crate::cli::parse::{self, DevicePath};
use crate::inspect::ENTRIES_SHOWN;
use clap::{Args, Subcommand};

/// Arguments of `inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  Block 3 of the one volume in a file, each byte with the name of its field:
    intervault inspect block 3 \\
        /backup/monday/CMS-031024-01-LSAC-00-F-02.3f1c0a2b.ivv
  The label of volume 2 of a set:
    intervault inspect block 0 /backup/monday --set 3f1c0a2b --volume 2
  What stands at a place where damage was found:
    intervault inspect block --at 81920 /backup/monday --volume 1
  What lies where on each volume, damage included:
    intervault inspect map /backup/monday

Works on any file whatever. Status 4: something that is shown is damaged, or a block that was named by its number is none; a
byte may lie within a block, so that --at where none begins is no damage (status 0). `check --verify` tells what damage costs.
Nothing is ever changed.")]
pub struct InspectArgs {
    /// What is looked at.
    #[command(subcommand)]
    pub what: What,
}

/// What is looked at.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Show one block byte by byte, with the names of its fields
    Block(BlockArgs),
    /// Show what lies where on volumes: runs of blocks, and damage
    Map(MapArgs),
}

/// Which volume is meant.
#[derive(Debug, Clone, Args)]
pub struct VolumeArgs {
    /// A folder of volumes, a tape (tape:PATH), - for standard input, or any file
    #[arg(value_name = "DEVICE", value_parser = parse::device)]
    pub device: DevicePath,
    /// The set, where the device holds several: its id or the beginning of it
    #[arg(long, value_name = "ID", value_parser = parse::set_id)]
    pub set: Option<String>,
    /// The volume of the set, by number from 1
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub volume: Option<u32>,
}

/// Arguments of `inspect block`.
#[derive(Debug, Clone, Args)]
#[command(allow_missing_positional = true)]
pub struct BlockArgs {
    /// Number of the block in its volume, from 0 (the label)
    #[arg(value_name = "N")]
    pub number: Option<u64>,
    /// Which volume; where several fit, the one with the least number
    #[command(flatten)]
    pub volume: VolumeArgs,
    /// Look at this byte of the volume, from 0, whatever stands there
    #[arg(long, value_name = "BYTE", conflicts_with = "number")]
    pub at: Option<u64>,
    /// Show all bytes and all entries of lists
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `inspect map`.
#[derive(Debug, Clone, Args)]
pub struct MapArgs {
    /// Which volumes; all that fit
    #[command(flatten)]
    pub volume: VolumeArgs,
}

/// What is looked at, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectOptions {
    /// Where the volume is.
    pub device: DevicePath,
    /// 4 to 32 hexadecimal digits of the set's id, small letters.
    pub set: Option<String>,
    /// Number of the volume, from 1.
    pub volume: Option<u32>,
    /// What is shown of it.
    pub work: InspectWork,
}

/// What is shown of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectWork {
    /// A block, by number; of each list so many entries.
    Block {
        /// The block, from 0.
        number: u64,
        /// Entries of each list.
        entries: u64,
    },
    /// What stands at a byte.
    At {
        /// The byte, from 0.
        byte: u64,
        /// Entries of each list.
        entries: u64,
    },
    /// What lies where.
    Map,
}

impl InspectArgs {
    /// The options.
    ///
    /// # Errors
    /// Neither a block nor a byte is named.
    pub fn options(&self) -> Result<InspectOptions, Failure> {
        let (volume, work) = match &self.what {
            What::Map(args) => (&args.volume, InspectWork::Map),
            What::Block(args) => {
                let entries = if args.all { u64::MAX } else { ENTRIES_SHOWN };
                let work = match (args.number, args.at) {
                    (_, Some(byte)) => InspectWork::At { byte, entries },
                    (Some(number), None) => InspectWork::Block { number, entries },
                    (None, None) => {
                        return Err(Failure::usage("which block? its number is missing").hint(
                            "intervault inspect block N DEVICE, or --at BYTE; `check --blocks` lists the blocks",
                        ));
                    }
                };
                (&args.volume, work)
            }
        };
        let VolumeArgs { device, set, volume } = volume.clone();
        Ok(InspectOptions { device, set, volume, work })
    }
}
