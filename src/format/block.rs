//! The block: the unit of everything. A fixed header with the block's identity under its checksum, the payload, zeros up
//! to the next multiple of the alignment.

use super::error::{FormatError, FormatErrorKind};
use super::layout::block as at;
use super::version::FORMAT_VERSION;
use crate::base::checksum::crc32;
use crate::base::cursor::Cursor;
use crate::base::limits::{BLOCK_PAYLOAD_MAX, SECTIONS_MAX, VOLUMES_MAX};
use crate::base::position::Position;

/// First bytes of every block. The first byte is not ASCII and the line ends differ, so that a transfer that
/// "translates text" is noticed at once.
pub const MAGIC: [u8; 8] = [0x8B, b'I', b'V', b'B', 0x0D, 0x0A, 0x1A, 0x0A];

/// Blocks start at multiples of this many bytes from the start of their volume.
pub const ALIGNMENT: usize = 64;

/// Bytes of the header.
pub const HEADER_LEN: usize = at::END;

/// Largest block, with header and padding, in bytes: what claims to be longer is none.
pub const BLOCK_BYTES_MAX: u32 = BLOCK_PAYLOAD_MAX + (HEADER_LEN as u32).next_multiple_of(ALIGNMENT as u32);

const _: () = assert!(BLOCK_PAYLOAD_MAX.is_multiple_of(ALIGNMENT as u32));

/// Random identity of a set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SetId(pub [u8; 16]);

impl SetId {
    /// The id that is written like this: 32 hexadecimal digits. `None` for anything else.
    ///
    /// ```
    /// use intervault::format::block::SetId;
    /// let id = SetId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xA, 0xB, 0xC, 0xD, 0xE, 0xF]);
    /// assert_eq!(SetId::from_hex(&id.to_string()), Some(id));
    /// assert_eq!(SetId::from_hex("1f"), None);
    /// ```
    #[must_use]
    pub fn from_hex(text: &str) -> Option<SetId> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits)?;
        // The first digits are the first byte.
        let mut id = number.to_le_bytes();
        id.reverse();
        Some(SetId(id))
    }
}

impl std::fmt::Display for SetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for SetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// First block of every volume.
    Label,
    /// Begins a section, and begins it again on each further volume that it reaches.
    SectionHeader,
    /// Rows.
    Chunk,
    /// Ends a section.
    SectionEnd,
    /// Lists the blocks of a volume.
    VolumeIndex,
    /// Lists a whole set; only on its last volume.
    Catalog,
    /// Last block of a complete volume.
    VolumeEnd,
    /// A kind of a later version that holds no rows and that a reader may leave out: ids from [`OPTIONAL_KINDS`] on.
    /// Such a block is checked, numbered, hashed and listed as every other, and its payload is not looked at.
    Optional(u8),
}

/// First id of the kinds that a reader may leave out.
pub const OPTIONAL_KINDS: u8 = 128;

impl BlockKind {
    /// All kinds that this version reads and writes.
    pub const ALL: [BlockKind; 7] = [
        BlockKind::Label,
        BlockKind::SectionHeader,
        BlockKind::Chunk,
        BlockKind::SectionEnd,
        BlockKind::VolumeIndex,
        BlockKind::Catalog,
        BlockKind::VolumeEnd,
    ];

    /// Kind ids that are reserved: (id, name). Those below [`OPTIONAL_KINDS`] come with a required-feature bit.
    pub const RESERVED: [(u8, &'static str); 4] =
        [(8, "continuation"), (9, "file data"), (128, "parity"), (129, "signature")];

    /// The stored id.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            BlockKind::Label => 1,
            BlockKind::SectionHeader => 2,
            BlockKind::Chunk => 3,
            BlockKind::SectionEnd => 4,
            BlockKind::VolumeIndex => 5,
            BlockKind::Catalog => 6,
            BlockKind::VolumeEnd => 7,
            BlockKind::Optional(id) => id,
        }
    }

