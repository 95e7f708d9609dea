//! What an incremental builds on: which chain, chosen when, and what it does where the chain cannot give all that it had.

use super::chains::{all, incremental, restore_chain};
use super::support::*;
use intervault::backup::{self, Backup, BackupReport, ChangedSince, Incremental, Kind, Select};
use intervault::device::error::DeviceError;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::{Device, VolumeSink, VolumeSource, WriteLock};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::store::sqlite::SqliteStore;

/// Three days of one ACD.
fn three_days() -> Centre {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..13 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre
}

/// A full set that was taken while the clock was years ahead: a later one, by a clock that was put right, begins the chain
/// that is gone on with. Prune does not believe such a set either.
#[test]
fn a_full_from_the_future_is_not_gone_on_with_for_years() {
    let (centre, device) = (three_days(), MemoryDevice::new());
    let now = at("2024-03-14 00:00").0;
    let unix = |options: backup::Options, now_unix| backup::Options { now_unix, ..options };
    backup_with(&centre, &device, &unix(backup_options(1), now + 10 * 365 * 86_400));
    backup_with(&centre, &device, &unix(backup_options(2), now));
    let report = backup_with(&centre, &device, &unix(incremental_options(3), now + 86_400));
    assert_eq!(report.parent.unwrap().set, set_id(2), "the clock of one backup decides for all later ones");
}

/// A full of custom data alone, onto the same device, is no base of historical data: an incremental of those goes on with
/// the last full of those.
#[test]
fn a_full_of_other_data_takes_no_chain_over() {
    let centre = three_days();
    let device = backup(&centre);
    centre.run("CREATE TABLE site_notes (n INTEGER); INSERT INTO site_notes VALUES (1)");
    backup_with(
        &centre,
        &device,
        &backup::Options {
            select: Select::Data(vec![DataType::Custom]),
            now_unix: later().0 + 3_600,
            ..backup_options(2)
        },
    );
    let select = Select::Data(vec![DataType::Historical]);
    let options = backup::Options { select, now_unix: later().0 + 7_200, ..incremental_options(3) };
    let report = backup_with(&centre, &device, &options);
    assert_eq!((report.parent.unwrap().set, report.set.rows), (set_id(1), 0), "nothing has changed");
}

/// There is no full backup of these data: an incremental one is refused, as it is where there is none at all.
#[test]
fn an_incremental_without_a_full_of_the_same_data_is_refused() {
    let (centre, device) = (three_days(), MemoryDevice::new());
    centre.run(SYNONYMS);
    let only = |data, options: backup::Options| backup::Options { select: Select::Data(vec![data]), ..options };
    backup_with(&centre, &device, &only(DataType::Acd, backup_options(1)));
    let done = backup_onto(&centre, &device, &only(DataType::Historical, incremental_options(2)));
    assert!(done.is_err(), "{}", done.unwrap().set.label);
}

/// Two fulls that were begun within one second are told apart by their numbers of the day, as their labels have them.
#[test]
fn of_two_fulls_of_one_second_the_later_number_is_gone_on_with() {
    let (centre, device) = (three_days(), MemoryDevice::new());
    for set in [7, 3, 5] {
        backup_with(&centre, &device, &backup_options(set));
    }
    let report = backup_with(&centre, &device, &incremental_options(9));
    assert_eq!(report.parent.unwrap().set, set_id(5), "the last of the three");
}

/// A device on which somebody else takes a whole backup just before it is locked.
struct Meanwhile<'a> {
    device: &'a MemoryDevice,
    other: std::sync::Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl Device for Meanwhile<'_> {
    fn describe(&self) -> String {
        self.device.describe()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.device.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.device.open(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.device.create(name)
    }

    fn lock(&self) -> Result<Box<dyn WriteLock>, DeviceError> {
        if let Some(other) = self.other.lock().unwrap().take() {
            other();
        }
        self.device.lock()
    }
}

