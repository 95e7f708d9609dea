//! The hot path: rows of a statement into batches.
//!
//! SQLite hands the values of a row over in two ways: as the result of a step, or as the arguments of a function that the
//! statement calls. The second is faster by half on tables of fifty columns, since neither the step nor a call per value
//! goes through the statement's own bookkeeping. So a scan is `SELECT 1 FROM t WHERE intervault_take(c1, c2, …)`: the
//! function takes the row, and is false (the row is no result) until a batch is full.
//!
//! How its arguments are read is the affair of `values`; `intake` holds what was taken.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, ToSql};
use std::cell::RefCell;
use std::ffi::CStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::days::DayWalk;
use super::declared::Affinity;
use super::fault::Site;
use super::listing::Listing;
use super::shape::Shape;
use crate::column::batch::{Batch, Value};
use crate::column::logical::LogicalType;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::intake::{Guess, Intake};
use crate::store::traits::DayCount;

const TAKE: &CStr = c"intervault_take";
const TAKE_DAY: &str = "intervault_take_day";
/// Most values that go through the function: SQLite's own limit is 1,000 arguments, and it may be lowered.
const ARGUMENTS_MAX: usize = 900;

/// A connection that can scan.
#[derive(Debug)]
pub(super) struct Reader {
    /// The connection.
    pub(super) connection: Connection,
    intake: Arc<Mutex<Intake>>,
    days: Arc<Mutex<DayWalk>>,
    listing: RefCell<Option<Arc<Listing>>>,
}

/// What to scan, as the parts of a statement.
pub(super) struct Scan<'a> {
    /// The table, by what the database says of it.
    pub(super) shape: &'a Shape,
    /// The columns to read, by number.
    pub(super) columns: &'a [usize],
    /// Name of the row key, if each row is to be led by it.
    pub(super) key: Option<&'a str>,
    /// What follows FROM: the table, perhaps with an index to use or to leave.
    pub(super) from: String,
    /// The condition; empty for none.
    pub(super) condition: String,
    /// What the parameters `?1`, `?2`, … of the condition stand for.
    pub(super) parameters: Vec<&'a dyn ToSql>,
    /// The order; empty for none.
    pub(super) order: String,
    /// Rows that may come, 0 if not known.
    pub(super) rows: u64,
    /// Most rows in a batch.
    pub(super) batch_rows: usize,
    /// About how many bytes in a batch.
    pub(super) batch_bytes: usize,
}

impl Scan<'_> {
    fn values(&self, site: Site<'_>) -> Result<Vec<String>, StoreError> {
        let mut values: Vec<String> = self.key.iter().map(|key| (*key).to_owned()).collect();
        for index in self.columns {
            let Some(column) = self.shape.schema.columns.get(*index) else {
                let text = format!("there is no column {index}, counted from 0");
                return Err(site.fail("read the table", StoreErrorKind::Unsupported(text)));
            };
            values.push(crate::store::name::quoted(&column.name));
        }
        Ok(values)
    }

    fn guesses(&self) -> Vec<Guess> {
        self.columns.iter().map(|index| guess(self.shape, *index)).collect()
    }

    /// The statement through the function, or with the values as its result.
    pub(super) fn sql(&self, values: &[String], through_function: bool) -> String {
        let values = values.join(",");
        let mut conditions = Vec::new();
        if !self.condition.is_empty() {
            conditions.push(self.condition.clone());
        }
        let result = if through_function {
            conditions.push(format!("{}({values})", TAKE.to_string_lossy()));
            "1"
        } else if values.is_empty() {
            "1"
        } else {
            values.as_str()
        };
        let mut sql = format!("SELECT {result} FROM {}", self.from);
        if !conditions.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        if !self.order.is_empty() {
            sql.push_str(" ORDER BY ");
            sql.push_str(&self.order);
        }
        sql
    }
}

