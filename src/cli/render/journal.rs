//! The restore journal of a database, for people and for programs.

use super::json::SpanBody;
use super::restore::acd_text;
use super::text::{count, escape, span, table};
use crate::check::short;
use crate::format::block::SetId;
use crate::store::control::{Range, RangeKind, Run, Unit, UnitStatus};
use serde_json::{Value, json};
use std::fmt::Write;

/// One restore of the journal.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its line.
    pub run: Run,
    /// Its units that are not taken back.
    pub units: Vec<Unit>,
    /// When it was begun, for people.
    pub begun: String,
    /// When it ended, for people; `None` while it has not.
    pub ended: Option<String>,
    /// Both for programs.
    pub utc: (Option<String>, Option<String>),
}

impl Entry {
    fn applied(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter(|unit| unit.status == UnitStatus::Applied)
    }

    fn rows(&self, rows: fn(&Unit) -> u64) -> u64 {
        self.applied().map(rows).fold(0, u64::saturating_add)
    }
}

/// All of them, the oldest first.
#[must_use]
pub fn list(entries: &[Entry]) -> String {
    let lines: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let run = &entry.run;
            let undo = run.undo.as_ref().map_or_else(|| "not saved".to_owned(), |undo| undo.place.clone());
            vec![
                run.number.to_string(),
                entry.begun.clone(),
                entry.ended.clone().unwrap_or_default(),
                run.status.to_string(),
                run.label.clone(),
                short(SetId(run.set)),
                format!("{} of {}", count(entry.applied().count() as u64), count(entry.units.len() as u64)),
                count(entry.rows(|unit| unit.deleted)),
                count(entry.rows(|unit| unit.inserted.rows)),
                undo,
            ]
        })
        .collect();
    let head = ["run", "begun", "ended", "status", "from", "set", ">units", ">deleted", ">inserted", "undo set in"];
    table(&head, &lines)
}

/// One of them with its units and their ranges.
#[must_use]
pub fn one(entry: &Entry, ranges: &[Range]) -> String {
    let run = &entry.run;
    let ended = entry.ended.as_ref().map_or_else(|| "not ended".to_owned(), |ended| format!("ended {ended}"));
    let mut out = format!(
        "Restore {} from {} (set {}): {}, begun {}, {ended}\n",
        run.number,
        escape(&run.label),
        SetId(run.set),
        run.status,
        entry.begun
    );
    match &run.undo {
        Some(undo) => {
            let place = escape(&undo.place);
            let _written = writeln!(out, "What it deleted is in undo set {}, written to {place}", SetId(undo.set));
        }
        None => out.push_str("What it deleted was not saved\n"),
    }
    out.push_str("What was asked for:\n");
    for line in run.options.lines() {
        let _written = writeln!(out, "    {}", escape(line));
    }
    out.push('\n');
    if entry.units.is_empty() {
        out.push_str("No unit of it is in force.\n");
        return out;
    }
    let lines: Vec<Vec<String>> = entry.units.iter().flat_map(|unit| unit_lines(unit, ranges)).collect();
    let head = [">unit", "table", "time", "status", ">deleted", ">inserted", "ACD", "range", "set"];
    out.push_str(&table(&head, &lines));
    out
}

/// A line for the unit's first range, and further ones for its others.
fn unit_lines(unit: &Unit, ranges: &[Range]) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = of_unit(unit, ranges)
        .map(|range| {
            let time = match range.kind {
                RangeKind::Held => span(range.span),
                RangeKind::Carried => format!("{}, carried", span(range.span)),
                RangeKind::Undated => "rows without a usable time".to_owned(),
                RangeKind::Whole => "all rows".to_owned(),
            };
            vec![acd_text(range.acd), time, short(SetId(range.set))]
        })
        .collect();
    if lines.is_empty() {
        lines.push(vec![String::new(); 3]);
    }
    let head = vec![
        unit.number.to_string(),
        unit.table.clone(),
        span(unit.slice),
        unit.status.to_string(),
        count(unit.deleted),
        count(unit.inserted.rows),
    ];
    let blank = vec![String::new(); head.len()];
    let heads = std::iter::once(head).chain(std::iter::repeat(blank));
    heads.zip(lines).map(|(head, line)| [head, line].concat()).collect()
}

