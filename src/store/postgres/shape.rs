//! What the database itself says of its tables: columns, types, partitions. All tables of a schema are asked for at once, so that
//! ten thousand take four questions and not forty thousand.

use std::collections::{BTreeMap, HashMap};

use super::declared::{Form, declared};
use super::fault::Site;
use super::keys::LEAVES_MAX;
use super::session::Session;
use crate::schema::table::{ColumnSchema, TableSchema};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::name::quoted;

const LIST: &str = "list the tables";

/// A table as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Name and columns, generated columns left out.
    pub(super) schema: TableSchema,
    /// The schema that it is in.
    pub(super) within: String,
    /// Its number in the database.
    pub(super) oid: u32,
    /// How the text of each column is read.
    pub(super) forms: Vec<Form>,
    /// The type that each column is made of, domains resolved, and its modifier.
    pub(super) bases: Vec<(u32, i32)>,
    /// Whether one of the columns is an identity column.
    pub(super) identity: bool,
    /// Where its rows are, by ascending number: itself, or its partitions that have none themselves.
    pub(super) leaves: Vec<Leaf>,
    /// Whether it is partitioned.
    pub(super) partitioned: bool,
}

/// What rows lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its number in the database.
    pub(super) oid: u32,
    /// Its schema and name.
    pub(super) name: (String, String),
}

impl Leaf {
    /// Schema and name, for SQL.
    pub(super) fn qualified(&self) -> String {
        qualified(&self.name.0, &self.name.1)
    }
}

/// Schema and name, for SQL.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

impl Shape {
    /// Schema and name of the table, for SQL.
    pub(super) fn qualified(&self) -> String {
        qualified(&self.within, &self.schema.name)
    }

    /// The table, with no rows of tables that inherit from it but with those of its partitions.
    pub(super) fn from(&self) -> String {
        format!("{}{}", if self.partitioned { "" } else { "ONLY " }, self.qualified())
    }

    /// The names of some columns, for SQL.
    pub(super) fn column_list(&self, columns: &[usize]) -> Option<Vec<String>> {
        columns.iter().map(|index| self.schema.columns.get(*index).map(|column| quoted(&column.name))).collect()
    }

    /// Numbers of its leaves.
    pub(super) fn leaf_oids(&self) -> Vec<u32> {
        self.leaves.iter().map(|leaf| leaf.oid).collect()
    }
}

/// All tables of a schema.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// By the name in lower case.
    tables: BTreeMap<String, Shape>,
    /// What is no table here though rows can be asked of it, with the reason.
    unlisted: Vec<(String, String)>,
}

impl Listing {
    /// The table of this name; ASCII case is ignored.
    pub(super) fn table(&self, name: &str) -> Option<&Shape> {
        self.tables.get(&name.to_ascii_lowercase())
    }

    /// Names of all tables, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables.values().map(|shape| shape.schema.name.clone()).collect();
        names.sort();
        names
    }

    /// Names of what is left out, sorted, with the reasons.
    pub(super) fn unlisted(&self) -> Vec<(String, String)> {
        let mut unlisted = self.unlisted.clone();
        unlisted.sort();
        unlisted
    }
}

/// A table or foreign table, before its columns are known.
struct Raw {
    oid: u32,
    name: String,
    kind: String,
}

/// Asks for the tables of a schema, or for those of one name in any ASCII case.
pub(super) fn load(
    client: &mut Session,
    site: Site<'_>,
    schema: &str,
    only: Option<&str>,
) -> Result<Listing, StoreError> {
    let raw = raw_tables(client, schema, only).map_err(site.during(LIST))?;
    let mut columns = raw_columns(client, schema, only).map_err(site.during(LIST))?;
    let mut leaves = match raw.iter().any(|table| table.kind == "p") {
        true => partitions(client, schema, only).map_err(site.during(LIST))?,
        false => HashMap::new(),
    };
    let mut listing = Listing::default();
    let mut names: HashMap<String, usize> = HashMap::new();
    for table in &raw {
        let count = names.entry(table.name.to_ascii_lowercase()).or_default();
        *count = count.saturating_add(1);
    }
    for Raw { oid, name, kind } in raw {
        let key = name.to_ascii_lowercase();
        let columns = columns.remove(&oid).unwrap_or_default();
        let leaves = match kind.as_str() {
            "p" => leaves.remove(&oid).unwrap_or_default(),
            _ => vec![(Leaf { oid, name: (schema.to_owned(), name.clone()) }, kind.clone())],
        };
        let odd = match names.get(&key) {
            Some(2..) => Some("the name of another table differs from its own in case only: rename one"),
            _ => odd(&kind, &columns, &leaves),
        };
        if let Some(reason) = odd {
            listing.unlisted.push((name, reason.to_owned()));
            continue;
        }
        let shape = Shape {
            forms: columns.iter().map(|column| column.form).collect(),
            bases: columns.iter().map(|column| column.base).collect(),
            identity: columns.iter().any(|column| column.identity),
            schema: TableSchema { name, columns: columns.into_iter().map(|column| column.schema).collect() },
            within: schema.to_owned(),
            oid,
            leaves: leaves.into_iter().map(|(leaf, _)| leaf).collect(),
            partitioned: kind == "p",
        };
        listing.tables.insert(key, shape);
    }
    Ok(listing)
}

