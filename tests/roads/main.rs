//! Whole roads: from databases onto volumes and back, by the library and by the command line.
#![cfg(all(feature = "cli", feature = "sqlite"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at a surprise")]

mod astray;
mod bad_backups;
mod bad_input;
#[cfg(target_os = "linux")]
mod chain_commands;
mod chains;
#[cfg(target_os = "linux")]
mod collecting;
#[cfg(target_os = "linux")]
mod commands;
mod copies;
#[cfg(target_os = "linux")]
mod dialogue;
mod estimates;
mod histories;
mod incremental;
mod incremental_since;
#[cfg(target_os = "linux")]
mod json;
mod one_backup;
mod rules;
#[cfg(target_os = "linux")]
mod saved;
mod scenarios;
mod support;
mod undo;
mod windows;
