//! The range that a person asks for: read from text with inclusive minutes, half-open inside.

use crate::base::time::{DAY, Instant, Span, civil_of_day, day_of_civil, days_in_month};
use std::fmt;

/// From when to when rows are asked for; a missing side is unbounded. `start` is in it, `stop` is the first instant
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Request {
    /// First instant asked for.
    pub start: Option<Instant>,
    /// First instant after what is asked for.
    pub stop: Option<Instant>,
}

/// A start or stop that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not a date and time as expected.
    #[error("{field} '{text}': not a time; write YYYY-MM-DD HH:MM or YYYY-MM-DD, for example '2024-03-01 05:30'")]
    Form {
        /// `start` or `stop`.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// The right form, but no such date.
    #[error("{field} '{text}': there is no such date; {hint}")]
    NoSuchDate {
        /// `start` or `stop`.
        field: &'static str,
        /// What was written.
        text: String,
        /// What dates there are.
        hint: String,
    },
    /// The right form, but no such time of day.
    #[error("{field} '{text}': there is no such time of day; hours go from 00 to 23, minutes from 00 to 59")]
    NoSuchTime {
        /// `start` or `stop`.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// Nothing lies between the two.
    #[error("the start, {start}, lies after the last minute asked for, {stop}: exchange them, or leave one out")]
    Empty {
        /// The start, as read.
        start: String,
        /// The last minute, as read.
        stop: String,
    },
}

impl Request {
    /// Everything.
    pub const ALL: Request = Request { start: None, stop: None };

    /// A request from what a person wrote: `YYYY-MM-DD HH:MM` (or `YYYY-MM-DDTHH:MM`) or a date alone. The minute or day
    /// of the stop is in it.
    ///
    /// ```
    /// use intervault::schema::range::Request;
    /// let request = Request::parse(Some("2024-03-01 05:00"), Some("2024-03-01 05:29"))?;
    /// assert_eq!(request.stop.unwrap().to_string(), "2024-03-01 05:30");
    /// assert_eq!(request.to_string(), "2024-03-01 05:00 to 05:29");
    /// let day = Request::parse(Some("2024-02-29"), Some("2024-02-29"))?;
    /// assert_eq!(day.to_string(), "2024-02-29 00:00 to 23:59");
    /// assert!(Request::parse(Some("2023-02-29"), None).is_err());
    /// # Ok::<(), intervault::schema::range::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// A text of another form, a date or time that does not exist, years outside 1 to 9999, a start after the stop.
    pub fn parse(start: Option<&str>, stop: Option<&str>) -> Result<Request, RequestError> {
        let first = start.map(|text| parse_minute("start", text)).transpose()?;
        let last = stop.map(|text| parse_minute("stop", text)).transpose()?;
        let request = Request {
            start: first.map(|read| read.at),
            stop: last.map(|read| read.at.plus(if read.whole_day { DAY } else { 60 })),
        };
        match (request.start, request.stop) {
            (Some(start), Some(stop)) if start >= stop => {
                Err(RequestError::Empty { start: start.to_string(), stop: stop.plus(-60).to_string() })
            }
            _ => Ok(request),
        }
    }

    /// Whether neither side is bounded: only such a request reaches rows without a usable time.
    #[must_use]
    pub const fn is_unbounded(&self) -> bool {
        self.start.is_none() && self.stop.is_none()
    }

    /// The span asked for, or `None` if the start is not before the stop.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        Span::new(self.start.unwrap_or(Instant::MIN), self.stop.unwrap_or(Instant::MAX))
    }
}

/// For people, as it could be written again: inclusive minutes.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.stop) {
            (None, None) => f.write_str("all of time"),
            (Some(start), None) => write!(f, "from {start}"),
            (None, Some(stop)) => write!(f, "to {}", stop.plus(-60)),
            (Some(start), Some(stop)) => write_inclusive(f, Span { start, stop }),
        }
    }
}

/// Writes a span with its last minute instead of the first instant after it; the date once if both are of one day.
pub(super) fn write_inclusive(f: &mut fmt::Formatter<'_>, span: Span) -> fmt::Result {
    // A span that ends within a minute is in that minute; one that ends at a full minute is in the minute before.
    let last = Instant(span.stop.0.saturating_sub(1).div_euclid(60).saturating_mul(60));
    if span.start.day() == last.day() {
        let second = last.second_of_day();
        return write!(f, "{} to {:02}:{:02}", span.start, second / 3_600, second / 60 % 60);
    }
    write!(f, "{} to {last}", span.start)
}

struct Minute {
    at: Instant,
    whole_day: bool,
}

fn parse_minute(field: &'static str, written: &str) -> Result<Minute, RequestError> {
    let text = written.trim();
    let form = || RequestError::Form { field, text: written.to_string() };
    let bytes = text.as_bytes();
    let (date, time) = match bytes.len() {
        10 => (bytes, None),
        16 if matches!(bytes.get(10), Some(b' ' | b'T')) => (bytes.get(..10).unwrap_or_default(), bytes.get(11..)),
        _ => return Err(form()),
    };
    let numbers = date_numbers(date).ok_or_else(form)?;
    let (year, month, day) = numbers;
    let no_such_date = || RequestError::NoSuchDate { field, text: written.to_string(), hint: date_hint(numbers) };
    let day = day_of_civil(year, month, day).ok_or_else(no_such_date)?;
    let Some(time) = time else { return Ok(Minute { at: Instant::of_day(day), whole_day: true }) };
    let (hour, minute) = match time {
        [h1, h2, b':', m1, m2] => (digits(&[*h1, *h2]).ok_or_else(form)?, digits(&[*m1, *m2]).ok_or_else(form)?),
        _ => return Err(form()),
    };
    if hour > 23 || minute > 59 {
        return Err(RequestError::NoSuchTime { field, text: written.to_string() });
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60;
    Ok(Minute { at: Instant::of_day(day).plus(seconds), whole_day: false })
}

fn date_hint((year, month, _): (i32, u32, u32)) -> String {
    if year < 1 {
        return "years go from 0001 to 9999".to_string();
    }
    if !(1..=12).contains(&month) {
        return "months go from 01 to 12".to_string();
    }
    format!("{year:04}-{month:02} has the days 01 to {:02}", days_in_month(year, month))
}

/// The three numbers of exactly `YYYY-MM-DD`.
fn date_numbers(text: &[u8]) -> Option<(i32, u32, u32)> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = digits(&[*y1, *y2, *y3, *y4])?;
    Some((i32::try_from(year).ok()?, digits(&[*m1, *m2])?, digits(&[*d1, *d2])?))
}