impl Reader {
    /// Makes a connection able to scan.
    pub(super) fn new(connection: Connection) -> rusqlite::Result<Reader> {
        let intake = Arc::new(Mutex::new(Intake::default()));
        super::values::register(&connection, TAKE, &intake)?;
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        let days = Arc::new(Mutex::new(DayWalk::default()));
        let shared = Arc::clone(&days);
        connection.create_scalar_function(TAKE_DAY, 2, flags, move |context| {
            Ok(held(&shared).take(context.get_raw(0), context.get_raw(1)))
        })?;
        Ok(Reader { connection, intake, days, listing: RefCell::new(None) })
    }

    /// All tables of the database as it is now; remembered until the schema changes.
    pub(super) fn listing(&self) -> rusqlite::Result<Arc<Listing>> {
        let known = self.listing.borrow().clone();
        if let Some(known) = known
            && known.is_current(&self.connection)?
        {
            return Ok(known);
        }
        let listing = Arc::new(Listing::load(&self.connection)?);
        *self.listing.borrow_mut() = Some(Arc::clone(&listing));
        Ok(listing)
    }

    /// Lets go of what [`Reader::listing`] remembers.
    pub(super) fn forget_listing(&self) {
        *self.listing.borrow_mut() = None;
    }

    /// The days of a table with their rows, if all dates are canonical and the row order is the day order. `from` names the
    /// table and an index on the date column.
    pub(super) fn days_in_order(&self, from: &str, date: &str, key: &str) -> rusqlite::Result<Option<Vec<DayCount>>> {
        *held(&self.days) = DayWalk::default();
        let sql = format!("SELECT 1 FROM {from} WHERE {TAKE_DAY}({date}, {key}) LIMIT 1");
        let odd = self.connection.query_row(&sql, [], |_| Ok(())).optional()?;
        let walk = std::mem::take(&mut *held(&self.days));
        Ok(if odd.is_some() { None } else { walk.in_order() })
    }

    /// Runs a scan; `sink` gets the keys (none unless asked for) and the rows, batch by batch.
    pub(super) fn run(
        &self,
        site: Site<'_>,
        scan: &Scan<'_>,
        sink: &mut dyn FnMut(Vec<i64>, Batch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let values = scan.values(site)?;
        self.run_as(site, scan, &values, values.len() <= ARGUMENTS_MAX, sink)
    }

    fn run_as(
        &self,
        site: Site<'_>,
        scan: &Scan<'_>,
        values: &[String],
        through_function: bool,
        sink: &mut dyn FnMut(Vec<i64>, Batch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = site.during("read the table");
        held(&self.intake).start(scan.guesses(), scan.key.is_some(), scan.rows, scan.batch_rows, scan.batch_bytes);
        let sql = scan.sql(values, through_function);
        let mut statement = self.connection.prepare(&sql).map_err(&failed)?;
        let mut rows = statement.query(scan.parameters.as_slice()).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            if !through_function && !held(&self.intake).take(|index| row.get_ref(index).map_or(Value::Null, value)) {
                continue;
            }
            let full = held(&self.intake).deliver();
            if let Some((keys, batch)) = full {
                sink(keys, batch)?;
            }
        }
        let rest = held(&self.intake).finish();
        match rest {
            Some((keys, batch)) => sink(keys, batch),
            None => Ok(()),
        }
    }
}

/// A value of a row.
const fn value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v),
        ValueRef::Text(v) => Value::Text(v),
        ValueRef::Blob(v) => Value::Blob(v),
    }
}

/// What a function gathers in; a panic elsewhere while it was held does not matter, as each scan starts it afresh.
fn held<T>(gathered: &Mutex<T>) -> MutexGuard<'_, T> {
    gathered.lock().unwrap_or_else(PoisonError::into_inner)
}

fn guess(shape: &Shape, column: usize) -> Guess {
    let logical = shape.schema.columns.get(column).map(|column| column.logical);
    match (logical, shape.affinities.get(column)) {
        (
            Some(LogicalType::Date | LogicalType::Time | LogicalType::Timestamp | LogicalType::TimestampZone),
            Some(Affinity::Numeric),
        )
        | (_, Some(Affinity::Text)) => Guess::Text,
        (_, Some(Affinity::Real)) => Guess::Real,
        (Some(LogicalType::Blob), _) => Guess::Blob,
        _ => Guess::Integer,
    }
}
