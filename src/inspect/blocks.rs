//! Where the blocks of a volume lie: by its index, or where there is none by a scan. What cannot be read is told of and passed.

use crate::device::error::DeviceError;
use crate::device::traits::VolumeSource;
use crate::format::block::{BlockHeader, BlockKind, HEADER_LEN, SetId, block_len};
use crate::format::catalog::BlockEntry;
use crate::format::record::decode_record;
use crate::format::section::SectionRecord;
use crate::volume::error::VolumeError;
use crate::volume::reader::{Volume, VolumeIndex};
use crate::volume::scanner::{Coverage, DamagedExtent, ScanItem, ScannedBlock, Scanner};

/// A volume, or any file that is looked at as one. It may be opened more than once.
pub struct Medium<'a> {
    /// Its name on its device, or its path.
    pub name: String,
    open: Box<dyn Fn() -> Result<Box<dyn VolumeSource>, DeviceError> + 'a>,
}

impl<'a> Medium<'a> {
    /// What `open` opens.
    pub fn new(
        name: impl Into<String>,
        open: impl Fn() -> Result<Box<dyn VolumeSource>, DeviceError> + 'a,
    ) -> Medium<'a> {
        Medium { name: name.into(), open: Box::new(open) }
    }

    /// Opens it.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn open(&self) -> Result<Box<dyn VolumeSource>, DeviceError> {
        (self.open)()
    }

    /// Set and number, as the header of its first block says; none if that is no sound header.
    ///
    /// # Errors
    /// It is not there. What cannot be read of it has no identity.
    pub fn identity(&self) -> Result<Option<(SetId, u32)>, DeviceError> {
        let source = self.open()?;
        Ok(header_at(source.as_ref(), 0).map(|header| (header.identity.set, header.identity.volume)))
    }

    /// The volume with its index, if both are sound.
    fn indexed(&self) -> Result<Option<(Volume, VolumeIndex)>, DeviceError> {
        let Ok(volume) = Volume::open(self.open()?, &self.name) else { return Ok(None) };
        let index = volume.index().ok().flatten();
        Ok(index.map(|index| (volume, index)))
    }
}

/// How places were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By the volume's index.
    Index,
    /// By reading the volume from its beginning.
    Scan,
    /// Somebody named the byte.
    Asked,
}

impl How {
    /// The word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            How::Index => "index",
            How::Scan => "scan",
            How::Asked => "asked",
        }
    }
}

/// A block and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    /// Its number in the volume, from 0.
    pub number: u64,
    /// The id of its kind.
    pub kind: u8,
    /// Its section, from 1; 0 outside sections.
    pub section: u32,
    /// Its first byte on the volume.
    pub offset: u64,
    /// Its bytes, header and padding included.
    pub bytes: u64,
}

impl BlockPlace {
    fn of(offset: u64, header: &BlockHeader) -> BlockPlace {
        BlockPlace {
            number: header.identity.block,
            kind: header.kind.id(),
            section: header.identity.section,
            offset,
            bytes: header.block_len() as u64,
        }
    }

    const fn listed(number: u64, entry: &BlockEntry) -> BlockPlace {
        let BlockEntry { kind, section, offset, bytes, .. } = *entry;
        BlockPlace { number, kind, section, offset, bytes: bytes as u64 }
    }

    /// The name of its kind.
    #[must_use]
    pub fn kind_name(&self) -> String {
        super::meaning::kind_name(self.kind)
    }
}

/// What a listing of blocks meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A block: by a scan a sound one.
    Block(BlockPlace),
    /// Bytes that are no sound block of this volume, in its place. None of them: whole blocks are missing here.
    Damaged {
        /// The first of them on the volume.
        offset: u64,
        /// How many.
        bytes: u64,
        /// What is wrong.
        why: String,
    },
}

