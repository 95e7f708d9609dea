//! Tests of the store as a whole, by what a caller sees.

mod journal;
mod keys;
mod reading;
mod writing;

use rusqlite::Connection;
use std::path::{Path, PathBuf};

use super::SqliteStore;
use crate::column::batch::{Batch, OwnedValue, Value};
use crate::schema::table::TableSchema;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Part, Snapshot, Store};

/// A database in a directory that goes away with it.
struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new(sql: &str) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stats.db");
        let fixture = Fixture { _dir: dir, path };
        fixture.connection().execute_batch(sql).unwrap();
        fixture
    }

    /// A connection of somebody else.
    fn connection(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path).unwrap()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.store().snapshot(1).unwrap()
    }

    /// All rows of a table as SQL sees them, sorted.
    fn dump(&self, table: &str, columns: &str) -> Vec<String> {
        let connection = self.connection();
        let sql = format!("SELECT concat_ws('|', {columns}) FROM \"{table}\" ORDER BY 1");
        let mut statement = connection.prepare(&sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

type Row = Vec<OwnedValue>;

fn rows_of(batch: &Batch) -> Vec<Row> {
    (0..batch.rows).map(|row| batch.row(row).map(OwnedValue::from).collect()).collect()
}

/// All rows, part by part.
fn read(snapshot: &dyn Snapshot, table: &TableSchema, part_rows: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for part in snapshot.parts(table, part_rows).unwrap() {
        rows.extend(read_part(snapshot, table, &part));
    }
    rows
}

fn read_part(snapshot: &dyn Snapshot, table: &TableSchema, part: &Part) -> Vec<Row> {
    let mut rows = Vec::new();
    snapshot
        .scan(0, table, part, 7, 1 << 20, &mut |batch| {
            assert!(batch.rows > 0 && batch.rows <= 7);
            rows.extend(rows_of(&batch));
            Ok(())
        })
        .unwrap();
    rows
}

fn table(snapshot: &dyn Snapshot, name: &str) -> TableSchema {
    snapshot.schema(name).unwrap().unwrap()
}

fn integers(rows: &[Row], column: usize) -> Vec<i64> {
    rows.iter().map(|row| if let OwnedValue::Integer(v) = row[column] { v } else { panic!("{row:?}") }).collect()
}

/// A batch of these rows.
fn batch(rows: &[Vec<Value<'_>>]) -> Batch {
    use crate::column::batch::{Column, ColumnData};
    let width = rows.first().map_or(0, Vec::len);
    let mut columns = vec![Column::new(ColumnData::Integer(Vec::new())); width];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(*value);
        }
    }
    Batch { columns, rows: rows.len() }
}

fn kind<T>(result: Result<T, StoreError>) -> StoreErrorKind {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => {
            assert!(!error.op.is_empty() && !error.place.is_empty(), "{error}");
            error.kind
        }
    }
}

#[test]
fn what_is_no_database_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert!(matches!(kind(SqliteStore::open(&at("none.db"))), StoreErrorKind::NotFound));
    assert!(matches!(kind(SqliteStore::open(Path::new(""))), StoreErrorKind::NotFound));
    assert!(!at("none.db").exists());
    assert!(matches!(kind(SqliteStore::open(dir.path())), StoreErrorKind::NotADatabase(_)));
    std::fs::write(at("empty.db"), b"").unwrap();
    assert!(matches!(kind(SqliteStore::open(&at("empty.db"))), StoreErrorKind::NotADatabase(_)));
    std::fs::write(at("text.db"), vec![b'x'; 5_000]).unwrap();
    assert!(matches!(kind(SqliteStore::open(&at("text.db"))), StoreErrorKind::NotADatabase(_)));
    std::fs::write(at("file:x"), b"x").unwrap();
    assert!(matches!(kind(SqliteStore::open(&at("file:x/y"))), StoreErrorKind::NotFound));
    assert!(matches!(kind(SqliteStore::open(Path::new("/dev/null"))), StoreErrorKind::NotADatabase(_)));
}

#[test]
fn the_identity_names_host_file_and_version() {
    let fixture = Fixture::new("CREATE TABLE t(a); PRAGMA user_version = 21");
    let store = fixture.store();
    let identity = store.identity();
    assert_eq!(
        (identity.kind.as_str(), identity.database.as_str(), identity.version.as_str()),
        ("sqlite", store.path().canonicalize().unwrap().to_str().unwrap(), "21")
    );
    assert!(!identity.server.is_empty());
    assert!(store.path().is_absolute());
}

#[test]
fn a_damaged_file_is_said_to_be_damaged() {
    let fixture = Fixture::new("CREATE TABLE t(a); CREATE TABLE u(a)");
    let connection = fixture.connection();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000)
             INSERT INTO t SELECT printf('%0100d', i) FROM n",
        )
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&fixture.path).unwrap();
    let length = bytes.len();
    bytes[12_288..length - 8_192].fill(0x5A);
    std::fs::write(&fixture.path, &bytes).unwrap();
    let snapshot = fixture.snapshot();
    let schema = table(&*snapshot, "t");
    let part = Part { first: 1, last: 5_000, rows: 5_000 };
    assert!(matches!(kind(snapshot.scan(0, &schema, &part, 10, 1_000, &mut |_| Ok(()))), StoreErrorKind::Damaged(_)));
    drop(snapshot);
    std::fs::write(&fixture.path, &bytes[..8_192]).unwrap();
    let short = SqliteStore::open(&fixture.path).and_then(|store| store.snapshot(1).map(drop));
    assert!(matches!(kind(short), StoreErrorKind::Damaged(_)));
}
