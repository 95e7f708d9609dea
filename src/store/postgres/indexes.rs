//! Indexes of an empty table that many rows are about to go into: to make an index of rows that are there takes the server a
//! fraction of what it takes to put them into it one by one.
//!
//! What is taken away is made anew by the same transaction, so that nobody ever sees the table without it, and a failure leaves
//! it where it was. Only indexes that come out of that as they were: those that check nothing, that nothing else hangs on, and
//! of which nobody has written down more than their definition says.

use postgres::Error;
use postgres::error::SqlState;

use super::fault::kind_of;
use super::session::Session;
use super::shape::Shape;
use crate::store::error::StoreErrorKind;
use crate::store::name::quoted;

/// What is being done, for errors.
pub(super) const TAKE: &str = "put off the indexes of the table";
pub(super) const MAKE: &str = "make the indexes anew";

/// An index that can be put off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Its schema and name, for SQL.
    name: String,
    /// The statement that makes it.
    definition: String,
}

/// The indexes of a table that can be put off: none unless it is empty, its role may do so, and nobody wants to hear of such
/// changes (event triggers).
pub(super) fn put_off(session: &mut Session, shape: &Shape) -> Result<Vec<Index>, Error> {
    const INDEXES: &str = "SELECT n.nspname::text, x.relname::text, pg_catalog.pg_get_indexdef(x.oid) \
         FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
         JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace \
         WHERE t.oid = $1 AND t.relkind = 'r' AND NOT t.relispartition AND t.relpersistence = 'p' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = t.oid) \
         AND pg_catalog.pg_has_role(t.relowner, 'USAGE') AND pg_catalog.has_schema_privilege(n.oid, 'CREATE') \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D') \
         AND i.indisvalid AND i.indisready AND i.indislive \
         AND NOT (i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisclustered OR i.indisreplident) \
         AND x.relkind = 'i' AND x.reltablespace = 0 AND x.relowner = t.relowner \
         AND pg_catalog.current_setting('default_tablespace') = '' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = x.oid) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_description d \
           WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = x.oid) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_seclabel s \
           WHERE s.classoid = 'pg_catalog.pg_class'::regclass AND s.objoid = x.oid) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
           WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = x.oid) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
           AND d.objid = x.oid AND d.deptype NOT IN ('a', 'n')) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.oid AND a.attstattarget >= 0) \
         ORDER BY 1, 2";
    let found = session.query(INDEXES, &[&shape.oid])?;
    let found = found.iter().map(|row| {
        let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Index { name: format!("{}.{}", quoted(&schema), quoted(&name)), definition: row.try_get(2)? })
    });
    let found = found.collect::<Result<Vec<Index>, Error>>()?;
    // Last: who may do all that may read the table too.
    if found.is_empty() || !is_empty(session, shape)? { Ok(Vec::new()) } else { Ok(found) }
}

/// Takes away the indexes of a locked table that can be put off, and gives the statements that make them. None where somebody
/// else has the table in use: who waits for one that reads keeps all that come later waiting too.
pub(super) fn take_away(session: &mut Session, shape: &Shape) -> Result<Vec<String>, Error> {
    let found = put_off(session, shape)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = found.iter().map(|index| index.name.as_str()).collect();
    let sql = format!(
        "SAVEPOINT put_off; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT; DROP INDEX {}; RELEASE put_off",
        shape.from(),
        names.join(", ")
    );
    match session.batch_execute(&sql) {
        Ok(()) => Ok(found.into_iter().map(|index| index.definition).collect()),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            session.batch_execute("ROLLBACK TO put_off; RELEASE put_off")?;
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Why an index cannot be made anew. It was there before the rows came: they are what it does not take.
pub(super) fn not_made(error: &Error) -> StoreErrorKind {
    let code = error.code().map_or("", SqlState::code);
    match kind_of(error) {
        StoreErrorKind::Other { message, .. } if ["22", "42", "54"].iter().any(|class| code.starts_with(class)) => {
            StoreErrorKind::Refused(message)
        }
        kind => kind,
    }
}

fn is_empty(session: &mut Session, shape: &Shape) -> Result<bool, Error> {
    session.query_one(&format!("SELECT NOT EXISTS (SELECT FROM {})", shape.from()), &[])?.try_get(0)
}
