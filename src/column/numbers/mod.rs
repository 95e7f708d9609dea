//! The number stream: whole numbers of 64 bits as bytes, the one thing that every encoding is built from. How many
//! numbers there are is known from outside. Reading and writing are in files of their own; `choose` picks a form.

pub(super) mod choose;
pub(super) mod read;
pub(super) mod tokens;
pub(super) mod write;

/// Folds the sign into the lowest bit: 0, -1, 1, -2 become 0, 1, 2, 3.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(super) const fn unzigzag(folded: u64) -> i64 {
    ((folded >> 1) as i64) ^ ((folded & 1) as i64).wrapping_neg()
}
