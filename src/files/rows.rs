//! Entries as rows: the columns of a file tree, what goes into them and what comes out. Pure.

use super::entry::{Entry, Kind, Meta, State};
use crate::column::batch::{Batch, Column, ColumnData, Strings, Value};
use crate::column::logical::LogicalType;
use crate::schema::catalogue::EVENT_SLOT_MINUTES;
use crate::schema::grain::{DataType, Grain};
use crate::schema::table::{BoundTable, ColumnSchema, TableSchema};

/// What every column of a file tree has as its declaration: by this a reader tells a tree from a table.
pub const DECLARED: &str = "intervault file tree 1";

/// The columns of a file tree, in order: name and logical type. Frozen; a later release may add columns behind them.
pub const COLUMNS: [(&str, LogicalType); 16] = [
    ("path", LogicalType::Blob),
    ("kind", LogicalType::Integer { bits: 8 }),
    ("piece", LogicalType::Integer { bits: 64 }),
    ("last", LogicalType::Integer { bits: 8 }),
    ("state", LogicalType::Integer { bits: 8 }),
    ("mode", LogicalType::Integer { bits: 32 }),
    ("uid", LogicalType::Integer { bits: 64 }),
    ("gid", LogicalType::Integer { bits: 64 }),
    ("owner", LogicalType::Blob),
    ("group", LogicalType::Blob),
    ("mtime", LogicalType::Integer { bits: 64 }),
    ("mtime_nanos", LogicalType::Integer { bits: 32 }),
    ("size", LogicalType::Integer { bits: 64 }),
    ("link", LogicalType::Blob),
    ("offset", LogicalType::Integer { bits: 64 }),
    ("data", LogicalType::Blob),
];

/// Most bytes of one piece of a file.
pub const PIECE_BYTES_MAX: usize = 1 << 20;

/// The table of a tree.
#[must_use]
pub fn table(name: &str, data_type: DataType) -> BoundTable {
    let column = |(name, logical): (&str, LogicalType)| ColumnSchema {
        name: name.to_owned(),
        logical,
        nullable: false,
        has_default: false,
        declared: DECLARED.to_owned(),
        collation: String::new(),
    };
    BoundTable {
        schema: TableSchema { name: name.to_owned(), columns: COLUMNS.map(column).to_vec() },
        data_type,
        grain: Grain::None,
        clock: None,
        acd_column: None,
        event_slot_minutes: EVENT_SLOT_MINUTES,
        server_bound: false,
    }
}

/// Whether these are the columns of a tree: name, type and declaration in order, perhaps more behind them.
///
/// ```
/// use intervault::column::logical::LogicalType;
/// use intervault::files::rows::{COLUMNS, DECLARED, is_tree};
/// let columns = || COLUMNS.iter().map(|(name, logical)| (*name, Some(*logical), DECLARED));
/// assert!(is_tree(columns()));
/// assert!(!is_tree(columns().skip(1)) && !is_tree(columns().map(|(name, logical, _)| (name, logical, "BLOB"))));
/// ```
#[must_use]
pub fn is_tree<'a>(mut columns: impl Iterator<Item = (&'a str, Option<LogicalType>, &'a str)>) -> bool {
    COLUMNS.iter().all(|(name, logical)| columns.next() == Some((name, Some(*logical), DECLARED)))
}

/// One row of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The path in the tree; empty for the root and for the totals.
    pub path: &'a [u8],
    /// What the row is about.
    pub kind: Kind,
    /// Which piece of its file it is, from 0; 0 but for files. In the totals: how many files there are.
    pub piece: u64,
    /// Whether it is the last row of its path.
    pub last: bool,
    /// How sure the row could be of its content.
    pub state: State,
    /// Permissions, owner and time.
    pub meta: Meta,
    /// Name of the owner at the source; empty if not known.
    pub owner: &'a [u8],
    /// Name of the group at the source; empty if not known.
    pub group: &'a [u8],
    /// Bytes of the file; its last row counts. In the totals: bytes of all files.
    pub size: u64,
    /// Where a symbolic link points; the path of the first name for a further one; of the tree's root the whole path that it
    /// had at the source, if known.
    pub link: &'a [u8],
    /// Where the piece begins in its file.
    pub offset: u64,
    /// The bytes of the piece.
    pub data: &'a [u8],
}

