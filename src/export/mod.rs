//! Export: tables of a set, or a range of them, in files that other tools read. A chunk is proved before a row of it goes out.
//! Reads volumes only, and neither changes a set nor knows a database.

#[cfg(feature = "parquet")]
mod columnar;
mod csv;
#[cfg(feature = "parquet")]
mod fit;
mod plan;
mod report;
mod rows;
mod run;
mod target;
mod text;

pub use plan::{LeftOut, Plan, Short, TablePlan, Unknown};
pub use report::{ColumnReport, Lost, TableReport};
pub use run::{Export, Failed};
pub use target::{Target, failed, file_name};

use crate::base::time::Span;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values as of RFC 4180, lines ended by a line feed, the first with the names of the columns. Null is
    /// nothing between two commas, the empty text `""`. Blobs are `\x` and hexadecimal digits. Texts are written byte by byte.
    Csv {
        /// Whether texts that a spreadsheet would take for a formula get an apostrophe in front.
        spreadsheet: bool,
    },
    /// Apache Parquet, each column in the type that it was declared with if all of its values fit that.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// The ending of a file's name, without the point.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Format::Csv { .. } => "csv",
            #[cfg(feature = "parquet")]
            Format::Parquet => "parquet",
        }
    }
}

/// What is exported, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Tables by name, ASCII case ignored; all if none is named.
    pub tables: Vec<String>,
    /// Rows of this ACD only; tables without an ACD are then left out.
    pub acd: Option<i64>,
    /// Rows that stand for any of this time only: those without a usable time are then left out, and tables without one too.
    pub window: Option<Span>,
    /// Go on without chunks that are damaged or not here, and report them.
    pub partial: bool,
    /// Threads that decode, from 1.
    pub jobs: usize,
}
