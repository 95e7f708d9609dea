//! What the database itself says of a table: columns, row key, triggers, foreign keys. Nothing is parsed out of SQL.

use rusqlite::Connection;

use super::declared::{Affinity, affinity, logical};
use super::fault::Site;
use super::listing::Listed;
use super::reader::Reader;
use crate::schema::table::{ColumnSchema, TableSchema};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::name::quoted;

/// How rows of a table are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowKey {
    /// By the row number, under this name in SQL.
    Rowid(String),
    /// Every name of the row number is a column's: rows can be read in some order, but not be named.
    Hidden,
    /// WITHOUT ROWID: by the primary key columns, in key order.
    Primary(Vec<String>),
}

/// A table as the database has it.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Name and columns, generated columns left out.
    pub(super) schema: TableSchema,
    /// Affinity of each column of the schema.
    pub(super) affinities: Vec<Affinity>,
    /// Number of the column that is the row number itself (INTEGER PRIMARY KEY).
    pub(super) rowid_column: Option<usize>,
    /// What tells rows apart.
    pub(super) key: RowKey,
}

struct RawColumn {
    name: String,
    declared: String,
    not_null: bool,
    has_default: bool,
    primary: i64,
    generated: bool,
}

/// The shape of a table of the main database, or `None` if there is no table of that name (ASCII case ignored). Views, virtual
/// tables, control tables and SQLite's own tables are none.
pub(super) fn load(reader: &Reader, table: &str) -> rusqlite::Result<Option<Shape>> {
    let listing = reader.listing()?;
    let Some(Listed { name, without_rowid, strict }) = listing.table(table).cloned() else {
        return Ok(None);
    };
    let connection = &reader.connection;
    let raw = raw_columns(connection, &name)?;
    let rowid_name = if without_rowid { None } else { lone_integer_key(connection, &name, &raw)? };
    let mut columns = Vec::with_capacity(raw.len());
    for column in raw.iter().filter(|column| !column.generated) {
        let is_rowid = rowid_name.as_ref() == Some(&column.name);
        columns.push(ColumnSchema {
            name: column.name.clone(),
            logical: logical(&column.declared, strict),
            nullable: !(column.not_null || is_rowid || without_rowid && column.primary > 0),
            has_default: column.has_default || is_rowid,
            declared: column.declared.clone(),
            collation: collation(connection, &name, &column.name)?,
        });
    }
    let affinities = columns.iter().map(|column| affinity(&column.declared, strict)).collect();
    let rowid_column = rowid_name.as_ref().and_then(|name| columns.iter().position(|column| column.name == *name));
    let key = row_key(&raw, without_rowid, rowid_name.as_deref());
    Ok(Some(Shape { schema: TableSchema { name, columns }, affinities, rowid_column, key }))
}

/// As [`load`]; a table that is missing, or whose columns are not those of `table` any more, is an error.
pub(super) fn load_same(reader: &Reader, site: Site<'_>, op: &str, table: &TableSchema) -> Result<Shape, StoreError> {
    let shape = load(reader, &table.name).map_err(site.during(op))?;
    let Some(shape) = shape else {
        return Err(site.fail(op, StoreErrorKind::NoTable(table.name.clone())));
    };
    let names = |schema: &TableSchema| schema.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    if names(&shape.schema) != names(table) {
        let text = "the table's columns are not those that were asked about: the table was changed in between";
        return Err(site.fail(op, StoreErrorKind::Unsupported(text.to_owned())));
    }
    Ok(shape)
}

/// Names of the indexes without a WHERE clause whose first column is `column`, stored as it is.
pub(super) fn indexes_on(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT list.name FROM pragma_index_list(?1, 'main') AS list, pragma_index_xinfo(list.name, 'main') AS part \
               WHERE list.partial = 0 AND part.seqno = 0 AND part.name = ?2 COLLATE NOCASE ORDER BY list.seq";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([table, column], |row| row.get(0))?.collect()
}

