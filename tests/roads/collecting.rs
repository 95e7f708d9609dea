//! A target that is collecting while it is restored: what is still being written there is left alone, and is said so.

use super::commands::json;
use super::support::*;
use intervault::backup;
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::device::memory::MemoryDevice;
use intervault::error::Class;
use intervault::restore::{self, Options, Restore, unfinished};
use intervault::store::control::{Collection, Mode};
use std::sync::atomic::{AtomicBool, Ordering};

fn at_time(now: &str) -> Options {
    Options::new(at(now), at(now).0)
}

fn restore_at(device: &MemoryDevice, centre: &Centre, now: &str) -> restore::RestorePlan {
    restore_set(&only_set(device), centre, &at_time(now)).unwrap().0
}

fn ruined(centre: &Centre, table: &str) -> i64 {
    centre.count(&format!("SELECT count(*) FROM {table} WHERE acdcalls = -1"))
}

/// A server with half hours of a morning, and a backup that speaks for all of them, before they were ruined.
fn morning() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1030, 30, 1);
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    (centre, device)
}

/// 5, as it happens: a set taken at 10:20 goes onto a server that has collected since 10:05. Rows after the set's cutoff stay
/// whatever the server does, and of those before it the ones that the server may still write.
#[test]
fn scenario_05_a_server_that_has_collected_since_the_cut_over_keeps_what_it_is_writing() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1030, 30, 1);
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { now: at("2024-03-20 10:20"), ..backup_options(1) });
    // The other server: nothing from before 10:00, then its own.
    centre.run("DELETE FROM hsplit");
    centre.intervals("2024-03-20", 1000, 1100, 30, 1);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    for (now, from_set) in [("2024-03-20 10:20", 3), ("2024-03-20 10:29", 3), ("2024-03-20 10:30", 4)] {
        let plan = restore_at(&device, &centre, now);
        let acd = &ranges(&plan, "hsplit").acds[0];
        assert_eq!(acd.decision.delete.iter().filter(|slot| slot.span.stop > at("2024-03-20 10:00")).count(), 0);
        assert_eq!(ruined(&centre, "hsplit"), 2, "{now}");
        assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 2 + from_set, "{now}");
        // The half hour from 09:30 may still come from the collection until half an hour after its end.
        assert_eq!(plan.notices.iter().any(|notice| notice.contains("2024-03-20 09:29")), from_set == 3, "{plan:?}");
        assert_eq!(acd.decision.unsettled.len(), if from_set == 3 { 1 } else { 0 });
    }
}

#[test]
fn the_interval_that_is_being_written_is_left_alone_and_the_plan_says_so() {
    let (centre, device) = morning();
    let plan = restore_at(&device, &centre, "2024-03-20 10:40");
    // 10:00 to 10:29 is finished at 11:00.
    assert!(plan.collecting);
    assert_eq!(ranges(&plan, "hsplit").acds[0].settled_until, Some(at("2024-03-20 10:00")));
    let [notice] = &plan.notices[..] else { panic!("{:?}", plan.notices) };
    let said = "table hsplit is restored up to 2024-03-20 09:59 and not after: the database is collecting, and newer rows may \
                change; 1 rows of the volumes and 1 of the target after that are left as they are";
    assert_eq!(notice, said);
    assert_eq!((ruined(&centre, "hsplit"), centre.count("SELECT count(*) FROM hsplit")), (1, 5));
    // With the collection off nothing is being written, and an hour later that interval is finished.
    let (centre, device) = morning();
    centre.state(Collection::Off, Mode::MultiUser);
    let plan = restore_at(&device, &centre, "2024-03-20 10:40");
    assert_eq!((plan.collecting, plan.notices.len(), ruined(&centre, "hsplit")), (false, 0, 0));
    let (centre, device) = morning();
    let plan = restore_at(&device, &centre, "2024-03-20 11:00");
    assert_eq!((plan.collecting, plan.notices.len(), ruined(&centre, "hsplit")), (true, 0, 0));
}

#[test]
fn what_is_left_alone_stands_in_the_answer_for_programs() {
    let (centre, _) = morning();
    let (url, from) =
        (format!("sqlite:{}", centre.path().display()), centre.folder.path().join("volumes").display().to_string());
    json(&["backup", "--database", &url, "--to", &from, "--data", "historical"], 0);
    let arguments = ["restore", "--database", &url, "--from", &from, "--now", "2024-03-20 10:40", "--yes", "--json"];
    let answer = json(&arguments[..arguments.len() - 1], 3);
    let acd = &answer["plan"]["tables"][0]["acds"][0];
    assert_eq!((&answer["plan"]["collecting"], &acd["settled_until"]), (&true.into(), &"2024-03-20 10:00".into()));
    assert_eq!(acd["unsettled"][0]["span"]["from"], "2024-03-20 10:00", "{acd}");
}

