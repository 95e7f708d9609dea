//! Blocks byte by byte and maps of volumes, for people and for programs.

use super::text::{bytes, count, counted, escape};
use crate::inspect::{Block, Found, How, Part, Run, Stretch, Value, hex};
use crate::volume::scanner::Coverage;
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Bytes of a part in JSON.
const HEX_MAX: usize = 64;
/// Lines of bytes that are shown of one part, unless all are wanted.
const LINES_SHOWN: usize = 4;
/// Characters that a line needs for sixteen bytes and a note beside them; for eight.
const WIDE: usize = 100;
const HALF: usize = 72;

/// What is said of a block before its bytes.
#[must_use]
pub fn block_text(name: &str, found: Found, block: &Block) -> String {
    let place = format!("at byte {} (hexadecimal {:x})", count(found.offset), found.offset);
    let how = match found.how {
        How::Index => ", where the volume's index says",
        How::Scan if block.begins => ", where a scan of the volume found it; there is no sound index",
        How::Scan => ", where a scan of the volume found damage in its place; there is no sound index",
        How::Asked => "",
    };
    let what = match block.number() {
        Some(number) => format!("block {}, {}", count(number), counted(block.bytes.len() as u64, "byte", "bytes")),
        None => counted(block.bytes.len() as u64, "byte", "bytes"),
    };
    let verdict = match &block.verdict {
        Ok(()) => "header and payload are sound".to_owned(),
        Err(reason) => format!("no sound block: {}", escape(reason)),
    };
    format!("{}: {what} {place}{how}\n{verdict}\n", escape(name))
}

/// The same as JSON.
#[must_use]
pub fn block_json(name: &str, found: Found, block: &Block) -> Json {
    json!({
        "name": name,
        "offset": found.offset,
        "found_by": found.how.name(),
        "bytes": block.bytes.len(),
        "block": block.number(),
        "sound": block.verdict.is_ok(),
        "reason": block.verdict.as_ref().err(),
    })
}

/// A part of a block, as JSON.
#[must_use]
pub fn part_json(part: &Part<'_>) -> Json {
    let value = match &part.value {
        Value::None => Json::Null,
        Value::Unsigned(number) => json!(number),
        Value::Signed(number) => json!(number),
        Value::Flag(flag) => json!(flag),
        Value::Text(text) => json!(text),
    };
    json!({
        "byte": part.at,
        "bytes": part.bytes.len(),
        "depth": part.depth,
        "field": part.name,
        "value": value,
        "meaning": part.meaning,
        "fault": part.fault,
        "hex": hex(part.bytes.get(..HEX_MAX).unwrap_or(part.bytes)),
    })
}

/// How the bytes of a block are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Bytes of a line.
    bytes: usize,
    /// Whether a note stands above its bytes, for want of room beside them.
    above: bool,
    paints: bool,
    /// Lines of one part.
    lines: usize,
    /// Digits of a place.
    digits: usize,
}

impl View {
    /// For lines of so many characters, if they are bounded.
    #[must_use]
    pub fn new(width: Option<usize>, paints: bool, all: bool, block: &Block) -> View {
        let (bytes, above) = match width {
            Some(width) if width < HALF => (8, true),
            Some(width) if width < WIDE => (8, false),
            _ => (16, false),
        };
        let lines = if all || !block.begins { usize::MAX } else { LINES_SHOWN };
        View { bytes, above, paints, lines, digits: if block.bytes.len() > 0xFFFF { 7 } else { 4 } }
    }

    /// A part: places, bytes, name, value, what it stands for, what is wrong.
    #[must_use]
    pub fn part(&self, part: &Part<'_>) -> String {
        let note = self.note(part);
        let mut out = String::new();
        let (digits, width) = (self.digits, self.bytes.saturating_mul(3));
        if part.bytes.is_empty() || self.above {
            let _written = writeln!(out, "{:digits$x}  {}{note}", part.at, self.margin(width));
        }
        let unnamed = part.value == Value::None;
        let mut at = part.at;
        for (number, line) in part.bytes.chunks(self.bytes).enumerate() {
            if number == self.lines {
                let shown = number.saturating_mul(self.bytes);
                let more = part.bytes.len().saturating_sub(shown) as u64;
                let _written = writeln!(out, "{:digits$}  … {}", "", counted(more, "further byte", "further bytes"));
                break;
            }
            let text: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = text.join(" ");
            let beside = match (number, self.above) {
                (0, false) => note.clone(),
                // What has no value may be text.
                _ if unnamed && !self.above && part.bytes.len() > self.bytes => ascii(line),
                _ => String::new(),
            };
            let line = format!("{at:digits$x}  {text:width$} {beside}");
            let _written = writeln!(out, "{}", line.trim_end());
            at = at.saturating_add(self.bytes as u64);
        }
        out
    }

