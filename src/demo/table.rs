//! Making and filling one SQLite table.

use super::error::DemoError;
use crate::base::time::{Day, civil_of_day};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

/// A value on its way into a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// No value.
    Null,
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Real(f64),
    /// A text that is known beforehand.
    Word(&'static str),
    /// A text.
    Text(String),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Cell {
        Cell::Int(value)
    }
}

impl From<&'static str> for Cell {
    fn from(value: &'static str) -> Cell {
        Cell::Word(value)
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Cell {
        Cell::Text(value)
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(value) => ValueRef::Integer(*value),
            Cell::Real(value) => ValueRef::Real(*value),
            Cell::Word(value) => ValueRef::Text(value.as_bytes()),
            Cell::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

/// A day as the tables store it.
pub(super) fn date(day: Day) -> Cell {
    let (year, month, dom) = civil_of_day(day);
    Cell::Text(format!("{year:04}-{month:02}-{dom:02}"))
}

/// A minute of the day as the tables store it: 90 is 130, half past one.
pub(super) const fn hhmm(minute: i64) -> i64 {
    minute / 60 * 100 + minute % 60
}

/// A column: name and declared type.
pub(super) type Column = (&'static str, &'static str);

/// A table that is being filled.
#[derive(Debug)]
pub(super) struct Filling<'c> {
    name: &'static str,
    insert: Statement<'c>,
}

impl<'c> Filling<'c> {
    /// Makes the table.
    ///
    /// # Errors
    /// SQLite refuses.
    pub(super) fn create(
        connection: &'c Connection,
        name: &'static str,
        columns: &[Column],
    ) -> Result<Filling<'c>, DemoError> {
        let declarations: Vec<String> = columns.iter().map(|(column, kind)| format!("{column} {kind}")).collect();
        run(connection, &format!("CREATE TABLE {name} ({})", declarations.join(", ")), name)?;
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = connection
            .prepare(&format!("INSERT INTO {name} VALUES ({marks})"))
            .map_err(|source| DemoError::Sqlite { what: format!("fill {name}"), source })?;
        Ok(Filling { name, insert })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The row has another number of cells than the table has columns, or SQLite fails.
    pub(super) fn insert(&mut self, cells: &[Cell]) -> Result<(), DemoError> {
        let statement = &mut self.insert;
        let mut add = || {
            if cells.len() != statement.parameter_count() {
                return Err(rusqlite::Error::InvalidParameterCount(cells.len(), statement.parameter_count()));
            }
            for (at, cell) in (1..).zip(cells) {
                statement.raw_bind_parameter(at, cell)?;
            }
            statement.raw_execute()
        };
        add().map(drop).map_err(|source| DemoError::Sqlite { what: format!("fill {}", self.name), source })
    }
}

/// Runs one statement; `what` is the thing that it is about.
///
/// # Errors
/// SQLite fails.
pub(super) fn run(connection: &Connection, sql: &str, what: &str) -> Result<(), DemoError> {
    connection.execute_batch(sql).map_err(|source| DemoError::Sqlite { what: format!("make {what}"), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_another_width_are_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let mut table = Filling::create(&connection, "t", &[("a", "INTEGER"), ("b", "CHAR(3)")]).unwrap();
        table.insert(&[Cell::Null, "x".into()]).unwrap();
        let error = table.insert(&[Cell::Null]).unwrap_err();
        assert!(error.to_string().starts_with("cannot fill t: "), "{error}");
        assert_eq!(connection.query_row("SELECT count(*) FROM t WHERE a IS NULL", [], |row| row.get(0)), Ok(1));
    }

    #[test]
    fn times_and_days_are_stored_as_the_tables_do() {
        assert_eq!([hhmm(0), hhmm(30), hhmm(90), hhmm(1_439)], [0, 30, 130, 2_359]);
        assert_eq!(date(12_114), Cell::Text("2003-03-03".to_owned()));
    }
}
