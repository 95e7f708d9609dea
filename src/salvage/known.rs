//! What the catalog of a set still says, whole or in parts.

use super::collect::SetParts;
use super::sources::Again;
use crate::base::position::Position;
use crate::device::error::DeviceError;
use crate::format::block::{BlockKind, SetId};
use crate::format::catalog::{BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkListRecord};
use crate::format::record::{RawRecord, Record, read_records};
use crate::volume::catalog::{Catalog, CatalogSection, begins_catalog};
use std::collections::BTreeMap;

/// A section that a catalog lists.
pub(super) struct KnownSection {
    pub(super) record: CatalogSectionRecord,
    pub(super) chunks: Vec<crate::format::catalog::ChunkEntry>,
    pub(super) buckets: Vec<crate::format::catalog::BucketEntry>,
    /// Whether its chunks and buckets are all listed.
    pub(super) complete: bool,
}

/// What is known of a catalog.
#[derive(Default)]
pub(super) struct KnownCatalog {
    pub(super) sections: BTreeMap<u32, KnownSection>,
    /// Whether nothing of it is lost.
    pub(super) whole: bool,
    pub(super) absent: Vec<String>,
    pub(super) left_out: Vec<(String, String)>,
    pub(super) conflicts: Vec<String>,
}

impl KnownCatalog {
    /// Reads what was found of the catalog of a set.
    ///
    /// # Errors
    /// A medium fails.
    pub(super) fn read(set: SetId, parts: &SetParts, again: &mut Again<'_, '_>) -> Result<KnownCatalog, DeviceError> {
        let mut known = KnownCatalog::default();
        let mut blocks: Vec<((u32, u64), Vec<u8>)> = Vec::new();
        for (at, places) in &parts.catalog {
            let [place] = places.as_slice() else {
                let (volume, block) = *at;
                let place = Position::volume(volume).with_block(block);
                known.conflicts.push(format!("different catalog blocks in one place ({place}); none is believed"));
                continue;
            };
            if let Some(payload) = again.payload(place, set, BlockKind::Catalog, 0)? {
                blocks.push((*at, payload));
            }
        }
        let payloads: Vec<Vec<u8>> = blocks.iter().map(|(_, payload)| payload.clone()).collect();
        let begins = payloads.first().is_some_and(|first| begins_catalog(first));
        let due = parts.ends.values().map(|end| u64::from(end.catalog_blocks)).fold(0, u64::saturating_add);
        let begins = begins && due <= payloads.len() as u64;
        if let Some(catalog) = begins.then(|| Catalog::from_payloads(&payloads).ok()).flatten() {
            drop(payloads);
            known.take(catalog);
            return Ok(known);
        }
        drop(payloads);
        known.piece_together(&blocks);
        Ok(known)
    }

    fn take(&mut self, catalog: Catalog) {
        self.whole = true;
        (self.absent, self.left_out) = (catalog.head.absent, catalog.head.left_out);
        for CatalogSection { record, chunks, buckets } in catalog.sections {
            self.sections.insert(record.section, KnownSection { record, chunks, buckets, complete: true });
        }
    }

    /// Takes what single blocks say. A section is listed wholly if the record behind its lists was found too, with no block
    /// missing between.
    fn piece_together(&mut self, blocks: &[((u32, u64), Vec<u8>)]) {
        let (mut open, mut before) = (None, None);
        for (at, payload) in blocks {
            let follows = before.is_some_and(|(volume, block): (u32, u64)| {
                // The first catalog block of a volume stands behind its label.
                (volume, block.saturating_add(1)) == *at || (volume.saturating_add(1), 1) == *at
            });
            if !follows {
                open = None;
            }
            before = Some(*at);
            let Ok(records) = read_records(payload) else {
                open = None;
                continue;
            };
            records.iter().for_each(|record| self.record(record, &mut open));
        }
    }

    /// Takes a record; `open` is the section whose lists come.
    fn record(&mut self, record: &RawRecord<'_>, open: &mut Option<u32>) {
        match record.kind {
            CatalogRecord::KIND => {
                if let Ok(head) = record.decode::<CatalogRecord>() {
                    (self.absent, self.left_out) = (head.absent, head.left_out);
                }
            }
            CatalogSectionRecord::KIND => {
                if let Some(last) = open.take().and_then(|open| self.sections.get_mut(&open)) {
                    last.complete = last.adds_up();
                }
                let Ok(record) = record.decode::<CatalogSectionRecord>() else { return };
                *open = Some(record.section);
                let known = KnownSection { chunks: Vec::new(), buckets: Vec::new(), complete: false, record };
                self.sections.insert(known.record.section, known);
            }
            ChunkListRecord::KIND => {
                let (Some(section), Ok(list)) = (self.open(*open), record.decode::<ChunkListRecord>()) else { return };
                if list.section == section.record.section && list.first_chunk == section.chunks.len() as u64 {
                    section.chunks.extend(list.chunks);
                }
            }
            BucketListRecord::KIND => {
                let (Some(section), Ok(list)) = (self.open(*open), record.decode::<BucketListRecord>()) else { return };
                if list.section == section.record.section && list.first_bucket == section.buckets.len() as u64 {
                    section.buckets.extend(list.buckets);
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, open: Option<u32>) -> Option<&mut KnownSection> {
        self.sections.get_mut(&open?)
    }
}

impl KnownSection {
    fn adds_up(&self) -> bool {
        let end = &self.record.end;
        let written = self.buckets.iter().filter(|bucket| bucket.is_written()).count() as u64;
        let rows = self.chunks.iter().map(|chunk| u64::from(chunk.rows)).fold(0, u64::saturating_add);
        (self.chunks.len() as u64, written, rows) == (end.chunks, end.buckets, end.rows)
    }
}
