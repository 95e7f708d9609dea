//! `intervault demo`: real call data, backed up, checked, ruined, restored, taken back, restored again; each step with the
//! command that a person would have typed.

use crate::check::{self, TableDigest};
use crate::cli::args::{Cli, DemoOptions};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::render::text;
use crate::cli::{Around, dispatch};
use crate::demo::{self, Built};
use crate::store::sqlite::SqliteStore;
use clap::Parser as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Size of a volume in the demonstration: small, so that there are several.
const VOLUME_SIZE: &str = "2MiB";

/// Runs the demonstration; what it makes stays there.
///
/// # Errors
/// The folder cannot be made or holds something, or a step fails.
pub fn run(options: &DemoOptions, output: &Output) -> Result<Exit, Failure> {
    if output.json() {
        return Err(Failure::usage("the demonstration is for people").hint("leave out --json"));
    }
    let begun = Instant::now();
    let folder = folder(options.dir.as_deref())?;
    let steps = Steps { output, database: folder.join("history.db"), volumes: folder.join("volumes") };
    let built = build(&steps.database, output)?;
    let before = steps.digests()?;
    let (url, device) = (format!("sqlite:{}", steps.database.display()), steps.volumes.display().to_string());
    let days = [format!("--start={}", demo::FIRST_LOST_DAY), format!("--stop={}", demo::LAST_LOST_DAY)];
    let [start, stop] = [days[0].as_str(), days[1].as_str()];

    steps.heading("Back up everything onto small volumes, and read them back");
    steps.command(&["backup", "--database", &url, "--to", &device, "--volume-size", VOLUME_SIZE])?;
    steps.heading("Prove that the volumes can be read, every byte and every row");
    steps.command(&["check", &device, "--verify"])?;
    steps.ruin()?;
    let tables = format!("{},dsplit,wsplit,msplit", demo::LOST_DAYS_IN.join(","));
    let restore = ["restore", "--database", &url, "--from", &device, "--tables", &tables, start, stop];
    let lost = ["restore", "--database", &url, "--from", &device, "--tables", demo::LOST_TABLE, "--yes"];
    steps.heading("See what a restore of those days would replace");
    steps.command(&[&restore[..], &["--dry-run"]].concat())?;
    let ruined = steps.digests()?;
    steps.heading("Restore them: what is deleted is saved first");
    steps.command(&[&restore[..], &["--yes"]].concat())?;
    steps.heading("Take that back, as if it had been a mistake");
    steps.command(&["undo", "--database", &url, "--yes"])?;
    steps.same(&ruined, &steps.digests()?, "as ruined as they were before the restore")?;
    steps.heading("Restore them again, and the table that was lost");
    steps.command(&[&restore[..], &["--yes"]].concat())?;
    steps.command(&lost)?;
    steps.heading("What the database knows of that");
    steps.command(&["log", "--database", &url])?;
    let exit = steps.compare(&before)?;
    output.line(&format!(
        "Done in {}, {} rows. Look around: {}",
        text::duration(begun.elapsed()),
        text::count(built.rows()),
        text::escape(&folder.display().to_string())
    ));
    Ok(exit)
}

struct Steps<'a> {
    output: &'a Output,
    database: PathBuf,
    volumes: PathBuf,
}

