//! Backups of databases that change, lose tables, or hold more than anybody expects.

use super::chains::{all, incremental, restore_chain};
use super::support::*;
use intervault::backup::{self, Backup, Select};
use intervault::base::monitor::{Monitor, Task};
use intervault::device::memory::MemoryDevice;
use intervault::error::{Class, Error};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::grain::DataType;
use intervault::store::traits::Store;
use intervault::volume::set::list_sets;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Somebody who changes the database while it is read: at each of the first reports of progress a statement.
struct Meddler<'a> {
    centre: &'a Centre,
    statements: &'a [&'a str],
    done: AtomicUsize,
}

impl<'a> Meddler<'a> {
    fn new(centre: &'a Centre, statements: &'a [&'a str]) -> Meddler<'a> {
        Meddler { centre, statements, done: AtomicUsize::new(0) }
    }
}

impl Monitor for Meddler<'_> {
    fn advance(&self, task: Task, _rows: u64, _bytes: u64) {
        if task == Task::Backup
            && let Some(statement) = self.statements.get(self.done.fetch_add(1, Ordering::Relaxed))
        {
            self.centre.run(statement);
        }
    }
}

fn meddled(centre: &Centre, device: &MemoryDevice, options: backup::Options, statements: &[&str]) {
    let meddler = Meddler::new(centre, statements);
    Backup::new(&centre.store(), &Catalogue::builtin(), device, options).watched(&meddler).run().unwrap();
    assert!(meddler.done.load(Ordering::Relaxed) >= statements.len(), "all of it was done");
}

/// What others write, delete and drop while a backup runs waits for nothing, and is not in the backup; nor is it in an
/// incremental one, which reads twice.
#[test]
fn a_backup_is_of_one_state_whatever_happens_meanwhile() {
    let centre = Centre::new(&["PRAGMA journal_mode = WAL", HSPLIT, DSPLIT, SYNONYMS]);
    for day in 10..20 {
        centre.intervals(&format!("2024-03-{day}"), 0, 2400, 30, 1);
    }
    centre.run("INSERT INTO dsplit VALUES ('2024-03-10', 1, 1, 5)");
    let device = MemoryDevice::new();
    let options = |options: backup::Options| backup::Options { volume_size: Some(24 << 10), ..options };
    let restored = || {
        let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
        restore_chain(&device, &target, &all()).unwrap();
        (target.rows("hsplit"), target.rows("dsplit"))
    };
    let state = || (centre.rows("hsplit"), centre.rows("dsplit"));
    let before = state();
    let statements = [
        "UPDATE hsplit SET acdcalls = -1 WHERE row_date = '2024-03-12'",
        "INSERT INTO hsplit VALUES ('2024-03-12', 100, 30, 1, 7, 7, 'x')",
        "DELETE FROM hsplit WHERE row_date = '2024-03-15'",
        "INSERT INTO dsplit VALUES ('2024-03-11', 1, 1, 6)",
    ];
    meddled(&centre, &device, options(backup_options(1)), &statements);
    assert_ne!(state(), before);
    assert_eq!(restored(), before);
    let before = state();
    let statements = [
        "UPDATE hsplit SET acdcalls = -2 WHERE row_date IN ('2024-03-12', '2024-03-13')",
        "DELETE FROM hsplit WHERE row_date = '2024-03-12' AND starttime < 1200",
        "INSERT INTO hsplit SELECT * FROM hsplit WHERE row_date = '2024-03-12'",
        "DROP TABLE dsplit",
    ];
    meddled(&centre, &device, options(incremental_options(2)), &statements);
    assert_eq!(restored(), before);
    // A table that is gone is absent; the chain keeps what it had.
    let report = incremental(&centre, &device, &backup_options(3));
    assert!(
        report.gaps.absent.iter().any(|name| name == "dsplit")
            && report.tables.iter().all(|done| done.table != "dsplit")
    );
    assert_eq!(restored(), (centre.rows("hsplit"), before.1));
}

/// A table that is named and dropped between plan and backup is missed by name, and nothing is written.
#[test]
fn a_table_that_was_dropped_since_the_plan_is_missed_by_name() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    let (store, catalogue, device) = (centre.store(), Catalogue::builtin(), MemoryDevice::new());
    let select = Select::Tables(vec!["hsplit".to_owned(), "dsplit".to_owned()]);
    let backup = Backup::new(&store, &catalogue, &device, backup::Options { select, ..backup_options(1) });
    assert_eq!(backup.plan().unwrap().tables.len(), 2);
    centre.run("DROP TABLE dsplit");
    let error = backup.run().unwrap_err();
    assert_eq!(error.class(), Class::Nothing);
    assert!(error.to_string().contains("no table dsplit"), "{error}");
    assert_eq!(list_sets(&device).unwrap().sets.len(), 0);
}

/// What the source has and the volumes have not is said: a virtual table (full text search) with rows of its own too.
#[test]
fn a_virtual_table_that_is_not_written_is_told_of() {
    let centre = Centre::new(&[HSPLIT]);
    centre.run("CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('said by a caller')");
    let report = backup_with(&centre, &MemoryDevice::new(), &backup_options(1));
    let gap = report.gaps.left_out.iter().find(|gap| gap.name == "notes").unwrap();
    assert!(gap.warns && gap.reason.contains("virtual table"), "{}", gap.reason);
    // Not where a site's own tables were not asked for.
    let select = Select::Data(vec![DataType::Historical]);
    let report = backup_with(&centre, &MemoryDevice::new(), &backup::Options { select, ..backup_options(2) });
    assert_eq!(report.gaps.left_out, []);
}

