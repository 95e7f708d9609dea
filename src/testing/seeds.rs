//! The seeds of the fuzz targets: small, made from the samples of every record, the same on every machine.

use super::{fuzz_column, fuzz_salvage, fuzz_scan, fuzz_set, fuzz_text, fuzz_volume, records, twin};
use crate::format::block::{BlockKind, encode_block};
use crate::format::catalog::{
    BlockListRecord, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkListRecord, VolumeIndexRecord,
    VolumeListRecord,
};
use crate::format::chunk::{ChunkRecord, encode_chunk};
use crate::format::label::LabelRecord;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{FRAME_LEN, Record, encode_record};
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::store::control::KeyRuns;

/// The targets whose seeds are made here.
pub const TARGETS: [&str; 19] = [
    "block",
    "label",
    "section",
    "chunk",
    "catalog",
    "column",
    "keys",
    "volume",
    "canary",
    "set",
    "stream",
    "tape",
    "catalogue",
    "files",
    "copy_text",
    "url",
    "salvage",
    "scan",
    "twin",
];

fn payload<R: Record>(record: &R) -> Vec<u8> {
    encode_record(record).unwrap_or_default()
}

pub(super) fn body<R: Record>(record: &R) -> Vec<u8> {
    payload(record).split_off(FRAME_LEN)
}

fn after(first: u8, mut rest: Vec<u8>) -> Vec<u8> {
    rest.insert(0, first);
    rest
}

/// A record of each kind.
fn twin_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let bodies = [
        ("label", LabelRecord::KIND, body(&records::label())),
        ("section", SectionRecord::KIND, body(&records::section())),
        ("section_end", SectionEndRecord::KIND, body(&records::section_end())),
        ("chunk", ChunkRecord::KIND, body(&records::chunk())),
        ("index", VolumeIndexRecord::KIND, body(&records::volume_index())),
        ("blocks", BlockListRecord::KIND, body(&records::block_list())),
        ("catalog", CatalogRecord::KIND, body(&records::catalog())),
        ("volumes", VolumeListRecord::KIND, body(&records::volume_list())),
        ("catalog_section", CatalogSectionRecord::KIND, body(&records::catalog_section())),
        ("chunks", ChunkListRecord::KIND, body(&records::chunk_list())),
        ("buckets", BucketListRecord::KIND, body(&records::bucket_list())),
        ("end", VolumeEndRecord::KIND, body(&records::volume_end())),
    ];
    let numbered = |kind: u16| twin::KINDS.iter().position(|own| *own == kind).map_or(0, |at| at as u8);
    bodies.into_iter().map(|(name, kind, body)| (name, after(numbered(kind), body))).collect()
}

/// The seeds of a target: file name and bytes. None for a target that is not in [`TARGETS`].
#[must_use]
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let block =
        |kind: BlockKind, payload: &[u8]| encode_block(kind, records::identity(kind), payload).unwrap_or_default();
    let list: Vec<(&str, Vec<u8>)> = match target {
        "block" => vec![
            ("label", block(BlockKind::Label, &payload(&records::label()))),
            ("end", block(BlockKind::VolumeEnd, &payload(&records::volume_end()))),
            ("empty", block(BlockKind::Optional(200), &[])),
            ("unpadded", block(BlockKind::Chunk, &[0xEE; 48])),
        ],
        "column" => fuzz_column::seeds(),
        "keys" => vec![
            ("none", KeyRuns::default().to_bytes()),
            ("few", KeyRuns::of_keys(&[-1, 5, 6, 300]).to_bytes()),
            ("ends", KeyRuns::of_keys(&[i64::MIN, 0, i64::MAX]).to_bytes()),
            ("every_other", KeyRuns::of_keys(&(0..100).map(|key| key * 2).collect::<Vec<_>>()).to_bytes()),
        ],
        "volume" => fuzz_volume::seeds(),
        "set" => fuzz_set::set_seeds(),
        "stream" => fuzz_set::stream_seeds(),
        "tape" => fuzz_set::tape_seeds(),
        "catalogue" => fuzz_text::catalogue_seeds(),
        "files" => fuzz_text::files_seeds(),
        #[cfg(feature = "postgres")]
        "copy_text" => super::fuzz_postgres::copy_text_seeds(),
        #[cfg(feature = "postgres")]
        "url" => super::fuzz_postgres::url_seeds(),
        "salvage" => fuzz_salvage::seeds(),
        "scan" => fuzz_scan::seeds(),
        "label" => vec![("incremental", body(&records::label()))],
        "section" => {
            vec![("header", after(0, body(&records::section()))), ("end", after(1, body(&records::section_end())))]
        }
        "chunk" => vec![
            ("payload", encode_chunk(&records::chunk(), &records::chunk_columns()).unwrap_or_default()),
            ("directory", body(&records::chunk())),
        ],
        "catalog" => {
            let whole = [
                payload(&records::catalog()),
                payload(&records::volume_list()),
                payload(&records::catalog_section()),
                payload(&records::chunk_list()),
                payload(&records::bucket_list()),
            ];
            let index = [payload(&records::volume_index()), payload(&records::block_list())];
            vec![
                ("catalog", whole.concat()),
                ("index", index.concat()),
                ("end", payload(&records::volume_end())),
                ("section", after(4, body(&records::catalog_section()))),
            ]
        }
        "twin" => twin_seeds(),
        "canary" => vec![("short", vec![3, b'I', b'V', b'B'])],
        _ => Vec::new(),
    };
    list.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}
