//! What was decided stays decided: by a plan that is applied later, by a run that is gone on with, and where ranges end.

use super::support::*;
use super::undo::{options, restore_onto, undo_watched};
use intervault::backup;
use intervault::base::monitor::{Monitor, Silent};
use intervault::device::memory::MemoryDevice;
use intervault::restore::{self, Options, Restore, RestoreReport, Stopped, UndoOptions};
use intervault::schema::range::{Carried, Policies, Uncovered};
use intervault::volume::set::list_sets;
use std::path::PathBuf;
use std::time::Duration;

/// Stops once the journal has so many units as applied.
struct StopAt {
    database: PathBuf,
    units: i64,
}

impl Monitor for StopAt {
    fn cancelled(&self) -> bool {
        let sql = rusqlite::Connection::open(&self.database).unwrap();
        let applied = "SELECT count(*) FROM intervault_unit WHERE status = 'applied'";
        sql.query_row(applied, [], |row| row.get::<_, i64>(0)).is_ok_and(|applied| applied >= self.units)
    }
}

fn stop_at(centre: &Centre, units: i64) -> StopAt {
    StopAt { database: centre.path(), units }
}

/// Restores the only set of a device and stops after the first unit.
fn one_unit(centre: &Centre, device: &MemoryDevice, options: &Options, undo: Option<&MemoryDevice>) {
    let stopped = restore_onto(&only_set(device), centre, options, undo, &stop_at(centre, 1)).unwrap_err();
    let unfinished = restore::unfinished(&centre.store()).unwrap();
    assert_eq!(unfinished.map(|run| run.applied()), Some(1), "{}", stopped.error);
}

fn resume(centre: &Centre, device: &MemoryDevice, base: Options) -> Result<RestoreReport, Box<Stopped>> {
    let (set, store) = (only_set(device), centre.store());
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    Restore::new(&set, &store, base).resume(&unfinished)
}

/// Nothing was kept, and the restore stopped after its first unit. Meanwhile a row went and another one came, where the set
/// has none: nobody was asked about that one.
#[test]
fn a_resume_asks_before_it_deletes_an_uncovered_row() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..16 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1200, 30, 1);
    }
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let careful = Options { unit_rows: 8, ..restore_options(None, None) };
    one_unit(&centre, &device, &careful, None);
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-14' AND starttime = 800");
    centre.interval("2024-03-14", 1300, 30, 1, 99);
    let resumed = resume(&centre, &device, careful);
    let there = centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = 99");
    assert_eq!(there, 1, "an uncovered row was deleted, though the rule is to refuse: {resumed:?}");
}

/// A collecting target whose rows of yesterday last an hour, and those of the set half an hour: once yesterday is replaced the
/// longest row is shorter, and less of today counts as unsettled.
fn shorter_rows_since() -> (Centre, MemoryDevice, Options) {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-19", 800, 1800, 30, 1);
    source.intervals("2024-03-20", 800, 1030, 30, 1);
    source.intervals("2024-03-19", 800, 1000, 30, 2);
    source.intervals("2024-03-20", 930, 1030, 30, 2);
    let device = backup(&source);
    let target = Centre::new(&[HSPLIT]);
    target.intervals("2024-03-19", 800, 1800, 60, 1);
    target.intervals("2024-03-20", 800, 1030, 30, 1);
    target.intervals("2024-03-19", 800, 1000, 30, 2);
    target.intervals("2024-03-20", 930, 1030, 30, 2);
    target.run("UPDATE hsplit SET acdcalls = -1");
    let options = Options { unit_rows: 30, ..Options::new(at("2024-03-20 10:10"), at("2024-03-20 10:10").0) };
    (target, device, options)
}

const AT_NINE: &str = "SELECT count(*) FROM hsplit WHERE row_date = '2024-03-20' AND starttime = 900 AND acd = 1";

#[test]
fn a_resume_deletes_no_row_across_the_end_of_its_slice() {
    let (centre, device, options) = shorter_rows_since();
    one_unit(&centre, &device, &options, None);
    let resumed = resume(&centre, &device, options);
    assert_eq!(centre.count(AT_NINE), 1, "deleted, and nothing in its place: {resumed:?}");
}

#[test]
fn a_resume_finishes_though_its_own_first_unit_has_changed_the_longest_row() {
    let (centre, device, options) = shorter_rows_since();
    let undo = MemoryDevice::new();
    one_unit(&centre, &device, &options, Some(&undo));
    let resumed = resume(&centre, &device, options).map_err(|stopped| stopped.error.to_string());
    assert!(resumed.is_ok(), "nobody has touched the target: {resumed:?}");
    assert_eq!(centre.count(AT_NINE), 1);
}

