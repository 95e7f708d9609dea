//! What a verification finds: data, not errors.

use crate::base::position::Position;
use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing is lost, but something is not as it should be.
    Warning,
    /// A part of the set is missing: volumes that are not here, a set that was never finished.
    Incomplete,
    /// Bytes are not what was written: rows are lost or cannot be trusted.
    Damage,
}

impl Level {
    /// The word for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Warning => "warning",
            Level::Incomplete => "incomplete",
            Level::Damage => "damage",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Name of the volume on its device, if the finding is about one.
    pub volume: Option<String>,
    /// Where on the media.
    pub at: Position,
    /// What was found, and what was expected.
    pub what: String,
    /// What it costs: table and rows; empty if nothing.
    pub costs: String,
    /// What to try.
    pub advice: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level.name(), self.what)?;
        if self.at != Position::UNKNOWN {
            write!(f, " ({})", self.at)?;
        }
        if !self.costs.is_empty() {
            write!(f, "; costs {}", self.costs)?;
        }
        write!(f, "; {}", self.advice)
    }
}
