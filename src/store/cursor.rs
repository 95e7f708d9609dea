//! A walk through a column row by row, for those who write batches into a database.

use crate::column::batch::{Column, ColumnData, Value};

/// Goes through a column row by row, without a search for nulls and strays.
pub(super) struct Cursor<'a> {
    column: &'a Column,
    nulls: usize,
    strays: usize,
    /// The next row that is null or a stray, if there is one. No column is so long that this is one of its rows otherwise.
    odd: u32,
}

impl<'a> Cursor<'a> {
    /// Stands before the first row.
    pub(super) fn new(column: &'a Column) -> Cursor<'a> {
        let mut cursor = Cursor { column, nulls: 0, strays: 0, odd: u32::MAX };
        cursor.look_ahead();
        cursor
    }

    /// The value of `row`; rows come ascending, none is left out.
    #[inline]
    pub(super) fn next(&mut self, row: usize) -> Value<'a> {
        if row as u32 == self.odd
            && let Some(value) = self.odd_one(row as u32)
        {
            return value;
        }
        match &self.column.data {
            ColumnData::Integer(v) => v.get(row).map_or(Value::Null, |v| Value::Integer(*v)),
            ColumnData::Real(v) => v.get(row).map_or(Value::Null, |v| Value::Real(f64::from_bits(*v))),
            ColumnData::Text(v) => Value::Text(v.get(row)),
            ColumnData::Blob(v) => Value::Blob(v.get(row)),
        }
    }

    /// The values of the rows from `first` to before `stop`, if they are whole numbers all. They need not be gone through.
    #[cfg(any(test, feature = "postgres"))]
    pub(super) fn whole_numbers(&self, first: usize, stop: usize) -> Option<&'a [i64]> {
        match &self.column.data {
            ColumnData::Integer(values) if self.odd as usize >= stop => values.get(first..stop),
            _ => None,
        }
    }

    fn look_ahead(&mut self) {
        let null = self.column.nulls.get(self.nulls).copied();
        let stray = self.column.strays.get(self.strays).map(|(row, _)| *row);
        self.odd = null.into_iter().chain(stray).min().unwrap_or(u32::MAX);
    }

    fn odd_one(&mut self, row: u32) -> Option<Value<'a>> {
        let column = self.column;
        let value = if column.nulls.get(self.nulls) == Some(&row) {
            self.nulls = self.nulls.wrapping_add(1);
            Value::Null
        } else {
            let (_, value) = column.strays.get(self.strays).filter(|(stray, _)| *stray == row)?;
            self.strays = self.strays.wrapping_add(1);
            value.as_value()
        };
        self.look_ahead();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::batch::OwnedValue;

    #[test]
    fn the_cursor_and_the_search_agree() {
        let mut column = Column::new(ColumnData::Integer(Vec::new()));
        for value in
            [Value::Null, Value::Integer(4), Value::Text(b"x"), Value::Null, Value::Real(0.5), Value::Integer(9)]
        {
            column.push(value);
        }
        let mut cursor = Cursor::new(&column);
        for row in 0..column.len() {
            assert_eq!(cursor.next(row), column.get(row));
        }
        let cursor = Cursor::new(&column);
        assert_eq!(cursor.whole_numbers(0, 1), None);
        let mut cursor = Cursor::new(&column);
        (0..5).for_each(|row| drop(OwnedValue::from(cursor.next(row))));
        assert_eq!(cursor.whole_numbers(5, 6), Some(&[9][..]));
        assert_eq!(cursor.whole_numbers(5, 7), None);
    }
}
