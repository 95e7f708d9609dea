//! Incremental backups: what they write, on what they build, what they refuse, and that a failed one is no member of a chain.

use super::chains::{all, incremental, restore_chain};
use super::support::*;
use super::undo::StopAfter;
use intervault::backup::{self, Backup, BackupReport, Compared, Incremental, Kind, ReadBack, Select};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::{Class, Error};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::schema::label_text::LabelText;
use intervault::testing::fault::{Fault, FaultDevice, Op};
use intervault::volume::set::list_sets;

/// Five days of half hours, with a full backup.
fn five_days() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    for day in 10..15 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
        centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day}', 1, 1, {day})"));
    }
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    let device = backup(&centre);
    (centre, device)
}

fn refused(result: Result<BackupReport, Error>, class: Class, words: &[&str]) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.class(), class, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn compared<'a>(report: &'a BackupReport, table: &str) -> Option<&'a Compared> {
    report.tables.iter().find(|done| done.table == table).unwrap().compared.as_ref()
}

fn sequences(device: &dyn Device) -> Vec<u32> {
    let mut numbers: Vec<u32> = list_sets(device).unwrap().sets.iter().map(|set| set.label().sequence).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn what_did_not_change_is_not_written() {
    let (centre, device) = five_days();
    let report = incremental(&centre, &device, &backup_options(2));
    let same = |unchanged| Compared { unchanged, ..Compared::default() };
    assert_eq!(compared(&report, "hsplit"), Some(&same(5)));
    assert_eq!(compared(&report, "dsplit"), Some(&same(5)));
    // A table without time is whole each time.
    assert_eq!((compared(&report, "synonyms"), report.set.rows), (None, 1));
    assert!(report.set.label.ends_with("-02-LSAC-00-I-01"), "{}", report.set.label);
    let parent = report.parent.unwrap();
    assert_eq!((parent.set, parent.sequence, parent.chain, parent.notices), (set_id(1), 0, set_id(1), Vec::new()));
    // The next one builds on it, though it holds none of those days.
    centre.run("UPDATE dsplit SET acdcalls = 99 WHERE row_date = '2024-03-12'");
    centre.run("DELETE FROM hsplit WHERE row_date IN ('2024-03-10', '2024-03-12')");
    centre.intervals("2024-03-15", 800, 900, 30, 1);
    let plan = {
        let (store, catalogue) = (centre.store(), Catalogue::builtin());
        Backup::new(&store, &catalogue, &device, incremental_options(3)).plan().unwrap()
    };
    let report = incremental(&centre, &device, &backup_options(3));
    assert_eq!(report.parent.as_ref().map(|parent| (parent.set, parent.sequence)), Some((set_id(2), 1)));
    let hsplit = Compared { changed: 1, unchanged: 3, vanished: 1, expired: 1, rows: 2, ..Compared::default() };
    assert_eq!(compared(&report, "hsplit"), Some(&hsplit));
    assert_eq!(
        compared(&report, "dsplit"),
        Some(&Compared { changed: 1, unchanged: 4, rows: 1, ..Compared::default() })
    );
    // The plan said so before, table by table.
    let planned: Vec<_> = plan.tables.iter().map(|planned| planned.compared.clone()).collect();
    let done: Vec<_> = report.tables.iter().map(|done| done.compared.clone()).collect();
    assert_eq!((planned, plan.parent), (done, report.parent));
    let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("dsplit"), centre.rows("dsplit"));
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-10'"), 4, "age took it");
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-12'"), 0, "somebody deleted it");
}

