//! Inspect: what lies on a medium, byte by byte, block by block. Decodes as much as possible, judges nothing, changes nothing;
//! whatever is there can be looked at. What is right and what is not says `verify`.

mod block;
mod blocks;
mod chunks;
mod coverage;
mod meaning;
mod part;

pub use block::{Block, is_aligned};
pub use blocks::{BlockPlace, Found, How, Listed, Medium, Run, Stretch, column_names, find_block, list_blocks, map};
pub use chunks::{ChunkLine, ChunkSummary, ColumnSummary, Unread, encoding_name};
pub use coverage::{AcdCoverage, Gap, Mark, Period, TableCoverage, coverage};
pub use meaning::{hex, type_text};
pub use part::{ENTRIES_SHOWN, Emit, Part, Value};
