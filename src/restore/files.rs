//! File trees of a set back into a folder. The plan reads and proves every row of the trees, and looks at what is in the way;
//! only then is a file written. Knows no database.

use super::overlap::{Origin, Overlap, Turn};
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
use crate::format::label::data_types;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::chain::{Chain, HalfReplaced};
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Threads that decode chunks, at most; one thread writes.
const DECODERS_MAX: usize = 3;

/// What is said of a file of which pieces are missing.
const TORN: &str = "not all of it is on the volumes";

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
    /// Files and others that were not chosen, or that another tree gives.
    pub others: u64,
    /// Files that had changed while they were backed up, or of which not all could be read then.
    pub changed: Noted,
    /// Files of which not all is on the volumes, and parts that cannot be read: these are not restored. Where the volumes that
    /// may have a newer state of the tree are not here, that too.
    pub lost: Noted,
    /// Number of the section.
    section: u32,
    /// Count and digest of the rows that were read.
    read: Digest,
    /// What could not be: chunks, and gaps between them.
    missed: BTreeSet<Missing>,
    /// Files of `lost`, all of them.
    torn: BTreeSet<Vec<u8>>,
    /// Chosen further names by the first name, where that is not chosen itself.
    further: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Chosen files that get further names.
    firsts: BTreeSet<Vec<u8>>,
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
    /// What may have a newer state of it: members of the chain that are not here, or of which not all is.
    newer: Option<String>,
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
        let mut overlap = overlap(&found);
        for (number, tree) in found.iter().enumerate() {
            overlap.begin(number);
            let mut chosen = self.tree(tree, &patterns, beneath.as_mut(), &mut plan.refusals, &mut overlap)?;
            if chosen.entries() > 0 || chosen.lost.count > 0 {
                self.newest(tree, &mut chosen)?;
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
        Ok(plan)
    }

    /// An older state is not given for a newer one that is lost, unless told.
    fn newest(&self, tree: &Found<'_>, chosen: &mut TreePlan) -> Result<(), Error> {
        let Some(newer) = &tree.newer else { return Ok(()) };
        let what = format!("its newest state may be elsewhere: {newer}; that of set {} is", tree.set.label().label);
        if !self.options.partial {
            return Err(Error::wanted(
                format!("file tree {}: {what} here", tree.shown()),
                "bring the missing volumes; --partial restores the state that is here",
            ));
        }
        chosen.lost.add(tree.shown(), format!("{what} restored"));
        Ok(())
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
        plan.trees.iter().flat_map(TreePlan::with_further_names).for_each(|path| writer.expect(path));
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
        let mut overlap = overlap(&found);
        for chosen in &plan.trees {
            let same = |tree: &Found<'_>| (tree.set.set_id(), tree.view.number) == (chosen.set, chosen.section);
            let number = found.iter().position(same);
            let Some((number, tree)) = number.and_then(|number| Some((number, found.get(number)?))) else {
                return Err(Error::refused("the sets are not those of the plan", "plan again"));
            };
            overlap.begin(number);
            let (overlap, writer) = (&mut overlap, &mut *writer);
            let choice = Choice::new(&patterns, tree.root());
            let mut put = Put { tree, chosen, choice, overlap, writer, leading: Vec::new(), filling: None };
            let again = self.read(
                tree,
                &chosen.missed,
                &mut |batch, at| put.row(&Row::of(batch, at).map_err(|why| tree.odd(why))?),
                &mut |first, reason| match chosen.missed.contains(&first) {
                    true => Ok(()),
                    false => Err(tree.unlike_the_plan(&reason)),
                },
            )?;
            if again.digest != chosen.read {
                return Err(tree.unlike_the_plan("the volumes give other rows"));
            }
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
        let mut unsure: Option<String> = None;
        for set in self.chain.members() {
            let newer_gap = self.chain.gaps().iter().find(|gap| gap.first > set.label().sequence);
            unsure = unsure.or_else(|| newer_gap.map(|gap| format!("set {} of its chain is not here", gap.set)));
            let half = |half: &&HalfReplaced<'_>| {
                half.by.label().sequence > set.label().sequence && half.data_types & data_types::CUSTOM != 0
            };
            let newer_half = self.chain.half_replaced().iter().find(half).map(|half| &half.set.label().label);
            let words = |label| format!("set {label} is not whole, and one with other data was written in its place");
            unsure = unsure.or_else(|| newer_half.map(words));
            for view in set.sections().iter().filter(|view| is_tree(&view.header)) {
                let name = &view.header.table;
                if found.iter().any(|tree| tree.view.header.table == *name) {
                    continue;
                }
                let Some(place) = placed(name) else {
                    return Err(hostile(name, "its name leads out of the folder"));
                };
                let table = SectionTable::new(view.number, &view.header)?;
                found.push(Found { set, view, table, place, newer: unsure.clone() });
            }
            if set.may_have_more() {
                unsure = unsure.or_else(|| Some(format!("not all of set {} is here", set.label().label)));
            }
        }
        if found.is_empty() {
            if let Some(what) = unsure {
                let what = format!("no file tree is on these volumes, but {what}");
                return Err(Error::wanted(what, "bring the missing volumes"));
            }
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
        overlap: &mut Overlap,
    ) -> Result<TreePlan, Error> {
        let plan = TreePlan {
            tree: tree.view.header.table.clone(),
            set: tree.set.set_id(),
            place: tree.place.clone(),
            section: tree.view.number,
            ..TreePlan::default()
        };
        let choice = Choice::new(patterns, tree.root());
        let (overwrite, order) = (self.options.overwrite, Order::default());
        let look = Look { choice, beneath, overwrite, refusals, overlap, plan, order, filling: None };
        let look = std::cell::RefCell::new(look);
        let read = self.read(
            tree,
            &BTreeSet::new(),
            &mut |batch, at| {
                let row = Row::of(batch, at).map_err(|why| tree.odd(why))?;
                look.borrow_mut().row(&row).map_err(|why| hostile(&tree.view.header.table, &why))
            },
            &mut |first, reason| {
                if !self.options.partial {
                    return Err(Error::damage(
                        format!("file tree {}: {reason}", tree.shown()),
                        "use another copy of the set; --partial restores the files that are whole",
                    ));
                }
                look.borrow_mut().missed(first, reason);
                Ok(())
            },
        )?;
        let mut look = look.into_inner();
        look.plan.read = read.digest;
        // What is missing between the first row and the last was told where it should have been.
        let told = read.to_the_end && !look.plan.missed.is_empty();
        if !(told || read.whole && look.order.ended()) {
            let reason = "its end is not on the volumes that are here";
            if !self.options.partial {
                return Err(Error::wanted(
                    format!("file tree {}: {reason}", tree.shown()),
                    "bring the missing volumes; --partial restores the files that are whole",
                ));
            }
            look.gap(reason.to_owned());
        }
        Ok(look.plan)
    }

    /// Reads the rows of a tree in order. `lost` is told of what cannot be had, by its first row and with the reason, and says
    /// whether to go on; chunks that begin with a row of `without` are taken to be lost.
    fn read(
        &self,
        tree: &Found<'_>,
        without: &BTreeSet<Missing>,
        each: &mut dyn FnMut(&Batch, usize) -> Result<(), Error>,
        lost: &mut dyn FnMut(Missing, String) -> Result<(), Error>,
    ) -> Result<Passed, Error> {
        let chunks = &tree.view.chunks;
        let (mut digest, mut next) = (Digest::default(), 0u64);
        let lost_before = tree.view.end.as_ref().and_then(|end| end.lost.as_ref());
        let gaps: BTreeSet<u64> = lost_before.into_iter().flat_map(|lost| &lost.gaps).copied().collect();
        ordered(
            self.options.jobs.clamp(1, DECODERS_MAX),
            chunks.len(),
            1,
            |_, item, emit| {
                if let Some(chunk) = chunks.get(item) {
                    let decoded = match without.contains(&Missing::Chunk(chunk.entry.first_row)) {
                        true => Err("it was lost before".to_owned()),
                        false => decode(tree, chunk),
                    };
                    emit((item, decoded));
                }
                Ok::<(), Error>(())
            },
            |(item, decoded)| {
                let Some(chunk) = chunks.get(item) else { return Ok(()) };
                if chunk.entry.first_row != next {
                    let last = chunk.entry.first_row.saturating_sub(1);
                    lost(Missing::Before(next), format!("rows {next} to {last} are not here"))?;
                } else if gaps.contains(&next) {
                    lost(
                        Missing::Before(next),
                        format!("rows before row {next} were lost before the set was salvaged"),
                    )?;
                }
                next = chunk.entry.first_row.saturating_add(u64::from(chunk.entry.rows));
                match decoded {
                    Ok((batch, hashes)) => {
                        digest = digest.plus(Digest::of(&hashes));
                        (0..batch.rows).try_for_each(|at| each(&batch, at))?;
                    }
                    Err(reason) => lost(Missing::Chunk(chunk.entry.first_row), reason)?,
                }
                self.monitor.advance(Task::Plan, u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes));
                if self.monitor.cancelled() { Err(cancelled()) } else { Ok(()) }
            },
        )?;
        if gaps.contains(&next) && chunks.last().is_none_or(|last| last.entry.first_row != next) {
            lost(Missing::Before(next), "its last rows were lost before the set was salvaged".to_owned())?;
        }
        let end = tree.view.end.as_ref();
        Ok(Passed {
            digest,
            whole: end
                .is_some_and(|end| end.lost.is_none() && (end.rows, end.digest) == (digest.rows, digest.to_bytes())),
            to_the_end: end.is_some_and(|end| end.rows == next),
        })
    }
}