impl<'a> Row<'a> {
    /// Row `at`, from 0, of a batch with the columns of a tree.
    ///
    /// # Errors
    /// A value is not what the format demands; the text says which.
    pub fn of(batch: &'a Batch, at: usize) -> Result<Row<'a>, &'static str> {
        let bytes = |column: usize| match batch.columns.get(column).map(|column| column.get(at)) {
            Some(Value::Blob(bytes)) => Ok(bytes),
            _ => Err("a value that should be bytes is none"),
        };
        let number = |column: usize, max: i64| match batch.columns.get(column).map(|column| column.get(at)) {
            Some(Value::Integer(number)) if (0..=max).contains(&number) => Ok(number),
            Some(Value::Integer(_)) => Err("a number is out of its bounds"),
            _ => Err("a value that should be a number is none"),
        };
        let Some(Value::Integer(mtime)) = batch.columns.get(10).map(|column| column.get(at)) else {
            return Err("a value that should be a number is none");
        };
        let wide = |column: usize| number(column, i64::MAX).map(|number| number as u64);
        let id = |column: usize| number(column, i64::from(u32::MAX)).map(|number| number as u32);
        Ok(Row {
            path: bytes(0)?,
            kind: Kind::from_id(number(1, 4)?).ok_or("a kind that is not known")?,
            piece: wide(2)?,
            last: number(3, 1)? == 1,
            state: State::from_id(number(4, 2)?).ok_or("a state that is not known")?,
            meta: Meta {
                mode: number(5, 0o7777)? as u32,
                uid: id(6)?,
                gid: id(7)?,
                mtime,
                nanos: number(11, 999_999_999)? as u32,
            },
            owner: bytes(8)?,
            group: bytes(9)?,
            size: wide(12)?,
            link: bytes(13)?,
            offset: wide(14)?,
            data: bytes(15)?,
        })
    }

    /// The row of an entry without content, or of the first piece of a file.
    #[must_use]
    pub fn about(entry: &'a Entry, owner: &'a [u8], group: &'a [u8]) -> Row<'a> {
        Row {
            path: &entry.path,
            kind: entry.kind,
            piece: 0,
            last: true,
            state: State::Sound,
            meta: entry.meta,
            owner,
            group,
            size: entry.size,
            link: entry.link.as_deref().unwrap_or_default(),
            offset: 0,
            data: &[],
        }
    }

    /// The totals of a tree: files, their bytes, and the worst state of any.
    #[must_use]
    pub const fn totals(files: u64, bytes: u64, state: State) -> Row<'static> {
        let meta = Meta { mode: 0, uid: 0, gid: 0, mtime: 0, nanos: 0 };
        Row {
            path: &[],
            kind: Kind::Totals,
            piece: files,
            last: true,
            state,
            meta,
            owner: &[],
            group: &[],
            size: bytes,
            link: &[],
            offset: 0,
            data: &[],
        }
    }
}

/// Rows of a tree being put together. The bytes of a piece go into its data before its row is pushed.
#[derive(Debug, Default)]
pub struct Rows {
    bytes: [Strings; 4],
    numbers: [Vec<i64>; 11],
    /// The contents, of which the last bytes are those of the next row.
    data: Strings,
}

impl Rows {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for `bytes` of the next row's content, filled by `read`, which says how many it had. What it had not is given back.
    ///
    /// # Errors
    /// What `read` returns; the next row has no content then.
    pub fn content<E>(&mut self, bytes: usize, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        let start = self.data.offsets.last().map_or(0, |offset| *offset as usize);
        self.data.bytes.resize(start.saturating_add(bytes), 0);
        let had = read(self.data.bytes.get_mut(start..).unwrap_or_default());
        let kept = had.as_ref().map_or(0, |had| (*had).min(bytes));
        self.data.bytes.truncate(start.saturating_add(kept));
        had
    }

