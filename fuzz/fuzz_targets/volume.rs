//! The body is `intervault::testing::fuzz_volume::fuzz_volume`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_volume::fuzz_volume(data));
