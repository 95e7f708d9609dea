//! Finds every intact block in a stretch of bytes, whatever lies around it: at any byte, of any set, in any order. Nothing is
//! expected of the place where a block stands; where that matters, a [`super::scanner::Scanner`] judges.

use crate::base::limits::BLOCK_PAYLOAD_MAX;
use crate::device::error::DeviceError;
use crate::device::traits::VolumeSource;
use crate::format::block::{BlockHeader, HEADER_LEN, MAGIC};

/// Bytes looked through at a time in search of a block.
const WINDOW: usize = 256 << 10;

/// Bytes that are given up at a time where the medium does not give them.
const UNREAD_STEP: usize = 4 << 10;

/// An intact block: header, payload and padding are as their checksums say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBlock {
    /// Its first byte in the source.
    pub offset: u64,
    /// Its header.
    pub header: BlockHeader,
    /// The whole block, as it lies there.
    pub bytes: Vec<u8>,
}

impl FoundBlock {
    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let end = HEADER_LEN.saturating_add(self.header.payload_len as usize);
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }
}

/// How many bytes of a source were what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Bytes of intact blocks.
    pub intact: u64,
    /// Bytes that are no intact block, zeros not counted.
    pub other: u64,
    /// Bytes that are zero and in no block.
    pub zeros: u64,
    /// Bytes that the medium did not give.
    pub unread: u64,
}

/// A search through one source from its first byte to its last. Memory: one block and one window. It reads no byte more often
/// than a few times, whatever the bytes look like.
pub struct Finder {
    source: Box<dyn VolumeSource>,
    at: u64,
    /// Bytes that may still be read in vain for blocks that turn out to be none.
    budget: u64,
    /// The bytes that were searched last, and where the first of them is.
    held: Vec<u8>,
    held_from: u64,
    sifted: Sifted,
}

impl Finder {
    /// A search that has not begun.
    #[must_use]
    pub fn new(source: Box<dyn VolumeSource>) -> Finder {
        let budget = source.len().saturating_mul(4).saturating_add(u64::from(BLOCK_PAYLOAD_MAX).saturating_mul(4));
        Finder { source, at: 0, budget, held: Vec::new(), held_from: 0, sifted: Sifted::default() }
    }

    /// What was met so far; all bytes of the source once the search has ended.
    #[must_use]
    pub const fn sifted(&self) -> Sifted {
        self.sifted
    }

    /// The block that begins at a byte, if an intact one does; else how many bytes to pass over. That is one, unless too much was
    /// read in vain before: then what says that it is a block is believed about its length.
    fn block_at(&mut self, offset: u64) -> Result<FoundBlock, u64> {
        let left = self.source.len().saturating_sub(offset);
        let mut bytes = vec![0; HEADER_LEN];
        if left < HEADER_LEN as u64 || self.source.read_at(offset, &mut bytes).is_err() {
            return Err(1);
        }
        let Ok(header) = BlockHeader::parse(&bytes) else { return Err(1) };
        let len = header.block_len();
        if left < len as u64 {
            return Err(1);
        }
        bytes.resize(len, 0);
        let behind = offset.saturating_add(HEADER_LEN as u64);
        let read = bytes.get_mut(HEADER_LEN..).is_some_and(|rest| self.source.read_at(behind, rest).is_ok());
        if !read || header.payload(&bytes).is_err() {
            self.budget = self.budget.saturating_sub(len as u64);
            return Err(if self.budget > 0 { 1 } else { len as u64 });
        }
        Ok(FoundBlock { offset, header, bytes })
    }

    /// Whether the bytes from `at` on are held: enough of them for a magic, or all that there are.
    fn hold(&mut self, at: u64) -> bool {
        let (end, reach) = (self.source.len(), self.held_from.saturating_add(self.held.len() as u64));
        let enough = at.saturating_add(MAGIC.len() as u64) <= reach || reach == end && at < reach;
        if self.held_from <= at && enough {
            return true;
        }
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.held_from = at;
        for take in [left.min(WINDOW), left.min(UNREAD_STEP)] {
            self.held.resize(take, 0);
            if self.source.read_at(at, &mut self.held).is_ok() {
                return true;
            }
        }
        self.held.clear();
        false
    }

    /// The next byte, from `from` on, at which a block may begin; the end of the source if there is none.
    fn candidate(&mut self, from: u64) -> u64 {
        let end = self.source.len();
        let mut at = from.min(end);
        while at < end {
            if !self.hold(at) {
                let step = end.saturating_sub(at).min(UNREAD_STEP as u64);
                self.sifted.unread = self.sifted.unread.saturating_add(step);
                at = at.saturating_add(step);
                continue;
            }
            let from = usize::try_from(at.saturating_sub(self.held_from)).unwrap_or(usize::MAX);
            let bytes = self.held.get(from..).unwrap_or_default();
            if let Some(found) = position(bytes, &MAGIC) {
                self.sifted.count(bytes.get(..found).unwrap_or_default());
                return at.saturating_add(found as u64);
            }
            // The magic may lie across the edge of two windows.
            let all = at.saturating_add(bytes.len() as u64) == end;
            let edge = if all { 0 } else { MAGIC.len().saturating_sub(1) };
            let keep = bytes.len().saturating_sub(edge).max(1);
            let empty = bytes.iter().all(|byte| *byte == 0);
            self.sifted.count(bytes.get(..keep).unwrap_or_default());
            at = at.saturating_add(keep as u64);
            if empty {
                let hole = self.source.next_data(at).min(end).saturating_sub(at);
                self.sifted.zeros = self.sifted.zeros.saturating_add(hole);
                at = at.saturating_add(hole);
            }
        }
        end
    }
}

