//! Tapes: the same blocks as everywhere, many sets on one, what is torn, what a drive refuses, and its end.

use crate::round_trip::{assert_chunks, only_set};
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::{DeviceError, DeviceErrorKind};
use intervault::device::memory::MemoryDevice;
use intervault::device::name::finished_name;
use intervault::device::pipe::PipeDevice;
use intervault::device::tape::TapeDevice;
use intervault::device::traits::Device;
use intervault::testing::sets::{Sample, sample_label, write_labelled, write_sample};
use intervault::testing::tape::TestDrive;
use intervault::volume::error::VolumeError;
use intervault::volume::medium::{Admission, Overwrite, admit};
use intervault::volume::set::list_sets;
use intervault::volume::stream::ON_TAPE;
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A record that divides no volume.
const RECORD: u32 = 448;

pub struct Tape {
    pub folder: tempfile::TempDir,
}

impl Tape {
    pub fn blank() -> Tape {
        Tape { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("a.tap")
    }

    pub fn drive(&self) -> TestDrive {
        TestDrive::open(&self.path(), None, 0).unwrap()
    }

    fn device(&self) -> TapeDevice {
        on(&self.drive())
    }

    fn with(sets: &[Sample], size: Option<u64>) -> Tape {
        let tape = Tape::blank();
        for sample in sets {
            write_sample(&tape.device(), sample, size).unwrap();
        }
        tape
    }
}

pub fn on(drive: &TestDrive) -> TapeDevice {
    TapeDevice::on(Box::new(drive.clone()), Path::new("a.tap"), ON_TAPE, RECORD)
}

fn sample(seed: u64) -> Sample {
    Sample { seed, sections: 3, chunks: 5, ..Sample::default() }
}

fn bytes(device: &dyn Device, name: &str) -> Vec<u8> {
    let source = device.open(name).unwrap();
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes).unwrap();
    bytes
}

