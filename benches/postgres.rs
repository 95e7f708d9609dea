//! A PostgreSQL server against its own programs in the same run: backup against `pg_dump` and against COPY to nowhere, a full
//! restore against `pg_restore`, one day against a bare delete and COPY, the proof against COPY to nowhere; all with two jobs.
//! The data are those of the demonstration, on a server of the bench's own. With `INTERVAULT_BENCH_POSTGRES=URL` instead the
//! tables named in `INTERVAULT_BENCH_TABLES` (default `hsplit,hagent`) of that database; beside it the database
//! `intervault_bench` is made, which must not be there before, and dropped in the end.
//! Ratios within one run are what counts: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has no interface, and stops at a surprise")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use intervault::backup::{Backup, Options, ReadBack, Select};
use intervault::base::time::Instant;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::SetId;
use intervault::restore::{self, Proof, Restore};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::Request;
use intervault::store::postgres::PostgresStore;
use intervault::store::postgres::address::Address;
use intervault::store::sqlite::SqliteStore;
use intervault::testing::cluster::Cluster;
use intervault::volume::set::list_sets;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Databases to measure on.
struct Server {
    source: String,
    target: String,
    tables: Vec<String>,
    /// A day in the middle.
    day: String,
    rows: u64,
    folder: tempfile::TempDir,
    /// Where the server's programs are, if not where programs are looked for.
    programs: Option<PathBuf>,
    // Stopped when it is dropped.
    _cluster: Option<Cluster>,
}

const NAME: &str = "intervault_bench";
/// Long after all data, which nobody is writing any more.
const NOW: Instant = Instant(1 << 40);

impl Server {
    /// The server that is named, or one of the bench's own; `None` where there is none.
    fn find() -> Option<Server> {
        let tables = std::env::var("INTERVAULT_BENCH_TABLES").unwrap_or_else(|_| "hsplit,hagent".to_owned());
        let tables: Vec<String> = tables.split(',').map(str::to_owned).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut server = match std::env::var("INTERVAULT_BENCH_POSTGRES") {
            Ok(url) => {
                let target = with_database(&url, NAME);
                let (day, programs) = (String::new(), None);
                Server { source: url, target, tables, day, rows: 0, folder, programs, _cluster: None }
            }
            Err(_) => {
                eprintln!("INTERVAULT_BENCH_POSTGRES is not set: only the small data are measured");
                let cluster = Cluster::start()?;
                let programs = cluster.program("psql").parent().map(Path::to_path_buf);
                let (source, target) = (cluster.database("source"), cluster.url(NAME));
                let day = String::new();
                let server = Server { source, target, tables, day, rows: 0, folder, programs, _cluster: Some(cluster) };
                server.fill_with_the_demonstration();
                server
            }
        };
        server.psql(&server.source, &format!("CREATE DATABASE {NAME}"));
        let counts: Vec<String> = server.tables.iter().map(|table| format!("(SELECT count(*) FROM {table})")).collect();
        server.rows = server.psql(&server.source, &format!("SELECT {}", counts.join("+"))).trim().parse().unwrap();
        let day = format!("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY row_date) FROM {}", server.tables[0]);
        server.day = server.psql(&server.source, &day).trim().to_owned();
        Some(server)
    }

    fn fill_with_the_demonstration(&self) {
        let file = self.folder.path().join("demo.db");
        intervault::demo::build(&file).unwrap();
        let demo = rusqlite::Connection::open(&file).unwrap();
        for table in &self.tables {
            let sql = "SELECT group_concat(sql, ';') FROM sqlite_master WHERE tbl_name = ?1";
            let sql: String = demo.query_row(sql, [table], |row| row.get(0)).unwrap();
            self.psql(&self.source, &sql);
        }
        let device = MemoryDevice::new();
        let store = SqliteStore::open(&file).unwrap();
        Backup::new(&store, &Catalogue::builtin(), &device, self.options()).run().unwrap();
        let set = list_sets(&device).unwrap().sets.remove(0);
        let store = store_at(&self.source);
        let restore = Restore::new(&set, &store, restore::Options { other_version: true, ..all(Proof::Counts) });
        restore.apply(&restore.plan().unwrap(), None).unwrap();
    }

    fn options(&self) -> Options {
        let select = Select::Tables(self.tables.clone());
        Options { select, read_back: ReadBack::Verify, jobs: 2, ..Options::new(Instant::MAX, 0, SetId([7; 16])) }
    }

    fn command(&self, name: &str) -> Command {
        let program = self.programs.as_ref().map_or_else(|| name.into(), |folder| folder.join(name));
        Command::new(program)
    }

