//! Reads one volume by offsets: label, end mark, index, blocks. Every block is checked for checksum and identity.
//! Does not know the other volumes of its set, nor how to find blocks in damage: the scanner does.

use super::catalog::{Catalog, begins_catalog};
use super::error::VolumeError;
use super::extents::end_before_zeros;
use crate::base::position::Position;
use crate::device::error::DeviceError;
use crate::device::traits::VolumeSource;
use crate::format::block::{ALIGNMENT, BlockHeader, BlockKind, HEADER_LEN, SetId};
use crate::format::catalog::{BlockEntry, BlockListRecord, VolumeIndexRecord};
use crate::format::error::{FormatError, FormatErrorKind};
use crate::format::label::LabelRecord;
use crate::format::marks::{VOLUME_END_BLOCK_LEN, VolumeEndRecord};
use crate::format::record::{Record, decode_record, read_records};

/// The bytes of a volume of which set and number are known. Sees blocks only, so that what a damaged label leaves can
/// still be read.
pub struct Blocks {
    source: Ended,
    name: String,
    set: SetId,
    number: u32,
}

/// A volume up to its end.
struct Ended {
    source: Box<dyn VolumeSource>,
    len: u64,
}

impl VolumeSource for Ended {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.source.read_at(at, buffer)
    }

    fn next_data(&self, at: u64) -> u64 {
        self.source.next_data(at).min(self.len.max(at))
    }
}

impl Blocks {
    pub(super) fn new(source: Box<dyn VolumeSource>, name: &str, set: SetId, number: u32) -> Blocks {
        let source = Ended { len: source.len(), source };
        Blocks { source, name: name.to_owned(), set, number }
    }

    /// The volume's name on its device.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Set and number that its blocks must have.
    #[must_use]
    pub const fn identity(&self) -> (SetId, u32) {
        (self.set, self.number)
    }

    /// Its bytes.
    #[must_use]
    pub fn source(&self) -> &dyn VolumeSource {
        &self.source
    }

    /// Length in bytes, as the device says, without zeros behind it that were passed over.
    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    /// The block of `bytes` bytes at `offset`, which must be block `block` if that is known.
    pub(super) fn read(
        &self,
        offset: u64,
        bytes: u32,
        block: Option<u64>,
    ) -> Result<(BlockHeader, Vec<u8>), VolumeError> {
        let place = Position { block, ..Position::volume(self.number) };
        let fail = |error: FormatError| VolumeError::format(&self.name, error.within(place));
        let left = self.len().saturating_sub(offset);
        if left < u64::from(bytes) {
            return Err(fail(FormatError::new(FormatErrorKind::Short { wanted: u64::from(bytes), left }, 0)));
        }
        let mut buffer = vec![0; bytes as usize];
        self.source.read_at(offset, &mut buffer)?;
        let header = BlockHeader::parse(&buffer).map_err(fail)?;
        header.expect(self.set, self.number, block.unwrap_or(header.identity.block)).map_err(fail)?;
        if header.block_len() != buffer.len() {
            let (field, found) = ("payload_len", u64::from(header.payload_len));
            let kind = FormatErrorKind::Field { field, found, allowed: "the length that the index gives" };
            return Err(fail(FormatError::new(kind, 0)));
        }
        header.payload(&buffer).map_err(fail)?;
        buffer.copy_within(HEADER_LEN.., 0);
        buffer.truncate(header.payload_len as usize);
        Ok((header, buffer))
    }

    /// The block at `offset`, of whatever length it says.
    fn read_next(&self, offset: u64) -> Result<(BlockHeader, Vec<u8>), VolumeError> {
        let header = self.header_at(offset)?;
        self.read(offset, u32::try_from(header.block_len()).unwrap_or(u32::MAX), Some(header.identity.block))
    }

    fn header_at(&self, offset: u64) -> Result<BlockHeader, VolumeError> {
        let fail = |error: FormatError| VolumeError::format(&self.name, error.within(Position::volume(self.number)));
        let left = self.len().saturating_sub(offset);
        if left < HEADER_LEN as u64 {
            return Err(fail(FormatError::new(FormatErrorKind::Short { wanted: HEADER_LEN as u64, left }, 0)));
        }
        let mut bytes = [0; HEADER_LEN];
        self.source.read_at(offset, &mut bytes)?;
        BlockHeader::parse(&bytes).map_err(fail)
    }