    /// The name that the specification uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BlockKind::Label => "label",
            BlockKind::SectionHeader => "section header",
            BlockKind::Chunk => "chunk",
            BlockKind::SectionEnd => "section end",
            BlockKind::VolumeIndex => "volume index",
            BlockKind::Catalog => "catalog",
            BlockKind::VolumeEnd => "volume end",
            BlockKind::Optional(_) => "optional",
        }
    }

    /// The kind of a stored id; `None` for an id that this version must not leave out and does not know.
    #[must_use]
    pub fn from_id(id: u8) -> Option<BlockKind> {
        if id >= OPTIONAL_KINDS {
            return Some(BlockKind::Optional(id));
        }
        BlockKind::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// Whether blocks of this kind belong to a section.
    #[must_use]
    pub const fn in_section(self) -> bool {
        matches!(self, BlockKind::SectionHeader | BlockKind::Chunk | BlockKind::SectionEnd)
    }
}

/// Whose block this is; lies under the header checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockIdentity {
    /// The set.
    pub set: SetId,
    /// Volume number in the set, from 1.
    pub volume: u32,
    /// Block number in the volume, from 0.
    pub block: u64,
    /// Section number in the set, from 1; 0 for blocks outside sections.
    pub section: u32,
}

/// A header that was read and found sound. The payload is not yet checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// What the block holds.
    pub kind: BlockKind,
    /// Whose it is.
    pub identity: BlockIdentity,
    /// Payload bytes, without padding.
    pub payload_len: u32,
    /// CRC-32 of payload and padding.
    pub payload_crc: u32,
}

/// Bytes that a block with this payload takes, header and padding included.
#[must_use]
pub const fn block_len(payload_len: usize) -> usize {
    HEADER_LEN.saturating_add(payload_len).div_ceil(ALIGNMENT).saturating_mul(ALIGNMENT)
}

impl BlockHeader {
    /// Bytes that the whole block takes, header and padding included.
    #[must_use]
    pub const fn block_len(&self) -> usize {
        block_len(self.payload_len as usize)
    }

    /// Where the block is.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position::volume(self.identity.volume).with_block(self.identity.block)
    }

    /// Reads and checks a header: magic, header checksum, version, then every field. The layout of these 80 bytes is
    /// frozen for all versions, so that a newer version is named as such and a flipped bit in its field is not.
    ///
    /// # Errors
    /// What is wrong, with the byte of the field.
    pub fn parse(bytes: &[u8]) -> Result<BlockHeader, FormatError> {
        let raw = RawHeader::read(bytes)?;
        let place = Position::volume(raw.volume).with_block(raw.block);
        raw.check().map_err(|(kind, byte)| FormatError::new(kind, byte).within(place))
    }

    /// Checks that this is the block that should stand here.
    ///
    /// # Errors
    /// [`FormatErrorKind::Identity`] naming both.
    pub fn expect(&self, set: SetId, volume: u32, block: u64) -> Result<(), FormatError> {
        let found = self.identity;
        if found.set == set && found.volume == volume && found.block == block {
            return Ok(());
        }
        let name = |s: SetId, v: u32, b: u64| format!("set {s}, volume {v}, block {b}");
        let kind = FormatErrorKind::Identity {
            found: name(found.set, found.volume, found.block),
            expected: name(set, volume, block),
        };
        Err(FormatError::new(kind, at::SET_ID).within(Position::volume(volume).with_block(block)))
    }

    /// The payload of the block that starts `bytes`, after its checksum and its padding were checked.
    ///
    /// # Errors
    /// Short input, a checksum that differs, padding that is not zero.
    pub fn payload<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], FormatError> {
        let fail = |kind, byte| FormatError::new(kind, byte).within(self.position());
        let covered = bytes
            .get(HEADER_LEN..self.block_len())
            .ok_or_else(|| short(self.block_len(), bytes.len()).within(self.position()))?;
        let computed = crc32(covered);
        if computed != self.payload_crc {
            let kind = FormatErrorKind::Checksum { part: "payload", found: self.payload_crc, computed };
            return Err(fail(kind, at::PAYLOAD_CRC));
        }
        let (payload, padding) = covered.split_at_checked(self.payload_len as usize).unwrap_or((covered, &[]));
        if padding.iter().any(|byte| *byte != 0) {
            let kind = FormatErrorKind::Field { field: "padding", found: 1, allowed: "zeros" };
            return Err(fail(kind, HEADER_LEN.saturating_add(payload.len())));
        }
        Ok(payload)
    }
}

