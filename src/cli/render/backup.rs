//! A backup's plan and report, for people and for programs.

use super::files::{tree_json, tree_text};
use super::json::SpanBody;
use super::text::{bytes, count, counted, duration, escape, span, table};
use crate::backup::{BackupPlan, BackupReport, Compared, Gap, Gaps, Parent, PlannedTable, TableReport};
use crate::base::time::{Instant, Span};
use crate::cli::commands::open::Now;
use serde_json::{Value, json};
use std::fmt::Write;

/// What would be written.
#[must_use]
pub fn plan_text(plan: &BackupPlan, now: &Now) -> String {
    let rows: Vec<Vec<String>> = plan
        .tables
        .iter()
        .map(|planned| {
            let table = &planned.table;
            let columns = table.schema.columns.len() as u64;
            let (data, grain) = (table.data_type.name().to_owned(), table.grain.name().to_owned());
            let about = format!("about {}", count(planned.rows));
            let mut line = vec![table.schema.name.clone(), data, grain, count(columns), about];
            if let Some(stored) = planned.stored_about {
                line.push(format!("about {}", bytes(stored)));
            }
            if plan.parent.is_some() {
                line.extend(compared_line(planned.compared.as_ref(), planned.rows));
            }
            line
        })
        .collect();
    let mut heads = vec!["table", "data", "grain", ">columns", ">rows"];
    if plan.estimate.is_some() {
        heads.push(">stored");
    }
    if plan.parent.is_some() {
        heads.extend(COMPARED);
    }
    let mut out = table(&heads, &rows);
    parent_text(&mut out, plan.parent.as_ref());
    if plan.parent.is_some() {
        out.push_str(
            "To know what changed, every row was read and hashed: that takes most of the time of the backup.\n",
        );
    }
    let named = |planned: &'_ PlannedTable| (planned.table.schema.name.clone(), planned.compared.clone());
    let named: Vec<_> = plan.tables.iter().map(named).collect();
    trusted_text(&mut out, named.iter().map(|(name, compared)| (name.as_str(), compared.as_ref())));
    plan.tables.iter().for_each(|planned| {
        whole_text(&mut out, &planned.table.schema.name, planned.compared.as_ref());
    });
    for planned in &plan.trees {
        let count = planned.count;
        let (files, size) = (counted(count.files, "file", "files"), bytes(count.bytes));
        let _written = writeln!(out, "{}: {files} of {size}", escape(&planned.tree.path));
    }
    gaps_text(&mut out, &plan.gaps);
    if let Some(estimate) = &plan.estimate {
        let _written = writeln!(
            out,
            "About {} on {}; to say so, {} were read and encoded in {}.",
            bytes(estimate.bytes),
            counted(estimate.volumes, "volume", "volumes"),
            counted(estimate.sampled_rows, "row", "rows"),
            duration(estimate.time)
        );
    }
    now_text(&mut out, now);
    out
}

/// Heads of the columns that say what changed.
const COMPARED: [&str; 5] = [">changed", ">unchanged", ">vanished", ">expired", ">to write"];

/// Buckets that changed and so on, and rows to write.
fn compared_line(compared: Option<&Compared>, rows: u64) -> Vec<String> {
    match compared {
        None => ["", "", "", "", &format!("about {}", count(rows))].map(str::to_owned).to_vec(),
        Some(Compared { whole: Some(_), rows, .. }) => {
            ["all", "", "", "", &format!("about {}", count(*rows))].map(str::to_owned).to_vec()
        }
        Some(Compared { changed, unchanged, vanished, expired, rows, .. }) => {
            [*changed, *unchanged, *vanished, *expired, *rows].map(blank_if_none).to_vec()
        }
    }
}

fn blank_if_none(number: u64) -> String {
    if number == 0 { String::new() } else { count(number) }
}

fn parent_text(out: &mut String, parent: Option<&Parent>) {
    let Some(parent) = parent else { return };
    let _written = writeln!(
        out,
        "Builds on {} ({}), number {} of its chain.",
        escape(&parent.label),
        parent.set,
        u64::from(parent.sequence).saturating_add(1)
    );
    for notice in parent.notices.iter().chain(&parent.warnings) {
        let _written = writeln!(out, "  {}", escape(notice));
    }
}

/// What was not read, and what that can miss.
fn trusted_text<'a>(out: &mut String, compared: impl Iterator<Item = (&'a str, Option<&'a Compared>)>) {
    let read = compared.filter_map(|(name, compared)| Some((name, compared?.read_from?, compared?.trusted)));
    let lines: Vec<String> = read
        .map(|(name, day, trusted)| {
            let since = Instant::of_day(day).to_string();
            let since = since.split(' ').next().unwrap_or_default();
            format!("  {} from {since} on; {} before", escape(name), counted(trusted, "bucket", "buckets"))
        })
        .collect();
    if !lines.is_empty() {
        let _written = writeln!(
            out,
            "Not all was read (--changed-since). What came late, was corrected or deleted before these days is missed, until an \
             incremental backup without that option finds it:\n{}",
            lines.join("\n")
        );
    }
}

fn whole_text(out: &mut String, name: &str, compared: Option<&Compared>) {
    if let Some(why) = compared.and_then(|compared| compared.whole) {
        let _written = writeln!(out, "Written whole: {}: {why}", escape(name));
    }
}

