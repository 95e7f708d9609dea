//! The file of the history: appended under a lock and synced, read within bounds. A line that was cut short by a crash
//! costs that line; whatever else stands in the file is counted and left alone.

use super::entry::{Entry, LINE_BYTES_MAX};
use crate::lock_file::{self, LockFailure, LockFile};
use rustix::fs::OFlags;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the file in its folder.
pub const FILE_NAME: &str = "history.jsonl";
/// Name of what a rebuild has replaced.
pub const OLD_NAME: &str = "history.jsonl.old";
/// Most bytes of the file that are read: the newest. At 600 bytes a line these are ten years of ten runs a day.
pub const READ_BYTES_MAX: u64 = 24 << 20;
/// Bytes at the end of the file in which the last number is looked for first.
const TAIL_BYTES: u64 = 256 << 10;
/// Lines that cannot be read of which the reason is told; all are counted.
const BAD_TOLD_MAX: usize = 10;
/// How long another process is waited for that is appending, which takes it milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// What failed with the history.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} the history {}: {reason}", place.display())]
pub struct HistoryError {
    /// What was tried: `read`, `append to`, …
    pub op: &'static str,
    /// The file.
    pub place: PathBuf,
    /// Why it failed.
    #[source]
    pub reason: io::Error,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Byte of the file at which it begins, from 0.
    pub at: u64,
    /// Why not.
    pub reason: String,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// The lines, by number.
    pub entries: Vec<Entry>,
    /// The first lines that cannot be read.
    pub bad: Vec<BadLine>,
    /// How many cannot be read.
    pub bad_lines: u64,
    /// Whether the last line has no end: its writer was cut off.
    pub torn: bool,
    /// Bytes at the beginning of the file that were not looked at, since the file is very large.
    pub passed_over: u64,
}

impl Reading {
    /// What a person should know of the state of the file; empty if all is well.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.torn {
            words.push("its last line was cut short: whoever wrote it was interrupted".to_owned());
        }
        if let Some(first) = self.bad.first() {
            words.push(format!(
                "lines that cannot be read: {}; the first at byte {}: {}",
                self.bad_lines, first.at, first.reason
            ));
        }
        if self.passed_over > 0 {
            words.push(format!("it is very large: its first {} bytes were not looked at", self.passed_over));
        }
        words
    }
}

/// The history in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    folder: PathBuf,
}

/// Tells others that a run is at work for as long as it is held.
#[derive(Debug)]
pub struct RunLock {
    _file: LockFile,
}

impl Journal {
    /// The history in this folder, which need not be there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Journal {
        Journal { folder: folder.into() }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    fn fail(&self, op: &'static str) -> impl Fn(io::Error) -> HistoryError {
        let place = self.path();
        move |reason| HistoryError { op, place: place.clone(), reason }
    }

    /// Appends a line with the next number, which is put into the entry, and syncs it. The folder is made if it is not
    /// there. A line that was cut short before is ended first, so that it costs itself only.
    ///
    /// # Errors
    /// The file or its folder cannot be made, written or synced; it is none; another process does not let go of it.
    pub fn append(&self, entry: &mut Entry) -> Result<(), HistoryError> {
        self.append_locked(entry).map_err(self.fail("append to"))
    }

