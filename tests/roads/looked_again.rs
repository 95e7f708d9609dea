//! What is looked at again between a plan and a commit, what a set without its catalog speaks for, and what is told of the work.

use super::rules::spanning;
use super::support::*;
use super::undo::{RUIN, options, restore_onto, undo_watched, world};
use intervault::backup;
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::restore::{self, Keep, Missing, Options, Outcome, Part, Restore, UndoOptions};
use intervault::store::control::{Collection, Mode, RunStatus};
use intervault::store::traits::Store;
use intervault::volume::set::find_set;
use std::sync::Mutex;
use std::time::Duration;

/// Somebody else may have begun by then.
#[test]
fn nothing_is_committed_once_the_lock_is_lost() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let ruined = centre.rows("hsplit");
    let (set, store) = (only_set(&device), Posed::without_lock(centre.store()));
    let restore = Restore::new(&set, &store, options(40));
    let stopped = restore.apply(&restore.plan().unwrap(), None).unwrap_err();
    assert!(stopped.error.to_string().contains("under way (somebody else's)"), "{}", stopped.error);
    assert_eq!((stopped.report.count(Outcome::RolledBack), stopped.report.count(Outcome::Replaced)), (1, 0));
    assert_eq!(centre.rows("hsplit"), ruined);
}

#[test]
fn nothing_is_taken_back_once_the_lock_is_lost() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &options(40), Some(&undo), &Silent).unwrap();
    let restored = [centre.rows("hsplit"), centre.rows("dsplit")];
    let (kept, store) = (find_set(&undo, set_id(0xAA)).unwrap().unwrap(), Posed::without_lock(centre.store()));
    let plan = restore::undo_plan(&kept, &store, &UndoOptions::default(), &Silent).unwrap();
    let error = restore::undo(&plan, &kept, &store, &UndoOptions::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("under way (somebody else's)"), "{error}");
    assert_eq!([centre.rows("hsplit"), centre.rows("dsplit")], restored);
    let runs = store.snapshot(1).unwrap().runs().unwrap();
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Finished]);
}

/// The database went into operation between the plan and the restore.
#[test]
fn the_state_of_the_database_is_looked_at_again_when_a_plan_is_applied() {
    let centre = Centre::new(&[SYNONYMS]);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', '')");
    let device = backup(&centre);
    centre.run("UPDATE synonyms SET value = 'x'");
    let (set, store) = (only_set(&device), centre.store());
    let restore = Restore::new(&set, &store, restore_options(None, None));
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals, []);
    centre.state(Collection::On, Mode::MultiUser);
    let stopped = restore.apply(&plan, None).unwrap_err();
    assert!(stopped.error.to_string().contains("single-user"), "{}", stopped.error);
    assert_eq!(centre.count("SELECT count(*) FROM synonyms WHERE value = 'x'"), 1);
}

/// As many rows go as were planned, but others: where one was counted there are two, and none where another one was.
#[test]
fn rows_that_moved_before_they_were_saved_are_left_alone() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1200, 30, 1);
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let (set, store, undo) = (only_set(&device), centre.store(), MemoryDevice::new());
    let restore = Restore::new(&set, &store, options(250_000));
    let plan = restore.plan().unwrap();
    centre.run("UPDATE hsplit SET starttime = 800 WHERE starttime = 830");
    let moved = centre.rows("hsplit");
    let stopped = restore.apply(&plan, Some(Keep { device: &undo, set: set_id(0xAA) })).unwrap_err();
    assert!(stopped.error.to_string().contains("have changed since the plan was made"), "{}", stopped.error);
    assert_eq!(centre.rows("hsplit"), moved);
    assert_eq!(store.snapshot(1).unwrap().runs().unwrap(), []);
}

/// Rows that bring their own keys go in together; that makes no part of rows without a usable time where none are touched.
#[test]
fn keyed_rows_of_one_slice_stay_a_slice() {
    let centre = Centre::new(&[&HSPLIT.replace("TABLE hsplit (", "TABLE hsplit (id INTEGER PRIMARY KEY, ")]);
    for (id, day) in ["2024-03-10", "2024-03-11"].iter().enumerate() {
        centre.run(&format!("INSERT INTO hsplit VALUES ({id}, '{day}', 900, 30, 1, 1, 7, 'a')"));
    }
    let device = backup(&centre);
    let (set, store) = (only_set(&device), centre.store());
    let request = restore_options(Some("2024-03-10"), Some("2024-03-11")).request;
    let restore = Restore::new(&set, &store, Options { request, ..options(250_000) });
    let plan = restore.plan().unwrap();
    assert!(ranges(&plan, "hsplit").keyed);
    let units = restore.units(&plan);
    assert!(matches!(units[..], [ref unit] if matches!(unit.part, Part::Slice(_))), "{units:?}");
}