    /// The first `bytes` bytes of the block at `offset` behind its header, or fewer if it is shorter. The header is
    /// checked; the bytes are not covered by any check.
    pub(super) fn peek(&self, offset: u64, bytes: usize) -> Result<(BlockHeader, Vec<u8>), VolumeError> {
        let fail = |error: FormatError| VolumeError::format(&self.name, error.within(Position::volume(self.number)));
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; bytes.saturating_add(HEADER_LEN).min(left)];
        self.source.read_at(offset, &mut buffer)?;
        let header = BlockHeader::parse(&buffer).map_err(fail)?;
        header.expect(self.set, self.number, header.identity.block).map_err(fail)?;
        buffer.truncate(HEADER_LEN.saturating_add(header.payload_len as usize));
        buffer.drain(..HEADER_LEN.min(buffer.len()));
        Ok((header, buffer))
    }

    /// The end mark, if the last bytes of the volume are one, at the place and with the number that it states.
    #[must_use]
    pub fn end(&self) -> Option<VolumeEndRecord> {
        let offset = self.len().checked_sub(VOLUME_END_BLOCK_LEN as u64)?;
        let (header, payload) = self.read(offset, VOLUME_END_BLOCK_LEN as u32, None).ok()?;
        let end: VolumeEndRecord = (header.kind == BlockKind::VolumeEnd).then(|| decode_record(&payload))?.ok()?;
        // A catalog goes on to later volumes, never to earlier ones.
        let catalog = end.catalog_volume <= self.number;
        (end.bytes == offset && end.blocks == header.identity.block && catalog).then_some(end)
    }

    /// The same; zeros behind it are passed over, as many as fill a record of a tape at most. They are then no longer among the
    /// bytes of the volume.
    #[must_use]
    pub fn ended(&mut self) -> Option<VolumeEndRecord> {
        if let Some(end) = self.end() {
            return Some(end);
        }
        let len = self.source.len;
        self.source.len = end_before_zeros(&self.source).ok().flatten()?.1;
        let end = self.end();
        self.source.len = if end.is_some() { self.source.len } else { len };
        end
    }

    /// The payloads of the catalog blocks on this volume.
    pub(super) fn catalog_payloads(&self, end: &VolumeEndRecord) -> Result<Vec<Vec<u8>>, VolumeError> {
        let mut payloads = Vec::new();
        let mut offset = end.catalog_offset;
        for _ in 0..end.catalog_blocks {
            let (header, payload) = self.read_next(offset)?;
            self.expect_kind(&header, BlockKind::Catalog)?;
            payloads.push(payload);
            offset = offset.saturating_add(header.block_len() as u64);
        }
        Ok(payloads)
    }

    /// The index that the end mark points to.
    ///
    /// # Errors
    /// The index is damaged; the device fails.
    pub fn index(&self, end: &VolumeEndRecord) -> Result<VolumeIndex, VolumeError> {
        let mut offset = end.index_offset;
        let mut index: Option<VolumeIndex> = None;
        for _ in 0..end.index_blocks {
            let (header, payload) = self.read_next(offset)?;
            self.expect_kind(&header, BlockKind::VolumeIndex)?;
            self.add_index(&mut index, &payload, header.position())?;
            offset = offset.saturating_add(header.block_len() as u64);
        }
        let missing = || VolumeError::field(&self.name, Position::volume(self.number), "index blocks", 0, "1 or more");
        let index = index.ok_or_else(missing)?;
        let (listed, blocks) = (index.blocks.len() as u64, index.head.blocks);
        if listed != blocks || index.head.bytes != end.index_offset {
            let allowed = "the blocks and bytes before the index";
            return Err(VolumeError::field(
                &self.name,
                Position::volume(self.number),
                "blocks listed",
                listed,
                allowed,
            ));
        }
        Ok(index)
    }

    fn add_index(&self, index: &mut Option<VolumeIndex>, payload: &[u8], at: Position) -> Result<(), VolumeError> {
        let fail = |error: FormatError| VolumeError::format(&self.name, error.within(at));
        for record in read_records(payload).map_err(fail)? {
            match (record.kind, index.as_mut()) {
                (VolumeIndexRecord::KIND, None) => {
                    let head = record.decode().map_err(fail)?;
                    *index = Some(VolumeIndex { head, blocks: Vec::new() });
                }
                (BlockListRecord::KIND, Some(index)) => {
                    let list: BlockListRecord = record.decode().map_err(fail)?;
                    if list.first_block != index.blocks.len() as u64 {
                        let (field, allowed) = ("first_block", "one more than the block listed last");
                        return Err(VolumeError::field(&self.name, at, field, list.first_block, allowed));
                    }
                    index.blocks.extend(list.blocks);
                }
                (VolumeIndexRecord::KIND | BlockListRecord::KIND, _) => {
                    let (field, found) = ("record kind", u64::from(record.kind));
                    return Err(VolumeError::field(&self.name, at, field, found, "one index record, then its lists"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn expect_kind(&self, header: &BlockHeader, kind: BlockKind) -> Result<(), VolumeError> {
        if header.kind == kind {
            return Ok(());
        }
        let found = u64::from(header.kind.id());
        Err(VolumeError::field(&self.name, header.position(), "kind", found, "the kind that points here"))
    }
}

/// The index of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeIndex {
    /// What heads it.
    pub head: VolumeIndexRecord,
    /// The blocks before the index, in order, from block 0.
    pub blocks: Vec<BlockEntry>,
}

/// A volume of which the label was read and found sound.
pub struct Volume {
    blocks: Blocks,
    label: LabelRecord,
    label_bytes: u32,
    end: Option<VolumeEndRecord>,
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Volume").field("name", &self.blocks.name).field("label", &self.label).finish_non_exhaustive()
    }
}

/// Most labels fit in this many bytes, so that one read takes them.
const LABEL_GUESS: usize = 1_024;

/// Reads the label, and nothing else: the volume's blocks, the label, the bytes of its block.
///
/// # Errors
/// As [`Volume::open`].
pub(super) fn read_label(source: Box<dyn VolumeSource>, name: &str) -> Result<(Blocks, LabelRecord, u32), VolumeError> {
    let fail = |error: FormatError| VolumeError::format(name, error);
    let len = source.len();
    let guess = usize::try_from(len).unwrap_or(usize::MAX).min(LABEL_GUESS);
    let mut bytes = vec![0; guess];
    source.read_at(0, &mut bytes)?;
    let header = match BlockHeader::parse(&bytes) {
        Ok(header) => header,
        Err(error) if matches!(error.kind, FormatErrorKind::Magic | FormatErrorKind::Short { .. }) => {
            return Err(VolumeError::NotAVolume { name: name.to_owned(), len });
        }
        Err(error) => return Err(fail(error.within(Position::UNKNOWN.with_block(0)))),
    };
    if header.kind != BlockKind::Label {
        let found = u64::from(header.kind.id());
        return Err(VolumeError::field(name, header.position(), "kind of the first block", found, "1: a label"));
    }
    let (set, number) = (header.identity.set, header.identity.volume);
    let label_bytes = u32::try_from(header.block_len()).unwrap_or(u32::MAX);
    let blocks = Blocks::new(source, name, set, number);
    let (_, payload) = blocks.read(0, label_bytes, Some(0))?;
    let label: LabelRecord = decode_record(&payload).map_err(|error| fail(error.within(header.position())))?;
    label.check_block(&header).map_err(fail)?;
    Ok((blocks, label, label_bytes))
}

impl Volume {
    /// Reads label and end mark. `name` is the volume's name on its device, for messages.
    ///
    /// # Errors
    /// [`VolumeError::NotAVolume`] if no block starts the source; a label that is damaged, is another volume's, or needs
    /// a newer release; a device that fails. A missing end mark is no error: see [`Volume::end`].
    pub fn open(source: Box<dyn VolumeSource>, name: &str) -> Result<Volume, VolumeError> {
        let (mut blocks, label, label_bytes) = read_label(source, name)?;
        let end = blocks.ended();
        Ok(Volume { blocks, label, label_bytes, end })
    }

    /// The label.
    #[must_use]
    pub const fn label(&self) -> &LabelRecord {
        &self.label
    }

    /// The end mark; none if the last bytes of the volume are not a sound one: it was cut off, or something follows it.
    #[must_use]
    pub const fn end(&self) -> Option<&VolumeEndRecord> {
        self.end.as_ref()
    }

    /// Its name on its device.
    #[must_use]
    pub fn name(&self) -> &str {
        self.blocks.name()
    }

    /// Its bytes.
    #[must_use]
    pub fn source(&self) -> &dyn VolumeSource {
        self.blocks.source()
    }

    /// Bytes of the label's block.
    #[must_use]
    pub const fn label_bytes(&self) -> u32 {
        self.label_bytes
    }

    /// Header and payload of the block of `bytes` bytes (header and padding included) at byte `offset`, once checksums
    /// and identity are checked.
    ///
    /// # Errors
    /// The block is damaged, is another volume's, has another length; the device fails.
    pub fn read_block(&self, offset: u64, bytes: u32) -> Result<(BlockHeader, Vec<u8>), VolumeError> {
        if !offset.is_multiple_of(ALIGNMENT as u64) {
            let place = Position::volume(self.label.volume);
            return Err(VolumeError::field(self.name(), place, "offset", offset, "a multiple of 64"));
        }
        self.blocks.read(offset, bytes, None)
    }

    /// The index; none if the volume has no end mark.
    ///
    /// # Errors
    /// The index is damaged; the device fails.
    pub fn index(&self) -> Result<Option<VolumeIndex>, VolumeError> {
        self.end.as_ref().map(|end| self.blocks.index(end)).transpose()
    }

    /// The catalog, if it stands on this volume as a whole.
    ///
    /// # Errors
    /// The catalog is damaged; the device fails.
    pub fn catalog(&self) -> Result<Option<Catalog>, VolumeError> {
        let Some(end) = self.end.as_ref().filter(|end| end.set_complete) else { return Ok(None) };
        let payloads = self.blocks.catalog_payloads(end)?;
        if !payloads.first().is_some_and(|first| begins_catalog(first)) {
            return Ok(None);
        }
        let parsed = Catalog::from_payloads(&payloads);
        parsed
            .map(Some)
            .map_err(|error| VolumeError::format(self.name(), error.within(Position::volume(self.label.volume))))
    }

    /// Its blocks.
    #[must_use]
    pub const fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    pub(super) fn into_blocks(self) -> Blocks {
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::device::traits::Device;
    use crate::format::block::{BlockIdentity, encode_block};
    use crate::format::record::{encode_record, push_record};
    use crate::testing::records;
    use crate::testing::sets::{Sample, write_sample};

    const SMALL: Sample = Sample { seed: 2, sections: 2, chunks: 3, column_bytes: 25, pieces: 2 };

    fn open(bytes: &[u8]) -> Result<Volume, VolumeError> {
        let device = MemoryDevice::new();
        device.insert("a volume", bytes.to_vec());
        Volume::open(device.open("a volume").unwrap(), "a volume")
    }

    fn sample() -> Vec<u8> {
        let device = MemoryDevice::new();
        let summary = write_sample(&device, &SMALL, None).unwrap();
        device.bytes(&summary.volumes[0].name).unwrap()
    }

    /// The volume with a block of another payload in place of all bytes from `offset` to `stop`.
    fn with_block(bytes: &[u8], offset: u64, stop: usize, kind: BlockKind, number: u64, payload: &[u8]) -> Vec<u8> {
        let header = BlockHeader::parse(bytes).unwrap();
        let identity = BlockIdentity { block: number, section: 0, ..header.identity };
        let block = encode_block(kind, identity, payload).unwrap();
        [&bytes[..offset as usize], &block, &bytes[stop..]].concat()
    }

    /// The same volume with another end mark in the same place.
    fn ended(bytes: &[u8], change: impl Fn(&mut VolumeEndRecord)) -> Vec<u8> {
        let volume = open(bytes).unwrap();
        let mut end = volume.end().unwrap().clone();
        let number = end.blocks;
        change(&mut end);
        let offset = (bytes.len() - VOLUME_END_BLOCK_LEN) as u64;
        with_block(bytes, offset, bytes.len(), BlockKind::VolumeEnd, number, &encode_record(&end).unwrap())
    }

    /// What is said of an index of these records, which takes the place of the right one.
    fn indexed(records: impl Fn(&VolumeIndex) -> Vec<u8>) -> Result<VolumeIndex, String> {
        let bytes = sample();
        let volume = open(&bytes).unwrap();
        let (end, index) = (volume.end().unwrap(), volume.index().unwrap().unwrap());
        let (offset, mark) = (end.index_offset, bytes.len() - VOLUME_END_BLOCK_LEN);
        let mut changed = with_block(&bytes, offset, mark, BlockKind::VolumeIndex, index.head.blocks, &records(&index));
        let end = VolumeEndRecord { bytes: (changed.len() - VOLUME_END_BLOCK_LEN) as u64, ..end.clone() };
        changed.truncate(end.bytes as usize);
        let stop = changed.len();
        let payload = encode_record(&end).unwrap();
        let changed = with_block(&changed, end.bytes, stop, BlockKind::VolumeEnd, end.blocks, &payload);
        let volume = open(&changed).unwrap();
        volume.index().map(|index| index.expect("the end mark is there")).map_err(|error| error.to_string())
    }

    fn pushed(head: &VolumeIndexRecord, lists: &[(u64, &[BlockEntry])]) -> Vec<u8> {
        let mut payload = encode_record(head).unwrap();
        for (first_block, blocks) in lists {
            push_record(&mut payload, &BlockListRecord { first_block: *first_block, blocks: blocks.to_vec() }).unwrap();
        }
        payload
    }

    #[test]
    fn a_volume_says_its_name_and_its_label() {
        let bytes = sample();
        let volume = open(&bytes).unwrap();
        assert_eq!(volume.name(), "a volume");
        assert_eq!(volume.label_bytes() as usize, BlockHeader::parse(&bytes).unwrap().block_len());
        assert_eq!(volume.label().label, "CMS-260104-01-XXAX-00-F-01");
        let shown = format!("{volume:?}");
        assert!(shown.starts_with("Volume { name: \"a volume\", label: LabelRecord {"), "{shown}");
    }

    #[test]
    fn what_does_not_begin_as_a_block_is_no_volume_and_what_is_damaged_is_named() {
        let bytes = sample();
        for other in [&b""[..], b"text", &[0; 500], &bytes[..79], &bytes[64..]] {
            assert!(matches!(open(other), Err(VolumeError::NotAVolume { .. })), "{} bytes", other.len());
        }
        let mut damaged = bytes.clone();
        damaged[40] ^= 1;
        let Err(VolumeError::Format { source, .. }) = open(&damaged) else { panic!("a damaged label was taken") };
        assert!(matches!(source.kind, FormatErrorKind::Checksum { part: "header", .. }), "{source}");
        assert_eq!(source.at.block, Some(0));
        let headless = &bytes[BlockHeader::parse(&bytes).unwrap().block_len()..];
        let error = open(headless).unwrap_err().to_string();
        assert!(error.contains("kind of the first block is 2, allowed: 1: a label"), "{error}");
    }

    #[test]
    fn an_end_mark_stands_where_it_says_and_has_the_number_that_it_says() {
        let bytes = sample();
        assert!(open(&ended(&bytes, |_| ())).unwrap().end().is_some());
        assert_eq!(open(&ended(&bytes, |end| end.blocks += 1)).unwrap().end(), None);
        assert_eq!(open(&ended(&bytes, |end| end.bytes += 64)).unwrap().end(), None);
        assert_eq!(open(&bytes[..bytes.len() - VOLUME_END_BLOCK_LEN]).unwrap().end(), None);
    }

    #[test]
    fn an_index_that_is_not_that_of_the_blocks_before_it_is_refused() {
        let whole = indexed(|index| pushed(&index.head, &[(0, &index.blocks)])).unwrap();
        let parts = indexed(|index| pushed(&index.head, &[(0, &index.blocks[..2]), (2, &index.blocks[2..])]));
        assert_eq!(parts.map(|parts| parts.blocks), Ok(whole.blocks));
        let refused = |records: &dyn Fn(&VolumeIndex) -> Vec<u8>| indexed(records).unwrap_err();
        let listed = "allowed: the blocks and bytes before the index";
        let short = refused(&|index| pushed(&index.head, &[(0, &index.blocks[1..])]));
        assert!(short.contains(listed), "{short}");
        let head = |index: &VolumeIndex| VolumeIndexRecord { bytes: index.head.bytes + 64, ..index.head.clone() };
        let moved = refused(&|index| pushed(&head(index), &[(0, &index.blocks)]));
        assert!(moved.contains(listed), "{moved}");
        let gap = refused(&|index| pushed(&index.head, &[(0, &index.blocks[..2]), (3, &index.blocks[2..])]));
        assert!(gap.contains("first_block is 3, allowed: one more than the block listed last"), "{gap}");
        let order = "allowed: one index record, then its lists";
        let twice = refused(&|index| {
            let mut payload = pushed(&index.head, &[(0, &index.blocks)]);
            push_record(&mut payload, &index.head).unwrap();
            payload
        });
        assert!(twice.contains(&format!("record kind is 5, {order}")), "{twice}");
        let headless = refused(&|_| encode_record(&records::block_list()).unwrap());
        assert!(headless.contains(&format!("record kind is 6, {order}")), "{headless}");
        let unknown =
            indexed(|index| [&[0xE7, 3, 1, 0, 0, 0, 0, 0], &*pushed(&index.head, &[(0, &index.blocks)])].concat());
        assert!(unknown.is_ok(), "records of kinds not known are skipped");
        let none = refused(&|_| vec![0xE7, 3, 1, 0, 0, 0, 0, 0]);
        assert!(none.contains("index blocks is 0, allowed: 1 or more"), "{none}");
    }

    #[test]
    fn pointers_to_blocks_of_another_kind_are_refused() {
        let bytes = sample();
        let good = open(&bytes).unwrap();
        let index = good.index().unwrap().unwrap();
        let section = index.blocks[1];
        let wrong = open(&ended(&bytes, |end| (end.catalog_offset, end.catalog_blocks) = (section.offset, 1))).unwrap();
        let error = wrong.catalog().unwrap_err().to_string();
        assert!(error.contains("kind is 2, allowed: the kind that points here"), "{error}");
        let wrong = open(&ended(&bytes, |end| end.index_blocks += 1)).unwrap();
        let error = wrong.index().unwrap_err().to_string();
        assert!(error.contains("kind is 7, allowed: the kind that points here"), "{error}");
    }

    #[test]
    fn a_catalog_is_given_by_the_volume_that_holds_all_of_it() {
        let bytes = sample();
        let catalog = open(&bytes).unwrap().catalog().unwrap().unwrap();
        assert_eq!((catalog.head.sections, catalog.volumes.len()), (2, 1));
        assert_eq!(open(&ended(&bytes, |end| end.set_complete = false)).unwrap().catalog().unwrap(), None);
        // One that goes over several volumes is on none of them as a whole.
        let device = MemoryDevice::new();
        let large = Sample { seed: 3, sections: 60, chunks: 3, column_bytes: 25, pieces: 6 };
        let summary = write_sample(&device, &large, Some(4_000)).unwrap();
        let mut holders = 0;
        for volume in &summary.volumes {
            let volume = open(&device.bytes(&volume.name).unwrap()).unwrap();
            holders += usize::from(volume.end().unwrap().catalog_blocks > 0);
            assert_eq!(volume.catalog().unwrap(), None);
        }
        assert!(holders > 1, "the catalog fits one volume");
    }

    #[test]
    fn blocks_past_the_end_or_shorter_than_a_header_are_refused_without_a_read() {
        let bytes = sample();
        let volume = open(&bytes).unwrap();
        let len = bytes.len() as u64;
        let short = |error: VolumeError| match error {
            VolumeError::Format { source, .. } => match source.kind {
                FormatErrorKind::Short { wanted, left } => (wanted, left),
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        };
        assert_eq!(short(volume.read_block(len - 192, 256).unwrap_err()), (256, 192));
        assert_eq!(short(volume.read_block(len, 128).unwrap_err()), (128, 0));
        assert_eq!(short(volume.read_block(1 << 40, u32::MAX).unwrap_err()), (u64::from(u32::MAX), 0));
        assert!(matches!(volume.read_block(0, 79), Err(VolumeError::Format { .. })));
        assert!(matches!(volume.read_block(0, 0), Err(VolumeError::Format { .. })));
        let error = volume.read_block(0, 80).unwrap_err().to_string();
        assert!(error.contains("allowed: the length that the index gives"), "{error}");
        assert_eq!(short(volume.blocks.read_next(len - 64).unwrap_err()), (80, 64));
        let cut = open(&bytes[..bytes.len() - 112]).unwrap();
        assert_eq!(short(cut.blocks.read_next(len - 192).unwrap_err()), (192, 80));
    }
}