/// The fields as stored, after magic and header checksum were found right.
struct RawHeader {
    version: u16,
    header_len: u16,
    kind: u8,
    flags: u8,
    reserved: u16,
    set: SetId,
    volume: u32,
    section: u32,
    block: u64,
    payload_len: u32,
    key_id: u32,
    tag: [u8; 16],
    payload_crc: u32,
}

impl RawHeader {
    fn read(bytes: &[u8]) -> Result<RawHeader, FormatError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.array::<8>()? != MAGIC {
            return Err(FormatError::new(FormatErrorKind::Magic, at::MAGIC));
        }
        let covered = bytes.get(..at::HEADER_CRC).ok_or_else(|| short(HEADER_LEN, bytes.len()))?;
        let raw = RawHeader {
            version: cursor.u16()?,
            header_len: cursor.u16()?,
            kind: cursor.u8()?,
            flags: cursor.u8()?,
            reserved: cursor.u16()?,
            set: SetId(cursor.array()?),
            volume: cursor.u32()?,
            section: cursor.u32()?,
            block: cursor.u64()?,
            payload_len: cursor.u32()?,
            key_id: cursor.u32()?,
            tag: cursor.array()?,
            payload_crc: cursor.u32()?,
        };
        let (found, computed) = (cursor.u32()?, crc32(covered));
        if found != computed {
            let kind = FormatErrorKind::Checksum { part: "header", found, computed };
            return Err(FormatError::new(kind, at::HEADER_CRC));
        }
        Ok(raw)
    }

    fn check(&self) -> Result<BlockHeader, (FormatErrorKind, usize)> {
        let refuse = |field: &'static str, found: u64, allowed: &'static str, byte: usize| {
            Err((FormatErrorKind::Field { field, found, allowed }, byte))
        };
        if self.version > FORMAT_VERSION {
            return Err((FormatErrorKind::Version { found: self.version, newest: FORMAT_VERSION }, at::VERSION));
        }
        if self.version == 0 {
            return refuse("format_version", 0, "1", at::VERSION);
        }
        if usize::from(self.header_len) != HEADER_LEN {
            return refuse("header_len", u64::from(self.header_len), "80", at::HEADER_LEN);
        }
        if self.flags != 0 {
            return refuse("flags", u64::from(self.flags), "0", at::FLAGS);
        }
        if self.reserved != 0 {
            return refuse("reserved", u64::from(self.reserved), "0", at::RESERVED);
        }
        if self.key_id != 0 {
            return Err((FormatErrorKind::Feature(format!("sealed payloads (key {})", self.key_id)), at::KEY_ID));
        }
        if self.tag != [0; 16] {
            return refuse("tag", 1, "16 zero bytes", at::TAG);
        }
        let kind = self.kind()?;
        let identity = BlockIdentity { set: self.set, volume: self.volume, block: self.block, section: self.section };
        check_identity(kind, &identity)?;
        if self.payload_len > BLOCK_PAYLOAD_MAX {
            let (found, limit) = (u64::from(self.payload_len), u64::from(BLOCK_PAYLOAD_MAX));
            return Err((FormatErrorKind::Limit { field: "payload_len", found, limit }, at::PAYLOAD_LEN));
        }
        Ok(BlockHeader { kind, identity, payload_len: self.payload_len, payload_crc: self.payload_crc })
    }

    fn kind(&self) -> Result<BlockKind, (FormatErrorKind, usize)> {
        if self.kind == 0 {
            return Err((FormatErrorKind::Field { field: "kind", found: 0, allowed: "1 or more" }, at::KIND));
        }
        BlockKind::from_id(self.kind).ok_or_else(|| {
            let name = BlockKind::RESERVED.iter().find(|(id, _)| *id == self.kind).map_or("unknown", |(_, name)| name);
            (FormatErrorKind::Feature(format!("blocks of kind {} ({name})", self.kind)), at::KIND)
        })
    }
}

