//! The target's rows of a unit: read again, told apart, counted and summed up. What is read is the store's affair, by a
//! function that scans; nothing is changed here.

use super::report::{AcdPlan, RangesPlan, Source, TableAction, TablePlan};
use super::rules::Rule;
use super::sides::{Cells, Sides};
use super::units::{Part, days, looked_at, scopes};
use crate::base::aside::aside;
use crate::base::time::{Day, Span, civil_of_day};
use crate::column::batch::{Batch, Column, ColumnData};
use crate::column::digest::{Digest, RowHasher};
use crate::column::error::ColumnError;
use crate::column::logical::LogicalType;
use crate::error::Error;
use crate::schema::clock::{Clock, RowTimes, RowWhen, When, bucket_day};
use crate::schema::range::{Side, SpanSet, Undated};
use crate::schema::table::BoundTable;
use crate::section::evidence::Bucket;
use crate::section::pieces::Acd;
use crate::store::control::KeyRuns;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::KeyedSink;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What rows amount to, by bucket.
pub(super) type Sums = BTreeMap<Bucket, Digest>;

/// Scans columns of a unit's days and hands on rows with their keys.
pub(super) type Scan<'a> = dyn FnMut(&[usize], &mut KeyedSink<'_>) -> Result<(), StoreError> + 'a;

/// One unit of a table's plan, with what tells its rows from others.
pub(super) struct UnitRows<'a> {
    /// The table's plan.
    pub(super) table: &'a TablePlan,
    /// Which part of it.
    pub(super) part: Part,
    acds: HashMap<Acd, &'a AcdPlan>,
    /// The time in which rows are replaced, per ACD; nothing unless the unit is a slice.
    scopes: BTreeMap<Acd, SpanSet>,
    only: Option<i64>,
}

/// What becomes of a row of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The unit has nothing to do with it.
    Outside,
    /// It lies across an edge: looked at, and left alone.
    Across,
    /// It lies in the ranges of the unit and stays.
    Stays,
    /// It goes.
    Goes,
}

impl<'a> UnitRows<'a> {
    /// A unit of a table that is not left alone.
    pub(super) fn new(table: &'a TablePlan, part: Part) -> UnitRows<'a> {
        let (acds, scopes, only) = match &table.action {
            TableAction::Leave(_) => (HashMap::new(), BTreeMap::new(), None),
            TableAction::Whole(whole) => (HashMap::new(), BTreeMap::new(), whole.acd),
            TableAction::Ranges(ranges) => {
                let scopes = part.dated().map(|slice| scopes(ranges, slice)).unwrap_or_default();
                (ranges.acds.iter().map(|plan| (plan.acd, plan)).collect(), scopes, None)
            }
        };
        UnitRows { table, part, acds, scopes, only }
    }

    fn ranges(&self) -> Option<&'a RangesPlan> {
        match &self.table.action {
            TableAction::Ranges(ranges) => Some(ranges),
            TableAction::Leave(_) | TableAction::Whole(_) => None,
        }
    }

    fn cell(&self, acd: Acd, span: Span) -> Span {
        self.ranges().map_or(span, |ranges| ranges.cells.of(acd, span))
    }

