//! Restore, resume, undo, salvage and backup under kills and faults: the process is killed at every call by which it
//! changes a disk, calls fail, devices vanish. Whatever happens, each unit is wholly old or wholly new, and what comes
//! next finishes, once.
//!
//! `INTERVAULT_KILLS=all` kills at every point and at 1,000 random moments; without it a spread of points is enough, in
//! which every kind of call has its first and its last.
#![cfg(all(feature = "sqlite", unix))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at a surprise")]

mod backups;
mod child;
mod device;
mod faults;
mod kills;
mod moments;
mod reads;
#[path = "../roads/support.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;
mod vfs;
mod watch;
mod world;
