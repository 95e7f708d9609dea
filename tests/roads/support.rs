//! A call centre in a few lines: databases, backups and restores for the tests of whole roads.
use intervault::backup::{self, Backup, BackupReport};
use intervault::base::time::{Instant, day_of_civil};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Error;
use intervault::format::block::SetId;
use intervault::restore;
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::Request;
use intervault::store::control::{Collection, Mode, State};
use intervault::store::error::{StoreError, StoreErrorKind};
use intervault::store::sqlite::SqliteStore;
use intervault::store::traits::{Replacement, Snapshot, Store, StoreIdentity, StoreLock, Writer};
use intervault::volume::set::{SetReader, list_sets};
use std::path::PathBuf;

/// A database in a folder of its own.
pub struct Centre {
    pub folder: tempfile::TempDir,
}

pub const HSPLIT: &str = "CREATE TABLE hsplit (row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, \
    split SMALLINT, acdcalls INTEGER, logid CHAR(10)); CREATE INDEX hsplit_i ON hsplit (row_date, starttime, acd)";
pub const DSPLIT: &str = "CREATE TABLE dsplit (row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER)";
pub const WSPLIT: &str = "CREATE TABLE wsplit (row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER)";
pub const MSPLIT: &str = "CREATE TABLE msplit (row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER)";
pub const SYNONYMS: &str =
    "CREATE TABLE synonyms (acd_no SMALLINT, item_type CHAR(20), item_name CHAR(20), value CHAR(20), descr CHAR(50))";

impl Centre {
    pub fn new(statements: &[&str]) -> Centre {
        let centre = Centre { folder: tempfile::tempdir().unwrap() };
        for statement in statements {
            centre.run(statement);
        }
        centre.state(Collection::On, Mode::SingleUser);
        centre
    }

    /// Sets the state of the database, as intervault state does. A new one is in single-user mode, so that all may be
    /// restored that does not need more.
    pub fn state(&self, collection: Collection, mode: Mode) {
        let store = self.store();
        let mut change = store.replace().unwrap();
        change.set_state(&State { collection, mode }).unwrap();
        change.commit().unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("centre.db")
    }

    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    pub fn run(&self, statements: &str) {
        self.sql().execute_batch(statements).unwrap();
    }

    /// Adds an interval row.
    pub fn interval(&self, date: &str, starttime: i64, minutes: i64, acd: i64, calls: i64) {
        self.sql()
            .execute("INSERT INTO hsplit VALUES (?, ?, ?, ?, 1, ?, 'a')", (date, starttime, minutes, acd, calls))
            .unwrap();
    }

    /// Adds interval rows of one day from one time to another (HHMM, the last one not included).
    pub fn intervals(&self, date: &str, from: i64, to: i64, minutes: i64, acd: i64) {
        let minute = |hhmm: i64| hhmm / 100 * 60 + hhmm % 100;
        let mut at = minute(from);
        while at < minute(to) {
            let hhmm = at / 60 * 100 + at % 60;
            self.interval(date, hhmm, minutes, acd, at);
            at += minutes;
        }
    }

    pub fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).unwrap()
    }

    /// All rows of a table as text, types visible, sorted.
    pub fn rows(&self, table: &str) -> Vec<String> {
        let sql = self.sql();
        let mut statement = sql.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows: Vec<String> = statement
            .query_map([], |row| {
                let values: Vec<String> =
                    (0..columns).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap())).collect();
                Ok(values.join(" "))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows.sort();
        rows
    }

    pub fn count(&self, query: &str) -> i64 {
        self.sql().query_row(query, [], |row| row.get(0)).unwrap()
    }
}

/// A moment long after all test data.
pub fn later() -> Instant {
    Instant::of_day(day_of_civil(2030, 1, 1).unwrap())
}

pub fn at(text: &str) -> Instant {
    Request::parse(Some(text), None).unwrap().start.unwrap()
}

pub fn set_id(number: u8) -> SetId {
    SetId([number; 16])
}

