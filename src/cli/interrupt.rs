//! Ctrl-C, and the polite request to end: a word on what is left behind, then the process ends as the signal would have
//! ended it, so that the shell that started it learns the truth.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io::Write;

/// From now on says `left` (what is left behind) when this process is interrupted. A signal that the process was started to
/// ignore, as a shell does for work in the background, stays ignored. Where no handler can be set, the signal just ends the
/// process.
pub fn explain(left: &'static str) {
    let ignored = ignored();
    let heard = [SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let Ok(mut signals) = Signals::new(heard) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Nothing can be done about a terminal that is gone.
            let _said = writeln!(std::io::stderr(), "\ninterrupted: {left}");
            let _ended = emulate_default_handler(signal);
        }
    });
}

/// The signals that this process ignores, the lowest bit for signal 1; none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
