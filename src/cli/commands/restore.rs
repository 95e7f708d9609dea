//! `intervault restore`: plans, shows the plan, asks, applies, proves.

use crate::cli::args::RestoreOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Plans, shows the plan, asks, applies, proves.
///
/// # Errors
/// The operation fails.
pub fn run(_options: &RestoreOptions, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "this build has no restore"))
}
