//! The history of this machine, for people and for programs.

use super::text::{bytes, count, counted, escape, table};
use crate::history::entry::Entry;
use crate::history::runs::{Run, State};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The runs, one a line, and below each that went wrong the reason; `more` older ones are not shown.
#[must_use]
pub fn list(runs: &[Run], more: usize) -> String {
    if runs.is_empty() {
        return "The history has nothing of that.".to_owned();
    }
    let rows: Vec<Vec<String>> = runs.iter().map(line).collect();
    let mut out = table(&["began", "what", "result", ">rows", ">size", "set", "database, devices"], &rows);
    for run in runs {
        if let Some(message) = &run.entry.message {
            let (began, kind) = (escape(&run.entry.began), run.entry.kind.name());
            let _written = writeln!(out, "{began} {kind}: {}", escape(message));
        }
    }
    if more > 0 {
        let _written = writeln!(out, "{} before them.", counted(more as u64, "run", "runs"));
    }
    out
}

fn line(run: &Run) -> Vec<String> {
    let entry = &run.entry;
    let number = |number: Option<u64>| number.map_or_else(String::new, count);
    let set = match (&entry.label, &entry.set) {
        (Some(label), Some(set)) => format!("{label} {}", short(set)),
        _ => String::new(),
    };
    let places: Vec<&str> = entry.database.iter().chain(&entry.devices).map(String::as_str).collect();
    vec![
        entry.began.clone(),
        entry.kind.name().to_owned(),
        result(run),
        number(entry.rows),
        entry.bytes.map_or_else(String::new, bytes),
        set,
        places.join(", "),
    ]
}

/// How it ended, in a word or three.
#[must_use]
pub fn result(run: &Run) -> String {
    let entry = &run.entry;
    let mut words = run.state.name().to_owned();
    match run.state {
        State::AtWork => return format!("{words}, {}", entry.owner),
        State::Ended(_) if entry.exit == Some(3) => words.push_str(", with warnings"),
        State::Ended(_) => {}
    }
    match entry.verified {
        Some(true) => words.push_str(", verified"),
        Some(false) => words.push_str(", not verified"),
        None => {}
    }
    if entry.rebuilt {
        words.push_str(", by the volumes");
    }
    words
}

/// The first digits of a set's id.
pub(super) fn short(set: &str) -> String {
    set.chars().take(8).collect()
}

/// The body of `intervault/history`.
#[must_use]
pub fn json(file: &Path, runs: &[Run], more: usize, words: &[String]) -> Value {
    json!({
        "file": file.display().to_string(),
        "notices": words,
        "runs": runs.iter().map(run_json).collect::<Vec<_>>(),
        "more": more,
    })
}

/// A run as JSON.
#[must_use]
pub fn run_json(run: &Run) -> Value {
    let Entry { exit, database, devices, set, label, chain, parent, member, .. } = &run.entry;
    let Entry { rows, bytes, volumes, seconds, verified, proved, faulty, judged, removed, message, .. } = &run.entry;
    json!({
        "sequence": run.entry.sequence,
        "kind": run.entry.kind.name(),
        "state": run.state.name(),
        "began": run.entry.began,
        "began_unix": run.entry.began_unix,
        "ended": run.entry.ended,
        "ended_unix": run.entry.ended_unix,
        "ended_with": exit,
        "owner": run.entry.owner,
        "database": database,
        "data": run.entry.data,
        "acd": run.entry.acd,
        "devices": devices,
        "set": set,
        "label": label,
        "chain": chain,
        "parent": parent,
        "member": member,
        "rows": rows,
        "bytes": bytes,
        "volumes": volumes,
        "seconds": seconds,
        "verified": verified,
        "depth": run.entry.depth,
        "part": run.entry.part,
        "proved": proved,
        "faulty": faulty,
        "judged": judged.iter().map(|judged| json!({
            "sets": judged.sets,
            "copies": judged.copies.iter().map(|on| json!({"device": on.device, "volumes": on.volumes})).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "removed": removed,
        "message": message,
        "rebuilt": run.entry.rebuilt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::entry::{Event, Kind, Outcome};

    #[test]
    fn what_stands_in_a_history_cannot_act_on_a_terminal() {
        let entry = Entry {
            event: Event::Ended,
            outcome: Some(Outcome::Failed),
            label: Some("a\u{1b}[2J".to_owned()),
            set: Some("0123456789".to_owned()),
            message: Some("no\n\u{202e}space".to_owned()),
            ..Entry::begun(Kind::Backup, 0, "1970-01-01 00:00:00\u{7}")
        };
        let shown = list(&[Run { entry, state: State::Ended(Outcome::Failed) }], 1);
        assert!(shown.contains("a\\u{1b}[2J 01234567") && shown.contains("no\\u{a}\\u{202e}space"), "{shown}");
        assert!(!shown.contains('\u{7}') && shown.ends_with("1 run before them.\n"), "{shown}");
    }

    #[test]
    fn results_are_said_in_words() {
        let entry = Entry { exit: Some(3), verified: Some(true), ..Entry::begun(Kind::Backup, 0, "") };
        let run = Run { entry, state: State::Ended(Outcome::Finished) };
        assert_eq!(result(&run), "finished, with warnings, verified");
    }
}
