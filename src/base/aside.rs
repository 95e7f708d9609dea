//! One thread makes, another one uses, a little behind: for a source that is bound to its thread, such as a transaction.

use std::sync::mpsc::{Receiver, sync_channel};

/// Runs `make` on the calling thread and `take` on another one. What `make` hands over comes to `take` in order; at most
/// `ahead` (at least 1) items wait between them. When `take` ends early, what is still handed over is dropped.
///
/// # Errors
/// What `make` returned. Both have ended then.
///
/// ```
/// use intervault::base::aside::aside;
/// let sum = aside(
///     2,
///     |give| {
///         (1..=10).for_each(give);
///         Ok::<(), String>(())
///     },
///     |numbers| numbers.iter().sum::<i32>(),
/// );
/// assert_eq!(sum, Ok(55));
/// ```
pub fn aside<T: Send, R: Send, E>(
    ahead: usize,
    make: impl FnOnce(&mut dyn FnMut(T)) -> Result<(), E>,
    take: impl FnOnce(Receiver<T>) -> R + Send,
) -> Result<R, E> {
    let (sender, receiver) = sync_channel(ahead.max(1));
    std::thread::scope(|scope| {
        let taker = scope.spawn(move || take(receiver));
        let made = make(&mut |item| {
            // Nobody takes it any more: the taker has its reason.
            let _taken = sender.send(item);
        });
        drop(sender);
        match taker.join() {
            Ok(taken) => made.map(|()| taken),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_maker_ends_both() {
        let result = aside(
            1,
            |give| {
                give(1);
                Err("no more")
            },
            |numbers| numbers.iter().count(),
        );
        assert_eq!(result, Err("no more"));
    }

    #[test]
    fn a_taker_that_has_enough_holds_nobody_up() {
        let make = |give: &mut dyn FnMut(i32)| {
            (0..1_000).for_each(give);
            Ok::<(), ()>(())
        };
        assert_eq!(aside(1, make, |numbers| numbers.iter().next()), Ok(Some(0)));
    }
}