fn kind(error: VolumeError) -> DeviceErrorKind {
    match error {
        VolumeError::Device(DeviceError { kind, .. }) => kind,
        other => panic!("{other}"),
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn folder_pipe_tape_and_memory_carry_the_same_blocks() {
    for size in [None, Some(5_000)] {
        let label = intervault::format::label::LabelRecord { device_record: RECORD, ..sample_label(2) };
        let write = |device: &dyn Device| write_labelled(device, label.clone(), &sample(2), size).unwrap();
        let (memory, tape, kept) = (MemoryDevice::new(), Tape::blank(), Kept::default());
        let summary = write(&memory);
        let folder = DirectoryDevice::open(tape.folder.path()).unwrap();
        let device = tape.device();
        let pipe = PipeDevice::new("a pipe", Box::new(kept.clone()));
        assert_eq!((write(&folder), write(&device), write(&pipe)), (summary.clone(), summary.clone(), summary.clone()));
        drop(device);
        let device = tape.device();
        assert_eq!(device.list().unwrap(), memory.list().unwrap());
        let mut all = Vec::new();
        for volume in &summary.volumes {
            let right = memory.bytes(&volume.name).unwrap();
            assert_eq!(right.len() as u64, volume.bytes);
            assert!(bytes(&folder, &volume.name) == right && bytes(&device, &volume.name) == right, "{}", volume.name);
            all.extend(right);
        }
        assert!(*kept.0.lock().unwrap() == all);
        assert_ne!(all.len() % RECORD as usize, 0, "a record that is filled up is part of the test");
    }
}

#[test]
fn every_device_says_how_large_the_records_of_its_tapes_are() {
    let tape = Tape::blank();
    let shared: Arc<dyn Device> = Arc::new(tape.device());
    assert_eq!((shared.record_bytes(), MemoryDevice::new().record_bytes()), (RECORD, 262_144));
}

#[test]
fn many_sets_lie_one_behind_the_other_and_are_read_in_any_order() {
    let samples = [sample(1), sample(2), sample(3)];
    let tape = Tape::with(&samples, Some(5_000));
    let device = tape.device();
    let listing = list_sets(&device).unwrap();
    assert_eq!((listing.sets.len(), listing.unreadable.len()), (3, 0));
    for sample in samples.iter().rev() {
        let id = sample_label(sample.seed).set();
        let set = listing.sets.iter().find(|set| set.set_id() == id).unwrap();
        assert!(set.is_complete() && set.volumes().len() > 1);
        assert_eq!(assert_chunks(set, sample), 10);
    }
    let error = write_sample(&tape_again(&device), &samples[1], Some(5_000)).unwrap_err();
    assert!(matches!(kind(error), DeviceErrorKind::Exists));
}

fn tape_again(device: &TapeDevice) -> TapeDevice {
    device.clone()
}

#[test]
fn what_is_torn_is_read_as_far_as_it_goes_and_written_over() {
    let tape = Tape::with(&[sample(1)], None);
    let first = std::fs::metadata(tape.path()).unwrap().len();
    write_sample(&tape.device(), &sample(2), None).unwrap();
    let whole = std::fs::read(tape.path()).unwrap();
    let mut recovered = 0;
    for len in (first as usize..whole.len()).step_by(211) {
        std::fs::write(tape.path(), &whole[..len]).unwrap();
        let device = tape.device();
        let listing = list_sets(&device).unwrap();
        for set in &listing.sets {
            let one = set.set_id() == sample_label(1).set();
            assert_eq!(set.is_complete(), one, "{len}");
            let right = assert_chunks(set, &sample(if one { 1 } else { 2 }));
            recovered += if one { 0 } else { right };
        }
        assert!(listing.sets.iter().any(|set| set.is_complete()));
        drop(listing);
        write_sample(&device, &sample(3), None).unwrap();
        let names: Vec<String> = device.list().unwrap();
        assert!(names.len() == 2 && names.iter().all(|name| finished_name(name).is_none()), "{len}: {names:?}");
        drop(device);
        let device = tape.device();
        let listing = list_sets(&device).unwrap();
        assert!(listing.sets.len() == 2 && listing.sets.iter().all(|set| set.is_complete()));
    }
    assert!(recovered > 20);
}

#[test]
fn a_file_mark_alone_ends_no_volume() {
    // Some drivers write a file mark when a process dies in mid volume.
    let tape = Tape::with(&[sample(1)], None);
    let whole = std::fs::read(tape.path()).unwrap();
    let record = RECORD as usize + 8;
    let mut torn = whole[..record * 5].to_vec();
    torn.extend([0; 4]);
    std::fs::write(tape.path(), &torn).unwrap();
    let device = tape.device();
    assert!(finished_name(&device.list().unwrap()[0]).is_some());
    assert!(only_set(&device).is_interrupted());
    write_sample(&device, &sample(2), None).unwrap();
    assert_eq!(only_set(&device).set_id(), sample_label(2).set());
}

/// What stands on the tape after a set was begun behind a good one and failed.
fn assert_sound(tape: &Tape, complete: bool, context: &str) {
    let device = tape.device();
    let listing = list_sets(&device).unwrap();
    for set in &listing.sets {
        let first = set.set_id() == sample_label(1).set();
        assert_eq!(set.is_complete(), first || complete, "{context}");
        let right = assert_chunks(set, &sample(if first { 1 } else { 2 }));
        assert!(right == 10 || !set.is_complete(), "{context}");
    }
    assert!(listing.sets.iter().any(|set| set.set_id() == sample_label(1).set()), "{context}");
}

#[test]
fn a_drive_that_fails_at_any_call_leaves_nothing_wrong() {
    let right = Tape::with(&[sample(1)], None);
    let before = std::fs::read(right.path()).unwrap();
    let drive = right.drive();
    write_sample(&on(&drive), &sample(2), Some(5_000)).unwrap();
    let calls = drive.calls();
    assert!(calls > 40);
    let tape = Tape::blank();
    for call in 0..calls {
        for (errno, always) in
            [(Errno::IO, false), (Errno::INTR, false), (Errno::IO, true), (Errno::NODEV, true), (Errno::NOSPC, true)]
        {
            std::fs::write(tape.path(), &before).unwrap();
            let drive = tape.drive();
            drive.fail_at(call, errno, always);
            let done = write_sample(&on(&drive), &sample(2), Some(5_000));
            let context = format!("call {call}, {errno}, {always}: {:?}", done.as_ref().err().map(ToString::to_string));
            drive.close();
            assert_sound(&tape, done.is_ok(), &context);
        }
        // A single ENOSPC is early warning: the volume ends, and there is no further medium.
        std::fs::write(tape.path(), &before).unwrap();
        let drive = tape.drive();
        drive.fail_at(call, Errno::NOSPC, false);
        let done = write_sample(&on(&drive), &sample(2), Some(5_000));
        drive.close();
        assert_sound(&tape, done.is_ok(), &format!("early warning at call {call}"));
    }
}

#[test]
fn what_was_only_buffered_at_a_power_cut_was_never_called_done() {
    let right = Tape::with(&[sample(1)], None);
    let before = std::fs::read(right.path()).unwrap();
    let drive = right.drive();
    write_sample(&on(&drive), &sample(2), Some(5_000)).unwrap();
    let calls = drive.calls();
    let tape = Tape::blank();
    for call in 0..=calls {
        std::fs::write(tape.path(), &before).unwrap();
        let drive = tape.drive();
        drive.fail_at(call, Errno::IO, true);
        let done = write_sample(&on(&drive), &sample(2), Some(5_000));
        drive.power_cut().unwrap();
        assert_sound(&tape, done.is_ok(), &format!("power cut at call {call}"));
    }
}

/// What a record has beyond the size of those before it has no place in its file: it is read in no way, whole or byte by byte.
#[test]
fn a_record_that_is_longer_than_the_others_ends_where_they_would() {
    let records: [&[u8]; 4] = [&[1; 256], &[2; 256], &[3; 256], &[4; 2_304]];
    let framed = |record: &&[u8]| {
        let len = (record.len() as u32).to_le_bytes();
        [&len[..], record, &len].concat()
    };
    let mut image: Vec<u8> = records.iter().flat_map(framed).collect();
    image.extend([0; 8]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &image).unwrap();
    let tape = TapeDevice::open(file.path(), ON_TAPE, false, None).unwrap();
    let name = tape.list().unwrap().remove(0);
    let whole = bytes(&tape, &name);
    assert_eq!(whole, [[1; 256], [2; 256], [3; 256], [4; 256]].concat());
    let source = tape.open(&name).unwrap();
    for (at, expected) in whole.iter().enumerate() {
        let mut byte = [0];
        source.read_at(at as u64, &mut byte).unwrap();
        assert_eq!(byte[0], *expected, "byte {at}");
    }
}

#[test]
fn a_tape_that_must_not_be_written_says_so() {
    let tape = Tape::with(&[sample(1)], None);
    let device = TapeDevice::open(&tape.path(), ON_TAPE, false, None).unwrap();
    assert!(only_set(&device).is_complete());
    let error = write_sample(&device, &sample(2), None).unwrap_err();
    assert!(matches!(kind(error), DeviceErrorKind::WriteProtected));
    assert!(matches!(device.erase().unwrap_err().kind, DeviceErrorKind::WriteProtected));
    assert!(matches!(
        TapeDevice::open(tape.folder.path(), ON_TAPE, false, None).unwrap_err().kind,
        DeviceErrorKind::Io(_)
    ));
    let nowhere = TapeDevice::open(Path::new("no/such.tap"), ON_TAPE, false, None).unwrap_err();
    assert!(matches!(nowhere.kind, DeviceErrorKind::NotFound));
    #[cfg(target_os = "linux")]
    assert!(TapeDevice::open(Path::new("/dev/null"), ON_TAPE, false, None).is_err(), "no tape drive");
}

#[test]
fn labels_are_read_before_a_tape_is_written_over() {
    let rule = |overwrite, today| {
        let label = sample_label(1);
        let (server, database) = (label.source_server, label.source_database);
        Admission { overwrite, today, server, database, set: sample_label(9).set(), before: Vec::new() }
    };
    let kept = |retain_until, seed| {
        let tape = Tape::blank();
        let label = intervault::format::label::LabelRecord { retain_until, ..sample_label(seed) };
        write_labelled(&tape.device(), label, &sample(seed), None).unwrap();
        tape
    };
    let after = |tape: &Tape, admission: &Admission| -> Result<usize, String> {
        let device = tape.device();
        admit(&device, admission).map_err(|error| error.to_string())?;
        write_sample(&device, &sample(9), None).unwrap();
        drop(device);
        Ok(list_sets(&tape.device()).unwrap().sets.len())
    };
    assert_eq!(after(&Tape::blank(), &rule(Overwrite::Expired, 20_000)), Ok(1));
    assert_eq!(after(&kept(Some(20_000), 1), &rule(Overwrite::Never, 30_000)), Ok(2));
    assert_eq!(after(&kept(Some(20_000), 1), &rule(Overwrite::Expired, 20_000)), Ok(1));
    assert_eq!(after(&kept(Some(20_000), 1), &rule(Overwrite::Any, 0)), Ok(1));
    assert_eq!(after(&kept(None, 1), &rule(Overwrite::Any, 0)), Ok(1));
    let refused = after(&kept(Some(20_000), 1), &rule(Overwrite::Expired, 19_999)).unwrap_err();
    assert!(
        refused.contains("to be kept until 2024-10-04") && refused.contains("CMS-260104-01-XXAX-00-F-01"),
        "{refused}"
    );
    let refused = after(&kept(None, 1), &rule(Overwrite::Expired, 20_000)).unwrap_err();
    assert!(refused.contains("says nothing of when it may go"), "{refused}");
    let other = Admission { server: "another".to_owned(), ..rule(Overwrite::Never, 0) };
    let refused = after(&kept(None, 1), &other).unwrap_err();
    assert!(refused.contains("another system, database cms of server server-1"), "{refused}");
    // Files and tables of one server lie beside each other; files of two servers do not.
    let files = Admission { database: String::new(), ..rule(Overwrite::Never, 0) };
    assert_eq!(after(&kept(None, 1), &files), Ok(2));
    assert!(after(&kept(None, 1), &Admission { server: "another".to_owned(), ..files }).is_err());
    // What was written just before stays, and a tape of the set that is written is none for its next volume.
    for overwrite in [Overwrite::Never, Overwrite::Expired, Overwrite::Any] {
        let before = Admission { before: vec![sample_label(1).set()], ..rule(overwrite, 30_000) };
        assert_eq!(after(&kept(Some(20_000), 1), &before), Ok(2), "{overwrite:?}");
        let refused = after(&kept(Some(20_000), 9), &rule(overwrite, 30_000)).unwrap_err();
        assert!(refused.contains("of the set that is being written: bring another medium"), "{refused}");
    }
    // A tape with something else on it, such as an archive of another program.
    let strange = Tape::blank();
    let mut archive = 512u32.to_le_bytes().to_vec();
    archive.extend([7; 512]);
    archive.extend(512u32.to_le_bytes());
    archive.extend([0; 4]);
    std::fs::write(strange.path(), &archive).unwrap();
    let refused = after(&strange, &rule(Overwrite::Never, 0)).unwrap_err();
    assert!(refused.contains("no volume") && refused.contains("file-000001.ivv"), "{refused}");
    assert_eq!(std::fs::read(strange.path()).unwrap(), archive);
    assert_eq!(after(&strange, &rule(Overwrite::Any, 0)), Ok(1));
}