/// The number that a few ASCII digits spell.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte.wrapping_sub(b'0')))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The date of a day as people write it.
#[must_use]
pub fn date_text(day: crate::base::time::Day) -> String {
    let (year, month, day) = civil_of_day(day);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(text: &str) -> Result<i64, RequestError> {
        Request::parse(None, Some(text)).map(|request| request.stop.unwrap().0)
    }

    #[test]
    fn a_stop_is_inclusive_and_a_start_is_not_moved() {
        assert_eq!(stop("1970-01-01 05:29"), Ok(5 * 3_600 + 1_800));
        assert_eq!(stop("1970-01-01T23:59"), Ok(DAY));
        assert_eq!(stop(" 1970-01-01 "), Ok(DAY));
        assert_eq!(stop("9999-12-31 23:59").map(Instant), Ok(Instant::MAX));
        let start = |text: &str| Request::parse(Some(text), None).map(|request| request.start.unwrap().0);
        assert_eq!(start("1970-01-01 05:13"), Ok(5 * 3_600 + 780));
        assert_eq!(start("1970-01-02"), Ok(DAY));
        assert_eq!(start("0001-01-01").map(Instant), Ok(Instant::MIN));
    }

    #[test]
    fn other_forms_are_refused_with_the_field_named() {
        for text in [
            "",
            "today",
            "1970-1-01",
            "1970-01-01 5:13",
            "1970-01-01 05:13:00",
            "1970-01-01 05-13",
            "1970/01/01",
            "1970-01-01x05:13",
            "1970-01-01 05:1a",
            "+970-01-01",
            "1970-01-01 +5:13",
            "1970-01-01 05:\u{661}3",
            "197\u{660}-01-01",
        ] {
            assert_eq!(stop(text), Err(RequestError::Form { field: "stop", text: text.to_owned() }), "{text}");
        }
        let error = Request::parse(Some("yesterday"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "start 'yesterday': not a time; write YYYY-MM-DD HH:MM or YYYY-MM-DD, for example '2024-03-01 05:30'"
        );
    }

    #[test]
    fn dates_and_times_that_do_not_exist_are_refused_with_a_hint() {
        for (text, hint) in [
            ("2023-02-29", "2023-02 has the days 01 to 28"),
            ("2024-02-30 05:00", "2024-02 has the days 01 to 29"),
            ("2024-00-10", "months go from 01 to 12"),
            ("2024-13-10", "months go from 01 to 12"),
            ("0000-01-01", "years go from 0001 to 9999"),
            ("0001-02-29", "0001-02 has the days 01 to 28"),
            ("2024-04-00", "2024-04 has the days 01 to 30"),
        ] {
            let error = stop(text).unwrap_err().to_string();
            assert_eq!(error, format!("stop '{text}': there is no such date; {hint}"));
        }
        for text in ["2024-01-01 24:00", "2024-01-01 12:60"] {
            assert_eq!(stop(text), Err(RequestError::NoSuchTime { field: "stop", text: text.to_owned() }));
        }
        assert!(stop("2024-01-01 23:59").is_ok());
    }

    #[test]
    fn a_start_after_the_stop_is_refused_and_one_minute_is_enough() {
        let both = |start: &str, stop: &str| Request::parse(Some(start), Some(stop));
        assert!(both("2024-03-01 05:30", "2024-03-01 05:30").is_ok());
        assert_eq!(
            both("2024-03-01 05:31", "2024-03-01 05:30").unwrap_err().to_string(),
            "the start, 2024-03-01 05:31, lies after the last minute asked for, 2024-03-01 05:30: exchange them, or leave one out"
        );
        assert!(both("2024-03-02", "2024-03-01").is_err());
        assert!(Request { start: Some(Instant(5)), stop: Some(Instant(5)) }.span().is_none());
    }

    #[test]
    fn requests_are_shown_with_inclusive_minutes() {
        for (start, stop, shown) in [
            (None, None, "all of time"),
            (Some("2024-03-01 05:00"), None, "from 2024-03-01 05:00"),
            (None, Some("2024-03-01"), "to 2024-03-01 23:59"),
            (Some("2024-03-01 05:00"), Some("2024-03-01 05:29"), "2024-03-01 05:00 to 05:29"),
            (Some("2024-03-01 05:00"), Some("2024-03-02 05:29"), "2024-03-01 05:00 to 2024-03-02 05:29"),
        ] {
            let request = Request::parse(start, stop).unwrap();
            assert_eq!(request.to_string(), shown);
            assert_eq!(request.is_unbounded(), shown == "all of time");
        }
        let seconds = super::super::SpanSet::from(Span { start: Instant(0), stop: Instant(61) });
        assert_eq!(seconds.to_string(), "1970-01-01 00:00 to 00:01");
        assert_eq!(date_text(19_782), "2024-02-29");
    }
}
