//! Writes a set over as many volumes as it takes: sections, chunks, catalog. A block never spans volumes, a section does.
//! Does not know tables, rows or how columns are encoded.

use super::catalog::{Catalog, CatalogSection};
use super::error::VolumeError;
use super::moved::{begin, goes_on, write_again};
use super::name::label_of_volume;
use super::summary::{BucketTable, chunk_entry};
use super::writer::{EndedVolume, Ending, Sketch, VolumeSummary, VolumeWriter, tail_bytes};
use crate::base::limits::{BLOCK_PAYLOAD_MAX, SECTIONS_MAX, VOLUMES_MAX};
use crate::device::traits::Device;
use crate::format::block::{BlockKind, SetId, block_len};
use crate::format::catalog::{BlockEntry, BucketEntry, CatalogRecord, CatalogSectionRecord, ChunkEntry};
use crate::format::chunk::{ChunkRecord, ColumnBytesEntry, PieceEntry, encode_chunk};
use crate::format::error::FormatError;
use crate::format::label::{LabelRecord, Predecessor};
use crate::format::record::encode_record;
use crate::format::section::{HeldEntry, Losses, SectionEndRecord, SectionRecord};

/// How a set is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// Capacity of each volume in bytes, all blocks included; none: one volume takes everything.
    pub volume_size: Option<u64>,
}

/// One chunk as the caller has it. Its number, its first row and the numbers of its pieces are the writer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkContent {
    /// Rows.
    pub rows: u32,
    /// How the columns are stored, in schema order.
    pub columns: Vec<ColumnBytesEntry>,
    /// The stored bytes of each column, in the same order.
    pub bytes: Vec<Vec<u8>>,
    /// What the chunk holds of each bucket, in order of first appearance; `piece` is ignored.
    pub pieces: Vec<PieceEntry>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSummary {
    /// The set.
    pub set: SetId,
    /// The label for people, of volume 1.
    pub label: String,
    /// The volumes, in order.
    pub volumes: Vec<VolumeSummary>,
    /// Sections.
    pub sections: u32,
    /// Rows of all sections.
    pub rows: u64,
    /// Bytes of all volumes.
    pub bytes: u64,
}

struct OpenSection {
    number: u32,
    header: SectionRecord,
    chunks: Vec<ChunkEntry>,
    buckets: BucketTable,
    rows: u64,
    bytes: u64,
}

struct Placed {
    volume: u32,
    block: u64,
    entry: BlockEntry,
}

/// A set being written. After an error nothing more can be written: the set stays incomplete, what stands on its volumes
/// can be read by a forward scan. The same holds for a writer that is dropped before [`SetWriter::finish`].
pub struct SetWriter<'d> {
    device: &'d dyn Device,
    label: LabelRecord,
    capacity: Option<u64>,
    /// None only while one volume is finished and the next one begun, and after a failure there.
    volume: Option<VolumeWriter>,
    finished: Vec<VolumeSummary>,
    sections: Vec<CatalogSection>,
    open: Option<OpenSection>,
    /// The volume on which the catalog begins, once it does.
    catalog_volume: Option<u32>,
    failed: bool,
}

const FAILED: VolumeError =
    VolumeError::Order("an earlier write of this set failed: the set stays incomplete, begin a new one");

