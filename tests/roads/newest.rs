//! Which of several chains and branches has the newest state, and what may be newer than that.

use super::chains::{incremental, remove};
use super::commands::{Case, json};
use super::support::*;
use intervault::backup::{self, Select as Data};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::{BlockKind, SetId};
use intervault::restore::{from_the_future, may_be_newer};
use intervault::schema::grain::DataType;
use intervault::testing::damage::places;
use intervault::volume::chain::{Chain, ChainError, Wanted};
use intervault::volume::newest::{newest, whole_ends};
use intervault::volume::set::{SetReader, list_sets};

const HOUR: i64 = 3_600;

/// Options of a backup of these kinds that is begun so many seconds after the first one.
fn at(number: u8, seconds: i64, kinds: &[DataType]) -> backup::Options {
    backup::Options {
        select: Data::Data(kinds.to_vec()),
        now_unix: backup_options(1).now_unix + seconds,
        ..backup_options(number)
    }
}

fn now() -> i64 {
    backup_options(1).now_unix + HOUR
}

fn centre() -> Centre {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    (1..4).for_each(|day| centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1));
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    centre
}

fn change(centre: &Centre) {
    centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1000; UPDATE synonyms SET value = value || '+'");
}

fn add(device: &MemoryDevice, from: &MemoryDevice) {
    let new = |name: &String| !device.list().unwrap().contains(name);
    from.list()
        .unwrap()
        .iter()
        .filter(|name| new(name))
        .for_each(|name| device.insert(name, from.bytes(name).unwrap()));
}