    /// Blanks where bytes would stand.
    fn margin(&self, width: usize) -> String {
        if self.above { String::new() } else { " ".repeat(width.saturating_add(1)) }
    }

    fn note(&self, part: &Part<'_>) -> String {
        let mut note = format!("{}{}", "  ".repeat(part.depth), escape(&part.name));
        let _written = match &part.value {
            Value::None | Value::Flag(_) => Ok(()),
            Value::Unsigned(number) => write!(note, " {number}"),
            Value::Signed(number) => write!(note, " {number}"),
            Value::Text(text) => write!(note, " \"{}\"", escape(text)),
        };
        if let Some(meaning) = &part.meaning {
            let _written = write!(note, ": {}", escape(meaning));
        }
        if let Some(fault) = &part.fault {
            note.push_str("  ");
            note.push_str(&painted(&format!("!! {}", escape(fault)), self.paints));
        }
        note
    }
}

/// What is wrong, in red where colours are used.
fn painted(text: &str, paints: bool) -> String {
    if paints { format!("\u{1b}[31m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Bytes as characters, those that are none as points.
fn ascii(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    format!("|{}|", bytes.iter().map(shown).collect::<String>())
}

/// What stands above the map of a volume.
#[must_use]
pub fn map_head(name: &str, len: u64, further: bool) -> String {
    let before = if further { "\n" } else { "" };
    format!(
        "{before}{}: {} ({})\n          byte        bytes  what",
        escape(name),
        counted(len, "byte", "bytes"),
        bytes(len)
    )
}

/// A run of a map.
#[must_use]
pub fn run_text(run: &Run, paints: bool) -> String {
    let what = match &run.what {
        Stretch::Blocks { section, first, last, .. } => {
            let kind = run.kind_name().unwrap_or_default();
            let numbers = if first == last { count(*first) } else { format!("{} to {}", count(*first), count(*last)) };
            let section = if *section == 0 { String::new() } else { format!(", section {section}") };
            format!("{kind}{section}, block {numbers}")
        }
        Stretch::Damaged { stretches, why } => {
            let more = match stretches.saturating_sub(1) {
                0 => String::new(),
                more => format!("; and {}", counted(more, "further stretch beside it", "further stretches beside it")),
            };
            painted(&format!("!! {}{more}", escape(why)), paints)
        }
        Stretch::Zeros => "zeros behind the end of the volume".to_owned(),
    };
    format!("{:>14} {:>12}  {what}", count(run.offset), count(run.bytes))
}

/// The same as JSON.
#[must_use]
pub fn run_json(run: &Run) -> Json {
    let (section, first, last, stretches, why) = match &run.what {
        Stretch::Blocks { section, first, last, .. } => (Some(*section), Some(*first), Some(*last), None, None),
        Stretch::Damaged { stretches, why } => (None, None, None, Some(*stretches), Some(why)),
        Stretch::Zeros => (None, None, None, None, None),
    };
    json!({
        "byte": run.offset,
        "bytes": run.bytes,
        "kind": run.kind_name(),
        "section": section,
        "first": first,
        "last": last,
        "stretches": stretches,
        "damage": why,
    })
}

/// What a map accounts for.
#[must_use]
pub fn map_end(coverage: Coverage) -> String {
    let intact = counted(coverage.intact, "byte of sound blocks", "bytes of sound blocks");
    match coverage.damaged {
        0 => intact,
        damaged => format!("{intact}, {}", counted(damaged, "byte of none", "bytes of none")),
    }
}
