//! Whole roads against their limits in the same run: backup against a bare scan, restore against a bare insert, a few days
//! against a bare delete and insert, a resume against the whole, an incremental backup against a bare scan by two
//! connections, a pipe and a tape image against a directory. Ratios within one run are what counts: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has no interface, and stops at a surprise")]

mod common;

use common::{Data, backed_up, data, options};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use intervault::backup::{Backup, BackupReport, ChangedSince, Incremental, Kind, Options, ReadBack, Select};
use intervault::base::monitor::{Monitor, Task};
use intervault::base::side_by_side::side_by_side;
use intervault::base::time::Instant;
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::DeviceError;
use intervault::device::memory::MemoryDevice;
use intervault::device::pipe::PipeDevice;
use intervault::device::tape::TapeDevice;
use intervault::device::traits::{Device, VolumeSink, VolumeSource};
use intervault::format::block::SetId;
use intervault::restore::{self, Keep, Proof, Restore};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::schema::range::Request;
use intervault::store::sqlite::SqliteStore;
use intervault::volume::set::{SetReader, list_sets};
use intervault::volume::stream::ON_TAPE;
use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use std::ffi::CString;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Days that have rows, ascending.
fn days_of(data: &Data) -> Vec<String> {
    let sql = Connection::open(&data.path).unwrap();
    let mut statement = sql.prepare(&format!("SELECT DISTINCT row_date FROM {} ORDER BY 1", data.tables[0])).unwrap();
    let days = statement.query_map([], |row| row.get(0)).unwrap();
    days.map(Result::unwrap).collect()
}

