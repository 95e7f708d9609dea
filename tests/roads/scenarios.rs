//! The scenarios that must stay true, by name: whole roads over real databases and volumes. Those that need chains, undo
//! or salvage come with them.

use super::support::*;
use intervault::backup::{self, Backup};
use intervault::base::time::Span;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore;
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::{Carried, Policies, Uncovered};
use intervault::testing::fault::FaultDevice;
use intervault::volume::set::list_sets;

fn span(start: &str, stop: &str) -> Span {
    Span::new(at(start), at(stop)).unwrap()
}

/// 1. A request of 05:13 to 05:19 replaces the 05:00 rows and nothing else, and the day's own row is a partial period.
#[test]
fn scenario_01_minutes_inside_an_interval() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    centre.intervals("2024-03-05", 0, 2400, 30, 1);
    centre.run("INSERT INTO dsplit VALUES ('2024-03-05', 1, 1, 100)");
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
    let (plan, report) = restore_range(&device, &centre, "2024-03-05 05:13", "2024-03-05 05:19");
    assert_eq!(ranges(&plan, "hsplit").acds[0].decision.actual.spans(), [span("2024-03-05 05:00", "2024-03-05 05:30")]);
    assert_eq!(ranges(&plan, "dsplit").acds[0].decision.partial.len(), 1);
    assert_eq!(plan.summarise.len(), 1);
    assert_eq!((report.tables.len(), report.tables[0].deleted, report.tables[0].inserted), (1, 1, 1));
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 47);
    assert_eq!(centre.count("SELECT acdcalls FROM hsplit WHERE starttime = 500"), 300);
    assert_eq!(centre.count("SELECT acdcalls FROM dsplit"), -1);
}

/// 2. The request ends on the 31st, the last row on the volume is that of the 20th at 17:30: later rows stay.
#[test]
fn scenario_02_the_range_ends_with_the_volume() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-19", 800, 2000, 30, 1);
    centre.intervals("2024-03-20", 800, 1800, 30, 1);
    let device = backup(&centre);
    centre.intervals("2024-03-20", 1800, 2000, 30, 1);
    centre.intervals("2024-03-25", 800, 2000, 30, 1);
    let before = centre.rows("hsplit");
    let (plan, _) = restore_range(&device, &centre, "2024-03-20 00:00", "2024-03-31 23:59");
    let actual = ranges(&plan, "hsplit").acds[0].decision.actual.spans();
    assert_eq!(actual, [span("2024-03-20 00:00", "2024-03-20 18:00")]);
    assert_eq!(centre.rows("hsplit"), before);
}

/// 3. An ACD without a row on the volume is not touched.
#[test]
fn scenario_03_an_acd_that_the_volume_lacks() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1800, 30, 1);
    let device = backup(&centre);
    centre.intervals("2024-03-20", 800, 1800, 30, 2);
    let before = centre.rows("hsplit");
    let (_, report) = restore_range(&device, &centre, "2024-03-20 00:00", "2024-03-20 23:59");
    assert_eq!((report.tables[0].deleted, report.tables[0].inserted), (20, 20));
    assert_eq!(centre.rows("hsplit"), before);
}

/// 4. Rows of the server in a gap of the volume are uncovered: refused until told.
#[test]
fn scenario_04_a_gap_on_the_volume_does_not_erase_good_rows() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 900, 30, 1);
    centre.intervals("2024-03-20", 1000, 1800, 30, 1);
    let device = backup(&centre);
    centre.intervals("2024-03-20", 900, 1000, 30, 1);
    centre.run("UPDATE hsplit SET acdcalls = -1 WHERE starttime = 800");
    let set = only_set(&device);
    let mut options = restore_options(Some("2024-03-20"), Some("2024-03-20"));
    let error = restore_set(&set, &centre, &options).unwrap_err();
    assert_eq!(error.class(), Class::NotRestorable);
    assert!(error.to_string().contains("2 rows in the target would be deleted"), "{error}");
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 1);
    options.policies = Policies { uncovered: Uncovered::Keep, ..Policies::default() };
    restore_set(&set, &centre, &options).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 20);
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 0);
    options.policies = Policies { uncovered: Uncovered::Delete, ..Policies::default() };
    restore_set(&set, &centre, &options).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 18);
}

