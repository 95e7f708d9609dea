//! Every bit, every length, every block in the wrong place: detected, located, and nothing else lost.

use crate::round_trip::{assert_chunks, contents, only_set};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::BlockKind;
use intervault::format::chunk::parse_chunk;
use intervault::testing::sets::{Sample, write_sample};
use intervault::volume::error::VolumeError;
use intervault::volume::scanner::{DamagedExtent, ScanItem, ScannedBlock, Scanner};
use intervault::volume::set::list_sets;

/// Intact blocks and damage of a volume; every byte is accounted for, in order.
fn scan(device: &dyn Device, name: &str) -> (Vec<ScannedBlock>, Vec<DamagedExtent>) {
    let source = device.open(name).unwrap();
    let mut scanner = Scanner::new(source.as_ref(), name, None);
    let (mut blocks, mut damage, mut next) = (Vec::new(), Vec::new(), 0);
    for item in scanner.by_ref() {
        match item {
            ScanItem::Block(block) => {
                assert_eq!(block.offset, next);
                next += block.header.block_len() as u64;
                blocks.push(block);
            }
            ScanItem::Damaged(extent) => {
                assert_eq!(extent.offset, next);
                next += extent.len;
                damage.push(extent);
            }
        }
    }
    assert_eq!(next, source.len());
    assert!(scanner.coverage().is_whole());
    (blocks, damage)
}

fn small() -> Sample {
    Sample { seed: 2, sections: 2, chunks: 3, column_bytes: 25, pieces: 2 }
}

fn one_volume(sample: &Sample) -> (MemoryDevice, String, Vec<u8>) {
    let device = MemoryDevice::new();
    let name = write_sample(&device, sample, None).unwrap().volumes.remove(0).name;
    let bytes = device.bytes(&name).unwrap();
    (device, name, bytes)
}

#[test]
fn every_flipped_bit_costs_its_own_block_and_is_located_there() {
    let (device, name, bytes) = one_volume(&small());
    let (whole, none) = scan(&device, &name);
    assert!(none.is_empty());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        device.insert(&name, flipped);
        let (blocks, damage) = scan(&device, &name);
        let hit = whole.iter().rposition(|block| block.offset <= (bit / 8) as u64).unwrap();
        let expected: Vec<_> = whole.iter().enumerate().filter(|(at, _)| *at != hit).map(|(_, block)| block).collect();
        assert!(blocks.iter().eq(expected), "bit {bit}: another block is lost, or the damaged one is believed");
        let [extent] = damage.as_slice() else { panic!("bit {bit}: {damage:?}") };
        assert_eq!((extent.offset, extent.len), (whole[hit].offset, whole[hit].header.block_len() as u64), "bit {bit}");
        let at = extent.error.position();
        assert_eq!(at.block, Some(whole[hit].header.identity.block), "bit {bit}: {}", extent.error);
        assert!(extent.error.is_damage());
    }
}

#[test]
fn every_flipped_bit_is_met_by_whoever_reads_the_chunk() {
    let sample = small();
    let (device, name, bytes) = one_volume(&sample);
    let set = only_set(&device);
    let chunks = set.sections()[0].chunks.clone();
    drop(set);
    for (number, chunk) in chunks.iter().enumerate() {
        let place = chunk.entry.offset as usize..(chunk.entry.offset + u64::from(chunk.entry.bytes)) as usize;
        for byte in place.step_by(3) {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 1 << (byte % 8);
            device.insert(&name, flipped);
            let set = only_set(&device);
            for (other, chunk) in set.sections()[0].chunks.iter().enumerate() {
                let read = set.read_chunk(chunk);
                assert_eq!(read.is_err(), other == number, "byte {byte}");
                if let Err(error) = read {
                    assert_eq!(error.position().block, Some(chunk.entry.block), "{error}");
                    assert_eq!(error.position().volume, Some(1), "{error}");
                }
            }
        }
    }
}