/// What was done, by task.
#[derive(Default)]
struct Told(Mutex<Vec<(Task, u64, u64)>>);

impl Monitor for Told {
    fn advance(&self, task: Task, rows: u64, bytes: u64) {
        self.0.lock().unwrap().push((task, rows, bytes));
    }
}

#[test]
fn a_plan_of_an_undo_tells_of_the_saved_rows_and_of_no_bytes() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let (undo, told) = (MemoryDevice::new(), Told::default());
    let report = restore_onto(&only_set(&device), &centre, &options(40), Some(&undo), &Silent).unwrap();
    assert!(report.undo_time > Duration::ZERO);
    let kept = find_set(&undo, set_id(0xAA)).unwrap().unwrap();
    restore::undo_plan(&kept, &centre.store(), &UndoOptions::default(), &told).unwrap();
    let told = told.0.into_inner().unwrap();
    assert!(told.iter().all(|(task, _, bytes)| (*task, *bytes) == (Task::Plan, 0)), "{told:?}");
    assert_eq!(told.iter().map(|(_, rows, _)| rows).sum::<u64>(), report.undo.unwrap().rows);
    undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap();
}

/// Damages a block of a kind behind its header.
fn hurt(device: &MemoryDevice, name: &str, kind: u8, which: usize) {
    let mut bytes = device.bytes(name).unwrap();
    let starts = |at: &usize| bytes[*at..].starts_with(&[0x8B, b'I', b'V', b'B']) && bytes[*at + 12] == kind;
    let block = (0..bytes.len()).step_by(64).filter(starts).nth(which).unwrap();
    bytes[block + 100] ^= 4;
    device.insert(name, bytes);
}

const CHUNK: u8 = 3;
const CATALOG: u8 = 6;

fn partly() -> Options {
    Options { missing: Missing::Partial, ..options(250_000) }
}

/// All chunks and the end of the section are there: what the section held it holds without the catalog, days without rows too.
#[test]
fn a_whole_section_without_its_catalog_speaks_for_days_without_rows() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1200, 30, 1);
    centre.intervals("2024-03-12", 800, 1200, 30, 1);
    let (device, whole) = (backup(&centre), centre.rows("hsplit"));
    hurt(&device, &device.list().unwrap()[0], CATALOG, 0);
    centre.intervals("2024-03-11", 800, 1200, 30, 1);
    restore_onto(&only_set(&device), &centre, &partly(), None, &Silent).unwrap();
    assert_eq!(centre.rows("hsplit"), whole);
}

/// The rows of a chunk that is lost too are not on the volumes: where they were nothing is deleted.
#[test]
fn a_section_that_lost_its_catalog_and_a_chunk_deletes_no_row_of_that_chunk() {
    let (centre, device) = spanning();
    let (names, whole) = (device.list().unwrap(), centre.rows("hsplit"));
    hurt(&device, names.last().unwrap(), CATALOG, 0);
    hurt(&device, &names[1], CHUNK, 1);
    restore_onto(&only_set(&device), &centre, &partly(), None, &Silent).unwrap();
    assert_eq!(centre.rows("hsplit"), whole);
}

/// A backup while the day goes on.
#[test]
fn a_backup_tells_of_the_rows_that_it_carries_and_of_the_bytes_that_it_stores() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1200, 30, 1);
    let device = MemoryDevice::new();
    let options = backup::Options { jobs: 1, ..backup::Options::new(at("2024-03-20 10:40"), 0, set_id(1)) };
    let report = backup_with(&centre, &device, &options);
    let table = &report.tables[0];
    // Five half hours are over; one goes on, and two are yet to come.
    assert_eq!((table.rows, table.carried, table.undated), (8, 3, 0));
    let volume = report.set.volumes.iter().map(|volume| volume.bytes).sum::<u64>();
    assert!(table.stored_bytes > 0 && table.stored_bytes < volume, "{table:?}");
    assert!(table.decoded_bytes > 0, "{table:?}");
}
