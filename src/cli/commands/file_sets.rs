//! `intervault backup --file-sets`: the named sets of files that are meant for this server, each onto volumes of its own.

use super::backup::Answer;
use crate::cli::args::{BackupOptions, trees};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::parse::{self, DevicePath};
use crate::cli::render::text::escape;
use crate::files::sets::{FileSet, FileSets};
use serde_json::{Value, json};
use std::path::Path;

/// Runs it: all sets, one after the other, each by `backup` with its options and its name. One that fails does not keep the
/// others from being written.
///
/// # Errors
/// The file cannot be read or makes no sense, or no set is meant for this server.
pub fn run(
    options: &BackupOptions,
    file: &Path,
    output: &Output,
    mut backup: impl FnMut(BackupOptions, &str) -> Result<Answer, Failure>,
) -> Result<Exit, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::Nothing,
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        Failure::new(exit, format!("cannot read the file sets {name}: {error}"))
    })?;
    let sets = FileSets::parse(&text).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let server = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let meant: Vec<&FileSet> = sets.of_server(&server).collect();
    if meant.is_empty() {
        return Err(Failure::new(Exit::Nothing, format!("no file set of {name} is meant for this server, {server}")));
    }
    let (mut exit, mut bodies) = (Exit::Done, Vec::new());
    for set in meant {
        let done = one(options, set).and_then(|options| backup(options, &set.name));
        exit = exit.worst(done.as_ref().map_or_else(|failure| failure.exit, |answer| answer.exit));
        let body = match done {
            Ok(answer) => {
                if !output.json() {
                    output.line(&format!("File set {}:\n{}\n", escape(&set.name), answer.text.trim_end()));
                }
                answer.warn(output);
                json!({"name": set.name, "backup": answer.json, "error": Value::Null})
            }
            Err(failure) => {
                output.error(&Failure {
                    message: format!("file set {}: {}", set.name, failure.message),
                    ..failure.clone()
                });
                json!({"name": set.name, "backup": Value::Null, "error": failure.message})
            }
        };
        bodies.push(body);
    }
    if output.json() {
        output.object("intervault/file-sets", exit, &json!({"server": server, "sets": bodies}));
    }
    Ok(exit)
}

/// What is backed up of a set, and where.
fn one(options: &BackupOptions, set: &FileSet) -> Result<BackupOptions, Failure> {
    let to = set.to.as_deref().map(parse::device).transpose();
    let to = to.map_err(|error| Failure::usage(format!("to: {error}")))?;
    let to = to.map_or_else(|| options.to.clone(), |to| vec![to]);
    if to.contains(&DevicePath::Pipe) {
        return Err(Failure::usage("a pipe takes one set: file sets go to folders or tapes"));
    }
    Ok(BackupOptions {
        // One that is configured is not meant.
        database: None,
        trees: trees(&set.paths, &set.include, &set.exclude, set.cmsadm)?,
        to,
        ..options.clone()
    })
}