/// Of the options given to a resume only threads and the moment are used, says its documentation. The instant after which
/// nothing is touched is in no line of the journal.
#[test]
fn a_resume_remembers_until_when_the_target_may_be_touched() {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-19", 800, 1200, 30, 1);
    source.interval("2024-03-20", 800, 30, 1, 7);
    source.interval("2024-03-20", 830, 60, 1, 7);
    source.interval("2024-03-20", 930, 30, 1, 7);
    let device = backup(&source);
    source.run("UPDATE hsplit SET acdcalls = -1");
    let policies = Policies { uncovered: Uncovered::Keep, ..Policies::default() };
    let options =
        Options { unit_rows: 4, policies, settled_until: Some(at("2024-03-20 09:00")), ..restore_options(None, None) };
    one_unit(&source, &device, &options, None);
    let resumed = resume(&source, &device, restore_options(None, None));
    let there = "SELECT count(*) FROM hsplit WHERE row_date = '2024-03-20' AND starttime = 830";
    assert_eq!(source.count(there), 1, "deleted, and nothing in its place: {resumed:?}");
}

/// The full set has a row that was half written at its cutoff and reaches into a range to which a later member was restored,
/// which has none there.
fn carried_row_undone(force: bool) {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-19", 800, 1200, 30, 1);
    source.interval("2024-03-20", 830, 60, 1, 5);
    let device = MemoryDevice::new();
    backup_with(&source, &device, &backup::Options { now: at("2024-03-20 09:10"), ..backup_options(1) });
    source.run("DELETE FROM hsplit WHERE row_date = '2024-03-20'");
    source.intervals("2024-03-20", 1000, 1200, 30, 1);
    super::chains::incremental(&source, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    target.intervals("2024-03-19", 800, 1200, 30, 1);
    target.run("UPDATE hsplit SET acdcalls = -1");
    let sets = list_sets(&device).unwrap().sets;
    let member = |sequence| sets.iter().find(|set| set.label().sequence == sequence).unwrap();
    restore_set(member(1), &target, &restore_options(Some("2024-03-20 09:00"), None)).unwrap();
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-20'"), 4);
    let before = target.rows("(SELECT rowid, * FROM hsplit)");
    let policies = Policies { carried: Carried::Insert, ..Policies::default() };
    let options = Options { policies, ..restore_options(None, None) };
    let undo = MemoryDevice::new();
    restore_onto(member(0), &target, &options, Some(&undo), &Silent).unwrap();
    let options = UndoOptions { force, ..UndoOptions::default() };
    let undone = undo_watched(&target, &undo, &options, &Silent).map_err(|error| error.to_string());
    assert!(target.rows("(SELECT rowid, * FROM hsplit)") == before, "{undone:?}: {:#?}", target.rows("hsplit"));
}

#[test]
fn a_carried_row_that_reaches_into_a_later_members_range_is_undone() {
    carried_row_undone(false);
}

/// By force the row stays behind, and no line of the journal knows it any more.
#[test]
fn a_carried_row_that_reaches_into_a_later_members_range_is_undone_by_force() {
    carried_row_undone(true);
}

/// Days that mean "never" in the first and the last year, many of each, and as many rows without a day, all mixed.
#[test]
fn rows_at_both_ends_of_time_are_cut_in_finite_time() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let centre = Centre::new(&[DSPLIT]);
        centre.run(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299999) INSERT INTO dsplit \
             SELECT CASE i % 3 WHEN 0 THEN '0001-01-01' WHEN 1 THEN '9999-12-31' ELSE 'never' END, 1, 1, i FROM n",
        );
        let device = MemoryDevice::new();
        let quick = backup::Options { read_back: backup::ReadBack::Skip, ..backup_options(1) };
        backup_with(&centre, &device, &quick);
        centre.state(intervault::store::control::Collection::Off, intervault::store::control::Mode::SingleUser);
        centre.run("DELETE FROM dsplit");
        let policies = Policies { carried: Carried::Insert, ..Policies::default() };
        let (set, store) = (only_set(&device), centre.store());
        let restore = Restore::new(&set, &store, Options { policies, ..restore_options(None, None) });
        let plan = restore.plan().unwrap();
        done.send(None).unwrap();
        done.send(Some(restore.units(&plan).len())).unwrap();
    });
    assert_eq!(wait.recv_timeout(Duration::from_secs(300)), Ok(None), "planning takes too long for this test");
    let units = wait.recv_timeout(Duration::from_secs(60));
    assert!(units.is_ok(), "cutting the plan into units does not end");
}

