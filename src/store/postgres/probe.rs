//! The parser of COPY rows, as fuzzing reaches it.

use super::copy_text::{Cutter, Lead, Lines};
use super::declared::Form;
use crate::column::batch::OwnedValue;

/// Every form of a field.
pub const FORMS: [&str; 6] = ["integer", "real 64", "real 32", "boolean", "text", "blob"];

fn form(number: usize) -> Form {
    match number {
        0 => Form::Integer,
        1 => Form::Real { wide: true },
        2 => Form::Real { wide: false },
        3 => Form::Boolean,
        4 => Form::Text,
        _ => Form::Blob,
    }
}

/// The values of a row without its line feed, its fields of the forms with these numbers in [`FORMS`]; `None` if it is refused.
#[must_use]
pub fn cut(row: &[u8], forms: &[usize]) -> Option<Vec<OwnedValue>> {
    let forms: Vec<Form> = forms.iter().map(|number| form(*number)).collect();
    let mut values = Vec::new();
    Cutter::default().cut(Some(row), Lead::None, &forms, |value| values.push(value.into())).ok()?;
    Some(values)
}

/// The whole rows in bytes that come in parts.
#[must_use]
pub fn lines(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut lines, mut rows) = (Lines::default(), Vec::new());
    for part in parts {
        let taken: Result<(), std::convert::Infallible> = lines.take(part, |row| {
            rows.push(row.to_vec());
            Ok(())
        });
        let Ok(()) = taken;
    }
    rows
}
