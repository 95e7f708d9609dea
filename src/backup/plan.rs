//! What a backup will write: which tables, and which of those selected it cannot.

use super::base::Parent;
use super::estimate::Estimate;
use super::files::{FileTree, PlannedTree, identities, plan as plan_tree};
use super::options::{Kind, Options, Select};
use super::report::Compared;
use crate::base::limits::CHUNK_ROWS_MAX;
use crate::base::time::{Day, civil_of_day};
use crate::column::logical::LogicalType;
use crate::error::Error;
use crate::schema::catalogue::{Catalogue, Entry};
use crate::schema::grain::{DataType, Grain};
use crate::schema::label_text::LabelText;
use crate::schema::table::{BoundTable, TableSchema};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Part, Snapshot};

/// One table that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTable {
    /// The table, with its meaning.
    pub table: BoundTable,
    /// Rows at the time of the plan; with one ACD chosen, those of all ACDs.
    pub rows: u64,
    /// The parts in which it is read, in row order; empty if not all of it is read.
    pub parts: Vec<Part>,
    /// The day from which on it is read, if not all of it is ([`super::ChangedSince`]).
    pub read_from: Option<Day>,
    /// Bytes that its columns will take, about, in the plan of a full backup.
    pub stored_about: Option<u64>,
    /// How it compares with what the chain had, in the plan of an incremental backup; `None` as in a report.
    pub compared: Option<Compared>,
}

/// What a backup will write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    /// The tables, in catalogue order.
    pub tables: Vec<PlannedTable>,
    /// The file trees: those that were named, then those of the catalogue.
    pub trees: Vec<PlannedTree>,
    /// What of the selection a restore will not bring back.
    pub gaps: Gaps,
    /// Bits of [`crate::format::label::data_types`] for the label.
    pub data_types: u32,
    /// The set that it builds on, if it is incremental.
    pub parent: Option<Parent>,
    /// How large it will be, if it is full and of tables alone.
    pub estimate: Option<Estimate>,
}

/// What of the selection is not on the volumes, or is there but does not come back from them as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    /// Tables and paths that the source does not have.
    pub absent: Vec<String>,
    /// Tables and paths that the source has and that are not written.
    pub left_out: Vec<Gap>,
    /// Tables that are written, but that a restore would refuse to replace if the target's are like the source's.
    pub not_restorable: Vec<Gap>,
}

/// One table or path, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The table or path.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Whether a person should look at it: it was not asked for, and cannot be mended when it comes to a restore.
    pub warns: bool,
}

impl BackupPlan {
    /// Names and reasons of what is not on the volumes, as their catalog has them: what is left out, and rows that are not
    /// read.
    pub(super) fn left_out_pairs(&self) -> Vec<(String, String)> {
        let gaps = self.gaps.left_out.iter().map(|gap| (gap.name.clone(), gap.reason.clone()));
        let parent = self.parent.as_ref().map_or_else(String::new, |parent| parent.label.clone());
        let trusted = self.tables.iter().filter_map(|planned| {
            let (year, month, day) = civil_of_day(planned.read_from?);
            let when = format!("{year:04}-{month:02}-{day:02}");
            let text = format!("rows before {when} were not read: taken to be as the chain has them up to {parent}");
            Some((planned.table.schema.name.clone(), text))
        });
        gaps.chain(trusted).collect()
    }
}

impl Gaps {
    /// Whether the backup ends with a warning.
    #[must_use]
    pub fn warn(&self) -> bool {
        self.left_out.iter().chain(&self.not_restorable).any(|gap| gap.warns)
    }

    fn leave_out(&mut self, name: &str, reason: &str, warns: bool) {
        self.left_out.push(Gap { name: name.to_owned(), reason: reason.to_owned(), warns });
    }
}

/// Chunks that one worker reads in one go. Few, so that no worker is left with much to do when the others have finished.
pub(super) const PART_CHUNKS: u64 = 4;
/// Bytes that a text or blob is taken to have when rows are counted out for a chunk.
const STRING_BYTES: u64 = 12;

