//! The writing end of a section: takes its chunks in order, and marks the last piece of each bucket where that is known.

use super::report::TableReport;
use crate::base::time::Span;
use crate::error::{Error, ErrorKind};
use crate::format::chunk::PieceEntry;
use crate::format::section::{HeldEntry, SectionEndRecord};
use crate::section::changes::Changes;
use crate::section::chunks::EncodedChunk;
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::volume::error::VolumeError;
use crate::volume::set_writer::{ChunkContent, SetWriter};
use std::collections::BTreeMap;

/// How the last piece of a bucket is told.
pub(super) enum Marks {
    /// By the chunk that follows: the rows come by day, or in any order.
    Look {
        /// Whether they come by day.
        ordered_by_day: bool,
    },
    /// By counting: rows of each bucket that are still to come, carried ones included.
    Count(BTreeMap<Bucket, u64>),
}

/// Takes the chunks of one section in order and writes them, one behind, so that a bucket's last piece can be marked.
pub(super) struct SectionSink<'a, 'd> {
    set: &'a mut SetWriter<'d>,
    marks: Marks,
    waiting: Option<EncodedChunk>,
    complete: BTreeMap<Acd, Span>,
    pub(super) report: TableReport,
}

impl<'a, 'd> SectionSink<'a, 'd> {
    pub(super) fn new(set: &'a mut SetWriter<'d>, table: &str, marks: Marks) -> SectionSink<'a, 'd> {
        let report = TableReport { table: table.to_owned(), ..TableReport::default() };
        SectionSink { set, marks, waiting: None, complete: BTreeMap::new(), report }
    }

    pub(super) fn take(&mut self, chunk: EncodedChunk) -> Result<(), Error> {
        let report = &mut self.report;
        report.rows = report.rows.saturating_add(u64::from(chunk.rows));
        for piece in &chunk.pieces.entries {
            report.carried = report.carried.saturating_add(u64::from(piece.carried));
            if piece.day.is_none() {
                report.undated = report.undated.saturating_add(u64::from(piece.rows));
            }
        }
        for column in &chunk.columns {
            report.decoded_bytes = report.decoded_bytes.saturating_add(u64::from(column.decoded));
            report.stored_bytes = report.stored_bytes.saturating_add(column.bytes.len() as u64);
        }
        for (acd, span) in &chunk.pieces.complete {
            let covered = self.complete.entry(*acd).or_insert(*span);
            *covered = covered.hull(*span);
        }
        if let Some(before) = self.waiting.take() {
            self.write(before, Some(&chunk.pieces.entries))?;
        }
        self.waiting = Some(chunk);
        Ok(())
    }

    /// Ends a section that holds all of its table.
    pub(super) fn finish(mut self) -> Result<TableReport, Error> {
        self.write_last()?;
        let held: Vec<HeldEntry> = self
            .complete
            .iter()
            .map(|(acd, span)| HeldEntry { acd: *acd, start: span.start.0, stop: span.stop.0 })
            .collect();
        let end = self.set.end_section(held)?;
        self.report.held = self.complete.into_iter().collect();
        Ok(TableReport { buckets: end.buckets, ..self.report })
    }

    /// Ends a section that holds what changed.
    pub(super) fn finish_changes(mut self, changes: Changes) -> Result<TableReport, Error> {
        self.write_last()?;
        if let Marks::Count(left) = &self.marks
            && left.values().any(|rows| *rows != 0)
        {
            return Err(unsteady(&self.report.table));
        }
        let SectionEndRecord { buckets, held, .. } =
            self.set.end_incremental(changes.held, changes.envelope, changes.unwritten)?;
        let spans = held.iter().filter_map(|held| Some((held.acd, span(held)?)));
        self.report.held = spans.collect();
        Ok(TableReport { buckets, ..self.report })
    }

    fn write_last(&mut self) -> Result<(), Error> {
        match self.waiting.take() {
            Some(last) => self.write(last, None),
            None => Ok(()),
        }
    }

