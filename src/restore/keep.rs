//! The undo set: the rows that a restore is about to delete, on volumes of their own before the first of them goes. One
//! section for each table, unit after unit, each row with its key in a last column.

use super::options::Options;
use super::report::{RestorePlan, TablePlan, UndoSet};
use super::target::{self, Contents, UnitRows, look};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::time::Span;
use crate::column::batch::Batch;
use crate::column::digest::Digest;
use crate::column::encode::{EncodeOptions, Encoder};
use crate::device::traits::{Device, RECORD_BYTES};
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::label::{LabelRecord, data_types, purpose};
use crate::format::section::HeldEntry;
use crate::schema::label_text::LabelText;
use crate::schema::range::SpanSet;
use crate::schema::table::{BoundTable, ColumnSchema};
use crate::section::chunks::{Bounds, EncodeError, EncodedChunk, Rows, encode_chunks};
use crate::section::pieces::{Acd, Cutoffs};
use crate::section::table::to_record;
use crate::store::control::KeyRuns;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Snapshot, StoreIdentity};
use crate::verify::set::verify_set;
use crate::volume::set::{SetReader, find_set};
use crate::volume::set_writer::{ChunkContent, SetOptions, SetWriter};
use std::collections::BTreeMap;

/// Where the rows that a restore deletes are kept.
#[derive(Clone, Copy)]
pub struct Keep<'a> {
    /// The device that takes the undo set.
    pub device: &'a dyn Device,
    /// The new set's identity: random.
    pub set: SetId,
}

/// What the undo set is made from.
pub(super) struct Keeper<'a> {
    pub(super) plan: &'a RestorePlan,
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) source: &'a StoreIdentity,
    pub(super) options: &'a Options,
    pub(super) monitor: &'a dyn Monitor,
    /// Number of the run, for the label.
    pub(super) run: u64,
}

/// Runs of row keys that are remembered from saving to deleting, of all units together: 16 bytes each. The rows of units beyond
/// are read again under the lock.
const KEY_RUNS_MAX: usize = 1 << 20;

/// Runs of row keys for which there is still room.
struct Room(usize);

impl Room {
    /// The keys, if there is room for all of their runs; it is theirs then.
    fn take(&mut self, keys: KeyRuns) -> Option<KeyRuns> {
        self.0 = self.0.checked_sub(keys.iter().count())?;
        Some(keys)
    }
}

/// The name of the column with the row keys, as long as no column of the table has it.
const KEY_NAME: &str = "intervault_key";

/// The table of an undo section: the target's, and a last column with the row keys.
fn with_key(target: &BoundTable) -> BoundTable {
    let mut table = target.clone();
    let mut name = KEY_NAME.to_owned();
    while table.schema.column(&name).is_some() {
        name.push('_');
    }
    table.schema.columns.push(ColumnSchema {
        name,
        logical: target::KEY,
        nullable: false,
        has_default: false,
        declared: String::new(),
        collation: String::new(),
    });
    table
}

