//! Days as conditions that an index can serve.

use rusqlite::types::{Value as SqlValue, ValueRef};
use std::collections::BTreeMap;

use super::declared::Affinity;
use super::shape::Shape;
use crate::base::time::{DAY, Day, Instant, civil_of_day};
use crate::schema::clock::{Clock, ClockKind};
use crate::store::name::quoted;
use crate::store::traits::DayCount;

/// A condition on one column, with what its parameters stand for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Condition {
    /// SQL; empty for none.
    pub(super) sql: String,
    /// `?1`, `?2`, …
    pub(super) parameters: Vec<SqlValue>,
}

/// The column that says the day.
pub(super) fn day_column(clock: &Clock) -> usize {
    match clock.kind {
        ClockKind::DateHhmm { date, .. } | ClockKind::Date { date } => date,
        ClockKind::Timestamp { at } | ClockKind::EpochSeconds { at, .. } => at,
    }
}

/// The condition that every row of the days `first..=last` meets, and few others do. Nothing for both sides unbounded,
/// for a column that does not exist, and for seconds that may be stored as text.
pub(super) fn condition(shape: &Shape, clock: &Clock, days: (Option<Day>, Option<Day>)) -> Condition {
    let index = day_column(clock);
    let (Some(column), Some(affinity)) = (shape.schema.columns.get(index), shape.affinities.get(index)) else {
        return Condition::default();
    };
    let (low, high) = match clock.kind {
        ClockKind::EpochSeconds { .. } if matches!(affinity, Affinity::Text | Affinity::Blob) => {
            return Condition::default();
        }
        // A zone is never a day away from UTC.
        ClockKind::EpochSeconds { .. } => (
            days.0.map(|day| SqlValue::Integer(Instant::of_day(day).plus(-DAY).0)),
            days.1.map(|day| SqlValue::Integer(Instant::of_day(day.saturating_add(1)).plus(DAY).0)),
        ),
        _ => (days.0.map(|day| SqlValue::Text(text_of(day))), days.1.map(|day| SqlValue::Text(text_after(day)))),
    };
    let name = quoted(&column.name);
    let mut condition = Condition::default();
    for (bound, compare) in [(low, ">="), (high, "<")] {
        if let Some(bound) = bound {
            condition.parameters.push(bound);
            let and = if condition.sql.is_empty() { "" } else { " AND " };
            condition.sql.push_str(&format!("{and}{name} {compare} ?{}", condition.parameters.len()));
        }
    }
    condition
}

/// First text of a day; a time may follow the date. Days before the year 1 are before every date.
fn text_of(day: Day) -> String {
    match civil_of_day(day) {
        (year @ 1..=9999, month, dom) => format!("{year:04}-{month:02}-{dom:02}"),
        (year, ..) if year < 1 => String::new(),
        _ => ":".to_owned(),
    }
}

/// First text after a day: that of the next, and after the last a sign that is greater than every digit.
fn text_after(day: Day) -> String {
    text_of(day.saturating_add(1))
}

/// The day of a text that is `YYYY-MM-DD` and nothing else.
pub(super) fn canonical_day(text: &[u8]) -> Option<Day> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else {
        return None;
    };
    let number = |digits: &[&u8]| {
        digits.iter().try_fold(0u32, |number, digit| {
            digit.is_ascii_digit().then(|| number.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0'))))
        })
    };
    let year = i32::try_from(number(&[y0, y1, y2, y3])?).ok()?;
    crate::base::time::day_of_civil(year, number(&[m0, m1])?, number(&[d0, d1])?)
}

/// Collects, from (date, row number) pairs in any order, the rows and the row number range of each day.
#[derive(Debug, Default)]
pub(super) struct DayWalk {
    text: Vec<u8>,
    day: Day,
    rows: u64,
    first: i64,
    last: i64,
    done: BTreeMap<Day, (u64, i64, i64)>,
}

impl DayWalk {
    /// Takes one row; true if its date is no canonical one, which ends the walk.
    #[inline]
    pub(super) fn take(&mut self, date: ValueRef<'_>, key: ValueRef<'_>) -> bool {
        let (ValueRef::Text(text), ValueRef::Integer(key)) = (date, key) else {
            return true;
        };
        if self.rows == 0 || self.text != text {
            self.close();
            let Some(day) = canonical_day(text) else {
                return true;
            };
            self.text.clear();
            self.text.extend_from_slice(text);
            (self.day, self.first, self.last) = (day, key, key);
        }
        self.rows = self.rows.saturating_add(1);
        self.first = self.first.min(key);
        self.last = self.last.max(key);
        false
    }

    /// The days, if the row numbers of each lie wholly after those of the day before.
    pub(super) fn in_order(mut self) -> Option<Vec<DayCount>> {
        self.close();
        let mut before = None;
        let mut days = Vec::with_capacity(self.done.len());
        for (day, (rows, first, last)) in self.done {
            if before.is_some_and(|before| before >= first) {
                return None;
            }
            before = Some(last);
            days.push(DayCount { day, rows });
        }
        Some(days)
    }

    fn close(&mut self) {
        if self.rows > 0 {
            let entry = self.done.entry(self.day).or_insert((0, i64::MAX, i64::MIN));
            *entry = (entry.0.saturating_add(self.rows), entry.1.min(self.first), entry.2.max(self.last));
        }
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_dates_are_days() {
        assert_eq!(canonical_day(b"2024-02-29"), Some(19_782));
        assert_eq!(canonical_day(b"1970-01-01"), Some(0));
        for text in ["2023-02-29", "2024-2-29", "2024-02-29 ", "20240229", "", "2024-02-2x", "0000-01-01", "+024-01-01"]
        {
            assert_eq!(canonical_day(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn texts_of_days_stay_in_order_at_the_ends_of_time() {
        assert_eq!(text_of(0), "1970-01-01");
        assert_eq!(text_after(0), "1970-01-02");
        let last = crate::base::time::day_of_civil(9999, 12, 31).unwrap();
        assert_eq!(text_after(last), ":");
        assert!(text_of(last) < text_after(last));
        assert_eq!(text_of(Day::MIN), "");
        assert_eq!(text_of(Day::MAX), ":");
    }
}
