//! A set whose last end mark is lost and whose catalog is whole: it has what its catalog lists, whatever else of it is lost, so
//! nothing older comes back in its place.

use super::chains::{all, incremental, restore_chain};
use super::files::{below, tree};
use super::salvage::{buckets, heap, month, partial, parts, ruined};
use super::salvage_evidence::{only, without};
use super::support::*;
use intervault::backup;
use intervault::base::monitor::Silent;
use intervault::check;
use intervault::device::memory::MemoryDevice;
use intervault::error::Class;
use intervault::format::block::BlockKind;
use intervault::restore::{FilesOptions, FilesRestore};
use intervault::testing::damage::{Damage, places};
use intervault::verify::set::verify_set;
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::section::SectionSource;
use intervault::volume::set::list_sets;
use std::collections::BTreeMap;

use BlockKind::{Catalog, SectionHeader, VolumeEnd, VolumeIndex};

/// What it is called, and what a volume is then.
type Ending = (&'static str, fn(&[u8]) -> Vec<u8>);

/// What became of the end mark of a volume.
const ENDS: [Ending; 4] = [
    ("damaged", |bytes| without(bytes, &[VolumeEnd])),
    ("cut", |bytes| bytes[..bytes.len() - 10].to_vec()),
    ("cut off", |bytes| bytes[..bytes.len() - 192].to_vec()),
    ("and index damaged", |bytes| without(bytes, &[VolumeEnd, VolumeIndex])),
];

/// A full set of a month, and an incremental one behind which every table changed.
fn chain(volume_size: Option<u64>) -> (Centre, MemoryDevice) {
    let (centre, device) = (month(), MemoryDevice::new());
    backup_with(&centre, &device, &backup_options(1));
    centre.run(
        "UPDATE hsplit SET acdcalls = acdcalls + 1; UPDATE dsplit SET acdcalls = acdcalls + 1; \
         UPDATE synonyms SET value = 'new'",
    );
    incremental(&centre, &device, &backup::Options { volume_size, ..backup_options(2) });
    (centre, device)
}

/// A database with the newest rows of all.
fn copy(centre: &Centre) -> Centre {
    let copy = Centre { folder: tempfile::tempdir().unwrap() };
    std::fs::copy(centre.path(), copy.path()).unwrap();
    copy
}

/// The volumes of the second set, in order.
fn second(device: &MemoryDevice) -> Vec<(String, Vec<u8>)> {
    let set = only(device, &[2], &MemoryDevice::new());
    let set = only_set(&set);
    let name = |number: u32| set.volumes()[number as usize - 1].name.clone().unwrap();
    (1..=set.volumes().len() as u32).map(|number| (name(number), device.bytes(&name(number)).unwrap())).collect()
}

/// The first set, and what is left of the second one.
fn beside(device: &MemoryDevice, second: Vec<(String, Vec<u8>)>) -> MemoryDevice {
    let first = parts(&only(device, &[1], &MemoryDevice::new()));
    heap(first.into_iter().chain(second).collect())
}

/// With the headers of its sections lost as well, every table comes back from the newest set.
#[test]
fn lost_headers_cost_nothing_where_the_catalog_is_whole() {
    let (centre, device) = chain(None);
    let [(name, bytes)] = &second(&device)[..] else { panic!("one volume") };
    let truth = buckets(&centre);
    let headers = places(bytes).into_iter().filter(|place| place.header.kind == SectionHeader);
    let headers: Vec<usize> = headers.map(|place| place.at).collect();
    assert_eq!(headers.len(), 3);
    for (what, end) in ENDS {
        // None, each, the last two, all.
        for lost in [0, 1, 2, 4, 6, 7u8] {
            let mut hurt = end(bytes);
            for (_, at) in headers.iter().enumerate().filter(|(number, _)| lost & (1 << number) != 0) {
                Damage::Flip { at: at + 81, mask: 0x5A }.apply(&mut hurt);
            }
            let there = beside(&device, vec![(name.clone(), hurt)]);
            let newest = copy(&centre);
            let refused = restore_chain(&there, &newest, &all()).unwrap_err();
            assert_eq!(refused.class(), Class::Damage, "{what}, {lost}: {refused}");
            restore_chain(&there, &newest, &partial()).unwrap();
            assert_eq!(buckets(&newest), truth, "end {what}, headers {lost}: nothing older comes back");
            let ruined = ruined(&centre);
            restore_chain(&there, &ruined, &partial()).unwrap();
            assert_eq!(buckets(&ruined), truth, "end {what}, headers {lost}: all that is there comes back");
        }
    }
}

/// With any other volume missing as well, nothing of what it had comes back older.
#[test]
fn a_missing_volume_brings_nothing_older_back_where_the_catalog_is_whole() {
    let (centre, device) = chain(Some(16 << 10));
    let volumes = second(&device);
    let truth = buckets(&centre);
    assert!(volumes.len() > 2, "{} volumes", volumes.len());
    let mut came = 0;
    for missing in 0..volumes.len() - 1 {
        let others = if missing == 0 { ENDS.len() } else { 1 };
        for (what, end) in ENDS.into_iter().cycle().skip(missing).take(others) {
            let mut left = volumes.clone();
            let last = left.last_mut().unwrap();
            last.1 = end(&last.1);
            drop(left.remove(missing));
            let there = beside(&device, left);
            let target = copy(&centre);
            let refused = restore_chain(&there, &target, &all()).unwrap_err();
            assert!([Class::Damage, Class::Volume].contains(&refused.class()), "{refused}");
            if let Err(error) = restore_chain(&there, &target, &partial()) {
                assert!(error.to_string().contains("may have had"), "{error}");
            }
            assert_eq!(buckets(&target), truth, "volume {} missing, end {what}", missing + 1);
            let ruined = ruined(&centre);
            if restore_chain(&there, &ruined, &partial()).is_ok() {
                let got = buckets(&ruined);
                came += got.iter().filter(|(bucket, rows)| truth.get(*bucket) == Some(*rows)).count();
            }
        }
    }
    assert!(came > 0, "what is on the other volumes comes back");
}

/// The newest tree comes back, or nothing: an older one is not what was asked for.
#[test]
fn an_older_tree_is_not_given_where_the_catalog_lists_a_newer_one() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    let folder = centre.folder.path().join("tree");
    std::fs::create_dir(&folder).unwrap();
    let device = MemoryDevice::new();
    for (state, options) in [("old", backup_options(1)), ("new", incremental_options(2))] {
        std::fs::write(folder.join("file"), state).unwrap();
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1");
        backup_onto(&centre, &device, &backup::Options { trees: vec![tree(&folder)], ..options }).unwrap();
    }
    let [(name, bytes)] = &second(&device)[..] else { panic!("one volume") };
    for (what, end) in ENDS {
        let there = beside(&device, vec![(name.clone(), end(&without(bytes, &[SectionHeader])))]);
        let sets = list_sets(&there).unwrap().sets;
        let chain = Chain::choose(&sets, Wanted::default()).unwrap();
        let target = tempfile::tempdir().unwrap();
        let restore = FilesRestore::new(&chain, target.path(), FilesOptions::default());
        restore.apply(&restore.plan().unwrap()).unwrap();
        let got = std::fs::read_to_string(below(target.path(), &folder).join("file"));
        assert_eq!(got.unwrap(), "new", "end {what}");
    }
}

