//! From the columns of a batch to the span of every row. Made to be run over millions of rows: nothing is allocated per
//! row, and the date that was read last is remembered, since rows of one date mostly come together.

use super::text::{read_date, read_timestamp, read_whole};
use super::{ClockKind, Length, period_span};
use crate::base::limits::INTERVAL_MINUTES_MAX;
use crate::base::time::{DAY, Day, Instant, Span};
use crate::column::batch::{Batch, Column, ColumnData, Strings, Value};
use crate::column::logical::LogicalType;
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
/// Whole numbers may also stand as text of nothing but digits; blanks at the end of a text of fixed width count for nothing.
/// An interval lasts its row's length, or that of all rows, 1 minute to [`INTERVAL_MINUTES_MAX`]; an event one unit of its
/// column: a minute for HHMM, a day for a date alone, else a second. Epoch seconds become the civil time of their zone. What
/// cannot be read, or does not lie in the years 1 to 9999, is undated.
#[derive(Debug)]
pub struct RowTimes {
    acd: Option<usize>,
    start: Start,
    length: Option<Length>,
    /// Batch columns of texts that are padded with blanks.
    padded: Vec<usize>,
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
            if let Some(Length::Column(column)) = clock.length {
                columns.push(column);
            }
            columns.extend(clock.kind.columns());
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
                let length = match clock.length {
                    Some(Length::Column(column)) => Some(Length::Column(place(column)?)),
                    length => length,
                };
                (start, length)
            }
        };
        let is_padded = |column: &usize| {
            let column = table.schema.columns.get(*column);
            column.is_some_and(|column| matches!(column.logical, LogicalType::FixedText { .. }))
        };
        let padded = columns.iter().enumerate().filter(|(_, column)| is_padded(column)).map(|(at, _)| at).collect();
        Ok(RowTimes {
            padded,
            acd: table.acd_column.map(place).transpose()?,
            start,
            length,
            reader: Reader { grain: table.grain, last_date: ([0; 10], None), last_period: (Day::MIN, When::Undated) },
        })
    }

    /// Calls `each` with the number (from 0 in the batch) and the time of every row, in order. A column that the batch
    /// lacks counts as null.
    pub fn each(&mut self, batch: &Batch, mut each: impl FnMut(usize, RowWhen)) {
        let padded = self.padded.as_slice();
        let acd = Numbers::of(batch, padded, self.acd);
        let length = match self.length {
            None => Numbers::Absent,
            Some(Length::Column(column)) => Numbers::of(batch, padded, Some(column)),
            Some(Length::Minutes(minutes)) => Numbers::Same(i64::from(minutes)),
        };
        let reader = &mut self.reader;
        // The kind of clock is settled once per batch, not once per row.
        match &self.start {
            Start::Never => {
                (0..batch.rows).for_each(|row| each(row, RowWhen { acd: acd.get(row), when: When::Undated }))
            }
            Start::DateHhmm { date, time } => {
                let (date, time) = (Texts::of(batch, padded, *date), Numbers::of(batch, padded, Some(*time)));
                for row in 0..batch.rows {
                    let start = hhmm(time.get(row)).and_then(|seconds| Some((reader.day(date.get(row)?)?, seconds)));
                    let when = reader.when(start, 60, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
            Start::Date { date } => {
                let date = Texts::of(batch, padded, *date);
                for row in 0..batch.rows {
                    let start = date.get(row).and_then(|text| reader.day(text)).map(|day| (day, 0));
                    let when = reader.when(start, DAY, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
            Start::Timestamp { at } => {
                let at = Texts::of(batch, padded, *at);
                for row in 0..batch.rows {
                    let start = at.get(row).and_then(read_timestamp).map(|at| (at.day(), at.second_of_day()));
                    let when = reader.when(start, 1, || length.get(row));
                    each(row, RowWhen { acd: acd.get(row), when });
                }
            }
            Start::Epoch { at, zone } => {
                let (at, zone) = (Numbers::of(batch, padded, Some(*at)), zone.clone());
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
    /// Texts with blanks behind them.
    Padded(&'a Column),
    /// No column: the same in every row.
    Same(i64),
    Absent,
}

impl<'a> Numbers<'a> {
    fn of(batch: &'a Batch, padded: &[usize], column: Option<usize>) -> Numbers<'a> {
        let is_padded = column.is_some_and(|column| padded.contains(&column));
        match column.and_then(|column| batch.columns.get(column)) {
            None => Numbers::Absent,
            Some(column) if is_padded => Numbers::Padded(column),
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
            Numbers::Mixed(column) => whole(column.get(row), |text| text),
            Numbers::Padded(column) => whole(column.get(row), unpadded),
            Numbers::Same(number) => Some(*number),
            Numbers::Absent => None,
        }
    }
}

#[inline]
fn whole<'a>(value: Value<'a>, kept: impl FnOnce(&'a [u8]) -> &'a [u8]) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(number),
        Value::Text(text) => read_whole(kept(text)),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

/// A text without the blanks at its end.
fn unpadded(mut text: &[u8]) -> &[u8] {
    while let [shorter @ .., b' '] = text {
        text = shorter;
    }
    text
}

/// The texts of a column.
enum Texts<'a> {
    Plain(&'a Strings),
    Mixed(&'a Column),
    /// With blanks behind them.
    Padded(&'a Column),
    Absent,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a Batch, padded: &[usize], column: usize) -> Texts<'a> {
        match batch.columns.get(column) {
            None => Texts::Absent,
            Some(of) if padded.contains(&column) => Texts::Padded(of),
            // Where a row of such a column holds null or no text, the data hold the empty string, which is no time either.
            Some(Column { data: ColumnData::Text(data), .. }) => Texts::Plain(data),
            Some(column) => Texts::Mixed(column),
        }
    }

    #[inline]
    fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Texts::Plain(data) => Some(data.get(row)),
            Texts::Mixed(column) | Texts::Padded(column) => match column.get(row) {
                Value::Text(text) if matches!(self, Texts::Padded(_)) => Some(unpadded(text)),
                Value::Text(text) => Some(text),
                Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => None,
            },
            Texts::Absent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::day_of_civil;
    use crate::column::batch::OwnedValue;
    use crate::schema::clock::Clock;
    use crate::schema::grain::DataType;
    use crate::schema::table::{ColumnSchema, TableSchema};

    /// Columns: acd, date, time, length, spare.
    fn table(grain: Grain, kind: ClockKind, length: Option<usize>) -> BoundTable {
        let column = |name: &str| ColumnSchema {
            name: name.to_owned(),
            logical: LogicalType::Any,
            nullable: true,
            has_default: false,
            declared: String::new(),
            collation: String::new(),
        };
        BoundTable {
            schema: TableSchema {
                name: "t".to_owned(),
                columns: ["acd", "date", "time", "length", "spare"].map(column).to_vec(),
            },
            data_type: DataType::Historical,
            grain,
            clock: Some(Clock { kind, length: length.map(Length::Column) }),
            acd_column: Some(0),
            event_slot_minutes: 30,
            server_bound: false,
        }
    }

    fn hhmm_table(grain: Grain) -> BoundTable {
        table(grain, ClockKind::DateHhmm { date: 1, time: 2 }, (grain == Grain::Interval).then_some(3))
    }

    fn batch(rows: &[[OwnedValue; 4]]) -> Batch {
        let mut columns = vec![Column::new(ColumnData::Integer(Vec::new())); 5];
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row.iter().chain([&OwnedValue::Null])) {
                column.push(value.as_value());
            }
        }
        Batch::new(columns)
    }

    fn text(text: &str) -> OwnedValue {
        OwnedValue::Text(text.as_bytes().to_vec())
    }

    fn number(number: i64) -> OwnedValue {
        OwnedValue::Integer(number)
    }

    fn shown(table: &BoundTable, rows: &[[OwnedValue; 4]]) -> Vec<String> {
        let times = RowTimes::new(table).unwrap().all(&batch(rows));
        let one = |row: &RowWhen| {
            let span =
                row.when.span().map_or("undated".to_owned(), |span| format!("{} {}", span.start, span.seconds()));
            format!("{} {span}", row.acd.map_or("none".to_owned(), |acd| acd.to_string()))
        };
        times.iter().map(one).collect()
    }

    #[test]
    fn blanks_behind_texts_of_fixed_width_count_for_nothing() {
        let row = [text("1  "), text("2024-02-29  "), text("0930 "), text("30  ")];
        let mut table = hhmm_table(Grain::Interval);
        assert_eq!(shown(&table, std::slice::from_ref(&row)), ["none undated"], "other texts are exact");
        table.schema.columns.iter_mut().for_each(|column| column.logical = LogicalType::FixedText { width: 12 });
        let odd = [text(" 1"), text("2024-02-29 x"), text("0930"), text("30")];
        assert_eq!(shown(&table, &[row, odd]), ["1 2024-02-29 09:30 1800", "none undated"]);
    }

    #[test]
    fn an_interval_lasts_what_its_row_says() {
        let at = |date: &str, time: OwnedValue, length: OwnedValue| [number(1), text(date), time, length];
        let rows = [
            at("2024-02-29", number(0), number(30)),
            at("2024-02-29", number(2359), number(1)),
            at("2024-02-29", number(2345), number(1_440)),
            at("2024-02-29 00:00:00", text("0930"), text("15")),
            at("2024-02-29", number(960), number(30)),
            at("2024-02-29", number(2400), number(30)),
            at("2024-02-29", number(-1), number(30)),
            at("2024-02-29", number(30), number(0)),
            at("2024-02-29", number(30), number(1_441)),
            at("2024-02-29", number(30), OwnedValue::Null),
            at("2024-02-29", OwnedValue::Null, number(30)),
            at("2024-02-30", number(30), number(30)),
            at("2024-02-30", number(30), number(30)),
            at("9999-12-31", number(2330), number(30)),
            at("9999-12-31", number(2331), number(30)),
            at("0001-01-01", number(0), number(30)),
            at("2024-02-29", OwnedValue::Real(30.0), number(30)),
        ];
        assert_eq!(
            shown(&hhmm_table(Grain::Interval), &rows),
            [
                "1 2024-02-29 00:00 1800",
                "1 2024-02-29 23:59 60",
                "1 2024-02-29 23:45 86400",
                "1 2024-02-29 09:30 900",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 undated",
                "1 9999-12-31 23:30 1800",
                "1 undated",
                "1 0001-01-01 00:00 1800",
                "1 undated",
            ]
        );
    }

    #[test]
    fn rows_that_do_not_say_how_long_they_last_last_as_long_as_the_clock_says() {
        let fixed = |kind: ClockKind, minutes: u32| {
            let mut table = table(Grain::Interval, kind, None);
            table.clock = table.clock.map(|clock| Clock { length: Some(Length::Minutes(minutes)), ..clock });
            table
        };
        let five = fixed(ClockKind::DateHhmm { date: 1, time: 2 }, 5);
        // What stands beside the time is no length, and need not be there.
        let row = |date: &str, time: i64| [number(1), text(date), number(time), number(30)];
        let rows = [row("2024-02-29", 2355), row("2024-02-29", 2358), row("9999-12-31", 2356), row("2024-02-30", 0)];
        assert_eq!(shown(&five, &rows), ["1 2024-02-29 23:55 300", "1 2024-02-29 23:58 300", "1 undated", "1 undated"]);
        assert_eq!(RowTimes::columns(&five), [0, 1, 2]);
        let day = fixed(ClockKind::Timestamp { at: 1 }, 1_440);
        assert_eq!(shown(&day, &[row("2024-02-29 00:00:01", 0)]), ["1 2024-02-29 00:00:01 86400"]);
        // A length that no catalogue lets in.
        assert_eq!(shown(&fixed(ClockKind::Date { date: 1 }, 1_441), &[row("2024-02-29", 0)]), ["1 undated"]);
        assert_eq!(shown(&fixed(ClockKind::Date { date: 1 }, 0), &[row("2024-02-29", 0)]), ["1 undated"]);
    }

    /// The newest of such rows reaches past midnight; it is complete one length after its end.
    #[test]
    fn the_cutoff_knows_a_length_that_no_column_says() {
        use crate::schema::clock::{CompletionRule, Newest, bucket_day};
        let mut table = table(Grain::Interval, ClockKind::DateHhmm { date: 1, time: 2 }, None);
        table.clock = table.clock.map(|clock| Clock { length: Some(Length::Minutes(15)), ..clock });
        let rows = [2335, 2350].map(|time| [number(1), text("2024-02-29"), number(time), OwnedValue::Null]);
        let times = RowTimes::new(&table).unwrap().all(&batch(&rows));
        let midnight = Instant::of_day(day_of_civil(2024, 3, 1).unwrap());
        for (now, cutoff) in [(20 * 60 - 1, -600), (20 * 60, 300)] {
            let mut newest = Newest::new(CompletionRule::new(Grain::Interval), midnight.plus(now));
            times.iter().filter_map(|row| row.when.span()).for_each(|span| newest.add(span));
            assert_eq!(newest.cutoff(None), Some(midnight.plus(cutoff)));
        }
        let last = times[1].when.span().unwrap();
        assert_eq!((last.stop, bucket_day(last)), (midnight.plus(300), midnight.day() - 1));
    }

    #[test]
    fn plain_and_mixed_columns_read_alike() {
        let plain = [
            [number(1), text("2024-02-29"), number(30), number(15)],
            [number(2), text("2024-03-01"), number(0), number(30)],
        ];
        let mut mixed = plain.to_vec();
        // A null in every column makes each of them mixed.
        mixed.push([OwnedValue::Null, OwnedValue::Null, OwnedValue::Null, OwnedValue::Null]);
        let table = hhmm_table(Grain::Interval);
        let (plain, mixed) = (shown(&table, &plain), shown(&table, &mixed));
        assert_eq!(plain, ["1 2024-02-29 00:30 900", "2 2024-03-01 00:00 1800"]);
        assert_eq!((&mixed[..2], mixed[2].as_str()), (plain.as_slice(), "none undated"));
    }

    #[test]
    fn a_time_among_values_of_other_kinds_is_found_and_they_are_none() {
        let row = |date: OwnedValue| [number(1), date, number(30), number(15)];
        let date = || row(text("2024-02-29"));
        let dated = "1 2024-02-29 00:30 900";
        let table = hhmm_table(Grain::Interval);
        let other = || row(number(20_240_229));
        let among_texts = [date(), other(), row(OwnedValue::Null), date()];
        assert_eq!(shown(&table, &among_texts), [dated, "1 undated", "1 undated", dated]);
        let among_numbers = [other(), date(), row(OwnedValue::Null), date()];
        assert_eq!(shown(&table, &among_numbers), ["1 undated", dated, "1 undated", dated]);
    }

    #[test]
    fn an_acd_is_a_whole_number() {
        let row = |acd: OwnedValue| [acd, text("2024-02-29"), number(30), number(15)];
        let rows = [row(text("7")), row(text("A")), row(OwnedValue::Real(1.0)), row(number(-1))];
        let acds: Vec<String> = shown(&hhmm_table(Grain::Interval), &rows);
        let acds: Vec<&str> = acds.iter().map(|row| row.split_once(' ').unwrap().0).collect();
        assert_eq!(acds, ["7", "none", "none", "-1"]);
    }

    #[test]
    fn periods_follow_the_date_and_events_last_one_unit() {
        let rows = [
            [number(1), text("2024-02-10"), number(1430), number(0)],
            [number(1), text("2024-02-12"), number(2460), number(0)],
        ];
        let date = |grain| table(grain, ClockKind::Date { date: 1 }, None);
        assert_eq!(shown(&date(Grain::Daily), &rows), ["1 2024-02-10 00:00 86400", "1 2024-02-12 00:00 86400"]);
        assert_eq!(shown(&date(Grain::Weekly), &rows), ["1 2024-02-10 00:00 604800", "1 2024-02-12 00:00 604800"]);
        let month = format!("1 2024-02-01 00:00 {}", 29 * 86_400);
        assert_eq!(shown(&date(Grain::Monthly), &rows), [month.clone(), month]);
        assert_eq!(shown(&hhmm_table(Grain::Event), &rows), ["1 2024-02-10 14:30 60", "1 undated"]);
        assert_eq!(shown(&date(Grain::Event), &rows), ["1 2024-02-10 00:00 86400", "1 2024-02-12 00:00 86400"]);
        let stamped = [[number(1), text("2024-02-10 14:30:59.5"), number(0), number(30)]];
        let at = ClockKind::Timestamp { at: 1 };
        assert_eq!(shown(&table(Grain::Event, at.clone(), None), &stamped), ["1 2024-02-10 14:30:59 1"]);
        assert_eq!(shown(&table(Grain::Interval, at.clone(), Some(3)), &stamped), ["1 2024-02-10 14:30:59 1800"]);
        assert_eq!(shown(&table(Grain::Daily, at, None), &stamped), ["1 2024-02-10 00:00 86400"]);
        let none = BoundTable { clock: None, ..table(Grain::None, ClockKind::Date { date: 1 }, None) };
        assert_eq!(shown(&none, &rows), ["1 undated", "1 undated"]);
    }

    #[test]
    fn epoch_seconds_are_read_in_their_zone_and_the_autumn_hour_comes_twice() {
        let zone = |zone: &str| table(Grain::Event, ClockKind::EpochSeconds { at: 2, zone: zone.to_owned() }, None);
        let at = |seconds: i64| [number(1), OwnedValue::Null, number(seconds), OwnedValue::Null];
        // 2023-10-29 00:30 UTC and an hour later: both 02:30 in Berlin.
        let rows = [at(1_698_539_400), at(1_698_543_000), at(i64::MAX), at(253_402_300_799)];
        let berlin = ["1 2023-10-29 02:30 1", "1 2023-10-29 02:30 1", "1 undated", "1 undated"];
        assert_eq!(shown(&zone("Europe/Berlin"), &rows), berlin);
        let utc = shown(&zone("UTC"), &rows);
        assert_eq!(utc[..2], ["1 2023-10-29 00:30 1", "1 2023-10-29 01:30 1"]);
        let error = RowTimes::new(&zone("Europe/Nowhere")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "table t: there is no time zone 'Europe/Nowhere'; write a name like Europe/Berlin, or UTC"
        );
    }

    #[test]
    fn a_projection_reads_the_same_and_must_be_complete() {
        let table = hhmm_table(Grain::Interval);
        assert_eq!(RowTimes::columns(&table), [0, 1, 2, 3]);
        let whole = batch(&[[number(4), text("2024-02-29"), number(30), number(15)]]);
        let order = [3, 0, 2, 1];
        let part = Batch::new(order.iter().map(|column| whole.columns[*column].clone()).collect());
        let projected = RowTimes::projected(&table, &order).unwrap().all(&part);
        assert_eq!(projected, RowTimes::new(&table).unwrap().all(&whole));
        let error = RowTimes::projected(&table, &[0, 1, 2]).unwrap_err();
        assert_eq!(error, ClockError::Missing { table: "t".to_owned(), column: 3 });
        // A batch that is narrower than promised has no times, and does no harm.
        let narrow = Batch { columns: Vec::new(), rows: 2 };
        assert!(RowTimes::new(&table).unwrap().all(&narrow).iter().all(|row| row.when == When::Undated));
    }

    #[test]
    fn the_remembered_date_is_forgotten_when_another_comes() {
        let first = day_of_civil(2024, 2, 29).unwrap();
        let row = |date: &str| [number(1), text(date), number(0), number(30)];
        let rows = ["2024-02-29", "2024-02-29", "2024-02-28", "bad", "2024-02-28", "2024-02-30", "2024-02-29"].map(row);
        let mut days = Vec::new();
        RowTimes::new(&hhmm_table(Grain::Interval)).unwrap().each(&batch(&rows), |_, row| {
            days.push(row.when.span().map(|span| span.start.day() - first));
        });
        assert_eq!(days, [Some(0), Some(0), Some(-1), None, Some(-1), None, Some(0)]);
    }
}
