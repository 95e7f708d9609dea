//! Fields that lie, in every place of every block, behind right checksums: read, listed, verified and planned with in a process
//! of 320 MiB. Whatever is refused, nothing that was not written is given as rows.

use super::confined::confined;
use super::tiers::long;
use intervault::testing::damage::{Damage, Place, forge, mend_block, places};
use intervault::testing::fields::{FieldAt, Role, fields};
use intervault::testing::fixtures::small;
use intervault::testing::whole::Whole;
use intervault::verify::Depth;
use intervault::verify::finding::Level;
use std::collections::{BTreeMap, BTreeSet};

/// Bounds of the format: each of them and the number after it.
const CAPS: [u64; 10] = [1_024, 1_440, 4_096, 65_535, 65_536, 1_000_000, 8 << 20, 16 << 20, 64 << 20, 253_402_300_800];

/// What a field is made to say, with so many bytes left behind it.
fn lies(width: usize, left: usize, was: u64) -> Vec<u64> {
    let most = if width >= 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
    let mut lies =
        vec![0, 1, 2, 3, 5, 127, 128, 255, left as u64, left as u64 + 1, was.wrapping_add(1), was.wrapping_sub(1)];
    lies.extend(CAPS.iter().flat_map(|cap| [*cap, cap + 1]));
    lies.extend([
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        1 << 62,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ]);
    lies.iter_mut().for_each(|lie| *lie &= most);
    lies.sort_unstable();
    lies.dedup();
    lies.retain(|lie| *lie != was);
    lies
}

/// Whether it is noticed what was done to the one volume; rows that nobody wrote never pass, and none is missed in silence.
fn judged(whole: &Whole, volume: Vec<u8>, what: &str) -> bool {
    let device = whole.with(0, volume);
    let verdict = whole.judge(&device);
    let rows = verdict.changed.iter().find(|what| what.starts_with("rows "));
    assert_eq!(rows, None, "{what}");
    assert!(!whole.is_less(&verdict), "{what}: {} of {} rows", verdict.rows, whole.rows);
    verdict.is_noticed()
}

/// The same where all is read by the index, as a part.
fn judged_by_index(whole: &Whole, volume: Vec<u8>, what: &str) {
    let device = whole.with(0, volume);
    let part = whole.verified(&device, Depth::Rows, Some((1, 1)));
    let told = part.findings.iter().any(|finding| finding.level >= Level::Incomplete);
    // What is no set any more, or has no index, was judged without.
    let listed = part.chosen.is_some_and(|chosen| chosen.unlisted == 0);
    assert!(!listed || told || part.rows == whole.rows, "{what}: {} of {} rows", part.rows, whole.rows);
}

/// What is done with a field, its block, what it says, and the volume.
type Lying<'l> = dyn FnMut(&FieldAt, &Place, u64, Vec<u8>) + 'l;

/// Does with each lie what is given: the field, its block, what it says, the volume behind right checksums. In the short tier
/// each field by its first occurrence (what kind a block is, once for each kind) gets one lie of so many, each another one.
/// Gives the number of fields.
fn every_lie(volume: &[u8], apart: usize, act: &mut Lying<'_>) -> usize {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for place in places(volume) {
        let block = &volume[place.at..place.end()];
        for field in fields(block).unwrap() {
            let numbers = matches!(field.role, Role::Header | Role::Frame | Role::Number | Role::Count | Role::Flag);
            let of_kind = if field.name == "header.kind" { place.header.kind.name() } else { "" };
            let seen = names.entry(format!("{}{of_kind}", field.name)).or_default();
            *seen += 1;
            if !numbers || field.width > 8 || (*seen > 1 && !long()) {
                continue;
            }
            let at = place.at + field.at;
            let was = volume[at..at + field.width].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let lies = lies(field.width, block.len() - field.at - field.width, was);
            for (number, lie) in lies.into_iter().enumerate() {
                if !long() && of_kind.is_empty() && !(number + names.len()).is_multiple_of(apart) {
                    continue;
                }
                let mut hurt = volume.to_vec();
                hurt[at..at + field.width].copy_from_slice(&lie.to_le_bytes()[..field.width]);
                if field.name != "header.payload_crc" && field.name != "header.header_crc" {
                    mend_block(&mut hurt[place.at..]);
                }
                act(&field, &place, lie, hurt);
            }
        }
    }
    names.len()
}

