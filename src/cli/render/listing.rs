//! What `check` lists beside sets and tables, and its comparisons, for people and for programs.

use super::calendar::calendar;
use super::json::SpanBody;
use super::restore::acd_text;
use super::text::{bytes, count, counted, escape, span, table};
use crate::base::time::{Day, Instant, Span, civil_of_day};
use crate::check::{Compared, Content, Difference};
use crate::column::logical::LogicalType;
use crate::format::label::LabelRecord;
use crate::format::section::{CLOCK_KINDS, ColumnEntry, HeldEntry, SectionRecord};
use crate::inspect::{
    AcdCoverage, ChunkLine, ChunkSummary, Gap, Listed, Mark, Period, TableCoverage, encoding_name, hex, type_text,
};
use crate::schema::grain::{DataType, Grain};
use crate::volume::section::SectionView;
use crate::volume::set::SetReader;
use serde_json::{Value, json};
use std::fmt::Write;

/// Differences of a table that are shown to people, before the rest is only counted.
const DIFFERENCES_SHOWN: usize = 20;
/// Gaps of a period, and partial periods of an ACD, that are shown to people.
const GAPS_SHOWN: usize = 4;
const PARTIAL_SHOWN: usize = 10;

/// Above labels.
pub const LABELS: &str = "Labels:";
/// Above sections.
pub const SECTIONS: &str = "Sections:";

/// A volume's label.
#[must_use]
pub fn label_text(number: u32, name: &str, read: Result<&(LabelRecord, u64), &str>) -> String {
    let (label, len) = match read {
        Ok(read) => read,
        Err(reason) => return format!("volume {number}  {}\n  cannot be read: {}", escape(name), escape(reason)),
    };
    let after = match label.predecessor {
        Some(predecessor) => format!(", after block {} of the volume before it", count(predecessor.last_block)),
        None => String::new(),
    };
    let keep = label.retain_until.map_or_else(String::new, |day| format!(", to be kept until {}", date(day)));
    let bound = match label.capacity {
        0 => String::new(),
        capacity => format!(" of at most {}", bytes(capacity)),
    };
    format!(
        "volume {number}  {}  {}{bound}\n  {}, begun {}{after}{keep}\n  by {}",
        escape(&label.label),
        bytes(*len),
        escape(name),
        Instant(label.created_civil),
        escape(&label.software),
    )
}

/// The same as JSON.
#[must_use]
pub fn label_json(number: u32, name: &str, read: Result<&(LabelRecord, u64), &str>) -> Value {
    let label = read.ok().map(|(label, _)| label);
    json!({
        "volume": number,
        "name": name,
        "bytes": read.ok().map(|(_, len)| len),
        "label": label.map(|label| &label.label),
        "created": label.map(|label| Instant(label.created_civil).to_string()),
        "capacity": label.map(|label| label.capacity).filter(|capacity| *capacity > 0),
        "device_record": label.map(|label| label.device_record),
        "retain_until": label.and_then(|label| label.retain_until).map(date),
        "follows_block": label.and_then(|label| label.predecessor.as_ref()).map(|predecessor| predecessor.last_block),
        "software": label.map(|label| &label.software),
        "reason": read.err(),
    })
}