    /// What a statement gives.
    fn psql(&self, url: &str, sql: &str) -> String {
        let sql = format!("SET client_min_messages = error; {sql}");
        // Each statement by itself: a database is made outside of transactions only.
        let parts = sql.split("; ").flat_map(|part| ["-c", part]);
        let done =
            self.command("psql").args(["-qXAt", "-v", "ON_ERROR_STOP=1", "-d", url]).args(parts).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn runs(&self, name: &str, arguments: &[&str]) {
        let done = self.command(name).args(arguments).stdout(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Every table by COPY as text to nowhere, as many at a time as there are tables.
    fn copied(&self, url: &str) {
        let copy = |table: &String| {
            let sql = format!("COPY {table} TO STDOUT");
            self.command("psql").args(["-qX", "-d", url, "-c", &sql]).stdout(Stdio::null()).spawn().unwrap()
        };
        let all: Vec<_> = self.tables.iter().map(copy).collect();
        all.into_iter().for_each(|mut one| assert!(one.wait().unwrap().success()));
    }

    /// The set of the source, in a folder of its own.
    fn backed_up(&self, place: &Path) -> u64 {
        drop(std::fs::remove_dir_all(place));
        let device = DirectoryDevice::for_writing(place).unwrap();
        let report =
            Backup::new(&store_at(&self.source), &Catalogue::builtin(), &device, self.options()).run().unwrap();
        assert!(report.verified);
        report.set.bytes
    }

    fn dumped(&self, place: &Path) {
        drop(std::fs::remove_dir_all(place));
        let tables = self.tables.iter().map(|table| format!("--table={table}"));
        let tables: Vec<String> = tables.collect();
        let mut arguments = vec!["-Fd", "-j2", "-d", &self.source, "-f", place.to_str().unwrap()];
        arguments.extend(tables.iter().map(String::as_str));
        self.runs("pg_dump", &arguments);
    }

    /// The target anew: with tables that are empty, or none.
    fn emptied(&self, dump: &Path, tables: bool) {
        self.psql(&self.source, &format!("CHECKPOINT; DROP DATABASE {NAME}; CREATE DATABASE {NAME}"));
        if tables {
            self.runs("pg_restore", &["-s", "-d", &self.target, dump.to_str().unwrap()]);
        }
    }

    /// Plans and applies.
    fn restored(&self, place: &Path, options: &restore::Options) -> u64 {
        let device = DirectoryDevice::open(place).unwrap();
        let set = list_sets(&device).unwrap().sets.remove(0);
        let store = store_at(&self.target);
        let restore = Restore::new(&set, &store, options.clone());
        let report = restore.apply(&restore.plan().unwrap(), None).unwrap();
        report.tables.iter().map(|table| table.inserted).sum()
    }

    /// The rows of the day out to files on the server, for [`Server::day_bare`].
    fn day_out(&self, folder: &Path) {
        for table in &self.tables {
            let file = folder.join(table);
            let rows = format!("SELECT * FROM {table} WHERE row_date = '{}'", self.day);
            self.psql(&self.source, &format!("\\copy ({rows}) TO '{}'", file.display()));
        }
    }

    fn day_bare(&self, folder: &Path) {
        let mut arguments = vec!["-qX1".to_owned(), "-d".to_owned(), self.target.clone()];
        for table in &self.tables {
            let delete = format!("DELETE FROM {table} WHERE row_date = '{}'", self.day);
            arguments.extend(["-c".to_owned(), delete]);
            let copy = format!("\\copy {table} FROM '{}'", folder.join(table).display());
            arguments.extend(["-c".to_owned(), copy]);
        }
        self.runs("psql", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.psql(&self.source, &format!("DROP DATABASE IF EXISTS {NAME}"));
    }
}

/// The URL with another database in it.
fn with_database(url: &str, database: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let options = rest.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
    format!("{scheme}://{authority}/{database}{options}")
}

fn store_at(url: &str) -> PostgresStore {
    PostgresStore::open(&Address::parse(url, &std::env::vars().collect()).unwrap()).unwrap()
}

fn all(proof: Proof) -> restore::Options {
    restore::Options { jobs: 2, proof, ..restore::Options::new(NOW, 0) }
}

fn postgres(criterion: &mut Criterion) {
    let Some(server) = Server::find() else { return };
    let (set, dump) = (server.folder.path().join("set"), server.folder.path().join("dump"));
    server.dumped(&dump);
    eprintln!("{} rows; the set has {} bytes", server.rows, server.backed_up(&set));
    let mut group = criterion.benchmark_group("postgres");
    group.sample_size(10).throughput(Throughput::Elements(server.rows));
    group.bench_function("limit: COPY to nowhere", |bench| bench.iter(|| server.copied(&server.source)));
    group.bench_function("backup, verified", |bench| bench.iter(|| server.backed_up(&set)));
    group.bench_function("pg_dump", |bench| bench.iter(|| server.dumped(&dump)));
    let size = BatchSize::PerIteration;
    group.bench_function("full restore, by count", |bench| {
        bench.iter_batched(|| server.emptied(&dump, true), |()| server.restored(&set, &all(Proof::Counts)), size);
    });
    group.bench_function("pg_restore", |bench| {
        let arguments = ["-Fd", "-j2", "-d", &server.target, dump.to_str().unwrap()];
        bench.iter_batched(|| server.emptied(&dump, false), |()| server.runs("pg_restore", &arguments), size);
    });
    group.bench_function("full restore, proved", |bench| {
        bench.iter_batched(|| server.emptied(&dump, true), |()| server.restored(&set, &all(Proof::Full)), size);
    });
    // What was restored last lies in the target.
    server.psql(&server.target, "VACUUM ANALYZE");
    let range = Request::parse(Some(&server.day), Some(&server.day)).unwrap();
    for (name, proof) in [("one day, by count", Proof::Counts), ("one day, proved", Proof::Full)] {
        let options = restore::Options { request: range, ..all(proof) };
        group.bench_function(name, |bench| bench.iter(|| server.restored(&set, &options)));
    }
    let folder = server.folder.path().to_path_buf();
    server.day_out(&folder);
    group.bench_function("limit: one day, DELETE and COPY", |bench| bench.iter(|| server.day_bare(&folder)));
    group.finish();
}

criterion_group!(benches, postgres);
criterion_main!(benches);
