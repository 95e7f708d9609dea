//! What a store can fail with.

/// A database operation that failed: what, where, why.
#[derive(Debug, thiserror::Error)]
#[error("{op} ({place}): {kind}")]
pub struct StoreError {
    /// What was tried, for people: `read table hsplit`, `begin the restore`, …
    pub op: String,
    /// The database, and the table where there is one.
    pub place: String,
    /// Why it failed.
    #[source]
    pub kind: StoreErrorKind,
}

/// The ways in which a store can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// There is no such database.
    #[error("there is no such database: check the path or the name; intervault never creates one on its own")]
    NotFound,
    /// It is something else.
    #[error("this is not a database that can be read: {0}")]
    NotADatabase(String),
    /// The server does not answer, or does not speak as a server of this kind.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The connection to the server broke. What was not committed before is not there.
    #[error("the connection to the server was lost: {0}: look whether the server runs, then run again")]
    Lost(String),
    /// Another connection holds the lock.
    #[error("the database is locked by another connection: try again when that has finished")]
    Busy,
    /// A table was rewritten or dropped (TRUNCATE, some kinds of ALTER TABLE, partitions put in or taken out) after the view of
    /// the database began, and not all of its rows can be seen in it any more.
    #[error("the table was rewritten or dropped while this began, and its rows cannot be read as they were: run again")]
    Rewritten,
    /// Another backup or restore works on the database; holds whose it is, in brackets, or nothing if that is not known.
    #[error("another backup or restore of this database is under way{0}: wait for it to end, or stop it")]
    InUse(String),
    /// The database is read-only, or the operating system refuses access.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// The database or its disk is full.
    #[error("the database or its disk is full: this change was not made; free some space and run again")]
    Full,
    /// No table of that name.
    #[error("there is no table {0}")]
    NoTable(String),
    /// The database has no schema of that name.
    #[error("there is no schema {0:?} in the database: name another with schema=NAME in the address")]
    NoSchema(String),
    /// The server has no room for another session.
    #[error("{0}: try again later, or with fewer jobs")]
    Crowded(String),
    /// The change and one of somebody else waited for each other, and the database ended this one.
    #[error("{0}: the database ended this change, and nothing of it was done; run again")]
    Deadlock(String),
    /// The table cannot be handled as asked.
    #[error("{0}")]
    Unsupported(String),
    /// A row on the volumes does not pass the target's rules (a constraint, a trigger).
    #[error("the database refuses a row: {0}")]
    Refused(String),
    /// The database file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// Anything else that the database says.
    #[error("{message} (code {code})")]
    Other {
        /// The database's own code.
        code: String,
        /// The database's own words.
        message: String,
    },
}
