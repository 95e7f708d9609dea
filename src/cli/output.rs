//! Where a command writes: data to standard output, everything else to standard error. A reader that goes away (`| head`)
//! ends the output, never the work.

use super::exit::Exit;
use super::failure::Failure;
use super::render::json;
#[cfg(doc)]
use super::render::streamed::Streamed;
use super::render::text::{escape, wrap};
use crate::device::error::DeviceErrorKind;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nothing is broken into shorter lines than of so many characters.
const NARROW: usize = 30;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal that is not dumb, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a command is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// One JSON object on standard output instead of text.
    pub json: bool,
    /// No notices, no progress.
    pub quiet: bool,
    /// No progress.
    pub no_progress: bool,
    /// Colours.
    pub color: Color,
    /// Standard output carries volumes: the answer goes to standard error.
    pub aside: bool,
}

/// The streams of a command.
pub struct Output {
    style: Style,
    color: bool,
    terminal: bool,
    screen: Screen,
    out: Mutex<Stream>,
    err: Mutex<Stream>,
    /// Where a person sees what is asked.
    seen: Mutex<Stream>,
}

/// What standard output is, where it is a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Screen {
    /// Characters in a line, where that is known.
    width: Option<usize>,
    /// Whether colours are used there.
    color: bool,
}

impl Screen {
    fn of_process(color: Color, plain: bool) -> Screen {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        let size = terminal.then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
        let color = match color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Screen { width: size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0), color }
    }
}

struct Stream {
    to: Box<dyn Write + Send>,
    closed: bool,
    failed: Option<std::io::Error>,
}

impl Stream {
    fn new(to: Box<dyn Write + Send>) -> Mutex<Stream> {
        Mutex::new(Stream { to, closed: false, failed: None })
    }

    fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        let written = self.to.write_all(text.as_bytes());
        self.keep(written);
    }

    fn flush(&mut self) {
        if !self.closed {
            let flushed = self.to.flush();
            self.keep(flushed);
        }
    }

    fn keep(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            self.closed = true;
            if error.kind() != ErrorKind::BrokenPipe {
                self.failed = Some(error);
            }
        }
    }
}

/// Where a person sees what is asked.
fn seen() -> Box<dyn Write + Send> {
    if std::io::stderr().is_terminal() {
        return Box::new(std::io::stderr());
    }
    if std::io::stdout().is_terminal() {
        return Box::new(std::io::stdout());
    }
    match std::fs::File::options().write(true).open("/dev/tty") {
        Ok(terminal) => Box::new(terminal),
        Err(_) => Box::new(std::io::stderr()),
    }
}

impl Output {
    /// The streams of this process.
    #[must_use]
    pub fn of_process(style: Style) -> Output {
        let terminal = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match style.color {
            Color::Auto => terminal && !dumb && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Output {
            style,
            color,
            terminal: terminal && !dumb,
            screen: Screen::of_process(style.color, dumb || plain),
            out: match style.aside {
                true => Stream::new(Box::new(std::io::BufWriter::new(std::io::stderr()))),
                false => Stream::new(Box::new(std::io::BufWriter::new(std::io::stdout()))),
            },
            err: Stream::new(Box::new(std::io::stderr())),
            seen: Stream::new(seen()),
        }
    }

    /// Streams of one's own; no terminal, no colours. What is asked goes nowhere.
    #[must_use]
    pub fn to(style: Style, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Output {
        let seen = Stream::new(Box::new(std::io::sink()));
        Output {
            style,
            color: false,
            terminal: false,
            screen: Screen::default(),
            out: Stream::new(out),
            err: Stream::new(err),
            seen,
        }
    }

    /// The same; what is asked goes to `seen`.
    #[must_use]
    pub fn asking(self, seen: Box<dyn Write + Send>) -> Output {
        Output { seen: Stream::new(seen), ..self }
    }

    /// Whether JSON is wanted: then there is one object, from [`Output::object`] or as it comes from [`Streamed`], and no line.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.style.json
    }

    /// Whether progress can be shown: standard error is a terminal, and nobody forbade it.
    #[must_use]
    pub const fn shows_progress(&self) -> bool {
        self.terminal && !self.style.quiet && !self.style.no_progress
    }

    /// Characters in a line of the terminal that the answer goes to; none if it goes elsewhere, or if that is not known.
    #[must_use]
    pub const fn width(&self) -> Option<usize> {
        self.screen.width
    }

    /// Whether the answer may have colours.
    #[must_use]
    pub const fn paints(&self) -> bool {
        self.screen.color
    }

    /// Whether whoever reads the answer went away: a listing can end here.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.out).closed
    }

    /// Some of the answer, as it is.
    pub fn part(&self, text: &str) {
        lock(&self.out).write(text);
    }

