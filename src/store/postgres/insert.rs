//! Rows into a table by COPY. Where they come to lie is the server's affair: it is asked afterwards.

use super::copy_text::Lines;
use super::days;
use super::encode::Encoder;
use super::fault::{self, Site};
use super::fidelity::{self, Kind};
use super::keys::Tid;
use super::session::Session;
use super::shape::Shape;
use crate::base::time::Day;
use crate::column::batch::Batch;
use crate::schema::clock::Clock;
use crate::store::control::KeyRuns;
use crate::store::error::{StoreError, StoreErrorKind};

const INSERT: &str = "insert rows";
/// Where rows wait whose new keys must be known one by one.
const WAITING: &str = "pg_temp.intervault_rows";

/// A table that rows go into, in one transaction.
pub(super) struct Place<'a> {
    /// The session that has the transaction.
    pub(super) client: &'a mut Session,
    /// Where that is, for errors.
    pub(super) site: Site<'a>,
    /// The table.
    pub(super) shape: &'a Shape,
    /// The encoding in which text is sent.
    pub(super) encoding: &'a str,
}

impl Place<'_> {
    /// Inserts the rows of a batch.
    pub(super) fn insert(&mut self, columns: &[usize], batch: &Batch) -> Result<(), StoreError> {
        self.check(columns, batch)?;
        self.copy(columns, batch, |_| true)
    }

    /// Inserts rows that had these keys before. Of those whose old key is among `named`, the old and the new one are given.
    pub(super) fn insert_keyed(
        &mut self,
        columns: &[usize],
        keys: &[i64],
        named: &KeyRuns,
        batch: &Batch,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        self.check(columns, batch)?;
        if keys.len() != batch.rows {
            let text = format!("{} row keys were given for {} rows", keys.len(), batch.rows);
            return Err(self.site.fail(INSERT, StoreErrorKind::Unsupported(text)));
        }
        let is_named = |row: usize| keys.get(row).is_some_and(|key| named.holds(*key));
        self.copy(columns, batch, |row| !is_named(row))?;
        let old: Vec<i64> = keys.iter().copied().filter(|key| named.holds(*key)).collect();
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let new = self.one_by_one(columns, batch, is_named)?;
        if new.len() != old.len() {
            let text = format!("{} rows went in and {} of them have keys now", old.len(), new.len());
            return Err(self.site.fail(INSERT, StoreErrorKind::Refused(text)));
        }
        Ok(old.into_iter().zip(new).collect())
    }

    /// The keys of the rows that this transaction has put in.
    pub(super) fn inserted(
        &mut self,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
    ) -> Result<KeyRuns, StoreError> {
        let mut condition = clock.map(|clock| days::condition(self.shape, clock, days)).unwrap_or_default();
        if !condition.is_empty() {
            condition.push_str(" AND ");
        }
        let sql = format!(
            "SELECT tableoid::oid, ctid FROM {} WHERE {condition}xmin = pg_current_xact_id()::xid",
            self.shape.from()
        );
        Ok(KeyRuns::of_keys(&places(self.client, self.site, self.shape, "ask where new rows are", &sql)?))
    }

    /// The rows that are wanted go in by COPY.
    fn copy(&mut self, columns: &[usize], batch: &Batch, wanted: impl Fn(usize) -> bool) -> Result<(), StoreError> {
        let names = self.names(columns).join(",");
        let into = format!("{}({names})", self.shape.qualified());
        self.send(&into, batch, wanted)
    }

    /// The rows that are wanted go in one by one, in their order; their keys.
    fn one_by_one(
        &mut self,
        columns: &[usize],
        batch: &Batch,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<i64>, StoreError> {
        let names = self.names(columns);
        let own: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
        let like: Vec<String> = names.iter().zip(&own).map(|(name, own)| format!("{name} AS {own}")).collect();
        let sql = format!(
            "DROP TABLE IF EXISTS {WAITING}; CREATE TEMPORARY TABLE {WAITING} ON COMMIT DROP AS \
             SELECT {} FROM {} WITH NO DATA",
            like.join(","),
            self.shape.from()
        );
        self.client.batch_execute(&sql).map_err(self.site.during(INSERT))?;
        self.send(WAITING, batch, wanted)?;
        // Rows of one COPY into an empty table lie in their order; a column that numbers them may be one too many.
        let sql = format!(
            "INSERT INTO {}({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {WAITING} ORDER BY ctid \
             RETURNING tableoid::oid, ctid",
            self.shape.qualified(),
            names.join(","),
            own.join(",")
        );
        places(self.client, self.site, self.shape, INSERT, &sql)
    }

    /// Sends the rows of a batch that are wanted.
    fn send(&mut self, into: &str, batch: &Batch, wanted: impl Fn(usize) -> bool) -> Result<(), StoreError> {
        let lead = |_| None;
        let mut encoder = Encoder::new(batch);
        let Some(mut piece) = encoder.piece(&wanted, lead) else { return Ok(()) };
        let site = self.site;
        let sql = format!("COPY {into} FROM STDIN WITH (ENCODING '{}')", self.encoding);
        let mut copy = self.client.copy_in(&sql).map_err(site.during(INSERT))?;
        let refused = |error: postgres::Error| site.fail(INSERT, refused(&error));
        loop {
            copy.send(piece).map_err(refused)?;
            match encoder.piece(&wanted, lead) {
                Some(next) => piece = next,
                None => break,
            }
        }
        copy.finish().map_err(refused)?;
        Ok(())
    }

    fn names(&self, columns: &[usize]) -> Vec<String> {
        self.shape.column_list(columns).unwrap_or_default()
    }

    /// Refuses a batch that does not fit the columns, or holds a value that a column would change.
    fn check(&self, columns: &[usize], batch: &Batch) -> Result<(), StoreError> {
        let misfit = |text: String| Err(self.site.fail(INSERT, StoreErrorKind::Unsupported(text)));
        if columns.len() != batch.columns.len() || columns.is_empty() {
            return misfit(format!("{} columns were named for a batch of {}", columns.len(), batch.columns.len()));
        }
        let shape = self.shape;
        for (position, (index, column)) in columns.iter().zip(&batch.columns).enumerate() {
            let (Some(target), Some((base, modifier))) = (shape.schema.columns.get(*index), shape.bases.get(*index))
            else {
                return misfit(format!("there is no column {index}, counted from 0"));
            };
            if columns.iter().take(position).any(|earlier| earlier == index) {
                return misfit(format!("column {} is named twice", target.name));
            }
            if column.len() != batch.rows {
                return misfit(format!("column {} has {} values for {} rows", target.name, column.len(), batch.rows));
            }
            if let Some((row, reason)) = fidelity::first_changed(column, Kind::of(*base, *modifier)) {
                let text = format!("column {} ({}), row {row} of the batch: {reason}", target.name, target.declared);
                return Err(self.site.fail(INSERT, StoreErrorKind::Refused(text)));
            }
        }
        Ok(())
    }
}

