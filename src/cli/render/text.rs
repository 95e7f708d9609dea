//! Answers as text: numbers, sizes, spans, tables; and text from outside made harmless for a terminal.

use crate::base::time::{Instant, Span};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::borrow::Cow;
use std::time::Duration;

/// Who somebody is, of words in brackets for a message.
pub fn bare(who: &str) -> &str {
    who.trim().trim_matches(['(', ')'])
}

/// Text that came from a volume, a database or a person, with everything that a terminal would act on or that would turn
/// or hide its neighbours written as `\u{..}`: control characters (line breaks and tabs too), marks of direction,
/// characters without width, line separators.
///
/// ```
/// use intervault::cli::render::text::escape;
/// assert_eq!(escape("hsplit"), "hsplit");
/// assert_eq!(escape("\u{1b}]0;owned\u{7}"), "\\u{1b}]0;owned\\u{7}");
/// ```
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Whether a terminal acts on a character, or it turns or hides its neighbours.
pub(super) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Lines no longer than `width` characters where they have blanks to be broken at; what follows is set in deeper. Words stay
/// whole, so that names can be copied. Colours count for nothing.
///
/// ```
/// use intervault::cli::render::text::wrap;
/// assert_eq!(wrap("  a line  of words\nshort", 10), "  a line\n    of\n    words\nshort");
/// assert_eq!(wrap("averylongword b", 10), "averylongword\n  b");
/// ```
#[must_use]
pub fn wrap(text: &str, width: usize) -> String {
    let wrapped = |line: &str| if seen(line) <= width { line.to_owned() } else { wrap_line(line, width) };
    text.split('\n').map(wrapped).collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, width: usize) -> String {
    let own = line.len().saturating_sub(line.trim_start_matches(' ').len());
    let deeper = " ".repeat(own.saturating_add(2).min(width / 2));
    let mut out = " ".repeat(own.min(width / 2));
    let (mut used, mut blanks, mut begun) = (out.len(), 0usize, false);
    for word in line.trim_start_matches(' ').split(' ') {
        let len = seen(word);
        if len == 0 && begun {
            // Blanks in a row: columns stay where they are as long as there is room.
            blanks = blanks.saturating_add(1);
            continue;
        }
        if begun && used.saturating_add(blanks).saturating_add(1).saturating_add(len) > width {
            out.push('\n');
            out.push_str(&deeper);
            used = deeper.len();
        } else if begun {
            out.push_str(&" ".repeat(blanks.saturating_add(1)));
            used = used.saturating_add(blanks).saturating_add(1);
        }
        out.push_str(word);
        (used, blanks, begun) = (used.saturating_add(len), 0, true);
    }
    out
}

/// Characters that are seen.
fn seen(text: &str) -> usize {
    let mut colour = false;
    let shown = text.chars().filter(|c| {
        let was = colour;
        colour = if was { *c != 'm' } else { *c == '\u{1b}' };
        !was && !colour
    });
    shown.count()
}

