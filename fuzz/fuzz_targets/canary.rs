//! The body is `intervault::testing::fuzz::canary`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz::canary(data));
