//! Tokens: a number becomes one byte that says its bit length and its leading bits, and the bits below as they are.
//! The bytes compress well because few of them are frequent; the low bits are noise and are only packed.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Most leading bits that a token may keep beside the bit length.
pub(in crate::column) const KEPT_BITS_MAX: u32 = 7;

/// Number of low bits of `value` that a token with `kept` leading bits leaves to the packed bits.
const fn low_bits(value: u64, kept: u32) -> u32 {
    (63u32.wrapping_sub((value | 1).leading_zeros())).saturating_sub(kept)
}

/// The token of a number, which may exceed a byte, and the count of its low bits, 0 to 63.
pub(in crate::column) const fn split(value: u64, kept: u32) -> (u64, u32) {
    let low = low_bits(value, kept);
    // `low << kept` is below 2^13, the shifted value below 2^(kept + 1).
    (((low as u64) << kept).wrapping_add(value >> low), low)
}

/// The largest number of kept bits at which every number up to `max` has a token of one byte.
pub(in crate::column) fn most_kept(max: u64) -> u32 {
    (0..=KEPT_BITS_MAX).rev().find(|kept| split(max, *kept).0 <= 255).unwrap_or(0)
}

/// Base value and count of low bits for each token; `None` where a token stands for no number of 64 bits.
pub(in crate::column) fn table(kept: u32) -> [Option<(u64, u32)>; 256] {
    std::array::from_fn(|token| {
        let low = (token as u32).wrapping_shr(kept).saturating_sub(1);
        let lead = (token as u64).wrapping_sub(u64::from(low).wrapping_shl(kept));
        let fits = low == 0 || (low < 64 && lead <= u64::MAX.wrapping_shr(low));
        fits.then(|| (lead.wrapping_shl(low), low))
    })
}

/// Packs bits, lowest first.
#[derive(Default)]
pub(in crate::column) struct BitWriter {
    bytes: Vec<u8>,
    word: u64,
    filled: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of a value, at most 63; those above must be zero.
    pub(in crate::column) fn push(&mut self, value: u64, count: u32) {
        self.word |= value.wrapping_shl(self.filled);
        let filled = self.filled.wrapping_add(count);
        if filled < 64 {
            self.filled = filled;
            return;
        }
        self.bytes.extend_from_slice(&self.word.to_le_bytes());
        self.word = if self.filled == 0 { 0 } else { value.wrapping_shr(64u32.wrapping_sub(self.filled)) };
        self.filled = filled.wrapping_sub(64);
    }

    /// The packed bytes; the last one is filled up with zeros.
    pub(in crate::column) fn finish(mut self) -> Vec<u8> {
        let word = self.word.to_le_bytes();
        self.bytes.extend_from_slice(word.get(..self.filled.div_ceil(8) as usize).unwrap_or_default());
        self.bytes
    }
}

/// Takes bits from packed bytes, lowest first. Beyond the end come zeros: the caller compares lengths first.
pub(in crate::column) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(in crate::column) const fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, at: 0 }
    }

    /// The next `count` bits, at most 63.
    #[inline]
    pub(in crate::column) fn take(&mut self, count: u32) -> u64 {
        let byte = self.at >> 3;
        let shift = (self.at & 7) as u32;
        self.at = self.at.wrapping_add(count as usize);
        let mask = 1u64.wrapping_shl(count).wrapping_sub(1);
        if count <= 56
            && let Some(Ok(word)) = self.bytes.get(byte..byte.wrapping_add(8)).map(<[u8; 8]>::try_from)
        {
            return u64::from_le_bytes(word).wrapping_shr(shift) & mask;
        }
        let mut word = [0u8; 16];
        let rest = self.bytes.get(byte..).unwrap_or_default();
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        (u128::from_le_bytes(word).wrapping_shr(shift) as u64) & mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_comes_back() {
        for kept in 0..=KEPT_BITS_MAX {
            let table = table(kept);
            let mut next = Some(0u64);
            for (token, entry) in table.iter().enumerate() {
                let Some((base, low)) = *entry else {
                    assert_eq!(next, None, "kept {kept}, token {token}");
                    continue;
                };
                assert_eq!(Some(base), next, "tokens leave no gap: kept {kept}, token {token}");
                assert_eq!(split(base, kept), (token as u64, low));
                let last = base + ((1u64 << low) - 1);
                assert_eq!(split(last, kept), (token as u64, low));
                next = last.checked_add(1);
            }
        }
    }

    #[test]
    fn as_many_bits_are_kept_as_a_byte_has_room_for() {
        for max in [0, 1, 127, 255, 256, 1_000, 1 << 20, 1 << 40, u64::MAX >> 1, u64::MAX] {
            let kept = most_kept(max);
            assert!(split(max, kept).0 <= 255, "{max}");
            assert!(kept == KEPT_BITS_MAX || split(max, kept + 1).0 > 255, "{max}: {kept}");
        }
        assert_eq!((most_kept(255), most_kept(u64::MAX)), (7, 2));
    }

    #[test]
    fn bits_come_back() {
        let mut writer = BitWriter::default();
        let values: Vec<(u64, u32)> = (0..2_000u32)
            .map(|i| (i % 64, u64::from(i).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .map(|(n, v)| (v & ((1 << n) - 1), n))
            .collect();
        values.iter().for_each(|(value, count)| writer.push(*value, *count));
        let bytes = writer.finish();
        assert_eq!(bytes.len() as u32, values.iter().map(|(_, count)| count).sum::<u32>().div_ceil(8));
        let mut reader = BitReader::new(&bytes);
        for (value, count) in values {
            assert_eq!(reader.take(count), value);
        }
    }
}
