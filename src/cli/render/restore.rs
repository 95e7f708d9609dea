//! A restore's plan and report, for people and for programs.

use super::json::SpanBody;
use super::text::{bytes, count, counted, duration, escape, span, table};
use crate::base::time::Span;
use crate::restore::{AcdPlan, Plan, RangesPlan, Report, TableAction, TablePlan};
use crate::schema::range::{Slot, rows};
use crate::section::pieces::Acd;
use serde_json::{Value, json};
use std::fmt::Write;

/// Spans shown of one list before the rest is only counted.
const SHOWN: usize = 3;

/// The plan as tables.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let mut out = format!("Restore from {} (set {}), {}\n\n", escape(&plan.label), plan.set, plan.request);
    let mut lines = Vec::new();
    for planned in &plan.tables {
        table_lines(planned, &mut lines);
    }
    let head = ["table", "ACD", "actual range", ">delete", ">insert", ">uncovered", ">straddling", "remarks"];
    out.push_str(&table(&head, &lines));
    let volumes: Vec<String> = plan
        .volumes
        .iter()
        .map(|need| if need.here { need.number.to_string() } else { format!("{} (not here)", need.number) })
        .collect();
    if !volumes.is_empty() {
        let _written =
            write!(out, "\nVolumes needed, in order: {}; {} to read\n", volumes.join(", "), bytes(plan.bytes));
    }
    list(
        &mut out,
        "To summarise again",
        plan.summarise.iter().map(|(table, acd, period)| format!("{table}, {}: {}", acd_text(*acd), span(*period))),
    );
    list(&mut out, "Note", plan.notices.iter().cloned());
    list(&mut out, "Refused", plan.refusals.iter().map(|refusal| format!("{}; {}", refusal.what, refusal.advice)));
    out
}

fn list(out: &mut String, title: &str, items: impl ExactSizeIterator<Item = String>) {
    if items.len() == 0 {
        return;
    }
    let _written = writeln!(out, "\n{title}:");
    for item in items {
        let _written = writeln!(out, "  {}", escape(&item));
    }
}

fn table_lines(planned: &TablePlan, lines: &mut Vec<Vec<String>>) {
    let name = planned.table.clone();
    let line = |acd: &str, range: &str, delete: String, insert: String, remark: String| {
        vec![name.clone(), acd.to_owned(), range.to_owned(), delete, insert, String::new(), String::new(), remark]
    };
    match &planned.action {
        TableAction::Leave(reason) => {
            lines.push(line("", "", String::new(), String::new(), format!("left alone: {reason}")));
        }
        TableAction::Whole(whole) => {
            let acd = whole.acd.map_or_else(|| "all".to_owned(), |acd| acd.to_string());
            let lost = whole.delete.saturating_sub(whole.insert);
            let remark =
                if lost > 0 { format!("{} fewer than now", counted(lost, "row", "rows")) } else { String::new() };
            lines.push(line(&acd, "all rows", count(whole.delete), count(whole.insert), remark));
        }
        TableAction::Ranges(ranges) if ranges.acds.is_empty() => {
            lines.push(line("", "nothing in the range", String::new(), String::new(), String::new()));
        }
        TableAction::Ranges(ranges) => lines.extend(ranges.acds.iter().map(|acd| acd_line(&name, ranges, acd))),
    }
}

fn acd_line(name: &str, ranges: &RangesPlan, acd: &AcdPlan) -> Vec<String> {
    let decision = &acd.decision;
    let spans = decision.actual.spans();
    let mut range: Vec<String> = spans.iter().take(SHOWN).map(|found| span(*found)).collect();
    if spans.len() > SHOWN {
        range.push(format!("and {} more", spans.len().saturating_sub(SHOWN)));
    }
    if range.is_empty() {
        range.push("nothing".to_owned());
    }
    let blank_if_none = |slots: &[Slot]| if slots.is_empty() { String::new() } else { count(rows(slots)) };
    vec![
        name.to_owned(),
        acd_text(acd.acd),
        range.join("; "),
        count(acd.rows_deleted()),
        count(acd.rows_inserted()),
        blank_if_none(&decision.uncovered),
        blank_if_none(&decision.straddling),
        remarks(ranges, acd).join("; "),
    ]
}

fn remarks(ranges: &RangesPlan, acd: &AcdPlan) -> Vec<String> {
    let decision = &acd.decision;
    let mut remarks = Vec::new();
    let mut remark = |number: u64, one: &str, many: &str, what: &str| {
        remarks.extend((number > 0).then(|| format!("{} {what}", counted(number, one, many))));
    };
    remark(decision.partial.len() as u64, "partial period", "partial periods", "kept");
    remark(decision.thinner.len() as u64, "interval", "intervals", "thinner than the target's");
    remark(rows(&decision.kept), "row", "rows", "of the target kept");
    remark(rows(&decision.left_out), "row", "rows", "of the volumes left out beside them");
    remark(rows(&decision.carried_left), "carried row", "carried rows", "left on the volumes");
    remark(rows(&decision.carried_in), "carried row", "carried rows", "to be inserted");
    let unproven = ranges.unproven.iter().filter(|(unproven, _)| *unproven == acd.acd).count();
    remark(unproven as u64, "bucket", "buckets", "not whole on the volumes");
    if acd.held.is_empty() {
        remarks.push("the set does not speak for it".to_owned());
    }
    remarks
}