/// 5, without a chain. A backup taken at 10:20 in mid collection, restored onto a server that has collected since:
/// nothing after the cutoff is deleted.
#[test]
fn scenario_05_nothing_after_the_cutoff_is_deleted() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1030, 30, 1);
    let device = MemoryDevice::new();
    let report = backup_with(&centre, &device, &backup::Options { now: at("2024-03-20 10:20"), ..backup_options(1) });
    assert_eq!(report.tables[0].carried, 1, "{report:?}");
    centre.intervals("2024-03-20", 1030, 1200, 30, 1);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let (plan, _) = restore_range(&device, &centre, "2024-03-20 00:00", "2024-03-20 23:59");
    let actual = ranges(&plan, "hsplit").acds[0].decision.actual.spans();
    assert_eq!(actual, [span("2024-03-20 08:00", "2024-03-20 10:00")]);
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 4);
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 8);
}

/// 6. A snapshot in the middle of archiving: the newest interval is carried, not held, and goes in only on request,
///    where the target has nothing.
#[test]
fn scenario_06_a_half_archived_interval_is_carried() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    for split in 0..10 {
        centre.run(&format!("INSERT INTO hsplit VALUES ('2024-03-20', 1000, 30, 1, {split}, 5, 'a')"));
    }
    let device = MemoryDevice::new();
    let report = backup_with(&centre, &device, &backup::Options { now: at("2024-03-20 10:31"), ..backup_options(1) });
    assert_eq!((report.tables[0].rows, report.tables[0].carried), (14, 10));
    for split in 10..150 {
        centre.run(&format!("INSERT INTO hsplit VALUES ('2024-03-20', 1000, 30, 1, {split}, 5, 'a')"));
    }
    let before = centre.rows("hsplit");
    let set = only_set(&device);
    let mut options = restore_options(Some("2024-03-20"), Some("2024-03-20"));
    options.policies.carried = Carried::Insert;
    restore_set(&set, &centre, &options).unwrap();
    assert_eq!(centre.rows("hsplit"), before);
    centre.run("DELETE FROM hsplit WHERE starttime = 1000");
    options.policies.carried = Carried::Leave;
    restore_set(&set, &centre, &options).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 4);
    options.policies.carried = Carried::Insert;
    restore_set(&set, &centre, &options).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 14);
}

/// A centre whose backup takes several volumes, and the device.
fn spanning() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT]);
    let sql = centre.sql();
    sql.execute_batch("BEGIN").unwrap();
    for day in 1..=28 {
        for hhmm in (0..24).flat_map(|hour| [hour * 100, hour * 100 + 30]) {
            for split in 0..12i64 {
                let noise = (day * 7919 + hhmm * 104_729 + split * 1_299_709) % 99_991;
                let row = (format!("2024-02-{day:02}"), hhmm, 30, 1, split, noise, format!("{noise:x}"));
                sql.execute("INSERT INTO hsplit VALUES (?, ?, ?, ?, ?, ?, ?)", row).unwrap();
            }
        }
    }
    sql.execute_batch("COMMIT").unwrap();
    let device = MemoryDevice::new();
    let options = backup::Options { volume_size: Some(24 << 10), ..backup_options(1) };
    let report = backup_with(&centre, &device, &options);
    assert!(report.set.volumes.len() >= 3, "{} volumes", report.set.volumes.len());
    (centre, device)
}

/// A device with one of the volumes.
fn only(device: &MemoryDevice, name: &str) -> MemoryDevice {
    let alone = MemoryDevice::new();
    alone.insert(name, device.bytes(name).unwrap());
    alone
}

