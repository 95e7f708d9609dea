//! SQLite's result codes as store errors. Codes decide, never the words of a message.

use rusqlite::{Error, ErrorCode, ffi};
use std::path::Path;

use crate::store::error::{StoreError, StoreErrorKind};

/// What a failing call was doing, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// The database file.
    pub(super) path: &'a Path,
    /// The table, where there is one.
    pub(super) table: Option<&'a str>,
}

impl<'a> Site<'a> {
    /// The database as a whole.
    pub(super) const fn database(path: &'a Path) -> Site<'a> {
        Site { path, table: None }
    }

    /// One table.
    pub(super) const fn table(path: &'a Path, table: &'a str) -> Site<'a> {
        Site { path, table: Some(table) }
    }

    /// The error of this kind, here.
    pub(super) fn fail(self, op: &str, kind: StoreErrorKind) -> StoreError {
        let place = match self.table {
            Some(table) => format!("{}, table {table}", self.path.display()),
            None => self.path.display().to_string(),
        };
        StoreError { op: op.to_owned(), place, kind }
    }

    /// A closure for `map_err`.
    pub(super) fn during(self, op: &'a str) -> impl Fn(Error) -> StoreError + 'a {
        move |error| self.fail(op, kind_of(&error))
    }
}

/// The kind of an SQLite error.
pub(super) fn kind_of(error: &Error) -> StoreErrorKind {
    let (code, message) = match error {
        Error::SqliteFailure(code, message) => (*code, message.clone()),
        Error::SqlInputError { error, msg, .. } => (*error, Some(msg.clone())),
        Error::Utf8Error(..) | Error::FromSqlConversionFailure(..) => {
            let text = "a name or a type in the database's schema is not UTF-8: rename it".to_owned();
            return StoreErrorKind::Unsupported(text);
        }
        other => return StoreErrorKind::Other { code: "rusqlite".to_owned(), message: other.to_string() },
    };
    let words = message.unwrap_or_else(|| ffi::code_to_str(code.extended_code).to_owned());
    match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreErrorKind::Busy,
        ErrorCode::NotADatabase => StoreErrorKind::NotADatabase(words),
        ErrorCode::ReadOnly if code.extended_code == ffi::SQLITE_READONLY_ROLLBACK => StoreErrorKind::NotPermitted(
            "a transaction that was cut short must be rolled back first: open the database once with its own \
             application, which may write to it"
                .to_owned(),
        ),
        ErrorCode::CannotOpen => StoreErrorKind::NotPermitted(format!(
            "{words}: check the permissions of the file and of its directory (in WAL mode a -shm file must be made there)"
        )),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            StoreErrorKind::NotPermitted(format!("{words}: check the permissions of the file and of its directory"))
        }
        ErrorCode::AuthorizationForStatementDenied => StoreErrorKind::NotPermitted(words),
        ErrorCode::DiskFull => StoreErrorKind::Full,
        // The shared memory of a database in WAL mode could not be made larger: there is no other usual reason.
        ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreErrorKind::Full,
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => StoreErrorKind::Refused(words),
        ErrorCode::DatabaseCorrupt => StoreErrorKind::Damaged(words),
        ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
            StoreErrorKind::Damaged("the file is shorter than it says".to_owned())
        }
        ErrorCode::OperationInterrupted => StoreErrorKind::Stopped,
        _ => StoreErrorKind::Other { code: code.extended_code.to_string(), message: words },
    }
}
