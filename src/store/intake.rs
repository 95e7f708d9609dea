//! Where the rows of a running scan gather, column by column, until a batch is full.

use std::slice::{ChunksExactMut, Iter};

use crate::column::batch::{Batch, Column, ColumnData, OwnedValue, Strings, Value};

/// Most bytes that a batch may gather before it is handed on, whatever the caller asks for: with one more row of a
/// database's largest value a column stays under the 4 GiB that its offsets can count.
const BYTES_CAP: usize = 1 << 30;
/// Most rows that columns are sized for in advance.
const ROWS_AHEAD: usize = 65_536;
/// Bytes set aside in advance for each text.
const TEXT_AHEAD: usize = 12;
/// Rows whose whole numbers are held back before they go to their columns. The columns of a batch lie at like addresses,
/// of which a processor's cache holds only a few; written to one after the other, row by row, they would push each other out.
const HELD_ROWS: usize = 32;
/// Places set aside for those of a column. A cache line more than there are rows: columns that lie a power of two apart would
/// share the few lines of the processor's cache that such addresses go to.
const HELD_PLACES: usize = HELD_ROWS + 8;
/// A column with more other values than these among the rows held back is not held back any longer.
const ODD_MAX: usize = 4;

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
    /// Which columns are held back: those of whole numbers, as long as few other values come.
    holds: Vec<bool>,
    /// What is held back, [`HELD_PLACES`] for each column, whether or not it is held back.
    held: Vec<i64>,
    held_rows: usize,
    /// What the columns held back have beside whole numbers: column, row among those held back, value.
    odd: Vec<(usize, usize, OwnedValue)>,
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

    /// Takes a row, value by value (the key first, where there is one); true once the batch is full.
    ///
    /// A key is an integer always; anything else counts as 0.
    #[cfg(any(test, feature = "sqlite"))]
    #[inline]
    pub(super) fn take<'v>(&mut self, value: impl Fn(usize) -> Value<'v>) -> bool {
        let lead = usize::from(self.keyed);
        let key = if let (true, Value::Integer(key)) = (self.keyed, value(0)) { key } else { 0 };
        let columns = self.columns.len();
        let filled: Result<bool, std::convert::Infallible> = self.take_row(key, |row| {
            (lead..columns.wrapping_add(lead)).for_each(|index| row.push(value(index)));
            Ok(())
        });
        filled.unwrap_or_else(|never| match never {})
    }

    /// Takes a row, of this key where rows have one: `fill` pushes a value for each column. True once the batch is full.
    ///
    /// # Errors
    /// That of `fill`; nothing of what was gathered is of any use then.
    #[inline]
    pub(super) fn take_row<E>(
        &mut self,
        key: i64,
        fill: impl FnOnce(&mut Row<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.keyed {
            self.keys.push(key);
        }
        let mut row = Row {
            holds: self.holds.iter(),
            held: self.held.chunks_exact_mut(HELD_PLACES),
            place: self.held_rows,
            bytes: self.columns.len().saturating_mul(8),
            columns: &mut self.columns,
            odd: &mut self.odd,
        };
        fill(&mut row)?;
        self.bytes = self.bytes.saturating_add(row.bytes);
        self.rows = self.rows.saturating_add(1);
        self.held_rows = self.held_rows.saturating_add(1);
        if self.held_rows == HELD_ROWS {
            self.hand_over();
        }
        Ok(self.rows >= self.rows_max || self.bytes >= self.bytes_max)
    }

    /// Gives the columns what was held back for them.
    fn hand_over(&mut self) {
        // Stable: the rows of a column stay ascending.
        self.odd.sort_by_key(|(column, ..)| *column);
        let mut odd = self.odd.drain(..).peekable();
        let held = self.held.chunks_exact(HELD_PLACES);
        let columns = self.columns.iter_mut().zip(&mut self.holds).zip(held).enumerate();
        for (index, ((column, holds), held)) in columns.filter(|(_, ((_, holds), _))| **holds) {
            let mut values = held.get(..self.held_rows).unwrap_or_default().iter().copied();
            let (mut next, mut others) = (0, 0);
            while let Some((_, row, value)) = odd.next_if(|(column, ..)| *column == index) {
                values.by_ref().take(row.saturating_sub(next)).for_each(|number| column.push(Value::Integer(number)));
                values.next();
                column.push(value.as_value());
                next = row.saturating_add(1);
                others += 1;
            }
            match &mut column.data {
                ColumnData::Integer(main) => main.extend(values),
                _ => values.for_each(|number| column.push(Value::Integer(number))),
            }
            *holds = others <= ODD_MAX && matches!(column.data, ColumnData::Integer(_));
        }
        self.held_rows = 0;
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
        self.hand_over();
        let batch = Batch { columns: std::mem::take(&mut self.columns), rows: std::mem::take(&mut self.rows) };
        Some((std::mem::take(&mut self.keys), batch))
    }

    fn renew(&mut self) {
        let rows = self.ahead.min(ROWS_AHEAD);
        self.rows = 0;
        self.bytes = 0;
        self.keys = Vec::with_capacity(if self.keyed { rows } else { 0 });
        self.columns = self.guesses.iter().map(|guess| Column::new(room(*guess, rows))).collect();
        self.holds = self.guesses.iter().map(|guess| *guess == Guess::Integer).collect();
        self.held.resize(HELD_PLACES.saturating_mul(self.columns.len()), 0);
    }
}

