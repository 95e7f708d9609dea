//! Days as conditions that an index can serve.

use super::declared::Form;
use super::shape::Shape;
use crate::base::time::{DAY, Day, Instant, civil_of_day};
use crate::column::logical::LogicalType;
use crate::schema::clock::{Clock, ClockKind};
use crate::store::name::quoted;

/// The condition that every row of the days `first..=last` meets, and few others do; empty for none. There is none for both sides
/// unbounded, for a column that does not exist, and for one whose order is not that of time: text is sorted in another way in
/// each collation.
pub(super) fn condition(shape: &Shape, clock: &Clock, days: (Option<Day>, Option<Day>)) -> String {
    let index = match clock.kind {
        ClockKind::DateHhmm { date, .. } | ClockKind::Date { date } => date,
        ClockKind::Timestamp { at } | ClockKind::EpochSeconds { at, .. } => at,
    };
    let (Some(column), Some(form)) = (shape.schema.columns.get(index), shape.forms.get(index)) else {
        return String::new();
    };
    let after = days.1.map(|day| day.saturating_add(1));
    let (low, high) = match (&clock.kind, column.logical) {
        // A zone is never a day away from UTC.
        (ClockKind::EpochSeconds { .. }, _) if *form == Form::Integer => (
            days.0.map(|day| Instant::of_day(day).plus(-DAY).0.to_string()),
            after.map(|day| Instant::of_day(day).plus(DAY).0.to_string()),
        ),
        (ClockKind::EpochSeconds { .. }, _) => (None, None),
        (_, LogicalType::Date) => (literal(days.0, "date"), literal(after, "date")),
        (_, LogicalType::Timestamp) => (literal(days.0, "timestamp"), literal(after, "timestamp")),
        _ => (None, None),
    };
    let name = quoted(&column.name);
    let sides = [(low, ">="), (high, "<")].into_iter();
    let sides = sides.filter_map(|(bound, compare)| bound.map(|bound| format!("{name} {compare} {bound}")));
    sides.collect::<Vec<_>>().join(" AND ")
}

/// The day as a value of a type; none outside the years 1 to 9999, in which all days of rows lie.
fn literal(day: Option<Day>, of: &str) -> Option<String> {
    let (year @ 1..=9999, month, day) = civil_of_day(day?) else { return None };
    Some(format!("{of} '{year:04}-{month:02}-{day:02}'"))
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::shape;
    use super::*;

    #[test]
    fn conditions_fit_the_type_of_the_column() {
        let shape = shape(&[("day", 1082), ("at", 1114), ("epoch", 23), ("text", 25), ("zoned", 1184), ("real", 701)]);
        let on = |kind| condition(&shape, &Clock { kind, length: None }, (Some(0), Some(1)));
        assert_eq!(on(ClockKind::Date { date: 0 }), "\"day\" >= date '1970-01-01' AND \"day\" < date '1970-01-03'");
        let at = "\"at\" >= timestamp '1970-01-01' AND \"at\" < timestamp '1970-01-03'";
        assert_eq!(on(ClockKind::Timestamp { at: 1 }), at);
        let epoch = |at| ClockKind::EpochSeconds { at, zone: "UTC".to_owned() };
        assert_eq!(on(epoch(2)), "\"epoch\" >= -86400 AND \"epoch\" < 259200");
        for odd in [epoch(5), ClockKind::Date { date: 3 }, ClockKind::Timestamp { at: 4 }, ClockKind::Date { date: 9 }]
        {
            assert_eq!(on(odd), "");
        }
        let one_side = |days| condition(&shape, &Clock { kind: ClockKind::Date { date: 0 }, length: None }, days);
        assert_eq!(one_side((None, Some(0))), "\"day\" < date '1970-01-02'");
        assert_eq!(one_side((Some(i32::MIN), Some(i32::MAX))), "");
        assert_eq!(one_side((None, None)), "");
    }
}
