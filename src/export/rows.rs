//! The rows of a chunk that are wanted.

use super::Options;
use super::plan::TablePlan;
use super::report::Lost;
use crate::column::digest::RowHasher;
use crate::schema::clock::RowWhen;
use crate::section::rows::ChunkRows;
use crate::volume::error::VolumeError;
use crate::volume::section::ChunkRef;
use crate::volume::set::SetReader;

/// A chunk with the numbers of its rows that are wanted, ascending.
pub(super) struct Chosen {
    pub(super) rows: ChunkRows,
    pub(super) numbers: Vec<u32>,
}

/// Reads a chunk, proves it, and says which of its rows are wanted.
pub(super) fn chosen(
    set: &SetReader<'_>,
    plan: &TablePlan,
    chunk: &ChunkRef,
    options: &Options,
) -> Result<Chosen, Box<Lost>> {
    let lost = |absent: bool, reason: String| {
        let (rows, span) = (u64::from(chunk.entry.rows), chunk.span());
        Box::new(Lost { at: chunk.position(), rows, span, absent, reason })
    };
    let payload = set.read_chunk(chunk).map_err(|error| {
        let absent = matches!(error, VolumeError::MissingVolumes { .. } | VolumeError::WrongVolume { .. });
        lost(absent, error.to_string())
    })?;
    let proved = plan.table.prove(&mut RowHasher::default(), &payload, chunk.position());
    let rows = proved.map_err(|error| lost(false, error.to_string()))?;
    let numbered = (0u32..).zip(&rows.when).filter(|(_, when)| is_wanted(when, options));
    let numbers = numbered.map(|(number, _)| number).collect();
    Ok(Chosen { rows, numbers })
}

fn is_wanted(row: &RowWhen, options: &Options) -> bool {
    let in_time = |window| row.when.span().is_some_and(|span| span.meets(window));
    options.acd.is_none_or(|acd| row.acd == Some(acd)) && options.window.is_none_or(in_time)
}
