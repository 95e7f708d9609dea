//! Sectors: zeroed, swapped, written in the wrong place, or still as they were before; bursts of damage anywhere.

use super::tiers::apart;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::testing::damage::{Damage, Place, payload, places};
use intervault::testing::fixtures::{other, small};
use intervault::testing::mutate::Rng;
use intervault::testing::sets::{Sample, write_sample};
use intervault::testing::whole::Whole;
use intervault::volume::scanner::{ScanItem, Scanner};

/// What a scan takes for blocks is what was written, and with damage that moves nothing all that is not touched, where it was
/// written. How many blocks are lost.
fn scan(device: &MemoryDevice, name: &str, whole: &[u8], blocks: &[Place], damage: &Damage) -> usize {
    let hurt = damage.of(whole);
    device.insert(name, hurt.clone());
    let source = device.open(name).unwrap();
    let mut found = Vec::new();
    for item in Scanner::new(source.as_ref(), name, None) {
        if let ScanItem::Block(block) = item {
            let place = blocks.get(block.header.identity.block as usize).unwrap();
            assert!(payload(whole, place) == block.payload, "{damage:?}: another block is believed");
            found.push(block.offset as usize);
        }
    }
    if matches!(damage, Damage::Swap { .. } | Damage::Misdirected { .. }) {
        return blocks.len() - found.len();
    }
    let sound = |place: &&Place| whole[place.at..place.end()] == hurt[place.at..place.end()];
    let expected: Vec<usize> = blocks.iter().filter(sound).map(|place| place.at).collect();
    assert_eq!(found, expected, "{damage:?}");
    blocks.len() - found.len()
}

#[test]
fn zeroed_sectors_cost_the_blocks_that_they_touch() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let mut hit = 0;
    for len in [64, 512, 4_096] {
        for at in (0..volume.len()).step_by(len).step_by(apart(8)) {
            let damage = Damage::Zero { at, len };
            let hurt = damage.of(volume);
            if hurt == *volume {
                continue;
            }
            hit += 1;
            let verdict = whole.judge(&whole.with(0, hurt));
            assert!(verdict.is_noticed(), "{damage:?}");
            assert_eq!(verdict.changed, [""; 0], "{damage:?}");
            // Without the label of its one volume nobody knows what the set is.
            if at < places(volume)[0].end() {
                assert_eq!(verdict.sets, 0, "{damage:?}");
                continue;
            }
            let end = at + len;
            let touched: Vec<u64> = places(volume)
                .iter()
                .filter(|place| place.at < end && at < place.end())
                .map(|place| place.header.identity.block)
                .collect();
            for (chunk, (_, block)) in &whole.places {
                assert!(verdict.chunks.contains(chunk) || touched.contains(block), "{damage:?}: {chunk:?} is lost");
            }
        }
    }
    assert!(hit > 80, "{hit} places");
}

#[test]
fn sectors_that_changed_places_are_noticed() {
    let whole = Whole::new(small(None));
    let (name, volume) = &whole.fixture.volumes[0];
    let (blocks, device) = (places(volume), MemoryDevice::new());
    let mut tried = 0;
    for (one, a) in (0..volume.len() - 511).step_by(512).enumerate() {
        for b in (a + 512..volume.len() - 511).step_by(512) {
            for damage in [
                Damage::Swap { a, b, len: 512 },
                Damage::Misdirected { from: a, to: b, len: 512 },
                Damage::Misdirected { from: b, to: a, len: 512 },
            ] {
                if damage.of(volume) == *volume {
                    continue;
                }
                let lost = scan(&device, name, volume, &blocks, &damage);
                assert!(lost > 0, "{damage:?}: nothing is missed");
                tried += 1;
                if (one + tried) % apart(97) == 0 {
                    let verdict = whole.judge(&whole.with(0, damage.of(volume)));
                    assert!(verdict.is_noticed() && verdict.changed.is_empty(), "{damage:?}: {verdict:?}");
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried} cases");
}

#[test]
fn blocks_that_changed_places_whole_are_noticed() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let blocks = places(volume);
    let mut tried = 0;
    for (at, a) in blocks.iter().enumerate() {
        for b in blocks.iter().skip(at + 1).filter(|b| b.len == a.len).step_by(apart(3)) {
            let damage = Damage::Swap { a: a.at, b: b.at, len: a.len };
            let verdict = whole.judge(&whole.with(0, damage.of(volume)));
            assert!(verdict.is_noticed() && verdict.changed.is_empty(), "{damage:?}: {verdict:?}");
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried} pairs");
}

#[test]
fn sectors_that_still_are_what_an_older_set_wrote_are_noticed() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let older = &other(0x77, None).volumes[0].1;
    for len in [512, 4_096] {
        for at in (0..volume.len()).step_by(len) {
            let bytes = older[at.min(older.len())..(at + len).min(older.len())].to_vec();
            let damage = Damage::Stale { at, bytes };
            let hurt = damage.of(volume);
            if hurt == *volume {
                continue;
            }
            let verdict = whole.judge(&whole.with(0, hurt));
            assert!(verdict.is_noticed() && verdict.changed.is_empty(), "{at}, {len} bytes: {verdict:?}");
        }
    }
}

#[test]
fn every_block_of_an_older_set_in_the_same_place_is_told_from_ours() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let older = &other(0x77, None).volumes[0].1;
    for (ours, theirs) in places(volume).iter().zip(places(older)) {
        assert_eq!((ours.at, ours.len), (theirs.at, theirs.len), "the sets differ in their ids alone");
        let damage = Damage::Stale { at: ours.at, bytes: older[theirs.at..theirs.end()].to_vec() };
        let verdict = whole.judge(&whole.with(0, damage.of(volume)));
        let block = ours.header.identity.block;
        assert!(verdict.is_noticed() && verdict.changed.is_empty(), "block {block}: {verdict:?}");
        let lost: Vec<_> = whole.places.iter().filter(|(id, _)| !verdict.chunks.contains(*id)).collect();
        assert!(lost.iter().all(|(_, place)| place.1 == block || block == 0), "block {block} costs {lost:?}");
    }
}

#[test]
fn bursts_cost_no_more_than_the_blocks_that_they_touch() {
    let chunks = if super::tiers::long() { 20_000 } else { 400 };
    let sample = Sample { seed: 5, sections: 2, chunks, column_bytes: 1_500, pieces: 2 };
    let device = MemoryDevice::new();
    let name = write_sample(&device, &sample, None).unwrap().volumes.remove(0).name;
    let whole = device.bytes(&name).unwrap();
    let (blocks, mut random) = (places(&whole), Rng::new(17));
    let mut burst = |len: usize| Damage::Burst { at: random.below(whole.len()), len, seed: len as u64 };
    let rounds = if super::tiers::long() { 10_000 } else { 60 };
    for round in 0..rounds {
        let damage = burst((2 << 10) << (round % 6));
        assert!(scan(&device, &name, &whole, &blocks, &damage) > 0, "{damage:?}");
    }
}
