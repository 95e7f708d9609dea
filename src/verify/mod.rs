//! Proving that a set can be read: every byte of its volumes, every row of its chunks, every total. Findings are data.
//! Stands below the operations, so that a backup proves what it wrote with the code that a check uses. Knows no database.

pub mod chain;
pub mod cost;
pub mod finding;
pub mod in_turn;
mod judge;
pub mod listed;
pub mod media;
mod order;
pub mod part;
pub mod proof;
mod read;
mod section;
pub mod set;
#[cfg(test)]
mod tests;
mod verified;

pub use judge::Depth;
