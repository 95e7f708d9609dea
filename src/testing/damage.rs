//! Damage as data: what happens to the bytes of a medium, below everything that could make up for it. Bytes are changed by
//! exclusive or, so that each change is one. What a forger does besides, making checksums and hashes right again, is here too.

use super::mutate::Rng;
use super::sets::bytes as noise;
use super::tables::Fault;
use crate::base::checksum::{Hash, blake3, chain, crc32};
use crate::base::cursor::Cursor;
use crate::format::block::{ALIGNMENT, BlockHeader, BlockKind, HEADER_LEN, MAGIC};
use crate::format::catalog::{BlockListRecord, VolumeIndexRecord, VolumeListRecord};
use crate::format::label::{LabelRecord, Predecessor};
use crate::format::layout::block as at;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{Record, decode_record, encode_record, next_record, push_record, read_records};

/// One thing that happens to the bytes of a volume. Places beyond its end are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The bits of `mask` are flipped in one byte.
    Flip {
        /// The byte.
        at: usize,
        /// Which bits; not 0.
        mask: u8,
    },
    /// Bytes become zero.
    Zero {
        /// The first.
        at: usize,
        /// How many.
        len: usize,
    },
    /// Every byte of a stretch becomes another one.
    Burst {
        /// The first.
        at: usize,
        /// How many.
        len: usize,
        /// What they become follows from this.
        seed: u64,
    },
    /// The volume ends early.
    Cut {
        /// Bytes that are left.
        len: usize,
    },
    /// Bytes that are of nothing stand before the volume.
    Before {
        /// How many.
        len: usize,
    },
    /// Bytes that are of nothing stand behind the volume.
    Behind {
        /// How many.
        len: usize,
    },
    /// Two stretches that do not meet change places.
    Swap {
        /// The first byte of one.
        a: usize,
        /// The first byte of the other.
        b: usize,
        /// Bytes of each.
        len: usize,
    },
    /// A write went astray: what belongs in one place stands in another too.
    Misdirected {
        /// The first byte of what was written.
        from: usize,
        /// Where it went.
        to: usize,
        /// Bytes.
        len: usize,
    },
    /// Other bytes stand in a place: an older state of the medium, a block of another volume or set.
    Stale {
        /// The first byte.
        at: usize,
        /// What stands there.
        bytes: Vec<u8>,
    },
    /// Bytes are missing, what follows has moved up.
    Lost {
        /// The first.
        at: usize,
        /// How many.
        len: usize,
    },
    /// Bytes are there twice, one behind the other.
    Doubled {
        /// The first.
        at: usize,
        /// How many.
        len: usize,
    },
}

/// A stretch of bytes, as far as there are any.
fn stretch(bytes: &mut [u8], at: usize, len: usize) -> &mut [u8] {
    let end = at.saturating_add(len).min(bytes.len());
    bytes.get_mut(at..end).unwrap_or_default()
}

/// Bytes over others, as far as those reach.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    stretch(bytes, at, new.len()).iter_mut().zip(new).for_each(|(byte, new)| *byte = *new);
}

impl Damage {
    /// Does it. Whether anything is different then, the caller compares.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Damage::Flip { at, mask } => stretch(bytes, *at, 1).iter_mut().for_each(|byte| *byte ^= mask),
            Damage::Zero { at, len } => stretch(bytes, *at, *len).fill(0),
            Damage::Burst { at, len, seed } => {
                let mut random = Rng::new(*seed);
                stretch(bytes, *at, *len).iter_mut().for_each(|byte| *byte ^= 1 + random.below(255) as u8);
            }
            Damage::Cut { len } => bytes.truncate(*len),
            Damage::Before { len } => drop(bytes.splice(..0, noise(&mut Rng::new(*len as u64), *len))),
            Damage::Behind { len } => bytes.extend(noise(&mut Rng::new(*len as u64), *len)),
            Damage::Swap { a, b, len } => {
                let (one, other) = (stretch(bytes, *a, *len).to_vec(), stretch(bytes, *b, *len).to_vec());
                put(bytes, *a, &other);
                put(bytes, *b, &one);
            }
            Damage::Misdirected { from, to, len } => {
                let written = stretch(bytes, *from, *len).to_vec();
                put(bytes, *to, &written);
            }
            Damage::Stale { at, bytes: old } => put(bytes, *at, old),
            Damage::Lost { at, len } => {
                let end = at.saturating_add(*len).min(bytes.len());
                bytes.drain((*at).min(end)..end);
            }
            Damage::Doubled { at, len } => {
                let twice = stretch(bytes, *at, *len).to_vec();
                let behind = at.saturating_add(twice.len()).min(bytes.len());
                bytes.splice(behind..behind, twice);
            }
        }
    }

    /// The bytes with this damage.
    #[must_use]
    pub fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        self.apply(&mut bytes);
        bytes
    }
}