/// The ACD for people.
#[must_use]
pub fn acd_text(acd: Acd) -> String {
    acd.map_or_else(|| "none".to_owned(), |acd| acd.to_string())
}

fn span_json(span: Span) -> Value {
    json!(SpanBody::from(span))
}

fn spans_json(spans: &[Span]) -> Value {
    spans.iter().map(|span| span_json(*span)).collect()
}

/// The plan as one JSON object.
#[must_use]
pub fn plan_json(plan: &Plan) -> Value {
    json!({
        "set": plan.set.to_string(),
        "label": plan.label,
        "request": {
            "from": plan.request.start.map(|start| start.to_string()),
            "until": plan.request.stop.map(|stop| stop.to_string()),
        },
        "acd": plan.acd,
        "tables": plan.tables.iter().map(table_json).collect::<Vec<_>>(),
        "volumes": plan.volumes.iter().map(|need| json!({"volume": need.number, "here": need.here})).collect::<Vec<_>>(),
        "bytes": plan.bytes,
        "summarise": plan.summarise.iter().map(|(table, acd, period)| json!({
            "table": table, "acd": json!(acd), "period": span_json(*period),
        })).collect::<Vec<_>>(),
        "notices": plan.notices,
        "refusals": plan.refusals.iter().map(|refusal| json!({
            "what": refusal.what, "advice": refusal.advice,
        })).collect::<Vec<_>>(),
    })
}

fn table_json(planned: &TablePlan) -> Value {
    let mut value = json!({
        "table": planned.table,
        "section": planned.section.number,
        "grain": planned.section.bound.grain.name(),
        "delete": planned.rows_deleted(),
        "insert": planned.rows_inserted(),
    });
    let (key, more) = match &planned.action {
        TableAction::Leave(reason) => ("left_alone", json!(reason)),
        TableAction::Whole(_) => ("whole", json!(true)),
        TableAction::Ranges(ranges) => ("acds", ranges.acds.iter().map(acd_plan_json).collect()),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), more);
    }
    value
}

fn acd_plan_json(acd: &AcdPlan) -> Value {
    let decision = &acd.decision;
    let slots = |slots: &[Slot]| -> Value {
        slots.iter().map(|slot| json!({"span": span_json(slot.span), "rows": slot.rows})).collect()
    };
    json!({
        "acd": json!(acd.acd),
        "held": spans_json(&acd.held),
        "actual": spans_json(decision.actual.spans()),
        "delete": acd.rows_deleted(),
        "insert": acd.rows_inserted(),
        "uncovered": slots(&decision.uncovered),
        "straddling": slots(&decision.straddling),
        "kept": slots(&decision.kept),
        "left_out": slots(&decision.left_out),
        "carried_in": rows(&decision.carried_in),
        "carried_left": rows(&decision.carried_left),
        "partial_periods": decision.partial.iter().map(|period| json!({
            "span": span_json(period.span),
            "target_rows": period.target_rows,
            "volume_rows": period.volume_rows,
        })).collect::<Vec<_>>(),
        "thinner": decision.thinner.iter().map(|thin| json!({
            "span": span_json(thin.span),
            "target_rows": thin.target_rows,
            "volume_rows": thin.volume_rows,
        })).collect::<Vec<_>>(),
    })
}

/// What was done, in words.
#[must_use]
pub fn report_text(report: &Report) -> String {
    let lines: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|done| {
            let buckets = if report.proved { count(done.buckets) } else { "-".to_owned() };
            vec![done.table.clone(), count(done.deleted), count(done.inserted), buckets]
        })
        .collect();
    let mut out = if lines.is_empty() {
        "Nothing had to be changed.\n".to_owned()
    } else {
        table(&["table", ">deleted", ">inserted", ">buckets proved"], &lines)
    };
    let proof = match report.proved {
        true => format!("; read again and compared by digest in {}", duration(report.proof_time)),
        false => "; compared by count".to_owned(),
    };
    let _written = writeln!(out, "Replaced in {}{proof}.", duration(report.apply_time));
    out
}

/// What was done, as one JSON object.
#[must_use]
pub fn report_json(report: &Report) -> Value {
    json!({
        "tables": report.tables.iter().map(|done| json!({
            "table": done.table, "deleted": done.deleted, "inserted": done.inserted, "buckets_proved": done.buckets,
        })).collect::<Vec<_>>(),
        "proved": report.proved,
        "apply_seconds": report.apply_time.as_secs_f64(),
        "proof_seconds": report.proof_time.as_secs_f64(),
    })
}
