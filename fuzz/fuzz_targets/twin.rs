//! The body is `intervault::testing::twin::twin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intervault::testing::twin::twin(data));
