//! What is on a device: volumes missing, doubled, renamed, of several sets; and what a listing costs.

use crate::round_trip::{as_scanned, assert_chunks, only_set};
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::testing::sets::{Sample, sample_chunk, sample_header, sample_label, write_sample};
use intervault::volume::error::VolumeError;
use intervault::volume::section::SectionSource;
use intervault::volume::set::list_sets;
use intervault::volume::set_writer::{SetOptions, SetSummary, SetWriter};

fn spanned() -> (MemoryDevice, Sample, SetSummary) {
    let sample = Sample { seed: 4, chunks: 9, ..Sample::default() };
    let device = MemoryDevice::new();
    let summary = write_sample(&device, &sample, Some(5_000)).unwrap();
    assert!(summary.volumes.len() >= 3, "{}", summary.volumes.len());
    (device, sample, summary)
}

#[test]
fn every_volume_alone_is_listed_and_read() {
    let (device, sample, summary) = spanned();
    let whole = only_set(&device);
    let last = summary.volumes.len() as u32;
    let mut chunks_seen = 0;
    for volume in &summary.volumes {
        let alone = MemoryDevice::new();
        alone.insert(&volume.name, device.bytes(&volume.name).unwrap());
        let set = only_set(&alone);
        assert!(!set.is_complete());
        assert_eq!(set.label(), whole.label());
        assert_eq!(set.total_volumes(), (volume.number == last).then_some(last));
        let missing: Vec<u32> = (1..=last.min(volume.number + 1)).filter(|number| *number != volume.number).collect();
        assert_eq!(set.missing_volumes(), missing);
        chunks_seen += assert_chunks(&set, &sample);
        for section in set.sections() {
            let known = &whole.sections()[section.number as usize - 1];
            assert_eq!(section.header, known.header);
            let from_catalog = section.source == SectionSource::Catalog;
            assert_eq!(from_catalog, volume.number == last);
            for chunk in &section.chunks {
                assert_eq!(chunk.here, chunk.entry.volume == volume.number);
                assert_eq!(chunk.entry, known.chunks[chunk.number as usize].entry);
            }
            // A bucket proven here is one whose pieces all stand on chunks that are here.
            for (bucket, proven) in section.proven_buckets() {
                let entry =
                    known.buckets.iter().find(|entry| (entry.acd, entry.day) == (bucket.acd, bucket.day)).unwrap();
                assert!(!proven || bucket == entry, "{bucket:?} {entry:?}");
            }
            let whole_here = section.chunks.iter().filter(|chunk| chunk.here).count() == known.chunks.len();
            assert!(!whole_here || section.end.is_none() || section.proven.iter().all(|proven| *proven));
        }
        let missing = set.sections().iter().flat_map(|section| &section.chunks).find(|chunk| !chunk.here);
        if let Some(chunk) = missing {
            let error = set.read_chunk(chunk).unwrap_err();
            assert!(matches!(&error, VolumeError::MissingVolumes { wanted, .. } if *wanted == [chunk.entry.volume]));
        }
    }
    assert_eq!(chunks_seen, 18);
}

#[test]
fn with_the_last_volume_and_gaps_only_what_is_here_is_proven() {
    let (device, sample, summary) = spanned();
    let whole = only_set(&device);
    let all: usize = whole.sections().iter().map(|section| section.buckets.len()).sum();
    let mut some = 0;
    for gap in 0..summary.volumes.len() - 1 {
        let torn = device.copy();
        assert!(torn.remove(&summary.volumes[gap].name).is_some());
        let set = only_set(&torn);
        assert_eq!(set.missing_volumes(), [gap as u32 + 1]);
        assert!(set.damage().is_empty());
        let proven: usize =
            set.sections().iter().map(|section| section.proven.iter().filter(|proven| **proven).count()).sum();
        let lost = set.sections().iter().flat_map(|section| &section.chunks).any(|chunk| !chunk.here);
        assert_eq!(proven < all, lost);
        some += proven;
        assert_eq!(assert_chunks(&set, &sample) < 18, lost);
        for (section, known) in set.sections().iter().zip(whole.sections()) {
            assert_eq!(section.buckets, known.buckets);
        }
    }
    assert!(some > 0);
}

#[test]
fn renamed_volumes_are_found_by_their_labels() {
    let (device, sample, summary) = spanned();
    let expected = as_scanned(only_set(&device).sections());
    let names: Vec<_> = summary.volumes.iter().map(|volume| volume.name.clone()).collect();
    // The first two have each other's names.
    let mixed = device.copy();
    mixed.insert(&names[0], device.bytes(&names[1]).unwrap());
    mixed.insert(&names[1], device.bytes(&names[0]).unwrap());
    let set = only_set(&mixed);
    assert!(set.is_complete());
    assert_eq!(assert_chunks(&set, &sample), 18);
    // The last one and the first have each other's names: the catalog is not where its name says.
    let mixed = device.copy();
    let last = names.len() - 1;
    mixed.insert(&names[0], device.bytes(&names[last]).unwrap());
    mixed.insert(&names[last], device.bytes(&names[0]).unwrap());
    let set = only_set(&mixed);
    assert!(set.is_complete());
    assert_eq!(as_scanned(set.sections()), expected);
    assert_eq!(assert_chunks(&set, &sample), 18);
    // No name says anything.
    let mixed = MemoryDevice::new();
    for (number, name) in names.iter().rev().enumerate() {
        mixed.insert(&format!("tape {number}.ivv"), device.bytes(name).unwrap());
    }
    let set = only_set(&mixed);
    assert!(set.is_complete());
    assert_eq!(as_scanned(set.sections()), expected);
    assert_eq!(assert_chunks(&set, &sample), 18);
}