/// The number of the set with the newest state of these kinds; none if several have it.
fn newest_of(device: &MemoryDevice, kinds: &[DataType]) -> Option<u8> {
    let sets = list_sets(device).unwrap().sets;
    let bits = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
    match newest(&whole_ends(&sets, now()), bits, now()) {
        Ok(found) => found.map(|set| set.set_id().0[0]),
        Err(ChainError::Several(names)) => {
            assert!(!names.is_empty());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

const ALL: &[DataType] = &DataType::ALL;
const ACD: &[DataType] = &[DataType::Acd];
const HISTORICAL: &[DataType] = &[DataType::Historical];

/// Two disks in turn: the branch that was written last counts and not the longer one, unless another one has kinds of data that
/// only it wrote.
#[test]
fn of_two_branches_the_later_one_is_the_newest() {
    for (begun, kinds, wanted, expected) in [
        (300, ALL, ALL, Some(4)),
        (150, ALL, ALL, Some(3)),
        (300, ACD, ACD, Some(4)),
        (300, ACD, HISTORICAL, Some(3)),
        (300, ACD, ALL, None),
        (150, ACD, ALL, Some(3)),
    ] {
        let centre = centre();
        let (one, other) = (MemoryDevice::new(), MemoryDevice::new());
        backup_with(&centre, &one, &at(1, 0, ALL));
        add(&other, &one);
        for (number, seconds) in [(2, 100), (3, 200)] {
            change(&centre);
            incremental(&centre, &one, &at(number, seconds, ALL));
        }
        change(&centre);
        incremental(&centre, &other, &at(4, begun, kinds));
        add(&one, &other);
        assert_eq!(newest_of(&one, wanted), expected, "{begun} {kinds:?} {wanted:?}");
    }
}

/// What nobody could build on is not the newest where another set was written in its place, though that one has a lower number
/// and not all of its kinds of data.
#[test]
fn a_set_that_was_written_again_is_not_the_newest() {
    for kinds in [ALL, ACD] {
        let centre = centre();
        let device = MemoryDevice::new();
        backup_with(&centre, &device, &at(1, 0, ALL));
        for number in [2, 3] {
            change(&centre);
            incremental(&centre, &device, &at(number, i64::from(number) * 100, ALL));
        }
        for number in [2, 3] {
            let short = set_id(number).to_string()[..8].to_owned();
            let name = device.list().unwrap().into_iter().find(|name| name.contains(&short)).unwrap();
            let mut bytes = device.remove(&name).unwrap();
            let catalog = places(&bytes).into_iter().rfind(|place| place.header.kind == BlockKind::Catalog).unwrap();
            bytes[catalog.at + 100] ^= 4;
            device.insert(&name, bytes);
        }
        assert_eq!(newest_of(&device, ALL), Some(3));
        change(&centre);
        assert_eq!(incremental(&centre, &device, &at(4, 400, kinds)).parent.unwrap().set, set_id(1));
        assert_eq!(newest_of(&device, ALL), Some(4), "{kinds:?}");
    }
}

/// Of two chains the one with the newest state of what is wanted, which need not be the one that was begun last.
#[test]
fn of_two_chains_the_one_with_the_newest_state_counts() {
    let centre = centre();
    let (one, other) = (MemoryDevice::new(), MemoryDevice::new());
    backup_with(&centre, &one, &at(1, 0, ALL));
    backup_with(&centre, &other, &at(2, 100, ALL));
    let both = || {
        let both = MemoryDevice::new();
        [&one, &other].into_iter().for_each(|from| add(&both, from));
        both
    };
    assert_eq!(newest_of(&both(), ALL), Some(2));
    change(&centre);
    incremental(&centre, &one, &at(3, 200, HISTORICAL));
    let found = [ALL, HISTORICAL, ACD].map(|kinds| newest_of(&both(), kinds));
    assert_eq!(found, [None, Some(3), Some(2)]);
    change(&centre);
    incremental(&centre, &one, &at(4, 300, ACD));
    assert_eq!(newest_of(&both(), &[DataType::Acd, DataType::Historical]), Some(4));
    // A set of one ACD is the state of no whole database.
    backup_with(&centre, &other, &backup::Options { acd: Some(1), ..at(5, 400, ALL) });
    assert_eq!(newest_of(&both(), HISTORICAL), Some(4));
}

/// A set is no older than the one that it builds on. Where a clock was set back in between nobody knows which of the two it was
/// that it said wrongly.
#[test]
fn a_clock_that_went_back_makes_no_chain_older() {
    for (begun, expected) in [(100, None), (40, Some(2)), (300, Some(3))] {
        let centre = centre();
        let (one, other) = (MemoryDevice::new(), MemoryDevice::new());
        backup_with(&centre, &one, &at(1, 200, ALL));
        incremental(&centre, &one, &at(2, 50, ALL));
        assert_eq!(newest_of(&one, ALL), Some(2));
        backup_with(&centre, &other, &at(3, begun, ALL));
        add(&one, &other);
        assert_eq!(newest_of(&one, ALL), expected, "{begun}");
    }
}

/// Nobody takes a part of what is wanted for the newest of all of it.
#[test]
fn a_set_without_a_kind_of_data_is_not_the_newest_with_it() {
    let centre = centre();
    let (one, other) = (MemoryDevice::new(), MemoryDevice::new());
    backup_with(&centre, &one, &at(1, 0, ALL));
    backup_with(&centre, &other, &at(2, 100, ACD));
    change(&centre);
    incremental(&centre, &one, &at(3, 200, HISTORICAL));
    add(&one, &other);
    let found = [ALL, HISTORICAL, ACD].map(|kinds| newest_of(&one, kinds));
    assert_eq!(found, [None, Some(3), Some(2)]);
}

/// What a set had that is not here is as new as the one behind it, for all that anybody knows.
#[test]
fn behind_a_gap_nobody_knows_how_new_a_kind_is() {
    let (one, other, centre) = (MemoryDevice::new(), MemoryDevice::new(), centre());
    backup_with(&centre, &one, &at(1, 0, ALL));
    backup_with(&centre, &other, &at(2, 50, ALL));
    for (number, kinds) in [(3, HISTORICAL), (4, ACD)] {
        change(&centre);
        incremental(&centre, &one, &at(number, i64::from(number) * 100, kinds));
    }
    add(&one, &other);
    assert_eq!(newest_of(&one, HISTORICAL), Some(4));
    remove(&one, 3);
    assert_eq!([HISTORICAL, ACD].map(|kinds| newest_of(&one, kinds)), [None, Some(4)]);
    backup_with(&centre, &other, &at(5, 500, HISTORICAL));
    add(&one, &other);
    assert_eq!(newest_of(&one, HISTORICAL), Some(5));
}

/// Two disks in turn, and sets of one of them that are torn or away: the later branch is no earlier state of the other one.
#[test]
fn a_later_branch_is_seen_whatever_became_of_the_other_one() {
    for (begun, torn, away, expected) in [
        (400, Some(2), &[4][..], Some(5)),
        (400, None, &[2, 3], Some(5)),
        (400, None, &[], Some(5)),
        // Which of two the set before the gap was nobody knows, nor of what kinds.
        (50, None, &[3], None),
    ] {
        let centre = centre();
        let (one, other) = (MemoryDevice::new(), MemoryDevice::new());
        backup_with(&centre, &one, &at(1, 0, ALL));
        add(&other, &one);
        for (number, kinds) in [(2, ALL), (3, ALL), (4, HISTORICAL)] {
            change(&centre);
            incremental(&centre, &one, &at(number, i64::from(number - 1) * 100, kinds));
        }
        change(&centre);
        incremental(&centre, &other, &at(5, begun, ALL));
        add(&one, &other);
        away.iter().for_each(|number| remove(&one, *number));
        if let Some(number) = torn {
            let short = set_id(number).to_string()[..8].to_owned();
            let name = one.list().unwrap().into_iter().find(|name| name.contains(&short)).unwrap();
            let bytes = one.remove(&name).unwrap();
            one.insert(&name, bytes[..bytes.len() - 10].to_vec());
        }
        assert_eq!(newest_of(&one, ACD), expected, "{torn:?} {away:?}");
        if begun > 300 {
            assert_eq!(newest_of(&one, ALL), expected, "{torn:?} {away:?}");
        }
    }
}

/// Whoever names tables wants the newest state of their kinds of data.
#[test]
fn of_named_tables_their_kinds_are_wanted() {
    let case = Case::new();
    let (url, from) = (case.url(), case.device());
    json(&["backup", "--database", &url, "--to", &from, "--data", "acd"], 0);
    let first = case.backup["set"].as_str().unwrap();
    let newest = ["--tables", "hsplit", "--set", "newest"];
    let answer = json(&[&["restore", "--database", &url, "--from", &from, "--dry-run"], &newest[..]].concat(), 0);
    assert_eq!(answer["plan"]["set"], *first);
    let to = case.centre.folder.path().join("rows.csv").display().to_string();
    assert_eq!(json(&[&["export", &from, "--to", &to], &newest[..]].concat(), 0)["set"], *first);
}

fn chain_of<'a>(sets: &'a [SetReader<'a>], number: u8) -> Chain<'a> {
    let id = set_id(number).to_string();
    Chain::choose(sets, Wanted { set: Some(&id), stop_at: None }).unwrap()
}

/// A clock that was ahead: its set comes after all others, which is told, and a volume beside it may be newer whatever its name.
#[test]
fn what_a_clock_wrote_that_was_ahead_may_be_newer() {
    let centre = centre();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &at(1, 0, ALL));
    change(&centre);
    backup_with(&centre, &device, &at(2, 48 * HOUR, ALL));
    assert_eq!(newest_of(&device, ALL), Some(1));
    let sets = list_sets(&device).unwrap().sets;
    let ahead = |number: u8, kinds: &[DataType], now: i64| -> Vec<SetId> {
        let bits = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        from_the_future(&chain_of(&sets, number), &sets, bits, now).iter().map(|set| set.set_id()).collect()
    };
    assert_eq!(ahead(1, ALL, now()), [set_id(2)]);
    assert_eq!(ahead(2, ALL, now()), []);
    assert_eq!(ahead(1, ALL, now() + 48 * HOUR), []);
    let day_before = "CMS-240101-01-LSAX-00-I-01.0123abcd.ivv";
    let newer = |number: u8, now: i64| may_be_newer(day_before, &chain_of(&sets, number), &sets, u32::MAX, now);
    assert_eq!([newer(1, now()), newer(2, now()), newer(2, now() + 48 * HOUR)], [false, true, false]);
}
