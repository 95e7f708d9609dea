//! Units, the journal, resume and undo: whole roads over real databases and volumes.

use super::support::*;
use intervault::backup;
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore::{self, Keep, Options, Outcome, Restore, RestoreReport, Stopped, UndoOptions, UndoReport};
use intervault::schema::range::{Policies, Uncovered};
use intervault::store::control::{Collection, Mode, RunStatus, UnitStatus};
use intervault::store::traits::Store;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::volume::set::{SetReader, find_set};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Days of half hours of two ACDs, a day table and a table without times.
pub fn world() -> Centre {
    let centre = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    for day in 1..=6 {
        for acd in [1, 2] {
            centre.intervals(&format!("2024-03-{day:02}"), 800, 1200, 30, acd);
            centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', {acd}, 1, {day})"));
        }
    }
    // Two archive rows with one stamp, and rows without a usable time.
    centre.interval("2024-03-02", 900, 30, 1, 540);
    centre.interval("not a day", 900, 30, 1, 7);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (2, 'split', 'two', '2', '')");
    centre
}

pub const RUIN: &str = "UPDATE hsplit SET acdcalls = -1 WHERE row_date IN ('2024-03-02', '2024-03-04'); \
    DELETE FROM hsplit WHERE row_date = '2024-03-05' AND acd = 2; UPDATE dsplit SET acdcalls = -1; \
    UPDATE synonyms SET value = 'x'; INSERT INTO synonyms VALUES (3, 'split', 'three', '3', '')";

/// As a database may do at any time to rows whose numbers nobody declared.
const RENUMBER: &str = "CREATE TABLE other AS SELECT * FROM hsplit ORDER BY starttime DESC, acdcalls; \
    DELETE FROM hsplit; INSERT INTO hsplit SELECT * FROM other; DROP TABLE other";

/// Rows with their row numbers.
fn keyed(centre: &Centre) -> Vec<String> {
    ["hsplit", "dsplit", "synonyms"]
        .iter()
        .flat_map(|table| centre.rows(&format!("(SELECT rowid, * FROM {table})")))
        .collect()
}

fn contents(centre: &Centre) -> Vec<String> {
    ["hsplit", "dsplit", "synonyms"].iter().flat_map(|table| centre.rows(table)).collect()
}

pub fn options(unit_rows: u64) -> Options {
    let policies = Policies { uncovered: Uncovered::Delete, ..Policies::default() };
    Options { unit_rows, policies, ..restore_options(None, None) }
}

pub fn restore_onto(
    set: &SetReader<'_>,
    centre: &Centre,
    options: &Options,
    undo: Option<&MemoryDevice>,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, Box<Stopped>> {
    let store = centre.store();
    let restore = Restore::new(set, &store, options.clone());
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals, []);
    let keep = undo.map(|device| Keep { device, set: set_id(0xAA) });
    restore.watched(monitor).apply(&plan, keep)
}

pub fn undo_with(
    centre: &Centre,
    device: &MemoryDevice,
    options: &UndoOptions,
) -> Result<UndoReport, intervault::error::Error> {
    undo_watched(centre, device, options, &Silent)
}

pub fn undo_watched(
    centre: &Centre,
    device: &MemoryDevice,
    options: &UndoOptions,
    monitor: &dyn Monitor,
) -> Result<UndoReport, intervault::error::Error> {
    let store = centre.store();
    let run = restore::undoable(&store, options.run)?;
    let set = find_set(device, intervault::format::block::SetId(run.undo.unwrap().set)).unwrap().unwrap();
    let plan = restore::undo_plan(&set, &store, options, &Silent)?;
    restore::undo(&plan, &set, &store, options, monitor)
}

/// Asks to stop once so many questions whether to stop were asked.
pub struct StopAfter(AtomicUsize);

impl StopAfter {
    pub fn new(questions: usize) -> StopAfter {
        StopAfter(AtomicUsize::new(questions))
    }
}

impl Monitor for StopAfter {
    fn cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    fn begin(&self, _task: Task, _what: &str, _total_rows: u64) {}
}

