//! A small call centre in a folder: its database, the volumes of its backup, and a place for the undo set. What a restore
//! makes of it is known beforehand, so that a copy of the folder at any moment can be judged.

use super::child::Road;
use super::device::WatchedDevice;
use super::support::{
    DSPLIT, HSPLIT, SYNONYMS, backup_options, incremental_options, only_set, restore_options, set_id,
};
use super::watch::Watch;
use intervault::backup::{self, Backup, BackupReport};
use intervault::base::monitor::{Monitor, Silent};
use intervault::device::directory::DirectoryDevice;
use intervault::device::heap::HeapDevice;
use intervault::device::traits::Device;
use intervault::error::{Class, Error};
use intervault::format::block::SetId;
use intervault::restore::{self, Keep, Options, Outcome, Restore, RestoreReport, Stopped, UndoOptions, UndoReport};
use intervault::salvage::{Salvage, SalvageOptions};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::{Policies, Uncovered};
use intervault::store::control::{Collection, Mode, RunStatus, State, UnitStatus};
use intervault::store::sqlite::SqliteStore;
use intervault::store::traits::Store;
use intervault::volume::set::find_set;
use std::fs;
use std::path::{Path, PathBuf};

/// How SQLite keeps what it needs to roll back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    Delete,
    Wal,
}

const TABLES: [&str; 3] = ["hsplit", "dsplit", "synonyms"];
const CONTROL: [&str; 3] = ["intervault_restore", "intervault_unit", "intervault_range"];

/// Eight days of half hours of two ACDs, two rows with one stamp, a row without a usable time.
const FILL: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 159)
      INSERT INTO hsplit SELECT printf('2024-03-%02d', i / 20 + 1), 800 + i % 10 / 2 * 100 + i % 2 * 30, 30,
        i % 20 / 10 + 1, 1, i, printf('agent %d', i) FROM n;
    INSERT INTO hsplit SELECT * FROM hsplit WHERE row_date = '2024-03-02' AND starttime = 900 AND acd = 1;
    INSERT INTO hsplit VALUES ('not a day', 900, 30, 1, 1, 7, 'b');
    INSERT INTO dsplit SELECT row_date, acd, 1, sum(acdcalls) FROM hsplit WHERE row_date < 'n' GROUP BY row_date, acd;
    INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (2, 'split', 'two', '2', '');";
const RUIN: &str = "UPDATE hsplit SET acdcalls = -1 WHERE row_date IN ('2024-03-02', '2024-03-05', '2024-03-08');
    DELETE FROM hsplit WHERE row_date = '2024-03-04' AND acd = 2; UPDATE dsplit SET acdcalls = -1;
    INSERT INTO hsplit SELECT * FROM hsplit WHERE row_date = '2024-03-07';
    UPDATE synonyms SET value = 'x'; INSERT INTO synonyms VALUES (3, 'split', 'three', '3', '');";
/// Rows that are younger than all that the volumes speak for.
const ARRIVALS: &str =
    "INSERT INTO hsplit VALUES ('2024-03-09', 800, 30, 1, 1, 1, 'new'), ('2024-03-09', 800, 30, 2, 1, 2,
      'new'), ('2024-03-09', 830, 30, 1, 1, 3, 'new'); INSERT INTO dsplit VALUES ('2024-03-09', 1, 1, 4);";

/// A folder for tests, in memory where there is such a place: a killed process loses nothing that it has written.
pub fn place() -> (tempfile::TempDir, PathBuf) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