fn parent_json(parent: Option<&Parent>) -> Value {
    parent.map_or(Value::Null, |parent| {
        json!({
            "set": parent.set.to_string(), "label": parent.label, "sequence": parent.sequence,
            "chain": parent.chain.to_string(), "notices": parent.notices,
            "warnings": parent.warnings,
        })
    })
}

fn compared_json(compared: Option<&Compared>) -> Value {
    compared.map_or(Value::Null, |compared| {
        json!({
            "changed": compared.changed, "unchanged": compared.unchanged, "vanished": compared.vanished,
            "expired": compared.expired, "rows": compared.rows, "whole": compared.whole,
            "trusted": compared.trusted,
            "read_from": compared.read_from.map(|day| Instant::of_day(day).to_string()),
        })
    })
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
pub fn plan_json(plan: &BackupPlan, refused: &[String], now: &Now) -> Value {
    json!({
        "now": now.civil.to_string(),
        "zone": now.zone,
        "tables": plan.tables.iter().map(|planned| json!({
            "table": planned.table.schema.name,
            "data": planned.table.data_type.name(),
            "grain": planned.table.grain.name(),
            "columns": planned.table.schema.columns.len(),
            "rows_about": planned.rows,
            "stored_about": planned.stored_about,
            "compared": compared_json(planned.compared.as_ref()),
        })).collect::<Vec<_>>(),
        "base": parent_json(plan.parent.as_ref()),
        "trees": plan.trees.iter().map(|planned| json!({
            "tree": planned.tree.path,
            "data": planned.tree.data_type.name(),
            "files": planned.count.files,
            "entries": planned.count.entries,
            "bytes": planned.count.bytes,
        })).collect::<Vec<_>>(),
        "estimate": plan.estimate.as_ref().map(|estimate| json!({
            "bytes": estimate.bytes, "volumes": estimate.volumes, "sampled_rows": estimate.sampled_rows,
            "seconds": estimate.time.as_secs_f64(),
        })),
        "absent": plan.gaps.absent,
        "left_out": gaps_json(&plan.gaps.left_out),
        "not_restorable": gaps_json(&plan.gaps.not_restorable),
        "refused": refused,
    })
}

fn gaps_json(gaps: &[Gap]) -> Value {
    gaps.iter().map(|gap| json!({"name": gap.name, "reason": gap.reason, "warns": gap.warns})).collect()
}

/// What was written.
#[must_use]
pub fn report_text(report: &BackupReport, now: &Now) -> String {
    let incremental = report.parent.is_some();
    let rows: Vec<Vec<String>> = report.tables.iter().map(|done| table_line(done, incremental)).collect();
    let mut heads = vec!["table", ">rows", ">carried", ">buckets", ">stored", "held"];
    if incremental {
        heads.splice(3..4, COMPARED.into_iter().take(4));
    }
    let mut out = table(&heads, &rows);
    parent_text(&mut out, report.parent.as_ref());
    trusted_text(&mut out, report.tables.iter().map(|done| (done.table.as_str(), done.compared.as_ref())));
    report.tables.iter().for_each(|done| whole_text(&mut out, &done.table, done.compared.as_ref()));
    report.trees.iter().for_each(|tree| out.push_str(&tree_text(tree)));
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

fn table_line(done: &TableReport, incremental: bool) -> Vec<String> {
    let mut line = vec![done.table.clone(), count(done.rows), blank_if_none(done.carried)];
    match (&done.compared, incremental) {
        (Some(compared), _) => {
            let Compared { changed, unchanged, vanished, expired, .. } = *compared;
            line.extend([changed, unchanged, vanished, expired].map(blank_if_none));
        }
        (None, true) => line.extend(["", "", "", ""].map(str::to_owned)),
        (None, false) => line.push(count(done.buckets)),
    }
    line.push(bytes(done.stored_bytes));
    line.push(held_text(done, incremental));
    line
}

/// The time for which a set speaks; of an incremental that is in pieces.
fn held_text(done: &TableReport, incremental: bool) -> String {
    let envelope = held_envelope(done).map_or_else(String::new, span);
    match done.held.len() {
        pieces if incremental && pieces > 1 => format!("{pieces} pieces of {envelope}"),
        _ => envelope,
    }
}

fn held_envelope(done: &TableReport) -> Option<Span> {
    let spans = done.held.iter().map(|(_, span)| *span);
    spans.reduce(Span::hull)
}

/// What was written, as one JSON object.
#[must_use]
pub fn report_json(report: &BackupReport, now: &Now) -> Value {
    json!({
        "now": now.civil.to_string(),
        "zone": now.zone,
        "set": report.set.set.to_string(),
        "label": report.set.label,
        "base": parent_json(report.parent.as_ref()),
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
            "compared": compared_json(done.compared.as_ref()),
            "buckets": done.buckets, "decoded_bytes": done.decoded_bytes, "stored_bytes": done.stored_bytes,
            "held": done.held.iter().map(|(acd, span)| json!({
                "acd": acd, "span": SpanBody::from(*span),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "trees": report.trees.iter().map(tree_json).collect::<Vec<_>>(),
        "absent": report.gaps.absent,
        "left_out": gaps_json(&report.gaps.left_out),
        "not_restorable": gaps_json(&report.gaps.not_restorable),
    })
}
