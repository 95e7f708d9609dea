//! Where on the media something is.

use std::fmt;

/// A place on the volumes of a set; every part that is known is given.
///
/// Volumes count from 1, blocks from 0 within their volume (block 0 is the label), sections from 1, rows from 0 within
/// their section, bytes from 0 within the thing named last.
///
/// ```
/// use intervault::base::position::Position;
/// let at = Position::volume(2).with_block(17).with_byte(40);
/// assert_eq!(at.to_string(), "volume 2, block 17, byte 40");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Volume number in the set, from 1.
    pub volume: Option<u32>,
    /// Block number in the volume, from 0.
    pub block: Option<u64>,
    /// Section number in the set, from 1.
    pub section: Option<u32>,
    /// Column number in the section's schema, from 0.
    pub column: Option<u32>,
    /// First row, from 0 within the section, and the number of rows.
    pub rows: Option<(u64, u64)>,
    /// Byte offset, from 0 within the innermost part given.
    pub byte: Option<u64>,
}

impl Position {
    /// Nowhere in particular.
    pub const UNKNOWN: Position =
        Position { volume: None, block: None, section: None, column: None, rows: None, byte: None };

    /// A volume as a whole.
    #[must_use]
    pub const fn volume(volume: u32) -> Position {
        Position { volume: Some(volume), ..Position::UNKNOWN }
    }

    /// A byte of something whose own place is not known here.
    #[must_use]
    pub const fn byte(byte: u64) -> Position {
        Position { byte: Some(byte), ..Position::UNKNOWN }
    }

    /// The same place, in this volume.
    #[must_use]
    pub const fn with_volume(mut self, volume: u32) -> Position {
        self.volume = Some(volume);
        self
    }

    /// The same place, in this block.
    #[must_use]
    pub const fn with_block(mut self, block: u64) -> Position {
        self.block = Some(block);
        self
    }

    /// The same place, in this section.
    #[must_use]
    pub const fn with_section(mut self, section: u32) -> Position {
        self.section = Some(section);
        self
    }

    /// The same place, in this column.
    #[must_use]
    pub const fn with_column(mut self, column: u32) -> Position {
        self.column = Some(column);
        self
    }

    /// The same place, narrowed to `count` rows from `first`.
    #[must_use]
    pub const fn with_rows(mut self, first: u64, count: u64) -> Position {
        self.rows = Some((first, count));
        self
    }

    /// The same place, at this byte.
    #[must_use]
    pub const fn with_byte(mut self, byte: u64) -> Position {
        self.byte = Some(byte);
        self
    }

    /// This place, with what it lacks taken from `outer`.
    #[must_use]
    pub fn within(self, outer: Position) -> Position {
        Position {
            volume: self.volume.or(outer.volume),
            block: self.block.or(outer.block),
            section: self.section.or(outer.section),
            column: self.column.or(outer.column),
            rows: self.rows.or(outer.rows),
            byte: self.byte.or(outer.byte),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(volume) = self.volume {
            parts.push(format!("volume {volume}"));
        }
        if let Some(block) = self.block {
            parts.push(format!("block {block}"));
        }
        if let Some(section) = self.section {
            parts.push(format!("section {section}"));
        }
        if let Some(column) = self.column {
            parts.push(format!("column {column}"));
        }
        if let Some((first, count)) = self.rows {
            parts.push(format!("{count} rows from row {first}"));
        }
        if let Some(byte) = self.byte {
            parts.push(format!("byte {byte}"));
        }
        if parts.is_empty() {
            return f.write_str("place unknown");
        }
        f.write_str(&parts.join(", "))
    }
}
