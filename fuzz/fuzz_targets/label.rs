//! The body is `intervault::testing::fuzz::label`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz::label(data));
