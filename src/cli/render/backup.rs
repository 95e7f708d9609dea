//! A backup's plan and report, for people and for programs.

use super::json::SpanBody;
use super::text::{bytes, count, counted, duration, escape, span, table};
use crate::backup::{Plan, Report, TableReport};
use crate::base::time::Span;
use serde_json::{Value, json};
use std::fmt::Write;

/// What would be written.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
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
    not_written(&mut out, &plan.absent, &plan.left_out);
    out
}

fn not_written(out: &mut String, absent: &[String], left_out: &[(String, String)]) {
    if !absent.is_empty() {
        let _written = writeln!(out, "Not in this database: {}", escape(&absent.join(", ")));
    }
    for (name, reason) in left_out {
        let _written = writeln!(out, "Left out: {}: {}", escape(name), escape(reason));
    }
}

/// What would be written, as one JSON object.
#[must_use]
pub fn plan_json(plan: &Plan) -> Value {
    json!({
        "tables": plan.tables.iter().map(|planned| json!({
            "table": planned.table.schema.name,
            "data": planned.table.data_type.name(),
            "grain": planned.table.grain.name(),
            "columns": planned.table.schema.columns.len(),
            "rows_about": planned.rows,
        })).collect::<Vec<_>>(),
        "absent": plan.absent,
        "left_out": left_out_json(&plan.left_out),
    })
}

fn left_out_json(left_out: &[(String, String)]) -> Value {
    left_out.iter().map(|(name, reason)| json!({"name": name, "reason": reason})).collect()
}

/// What was written.
#[must_use]
pub fn report_text(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report.tables.iter().map(table_line).collect();
    let mut out = table(&["table", ">rows", ">carried", ">buckets", ">stored", "held"], &rows);
    not_written(&mut out, &report.absent, &report.left_out);
    let rows = report.tables.iter().map(|table| table.rows).fold(0, u64::saturating_add);
    let volumes = report.set.volumes.len() as u64;
    let _written = writeln!(
        out,
        "\n{} in {} written on {} in {}{}.",
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
    spans.reduce(|a, b| Span { start: a.start.min(b.start), stop: a.stop.max(b.stop) })
}

/// What was written, as one JSON object.
#[must_use]
pub fn report_json(report: &Report) -> Value {
    json!({
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
        "absent": report.absent,
        "left_out": left_out_json(&report.left_out),
    })
}
