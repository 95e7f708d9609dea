//! Every length: volumes that end early, bytes in front and behind, bytes that are lost or there twice.

use super::tiers::apart;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::{ALIGNMENT, BlockKind};
use intervault::testing::damage::{Damage, Place, places};
use intervault::testing::fixtures::small;
use intervault::testing::whole::{ChunkId, Whole};
use intervault::verify::finding::Level;
use intervault::volume::scanner::{ScanItem, Scanner};
use std::collections::BTreeSet;

#[test]
fn every_length_scans_to_the_blocks_before_the_cut() {
    let (name, volume) = small(None).volumes.remove(0);
    let blocks = places(&volume);
    let device = MemoryDevice::new();
    for len in (0..volume.len()).filter(|len| len % 64 == 0 || len % apart(9) == 0) {
        device.insert(&name, volume[..len].to_vec());
        let source = device.open(&name).unwrap();
        let mut next = blocks.iter();
        for item in Scanner::new(source.as_ref(), &name, None) {
            match item {
                ScanItem::Block(block) => {
                    let place = next.next().unwrap();
                    assert_eq!((block.offset, block.header), (place.at as u64, place.header), "{len}");
                }
                ScanItem::Damaged(extent) => {
                    let whole = next.clone().next().is_none_or(|place| place.end() <= len);
                    assert!(!whole && extent.offset + extent.len == len as u64, "{len}: {extent:?}");
                }
            }
        }
        assert!(next.next().is_none_or(|place| place.end() > len), "{len}: a block before the cut is lost");
    }
}

/// Lengths that are tried: around every border of blocks, and others.
fn lengths(volume: &[u8], short: usize) -> Vec<usize> {
    let borders = places(volume).into_iter().flat_map(|place| [place.at.saturating_sub(1), place.at, place.at + 1]);
    let mut lengths: Vec<usize> = borders.chain((0..volume.len()).step_by(apart(short))).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

#[test]
fn a_volume_that_was_cut_is_told_and_gives_the_chunks_before_the_cut() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let blocks = places(volume);
    for len in lengths(volume, 499) {
        let verdict = whole.judge(&whole.with(0, Damage::Cut { len }.of(volume)));
        assert!(verdict.is_noticed() && !verdict.complete, "{len}: {verdict:?}");
        assert_eq!(verdict.changed, [""; 0], "{len}");
        // Without its label nobody knows whose volume it was.
        let labelled = len >= blocks[0].end();
        let kept =
            blocks.iter().filter(|place| labelled && place.end() <= len).map(|place| place.header.identity.block);
        let kept: Vec<u64> = kept.collect();
        let expected: Vec<_> =
            whole.places.iter().filter(|(_, place)| kept.contains(&place.1)).map(|(id, _)| *id).collect();
        assert!(verdict.chunks.iter().eq(&expected), "{len}: {:?}, expected {expected:?}", verdict.chunks);
        if labelled {
            assert!(verdict.worst() >= Some(Level::Incomplete), "{len}: {:?}", verdict.findings);
        }
    }
}

#[test]
fn a_cut_volume_of_several_costs_none_of_the_others() {
    let whole = Whole::new(small(Some(16 << 10)));
    assert!(whole.fixture.volumes.len() >= 4, "{} volumes", whole.fixture.volumes.len());
    for (number, (_, volume)) in whole.fixture.volumes.iter().enumerate() {
        let blocks = places(volume);
        for len in lengths(volume, 1_021) {
            let verdict = whole.judge(&whole.with(number, Damage::Cut { len }.of(volume)));
            let what = format!("volume {} cut to {len}", number + 1);
            assert!(verdict.is_noticed(), "{what}: {verdict:?}");
            assert_eq!(verdict.changed, [""; 0], "{what}");
            for (id, (on, block)) in &whole.places {
                let place = blocks.iter().find(|place| place.header.identity.block == *block);
                let here = *on as usize != number + 1 || place.is_some_and(|place| place.end() <= len);
                let labelled = *on as usize != number + 1 || len >= blocks[0].end();
                if here && labelled {
                    assert!(verdict.chunks.contains(id), "{what}: chunk {id:?} is lost: {:?}", verdict.findings);
                }
                assert!(here || !verdict.chunks.contains(id), "{what}: chunk {id:?}");
            }
        }
    }
}

/// The chunks of blocks that are not in a stretch of the volume as it was, nor of sections whose header is in it: where the end
/// mark has moved nobody knows of a catalog, which has it too.
fn beside(whole: &Whole, at: usize, len: usize) -> BTreeSet<ChunkId> {
    let volume = &whole.fixture.volumes[0].1;
    let touched: Vec<Place> =
        places(volume).into_iter().filter(|place| place.at < at + len && at < place.end()).collect();
    let is_lost = |id: &ChunkId, block: u64| {
        let headers = |place: &Place| place.header.kind == BlockKind::SectionHeader;
        touched.iter().any(|place| {
            let identity = place.header.identity;
            identity.block == block || headers(place) && identity.section == id.0
        })
    };
    whole.places.iter().filter(|(id, place)| !is_lost(id, place.1)).map(|(id, _)| *id).collect()
}

#[test]
fn bytes_in_front_cost_the_listing_alone_and_those_behind_nothing() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let blocks = places(volume);
    for len in [1, 63, 64, 65, 512, 4_096, 70_000] {
        let behind = whole.judge(&whole.with(0, Damage::Behind { len }.of(volume)));
        assert!(behind.is_noticed(), "{len}");
        assert_eq!((behind.chunks.len(), behind.changed.len()), (whole.chunks.len(), 0), "{len}");
        // The one volume does not begin with its label: nobody knows what the set is, and that is said.
        let hurt = Damage::Before { len }.of(volume);
        let device = whole.with(0, hurt);
        let before = whole.judge(&device);
        assert!(before.sets == 0 && before.unreadable.len() == 1, "{len}: {before:?}");
        // Whoever looks for blocks finds all of them where they are now, if their places are such as blocks have.
        let source = device.open(&whole.fixture.volumes[0].0).unwrap();
        let found = Scanner::new(source.as_ref(), "", None).filter(|item| matches!(item, ScanItem::Block(_))).count();
        assert_eq!(found, if len % ALIGNMENT == 0 { blocks.len() } else { 0 }, "{len}");
    }
}

#[test]
fn bytes_that_are_lost_or_twice_cost_at_most_the_blocks_where_they_are_or_all_behind_them() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    for place in places(volume) {
        for len in [1, 64, place.len] {
            for damage in [Damage::Lost { at: place.at, len }, Damage::Doubled { at: place.at, len }] {
                let verdict = whole.judge(&whole.with(0, damage.of(volume)));
                assert!(verdict.is_noticed(), "{damage:?}");
                assert_eq!(verdict.changed, [""; 0], "{damage:?}");
                if verdict.sets == 0 {
                    assert_eq!(place.at, 0, "{damage:?}: the set is gone");
                    continue;
                }
                // Blocks stand at multiples of 64 bytes: other steps take all that comes behind out of its place.
                let end = if len % ALIGNMENT == 0 { place.at + len } else { volume.len() };
                let kept = beside(&whole, place.at, end - place.at);
                let lost: Vec<_> = kept.difference(&verdict.chunks).collect();
                assert!(lost.is_empty(), "{damage:?}: {lost:?} lost: {:?}", verdict.findings);
            }
        }
    }
}
