//! A second implementation of the record layout: the same structs, declared again, written and read by `wincode`. Both
//! must make the same bytes and accept the same bytes.
#![expect(clippy::mem_forget, reason = "what wincode derives forgets its drop guards")]

use super::fuzz::framed;
use super::seeds::body;
use crate::format::error::{FormatError, FormatErrorKind};
use crate::format::record::{Record, decode_record};
use crate::format::{catalog, chunk, label, marks, section};
use std::fmt::Debug;
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
    Label of label::LabelRecord {
        required_features: u64, optional_features: u64, set_id: Id, volume: u32, label: String, created_unix: i64,
        created_civil: i64, source_store: String, source_server: String, source_database: String,
        source_version: String, data_types: u32, acd: Option<i64>, incremental: bool, parent_set: Option<Id>,
        sequence: u32, capacity: u64, device_record: u32, predecessor: Option<Predecessor>,
        retain_until: Option<i32>, software: String, purpose: u8, chain: Id,
        salvaged: Option<Salvaged>,
    }
    Salvaged of label::Salvaged { set: Id, lost: u8 }
    Predecessor of label::Predecessor { last_block: u64, running_hash: Hash }
    Section of section::SectionRecord {
        table: String, data_type: u32, grain: u8, clock: Clock, acd_column: Option<u32>, columns: Vec<Column>,
        first_row: u64, first_chunk: u64, ordered: bool, slot_minutes: u32, server_bound: bool, digest_id: u16,
        cutoffs: Vec<Cutoff>,
    }
    Clock of section::ClockEntry {
        kind: u8, date_column: u32, time_column: Option<u32>, length_column: Option<u32>,
        length_minutes: u32, zone: String,
    }
    Column of section::ColumnEntry {
        name: String, logical: u16, parameter: u32, parameter2: u32, nullable: bool, declared: String,
        collation: String,
    }
    Cutoff of section::CutoffEntry { acd: Option<i64>, cutoff: i64 }
    SectionEnd of section::SectionEndRecord {
        rows: u64, chunks: u64, buckets: u64, digest: Id, held: Vec<Held>, envelope: Vec<Held>,
        lost: Option<Losses>,
    }
    Held of section::HeldEntry { acd: Option<i64>, start: i64, stop: i64 }
    Losses of section::Losses { any_time: bool, time: Vec<Held>, undated: Vec<Option<i64>>, gaps: Vec<u64> }
    Chunk of chunk::ChunkRecord {
        chunk: u64, first_row: u64, rows: u32, columns: Vec<ColumnBytes>, pieces: Vec<Piece>,
    }
    ColumnBytes of chunk::ColumnBytesEntry { encoding: u16, stored: u32, decoded: u32 }
    Piece of chunk::PieceEntry {
        acd: Option<i64>, day: Option<i32>, piece: u32, last: u8, rows: u32, carried: u32, first: i64, stop: i64,
        digest: Id, carried_digest: Option<Id>,
    }
    Index of catalog::VolumeIndexRecord { blocks: u64, bytes: u64, running_hash: Hash, continues: bool }
    Blocks of catalog::BlockListRecord { first_block: u64, blocks: Vec<Block> }
    Block of catalog::BlockEntry { kind: u8, section: u32, offset: u64, bytes: u32, hash: Hash }
    Catalog of catalog::CatalogRecord {
        volumes: u32, sections: u32, rows: u64, absent: Vec<String>, left_out: Vec<(String, String)>,
    }
    Volumes of catalog::VolumeListRecord { first_volume: u32, volumes: Vec<Volume> }
    Volume of catalog::VolumeEntry { blocks: u64, bytes: u64, running_hash: Hash }
    CatalogSection of catalog::CatalogSectionRecord {
        section: u32, header: Embedded, end: Embedded, bytes: u64, listed: u64,
    }
    Chunks of catalog::ChunkListRecord { section: u32, first_chunk: u64, chunks: Vec<ListedChunk> }
    ListedChunk of catalog::ChunkEntry {
        volume: u32, block: u64, offset: u64, bytes: u32, first_row: u64, rows: u32, first: i64, stop: i64,
        undated: u32,
    }
    Buckets of catalog::BucketListRecord { section: u32, first_bucket: u64, buckets: Vec<Bucket> }
    Bucket of catalog::BucketEntry {
        acd: Option<i64>, day: Option<i32>, pieces: u32, rows: u64, carried: u64, first: i64, stop: i64,
        digest: Id, carried_digest: Option<Id>,
    }
    End of marks::VolumeEndRecord {
        blocks: u64, bytes: u64, running_hash: Hash, index_offset: u64, index_blocks: u32, catalog_offset: u64,
        catalog_blocks: u32, catalog_volume: u32, set_complete: bool,
    }
}