#[test]
fn a_restore_is_undone_row_for_row_and_key_for_key() {
    for unit_rows in [1, 40, 250_000] {
        let centre = world();
        let whole = contents(&centre);
        let device = backup(&centre);
        centre.run(RUIN);
        let ruined = keyed(&centre);
        let undo = MemoryDevice::new();
        let report = restore_onto(&only_set(&device), &centre, &options(unit_rows), Some(&undo), &Silent).unwrap();
        assert_eq!(contents(&centre), whole);
        assert_eq!(report.count(Outcome::Replaced), report.units.len());
        assert!(report.units.len() >= if unit_rows == 1 { 12 } else { 3 }, "{:?}", report.units);
        let undone = undo_with(&centre, &undo, &UndoOptions::default()).unwrap();
        assert_eq!((undone.units as usize, undone.left, undone.new_keys), (report.units.len(), 0, 0));
        assert_eq!(keyed(&centre), ruined);
        // There is nothing left to undo, and the journal says so.
        assert_eq!(undo_with(&centre, &undo, &UndoOptions::default()).unwrap_err().class(), Class::Nothing);
        let snapshot = centre.store().snapshot(1).unwrap();
        assert_eq!(snapshot.runs().unwrap()[0].status, RunStatus::Undone);
        assert_eq!((snapshot.units(1).unwrap().len(), snapshot.ranges().unwrap().len()), (0, 0));
    }
}

#[test]
fn a_restore_that_ended_early_is_finished_once() {
    let mut stopped_early = 0;
    for questions in 0..200 {
        let centre = world();
        let whole = contents(&centre);
        let device = backup(&centre);
        centre.run(RUIN);
        let undo = MemoryDevice::new();
        let set = only_set(&device);
        let monitor = StopAfter::new(questions);
        let stopped = match restore_onto(&set, &centre, &options(20), Some(&undo), &monitor) {
            Ok(_) => break,
            Err(stopped) => stopped,
        };
        assert_eq!(stopped.error.to_string(), "stopped as asked");
        let store = centre.store();
        let Some(unfinished) = restore::unfinished(&store).unwrap() else {
            assert!(stopped.report.run.is_none());
            continue;
        };
        stopped_early += 1;
        assert_eq!(unfinished.applied(), stopped.report.count(Outcome::Replaced));
        // Rows that arrive meanwhile are left alone.
        centre.intervals("2024-03-09", 800, 1000, 30, 1);
        let report = Restore::new(&set, &store, options(20)).resume(&unfinished).unwrap();
        assert_eq!(report.count(Outcome::ReplacedBefore), unfinished.applied());
        assert_eq!(report.count(Outcome::Replaced) + unfinished.applied(), unfinished.units.len());
        assert!(restore::unfinished(&store).unwrap().is_none());
        centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-09'");
        assert_eq!(contents(&centre), whole, "stopped after {questions}");
        let units = store.snapshot(1).unwrap().units(1).unwrap();
        assert!(units.iter().all(|unit| unit.status == UnitStatus::Applied));
    }
    assert!(stopped_early > 5, "{stopped_early}");
}

#[test]
fn half_a_restore_is_undone_while_new_rows_arrive() {
    for questions in [2, 5, 9, 14] {
        let centre = world();
        let device = backup(&centre);
        centre.run(RUIN);
        let ruined = keyed(&centre);
        let undo = MemoryDevice::new();
        let monitor = StopAfter::new(questions);
        restore_onto(&only_set(&device), &centre, &options(20), Some(&undo), &monitor).unwrap_err();
        centre.intervals("2024-03-09", 800, 1000, 30, 1);
        if restore::unfinished(&centre.store()).unwrap().is_some() {
            undo_with(&centre, &undo, &UndoOptions::default()).unwrap();
            assert!(restore::unfinished(&centre.store()).unwrap().is_none());
        }
        assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-09'"), 4);
        centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-09'");
        assert_eq!(keyed(&centre), ruined);
    }
}

#[test]
fn a_slice_that_has_changed_since_is_put_back_only_by_force() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let ruined = contents(&centre);
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &options(20), Some(&undo), &Silent).unwrap();
    centre.run("UPDATE hsplit SET acdcalls = 12345 WHERE row_date = '2024-03-04' AND starttime = 900 AND acd = 1");
    let error = undo_with(&centre, &undo, &UndoOptions::default()).unwrap_err();
    assert_eq!(error.class(), Class::NotRestorable);
    assert!(error.to_string().contains("rows have changed since the restore"), "{error}");
    // All others are back.
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1 AND row_date = '2024-03-02'"), 17);
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1 AND row_date = '2024-03-04'"), 0);
    undo_with(&centre, &undo, &UndoOptions { force: true, ..UndoOptions::default() }).unwrap();
    assert_eq!(contents(&centre), ruined);
}

