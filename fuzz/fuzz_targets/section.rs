//! The body is `intervault::testing::fuzz::section`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz::section(data));
