//! What a restore did and how it ended, for people and for programs; and the commands that finish it or take it back.

use super::json::{ErrorBody, SpanBody, error_body};
use super::text::{bytes, count, counted, duration, escape, quoted, rate, span, table};
use crate::base::time::Span;
use crate::cli::args::{RestoreOptions, Undo};
use crate::cli::failure::Failure;
use crate::cli::parse::{DatabaseUrl, DevicePath};
use crate::format::block::SetId;
use crate::restore::{Outcome, Part, RestoreReport, Unfinished, UnitReport};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Where the rows are that a restore deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The undo set.
    pub set: SetId,
    /// The device that it is on.
    pub place: String,
}

/// How a restore ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// What was done.
    pub report: &'a RestoreReport,
    /// Why it ended early; `None` if it did not.
    pub stopped: Option<&'a Failure>,
    /// Where the rows are that the run deleted, in whichever of its parts.
    pub kept: Option<Kept>,
    /// The database.
    pub database: &'a DatabaseUrl,
    /// The devices that it restored from.
    pub from: &'a [DevicePath],
}

impl Ending<'_> {
    /// The command that takes the run back, if that can be done.
    #[must_use]
    pub fn undo_command(&self) -> Option<String> {
        let (run, kept) = (self.report.run?, self.kept.as_ref()?);
        let database = quoted(&self.database.to_string());
        Some(format!("intervault undo --database {database} --from {} --run {run}", quoted(&kept.place)))
    }

    /// The command that finishes the run, if it is not finished.
    #[must_use]
    pub fn resume_command(&self) -> Option<String> {
        let (Some(_), Some(_)) = (self.report.run, self.stopped) else { return None };
        Some(format!("{} --resume", restore_command(self.database, self.from)))
    }

    fn ended(&self) -> &'static str {
        if self.stopped.is_some() { "stopped" } else { "finished" }
    }
}

fn restore_command(database: &DatabaseUrl, from: &[DevicePath]) -> String {
    let from: Vec<String> = from.iter().map(|from| format!(" --from {}", quoted(&from.to_string()))).collect();
    format!("intervault restore --database {}{}", quoted(&database.to_string()), from.concat())
}

/// The command that applies a plan which was saved with these options.
#[must_use]
pub fn apply_command(options: &RestoreOptions, file: &Path) -> String {
    let undo = match &options.undo {
        Undo::Beside => String::new(),
        Undo::On(device) => format!(" --undo {}", quoted(&device.to_string())),
        Undo::Declined => " --no-undo".to_owned(),
    };
    let command = restore_command(&options.database, &options.from);
    format!("{command} --plan {}{undo}", quoted(&file.display().to_string()))
}

/// Where a plan was saved, in words.
#[must_use]
pub fn plan_saved_text(file: &Path, command: &str) -> String {
    let file = file.display().to_string();
    format!("\nNothing was changed. The plan is saved in {}; to apply it:\n    {}", escape(&file), escape(command))
}

/// The word for what became of a unit.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Replaced => "replaced",
        Outcome::ReplacedBefore => "replaced before",
        Outcome::RolledBack => "rolled back",
        Outcome::InDoubt => "in doubt",
        Outcome::NotBegun => "not begun",
    }
}

/// Which part of its table a unit is, for people.
#[must_use]
pub fn part_text(part: Part) -> String {
    match part {
        Part::Whole => "all rows".to_owned(),
        Part::Undated => "rows without a usable time".to_owned(),
        Part::Both => "all ranges, and rows without a usable time".to_owned(),
        Part::Slice(slice) => span(slice),
    }
}

/// The word for it, for programs.
#[must_use]
pub const fn part_word(part: Part) -> &'static str {
    match part {
        Part::Whole => "whole",
        Part::Undated => "undated",
        Part::Both => "both",
        Part::Slice(_) => "slice",
    }
}

