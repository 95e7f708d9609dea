//! `intervault status`: the last backup, what went wrong since, what is at work, how old the last backup is, and the chains
//! on devices. The history tells the first three; what is on devices is told by the volumes.

use super::{open, rebuild, unusable};
use crate::check::{self, Found, SetOutline};
use crate::cli::args::StatusOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::{civil_stamp, database_name, database_of_label, device_name, stamp};
use crate::cli::metrics;
use crate::cli::output::Output;
use crate::cli::parse::{self, DevicePath};
use crate::cli::render::status::{self as render, ChainView, Member, Status};
use crate::device::traits::Device;
use crate::format::block::SetId;
use crate::format::label::{LabelRecord, data_types};
use crate::history::journal::Journal;
use crate::history::runs::{self, Run, State, completed_on, errors, last_regular, runs};
use crate::volume::lineage::{Family, families, is_begun_by};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Seconds by which a clock may be behind without a word.
const AHEAD_MAX: i64 = 300;
/// Seconds for which an error stands that nothing settles: what is done once a month has been tried again by then.
const ERRORS_STAND: i64 = 35 * 86_400;

/// Runs it.
///
/// # Errors
/// The history or a device cannot be read. What the answer tells is not an error, but for `--max-age`.
pub fn run(options: &StatusOptions, journal: &Journal, output: &Output) -> Result<Exit, Failure> {
    let now = jiff::Timestamp::now().as_second();
    let device = open::all_volumes(&options.devices)?;
    let found = found(&device, options)?;
    if let (true, Some(found)) = (options.rebuild, &found) {
        rebuild::history(journal, found, output)?;
    }
    let reading = journal.read()?;
    let all = runs(&reading.entries, |run| journal.is_at_work(run));
    let mut runs = all.clone();
    let database = options.database.as_ref().map(database_name);
    if let Some(database) = &database {
        runs.retain(|run| run.entry.database.as_ref() == Some(database));
    }
    let named = if options.chain && options.devices.is_empty() { named(&runs, output) } else { Vec::new() };
    let other = open::all_volumes(&named)?;
    let found = match found {
        None if !named.is_empty() => Some(look(&other)?),
        found => found,
    };
    let (chains, newest) = match &found {
        Some(found) => {
            let sets = sets_of(&found.sets, database.as_deref());
            let here: Vec<String> = options.devices.iter().chain(&named).map(device_name).collect();
            // A check tells of no database.
            let told = Told { proved: runs::proved(&all, &here), faulty: runs::faulty(&all, &here) };
            (Some(chains(found, &sets, &[&device, &other], &told)), newest(&sets, &told, now))
        }
        None => (options.chain.then(Vec::new), None),
    };
    if let Some(path) = &options.metrics {
        metrics::write(path, &metrics::text(&runs, now))?;
    }
    let last = runs.iter().rev().find(|run| run.is_good_backup());
    let (last_unix, age_of) = match options.devices.as_slice() {
        [] => last_regular(&runs)
            .map(|Run { entry, .. }| (entry.ended_unix.unwrap_or(entry.began_unix), entry.label.clone())),
        _ => newest.map(|label| (label.created_unix, Some(label.label.clone()))),
    }
    .unzip();
    let age = last_unix.map(|unix: i64| now.saturating_sub(unix));
    let exit = found.iter().map(unusable::exit_of).fold(judged(options.max_age, age), Exit::worst);
    let today = stamp(now);
    let status = Status {
        completed_today: completed_on(&runs, today.get(..10).unwrap_or_default()),
        last,
        age,
        age_of: age_of.flatten(),
        max_age: options.max_age,
        errors: errors(&runs, now.saturating_sub(ERRORS_STAND)),
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
    found.iter().for_each(|found| unusable::warn(found, "", output));
    Ok(exit)
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

fn found<'d>(device: &'d dyn Device, options: &StatusOptions) -> Result<Option<Found<'d>>, Failure> {
    if options.devices.is_empty() { Ok(None) } else { Ok(Some(look(device)?)) }
}

