//! A tree as rows: the walk is cut into parts of about equal work, each part is read by one thread. A file that is longer than
//! a part is opened once and read by several.

use super::entry::{Entry, Kind, State};
use super::error::FilesError;
use super::name::shown;
use super::owners::Owners;
use super::rows::{PIECE_BYTES_MAX, Row, Rows};
use super::walk::{Met, Source, Walk};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{SeekFrom, fstat, seek};
use rustix::io::{Errno, pread};
use std::sync::Arc;

/// Pieces of full length in a part.
const PART_PIECES: u64 = 2;
/// Entries at which a part is cut.
const PART_ENTRIES: usize = 2_048;
/// Files with several names at which a part is cut: these are held open, and some threads have a part each.
const PART_HELD: usize = 64;
/// Holes of shorter files are read as zeros.
const SPARSE_MIN: u64 = 64 << 10;

/// What one thread reads in one go.
#[derive(Debug, Default)]
pub struct Part {
    jobs: Vec<Job>,
    /// What the walk had to say meanwhile.
    tally: Tally,
}

#[derive(Debug)]
enum Job {
    /// An entry, whole.
    Whole(Entry),
    /// A file with several names that is open: other entries name this one as the first.
    Held(Open),
    /// Some pieces of a file that is open.
    Pieces(Arc<Open>, Vec<Cut>),
}

/// A file that is open.
#[derive(Debug)]
struct Open {
    entry: Entry,
    file: OwnedFd,
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    number: u64,
    offset: u64,
    bytes: u32,
    last: bool,
}

/// What was read, what was not and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files, further names not counted.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Further names of files.
    pub other_names: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
    /// The worst state of any file.
    pub state: State,
    /// What is no file, folder or link: path and what it is.
    pub left_out: Noted,
    /// What could not be read, or not as it was: path and what happened.
    pub troubles: Noted,
}

/// Paths with a word each; only the first are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// How many there are.
    pub count: u64,
    /// The first of them: the path, fit to be printed, and the word.
    pub first: Vec<(String, String)>,
}

/// How many paths are kept by name.
pub const NOTED_MAX: usize = 1_000;

impl Noted {
    /// One more.
    pub fn add(&mut self, path: String, what: impl Into<String>) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < NOTED_MAX {
            self.first.push((path, what.into()));
        }
    }

    fn append(&mut self, other: Noted) {
        self.count = self.count.saturating_add(other.count);
        let room = NOTED_MAX.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }
}

impl Tally {
    /// Adds what another thread read.
    pub fn add(&mut self, other: Tally) {
        self.files = self.files.saturating_add(other.files);
        self.folders = self.folders.saturating_add(other.folders);
        self.links = self.links.saturating_add(other.links);
        self.other_names = self.other_names.saturating_add(other.other_names);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.state = self.state.max(other.state);
        self.left_out.append(other.left_out);
        self.troubles.append(other.troubles);
    }

    fn trouble(&mut self, error: &FilesError) {
        self.troubles.add(error.place.clone(), format!("cannot {} it: {}", error.op, error.kind));
    }
}

/// The parts of a tree, in order. Opens files that are read in several parts; few are open at a time.
pub struct Parts {
    walk: Walk,
    source: Source,
    big: Option<Cutting>,
    piece: u64,
    done: bool,
}

impl Parts {
    /// Cuts a walk. `piece`: most bytes of a piece; at most [`PIECE_BYTES_MAX`] are taken.
    #[must_use]
    pub fn new(source: &Source, walk: Walk, piece: usize) -> Parts {
        let piece = piece.clamp(1, PIECE_BYTES_MAX) as u64;
        Parts { walk, source: source.clone(), big: None, piece, done: false }
    }

    /// Entries that the filter left out so far.
    #[must_use]
    pub const fn filtered(&self) -> u64 {
        self.walk.filtered
    }

    /// The next part; `None` after the last.
    pub fn step(&mut self) -> Option<Part> {
        if self.done {
            return None;
        }
        let (mut part, mut bytes, mut held) = (Part::default(), 0u64, 0);
        let room = self.piece.saturating_mul(PART_PIECES);
        while bytes < room && part.jobs.len() < PART_ENTRIES && held < PART_HELD {
            if let Some(big) = &mut self.big {
                let cuts = big.take(room.saturating_sub(bytes));
                bytes = cuts.iter().fold(bytes, |sum, cut| sum.saturating_add(u64::from(cut.bytes).max(1)));
                let ended = cuts.last().is_some_and(|cut| cut.last);
                part.jobs.push(Job::Pieces(Arc::clone(&big.open), cuts));
                if ended {
                    self.big = None;
                }
                continue;
            }
            let Some(met) = self.walk.step() else {
                self.done = true;
                break;
            };
            match met {
                Met::Trouble(error) => part.tally.trouble(&error),
                Met::LeftOut(path, what) => part.tally.left_out.add(shown(&path), what),
                Met::Entry(entry) if entry.several || self.is_big(&entry) => match self.open(entry) {
                    Ok(open) if self.is_big(&open.entry) => self.big = Some(Cutting::new(open, self.piece)),
                    Ok(open) => {
                        bytes = bytes.saturating_add(open.entry.size);
                        held = held.saturating_add(1);
                        part.jobs.push(Job::Held(open));
                    }
                    Err(error) => part.tally.trouble(&error),
                },
                Met::Entry(entry) => {
                    bytes = bytes.saturating_add(entry.size);
                    part.jobs.push(Job::Whole(entry));
                }
            }
        }
        Some(part)
    }