/// The units, those of one table that follow each other with one outcome on a line together.
fn units_table(units: &[UnitReport]) -> String {
    let together = units.chunk_by(|one, next| one.table == next.table && one.outcome == next.outcome);
    let lines: Vec<Vec<String>> = together
        .filter_map(|units| {
            let first = units.first()?;
            let slices = units.iter().filter_map(|unit| match unit.part {
                Part::Slice(slice) => Some(slice),
                Part::Whole | Part::Undated | Part::Both => None,
            });
            let whole = slices.reduce(Span::hull).map_or_else(|| part_text(first.part), span);
            Some(vec![first.table.clone(), whole, count(units.len() as u64), outcome(first.outcome).to_owned()])
        })
        .collect();
    table(&["table", "time", ">units", "what became of it"], &lines)
}

/// What was done, in words.
#[must_use]
pub fn report_text(ending: &Ending<'_>) -> String {
    let report = ending.report;
    let lines: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|done| {
            let buckets = if report.proved { count(done.buckets) } else { "-".to_owned() };
            vec![done.table.clone(), count(done.deleted), count(done.inserted), buckets]
        })
        .collect();
    let mut out = String::new();
    if !lines.is_empty() {
        out.push_str(&table(&["table", ">deleted", ">inserted", ">buckets proved"], &lines));
        out.push('\n');
    }
    match ending.stopped {
        None => finished(&mut out, ending),
        Some(_) => stopped(&mut out, ending),
    }
    saved(&mut out, ending);
    if let (None, Some(undo)) = (ending.stopped, ending.undo_command()) {
        let _written = writeln!(out, "To take it back:\n    {}", escape(&undo));
    }
    out
}

fn finished(out: &mut String, ending: &Ending<'_>) {
    let report = ending.report;
    let Some(run) = report.run else {
        out.push_str("Nothing had to be changed.\n");
        return;
    };
    let before = match report.count(Outcome::ReplacedBefore) as u64 {
        0 => String::new(),
        units => format!(" ({} before)", counted(units, "unit", "units")),
    };
    let units = counted(report.count(Outcome::Replaced) as u64, "unit", "units");
    let _written = writeln!(out, "Restore {run} is finished. Replaced {units}{before} in {}.", times(report));
}

/// How long deleting, inserting and proving took, and how fast that was.
fn times(report: &RestoreReport) -> String {
    let sum =
        |rows: fn(&crate::restore::TableReport) -> u64| report.tables.iter().map(rows).fold(0, u64::saturating_add);
    let inserted = sum(|table| table.inserted);
    let changed = sum(|table| table.deleted).saturating_add(inserted);
    let proof = match report.proved {
        true => format!(
            ", read again and compared by digest in {}{}",
            duration(report.proof_time),
            rate(inserted, report.proof_time)
        ),
        false => ", compared by count".to_owned(),
    };
    format!("{}{}{proof}", duration(report.apply_time), rate(changed, report.apply_time))
}

fn stopped(out: &mut String, ending: &Ending<'_>) {
    let report = ending.report;
    let Some(run) = report.run else {
        out.push_str("It ended before its first unit: the database is as it was.\n");
        return;
    };
    out.push_str(&units_table(&report.units));
    let units = |outcome: Outcome| count(report.count(outcome) as u64);
    let _written = writeln!(
        out,
        "\nRestore {run} ended early: of {} {} replaced, {} rolled back, {} not begun. Every unit is wholly as it was or \
         wholly replaced.",
        counted(report.units.len() as u64, "unit", "units"),
        count((report.count(Outcome::Replaced).saturating_add(report.count(Outcome::ReplacedBefore))) as u64),
        units(Outcome::RolledBack),
        units(Outcome::NotBegun),
    );
    if report.count(Outcome::InDoubt) > 0 {
        out.push_str("The database failed while a unit was made permanent: intervault log says what it has come to.\n");
    }
    if let Some(resume) = ending.resume_command() {
        let _written = writeln!(out, "To finish it:\n    {}", escape(&resume));
    }
    match ending.undo_command() {
        Some(undo) => drop(writeln!(out, "To take it back:\n    {}", escape(&undo))),
        None => out.push_str("It cannot be taken back: what it deleted was not saved.\n"),
    }
}

