//! Rows held by column.
//!
//! A [`Batch`] is what stores deliver and take, what chunks are encoded from and decoded to. Each [`Column`] keeps its
//! values in one *main* storage class, a mask of nulls, and a short list of *strays*: values of another storage class
//! (SQLite allows a text in an integer column). At the row of a null or a stray the main data hold 0 or the empty string.

/// One value, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Whole number.
    Integer(i64),
    /// Binary floating point; compared and kept by its bits.
    Real(f64),
    /// Text. SQLite does not promise UTF-8, so these are bytes.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A value that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedValue {
    /// No value.
    Null,
    /// Whole number.
    Integer(i64),
    /// Binary floating point.
    Real(f64),
    /// Text.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

impl OwnedValue {
    /// The same value, borrowed.
    #[must_use]
    pub fn as_value(&self) -> Value<'_> {
        match self {
            OwnedValue::Null => Value::Null,
            OwnedValue::Integer(v) => Value::Integer(*v),
            OwnedValue::Real(v) => Value::Real(*v),
            OwnedValue::Text(v) => Value::Text(v),
            OwnedValue::Blob(v) => Value::Blob(v),
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> OwnedValue {
        match value {
            Value::Null => OwnedValue::Null,
            Value::Integer(v) => OwnedValue::Integer(v),
            Value::Real(v) => OwnedValue::Real(v),
            Value::Text(v) => OwnedValue::Text(v.to_vec()),
            Value::Blob(v) => OwnedValue::Blob(v.to_vec()),
        }
    }
}

/// Byte strings, one after the other: string `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strings {
    /// One more than there are strings; starts with 0 and never falls.
    pub offsets: Vec<u32>,
    /// All bytes.
    pub bytes: Vec<u8>,
}

impl Default for Strings {
    fn default() -> Strings {
        Strings { offsets: vec![0], bytes: Vec::new() }
    }
}

impl Strings {
    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// String `index`, from 0; empty if there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let start = self.offsets.get(index).copied().unwrap_or(0) as usize;
        let stop = self.offsets.get(index.wrapping_add(1)).copied().unwrap_or(0) as usize;
        self.bytes.get(start..stop).unwrap_or_default()
    }

    /// Adds a string. All strings of one column together must stay under 4 GiB; chunks are cut long before.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.offsets.push(self.bytes.len() as u32);
    }
}

/// The values of one column in their main storage class.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// Whole numbers.
    Integer(Vec<i64>),
    /// Binary floating point, as IEEE 754 bits so that every NaN survives.
    Real(Vec<u64>),
    /// Text.
    Text(Strings),
    /// Bytes.
    Blob(Strings),
}

impl ColumnData {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            ColumnData::Integer(v) => v.len(),
            ColumnData::Real(v) => v.len(),
            ColumnData::Text(v) | ColumnData::Blob(v) => v.len(),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push_blank(&mut self) {
        match self {
            ColumnData::Integer(v) => v.push(0),
            ColumnData::Real(v) => v.push(0),
            ColumnData::Text(v) | ColumnData::Blob(v) => v.push(&[]),
        }
    }
}

/// One column of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The values in the main storage class.
    pub data: ColumnData,
    /// Rows (from 0 in the batch) that hold null, ascending.
    pub nulls: Vec<u32>,
    /// Rows (from 0 in the batch) whose value has another storage class, ascending, with the value; never null.
    pub strays: Vec<(u32, OwnedValue)>,
}

impl Column {
    /// An empty column with this main storage class.
    #[must_use]
    pub const fn new(data: ColumnData) -> Column {
        Column { data, nulls: Vec::new(), strays: Vec::new() }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Adds a value; one of another storage class than the main one becomes a stray. While only nulls have come, the
    /// first value of another class changes the main class instead.
    pub fn push(&mut self, value: Value<'_>) {
        match (&mut self.data, value) {
            (ColumnData::Integer(v), Value::Integer(i)) => v.push(i),
            (ColumnData::Real(v), Value::Real(r)) => v.push(r.to_bits()),
            (ColumnData::Text(v), Value::Text(t)) => v.push(t),
            (ColumnData::Blob(v), Value::Blob(b)) => v.push(b),
            (data, Value::Null) => {
                self.nulls.push(data.len() as u32);
                data.push_blank();
            }
            (data, other) if data.len() == self.nulls.len() => {
                let rows = data.len();
                *data = match other {
                    Value::Null | Value::Integer(_) => ColumnData::Integer(vec![0; rows]),
                    Value::Real(_) => ColumnData::Real(vec![0; rows]),
                    Value::Text(_) => ColumnData::Text(blank_strings(rows)),
                    Value::Blob(_) => ColumnData::Blob(blank_strings(rows)),
                };
                self.push(other);
            }
            (data, other) => {
                self.strays.push((data.len() as u32, other.into()));
                data.push_blank();
            }
        }
    }

    /// The value of a row, from 0; null beyond the last. Costs a binary search where the column has nulls or strays.
    #[must_use]
    pub fn get(&self, row: usize) -> Value<'_> {
        let key = row as u32;
        if self.nulls.binary_search(&key).is_ok() {
            return Value::Null;
        }
        if let Ok(at) = self.strays.binary_search_by_key(&key, |(r, _)| *r) {
            return self.strays.get(at).map_or(Value::Null, |(_, v)| v.as_value());
        }
        match &self.data {
            ColumnData::Integer(v) => v.get(row).map_or(Value::Null, |i| Value::Integer(*i)),
            ColumnData::Real(v) => v.get(row).map_or(Value::Null, |r| Value::Real(f64::from_bits(*r))),
            ColumnData::Text(v) if row < v.len() => Value::Text(v.get(row)),
            ColumnData::Blob(v) if row < v.len() => Value::Blob(v.get(row)),
            ColumnData::Text(_) | ColumnData::Blob(_) => Value::Null,
        }
    }
}

fn blank_strings(rows: usize) -> Strings {
    Strings { offsets: vec![0; rows.saturating_add(1)], bytes: Vec::new() }
}

/// Some rows of one table: columns in schema order, all of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// The columns, in schema order.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
}

impl Batch {
    /// An empty batch with these main storage classes.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Batch {
        let rows = columns.first().map_or(0, Column::len);
        Batch { columns, rows }
    }

    /// The values of a row, from 0.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Value<'_>> {
        self.columns.iter().map(move |column| column.get(row))
    }
}
