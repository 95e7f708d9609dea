//! What is on volumes and what a verification found, for people and for programs.

use super::json::SpanBody;
use super::restore::acd_text;
use super::text::{bare, bytes, count, counted, escape, span, table};
use crate::check::{AcdOutline, Found, SetOutline, TableOutline, TreeOutline, Unreadable, short};
use crate::cli::exit::Exit;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use crate::schema::grain::{DataType, Grain};
use crate::verify::Depth;
use crate::verify::chain::ChainJudged;
use crate::verify::cost::Cost;
use crate::verify::finding::Finding;
use crate::verify::media::MediaProof;
use crate::verify::set::Verified;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// ACDs shown of one table, and volumes with copies, before the rest is only counted.
const SHOWN: usize = 8;

/// What a set is: label, source, time, what of it is here.
#[must_use]
pub fn head_text(outline: &SetOutline) -> String {
    let label = &outline.label;
    let missing = crate::base::numbers::not_here(&outline.missing, "");
    let state = match (outline.complete, outline.missing.is_empty(), outline.interrupted) {
        (true, _, _) => "complete".to_owned(),
        (false, true, false) => "incomplete: the end of its last volume is lost".to_owned(),
        (false, true, true) => "incomplete: the backup was interrupted, it was never finished".to_owned(),
        (false, false, false) => format!("incomplete: {missing}"),
        (false, false, true) => format!("incomplete: it was never finished, and {missing}"),
    };
    let being_written = |writer: &String| format!("being written now{}: look again when that is done", escape(writer));
    let state = outline.writer.as_ref().map_or(state, being_written);
    // Files alone come from no database.
    let source = format!("{} {}", label.source_store, label.source_database);
    let source = source.trim_end();
    let mut out = format!(
        "{} (set {})\n  from {} on {}, {}\n  {} here, {state}{}\n",
        escape(&label.label),
        short(label.set()),
        escape(source),
        escape(&label.source_server),
        crate::base::time::Instant(label.created_civil),
        counted(outline.volumes.len() as u64, "volume", "volumes"),
        if outline.from_catalog { "" } else { "; no catalog here, this is what a scan found" },
    );
    if let Some(kind) = kind(label, outline.complete) {
        let _written = writeln!(out, "  {kind}");
    }
    out
}

/// A set and its tables.
#[must_use]
pub fn outline_text(outline: &SetOutline) -> String {
    let mut out = head_text(outline);
    out.push('\n');
    let rows: Vec<Vec<String>> = outline.tables.iter().map(table_line).collect();
    out.push_str(&table(&["table", "data", "grain", ">rows", ">buckets", ">bytes", "ACDs", "held"], &rows));
    if !outline.absent.is_empty() {
        let _written = writeln!(out, "Not in the source: {}", escape(&outline.absent.join(", ")));
    }
    for (number, names) in outline.copies.iter().take(SHOWN) {
        let _written = writeln!(out, "volume {number} is here {} times: {}", names.len(), escape(&names.join(", ")));
    }
    if let Some(more @ 1..) = outline.copies.len().checked_sub(SHOWN) {
        let _written = writeln!(out, "and so are {}", counted(more as u64, "further volume", "further volumes"));
    }
    for name in &outline.closed {
        let _written = writeln!(out, "not permitted to read: {}", escape(name));
    }
    for wrong in &outline.wrong {
        let _written = writeln!(out, "wrong volume: {}", escape(wrong));
    }
    for damage in &outline.damage {
        let _written = writeln!(out, "damaged: {}", escape(damage));
    }
    for (name, reason) in &outline.left_out {
        let _written = writeln!(out, "Left out of the backup: {}: {}", escape(name), escape(reason));
    }
    out
}

/// What a set is, unless it is a full backup.
fn kind(label: &LabelRecord, complete: bool) -> Option<String> {
    let chain = short(label.chain());
    if let Some(salvaged) = label.salvaged {
        let lacks = match (complete, label.has_losses()) {
            (true, true) => ", and does not have all of it",
            (true, false) => ", and has all of its rows",
            (false, _) => "; it is not all here: salvage again where it was never finished",
        };
        return Some(format!("salvaged, stands in the place of set {}{lacks}", short(SetId(salvaged.set))));
    }
    match label.parent_set {
        Some(parent) => {
            let (number, parent) = (label.sequence, short(SetId(parent)));
            Some(format!("incremental {number} of the chain of set {chain}, builds on set {parent}"))
        }
        None if label.is_undo() => Some("undo set, for intervault undo: what a restore deleted".to_owned()),
        None => None,
    }
}

