//! A second implementation of the record layout: the same structs, declared again, written and read by `wincode`. Both
//! must make the same bytes and accept the same bytes.
#![expect(clippy::mem_forget, reason = "what wincode derives forgets its drop guards")]

use super::{body, framed};
use intervault::format::catalog as theirs_catalog;
use intervault::format::chunk as theirs_chunk;
use intervault::format::error::FormatErrorKind;
use intervault::format::label as theirs_label;
use intervault::format::marks as theirs_marks;
use intervault::format::record::{Record, decode_record};
use intervault::format::section as theirs_section;
use intervault::testing::mutate::{Rng, mutate};
use intervault::testing::records;
use wincode::{SchemaRead, SchemaWrite};

/// A struct of this file made from the engine's.
trait Twin<T> {
    fn of(original: &T) -> Self;
}

macro_rules! same {
    ($($kind:ty),*) => { $(impl Twin<$kind> for $kind { fn of(original: &$kind) -> $kind { original.clone() } })* };
}

same!(u8, u16, u32, u64, i32, i64, bool, String, [u8; 16], [u8; 32], (String, String));

impl<T, U: Twin<T>> Twin<Vec<T>> for Vec<U> {
    fn of(original: &Vec<T>) -> Vec<U> {
        original.iter().map(U::of).collect()
    }
}

impl<T, U: Twin<T>> Twin<Option<T>> for Option<U> {
    fn of(original: &Option<T>) -> Option<U> {
        original.as_ref().map(U::of)
    }
}

/// A record inside a record: its bytes with their length before them.
#[derive(SchemaWrite, SchemaRead, Debug, PartialEq)]
struct Embedded(Vec<u8>);

impl<R: Record> Twin<R> for Embedded {
    fn of(original: &R) -> Embedded {
        Embedded(body(original))
    }
}

macro_rules! twins {
    ($($name:ident of $original:ty { $($field:ident: $kind:ty),* $(,)? })*) => { $(
        #[derive(SchemaWrite, SchemaRead, Debug, PartialEq)]
        struct $name { $($field: $kind),* }

        impl Twin<$original> for $name {
            fn of(original: &$original) -> $name { $name { $($field: Twin::of(&original.$field)),* } }
        }
    )* };
}

type Id = [u8; 16];
type Hash = [u8; 32];

twins! {
    Label of theirs_label::LabelRecord {
        required_features: u64, optional_features: u64, set_id: Id, volume: u32, label: String, created_unix: i64,
        created_civil: i64, source_store: String, source_server: String, source_database: String,
        source_version: String, data_types: u32, acd: Option<i64>, incremental: bool, parent_set: Option<Id>,
        sequence: u32, capacity: u64, device_record: u32, predecessor: Option<Predecessor>,
        retain_until: Option<i32>, software: String, purpose: u8, chain: Id,
        salvaged: Option<Salvaged>,
    }
    Salvaged of theirs_label::Salvaged { set: Id, lost: u8 }
    Predecessor of theirs_label::Predecessor { last_block: u64, running_hash: Hash }
    Section of theirs_section::SectionRecord {
        table: String, data_type: u32, grain: u8, clock: Clock, acd_column: Option<u32>, columns: Vec<Column>,
        first_row: u64, first_chunk: u64, ordered: bool, slot_minutes: u32, server_bound: bool, digest_id: u16,
        cutoffs: Vec<Cutoff>,
    }
    Clock of theirs_section::ClockEntry {
        kind: u8, date_column: u32, time_column: Option<u32>, length_column: Option<u32>,
        length_minutes: u32, zone: String,
    }
    Column of theirs_section::ColumnEntry {
        name: String, logical: u16, parameter: u32, parameter2: u32, nullable: bool, declared: String,
        collation: String,
    }
    Cutoff of theirs_section::CutoffEntry { acd: Option<i64>, cutoff: i64 }
    SectionEnd of theirs_section::SectionEndRecord {
        rows: u64, chunks: u64, buckets: u64, digest: Id, held: Vec<Held>, envelope: Vec<Held>,
        lost: Option<Losses>,
    }
    Held of theirs_section::HeldEntry { acd: Option<i64>, start: i64, stop: i64 }
    Losses of theirs_section::Losses { any_time: bool, time: Vec<Held>, undated: Vec<Option<i64>>, gaps: Vec<u64> }
    Chunk of theirs_chunk::ChunkRecord {
        chunk: u64, first_row: u64, rows: u32, columns: Vec<ColumnBytes>, pieces: Vec<Piece>,
    }
    ColumnBytes of theirs_chunk::ColumnBytesEntry { encoding: u16, stored: u32, decoded: u32 }
    Piece of theirs_chunk::PieceEntry {
        acd: Option<i64>, day: Option<i32>, piece: u32, last: u8, rows: u32, carried: u32, first: i64, stop: i64,
        digest: Id, carried_digest: Option<Id>,
    }
    Index of theirs_catalog::VolumeIndexRecord { blocks: u64, bytes: u64, running_hash: Hash, continues: bool }
    Blocks of theirs_catalog::BlockListRecord { first_block: u64, blocks: Vec<Block> }
    Block of theirs_catalog::BlockEntry { kind: u8, section: u32, offset: u64, bytes: u32, hash: Hash }
    Catalog of theirs_catalog::CatalogRecord {
        volumes: u32, sections: u32, rows: u64, absent: Vec<String>, left_out: Vec<(String, String)>,
    }
    Volumes of theirs_catalog::VolumeListRecord { first_volume: u32, volumes: Vec<Volume> }
    Volume of theirs_catalog::VolumeEntry { blocks: u64, bytes: u64, running_hash: Hash }
    CatalogSection of theirs_catalog::CatalogSectionRecord {
        section: u32, header: Embedded, end: Embedded, bytes: u64, listed: u64,
    }
    Chunks of theirs_catalog::ChunkListRecord { section: u32, first_chunk: u64, chunks: Vec<ListedChunk> }
    ListedChunk of theirs_catalog::ChunkEntry {
        volume: u32, block: u64, offset: u64, bytes: u32, first_row: u64, rows: u32, first: i64, stop: i64,
        undated: u32,
    }
    Buckets of theirs_catalog::BucketListRecord { section: u32, first_bucket: u64, buckets: Vec<Bucket> }
    Bucket of theirs_catalog::BucketEntry {
        acd: Option<i64>, day: Option<i32>, pieces: u32, rows: u64, carried: u64, first: i64, stop: i64,
        digest: Id, carried_digest: Option<Id>,
    }
    End of theirs_marks::VolumeEndRecord {
        blocks: u64, bytes: u64, running_hash: Hash, index_offset: u64, index_blocks: u32, catalog_offset: u64,
        catalog_blocks: u32, catalog_volume: u32, set_complete: bool,
    }
}

