//! Blocks: what the header promises, bit by bit.

use intervault::format::block::{
    ALIGNMENT, BlockHeader, BlockIdentity, BlockKind, HEADER_LEN, SetId, block_len, encode_block,
};
use intervault::format::error::{FormatError, FormatErrorKind};
use intervault::format::layout::block as at;
use intervault::format::record::encode_record;
use intervault::testing::damage::mend_block;
use intervault::testing::records;

fn read(bytes: &[u8]) -> Result<(BlockHeader, Vec<u8>), FormatError> {
    let header = BlockHeader::parse(bytes)?;
    let payload = header.payload(bytes)?.to_vec();
    Ok((header, payload))
}

fn label_block() -> Vec<u8> {
    let payload = encode_record(&records::label()).unwrap();
    encode_block(BlockKind::Label, records::identity(BlockKind::Label), &payload).unwrap()
}

/// The message for a label block with some bytes overwritten and its checksums made right again.
fn message(at: usize, bytes: &[u8]) -> String {
    let mut block = label_block();
    block[at..at + bytes.len()].copy_from_slice(bytes);
    mend_block(&mut block);
    read(&block).unwrap_err().to_string()
}

#[test]
fn every_kind_and_every_length_reads_back() {
    let kinds = BlockKind::ALL.into_iter().chain([BlockKind::Optional(128), BlockKind::Optional(255)]);
    for kind in kinds {
        for len in (0..200).chain([4_095, 4_096, 65_537]) {
            let payload: Vec<u8> = (0..len).map(|at| (at * 7 + 1) as u8).collect();
            let block = encode_block(kind, records::identity(kind), &payload).unwrap();
            assert_eq!((block.len() % ALIGNMENT, block.len()), (0, block_len(len)));
            let (header, found) = read(&block).unwrap();
            assert_eq!((header.kind, header.identity, found), (kind, records::identity(kind), payload));
        }
    }
}

#[test]
fn every_bit_flipped_is_detected() {
    let chunk = encode_block(BlockKind::Chunk, records::identity(BlockKind::Chunk), &[0; 70]).unwrap();
    for block in [label_block(), chunk] {
        assert!(read(&block).is_ok() && block.last() == Some(&0), "the block should have padding");
        for bit in 0..block.len() * 8 {
            let mut damaged = block.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = read(&damaged).expect_err("a flipped bit was not noticed");
            // A flipped bit is damage: it is never taken for a newer version or a feature.
            let damage = matches!(error.kind, FormatErrorKind::Checksum { .. } | FormatErrorKind::Magic);
            assert!(damage, "bit {bit}: {error}");
        }
    }
}

#[test]
fn every_truncation_is_detected() {
    let block = label_block();
    for len in 0..block.len() {
        let error = read(&block[..len]).unwrap_err();
        assert!(matches!(error.kind, FormatErrorKind::Short { .. }), "{len} bytes: {error}");
    }
}

#[test]
fn a_block_in_the_wrong_place_is_named_with_both_places() {
    let (header, _) = read(&label_block()).unwrap();
    assert_eq!(header.expect(records::SET, 2, 0), Ok(()));
    let elsewhere = [(SetId([9; 16]), 2, 0), (records::SET, 1, 0), (records::SET, 2, 1)];
    for (set, volume, block) in elsewhere {
        let error = header.expect(set, volume, block).unwrap_err();
        assert!(matches!(error.kind, FormatErrorKind::Identity { .. }), "{error}");
        assert_eq!((error.at.volume, error.at.block), (Some(volume), Some(block)));
    }
    assert_eq!(
        header.expect(SetId([9; 16]), 3, 4).unwrap_err().to_string(),
        "this block belongs to set a00102030405060708090a0b0c0d0e0f, volume 2, block 0, expected set \
         09090909090909090909090909090909, volume 3, block 4: a block in the wrong place, or volumes of two sets mixed \
         (volume 3, block 4, byte 16)"
    );
    let mut label = records::label();
    assert_eq!(label.check_block(&header), Ok(()));
    label.volume = 3;
    assert!(matches!(label.check_block(&header).unwrap_err().kind, FormatErrorKind::Identity { .. }));
}