/// Where the lock of the database cannot be had (its folder is not the backup's to write to), the lock of the device is all
/// that there is: what an incremental builds on is chosen under it, or a second one makes a fork of the chain.
#[test]
fn the_base_is_chosen_under_the_lock_of_the_device() {
    let centre = three_days();
    let name = centre.folder.path().join("x".repeat(245));
    std::fs::copy(centre.path(), &name).unwrap();
    let (store, catalogue, device) = (SqliteStore::open(&name).unwrap(), Catalogue::builtin(), MemoryDevice::new());
    Backup::new(&store, &catalogue, &device, backup_options(1)).run().unwrap();
    let other = || drop(Backup::new(&store, &catalogue, &device, incremental_options(2)).run().unwrap());
    let meanwhile = Meanwhile { device: &device, other: std::sync::Mutex::new(Some(Box::new(other))) };
    let report = Backup::new(&store, &catalogue, &meanwhile, incremental_options(3)).run();
    let Ok(report) = report else { return };
    assert_eq!(report.parent.unwrap().set, set_id(2));
}

/// A month of quarters of two ACDs, in a full set of several small volumes.
fn a_month() -> (Centre, MemoryDevice) {
    let (centre, device) = (Centre::new(&[HSPLIT, DSPLIT]), MemoryDevice::new());
    centre.run(
        "INSERT INTO hsplit WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5375) \
         SELECT date('2024-02-01', '+' || (i / 192) || ' days'), i / 2 % 96 / 4 * 100 + i / 2 % 4 * 15, 15, 1 + i % 2, 1, \
         i * 7919 % 100000, hex(randomblob(5)) FROM n",
    );
    centre.run(
        "INSERT INTO dsplit WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 27) \
         SELECT date('2024-02-01', '+' || i || ' days'), 1, 1, i FROM n",
    );
    backup_with(&centre, &device, &backup::Options { volume_size: Some(16 << 10), ..backup_options(1) });
    assert!(device.list().unwrap().len() > 3);
    (centre, device)
}

fn compared<'a>(report: &'a BackupReport, table: &str) -> &'a backup::Compared {
    report.tables.iter().find(|done| done.table == table).unwrap().compared.as_ref().unwrap()
}

fn warnings(report: &BackupReport) -> &[String] {
    &report.parent.as_ref().unwrap().warnings
}

/// The chain gives what the source has, without anything being left out on purpose.
fn goes_back(device: &MemoryDevice, centre: &Centre) {
    let target = Centre::new(&[HSPLIT, DSPLIT]);
    restore_chain(device, &target, &all()).unwrap();
    for table in ["hsplit", "dsplit"] {
        assert!(target.rows(table) == centre.rows(table), "{table}");
    }
}

/// A volume of the full is gone: what was on it is written again, and no more; then the chain is whole, and nobody is
/// told a second time.
#[test]
fn what_was_on_a_missing_volume_is_written_again() {
    let (centre, whole) = a_month();
    let names = whole.list().unwrap();
    // The last ones have the catalog.
    for (number, name) in (1..).zip(&names[..2]) {
        let device = whole.copy();
        device.remove(name).unwrap();
        let report = incremental(&centre, &device, &backup_options(2));
        let [said] = warnings(&report) else { panic!("{:?}", report.parent) };
        assert!(said.contains(&format!("its volume {number} is not here")) && said.contains("written again"), "{said}");
        let (hsplit, dsplit) = (compared(&report, "hsplit"), compared(&report, "dsplit"));
        let (again, same) = (hsplit.changed + dsplit.changed, hsplit.unchanged + dsplit.unchanged);
        assert!(again > 0 && same > 0 && again + same == 84, "{hsplit:?} {dsplit:?}");
        goes_back(&device, &centre);
        centre.run("UPDATE dsplit SET acdcalls = acdcalls + 1 WHERE row_date = '2024-02-05'");
        let report = incremental(&centre, &device, &backup_options(3));
        assert_eq!((warnings(&report).len(), report.set.rows), (0, 1));
        goes_back(&device, &centre);
    }
}

