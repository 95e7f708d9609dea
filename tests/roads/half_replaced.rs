//! A set on which nobody can build, and in whose place one with other kinds of data was written: what older members have of the
//! kinds that only the first one had does not come back as if it were the newest state.

use super::chains::{all, incremental, restore_chain};
use super::files::{noise, tree};
use super::support::*;
use intervault::backup::{self, Select as Data};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::format::block::SetId;
use intervault::restore::{
    FilesOptions, FilesRestore, Missing, Options, Restore, RestorePlan, Rule, Select, newer_torn,
};
use intervault::salvage::{Salvage, SalvageOptions};
use intervault::schema::grain::DataType;
use intervault::volume::chain::{Chain, ChainError, Wanted};
use intervault::volume::set::list_sets;
use std::collections::{BTreeMap, BTreeSet};

/// What happens to the last volume of a set.
#[derive(Debug, Clone, Copy)]
enum Torn {
    /// It is not there any more.
    Gone,
    /// It lacks its last bytes.
    Cut,
    /// Its catalog has a wrong bit.
    Catalog,
}

const ALL: [Torn; 3] = [Torn::Gone, Torn::Cut, Torn::Catalog];

fn centre() -> Centre {
    let centre = Centre::new(&[HSPLIT, MSPLIT, SYNONYMS]);
    (1..11).for_each(|day| centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1));
    centre.run("INSERT INTO msplit VALUES ('2024-02-01', 1, 1, 5)");
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    centre
}

/// Options of a backup that is begun so many seconds after the first.
fn begun(number: u8) -> backup::Options {
    let options = backup_options(number);
    backup::Options { now_unix: options.now_unix + i64::from(number), ..options }
}

fn change(centre: &Centre, by: i64) {
    centre.run(&format!("UPDATE hsplit SET acdcalls = acdcalls + {by}000"));
    centre.run(&format!("UPDATE msplit SET acdcalls = acdcalls + {by}000"));
    centre.run(&format!("UPDATE synonyms SET value = '{by}'"));
}

/// Takes an incremental backup of several volumes and hurts the last one.
fn torn(centre: &Centre, device: &MemoryDevice, options: backup::Options, torn: Torn) {
    let before: BTreeSet<String> = device.list().unwrap().into_iter().collect();
    incremental(centre, device, &backup::Options { volume_size: options.volume_size.or(Some(8 << 10)), ..options });
    let own: Vec<String> = device.list().unwrap().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(own.len() > 1, "{own:?}");
    let last = own.last().unwrap();
    let mut bytes = device.remove(last).unwrap();
    match torn {
        Torn::Gone => return,
        Torn::Cut => bytes.truncate(bytes.len() - 10),
        Torn::Catalog => hurt_catalog(&mut bytes),
    }
    device.insert(last, bytes);
}

/// A full backup, an incremental one of all data that is torn, and in its place one of these kinds. The centre has the state of
/// the last.
fn replaced(how: Torn, kinds: &[DataType]) -> (Centre, MemoryDevice, backup::BackupReport) {
    let centre = centre();
    let device = backup(&centre);
    change(&centre, 1);
    torn(&centre, &device, begun(2), how);
    let select = Data::Data(kinds.to_vec());
    let report = incremental(&centre, &device, &backup::Options { select, ..begun(3) });
    assert_eq!(report.parent.as_ref().unwrap().set, set_id(1), "{how:?}");
    (centre, device, report)
}

fn copy(centre: &Centre) -> Centre {
    let copy = Centre { folder: tempfile::tempdir().unwrap() };
    std::fs::copy(centre.path(), copy.path()).unwrap();
    copy
}

fn rows(centre: &Centre) -> Vec<Vec<String>> {
    ["hsplit", "msplit", "synonyms"].iter().map(|table| centre.rows(table)).collect()
}

fn planned(device: &MemoryDevice, target: &Centre, wanted: Wanted<'_>, options: &Options) -> RestorePlan {
    let sets = list_sets(device).unwrap().sets;
    let store = target.store();
    Restore::new(Chain::choose(&sets, wanted).unwrap(), &store, options.clone()).plan().unwrap()
}

