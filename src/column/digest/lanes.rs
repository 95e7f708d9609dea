//! BLAKE3 of many short inputs at once. One short input keeps a single lane of the processor's vectors busy; rows side by
//! side fill all of them. The `blake3` crate has this for its own tree, in a module that it does not document, so that
//! its version is pinned and every length is held against [`blake3::hash`] in the tests here.

use blake3::IncrementCounter;
use blake3::platform::Platform;

/// Bytes of a BLAKE3 block; canonical rows are padded to a multiple of it.
pub(super) const BLOCK: usize = 64;

/// The first value of BLAKE3's chaining, that of an unkeyed hash (BLAKE3 paper, table 1).
const IV: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];
/// Flags of the first block of a chunk, and of the last block of an input that is one chunk.
const CHUNK_START: u8 = 1;
const CHUNK_END_AND_ROOT: u8 = 2 | 8;
/// Inputs hashed with one call.
const MANY: usize = 64;

/// Hashes rows that lie in a buffer.
#[derive(Debug)]
pub(super) struct Lanes {
    platform: Platform,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { platform: Platform::detect() }
    }
}

impl Lanes {
    /// Appends to `out` the first 16 bytes, little-endian, of the hash of each slice `rows[start..stop]`. Lengths that are
    /// a small multiple of [`BLOCK`] are fast; all are right. A slice that does not lie in `rows` counts as empty.
    pub(super) fn hash(&self, rows: &[u8], slices: &[(usize, usize)], out: &mut Vec<u128>) {
        let first = out.len();
        out.resize(first + slices.len(), 0);
        let Some(hashes) = out.get_mut(first..) else { return };
        for group in 0..slices.len().div_ceil(MANY) {
            let range = group * MANY..slices.len().min((group + 1) * MANY);
            let (Some(slices), Some(hashes)) = (slices.get(range.clone()), hashes.get_mut(range)) else { return };
            // Which lengths there are, in blocks; 0 stands for all that are hashed one by one.
            let mut lengths = [false; 5];
            slices.iter().for_each(|slice| lengths[blocks(slice)] = true);
            if lengths[1] {
                self.of_length::<BLOCK>(rows, slices, hashes);
            }
            if lengths[2] {
                self.of_length::<{ 2 * BLOCK }>(rows, slices, hashes);
            }
            if lengths[3] {
                self.of_length::<{ 3 * BLOCK }>(rows, slices, hashes);
            }
            if lengths[4] {
                self.of_length::<{ 4 * BLOCK }>(rows, slices, hashes);
            }
            for (hash, slice) in hashes.iter_mut().zip(slices).filter(|(_, slice)| lengths[0] && blocks(slice) == 0) {
                let row = rows.get(slice.0..slice.1).unwrap_or_default();
                *hash = low_half(blake3::hash(row).as_bytes());
            }
        }
    }

    /// Hashes those slices that have `N` bytes, at most [`MANY`].
    fn of_length<const N: usize>(&self, rows: &[u8], slices: &[(usize, usize)], hashes: &mut [u128]) {
        let (mut inputs, mut places, mut count) = ([&[0; N]; MANY], [0; MANY], 0);
        for (place, (start, stop)) in slices.iter().enumerate() {
            let row: Option<&[u8; N]> = rows.get(*start..*stop).and_then(|row| row.try_into().ok());
            if let (Some(row), Some(input), Some(at)) = (row, inputs.get_mut(count), places.get_mut(count)) {
                (*input, *at) = (row, place);
                count += 1;
            }
        }
        let mut out = [0; MANY * blake3::OUT_LEN];
        let (Some(inputs), Some(used)) = (inputs.get(..count), out.get_mut(..count * blake3::OUT_LEN)) else { return };
        if inputs.is_empty() {
            return;
        }
        let none = IncrementCounter::No;
        self.platform.hash_many(inputs, &IV, 0, none, 0, CHUNK_START, CHUNK_END_AND_ROOT, used);
        for (place, hash) in places.iter().zip(used.chunks(blake3::OUT_LEN)) {
            if let Some(out) = hashes.get_mut(*place) {
                *out = low_half(hash);
            }
        }
    }
}

/// Blocks of a slice that is 1 to 4 blocks long, 0 for any other.
const fn blocks((start, stop): &(usize, usize)) -> usize {
    let bytes = stop.saturating_sub(*start);
    if bytes % BLOCK == 0 && bytes <= 4 * BLOCK { bytes / BLOCK } else { 0 }
}

fn low_half(hash: &[u8]) -> u128 {
    hash.first_chunk().map_or(0, |first| u128::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_every_mixture_is_blake3() {
        let rows: Vec<u8> = (0..4_096u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let lanes = Lanes::default();
        for count in [0, 1, 2, 3, 8, 15, 16, 17, 63, 64, 65, 200] {
            let slices: Vec<(usize, usize)> = (0..count)
                .map(|at| {
                    let start = at * 13 % 700;
                    let lengths = [64, 128, 192, 256, 320, 0, 63, 65, 1_024, 1_088];
                    (start, start + lengths[at * 7 % lengths.len()])
                })
                .collect();
            let mut hashes = vec![42];
            lanes.hash(&rows, &slices, &mut hashes);
            let expected = slices.iter().map(|(start, stop)| low_half(blake3::hash(&rows[*start..*stop]).as_bytes()));
            assert_eq!(hashes[0], 42);
            assert_eq!(hashes[1..], expected.collect::<Vec<_>>(), "{count} rows");
        }
    }
}
