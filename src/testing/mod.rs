//! What tests, benches and fuzz targets share: generators, doubles, fuzz bodies. May import every layer; nothing imports it.

pub mod fuzz_range;
pub mod range_world;
