//! Dates and timestamps as tables write them, from bytes. Exact forms only: what is not read here is no usable time.

use crate::base::time::{Day, Instant, day_of_civil};

/// The day of `YYYY-MM-DD` or `YYYY-MM-DD 00:00:00` (a date that went through a timestamp column).
///
/// ```
/// use intervault::schema::clock::read_date;
/// assert_eq!(read_date(b"1970-01-02"), Some(1));
/// assert_eq!(read_date(b"1970-01-02 00:00:00"), Some(1));
/// assert_eq!(read_date(b"1970-01-02 00:00:01"), None);
/// assert_eq!(read_date(b"1970-02-30"), None);
/// ```
#[must_use]
pub fn read_date(text: &[u8]) -> Option<Day> {
    let (date, rest) = text.split_at_checked(10)?;
    if !rest.is_empty() && rest != b" 00:00:00" {
        return None;
    }
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    day_of_civil(i32::try_from(year).ok()?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)
}

/// The instant of `YYYY-MM-DD HH:MM[:SS[.fraction]]`, also with a `T` between; the fraction is cut off.
///
/// ```
/// use intervault::schema::clock::read_timestamp;
/// assert_eq!(read_timestamp(b"1970-01-01 00:01:05.25").map(|at| at.0), Some(65));
/// assert_eq!(read_timestamp(b"1970-01-01 24:00"), None);
/// ```
#[must_use]
pub fn read_timestamp(text: &[u8]) -> Option<Instant> {
    let (date, rest) = text.split_at_checked(10)?;
    let day = read_date(date)?;
    let (clock, rest) = rest.split_at_checked(6)?;
    let [b' ' | b'T', h1, h2, b':', m1, m2] = clock else { return None };
    let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    let second = match rest {
        [] => 0,
        [b':', s1, s2] => number(&[*s1, *s2])?,
        [b':', s1, s2, b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {
            number(&[*s1, *s2])?
        }
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some(Instant::of_day(day).plus(seconds))
}

/// The whole number that a text of nothing but ASCII digits spells.
pub(super) fn read_whole(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte.wrapping_sub(b'0')))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    u32::try_from(read_whole(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_another_form_are_none() {
        for text in [
            "",
            "1970-1-2",
            "1970-01-02 ",
            "1970/01/02",
            "+970-01-02",
            "1970-01-02T00:00:00",
            "0000-01-01",
            "1970-00-10",
            "1970-13-01",
            "2023-02-29",
            "1970-01-0a",
            "19700-01-02",
        ] {
            assert_eq!(read_date(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_date(b"9999-12-31"), Some(2_932_896));
        assert_eq!(read_date(b"0001-01-01"), Some(-719_162));
    }

    #[test]
    fn timestamps_of_another_form_are_none() {
        for text in [
            "1970-01-01",
            "1970-01-01 00",
            "1970-01-01 00:60",
            "1970-01-01 00:00:60",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00:00.5x",
            "1970-01-01_00:00",
            "1970-01-01 00:00:0",
            "1970-01-01 00:00:00+00",
        ] {
            assert_eq!(read_timestamp(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_timestamp(b"1970-01-02T23:59:59"), Some(Instant(172_799)));
        assert_eq!(read_timestamp(b"1970-01-01 00:01"), Some(Instant(60)));
    }

    #[test]
    fn whole_numbers_are_digits_only() {
        assert_eq!(read_whole(b"0930"), Some(930));
        for text in ["", "-1", " 1", "1.0", "99999999999999999999"] {
            assert_eq!(read_whole(text.as_bytes()), None, "{text}");
        }
    }
}
