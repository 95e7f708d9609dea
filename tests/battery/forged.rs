//! Sets out of which somebody has taken something, with every checksum and hash made right again: what is gone is missed all the
//! same, at every depth and in the parts that meet it, since the catalog, the index and the order of blocks say the same thing
//! three times.

use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::BlockKind;
use intervault::testing::damage::{Damage, Place, forge, mend_block, places, turn};
use intervault::testing::fields::fields;
use intervault::testing::fixtures::small;
use intervault::testing::whole::Whole;
use intervault::verify::Depth;
use intervault::verify::finding::{Finding, Level};

/// A block that a reader may leave out.
const OTHER: BlockKind = BlockKind::Optional(200);

/// The fixture with its volumes changed and forged.
fn forged(whole: &Whole, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> MemoryDevice {
    let (names, mut volumes): (Vec<String>, Vec<Vec<u8>>) = whole.fixture.volumes.iter().cloned().unzip();
    let before = volumes.clone();
    change(&mut volumes);
    assert!(volumes != before, "nothing was changed");
    forge(&mut volumes).unwrap();
    let device = MemoryDevice::new();
    names.iter().zip(volumes).for_each(|(name, bytes)| device.insert(name, bytes));
    device
}

fn damage(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Damage)
}

fn rows_lost(findings: &[Finding]) -> u64 {
    findings.iter().flat_map(|finding| &finding.costs).map(|cost| cost.rows).sum()
}

/// The places of the blocks of a kind, with the number of their volume from 0.
fn of_kind(whole: &Whole, kind: BlockKind) -> Vec<(usize, Place)> {
    let volumes = whole.fixture.volumes.iter().enumerate();
    let all = volumes.flat_map(|(number, (_, bytes))| places(bytes).into_iter().map(move |place| (number, place)));
    all.filter(|(_, place)| place.header.kind == kind).collect()
}

/// Holds that a set from which blocks are gone is damaged, however it is read.
fn is_missed(whole: &Whole, device: &MemoryDevice, what: &str) {
    let verdict = whole.judge(device);
    assert!(damage(&verdict.findings), "{what}: {:#?}", verdict.findings);
    for depth in [Depth::Index, Depth::Blocks, Depth::Rows] {
        assert!(damage(&whole.verified(device, depth, None).findings), "{what}, {}", depth.name());
    }
    for part in 1..=3 {
        assert!(damage(&whole.verified(device, Depth::Rows, Some((part, 3))).findings), "{what}, part {part}");
    }
}

#[test]
fn a_block_that_was_taken_out_is_missed_and_what_it_costs_is_said() {
    for size in [None, Some(16 << 10)] {
        let whole = Whole::new(small(size));
        for kind in [BlockKind::Chunk, BlockKind::SectionHeader, BlockKind::SectionEnd] {
            for (volume, place) in of_kind(&whole, kind) {
                let next = places(&whole.fixture.volumes[volume].1).into_iter().find(|next| next.at == place.end());
                let goes_on = next.is_some_and(|next| next.header.identity.section == place.header.identity.section);
                // A section of which nothing else stands on the volume begins on the next one then: nothing is gone.
                if kind == BlockKind::SectionHeader && !goes_on {
                    continue;
                }
                let device = forged(&whole, |volumes| turn(&mut volumes[volume], &place, OTHER, 0));
                let what = format!("{kind:?} at byte {} of volume {}", place.at, volume + 1);
                is_missed(&whole, &device, &what);
                if kind == BlockKind::Chunk {
                    let verified = whole.verified(&device, Depth::Rows, None);
                    let lost = rows_lost(&verified.findings);
                    assert!(lost > 0, "{what}: {:#?}", verified.findings);
                    assert_eq!(verified.rows + lost, whole.rows, "{what}: {:#?}", verified.findings);
                }
            }
        }
    }
}

#[test]
fn whole_sections_that_were_taken_out_are_missed() {
    let whole = Whole::new(small(None));
    let kinds = [BlockKind::SectionHeader, BlockKind::Chunk, BlockKind::SectionEnd];
    let all: Vec<Place> = kinds.iter().flat_map(|kind| of_kind(&whole, *kind)).map(|(_, place)| place).collect();
    let last = all.iter().map(|place| place.header.identity.section).max().unwrap();
    for sections in [1..=last, 1..=1, 2..=2, last..=last] {
        let gone = |place: &&Place| sections.contains(&place.header.identity.section);
        let device = forged(&whole, |volumes| {
            all.iter().filter(gone).for_each(|place| turn(&mut volumes[0], place, OTHER, 0));
        });
        is_missed(&whole, &device, &format!("sections {sections:?}"));
        let verified = whole.verified(&device, Depth::Rows, None);
        assert_eq!(verified.rows + rows_lost(&verified.findings), whole.rows, "{:#?}", verified.findings);
    }
}

