//! Which of several chains and branches has the newest state, and what may be newer than that.

use super::chains::incremental;
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
            assert!(names.len() > 1, "{names:?}");
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

/// A set is no older than the one that it builds on, whatever a clock said that was set back in between.
#[test]
fn a_clock_that_went_back_makes_no_chain_older() {
    let centre = centre();
    let (one, other) = (MemoryDevice::new(), MemoryDevice::new());
    backup_with(&centre, &one, &at(1, 200, ALL));
    incremental(&centre, &one, &at(2, 50, ALL));
    backup_with(&centre, &other, &at(3, 100, ALL));
    add(&one, &other);
    assert_eq!(newest_of(&one, ALL), Some(2));
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
