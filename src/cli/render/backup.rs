//! A backup's plan and report, for people and for programs.

use super::json::SpanBody;
use super::text::{bytes, count, counted, duration, escape, span, table};
use crate::backup::{Gap, Gaps, Plan, Report, TableReport};
use crate::base::time::Span;
use crate::cli::commands::open::Now;
use serde_json::{Value, json};
use std::fmt::Write;

/// What would be written.
#[must_use]
pub fn plan_text(plan: &Plan, now: &Now) -> String {
    let rows: Vec<Vec<String>> = plan
        .tables
        .iter()
        .map(|planned| {
            let table = &planned.table;
            let columns = table.schema.columns.len() as u64;
            let (data, grain) = (table.data_type.name().to_owned(), table.grain.name().to_owned());
            vec![table.schema.name.clone(), data, grain, count(columns), format!("about {}", count(planned.rows))]
        })
        .collect();
    let mut out = table(&["table", "data", "grain", ">columns", ">rows"], &rows);
    gaps_text(&mut out, &plan.gaps);
    now_text(&mut out, now);
    out
}

fn gaps_text(out: &mut String, gaps: &Gaps) {
    if !gaps.absent.is_empty() {
        let _written = writeln!(out, "Not in this database: {}", escape(&gaps.absent.join(", ")));
    }
    for gap in &gaps.left_out {
        let _written = writeln!(out, "Left out: {}: {}", escape(&gap.name), escape(&gap.reason));
    }
    for gap in &gaps.not_restorable {
        let what = if gap.warns { "This release cannot restore" } else { "To be mended before a restore" };
        let _written = writeln!(out, "{what}: {}: {}", escape(&gap.name), escape(&gap.reason));
    }
}

fn now_text(out: &mut String, now: &Now) {
    let _written = writeln!(
        out,
        "\nNow is taken as {} ({}): what is not over by then is carried, not held.",
        now.civil,
        escape(&now.zone)
    );
}

/// What would be written, as one JSON object.
#[must_use]
pub fn plan_json(plan: &Plan, now: &Now) -> Value {
    json!({
        "now": now.civil.to_string(),
        "zone": now.zone,
        "tables": plan.tables.iter().map(|planned| json!({
            "table": planned.table.schema.name,
            "data": planned.table.data_type.name(),
            "grain": planned.table.grain.name(),
            "columns": planned.table.schema.columns.len(),
            "rows_about": planned.rows,
        })).collect::<Vec<_>>(),
        "absent": plan.gaps.absent,
        "left_out": gaps_json(&plan.gaps.left_out),
        "not_restorable": gaps_json(&plan.gaps.not_restorable),
    })
}

fn gaps_json(gaps: &[Gap]) -> Value {
    gaps.iter().map(|gap| json!({"name": gap.name, "reason": gap.reason, "warns": gap.warns})).collect()
}

/// What was written.
#[must_use]
pub fn report_text(report: &Report, now: &Now) -> String {
    let rows: Vec<Vec<String>> = report.tables.iter().map(table_line).collect();
    let mut out = table(&["table", ">rows", ">carried", ">buckets", ">stored", "held"], &rows);
    gaps_text(&mut out, &report.gaps);
    now_text(&mut out, now);
    let rows = report.tables.iter().map(|table| table.rows).fold(0, u64::saturating_add);
    let volumes = report.set.volumes.len() as u64;
    let _written = writeln!(
        out,
        "{} in {} written on {} in {}{}.",
        counted(rows, "row", "rows"),
        bytes(report.set.bytes),
        counted(volumes, "volume", "volumes"),
        duration(report.write_time),
        match report.verified {
            true => format!(", read back and proved in {}", duration(report.verify_time)),
            false => ", not read back".to_owned(),
        }
    );
    for volume in &report.set.volumes {
        let _written = writeln!(out, "  {}  {}  {}", escape(&volume.label), bytes(volume.bytes), escape(&volume.name));
    }
    out
}

fn table_line(done: &TableReport) -> Vec<String> {
    let held = held_envelope(done).map_or_else(String::new, span);
    let blank_if_none = |number: u64| if number == 0 { String::new() } else { count(number) };
    vec![
        done.table.clone(),
        count(done.rows),
        blank_if_none(done.carried),
        count(done.buckets),
        bytes(done.stored_bytes),
        held,
    ]
}

fn held_envelope(done: &TableReport) -> Option<Span> {
    let spans = done.held.iter().map(|(_, span)| *span);
    spans.reduce(Span::hull)
}

/// What was written, as one JSON object.
#[must_use]
pub fn report_json(report: &Report, now: &Now) -> Value {
    json!({
        "now": now.civil.to_string(),
        "zone": now.zone,
        "set": report.set.set.to_string(),
        "label": report.set.label,
        "rows": report.set.rows,
        "bytes": report.set.bytes,
        "verified": report.verified,
        "write_seconds": report.write_time.as_secs_f64(),
        "verify_seconds": report.verify_time.as_secs_f64(),
        "volumes": report.set.volumes.iter().map(|volume| json!({
            "number": volume.number, "name": volume.name, "label": volume.label,
            "blocks": volume.blocks, "bytes": volume.bytes,
        })).collect::<Vec<_>>(),
        "tables": report.tables.iter().map(|done| json!({
            "table": done.table, "rows": done.rows, "carried": done.carried, "undated": done.undated,
            "buckets": done.buckets, "decoded_bytes": done.decoded_bytes, "stored_bytes": done.stored_bytes,
            "held": done.held.iter().map(|(acd, span)| json!({
                "acd": acd, "span": SpanBody::from(*span),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "absent": report.gaps.absent,
        "left_out": gaps_json(&report.gaps.left_out),
        "not_restorable": gaps_json(&report.gaps.not_restorable),
    })
}