/// A record and its twin: what the bytes of a body are to each.
trait Twins: Record + Debug {
    type Twin: Twin<Self> + PartialEq + Debug;

    fn read(body: &[u8]) -> Result<Self::Twin, String>;

    /// None where it cannot be written.
    fn written(&self) -> Option<Vec<u8>>;

    /// Whether the engine may refuse for its form what the layout allows: an embedded record that is none.
    fn is_formless(_twin: &Self::Twin) -> bool {
        false
    }

    /// What the twin would be if records that it embeds had not grown at their ends.
    fn ungrown(twin: Self::Twin, _like: &Self::Twin) -> Self::Twin {
        twin
    }
}

macro_rules! pairs {
    ($($name:ident: $record:ty $({ $($more:item)* })?),* $(,)?) => {
        $(
            impl Twins for $record {
                type Twin = $name;

                fn read(body: &[u8]) -> Result<$name, String> {
                    wincode::deserialize(body).map_err(|error| error.to_string())
                }

                fn written(&self) -> Option<Vec<u8>> {
                    wincode::serialize(&<$name>::of(self)).ok()
                }

                $($($more)*)?
            }
        )*

        /// The kinds of record that there are twins of.
        pub const KINDS: &[u16] = &[$(<$record>::KIND),*];

        /// Reads a body as a record of a kind both ways.
        ///
        /// # Panics
        /// One takes it and the other does not, or they take it for different values.
        #[must_use]
        pub fn judged(kind: u16, body: &[u8]) -> Judged {
            match kind {
                $(<$record>::KIND => judge::<$record>(body),)*
                _ => Judged::Refused,
            }
        }
    };
}

pairs! {
    Label: label::LabelRecord,
    Section: section::SectionRecord,
    SectionEnd: section::SectionEndRecord,
    Chunk: chunk::ChunkRecord,
    Index: catalog::VolumeIndexRecord,
    Blocks: catalog::BlockListRecord,
    Catalog: catalog::CatalogRecord,
    Volumes: catalog::VolumeListRecord,
    CatalogSection: catalog::CatalogSectionRecord {
        fn is_formless(twin: &CatalogSection) -> bool {
            section::SectionRecord::read(&twin.header.0).is_err() || section::SectionEndRecord::read(&twin.end.0).is_err()
        }

        fn ungrown(twin: CatalogSection, like: &CatalogSection) -> CatalogSection {
            let cut = |grown: Embedded, like: &Embedded| match grown.0.starts_with(&like.0) {
                true => Embedded(like.0.clone()),
                false => grown,
            };
            CatalogSection { header: cut(twin.header, &like.header), end: cut(twin.end, &like.end), ..twin }
        }
    },
    Chunks: catalog::ChunkListRecord,
    Buckets: catalog::BucketListRecord,
    End: marks::VolumeEndRecord,
}

/// What became of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Both took it for the same value.
    Accepted,
    /// Neither took it, or only the twin, which knows the layout and no rules of values.
    Refused,
}

fn judge<R: Twins>(bytes: &[u8]) -> Judged {
    let ours: Result<R, FormatError> = decode_record(&framed(R::KIND, bytes));
    let theirs = R::read(bytes);
    assert!(ours.is_err() || theirs.is_ok(), "only the engine takes {ours:?}: {theirs:?}");
    match (theirs, ours) {
        (Ok(twin), Ok(record)) => {
            let like = R::Twin::of(&record);
            assert!(R::ungrown(twin, &like) == like, "the twin of {} reads something else than {record:?}", R::NAME);
            assert!(record.written() == Some(body(&record)), "its twin writes {record:?} otherwise");
            Judged::Accepted
        }
        (Ok(twin), Err(error)) => {
            let form = matches!(error.kind, FormatErrorKind::Record { .. });
            assert!(!form || R::is_formless(&twin), "only the twin takes {twin:?}: {error}");
            Judged::Refused
        }
        _ => Judged::Refused,
    }
}

/// The fuzz body: the first byte chooses the kind of the record, the others are its body.
pub fn twin(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    if let Some(kind) = KINDS.get(usize::from(*first).checked_rem(KINDS.len()).unwrap_or_default()) {
        let _either = judged(*kind, body);
    }
}
