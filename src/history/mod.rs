//! The history of a machine: which backups, restores, undos and checks there were, and how they ended. One line of JSON
//! each, appended to a file and synced. Nothing rests on it: volumes and databases tell the truth, the history tells
//! what a person wants to know without putting a tape in. Knows no SQL, no volumes and no command.

pub mod entry;
pub mod journal;
pub mod proofs;
pub mod runs;
pub mod status_line;
