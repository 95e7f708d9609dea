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

/// The structs that stand in records, field by field in stored order, in the notation of the specification.
pub mod records {
    use crate::format::catalog::{
        BlockListRecord, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkListRecord, VolumeIndexRecord,
        VolumeListRecord,
    };
    use crate::format::chunk::ChunkRecord;
    use crate::format::label::LabelRecord;
    use crate::format::marks::VolumeEndRecord;
    use crate::format::record::Record;
    use crate::format::section::{SectionEndRecord, SectionRecord};

    /// A struct as it is stored.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct StructLayout {
        /// Name in the specification.
        pub name: &'static str,
        /// Record kind and version; `None` for a struct that only stands inside records.
        pub record: Option<(u16, u16)>,
        /// Name and type of every field, in stored order.
        pub fields: &'static [(&'static str, &'static str)],
    }

    const fn record<R: Record>(fields: &'static [(&'static str, &'static str)]) -> StructLayout {
        StructLayout { name: R::NAME, record: Some((R::KIND, R::VERSION)), fields }
    }

    const fn entry(name: &'static str, fields: &'static [(&'static str, &'static str)]) -> StructLayout {
        StructLayout { name, record: None, fields }
    }

    /// All of them: records by kind, each followed by the structs that it is the first to use.
    pub const STRUCTS: [StructLayout; 25] = [
        record::<LabelRecord>(&[
            ("required_features", "u64"),
            ("optional_features", "u64"),
            ("set_id", "bytes 16"),
            ("volume", "u32"),
            ("label", "text"),
            ("created_unix", "i64"),
            ("created_civil", "i64"),
            ("source_store", "text"),
            ("source_server", "text"),
            ("source_database", "text"),
            ("source_version", "text"),
            ("data_types", "u32"),
            ("acd", "option of i64"),
            ("incremental", "bool"),
            ("parent_set", "option of bytes 16"),
            ("sequence", "u32"),
            ("capacity", "u64"),
            ("device_record", "u32"),
            ("predecessor", "option of predecessor"),
            ("retain_until", "option of i32"),
            ("software", "text"),
            ("purpose", "u8"),
            ("chain", "bytes 16"),
            ("salvaged", "option of salvaged"),
        ]),
        entry("predecessor", &[("last_block", "u64"), ("running_hash", "bytes 32")]),
        entry("salvaged", &[("set", "bytes 16"), ("lost", "u8")]),
        record::<SectionRecord>(&[
            ("table", "text"),
            ("data_type", "u32"),
            ("grain", "u8"),
            ("clock", "clock entry"),
            ("acd_column", "option of u32"),
            ("columns", "list of column entry"),
            ("first_row", "u64"),
            ("first_chunk", "u64"),
            ("ordered", "bool"),
            ("slot_minutes", "u32"),
            ("server_bound", "bool"),
            ("digest_id", "u16"),
            ("cutoffs", "list of cutoff entry"),
        ]),
        entry(
            "clock entry",
            &[
                ("kind", "u8"),
                ("date_column", "u32"),
                ("time_column", "option of u32"),
                ("length_column", "option of u32"),
                ("length_minutes", "u32"),
                ("zone", "text"),
            ],
        ),
        entry(
            "column entry",
            &[
                ("name", "text"),
                ("logical", "u16"),
                ("parameter", "u32"),
                ("parameter2", "u32"),
                ("nullable", "bool"),
                ("declared", "text"),
                ("collation", "text"),
            ],
        ),
        entry("cutoff entry", &[("acd", "option of i64"), ("cutoff", "i64")]),
        record::<SectionEndRecord>(&[
            ("rows", "u64"),
            ("chunks", "u64"),
            ("buckets", "u64"),
            ("digest", "bytes 16"),
            ("held", "list of held entry"),
            ("envelope", "list of held entry"),
            ("lost", "option of losses"),
        ]),
        entry("held entry", &[("acd", "option of i64"), ("start", "i64"), ("stop", "i64")]),
        entry(
            "losses",
            &[
                ("any_time", "bool"),
                ("time", "list of held entry"),
                ("undated", "list of option of i64"),
                ("gaps", "list of u64"),
            ],
        ),
        record::<ChunkRecord>(&[
            ("chunk", "u64"),
            ("first_row", "u64"),
            ("rows", "u32"),
            ("columns", "list of column bytes entry"),
            ("pieces", "list of piece entry"),
        ]),
        entry("column bytes entry", &[("encoding", "u16"), ("stored", "u32"), ("decoded", "u32")]),
        entry(
            "piece entry",
            &[
                ("acd", "option of i64"),
                ("day", "option of i32"),
                ("piece", "u32"),
                ("last", "u8"),
                ("rows", "u32"),
                ("carried", "u32"),
                ("first", "i64"),
                ("stop", "i64"),
                ("digest", "bytes 16"),
                ("carried_digest", "option of bytes 16"),
            ],
        ),
        record::<VolumeIndexRecord>(&[
            ("blocks", "u64"),
            ("bytes", "u64"),
            ("running_hash", "bytes 32"),
            ("continues", "bool"),
        ]),
        record::<BlockListRecord>(&[("first_block", "u64"), ("blocks", "list of block entry")]),
        entry(
            "block entry",
            &[("kind", "u8"), ("section", "u32"), ("offset", "u64"), ("bytes", "u32"), ("hash", "bytes 32")],
        ),
        record::<CatalogRecord>(&[
            ("volumes", "u32"),
            ("sections", "u32"),
            ("rows", "u64"),
            ("absent", "list of text"),
            ("left_out", "list of (text, text)"),
        ]),
        record::<VolumeListRecord>(&[("first_volume", "u32"), ("volumes", "list of volume entry")]),
        entry("volume entry", &[("blocks", "u64"), ("bytes", "u64"), ("running_hash", "bytes 32")]),
        record::<CatalogSectionRecord>(&[
            ("section", "u32"),
            ("header", "embedded section header"),
            ("end", "embedded section end"),
            ("bytes", "u64"),
            ("listed", "u64"),
        ]),
        record::<ChunkListRecord>(&[("section", "u32"), ("first_chunk", "u64"), ("chunks", "list of chunk entry")]),
        entry(
            "chunk entry",
            &[
                ("volume", "u32"),
                ("block", "u64"),
                ("offset", "u64"),
                ("bytes", "u32"),
                ("first_row", "u64"),
                ("rows", "u32"),
                ("first", "i64"),
                ("stop", "i64"),
                ("undated", "u32"),
            ],
        ),
        record::<BucketListRecord>(&[("section", "u32"), ("first_bucket", "u64"), ("buckets", "list of bucket entry")]),
        entry(
            "bucket entry",
            &[
                ("acd", "option of i64"),
                ("day", "option of i32"),
                ("pieces", "u32"),
                ("rows", "u64"),
                ("carried", "u64"),
                ("first", "i64"),
                ("stop", "i64"),
                ("digest", "bytes 16"),
                ("carried_digest", "option of bytes 16"),
            ],
        ),
        record::<VolumeEndRecord>(&[
            ("blocks", "u64"),
            ("bytes", "u64"),
            ("running_hash", "bytes 32"),
            ("index_offset", "u64"),
            ("index_blocks", "u32"),
            ("catalog_offset", "u64"),
            ("catalog_blocks", "u32"),
            ("catalog_volume", "u32"),
            ("set_complete", "bool"),
        ]),
    ];
}

