//! The body is `intervault::testing::fuzz::block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz::block(data));
