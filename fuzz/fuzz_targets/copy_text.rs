//! The body is `intervault::testing::fuzz_postgres::copy_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_postgres::copy_text(data));