/// The sets of a device; none is no error.
fn look(device: &dyn Device) -> Result<Found<'_>, Failure> {
    if device.list()?.is_empty() {
        return Ok(Found { sets: Vec::new(), unreadable: Vec::new(), further: 0, writers: BTreeMap::new() });
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

/// The sets that are of a database, or all. Where databases of several servers have that name, those of this server are
/// meant, if there are any.
fn sets_of<'a>(sets: &'a [SetReader<'a>], database: Option<&str>) -> Vec<&'a SetReader<'a>> {
    let named = |set: &&SetReader<'_>| database.is_none() || database_of_label(set.label()).as_deref() == database;
    let mut found: Vec<&SetReader<'_>> = sets.iter().filter(named).collect();
    let server = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let here = |set: &&SetReader<'_>| set.label().source_server == server;
    if database.is_some() && found.iter().any(here) {
        found.retain(here);
    }
    found
}

/// What the history tells of sets on the devices.
struct Told {
    proved: BTreeSet<String>,
    faulty: BTreeSet<String>,
}

/// The label of the newest whole set that is in a chain of a database; or of files alone, if there is no other. One in which a
/// check has found damage is not whole.
fn newest<'a>(sets: &[&'a SetReader<'a>], told: &Told, now: i64) -> Option<&'a LabelRecord> {
    let is_whole = |set: &&&SetReader<'_>| set.is_complete() && !told.faulty.contains(&set.set_id().to_string());
    let whole = || {
        let whole = sets.iter().filter(is_whole).map(|set| set.label());
        whole.filter(|label| label.joins_chains())
    };
    let database = whole().filter(|label| label.data_types & !data_types::CUSTOM != 0);
    let files = || whole().filter(|label| database_of_label(label).is_none());
    let age = |label: &&LabelRecord| (is_begun_by(label, now), label.created_unix);
    database.max_by_key(age).or_else(|| files().max_by_key(age))
}

fn chains(found: &Found<'_>, meant: &[&SetReader<'_>], devices: &[&dyn Device], told: &Told) -> Vec<ChainView> {
    let view = |family: Family<'_>| {
        let alone = family.members.iter().all(|set| !set.label().joins_chains());
        let whole: BTreeSet<[u8; 16]> =
            family.members.iter().filter(|set| set.is_complete()).map(|set| set.label().member().0).collect();
        let member =
            |set: &&SetReader<'_>| Member { size: size(set, devices), ..member(&found.outline(set), &whole, told) };
        ChainView {
            chain: family.chain.to_string(),
            alone,
            members: family.members.iter().map(member).collect(),
            missing: family.missing.clone(),
        }
    };
    let ids: BTreeSet<SetId> = meant.iter().map(|set| set.set_id()).collect();
    let families = families(&found.sets).into_iter();
    families.filter(|family| family.members.iter().any(|set| ids.contains(&set.set_id()))).map(view).collect()
}

fn member(outline: &SetOutline, whole: &BTreeSet<[u8; 16]>, told: &Told) -> Member {
    let label = &outline.label;
    let set = label.set().to_string();
    let held = outline.tables.iter().flat_map(|table| &table.acds).flat_map(|acd| &acd.held).copied();
    Member {
        verified: told.proved.contains(&set),
        faulty: told.faulty.contains(&set),
        set,
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
        closed: outline.closed.clone(),
        writer: outline.writer.clone(),
    }
}

/// Bytes of the volumes that are here, of one copy each.
fn size(set: &SetReader<'_>, devices: &[&dyn Device]) -> u64 {
    let size = |name: &str| devices.iter().find_map(|device| device.size(name).ok()).unwrap_or(0);
    set.volumes().iter().filter_map(|volume| volume.name.as_deref()).map(size).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_judged() {
        let codes = [None, Some(0), Some(100), Some(101), Some(-AHEAD_MAX), Some(-AHEAD_MAX - 1)]
            .map(|age| judged(Some(100), age).code());
        assert_eq!(codes, [10, 0, 0, 3, 0, 3]);
        assert_eq!((judged(None, None), judged(None, Some(i64::MAX))), (Exit::Done, Exit::Done));
    }
}
