//! How the backups of a machine stand, for people and for programs.

use super::history::{result, run_json, short};
use super::json::SpanBody;
use super::text::{bare, bytes, count, counted, escape, span, table};
use crate::base::time::{Instant, Span, day_of_civil};
use crate::history::runs::Run;
use crate::history::status_line::{last_finished, stamp};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How the backups of a machine stand.
#[derive(Debug)]
pub struct Status<'a> {
    /// Backups that were finished today.
    pub completed_today: usize,
    /// The last one that was finished.
    pub last: Option<&'a Run>,
    /// Age in seconds of the last one that is regular, or of the newest such set on the devices that were named.
    pub age: Option<i64>,
    /// The label of that one, if it has one.
    pub age_of: Option<String>,
    /// The age that it may have.
    pub max_age: Option<u64>,
    /// Runs whose errors still stand.
    pub errors: Vec<&'a Run>,
    /// Runs at work.
    pub at_work: Vec<&'a Run>,
    /// The chains, if they were asked for.
    pub chains: Option<Vec<ChainView>>,
    /// The file of the history.
    pub file: PathBuf,
    /// What should be known of that file.
    pub notices: Vec<String>,
}

/// A chain as it is on the devices.
#[derive(Debug)]
pub struct ChainView {
    /// The set that begins it.
    pub chain: String,
    /// Whether it is a set that belongs to no chain.
    pub alone: bool,
    /// The members that are here, by number.
    pub members: Vec<Member>,
    /// Numbers of members that are not here.
    pub missing: Vec<(u32, u32)>,
}

/// A set in a chain.
#[derive(Debug)]
pub struct Member {
    /// Its id.
    pub set: String,
    /// Its label.
    pub label: String,
    /// Its number in the chain, 0 for the full set.
    pub member: u32,
    /// `full`, `incremental` or `undo`.
    pub kind: &'static str,
    /// When it was begun, in the civil time of its source.
    pub created: String,
    /// The database that it is of.
    pub source: String,
    /// Volumes that are here.
    pub volumes: u64,
    /// Their bytes.
    pub size: u64,
    /// Rows on them.
    pub rows: u64,
    /// The time for which it speaks, from its first instant to its last.
    pub held: Option<Span>,
    /// Whether it was finished and all of its volumes are here.
    pub complete: bool,
    /// Whether it was never finished.
    pub interrupted: bool,
    /// Volumes that are known of and not here.
    pub missing_volumes: Vec<u32>,
    /// Damage that was met.
    pub damage: Vec<String>,
    /// Whether a check has found it damaged, by the history, and none after it that it is whole.
    pub faulty: bool,
    /// Names of volumes that whoever asks is not allowed to open.
    pub closed: Vec<String>,
    /// Who is writing it now, in brackets, empty if that is not known; nothing if nobody is.
    pub writer: Option<String>,
    /// Whether the set that it builds on is here and whole.
    pub parent_here: bool,
    /// Whether the history says that it was proved.
    pub verified: bool,
}

/// The status as the backup window of the product family words it, then what is at work, then the chains.
#[must_use]
pub fn text(status: &Status<'_>) -> String {
    let mut out = format!("Backups completed today: {}\n", count(status.completed_today as u64));
    let line = status.last.map_or_else(|| "No backup has finished yet.".to_owned(), finished);
    let _written = writeln!(out, "Status: {line}");
    match status.errors.as_slice() {
        [] => out.push_str("Errors: none\n"),
        errors => {
            for run in errors {
                let why =
                    run.entry.message.as_deref().map_or_else(String::new, |message| format!(": {}", escape(message)));
                let (began, kind) = (escape(&run.entry.began), run.entry.kind.name());
                let _written = writeln!(out, "Errors: {kind} of {began}, {}{why}", run.state.name());
            }
            out.push_str("  see intervault log --failed\n");
        }
    }
    for run in &status.at_work {
        let entry = &run.entry;
        let places: Vec<&str> = entry.database.iter().chain(&entry.devices).map(String::as_str).collect();
        let (kind, began, owner) = (entry.kind.name(), escape(&entry.began), escape(&entry.owner));
        let _written = writeln!(out, "At work: {kind} since {began}, {owner}: {}", escape(&places.join(", ")));
    }
    if let Some(run) = status.last {
        last_text(&mut out, run);
    }
    age_text(&mut out, status);
    for chain in status.chains.iter().flatten() {
        chain_text(&mut out, chain);
    }
    if status.chains.as_ref().is_some_and(Vec::is_empty) {
        out.push_str("\nThere is no set to look at.\n");
    }
    out
}

/// The line of the product family for the last backup.
fn finished(run: &Run) -> String {
    let civil = run.entry.ended.as_deref().and_then(civil);
    civil.map_or_else(|| "Last backup finished.".to_owned(), last_finished)
}

