//! Digits between text and numbers. A text that is accepted is the only text of its number.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Most digits of a number that is read from text: every such number fits 64 bits.
pub(in crate::column) const DIGITS_MAX: usize = 18;
/// Most digits after the point.
pub(in crate::column) const SCALE_MAX: u8 = 17;

/// The number that ASCII digits spell; `None` if there are more than 18, or another byte is among them.
pub(in crate::column) fn number(digits: &[u8]) -> Option<i64> {
    if digits.len() > DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0i64, |sum, digit| {
        let value = digit.wrapping_sub(b'0');
        (value <= 9).then(|| sum.wrapping_mul(10).wrapping_add(i64::from(value)))
    })
}

/// The digits of a number, at least `least` of them (at most 19), written to the end of a buffer; gives the part written.
pub(in crate::column) fn digits(buffer: &mut [u8; 20], mut number: u64, least: usize) -> &[u8] {
    let mut start = buffer.len();
    for (at, slot) in buffer.iter_mut().enumerate().rev() {
        if number == 0 && 20usize.saturating_sub(at) > least {
            break;
        }
        *slot = b'0'.wrapping_add((number % 10) as u8);
        number /= 10;
        start = at;
    }
    buffer.get(start..).unwrap_or_default()
}

/// The number that a decimal text spells when its point is left out: `-?(0|[1-9][0-9]*)` and, for a scale above 0, a
/// point and exactly `scale` digits. No negative zero, at most 18 digits.
pub(in crate::column) fn parse_decimal(text: &[u8], scale: u8) -> Option<i64> {
    let (negative, unsigned) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let scale = usize::from(scale);
    let value = if scale == 0 {
        whole(unsigned, 0)?
    } else {
        let point = unsigned.len().checked_sub(scale)?.checked_sub(1)?;
        let (whole_digits, rest) = unsigned.split_at_checked(point)?;
        let (b'.', fraction) = rest.split_first()? else { return None };
        let shift = 10i64.checked_pow(scale as u32)?;
        whole(whole_digits, scale)?.checked_mul(shift)?.checked_add(number(fraction)?)?
    };
    match (negative, value) {
        (true, 0) => None,
        (true, _) => Some(value.wrapping_neg()),
        (false, _) => Some(value),
    }
}

/// Digits without needless zeros before them, at most 18 together with `others`.
fn whole(digits: &[u8], others: usize) -> Option<i64> {
    let canonical = match digits {
        [] => false,
        [b'0', rest @ ..] => rest.is_empty(),
        _ => true,
    };
    if !canonical || digits.len().saturating_add(others) > DIGITS_MAX {
        return None;
    }
    number(digits)
}

/// Appends the decimal text of a number with `scale` digits after the point.
pub(in crate::column) fn push_decimal(value: i64, scale: u8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut buffer = [0; 20];
    let scale = usize::from(scale);
    let all = digits(&mut buffer, value.unsigned_abs(), scale.saturating_add(1));
    let (whole, fraction) = all.split_at_checked(all.len().saturating_sub(scale)).unwrap_or((all, &[]));
    out.extend_from_slice(whole);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

/// The number of a text of up to 17 digits, leading zeros and the empty text included: a 1 is put before it.
pub(in crate::column) fn parse_digits(text: &[u8]) -> Option<i64> {
    let shift = 10i64.checked_pow(u32::try_from(text.len()).ok().filter(|digits| *digits < DIGITS_MAX as u32)?)?;
    number(text)?.checked_add(shift)
}

/// Appends the text of such a number; `None` if the number is not a 1 followed by at most 17 digits.
pub(in crate::column) fn push_digits(value: i64, out: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 20];
    let all = digits(&mut buffer, u64::try_from(value).ok()?, 1);
    match all.split_first() {
        Some((b'1', rest)) if rest.len() < DIGITS_MAX => {
            out.extend_from_slice(rest);
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_back() {
        for (text, scale, value) in [
            ("0", 0, 0),
            ("-7", 0, -7),
            ("999999999999999999", 0, 999_999_999_999_999_999),
            ("0.00", 2, 0),
            ("12.50", 2, 1_250),
            ("-0.05", 2, -5),
            ("0.12345678901234567", 17, 12_345_678_901_234_567),
        ] {
            assert_eq!(parse_decimal(text.as_bytes(), scale), Some(value), "{text}");
            let mut out = Vec::new();
            push_decimal(value, scale, &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn texts_that_would_not_come_back_are_refused() {
        for (text, scale) in [
            ("-0", 0),
            ("007", 0),
            ("+7", 0),
            ("", 0),
            ("-", 0),
            ("1000000000000000000", 0),
            ("-0.00", 2),
            ("1.5", 2),
            (".50", 2),
            ("00.50", 2),
            ("1,50", 2),
            ("1.50 ", 2),
            ("12345678901234567.00", 2),
        ] {
            assert_eq!(parse_decimal(text.as_bytes(), scale), None, "{text}");
        }
    }

    #[test]
    fn digits_keep_their_zeros() {
        for text in ["", "0", "00", "0123", "99999999999999999"] {
            let mut out = Vec::new();
            push_digits(parse_digits(text.as_bytes()).unwrap(), &mut out).unwrap();
            assert_eq!(out, text.as_bytes());
        }
        assert_eq!(parse_digits(b"000000000000000000"), None);
        assert_eq!(parse_digits(b"12a"), None);
        for value in [0, -1, 2, 20, i64::MAX, 1_000_000_000_000_000_000] {
            assert_eq!(push_digits(value, &mut Vec::new()), None, "{value}");
        }
    }
}
