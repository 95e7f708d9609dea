//! A second pair of eyes: what could still go wrong where a restore is gone on with, where rows bring numbers of their own, and
//! at the ends of ranges.

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

/// Rows without a usable time are a unit of their own, also where the rows bring their own row numbers.
#[test]
fn row_numbers_of_undated_rows_are_in_nobodys_way() {
    let table = HSPLIT.replace("TABLE hsplit (", "TABLE hsplit (id INTEGER PRIMARY KEY, ");
    let fill = |centre: &Centre, ids: [i64; 5]| {
        let dates = ["never", "2024-03-10", "2024-03-11", "2024-03-12", "2024-03-13"];
        for (date, id) in dates.iter().zip(ids) {
            centre.run(&format!("INSERT INTO hsplit VALUES ({id}, '{date}', 900, 30, 1, 1, 7, 'a')"));
        }
    };
    let (source, target) = (Centre::new(&[&table]), Centre::new(&[&table]));
    fill(&source, [1, 2, 3, 4, 5]);
    fill(&target, [5, 1, 2, 3, 4]);
    let device = backup(&source);
    let before = target.rows("hsplit");
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &target, &options(250_000), Some(&undo), &Silent)
        .unwrap_or_else(|stopped| panic!("{}", stopped.error));
    assert_eq!(target.rows("hsplit"), source.rows("hsplit"));
    undo_watched(&target, &undo, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!(target.rows("hsplit"), before);
}

/// The same with a number that must be unique and is no row number: two days have changed places.
#[test]
fn unique_values_of_later_slices_are_in_nobodys_way() {
    for unit_rows in [250_000, 8] {
        let unique = format!("{HSPLIT}; CREATE UNIQUE INDEX hsplit_u ON hsplit (acdcalls)");
        let fill = |centre: &Centre, days: [i64; 2]| {
            for (day, number) in days.iter().zip([100, 200]) {
                for slot in 0..8 {
                    centre.interval(&format!("2024-03-{day}"), 800 + slot * 100, 30, 1, number + slot);
                }
            }
        };
        let (source, target) = (Centre::new(&[&unique]), Centre::new(&[&unique]));
        fill(&source, [10, 11]);
        fill(&target, [11, 10]);
        let device = backup(&source);
        let before = target.rows("hsplit");
        let undo = MemoryDevice::new();
        restore_onto(&only_set(&device), &target, &options(unit_rows), Some(&undo), &Silent)
            .unwrap_or_else(|stopped| panic!("units of {unit_rows} rows: {}", stopped.error));
        assert_eq!(target.rows("hsplit"), source.rows("hsplit"));
        undo_watched(&target, &undo, &UndoOptions::default(), &Silent).unwrap();
        assert_eq!(target.rows("hsplit"), before);
    }
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

/// A row that the set lacks was deleted with its number, and a row that came later has that number by now, in a table whose rows
/// bring theirs. What is of other tables can be taken back all the same.
#[test]
fn a_partial_undo_leaves_out_the_unit_whose_number_is_taken_only() {
    for keyed in ["hsplit", "dsplit"] {
        let with_key = |table: &str, name: &str| match keyed == name {
            true => table.replace(&format!("TABLE {name} ("), &format!("TABLE {name} (id INTEGER PRIMARY KEY, ")),
            false => table.to_owned(),
        };
        let centre = Centre::new(&[&with_key(HSPLIT, "hsplit"), &with_key(DSPLIT, "dsplit")]);
        let hour = |day: i64, calls: i64| {
            centre.run(&format!(
                "INSERT INTO hsplit (row_date, starttime, intrvl, acd, split, acdcalls, logid) VALUES \
                 ('2024-03-{day}', 900, 30, 1, 1, {calls}, 'a'); \
                 INSERT INTO dsplit (row_date, acd, split, acdcalls) VALUES ('2024-03-{day}', 1, 1, {calls})"
            ));
        };
        [20, 22].into_iter().for_each(|day| hour(day, 10));
        let device = backup(&centre);
        centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
        hour(21, -1);
        let undo = MemoryDevice::new();
        restore_onto(&only_set(&device), &centre, &options(250_000), Some(&undo), &Silent).unwrap();
        hour(23, 99);
        assert_eq!(centre.count(&format!("SELECT id FROM {keyed} WHERE acdcalls = 99")), 3);
        let undone = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).map_err(|error| error.to_string());
        let other = if keyed == "hsplit" { "dsplit" } else { "hsplit" };
        let back = centre.count(&format!("SELECT count(*) FROM {other} WHERE acdcalls = -1"));
        assert_eq!(back, 3, "{other} was not taken back because of {keyed}: {undone:?}");
    }
}

