//! File trees onto the volumes of a set: read and encoded by several threads, written in order by one.

use super::plan::Gap;
use super::report::TableReport;
use super::run::{clip, unless_cancelled};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered_from;
use crate::column::digest::RowHasher;
use crate::column::encode::{EncodeOptions, Encoder, Related};
use crate::error::{Error, ErrorKind};
use crate::files::error::{FilesError, FilesErrorKind};
use crate::files::name::{PATH_BYTES_MAX, placed};
use crate::files::owners::Owners;
use crate::files::pattern::Filter;
use crate::files::read::{Count, Noted, Part, Parts, Reader, Tally, count};
use crate::files::rows::{PIECE_BYTES_MAX, Row, Rows, table};
use crate::files::walk::{Source, Walk};
use crate::format::block::block_len;
use crate::format::record::encode_record;
use crate::schema::clock::RowTimes;
use crate::schema::grain::DataType;
use crate::schema::table::BoundTable;
use crate::section::chunks::{self, Bounds, EncodedChunk, encode_chunks};
use crate::section::pieces::Cutoffs;
use crate::section::table::to_record;
use crate::volume::error::VolumeError;
use crate::volume::set_writer::{ChunkContent, SetWriter};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Threads, at most: each holds some copies of a part of 2 MiB.
const WORKERS_MAX: usize = 8;
/// Results of one part that may wait to be written.
const AHEAD: usize = 1;
/// Room that a row takes beside its piece: paths, and what surrounds them.
const ROW_ROOM: u64 = 3 * PATH_BYTES_MAX as u64;
/// Smallest piece of a file; on volumes that have no room for it nothing can be written.
const PIECE_BYTES_MIN: u64 = 4 << 10;

/// A file tree that is backed up: a folder with all that lies in it, or a single file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTree {
    /// Its path, by which it goes on the volumes; contains a slash, and leads nowhere upwards.
    pub path: String,
    /// The data type that it belongs to.
    pub data_type: DataType,
    /// If there are any: only what these patterns match ([`crate::files::pattern::Patterns`]).
    pub include: Vec<String>,
    /// Never what these match.
    pub exclude: Vec<String>,
}

impl FileTree {
    /// A tree by a path as a person writes it; one without a slash lies in the current folder.
    ///
    /// # Errors
    /// It has no name that a restore could use: it leads upwards, or is too long.
    ///
    /// ```
    /// use intervault::backup::FileTree;
    /// assert_eq!(FileTree::new("/cms/db/ext/")?.path, "/cms/db/ext");
    /// assert_eq!(FileTree::new("data")?.path, "./data");
    /// assert!(FileTree::new("../data").is_err());
    /// # Ok::<(), intervault::error::Error>(())
    /// ```
    pub fn new(path: &str) -> Result<FileTree, Error> {
        let trimmed = path.trim_end_matches('/');
        let named = match (trimmed.is_empty(), path.contains('/')) {
            (true, true) => "/".to_owned(),
            (_, true) if trimmed.contains('/') => trimmed.to_owned(),
            _ => format!("./{trimmed}"),
        };
        if trimmed.is_empty() && !path.contains('/') {
            return Err(ErrorKind::Options("a file tree needs a path".to_owned()).into());
        }
        if placed(&named).is_none() || named.len() > crate::base::limits::NAME_BYTES_MAX as usize {
            let text =
                format!("{path}: give its path without .. and with at most 1024 bytes: it is restored under that name");
            return Err(ErrorKind::Options(text).into());
        }
        Ok(FileTree { path: named, data_type: DataType::Custom, include: Vec::new(), exclude: Vec::new() })
    }

    fn filter(&self) -> Result<Filter, Error> {
        let read = Filter::new(&self.include, &self.exclude);
        read.map_err(|error| ErrorKind::Options(error.to_string()).into())
    }
}

/// A file tree that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTree {
    /// The tree.
    pub tree: FileTree,
    /// What was counted in it.
    pub count: Count,
}

/// Looks at a tree; `None` if it is not there.
///
/// # Errors
/// It may not be read, or a pattern is none.
pub(super) fn plan(tree: &FileTree, skip: &HashSet<(u64, u64)>) -> Result<Option<PlannedTree>, Error> {
    let filter = tree.filter()?;
    let source = match Source::open(Path::new(&tree.path)) {
        Err(FilesError { kind: FilesErrorKind::NotFound, .. }) => return Ok(None),
        source => source?,
    };
    let count = count(Walk::new(source, filter, skip.clone()));
    Ok(Some(PlannedTree { tree: tree.clone(), count }))
}

