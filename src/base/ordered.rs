//! Bounded parallel work whose results are taken in order: several workers, one taker. The first error cancels the rest,
//! every thread is joined before the call returns.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex};

/// Hands a worker's results to the taker. Returns false when the work has been cancelled: the worker should stop.
pub type Emit<'a, R> = dyn FnMut(R) -> bool + 'a;

/// Does items `0..items` on `workers` threads; `work(worker, item, emit)` may emit any number of results for its item.
/// `take` is called on the calling thread, with the results of item 0 in the order emitted, then those of item 1, and so
/// on. Items are begun in order, so the item whose results are taken is always being worked on or done; a worker waits
/// once `ahead` (at least 1) results of one item have not been taken, and before it begins an item until all but `workers`
/// items before it have been taken whole. So at most (`workers` + 1) x (`ahead` + 1) results exist.
///
/// # Errors
/// The first error that `take` returned, else the error of the lowest item that failed. All threads have ended then.
///
/// ```
/// use intervault::base::ordered::ordered;
/// let mut squares = Vec::new();
/// let done: Result<(), String> = ordered(
///     3,
///     5,
///     1,
///     |_, item, emit| {
///         emit(item * item);
///         Ok(())
///     },
///     |square| {
///         squares.push(square);
///         Ok(())
///     },
/// );
/// assert_eq!((done, squares), (Ok(()), vec![0, 1, 4, 9, 16]));
/// ```
pub fn ordered<R: Send, E: Send>(
    workers: usize,
    items: usize,
    ahead: usize,
    work: impl Fn(usize, usize, &mut Emit<'_, R>) -> Result<(), E> + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let (mut senders, mut receivers) = (Vec::with_capacity(items), Vec::with_capacity(items));
    for _ in 0..items {
        let (sender, receiver) = sync_channel::<Result<R, E>>(ahead.max(1));
        senders.push(Mutex::new(Some(sender)));
        receivers.push(receiver);
    }
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let gate = Gate { taken: Mutex::new(0), moved: Condvar::new(), window: workers.max(1).saturating_add(1) };
    std::thread::scope(|scope| {
        for worker in 0..workers.clamp(1, items.max(1)) {
            let (senders, next, stop, gate, work) = (&senders, &next, &stop, &gate, &work);
            scope.spawn(move || {
                one_worker(worker, senders, (next, stop, gate), work);
                gate.wake();
            });
        }
        let result = take_all(receivers, &gate, &mut take);
        stop.store(result.is_err(), Ordering::Relaxed);
        gate.wake();
        result
    })
}

/// Holds workers back from items that lie too far ahead of what has been taken.
struct Gate {
    taken: Mutex<usize>,
    moved: Condvar,
    window: usize,
}

impl Gate {
    /// Waits until the item may begin; false if the work was cancelled meanwhile.
    fn pass(&self, item: usize, stop: &AtomicBool) -> bool {
        let Ok(mut taken) = self.taken.lock() else { return false };
        while item >= taken.saturating_add(self.window) {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            match self.moved.wait(taken) {
                Ok(again) => taken = again,
                Err(_) => return false,
            }
        }
        !stop.load(Ordering::Relaxed)
    }

    /// All results of one more item have been taken.
    fn advance(&self) {
        if let Ok(mut taken) = self.taken.lock() {
            *taken = taken.saturating_add(1);
        }
        self.moved.notify_all();
    }

    /// Lets those who wait look again whether the work was cancelled.
    fn wake(&self) {
        // Under the lock, so that nobody who has just looked falls asleep for ever.
        drop(self.taken.lock());
        self.moved.notify_all();
    }
}

/// The sending end of one item's results, until a worker takes it.
type Slot<R, E> = Mutex<Option<SyncSender<Result<R, E>>>>;

fn one_worker<R: Send, E: Send>(
    worker: usize,
    senders: &[Slot<R, E>],
    (next, stop, gate): (&AtomicUsize, &AtomicBool, &Gate),
    work: &impl Fn(usize, usize, &mut Emit<'_, R>) -> Result<(), E>,
) {
    loop {
        let item = next.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = senders.get(item) else { return };
        // A poisoned lock would mean that another worker panicked while it held this one; nobody panics in between.
        let Some(sender) = slot.lock().ok().and_then(|mut slot| slot.take()) else { return };
        if !gate.pass(item, stop) {
            return;
        }
        let mut cancelled = false;
        // A send fails only when the taker has dropped its receivers: the work is cancelled.
        let done = work(worker, item, &mut |result| {
            cancelled |= stop.load(Ordering::Relaxed) || sender.send(Ok(result)).is_err();
            !cancelled
        });
        // What work says that was told to stop must not hide the error for which it was.
        if cancelled {
            return;
        }
        if let Err(error) = done {
            stop.store(true, Ordering::Relaxed);
            let _cancelled = sender.send(Err(error));
            return;
        }
    }
}

fn take_all<R, E>(
    receivers: Vec<Receiver<Result<R, E>>>,
    gate: &Gate,
    take: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    // Receivers are dropped one by one as their items end, and all at once on an error, which wakes blocked senders.
    for receiver in receivers {
        for result in receiver {
            take(result?)?;
        }
        gate.advance();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn results_come_in_order_whatever_the_number_of_workers() {
        for workers in 1..=16 {
            let mut seen = Vec::new();
            let done: Result<(), ()> = ordered(
                workers,
                50,
                2,
                |_, item, emit| {
                    for part in 0..item % 4 {
                        emit((item, part));
                    }
                    Ok(())
                },
                |result| {
                    seen.push(result);
                    Ok(())
                },
            );
            assert_eq!(done, Ok(()));
            let expected: Vec<_> = (0..50).flat_map(|item| (0..item % 4).map(move |part| (item, part))).collect();
            assert_eq!(seen, expected, "{workers} workers");
        }
    }

    #[test]
    fn the_first_error_of_a_worker_cancels_and_is_returned() {
        for workers in [1, 2, 7] {
            let mut taken = 0;
            let done = ordered(
                workers,
                1_000,
                1,
                |_, item, emit| {
                    if item == 10 {
                        return Err(item);
                    }
                    emit(item);
                    Ok(())
                },
                |_| {
                    taken += 1;
                    Ok(())
                },
            );
            assert_eq!(done, Err(10));
            assert!(taken <= 10, "{taken} results taken before the error");
        }
    }

    #[test]
    fn work_that_is_cancelled_does_not_hide_the_error_behind_it() {
        for _ in 0..50 {
            let done = ordered(
                2,
                2,
                1_000_000,
                |_, item, emit| match item {
                    0 => {
                        while emit(()) {}
                        Err("cancelled")
                    }
                    _ => Err("real"),
                },
                |()| Ok(()),
            );
            assert_eq!(done, Err("real"));
        }
    }

    #[test]
    fn an_error_of_the_taker_stops_workers_that_wait() {
        let done = ordered(
            4,
            1_000,
            1,
            |_, item, emit| {
                while emit(item) {}
                Ok(())
            },
            |item| if item == 0 { Err("enough") } else { Ok(()) },
        );
        assert_eq!(done, Err("enough"));
    }

    #[test]
    fn no_more_results_exist_than_are_promised() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        struct Counted<'a>(&'a AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        for (workers, ahead) in [(1, 1), (2, 1), (4, 3)] {
            let (alive, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let done: Result<(), ()> = ordered(
                workers,
                300,
                ahead,
                |_, _, emit| {
                    most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    emit(Counted(&alive));
                    Ok(())
                },
                |_| {
                    std::thread::yield_now();
                    Ok(())
                },
            );
            assert_eq!(done, Ok(()));
            let most = most.load(Ordering::SeqCst);
            assert!(most <= (workers + 1) * (ahead + 1), "{most} results with {workers} workers, {ahead} ahead");
        }
    }

    #[test]
    fn nothing_to_do_is_done() {
        let done: Result<(), ()> = ordered(4, 0, 1, |_, _, _: &mut super::Emit<'_, ()>| Ok(()), |()| Ok(()));
        assert_eq!(done, Ok(()));
    }
}