/// Rows of the changed days are picked out of tables in any order, whatever the size of chunks and volumes and the number of
/// threads.
#[test]
fn rows_of_changed_days_are_found_wherever_they_stand() {
    for (jobs, volume_size) in [(1, None), (4, Some(24 << 10)), (3, Some(64 << 10))] {
        let centre = Centre::new(&[HSPLIT, SYNONYMS]);
        centre.run(
            "INSERT INTO hsplit WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) \
             SELECT date('2024-01-01', '+' || (i * 7919 % 60) || ' days'), 800 + i % 3 * 100, 30, 1 + i / 60 % 2, i / 7 % 5, \
             random(), hex(randomblob(5)) FROM n",
        );
        let device = MemoryDevice::new();
        let options = |number| backup::Options { jobs, volume_size, ..backup_options(number) };
        let full = backup_with(&centre, &device, &options(1));
        let late = "WHERE row_date IN ('2024-01-05', '2024-01-06', '2024-02-10')";
        centre.run(&format!("UPDATE hsplit SET acdcalls = acdcalls + 1 {late} AND split = 3 AND acd = 1"));
        let report = incremental(&centre, &device, &options(2));
        let rows = centre.count(&format!("SELECT count(*) FROM hsplit {late} AND acd = 1"));
        let compared = compared(&report, "hsplit").unwrap();
        assert_eq!((compared.changed, compared.unchanged, compared.rows), (3, 117, rows as u64));
        assert_eq!(report.set.rows, compared.rows);
        assert!(report.set.bytes * 5 < full.set.bytes, "{} {}", report.set.bytes, full.set.bytes);
        let chunks = list_sets(&device)
            .unwrap()
            .sets
            .iter()
            .find(|set| set.set_id() == set_id(2))
            .unwrap()
            .sections()
            .iter()
            .map(|section| section.chunks.len())
            .sum::<usize>();
        assert!(chunks < 12, "{chunks} chunks for {rows} rows");
        let target = Centre::new(&[HSPLIT, SYNONYMS]);
        restore_chain(&device, &target, &all()).unwrap();
        assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
    }
}

#[test]
fn without_a_full_backup_of_the_same_data_it_is_refused() {
    let (centre, device) = five_days();
    let run = |device: &MemoryDevice, options: &backup::Options| backup_onto(&centre, device, options);
    refused(
        run(&MemoryDevice::new(), &incremental_options(2)),
        Class::NotRestorable,
        &["no backup", "full backup first"],
    );
    // Another ACD selection, another database, named sets that are not there.
    let one = backup::Options { acd: Some(1), ..incremental_options(2) };
    refused(run(&device, &one), Class::NotRestorable, &["ACD 1", "all ACDs", "full backup first"]);
    let other = Centre::new(&[HSPLIT]);
    other.run("ALTER TABLE hsplit RENAME TO hsplit_old; ALTER TABLE hsplit_old RENAME TO hsplit");
    std::fs::rename(other.path(), other.folder.path().join("other.db")).unwrap();
    let store = intervault::store::sqlite::SqliteStore::open(&other.folder.path().join("other.db")).unwrap();
    let result = Backup::new(&store, &Catalogue::builtin(), &device, incremental_options(2)).run();
    refused(result, Class::NotRestorable, &["other.db", "centre.db"]);
    let named = |set: &str| {
        let kind = Kind::Incremental(Incremental { set: Some(set.to_owned()), ..Incremental::default() });
        backup::Options { kind, ..backup_options(2) }
    };
    refused(run(&device, &named("abcd")), Class::Nothing, &["no set abcd"]);
    let select = Select::Tables(vec!["hsplit".to_owned()]);
    refused(run(&device, &backup::Options { select, ..incremental_options(2) }), Class::Usage, &["no chain"]);
    assert_eq!(sequences(&device), [0]);
    // A backup of specific tables is nothing to build on.
    let alone = MemoryDevice::new();
    let select = Select::Tables(vec!["hsplit".to_owned()]);
    backup_with(&centre, &alone, &backup::Options { select, ..backup_options(5) });
    refused(run(&alone, &incremental_options(2)), Class::NotRestorable, &["no backup of database"]);
}

/// Whatever ends a backup early, the next one builds on the set before it, and the chain gives what was there.
#[test]
fn a_backup_that_failed_is_no_member() {
    let (centre, device) = five_days();
    centre.intervals("2024-03-12", 1000, 1200, 30, 1);
    let operations = {
        let counted = FaultDevice::new(device.copy(), 1);
        backup_onto(&centre, &counted, &incremental_options(9)).unwrap();
        counted.log().len()
    };
    let mut failures = 0;
    for at in 0..operations {
        for fault in [Fault::Io, Fault::Full] {
            let volumes = FaultDevice::new(device.copy(), at as u64);
            volumes.fail_at(at, fault);
            let failed = backup_onto(&centre, &volumes, &backup::Options { jobs: 1, ..incremental_options(2) });
            failures += u32::from(failed.is_err());
            let members = 1 + u32::from(failed.is_ok());
            let volumes = volumes.inner().clone();
            let report = incremental(&centre, &volumes, &backup_options(3));
            assert_eq!(report.parent.unwrap().sequence, members - 1, "{fault:?} at {at}");
            assert_eq!(report.set.rows, if members == 1 { 8 + 1 } else { 1 }, "{fault:?} at {at}");
            let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
            restore_chain(&volumes, &target, &all()).unwrap();
            assert_eq!(target.rows("hsplit"), centre.rows("hsplit"), "{fault:?} at {at}");
        }
    }
    assert!(failures > 20, "{failures} of {operations}");
}

