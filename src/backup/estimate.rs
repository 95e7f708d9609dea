//! How large a full backup will be: some chunks of each table and some parts of each file tree, spread over it, are encoded as
//! they would be, and the rest is taken to be like them.

use super::capacity::Capacity;
use super::files::TreeJob;
use super::run::unless_cancelled;
use super::table::{Sampled, Stretch, TableJob};
use crate::base::limits::VOLUMES_MAX;
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::Day;
use crate::error::Error;
use crate::format::block::block_len;
use crate::format::record::encode_record;
use crate::section::chunks::{Bounds, EncodedChunk, directory_bytes};
use crate::section::pieces::{Acd, Cutoffs};
use crate::section::table::to_record;
use std::collections::BTreeSet;
use std::time::Duration;

/// One part in so many is sampled, but at least [`PARTS_MIN`]; of each part the first chunk.
const PARTS_EACH: usize = 4;
const PARTS_MIN: usize = 4;
/// Bytes that index and catalog have of a chunk, and of a bucket.
const CHUNK_ENTRIES: u64 = 49 + 56;
const BUCKET_ENTRY: u64 = 71;
/// Bytes of a section's end, and of what the catalog has of a section beside its header.
const SECTION_END: u64 = 512;

/// How large a backup will be, about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of all volumes.
    pub bytes: u64,
    /// Volumes of the capacity that was asked for; 1 if they are not bounded.
    pub volumes: u64,
    /// Rows that were read and encoded to say so.
    pub sampled_rows: u64,
    /// How long that took.
    pub time: Duration,
}

/// What the sampled chunks of a table say.
#[derive(Default)]
struct Sample {
    /// Rows that were read: of the ACD that was selected, and of all.
    selected: u64,
    all: u64,
    /// Rows of the chunks.
    rows: u64,
    chunks: u64,
    /// Bytes of their blocks.
    blocks: u64,
    /// The squares of those, added up.
    squares: u128,
    /// Bytes of their columns.
    columns: u64,
    pieces: u64,
    acds: BTreeSet<Acd>,
    days: Option<(Day, Day)>,
    /// Whether these are all rows of the table.
    whole: bool,
}

/// What a table will take.
pub(super) struct Size {
    /// Bytes of columns.
    pub(super) columns: u64,
    /// Bytes of volumes, but for what each volume has anyway.
    bytes: u64,
    /// Bytes of the block that a byte lies in, on average.
    block: u64,
    /// Bytes of the header, which is repeated where a volume begins.
    header: u64,
    pub(super) sampled_rows: u64,
}

/// Samples a table.
pub(super) fn size(job: &TableJob<'_>, capacity: &Capacity, monitor: &dyn Monitor) -> Result<Size, Error> {
    let cutoffs = Cutoffs::default();
    let header = encode_record(&to_record(job.table(), true, &cutoffs))?.len();
    let bounds = Bounds { cutoffs: &cutoffs, room: capacity.chunk_room(header) };
    let parts = &job.planned.parts;
    let count = (parts.len() / PARTS_EACH).max(PARTS_MIN).min(parts.len());
    let part = |at: usize| parts.get(at.saturating_mul(parts.len()).checked_div(count).unwrap_or(0));
    let mut sample = Sample { whole: count == parts.len(), ..Sample::default() };
    ordered(
        job.jobs,
        count,
        1,
        |worker, item, emit| {
            if let Some(part) = part(item) {
                emit(job.sample(worker, Stretch::Part(part), bounds)?);
            }
            Ok(())
        },
        |sampled: Sampled| {
            sample.whole &= sampled.ended;
            sample.selected = sample.selected.saturating_add(sampled.selected);
            sample.all = sample.all.saturating_add(sampled.all);
            sampled.chunks.iter().for_each(|chunk| sample.add(chunk));
            monitor.advance(Task::Backup, sampled.selected, 0);
            unless_cancelled(monitor)
        },
    )?;
    Ok(sample.size(job.planned.rows, header))
}

/// Samples a file tree.
pub(super) fn tree_size(job: &TreeJob<'_>, capacity: &Capacity, monitor: &dyn Monitor) -> Result<Size, Error> {
    let header = job.header_bytes()?;
    let mut sample = Sample::default();
    let (parts, sampled) = job.sample(capacity.chunk_room(header), &mut |chunk| sample.add(chunk), monitor)?;
    Ok(sample.stretched(parts, sampled, header))
}

