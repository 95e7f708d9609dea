//! What a salvage found, wrote and missed, and what a rebuild compared, for people and for programs.

use super::streamed::Streamed;
use super::text::{bytes, count, counted, escape, table};
use crate::base::time::Instant;
use crate::rebuild::{Compared, SetRebuilt};
use crate::salvage::{Account, AcdLoss, Count, Gap, SectionAccount, SetAccount};
use crate::schema::range::date_text;
use crate::volume::name::short_id;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Runs of days, gaps and paths that a person is shown of one section.
const SHOWN: usize = 8;

/// ACDs that a person is shown of one section.
const ACDS_SHOWN: usize = 32;

/// The account as text, told bit by bit in whole lines, since there may be very much of it.
pub fn account_text(account: &Account, tell: &mut dyn FnMut(&str)) {
    for set in &account.sets {
        set_text(set, tell);
    }
    let mut out = String::new();
    for (name, why) in &account.unopened {
        let _written = writeln!(out, "Not looked through: {}: {}", escape(name), escape(why));
    }
    if account.more_unopened > 0 {
        let _written = writeln!(out, "Not looked through: {} more", count(account.more_unopened));
    }
    if account.let_go > 0 {
        let blocks = counted(account.let_go, "intact block", "intact blocks");
        let _written = writeln!(
            out,
            "Too much to be held in mind: {blocks} let go; give fewer sources at a time, or one set (--set)."
        );
    }
    let sifted = account.sources.iter().map(|source| source.sifted).chain([account.others.sifted]);
    let (intact, other, unread) = sifted.fold((0u64, 0u64, 0u64), |(intact, other, unread), one| {
        (intact.saturating_add(one.intact), other.saturating_add(one.other), unread.saturating_add(one.unread))
    });
    let sources = (account.sources.len() as u64).saturating_add(account.others.count);
    let sources = counted(sources, "source", "sources");
    let _written = writeln!(out, "Of {sources}: {} in intact blocks, {} in none.", bytes(intact), bytes(other));
    if unread > 0 {
        let _written = writeln!(out, "{} could not be read.", bytes(unread));
    }
    tell(&out);
}

fn set_text(set: &SetAccount, tell: &mut dyn FnMut(&str)) {
    let mut out = String::new();
    let label = set.label.as_deref().unwrap_or("label lost");
    let blocks = counted(set.blocks, "intact block", "intact blocks");
    let _written = writeln!(out, "Set {} ({}): {blocks}, {}", escape(label), set.set, bytes(set.bytes));
    let line = |section: &SectionAccount| {
        vec![
            section.number.to_string(),
            section.table.clone(),
            count(section.rows),
            count(section.chunks),
            lost(section.lost_rows, section.whole),
            lost(section.lost_chunks, section.whole),
        ]
    };
    let lines: Vec<Vec<String>> = set.sections.iter().map(line).collect();
    if !lines.is_empty() {
        out.push_str(&table(&[">section", "table", ">rows", ">chunks", ">rows lost", ">chunks lost"], &lines));
    }
    tell(&std::mem::take(&mut out));
    for section in set.sections.iter().filter(|section| !section.whole) {
        section_text(&mut out, section);
        if !out.is_empty() {
            tell(&std::mem::take(&mut out));
        }
    }
    of_set(&mut out, set);
    for (first, last, chunks) in &set.nameless {
        let which = if first == last { format!("Section {first}") } else { format!("Sections {first} to {last}") };
        let _written =
            writeln!(out, "{which}, name unknown: lost, with {} of no use", counted(*chunks, "chunk", "chunks"));
    }
    if !set.all_known {
        out.push_str("Whether there were more sections nobody knows: neither the catalog nor all indexes are left.\n");
    }
    for conflict in &set.conflicts {
        let _written = writeln!(out, "Contradiction: {}", escape(conflict));
    }
    if let Some(written) = &set.written {
        let volumes = counted(written.volumes.len() as u64, "volume", "volumes");
        let rows = counted(written.rows, "row", "rows");
        let _written = writeln!(out, "Written as set {}: {rows}, {volumes}, {}", written.set, bytes(written.bytes));
    }
    out.push('\n');
    tell(&out);
}

/// What is lost of a set besides its sections.
fn of_set(out: &mut String, set: &SetAccount) {
    if set.label.is_none() {
        out.push_str(
            "Its label is lost: nobody knows of what database it was; the new set is one of single tables, in no",
        );
        out.push_str(" chain.\n");
    }
    if !set.catalog {
        out.push_str(
            "Its catalog is lost, or parts of it: what the source did not have or was left out nobody knows.\n",
        );
    }
    let unlisted = set.sections.iter().any(|section| section.unlisted);
    if unlisted && set.label.is_none() {
        out.push_str(
            "It was incremental, or may have been: what it left as older sets have it is not in the new set, which counts as a \
             full one.\n",
        );
    } else if unlisted {
        out.push_str(
            "It is incremental: what it left as older sets have it was listed there alone. Without the set before it nothing \
             older counts as what the source had.\n",
        );
    }
    if !set.ended {
        out.push_str("What ends it is lost: whether it was ever finished nobody knows.\n");
    }
}

