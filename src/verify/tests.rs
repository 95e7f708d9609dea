//! Reading in spans against reading from the first byte to the last, over volumes that are hurt in all ways.

use super::finding::{Finding, Level};
use super::judge::Depth;
use super::media::MediaProof;
use super::part::{Choice, Subset};
use super::proof::{Around, SetProof, SetProved};
use super::section::SectionProof;
use super::set::{Asked, verify};
use crate::base::monitor::{Monitor, Silent, Task};
use crate::device::memory::MemoryDevice;
use crate::device::traits::Device;
use crate::format::block::{ALIGNMENT, BlockIdentity, BlockKind, encode_block};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::label::LabelRecord;
use crate::format::section::{HeldEntry, SectionEndRecord};
use crate::testing::damage::{payload, places};
use crate::testing::mutate::Rng;
use crate::testing::sets::{Sample, sample_header, sample_label, write_sample};
use crate::volume::set::{SetReader, list_sets};
use crate::volume::set_writer::{SetOptions, SetWriter};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two volumes of many small blocks.
fn sample() -> MemoryDevice {
    let device = MemoryDevice::new();
    let sample = Sample { seed: 5, sections: 3, chunks: 40, column_bytes: 300, pieces: 3 };
    write_sample(&device, &sample, Some(60_000)).unwrap();
    assert!(device.list().unwrap().len() >= 2);
    device
}

fn asked(depth: Depth) -> Asked<'static> {
    Asked { depth, choice: None }
}

fn only(device: &MemoryDevice) -> SetReader<'_> {
    list_sets(device).unwrap().into_set(device, None).unwrap()
}

/// What a scan of each volume gives, one after the other.
fn scanned(set: &SetReader<'_>) -> Vec<MediaProof> {
    let mut proof = SetProof::new(Depth::Blocks, false);
    proof.know(set.sections());
    for volume in set.volumes() {
        let Some(name) = &volume.name else { continue };
        proof.volume(&set.blocks(volume.number, name).unwrap(), 1, &Silent);
    }
    let around = Around { all_here: true, ..Default::default() };
    proof.finish_with(set.sections(), around).verified.volumes
}

/// Hurts some bytes in one of the ways in which media do.
fn hurt(random: &mut Rng, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() - 1);
    let len = 1 + random.below(9_000);
    let stop = (at + len).min(bytes.len());
    let (sector, end) = (at / ALIGNMENT * ALIGNMENT, (stop / ALIGNMENT * ALIGNMENT).max(at / ALIGNMENT * ALIGNMENT));
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at..stop].fill(0),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(sector.min(end)..end)),
        4 => {
            let again = bytes[sector.min(end)..end].to_vec();
            let place = random.below(bytes.len()) / ALIGNMENT * ALIGNMENT;
            bytes.splice(place..place, again);
        }
        5 => bytes.extend(vec![7; len]),
        _ => {
            let again = bytes[sector.min(end)..end].to_vec();
            let place = random.below(bytes.len() - again.len() + 1) / ALIGNMENT * ALIGNMENT;
            let stop = (place + again.len()).min(bytes.len());
            bytes[place..stop].copy_from_slice(&again[..stop - place]);
        }
    }
}

#[test]
fn spans_find_what_a_scan_finds_and_judge_every_byte() {
    let device = sample();
    let mut random = Rng::new(11);
    let mut damaged = 0;
    for round in 0..400 {
        let torn = device.copy();
        for _ in 0..1 + random.below(3) {
            let names = torn.list().unwrap();
            let name = &names[random.below(names.len())];
            let mut bytes = torn.bytes(name).unwrap();
            if bytes.len() > 2 {
                hurt(&mut random, &mut bytes);
                torn.insert(name, bytes);
            }
        }
        let Ok(set) = list_sets(&torn).unwrap().into_set(&torn, None) else { continue };
        let whole = scanned(&set);
        for jobs in [1, 3] {
            let spans = verify(&set, &asked(Depth::Blocks), jobs, &Silent);
            let same = |a: &MediaProof, b: &MediaProof| {
                let words =
                    |media: &MediaProof| media.findings.iter().map(|finding| finding.what.clone()).collect::<Vec<_>>();
                (&a.name, a.blocks, a.bytes, a.exists, a.ending, words(a))
                    == (&b.name, b.blocks, b.bytes, b.exists, b.ending, words(b))
            };
            assert_eq!(whole.len(), spans.volumes.len(), "round {round}");
            for (scan, span) in whole.iter().zip(&spans.volumes) {
                assert!(same(scan, span), "round {round}, {jobs} jobs: {scan:#?}\n{span:#?}");
                assert!(span.is_whole(), "round {round}");
            }
        }
        damaged += usize::from(whole.iter().any(|media| !media.findings.is_empty()));
    }
    assert!(damaged > 250, "{damaged}");
}

