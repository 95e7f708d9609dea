//! `intervault catalogue`: prints the table catalogue in force, as TOML that can be edited and given back.

use crate::cli::args::CatalogueOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Prints the table catalogue in force.
///
/// # Errors
/// A user's file cannot be read or is no catalogue.
pub fn run(_options: &CatalogueOptions, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "this build has no table catalogue"))
}
