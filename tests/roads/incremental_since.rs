//! Incremental backups that read only the last days: what they find, what they take on trust, and that they say so.

use super::chains::{all, incremental, restore_chain};
use super::support::*;
use intervault::backup::{self, BackupReport, ChangedSince, Compared, Incremental, Kind};
use intervault::device::memory::MemoryDevice;
use intervault::volume::set::list_sets;

fn since(centre: &Centre, device: &MemoryDevice, number: u8, margin_days: u16) -> BackupReport {
    let changed_since = Some(ChangedSince { margin_days });
    let kind = Kind::Incremental(Incremental { changed_since, ..Incremental::default() });
    backup_with(centre, device, &backup::Options { kind, ..backup_options(number) })
}

fn compared<'a>(report: &'a BackupReport, table: &str) -> &'a Compared {
    report.tables.iter().find(|done| done.table == table).unwrap().compared.as_ref().unwrap()
}

#[test]
fn the_last_days_are_read_and_the_rest_is_trusted() {
    let centre = Centre::new(&[HSPLIT, WSPLIT, MSPLIT, SYNONYMS]);
    for day in 10..25 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre.run("INSERT INTO hsplit VALUES ('', 800, 30, 1, 1, 5, 'u')");
    centre.run("INSERT INTO wsplit VALUES ('2024-03-03', 1, 1, 5), ('2024-03-10', 1, 1, 6), ('2024-03-17', 1, 1, 7)");
    centre.run("INSERT INTO msplit VALUES ('2024-02-01', 1, 1, 5), ('2024-03-15', 1, 1, 6)");
    let device = backup(&centre);
    // A new day, a day that is read again, a row that comes late, and undated and old rows that change.
    centre.intervals("2024-03-25", 800, 1000, 30, 1);
    centre.run("UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-23' AND starttime = 900");
    centre.run("UPDATE wsplit SET acdcalls = 70 WHERE row_date = '2024-03-17'");
    centre.run("UPDATE msplit SET acdcalls = 60, row_date = '2024-03-20' WHERE row_date = '2024-03-15'");
    let wanted = centre.rows("hsplit");
    centre.interval("2024-03-12", 1000, 30, 1, 77);
    centre.run("UPDATE hsplit SET acdcalls = 8 WHERE row_date = ''");
    let report = since(&centre, &device, 2, 1);
    let hsplit = compared(&report, "hsplit");
    let read_from = Some(at("2024-03-23").day());
    let expected = Compared { changed: 2, unchanged: 1, trusted: 14, rows: 8, read_from, ..Compared::default() };
    assert_eq!(hsplit, &expected);
    assert_eq!((compared(&report, "wsplit").changed, compared(&report, "wsplit").trusted), (1, 2));
    assert_eq!((compared(&report, "msplit").changed, compared(&report, "msplit").trusted), (1, 1));
    let sets = list_sets(&device).unwrap().sets;
    let set = sets.iter().find(|set| set.set_id() == set_id(2)).unwrap();
    let said = &set.catalog().unwrap().left_out;
    assert_eq!(said.len(), 3);
    assert!(
        said[0].0 == "hsplit" && said[0].1.contains("before 2024-03-23") && said[0].1.contains("not read"),
        "{said:?}"
    );
    let target = Centre::new(&[HSPLIT, WSPLIT, MSPLIT, SYNONYMS]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), wanted, "the late row and the undated one are missed");
    assert_eq!((target.rows("wsplit"), target.rows("msplit")), (centre.rows("wsplit"), centre.rows("msplit")));
    // An incremental that reads everything finds them, since the old digests are in the catalog as they were.
    let report = incremental(&centre, &device, &backup_options(3));
    assert_eq!((compared(&report, "hsplit").changed, compared(&report, "hsplit").rows), (2, 5 + 1));
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// The rows of an ACD that end earlier than those of others decide from where it is read; a table that the chain does not
/// know is read whole.
#[test]
fn an_acd_that_lags_behind_is_not_missed() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    for day in 10..20 {
        centre.intervals(&format!("2024-03-{day}"), 800, 900, 30, 1);
    }
    centre.intervals("2024-03-12", 800, 900, 30, 2);
    let device = backup(&centre);
    // The link is back: the rows of the days in between arrive.
    for day in 13..21 {
        centre.intervals(&format!("2024-03-{day}"), 800, 900, 30, 2);
    }
    centre.run("DROP TABLE dsplit");
    centre.run(MSPLIT);
    centre.run("INSERT INTO msplit VALUES ('2023-03-01', 1, 1, 5)");
    let report = since(&centre, &device, 2, 0);
    let hsplit = compared(&report, "hsplit");
    assert_eq!((hsplit.changed, hsplit.read_from), (8, Some(at("2024-03-12").day())));
    let msplit = compared(&report, "msplit");
    assert_eq!((msplit.whole, msplit.rows, msplit.read_from), (Some("new to the chain"), 1, None));
    let target = Centre::new(&[HSPLIT, DSPLIT, MSPLIT]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// Rows that were carried are read again, however far back they lie.
#[test]
fn carried_rows_are_never_taken_on_trust() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..20 {
        centre.intervals(&format!("2024-03-{day}"), 800, 900, 30, 1);
    }
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { now: at("2024-03-19 08:40"), ..backup_options(1) });
    let report = since(&centre, &device, 2, 0);
    assert_eq!((compared(&report, "hsplit").changed, compared(&report, "hsplit").trusted), (1, 9));
    let target = Centre::new(&[HSPLIT]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// The quick mode as it is unless told otherwise.
pub fn quick(number: u8) -> backup::Options {
    let changed_since = Some(ChangedSince::default());
    backup::Options { kind: Kind::Incremental(Incremental { set: None, changed_since }), ..backup_options(number) }
}

/// `--changed-since last` reads the last days before the last backup and all that came since. One row that is dated years
/// ahead (a clock that was wrong once) must not push the days of which the backup is into what is taken on trust.
#[test]
fn a_row_of_the_future_hides_no_new_day_from_the_quick_mode() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..13 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre.interval("2033-01-01", 800, 30, 1, 7);
    let device = MemoryDevice::new();
    let on = |now: &str, options: backup::Options| backup::Options { now: at(now), ..options };
    backup_with(&centre, &device, &on("2024-03-13 00:00", backup_options(1)));
    centre.intervals("2024-03-13", 800, 1000, 30, 1);
    centre.intervals("2024-03-14", 800, 1000, 30, 2);
    let report = backup_with(&centre, &device, &on("2024-03-15 00:00", quick(2)));
    let hsplit = compared(&report, "hsplit");
    assert_eq!((hsplit.read_from, hsplit.trusted), (Some(at("2024-03-11").day()), 1));
    assert_eq!(report.tables[0].rows, 4 + 4 + 1, "two days, and the row of the future, which is carried each time");
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
    let report = backup_with(&centre, &device, &on("2024-03-12 23:00", quick(2)));
    let compared = report.tables[0].compared.as_ref().unwrap();
    assert!(compared.changed >= 2, "{compared:?}");
}