/// What must hold between a block's kind and its numbers.
fn check_identity(kind: BlockKind, identity: &BlockIdentity) -> Result<(), (FormatErrorKind, usize)> {
    let refuse = |field: &'static str, found: u64, allowed: &'static str, byte: usize| {
        Err((FormatErrorKind::Field { field, found, allowed }, byte))
    };
    let (volume, section) = (identity.volume, identity.section);
    if volume == 0 {
        return refuse("volume", 0, "1 or more", at::VOLUME);
    }
    if volume > VOLUMES_MAX {
        let (found, limit) = (u64::from(volume), u64::from(VOLUMES_MAX));
        return Err((FormatErrorKind::Limit { field: "volume", found, limit }, at::VOLUME));
    }
    if kind.in_section() && section == 0 {
        return refuse("section", 0, "1 or more in a section", at::SECTION);
    }
    if !kind.in_section() && section != 0 {
        return refuse("section", u64::from(section), "0 outside sections", at::SECTION);
    }
    if section > SECTIONS_MAX {
        let (found, limit) = (u64::from(section), u64::from(SECTIONS_MAX));
        return Err((FormatErrorKind::Limit { field: "section", found, limit }, at::SECTION));
    }
    if (identity.block == 0) != (kind == BlockKind::Label) {
        return refuse("block", identity.block, "0 exactly for the label", at::BLOCK);
    }
    Ok(())
}

fn short(wanted: usize, left: usize) -> FormatError {
    FormatError::new(FormatErrorKind::Short { wanted: wanted as u64, left: left as u64 }, 0)
}

/// A whole block: header, payload, padding.
///
/// # Errors
/// [`FormatErrorKind::Limit`] if the payload is larger than [`BLOCK_PAYLOAD_MAX`]; an identity that a block of this kind
/// cannot have: a label other than block 0, a chunk outside every section, a volume or section number beyond its cap.
pub fn encode_block(kind: BlockKind, identity: BlockIdentity, payload: &[u8]) -> Result<Vec<u8>, FormatError> {
    let place = Position::volume(identity.volume).with_block(identity.block);
    check_identity(kind, &identity).map_err(|(kind, byte)| FormatError::new(kind, byte).within(place))?;
    let payload_len = u32::try_from(payload.len()).ok().filter(|len| *len <= BLOCK_PAYLOAD_MAX).ok_or_else(|| {
        let (found, limit) = (payload.len() as u64, u64::from(BLOCK_PAYLOAD_MAX));
        FormatError::new(FormatErrorKind::Limit { field: "payload_len", found, limit }, at::PAYLOAD_LEN).within(place)
    })?;
    let len = block_len(payload.len());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(payload);
    let padding = len.saturating_sub(HEADER_LEN).saturating_sub(payload.len());
    hasher.update([0; ALIGNMENT].get(..padding).unwrap_or_default());
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&(HEADER_LEN as u16).to_le_bytes());
    out.extend_from_slice(&[kind.id(), 0, 0, 0]);
    out.extend_from_slice(&identity.set.0);
    out.extend_from_slice(&identity.volume.to_le_bytes());
    out.extend_from_slice(&identity.section.to_le_bytes());
    out.extend_from_slice(&identity.block.to_le_bytes());
    out.extend_from_slice(&payload_len.to_le_bytes());
    out.extend_from_slice(&[0; 20]);
    out.extend_from_slice(&hasher.finalize().to_le_bytes());
    let header_crc = crc32(&out);
    out.extend_from_slice(&header_crc.to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(len, 0);
    Ok(out)
}
