//! Where rows live: databases behind one trait.

pub mod error;
pub mod traits;
