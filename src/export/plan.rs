//! Which chunks of which tables an export reads.

use super::Options;
use crate::error::Error;
use crate::format::label::lost;
use crate::schema::grain::Grain;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;

/// What an export will read.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The tables, in the order of the set.
    pub tables: Vec<TablePlan>,
    /// Tables of the set that are not exported though nobody named others.
    pub left_out: Vec<LeftOut>,
    /// Why nobody knows whether that is all that was asked for: no catalog says which tables and chunks the set has, and
    /// what is here does not either.
    pub unknown: Vec<Unknown>,
    /// What a salvaged set is known to lack.
    pub short: Vec<Short>,
}

/// What may be missing from what an export can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What, in words: tables of the set, chunks of a table; who is writing them now, if somebody is.
    pub what: String,
    /// Whether damage is the reason; else volumes are not here, or not written yet.
    pub damaged: bool,
    /// Whether the set is being written now: see [`SetReader::writer`].
    pub being_written: bool,
}

impl Unknown {
    /// The error of who wants all of it.
    #[must_use]
    pub fn refusal(&self) -> Error {
        let advice = "use another copy, bring the other volumes, or take what is here with --partial";
        match (self.damaged, self.being_written) {
            (true, _) => Error::damage(&*self.what, advice),
            (false, false) => Error::wanted(&*self.what, advice),
            (false, true) => {
                let advice = "wait until that is done, use another set, or take what is here with --partial";
                Error::in_use(&*self.what, advice)
            }
        }
    }
}

/// What a salvaged set lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Short {
    /// Rows of this table.
    Rows(String),
    /// Whole tables, and nobody knows which.
    Tables,
}

/// A table that is not exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The table.
    pub table: String,
    /// Why.
    pub reason: &'static str,
}

/// What an export will read of a table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The table.
    pub table: SectionTable,
    /// The chunks that can hold rows that are wanted, in order.
    pub chunks: Vec<ChunkRef>,
    /// Whether all chunks of the section are known: not so where a volume is missing and no catalog tells of it.
    pub is_known: bool,
}

impl TablePlan {
    /// Name of the table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table.bound.schema.name
    }

    /// Rows of the chunks, of which not all are wanted perhaps.
    #[must_use]
    pub fn rows_max(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.entry.rows)).fold(0, u64::saturating_add)
    }
}

const TREE: &str = "holds files: restore those with --files-to";
const NO_ACD: &str = "has no ACD column";
const NO_TIME: &str = "has no times";

/// Whether all sections of a set are known: a whole catalog says how many there are.
fn knows_sections(set: &SetReader<'_>) -> bool {
    set.catalog().is_some_and(|catalog| catalog.sections as usize == set.sections().len())
}

/// Plans an export of a set.
///
/// # Errors
/// A table that was named is not in the set, or may be on what of it is missing or damaged; it cannot be exported as asked; a
/// section's header cannot be understood.
pub(super) fn plan(set: &SetReader<'_>, options: &Options) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let writer = set.writer();
    let being_written = writer.is_some();
    // The last block of what is being written may be half there.
    let damaged = !being_written && !set.damage().is_empty();
    let at_work = writer.map(|who| format!("; the set is being written now{who}")).unwrap_or_default();
    let unknown = |what: String| Unknown { what: format!("{what}{at_work}"), damaged, being_written };
    let named = |name: &str| options.tables.iter().any(|table| table.eq_ignore_ascii_case(name));
    let (label, knows) = (&set.label().label, knows_sections(set));
    for name in &options.tables {
        if !set.sections().iter().any(|section| section.header.table.eq_ignore_ascii_case(name)) {
            if !knows {
                let what = "its catalog cannot be read, and the table may be on what is missing or damaged";
                return Err(unknown(format!("nobody knows whether table {name} is in set {label}: {what}")).refusal());
            }
            let what = format!("table {name} is not in set {label}");
            return Err(Error::nothing(what, "list its tables with intervault check DEVICE --list"));
        }
    }
    if !knows && options.tables.is_empty() {
        let what =
            format!("its catalog cannot be read, so nobody knows whether set {label} has more tables than these");
        plan.unknown.push(unknown(what));
    }
    if being_written && (knows || !options.tables.is_empty()) {
        plan.unknown.push(unknown(format!("set {label} is not finished")));
    }
    for section in set.sections() {
        let name = &section.header.table;
        if !options.tables.is_empty() && !named(name) {
            continue;
        }
        let table = SectionTable::new(section.number, &section.header)?;
        if let Some(reason) = reason_against(section, &table, options) {
            if named(name) {
                let advice = "leave the table out, or ask for all of its rows";
                return Err(Error::refused(format!("table {name} {reason}"), advice));
            }
            plan.left_out.push(LeftOut { table: name.clone(), reason });
            continue;
        }
        let wanted = |chunk: &&ChunkRef| options.window.is_none_or(|window| chunk.meets(window));
        let is_known = section.end.as_ref().is_some_and(|end| end.chunks == section.chunks.len() as u64);
        let chunks = section.chunks.iter().filter(wanted).copied().collect();
        if !is_known {
            let what = "there are chunks of it that are missing or damaged, and of which nothing is known";
            plan.unknown.push(unknown(format!("table {name}: {what}")));
        }
        if section.end.as_ref().is_some_and(|end| end.lost.is_some()) {
            plan.short.push(Short::Rows(name.clone()));
        }
        plan.tables.push(TablePlan { table, chunks, is_known });
    }
    if set.label().salvaged.is_some_and(|salvaged| salvaged.lost == lost::SECTIONS) {
        plan.short.push(Short::Tables);
    }
    Ok(plan)
}

/// Why a table cannot be exported as asked.
fn reason_against(section: &SectionView, table: &SectionTable, options: &Options) -> Option<&'static str> {
    match () {
        () if is_tree(&section.header) => Some(TREE),
        () if options.acd.is_some() && table.bound.acd_column.is_none() => Some(NO_ACD),
        () if options.window.is_some() && table.bound.grain == Grain::None => Some(NO_TIME),
        () => None,
    }
}
