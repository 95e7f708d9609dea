//! What an export wrote, for people and for programs.

use super::check::unreadable_json;
use super::json::SpanBody;
use super::text::{bytes, count, escape, span, table};
use crate::check::short;
use crate::cli::commands::export::{Answer, Written};
use crate::error::Class;
use crate::export::{Lost, Short};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The set, the tables with their files; then the columns that had to be widened.
#[must_use]
pub fn text(answer: &Answer<'_>) -> String {
    let (label, written) = (answer.set.label(), &answer.written);
    let row = |one: &Written| {
        let (path, size) = one.file.as_ref().map_or_else(Default::default, |(path, size)| {
            (escape(&path.display().to_string()).into_owned(), bytes(*size))
        });
        vec![escape(&one.report.table).into_owned(), count(one.report.rows), size, path]
    };
    let mut out = format!("From {} (set {})\n", escape(&label.label), short(label.set()));
    out.push_str(&table(&["table", "rows", "size", "file"], &written.iter().map(row).collect::<Vec<_>>()));
    for one in written {
        for column in one.report.columns.iter().filter(|column| column.widened) {
            let (name, table) = (escape(&column.name), escape(&one.report.table));
            let _infallible = write!(
                out,
                "\n{table}.{name} is written as {}: a value does not fit its declared type.",
                column.written
            );
        }
    }
    out
}

/// A chunk that could not be read.
#[must_use]
pub fn lost_text(table: &str, lost: &Lost) -> String {
    let when = lost.span.map_or_else(String::new, |time| format!(", {}", span(time)));
    format!("table {}: {} rows{when} are not in the file: {}", escape(table), count(lost.rows), escape(&lost.reason))
}

/// All of it as JSON.
#[must_use]
pub fn json(answer: &Answer<'_>) -> Value {
    let (label, plan) = (answer.set.label(), answer.plan);
    let left_out = plan.left_out.iter().map(|one| json!({"table": one.table, "reason": one.reason}));
    let unknown = plan.unknown.iter().map(|one| json!({"what": one.what, "damaged": one.damaged}));
    let lacks = plan.short.iter().map(|one| match one {
        Short::Rows(table) => json!({"table": table}),
        Short::Tables => json!({"table": null}),
    });
    json!({
        "set": label.set().to_string(),
        "label": label.label,
        "incremental": label.incremental,
        "passed_over": answer.passed_over.ids(),
        "unreadable": unreadable_json(&answer.found.unreadable),
        "further_unreadable": answer.found.further,
        "tables": answer.written.iter().map(table_json).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "unknown": unknown.collect::<Vec<_>>(),
        "lacks": lacks.collect::<Vec<_>>(),
    })
}

fn table_json(one: &Written) -> Value {
    let report = &one.report;
    let columns = report
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "written": column.written, "widened": column.widened}));
    let lost = report.lost.iter().map(|lost| {
        json!({
            "volume": lost.at.volume,
            "block": lost.at.block,
            "rows": lost.rows,
            "span": lost.span.map(SpanBody::from),
            "absent": lost.class == Class::Volume,
            "reason": lost.reason,
        })
    });
    json!({
        "table": report.table,
        "rows": Some(report.rows).filter(|_| !one.cut),
        "file": one.file.as_ref().map(|(path, _)| path.display().to_string()),
        "bytes": one.file.as_ref().map(|(_, bytes)| bytes),
        "columns": columns.collect::<Vec<_>>(),
        "lost": lost.collect::<Vec<_>>(),
    })
}