/// Why a table cannot be read as one.
fn odd(kind: &str, columns: &[RawColumn], leaves: &[(Leaf, String)]) -> Option<&'static str> {
    let mut names: Vec<String> = columns.iter().map(|column| column.schema.name.to_ascii_lowercase()).collect();
    names.sort();
    if kind == "f" {
        Some("it is a foreign table, whose rows are kept elsewhere: back them up there")
    } else if kind == "u" || leaves.iter().any(|(_, kind)| kind == "u") {
        Some(
            "it is unlogged, and this server follows another (a standby), which its rows never reach: back it up there",
        )
    } else if columns.is_empty() {
        Some("it has no columns that can be filled: none at all, or generated ones only")
    } else if names.windows(2).any(|pair| pair.first() == pair.last()) {
        Some("two of its columns have names that differ in case only: rename one")
    } else if leaves.iter().any(|(_, kind)| kind != "r") {
        Some("one of its partitions is a foreign table, whose rows are kept elsewhere")
    } else if leaves.len() > LEAVES_MAX {
        Some("it has more than 32,768 partitions")
    } else {
        None
    }
}

const WHICH: &str = "n.nspname = $1 AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't' \
                     AND ($2::text IS NULL OR lower(c.relname::text COLLATE \"C\") = lower($2 COLLATE \"C\"))";

/// For SQL, what kind of table this is: `u` for one whose rows a server that follows another does not have.
fn kind(of: &str) -> String {
    let unseen = format!("{of}.relkind = 'r' AND {of}.relpersistence = 'u' AND pg_is_in_recovery()");
    format!("CASE WHEN {unseen} THEN 'u' ELSE {of}.relkind::text END")
}

fn raw_tables(client: &mut Session, schema: &str, only: Option<&str>) -> Result<Vec<Raw>, postgres::Error> {
    let sql = format!(
        "SELECT c.oid, c.relname::text, {} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {WHICH} AND NOT EXISTS (SELECT FROM pg_depend d \
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid",
        kind("c")
    );
    let rows = client.query(&sql, &[&schema, &only])?;
    rows.iter().map(|row| Ok(Raw { oid: row.try_get(0)?, name: row.try_get(1)?, kind: row.try_get(2)? })).collect()
}

#[derive(Debug)]
struct RawColumn {
    schema: ColumnSchema,
    form: Form,
    base: (u32, i32),
    identity: bool,
}

/// Columns by the number of their table, in order; generated ones are left out.
fn raw_columns(
    client: &mut Session,
    schema: &str,
    only: Option<&str>,
) -> Result<HashMap<u32, Vec<RawColumn>>, postgres::Error> {
    let sql = format!(
        "SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         a.atthasdef, a.attidentity::text, CASE WHEN a.attcollation <> t.typcollation \
         THEN (SELECT l.collname::text FROM pg_collation l WHERE l.oid = a.attcollation) END \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid \
         WHERE {WHICH} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attrelid, a.attnum"
    );
    let domains = domains(client)?;
    let mut tables: HashMap<u32, Vec<RawColumn>> = HashMap::new();
    for row in client.query(&sql, &[&schema, &only])? {
        let (mut base, mut modifier): (u32, i32) = (row.try_get(2)?, row.try_get(3)?);
        let mut nullable = !row.try_get::<_, bool>(5)?;
        // No domain is made over itself; the bound is for a catalogue that lies.
        for _ in 0..domains.len() {
            let Some((under, given, not_null)) = domains.get(&base) else { break };
            (base, modifier) = (*under, if modifier < 0 { *given } else { modifier });
            nullable &= !not_null;
        }
        let (logical, form) = declared(base, modifier);
        let identity = !row.try_get::<_, String>(7)?.is_empty();
        let schema = ColumnSchema {
            name: row.try_get(1)?,
            logical,
            nullable,
            has_default: row.try_get::<_, bool>(6)? || identity,
            declared: row.try_get(4)?,
            collation: row.try_get::<_, Option<String>>(8)?.unwrap_or_default(),
        };
        let column = RawColumn { schema, form, base: (base, modifier), identity };
        tables.entry(row.try_get(0)?).or_default().push(column);
    }
    Ok(tables)
}

