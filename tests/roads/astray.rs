//! Ways in which a restore, a resume or an undo could be led astray: somebody else comes between, rows get other numbers, the
//! state of the database changes.

use super::support::*;
use super::undo::{StopAfter, options, restore_onto, undo_watched};
use intervault::base::monitor::Silent;
use intervault::base::time::Instant;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::restore::{self, Options, Outcome, Part, Restore, UndoOptions};
use intervault::schema::range::{Carried, Policies, Uncovered};
use intervault::store::control::{Collection, Mode, RunStatus};
use intervault::store::traits::Store;
use intervault::volume::set::find_set;

/// The target writes the table's name in capitals, as SQLite allows.
#[test]
fn a_table_in_other_capitals_is_undone() {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-20", 800, 1200, 30, 1);
    let device = backup(&source);
    let target = Centre::new(&[&HSPLIT.replace("TABLE hsplit", "TABLE HSPLIT")]);
    target.intervals("2024-03-20", 800, 1200, 30, 1);
    target.run("UPDATE hsplit SET acdcalls = -1");
    let before = target.rows("(SELECT rowid, * FROM hsplit)");
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &target, &options(40), Some(&undo), &Silent).unwrap();
    undo_watched(&target, &undo, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!(target.rows("(SELECT rowid, * FROM hsplit)"), before);
}

/// A restore stops half way, its undo stops half way, and then it is finished after all.
#[test]
fn a_resume_after_half_an_undo_restores_all_or_says_no() {
    let (centre, device, undo, whole, _) = half();
    undo_watched(&centre, &undo, &UndoOptions::default(), &StopAfter::new(1)).unwrap_err();
    let store = centre.store();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    let resumed = Restore::new(&only_set(&device), &store, options(8)).resume(&unfinished);
    if let Ok(report) = resumed {
        assert_eq!(centre.rows("hsplit"), whole, "the resume said that it has finished: {report:?}");
    }
}

/// Days that mean "never" in the first and the last year, with carried rows asked for.
#[test]
fn days_at_the_ends_of_time_are_undone() {
    let centre = Centre::new(&[DSPLIT]);
    centre.run("INSERT INTO dsplit VALUES ('0001-01-01', 1, 1, 5), ('2024-03-01', 1, 1, 6), ('9999-12-31', 1, 1, 7)");
    let device = backup(&centre);
    centre.state(Collection::Off, Mode::SingleUser);
    centre.run("UPDATE dsplit SET acdcalls = -1; DELETE FROM dsplit WHERE row_date = '9999-12-31'");
    let before = centre.rows("(SELECT rowid, * FROM dsplit)");
    let undo = MemoryDevice::new();
    let policies = Policies { carried: Carried::Insert, ..Policies::default() };
    let options = Options { policies, ..restore_options(None, None) };
    restore_onto(&only_set(&device), &centre, &options, Some(&undo), &Silent).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM dsplit WHERE acdcalls > 0"), 3);
    undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!(centre.rows("(SELECT rowid, * FROM dsplit)"), before);
}

/// By force, after the rows got other numbers, beside kept rows.
#[test]
fn a_forced_undo_of_renumbered_rows_loses_no_kept_row() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 900, 30, 1);
    centre.intervals("2024-03-20", 1000, 1800, 30, 1);
    let device = backup(&centre);
    centre.intervals("2024-03-20", 900, 1000, 30, 1);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let before = centre.rows("hsplit");
    let undo = MemoryDevice::new();
    let policies = Policies { uncovered: Uncovered::Keep, ..Policies::default() };
    let options = Options { policies, ..restore_options(None, None) };
    restore_onto(&only_set(&device), &centre, &options, Some(&undo), &Silent).unwrap();
    centre.run(
        "CREATE TABLE other AS SELECT * FROM hsplit ORDER BY starttime DESC; \
        DELETE FROM hsplit; INSERT INTO hsplit SELECT * FROM other; DROP TABLE other",
    );
    // Nobody can tell the rows of the restore from those that stayed: nothing is changed, and it is said.
    let restored = centre.rows("hsplit");
    let error =
        undo_watched(&centre, &undo, &UndoOptions { force: true, ..UndoOptions::default() }, &Silent).unwrap_err();
    assert!(error.to_string().contains("other keys by now"), "{error}");
    assert_eq!(centre.rows("hsplit"), restored);
    assert_ne!(restored, before);
}