fn lost(lost: Count, whole: bool) -> String {
    match lost {
        Count::Exactly(0) if whole => String::new(),
        Count::Exactly(number) => count(number),
        Count::AtLeast(0) => "unknown".to_owned(),
        Count::AtLeast(number) => format!("{} at least", count(number)),
    }
}

fn section_text(out: &mut String, section: &SectionAccount) {
    let name = escape(&section.table);
    for loss in section.acds.iter().take(ACDS_SHOWN) {
        let rows = loss.rows.map_or_else(|| "rows may be".to_owned(), |rows| counted(rows, "row", "rows"));
        let _written = writeln!(out, "{name}, {}: {rows} lost{}", acd(loss), days(loss));
    }
    let more = more(section.acds.len(), ACDS_SHOWN, section.more_acds);
    if more > 0 {
        let _written = writeln!(out, "{name}: rows of {} may be lost", counted(more, "more ACD", "more ACDs"));
    }
    if section.other_acds {
        let _written = writeln!(out, "{name}: rows of other ACDs may be lost too");
    }
    for gap in section.gaps.iter().take(SHOWN) {
        let rows = gap.rows.map_or_else(|| "rows".to_owned(), |rows| counted(rows, "row", "rows"));
        let _written = writeln!(out, "{name}: {rows} missing from row {} on{}", count(gap.first_row), between(gap));
    }
    let more = self::more(section.gaps.len(), SHOWN, section.more_gaps);
    if more > 0 {
        let _written = writeln!(out, "{name}: and {}", counted(more, "more place", "more places"));
    }
    if section.header_from_catalog {
        let _written = writeln!(out, "{name}: its header is lost, and was taken from the catalog");
    }
    if let Some(files) = &section.files {
        let whole = counted(files.whole, "file is whole", "files are whole");
        let _written = match files.of {
            Some(of) => writeln!(out, "{name}: {} of {} files are whole", count(files.whole), count(of)),
            None => writeln!(out, "{name}: {whole}; how many there were nobody knows"),
        };
        for path in files.paths.iter().take(SHOWN) {
            let _written = writeln!(out, "{name}: not all there: {}", escape(path));
        }
        if files.torn > SHOWN as u64 {
            let _written =
                writeln!(out, "{name}: not all there: {} more", count(files.torn.saturating_sub(SHOWN as u64)));
        }
        if let Some(odd) = &files.odd {
            let _written = writeln!(out, "{name}: {}", escape(odd));
        }
    }
}

/// How many are not shown of so many that are listed, with those that are not listed.
const fn more(listed: usize, shown: usize, unlisted: u64) -> u64 {
    unlisted.saturating_add(listed.saturating_sub(shown) as u64)
}

fn acd(loss: &AcdLoss) -> String {
    loss.acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"))
}

fn days(loss: &AcdLoss) -> String {
    let run = |(first, last): &(i32, i32)| match first == last {
        true => date_text(*first),
        false => format!("{} to {}", date_text(*first), date_text(*last)),
    };
    let mut runs: Vec<String> = loss.days.iter().take(SHOWN).map(run).collect();
    if loss.days.len() > SHOWN {
        runs.push(format!("and {} more", loss.days.len().saturating_sub(SHOWN)));
    }
    if loss.any_time {
        runs.push("any other time".to_owned());
    }
    if loss.undated {
        runs.push("rows without a usable time".to_owned());
    }
    if runs.is_empty() { String::new() } else { format!(": {}", runs.join(", ")) }
}

fn between(gap: &Gap) -> String {
    match (gap.after, gap.before) {
        (Some(after), Some(before)) => format!(", between {after} and {before}"),
        (Some(after), None) => format!(", after {after}"),
        (None, Some(before)) => format!(", before {before}"),
        (None, None) => String::new(),
    }
}

/// The account as JSON, item by item, since there may be very much of it.
pub fn account_json(account: &Account, dry_run: bool, answer: &mut Streamed<'_>) {
    let source = |source: &crate::salvage::SourceAccount| {
        let sifted = source.sifted;
        json!({
            "name": source.name, "bytes": source.bytes, "intact": sifted.intact, "other": sifted.other,
            "zeros": sifted.zeros, "unread": sifted.unread,
        })
    };
    answer.field("dry_run", &dry_run);
    answer.field("nothing_lost", &!account.has_losses());
    list(answer, "sources", &account.sources, source);
    let others = &account.others;
    let (other, zeros) = (others.sifted.other, others.sifted.zeros);
    answer.field("others", &json!({"count": others.count, "bytes": others.bytes, "other": other, "zeros": zeros}));
    answer.field("more_unopened", &account.more_unopened);
    answer.field("let_go", &account.let_go);
    list(answer, "unopened", &account.unopened, |(name, why)| json!({"name": name, "reason": why}));
    answer.list("sets");
    for set in &account.sets {
        answer.item();
        set_json(set, answer);
        answer.close();
    }
    answer.close();
}

fn list<T>(answer: &mut Streamed<'_>, name: &str, items: &[T], json: impl Fn(&T) -> Value) {
    answer.list(name);
    items.iter().for_each(|item| answer.push(&json(item)));
    answer.close();
}

