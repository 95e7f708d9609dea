//! `intervault prune`.

use crate::cli::failure::Failure;
use crate::cli::parse::{self, DevicePath};
use crate::prune::Rules;
use clap::Args;

/// Rules that say which sets are kept: those that any of them keeps.
#[derive(Debug, Clone, Args)]
pub struct KeepArgs {
    /// Keep the last N sets of each database and kind of data
    #[arg(long, value_name = "N", value_parser = number)]
    pub keep_last: Option<u16>,
    /// Keep the last set of each of the last N days that have one
    #[arg(long, value_name = "N", value_parser = number)]
    pub keep_days: Option<u16>,
    /// Keep the last set of each of the last N weeks (from Monday) that have one
    #[arg(long, value_name = "N", value_parser = number)]
    pub keep_weeks: Option<u16>,
    /// Keep the last set of each of the last N months that have one
    #[arg(long, value_name = "N", value_parser = number)]
    pub keep_months: Option<u16>,
}

impl KeepArgs {
    /// The options as they are written, and their numbers.
    #[must_use]
    pub fn given(&self) -> Vec<(&'static str, u16)> {
        let rules = [
            ("--keep-last", self.keep_last),
            ("--keep-days", self.keep_days),
            ("--keep-weeks", self.keep_weeks),
            ("--keep-months", self.keep_months),
        ];
        rules.into_iter().filter_map(|(name, number)| Some((name, number?))).collect()
    }
}

/// Arguments of `prune`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  What would go if the last 14 sets stay, and one for each of 8 weeks and 12 months?
    intervault prune /backup/nightly --keep-last 14 --keep-weeks 8 \\
        --keep-months 12 --dry-run
  The same without being asked, from a timer:
    intervault prune /backup/nightly --keep-last 14 --keep-weeks 8 \\
        --keep-months 12 --yes
  Undo sets too, all but the last 5 of each database:
    intervault prune history.db.undo --keep-last 1 --undo-sets 5

A set that any rule keeps stays, with all that it builds on. Whatever the rules say, these stay too: the last good
full set of each database and kind of data, and the last that was proved whole; sets whose label says until when; sets
of which volumes are not here; undo sets, without --undo-sets; sets from the future that the history does not know. A
set that was never finished goes once a newer good one is there that does not need it. The history decides which set
is newer, where it knows both; otherwise the chain, then the time on the label.")]
pub struct PruneArgs {
    /// Folders of volumes; several are looked at together
    #[arg(value_name = "DEVICE", value_parser = parse::device, required = true)]
    pub devices: Vec<DevicePath>,
    /// What is kept
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Remove undo sets too, but for the last N of each database
    #[arg(long, value_name = "N", value_parser = number)]
    pub undo_sets: Option<u16>,
    /// Show what would go, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask after showing it
    #[arg(long)]
    pub yes: bool,
}

/// Reads how many are kept: none at all is not meant.
fn number(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) => Err("keep 1 or more, or leave the option out".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("{text:?} is no number from 1 to {}", u16::MAX)),
    }
}

/// What `prune` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneOptions {
    /// Where the volumes are.
    pub devices: Vec<DevicePath>,
    /// What is kept.
    pub rules: Rules,
    /// Whether to stop after the plan.
    pub dry_run: bool,
    /// Whether to go on without asking.
    pub yes: bool,
}

impl PruneArgs {
    /// The options.
    ///
    /// # Errors
    /// No rule says what is kept.
    pub fn options(&self) -> Result<PruneOptions, Failure> {
        if self.keep.given().is_empty() {
            return Err(Failure::usage("nothing says which sets are kept")
                .hint("give --keep-last, --keep-days, --keep-weeks or --keep-months, or several of them"));
        }
        let KeepArgs { keep_last, keep_days, keep_weeks, keep_months } = self.keep;
        let numbers = [keep_last, keep_days, keep_weeks, keep_months];
        let [last, days, weeks, months] = numbers.map(|number| number.map_or(0, usize::from));
        let rules = Rules { last, days, weeks, months, undo_sets: self.undo_sets.map(usize::from) };
        Ok(PruneOptions { devices: self.devices.clone(), rules, dry_run: self.dry_run, yes: self.yes })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser as _;

    fn read(line: &str) -> Result<PruneOptions, String> {
        match Cli::try_parse_from(format!("intervault prune {line}").split(' ')) {
            Ok(Cli { command: Command::Prune(args), .. }) => args.options().map_err(|failure| failure.message),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn rules_are_read() {
        let options = read("/b /c --keep-last 3 --keep-weeks 2 --undo-sets 1 --yes").unwrap();
        let rules = Rules { last: 3, days: 0, weeks: 2, months: 0, undo_sets: Some(1) };
        assert_eq!((options.devices.len(), options.rules, options.yes, options.dry_run), (2, rules, true, false));
    }

    #[test]
    fn what_would_keep_nothing_is_refused() {
        for (line, part) in [
            ("/b", "nothing says"),
            ("/b --undo-sets 3", "nothing says"),
            ("/b --keep-last 0", "keep 1 or more"),
            ("/b --keep-days -1", "-1"),
            ("/b --keep-days 70000", "no number from 1 to 65535"),
            ("--keep-last 1", "DEVICE"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
