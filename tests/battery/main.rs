//! The battery: damage of every kind at every place of sets with every kind of table, and volumes made to harm. The short tier
//! runs with all tests; the long one, everything at every place, by `tests/run long`. docs/battery.md lists what is tried.
#![cfg(test)]

mod bits;
mod bombs;
mod confined;
mod exports;
mod forged;
mod hostile;
mod lengths;
mod orders;
mod restores;
mod sectors;
mod tiers;