/// An hour of the night that lasts very long lies across the beginning of what is held.
#[test]
fn a_long_row_across_the_edge_does_not_stop_a_restore() {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-20", 800, 1200, 30, 1);
    let device = backup(&source);
    let target = Centre::new(&[HSPLIT]);
    target.intervals("2024-03-20", 800, 1200, 30, 1);
    target.interval("2024-03-19", 801, 1440, 1, 9);
    target.interval("2024-03-18", 801, 2880, 1, 9);
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &target, &options(40), Some(&undo), &Silent).unwrap();
    undo_watched(&target, &undo, &UndoOptions::default(), &Silent).unwrap();
    let _ = Instant::MIN;
}

/// Single-user mode was needed when the restore began, and is needed when it goes on.
#[test]
fn a_resume_needs_the_mode_that_the_restore_needed() {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    centre.intervals("2024-03-20", 800, 1200, 30, 1);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', '')");
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE synonyms SET value = 'x'");
    let set = only_set(&device);
    let mut at = 0;
    loop {
        let undo = MemoryDevice::new();
        let stopped =
            restore_onto(&set, &centre, &Options { anew: true, ..options(8) }, Some(&undo), &StopAfter::new(at));
        assert!(at < 300, "{:?}", stopped.map_err(|stopped| stopped.error));
        assert!(stopped.is_err());
        if restore::unfinished(&centre.store()).unwrap().is_some() {
            break;
        }
        at += 1;
    }
    centre.state(Collection::On, Mode::MultiUser);
    let store = centre.store();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    let resumed = Restore::new(&set, &store, options(8)).resume(&unfinished);
    assert!(resumed.is_err(), "administration data was replaced in multi-user mode");
}

/// The plan of the full set was shown; before somebody says yes a later member is restored by somebody else. Its rows are as
/// many and of the same times, with other contents.
#[test]
fn a_plan_made_before_a_later_member_was_restored_does_not_bring_its_day_back() {
    use intervault::volume::set::list_sets;
    let source = Centre::new(&[HSPLIT]);
    for day in 10..13 {
        source.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&source);
    source.run("UPDATE hsplit SET acdcalls = 777 WHERE row_date = '2024-03-11'");
    super::chains::incremental(&source, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    for day in 10..13 {
        target.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let sets = list_sets(&device).unwrap().sets;
    let member = |sequence| sets.iter().find(|set| set.label().sequence == sequence).unwrap();
    let store = target.store();
    let full = Restore::new(member(0), &store, options(40));
    let plan = full.plan().unwrap();
    restore_set(member(1), &target, &options(40)).unwrap();
    let late = "SELECT count(*) FROM hsplit WHERE acdcalls = 777";
    assert_eq!(target.count(late), 4);
    let applied = full.apply(&plan, None);
    assert_eq!(target.count(late), 4, "the older member brought a stale day back: {applied:?}");
}

/// A target with many rows whose time cannot be read, a set with one such row.
#[test]
fn rows_without_a_time_are_not_lost_unasked() {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-20", 800, 1200, 30, 1);
    source.interval("junk", 900, 30, 1, 7);
    let device = backup(&source);
    let target = Centre::new(&[HSPLIT]);
    target.intervals("2024-03-20", 800, 1200, 30, 1);
    for day in 1..29 {
        target.interval(&format!("03/{day:02}/2024"), 900, 30, 1, day);
    }
    let set = only_set(&device);
    let refusals = plan(&set, &target, &restore_options(None, None)).refusals;
    let told = |line: String| line.contains("28 rows without a usable time would be replaced by 1");
    assert!(refusals.iter().any(|refusal| told(refusal.to_string())), "28 rows go, 1 comes, and nothing is said");
    let undated = "SELECT count(*) FROM hsplit WHERE row_date NOT LIKE '2024-%'";
    for (uncovered, left) in [(Uncovered::Keep, 28), (Uncovered::Delete, 1)] {
        let policies = Policies { uncovered, ..Policies::default() };
        restore_set(&set, &target, &Options { policies, ..restore_options(None, None) }).unwrap();
        assert_eq!(target.count(undated), left, "{uncovered:?}");
    }
}

/// An undo may not replace administration data where a restore may not.
#[test]
fn an_undo_needs_the_mode_that_the_restore_needed() {
    let centre = Centre::new(&[SYNONYMS]);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', '')");
    let device = backup(&centre);
    centre.run("UPDATE synonyms SET value = 'x'");
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &options(8), Some(&undo), &Silent).unwrap();
    centre.state(Collection::On, Mode::MultiUser);
    assert!(undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).is_err());
}