fn last_text(out: &mut String, run: &Run) {
    let entry = &run.entry;
    let mut facts = vec![result(run)];
    facts.extend(entry.volumes.map(|volumes| counted(volumes, "volume", "volumes")));
    facts.extend(entry.rows.map(|rows| counted(rows, "row", "rows")));
    facts.extend(entry.bytes.map(bytes));
    let label = entry.label.as_deref().unwrap_or("without a label");
    let set = entry.set.as_deref().map(short).unwrap_or_default();
    let _written = writeln!(out, "Last backup: {} {}: {}", escape(label), escape(&set), escape(&facts.join(", ")));
    for device in &entry.devices {
        let _written = writeln!(out, "  on {}", escape(device));
    }
}

fn age_text(out: &mut String, status: &Status<'_>) {
    let (Some(most), Some(age)) = (status.max_age, status.age) else { return };
    let length = |seconds: u64| super::text::duration(Duration::from_secs(seconds));
    let last = status.last.and_then(|run| run.entry.label.as_ref());
    let of = status.age_of.as_ref().filter(|label| Some(*label) != last);
    let of = of.map_or_else(String::new, |label| format!(" of {}, the last that counts", escape(label)));
    match u64::try_from(age) {
        Ok(age) => {
            let word = if age > most { "too old" } else { "young enough" };
            let _written = writeln!(out, "Age{of}: {}, {word}: at most {}", length(age), length(most));
        }
        Err(_) => {
            let ahead = length(age.unsigned_abs());
            let _written =
                writeln!(out, "Age{of}: it lies {ahead} in the future: this clock or that of the backup is wrong");
        }
    }
}

fn chain_text(out: &mut String, chain: &ChainView) {
    let source = chain.members.first().map_or("", |member| member.source.as_str());
    let what = if chain.alone { "Set" } else { "Chain" };
    let _written = writeln!(out, "\n{what} {} of {}", short(&chain.chain), escape(source));
    let rows: Vec<Vec<String>> = chain.members.iter().map(member_line).collect();
    out.push_str(&table(&[">no.", "set", "label", "kind", ">volumes", ">size", ">rows", "speaks for", "state"], &rows));
    for (first, last) in &chain.missing {
        let _written = match first == last {
            true => writeln!(out, "Missing: number {first}"),
            false => writeln!(out, "Missing: numbers {first} to {last}"),
        };
    }
}

fn member_line(member: &Member) -> Vec<String> {
    vec![
        member.member.to_string(),
        short(&member.set),
        member.label.clone(),
        member.kind.to_owned(),
        count(member.volumes),
        bytes(member.size),
        count(member.rows),
        member.held.map_or_else(String::new, span),
        state(member),
    ]
}

/// How a set is, in words.
fn state(member: &Member) -> String {
    if member.writer.is_some() {
        return "being written".to_owned();
    }
    let mut words = Vec::new();
    if member.interrupted {
        words.push("never finished".to_owned());
    }
    if !member.missing_volumes.is_empty() {
        let numbers: Vec<String> = member.missing_volumes.iter().map(u32::to_string).collect();
        words.push(format!("volume {} missing", numbers.join(", ")));
    }
    if member.faulty {
        words.push("damaged, as a check has found".to_owned());
    } else if !member.damage.is_empty() {
        words.push("damaged".to_owned());
    }
    if !member.closed.is_empty() {
        words.push("may not be read".to_owned());
    }
    if words.is_empty() {
        words.push(if member.complete { "whole" } else { "incomplete" }.to_owned());
    }
    if !member.parent_here {
        words.push("what it builds on is not here".to_owned());
    }
    if member.verified {
        words.push("verified".to_owned());
    }
    words.join(", ")
}

/// A civil time with its seconds, as the history writes it.
fn civil(text: &str) -> Option<Instant> {
    let (date, time) = text.split_once(' ')?;
    let numbers = |text: &str, between: char| -> Option<Vec<u32>> {
        text.split(between).map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, second]) = (date.as_slice(), time.as_slice()) else { return None };
    if *hour > 23 || *minute > 59 || *second > 59 {
        return None;
    }
    let day = day_of_civil(i32::try_from(*year).ok()?, *month, *day)?;
    let seconds = i64::from(*hour) * 3_600 + i64::from(*minute) * 60 + i64::from(*second);
    Some(Instant::of_day(day).plus(seconds))
}

