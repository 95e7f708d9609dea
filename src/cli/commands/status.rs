//! `intervault status`: the last backup, what went wrong since, what is at work, how old the last backup is, and the chains
//! on devices. The history tells the first three; what is on devices is told by the volumes.

use super::{open, rebuild};
use crate::check::{self, Found};
use crate::cli::args::StatusOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::{civil_stamp, database_name, stamp};
use crate::cli::metrics;
use crate::cli::output::Output;
use crate::cli::parse::{self, DevicePath};
use crate::cli::render::status::{self as render, ChainView, Member, Status};
use crate::device::traits::Device;
use crate::history::journal::Journal;
use crate::history::runs::{self, Run, State, completed_on, runs};
use crate::volume::lineage::{Family, families};
use crate::volume::set::SetReader;
use std::collections::BTreeSet;
use std::path::Path;

/// Seconds by which a clock may be behind without a word.
const AHEAD_MAX: i64 = 300;

/// Runs it.
///
/// # Errors
/// The history or a device cannot be read. What the answer tells is not an error, but for `--max-age`.
pub fn run(options: &StatusOptions, journal: &Journal, output: &Output) -> Result<Exit, Failure> {
    let now = jiff::Timestamp::now().as_second();
    let device = open::all_volumes(&options.devices)?;
    let found = found(&device, options)?;
    if let (true, Some(found)) = (options.rebuild, &found) {
        rebuild::run(journal, &found.sets, output)?;
    }
    let reading = journal.read()?;
    let mut runs = runs(&reading.entries, |run| journal.is_at_work(run));
    if let Some(database) = options.database.as_ref().map(database_name) {
        runs.retain(|run| run.entry.database.as_ref() == Some(&database));
    }
    let named = if options.chain && options.devices.is_empty() { named(&runs, output) } else { Vec::new() };
    let other = open::all_volumes(&named)?;
    let found = match found {
        None if !named.is_empty() => Some(look(&other)?),
        found => found,
    };
    let (chains, newest) = match &found {
        Some(found) => (Some(chains(found, &device, &other, &runs)), newest(&found.sets)),
        None => (options.chain.then(Vec::new), None),
    };
    if let Some(path) = &options.metrics {
        metrics::write(path, &metrics::text(&runs, now))?;
    }
    let last = runs.iter().rev().find(|run| run.is_good_backup());
    let last_unix = match options.devices.as_slice() {
        [] => last.map(|run| run.entry.ended_unix.unwrap_or(run.entry.began_unix)),
        _ => newest,
    };
    let age = last_unix.map(|unix| now.saturating_sub(unix));
    let exit = judged(options.max_age, age);
    let today = stamp(now);
    let status = Status {
        completed_today: completed_on(&runs, today.get(..10).unwrap_or_default()),
        last,
        age,
        max_age: options.max_age,
        errors: errors(&runs),
        at_work: runs.iter().filter(|run| run.state == State::AtWork).collect(),
        chains,
        file: journal.path(),
        notices: reading.words(),
    };
    if output.json() {
        output.object("intervault/status", exit, &render::json(&status));
    } else {
        output.line(render::text(&status).trim_end());
    }
    for words in &status.notices {
        output.warning(&format!("the history {}: {words}", status.file.display()));
    }
    for bad in found.iter().flat_map(|found| &found.unreadable) {
        output.warning(&format!("{}: {}", bad.name, bad.reason));
    }
    Ok(found.iter().flat_map(|found| &found.unreadable).map(|bad| Exit::from(bad.class)).fold(exit, Exit::worst))
}

/// Writes the figures of the backups in a history.
///
/// # Errors
/// The history cannot be read, or the file not be written.
pub fn figures(journal: &Journal, path: &Path) -> Result<(), Failure> {
    let runs = runs(&journal.read()?.entries, |run| journal.is_at_work(run));
    metrics::write(path, &metrics::text(&runs, jiff::Timestamp::now().as_second()))
}

/// The exit status for an age.
fn judged(most: Option<u64>, age: Option<i64>) -> Exit {
    let Some(most) = most else { return Exit::Done };
    match age {
        None => Exit::Nothing,
        Some(age) if age < -AHEAD_MAX => Exit::Warnings,
        Some(age) if u64::try_from(age).unwrap_or(0) > most => Exit::Warnings,
        Some(_) => Exit::Done,
    }
}

/// The newest ended run of each kind, where it went wrong.
fn errors(runs: &[Run]) -> Vec<&Run> {
    let mut seen = BTreeSet::new();
    let ended = runs.iter().rev().filter(|run| run.state != State::AtWork);
    let mut last: Vec<&Run> = ended.filter(|run| seen.insert(run.entry.kind.name())).collect();
    last.retain(|run| run.went_wrong());
    last.reverse();
    last
}

fn found<'d>(device: &'d dyn Device, options: &StatusOptions) -> Result<Option<Found<'d>>, Failure> {
    if options.devices.is_empty() { Ok(None) } else { Ok(Some(look(device)?)) }
}

