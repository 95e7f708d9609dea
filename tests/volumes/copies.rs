//! Volumes that are there more than once, are not what their names say, or were never written to their end.

use crate::round_trip::{as_scanned, assert_chunks, only_set};
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::DeviceError;
use intervault::device::joined::JoinedDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::{Device, VolumeSink, VolumeSource};
use intervault::format::block::BlockKind;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::testing::mutate::Rng;
use intervault::testing::sets::{Sample, sample_label, write_sample};
use intervault::volume::error::VolumeError;
use intervault::volume::scanner::{ScanItem, Scanner};
use intervault::volume::set::{SetReader, find_set, labels, list_sets};
use intervault::volume::set_writer::SetSummary;

const CHUNKS: usize = 18;

fn spanned() -> (MemoryDevice, Sample, SetSummary) {
    let sample = Sample { seed: 4, chunks: 9, ..Sample::default() };
    let device = MemoryDevice::new();
    let summary = write_sample(&device, &sample, Some(5_000)).unwrap();
    assert!(summary.volumes.len() >= 3);
    (device, sample, summary)
}

/// The same volumes on a device of another name.
fn copied(device: &MemoryDevice, place: &str) -> MemoryDevice {
    let copy = MemoryDevice::named(place);
    device.list().unwrap().iter().for_each(|name| copy.insert(name, device.bytes(name).unwrap()));
    copy
}

fn joined(devices: &[&MemoryDevice]) -> JoinedDevice {
    JoinedDevice::new(devices.iter().map(|device| Box::new((*device).clone()) as Box<dyn Device>).collect())
}

/// Offset and kind of every block of a volume.
fn blocks(device: &dyn Device, name: &str) -> Vec<(u64, BlockKind)> {
    let source = device.open(name).unwrap();
    Scanner::new(source.as_ref(), name, None)
        .map(|item| match item {
            ScanItem::Block(block) => (block.offset, block.header.kind),
            ScanItem::Damaged(extent) => panic!("{}", extent.error),
        })
        .collect()
}

fn flip(device: &MemoryDevice, name: &str, offset: u64) {
    let mut bytes = device.bytes(name).unwrap();
    bytes[offset as usize + 85] ^= 4;
    device.insert(name, bytes);
}

fn one_set(device: &dyn Device) -> SetReader<'_> {
    let mut sets = list_sets(device).unwrap().sets;
    assert_eq!(sets.len(), 1);
    sets.remove(0)
}

