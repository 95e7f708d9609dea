//! One full sample of every record: options given, lists filled, every number different, so that a swapped field shows.

use crate::base::checksum::Hash;
use crate::format::block::{BlockIdentity, BlockKind, SetId};
use crate::format::catalog::{
    BlockEntry, BlockListRecord, BucketEntry, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkEntry,
    ChunkListRecord, VolumeEntry, VolumeIndexRecord, VolumeListRecord,
};
use crate::format::chunk::{ChunkRecord, ColumnBytesEntry, PieceEntry};
use crate::format::label::{LabelRecord, Predecessor, Salvaged};
use crate::format::marks::VolumeEndRecord;
use crate::format::section::{
    ClockEntry, ColumnEntry, CutoffEntry, HeldEntry, Losses, SectionEndRecord, SectionRecord,
};

/// The set that all samples belong to.
pub const SET: SetId = SetId([0xA0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

/// A hash that is easy to tell from others.
#[must_use]
pub fn hash(first: u8) -> Hash {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

/// Where a block of this kind could stand on volume 2 of [`SET`].
#[must_use]
pub const fn identity(kind: BlockKind) -> BlockIdentity {
    let block = if matches!(kind, BlockKind::Label) { 0 } else { 0x0102_0304_0506 };
    BlockIdentity { set: SET, volume: 2, block, section: if kind.in_section() { 7 } else { 0 } }
}

/// A label of the second volume of an incremental.
#[must_use]
pub fn label() -> LabelRecord {
    LabelRecord {
        required_features: 0,
        optional_features: 1 << 40,
        set_id: SET.0,
        volume: 2,
        label: "CMS-261121-01-LSAX-03-I-02".into(),
        created_unix: 1_795_276_800,
        created_civil: 1_795_280_400,
        source_store: "sqlite".into(),
        source_server: "cms-a".into(),
        source_database: "cms.db".into(),
        source_version: "R21".into(),
        data_types: 15,
        acd: Some(3),
        incremental: true,
        parent_set: Some([0xB0; 16]),
        sequence: 4,
        capacity: 64 << 20,
        device_record: 262_144,
        predecessor: Some(Predecessor { last_block: 99, running_hash: hash(1) }),
        retain_until: Some(20_800),
        software: "intervault 0.1.0".into(),
        purpose: 0,
        chain: [0xC0; 16],
        salvaged: Some(Salvaged { set: [0xD0; 16], lost: 1 }),
    }
}

/// The header of an interval table.
#[must_use]
pub fn section() -> SectionRecord {
    let column = |name: &str, logical, parameter, parameter2| ColumnEntry {
        name: name.into(),
        logical,
        parameter,
        parameter2,
        nullable: logical != 5,
        declared: "smallint".into(),
        collation: "NOCASE".into(),
    };
    SectionRecord {
        table: "hsplit".into(),
        data_type: 8,
        grain: 1,
        clock: ClockEntry {
            kind: 1,
            date_column: 0,
            time_column: Some(1),
            length_column: Some(2),
            length_minutes: 0,
            zone: String::new(),
        },
        acd_column: Some(3),
        columns: vec![
            column("row_date", 5, 0, 0),
            column("starttime", 1, 16, 0),
            column("intrvl", 1, 16, 0),
            column("acd", 3, 10, 2),
        ],
        first_row: 65_536,
        first_chunk: 1,
        ordered: true,
        slot_minutes: 30,
        server_bound: true,
        digest_id: 1,
        cutoffs: vec![
            CutoffEntry { acd: None, cutoff: 1_795_270_000 },
            CutoffEntry { acd: Some(1), cutoff: 1_795_270_001 },
        ],
    }
}

/// An end mark with held ranges of two ACDs.
#[must_use]
pub fn section_end() -> SectionEndRecord {
    SectionEndRecord {
        rows: 70_000,
        chunks: 2,
        buckets: 40,
        digest: [0xD1; 16],
        held: vec![
            HeldEntry { acd: Some(1), start: 1_700_000_000, stop: 1_700_086_400 },
            HeldEntry { acd: Some(2), start: -5, stop: 1_700_000_000 },
        ],
        envelope: vec![
            HeldEntry { acd: None, start: 1_690_000_000, stop: 1_700_086_401 },
            HeldEntry { acd: Some(2), start: -6, stop: 1_700_000_001 },
        ],
        lost: Some(Losses {
            any_time: false,
            time: vec![HeldEntry { acd: Some(3), start: -7, stop: 1_700_000_002 }],
            undated: vec![Some(2), Some(3)],
            gaps: vec![0, 65_536],
        }),
    }
}

/// A directory of three rows in two columns and two pieces; [`chunk_columns`] has the bytes.
#[must_use]
pub fn chunk() -> ChunkRecord {
    ChunkRecord {
        chunk: 1,
        first_row: 65_536,
        rows: 3,
        columns: vec![
            ColumnBytesEntry { encoding: 1, stored: 5, decoded: 24 },
            ColumnBytesEntry { encoding: 2, stored: 3, decoded: 20 },
        ],
        pieces: vec![
            PieceEntry {
                acd: Some(1),
                day: Some(19_782),
                piece: 2,
                last: 1,
                rows: 1,
                carried: 1,
                first: 1_709_164_800,
                stop: 1_709_168_400,
                digest: [0xD2; 16],
                carried_digest: Some([0xCD; 16]),
            },
            PieceEntry {
                acd: None,
                day: None,
                piece: 0,
                last: 2,
                rows: 1,
                carried: 0,
                first: 0,
                stop: 0,
                digest: [0xD3; 16],
                carried_digest: None,
            },
        ],
    }
}

/// Stored bytes for the columns of [`chunk`]; they need not mean anything to the format.
#[must_use]
pub fn chunk_columns() -> Vec<Vec<u8>> {
    vec![b"first".to_vec(), b"two".to_vec()]
}

/// The head of a volume index.
#[must_use]
pub fn volume_index() -> VolumeIndexRecord {
    VolumeIndexRecord { blocks: 12, bytes: 4_096, running_hash: hash(2), continues: true }
}

/// Two blocks of an index.
#[must_use]
pub fn block_list() -> BlockListRecord {
    let entry = |kind, section, offset, bytes, first| BlockEntry { kind, section, offset, bytes, hash: hash(first) };
    BlockListRecord { first_block: 4, blocks: vec![entry(3, 2, 320, 128, 3), entry(4, 2, 448, 192, 4)] }
}

/// The head of a catalog.
#[must_use]
pub fn catalog() -> CatalogRecord {
    CatalogRecord {
        volumes: 2,
        sections: 1,
        rows: 70_000,
        absent: vec!["dvdn".into(), "/cms/db/LogTable".into()],
        left_out: vec![("haglog".into(), "it has no ACD column".into())],
    }
}

/// Two volumes of a catalog.
#[must_use]
pub fn volume_list() -> VolumeListRecord {
    let entry = |blocks, bytes, first| VolumeEntry { blocks, bytes, running_hash: hash(first) };
    VolumeListRecord { first_volume: 1, volumes: vec![entry(100, 64_000, 5), entry(40, 6_400, 6)] }
}

/// A section as the catalog has it.
#[must_use]
pub fn catalog_section() -> CatalogSectionRecord {
    CatalogSectionRecord { section: 1, header: section(), end: section_end(), bytes: 123_456, listed: 77 }
}

/// Two chunks of a catalog.
#[must_use]
pub fn chunk_list() -> ChunkListRecord {
    let entry = |volume, block, offset, first_row| ChunkEntry {
        volume,
        block,
        offset,
        bytes: 4_032,
        first_row,
        rows: 65_536,
        first: 1_709_164_800,
        stop: 1_709_168_400,
        undated: 9,
    };
    ChunkListRecord { section: 1, first_chunk: 3, chunks: vec![entry(1, 5, 1_024, 0), entry(2, 2, 384, 65_536)] }
}

/// Two buckets of a catalog.
#[must_use]
pub fn bucket_list() -> BucketListRecord {
    let entry = |acd, day: Option<i32>, digest| BucketEntry {
        acd,
        day,
        pieces: 2,
        rows: 4_000,
        carried: 11,
        first: if day.is_some() { 1_709_164_800 } else { 0 },
        stop: if day.is_some() { 1_709_168_400 } else { 0 },
        digest: [digest; 16],
        carried_digest: Some([digest ^ 0xFF; 16]),
    };
    BucketListRecord {
        section: 1,
        first_bucket: 8,
        buckets: vec![entry(None, None, 0xD4), entry(Some(-3), Some(19_782), 0xD5)],
    }
}

/// The end mark of a last volume.
#[must_use]
pub fn volume_end() -> VolumeEndRecord {
    VolumeEndRecord {
        blocks: 13,
        bytes: 8_192,
        running_hash: hash(7),
        index_offset: 7_680,
        index_blocks: 2,
        catalog_offset: 6_400,
        catalog_blocks: 3,
        catalog_volume: 2,
        set_complete: true,
    }
}

/// Does the same with a sample of every record, in the order of their kinds.
#[macro_export]
#[doc(hidden)]
macro_rules! for_every_record {
    ($record:ident => $body:expr) => {{
        use $crate::testing::records as samples;
        vec![
            {
                let $record = samples::label();
                $body
            },
            {
                let $record = samples::section();
                $body
            },
            {
                let $record = samples::section_end();
                $body
            },
            {
                let $record = samples::chunk();
                $body
            },
            {
                let $record = samples::volume_index();
                $body
            },
            {
                let $record = samples::block_list();
                $body
            },
            {
                let $record = samples::catalog();
                $body
            },
            {
                let $record = samples::volume_list();
                $body
            },
            {
                let $record = samples::catalog_section();
                $body
            },
            {
                let $record = samples::chunk_list();
                $body
            },
            {
                let $record = samples::bucket_list();
                $body
            },
            {
                let $record = samples::volume_end();
                $body
            },
        ]
    }};
}