#[test]
fn two_sets_are_never_mixed_and_copies_are_told() {
    let (device, sample, summary) = spanned();
    let second = Sample { seed: 40, ..sample };
    let foreign = write_sample(&device, &second, Some(5_000)).unwrap();
    device.insert("copy of it.ivv", device.bytes(&summary.volumes[1].name).unwrap());
    device.insert("notes.ivv", b"no volume at all".to_vec());
    device.insert("empty.ivv", Vec::new());
    let listing = list_sets(&device).unwrap();
    assert_eq!(listing.sets.len(), 2);
    for set in &listing.sets {
        let (sample, summary) = if set.set_id() == summary.set { (&sample, &summary) } else { (&second, &foreign) };
        assert_eq!(set.set_id(), summary.set);
        assert!(set.is_complete());
        assert_eq!(set.volumes().len(), summary.volumes.len());
        assert_eq!(assert_chunks(set, sample), 18);
        let copies: Vec<_> = set.volumes().iter().filter(|volume| !volume.copies.is_empty()).collect();
        match set.label().set_id == sample_label(4).set_id {
            true => assert_eq!((copies.len(), copies[0].number, &copies[0].copies[0][..]), (1, 2, "copy of it.ivv")),
            false => assert!(copies.is_empty()),
        }
    }
    let [empty, notes] = listing.unreadable.as_slice() else { panic!("{:?}", listing.unreadable) };
    assert!(matches!(empty.1, VolumeError::NotAVolume { len: 0, .. }), "{empty:?}");
    assert!(matches!(notes.1, VolumeError::NotAVolume { len: 16, .. }), "{notes:?}");
    let error = listing.into_set(&device, None).unwrap_err();
    assert!(matches!(&error, VolumeError::SeveralSets { sets, .. } if sets.len() == 2), "{error}");
    let wanted = foreign.set.to_string();
    let chosen = list_sets(&device).unwrap().into_set(&device, Some(&wanted[..8])).unwrap();
    assert_eq!(chosen.set_id(), foreign.set);
    let error = list_sets(&device).unwrap().into_set(&device, Some("no")).unwrap_err();
    assert!(matches!(error, VolumeError::NoSuchSet { .. }), "{error}");
}

#[test]
fn a_volume_of_another_run_breaks_the_chain() {
    let (device, sample, summary) = spanned();
    let other = MemoryDevice::new();
    // The same set id, other rows: as if a run had been repeated with a generator that repeats itself.
    let mut set =
        SetWriter::create(&other, sample_label(sample.seed), &SetOptions { volume_size: Some(5_000) }).unwrap();
    let mut random = intervault::testing::mutate::Rng::new(77);
    set.begin_section(sample_header("table_1")).unwrap();
    (0..30).for_each(|number| set.chunk(sample_chunk(&mut random, number, &sample)).unwrap());
    set.end_section(vec![]).unwrap();
    let theirs = set.finish(vec![], vec![]).unwrap();
    assert_eq!(theirs.volumes[1].name, summary.volumes[1].name);
    device.insert(&summary.volumes[1].name, other.bytes(&theirs.volumes[1].name).unwrap());
    let set = only_set(&device);
    let findings = set.check_chain().unwrap();
    assert!(matches!(findings.as_slice(), [VolumeError::ChainBroken { volume: 2, .. }, ..]), "{findings:?}");
}

#[test]
fn a_damaged_label_costs_no_chunk_of_a_set_with_its_catalog() {
    let (device, sample, summary) = spanned();
    let mut bytes = device.bytes(&summary.volumes[0].name).unwrap();
    bytes[100] ^= 1;
    device.insert(&summary.volumes[0].name, bytes);
    assert_eq!(assert_chunks(&only_set(&device), &sample), 18);
}

