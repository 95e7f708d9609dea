//! The hot path: rows of a COPY into batches.
//!
//! COPY in text format: on wide rows of whole numbers the server spends less on text than on its binary format, and any type
//! travels as what it is read back from. `copy_text` cuts a row, `intake` gathers rows.

use super::copy_text::{Cutter, Lead, Lines, Odd};
use super::days;
use super::declared::Form;
use super::fault::Site;
use super::keys::{Blocks, Tid, blocks};
use super::session::Session;
use super::shape::Shape;
use crate::base::time::Day;
use crate::column::batch::Batch;
use crate::schema::clock::Clock;
use crate::store::control::KeyRuns;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::intake::{Guess, Intake};

const READ: &str = "read the table";
/// Batches of scans that are not told how large theirs are to be.
pub(super) const BATCH_ROWS: usize = 16_384;
pub(super) const BATCH_BYTES: usize = 8 << 20;
/// Blocks of other rows that are read rather than begin another statement, and the most statements by ranges of blocks: keys that
/// are spread wider are listed.
const GAP_BLOCKS: u32 = 64;
const RANGES_MAX: usize = 64;
/// From so many keys on a statement lists no more, at most 19 bytes each.
const LISTED_KEYS: usize = 16_384;

/// What takes the rows of a scan: their keys (none unless asked for), and themselves.
pub(super) type Sink<'a> = dyn FnMut(Vec<i64>, Batch) -> Result<(), StoreError> + 'a;

/// What to scan, and how to gather it.
pub(super) struct Scan<'a> {
    /// The table, by what the database says of it.
    pub(super) shape: &'a Shape,
    /// The columns to read, by number.
    pub(super) columns: &'a [usize],
    /// Whether each row is to be led by its key.
    pub(super) keyed: bool,
    /// Rows that may come, 0 if not known.
    pub(super) rows: u64,
    /// Most rows in a batch.
    pub(super) batch_rows: usize,
    /// About how many bytes in a batch.
    pub(super) batch_bytes: usize,
}

