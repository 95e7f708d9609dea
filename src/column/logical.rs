//! What a column is declared to hold. The ids are frozen: an id never changes its meaning.

/// What a column holds, independent of the database it came from.
///
/// A *value* travels in one of five storage classes ([`crate::column::batch::Value`]): null, integer, real, text, blob.
/// The logical type says how such a value is read: a [`LogicalType::Date`] travels as the text `2024-02-29`, a
/// [`LogicalType::Decimal`] as text, integer or real. A value that does not fit its logical type is still kept exactly,
/// with its storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogicalType {
    /// Whole number of this many bits: 8, 16, 32 or 64.
    Integer {
        /// Width in bits.
        bits: u8,
    },
    /// Binary floating point of 32 or 64 bits.
    Float {
        /// Width in bits.
        bits: u8,
    },
    /// Exact decimal; precision 0 means that none is declared.
    Decimal {
        /// Digits in all, 0 if not declared.
        precision: u16,
        /// Digits after the point.
        scale: u16,
    },
    /// True or false; travels as the integers 1 and 0.
    Boolean,
    /// A civil date; travels as text `YYYY-MM-DD`.
    Date,
    /// A time of day; travels as text `HH:MM:SS` with an optional fraction.
    Time,
    /// A civil date and time without zone; travels as text `YYYY-MM-DD HH:MM:SS` with an optional fraction.
    Timestamp,
    /// An instant with a zone offset; travels as text `YYYY-MM-DD HH:MM:SS+00`, in UTC, with an optional fraction.
    TimestampZone,
    /// Text of any length.
    Text,
    /// Text of a fixed number of characters, padded with blanks at the source; 0 if no width is declared.
    FixedText {
        /// Declared width in characters.
        width: u32,
    },
    /// Bytes.
    Blob,
    /// A column with no declared type, or one whose type has no counterpart here: each value stands for itself.
    Any,
}

impl LogicalType {
    /// The frozen id and the two parameters, as the schema record stores them.
    #[must_use]
    pub const fn to_stored(self) -> (u16, u32, u32) {
        match self {
            LogicalType::Integer { bits } => (1, bits as u32, 0),
            LogicalType::Float { bits } => (2, bits as u32, 0),
            LogicalType::Decimal { precision, scale } => (3, precision as u32, scale as u32),
            LogicalType::Boolean => (4, 0, 0),
            LogicalType::Date => (5, 0, 0),
            LogicalType::Time => (6, 0, 0),
            LogicalType::Timestamp => (7, 0, 0),
            LogicalType::TimestampZone => (8, 0, 0),
            LogicalType::Text => (9, 0, 0),
            LogicalType::FixedText { width } => (10, width, 0),
            LogicalType::Blob => (11, 0, 0),
            LogicalType::Any => (12, 0, 0),
        }
    }

    /// The logical type of stored id and parameters, or `None` if there is no such type in this version.
    #[must_use]
    pub fn from_stored(id: u16, first: u32, second: u32) -> Option<LogicalType> {
        Some(match (id, first, second) {
            (1, 8 | 16 | 32 | 64, 0) => LogicalType::Integer { bits: first as u8 },
            (2, 32 | 64, 0) => LogicalType::Float { bits: first as u8 },
            (3, 0..=0xFFFF, 0..=0xFFFF) => LogicalType::Decimal { precision: first as u16, scale: second as u16 },
            (4, 0, 0) => LogicalType::Boolean,
            (5, 0, 0) => LogicalType::Date,
            (6, 0, 0) => LogicalType::Time,
            (7, 0, 0) => LogicalType::Timestamp,
            (8, 0, 0) => LogicalType::TimestampZone,
            (9, 0, 0) => LogicalType::Text,
            (10, _, 0) => LogicalType::FixedText { width: first },
            (11, 0, 0) => LogicalType::Blob,
            (12, 0, 0) => LogicalType::Any,
            _ => return None,
        })
    }
}
