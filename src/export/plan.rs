//! Which chunks of which tables an export reads.

use super::Options;
use crate::error::Error;
use crate::schema::grain::Grain;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::section::ChunkRef;
use crate::volume::set::SetReader;

/// What an export will read.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The tables, in the order of the set.
    pub tables: Vec<TablePlan>,
    /// Tables of the set that are not exported though nobody named others.
    pub left_out: Vec<LeftOut>,
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

/// Plans an export of a set.
///
/// # Errors
/// A table that was named is not in the set, or cannot be exported as asked; a section's header cannot be understood.
pub(super) fn plan(set: &SetReader<'_>, options: &Options) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let named = |name: &str| options.tables.iter().any(|table| table.eq_ignore_ascii_case(name));
    for name in &options.tables {
        if !set.sections().iter().any(|section| section.header.table.eq_ignore_ascii_case(name)) {
            let what = format!("table {name} is not in set {}", set.label().label);
            return Err(Error::nothing(what, "list its tables with intervault check DEVICE --list"));
        }
    }
    for section in set.sections() {
        let name = &section.header.table;
        if !options.tables.is_empty() && !named(name) {
            continue;
        }
        let table = SectionTable::new(section.number, &section.header)?;
        let reason = match () {
            () if is_tree(&section.header) => Some(TREE),
            () if options.acd.is_some() && table.bound.acd_column.is_none() => Some(NO_ACD),
            () if options.window.is_some() && table.bound.grain == Grain::None => Some(NO_TIME),
            () => None,
        };
        if let Some(reason) = reason {
            if named(name) {
                let advice = "leave the table out, or ask for all of its rows";
                return Err(Error::refused(format!("table {name} {reason}"), advice));
            }
            plan.left_out.push(LeftOut { table: name.clone(), reason });
            continue;
        }
        let wanted = |chunk: &&ChunkRef| options.window.is_none_or(|window| chunk.meets(window));
        let is_known = section.end.as_ref().is_some_and(|end| end.chunks == section.chunks.len() as u64);
        plan.tables.push(TablePlan {
            table,
            chunks: section.chunks.iter().filter(wanted).copied().collect(),
            is_known,
        });
    }
    Ok(plan)
}
