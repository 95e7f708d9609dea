//! What works with the restore journal of a database: `undo`, `state`, `log`.

use crate::cli::parse::{self, DatabaseUrl, DevicePath};
use crate::store::control::{Collection, Mode};
use clap::Args;

/// Reads one of the words of an enumeration.
fn word<T: Copy>(text: &str, of: fn(&str) -> Option<T>, all: &[&str]) -> Result<T, String> {
    of(text).ok_or_else(|| format!("write {}", all.join(" or ")))
}

fn collection(text: &str) -> Result<Collection, String> {
    word(text, Collection::of_word, &[Collection::On.word(), Collection::Off.word()])
}

fn mode(text: &str) -> Result<Mode, String> {
    word(text, Mode::of_word, &[Mode::SingleUser.word(), Mode::MultiUser.word()])
}

/// Arguments of `undo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  See what taking the last restore back would do; nothing is touched:
    intervault undo --database sqlite:history.db --dry-run
  Do it, with the undo set where the restore said that it is:
    intervault undo --database sqlite:history.db --from history.db.undo
  Take restore 3 back, without asking:
    intervault undo --database sqlite:history.db --from /backup/undo --run 3 \\
        --yes

The rows that the restore inserted go, those that it deleted come back under their own row numbers. Rows that came since are
left alone; where rows in its ranges have changed since, it is refused until told (--partial or --force).
A restore that ended early can be taken back too. Stopped by Ctrl-C, the same command goes on.")]
pub struct UndoArgs {
    /// The database: sqlite:PATH or postgresql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = parse::database)]
    pub database: DatabaseUrl,
    /// Where the undo set is: a folder, one volume, tape:PATH, or - for standard input [default: where the restore wrote it]
    #[arg(long, value_name = "UNDO-DEVICE", value_parser = parse::device)]
    pub from: Vec<DevicePath>,
    /// Number of the restore, as `log` shows it [default: the last that is not taken back]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub run: Option<u64>,
    /// Leave units alone whose rows have changed since, and take the others back
    #[arg(long, conflicts_with = "force")]
    pub partial: bool,
    /// Take units back too whose rows have changed since: what is in their ranges now is deleted
    #[arg(long)]
    pub force: bool,
    /// Show what would be done, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask after showing it
    #[arg(long)]
    pub yes: bool,
}

/// What an undo is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoOptions {
    /// The database.
    pub database: DatabaseUrl,
    /// Where the undo set is; where the journal says if empty.
    pub from: Vec<DevicePath>,
    /// Number of the restore; the last that is not taken back if `None`.
    pub run: Option<u64>,
    /// Whether units that have changed since are left alone and the others taken back.
    pub partial: bool,
    /// Whether units that have changed since are taken back too.
    pub force: bool,
    /// Whether to stop after the plan.
    pub dry_run: bool,
    /// Whether to go on without asking.
    pub yes: bool,
}

impl UndoArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> UndoOptions {
        UndoOptions {
            database: self.database.clone(),
            from: self.from.clone(),
            run: self.run,
            partial: self.partial,
            force: self.force,
            dry_run: self.dry_run,
            yes: self.yes,
        }
    }
}

/// Arguments of `state`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  Show it:
    intervault state --database sqlite:history.db
  Before administration data are restored:
    intervault state --database sqlite:history.db --collection off \\
        --mode single-user
  Afterwards:
    intervault state --database sqlite:history.db --collection on \\
        --mode multi-user

The state is a word kept in the database, which restores heed: it stops no collection and logs nobody out by itself.")]
pub struct StateArgs {
    /// The database: sqlite:PATH or postgresql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", value_parser = parse::database)]
    pub database: DatabaseUrl,
    /// Say whether rows arrive: on or off
    #[arg(long, value_name = "WHETHER", value_parser = collection)]
    pub collection: Option<Collection>,
    /// Say who may work: single-user or multi-user
    #[arg(long, value_name = "WHO", value_parser = mode)]
    pub mode: Option<Mode>,
}

/// What `state` is asked to show or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateOptions {
    /// The database.
    pub database: DatabaseUrl,
    /// Whether rows arrive from now on, if it is to be set.
    pub collection: Option<Collection>,
    /// Who may work from now on, if it is to be set.
    pub mode: Option<Mode>,
}

impl StateArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> StateOptions {
        StateOptions { database: self.database.clone(), collection: self.collection, mode: self.mode }
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
    fn words_and_numbers_are_read() {
        let Ok(Command::State(args)) = read("intervault state --database sqlite:a --collection off --mode single-user")
        else {
            panic!("not a state")
        };
        assert_eq!((args.options().collection, args.options().mode), (Some(Collection::Off), Some(Mode::SingleUser)));
        let Ok(Command::Undo(args)) = read("intervault undo --database sqlite:a --run 3 --force") else {
            panic!("not an undo")
        };
        let options = args.options();
        assert_eq!((options.run, options.force, options.partial, options.from.len()), (Some(3), true, false, 0));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (line, part) in [
            ("state --database sqlite:a --collection maybe", "write on or off"),
            ("state --database sqlite:a --mode everybody", "write single-user or multi-user"),
            ("undo --database sqlite:a --force --partial", "cannot be used with"),
            ("undo --database sqlite:a --run 0", "0 is not in 1.."),
        ] {
            let error = read(&format!("intervault {line}")).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
