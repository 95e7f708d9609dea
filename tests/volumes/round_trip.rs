//! Round trips over many volume sizes, on both devices; listings by catalog and by scan agree.

use intervault::base::checksum::chain;
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::DeviceError;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::{Device, VolumeSink, VolumeSource};
use intervault::format::block::BlockKind;
use intervault::format::chunk::parse_chunk;
use intervault::testing::{
    damage::{Damage, places},
    mutate::Rng,
    sets::{Sample, sample_chunk, sample_header, sample_label, write_sample},
};
use intervault::volume::error::VolumeError;
use intervault::volume::name::label_of_volume;
use intervault::volume::scanner::{ScanItem, Scanner};
use intervault::volume::section::{SectionSource, SectionView};
use intervault::volume::set::{SetReader, list_sets};
use intervault::volume::set_writer::{ChunkContent, SetSummary};

/// The one set of a device, without anything unreadable beside it.
pub fn only_set(device: &dyn Device) -> SetReader<'_> {
    let listing = list_sets(device).unwrap();
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    listing.into_set(device, None).unwrap()
}

/// What the sample generator made, section by section.
pub fn contents(sample: &Sample) -> Vec<Vec<ChunkContent>> {
    let mut random = Rng::new(sample.seed);
    let chunks = |section| if section == sample.sections { 0 } else { sample.chunks };
    (1..=sample.sections)
        .map(|section| (0..chunks(section)).map(|number| sample_chunk(&mut random, number, sample)).collect())
        .collect()
}

/// Every chunk that is there holds what was written under its number; how many there were.
pub fn assert_chunks(set: &SetReader<'_>, sample: &Sample) -> usize {
    let written = contents(sample);
    let mut count = 0;
    for section in set.sections() {
        let mut first_row = None;
        for chunk in section.chunks.iter().filter(|chunk| chunk.here) {
            let payload = set.read_chunk(chunk).unwrap();
            let view = parse_chunk(&payload).unwrap();
            let content = &written[section.number as usize - 1][chunk.number as usize];
            assert_eq!(view.columns, content.bytes);
            assert_eq!((view.directory.rows, view.directory.chunk), (content.rows, chunk.number));
            let unnumbered =
                |piece: &intervault::format::chunk::PieceEntry| (piece.acd, piece.day, piece.digest, piece.last);
            assert!(view.directory.pieces.iter().map(unnumbered).eq(content.pieces.iter().map(unnumbered)));
            assert!(first_row.is_none_or(|row| row <= view.directory.first_row));
            first_row = Some(view.directory.first_row);
            count += 1;
        }
    }
    count
}

/// The same sections, but as a scan would have found them.
pub fn as_scanned(sections: &[SectionView]) -> Vec<SectionView> {
    sections.iter().map(|section| SectionView { source: SectionSource::Scan, ..section.clone() }).collect()
}

