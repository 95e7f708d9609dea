//! Why a command did not do what was asked: a message, what to try, and the exit status.

use super::exit::Exit;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::history::journal::HistoryError;
use crate::store::error::StoreError;
use std::fmt;

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What failed and where.
    pub message: String,
    /// What to try; empty if there is nothing to say.
    pub hint: String,
}

impl Failure {
    /// A failure with nothing to try.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), hint: String::new() }
    }

    /// The command line asks for something that cannot be.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// The same failure with a word on what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = hint.into();
        self
    }

    /// A failure with the message of an error and of everything that caused it, each said once.
    #[must_use]
    pub fn of(exit: Exit, error: &dyn std::error::Error) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Failure::new(exit, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Failure {
        Failure::of(Exit::from(error.class()), &error)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Failure {
        Failure::of(Exit::from(&error.kind), &error)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Failure {
        let kind = DeviceErrorKind::from(std::io::Error::from(error.reason.kind()));
        Failure::of(Exit::from(&kind), &error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::of(Exit::from(&error.kind), &error)
    }
}

#[cfg(feature = "sqlite")]
impl From<crate::demo::DemoError> for Failure {
    fn from(error: crate::demo::DemoError) -> Failure {
        Failure::of(Exit::Failed, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once() {
        let kind = DeviceErrorKind::Full;
        let failure = Failure::from(DeviceError { op: "append to", place: "/backup/v1".into(), kind });
        let text = "cannot append to /backup/v1: no space left: free some, or use another device";
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Full, text));
    }
}