/// 9. One of several volumes alone: what it proves whole comes back, no bucket is deleted that cannot be replaced.
#[test]
fn scenario_09_one_volume_alone() {
    let (centre, device) = spanning();
    let truth = centre.rows("hsplit");
    let mut replaced = 0;
    for name in device.list().unwrap() {
        let alone = only(&device, &name);
        let set = only_set(&alone);
        assert!(!set.is_complete());
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1000000");
        let options = restore_options(None, None);
        let error = restore_set(&set, &centre, &options).unwrap_err();
        assert!(matches!(error.class(), Class::Volume | Class::NotRestorable), "{error}");
        let options = restore::Options { missing: restore::Missing::Partial, ..options };
        if let Ok((_, report)) = restore_set(&set, &centre, &options) {
            let replaced_here = report.tables.iter().map(|table| table.inserted).sum::<u64>() as i64;
            assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls < 1000000"), replaced_here);
            replaced += replaced_here;
        }
        assert_eq!(centre.count("SELECT count(*) FROM hsplit") as usize, truth.len());
        centre.run("UPDATE hsplit SET acdcalls = acdcalls - 1000000 WHERE acdcalls >= 1000000");
        assert_eq!(centre.rows("hsplit"), truth);
    }
    assert!(replaced as usize > truth.len() / 2, "{replaced} of {} rows came from single volumes", truth.len());
}

/// 9. A torn last volume, cut at any block: whatever is restored is right, and nothing is lost.
#[test]
fn scenario_09_a_torn_last_volume() {
    let (centre, device) = spanning();
    let truth = centre.rows("hsplit");
    let names = device.list().unwrap();
    let last = names.last().unwrap();
    let len = device.bytes(last).unwrap().len();
    for cut in (0..len).step_by(len / 9) {
        let torn = device.copy();
        torn.insert(last, device.bytes(last).unwrap()[..cut].to_vec());
        let sets = list_sets(&torn).unwrap().sets;
        assert_eq!(sets.len(), 1);
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1000000 WHERE row_date < '2024-02-10'");
        let options = restore_options(Some("2024-02-01"), Some("2024-02-09"));
        let options = restore::Options { missing: restore::Missing::Partial, ..options };
        restore_set(&sets[0], &centre, &options).unwrap();
        assert_eq!(centre.rows("hsplit"), truth, "cut at {cut}");
    }
}

/// 10. The interval length changed from 30 to 15 minutes, in either direction: nothing is counted twice or lost.
#[test]
fn scenario_10_interval_length_changed() {
    for (old, new) in [(30, 15), (15, 30)] {
        let centre = Centre::new(&[HSPLIT]);
        centre.intervals("2024-03-20", 800, 1200, old, 1);
        let device = backup(&centre);
        centre.run("DELETE FROM hsplit WHERE starttime >= 1000");
        centre.intervals("2024-03-20", 1000, 1400, new, 1);
        let (plan, _) = restore_range(&device, &centre, "2024-03-20 10:10", "2024-03-20 10:20");
        let actual = ranges(&plan, "hsplit").acds[0].decision.actual.spans();
        assert_eq!(actual, [span("2024-03-20 10:00", "2024-03-20 10:30")]);
        let minutes = centre.count("SELECT sum(intrvl) FROM hsplit");
        assert_eq!(minutes, 6 * 60, "{old} to {new}");
        let inside = centre.count("SELECT intrvl FROM hsplit WHERE starttime = 1000");
        assert_eq!(inside, old);
    }
}

/// 10. A row that straddles the end of what the volume holds is never deleted, and nothing beside it is counted twice.
#[test]
fn scenario_10_a_straddling_row_is_kept() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1015, 15, 1);
    let device = backup(&centre);
    centre.run("DELETE FROM hsplit WHERE starttime >= 1000");
    centre.interval("2024-03-20", 1000, 30, 1, 77);
    let set = only_set(&device);
    let mut options = restore_options(Some("2024-03-20"), Some("2024-03-20"));
    let error = restore_set(&set, &centre, &options).unwrap_err();
    assert!(error.to_string().contains("across an edge"), "{error}");
    for uncovered in [Uncovered::Delete, Uncovered::Keep] {
        options.policies.uncovered = uncovered;
        restore_set(&set, &centre, &options).unwrap();
        assert_eq!(centre.count("SELECT sum(intrvl) FROM hsplit"), 150);
        assert_eq!(centre.count("SELECT acdcalls FROM hsplit WHERE starttime = 1000"), 77);
    }
}