/// Rows that change between the saving and the unit's turn are not deleted.
#[test]
fn rows_that_change_under_the_restore_are_left_alone() {
    struct Meddler<'a>(&'a Centre, AtomicUsize);
    impl Monitor for Meddler<'_> {
        fn begin(&self, task: Task, _what: &str, _total_rows: u64) {
            if task == Task::Restore && self.1.fetch_add(1, Ordering::Relaxed) == 0 {
                self.0.run("UPDATE hsplit SET acdcalls = 99 WHERE row_date = '2024-03-04' AND acd = 2");
            }
        }
    }
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let undo = MemoryDevice::new();
    let meddler = Meddler(&centre, AtomicUsize::new(0));
    let stopped = restore_onto(&only_set(&device), &centre, &options(20), Some(&undo), &meddler).unwrap_err();
    assert_eq!(stopped.error.class(), Class::NotRestorable);
    assert!(stopped.error.to_string().contains("have changed since the plan was made"), "{}", stopped.error);
    assert_eq!(stopped.report.count(Outcome::RolledBack), 1);
    assert!(stopped.report.count(Outcome::Replaced) > 0 && stopped.report.count(Outcome::NotBegun) > 0);
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = 99"), 8);
}

/// The same rows under the same keys, whatever the number of workers; the same rows, whatever the size of units.
#[test]
fn workers_and_units_change_no_row() {
    let result = |jobs: usize, unit_rows: u64| {
        let centre = world();
        let device = backup(&centre);
        centre.run(RUIN);
        let options = Options { jobs, ..options(unit_rows) };
        restore_onto(&only_set(&device), &centre, &options, Some(&MemoryDevice::new()), &Silent).unwrap();
        (keyed(&centre), contents(&centre))
    };
    for unit_rows in [1, 33, 250_000] {
        let (keyed, contents) = result(1, unit_rows);
        for jobs in [2, 3, 16] {
            assert_eq!(result(jobs, unit_rows).0, keyed, "{jobs} workers, units of {unit_rows}");
        }
        assert_eq!(result(1, 7).1, contents);
    }
}

/// The target has a column that the volumes lack and a wider one: an undo gives back what stood in them.
#[test]
fn an_undo_gives_back_columns_that_the_volumes_lack() {
    let centre = world();
    let device = backup(&centre);
    centre.run("ALTER TABLE hsplit ADD COLUMN note TEXT; UPDATE hsplit SET note = 'n' || starttime, acdcalls = -1");
    let before = keyed(&centre);
    for proof in [restore::Proof::Full, restore::Proof::Counts] {
        let undo = MemoryDevice::new();
        let options = Options { proof, ..options(40) };
        restore_onto(&only_set(&device), &centre, &options, Some(&undo), &Silent).unwrap();
        assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE note IS NOT NULL"), 0);
        undo_with(&centre, &undo, &UndoOptions::default()).unwrap();
        assert_eq!(keyed(&centre), before);
    }
}

/// Rows of the target that were kept beside the restored ones are neither saved nor taken away.
#[test]
fn rows_that_were_kept_stay_through_restore_and_undo() {
    for renumbered in [false, true] {
        let centre = Centre::new(&[HSPLIT]);
        centre.intervals("2024-03-20", 800, 900, 30, 1);
        centre.intervals("2024-03-20", 1000, 1800, 30, 1);
        let device = backup(&centre);
        centre.intervals("2024-03-20", 900, 1000, 30, 1);
        centre.run("UPDATE hsplit SET acdcalls = -1 WHERE starttime <= 930");
        let before = centre.rows("(SELECT rowid, * FROM hsplit)");
        let undo = MemoryDevice::new();
        let policies = Policies { uncovered: Uncovered::Keep, ..Policies::default() };
        let options = Options { policies, ..restore_options(None, None) };
        restore_onto(&only_set(&device), &centre, &options, Some(&undo), &Silent).unwrap();
        assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 2);
        if renumbered {
            // The rows get other numbers: those of the restore can no longer be told from the kept ones.
            centre.run(RENUMBER);
            let error = undo_with(&centre, &undo, &UndoOptions::default()).unwrap_err();
            assert!(error.to_string().contains("other keys by now"), "{error}");
            assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 20);
        } else {
            undo_with(&centre, &undo, &UndoOptions::default()).unwrap();
            assert_eq!(centre.rows("(SELECT rowid, * FROM hsplit)"), before);
        }
    }
}