impl<'d> SetWriter<'d> {
    /// Begins a set on a device: the label of volume 1 is written. Volume number, capacity, predecessor and the last
    /// field of the label's text are the writer's, on every volume.
    ///
    /// # Errors
    /// The label fails its checks, the volume size holds not even a label, the device fails.
    pub fn create(
        device: &'d dyn Device,
        label: LabelRecord,
        options: &SetOptions,
    ) -> Result<SetWriter<'d>, VolumeError> {
        let capacity = options.volume_size;
        if capacity == Some(0) {
            return Err(VolumeError::CapacityTooSmall { capacity: 0, needed: tail_bytes(1) });
        }
        let label = LabelRecord { capacity: capacity.unwrap_or(0), ..label };
        let first = label_of(&label, 1, None);
        let volume = begin(device, &first, 0)?;
        Ok(SetWriter {
            device,
            label,
            capacity,
            volume: Some(volume),
            finished: Vec::new(),
            sections: Vec::new(),
            open: None,
            catalog_volume: None,
            failed: false,
        })
    }

    /// Number of the volume being written, from 1.
    #[must_use]
    pub fn volume_number(&self) -> u32 {
        self.volume.as_ref().map_or(0, VolumeWriter::number)
    }

    /// The volumes that are finished, in order.
    #[must_use]
    pub fn finished_volumes(&self) -> &[VolumeSummary] {
        &self.finished
    }

    /// Begins a section and returns its number, from 1. `first_row` and `first_chunk` of the header are ignored.
    ///
    /// # Errors
    /// A section is open, the header fails its checks or fits no volume, the device fails.
    pub fn begin_section(&mut self, header: SectionRecord) -> Result<u32, VolumeError> {
        self.guarded(|set| {
            if set.open.is_some() {
                return Err(VolumeError::Order("a section is open: end it before the next one begins"));
            }
            let number = u32::try_from(set.sections.len()).unwrap_or(u32::MAX).saturating_add(1);
            if number > SECTIONS_MAX {
                return Err(VolumeError::TooMany { what: "sections", limit: u64::from(SECTIONS_MAX) });
            }
            let header = SectionRecord { first_row: 0, first_chunk: 0, ..header };
            let payload = encode_record(&header).map_err(|error| set.format(error))?;
            let placed = set.place(BlockKind::SectionHeader, number, &payload)?;
            let (chunks, buckets) = (Vec::new(), BucketTable::default());
            let bytes = u64::from(placed.entry.bytes);
            set.open = Some(OpenSection { number, header, chunks, buckets, rows: 0, bytes });
            Ok(number)
        })
    }

    /// Adds a chunk to the open section; the set goes on to the next volume if it does not fit.
    ///
    /// # Errors
    /// No section is open, the content fails its checks, the chunk fits no volume, the device fails.
    pub fn chunk(&mut self, content: ChunkContent) -> Result<(), VolumeError> {
        self.guarded(|set| {
            let ChunkContent { rows, columns, bytes, mut pieces } = content;
            let Some(open) = set.open.as_mut() else {
                return Err(VolumeError::Order("no section is open: begin one before its chunks"));
            };
            open.buckets.number_and_add(&mut pieces);
            let chunk = open.chunks.len() as u64;
            let (section, first_row) = (open.number, open.rows);
            let directory = ChunkRecord { chunk, first_row, rows, columns, pieces };
            let payload = encode_chunk(&directory, &bytes).map_err(|error| set.format(error))?;
            drop(bytes);
            let placed = set.place(BlockKind::Chunk, section, &payload)?;
            if let Some(open) = set.open.as_mut() {
                let BlockEntry { offset, bytes, .. } = placed.entry;
                open.chunks.push(chunk_entry(&directory, placed.volume, placed.block, offset, bytes));
                open.rows = open.rows.saturating_add(u64::from(rows));
                open.bytes = open.bytes.saturating_add(u64::from(bytes));
            }
            Ok(())
        })
    }

    /// Ends the open section of a set that is not incremental. The totals are computed from its pieces.
    ///
    /// # Errors
    /// No section is open, the held ranges fail their checks, the device fails.
    pub fn end_section(&mut self, held: Vec<HeldEntry>) -> Result<SectionEndRecord, VolumeError> {
        let envelope = held.clone();
        self.end_incremental(held, envelope, Vec::new())
    }

    /// Ends the open section of an incremental set. `envelope` is the time for which a full set taken now would speak,
    /// `unwritten` are the buckets that the source has and that this set does not repeat, in any order; their number of
    /// pieces is the writer's.
    ///
    /// # Errors
    /// As [`SetWriter::end_section`]; a bucket is among those that were written.
    pub fn end_incremental(
        &mut self,
        held: Vec<HeldEntry>,
        envelope: Vec<HeldEntry>,
        unwritten: Vec<BucketEntry>,
    ) -> Result<SectionEndRecord, VolumeError> {
        self.end_salvaged(held, envelope, unwritten, None)
    }

    /// Ends the open section of a set that was salvaged, which may lack something of what it had: `lost` says what.
    ///
    /// # Errors
    /// As [`SetWriter::end_incremental`].
    pub fn end_salvaged(
        &mut self,
        held: Vec<HeldEntry>,
        envelope: Vec<HeldEntry>,
        unwritten: Vec<BucketEntry>,
        lost: Option<Losses>,
    ) -> Result<SectionEndRecord, VolumeError> {
        self.guarded(|set| {
            let Some(open) = set.open.as_ref() else {
                return Err(VolumeError::Order("no section is open: begin one before it can end"));
            };
            let end = SectionEndRecord {
                rows: open.rows,
                chunks: open.chunks.len() as u64,
                buckets: open.buckets.len() as u64,
                digest: open.buckets.digest(),
                held,
                envelope,
                lost,
            };
            let mut buckets: Vec<BucketEntry> = open.buckets.entries().collect();
            if unwritten.iter().any(|bucket| open.buckets.get(&(bucket.acd, bucket.day)).is_some()) {
                return Err(VolumeError::Order("a bucket is listed as not written, and it was: list it once"));
            }
            if !unwritten.is_empty() {
                buckets.extend(unwritten.into_iter().map(|bucket| BucketEntry { pieces: 0, ..bucket }));
                buckets.sort_unstable_by_key(|bucket| (bucket.acd, bucket.day));
            }
            let number = open.number;
            let payload = encode_record(&end).map_err(|error| set.format(error))?;
            let placed = set.place(BlockKind::SectionEnd, number, &payload)?;
            if let Some(open) = set.open.take() {
                let bytes = open.bytes.saturating_add(u64::from(placed.entry.bytes));
                let listed = buckets.len() as u64;
                let record =
                    CatalogSectionRecord { section: number, header: open.header, end: end.clone(), bytes, listed };
                set.sections.push(CatalogSection { record, chunks: open.chunks, buckets });
            }
            Ok(end)
        })
    }

    /// Ends the set: catalog, index, end mark. `absent`: what was selected and the source lacks; `left_out`: what was
    /// selected, is at the source and is not on the volumes, with the reason.
    ///
    /// # Errors
    /// A section is open, the catalog fits no volume, the device fails. The set then stays incomplete.
    pub fn finish(self, absent: Vec<String>, left_out: Vec<(String, String)>) -> Result<SetSummary, VolumeError> {
        self.end(absent, left_out)?.name()
    }

    /// As [`SetWriter::finish`], but the last volume does not get its name yet: until then the set is not finished.
    ///
    /// # Errors
    /// As [`SetWriter::finish`].
    pub fn end(mut self, absent: Vec<String>, left_out: Vec<(String, String)>) -> Result<EndedSet<'d>, VolumeError> {
        if self.failed {
            return Err(FAILED);
        }
        if self.open.is_some() {
            return Err(VolumeError::Order("a section is open: end it before the set ends"));
        }
        let rows = self.sections.iter().map(|section| section.record.end.rows).fold(0, u64::saturating_add);
        let sections = u32::try_from(self.sections.len()).unwrap_or(u32::MAX);
        let head = CatalogRecord { volumes: 0, sections, rows, absent, left_out };
        let mut catalog = Catalog { head, volumes: Vec::new(), sections: std::mem::take(&mut self.sections) };
        let mut payloads = self.catalog_payloads(&mut catalog)?;
        let bytes = payloads.iter().map(|payload| block_len(payload.len()) as u64).fold(0, u64::saturating_add);
        let begun = self.volume.as_ref().is_some_and(|volume| volume.blocks() > 1);
        if begun && !self.has_room(payloads.len() as u64, bytes)? {
            let largest = payloads.iter().map(|payload| block_len(payload.len()) as u64).max().unwrap_or(0);
            self.next_volume(largest)?;
            payloads = self.catalog_payloads(&mut catalog)?;
        }
        self.catalog_volume = Some(self.volume_number());
        for payload in &payloads {
            self.place(BlockKind::Catalog, 0, payload)?;
        }
        let sketch = self.volume.as_ref().filter(|_| self.device.goes_on()).map(VolumeWriter::sketch);
        let last = self.closed(|volume| volume.end(Ending::Last))?;
        let before = self.finished.last().map(VolumeSummary::predecessor);
        let again = sketch.map(|sketch| (label_of(&self.label, last.summary().number, before), sketch));
        let volumes = std::mem::take(&mut self.finished);
        let bytes = volumes.iter().chain([last.summary()]).map(|volume| volume.bytes).fold(0, u64::saturating_add);
        let label = label_of_volume(&self.label.label, 1);
        let summary = SetSummary { set: self.label.set(), label, volumes, sections, rows, bytes };
        Ok(EndedSet { device: self.device, last, again, summary })
    }

    /// The catalog's blocks, if it begins on the volume being written.
    fn catalog_payloads(&self, catalog: &mut Catalog) -> Result<Vec<Vec<u8>>, VolumeError> {
        let here = self.volume.as_ref().map(VolumeWriter::entry);
        catalog.volumes = self.finished.iter().map(VolumeSummary::entry).chain(here).collect();
        catalog.head.volumes = u32::try_from(catalog.volumes.len()).unwrap_or(u32::MAX);
        // A quarter of a volume, so that a catalog that is larger than a volume wastes little of each.
        let quarter = self.capacity.map_or(u64::MAX, |capacity| capacity / 4);
        let limit = usize::try_from(quarter).unwrap_or(usize::MAX).min(BLOCK_PAYLOAD_MAX as usize);
        catalog.to_payloads(limit).map_err(|error| self.format(error))
    }

    /// Runs one step; after its failure the set takes no further one.
    fn guarded<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, VolumeError>) -> Result<T, VolumeError> {
        if self.failed {
            return Err(FAILED);
        }
        let done = step(self);
        self.failed = done.is_err();
        done
    }

    fn has_room(&mut self, blocks: u64, bytes: u64) -> Result<bool, VolumeError> {
        self.volume.as_mut().map_or(Ok(false), |volume| volume.reserve(blocks, bytes))
    }

    /// Writes a block on this volume or, if it does not fit, on the next.
    fn place(&mut self, kind: BlockKind, section: u32, payload: &[u8]) -> Result<Placed, VolumeError> {
        let bytes = block_len(payload.len()) as u64;
        if !self.has_room(1, bytes)? {
            self.next_volume(bytes)?;
            // Here too the room for index and end mark is kept. A medium that has none even now says so when it is written to.
            let _promised = self.has_room(1, bytes)?;
        }
        let volume = self.volume.as_ref().ok_or(FAILED)?;
        let (number, block) = (volume.number(), volume.blocks());
        let entry = self.append(kind, section, payload)?;
        Ok(Placed { volume: number, block, entry })
    }

    /// Writes a block on this volume; if the medium does not take it, the volume goes on as a whole on the next one.
    fn append(&mut self, kind: BlockKind, section: u32, payload: &[u8]) -> Result<BlockEntry, VolumeError> {
        let volume = self.volume.as_mut().ok_or(FAILED)?;
        match volume.append(kind, section, payload) {
            Err(error) if goes_on(self.device, &error) => {
                let sketch = self.volume.take().ok_or(FAILED)?.sketch();
                self.write_again(&sketch)?;
                let _promised = self.has_room(1, block_len(payload.len()) as u64)?;
                self.volume.as_mut().ok_or(FAILED)?.append(kind, section, payload)
            }
            entry => entry,
        }
    }

    /// Writes the volume that a medium did not take, as far as it goes, on the next one.
    fn write_again(&mut self, sketch: &Sketch) -> Result<(), VolumeError> {
        let before = self.finished.last();
        let number = before.map_or(0, |before| before.number).saturating_add(1);
        let label = label_of(&self.label, number, before.map(VolumeSummary::predecessor));
        self.volume = Some(write_again(self.device, &label, sketch)?);
        Ok(())
    }

    /// Ends this volume and begins the next one, on which a block of `bytes` bytes will fit. An open section begins
    /// again there.
    fn next_volume(&mut self, bytes: u64) -> Result<(), VolumeError> {
        let number = self.volume_number().saturating_add(1);
        if number > VOLUMES_MAX {
            return Err(VolumeError::TooMany { what: "volumes", limit: u64::from(VOLUMES_MAX) });
        }
        let header = self.open.as_ref().map(|open| {
            let (first_row, first_chunk) = (open.rows, open.chunks.len() as u64);
            (open.number, SectionRecord { first_row, first_chunk, ..open.header.clone() })
        });
        let header = match header {
            Some((section, header)) => Some((section, encode_record(&header).map_err(|error| self.format(error))?)),
            None => None,
        };
        let needed = self.needed(number, header.as_ref().map(|(_, payload)| payload.len()), bytes)?;
        let ended = self.end_volume(Ending::Continues)?;
        let label = label_of(&self.label, number, Some(ended));
        let mut volume = begin(self.device, &label, needed)?;
        if let Some(begun_on) = self.catalog_volume {
            volume.continue_catalog(begun_on);
        }
        self.volume = Some(volume);
        if let Some((section, payload)) = header {
            let entry = self.append(BlockKind::SectionHeader, section, &payload)?;
            if let Some(open) = self.open.as_mut() {
                open.bytes = open.bytes.saturating_add(u64::from(entry.bytes));
            }
        }
        Ok(())
    }

    /// What an empty volume must take: label, section header, a block of `bytes` bytes, index and end mark. Refused if that
    /// is more than its capacity: no volume is begun in vain.
    fn needed(&self, number: u32, header: Option<usize>, bytes: u64) -> Result<u64, VolumeError> {
        let label = label_of(&self.label, number, Some(Predecessor { last_block: 0, running_hash: [0; 32] }));
        let label = encode_record(&label).map_err(|error| self.format(error))?;
        let header = header.map_or(0, |len| block_len(len) as u64);
        let blocks = if header == 0 { 2 } else { 3 };
        let content = (block_len(label.len()) as u64).saturating_add(header).saturating_add(bytes);
        let needed = content.saturating_add(tail_bytes(blocks));
        match self.capacity {
            Some(capacity) if needed > capacity => Err(VolumeError::CapacityTooSmall { capacity, needed }),
            _ => Ok(needed),
        }
    }

    /// Ends this volume, here or, if the medium does not take its end, on the next one.
    fn closed<T>(&mut self, close: impl Fn(VolumeWriter) -> Result<T, VolumeError>) -> Result<T, VolumeError> {
        let volume = self.volume.take().ok_or(FAILED)?;
        let sketch = self.device.goes_on().then(|| volume.sketch());
        match (close(volume), sketch) {
            (Err(error), Some(sketch)) if goes_on(self.device, &error) => {
                self.write_again(&sketch)?;
                close(self.volume.take().ok_or(FAILED)?)
            }
            (closed, _) => closed,
        }
    }

    fn end_volume(&mut self, ending: Ending) -> Result<Predecessor, VolumeError> {
        let summary = self.closed(|volume| volume.finish(ending))?;
        let predecessor = summary.predecessor();
        self.finished.push(summary);
        Ok(predecessor)
    }

    fn format(&self, error: FormatError) -> VolumeError {
        VolumeError::format(self.volume.as_ref().map_or("", VolumeWriter::name), error)
    }
}

