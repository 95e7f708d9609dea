//! Media that end: the volume ends with its index and end mark, the set goes on to the next medium or stops incomplete.

use crate::round_trip::{assert_chunks, only_set};
use crate::tape::{Tape, on};
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::{DeviceError, DeviceErrorKind};
use intervault::device::joined::JoinedDevice;
use intervault::device::media::{Choice, MediaDevice, Supplier};
use intervault::device::memory::MemoryDevice;
use intervault::device::name::finished_name;
use intervault::device::traits::{Device, NewVolume};
use intervault::format::block::BlockKind;
use intervault::format::chunk::ColumnBytesEntry;
use intervault::testing::fault::{Fault, FaultDevice, Op};
use intervault::testing::mutate::Rng;
use intervault::testing::sets::{Sample, sample_chunk, sample_header, sample_label, write_sample};
use intervault::testing::tape::TestDrive;
use intervault::volume::error::VolumeError;
use intervault::volume::scanner::{ScanItem, Scanner};
use intervault::volume::set::list_sets;
use intervault::volume::set_writer::{ChunkContent, SetOptions, SetWriter};
use std::sync::{Arc, Mutex};

fn sample() -> Sample {
    Sample { seed: 4, sections: 3, chunks: 12, ..Sample::default() }
}

/// Devices one after the other, and what was asked for.
#[derive(Default)]
struct Stack {
    devices: Mutex<Vec<Arc<dyn Device>>>,
    asked: Mutex<Vec<(u32, String, String)>>,
}

impl Stack {
    fn of(mut devices: Vec<Arc<dyn Device>>) -> (Arc<dyn Device>, Stack) {
        let first = devices.remove(0);
        devices.reverse();
        (first, Stack { devices: Mutex::new(devices), asked: Mutex::default() })
    }
}

impl Supplier for Stack {
    fn next(
        &self,
        volume: &NewVolume<'_>,
        reason: &str,
        _leave: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Choice, DeviceError> {
        self.asked.lock().unwrap().push((volume.number, volume.label.to_owned(), reason.to_owned()));
        Ok(self.devices.lock().unwrap().pop().map_or(Choice::Nothing, Choice::Another))
    }

    fn again(&self, _volume: &NewVolume<'_>) -> Result<Arc<dyn Device>, DeviceError> {
        panic!("no medium was changed")
    }
}

#[test]
fn folders_that_are_full_are_followed_by_the_next() {
    let place = tempfile::tempdir().unwrap();
    let capacity = 7_000;
    let folder = |number: usize| {
        let path = place.path().join(number.to_string());
        std::fs::create_dir(&path).unwrap();
        DirectoryDevice::open(path).unwrap().with_capacity(Some(capacity))
    };
    let folders: Vec<DirectoryDevice> = (0..12).map(folder).collect();
    let devices = folders.iter().map(|folder| Arc::new(folder.clone()) as Arc<dyn Device>).collect();
    let (first, stack) = Stack::of(devices);
    let media = MediaDevice::new(first, &stack);
    let lock = media.lock().unwrap();
    let summary = write_sample(&media, &sample(), Some(3_000)).unwrap();
    let set = only_set(&media);
    assert!(set.is_complete());
    assert_eq!(assert_chunks(&set, &sample()), 24);
    assert!(summary.volumes.len() > 4);
    let mut used = Vec::new();
    for folder in &folders {
        assert!(folder.lock().is_err() || folder.list().unwrap().is_empty(), "locked while it is written to");
        used.push(folder.list().unwrap().iter().map(|name| folder.size(name).unwrap()).sum::<u64>());
    }
    assert!(used.iter().all(|used| *used <= capacity) && used[0] > 0 && used[1] > 0, "{used:?}");
    let asked = stack.asked.lock().unwrap().clone();
    assert!(asked[0].1.ends_with(&format!("-{:02}", asked[0].0)) && asked[0].2.ends_with("is full"), "{asked:?}");
    drop((set, lock));
    drop(media);
    assert!(folders.iter().all(|folder| folder.lock().is_ok()));
}

#[test]
fn without_a_further_medium_the_set_stays_incomplete_and_sound() {
    for capacity in [2_500, 5_000, 9_000] {
        let place = tempfile::tempdir().unwrap();
        let folder = DirectoryDevice::open(place.path()).unwrap().with_capacity(Some(capacity));
        let (first, stack) = Stack::of(vec![Arc::new(folder.clone())]);
        let error = write_sample(&MediaDevice::new(first, &stack), &sample(), Some(2_400)).unwrap_err();
        let VolumeError::Device(DeviceError { kind: DeviceErrorKind::Wanted { number, label, .. }, .. }) = &error
        else {
            panic!("{error}")
        };
        assert!(label.ends_with(&format!("-{number:02}")), "{error}");
        let names = folder.list().unwrap();
        assert!(
            names.len() as u32 == number - 1 && names.iter().all(|name| finished_name(name).is_none()),
            "{names:?}"
        );
        let set = only_set(&folder);
        assert!(!set.is_complete() && set.missing_volumes() == [*number]);
        assert!(assert_chunks(&set, &sample()) > 0);
    }
}

#[test]
fn a_volume_that_no_folder_can_hold_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = DirectoryDevice::open(place.path()).unwrap().with_capacity(Some(300));
    let error = write_sample(&folder, &sample(), None).unwrap_err();
    assert!(error.to_string().contains("more than the capacity of the folder"), "{error}");
    assert!(folder.list().unwrap().is_empty());
}

