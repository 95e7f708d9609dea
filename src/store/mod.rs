//! Where rows live: databases behind one trait.

pub mod control;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cursor;
pub mod error;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod intake;
mod keys;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod ledger;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod line;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod name;
pub mod none;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod traits;
