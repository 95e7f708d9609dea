//! Writing texts: which encoding fits every value, and how the digits of long numbers are best cut into groups.

use super::digits::{DIGITS_MAX, SCALE_MAX, number, parse_decimal, parse_digits};
use crate::column::civil::{parse_date, parse_timestamp};
use crate::column::id;
use crate::column::numbers::tokens::split;
use crate::column::numbers::write::write_numbers;
use crate::column::numbers::zigzag;
use crate::column::stream::write_stream;
use std::collections::HashMap;

/// Texts looked at before a way is tried on all.
const PROBES: usize = 64;
/// Neighbouring texts looked at before a dictionary of all, or a cut into groups, is tried.
const RUN: usize = 512;
/// Longest text of digits that is cut into groups.
const GROUPED_DIGITS_MAX: usize = 40;

/// Appends texts in the encoding that suits them, and gives its id.
pub(in crate::column) fn write_texts(texts: &[&[u8]], level: i32, out: &mut Vec<u8>) -> u16 {
    if let Some(days) = parse_all(texts, |text| parse_date(text).map(i64::from)) {
        write_numbers(&days, level, out);
        return id::DATES;
    }
    if let Some(seconds) = parse_all(texts, parse_timestamp) {
        write_numbers(&seconds, level, out);
        return id::TIMESTAMPS;
    }
    let scale = texts
        .iter()
        .find(|text| !text.is_empty())
        .map_or(0, |text| text.iter().rposition(|byte| *byte == b'.').map_or(0, |point| text.len() - point - 1));
    if scale <= usize::from(SCALE_MAX)
        && let Some(values) = parse_all(texts, |text| parse_decimal(text, scale as u8))
    {
        out.push(scale as u8);
        write_numbers(&values, level, out);
        return id::DECIMALS;
    }
    if write_groups(texts, level, out) {
        return id::DIGIT_GROUPS;
    }
    if let Some(values) = parse_all(texts, parse_digits) {
        write_numbers(&values, level, out);
        return id::DIGITS;
    }
    write_strings(texts, level, out)
}

/// Appends texts or blobs without looking into them, and gives the id of the encoding.
pub(in crate::column) fn write_strings(strings: &[&[u8]], level: i32, out: &mut Vec<u8>) -> u16 {
    let run = strings.get(..strings.len().min(RUN)).unwrap_or_default();
    let repeats = run.len() > 1 && distinct(run, run.len() / 2).is_some();
    if repeats && let Some((entries, indices)) = distinct(strings, strings.len() / 2) {
        out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        write_plain(&entries, level, out);
        write_numbers(&indices, level, out);
        return id::STRING_DICTIONARY;
    }
    write_plain(strings, level, out);
    id::STRINGS
}

fn write_plain(strings: &[&[u8]], level: i32, out: &mut Vec<u8>) {
    let lengths: Vec<i64> = strings.iter().map(|string| string.len() as i64).collect();
    write_numbers(&lengths, level, out);
    write_stream(&strings.concat(), level, out);
}

fn distinct<'a>(strings: &[&'a [u8]], distinct_max: usize) -> Option<(Vec<&'a [u8]>, Vec<i64>)> {
    let mut seen: HashMap<&[u8], i64> = HashMap::new();
    let (mut entries, mut indices) = (Vec::new(), Vec::with_capacity(strings.len()));
    for string in strings {
        let next = entries.len() as i64;
        let index = *seen.entry(string).or_insert(next);
        if index == next {
            if entries.len() == distinct_max {
                return None;
            }
            entries.push(*string);
        }
        indices.push(index);
    }
    Some((entries, indices))
}

/// The number of every text, or `None` if one has none. Neighbours are often equal, and parsed once.
fn parse_all(texts: &[&[u8]], parse: impl Fn(&[u8]) -> Option<i64>) -> Option<Vec<i64>> {
    let mut last = (*texts.first()?, parse(texts.first()?)?);
    let stride = texts.len().div_ceil(PROBES);
    if texts.iter().step_by(stride).any(|text| parse(text).is_none()) {
        return None;
    }
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        if *text != last.0 {
            last = (text, parse(text)?);
        }
        values.push(last.1);
    }
    Some(values)
}

/// Writes texts of equally many digits, more than fit one number, as groups; false if they are not such texts.
fn write_groups(texts: &[&[u8]], level: i32, out: &mut Vec<u8>) -> bool {
    let digits = texts.first().map_or(0, |text| text.len());
    let suits = |text: &&[u8]| text.len() == digits && text.iter().all(u8::is_ascii_digit);
    if !(DIGITS_MAX..=GROUPED_DIGITS_MAX).contains(&digits) || !texts.iter().all(suits) {
        return false;
    }
    let widths = cut(texts.get(..texts.len().min(RUN)).unwrap_or_default(), digits);
    out.push(widths.len() as u8);
    out.extend(widths.iter().map(|width| *width as u8));
    let mut start = 0;
    for width in widths {
        let values: Vec<i64> = texts.iter().map(|text| part(text, start, width)).collect();
        write_numbers(&values, level, out);
        start += width;
    }
    true
}

fn part(text: &[u8], start: usize, width: usize) -> i64 {
    text.get(start..start + width).and_then(number).unwrap_or(0)
}

/// Widths of the groups that look cheapest: the shortest way over all cuts, by what a group would cost on a sample.
fn cut(texts: &[&[u8]], digits: usize) -> Vec<usize> {
    let mut best: Vec<(f64, usize)> = vec![(0.0, 0)];
    for stop in 1..=digits {
        let ways = (stop.saturating_sub(DIGITS_MAX)..stop).map(|start| {
            let before = best.get(start).map_or(0.0, |way| way.0);
            (before + group_bits(texts, start, stop - start), start)
        });
        best.push(ways.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0)));
    }
    let mut widths = Vec::new();
    let mut stop = digits;
    while stop > 0 {
        let start = best.get(stop).map_or(0, |way| way.1);
        widths.push(stop - start);
        stop = start;
    }
    widths.reverse();
    widths
}

/// About how many bits a text spends on a group: as it is or as steps, whichever is less.
fn group_bits(texts: &[&[u8]], start: usize, width: usize) -> f64 {
    let values: Vec<u64> = texts.iter().map(|text| part(text, start, width) as u64).collect();
    let low = values.iter().min().copied().unwrap_or(0);
    let plain = token_bits(values.iter().map(|value| value - low));
    let steps = values.iter().zip(values.iter().skip(1)).map(|(a, b)| zigzag((*b as i64).wrapping_sub(*a as i64)));
    plain.min(token_bits(steps)) + 0.25
}

fn token_bits(values: impl Iterator<Item = u64>) -> f64 {
    const KEPT: u32 = 3;
    let mut counts = [0u32; 512];
    let (mut raw, mut total) = (0u64, 0u32);
    for value in values {
        let (token, low) = split(value, KEPT);
        if let Some(count) = counts.get_mut(token as usize) {
            *count += 1;
        }
        raw += u64::from(low);
        total += 1;
    }
    let all = f64::from(total.max(1));
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| -f64::from(*count) * (f64::from(*count) / all).log2())
        .sum();
    (entropy + raw as f64) / all
}
