//! The body is `intervault::testing::fuzz_text::catalogue`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::fuzz_text::catalogue(data));
