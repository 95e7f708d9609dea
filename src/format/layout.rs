//! Offsets of fixed fields, each the previous offset plus the previous width, and the tables that `format-spec.md` is
//! tested against.

/// One field of a fixed layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name in the specification.
    pub name: &'static str,
    /// Offset in bytes.
    pub offset: usize,
    /// Width in bytes.
    pub width: usize,
}

/// The block header.
pub mod block {
    use super::Field;

    /// Offset of the magic.
    pub const MAGIC: usize = 0;
    /// Offset of the format version.
    pub const VERSION: usize = MAGIC + 8;
    /// Offset of the header length.
    pub const HEADER_LEN: usize = VERSION + 2;
    /// Offset of the block kind.
    pub const KIND: usize = HEADER_LEN + 2;
    /// Offset of the flags.
    pub const FLAGS: usize = KIND + 1;
    /// Offset of the reserved bytes.
    pub const RESERVED: usize = FLAGS + 1;
    /// Offset of the set id.
    pub const SET_ID: usize = RESERVED + 2;
    /// Offset of the volume number.
    pub const VOLUME: usize = SET_ID + 16;
    /// Offset of the section number.
    pub const SECTION: usize = VOLUME + 4;
    /// Offset of the block number.
    pub const BLOCK: usize = SECTION + 4;
    /// Offset of the payload length.
    pub const PAYLOAD_LEN: usize = BLOCK + 8;
    /// Offset of the key id.
    pub const KEY_ID: usize = PAYLOAD_LEN + 4;
    /// Offset of the authentication tag.
    pub const TAG: usize = KEY_ID + 4;
    /// Offset of the payload checksum.
    pub const PAYLOAD_CRC: usize = TAG + 16;
    /// Offset of the header checksum.
    pub const HEADER_CRC: usize = PAYLOAD_CRC + 4;
    /// Length of the header.
    pub const END: usize = HEADER_CRC + 4;

    const _: () = assert!(END == 80);

    /// All fields, in order.
    pub const FIELDS: [Field; 15] = [
        Field { name: "magic", offset: MAGIC, width: VERSION - MAGIC },
        Field { name: "format_version", offset: VERSION, width: HEADER_LEN - VERSION },
        Field { name: "header_len", offset: HEADER_LEN, width: KIND - HEADER_LEN },
        Field { name: "kind", offset: KIND, width: FLAGS - KIND },
        Field { name: "flags", offset: FLAGS, width: RESERVED - FLAGS },
        Field { name: "reserved", offset: RESERVED, width: SET_ID - RESERVED },
        Field { name: "set_id", offset: SET_ID, width: VOLUME - SET_ID },
        Field { name: "volume", offset: VOLUME, width: SECTION - VOLUME },
        Field { name: "section", offset: SECTION, width: BLOCK - SECTION },
        Field { name: "block", offset: BLOCK, width: PAYLOAD_LEN - BLOCK },
        Field { name: "payload_len", offset: PAYLOAD_LEN, width: KEY_ID - PAYLOAD_LEN },
        Field { name: "key_id", offset: KEY_ID, width: TAG - KEY_ID },
        Field { name: "tag", offset: TAG, width: PAYLOAD_CRC - TAG },
        Field { name: "payload_crc", offset: PAYLOAD_CRC, width: HEADER_CRC - PAYLOAD_CRC },
        Field { name: "header_crc", offset: HEADER_CRC, width: END - HEADER_CRC },
    ];
}