#[test]
fn days_are_finished_eight_hours_after_their_end_and_events_a_slot_after_theirs() {
    let centre = Centre::new(&[DSPLIT, "CREATE TABLE call_rec (acd SMALLINT, segstart TIMESTAMP, acdcalls INTEGER)"]);
    centre.run("INSERT INTO dsplit VALUES ('2024-03-18', 1, 1, 5), ('2024-03-19', 1, 1, 5), ('2024-03-20', 1, 1, 5)");
    centre.run(
        "INSERT INTO call_rec WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 60 FROM n WHERE i < 10740) \
         SELECT 1, datetime('2024-03-20 06:00:00', i || ' seconds'), i FROM n",
    );
    let device = backup(&centre);
    let ruin = "UPDATE dsplit SET acdcalls = -1; UPDATE call_rec SET acdcalls = -1";
    // Three hours of calls, one a minute; the slot before the present one may still grow.
    let times = [("2024-03-20 07:59", 2, 120), ("2024-03-20 08:00", 1, 90), ("2024-03-20 08:29", 1, 90)];
    for (now, days, calls) in times {
        centre.run(ruin);
        restore_at(&device, &centre, now);
        assert_eq!((ruined(&centre, "dsplit"), ruined(&centre, "call_rec")), (days, calls), "{now}");
        assert_eq!(centre.count("SELECT count(*) FROM call_rec"), 180);
    }
}

/// Rows that are dated after now are not finished, whatever the set says: a clock that was set back deletes nothing.
#[test]
fn with_the_clock_set_back_no_row_after_now_is_touched() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    for day in 19..=21 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1800, 30, 1);
        centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day}', 1, 1, 5)"));
    }
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
    let plan = restore_at(&device, &centre, "2024-03-20 12:10");
    let said = "table hsplit: 31 rows of the target are dated after now (2024-03-20 12:10), the last 2024-03-21 17:30: look \
                whether the clock was set back; they are left as they are";
    assert!(plan.notices.iter().any(|notice| notice == said), "{:?}", plan.notices);
    let after = "(row_date = '2024-03-20' AND starttime >= 1130 OR row_date = '2024-03-21')";
    assert_eq!(centre.count(&format!("SELECT count(*) FROM hsplit WHERE (acdcalls = -1) <> {after}")), 0);
    assert_eq!((centre.count("SELECT count(*) FROM hsplit"), ruined(&centre, "dsplit")), (60, 2));
}

#[test]
fn a_plan_made_while_collection_was_off_is_not_applied_once_it_is_on() {
    let (centre, device) = morning();
    centre.state(Collection::Off, Mode::MultiUser);
    let (set, store) = (only_set(&device), centre.store());
    let restore = Restore::new(&set, &store, at_time("2024-03-20 10:40"));
    let plan = restore.plan().unwrap();
    centre.state(Collection::On, Mode::MultiUser);
    let before = centre.rows("hsplit");
    let error = restore.apply(&plan, None).unwrap_err().error;
    assert_eq!(error.class(), Class::NotRestorable);
    assert!(error.to_string().contains("refused by the rule collection"), "{error}");
    assert_eq!(centre.rows("hsplit"), before);
    assert!(unfinished(&store).unwrap().is_none());
    centre.state(Collection::Off, Mode::MultiUser);
    restore.apply(&plan, None).unwrap();
    assert_eq!(ruined(&centre, "hsplit"), 0);
}

/// Stops as soon as rows are replaced, before the first unit.
struct StopAtOnce(AtomicBool);

impl Monitor for StopAtOnce {
    fn begin(&self, task: Task, _what: &str, _total_rows: u64) {
        self.0.fetch_or(task == Task::Restore, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a run decided by stays as it was when it began: whether the target collects, and what time it was.
#[test]
fn a_restore_is_resumed_in_the_state_in_which_it_began() {
    for (began, now) in [(Collection::Off, Collection::On), (Collection::On, Collection::Off)] {
        let (centre, device) = morning();
        centre.state(began, Mode::MultiUser);
        let (set, store) = (only_set(&device), centre.store());
        let stop = StopAtOnce(AtomicBool::new(false));
        let restore = Restore::new(&set, &store, at_time("2024-03-20 10:40")).watched(&stop);
        restore.apply(&restore.plan().unwrap(), None).unwrap_err();
        centre.state(now, Mode::MultiUser);
        let later = Restore::new(&set, &store, at_time("2024-03-20 12:00")).watched(&Silent);
        let resumed = later.resume(&unfinished(&store).unwrap().unwrap());
        if now == Collection::On {
            let error = resumed.unwrap_err().error;
            assert!(error.to_string().contains("refused by the rule collection"), "{error}");
            assert_eq!(ruined(&centre, "hsplit"), 5);
            centre.state(began, Mode::MultiUser);
            later.resume(&unfinished(&store).unwrap().unwrap()).unwrap();
            assert_eq!(ruined(&centre, "hsplit"), 0);
        } else {
            resumed.unwrap();
            assert_eq!(ruined(&centre, "hsplit"), 1);
        }
        assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 5);
    }
}