/// A table is gone since the restore: what is of other tables can be taken back all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_partial_undo_leaves_out_the_table_that_is_gone_only() {
    use super::commands::{Case, intervault, run};
    let case = Case::new();
    case.ruin();
    let before = case.centre.rows("(SELECT rowid, * FROM hsplit)");
    let url = case.url();
    run(
        &[
            "restore",
            "--database",
            &url,
            "--from",
            &case.device(),
            "--yes",
            "--uncovered",
            "delete",
            "--data",
            "historical",
        ],
        0,
    );
    case.centre.run("DROP TABLE dsplit");
    let output = intervault(&["undo", "--database", &url, "--yes", "--partial"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        case.centre.rows("(SELECT rowid, * FROM hsplit)") == before,
        "hsplit was not taken back because of dsplit: {said}"
    );
}

/// A later row has the number of one row that goes back: that one gets another, and all others get theirs.
#[test]
fn one_number_that_is_taken_costs_one_row_its_number() {
    let centre = Centre::new(&[HSPLIT]);
    centre.interval("2024-03-09", 800, 30, 1, 1);
    centre.interval("2024-03-11", 800, 30, 1, 1);
    let device = backup(&centre);
    centre.run(
        "DELETE FROM hsplit; WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199999) \
         INSERT INTO hsplit SELECT '2024-03-10', 900, 30, 1, 1, i, 'a' FROM n",
    );
    let undo = MemoryDevice::new();
    let day =
        Options { request: restore_options(Some("2024-03-10"), Some("2024-03-10 23:59")).request, ..options(250_000) };
    restore_onto(&only_set(&device), &centre, &day, Some(&undo), &Silent).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 0);
    centre.interval("2024-03-12", 800, 30, 1, 1);
    let report = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!((report.put_back, report.new_keys), (200_000, 1));
}

/// One chunk of the undo set is damaged: what is of other tables can be taken back all the same.
#[test]
fn a_partial_undo_leaves_out_the_unit_whose_rows_cannot_be_read_only() {
    use intervault::device::traits::Device;
    use intervault::volume::set::find_set;
    for damaged in ["hsplit", "dsplit"] {
        let centre = Centre::new(&[HSPLIT, DSPLIT]);
        centre.intervals("2024-03-20", 800, 1000, 30, 1);
        centre.run("INSERT INTO dsplit VALUES ('2024-03-20', 1, 1, 10)");
        let device = backup(&centre);
        centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
        let undo = MemoryDevice::new();
        restore_onto(&only_set(&device), &centre, &options(250_000), Some(&undo), &Silent).unwrap();
        let entry = {
            let set = find_set(&undo, set_id(0xAA)).unwrap().unwrap();
            let section = set.sections().iter().find(|section| section.header.table == damaged).unwrap();
            section.chunks[0].entry
        };
        let name = undo.list().unwrap().remove(0);
        let mut bytes = undo.remove(&name).unwrap();
        bytes[(entry.offset + u64::from(entry.bytes) / 2) as usize] ^= 4;
        undo.insert(&name, bytes);
        let undone = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).map_err(|error| error.to_string());
        let other = if damaged == "hsplit" { "dsplit" } else { "hsplit" };
        let left = centre.count(&format!("SELECT count(*) FROM {other} WHERE acdcalls <> -1"));
        assert_eq!(left, 0, "{other} was not taken back because of {damaged}: {undone:?}");
    }
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