#[test]
fn a_medium_that_ends_anywhere_costs_nothing() {
    let right = MemoryDevice::new();
    let whole = write_sample(&right, &sample(), None).unwrap().bytes;
    for end in (12_000..whole).step_by(397) {
        let media: Vec<FaultDevice<MemoryDevice>> =
            (0..40).map(|number| FaultDevice::new(MemoryDevice::named(&number.to_string()), 1)).collect();
        media.iter().for_each(|medium| medium.end_media_at(end));
        let (first, stack) =
            Stack::of(media.iter().map(|medium| Arc::new(medium.clone()) as Arc<dyn Device>).collect());
        let device = MediaDevice::new(first, &stack);
        let summary = write_sample(&device, &sample(), None).unwrap();
        assert!(summary.volumes.len() > 1);
        let set = only_set(&device);
        assert!(set.is_complete(), "{end}");
        assert_eq!(assert_chunks(&set, &sample()), 24);
        assert!(set.check_chain().unwrap().is_empty());
        // Nothing but the last block and the tail lies behind the end that was told.
        assert!(summary.volumes.iter().all(|volume| volume.bytes <= end), "{end}: {summary:?}");
    }
}

#[test]
fn a_volume_that_a_medium_does_not_take_is_written_again_on_the_next() {
    let right = MemoryDevice::new();
    write_sample(&right, &sample(), Some(9_000)).unwrap();
    let counted = FaultDevice::new(MemoryDevice::new(), 1);
    write_sample(&counted, &sample(), Some(9_000)).unwrap();
    for op in [Op::Append, Op::Finish] {
        let last = usize::from(op == Op::Finish);
        for passes in 0..counted.count(op) - last {
            let media: Vec<FaultDevice<MemoryDevice>> = (0..2)
                .map(|number| FaultDevice::new(MemoryDevice::named(&number.to_string()), passes as u64))
                .collect();
            media[0].fail_nth(op, passes, Fault::Full);
            let devices = media.iter().map(|medium| Arc::new(medium.clone()) as Arc<dyn Device>).collect();
            let (first, stack) = Stack::of(devices);
            let device = MediaDevice::new(first, &stack);
            let done = write_sample(&device, &sample(), Some(9_000));
            let summary = done.unwrap_or_else(|error| panic!("{op:?} {passes}: {error}"));
            for volume in &summary.volumes {
                let joined = device.open(&volume.name).unwrap();
                let mut bytes = vec![0; joined.len() as usize];
                joined.read_at(0, &mut bytes).unwrap();
                assert!(Some(bytes) == right.bytes(&volume.name), "{op:?} {passes}: {}", volume.name);
            }
            let set = only_set(&device);
            assert!(set.is_complete() && set.check_chain().unwrap().is_empty());
            assert_eq!(assert_chunks(&set, &sample()), 24);
        }
    }
}

/// A medium that takes a block and fails to sync it has not taken it: the volume goes on elsewhere, with that block once.
#[test]
fn a_medium_that_is_full_when_it_is_synced_leaves_no_block_twice() {
    let media: Vec<FaultDevice<MemoryDevice>> =
        (0..2).map(|number| FaultDevice::new(MemoryDevice::named(&number.to_string()), 1)).collect();
    media[0].fail_nth(Op::Sync, 0, Fault::Full);
    let (first, stack) = Stack::of(media.iter().map(|medium| Arc::new(medium.clone()) as Arc<dyn Device>).collect());
    let device = MediaDevice::new(first, &stack);
    let mut set = SetWriter::create(&device, sample_label(1), &SetOptions::default()).unwrap();
    set.begin_section(sample_header("hsplit")).unwrap();
    let mut random = Rng::new(1);
    let (bytes, count) = (vec![0; 15 << 20], 18);
    for number in 0..count {
        let chunk = sample_chunk(&mut random, number, &Sample { column_bytes: 0, ..sample() });
        let column = ColumnBytesEntry { stored: bytes.len() as u32, ..chunk.columns[0] };
        set.chunk(ChunkContent { columns: vec![column], bytes: vec![bytes.clone()], ..chunk }).unwrap();
    }
    set.end_section(Vec::new()).unwrap();
    let volumes = set.finish(Vec::new(), Vec::new()).unwrap().volumes;
    assert!(media[0].count(Op::Sync) == 1 && media[1].count(Op::Finish) == 1);
    let source = device.open(&volumes[0].name).unwrap();
    let blocks: Vec<_> = Scanner::new(source.as_ref(), &volumes[0].name, None).collect();
    let chunks =
        blocks.iter().filter(|item| matches!(item, ScanItem::Block(block) if block.header.kind == BlockKind::Chunk));
    assert_eq!((blocks.len() as u64, chunks.count() as u32), (volumes[0].blocks, count));
}

