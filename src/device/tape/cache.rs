//! Records that were read a moment ago. Knows nothing of what is in them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bytes of records that are remembered.
const BYTES: usize = 16 << 20;

/// What remembering a record takes beside its bytes.
const EACH: usize = 128;

/// Records by their number on the tape; those that were read first are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    records: BTreeMap<u64, Arc<Vec<u8>>>,
    order: VecDeque<u64>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, object: u64) -> Option<Arc<Vec<u8>>> {
        self.records.get(&object).map(Arc::clone)
    }

    /// Remembers a record, and the one before it in any case.
    pub(super) fn put(&mut self, object: u64, record: &Arc<Vec<u8>>) {
        if self.records.insert(object, Arc::clone(record)).is_some() {
            return;
        }
        self.order.push_back(object);
        self.bytes = self.bytes.saturating_add(record.len().saturating_add(EACH));
        while self.bytes > BYTES && self.order.len() > 2 {
            let Some(gone) = self.order.pop_front().and_then(|first| self.records.remove(&first)) else { return };
            self.bytes = self.bytes.saturating_sub(gone.len().saturating_add(EACH));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Cache::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_first_is_forgotten_first() {
        for len in [0, 64, 1 << 20, 30 << 20] {
            let mut cache = Cache::default();
            let record = Arc::new(vec![0; len]);
            for object in 0..200_000 {
                cache.put(object, &record);
            }
            let kept = cache.records.len();
            assert!(kept >= 2 && kept * (len + EACH) <= BYTES.max(2 * (len + EACH)), "{kept} of {len} bytes");
            assert!(cache.get(199_999).is_some() && cache.get(199_998).is_some() && cache.get(0).is_none());
            assert_eq!(cache.order.len(), kept);
        }
    }
}