#[test]
fn every_part_together_reads_every_block_once_and_finds_the_hurt_one_once() {
    let device = sample();
    let set = only(&device);
    let whole = verify(&set, &asked(Depth::Blocks), 2, &Silent);
    assert_eq!((whole.findings.clone(), whole.is_whole()), (Vec::new(), true));
    let never = |_: &_| Vec::new();
    let part = |set: &SetReader<'_>, part, of| {
        let choice = Choice { sample: None, subset: Some(Subset { part, of }), proven: &never };
        verify(set, &Asked { depth: Depth::Blocks, choice: Some(choice) }, 2, &Silent)
    };
    for of in [1, 3, 30] {
        let (mut read, mut blocks) = (0, 0);
        for number in 1..=of {
            let verified = part(&set, number, of);
            assert_eq!(verified.findings, [], "{number} of {of}");
            let chosen = verified.chosen.unwrap();
            read += chosen.read;
            blocks = chosen.of;
            assert_eq!((chosen.read, verified.is_whole()), (chosen.blocks, of == 1));
        }
        assert_eq!(read, blocks, "{of} parts");
    }
    let section = &set.sections()[1];
    let chunk = section.chunks[7].entry;
    let name = set.volumes()[chunk.volume as usize - 1].name.clone().unwrap();
    let torn = device.copy();
    let mut bytes = torn.bytes(&name).unwrap();
    bytes[chunk.offset as usize + 100] ^= 4;
    torn.insert(&name, bytes);
    let set = only(&torn);
    let found: Vec<_> = (1..=5).flat_map(|number| part(&set, number, 5).findings).collect();
    let [finding] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((finding.level, finding.at.block), (Level::Damage, Some(chunk.block)));
    assert_eq!(finding.costs.iter().map(|cost| cost.rows).sum::<u64>(), u64::from(chunk.rows));
    assert!(finding.expected.is_some() && finding.found.is_some(), "{finding:?}");
}

/// Asks to stop after so many bytes.
struct Until(AtomicU64, u64);

impl Monitor for Until {
    fn advance(&self, _task: Task, _rows: u64, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= self.1
    }
}

#[test]
fn what_is_stopped_goes_on_with_the_rest() {
    let device = sample();
    let set = only(&device);
    let mut known: Vec<super::part::Proven> = Vec::new();
    let (mut read, mut runs) = (0, 0);
    loop {
        let before = known.clone();
        let proven = |volume: &super::part::VolumeId| {
            let of_volume = before.iter().filter(|proven| proven.volume == *volume);
            let blocks: BTreeSet<u64> = of_volume.flat_map(|proven| proven.blocks.clone()).flatten().collect();
            blocks.into_iter().map(|block| block..block + 1).collect()
        };
        let choice = Choice { sample: None, subset: None, proven: &proven };
        let asked = Asked { depth: Depth::Blocks, choice: Some(choice) };
        let verified = verify(&set, &asked, 2, &Until(AtomicU64::new(0), 9_000));
        assert_eq!(verified.findings, []);
        read += verified.chosen.unwrap().read;
        runs += 1;
        known.extend(verified.proven.iter().cloned());
        if !verified.stopped {
            assert_eq!(verified.chosen.map(|chosen| chosen.blocks == chosen.read), Some(true));
            break;
        }
        assert!(!verified.is_whole() && runs < 100);
    }
    let all = verify(&set, &Asked { depth: Depth::Blocks, choice: None }, 1, &Silent);
    let listed: u64 = all.blocks();
    assert!(runs > 3 && read < listed && read + 40 > listed, "{runs} runs, {read} of {listed}");
    let stopped = verify(&set, &Asked { depth: Depth::Blocks, choice: None }, 1, &Until(AtomicU64::new(0), 9_000));
    assert!(stopped.stopped && !stopped.is_whole() && stopped.bytes() >= 9_000);
    assert_eq!(stopped.findings, [], "what was not read is not damaged");
}

