//! What whole roads are measured on: the demonstration's database (300 thousand rows, the same every time), and with
//! `INTERVAULT_BENCH_DB=PATH` also the tables named in `INTERVAULT_BENCH_TABLES` (default `hsplit,hagent`) of that database.
//! Where nothing is measured, only whether it runs, two days of the demonstration.

use intervault::backup::{Backup, Options, ReadBack, Select};
use intervault::base::time::Instant;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::SetId;
use intervault::schema::catalogue::Catalogue;
use intervault::store::sqlite::SqliteStore;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A database to measure on.
pub struct Data {
    pub name: &'static str,
    pub path: PathBuf,
    pub tables: Vec<String>,
    pub rows: u64,
}

/// The databases, the demonstration's in `folder`.
pub fn data(folder: &Path) -> Vec<Data> {
    let small = folder.join("small.db");
    std::fs::write(&small, demonstration(folder)).unwrap();
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

/// The bytes of the demonstration's database, built once in a run.
fn demonstration(folder: &Path) -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let path = folder.join("built.db");
        intervault::demo::build(&path).unwrap();
        // The bench runner passes this where it measures, and nothing where it asks whether all runs.
        if !std::env::args().any(|argument| argument == "--bench") {
            let sql = Connection::open(&path).unwrap();
            let last = "SELECT DISTINCT row_date FROM hagent ORDER BY 1 DESC LIMIT 2";
            for table in ["hsplit", "hagent"] {
                sql.execute(&format!("DELETE FROM {table} WHERE row_date NOT IN ({last})"), []).unwrap();
            }
            sql.execute_batch("PRAGMA journal_mode = DELETE; VACUUM; PRAGMA journal_mode = WAL").unwrap();
        }
        std::fs::read(&path).unwrap()
    })
}

fn measured(name: &'static str, path: PathBuf, tables: &str) -> Data {
    let tables: Vec<String> = tables.split(',').map(str::to_owned).collect();
    let sql = Connection::open(&path).unwrap();
    let count = |table: &String| -> i64 {
        sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    let rows = tables.iter().map(count).sum::<i64>() as u64;
    Data { name, path, tables, rows }
}

/// A backup of all rows of the tables.
pub fn options(data: &Data, read_back: ReadBack) -> Options {
    let select = Select::Tables(data.tables.clone());
    Options { select, read_back, jobs: 2, ..Options::new(Instant::MAX, 0, SetId([7; 16])) }
}

/// A volume of them in memory.
pub fn backed_up(data: &Data, read_back: ReadBack) -> MemoryDevice {
    let (store, device) = (SqliteStore::open(&data.path).unwrap(), MemoryDevice::new());
    Backup::new(&store, &Catalogue::builtin(), &device, options(data, read_back)).run().unwrap();
    device
}