    /// The target's table.
    pub(super) fn target(&self) -> Option<&'a BoundTable> {
        match &self.table.action {
            TableAction::Leave(_) => None,
            TableAction::Ranges(ranges) => Some(&ranges.bound_target),
            TableAction::Whole(whole) => Some(&whole.bound_target),
        }
    }

    /// By what and which days the rows of the unit are found: everything for those without a time.
    pub(super) fn days(&self) -> (Option<&'a Clock>, (Option<Day>, Option<Day>)) {
        match (self.target(), self.part) {
            (Some(target), Part::Slice(slice)) => (target.clock.as_ref(), days(target.grain, slice)),
            _ => (None, (None, None)),
        }
    }

    /// The ranges that the unit replaces, per ACD: none for rows without a time.
    pub(super) const fn scopes(&self) -> &BTreeMap<Acd, SpanSet> {
        &self.scopes
    }

    /// The ACDs whose undated rows are replaced or put in by this unit.
    pub(super) fn undated_acds(&self) -> impl Iterator<Item = Acd> + '_ {
        let here = self.part.is_undated();
        let touched = self.acds.values().filter(move |plan| here && plan.decision.undated != Undated::Leave);
        touched.map(|plan| plan.acd)
    }

    fn fate(&self, row: &RowWhen) -> Fate {
        let plan = || self.acds.get(&row.acd);
        match (self.part, row.when) {
            (Part::Whole, _) if self.only.is_none_or(|acd| row.acd == Some(acd)) => Fate::Goes,
            (Part::Undated | Part::Both, When::Undated) => match plan().map(|plan| plan.decision.undated) {
                Some(Undated::Replace) => Fate::Goes,
                Some(Undated::Insert) => Fate::Stays,
                Some(Undated::Leave) | None => Fate::Outside,
            },
            (Part::Slice(_) | Part::Both, When::Dated(span)) => {
                let (Some(scope), Some(plan)) = (self.scopes.get(&row.acd), plan()) else { return Fate::Outside };
                let cell = self.cell(row.acd, span);
                // A slice ends where no row that the plan saw lies across: what does came later.
                if !scope.meets(cell) {
                    Fate::Outside
                } else if self.part.dated().is_some_and(|slice| slice.holds(cell)) && plan.decision.deletes(cell) {
                    Fate::Goes
                } else if scope.holds(span) {
                    Fate::Stays
                } else {
                    Fate::Across
                }
            }
            _ => Fate::Outside,
        }
    }

    /// Whether a row of the volumes goes in with this unit.
    pub(super) fn inserts(&self, row: &RowWhen) -> bool {
        match (self.part, row.when) {
            (Part::Whole, _) => self.only.is_none_or(|acd| row.acd == Some(acd)),
            (Part::Undated | Part::Both, When::Undated) => {
                self.acds.get(&row.acd).is_some_and(|plan| plan.decision.undated != Undated::Leave)
            }
            (part, When::Dated(span)) => self.acds.get(&row.acd).is_some_and(|plan| {
                let cell = self.cell(row.acd, span);
                part.dated().is_some_and(|slice| slice.holds(cell)) && plan.decision.inserts(cell)
            }),
            _ => false,
        }
    }

    /// Whether a row lies in the ranges of the unit.
    fn holds(&self, row: &RowWhen) -> bool {
        match (self.part, row.when) {
            (Part::Whole, _) => self.only.is_none_or(|acd| row.acd == Some(acd)),
            (Part::Undated | Part::Both, When::Undated) => self.undated_acds().any(|acd| acd == row.acd),
            (Part::Slice(_) | Part::Both, When::Dated(span)) => {
                self.scopes.get(&row.acd).is_some_and(|scope| scope.holds(span))
            }
            _ => false,
        }
    }

    /// Whether rows stay in the ranges of the unit, by the plan.
    pub(super) fn keeps_some(&self) -> bool {
        let kept = |plan: &&&AcdPlan| plan.decision.kept.iter().any(|slot| self.meets(plan.acd, slot.span));
        self.acds.values().any(|plan| kept(&plan))
    }

    fn meets(&self, acd: Acd, span: Span) -> bool {
        self.scopes.get(&acd).is_some_and(|scope| scope.meets(span))
    }

    /// Refuses rows that are not those that the plan saw.
    pub(super) fn check(&self, seen: &Seen) -> Result<(), Error> {
        let undated = || {
            self.undated_acds().all(|acd| {
                let planned = self.acds.get(&acd).map_or(0, |plan| plan.target.undated);
                seen.sides.get(&acd).map_or(0, |side| side.undated) == planned
            })
        };
        let dated = || {
            self.scopes.iter().all(|(acd, scope)| {
                let planned = self.acds.get(acd).map(|plan| looked_at(&plan.target, scope)).unwrap_or_default();
                seen.sides.get(acd).map(Side::slots).unwrap_or_default() == planned.slots()
            })
        };
        let same = match self.part {
            Part::Whole => match &self.table.action {
                TableAction::Whole(whole) => seen.keys.rows() == whole.delete,
                _ => false,
            },
            Part::Undated => undated(),
            Part::Slice(_) => dated(),
            Part::Both => undated() && dated(),
        };
        if same { Ok(()) } else { Err(changed(&self.table.table, self.part)) }
    }
}

