//! Fuzz body: fields of a small set are made to say something else, behind right checksums and now and then behind right hashes.
//! What its catalog says is then held against what a scan of its blocks gives: they agree, or a verification finds why not.

use super::damage::{Damage, Place, forge, mend_block, places, turn};
use super::fields::{FieldAt, Role, fields};
use super::fixtures::{Fixture, small};
use super::fuzz_set::Script;
use crate::base::monitor::Silent;
use crate::device::memory::MemoryDevice;
use crate::format::block::{BlockKind, HEADER_LEN};
use crate::format::marks::VOLUME_END_BLOCK_LEN;
use crate::rebuild::{Compared, DIVISION, rebuild};
use crate::verify::set::verify_set;
use crate::volume::section::{SectionSource, SectionView};
use crate::volume::set::{SetReader, list_sets};
use std::sync::OnceLock;

/// Names and bytes.
type Volumes = [(String, Vec<u8>)];

/// A block of a sound volume, and its fields that are neither padding nor stored columns.
type Block = (Place, Vec<FieldAt>);

/// A fixture and the blocks of each of its volumes.
struct Sound {
    fixture: Fixture,
    blocks: Vec<Vec<Block>>,
}

impl Sound {
    fn new(volume_size: Option<u64>) -> Sound {
        let fixture = small(volume_size);
        let of_block = |volume: &[u8], place: Place| {
            let bytes = volume.get(place.at..place.end()).unwrap_or_default();
            let mut found = fields(bytes).unwrap_or_default();
            found.retain(|field| !matches!(field.role, Role::Padding | Role::Columns));
            (place, found)
        };
        let of_volume =
            |(_, volume): &(String, Vec<u8>)| places(volume).into_iter().map(|place| of_block(volume, place)).collect();
        let blocks = fixture.volumes.iter().map(of_volume).collect();
        Sound { fixture, blocks }
    }
}

fn sound(many: bool) -> &'static Sound {
    static SOUND: OnceLock<(Sound, Sound)> = OnceLock::new();
    let (one, several) = SOUND.get_or_init(|| (Sound::new(None), Sound::new(Some(16 << 10))));
    if many { several } else { one }
}

fn device(volumes: &Volumes) -> MemoryDevice {
    let device = MemoryDevice::new();
    volumes.iter().for_each(|(name, bytes)| device.insert(name, bytes.clone()));
    device
}

/// What a field says now that said `was`.
fn lie(script: &mut Script<'_>, was: u64) -> u64 {
    match script.byte() % 6 {
        0 => was.wrapping_add(1),
        1 => was.wrapping_sub(1),
        2 => was ^ 1 << (script.byte() % 64),
        3 => u64::from(script.byte()),
        4 => u64::MAX,
        _ => was.wrapping_add((script.below(1 << 20) as u64) << (script.byte() % 24)),
    }
}

/// Changes one field of one block, or the kind and section of one, and makes its checksums right.
fn change(script: &mut Script<'_>, sound: &Sound, volumes: &mut Volumes) {
    let volume = script.below(volumes.len());
    let Some((blocks, (_, bytes))) = sound.blocks.get(volume).zip(volumes.get_mut(volume)) else { return };
    let Some((place, fields)) = blocks.get(script.below(blocks.len())) else { return };
    if script.byte().is_multiple_of(16) {
        let kind = BlockKind::from_id(script.byte() % 8).unwrap_or(BlockKind::Optional(200));
        return turn(bytes, place, kind, u32::from(script.byte() % 16));
    }
    let Some(field) = fields.get(script.below(fields.len())) else { return };
    let width = field.width.min(8);
    let start = place.at.saturating_add(field.at).saturating_add(script.below(field.width.saturating_sub(7).max(1)));
    let Some(there) = bytes.get_mut(start..start.saturating_add(width)) else { return };
    let was = there.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    there.iter_mut().zip(lie(script, was).to_le_bytes()).for_each(|(byte, new)| *byte = new);
    mend_block(bytes.get_mut(place.at..place.end()).unwrap_or_default());
}

/// The fuzz body: the first byte says which fixture and whether hashes are made right, too; then some bytes for each change.
///
/// # Panics
/// If catalog and blocks do not say the same and a verification finds nothing.
pub fn scan(data: &[u8]) {
    let mut script = Script::new(data);
    let flags = script.byte();
    let sound = sound(flags & 1 != 0);
    let mut volumes = sound.fixture.volumes.clone();
    while !script.is_over() {
        change(&mut script, sound, &mut volumes);
    }
    if flags & 2 != 0 {
        let (names, mut bytes): (Vec<_>, Vec<_>) = volumes.into_iter().unzip();
        // What cannot be read any more stays as it is.
        let _ = forge(&mut bytes);
        volumes = names.into_iter().zip(bytes).collect();
    }
    let device = device(&volumes);
    let Ok(listing) = list_sets(&device) else { return };
    for set in listing.sets.iter().filter(|set| listing.unreadable.is_empty() && set.is_complete()) {
        if verify_set(set, 1, &Silent).findings.is_empty() {
            agree(set, &volumes);
        }
    }
}