impl Keeper<'_> {
    /// Writes the rows that the units delete, reads them back and proves them. Returns what each unit saved, in order of the
    /// units.
    ///
    /// # Errors
    /// The target's rows are no longer those that the plan saw; the store or the device fails; what is read back differs.
    /// An undo set that was begun stays incomplete; the target is not touched.
    pub(super) fn keep(&self, onto: Keep<'_>, units: &[&UnitRows<'_>]) -> Result<(UndoSet, Vec<Saved>), Error> {
        let _lock = onto.device.lock()?;
        let mut set = SetWriter::create(onto.device, self.label(onto.set), &SetOptions::default())?;
        let rows = self.plan.tables.iter().map(TablePlan::rows_deleted).fold(0, u64::saturating_add);
        self.monitor.begin(Task::Undo, "saving the rows that go", rows);
        let saved = self.sections(&mut set, units)?;
        let summary = set.finish(Vec::new(), Vec::new())?;
        self.monitor.end(Task::Undo);
        self.prove(onto, summary.rows)?;
        let place = onto.device.describe();
        Ok((UndoSet { set: onto.set, label: summary.label, place, rows: summary.rows, bytes: summary.bytes }, saved))
    }

    /// An undo that cannot be read is none.
    fn prove(&self, onto: Keep<'_>, rows: u64) -> Result<(), Error> {
        let advice = "nothing was changed; check the medium of the undo set, or restore with --no-undo";
        let written = find_set(onto.device, onto.set)?.filter(SetReader::is_complete);
        let Some(set) = written else {
            return Err(Error::damage("the undo set just written cannot be read back whole", advice));
        };
        let proved = verify_set(&set, self.options.decoders(), self.monitor);
        match proved.findings.first() {
            Some(finding) => Err(Error::damage(format!("reading back the undo set found: {finding}"), advice)),
            None if proved.rows != rows => {
                let what = format!("the undo set has {} of {rows} rows", proved.rows);
                Err(Error::damage(what, advice))
            }
            None => Ok(()),
        }
    }

    fn label(&self, set: SetId) -> LabelRecord {
        let data: Vec<_> = self.plan.tables.iter().map(|table| table.section.bound.data_type).collect();
        let text = LabelText {
            system: "UNDO".to_owned(),
            day: self.options.now.day(),
            number: u32::try_from(self.run).unwrap_or(u32::MAX),
            data: data.clone(),
            acd: self.plan.acd,
            incremental: false,
            volume: 1,
        };
        let bits = data.iter().map(|data_type| data_type.bit()).fold(0, |bits, bit| bits | bit);
        LabelRecord {
            required_features: 0,
            optional_features: 0,
            set_id: set.0,
            volume: 1,
            label: text.to_string(),
            created_unix: self.options.now_unix,
            created_civil: self.options.now.0,
            source_store: self.source.kind.clone(),
            source_server: self.source.server.clone(),
            source_database: self.source.database.clone(),
            source_version: self.source.version.clone(),
            data_types: bits & data_types::ALL,
            acd: self.plan.acd,
            incremental: false,
            parent_set: None,
            sequence: 0,
            capacity: 0,
            device_record: RECORD_BYTES,
            predecessor: None,
            retain_until: None,
            software: concat!("intervault ", env!("CARGO_PKG_VERSION")).to_owned(),
            purpose: purpose::UNDO,
            chain: set.0,
            salvaged: None,
        }
    }

    /// The sections of all tables. Workers read and encode units of several tables at a time; they are written in order.
    fn sections(&self, set: &mut SetWriter<'_>, units: &[&UnitRows<'_>]) -> Result<Vec<Saved>, Error> {
        let tables = Tables::of(units);
        let mut saved = Vec::with_capacity(units.len());
        let mut open: Option<&BoundTable> = None;
        let mut room = Room(KEY_RUNS_MAX);
        ordered(
            self.options.decoders().min(self.snapshot.readers().max(1)),
            units.len(),
            2,
            |reader, item, emit| {
                let (Some(unit), Some(table)) = (units.get(item), tables.of_unit(item)) else { return Ok(()) };
                let saved = self.unit(reader, unit, table, &mut |chunk| emit(Step::Chunk(chunk)))?;
                emit(Step::End(saved));
                Ok::<(), Error>(())
            },
            |step| {
                let table = tables.of_unit(saved.len());
                if let Some(table) = table.filter(|table| open.is_none_or(|open| !std::ptr::eq(open, *table))) {
                    if let Some(before) = open.replace(table) {
                        set.end_section(tables.held(before, units))?;
                    }
                    set.begin_section(to_record(table, false, &Cutoffs::default()))?;
                }
                match step {
                    Step::Chunk(chunk) => {
                        let (rows, columns, bytes, pieces) = chunk.into_parts();
                        let stored = bytes.iter().map(|column| column.len() as u64).fold(0, u64::saturating_add);
                        set.chunk(ChunkContent { rows, columns, bytes, pieces })?;
                        self.monitor.advance(Task::Undo, u64::from(rows), stored);
                    }
                    Step::End(unit) => {
                        let keys = unit.keys.and_then(|keys| room.take(keys));
                        saved.push(Saved { keys, ..unit });
                    }
                }
                if self.monitor.cancelled() { Err(super::report::cancelled()) } else { Ok(()) }
            },
        )?;
        if let Some(last) = open {
            set.end_section(tables.held(last, units))?;
        }
        Ok(saved)
    }

    /// Saves the rows that one unit deletes.
    fn unit(
        &self,
        reader: usize,
        unit: &UnitRows<'_>,
        table: &BoundTable,
        emit: &mut dyn FnMut(EncodedChunk) -> bool,
    ) -> Result<Saved, Error> {
        let name = &table.schema.name;
        let mut encoder = Encoder::new(EncodeOptions::default());
        let cutoffs = Cutoffs::default();
        let odd = |text: String| StoreError {
            op: "save the rows that go".to_owned(),
            place: format!("table {name}"),
            kind: StoreErrorKind::Unsupported(text),
        };
        let (clock, days) = unit.days();
        let mut contents = Contents::new(unit);
        let seen = look(
            unit,
            Some(&mut contents),
            Some(&mut |batch: Batch, when, hashes| {
                let rows = Rows { batch, when, hashes };
                encode_chunks(rows, Bounds { cutoffs: &cutoffs, room: None }, &mut encoder, emit).map_err(|error| {
                    match error {
                        EncodeError::Stopped => StoreError { kind: StoreErrorKind::Stopped, ..odd(String::new()) },
                        error => odd(format!("{error}; restore with --no-undo, or leave the table out")),
                    }
                })
            }),
            &mut |columns, sink| {
                self.snapshot.scan_keyed(reader, &unit_target(unit, table).schema, clock, days, columns, sink)
            },
        )?;
        unit.check(&seen)?;
        Ok(Saved { rows: seen.goes, keys: Some(seen.keys) })
    }
}

