//! Reads a volume from its first byte to its last without index or catalog: every intact block in order, every damaged
//! extent with its reason. After damage it looks for the next header at the alignment. What it yields covers every byte.

use super::error::VolumeError;
use crate::base::checksum::{Hash, blake3};
use crate::base::position::Position;
use crate::device::traits::VolumeSource;
use crate::format::block::{ALIGNMENT, BlockHeader, HEADER_LEN, MAGIC, SetId};
use crate::format::error::{FormatError, FormatErrorKind};

/// Bytes looked through at a time in search of a header.
const WINDOW: usize = 64 << 10;

/// What a scan meets.
#[derive(Debug)]
pub enum ScanItem {
    /// A sound block in its place.
    Block(ScannedBlock),
    /// Bytes that are no sound block of this volume in its place.
    Damaged(DamagedExtent),
}

/// A sound block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedBlock {
    /// Byte offset on the volume.
    pub offset: u64,
    /// Its header.
    pub header: BlockHeader,
    /// Its payload.
    pub payload: Vec<u8>,
    /// BLAKE3 of the whole block, if the scan was asked for it.
    pub hash: Option<Hash>,
}

/// Damage: `len` bytes from byte `offset`. A length of 0 marks the place where whole blocks are missing.
#[derive(Debug)]
pub struct DamagedExtent {
    /// Number of the volume, if it is known.
    pub volume: Option<u32>,
    /// First byte on the volume.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// What is wrong there.
    pub error: VolumeError,
}

/// How many of a volume's bytes a scan accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// Bytes of intact blocks.
    pub intact: u64,
    /// Bytes of damaged extents.
    pub damaged: u64,
    /// Bytes that the volume has.
    pub exists: u64,
}

impl Coverage {
    /// Whether every byte was accounted for.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.intact.saturating_add(self.damaged) == self.exists
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing is lost before this place.
    Exactly(u64),
    /// Blocks may have been lost before this place.
    AtLeast(u64),
}

/// A place between blocks from which a scan can go on as if it had come there by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanPoint {
    at: u64,
    next: Next,
}

impl ScanPoint {
    /// At byte `at`, where block `block` is to begin, everything before it being sound and in its place.
    #[must_use]
    pub const fn block(at: u64, block: u64) -> ScanPoint {
        ScanPoint { at, next: Next::Exactly(block) }
    }

    /// The byte on the volume.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }
}

/// Is told of bytes in which a header was looked for in vain, and says whether to go on.
pub type Searching<'s> = dyn Fn(u64) -> bool + Sync + 's;

/// A scan of one volume. Memory: one block and one window.
pub struct Scanner<'s> {
    source: &'s dyn VolumeSource,
    name: String,
    identity: Option<(SetId, u32)>,
    next: Next,
    at: u64,
    queued: Option<ScanItem>,
    /// Bytes that may still be checked in vain: overlapping false headers must not make a scan quadratic.
    budget: u64,
    hashes: bool,
    searching: Option<&'s Searching<'s>>,
    coverage: Coverage,
}

impl<'s> Scanner<'s> {
    /// A scan that believes the first sound header about set and volume, unless `identity` says which they are.
    #[must_use]
    pub fn new(source: &'s dyn VolumeSource, name: &str, identity: Option<(SetId, u32)>) -> Scanner<'s> {
        let exists = source.len();
        Scanner {
            source,
            name: name.to_owned(),
            identity,
            next: Next::Exactly(0),
            at: 0,
            queued: None,
            budget: exists.saturating_mul(4).saturating_add(64 << 20),
            hashes: false,
            searching: None,
            coverage: Coverage { intact: 0, damaged: 0, exists },
        }
    }

    /// The same scan, which also computes the hash of every block, to be compared with index and chain.
    #[must_use]
    pub fn with_hashes(mut self) -> Scanner<'s> {
        self.hashes = true;
        self
    }