/// What a backup wrote of a file tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeReport {
    /// The tree.
    pub tree: String,
    /// What was read, what stayed out, what could not be read or changed meanwhile.
    pub tally: Tally,
    /// Entries that patterns left out; what lies in a folder that was left out is not counted.
    pub filtered: u64,
}

/// Parts of a tree, of 2 MiB at most, that are read to say how much room it will take.
const SAMPLED_PARTS: u64 = 64;
/// How many paths of a tree the catalog on the volumes names.
const LISTED_MAX: usize = 100;
/// Most bytes of such names and reasons.
const LISTED_BYTES_MAX: u64 = 1 << 20;

impl TreeReport {
    /// Whether a person should look at it: something could not be read, or not as it was, or nothing of it was kept.
    #[must_use]
    pub const fn warns(&self) -> bool {
        self.tally.troubles.count > 0 || self.is_empty()
    }

    /// Whether not even its root is on the volumes, though the tree was named.
    const fn is_empty(&self) -> bool {
        let Tally { files, folders, links, other_names, .. } = self.tally;
        files == 0 && folders == 0 && links == 0 && other_names == 0
    }

    /// What of the tree is not on the volumes, or not as it was: the first paths by name, then how many more there are.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (noted, warns) in [(&self.tally.left_out, self.is_empty()), (&self.tally.troubles, true)] {
            let Noted { count, first } = noted;
            let name = |path: &str| match path {
                "." => self.tree.clone(),
                path => format!("{}/{path}", self.tree.trim_end_matches('/')),
            };
            let gap = |(path, what): &(String, String)| Gap { name: name(path), reason: what.clone(), warns };
            gaps.extend(first.iter().take(LISTED_MAX).map(gap));
            let more = count.saturating_sub(LISTED_MAX as u64);
            if more > 0 {
                let reason = match warns {
                    true => format!("{more} more could not be read as they were"),
                    false => format!("{more} more are no files, folders or links"),
                };
                gaps.push(Gap { name: self.tree.clone(), reason, warns });
            }
        }
        gaps
    }
}

/// How a tree is written.
pub(super) struct TreeJob<'a> {
    pub(super) planned: &'a PlannedTree,
    pub(super) encode: EncodeOptions,
    pub(super) jobs: usize,
    /// Folders, by device and number, that are not gone into.
    pub(super) skip: &'a HashSet<(u64, u64)>,
}

/// What a thread hands to the one that writes.
enum Made {
    Chunk(EncodedChunk),
    Tally(Box<Tally>),
}