/// Database, volumes, undo sets.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A ruined database, and the volumes of what it was before.
    pub fn ruined(path: PathBuf, journal: Journal) -> Folder {
        let folder = Folder(path);
        fs::create_dir_all(folder.0.join("undo")).unwrap();
        fs::create_dir_all(folder.0.join("volumes")).unwrap();
        let mode = if journal == Journal::Wal { "wal" } else { "delete" };
        folder.run(&format!("PRAGMA page_size=1024; PRAGMA journal_mode={mode}"));
        folder.run(&[HSPLIT, DSPLIT, SYNONYMS, FILL].join(";\n"));
        let options = backup::Options { jobs: 1, ..backup_options(1) };
        Backup::new(&folder.store(), &Catalogue::builtin(), &folder.volumes(), options).run().unwrap();
        folder.run(RUIN);
        folder.collect(Collection::Off);
        folder
    }

    /// Empty tables of the same names.
    pub fn empty(path: PathBuf) -> Folder {
        let folder = Folder(path);
        fs::create_dir_all(&folder.0).unwrap();
        folder.run(&[HSPLIT, DSPLIT, SYNONYMS].join(";\n"));
        folder.collect(Collection::Off);
        folder
    }

    /// Whether rows arrive, by what the database says; the administrator is alone.
    pub fn collect(&self, collection: Collection) {
        let store = self.store();
        let mut change = store.replace().unwrap();
        change.set_state(&State { collection, mode: Mode::SingleUser }).unwrap();
        change.commit().unwrap();
    }

    /// A copy of all that is there.
    pub fn copy(&self, to: &Path) -> Folder {
        fn copy(from: &Path, to: &Path) {
            fs::create_dir_all(to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                let to = to.join(entry.file_name());
                if entry.path().is_dir() {
                    copy(&entry.path(), &to);
                } else {
                    fs::copy(entry.path(), to).unwrap();
                }
            }
        }
        copy(&self.0, to);
        Folder(to.to_owned())
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("centre.db")
    }

    pub fn store(&self) -> SqliteStore {
        SqliteStore::open_for_writing(&self.database()).unwrap()
    }

    pub fn volumes(&self) -> DirectoryDevice {
        DirectoryDevice::open(self.0.join("volumes")).unwrap()
    }

    pub fn undo_device(&self) -> DirectoryDevice {
        DirectoryDevice::open(self.0.join("undo")).unwrap()
    }

    pub fn watched_undo(&self, watch: &Watch) -> WatchedDevice<DirectoryDevice> {
        WatchedDevice { inner: self.undo_device(), watch: watch.clone() }
    }

    /// Where salvaged sets go.
    pub fn salvaged(&self) -> DirectoryDevice {
        DirectoryDevice::for_writing(self.0.join("salvaged")).unwrap()
    }

    pub fn watched_salvaged(&self, watch: &Watch) -> WatchedDevice<DirectoryDevice> {
        WatchedDevice { inner: self.salvaged(), watch: watch.clone() }
    }

    /// Where backups go that are killed.
    pub fn backups(&self) -> DirectoryDevice {
        DirectoryDevice::for_writing(self.0.join("backups")).unwrap()
    }

    pub fn watched_backups(&self, watch: &Watch) -> WatchedDevice<DirectoryDevice> {
        WatchedDevice { inner: self.backups(), watch: watch.clone() }
    }

    /// Backs everything up on several volumes, by one thread.
    pub fn back_up(&self, to: &dyn Device, road: Road, number: u8) -> Result<BackupReport, Error> {
        let options = if road == Road::Incremental { incremental_options(number) } else { backup_options(number) };
        let options = backup::Options { jobs: 1, volume_size: Some(6_000), ..options };
        Backup::new(&self.store(), &Catalogue::builtin(), to, options).run()
    }

    /// Makes a new set, on several volumes, of what is intact of the volumes.
    pub fn salvage(&self, to: &dyn Device, number: u8) {
        let heap = HeapDevice::open(&self.0.join("volumes")).unwrap();
        let options = SalvageOptions { volume_size: Some(6_000), ..SalvageOptions::default() };
        let account = Salvage::new(&[&heap], options).write(to, &mut || Ok(set_id(number))).unwrap();
        assert!(account.sets.len() == 1 && account.has_losses());
    }

    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    pub fn run(&self, statements: &str) {
        self.sql().execute_batch(statements).unwrap();
    }

    pub fn count(&self, query: &str) -> i64 {
        self.sql().query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn rows(&self, query: &str) -> Vec<String> {
        let sql = self.sql();
        let mut statement = sql.prepare(query).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut out = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<String> =
                (0..columns).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap())).collect();
            out.push(values.join(" "));
        }
        out.sort();
        out
    }

    /// All rows with their row numbers.
    pub fn keyed(&self) -> Vec<String> {
        let of = |table: &&str| self.rows(&format!("SELECT '{table}', rowid, * FROM {table}"));
        let mut rows: Vec<String> = TABLES.iter().flat_map(of).collect();
        rows.sort();
        rows
    }

    /// All rows, without their row numbers.
    pub fn contents(&self) -> Vec<String> {
        let of = |table: &&str| self.rows(&format!("SELECT '{table}', * FROM {table}"));
        let mut rows: Vec<String> = TABLES.iter().flat_map(of).collect();
        rows.sort();
        rows
    }

    /// All rows, and the restore journal.
    pub fn everything(&self) -> Vec<String> {
        let mut rows = self.keyed();
        rows.extend(CONTROL.iter().flat_map(|table| self.rows(&format!("SELECT '{table}', * FROM {table}"))));
        rows
    }

    /// New rows arrive; returns them with their row numbers.
    fn arrive(&self) -> Vec<String> {
        let before = self.keyed();
        self.run(ARRIVALS);
        self.keyed().into_iter().filter(|row| before.binary_search(row).is_err()).collect()
    }

    /// Restores all. Rows that go are kept by `undo`, in set `number`.
    pub fn restore(
        &self,
        volumes: &dyn Device,
        undo: Option<(&dyn Device, u8)>,
        options: &Options,
        monitor: &dyn Monitor,
    ) -> Result<RestoreReport, Box<Stopped>> {
        let begun = |error: Error| Box::new(Stopped { error, report: RestoreReport::default() });
        let store = self.store();
        let set = only_set(volumes);
        // Small as it is, all of the set would be remembered, and no read of a unit could fail.
        let restore = Restore::new(&set, &store, options.clone()).remembering(0);
        let plan = restore.plan().map_err(begun)?;
        assert_eq!(plan.refusals, []);
        let keep = undo.map(|(device, number)| Keep { device, set: set_id(number) });
        restore.watched(monitor).apply(&plan, keep)
    }

    /// Goes on with the run that ended early.
    pub fn resume(&self) -> Result<RestoreReport, Box<Stopped>> {
        let store = self.store();
        let unfinished = restore::unfinished(&store).unwrap().unwrap();
        Restore::new(&only_set(&self.volumes()), &store, options()).resume(&unfinished)
    }

    /// Takes the last run back.
    pub fn undo(&self) -> Result<UndoReport, Error> {
        self.undo_from(&self.undo_device(), &Silent)
    }

    /// Takes the last run back with the undo set on this device.
    pub fn undo_from(&self, device: &dyn Device, monitor: &dyn Monitor) -> Result<UndoReport, Error> {
        let (store, options) = (self.store(), UndoOptions::default());
        let run = restore::undoable(&store, None)?;
        let set = find_set(device, SetId(run.undo.unwrap().set))?.unwrap();
        let plan = restore::undo_plan(&set, &store, &options, monitor)?;
        assert_eq!(plan.refusals, []);
        restore::undo(&plan, &set, &store, &options, monitor)
    }

    /// How many units of the last run are replaced and not taken back.
    pub fn applied(&self) -> usize {
        let snapshot = self.store().snapshot(1).unwrap();
        let run = snapshot.runs().unwrap().last().unwrap().number;
        snapshot.units(run).unwrap().iter().filter(|unit| unit.status == UnitStatus::Applied).count()
    }

    /// The status of the last run, if there is one.
    pub fn status(&self) -> Option<RunStatus> {
        self.store().snapshot(1).unwrap().runs().unwrap().last().map(|run| run.status)
    }
}

