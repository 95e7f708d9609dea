//! The digests of a database's tables, by which two states of it are compared without keeping a row of either.

use crate::column::digest::{Digest, RowHasher};
use crate::error::{Error, ErrorKind};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::traits::{Snapshot, Store};

/// A table with the digest of all of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDigest {
    /// The table.
    pub table: String,
    /// Count and sum of its row hashes; the order of rows does not matter.
    pub digest: Digest,
}

/// The digests of all tables, by name, from one snapshot.
///
/// # Errors
/// The store cannot be read.
pub fn digests(store: &dyn Store) -> Result<Vec<TableDigest>, Error> {
    let snapshot = store.snapshot(1)?;
    let names = snapshot.tables()?;
    names.into_iter().map(|table| digest(snapshot.as_ref(), table)).collect()
}

fn digest(snapshot: &dyn Snapshot, table: String) -> Result<TableDigest, Error> {
    let Some(schema) = snapshot.schema(&table)? else {
        let kind = StoreErrorKind::NoTable(table.clone());
        return Err(ErrorKind::Store(StoreError { op: "read a table".to_owned(), place: table, kind }).into());
    };
    let (mut hasher, mut hashes, mut digest) = (RowHasher::default(), Vec::new(), Digest::default());
    let types = schema.logical_types();
    for part in snapshot.parts(&schema, 1 << 20)? {
        snapshot.scan(0, &schema, &part, 8_192, 4 << 20, &mut |batch| {
            hasher.hash(&batch, &types, &mut hashes).map_err(|error| StoreError {
                op: "compare a table".to_owned(),
                place: table.clone(),
                kind: StoreErrorKind::Unsupported(error.to_string()),
            })?;
            digest = digest.plus(Digest::of(&hashes));
            Ok(())
        })?;
    }
    Ok(TableDigest { table, digest })
}