#[test]
fn a_listing_opens_no_more_than_the_last_volume() {
    let sample = Sample { seed: 4, chunks: 9, column_bytes: 1_500, ..Sample::default() };
    let device = FaultDevice::new(MemoryDevice::new(), 1);
    let summary = write_sample(&device, &sample, Some(16_000)).unwrap();
    assert!(summary.volumes.len() >= 4, "{}", summary.volumes.len());
    device.clear_log();
    let set = only_set(&device);
    assert!(device.count(Op::Open) <= 2, "{:?}", device.log());
    let last = &summary.volumes[summary.volumes.len() - 1].name;
    assert!(device.log().iter().all(|entry| matches!(entry.op, Op::List | Op::Size) || entry.name == *last));
    assert_eq!(device.count(Op::List), 1);
    device.clear_log();
    assert_chunks(&set, &sample);
    assert_eq!(
        device.count(Op::Open),
        summary
            .volumes
            .iter()
            .filter(|volume| {
                let holds = |chunk: &intervault::volume::section::ChunkRef| chunk.entry.volume == volume.number;
                set.sections().iter().flat_map(|section| &section.chunks).any(holds)
            })
            .count(),
        "each volume is opened once"
    );
    // Label and end mark once a volume, then one read a chunk.
    assert!(device.count(Op::Read) <= 18 + 3 * summary.volumes.len(), "{}", device.count(Op::Read));
}

#[test]
fn a_thousand_volumes_are_listed_by_the_last() {
    let sample = Sample { seed: 8, sections: 2, chunks: 1_000, column_bytes: 700, pieces: 3 };
    let place = tempfile::tempdir().unwrap();
    let device = FaultDevice::new(DirectoryDevice::open(place.path()).unwrap(), 1);
    let summary = write_sample(&device, &sample, Some(4_608)).unwrap();
    assert!(summary.volumes.len() > 500, "{}", summary.volumes.len());
    device.clear_log();
    let set = only_set(&device);
    assert!(set.is_complete());
    // A catalog larger than a volume is read from the volumes that it takes, and from no other.
    let catalog_volumes = summary.volumes.len() + 1 - set.catalog().unwrap().volumes as usize;
    assert_eq!(device.count(Op::Open), 1 + catalog_volumes);
    // Every other volume is held against the catalog by its length alone.
    assert_eq!(device.count(Op::Size), summary.volumes.len() - catalog_volumes);
    assert_eq!(assert_chunks(&set, &sample), 1_000);
}

/// A link in the place of a volume that leads to nothing, or to itself, is no volume: as if it were missing, and told besides.
#[test]
fn a_volume_that_is_a_link_to_nothing_is_not_here() {
    let (memory, _, summary) = spanned();
    for middle in [true, false] {
        let gone = if middle { &summary.volumes[1] } else { summary.volumes.last().unwrap() };
        for target in ["/nowhere/volume.ivv", &gone.name] {
            let place = tempfile::tempdir().unwrap();
            for name in memory.list().unwrap().into_iter().filter(|name| *name != gone.name) {
                std::fs::write(place.path().join(&name), memory.bytes(&name).unwrap()).unwrap();
            }
            let device = DirectoryDevice::open(place.path()).unwrap();
            let missing = only_set(&device).missing_volumes();
            std::os::unix::fs::symlink(target, place.path().join(&gone.name)).unwrap();
            let listing = list_sets(&device).unwrap();
            let [set] = listing.sets.as_slice() else { panic!("{} sets", listing.sets.len()) };
            assert_eq!((set.missing_volumes(), set.is_complete()), (missing, false), "{}", gone.name);
            assert!(set.wrong_volumes().is_empty() && set.damage().is_empty());
            let told: Vec<&str> = listing.unreadable.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(told, [&gone.name]);
        }
    }
}

#[test]
fn a_directory_shows_no_other_files() {
    let place = tempfile::tempdir().unwrap();
    let device = DirectoryDevice::open(place.path()).unwrap();
    std::fs::write(place.path().join("readme.txt"), "x").unwrap();
    std::fs::write(place.path().join(".a.ivv.partial"), "x").unwrap();
    assert_eq!(device.list().unwrap(), [".a.ivv.partial"]);
    let refused = device.create("a.ivv").err().unwrap();
    assert!(refused.to_string().contains("there already"), "{refused}");
    for name in ["../a.ivv", "a/b.ivv", "/etc/a.ivv", "a.txt", "", ".."] {
        assert!(device.create(name).is_err() && device.open(name).is_err(), "{name}");
    }
    std::fs::create_dir(place.path().join("d.ivv")).unwrap();
    assert!(device.open("d.ivv").is_err());
    // A link counts as what it leads to.
    let link =
        |to: &str, name: &str| std::os::unix::fs::symlink(place.path().join(to), place.path().join(name)).unwrap();
    link("readme.txt", "e.ivv");
    link("d.ivv", "f.ivv");
    link("nowhere", "g.ivv");
    // What leads to nothing may lead to a volume that is elsewhere.
    assert_eq!(device.list().unwrap(), [".a.ivv.partial", "e.ivv", "g.ivv"]);
    let nothing = device.open("g.ivv").err().unwrap();
    assert!(nothing.to_string().contains("leads to nothing"), "{nothing}");
    assert_eq!((device.open("e.ivv").unwrap().len(), device.size("e.ivv").unwrap()), (1, 1));
    assert!(DirectoryDevice::open(place.path().join("readme.txt")).is_err());
    assert!(DirectoryDevice::open(place.path().join("nowhere")).is_err());
}
