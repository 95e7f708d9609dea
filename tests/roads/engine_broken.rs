//! What the backup engine and its chains should hold: the choice of the base, members whose tables changed, clocks, labels.

use super::chains::{all, restore_chain};
use super::support::*;
use intervault::backup::{self, Backup, Incremental, Kind, Select};
use intervault::base::time::Instant;
use intervault::device::error::DeviceError;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::{Device, VolumeSink, VolumeSource, WriteLock};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::schema::label_text::LabelText;
use intervault::store::sqlite::SqliteStore;
use intervault::volume::set::list_sets;
use proptest::prelude::*;

/// Three days of one ACD.
fn three_days() -> Centre {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..13 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre
}

/// Two databases on one server whose files have the same name, in other folders: neither goes on with the other's chain.
#[test]
fn databases_in_two_folders_with_one_file_name_are_not_mixed() {
    let (one, two) = (three_days(), Centre::new(&[HSPLIT]));
    two.intervals("2024-03-12", 800, 1000, 30, 1);
    two.run("UPDATE hsplit SET acdcalls = 500");
    let device = backup(&one);
    let report = backup_onto(&two, &device, &incremental_options(2));
    let Ok(report) = report else { return };
    let target = Centre::new(&[HSPLIT]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(
        target.rows("hsplit").len(),
        two.rows("hsplit").len(),
        "a chain of the second database gives rows of the first: {:?}",
        report.parent
    );
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
    let (centre, device) = (three_days(), backup(&three_days()));
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

/// A base of which a volume is gone is a chain that cannot be restored: who goes on with it is told.
#[test]
fn a_base_that_lacks_a_volume_is_told_of() {
    let (centre, device) = (Centre::new(&[HSPLIT]), MemoryDevice::new());
    for day in 1..29 {
        centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    backup_with(&centre, &device, &backup::Options { volume_size: Some(16 << 10), ..backup_options(1) });
    let names = device.list().unwrap();
    assert!(names.len() > 2, "{names:?}");
    drop(device.remove(&names[0]).unwrap());
    centre.intervals("2024-03-01", 800, 1000, 30, 1);
    let report = backup_with(&centre, &device, &incremental_options(2));
    assert!(!report.parent.as_ref().unwrap().notices.is_empty(), "{:?}", report.parent);
}

/// With one ACD chosen and none of the data of an ACD, nothing is left to back up: no set is made of it.
#[test]
fn a_selection_that_leaves_nothing_is_no_backup() {
    let (centre, device) = (three_days(), MemoryDevice::new());
    centre.run("CREATE TABLE dcadmin (a INTEGER); INSERT INTO dcadmin VALUES (1)");
    let select = Select::Data(vec![DataType::Local]);
    let done = backup_onto(&centre, &device, &backup::Options { select, acd: Some(1), ..backup_options(1) });
    assert!(done.is_err(), "a whole set of {} tables", done.unwrap().tables.len());
}

/// The label of every set that is written can be read, also that of an incremental of administration data.
#[test]
fn every_label_that_is_written_reads_back() {
    let (centre, device) = (three_days(), MemoryDevice::new());
    centre.run(SYNONYMS);
    backup_with(&centre, &device, &backup_options(1));
    let options = |number| backup::Options { select: Select::Data(vec![DataType::Acd]), ..incremental_options(number) };
    let first = backup_onto(&centre, &device, &options(2));
    let Ok(first) = first else { return };
    let second = backup_with(&centre, &device, &options(3));
    assert_ne!(first.set.label, second.set.label, "two sets of one day have one number");
    assert_eq!(first.set.label.parse::<LabelText>().map(|label| label.to_string()), Ok(first.set.label.clone()));
}

/// The quick mode, with this many days of margin.
fn since_last(number: u8) -> backup::Options {
    let changed_since = Some(backup::ChangedSince::default());
    backup::Options { kind: Kind::Incremental(Incremental { set: None, changed_since }), ..backup_options(number) }
}

/// `--changed-since last` reads the last days before the last backup and all that came since. One row that is dated years
/// ahead (a clock that was wrong once) must not push the days of which the backup is into what is taken on trust.
#[test]
fn a_row_of_the_future_hides_no_new_day_from_the_quick_mode() {
    let centre = three_days();
    centre.interval("2033-01-01", 800, 30, 1, 7);
    let device = MemoryDevice::new();
    let on = |now: &str, options: backup::Options| backup::Options { now: at(now), ..options };
    backup_with(&centre, &device, &on("2024-03-13 00:00", backup_options(1)));
    centre.intervals("2024-03-13", 800, 1000, 30, 1);
    centre.intervals("2024-03-14", 800, 1000, 30, 2);
    let report = backup_with(&centre, &device, &on("2024-03-15 00:00", since_last(2)));
    assert_eq!(report.tables[0].rows, 8, "{:?}", report.tables[0].compared);
}

/// The same where a table holds forecasts of days to come, which is nothing unusual.
#[test]
fn forecasts_hide_no_summary_of_today_from_the_quick_mode() {
    let centre = Centre::new(&[DSPLIT]);
    for day in 1..=31 {
        centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', 1, 1, 0)"));
    }
    let device = MemoryDevice::new();
    let on = |now: &str, options: backup::Options| backup::Options { now: at(now), ..options };
    backup_with(&centre, &device, &on("2024-03-10 23:00", backup_options(1)));
    centre.run("UPDATE dsplit SET acdcalls = 99 WHERE row_date IN ('2024-03-10', '2024-03-11')");
    let report = backup_with(&centre, &device, &on("2024-03-12 23:00", since_last(2)));
    let compared = report.tables[0].compared.as_ref().unwrap();
    assert!(compared.changed >= 2, "{compared:?}");
}

/// What the source has and the volumes have not is said: a virtual table (full text search) with rows of its own too.
#[test]
fn a_virtual_table_that_is_not_written_is_told_of() {
    let centre = three_days();
    centre.run("CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('said by a caller')");
    let report = backup_with(&centre, &MemoryDevice::new(), &backup_options(1));
    let written = report.tables.iter().any(|done| done.table == "notes");
    assert!(written || report.gaps.left_out.iter().any(|gap| gap.name == "notes"), "{:?}", report.gaps.left_out);
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

const CALL_REC: &str = "CREATE TABLE call_rec (row_date DATE, row_time SMALLINT, acd SMALLINT, callid INTEGER)";
const ELOG: &str = "CREATE TABLE elog (login INTEGER, acd SMALLINT, n INTEGER)";
const TABLES: [&str; 6] = ["hsplit", "dsplit", "wsplit", "msplit", "call_rec", "elog"];
/// Midnight of 2018-02-01 in UTC; the zone of `elog` is three or two hours behind, and changes at midnight of the 18th.
const FEBRUARY: i64 = 1_517_443_200;

fn everything() -> Centre {
    Centre::new(&[HSPLIT, DSPLIT, WSPLIT, MSPLIT, CALL_REC, ELOG])
}

/// What happens at the source: table, ACD, a number that says when, and what.
#[derive(Debug, Clone)]
enum Change {
    Insert(usize, i64, i64),
    Delete(usize, i64, i64),
    Update(usize, i64, i64),
    Age(i64),
    Remove(i64),
}

fn change() -> impl Strategy<Value = Change> {
    let (table, acd, when) = (|| 0..TABLES.len(), || 1..=2_i64, || 0..1_000_i64);
    prop_oneof![
        8 => (table(), acd(), when()).prop_map(|(table, acd, when)| Change::Insert(table, acd, when)),
        2 => (table(), acd(), when()).prop_map(|(table, acd, when)| Change::Delete(table, acd, when)),
        2 => (table(), acd(), when()).prop_map(|(table, acd, when)| Change::Update(table, acd, when)),
        1 => (12..19_i64).prop_map(Change::Age),
        1 => acd().prop_map(Change::Remove),
    ]
}

/// The rows of a table at a time, as a condition and as values; rows lie on a few days so that changes meet them.
fn row(table: usize, acd: i64, when: i64, value: i64) -> (String, String) {
    let (day, slot) = (12 + when % 9, when / 9 % 6);
    let hour = [0, 8, 12, 18, 22, 23][slot as usize];
    let start = hour * 100 + if when % 2 == 0 { 0 } else { 30 };
    let date = format!("2018-02-{day:02}");
    let week = 4 + (when % 3) * 7;
    let month = ["2017-12-05", "2018-01-31", "2018-02-28"][(when % 3) as usize];
    match table {
        0 => (
            format!("acd = {acd} AND row_date = '{date}' AND starttime = {start}"),
            format!("'{date}', {start}, 30, {acd}, 1, {value}, 'a'"),
        ),
        1 => (format!("acd = {acd} AND row_date = '{date}'"), format!("'{date}', {acd}, 1, {value}")),
        2 => (
            format!("acd = {acd} AND row_date = '2018-02-{week:02}'"),
            format!("'2018-02-{week:02}', {acd}, 1, {value}"),
        ),
        3 => (format!("acd = {acd} AND row_date = '{month}'"), format!("'{month}', {acd}, 1, {value}")),
        4 => (
            format!("acd = {acd} AND row_date = '{date}' AND row_time = {start}"),
            format!("'{date}', {start}, {acd}, {value}"),
        ),
        _ => {
            // By the hour around the midnight at which the clock goes back, so that one of them comes twice.
            let login = FEBRUARY + (15 + when % 5) * 86_400 + (when / 5 % 9) * 3_600 + (when % 2) * 1_740;
            (format!("acd = {acd} AND login = {login}"), format!("{login}, {acd}, {value}"))
        }
    }
}

fn sql(change: &Change, value: i64) -> String {
    let number = |table: usize| ["acdcalls", "acdcalls", "acdcalls", "acdcalls", "callid", "n"][table];
    match change {
        Change::Insert(table, acd, when) => {
            format!("INSERT INTO {} VALUES ({})", TABLES[*table], row(*table, *acd, *when, value).1)
        }
        Change::Delete(table, acd, when) => {
            format!("DELETE FROM {} WHERE {}", TABLES[*table], row(*table, *acd, *when, value).0)
        }
        Change::Update(table, acd, when) => {
            let (those, _) = row(*table, *acd, *when, value);
            format!("UPDATE {} SET {} = {value} WHERE {those}", TABLES[*table], number(*table))
        }
        Change::Age(day) => {
            let dated = TABLES[..5].iter().map(|table| format!("DELETE FROM {table} WHERE row_date < '2018-02-{day}'"));
            let epoch = format!("DELETE FROM elog WHERE login < {}", FEBRUARY + (day - 1) * 86_400 + 5_000);
            dated.chain([epoch]).collect::<Vec<_>>().join("; ")
        }
        Change::Remove(acd) => TABLES.map(|table| format!("DELETE FROM {table} WHERE acd = {acd}")).join("; "),
    }
}

fn catalogue() -> Catalogue {
    let text = "extends = \"cms\"\n[[table]]\nname = \"elog\"\ndata = \"historical\"\ngrain = \"event\"\n\
                time = [{ epoch = \"login\", zone = \"America/Sao_Paulo\" }]\nacd = [\"acd\"]\n";
    Catalogue::parse(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("BROKEN_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(30),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A chain gives what full backups of the same moments give that are restored one after the other, whatever the clock
    /// says: ahead of the rows, in the midst of them, set back; of every grain, and where an hour occurs twice.
    #[test]
    fn a_chain_is_the_same_as_fulls_one_after_the_other_by_any_clock(
        first in proptest::collection::vec(change(), 20..60),
        history in proptest::collection::vec(proptest::collection::vec(change(), 0..12), 1..4),
        clocks in proptest::collection::vec((12..24_i64, 0..24_i64, 0..60_i64), 4),
        by_clock in any::<bool>(),
    ) {
        let source = everything();
        let catalogue = catalogue();
        let now = |number: usize| -> Instant {
            let (day, hour, minute) = clocks[number];
            if by_clock { at(&format!("2018-02-{day} {hour:02}:{minute:02}")) } else { later() }
        };
        let (chain, mut value) = (MemoryDevice::new(), 1_000);
        let other = everything();
        let states = std::iter::once(&first).chain(&history);
        for (number, changes) in states.enumerate() {
            let statements: Vec<String> = changes.iter().map(|change| { value += 1; sql(change, value) }).collect();
            source.run(&format!("BEGIN; {}; COMMIT", statements.join("; ")));
            let kind = if number == 0 { Kind::Full } else { Kind::Incremental(Incremental::default()) };
            let options = backup::Options { now: now(number), ..backup_options(1 + number as u8) };
            let store = source.store();
            let step = backup::Options { kind, ..options.clone() };
            Backup::new(&store, &catalogue, &chain, step).run().unwrap();
            let alone = MemoryDevice::new();
            Backup::new(&store, &catalogue, &alone, options).run().unwrap();
            let sets = list_sets(&alone).unwrap().sets;
            restore_set(&sets[0], &other, &all()).unwrap();
        }
        let target = everything();
        restore_chain(&chain, &target, &all()).unwrap();
        for table in TABLES {
            prop_assert_eq!(target.rows(table), other.rows(table), "{}", table);
        }
    }

    /// Where all that is new came since the last backup, the quick mode gives what reading everything gives, whatever the
    /// clock says.
    #[test]
    fn the_quick_mode_finds_all_that_came_since_the_last_backup(
        first in proptest::collection::vec(change(), 20..60),
        then in proptest::collection::vec(change(), 1..20),
        today in 13..19_i64,
        hours in (0..24_i64, 0..24_i64),
        days in 0..3_i64,
    ) {
        let source = everything();
        let catalogue = catalogue();
        let day_of = |when: i64| 12 + when % 9;
        let value = std::cell::Cell::new(1_000);
        let keep = |changes: &[Change], fits: &dyn Fn(usize, i64) -> bool| -> Vec<String> {
            let fits = |change: &&Change| match change {
                Change::Insert(table, _, when) => fits(*table, *when),
                _ => false,
            };
            let changes = changes.iter().filter(fits);
            changes.map(|change| { value.set(value.get() + 1); sql(change, value.get()) }).collect()
        };
        let epoch_day = |when: i64| 16 + when % 5;
        // Weeks and months come when they are over: none of them is new here.
        let before = keep(&first, &|table, when| match table {
            0 | 1 | 4 => day_of(when) <= today,
            5 => epoch_day(when) <= today,
            _ => true,
        });
        let after = keep(&then, &|table, when| match table {
            0 | 1 | 4 => day_of(when) >= today,
            5 => epoch_day(when) > today,
            _ => false,
        });
        source.run(&before.join("; "));
        let now = |day: i64, hour: i64| at(&format!("2018-02-{day} {hour:02}:10"));
        let options = |number, now| backup::Options { now, ..backup_options(number) };
        let store = source.store();
        let (all_read, device) = (MemoryDevice::new(), MemoryDevice::new());
        let full = options(1, now(today, hours.0));
        Backup::new(&store, &catalogue, &all_read, full.clone()).run().unwrap();
        Backup::new(&store, &catalogue, &device, full).run().unwrap();
        source.run(&after.join("; "));
        let now = now(today + days, hours.1);
        let plain = backup::Options { kind: Kind::Incremental(Incremental::default()), ..options(2, now) };
        Backup::new(&store, &catalogue, &all_read, plain).run().unwrap();
        let quick = backup::Options { kind: since_last(2).kind, ..options(2, now) };
        Backup::new(&store, &catalogue, &device, quick).run().unwrap();
        let (one, two) = (everything(), everything());
        restore_chain(&all_read, &one, &all()).unwrap();
        restore_chain(&device, &two, &all()).unwrap();
        for table in TABLES {
            prop_assert_eq!(two.rows(table), one.rows(table), "{}", table);
        }
    }
}