/// 11. Two backups on one day and two servers' sets in one place: never mixed, numbered apart.
#[test]
fn scenario_11_two_sets_in_one_place() {
    let (first, second) = (Centre::new(&[HSPLIT]), Centre::new(&[HSPLIT]));
    first.intervals("2024-03-20", 800, 1200, 30, 1);
    second.intervals("2024-03-20", 800, 1200, 30, 1);
    second.run("UPDATE hsplit SET acdcalls = 7");
    let device = MemoryDevice::new();
    let one = backup_with(&first, &device, &backup_options(1));
    let two = backup_with(&second, &device, &backup_options(2));
    let labels: Vec<_> = [&one, &two].iter().map(|report| report.set.label.clone()).collect();
    assert!(labels[0].contains("-01-LSAC-") && labels[1].contains("-02-LSAC-"), "{labels:?}");
    let sets = list_sets(&device).unwrap().sets;
    assert_eq!(sets.len(), 2);
    for set in sets {
        let centre = if set.label().set() == set_id(1) { &first } else { &second };
        let before = centre.rows("hsplit");
        centre.run("DELETE FROM hsplit");
        restore_set(&set, centre, &restore_options(None, None)).unwrap();
        assert_eq!(centre.rows("hsplit"), before);
    }
}

/// 13. The hour that occurs twice, two rows with one stamp, a re-login: multiplicity survives every road.
#[test]
fn scenario_13_multiplicity_survives() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-10-27", 0, 600, 30, 1);
    centre.intervals("2024-10-27", 200, 300, 30, 1);
    for _ in 0..3 {
        centre.interval("2024-10-27", 200, 30, 1, 120);
    }
    centre.interval("2024-10-27", 200, 1, 1, 9);
    let truth = centre.rows("hsplit");
    let device = backup(&centre);
    for ruin in ["DELETE FROM hsplit", "DELETE FROM hsplit WHERE rowid % 2 = 0", "UPDATE hsplit SET acdcalls = 0"] {
        centre.run(ruin);
        restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
        assert_eq!(centre.rows("hsplit"), truth, "{ruin}");
        centre.run(ruin);
        restore_range(&device, &centre, "2024-10-27 02:10", "2024-10-27 02:20");
        let hour = "SELECT count(*) FROM hsplit WHERE starttime = 200";
        assert_eq!(centre.count(hour), 6, "{ruin}");
        restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
        assert_eq!(centre.rows("hsplit"), truth, "{ruin}");
    }
}

/// Undated rows are replaced only by a restore with neither start nor stop.
#[test]
fn undated_rows_are_a_bucket_of_their_own() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    centre.run("INSERT INTO hsplit VALUES ('2024-03-20', 800, NULL, 1, 1, 1, 'a'), (NULL, 800, 30, 1, 1, 2, 'a')");
    let truth = centre.rows("hsplit");
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    restore_range(&device, &centre, "2024-03-20 00:00", "2024-03-20 23:59");
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 2);
    restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
    assert_eq!(centre.rows("hsplit"), truth);
}

/// An empty section is on the volumes, holds nothing, and deletes nothing.
#[test]
fn an_empty_section_deletes_nothing() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    let device = backup(&centre);
    let set = only_set(&device);
    let tables: Vec<&str> = set.sections().iter().map(|section| section.header.table.as_str()).collect();
    assert!(tables.contains(&"dsplit"), "{tables:?}");
    centre.run("INSERT INTO dsplit VALUES ('2024-03-20', 1, 1, 100)");
    restore_set(&set, &centre, &restore_options(None, None)).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM dsplit"), 1);
}

/// Days, weeks and months come back only where they lie wholly in the request.
#[test]
fn periods_come_back_only_whole() {
    let centre = Centre::new(&[DSPLIT, WSPLIT, MSPLIT]);
    for day in 1..=31 {
        centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', 1, 1, {day})"));
    }
    for day in [3, 10, 17, 24, 31] {
        centre.run(&format!("INSERT INTO wsplit VALUES ('2024-03-{day:02}', 1, 1, {day})"));
    }
    centre.run("INSERT INTO msplit VALUES ('2024-03-01', 1, 1, 3)");
    let device = backup(&centre);
    centre.run("UPDATE dsplit SET acdcalls = 0; UPDATE wsplit SET acdcalls = 0; UPDATE msplit SET acdcalls = 0");
    restore_range(&device, &centre, "2024-03-10 00:00", "2024-03-18 12:00");
    assert_eq!(centre.count("SELECT count(*) FROM dsplit WHERE acdcalls <> 0"), 8);
    assert_eq!(centre.count("SELECT count(*) FROM wsplit WHERE acdcalls <> 0"), 1);
    assert_eq!(centre.count("SELECT count(*) FROM msplit WHERE acdcalls <> 0"), 0);
    restore_range(&device, &centre, "2024-03-01 00:00", "2024-03-31 23:59");
    assert_eq!(centre.count("SELECT count(*) FROM msplit WHERE acdcalls <> 0"), 1);
}

