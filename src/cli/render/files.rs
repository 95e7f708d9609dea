//! Files backed up and restored, for people and for programs.

use super::check::unreadable_json;
use super::run::error_json;
use super::text::{bytes, count, counted, escape, table};
use crate::backup::TreeReport;
use crate::check::Found;
use crate::cli::failure::Failure;
use crate::files::name::shown;
use crate::files::read::Noted;
use crate::restore::{FilesPlan, FilesReport, TreePlan};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Paths that are named for people before the rest is counted.
const SHOWN: usize = 8;
/// Paths of a kind that are named in a JSON answer; the rest is counted.
const NAMED: usize = 1_000;

/// Some paths with their reasons, a line each, then how many more there are.
#[must_use]
pub fn named(noted: &Noted, named: usize) -> Vec<String> {
    let mut lines: Vec<String> = noted.first.iter().take(named).map(|(path, what)| format!("{path}: {what}")).collect();
    let more = noted.count.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("and {}", counted(more, "further file", "further files")));
    }
    lines
}

fn noted_json(noted: &Noted) -> Value {
    let first = noted.first.iter().take(NAMED).map(|(path, what)| json!({"path": path, "what": what}));
    json!({"count": noted.count, "first": first.collect::<Vec<_>>()})
}

/// What a backup did with a tree, in words.
#[must_use]
pub fn tree_text(tree: &TreeReport) -> String {
    let tally = &tree.tally;
    let mut out = format!(
        "{}: {} of {}, {}, {}",
        escape(&tree.tree),
        counted(tally.files, "file", "files"),
        bytes(tally.bytes),
        counted(tally.folders, "folder", "folders"),
        counted(tally.links.saturating_add(tally.other_names), "link", "links"),
    );
    for (number, what) in [
        (tree.filtered, "left out by patterns"),
        (tally.left_out.count, "that are no files, folders or links"),
        (tally.troubles.count, "not as they were, or not at all"),
    ] {
        if number > 0 {
            let _written = write!(out, "; {} {what}", count(number));
        }
    }
    out.push('\n');
    for line in named(&tally.left_out, SHOWN) {
        let _written = writeln!(out, "  left out: {}", escape(&line));
    }
    out
}

/// The same as JSON.
#[must_use]
pub fn tree_json(tree: &TreeReport) -> Value {
    let tally = &tree.tally;
    json!({
        "tree": tree.tree,
        "files": tally.files,
        "folders": tally.folders,
        "links": tally.links,
        "hard_links": tally.other_names,
        "bytes": tally.bytes,
        "filtered": tree.filtered,
        "left_out": noted_json(&tally.left_out),
        "troubles": noted_json(&tally.troubles),
    })
}

/// What would be restored.
#[must_use]
pub fn plan_text(plan: &FilesPlan, folder: &Path) -> String {
    let line = |tree: &TreePlan| {
        let links = tree.links.saturating_add(tree.other_names);
        let place = folder.join(shown(&tree.place));
        vec![
            tree.tree.clone(),
            count(tree.files),
            bytes(tree.bytes),
            count(tree.folders),
            count(links),
            place.display().to_string(),
        ]
    };
    let lines: Vec<Vec<String>> = plan.trees.iter().map(line).collect();
    table(&["files of", ">files", ">bytes", ">folders", ">links", "go to"], &lines)
}

/// What was restored, in words.
#[must_use]
pub fn report_text(report: &FilesReport, stopped: bool) -> String {
    let written = &report.written;
    format!(
        "\n{}Written: {} of {}, {}, {}.",
        if stopped { "It ended early; every file that has its name is whole. " } else { "" },
        counted(written.files, "file", "files"),
        bytes(written.bytes),
        counted(written.folders, "folder", "folders"),
        counted(written.links.saturating_add(written.other_names), "link", "links"),
    )
}

/// Plan and report as JSON.
#[must_use]
pub fn json(
    plan: &FilesPlan,
    done: Option<(&FilesReport, Option<&Failure>)>,
    folder: &Path,
    found: &Found<'_>,
) -> Value {
    let trees = plan.trees.iter().map(|tree| {
        json!({
            "tree": tree.tree,
            "set": tree.set.to_string(),
            "place": shown(&tree.place),
            "files": tree.files,
            "folders": tree.folders,
            "links": tree.links,
            "hard_links": tree.other_names,
            "bytes": tree.bytes,
            "not_chosen": tree.others,
            "changed": noted_json(&tree.changed),
            "lost": noted_json(&tree.lost),
        })
    });
    let done = done.map(|(report, stopped)| {
        let written = &report.written;
        json!({
            "ended": if stopped.is_some() { "stopped" } else { "finished" },
            "error": stopped.map(error_json),
            "files": written.files,
            "folders": written.folders,
            "links": written.links,
            "hard_links": written.other_names,
            "bytes": written.bytes,
            "troubles": noted_json(&written.troubles),
        })
    });
    json!({
        "folder": folder.display().to_string(),
        "unreadable": unreadable_json(&found.unreadable),
        "further_unreadable": found.further,
        "trees": trees.collect::<Vec<_>>(),
        "refusals": noted_json(&plan.refusals),
        "done": done,
    })
}
