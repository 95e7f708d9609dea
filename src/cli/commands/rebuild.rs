//! `intervault rebuild`: catalog and indexes made anew from volumes, and the history: sets on devices that it does not have get a
//! line, in the place where they belong.

use super::{open, unusable};
use crate::base::time::Instant;
use crate::check::{self, Found};
use crate::cli::args::RebuildOptions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::job::{civil_stamp, data_words, database_of_label, label_into};
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::render::salvage as render;
use crate::cli::render::text::counted;
use crate::error::Class;
use crate::history::entry::{Entry, Event, Kind, Outcome};
use crate::history::journal::Journal;
use crate::rebuild::{Compared, rebuild};
use crate::schema::grain::DataType;
use crate::volume::set::{SetReader, VolumeView};
use std::collections::BTreeMap;

/// Compares catalog and indexes of all sets with what their blocks say, and completes the history.
///
/// # Errors
/// There is nothing to look at, a device fails, the history cannot be written. What differs is in the answer and in the exit
/// status.
pub fn run(options: &RebuildOptions, journal: Option<&Journal>, output: &Output) -> Result<Exit, Failure> {
    let device = open::all_volumes(&options.devices)?;
    let found = check::find(&device, options.set.as_deref())?;
    let mut exit = unusable::exit_of(&found);
    let progress = Progress::new(output);
    let mut rebuilt = Vec::new();
    for set in &found.sets {
        let label = &set.label().label;
        if let Some(writer) = found.writers.get(&set.set_id()) {
            exit = exit.worst(Exit::Busy);
            output.warning(&format!("{label} is being written now{writer}: look again when that is done"));
            continue;
        }
        match rebuild(set, &progress) {
            Ok(one) => {
                exit = one.all().map(exit_of).fold(exit, Exit::worst);
                rebuilt.push(one);
            }
            // The other sets may be read all the same.
            Err(error) if error.class() == Class::NotPermitted => {
                exit = exit.worst(Exit::NotPermitted);
                output.warning(&format!("{label} is not compared: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(journal) = journal {
        history(journal, &found, output)?;
    }
    if output.json() {
        output.object("intervault/rebuild", exit, &render::rebuilt_json(&rebuilt));
    } else {
        output.line(render::rebuilt_text(&rebuilt).trim_end());
    }
    unusable::warn(&found, "", output);
    Ok(exit)
}

fn exit_of(compared: &Compared) -> Exit {
    match compared {
        Compared::Equal => Exit::Done,
        Compared::Differs(_) | Compared::Missing(_) => Exit::Damage,
        Compared::NotJudged(_) => Exit::Volume,
    }
}

/// Writes the sets into the history that are not in it. A line that was made up while the end of a set was elsewhere is
/// replaced when that is here.
///
/// # Errors
/// The history cannot be read or written; then it is as it was.
pub(super) fn history(journal: &Journal, found: &Found<'_>, output: &Output) -> Result<(), Failure> {
    let reading = journal.read()?;
    // Who writes a set writes its line too.
    let told = |set: &&SetReader<'_>| !set.label().is_undo() && !found.writers.contains_key(&set.set_id());
    let found = found.sets.iter().filter(told).map(entry);
    let (mut entries, number) = completed(reading.entries, found.collect());
    if number == 0 {
        output.notice("The history has all sets of these devices.");
        return Ok(());
    }
    journal.replace(&mut entries)?;
    output.notice(&format!(
        "{} written into the history {}.",
        counted(number, "set that it lacked was", "sets that it lacked were"),
        journal.path().display()
    ));
    Ok(())
}

/// The lines with those that were found and are news, and how many these are.
fn completed(mut old: Vec<Entry>, mut found: Vec<Entry>) -> (Vec<Entry>, u64) {
    // What a line that was made up, or that something began, does not know is told by a set that is finished.
    let weak = |entry: &Entry| entry.event == Event::Begun || entry.rebuilt && entry.outcome != Some(Outcome::Finished);
    found.retain(|new| {
        let same = |entry: &&Entry| entry.kind == Kind::Backup && entry.set.is_some() && entry.set == new.set;
        let mut known = old.iter().filter(same).peekable();
        known.peek().is_none() || new.outcome == Some(Outcome::Finished) && known.all(weak)
    });
    let replaced = |entry: &Entry| entry.rebuilt && found.iter().any(|new| new.set == entry.set);
    old.retain(|entry| !replaced(entry));
    let number = found.len() as u64;
    (merged(old, found), number)
}

fn backups(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.kind == Kind::Backup && entry.event == Event::Ended)
}

/// What the volumes of a set say of the backup that wrote it. When it ended they do not say.
fn entry(set: &SetReader<'_>) -> Entry {
    let label = set.label();
    let began = civil_stamp(Instant(label.created_civil));
    let sections = set.sections();
    // As the backup counted them, those that are elsewhere included where the catalog tells.
    let bytes = |volume: &VolumeView| {
        let here = || volume.name.as_ref().map_or(0, |name| set.size(name));
        volume.entry.map_or_else(here, |entry| entry.bytes)
    };
    let data: Vec<DataType> = DataType::ALL.into_iter().filter(|data| label.data_types & data.bit() != 0).collect();
    // Volumes before the last may be elsewhere: the last one gets its name when all of them are written, and proved.
    let (outcome, message) = match (set.is_finished(), set.is_interrupted()) {
        (true, _) => (Outcome::Finished, None),
        (false, true) => (Outcome::Interrupted, None),
        (false, false) => (Outcome::Interrupted, Some("the last volume of the set was not on the devices".to_owned())),
    };
    let mut entry = Entry {
        event: Event::Ended,
        ended_unix: Some(label.created_unix),
        ended: Some(began.clone()),
        outcome: Some(outcome),
        message,
        database: database_of_label(label),
        data: data_words(&data),
        acd: label.acd,
        rows: Some(sections.iter().map(|section| section.rows_here()).fold(0, u64::saturating_add)),
        bytes: Some(set.volumes().iter().map(bytes).fold(0, u64::saturating_add)),
        volumes: Some(set.volumes().len() as u64),
        rebuilt: true,
        ..Entry::begun(Kind::Backup, label.created_unix, &began)
    };
    label_into(&mut entry, label);
    entry
}

/// Old lines in their order; each new one before the first backup that began after it, but never before the set that it
/// builds on. So a clock that was set back moves a set within the history, and tears no chain.
fn merged(old: Vec<Entry>, mut new: Vec<Entry>) -> Vec<Entry> {
    let times: BTreeMap<String, (i64, Option<String>)> = new
        .iter()
        .chain(backups(&old))
        .filter_map(|entry| Some((entry.set.clone()?, (entry.began_unix, entry.parent.clone()))))
        .collect();
    let when = |entry: &Entry| {
        let mut at = entry.began_unix;
        let mut parent = entry.parent.as_ref();
        // Parents that go round in a circle are no chain.
        for _ in 0..=times.len() {
            let Some((time, next)) = parent.and_then(|parent| times.get(parent)) else { break };
            at = at.max(*time);
            parent = next.as_ref();
        }
        (at, entry.member.unwrap_or(0))
    };
    new.sort_by_key(when);
    let mut out = Vec::with_capacity(old.len().saturating_add(new.len()));
    let mut new = new.into_iter().peekable();
    for line in old {
        let backup = line.kind == Kind::Backup;
        while let Some(entry) = new.next_if(|entry| backup && when(entry).0 < line.began_unix) {
            out.push(entry);
        }
        out.push(line);
    }
    out.extend(new);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(set: &str, began_unix: i64, parent: Option<&str>, member: u32) -> Entry {
        Entry {
            event: Event::Ended,
            set: Some(set.to_owned()),
            parent: parent.map(str::to_owned),
            member: Some(member),
            ..Entry::begun(Kind::Backup, began_unix, "")
        }
    }

    fn sets(entries: &[Entry]) -> String {
        entries.iter().map(|entry| entry.set.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sets_come_where_they_belong() {
        let old =
            vec![line("b", 20, None, 0), Entry { kind: Kind::Check, ..line("-", 5, None, 0) }, line("d", 40, None, 0)];
        let new = vec![line("e", 50, None, 0), line("a", 10, None, 0), line("c", 30, None, 0)];
        assert_eq!(sets(&merged(old, new)), "a b - c d e");
    }

    #[test]
    fn a_set_is_written_once_and_again_when_its_end_is_found() {
        let made = |set: &str, outcome| Entry { outcome: Some(outcome), rebuilt: true, ..line(set, 10, None, 0) };
        let torn = || vec![made("a", Outcome::Interrupted)];
        let whole = || vec![made("a", Outcome::Finished)];
        let told = |old: Vec<Entry>, found: Vec<Entry>| {
            let (lines, number) = completed(old, found);
            (number, lines.iter().filter_map(|entry| entry.outcome.map(Outcome::name)).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(told(Vec::new(), torn()), (1, "interrupted".to_owned()));
        assert_eq!(told(torn(), torn()), (0, "interrupted".to_owned()));
        assert_eq!(told(torn(), whole()), (1, "finished".to_owned()));
        assert_eq!(told(whole(), torn()), (0, "finished".to_owned()));
        let begun = || vec![Entry { event: Event::Begun, ..line("a", 10, None, 0) }];
        assert_eq!((told(begun(), torn()).0, told(begun(), whole()).0), (0, 1));
        let failed = vec![Entry { outcome: Some(Outcome::Failed), ..line("a", 10, None, 0) }];
        assert_eq!(told([begun(), failed].concat(), whole()).0, 0, "who wrote it knows better");
    }

    #[test]
    fn a_clock_that_was_set_back_tears_no_chain() {
        let new = vec![line("i2", 5, Some("i1"), 2), line("i1", 30, Some("f"), 1), line("f", 20, None, 0)];
        assert_eq!(sets(&merged(Vec::new(), new.clone())), "f i1 i2");
        let old = vec![line("f", 20, None, 0), line("x", 25, None, 0)];
        let new = vec![line("i1", 3, Some("f"), 1), line("i2", 4, Some("i1"), 2)];
        assert_eq!(sets(&merged(old, new)), "f i1 i2 x");
        let round = vec![line("a", 1, Some("b"), 1), line("b", 2, Some("a"), 2)];
        assert_eq!(merged(Vec::new(), round).len(), 2);
    }
}
