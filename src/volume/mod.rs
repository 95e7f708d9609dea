//! Volumes and sets: block streams on devices. Joins `format` and `device`; does not know databases.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod catalog;
pub mod catalogs;
pub mod chain;
mod copies;
mod draft;
pub mod error;
mod extents;
pub mod finder;
pub mod lineage;
pub mod medium;
mod moved;
pub mod name;
pub mod newest;
pub mod reader;
pub mod rebuild;
pub mod recompute;
pub mod scanner;
pub mod section;
pub mod set;
pub mod set_writer;
pub mod stream;
pub mod summary;
mod unusable;
pub mod writer;
