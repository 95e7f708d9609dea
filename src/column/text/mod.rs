//! Texts and blobs as bytes: as they are, by dictionary, or as the numbers that they spell.

pub(super) mod digits;
pub(super) mod read;
pub(super) mod write;