/// What is read back damaged was never finished: no later set takes its rows for saved.
#[test]
fn a_set_that_cannot_be_read_back_is_no_member() {
    let (centre, device) = five_days();
    centre.intervals("2024-03-12", 1000, 1200, 30, 1);
    let volumes = FaultDevice::new(device, 1);
    let name = {
        let probe = FaultDevice::new(volumes.inner().copy(), 1);
        backup_onto(&centre, &probe, &incremental_options(2)).unwrap();
        let before = volumes.list().unwrap();
        probe.list().unwrap().into_iter().find(|name| !before.contains(name)).unwrap()
    };
    volumes.flip(&format!(".{name}.partial"), 2_000 * 8);
    refused(backup_onto(&centre, &volumes, &incremental_options(2)), Class::Damage, &["back up again"]);
    let volumes = volumes.inner().clone();
    let report = incremental(&centre, &volumes, &backup_options(3));
    assert_eq!((report.parent.unwrap().set, report.set.rows), (set_id(1), 8 + 1));
    let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    restore_chain(&volumes, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

#[test]
fn a_backup_that_was_stopped_is_no_member() {
    let (centre, device) = five_days();
    centre.intervals("2024-03-12", 1000, 1200, 30, 1);
    let mut stopped = 0;
    for questions in 0..40 {
        let volumes = device.copy();
        let (store, catalogue, monitor) = (centre.store(), Catalogue::builtin(), StopAfter::new(questions));
        let done = Backup::new(&store, &catalogue, &volumes, incremental_options(2)).watched(&monitor).run();
        if let Err(error) = &done {
            assert!(matches!(error.kind(), intervault::error::ErrorKind::Cancelled), "{error}");
            stopped += 1;
        }
        let report = incremental(&centre, &volumes, &backup_options(3));
        assert_eq!(report.parent.unwrap().sequence, u32::from(done.is_ok()));
    }
    assert!((3..40).contains(&stopped), "{stopped}");
}

#[test]
fn a_chain_of_one_acd_is_a_chain_of_its_own() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    for acd in [1, 2] {
        centre.intervals("2024-03-10", 800, 1000, 30, acd);
        centre.intervals("2024-03-11", 800, 1000, 30, acd);
    }
    let device = MemoryDevice::new();
    let one = |options: backup::Options| backup::Options { acd: Some(2), ..options };
    backup_with(&centre, &device, &backup_options(1));
    backup_with(&centre, &device, &one(backup_options(2)));
    centre.run("UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-11'");
    let report = backup_with(&centre, &device, &one(incremental_options(3)));
    assert_eq!((report.parent.unwrap().set, report.set.rows), (set_id(2), 4));
    let report = backup_with(&centre, &device, &incremental_options(4));
    assert_eq!((report.parent.unwrap().set, report.set.rows), (set_id(1), 8));
    let sets = list_sets(&device).unwrap().sets;
    let target = Centre::new(&[HSPLIT, DSPLIT]);
    target.intervals("2024-03-10", 800, 900, 30, 1);
    let store = target.store();
    let id = set_id(3).to_string();
    let wanted = intervault::volume::chain::Wanted { set: Some(&id), stop_at: None };
    let chain = intervault::volume::chain::Chain::choose(&sets, wanted).unwrap();
    assert_eq!(chain.members().len(), 2);
    let restore = intervault::restore::Restore::new(chain, &store, all());
    restore.apply(&restore.plan().unwrap(), None).unwrap();
    let of = |centre: &Centre, acd: i64| centre.count(&format!("SELECT sum(acdcalls) FROM hsplit WHERE acd = {acd}"));
    assert_eq!(of(&target, 2), of(&centre, 2));
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE acd = 1"), 2, "nobody's business");
}

/// A table whose columns changed is written whole, and so is one that the chain does not know.
#[test]
fn tables_that_cannot_be_compared_are_written_whole() {
    let (centre, device) = five_days();
    centre.run("ALTER TABLE hsplit ADD COLUMN abncalls INTEGER");
    centre.run(MSPLIT);
    centre.run("INSERT INTO msplit VALUES ('2024-02-01', 1, 1, 5)");
    let report = incremental(&centre, &device, &backup_options(2));
    assert_eq!(compared(&report, "hsplit").unwrap().whole, Some("its columns changed"));
    assert_eq!(compared(&report, "msplit").unwrap().whole, Some("new to the chain"));
    let whole = report.tables.iter().find(|done| done.table == "hsplit").unwrap();
    assert_eq!((whole.rows, compared(&report, "dsplit").unwrap().unchanged), (20, 5));
    // From there on it is compared again, with the newest set that lists it.
    centre.intervals_with("2024-03-15", 1);
    let report = incremental(&centre, &device, &backup_options(3));
    assert_eq!(
        compared(&report, "hsplit").unwrap(),
        &Compared { changed: 1, unchanged: 5, rows: 1, ..Compared::default() }
    );
    let target =
        Centre::new(&[&HSPLIT.replace("logid CHAR(10)", "logid CHAR(10), abncalls INTEGER"), DSPLIT, MSPLIT, SYNONYMS]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

impl Centre {
    fn intervals_with(&self, date: &str, acd: i64) {
        self.run(&format!("INSERT INTO hsplit VALUES ('{date}', 800, 30, {acd}, 1, 5, 'a', 6)"));
    }
}

/// A kind of data that some members leave out is compared with the newest one that has it.
#[test]
fn kinds_of_data_may_differ_from_member_to_member() {
    let (centre, device) = five_days();
    let only = |data: DataType, number| backup::Options { select: Select::Data(vec![data]), ..backup_options(number) };
    let report = incremental(&centre, &device, &only(DataType::Acd, 2));
    assert_eq!(report.tables.iter().map(|done| done.table.as_str()).collect::<Vec<_>>(), ["synonyms"]);
    centre.run("DELETE FROM dsplit WHERE row_date = '2024-03-11'");
    let report = incremental(&centre, &device, &only(DataType::Historical, 3));
    assert_eq!(report.parent.as_ref().unwrap().set, set_id(2));
    assert_eq!(compared(&report, "dsplit").unwrap(), &Compared { unchanged: 4, vanished: 1, ..Compared::default() });
    let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    restore_chain(&device, &target, &all()).unwrap();
    for table in ["hsplit", "dsplit", "synonyms"] {
        assert_eq!(target.rows(table), centre.rows(table), "{table}");
    }
}

/// Sets on other devices serve as base; the newest alone is enough, and what it builds on is named.
#[test]
fn the_newest_set_alone_is_base_enough() {
    let (centre, first) = five_days();
    let (second, third) = (MemoryDevice::named("second"), MemoryDevice::named("third"));
    let (store, catalogue) = (centre.store(), Catalogue::builtin());
    centre.intervals("2024-03-12", 1000, 1100, 30, 1);
    let report = Backup::new(&store, &catalogue, &second, incremental_options(2)).based_on(&first).run().unwrap();
    assert_eq!(report.set.label.split('-').nth(2), Some("02"), "the numbers of a day go over all devices");
    centre.intervals("2024-03-13", 1000, 1100, 30, 1);
    let report = Backup::new(&store, &catalogue, &third, incremental_options(3)).based_on(&second).run().unwrap();
    let parent = report.parent.unwrap();
    assert_eq!((parent.set, parent.sequence, report.set.rows), (set_id(2), 1, 6 + 1));
    assert_eq!(parent.notices.len(), 1);
    assert!(parent.notices[0].contains(&set_id(1).to_string()) && parent.notices[0].contains("not here"), "{parent:?}");
    // A set that is not verified is a member like any other.
    let skipped = backup::Options { read_back: ReadBack::Skip, ..incremental_options(4) };
    let report = Backup::new(&store, &catalogue, &third, skipped).run().unwrap();
    assert_eq!((report.parent.unwrap().sequence, report.set.rows, report.verified), (2, 1, false));
}

/// Of several chains of one database that which was begun last is gone on with, unless a set of another is named.
#[test]
fn the_chain_that_was_begun_last_is_gone_on_with() {
    let (centre, device) = five_days();
    // Of one second and one number, on two devices that do not know of each other.
    let second = MemoryDevice::named("second");
    backup_with(&centre, &second, &backup_options(2));
    let result = {
        let (store, catalogue) = (centre.store(), Catalogue::builtin());
        Backup::new(&store, &catalogue, &device, incremental_options(3)).based_on(&second).run()
    };
    refused(result, Class::NotRestorable, &["begun at the same time", "--set"]);
    let now_unix = later().0 + 60;
    backup_with(&centre, &device, &backup::Options { now_unix, ..backup_options(4) });
    let report = backup_with(&centre, &device, &incremental_options(5));
    let parent = report.parent.unwrap();
    assert_eq!((parent.set, parent.notices.len()), (set_id(4), 1));
    assert!(parent.notices[0].contains("of several"), "{parent:?}");
    let named = |set: &str, number| {
        let kind = Kind::Incremental(Incremental { set: Some(set.to_owned()), ..Incremental::default() });
        backup::Options { kind, ..backup_options(number) }
    };
    let first = set_id(1).to_string();
    let report = backup_with(&centre, &device, &named(&first, 6));
    assert_eq!(report.parent.unwrap().set, set_id(1));
    // Any set of the chain names it: the newest of the chain is built on.
    let report = backup_with(&centre, &device, &named(&first[..8], 7));
    assert_eq!(report.parent.map(|parent| (parent.set, parent.sequence)), Some((set_id(6), 1)));
    // Two sets that build on the same one have to be told apart.
    let other = MemoryDevice::new();
    for name in device.list().unwrap().iter().filter(|name| name.contains("01010101") || name.contains("06060606")) {
        other.insert(name, device.bytes(name).unwrap());
    }
    let (store, catalogue) = (centre.store(), Catalogue::builtin());
    let fork = MemoryDevice::named("fork");
    Backup::new(&store, &catalogue, &fork, incremental_options(8)).based_on(&other).run().unwrap();
    let both = |options| Backup::new(&store, &catalogue, &device, options).based_on(&fork).run();
    refused(both(named(&first, 9)), Class::NotRestorable, &["two sets build on the same one"]);
    let report = both(named(&set_id(8).to_string(), 9)).unwrap();
    assert_eq!(report.parent.unwrap().set, set_id(8));
}

/// What a set that is no member cost is found by the next: an append that fails leaves a part of the volume.
#[test]
fn the_operations_that_can_fail_are_there() {
    let (centre, device) = five_days();
    let counted = FaultDevice::new(device, 1);
    backup_onto(&centre, &counted, &incremental_options(9)).unwrap();
    let log = counted.log();
    let at = |op: Op| log.iter().rposition(|entry| entry.op == op).unwrap();
    // It is read back before the last volume has its name.
    assert!(at(Op::Read) < at(Op::Finish) && at(Op::Append) < at(Op::Read));
}

/// Scenario 5: an incremental that holds the cut-over day, taken at 10:20, goes onto a server that has collected since 10:05.
/// Nothing after its cutoff is deleted, and the next one finds what was carried.
#[test]
fn scenario_05_an_incremental_of_the_cut_over_day_deletes_nothing_after_its_cutoff() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-19", 800, 1200, 30, 1);
    let device = MemoryDevice::new();
    let at_time = |now, options| backup::Options { now: at(now), ..options };
    backup_with(&centre, &device, &at_time("2024-03-20 00:10", backup_options(1)));
    centre.intervals("2024-03-20", 800, 1030, 30, 1);
    let report = backup_with(&centre, &device, &at_time("2024-03-20 10:20", incremental_options(2)));
    let hsplit = &report.tables[0];
    assert_eq!((hsplit.rows, hsplit.carried), (5, 1));
    assert_eq!(hsplit.held.last().unwrap().1.stop, at("2024-03-20 10:00"));
    let other = Centre::new(&[HSPLIT]);
    other.intervals("2024-03-20", 1000, 1130, 30, 1);
    other.run("UPDATE hsplit SET acdcalls = -1");
    restore_chain(&device, &other, &all()).unwrap();
    assert_eq!(other.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 3);
    assert_eq!(other.count("SELECT count(*) FROM hsplit"), 8 + 4 + 3);
    let report = backup_with(&centre, &device, &at_time("2024-03-21 00:10", incremental_options(3)));
    assert_eq!((report.tables[0].rows, report.tables[0].carried), (5, 0));
    let target = Centre::new(&[HSPLIT]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// The label of every set that is written can be read, also that of an incremental of administration data.
#[test]
fn every_label_that_is_written_reads_back() {
    let (centre, device) = five_days();
    let options = |number| backup::Options { select: Select::Data(vec![DataType::Acd]), ..incremental_options(number) };
    let first = backup_onto(&centre, &device, &options(2));
    let first = first.unwrap();
    let second = backup_with(&centre, &device, &options(3));
    assert_ne!(first.set.label, second.set.label, "two sets of one day have one number");
    assert_eq!(first.set.label.parse::<LabelText>().map(|label| label.to_string()), Ok(first.set.label.clone()));
}
