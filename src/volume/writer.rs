//! Writes one volume, forward only: label, blocks, index, end mark. Keeps the room that index and end mark will need.
//! Knows neither sections nor other volumes.

use super::error::VolumeError;
use super::name::volume_name;
use crate::base::checksum::{Hash, blake3, chain};
use crate::base::limits::RECORD_ENTRIES_MAX;
use crate::base::position::Position;
use crate::device::error::DeviceError;
use crate::device::traits::{Device, NewVolume, VolumeSink};
use crate::format::block::{BlockIdentity, BlockKind, SetId, block_len, encode_block};
use crate::format::catalog::{BlockEntry, BlockListRecord, VolumeEntry, VolumeIndexRecord};
use crate::format::error::FormatError;
use crate::format::label::{LabelRecord, Predecessor};
use crate::format::marks::{VOLUME_END_BLOCK_LEN, VolumeEndRecord};
use crate::format::record::{encode_record, push_record};

/// Appended bytes after which a volume is synced, so that a power cut costs no more than these.
pub const SYNC_EVERY_BYTES: u64 = 256 << 20;

/// Entries of one block list record, and lists of one index block.
const LIST_ENTRIES: usize = RECORD_ENTRIES_MAX as usize;
const LISTS_PER_BLOCK: usize = 4;

/// Stored lengths of the index's parts; a test holds them against the encoder.
const INDEX_RECORD_BYTES: u64 = 8 + 49;
const LIST_RECORD_BYTES: u64 = 8 + 16;
const LIST_ENTRY_BYTES: u64 = 49;

/// Bytes of the index and the end mark of a volume with `blocks` blocks before them.
#[must_use]
pub fn tail_bytes(blocks: u64) -> u64 {
    let per_block = (LIST_ENTRIES as u64).saturating_mul(LISTS_PER_BLOCK as u64);
    let (mut left, mut total, mut head) = (blocks, VOLUME_END_BLOCK_LEN as u64, INDEX_RECORD_BYTES);
    loop {
        let entries = left.min(per_block);
        let lists = entries.div_ceil(LIST_ENTRIES as u64).saturating_mul(LIST_RECORD_BYTES);
        let payload = entries.saturating_mul(LIST_ENTRY_BYTES).saturating_add(lists).saturating_add(head);
        total = total.saturating_add(block_len(usize::try_from(payload).unwrap_or(usize::MAX)) as u64);
        left = left.saturating_sub(entries);
        head = 0;
        if left == 0 {
            return total;
        }
    }
}

/// A volume that was finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSummary {
    /// Number in the set, from 1.
    pub number: u32,
    /// Name on the device.
    pub name: String,
    /// The label for people.
    pub label: String,
    /// Blocks, end mark included.
    pub blocks: u64,
    /// Bytes, end mark included.
    pub bytes: u64,
    /// Running hash after the end mark.
    pub running_hash: Hash,
}

impl VolumeSummary {
    /// The catalog's entry of the volume.
    #[must_use]
    pub const fn entry(&self) -> VolumeEntry {
        VolumeEntry { blocks: self.blocks, bytes: self.bytes, running_hash: self.running_hash }
    }

    /// What the label of the next volume says about this one.
    #[must_use]
    pub const fn predecessor(&self) -> Predecessor {
        Predecessor { last_block: self.blocks.saturating_sub(1), running_hash: self.running_hash }
    }
}

/// How a volume ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Another volume follows.
    Continues,
    /// It is the last one of its set.
    Last,
}

/// Says that a volume must be given up.
const GIVEN_UP: VolumeError =
    VolumeError::Order("an earlier write of this volume failed: what a later sync says of it cannot be believed");

/// The sink of a volume, to which nothing is done any more once a call of it has failed: a sync that succeeds after one that
/// failed says nothing of what was written before.
struct OnceFailed {
    sink: Box<dyn VolumeSink>,
    failed: bool,
}