/// A number with its thousands set apart.
///
/// ```
/// assert_eq!(intervault::cli::render::text::count(5_323_661), "5,323,661");
/// ```
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with the word for what is counted: `1 row`, `2 rows`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in bytes, in units of 1024.
///
/// ```
/// use intervault::cli::render::text::bytes;
/// assert_eq!([bytes(0), bytes(1_023), bytes(1_536), bytes(64 << 20)], ["0 B", "1023 B", "1.5 KiB", "64.0 MiB"]);
/// ```
#[must_use]
pub fn bytes(size: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1_024 {
        return format!("{size} B");
    }
    // The largest unit that is not larger than the size; one decimal, cut, never rounded up to 1024.0.
    let power = (size.ilog2() / 10).min(6);
    let tenths = (u128::from(size) * 10) >> (power * 10);
    let unit = units.get(power as usize - 1).copied().unwrap_or_default();
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A word as a shell would have to read it.
///
/// ```
/// use intervault::cli::render::text::quoted;
/// assert_eq!([quoted("--from=/a/b"), quoted("it's")], ["--from=/a/b", "'it'\\''s'"]);
/// ```
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=./:,".contains(&byte));
    if plain && !word.is_empty() { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Rows a second, for people; nothing where no time passed.
#[must_use]
pub fn rate(rows: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if rows == 0 || seconds < 0.001 {
        return String::new();
    }
    // Three digits say enough of a rate.
    let rate = (rows as f64 / seconds) as u64;
    let unit = 10_u64.pow(rate.max(1).ilog10().saturating_sub(2));
    format!(" ({} rows a second)", count(rate / unit * unit))
}

/// How long something took.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=59 => format!("{:.1} s", duration.as_secs_f64()),
        60..=3_599 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A span as people enter and read it: both minutes are in it. Half past nine, half-open, reads 09:29. The day is not
/// repeated; a side without bound is said in words.
///
/// ```
/// use intervault::base::time::{Instant, Span};
/// use intervault::cli::render::text::span;
/// assert_eq!(span(Span { start: Instant(0), stop: Instant(1_800) }), "1970-01-01 00:00 to 00:29");
/// assert_eq!(span(Span::of_day(0)), "1970-01-01");
/// assert_eq!(span(Span::ALL), "all of time");
/// ```
#[must_use]
pub fn span(span: Span) -> String {
    let (first, last) = (span.start, last_instant(span));
    match (span.start > Span::ALL.start, span.stop < Span::ALL.stop) {
        (false, false) => "all of time".to_owned(),
        (true, false) => format!("{first} and later"),
        (false, true) => format!("until {last}"),
        (true, true) if first.second_of_day() == 0 && span.stop.second_of_day() == 0 => {
            let (first, last) = (day(first), day(last));
            if first == last { first } else { format!("{first} to {last}") }
        }
        (true, true) => {
            let text = last.to_string();
            let same_day = first.day() == last.day();
            let last = if same_day { text.split_once(' ').map_or(text.as_str(), |(_, time)| time) } else { &text };
            format!("{first} to {last}")
        }
    }
}

fn day(at: Instant) -> String {
    let text = at.to_string();
    text.split_once(' ').map_or_else(|| text.clone(), |(day, _)| day.to_owned())
}

/// The last minute of a span, or its last second if it does not end with a minute.
fn last_instant(span: Span) -> Instant {
    let last = span.stop.plus(if span.stop.second_of_day() % 60 == 0 { -60 } else { -1 });
    last.max(span.start)
}

/// A table for people: a heading, left- or right-aligned columns (`>` before a heading: right), two blanks between them,
/// nothing wrapped. Cells are escaped here.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell).into_owned()));
    }
    for (at, heading) in headings.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_passes() {
        let hostile = "a\u{1b}[2Jb\rc\nd\te\u{9b}31mf\u{202e}g\u{200b}h\u{7f}i\u{feff}j\u{e0041}k";
        let shown = escape(hostile);
        assert!(shown.chars().all(|c| !acts(c)), "{shown}");
        let letters: String = "abcdefghijk".chars().filter(|c| shown.contains(*c)).collect();
        assert_eq!(letters, "abcdefghijk");
        assert_eq!(escape("gr\u{fc}n \u{65e5}\u{672c} \u{2713}"), "gr\u{fc}n \u{65e5}\u{672c} \u{2713}");
        for code in (0..0x20).chain(0x7f..0xa0) {
            let c = char::from_u32(code).unwrap();
            assert_eq!(escape(&c.to_string()), format!("\\u{{{code:x}}}"));
        }
    }

    #[test]
    fn numbers_and_sizes_are_readable() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "row", "rows"), counted(0, "row", "rows")], ["1 row", "0 rows"]);
        assert_eq!([bytes(1_024), bytes((1 << 20) - 1), bytes(u64::MAX)], ["1.0 KiB", "1023.9 KiB", "15.9 EiB"]);
        let times = [400, 61_000, 3_600_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(times, ["0.4 s", "1:01 min", "1:00 h"]);
    }

    #[test]
    fn rates_have_three_digits() {
        let second = Duration::from_secs(1);
        assert_eq!(rate(1_234_567, second), " (1,230,000 rows a second)");
        assert_eq!([rate(7, second), rate(0, second), rate(7, Duration::ZERO)], [" (7 rows a second)", "", ""]);
    }

    #[test]
    fn spans_read_as_inclusive_minutes() {
        let at = |day: i64, minute: i64, second: i64| Instant(day * 86_400 + minute * 60 + second);
        let cases = [
            (at(0, 300, 0), at(0, 330, 0), "1970-01-01 05:00 to 05:29"),
            (at(0, 1_410, 0), at(1, 0, 0), "1970-01-01 23:30 to 23:59"),
            (at(0, 1_410, 0), at(1, 30, 0), "1970-01-01 23:30 to 1970-01-02 00:29"),
            (at(0, 0, 0), at(2, 0, 0), "1970-01-01 to 1970-01-02"),
            (at(0, 300, 0), at(0, 300, 1), "1970-01-01 05:00 to 05:00"),
            (at(0, 300, 0), at(0, 300, 30), "1970-01-01 05:00 to 05:00:29"),
        ];
        for (start, stop, wanted) in cases {
            assert_eq!(span(Span { start, stop }), wanted);
        }
        assert_eq!(span(Span { start: at(0, 0, 0), ..Span::ALL }), "1970-01-01 00:00 and later");
        assert_eq!(span(Span { stop: at(0, 60, 0), ..Span::ALL }), "until 1970-01-01 00:59");
    }

    #[test]
    fn tables_are_aligned_and_escaped() {
        let rows = vec![vec!["hsplit".to_owned(), "43,275".to_owned()], vec!["x\u{1b}[0m".to_owned(), "7".to_owned()]];
        let shown = table(&["table", ">rows"], &rows);
        assert_eq!(shown, "table         rows\nhsplit      43,275\nx\\u{1b}[0m       7\n");
    }
}
