//! The error of every operation: what the layers below say, with the class that decides the exit status.

use crate::base::position::Position;
use crate::column::error::ColumnError;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::files::error::{FilesError, FilesErrorKind};
use crate::format::error::FormatError;
use crate::schema::catalogue::{BindError, CatalogueError};
use crate::schema::clock::ClockError;
use crate::schema::range::RangeError;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::volume::error::VolumeError;
use std::fmt;

/// What a caller can do about an error, and so the exit status of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// Damage on the volumes, or a difference between what should be equal.
    Damage,
    /// Device or database full.
    Full,
    /// Access refused by the operating system or the database.
    NotPermitted,
    /// A volume is wrong, missing or wanted.
    Volume,
    /// Somebody else holds the lock.
    Busy,
    /// What is asked for cannot be restored as asked.
    NotRestorable,
    /// There is nothing of that name.
    Nothing,
    /// What was asked for cannot be, whatever the database and the volumes hold; nothing was begun.
    Usage,
    /// Anything else.
    Failed,
}

/// An operation failed. Nothing that the operation was about to change has been changed, unless the text says so.
pub struct Error(Box<ErrorKind>);

/// What failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A volume or set.
    #[error(transparent)]
    Volume(VolumeError),
    /// A device.
    #[error(transparent)]
    Device(DeviceError),
    /// A database.
    #[error(transparent)]
    Store(StoreError),
    /// A file, a folder or a pattern.
    #[error(transparent)]
    Files(FilesError),
    /// The bytes of a block.
    #[error(transparent)]
    Format(FormatError),
    /// The bytes of a column; `table` says of which table.
    #[error("table {table}: {error}")]
    Column {
        /// The table.
        table: String,
        /// What is wrong, and where.
        error: ColumnError,
    },
    /// A table catalogue.
    #[error(transparent)]
    Catalogue(CatalogueError),
    /// A table that is not as the table catalogue says.
    #[error(transparent)]
    Bind(BindError),
    /// A clock that cannot be read.
    #[error(transparent)]
    Clock(ClockError),
    /// A request that the range engine cannot answer.
    #[error("table {table}: {error}")]
    Range {
        /// The table.
        table: String,
        /// What is wrong.
        error: RangeError,
    },
    /// Something is not as it should be: damage found, a digest that differs.
    #[error("{what}; {advice}")]
    Damage {
        /// What was found, and where.
        what: String,
        /// What to try.
        advice: String,
    },
    /// Volumes are wanted that are not there.
    #[error("{what}; {advice}")]
    Wanted {
        /// Which, by name and number.
        what: String,
        /// What to try.
        advice: String,
    },
    /// Somebody else is at work on what is needed.
    #[error("{what}; {advice}")]
    InUse {
        /// What it is, and who uses it.
        what: String,
        /// What to try.
        advice: String,
    },
    /// Whoever asks is not allowed to read what is needed.
    #[error("{what}; {advice}")]
    NotPermitted {
        /// What it is, and where.
        what: String,
        /// What to try.
        advice: String,
    },
    /// A rule forbids what was asked.
    #[error("{what}; {advice}")]
    Refused {
        /// The rule, and what breaks it.
        what: String,
        /// What to try.
        advice: String,
    },
    /// There is nothing to work on.
    #[error("{what}; {advice}")]
    Nothing {
        /// What is not there.
        what: String,
        /// What to try.
        advice: String,
    },
    /// The options do not go together.
    #[error("{0}")]
    Options(String),
    /// Somebody asked to stop ([`crate::base::monitor::Monitor::cancelled`]).
    #[error("stopped as asked")]
    Cancelled,
}

