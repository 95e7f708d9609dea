//! Memory that several threads share: whoever needs much waits until there is room.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many bytes, to be lent and given back.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// Bytes that were lent; dropped, they are given back.
#[derive(Debug)]
#[must_use = "what is dropped at once is not kept"]
pub struct Lent<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of `total` bytes.
    #[must_use]
    pub const fn new(total: u64) -> Budget {
        Budget { total, free: Mutex::new(total), returned: Condvar::new() }
    }

    /// Waits until so many bytes are free, and takes them. Who wants more than there are at all waits until all are free, and
    /// takes all. Nobody who holds bytes may wait for more of the same budget.
    ///
    /// ```
    /// use intervault::base::budget::Budget;
    /// let budget = Budget::new(100);
    /// let one = budget.take(60);
    /// assert_eq!(budget.free(), 40);
    /// drop(one);
    /// let _all = budget.take(1_000);
    /// assert_eq!(budget.free(), 0);
    /// ```
    pub fn take(&self, bytes: u64) -> Lent<'_> {
        let bytes = bytes.min(self.total);
        let mut free = self.locked();
        while *free < bytes {
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free = free.saturating_sub(bytes);
        Lent { budget: self, bytes }
    }

    /// Bytes that are not lent.
    #[must_use]
    pub fn free(&self) -> u64 {
        *self.locked()
    }

    /// The number is whole whatever panicked while it was held.
    fn locked(&self) -> MutexGuard<'_, u64> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        {
            let mut free = self.budget.locked();
            *free = free.saturating_add(self.bytes);
        }
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::base::side_by_side::side_by_side;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn no_more_is_lent_at_a_time_than_there_is() {
        let (budget, held, most) = (Budget::new(100), AtomicU64::new(0), AtomicU64::new(0));
        let wants: Vec<u64> = (0..400).map(|n| 1 + n * 37 % 130).collect();
        let done: Result<Vec<()>, ()> = side_by_side(7, &wants, |_, want| {
            let lent = budget.take(*want);
            let now = held.fetch_add((*want).min(100), Ordering::SeqCst) + (*want).min(100);
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            held.fetch_sub((*want).min(100), Ordering::SeqCst);
            drop(lent);
            Ok(())
        });
        assert!(done.is_ok() && budget.free() == 100);
        assert!(most.load(Ordering::SeqCst) <= 100, "{most:?}");
    }
}
