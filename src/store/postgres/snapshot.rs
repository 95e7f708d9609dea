//! One state of the database, read by several sessions: the first exports its snapshot, the others begin with it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::address::Address;
use super::connect::{self, Purpose};
use super::control::Control;
use super::fault::Site;
use super::reader::Scan;
use super::session::Session;
use super::shape::{self, Listing, Shape};
use super::{indexes, parts, rules};
use crate::base::time::Day;
use crate::schema::clock::Clock;
use crate::schema::table::TableSchema;
use crate::store::control::{KeyRuns, Range, Run, State, Unit};
use crate::store::error::StoreError;
use crate::store::ledger::Ledger;
use crate::store::traits::{DayCount, KeyedSink, Part, RowSink, Snapshot};

const BEGIN: &str = "begin to read the database";
const READ: &str = "read the table";
const LOOK: &str = "look at the table";
/// A snapshot for everything that is read; rows come in the order in which they lie.
const TRANSACTION: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                           SET LOCAL synchronize_seqscans = off";

/// The snapshot; its transactions end when it is dropped.
///
/// The sink of a scan must not call the snapshot that it is fed from: it might wait for the session that feeds it.
pub(super) struct PostgresSnapshot {
    place: String,
    schema: String,
    /// For questions, and for scans where there is no other.
    first: Mutex<Session>,
    /// Those that scan.
    readers: Vec<Mutex<Session>>,
    listing: OnceLock<Arc<Listing>>,
    notices: Vec<String>,
}

impl std::fmt::Debug for PostgresSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSnapshot").field("place", &self.place).finish_non_exhaustive()
    }
}

impl PostgresSnapshot {
    /// Begins to read with `readers` sessions, at least one, and one more for questions.
    pub(super) fn begin(address: &Address, readers: usize) -> Result<PostgresSnapshot, StoreError> {
        let place = address.to_string();
        let site = Site::database(&place);
        let (mut first, found) = connect::find(address, Purpose::Reading)?;
        first.batch_execute(TRANSACTION).map_err(site.during(BEGIN))?;
        let mut notices = Vec::new();
        let mut sessions = Vec::new();
        match first.query_one("SELECT pg_export_snapshot()", &[]).and_then(|row| row.try_get::<_, String>(0)) {
            Ok(snapshot) => {
                for _ in 0..readers.max(1) {
                    let mut session = found.session(site)?;
                    let begin = format!("{TRANSACTION}; SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', "''"));
                    session.batch_execute(&begin).map_err(site.during(BEGIN))?;
                    sessions.push(Mutex::new(session));
                }
            }
            Err(error) if error.as_db_error().is_some() => {
                notices.push(format!(
                    "the server cannot share a snapshot between sessions ({error}): the tables are read by one session alone"
                ));
                // The transaction has failed, and nothing was read in it yet.
                first
                    .batch_execute("ROLLBACK")
                    .and_then(|()| first.batch_execute(TRANSACTION))
                    .map_err(site.during(BEGIN))?;
            }
            Err(error) => return Err(site.during(BEGIN)(error)),
        }
        let (first, schema) = (Mutex::new(first), address.schema().to_owned());
        Ok(PostgresSnapshot { place, schema, first, readers: sessions, listing: OnceLock::new(), notices })
    }

    fn site(&self) -> Site<'_> {
        Site::database(&self.place)
    }

    fn at<'s>(&'s self, table: &'s TableSchema) -> Site<'s> {
        Site::table(&self.place, &table.name)
    }

    /// The session for questions.
    fn first(&self) -> MutexGuard<'_, Session> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with the session of a reader, from 0.
    fn reading<T>(&self, number: usize, work: impl FnOnce(&mut Session) -> T) -> T {
        match number.checked_rem(self.readers.len()).and_then(|number| self.readers.get(number)) {
            Some(reader) => work(&mut reader.lock().unwrap_or_else(PoisonError::into_inner)),
            None => work(&mut self.first()),
        }
    }

    /// All tables, asked for once.
    fn listing(&self) -> Result<Arc<Listing>, StoreError> {
        if let Some(listing) = self.listing.get() {
            return Ok(Arc::clone(listing));
        }
        let listing = Arc::new(shape::load(&mut self.first(), self.site(), &self.schema, None)?);
        Ok(Arc::clone(self.listing.get_or_init(|| listing)))
    }

    fn control<T>(&self, work: impl FnOnce(&mut Control<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(&mut Control { client: &mut self.first(), site: self.site() })
    }

    fn with_shape<T>(
        &self,
        op: &str,
        table: &TableSchema,
        work: impl FnOnce(&Shape) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        work(shape::same(&*self.listing()?, self.at(table), op, table)?)
    }
}

impl Snapshot for PostgresSnapshot {
    fn readers(&self) -> usize {
        self.readers.len().max(1)
    }

    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }

    fn schema(&self, table: &str) -> Result<Option<TableSchema>, StoreError> {
        Ok(self.listing()?.table(table).map(|shape| shape.schema.clone()))
    }