/// What passes from the workers to the writer.
enum Step {
    Chunk(EncodedChunk),
    End(Saved),
}

fn unit_target<'a>(unit: &UnitRows<'a>, or: &'a BoundTable) -> &'a BoundTable {
    unit.target().unwrap_or(or)
}

/// The tables of the undo set, and which unit is of which.
struct Tables {
    tables: Vec<BoundTable>,
    /// For each unit the number of its table.
    of_units: Vec<usize>,
}

impl Tables {
    fn of(units: &[&UnitRows<'_>]) -> Tables {
        let (mut tables, mut of_units): (Vec<BoundTable>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut last = None;
        for unit in units {
            let Some(target) = unit.target() else { continue };
            if last.is_none_or(|last| !std::ptr::eq(last, unit.table)) {
                tables.push(with_key(target));
                last = Some(unit.table);
            }
            of_units.push(tables.len().saturating_sub(1));
        }
        Tables { tables, of_units }
    }

    fn of_unit(&self, unit: usize) -> Option<&BoundTable> {
        self.tables.get(*self.of_units.get(unit)?)
    }

    /// The time that the section of a table speaks for: the ranges of its units.
    fn held(&self, table: &BoundTable, units: &[&UnitRows<'_>]) -> Vec<HeldEntry> {
        let mut held: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
        for (at, unit) in units.iter().enumerate() {
            if self.of_unit(at).is_some_and(|of| std::ptr::eq(of, table)) {
                for (acd, scope) in unit.scopes() {
                    held.entry(*acd).or_default().extend(scope.spans());
                }
            }
        }
        let entries = held.into_iter().flat_map(|(acd, spans)| {
            let spans = SpanSet::from_spans(spans).spans().to_vec();
            spans.into_iter().map(move |span| HeldEntry { acd, start: span.start.0, stop: span.stop.0 })
        });
        entries.collect()
    }
}

/// What the undo set has of a unit.
pub(super) struct Saved {
    /// Its rows, keys included.
    pub(super) rows: Digest,
    /// Their keys; `None` where the units before it have filled the room for keys.
    pub(super) keys: Option<KeyRuns>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_remembered_as_long_as_there_is_room_for_their_runs() {
        let runs = |count: i64| KeyRuns::of_keys(&(0..count).map(|run| run * 10).collect::<Vec<_>>());
        let mut room = Room(3);
        let taken = [2, 2, 1, 1, 0].map(|count| room.take(runs(count)).map(|keys| keys.rows()));
        assert_eq!(taken, [Some(2), None, Some(1), None, Some(0)]);
    }
}