impl Steps<'_> {
    fn heading(&self, title: &str) {
        self.output.line(&format!("\n== {title}"));
    }

    /// Runs a command as a person would have typed it, by the road that the command line takes.
    fn command(&self, words: &[&str]) -> Result<(), Failure> {
        let typed: Vec<String> = words.iter().map(|word| text::quoted(word)).collect();
        self.output.line(&format!("$ intervault {}\n", text::escape(&typed.join(" "))));
        let cli = Cli::try_parse_from(std::iter::once("intervault").chain(words.iter().copied()))
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        match dispatch(&cli.command, &Around::nothing(), self.output)? {
            Exit::Done => Ok(()),
            exit => Err(Failure::new(exit, format!("intervault {} ended with status {}", words[0], exit.code()))),
        }
    }

    fn digests(&self) -> Result<Vec<TableDigest>, Failure> {
        Ok(check::digests(&SqliteStore::open(&self.database)?)?)
    }

    fn ruin(&self) -> Result<(), Failure> {
        self.heading(&format!(
            "Lose data: {} to {} of {}, and all of {}",
            demo::FIRST_LOST_DAY,
            demo::LAST_LOST_DAY,
            demo::LOST_DAYS_IN.join(" and "),
            demo::LOST_TABLE
        ));
        let ruined = demo::ruin(&self.database)?;
        self.output.line(&format!(
            "{} deleted, {} overwritten with zeros, {} deleted from {}",
            text::counted(ruined.deleted, "row", "rows"),
            text::count(ruined.spoiled),
            text::count(ruined.emptied),
            demo::LOST_TABLE
        ));
        Ok(())
    }

    /// Compares every table with what it was in the beginning.
    fn compare(&self, before: &[TableDigest]) -> Result<Exit, Failure> {
        self.heading("Is every table what it was? Rows and 128-bit digest of each, before and now");
        let after = self.digests()?;
        let shown = before
            .iter()
            .filter(|was| demo::LOST_DAYS_IN.contains(&was.table.as_str()) || was.table == demo::LOST_TABLE);
        let rows: Vec<Vec<String>> = shown
            .map(|was| vec![was.table.clone(), text::count(was.digest.rows), format!("{:032x}", was.digest.sum)])
            .collect();
        self.output.line(&text::table(&["table", ">rows", "digest"], &rows));
        self.same(before, &after, "equal to what they were in the beginning")?;
        self.output.line("");
        Ok(Exit::Done)
    }

    /// Demands that every table is now what it was.
    fn same(&self, before: &[TableDigest], after: &[TableDigest], what: &str) -> Result<(), Failure> {
        let differ: Vec<&str> =
            before.iter().filter(|was| !after.contains(was)).map(|was| was.table.as_str()).collect();
        if !differ.is_empty() || before.len() != after.len() {
            let message = format!("these tables differ: {}", differ.join(", "));
            return Err(Failure::new(Exit::Damage, message));
        }
        self.output.line(&format!("\nBy their digests all {} tables are {what}.", before.len()));
        Ok(())
    }
}

/// The first step: the database.
fn build(database: &Path, output: &Output) -> Result<Built, Failure> {
    let begun = Instant::now();
    let built = demo::build(database)?;
    output.notice(demo::PROVENANCE);
    output.line(&format!(
        "{}: {} tables, {}, from {} answered calls, built in {}",
        text::escape(&database.display().to_string()),
        built.tables.len(),
        text::counted(built.rows(), "row", "rows"),
        text::count(demo::REAL_CALLS.unsigned_abs()),
        text::duration(begun.elapsed()),
    ));
    Ok(built)
}

/// A folder that is empty and ours to fill.
fn folder(wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(wanted) = wanted else {
        let made = tempfile::Builder::new().prefix("intervault-demo-").tempdir();
        return Ok(made.map_err(|error| cannot_make(&std::env::temp_dir(), &error))?.keep());
    };
    std::fs::create_dir_all(wanted).map_err(|error| cannot_make(wanted, &error))?;
    let mut entries = std::fs::read_dir(wanted).map_err(|error| cannot_make(wanted, &error))?;
    if entries.next().is_some() {
        let message = format!("{} is not empty", text::escape(&wanted.display().to_string()));
        return Err(Failure::usage(message).hint("name another folder, or one that is not there yet"));
    }
    Ok(wanted.to_owned())
}

fn cannot_make(path: &Path, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Exit::NotPermitted,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::FileTooLarge => Exit::Full,
        _ => Exit::Failed,
    };
    Failure::new(exit, format!("cannot work in {}: {error}", text::escape(&path.display().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_is_filled() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(folder(Some(&place.path().join("a/b"))), Ok(place.path().join("a/b")));
        let failure = folder(Some(place.path())).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.ends_with("is not empty"), "{failure}");
    }
}