/// What cannot be had of a tree, by the number of its first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    /// Rows between two chunks, or behind the last.
    Before(u64),
    /// A chunk.
    Chunk(u64),
}

/// What was read of a tree.
struct Passed {
    /// Count and digest of its rows.
    digest: Digest,
    /// Whether these are those of the end mark.
    whole: bool,
    /// Whether the chunks reach to the last row of which the end mark knows, be they lost or not.
    to_the_end: bool,
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

    fn unlike_the_plan(&self, why: &str) -> Error {
        Error::damage(
            format!("file tree {}: what was there when it was planned is not any more: {why}", self.shown()),
            "plan again; use another copy of the set, or --partial for the files that are whole",
        )
    }

    fn shown(&self) -> String {
        shown(self.view.header.table.as_bytes())
    }
}

/// Which paths of a tree were chosen.
struct Choice<'a> {
    patterns: &'a Patterns,
    root: Vec<u8>,
    /// Whether all is.
    all: bool,
}

impl<'a> Choice<'a> {
    fn new(patterns: &'a Patterns, root: Vec<u8>) -> Choice<'a> {
        Choice { all: patterns.is_empty() || patterns.cover(&root), patterns, root }
    }

    /// The root of the tree says which path it had, if it was named by another one.
    fn learn(&mut self, row: &Row<'_>) {
        if row.path.is_empty() && !row.link.is_empty() {
            *self = Choice::new(self.patterns, row.link.to_vec());
        }
    }

    /// Whether a path, or a folder that it lies in, is matched.
    fn has(&self, path: &[u8]) -> bool {
        let mut at = path;
        while let Some((folder, _)) = split(at).filter(|_| !self.all) {
            if self.patterns.matches(&self.root, at) {
                return true;
            }
            at = folder;
        }
        self.all
    }
}

impl TreePlan {
    /// The paths below the folder under which files are written that get further names.
    fn with_further_names(&self) -> impl Iterator<Item = Vec<u8>> {
        let instead = self.further.values().filter(|names| names.len() > 1).flat_map(|names| names.first());
        self.firsts.iter().chain(instead).map(|path| join_places(&self.place, path))
    }

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
    overlap: &'b mut Overlap,
    plan: TreePlan,
    order: Order,
    /// The state so far of the file at hand, if it is restored.
    filling: Option<State>,
}

impl Look<'_, '_> {
    fn missed(&mut self, first: Missing, reason: String) {
        self.plan.missed.insert(first);
        self.gap(reason);
    }