    /// Opens a file that entries to come may name. If it cannot be opened, or is another one by now, none will.
    fn open(&mut self, entry: Entry) -> Result<Open, FilesError> {
        let opened = self.source.file(&entry.path);
        let same = opened
            .as_ref()
            .is_ok_and(|file| fstat(file).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == entry.identity));
        if !same {
            self.walk.forget(&entry);
        }
        Ok(Open { file: opened?, entry })
    }

    fn is_big(&self, entry: &Entry) -> bool {
        entry.kind == Kind::File && (entry.size > self.piece.saturating_mul(PART_PIECES) || is_sparse(entry))
    }
}

fn is_sparse(entry: &Entry) -> bool {
    entry.size >= SPARSE_MIN && entry.allocated < entry.size
}

/// A file that is being cut into pieces, holes left out.
struct Cutting {
    open: Arc<Open>,
    piece: u64,
    sparse: bool,
    /// Where the data at hand go on, and where they end.
    at: u64,
    stop: u64,
    number: u64,
    /// The piece that comes next; `None` when there is none.
    next: Option<Cut>,
}

impl Cutting {
    fn new(open: Open, piece: u64) -> Cutting {
        let sparse = is_sparse(&open.entry);
        let stop = if sparse { 0 } else { open.entry.size };
        let mut cutting = Cutting { open: Arc::new(open), piece, sparse, at: 0, stop, number: 0, next: None };
        cutting.next = cutting.cut();
        cutting
    }

    /// At least one piece, and more until so many bytes are reached.
    fn take(&mut self, bytes: u64) -> Vec<Cut> {
        let (mut cuts, mut taken) = (Vec::new(), 0u64);
        while let Some(mut cut) = self.next.take() {
            self.next = self.cut();
            cut.last = self.next.is_none();
            taken = taken.saturating_add(u64::from(cut.bytes));
            cuts.push(cut);
            if taken >= bytes || cuts.len() >= PART_ENTRIES {
                break;
            }
        }
        if cuts.is_empty() {
            // Nothing but a hole: one piece without bytes tells the size.
            cuts.push(Cut { number: 0, offset: 0, bytes: 0, last: true });
        }
        cuts
    }

    fn cut(&mut self) -> Option<Cut> {
        if self.at >= self.stop {
            if !self.sparse {
                return None;
            }
            (self.at, self.stop) = data(self.open.file.as_fd(), self.stop, self.open.entry.size)?;
        }
        let bytes = self.piece.min(self.stop.saturating_sub(self.at));
        let cut = Cut { number: self.number, offset: self.at, bytes: bytes as u32, last: false };
        self.at = self.at.saturating_add(bytes);
        self.number = self.number.saturating_add(1);
        Some(cut)
    }
}

/// Where the next data of a sparse file begin and end, from an offset on; `None` if only a hole follows. Where the file system
/// cannot tell, all is data.
fn data(file: BorrowedFd<'_>, from: u64, size: u64) -> Option<(u64, u64)> {
    if from >= size {
        return None;
    }
    let start = match seek(file, SeekFrom::Data(from)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return None,
        Err(_) => return Some((from, size)),
    };
    let stop = seek(file, SeekFrom::Hole(start)).unwrap_or(size).min(size);
    (start < stop).then_some((start, stop))
}

/// Reads parts; each thread has one of its own.
pub struct Reader<'a> {
    source: Source,
    owners: &'a Owners,
    piece: usize,
}

