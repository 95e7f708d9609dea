//! What a connection knows of all tables at once. SQLite answers a question about one table by looking at every one, so that
//! asking for each of ten thousand takes minutes: here all are asked for together, and again only when the schema changes.

use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use crate::store::control::is_control_table;

/// A table, as the list of tables has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The name, as it was declared.
    pub(super) name: String,
    /// Whether it is a WITHOUT ROWID table.
    pub(super) without_rowid: bool,
    /// Whether it is a STRICT table.
    pub(super) strict: bool,
}

/// All tables of the main database, and the rules between them. Names are looked up in any ASCII case.
#[derive(Debug)]
pub(super) struct Listing {
    /// SQLite's number of the schema that this is the listing of.
    version: i64,
    /// By the name in lower case; views, virtual tables, control tables and SQLite's own tables are none.
    tables: BTreeMap<String, Listed>,
    /// What has the name of a control table, with the kind of thing that it is.
    control: BTreeMap<String, (String, String)>,
    /// Names of virtual tables.
    virtuals: Vec<String>,
    rules: OnceLock<Rules>,
}

#[derive(Debug)]
struct Rules {
    triggers: HashMap<String, Vec<String>>,
    followers: HashMap<String, String>,
}

impl Listing {
    /// Asks for all tables.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Listing> {
        let sql = "SELECT type, name, wr, strict FROM pragma_table_list WHERE schema = 'main'";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let (mut tables, mut control, mut virtuals) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
            let key = name.to_ascii_lowercase();
            if is_control_table(&name) {
                control.insert(key, (name, kind));
            } else if kind == "table" && !key.starts_with("sqlite_") {
                tables.insert(key, Listed { name, without_rowid: row.get(2)?, strict: row.get(3)? });
            } else if kind == "virtual" {
                virtuals.push(name);
            }
        }
        Ok(Listing { version: schema_version(connection)?, tables, control, virtuals, rules: OnceLock::new() })
    }

    /// Whether the schema is still the one that this lists. Asked inside a transaction, the answer holds until its end or until
    /// the connection itself changes the schema.
    pub(super) fn is_current(&self, connection: &Connection) -> rusqlite::Result<bool> {
        Ok(schema_version(connection)? == self.version)
    }

    /// The table of this name.
    pub(super) fn table(&self, name: &str) -> Option<&Listed> {
        self.tables.get(&name.to_ascii_lowercase())
    }

    /// What has the name of this control table, as it was declared, and its kind: `table`, `view`, `virtual`, `shadow`.
    pub(super) fn control(&self, name: &str) -> Option<(&str, &str)> {
        self.control.get(&name.to_ascii_lowercase()).map(|(name, kind)| (name.as_str(), kind.as_str()))
    }

    /// Names of all tables, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables.values().map(|table| table.name.clone()).collect();
        names.sort();
        names
    }

    /// Names of all virtual tables, sorted.
    pub(super) fn virtuals(&self) -> Vec<String> {
        let mut names = self.virtuals.clone();
        names.sort();
        names
    }

    /// Names of the triggers on a table, sorted.
    pub(super) fn triggers(&self, connection: &Connection, table: &str) -> rusqlite::Result<&[String]> {
        Ok(self.rules(connection)?.triggers.get(&table.to_ascii_lowercase()).map_or(&[], Vec::as_slice))
    }

    /// A table whose rows would be changed along with those of `table` by a foreign key (CASCADE, SET NULL, SET DEFAULT).
    pub(super) fn follower(&self, connection: &Connection, table: &str) -> rusqlite::Result<Option<&str>> {
        Ok(self.rules(connection)?.followers.get(&table.to_ascii_lowercase()).map(String::as_str))
    }

    fn rules(&self, connection: &Connection) -> rusqlite::Result<&Rules> {
        if let Some(rules) = self.rules.get() {
            return Ok(rules);
        }
        let rules = Rules::load(connection)?;
        Ok(self.rules.get_or_init(|| rules))
    }
}

impl Rules {
    fn load(connection: &Connection) -> rusqlite::Result<Rules> {
        let pairs = |sql: &str| -> rusqlite::Result<Vec<(String, String)>> {
            let mut statement = connection.prepare(sql)?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let mut triggers: HashMap<String, Vec<String>> = HashMap::new();
        for (table, name) in
            pairs("SELECT tbl_name, name FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY name")?
        {
            triggers.entry(table.to_ascii_lowercase()).or_default().push(name);
        }
        // Tables without that word in their statement have no foreign key, and need not be asked one by one.
        let sql = "SELECT link.\"table\", child.name FROM main.sqlite_schema AS child, \
                   pragma_foreign_key_list(child.name, 'main') AS link \
                   WHERE child.type = 'table' AND instr(upper(child.sql), 'REFERENCES') > 0 \
                   AND link.on_delete NOT IN ('NO ACTION', 'RESTRICT') ORDER BY child.name";
        let mut followers = HashMap::new();
        for (parent, child) in pairs(sql)? {
            followers.entry(parent.to_ascii_lowercase()).or_insert(child);
        }
        Ok(Rules { triggers, followers })
    }
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))
}
