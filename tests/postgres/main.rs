//! Whole roads over PostgreSQL: from a server onto volumes and back, beside the server's own programs, and between kinds of
//! stores.
#![cfg(all(feature = "cli", feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at a surprise")]
#![expect(clippy::big_endian_bytes, reason = "the server's protocol has its numbers so")]

mod across;
mod bad_input;
mod commands;
mod kills;
mod locks;
mod proxy;
mod rewritten;
mod round_trip;
mod support;
mod undo;
