//! The line by which the backup window of the product family says when the last backup finished. Two forms of it are in its
//! manuals; the first is written, both are read.

use crate::base::time::{Instant, civil_of_day, day_of_civil};

/// The line for a civil time, in the order month, day, year.
///
/// ```
/// use intervault::base::time::{Instant, day_of_civil};
/// use intervault::history::status_line::last_finished;
/// let at = Instant::of_day(day_of_civil(2000, 1, 10).unwrap()).plus(11 * 3600 + 56 * 60 + 2);
/// assert_eq!(last_finished(at), "Last backup finished 01/10/2000 11:56:02.");
/// ```
#[must_use]
pub fn last_finished(at: Instant) -> String {
    format!("Last backup finished {}.", stamp(at))
}

/// A civil time as it stands in such a line.
#[must_use]
pub fn stamp(at: Instant) -> String {
    let (year, month, day) = civil_of_day(at.day());
    let second = at.second_of_day();
    format!("{month:02}/{day:02}/{year:04} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// Reads the line in either form: `Last backup finished 01/10/2000 11:56:02.` or
/// `Status: Last backup finished at 10/02/00 00:23:41`. Of two digits of a year, 70 to 99 mean 1970 to 1999, 00 to 69 mean
/// 2000 to 2069, as on labels. `None` if it is no such line.
///
/// ```
/// use intervault::history::status_line::parse;
/// let text = |line| parse(line).map(|at| at.to_string());
/// assert_eq!(text("Last backup finished 01/10/2000 11:56:02.").as_deref(), Some("2000-01-10 11:56:02"));
/// assert_eq!(text("Status: Last backup finished at 10/02/00 00:23:41").as_deref(), Some("2000-10-02 00:23:41"));
/// assert_eq!(text("Last backup failed"), None);
/// ```
#[must_use]
pub fn parse(line: &str) -> Option<Instant> {
    let line = line.trim();
    let line = line.strip_prefix("Status:").map_or(line, str::trim_start);
    let rest = line.strip_prefix("Last backup finished ")?;
    let rest = rest.strip_prefix("at ").unwrap_or(rest);
    let rest = rest.strip_suffix('.').unwrap_or(rest);
    let (date, time) = rest.split_once(' ')?;
    let [month, day, year] = numbers(date, '/')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let year = match date.len() {
        10 => year,
        8 if year >= 70 => 1_900 + year,
        8 => 2_000 + year,
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = day_of_civil(i32::try_from(year).ok()?, month, day)?;
    Some(Instant::of_day(day).plus(i64::from(hour * 3_600 + minute * 60 + second)))
}

/// Three numbers of two digits each, the last of a date of four perhaps.
fn numbers(text: &str, between: char) -> Option<[u32; 3]> {
    let mut parts = text.split(between);
    let mut next = |most: usize| {
        let part = parts.next()?;
        let fits = (part.len() == 2 || part.len() == most) && part.bytes().all(|byte| byte.is_ascii_digit());
        if fits { part.parse::<u32>().ok() } else { None }
    };
    let found = [next(2)?, next(2)?, next(4)?];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for at in [0, 1, 86_399, 951_782_400, 1_763_750_000, 2_147_483_647] {
            let at = Instant(at);
            assert_eq!(parse(&last_finished(at)), Some(at));
            assert_eq!(parse(&format!("  Status: {}\n", last_finished(at))), Some(at));
        }
    }

    #[test]
    fn years_of_two_digits_have_their_century() {
        let year = |text: &str| parse(&format!("Last backup finished at 12/31/{text} 23:59:59")).map(Instant::day);
        assert_eq!(year("70"), day_of_civil(1970, 12, 31));
        assert_eq!(year("69"), day_of_civil(2069, 12, 31));
    }

    #[test]
    fn what_is_no_such_line_is_none() {
        for rest in [
            "",
            "02/30/2000 10:00:00",
            "13/01/2000 10:00:00",
            "01/10/2000 24:00:00",
            "01/10/2000 10:60:00",
            "01/10/200 10:00:00",
            "1/10/2000 10:00:00",
            "01/10/2000 10:00",
            "01/10/2000/1 10:00:00",
            "01/10/2000 10:00:0\u{0663}",
            "01/10/0000 10:00:00",
        ] {
            assert_eq!(parse(&format!("Last backup finished {rest}")), None, "{rest}");
        }
    }
}
