//! Writing number streams in a given form. Which form is `choose`'s affair; every form can write every stream of at
//! least one number whose tokens fit a byte.

use super::choose::{Form, FormMemory, Trial, choose};
use super::tokens::{BitWriter, most_kept, split};
use super::zigzag;
use crate::column::id::form;
use crate::column::stream::write_stream;
use std::hash::{BuildHasher, RandomState};

/// Appends a number stream in the form that looks smallest. `values` are at most 2^32 - 1.
pub(in crate::column) fn write_numbers(values: &[i64], level: i32, out: &mut Vec<u8>) {
    write_remembered(values, level, &mut FormMemory::default(), out);
}

/// The same, in the forms that like numbers had before, if there were any; else those chosen are remembered.
pub(in crate::column) fn write_remembered(values: &[i64], level: i32, memory: &mut FormMemory, out: &mut Vec<u8>) {
    write_at_depth(values, 1, Trial::Sample, level, memory, out);
}

/// Appends ascending rows as a count and a number stream of gaps.
pub(in crate::column) fn write_places(rows: &[u32], level: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    let mut next = 0i64;
    let gaps: Vec<i64> = rows
        .iter()
        .map(|row| {
            let gap = i64::from(*row).wrapping_sub(next);
            next = i64::from(*row) + 1;
            gap
        })
        .collect();
    write_numbers(&gaps, level, out);
}

fn write_at_depth(values: &[i64], depth: u32, trial: Trial, level: i32, memory: &mut FormMemory, out: &mut Vec<u8>) {
    let form = memory.form(values, || choose(values, depth, trial, level));
    write_form(values, form, depth, trial, level, memory, out);
}

/// Appends a number stream in this form.
pub(super) fn write_form(
    values: &[i64],
    form: Form,
    depth: u32,
    trial: Trial,
    level: i32,
    memory: &mut FormMemory,
    out: &mut Vec<u8>,
) {
    match form {
        Form::Constant => {
            out.push(form::CONSTANT);
            out.extend_from_slice(&values.first().copied().unwrap_or(0).to_le_bytes());
        }
        Form::Narrow => write_narrow(values, level, out),
        Form::Planes => write_planes(values, level, out),
        Form::Tokens => write_tokens(values, level, out),
        Form::Sparse(common) => write_sparse(values, common, depth, trial, level, memory, out),
        Form::Dictionary => match distinct(values, values.len() / 2) {
            Some((entries, indices)) => {
                out.push(form::DICTIONARY);
                out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
                write_at_depth(&entries, depth + 1, trial, level, memory.first(), out);
                write_at_depth(&indices, depth + 1, trial, level, memory.second(), out);
            }
            None => write_tokens(values, level, out),
        },
        Form::Delta => write_delta(values, depth, trial, level, memory, out),
    }
}