/// Where a block of a sound volume stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What it says of itself.
    pub header: BlockHeader,
    /// Its first byte.
    pub at: usize,
    /// Bytes with header and padding.
    pub len: usize,
}

impl Place {
    /// The first byte behind it.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.at.saturating_add(self.len)
    }
}

/// The blocks of a volume, one behind the other, up to the first whose header is not sound.
#[must_use]
pub fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    while let Some(rest) = bytes.get(places.last().map_or(0, Place::end)..)
        && let Ok(header) = BlockHeader::parse(rest)
    {
        places.push(Place { header, at: places.last().map_or(0, Place::end), len: header.block_len() });
    }
    places
}

/// Makes a block one of another kind and section, with its checksums right.
pub fn turn(volume: &mut [u8], place: &Place, kind: BlockKind, section: u32) {
    put(volume, place.at.saturating_add(at::KIND), &[kind.id()]);
    put(volume, place.at.saturating_add(at::SECTION), &section.to_le_bytes());
    mend_block(volume.get_mut(place.at..).unwrap_or_default());
}

/// Makes both checksums of every block right whose magic stands at the alignment, from the last to the first.
pub fn mend(bytes: &mut [u8]) {
    let starts: Vec<usize> = (0..bytes.len())
        .step_by(ALIGNMENT)
        .filter(|start| bytes.get(*start..).is_some_and(|rest| rest.starts_with(&MAGIC)))
        .collect();
    for start in starts.into_iter().rev() {
        mend_block(bytes.get_mut(start..).unwrap_or_default());
    }
}

/// Makes both checksums of the block right that the bytes begin with, as long as it says that it is; that of its payload only
/// where all of it is there.
pub fn mend_block(block: &mut [u8]) {
    let Some(stored) = block.get(at::PAYLOAD_LEN..at::KEY_ID).filter(|_| block.len() >= HEADER_LEN) else { return };
    let said = stored.iter().rev().fold(0, |said, byte| said << 8 | usize::from(*byte));
    let end = HEADER_LEN.saturating_add(said).next_multiple_of(ALIGNMENT);
    if let Some(covered) = block.get(HEADER_LEN..end) {
        let crc = crc32(covered).to_le_bytes();
        put(block, at::PAYLOAD_CRC, &crc);
    }
    let crc = crc32(block.get(..at::HEADER_CRC).unwrap_or_default()).to_le_bytes();
    put(block, at::HEADER_CRC, &crc);
}

/// What somebody does who wants changed volumes to pass for whole ones: beside the checksums, kind, section and hash of every
/// block in every index, the running hashes in every index, end mark, list of volumes and label of the next volume are made
/// right. The volumes are those of one set, in order, and have all of their blocks.
///
/// # Errors
/// A record that has to be changed cannot be read any more.
pub fn forge(volumes: &mut [Vec<u8>]) -> Result<(), Fault> {
    let mut before: Option<Predecessor> = None;
    // After each volume, and before the catalog where that begins.
    let mut after: Vec<Hash> = Vec::new();
    let mut catalogued = false;
    for volume in volumes {
        mend(volume);
        let places = places(volume);
        let mut running: Hash = [0; 32];
        let mut hashes: Vec<(BlockHeader, Hash)> = Vec::new();
        for place in &places {
            match place.header.kind {
                BlockKind::Label if before.is_some() => rewrite(volume, place, |label: &mut LabelRecord| {
                    label.predecessor = before;
                })?,
                // What is no list of records is no catalog, whatever its header says.
                BlockKind::Catalog if read_records(payload(volume, place)).is_ok() => {
                    if !catalogued {
                        after.push(running);
                    }
                    catalogued = true;
                    rewrite_catalog(volume, place, &after)?;
                }
                BlockKind::VolumeIndex => rewrite_index(volume, place, running, &hashes)?,
                BlockKind::VolumeEnd => {
                    rewrite(volume, place, |end: &mut VolumeEndRecord| end.running_hash = running)?;
                }
                _ => {}
            }
            let hash = blake3(volume.get(place.at..place.end()).unwrap_or_default());
            running = chain(&running, &hash);
            hashes.push((place.header, hash));
        }
        if !catalogued {
            after.push(running);
        }
        let last = places.last().map_or(0, |place| place.header.identity.block);
        before = Some(Predecessor { last_block: last, running_hash: running });
    }
    Ok(())
}

/// The payload of a block, without its padding.
#[must_use]
pub fn payload<'a>(volume: &'a [u8], place: &Place) -> &'a [u8] {
    let start = place.at.saturating_add(HEADER_LEN);
    volume.get(start..start.saturating_add(place.header.payload_len as usize)).unwrap_or_default()
}

/// Puts a payload of the same length in the place of that of a block, and makes its checksums right.
pub fn replace_payload(volume: &mut [u8], place: &Place, payload: &[u8]) {
    put(volume, place.at.saturating_add(HEADER_LEN), payload);
    mend_block(volume.get_mut(place.at..).unwrap_or_default());
}

