//! Small sets with arbitrary but reproducible content, written through the real writer.

use super::mutate::Rng;
use crate::device::traits::Device;
use crate::format::chunk::{ColumnBytesEntry, PieceEntry};
use crate::format::label::{LabelRecord, data_types};
use crate::format::section::{ClockEntry, ColumnEntry, HeldEntry, SectionRecord};
use crate::volume::error::VolumeError;
use crate::volume::set_writer::{ChunkContent, SetOptions, SetSummary, SetWriter};

/// Some bytes.
#[must_use]
pub fn bytes(random: &mut Rng, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.next() as u8).collect()
}

/// How large a sample set is.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Everything in the set follows from this.
    pub seed: u64,
    /// Sections.
    pub sections: u32,
    /// Chunks of each section; the last section has none.
    pub chunks: u32,
    /// Bytes of each of the two columns of a chunk, on average.
    pub column_bytes: usize,
    /// Pieces of each chunk.
    pub pieces: u32,
}

impl Default for Sample {
    fn default() -> Sample {
        Sample { seed: 1, sections: 3, chunks: 4, column_bytes: 150, pieces: 3 }
    }
}

/// The label of volume 1 of a set whose id is made of `seed`.
#[must_use]
pub fn sample_label(seed: u64) -> LabelRecord {
    let mut random = Rng::new(seed ^ 0x5E7);
    let mut set_id = [0; 16];
    set_id.copy_from_slice(&bytes(&mut random, 16));
    LabelRecord {
        required_features: 0,
        optional_features: 0,
        set_id,
        volume: 1,
        label: "CMS-260104-01-XXAX-00-F-01".into(),
        created_unix: 1_767_500_000,
        created_civil: 1_767_503_600,
        source_store: "sqlite".into(),
        source_server: "server-1".into(),
        source_database: "cms".into(),
        source_version: String::new(),
        data_types: data_types::HISTORICAL,
        acd: None,
        incremental: false,
        parent_set: None,
        sequence: 0,
        capacity: 0,
        device_record: 0,
        predecessor: None,
        retain_until: None,
        software: "intervault test".into(),
        purpose: 0,
        chain: set_id,
        salvaged: None,
    }
}

/// The header of an interval table of two columns.
#[must_use]
pub fn sample_header(table: &str) -> SectionRecord {
    let column = |name: &str| ColumnEntry {
        name: name.into(),
        logical: 1,
        parameter: 32,
        parameter2: 0,
        nullable: false,
        declared: "INTEGER".into(),
        collation: String::new(),
    };
    SectionRecord {
        table: table.into(),
        data_type: data_types::HISTORICAL,
        grain: 1,
        clock: ClockEntry {
            kind: 2,
            date_column: 0,
            time_column: None,
            length_column: None,
            length_minutes: 30,
            zone: String::new(),
        },
        acd_column: Some(1),
        columns: vec![column("row_date"), column("acd")],
        first_row: 0,
        first_chunk: 0,
        ordered: true,
        slot_minutes: 30,
        server_bound: false,
        digest_id: 1,
        cutoffs: Vec::new(),
    }
}

/// Chunk `number` of a section: arbitrary bytes, pieces of buckets that neighbours share, now and then undated ones.
#[must_use]
pub fn sample_chunk(random: &mut Rng, number: u32, sample: &Sample) -> ChunkContent {
    let mut pieces = Vec::new();
    for step in 0..sample.pieces {
        // Half of the buckets of a chunk go on in the next one.
        let half = sample.pieces.div_ceil(2);
        let place = number.saturating_mul(half).saturating_add(step);
        let day = (!random.below(17).eq(&0)).then(|| 20_000 + (place / 2) as i32);
        let start = day.map_or(0, |day| i64::from(day) * 86_400 + random.below(40_000) as i64);
        let mut digest = [0; 16];
        digest.copy_from_slice(&bytes(random, 16));
        let carried = random.below(3) as u32;
        let piece = PieceEntry {
            acd: (place % 2 == 1).then_some(1),
            day,
            piece: 99,
            // The bucket of undated rows goes on to the end: nobody knows its last piece while writing.
            last: match day {
                None => 0,
                Some(_) if step < sample.pieces - half => 1,
                Some(_) => 2,
            },
            rows: 1 + random.below(50) as u32,
            carried,
            first: start,
            stop: if day.is_some() { start + 1_800 } else { 0 },
            digest,
            carried_digest: (carried > 0).then(|| digest.map(|byte| !byte)),
        };
        pieces.push(piece);
    }
    let rows = pieces.iter().map(|piece| piece.rows + piece.carried).sum();
    let mut column = || random.next() as usize % (sample.column_bytes * 2 + 1);
    let lengths = [column(), column()];
    let bytes = lengths.map(|len| bytes(random, len)).to_vec();
    let columns = lengths.map(|len| ColumnBytesEntry { encoding: 1, stored: len as u32, decoded: rows * 8 }).to_vec();
    ChunkContent { rows, columns, bytes, pieces }
}

/// Writes a sample set.
///
/// # Errors
/// As the writer.
pub fn write_sample(device: &dyn Device, sample: &Sample, volume_size: Option<u64>) -> Result<SetSummary, VolumeError> {
    write_labelled(device, sample_label(sample.seed), sample, volume_size)
}

/// Writes a sample set under a label of one's own.
///
/// # Errors
/// As the writer.
pub fn write_labelled(
    device: &dyn Device,
    label: LabelRecord,
    sample: &Sample,
    volume_size: Option<u64>,
) -> Result<SetSummary, VolumeError> {
    let mut random = Rng::new(sample.seed);
    let mut set = SetWriter::create(device, label, &SetOptions { volume_size })?;
    for section in 1..=sample.sections {
        set.begin_section(sample_header(&format!("table_{section}")))?;
        let chunks = if section == sample.sections { 0 } else { sample.chunks };
        for number in 0..chunks {
            set.chunk(sample_chunk(&mut random, number, sample))?;
        }
        set.end_section(vec![HeldEntry { acd: Some(1), start: 0, stop: 1_000_000 }])?;
    }
    set.finish(vec!["no_such_table".into()], vec![("/some/path".into(), "file trees are not built".into())])
}
