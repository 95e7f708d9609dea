//! Numbers that look random and are the same every time, on every machine; and the sharing out of a total.

/// A number from some others.
pub(super) fn mix(parts: &[i64]) -> u64 {
    parts.iter().fold(0x9E37_79B9_7F4A_7C15, |state, part| {
        let mut z = state.wrapping_add(part.cast_unsigned()).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 30)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// A number in `low..=high` from some others.
pub(super) fn within(parts: &[i64], low: i64, high: i64) -> i64 {
    let width = high.abs_diff(low) + 1;
    low + (mix(parts) % width).cast_signed()
}

/// Shares `total` out by weight: the parts add up to it exactly. `dither` (0 up to the sum of the weights) moves the
/// rounding about, so that small totals do not always go to the same part.
pub(super) fn share(total: i64, weights: &[i64], dither: i64) -> Vec<i64> {
    let sum: i64 = weights.iter().sum::<i64>().max(1);
    let dither = dither.rem_euclid(sum);
    let (mut cumulated, mut given) = (0, 0);
    let last = weights.len().saturating_sub(1);
    let shares = weights.iter().enumerate().map(|(at, weight)| {
        cumulated += weight;
        let upto = if at == last { total } else { ((total * cumulated + dither) / sum).min(total) };
        let part = upto - given;
        given = upto;
        part
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_never_negative() {
        for total in 0..300 {
            for dither in 0..20 {
                let parts = share(total, &[5, 0, 3, 9, 1], dither);
                assert_eq!(parts.iter().sum::<i64>(), total);
                assert!(parts.iter().all(|part| *part >= 0), "{total} {dither} {parts:?}");
            }
        }
    }

    #[test]
    fn small_totals_reach_every_part() {
        let mut seen = [0; 3];
        for dither in 0..18 {
            for (count, part) in seen.iter_mut().zip(share(1, &[6, 6, 6], dither)) {
                *count += part;
            }
        }
        assert_eq!(seen, [6, 6, 6]);
    }

    #[test]
    fn numbers_stay_the_same() {
        assert_eq!(mix(&[1, 2, 3]), mix(&[1, 2, 3]));
        assert_ne!(mix(&[1, 2, 3]), mix(&[1, 3, 2]));
        assert!((0..1000).all(|seed| (-3..=4).contains(&within(&[seed], -3, 4))));
    }
}
