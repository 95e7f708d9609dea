//! Independent work on a few items at a time: a bounded pool, and results in the order of the items. For work whose results
//! are too large to keep until all is done there is [`super::ordered`].

use rayon::prelude::*;

/// Does `work(worker, item)` for every item, at most `workers` (at least 1) at a time; `worker` counts from 0 and no two calls
/// that run at the same time have the same. All work has ended when this returns.
///
/// # Errors
/// The error of the lowest item that failed.
///
/// ```
/// use intervault::base::side_by_side::side_by_side;
/// let lengths = side_by_side(2, &["a", "bcd", ""], |_, text| if text.len() < 9 { Ok(text.len()) } else { Err(*text) });
/// assert_eq!(lengths, Ok(vec![1, 3, 0]));
/// assert_eq!(side_by_side(2, &[1, 2, 3], |_, n| if *n < 2 { Ok(*n) } else { Err(*n) }), Err(2));
/// ```
pub fn side_by_side<T: Sync, R: Send, E: Send>(
    workers: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let alone = || items.iter().map(|item| work(0, item)).collect();
    let workers = workers.min(items.len());
    if workers <= 1 {
        return alone();
    }
    // A machine that gives no more threads still does the work.
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(workers).build() else { return alone() };
    let number = || rayon::current_thread_index().unwrap_or(0);
    let results: Vec<Result<R, E>> =
        pool.install(|| items.par_iter().with_max_len(1).map(|item| work(number(), item)).collect());
    results.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::side_by_side;
    use std::sync::Mutex;

    #[test]
    fn results_are_in_order_and_no_worker_is_in_two_places() {
        for workers in [1, 2, 7, 40] {
            let busy: Vec<Mutex<()>> = (0..workers).map(|_| Mutex::new(())).collect();
            let items: Vec<u32> = (0..30).collect();
            let results = side_by_side(workers, &items, |worker, item| {
                let _held = busy[worker].try_lock().map_err(|_| "a worker was given to two items")?;
                std::thread::yield_now();
                Ok::<u32, &str>(item * 2)
            });
            assert_eq!(results, Ok((0..30).map(|item| item * 2).collect()), "{workers} workers");
        }
    }

    #[test]
    fn the_error_of_the_lowest_item_is_returned() {
        let items: Vec<u32> = (0..100).collect();
        let failed = side_by_side(4, &items, |_, item| if *item % 10 == 7 { Err(*item) } else { Ok(()) });
        assert_eq!(failed, Err(7));
        assert_eq!(side_by_side(4, &[] as &[u32], |_, item| Err::<(), u32>(*item)), Ok(vec![]));
    }
}