/// The columns of each rule by which rows of a table must differ: the row number if a column is that, and unique indexes, those
/// of keys and partial ones among them. What an index does not compare byte by byte is left out of its columns.
pub(super) fn unique(connection: &Connection, shape: &Shape) -> rusqlite::Result<Vec<Vec<usize>>> {
    let sql = "SELECT list.name, part.name, part.coll FROM pragma_index_list(?1, 'main') AS list, \
               pragma_index_xinfo(list.name, 'main') AS part \
               WHERE list.\"unique\" = 1 AND part.key = 1 ORDER BY list.seq, part.seqno";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([&shape.schema.name])?;
    let mut rules: Vec<(String, Vec<usize>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (index, name): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let collation: Option<String> = row.get(2)?;
        let exact = collation.is_none_or(|collation| collation.eq_ignore_ascii_case("BINARY"));
        let column = name.filter(|_| exact).and_then(|name| shape.schema.column(&name));
        match rules.last_mut() {
            Some((last, columns)) if *last == index => columns.extend(column),
            _ => rules.push((index, column.into_iter().collect())),
        }
    }
    let key = shape.rowid_column.map(|column| vec![column]);
    Ok(key.into_iter().chain(rules.into_iter().map(|(_, columns)| columns)).collect())
}

/// Names of the other tables that rows of a table refer to, sorted.
pub(super) fn refers_to(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1, 'main') \
               WHERE \"table\" <> ?1 COLLATE NOCASE ORDER BY 1";
    connection.prepare_cached(sql)?.query_map([table], |row| row.get(0))?.collect()
}

/// Names of all columns of a table or view, in order.
pub(super) fn column_names(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    Ok(raw_columns(connection, table)?.into_iter().map(|column| column.name).collect())
}

fn raw_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<RawColumn>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden \
               FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let mut statement = connection.prepare(sql)?;
    statement
        .query_map([table], |row| {
            Ok(RawColumn {
                name: row.get(0)?,
                declared: row.get(1)?,
                not_null: row.get(2)?,
                has_default: row.get(3)?,
                primary: row.get(4)?,
                generated: row.get::<_, i64>(5)? != 0,
            })
        })?
        .collect()
}

/// The column that is the row number: the only primary key column, of type INTEGER, and with no index of its own (an
/// `INTEGER PRIMARY KEY DESC` has one and is an ordinary column).
fn lone_integer_key(connection: &Connection, table: &str, columns: &[RawColumn]) -> rusqlite::Result<Option<String>> {
    let mut keys = columns.iter().filter(|column| column.primary > 0);
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Ok(None);
    };
    if !key.declared.eq_ignore_ascii_case("INTEGER") {
        return Ok(None);
    }
    let sql = "SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'";
    let indexes: i64 = connection.query_row(sql, [table], |row| row.get(0))?;
    Ok((indexes == 0).then(|| key.name.clone()))
}

fn row_key(columns: &[RawColumn], without_rowid: bool, rowid_column: Option<&str>) -> RowKey {
    if without_rowid {
        let mut keys: Vec<&RawColumn> = columns.iter().filter(|column| column.primary > 0).collect();
        keys.sort_by_key(|column| column.primary);
        return RowKey::Primary(keys.into_iter().map(|column| column.name.clone()).collect());
    }
    if let Some(name) = rowid_column {
        return RowKey::Rowid(quoted(name));
    }
    let taken = |alias: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(alias));
    let free = ["rowid", "_rowid_", "oid"].into_iter().find(|alias| !taken(alias));
    free.map_or(RowKey::Hidden, |alias| RowKey::Rowid(alias.to_owned()))
}

fn collation(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<String> {
    let (_, name, ..) = connection.column_metadata(Some("main"), table, column)?;
    let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(if name.eq_ignore_ascii_case("BINARY") { String::new() } else { name })
}

/// `"a","b"` for some columns of a table.
pub(super) fn column_list(schema: &TableSchema, columns: &[usize]) -> Option<String> {
    let names: Option<Vec<String>> =
        columns.iter().map(|index| schema.columns.get(*index).map(|column| quoted(&column.name))).collect();
    names.map(|names| names.join(","))
}