/// Rows without a declared key got other numbers beside kept rows: that unit cannot be taken back, the other one can.
#[test]
fn a_partial_undo_leaves_out_the_renumbered_unit_only() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    centre.intervals("2024-03-20", 800, 900, 30, 1);
    centre.intervals("2024-03-20", 1000, 1800, 30, 1);
    centre.run("INSERT INTO dsplit VALUES ('2024-03-20', 1, 1, 10)");
    let device = backup(&centre);
    centre.intervals("2024-03-20", 900, 1000, 30, 1);
    centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
    let undo = MemoryDevice::new();
    let policies = Policies { uncovered: Uncovered::Keep, ..Policies::default() };
    let options = Options { policies, ..restore_options(None, None) };
    restore_onto(&only_set(&device), &centre, &options, Some(&undo), &Silent).unwrap();
    centre.run(
        "CREATE TABLE other AS SELECT * FROM hsplit ORDER BY starttime DESC; DELETE FROM hsplit; \
        INSERT INTO hsplit SELECT * FROM other; DROP TABLE other",
    );
    undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap_err();
    assert_eq!(centre.count("SELECT acdcalls FROM dsplit"), -1, "dsplit was not taken back because of hsplit");
}

/// What the plan refuses is refused by who applies it all the same.
#[test]
fn the_guards_hold_for_whoever_applies_a_plan() {
    let centre = Centre::new(&[SYNONYMS]);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', '')");
    let device = backup(&centre);
    centre.run("UPDATE synonyms SET value = 'x'");
    centre.state(Collection::On, Mode::MultiUser);
    let done = restore_set(&only_set(&device), &centre, &restore_options(None, None));
    assert!(done.is_err(), "administration data was replaced in multi-user mode");
}

/// A volume was damaged between the crash and the resume: that is damage, and nobody has changed a row of the target.
#[test]
fn a_resume_names_damage_as_damage() {
    use intervault::device::traits::Device;
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..16 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1200, 30, 1);
    }
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let mut at = 0;
    loop {
        let undo = MemoryDevice::new();
        let set = only_set(&device);
        restore_onto(&set, &centre, &Options { anew: true, ..options(8) }, Some(&undo), &StopAfter::new(at))
            .unwrap_err();
        if restore::unfinished(&centre.store()).unwrap().is_some() {
            break;
        }
        at += 1;
    }
    let chunk = {
        let set = only_set(&device);
        set.sections()[0].chunks[0].entry.block
    };
    let name = device.list().unwrap().remove(0);
    let bytes = device.remove(&name).unwrap();
    for at in (0..bytes.len()).step_by(16) {
        let mut bad = bytes.clone();
        bad[at] ^= 4;
        device.insert(&name, bad);
        let sets = intervault::volume::set::list_sets(&device).map(|found| found.sets).unwrap_or_default();
        let Some(set) = sets.first().filter(|set| set.is_complete() && set.damage().is_empty()) else {
            let _ = device.remove(&name);
            continue;
        };
        if set.read_chunk(&set.sections()[0].chunks[0]).is_ok() {
            drop(sets);
            let _ = device.remove(&name);
            continue;
        }
        let store = centre.store();
        let unfinished = restore::unfinished(&store).unwrap().unwrap();
        let stopped = Restore::new(set, &store, options(8)).resume(&unfinished).unwrap_err();
        assert_eq!(stopped.error.class(), intervault::error::Class::Damage, "block {chunk}: {}", stopped.error);
        return;
    }
    panic!("no byte of the chunk was hit");
}