/// Administration data is replaced whole; with one ACD, only its rows; with a range, not at all unless named.
#[test]
fn administration_data_is_replaced_whole() {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'sales', '1', 'x'), (2, 'split', 'help', '2', 'y')");
    let truth = centre.rows("synonyms");
    let device = backup(&centre);
    let ruin = "DELETE FROM synonyms; INSERT INTO synonyms VALUES (1, 'a', 'b', 'c', 'd'), (2, 'e', 'f', 'g', 'h')";
    centre.run(ruin);
    let ruined = centre.rows("synonyms");
    restore_range(&device, &centre, "2024-03-20 00:00", "2024-03-20 23:59");
    assert_eq!(centre.rows("synonyms"), ruined);
    let one = restore::Options { acd: Some(2), ..restore_options(None, None) };
    restore_set(&only_set(&device), &centre, &one).unwrap();
    assert_eq!(centre.rows("synonyms"), {
        let mut rows = vec![ruined[0].clone(), truth[1].clone()];
        rows.sort();
        rows
    });
    restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
    assert_eq!(centre.rows("synonyms"), truth);
}

/// A target that changed since the plan was made is left alone.
#[test]
fn a_stale_plan_changes_nothing() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    let device = backup(&centre);
    let (set, options) = (only_set(&device), restore_options(Some("2024-03-20"), Some("2024-03-20")));
    let plan = plan(&set, &centre, &options);
    centre.interval("2024-03-20", 830, 30, 1, 5);
    let before = centre.rows("hsplit");
    let error = restore::Restore::new(&set, &centre.store(), options.clone()).apply(&plan, None).unwrap_err().error;
    assert!(error.to_string().contains("changed since the plan"), "{error}");
    assert_eq!(centre.rows("hsplit"), before);
}

/// One ACD only: tables without an ACD column are left out, with a word.
#[test]
fn a_backup_of_one_acd_leaves_out_what_names_none() {
    let centre = Centre::new(&[HSPLIT, "CREATE TABLE dbitems (item_type CHAR(8), item_name CHAR(20))"]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    centre.intervals("2024-03-20", 800, 1000, 30, 2);
    let device = MemoryDevice::new();
    let options = backup::Options { acd: Some(2), ..backup_options(1) };
    let report = backup_onto(&centre, &device, &options).unwrap();
    assert_eq!(report.tables.iter().map(|table| table.rows).sum::<u64>(), 4);
    let left_out = &report.gaps.left_out;
    assert!(left_out.iter().any(|gap| gap.name == "dbitems" && gap.reason.contains("no ACD column") && gap.warns));
    centre.run("UPDATE hsplit SET acdcalls = -1");
    restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1 AND acd = 1"), 4);
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE acdcalls = -1"), 4);
}

/// A set of one ACD says nothing of the others: restoring it, also without naming the ACD, touches only its rows.
#[test]
fn a_set_of_one_acd_touches_no_other() {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    centre.intervals("2024-03-20", 800, 1000, 30, 2);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'sales', '1', 'x'), (2, 'split', 'help', '2', 'y')");
    let truth = (centre.rows("hsplit"), centre.rows("synonyms"));
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { acd: Some(2), ..backup_options(1) });
    restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
    assert_eq!((centre.rows("hsplit"), centre.rows("synonyms")), truth);
    centre.run("DELETE FROM synonyms WHERE acd_no = 2");
    restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
    assert_eq!(centre.rows("synonyms"), truth.1);
    let other = restore::Options { acd: Some(1), ..restore_options(None, None) };
    assert_eq!(restore_set(&only_set(&device), &centre, &other).unwrap_err().class(), Class::Nothing);
}

