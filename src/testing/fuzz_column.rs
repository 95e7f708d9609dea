//! The fuzz body of the column decoder. The first bytes say which encoding, how many rows and how much room the directory
//! promised; the rest are the column's bytes. Nothing may panic or outgrow the promise, and whatever decodes must come
//! back when it is encoded again.

use crate::column::batch::{Batch, Column, ColumnData, OwnedValue};
use crate::column::decode::{StoredColumn, decode_batch, decode_column};
use crate::column::digest::{Digest, row_hashes};
use crate::column::encode::{EncodeOptions, Related, encode_batch};
use crate::column::logical::LogicalType;

/// Bytes that choose the shape, before those of the column.
const CHOICE: usize = 4;

/// Any bytes as a column: first the encoding, the rows (two bytes, at most 511) and the room promised.
///
/// # Panics
/// A promise of the decoder or the encoder does not hold.
pub fn column(data: &[u8]) {
    let Some(([encoding, low, high, room], bytes)) = data.split_first_chunk::<CHOICE>() else { return };
    let rows = usize::from(u16::from_le_bytes([*low, *high]) % 512);
    let stored = StoredColumn { encoding: u16::from(encoding % 14), decoded: u32::from(*room) << 10, bytes };
    let earlier = Column::new(ColumnData::Integer((0..rows as i64).collect()));
    let Ok(decoded) = decode_column(&stored, rows, Some(&earlier)) else { return };
    assert_eq!(decoded.len(), rows, "a decoded column has as many values as the chunk has rows");
    assert!(size(&decoded) <= u64::from(stored.decoded), "a decoded column is larger than was promised");
    comes_back(&Batch::new(vec![decoded]));
}

/// Bytes that the values of a column take, counted as the specification does.
fn size(column: &Column) -> u64 {
    let main = match &column.data {
        ColumnData::Integer(values) => values.len() * 8,
        ColumnData::Real(values) => values.len() * 8,
        ColumnData::Text(strings) | ColumnData::Blob(strings) => strings.len() * 4 + strings.bytes.len(),
    };
    let stray = |value: &OwnedValue| match value {
        OwnedValue::Text(bytes) | OwnedValue::Blob(bytes) => 16 + bytes.len(),
        OwnedValue::Null | OwnedValue::Integer(_) | OwnedValue::Real(_) => 16,
    };
    (main + column.nulls.len() * 4 + column.strays.iter().map(|(_, value)| stray(value)).sum::<usize>()) as u64
}

fn comes_back(batch: &Batch) {
    let digest = |batch: &Batch| {
        let mut hashes = Vec::new();
        let hashed = row_hashes(batch, &vec![LogicalType::Any; batch.columns.len()], &mut hashes);
        assert!(hashed.is_ok(), "a decoded batch cannot be hashed: {hashed:?}");
        Digest::of(&hashes)
    };
    for related in [Related::Alone, Related::Allowed] {
        let encoded = encode_batch(batch, &EncodeOptions { related, ..EncodeOptions::default() });
        assert!(encoded.is_ok(), "a decoded batch cannot be encoded: {encoded:?}");
        let encoded = encoded.unwrap_or_default();
        let stored: Vec<StoredColumn<'_>> = encoded.iter().map(StoredColumn::from).collect();
        let again = decode_batch(&stored, batch.rows, None);
        let same = again.as_ref().is_ok_and(|again| alike(again, batch));
        assert!(same, "a batch does not come back: {encoded:?}");
        assert_eq!(again.map(|again| digest(&again)), Ok(digest(batch)));
    }
}

/// Equal to the bit, so that a NaN among the strays is equal to itself.
fn alike(left: &Batch, right: &Batch) -> bool {
    let exact = |value: &OwnedValue| match value {
        OwnedValue::Real(real) => (true, OwnedValue::Integer(real.to_bits() as i64)),
        other => (false, other.clone()),
    };
    let strays = |column: &Column| -> Vec<_> { column.strays.iter().map(|(row, v)| (*row, exact(v))).collect() };
    left.rows == right.rows
        && left.columns.len() == right.columns.len()
        && left
            .columns
            .iter()
            .zip(&right.columns)
            .all(|(a, b)| a.data == b.data && a.nulls == b.nulls && strays(a) == strays(b))
}

