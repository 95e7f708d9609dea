//! The rows of an undo: those that were saved, proved and told apart by unit, and those that are in the target by now. Nothing
//! is changed here.

use super::drift;
use super::plan::position;
use super::rules::{Refusal, Rule};
use super::target::Scan;
use super::units::{Part, days};
use crate::base::time::{Day, Instant, Span};
use crate::column::batch::{Batch, ColumnData};
use crate::column::digest::{Digest, RowHasher};
use crate::column::logical::LogicalType;
use crate::error::{Class, Error, ErrorKind};
use crate::schema::clock::{Clock, RowTimes, RowWhen, When};
use crate::schema::grain::Grain;
use crate::schema::range::SpanSet;
use crate::schema::table::{BoundTable, TableSchema};
use crate::section::pieces::Acd;
use crate::section::rows::SectionTable;
use crate::store::control::{KeyRuns, Range, RangeKind, Totals, Unit};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{KeyedSink, Replacement};
use crate::volume::section::{ChunkRef, SectionView};
use crate::volume::set::SetReader;
use std::collections::{BTreeMap, BTreeSet};

/// Takes saved rows with their keys.
pub(super) type Take<'a> = dyn FnMut(&[i64], Batch) -> Result<(), Error> + 'a;

/// Scans columns of the rows with some keys.
pub(super) type ScanRuns<'a> = dyn FnMut(&KeyRuns, &[usize], &mut KeyedSink<'_>) -> Result<(), StoreError> + 'a;

/// Why a unit is not put back.
pub(super) enum Hindrance {
    /// Something is wrong with this one: others can be put back all the same.
    Alone(Refusal),
    /// Nothing more can be done.
    All(Error),
}

impl From<Refusal> for Hindrance {
    fn from(refusal: Refusal) -> Hindrance {
        Hindrance::Alone(refusal)
    }
}

impl From<Error> for Hindrance {
    fn from(error: Error) -> Hindrance {
        let (class, kind) = (error.class(), error.kind());
        let rule = match (class, kind) {
            // A damaged database is no place to go on in.
            (Class::Damage, ErrorKind::Store(_)) => return Hindrance::All(error),
            (Class::Damage, _) => Rule::Damage,
            (Class::Volume, _) => Rule::MissingVolume,
            (Class::NotRestorable, ErrorKind::Store(_)) => Rule::NotWritable,
            (_, ErrorKind::Store(StoreError { kind: StoreErrorKind::NoTable(table), .. })) => {
                return Hindrance::Alone(no_table(table));
            }
            _ => return Hindrance::All(error),
        };
        let refusal = match kind {
            ErrorKind::Damage { what, advice } | ErrorKind::Wanted { what, advice } => rule.refusal(what, advice),
            _ if rule == Rule::NotWritable => {
                rule.refusal(error.to_string(), "look at the table's rules, keys and triggers, and undo again")
            }
            _ => rule.refusal(error.to_string(), ANOTHER_COPY),
        };
        Hindrance::Alone(refusal.of_class(class))
    }
}

impl From<StoreError> for Hindrance {
    fn from(error: StoreError) -> Hindrance {
        Error::from(error).into()
    }
}

const ANOTHER_COPY: &str = "this part was left as it is; use another copy of the undo set";

fn no_table(table: &str) -> Refusal {
    let what = format!("the target has no table {table} any more");
    Rule::AbsentTable.refusal(what, "create it again, with its columns, first")
}

/// A table of the undo set.
pub(super) struct Saved {
    view: SectionView,
    pub(super) section: SectionTable,
}

impl Saved {
    pub(super) fn of(set: &SetReader<'_>, table: &str) -> Result<Saved, Error> {
        let view = set.sections().iter().find(|section| section.header.table.eq_ignore_ascii_case(table)).cloned();
        let Some(view) = view else {
            return Err(Error::damage(
                format!("undo set {} has no table {table}", set.label().label),
                "check it: intervault check DEVICE --verify",
            ));
        };
        let section = SectionTable::new(view.number, &view.header)?;
        Ok(Saved { view, section })
    }

    /// The columns as they were in the target: all but the last, which is the key.
    fn schema(&self) -> TableSchema {
        let mut schema = self.section.bound.schema.clone();
        schema.columns.pop();
        schema
    }

    fn types(&self) -> Vec<LogicalType> {
        self.schema().logical_types()
    }