/// A set that is all written, whose last volume has no name yet. Dropped, it stays unfinished.
pub struct EndedSet<'d> {
    device: &'d dyn Device,
    last: EndedVolume,
    /// What its last volume is made of, where a medium that does not take it is followed by another one.
    again: Option<(LabelRecord, Sketch)>,
    summary: SetSummary,
}

impl EndedSet<'_> {
    /// What was written, its last volume included.
    #[must_use]
    pub fn summary(&self) -> SetSummary {
        let mut summary = self.summary.clone();
        summary.volumes.push(self.last.summary().clone());
        summary
    }

    /// Syncs what was written, and says whether the set can be read now.
    ///
    /// # Errors
    /// The device fails; the set stays unfinished.
    pub fn readable(&mut self) -> Result<bool, VolumeError> {
        self.last.readable()
    }

    /// Finishes the set: its last volume gets its name, on the next medium if this one does not even take that.
    ///
    /// # Errors
    /// The device fails; the set stays unfinished.
    pub fn name(mut self) -> Result<SetSummary, VolumeError> {
        let last = match (self.last.name(), &self.again) {
            (Err(error), Some((label, sketch))) if goes_on(self.device, &error) => {
                write_again(self.device, label, sketch)?.finish(Ending::Last)?
            }
            (named, _) => named?,
        };
        self.summary.volumes.push(last);
        Ok(self.summary)
    }
}

fn label_of(label: &LabelRecord, number: u32, predecessor: Option<Predecessor>) -> LabelRecord {
    LabelRecord { volume: number, label: label_of_volume(&label.label, number), predecessor, ..label.clone() }
}