#[test]
fn any_damaged_block_of_one_copy_costs_nothing() {
    let (device, sample, summary) = spanned();
    let whole = only_set(&device);
    let mut kinds = Vec::new();
    for volume in &summary.volumes {
        for (offset, kind) in blocks(&device, &volume.name) {
            for bad in [0, 1] {
                let (one, two) = (copied(&device, "one"), copied(&device, "two"));
                flip([&one, &two][bad], &volume.name, offset);
                let both = joined(&[&one, &two]);
                let set = one_set(&both);
                let what = format!("{kind:?} on volume {} of copy {bad}", volume.number);
                assert!(set.is_complete() && set.damage().is_empty() && set.wrong_volumes().is_empty(), "{what}");
                assert_eq!(set.sections(), whole.sections(), "{what}");
                assert_eq!(assert_chunks(&set, &sample), CHUNKS, "{what}");
                let place = format!("{}/{}", ["one", "two"][bad], volume.name);
                assert!(set.copies(volume.number).contains(&place), "{what}");
                // The copy that is read first is the only one of which a damaged chunk shows.
                if kind == BlockKind::Chunk && bad == 0 {
                    assert!(matches!(&set.overcome()[..], [text] if text.contains(&place)), "{:?}", set.overcome());
                } else {
                    assert!(set.overcome().iter().all(|text| text.contains(&place)), "{:?}", set.overcome());
                }
                kinds.push(kind);
            }
        }
    }
    for kind in [BlockKind::Label, BlockKind::Chunk, BlockKind::Catalog, BlockKind::VolumeIndex, BlockKind::VolumeEnd] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn copies_that_are_bad_in_different_places_make_one_whole_set() {
    let (device, sample, summary) = spanned();
    let expected = as_scanned(only_set(&device).sections());
    for turn in [0, 1] {
        let (one, two) = (copied(&device, "one"), copied(&device, "two"));
        for volume in &summary.volumes {
            for (number, (offset, _)) in blocks(&device, &volume.name).into_iter().enumerate() {
                flip([&one, &two][(number + turn) % 2], &volume.name, offset);
            }
        }
        for devices in [[&one, &two], [&two, &one]] {
            let both = joined(&devices);
            let set = one_set(&both);
            assert!(set.is_complete(), "{turn}");
            assert!(set.damage().is_empty(), "{turn}: {:?}", set.damage());
            assert_eq!(as_scanned(set.sections()), expected);
            assert_eq!(assert_chunks(&set, &sample), CHUNKS, "{turn}");
            assert!(!set.overcome().is_empty());
        }
        // Either of them alone is far from whole.
        for alone in [&one, &two] {
            let sets = list_sets(alone).unwrap().sets;
            assert!(sets.first().is_none_or(|set| assert_readable(set) < CHUNKS));
        }
    }
}

fn assert_readable(set: &SetReader<'_>) -> usize {
    let chunks = set.sections().iter().flat_map(|section| &section.chunks);
    chunks.filter(|chunk| chunk.here && set.read_chunk(chunk).is_ok()).count()
}

#[test]
fn copies_with_the_same_block_lost_lose_that_block_and_no_other() {
    let (device, sample, summary) = spanned();
    let mut random = Rng::new(5);
    for _ in 0..60 {
        let (one, two) = (copied(&device, "one"), copied(&device, "two"));
        let mut lost = 0;
        for volume in &summary.volumes {
            for (offset, kind) in blocks(&device, &volume.name) {
                let bad = [random.below(3) == 0, random.below(3) == 0];
                for (copy, bad) in [&one, &two].into_iter().zip(bad) {
                    if bad && matches!(kind, BlockKind::Chunk | BlockKind::VolumeEnd | BlockKind::Catalog) {
                        flip(copy, &volume.name, offset);
                    }
                }
                lost += usize::from(kind == BlockKind::Chunk && bad == [true, true]);
            }
        }
        let both = joined(&[&one, &two]);
        let set = one_set(&both);
        assert_eq!(assert_readable(&set), CHUNKS - lost);
        let scanned = set.catalog().is_none();
        assert!(!scanned || lost == 0 || !set.damage().is_empty(), "what both have lost is told");
        if lost == 0 {
            assert_eq!(assert_chunks(&set, &sample), CHUNKS);
        }
    }
}

#[test]
fn a_set_is_put_together_from_parts_of_copies() {
    let (device, sample, summary) = spanned();
    let (one, two) = (copied(&device, "one"), copied(&device, "two"));
    // Each lacks another volume; one of the second is under a name of its own and cut off.
    let _taken = (one.remove(&summary.volumes[0].name), two.remove(&summary.volumes[1].name));
    let last = &summary.volumes[summary.volumes.len() - 1].name;
    let bytes = two.remove(last).unwrap();
    two.insert("old.ivv", bytes[..bytes.len() / 2].to_vec());
    let both = joined(&[&two, &one]);
    let set = one_set(&both);
    assert!(set.is_complete() && set.missing_volumes().is_empty());
    assert_eq!(assert_chunks(&set, &sample), CHUNKS);
    assert_eq!(set.copies(summary.volumes.len() as u32), [last.clone(), "old.ivv".to_owned()]);
}

#[test]
fn a_volume_of_another_length_is_told_without_opening_it() {
    let (device, _, summary) = spanned();
    let whole = device.bytes(&summary.volumes[1].name).unwrap();
    let lengths = [0, 1_000, whole.len() - 1, whole.len() + 1, whole.len() + 64];
    for len in lengths {
        let mut bytes = whole.clone();
        bytes.resize(len, 7);
        let torn = device.copy();
        torn.insert(&summary.volumes[1].name, bytes);
        let set = only_set(&torn);
        let [error] = set.wrong_volumes() else { panic!("{len}: {:?}", set.wrong_volumes()) };
        assert!(
            matches!(error, VolumeError::Length { volume: 2, len: found, expected, .. }
                if *found == len as u64 && *expected == whole.len() as u64),
            "{error}"
        );
        assert!(error.is_damage() && error.to_string().contains(&summary.volumes[1].name), "{error}");
        assert!(assert_readable(&set) < CHUNKS || len >= whole.len() - 1, "{len}");
    }
    // Zeros behind its end mark, as a tape's records are filled up with, make a volume no longer.
    let filled = device.copy();
    filled.insert(&summary.volumes[1].name, [&whole[..], &[0; 64]].concat());
    assert!(only_set(&filled).wrong_volumes().is_empty());
}

#[test]
fn lengths_are_asked_for_once_a_volume_and_nothing_else() {
    let sample = Sample { seed: 4, chunks: 9, column_bytes: 1_500, ..Sample::default() };
    let device = FaultDevice::new(MemoryDevice::new(), 1);
    let summary = write_sample(&device, &sample, Some(16_000)).unwrap();
    device.clear_log();
    let set = only_set(&device);
    assert!(set.wrong_volumes().is_empty());
    let sized: Vec<_> = device.log().into_iter().filter(|entry| entry.op == Op::Size).collect();
    assert_eq!(sized.len(), summary.volumes.len() - 1);
    assert!(sized.iter().zip(&summary.volumes).all(|(entry, volume)| entry.name == volume.name));
}

#[test]
fn another_volume_under_our_name_is_told_by_both_identities() {
    let (device, _, summary) = spanned();
    let other = MemoryDevice::new();
    let theirs = write_sample(&other, &Sample { seed: 41, chunks: 9, ..Sample::default() }, Some(5_000)).unwrap();
    let name = &summary.volumes[1].name;
    let foreign = other.bytes(&theirs.volumes[1].name).unwrap();
    let ours = device.bytes(name).unwrap().len();
    // Another length, and by chance the same one.
    for (len, by_length) in [(foreign.len().max(ours + 64), true), (ours, false)] {
        let mut bytes = foreign.clone();
        bytes.resize(len, 0);
        device.insert(name, bytes);
        let set = only_set(&device);
        assert_eq!(set.wrong_volumes().is_empty(), !by_length);
        let chunks: Vec<_> = set.sections().iter().flat_map(|section| section.chunks.clone()).collect();
        let lost: Vec<_> = chunks.iter().filter_map(|chunk| set.read_chunk(chunk).err()).collect();
        assert!(!lost.is_empty());
        for error in lost.iter().chain(set.wrong_volumes()) {
            assert!(
                matches!(error, VolumeError::WrongVolume { name: found, set, volume: 2, found_set, found_volume: 2 }
                    if found == name && *set == summary.set && *found_set == theirs.set),
                "{error}"
            );
        }
        // With a copy elsewhere it costs nothing.
        let (good, _, _) = spanned();
        let both = joined(&[&copied(&device, "bad"), &copied(&good, "good")]);
        assert_eq!(assert_readable(&one_set(&both)), CHUNKS);
    }
}

#[test]
fn volumes_of_different_lengths_may_have_each_other_s_names() {
    let (device, sample, summary) = spanned();
    let names: Vec<_> = summary.volumes.iter().map(|volume| volume.name.clone()).collect();
    let bytes: Vec<_> = names.iter().map(|name| device.bytes(name).unwrap()).collect();
    let other = (1..names.len() - 1).find(|other| bytes[*other].len() != bytes[0].len()).unwrap();
    device.insert(&names[0], bytes[other].clone());
    device.insert(&names[other], bytes[0].clone());
    let set = only_set(&device);
    assert!(set.is_complete() && set.wrong_volumes().is_empty(), "{:?}", set.wrong_volumes());
    assert_eq!(assert_chunks(&set, &sample), CHUNKS);
}

#[test]
fn a_damaged_label_costs_no_other_block_of_its_volume() {
    let (device, sample, summary) = spanned();
    for volume in &summary.volumes {
        // Without its catalog too.
        for catalog in [true, false] {
            let torn = device.copy();
            flip(&torn, &volume.name, 0);
            let last = &summary.volumes[summary.volumes.len() - 1].name;
            if !catalog {
                let offset = blocks(&device, last).iter().find(|(_, kind)| *kind == BlockKind::Catalog).unwrap().0;
                flip(&torn, last, offset);
            }
            let set = one_set(&torn);
            assert_eq!(assert_chunks(&set, &sample), CHUNKS, "volume {} {catalog}", volume.number);
            assert!(set.is_complete());
        }
    }
}

#[test]
fn the_mere_beginning_of_a_volume_is_an_interrupted_backup() {
    let (device, sample, summary) = spanned();
    let third = summary.volumes[2].name.clone();
    let label = device.bytes(&third).unwrap()[..100].to_vec();
    for left in [Vec::new(), label, vec![0; 5_000]] {
        let torn = MemoryDevice::new();
        for volume in &summary.volumes[..2] {
            torn.insert(&volume.name, device.bytes(&volume.name).unwrap());
        }
        torn.insert(&format!(".{third}.partial"), left.clone());
        let listing = list_sets(&torn).unwrap();
        let [(_, error)] = &listing.unreadable[..] else { panic!("{:?}", listing.unreadable) };
        assert!(matches!(error, VolumeError::Interrupted { len, .. } if *len == left.len() as u64), "{error}");
        let [set] = &listing.sets[..] else { panic!() };
        assert!(set.is_interrupted() && !set.is_complete());
        assert!(set.missing_volumes().is_empty(), "nobody can bring a volume that was never written");
        assert!(assert_chunks(set, &sample) > 0);
    }
    // Nothing but the file: there is no set, and it is not damage.
    let alone = MemoryDevice::new();
    alone.insert(&format!(".{third}.partial"), Vec::new());
    let listing = list_sets(&alone).unwrap();
    assert!(listing.sets.is_empty());
    assert!(matches!(listing.unreadable[..], [(_, VolumeError::Interrupted { len: 0, .. })]));
    // A finished name promises more.
    alone.insert(&third, Vec::new());
    let unreadable = list_sets(&alone).unwrap().unreadable;
    assert!(unreadable.iter().any(|(_, error)| matches!(error, VolumeError::NotAVolume { .. })));
}

/// The lock of a folder names the volume that was begun last: its set is at work, and what else is unfinished was given up.
#[test]
fn who_writes_a_set_is_known_from_its_first_volume_on() {
    let place = tempfile::tempdir().unwrap();
    let (sample, other) = (Sample { seed: 4, chunks: 9, ..Sample::default() }, Sample { seed: 5, ..Sample::default() });
    let (written, given_up) = (MemoryDevice::new(), MemoryDevice::new());
    let summary = write_sample(&written, &sample, Some(5_000)).unwrap();
    let other = write_sample(&given_up, &other, Some(5_000)).unwrap();
    assert!(summary.volumes.len() > 2 && other.volumes.len() > 1 && summary.set != other.set);
    let put =
        |from: &MemoryDevice, name: &str| std::fs::write(place.path().join(name), from.bytes(name).unwrap()).unwrap();
    put(&given_up, &other.volumes[0].name);
    put(&written, &summary.volumes[0].name);
    let device = DirectoryDevice::open(place.path()).unwrap();
    let look = || {
        let listing = list_sets(&device).unwrap();
        let writer = |id| listing.sets.iter().find(|set| set.set_id() == id).and_then(SetReader::writer);
        let begun = |error: &VolumeError| match error {
            VolumeError::Begun { who, .. } => Some(who.contains("process ")),
            VolumeError::Interrupted { .. } => None,
            other => panic!("{other}"),
        };
        let unusable: Vec<Option<bool>> = listing.unreadable.iter().map(|(_, error)| begun(error)).collect();
        (writer(summary.set).is_some(), writer(other.set).is_some(), unusable)
    };
    assert_eq!(look(), (false, false, vec![]));
    let lock = device.lock().unwrap();
    assert_eq!(look(), (false, false, vec![]), "nothing is begun yet: what is unfinished was given up");
    let sink = device.create(&summary.volumes[1].name).unwrap();
    assert_eq!(look(), (true, false, vec![Some(true)]), "its label is not there yet");
    // One that was given up before, under the name that a volume has until it is finished.
    std::fs::write(place.path().join(format!(".{}.partial", other.volumes[1].name)), "").unwrap();
    let mut found = look();
    found.2.sort();
    assert_eq!(found, (true, false, vec![None, Some(true)]));
    drop((sink, lock));
    assert_eq!(look(), (false, false, vec![None, None]), "whoever dies gives the lock back");
}

#[test]
fn an_interrupted_set_is_told_from_one_that_lacks_volumes() {
    let (device, _, summary) = spanned();
    let torn = MemoryDevice::new();
    torn.insert(&summary.volumes[0].name, device.bytes(&summary.volumes[0].name).unwrap());
    // It may have gone on: nobody knows.
    assert_eq!((one_set(&torn).missing_volumes(), one_set(&torn).is_interrupted()), (vec![2], false));
    let third = device.bytes(&summary.volumes[2].name).unwrap();
    torn.insert(&format!(".{}.partial", summary.volumes[2].name), third[..third.len() / 2].to_vec());
    assert_eq!((one_set(&torn).missing_volumes(), one_set(&torn).is_interrupted()), (vec![2], true));
    // A set that is complete is not interrupted, whatever lies beside it.
    device.insert(&format!(".{}.partial", summary.volumes[1].name), third[..200].to_vec());
    assert!(!list_sets(&device).unwrap().sets[0].is_interrupted());
}

#[test]
fn labels_and_one_set_are_found_without_scanning_the_others() {
    let device = FaultDevice::new(MemoryDevice::new(), 1);
    let sample = Sample { seed: 4, chunks: 9, ..Sample::default() };
    let summary = write_sample(&device, &sample, Some(5_000)).unwrap();
    for seed in 50..53 {
        let unfinished = MemoryDevice::new();
        let theirs = write_sample(&unfinished, &Sample { seed, ..sample }, Some(5_000)).unwrap();
        for volume in &theirs.volumes[..2] {
            device.inner().insert(&volume.name, unfinished.bytes(&volume.name).unwrap());
        }
        let third = unfinished.bytes(&theirs.volumes[2].name).unwrap();
        device.inner().insert(&format!(".{}.partial", theirs.volumes[2].name), third[..300].to_vec());
    }
    device.clear_log();
    let mut found: Vec<_> = labels(&device).unwrap().iter().map(|label| label.set()).collect();
    found.sort();
    let mut expected: Vec<_> = [4, 50, 51, 52].map(|seed| sample_label(seed).set()).to_vec();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!((device.count(Op::Open), device.count(Op::Read)), (4, 8), "a volume of each set, its label alone");
    device.clear_log();
    let set = find_set(&device, summary.set).unwrap().unwrap();
    assert!(set.is_complete());
    let ours = |name: &str| summary.volumes.iter().any(|volume| volume.name == name);
    assert!(device.log().iter().all(|entry| entry.name.is_empty() || ours(&entry.name)), "{:?}", device.log());
    assert!(find_set(&device, sample_label(99).set()).unwrap().is_none());
}

/// A device that still lists a volume which has just got another name.
struct Vanishing {
    device: MemoryDevice,
    gone: String,
}

impl Device for Vanishing {
    fn describe(&self) -> String {
        self.device.describe()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let mut names = self.device.list()?;
        names.push(self.gone.clone());
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.device.open(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.device.create(name)
    }
}

#[test]
fn a_volume_that_is_renamed_while_a_device_is_listed_harms_nobody() {
    let (device, sample, summary) = spanned();
    let last = &summary.volumes[summary.volumes.len() - 1].name;
    // The partial name is listed beside the finished one, or a finished set's volume is gone.
    for gone in [format!(".{last}.partial"), "CMS-9-02.0123abcd.ivv".to_owned(), "other.ivv".to_owned()] {
        let device = Vanishing { device: device.clone(), gone };
        let listing = list_sets(&device).unwrap();
        assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
        assert_eq!(assert_chunks(&listing.sets[0], &sample), CHUNKS);
        assert_eq!(labels(&device).unwrap().len(), 1);
    }
}