#[test]
fn every_length_gives_back_the_blocks_before_the_cut() {
    let sample = small();
    let (device, name, bytes) = one_volume(&sample);
    let (whole, _) = scan(&device, &name);
    let label_len = whole[0].header.block_len();
    let written = contents(&sample);
    for len in 0..bytes.len() {
        device.insert(&name, bytes[..len].to_vec());
        let (blocks, damage) = scan(&device, &name);
        let before: Vec<_> =
            whole.iter().take_while(|block| block.offset as usize + block.header.block_len() <= len).collect();
        assert!(blocks.iter().eq(before.iter().copied()), "{len}");
        let listing = list_sets(&device).unwrap();
        if len < label_len {
            assert!(listing.sets.is_empty());
            assert_eq!(listing.unreadable.len(), 1, "{len}");
            continue;
        }
        let [set] = listing.sets.as_slice() else { panic!("{len}") };
        assert!(!set.is_complete(), "{len}");
        let of_catalog =
            |blocks: &[ScannedBlock]| blocks.iter().filter(|block| block.header.kind == BlockKind::Catalog).count();
        let lists_all = of_catalog(&blocks) == of_catalog(&whole);
        let follows: &[u32] = if lists_all { &[] } else { &[2] };
        assert_eq!(
            set.missing_volumes(),
            follows,
            "nobody knows whether another volume would follow, unless the catalog does"
        );
        assert_eq!(set.lacks_end_only(), lists_all);
        assert_eq!(damage.is_empty(), set.damage().is_empty());
        let chunks = before.iter().filter(|block| block.header.kind == BlockKind::Chunk).count();
        assert_eq!(assert_chunks(set, &sample), chunks, "{len}");
        let Some(section) = set.sections().first() else { continue };
        assert_eq!(section.rows_here(), written[0].iter().take(chunks).map(|chunk| u64::from(chunk.rows)).sum::<u64>());
        let ended = section.end.is_some();
        // Which buckets are proven: with the end mark all, without it those whose last piece says so.
        for (bucket, proven) in section.proven_buckets() {
            let pieces = |chunks: usize| {
                let pieces = written[0].iter().take(chunks).flat_map(|chunk| &chunk.pieces);
                pieces.filter(|piece| (piece.acd, piece.day) == (bucket.acd, bucket.day)).collect::<Vec<_>>()
            };
            let (here, all) = (pieces(chunks), pieces(usize::MAX));
            let told = here.last().is_some_and(|piece| piece.last == 1);
            assert_eq!(proven, ended || told, "{len}: {bucket:?}");
            assert!(!proven || here.len() == all.len(), "{len}: a bucket is called whole and is not: {bucket:?}");
        }
    }
}

#[test]
fn bytes_behind_the_end_mark_are_reported_and_cost_nothing() {
    let sample = small();
    let (device, name, bytes) = one_volume(&sample);
    for garbage in [1, 64, 1_000, 70_000] {
        device.insert(&name, [bytes.clone(), vec![0xA5; garbage]].concat());
        let set = only_set(&device);
        assert!(set.is_complete(), "the end mark is there");
        assert_eq!(set.catalog().unwrap().sections, 2);
        let [extent] = set.damage() else { panic!("{:?}", set.damage()) };
        assert_eq!((extent.offset, extent.len), (bytes.len() as u64, garbage as u64));
        assert_eq!(assert_chunks(&set, &sample), 3);
    }
}

/// The volume with its blocks in another order: positions in `order`, from 0.
fn reordered(bytes: &[u8], blocks: &[ScannedBlock], order: &[usize]) -> Vec<u8> {
    let place = |block: &ScannedBlock| block.offset as usize..block.offset as usize + block.header.block_len();
    order.iter().flat_map(|at| bytes[place(&blocks[*at])].to_vec()).collect()
}

fn numbers(blocks: &[ScannedBlock]) -> Vec<u64> {
    blocks.iter().map(|block| block.header.identity.block).collect()
}