/// Damage in the catalog makes a set known by a scan only, and damage in a chunk then hides from the scan's list of
/// chunks: such a set is refused, and restored in part only when told.
#[test]
fn damage_that_a_scan_would_hide_is_refused() {
    let (centre, device) = spanning();
    let truth = centre.rows("hsplit");
    let names = device.list().unwrap();
    let flip = |name: &str, kind: u8, from_end: usize| {
        let mut bytes = device.bytes(name).unwrap();
        let starts: Vec<usize> =
            (0..bytes.len()).step_by(64).filter(|at| bytes[*at..].starts_with(&[0x8B, b'I', b'V', b'B'])).collect();
        let block = starts.iter().rev().filter(|at| bytes[**at + 12] == kind).nth(from_end).copied().unwrap();
        bytes[block + 100] ^= 4;
        device.insert(name, bytes);
    };
    flip(names.last().unwrap(), 6, 0);
    for (name, kind) in [(&names[0], 3), (&names[0], 2)] {
        flip(name, kind, 0);
        centre.run("DELETE FROM hsplit");
        let set = only_set(&device);
        let error = restore_set(&set, &centre, &restore_options(None, None)).unwrap_err();
        assert_eq!(error.class(), Class::Damage, "{error}");
        assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 0);
        let partial = restore::Options { missing: restore::Missing::Partial, ..restore_options(None, None) };
        let (plan, _) = restore_set(&set, &centre, &partial).unwrap();
        assert!(!plan.notices.is_empty());
        let restored = centre.rows("hsplit");
        assert!(restored.len() < truth.len() && restored.iter().all(|row| truth.contains(row)));
    }
}

/// Administration data is put back whole or not: where a scan cannot tell that all of it is there, the table is left.
#[test]
fn administration_data_that_is_not_whole_is_left_alone() {
    let centre = Centre::new(&[SYNONYMS]);
    let wide = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO synonyms \
        SELECT 1 + i / 2000, 'split', hex(randomblob(10)), hex(randomblob(10)), hex(randomblob(20)) FROM n";
    centre.run(wide);
    let truth = centre.rows("synonyms");
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(64 << 10), ..backup_options(1) });
    let names = device.list().unwrap();
    assert!(names.len() > 2, "{names:?}");
    for lost in &names {
        let rest = device.copy();
        assert!(rest.remove(lost).is_some());
        let set = only_set(&rest);
        let partial = restore::Options { missing: restore::Missing::Partial, ..restore_options(None, None) };
        match restore_set(&set, &centre, &partial) {
            Ok((_, report)) => assert_eq!(report.tables[0].inserted as usize, truth.len(), "without volume {lost}"),
            Err(error) => assert!(error.to_string().contains("synonyms is left alone"), "{error}"),
        }
        assert_eq!(centre.rows("synonyms"), truth, "without volume {lost}");
    }
}

/// A carried row goes in only where the target has none, however far from the held range it lies.
#[test]
fn a_carried_row_far_from_what_is_held_does_not_come_twice() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    centre.interval("2024-03-20", 1000, 30, 1, 5);
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { now: at("2024-03-20 10:20"), ..backup_options(1) });
    let truth = centre.rows("hsplit");
    for start in ["2024-03-01", "2024-03-15"] {
        let mut options = restore_options(Some(start), None);
        options.policies.carried = Carried::Insert;
        restore_set(&only_set(&device), &centre, &options).unwrap();
        assert_eq!(centre.rows("hsplit"), truth, "from {start}");
    }
}

/// An ACD that the set does not know is left alone, in administration tables too.
#[test]
fn an_acd_that_the_set_does_not_know_is_left_alone() {
    let centre = Centre::new(&[SYNONYMS]);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'sales', '1', 'x'), (2, 'split', 'help', '2', 'y')");
    let device = backup(&centre);
    centre.run("INSERT INTO synonyms VALUES (77, 'split', 'new', '3', 'z')");
    let truth = centre.rows("synonyms");
    let options = restore::Options { acd: Some(77), ..restore_options(None, None) };
    assert_eq!(restore_set(&only_set(&device), &centre, &options).unwrap_err().class(), Class::Nothing);
    assert_eq!(centre.rows("synonyms"), truth);
}