impl Sifted {
    fn count(&mut self, bytes: &[u8]) {
        let zeros = bytes.iter().filter(|byte| **byte == 0).count() as u64;
        self.zeros = self.zeros.saturating_add(zeros);
        self.other = self.other.saturating_add((bytes.len() as u64).saturating_sub(zeros));
    }
}

/// The block of `bytes` bytes at `offset`, if it is still the intact one with this header.
///
/// # Errors
/// The medium fails.
pub fn read_found(source: &dyn VolumeSource, offset: u64, bytes: u32) -> Result<Option<FoundBlock>, DeviceError> {
    if source.len().saturating_sub(offset) < u64::from(bytes) {
        return Ok(None);
    }
    let mut block = vec![0; bytes as usize];
    source.read_at(offset, &mut block)?;
    let Ok(header) = BlockHeader::parse(&block) else { return Ok(None) };
    if header.block_len() != block.len() || header.payload(&block).is_err() {
        return Ok(None);
    }
    Ok(Some(FoundBlock { offset, header, bytes: block }))
}

/// Where a pattern first begins.
fn position(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    let (first, mut from) = (*pattern.first()?, 0usize);
    while let Some(rest) = bytes.get(from..) {
        let at = from.saturating_add(rest.iter().position(|byte| *byte == first)?);
        if bytes.get(at..)?.starts_with(pattern) {
            return Some(at);
        }
        from = at.saturating_add(1);
    }
    None
}

impl Iterator for Finder {
    type Item = FoundBlock;

    fn next(&mut self) -> Option<FoundBlock> {
        while self.at < self.source.len() {
            let pass = match self.block_at(self.at) {
                Ok(block) => {
                    let len = block.header.block_len() as u64;
                    self.at = self.at.saturating_add(len);
                    self.sifted.intact = self.sifted.intact.saturating_add(len);
                    return Some(block);
                }
                Err(pass) => pass,
            };
            let next = self.candidate(self.at);
            if next > self.at {
                self.at = next;
                continue;
            }
            // A magic stands here and begins nothing.
            let pass = pass.min(self.source.len().saturating_sub(self.at));
            self.sifted.other = self.sifted.other.saturating_add(pass);
            self.at = self.at.saturating_add(pass);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::device::traits::Device;
    use crate::format::block::{BlockIdentity, BlockKind, SetId, encode_block};

    fn block(number: u64, bytes: usize) -> Vec<u8> {
        let identity = BlockIdentity { set: SetId([7; 16]), volume: 1, block: number, section: 0 };
        encode_block(BlockKind::Optional(200), identity, &vec![number as u8; bytes]).unwrap()
    }

    fn found(parts: &[Vec<u8>]) -> (Vec<u64>, Sifted) {
        let device = MemoryDevice::new();
        device.insert("heap", parts.concat());
        let mut finder = Finder::new(device.open("heap").unwrap());
        let numbers = finder.by_ref().map(|block| block.header.identity.block).collect();
        let Sifted { intact, other, zeros, unread } = finder.sifted();
        assert_eq!(intact + other + zeros + unread, parts.concat().len() as u64, "every byte is accounted for");
        (numbers, finder.sifted())
    }

    #[test]
    fn blocks_are_found_at_any_byte_and_in_any_order() {
        let junk = |bytes: usize| vec![0x8B; bytes];
        for shift in [0, 1, 13, 63, 64, 300_001] {
            let parts = [junk(shift), block(5, 100), block(2, 7), vec![0; 77], block(9, 1_000), junk(3)];
            let (numbers, sifted) = found(&parts);
            assert_eq!((numbers, sifted.zeros), (vec![5, 2, 9], 77), "{shift} bytes before");
        }
    }

    #[test]
    fn a_block_inside_a_damaged_one_is_found_and_one_inside_an_intact_one_is_not() {
        let inner = block(3, 50);
        let identity = BlockIdentity { set: SetId([8; 16]), volume: 1, block: 1, section: 0 };
        let outer = encode_block(BlockKind::Optional(201), identity, &[vec![1; 30], inner].concat()).unwrap();
        assert_eq!(found(std::slice::from_ref(&outer)).0, [1]);
        let mut hurt = outer;
        hurt[HEADER_LEN] ^= 1;
        assert_eq!(found(&[hurt]).0, [3]);
        let cut = block(4, 5_000);
        assert_eq!(found(&[cut[..1_000].to_vec(), block(6, 10)]).0, [6], "one that was cut off takes nothing along");
    }

    #[test]
    fn headers_that_lie_cost_no_more_than_a_few_passes() {
        struct Counted(Vec<u8>, std::sync::Arc<std::sync::atomic::AtomicU64>);
        impl VolumeSource for Counted {
            fn len(&self) -> u64 {
                self.0.len() as u64
            }

            fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
                self.1.fetch_add(buffer.len() as u64, std::sync::atomic::Ordering::Relaxed);
                buffer.copy_from_slice(&self.0[at as usize..][..buffer.len()]);
                Ok(())
            }
        }
        let lie = &block(1, 9_000_000)[..HEADER_LEN];
        let bytes = [lie.repeat(120_000), block(2, 100)].concat();
        let (len, reads) = (bytes.len() as u64, std::sync::Arc::default());
        let counted = Counted(bytes, std::sync::Arc::clone(&reads));
        let _blocks: Vec<_> = Finder::new(Box::new(counted)).collect();
        let read = reads.load(std::sync::atomic::Ordering::Relaxed);
        assert!(read < 8 * len + (120 << 20) + WINDOW as u64 * 64, "{read} of {len}");
    }
}
