//! A range restore reads what the range needs of the volumes: its days, and those whose rows reach into them.

use super::support::*;
use intervault::backup;
use intervault::device::memory::MemoryDevice;
use intervault::restore::Restore;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::volume::set::list_sets;

/// Days of so many rows that each has chunks of its own.
fn wide() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO hsplit \
         SELECT '2024-02-' || printf('%02d', 1 + i / 400), (i / 16 % 24) * 100, 60, 1, i, i * 7919 % 99991, \
         hex(i * 104729) FROM n",
    );
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
    (centre, device)
}

/// Bytes that a restore of some days reads of the volumes, once they are listed, and those of all volumes.
fn read(centre: &Centre, device: &MemoryDevice, start: &str, stop: &str) -> (u64, u64) {
    let watched = FaultDevice::new(device.copy(), 1);
    let set = list_sets(&watched).unwrap().sets.remove(0);
    let store = centre.store();
    let restore = Restore::new(&set, &store, restore_options(Some(start), Some(stop)));
    watched.clear_log();
    let report = restore.apply(&restore.plan().unwrap(), None).unwrap();
    assert!(report.tables[0].inserted >= 400);
    let bytes = watched.log().iter().filter(|entry| entry.op == Op::Read).map(|entry| entry.bytes).sum();
    let all = set.sections()[0].chunks.iter().map(|chunk| u64::from(chunk.entry.bytes)).sum();
    (bytes, all)
}

#[test]
fn a_day_costs_the_chunks_of_that_day() {
    let (centre, device) = wide();
    let (one, all) = read(&centre, &device, "2024-02-12 00:00", "2024-02-12 23:59");
    let (five, _) = read(&centre, &device, "2024-02-10 00:00", "2024-02-14 23:59");
    // To verify before anything is changed, and to insert: each chunk twice, and a day may share chunks with others.
    assert!(one * 25 <= all * 2 * 2, "{one} bytes for one day of 25, {all} in all");
    assert!(five > one * 2 && five * 25 <= all * 2 * 6, "{five} bytes for five days, {one} for one, {all} in all");
    // A row of the volumes that reaches over midnight takes its day with it.
    centre.interval("2024-02-11", 2330, 60, 1, 7);
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
    let (more, _) = read(&centre, &device, "2024-02-12 00:00", "2024-02-12 23:59");
    assert!(more > one, "{more} {one}");
}

/// A row of the target across midnight, where the volumes have shorter ones: both sides of midnight are compared.
#[test]
fn a_row_of_the_target_across_midnight_is_replaced_by_what_the_volumes_have_there() {
    for (date, starttime, start, stop) in [
        ("2024-03-19", 2330, "2024-03-20 00:00", "2024-03-20 23:59"),
        ("2024-03-20", 2330, "2024-03-20 00:00", "2024-03-20 23:59"),
        ("2024-03-19", 2330, "2024-03-20 00:10", "2024-03-20 05:00"),
    ] {
        let centre = Centre::new(&[HSPLIT]);
        for day in 18..=22 {
            centre.intervals(&format!("2024-03-{day}"), 0, 2400, 30, 1);
        }
        let truth = centre.rows("hsplit");
        let device = backup(&centre);
        let next = if date == "2024-03-19" { "2024-03-20" } else { "2024-03-21" };
        centre.run(&format!(
            "DELETE FROM hsplit WHERE row_date = '{date}' AND starttime = {starttime}; \
             DELETE FROM hsplit WHERE row_date = '{next}' AND starttime = 0"
        ));
        centre.interval(date, starttime, 60, 1, 5);
        let (plan, _) = restore_range(&device, &centre, start, stop);
        assert_eq!(plan.refusals, []);
        assert_eq!(centre.rows("hsplit"), truth, "{date} {start}");
    }
}
