//! The arguments of each command as clap reads them, and the typed options that come of them. Whatever can be found wrong
//! without opening anything is found here.

mod backup;
mod check;
mod export;
mod files;
mod history;
mod inspect;
mod journal;
mod listing;
mod prune;
mod restore;
mod roles;
mod salvage;
mod schedule;
mod small;

pub use backup::{BackupArgs, BackupOptions, Selection};
pub use check::{BrCheckArgs, BrDevice, CheckArgs, CheckOptions, CheckWork, Part, PartOptions, Since};
pub use export::{ExportArgs, ExportFormat, ExportOptions, ExportTo};
pub use files::{FilesToArgs, FilesToOptions, TreeArgs, trees};
pub use history::{HistoryOptions, LogArgs, LogOptions, RestoresOptions, StatusArgs, StatusOptions, age};
pub use inspect::{InspectArgs, InspectOptions, InspectWork};
pub use journal::{StateArgs, StateOptions, UndoArgs, UndoOptions};
pub use listing::{Against, ListArgs, ListOptions, Listing};
pub use prune::{KeepArgs, PruneArgs, PruneOptions};
pub use restore::{Carried, PartialPeriods, ProofLevel, RestoreArgs, RestoreOptions, Uncovered, Undo};
pub use roles::{RolesArgs, RolesOptions};
pub use salvage::{RebuildArgs, RebuildOptions, SalvageArgs, SalvageRequest};
pub use schedule::{NightlyBackup, NightlyRestore, ScheduleArgs, ScheduleOptions};
pub use small::{
    CatalogueArgs, CatalogueOptions, DemoArgs, DemoOptions, DevicesArgs, GenArgs, LabelArgs, LabelOptions,
};

use super::failure::Failure;
use super::output::{Color, Style};
use super::parse::DevicePath;
use crate::schema::range::{Request, RequestError};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// What every exit status means, for the end of help pages.
pub const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 failed, 2 wrong command line, 3 done with warnings,
4 damage or difference found, 5 wrong, missing or further volume wanted, 6 busy,
7 not permitted, 8 device or database full, 9 not restorable as asked,
10 nothing there; where several apply, the first in 4, 8, 7, 5, 6, 9, 10, 1, 3.";

/// Backup volumes for the history of contact centres.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "intervault",
    version,
    about = "Backup volumes for the history of contact centres: tables go onto volumes, any range of time comes back",
    after_help = EXIT_STATUS,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// Folder of the history of backups and restores [default: INTERVAULT_STATE, else $XDG_STATE_HOME/intervault, for root
    /// /var/lib/intervault, for others ~/.local/state/intervault]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Configuration: devices by name, hooks, defaults [default: INTERVAULT_CONFIG, else /etc/intervault.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Answer with one JSON object on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but the answer, warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Show no progress (none is shown where standard error is no terminal)
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Use colours; NO_COLOR is heeded
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

impl GlobalArgs {
    /// How the command is to speak.
    #[must_use]
    pub const fn style(&self) -> Style {
        Style { json: self.json, quiet: self.quiet, no_progress: self.no_progress, color: self.color, aside: false }
    }
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Back up tables onto volumes
    Backup(BackupArgs),
    /// Put tables, or a range of time, back
    Restore(RestoreArgs),
    /// Take a restore back
    Undo(UndoArgs),
    /// Show or set whether rows are collected, and who may work
    State(StateArgs),
    /// Show the last backup, errors, what is at work, and the chains on devices
    Status(StatusArgs),
    /// Show the history of backups and restores, or the restores of one database
    Log(LogArgs),
    /// List what is on volumes, or prove that they can be read
    Check(CheckArgs),
    /// Look at blocks byte by byte, or see what lies where on a volume
    Inspect(InspectArgs),
    /// Write rows of a set into files that other tools read
    Export(ExportArgs),
    /// Make new sets of all that is intact of damaged ones
    Salvage(SalvageArgs),
    /// Make catalog, indexes and history anew from volumes, and compare
    Rebuild(RebuildArgs),
    /// Remove old sets by rules of keeping
    Prune(PruneArgs),
    /// Write timers for systemd: backups of a week, nightly restores
    Schedule(ScheduleArgs),
    /// Print the SQL that makes the roles for backups and restores on a server
    Roles(RolesArgs),
    /// List the devices of the configuration
    Devices(DevicesArgs),
    /// Say whose volumes these are, or what a label means
    Label(LabelArgs),
    /// Print the table catalogue in force
    Catalogue(CatalogueArgs),
    /// See it work on real call data
    Demo(DemoArgs),
    /// Write shell completions and manual pages
    #[command(hide = true)]
    Gen(GenArgs),
}

impl Cli {
    /// How the command is to speak: aside, where volumes go to standard output.
    #[must_use]
    pub fn style(&self) -> Style {
        let aside = match &self.command {
            Command::Backup(args) => args.to.contains(&DevicePath::Pipe) && !args.dry_run,
            Command::Export(args) => args.is_to_output(),
            _ => false,
        };
        Style { aside, ..self.global.style() }
    }
}

/// The range of time that is asked for.
fn request(start: Option<&str>, stop: Option<&str>) -> Result<Request, Failure> {
    Request::parse(start, stop).map_err(|error| match error {
        RequestError::Empty { .. } => Failure::usage(error.to_string()),
        // These texts begin with the name of the option.
        _ => Failure::usage(format!("--{error}")),
    })
}

/// Worker threads: as asked, or as many as the machine has, at most 16.
fn jobs(asked: Option<u16>) -> usize {
    let machine = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
    asked.map_or_else(machine, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
        BrCheckArgs::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:\n"), "{help}");
            assert!(help.contains(&format!("  intervault {}", command.get_name())), "{help}");
        }
    }

    #[test]
    fn br_check_shows_examples_and_exit_statuses_on_narrow_terminals_too() {
        let help = BrCheckArgs::command().render_long_help().to_string();
        assert!(
            help.contains("Examples:\n")
                && help.contains("    br_check --type d --path ")
                && help.contains(EXIT_STATUS)
        );
        assert!(EXIT_STATUS.lines().all(|line| line.len() <= 80), "{EXIT_STATUS}");
    }

    #[test]
    fn global_options_stand_anywhere() {
        for line in ["intervault --json -q check d", "intervault check d --json --quiet"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.style(), Style { json: true, quiet: true, ..Style::default() });
        }
    }

    #[test]
    fn the_exit_statuses_are_all_there() {
        use crate::cli::exit::Exit;
        let flat = EXIT_STATUS.replace('\n', " ");
        for exit in Exit::ALL {
            assert!(flat.contains(&format!(" {} ", exit.code())), "{flat}");
        }
    }
}