/// Whatever end mark is lost, and all headers: the sections are those that the catalog lists, of each bucket it is known whether
/// its chunks were found, and the set is no healthier for it.
#[test]
fn a_set_is_as_good_as_its_catalog_and_no_better() {
    let (_, device) = chain(Some(16 << 10));
    let volumes = second(&device);
    let whole = heap(volumes.iter().cloned().collect());
    let whole = only_set(&whole);
    let chunks = whole.sections()[0].chunks.clone();
    for number in 0..volumes.len() {
        for (what, end) in ENDS {
            let mut left = volumes.clone();
            left.iter_mut().for_each(|(_, bytes)| *bytes = without(bytes, &[SectionHeader]));
            left[number].1 = end(&left[number].1);
            let left = heap(left.into_iter().collect());
            let set = only_set(&left);
            let last = number + 1 == volumes.len();
            assert_eq!(set.catalog(), whole.catalog(), "volume {}, end {what}", number + 1);
            assert_eq!(set.sections(), whole.sections(), "volume {}, end {what}", number + 1);
            assert_eq!((set.is_complete(), set.is_finished(), set.can_be_built_on()), (!last, !last, !last));
            assert!(!set.may_have_more() && !verify_set(&set, 2, &Silent).findings.is_empty());
            assert_eq!(
                (set.lacks_end_only(), set.missing_volumes()),
                (last, vec![]),
                "its catalog says how many there are"
            );
            let outline = check::outline(&set);
            assert!(
                outline.missing.is_empty()
                    && (!last || outline.damage.iter().any(|what| what.contains("end of its last")))
            );
        }
    }
    // A chunk that is damaged is none that was found.
    let mut left: BTreeMap<String, Vec<u8>> = volumes.iter().cloned().collect();
    let (lost, last) = (&chunks[0].entry, volumes.len() - 1);
    left.insert(volumes[last].0.clone(), without(&volumes[last].1, &[VolumeEnd]));
    let (name, bytes) = &volumes[lost.volume as usize - 1];
    let mut hurt = bytes.clone();
    Damage::Flip { at: lost.offset as usize + 90, mask: 1 }.apply(&mut hurt);
    left.insert(name.clone(), hurt);
    let left = heap(left);
    let set = only_set(&left);
    assert!(set.sections().iter().all(|section| section.source == SectionSource::Catalog));
    let unproven = |section: &&intervault::volume::section::SectionView| section.proven.contains(&false);
    let short: Vec<u32> = set.sections().iter().filter(unproven).map(|section| section.number).collect();
    assert_eq!(short, [1], "the section with the damaged chunk");
    // Without the catalog as well nobody knows what there was.
    let bare = volumes.iter().map(|(name, bytes)| (name.clone(), without(bytes, &[SectionHeader, VolumeEnd, Catalog])));
    let bare = heap(bare.collect());
    assert!(only_set(&bare).may_have_more() && only_set(&bare).sections().is_empty());
}

/// Where another volume is missing too, that is what it lacks: its catalog tells how many there are, and none beyond them is
/// asked for.
#[test]
fn a_set_that_lacks_another_volume_too_lacks_more_than_its_end() {
    let (_centre, device) = chain(Some(8 << 10));
    let volumes = second(&device);
    let ((last, bytes), first) = (volumes.last().unwrap(), &volumes[0].0);
    device.remove(last).unwrap();
    device.insert(last, bytes[..bytes.len() - 10].to_vec());
    let lacks = || {
        let sets = list_sets(&device).unwrap().sets;
        let set = sets.iter().find(|set| set.set_id() == set_id(2)).unwrap();
        (set.lacks_end_only(), set.missing_volumes())
    };
    assert_eq!(lacks(), (true, vec![]));
    device.remove(first).unwrap();
    assert_eq!(lacks(), (false, vec![1]));
}