/// Every table of a kind that only the torn set had is left alone and refused, named or not; the others come back.
#[test]
fn what_the_set_in_its_place_has_not_does_not_go_back_one_state() {
    for how in ALL {
        let (centre, device, report) = replaced(how, &[DataType::Acd]);
        let parent = report.parent.unwrap();
        assert!(parent.warnings.iter().any(|warning| warning.contains("historical")), "{how:?}: {:?}", parent.warnings);
        let truth = rows(&centre);
        let historical = Options { select: Select::Data(vec![DataType::Historical]), ..all() };
        let named = Options { select: Select::Tables(vec!["hsplit".to_owned()]), ..all() };
        for options in [all(), historical.clone(), named.clone()] {
            let target = copy(&centre);
            let error = restore_chain(&device, &target, &options).unwrap_err();
            assert_eq!(error.class(), Class::Volume, "{how:?}: {error}");
            assert!(error.to_string().contains(&set_id(2).to_string()), "{how:?}: {error}");
            let done = restore_chain(&device, &target, &Options { missing: Missing::Partial, ..options });
            assert_eq!(rows(&target), truth, "{how:?}: {:?}", done.map(|(plan, _)| plan.notices));
        }
        let target = copy(&centre);
        let id = set_id(3).to_string();
        let plan = planned(&device, &target, Wanted { set: Some(&id), stop_at: None }, &all());
        let refused: Vec<Rule> = plan.refusals.iter().map(|refusal| refusal.rule).collect();
        assert_eq!(refused, [Rule::MissingMember; 2], "{how:?}: {:?}", plan.refusals);
        // Nothing is in the way of what the set in its place has, nor of the state before.
        target.run("UPDATE synonyms SET value = 'lost'");
        let acd = Options { select: Select::Data(vec![DataType::Acd]), ..all() };
        let (plan, _) = restore_chain(&device, &target, &acd).unwrap();
        assert_eq!(rows(&target), truth, "{how:?}");
        assert!(plan.notices.iter().any(|note| note.contains("passed over")), "{how:?}: {:?}", plan.notices);
        let id = set_id(1).to_string();
        assert_eq!(planned(&device, &target, Wanted { set: Some(&id), stop_at: None }, &historical).refusals, []);
        assert_eq!(planned(&device, &target, Wanted { set: None, stop_at: Some(&id) }, &historical).refusals, []);
    }
}

/// A set of the same kinds stands for all of it. So does a later one, which has the rest.
#[test]
fn a_further_backup_of_the_kinds_that_were_lost_heals_it() {
    for how in ALL {
        let every = [DataType::Historical, DataType::Acd, DataType::System, DataType::Local, DataType::Custom];
        let (centre, device, report) = replaced(how, &every);
        assert_eq!(report.parent.unwrap().warnings, [""; 0], "{how:?}");
        let restored = |centre: &Centre, device: &MemoryDevice| {
            let target = copy(centre);
            target.run("DELETE FROM hsplit; DELETE FROM msplit; DELETE FROM synonyms");
            let (plan, _) = restore_chain(device, &target, &all()).unwrap();
            assert_eq!(rows(&target), rows(centre), "{how:?}");
            assert!(plan.notices.iter().all(|note| note.contains("passed over")), "{how:?}: {:?}", plan.notices);
        };
        restored(&centre, &device);

        let (centre, device, _) = replaced(how, &[DataType::Acd]);
        let select = Data::Data(vec![DataType::Historical]);
        let report = incremental(&centre, &device, &backup::Options { select, ..backup_options(4) });
        assert_eq!(report.parent.unwrap().set, set_id(3), "{how:?}");
        restored(&centre, &device);
    }
}

/// What a backup says of a set on which it cannot build is what is wrong with it.
#[test]
fn a_backup_says_why_a_set_is_no_base() {
    for (how, why) in [(Torn::Cut, "its end is not here"), (Torn::Catalog, "its catalog cannot be read")] {
        let (_, _, report) = replaced(how, &[DataType::Acd]);
        let notices = report.parent.unwrap().notices;
        assert!(notices.iter().any(|notice| notice.contains("is no base") && notice.contains(why)), "{notices:?}");
    }
}