pub fn backup_options(number: u8) -> backup::Options {
    backup::Options { jobs: 2, ..backup::Options::new(later(), later().0, set_id(number)) }
}

pub fn backup_with(centre: &Centre, device: &MemoryDevice, options: &backup::Options) -> BackupReport {
    backup_onto(centre, device, options).unwrap()
}

/// Backs up onto any device, by the table catalogue that is built in.
pub fn backup_onto(centre: &Centre, device: &dyn Device, options: &backup::Options) -> Result<BackupReport, Error> {
    Backup::new(&centre.store(), &Catalogue::builtin(), device, options.clone()).run()
}

/// Options of an incremental backup of everything.
pub fn incremental_options(number: u8) -> backup::Options {
    let kind = backup::Kind::Incremental(backup::Incremental::default());
    backup::Options { kind, ..backup_options(number) }
}

/// Backs up everything onto a new memory device.
pub fn backup(centre: &Centre) -> MemoryDevice {
    let device = MemoryDevice::new();
    backup_with(centre, &device, &backup_options(1));
    device
}

pub fn only_set(device: &dyn Device) -> SetReader<'_> {
    let mut sets = list_sets(device).unwrap().sets;
    assert_eq!(sets.len(), 1);
    sets.remove(0)
}

pub fn restore_options(start: Option<&str>, stop: Option<&str>) -> restore::Options {
    restore::Options {
        request: Request::parse(start, stop).unwrap(),
        jobs: 2,
        ..restore::Options::new(later(), later().0)
    }
}

pub fn plan(set: &SetReader<'_>, centre: &Centre, options: &restore::Options) -> restore::RestorePlan {
    restore::Restore::new(set, &centre.store(), options.clone()).plan().unwrap()
}

pub fn restore_set(
    set: &SetReader<'_>,
    centre: &Centre,
    options: &restore::Options,
) -> Result<(restore::RestorePlan, restore::RestoreReport), Error> {
    let store = centre.store();
    let restore = restore::Restore::new(set, &store, options.clone());
    let plan = restore.plan()?;
    let report = restore.apply(&plan, None)?;
    Ok((plan, report))
}

pub fn restore_range(
    device: &MemoryDevice,
    centre: &Centre,
    start: &str,
    stop: &str,
) -> (restore::RestorePlan, restore::RestoreReport) {
    restore_set(&only_set(device), centre, &restore_options(Some(start), Some(stop))).unwrap()
}

/// The ranges plan of a table.
pub fn ranges<'a>(plan: &'a restore::RestorePlan, table: &str) -> &'a restore::RangesPlan {
    let found = plan.tables.iter().find(|planned| planned.table == table).unwrap();
    match &found.action {
        restore::TableAction::Ranges(ranges) => ranges,
        other => panic!("{table}: {other:?}"),
    }
}

/// A database that is another one in a single respect: it says that it is another server's, or its lock is lost as soon as it
/// was taken.
pub struct Posed {
    store: SqliteStore,
    identity: StoreIdentity,
    keeps_lock: bool,
}

impl Posed {
    pub fn as_another(store: SqliteStore, identity: StoreIdentity) -> Posed {
        Posed { store, identity, keeps_lock: true }
    }

    pub fn without_lock(store: SqliteStore) -> Posed {
        Posed { identity: store.identity().clone(), store, keeps_lock: false }
    }
}

impl Store for Posed {
    fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>, StoreError> {
        self.store.snapshot(readers)
    }

    fn replace(&self) -> Result<Box<dyn Replacement>, StoreError> {
        self.store.replace()
    }

    fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        self.store.writer()
    }

    fn lock(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        if self.keeps_lock { self.store.lock() } else { Ok(Box::new(Lost)) }
    }
}

struct Lost;

impl StoreLock for Lost {
    fn held(&mut self) -> Result<(), StoreError> {
        let kind = StoreErrorKind::InUse(" (somebody else's)".to_owned());
        Err(StoreError { op: "make sure that the database is still locked".into(), place: "here".into(), kind })
    }
}