/// Half a restore of some days, with its undo set.
fn half() -> (Centre, MemoryDevice, MemoryDevice, Vec<String>, Vec<String>) {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..16 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1200, 30, 1);
    }
    let whole = centre.rows("hsplit");
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let ruined = centre.rows("hsplit");
    for at in 0.. {
        centre.run("DROP TABLE IF EXISTS intervault_restore; DROP TABLE IF EXISTS intervault_unit; \
            DROP TABLE IF EXISTS intervault_range; DROP TABLE IF EXISTS intervault_state; UPDATE hsplit SET acdcalls = -1");
        let undo = MemoryDevice::new();
        restore_onto(&only_set(&device), &centre, &options(8), Some(&undo), &StopAfter::new(at)).unwrap_err();
        if restore::unfinished(&centre.store()).unwrap().is_some_and(|run| run.applied() == 3) {
            return (centre, device, undo, whole, ruined);
        }
    }
    panic!("no stop comes after three units")
}

/// While the undo's plan is looked at, somebody finishes the restore.
#[test]
fn an_undo_planned_before_a_resume_takes_all_back_or_nothing() {
    let (centre, device, undo, _, ruined) = half();
    let set = only_set(&device);
    let store = centre.store();
    let kept = find_set(&undo, set_id(0xAA)).unwrap().unwrap();
    let plan = restore::undo_plan(&kept, &store, &UndoOptions::default(), &Silent).unwrap();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    Restore::new(&set, &store, options(8)).resume(&unfinished).unwrap();
    let undone = restore::undo(&plan, &kept, &store, &UndoOptions::default(), &Silent);
    let again = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent);
    assert_eq!(centre.rows("hsplit"), ruined, "{undone:?}, then {again:?}");
}

/// While the question of a resume stands, somebody takes the restore back.
#[test]
fn a_resume_asked_before_an_undo_restores_all_or_nothing() {
    let (centre, device, undo, whole, ruined) = half();
    let set = only_set(&device);
    let store = centre.store();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap();
    let resumed = Restore::new(&set, &store, options(8)).resume(&unfinished);
    let now = centre.rows("hsplit");
    assert!(now == whole || now == ruined, "neither all nor nothing: {resumed:?}");
}

