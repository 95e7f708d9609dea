//! Devices that fail at each operation in turn, and power cuts: never a complete-looking volume with wrong content.

use crate::round_trip::{as_scanned, assert_chunks, only_set};
use intervault::base::limits::BLOCK_PAYLOAD_MAX;
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::DeviceErrorKind;
use intervault::device::memory::MemoryDevice;
use intervault::device::name::finished_name;
use intervault::device::traits::Device;
use intervault::format::block::BlockKind;
use intervault::format::label::LabelRecord;
use intervault::testing::fault::{Fault, FaultDevice, Op};
use intervault::testing::sets::sample_label;
use intervault::testing::sets::{Sample, write_sample};
use intervault::volume::error::VolumeError;
use intervault::volume::set::list_sets;
use intervault::volume::writer::{Ending, SYNC_EVERY_BYTES, VolumeWriter};

fn sample() -> Sample {
    Sample { seed: 6, sections: 3, chunks: 5, ..Sample::default() }
}

const SIZE: Option<u64> = Some(5_000);

/// Every volume that has a finished name is byte for byte the one of the undisturbed run.
fn assert_finished_are_right(device: &dyn Device, right: &MemoryDevice) {
    for name in device.list().unwrap() {
        if finished_name(&name).is_none() {
            let source = device.open(&name).unwrap();
            let mut bytes = vec![0; source.len() as usize];
            source.read_at(0, &mut bytes).unwrap();
            assert_eq!(Some(bytes), right.bytes(&name), "{name}");
        }
    }
}

#[test]
fn writing_costs_one_append_a_block_and_one_finish_a_volume() {
    let device = FaultDevice::new(MemoryDevice::new(), 1);
    let summary = write_sample(&device, &sample(), SIZE).unwrap();
    let blocks: u64 = summary.volumes.iter().map(|volume| volume.blocks).sum();
    assert_eq!(device.count(Op::Append) as u64, blocks);
    assert_eq!(device.count(Op::Finish), summary.volumes.len());
    assert_eq!(device.count(Op::Create), summary.volumes.len());
    assert_eq!(device.count(Op::Sync), 0, "finish syncs; nothing here is long enough for more");
    assert_eq!(device.count(Op::Read) + device.count(Op::Open), 0, "a writer reads nothing");
    let bytes: u64 = device.log().iter().map(|entry| entry.bytes).sum();
    assert_eq!(bytes, summary.bytes);
}

#[test]
fn a_fault_at_every_operation_is_a_clean_error() {
    let right = FaultDevice::new(MemoryDevice::new(), 1);
    let summary = write_sample(&right, &sample(), SIZE).unwrap();
    let operations = right.log().len();
    assert!(operations > 20);
    for number in 0..operations {
        for fault in [Fault::Io, Fault::Full, Fault::Interrupted] {
            let device = FaultDevice::new(MemoryDevice::new(), number as u64);
            device.fail_at(number, fault);
            let error = write_sample(&device, &sample(), SIZE).unwrap_err();
            let VolumeError::Device(error) = error else { panic!("{error}") };
            assert_eq!(matches!(error.kind, DeviceErrorKind::Full), fault == Fault::Full, "{error}");
            let log = device.log();
            assert_eq!(log.len(), number + 1, "nothing is retried and nothing follows a failure");
            assert!(log[number].failed);
            assert_finished_are_right(device.inner(), right.inner());
            let listing = list_sets(device.inner()).unwrap();
            assert!(listing.sets.iter().all(|set| !set.is_complete()), "{number}");
            for set in &listing.sets {
                assert_eq!(set.set_id(), summary.set);
                assert_chunks(set, &sample());
            }
        }
    }
}

/// A volume is synced in its midst. Where that fails it is not written, whatever a later sync would say, and nobody finishes it.
#[test]
fn a_volume_with_a_failed_sync_in_its_midst_takes_nothing_more_and_is_never_finished() {
    let device = FaultDevice::new(MemoryDevice::new(), 1);
    device.fail_nth(Op::Sync, 0, Fault::Io);
    let mut volume = VolumeWriter::create(&device, &LabelRecord { volume: 1, ..sample_label(1) }, 0).unwrap();
    let payload = vec![0; BLOCK_PAYLOAD_MAX as usize];
    let optional = BlockKind::Optional(200);
    let error = loop {
        match volume.append(optional, 0, &payload) {
            Ok(_) => assert!(volume.entry().bytes < SYNC_EVERY_BYTES, "no sync"),
            Err(error) => break error,
        }
    };
    let written = device.inner().size(&device.inner().list().unwrap()[0]).unwrap();
    assert!(matches!(error, VolumeError::Device(_)) && device.count(Op::Sync) == 1, "{error}");
    let most = SYNC_EVERY_BYTES + u64::from(BLOCK_PAYLOAD_MAX) + 64;
    assert!((SYNC_EVERY_BYTES..most).contains(&written), "{written} bytes unsynced");
    let operations = device.log().len();
    assert!(matches!(volume.append(optional, 0, &[]), Err(VolumeError::Order(_))));
    assert!(matches!(volume.reserve(1, 64), Err(VolumeError::Order(_))));
    assert!(matches!(volume.finish(Ending::Last), Err(VolumeError::Order(_))));
    assert_eq!(device.log().len(), operations, "nothing is asked of the device any more");
    assert!(device.inner().list().unwrap().iter().all(|name| finished_name(name).is_some()));
}

