//! The only place that knows bincode: fixed-width little-endian integers, `u64` lengths, one byte for an option's tag.
//! `format-spec.md` describes the bytes, so that no reader needs the crate.

use crate::base::limits::RECORD_BYTES_MAX;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

const LIMIT: usize = RECORD_BYTES_MAX as usize;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<LIMIT>> =
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>();

/// The bytes of a record body.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(value, CONFIG).map_err(|error| error.to_string())
}

/// The value of a record body, and how many bytes it took. Never allocates more than the bytes that are there justify,
/// nor than [`RECORD_BYTES_MAX`].
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), String> {
    bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|error| error.to_string())
}