impl Sample {
    fn add(&mut self, chunk: &EncodedChunk) {
        let columns = chunk.columns.iter().map(|column| column.bytes.len() as u64).fold(0, u64::saturating_add);
        let pieces = &chunk.pieces.entries;
        let payload =
            columns.saturating_add(directory_bytes(chunk.columns.len(), pieces.len(), chunk.pieces.carrying()));
        self.rows = self.rows.saturating_add(u64::from(chunk.rows));
        self.chunks = self.chunks.saturating_add(1);
        self.columns = self.columns.saturating_add(columns);
        let block = block_len(usize::try_from(payload).unwrap_or(usize::MAX)) as u64;
        self.blocks = self.blocks.saturating_add(block);
        self.squares = self.squares.saturating_add(u128::from(block).saturating_mul(u128::from(block)));
        self.pieces = self.pieces.saturating_add(pieces.len() as u64);
        self.acds.extend(pieces.iter().map(|piece| piece.acd));
        for day in pieces.iter().filter_map(|piece| piece.day) {
            self.days = Some(self.days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
        }
    }

    /// What so many rows like those sampled take.
    fn size(&self, rows: u64, header: usize) -> Size {
        let rows = if self.whole { self.rows } else { scaled(rows, self.selected, self.all).max(self.rows) };
        self.stretched(rows, self.rows, header)
    }

    /// What `whole` takes if `part` of it takes what was sampled.
    fn stretched(&self, whole: u64, part: u64, header: usize) -> Size {
        let all = |of_sample: u64| scaled(of_sample, whole, part);
        let chunks = all(self.chunks);
        let days = self.days.map_or(1, |(first, last)| u64::from(last.abs_diff(first)).saturating_add(2));
        let buckets = all(self.pieces).min(days.saturating_mul(self.acds.len() as u64));
        let lists = chunks.saturating_mul(CHUNK_ENTRIES).saturating_add(buckets.saturating_mul(BUCKET_ENTRY));
        let header = block_len(header) as u64;
        // The header stands before the section and in the catalog.
        let around = header.saturating_mul(2).saturating_add(SECTION_END);
        let bytes = all(self.blocks).saturating_add(lists).saturating_add(around);
        let block = self.squares.checked_div(u128::from(self.blocks)).unwrap_or(0);
        let block = u64::try_from(block).unwrap_or(u64::MAX);
        Size { columns: all(self.columns), bytes, block, header, sampled_rows: self.rows }
    }
}

/// `of * part / whole`; 0 if there is no whole.
fn scaled(of: u64, part: u64, whole: u64) -> u64 {
    let scaled = u128::from(of).saturating_mul(u128::from(part)).checked_div(u128::from(whole));
    u64::try_from(scaled.unwrap_or(0)).unwrap_or(u64::MAX)
}

/// What all tables take together.
pub(super) fn total(sizes: &[Size], capacity: &Capacity, time: Duration) -> Estimate {
    let sum = |of: fn(&Size) -> u64| sizes.iter().map(of).fold(0, u64::saturating_add);
    let bytes = sum(|size| size.bytes);
    let weighed = sizes.iter().map(|size| u128::from(size.bytes).saturating_mul(u128::from(size.block)));
    let block = weighed.fold(0, u128::saturating_add).checked_div(u128::from(bytes)).unwrap_or(0);
    let header = sizes.iter().map(|size| size.header).max().unwrap_or(0);
    // The block that a volume's last byte falls into does not fit: half of it stays empty on average, and it is rather a large
    // one. The section's header is repeated on the next volume.
    let lost = u64::try_from(block / 2).unwrap_or(u64::MAX).saturating_add(header);
    let volumes = match capacity.room(lost) {
        None => 1,
        Some(room) => bytes.div_ceil(room.max(1)).clamp(1, u64::from(VOLUMES_MAX)),
    };
    let around = capacity.around().saturating_add(header).saturating_mul(volumes);
    let sampled_rows = sum(|size| size.sampled_rows);
    Estimate { bytes: bytes.saturating_add(around), volumes, sampled_rows, time }
}
