//! The body is `intervault::testing::fuzz_salvage::fuzz_salvage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_salvage::fuzz_salvage(data));
