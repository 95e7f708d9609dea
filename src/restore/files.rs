//! File trees of a set back into a folder. The plan reads and proves every row of the trees, and looks at what is in the way;
//! only then is a file written. Knows no database.

use super::plan::position;
use super::report::cancelled;
use crate::base::monitor::{Monitor, Silent, Task};
use crate::base::ordered::ordered;
use crate::column::batch::Batch;
use crate::column::digest::{Digest, RowHasher};
use crate::error::{Error, ErrorKind};
use crate::files::beneath::Beneath;
use crate::files::entry::{Kind, State};
use crate::files::error::{FilesError, FilesErrorKind};
use crate::files::name::{join, placed, shown, split, within};
use crate::files::order::{Order, Place};
use crate::files::pattern::Patterns;
use crate::files::read::Noted;
use crate::files::rows::Row;
use crate::files::write::{WriteOptions, Writer, Written, conflict};
use crate::format::block::SetId;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::chain::Chain;
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Threads that decode chunks, at most; one thread writes.
const DECODERS_MAX: usize = 3;

/// Which files are restored, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesOptions {
    /// Patterns ([`Patterns`]) over the paths that the files had; those that match, with all that lies below them, are restored.
    /// Without a pattern all is.
    pub choose: Vec<String>,
    /// Whether files that are there already are replaced.
    pub overwrite: bool,
    /// Whether owners are set, for which one must be root as a rule. Without, the bits for set user id and set group id stay
    /// off.
    pub owners: bool,
    /// Whether what is whole is restored where volumes are missing or damaged.
    pub partial: bool,
    /// Threads, at least 1.
    pub jobs: usize,
}

impl Default for FilesOptions {
    fn default() -> FilesOptions {
        FilesOptions { choose: Vec::new(), overwrite: false, owners: false, partial: false, jobs: 1 }
    }
}

/// What a restore of files would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesPlan {
    /// The trees of which something is restored, in the order of the set.
    pub trees: Vec<TreePlan>,
    /// Why it cannot be done as asked: paths with the reason each.
    pub refusals: Noted,
}

/// What would be restored of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreePlan {
    /// The tree, as it was named at the backup.
    pub tree: String,
    /// The set that has it.
    pub set: SetId,
    /// Where it goes below the folder.
    pub place: Vec<u8>,
    /// Files, further names not counted.
    pub files: u64,
    /// Folders, without those that merely lead to what is restored.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// Further names of files.
    pub other_names: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
    /// Files and others that were not chosen.
    pub others: u64,
    /// Files that had changed while they were backed up, or of which not all could be read then.
    pub changed: Noted,
    /// Files of which not all is on the volumes, and parts that cannot be read: these are not restored.
    pub lost: Noted,
    /// Number of the section.
    section: u32,
    /// Files of `lost`, all of them.
    torn: BTreeSet<Vec<u8>>,
    /// Chosen further names by the first name, where that is not chosen itself.
    further: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesReport {
    /// What was written.
    pub written: Written,
}

/// A restore of files ended early. Every file that has its name is whole.
#[derive(Debug)]
pub struct FilesStopped {
    /// Why.
    pub error: Error,
    /// What was done until then.
    pub report: FilesReport,
}

/// A restore of files: from where, into which folder, how.
pub struct FilesRestore<'a> {
    chain: Chain<'a>,
    folder: &'a Path,
    options: FilesOptions,
    monitor: &'a dyn Monitor,
}

/// A tree, with the set that has it.
struct Found<'a> {
    set: &'a SetReader<'a>,
    view: &'a SectionView,
    table: SectionTable,
    place: Vec<u8>,
}

