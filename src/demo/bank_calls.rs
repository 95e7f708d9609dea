//! The real counts: calls answered every 5 minutes by a bank's call centre. Embedded as it was published.

use super::error::DemoError;
use crate::base::time::{Day, day_of_civil};

/// Rows of the embedded data: 5-minute counts.
pub const REAL_ROWS: usize = 27_716;
/// Days of the embedded data, all of them working days.
pub const REAL_DAYS: usize = 164;
/// Calls answered, in all.
pub const REAL_CALLS: i64 = 5_323_661;

const CSV: &str = include_str!("bank_calls.csv");

/// The calls of 5 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// The day.
    pub day: Day,
    /// Minute of the day at which the 5 minutes begin.
    pub minute: i64,
    /// Calls answered.
    pub calls: i64,
}

/// All counts, in order of time.
///
/// # Errors
/// A line is not `date,HHMM,5,calls`.
pub(super) fn counts() -> Result<Vec<Count>, DemoError> {
    let lines = (1..).zip(CSV.lines()).skip(1);
    lines.map(|(line, text)| count(text).ok_or(DemoError::Counts { line })).collect()
}

fn count(line: &str) -> Option<Count> {
    let mut fields = line.split(',');
    let (date, hhmm, length, calls) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (year, rest) = date.split_once('-')?;
    let (month, dom) = rest.split_once('-')?;
    let day = day_of_civil(year.parse().ok()?, month.parse().ok()?, dom.parse().ok()?)?;
    let hhmm: i64 = hhmm.parse().ok()?;
    let whole = length == "5" && fields.next().is_none();
    whole.then_some(Count { day, minute: hhmm / 100 * 60 + hhmm % 100, calls: calls.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;

    #[test]
    fn the_counts_are_those_that_were_published() {
        let counts = counts().unwrap();
        assert_eq!(counts.len(), REAL_ROWS);
        assert_eq!(counts.iter().map(|count| count.calls).sum::<i64>(), REAL_CALLS);
        let mut days: Vec<Day> = counts.iter().map(|count| count.day).collect();
        days.dedup();
        assert_eq!(days.len(), REAL_DAYS);
        let place = |count: &Count| Instant::of_day(count.day).plus(count.minute * 60).to_string();
        assert_eq!(counts.first().map(place).as_deref(), Some("2003-03-03 07:00"));
        assert_eq!(counts.last().map(place).as_deref(), Some("2003-10-24 21:00"));
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "2003-02-30,700,5,1", "2003-03-03,700,5", "2003-03-03,700,30,1", "2003-03-03,700,5,1,1"] {
            assert_eq!(count(line), None, "{line}");
        }
    }
}
