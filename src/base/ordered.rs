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

/// As [`ordered`], for items of which nobody knows beforehand how many there are: `next` gives them one by one, and `None`
/// after the last. It is called by the workers, by one at a time. An item is begun only when all but `workers` + 1 of those
/// that were given have been taken whole, so that at most (2 x `workers` + 1) x (`ahead` + 1) results exist.
///
/// # Errors
/// The first error that `take` returned, else that of the earliest item that failed or could not be given. All threads have
/// ended then.
///
/// ```
/// use intervault::base::ordered::ordered_from;
/// let (mut items, mut taken) = (vec![3, 2, 1], Vec::new());
/// let done: Result<(), String> = ordered_from(
///     2,
///     1,
///     || Ok(items.pop()),
///     |_, item, emit| {
///         emit(item * 10);
///         Ok(())
///     },
///     |result| {
///         taken.push(result);
///         Ok(())
///     },
/// );
/// assert_eq!((done, taken), (Ok(()), vec![10, 20, 30]));
/// ```
pub fn ordered_from<I: Send, R: Send, E: Send>(
    workers: usize,
    ahead: usize,
    next: impl FnMut() -> Result<Option<I>, E> + Send,
    work: impl Fn(usize, I, &mut Emit<'_, R>) -> Result<(), E> + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let workers = workers.max(1);
    // The receiving ends of the items' results, in the order of the items.
    let (line, results) = sync_channel::<Receiver<Result<R, E>>>(workers);
    let source = Mutex::new(Some(Source { next, line }));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (source, stop, work) = (&source, &stop, &work);
            scope.spawn(move || {
                while let Some((item, sender)) = draw(source, stop, ahead) {
                    if !one_item(&sender, stop, |emit| work(worker, item, emit)) {
                        return;
                    }
                }
            });
        }
        let result = take_line(results, &mut take);
        stop.store(result.is_err(), Ordering::Relaxed);
        result
    })
}

/// Where items come from, and where their results are announced.
struct Source<N, R, E> {
    next: N,
    line: SyncSender<Receiver<Result<R, E>>>,
}

/// The next item, with where its results go; `None` when there is none, or nobody wants it.
fn draw<I, R, E>(
    source: &Mutex<Option<Source<impl FnMut() -> Result<Option<I>, E>, R, E>>>,
    stop: &AtomicBool,
    ahead: usize,
) -> Option<(I, SyncSender<Result<R, E>>)> {
    // A poisoned lock means that the source panicked, which the scope hands on.
    let mut slot = source.lock().ok()?;
    let open = slot.as_mut().filter(|_| !stop.load(Ordering::Relaxed))?;
    let (sender, receiver) = sync_channel(ahead.max(1));
    let drawn = match (open.next)() {
        Ok(Some(item)) => open.line.send(receiver).is_ok().then_some((item, sender)),
        Ok(None) => None,
        Err(error) => {
            // The channel has room for one, and the taker comes to it after all items before.
            let _told = sender.send(Err(error));
            let _told = open.line.send(receiver);
            None
        }
    };
    if drawn.is_none() {
        *slot = None;
    }
    drawn
}

fn take_line<R, E>(
    results: Receiver<Receiver<Result<R, E>>>,
    take: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    for of_item in results {
        for result in of_item {
            take(result?)?;
        }
    }
    Ok(())
}

/// Does one item; false if the work is cancelled or has failed.
fn one_item<R, E>(
    sender: &SyncSender<Result<R, E>>,
    stop: &AtomicBool,
    work: impl FnOnce(&mut Emit<'_, R>) -> Result<(), E>,
) -> bool {
    let mut cancelled = false;
    // A send fails only when the taker has dropped its receivers: the work is cancelled.
    let done = work(&mut |result| {
        cancelled |= stop.load(Ordering::Relaxed) || sender.send(Ok(result)).is_err();
        !cancelled
    });
    // What work says that was told to stop must not hide the error for which it was.
    if cancelled {
        return false;
    }
    match done {
        Ok(()) => true,
        Err(error) => {
            stop.store(true, Ordering::Relaxed);
            let _cancelled = sender.send(Err(error));
            false
        }
    }
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
        if !one_item(&sender, stop, |emit| work(worker, item, emit)) {
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
    use super::{ordered, ordered_from};

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
    fn items_that_come_one_by_one_are_taken_in_order_and_not_far_ahead() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        for workers in 1..=8 {
            let (given, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let mut seen = Vec::new();
            let done: Result<(), ()> = ordered_from(
                workers,
                2,
                || {
                    let item = given.fetch_add(1, Ordering::SeqCst);
                    Ok((item < 200).then_some(item))
                },
                |_, item, emit| {
                    let before = taken.load(Ordering::SeqCst);
                    assert!(item <= before + 2 * workers + 1, "item {item} begun when {before} were taken");
                    for part in 0..=item % 3 {
                        emit((item, part));
                    }
                    Ok(())
                },
                |(item, part)| {
                    taken.store(item, Ordering::SeqCst);
                    seen.push((item, part));
                    Ok(())
                },
            );
            assert_eq!(done, Ok(()));
            let expected: Vec<_> = (0..200).flat_map(|item| (0..=item % 3).map(move |part| (item, part))).collect();
            assert_eq!(seen, expected, "{workers} workers");
        }
    }

    #[test]
    fn a_source_that_fails_a_worker_that_fails_and_a_taker_that_fails_end_it() {
        for (source, worker, taker, expected) in [(5, 99, 99, "source"), (99, 5, 99, "worker"), (99, 99, 5, "taker")] {
            for workers in [1, 3] {
                let (mut next, mut taken) = (0, 0);
                let done = ordered_from(
                    workers,
                    1,
                    || {
                        next += 1;
                        if next > source { Err("source") } else { Ok(Some(next)) }
                    },
                    |_, item, emit| {
                        if item > worker {
                            return Err("worker");
                        }
                        emit(item);
                        Ok(())
                    },
                    |item| {
                        taken = item;
                        if item > taker { Err("taker") } else { Ok(()) }
                    },
                );
                assert_eq!(done, Err(expected));
                assert!(taken <= 6, "{taken}");
            }
        }
    }

    #[test]
    fn nothing_to_do_is_done() {
        let done: Result<(), ()> = ordered(4, 0, 1, |_, _, _: &mut super::Emit<'_, ()>| Ok(()), |()| Ok(()));
        assert_eq!(done, Ok(()));
    }
}