    fn gap(&mut self, reason: String) {
        self.order.gap();
        self.torn(TORN);
        self.plan.lost.add(shown(self.plan.tree.as_bytes()), reason);
    }

    fn torn(&mut self, what: &str) {
        let Some(path) = self.order.torn() else { return };
        self.overlap.take_back(&join_places(&self.plan.place, &path));
        if self.plan.torn.insert(path.clone()) && self.choice.has(&path) {
            self.plan.lost.add(shown(&path), what);
        }
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), String> {
        let place = self.order.look(row)?;
        self.torn(if row.kind == Kind::OtherName { "the file whose other name it is is lost" } else { TORN });
        if row.kind == Kind::Totals || place == Place::Lost {
            return Ok(());
        }
        if place == Place::First {
            self.choice.learn(row);
            self.filling = self.first(row).then_some(State::Sound);
        }
        if row.kind == Kind::File {
            self.file(row);
        }
        Ok(())
    }

    /// Whether what begins with this row is restored.
    fn first(&mut self, row: &Row<'_>) -> bool {
        let path = join_places(&self.plan.place, row.path);
        let turn = match self.choice.has(row.path) {
            true => self.overlap.turn(&path, row.kind == Kind::Folder),
            false => Turn::Given,
        };
        if turn == Turn::Clash {
            let what = "another of these trees has something else there: choose one of them with --files";
            self.refusals.add(shown(&path), what);
        }
        if turn != Turn::Its {
            self.plan.others = self.plan.others.saturating_add(1);
            return false;
        }
        match row.kind {
            Kind::Folder => self.plan.folders = self.plan.folders.saturating_add(1),
            Kind::Link => self.plan.links = self.plan.links.saturating_add(1),
            Kind::OtherName => self.other_name(row),
            Kind::File | Kind::Totals => {}
        }
        if let Some(beneath) = &mut self.beneath
            && !(path.is_empty() && row.kind == Kind::Folder)
            && let Some(error) = conflict(beneath, self.overwrite, &path, row.kind)
        {
            self.refusals.add(error.place, error.kind.to_string());
        }
        true
    }

