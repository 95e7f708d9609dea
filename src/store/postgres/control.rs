//! The control tables in PostgreSQL: those of the schema `intervault`, beside the schemas of the database's own tables.

use postgres::types::{ToSql, Type};

use super::fault::Site;
use super::session::Session;
use crate::column::batch::{OwnedValue, Value};
use crate::store::control::CONTROL_TABLES;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::ledger::{COLUMNS, Found, INDEXES, Ledger, RANGES, WRITE, spelled};

/// The schema of the control tables.
pub(super) const SCHEMA: &str = "intervault";

/// The control tables, seen through one session.
pub(super) struct Control<'a> {
    /// The session; it has a transaction.
    pub(super) client: &'a mut Session,
    /// The database.
    pub(super) site: Site<'a>,
}

impl Ledger for Control<'_> {
    const PREFIX: &'static str = "intervault.";
    const ADVICE: &'static str = "put back what was altered, or, if no restore is to be resumed or undone, drop the schema \
                                  intervault with all that is in it";

    fn fail(&self, op: &str, kind: StoreErrorKind) -> StoreError {
        self.site.fail(op, kind)
    }

    fn found(&mut self, op: &str) -> Result<[Option<Found>; 4], StoreError> {
        let failed = self.site.during(op);
        let sql = "SELECT c.relname::text, c.relkind::text, (SELECT min(t.tgname::text) FROM pg_trigger t \
                   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), \
                   ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
                   AND NOT a.attisdropped ORDER BY a.attnum), \
                   ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = c.oid \
                   AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')";
        let rows = self.client.query(sql, &[&SCHEMA]).map_err(&failed)?;
        let mut all = [const { None }; 4];
        for row in &rows {
            let name: String = row.try_get(0).map_err(&failed)?;
            let name = format!("intervault_{name}");
            let Some(at) = CONTROL_TABLES.iter().position(|table| *table == name) else { continue };
            let (kind, trigger): (String, _) = (row.try_get(1).map_err(&failed)?, row.try_get(2).map_err(&failed)?);
            let names: Vec<String> = row.try_get(3).map_err(&failed)?;
            let types: Vec<String> = row.try_get(4).map_err(&failed)?;
            let kind = match kind.as_str() {
                "r" => "table",
                "p" => "partitioned table",
                "f" => "foreign table",
                _ => "view",
            };
            let declared = COLUMNS.get(at).copied().unwrap_or_default();
            let columns = names.into_iter().zip(types).enumerate().map(|(at, (name, of))| {
                // A column of another type is another column.
                let same = declared.get(at).is_some_and(|declared| type_of(declared) == of);
                if same { name } else { format!("{name} ({of})") }
            });
            let columns = columns.collect();
            if let Some(found) = all.get_mut(at) {
                *found = Some(Found { name, kind: kind.to_owned(), trigger, columns });
            }
        }
        Ok(all)
    }

    fn create(&mut self) -> Result<(), StoreError> {
        let failed = self.site.during(WRITE);
        let sql = "SELECT EXISTS(SELECT FROM pg_namespace WHERE nspname = $1), quote_ident(current_user)";
        let row = self.client.query_one(sql, &[&SCHEMA]).map_err(&failed)?;
        let (there, role): (bool, String) = (row.try_get(0).map_err(&failed)?, row.try_get(1).map_err(&failed)?);
        let sql = format!("{}{}", if there { "" } else { "CREATE SCHEMA intervault;\n" }, tables());
        self.client.batch_execute(&sql).map_err(|error| {
            let mut error = self.site.during(WRITE)(error);
            if let StoreErrorKind::NotPermitted(words) = &mut error.kind {
                words.push_str(&match there {
                    false => format!("; or let an administrator run: CREATE SCHEMA intervault AUTHORIZATION {role}"),
                    true => {
                        format!("; or let an administrator run: GRANT USAGE, CREATE ON SCHEMA intervault TO {role}")
                    }
                });
            }
            error
        })
    }

    fn select(
        &mut self,
        op: &str,
        sql: &str,
        parameters: &[OwnedValue],
        sink: &mut dyn FnMut(&[Value<'_>]) -> Result<(), String>,
    ) -> Result<Result<(), String>, StoreError> {
        let failed = self.site.during(op);
        let statement = self.client.prepare(&own(sql)).map_err(&failed)?;
        let bound = bound(parameters, statement.params());
        let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|value| &**value as _).collect();
        for row in &self.client.query(&statement, &bound).map_err(&failed)? {
            let values: Result<Vec<Value<'_>>, _> = (0..row.len()).map(|at| value(row, at)).collect();
            let odd = sink(&values.map_err(&failed)?);
            if odd.is_err() {
                return Ok(odd);
            }
        }
        Ok(Ok(()))
    }

    fn execute(&mut self, sql: &str, parameters: &[OwnedValue]) -> Result<u64, StoreError> {
        let failed = self.site.during(WRITE);
        let statement = self.client.prepare(&own(sql)).map_err(&failed)?;
        let bound = bound(parameters, statement.params());
        let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|value| &**value as _).collect();
        self.client.execute(&statement, &bound).map_err(&failed)
    }
}