/// For each domain the type that it is made over, the modifier of that, and whether it forbids null.
fn domains(client: &mut Session) -> Result<HashMap<u32, (u32, i32, bool)>, postgres::Error> {
    let rows = client.query("SELECT oid, typbasetype, typtypmod, typnotnull FROM pg_type WHERE typtype = 'd'", &[])?;
    let domain = |row: &postgres::Row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)));
    rows.iter().map(domain).collect()
}

/// The partitions of partitioned tables that have none themselves, by ascending number, with their kind.
fn partitions(
    client: &mut Session,
    schema: &str,
    only: Option<&str>,
) -> Result<HashMap<u32, Vec<(Leaf, String)>>, postgres::Error> {
    // The function for it would lock all partitions of all tables.
    let sql = format!(
        "WITH RECURSIVE tree(root, part) AS (SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {WHICH} AND c.relkind = 'p' UNION ALL SELECT tree.root, i.inhrelid FROM tree \
         JOIN pg_inherits i ON i.inhparent = tree.part WHERE NOT i.inhdetachpending) \
         SELECT tree.root, l.oid, m.nspname::text, l.relname::text, {} FROM tree \
         JOIN pg_class l ON l.oid = tree.part JOIN pg_namespace m ON m.oid = l.relnamespace \
         WHERE l.relkind <> 'p' ORDER BY tree.root, l.oid",
        kind("l")
    );
    let mut leaves: HashMap<u32, Vec<(Leaf, String)>> = HashMap::new();
    for row in client.query(&sql, &[&schema, &only])? {
        let leaf = Leaf { oid: row.try_get(1)?, name: (row.try_get(2)?, row.try_get(3)?) };
        leaves.entry(row.try_get(0)?).or_default().push((leaf, row.try_get(4)?));
    }
    Ok(leaves)
}

/// The table of a listing; one that is missing, or whose columns are not those of `table` any more, is an error.
pub(super) fn same<'l>(
    listing: &'l Listing,
    site: Site<'_>,
    op: &str,
    table: &TableSchema,
) -> Result<&'l Shape, StoreError> {
    let Some(shape) = listing.table(&table.name) else {
        return Err(site.fail(op, StoreErrorKind::NoTable(table.name.clone())));
    };
    same_columns(shape, site, op, table)?;
    Ok(shape)
}

/// Refuses a table whose columns are not those of `table`.
pub(super) fn same_columns(shape: &Shape, site: Site<'_>, op: &str, table: &TableSchema) -> Result<(), StoreError> {
    let columns = |schema: &TableSchema| {
        let columns = schema.columns.iter();
        columns.map(|column| (column.name.clone(), column.logical)).collect::<Vec<_>>()
    };
    if columns(&shape.schema) != columns(table) {
        let text = "the table's columns are not those that were asked about: the table was changed in between";
        return Err(site.fail(op, StoreErrorKind::Unsupported(text.to_owned())));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A table of columns of these types.
    pub(in crate::store::postgres) fn shape(columns: &[(&str, u32)]) -> Shape {
        let column = |(name, base): &(&str, u32)| ColumnSchema {
            name: (*name).to_owned(),
            logical: declared(*base, -1).0,
            nullable: true,
            has_default: false,
            declared: String::new(),
            collation: String::new(),
        };
        Shape {
            schema: TableSchema { name: "t".to_owned(), columns: columns.iter().map(column).collect() },
            within: "public".to_owned(),
            oid: 1,
            forms: columns.iter().map(|(_, base)| declared(*base, -1).1).collect(),
            bases: columns.iter().map(|(_, base)| (*base, -1)).collect(),
            identity: false,
            leaves: vec![Leaf { oid: 1, name: ("public".to_owned(), "t".to_owned()) }],
            partitioned: false,
        }
    }

    #[test]
    fn names_are_quoted_with_their_schema() {
        let mut shape = shape(&[("a\"b", 23), ("select", 23)]);
        assert_eq!(shape.from(), "ONLY \"public\".\"t\"");
        shape.partitioned = true;
        assert_eq!(shape.from(), "\"public\".\"t\"");
        assert_eq!(shape.column_list(&[1, 0]).unwrap(), ["\"select\"", "\"a\"\"b\""]);
        assert_eq!(shape.column_list(&[2]), None);
    }
}