    fn other_name(&mut self, row: &Row<'_>) {
        let mut counter = &mut self.plan.other_names;
        if self.choice.has(row.link) {
            self.plan.firsts.insert(row.link.to_vec());
        } else {
            let names = self.plan.further.entry(row.link.to_vec()).or_default();
            if names.is_empty() {
                // The content goes there, since the first name is not restored.
                counter = &mut self.plan.files;
            }
            names.push(row.path.to_vec());
        }
        *counter = counter.saturating_add(1);
    }

    /// A piece of a file.
    fn file(&mut self, row: &Row<'_>) {
        let Some(state) = &mut self.filling else { return };
        *state = row.state.max(*state);
        if !row.last {
            return;
        }
        self.plan.files = self.plan.files.saturating_add(1);
        self.plan.bytes = self.plan.bytes.saturating_add(row.size);
        let what = match state {
            State::Sound => return,
            State::Changed => "it changed while it was backed up",
            State::Unread => "not all of it could be read when it was backed up",
        };
        self.plan.changed.add(shown(row.path), what);
    }
}

fn overlap(found: &[Found<'_>]) -> Overlap {
    let origin = |tree: &Found<'_>| match tree.view.header.table.starts_with('/') {
        true => Origin::Root,
        false => Origin::FolderOf(tree.set.set_id()),
    };
    Overlap::new(found.iter().map(|tree| (tree.place.clone(), origin(tree))).collect())
}

fn join_places(place: &[u8], path: &[u8]) -> Vec<u8> {
    if path.is_empty() { place.to_vec() } else { join(place, path) }
}

/// Writes the rows of a tree.
struct Put<'a, 'b> {
    tree: &'a Found<'a>,
    chosen: &'a TreePlan,
    choice: Choice<'a>,
    overlap: &'b mut Overlap,
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
        self.choice.learn(row);
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
        let path = join_places(&self.tree.place, row.path);
        if self.overlap.turn(&path, row.kind == Kind::Folder) != Turn::Its {
            self.filling = None;
            return Ok(());
        }
        for (path, batch) in std::mem::take(&mut self.leading) {
            let row = Row::of(&batch, 0).map_err(|why| self.tree.odd(why))?;
            self.writer.leading(&join_places(&self.tree.place, &path), &row)?;
        }
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