/// Where the rows are that went.
fn saved(out: &mut String, ending: &Ending<'_>) {
    if let Some(undo) = &ending.report.undo {
        let what = if undo.rows == 0 { "No row had to be deleted" } else { "What was deleted is saved" };
        let _written = writeln!(
            out,
            "{what}: {} in undo set {} ({}, {}), {}, in {}{}.",
            counted(undo.rows, "row", "rows"),
            escape(&undo.label),
            undo.set,
            bytes(undo.bytes),
            escape(&undo.place),
            duration(ending.report.undo_time),
            rate(undo.rows, ending.report.undo_time),
        );
    } else if ending.stopped.is_none() && ending.report.run.is_some() && ending.kept.is_none() {
        out.push_str("What was deleted was not saved: this restore cannot be taken back.\n");
    }
}

/// What was done, as one JSON object.
#[must_use]
pub fn report_json(ending: &Ending<'_>) -> Value {
    let report = ending.report;
    json!({
        "ended": ending.ended(),
        "error": ending.stopped.map(error_json),
        "run": report.run,
        "tables": report.tables.iter().map(|done| json!({
            "table": done.table, "deleted": done.deleted, "inserted": done.inserted, "buckets_proved": done.buckets,
        })).collect::<Vec<_>>(),
        "units": report.units.iter().map(|unit| json!({
            "table": unit.table,
            "part": part_word(unit.part),
            "span": SpanBody::from(unit.part.span()),
            "outcome": outcome(unit.outcome),
        })).collect::<Vec<_>>(),
        "replaced": report.count(Outcome::Replaced),
        "replaced_before": report.count(Outcome::ReplacedBefore),
        "rolled_back": report.count(Outcome::RolledBack),
        "in_doubt": report.count(Outcome::InDoubt),
        "not_begun": report.count(Outcome::NotBegun),
        "undo": report.undo.as_ref().map(|undo| json!({
            "set": undo.set.to_string(), "label": undo.label, "place": undo.place, "rows": undo.rows, "bytes": undo.bytes,
        })),
        "undo_command": ending.undo_command(),
        "resume_command": ending.resume_command(),
        "proved": report.proved,
        "undo_seconds": report.undo_time.as_secs_f64(),
        "apply_seconds": report.apply_time.as_secs_f64(),
        "proof_seconds": report.proof_time.as_secs_f64(),
    })
}

/// Why something ended early, as JSON.
#[must_use]
pub fn error_json(failure: &Failure) -> Value {
    let ErrorBody { message, hint } = error_body(failure);
    json!({"message": message, "hint": (!hint.is_empty()).then_some(hint)})
}

/// A run that ended early and is about to be finished.
#[must_use]
pub fn unfinished_text(unfinished: &Unfinished, begun: &str) -> String {
    let run = &unfinished.run;
    let mut out = format!(
        "Restore {} from {} (set {}), begun {begun}: {} of {} replaced.\n",
        run.number,
        escape(&run.label),
        unfinished.set,
        count(unfinished.applied() as u64),
        counted(unfinished.units.len() as u64, "unit", "units"),
    );
    let (deleted, inserted) = to_do(unfinished);
    let _written = writeln!(out, "Still to delete: {}, to insert: {}.", count(deleted), count(inserted));
    match &run.undo {
        Some(undo) => drop(writeln!(out, "What it deletes was saved when it began, in {}.", escape(&undo.place))),
        None => out.push_str("What it deletes was not saved when it began: it cannot be taken back.\n"),
    }
    out
}

/// Rows that are still to be deleted and to be inserted.
#[must_use]
pub fn to_do(unfinished: &Unfinished) -> (u64, u64) {
    use crate::store::control::UnitStatus;
    let units = unfinished.units.iter().filter(|unit| unit.status == UnitStatus::Planned);
    units.fold((0, 0), |(deleted, inserted): (u64, u64), unit| {
        (deleted.saturating_add(unit.deleted), inserted.saturating_add(unit.inserted.rows))
    })
}

