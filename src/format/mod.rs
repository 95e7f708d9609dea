//! The bytes of a volume: blocks, records, label, sections, chunks, index, catalog, marks, as `format-spec.md` defines
//! them. Slices in, slices out: no files, no threads. Does not know what a table or a database is; ids and numbers are
//! given their meaning by `schema` and `column`.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod block;
pub mod catalog;
pub mod chunk;
pub mod codec;
pub mod error;
pub mod label;
pub mod layout;
pub mod marks;
pub mod record;
pub mod section;
pub mod version;