/// Smallest and largest value; zeros if there is none.
pub(super) fn range(values: &[i64]) -> (i64, i64) {
    let first = values.first().copied().unwrap_or(0);
    values.iter().fold((first, first), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// Fewest bytes, of 1, 2, 4 and 8, that hold a number up to `max`.
pub(super) const fn width(max: u64) -> u8 {
    match max {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => 8,
    }
}

fn write_narrow(values: &[i64], level: i32, out: &mut Vec<u8>) {
    let (low, high) = range(values);
    let width = width(high.wrapping_sub(low) as u64);
    out.extend_from_slice(&[form::NARROW, width]);
    out.extend_from_slice(&low.to_le_bytes());
    let rests = values.iter().map(|value| value.wrapping_sub(low) as u64);
    let bytes: Vec<u8> = match width {
        1 => rests.map(|rest| rest as u8).collect(),
        2 => rests.flat_map(|rest| (rest as u16).to_le_bytes()).collect(),
        4 => rests.flat_map(|rest| (rest as u32).to_le_bytes()).collect(),
        _ => rests.flat_map(u64::to_le_bytes).collect(),
    };
    write_stream(&bytes, level, out);
}

fn write_planes(values: &[i64], level: i32, out: &mut Vec<u8>) {
    let (low, high) = range(values);
    let width = width(high.wrapping_sub(low) as u64);
    out.extend_from_slice(&[form::PLANES, width]);
    out.extend_from_slice(&low.to_le_bytes());
    for plane in 0..width {
        let bytes: Vec<u8> = values.iter().map(|value| (value.wrapping_sub(low) as u64 >> (8 * plane)) as u8).collect();
        write_stream(&bytes, level, out);
    }
}

fn write_tokens(values: &[i64], level: i32, out: &mut Vec<u8>) {
    let (base, high) = range(values);
    let kept = most_kept(high.wrapping_sub(base) as u64);
    out.extend_from_slice(&[form::TOKENS, kept as u8]);
    out.extend_from_slice(&base.to_le_bytes());
    let mut tokens = Vec::with_capacity(values.len());
    let mut bits = BitWriter::default();
    for value in values {
        let rest = value.wrapping_sub(base) as u64;
        let (token, low) = split(rest, kept);
        tokens.push(token as u8);
        bits.push(rest & ((1 << low) - 1), low);
    }
    write_stream(&tokens, level, out);
    out.extend_from_slice(&bits.finish());
}

fn write_sparse(
    values: &[i64],
    common: i64,
    depth: u32,
    trial: Trial,
    level: i32,
    memory: &mut FormMemory,
    out: &mut Vec<u8>,
) {
    let (mut gaps, mut exceptions) = (Vec::new(), Vec::new());
    let mut next = 0usize;
    for (at, value) in values.iter().enumerate() {
        if *value != common {
            gaps.push((at - next) as i64);
            exceptions.push(*value);
            next = at + 1;
        }
    }
    out.push(form::SPARSE);
    out.extend_from_slice(&common.to_le_bytes());
    out.extend_from_slice(&(gaps.len() as u32).to_le_bytes());
    write_at_depth(&gaps, depth + 1, trial, level, memory.first(), out);
    write_at_depth(&exceptions, depth + 1, trial, level, memory.second(), out);
}

fn write_delta(values: &[i64], depth: u32, trial: Trial, level: i32, memory: &mut FormMemory, out: &mut Vec<u8>) {
    out.push(form::DELTA);
    out.extend_from_slice(&values.first().copied().unwrap_or(0).to_le_bytes());
    write_at_depth(&steps(values), depth + 1, trial.within_delta(), level, memory.first(), out);
}

/// The folded differences between neighbours; one fewer than there are values.
fn steps(values: &[i64]) -> Vec<i64> {
    values.iter().zip(values.iter().skip(1)).map(|(a, b)| zigzag(b.wrapping_sub(*a)) as i64).collect()
}

/// The distinct values in order of first appearance, and for each value the index of its like; `None` if there are more
/// than `distinct_max`.
pub(super) fn distinct(values: &[i64], distinct_max: usize) -> Option<(Vec<i64>, Vec<i64>)> {
    const FREE: u32 = u32::MAX;
    let bits = (2 * distinct_max.max(8)).next_power_of_two().trailing_zeros();
    let mask = (1usize << bits) - 1;
    // A secret odd factor, so that no data can be made to collide.
    let factor = RandomState::new().hash_one(0u8) | 1;
    let mut slots = vec![FREE; mask + 1];
    let (mut entries, mut indices) = (Vec::new(), Vec::with_capacity(values.len()));
    for value in values {
        let mut slot = ((*value as u64).wrapping_mul(factor) >> (64 - bits)) as usize;
        let index = loop {
            let entry = slots.get_mut(slot & mask)?;
            if *entry == FREE {
                if entries.len() == distinct_max {
                    return None;
                }
                *entry = entries.len() as u32;
                entries.push(*value);
                break *entry;
            }
            if entries.get(*entry as usize) == Some(value) {
                break *entry;
            }
            slot += 1;
        };
        indices.push(i64::from(index));
    }
    Some((entries, indices))
}
