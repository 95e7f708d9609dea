//! What an interval table measures: names, declared types, and how each measure rolls up into days, weeks and months.

/// How a measure is declared and how it rolls up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number of calls or of things: a small integer in interval tables, summed.
    Count,
    /// Seconds: an integer, summed.
    Time,
    /// The greatest value: a small integer, its maximum is kept.
    Max,
    /// A setting, the same in all of the demonstration's time.
    Setting,
}

impl Kind {
    /// The declared type in an interval table.
    pub(super) const fn interval_type(self) -> &'static str {
        match self {
            Kind::Count | Kind::Max | Kind::Setting => "SMALLINT",
            Kind::Time => "INTEGER",
        }
    }

    /// The declared type in a daily, weekly or monthly table.
    pub(super) const fn period_type(self) -> &'static str {
        match self {
            Kind::Count | Kind::Time => "INTEGER",
            Kind::Max | Kind::Setting => "SMALLINT",
        }
    }

    /// The SQL function that makes a period's value from its parts. Settings never change here, so that their last value
    /// is their greatest.
    pub(super) const fn roll_up(self) -> &'static str {
        match self {
            Kind::Count | Kind::Time => "sum",
            Kind::Max | Kind::Setting => "max",
        }
    }
}

/// A measure with its value in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    /// Column name.
    pub name: &'static str,
    /// Declaration and roll-up.
    pub kind: Kind,
    /// The value.
    pub value: i64,
}

/// A [`Kind::Count`].
pub(super) const fn count(name: &'static str, value: i64) -> Measure {
    Measure { name, kind: Kind::Count, value }
}

/// A [`Kind::Time`].
pub(super) const fn time(name: &'static str, value: i64) -> Measure {
    Measure { name, kind: Kind::Time, value }
}

/// A [`Kind::Max`].
pub(super) const fn max(name: &'static str, value: i64) -> Measure {
    Measure { name, kind: Kind::Max, value }
}

/// A [`Kind::Setting`].
pub(super) const fn setting(name: &'static str, value: i64) -> Measure {
    Measure { name, kind: Kind::Setting, value }
}