    /// Writes a chunk; `next` lists the pieces of the chunk that follows in the section.
    fn write(&mut self, mut chunk: EncodedChunk, next: Option<&[PieceEntry]>) -> Result<(), Error> {
        for piece in &mut chunk.pieces.entries {
            piece.last = match &mut self.marks {
                Marks::Look { ordered_by_day } => last_mark(piece, next, *ordered_by_day),
                Marks::Count(left) => {
                    let rows = u64::from(piece.rows).saturating_add(u64::from(piece.carried));
                    let left = left.get_mut(&(piece.acd, piece.day)).filter(|left| **left >= rows);
                    let left = left.ok_or_else(|| unsteady(&self.report.table))?;
                    *left = left.saturating_sub(rows);
                    if *left == 0 { 1 } else { 2 }
                }
            };
        }
        let (rows, columns, bytes, pieces) = chunk.into_parts();
        let content = ChunkContent { rows, columns, bytes, pieces };
        self.set.chunk(content).map_err(|error| too_small(&self.report.table, error))
    }
}

fn span(held: &HeldEntry) -> Option<Span> {
    Span::new(crate::base::time::Instant(held.start), crate::base::time::Instant(held.stop))
}

/// The rows that were written are not those that were compared.
fn unsteady(table: &str) -> Error {
    let text = "read twice, it had other rows the second time: the database does not keep its snapshot".to_owned();
    let kind = StoreErrorKind::Damaged(text);
    ErrorKind::Store(StoreError { op: "back up a table".to_owned(), place: format!("table {table}"), kind }).into()
}

/// A chunk is cut until it fits a volume; what does not fit even then is a single row.
fn too_small(table: &str, error: VolumeError) -> Error {
    let VolumeError::CapacityTooSmall { capacity, needed } = error else { return error.into() };
    let what = format!("table {table}: a row needs volumes of {needed} bytes, and they have {capacity}");
    Error::refused(what, "begin again with a larger volume size, or leave the table out")
}

/// The last-mark of a piece, given the pieces of the chunk that follows: 1 last, 2 more follow, 0 not known.
fn last_mark(piece: &PieceEntry, next: Option<&[PieceEntry]>, ordered_by_day: bool) -> u8 {
    let Some(next) = next else { return 1 };
    if next.iter().any(|other| (other.acd, other.day) == (piece.acd, piece.day)) {
        return 2;
    }
    // Undated rows may stand anywhere, and without an order so may every other row.
    match (piece.day, next.iter().filter_map(|other| other.day).min()) {
        (Some(day), Some(first)) if ordered_by_day && day < first => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(acd: i64, day: Option<i32>) -> PieceEntry {
        PieceEntry {
            acd: Some(acd),
            day,
            piece: 0,
            last: 0,
            rows: 1,
            carried: 0,
            first: 0,
            stop: 0,
            digest: [0; 16],
            carried_digest: None,
        }
    }

    #[test]
    fn the_last_piece_of_a_bucket_is_told_by_the_chunk_that_follows() {
        let at = |day| piece(1, day);
        let mark = |piece: &PieceEntry, next: &[PieceEntry], ordered| last_mark(piece, Some(next), ordered);
        assert_eq!(last_mark(&at(Some(5)), None, false), 1);
        assert_eq!(mark(&at(Some(5)), &[at(Some(6)), at(Some(5))], true), 2);
        assert_eq!(mark(&at(None), &[at(None)], true), 2);
        assert_eq!(mark(&at(Some(5)), &[at(Some(6))], true), 1);
        // The same day of another ACD, no order, no day: more may follow.
        assert_eq!(mark(&at(Some(5)), &[piece(2, Some(5))], true), 0);
        assert_eq!((mark(&at(Some(5)), &[at(Some(6))], false), mark(&at(None), &[at(Some(6))], true)), (0, 0));
        assert_eq!(mark(&at(Some(5)), &[at(None)], true), 0);
    }
}
