//! One block, or whatever stands in its place: the fields of its header, the records of its payload, the columns of a chunk.

use super::meaning::{hex, kind_name};
use super::part::{Emit, Part, Stored, Value, Walk, part, unsigned};
use crate::base::checksum::crc32;
use crate::base::limits::BLOCK_PAYLOAD_MAX;
use crate::column::id::ENCODINGS;
use crate::device::error::DeviceError;
use crate::device::traits::VolumeSource;
use crate::format::block::{ALIGNMENT, BlockHeader, BlockKind, HEADER_LEN, MAGIC, block_len};
use crate::format::layout::block as at;
use crate::format::version::FORMAT_VERSION;

/// Bytes that are shown where no block begins, or one of which the length makes no sense.
const STRETCH: usize = 256;

/// A place on a volume with the bytes of the block that is there, or seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its first byte on the volume.
    pub offset: u64,
    /// Its bytes, as far as its header says and the volume goes; where no block begins, some of those that are there.
    pub bytes: Vec<u8>,
    /// Whether its first bytes are, or with one or two of them changed would be, those of a block.
    pub begins: bool,
    /// Whether a reader would take it for a block, whatever volume it belongs to; else why not.
    pub verdict: Result<(), String>,
}

impl Block {
    /// Reads what is at a place of a volume: nothing behind its end.
    ///
    /// # Errors
    /// The device fails.
    pub fn read(source: &dyn VolumeSource, offset: u64) -> Result<Block, DeviceError> {
        let left = source.len().saturating_sub(offset);
        let take = |bytes: usize| usize::try_from(left).unwrap_or(usize::MAX).min(bytes);
        let mut bytes = vec![0; take(HEADER_LEN)];
        source.read_at(offset, &mut bytes)?;
        let begins = begins(&bytes);
        let claimed = unsigned(bytes.get(at::PAYLOAD_LEN..at::KEY_ID).unwrap_or_default());
        let payload = u32::try_from(claimed).ok().filter(|claimed| begins && *claimed <= BLOCK_PAYLOAD_MAX);
        let wanted = take(payload.map_or(STRETCH, |payload| block_len(payload as usize)));
        let head = bytes.len();
        bytes.resize(wanted.max(head), 0);
        let rest = bytes.get_mut(head..).unwrap_or_default();
        source.read_at(offset.saturating_add(head as u64), rest)?;
        let verdict = BlockHeader::parse(&bytes).and_then(|header| header.payload(&bytes).map(|_| ()));
        Ok(Block { offset, begins, verdict: verdict.map_err(|error| error.to_string()), bytes })
    }

    /// The number that its header gives it, right or wrong; none where no block begins.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let field = self.bytes.get(at::BLOCK..at::PAYLOAD_LEN).filter(|_| self.begins)?;
        Some(unsigned(field))
    }

    /// The section that its header names, and whether it says that it is a chunk.
    #[must_use]
    pub fn section(&self) -> Option<(u32, bool)> {
        let field = self.bytes.get(at::SECTION..at::BLOCK).filter(|_| self.begins)?;
        Some((u32::try_from(unsigned(field)).ok()?, self.kind() == Some(BlockKind::Chunk)))
    }

    fn kind(&self) -> Option<BlockKind> {
        self.bytes.get(at::KIND).copied().and_then(BlockKind::from_id)
    }

    /// Tells of all its bytes, each once and in order, with the names of the fields that they are. Of each list so many
    /// `entries` are told one by one; `columns` names those of a chunk. Stops when `emit` wants no more.
    pub fn parts(&self, entries: u64, columns: &[String], emit: &mut Emit<'_>) {
        if !self.begins {
            let mut walk = Walk::new(&self.bytes, 0, entries, emit);
            walk.put(self.bytes.len(), Part { meaning: Some("no block begins here".to_owned()), ..part("bytes", 0) });
            return;
        }
        let covered = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        let (header, _) = self.bytes.split_at(self.bytes.len().min(HEADER_LEN));
        if !self.header(header, covered, emit) || header.len() < HEADER_LEN {
            return;
        }
        let len = usize::try_from(unsigned(header.get(at::PAYLOAD_LEN..at::KEY_ID).unwrap_or_default()));
        let (payload, padding) = covered.split_at(len.unwrap_or(usize::MAX).min(covered.len()));
        let mut walk = Walk::new(payload, HEADER_LEN as u64, entries, emit);
        match self.kind() {
            Some(BlockKind::Optional(_)) => {
                let words = Some("of a kind that a reader leaves out".to_owned());
                walk.put(payload.len(), Part { meaning: words, ..part("payload", 0) });
            }
            Some(BlockKind::Chunk) => {
                walk.record();
                columns_of(&mut walk, columns);
            }
            _ => while walk.left() > 0 && walk.record() {},
        }
        if walk.stopped() || padding.is_empty() {
            return;
        }
        let begin = (HEADER_LEN as u64).saturating_add(payload.len() as u64);
        let fault = padding.iter().any(|byte| *byte != 0).then(|| "allowed: zeros".to_owned());
        let mut walk = Walk::new(padding, begin, entries, emit);
        walk.put(padding.len(), Part { fault, ..part("padding", 0) });
    }

    /// The fields of the header; says whether more is wanted.
    fn header(&self, header: &[u8], covered: &[u8], emit: &mut Emit<'_>) -> bool {
        let mut walk = Walk::new(header, 0, 0, emit);
        for field in at::FIELDS {
            let Some(bytes) = header.get(field.offset..field.offset.saturating_add(field.width)) else {
                let fault = Some(format!("a header has {HEADER_LEN} bytes"));
                walk.put(walk.left(), Part { fault, ..part("bytes", 0) });
                break;
            };
            let (value, meaning, fault) = self.field(field.offset, bytes, header, covered);
            walk.put(field.width, Part { value, meaning, fault, ..part(field.name, 0) });
        }
        !walk.stopped()
    }

    /// Value, meaning and fault of a field of the header.
    fn field(
        &self,
        field: usize,
        bytes: &[u8],
        header: &[u8],
        covered: &[u8],
    ) -> (Value, Option<String>, Option<String>) {
        let number = unsigned(bytes);
        let allowed = |fits: bool, what: &str| (!fits).then(|| format!("allowed: {what}"));
        let kind = self.kind();
        let (meaning, fault) = match field {
            at::MAGIC => return (Value::None, None, allowed(bytes == MAGIC, &hex(&MAGIC))),
            at::SET_ID => return (Value::None, None, None),
            at::TAG => return (Value::None, None, allowed(bytes == [0; 16], "16 zero bytes")),
            at::VERSION => (None, allowed((1..=u64::from(FORMAT_VERSION)).contains(&number), "1")),
            at::HEADER_LEN => (None, allowed(number == HEADER_LEN as u64, "80")),
            at::KIND => (Some(kind_name(number as u8)), allowed(kind.is_some(), "1 to 7, 128 and more")),
            at::VOLUME => (None, allowed(number > 0, "1 or more")),
            at::SECTION => {
                let fits = kind.is_none_or(|kind| kind.in_section() == (number > 0));
                (None, allowed(fits, if number > 0 { "0 outside sections" } else { "1 or more in a section" }))
            }
            at::BLOCK => {
                let fits = kind.is_none_or(|kind| (kind == BlockKind::Label) == (number == 0));
                (None, allowed(fits, "0 exactly for the label"))
            }
            at::PAYLOAD_LEN => payload_len(number, covered.len() as u64),
            at::PAYLOAD_CRC => sum(number, crc32(covered)),
            at::HEADER_CRC => sum(number, crc32(header.get(..at::HEADER_CRC).unwrap_or_default())),
            _ => (None, allowed(number == 0, "0")),
        };
        (Value::Unsigned(number), meaning, fault)
    }
}

