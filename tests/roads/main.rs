//! Whole roads: from databases onto volumes and back, by the library and by the command line.
#![cfg(all(feature = "cli", feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at a surprise")]

mod astray;
mod bad_backups;
mod bad_input;
mod bases;
mod chain_choice;
#[cfg(target_os = "linux")]
mod chain_commands;
mod chains;
mod changed_media;
mod changed_tables;
#[cfg(target_os = "linux")]
mod collecting;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod configured;
mod copies;
mod decided;
#[cfg(target_os = "linux")]
mod devices;
#[cfg(target_os = "linux")]
mod dialogue;
#[cfg(target_os = "linux")]
mod end_lost;
mod estimates;
mod every_grain;
#[cfg(target_os = "linux")]
mod export;
mod export_short;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod files_chosen;
#[cfg(target_os = "linux")]
mod files_commands;
#[cfg(target_os = "linux")]
mod files_hostile;
#[cfg(target_os = "linux")]
mod files_restored;
#[cfg(target_os = "linux")]
mod half_replaced;
mod histories;
#[cfg(target_os = "linux")]
mod hurt_tapes;
#[cfg(target_os = "linux")]
mod images;
mod incremental;
mod incremental_since;
#[cfg(target_os = "linux")]
mod inspected;
#[cfg(target_os = "linux")]
mod json;
mod kinds_of_members;
mod left_alone;
#[cfg(target_os = "linux")]
mod listed;
mod looked_again;
#[cfg(target_os = "linux")]
mod media;
#[cfg(target_os = "linux")]
mod monitors;
mod newest;
mod one_backup;
mod one_drive;
#[cfg(target_os = "linux")]
mod one_file;
#[cfg(target_os = "linux")]
mod prune;
#[cfg(target_os = "linux")]
mod reader;
#[cfg(target_os = "linux")]
mod rebuilding;
mod rules;
#[cfg(target_os = "linux")]
mod salvage;
#[cfg(target_os = "linux")]
mod salvage_evidence;
#[cfg(target_os = "linux")]
mod saved;
mod scenarios;
#[cfg(target_os = "linux")]
mod schedule;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod site;
#[cfg(target_os = "linux")]
mod slow;
mod sources;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod streams;
mod support;
#[cfg(target_os = "linux")]
mod torn;
mod undo;
#[cfg(target_os = "linux")]
mod unusable;
#[cfg(target_os = "linux")]
mod verification;
mod windows;
