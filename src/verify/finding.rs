//! What a verification finds: data, not errors.

use super::cost::{Cost, in_words};
use crate::base::position::Position;
use crate::format::error::{FormatError, FormatErrorKind};
use crate::volume::error::VolumeError;
use std::fmt;

/// What to try where bytes are not what was written.
pub(super) const COPY: &str = "use another copy of the set; what else it holds can still be restored (--partial)";

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
    /// What is not as it should be.
    pub what: String,
    /// What should be there, where that can be said.
    pub expected: Option<String>,
    /// What is there, where that can be said.
    pub found: Option<String>,
    /// What it costs, by table; empty if nothing, or if nobody can tell.
    pub costs: Vec<Cost>,
    /// What to try.
    pub advice: &'static str,
}

impl Finding {
    /// Bytes that are not what was written.
    pub(super) fn damage(at: Position, what: impl Into<String>) -> Finding {
        Finding::new(Level::Damage, at, what, COPY)
    }

    /// Something that is not here.
    pub(super) fn incomplete(at: Position, what: impl Into<String>, advice: &'static str) -> Finding {
        Finding::new(Level::Incomplete, at, what, advice)
    }

    fn new(level: Level, at: Position, what: impl Into<String>, advice: &'static str) -> Finding {
        let what = what.into();
        Finding { level, volume: None, at, what, expected: None, found: None, costs: Vec::new(), advice }
    }

    /// Bytes of which an error tells what is wrong with them.
    pub(super) fn of_error(error: &VolumeError) -> Finding {
        match error {
            VolumeError::Format { name, source } => {
                Finding { volume: Some(name.clone()), ..Finding::of_format(source) }
            }
            VolumeError::Length { name, len, expected, .. } => {
                Finding::damage(error.position(), "the volume has not the length that the catalog of its set says")
                    .on(name)
                    .odds(format!("{expected} bytes"), format!("{len} bytes"))
            }
            other => Finding::damage(other.position(), other.to_string()),
        }
    }

    /// Bytes that are not what the format demands.
    pub(super) fn of_format(error: &FormatError) -> Finding {
        let found = |what: String| Finding::damage(error.at, what);
        match &error.kind {
            // The stored checksum says what the bytes were.
            FormatErrorKind::Checksum { part, found: stored, computed } => {
                found(format!("the {part} checksum is not that of the bytes"))
                    .odds(format!("{stored:08x}"), format!("{computed:08x}"))
            }
            FormatErrorKind::Short { wanted, left } => {
                found("what stands here is cut off".to_owned()).odds(format!("{wanted} bytes"), format!("{left} bytes"))
            }
            FormatErrorKind::Field { field, found: value, allowed } => {
                found(format!("{field} is not what it must be")).odds(*allowed, value.to_string())
            }
            FormatErrorKind::Limit { field, found: value, limit } => {
                found(format!("{field} is over its limit")).odds(format!("{limit} at most"), value.to_string())
            }
            FormatErrorKind::Identity { found: is, expected } => {
                found("a block in the wrong place, or volumes of two sets mixed".to_owned())
                    .odds(expected.clone(), is.clone())
            }
            FormatErrorKind::Version { found: is, newest } => {
                found("it was written by a newer release, with which it can be read".to_owned())
                    .odds(format!("format version {newest} at most"), format!("format version {is}"))
            }
            other => found(other.to_string()),
        }
    }

    /// What it costs in words; empty if nothing.
    #[must_use]
    pub fn costs_text(&self) -> String {
        in_words(&self.costs)
    }

    /// The same, with what should be there and what is.
    pub(super) fn odds(self, expected: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { expected: Some(expected.into()), found: Some(found.into()), ..self }
    }

    /// The same, on this volume.
    pub(super) fn on(self, name: &str) -> Finding {
        Finding { volume: Some(name.to_owned()), ..self }
    }

    /// The same, said of something: of a table, of so many bytes.
    pub(super) fn about(self, subject: impl fmt::Display) -> Finding {
        Finding { what: format!("{subject}: {}", self.what), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level.name(), self.what)?;
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(f, ", expected {expected}, found {found}")?,
            (Some(expected), None) => write!(f, ", expected {expected}")?,
            (None, Some(found)) => write!(f, ", found {found}")?,
            (None, None) => {}
        }
        if self.at != Position::UNKNOWN {
            write!(f, " ({})", self.at)?;
        }
        if !self.costs.is_empty() {
            write!(f, "; costs {}", in_words(&self.costs))?;
        }
        write!(f, "; {}", self.advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_should_be_there_and_what_is() {
        let kind = FormatErrorKind::Checksum { part: "payload", found: 0xAB, computed: 0xCD };
        let error = VolumeError::Format {
            name: "a.ivv".to_owned(),
            source: FormatError { kind, at: Position::volume(2).with_block(7) },
        };
        let finding = Finding::of_error(&error).about("640 bytes from byte 128");
        let odds = (finding.expected.as_deref(), finding.found.as_deref(), finding.volume.as_deref());
        assert_eq!(odds, (Some("000000ab"), Some("000000cd"), Some("a.ivv")));
        assert_eq!(
            finding.to_string(),
            format!(
                "damage: 640 bytes from byte 128: the payload checksum is not that of the bytes, expected 000000ab, found \
                 000000cd (volume 2, block 7); {COPY}"
            )
        );
    }
}
