//! Days, weeks and months of the calendar, and the buckets that rows are counted in.

use crate::base::time::{Day, Instant, Span, civil_of_day, days_in_month};
use crate::schema::grain::Grain;

/// The time that a row of this date stands for in a table of days, weeks (seven days from the date) or months (the
/// calendar month of the date). `None` for other grains, and where the period does not lie in the years 1 to 9999.
///
/// ```
/// use intervault::base::time::{day_of_civil, Span};
/// use intervault::schema::{clock::period_span, grain::Grain};
/// let day = day_of_civil(2024, 2, 10).unwrap();
/// assert_eq!(period_span(Grain::Daily, day), Some(Span::of_day(day)));
/// let month = period_span(Grain::Monthly, day).unwrap();
/// assert_eq!((month.start.to_string(), month.stop.to_string()), ("2024-02-01 00:00".into(), "2024-03-01 00:00".into()));
/// ```
#[must_use]
pub fn period_span(grain: Grain, day: Day) -> Option<Span> {
    let (first, days) = match grain {
        Grain::Daily => (day, 1),
        Grain::Weekly => (day, 7),
        Grain::Monthly => {
            let (year, month, of_month) = civil_of_day(day);
            let before = i32::try_from(of_month).ok()?.checked_sub(1)?;
            (day.checked_sub(before)?, i32::try_from(days_in_month(year, month)).ok()?)
        }
        Grain::None | Grain::Interval | Grain::Event => return None,
    };
    let span = Span { start: Instant::of_day(first), stop: Instant::of_day(first.checked_add(days)?) };
    Span::ALL.holds(span).then_some(span)
}

/// The day under which a row of this span is counted: that of its start, for any grain. A monthly row is counted under the
/// first of its month whatever date it carries, so that the bucket, like every decision, depends on the span alone.
#[must_use]
pub fn bucket_day(span: Span) -> Day {
    span.start.day()
}

/// The time that a bucket speaks for: its day or period, and as far as its rows reach (`rows_stop`: the end of the row that
/// ends last; an interval may reach past midnight).
///
/// ```
/// use intervault::base::time::Instant;
/// use intervault::schema::{clock::bucket_span, grain::Grain};
/// assert_eq!(bucket_span(Grain::Interval, 1, None).stop, Instant::of_day(2));
/// let past_midnight = Instant::of_day(2).plus(900);
/// assert_eq!(bucket_span(Grain::Interval, 1, Some(past_midnight)).stop, past_midnight);
/// ```
#[must_use]
pub fn bucket_span(grain: Grain, day: Day, rows_stop: Option<Instant>) -> Span {
    let span = period_span(grain, day).unwrap_or(Span::of_day(day));
    Span { start: span.start, stop: rows_stop.map_or(span.stop, |stop| stop.max(span.stop)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::day_of_civil;

    #[test]
    fn months_follow_the_calendar_and_weeks_the_date() {
        let day = |y, m, d| day_of_civil(y, m, d).unwrap();
        for (date, first, next) in [
            (day(2024, 2, 29), day(2024, 2, 1), day(2024, 3, 1)),
            (day(2023, 2, 1), day(2023, 2, 1), day(2023, 3, 1)),
            (day(2023, 12, 31), day(2023, 12, 1), day(2024, 1, 1)),
            (day(1, 1, 31), day(1, 1, 1), day(1, 2, 1)),
            (day(9999, 12, 5), day(9999, 12, 1), day(9999, 12, 31) + 1),
        ] {
            let span = period_span(Grain::Monthly, date).unwrap();
            assert_eq!(span, Span { start: Instant::of_day(first), stop: Instant::of_day(next) });
        }
        let week = period_span(Grain::Weekly, day(2024, 2, 28)).unwrap();
        assert_eq!(week, Span { start: Instant::of_day(day(2024, 2, 28)), stop: Instant::of_day(day(2024, 3, 6)) });
    }

    #[test]
    fn a_week_beyond_the_calendar_is_none() {
        let last = day_of_civil(9999, 12, 31).unwrap();
        assert_eq!(period_span(Grain::Weekly, last - 5), None);
        assert!(period_span(Grain::Weekly, last - 6).is_some());
        assert_eq!(period_span(Grain::Daily, last + 1), None);
        assert_eq!(period_span(Grain::Interval, last), None);
        assert_eq!(bucket_day(Span::of_day(last)), last);
    }
}