/// A row on its way in, column by column.
#[derive(Debug)]
pub(super) struct Row<'a> {
    // For the columns that are still to come.
    holds: Iter<'a, bool>,
    held: ChunksExactMut<'a, i64>,
    /// The row's place among those held back.
    place: usize,
    bytes: usize,
    columns: &'a mut [Column],
    odd: &'a mut Vec<(usize, usize, OwnedValue)>,
}

impl Row<'_> {
    /// The value of the next column; one too many goes nowhere.
    #[inline]
    pub(super) fn push(&mut self, value: Value<'_>) {
        let (Some(holds), Some(held)) = (self.holds.next(), self.held.next()) else { return };
        match (value, holds, held.get_mut(self.place)) {
            (Value::Integer(number), true, Some(place)) => *place = number,
            (value, holds, _) => self.other(value, *holds),
        }
    }

    // Kept out of the way of whole numbers.
    #[cold]
    #[inline(never)]
    fn other(&mut self, value: Value<'_>, holds: bool) {
        let column = self.columns.len().wrapping_sub(self.holds.len()).wrapping_sub(1);
        if let Value::Text(string) | Value::Blob(string) = value {
            self.bytes = self.bytes.saturating_add(string.len());
        }
        if holds {
            self.odd.push((column, self.place, value.into()));
        } else if let Some(column) = self.columns.get_mut(column) {
            column.push(value);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_its_rows_or_its_bytes() {
        let mut intake = Intake::default();
        intake.start(vec![Guess::Text], false, 9, 3, 1_000_000);
        let full: Vec<bool> = (0..3).map(|_| intake.take(|_| Value::Text(b"abc"))).collect();
        assert_eq!(full, [false, false, true]);
        assert_eq!(intake.deliver().unwrap().1.rows, 3);
        assert!(intake.deliver().is_none());
        intake.start(vec![Guess::Text], false, 9, 100, 30);
        assert!(!intake.take(|_| Value::Text(b"0123456789")));
        assert!(intake.take(|_| Value::Text(b"0123456789")));
    }

    #[test]
    fn keys_and_rows_stay_together_and_a_wrong_guess_does_no_harm() {
        let mut intake = Intake::default();
        intake.start(vec![Guess::Integer, Guess::Blob], true, 2, 10, 1_000);
        intake.take(|index| [Value::Integer(-5), Value::Text(b"x"), Value::Null][index]);
        intake.take(|index| [Value::Integer(6), Value::Integer(1), Value::Real(0.5)][index]);
        let (keys, batch) = intake.deliver().unwrap();
        assert_eq!(keys, [-5, 6]);
        assert_eq!(batch.row(0).collect::<Vec<_>>(), [Value::Text(b"x"), Value::Null]);
        assert_eq!(batch.row(1).collect::<Vec<_>>(), [Value::Integer(1), Value::Real(0.5)]);
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let mut intake = Intake::default();
        intake.start(Vec::new(), false, 2, 10, 1_000);
        intake.take(|_| Value::Null);
        intake.take(|_| Value::Null);
        assert_eq!(intake.deliver().unwrap().1, Batch { columns: Vec::new(), rows: 2 });
    }
}
