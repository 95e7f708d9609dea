//! A walk through a column row by row, for those who write batches into a database.

use crate::column::batch::{Column, ColumnData, Value};

/// Goes through a column row by row, without a search for nulls and strays.
pub(super) struct Cursor<'a> {
    column: &'a Column,
    nulls: usize,
    strays: usize,
}

impl<'a> Cursor<'a> {
    /// Stands before the first row.
    pub(super) fn new(column: &'a Column) -> Cursor<'a> {
        Cursor { column, nulls: 0, strays: 0 }
    }

    /// The value of `row`; rows come ascending, none is left out.
    #[inline]
    pub(super) fn next(&mut self, row: usize) -> Value<'a> {
        let at = row as u32;
        if self.column.nulls.get(self.nulls) == Some(&at) {
            self.nulls = self.nulls.wrapping_add(1);
            return Value::Null;
        }
        if let Some((stray, value)) = self.column.strays.get(self.strays)
            && *stray == at
        {
            self.strays = self.strays.wrapping_add(1);
            return value.as_value();
        }
        match &self.column.data {
            ColumnData::Integer(v) => v.get(row).map_or(Value::Null, |v| Value::Integer(*v)),
            ColumnData::Real(v) => v.get(row).map_or(Value::Null, |v| Value::Real(f64::from_bits(*v))),
            ColumnData::Text(v) => Value::Text(v.get(row)),
            ColumnData::Blob(v) => Value::Blob(v.get(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