/// Rows that are likely to fill a chunk of so many bytes; if they turn out larger, fewer are put into it.
pub(super) fn chunk_rows(schema: &TableSchema, bytes: u64) -> u64 {
    let cells = schema.columns.iter().map(|column| match column.logical {
        LogicalType::Integer { .. } | LogicalType::Float { .. } | LogicalType::Boolean => 8,
        _ => 8 + STRING_BYTES,
    });
    (bytes / cells.sum::<u64>().max(1)).clamp(1, u64::from(CHUNK_ROWS_MAX))
}

/// Says what a backup would write.
///
/// # Errors
/// A specific table does not exist; a table lacks the columns that the catalogue names; nothing that was selected exists;
/// the store fails.
pub(super) fn plan(snapshot: &dyn Snapshot, catalogue: &Catalogue, options: &Options) -> Result<BackupPlan, Error> {
    let (tables, gaps, data_types) = (Vec::new(), Gaps::default(), options.bits());
    let mut plan = BackupPlan { tables, trees: Vec::new(), gaps, data_types, parent: None, estimate: None };
    named_trees(&mut plan, options)?;
    for entry in &selected(snapshot, catalogue, &options.select, &mut plan.gaps)? {
        add(&mut plan, snapshot, entry, options)?;
    }
    if !(plan.tables.is_empty() && plan.trees.is_empty()) {
        return Ok(plan);
    }
    Err(match plan.gaps.left_out.as_slice() {
        [] => Error::nothing(
            format!("none of the {} selected tables exists in this database", plan.gaps.absent.len()),
            "check the database and the table catalogue (intervault catalogue)",
        ),
        [first, others @ ..] => {
            let others = if others.is_empty() { String::new() } else { format!(", and {} others", others.len()) };
            let what = format!(
                "nothing of the selection can be backed up: left out are {} ({}){others}",
                first.name, first.reason
            );
            Error::nothing(what, "select other data, or all ACDs")
        }
    })
}

/// Tables that the catalogue does not list are custom data, kept whole: a site's own tables belong to its backup too, but
/// for those that the catalogue leaves out.
fn selected(
    snapshot: &dyn Snapshot,
    catalogue: &Catalogue,
    select: &Select,
    gaps: &mut Gaps,
) -> Result<Vec<Entry>, Error> {
    Ok(match select {
        Select::Data(data) => {
            let listed = catalogue.entries().iter().filter(|entry| data.contains(&entry.data_type)).cloned();
            let mut entries: Vec<Entry> = listed.collect();
            let names = snapshot.tables()?;
            for name in names.iter().filter(|name| catalogue.get(name).is_none()) {
                if catalogue.leaves_out(name) {
                    gaps.leave_out(name, "the table catalogue leaves it out", false);
                } else if data.contains(&DataType::Custom) {
                    entries.push(Entry::whole(name));
                }
            }
            if data.contains(&DataType::Custom) {
                for (name, reason) in snapshot.unlisted()? {
                    gaps.leave_out(&name, &reason, !catalogue.leaves_out(&name));
                }
            }
            entries
        }
        Select::Tables(names) => {
            let mut seen = std::collections::BTreeSet::new();
            let names = names.iter().filter(|name| seen.insert(name.to_ascii_lowercase()));
            names.map(|name| catalogue.get(name).cloned().unwrap_or_else(|| Entry::whole(name))).collect()
        }
    })
}

fn add(plan: &mut BackupPlan, snapshot: &dyn Snapshot, entry: &Entry, options: &Options) -> Result<(), Error> {
    if entry.is_path() {
        return listed_tree(plan, entry, options);
    }
    let Some(schema) = snapshot.schema(&entry.name)? else {
        if matches!(options.select, Select::Tables(_)) {
            return Err(Error::nothing(
                format!("there is no table {} in this database", entry.name),
                "check the spelling, or see what is there with intervault backup --dry-run",
            ));
        }
        plan.gaps.absent.push(entry.name.clone());
        return Ok(());
    };
    let table = entry.bind(&schema)?;
    if options.acd.is_some() && table.acd_column.is_none() {
        plan.gaps.leave_out(&schema.name, "it has no ACD column, and only one ACD was selected", true);
        return Ok(());
    }
    if let Some(gap) = not_restorable(snapshot, &schema)? {
        plan.gaps.not_restorable.push(gap);
    }
    let mut planned =
        PlannedTable { table, rows: 0, parts: Vec::new(), read_from: None, stored_about: None, compared: None };
    // To cut a table into parts costs, and may be in vain: it waits until the chain is known.
    if options.changed_since().is_none() || !dated(&planned.table) {
        cut(&mut planned, snapshot, options)?;
    }
    plan.tables.push(planned);
    Ok(())
}