#[test]
fn what_the_header_may_not_say_is_refused_by_name() {
    let cases: [(usize, &[u8], &str); 14] = [
        (at::MAGIC, b"PK", "not an intervault block: the magic is missing (byte 0)"),
        (at::VERSION, &[0, 0], "format_version is 0, allowed: 1 (volume 2, block 0, byte 8)"),
        (
            at::VERSION,
            &[2, 0],
            "format version 2 is newer than 1, the newest that this release reads: use a newer release (volume 2, \
             block 0, byte 8)",
        ),
        (at::HEADER_LEN, &[96, 0], "header_len is 96, allowed: 80 (volume 2, block 0, byte 10)"),
        (at::KIND, &[0], "kind is 0, allowed: 1 or more (volume 2, block 0, byte 12)"),
        (
            at::KIND,
            &[8],
            "the volume needs blocks of kind 8 (continuation), which this release does not understand: use a newer \
             release (volume 2, block 0, byte 12)",
        ),
        (
            at::KIND,
            &[127],
            "the volume needs blocks of kind 127 (unknown), which this release does not understand: use a newer \
             release (volume 2, block 0, byte 12)",
        ),
        (at::FLAGS, &[4], "flags is 4, allowed: 0 (volume 2, block 0, byte 13)"),
        (at::RESERVED, &[0, 1], "reserved is 256, allowed: 0 (volume 2, block 0, byte 14)"),
        (at::VOLUME, &[0; 4], "volume is 0, allowed: 1 or more (volume 0, block 0, byte 32)"),
        (at::SECTION, &[1], "section is 1, allowed: 0 outside sections (volume 2, block 0, byte 36)"),
        (at::BLOCK, &[1], "block is 1, allowed: 0 exactly for the label (volume 2, block 1, byte 40)"),
        (
            at::KEY_ID,
            &[5, 0],
            "the volume needs sealed payloads (key 5), which this release does not understand: use a newer release \
             (volume 2, block 0, byte 52)",
        ),
        (at::TAG, &[0, 1], "tag is 1, allowed: 16 zero bytes (volume 2, block 0, byte 56)"),
    ];
    for (at, bytes, expected) in cases {
        assert_eq!(message(at, bytes), expected);
    }
    let over = 1_000_001u32.to_le_bytes();
    assert_eq!(
        message(at::VOLUME, &over),
        "volume is 1000001, the limit is 1000000 (volume 1000001, block 0, byte 32)"
    );
}

#[test]
fn a_payload_length_over_the_cap_or_past_the_end_takes_no_memory() {
    let limit = "payload_len is 4294967295, the limit is 16777216 (volume 2, block 0, byte 48)";
    assert_eq!(message(at::PAYLOAD_LEN, &[0xFF; 4]), limit);
    let length = label_block().len();
    let long = message(at::PAYLOAD_LEN, &(16u32 << 20).to_le_bytes());
    assert_eq!(long, format!("16777344 bytes wanted, {length} left (volume 2, block 0, byte 0)"));
    // A length that is too small leaves payload where padding should be, or a block that ends too early.
    let less = (length - HEADER_LEN - 60) as u32;
    let short = message(at::PAYLOAD_LEN, &less.to_le_bytes());
    assert_eq!(short, format!("padding is 1, allowed: zeros (volume 2, block 0, byte {})", length - 60));
    let short = message(at::PAYLOAD_LEN, &8u32.to_le_bytes());
    assert!(short.starts_with("padding is "), "{short}");
}

#[test]
fn padding_that_is_not_zero_is_refused_though_its_checksum_is_right() {
    let identity = records::identity(BlockKind::Chunk);
    let mut block = encode_block(BlockKind::Chunk, identity, b"rows").unwrap();
    *block.last_mut().unwrap() = 1;
    mend_block(&mut block);
    let error = read(&block).unwrap_err();
    assert_eq!(error.to_string(), "padding is 1, allowed: zeros (volume 2, block 1108152157446, byte 84)");
}

#[test]
fn a_newer_version_with_a_longer_header_is_still_named() {
    let mut block = label_block();
    block[at::VERSION] = 9;
    block[at::HEADER_LEN] = 128;
    block[at::FLAGS] = 0xFF;
    mend_block(&mut block);
    // The 80 bytes that all versions share are enough.
    let error = BlockHeader::parse(&block[..HEADER_LEN]).unwrap_err();
    assert_eq!(error.kind, FormatErrorKind::Version { found: 9, newest: 1 });
}

#[test]
fn a_writer_cannot_make_what_a_reader_refuses() {
    let good = records::identity(BlockKind::Chunk);
    let cases = [
        (BlockKind::Chunk, BlockIdentity { section: 0, ..good }, "section"),
        (BlockKind::Catalog, good, "section"),
        (BlockKind::Chunk, BlockIdentity { block: 0, ..good }, "block"),
        (BlockKind::Label, BlockIdentity { section: 0, ..good }, "block"),
        (BlockKind::Chunk, BlockIdentity { volume: 0, ..good }, "volume"),
        (BlockKind::Chunk, BlockIdentity { volume: 1_000_001, ..good }, "volume"),
        (BlockKind::Chunk, BlockIdentity { section: 65_537, ..good }, "section"),
    ];
    for (kind, identity, field) in cases {
        let error = encode_block(kind, identity, &[]).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
    let most = encode_block(BlockKind::Chunk, good, &vec![0; 16 << 20]).unwrap();
    assert!(read(&most).is_ok());
    let error = encode_block(BlockKind::Chunk, good, &vec![0; (16 << 20) + 1]).unwrap_err();
    assert!(matches!(error.kind, FormatErrorKind::Limit { field: "payload_len", .. }), "{error}");
}