/// What was written before a torn set stands for none of it, though it builds on the same one: two disks went out in turn.
#[test]
fn an_earlier_branch_stands_in_no_ones_place() {
    for (how, begun) in [(Torn::Cut, -100), (Torn::Cut, 0), (Torn::Cut, 100), (Torn::Gone, 100), (Torn::Catalog, 100)] {
        let centre = centre();
        let one = backup(&centre);
        let other = MemoryDevice::new();
        one.list().unwrap().iter().for_each(|name| other.insert(name, one.bytes(name).unwrap()));
        let at = |number, after: i64| {
            let options = backup_options(number);
            backup::Options { now_unix: options.now_unix + after, ..options }
        };
        change(&centre, 1);
        incremental(&centre, &one, &at(2, 0));
        change(&centre, 2);
        torn(&centre, &other, at(3, begun), how);
        other.list().unwrap().iter().for_each(|name| one.insert(name, other.bytes(name).unwrap()));
        let sets = list_sets(&one).unwrap().sets;
        match Chain::choose(&sets, Wanted::default()) {
            Err(ChainError::Several(_)) => assert!(begun > 0, "{how:?} {begun}"),
            chosen => assert!(chosen.unwrap().members()[0].set_id() == set_id(2) && begun <= 0, "{how:?} {begun}"),
        }
    }
}

/// A branch that was torn twice is healed by what was written in the place of its first set, whatever became of that.
#[test]
fn a_set_that_builds_on_a_torn_one_is_replaced_with_it() {
    for both in [true, false] {
        let centre = centre();
        let device = backup(&centre);
        let hurt = |number: u8| {
            let set = list_sets(&device).unwrap().sets.into_iter().find(|set| set.set_id() == set_id(number)).unwrap();
            let name = set.volumes().last().unwrap().name.clone().unwrap();
            drop(set);
            let bytes = device.remove(&name).unwrap();
            device.insert(&name, bytes[..bytes.len() - 10 - usize::from(number)].to_vec());
        };
        change(&centre, 1);
        incremental(&centre, &device, &begun(2));
        if both {
            change(&centre, 2);
            incremental(&centre, &device, &begun(3));
            hurt(3);
        }
        hurt(2);
        change(&centre, 3);
        let report = incremental(&centre, &device, &begun(4));
        assert_eq!(report.parent.unwrap().set, set_id(1));
        change(&centre, 4);
        assert_eq!(incremental(&centre, &device, &begun(5)).parent.unwrap().set, set_id(4));
        let newest = |device: &MemoryDevice| {
            let sets = list_sets(device).unwrap().sets;
            Chain::choose(&sets, Wanted::default()).unwrap().members()[0].set_id()
        };
        assert_eq!(newest(&device), set_id(5), "{both}");
        hurt(4);
        assert_eq!(newest(&device), set_id(5), "what stood in its place is torn now, and was whole");
    }
}

/// The kinds that nobody speaks for since these sets fell out of the chain of the newest one, or of the one that is named.
fn untold(device: &MemoryDevice, wanted: Wanted<'_>) -> Vec<(SetId, u32)> {
    let sets = list_sets(device).unwrap().sets;
    let chain = Chain::choose(&sets, wanted).unwrap();
    chain.half_replaced().iter().map(|half| (half.set.set_id(), half.data_types)).collect()
}

/// A member of which something may be lost without a trace speaks for none of what it has.
#[test]
fn what_may_have_lost_more_stands_for_no_kind() {
    let kinds = [DataType::Historical, DataType::Acd];
    let (centre, device, _) = replaced(Torn::Cut, &kinds);
    let acd = backup::Options { select: Data::Data(vec![DataType::Acd]), ..begun(4) };
    assert_eq!(incremental(&centre, &device, &acd).parent.unwrap().set, set_id(3));
    let every = DataType::ALL.iter().fold(0, |bits, kind| bits | kind.bit());
    let rest = every & !(DataType::Historical.bit() | DataType::Acd.bit());
    assert_eq!(untold(&device, Wanted::default()), [(set_id(2), rest)], "the one in its place has both");
    let sets = list_sets(&device).unwrap().sets;
    let set = sets.iter().find(|set| set.set_id() == set_id(3)).unwrap();
    let name = set.volumes()[0].name.clone().unwrap();
    drop(sets);
    let mut bytes = device.remove(&name).unwrap();
    hurt_catalog(&mut bytes);
    device.insert(&name, bytes);
    assert_eq!(untold(&device, Wanted::default()), [(set_id(2), rest | DataType::Historical.bit())]);
}

