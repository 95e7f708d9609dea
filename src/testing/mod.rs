//! What the project's own tests, benches and fuzz targets share. No part of the product: nothing outside tests imports it.

pub mod fuzz;
pub mod mutate;
pub mod records;
pub mod seeds;
pub mod shape;
