//! Where blocks go: a directory of files, memory; later tape, pipe, object store. Moves opaque bytes; does not know blocks.

pub mod directory;
pub mod error;
pub mod file;
pub mod heap;
pub mod in_turn;
pub mod joined;
mod lock;
#[cfg(feature = "mmap")]
pub mod map;
pub mod media;
pub mod memory;
pub mod name;
pub mod parts;
pub mod pipe;
pub mod spool;
pub mod tape;
pub mod traits;