impl<'a> FilesRestore<'a> {
    /// A restore into `folder` that nobody watches. Nothing is read yet. Of a chain each tree comes from its newest member that
    /// has it.
    #[must_use]
    pub fn new(from: impl Into<Chain<'a>>, folder: &'a Path, options: FilesOptions) -> FilesRestore<'a> {
        FilesRestore { chain: from.into(), folder, options, monitor: &Silent }
    }

    /// The same with somebody who is told how far it is and can stop it.
    #[must_use]
    pub fn watched(self, monitor: &'a dyn Monitor) -> FilesRestore<'a> {
        FilesRestore { monitor, ..self }
    }

    /// Says what would be restored: every row of the trees is read and proved, and what is in the way is looked at. Nothing is
    /// changed.
    ///
    /// # Errors
    /// There is no tree, or nothing that was chosen in one; a chunk is missing or damaged ([`FilesOptions::partial`] goes on
    /// without); a tree has names that lead out of the folder, or is none; somebody asked to stop. What merely is in the way is
    /// in [`FilesPlan::refusals`].
    pub fn plan(&self) -> Result<FilesPlan, Error> {
        let patterns = self.patterns()?;
        let found = self.trees()?;
        let mut plan = FilesPlan::default();
        let mut beneath = match Beneath::open(self.folder) {
            Ok(beneath) => Some(beneath),
            Err(FilesError { kind: FilesErrorKind::NotFound, .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let rows = found.iter().map(|tree| tree.view.rows_here()).fold(0, u64::saturating_add);
        self.monitor.begin(Task::Plan, "proving files", rows);
        for tree in &found {
            let chosen = self.tree(tree, &patterns, beneath.as_mut(), &mut plan.refusals)?;
            if chosen.entries() > 0 || chosen.lost.count > 0 {
                plan.trees.push(chosen);
            }
        }
        self.monitor.end(Task::Plan);
        if plan.trees.is_empty() {
            let names: Vec<&str> = found.iter().map(|tree| tree.view.header.table.as_str()).collect();
            return Err(Error::nothing(
                format!("none of the files in {} was chosen", names.join(", ")),
                "a pattern without a slash means a name, one that begins with a slash the whole path",
            ));
        }
        if !self.options.overwrite {
            self.overlaps(&mut plan);
        }
        Ok(plan)
    }

    /// Trees that go into each other would write the same files.
    fn overlaps(&self, plan: &mut FilesPlan) {
        for (at, one) in plan.trees.iter().enumerate() {
            for other in plan.trees.iter().skip(at.saturating_add(1)) {
                if within(&one.place, &other.place) || within(&other.place, &one.place) {
                    let what = format!("it and {} lie in each other", shown(other.tree.as_bytes()));
                    plan.refusals.add(shown(one.tree.as_bytes()), what);
                }
            }
        }
    }

    /// Restores what a plan says. Files get their names when they are whole, folders their permissions and times at the end.
    ///
    /// # Errors
    /// The plan is refused, and nothing is written; the folder cannot be written or is full; something came in the way since the
    /// plan was made; a chunk cannot be read any more; somebody asked to stop.
    pub fn apply(&self, plan: &FilesPlan) -> Result<FilesReport, Box<FilesStopped>> {
        let stopped = |error: Error, written: Option<&Written>| {
            let written = written.cloned().unwrap_or_default();
            Box::new(FilesStopped { error, report: FilesReport { written } })
        };
        if let Some((path, why)) = plan.refusals.first.first() {
            return Err(stopped(Error::refused(format!("{path}: {why}"), "nothing was written"), None));
        }
        let options = WriteOptions { overwrite: self.options.overwrite, owners: self.options.owners };
        let mut writer = Writer::create(self.folder, options).map_err(|error| stopped(error.into(), None))?;
        match self.write(plan, &mut writer) {
            Ok(()) => {
                let so_far = writer.written().clone();
                let finished = writer.finish().map_err(|error| stopped(error.into(), Some(&so_far)));
                finished.map(|written| FilesReport { written })
            }
            Err(error) => {
                let so_far = writer.written().clone();
                // Folders that were begun get their permissions even so; why it ended is told already.
                let written = writer.finish().unwrap_or(so_far);
                Err(stopped(error, Some(&written)))
            }
        }
    }

    fn write(&self, plan: &FilesPlan, writer: &mut Writer) -> Result<(), Error> {
        let patterns = self.patterns()?;
        let found = self.trees()?;
        let rows = found.iter().map(|tree| tree.view.rows_here()).fold(0, u64::saturating_add);
        self.monitor.begin(Task::Restore, "writing files", rows);
        for chosen in &plan.trees {
            let same = |tree: &&Found<'_>| (tree.set.set_id(), tree.view.number) == (chosen.set, chosen.section);
            let Some(tree) = found.iter().find(same) else {
                return Err(Error::refused("the sets are not those of the plan", "plan again"));
            };
            let choice = Choice { patterns: &patterns, root: tree.root() };
            let mut put = Put { tree, chosen, choice, writer: &mut *writer, leading: Vec::new(), filling: None };
            self.read(tree, &mut |batch, at| put.row(&Row::of(batch, at).map_err(|why| tree.odd(why))?), &mut |_| {
                Ok(())
            })?;
        }
        self.monitor.end(Task::Restore);
        Ok(())
    }

    fn patterns(&self) -> Result<Patterns, Error> {
        let patterns = Patterns::new(self.options.choose.iter().map(String::as_str));
        patterns.map_err(|error| ErrorKind::Options(error.to_string()).into())
    }

    /// The trees that there are, each from the newest set that has it.
    fn trees(&self) -> Result<Vec<Found<'_>>, Error> {
        let mut found: Vec<Found<'_>> = Vec::new();
        for set in self.chain.members() {
            for view in set.sections().iter().filter(|view| is_tree(&view.header)) {
                let name = &view.header.table;
                if found.iter().any(|tree| tree.view.header.table == *name) {
                    continue;
                }
                let Some(place) = placed(name) else {
                    return Err(hostile(name, "its name leads out of the folder"));
                };
                let table = SectionTable::new(view.number, &view.header)?;
                found.push(Found { set, view, table, place });
            }
        }
        if found.is_empty() {
            return Err(Error::nothing("no file tree is on these volumes", "tables are restored with --database"));
        }
        Ok(found)
    }

    /// Reads a tree and says what would be restored of it.
    fn tree(
        &self,
        tree: &Found<'_>,
        patterns: &Patterns,
        beneath: Option<&mut Beneath>,
        refusals: &mut Noted,
    ) -> Result<TreePlan, Error> {
        let plan = TreePlan {
            tree: tree.view.header.table.clone(),
            set: tree.set.set_id(),
            place: tree.place.clone(),
            section: tree.view.number,
            ..TreePlan::default()
        };
        let choice = Choice { patterns, root: tree.root() };
        let overwrite = self.options.overwrite;
        let look =
            Look { choice, beneath, overwrite, refusals, plan, order: Order::default(), size: (0, State::Sound) };
        let look = std::cell::RefCell::new(look);
        let whole = self.read(
            tree,
            &mut |batch, at| {
                let row = Row::of(batch, at).map_err(|why| tree.odd(why))?;
                look.borrow_mut().row(&row).map_err(|why| hostile(&tree.view.header.table, &why))
            },
            &mut |reason| {
                if !self.options.partial {
                    return Err(Error::damage(
                        format!("file tree {}: {reason}", shown(tree.view.header.table.as_bytes())),
                        "use another copy of the set; --partial restores the files that are whole",
                    ));
                }
                look.borrow_mut().gap(reason);
                Ok(())
            },
        )?;
        let mut look = look.into_inner();
        if !(whole && look.order.ended()) {
            let reason = "its end is not on the volumes that are here";
            if !self.options.partial {
                return Err(Error::wanted(
                    format!("file tree {}: {reason}", shown(tree.view.header.table.as_bytes())),
                    "bring the missing volumes; --partial restores the files that are whole",
                ));
            }
            look.gap(reason.to_owned());
        }
        Ok(look.plan)
    }

    /// Reads the rows of a tree in order; `lost` is told of chunks that cannot be had, and whether to go on. Gives whether count
    /// and digest of all rows are those of the end mark.
    fn read(
        &self,
        tree: &Found<'_>,
        each: &mut dyn FnMut(&Batch, usize) -> Result<(), Error>,
        lost: &mut dyn FnMut(String) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let chunks = &tree.view.chunks;
        let (mut digest, mut next) = (Digest::default(), 0u64);
        ordered(
            self.options.jobs.clamp(1, DECODERS_MAX),
            chunks.len(),
            1,
            |_, item, emit| {
                if let Some(chunk) = chunks.get(item) {
                    emit((item, decode(tree, chunk)));
                }
                Ok::<(), Error>(())
            },
            |(item, decoded)| {
                let Some(chunk) = chunks.get(item) else { return Ok(()) };
                if chunk.entry.first_row != next {
                    lost(format!("rows {next} to {} are not here", chunk.entry.first_row.saturating_sub(1)))?;
                }
                next = chunk.entry.first_row.saturating_add(u64::from(chunk.entry.rows));
                match decoded {
                    Ok((batch, hashes)) => {
                        digest = digest.plus(Digest::of(&hashes));
                        (0..batch.rows).try_for_each(|at| each(&batch, at))?;
                    }
                    Err(reason) => lost(reason)?,
                }
                self.monitor.advance(Task::Plan, u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes));
                if self.monitor.cancelled() { Err(cancelled()) } else { Ok(()) }
            },
        )?;
        let end = tree.view.end.as_ref();
        Ok(end.is_some_and(|end| (end.rows, end.digest) == (digest.rows, digest.to_bytes())))
    }
}

/// The rows of a chunk, proved, with their hashes; or why they cannot be had.
fn decode(tree: &Found<'_>, chunk: &ChunkRef) -> Result<(Batch, Vec<u128>), String> {
    let payload = tree.set.read_chunk(chunk).map_err(|error| error.to_string())?;
    let rows =
        tree.table.prove(&mut RowHasher::default(), &payload, position(chunk)).map_err(|error| error.to_string())?;
    let (found, listed) = (&rows.directory, &chunk.entry);
    if (found.first_row, found.rows) != (listed.first_row, listed.rows) {
        return Err(format!("{}: the block holds another chunk", position(chunk)));
    }
    Ok((rows.batch, rows.hashes))
}

fn hostile(tree: &str, why: &str) -> Error {
    Error::refused(
        format!("file tree {}: {why}", shown(tree.as_bytes())),
        "this is no tree that a backup wrote; nothing of it is restored",
    )
}

impl Found<'_> {
    /// The path of the tree's root for patterns over whole paths.
    fn root(&self) -> Vec<u8> {
        [b"/", &self.place[..]].concat()
    }

    fn odd(&self, why: &str) -> Error {
        hostile(&self.view.header.table, why)
    }
}