impl TreeJob<'_> {
    /// Writes the tree as a section. `room` gives the most payload bytes of a chunk for a header of so many bytes.
    ///
    /// # Errors
    /// The tree went away, the volumes are too small, the device fails, somebody asked to stop. What cannot be read of the tree
    /// is no error: the report has it.
    pub(super) fn write(
        &self,
        room: impl Fn(usize) -> Option<u64>,
        set: &mut SetWriter<'_>,
        monitor: &dyn Monitor,
    ) -> Result<(TableReport, TreeReport), Error> {
        let tree = &self.planned.tree;
        let table = table(&tree.path, tree.data_type);
        let cutoffs = Cutoffs::default();
        let header = to_record(&table, false, &cutoffs);
        let bounds = Bounds { cutoffs: &cutoffs, room: room(encode_record(&header)?.len()) };
        let piece = piece_bytes(bounds.room);
        set.begin_section(header)?;
        let source = Source::open(Path::new(&tree.path))?;
        let mut parts = Parts::new(&source, Walk::new(source.clone(), tree.filter()?, self.skip.clone()), piece);
        let owners = Owners::of_this_system();
        let workers = self.jobs.clamp(1, WORKERS_MAX);
        let desks: Vec<Mutex<Desk<'_>>> =
            (0..workers).map(|_| Mutex::new(self.desk(&table, Reader::new(&source, &owners, piece)))).collect();
        let mut sink = Sink {
            set,
            waiting: None,
            report: TableReport { table: tree.path.clone(), ..TableReport::default() },
            tally: Tally::default(),
        };
        ordered_from(
            workers,
            AHEAD,
            || Ok::<_, Error>(parts.step()),
            |worker, part, emit| match desks.get(worker).and_then(|desk| desk.lock().ok()) {
                Some(mut desk) => desk.part(part, bounds, emit),
                None => Ok(()),
            },
            |made| sink.take(made, monitor),
        )?;
        // The totals come last, and say that the walk came to its end.
        let Tally { files, bytes, state, .. } = sink.tally;
        let mut last = Rows::default();
        last.push(&Row::totals(files, bytes, state));
        let mut desk = self.desk(&table, Reader::new(&source, &owners, piece));
        let mut made = Vec::new();
        desk.rows(last, bounds, &mut |chunk| {
            made.push(chunk);
            true
        })?;
        made.into_iter().try_for_each(|made| sink.take(made, monitor))?;
        let (report, tally) = sink.finish()?;
        Ok((report, TreeReport { tree: tree.path.clone(), tally, filtered: parts.filtered() }))
    }

    /// Reads and encodes some parts of the tree, spread over it, [`SAMPLED_PARTS`] at most; `take` gets their chunks.
    /// Returns how many parts there are, and how many were read.
    ///
    /// # Errors
    /// As [`TreeJob::write`], but for the volumes and the device.
    pub(super) fn sample(
        &self,
        room: Option<u64>,
        take: &mut dyn FnMut(&EncodedChunk),
        monitor: &dyn Monitor,
    ) -> Result<(u64, u64), Error> {
        let tree = &self.planned.tree;
        let table = table(&tree.path, tree.data_type);
        let (cutoffs, piece) = (Cutoffs::default(), piece_bytes(room));
        let source = Source::open(Path::new(&tree.path))?;
        let filter = tree.filter()?;
        let parts = || Parts::new(&source, Walk::new(source.clone(), filter.clone(), self.skip.clone()), piece);
        // Counted first: how many there are cannot be told from sizes, as holes are none.
        let mut counted = parts();
        let mut there = 0u64;
        while counted.step().is_some() {
            there = there.saturating_add(1);
            unless_cancelled(monitor)?;
        }
        let every = there.div_ceil(SAMPLED_PARTS).max(1);
        let owners = Owners::of_this_system();
        let mut desk = self.desk(&table, Reader::new(&source, &owners, piece));
        let (mut all, mut sampled, mut parts) = (0u64, 0u64, parts());
        while let Some(part) = parts.step() {
            if all.is_multiple_of(every) {
                sampled = sampled.saturating_add(1);
                desk.part(part, Bounds { cutoffs: &cutoffs, room }, &mut |made| {
                    if let Made::Chunk(chunk) = &made {
                        monitor.advance(Task::Backup, u64::from(chunk.rows), 0);
                        take(chunk);
                    }
                    true
                })?;
            }
            all = all.saturating_add(1);
            unless_cancelled(monitor)?;
        }
        Ok((all, sampled))
    }

    /// Bytes of the header of the section.
    pub(super) fn header_bytes(&self) -> Result<usize, Error> {
        let tree = &self.planned.tree;
        Ok(encode_record(&to_record(&table(&tree.path, tree.data_type), false, &Cutoffs::default()))?.len())
    }

    fn desk<'b>(&self, table: &'b BoundTable, reader: Reader<'b>) -> Desk<'b> {
        // No column of a tree is another's equal or neighbour.
        let encode = EncodeOptions { related: Related::Alone, ..self.encode };
        Desk { table, reader, hasher: RowHasher::default(), encoder: Encoder::new(encode) }
    }
}

/// Most bytes of a piece, so that a row of it fits a volume.
fn piece_bytes(room: Option<u64>) -> usize {
    let fits = room.map_or(u64::MAX, |room| room.saturating_sub(ROW_ROOM).max(PIECE_BYTES_MIN));
    fits.min(PIECE_BYTES_MAX as u64) as usize
}

/// What one thread works with.
struct Desk<'a> {
    table: &'a BoundTable,
    reader: Reader<'a>,
    hasher: RowHasher,
    encoder: Encoder,
}

impl Desk<'_> {
    fn part(&mut self, part: Part, bounds: Bounds<'_>, emit: &mut dyn FnMut(Made) -> bool) -> Result<(), Error> {
        let (rows, tally) = self.reader.read(part);
        self.rows(rows, bounds, emit)?;
        emit(Made::Tally(Box::new(tally)));
        Ok(())
    }

    fn rows(&mut self, rows: Rows, bounds: Bounds<'_>, emit: &mut dyn FnMut(Made) -> bool) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let name = &self.table.schema.name;
        let odd = |error| Error::from(ErrorKind::Column { table: name.clone(), error });
        let batch = rows.into_batch();
        let when = RowTimes::new(self.table)?.all(&batch);
        let mut hashes = Vec::with_capacity(batch.rows);
        self.hasher.hash(&batch, &self.table.schema.logical_types(), &mut hashes).map_err(odd)?;
        let rows = chunks::Rows { batch, when: &when, hashes: &hashes };
        let encoded = encode_chunks(rows, bounds, &mut self.encoder, &mut |chunk| emit(Made::Chunk(chunk)));
        encoded.map_err(|error| match error {
            chunks::EncodeError::Column(error) => odd(error),
            chunks::EncodeError::Stopped => ErrorKind::Cancelled.into(),
            other => Error::refused(format!("file tree {name}: {other}"), "begin again with a larger volume size"),
        })
    }
}

