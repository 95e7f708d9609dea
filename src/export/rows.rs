//! The rows of a chunk that are wanted.

use super::Options;
use super::plan::TablePlan;
use super::report::Lost;
use crate::base::budget::{Budget, Lent};
use crate::column::digest::RowHasher;
use crate::error::{Class, Error};
use crate::format::chunk::parse_chunk;
use crate::schema::clock::RowWhen;
use crate::section::rows::ChunkRows;
use crate::volume::section::ChunkRef;
use crate::volume::set::SetReader;

/// Bytes that are needed for each row of a chunk beside its columns: its time, its hash, its number.
const ROW_BYTES: u64 = 128;

/// Most bytes of a value, in the mean of a column, that is not reckoned to be long.
const SHORT: u64 = 16;

/// How the memory for a chunk is reckoned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// How many times the bytes of the decoded columns are in memory.
    pub(super) copies: u64,
    /// Bytes beside them.
    pub(super) beside: u64,
    /// Most that a worker may take: what was once taken stays with its thread.
    pub(super) share: u64,
}

/// A chunk as it was read, and the memory that its rows will take.
pub(super) struct Payload<'b> {
    bytes: Vec<u8>,
    room: Lent<'b>,
    /// Whether its rows take more than a worker may: only its bytes are reckoned then.
    pub(super) is_heavy: bool,
}

/// A chunk with the numbers of its rows that are wanted, ascending.
pub(super) struct Chosen<'b> {
    pub(super) rows: ChunkRows,
    pub(super) numbers: Vec<u32>,
    /// To be given back when nothing that was made of the rows is in memory any more.
    pub(super) room: Lent<'b>,
}

fn lost(chunk: &ChunkRef, class: Class, reason: String) -> Box<Lost> {
    let (rows, span) = (u64::from(chunk.entry.rows), chunk.span());
    Box::new(Lost { at: chunk.position(), rows, span, class, reason })
}

/// Bytes that a column takes while its chunk is decoded, proved and written. Long values are in memory three times then: as
/// they were decompressed or decoded, as what is hashed of them, and in their row. Of short ones only a few rows are.
fn column_bytes(rows: u64, decoded: u64, copies: u64) -> u64 {
    let is_long = decoded > rows.saturating_mul(SHORT);
    decoded.saturating_mul(if is_long { copies.max(3) } else { copies })
}

/// Reads a chunk, and waits until there is room for its rows, or for its bytes where no worker is to decode it.
pub(super) fn read<'b>(
    set: &SetReader<'_>,
    chunk: &ChunkRef,
    budget: &'b Budget,
    room: Room,
) -> Result<Payload<'b>, Box<Lost>> {
    let bytes = set.read_chunk(chunk).map_err(|error| {
        let error = Error::from(error);
        lost(chunk, error.class(), error.to_string())
    })?;
    // What is no chunk takes nothing: it is refused before it is decoded.
    let needed = parse_chunk(&bytes).map_or(0, |view| {
        let rows = u64::from(view.directory.rows);
        let columns =
            view.directory.columns.iter().map(|column| column_bytes(rows, u64::from(column.decoded), room.copies));
        columns.fold(rows.saturating_mul(ROW_BYTES), u64::saturating_add)
    });
    let (own, needed) = (bytes.len() as u64, needed.saturating_add(room.beside));
    let is_heavy = needed.saturating_add(own) > room.share;
    let room = budget.take(if is_heavy { own } else { own.saturating_add(needed) });
    Ok(Payload { bytes, room, is_heavy })
}

/// Proves a chunk that was read, and says which of its rows are wanted.
pub(super) fn chosen<'b>(
    plan: &TablePlan,
    chunk: &ChunkRef,
    payload: Payload<'b>,
    options: &Options,
) -> Result<Chosen<'b>, Box<Lost>> {
    let Payload { bytes, room, .. } = payload;
    let proved = plan.table.prove(&mut RowHasher::default(), &bytes, chunk.position());
    let rows = proved.map_err(|error| lost(chunk, Class::Damage, error.to_string()))?;
    let numbered = (0u32..).zip(&rows.when).filter(|(_, when)| is_wanted(when, options));
    let numbers = numbered.map(|(number, _)| number).collect();
    Ok(Chosen { rows, numbers, room })
}

fn is_wanted(row: &RowWhen, options: &Options) -> bool {
    let in_time = |window| row.when.span().is_some_and(|span| span.meets(window));
    options.acd.is_none_or(|acd| row.acd == Some(acd)) && options.window.is_none_or(in_time)
}