impl OnceFailed {
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn VolumeSink) -> Result<T, DeviceError>) -> Result<T, VolumeError> {
        if self.failed {
            return Err(GIVEN_UP);
        }
        let done = call(self.sink.as_mut());
        self.failed = done.is_err();
        Ok(done?)
    }

    fn finish(self) -> Result<(), VolumeError> {
        if self.failed { Err(GIVEN_UP) } else { Ok(self.sink.finish()?) }
    }
}

/// A volume being written. Dropped before [`VolumeWriter::finish`], it stays on the device as a partial one. After an error of
/// the device it takes nothing more and cannot be finished.
pub struct VolumeWriter {
    sink: OnceFailed,
    name: String,
    label: String,
    set: SetId,
    number: u32,
    capacity: Option<u64>,
    bytes: u64,
    unsynced: u64,
    running_hash: Hash,
    blocks: Vec<BlockEntry>,
    /// Offset of the first catalog block on this volume, and how many there are.
    catalog: Option<(u64, u32)>,
    /// Volume on which the catalog begins, if that is an earlier one.
    catalog_begun: Option<u32>,
}

/// A volume that is all written and has no name yet. Dropped, it stays a partial one. After an error it gets none.
pub struct EndedVolume {
    sink: OnceFailed,
    summary: VolumeSummary,
}

impl EndedVolume {
    /// Syncs what was written, and says whether it can be read now, under the volume's partial name.
    ///
    /// # Errors
    /// The device fails; the volume must be given up.
    pub fn readable(&mut self) -> Result<bool, VolumeError> {
        self.sink.call(|sink| sink.sync())?;
        Ok(self.sink.sink.readable())
    }

    /// What it holds.
    #[must_use]
    pub const fn summary(&self) -> &VolumeSummary {
        &self.summary
    }

    /// Gives the volume its name.
    ///
    /// # Errors
    /// The device fails; the volume then stays a partial one.
    pub fn name(self) -> Result<VolumeSummary, VolumeError> {
        self.sink.finish()?;
        Ok(self.summary)
    }
}

/// What a volume was made of, so that it can be written again.
pub(super) struct Sketch {
    /// Its name on the device.
    pub(super) name: String,
    /// Its blocks, label first.
    pub(super) blocks: Vec<BlockEntry>,
    /// The volume on which the catalog begins, if that is an earlier one.
    pub(super) catalog_begun: Option<u32>,
}

impl Sketch {
    /// Bytes of the volume with index and end mark.
    pub(super) fn bytes(&self) -> u64 {
        let end = self.blocks.last().map_or(0, |last| last.offset.saturating_add(u64::from(last.bytes)));
        end.saturating_add(tail_bytes(self.blocks.len() as u64))
    }
}

impl VolumeWriter {
    /// What it is made of so far.
    pub(super) fn sketch(&self) -> Sketch {
        Sketch { name: self.name.clone(), blocks: self.blocks.clone(), catalog_begun: self.catalog_begun }
    }

    /// Begins a volume: its label is block 0. A capacity of 0 in the label means that it is not bounded. `wanted`: bytes without
    /// which the volume would be begun in vain.
    ///
    /// # Errors
    /// The label fails its checks, the capacity holds no more than the label, the device fails.
    pub fn create(device: &dyn Device, label: &LabelRecord, wanted: u64) -> Result<VolumeWriter, VolumeError> {
        let name = volume_name(label);
        let payload = encode_record(label).map_err(|error| VolumeError::format(&name, error))?;
        let capacity = Some(label.capacity).filter(|capacity| *capacity > 0);
        let needed = (block_len(payload.len()) as u64).saturating_add(tail_bytes(1));
        if let Some(capacity) = capacity.filter(|capacity| *capacity < needed) {
            return Err(VolumeError::CapacityTooSmall { capacity, needed });
        }
        let new = NewVolume { name: &name, label: &label.label, number: label.volume, needed: needed.max(wanted) };
        let sink = device.begin(&new)?;
        let mut writer = VolumeWriter {
            sink: OnceFailed { sink, failed: false },
            name,
            label: label.label.clone(),
            set: label.set(),
            number: label.volume,
            capacity,
            bytes: 0,
            unsynced: 0,
            running_hash: [0; 32],
            blocks: Vec::new(),
            catalog: None,
            catalog_begun: None,
        };
        writer.append(BlockKind::Label, 0, &payload)?;
        Ok(writer)
    }