#[test]
fn without_the_last_of_its_volumes_a_catalog_is_not_damaged() {
    let device = MemoryDevice::new();
    let large = Sample { seed: 3, sections: 60, chunks: 3, column_bytes: 25, pieces: 6 };
    let volumes = write_sample(&device, &large, Some(4_000)).unwrap().volumes;
    for gone in [1, 2] {
        let torn = device.copy();
        volumes.iter().rev().take(gone).for_each(|volume| drop(torn.remove(&volume.name).unwrap()));
        for depth in [Depth::Index, Depth::Blocks] {
            let found = verify(&only(&torn), &asked(depth), 2, &Silent);
            assert_eq!(found.worst(), Some(Level::Incomplete), "{:#?}", found.findings);
        }
    }
}

#[test]
fn damage_in_many_places_is_told_of_the_first_and_summed_up() {
    let device = MemoryDevice::new();
    let sample = Sample { seed: 5, sections: 3, chunks: 40, column_bytes: 300, pieces: 3 };
    write_sample(&device, &sample, None).unwrap();
    let name = device.list().unwrap().remove(0);
    let set = only(&device);
    let torn = device.copy();
    let mut bytes = torn.bytes(&name).unwrap();
    let chunks: Vec<_> = set.sections().iter().flat_map(|section| &section.chunks).map(|chunk| chunk.entry).collect();
    chunks.iter().step_by(2).for_each(|chunk| bytes[chunk.offset as usize + 90] ^= 1);
    torn.insert(&name, bytes.clone());
    for jobs in [1, 3] {
        let found = verify(&only(&torn), &asked(Depth::Blocks), jobs, &Silent);
        assert_eq!((found.findings.len(), found.is_whole()), (21, true), "{:#?}", found.findings);
        let last = &found.findings[20].what;
        assert!(last.starts_with(&format!("{} further places between bytes ", chunks.len() / 2 - 20)), "{last}");
        let lost: u64 = found.findings.iter().flat_map(|finding| &finding.costs).map(|cost| cost.rows).sum();
        assert_eq!(lost, chunks.iter().step_by(2).map(|chunk| u64::from(chunk.rows)).sum::<u64>());
    }
    // Without its end it is listed by a scan, which sums up as well.
    let len = bytes.len();
    bytes.truncate(len - 64);
    torn.insert(&name, bytes);
    let set = only(&torn);
    assert_eq!(set.damage().len(), 21, "{:#?}", set.damage());
    let said = set.damage()[20].error.to_string();
    assert!(said.contains(" further places, ") && set.damage()[20].error.is_damage(), "{said}");
}

/// Chunks with right checksums whose rows are none: the first are told of one by one, and all are charged.
#[test]
fn very_many_chunks_that_are_not_what_they_should_be_are_told_of_the_first_and_summed_up() {
    let device = sample();
    let set = only(&device);
    let chunks: Vec<_> = set.sections().iter().flat_map(|section| &section.chunks).map(|chunk| chunk.entry).collect();
    let rows: u64 = chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
    let further = |found: &[Finding]| -> usize {
        let number = |finding: &Finding| {
            let (_, text) = finding.what.rsplit_once(": ").unwrap_or(("", &finding.what));
            text.strip_suffix(" further blocks have right checksums and are not what they should be")?
                .parse::<usize>()
                .ok()
        };
        found.iter().filter_map(number).sum()
    };
    let never = |_: &_| Vec::new();
    let all = Some(Choice { sample: None, subset: Some(Subset { part: 1, of: 1 }), proven: &never });
    for (jobs, choice) in [(1, None), (3, None), (3, all)] {
        let found = verify(&set, &Asked { depth: Depth::Rows, choice }, jobs, &Silent).findings;
        assert_eq!((chunks.len(), found.len(), further(&found)), (80, 22, 60), "{found:#?}");
        assert_eq!(found.iter().flat_map(|finding| &finding.costs).map(|cost| cost.rows).sum::<u64>(), rows);
    }
    // Without the volume that has the catalog nobody knows what they cost.
    let torn = device.copy();
    let last = torn.remove(device.list().unwrap().last().unwrap()).unwrap();
    assert!(!last.is_empty());
    let here = chunks.iter().filter(|chunk| chunk.volume == 1).count();
    let found = verify(&only(&torn), &asked(Depth::Rows), 2, &Silent).findings;
    assert!(found.len() < 30 && further(&found) == here - 20, "{} of {here}: {found:#?}", further(&found));
}