/// Seeds by name: for every example of the specification the bytes that lead the body to it.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let seed = |encoding: u8, rows: u8, bytes: &[u8]| [&[encoding, rows, 0, 1], bytes].concat();
    let zeros = [0u8; 8];
    let narrow =
        |values: &[u8]| [&[2, 1], zeros.as_slice(), &[1], &(values.len() as u32).to_le_bytes(), values].concat();
    let constant = |value: i64| [&[1u8], value.to_le_bytes().as_slice()].concat();
    let zstd = b"\x02\x20\0\0\0\x11\0\0\0\x28\xB5\x2F\xFD\x00\x58\x45\0\0\x10\x61\x61\x01\0\x22\xC0\x02";
    let tokens = [&[4, 2], zeros.as_slice(), b"\x01\x03\0\0\0\x03\x08\x16\x09"].concat();
    let sparse = [&[5], zeros.as_slice(), b"\x02\0\0\0", &narrow(&[1, 0]), &constant(5)].concat();
    let dictionary = [b"\x06\x02\0\0\0".as_slice(), &narrow(&[7, 9]), &narrow(&[0, 1, 0])].concat();
    let delta = [&[7], constant(100).get(1..).unwrap_or_default(), &constant(1)].concat();
    let planes = [&[3, 1], zeros.as_slice(), b"\x01\x02\0\0\0\x01\0"].concat();
    let texts = |parts: &[&[u8]]| parts.concat();
    vec![
        ("constant", seed(1, 3, &texts(&[&[0], &constant(30)]))),
        ("narrow", seed(1, 3, &texts(&[&[0], &narrow(&[5, 7, 6])]))),
        ("planes", seed(1, 2, &texts(&[&[0], &planes]))),
        ("tokens", seed(1, 3, &texts(&[&[0], &tokens]))),
        ("sparse", seed(1, 5, &texts(&[&[0], &sparse]))),
        ("dictionary", seed(1, 3, &texts(&[&[0], &dictionary]))),
        ("delta", seed(1, 3, &texts(&[&[0], &delta]))),
        ("nulls", seed(1, 3, &texts(&[&[4, 1, 0, 0, 0], &constant(1), &constant(9)]))),
        (
            "strays",
            seed(1, 3, &texts(&[&[8, 1, 0, 0, 0], &constant(0), b"\x01\x06\0\0\0\x02\x01\0\0\0x", &constant(4)])),
        ),
        ("reals", seed(2, 2, &texts(&[&[1], &constant(0x3FB9_9999_9999_999A)]))),
        ("scaled_reals", seed(3, 2, &texts(&[&[1, 1], &narrow(&[15, 16])]))),
        ("strings", seed(4, 3, &texts(&[&[2], &narrow(&[2, 1, 0]), b"\x01\x03\0\0\0abc"]))),
        ("blobs", seed(4, 3, &texts(&[&[3], &narrow(&[2, 1, 0]), b"\x01\x03\0\0\0abc"]))),
        ("zstd", seed(4, 1, &texts(&[&[2], &constant(32), zstd]))),
        (
            "string_dictionary",
            seed(5, 3, &texts(&[b"\x02\x02\0\0\0", &constant(1), b"\x01\x02\0\0\0ab", &narrow(&[0, 1, 1])])),
        ),
        ("dates", seed(6, 2, &texts(&[&[2], &constant(19_782)]))),
        ("timestamps", seed(7, 2, &texts(&[&[2], &constant(1_704_067_234)]))),
        ("decimals", seed(8, 2, &texts(&[&[2, 2], &narrow(&[5, 250])]))),
        ("digits", seed(9, 2, &texts(&[&[2], &narrow(&[10, 107])]))),
        ("digit_groups", seed(10, 2, &texts(&[&[2, 2, 5, 5], &constant(7), &narrow(&[9, 10])]))),
        ("equal", seed(11, 3, &[0, 0])),
        ("difference", seed(12, 3, &texts(&[&[0, 0], &constant(2)]))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_decodes() {
        for (name, seed) in seeds() {
            let encoding = u16::from(seed[0]);
            let stored = StoredColumn { encoding, decoded: 1_024, bytes: &seed[CHOICE..] };
            let earlier = Column::new(ColumnData::Integer((0..i64::from(seed[1])).collect()));
            let decoded = decode_column(&stored, usize::from(seed[1]), Some(&earlier));
            assert!(decoded.is_ok(), "{name}: {decoded:?}");
            column(&seed);
        }
    }

    #[test]
    fn every_seed_survives_every_changed_byte_and_length() {
        for (_, seed) in seeds() {
            for at in 0..seed.len() {
                column(&seed[..at]);
                for change in [1u8, 2, 4, 0x10, 0x40, 0x80, 0xFF] {
                    let mut changed = seed.clone();
                    changed[at] ^= change;
                    column(&changed);
                }
            }
        }
    }
}
