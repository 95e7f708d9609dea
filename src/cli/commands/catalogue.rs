//! `intervault catalogue`: prints the table catalogue in force, as TOML that can be edited and given back.

use super::open;
use crate::cli::args::CatalogueOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use serde_json::json;

/// Runs it.
///
/// # Errors
/// The catalogue's file cannot be read, or makes no sense.
pub fn run(options: &CatalogueOptions, output: &Output) -> Result<Exit, Failure> {
    let catalogue = open::catalogue(options.catalogue.as_deref())?;
    if output.json() {
        let entries: Vec<_> = catalogue
            .entries()
            .iter()
            .map(|entry| json!({"name": entry.name, "data": entry.data_type.name(), "path": entry.is_path()}))
            .collect();
        output.object("intervault/catalogue", Exit::Done, &json!({"entries": entries, "toml": catalogue.to_toml()}));
    } else {
        output.line(catalogue.to_toml().trim_end());
    }
    Ok(Exit::Done)
}