/// Takes the chunks in order and writes them, one behind, so that the last one can be marked.
struct Sink<'a, 'd> {
    set: &'a mut SetWriter<'d>,
    waiting: Option<EncodedChunk>,
    report: TableReport,
    tally: Tally,
}

impl Sink<'_, '_> {
    fn take(&mut self, made: Made, monitor: &dyn Monitor) -> Result<(), Error> {
        let chunk = match made {
            Made::Tally(tally) => {
                self.tally.add(*tally);
                return Ok(());
            }
            Made::Chunk(chunk) => chunk,
        };
        let (rows, mut stored) = (u64::from(chunk.rows), 0u64);
        for column in &chunk.columns {
            self.report.decoded_bytes = self.report.decoded_bytes.saturating_add(u64::from(column.decoded));
            stored = stored.saturating_add(column.bytes.len() as u64);
        }
        self.report.rows = self.report.rows.saturating_add(rows);
        self.report.stored_bytes = self.report.stored_bytes.saturating_add(stored);
        if let Some(before) = self.waiting.replace(chunk) {
            self.write(before, 2)?;
        }
        monitor.advance(Task::Backup, rows, stored);
        if monitor.cancelled() { Err(ErrorKind::Cancelled.into()) } else { Ok(()) }
    }

    /// Writes a chunk; `last` marks whether its pieces are the last of their bucket: all rows are in one.
    fn write(&mut self, mut chunk: EncodedChunk, last: u8) -> Result<(), Error> {
        chunk.pieces.entries.iter_mut().for_each(|piece| piece.last = last);
        let (rows, columns, bytes, pieces) = chunk.into_parts();
        let content = ChunkContent { rows, columns, bytes, pieces };
        self.set.chunk(content).map_err(|error| match error {
            VolumeError::CapacityTooSmall { capacity, needed } => Error::refused(
                format!(
                    "file tree {}: a piece needs volumes of {needed} bytes, and they have {capacity}",
                    self.report.table
                ),
                "begin again with a larger volume size",
            ),
            error => error.into(),
        })
    }

    fn finish(mut self) -> Result<(TableReport, Tally), Error> {
        if let Some(last) = self.waiting.take() {
            self.write(last, 1)?;
        }
        let end = self.set.end_section(Vec::new())?;
        self.report.buckets = end.buckets;
        Ok((self.report, self.tally))
    }
}

/// Folders by device and number, as far as they are there.
pub(super) fn identities(folders: &[PathBuf]) -> HashSet<(u64, u64)> {
    let there = folders.iter().flat_map(std::fs::metadata);
    there.map(|folder| (folder.dev(), folder.ino())).collect()
}

/// What the catalog on the volumes says of files that are not on them, as far as there is room: names and reasons.
pub(super) fn listed(trees: &[TreeReport], volume_size: Option<u64>) -> Vec<(String, String)> {
    let room = volume_size.map_or(LISTED_BYTES_MAX, |size| LISTED_BYTES_MAX.min(size / 8));
    let mut taken = 0u64;
    let pairs = trees.iter().flat_map(TreeReport::gaps).map(|gap| (clip(&gap.name), clip(&gap.reason)));
    let fits = |(name, reason): &(String, String)| {
        taken = taken.saturating_add(name.len() as u64).saturating_add(reason.len() as u64).saturating_add(16);
        taken <= room
    };
    pairs.take_while(fits).collect()
}

/// Bytes of a section's header and of a chunk with the smallest piece of a file.
pub(super) fn smallest(tree: &FileTree) -> Result<u64, Error> {
    let header = encode_record(&to_record(&table(&tree.path, tree.data_type), false, &Cutoffs::default()))?.len();
    // Half a volume is what a chunk may take.
    let chunk = PIECE_BYTES_MIN.saturating_add(ROW_ROOM).saturating_mul(2);
    Ok((block_len(header) as u64).saturating_add(chunk))
}