/// Small units, one thread: so that the calls are the same each time.
pub fn options() -> Options {
    let policies = Policies { uncovered: Uncovered::Delete, ..Policies::default() };
    Options { unit_rows: 20, policies, jobs: 1, ..restore_options(None, None) }
}

/// How many units a restore has.
pub const UNITS: usize = 13;

/// What a restore makes of the ruined database.
pub struct Truth {
    /// The ruined database, with row numbers.
    pub before: Vec<String>,
    /// The restored one.
    pub after: Vec<String>,
    pub after_contents: Vec<String>,
}

impl Truth {
    /// By a restore that nobody disturbs. `scratch` becomes a folder where it is done.
    pub fn of(start: &Folder, scratch: &Path) -> (Truth, Folder) {
        let done = start.copy(scratch);
        let report = done.restore(&done.volumes(), Some((&done.undo_device(), 0xAA)), &options(), &Silent).unwrap();
        assert_eq!((report.count(Outcome::Replaced), report.units.len()), (UNITS, UNITS), "{:?}", report.units);
        let truth = Truth { before: start.keyed(), after: done.keyed(), after_contents: done.contents() };
        assert_ne!(truth.before, truth.after);
        (truth, done)
    }

    fn with(rows: &[String], more: &[String]) -> Vec<String> {
        let mut rows: Vec<String> = rows.iter().chain(more).cloned().collect();
        rows.sort();
        rows
    }