#[test]
fn a_block_in_another_place_of_the_order_is_found_and_no_byte_is_counted_twice() {
    let whole = Whole::new(small(None));
    for (volume, place) in of_kind(&whole, BlockKind::Chunk) {
        let device = forged(&whole, |volumes| turn(&mut volumes[volume], &place, BlockKind::Catalog, 0));
        is_missed(&whole, &device, &format!("byte {}", place.at));
        let other = place.header.identity.section % 2 + 1;
        let device = forged(&whole, |volumes| turn(&mut volumes[volume], &place, BlockKind::Chunk, other));
        if other != place.header.identity.section {
            is_missed(&whole, &device, &format!("byte {} in section {other}", place.at));
        }
    }
}

/// Sets with one field of one block changed: its name and place, and the device.
fn lies(whole: &Whole, kind: BlockKind, names: &[&str]) -> Vec<(String, MemoryDevice)> {
    let mut lies = Vec::new();
    for (number, place) in of_kind(whole, kind) {
        let bytes = &whole.fixture.volumes[number].1;
        let found = fields(&bytes[place.at..place.end()]).unwrap();
        for field in found.into_iter().filter(|field| names.contains(&field.name.as_str())) {
            let at = place.at + field.at;
            // What is the least of the field becomes another one, and stays small.
            let device = forged(whole, |volumes| {
                Damage::Flip { at, mask: 2 }.apply(&mut volumes[number]);
                mend_block(&mut volumes[number][place.at..]);
            });
            lies.push((format!("{} at byte {at}", field.name), device));
        }
    }
    lies
}

#[test]
fn a_chunk_that_is_not_what_the_catalog_says_of_it_is_found_where_it_is_read() {
    for size in [None, Some(16 << 10)] {
        let whole = Whole::new(small(size));
        let numbers = lies(&whole, BlockKind::Chunk, &["chunk directory.chunk", "chunk directory.first_row"]);
        let times = lies(&whole, BlockKind::Catalog, &["chunk list.chunks.first", "chunk list.chunks.stop"]);
        assert!(numbers.len() > 20 && times.len() > 20, "{}, {}", numbers.len(), times.len());
        for (what, device) in numbers.iter().chain(&times) {
            let verdict = whole.judge(device);
            assert!(verdict.sets == 1 && damage(&verdict.findings), "{what}: {:#?}", verdict.findings);
            let parts = (1..=3).filter(|part| damage(&whole.verified(device, Depth::Rows, Some((*part, 3))).findings));
            assert!(parts.count() > 0, "{what}");
        }
    }
}

#[test]
fn totals_of_the_catalog_are_compared_where_all_is_read_and_also_where_a_chunk_is_lost() {
    let whole = Whole::new(small(None));
    let names = ["bucket list.buckets.digest", "bucket list.buckets.carried_digest"];
    let totals = lies(&whole, BlockKind::Catalog, &names);
    assert!(totals.len() > 20, "{}", totals.len());
    let odd = |findings: &[Finding]| findings.iter().any(|finding| finding.what.contains("does not list the buckets"));
    let mut told = 0;
    for (what, device) in &totals {
        let verdict = whole.judge(device);
        assert!(damage(&verdict.findings), "{what}: {:#?}", verdict.findings);
        told += usize::from(odd(&verdict.findings));
        assert!(damage(&whole.verified(device, Depth::Rows, Some((1, 1))).findings), "{what}, in one part");
    }
    assert!(told > 20, "{told}");
    // Beside a chunk that is lost, of the buckets of which it has nothing.
    let first = |bytes: &[u8]| {
        let find = |place: &Place| place.header.kind == BlockKind::Chunk && place.header.identity.section == 4;
        places(bytes).into_iter().find(find).unwrap()
    };
    let both = totals.iter().filter(|(_, device)| {
        let (name, bytes) = (&device.list().unwrap()[0], device.bytes(&device.list().unwrap()[0]).unwrap());
        let torn = device.copy();
        torn.insert(name, Damage::Flip { at: first(&bytes).at + 100, mask: 1 }.of(&bytes));
        odd(&whole.judge(&torn).findings)
    });
    assert!(both.count() > told / 2, "of {told}");
}