/// The target's rows are no longer those that the plan saw.
pub(super) fn changed(table: &str, part: Part) -> Error {
    let of = match part {
        Part::Whole | Part::Both => String::new(),
        Part::Undated => " without a usable time".to_owned(),
        Part::Slice(slice) => format!(" of {}", SpanSet::from(slice)),
    };
    Rule::ChangedSincePlan.error(
        format!("table {table}: the target's rows{of} have changed since the plan was made"),
        "they were left as they are; plan and restore again",
    )
}

/// The target's rows of a unit, as they are now.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// All rows that the decision rests on, counted as the plan counts them.
    pub(super) sides: BTreeMap<Acd, Side>,
    /// Keys of the rows that go.
    pub(super) keys: KeyRuns,
    /// What the rows that go amount to, in the target's own columns and their keys behind them; zero unless contents were
    /// read.
    pub(super) goes: Digest,
    /// What the rows that stay amount to, in the target's own columns; likewise.
    pub(super) stays: Digest,
    /// The same as their sections would hash them, by bucket.
    pub(super) stays_by_bucket: Sums,
}

/// Rows that go, as they pass: all columns of the target and their keys behind them, when they are, and their hashes.
pub(super) type Going<'a> = dyn FnMut(Batch, &[RowWhen], &[u128]) -> Result<(), StoreError> + 'a;

/// Looks at the target's rows of a unit. With `contents` all columns are read and summed up, otherwise only keys.
pub(super) fn look(
    unit: &UnitRows<'_>,
    contents: Option<&mut Contents<'_>>,
    going: Option<&mut Going<'_>>,
    scan: &mut Scan<'_>,
) -> Result<Seen, Error> {
    let Some(target) = unit.target() else { return Ok(Seen::default()) };
    let blank = Cells::default();
    let cells = unit.ranges().map_or(&blank, |ranges| &ranges.cells);
    let (mut sides, mut seen, mut gone) = (Sides::new(cells), Seen::default(), Vec::new());
    let columns: Vec<usize> = match contents {
        Some(_) => (0..target.schema.columns.len()).collect(),
        None => RowTimes::columns(target),
    };
    let mut times = RowTimes::projected(target, &columns)?;
    let (mut contents, mut going) = (contents, going);
    scan(&columns, &mut |keys, batch| {
        let when = times.all(&batch);
        let fates: Vec<Fate> = when.iter().map(|row| unit.fate(row)).collect();
        let here: Vec<RowWhen> =
            when.iter().zip(&fates).filter(|(_, f)| **f != Fate::Outside).map(|(r, _)| *r).collect();
        sides.add(&here);
        gone.extend(keys.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Goes).map(|(key, _)| *key));
        let Some(contents) = contents.as_deref_mut() else { return Ok(()) };
        contents.stay(&mut seen, &when, &fates, &batch)?;
        contents.go(&mut seen, keys, batch, &when, &fates, going.as_deref_mut())
    })?;
    (seen.sides, seen.keys) = (sides.finish(), KeyRuns::of_keys(&gone));
    Ok(seen)
}

/// The type of the column that row keys are kept in.
pub(super) const KEY: LogicalType = LogicalType::Integer { bits: 64 };

/// Hashes of the target's rows: in its own columns, and as the sections hash theirs.
pub(super) struct Contents<'a> {
    table: &'a str,
    own: Vec<LogicalType>,
    /// The same with the key behind them.
    keyed: Vec<LogicalType>,
    /// For each source the columns of the target in the section's order, and their types there; none if the sections are as
    /// the target itself.
    views: Vec<(&'a Source, Vec<LogicalType>)>,
    hasher: RowHasher,
    hashes: Vec<u128>,
    section_hashes: Vec<u128>,
}