    /// The text with its lines broken where they are longer than a line of the terminal.
    #[must_use]
    pub fn wrapped<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.screen.width.filter(|_| !self.style.json) {
            Some(width) => Cow::Owned(wrap(text, width.max(NARROW))),
            None => Cow::Borrowed(text),
        }
    }

    /// A line of the answer, with line breaks of its own kept; broken where it is longer than a line of the terminal. Text from
    /// outside must have been escaped.
    pub fn line(&self, text: &str) {
        let text = self.wrapped(text);
        let mut out = lock(&self.out);
        out.write(&text);
        if !text.ends_with('\n') {
            out.write("\n");
        }
    }

    /// A question to a person, who answers on the same line. It goes where the person is, whatever becomes of the answer: to
    /// standard error or output, whichever is a terminal, else to the terminal of the process.
    pub fn question(&self, text: &str) {
        lock(&self.out).flush();
        let mut seen = lock(&self.seen);
        seen.write(text);
        seen.write(" ");
        seen.flush();
    }

    /// A question of a dialogue, which is all that there is on standard output.
    pub fn ask(&self, text: &str) {
        let mut out = lock(&self.out);
        out.write(text);
        out.write(" ");
        out.flush();
    }

    /// The answer as JSON: one object with its schema's name and version, and the exit status.
    pub fn object(&self, schema: &'static str, exit: Exit, body: &impl Serialize) {
        self.line(&json::document(schema, exit, body));
    }

    /// A word that is neither answer nor error; not said if quiet.
    pub fn notice(&self, text: &str) {
        if !self.style.quiet {
            self.say("", "", text);
        }
    }

    /// Something that a person should look at.
    pub fn warning(&self, text: &str) {
        self.say("warning: ", "\u{1b}[33m", text);
    }

    /// What failed, beside an answer that was given all the same.
    pub fn error(&self, failure: &Failure) {
        self.say("error: ", "\u{1b}[31m", &failure.message);
        if !failure.hint.is_empty() {
            self.say("  try: ", "", &failure.hint);
        }
    }

    /// What failed; with JSON also as the object on standard output.
    pub fn failure(&self, failure: &Failure) {
        self.error(failure);
        if self.style.json {
            self.object("intervault/error", failure.exit, &json::error_body(failure));
        }
    }

    fn say(&self, kind: &str, color: &str, text: &str) {
        // A name may hold a line break: what follows it is no word of ours.
        let text = escape(text.trim_end());
        let line = if self.color && !color.is_empty() {
            format!("{color}{kind}\u{1b}[0m{text}\n")
        } else {
            format!("{kind}{text}\n")
        };
        lock(&self.err).write(&line);
    }

    /// Writes out what is buffered. A standard output that failed (not one that was closed) makes the command fail.
    #[must_use]
    pub fn finish(&self, exit: Exit) -> Exit {
        lock(&self.out).flush();
        let failed = lock(&self.out).failed.take();
        match failed {
            None => exit,
            Some(error) => {
                self.say("error: ", "\u{1b}[31m", &format!("cannot write the answer: {error}"));
                exit.worst(Exit::from(&DeviceErrorKind::from(error)))
            }
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("style", &self.style).finish_non_exhaustive()
    }
}

/// A thread that panicked while writing has left at most half a line.
fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    /// A stream whose bytes can be looked at, and which fails after some of them.
    #[derive(Clone, Default)]
    pub(crate) struct Capture {
        bytes: Arc<Mutex<Vec<u8>>>,
        fails: Option<ErrorKind>,
    }

    impl Capture {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if let Some(kind) = self.fails {
                return Err(kind.into());
            }
            self.bytes.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Output into captures.
    pub(crate) fn captured(style: Style) -> (Output, Capture, Capture) {
        let (out, err) = (Capture::default(), Capture::default());
        (Output::to(style, Box::new(out.clone()), Box::new(err.clone())), out, err)
    }

    #[test]
    fn answers_and_words_go_to_different_streams() {
        let (output, out, err) = captured(Style::default());
        output.line("answer");
        output.notice("word");
        output.warning("a \u{1b}[31mred\u{7} table");
        output.failure(&Failure::usage("no").hint("yes"));
        assert_eq!(out.text(), "answer\n");
        assert_eq!(err.text(), "word\nwarning: a \\u{1b}[31mred\\u{7} table\nerror: no\n  try: yes\n");
        assert_eq!(output.finish(Exit::Warnings), Exit::Warnings);
    }

    #[test]
    fn quiet_keeps_errors_and_warnings() {
        let (output, out, err) = captured(Style { quiet: true, ..Style::default() });
        output.notice("word");
        output.warning("look");
        assert_eq!((out.text().as_str(), err.text().as_str()), ("", "warning: look\n"));
    }

    #[test]
    fn a_failure_is_an_object_too_if_json_is_wanted() {
        let (output, out, _) = captured(Style { json: true, ..Style::default() });
        output.failure(&Failure::new(Exit::Busy, "in use").hint("wait"));
        let object: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(object["schema"], "intervault/error");
        assert_eq!((&object["exit"], &object["status"]), (&6.into(), &"busy".into()));
        assert_eq!((&object["message"], &object["hint"]), (&"in use".into(), &"wait".into()));
    }

    #[test]
    fn a_closed_pipe_is_quiet_and_a_full_disk_is_not() {
        for (kind, exit, said) in
            [(ErrorKind::BrokenPipe, Exit::Done, ""), (ErrorKind::StorageFull, Exit::Full, "cannot")]
        {
            let err = Capture::default();
            let out = Capture { fails: Some(kind), ..Capture::default() };
            let output = Output::to(Style::default(), Box::new(out), Box::new(err.clone()));
            output.line("answer");
            output.line("more");
            assert_eq!(output.finish(Exit::Done), exit);
            assert_eq!(err.text().contains("cannot write the answer"), !said.is_empty(), "{}", err.text());
        }
    }
}
