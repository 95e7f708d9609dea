//! The rules of the database about rows of a table: which of them stand in the way of replacing rows, and by which rows must
//! differ.

use postgres::Error;

use super::fault::Site;
use super::session::Session;
use super::shape::Shape;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::name::quoted;

const CHANGE: &str = "change the table";

/// Whether the rows of a table can be deleted and inserted without changing anything else, by a role that may do so. Nothing is
/// asked that the server could refuse: that would end the transaction.
pub(super) fn writable(client: &mut Session, site: Site<'_>, shape: &Shape) -> Result<(), StoreError> {
    let failed = site.during(CHANGE);
    let oids: Vec<u32> = std::iter::once(shape.oid).chain(shape.leaf_oids()).collect();
    let sql = "SELECT a.amname::text FROM pg_class c JOIN pg_am a ON a.oid = c.relam \
               WHERE c.oid = ANY($1) AND a.amname <> 'heap' LIMIT 1";
    if let Some(method) = first(client, sql, &oids).map_err(&failed)? {
        let text = format!("its rows are kept by the access method {method}, by which no row can be named for long");
        return Err(site.fail(CHANGE, StoreErrorKind::Unsupported(text)));
    }
    let reason = match changing_others(client, &oids).map_err(&failed)? {
        Some(reason) => Some(reason),
        None => following(client, &oids).map_err(&failed)?,
    };
    // A rule of this database can be lifted: the rows themselves could be written.
    if let Some(reason) = reason {
        return Err(site.fail(CHANGE, StoreErrorKind::Refused(reason)));
    }
    // Last, since who takes a backup may be meant to lack rights, and is told the rest all the same.
    let lacking = lacking(client, shape).map_err(&failed)?;
    lacking.map_or(Ok(()), |lacking| Err(site.fail(CHANGE, StoreErrorKind::NotPermitted(lacking))))
}

/// The first text that a question about some tables gives.
fn first(client: &mut Session, sql: &str, oids: &[u32]) -> Result<Option<String>, Error> {
    client.query_opt(sql, &[&oids])?.map(|row| row.try_get(0)).transpose()
}

/// What the role may not do though it has to, and what to grant.
fn lacking(client: &mut Session, shape: &Shape) -> Result<Option<String>, Error> {
    let sql = "SELECT quote_ident(current_user), string_agg(p.what, ', ' ORDER BY p.place) \
               FROM unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) WITH ORDINALITY p(what, place) \
               WHERE NOT coalesce(has_table_privilege($1::oid, p.what), true) AND (p.what <> 'INSERT' OR $2)";
    let own = std::iter::once((shape.oid, shape.qualified(), true));
    // Rows are deleted and read where they lie, and inserted into the whole.
    let leaves = shape.leaves.iter().map(|leaf| (leaf.oid, leaf.qualified(), false));
    for (oid, name, whole) in own.chain(leaves) {
        let row = client.query_one(sql, &[&oid, &whole])?;
        let (role, lacks): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(lacks) = lacks {
            return Ok(Some(format!(
                "the role {role} may not {lacks}: let the owner run GRANT {lacks} ON {name} TO {role} (intervault roles \
                 prints all that is needed)"
            )));
        }
    }
    let sql =
        "SELECT quote_ident(current_user) WHERE EXISTS (SELECT FROM unnest($1::oid[]) o WHERE row_security_active(o))";
    Ok(first(client, sql, &[shape.oid])?.map(|role| {
        format!(
            "row level security hides rows of the table from the role {role}: use a role that it is not meant for (its \
             owner, or one with BYPASSRLS)"
        )
    }))
}

/// Triggers and rules, which would change other rows, and what to do about them.
fn changing_others(client: &mut Session, oids: &[u32]) -> Result<Option<String>, Error> {
    // Bits 4 and 8 of the type: fires on INSERT, on DELETE. Those for replicas alone do not fire.
    let sql = "SELECT string_agg(DISTINCT quote_ident(t.tgname), ', ') FROM pg_trigger t WHERE t.tgrelid = ANY($1) \
               AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 12 <> 0";
    if let Some(triggers) = client.query_one(sql, &[&oids])?.try_get::<_, Option<String>>(0)? {
        return Ok(Some(format!(
            "the table has triggers, which would change other rows: disable them for the restore (ALTER TABLE ... DISABLE \
             TRIGGER), and enable them again afterwards ({triggers})"
        )));
    }
    // What a rule is for: 3 INSERT, 4 DELETE.
    let sql = "SELECT string_agg(DISTINCT quote_ident(r.rulename), ', ') FROM pg_rewrite r \
               WHERE r.ev_class = ANY($1) AND r.ev_type IN ('3', '4') AND r.ev_enabled IN ('O', 'A')";
    let rules: Option<String> = client.query_one(sql, &[&oids])?.try_get(0)?;
    Ok(rules.map(|rules| {
        format!(
            "the table has rules (CREATE RULE), which would do something else than what is asked: disable them for the \
             restore (ALTER TABLE ... DISABLE RULE), and enable them again afterwards ({rules})"
        )
    }))
}