/// The statements that make the tables.
fn tables() -> String {
    let mut sql = String::new();
    for (table, columns) in CONTROL_TABLES.iter().zip(COLUMNS) {
        let columns = columns.iter().map(|column| {
            let numbered = *table == RANGES && column.ends_with("PRIMARY KEY");
            let more = if numbered { " GENERATED BY DEFAULT AS IDENTITY" } else { "" };
            let (name, rest) = column.split_once(' ').unwrap_or((column, ""));
            let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
            format!("{name} {}{more} {rest}", type_of(column)).trim_end().to_owned()
        });
        let columns: Vec<String> = columns.collect();
        sql.push_str(&format!("CREATE TABLE {table}(\n  {}\n);\n", columns.join(",\n  ")));
    }
    let mut sql = spelled::<Control<'_>>(&sql);
    for (what, name, on) in INDEXES {
        sql.push_str(&format!("CREATE {what} {name} ON {};\n", spelled::<Control<'_>>(on)));
    }
    sql
}

/// The type here of a column by its declaration.
fn type_of(declared: &str) -> &'static str {
    match declared.split(' ').nth(1) {
        Some("INTEGER") => "bigint",
        Some("BLOB") => "bytea",
        _ => "text",
    }
}

/// A statement as it is written here.
fn own(sql: &str) -> String {
    spelled::<Control<'_>>(sql).replace('?', "$")
}

/// Values as the parameters of a statement: of what type a null is, the statement says.
fn bound(values: &[OwnedValue], types: &[Type]) -> Vec<Box<dyn ToSql + Sync>> {
    let one = |(at, value): (usize, &OwnedValue)| -> Box<dyn ToSql + Sync> {
        match value {
            OwnedValue::Integer(number) => Box::new(*number),
            OwnedValue::Real(real) => Box::new(*real),
            OwnedValue::Text(text) => Box::new(String::from_utf8_lossy(text).into_owned()),
            OwnedValue::Blob(bytes) => Box::new(bytes.clone()),
            OwnedValue::Null if types.get(at) == Some(&Type::INT8) => Box::new(None::<i64>),
            OwnedValue::Null => Box::new(None::<String>),
        }
    };
    values.iter().enumerate().map(one).collect()
}

/// The value of a column of a row; what is of none of the types that are written stands for nothing.
fn value(row: &postgres::Row, at: usize) -> Result<Value<'_>, postgres::Error> {
    let of = row.columns().get(at).map(postgres::Column::type_);
    let value = match of {
        Some(&Type::INT8) => row.try_get::<_, Option<i64>>(at)?.map(Value::Integer),
        Some(&Type::TEXT) => row.try_get::<_, Option<&str>>(at)?.map(|text| Value::Text(text.as_bytes())),
        Some(&Type::BYTEA) => row.try_get::<_, Option<&[u8]>>(at)?.map(Value::Blob),
        _ => Some(Value::Real(0.0)),
    };
    Ok(value.unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_declared_in_the_servers_words() {
        let sql = tables();
        assert!(sql.contains("CREATE TABLE intervault.state(\n  name text NOT NULL PRIMARY KEY,"), "{sql}");
        assert!(sql.contains("CREATE TABLE intervault.restore(\n  number bigint PRIMARY KEY,"), "{sql}");
        assert!(
            sql.contains("number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,\n  run bigint NOT NULL"),
            "{sql}"
        );
        assert!(sql.contains("keys bytea NOT NULL\n"), "{sql}");
        assert!(sql.contains("CREATE UNIQUE INDEX unit_number ON intervault.unit(run, number);"), "{sql}");
        assert_eq!(own("SELECT ?1 FROM intervault_unit"), "SELECT $1 FROM intervault.unit");
    }
}