#[test]
fn tapes_end_at_early_warning_and_go_on_with_the_next() {
    let tapes: Vec<Tape> = (0..14).map(|_| Tape::blank()).collect();
    let drive = |tape: &Tape| TestDrive::open(&tape.path(), Some(4_000), 40).unwrap();
    let drives: Vec<TestDrive> = tapes.iter().map(drive).collect();
    let (first, stack) = Stack::of(drives.iter().map(|drive| Arc::new(on(drive)) as Arc<dyn Device>).collect());
    let device = MediaDevice::new(first, &stack);
    let summary = write_sample(&device, &sample(), None).unwrap();
    assert!(summary.volumes.len() > 2, "{summary:?}");
    let set = only_set(&device);
    assert!(set.is_complete());
    assert_eq!(assert_chunks(&set, &sample()), 24);
    drop(set);
    drop(device);
    // Each tape alone, in a drive that was just switched on, and all of them in the wrong order.
    drives.iter().for_each(TestDrive::close);
    let devices = tapes.iter().rev().map(|tape| Box::new(on(&tape.drive())) as Box<dyn Device>);
    let joined = JoinedDevice::new(devices.collect());
    let set = only_set(&joined);
    assert!(set.is_complete() && set.check_chain().unwrap().is_empty());
    assert_eq!(assert_chunks(&set, &sample()), 24);
}

/// Tapes that are put one after the other into one drive, which gives nothing back of those that went out.
struct OneDrive {
    current: Mutex<TestDrive>,
    next: Mutex<Vec<TestDrive>>,
}

impl Supplier for OneDrive {
    fn next(
        &self,
        _volume: &NewVolume<'_>,
        _reason: &str,
        leave: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Choice, DeviceError> {
        leave()?;
        self.current.lock().unwrap().close();
        Ok(Choice::Changed)
    }

    fn again(&self, _volume: &NewVolume<'_>) -> Result<Arc<dyn Device>, DeviceError> {
        let next = self.next.lock().unwrap().pop().unwrap();
        *self.current.lock().unwrap() = next.clone();
        Ok(Arc::new(on(&next)))
    }
}

#[test]
fn a_tape_that_ends_without_a_warning_goes_on_with_the_next() {
    let mut torn = 0;
    for (capacity, after) in (0..6).flat_map(|after| (0..4).map(move |more| (8_000 + more * 700, after))) {
        let tapes: Vec<Tape> = (0..14).map(|_| Tape::blank()).collect();
        let open = |tape: &Tape| TestDrive::open(&tape.path(), Some(capacity), after).unwrap();
        let mut drives: Vec<TestDrive> = tapes.iter().rev().map(open).collect();
        let first = drives.pop().unwrap();
        let device: Arc<dyn Device> = Arc::new(on(&first));
        let drive = OneDrive { current: Mutex::new(first), next: Mutex::new(drives) };
        let media = MediaDevice::new(device, &drive);
        let done = write_sample(&media, &sample(), Some(3_000));
        let summary = done.unwrap_or_else(|error| panic!("{capacity}, {after}: {error}"));
        assert!(summary.volumes.len() > 4, "{summary:?}");
        drop(media);
        drive.current.lock().unwrap().close();
        drive.next.lock().unwrap().iter().for_each(TestDrive::close);
        let devices: Vec<_> = tapes.iter().map(|tape| on(&tape.drive())).collect();
        let unfinished = |device: &&intervault::device::tape::TapeDevice| {
            device.list().unwrap().iter().any(|name| finished_name(name).is_some())
        };
        torn += devices.iter().filter(unfinished).count();
        let joined = JoinedDevice::new(devices.into_iter().map(|device| Box::new(device) as Box<dyn Device>).collect());
        let set = only_set(&joined);
        assert!(set.is_complete() && set.check_chain().unwrap().is_empty(), "{capacity}, {after}");
        assert_eq!(assert_chunks(&set, &sample()), 24);
    }
    assert!(torn > 0, "no tape ended in the middle of a volume");
}

#[test]
fn a_tape_with_too_little_behind_its_warning_is_never_called_complete() {
    for after in 0..8 {
        let tape = Tape::blank();
        let drive = TestDrive::open(&tape.path(), Some(4_000), after).unwrap();
        let (first, stack) = Stack::of(vec![Arc::new(on(&drive))]);
        let media = MediaDevice::new(first, &stack);
        let error = write_sample(&media, &sample(), None).unwrap_err();
        drop(media);
        drive.close();
        let wanted =
            matches!(&error, VolumeError::Device(error) if matches!(error.kind, DeviceErrorKind::Wanted { .. }));
        let full = matches!(&error, VolumeError::Device(error) if matches!(error.kind, DeviceErrorKind::Full));
        assert!(wanted || full, "{error}");
        let device = on(&tape.drive());
        for set in &list_sets(&device).unwrap().sets {
            assert!(!set.is_complete());
            assert_chunks(set, &sample());
        }
    }
}
