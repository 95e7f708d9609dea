//! The body is `intervault::testing::fuzz_range::fuzz_range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_range::fuzz_range(data));