/// Where nothing was kept, rows with other numbers are told by their range.
#[test]
fn an_undo_of_renumbered_rows_goes_by_the_ranges() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let ruined = contents(&centre);
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &options(40), Some(&undo), &Silent).unwrap();
    centre.run(RENUMBER);
    undo_with(&centre, &undo, &UndoOptions::default()).unwrap();
    assert_eq!(contents(&centre), ruined);
}

/// A damaged undo set is not used, and nothing is changed for it.
#[test]
fn a_unit_whose_saved_rows_are_damaged_stays_as_the_restore_left_it() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &options(40), Some(&undo), &Silent).unwrap();
    let name = undo.list().unwrap().remove(0);
    let mut bytes = undo.remove(&name).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 4;
    undo.insert(&name, bytes);
    let store = centre.store();
    let set = find_set(&undo, set_id(0xAA)).unwrap().unwrap();
    let plan = restore::undo_plan(&set, &store, &UndoOptions::default(), &Silent).unwrap();
    let refused: Vec<u32> =
        plan.units.iter().filter(|unit| unit.refusal.is_some()).map(|unit| unit.line.number).collect();
    assert!(plan.refusals.iter().all(|refusal| refusal.class == Class::Damage), "{:?}", plan.refusals);
    assert!(!refused.is_empty() && refused.len() < plan.units.len(), "{:?}", plan.refusals);
    let error = undo_with(&centre, &undo, &UndoOptions::default()).unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
    let lines = store.snapshot(1).unwrap().units(plan.run.number).unwrap();
    let left: Vec<u32> =
        lines.iter().rev().filter(|line| line.status == UnitStatus::Applied).map(|line| line.number).collect();
    assert_eq!(left, refused);
}

/// Two restores one after the other are undone one after the other, the later one first.
#[test]
fn restores_are_undone_in_turn() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let first = keyed(&centre);
    let undo = [MemoryDevice::new(), MemoryDevice::new()];
    let set = only_set(&device);
    restore_onto(&set, &centre, &options(40), Some(&undo[0]), &Silent).unwrap();
    centre.run("UPDATE hsplit SET acdcalls = 5 WHERE row_date = '2024-03-03'");
    let second = keyed(&centre);
    restore_onto(&set, &centre, &options(40), Some(&undo[1]), &Silent).unwrap();
    let early = UndoOptions { run: Some(1), ..UndoOptions::default() };
    let error = undo_with(&centre, &undo[0], &early).unwrap_err();
    assert!(error.to_string().contains("restore 2 has replaced rows there since"), "{error}");
    undo_with(&centre, &undo[1], &UndoOptions::default()).unwrap();
    assert_eq!(keyed(&centre), second);
    // Asked twice, the last restore is meant twice.
    let error = undo_with(&centre, &undo[0], &UndoOptions::default()).unwrap_err();
    assert_eq!(error.class(), Class::Nothing);
    let text = error.to_string();
    assert!(text.contains("restore 2 is undone already") && text.contains("--run 1"), "{text}");
    let error = undo_with(&centre, &undo[0], &early).unwrap_err();
    assert!(error.to_string().contains("changed since"), "{error}");
    undo_with(&centre, &undo[0], &UndoOptions { force: true, ..early }).unwrap();
    assert_eq!(keyed(&centre), first);
}

/// A table without times that was replaced for all ACDs and then for one, or the other way round: the restores go back in turn
/// only.
#[test]
fn whole_tables_of_all_and_of_one_acd_are_undone_in_turn() {
    for (first, second, apart) in
        [(None, Some(1), false), (Some(1), None, false), (Some(1), Some(1), false), (Some(1), Some(2), true)]
    {
        let centre = world();
        let device = backup(&centre);
        centre.run(RUIN);
        let ruined = keyed(&centre);
        let undos = [MemoryDevice::new(), MemoryDevice::new()];
        for (acd, undo) in [first, second].into_iter().zip(&undos) {
            let select = restore::Select::Tables(vec!["synonyms".to_owned()]);
            let options = Options { acd, select, ..options(250_000) };
            let store = centre.store();
            let set = only_set(&device);
            let restore = Restore::new(&set, &store, options);
            restore.apply(&restore.plan().unwrap(), Some(Keep { device: undo, set: set_id(0xAA) })).unwrap();
        }
        let of_first = UndoOptions { run: Some(1), ..UndoOptions::default() };
        let undone = undo_with(&centre, &undos[0], &of_first);
        if apart {
            undone.unwrap();
        } else {
            let error = undone.unwrap_err();
            assert!(error.to_string().contains("refused by the rule replaced-since"), "{first:?} {second:?}: {error}");
        }
        undo_with(&centre, &undos[1], &UndoOptions { run: Some(2), ..UndoOptions::default() }).unwrap();
        if !apart {
            undo_with(&centre, &undos[0], &of_first).unwrap();
        }
        assert_eq!(keyed(&centre), ruined, "{first:?} {second:?}");
    }
}

