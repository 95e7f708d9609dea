//! `intervault demo`: real call data, backed up, checked, ruined, restored; each step with the command that a person would
//! have typed.

use crate::cli::args::DemoOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::render::text;
use crate::demo::{self, Built};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs the demonstration; what it makes stays there.
///
/// # Errors
/// The folder cannot be made or holds something, or a step fails.
pub fn run(options: &DemoOptions, output: &Output) -> Result<Exit, Failure> {
    let folder = folder(options.dir.as_deref())?;
    let database = folder.join("history.db");
    build(&database, output)?;
    Ok(Exit::Done)
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
        std::io::ErrorKind::StorageFull => Exit::Full,
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