impl<'a> Contents<'a> {
    pub(super) fn new(unit: &UnitRows<'a>) -> Contents<'a> {
        let own = unit.target().map(|target| target.schema.logical_types()).unwrap_or_default();
        let sources = unit.table.sources();
        let same = |source: &Source| {
            source.mapping.columns.iter().copied().eq(0..own.len())
                && source.section.bound.schema.logical_types() == own
        };
        let views = if sources.iter().all(same) { &[] } else { sources };
        let views = views.iter().map(|source| (source, source.section.bound.schema.logical_types())).collect();
        let (hashes, section_hashes) = (Vec::new(), Vec::new());
        let keyed = own.iter().copied().chain([KEY]).collect();
        Contents { table: &unit.table.table, own, keyed, views, hasher: RowHasher::default(), hashes, section_hashes }
    }

    /// Whether a row's hash in its section is that in the target's own columns.
    pub(super) fn are_alike(&self) -> bool {
        self.views.is_empty()
    }

    /// The hash of each row in the target's own columns, all of which the batch has.
    fn hash(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.hasher.hash(batch, &self.own, &mut self.hashes).map_err(|error| odd(self.table, &error))
    }

    /// The hash of each row as its section would have it: that of the source whose row it would be.
    fn hash_by_section(&mut self, batch: &Batch, when: &[RowWhen]) -> Result<(), StoreError> {
        self.section_hashes.clone_from(&self.hashes);
        let views = std::mem::take(&mut self.views);
        for (source, types) in views.iter().rev() {
            let columns = source.mapping.columns.iter().filter_map(|column| batch.columns.get(*column).cloned());
            let view = Batch { columns: columns.collect(), rows: batch.rows };
            let mut hashes = Vec::new();
            self.hasher.hash(&view, types, &mut hashes).map_err(|error| odd(self.table, &error))?;
            let given = when.iter().zip(self.section_hashes.iter_mut().zip(&hashes));
            for (_, (all, hash)) in given.filter(|(row, _)| source.gives(row)) {
                *all = *hash;
            }
        }
        self.views = views;
        Ok(())
    }

    /// Sums up the rows that lie in the ranges of a unit.
    fn sum_up(
        &mut self,
        unit: &UnitRows<'_>,
        when: &[RowWhen],
        (keys, batch): (&[i64], &Batch),
        after: &mut After,
    ) -> Result<(), StoreError> {
        self.hash(batch)?;
        self.hash_by_section(batch, when)?;
        // Added together: one by one, in whatever order they come, they would be sorted as often.
        let mut held = Vec::new();
        for (((row, key), own), hash) in when.iter().zip(keys).zip(&self.hashes).zip(&self.section_hashes) {
            after.left = after.left.saturating_add(u64::from(unit.fate(row) == Fate::Goes && !unit.inserts(row)));
            if unit.holds(row) {
                held.push(*key);
                after.own.add(*own);
                after.by_bucket.entry(bucket(row)).or_default().add(*hash);
            }
        }
        after.keys.add_keys(&held);
        Ok(())
    }

    /// Sums up the rows that stay.
    fn stay(&mut self, seen: &mut Seen, when: &[RowWhen], fates: &[Fate], batch: &Batch) -> Result<(), StoreError> {
        if !fates.contains(&Fate::Stays) {
            return Ok(());
        }
        self.hash(batch)?;
        self.hash_by_section(batch, when)?;
        let hashes = self.hashes.iter().zip(&self.section_hashes);
        for ((row, (own, hash)), _) in when.iter().zip(hashes).zip(fates).filter(|(_, fate)| **fate == Fate::Stays) {
            seen.stays.add(*own);
            seen.stays_by_bucket.entry(bucket(row)).or_default().add(*hash);
        }
        Ok(())
    }

    /// Sums up the rows that go, and hands them on.
    fn go(
        &mut self,
        seen: &mut Seen,
        keys: &[i64],
        mut batch: Batch,
        when: &[RowWhen],
        fates: &[Fate],
        going: Option<&mut Going<'_>>,
    ) -> Result<(), StoreError> {
        let goes: Vec<bool> = fates.iter().map(|fate| *fate == Fate::Goes).collect();
        if !goes.contains(&true) {
            return Ok(());
        }
        batch.columns.push(Column::new(ColumnData::Integer(keys.to_vec())));
        let all = goes.iter().all(|goes| *goes);
        let batch = if all { batch } else { batch.keep(&goes) };
        self.hasher.hash(&batch, &self.keyed, &mut self.hashes).map_err(|error| odd(self.table, &error))?;
        seen.goes = seen.goes.plus(Digest::of(&self.hashes));
        let Some(going) = going else { return Ok(()) };
        if all {
            return going(batch, when, &self.hashes);
        }
        let kept: Vec<RowWhen> = when.iter().zip(&goes).filter(|(_, goes)| **goes).map(|(row, _)| *row).collect();
        going(batch, &kept, &self.hashes)
    }
}

/// What the ranges of a unit hold after it was replaced.
#[derive(Debug, Default)]
pub(super) struct After {
    /// By bucket, as the sections hash.
    pub(super) by_bucket: Sums,
    /// All of it, in the target's own columns.
    pub(super) own: Digest,
    /// Rows that were to go and are still there.
    pub(super) left: u64,
    /// The keys of all of it.
    pub(super) keys: KeyRuns,
}

/// Reads what the ranges of a unit hold.
pub(super) fn read_again(
    unit: &UnitRows<'_>,
    contents: &mut Contents<'_>,
    scan: &mut Scan<'_>,
) -> Result<After, Error> {
    let Some(target) = unit.target() else { return Ok(After::default()) };
    let columns: Vec<usize> = (0..target.schema.columns.len()).collect();
    let mut times = RowTimes::projected(target, &columns)?;
    // The rows come on this thread, which has the transaction; they are hashed on another one.
    let summed = aside(
        1,
        |give| {
            scan(&columns, &mut |keys, batch| {
                give((keys.to_vec(), batch));
                Ok(())
            })
        },
        |batches| {
            let mut after = After::default();
            for (keys, batch) in batches {
                contents.sum_up(unit, &times.all(&batch), (&keys, &batch), &mut after)?;
            }
            Ok::<After, StoreError>(after)
        },
    )?;
    Ok(summed?)
}

/// The bucket of a row.
pub(super) fn bucket(row: &RowWhen) -> Bucket {
    let day: Option<Day> = match row.when {
        When::Dated(span) => Some(bucket_day(span)),
        When::Undated => None,
    };
    (row.acd, day)
}

fn odd(table: &str, error: &ColumnError) -> StoreError {
    let kind = StoreErrorKind::Unsupported(format!("its rows cannot be compared: {error}"));
    StoreError { op: "read rows to compare".to_owned(), place: table.to_owned(), kind }
}

/// Refuses a difference, with the first of the buckets in which it is.
pub(super) fn compare(table: &str, expected: &Sums, found: &Sums) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    let buckets: BTreeSet<&Bucket> = expected.keys().chain(found.keys()).collect();
    let differ: Vec<&Bucket> = buckets.into_iter().filter(|bucket| expected.get(bucket) != found.get(bucket)).collect();
    let named: Vec<String> = differ.iter().take(5).map(|bucket| bucket_name(bucket)).collect();
    let more = differ.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::damage(
        format!("table {table}: the target does not hold what was restored: {}{more}", named.join("; ")),
        "this part was rolled back; look for triggers, type conversions or other writers in the target",
    ))
}

fn bucket_name((acd, day): &Bucket) -> String {
    let acd = acd.map_or_else(|| "no ACD".to_owned(), |acd| format!("ACD {acd}"));
    match day.map(civil_of_day) {
        Some((year, month, day)) => format!("{acd} on {year:04}-{month:02}-{day:02}"),
        None => format!("{acd}, undated"),
    }
}