/// The same as JSON.
#[must_use]
pub fn unfinished_json(unfinished: &Unfinished) -> Value {
    let (deleted, inserted) = to_do(unfinished);
    json!({
        "run": unfinished.run.number,
        "set": unfinished.set.to_string(),
        "label": unfinished.run.label,
        "units": unfinished.units.len(),
        "applied": unfinished.applied(),
        "delete": deleted,
        "insert": inserted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use crate::cli::exit::Exit;
    use crate::restore::UndoSet;

    fn unit(table: &str, day: i32, outcome: Outcome) -> UnitReport {
        UnitReport { table: table.to_owned(), part: Part::Slice(Span::of_day(day)), outcome }
    }

    fn report() -> RestoreReport {
        let undo = UndoSet {
            set: SetId([7; 16]),
            label: "UNDO-700101-03-H-00-F-01".to_owned(),
            place: "/a b".to_owned(),
            rows: 5,
            bytes: 1_024,
        };
        RestoreReport { run: Some(3), undo: Some(undo), ..RestoreReport::default() }
    }

    fn ending<'a>(report: &'a RestoreReport, stopped: Option<&'a Failure>, from: &'a [DevicePath]) -> Ending<'a> {
        static DATABASE: std::sync::LazyLock<DatabaseUrl> =
            std::sync::LazyLock::new(|| DatabaseUrl::Sqlite("it's.db".into()));
        let kept = report.undo.as_ref().map(|undo| Kept { set: undo.set, place: undo.place.clone() });
        Ending { report, stopped, kept, database: &DATABASE, from }
    }

    #[test]
    fn one_that_ended_early_says_what_became_of_each_unit_and_how_to_go_on() {
        let outcomes = [Outcome::Replaced, Outcome::Replaced, Outcome::RolledBack, Outcome::NotBegun];
        let mut units: Vec<UnitReport> =
            outcomes.iter().zip(0..).map(|(outcome, day)| unit("hsplit", day, *outcome)).collect();
        units.push(UnitReport { table: "dsplit".to_owned(), part: Part::Undated, outcome: Outcome::NotBegun });
        let report = RestoreReport { units, ..report() };
        let (failure, from) = (Failure::new(Exit::Failed, "stopped as asked"), [DevicePath::Path("/b".into())]);
        let text = report_text(&ending(&report, Some(&failure), &from));
        for line in [
            "hsplit  1970-01-01 to 1970-01-02        2  replaced\n",
            "hsplit  1970-01-03                      1  rolled back\n",
            "dsplit  rows without a usable time      1  not begun\n",
            "of 5 units 2 replaced, 1 rolled back, 2 not begun.",
            "    intervault restore --database 'sqlite:it'\\''s.db' --from /b --resume\n",
            "    intervault undo --database 'sqlite:it'\\''s.db' --from '/a b' --run 3\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in:\n{text}");
        }
        let json = report_json(&ending(&report, Some(&failure), &from));
        assert_eq!((&json["ended"], &json["error"]["message"]), (&json!("stopped"), &json!("stopped as asked")));
        assert_eq!(json["units"][0]["span"], json!({"from": "1970-01-01 00:00", "until": "1970-01-02 00:00"}));
    }

    #[test]
    fn one_that_is_finished_says_how_to_take_it_back() {
        let report = RestoreReport { units: vec![unit("hsplit", 0, Outcome::Replaced)], ..report() };
        let text = report_text(&ending(&report, None, &[]));
        assert!(text.contains("Restore 3 is finished. Replaced 1 unit in ") && text.contains("--run 3\n"), "{text}");
        assert!(text.contains("5 rows in undo set UNDO-700101-03-H-00-F-01") && !text.contains("--resume"), "{text}");
        let report = RestoreReport { undo: None, ..report };
        let text = report_text(&ending(&report, None, &[]));
        assert!(text.contains("cannot be taken back") && !text.contains("intervault undo"), "{text}");
    }

    #[test]
    fn one_that_never_began_says_that_nothing_was_changed() {
        let failure = Failure::new(Exit::Full, "no space");
        let report = RestoreReport { run: None, undo: None, ..report() };
        let text = report_text(&ending(&report, Some(&failure), &[]));
        assert!(text.contains("the database is as it was") && !text.contains("intervault"), "{text}");
        assert_eq!(report_text(&ending(&report, None, &[])), "Nothing had to be changed.\n");
    }

    #[test]
    fn parts_are_named() {
        let slice = Part::Slice(Span { start: Instant(0), stop: Instant(1_800) });
        assert_eq!([part_text(Part::Whole), part_text(slice)], ["all rows", "1970-01-01 00:00 to 00:29"]);
        let words = [Part::Whole, Part::Undated, Part::Both, slice].map(part_word);
        assert_eq!(words, ["whole", "undated", "both", "slice"]);
    }
}