#[test]
fn blocks_swapped_within_a_volume_are_refused_and_the_others_kept() {
    let (device, name, bytes) = one_volume(&small());
    let (whole, _) = scan(&device, &name);
    let count = whole.len();
    for (a, b) in [(2, 4), (2, 3), (1, 5), (3, 4)] {
        let mut order: Vec<usize> = (0..count).collect();
        order.swap(a, b);
        device.insert(&name, reordered(&bytes, &whole, &order));
        let (blocks, damage) = scan(&device, &name);
        assert!(!damage.is_empty());
        assert!(damage.iter().all(|extent| extent.error.position().block.is_some()));
        let kept = numbers(&blocks);
        assert!(kept.is_sorted(), "{a} {b}: {kept:?}");
        let lost: Vec<_> = (0..count as u64).filter(|number| !kept.contains(number)).collect();
        assert!(
            !lost.is_empty() && lost.iter().all(|lost| *lost == a as u64 || *lost == b as u64),
            "{a} {b}: {lost:?}"
        );
    }
    // A reader that was told where a chunk stands refuses what stands there now.
    device.insert(&name, bytes.clone());
    let chunks = only_set(&device).sections()[0].chunks.clone();
    let (first, second) = (&chunks[0].entry, &chunks[1].entry);
    let mut swapped = bytes.clone();
    let short = first.bytes.min(second.bytes) as usize;
    let other = bytes[second.offset as usize..second.offset as usize + short].to_vec();
    swapped[first.offset as usize..first.offset as usize + short].copy_from_slice(&other);
    device.insert(&name, swapped);
    let set = only_set(&device);
    let error = set.read_chunk(&set.sections()[0].chunks[0]).unwrap_err();
    assert!(error.to_string().contains("belongs to") || error.to_string().contains("payload_len"), "{error}");
    assert_eq!(error.position().block, Some(first.block));
}

#[test]
fn blocks_taken_out_or_doubled_cost_no_other_block() {
    let (device, name, bytes) = one_volume(&small());
    let (whole, _) = scan(&device, &name);
    for at in 1..whole.len() - 1 {
        let order: Vec<usize> = (0..whole.len()).filter(|block| *block != at).collect();
        device.insert(&name, reordered(&bytes, &whole, &order));
        let (blocks, damage) = scan(&device, &name);
        let [gap] = damage.as_slice() else { panic!("{at}: {damage:?}") };
        // Before the last block nothing tells a gap from a stranger.
        if at < whole.len() - 2 {
            assert_eq!((gap.len, gap.error.position().block), (0, Some(at as u64)), "{at}");
            assert_eq!(blocks.len(), whole.len() - 1, "{at}");
        }
        let mut order: Vec<usize> = (0..whole.len()).collect();
        order.insert(at, at);
        device.insert(&name, reordered(&bytes, &whole, &order));
        let (blocks, damage) = scan(&device, &name);
        assert!(blocks.iter().map(|block| &block.payload).eq(whole.iter().map(|block| &block.payload)), "{at}");
        assert_eq!(damage.len(), 1, "{at}");
    }
}