/// A set that was salvaged since had nobody who could build on it, though it is whole now.
#[test]
fn a_set_that_was_salvaged_fell_out_all_the_same() {
    let (_centre, device, _) = replaced(Torn::Cut, &[DataType::Acd]);
    let torn: BTreeMap<String, Vec<u8>> = {
        let sets = list_sets(&device).unwrap().sets;
        let set = sets.iter().find(|set| set.set_id() == set_id(2)).unwrap();
        let names = set.volumes().iter().filter_map(|volume| volume.name.clone());
        names.map(|name| (name.clone(), device.bytes(&name).unwrap())).collect()
    };
    let named = set_id(3).to_string();
    let wanted = Wanted { set: Some(&named), stop_at: None };
    let before = untold(&device, wanted);
    assert!(before[0].1 & DataType::Historical.bit() != 0);
    let from = MemoryDevice::new();
    torn.iter().for_each(|(name, bytes)| from.insert(name, bytes.clone()));
    let mut new_id = || Ok(set_id(9));
    Salvage::new(&[&from], SalvageOptions::default()).write(&device, &mut new_id).unwrap();
    torn.keys().for_each(|name| drop(device.remove(name).unwrap()));
    assert_eq!(untold(&device, wanted), [(set_id(9), before[0].1)]);
}

/// Of a branch of two sets each is told with what it had, from the place at which the branch leaves the chain.
#[test]
fn a_branch_of_several_sets_falls_out_with_all_of_them() {
    let centre = centre();
    let device = backup(&centre);
    change(&centre, 1);
    let of = |number: u8, kind: DataType| backup::Options { select: Data::Data(vec![kind]), ..begun(number) };
    incremental(&centre, &device, &of(2, DataType::Acd));
    change(&centre, 2);
    assert_eq!(incremental(&centre, &device, &of(3, DataType::Historical)).parent.unwrap().set, set_id(2));
    for number in [2, 3] {
        let sets = list_sets(&device).unwrap().sets;
        let set = sets.iter().find(|set| set.set_id() == set_id(number)).unwrap();
        let name = set.volumes()[0].name.clone().unwrap();
        drop(sets);
        let mut bytes = device.remove(&name).unwrap();
        hurt_catalog(&mut bytes);
        device.insert(&name, bytes);
    }
    change(&centre, 3);
    assert_eq!(incremental(&centre, &device, &of(4, DataType::Acd)).parent.unwrap().set, set_id(1));
    assert_eq!(untold(&device, Wanted::default()), [(set_id(3), DataType::Historical.bit())]);
}

/// Within a chain the place of a set tells what is newer, though a clock went back; between chains nobody knows when a set was
/// taken that was begun later than now. What was written again in its place is in nobody's way.
#[test]
fn what_is_torn_and_newer_is_known_whatever_clocks_say() {
    let at = |number: u8, seconds: i64, kinds: &[DataType]| backup::Options {
        select: Data::Data(kinds.to_vec()),
        now_unix: backup_options(number).now_unix + seconds,
        ..backup_options(number)
    };
    let (every, acd, historical) = (DataType::ALL, [DataType::Acd], [DataType::Historical]);
    let newer = |device: &MemoryDevice, chosen: u8, kind: DataType, now: i64| -> Vec<SetId> {
        let sets = list_sets(device).unwrap().sets;
        let id = set_id(chosen).to_string();
        let chain = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
        newer_torn(&chain, &sets, kind.bit(), now).iter().map(|set| set.set_id()).collect()
    };
    let now = backup_options(1).now_unix + 1_000;
    let centre = centre();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &at(1, 100, &every));
    change(&centre, 1);
    incremental(&centre, &device, &at(2, 50, &acd));
    torn(&centre, &device, at(3, 60, &historical), Torn::Cut);
    assert_eq!(newer(&device, 2, DataType::Historical, now), [set_id(3)]);
    assert_eq!(newer(&device, 2, DataType::Acd, now), []);
    change(&centre, 2);
    incremental(&centre, &device, &at(4, 70, &historical));
    assert_eq!(newer(&device, 4, DataType::Historical, now), [], "written again");
    // The newest set need not have the kind that a torn one of another chain had.
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &at(1, 0, &every));
    incremental(&centre, &device, &at(2, 900, &acd));
    backup_with(&centre, &device, &backup::Options { volume_size: Some(8 << 10), ..at(3, 500, &every) });
    let own = device.list().unwrap().into_iter().filter(|name| name.contains("03030303"));
    drop(device.remove(&own.max().unwrap()).unwrap());
    let found = [DataType::Historical, DataType::Acd].map(|kind| newer(&device, 2, kind, now));
    assert_eq!(found, [vec![set_id(3)], vec![]]);
    // A full set of tomorrow, by a clock that was wrong, and a torn one of today; then two of one second.
    for (first, second, told) in [(500_000, 0, true), (0, 0, true), (0, -1, false), (0, 500_000, true)] {
        let device = MemoryDevice::new();
        backup_with(&centre, &device, &at(1, first, &every));
        let volume_size = Some(8 << 10);
        backup_with(&centre, &device, &backup::Options { volume_size, ..at(2, second, &every) });
        let own = device.list().unwrap().into_iter().filter(|name| name.contains("02020202"));
        drop(device.remove(&own.max().unwrap()).unwrap());
        assert_eq!(newer(&device, 1, DataType::Historical, now) == [set_id(2)], told, "{first}, {second}");
    }
}