/// Cuts a table into parts.
pub(super) fn cut(planned: &mut PlannedTable, snapshot: &dyn Snapshot, options: &Options) -> Result<(), Error> {
    let schema = &planned.table.schema;
    let chunks = match options.kind {
        Kind::Full => PART_CHUNKS,
        // Small parts: of those with a changed bucket little else is read again.
        Kind::Incremental(_) => 1,
    };
    let rows = chunk_rows(schema, options.chunk_bytes()).saturating_mul(chunks);
    planned.parts = snapshot.parts(schema, rows)?;
    planned.rows = planned.parts.iter().map(|part| part.rows).fold(0, u64::saturating_add);
    Ok(())
}

/// The trees that were named.
fn named_trees(plan: &mut BackupPlan, options: &Options) -> Result<(), Error> {
    let skip = identities(&options.skip);
    for tree in &options.trees {
        if plan.trees.iter().any(|planned| planned.tree.path == tree.path) {
            continue;
        }
        let planned = plan_tree(tree, &skip)?;
        plan.trees.push(planned.ok_or_else(|| {
            Error::nothing(format!("there is no file or folder {}", tree.path), "check the spelling of the path")
        })?);
    }
    Ok(())
}

/// A path that the catalogue lists. One that is not there is listed as absent, one that cannot be read is left out.
fn listed_tree(plan: &mut BackupPlan, entry: &Entry, options: &Options) -> Result<(), Error> {
    let tree = FileTree { data_type: entry.data_type, ..FileTree::new(&entry.name)? };
    if plan.trees.iter().any(|planned| planned.tree.path == tree.path) {
        return Ok(());
    }
    if options.acd.is_some() {
        plan.gaps.leave_out(&entry.name, "files belong to no ACD, and only one ACD was selected", true);
        return Ok(());
    }
    match plan_tree(&tree, &identities(&options.skip)) {
        Ok(Some(planned)) => plan.trees.push(planned),
        Ok(None) => plan.gaps.absent.push(entry.name.clone()),
        Err(error) => plan.gaps.leave_out(&entry.name, &error.to_string(), true),
    }
    Ok(())
}

/// Why a restore would not replace the rows of a table like this one. A rule (a trigger, a foreign key) can be lifted for
/// the restore, and is no reason to warn each night; what the table is cannot.
fn not_restorable(snapshot: &dyn Snapshot, schema: &TableSchema) -> Result<Option<Gap>, Error> {
    let (reason, warns) = match snapshot.writable(schema) {
        Ok(()) => return Ok(None),
        Err(StoreError { kind: StoreErrorKind::Unsupported(reason), .. }) => (reason, true),
        Err(StoreError { kind: StoreErrorKind::Refused(reason), .. }) => (reason, false),
        // Backups are best taken by who may only read.
        Err(StoreError { kind: StoreErrorKind::NotPermitted(_), .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Gap { name: schema.name.clone(), reason, warns }))
}

/// The label of the set's first volume.
pub(super) fn label_text(options: &Options, number: u32) -> LabelText {
    LabelText {
        system: options.system.clone(),
        day: options.now.day(),
        number,
        data: options.data(),
        acd: options.acd,
        // What is no historical data is whole in every set.
        incremental: options.kind != Kind::Full && options.data().contains(&DataType::Historical),
        volume: 1,
    }
}

/// Whether rows of this grain say when they were.
pub(super) fn dated(table: &BoundTable) -> bool {
    table.grain != Grain::None
}
