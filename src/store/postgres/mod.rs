//! PostgreSQL databases: the tables of one schema of a database on a server, reached over its protocol.
//!
//! # What is promised
//! - Opening changes nothing, and the password stands in no message.
//! - Every session is made the same whatever the settings of the server, the database and the role are: see `connect`.
//! - A value is written so that it is read back as it was. What a column would round, cut or read as something else is refused,
//!   never converted.
//!
//! # Row keys
//! A row is named by where it lies (its `ctid`, and the partition). Where a row comes to lie is the server's affair, so that
//! rows which are put back have other keys than before; the journal's lines of earlier restores are put right then. A row that
//! somebody changes lies elsewhere afterwards, and VACUUM FULL and CLUSTER move them all: who keeps row keys keeps a digest of
//! the rows too.
//!
//! # Changes
//! A change locks each table that it looks at against others who write to it (SHARE ROW EXCLUSIVE), for as long as its
//! transaction takes; readers go on, but of an empty table whose indexes are put off while it is filled. Changes of one store
//! wait for each other, however long that takes; nobody else is waited for longer than the address says. Tables with triggers,
//! rules, or foreign keys onto them that would change other tables are refused. Sequences are left alone: where rows with
//! higher numbers have come in than a sequence has given, it has to be set (`setval`) before the application goes on.
//!
//! # Control tables
//! They are the tables `state`, `restore`, `unit` and `range` of the schema `intervault`, which is made by the first change that
//! writes to them, in its transaction, and no earlier. A role that may make no schema needs one that is made for it.

pub mod address;
mod connect;
mod control;
mod copy_text;
mod days;
mod declared;
mod delete;
mod encode;
mod fault;
mod fidelity;
mod held;
mod indexes;
mod insert;
mod keys;
mod lock;
mod parts;
mod passfile;
#[cfg(feature = "testing")]
pub mod probe;
mod reader;
mod replace;
pub mod roles;
mod rules;
mod sequences;
mod service;
mod session;
mod shape;
mod snapshot;
#[cfg(test)]
mod tests;
mod tls;
pub mod url;

use self::address::Address;
use self::fault::Site;
use super::error::{StoreError, StoreErrorKind};
use super::traits::{Replacement, Snapshot, Store, StoreIdentity, StoreLock, Writer};

/// A database on a PostgreSQL server.
#[derive(Debug)]
pub struct PostgresStore {
    address: Address,
    identity: StoreIdentity,
    colleagues: replace::Colleagues,
}

impl PostgresStore {
    /// Connects once, to see that the database is there and can be used. Nothing is held open between the calls.
    ///
    /// # Errors
    /// `Unreachable`, `NotPermitted`, `NotFound`, `Unsupported` if the server is too old.
    pub fn open(address: &Address) -> Result<PostgresStore, StoreError> {
        const LOOK: &str = "look at the database";
        let place = address.to_string();
        let site = Site::database(&place);
        let schema = address.schema();
        if schema == control::SCHEMA || schema == "information_schema" || schema.starts_with("pg_") {
            let whose = if schema == control::SCHEMA { "intervault's own journal" } else { "the server's own tables" };
            let words = format!("the schema {schema} holds {whose}: name another with schema=NAME in the address");
            return Err(site.fail(LOOK, StoreErrorKind::Unsupported(words)));
        }
        let mut client = connect::open(address, connect::Purpose::Reading)?;
        const ASK: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";
        let asked = client.query_one(ASK, &[&schema]).and_then(|row| row.try_get(0));
        if !asked.map_err(site.during(LOOK))? {
            return Err(site.fail(LOOK, StoreErrorKind::NoSchema(schema.to_owned())));
        }
        let (server, database) = (address.server(), address.name());
        let identity = StoreIdentity { kind: "postgres".to_owned(), server, database, version: String::new() };
        Ok(PostgresStore { address: address.clone(), identity, colleagues: replace::Colleagues::default() })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Store for PostgresStore {
    fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(snapshot::PostgresSnapshot::begin(&self.address, readers)?))
    }

    fn replace(&self) -> Result<Box<dyn Replacement>, StoreError> {
        Ok(Box::new(replace::PostgresReplacement::begin(&self.address, &self.colleagues)?))
    }

    fn writers(&self) -> usize {
        usize::MAX
    }

    fn writer(&self) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(replace::PostgresWriter::open(&self.address, &self.colleagues)?))
    }

    fn lock(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        lock::take(&self.address, lock::For::Change)
    }

    fn lock_for_reading(&self) -> Result<Box<dyn StoreLock>, StoreError> {
        lock::take(&self.address, lock::For::Reading)
    }
}