    /// Number in the set, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Name on the device once it is finished.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Blocks so far.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// The catalog's entry of the volume as it stands.
    #[must_use]
    pub const fn entry(&self) -> VolumeEntry {
        VolumeEntry { blocks: self.blocks(), bytes: self.bytes, running_hash: self.running_hash }
    }

    /// Whether `blocks` more blocks of `bytes` bytes in all fit, index and end mark included: in the capacity, and on the
    /// medium, which keeps the room for them. If not, index and end mark of what is there still have theirs.
    ///
    /// # Errors
    /// The device fails.
    pub fn reserve(&mut self, blocks: u64, bytes: u64) -> Result<bool, VolumeError> {
        let wanted = bytes.saturating_add(tail_bytes(self.blocks().saturating_add(blocks)));
        let fits = self.capacity.is_none_or(|capacity| self.bytes.saturating_add(wanted) <= capacity);
        Ok(fits && self.sink.call(|sink| sink.reserve(wanted))?)
    }

    /// Adds a block. The caller has asked [`VolumeWriter::reserve`].
    ///
    /// # Errors
    /// The payload is too large, the device fails; the volume must then be given up.
    pub fn append(&mut self, kind: BlockKind, section: u32, payload: &[u8]) -> Result<BlockEntry, VolumeError> {
        let identity = BlockIdentity { set: self.set, volume: self.number, block: self.blocks(), section };
        let block = encode_block(kind, identity, payload).map_err(|error| self.failed(error))?;
        self.sink.call(|sink| sink.append(&block))?;
        // A block has at most 16 MiB and its header, so the length fits.
        let bytes = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let unsynced = self.unsynced.saturating_add(u64::from(bytes));
        let due = unsynced >= SYNC_EVERY_BYTES;
        if due {
            // Before the block counts as written: where another medium follows, it is written there.
            self.sink.call(|sink| sink.sync())?;
        }
        self.unsynced = if due { 0 } else { unsynced };
        let entry = BlockEntry { kind: kind.id(), section, offset: self.bytes, bytes, hash: blake3(&block) };
        if kind == BlockKind::Catalog {
            let (offset, blocks) = self.catalog.unwrap_or((self.bytes, 0));
            self.catalog = Some((offset, blocks.saturating_add(1)));
        }
        self.running_hash = chain(&self.running_hash, &entry.hash);
        self.bytes = self.bytes.saturating_add(u64::from(bytes));
        self.blocks.push(entry);
        Ok(entry)
    }

    /// Says that the catalog began on an earlier volume.
    pub const fn continue_catalog(&mut self, begun_on: u32) {
        self.catalog_begun = Some(begun_on);
    }

    /// Ends the volume: index, end mark, sync, name.
    ///
    /// # Errors
    /// The device fails; the volume then stays a partial one.
    pub fn finish(self, ending: Ending) -> Result<VolumeSummary, VolumeError> {
        self.end(ending)?.name()
    }

    /// Writes index and end mark. The volume has no name yet.
    ///
    /// # Errors
    /// As [`VolumeWriter::finish`].
    pub fn end(mut self, ending: Ending) -> Result<EndedVolume, VolumeError> {
        let index_offset = self.bytes;
        let mut index_blocks = 0u32;
        let made = index_payloads(&self.blocks, &self.entry(), ending == Ending::Continues);
        for payload in made.map_err(|error| self.failed(error))? {
            self.append(BlockKind::VolumeIndex, 0, &payload)?;
            index_blocks = index_blocks.saturating_add(1);
        }
        let (catalog_offset, catalog_blocks) = self.catalog.unwrap_or((0, 0));
        let catalog_volume = if catalog_blocks > 0 { self.catalog_begun.unwrap_or(self.number) } else { 0 };
        let end = VolumeEndRecord {
            blocks: self.blocks(),
            bytes: self.bytes,
            running_hash: self.running_hash,
            index_offset,
            index_blocks,
            catalog_offset,
            catalog_blocks,
            catalog_volume,
            set_complete: ending == Ending::Last,
        };
        let payload = encode_record(&end).map_err(|error| self.failed(error))?;
        self.append(BlockKind::VolumeEnd, 0, &payload)?;
        let VolumeEntry { blocks, bytes, running_hash } = self.entry();
        let summary =
            VolumeSummary { number: self.number, name: self.name, label: self.label, blocks, bytes, running_hash };
        Ok(EndedVolume { sink: self.sink, summary })
    }

