//! Chunks that were read and verified for a plan, kept for applying it, within bounds: so a small restore reads each byte of
//! its volumes once. Knows nothing of rows.

use crate::format::block::SetId;
use crate::volume::chain::Chain;
use crate::volume::error::VolumeError;
use crate::volume::section::ChunkRef;
use crate::volume::set::SetReader;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are kept unless somebody says how many. Those of a day of a large centre are a tenth of it.
const BYTES_MAX: usize = 16 << 20;

/// What a restore reads from.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// The sets.
    pub(super) chain: &'a Chain<'a>,
    /// What was read of them.
    pub(super) payloads: &'a Payloads,
}

/// Set, section, chunk.
type Place = (SetId, u32, u64);

/// The payloads of chunks, as their sets gave them.
#[derive(Debug)]
pub(super) struct Payloads {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    by_place: HashMap<Place, Arc<Vec<u8>>>,
}

impl Default for Payloads {
    fn default() -> Payloads {
        Payloads::new(BYTES_MAX)
    }
}

impl Payloads {
    /// Nothing read yet, and at most so many bytes to be kept.
    pub(super) fn new(bytes_max: usize) -> Payloads {
        Payloads { bytes_max, kept: Mutex::default() }
    }

    /// The payload of a chunk: as it was read before, or read and verified now, and kept if there is room.
    ///
    /// # Errors
    /// As [`SetReader::read_chunk`].
    pub(super) fn read(&self, set: &SetReader<'_>, chunk: &ChunkRef) -> Result<Arc<Vec<u8>>, VolumeError> {
        let place = (set.set_id(), chunk.section, chunk.number);
        self.get(place, || set.read_chunk(chunk))
    }

    fn get<E>(&self, place: Place, read: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Arc<Vec<u8>>, E> {
        if let Some(payload) = self.kept().by_place.get(&place) {
            return Ok(Arc::clone(payload));
        }
        let payload = Arc::new(read()?);
        let mut kept = self.kept();
        let bytes = kept.bytes.saturating_add(payload.len());
        if bytes <= self.bytes_max && kept.by_place.insert(place, Arc::clone(&payload)).is_none() {
            kept.bytes = bytes;
        }
        Ok(payload)
    }

    /// Forgets all: what is read next comes from the volumes.
    pub(super) fn clear(&self) {
        *self.kept() = Kept::default();
    }

    /// What another thread's panic left is whole: entries are only ever added.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_once_and_what_does_not_is_read_again() {
        let payloads = Payloads::new(100);
        let mut reads = Vec::new();
        let mut get = |chunk: u64, len: usize| {
            let payload = payloads.get((SetId([1; 16]), 1, chunk), || {
                reads.push(chunk);
                Ok::<_, ()>(vec![chunk as u8; len])
            });
            assert_eq!(payload.unwrap().as_slice(), vec![chunk as u8; len]);
        };
        for (chunk, len) in [(1, 60), (2, 41), (3, 40), (1, 60), (2, 41), (3, 40)] {
            get(chunk, len);
        }
        assert_eq!(payloads.kept().bytes, 100);
        payloads.clear();
        get(3, 40);
        assert_eq!(reads, [1, 2, 3, 2, 3]);
    }

    #[test]
    fn what_could_not_be_read_is_asked_for_again() {
        let (payloads, place) = (Payloads::new(100), (SetId([1; 16]), 1, 7));
        assert_eq!(payloads.get(place, || Err("damaged")), Err("damaged"));
        assert_eq!(payloads.get(place, || Ok::<_, ()>(vec![1])).unwrap().as_slice(), [1]);
        let other_set = (SetId([2; 16]), 1, 7);
        assert_eq!(payloads.get(other_set, || Ok::<_, ()>(vec![2])).unwrap().as_slice(), [2]);
    }
}