/// Which paths of a tree were chosen.
struct Choice<'a> {
    patterns: &'a Patterns,
    root: Vec<u8>,
}

impl Choice<'_> {
    /// Whether a path, or a folder that it lies in, is matched.
    fn has(&self, path: &[u8]) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        let mut at = path;
        loop {
            if self.patterns.matches(&self.root, at) {
                return true;
            }
            match split(at) {
                Some((folder, _)) => at = folder,
                None => return false,
            }
        }
    }
}

impl TreePlan {
    fn entries(&self) -> u64 {
        [self.folders, self.links, self.other_names].iter().fold(self.files, |sum, more| sum.saturating_add(*more))
    }
}

/// Looks at the rows of a tree, for the plan.
struct Look<'a, 'b> {
    choice: Choice<'a>,
    beneath: Option<&'b mut Beneath>,
    overwrite: bool,
    refusals: &'b mut Noted,
    plan: TreePlan,
    order: Order,
    /// Size and state of the file at hand.
    size: (u64, State),
}

impl Look<'_, '_> {
    fn gap(&mut self, reason: String) {
        self.order.gap();
        self.torn();
        self.plan.lost.add(shown(self.plan.tree.as_bytes()), reason);
    }

    fn torn(&mut self) {
        let Some(path) = self.order.torn() else { return };
        if self.plan.torn.insert(path.clone()) && self.choice.has(&path) {
            self.plan.lost.add(shown(&path), "not all of it is on the volumes");
        }
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), String> {
        let place = self.order.look(row)?;
        self.torn();
        if row.kind == Kind::Totals || place == Place::Lost {
            return Ok(());
        }
        let chosen = self.choice.has(row.path);
        if row.kind == Kind::File {
            let before = if place == Place::First { State::Sound } else { self.size.1 };
            self.size = (row.size, before.max(row.state));
            if row.last && chosen {
                self.plan.files = self.plan.files.saturating_add(1);
                self.plan.bytes = self.plan.bytes.saturating_add(row.size);
                let what = match self.size.1 {
                    State::Sound => None,
                    State::Changed => Some("it changed while it was backed up"),
                    State::Unread => Some("not all of it could be read when it was backed up"),
                };
                what.iter().for_each(|what| self.plan.changed.add(shown(row.path), *what));
            }
        }
        if place != Place::First {
            return Ok(());
        }
        if !chosen {
            self.plan.others = self.plan.others.saturating_add(1);
            return Ok(());
        }
        match row.kind {
            Kind::Folder => self.plan.folders = self.plan.folders.saturating_add(1),
            Kind::Link => self.plan.links = self.plan.links.saturating_add(1),
            Kind::OtherName => {
                let mut counter = &mut self.plan.other_names;
                if !self.choice.has(row.link) {
                    let names = self.plan.further.entry(row.link.to_vec()).or_default();
                    if names.is_empty() {
                        // The content goes there, since the first name is not restored.
                        counter = &mut self.plan.files;
                    }
                    names.push(row.path.to_vec());
                }
                *counter = counter.saturating_add(1);
            }
            Kind::File | Kind::Totals => {}
        }
        let path = join_places(&self.plan.place, row.path);
        if let Some(beneath) = &mut self.beneath
            && !(path.is_empty() && row.kind == Kind::Folder)
            && let Some(error) = conflict(beneath, self.overwrite, &path, row.kind)
        {
            self.refusals.add(error.place, error.kind.to_string());
        }
        Ok(())
    }
}