/// The target numbers the same rows in another way, in a column that is the row number. In one unit it works; it has to in
/// several.
#[test]
fn row_numbers_of_later_slices_are_in_nobodys_way() {
    for unit_rows in [250_000, 8] {
        let table = HSPLIT.replace("TABLE hsplit (", "TABLE hsplit (id INTEGER PRIMARY KEY, ");
        let fill = |centre: &Centre, first: i64| {
            for day in 0..4 {
                for slot in 0..8 {
                    centre.run(&format!(
                        "INSERT INTO hsplit VALUES ({}, '2024-03-{}', {}, 30, 1, 1, 7, 'a')",
                        first + day * 8 + slot,
                        10 + day,
                        800 + slot / 2 * 100 + slot % 2 * 30
                    ));
                }
            }
        };
        let (source, target) = (Centre::new(&[&table]), Centre::new(&[&table]));
        fill(&source, 9);
        fill(&target, 1);
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

/// The target's rows refer to another table, which SQLite looks at when the change is made permanent.
#[test]
fn a_reference_that_leads_nowhere_rolls_back_for_certain() {
    let source = Centre::new(&[HSPLIT]);
    source.intervals("2024-03-20", 800, 1200, 30, 2);
    let device = backup(&source);
    let table = HSPLIT.replace("acd SMALLINT", "acd SMALLINT REFERENCES centres (acd)");
    let target =
        Centre::new(&["CREATE TABLE centres (acd INTEGER PRIMARY KEY); INSERT INTO centres VALUES (1)", &table]);
    let undo = MemoryDevice::new();
    let stopped = restore_onto(&only_set(&device), &target, &options(250_000), Some(&undo), &Silent).unwrap_err();
    assert_eq!(stopped.error.class(), intervault::error::Class::NotRestorable, "{}", stopped.error);
    let outcomes: Vec<Outcome> = stopped.report.units.iter().map(|unit| unit.outcome).collect();
    assert_eq!(outcomes, [Outcome::RolledBack]);
    assert_eq!(target.rows("hsplit"), Vec::<String>::new());
}

/// Somebody else's lock file cannot be opened: it is not known whether he is at work.
#[test]
fn a_lock_that_cannot_be_looked_at_stops_a_restore_but_no_backup() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1200, 30, 1);
    std::fs::create_dir(centre.folder.path().join(".centre.db.intervault-lock")).unwrap();
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let before = centre.rows("hsplit");
    let undo = MemoryDevice::new();
    let stopped = restore_onto(&only_set(&device), &centre, &options(40), Some(&undo), &Silent).unwrap_err();
    assert_eq!(stopped.error.class(), intervault::error::Class::NotPermitted, "{}", stopped.error);
    assert_eq!(centre.rows("hsplit"), before);
}