    /// Adds a row; its content is what [`Rows::content`] gave, `row.data` is not looked at.
    pub fn push(&mut self, row: &Row<'_>) {
        let strings = [row.path, row.owner, row.group, row.link];
        self.bytes.iter_mut().zip(strings).for_each(|(column, string)| column.push(string));
        let meta = &row.meta;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let numbers = [
            row.kind.id(),
            number(row.piece),
            i64::from(row.last),
            row.state.id(),
            i64::from(meta.mode),
            i64::from(meta.uid),
            i64::from(meta.gid),
            meta.mtime,
            i64::from(meta.nanos),
            number(row.size),
            number(row.offset),
        ];
        self.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
        self.data.offsets.push(self.data.bytes.len() as u32);
    }

    /// Puts right what the rows from `first` on say of their file: its size and state, once all of it was read.
    pub fn settle(&mut self, first: usize, size: u64, state: State) {
        let [_, _, _, states, .., sizes, _] = &mut self.numbers;
        sizes.iter_mut().skip(first).for_each(|at| *at = i64::try_from(size).unwrap_or(i64::MAX));
        states.iter_mut().skip(first).for_each(|at| *at = state.id());
    }

    /// The rows by column.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        let blob = |strings| Column::new(ColumnData::Blob(strings));
        let whole = |numbers| Column::new(ColumnData::Integer(numbers));
        let [path, owner, group, link] = self.bytes.map(blob);
        let [kind, piece, last, state, mode, uid, gid, mtime, nanos, size, offset] = self.numbers.map(whole);
        let data = blob(self.data);
        Batch::new(vec![
            path, kind, piece, last, state, mode, uid, gid, owner, group, mtime, nanos, size, link, offset, data,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Row<'static> {
        Row {
            path: b"a/\xff\n",
            kind: Kind::File,
            piece: 3,
            last: true,
            state: State::Changed,
            meta: Meta { mode: 0o4755, uid: u32::MAX, gid: 5, mtime: -7, nanos: 999_999_999 },
            owner: b"cms",
            group: b"",
            size: u64::from(u32::MAX) + 1,
            link: b"",
            offset: 3 << 20,
            data: b"content",
        }
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let mut rows = Rows::default();
        let all = [sample(), Row { data: &[], ..sample() }, Row::totals(2, 99, State::Unread)];
        for row in &all {
            let filled = |room: &mut [u8]| {
                room.iter_mut().zip(row.data).for_each(|(room, byte)| *room = *byte);
                Ok::<usize, ()>(row.data.len())
            };
            rows.content(row.data.len() + 2, filled).unwrap();
            rows.push(row);
        }
        assert_eq!(rows.content(5, |_| Err("torn")), Err("torn"));
        rows.settle(2, 7, State::Sound);
        let batch = rows.into_batch();
        assert_eq!(batch.rows, 3);
        let found: Vec<Row<'_>> = (0..3).map(|at| Row::of(&batch, at).unwrap()).collect();
        assert_eq!(found, [all[0], all[1], Row::totals(2, 7, State::Sound)]);
        assert!(Row::of(&batch, 3).is_err());
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        let batch = || {
            let mut rows = Rows::default();
            rows.push(&sample());
            rows.into_batch()
        };
        for (column, value) in
            [(1, 5), (1, -1), (2, -1), (3, 2), (4, 3), (5, 0o10000), (6, 1 << 32), (11, 1_000_000_000), (12, -1)]
        {
            let mut batch = batch();
            batch.columns[column] = Column::new(ColumnData::Integer(vec![value]));
            assert!(Row::of(&batch, 0).is_err(), "column {column}, {value}");
        }
        for column in 0..COLUMNS.len() {
            let mut batch = batch();
            batch.columns[column] = Column::new(ColumnData::Real(vec![0]));
            assert!(Row::of(&batch, 0).is_err(), "column {column}");
            batch.columns.truncate(column);
            assert!(Row::of(&batch, 0).is_err(), "without column {column}");
        }
    }
}
