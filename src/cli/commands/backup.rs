//! `intervault backup`: backs up, reads back, prints the label and what was left out.

use crate::cli::args::BackupOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Backs up, reads back, prints the label and what was left out.
///
/// # Errors
/// The operation fails.
pub fn run(_options: &BackupOptions, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "this build has no backup"))
}