#[test]
fn ten_thousand_tiny_tables_are_a_backup_like_any_other() {
    let centre = Centre::new(&["CREATE TABLE t0 (a); INSERT INTO t0 VALUES (0)"]);
    let tables: Vec<String> =
        (1..10_000).map(|at| format!("CREATE TABLE t{at} (a); INSERT INTO t{at} VALUES ({at})")).collect();
    centre.run(&format!("BEGIN; {}; COMMIT", tables.join(";")));
    let device = MemoryDevice::new();
    let report = backup_with(&centre, &device, &backup_options(1));
    assert_eq!((report.tables.len(), report.set.rows), (10_000, 10_000));
    let set = only_set(&device);
    assert!(set.is_complete() && set.sections().len() == 10_000);
    assert_eq!(set.sections()[9_999].end.as_ref().unwrap().rows, 1);
}

/// A table as wide as SQLite allows is in a chain like any other.
#[test]
fn a_table_of_two_thousand_columns_is_compared_and_written() {
    let more: Vec<String> = (0..1_993).map(|at| format!("c{at} INTEGER")).collect();
    let wide = HSPLIT.replacen("logid CHAR(10)", &format!("logid CHAR(10), {}", more.join(", ")), 1);
    let centre = Centre::new(&[&wide]);
    let values = vec!["7"; 1_993].join(", ");
    for day in 10..14 {
        centre.run(&format!("INSERT INTO hsplit VALUES ('2024-03-{day}', 800, 30, 1, 1, 1, 'a', {values})"));
    }
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET c1992 = 8 WHERE row_date = '2024-03-12'");
    let report = incremental(&centre, &device, &backup_options(2));
    let compared = report.tables[0].compared.as_ref().unwrap();
    assert_eq!((compared.changed, compared.unchanged, report.set.rows), (1, 3, 1));
    let sets = list_sets(&device).unwrap().sets;
    let section = &sets.iter().find(|set| set.set_id() == set_id(2)).unwrap().sections()[0];
    assert_eq!((section.header.columns.len(), section.chunks.len()), (2_000, 1));
}

fn refused_by_name(result: Result<backup::BackupReport, Error>) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.class(), Class::NotRestorable, "{text}");
    assert!(text.contains("hsplit") && text.contains("too large"), "{text}");
}

/// A row that fits no block is refused with the name of its table, and the chain stays where it was.
#[test]
fn a_row_of_a_hundred_megabytes_is_refused_by_name() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    let device = backup(&centre);
    let huge = "INSERT INTO hsplit VALUES ('2024-03-11', 800, 30, 1, 1, 1, randomblob(100000000))";
    centre.run(huge);
    refused_by_name(backup_onto(&centre, &MemoryDevice::new(), &backup_options(2)));
    refused_by_name(backup_onto(&centre, &device, &incremental_options(2)));
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-11'");
    let report = incremental(&centre, &device, &backup_options(3));
    assert_eq!((report.parent.unwrap().set, report.set.rows), (set_id(1), 0));
}

#[test]
fn volumes_smaller_than_a_block_are_refused_before_anything_is_written() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    let device = backup(&centre);
    for size in [1, 64, 600] {
        let options = backup::Options { volume_size: Some(size), ..incremental_options(2) };
        let error = backup_onto(&centre, &device, &options).unwrap_err();
        assert_eq!(error.class(), Class::Usage, "{size}: {error}");
        assert!(error.to_string().contains("smallest"), "{size}: {error}");
    }
    assert_eq!(list_sets(&device).unwrap().sets.len(), 1);
}

#[test]
fn a_backup_waits_for_no_other_and_is_refused_while_one_runs() {
    let (centre, device) = (Centre::new(&[HSPLIT]), MemoryDevice::new());
    backup_with(&centre, &device, &backup_options(1));
    let store = centre.store();
    let lock = store.lock().unwrap();
    let error = backup_onto(&centre, &device, &incremental_options(2)).unwrap_err();
    assert_eq!(error.class(), Class::Busy, "{error}");
    drop(lock);
    backup_onto(&centre, &device, &incremental_options(2)).unwrap();
}

/// With one ACD chosen and none of the data of an ACD, nothing is left to back up: no set is made of it.
#[test]
fn a_selection_that_leaves_nothing_is_no_backup() {
    let (centre, device) = (Centre::new(&[HSPLIT]), MemoryDevice::new());
    centre.run("CREATE TABLE dcadmin (a INTEGER); INSERT INTO dcadmin VALUES (1)");
    let select = Select::Data(vec![DataType::Local]);
    let done = backup_onto(&centre, &device, &backup::Options { select, acd: Some(1), ..backup_options(1) });
    let error = done.unwrap_err().to_string();
    assert!(error.contains("dcadmin") && error.contains("no ACD column"), "{error}");
    // Nor is one of an ACD that does not exist done without a word.
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    let report = backup_with(&centre, &device, &backup::Options { acd: Some(77), ..backup_options(2) });
    let said = report.gaps.left_out.iter().find(|gap| gap.name == "ACD 77").unwrap();
    assert!(said.warns && said.reason.contains("no selected table has a row"), "{said:?}");
    let report = backup_with(&centre, &device, &backup::Options { acd: Some(1), ..backup_options(3) });
    assert!(!report.gaps.left_out.iter().any(|gap| gap.name.starts_with("ACD")), "{:?}", report.gaps);
}