impl<'a> Scan<'a> {
    /// A scan of some columns in batches of the usual size.
    pub(super) const fn new(shape: &'a Shape, columns: &'a [usize], keyed: bool) -> Scan<'a> {
        Scan { shape, columns, keyed, rows: 0, batch_rows: BATCH_ROWS, batch_bytes: BATCH_BYTES }
    }

    /// Reads the rows of some days; without a clock all.
    pub(super) fn days(
        &self,
        client: &mut Session,
        site: Site<'_>,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let condition = clock.map(|clock| days::condition(self.shape, clock, days)).unwrap_or_default();
        self.where_(client, site, &condition, sink)
    }

    /// Reads the rows that meet a condition; empty for all.
    pub(super) fn where_(
        &self,
        client: &mut Session,
        site: Site<'_>,
        condition: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let leaves = self.shape.leaf_oids();
        let lead = match (self.keyed, self.shape.partitioned) {
            (false, _) => Lead::None,
            (true, false) => Lead::Place(0),
            (true, true) => Lead::Leaf(&leaves),
        };
        let condition = if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
        self.copy(client, site, lead, &format!("FROM {}{condition}", self.shape.from()), None, sink)
    }

    /// Reads the rows of the blocks from that of one key to that of another.
    pub(super) fn blocks_of(
        &self,
        client: &mut Session,
        site: Site<'_>,
        (first, last): (i64, i64),
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let mut keys = KeyRuns::default();
        keys.add_run(first, last);
        blocks(&keys, 0).into_iter().try_for_each(|blocks| self.of_blocks(client, site, blocks, None, sink))
    }

    /// Reads the rows with these keys, in any order.
    pub(super) fn runs(
        &self,
        client: &mut Session,
        site: Site<'_>,
        keys: &KeyRuns,
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let ranges = blocks(keys, GAP_BLOCKS);
        if ranges.len() <= RANGES_MAX {
            return ranges.into_iter().try_for_each(|blocks| self.of_blocks(client, site, blocks, Some(keys), sink));
        }
        let mut listed: Vec<Tid> = Vec::new();
        let mut of = 0u16;
        for (first, last) in keys.iter() {
            // Of a run within a block each place is listed; one over several blocks is no list of rows that were there.
            let (Some((leaf, from)), Some((end, to))) = (Tid::of_key(first), Tid::of_key(last)) else { continue };
            if (leaf, from.block) != (end, to.block) {
                let mut run = KeyRuns::default();
                run.add_run(first, last);
                let ranges = blocks(&run, 0);
                ranges.into_iter().try_for_each(|blocks| self.of_blocks(client, site, blocks, Some(keys), sink))?;
                continue;
            }
            if leaf != of || listed.len() >= LISTED_KEYS {
                self.listed(client, site, of, &listed, sink)?;
                listed.clear();
            }
            of = leaf;
            listed.extend((from.offset..=to.offset).map(|offset| Tid { block: from.block, offset }));
        }
        self.listed(client, site, of, &listed, sink)
    }

    fn listed(
        &self,
        client: &mut Session,
        site: Site<'_>,
        leaf: u16,
        tids: &[Tid],
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        if tids.is_empty() {
            return Ok(());
        }
        let condition = format!("ctid = ANY ({})", tid_array(tids));
        self.in_leaf(client, site, leaf, &condition, None, sink)
    }

    fn of_blocks(
        &self,
        client: &mut Session,
        site: Site<'_>,
        Blocks { leaf, first, last }: Blocks,
        wanted: Option<&KeyRuns>,
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let mut condition = format!("ctid >= '({first},0)'");
        if let Some(after) = last.checked_add(1) {
            condition.push_str(&format!(" AND ctid < '({after},0)'"));
        }
        self.in_leaf(client, site, leaf, &condition, wanted, sink)
    }

    fn in_leaf(
        &self,
        client: &mut Session,
        site: Site<'_>,
        number: u16,
        condition: &str,
        wanted: Option<&KeyRuns>,
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        // A key in a partition that is not there names no row.
        let Some(leaf) = self.shape.leaves.get(usize::from(number)) else { return Ok(()) };
        let lead = if self.keyed { Lead::Place(number) } else { Lead::None };
        let from = format!("FROM ONLY {} WHERE {condition}", leaf.qualified());
        self.copy(client, site, lead, &from, wanted, sink)
    }

    /// What is selected: what makes the key, and the columns.
    fn selected(&self, site: Site<'_>, lead: Lead<'_>) -> Result<String, StoreError> {
        let Some(names) = self.shape.column_list(self.columns) else {
            let text = "a column was asked for that the table does not have".to_owned();
            return Err(site.fail(READ, StoreErrorKind::Unsupported(text)));
        };
        let lead: &[&str] = match lead {
            Lead::None => &[],
            Lead::Place(_) => &["ctid"],
            Lead::Leaf(_) => &["tableoid::oid", "ctid"],
        };
        Ok(lead.iter().map(|lead| (*lead).to_owned()).chain(names).collect::<Vec<_>>().join(","))
    }

    fn copy(
        &self,
        client: &mut Session,
        site: Site<'_>,
        lead: Lead<'_>,
        from: &str,
        wanted: Option<&KeyRuns>,
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let sql = format!("COPY (SELECT {} {from}) TO STDOUT", self.selected(site, lead)?);
        let forms: Vec<Form> = self.columns.iter().filter_map(|index| self.shape.forms.get(*index).copied()).collect();
        let mut intake = Intake::default();
        let guesses = forms.iter().map(|form| guess(*form)).collect();
        intake.start(guesses, self.keyed, self.rows, self.batch_rows, self.batch_bytes);
        let mut cutter = Cutter::default();
        let odd = |odd: Odd| {
            let text = format!("a row cannot be read, field {} (from 0): {}", odd.field, odd.what);
            site.fail(READ, StoreErrorKind::Unsupported(text))
        };
        let mut take = |row: &[u8]| -> Result<(), StoreError> {
            let (key, rest) = lead.key(row).map_err(odd)?;
            if wanted.is_some_and(|wanted| !wanted.holds(key)) {
                return Ok(());
            }
            let full = intake.take_row(key, |into| cutter.cut(rest, lead, &forms, |value| into.push(value)));
            match full.map_err(odd)? {
                true => intake.deliver().map_or(Ok(()), |(keys, batch)| sink(keys, batch)),
                false => Ok(()),
            }
        };
        let mut lines = Lines::default();
        client.copy_out(site, READ, &sql, &mut |bytes| lines.take(bytes, &mut take))?;
        intake.finish().map_or(Ok(()), |(keys, batch)| sink(keys, batch))
    }
}

/// Places of rows as an array, for SQL.
pub(super) fn tid_array(tids: &[Tid]) -> String {
    let mut text = String::from("'{");
    for (at, tid) in tids.iter().enumerate() {
        text.push_str(if at == 0 { "\"" } else { ",\"" });
        text.push_str(&tid.to_string());
        text.push('"');
    }
    text.push_str("}'::tid[]");
    text
}

const fn guess(form: Form) -> Guess {
    match form {
        Form::Integer | Form::Boolean => Guess::Integer,
        Form::Real { .. } => Guess::Real,
        Form::Text => Guess::Text,
        Form::Blob => Guess::Blob,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_an_array() {
        let tids = [Tid { block: 1, offset: 2 }, Tid { block: 3, offset: 4 }];
        assert_eq!(tid_array(&tids), "'{\"(1,2)\",\"(3,4)\"}'::tid[]");
    }
}
