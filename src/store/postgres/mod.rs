//! PostgreSQL databases: the tables of one schema of a database on a server, reached over its protocol.
//!
//! # What is promised
//! - Opening changes nothing, and the password stands in no message.
//! - Every session is made the same whatever the settings of the server, the database and the role are: see `connect`.

pub mod address;
mod connect;
mod control;
mod copy_text;
mod days;
mod declared;
mod encode;
mod fault;
mod fidelity;
mod insert;
mod keys;
mod lock;
mod parts;
mod passfile;
mod reader;
mod replace;
mod rules;
mod service;
mod shape;
mod snapshot;
#[cfg(test)]
mod tests;
mod tls;
pub mod url;

use self::address::Address;
use self::fault::Site;
use super::error::StoreError;
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
        let place = address.to_string();
        let mut client = connect::open(address, connect::Purpose::Reading)?;
        let asked = client.query_one("SELECT current_database()::text", &[]);
        let failed = Site::database(&place).during("look at the database");
        let name: String = asked.and_then(|row| row.try_get(0)).map_err(failed)?;
        let database = match address.schema() {
            address::PUBLIC => name,
            schema => format!("{name}/{schema}"),
        };
        let server = address.server();
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