/// Foreign keys onto the table that would change other rows, or would be broken while its rows are away.
fn following(client: &mut Session, oids: &[u32]) -> Result<Option<String>, Error> {
    let sql = "SELECT c.conname::text, c.conrelid::regclass::text, c.confdeltype::text, c.condeferrable, \
               has_table_privilege(c.conrelid, 'SELECT'), \
               (SELECT string_agg(quote_ident(a.attname) || ' IS NOT NULL', ' AND ') FROM unnest(c.conkey) k \
                JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k) \
               FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = ANY($1) \
               ORDER BY c.conparentid <> 0, c.conname, c.conrelid";
    for row in client.query(sql, &[&oids])? {
        let (name, child, action): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (deferrable, readable): (bool, Option<bool>) = (row.try_get(3)?, row.try_get(4)?);
        let rule = match action.as_str() {
            "c" => "CASCADE",
            "n" => "SET NULL",
            "d" => "SET DEFAULT",
            "a" if deferrable => continue,
            _ => {
                let condition: Option<String> = row.try_get(5)?;
                let condition = condition.unwrap_or_else(|| "true".to_owned());
                let asked = format!("SELECT EXISTS (SELECT FROM {child} WHERE {condition})");
                if readable == Some(true) && !client.query_one(&asked, &[])?.try_get::<_, bool>(0)? {
                    continue;
                }
                let quoted = quoted(&name);
                let how = match action.as_str() {
                    "a" => format!("make it deferrable: ALTER TABLE {child} ALTER CONSTRAINT {quoted} DEFERRABLE"),
                    _ => "make it anew with NO ACTION instead of RESTRICT, and DEFERRABLE".to_owned(),
                };
                return Ok(Some(format!(
                    "the foreign key {quoted} of table {child} forbids to delete rows that others refer to, even to put them \
                     back at once; {how}"
                )));
            }
        };
        return Ok(Some(format!(
            "the foreign key {name} of table {child} ({rule}) would change that table too when rows are deleted here: \
             remove that rule for the restore"
        )));
    }
    Ok(None)
}

/// The columns of each rule by which rows of the table must differ: unique indexes, those of keys and exclusion constraints and
/// partial ones among them. Expressions, and columns under a collation that takes different texts for equal, are left out.
pub(super) fn unique(client: &mut Session, shape: &Shape) -> Result<Vec<Vec<usize>>, Error> {
    let sql = "SELECT i.indexrelid, a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) \
               WITH ORDINALITY k(attnum, place) LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
               LEFT JOIN pg_collation l ON l.oid = i.indcollation[k.place - 1] \
               WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion) AND k.place <= i.indnkeyatts \
               AND coalesce(l.collisdeterministic, true) ORDER BY i.indexrelid, k.place";
    let mut rules: Vec<(u32, Vec<usize>)> = Vec::new();
    for row in client.query(sql, &[&shape.oid])? {
        let (index, name): (u32, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let column = name.and_then(|name| shape.schema.columns.iter().position(|column| column.name == name));
        match rules.last_mut() {
            Some((last, columns)) if *last == index => columns.extend(column),
            _ => rules.push((index, column.into_iter().collect())),
        }
    }
    Ok(rules.into_iter().map(|(_, columns)| columns).collect())
}

/// Names of the other tables of the schema that rows of a table refer to, sorted.
pub(super) fn refers_to(client: &mut Session, shape: &Shape) -> Result<Vec<String>, Error> {
    let sql = "SELECT DISTINCT c.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid \
               WHERE k.contype = 'f' AND k.conrelid = $1 AND k.confrelid <> $1 ORDER BY 1";
    client.query(sql, &[&shape.oid])?.iter().map(|row| row.try_get(0)).collect()
}