#[test]
fn very_many_gaps_between_chunks_are_told_of_the_first_and_summed_up() {
    let mut section = SectionProof::default();
    section.header((1, 1), 320, &sample_header("hsplit"));
    for number in (0..200).step_by(2) {
        let (first, stop) = (i64::try_from(number).unwrap() * 60, i64::try_from(number).unwrap() * 60 + 60);
        let (block, first_row) = (number, number * 10);
        let entry = ChunkEntry { volume: 1, block, offset: 0, bytes: 64, first_row, rows: 10, first, stop, undated: 0 };
        section.chunk(number, entry, &[]);
    }
    let (held, envelope) = (Vec::new(), Vec::new());
    let end = SectionEndRecord { rows: 2_000, chunks: 200, buckets: 0, digest: [0; 16], held, envelope, lost: None };
    section.end((1, 9), 128, end);
    let mut proved = SetProved::default();
    section.unlisted(1, Around { all_here: true, ..Around::default() }, &mut proved);
    let found = proved.verified.findings;
    assert_eq!((found.len(), found[0].what.as_str()), (20, "table hsplit: chunk 1 is not here"));
    assert_eq!(found[19].what, "table hsplit: in 81 places between chunks 39 and 199 some are not here");
    assert_eq!(found.iter().flat_map(|finding| &finding.costs).map(|cost| cost.rows).sum::<u64>(), 1_000);
}

/// Where a part is read as where all is, whether anybody knows what they are or not.
#[test]
fn very_many_sections_that_no_catalog_lists_are_told_of_the_first_and_summed_up() {
    let device = MemoryDevice::new();
    let mut set = SetWriter::create(&device, sample_label(3), &SetOptions { volume_size: None }).unwrap();
    set.begin_section(sample_header("hsplit")).unwrap();
    set.end_section(Vec::new()).unwrap();
    set.finish(Vec::new(), Vec::new()).unwrap();
    let name = device.list().unwrap().remove(0);
    let bytes = device.bytes(&name).unwrap();
    let blocks = places(&bytes);
    let header = blocks.iter().find(|place| place.header.kind == BlockKind::SectionHeader).unwrap();
    let never = |_: &_| Vec::new();
    let all = Some(Choice { sample: None, subset: Some(Subset { part: 1, of: 1 }), proven: &never });
    for (kind, payload, what) in [
        (BlockKind::Chunk, &[][..], "of which nobody knows what they are"),
        (BlockKind::SectionHeader, payload(&bytes, header), "that no catalog lists"),
    ] {
        let many = MemoryDevice::new();
        let mut volume = bytes[..blocks[0].end()].to_vec();
        for block in 1..=200u32 {
            let identity = BlockIdentity { section: block, block: u64::from(block), ..blocks[0].header.identity };
            volume.extend(encode_block(kind, identity, payload).unwrap());
        }
        many.insert(&name, volume);
        let hurt = kind == BlockKind::Chunk;
        for choice in [None, all] {
            // A header without an end was not asked for, where a part was.
            let wanted = hurt || choice.is_none();
            let found = verify(&only(&many), &Asked { depth: Depth::Rows, choice }, 1, &Silent).findings;
            let told = found.iter().filter(|finding| finding.what.contains(what)).count();
            assert_eq!((found.len() < 60, told), (true, usize::from(wanted)), "{what}: {} of {found:#?}", found.len());
        }
    }
}