/// How often each way of judging a body came up.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

/// Both make the same bytes of a record; and of mutated bytes both say the same: the same value, or no value.
macro_rules! agree {
    ($twin:ty, $record:ty, $sample:expr, $tally:expr) => {{
        let sample = $sample;
        let bytes = body(&sample);
        assert_eq!(wincode::serialize(&<$twin>::of(&sample)).unwrap(), bytes, stringify!($twin));
        let mut rng = Rng::new(7);
        for round in 0..4_000 {
            let mut bytes = bytes.clone();
            if round > 0 {
                mutate(&mut bytes, &mut rng);
            }
            let ours = decode_record::<$record>(&framed::<$record>(&bytes));
            match (wincode::deserialize::<$twin>(&bytes), ours) {
                (Ok(twin), Ok(record)) => {
                    assert_eq!(twin, <$twin>::of(&record), "round {round} of {}", stringify!($twin));
                    $tally.accepted += 1;
                }
                // What only the engine refuses are values that the layout allows and the specification does not.
                (Ok(_), Err(error)) => {
                    assert!(!matches!(error.kind, FormatErrorKind::Record { .. }), "round {round}: {error}");
                    $tally.refused += 1;
                }
                (Err(_), Err(_)) => $tally.refused += 1,
                (Err(twin), Ok(record)) => panic!("round {round}: only wincode refuses {record:?}: {twin}"),
            }
        }
    }};
}

#[test]
fn both_implementations_write_and_read_the_same() {
    let mut tally = Tally::default();
    agree!(Label, theirs_label::LabelRecord, records::label(), tally);
    agree!(Section, theirs_section::SectionRecord, records::section(), tally);
    agree!(SectionEnd, theirs_section::SectionEndRecord, records::section_end(), tally);
    agree!(Chunk, theirs_chunk::ChunkRecord, records::chunk(), tally);
    agree!(Index, theirs_catalog::VolumeIndexRecord, records::volume_index(), tally);
    agree!(Blocks, theirs_catalog::BlockListRecord, records::block_list(), tally);
    agree!(Catalog, theirs_catalog::CatalogRecord, records::catalog(), tally);
    agree!(Volumes, theirs_catalog::VolumeListRecord, records::volume_list(), tally);
    agree!(Chunks, theirs_catalog::ChunkListRecord, records::chunk_list(), tally);
    agree!(Buckets, theirs_catalog::BucketListRecord, records::bucket_list(), tally);
    agree!(End, theirs_marks::VolumeEndRecord, records::volume_end(), tally);
    assert!(tally.accepted > 4_000 && tally.refused > 4_000, "{} and {}", tally.accepted, tally.refused);
}

#[test]
fn options_not_given_and_empty_lists_are_the_same_too() {
    let label = theirs_label::LabelRecord {
        volume: 1,
        acd: None,
        incremental: false,
        parent_set: None,
        sequence: 0,
        predecessor: None,
        retain_until: None,
        chain: records::SET.0,
        salvaged: None,
        ..records::label()
    };
    assert_eq!(wincode::serialize(&Label::of(&label)).unwrap(), body(&label));
    let end = theirs_section::SectionEndRecord {
        held: Vec::new(),
        envelope: Vec::new(),
        lost: None,
        ..records::section_end()
    };
    assert_eq!(wincode::serialize(&SectionEnd::of(&end)).unwrap(), body(&end));
}

#[test]
fn an_embedded_record_is_its_length_and_its_body() {
    let sample = records::catalog_section();
    assert_eq!(wincode::serialize(&CatalogSection::of(&sample)).unwrap(), body(&sample));
}
