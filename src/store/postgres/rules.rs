//! The rules of the database about rows of a table: which of them stand in the way of replacing rows, and by which rows must differ.

use postgres::{Client, Error};

use super::fault::Site;
use super::shape::Shape;
use crate::store::error::StoreError;

/// Whether the rows of a table can be deleted and inserted without changing anything else.
pub(super) fn writable(_client: &mut Client, _site: Site<'_>, _shape: &Shape) -> Result<(), StoreError> {
    Ok(())
}

/// The columns of each rule by which rows of the table must differ: unique indexes, those of keys and exclusion constraints and
/// partial ones among them. Expressions, and columns under a collation that takes different texts for equal, are left out.
pub(super) fn unique(client: &mut Client, shape: &Shape) -> Result<Vec<Vec<usize>>, Error> {
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