/// The plan refuses what could not be applied.
#[test]
fn a_table_that_cannot_be_written_is_refused_in_the_plan() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    let device = backup(&centre);
    centre.run("CREATE TRIGGER t AFTER DELETE ON hsplit BEGIN SELECT 1; END");
    let plan = plan(&only_set(&device), &centre, &restore_options(None, None));
    assert!(plan.refusals.iter().any(|refusal| refusal.what.contains("triggers")), "{:?}", plan.refusals);
}

/// A site's own tables are in the backup of everything, and come back when they are named.
#[test]
fn tables_that_no_catalogue_lists_are_backed_up_and_restored_by_name() {
    let centre = Centre::new(&[HSPLIT, "CREATE TABLE notes (n INTEGER, text TEXT)"]);
    centre.intervals("2024-03-20", 800, 1000, 30, 1);
    centre.run("INSERT INTO notes VALUES (1, 'a'), (2, 'b')");
    let truth = centre.rows("notes");
    let device = backup(&centre);
    centre.run("INSERT INTO notes VALUES (3, 'written later')");
    let (plan, _) = restore_set(&only_set(&device), &centre, &restore_options(None, None)).unwrap();
    assert!(plan.notices.iter().any(|notice| notice.contains("notes")), "{:?}", plan.notices);
    assert_eq!(centre.count("SELECT count(*) FROM notes"), 3);
    let named =
        restore::Options { select: restore::Select::Tables(vec!["notes".into()]), ..restore_options(None, None) };
    restore_set(&only_set(&device), &centre, &named).unwrap();
    assert_eq!(centre.rows("notes"), truth);
}

/// Events come back to the second, though they are counted by slots of the day: the request cuts two of these.
#[test]
fn events_are_replaced_to_the_second() {
    let centre = Centre::new(&["CREATE TABLE call_rec (acd SMALLINT, segstart TIMESTAMP, calls INTEGER)"]);
    centre.run(
        "INSERT INTO call_rec WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 7 FROM n WHERE i < 21600) \
         SELECT 1 + i % 2, datetime('2024-03-05 08:00:00', i || ' seconds'), i FROM n",
    );
    let device = backup(&centre);
    let inside = "segstart >= '2024-03-05 08:50:00' AND segstart < '2024-03-05 10:20:00'";
    let (all, within) = (
        centre.count("SELECT count(*) FROM call_rec"),
        centre.count(&format!("SELECT count(*) FROM call_rec WHERE {inside}")),
    );
    centre.run("UPDATE call_rec SET calls = -1");
    centre.run("DELETE FROM call_rec WHERE segstart BETWEEN '2024-03-05 09:05:00' AND '2024-03-05 09:45:00'");
    let (plan, report) = restore_range(&device, &centre, "2024-03-05 08:50", "2024-03-05 10:19");
    assert_eq!(report.tables[0].inserted, within as u64);
    assert_eq!(centre.count("SELECT count(*) FROM call_rec"), all);
    assert_eq!(centre.count(&format!("SELECT count(*) FROM call_rec WHERE {inside} AND calls >= 0")), within);
    assert_eq!(
        centre.count(&format!("SELECT count(*) FROM call_rec WHERE NOT ({inside}) AND calls = -1")),
        all - within
    );
    // Eight whole slots of twelve, and the events of those that the request or the held range cuts.
    for acd in &ranges(&plan, "call_rec").acds {
        let rows = intervault::schema::range::rows(acd.volume.slots());
        assert!((acd.volume.slots().len() as u64) < rows / 2, "{} slots of {rows} rows", acd.volume.slots().len());
    }
}