/// A restore that is at work did not end early, whoever asks.
#[cfg(target_os = "linux")]
#[test]
fn a_restore_that_is_at_work_is_not_offered_to_be_finished() {
    use super::commands::{Case, run};
    use intervault::store::traits::Store;
    let case = Case::new();
    case.ruin();
    let centre = &case.centre;
    let (url, from) = (case.url(), case.device());
    run(
        &[
            "restore",
            "--database",
            &url,
            "--from",
            &from,
            "--yes",
            "--no-undo",
            "--uncovered",
            "delete",
            "--data",
            "historical",
        ],
        0,
    );
    centre.run("UPDATE intervault_restore SET status = 'begun', ended_utc = NULL");
    let store = centre.store();
    let _lock = store.lock().unwrap();
    let (out, err) = run(&["restore", "--database", &url, "--from", &from, "--resume", "--dry-run"], 6);
    assert!(!out.contains("ended early"), "{out}{err}");
}

/// The plan of an old member was shown when an older one lay over the newest in the target. Before somebody says yes that one is
/// taken back, by its number, for another restore came after it elsewhere.
#[test]
fn a_plan_made_before_an_earlier_run_was_undone_does_not_bring_its_day_back() {
    let source = Centre::new(&[HSPLIT]);
    for day in 10..14 {
        source.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&source);
    source.run("UPDATE hsplit SET acdcalls = 777 WHERE row_date = '2024-03-11'");
    super::chains::incremental(&source, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    for day in 10..14 {
        target.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let sets = list_sets(&device).unwrap().sets;
    let member = |sequence| sets.iter().find(|set| set.label().sequence == sequence).unwrap();
    let late = "SELECT count(*) FROM hsplit WHERE acdcalls = 777";
    restore_set(member(1), &target, &options(40)).unwrap();
    assert_eq!(target.count(late), 4);
    let day = |day: &str| {
        let stop = format!("{day} 23:59");
        Options { older_wins: true, ..restore_options(Some(day), Some(&stop)) }
    };
    let undo = MemoryDevice::new();
    restore_onto(member(0), &target, &day("2024-03-11"), Some(&undo), &Silent).unwrap();
    assert_eq!(target.count(late), 0);
    restore_set(member(0), &target, &day("2024-03-13")).unwrap();
    let store = target.store();
    let full = Restore::new(member(0), &store, options(40));
    let plan = full.plan().unwrap();
    undo_watched(&target, &undo, &UndoOptions { run: Some(2), ..UndoOptions::default() }, &Silent).unwrap();
    assert_eq!(target.count(late), 4);
    let applied = full.apply(&plan, None);
    assert_eq!(target.count(late), 4, "the older member brought a stale day back: {applied:?}");
}

/// The plan of an old member was made, to begin anew, when a restore of a later one had ended early. Before somebody says yes
/// that one goes on for a unit, and ends early again.
#[test]
fn a_plan_made_before_a_resume_that_stopped_does_not_bring_its_day_back() {
    use intervault::volume::chain::Chain;
    let source = Centre::new(&[HSPLIT]);
    for day in 10..14 {
        source.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&source);
    source.run("UPDATE hsplit SET acdcalls = 777 WHERE row_date > '2024-03-10'");
    super::chains::incremental(&source, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    for day in 10..14 {
        target.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let sets = list_sets(&device).unwrap().sets;
    let member = |sequence| sets.iter().find(|set| set.label().sequence == sequence).unwrap();
    let late = "SELECT count(*) FROM hsplit WHERE acdcalls = 777";
    restore_onto(member(1), &target, &options(4), None, &stop_at(&target, 1)).unwrap_err();
    assert_eq!(target.count(late), 4);
    let store = target.store();
    let full = Restore::new(member(0), &store, Options { anew: true, ..options(40) });
    let plan = full.plan().unwrap();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    let stop = stop_at(&target, 2);
    let resumed = Restore::new(Chain::alone(member(1)), &store, options(4)).watched(&stop).resume(&unfinished);
    assert_eq!((target.count(late), resumed.is_err()), (8, true), "{resumed:?}");
    let applied = full.apply(&plan, None);
    assert_eq!(target.count(late), 8, "the older member brought a stale day back: {applied:?}");
}