    fn append_locked(&self, entry: &mut Entry) -> io::Result<()> {
        let mut file = self.locked()?;
        let len = file.metadata()?.len();
        entry.sequence = last_sequence(&mut file, len)?.saturating_add(1);
        let mut bytes = Vec::new();
        if len > 0 {
            file.seek(SeekFrom::Start(len.saturating_sub(1)))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                bytes.push(b'\n');
            }
        }
        bytes.extend_from_slice(entry.to_line().as_bytes());
        // One write: two processes on a file system without locks still write whole lines.
        file.write_all(&bytes)?;
        file.sync_all()?;
        if len == 0 {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// The file, made if it is not there, and locked against others that append.
    fn locked(&self) -> io::Result<File> {
        let began = Instant::now();
        loop {
            fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.folder)?;
            let file = open(&self.path(), true)?;
            match file.try_lock() {
                // A rebuild may have put another file there since this one was opened.
                Ok(()) if is_at(&file, &self.path()) => return Ok(file),
                Ok(()) => {}
                Err(TryLockError::Error(_)) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
            }
            if began.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process does not let go of it"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Reads it, at most [`READ_BYTES_MAX`] bytes, the newest. A history that is not there is an empty one.
    ///
    /// # Errors
    /// It cannot be read, or is no file.
    pub fn read(&self) -> Result<Reading, HistoryError> {
        let fail = self.fail("read");
        match open(&self.path(), false) {
            Ok(mut file) => {
                let len = file.metadata().map_err(&fail)?.len();
                read_last(&mut file, len, READ_BYTES_MAX).map_err(fail)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reading::default()),
            Err(error) => Err(fail(error)),
        }
    }

    /// Puts these lines in place of all that is there, numbered anew from 1 in this order. What was there is kept beside
    /// it as [`OLD_NAME`], in place of what was kept there before. Others see the one file or the other.
    ///
    /// # Errors
    /// As [`Journal::append`]; then all is as it was.
    pub fn replace(&self, entries: &mut [Entry]) -> Result<(), HistoryError> {
        self.replace_locked(entries).map_err(self.fail("rebuild"))
    }

    fn replace_locked(&self, entries: &mut [Entry]) -> io::Result<()> {
        let mut old = self.locked()?;
        let mut text = String::new();
        for (number, entry) in (1_u64..).zip(entries.iter_mut()) {
            entry.sequence = number;
            text.push_str(&entry.to_line());
        }
        let mut new = tempfile::Builder::new().prefix(".history").tempfile_in(&self.folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        if old.metadata()?.len() > 0 {
            let mut kept = tempfile::Builder::new().prefix(".history").tempfile_in(&self.folder)?;
            old.rewind()?;
            io::copy(&mut old, &mut kept)?;
            kept.as_file().sync_all()?;
            kept.persist(self.folder.join(OLD_NAME))?;
        }
        new.persist(self.path())?;
        File::open(&self.folder)?.sync_all()
    }

    /// Says that a run is at work, until what this returns is dropped or the process ends. The folder is made if it is not
    /// there. `None` where the file system knows no locks: the run then looks interrupted until it ends. What runs that were
    /// cut off have left behind is cleared away.
    ///
    /// # Errors
    /// The lock cannot be taken.
    pub fn at_work(&self, run: &str) -> Result<Option<RunLock>, HistoryError> {
        let prepare = || fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.folder);
        self.clear();
        match LockFile::take(&self.run_lock(run), prepare) {
            Ok(file) => Ok(Some(RunLock { _file: file })),
            Err(LockFailure::Unknown | LockFailure::Busy(_)) => Ok(None),
            Err(LockFailure::Io(reason)) => Err(self.fail("begin a line in")(reason)),
        }
    }

    /// Whether a run is at work.
    #[must_use]
    pub fn is_at_work(&self, run: &str) -> bool {
        is_run(run) && lock_file::is_held(&self.run_lock(run))
    }

    /// Takes the locks away that nobody holds. They are in nobody's way, so nothing is said if that fails.
    fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let run = name.to_str().and_then(|name| name.strip_prefix("run.")?.strip_suffix(".lock"));
            if run.is_some_and(is_run) && !lock_file::is_held(&entry.path()) {
                let _gone = fs::remove_file(entry.path());
            }
        }
    }

    fn run_lock(&self, run: &str) -> PathBuf {
        self.folder.join(format!("run.{run}.lock"))
    }
}