fn of_unit<'r>(unit: &Unit, ranges: &'r [Range]) -> impl Iterator<Item = &'r Range> + use<'r> {
    let (run, number) = (unit.run, unit.number);
    ranges.iter().filter(move |range| (range.run, range.unit) == (run, number))
}

/// The body of `intervault/log`; with `ranges` the units too.
#[must_use]
pub fn json(entries: &[Entry], ranges: Option<&[Range]>) -> Value {
    json!({ "runs": entries.iter().map(|entry| entry_json(entry, ranges)).collect::<Vec<_>>() })
}

fn entry_json(entry: &Entry, ranges: Option<&[Range]>) -> Value {
    let run = &entry.run;
    json!({
        "run": run.number,
        "begun": entry.utc.0,
        "ended": entry.utc.1,
        "status": run.status.word(),
        "set": SetId(run.set).to_string(),
        "label": run.label,
        "undo": run.undo.as_ref().map(|undo| json!({"set": SetId(undo.set).to_string(), "place": undo.place})),
        "options": run.options,
        "units": entry.units.len(),
        "applied": entry.applied().count(),
        "deleted": entry.rows(|unit| unit.deleted),
        "inserted": entry.rows(|unit| unit.inserted.rows),
        "unit_lines": ranges.map(|ranges| entry.units.iter().map(|unit| unit_json(unit, ranges)).collect::<Vec<_>>()),
    })
}

fn unit_json(unit: &Unit, ranges: &[Range]) -> Value {
    json!({
        "unit": unit.number,
        "table": unit.table,
        "span": SpanBody::from(unit.slice),
        "status": unit.status.word(),
        "deleted": unit.deleted,
        "inserted": unit.inserted.rows,
        "saved": unit.saved.rows,
        "ranges": of_unit(unit, ranges).map(|range| json!({
            "acd": range.acd,
            "kind": range.kind.word(),
            "span": SpanBody::from(range.span),
            "set": SetId(range.set).to_string(),
            "chain": SetId(range.chain).to_string(),
            "sequence": range.sequence,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;
    use crate::store::control::{RunStatus, Totals};

    fn entry() -> Entry {
        let run = Run {
            number: 3,
            begun_unix: 0,
            ended_unix: None,
            set: [1; 16],
            label: "CMS-\u{1b}[2J".to_owned(),
            undo: None,
            options: "version = 1\n".to_owned(),
            status: RunStatus::Begun,
        };
        let applied = Unit {
            status: UnitStatus::Applied,
            deleted: 5,
            inserted: Totals { rows: 1_200, ..Totals::default() },
            ..Unit::planned(3, 0, "hsplit", Span::of_day(0))
        };
        let planned = Unit { deleted: 7, ..Unit::planned(3, 1, "hsplit", Span::of_day(1)) };
        Entry { run, units: vec![applied, planned], begun: "now".to_owned(), ended: None, utc: (None, None) }
    }

    fn range(acd: i64, unit: u32) -> Range {
        let (table, span) = ("hsplit".to_owned(), Span::of_day(0));
        let kind = RangeKind::Held;
        Range { run: 3, unit, table, acd: Some(acd), kind, span, set: [2; 16], chain: [2; 16], sequence: 0 }
    }

    #[test]
    fn only_what_was_done_counts() {
        let text = list(&[entry()]);
        let line = text.lines().nth(1).unwrap();
        assert!(line.contains("begun") && line.contains("1 of 2") && line.contains("1,200"), "{line}");
        assert!(line.contains("not saved") && !line.contains("12 "), "{line}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn each_range_stands_with_its_unit() {
        let text = one(&entry(), &[range(1, 0), range(2, 0), range(9, 7)]);
        let ranges = text.lines().filter(|line| line.contains("02020202")).count();
        assert_eq!(ranges, 2, "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("    version = 1\n"), "{text}");
        let json = json(&[entry()], Some(&[range(1, 0), range(2, 0), range(9, 7)]));
        let units = json["runs"][0]["unit_lines"].as_array().unwrap();
        let ranges: Vec<usize> = units.iter().map(|unit| unit["ranges"].as_array().unwrap().len()).collect();
        assert_eq!(ranges, [2, 0]);
    }
}
