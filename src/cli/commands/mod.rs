//! One file per command: options in, work done by the layers below, answer out, exit status back.

pub mod backup;
pub mod catalogue;
mod chain;
pub mod check;
pub mod demo;
pub mod devices;
pub mod export;
pub mod file_sets;
pub mod files;
pub mod generate;
pub mod inspect;
pub mod label;
pub mod listing;
pub mod log;
pub(super) mod media;
pub mod open;
pub mod prune;
mod rebuild;
pub mod restore;
pub mod resume;
pub mod roles;
mod saved;
pub mod schedule;
pub mod state;
pub mod status;
mod turns;
pub mod undo;
