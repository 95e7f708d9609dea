//! `intervault log`: the history of this machine; or the restores in a database's journal, and the units of one of them.

use super::open;
use crate::cli::args::{HistoryOptions, RestoresOptions};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::render::history;
use crate::cli::render::journal::{self, Entry};
use crate::history::journal::Journal;
use crate::history::runs::runs;
use crate::store::control::Run;
use crate::store::traits::Snapshot;

/// Runs it. Nothing is changed.
///
/// # Errors
/// The database cannot be read; it has no restore of that number.
pub fn run(options: &RestoresOptions, output: &Output) -> Result<Exit, Failure> {
    let store = open::database(&options.database)?;
    let snapshot = store.snapshot(1)?;
    let mut found = snapshot.runs()?;
    if let Some(wanted) = options.run {
        found.retain(|run| run.number == wanted);
        if found.is_empty() {
            let hint = "intervault log without --run lists them";
            let message = format!("the database has no restore number {wanted}");
            return Err(Failure::new(Exit::Nothing, message).hint(hint));
        }
    }
    let entries = found.into_iter().map(|run| entry(snapshot.as_ref(), run)).collect::<Result<Vec<_>, _>>()?;
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

/// Shows the history of this machine.
///
/// # Errors
/// It cannot be read.
pub fn history(options: &HistoryOptions, journal: &Journal, output: &Output) -> Result<Exit, Failure> {
    let reading = journal.read()?;
    let mut shown = runs(&reading.entries, |run| journal.is_at_work(run));
    shown.retain(|run| !options.failed || run.went_wrong());
    let more = shown.len().saturating_sub(options.last);
    shown.drain(..more);
    let words = reading.words();
    if output.json() {
        let body = history::json(&journal.path(), &shown, more, &words);
        output.object("intervault/history", Exit::Done, &body);
    } else {
        output.line(history::list(&shown, more).trim_end());
    }
    words.iter().for_each(|words| output.warning(&format!("the history {}: {words}", journal.path().display())));
    Ok(Exit::Done)
}

fn entry(snapshot: &dyn Snapshot, run: Run) -> Result<Entry, Failure> {
    let units = snapshot.units(run.number)?;
    let ended = run.ended_unix.map(open::local);
    let utc = (open::utc(run.begun_unix), run.ended_unix.and_then(open::utc));
    Ok(Entry { begun: open::local(run.begun_unix), ended, utc, units, run })
}
