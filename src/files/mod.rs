//! File trees: walked, read as rows, and written again below a folder that nothing leaves. A third shore beside the databases
//! and the volumes, of which it knows neither.
//!
//! A tree is a section like a table ([`rows`] has its columns), so that whatever proves, lists and salvages tables does so with
//! files.

pub mod beneath;
pub mod entry;
pub mod error;
pub mod name;
pub mod order;
pub mod owners;
pub mod pattern;
pub mod read;
pub mod rows;
pub mod sets;
pub mod walk;
pub mod write;
