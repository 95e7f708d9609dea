//! Words that every layer shares: positions, limits, bounded byte reading, instants, checksums, progress.
//! Knows nothing of blocks, tables or devices.

pub mod aside;
pub mod budget;
pub mod checksum;
pub mod cursor;
pub mod limits;
pub mod monitor;
pub mod numbers;
pub mod ordered;
pub mod position;
pub mod side_by_side;
pub mod time;
