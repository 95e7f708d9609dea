//! Where rows live: databases behind one trait.

pub mod error;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod traits;
