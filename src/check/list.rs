//! What a set holds, from its catalog, or where there is none from a scan.

use crate::base::position::Position;
use crate::base::time::{Instant, Span};
use crate::column::digest::RowHasher;
use crate::files::entry::Kind;
use crate::files::rows::Row;
use crate::schema::grain::{DataType, Grain};
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::section::table::is_tree;
use crate::volume::error::VolumeError;
use crate::volume::section::{SectionSource, SectionView};
use crate::volume::set::SetReader;
use crate::volume::stream::several;
use std::collections::{BTreeMap, BTreeSet};

/// What a set holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOutline {
    /// The label.
    pub label: crate::format::label::LabelRecord,
    /// Volumes that are here, by number.
    pub volumes: Vec<u32>,
    /// Volumes that are here more than once, with the names of all their copies.
    pub copies: Vec<(u32, Vec<String>)>,
    /// Volumes that are known of and not here.
    pub missing: Vec<u32>,
    /// Whether the set was never finished, so that nobody can bring what it lacks at its end.
    pub interrupted: bool,
    /// Who is writing it now, in brackets for a message, empty if that is not known; nothing if nobody is, or it was not asked.
    pub writer: Option<String>,
    /// Names of copies that whoever asks is not allowed to open.
    pub closed: Vec<String>,
    /// Volumes that another volume stands in for, under their name.
    pub wrong: Vec<String>,
    /// Whether the set was finished and all of its volumes are here.
    pub complete: bool,
    /// Damage that was met while the set was listed: volumes of another length than the catalog says; only a set without
    /// a whole catalog is looked through.
    pub damage: Vec<String>,
    /// Whether what follows comes from the set's catalog; otherwise from a scan of what is here.
    pub from_catalog: bool,
    /// The tables, in the order of the set.
    pub tables: Vec<TableOutline>,
    /// Tables and paths that the source did not have.
    pub absent: Vec<String>,
    /// Tables and paths that were left out, with the reason.
    pub left_out: Vec<(String, String)>,
}

/// What a section holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOutline {
    /// Section number, from 1.
    pub section: u32,
    /// The table.
    pub table: String,
    /// Its data type, if this release knows it.
    pub data_type: Option<DataType>,
    /// Its grain, if this release knows it.
    pub grain: Option<Grain>,
    /// Columns.
    pub columns: u32,
    /// Rows on the volumes that are here.
    pub rows: u64,
    /// Rows of the section; `None` if that is not known.
    pub rows_in_all: Option<u64>,
    /// Chunks on the volumes that are here.
    pub chunks: u64,
    /// Buckets.
    pub buckets: u64,
    /// Bytes of the section's blocks.
    pub bytes: u64,
    /// The ACDs, with their held ranges and rows.
    pub acds: Vec<AcdOutline>,
    /// What a file tree holds; `None` for tables.
    pub tree: Option<TreeOutline>,
}

/// What a file tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeOutline {
    /// Its files and their bytes, holes included; `None` if its last row is not here or cannot be read.
    pub totals: Option<(u64, u64)>,
}

/// What a section holds of one ACD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcdOutline {
    /// The ACD; none for rows that name none.
    pub acd: Acd,
    /// Rows that the set speaks for.
    pub rows: u64,
    /// Rows that are carried.
    pub carried: u64,
    /// The time for which the set speaks; empty if no end mark says so.
    pub held: Vec<Span>,
}

/// What a set holds.
#[must_use]
pub fn outline(set: &SetReader<'_>) -> SetOutline {
    outline_of(set, None)
}