/// Tells of the blocks of a volume in their order, until no more are wanted: those that its index lists, the index and the end
/// mark; without a sound index what a scan finds.
///
/// # Errors
/// The volume cannot be opened. What cannot be read of it is told of as damaged.
pub fn list_blocks(medium: &Medium<'_>, emit: &mut dyn FnMut(Listed) -> bool) -> Result<How, DeviceError> {
    let Some((volume, index)) = medium.indexed()? else {
        let source = medium.open()?;
        for item in Scanner::new(source.as_ref(), &medium.name, None) {
            if !emit(listed(item)) {
                break;
            }
        }
        return Ok(How::Scan);
    };
    for (number, entry) in (0..).zip(&index.blocks) {
        if !emit(Listed::Block(BlockPlace::listed(number, entry))) {
            return Ok(How::Index);
        }
    }
    let (source, mut offset) = (volume.source(), index.head.bytes);
    while offset < source.len() {
        let Some(header) = header_at(source, offset) else { break };
        if !emit(Listed::Block(BlockPlace::of(offset, &header))) {
            break;
        }
        offset = offset.saturating_add(header.block_len() as u64);
    }
    Ok(How::Index)
}

fn listed(item: ScanItem) -> Listed {
    match item {
        ScanItem::Block(ScannedBlock { offset, header, .. }) => Listed::Block(BlockPlace::of(offset, &header)),
        ScanItem::Damaged(DamagedExtent { offset, len, error, .. }) => {
            Listed::Damaged { offset, bytes: len, why: reason(&error) }
        }
    }
}

/// What is wrong, without the name of the volume before it.
fn reason(error: &VolumeError) -> String {
    match error {
        VolumeError::Format { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn header_at(source: &dyn VolumeSource, offset: u64) -> Option<BlockHeader> {
    let mut bytes = [0; HEADER_LEN];
    let fits = source.len().saturating_sub(offset) >= HEADER_LEN as u64;
    (fits && source.read_at(offset, &mut bytes).is_ok()).then(|| BlockHeader::parse(&bytes).ok())?
}

/// Where a block was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The byte at which it begins, or should.
    pub offset: u64,
    /// How that was found out.
    pub how: How,
}

/// Where block `number` of a volume begins, or should begin if damage is in its place; `None` if the volume has no such block and
/// no place for one.
///
/// # Errors
/// The volume cannot be opened.
pub fn find_block(medium: &Medium<'_>, number: u64) -> Result<Option<Found>, DeviceError> {
    if let Some((volume, index)) = medium.indexed()? {
        let listed = usize::try_from(number).ok().and_then(|number| index.blocks.get(number));
        if let Some(entry) = listed {
            return Ok(Some(Found { offset: entry.offset, how: How::Index }));
        }
        let (source, mut offset) = (volume.source(), index.head.bytes);
        while let Some(header) = header_at(source, offset).filter(|header| header.identity.block <= number) {
            if header.identity.block == number {
                return Ok(Some(Found { offset, how: How::Index }));
            }
            offset = offset.saturating_add(header.block_len() as u64);
        }
        return Ok(None);
    }
    let source = medium.open()?;
    let mut damaged = None;
    for item in Scanner::new(source.as_ref(), &medium.name, None) {
        match item {
            ScanItem::Block(block) if block.header.identity.block == number => {
                return Ok(Some(Found { offset: block.offset, how: How::Scan }));
            }
            ScanItem::Block(block) if block.header.identity.block > number => break,
            // What is damaged lies before this block, and the one that is looked for behind it.
            ScanItem::Block(_) => damaged = None,
            ScanItem::Damaged(extent) => damaged = damaged.or(may_hold(&extent, number).then_some(extent.offset)),
        }
    }
    Ok(damaged.map(|offset| Found { offset, how: How::Scan }))
}

/// Whether damage may have been a block, by the number of the first that it was and by its bytes.
fn may_hold(extent: &DamagedExtent, number: u64) -> bool {
    let first = extent.error.position().block;
    let behind = first.and_then(|first| number.checked_sub(first));
    behind.is_some_and(|behind| behind.saturating_mul(block_len(1) as u64) < extent.len)
}

/// The names of a section's columns, as its header on this volume has them; none where the volume has no sound index or no such
/// header.
///
/// # Errors
/// The volume cannot be opened.
pub fn column_names(medium: &Medium<'_>, section: u32) -> Result<Vec<String>, DeviceError> {
    let Some((volume, index)) = medium.indexed()? else { return Ok(Vec::new()) };
    let kind = BlockKind::SectionHeader.id();
    let header = index.blocks.iter().find(|entry| entry.section == section && entry.kind == kind);
    let payload = header.and_then(|entry| volume.read_block(entry.offset, entry.bytes).ok());
    let record: Option<SectionRecord> = payload.and_then(|(_, payload)| decode_record(&payload).ok());
    Ok(record.into_iter().flat_map(|record| record.columns).map(|column| column.name).collect())
}

/// What a run of a map is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stretch {
    /// Sound blocks of one kind and one section, one after the other.
    Blocks {
        /// The id of their kind.
        kind: u8,
        /// Their section, from 1; 0 outside sections.
        section: u32,
        /// Number of the first.
        first: u64,
        /// Number of the last.
        last: u64,
    },
    /// Bytes that are no sound blocks of this volume in their places.
    Damaged {
        /// How many stretches of damage lie side by side.
        stretches: u64,
        /// What is wrong with the first.
        why: String,
    },
    /// Zeros behind the end of the volume, which belong to none: section 5.7 of the specification.
    Zeros,
}

/// Bytes of a volume that are of one sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The first byte on the volume.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What they are.
    pub what: Stretch,
}

