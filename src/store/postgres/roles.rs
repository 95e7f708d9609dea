//! The SQL that makes the roles which backups and restores need, with the rights that they need and no others. It is made
//! without asking the server, and can be run again.

use super::control::SCHEMA;
use super::url::AddressError;
use crate::store::name::quoted;

/// Most bytes of a name on the server; longer ones are cut there, and then name something else.
const NAME_BYTES_MAX: usize = 63;

/// Which roles, and to what they have rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Name of the database.
    pub database: String,
    /// The schema whose tables are meant.
    pub schema: String,
    /// The role that only reads, if one is wanted.
    pub backup: Option<String>,
    /// The role that puts rows back, if one is wanted.
    pub restore: Option<String>,
    /// Tables of the schema; none means all that are there when the statements are run.
    pub tables: Vec<String>,
}

impl Roles {
    /// The statements, for an administrator of the database. Roles that are there get the rights that they lack; nothing is
    /// taken from anybody.
    ///
    /// # Errors
    /// A name is empty, holds a character that no name has, or is longer than the server takes.
    ///
    /// ```
    /// use intervault::store::postgres::roles::Roles;
    /// let roles = Roles {
    ///     database: "cms".to_owned(),
    ///     schema: "public".to_owned(),
    ///     backup: Some("nightly".to_owned()),
    ///     restore: None,
    ///     tables: vec!["hsplit".to_owned()],
    /// };
    /// assert!(roles.sql()?.contains("GRANT SELECT ON \"public\".\"hsplit\" TO \"nightly\";"));
    /// # Ok::<(), intervault::store::postgres::address::AddressError>(())
    /// ```
    pub fn sql(&self) -> Result<String, AddressError> {
        let names = [&self.database, &self.schema].into_iter().chain(&self.backup).chain(&self.restore);
        for name in names.chain(&self.tables) {
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
                return Err(AddressError(format!("{name:?} is no name: 1 to {NAME_BYTES_MAX} bytes, none of control")));
            }
        }
        if self.backup.is_some() && self.backup == self.restore {
            return Err(AddressError("one role for both may do whatever a restore does: name two".to_owned()));
        }
        let mut sql =
            "-- Run this as a superuser in this database, then give each role a password (\\password NAME in psql).\n\
                       BEGIN;\n"
                .to_owned();
        let mut add = |statement: String| {
            sql.push_str(&statement);
            sql.push_str(";\n");
        };
        // What is made here belongs to who runs this; the role that restores makes its tables in it.
        add(format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}"));
        for role in self.backup.iter().chain(&self.restore) {
            self.anybody(role, &mut add);
        }
        if let Some(role) = &self.backup {
            self.rights("SELECT", "SELECT", role, &mut add);
            add(format!("GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {}", quoted(role)));
        }
        if let Some(role) = &self.restore {
            self.rights("SELECT, INSERT, DELETE", "SELECT, DELETE", role, &mut add);
            let role = quoted(role);
            add(format!("GRANT TEMPORARY ON DATABASE {} TO {role}", quoted(&self.database)));
            add(format!("GRANT CREATE ON SCHEMA {SCHEMA} TO {role}"));
            add(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}"));
        }
        if let (Some(backup), Some(restore)) = (&self.backup, &self.restore) {
            let (backup, restore) = (quoted(backup), quoted(restore));
            add(format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {restore} IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO {backup}"
            ));
        }
        sql.push_str("COMMIT;\n");
        Ok(sql)
    }

    /// What both need: to be there, to be let in, to see what the schemas hold.
    fn anybody(&self, role: &str, add: &mut impl FnMut(String)) {
        add(guarded(&format!(
            "IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {}) THEN \
             CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION; END IF;",
            literal(role),
            quoted(role)
        )));
        let role = quoted(role);
        add(format!("GRANT CONNECT ON DATABASE {} TO {role}", quoted(&self.database)));
        add(format!("GRANT USAGE ON SCHEMA {}, {SCHEMA} TO {role}", quoted(&self.schema)));
    }

    /// Rights to the tables. Rows of a partitioned table are read and deleted where they lie, in its partitions, which may be
    /// in any schema.
    fn rights(&self, whole: &str, leaf: &str, role: &str, add: &mut impl FnMut(String)) {
        let (schema, to) = (quoted(&self.schema), quoted(role));
        let roots = if self.tables.is_empty() {
            add(format!("GRANT {whole} ON ALL TABLES IN SCHEMA {schema} TO {to}"));
            format!(
                "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'p' AND c.relnamespace = {}::pg_catalog.regnamespace",
                literal(&schema)
            )
        } else {
            let tables: Vec<String> = self.tables.iter().map(|table| format!("{schema}.{}", quoted(table))).collect();
            tables.iter().for_each(|table| add(format!("GRANT {whole} ON {table} TO {to}")));
            let names: Vec<String> = tables.iter().map(|table| literal(table)).collect();
            format!("SELECT t::pg_catalog.regclass FROM unnest(ARRAY[{}]) t", names.join(", "))
        };
        add(guarded(&format!(
            "FOR part, home IN SELECT p.relid, c.relnamespace FROM ({roots}) r(root), pg_catalog.pg_partition_tree(root) p, \
             pg_catalog.pg_class c WHERE p.relid <> root AND c.oid = p.relid LOOP \
             EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %s TO %I', home, {role}); \
             EXECUTE pg_catalog.format('GRANT {leaf} ON %s TO %I', part, {role}); END LOOP;",
            role = literal(role)
        )));
    }
}

/// A statement that does something under a condition, or for each of some.
fn guarded(body: &str) -> String {
    // What a name holds does not end the body: a dollar sign in it is in quotes, and this mark in none.
    let mut mark = "intervault".to_owned();
    while body.contains(&mark) {
        mark.push('_');
    }
    format!("DO ${mark}$ DECLARE part pg_catalog.regclass; home pg_catalog.regnamespace; BEGIN {body} END ${mark}$")
}

/// Text as SQL writes it, however the server takes backslashes.
fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
