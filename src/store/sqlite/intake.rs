//! Where the rows of a running scan gather, column by column, until a batch is full.

use rusqlite::types::ValueRef;

use crate::column::batch::{Batch, Column, ColumnData, Strings, Value};

/// Most bytes that a batch may gather before it is handed on, whatever the caller asks for: with one more row of SQLite's
/// largest value a column stays under the 4 GiB that its offsets can count.
const BYTES_CAP: usize = 1 << 30;
/// Most rows that columns are sized for in advance.
const ROWS_AHEAD: usize = 65_536;
/// Bytes set aside in advance for each text.
const TEXT_AHEAD: usize = 12;

/// Which storage class a column is likely to hold; a wrong guess costs a little time, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// Whole numbers.
    Integer,
    /// Binary floating point.
    Real,
    /// Text.
    Text,
    /// Bytes.
    Blob,
}

/// Rows on their way into a batch.
#[derive(Debug, Default)]
pub(super) struct Intake {
    guesses: Vec<Guess>,
    columns: Vec<Column>,
    keys: Vec<i64>,
    keyed: bool,
    rows: usize,
    bytes: usize,
    rows_max: usize,
    bytes_max: usize,
    /// Rows of the batch before this one: as many are likely to come again.
    ahead: usize,
}

impl Intake {
    /// Starts over for a scan of columns like these, in batches of at most `rows_max` rows and about `bytes_max` bytes;
    /// `keyed`: each row is led by its row key. `rows` is how many may come.
    pub(super) fn start(&mut self, guesses: Vec<Guess>, keyed: bool, rows: u64, rows_max: usize, bytes_max: usize) {
        let rows_max = rows_max.max(1);
        *self = Intake {
            guesses,
            keyed,
            rows_max,
            bytes_max: bytes_max.clamp(1, BYTES_CAP),
            ahead: usize::try_from(rows).unwrap_or(usize::MAX).min(rows_max),
            ..Intake::default()
        };
        self.renew();
    }

    /// Takes a row of `len` values (the key first, where there is one); true once the batch is full.
    ///
    /// SQLite gives a key as an integer always; anything else counts as 0.
    #[inline]
    pub(super) fn take<'v>(&mut self, value: impl Fn(usize) -> ValueRef<'v>) -> bool {
        let lead = usize::from(self.keyed);
        if self.keyed {
            self.keys.push(if let ValueRef::Integer(key) = value(0) { key } else { 0 });
        }
        let mut bytes = self.columns.len().saturating_mul(8);
        for (index, column) in self.columns.iter_mut().enumerate() {
            match (&mut column.data, value(index.wrapping_add(lead))) {
                (ColumnData::Integer(main), ValueRef::Integer(v)) => main.push(v),
                (ColumnData::Text(main), ValueRef::Text(v)) => {
                    bytes = bytes.saturating_add(v.len());
                    main.push(v);
                }
                (_, other) => {
                    let other = borrowed(other);
                    if let Value::Text(v) | Value::Blob(v) = other {
                        bytes = bytes.saturating_add(v.len());
                    }
                    column.push(other);
                }
            }
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.rows = self.rows.saturating_add(1);
        self.rows >= self.rows_max || self.bytes >= self.bytes_max
    }

    /// The rows that have gathered, with their keys; `None` if there are none.
    pub(super) fn deliver(&mut self) -> Option<(Vec<i64>, Batch)> {
        let gathered = self.finish();
        if let Some((_, batch)) = &gathered {
            self.ahead = batch.rows;
            self.renew();
        }
        gathered
    }

    /// As [`Intake::deliver`], when no more rows come.
    pub(super) fn finish(&mut self) -> Option<(Vec<i64>, Batch)> {
        if self.rows == 0 {
            return None;
        }
        let batch = Batch { columns: std::mem::take(&mut self.columns), rows: std::mem::take(&mut self.rows) };
        Some((std::mem::take(&mut self.keys), batch))
    }

    fn renew(&mut self) {
        let rows = self.ahead.min(ROWS_AHEAD);
        self.rows = 0;
        self.bytes = 0;
        self.keys = Vec::with_capacity(if self.keyed { rows } else { 0 });
        self.columns = self.guesses.iter().map(|guess| Column::new(room(*guess, rows))).collect();
    }
}

fn room(guess: Guess, rows: usize) -> ColumnData {
    let strings = || {
        let mut offsets = Vec::with_capacity(rows.saturating_add(1));
        offsets.push(0);
        Strings { offsets, bytes: Vec::with_capacity(rows.saturating_mul(TEXT_AHEAD)) }
    };
    match guess {
        Guess::Integer => ColumnData::Integer(Vec::with_capacity(rows)),
        Guess::Real => ColumnData::Real(Vec::with_capacity(rows)),
        Guess::Text => ColumnData::Text(strings()),
        Guess::Blob => ColumnData::Blob(strings()),
    }
}

fn borrowed(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v),
        ValueRef::Text(v) => Value::Text(v),
        ValueRef::Blob(v) => Value::Blob(v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_its_rows_or_its_bytes() {
        let mut intake = Intake::default();
        intake.start(vec![Guess::Text], false, 9, 3, 1_000_000);
        let full: Vec<bool> = (0..3).map(|_| intake.take(|_| ValueRef::Text(b"abc"))).collect();
        assert_eq!(full, [false, false, true]);
        assert_eq!(intake.deliver().unwrap().1.rows, 3);
        assert!(intake.deliver().is_none());
        intake.start(vec![Guess::Text], false, 9, 100, 30);
        assert!(!intake.take(|_| ValueRef::Text(b"0123456789")));
        assert!(intake.take(|_| ValueRef::Text(b"0123456789")));
    }

    #[test]
    fn keys_and_rows_stay_together_and_a_wrong_guess_does_no_harm() {
        let mut intake = Intake::default();
        intake.start(vec![Guess::Integer, Guess::Blob], true, 2, 10, 1_000);
        intake.take(|index| [ValueRef::Integer(-5), ValueRef::Text(b"x"), ValueRef::Null][index]);
        intake.take(|index| [ValueRef::Integer(6), ValueRef::Integer(1), ValueRef::Real(0.5)][index]);
        let (keys, batch) = intake.deliver().unwrap();
        assert_eq!(keys, [-5, 6]);
        assert_eq!(batch.row(0).collect::<Vec<_>>(), [Value::Text(b"x"), Value::Null]);
        assert_eq!(batch.row(1).collect::<Vec<_>>(), [Value::Integer(1), Value::Real(0.5)]);
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let mut intake = Intake::default();
        intake.start(Vec::new(), false, 2, 10, 1_000);
        intake.take(|_| ValueRef::Null);
        intake.take(|_| ValueRef::Null);
        assert_eq!(intake.deliver().unwrap().1, Batch { columns: Vec::new(), rows: 2 });
    }
}
