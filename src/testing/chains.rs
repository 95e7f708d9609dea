//! Incremental sets of real databases: what changed since the sets before them, written through the real encoder and
//! writer. Holds a table in memory at a time.

use super::tables::{Fault, encoded, last_mark};
use crate::backup::{Options, PlannedTable, cutoff, plan};
use crate::base::time::Span;
use crate::column::batch::Batch;
use crate::column::digest::RowHasher;
use crate::device::traits::Device;
use crate::format::chunk::PieceEntry;
use crate::format::label::LabelRecord;
use crate::format::section::SectionRecord;
use crate::schema::catalogue::Catalogue;
use crate::schema::clock::{RowTimes, RowWhen, When, bucket_day};
use crate::schema::grain::Grain;
use crate::schema::label_text::LabelText;
use crate::section::changes::{Before, Changes, changes};
use crate::section::evidence::Bucket;
use crate::section::pieces::{Acd, Cutoffs, Pieces, pieces};
use crate::section::table::to_record;
use crate::store::error::StoreError;
use crate::store::traits::{Snapshot, Store};
use crate::volume::section::SectionSource;
use crate::volume::set::SetReader;
use crate::volume::set_writer::{SetOptions, SetSummary, SetWriter};
use crate::volume::summary::BucketTable;
use std::collections::BTreeMap;

/// Rows of a chunk: few, so that a table has several.
const CHUNK_ROWS: usize = 64;

/// Writes an incremental set of what a database holds now, against the sets before it in its chain, the newest first; there
/// is at least one. The label follows from that of the newest, but for id, time and number of `options`.
///
/// # Errors
/// There is no set before; the store, a table or the device fails.
pub fn write_incremental(
    store: &dyn Store,
    catalogue: &Catalogue,
    device: &dyn Device,
    options: &Options,
    before: &[&SetReader<'_>],
) -> Result<SetSummary, Fault> {
    let parent = before.first().ok_or("an incremental set builds on another one")?;
    let snapshot = store.snapshot(1)?;
    let plan = plan(snapshot.as_ref(), catalogue, options)?;
    let archived = cutoff::archived(snapshot.as_ref(), catalogue)?;
    let label = label(parent.label(), options);
    let mut set = SetWriter::create(device, label, &SetOptions { volume_size: options.volume_size })?;
    for planned in &plan.tables {
        let cutoffs = cutoff::cutoffs(snapshot.as_ref(), &planned.table, &archived, options)?;
        section(&mut set, snapshot.as_ref(), planned, &cutoffs, before)?;
    }
    Ok(set.finish(plan.gaps.absent.clone(), Vec::new())?)
}

fn label(parent: &LabelRecord, options: &Options) -> LabelRecord {
    let sequence = parent.sequence.saturating_add(1);
    let text = LabelText {
        system: options.system.clone(),
        day: options.now.day(),
        number: sequence.saturating_add(1),
        data: options.select.data().to_vec(),
        acd: None,
        incremental: true,
        volume: 1,
    };
    LabelRecord {
        set_id: options.set.0,
        label: text.to_string(),
        created_unix: options.now_unix,
        created_civil: options.now.0,
        incremental: true,
        parent_set: Some(parent.set_id),
        sequence,
        ..parent.clone()
    }
}

/// The rows of a chunk to be, with what is known of them.
struct Read {
    batch: Batch,
    when: Vec<RowWhen>,
    hashes: Vec<u128>,
}

fn section(
    set: &mut SetWriter<'_>,
    snapshot: &dyn Snapshot,
    planned: &PlannedTable,
    cutoffs: &Cutoffs,
    before: &[&SetReader<'_>],
) -> Result<(), Fault> {
    let table = &planned.table;
    let header = to_record(table, false, cutoffs);
    let read = rows(snapshot, planned)?;
    let (mut now, mut complete) = (BucketTable::default(), BTreeMap::<Acd, Span>::new());
    for part in &read {
        let Pieces { mut entries, complete: whole } = pieces(&part.when, &part.hashes, cutoffs);
        now.number_and_add(&mut entries);
        for (acd, span) in whole {
            let covered = complete.entry(acd).or_insert(span);
            *covered = covered.hull(span);
        }
    }
    let now: Vec<_> = now.entries().collect();
    // Tables without time are written whole each time.
    let older = before.iter().find_map(|set| listed(set, &header)).filter(|_| table.grain != Grain::None);
    let changes = changes(table.grain, &now, &complete, older);
    set.begin_section(header)?;
    write(set, read, cutoffs, &changes)?;
    set.end_incremental(changes.held, changes.envelope, changes.unwritten)?;
    Ok(())
}

/// What a set's catalog says of a table of the same columns.
fn listed<'a>(set: &'a SetReader<'_>, header: &SectionRecord) -> Option<Before<'a>> {
    let section = set.sections().iter().find(|section| section.header.table == header.table)?;
    let same = section.header.columns == header.columns && section.source == SectionSource::Catalog;
    section.end.as_ref().filter(|_| same).map(|end| Before { buckets: &section.buckets, end })
}

/// Reads a table, chunk by chunk.
fn rows(snapshot: &dyn Snapshot, planned: &PlannedTable) -> Result<Vec<Read>, Fault> {
    let table = &planned.table;
    let mut times = RowTimes::new(table)?;
    let mut hasher = RowHasher::default();
    let types = table.schema.logical_types();
    let mut read = Vec::new();
    let mut failed = None;
    for part in &planned.parts {
        snapshot.scan(0, &table.schema, part, CHUNK_ROWS, 1 << 20, &mut |batch| -> Result<(), StoreError> {
            let (when, mut hashes) = (times.all(&batch), Vec::new());
            failed = failed.take().or(hasher.hash(&batch, &types, &mut hashes).err());
            read.push(Read { batch, when, hashes });
            Ok(())
        })?;
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(read),
    }
}

/// Writes the rows of the buckets that changed.
fn write(set: &mut SetWriter<'_>, read: Vec<Read>, cutoffs: &Cutoffs, changes: &Changes) -> Result<(), Fault> {
    let mut chunks: Vec<(Vec<PieceEntry>, Batch)> = Vec::new();
    for Read { batch, mut when, mut hashes } in read {
        let keep: Vec<bool> = when.iter().map(|row| changes.written.contains(&bucket(row))).collect();
        let batch = batch.keep(&keep);
        let (mut kept, mut kept_hash) = (keep.iter(), keep.iter());
        when.retain(|_| kept.next().is_some_and(|keep| *keep));
        hashes.retain(|_| kept_hash.next().is_some_and(|keep| *keep));
        if batch.rows > 0 {
            chunks.push((pieces(&when, &hashes, cutoffs).entries, batch));
        }
    }
    let listed: Vec<Vec<PieceEntry>> = chunks.iter().map(|(pieces, _)| pieces.clone()).collect();
    for (at, (pieces, batch)) in chunks.into_iter().enumerate() {
        let following = listed.get(at.saturating_add(1)..).unwrap_or_default();
        let marked = |piece: PieceEntry| PieceEntry { last: last_mark(&piece, following, false), ..piece };
        let pieces = pieces.into_iter().map(marked).collect();
        set.chunk(encoded(&batch, pieces)?)?;
    }
    Ok(())
}

fn bucket(row: &RowWhen) -> Bucket {
    match row.when {
        When::Dated(span) => (row.acd, Some(bucket_day(span))),
        When::Undated => (row.acd, None),
    }
}