    fn failed(&self, error: FormatError) -> VolumeError {
        VolumeError::format(&self.name, error.within(Position::volume(self.number).with_block(self.blocks())))
    }
}

/// The payloads of the index of a volume that stands as `entry` says and has these blocks.
///
/// # Errors
/// A record fails its checks.
pub(super) fn index_payloads(
    blocks: &[BlockEntry],
    entry: &VolumeEntry,
    continues: bool,
) -> Result<Vec<Vec<u8>>, FormatError> {
    let VolumeEntry { blocks: count, bytes, running_hash } = *entry;
    let mut payloads = Vec::new();
    let mut payload = encode_record(&VolumeIndexRecord { blocks: count, bytes, running_hash, continues })?;
    let mut first_block = 0u64;
    for (number, entries) in blocks.chunks(LIST_ENTRIES).enumerate() {
        if number > 0 && number.is_multiple_of(LISTS_PER_BLOCK) {
            payloads.push(std::mem::take(&mut payload));
        }
        push_record(&mut payload, &BlockListRecord { first_block, blocks: entries.to_vec() })?;
        first_block = first_block.saturating_add(entries.len() as u64);
    }
    payloads.push(payload);
    Ok(payloads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::{Record, read_records};

    #[test]
    fn stored_lengths_are_those_of_the_encoder() {
        let head = VolumeIndexRecord { blocks: 0, bytes: 0, running_hash: [0; 32], continues: false };
        assert_eq!(encode_record(&head).unwrap().len() as u64, INDEX_RECORD_BYTES);
        let entry = BlockEntry { kind: 1, section: 0, offset: 0, bytes: 0, hash: [0; 32] };
        for count in [0, 1, 5] {
            let list = BlockListRecord { first_block: 0, blocks: vec![entry; count] };
            let expected = LIST_RECORD_BYTES + count as u64 * LIST_ENTRY_BYTES;
            assert_eq!(encode_record(&list).unwrap().len() as u64, expected);
        }
    }

    #[test]
    fn each_list_of_an_index_says_how_many_blocks_are_listed_before_it() {
        let block = BlockEntry { kind: 1, section: 0, offset: 0, bytes: 0, hash: [0; 32] };
        let entry = VolumeEntry { blocks: 0, bytes: 0, running_hash: [0; 32] };
        let count = LIST_ENTRIES * (LISTS_PER_BLOCK + 1) + 3;
        let payloads = index_payloads(&vec![block; count], &entry, false).unwrap();
        let lists = |payload: &Vec<u8>| -> Vec<(u64, usize)> {
            let records = read_records(payload).unwrap().into_iter();
            let lists = records.filter(|record| record.kind == BlockListRecord::KIND);
            lists
                .map(|list| list.decode::<BlockListRecord>().unwrap())
                .map(|l| (l.first_block, l.blocks.len()))
                .collect()
        };
        let full = LIST_ENTRIES as u64;
        let mut expected: Vec<(u64, usize)> = (0..5).map(|list| (list * full, LIST_ENTRIES)).collect();
        expected.push((5 * full, 3));
        assert_eq!(payloads.iter().map(|payload| lists(payload).len()).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(payloads.iter().flat_map(lists).collect::<Vec<_>>(), expected);
    }
}
