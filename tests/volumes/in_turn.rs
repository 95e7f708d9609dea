//! Volumes of a set that come one after the other: which of them has to come so that the catalog can be read, and what is kept
//! of a medium that is gone.

use crate::round_trip::{assert_chunks, only_set};
use intervault::device::error::{DeviceError, DeviceErrorKind};
use intervault::device::in_turn::{Elsewhere, InTurnDevice};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::{Device, VolumeSink, VolumeSource};
use intervault::testing::sets::{Sample, write_sample};
use intervault::volume::catalogs::{Catalogs, elsewhere};
use intervault::volume::reader::Volume;
use std::sync::Arc;

/// The volumes of a device, each on a medium of its own, by number: names of three digits are longer.
fn media(device: &MemoryDevice) -> Vec<MemoryDevice> {
    let alone = |name: &String| {
        let medium = MemoryDevice::named("the drive");
        medium.insert(name, device.bytes(name).unwrap());
        medium
    };
    let mut names = device.list().unwrap();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.iter().map(alone).collect()
}

#[test]
fn a_catalog_on_several_media_is_read_when_each_has_come_once() {
    // A catalog that goes over several volumes.
    let sample = Sample { seed: 3, sections: 60, chunks: 3, column_bytes: 25, pieces: 6 };
    for (sample, size) in [(sample, 4_000), (Sample { sections: 2, ..sample }, 4_000)] {
        let device = MemoryDevice::new();
        let summary = write_sample(&device, &sample, Some(size)).unwrap();
        let media = media(&device);
        let drive = InTurnDevice::new(Arc::new(media[0].clone()), std::env::temp_dir()).unwrap();
        let (mut catalogs, mut came) = (Catalogs::default(), Vec::new());
        loop {
            drive.keep(true);
            catalogs.look(&drive).unwrap();
            let Some(sought) = catalogs.sought(summary.set) else { break };
            let number = sought.number.map_or(media.len(), |number| number as usize);
            assert!(number > 1 && !came.contains(&number), "volume {number} again: {came:?}");
            came.push(number);
            drive.put_in(Arc::new(media[number - 1].clone())).unwrap();
        }
        drive.keep(false);
        assert_eq!(came.first(), Some(&media.len()));
        assert_eq!(came.len() > 1, sample.sections > 2, "{came:?}");
        catalogs.volumes().into_iter().for_each(|volume| drive.expect(volume));
        drive.settle(true);
        let set = only_set(&drive);
        assert!(set.catalog().is_some(), "the catalog is read from what was kept");
        elsewhere(&set).into_iter().for_each(|volume| drive.expect(volume));
        drop(set);
        drive.begin();
        let set = only_set(&drive);
        assert!(set.is_complete() && set.wrong_volumes().is_empty());
        // All that is wanted in vain is told, and can be read when each medium has come once.
        let chunks: Vec<_> = set.sections().iter().flat_map(|section| &section.chunks).collect();
        let failed = chunks.iter().filter(|chunk| set.read_chunk(chunk).is_err()).count();
        assert!(failed > 0, "all chunks are at hand");
        drop(set);
        drive.copy().unwrap();
        let wanted = drive.wanted();
        assert!(wanted.windows(2).all(|pair| pair[0].0.number < pair[1].0.number));
        for (volume, _) in wanted {
            drive.put_in(Arc::new(media[volume.number as usize - 1].clone())).unwrap();
            drive.copy().unwrap();
        }
        drive.take_out();
        assert_eq!(drive.wanted(), []);
        assert_chunks(&only_set(&drive), &sample);
    }
}

#[test]
fn a_catalog_that_is_damaged_lists_nothing_that_is_elsewhere() {
    let device = MemoryDevice::new();
    let summary = write_sample(&device, &Sample { seed: 3, chunks: 12, ..Sample::default() }, Some(9_000)).unwrap();
    let (media, last) = (media(&device), summary.volumes.last().unwrap().name.clone());
    let volume = Volume::open(device.open(&last).unwrap(), &last).unwrap();
    let mut bytes = device.bytes(&last).unwrap();
    bytes[volume.end().unwrap().catalog_offset as usize + 100] ^= 1;
    let ruined = MemoryDevice::named("the drive");
    ruined.insert(&last, bytes);
    for (end, listed) in [(&ruined, 0), (&media[media.len() - 1], 2)] {
        let drive = InTurnDevice::new(Arc::new(media[0].clone()), std::env::temp_dir()).unwrap();
        let mut catalogs = Catalogs::default();
        catalogs.look(&drive).unwrap();
        drive.put_in(Arc::new(end.clone())).unwrap();
        catalogs.look(&drive).unwrap();
        assert_eq!((catalogs.sought(summary.set), catalogs.volumes().len()), (None, listed));
    }
}

/// A medium of which one byte cannot be read.
struct Scratched(MemoryDevice, u64);

struct ScratchedSource(Box<dyn VolumeSource>, u64);

impl VolumeSource for ScratchedSource {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        if at <= self.1 && self.1 < at + buffer.len() as u64 {
            let kind = DeviceErrorKind::Io(std::io::Error::other("a scratch"));
            return Err(DeviceError { op: "read", place: "tape".into(), kind });
        }
        self.0.read_at(at, buffer)
    }
}

