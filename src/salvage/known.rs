//! What the catalog of a set still says, whole or in parts. Read once to see what of it is whole, and again section by section,
//! so that it may be of any size.

use super::indexes::{Best, Standing, Volumes, best};
use super::parts::{Claim, SetParts};
use super::sources::Again;
use crate::base::cursor::Cursor;
use crate::base::position::Position;
use crate::device::error::DeviceError;
use crate::format::catalog::{
    BucketEntry, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkEntry, ChunkListRecord, VolumeListRecord,
};
use crate::format::record::{RawRecord, Record, next_record};
use std::collections::BTreeMap;

/// Most entries of the lists of one section that are held at a time.
const ENTRIES_MAX: usize = 250_000;

/// What a catalog lists of a section.
pub(super) struct Lists {
    pub(super) record: CatalogSectionRecord,
    /// What the index says of the block that this stands in.
    pub(super) standing: Standing,
    /// Its chunks and its buckets, if they are all listed.
    pub(super) all: Option<(Vec<ChunkEntry>, Vec<BucketEntry>)>,
}

/// What is known of a catalog.
#[derive(Default)]
pub(super) struct KnownCatalog {
    blocks: Vec<(Claim, Standing)>,
    sections: BTreeMap<u32, Extent>,
    /// Whether nothing of it is lost.
    pub(super) whole: bool,
    pub(super) absent: Vec<String>,
    pub(super) left_out: Vec<(String, String)>,
    /// The block that was read last, by its place among them.
    held: Option<(usize, Vec<u8>)>,
}

/// Where the records of a section stand: block and byte of the first, and the last block.
struct Extent {
    first: (usize, usize),
    last: usize,
    complete: bool,
}

/// A section whose lists are being read.
#[derive(Default)]
struct Open {
    number: u32,
    first: (usize, usize),
    due: (u64, u64, u64, u64),
    chunks: u64,
    rows: u64,
    listed: u64,
    written: u64,
    last_bucket: Option<(Option<i64>, Option<i32>)>,
    /// Whether what was read contradicts itself.
    broken: bool,
}

/// What a first reading adds up.
#[derive(Default)]
struct Sums {
    head: Option<(u32, u32, u64)>,
    volumes: u64,
    rows: u64,
    open: Option<Open>,
}

impl KnownCatalog {
    /// Reads what was found of the catalog of a set: what it counts of itself says whether all of it is there.
    ///
    /// # Errors
    /// A medium fails.
    pub(super) fn read(
        parts: &SetParts,
        volumes: &Volumes,
        again: &mut Again<'_, '_>,
        conflicts: &mut Vec<String>,
    ) -> Result<KnownCatalog, DeviceError> {
        let mut known = KnownCatalog { blocks: believed(parts, volumes, conflicts), ..KnownCatalog::default() };
        let mut sums = Sums::default();
        for at in 0..known.blocks.len() {
            known.hold(at, again)?;
            let Some((_, payload)) = known.held.take() else {
                known.close(sums.open.take(), at, &mut sums.rows);
                continue;
            };
            let mut cursor = Cursor::new(&payload);
            while cursor.left() > 0 {
                let Ok(record) = next_record(&mut cursor) else { break };
                known.record(&record, at, &mut sums);
            }
            known.held = Some((at, payload));
        }
        let last = known.blocks.len();
        known.close(sums.open.take(), last, &mut sums.rows);
        let numbers = known.sections.keys().copied().eq(1..=known.sections.len() as u32);
        let complete = known.sections.values().all(|section| section.complete);
        let totals = (sums.volumes, known.sections.len() as u64, sums.rows);
        let head = sums.head.map(|(volumes, sections, rows)| (u64::from(volumes), u64::from(sections), rows));
        known.whole = numbers && complete && head == Some(totals);
        Ok(known)
    }

    /// The number of the last section that it lists.
    pub(super) fn last_section(&self) -> u32 {
        self.sections.keys().next_back().copied().unwrap_or(0)
    }

    fn hold(&mut self, at: usize, again: &mut Again<'_, '_>) -> Result<(), DeviceError> {
        if self.held.as_ref().is_some_and(|(held, _)| *held == at) {
            return Ok(());
        }
        self.held = None;
        if let Some((claim, _)) = self.blocks.get(at) {
            self.held = again.block(&claim.place)?.map(|block| (at, block.payload().to_vec()));
        }
        Ok(())
    }

    /// Takes a record of block `at` at the first reading.
    fn record(&mut self, record: &RawRecord<'_>, at: usize, sums: &mut Sums) {
        match record.kind {
            CatalogRecord::KIND => {
                if let (Ok(head), 0, 0) = (record.decode::<CatalogRecord>(), at, record.offset) {
                    sums.head = Some((head.volumes, head.sections, head.rows));
                    (self.absent, self.left_out) = (head.absent, head.left_out);
                }
            }
            VolumeListRecord::KIND => {
                let list = record.decode::<VolumeListRecord>().map_or(0, |list| list.volumes.len() as u64);
                sums.volumes = sums.volumes.saturating_add(list);
            }
            CatalogSectionRecord::KIND => {
                self.close(sums.open.take(), at, &mut sums.rows);
                let Ok(section) = record.decode::<CatalogSectionRecord>() else { return };
                let due = (section.end.chunks, section.end.rows, section.end.buckets, section.listed);
                let (number, first) = (section.section, (at, record.offset));
                sums.open = Some(Open { number, first, due, ..Open::default() });
            }
            ChunkListRecord::KIND | BucketListRecord::KIND => {
                if let Some(open) = &mut sums.open {
                    open.list(record);
                }
            }
            _ => {}
        }
    }