impl Run {
    fn of(item: ScanItem) -> Run {
        match item {
            ScanItem::Block(block) => {
                let identity = block.header.identity;
                let (kind, number) = (block.header.kind.id(), identity.block);
                let what = Stretch::Blocks { kind, section: identity.section, first: number, last: number };
                Run { offset: block.offset, bytes: block.header.block_len() as u64, what }
            }
            ScanItem::Damaged(DamagedExtent { offset, len, error, .. }) => {
                Run { offset, bytes: len, what: Stretch::Damaged { stretches: 1, why: reason(&error) } }
            }
        }
    }

    /// Takes the next one in, if it is of the same sort; else gives it back.
    fn join(&mut self, next: Run) -> Option<Run> {
        match (&mut self.what, &next.what) {
            (
                Stretch::Blocks { kind, section, last, .. },
                Stretch::Blocks { kind: its_kind, section: its_section, first, last: its_last },
            ) if (*kind, *section, last.checked_add(1)) == (*its_kind, *its_section, Some(*first)) => *last = *its_last,
            (Stretch::Damaged { stretches, .. }, Stretch::Damaged { stretches: more, .. }) => {
                *stretches = stretches.saturating_add(*more);
            }
            _ => return Some(next),
        }
        self.bytes = self.bytes.saturating_add(next.bytes);
        None
    }

    /// The name of the kind of its blocks; none for damage.
    #[must_use]
    pub fn kind_name(&self) -> Option<String> {
        match self.what {
            Stretch::Blocks { kind, .. } => Some(super::meaning::kind_name(kind)),
            Stretch::Damaged { .. } | Stretch::Zeros => None,
        }
    }
}

/// Reads a volume from its first byte to its last and tells what lies where, until no more is wanted. What is returned is whole
/// if every byte was told of; zeros behind the volume's end are not counted.
///
/// # Errors
/// The volume cannot be opened. What cannot be read of it is told of as damaged.
pub fn map(medium: &Medium<'_>, emit: &mut dyn FnMut(Run) -> bool) -> Result<Coverage, DeviceError> {
    let file = medium.open()?;
    // One with a label and an end mark ends there, where nothing but zeros follows.
    let volume = Volume::open(medium.open()?, &medium.name).ok();
    let source = volume.as_ref().map_or(file.as_ref(), Volume::source);
    let behind = file.len().saturating_sub(source.len());
    let mut scanner = Scanner::new(source, &medium.name, None);
    let mut open: Option<Run> = None;
    for item in scanner.by_ref() {
        let next = Run::of(item);
        let next = match &mut open {
            Some(run) => run.join(next),
            None => Some(next),
        };
        if let Some(next) = next
            && let Some(run) = open.replace(next)
            && !emit(run)
        {
            return Ok(scanner.coverage());
        }
    }
    let zeros = Run { offset: source.len(), bytes: behind, what: Stretch::Zeros };
    let told = open.is_none_or(&mut *emit);
    if told && behind > 0 {
        emit(zeros);
    }
    Ok(scanner.coverage())
}
