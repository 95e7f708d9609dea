//! The body is `intervault::testing::fuzz_scan::scan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_scan::scan(data));
