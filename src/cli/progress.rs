//! Progress on a terminal: what is being done, rows, bytes, rate and the time left. Nothing where there is no terminal.

use super::interrupt;
use super::output::Output;
use super::render::text::escape;
use crate::base::monitor::{Monitor, Task};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The monitor of the command line. Where work can be stopped it passes on what a signal asked for.
#[derive(Debug)]
pub struct Progress<'a> {
    output: &'a Output,
    target: fn() -> ProgressDrawTarget,
    shown: Mutex<Option<Shown>>,
}

#[derive(Debug)]
struct Shown {
    bar: ProgressBar,
    bytes: u64,
    /// Whether the bar counts bytes, not rows.
    by_bytes: bool,
}

impl<'a> Progress<'a> {
    /// A monitor that draws on standard error if [`Output::shows_progress`].
    #[must_use]
    pub fn new(output: &'a Output) -> Progress<'a> {
        let target = if output.shows_progress() { ProgressDrawTarget::stderr } else { ProgressDrawTarget::hidden };
        Progress { output, target, shown: Mutex::new(None) }
    }

    /// The same for an answer that goes to the terminal as it is made: nothing is drawn there.
    #[must_use]
    pub fn beside_answer(output: &'a Output) -> Progress<'a> {
        Progress { output, target: ProgressDrawTarget::hidden, shown: Mutex::new(None) }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Option<Shown>) -> R) -> R {
        act(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is being done, for people.
#[must_use]
pub const fn task_name(task: Task) -> &'static str {
    match task {
        Task::Backup => "backing up",
        Task::Verify | Task::Check => "verifying",
        Task::Plan => "planning",
        Task::Undo => "keeping what goes",
        Task::Restore => "restoring",
        Task::Proof => "proving",
        Task::Export => "exporting",
    }
}

/// Columns from which all is shown; with fewer only what matters most, so that it stays on one line.
const WIDE: u16 = 80;

fn style(by_bytes: bool, known: bool, narrow: bool) -> ProgressStyle {
    let template = match (by_bytes, known, narrow) {
        (_, true, true) => "{prefix} {percent:>3}% {rate} {eta}",
        (false, false, true) => "{prefix} {human_pos} {rate}",
        (true, false, true) => "{prefix} {bytes} {rate}",
        (false, true, false) => "{prefix} {wide_msg} {human_pos}/{human_len} rows {percent:>3}% {rate} {eta} left",
        (false, false, false) => "{prefix} {wide_msg} {human_pos} rows {rate} {elapsed}",
        (true, true, false) => "{prefix} {wide_msg} {bytes}/{total_bytes} {percent:>3}% {rate} {eta} left",
        (true, false, false) => "{prefix} {wide_msg} {bytes} {rate} {elapsed}",
    };
    let rate = move |state: &ProgressState, out: &mut dyn Write| {
        let each = state.per_sec().max(0.0) as u64;
        let _written = match by_bytes {
            true => write!(out, "{}/s", HumanBytes(each)),
            false => write!(out, "{}/s", HumanCount(each)),
        };
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()).with_key("rate", rate)
}

impl Progress<'_> {
    fn show(&self, task: Task, what: &str, total: u64, by_bytes: bool) {
        interrupt::halt();
        interrupt::begin(task);
        let total = (total > 0).then_some(total);
        let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |size| size.ws_col);
        let narrow = (1..WIDE).contains(&columns);
        let bar = ProgressBar::with_draw_target(total, (self.target)());
        bar.set_style(style(by_bytes, total.is_some(), narrow));
        bar.set_prefix(task_name(task));
        bar.set_message(escape(what).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.with(|shown| {
            if let Some(before) = shown.replace(Shown { bar, bytes: 0, by_bytes }) {
                before.bar.finish_and_clear();
            }
        });
    }
}

impl Monitor for Progress<'_> {
    fn begin(&self, task: Task, what: &str, total_rows: u64) {
        self.show(task, what, total_rows, false);
    }

    fn begin_bytes(&self, task: Task, what: &str, total_bytes: u64) {
        self.show(task, what, total_bytes, true);
    }

    fn advance(&self, _task: Task, rows: u64, bytes: u64) {
        interrupt::halt();
        self.with(|shown| {
            if let Some(shown) = shown {
                shown.bytes = shown.bytes.saturating_add(bytes);
                shown.bar.inc(if shown.by_bytes { bytes } else { rows });
            }
        });
    }

    fn end(&self, _task: Task) {
        interrupt::halt();
        self.with(|shown| {
            if let Some(shown) = shown.take() {
                shown.bar.finish_and_clear();
            }
        });
    }

    fn cancelled(&self) -> bool {
        interrupt::halt();
        interrupt::asked()
    }

    fn notice(&self, text: &str) {
        self.with(|shown| match shown {
            Some(shown) => shown.bar.suspend(|| self.output.notice(text)),
            None => self.output.notice(text),
        });
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.end(Task::Plan);
        interrupt::over();
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::Style;
    use super::super::output::tests::captured;
    use super::*;

    #[test]
    fn nothing_is_drawn_without_a_terminal_and_notices_are_said() {
        let (output, out, err) = captured(Style::default());
        let progress = Progress::new(&output);
        progress.begin(Task::Backup, "hsplit", 10);
        progress.advance(Task::Backup, 5, 100);
        progress.notice("left out: /cms/db");
        progress.end(Task::Backup);
        assert_eq!((out.text().as_str(), err.text().as_str()), ("", "left out: /cms/db\n"));
    }

    #[test]
    fn rows_and_bytes_add_up() {
        let (output, ..) = captured(Style::default());
        let progress = Progress::new(&output);
        progress.begin(Task::Restore, "hagent\u{1b}", 10);
        progress.advance(Task::Restore, 4, 100);
        progress.advance(Task::Restore, 3, 50);
        progress.with(|shown| {
            let shown = shown.as_ref().unwrap();
            assert_eq!((shown.bar.position(), shown.bar.length(), shown.bytes), (7, Some(10), 150));
            assert_eq!((shown.bar.prefix().as_str(), shown.bar.message().as_str()), ("restoring", "hagent\\u{1b}"));
        });
        progress.begin(Task::Proof, "hagent", 0);
        progress.with(|shown| assert_eq!(shown.as_ref().unwrap().bar.length(), None));
        progress.begin_bytes(Task::Check, "reading", 1_000);
        progress.advance(Task::Check, 7, 400);
        progress.with(|shown| assert_eq!(shown.as_ref().unwrap().bar.position(), 400));
        progress.end(Task::Proof);
        progress.with(|shown| assert!(shown.is_none()));
    }
}
