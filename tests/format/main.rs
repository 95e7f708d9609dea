//! The byte formats of blocks and records, held from outside: round trips, damage, hostile input, a second implementation.
#![cfg(test)]

mod blocks;
mod bounds;
mod hostile;
mod records;
mod twin;

use intervault::format::record::{FRAME_LEN, Record, encode_record};

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
