//! The battery: damage of every kind at every place of sets with every kind of table, and volumes made to harm. The short tier
//! runs with all tests; the long one, everything at every place, by `tests/run long`. docs/battery.md lists what is tried.
#![cfg(test)]

mod bits;
mod bombs;
#[cfg(all(feature = "cli", feature = "postgres"))]
mod bombs_seen;
mod confined;
#[cfg(all(feature = "cli", feature = "postgres"))]
mod crowded;
mod exports;
mod faults;
mod forged;
mod hostile;
mod lengths;
mod orders;
mod restores;
mod sectors;
#[path = "../roads/support.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;
mod tiers;