#[test]
#[cfg(feature = "mmap")]
fn a_map_reads_what_positions_read() {
    use intervault::device::map::MapDevice;
    let sample = Sample { seed: 12, chunks: 7, ..Sample::default() };
    for size in [None, Some(5_000)] {
        let place = tempfile::tempdir().unwrap();
        let device = MapDevice::open(place.path()).unwrap();
        let summary = write_sample(&device, &sample, size).unwrap();
        assert_round_trip(&device, &sample, &summary);
        let mapped = only_set(&device).sections().to_vec();
        let directory = DirectoryDevice::open(place.path()).unwrap();
        assert_eq!(mapped, only_set(&directory).sections());
        // Damage, cut volumes and unfinished ones are the same by either road.
        for (number, volume) in summary.volumes.iter().enumerate() {
            let path = place.path().join(&volume.name);
            let whole = std::fs::read(&path).unwrap();
            for cut in [0, whole.len() / 3, whole.len() - 1, whole.len()] {
                let mut bytes = whole[..cut].to_vec();
                if let Some(byte) = bytes.get_mut(whole.len() / 4 + number) {
                    *byte ^= 1;
                }
                std::fs::write(&path, &bytes).unwrap();
                let found = |device: &dyn Device| {
                    let listing = list_sets(device).unwrap();
                    let sets: Vec<_> = listing
                        .sets
                        .iter()
                        .map(|set| {
                            let read: Vec<_> = set
                                .sections()
                                .iter()
                                .flat_map(|section| &section.chunks)
                                .map(|chunk| set.read_chunk(chunk).map_err(|error| error.to_string()))
                                .collect();
                            (set.sections().to_vec(), set.missing_volumes(), set.is_complete(), read)
                        })
                        .collect();
                    (sets, listing.unreadable.len())
                };
                assert!(found(&device) == found(&directory), "{} cut at {cut}", volume.name);
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }
}

fn assert_round_trip(device: &dyn Device, sample: &Sample, summary: &SetSummary) {
    let set = only_set(device);
    assert!(set.is_complete() && set.missing_volumes().is_empty() && set.damage().is_empty());
    let names: Vec<_> = set.volumes().iter().map(|volume| volume.name.clone().unwrap()).collect();
    assert_eq!(names, summary.volumes.iter().map(|volume| volume.name.clone()).collect::<Vec<_>>());
    assert_eq!(set.set_id(), summary.set);
    assert_eq!(set.label().label, summary.label);
    let catalog = set.catalog().unwrap();
    assert_eq!((catalog.rows, catalog.absent.as_slice()), (summary.rows, &["no_such_table".to_owned()][..]));
    assert_eq!(set.sections().len() as u32, summary.sections);
    assert!(set.sections().iter().all(|section| section.is_complete() && section.source == SectionSource::Catalog));
    assert_eq!(assert_chunks(&set, sample) as u32, sample.chunks * (sample.sections - 1));
    assert!(set.check_chain().unwrap().is_empty());
    for (volume, written) in set.volumes().iter().zip(&summary.volumes) {
        let volume = set.volume(volume.number).unwrap();
        assert_eq!(volume.label().label, label_of_volume(&summary.label, written.number));
        assert_eq!(volume.end().unwrap().blocks + 1, written.blocks);
        assert_eq!(volume.source().len(), written.bytes);
        let index = volume.index().unwrap().unwrap();
        let scanner = Scanner::new(volume.source(), volume.name(), None).with_hashes();
        let mut running = [0; 32];
        for (at, item) in scanner.enumerate() {
            let ScanItem::Block(block) = item else { panic!("{item:?}") };
            let hash = block.hash.unwrap();
            assert!(index.blocks.get(at).is_none_or(|entry| entry.hash == hash && entry.offset == block.offset));
            running = chain(&running, &hash);
        }
        assert_eq!(running, written.running_hash);
        for entry in &index.blocks {
            let (header, _) = volume.read_block(entry.offset, entry.bytes).unwrap();
            assert_eq!((header.kind.id(), header.identity.section), (entry.kind, entry.section));
        }
    }
}

#[test]
fn what_is_written_is_read_again_over_many_volume_sizes() {
    let sample = Sample::default();
    let whole = write_sample(&MemoryDevice::new(), &sample, None).unwrap();
    assert_eq!(whole.volumes.len(), 1);
    let (mut fitted, mut refused, mut most) = (0, 0, 0);
    for size in (256..whole.bytes + 512).step_by(52) {
        let device = MemoryDevice::new();
        match write_sample(&device, &sample, Some(size)) {
            Ok(summary) => {
                assert!(summary.volumes.iter().all(|volume| volume.bytes <= size), "{size}: {summary:?}");
                assert_round_trip(&device, &sample, &summary);
                fitted += 1;
                most = most.max(summary.volumes.len());
            }
            Err(VolumeError::CapacityTooSmall { capacity, needed }) => {
                assert_eq!(capacity, size);
                assert!(needed > size, "{needed} at {size}");
                let retried = write_sample(&MemoryDevice::new(), &sample, Some(needed));
                assert!(
                    !matches!(retried, Err(VolumeError::CapacityTooSmall { needed: again, .. }) if again <= needed)
                );
                refused += 1;
            }
            Err(other) => panic!("{size}: {other}"),
        }
    }
    assert!(fitted > 20 && refused > 5 && most >= 5, "{fitted} {refused} {most}");
}

#[test]
fn a_directory_holds_what_memory_holds() {
    let sample = Sample { seed: 7, chunks: 9, ..Sample::default() };
    let place = tempfile::tempdir().unwrap();
    let directory = DirectoryDevice::for_writing(place.path().join("new/place")).unwrap();
    let _lock = directory.lock().unwrap();
    let memory = MemoryDevice::new();
    let summary = write_sample(&directory, &sample, Some(4_096)).unwrap();
    assert_eq!(summary, write_sample(&memory, &sample, Some(4_096)).unwrap());
    assert!(summary.volumes.len() > 2);
    assert_round_trip(&directory, &sample, &summary);
    for volume in &summary.volumes {
        let file = std::fs::read(directory.path().join(&volume.name)).unwrap();
        assert_eq!(Some(file), memory.bytes(&volume.name), "{}", volume.name);
    }
    let again = write_sample(&directory, &sample, Some(4_096)).unwrap_err();
    assert!(again.to_string().contains("never overwritten"), "{again}");
}

#[test]
fn a_scan_rebuilds_what_the_catalog_says() {
    let sample = Sample { seed: 3, chunks: 8, ..Sample::default() };
    for size in [None, Some(3_000), Some(4_500), Some(9_000)] {
        let device = MemoryDevice::new();
        let summary = write_sample(&device, &sample, size).unwrap();
        let cataloged = only_set(&device);
        let expected = as_scanned(cataloged.sections());
        let listed = cataloged.sections().to_vec();
        // Without its end mark a volume's index is not found; what a scan meets of the catalog counts, if it is all of it.
        for catalog_lost in [false, true] {
            for volume in &summary.volumes {
                let mut bytes = device.remove(&volume.name).unwrap();
                if catalog_lost {
                    hurt(&mut bytes, BlockKind::Catalog);
                } else {
                    bytes.truncate(bytes.len() - 192);
                }
                device.insert(&volume.name, bytes);
            }
            let scanned = only_set(&device);
            assert_eq!(scanned.sections(), if catalog_lost { &expected } else { &listed });
            assert_eq!(scanned.catalog(), cataloged.catalog().filter(|_| !catalog_lost));
            assert!(!scanned.is_complete() && !scanned.is_finished() && !scanned.can_be_built_on());
            assert_eq!(scanned.label(), cataloged.label());
            assert_eq!(assert_chunks(&scanned, &sample), 16);
        }
    }
}

/// Damages all blocks of a kind.
fn hurt(bytes: &mut Vec<u8>, kind: BlockKind) {
    for place in places(bytes).iter().filter(|place| place.header.kind == kind) {
        Damage::Flip { at: place.at + 81, mask: 1 }.apply(bytes);
    }
}

#[test]
fn a_catalog_larger_than_a_volume_takes_several() {
    let sample = Sample { seed: 5, sections: 2, chunks: 150, column_bytes: 20, pieces: 8 };
    let device = MemoryDevice::new();
    let summary = write_sample(&device, &sample, Some(12_000)).unwrap();
    let set = only_set(&device);
    let last = summary.volumes.len() as u32;
    assert!(set.volume(last).unwrap().catalog().unwrap().is_none(), "the catalog begins on an earlier volume");
    assert!(set.catalog().unwrap().volumes + 1 < last);
    assert_round_trip(&device, &sample, &summary);
    // An end mark between two of its parts is nothing that it needs, nor are the headers of the sections that it lists.
    for number in 1..last {
        let damaged = MemoryDevice::new();
        for volume in &summary.volumes {
            let mut bytes = device.bytes(&volume.name).unwrap();
            hurt(&mut bytes, BlockKind::SectionHeader);
            if volume.number == number {
                hurt(&mut bytes, BlockKind::VolumeEnd);
            }
            damaged.insert(&volume.name, bytes);
        }
        let found = only_set(&damaged);
        assert_eq!((found.catalog(), found.sections()), (set.catalog(), set.sections()), "end of volume {number}");
        assert!(found.can_be_built_on() && !found.may_have_more(), "end of volume {number}");
    }
    // Without one of the volumes that carry it, a scan takes its place.
    let expected = as_scanned(set.sections());
    let lost = device.remove(&summary.volumes[last as usize - 2].name);
    assert!(lost.is_some());
    let set = only_set(&device);
    assert_eq!(set.sections(), expected);
    assert_eq!(set.missing_volumes(), [last - 1]);
}

#[test]
fn the_writer_refuses_steps_out_of_order() {
    use intervault::volume::set_writer::{SetOptions, SetWriter};
    let (device, sample) = (MemoryDevice::new(), Sample::default());
    let mut set = SetWriter::create(&device, sample_label(1), &SetOptions::default()).unwrap();
    let chunk = sample_chunk(&mut Rng::new(1), 0, &sample);
    assert!(matches!(set.chunk(chunk.clone()), Err(VolumeError::Order(_))));
    assert!(set.begin_section(sample_header("t")).unwrap_err().to_string().contains("earlier write"));
    let device = MemoryDevice::new();
    let mut set = SetWriter::create(&device, sample_label(1), &SetOptions::default()).unwrap();
    assert_eq!(set.begin_section(sample_header("t")).unwrap(), 1);
    set.chunk(chunk).unwrap();
    assert!(matches!(set.finish(vec![], vec![]), Err(VolumeError::Order(_))));
    assert_eq!(device.list().unwrap().len(), 1);
    assert!(device.list().unwrap()[0].ends_with(".partial"));
    let listed = only_set(&device);
    assert!(!listed.is_complete() && listed.volumes()[0].partial);
    assert_eq!(listed.sections()[0].chunks.len(), 1);
}

/// A device whose volumes take what room was promised for, and no byte more.
struct Promising(MemoryDevice);

struct PromisingSink {
    inner: Box<dyn VolumeSink>,
    len: u64,
    /// Bytes from its start; nothing before it was asked for room the first time.
    promised: Option<u64>,
}

impl Device for Promising {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.0.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.0.open(name)
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Ok(Box::new(PromisingSink { inner: self.0.create(name)?, len: 0, promised: None }))
    }
}

impl VolumeSink for PromisingSink {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.len += bytes.len() as u64;
        assert!(self.promised.is_none_or(|promised| self.len <= promised), "{} of {:?}", self.len, self.promised);
        self.inner.append(bytes)
    }

    fn reserve(&mut self, bytes: u64) -> Result<bool, DeviceError> {
        self.promised = self.promised.max(Some(self.len + bytes));
        self.inner.reserve(bytes)
    }

    fn sync(&mut self) -> Result<(), DeviceError> {
        self.inner.sync()
    }

    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        self.inner.finish()
    }
}

/// A medium that has promised room never turns out to be full, index and end mark included.
#[test]
fn nothing_is_written_for_which_no_room_was_promised() {
    let sample = Sample { seed: 6, chunks: 9, ..Sample::default() };
    let mut alone = 0;
    for size in (1_800..6_000).step_by(64) {
        let device = Promising(MemoryDevice::new());
        let Ok(summary) = write_sample(&device, &sample, Some(size)) else { continue };
        // Label, one block, index, end mark.
        alone += summary.volumes.iter().filter(|volume| volume.blocks == 4).count();
    }
    assert!(alone > 0, "no volume has one block alone");
}