    /// The target's table, if it is there and as it was.
    pub(super) fn target(&self, schema: Option<TableSchema>) -> Result<BoundTable, Refusal> {
        let own = self.schema();
        let Some(schema) = schema else { return Err(no_table(&own.name)) };
        let names =
            |schema: &TableSchema| -> Vec<String> { schema.columns.iter().map(|column| column.name.clone()).collect() };
        if names(&own) != names(&schema) || drift::map(&own, &schema, drift::Types::Same).is_err() {
            return Err(Rule::SchemaDrift.refusal(
                format!("table {}: its columns are not those that it had before the restore", schema.name),
                "give it these columns again, in their order, and undo then",
            ));
        }
        Ok(BoundTable { schema, ..self.section.bound.clone() })
    }

    /// Which part of the table a unit is. All of time stands for rows without a usable time, but where ranges were replaced
    /// together with these.
    pub(super) fn part(&self, line: &Unit, ranges: &[Range]) -> Part {
        match (self.section.bound.grain, line.slice == Span::ALL) {
            (Grain::None, _) => Part::Whole,
            (_, true) if ranges.iter().any(is_dated) => Part::Both,
            (_, true) => Part::Undated,
            (_, false) => Part::Slice(line.slice),
        }
    }
}

/// Whether the rows of a range have a time.
pub(super) const fn is_dated(range: &Range) -> bool {
    matches!(range.kind, RangeKind::Held | RangeKind::Carried)
}

/// What the ranges of a unit hold now.
pub(super) struct Now {
    /// Keys of the rows.
    pub(super) keys: Vec<i64>,
    /// What they amount to.
    pub(super) digest: Digest,
}

/// The rows of one unit, on the undo set and in the target.
pub(super) struct UndoRows<'a> {
    pub(super) saved: &'a Saved,
    pub(super) target: &'a BoundTable,
    pub(super) part: Part,
    pub(super) ranges: &'a [Range],
}