fn table_line(outline: &TableOutline) -> Vec<String> {
    let rows = match outline.rows_in_all {
        Some(all) if all != outline.rows => format!("{} of {}", count(outline.rows), count(all)),
        Some(_) => count(outline.rows),
        None => format!("{} at least", count(outline.rows)),
    };
    let spans = outline.acds.iter().flat_map(|acd| &acd.held).copied();
    let held = spans.reduce(crate::base::time::Span::hull);
    vec![
        outline.table.clone(),
        outline.data_type.map_or("?", DataType::name).to_owned(),
        outline.grain.map_or("?", Grain::name).to_owned(),
        rows,
        count(outline.buckets),
        bytes(outline.bytes),
        acds(&outline.acds),
        match outline.tree {
            Some(tree) => tree_words(tree),
            None => held.map_or_else(String::new, span),
        },
    ]
}

/// What a file tree holds.
fn tree_words(tree: TreeOutline) -> String {
    match tree.totals {
        Some((files, size)) => format!("{} of {}", counted(files, "file", "files"), bytes(size)),
        None => "files, its end is not here".to_owned(),
    }
}

fn acds(acds: &[AcdOutline]) -> String {
    let mut names: Vec<String> = acds.iter().filter(|acd| acd.acd.is_some()).map(|acd| acd_text(acd.acd)).collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(" ")
}

/// The ACDs that the tables of a set name.
#[must_use]
pub fn acd_numbers(outlines: &[SetOutline]) -> Vec<i64> {
    let tables = outlines.iter().flat_map(|outline| &outline.tables);
    let acds: BTreeSet<i64> = tables.flat_map(|table| &table.acds).filter_map(|acd| acd.acd).collect();
    acds.into_iter().collect()
}

/// A set, as JSON.
#[must_use]
pub fn outline_json(outline: &SetOutline) -> Value {
    let label = &outline.label;
    json!({
        "set": label.set().to_string(),
        "label": label.label,
        "created": crate::base::time::Instant(label.created_civil).to_string(),
        "source": {
            "store": label.source_store, "server": label.source_server,
            "database": label.source_database, "version": label.source_version,
        },
        "software": label.software,
        "purpose": if label.is_undo() { "undo" } else { "backup" },
        "incremental": label.incremental,
        "sequence": label.sequence,
        "chain": label.chain().to_string(),
        "parent_set": label.parent_set.map(|parent| SetId(parent).to_string()),
        "volumes": outline.volumes,
        "copies": outline.copies.iter().map(|(number, names)| json!({"volume": number, "names": names})).collect::<Vec<_>>(),
        "missing_volumes": outline.missing,
        "interrupted": outline.interrupted,
        "writer": outline.writer.as_deref().map(bare),
        "not_permitted": outline.closed,
        "wrong_volumes": outline.wrong,
        "complete": outline.complete,
        "from_catalog": outline.from_catalog,
        "damage": outline.damage,
        "tables": outline.tables.iter().map(table_json).collect::<Vec<_>>(),
        "absent": outline.absent,
        "left_out": outline.left_out.iter().map(|(name, reason)| json!({"name": name, "reason": reason})).collect::<Vec<_>>(),
    })
}

