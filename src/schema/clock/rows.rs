//! From the columns of a batch to the span of every row. Made to be run over millions of rows: nothing is allocated per
//! row, and the date that was read last is remembered, since rows of one date mostly come together.

use super::text::{read_date, read_timestamp, read_whole};
use super::{ClockKind, period_span};
use crate::base::limits::INTERVAL_MINUTES_MAX;
use crate::base::time::{DAY, Day, Instant, Span};
use crate::column::batch::{Batch, Column, ColumnData, Strings, Value};
use crate::schema::grain::Grain;
use crate::schema::table::BoundTable;
use jiff::tz::TimeZone;

/// When a row was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// The span that it stands for.
    Dated(Span),
    /// It has no usable time.
    Undated,
}

impl When {
    /// The span, if there is one.
    #[must_use]
    pub const fn span(self) -> Option<Span> {
        match self {
            When::Dated(span) => Some(span),
            When::Undated => None,
        }
    }
}

/// What the engine needs to know of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowWhen {
    /// The ACD; `None` in tables without an ACD column and for values that are no whole number.
    pub acd: Option<i64>,
    /// The time.
    pub when: When,
}

/// Why the times of a table cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// A column that the clock needs is not among those delivered.
    #[error("table {table}: column number {column} says when rows were, and is not among the columns read")]
    Missing {
        /// The table.
        table: String,
        /// The column, from 0 in the table.
        column: usize,
    },
    /// No such time zone.
    #[error("table {table}: there is no time zone '{zone}'; write a name like Europe/Berlin, or UTC")]
    Zone {
        /// The table.
        table: String,
        /// The name.
        zone: String,
    },
}

/// Reads the ACD and the time of the rows of one table.
///
/// Whole numbers may also stand as text of nothing but digits. An interval lasts its row's length, 1 minute to
/// [`INTERVAL_MINUTES_MAX`]; an event one unit of its column: a minute for HHMM, a day for a date alone, else a second.
/// Epoch seconds become the civil time of their zone. What cannot be read, or does not lie in the years 1 to 9999, is
/// undated.
#[derive(Debug)]
pub struct RowTimes {
    acd: Option<usize>,
    start: Start,
    length: Option<usize>,
    reader: Reader,
}

/// Which batch columns say when a row starts.
#[derive(Debug)]
enum Start {
    Never,
    DateHhmm { date: usize, time: usize },
    Date { date: usize },
    Timestamp { at: usize },
    Epoch { at: usize, zone: TimeZone },
}

