//! The SQLite store against the barest loops over the same rows, in the same run: the ratios count, not the times.
//!
//! Small and synthetic by default, with a fixed seed. `INTERVAULT_BENCH_DB=stats.db cargo bench --bench store` reads the
//! first 600,000 rows of a table `hsplit` of that database instead, and never writes to it.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot run has nothing to report")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use intervault::column::batch::{Batch, Value};
use intervault::schema::clock::{Clock, ClockKind};
use intervault::schema::table::TableSchema;
use intervault::store::sqlite::SqliteStore;
use intervault::store::traits::{Part, Snapshot, Store};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::env;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TABLE: &str = "hsplit";
const COUNTERS: usize = 48;
const SMALL_ROWS: i64 = 30_000;
const LARGE_ROWS: i64 = 600_000;

struct Ground {
    _dir: tempfile::TempDir,
    path: PathBuf,
    rows: i64,
}

/// The database to read from.
fn ground() -> Ground {
    match env::var_os("INTERVAULT_BENCH_DB") {
        Some(path) => {
            Ground { _dir: tempfile::tempdir().expect("a directory"), path: PathBuf::from(path), rows: LARGE_ROWS }
        }
        None => synthetic(),
    }
}

fn synthetic() -> Ground {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("small.db");
    let connection = Connection::open(&path).expect("a database");
    connection.execute_batch(&definition()).expect("a table");
    connection.execute_batch("BEGIN").expect("a transaction");
    let marks = vec!["?"; COUNTERS + 4].join(",");
    let mut insert = connection.prepare(&format!("INSERT INTO {TABLE} VALUES ({marks})")).expect("a statement");
    let mut seed = 20_240_101u64;
    for row in 0..SMALL_ROWS {
        let (day, interval, split) = (row / 1_200, row / 25 % 48, row % 25);
        let date = format!("2024-{:02}-{:02}", day / 28 + 1, day % 28 + 1);
        insert.raw_bind_parameter(1, date).expect("a value");
        insert.raw_bind_parameter(2, interval / 2 * 100 + interval % 2 * 30).expect("a value");
        insert.raw_bind_parameter(3, 1).expect("a value");
        insert.raw_bind_parameter(4, split).expect("a value");
        for counter in 0..COUNTERS {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            insert.raw_bind_parameter(counter + 5, (seed >> 40) as i64 % (1 << (counter % 12))).expect("a value");
        }
        insert.raw_execute().expect("a row");
    }
    drop(insert);
    connection.execute_batch("COMMIT").expect("a commit");
    Ground { _dir: dir, path, rows: SMALL_ROWS }
}

fn definition() -> String {
    let counters: Vec<String> = (0..COUNTERS).map(|i| format!("c{i} INTEGER")).collect();
    format!(
        "CREATE TABLE {TABLE}(row_date TEXT, starttime INTEGER, acd INTEGER, split INTEGER, {});
         CREATE INDEX {TABLE}_i ON {TABLE}(row_date, starttime, acd);",
        counters.join(", ")
    )
}

/// The barest loop through the safe interface: a step for each row, a reference for each value, a vector for each column.
fn bare_scan(connection: &Connection, first: i64, last: i64) -> usize {
    let sql = format!("SELECT * FROM {TABLE} WHERE rowid BETWEEN ?1 AND ?2");
    let mut statement = connection.prepare_cached(&sql).expect("a statement");
    let width = statement.column_count();
    let mut numbers: Vec<Vec<i64>> = vec![Vec::new(); width];
    let mut texts: Vec<u8> = Vec::new();
    let mut rows = statement.query([first, last]).expect("rows");
    let mut count = 0;
    while let Some(row) = rows.next().expect("a row") {
        for (index, column) in numbers.iter_mut().enumerate() {
            match row.get_ref(index).expect("a value") {
                ValueRef::Integer(value) => column.push(value),
                ValueRef::Text(text) => texts.extend_from_slice(text),
                _ => {}
            }
        }
        count += 1;
    }
    black_box((numbers, texts));
    count
}

fn scan_part(snapshot: &dyn Snapshot, reader: usize, table: &TableSchema, first: i64, last: i64) -> usize {
    let part = Part { first, last, rows: (last - first + 1) as u64 };
    let mut count = 0;
    let mut sink = |batch: Batch| {
        count += black_box(batch).rows;
        Ok(())
    };
    snapshot.scan(reader, table, &part, 65_536, 8 << 20, &mut sink).expect("a scan");
    count
}

