//! Every bit: as the medium flips it, with the checksums made right again, and with every hash of the set made right.

use super::tiers::apart;
use intervault::base::checksum::crc32;
use intervault::format::block::{BlockHeader, BlockKind};
use intervault::testing::damage::{Damage, Place, forge, mend_block, places};
use intervault::testing::fields::{FieldAt, fields};
use intervault::testing::fixtures::small;
use intervault::testing::whole::{Verdict, Whole};
use std::collections::{BTreeMap, BTreeSet};

/// Byte and mask of each flip that is tried, and the block that it is in: every byte so far apart, each with the next of its
/// bits; in the long tier each bit of each byte.
fn flips(volume: &[u8], short: usize) -> Vec<(usize, u8, Place)> {
    let step = apart(short);
    let masks = |byte: usize| if step == 1 { (0..8).collect() } else { vec![(byte / step) % 8] };
    let mut flips = Vec::new();
    for place in places(volume) {
        let here = (place.at..place.end()).filter(|byte| byte % step == 0);
        flips.extend(here.flat_map(|byte| masks(byte).into_iter().map(move |bit| (byte, 1u8 << bit, place))));
    }
    flips
}

#[test]
fn every_flipped_bit_of_every_block_is_refused_by_its_checksums() {
    let (_, mut volume) = small(None).volumes.remove(0);
    let mut tried = 0;
    for place in places(&volume) {
        let block = &mut volume[place.at..place.end()];
        for bit in 0..block.len() * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            let accepted = BlockHeader::parse(block).and_then(|header| header.payload(block).map(|_| ()));
            assert!(accepted.is_err(), "bit {bit} of block {}", place.header.identity.block);
            block[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
        }
    }
    assert_eq!(tried, volume.len() * 8);
}

#[test]
fn a_flipped_bit_is_found_in_its_block_and_costs_no_row_of_another() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    for (at, mask, place) in flips(volume, 61) {
        let verdict = whole.judge(&whole.with(0, Damage::Flip { at, mask }.of(volume)));
        let (block, what) = (place.header.identity.block, format!("byte {at}, bits {mask:08b}: {place:?}"));
        // Without the label of its one volume nobody knows what the set is: salvage brings back the rest.
        if block == 0 {
            assert!(verdict.sets == 0 && verdict.unreadable.len() == 1, "{what}: {verdict:?}");
            continue;
        }
        assert!(verdict.names(1, block), "{what}: {:?}", verdict.findings);
        assert_eq!(verdict.changed, [""; 0], "{what}");
        let lost: Vec<_> = whole.chunks.keys().filter(|chunk| !verdict.chunks.contains(*chunk)).collect();
        let own: Vec<_> =
            whole.places.iter().filter(|(_, place)| **place == (1, block)).map(|(chunk, _)| chunk).collect();
        assert_eq!(lost, own, "{what}");
    }
}

#[test]
fn a_flip_in_the_label_of_one_of_several_volumes_costs_nothing_else() {
    let whole = Whole::new(small(Some(16 << 10)));
    for (number, (_, volume)) in whole.fixture.volumes.iter().enumerate() {
        let label = places(volume)[0];
        for at in (0..label.end()).step_by(apart(17)) {
            let verdict = whole.judge(&whole.with(number, Damage::Flip { at, mask: 1 << (at % 8) }.of(volume)));
            let what = format!("byte {at} of volume {}: {:?}", number + 1, verdict.findings);
            assert!(verdict.names(number as u32 + 1, 0) || !verdict.unreadable.is_empty(), "{what}");
            assert!(verdict.chunks.iter().eq(whole.chunks.keys()) && verdict.changed.is_empty(), "{what}");
        }
    }
}

/// The field that a byte of a volume is in.
fn field(volume: &[u8], place: &Place, at: usize) -> FieldAt {
    let fields = fields(&volume[place.at..place.end()]).unwrap();
    fields.into_iter().rfind(|field| place.at + field.at <= at).unwrap()
}

/// Fields that nothing but the checksum of their block covers: the end mark of the last volume is in no hash, and may be of a
/// later version.
const CHECKSUM_ALONE: &[&str] = &["volume end.(frame) version"];