/// Holds that what the catalog of a set says is what its blocks say, when they are read without it.
fn agree(set: &SetReader<'_>, volumes: &Volumes) {
    let mut headless = volumes.to_vec();
    for (_, bytes) in &mut headless {
        for catalog in places(bytes).iter().filter(|place| place.header.kind == BlockKind::Catalog) {
            Damage::Flip { at: catalog.at.saturating_add(HEADER_LEN), mask: 1 }.apply(bytes);
        }
        bytes.truncate(bytes.len().saturating_sub(VOLUME_END_BLOCK_LEN));
    }
    let device = device(&headless);
    let scanned = list_sets(&device).map(|listing| listing.sets).unwrap_or_default();
    assert_eq!(scanned.len(), 1, "the set is found without its ends");
    for scanned in &scanned {
        let (listed, found) = (set.sections(), scanned.sections());
        assert!(listed.iter().all(|section| section.source == SectionSource::Catalog), "listed by its catalog");
        assert!(found.iter().all(|section| section.source != SectionSource::Catalog), "found by a scan");
        assert_eq!(listed.len(), found.len(), "sections");
        listed.iter().zip(found).for_each(|(listed, found)| same(listed, found));
        let rows = |sections: &[SectionView]| -> u64 {
            sections.iter().flat_map(|section| &section.end).map(|end| end.rows).fold(0, u64::saturating_add)
        };
        let totals = set.catalog().map(|catalog| (catalog.sections as usize, catalog.rows));
        assert_eq!(totals, Some((found.len(), rows(found))), "totals of the catalog");
    }
    let again = rebuild(set, &Silent);
    let is_same = |compared: &Compared| match compared {
        Compared::Equal => true,
        // A label may say anything of the size of volumes.
        Compared::Differs(places) => *places == [DIVISION],
        Compared::Missing(_) | Compared::NotJudged(_) => false,
    };
    let other = again.iter().flat_map(|rebuilt| rebuilt.all()).find(|compared| !is_same(compared));
    assert!(again.is_ok() && other.is_none(), "catalog and indexes that are made anew are others: {other:?}");
}

fn same(listed: &SectionView, found: &SectionView) {
    let number = listed.number;
    assert_eq!((number, listed.bytes), (found.number, found.bytes), "section {number}");
    assert_eq!(listed.header, found.header, "header of section {number}");
    assert_eq!(listed.end, found.end, "end of section {number}");
    assert_eq!(listed.chunks, found.chunks, "chunks of section {number}");
    let written: Vec<_> = listed.buckets.iter().filter(|bucket| bucket.is_written()).collect();
    assert_eq!(written, found.buckets.iter().collect::<Vec<_>>(), "buckets of section {number}");
}

/// Seeds by name.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("one_volume", vec![0]),
        ("several_volumes", vec![1]),
        ("a_field", vec![0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 12, 0, 0, 0, 0]),
        ("a_hashed_field", vec![3, 0, 0, 3, 0, 0, 5, 1, 0, 0, 20, 0, 0, 0, 1]),
        ("the_catalog", vec![2, 0, 0, 0, 0, 0, 60, 1, 0, 0, 40, 0, 0, 0, 0]),
        ("another_kind", vec![3, 0, 0, 1, 0, 0, 4, 0, 7, 2]),
        ("found_1", vec![0xff, 0xff, 0xb5, 0x25, 0xb5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x60]),
        ("found_2", vec![3, 0x41, 8, 0, 1, 0, 0x9b, 4, 0x6c, 0, 7, 0x41, 0x18]),
        ("found_3", vec![3, 0, 0x31, 0x0e, 0, 0x39, 0x37, 0xc8, 0x7a, 0x7a, 0x7a]),
        ("found_5", vec![3, 3, 0, 5, 0, 0, 1, 0x57, 0, 0x14, 0, 0, 0, 1]),
        ("found_4", vec![3, 0x41, 0x21, 0, 1, 0, 0x9b, 0x0c, 0x6c, 0, 7, 0x18]),
        (
            "found_9",
            vec![
                0xff, 0xff, 0xff, 0x18, 0xf1, 0xfd, 0xff, 1, 0x8b, 0x7d, 0x13, 0x2d, 0, 0, 0, 0x7d, 0xc6, 0x7e, 0x56,
                0x42, 0x0d, 0x0a, 0x1a, 0x0a,
            ],
        ),
        ("found_6", vec![3, 227, 182, 69, 53, 51, 53, 57, 205]),
        ("found_7", vec![19, 125, 125, 125, 125, 125, 125]),
        ("found_8", vec![3, 0, 0, 3, 2, 6, 255, 255, 0, 2, 0, 2, 7, 255]),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::mutate::Rng;
    use super::*;
    use std::panic::AssertUnwindSafe;

    #[test]
    fn catalog_and_blocks_agree_or_a_finding_says_why_not() {
        let mut random = Rng::new(31);
        seeds().iter().for_each(|(_, seed)| scan(seed));
        for _ in 0..150 {
            let steps = 1 + random.below(3);
            let flags = random.next() as u8;
            scan(&[vec![flags], (0..14 * steps).map(|_| random.next() as u8).collect()].concat());
        }
    }

    #[test]
    fn sound_sets_are_compared_and_a_catalog_that_says_something_else_is_told() {
        let sound = sound(true);
        let (volumes, held) = (&sound.fixture.volumes, sound.fixture.device());
        let set = list_sets(&held).unwrap().sets.remove(0);
        agree(&set, volumes);
        // The blocks of another set under this catalog.
        let mut others = volumes.clone();
        let chunk = sound.blocks[1].iter().find(|(place, _)| place.header.kind == BlockKind::Chunk).unwrap().0;
        turn(&mut others[1].1, &chunk, BlockKind::Optional(200), 0);
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| agree(&set, &others)));
        assert!(told.is_err(), "a chunk less is another set");
    }
}