fn table_json(outline: &TableOutline) -> Value {
    json!({
        "section": outline.section,
        "table": outline.table,
        "data": outline.data_type.map(DataType::name),
        "grain": outline.grain.map(Grain::name),
        "columns": outline.columns,
        "rows": outline.rows,
        "rows_in_all": outline.rows_in_all,
        "chunks": outline.chunks,
        "buckets": outline.buckets,
        "bytes": outline.bytes,
        "files": outline.tree.map(|tree| json!({
            "count": tree.totals.map(|(files, _)| files), "bytes": tree.totals.map(|(_, bytes)| bytes),
        })),
        "acds": outline.acds.iter().map(|acd| json!({
            "acd": acd.acd, "rows": acd.rows, "carried": acd.carried,
            "held": acd.held.iter().map(|span| SpanBody::from(*span)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// What of a verification that was stopped the next one with `--since-last` need not do again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoesOn {
    /// It begins again: nothing is remembered.
    Nowhere,
    /// Volumes that were read to their end.
    Volumes,
    /// All that was read.
    Blocks,
}

/// What a verification did and found; `asked` says which part was asked for, if not the whole.
#[must_use]
pub fn verified_text(verified: &Verified, asked: &str, goes_on: GoesOn) -> String {
    let mut out = String::new();
    for finding in &verified.findings {
        let volume = finding.volume.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        let _written = writeln!(out, "{}", escape(&format!("{volume}{finding}")));
    }
    let _written = writeln!(
        out,
        "Verified {} ({}, {}){}: {}.",
        counted(verified.blocks(), "block", "blocks"),
        bytes(verified.bytes()),
        extent(verified),
        depth_words(verified),
        match verified.findings.len() as u64 {
            0 => "nothing is wrong".to_owned(),
            findings => counted(findings, "finding", "findings"),
        }
    );
    if let Some(chosen) = verified.chosen.filter(|_| !asked.is_empty()) {
        let _written = write!(
            out,
            "Asked for {asked}: {} of {}{} read",
            count(chosen.read),
            counted(chosen.of, "block beside those of indexes", "blocks beside those of indexes"),
            if verified.not_reached.is_empty() { "" } else { " of which is known" },
        );
        let _written = match chosen.proven {
            0 => writeln!(out, "."),
            proven => writeln!(out, ", {} left out that were proved before.", count(proven)),
        };
    }
    if verified.stopped {
        out.push_str(&stopped_text(verified, goes_on));
    }
    out
}

/// What is left of a verification that was stopped.
fn stopped_text(verified: &Verified, goes_on: GoesOn) -> String {
    let mut out = "Stopped before all was read".to_owned();
    if !verified.not_reached.is_empty() {
        let volumes = counted(
            verified.not_reached.len() as u64,
            "volume was not reached, whose",
            "volumes were not reached, whose",
        );
        let _written = write!(out, " ({volumes} blocks nobody has counted)");
    }
    let unlisted = verified.chosen.map_or(0, |chosen| chosen.unlisted);
    let _written = match (goes_on, unlisted) {
        (GoesOn::Nowhere, _) => writeln!(out, "."),
        (GoesOn::Volumes, _) => {
            writeln!(out, "; the same with --since-last leaves out the volumes that were read to their end.")
        }
        (GoesOn::Blocks, 0) => writeln!(out, "; the same with --since-last goes on from here."),
        (GoesOn::Blocks, some) => writeln!(
            out,
            "; the same with --since-last goes on from here, but for {}, which can only be read in one go: verify the set \
             without --max-duration.",
            counted(some, "volume without an index", "volumes without an index")
        ),
    };
    out
}

/// How much of the volumes was judged.
fn extent(verified: &Verified) -> String {
    match verified.not_judged.len() as u64 {
        0 if verified.is_whole() => "all of them".to_owned(),
        0 => format!("of {}", bytes(verified.exists())),
        some => format!("{} not judged", counted(some, "volume", "volumes")),
    }
}

/// What was proved of the blocks.
fn depth_words(verified: &Verified) -> String {
    match verified.depth {
        Depth::Index => ", what the volumes say of themselves; no row was read".to_owned(),
        Depth::Blocks => ", their checksums; no row was decoded".to_owned(),
        Depth::Rows => format!(
            " and {} in {} and {}",
            counted(verified.rows, "row", "rows"),
            counted(verified.chunks, "chunk", "chunks"),
            counted(verified.buckets, "bucket", "buckets"),
        ),
    }
}

/// What was asked for: in words, the seed of a sample, the number of a part and of parts.
pub type AskedPart = (String, Option<u64>, Option<(u32, u32)>);

/// What a verification did and found, as JSON.
#[must_use]
pub fn verified_json(verified: &Verified, (asked, seed, subset): &AskedPart) -> Value {
    json!({
        "depth": verified.depth.name(),
        "whole": verified.is_whole(),
        "stopped": verified.stopped,
        "part": verified.chosen.filter(|_| !asked.is_empty()).map(|chosen| json!({
            "asked": asked, "seed": seed, "number": subset.map(|(number, _)| number), "parts": subset.map(|(_, of)| of),
            "blocks": chosen.blocks,
            "read": chosen.read,
            "of": verified.not_reached.is_empty().then_some(chosen.of),
            "proved_before": chosen.proven,
            "unlisted": chosen.unlisted,
        })),
        "blocks": verified.blocks(),
        "bytes": verified.bytes(),
        "exists": verified.exists(),
        "volumes": verified.volumes.iter().map(media_json).collect::<Vec<_>>(),
        "not_judged": verified.not_judged,
        "not_reached": verified.not_reached.iter().map(|(.., name, _)| name).collect::<Vec<_>>(),
        "sections": verified.sections,
        "chunks": verified.chunks,
        "rows": verified.rows,
        "buckets": verified.buckets,
        "findings": verified.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

/// A chain of which members were verified.
#[must_use]
pub fn chain_text(chain: &ChainJudged) -> String {
    let mut out = format!(
        "Chain of set {}: {} here",
        short(chain.chain),
        counted(chain.members.len() as u64, "member is", "members are")
    );
    for (first, last) in &chain.missing {
        let _written = match first == last {
            true => write!(out, ", number {first} is not"),
            false => write!(out, ", numbers {first} to {last} are not"),
        };
    }
    let _written = match chain.lacks.is_empty() {
        true => writeln!(out, "; what its newest catalog lists is held by them."),
        false => writeln!(out, "; of what its newest catalog lists they lack {}.", costs_text(&chain.lacks)),
    };
    for finding in &chain.findings {
        let _written = writeln!(out, "{}", escape(&finding.to_string()));
    }
    out
}

/// The same as JSON.
#[must_use]
pub fn chain_json(chain: &ChainJudged) -> Value {
    json!({
        "chain": chain.chain.to_string(),
        "members": chain.members.iter().map(SetId::to_string).collect::<Vec<_>>(),
        "missing": chain.missing.iter().map(|(first, last)| json!({"first": first, "last": last})).collect::<Vec<_>>(),
        "lacks": chain.lacks.iter().map(cost_json).collect::<Vec<_>>(),
        "findings": chain.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn costs_text(costs: &[Cost]) -> String {
    escape(&costs.iter().map(Cost::to_string).collect::<Vec<_>>().join(" and ")).into_owned()
}

fn media_json(media: &MediaProof) -> Value {
    json!({
        "name": media.name,
        "volume": media.number,
        "blocks": media.blocks,
        "bytes": media.bytes,
        "exists": media.exists,
        "whole": media.is_whole(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "level": finding.level.name(),
        "name": finding.volume,
        "volume": finding.at.volume,
        "block": finding.at.block,
        "section": finding.at.section,
        "byte": finding.at.byte,
        "first_row": finding.at.rows.map(|(first, _)| first),
        "rows": finding.at.rows.map(|(_, rows)| rows),
        "what": finding.what,
        "expected": finding.expected,
        "found": finding.found,
        "costs": finding.costs_text(),
        "lost": finding.costs.iter().map(cost_json).collect::<Vec<_>>(),
        "advice": finding.advice,
    })
}

fn cost_json(cost: &Cost) -> Value {
    json!({
        "table": cost.table,
        "acds": cost.acds,
        "span": cost.span.map(SpanBody::from),
        "rows": cost.rows,
    })
}

/// Files that are no usable volumes.
#[must_use]
pub fn unreadable_text(found: &Found<'_>) -> String {
    let mut out = found.unreadable.iter().fold(String::new(), |mut out, bad| {
        let _written = writeln!(out, "cannot be used: {}: {}", escape(&bad.name), escape(&bad.reason));
        out
    });
    if found.further > 0 {
        let _written = writeln!(out, "cannot be used: {} further files", found.further);
    }
    out
}

/// Files that are no usable volumes, as JSON.
#[must_use]
pub fn unreadable_json(unreadable: &[Unreadable]) -> Value {
    let status = |bad: &Unreadable| Exit::from(bad.class).name();
    unreadable.iter().map(|bad| json!({"name": bad.name, "reason": bad.reason, "status": status(bad)})).collect()
}