    /// The same scan, which tells of every stretch of damaged bytes in which it found no header, and ends where it is told not to
    /// go on: before that damage, which is then not accounted for. Damage may be as long as a volume.
    #[must_use]
    pub const fn searching(mut self, searching: &'s Searching<'s>) -> Scanner<'s> {
        self.searching = Some(searching);
        self
    }

    /// The same scan, which begins at this place; what stands before is not accounted for.
    #[must_use]
    pub const fn starting(mut self, point: ScanPoint) -> Scanner<'s> {
        (self.at, self.next) = (point.at, point.next);
        self
    }

    /// Where the scan is; `None` while something that it met is still to be given.
    #[must_use]
    pub const fn point(&self) -> Option<ScanPoint> {
        match self.queued {
            None => Some(ScanPoint { at: self.at, next: self.next }),
            Some(_) => None,
        }
    }

    /// What was accounted for so far; whole once the scan has ended.
    #[must_use]
    pub const fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Set and volume, as soon as they are known.
    #[must_use]
    pub const fn identity(&self) -> Option<(SetId, u32)> {
        self.identity
    }

    fn place(&self) -> Position {
        Position { volume: self.identity.map(|(_, volume)| volume), ..Position::UNKNOWN }
    }

    fn damaged(&mut self, len: u64, error: VolumeError) -> ScanItem {
        let offset = self.at;
        self.at = self.at.saturating_add(len);
        self.coverage.damaged = self.coverage.damaged.saturating_add(len);
        ScanItem::Damaged(DamagedExtent { volume: self.identity.map(|(_, volume)| volume), offset, len, error })
    }

    /// The header at a place: none if the volume ends there, or there is none that is sound.
    fn header_at(&self, offset: u64) -> Result<BlockHeader, VolumeError> {
        let left = self.source.len().saturating_sub(offset);
        let fail = |error: FormatError| VolumeError::format(&self.name, error.within(self.place()));
        if left < HEADER_LEN as u64 {
            return Err(fail(FormatError::new(FormatErrorKind::Short { wanted: HEADER_LEN as u64, left }, 0)));
        }
        let mut bytes = [0; HEADER_LEN];
        self.source.read_at(offset, &mut bytes)?;
        BlockHeader::parse(&bytes).map_err(fail)
    }

    fn step(&mut self) -> Option<ScanItem> {
        let header = match self.header_at(self.at) {
            Ok(header) => header,
            Err(error) => return self.lost(error),
        };
        let (set, volume) = *self.identity.get_or_insert((header.identity.set, header.identity.volume));
        let len = header.block_len() as u64;
        let (payload, hash) = match self.payload_at(&header) {
            Ok(payload) => payload,
            Err(error) => return self.broken(&header, error),
        };
        let number = header.identity.block;
        let follower = self.header_at(self.at.saturating_add(len)).ok().map(|next| next.identity.block);
        let wanted = match self.next {
            Next::Exactly(wanted) | Next::AtLeast(wanted) => wanted,
        };
        let ours = header.identity.set == set && header.identity.volume == volume;
        let skipped = number > wanted && follower == number.checked_add(1);
        let in_place = match self.next {
            Next::Exactly(_) => number == wanted || skipped,
            Next::AtLeast(_) => number >= wanted,
        };
        if !(ours && in_place) {
            return Some(self.misplaced(&header, (set, volume, wanted), follower));
        }
        let gap = matches!(self.next, Next::Exactly(_)) && number != wanted;
        let block = ScanItem::Block(ScannedBlock { offset: self.at, header, payload, hash });
        let missing = gap.then(|| {
            let allowed = "the number of the block that is missing here";
            let error = VolumeError::field(&self.name, header.position().with_block(wanted), "block", number, allowed);
            self.damaged(0, error)
        });
        self.next = Next::Exactly(number.saturating_add(1));
        self.at = self.at.saturating_add(len);
        self.coverage.intact = self.coverage.intact.saturating_add(len);
        Some(match missing {
            Some(missing) => {
                self.queued = Some(block);
                missing
            }
            None => block,
        })
    }

    fn payload_at(&self, header: &BlockHeader) -> Result<(Vec<u8>, Option<Hash>), VolumeError> {
        let left = self.source.len().saturating_sub(self.at);
        let place = header.position();
        let fail = |error: FormatError| VolumeError::format(&self.name, error.within(place));
        let len = header.block_len();
        if left < len as u64 {
            return Err(fail(FormatError::new(FormatErrorKind::Short { wanted: len as u64, left }, 0)));
        }
        let mut bytes = vec![0; len];
        self.source.read_at(self.at, &mut bytes)?;
        header.payload(&bytes).map_err(fail)?;
        let hash = self.hashes.then(|| blake3(&bytes));
        bytes.copy_within(HEADER_LEN.., 0);
        bytes.truncate(header.payload_len as usize);
        Ok((bytes, hash))
    }

    /// A sound header, but not the one that should stand here.
    fn misplaced(&mut self, header: &BlockHeader, wanted: (SetId, u32, u64), follower: Option<u64>) -> ScanItem {
        let (set, volume, block) = wanted;
        let error = match header.expect(set, volume, block) {
            Err(error) => VolumeError::format(&self.name, error),
            // Only a header that differs comes here.
            Ok(()) => VolumeError::field(&self.name, header.position(), "block", header.identity.block, "another"),
        };
        // The follower tells whether a stranger stands in the place of the block wanted. One of our own that came before
        // is a copy, and takes the place of none.
        self.next = match follower {
            Some(next) if Some(next) == block.checked_add(1) => Next::Exactly(next),
            _ if header.identity.set == set && header.identity.volume == volume && header.identity.block < block => {
                Next::Exactly(block)
            }
            _ => Next::AtLeast(block),
        };
        self.damaged(header.block_len() as u64, error)
    }

    /// A sound header whose payload is not: the block is skipped whole if another header follows it.
    fn broken(&mut self, header: &BlockHeader, error: VolumeError) -> Option<ScanItem> {
        let len = header.block_len() as u64;
        let end = self.at.saturating_add(len);
        let left = self.source.len().saturating_sub(self.at);
        self.budget = self.budget.saturating_sub(len.min(left));
        let followed = end == self.source.len() || self.header_at(end).is_ok();
        if followed {
            self.next = Next::Exactly(header.identity.block.saturating_add(1));
            return Some(self.damaged(len.min(left), error));
        }
        if self.budget == 0 {
            return Some(self.damaged(len.min(left), error));
        }
        self.lost(error)
    }

    /// No block that can be used starts here: everything up to the next sound header is damaged. Nothing if the search for that
    /// was ended.
    fn lost(&mut self, error: VolumeError) -> Option<ScanItem> {
        let end = self.find_header(self.at.saturating_add(ALIGNMENT as u64))?;
        let wanted = match self.next {
            Next::Exactly(wanted) | Next::AtLeast(wanted) => wanted,
        };
        self.next = Next::AtLeast(wanted);
        let len = end.saturating_sub(self.at);
        let place = Position { block: Some(wanted), ..self.place() };
        let error = match error {
            VolumeError::Format { name, source } => VolumeError::Format { name, source: source.within(place) },
            other => other,
        };
        Some(self.damaged(len, error))
    }

    /// The first aligned place from `from` on at which a sound header of this volume starts, or the end of the volume; nothing if
    /// the search was ended.
    fn find_header(&self, from: u64) -> Option<u64> {
        let end = self.source.len();
        let mut at = from.min(end);
        let mut window = vec![0; WINDOW];
        while at < end {
            let take = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(WINDOW);
            let bytes = window.get_mut(..take)?;
            let mut next = at.saturating_add(take as u64);
            // Bytes that cannot be read are searched no further; the rest of the volume may be readable.
            if self.source.read_at(at, bytes).is_ok() {
                for (step, candidate) in bytes.chunks(ALIGNMENT).enumerate() {
                    let offset = at.saturating_add((step as u64).saturating_mul(ALIGNMENT as u64));
                    if candidate.starts_with(&MAGIC) && self.is_ours(offset) {
                        return Some(offset);
                    }
                }
                if bytes.iter().all(|byte| *byte == 0) {
                    next = behind_hole(self.source, next);
                }
            }
            if self.searching.is_some_and(|searching| !searching(next.saturating_sub(at))) {
                return None;
            }
            at = next;
        }
        Some(end)
    }

    fn is_ours(&self, offset: u64) -> bool {
        let Ok(header) = self.header_at(offset) else { return false };
        self.identity.is_none_or(|(set, volume)| header.identity.set == set && header.identity.volume == volume)
    }
}