    /// A folder that was left by a dead process comes to the end of its restore, once, and back from there.
    pub fn goes_on(&self, folder: &Folder, arrivals: bool, what: &str) {
        let new = if arrivals { folder.arrive() } else { Vec::new() };
        assert_eq!(new.len(), if arrivals { 4 } else { 0 });
        let store = folder.store();
        let volumes = folder.volumes();
        if let Some(unfinished) = restore::unfinished(&store).unwrap() {
            let report = folder.resume().unwrap_or_else(|stopped| panic!("{what}: {stopped}"));
            assert_eq!(report.count(Outcome::ReplacedBefore), unfinished.applied(), "{what}");
            assert_eq!(report.count(Outcome::Replaced), UNITS - unfinished.applied(), "{what}");
            // One who learnt of the run before it was finished changes nothing.
            let state = folder.everything();
            let late = Restore::new(&only_set(&volumes), &store, options()).resume(&unfinished);
            assert_eq!(late.unwrap().count(Outcome::ReplacedBefore), UNITS, "{what}");
            assert_eq!(folder.everything(), state, "{what}");
        } else if folder.status().is_none() {
            assert_eq!(folder.keyed(), Truth::with(&self.before, &new), "{what}: nothing was begun");
            let report = folder.restore(&volumes, Some((&folder.undo_device(), 0xAB)), &options(), &Silent).unwrap();
            assert_eq!(report.count(Outcome::Replaced), UNITS, "{what}");
        }
        assert_eq!(folder.status(), Some(RunStatus::Finished), "{what}");
        assert!(restore::unfinished(&store).unwrap().is_none(), "{what}: a second resume has nothing to do");
        let units = store.snapshot(1).unwrap().units(1).unwrap();
        assert!(units.len() == UNITS && units.iter().all(|unit| unit.status == UnitStatus::Applied), "{what}");
        if arrivals {
            folder.run(
                "DELETE FROM hsplit WHERE row_date = '2024-03-09'; DELETE FROM dsplit WHERE row_date = '2024-03-09'",
            );
            assert_eq!(folder.contents(), self.after_contents, "{what}");
        } else {
            assert_eq!(folder.keyed(), self.after, "{what}");
        }
        assert_eq!(folder.undo().unwrap().units, UNITS as u64, "{what}");
        assert_eq!(folder.keyed(), self.before, "{what}");
    }

    /// A folder that was left by a dead process goes back to what it was, under the same row numbers.
    pub fn goes_back(&self, folder: &Folder, arrivals: bool, what: &str) {
        let new = if arrivals { folder.arrive() } else { Vec::new() };
        if !matches!(folder.status(), None | Some(RunStatus::Undone)) {
            let undone = folder.undo().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((undone.left, undone.new_keys), (0, 0), "{what}");
            assert_eq!(folder.status(), Some(RunStatus::Undone), "{what}");
            let snapshot = folder.store().snapshot(1).unwrap();
            let left = snapshot.units(1).unwrap().into_iter().filter(|unit| unit.status == UnitStatus::Applied).count();
            assert_eq!((left, snapshot.ranges().unwrap().len()), (0, 0), "{what}");
        }
        assert_eq!(folder.keyed(), Truth::with(&self.before, &new), "{what}");
        assert!(restore::unfinished(&folder.store()).unwrap().is_none(), "{what}");
        if folder.status().is_some() {
            assert_eq!(folder.undo().unwrap_err().class(), Class::Nothing, "{what}: there is nothing left to undo");
        }
    }
}