/// The keys of the rows that a statement gives as number of the leaf's table and place in it, in their order.
pub(super) fn places(
    client: &mut Session,
    site: Site<'_>,
    shape: &Shape,
    op: &str,
    sql: &str,
) -> Result<Vec<i64>, StoreError> {
    let leaves = shape.leaf_oids();
    let mut keys = Vec::new();
    let mut lines = Lines::default();
    client.copy_out(site, op, &format!("COPY ({sql}) TO STDOUT"), &mut |bytes| {
        lines.take(bytes, |line| {
            let odd = || {
                let text = format!("{} is no place of a row", String::from_utf8_lossy(line));
                site.fail(op, StoreErrorKind::Unsupported(text))
            };
            keys.push(key(line, &leaves).ok_or_else(odd)?);
            Ok(())
        })
    })?;
    Ok(keys)
}

/// What the server says of a row that it does not take, with the line and the column that it names.
fn refused(error: &postgres::Error) -> StoreErrorKind {
    let at = error.as_db_error().and_then(|said| said.where_()).and_then(|at| at.lines().next());
    let data = error.code().is_some_and(|code| code.code().starts_with("22"));
    match (fault::kind_of(error), at) {
        (StoreErrorKind::Refused(words), Some(at)) => StoreErrorKind::Refused(format!("{words} ({at})")),
        (StoreErrorKind::Other { message, .. } | StoreErrorKind::Unsupported(message), at) if data => {
            StoreErrorKind::Refused(at.map_or(message.clone(), |at| format!("{message} ({at})")))
        }
        (kind, _) => kind,
    }
}

/// The key of a line `oid`, tab, `(block,offset)`.
fn key(line: &[u8], leaves: &[u32]) -> Option<i64> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (oid, place) = line.split_at_checked(tab)?;
    let oid: u32 = std::str::from_utf8(oid).ok()?.parse().ok()?;
    let leaf = u16::try_from(leaves.binary_search(&oid).ok()?).ok()?;
    Some(Tid::parse(place.get(1..)?)?.key(leaf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_places() {
        let at = |leaf, block, offset| Some(Tid { block, offset }.key(leaf));
        assert_eq!(key(b"16384\t(7,3)", &[16_384]), at(0, 7, 3));
        assert_eq!(key(b"9\t(0,1)", &[5, 9, 11]), at(1, 0, 1));
        for line in ["", "9", "9\t", "8\t(0,1)", "x\t(0,1)", "9\t(0,1)x"] {
            assert_eq!(key(line.as_bytes(), &[5, 9, 11]), None, "{line}");
        }
    }
}