/// Rows without a usable time are a unit of their own, which reads only the chunks that have some.
#[test]
fn rows_without_a_time_cost_the_chunks_that_have_them() {
    let read_with = |undated: &str| {
        let centre = Centre::new(&[HSPLIT]);
        centre.run(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO hsplit \
             SELECT '2024-02-' || printf('%02d', 1 + i / 400), (i % 24) * 100, 60, 1, i, i * 7919 % 99991, hex(i * 104729) \
             FROM n",
        );
        centre.run(undated);
        let device = MemoryDevice::new();
        backup_with(&centre, &device, &backup::Options { volume_size: Some(48 << 10), ..backup_options(1) });
        let watched = FaultDevice::new(device, 1);
        let (set, store) = (only_set(&watched), centre.store());
        let restore = Restore::new(&set, &store, options(250_000)).remembering(0);
        let plan = restore.plan().unwrap();
        let before = watched.count(Op::Read);
        let report = restore.apply(&plan, None).unwrap();
        assert_eq!(report.units.len(), if undated.is_empty() { 1 } else { 2 });
        let chunks = ranges(&plan, "hsplit").sources[0].chunks.len();
        (chunks, watched.count(Op::Read) - before)
    };
    let (chunks, without) = read_with("");
    let (_, with) = read_with("INSERT INTO hsplit VALUES ('no day', 900, 30, 1, 1, 7, 'x')");
    assert!(chunks > 8 && without >= chunks, "{chunks} chunks, {without} reads");
    // The row's chunk, and another one if it was cut for it.
    let each = without / chunks;
    assert!(
        with <= without + 2 * each,
        "{chunks} chunks, {without} reads without and {with} with a row without a time"
    );
}

/// A restore of administration data that ended early goes on in single-user mode only, as it was begun.
#[test]
fn a_restore_is_not_resumed_in_a_state_that_forbids_it() {
    let centre = world();
    let whole = contents(&centre);
    let device = backup(&centre);
    centre.run(RUIN);
    let (set, store) = (only_set(&device), centre.store());
    let mut refused = 0;
    for questions in 0..40 {
        if restore_onto(&set, &centre, &Options { anew: true, ..options(20) }, None, &StopAfter::new(questions)).is_ok()
        {
            break;
        }
        let Some(unfinished) = restore::unfinished(&store).unwrap() else { continue };
        let table =
            |unit: &intervault::store::control::Unit| unit.table == "synonyms" && unit.status == UnitStatus::Planned;
        let left = unfinished.units.iter().any(table);
        centre.state(Collection::On, Mode::MultiUser);
        let resumed = Restore::new(&set, &store, options(20)).resume(&unfinished);
        assert_eq!(resumed.is_err(), left, "{questions}");
        if let Err(stopped) = resumed {
            assert!(stopped.error.to_string().contains("single-user"), "{stopped}");
            refused += 1;
        }
        centre.state(Collection::On, Mode::SingleUser);
        if left {
            Restore::new(&set, &store, options(20)).resume(&unfinished).unwrap();
        }
        assert_eq!(contents(&centre), whole);
        centre.run(RUIN);
    }
    assert!(refused > 0);
}

/// What a run was asked for may be written by another release: that stops a resume, never an undo.
#[test]
fn a_run_whose_options_cannot_be_read_is_undone() {
    let centre = world();
    let device = backup(&centre);
    centre.run(RUIN);
    let ruined = keyed(&centre);
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &options(40), Some(&undo), &Silent).unwrap();
    centre.run("UPDATE intervault_restore SET options = 'version = 9'");
    undo_with(&centre, &undo, &UndoOptions::default()).unwrap();
    assert_eq!(keyed(&centre), ruined);
}