    /// Ends a section.
    fn close(&mut self, open: Option<Open>, at: usize, rows: &mut u64) {
        let Some(open) = open else { return };
        let complete = !open.broken && (open.chunks, open.rows, open.written, open.listed) == open.due;
        *rows = rows.saturating_add(open.due.1);
        let last = at.min(self.blocks.len().saturating_sub(1));
        self.sections.entry(open.number).or_insert(Extent { first: open.first, last, complete });
    }

    /// What it lists of a section, if it does.
    ///
    /// # Errors
    /// A medium fails.
    pub(super) fn lists(&mut self, number: u32, again: &mut Again<'_, '_>) -> Result<Option<Lists>, DeviceError> {
        let Some(Extent { first, last, complete }) = self.sections.get(&number) else { return Ok(None) };
        let ((first, byte), last, mut complete) = (*first, *last, *complete);
        let mut lists: Option<Lists> = None;
        let (mut chunks, mut buckets) = (Vec::new(), Vec::new());
        for at in first..=last {
            self.hold(at, again)?;
            let from = if at == first { byte } else { 0 };
            let payload = self.held.as_ref().and_then(|(_, payload)| payload.get(from..));
            let Some(payload) = payload else { return Ok(None) };
            let mut cursor = Cursor::new(payload);
            while cursor.left() > 0 {
                let Ok(record) = next_record(&mut cursor) else { break };
                match record.kind {
                    CatalogSectionRecord::KIND if lists.is_some() => break,
                    CatalogSectionRecord::KIND => {
                        let Ok(record) = record.decode::<CatalogSectionRecord>() else { return Ok(None) };
                        let standing = self.blocks.get(at).map_or(Standing::Unknown, |(_, standing)| *standing);
                        lists = Some(Lists { record, standing, all: None });
                    }
                    ChunkListRecord::KIND if complete => {
                        chunks.extend(record.decode::<ChunkListRecord>().map(|list| list.chunks).unwrap_or_default());
                    }
                    BucketListRecord::KIND if complete => {
                        let list = record.decode::<BucketListRecord>().map(|list| list.buckets);
                        buckets.extend(list.unwrap_or_default());
                    }
                    _ => {}
                }
                if chunks.len() > ENTRIES_MAX || buckets.len() > ENTRIES_MAX {
                    (complete, chunks, buckets) = (false, Vec::new(), Vec::new());
                }
            }
        }
        Ok(lists.map(|lists| Lists { all: complete.then_some((chunks, buckets)), ..lists }))
    }
}

impl Open {
    fn list(&mut self, record: &RawRecord<'_>) {
        if let Ok(list) = record.decode::<ChunkListRecord>() {
            self.broken |= list.section != self.number || list.first_chunk != self.chunks;
            for chunk in &list.chunks {
                self.broken |= chunk.first_row != self.rows;
                self.rows = self.rows.saturating_add(u64::from(chunk.rows));
            }
            self.chunks = self.chunks.saturating_add(list.chunks.len() as u64);
        } else if let Ok(list) = record.decode::<BucketListRecord>() {
            self.broken |= list.section != self.number || list.first_bucket != self.listed;
            for bucket in &list.buckets {
                let key = (bucket.acd, bucket.day);
                self.broken |= self.last_bucket.is_some_and(|last| last >= key);
                self.last_bucket = Some(key);
                self.written = self.written.saturating_add(u64::from(bucket.is_written()));
            }
            self.listed = self.listed.saturating_add(list.buckets.len() as u64);
        } else {
            self.broken = true;
        }
    }
}

/// The catalog blocks that are believed, in their order: one in each place, none where an index or an end mark knows of none.
fn believed(parts: &SetParts, volumes: &Volumes, conflicts: &mut Vec<String>) -> Vec<(Claim, Standing)> {
    let (mut blocks, mut strays) = (Vec::new(), 0u64);
    for ((volume, block), claims) in &parts.catalog {
        let inside = |claim: &&Claim| match volumes.standing(claim) {
            Standing::Unknown => volumes.catalog_of(*volume).is_none_or(|(first, last)| (first..=last).contains(block)),
            standing => standing == Standing::Listed,
        };
        let there: Vec<&Claim> = claims.iter().filter(inside).collect();
        strays = strays.saturating_add(claims.len().saturating_sub(there.len()) as u64);
        match best(there, |claim| claim.copies) {
            Best::One(claim) => blocks.push((*claim, volumes.standing(claim))),
            Best::Tie => {
                let place = Position::volume(*volume).with_block(*block);
                conflicts.push(format!("different catalog blocks in one place ({place}); none is believed"));
            }
            Best::None => {}
        }
    }
    if strays > 0 {
        conflicts.push(format!("{strays} catalog blocks that are no part of their volume; they are not believed"));
    }
    blocks
}
