//! Chains of a full set and incremental ones, written from real databases.

use super::support::*;
use intervault::backup;
use intervault::base::monitor::Silent;
use intervault::check;
use intervault::device::memory::MemoryDevice;
use intervault::schema::catalogue::Catalogue;
use intervault::testing::chains::write_incremental;
use intervault::verify::set::verify_set;
use intervault::volume::set::list_sets;

/// Writes an incremental set against all sets on the device, which are one chain.
pub fn incremental(centre: &Centre, device: &MemoryDevice, options: &backup::Options) {
    let mut sets = list_sets(device).unwrap().sets;
    sets.sort_by_key(|set| std::cmp::Reverse(set.label().sequence));
    let before: Vec<_> = sets.iter().collect();
    write_incremental(&centre.store(), &Catalogue::builtin(), device, options, &before).unwrap();
}

/// An incremental set holds what changed and lists the rest, and a check finds nothing wrong with it.
#[test]
fn an_incremental_holds_what_changed() {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    for day in 10..15 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-12' AND starttime = 830");
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-13'");
    centre.intervals("2024-03-15", 800, 900, 30, 1);
    incremental(&centre, &device, &backup_options(2));
    let sets = list_sets(&device).unwrap().sets;
    let set = sets.iter().find(|set| set.label().sequence == 1).unwrap();
    let label = set.label();
    assert_eq!((label.parent_set, label.chain, label.incremental), (Some([1; 16]), [1; 16], true));
    assert!(label.label.ends_with("-I-01"), "{}", label.label);
    assert_eq!(verify_set(set, 1, &Silent).findings, []);
    let outline = check::outline(set);
    let hsplit = outline.tables.iter().find(|table| table.table == "hsplit").unwrap();
    assert_eq!((hsplit.rows, hsplit.buckets), (4 + 2, 2));
    let span = |start, stop| intervault::base::time::Span::new(at(start), at(stop)).unwrap();
    let held = [
        span("2024-03-12 00:00", "2024-03-14 00:00"),
        // From the end of what the full one holds.
        span("2024-03-14 10:00", "2024-03-15 09:00"),
    ];
    assert_eq!(hsplit.acds[0].held, held);
    let section = set.sections().iter().find(|section| section.header.table == "hsplit").unwrap();
    let unwritten: Vec<_> = section.buckets.iter().filter(|bucket| !bucket.is_written()).collect();
    assert_eq!(unwritten.len(), 3);
    let full = sets.iter().find(|set| set.label().sequence == 0).unwrap();
    let older = &full.sections().iter().find(|section| section.header.table == "hsplit").unwrap().buckets;
    for bucket in unwritten {
        assert!(
            older.iter().any(|other| (other.day, other.rows, other.digest) == (bucket.day, bucket.rows, bucket.digest))
        );
    }
}