/// The same of a set that somebody is perhaps writing.
pub(super) fn outline_of(set: &SetReader<'_>, writer: Option<&String>) -> SetOutline {
    let sections = set.sections();
    let catalog = set.catalog();
    let (short, wrong): (Vec<_>, Vec<_>) = set.wrong_volumes().iter().partition(|error| error.is_damage());
    let several = several_volumes(set);
    let damage = set.damage().iter().filter(|extent| extent.volume.is_none_or(|volume| !several.contains_key(&volume)));
    let finished = |number: u32| set.volumes().iter().any(|volume| volume.number == number && !volume.partial);
    let damage = damage.filter(|extent| writer.is_none() || extent.volume.is_some_and(finished));
    let here = || set.volumes().iter().filter(|volume| volume.name.is_some()).map(|volume| volume.number);
    let copies = here().flat_map(|number| set.copies(number));
    let closed: Vec<String> = copies.filter(|name| !set.may_open(name)).collect();
    // What nobody may open is not damaged, and is told by its name.
    let damage = damage.filter(|extent| closed.is_empty() || !extent.error.is_refused());
    let mut damage: Vec<String> = damage.map(|extent| extent.error.to_string()).collect();
    damage.extend(short.into_iter().map(VolumeError::to_string));
    damage.dedup();
    if set.lacks_end_only() {
        damage.push("the end of its last volume is lost; its catalog is here".to_owned());
    }
    SetOutline {
        label: set.label().clone(),
        volumes: here().collect(),
        copies: here().map(|number| (number, set.copies(number))).filter(|(_, names)| names.len() > 1).collect(),
        missing: set.missing_volumes(),
        interrupted: set.is_interrupted(),
        writer: writer.cloned(),
        closed,
        wrong: wrong.into_iter().chain(several.values()).map(VolumeError::to_string).collect(),
        complete: set.is_complete(),
        damage,
        from_catalog: sections.iter().all(|section| section.source == SectionSource::Catalog),
        tables: sections.iter().map(|section| table(set, section)).collect(),
        absent: catalog.map_or_else(Vec::new, |catalog| catalog.absent.clone()),
        left_out: catalog.map_or_else(Vec::new, |catalog| catalog.left_out.clone()),
    }
}

/// The volumes whose files hold further ones, by number, of those on which a scan met damage: it is none.
fn several_volumes(set: &SetReader<'_>) -> BTreeMap<u32, VolumeError> {
    let met: BTreeSet<u32> = set.damage().iter().filter_map(|extent| extent.volume).collect();
    let told = |number: u32| {
        let (name, source) = set.source(number).ok()?;
        let volumes = several(source.as_ref()).ok()??;
        Some((number, VolumeError::Several { name, volumes }))
    };
    met.into_iter().filter(|_| !set.is_sequential()).filter_map(told).collect()
}

fn table(set: &SetReader<'_>, section: &SectionView) -> TableOutline {
    let mut acds: BTreeMap<Acd, AcdOutline> = BTreeMap::new();
    for bucket in section.buckets.iter().filter(|bucket| bucket.is_written()) {
        let acd = acds.entry(bucket.acd).or_insert_with(|| AcdOutline { acd: bucket.acd, ..AcdOutline::default() });
        acd.rows = acd.rows.saturating_add(bucket.rows);
        acd.carried = acd.carried.saturating_add(bucket.carried);
    }
    for held in section.end.iter().flat_map(|end| &end.held) {
        if let (Some(acd), Some(span)) = (acds.get_mut(&held.acd), Span::new(Instant(held.start), Instant(held.stop))) {
            acd.held.push(span);
        }
    }
    let header = &section.header;
    TableOutline {
        section: section.number,
        table: header.table.clone(),
        data_type: DataType::from_bit(header.data_type),
        grain: Grain::from_id(header.grain),
        columns: header.columns.len() as u32,
        rows: section.rows_here(),
        rows_in_all: section.end.as_ref().map(|end| end.rows),
        chunks: section.chunks.iter().filter(|chunk| chunk.here).count() as u64,
        buckets: section.buckets.iter().filter(|bucket| bucket.is_written()).count() as u64,
        bytes: section.bytes,
        acds: acds.into_values().collect(),
        tree: is_tree(header).then(|| TreeOutline { totals: totals(set, section) }),
    }
}

/// The totals of a file tree, from its last row.
fn totals(set: &SetReader<'_>, section: &SectionView) -> Option<(u64, u64)> {
    let last = section.chunks.last().filter(|chunk| chunk.here)?;
    let table = SectionTable::new(section.number, &section.header).ok()?;
    let payload = set.read_chunk(last).ok()?;
    let rows = table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).ok()?;
    let row = Row::of(&rows.batch, rows.batch.rows.checked_sub(1)?).ok()?;
    (row.kind == Kind::Totals).then_some((row.piece, row.size))
}
