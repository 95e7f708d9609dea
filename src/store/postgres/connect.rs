//! Sessions: how they are begun, and what is set in them.
//!
//! Nothing of what the server, the database or the role has as its settings reaches what is read or written: what values
//! look like as text, which schema a name is looked for in, which rows a policy hides, how long a statement may take.

use postgres::{Client, NoTls, SimpleQueryMessage};
use std::time::Duration;

use super::address::Address;
use super::fault::{Site, kind_of_connecting};
use crate::store::error::{StoreError, StoreErrorKind};

const OPEN: &str = "open the database";

/// The oldest version of the server that will do, as it numbers itself. Before it a slice of a table by the place of its
/// rows was found by reading the whole table.
const VERSION_MIN: u32 = 140_000;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The server itself then refuses whatever would change something.
    Reading,
    /// Rows are deleted and inserted.
    #[cfg_attr(not(test), expect(dead_code, reason = "nothing is written yet"))]
    Writing,
}

/// Begins a session. No transaction is open in it.
///
/// # Errors
/// `Unreachable`, `NotPermitted`, `NotFound`, `Unsupported` if the server is too old.
pub(super) fn open(address: &Address, purpose: Purpose) -> Result<Client, StoreError> {
    let place = address.to_string();
    let site = Site::database(&place);
    let mut config = address.config().clone();
    if config.get_application_name().is_none() {
        config.application_name("intervault");
    }
    let mut client = config.connect(NoTls).map_err(|error| site.fail(OPEN, kind_of_connecting(&error)))?;
    let version = client.simple_query("SHOW server_version_num").map_err(site.during(OPEN))?;
    let version = version.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|number| number.parse().ok()),
        _ => None,
    });
    if version.is_none_or(|version: u32| version < VERSION_MIN) {
        return Err(site.fail(OPEN, too_old(version)));
    }
    client.batch_execute(&settings(purpose, address.lock_wait())).map_err(site.during(OPEN))?;
    Ok(client)
}

fn too_old(version: Option<u32>) -> StoreErrorKind {
    let is = version.map_or_else(|| "of an unknown version".to_owned(), |v| format!("PostgreSQL {}", v / 10_000));
    StoreErrorKind::Unsupported(format!("the server is {is}: at least PostgreSQL {} is needed", VERSION_MIN / 10_000))
}

/// The statements that make a session the same everywhere.
fn settings(purpose: Purpose, lock_wait: Duration) -> String {
    let read_only = match purpose {
        Purpose::Reading => "on",
        Purpose::Writing => "off",
    };
    let fixed = [
        // Only the server's own functions and types are found without their schema.
        ("search_path", "''"),
        ("client_encoding", "'UTF8'"),
        ("standard_conforming_strings", "on"),
        ("DateStyle", "'ISO, YMD'"),
        ("IntervalStyle", "'postgres'"),
        ("TimeZone", "'UTC'"),
        // The shortest digits that give the same float again.
        ("extra_float_digits", "3"),
        ("bytea_output", "'hex'"),
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("synchronous_commit", "on"),
        // A policy that hides rows is an error then: a backup that lacks them would look whole.
        ("row_security", "off"),
        ("default_transaction_deferrable", "off"),
        ("default_transaction_isolation", "'read committed'"),
        ("default_transaction_read_only", read_only),
    ];
    let mut out: String = fixed.iter().map(|(name, value)| format!("SET {name} = {value};")).collect();
    out.push_str(&format!("SET lock_timeout = {}", lock_wait.as_millis().min(i32::MAX as u128)));
    out
}