/// So many days in the middle of the data: the first and the last of them.
fn middle(days: &[String], count: usize) -> (&str, &str) {
    let first = days.len().saturating_sub(count) / 2;
    let last = (first + count - 1).min(days.len() - 1);
    (&days[first], &days[last])
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

/// Long after all data, which nobody is writing any more.
const NOW: Instant = Instant(1 << 40);

fn request(range: Option<(&str, &str)>) -> restore::Options {
    let (start, stop) = range.unzip();
    restore::Options { request: Request::parse(start, stop).unwrap(), jobs: 2, ..restore::Options::new(NOW, 0) }
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

/// The limit of a restore: one prepared statement a row, in one transaction, into indexed tables; of some days after their
/// rows were deleted.
fn bare_insert(data: &Data, into: &Path, days: Option<(&str, &str)>) {
    let source = Connection::open(&data.path).unwrap();
    let mut to = Connection::open(into).unwrap();
    let change = to.transaction().unwrap();
    for table in &data.tables {
        let these =
            days.map_or(String::new(), |(first, last)| format!(" WHERE row_date BETWEEN '{first}' AND '{last}'"));
        if days.is_some() {
            change.execute(&format!("DELETE FROM {table}{these}"), []).unwrap();
        }
        let mut read = source.prepare(&format!("SELECT * FROM {table}{these}")).unwrap();
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

/// Plans and applies, with an undo set in a folder or without one.
fn restored(set: &SetReader<'_>, path: &Path, options: &restore::Options, undo: Option<&Path>) -> u64 {
    let store = SqliteStore::open(path).unwrap();
    let restore = Restore::new(set, &store, options.clone());
    let plan = restore.plan().unwrap();
    let folder = undo.map(|folder| tempfile::tempdir_in(folder).unwrap());
    let device = folder.as_ref().map(|folder| DirectoryDevice::open(folder.path()).unwrap());
    let keep = device.as_ref().map(|device| Keep { device, set: SetId([8; 16]) });
    let report = restore.apply(&plan, keep).unwrap();
    report.tables.iter().map(|table| table.inserted).sum()
}

/// Counts the bytes that are read.
struct Counted {
    device: MemoryDevice,
    read: Arc<AtomicU64>,
}

struct CountedSource {
    source: Box<dyn VolumeSource>,
    read: Arc<AtomicU64>,
}

impl Device for Counted {
    fn describe(&self) -> String {
        self.device.describe()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.device.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        Ok(Box::new(CountedSource { source: self.device.open(name)?, read: Arc::clone(&self.read) }))
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.device.create(name)
    }
}

impl VolumeSource for CountedSource {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.source.read_at(at, buffer)
    }
}

/// Says which part of the set's bytes a restore reads, its catalog and every second reading counted.
fn say_bytes_read(data: &Data, days: usize, path: &Path, options: &restore::Options) {
    let device = Counted { device: backed_up(data, ReadBack::Skip), read: Arc::default() };
    let all: u64 = device.list().unwrap().iter().map(|name| device.size(name).unwrap()).sum();
    let set = list_sets(&device).unwrap().sets.remove(0);
    restored(&set, path, options, None);
    let read = device.read.load(Ordering::Relaxed);
    let percent = read as f64 * 100.0 / all as f64;
    eprintln!("{}, {days} days: {read} of {all} bytes of the set were read, {percent:.1} %", data.name);
}

/// Stops once so many rows are in.
struct StopAfter(u64, AtomicU64);

impl Monitor for StopAfter {
    fn advance(&self, task: Task, rows: u64, _bytes: u64) {
        if task == Task::Restore {
            self.1.fetch_add(rows, Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.1.load(Ordering::Relaxed) > self.0
    }
}

/// Restores until half of the rows are in, as if the process had ended there.
fn half(data: &Data, set: &SetReader<'_>, path: &Path, options: &restore::Options) {
    let (store, stop) = (SqliteStore::open(path).unwrap(), StopAfter(data.rows / 2, AtomicU64::new(0)));
    let restore = Restore::new(set, &store, options.clone()).watched(&stop);
    restore.apply(&restore.plan().unwrap(), None).unwrap_err();
}

fn resumed(set: &SetReader<'_>, path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    Restore::new(set, &store, request(None)).resume(&unfinished).unwrap();
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
    }
    group.finish();
}

/// Everything, into emptied tables.
fn full(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let mut group = criterion.benchmark_group("full");
    group.sample_size(10);
    for data in &data {
        let id = |what: &str| BenchmarkId::new(what, data.name);
        group.throughput(Throughput::Elements(data.rows));
        let device = backed_up(data, ReadBack::Skip);
        let set = list_sets(&device).unwrap().sets.remove(0);
        let size = criterion::BatchSize::PerIteration;
        let emptied = || target(data, folder.path(), true);
        group.bench_function(id("limit: bare insert"), |bench| {
            bench.iter_batched(emptied, |path| bare_insert(data, &path, None), size);
        });
        for (what, proof) in [("restore, proved", Proof::Full), ("restore, counted", Proof::Counts)] {
            let options = restore::Options { proof, ..request(None) };
            group.bench_function(id(what), |bench| {
                bench.iter_batched(emptied, |path| restored(&set, &path, &options, None), size);
            });
            // The demonstration's tables are a unit each, of very different size.
            let options = restore::Options { unit_rows: (data.rows / 20).min(restore::UNIT_ROWS), ..options };
            let half = || {
                let path = emptied();
                half(data, &set, &path, &options);
                path
            };
            group.bench_function(id(&format!("{what}, resumed at half")), |bench| {
                bench.iter_batched(half, |path| resumed(&set, &path), size);
            });
        }
    }
    group.finish();
}

/// Some days of full tables. What is restored is what is there, so that the same target serves again.
fn days(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let mut group = criterion.benchmark_group("days");
    group.sample_size(10);
    for data in &data {
        let device = backed_up(data, ReadBack::Skip);
        let set = list_sets(&device).unwrap().sets.remove(0);
        let path = target(data, folder.path(), false);
        let all_days = days_of(data);
        for days in [1, 10] {
            let (range, id) =
                (middle(&all_days, days), |what: &str| BenchmarkId::new(format!("{what}, {days} days"), data.name));
            let options = request(Some(range));
            say_bytes_read(data, days, &path, &options);
            group.throughput(Throughput::Elements(restored(&set, &path, &options, None)));
            group.bench_function(id("limit: bare delete and insert"), |bench| {
                bench.iter(|| bare_insert(data, &path, Some(range)));
            });
            for (what, undo) in [("restore with undo", Some(folder.path())), ("restore without", None)] {
                group.bench_function(id(what), |bench| bench.iter(|| restored(&set, &path, &options, undo)));
            }
        }
    }
    group.finish();
}

/// The tables as they are in a backup of kinds of data: those of the measure and no other.
fn catalogue(data: &Data) -> Catalogue {
    let listed = |name: &str| data.tables.iter().any(|table| table == name);
    let others: Vec<String> = Catalogue::builtin()
        .entries()
        .iter()
        .filter(|entry| !listed(&entry.name))
        .map(|entry| format!("{:?}", entry.name))
        .collect();
    Catalogue::parse(&format!("extends = 'cms'\nremove = [{}]", others.join(", "))).unwrap()
}

fn chained(data: &Data, path: &Path, device: &MemoryDevice, kind: Kind, number: u8) -> BackupReport {
    let store = SqliteStore::open(path).unwrap();
    let select = Select::Data(vec![DataType::Historical]);
    let read_back = ReadBack::Skip;
    let options = Options { kind, select, read_back, jobs: 2, ..Options::new(NOW, 0, SetId([number; 16])) };
    Backup::new(&store, &catalogue(data), device, options).run().unwrap()
}

/// The limit of an incremental backup: every value of every row, by two connections side by side, through the C interface
/// itself: the driver's own row interface is half as fast again as that, and would flatter what is measured beside it.
#[expect(unsafe_code, reason = "the limit is that of the C interface, so it is called as it is")]
fn bare_scan_by_two(data: &Data, path: &Path) -> u64 {
    let halves: Vec<(String, u64)> =
        data.tables.iter().flat_map(|table| [(table.clone(), 0), (table.clone(), 1)]).collect();
    let part = |(table, half): &(String, u64)| -> Result<u64, ()> {
        let sql = Connection::open(path).unwrap();
        let last: i64 = sql.query_row(&format!("SELECT max(rowid) FROM {table}"), [], |row| row.get(0)).unwrap();
        let (from, to) = if *half == 0 { (0, last / 2) } else { (last / 2 + 1, last) };
        let query = CString::new(format!("SELECT * FROM {table} WHERE rowid BETWEEN {from} AND {to}")).unwrap();
        let (mut statement, mut seen) = (std::ptr::null_mut(), 0);
        // SAFETY: the connection is open until the end of this function; the query ends with a zero.
        let code = unsafe {
            ffi::sqlite3_prepare_v2(sql.handle(), query.as_ptr(), -1, &raw mut statement, std::ptr::null_mut())
        };
        assert_eq!(code, ffi::SQLITE_OK);
        // SAFETY: the statement was made above and is given back below; columns are asked for while a row stands.
        unsafe {
            let columns = ffi::sqlite3_column_count(statement);
            while ffi::sqlite3_step(statement) == ffi::SQLITE_ROW {
                for column in 0..columns {
                    if ffi::sqlite3_column_type(statement, column) == ffi::SQLITE_INTEGER {
                        black_box(ffi::sqlite3_column_int64(statement, column));
                    } else {
                        black_box(ffi::sqlite3_column_blob(statement, column));
                        black_box(ffi::sqlite3_column_bytes(statement, column));
                    }
                }
                seen += 1;
            }
            assert_eq!(ffi::sqlite3_finalize(statement), ffi::SQLITE_OK);
        }
        Ok(seen)
    };
    side_by_side(2, &halves, |_, half| part(half)).unwrap().into_iter().sum()
}

/// What a night costs after a full backup: one day of all days has changed.
fn incremental(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let mut group = criterion.benchmark_group("incremental");
    group.sample_size(10);
    for data in &data {
        let path = target(data, folder.path(), false);
        let device = MemoryDevice::new();
        let full = chained(data, &path, &device, Kind::Full, 1);
        // The last day: what a watermark can see.
        let days = days_of(data);
        let day = days.last().unwrap();
        let sql = Connection::open(&path).unwrap();
        for table in &data.tables {
            let column = if table.starts_with('h') || table.starts_with('d') { "acdcalls" } else { "duration" };
            sql.execute(&format!("UPDATE {table} SET {column} = {column} + 1 WHERE row_date = ?"), [day]).unwrap();
        }
        drop(sql);
        let everything = || Kind::Incremental(Incremental::default());
        let last_days = || {
            let changed_since = Some(ChangedSince::default());
            Kind::Incremental(Incremental { changed_since, ..Incremental::default() })
        };
        for (what, kind) in [("incremental", everything()), ("incremental of the last days", last_days())] {
            let report = chained(data, &path, &device.copy(), kind, 2);
            eprintln!(
                "{}, {what}, one day of {}: {} of {} bytes (1/{:.0}), {} rows",
                data.name,
                days.len(),
                report.set.bytes,
                full.set.bytes,
                full.set.bytes as f64 / report.set.bytes as f64,
                report.set.rows
            );
        }
        let id = |what: &str| BenchmarkId::new(what, data.name);
        group.throughput(Throughput::Elements(data.rows));
        let size = criterion::BatchSize::PerIteration;
        group.bench_function(id("limit: bare scan, two connections"), |bench| {
            bench.iter(|| bare_scan_by_two(data, &path));
        });
        group.bench_function(id("full, written only"), |bench| {
            bench.iter(|| chained(data, &path, &MemoryDevice::new(), Kind::Full, 1));
        });
        group.bench_function(id("incremental, one day"), |bench| {
            bench.iter_batched(|| device.copy(), |device| chained(data, &path, &device, everything(), 2), size);
        });
        group.bench_function(id("incremental of the last days"), |bench| {
            bench.iter_batched(|| device.copy(), |device| chained(data, &path, &device, last_days(), 2), size);
        });
    }
    group.finish();
}

/// A backup into a pipe: `sh` runs `command`, which has the bytes as its input. Returns when the command has ended.
fn piped(data: &Data, command: &str) -> u64 {
    let mut child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn().unwrap();
    let pipe = PipeDevice::new("a pipe", Box::new(child.stdin.take().unwrap()));
    let bytes = written(data, &pipe);
    drop(pipe);
    assert!(child.wait().unwrap().success());
    bytes
}

fn written(data: &Data, device: &dyn Device) -> u64 {
    let store = SqliteStore::open(&data.path).unwrap();
    let report = Backup::new(&store, &Catalogue::builtin(), device, options(data, ReadBack::Skip)).run().unwrap();
    report.set.bytes
}

/// The same backup onto each kind of device, none read back; what is written is on the medium at the end, the pipe's too.
fn devices(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let mut group = criterion.benchmark_group("devices");
    group.sample_size(10);
    for data in &data {
        let id = |what: &str| BenchmarkId::new(what, data.name);
        let place = folder.path().join("place");
        let emptied = || {
            drop(std::fs::remove_file(&place));
            drop(std::fs::remove_dir_all(&place));
        };
        let size = criterion::BatchSize::PerIteration;
        group.throughput(Throughput::Elements(data.rows));
        group.bench_function(id("directory"), |bench| {
            let onto = || written(data, &DirectoryDevice::for_writing(&place).unwrap());
            bench.iter_batched(emptied, |()| onto(), size);
        });
        group.bench_function(id("pipe"), |bench| {
            let command = format!("cat > '{0}' && sync '{0}'", place.display());
            bench.iter_batched(emptied, |()| piped(data, &command), size);
        });
        group.bench_function(id("tape image"), |bench| {
            let onto = || written(data, &TapeDevice::for_writing(&place, ON_TAPE, None).unwrap());
            bench.iter_batched(emptied, |()| onto(), size);
        });
        emptied();
    }
    group.finish();
}

criterion_group!(benches, roads, full, days, incremental, devices);
criterion_main!(benches);