impl<'a> Reader<'a> {
    /// A reader for parts that were cut with the same greatest piece.
    #[must_use]
    pub fn new(source: &Source, owners: &'a Owners, piece: usize) -> Reader<'a> {
        Reader { source: source.clone(), owners, piece: piece.clamp(1, PIECE_BYTES_MAX) }
    }

    /// The rows of a part. What cannot be read has no row, or rows that say so; [`Tally::troubles`] names it.
    pub fn read(&mut self, part: Part) -> (Rows, Tally) {
        let (mut rows, mut tally) = (Rows::default(), part.tally);
        for job in part.jobs {
            match job {
                Job::Whole(entry) if entry.kind == Kind::File => match self.source.file(&entry.path) {
                    Ok(file) => self.file(&entry, file.as_fd(), &mut rows, &mut tally),
                    Err(error) => tally.trouble(&error),
                },
                Job::Held(open) => self.file(&open.entry, open.file.as_fd(), &mut rows, &mut tally),
                Job::Whole(entry) => {
                    let counter = match entry.kind {
                        Kind::Folder => &mut tally.folders,
                        Kind::Link => &mut tally.links,
                        _ => &mut tally.other_names,
                    };
                    *counter = counter.saturating_add(1);
                    rows.push(&self.about(&entry));
                }
                Job::Pieces(open, cuts) => self.pieces(&open, &cuts, &mut rows, &mut tally),
            }
        }
        (rows, tally)
    }

    fn about<'b>(&'b self, entry: &'b Entry) -> Row<'b> {
        Row::about(entry, self.owners.user(entry.meta.uid), self.owners.group(entry.meta.gid))
    }

    /// A file that fits the part.
    fn file(&self, entry: &Entry, file: BorrowedFd<'_>, rows: &mut Rows, tally: &mut Tally) {
        let first = rows.len();
        let (mut size, mut state, mut number) = (0u64, State::Sound, 0u64);
        loop {
            let wanted = entry.size.saturating_sub(size).min(self.piece as u64) as usize;
            let offset = size;
            let had = match rows.content(wanted, |room| fill(file, offset, room)) {
                Ok(had) => had,
                Err(error) => {
                    state = State::Unread;
                    tally
                        .troubles
                        .add(shown(&entry.path), format!("only {size} of {} bytes can be read: {error}", entry.size));
                    0
                }
            };
            size = size.saturating_add(had as u64);
            let last = had < wanted || size >= entry.size;
            rows.push(&Row { piece: number, last, offset, ..self.about(entry) });
            if last {
                break;
            }
            number = number.saturating_add(1);
        }
        if state == State::Sound {
            state = changed(entry, file, size, tally);
        }
        rows.settle(first, size, state);
        tally.count(size, state);
    }

    /// Some pieces of a file that is read in several parts.
    fn pieces(&self, open: &Open, cuts: &[Cut], rows: &mut Rows, tally: &mut Tally) {
        let entry = &open.entry;
        for cut in cuts {
            let file = open.file.as_fd();
            let (mut size, mut state) = (entry.size, State::Sound);
            match rows.content(cut.bytes as usize, |room| fill(file, cut.offset, room)) {
                Ok(had) if had == cut.bytes as usize => {}
                // The file is shorter by now: what is left of it is told by its last piece.
                Ok(_) => state = State::Changed,
                Err(error) => {
                    state = State::Unread;
                    let what = format!("{} bytes from byte {} cannot be read: {error}", cut.bytes, cut.offset);
                    tally.troubles.add(shown(&entry.path), what);
                }
            }
            if cut.last {
                let now = fstat(file).map_or(entry.size, |stat| u64::try_from(stat.st_size).unwrap_or(0));
                size = size.min(now);
                state = state.max(changed(entry, file, size, tally));
                tally.count(size, state);
            }
            tally.state = tally.state.max(state);
            rows.push(&Row { piece: cut.number, last: cut.last, offset: cut.offset, size, state, ..self.about(entry) });
        }
    }
}

impl Tally {
    fn count(&mut self, size: u64, state: State) {
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        self.state = self.state.max(state);
    }
}

/// Fills as much as the file has from an offset on.
fn fill(file: BorrowedFd<'_>, offset: u64, room: &mut [u8]) -> Result<usize, std::io::Error> {
    let mut had = 0;
    while had < room.len() {
        let at = offset.saturating_add(had as u64);
        match pread(file, room.get_mut(had..).unwrap_or_default(), at) {
            Ok(0) => break,
            Ok(more) => had = had.saturating_add(more),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(had)
}

/// Whether a file is another one than the walk had found, now that `read` bytes of it were read; says so.
fn changed(entry: &Entry, file: BorrowedFd<'_>, read: u64, tally: &mut Tally) -> State {
    let Ok(stat) = fstat(file) else { return State::Sound };
    let now = u64::try_from(stat.st_size).unwrap_or(0);
    let what = if read < entry.size || now < entry.size {
        format!("it shrank from {} to {read} bytes while it was read", entry.size)
    } else if now > entry.size {
        format!("it grew from {} to {now} bytes while it was read; the first {read} are kept", entry.size)
    } else if (stat.st_mtime, i128::from(stat.st_mtime_nsec)) != (entry.meta.mtime, i128::from(entry.meta.nanos)) {
        "it was changed while it was read".to_owned()
    } else if (stat.st_dev, stat.st_ino) != entry.identity {
        "another file took its place while it was read".to_owned()
    } else {
        return State::Sound;
    };
    tally.troubles.add(shown(&entry.path), what);
    State::Changed
}

/// What a walk through a tree counts without reading a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Files, folders, links and further names.
    pub entries: u64,
    /// Files.
    pub files: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
}

/// Counts a tree.
#[must_use]
pub fn count(mut walk: Walk) -> Count {
    let mut count = Count::default();
    while let Some(met) = walk.step() {
        if let Met::Entry(entry) = met {
            count.entries = count.entries.saturating_add(1);
            count.files = count.files.saturating_add(u64::from(entry.kind == Kind::File));
            count.bytes = count.bytes.saturating_add(entry.size);
        }
    }
    count
}

#[cfg(test)]
mod tests;