#[test]
fn a_lie_in_any_field_costs_no_memory_and_gives_no_wrong_row() {
    let name = "hostile::a_lie_in_any_field_costs_no_memory_and_gives_no_wrong_row";
    confined(name, if long() { 7_200 } else { 300 }, || {
        let whole = Whole::new(small(None));
        let (mut tried, mut unnoticed) = (0, BTreeSet::new());
        let names = every_lie(&whole.fixture.volumes[0].1, 3, &mut |field, place, lie, hurt| {
            if !judged(&whole, hurt, &format!("{} is {lie}: {place:?}", field.name)) {
                unnoticed.insert(field.name.clone());
            }
            tried += 1;
        });
        // The end mark of the last volume is in no hash: it may be of a later version, and where its catalog is not found
        // the blocks tell the same.
        let borne = ["volume end.(frame) version"];
        assert!(unnoticed.iter().all(|name| borne.contains(&name.as_str())), "lies that nobody notices: {unnoticed:?}");
        assert!(names > 150 && tried > 1_000, "{tried} lies in {names} fields");
    });
}

#[test]
fn a_lie_behind_right_hashes_costs_no_memory_and_takes_no_row_away_unnoticed() {
    let name = "hostile::a_lie_behind_right_hashes_costs_no_memory_and_takes_no_row_away_unnoticed";
    confined(name, if long() { 7_200 } else { 300 }, || {
        let whole = Whole::new(small(None));
        let volume = &whole.fixture.volumes[0].1;
        let mut tried = 0;
        every_lie(volume, 7, &mut |field, place, lie, hurt| {
            let mut volumes = vec![hurt];
            // What cannot be read any more cannot be forged, and a lie in a hash is taken back by that.
            if forge(&mut volumes).is_ok() && volumes[0] != *volume {
                let what = format!("{} is {lie}, forged: {place:?}", field.name);
                judged_by_index(&whole, volumes[0].clone(), &what);
                judged(&whole, volumes.remove(0), &what);
                tried += 1;
            }
        });
        assert!(tried > 300, "{tried} lies");
    });
}

#[test]
fn a_lie_in_the_stored_bytes_of_a_column_costs_no_memory_and_gives_no_wrong_row() {
    let name = "hostile::a_lie_in_the_stored_bytes_of_a_column_costs_no_memory_and_gives_no_wrong_row";
    confined(name, if long() { 7_200 } else { 300 }, || {
        let whole = Whole::new(small(None));
        let volume = &whole.fixture.volumes[0].1;
        let (mut tried, mut places_seen) = (0, 0);
        for place in places(volume) {
            let found = fields(&volume[place.at..place.end()]).unwrap();
            let Some(columns) = found.into_iter().find(|field| field.role == Role::Columns) else { continue };
            for at in place.at + columns.at..place.at + columns.at + columns.width - 4 {
                places_seen += 1;
                if !long() && places_seen % 37 != 0 {
                    continue;
                }
                let bytes = [[0, 0, 0, 0x80], [0xFF; 4], [0, 0, 0, 4], [1, 0, 0, 0], [0xFF, 0xFF, 0, 0]];
                let mut volumes = vec![Damage::Stale { at, bytes: bytes[tried % 5].to_vec() }.of(volume)];
                mend_block(&mut volumes[0][place.at..place.end()]);
                forge(&mut volumes).unwrap();
                judged(&whole, volumes.remove(0), &format!("byte {at}: {place:?}"));
                tried += 1;
            }
        }
        assert!(tried > 200, "{tried} lies");
    });
}