/// By the name of the field: what was not noticed, and what reads differently then.
type Unnoticed = BTreeMap<String, BTreeSet<String>>;

fn note(unnoticed: &mut Unnoticed, volume: &[u8], place: &Place, at: usize, verdict: &Verdict) {
    if !verdict.is_noticed() {
        let name = field(volume, place, at).name;
        let kinds = verdict.changed.iter().map(|what| what.split([' ']).take(2).collect::<Vec<_>>().join(" "));
        unnoticed.entry(name).or_default().extend(kinds);
    }
}

#[test]
fn a_flip_behind_right_checksums_is_found_by_the_hashes() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let mut unnoticed = Unnoticed::new();
    for (at, mask, place) in flips(volume, 59) {
        let mut bytes = Damage::Flip { at, mask }.of(volume);
        mend_block(&mut bytes[place.at..place.end()]);
        // A flip in a checksum is taken back by that.
        if bytes == *volume {
            continue;
        }
        let verdict = whole.judge(&whole.with(0, bytes));
        let rows = verdict.changed.iter().filter(|what| what.starts_with("rows ")).count();
        assert_eq!(rows, 0, "byte {at}: rows that were never written pass: {place:?}");
        assert!(!whole.is_less(&verdict), "byte {at}: {} of {} rows: {place:?}", verdict.rows, whole.rows);
        note(&mut unnoticed, volume, &place, at, &verdict);
    }
    let found: Vec<&str> = unnoticed.keys().map(String::as_str).collect();
    assert!(
        found.iter().all(|name| CHECKSUM_ALONE.contains(name)),
        "nothing but its checksum covers these: {unnoticed:?}"
    );
}

#[test]
fn a_flip_behind_right_checksums_and_hashes_changes_no_row_unnoticed() {
    let whole = Whole::new(small(None));
    let volume = &whole.fixture.volumes[0].1;
    let mut unnoticed = Unnoticed::new();
    for (at, mask, place) in flips(volume, 53) {
        let mut volumes = vec![Damage::Flip { at, mask }.of(volume)];
        mend_block(&mut volumes[0][place.at..place.end()]);
        if volumes[0] == *volume || forge(&mut volumes).is_err() {
            continue;
        }
        let verdict = whole.judge(&whole.with(0, volumes.remove(0)));
        let rows = verdict.changed.iter().filter(|what| what.starts_with("rows ")).count();
        assert_eq!(rows, 0, "byte {at}: rows that were never written pass: {place:?}");
        assert!(!whole.is_less(&verdict), "byte {at}: {} of {} rows: {place:?}", verdict.rows, whole.rows);
        note(&mut unnoticed, volume, &place, at, &verdict);
    }
    let changed: BTreeSet<&str> = unnoticed.values().flatten().map(String::as_str).collect();
    let told = ["end of", "header of", "label"];
    assert!(
        changed.iter().all(|what| told.contains(what)),
        "what a forger can change is more than is told: {unnoticed:?}"
    );
    eprintln!("what a forger can change: {changed:?} in {:?}", unnoticed.keys());
    assert!(!changed.is_empty(), "the flips reach nothing that no digest covers");
}

#[test]
fn the_checksum_is_that_of_the_specification_and_finds_any_burst_of_its_width() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    let (_, volume) = small(None).volumes.remove(0);
    let place = *places(&volume).iter().find(|place| place.header.kind == BlockKind::Chunk).unwrap();
    let block = &volume[place.at..place.end()];
    // 32 bits or fewer in a row: found without exception, at any bit.
    for start in (0..block.len() * 8 - 32).step_by(apart(7)) {
        for pattern in [0xFFFF_FFFFu32, 0x8000_0001, 0xA5A5_A5A5, 0x0001_8001] {
            let mut hurt = block.to_vec();
            for bit in (0..32).filter(|bit| pattern >> bit & 1 == 1) {
                hurt[(start + bit) / 8] ^= 1 << ((start + bit) % 8);
            }
            let accepted = BlockHeader::parse(&hurt).and_then(|header| header.payload(&hurt).map(|_| ()));
            assert!(accepted.is_err(), "bits from {start} on, {pattern:08X}");
        }
    }
}
