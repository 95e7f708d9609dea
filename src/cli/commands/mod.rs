//! One file per command: options in, work done by the layers below, answer out, exit status back.

pub mod backup;
pub mod catalogue;
mod chain;
pub mod check;
pub mod demo;
pub mod generate;
pub mod label;
pub mod log;
mod media;
pub mod open;
pub mod restore;
pub mod resume;
mod saved;
pub mod state;
pub mod undo;
