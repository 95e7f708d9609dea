//! Civil time as the tables store it: seconds since 1970-01-01 00:00 with no zone, and half-open spans of it.
//! The hour that occurs twice in autumn has the same instants twice: rows are a multiset, nothing here tells them apart.

use std::fmt;

/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// Days since 1970-01-01, proleptic Gregorian.
pub type Day = i32;

/// Seconds of civil time since 1970-01-01 00:00:00, with no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    /// Earliest instant that a row can have: 0001-01-01 00:00.
    pub const MIN: Instant = Instant(-62_135_596_800);
    /// End of the latest day that a row can have: the midnight after 9999-12-31.
    pub const MAX: Instant = Instant(253_402_300_800);

    /// Midnight at the start of a day.
    #[must_use]
    pub const fn of_day(day: Day) -> Instant {
        Instant((day as i64).saturating_mul(DAY))
    }

    /// The day that holds this instant, and the second of that day. Out of range saturates.
    #[must_use]
    pub fn day(self) -> Day {
        Day::try_from(self.0.div_euclid(DAY)).unwrap_or(if self.0 < 0 { Day::MIN } else { Day::MAX })
    }

    /// Second of its day, 0 to 86,399.
    #[must_use]
    pub const fn second_of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }

    /// This instant moved by some seconds; saturates.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Instant {
        Instant(self.0.saturating_add(seconds))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.second_of_day();
        let (year, month, day) = civil_of_day(self.day());
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02}", second / 3_600, second / 60 % 60)?;
        if second % 60 != 0 {
            write!(f, ":{:02}", second % 60)?;
        }
        Ok(())
    }
}

/// A half-open span of civil time: `start` is in it, `stop` is not. Never empty when made by [`Span::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First instant in the span.
    pub start: Instant,
    /// First instant after the span.
    pub stop: Instant,
}

impl Span {
    /// All of time.
    pub const ALL: Span = Span { start: Instant::MIN, stop: Instant::MAX };

    /// A span, or `None` if it would be empty.
    #[must_use]
    pub fn new(start: Instant, stop: Instant) -> Option<Span> {
        (start < stop).then_some(Span { start, stop })
    }

    /// The whole day.
    #[must_use]
    pub const fn of_day(day: Day) -> Span {
        Span { start: Instant::of_day(day), stop: Instant::of_day(day.saturating_add(1)) }
    }

    /// The shortest span that has all of both.
    ///
    /// ```
    /// use intervault::base::time::{Instant, Span};
    /// let span = |start, stop| Span { start: Instant(start), stop: Instant(stop) };
    /// assert_eq!(span(0, 5).hull(span(3, 9)), span(0, 9));
    /// assert_eq!(span(7, 9).hull(span(0, 1)), span(0, 9));
    /// ```
    #[must_use]
    pub fn hull(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), stop: self.stop.max(other.stop) }
    }

    /// Whether the two have an instant in common.
    #[must_use]
    pub fn meets(self, other: Span) -> bool {
        self.start < other.stop && other.start < self.stop
    }

    /// Whether every instant of `inner` is in this span.
    #[must_use]
    pub fn holds(self, inner: Span) -> bool {
        self.start <= inner.start && inner.stop <= self.stop
    }

    /// What the two have in common.
    #[must_use]
    pub fn meet(self, other: Span) -> Option<Span> {
        Span::new(self.start.max(other.start), self.stop.min(other.stop))
    }

    /// Length in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.stop.0.saturating_sub(self.start.0)
    }
}

/// Days since 1970-01-01 of a civil date, or `None` if there is no such date in the years 1 to 9999.
///
/// ```
/// use intervault::base::time::day_of_civil;
/// assert_eq!(day_of_civil(1970, 1, 1), Some(0));
/// assert_eq!(day_of_civil(2024, 2, 29), Some(19_782));
/// assert_eq!(day_of_civil(2023, 2, 29), None);
/// ```
#[must_use]
pub fn day_of_civil(year: i32, month: u32, day: u32) -> Option<Day> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of its year; the numbers are small and in range.
    let (m, d) = (month as i32, day as i32);
    let y = if m <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month (1 to 12) and day of month (1 to 31) of a day.
///
/// ```
/// use intervault::base::time::civil_of_day;
/// assert_eq!(civil_of_day(19_782), (2024, 2, 29));
/// ```
#[must_use]
pub fn civil_of_day(day: Day) -> (i32, u32, u32) {
    let shifted = i64::from(day) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let dom = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, dom as u32)
}

/// Number of days in a month (1 to 12) of a year.
#[must_use]
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
