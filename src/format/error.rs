//! What can be wrong with bytes that claim to be a volume.

use crate::base::cursor::ShortInput;
use crate::base::position::Position;

/// Bytes that are not what the format demands, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ({at})")]
pub struct FormatError {
    /// What is wrong.
    pub kind: FormatErrorKind,
    /// Where: the byte counts from the start of the block, or of the slice where no block is known.
    pub at: Position,
}

impl FormatError {
    /// An error at a byte.
    #[must_use]
    pub fn new(kind: FormatErrorKind, byte: usize) -> FormatError {
        FormatError { kind, at: Position::byte(byte as u64) }
    }

    /// The same error, with what its place lacks taken from `outer`.
    #[must_use]
    pub fn within(mut self, outer: Position) -> FormatError {
        self.at = self.at.within(outer);
        self
    }
}

impl From<ShortInput> for FormatError {
    fn from(short: ShortInput) -> FormatError {
        FormatError::new(FormatErrorKind::Short { wanted: short.wanted as u64, left: short.left as u64 }, short.at)
    }
}

/// The ways in which bytes can fail to be a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// No block starts here.
    #[error("not an intervault block: the magic is missing")]
    Magic,
    /// The volume was written by a newer release.
    #[error("format version {found} is newer than {newest}, the newest that this release reads: use a newer release")]
    Version {
        /// The version found.
        found: u16,
        /// The newest version that this build reads.
        newest: u16,
    },
    /// The volume needs something that this build does not have.
    #[error("the volume needs {0}, which this release does not understand: use a newer release")]
    Feature(String),
    /// A checksum does not match.
    #[error("{part} checksum is {found:08x}, computed {computed:08x}")]
    Checksum {
        /// `header` or `payload`.
        part: &'static str,
        /// The stored checksum.
        found: u32,
        /// The checksum of what is there.
        computed: u32,
    },
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
    /// The block is intact but belongs elsewhere.
    #[error(
        "this block belongs to {found}, expected {expected}: a block in the wrong place, or volumes of two sets mixed"
    )]
    Identity {
        /// Whose block this is.
        found: String,
        /// Whose block should be here.
        expected: String,
    },
    /// A record body could not be decoded.
    #[error("{record} record cannot be decoded: {reason}")]
    Record {
        /// Name of the record.
        record: &'static str,
        /// What the decoder said.
        reason: String,
    },
}
