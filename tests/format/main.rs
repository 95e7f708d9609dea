//! The byte formats of blocks and records, held from outside: round trips, damage, hostile input, a second implementation.
#![cfg(test)]

mod blocks;
mod bounds;
mod hostile;
mod records;
mod twin;

use intervault::base::checksum::crc32;
use intervault::format::block::HEADER_LEN;
use intervault::format::layout::block as at;
use intervault::format::record::{FRAME_LEN, Record, encode_record};

/// Both checksums of a block made right again.
fn repair(block: &mut [u8]) {
    let payload = crc32(&block[HEADER_LEN..]);
    block[at::PAYLOAD_CRC..at::HEADER_CRC].copy_from_slice(&payload.to_le_bytes());
    let header = crc32(&block[..at::HEADER_CRC]);
    block[at::HEADER_CRC..HEADER_LEN].copy_from_slice(&header.to_le_bytes());
}

/// A payload with one record of type `R` with this body.
fn framed<R: Record>(body: &[u8]) -> Vec<u8> {
    let mut payload = R::KIND.to_le_bytes().to_vec();
    payload.extend(R::VERSION.to_le_bytes());
    payload.extend((body.len() as u32).to_le_bytes());
    payload.extend(body);
    payload
}

/// The body of a record.
fn body<R: Record>(record: &R) -> Vec<u8> {
    encode_record(record).unwrap().split_off(FRAME_LEN)
}
