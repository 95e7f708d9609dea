//! Columns in memory and as bytes: logical types, batches of rows held by column, the encodings, the row digest.
//! Does not know blocks, volumes or databases: slices in, slices out.

pub mod batch;
pub mod logical;