/// The last place of the alignment of `at`, from there on, before which the medium has nothing but a hole.
pub(super) fn behind_hole(source: &dyn VolumeSource, at: u64) -> u64 {
    let hole = source.next_data(at).min(source.len()).saturating_sub(at);
    if at.saturating_add(hole) == source.len() {
        return source.len();
    }
    at.saturating_add(hole.saturating_sub(hole.checked_rem(ALIGNMENT as u64).unwrap_or(0)))
}

impl Iterator for Scanner<'_> {
    type Item = ScanItem;

    fn next(&mut self) -> Option<ScanItem> {
        if let Some(item) = self.queued.take() {
            return Some(item);
        }
        if self.at < self.source.len() { self.step() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::device::traits::Device;
    use crate::format::block::{BlockIdentity, BlockKind, encode_block};

    const OURS: SetId = SetId([1; 16]);
    const THEIRS: SetId = SetId([2; 16]);

    fn block_of(set: SetId, volume: u32, block: u64, payload: &[u8]) -> Vec<u8> {
        let kind = if block == 0 { BlockKind::Label } else { BlockKind::Optional(200) };
        encode_block(kind, BlockIdentity { set, volume, block, section: 0 }, payload).unwrap()
    }

    /// Block `number` of the volume that is scanned.
    fn ours(number: u64) -> Vec<u8> {
        block_of(OURS, 7, number, &[number as u8; 100])
    }

    /// Block `number` of another set.
    fn theirs(number: u64) -> Vec<u8> {
        block_of(THEIRS, 7, number, b"theirs")
    }

    /// The block with a payload that does not fit its checksum.
    fn broken(mut block: Vec<u8>) -> Vec<u8> {
        block[HEADER_LEN] ^= 1;
        block
    }

    /// Numbers of the sound blocks; of each damaged extent its length and the block that was expected there.
    fn scan(parts: &[Vec<u8>]) -> (Vec<u64>, Vec<(u64, u64)>, Vec<FormatErrorKind>) {
        let device = MemoryDevice::new();
        device.insert("volume", parts.concat());
        let source = device.open("volume").unwrap();
        let mut scanner = Scanner::new(source.as_ref(), "volume", None);
        let (mut sound, mut damaged, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for item in scanner.by_ref() {
            match item {
                ScanItem::Block(block) => sound.push(block.header.identity.block),
                ScanItem::Damaged(extent) => {
                    let place = extent.error.position();
                    assert_eq!((extent.volume, place.volume), (Some(7), Some(7)), "{}", extent.error);
                    damaged.push((extent.len, place.block.unwrap()));
                    if let VolumeError::Format { source, .. } = extent.error {
                        kinds.push(source.kind);
                    }
                }
            }
        }
        let whole = scanner.coverage();
        assert!(whole.is_whole() && whole.exists == source.len());
        assert_eq!(whole.damaged, damaged.iter().map(|(len, _)| len).sum::<u64>());
        assert!(!Coverage { damaged: whole.damaged + 1, ..whole }.is_whole());
        assert_eq!(scanner.identity(), Some((OURS, 7)));
        (sound, damaged, kinds)
    }

    #[test]
    fn a_sound_volume_has_no_damage() {
        assert_eq!(scan(&[ours(0), ours(1), ours(2)]), (vec![0, 1, 2], vec![], vec![]));
    }

    #[test]
    fn what_is_cut_off_is_said_with_the_bytes_that_it_lacks() {
        let cut = |len: usize| scan(&[ours(0), ours(1)[..len].to_vec()]);
        let short = |wanted, left| vec![FormatErrorKind::Short { wanted, left }];
        assert_eq!(cut(64), (vec![0], vec![(64, 1)], short(80, 64)));
        assert_eq!(cut(79), (vec![0], vec![(79, 1)], short(80, 79)));
        assert_eq!(cut(80), (vec![0], vec![(80, 1)], short(192, 80)));
        assert_eq!(cut(191), (vec![0], vec![(191, 1)], short(192, 191)));
    }

    #[test]
    fn strangers_are_reported_in_the_place_of_the_blocks_that_they_stand_for() {
        let stranger = theirs(9).len() as u64;
        let found = scan(&[ours(0), ours(1), theirs(2), theirs(3), ours(4), ours(5)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 4, 5], vec![(stranger, 2), (stranger, 3)]));
        let found = scan(&[ours(0), ours(1), theirs(9), ours(2), ours(3)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 2, 3], vec![(stranger, 2)]));
        // Blocks may be lost behind a stranger, whatever its number is: no further loss is made up.
        for number in [0, 9] {
            let found = scan(&[ours(0), ours(1), theirs(number), ours(4), ours(5)]);
            assert_eq!((found.0, found.1), (vec![0, 1, 4, 5], vec![(stranger, 2)]), "{number}");
        }
        let other = block_of(OURS, 8, 0, b"theirs");
        let found = scan(&[ours(0), ours(1), other, ours(4), ours(5)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 4, 5], vec![(stranger, 2)]));
    }

    #[test]
    fn a_copy_of_an_earlier_block_is_refused_and_hides_no_loss() {
        let len = ours(1).len() as u64;
        let found = scan(&[ours(0), ours(1), ours(1), ours(4), ours(5)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 4, 5], vec![(len, 2), (0, 2)]));
        let found = scan(&[ours(0), ours(1), theirs(2), ours(1), ours(2), ours(3)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 2, 3], vec![(theirs(2).len() as u64, 2), (len, 2)]));
        // One that comes too early, with no follower of its own, is a stranger.
        let found = scan(&[ours(0), ours(1), ours(5), ours(8), ours(9)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 8, 9], vec![(len, 2)]));
    }

    #[test]
    fn a_block_taken_out_is_a_gap_without_bytes() {
        let found = scan(&[ours(0), ours(1), ours(3), ours(4)]);
        assert_eq!((found.0, found.1), (vec![0, 1, 3, 4], vec![(0, 2)]));
    }

    #[test]
    fn a_broken_payload_costs_its_block_and_what_cannot_be_read_behind_it() {
        let len = ours(1).len() as u64;
        let found = scan(&[ours(0), broken(ours(1)), ours(2)]);
        assert_eq!((found.0, found.1), (vec![0, 2], vec![(len, 1)]));
        let found = scan(&[ours(0), broken(ours(1)), vec![0xA5; 64], ours(2)]);
        assert_eq!((found.0, found.1), (vec![0, 2], vec![(len + 64, 1)]));
        // The last block of a volume is skipped whole: what looks like a block in its payload is none.
        let mut payload = vec![0; 48];
        payload.extend(ours(9));
        let found = scan(&[ours(0), ours(1), broken(block_of(OURS, 7, 2, &payload))]);
        assert_eq!((found.0, found.1), (vec![0, 1], vec![(block_of(OURS, 7, 2, &payload).len() as u64, 2)]));
    }

    #[test]
    fn the_search_for_a_header_stops_at_sound_ones_of_this_volume_only() {
        let noise = vec![0xA5; 64];
        let mut magic = MAGIC.to_vec();
        magic.resize(128, 0xA5);
        let found = scan(&[ours(0), noise.clone(), magic, ours(1)]);
        assert_eq!((found.0, found.1), (vec![0, 1], vec![(192, 1)]));
        for stranger in [theirs(3), block_of(OURS, 8, 3, b"theirs"), block_of(THEIRS, 8, 3, b"theirs")] {
            let found = scan(&[ours(0), noise.clone(), stranger, ours(1)]);
            assert_eq!((found.0, found.1), (vec![0, 1], vec![(192, 1)]));
        }
        // Headers are found on either side of where one window of the search ends and the next begins.
        for bytes in [WINDOW - 64, WINDOW, WINDOW + 64, 3 * WINDOW] {
            let found = scan(&[ours(0), vec![0xA5; bytes], ours(1)]);
            assert_eq!((found.0, found.1), (vec![0, 1], vec![(bytes as u64, 1)]));
        }
    }
}
