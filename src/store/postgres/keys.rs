//! Row keys: where a row lies (its `ctid`) as one number. Of a partitioned table the leaf that it lies in leads.
//!
//! A key has 15 bits for the leaf, 32 for the block and 16 for the place in the block, so that keys ascend as the rows lie.
//! They are never chosen by us. They stay as they are until the row is changed or the table is rewritten (VACUUM FULL, CLUSTER);
//! who keeps them keeps a digest of the rows too.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::store::control::KeyRuns;

/// Most leaves that a partitioned table may have: what 15 bits can tell apart.
pub(super) const LEAVES_MAX: usize = 1 << 15;
const BLOCK_SHIFT: u32 = 16;
const LEAF_SHIFT: u32 = 48;

/// Where a row lies in its table or leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tid {
    /// The block, from 0.
    pub(super) block: u32,
    /// The place in the block, from 1.
    pub(super) offset: u16,
}

/// As PostgreSQL writes it.
impl std::fmt::Display for Tid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

impl Tid {
    /// Reads `(block,offset)`.
    pub(super) fn parse(text: &[u8]) -> Option<Tid> {
        let inner = text.strip_prefix(b"(")?.strip_suffix(b")")?;
        let comma = inner.iter().position(|byte| *byte == b',')?;
        let (block, offset) = inner.split_at_checked(comma)?;
        Some(Tid { block: u32::try_from(number(block)?).ok()?, offset: u16::try_from(number(offset.get(1..)?)?).ok()? })
    }

    /// The key of the row here, in leaf number `leaf`.
    pub(super) const fn key(self, leaf: u16) -> i64 {
        (((leaf & 0x7FFF) as i64) << LEAF_SHIFT) | ((self.block as i64) << BLOCK_SHIFT) | self.offset as i64
    }

    /// The leaf and the place of a key; `None` for a negative one, which is no row's.
    pub(super) fn of_key(key: i64) -> Option<(u16, Tid)> {
        let leaf = u16::try_from(key >> LEAF_SHIFT).ok()?;
        Some((leaf, Tid { block: (key >> BLOCK_SHIFT) as u32, offset: key as u16 }))
    }
}

/// At most 10 digits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        digit.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0'))))
    })
}

/// Blocks of one leaf, first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// The leaf.
    pub(super) leaf: u16,
    /// First block, inclusive.
    pub(super) first: u32,
    /// Last block, inclusive.
    pub(super) last: u32,
}

/// The ranges of blocks that hold the rows of some keys. Ranges with fewer than `gap` blocks between them are one.
pub(super) fn blocks(keys: &KeyRuns, gap: u32) -> Vec<Blocks> {
    let mut ranges: Vec<Blocks> = Vec::new();
    for (first, last) in keys.iter() {
        // A run crosses no end of a leaf: no row has the last place of the last block.
        let (Some((leaf, from)), Some((end, to))) = (Tid::of_key(first.max(0)), Tid::of_key(last)) else { continue };
        let to = if end == leaf { to.block } else { u32::MAX };
        match ranges.last_mut() {
            Some(range) if range.leaf == leaf && from.block <= range.last.saturating_add(gap) => {
                range.last = range.last.max(to);
            }
            _ => ranges.push(Blocks { leaf, first: from.block, last: to }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_place_and_a_place_a_key() {
        for (leaf, block, offset) in [(0, 0, 1), (0, 7, 300), (3, u32::MAX, u16::MAX), (0x7FFF, 1, 0)] {
            let tid = Tid { block, offset };
            assert_eq!(Tid::of_key(tid.key(leaf)), Some((leaf, tid)));
            assert_eq!(Tid::parse(tid.to_string().as_bytes()), Some(tid));
            assert!(tid.key(leaf) >= 0);
        }
        assert_eq!(Tid::of_key(-1), None);
        for text in ["", "(1)", "(1,2", "1,2", "(,2)", "(1,)", "(4294967296,1)", "(1,65536)", "(1, 2)", "(-1,2)"] {
            assert_eq!(Tid::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn keys_ascend_as_rows_lie() {
        let keys =
            [(0, 0, 1), (0, 0, 2), (0, 1, 1), (1, 0, 1)].map(|(leaf, block, offset)| Tid { block, offset }.key(leaf));
        assert!(keys.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn near_blocks_are_read_in_one_go() {
        let key = |leaf, block| Tid { block, offset: 5 }.key(leaf);
        let keys = KeyRuns::of_keys(&[key(0, 1), key(0, 2), key(0, 9), key(2, 3)]);
        let range = |leaf, first, last| Blocks { leaf, first, last };
        assert_eq!(blocks(&keys, 2), [range(0, 1, 2), range(0, 9, 9), range(2, 3, 3)]);
        assert_eq!(blocks(&keys, 8), [range(0, 1, 9), range(2, 3, 3)]);
        assert_eq!(blocks(&KeyRuns::of_keys(&[-9]), 8), []);
    }
}