/// The body of `intervault/status`.
#[must_use]
pub fn json(status: &Status<'_>) -> Value {
    let ended = status.last.and_then(|run| run.entry.ended.as_deref()).and_then(civil);
    json!({
        "completed_today": status.completed_today,
        "status_line": ended.map(last_finished),
        "last_finished": ended.map(stamp),
        "last": status.last.map(run_json),
        "age_seconds": status.age,
        "age_of": status.age_of,
        "max_age_seconds": status.max_age,
        "errors": status.errors.iter().map(|run| run_json(run)).collect::<Vec<_>>(),
        "at_work": status.at_work.iter().map(|run| run_json(run)).collect::<Vec<_>>(),
        "chains": status.chains.as_ref().map(|chains| chains.iter().map(chain_json).collect::<Vec<_>>()),
        "file": status.file.display().to_string(),
        "notices": status.notices,
    })
}

fn chain_json(chain: &ChainView) -> Value {
    json!({
        "chain": chain.chain,
        "alone": chain.alone,
        "missing": chain.missing.iter().map(|(first, last)| json!({"first": first, "last": last})).collect::<Vec<_>>(),
        "members": chain.members.iter().map(|member| json!({
            "set": member.set,
            "label": member.label,
            "member": member.member,
            "kind": member.kind,
            "created": member.created,
            "source": member.source,
            "volumes": member.volumes,
            "bytes": member.size,
            "rows": member.rows,
            "held": member.held.map(SpanBody::from),
            "complete": member.complete,
            "interrupted": member.interrupted,
            "missing_volumes": member.missing_volumes,
            "damage": member.damage,
            "faulty": member.faulty,
            "closed": member.closed,
            "writer": member.writer.as_deref().map(bare),
            "parent_here": member.parent_here,
            "verified": member.verified,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::entry::{Entry, Event, Kind, Outcome};
    use crate::history::runs::State;
    use crate::history::status_line::parse;

    fn run(outcome: Outcome) -> Run {
        let entry = Entry {
            event: Event::Ended,
            outcome: Some(outcome),
            ended: Some("2000-01-10 11:56:02".to_owned()),
            label: Some("CMS-000110-01-LSAC-00-F-01".to_owned()),
            set: Some("00ff00ff00".to_owned()),
            message: Some("no space\nleft".to_owned()).filter(|_| outcome == Outcome::Failed),
            volumes: Some(2),
            verified: Some(true),
            ..Entry::begun(Kind::Backup, 0, "2000-01-10 11:50:00")
        };
        Run { entry, state: State::Ended(outcome) }
    }

    fn status<'a>(last: Option<&'a Run>, errors: Vec<&'a Run>) -> Status<'a> {
        Status {
            completed_today: 2,
            last,
            age: Some(7_200),
            age_of: last.and_then(|run| run.entry.label.clone()),
            max_age: Some(3_600),
            errors,
            at_work: Vec::new(),
            chains: Some(Vec::new()),
            file: "/s/history.jsonl".into(),
            notices: Vec::new(),
        }
    }

    #[test]
    fn the_status_is_worded_as_the_backup_window_words_it() {
        let (good, bad) = (run(Outcome::Finished), run(Outcome::Failed));
        let shown = text(&status(Some(&good), vec![&bad]));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "Backups completed today: 2");
        assert_eq!(lines[1], "Status: Last backup finished 01/10/2000 11:56:02.");
        assert!(parse(lines[1]).is_some(), "what is written can be read");
        assert_eq!(lines[2], "Errors: backup of 2000-01-10 11:50:00, failed: no space\\u{a}left");
        assert_eq!(lines[3], "  see intervault log --failed");
        assert_eq!(lines[4], "Last backup: CMS-000110-01-LSAC-00-F-01 00ff00ff: finished, verified, 2 volumes");
        assert_eq!(lines[5], "Age: 2:00 h, too old: at most 1:00 h");
        let older = Some("CMS-000109-01-LSAC-00-F-01".to_owned());
        let shown = text(&Status { age_of: older, ..status(Some(&good), vec![]) });
        let line = "Age of CMS-000109-01-LSAC-00-F-01, the last that counts: 2:00 h, too old: at most 1:00 h\n";
        assert!(shown.contains(line), "{shown}");
        let shown = text(&Status { age: Some(-7_200), ..status(None, vec![]) });
        assert!(shown.contains("Status: No backup has finished yet.\nErrors: none\n"), "{shown}");
        assert!(shown.contains("Age: it lies 2:00 h in the future"), "{shown}");
    }

    #[test]
    fn civil_times_read_back_and_others_are_none() {
        assert_eq!(civil("2000-01-10 11:56:02").map(|at| at.to_string()).as_deref(), Some("2000-01-10 11:56:02"));
        for foreign in ["", "2000-01-10", "2000-02-30 00:00:00", "2000-01-10 24:00:00", "2000-01-10 1:1", "x y"] {
            assert_eq!(civil(foreign), None, "{foreign}");
        }
    }
}
