//! A storage engine for the history of contact centres: tables go onto append-only, tape-like *volumes* that may span
//! many media; any *time range* of their rows comes back, deleting only what the backup really replaces.
//!
//! Modules in layer order, lowest first; imports point down only (`tests/layering.rs` holds the table).

pub mod backup;
pub mod base;
pub mod check;
#[cfg(all(feature = "cli", feature = "sqlite", feature = "postgres"))]
pub mod cli;
pub mod column;
#[cfg(feature = "sqlite")]
pub mod demo;
pub mod device;
pub mod error;
pub mod export;
pub mod files;
pub mod format;
#[cfg(feature = "cli")]
pub mod history;
pub mod inspect;
pub mod lock_file;
pub mod prune;
pub mod rebuild;
pub mod restore;
pub mod salvage;
pub mod schema;
pub mod section;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verify;
pub mod volume;
