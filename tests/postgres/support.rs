//! A centre on a server in a few lines: databases, backups and restores.

use intervault::backup::{self, Backup, BackupReport};
use intervault::base::monitor::Silent;
use intervault::base::time::{Instant, day_of_civil};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Error;
use intervault::format::block::SetId;
use intervault::restore::{self, Keep, Restore, RestoreReport, UndoOptions, UndoReport};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::{Policies, Request, Uncovered};
use intervault::store::control::{Collection, Mode, State};
use intervault::store::postgres::PostgresStore;
use intervault::store::postgres::address::Address;
use intervault::store::traits::Store;
use intervault::testing::cluster::Cluster;
use intervault::volume::set::{SetReader, find_set, list_sets};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A database on a server.
pub struct Centre {
    pub cluster: &'static Cluster,
    pub name: String,
    pub url: String,
}

pub const HSPLIT: &str = "CREATE TABLE hsplit (row_date date, starttime smallint, intrvl smallint, acd smallint, \
    split smallint, acdcalls integer, logid char(10)); CREATE INDEX hsplit_i ON hsplit (row_date, starttime, acd)";
pub const DSPLIT: &str = "CREATE TABLE dsplit (row_date date, acd smallint, split smallint, acdcalls integer)";
pub const SYNONYMS: &str =
    "CREATE TABLE synonyms (acd_no smallint, item_type char(20), item_name char(20), value char(20), descr char(50))";

impl Centre {
    /// A database of its own on the server that all tests share, in single-user mode; `None` where there is to be no server.
    pub fn new(statements: &[&str]) -> Option<Centre> {
        Some(Centre::new_in(Cluster::shared()?, statements))
    }

    /// The same on another server.
    pub fn new_in(cluster: &'static Cluster, statements: &[&str]) -> Centre {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("centre{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = cluster.database(&name);
        let centre = Centre { cluster, name, url };
        statements.iter().for_each(|statement| centre.run(statement));
        set_state(&centre.store());
        centre
    }

    pub fn run(&self, sql: &str) {
        self.cluster.run(&self.name, sql);
    }

    pub fn store(&self) -> PostgresStore {
        PostgresStore::open(&Address::parse(&self.url, &BTreeMap::new()).unwrap()).unwrap()
    }

    /// All rows of a table as text, sorted.
    pub fn rows(&self, table: &str) -> Vec<String> {
        let rows = self.cluster.query(&self.name, &format!("SELECT t::text FROM {table} t"));
        let mut rows: Vec<String> = rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
        rows.sort();
        rows
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.cluster.query(&self.name, sql)[0][0].as_ref().unwrap().parse().unwrap()
    }

    /// Rows of one day and ACD, half hour by half hour.
    pub fn intervals(&self, date: &str, acd: i64) {
        self.run(&format!(
            "INSERT INTO hsplit SELECT '{date}', n / 2 * 100 + n % 2 * 30, 30, {acd}, 1, n, 'a' FROM generate_series(16, 23) n"
        ));
    }

    /// Days of half hours of two ACDs, a day table and one without times.
    pub fn world() -> Option<Centre> {
        Some(Centre::world_in(Cluster::shared()?))
    }

    /// The same on another server.
    pub fn world_in(cluster: &'static Cluster) -> Centre {
        let centre = Centre::new_in(cluster, &[HSPLIT, DSPLIT, SYNONYMS]);
        // Rows without a usable time go in before all others.
        centre.run("INSERT INTO hsplit VALUES (NULL, 900, 30, 1, 1, 7, 'x'), ('infinity', 900, 30, 2, 1, 7, 'y')");
        for day in 1..=6 {
            for acd in [1, 2] {
                centre.intervals(&format!("2024-03-{day:02}"), acd);
                centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', {acd}, 1, {day})"));
            }
        }
        centre.run(
            "INSERT INTO hsplit SELECT * FROM hsplit WHERE row_date = '2024-03-02' AND starttime = 900 AND acd = 1; \
             INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (2, 'split', 'two', '2', NULL)",
        );
        centre
    }

    pub fn contents(&self) -> Vec<String> {
        ["hsplit", "dsplit", "synonyms"].iter().flat_map(|table| self.rows(table)).collect()
    }

    pub fn ruin(&self) {
        self.run(
            "UPDATE hsplit SET acdcalls = -1 WHERE row_date IN ('2024-03-02', '2024-03-04'); \
             DELETE FROM hsplit WHERE row_date = '2024-03-05' AND acd = 2; UPDATE dsplit SET acdcalls = -1; \
             UPDATE synonyms SET value = 'x'; INSERT INTO synonyms VALUES (3, 'split', 'three', '3', '')",
        );
    }

    /// The tables that the store lists.
    pub fn tables(&self) -> Vec<String> {
        self.store().snapshot(1).unwrap().tables().unwrap()
    }
}

/// Rows arrive, and the administrator is alone: everything may be restored.
pub fn set_state(store: &dyn Store) {
    let mut change = store.replace().unwrap();
    change.set_state(&State { collection: Collection::On, mode: Mode::SingleUser }).unwrap();
    change.commit().unwrap();
}

/// A moment long after all test data.
pub fn later() -> Instant {
    Instant::of_day(day_of_civil(2030, 1, 1).unwrap())
}

pub fn backup_options(number: u8) -> backup::Options {
    backup::Options { jobs: 2, ..backup::Options::new(later(), later().0, SetId([number; 16])) }
}

/// Backs up everything onto a new device, custom tables too.
pub fn backup(store: &dyn Store) -> (MemoryDevice, BackupReport) {
    let device = MemoryDevice::new();
    let report = Backup::new(store, &Catalogue::builtin(), &device, backup_options(1)).run().unwrap();
    (device, report)
}

pub fn only_set(device: &dyn Device) -> SetReader<'_> {
    let mut sets = list_sets(device).unwrap().sets;
    assert_eq!(sets.len(), 1);
    sets.remove(0)
}

/// Everything; rows that the backup lacks go.
pub fn restore_options() -> restore::Options {
    let policies = Policies { uncovered: Uncovered::Delete, ..Policies::default() };
    restore::Options { policies, jobs: 2, request: Request::ALL, ..restore::Options::new(later(), later().0) }
}

/// Restores; with a device and a number, what is deleted is kept there as the set of that number.
pub fn restore(
    device: &MemoryDevice,
    store: &dyn Store,
    options: &restore::Options,
    keep: Option<(&MemoryDevice, u8)>,
) -> Result<RestoreReport, Error> {
    let set = only_set(device);
    let restore = Restore::new(&set, store, options.clone());
    let plan = restore.plan()?;
    let keep = keep.map(|(device, number)| Keep { device, set: SetId([number; 16]) });
    Ok(restore.apply(&plan, keep)?)
}

/// Takes back the restore that kept its rows as the set of this number.
pub fn undo(kept: &MemoryDevice, number: u8, store: &dyn Store) -> Result<UndoReport, Error> {
    let set = find_set(kept, SetId([number; 16]))?.unwrap();
    let runs = store.snapshot(1)?.runs()?;
    let of_set =
        |run: &&intervault::store::control::Run| run.undo.as_ref().is_some_and(|undo| undo.set == [number; 16]);
    let options = UndoOptions { run: Some(runs.iter().rfind(of_set).unwrap().number), ..UndoOptions::default() };
    let plan = restore::undo_plan(&set, store, &options, &Silent)?;
    restore::undo(&plan, &set, store, &options, &Silent)
}