/// The sets of a device; none is no error.
fn look(device: &dyn Device) -> Result<Found<'_>, Failure> {
    if device.list()?.is_empty() {
        return Ok(Found { sets: Vec::new(), unreadable: Vec::new() });
    }
    Ok(check::find(device, None)?)
}

/// The devices of the backups in the history that are there.
fn named(runs: &[Run], output: &Output) -> Vec<DevicePath> {
    let backups = runs.iter().filter(|run| run.is_good_backup());
    let names: BTreeSet<&String> = backups.flat_map(|run| &run.entry.devices).collect();
    let mut devices = Vec::new();
    for name in names {
        // A tape is wound for nobody who did not name it, and what went into a pipe is elsewhere.
        if !matches!(parse::device(name), Ok(DevicePath::Path(_))) {
            continue;
        }
        match parse::device(name).map_err(Failure::usage).and_then(|device| open::volumes(&device).map(|_| device)) {
            Ok(device) => devices.push(device),
            Err(failure) => output.warning(&format!("a device that the history names is not looked at: {failure}")),
        }
    }
    devices
}

/// When the newest whole backup on the devices was begun.
fn newest(sets: &[SetReader<'_>]) -> Option<i64> {
    let whole = sets.iter().filter(|set| set.is_complete() && !set.label().is_undo());
    whole.map(|set| set.label().created_unix).max()
}

fn chains(found: &Found<'_>, one: &dyn Device, other: &dyn Device, history: &[Run]) -> Vec<ChainView> {
    let proved = runs::proved(history);
    let view = |family: Family<'_>| {
        let alone = family.members.iter().all(|set| !set.label().joins_chains());
        let whole: BTreeSet<[u8; 16]> =
            family.members.iter().filter(|set| set.is_complete()).map(|set| set.label().set_id).collect();
        let member = |set: &&SetReader<'_>| Member { size: size(set, one, other), ..member(set, &whole, &proved) };
        ChainView {
            chain: family.chain.to_string(),
            alone,
            members: family.members.iter().map(member).collect(),
            missing: family.missing.clone(),
        }
    };
    families(&found.sets).into_iter().map(view).collect()
}

fn member(set: &SetReader<'_>, whole: &BTreeSet<[u8; 16]>, proved: &BTreeSet<String>) -> Member {
    let outline = check::outline(set);
    let label = &outline.label;
    let held = outline.tables.iter().flat_map(|table| &table.acds).flat_map(|acd| &acd.held).copied();
    Member {
        set: set.set_id().to_string(),
        label: label.label.clone(),
        member: label.sequence,
        kind: match (label.is_undo(), label.incremental) {
            (true, _) => "undo",
            (false, true) => "incremental",
            (false, false) => "full",
        },
        created: civil_stamp(crate::base::time::Instant(label.created_civil)),
        source: format!("{} on {}", label.source_database, label.source_server),
        volumes: outline.volumes.len() as u64,
        size: 0,
        rows: outline.tables.iter().map(|table| table.rows).fold(0, u64::saturating_add),
        held: held.reduce(crate::base::time::Span::hull),
        complete: outline.complete,
        interrupted: outline.interrupted,
        missing_volumes: outline.missing.clone(),
        damage: outline.damage.iter().chain(&outline.wrong).cloned().collect(),
        parent_here: label.parent_set.is_none_or(|parent| whole.contains(&parent)),
        verified: proved.contains(&set.set_id().to_string()),
    }
}

/// Bytes of the volumes that are here, of one copy each.
fn size(set: &SetReader<'_>, one: &dyn Device, other: &dyn Device) -> u64 {
    let names = set.volumes().iter().filter_map(|volume| volume.name.as_deref());
    names.map(|name| one.size(name).or_else(|_| other.size(name)).unwrap_or(0)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::entry::{Entry, Event, Kind, Outcome};

    #[test]
    fn ages_are_judged() {
        let codes = [None, Some(0), Some(100), Some(101), Some(-AHEAD_MAX), Some(-AHEAD_MAX - 1)]
            .map(|age| judged(Some(100), age).code());
        assert_eq!(codes, [10, 0, 0, 3, 0, 3]);
        assert_eq!((judged(None, None), judged(None, Some(i64::MAX))), (Exit::Done, Exit::Done));
    }

    #[test]
    fn an_error_is_what_the_last_run_of_a_kind_left() {
        let run = |sequence, kind, outcome| Run {
            entry: Entry { sequence, event: Event::Ended, outcome: Some(outcome), ..Entry::begun(kind, 0, "") },
            state: State::Ended(outcome),
        };
        let told = [
            run(1, Kind::Backup, Outcome::Failed),
            run(2, Kind::Restore, Outcome::Failed),
            run(3, Kind::Check, Outcome::Failed),
            run(4, Kind::Check, Outcome::Finished),
            run(5, Kind::Backup, Outcome::Interrupted),
            run(6, Kind::Undo, Outcome::Declined),
        ];
        let numbers = |runs: &[Run]| errors(runs).iter().map(|run| run.entry.sequence).collect::<Vec<_>>();
        assert_eq!(numbers(&told), [2, 5]);
        assert_eq!(numbers(&[&told[..], &[run(7, Kind::Backup, Outcome::Finished)]].concat()), [2]);
    }
}
