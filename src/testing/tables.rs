//! Tables written down value by value, put on volumes through the real encoder and writer, and read back as text. What a
//! backup does with a database, without one: so that every byte follows from the values.

use crate::base::time::Span;
use crate::column::batch::{Batch, Column, ColumnData, OwnedValue, Value};
use crate::column::digest::RowHasher;
use crate::column::encode::{EncodeOptions, encode_batch};
use crate::column::logical::LogicalType;
use crate::device::traits::Device;
use crate::format::chunk::{ColumnBytesEntry, PieceEntry};
use crate::format::label::LabelRecord;
use crate::format::section::HeldEntry;
use crate::schema::clock::{Clock, RowTimes};
use crate::schema::grain::{DataType, Grain};
use crate::schema::table::{BoundTable, ColumnSchema, TableSchema};
use crate::section::pieces::{Acd, Cutoffs, Pieces, pieces};
use crate::section::table::to_record;
use crate::volume::set_writer::{ChunkContent, SetOptions, SetSummary, SetWriter};
use std::collections::BTreeMap;

/// Whatever went wrong in one of the layers that a set passes.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A row, in column order.
pub type Row = Vec<OwnedValue>;

/// A table with all its rows, cut into chunks.
#[derive(Debug, Clone)]
pub struct Content {
    /// The table.
    pub table: BoundTable,
    /// Whether the rows come by day.
    pub ordered: bool,
    /// Up to when the set speaks for each ACD.
    pub cutoffs: Cutoffs,
    /// The rows of each chunk.
    pub chunks: Vec<Vec<Row>>,
}

/// A whole number.
#[must_use]
pub const fn int(value: i64) -> OwnedValue {
    OwnedValue::Integer(value)
}

/// A real number.
#[must_use]
pub const fn real(value: f64) -> OwnedValue {
    OwnedValue::Real(value)
}

/// A text.
#[must_use]
pub fn text(value: &str) -> OwnedValue {
    OwnedValue::Text(value.as_bytes().to_vec())
}

/// A blob.
#[must_use]
pub fn blob(value: &[u8]) -> OwnedValue {
    OwnedValue::Blob(value.to_vec())
}

/// No value.
pub const NULL: OwnedValue = OwnedValue::Null;

/// A table of columns that may be null: name, declared type, logical type.
#[must_use]
pub fn table(
    name: &str,
    data_type: DataType,
    grain: Grain,
    clock: Option<Clock>,
    acd_column: Option<usize>,
    columns: &[(&str, &str, LogicalType)],
) -> BoundTable {
    let column = |(name, declared, logical): &(&str, &str, LogicalType)| ColumnSchema {
        name: (*name).to_owned(),
        logical: *logical,
        nullable: true,
        has_default: false,
        declared: (*declared).to_owned(),
        collation: String::new(),
    };
    let schema = TableSchema { name: name.to_owned(), columns: columns.iter().map(column).collect() };
    BoundTable { schema, data_type, grain, clock, acd_column, event_slot_minutes: 30, server_bound: false }
}

/// The rows as a batch; the main class of a column is that of its first value that is not null.
#[must_use]
pub fn batch(columns: usize, rows: &[Row]) -> Batch {
    let mut batch = Batch::new(vec![Column::new(ColumnData::Integer(Vec::new())); columns]);
    for row in rows {
        batch.columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value.as_value()));
    }
    batch.rows = rows.len();
    batch
}

/// Writes a whole set.
///
/// # Errors
/// A table contradicts itself, or the device fails.
pub fn write_set(
    device: &dyn Device,
    label: LabelRecord,
    volume_size: Option<u64>,
    contents: &[Content],
    absent: Vec<String>,
    left_out: Vec<(String, String)>,
) -> Result<SetSummary, Fault> {
    let mut set = SetWriter::create(device, label, &SetOptions { volume_size })?;
    for content in contents {
        write_section(&mut set, content)?;
    }
    Ok(set.finish(absent, left_out)?)
}

fn write_section(set: &mut SetWriter<'_>, content: &Content) -> Result<(), Fault> {
    let table = &content.table;
    set.begin_section(to_record(table, content.ordered, &content.cutoffs))?;
    let mut times = RowTimes::new(table)?;
    let mut chunks: Vec<(Pieces, Batch)> = Vec::new();
    for rows in &content.chunks {
        let batch = batch(table.schema.columns.len(), rows);
        let mut hashes = Vec::new();
        RowHasher::default().hash(&batch, &table.schema.logical_types(), &mut hashes)?;
        chunks.push((pieces(&times.all(&batch), &hashes, &content.cutoffs), batch));
    }
    let listed: Vec<Vec<PieceEntry>> = chunks.iter().map(|(pieces, _)| pieces.entries.clone()).collect();
    let mut held: BTreeMap<Acd, Span> = BTreeMap::new();
    for (at, (pieces, batch)) in chunks.into_iter().enumerate() {
        for (acd, span) in pieces.complete {
            let whole = held.entry(acd).or_insert(span);
            *whole = whole.hull(span);
        }
        let following = listed.get(at + 1..).unwrap_or_default();
        let marked = |piece: PieceEntry| PieceEntry { last: last_mark(&piece, following, content.ordered), ..piece };
        let entries = pieces.entries.into_iter().map(marked).collect();
        set.chunk(encoded(&batch, entries)?)?;
    }
    let entry = |(acd, span): (Acd, Span)| HeldEntry { acd, start: span.start.0, stop: span.stop.0 };
    set.end_section(held.into_iter().map(entry).collect())?;
    Ok(())
}

/// What a writer knows that looks one chunk ahead: 1 last, 2 more follow, 0 not known.
pub(super) fn last_mark(piece: &PieceEntry, following: &[Vec<PieceEntry>], ordered: bool) -> u8 {
    let Some(next) = following.first() else { return 1 };
    if next.iter().any(|other| (other.acd, other.day) == (piece.acd, piece.day)) {
        return 2;
    }
    let over =
        next.iter().filter_map(|other| other.day).min().is_some_and(|day| piece.day.is_some_and(|own| own < day));
    u8::from(ordered && over)
}

pub(super) fn encoded(batch: &Batch, pieces: Vec<PieceEntry>) -> Result<ChunkContent, Fault> {
    let columns = encode_batch(batch, &EncodeOptions::default())?;
    let mut entries = Vec::new();
    for column in &columns {
        let stored = u32::try_from(column.bytes.len())?;
        entries.push(ColumnBytesEntry { encoding: column.encoding, stored, decoded: column.decoded });
    }
    let bytes = columns.into_iter().map(|column| column.bytes).collect();
    Ok(ChunkContent { rows: u32::try_from(batch.rows)?, columns: entries, bytes, pieces })
}

/// A value as people write it: `null`, `-5`, `1.5` (reals always with point or exponent), `'it''s'`, `x'00ff'`.
#[must_use]
pub fn shown(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => format!("{value:?}"),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("'{}'", text.replace('\'', "''")),
            Err(_) => format!("text {}", hexadecimal(bytes)),
        },
        Value::Blob(bytes) => hexadecimal(bytes),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

/// The rows of a batch, one line each, values parted by ` | `.
#[must_use]
pub fn lines(batch: &Batch) -> Vec<String> {
    (0..batch.rows).map(|row| batch.row(row).map(shown).collect::<Vec<_>>().join(" | ")).collect()
}