fn rewrite<R: Record>(volume: &mut [u8], place: &Place, change: impl FnOnce(&mut R)) -> Result<(), Fault> {
    let mut record: R = decode_record(payload(volume, place))?;
    change(&mut record);
    replace_payload(volume, place, &encode_record(&record)?);
    Ok(())
}

fn rewrite_catalog(volume: &mut [u8], place: &Place, after: &[Hash]) -> Result<(), Fault> {
    let mut rewritten = Vec::new();
    let old = payload(volume, place).to_vec();
    let mut cursor = Cursor::new(&old);
    while cursor.left() > 0 {
        let start = cursor.position();
        let raw = next_record(&mut cursor)?;
        if raw.kind == VolumeListRecord::KIND {
            let mut list: VolumeListRecord = raw.decode()?;
            let listed = after.iter().skip(list.first_volume.saturating_sub(1) as usize);
            list.volumes.iter_mut().zip(listed).for_each(|(volume, hash)| volume.running_hash = *hash);
            push_record(&mut rewritten, &list)?;
        } else {
            rewritten.extend_from_slice(old.get(start..cursor.position()).unwrap_or_default());
        }
    }
    replace_payload(volume, place, &rewritten);
    Ok(())
}

fn rewrite_index(volume: &mut [u8], place: &Place, running: Hash, hashes: &[(BlockHeader, Hash)]) -> Result<(), Fault> {
    let mut rewritten = Vec::new();
    let old = payload(volume, place).to_vec();
    let mut cursor = Cursor::new(&old);
    while cursor.left() > 0 {
        let raw = next_record(&mut cursor)?;
        if raw.kind == VolumeIndexRecord::KIND {
            push_record(&mut rewritten, &VolumeIndexRecord { running_hash: running, ..raw.decode()? })?;
        } else {
            let mut list: BlockListRecord = raw.decode()?;
            let listed = hashes.iter().skip(list.first_block as usize);
            for (block, (header, hash)) in list.blocks.iter_mut().zip(listed) {
                (block.kind, block.section, block.hash) = (header.kind.id(), header.identity.section, *hash);
            }
            push_record(&mut rewritten, &list)?;
        }
    }
    replace_payload(volume, place, &rewritten);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{Fixture, small};

    #[test]
    fn each_damage_does_what_it_says_and_nothing_beyond_the_end() {
        let whole: Vec<u8> = (0..10).collect();
        let cases = [
            (Damage::Flip { at: 1, mask: 0x81 }, vec![0, 0x80, 2, 3, 4, 5, 6, 7, 8, 9]),
            (Damage::Zero { at: 8, len: 5 }, vec![0, 1, 2, 3, 4, 5, 6, 7, 0, 0]),
            (Damage::Cut { len: 2 }, vec![0, 1]),
            (Damage::Swap { a: 0, b: 8, len: 2 }, vec![8, 9, 2, 3, 4, 5, 6, 7, 0, 1]),
            (Damage::Misdirected { from: 0, to: 9, len: 3 }, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 0]),
            (Damage::Stale { at: 9, bytes: vec![7, 7] }, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 7]),
            (Damage::Lost { at: 7, len: 9 }, vec![0, 1, 2, 3, 4, 5, 6]),
            (Damage::Doubled { at: 8, len: 2 }, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 9]),
            (Damage::Flip { at: 10, mask: 1 }, whole.clone()),
        ];
        for (damage, expected) in cases {
            assert_eq!(damage.of(&whole), expected, "{damage:?}");
        }
        let burst = Damage::Burst { at: 2, len: 3, seed: 1 }.of(&whole);
        let same: Vec<bool> = burst.iter().zip(&whole).map(|(a, b)| a == b).collect();
        assert_eq!(same, [true, true, false, false, false, true, true, true, true, true]);
        assert!(Damage::Before { len: 3 }.of(&whole).ends_with(&whole));
        assert!(Damage::Behind { len: 3 }.of(&whole).starts_with(&whole));
    }

    #[test]
    fn what_was_mended_or_forged_back_is_what_was_written() {
        let Fixture { volumes, .. } = small(Some(16 << 10));
        let whole: Vec<Vec<u8>> = volumes.iter().map(|volume| volume.1.clone()).collect();
        assert!(whole.len() > 2);
        let mut hurt = whole.clone();
        for place in places(&whole[1]) {
            Damage::Flip { at: place.at + at::HEADER_CRC, mask: 1 }.apply(&mut hurt[1]);
            Damage::Flip { at: place.at + at::PAYLOAD_CRC, mask: 1 }.apply(&mut hurt[1]);
        }
        assert!(hurt != whole);
        mend(&mut hurt[1]);
        assert!(hurt == whole, "checksums alone were wrong");
        let mut forged = whole.clone();
        forge(&mut forged).unwrap();
        assert!(forged == whole, "there was nothing to forge");
    }
}
