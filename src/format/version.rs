//! Format version and feature bits, and what this build reads and writes.

/// The format version that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 1;

/// Required-feature bits that this build understands. A volume with another bit set is refused by name.
pub const REQUIRED_FEATURES: u64 = 0;

/// Names of the required-feature bits that are reserved, by bit number.
pub const RESERVED_FEATURES: &[(u8, &str)] = &[(0, "sealed payloads"), (1, "continued rows")];

/// The required-feature bits of `stored` that this build does not understand, as text for a message; empty if none.
#[must_use]
pub fn unknown_features(stored: u64) -> Vec<String> {
    (0..64u8)
        .filter(|bit| (stored & !REQUIRED_FEATURES) >> bit & 1 == 1)
        .map(|bit| match RESERVED_FEATURES.iter().find(|(b, _)| *b == bit) {
            Some((_, name)) => format!("bit {bit} ({name})"),
            None => format!("bit {bit}"),
        })
        .collect()
}