impl RowTimes {
    /// The columns of a table, by number and ascending, that [`RowTimes`] reads: those of time and ACD.
    #[must_use]
    pub fn columns(table: &BoundTable) -> Vec<usize> {
        let mut columns: Vec<usize> = table.acd_column.into_iter().collect();
        if let Some(clock) = &table.clock {
            columns.extend(clock.length_column);
            match clock.kind {
                ClockKind::DateHhmm { date, time } => columns.extend([date, time]),
                ClockKind::Date { date } => columns.push(date),
                ClockKind::Timestamp { at } | ClockKind::EpochSeconds { at, .. } => columns.push(at),
            }
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// A reader for batches with all columns of the table.
    ///
    /// # Errors
    /// There is no such time zone, or the clock names a column that the table lacks.
    pub fn new(table: &BoundTable) -> Result<RowTimes, ClockError> {
        let all: Vec<usize> = (0..table.schema.columns.len()).collect();
        RowTimes::projected(table, &all)
    }

    /// A reader for batches that hold only some columns: column `i` of the batch is column `columns[i]` of the table.
    ///
    /// # Errors
    /// There is no such time zone, or a column that is needed is not among them.
    pub fn projected(table: &BoundTable, columns: &[usize]) -> Result<RowTimes, ClockError> {
        let place = |column: usize| {
            columns.iter().position(|own| *own == column).ok_or_else(|| {
                let table = table.schema.name.clone();
                ClockError::Missing { table, column }
            })
        };
        let (start, length) = match &table.clock {
            None => (Start::Never, None),
            Some(clock) => {
                let start = match &clock.kind {
                    ClockKind::DateHhmm { date, time } => Start::DateHhmm { date: place(*date)?, time: place(*time)? },
                    ClockKind::Date { date } => Start::Date { date: place(*date)? },
                    ClockKind::Timestamp { at } => Start::Timestamp { at: place(*at)? },
                    ClockKind::EpochSeconds { at, zone } => {
                        let missing = || ClockError::Zone { table: table.schema.name.clone(), zone: zone.clone() };
                        Start::Epoch { at: place(*at)?, zone: TimeZone::get(zone).map_err(|_| missing())? }
                    }
                };
                (start, clock.length_column.map(place).transpose()?)
            }
        };
        Ok(RowTimes {
            acd: table.acd_column.map(place).transpose()?,
            start,
            length,
            reader: Reader { grain: table.grain, last_date: ([0; 10], None), last_period: (Day::MIN, When::Undated) },
        })
    }

    /// Calls `each` with the number (from 0 in the batch) and the time of every row, in order. A column that the batch
    /// lacks counts as null.
    pub fn each(&mut self, batch: &Batch, mut each: impl FnMut(usize, RowWhen)) {
        let acd = Numbers::of(batch, self.acd);
        let length = Numbers::of(batch, self.length);
        let reader = &mut self.reader;
        // The kind of clock is settled once per batch, not once per row.
        match &self.start {
            Start::Never => {
                (0..batch.rows).for_each(|row| each(row, RowWhen { acd: acd.get(row), when: When::Undated }))
            }
            Start::DateHhmm { date, time } => {
                let (date, time) = (Texts::of(batch, *date), Numbers::of(batch, Some(*time)));
                for row in 0..batch.rows {
                    let start = hhmm(time.get(row)).and_then(|seconds| Some((reader.day(date.get(row)?)?, seconds)));
                    let when = reader.when(start, 60, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
            Start::Date { date } => {
                let date = Texts::of(batch, *date);
                for row in 0..batch.rows {
                    let start = date.get(row).and_then(|text| reader.day(text)).map(|day| (day, 0));
                    let when = reader.when(start, DAY, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
            Start::Timestamp { at } => {
                let at = Texts::of(batch, *at);
                for row in 0..batch.rows {
                    let start = at.get(row).and_then(read_timestamp).map(|at| (at.day(), at.second_of_day()));
                    let when = reader.when(start, 1, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
            Start::Epoch { at, zone } => {
                let (at, zone) = (Numbers::of(batch, Some(*at)), zone.clone());
                for row in 0..batch.rows {
                    let start = at.get(row).and_then(|seconds| civil(seconds, &zone));
                    let when = reader.when(start, 1, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
        }
    }

    /// The times of all rows, in order.
    #[must_use]
    pub fn all(&mut self, batch: &Batch) -> Vec<RowWhen> {
        let mut times = Vec::with_capacity(batch.rows);
        self.each(batch, |_, when| times.push(when));
        times
    }
}

/// Turns starts into spans.
#[derive(Debug)]
struct Reader {
    grain: Grain,
    last_date: ([u8; 10], Option<Day>),
    last_period: (Day, When),
}

impl Reader {
    fn day(&mut self, text: &[u8]) -> Option<Day> {
        if text == self.last_date.0.as_slice() {
            return self.last_date.1;
        }
        let day = read_date(text);
        if let Ok(bytes) = text.try_into() {
            self.last_date = (bytes, day);
        }
        day
    }

    /// The span of a row that starts on a day, some seconds after midnight; `unit` is how long an event lasts.
    #[inline]
    fn when(&mut self, start: Option<(Day, i64)>, unit: i64, length: impl FnOnce() -> Option<i64>) -> When {
        let Some((day, seconds)) = start else { return When::Undated };
        let lasts = match self.grain {
            Grain::Daily | Grain::Weekly | Grain::Monthly => return self.period(day),
            Grain::None => return When::Undated,
            Grain::Event => unit,
            Grain::Interval => match length() {
                Some(minutes) if (1..=INTERVAL_MINUTES_MAX).contains(&minutes) => minutes.saturating_mul(60),
                _ => return When::Undated,
            },
        };
        let start = Instant::of_day(day).plus(seconds);
        let span = Span { start, stop: start.plus(lasts) };
        if Span::ALL.holds(span) { When::Dated(span) } else { When::Undated }
    }

    fn period(&mut self, day: Day) -> When {
        if self.last_period.0 != day {
            self.last_period = (day, period_span(self.grain, day).map_or(When::Undated, When::Dated));
        }
        self.last_period.1
    }
}

/// Seconds after midnight of a time written HHMM.
#[inline]
fn hhmm(number: Option<i64>) -> Option<i64> {
    let number = number.filter(|number| (0..=2359).contains(number))?;
    let (hours, minutes) = (number / 100, number % 100);
    (minutes < 60).then_some(hours * 3_600 + minutes * 60)
}

/// Day and second of the day of epoch seconds in a zone.
fn civil(seconds: i64, zone: &TimeZone) -> Option<(Day, i64)> {
    let offset = zone.to_offset(jiff::Timestamp::from_second(seconds).ok()?);
    let at = Instant(seconds.checked_add(i64::from(offset.seconds()))?);
    Some((at.day(), at.second_of_day()))
}

/// The whole numbers of a column; straight from the slice where it has neither nulls nor strays.
enum Numbers<'a> {
    Plain(&'a [i64]),
    Mixed(&'a Column),
    Absent,
}

impl<'a> Numbers<'a> {
    fn of(batch: &'a Batch, column: Option<usize>) -> Numbers<'a> {
        match column.and_then(|column| batch.columns.get(column)) {
            None => Numbers::Absent,
            Some(Column { data: ColumnData::Integer(data), nulls, strays })
                if nulls.is_empty() && strays.is_empty() =>
            {
                Numbers::Plain(data)
            }
            Some(column) => Numbers::Mixed(column),
        }
    }

    #[inline]
    fn get(&self, row: usize) -> Option<i64> {
        match self {
            Numbers::Plain(data) => data.get(row).copied(),
            Numbers::Mixed(column) => match column.get(row) {
                Value::Integer(number) => Some(number),
                Value::Text(text) => read_whole(text),
                Value::Null | Value::Real(_) | Value::Blob(_) => None,
            },
            Numbers::Absent => None,
        }
    }
}

/// The texts of a column.
enum Texts<'a> {
    Plain(&'a Strings),
    Mixed(&'a Column),
    Absent,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a Batch, column: usize) -> Texts<'a> {
        match batch.columns.get(column) {
            None => Texts::Absent,
            Some(Column { data: ColumnData::Text(data), nulls, strays }) if nulls.is_empty() && strays.is_empty() => {
                Texts::Plain(data)
            }
            Some(column) => Texts::Mixed(column),
        }
    }

    #[inline]
    fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Texts::Plain(data) => Some(data.get(row)),
            Texts::Mixed(column) => match column.get(row) {
                Value::Text(text) => Some(text),
                Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => None,
            },
            Texts::Absent => None,
        }
    }
}
