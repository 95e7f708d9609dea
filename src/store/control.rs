//! What the engine keeps about a database inside it: whether rows arrive and who may work, and the restore journal. Only
//! the values and the words they are written in; where they are kept is each store's own affair.
//!
//! The control tables are the engine's: no store lists them among its tables, reads them as one or writes to them as one.

use crate::base::time::Span;
use std::fmt;

pub use super::keys::{KeyRuns, KeyRunsError};

/// Names of the control tables: the state, the runs, their units, the ranges that units put in.
pub const CONTROL_TABLES: [&str; 4] = ["intervault_state", "intervault_restore", "intervault_unit", "intervault_range"];
/// Version of the control tables that is written, and the newest that is read.
pub const CONTROL_VERSION: u32 = 1;

/// Whether a name is that of a control table; ASCII case is ignored.
///
/// ```
/// use intervault::store::control::is_control_table;
/// assert!(is_control_table("Intervault_Unit"));
/// assert!(!is_control_table("intervault_notes"));
/// ```
#[must_use]
pub fn is_control_table(name: &str) -> bool {
    CONTROL_TABLES.iter().any(|table| table.eq_ignore_ascii_case(name))
}

/// An enumeration whose values have one word each, the same in every store and on the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value),+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$value),+];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $($name::$value => $word),+
                }
            }

            /// What a word stands for; `None` for any other.
            #[must_use]
            pub fn of_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// Whether rows arrive.
    Collection {
        /// Rows arrive.
        On = "on",
        /// No rows arrive.
        Off = "off",
    }
}

words! {
    /// Who may work.
    Mode {
        /// Everybody.
        MultiUser = "multi-user",
        /// The administrator alone.
        SingleUser = "single-user",
    }
}

words! {
    /// What became of a run.
    RunStatus {
        /// It was begun, and has not ended: it runs, or was cut short.
        Begun = "begun",
        /// All of its units are applied.
        Finished = "finished",
        /// It was undone.
        Undone = "undone",
        /// It was cut short, and somebody decided that it shall not be finished.
        SetAside = "set aside",
    }
}

words! {
    /// How far a unit is.
    UnitStatus {
        /// Nothing of it was done.
        Planned = "planned",
        /// All of it was done.
        Applied = "applied",
    }
}

words! {
    /// For what a range stands.
    RangeKind {
        /// Rows of a held range were replaced.
        Held = "held",
        /// Carried rows were put in; nothing was deleted.
        Carried = "carried",
        /// The undated rows were replaced; the span is all of time.
        Undated = "undated",
        /// The table, or one ACD's rows of it, was replaced whole; the span is all of time.
        Whole = "whole",
    }
}

/// The state of a database, as its administrator has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Whether rows arrive.
    pub collection: Collection,
    /// Who may work.
    pub mode: Mode,
}

impl Default for State {
    /// What holds where nobody has set anything: rows arrive and everybody works.
    fn default() -> State {
        State { collection: Collection::On, mode: Mode::MultiUser }
    }
}

/// One restore, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number, from 1, ascending; 0 while it is not written yet.
    pub number: u64,
    /// When it was begun, in seconds since 1970-01-01 00:00 UTC.
    pub begun_unix: i64,
    /// When it ended, likewise; `None` while it has not.
    pub ended_unix: Option<i64>,
    /// The set that it restores; of a chain the newest member.
    pub set: [u8; 16],
    /// That set's label.
    pub label: String,
    /// Where the rows were saved that it deletes; `None` if they were not.
    pub undo: Option<UndoPlace>,
    /// Its options, as the engine wrote them; stores do not read them.
    pub options: String,
    /// What became of it.
    pub status: RunStatus,
}

/// Where the rows were saved that a run deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoPlace {
    /// The undo set.
    pub set: [u8; 16],
    /// The device that it is on, for people.
    pub place: String,
}

/// Rows of a table in a slice of time, replaced in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Number of the run.
    pub run: u64,
    /// Number in the run, from 0.
    pub number: u32,
    /// The table, by the name that the database gives it.
    pub table: String,
    /// The slice of time; [`Span::ALL`] for tables that are replaced whole.
    pub slice: Span,
    /// How far it is. What follows says what was done; while it is planned, what is meant to be done, as far as it is known.
    pub status: UnitStatus,
    /// Rows deleted.
    pub deleted: u64,
    /// Rows inserted. Their digest tells, before they are deleted by their keys, that these keys still name them: a
    /// database may give its rows new keys at any time (SQLite: VACUUM).
    pub inserted: Totals,
    /// Rows saved in the undo set; zero without one.
    pub saved: Totals,
    /// Rows of the slice when the unit was done: kept ones and inserted ones.
    pub after: Totals,
    /// Keys of the inserted rows.
    pub keys: KeyRuns,
}

impl Unit {
    /// A unit of which nothing was done yet.
    ///
    /// ```
    /// use intervault::base::time::Span;
    /// use intervault::store::control::{Unit, UnitStatus};
    /// let unit = Unit::planned(7, 0, "hsplit", Span::of_day(19_782));
    /// assert_eq!((unit.status, unit.deleted, unit.keys.rows()), (UnitStatus::Planned, 0, 0));
    /// ```
    #[must_use]
    pub fn planned(run: u64, number: u32, table: &str, slice: Span) -> Unit {
        Unit {
            run,
            number,
            table: table.to_owned(),
            slice,
            status: UnitStatus::Planned,
            deleted: 0,
            inserted: Totals::default(),
            saved: Totals::default(),
            after: Totals::default(),
            keys: KeyRuns::default(),
        }
    }
}

/// How many rows, and the sum of their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Rows.
    pub rows: u64,
    /// Sum of the row digests, least significant byte first.
    pub digest: [u8; 16],
}

/// A range that an applied unit put in, and where its rows came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Number of the run.
    pub run: u64,
    /// Number of the unit in the run.
    pub unit: u32,
    /// The table, by the name that the database gives it.
    pub table: String,
    /// The ACD; `None` for tables without an ACD column.
    pub acd: Option<i64>,
    /// For what it stands.
    pub kind: RangeKind,
    /// The time.
    pub span: Span,
    /// The set that the rows came from.
    pub set: [u8; 16],
    /// The full backup that begins the chain of that set.
    pub chain: [u8; 16],
    /// The set's place in the chain: 0 the full.
    pub sequence: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_values_belong_together() {
        fn all<T: Copy + PartialEq + fmt::Debug>(values: &[T], word: fn(T) -> &'static str, of: fn(&str) -> Option<T>) {
            for value in values {
                assert_eq!(of(word(*value)), Some(*value));
            }
            let mut words: Vec<&str> = values.iter().map(|value| word(*value)).collect();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), values.len());
            assert_eq!(of("On"), None);
            assert_eq!(of(""), None);
        }
        all(Collection::ALL, Collection::word, Collection::of_word);
        all(Mode::ALL, Mode::word, Mode::of_word);
        all(RunStatus::ALL, RunStatus::word, RunStatus::of_word);
        all(UnitStatus::ALL, UnitStatus::word, UnitStatus::of_word);
        all(RangeKind::ALL, RangeKind::word, RangeKind::of_word);
        assert_eq!(Mode::SingleUser.to_string(), "single-user");
    }
}
