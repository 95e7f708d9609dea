//! What the project's own tests, benches and fuzz targets share: generators, doubles, fuzz bodies. No part of the product:
//! it may import every layer, nothing outside tests imports it.

#[cfg(feature = "postgres")]
pub mod cluster;
pub mod damage;
pub mod fault;
pub mod fields;
pub mod fixtures;
pub mod fuzz;
pub mod fuzz_column;
#[cfg(feature = "postgres")]
pub mod fuzz_postgres;
pub mod fuzz_range;
pub mod fuzz_salvage;
pub mod fuzz_scan;
pub mod fuzz_set;
pub mod fuzz_text;
pub mod fuzz_volume;
pub mod golden;
pub mod mutate;
pub mod parts;
pub mod range_world;
pub mod records;
pub mod seeds;
pub mod sets;
pub mod shape;
pub mod tables;
pub mod tape;
#[cfg(feature = "sqlite")]
pub mod target;
pub mod twin;
pub mod whole;

/// Says what this machine could not try, on the standard error of the process itself: what a test that passes prints is kept
/// from whoever runs it.
pub fn not_tested(what: &str) {
    use std::io::Write as _;
    let _nobody_listens = writeln!(std::io::stderr(), "NOT TESTED: {what}");
}