#[test]
fn a_volume_with_a_failed_sync_at_its_end_gets_no_name() {
    let device = FaultDevice::new(MemoryDevice::new(), 1);
    device.fail_nth(Op::Sync, 0, Fault::Io);
    let volume = VolumeWriter::create(&device, &LabelRecord { volume: 1, ..sample_label(1) }, 0).unwrap();
    let mut ended = volume.end(Ending::Continues).unwrap();
    assert!(matches!(ended.readable(), Err(VolumeError::Device(_))));
    assert!(matches!(ended.readable(), Err(VolumeError::Order(_))));
    assert!(matches!(ended.name(), Err(VolumeError::Order(_))));
    assert_eq!((device.count(Op::Sync), device.count(Op::Finish)), (1, 0));
}

#[test]
fn a_failed_finish_leaves_a_partial_volume_in_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let device = FaultDevice::new(DirectoryDevice::open(place.path()).unwrap(), 1);
    device.fail_nth(Op::Finish, 1, Fault::Io);
    assert!(write_sample(&device, &sample(), SIZE).is_err());
    let names = device.inner().list().unwrap();
    assert_eq!(names.iter().filter(|name| finished_name(name).is_some()).count(), 1);
    assert_eq!(names.len(), 2);
    let set = only_set(device.inner());
    assert!(!set.is_complete());
    assert_eq!(set.volumes().iter().map(|volume| volume.partial).collect::<Vec<_>>(), [false, true]);
    assert!(assert_chunks(&set, &sample()) > 0);
}

#[test]
fn after_a_power_cut_what_is_there_is_right_and_incomplete() {
    let right = FaultDevice::new(MemoryDevice::new(), 1);
    write_sample(&right, &sample(), SIZE).unwrap();
    let mut recovered = 0;
    for number in 1..right.log().len() {
        let device = FaultDevice::new(MemoryDevice::new(), 1);
        device.fail_at(number, Fault::Io);
        assert!(write_sample(&device, &sample(), SIZE).is_err());
        for seed in 0..4 {
            let image = device.power_cut(seed);
            assert_finished_are_right(&image, right.inner());
            for set in list_sets(&image).unwrap().sets {
                assert!(!set.is_complete());
                recovered += assert_chunks(&set, &sample());
            }
        }
    }
    assert!(recovered > 100, "{recovered}");
}

#[test]
fn reads_that_fail_are_errors_of_the_device_or_cost_only_what_they_cover() {
    let memory = MemoryDevice::new();
    write_sample(&memory, &sample(), None).unwrap();
    let expected = as_scanned(only_set(&memory).sections());
    let device = FaultDevice::new(memory.clone(), 1);
    let set = only_set(&device);
    for number in 1..device.log().len() {
        let device = FaultDevice::new(memory.clone(), 1);
        device.fail_at(number, Fault::Io);
        match list_sets(&device) {
            // A listing that could not read the volume must not say that it is whole and empty.
            Ok(listing) => match listing.sets.first() {
                Some(set) => assert!(as_scanned(set.sections()) == expected || !set.damage().is_empty(), "{number}"),
                None => assert_eq!(listing.unreadable.len(), 1, "{number}"),
            },
            Err(error) => assert!(matches!(error, VolumeError::Device(_)), "{error}"),
        }
    }
    let chunk = set.sections()[0].chunks[0];
    assert!(set.read_chunk(&chunk).is_ok());
    device.fail_nth(Op::Read, 1, Fault::Io);
    let failed = (0..3).filter(|_| set.read_chunk(&chunk).is_err()).count();
    assert_eq!(failed, 1, "a failed read is told, and the next one is tried afresh");
}

#[test]
fn flipped_bits_on_the_way_are_noticed() {
    let memory = MemoryDevice::new();
    let summary = write_sample(&memory, &sample(), None).unwrap();
    let device = FaultDevice::new(memory, 1);
    let set = only_set(&device);
    let chunk = set.sections()[1].chunks[2];
    assert!(set.read_chunk(&chunk).is_ok());
    device.flip(&summary.volumes[0].name, (chunk.entry.offset + 200) * 8 + 3);
    let error = set.read_chunk(&chunk).unwrap_err();
    assert!(error.to_string().contains("payload checksum"), "{error}");
}