/// A damaged chunk takes its day out of what is held. What is left of the day goes in row by row on request: not by whole
/// slots, of which the target may have a row.
#[test]
fn what_is_left_of_a_damaged_day_of_events_goes_in_to_the_second() {
    let centre = Centre::new(&["CREATE TABLE call_rec (acd SMALLINT, segstart TIMESTAMP, note TEXT)"]);
    centre.run(
        "INSERT INTO call_rec WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 7 FROM n WHERE i < 21600) \
         SELECT 1, datetime('2024-03-05 08:00:00', i || ' seconds'), hex(i * 7919 % 99991) || hex(i * 104729) FROM n",
    );
    let memory = MemoryDevice::new();
    backup_with(&centre, &memory, &backup::Options { volume_size: Some(32 << 10), ..backup_options(1) });
    let device = FaultDevice::new(memory, 1);
    let (lost, all) = {
        let set = only_set(&device);
        let chunks = &set.sections()[0].chunks;
        assert!(chunks.len() >= 3, "{}", chunks.len());
        let entry = chunks[1].entry;
        device.flip(&set.copies(entry.volume)[0], (entry.offset + u64::from(entry.bytes) / 2) * 8);
        (i64::from(entry.rows), chunks.iter().map(|chunk| i64::from(chunk.entry.rows)).sum::<i64>())
    };
    centre.run("DELETE FROM call_rec WHERE rowid > 3");
    let mut options = restore::Options { missing: restore::Missing::Partial, ..restore_options(None, None) };
    options.policies.carried = Carried::Insert;
    restore_set(&only_set(&device), &centre, &options).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM call_rec"), all - lost);
    assert_eq!(centre.count("SELECT count(DISTINCT segstart) FROM call_rec"), all - lost);
}

/// Intervals whose rows do not say how long they last: the catalogue does, and the volumes pass it on.
#[test]
fn intervals_of_one_length_are_replaced_whole_across_midnight() {
    let centre = Centre::new(&["CREATE TABLE load (at TIMESTAMP, busy INTEGER)"]);
    centre.run(
        "INSERT INTO load WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 5 FROM n WHERE i < 60) \
         SELECT datetime('2024-02-29 23:33:00', i || ' minutes'), i FROM n",
    );
    let own = "[[table]]\nname = 'load'\ndata = 'custom'\ngrain = 'interval'\n\
               time = [{ timestamp = 'at', length_minutes = 5 }]\n";
    let device = MemoryDevice::new();
    let catalogue = Catalogue::parse(own).unwrap();
    Backup::new(&centre.store(), &catalogue, &device, backup_options(1)).run().unwrap();
    centre.run("UPDATE load SET busy = -1");
    let (plan, _) = restore_range(&device, &centre, "2024-03-01 00:00", "2024-03-01 00:03");
    let actual = ranges(&plan, "load").acds[0].decision.actual.spans();
    assert_eq!(actual, [span("2024-02-29 23:58", "2024-03-01 00:08")]);
    let in_order = "(SELECT busy FROM load ORDER BY at)";
    let busy = centre.count(&format!("SELECT group_concat(busy, '') = '-1-1-1-1-12530-1-1-1-1-1-1' FROM {in_order}"));
    assert_eq!(busy, 1, "{:?}", centre.rows("load"));
}

/// Not as many rows go in as were planned: whatever the reason, even without a proof no row of that table stays changed.
#[test]
fn a_plan_whose_chunks_have_fewer_rows_is_rolled_back() {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    centre.intervals("2024-03-05", 0, 2400, 30, 1);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', 1, '')");
    let device = backup(&centre);
    let set = only_set(&device);
    centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE synonyms SET acd_no = 2");
    let before = (centre.rows("hsplit"), centre.rows("synonyms"));
    let options = restore::Options { proof: restore::Proof::Counts, anew: true, ..restore_options(None, None) };
    for table in ["hsplit", "synonyms"] {
        let mut plan = plan(&set, &centre, &options);
        let planned = plan.tables.iter_mut().find(|planned| planned.table == table).unwrap();
        match &mut planned.action {
            restore::TableAction::Ranges(ranges) => ranges.sources.iter_mut().for_each(|source| source.chunks.clear()),
            restore::TableAction::Whole(whole) => whole.source.chunks.clear(),
            restore::TableAction::Leave(reason) => panic!("{reason}"),
        }
        let error = restore::Restore::new(&set, &centre.store(), options.clone()).apply(&plan, None).unwrap_err().error;
        assert_eq!(error.class(), Class::Damage);
        assert!(error.to_string().contains("rows to insert"), "{error}");
        // The other table may have been replaced before.
        let (now, was) =
            if table == "hsplit" { (centre.rows("hsplit"), &before.0) } else { (centre.rows("synonyms"), &before.1) };
        assert_eq!(now, *was, "{table}");
        centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE synonyms SET acd_no = 2");
    }
}
