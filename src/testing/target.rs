//! A SQLite database with the tables of written-down contents, to restore into; its rows as the same text.

use super::tables::{Content, Fault, shown};
use crate::column::batch::Value;
use crate::store::control::{Collection, Mode, State};
use crate::store::sqlite::SqliteStore;
use crate::store::traits::Store;
use rusqlite::types::ValueRef;
use std::path::Path;

/// Makes the tables, empty and with columns that change no value, and a state in which everything may be restored. File trees
/// are no tables and left out.
///
/// # Errors
/// SQLite fails.
pub fn create(path: &Path, contents: &[Content]) -> Result<(), Fault> {
    let sql = rusqlite::Connection::open(path)?;
    for table in contents.iter().map(|content| &content.table).filter(|table| !table.schema.name.contains('/')) {
        let columns: Vec<&str> = table.schema.columns.iter().map(|column| column.name.as_str()).collect();
        sql.execute_batch(&format!("CREATE TABLE {} ({})", table.schema.name, columns.join(", ")))?;
    }
    drop(sql);
    let store = SqliteStore::open(path)?;
    let mut state = store.replace()?;
    state.set_state(&State { collection: Collection::Off, mode: Mode::SingleUser })?;
    state.commit()?;
    Ok(())
}

fn value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(value) => Value::Text(value),
        ValueRef::Blob(value) => Value::Blob(value),
    }
}

/// The rows of a table, one line each as [`super::tables::lines`] writes them, in the order of those lines.
///
/// # Errors
/// SQLite fails.
pub fn rows(sql: &rusqlite::Connection, table: &str) -> Result<Vec<String>, Fault> {
    let mut statement = sql.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let cells: Result<Vec<String>, _> = (0..columns).map(|at| Ok(shown(value(row.get_ref(at)?)))).collect();
        cells.map(|cells| cells.join(" | "))
    };
    let mut rows = statement.query_map([], line)?.collect::<Result<Vec<String>, _>>()?;
    rows.sort();
    Ok(rows)
}