fn set_json(set: &SetAccount, answer: &mut Streamed<'_>) {
    answer.fields(&json!({
        "set": set.set.to_string(),
        "label": set.label,
        "blocks": set.blocks,
        "bytes": set.bytes,
        "copies": set.copies,
        "from_catalog": set.catalog,
        "nothing_lost": !set.has_losses(),
        "all_known": set.all_known,
        "ended": set.ended,
    }));
    answer.list("sections");
    for section in &set.sections {
        answer.item();
        section_json(section, answer);
        answer.close();
    }
    answer.close();
    list(
        answer,
        "nameless",
        &set.nameless,
        |(first, last, chunks)| json!({"first": first, "last": last, "chunks": chunks}),
    );
    list(answer, "conflicts", &set.conflicts, |conflict| json!(conflict));
    let written = set.written.as_ref().map(|written| {
        json!({
            "set": written.set.to_string(), "label": written.label, "rows": written.rows, "bytes": written.bytes,
            "volumes": written.volumes.iter().map(|volume| volume.name.clone()).collect::<Vec<_>>(),
        })
    });
    answer.field("written", &written);
}

fn count_json(lost: Count) -> Value {
    json!({"known": lost.known(), "exact": matches!(lost, Count::Exactly(_))})
}

fn section_json(section: &SectionAccount, answer: &mut Streamed<'_>) {
    let time = |at: Option<Instant>| at.map(|at| at.to_string());
    let gap = |gap: &Gap| {
        let (after, before) = (time(gap.after), time(gap.before));
        json!({"first_row": gap.first_row, "rows": gap.rows, "after": after, "before": before})
    };
    let loss = |loss: &AcdLoss| {
        let days = loss.days.iter().map(|(first, last)| json!({"first": date_text(*first), "last": date_text(*last)}));
        json!({"acd": loss.acd, "rows": loss.rows, "days": days.collect::<Vec<_>>(), "any_time": loss.any_time,
            "undated": loss.undated})
    };
    let files = section.files.as_ref().map(|files| {
        json!({"whole": files.whole, "of": files.of, "torn": files.torn, "paths": files.paths, "odd": files.odd})
    });
    answer.fields(&json!({
        "section": section.number,
        "table": section.table,
        "whole": section.whole,
        "header_from_catalog": section.header_from_catalog,
        "ended": section.ended,
        "rows": section.rows,
        "chunks": section.chunks,
        "lost_rows": count_json(section.lost_rows),
        "lost_chunks": count_json(section.lost_chunks),
        "unlisted": section.unlisted,
        "other_acds": section.other_acds,
        "more_acds": section.more_acds,
        "more_gaps": section.more_gaps,
        "files": files,
    }));
    list(answer, "acds", &section.acds, loss);
    list(answer, "gaps", &section.gaps, gap);
}

/// What a rebuild compared, as text.
#[must_use]
pub fn rebuilt_text(sets: &[SetRebuilt]) -> String {
    let mut lines = Vec::new();
    for set in sets {
        let name = format!("{} ({})", set.label, short_id(set.set));
        lines.push(vec![name.clone(), "catalog".to_owned(), compared(&set.catalog)]);
        for (volume, index) in &set.indexes {
            lines.push(vec![name.clone(), format!("index of volume {volume}"), compared(index)]);
        }
        for (volume, file, whole) in set.volumes.iter().filter(|(_, _, whole)| *whole != Compared::Equal) {
            lines.push(vec![name.clone(), format!("volume {volume}, {file}"), compared(whole)]);
        }
    }
    table(&["set", "what", "compared with the blocks"], &lines)
}

fn compared(compared: &Compared) -> String {
    match compared {
        Compared::Equal => "equal".to_owned(),
        Compared::Differs(places) => format!("differs: {}", places.join("; ")),
        Compared::Missing(why) => format!("lost: {why}"),
        Compared::NotJudged(why) => format!("not judged: {why}"),
    }
}

/// The same as JSON.
#[must_use]
pub fn rebuilt_json(sets: &[SetRebuilt]) -> Value {
    let one = |compared: &Compared| match compared {
        Compared::Equal => json!({"state": "equal", "details": []}),
        Compared::Differs(places) => json!({"state": "differs", "details": places}),
        Compared::Missing(why) => json!({"state": "missing", "details": [why]}),
        Compared::NotJudged(why) => json!({"state": "not judged", "details": [why]}),
    };
    let set = |set: &SetRebuilt| {
        let indexes = set.indexes.iter().map(|(volume, index)| json!({"volume": volume, "compared": one(index)}));
        let volume = |(number, name, whole): &(u32, String, Compared)| {
            let whole = one(whole);
            json!({"volume": number, "name": name, "compared": whole})
        };
        json!({
            "set": set.set.to_string(), "label": set.label, "catalog": one(&set.catalog),
            "indexes": indexes.collect::<Vec<_>>(), "volumes": set.volumes.iter().map(volume).collect::<Vec<_>>(),
        })
    };
    json!({"sets": sets.iter().map(set).collect::<Vec<_>>()})
}