/// Whether a text is the name of a run: what stands in a file must not lead out of the folder.
#[must_use]
pub fn is_run(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Opens the file, to append and read or to read only. A link is followed, a pipe is not waited for.
fn open(path: &Path, write: bool) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).append(write).create(write).mode(0o640).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(here), Ok(there)) => (here.dev(), here.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// The highest number in the file; 0 if it has none. Numbers only grow, so the last lines have it.
fn last_sequence(file: &mut File, len: u64) -> io::Result<u64> {
    for bytes in [TAIL_BYTES, READ_BYTES_MAX] {
        let found = read_last(file, len, bytes)?.entries.iter().map(|entry| entry.sequence).max();
        if let Some(last) = found {
            return Ok(last);
        }
    }
    Ok(0)
}

/// Reads the last bytes of a file.
fn read_last(file: &mut File, len: u64, most: u64) -> io::Result<Reading> {
    let from = len.saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(len.saturating_sub(from)).read_to_end(&mut bytes)?;
    Ok(parse(&bytes, from))
}

/// Lines from bytes, which begin at byte `from` of the file; if that is not its beginning, the first line is taken to be
/// the rest of one.
fn parse(bytes: &[u8], from: u64) -> Reading {
    let mut reading = Reading { passed_over: from, ..Reading::default() };
    let mut at = from;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    if from > 0 {
        let rest = lines.next().map_or(0, <[u8]>::len) as u64;
        at = at.saturating_add(rest);
        reading.passed_over = at;
    }
    for line in lines {
        let whole = line.strip_suffix(b"\n");
        let text = whole.unwrap_or(line);
        match Entry::from_line(text) {
            Ok(entry) => reading.entries.push(entry),
            Err(_) if whole.is_none() => reading.torn = true,
            Err(_) if text.iter().all(u8::is_ascii_whitespace) && text.len() < LINE_BYTES_MAX => {}
            Err(reason) => {
                reading.bad_lines = reading.bad_lines.saturating_add(1);
                if reading.bad.len() < BAD_TOLD_MAX {
                    reading.bad.push(BadLine { at, reason });
                }
            }
        }
        at = at.saturating_add(line.len() as u64);
    }
    reading.entries.sort_by_key(|entry| entry.sequence);
    reading
}

#[cfg(test)]
mod tests {
    use super::super::entry::Kind;
    use super::*;

    fn entry(label: &str) -> Entry {
        Entry { label: Some(label.to_owned()), ..Entry::begun(Kind::Backup, 1, "1970-01-01 00:00:01") }
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let place = tempfile::tempdir().unwrap();
        let journal = Journal::new(place.path().join("state/intervault"));
        (place, journal)
    }

    fn labels(reading: &Reading) -> Vec<(u64, &str)> {
        reading.entries.iter().map(|entry| (entry.sequence, entry.label.as_deref().unwrap())).collect()
    }

    #[test]
    fn lines_are_numbered_as_they_come_and_the_folder_is_made() {
        let (_place, journal) = journal();
        assert_eq!(journal.read().unwrap(), Reading::default());
        for label in ["a", "b", "c"] {
            journal.append(&mut entry(label)).unwrap();
        }
        let reading = journal.read().unwrap();
        assert_eq!(labels(&reading), [(1, "a"), (2, "b"), (3, "c")]);
        assert_eq!(reading.words(), [""; 0]);
        let mode = fs::metadata(journal.path()).unwrap().mode();
        assert_eq!(mode & 0o007, 0, "others may not read it: {mode:o}");
    }

    #[test]
    fn a_line_that_was_cut_short_at_any_byte_costs_itself_only() {
        let (_place, journal) = journal();
        journal.append(&mut entry("a")).unwrap();
        let first = fs::read(journal.path()).unwrap();
        journal.append(&mut entry("b")).unwrap();
        let both = fs::read(journal.path()).unwrap();
        for cut in first.len()..both.len() - 1 {
            fs::write(journal.path(), &both[..cut]).unwrap();
            let reading = journal.read().unwrap();
            assert_eq!(reading.torn, cut > first.len() && cut < both.len() - 1, "cut at {cut}");
            assert_eq!(labels(&reading), [(1, "a")], "cut at {cut}");
            journal.append(&mut entry("c")).unwrap();
            let reading = journal.read().unwrap();
            assert_eq!(labels(&reading), [(1, "a"), (2, "c")], "cut at {cut}");
            assert_eq!((reading.torn, reading.bad_lines), (false, u64::from(cut > first.len())), "cut at {cut}");
        }
        // All of the line but its end: nothing is lost.
        fs::write(journal.path(), &both[..both.len() - 1]).unwrap();
        assert_eq!(labels(&journal.read().unwrap()), [(1, "a"), (2, "b")]);
        journal.append(&mut entry("c")).unwrap();
        assert_eq!(labels(&journal.read().unwrap()), [(1, "a"), (2, "b"), (3, "c")]);
    }

    #[test]
    fn foreign_lines_are_counted_and_left_alone() {
        let (_place, journal) = journal();
        journal.append(&mut entry("a")).unwrap();
        let mut bytes = fs::read(journal.path()).unwrap();
        bytes.extend_from_slice(b"\n\xff\xfe\x00\nnot json\n{\"version\":9}\n");
        fs::write(journal.path(), &bytes).unwrap();
        journal.append(&mut entry("b")).unwrap();
        let reading = journal.read().unwrap();
        assert_eq!(labels(&reading), [(1, "a"), (2, "b")]);
        assert_eq!((reading.bad_lines, reading.bad.len(), reading.torn), (3, 3, false));
        assert!(reading.words()[0].starts_with("lines that cannot be read: 3; the first at byte "), "{reading:?}");
        assert!(fs::read(journal.path()).unwrap().starts_with(&bytes), "nothing is taken out");
    }

    #[test]
    fn the_order_is_that_of_the_numbers_and_they_go_on_after_the_highest() {
        let (_place, journal) = journal();
        journal.append(&mut entry("a")).unwrap();
        let high = Entry { sequence: 90, ..entry("z") };
        let low = Entry { sequence: 7, ..entry("m") };
        let text = high.to_line() + &low.to_line();
        fs::write(journal.path(), text).unwrap();
        journal.append(&mut entry("b")).unwrap();
        assert_eq!(labels(&journal.read().unwrap()), [(7, "m"), (90, "z"), (91, "b")]);
    }

    #[test]
    fn only_the_newest_bytes_of_a_large_file_are_looked_at() {
        let line = entry("a").to_line();
        let text = line.repeat(5);
        let from = text.len() as u64 - 1;
        let reading = parse(&text.as_bytes()[line.len() + 3..], line.len() as u64 + 3);
        assert_eq!((reading.entries.len(), reading.bad_lines), (3, 0));
        assert_eq!(reading.passed_over, 2 * line.len() as u64);
        assert!(reading.words()[0].contains("very large"));
        assert_eq!(parse(&text.as_bytes()[text.len() - 1..], from).entries.len(), 0);
    }

    #[test]
    fn many_processes_lose_no_line_and_give_no_number_twice() {
        let (_place, journal) = journal();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let journal = &journal;
                scope.spawn(move || {
                    for line in 0..10 {
                        journal.append(&mut entry(&format!("{writer}.{line}"))).unwrap();
                    }
                });
            }
        });
        let reading = journal.read().unwrap();
        let numbers: Vec<u64> = reading.entries.iter().map(|entry| entry.sequence).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        assert_eq!((reading.bad_lines, reading.torn), (0, false));
    }

    #[test]
    fn what_is_no_file_is_an_error_and_never_waited_for() {
        let (_place, journal) = journal();
        fs::create_dir_all(journal.path()).unwrap();
        assert!(journal.read().unwrap_err().to_string().contains("cannot read the history "));
        assert!(journal.append(&mut entry("a")).is_err());
        fs::remove_dir(journal.path()).unwrap();
        let pipe = journal.path();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(journal.read().unwrap_err().to_string().contains("no file"));
        assert!(journal.append(&mut entry("a")).is_err());
    }

    #[test]
    fn a_history_that_is_replaced_keeps_what_it_was_beside_it() {
        let (_place, journal) = journal();
        journal.append(&mut entry("a")).unwrap();
        let before = fs::read(journal.path()).unwrap();
        let mut entries = [entry("x"), entry("a")];
        journal.replace(&mut entries).unwrap();
        assert_eq!(labels(&journal.read().unwrap()), [(1, "x"), (2, "a")]);
        let folder = journal.path().parent().unwrap().to_owned();
        assert_eq!(fs::read(folder.join(OLD_NAME)).unwrap(), before);
        journal.append(&mut entry("b")).unwrap();
        assert_eq!(labels(&journal.read().unwrap()), [(1, "x"), (2, "a"), (3, "b")]);
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [FILE_NAME, OLD_NAME]);
    }

    #[test]
    fn a_run_is_at_work_while_it_holds_its_lock() {
        let (_place, journal) = journal();
        let run = "00112233445566ff";
        assert!(!journal.is_at_work(run));
        let lock = journal.at_work(run).unwrap().unwrap();
        assert!(journal.is_at_work(run));
        drop(lock);
        assert!(!journal.is_at_work(run));
        assert!(!journal.is_at_work("../../etc/passwd"));
        let folder = journal.path().parent().unwrap().to_owned();
        let (left, other) = (folder.join("run.ffffffffffffffff.lock"), folder.join("run.notes.lock"));
        fs::write(&left, "").unwrap();
        fs::write(&other, "").unwrap();
        let _lock = journal.at_work(run).unwrap().unwrap();
        assert!(!left.exists() && other.exists(), "what a dead run left is cleared, and nothing else");
    }
}