fn payload_len(number: u64, left: u64) -> (Option<String>, Option<String>) {
    if number > u64::from(BLOCK_PAYLOAD_MAX) {
        return (None, Some(format!("the limit is {BLOCK_PAYLOAD_MAX}")));
    }
    let whole = block_len(number as usize);
    let behind = (whole as u64).saturating_sub(HEADER_LEN as u64);
    let missing = behind.saturating_sub(left);
    let meaning = format!("the block takes {whole} bytes");
    (Some(meaning), (missing > 0).then(|| format!("the volume ends {missing} bytes before the block does")))
}

/// A checksum as stored, and as it is computed.
fn sum(stored: u64, computed: u32) -> (Option<String>, Option<String>) {
    let meaning = format!("{stored:08x}, computed {computed:08x}");
    let same = stored == u64::from(computed);
    (Some(meaning), (!same).then(|| "the two differ".to_owned()))
}

/// Whether a header seems to begin here: its magic, but for two bytes of it, or a header that is sound but for its magic.
fn begins(bytes: &[u8]) -> bool {
    let same = bytes.iter().zip(MAGIC).filter(|(found, wanted)| **found == *wanted).count();
    let summed = || {
        let covered = bytes.get(at::MAGIC..at::HEADER_CRC)?;
        let stored = bytes.get(at::HEADER_CRC..at::END)?;
        Some(covered.iter().any(|byte| *byte != 0) && unsigned(stored) == u64::from(crc32(covered)))
    };
    same.saturating_add(2) >= MAGIC.len() || summed().unwrap_or(false)
}

/// The bytes of a chunk's columns, as its directory says how many each has.
fn columns_of(walk: &mut Walk<'_, '_>, names: &[String]) {
    let stored = std::mem::take(&mut walk.stored);
    for (number, column) in stored.iter().enumerate() {
        let missing = (column.bytes as usize).saturating_sub(walk.left());
        let fault = (missing > 0).then(|| format!("{missing} bytes more than the payload has"));
        let name =
            names.get(number).map_or_else(|| format!("column {number}"), |name| format!("column {number} {name}"));
        if !walk.put(column.bytes as usize, Part { meaning: Some(how(column)), fault, ..part(&name, 0) }) {
            return;
        }
    }
    if walk.left() > 0 {
        let fault = Some("bytes that no column of the directory takes".to_owned());
        walk.put(walk.left(), Part { fault, ..part("further bytes", 0) });
    }
}

fn how(column: &Stored) -> String {
    let name =
        ENCODINGS.iter().find(|(id, _)| *id == column.encoding).map_or("an encoding not known here", |(_, name)| name);
    format!("{name}, {} bytes that decode to {}", column.bytes, column.decoded)
}

/// Whether blocks can begin at this byte of a volume.
#[must_use]
pub const fn is_aligned(offset: u64) -> bool {
    offset.is_multiple_of(ALIGNMENT as u64)
}
