//! What an export did with a table.

use crate::base::position::Position;
use crate::base::time::Span;
use crate::error::Class;

/// What was written of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows written.
    pub rows: u64,
    /// The columns, in order.
    pub columns: Vec<ColumnReport>,
    /// Chunks that could not be read; with [`super::Options::partial`] only.
    pub lost: Vec<Lost>,
}

/// How a column was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// The type that its values were written in.
    pub written: &'static str,
    /// Whether that is another type than the declared one would be, since a value does not fit that.
    pub widened: bool,
}

/// A chunk that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Where it is.
    pub at: Position,
    /// Its rows, of which not all were asked for perhaps.
    pub rows: u64,
    /// From the first instant of its rows to the last; `None` if they have no usable time.
    pub span: Option<Span>,
    /// Of what kind the reason is: damage, a volume that is not here or may not be opened.
    pub class: Class,
    /// Why.
    pub reason: String,
}
