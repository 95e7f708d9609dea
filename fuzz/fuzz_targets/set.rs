//! The body is `intervault::testing::fuzz_set::set`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_set::set(data));