fn join_places(place: &[u8], path: &[u8]) -> Vec<u8> {
    if path.is_empty() { place.to_vec() } else { join(place, path) }
}

/// Writes the rows of a tree.
struct Put<'a, 'b> {
    tree: &'a Found<'a>,
    chosen: &'a TreePlan,
    choice: Choice<'a>,
    writer: &'b mut Writer,
    /// Folders above the last row that are made as soon as something in them is.
    leading: Vec<(Vec<u8>, Batch)>,
    /// Under which path the file at hand is written.
    filling: Option<Vec<u8>>,
}

impl Put<'_, '_> {
    fn row(&mut self, row: &Row<'_>) -> Result<(), Error> {
        if row.kind == Kind::Totals || self.chosen.torn.contains(row.path) {
            return Ok(());
        }
        if row.kind == Kind::File && row.piece > 0 {
            return match self.filling.clone() {
                Some(path) => self.piece(&path, row),
                None => Ok(()),
            };
        }
        while self.leading.last().is_some_and(|(folder, _)| !within(row.path, folder)) {
            self.leading.pop();
        }
        if !self.choice.has(row.path) {
            if row.kind == Kind::Folder {
                self.leading.push((row.path.to_vec(), one(row)));
            }
            self.filling = None;
            return match self.chosen.further.get(row.path).and_then(|names| names.first()) {
                Some(name) if row.kind == Kind::File => {
                    let path = join_places(&self.tree.place, name);
                    self.piece(&path, row)
                }
                _ => Ok(()),
            };
        }
        for (path, batch) in std::mem::take(&mut self.leading) {
            let row = Row::of(&batch, 0).map_err(|why| self.tree.odd(why))?;
            self.writer.leading(&join_places(&self.tree.place, &path), &row)?;
        }
        let path = join_places(&self.tree.place, row.path);
        match row.kind {
            Kind::File => self.piece(&path, row),
            Kind::OtherName => self.other_name(&path, row),
            Kind::Folder | Kind::Link | Kind::Totals => Ok(self.writer.row(&path, row)?),
        }
    }

    fn piece(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), Error> {
        self.filling = (!row.last).then(|| path.to_vec());
        Ok(self.writer.row(path, row)?)
    }

    /// A further name: of a file that was restored under its first name, or under the first of the further ones.
    fn other_name(&mut self, path: &[u8], row: &Row<'_>) -> Result<(), Error> {
        let first = match self.chosen.further.get(row.link).and_then(|names| names.first()) {
            Some(name) if name == row.path => return Ok(()),
            Some(name) => name,
            None => row.link,
        };
        let first = join_places(&self.tree.place, first);
        self.writer.other_name(path, &first)?;
        Ok(())
    }
}

/// A row by itself, kept until it is known whether it is needed.
fn one(row: &Row<'_>) -> Batch {
    let mut rows = crate::files::rows::Rows::default();
    rows.push(row);
    rows.into_batch()
}
