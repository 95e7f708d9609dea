//! What can be wrong with a column: with its bytes when reading, with its shape when writing.

use crate::base::cursor::ShortInput;
use crate::base::position::Position;

/// A column that cannot be decoded or encoded, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ({at})")]
pub struct ColumnError {
    /// What is wrong.
    pub kind: ColumnErrorKind,
    /// Where: the byte counts from the start of the column's bytes.
    pub at: Position,
}

impl ColumnError {
    /// An error at a byte of the column's bytes.
    #[must_use]
    pub fn new(kind: ColumnErrorKind, byte: usize) -> ColumnError {
        ColumnError { kind, at: Position::byte(byte as u64) }
    }

    /// The same error, with what its place lacks taken from `outer`.
    #[must_use]
    pub fn within(mut self, outer: Position) -> ColumnError {
        self.at = self.at.within(outer);
        self
    }
}

impl From<ShortInput> for ColumnError {
    fn from(short: ShortInput) -> ColumnError {
        ColumnError::new(ColumnErrorKind::Short { wanted: short.wanted as u64, left: short.left as u64 }, short.at)
    }
}

/// The ways in which a column can fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnErrorKind {
    /// The encoding id is not one of this version.
    #[error("column encoding {0} is not known to this release: use a newer release")]
    Encoding(u16),
    /// Fewer bytes than the value needs.
    #[error("{wanted} bytes wanted, {left} left")]
    Short {
        /// Bytes that the value needs.
        wanted: u64,
        /// Bytes that are there.
        left: u64,
    },
    /// A field holds a value that the format does not allow.
    #[error("{field} is {found}, allowed: {allowed}")]
    Field {
        /// Name of the field, as in the specification.
        field: &'static str,
        /// What is stored.
        found: u64,
        /// What would be allowed.
        allowed: &'static str,
    },
    /// A number exceeds its cap.
    #[error("{field} is {found}, the limit is {limit}")]
    Limit {
        /// Name of the field or of the thing counted.
        field: &'static str,
        /// What is stored.
        found: u64,
        /// The cap.
        limit: u64,
    },
    /// Compressed bytes do not decompress to what they claim.
    #[error("compressed bytes are damaged: {0}")]
    Compressed(String),
    /// A batch to be written contradicts itself.
    #[error("the batch cannot be written: {0}")]
    Shape(&'static str),
}