/// Without its last volume a full is known by a scan alone, and no base; an incremental on it is, and writes all that is the
/// full's alone again.
#[test]
fn what_a_set_without_its_catalog_had_is_written_again() {
    let (centre, device) = a_month();
    let last = device.list().unwrap().pop().unwrap();
    centre.run("UPDATE hsplit SET acdcalls = 999 WHERE row_date = '2024-02-07'");
    incremental(&centre, &device, &backup_options(2));
    device.remove(&last).unwrap();
    let report = incremental(&centre, &device, &backup_options(3));
    assert_eq!(compared(&report, "hsplit").unchanged, 2, "the incremental has that day");
    assert_eq!(compared(&report, "dsplit").unchanged, 0);
    assert!(warnings(&report)[0].contains("catalog"), "{:?}", report.parent);
    goes_back(&device, &centre);
    let report = incremental(&centre, &device, &backup_options(4));
    assert_eq!((warnings(&report).len(), report.set.rows), (0, 0));
    goes_back(&device, &centre);
}

/// A set that a check has called damaged is not relied on, until nothing rests on it any more. The quick mode then reads all.
#[test]
fn what_a_damaged_set_had_is_written_again() {
    for quick in [false, true] {
        let (centre, device) = a_month();
        let name = device.list().unwrap().swap_remove(1);
        let mut bytes = device.bytes(&name).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        device.remove(&name).unwrap();
        device.insert(&name, bytes);
        let changed_since = quick.then(ChangedSince::default);
        let options = |number| backup::Options {
            kind: Kind::Incremental(Incremental { set: None, changed_since }),
            faulty: [set_id(1)].into(),
            ..backup_options(number)
        };
        let report = backup_with(&centre, &device, &options(2));
        assert!(warnings(&report)[0].contains("damaged"), "{:?}", report.parent);
        assert_eq!((compared(&report, "hsplit").changed, compared(&report, "dsplit").changed), (56, 28));
        goes_back(&device, &centre);
        let report = backup_with(&centre, &device, &options(3));
        assert_eq!((warnings(&report).len(), report.set.rows), (0, 0));
        goes_back(&device, &centre);
    }
}

/// A column was given another name since the full, and the set in which the table was written whole then is damaged: the full
/// has the same values, but not these rows.
#[test]
fn the_same_values_under_another_name_are_no_copy() {
    let (centre, device) = a_month();
    centre.run("ALTER TABLE hsplit RENAME COLUMN acdcalls TO answered");
    incremental(&centre, &device, &backup_options(2));
    let kind = Kind::Incremental(Incremental::default());
    let options = backup::Options { kind, faulty: [set_id(2)].into(), ..backup_options(3) };
    let report = backup_with(&centre, &device, &options);
    assert!(warnings(&report)[0].contains("56 of hsplit"), "{:?}", report.parent);
    assert_eq!((compared(&report, "hsplit").changed, compared(&report, "dsplit").changed), (56, 0));
}

/// A volume that was cut off, of which no other copy is here, is noticed without a check.
#[test]
fn what_a_set_with_a_cut_volume_had_is_written_again() {
    let (centre, device) = a_month();
    let name = device.list().unwrap().swap_remove(1);
    let bytes = device.bytes(&name).unwrap();
    device.remove(&name).unwrap();
    device.insert(&name, bytes[..bytes.len() / 2].to_vec());
    let report = incremental(&centre, &device, &backup_options(2));
    assert_eq!(warnings(&report).len(), 1, "{:?}", report.parent);
    goes_back(&device, &centre);
}

/// Volumes of one set on two devices are one set: nothing of it is missing.
#[test]
fn a_set_that_lies_on_two_devices_lacks_nothing() {
    let (centre, device) = a_month();
    let (second, names) = (MemoryDevice::named("second"), device.list().unwrap());
    for name in &names[1..3] {
        second.insert(name, device.bytes(name).unwrap());
        device.remove(name).unwrap();
    }
    let (store, catalogue) = (centre.store(), Catalogue::builtin());
    let report = Backup::new(&store, &catalogue, &device, incremental_options(2)).based_on(&second).run().unwrap();
    assert_eq!((warnings(&report).len(), report.set.rows), (0, 0));
    let report = Backup::new(&store, &catalogue, &device, incremental_options(3)).run().unwrap();
    assert!(warnings(&report)[0].contains("volumes 2, 3 are not here"), "{:?}", report.parent);
}
