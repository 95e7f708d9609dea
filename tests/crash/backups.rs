//! A backup is killed at every call by which it writes, and between its statements: a full one, and an incremental one beside
//! the set that it builds on. What it left is told for what it is, costs nothing of what was there before, and the next backup
//! into the same place is done and can be restored.

use super::child::{Road, calls, start, was_killed};
use super::kills::{points, sections};
use super::support::set_id;
use super::watch::{Kind, Moment, Point};
use super::world::{Folder, Journal, options, place};
use intervault::base::monitor::Silent;
use intervault::device::traits::Device;
use intervault::format::catalog::BucketEntry;
use intervault::restore::Restore;
use intervault::verify::set::verify_set;
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::set::{SetReader, find_set, list_sets};
use std::path::Path;

/// The set that the incremental one builds on, the one whose writing is killed, and the next one.
const BEFORE: u8 = 0xB0;
const KILLED: u8 = 0xB1;
const NEXT: u8 = 0xB2;

/// What changes after the first backup: late rows, rows that go, others that are corrected.
const CHANGES: &str = "UPDATE hsplit SET acdcalls = 4711 WHERE row_date = '2024-03-03';
    INSERT INTO hsplit VALUES ('2024-03-09', 800, 30, 1, 1, 1, 'new'), ('2024-03-09', 830, 30, 2, 1, 2, 'new');
    DELETE FROM hsplit WHERE row_date = '2024-03-06' AND acd = 2; UPDATE synonyms SET value = 'another'";

/// Tables and buckets of a set.
type Sections = Vec<(String, Vec<BucketEntry>)>;

/// What is in the place tells no more than there is: the set that was being written is whole, or nothing takes it for a set
/// that is; the one from before is as it was.
fn is_told(left: &Folder, road: Road, finished: bool, right: &Sections, what: &str) {
    let device = left.backups();
    let listing = list_sets(&device).unwrap();
    let id = |set: &&SetReader<'_>, number: u8| set.set_id() == set_id(number);
    let killed = listing.sets.iter().find(|set| id(set, KILLED));
    assert_eq!(killed.is_some_and(|set| set.is_complete()), finished, "{what}");
    let digits = &set_id(KILLED).to_string()[..8];
    let begun = device.list().unwrap().iter().any(|name| name.contains(digits));
    assert!(killed.is_some() || !begun || !listing.unreadable.is_empty(), "{what}: nobody speaks of what is there");
    // Where nothing is wrong with it but that its last volume has no name yet, all of it is there.
    for set in killed.iter().filter(|set| verify_set(set, 1, &Silent).findings.is_empty()) {
        assert_eq!(&sections(set), right, "{what}");
    }
    if road == Road::Incremental {
        let before = listing.sets.iter().find(|set| id(set, BEFORE)).unwrap();
        assert!(before.is_complete(), "{what}");
        assert_eq!(verify_set(before, 1, &Silent).findings, [], "{what}");
    }
}

/// What a restore of the newest chain in the place makes of empty tables.
fn restored(left: &Folder, to: &Path) -> Vec<String> {
    let target = Folder::empty(to.to_owned());
    let device = left.backups();
    // What is not finished is no member of a chain, and is not asked for.
    let sets: Vec<_> = list_sets(&device).unwrap().sets.into_iter().filter(|set| set.is_complete()).collect();
    let next = sets.iter().find(|set| set.set_id() == set_id(NEXT)).unwrap().label().chain;
    let chain: Vec<_> = sets.into_iter().filter(|set| set.label().chain == next).collect();
    let store = target.store();
    let restore = Restore::new(Chain::choose(&chain, Wanted::default()).unwrap(), &store, options());
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals, []);
    restore.apply(&plan, None).unwrap();
    let contents = target.contents();
    std::fs::remove_dir_all(to).unwrap();
    contents
}

/// Kills at about `count` points.
fn kill(road: Road, journal: Journal, count: usize) {
    let (_folder, path) = place();
    // A chain is of one database, which is known by its path: all that happens happens in this one.
    let at = path.join("centre");
    let first = Folder::ruined(at.clone(), journal);
    std::fs::create_dir(at.join("backups")).unwrap();
    if road == Road::Incremental {
        first.back_up(&first.backups(), Road::Backup, BEFORE).unwrap();
        first.run(CHANGES);
    }
    let begin = first.copy(&path.join("begin"));
    let calls = calls(road, &first);
    let made = |folder: &Folder| find_set(&folder.backups(), set_id(KILLED)).unwrap().map(|set| sections(&set));
    let (source, right) = (first.contents(), made(&first).unwrap());
    std::fs::remove_dir_all(&at).unwrap();
    let last = calls.iter().rposition(|call| call.kind == Kind::Finish).unwrap();
    let kinds = |kind: Kind| calls.iter().filter(|call| call.kind == kind).count();
    assert!(kinds(Kind::Finish) > 1 && kinds(Kind::Append) > 5 && kinds(Kind::Statement) > 5, "{calls:?}");
    let points = points(&calls, count);
    assert!(points.len() >= count / 2, "{} points in {} calls", points.len(), calls.len());
    let mut done = 0;
    for Point { call, moment } in points {
        let what = format!("{road:?}, {journal:?}, {moment:?} {call} of {}: {:?}", calls.len(), calls[call]);
        let left = begin.copy(&at);
        assert!(was_killed(start(road, &left, Some(Point { call, moment })), &what), "{what}: it lived");
        let finished = call > last || (call == last && moment == Moment::After);
        is_told(&left, road, finished, &right, &what);
        if finished {
            assert_eq!(made(&left).as_ref(), Some(&right), "{what}");
            done += 1;
        }
        assert_eq!(left.contents(), source, "{what}: a backup changed its source");
        left.back_up(&left.backups(), road, NEXT).unwrap_or_else(|error| panic!("{what}, again: {error}"));
        let device = left.backups();
        let again = find_set(&device, set_id(NEXT)).unwrap().unwrap();
        assert!(again.is_complete(), "{what}, again");
        assert_eq!(verify_set(&again, 1, &Silent).findings, [], "{what}, again");
        assert_eq!(restored(&left, &path.join("target")), source, "{what}, restored");
        std::fs::remove_dir_all(&left.0).unwrap();
    }
    assert!(done > 0, "nothing was killed after the last volume had its name");
}

#[test]
fn a_full_backup_killed_at_any_call_is_a_set_or_none_and_the_next_one_is_whole() {
    kill(Road::Backup, Journal::Delete, 40);
}

#[test]
fn an_incremental_backup_killed_at_any_call_is_a_set_or_none_and_the_next_one_is_whole() {
    kill(Road::Incremental, Journal::Wal, 40);
}