/// A wrong bit in the catalog of a volume.
fn hurt_catalog(bytes: &mut [u8]) {
    let starts = |at: &usize| bytes[*at..].starts_with(&[0x8B, b'I', b'V', b'B']) && bytes[at + 12] == 6;
    let catalog = (0..bytes.len()).step_by(64).rfind(starts).unwrap();
    bytes[catalog + 100] ^= 4;
}

/// What is said once for the whole is not said again for each table that is planned.
#[test]
fn what_is_left_alone_is_told_once() {
    let (centre, device, _) = replaced(Torn::Cut, &[DataType::Acd, DataType::System]);
    let plan = planned(&device, &centre, Wanted::default(), &all());
    let told: BTreeSet<String> = plan.refusals.iter().map(ToString::to_string).collect();
    assert!(!plan.refusals.is_empty() && told.len() == plan.refusals.len(), "{:?}", plan.refusals);
    let plan = planned(&device, &centre, Wanted::default(), &Options { missing: Missing::Partial, ..all() });
    let told: BTreeSet<&String> = plan.notices.iter().collect();
    assert!(plan.notices.len() > 1 && told.len() == plan.notices.len(), "{:?}", plan.notices);
}

/// The same with a member that is missing: one line for each table, however many are planned.
#[test]
fn behind_a_gap_each_table_is_told_once() {
    let centre = centre();
    let device = backup(&centre);
    change(&centre, 1);
    incremental(&centre, &device, &backup_options(2));
    change(&centre, 2);
    let select = Data::Data(vec![DataType::Historical]);
    incremental(&centre, &device, &backup::Options { select, ..backup_options(3) });
    super::chains::remove(&device, 2);
    let left = |texts: Vec<String>| texts.iter().filter(|text| text.contains("synonyms is left alone")).count();
    let plan = planned(&device, &centre, Wanted::default(), &all());
    assert_eq!(plan.tables.len(), 2);
    assert_eq!(left(plan.refusals.iter().map(ToString::to_string).collect()), 1, "{:?}", plan.refusals);
    let plan = planned(&device, &centre, Wanted::default(), &Options { missing: Missing::Partial, ..all() });
    assert_eq!(left(plan.notices.clone()), 1, "{:?}", plan.notices);
}

/// So it is with file trees: an older one is not given for one that only the torn set had.
#[test]
fn an_older_tree_is_not_given_for_that_of_a_torn_set() {
    for how in ALL {
        let centre = centre();
        let folder = centre.folder.path().join("tree");
        std::fs::create_dir(&folder).unwrap();
        let device = MemoryDevice::new();
        let with_tree = |options, bytes: &[u8]| {
            std::fs::write(folder.join("file"), bytes).unwrap();
            backup::Options { trees: vec![tree(&folder)], volume_size: Some(40 << 10), ..options }
        };
        backup_onto(&centre, &device, &with_tree(backup_options(1), b"old")).unwrap();
        change(&centre, 1);
        torn(&centre, &device, with_tree(backup_options(2), &noise(100_000)), how);
        let select = Data::Data(vec![DataType::Acd]);
        incremental(&centre, &device, &backup::Options { select, ..backup_options(3) });
        let sets = list_sets(&device).unwrap().sets;
        let plan = |partial: bool| {
            let target = tempfile::tempdir().unwrap();
            let chain = Chain::choose(&sets, Wanted::default()).unwrap();
            FilesRestore::new(chain, target.path(), FilesOptions { partial, ..FilesOptions::default() }).plan()
        };
        let error = plan(false).unwrap_err();
        assert!(error.class() == Class::Volume && error.to_string().contains("newest state"), "{how:?}: {error}");
        assert_eq!(plan(true).unwrap().trees[0].lost.count, 1, "{how:?}");
    }
}
