//! Picking rows out of a batch, and putting batches together.

use super::batch::{Batch, Column, ColumnData, OwnedValue, Strings};

impl Batch {
    /// The rows for which `keep` is true, in their order. Rows beyond the end of `keep` are left out.
    ///
    /// ```
    /// use intervault::column::batch::{Batch, Column, ColumnData, Value};
    /// let mut column = Column::new(ColumnData::Integer(Vec::new()));
    /// [Value::Integer(5), Value::Null, Value::Text(b"x")].map(|value| column.push(value));
    /// let kept = Batch::new(vec![column]).keep(&[false, true, true]);
    /// let values: Vec<_> = (0..kept.rows).map(|row| kept.columns[0].get(row)).collect();
    /// assert_eq!(values, [Value::Null, Value::Text(b"x")]);
    /// ```
    #[must_use]
    pub fn keep(&self, keep: &[bool]) -> Batch {
        let rows = keep.iter().take(self.rows).filter(|keep| **keep).count();
        Batch { columns: self.columns.iter().map(|column| kept_column(column, keep)).collect(), rows }
    }

    /// Adds the rows of another batch of the same table behind its own.
    ///
    /// ```
    /// use intervault::column::batch::{Batch, Column, ColumnData, Value};
    /// let batch = |value: Value<'_>| {
    ///     let mut column = Column::new(ColumnData::Integer(Vec::new()));
    ///     column.push(value);
    ///     Batch::new(vec![column])
    /// };
    /// let mut both = batch(Value::Integer(5));
    /// both.append(&batch(Value::Text(b"x")));
    /// assert_eq!((both.rows, both.columns[0].get(1)), (2, Value::Text(b"x")));
    /// ```
    pub fn append(&mut self, other: &Batch) {
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            (0..other.rows).for_each(|row| column.push(more.get(row)));
        }
        self.rows = self.rows.saturating_add(other.rows);
    }

    /// Bytes that its values take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let strays = |column: &Column| -> usize {
            let long = |value: &OwnedValue| match value {
                OwnedValue::Text(bytes) | OwnedValue::Blob(bytes) => bytes.len(),
                OwnedValue::Null | OwnedValue::Integer(_) | OwnedValue::Real(_) => 0,
            };
            column.strays.iter().map(|(_, value)| long(value)).fold(0, usize::saturating_add)
        };
        let column = |column: &Column| match &column.data {
            ColumnData::Integer(_) | ColumnData::Real(_) => strays(column),
            ColumnData::Text(strings) | ColumnData::Blob(strings) => strays(column).saturating_add(strings.bytes.len()),
        };
        let fixed = self.rows.saturating_mul(self.columns.len()).saturating_mul(8);
        self.columns.iter().map(column).fold(fixed, usize::saturating_add)
    }
}

fn kept_column(column: &Column, keep: &[bool]) -> Column {
    let is_kept = |row: u32| keep.get(row as usize).copied().unwrap_or(false);
    // The new number of a row is the number of kept rows before it.
    let mut place = Places { keep, row: 0, kept: 0 };
    let nulls = column.nulls.iter().filter(|row| is_kept(**row)).map(|row| place.of(*row)).collect();
    let mut place = Places { keep, row: 0, kept: 0 };
    let strays = column
        .strays
        .iter()
        .filter(|(row, _)| is_kept(*row))
        .map(|(row, value)| (place.of(*row), value.clone()))
        .collect();
    let data = match &column.data {
        ColumnData::Integer(values) => ColumnData::Integer(kept_values(values, keep)),
        ColumnData::Real(values) => ColumnData::Real(kept_values(values, keep)),
        ColumnData::Text(strings) => ColumnData::Text(kept_strings(strings, keep)),
        ColumnData::Blob(strings) => ColumnData::Blob(kept_strings(strings, keep)),
    };
    Column { data, nulls, strays }
}

/// Counts kept rows; asked for ascending rows.
struct Places<'a> {
    keep: &'a [bool],
    row: usize,
    kept: u32,
}

impl Places<'_> {
    fn of(&mut self, row: u32) -> u32 {
        let upto = self.keep.get(self.row..row as usize).unwrap_or_default();
        self.kept = self.kept.saturating_add(upto.iter().filter(|keep| **keep).count() as u32);
        self.row = row as usize;
        self.kept
    }
}

fn kept_values<T: Copy>(values: &[T], keep: &[bool]) -> Vec<T> {
    values.iter().zip(keep).filter(|(_, keep)| **keep).map(|(value, _)| *value).collect()
}

fn kept_strings(strings: &Strings, keep: &[bool]) -> Strings {
    let mut kept = Strings::default();
    for (row, _) in keep.iter().enumerate().take(strings.len()).filter(|(_, keep)| **keep) {
        kept.push(strings.get(row));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::{OwnedValue, Value};

    impl Batch {
        fn row_texts(&self) -> Vec<String> {
            (0..self.rows).map(|row| format!("{:?}", self.columns[0].get(row))).collect()
        }
    }

    #[test]
    fn rows_keep_their_values_nulls_and_strays() {
        let values = [
            OwnedValue::Integer(1),
            OwnedValue::Null,
            OwnedValue::Text(b"stray".to_vec()),
            OwnedValue::Integer(4),
            OwnedValue::Null,
            OwnedValue::Real(0.5),
        ];
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        values.iter().for_each(|value| column.push(value.as_value()));
        let batch = Batch::new(vec![column]);
        for mask in 0..64u32 {
            let keep: Vec<bool> = (0..6).map(|row| mask >> row & 1 == 1).collect();
            let kept = batch.keep(&keep);
            let found: Vec<Value<'_>> = (0..kept.rows).map(|row| kept.columns[0].get(row)).collect();
            let expected: Vec<Value<'_>> =
                values.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| value.as_value()).collect();
            assert_eq!(found, expected, "mask {mask:06b}");
            assert_eq!(kept.columns[0].len(), kept.rows);
            // What was picked apart and put together again is the same.
            let rest = batch.keep(&keep.iter().map(|keep| !keep).collect::<Vec<_>>());
            let mut both = kept.clone();
            both.append(&rest);
            let values = |batch: &Batch| {
                let mut values: Vec<String> = batch.row_texts();
                values.sort();
                values
            };
            assert_eq!((both.rows, values(&both)), (6, values(&batch)));
            assert!(both.bytes() >= 6 * 8, "{}", both.bytes());
        }
    }

    #[test]
    fn a_batch_takes_eight_bytes_a_value_and_those_of_its_texts() {
        let column = |values: &[OwnedValue]| {
            let mut column = Column::new(ColumnData::Integer(Vec::new()));
            values.iter().for_each(|value| column.push(value.as_value()));
            column
        };
        let mut texts = Strings::default();
        ["one", "", "three"].iter().for_each(|text| texts.push(text.as_bytes()));
        let stray = column(&[OwnedValue::Integer(1), OwnedValue::Blob(vec![0; 11]), OwnedValue::Null]);
        let batch = Batch::new(vec![stray, Column::new(ColumnData::Text(texts))]);
        assert_eq!(batch.bytes(), 3 * 2 * 8 + 11 + 8);
        assert_eq!(Batch::new(Vec::new()).bytes(), 0);
    }
}
