//! Tables that are read in an older state of the database must still have the files and the names of that state.
//!
//! TRUNCATE, CLUSTER and some kinds of ALTER TABLE give a table a new file whose rows a snapshot that is older does not see:
//! it would read the table as empty, and say nothing. So it would where another table has taken the name meanwhile, since names
//! mean what they mean now. Whoever reads a table keeps it from being rewritten or renamed until the transaction ends; so each
//! table is locked by looking at it, and then the file that the snapshot knows of, and what bears its name, are compared with
//! what is there. So are the partitions of a table.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Error;
use postgres::error::SqlState;

use super::fault::Site;
use super::session::Session;
use super::shape::Shape;
use crate::store::error::{StoreError, StoreErrorKind};

const HOLD: &str = "begin to read the table";
/// Tables that one statement locks.
const AT_A_TIME: usize = 256;

/// Locks tables against being rewritten, in the transaction of the session, and makes sure that the snapshot sees their rows.
///
/// # Errors
/// `Rewritten`; who may not read a table is told so.
pub(super) fn hold(client: &mut Session, tables: &[(Site<'_>, &Shape)]) -> Result<(), StoreError> {
    for some in tables.chunks(AT_A_TIME) {
        let Some((first, _)) = some.first() else { continue };
        if let Some((site, role)) = hidden(client, some).map_err(first.during(HOLD))? {
            let words = format!(
                "row level security hides rows of the table from the role {role}: read it as its owner, or as a role \
                 with BYPASSRLS"
            );
            return Err(site.fail(HOLD, StoreErrorKind::NotPermitted(words)));
        }
        // An error of the server names its table.
        lock(client, some).map_err(|error| match error.code() {
            Some(&SqlState::UNDEFINED_TABLE) => first.fail(HOLD, StoreErrorKind::Rewritten),
            _ => first.during(HOLD)(error),
        })?;
        let others = others(client, some).map_err(first.during(HOLD))?;
        if let Some((site, _)) = some.iter().find(|(_, shape)| others.contains(&shape.oid)) {
            return Err(site.fail(HOLD, StoreErrorKind::Rewritten));
        }
    }
    Ok(())
}

/// The first table of which a policy hides rows, and the role that it hides them from: they would not be missed.
fn hidden<'s>(client: &mut Session, tables: &[(Site<'s>, &Shape)]) -> Result<Option<(Site<'s>, String)>, Error> {
    let sql = "SELECT o, quote_ident(current_user) FROM unnest($1::oid[]) o WHERE row_security_active(o)";
    let oids: Vec<u32> =
        tables.iter().flat_map(|(_, shape)| std::iter::once(shape.oid).chain(shape.leaf_oids())).collect();
    let Some(row) = client.query(sql, &[&oids])?.into_iter().next() else { return Ok(None) };
    let (oid, role): (u32, String) = (row.try_get(0)?, row.try_get(1)?);
    let of = |shape: &Shape| shape.oid == oid || shape.leaf_oids().contains(&oid);
    Ok(tables.iter().find(|(_, shape)| of(shape)).map(|(site, _)| (*site, role)))
}

/// Of a partitioned table the partitions are locked with it.
fn lock(client: &mut Session, tables: &[(Site<'_>, &Shape)]) -> Result<(), Error> {
    let all: String = tables.iter().map(|(_, shape)| format!("SELECT FROM {} LIMIT 0;", shape.from())).collect();
    client.batch_execute(&all)
}

/// Tables that are not what the snapshot sees: one of their files is another, another table has their name or that of a
/// partition, or they have other partitions.
fn others(client: &mut Session, tables: &[(Site<'_>, &Shape)]) -> Result<BTreeSet<u32>, Error> {
    let leaves: BTreeMap<u32, u32> =
        tables.iter().flat_map(|(_, shape)| shape.leaves.iter().map(|leaf| (leaf.oid, shape.oid))).collect();
    let named = tables.iter().flat_map(|(_, shape)| {
        let own = (shape.oid, shape.qualified());
        std::iter::once(own).chain(shape.leaves.iter().map(|leaf| (leaf.oid, leaf.qualified())))
    });
    let (numbers, names): (Vec<u32>, Vec<String>) = named.unzip();
    // The catalogue is read as the snapshot has it; a function on it looks at what is there now.
    let sql = "SELECT c.oid FROM pg_class c WHERE c.oid = ANY($1) AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)";
    let oids: Vec<u32> = leaves.keys().copied().collect();
    let mut others = BTreeSet::new();
    for row in client.query(sql, &[&oids])? {
        others.extend(leaves.get(&row.try_get(0)?));
    }
    let sql = "SELECT t.number FROM unnest($1::oid[], $2::text[]) t(number, name) \
               WHERE to_regclass(t.name)::oid IS DISTINCT FROM t.number";
    for row in client.query(sql, &[&numbers, &names])? {
        let number = row.try_get(0)?;
        others.insert(leaves.get(&number).copied().unwrap_or(number));
    }
    for (_, shape) in tables.iter().filter(|(_, shape)| shape.partitioned) {
        // They were listed as the snapshot has them.
        if partitions(client, shape.oid)? != shape.leaf_oids() {
            others.insert(shape.oid);
        }
    }
    Ok(others)
}

/// The partitions that a table has now and that have none themselves, by ascending number.
fn partitions(client: &mut Session, root: u32) -> Result<Vec<u32>, Error> {
    let sql = "SELECT relid::oid FROM pg_partition_tree($1::oid) WHERE isleaf ORDER BY 1";
    client.query(sql, &[&root])?.iter().map(|row| row.try_get(0)).collect()
}
