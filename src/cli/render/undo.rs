//! What taking a restore back would do and did, for people and for programs.

use super::json::SpanBody;
use super::restore::acd_text;
use super::run::{error_json, part_text, part_word};
use super::text::{count, counted, duration, escape, rate, table};
use crate::cli::failure::Failure;
use crate::format::block::SetId;
use crate::restore::{Rule, UndoPlan, UndoReport, UndoUnit};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// How an undo ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What was done.
    pub report: UndoReport,
    /// How long it took.
    pub time: Duration,
    /// Why it did not take everything back; `None` if it did.
    pub stopped: Option<Failure>,
}

/// Rows that are deleted and rows that are put back, without the units that are left alone.
#[must_use]
pub fn changes(plan: &UndoPlan) -> (u64, u64) {
    let units = plan.units.iter().filter(|unit| unit.refusal.is_none());
    units.fold((0, 0), |(delete, put_back): (u64, u64), unit| {
        (delete.saturating_add(unit.delete), put_back.saturating_add(unit.put_back))
    })
}

/// What would be done.
#[must_use]
pub fn plan_text(plan: &UndoPlan) -> String {
    let run = &plan.run;
    let mut out = format!("Take back restore {} from {} (set {})\n", run.number, escape(&run.label), SetId(run.set));
    if let Some(undo) = &run.undo {
        let _written = writeln!(out, "with undo set {}, written to {}", SetId(undo.set), escape(&undo.place));
    }
    out.push('\n');
    // The last unit is put back first; people read them as they were replaced.
    let lines: Vec<Vec<String>> = plan.units.iter().rev().map(line).collect();
    let head = ["table", "ACD", "range", ">delete", ">put back", "changed since"];
    out.push_str(&table(&head, &lines));
    if plan.units.is_empty() {
        out.push_str("No unit of it was replaced: there is nothing to put back.\n");
    }
    // That rows have changed stands in the table.
    for refusal in plan.refusals.iter().filter(|refusal| refusal.rule != Rule::ChangedSince) {
        let _written = writeln!(out, "Not as asked: {}; {}.", escape(&refusal.what), escape(&refusal.advice));
    }
    out
}

fn line(unit: &UndoUnit) -> Vec<String> {
    let acds: std::collections::BTreeSet<_> = unit.acds().collect();
    let acds: Vec<String> = acds.into_iter().map(acd_text).collect();
    vec![
        unit.line.table.clone(),
        acds.join(" "),
        part_text(unit.part),
        count(unit.delete),
        count(unit.put_back),
        if unit.changed { "yes" } else { "" }.to_owned(),
    ]
}

/// What would be done, as one JSON object.
#[must_use]
pub fn plan_json(plan: &UndoPlan) -> Value {
    let run = &plan.run;
    json!({
        "run": run.number,
        "set": SetId(run.set).to_string(),
        "label": run.label,
        "undo": run.undo.as_ref().map(|undo| json!({"set": SetId(undo.set).to_string(), "place": undo.place})),
        "units": plan.units.iter().rev().map(|unit| json!({
            "unit": unit.line.number,
            "table": unit.line.table,
            "part": part_word(unit.part),
            "span": SpanBody::from(unit.part.span()),
            "delete": unit.delete,
            "put_back": unit.put_back,
            "changed": unit.changed,
            "refused": unit.refusal.as_ref().map(|refusal| refusal.rule.name()),
        })).collect::<Vec<_>>(),
        "refusals": super::restore::refusals_json(&plan.refusals),
    })
}

/// What was done.
#[must_use]
pub fn report_text(taken: &Taken) -> String {
    let report = &taken.report;
    let rows = report.deleted.saturating_add(report.put_back);
    let mut out = match (report.units, report.left) {
        (units, 0) => format!("Restore {} is taken back: {}", report.run, counted(units, "unit", "units")),
        (units, left) => format!(
            "Of restore {} {} taken back, {} as the restore left them",
            report.run,
            match units {
                1 => "1 unit is".to_owned(),
                units => format!("{} units are", count(units)),
            },
            count(left),
        ),
    };
    let _written = writeln!(
        out,
        "; {} deleted, {} put back in {}{}.",
        counted(report.deleted, "row", "rows"),
        count(report.put_back),
        duration(taken.time),
        rate(rows, taken.time),
    );
    if report.new_keys > 0 {
        let rows = counted(report.new_keys, "row", "rows");
        let _written = writeln!(out, "{rows} came back under another row number: newer rows have theirs.");
    }
    if taken.stopped.is_some() {
        out.push_str("Every unit is wholly as it was or wholly put back; the same command goes on with the rest.\n");
    }
    out
}

/// What was done, as one JSON object.
#[must_use]
pub fn report_json(taken: &Taken) -> Value {
    let report = &taken.report;
    json!({
        "ended": if taken.stopped.is_some() { "stopped" } else { "finished" },
        "error": taken.stopped.as_ref().map(error_json),
        "run": report.run,
        "units": report.units,
        "left": report.left,
        "deleted": report.deleted,
        "put_back": report.put_back,
        "new_keys": report.new_keys,
        "seconds": taken.time.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    fn taken(left: u64, stopped: Option<Failure>) -> Taken {
        let report = UndoReport { run: 3, units: 1, left, deleted: 2_000, put_back: 1_000, new_keys: 0 };
        Taken { report, time: Duration::from_secs(1), stopped }
    }

    #[test]
    fn what_was_left_alone_is_said() {
        let text = report_text(&taken(0, None));
        let wanted =
            "Restore 3 is taken back: 1 unit; 2,000 rows deleted, 1,000 put back in 1.0 s (3,000 rows a second).\n";
        assert_eq!(text, wanted);
        let text = report_text(&taken(2, Some(Failure::new(Exit::Failed, "stopped as asked"))));
        assert!(text.starts_with("Of restore 3 1 unit is taken back, 2 as the restore left them; "), "{text}");
        assert!(text.ends_with("the same command goes on with the rest.\n"), "{text}");
    }
}
