//! The checksums of blocks and of the stream of blocks.

/// A 256-bit BLAKE3 hash.
pub type Hash = [u8; 32];

/// CRC-32 (IEEE 802.3, reflected, as in zlib) of some bytes.
///
/// ```
/// assert_eq!(intervault::base::checksum::crc32(b"123456789"), 0xCBF4_3926);
/// ```
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// BLAKE3 of some bytes.
#[must_use]
pub fn blake3(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// The running hash of a volume after one more block: BLAKE3 of the hash before it followed by the hash of the block.
/// Before the first block of a volume the running hash is 32 zero bytes.
#[must_use]
pub fn chain(before: &Hash, block: &Hash) -> Hash {
    let mut both = [0; 64];
    let (left, right) = both.split_at_mut(32);
    left.copy_from_slice(before);
    right.copy_from_slice(block);
    blake3(&both)
}