    fn writable(&self, table: &TableSchema) -> Result<(), StoreError> {
        self.with_shape(LOOK, table, |shape| rules::writable(&mut self.first(), self.at(table), shape))
    }

    fn unique_columns(&self, table: &TableSchema) -> Result<Vec<Vec<usize>>, StoreError> {
        self.with_shape(LOOK, table, |shape| {
            rules::unique(&mut self.first(), shape).map_err(self.at(table).during(LOOK))
        })
    }

    fn refers_to(&self, table: &TableSchema) -> Result<Vec<String>, StoreError> {
        self.with_shape(LOOK, table, |shape| {
            rules::refers_to(&mut self.first(), shape).map_err(self.at(table).during(LOOK))
        })
    }

    fn fills_at_once(&self, table: &TableSchema) -> Result<bool, StoreError> {
        self.with_shape(LOOK, table, |shape| {
            let mut session = self.first();
            let found = indexes::put_off(&mut session, shape).map_err(self.at(table).during(LOOK))?;
            Ok(!found.is_empty())
        })
    }

    fn tables(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.listing()?.names())
    }

    fn unlisted(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut unlisted = self.listing()?.unlisted();
        let sql = "SELECT n.nspname::text, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
                   AND n.nspname NOT IN ($1, 'intervault', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' \
                   AND NOT EXISTS (SELECT FROM pg_depend d \
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') GROUP BY 1 ORDER BY 1";
        let rows = self.first().query(sql, &[&self.schema]).map_err(self.site().during("list the schemas"))?;
        for row in &rows {
            let pair = row.try_get(0).and_then(|name: String| Ok((name, row.try_get::<_, i64>(1)?)));
            let (name, count) = pair.map_err(self.site().during("list the schemas"))?;
            let tables = if count == 1 { "1 table lies".to_owned() } else { format!("{count} tables lie") };
            let reason =
                format!("{tables} in another schema: name it in the URL, ?schema={name}, and back it up by itself");
            unlisted.push((format!("{name}.*"), reason));
        }
        Ok(unlisted)
    }

    fn parts(&self, table: &TableSchema, rows: u64) -> Result<Vec<Part>, StoreError> {
        let op = "cut the table into parts";
        self.with_shape(op, table, |shape| {
            parts::parts(&mut self.first(), shape, rows).map_err(self.at(table).during(op))
        })
    }

    /// Nothing tells how rows lie but reading them all.
    fn days_in_order(&self, _table: &TableSchema, _clock: &Clock) -> Result<Option<Vec<DayCount>>, StoreError> {
        Ok(None)
    }

    fn scan(
        &self,
        reader: usize,
        table: &TableSchema,
        part: &Part,
        batch_rows: usize,
        batch_bytes: usize,
        sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError> {
        self.with_shape(READ, table, |shape| {
            let columns: Vec<usize> = (0..shape.schema.columns.len()).collect();
            let scan = Scan { rows: part.rows, batch_rows, batch_bytes, ..Scan::new(shape, &columns, false) };
            let keys = (part.first, part.last);
            self.reading(reader, |rows| scan.blocks_of(rows, self.at(table), keys, &mut |_, batch| sink(batch)))
        })
    }

    fn scan_days(
        &self,
        reader: usize,
        table: &TableSchema,
        clock: &Clock,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut RowSink<'_>,
    ) -> Result<(), StoreError> {
        self.with_shape(READ, table, |shape| {
            let scan = Scan::new(shape, columns, false);
            self.reading(reader, |rows| scan.days(rows, self.at(table), Some(clock), days, &mut |_, batch| sink(batch)))
        })
    }

    fn scan_keyed(
        &self,
        reader: usize,
        table: &TableSchema,
        clock: Option<&Clock>,
        days: (Option<Day>, Option<Day>),
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        self.with_shape(READ, table, |shape| {
            let scan = Scan::new(shape, columns, true);
            self.reading(reader, |rows| {
                scan.days(rows, self.at(table), clock, days, &mut |keys, batch| sink(&keys, batch))
            })
        })
    }

    fn scan_runs(
        &self,
        reader: usize,
        table: &TableSchema,
        keys: &KeyRuns,
        columns: &[usize],
        sink: &mut KeyedSink<'_>,
    ) -> Result<(), StoreError> {
        self.with_shape(READ, table, |shape| {
            let scan = Scan::new(shape, columns, true);
            self.reading(reader, |rows| scan.runs(rows, self.at(table), keys, &mut |keys, batch| sink(&keys, batch)))
        })
    }

    fn state(&self) -> Result<State, StoreError> {
        self.control(|control| control.state())
    }

    fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.control(|control| control.runs())
    }

    fn units(&self, run: u64) -> Result<Vec<Unit>, StoreError> {
        self.control(|control| control.units(run))
    }

    fn ranges(&self) -> Result<Vec<Range>, StoreError> {
        self.control(|control| control.ranges())
    }
}
