//! How much is tried: the short tier with all tests, the long one where it is asked for.

/// Whether everything is tried at every place.
pub fn long() -> bool {
    std::env::var("INTERVAULT_T1").is_ok_and(|wanted| !wanted.is_empty() && wanted != "0")
}

/// How far apart places are tried: so many in the short tier, every one in the long.
pub fn apart(short: usize) -> usize {
    if long() { 1 } else { short }
}