impl Error {
    /// What failed.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// Where on the media, as far as known.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.kind() {
            ErrorKind::Format(error) => error.at,
            ErrorKind::Column { error, .. } => error.at,
            ErrorKind::Volume(error) => error.position(),
            _ => Position::UNKNOWN,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.kind() {
            ErrorKind::Volume(error) => volume_class(error),
            ErrorKind::Device(error) => device_class(error),
            ErrorKind::Store(error) => store_class(error),
            ErrorKind::Files(error) => files_class(error),
            ErrorKind::Format(_) | ErrorKind::Column { .. } | ErrorKind::Damage { .. } => Class::Damage,
            ErrorKind::Wanted { .. } => Class::Volume,
            ErrorKind::InUse { .. } => Class::Busy,
            ErrorKind::NotPermitted { .. } => Class::NotPermitted,
            ErrorKind::Range { .. } | ErrorKind::Refused { .. } | ErrorKind::Bind(_) => Class::NotRestorable,
            ErrorKind::Nothing { .. } => Class::Nothing,
            ErrorKind::Options(_) => Class::Usage,
            ErrorKind::Catalogue(_) | ErrorKind::Clock(_) | ErrorKind::Cancelled => Class::Failed,
        }
    }

    /// What failed and what to try, as an error of this class; one of a class that needs more is that of a rule.
    #[must_use]
    pub fn of_class(class: Class, what: impl Into<String>, advice: impl Into<String>) -> Error {
        match class {
            Class::Damage => Error::damage(what, advice),
            Class::Volume => Error::wanted(what, advice),
            Class::Busy => Error::in_use(what, advice),
            Class::Nothing => Error::nothing(what, advice),
            Class::NotPermitted => Error::not_permitted(what, advice),
            Class::Full | Class::NotRestorable | Class::Usage | Class::Failed => Error::refused(what, advice),
        }
    }

    /// A rule forbids what was asked: what, and what to try.
    #[must_use]
    pub fn refused(what: impl Into<String>, advice: impl Into<String>) -> Error {
        ErrorKind::Refused { what: what.into(), advice: advice.into() }.into()
    }

    /// Damage or a difference: what and where, and what to try.
    #[must_use]
    pub fn damage(what: impl Into<String>, advice: impl Into<String>) -> Error {
        ErrorKind::Damage { what: what.into(), advice: advice.into() }.into()
    }

    /// A volume is wanted or wrong: which, and what to try.
    #[must_use]
    pub fn wanted(what: impl Into<String>, advice: impl Into<String>) -> Error {
        ErrorKind::Wanted { what: what.into(), advice: advice.into() }.into()
    }

    /// Somebody else is at work on what is needed: on what, and who; what to try.
    #[must_use]
    pub fn in_use(what: impl Into<String>, advice: impl Into<String>) -> Error {
        ErrorKind::InUse { what: what.into(), advice: advice.into() }.into()
    }

    /// Something that is needed may not be read: what, and what to try.
    #[must_use]
    pub fn not_permitted(what: impl Into<String>, advice: impl Into<String>) -> Error {
        ErrorKind::NotPermitted { what: what.into(), advice: advice.into() }.into()
    }

    /// Nothing there: what, and what to try.
    #[must_use]
    pub fn nothing(what: impl Into<String>, advice: impl Into<String>) -> Error {
        ErrorKind::Nothing { what: what.into(), advice: advice.into() }.into()
    }
}

fn device_class(error: &DeviceError) -> Class {
    match error.kind {
        DeviceErrorKind::Full => Class::Full,
        DeviceErrorKind::NotFound | DeviceErrorKind::NoDrive => Class::Nothing,
        DeviceErrorKind::NotPermitted | DeviceErrorKind::WriteProtected => Class::NotPermitted,
        DeviceErrorKind::Wanted { .. } | DeviceErrorKind::WrongMedium(_) | DeviceErrorKind::NoVolume(_) => {
            Class::Volume
        }
        DeviceErrorKind::Busy(_) => Class::Busy,
        DeviceErrorKind::Short { .. } => Class::Damage,
        _ => Class::Failed,
    }
}

fn files_class(error: &FilesError) -> Class {
    match error.kind {
        FilesErrorKind::NotFound => Class::Nothing,
        FilesErrorKind::NotPermitted => Class::NotPermitted,
        FilesErrorKind::Full => Class::Full,
        FilesErrorKind::Refused(_) => Class::NotRestorable,
        FilesErrorKind::System(_) => Class::Failed,
    }
}

fn store_class(error: &StoreError) -> Class {
    match error.kind {
        StoreErrorKind::NotFound
        | StoreErrorKind::NoSchema(_)
        | StoreErrorKind::NoTable(_)
        | StoreErrorKind::Unreachable(_) => Class::Nothing,
        StoreErrorKind::Busy
        | StoreErrorKind::Rewritten
        | StoreErrorKind::Crowded(_)
        | StoreErrorKind::Deadlock(_)
        | StoreErrorKind::InUse(_) => Class::Busy,
        StoreErrorKind::NotPermitted(_) => Class::NotPermitted,
        StoreErrorKind::Full => Class::Full,
        StoreErrorKind::Damaged(_) => Class::Damage,
        StoreErrorKind::Unsupported(_) | StoreErrorKind::Refused(_) => Class::NotRestorable,
        _ => Class::Failed,
    }
}

fn volume_class(error: &VolumeError) -> Class {
    match error {
        VolumeError::Device(error) => device_class(error),
        VolumeError::NoSuchSet { .. } => Class::Nothing,
        VolumeError::Begun { .. } => Class::Busy,
        VolumeError::SeveralSets { .. } => Class::NotRestorable,
        VolumeError::MissingVolumes { .. }
        | VolumeError::WrongVolume { .. }
        | VolumeError::Several { .. }
        | VolumeError::Interrupted { .. } => Class::Volume,
        _ if error.is_damage() => Class::Damage,
        _ => Class::Failed,
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error(Box::new(kind))
    }
}

macro_rules! from {
    ($($layer:ident => $kind:ident),*) => {
        $(impl From<$layer> for Error {
            fn from(error: $layer) -> Error {
                ErrorKind::$kind(error).into()
            }
        })*
    };
}

from!(
    VolumeError => Volume,
    DeviceError => Device,
    StoreError => Store,
    FilesError => Files,
    FormatError => Format,
    CatalogueError => Catalogue,
    BindError => Bind,
    ClockError => Clock
);
