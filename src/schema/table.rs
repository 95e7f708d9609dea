//! Tables as a store has them, and as a section carries them.

use super::clock::Clock;
use super::grain::{DataType, Grain};
use crate::column::logical::LogicalType;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Name at the source.
    pub name: String,
    /// What it holds.
    pub logical: LogicalType,
    /// Whether null is allowed.
    pub nullable: bool,
    /// Whether the database fills it in itself if an insert leaves it out.
    pub has_default: bool,
    /// The declaration of the type, as written at the source.
    pub declared: String,
    /// The collation; empty for the default.
    pub collation: String,
}

/// A table's columns, in order. Names are unique without regard to ASCII case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Name at the source.
    pub name: String,
    /// The columns.
    pub columns: Vec<ColumnSchema>,
}

impl TableSchema {
    /// Number of the column of this name, from 0, ASCII case ignored.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The logical types, in column order.
    #[must_use]
    pub fn logical_types(&self) -> Vec<LogicalType> {
        self.columns.iter().map(|column| column.logical).collect()
    }
}

/// A table with what the catalogue says of it, names resolved to column numbers: what the engine works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundTable {
    /// The columns.
    pub schema: TableSchema,
    /// The data type that it belongs to.
    pub data_type: DataType,
    /// How much time a row stands for.
    pub grain: Grain,
    /// Which columns say when; `None` exactly for [`Grain::None`].
    pub clock: Option<Clock>,
    /// Number of the column that names the ACD.
    pub acd_column: Option<usize>,
    /// Minutes of the slots by which event rows are judged covered, default 30.
    pub event_slot_minutes: u32,
    /// Whether the rows describe the state of their server, so that they are restored only onto that server.
    pub server_bound: bool,
}
