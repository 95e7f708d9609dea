//! `intervault check`: lists or verifies volumes.

use crate::cli::args::CheckOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Lists or verifies volumes.
///
/// # Errors
/// The operation fails.
pub fn run(_options: &CheckOptions, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "this build has no check"))
}