#[test]
fn a_volume_without_an_index_is_counted_where_a_part_is_read() {
    let device = sample();
    let names = device.list().unwrap();
    let torn = device.copy();
    let mut bytes = torn.bytes(&names[0]).unwrap();
    let place = bytes.len() - 100;
    bytes[place] ^= 1;
    torn.insert(&names[0], bytes);
    let never = |_: &_| Vec::new();
    let choice = Choice { sample: None, subset: None, proven: &never };
    let part = Asked { depth: Depth::Blocks, choice: Some(choice) };
    let stopped = verify(&only(&torn), &part, 2, &Until(AtomicU64::new(0), 9_000));
    let unlisted = |verified: &super::set::Verified| verified.chosen.map(|chosen| chosen.unlisted);
    assert_eq!((stopped.stopped, unlisted(&stopped)), (true, Some(1)));
    assert_eq!(stopped.findings.len(), 0, "what was not read is not damaged: {:#?}", stopped.findings);
    assert_eq!(unlisted(&verify(&only(&device), &part, 2, &Silent)), Some(0));
}

/// Records of a tape are filled up with zeros: whoever copies a volume from one has them behind it.
#[test]
fn zeros_behind_the_end_mark_are_no_damage() {
    let device = sample();
    let names = device.list().unwrap();
    let with = |tail: &dyn Fn(usize) -> Vec<u8>| {
        let copy = device.copy();
        for (number, name) in (0..).zip(&names) {
            copy.insert(name, [device.bytes(name).unwrap(), tail(number)].concat());
        }
        copy
    };
    let never = |_: &_| Vec::new();
    let all = Choice { sample: None, subset: Some(Subset { part: 1, of: 1 }), proven: &never };
    let ways = [(Depth::Index, None), (Depth::Blocks, None), (Depth::Blocks, Some(all))];
    let zeros = with(&|number| vec![0; 1_280 + 64 * number]);
    // Without its last volume the set is listed by a scan.
    let torn = zeros.copy();
    assert!(!torn.remove(names.last().unwrap()).unwrap().is_empty());
    assert!(only(&zeros).wrong_volumes().is_empty() && only(&zeros).is_complete());
    assert!(only(&torn).damage().is_empty(), "{:#?}", only(&torn).damage());
    for (depth, choice) in ways {
        let found = verify(&only(&zeros), &Asked { depth, choice }, 2, &Silent).findings;
        assert!(found.is_empty(), "{found:#?}");
        let found = verify(&only(&torn), &Asked { depth, choice }, 2, &Silent).findings;
        assert!(found.iter().all(|finding| finding.level == Level::Incomplete), "{found:#?}");
    }
    for tail in [vec![0, 0, 7, 0], vec![7; 64]] {
        let hurt = with(&|_| tail.clone());
        let found = verify(&only(&hurt), &asked(Depth::Blocks), 2, &Silent).findings;
        assert!(found.iter().any(|finding| finding.level == Level::Damage), "{found:#?}");
    }
}

/// What only an incremental set may say is found in a full one.
#[test]
fn a_full_set_has_no_wider_envelope_and_no_bucket_that_it_does_not_write() {
    let held = |stop| vec![HeldEntry { acd: Some(1), start: 0, stop }];
    let (digest, carried_digest) = ([1; 16], None);
    let (acd, day) = (Some(1), Some(0));
    let bucket = BucketEntry { acd, day, pieces: 0, rows: 3, carried: 0, first: 0, stop: 60, digest, carried_digest };
    let told = |incremental: bool, envelope: Vec<HeldEntry>, unwritten: Vec<BucketEntry>| {
        let device = MemoryDevice::new();
        let label = sample_label(3);
        let label = match incremental {
            true => LabelRecord { incremental, parent_set: Some([8; 16]), chain: [8; 16], sequence: 1, ..label },
            false => label,
        };
        let mut set = SetWriter::create(&device, label, &SetOptions { volume_size: None }).unwrap();
        set.begin_section(sample_header("hsplit")).unwrap();
        set.end_incremental(held(50), envelope, unwritten).unwrap();
        set.finish(Vec::new(), Vec::new()).unwrap();
        let found = verify(&only(&device), &asked(Depth::Rows), 1, &Silent).findings;
        found.iter().map(|finding| finding.what.clone()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(told(false, held(50), Vec::new()), "");
    assert!(told(false, held(70), Vec::new()).contains("its envelope is not its held ranges"));
    assert!(told(false, held(50), vec![bucket]).contains("buckets without rows of theirs"));
    assert_eq!(told(true, held(70), vec![bucket]), "");
}