/// The caps and fixed sizes that the specification lists, with their values.
pub mod numbers {
    use crate::base::limits;
    use crate::format::{block, marks, record, version};

    /// Fixed numbers of the format: (name in the specification, value).
    pub const FIXED: [(&str, u64); 5] = [
        ("format version", version::FORMAT_VERSION as u64),
        ("alignment", block::ALIGNMENT as u64),
        ("header length", block::HEADER_LEN as u64),
        ("record frame length", record::FRAME_LEN as u64),
        ("end mark block length", marks::VOLUME_END_BLOCK_LEN as u64),
    ];

    /// Caps of the format: (name in the specification, value).
    pub const LIMITS: [(&str, u64); 12] = [
        ("block payload, bytes", limits::BLOCK_PAYLOAD_MAX as u64),
        ("record body, bytes", limits::RECORD_BYTES_MAX as u64),
        ("rows in a chunk", limits::CHUNK_ROWS_MAX as u64),
        ("decoded bytes of a chunk, reader", limits::CHUNK_DECODED_MAX),
        ("decoded bytes of a chunk, writer", limits::CHUNK_DECODED_TARGET),
        ("columns of a table", limits::COLUMNS_MAX as u64),
        ("pieces in a chunk", limits::CHUNK_BUCKETS_MAX as u64),
        ("name, bytes", limits::NAME_BYTES_MAX as u64),
        ("entries in a list of a record", limits::RECORD_ENTRIES_MAX as u64),
        ("sections in a set", limits::SECTIONS_MAX as u64),
        ("volumes in a set", limits::VOLUMES_MAX as u64),
        ("minutes of an interval", limits::INTERVAL_MINUTES_MAX as u64),
    ];
}
