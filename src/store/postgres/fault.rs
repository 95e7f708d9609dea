//! A server's refusals as store errors. Its codes (SQLSTATE) decide, never the words of a message.

use postgres::Error;
use postgres::error::DbError;
use std::error::Error as _;
use std::io;

use crate::store::error::{StoreError, StoreErrorKind};

/// What somebody who is not let in can do.
const LET_IN: &str = "check the user and the password (PGPASSWORD, or a line in the password file ~/.pgpass)";

/// What a failing call was doing, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// The database, as an address without its password.
    place: &'a str,
    /// The table, where there is one.
    table: Option<&'a str>,
}

impl<'a> Site<'a> {
    /// The database as a whole.
    pub(super) const fn database(place: &'a str) -> Site<'a> {
        Site { place, table: None }
    }

    /// One table.
    pub(super) const fn table(place: &'a str, table: &'a str) -> Site<'a> {
        Site { place, table: Some(table) }
    }

    /// The error of this kind, here.
    pub(super) fn fail(self, op: &str, kind: StoreErrorKind) -> StoreError {
        let place = match self.table {
            Some(table) => format!("{}, table {table}", self.place),
            None => self.place.to_owned(),
        };
        StoreError { op: op.to_owned(), place, kind }
    }

    /// A closure for `map_err`.
    pub(super) fn during(self, op: &'a str) -> impl Fn(Error) -> StoreError + 'a {
        move |error| self.fail(op, kind_of(&error))
    }
}

/// The kind of an error within a session.
pub(super) fn kind_of(error: &Error) -> StoreErrorKind {
    match error.as_db_error() {
        Some(said) => kind_of_code(said.code().code(), &words(said)),
        None if error.is_closed() => StoreErrorKind::Lost("it was closed".to_owned()),
        None => match io_cause(error) {
            Some(cause) => StoreErrorKind::Lost(cause.to_string()),
            None => StoreErrorKind::Other { code: "client".to_owned(), message: whole(error) },
        },
    }
}

/// The kind of an error before there is a session.
pub(super) fn kind_of_connecting(error: &Error) -> StoreErrorKind {
    let Some(said) = error.as_db_error() else {
        // The client library tells by its words alone that it has no password, or none that proves enough.
        let words = error.to_string();
        if words == "invalid configuration" || words == "authentication error" {
            return StoreErrorKind::NotPermitted(format!("{}: {LET_IN}", whole(error)));
        }
        return StoreErrorKind::Unreachable(match io_cause(error) {
            Some(cause) if cause.get_ref().is_none() => cause.to_string(),
            _ => whole(error),
        });
    };
    match kind_of_code(said.code().code(), &words(said)) {
        StoreErrorKind::Lost(words) => StoreErrorKind::Unreachable(words),
        kind => kind,
    }
}

/// What the server says, with its detail and hint.
fn words(said: &DbError) -> String {
    let mut text = said.message().to_owned();
    for more in [said.detail(), said.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}

/// An error with its causes.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}

/// The failure of the connection below the protocol, if that is what it was.
fn io_cause(error: &Error) -> Option<&io::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// The kind that an SQLSTATE stands for. The classes are those of the server's documentation, by their first two signs.
fn kind_of_code(code: &str, words: &str) -> StoreErrorKind {
    let words = words.to_owned();
    match code {
        "28P01" => StoreErrorKind::NotPermitted(format!("{words}: {LET_IN}")),
        "28000" => StoreErrorKind::NotPermitted(format!(
            "{words}: check the user, and what the server's pg_hba.conf lets in from here"
        )),
        "3D000" => StoreErrorKind::NotFound,
        "42501" => StoreErrorKind::NotPermitted(format!(
            "{words}: grant it to the role (intervault roles prints the statements)"
        )),
        "22021" => StoreErrorKind::Unsupported(format!(
            "{words}: text that is not in its encoding cannot be carried; put it right, or leave the table out (--tables)"
        )),
        "25006" => StoreErrorKind::NotPermitted(format!(
            "{words}: this server or session only reads (a standby?), name another"
        )),
        "53100" => StoreErrorKind::Full,
        "53300" => StoreErrorKind::Crowded(words),
        "42883" => StoreErrorKind::Other {
            code: code.to_owned(),
            message: format!(
                "{words}; where a function of the database calls it without naming its schema, give that function a path of its \
                 own (ALTER FUNCTION ... SET search_path = ...): sessions here have none, as those of pg_restore"
            ),
        },
        // Each table that is read or changed takes a place in the server's list of locks.
        "53200" => StoreErrorKind::Other {
            code: code.to_owned(),
            message: format!(
                "{words}: where it speaks of shared memory too many tables are locked at once: name fewer (--tables), or let an \
                 administrator raise max_locks_per_transaction"
            ),
        },
        // A lock that was not had in time, transactions that cannot be put in an order.
        "55P03" | "40001" | "55006" => StoreErrorKind::Busy,
        "40P01" => StoreErrorKind::Deadlock(words),
        "57014" => StoreErrorKind::Other {
            code: code.to_owned(),
            message: format!("{words}: somebody stopped the statement, or a time limit of the server did; run again"),
        },
        "57P01" | "57P02" | "57P03" | "57P05" => StoreErrorKind::Lost(words),
        "XX001" | "XX002" => StoreErrorKind::Damaged(words),
        _ if code.starts_with("08") => StoreErrorKind::Lost(words),
        _ if code.starts_with("23") => StoreErrorKind::Refused(words),
        _ => StoreErrorKind::Other { code: code.to_owned(), message: words },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_kinds() {
        use StoreErrorKind::*;
        let kind = |code: &str| kind_of_code(code, "words");
        assert!(matches!(kind("28P01"), NotPermitted(text) if text.contains("words") && text.contains(".pgpass")));
        assert!(matches!(kind("42501"), NotPermitted(text) if text.contains("intervault roles")));
        assert!(matches!((kind("3D000"), kind("53100"), kind("55P03")), (NotFound, Full, Busy)));
        assert!(matches!((kind("53300"), kind("40P01")), (Crowded(_), Deadlock(text)) if text == "words"));
        assert!(matches!(kind("53200"), Other { message, .. } if message.contains("max_locks_per_transaction")));
        assert!(matches!((kind("57P01"), kind("08006")), (Lost(_), Lost(_))));
        assert!(matches!((kind("23505"), kind("XX001")), (Refused(_), Damaged(_))));
        assert!(matches!(kind("22021"), Unsupported(text) if text.contains("--tables")));
        assert!(matches!(kind("42883"), Other { message, .. } if message.contains("SET search_path")));
        assert!(matches!(kind("42P01"), Other { code, .. } if code == "42P01"));
    }
}
