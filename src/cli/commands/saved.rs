//! Saved plans as files: written whole or not at all, never over something else.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::text::escape;
use crate::restore::SavedPlan;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// No saved plan is longer, in bytes.
const LONGEST: u64 = 16 << 20;

/// Reads a saved plan.
///
/// # Errors
/// There is no such file, it cannot be read, or is no saved plan.
pub(super) fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    read.map_err(|error| failed("read the saved plan", path, &error))?;
    let plan = SavedPlan::from_text(&String::from_utf8_lossy(&bytes)).map_err(Failure::from);
    plan.map_err(|failure| Failure { message: format!("{}: {}", name(path), failure.message), ..failure })
}

/// Refuses to save a plan where something is already.
///
/// # Errors
/// Something is there.
pub(super) fn check_free(path: &Path) -> Result<(), Failure> {
    // A link that leads nowhere is something too.
    if std::fs::symlink_metadata(path).is_ok() { Err(taken(path)) } else { Ok(()) }
}

/// Writes a saved plan under another name, syncs it and gives it its own; the file that was there first stays.
///
/// # Errors
/// Something has that name by now, or the file cannot be written; nothing is left behind then.
pub(super) fn write(path: &Path, plan: &SavedPlan) -> Result<(), Failure> {
    let text = plan.to_text()?;
    let folder = folder(path);
    let wrong = |error: &std::io::Error| failed("save the plan in", path, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".intervault-plan-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(&folder).map_err(|error| wrong(&error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all());
    written.map_err(|error| wrong(&error))?;
    file.persist_noclobber(path).map_err(|kept| match kept.error.kind() {
        ErrorKind::AlreadyExists => taken(path),
        _ => wrong(&kept.error),
    })?;
    #[cfg(unix)]
    std::fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(|error| wrong(&error))?;
    Ok(())
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn name(path: &Path) -> String {
    escape(&path.display().to_string()).into_owned()
}

fn taken(path: &Path) -> Failure {
    Failure::usage(format!("there is something named {} already, and a plan is saved over nothing", name(path)))
        .hint("give another name, or remove what is there")
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        ErrorKind::NotFound => Exit::Nothing,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Exit::NotPermitted,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Exit::Full,
        _ => Exit::Failed,
    };
    Failure::new(exit, format!("cannot {what} {}: {error}", name(path)))
}
