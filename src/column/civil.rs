//! Dates and times of day between text and numbers: the strict forms in which stores deliver them. A text that is
//! accepted is the only text of its number, fractions of a second aside.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::base::time::{DAY, Day, civil_of_day, day_of_civil};

/// Day of 0001-01-01.
pub(super) const DAY_MIN: i64 = -719_162;
/// Day of 9999-12-31.
pub(super) const DAY_MAX: i64 = 2_932_896;

/// The number that some ASCII digits stand for; `None` if another byte is among them. At most 18 digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| {
        let value = digit.wrapping_sub(b'0');
        (value <= 9).then(|| sum.wrapping_mul(10).wrapping_add(u32::from(value)))
    })
}

/// The day of a text `YYYY-MM-DD` with a year from 0001 to 9999.
pub(crate) fn parse_date(text: &[u8]) -> Option<Day> {
    let text: &[u8; 10] = text.try_into().ok()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    day_of_civil(number(&[y1, y2, y3, y4])? as i32, number(&[m1, m2])?, number(&[d1, d2])?)
}

/// The second of the day of a text `HH:MM:SS`, 00:00:00 to 23:59:59.
pub(crate) fn parse_time(text: &[u8]) -> Option<i64> {
    let text: &[u8; 8] = text.try_into().ok()?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *text else { return None };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    let minutes = hour.wrapping_mul(60).wrapping_add(minute);
    (hour < 24 && minute < 60 && second < 60).then(|| i64::from(minutes.wrapping_mul(60).wrapping_add(second)))
}

/// The second since 1970 of a text `YYYY-MM-DD HH:MM:SS`.
pub(crate) fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (b' ', time) = rest.split_first()? else { return None };
    Some(i64::from(parse_date(date)?).wrapping_mul(DAY).wrapping_add(parse_time(time)?))
}

fn two(number: u32) -> [u8; 2] {
    [b'0'.wrapping_add((number / 10 % 10) as u8), b'0'.wrapping_add((number % 10) as u8)]
}

/// The text of a day, `None` outside the years 1 to 9999.
pub(super) fn date_text(day: i64) -> Option<[u8; 10]> {
    if !(DAY_MIN..=DAY_MAX).contains(&day) {
        return None;
    }
    let (year, month, day) = civil_of_day(day as Day);
    let ([y1, y2], [y3, y4]) = (two(year as u32 / 100), two(year as u32));
    let ([m1, m2], [d1, d2]) = (two(month), two(day));
    Some([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2])
}

/// The text of a second since 1970, `None` outside the years 1 to 9999.
pub(super) fn timestamp_text(second: i64) -> Option<[u8; 19]> {
    let mut text = [b' '; 19];
    let (date, rest) = text.split_at_mut(10);
    date.copy_from_slice(&date_text(second.div_euclid(DAY))?);
    let of_day = second.rem_euclid(DAY) as u32;
    let ([h1, h2], [m1, m2], [s1, s2]) = (two(of_day / 3_600), two(of_day / 60 % 60), two(of_day % 60));
    rest.copy_from_slice(&[b' ', h1, h2, b':', m1, m2, b':', s1, s2]);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_first_and_the_last_day() {
        assert_eq!(parse_date(b"0001-01-01").map(i64::from), Some(DAY_MIN));
        assert_eq!(parse_date(b"9999-12-31").map(i64::from), Some(DAY_MAX));
        assert_eq!(date_text(DAY_MIN - 1), None);
        assert_eq!(date_text(DAY_MAX + 1), None);
    }

    #[test]
    fn every_day_comes_back() {
        for day in (DAY_MIN..=DAY_MAX).step_by(17) {
            let text = date_text(day).unwrap();
            assert_eq!(parse_date(&text).map(i64::from), Some(day));
        }
    }

    #[test]
    fn every_second_of_a_day_comes_back() {
        for second in -DAY..DAY {
            assert_eq!(parse_timestamp(&timestamp_text(second).unwrap()), Some(second));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["2023-02-29", "0000-01-01", "2024-1-01", "2024-01-01 ", "+024-01-01", "2024/01/01", ""] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
        for text in ["24:00:00", "23:60:00", "23:59:60", "1:00:00", "12:00"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
        for text in ["2024-01-01T00:00:00", "2024-01-01 00:00:00.0", "2024-01-01", "2024-01-01 24:00:00"] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }
}
