//! How the columns of a row say when it was: the spans of rows ([`RowTimes`]), the periods of the calendar, and up to
//! when rows are complete ([`Newest`]). Knows no database and no volume.

mod cutoff;
mod period;
mod rows;
mod text;

pub use cutoff::{CompletionRule, Newest, PERIOD_LAG_MINUTES, settled_until};
pub use period::{bucket_day, bucket_span, period_span};
pub use rows::{ClockError, RowTimes, RowWhen, When};
pub use text::{read_date, read_timestamp};

/// Where a row's time stands, by column number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The columns, and how to read them.
    pub kind: ClockKind,
    /// How long rows last; given exactly for interval tables.
    pub length: Option<Length>,
}

/// How long the rows of an interval table last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As many minutes as this column says.
    Column(usize),
    /// All rows as many minutes: 1 to [`crate::base::limits::INTERVAL_MINUTES_MAX`].
    Minutes(u32),
}

/// The ways in which tables store time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockKind {
    /// A date and a time of day as HHMM in a number without leading zeros (0, 30, 1430).
    DateHhmm {
        /// The date column: text `YYYY-MM-DD`.
        date: usize,
        /// The HHMM column.
        time: usize,
    },
    /// A date alone.
    Date {
        /// The date column: text `YYYY-MM-DD`.
        date: usize,
    },
    /// A civil timestamp, text `YYYY-MM-DD HH:MM[:SS[.fraction]]`.
    Timestamp {
        /// The timestamp column.
        at: usize,
    },
    /// Seconds since 1970-01-01 00:00 UTC, read in a named zone.
    EpochSeconds {
        /// The column.
        at: usize,
        /// IANA name of the zone.
        zone: String,
    },
}

impl ClockKind {
    /// The columns: rows with equal values in all of them begin at the same time.
    #[must_use]
    pub fn columns(&self) -> Vec<usize> {
        match *self {
            ClockKind::DateHhmm { date, time } => vec![date, time],
            ClockKind::Date { date } => vec![date],
            ClockKind::Timestamp { at } | ClockKind::EpochSeconds { at, .. } => vec![at],
        }
    }
}
