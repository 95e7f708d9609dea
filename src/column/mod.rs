//! Columns in memory and as bytes: logical types, batches of rows held by column, the encodings, the row digest.
//! Does not know blocks, volumes or databases: slices in, slices out.

pub mod batch;
pub(crate) mod civil;
pub mod decode;
pub mod digest;
pub mod encode;
pub mod error;
pub mod id;
mod keep;
pub mod logical;
mod numbers;
mod stream;
mod text;

#[cfg(test)]
mod tests;