/// A run that has no end yet, while its owner is at work and after he died.
#[test]
fn a_restore_that_is_at_work_is_not_called_unfinished() {
    let (centre, device, ..) = half();
    let (set, store) = (only_set(&device), centre.store());
    let restore = Restore::new(&set, &store, options(8));
    let lock = store.lock().unwrap();
    assert_eq!(restore.plan().unwrap_err().class(), intervault::error::Class::Busy);
    drop(lock);
    assert!(restore.plan().unwrap().refusals.iter().any(|refusal| refusal.rule.name() == "unfinished-restore"));
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

/// Where the time is among what must differ, slices are in nobody's way; rows without a usable time may be in theirs.
#[test]
fn a_key_with_the_time_in_it_keeps_slices_apart() {
    let table = HSPLIT.replace("logid CHAR(10))", "logid CHAR(10), PRIMARY KEY (row_date, starttime, acd, split))");
    assert_ne!(table, HSPLIT);
    for undated in [false, true] {
        let (source, target) = (Centre::new(&[&table]), Centre::new(&[&table]));
        for (centre, minutes, other) in [(&source, 30, 0), (&target, 0, 30)] {
            (10..14).for_each(|day| centre.intervals(&format!("2024-03-{day}"), 800, 1200, 30, 1));
            if undated {
                centre.interval("2024-03-11", 1300, minutes, 1, 7);
                centre.interval("2024-03-12", 1300, other, 1, 7);
            }
        }
        target.run("UPDATE hsplit SET acdcalls = -1");
        let device = backup(&source);
        let before = target.rows("(SELECT rowid, * FROM hsplit)");
        let undo = MemoryDevice::new();
        let report = restore_onto(&only_set(&device), &target, &options(8), Some(&undo), &Silent).unwrap();
        assert_eq!(report.units.len() > 2, !undated, "{:?}", report.units);
        assert_eq!(target.rows("hsplit"), source.rows("hsplit"));
        undo_watched(&target, &undo, &UndoOptions::default(), &Silent).unwrap();
        assert_eq!(target.rows("(SELECT rowid, * FROM hsplit)"), before);
    }
}

/// A restore ends before the unit that has all of a table, with and without a usable time, and is finished later.
#[test]
fn a_unit_of_all_ranges_and_undated_rows_is_finished_later() {
    let table = HSPLIT.replace("TABLE hsplit (", "TABLE hsplit (id INTEGER PRIMARY KEY, ");
    let centre = Centre::new(&[DSPLIT, &table]);
    for (id, day) in ["never", "2024-03-10", "2024-03-11"].iter().enumerate() {
        centre.run(&format!("INSERT INTO hsplit VALUES ({id}, '{day}', 900, 30, 1, 1, 7, 'a')"));
    }
    centre.run("INSERT INTO dsplit VALUES ('2024-03-10', 1, 1, 10)");
    let whole = [centre.rows("hsplit"), centre.rows("dsplit")];
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET id = 2 - id + 10; UPDATE hsplit SET id = id - 10, acdcalls = -1; DELETE FROM dsplit");
    let ruined = [centre.rows("hsplit"), centre.rows("dsplit")];
    let undo = MemoryDevice::new();
    let planned = {
        let (set, store) = (only_set(&device), centre.store());
        let restore = Restore::new(&set, &store, options(8));
        restore.units(&restore.plan().unwrap())
    };
    let both = planned.iter().position(|unit| unit.part == Part::Both).unwrap();
    assert_eq!(planned.len(), 2, "{planned:?}");
    // Questions are asked before each unit and in it: the journal tells where it stopped.
    let stopped = (1..100).find_map(|questions| {
        let stopped = restore_onto(&only_set(&device), &centre, &options(8), Some(&undo), &StopAfter::new(questions));
        let begun = restore::unfinished(&centre.store()).unwrap().is_some();
        undo.list().unwrap().iter().filter(|_| !begun).for_each(|name| drop(undo.remove(name)));
        begun.then_some(stopped)
    });
    let report = stopped.unwrap().unwrap_err().report;
    assert_ne!(report.units[both].outcome, Outcome::Replaced, "{report:?}");
    let store = centre.store();
    let unfinished = restore::unfinished(&store).unwrap().unwrap();
    let set = only_set(&device);
    let resumed = Restore::new(&set, &store, options(8)).resume(&unfinished).unwrap();
    assert_eq!(resumed.units[both].part, Part::Both);
    assert_eq!([centre.rows("hsplit"), centre.rows("dsplit")], whole);
    undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!([centre.rows("hsplit"), centre.rows("dsplit")], ruined);
}

/// There is nothing to do but to say that the run which ended early shall not be finished.
#[test]
fn beginning_anew_with_nothing_to_do_sets_the_last_run_aside() {
    let (centre, device, ..) = half();
    let (set, store) = (only_set(&device), centre.store());
    let later = Options { anew: true, ..restore_options(Some("2030-01-01"), None) };
    let restore = Restore::new(&set, &store, later);
    let plan = restore.plan().unwrap();
    assert_eq!(restore.units(&plan), []);
    assert_eq!(restore.apply(&plan, None).unwrap().run, None);
    let runs = store.snapshot(1).unwrap().runs().unwrap();
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::SetAside]);
}

#[test]
fn beginning_anew_sets_the_last_run_aside() {
    let (centre, device, _, whole, _) = half();
    let (set, store) = (only_set(&device), centre.store());
    let restore = Restore::new(&set, &store, Options { anew: true, ..options(8) });
    restore.apply(&restore.plan().unwrap(), None).unwrap();
    let runs = store.snapshot(1).unwrap().runs().unwrap();
    let statuses = runs.iter().map(|run| run.status).collect::<Vec<_>>();
    assert_eq!(statuses, [RunStatus::SetAside, RunStatus::Finished]);
    assert_eq!(centre.rows("hsplit"), whole);
}