#[test]
fn blocks_of_other_volumes_and_other_sets_are_refused() {
    let sample = Sample { seed: 9, chunks: 8, ..Sample::default() };
    let device = MemoryDevice::new();
    let summary = write_sample(&device, &sample, Some(4_000)).unwrap();
    let other = MemoryDevice::new();
    let foreign = write_sample(&other, &Sample { seed: 10, ..sample }, Some(4_000)).unwrap();
    let first = summary.volumes[0].name.clone();
    let bytes = device.bytes(&first).unwrap();
    let (whole, _) = scan(&device, &first);
    for donor in [device.bytes(&summary.volumes[1].name).unwrap(), other.bytes(&foreign.volumes[0].name).unwrap()] {
        let place = MemoryDevice::new();
        place.insert("donor", donor.clone());
        let (theirs, _) = scan(&place, "donor");
        for at in [2, 3, 5] {
            let stranger = &donor[theirs[at].offset as usize..][..theirs[at].header.block_len()];
            let (start, len) = (whole[at].offset as usize, whole[at].header.block_len());
            let mixed = [&bytes[..start], stranger, &bytes[start + len..]].concat();
            place.insert("mixed", mixed);
            let (blocks, damage) = scan(&place, "mixed");
            assert_eq!(blocks.len(), whole.len() - 1, "{damage:?}");
            assert!(!numbers(&blocks).contains(&(at as u64)));
            let [extent] = damage.as_slice() else { panic!("{damage:?}") };
            assert_eq!((extent.offset, extent.len), (start as u64, stranger.len() as u64));
            assert!(extent.error.to_string().contains("belongs to"), "{}", extent.error);
        }
    }
}

#[test]
fn a_header_inside_a_payload_is_not_taken_for_a_block() {
    let (device, name, bytes) = one_volume(&small());
    let (whole, _) = scan(&device, &name);
    // A block of the same set and volume as column bytes: only damage could make it visible, and then not either.
    let inner = &whole[2];
    let decoy = bytes[inner.offset as usize..inner.offset as usize + inner.header.block_len()].to_vec();
    let host = &whole[3];
    let start = host.offset as usize + 128;
    let mut nested = bytes.clone();
    let room = host.header.block_len() - 128;
    nested[start..start + room.min(decoy.len())].copy_from_slice(&decoy[..room.min(decoy.len())]);
    device.insert(&name, nested);
    let (blocks, damage) = scan(&device, &name);
    assert_eq!(damage.len(), 1);
    assert_eq!(numbers(&blocks), (0..whole.len() as u64).filter(|number| *number != 3).collect::<Vec<_>>());
}

#[test]
fn a_damaged_catalog_or_end_mark_is_replaced_by_a_scan() {
    let sample = small();
    let (device, name, bytes) = one_volume(&sample);
    let (whole, _) = scan(&device, &name);
    let expected = crate::round_trip::as_scanned(only_set(&device).sections());
    for kind in [BlockKind::Catalog, BlockKind::VolumeIndex, BlockKind::VolumeEnd] {
        let block = whole.iter().find(|block| block.header.kind == kind).unwrap();
        let mut damaged = bytes.clone();
        damaged[block.offset as usize + 90] ^= 0x10;
        device.insert(&name, damaged);
        let set = only_set(&device);
        assert_eq!(crate::round_trip::as_scanned(set.sections()), expected, "{kind:?}");
        assert_eq!(set.is_complete(), kind != BlockKind::VolumeEnd, "{kind:?}");
        assert_eq!(assert_chunks(&set, &sample), 3);
        if kind == BlockKind::Catalog {
            assert_eq!(set.damage().len(), 1);
            assert!(set.catalog().is_none());
        }
    }
}

#[test]
fn a_chunk_whose_directory_contradicts_the_catalog_is_refused() {
    // Two sets of one id, as nobody writes them, have blocks of equal identity and sound checksums.
    let sample = small();
    let (device, name, _) = one_volume(&sample);
    let set = only_set(&device);
    let mut chunk = set.sections()[0].chunks[1];
    let payload = set.read_chunk(&chunk).unwrap();
    assert_eq!(parse_chunk(&payload).unwrap().directory.chunk, 1);
    chunk.number = 0;
    assert!(matches!(set.read_chunk(&chunk), Err(VolumeError::Format { .. })));
    chunk.number = 1;
    chunk.entry.rows += 1;
    assert!(set.read_chunk(&chunk).unwrap_err().to_string().contains("rows"));
    chunk.entry.rows -= 1;
    chunk.section = 2;
    assert!(set.read_chunk(&chunk).unwrap_err().to_string().contains(&name));
}