fn date(day: Day) -> String {
    let (year, month, day) = civil_of_day(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn logical(column: &ColumnEntry) -> String {
    let known = LogicalType::from_stored(column.logical, column.parameter, column.parameter2);
    known.map_or_else(|| format!("type {}", column.logical), type_text)
}

/// Which columns say when, and whose a row is.
fn roles(header: &SectionRecord) -> (String, Option<String>) {
    let name = |column: u32| {
        let found = header.columns.get(column as usize);
        found.map_or_else(|| format!("column {column}"), |column| column.name.clone())
    };
    let clock = &header.clock;
    let kind = CLOCK_KINDS.iter().find(|(id, _)| *id == clock.kind).map_or("not known here", |(_, name)| *name);
    let mut text = kind.to_owned();
    if clock.kind != 0 {
        let columns = std::iter::once(clock.date_column).chain(clock.time_column).chain(clock.length_column).map(name);
        let _written = write!(text, " ({})", columns.collect::<Vec<_>>().join(", "));
    }
    if clock.length_minutes > 0 {
        let _written = write!(text, ", intervals of {} minutes", clock.length_minutes);
    }
    if !clock.zone.is_empty() {
        let _written = write!(text, ", zone {}", clock.zone);
    }
    (text, header.acd_column.map(name))
}

fn spans_of(entries: &[HeldEntry]) -> impl Iterator<Item = (Option<i64>, Span)> + '_ {
    entries.iter().filter_map(|entry| Some((entry.acd, Span::new(Instant(entry.start), Instant(entry.stop))?)))
}

/// A section with its columns, cutoffs and the time that it speaks for.
#[must_use]
pub fn section_text(section: &SectionView) -> String {
    let header = &section.header;
    let data = DataType::from_bit(header.data_type).map_or("?", DataType::name);
    let grain = Grain::from_id(header.grain).map_or("?", Grain::name);
    let (clock, acd) = roles(header);
    let mut out = format!(
        "section {}: {}, {data}, {grain}\n  {} here in {}, {}\n  when: {}; ACD: {}{}{}\n",
        section.number,
        escape(&header.table),
        counted(section.rows_here(), "row", "rows"),
        counted(section.chunks.iter().filter(|chunk| chunk.here).count() as u64, "chunk", "chunks"),
        bytes(section.bytes),
        escape(&clock),
        escape(acd.as_deref().unwrap_or("none")),
        if header.ordered { "; rows by day" } else { "" },
        if header.server_bound { "; restored only onto its own server" } else { "" },
    );
    let lines: Vec<Vec<String>> = (0..)
        .zip(&header.columns)
        .map(|(number, column): (u32, _)| {
            let null = if column.nullable { "" } else { "not null" };
            let (name, declared) = (column.name.clone(), column.declared.clone());
            vec![format!("  {number}"), name, logical(column), declared, null.to_owned(), column.collation.clone()]
        })
        .collect();
    out.push_str(&table(&["  #", "column", "type", "declared", "null", "collation"], &lines));
    for cutoff in &header.cutoffs {
        let _written = writeln!(out, "  ACD {} up to {}", acd_text(cutoff.acd), Instant(cutoff.cutoff));
    }
    match &section.end {
        Some(end) => {
            for (acd, held) in spans_of(&end.held) {
                let _written = writeln!(out, "  ACD {} holds {}", acd_text(acd), span(held));
            }
        }
        None => out.push_str("  its end is not here: what it holds is not said\n"),
    }
    out
}

/// The same as JSON.
#[must_use]
pub fn section_json(section: &SectionView) -> Value {
    let header = &section.header;
    let (clock, acd) = roles(header);
    let spans = |entries: &[HeldEntry]| -> Vec<Value> {
        spans_of(entries).map(|(acd, span)| json!({"acd": acd, "span": SpanBody::from(span)})).collect()
    };
    let column = |column: &ColumnEntry| {
        json!({
            "name": column.name, "type": logical(column), "declared": column.declared,
            "nullable": column.nullable, "collation": column.collation,
        })
    };
    let cutoff = |acd: Option<i64>, at: i64| json!({"acd": acd, "until": Instant(at).to_string()});
    json!({
        "section": section.number,
        "table": header.table,
        "data": DataType::from_bit(header.data_type).map(DataType::name),
        "grain": Grain::from_id(header.grain).map(Grain::name),
        "clock": clock,
        "acd_column": acd,
        "ordered": header.ordered,
        "slot_minutes": header.slot_minutes,
        "server_bound": header.server_bound,
        "columns": header.columns.iter().map(column).collect::<Vec<_>>(),
        "cutoffs": header.cutoffs.iter().map(|entry| cutoff(entry.acd, entry.cutoff)).collect::<Vec<_>>(),
        "held": section.end.as_ref().map(|end| spans(&end.held)),
        "envelope": section.end.as_ref().map(|end| spans(&end.envelope)),
    })
}

/// Above the blocks of a volume.
#[must_use]
pub fn blocks_head(number: u32, name: &str) -> String {
    format!("\nBlocks of volume {number}, {}:\n   block  section           byte       bytes  kind", escape(name))
}

/// A block, or damage in its place.
#[must_use]
pub fn listed_text(listed: &Listed) -> String {
    match listed {
        Listed::Block(block) => {
            let section = if block.section == 0 { String::new() } else { block.section.to_string() };
            let (offset, size) = (count(block.offset), count(block.bytes));
            format!("{:>8}  {section:>7}  {offset:>13}  {size:>10}  {}", count(block.number), block.kind_name())
        }
        Listed::Damaged { offset, bytes, why } => {
            format!("{:>8}  {:>7}  {:>13}  {:>10}  !! {}", "", "", count(*offset), count(*bytes), escape(why))
        }
    }
}

/// The same as JSON.
#[must_use]
pub fn listed_json(listed: &Listed) -> Value {
    let (block, damage) = match listed {
        Listed::Block(block) => (Some(block), None),
        Listed::Damaged { offset, bytes, why } => (None, Some((*offset, *bytes, why))),
    };
    json!({
        "block": block.map(|block| block.number),
        "kind": block.map(crate::inspect::BlockPlace::kind_name),
        "section": block.map(|block| block.section),
        "byte": block.map_or_else(|| damage.map(|(offset, ..)| offset), |block| Some(block.offset)),
        "bytes": block.map_or_else(|| damage.map(|(_, bytes, _)| bytes), |block| Some(block.bytes)),
        "damage": damage.map(|(.., why)| why),
    })
}

/// Under the blocks of a volume.
#[must_use]
pub fn blocks_end(how: Option<&str>) -> String {
    match how {
        Some("index") => "by the index of the volume; the blocks themselves were not read".to_owned(),
        Some(_) => "by a scan: the volume has no sound index".to_owned(),
        None => "the volume cannot be opened".to_owned(),
    }
}

/// Above the chunks of a section.
#[must_use]
pub fn chunks_head(section: &SectionView) -> String {
    let heading = "   chunk  volume    block       bytes         row    rows  time; ACDs";
    format!("\nChunks of section {}, {}:\n{heading}", section.number, escape(&section.header.table))
}

/// A chunk.
#[must_use]
pub fn chunk_text(line: &ChunkLine) -> String {
    let (number, entry) = (line.chunk.number, line.chunk.entry);
    let acds: Vec<String> = line.acds().into_iter().map(acd_text).collect();
    let mut words = line.time().map_or_else(|| "no time".to_owned(), span);
    if let (Some(_), undated @ 1..) = (line.time(), entry.undated) {
        let _written = write!(words, ", {} without", count(u64::from(undated)));
    }
    let _written = match &line.directory {
        Ok(_) => write!(words, "; ACD {}", acds.join(", ")),
        Err(unread) => write!(words, "  !! {}", escape(&unread.reason)),
    };
    format!(
        "{:>8}  {:>6}  {:>7}  {:>10}  {:>10}  {:>6}  {words}",
        count(number),
        entry.volume,
        count(entry.block),
        count(u64::from(entry.bytes)),
        count(entry.first_row),
        count(u64::from(entry.rows)),
    )
}

/// The same as JSON, with how each column is stored.
#[must_use]
pub fn chunk_json(line: &ChunkLine) -> Value {
    let (chunk, entry) = (&line.chunk, &line.chunk.entry);
    let directory = line.directory.as_ref().ok();
    let columns = directory.map(|directory| {
        let stored = directory.columns.iter().map(|column| {
            json!({"encoding": encoding_name(column.encoding), "stored": column.stored, "decoded": column.decoded})
        });
        stored.collect::<Vec<_>>()
    });
    json!({
        "chunk": chunk.number,
        "volume": entry.volume,
        "block": entry.block,
        "byte": entry.offset,
        "bytes": entry.bytes,
        "first_row": entry.first_row,
        "rows": entry.rows,
        "undated": entry.undated,
        "time": line.time().map(SpanBody::from),
        "here": chunk.here,
        "acds": directory.map(|_| line.acds()),
        "columns": columns,
        "reason": line.directory.as_ref().err().map(|unread| &unread.reason),
    })
}

/// How many times smaller bytes are than what they stand for.
fn ratio(stored: u64, decoded: u64) -> String {
    if stored == 0 {
        return String::new();
    }
    let tenths = u128::from(decoded).saturating_mul(10) / u128::from(stored);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// How the columns of a section are stored.
#[must_use]
pub fn summary_text(summary: &ChunkSummary) -> String {
    let line = |name: String, how: String, stored: u64, decoded: u64| {
        vec![name, bytes(stored), bytes(decoded), ratio(stored, decoded), how]
    };
    let mut lines: Vec<Vec<String>> = Vec::new();
    for column in &summary.columns {
        let one = column.encodings.len() == 1;
        let named = |(id, chunks): (&u16, &u64)| match one {
            true => encoding_name(*id),
            false => format!("{} in {}", encoding_name(*id), counted(*chunks, "chunk", "chunks")),
        };
        let how: Vec<String> = column.encodings.iter().map(named).collect();
        lines.push(line(format!("  {}", column.name), how.join(", "), column.stored, column.decoded));
    }
    let (stored, decoded) = summary.totals();
    let mut how = counted(summary.chunks, "chunk", "chunks");
    if summary.unread > 0 {
        let _written = write!(how, ", and {} that cannot be read", count(summary.unread));
    }
    lines.push(line("  in all".to_owned(), how, stored, decoded));
    table(&["  column", ">stored", ">decoded", ">ratio", "encoding"], &lines)
}

/// The same as JSON.
#[must_use]
pub fn summary_json(summary: &ChunkSummary) -> Value {
    let encodings = |encodings: &std::collections::BTreeMap<u16, u64>| -> Vec<Value> {
        encodings.iter().map(|(id, chunks)| json!({"encoding": encoding_name(*id), "chunks": chunks})).collect()
    };
    let columns = summary.columns.iter().map(|column| {
        json!({
            "name": column.name, "stored": column.stored, "decoded": column.decoded,
            "encodings": encodings(&column.encodings),
        })
    });
    let (stored, decoded) = summary.totals();
    json!({
        "columns": columns.collect::<Vec<_>>(),
        "stored": stored,
        "decoded": decoded,
        "unread": summary.unread,
    })
}

/// Above the coverage of a chain.
#[must_use]
pub fn coverage_head(members: &[&SetReader<'_>], exact: bool) -> String {
    let whole = match exact {
        true => "# whole  : gaps  + partial\n. no row  - not here",
        false => {
            "# whole  + partial\n. no row  - not here\nThe times of rows were not read (--exact): gaps within days do not show."
        }
    };
    match members.len().saturating_sub(1) {
        0 => format!("Coverage:\n{whole}"),
        before => {
            let sets = counted(before as u64, "set", "sets");
            format!("Coverage, with {sets} before it:\n{whole}")
        }
    }
}

/// How many periods are of each sort, in days; weeks and months count their days.
fn days(periods: &[Period], mark: Mark) -> u64 {
    let of_mark = periods.iter().filter(|period| period.mark == mark);
    let days = |period: &Period| u64::try_from(period.span.seconds() / crate::base::time::DAY).unwrap_or(0);
    of_mark.map(days).fold(0, u64::saturating_add)
}

/// The coverage of a table: for each ACD a calendar, and of partial periods what is not there.
#[must_use]
pub fn coverage_text(coverage: &TableCoverage, width: Option<usize>, paints: bool) -> String {
    let mut out = format!("{} ({})\n", escape(&coverage.table), coverage.grain.name());
    if coverage.acds.is_empty() {
        out.push_str("  no row with a time\n");
    }
    for acd in &coverage.acds {
        let told = |mark: Mark, word: &str| match days(&acd.periods, mark) {
            0 => String::new(),
            days => format!(", {} {word}", count(days)),
        };
        let whole = counted(days(&acd.periods, Mark::Whole), "whole day", "whole days");
        let sorts = [
            (Mark::Gaps, "with gaps"),
            (Mark::Partial, "partial"),
            (Mark::Empty, "without a row"),
            (Mark::Missing, "not here"),
        ];
        let sorts = sorts.map(|(mark, word)| told(mark, word)).concat();
        let _written = writeln!(out, "ACD {}: {whole}{sorts}", acd_text(acd.acd));
        if let Some((from, until)) = acd.closed {
            let _written = writeln!(out, "  no day has a row {} to {}", minute(from), minute(until.saturating_sub(60)));
        }
        out.push_str(&calendar(coverage.grain, &acd.periods, paints));
        out.push_str(&partial_text(acd, width));
    }
    out
}

/// A minute of the day.
fn minute(seconds: i64) -> String {
    let minutes = seconds.rem_euclid(crate::base::time::DAY) / 60;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// What of partial periods and of those with gaps is not there.
fn partial_text(acd: &AcdCoverage, width: Option<usize>) -> String {
    let narrow = width.is_some_and(|width| width < 80);
    let mut out = String::new();
    let partial = acd.periods.iter().filter(|period| matches!(period.mark, Mark::Partial | Mark::Gaps));
    for period in partial.clone().take(PARTIAL_SHOWN) {
        let gap = |gap: &Gap| format!("{} {}", if gap.held { "no row" } else { "not here" }, span(gap.span));
        let mut gaps: Vec<String> = period.gaps.iter().take(GAPS_SHOWN).map(gap).collect();
        if let Some(more @ 1..) = period.gaps.len().checked_sub(GAPS_SHOWN) {
            gaps.push(format!("and {}", counted(more as u64, "further gap", "further gaps")));
        }
        let between = if narrow { "\n    " } else { "; " };
        let sign = if period.mark == Mark::Partial { '+' } else { ':' };
        if gaps.is_empty() {
            gaps.push(format!("some rows cannot be read {}", span(period.span)));
        }
        let _written = writeln!(out, "  {sign} {}", gaps.join(between));
    }
    if let Some(more @ 1..) = partial.count().checked_sub(PARTIAL_SHOWN) {
        let _written =
            writeln!(out, "  and {}", counted(more as u64, "further day like these", "further days like these"));
    }
    out
}

/// The coverage of a table, as JSON.
#[must_use]
pub fn coverage_json(coverage: &TableCoverage) -> Value {
    let gap = |gap: &Gap| json!({"span": SpanBody::from(gap.span), "held": gap.held});
    let period = |period: &Period| {
        json!({
            "span": SpanBody::from(period.span),
            "mark": period.mark.name(),
            "gaps": period.gaps.iter().map(gap).collect::<Vec<_>>(),
        })
    };
    let acd = |acd: &AcdCoverage| {
        json!({
            "acd": acd.acd,
            "held": acd.held.iter().map(|span| SpanBody::from(*span)).collect::<Vec<_>>(),
            "closed": acd.closed.map(|(from, until)| json!({"from": minute(from), "until": minute(until)})),
            "periods": acd.periods.iter().map(period).collect::<Vec<_>>(),
        })
    };
    json!({
        "table": coverage.table,
        "grain": coverage.grain.name(),
        "acds": coverage.acds.iter().map(acd).collect::<Vec<_>>(),
        "unread": coverage.unread.iter().map(|unread| &unread.reason).collect::<Vec<_>>(),
    })
}

/// Above a comparison.
#[must_use]
pub fn against_head(label: &str, set: &str) -> String {
    format!("{} (set {set})", escape(label))
}

/// What it is compared with.
#[must_use]
pub fn against_other(name: &str, set: Option<&str>) -> String {
    let set = set.map_or_else(String::new, |set| format!(" (set {set})"));
    format!("against {}{set}\n", escape(name))
}

/// A table that was compared.
#[must_use]
pub fn compared_text(compared: &Compared) -> String {
    let name = escape(&compared.table);
    let mut out = match (&compared.unlike, compared.differences.len() as u64) {
        (Some(why), _) => format!("{name}: cannot be compared: {}\n", escape(why)),
        (None, 0) if compared.same() == Some(true) => {
            format!("{name}: the same, {}\n", counted(compared.buckets, "bucket", "buckets"))
        }
        (None, 0) => format!("{name}: no difference in {}\n", counted(compared.buckets, "bucket", "buckets")),
        (None, some) => {
            format!("{name}: {} of {} differ\n", count(some), counted(compared.buckets, "bucket", "buckets"))
        }
    };
    let lines: Vec<Vec<String>> = compared.differences.iter().take(DIFFERENCES_SHOWN).map(difference_line).collect();
    if !lines.is_empty() {
        out.push_str(&table(&["  ACD", "day", ">rows here", ">rows there", "what"], &lines));
    }
    if let Some(more @ 1..) = compared.differences.len().checked_sub(DIFFERENCES_SHOWN) {
        let _written = writeln!(out, "  and {}", counted(more as u64, "further difference", "further differences"));
    }
    if compared.beyond_cutoff > 0 {
        let buckets = counted(compared.beyond_cutoff, "bucket", "buckets");
        let _written = writeln!(out, "  {buckets} after the cutoff of one of the two, not compared");
    }
    if compared.not_here > 0 {
        let buckets = counted(compared.not_here, "bucket", "buckets");
        let _written = writeln!(out, "  {buckets} cannot be had from the volumes that are here");
    }
    if compared.unknown > 0 {
        let buckets = counted(compared.unknown, "bucket", "buckets");
        let _written = writeln!(out, "  {buckets} not compared: the set's catalog is not here, nor all of their rows");
    }
    out.trim_end().to_owned()
}

fn difference_line(difference: &Difference) -> Vec<String> {
    let rows = |content: Option<Content>| content.map_or_else(|| "-".to_owned(), |content| count(content.rows));
    vec![
        format!("  {}", acd_text(difference.acd)),
        difference.day.map_or_else(|| "no time".to_owned(), date),
        rows(difference.here),
        rows(difference.there),
        what(difference).1.to_owned(),
    ]
}

/// How a bucket differs: for programs and for people.
const fn what(difference: &Difference) -> (&'static str, &'static str) {
    match (difference.here, difference.there) {
        (Some(_), None) => ("only-here", "only in the set"),
        (None, _) => ("only-there", "only on the other side"),
        (Some(_), Some(_)) => ("other-rows", "other rows"),
    }
}

/// A table that was compared, without its differences, as JSON.
#[must_use]
pub fn compared_json(compared: &Compared) -> Value {
    json!({
        "table": compared.table,
        "same": compared.same(),
        "buckets": compared.buckets,
        "unlike": compared.unlike,
        "beyond_cutoff": compared.beyond_cutoff,
        "not_here": compared.not_here,
        "unknown": compared.unknown,
    })
}

/// A difference, as JSON.
#[must_use]
pub fn difference_json(difference: &Difference) -> Value {
    let digest = |content: Option<Content>| content.map(|content| hex(&content.digest));
    let rows = |content: Option<Content>| content.map_or(0, |content| content.rows);
    json!({
        "acd": difference.acd,
        "day": difference.day.map(date),
        "what": what(difference).0,
        "rows_here": rows(difference.here),
        "rows_there": rows(difference.there),
        "digest_here": digest(difference.here),
        "digest_there": digest(difference.there),
    })
}

/// Under a comparison: tables that are the same, that differ, and that could not be compared whole.
#[must_use]
pub fn against_end(same: u64, different: u64, open: u64) -> String {
    let open = match open {
        0 => String::new(),
        _ => format!(" {} without a difference in what could be compared.", counted(open, "table is", "tables are")),
    };
    match different {
        0 => format!("\n{} the same.{open}", counted(same, "table is", "tables are")),
        _ => format!(
            "\n{}, {} the same.{open}",
            counted(different, "table differs", "tables differ"),
            counted(same, "is", "are")
        ),
    }
}
