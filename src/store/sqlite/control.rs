//! The control tables in SQLite: ordinary tables that any SQLite can read.

use rusqlite::params_from_iter;
use rusqlite::types::{Value as SqlValue, ValueRef};

use super::fault::Site;
use super::reader::Reader;
use super::shape;
use crate::column::batch::{OwnedValue, Value};
use crate::store::control::CONTROL_TABLES;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::ledger::{COLUMNS, Found, INDEXES, Ledger, WRITE};

/// The control tables, seen through one connection.
pub(super) struct Control<'a> {
    /// The connection; it has a transaction.
    pub(super) reader: &'a Reader,
    /// The database.
    pub(super) site: Site<'a>,
}

impl Ledger for Control<'_> {
    const PREFIX: &'static str = "intervault_";
    const ADVICE: &'static str = "put back what was altered, or, if no restore is to be resumed or undone, drop the tables \
                                  intervault_state, intervault_restore, intervault_unit and intervault_range";

    fn fail(&self, op: &str, kind: StoreErrorKind) -> StoreError {
        self.site.fail(op, kind)
    }

    fn found(&mut self, op: &str) -> Result<[Option<Found>; 4], StoreError> {
        let failed = self.site.during(op);
        let listing = self.reader.listing().map_err(&failed)?;
        let mut all = [const { None }; 4];
        for (table, found) in CONTROL_TABLES.into_iter().zip(&mut all) {
            let Some((name, kind)) = listing.control(table) else { continue };
            let triggers = listing.triggers(&self.reader.connection, table).map_err(&failed)?;
            let columns = shape::column_names(&self.reader.connection, name).map_err(&failed)?;
            let (name, kind) = (name.to_owned(), kind.to_owned());
            *found = Some(Found { name, kind, trigger: triggers.first().cloned(), columns });
        }
        Ok(all)
    }

    fn create(&mut self) -> Result<(), StoreError> {
        let mut sql = String::new();
        for (table, columns) in CONTROL_TABLES.iter().zip(COLUMNS) {
            sql.push_str(&format!("CREATE TABLE main.{table}(\n  {}\n);\n", columns.join(",\n  ")));
        }
        for (what, name, on) in INDEXES {
            sql.push_str(&format!("CREATE {what} main.intervault_{name} ON {on};\n"));
        }
        self.reader.connection.execute_batch(&sql).map_err(self.site.during(WRITE))
    }

    fn select(
        &mut self,
        op: &str,
        sql: &str,
        parameters: &[OwnedValue],
        sink: &mut dyn FnMut(&[Value<'_>]) -> Result<(), String>,
    ) -> Result<Result<(), String>, StoreError> {
        let failed = self.site.during(op);
        let mut statement = self.reader.connection.prepare_cached(sql).map_err(&failed)?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(parameters.iter().map(bound))).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let values: Result<Vec<Value<'_>>, _> =
                (0..width).map(|at| row.get_ref(at).map(value)).collect::<Result<_, _>>();
            let odd = sink(&values.map_err(&failed)?);
            if odd.is_err() {
                return Ok(odd);
            }
        }
        Ok(Ok(()))
    }

    fn execute(&mut self, sql: &str, parameters: &[OwnedValue]) -> Result<u64, StoreError> {
        let failed = self.site.during(WRITE);
        let mut statement = self.reader.connection.prepare_cached(sql).map_err(&failed)?;
        let changed = statement.execute(params_from_iter(parameters.iter().map(bound))).map_err(&failed)?;
        Ok(changed as u64)
    }
}

/// A value as a parameter. What the journal writes as text is UTF-8.
fn bound(value: &OwnedValue) -> SqlValue {
    match value {
        OwnedValue::Null => SqlValue::Null,
        OwnedValue::Integer(number) => SqlValue::Integer(*number),
        OwnedValue::Real(real) => SqlValue::Real(*real),
        OwnedValue::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
        OwnedValue::Blob(bytes) => SqlValue::Blob(bytes.clone()),
    }
}

fn value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(text),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    }
}
