//! Ctrl-C, the polite request to end, and the end of the terminal. Where work can stop at a place where all is consistent,
//! the first one asks for that; any other ends the process as the signal would have ended it, with a word on what is left
//! behind, so that the shell that started it learns the truth. Knows no command: each says for itself what it leaves behind,
//! and what is still to be done before the process ends ([`at_end`]).

use crate::base::monitor::Task;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a command leaves behind when it is ended at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Before it has changed anything that lasts.
    pub before: &'static str,
    /// From the moment when `changes` begins.
    pub after: &'static str,
    /// The task that changes what lasts, if there is one.
    pub changes: Option<Task>,
}

impl Left {
    /// The same words from beginning to end.
    #[must_use]
    pub const fn always(words: &'static str) -> Left {
        Left { before: words, after: words, changes: None }
    }
}

/// What a signal finds.
#[derive(Debug, Clone, Copy)]
struct Now {
    left: Left,
    /// Whether what lasts is being changed, or has been.
    changed: bool,
    /// Whether the work under way asks [`asked`] and stops by itself.
    stops: bool,
    /// Whether that work was asked already.
    told: bool,
}

/// What a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The work is asked to stop.
    Ask,
    /// The process ends, with these words.
    End(&'static str),
}

impl Now {
    const fn new(left: Left) -> Now {
        Now { left, changed: false, stops: false, told: false }
    }

    fn begin(&mut self, task: Task) {
        self.changed |= self.left.changes == Some(task);
        self.stops = matches!(task, Task::Backup | Task::Restore | Task::Undo | Task::Check);
    }

    /// The answer to a signal: work that stops by itself is asked once.
    const fn answer(&mut self) -> Answer {
        if self.stops && !self.told {
            self.told = true;
            return Answer::Ask;
        }
        Answer::End(if self.changed { self.left.after } else { self.left.before })
    }
}

static NOW: Mutex<Now> = Mutex::new(Now::new(Left::always("nothing was changed")));
/// The signal that asked this process to end; 0 if none has.
static ASKED: AtomicI32 = AtomicI32::new(0);
/// Whether a signal is ending this process: from then on nothing but its last words is done.
static ENDING: AtomicBool = AtomicBool::new(false);
static LAST: Mutex<Option<LastWords>> = Mutex::new(None);

/// What is to be done before a signal ends the process.
type LastWords = Box<dyn FnOnce() + Send>;

/// Says that something is still to be done: see [`at_end`].
#[must_use = "what is armed for a signal is to be done by somebody"]
#[derive(Debug)]
pub struct AtEnd(());

/// From now on a signal that ends this process does this first. Whoever armed it takes it back with [`AtEnd::here`] or
/// [`AtEnd::off`]. There is one such thing at a time.
pub fn at_end(act: impl FnOnce() + Send + 'static) -> AtEnd {
    last(|last| *last = Some(Box::new(act)));
    AtEnd(())
}

impl AtEnd {
    /// The work has come to its end, and what was armed is done by who calls this. A signal that comes meanwhile ends the
    /// process when that is over (see [`end_as_asked`]), a second one at once. If a signal is at it already, this does not
    /// return: the process ends.
    pub fn here(self) {
        if last(Option::take).is_none() {
            stand_still();
        }
        now(|now| (now.stops, now.told) = (true, false));
    }

    /// What was armed is not needed any more. If a signal is at it already, this does not return: the process ends.
    pub fn off(self) {
        if last(Option::take).is_none() {
            stand_still();
        }
    }
}

fn last<R>(look: impl FnOnce(&mut Option<LastWords>) -> R) -> R {
    look(&mut LAST.lock().unwrap_or_else(PoisonError::into_inner))
}

fn now<R>(look: impl FnOnce(&mut Now) -> R) -> R {
    look(&mut NOW.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether this process was asked to stop.
#[must_use]
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed) != 0
}

/// Ends this process by the signal that asked it to stop, so that whoever started it learns that; returns if none has.
pub fn end_as_asked() {
    let signal = ASKED.load(Ordering::Relaxed);
    if signal != 0 {
        let _ended = emulate_default_handler(signal);
    }
}

/// Some work begins: whether it stops by itself when asked, and what is left behind from now on.
pub fn begin(task: Task) {
    now(|now| now.begin(task));
}

/// The work is over: nothing asks [`asked`] any more.
pub fn over() {
    now(|now| now.stops = false);
}

/// Does not return once a signal is ending the process: what was told of it is not made untrue behind its back.
pub fn halt() {
    if ENDING.load(Ordering::SeqCst) {
        stand_still();
    }
}

fn stand_still() -> ! {
    loop {
        std::thread::park();
    }
}

/// Does something that ends by itself, at the end of which the first signal is heeded by who asks [`asked`].
pub fn heeded<R>(work: impl FnOnce() -> R) -> R {
    let stops = now(|now| std::mem::replace(&mut now.stops, true));
    let done = work();
    now(|now| now.stops = stops);
    done
}

/// Waits for a person: nothing asks [`asked`] meanwhile, so that a signal ends the process.
pub fn waiting<R>(wait: impl FnOnce() -> R) -> R {
    let stops = now(|now| std::mem::replace(&mut now.stops, false));
    let done = wait();
    now(|now| now.stops = stops);
    done
}

/// From now on answers signals to this process. A signal that the process was started to ignore, as a shell does for work
/// in the background, stays ignored. Where no handler can be set, the signal just ends the process.
pub fn explain(left: Left) {
    now(|now| *now = Now::new(left));
    // A file that grows beyond what the system allows this process is an error of who writes it, and no end of the process. What
    // runs in its name (hooks) is ended by it all the same.
    let _met = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let ignored = ignored();
    let heard = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let Ok(mut signals) = Signals::new(heard) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // Nothing can be done about a terminal that is gone.
            let answer = now(Now::answer);
            ASKED.store(signal, Ordering::Relaxed);
            match answer {
                Answer::Ask => {
                    let word = "stopping at the next place where all is consistent; once more (Ctrl-C) ends at once";
                    let _said = writeln!(std::io::stderr(), "\n{word}");
                }
                Answer::End(left) => {
                    ENDING.store(true, Ordering::SeqCst);
                    let _said = writeln!(std::io::stderr(), "\ninterrupted: {left}");
                    if let Some(act) = last(Option::take) {
                        act();
                    }
                    let _ended = emulate_default_handler(signal);
                }
            }
        }
    });
}

/// The signals that this process ignores, the lowest bit for signal 1; none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_a_person_stops_by_no_asking() {
        begin(Task::Backup);
        let stops = || now(|now| now.stops);
        assert!(stops() && !waiting(stops) && stops());
        over();
        assert!(!stops() && heeded(stops) && !stops());
    }

    #[test]
    fn the_first_signal_asks_where_work_can_stop_and_the_second_ends() {
        let left = Left { before: "as it was", after: "to be resumed", changes: Some(Task::Restore) };
        let mut now = Now::new(left);
        assert_eq!(now.answer(), Answer::End("as it was"));
        now.begin(Task::Plan);
        assert_eq!(now.answer(), Answer::End("as it was"));
        now.begin(Task::Undo);
        assert_eq!((now.answer(), now.answer()), (Answer::Ask, Answer::End("as it was")));
        now.begin(Task::Restore);
        assert_eq!(now.answer(), Answer::End("to be resumed"), "it was asked before");
        now.told = false;
        assert_eq!((now.answer(), now.answer()), (Answer::Ask, Answer::End("to be resumed")));
        (now.stops, now.told) = (false, false);
        assert_eq!(now.answer(), Answer::End("to be resumed"));
    }
}