fn scans(criterion: &mut Criterion) {
    let ground = ground();
    let store = SqliteStore::open(&ground.path).expect("a store");
    let snapshot = store.snapshot(2).expect("a snapshot");
    let table = snapshot.schema(TABLE).expect("a schema").expect("a table");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&ground.path, flags).expect("a connection");
    let rows = ground.rows;

    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function("bare loop", |b| b.iter(|| assert_eq!(bare_scan(&connection, 1, rows) as i64, rows)));
    group.bench_function("store, 1 reader", |b| {
        b.iter(|| assert_eq!(scan_part(&*snapshot, 0, &table, 1, rows) as i64, rows));
    });
    group.bench_function("store, 2 readers", |b| {
        b.iter(|| {
            let count = std::thread::scope(|scope| {
                let half = scope.spawn(|| scan_part(&*snapshot, 1, &table, rows / 2 + 1, rows));
                scan_part(&*snapshot, 0, &table, 1, rows / 2) + half.join().expect("a thread")
            });
            assert_eq!(count as i64, rows);
        });
    });
    group.finish();

    let clock = Clock { kind: ClockKind::DateHhmm { date: 0, time: 1 }, length: None };
    let mut group = criterion.benchmark_group("days");
    group.bench_function("bare group by", |b| {
        let sql = format!("SELECT row_date, count(*), min(rowid), max(rowid) FROM {TABLE} GROUP BY row_date");
        b.iter(|| {
            let mut statement = connection.prepare_cached(&sql).expect("a statement");
            statement.query_map([], |row| row.get::<_, i64>(1)).expect("rows").count()
        });
    });
    group.bench_function("days_in_order", |b| b.iter(|| snapshot.days_in_order(&table, &clock).expect("days")));
    group.bench_function("parts", |b| b.iter(|| snapshot.parts(&table, 65_536).expect("parts").len()));
    group.finish();
}

/// An empty table with an index.
fn empty(dir: &Path) -> PathBuf {
    let path = dir.join("target.db");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(dir.join(format!("target.db{suffix}")));
    }
    let connection = Connection::open(&path).expect("a database");
    connection.execute_batch("PRAGMA journal_mode=WAL").expect("a mode");
    connection.execute_batch(&definition()).expect("a table");
    path
}

fn bare_insert(path: &Path, batch: &Batch) {
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch("PRAGMA synchronous=FULL; PRAGMA cache_size=-65536; BEGIN IMMEDIATE")
        .expect("a transaction");
    let marks = vec!["?"; batch.columns.len()].join(",");
    let mut insert = connection.prepare(&format!("INSERT INTO {TABLE} VALUES ({marks})")).expect("a statement");
    for row in 0..batch.rows {
        for (index, column) in batch.columns.iter().enumerate() {
            match column.get(row) {
                Value::Integer(value) => insert.raw_bind_parameter(index + 1, value),
                Value::Text(text) => insert.raw_bind_parameter(index + 1, std::str::from_utf8(text).expect("UTF-8")),
                other => panic!("{other:?}"),
            }
            .expect("a value");
        }
        insert.raw_execute().expect("a row");
    }
    drop(insert);
    connection.execute_batch("COMMIT").expect("a commit");
}

fn inserts(criterion: &mut Criterion) {
    // Always the synthetic rows: the large database may have other columns.
    let ground = synthetic();
    let snapshot = SqliteStore::open(&ground.path).expect("a store").snapshot(1).expect("a snapshot");
    let table = snapshot.schema(TABLE).expect("a schema").expect("a table");
    let mut rows = Batch::default();
    let part = Part { first: 1, last: ground.rows, rows: ground.rows as u64 };
    let mut sink = |batch: Batch| {
        rows = batch;
        Ok(())
    };
    snapshot.scan(0, &table, &part, 65_536, 64 << 20, &mut sink).expect("a scan");
    let columns: Vec<usize> = (0..table.columns.len()).collect();
    let dir = tempfile::tempdir().expect("a directory");

    let mut group = criterion.benchmark_group("insert, index first");
    group.throughput(Throughput::Elements(rows.rows as u64));
    group.bench_function("bare loop", |b| {
        b.iter_batched(|| empty(dir.path()), |path| bare_insert(&path, &rows), BatchSize::PerIteration);
    });
    group.bench_function("store", |b| {
        b.iter_batched(
            || empty(dir.path()),
            |path| {
                let store = SqliteStore::open(&path).expect("a store");
                let mut replacement = store.replace().expect("a change");
                replacement.insert(&table, &columns, &rows).expect("rows");
                replacement.commit().expect("a commit");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = scans, inserts
}
criterion_main!(benches);