impl UndoRows<'_> {
    /// By what and which days the rows of the unit are found: everything for those without a time.
    pub(super) fn days(&self) -> (Option<&Clock>, (Option<Day>, Option<Day>)) {
        match self.part {
            Part::Slice(slice) => (self.target.clock.as_ref(), days(self.target.grain, slice)),
            Part::Whole | Part::Undated | Part::Both => (None, (None, None)),
        }
    }

    pub(super) fn look_in(&self, replacement: &mut dyn Replacement) -> Result<Now, Error> {
        let (clock, days) = self.days();
        self.look(&mut |columns, sink| replacement.scan_keyed(&self.target.schema, clock, days, columns, sink))
    }

    /// Reads what is in the ranges of the unit.
    pub(super) fn look(&self, scan: &mut Scan<'_>) -> Result<Now, Error> {
        let ranges = Ranges::of(self.ranges);
        let (mut now, mut hasher) = (Now { keys: Vec::new(), digest: Digest::default() }, RowHasher::default());
        let (types, mut hashes) = (self.saved.types(), Vec::new());
        let columns: Vec<usize> = (0..types.len()).collect();
        let mut times = RowTimes::projected(self.target, &columns)?;
        scan(&columns, &mut |keys, batch| {
            let when = times.all(&batch);
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| self.odd(error.to_string()))?;
            for ((row, hash), key) in when.iter().zip(&hashes).zip(keys) {
                if ranges.hold(row) {
                    now.digest.add(*hash);
                    now.keys.push(*key);
                }
            }
            Ok(())
        })?;
        Ok(now)
    }

    /// The keys of the rows that go, and what these amount to; `None` if nobody can tell. Where nothing stayed beside the
    /// inserted rows all that is in the ranges goes, whatever keys the rows have by now; else the journal's keys must still
    /// name the inserted rows: by force these may have changed, but they must all be there, in the ranges.
    pub(super) fn going(
        &self,
        line: &Unit,
        now: &Now,
        force: bool,
        scan: &mut ScanRuns<'_>,
    ) -> Result<Option<(KeyRuns, Digest)>, Error> {
        if line.after == line.inserted {
            return Ok(Some((KeyRuns::of_keys(&now.keys), now.digest)));
        }
        let named = self.at(&line.keys, scan)?;
        let there = || {
            let here = now.keys.iter().filter(|key| line.keys.holds(**key)).count() as u64;
            force && named.rows == line.inserted.rows && here == named.rows
        };
        Ok((named == digest(line.inserted) || there()).then(|| (line.keys.clone(), named)))
    }

    /// What the rows with these keys amount to.
    fn at(&self, keys: &KeyRuns, scan: &mut ScanRuns<'_>) -> Result<Digest, Error> {
        let (types, mut hashes, mut hasher) = (self.saved.types(), Vec::new(), RowHasher::default());
        let columns: Vec<usize> = (0..types.len()).collect();
        let mut sum = Digest::default();
        scan(keys, &columns, &mut |_, batch| {
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| self.odd(error.to_string()))?;
            sum = sum.plus(Digest::of(&hashes));
            Ok(())
        })?;
        Ok(sum)
    }

    fn odd(&self, text: String) -> StoreError {
        let place = format!("table {}", self.target.schema.name);
        StoreError { op: "read the rows to undo".to_owned(), place, kind: StoreErrorKind::Unsupported(text) }
    }

    /// Reads the saved rows of the unit, proves them, and hands them on with their keys. Gives what they amount to without
    /// the keys.
    pub(super) fn prove_saved(&self, set: &SetReader<'_>, line: &Unit, take: &mut Take<'_>) -> Result<Digest, Error> {
        let (types, mut hashes, mut hasher) = (self.saved.types(), Vec::new(), RowHasher::default());
        let (mut sum, mut keyed) = (Digest::default(), Digest::default());
        for chunk in self.saved.view.chunks.iter().filter(|chunk| self.may_have(chunk)) {
            let payload = set.read_chunk(chunk)?;
            let damaged = |what: String| {
                let what = format!("undo set {}, table {}: {what}", set.label().label, line.table);
                Error::damage(what, ANOTHER_COPY)
            };
            let rows = self.saved.section.prove(&mut RowHasher::default(), &payload, position(chunk));
            let rows = rows.map_err(|error| damaged(error.to_string()))?;
            let mine: Vec<bool> = rows.when.iter().map(|row| self.is_mine(row)).collect();
            rows.hashes.iter().zip(&mine).filter(|(_, mine)| **mine).for_each(|(hash, _)| keyed.add(*hash));
            let mut batch = rows.batch.keep(&mine);
            let keys = batch.columns.pop();
            let Some(ColumnData::Integer(keys)) = keys.map(|column| column.data) else {
                return Err(damaged("its rows have no keys".to_owned()));
            };
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| damaged(error.to_string()))?;
            sum = sum.plus(Digest::of(&hashes));
            if batch.rows > 0 {
                take(&keys, batch)?;
            }
        }
        if keyed == digest(line.saved) {
            return Ok(sum);
        }
        let what = format!("undo set {}, table {}: not the rows that were saved", set.label().label, line.table);
        Err(Error::damage(what, ANOTHER_COPY))
    }

    fn may_have(&self, chunk: &ChunkRef) -> bool {
        match self.part {
            Part::Whole | Part::Undated | Part::Both => true,
            Part::Slice(slice) => {
                let span = Span::new(Instant(chunk.entry.first), Instant(chunk.entry.stop));
                span.is_some_and(|span| span.meets(slice))
            }
        }
    }

    /// Every saved row is one unit's: slices are cut where no row lies across.
    fn is_mine(&self, row: &RowWhen) -> bool {
        match (self.part, row.when) {
            (Part::Whole | Part::Both, _) | (Part::Undated, When::Undated) => true,
            (Part::Slice(slice), When::Dated(span)) => slice.holds(span),
            _ => false,
        }
    }
}

/// The ranges of a unit's lines.
struct Ranges {
    dated: BTreeMap<Acd, SpanSet>,
    undated: BTreeSet<Acd>,
    whole: BTreeSet<Acd>,
}

impl Ranges {
    fn of(lines: &[Range]) -> Ranges {
        let mut spans: BTreeMap<Acd, Vec<Span>> = BTreeMap::new();
        let (mut undated, mut whole) = (BTreeSet::new(), BTreeSet::new());
        for line in lines {
            match line.kind {
                RangeKind::Held | RangeKind::Carried => spans.entry(line.acd).or_default().push(line.span),
                RangeKind::Undated => drop(undated.insert(line.acd)),
                RangeKind::Whole => drop(whole.insert(line.acd)),
            }
        }
        let dated = spans.into_iter().map(|(acd, spans)| (acd, SpanSet::from_spans(spans))).collect();
        Ranges { dated, undated, whole }
    }

    fn hold(&self, row: &RowWhen) -> bool {
        if self.whole.contains(&None) || self.whole.contains(&row.acd) {
            return true;
        }
        match row.when {
            When::Dated(span) => self.dated.get(&row.acd).is_some_and(|ranges| ranges.holds(span)),
            When::Undated => self.undated.contains(&row.acd),
        }
    }
}

pub(super) fn digest(totals: Totals) -> Digest {
    Digest::from_bytes(totals.digest, totals.rows)
}
