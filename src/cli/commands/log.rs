//! `intervault log`: the restores in a database's journal, and the units of one of them.

use super::open;
use crate::cli::args::LogOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::render::journal::{self, Entry};
use crate::store::control::Run;
use crate::store::traits::{Snapshot, Store};

/// Runs it. Nothing is changed.
///
/// # Errors
/// The database cannot be read; it has no restore of that number.
pub fn run(options: &LogOptions, output: &Output) -> Result<Exit, Failure> {
    let store = open::database(&options.database)?;
    let snapshot = store.snapshot(1)?;
    let mut runs = snapshot.runs()?;
    if let Some(wanted) = options.run {
        runs.retain(|run| run.number == wanted);
        if runs.is_empty() {
            let hint = "intervault log without --run lists them";
            let message = format!("the database has no restore number {wanted}");
            return Err(Failure::new(Exit::Nothing, message).hint(hint));
        }
    }
    let entries = runs.into_iter().map(|run| entry(snapshot.as_ref(), run)).collect::<Result<Vec<_>, _>>()?;
    let ranges = if options.run.is_some() { snapshot.ranges()? } else { Vec::new() };
    if output.json() {
        output.object("intervault/log", Exit::Done, &journal::json(&entries, options.run.map(|_| ranges.as_slice())));
        return Ok(Exit::Done);
    }
    match (options.run, entries.first()) {
        (Some(_), Some(entry)) => output.line(journal::one(entry, &ranges).trim_end()),
        (_, None) => output.line("No restore of this database is in its journal."),
        (None, Some(_)) => output.line(journal::list(&entries).trim_end()),
    }
    Ok(Exit::Done)
}

fn entry(snapshot: &dyn Snapshot, run: Run) -> Result<Entry, Failure> {
    let units = snapshot.units(run.number)?;
    let ended = run.ended_unix.map(open::local);
    let utc = (open::utc(run.begun_unix), run.ended_unix.and_then(open::utc));
    Ok(Entry { begun: open::local(run.begun_unix), ended, utc, units, run })
}