impl Device for Scratched {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.0.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        Ok(Box::new(ScratchedSource(self.0.open(name)?, self.1)))
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.0.create(name)
    }
}

#[test]
fn what_cannot_be_read_is_asked_for_once() {
    let (memory, empty) = (MemoryDevice::named("drive"), MemoryDevice::named("drive"));
    memory.insert("a.ivv", (0..100).collect());
    let drive = InTurnDevice::new(Arc::new(empty.clone()), std::env::temp_dir()).unwrap();
    let volume =
        |len| Elsewhere { name: "a.ivv".to_owned(), set: "a".to_owned(), label: "CMS-01".to_owned(), number: 1, len };
    drive.expect(volume(100));
    let source = drive.open("a.ivv").unwrap();
    let read = |at: u64, len: usize| {
        let mut buffer = vec![0; len];
        source.read_at(at, &mut buffer).map(|()| buffer).map_err(|error| error.to_string())
    };
    let wanted = read(10, 20).unwrap_err();
    assert!(wanted.contains("volume 1, CMS-01") && wanted.contains("another medium"), "{wanted}");
    assert!(read(60, 10).is_err() && read(62, 3).is_err() && read(95, 6).unwrap_err().contains("ends after 100"));
    assert_eq!(drive.wanted(), [(volume(100), 33)]);
    drive.put_in(Arc::new(Scratched(memory.clone(), 65))).unwrap();
    drive.copy().unwrap();
    drive.put_in(Arc::new(empty)).unwrap();
    assert_eq!(drive.wanted(), []);
    assert_eq!((read(10, 20), read(12, 3)), (Ok((10..30).collect()), Ok(vec![12, 13, 14])));
    assert!(read(60, 10).unwrap_err().contains("a scratch"), "the same error, and no wish");
    assert_eq!(drive.wanted(), []);
    // What nobody brings is gone with all that was kept of it.
    drive.forget("a.ivv");
    assert!(read(10, 20).is_err() && drive.list().unwrap().is_empty() && drive.open("a.ivv").is_err());
    assert!(drive.create("b.ivv").is_err());
}

#[test]
fn volumes_of_other_work_are_not_listed_once_that_is_settled() {
    let (one, two) = (MemoryDevice::named("drive"), MemoryDevice::named("drive"));
    one.insert("a.ivv", vec![1]);
    two.insert("b.ivv", vec![2]);
    let drive = InTurnDevice::new(Arc::new(one.clone()), std::env::temp_dir()).unwrap();
    drive.settle(true);
    drive.put_in(Arc::new(two)).unwrap();
    assert_eq!((drive.list().unwrap().len(), drive.here()), (0, vec!["b.ivv".to_owned()]));
    drive.put_in(Arc::new(one)).unwrap();
    assert_eq!(drive.list().unwrap(), ["a.ivv"]);
    drive.settle(false);
    assert!(drive.has_seen("a.ivv") && !drive.is_here("b.ivv") && drive.is_accepted());
}

#[test]
fn a_volume_of_which_only_the_end_is_damaged_is_the_one_that_is_expected() {
    let medium = MemoryDevice::named("drive");
    medium.insert(".a.ivv.partial", (0..60).collect());
    medium.insert(".b.ivv.partial", (0..60).collect());
    let drive = InTurnDevice::new(Arc::new(MemoryDevice::named("drive")), std::env::temp_dir()).unwrap();
    let expect = |name: &str, len| {
        let (set, label) = ("a".to_owned(), "CMS-01".to_owned());
        drive.expect(Elsewhere { name: name.to_owned(), set, label, number: 1, len });
    };
    expect("a.ivv", 50);
    expect("b.ivv", 70);
    let source = drive.open("a.ivv").unwrap();
    assert!(source.read_at(10, &mut [0; 5]).is_err() && drive.wanted().len() == 1);
    drive.put_in(Arc::new(medium)).unwrap();
    assert!(drive.is_here("a.ivv") && !drive.is_here("b.ivv"), "the rest of b is on another medium");
    assert_eq!(drive.list().unwrap(), ["a.ivv", "b.ivv"], "what is expected stands for what is there of it");
    drive.copy().unwrap();
    drive.take_out();
    let mut bytes = [0; 5];
    source.read_at(10, &mut bytes).unwrap();
    assert_eq!((bytes, source.len(), drive.wanted()), ([10, 11, 12, 13, 14], 50, vec![]));
}

#[test]
fn a_medium_that_was_only_looked_at_is_not_accepted() {
    let (one, two) = (MemoryDevice::named("drive"), MemoryDevice::named("drive"));
    one.insert("a.ivv", vec![1]);
    two.insert("a.ivv", vec![2, 2]);
    let drive = InTurnDevice::new(Arc::new(one.clone()), std::env::temp_dir()).unwrap();
    assert!(drive.is_accepted());
    drive.take_out();
    assert!(!drive.is_accepted(), "the drive is empty");
    // A volume of the same name, and another one.
    drive.put_in(Arc::new(two.clone())).unwrap();
    assert!(!drive.is_accepted());
    drive.accept();
    drive.put_in(Arc::new(one)).unwrap();
    assert!(drive.is_accepted());
    drive.put_in(Arc::new(two)).unwrap();
    assert!(drive.is_accepted());
}
