//! Whole roads against their limits in the same run: backup against a bare scan, verify against the checksum, restore
//! against a bare insert. The data are those of the demonstration (300 thousand rows, the same every time); with
//! `INTERVAULT_BENCH_DB=PATH` also the tables named in `INTERVAULT_BENCH_TABLES` (default `hsplit,hagent`) of that database.
//! Ratios within one run are what counts: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has no interface, and stops at a surprise")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use intervault::backup::{self, Options, ReadBack, Select};
use intervault::base::monitor::Silent;
use intervault::base::time::Instant;
use intervault::check;
use intervault::column::encode::EncodeOptions;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::SetId;
use intervault::restore;
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::Request;
use intervault::store::sqlite::SqliteStore;
use intervault::volume::set::list_sets;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};
use std::hint::black_box;
use std::path::{Path, PathBuf};

/// A database to measure on.
struct Data {
    name: &'static str,
    path: PathBuf,
    tables: Vec<String>,
    /// A day that has rows.
    day: String,
    rows: u64,
}

fn data(folder: &Path) -> Vec<Data> {
    let small = folder.join("small.db");
    intervault::demo::build(&small).unwrap();
    let mut all = vec![measured("demo", small, "hsplit,hagent")];
    match std::env::var("INTERVAULT_BENCH_DB") {
        Ok(path) => {
            let tables = std::env::var("INTERVAULT_BENCH_TABLES").unwrap_or_else(|_| "hsplit,hagent".to_owned());
            all.push(measured("large", path.into(), &tables));
        }
        Err(_) => eprintln!("INTERVAULT_BENCH_DB is not set: only the small data are measured"),
    }
    all
}

fn measured(name: &'static str, path: PathBuf, tables: &str) -> Data {
    let tables: Vec<String> = tables.split(',').map(str::to_owned).collect();
    let sql = Connection::open(&path).unwrap();
    let one = |query: String| sql.query_row(&query, [], |row| row.get::<_, Value>(0)).unwrap();
    let count = |table: &String| match one(format!("SELECT count(*) FROM {table}")) {
        Value::Integer(rows) => rows as u64,
        _ => 0,
    };
    let rows = tables.iter().map(count).sum();
    let day = match one(format!("SELECT row_date FROM {} ORDER BY rowid DESC LIMIT 1", tables[0])) {
        Value::Text(day) => day,
        other => format!("{other:?}"),
    };
    Data { name, path, tables, day, rows }
}

fn options(data: &Data, read_back: ReadBack) -> Options {
    Options {
        select: Select::Tables(data.tables.clone()),
        acd: None,
        volume_size: None,
        read_back,
        jobs: 2,
        now: Instant::MAX,
        now_unix: 0,
        set: SetId([7; 16]),
        system: "CMS".to_owned(),
        encode: EncodeOptions::default(),
    }
}

fn backed_up(data: &Data, read_back: ReadBack) -> MemoryDevice {
    let (store, device) = (SqliteStore::open(&data.path).unwrap(), MemoryDevice::new());
    backup::run(&store, &Catalogue::builtin(), &device, &options(data, read_back), &Silent).unwrap();
    device
}

/// The limit of a backup: every value of every row, by the safe calls of the driver, in one thread.
fn bare_scan(data: &Data) -> u64 {
    let sql = Connection::open(&data.path).unwrap();
    let mut seen = 0u64;
    for table in &data.tables {
        let mut statement = sql.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                black_box(row.get_ref(column).unwrap());
            }
            seen += 1;
        }
    }
    seen
}

fn request(data: &Data, whole: bool) -> restore::Options {
    let day = (!whole).then_some(data.day.as_str());
    restore::Options { request: Request::parse(day, day).unwrap(), jobs: 2, ..restore::Options::new(Instant(0), 0) }
}

/// A copy of the database with its tables emptied, or as it is.
fn target(data: &Data, folder: &Path, emptied: bool) -> PathBuf {
    let path = folder.join("target.db");
    for end in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(folder.join(format!("target.db{end}")));
    }
    let to = Connection::open(&path).unwrap();
    to.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    to.execute("ATTACH ?1 AS source", [data.path.to_str().unwrap()]).unwrap();
    for table in &data.tables {
        let schema = "SELECT group_concat(sql, ';') FROM source.sqlite_master WHERE tbl_name = ?1";
        let sql: String = to.query_row(schema, [table], |row| row.get(0)).unwrap();
        to.execute_batch(&sql).unwrap();
        if !emptied {
            to.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM source.{table}")).unwrap();
        }
    }
    path
}

/// A value as it was read.
struct Borrowed<'a>(ValueRef<'a>);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// The limit of a restore: one prepared statement a row, in one transaction, into indexed tables.
fn bare_insert(data: &Data, into: &Path) {
    let source = Connection::open(&data.path).unwrap();
    let mut to = Connection::open(into).unwrap();
    let change = to.transaction().unwrap();
    for table in &data.tables {
        let mut read = source.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = read.column_count();
        let places = vec!["?"; columns].join(",");
        let mut write = change.prepare(&format!("INSERT INTO {table} VALUES ({places})")).unwrap();
        let mut rows = read.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                write.raw_bind_parameter(column + 1, Borrowed(row.get_ref(column).unwrap())).unwrap();
            }
            write.raw_execute().unwrap();
        }
    }
    change.commit().unwrap();
}

fn roads(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let mut group = criterion.benchmark_group("roads");
    group.sample_size(10);
    for data in &data {
        let id = |what: &str| BenchmarkId::new(what, data.name);
        group.throughput(Throughput::Elements(data.rows));
        group.bench_function(id("limit: bare scan, one thread"), |bench| bench.iter(|| bare_scan(data)));
        group.bench_function(id("backup, written only"), |bench| bench.iter(|| backed_up(data, ReadBack::Skip)));
        group.bench_function(id("backup, read back"), |bench| bench.iter(|| backed_up(data, ReadBack::Verify)));

        let device = backed_up(data, ReadBack::Skip);
        let set = list_sets(&device).unwrap().sets.remove(0);
        group.bench_function(id("list"), |bench| bench.iter(|| list_sets(&device).unwrap().sets.len()));
        group.bench_function(id("verify"), |bench| bench.iter(|| check::verify(&set, 2, &Silent)));

        let emptied = || target(data, folder.path(), true);
        let size = criterion::BatchSize::PerIteration;
        group.bench_function(id("limit: bare insert"), |bench| {
            bench.iter_batched(emptied, |path| bare_insert(data, &path), size);
        });
        for (what, whole) in [("restore everything", true), ("restore one day", false)] {
            let made = || target(data, folder.path(), whole);
            let options = request(data, whole);
            group.bench_function(id(what), |bench| {
                bench.iter_batched(
                    made,
                    |path| {
                        let store = SqliteStore::open(&path).unwrap();
                        let restore = restore::Restore::new(&set, &store, options.clone());
                        let plan = restore.plan().unwrap();
                        restore.apply(&plan, None).unwrap()
                    },
                    size,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, roads);
criterion_main!(benches);
