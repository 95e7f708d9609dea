//! Picks the form of a number stream: tries the promising ones on a sample and takes the smallest. Any choice is right;
//! a bad one only costs bytes.

use super::write::{distinct, range, width, write_form};
use super::zigzag;
use crate::column::id::NUMBERS_DEPTH_MAX;

/// A form, with what has to be known to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Constant,
    Narrow,
    Planes,
    Tokens,
    Sparse(i64),
    Dictionary,
    Delta,
}

/// The forms of a stream and of the streams inside it, as once chosen. Choosing writes a sample several times over, and the
/// next numbers of the same column nearly always want the same.
#[derive(Debug, Default)]
pub(in crate::column) struct FormMemory {
    form: Option<Form>,
    first: Option<Box<FormMemory>>,
    second: Option<Box<FormMemory>>,
}

impl FormMemory {
    /// The form remembered, or else the one chosen now. Numbers that are all the same are always written as such, whatever
    /// is remembered, and are nothing to remember.
    pub(super) fn form(&mut self, values: &[i64], choose: impl FnOnce() -> Form) -> Form {
        match self.form {
            Some(form) if values.iter().any(|value| values.first() != Some(value)) => form,
            Some(_) => Form::Constant,
            None => {
                let form = choose();
                self.form = Some(form).filter(|form| *form != Form::Constant);
                form
            }
        }
    }

    /// The memory of the first stream inside.
    pub(super) fn first(&mut self) -> &mut FormMemory {
        self.first.get_or_insert_default()
    }

    /// The memory of the second stream inside.
    pub(super) fn second(&mut self) -> &mut FormMemory {
        self.second.get_or_insert_default()
    }
}

/// How hard to look for the best form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// Candidates are written for a sample and compared.
    Sample,
    /// The same, for the steps of a delta: no delta again.
    SampleSteps,
    /// A rule of thumb, inside such a sample.
    Guess,
    /// The rule of thumb for the steps of a delta.
    GuessSteps,
}

impl Trial {
    pub(super) const fn within_delta(self) -> Trial {
        match self {
            Trial::Sample | Trial::SampleSteps => Trial::SampleSteps,
            Trial::Guess | Trial::GuessSteps => Trial::GuessSteps,
        }
    }

    const fn guess(self) -> Trial {
        match self {
            Trial::Sample | Trial::Guess => Trial::Guess,
            Trial::SampleSteps | Trial::GuessSteps => Trial::GuessSteps,
        }
    }

    const fn takes_delta(self) -> bool {
        matches!(self, Trial::Sample | Trial::Guess)
    }
}

/// Values in one run of a sample.
const RUN: usize = 2_048;
/// Runs of a sample.
const RUNS: usize = 2;

/// What a sample shows.
struct Shape {
    width: u8,
    /// The value that at least half have.
    majority: Option<i64>,
    /// Whether steps between neighbours look smaller than the values.
    smooth: bool,
}

pub(super) fn choose(values: &[i64], depth: u32, trial: Trial, level: i32) -> Form {
    let (low, high) = range(values);
    if low == high {
        return Form::Constant;
    }
    let sample = sample(values);
    let nests = depth < NUMBERS_DEPTH_MAX;
    let shape = look(&sample, low, high);
    let delta = trial.takes_delta() && depth + 1 < NUMBERS_DEPTH_MAX;
    if matches!(trial, Trial::Guess | Trial::GuessSteps) {
        return guess(&shape, nests, delta);
    }
    if let Some(common) = shape.majority.filter(|common| nests && sample.iter().all(|value| value == common)) {
        let others = values.iter().filter(|value| *value != &common).count();
        let changes = values.iter().zip(values.iter().skip(1)).filter(|(a, b)| a != b).count();
        return if delta && changes < others { Form::Delta } else { Form::Sparse(common) };
    }
    let mut candidates = vec![Form::Narrow];
    if shape.width >= 2 {
        candidates.push(Form::Tokens);
        if shape.width >= 4 {
            candidates.push(Form::Planes);
        }
        if nests && distinct(&sample, sample.len() / 4).is_some() {
            candidates.push(Form::Dictionary);
        }
    }
    if delta && shape.smooth {
        candidates.push(Form::Delta);
    }
    if let Some(common) = shape.majority.filter(|_| nests) {
        candidates.push(Form::Sparse(common));
    }
    let mut best = (usize::MAX, Form::Narrow);
    let mut scratch = Vec::new();
    for form in candidates {
        scratch.clear();
        write_form(&sample, form, depth, trial.guess(), level, &mut FormMemory::default(), &mut scratch);
        if scratch.len() < best.0 {
            best = (scratch.len(), form);
        }
    }
    best.1
}

fn sample(values: &[i64]) -> std::borrow::Cow<'_, [i64]> {
    if values.len() <= RUN * RUNS {
        return values.into();
    }
    let stride = (values.len() - RUN) / (RUNS - 1);
    let mut sample = Vec::with_capacity(RUN * RUNS);
    for run in 0..RUNS {
        sample.extend_from_slice(values.get(run * stride..run * stride + RUN).unwrap_or_default());
    }
    sample.into()
}

fn look(sample: &[i64], low: i64, high: i64) -> Shape {
    let mut candidate = (low, 0u32);
    for value in sample {
        candidate = match candidate {
            (_, 0) => (*value, 1),
            (held, votes) if held == *value => (held, votes + 1),
            (held, votes) => (held, votes - 1),
        };
    }
    let votes = sample.iter().filter(|value| **value == candidate.0).count();
    let length = |rest: u64| u64::from(64 - rest.leading_zeros());
    let plain: u64 = sample.iter().map(|value| length(value.wrapping_sub(low) as u64)).sum();
    let stepped: u64 = sample.iter().zip(sample.iter().skip(1)).map(|(a, b)| length(zigzag(b.wrapping_sub(*a)))).sum();
    Shape {
        width: width(high.wrapping_sub(low) as u64),
        majority: (votes * 2 >= sample.len()).then_some(candidate.0),
        smooth: stepped < plain,
    }
}

/// The form for a part of a sample.
fn guess(shape: &Shape, nests: bool, delta: bool) -> Form {
    match shape.majority {
        _ if delta && shape.smooth => Form::Delta,
        Some(common) if nests => Form::Sparse(common),
        _ if shape.width >= 2 => Form::Tokens,
        _ => Form::Narrow,
    }
}
