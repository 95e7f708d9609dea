//! The control tables, whatever database they lie in: the state of the database and the restore journal.
//!
//! They are ordinary tables, kept so that a person can read them too: words for what became of something, civil times, ids and
//! digests in hex. An open side of a span is null. All are made together, in the transaction that first writes to one of them.
//!
//! What is read from them may have been altered by anybody. A line that is not as the engine writes it is an error that
//! names it; nothing is guessed, as rows are deleted by what these lines say.
//!
//! Statements are written here once, in the words that all databases have in common; how a table is called, what is there of
//! them and how a statement is run is each store's own.

use std::collections::BTreeMap;

use super::control::{
    CONTROL_TABLES, CONTROL_VERSION, Collection, KeyRuns, Mode, Range, RangeKind, Run, RunStatus, State, Totals,
    UndoPlace, Unit, UnitStatus,
};
use super::error::{StoreError, StoreErrorKind};
use super::line::{Line, civil, hex, sides};
use crate::base::time::Instant;
use crate::column::batch::{OwnedValue, Value};

/// What is being done when the control tables are read.
pub(super) const READ: &str = "read the restore journal";
/// What is being done when they are written to.
pub(super) const WRITE: &str = "write the restore journal";
const STATE: &str = CONTROL_TABLES[0];
const RUNS: &str = CONTROL_TABLES[1];
const UNITS: &str = CONTROL_TABLES[2];
/// The control table of ranges, whose first column numbers its lines by itself.
pub(super) const RANGES: &str = CONTROL_TABLES[3];

/// Columns of each control table, as they are declared. `keys` is a list of row key runs in compact bytes.
pub(super) const COLUMNS: [&[&str]; 4] = [
    &["name TEXT NOT NULL PRIMARY KEY", "value TEXT NOT NULL"],
    &[
        "number INTEGER PRIMARY KEY",
        "status TEXT NOT NULL",
        "begun_utc TEXT NOT NULL",
        "ended_utc TEXT",
        "set_id TEXT NOT NULL",
        "label TEXT NOT NULL",
        "undo_set TEXT",
        "undo_place TEXT",
        "options TEXT NOT NULL",
    ],
    &[
        "run INTEGER NOT NULL",
        "number INTEGER NOT NULL",
        "status TEXT NOT NULL",
        "table_name TEXT NOT NULL",
        "start TEXT",
        "stop TEXT",
        "deleted INTEGER NOT NULL",
        "inserted INTEGER NOT NULL",
        "inserted_digest TEXT NOT NULL",
        "saved INTEGER NOT NULL",
        "saved_digest TEXT NOT NULL",
        "after INTEGER NOT NULL",
        "after_digest TEXT NOT NULL",
        "keys BLOB NOT NULL",
    ],
    &[
        "number INTEGER PRIMARY KEY",
        "run INTEGER NOT NULL",
        "unit INTEGER NOT NULL",
        "table_name TEXT NOT NULL",
        "acd INTEGER",
        "kind TEXT NOT NULL",
        "start TEXT",
        "stop TEXT",
        "set_id TEXT NOT NULL",
        "chain_id TEXT NOT NULL",
        "sequence INTEGER NOT NULL",
    ],
];
/// What follows the tables: a unit has one line, and the ranges of a unit are found without a walk. Of each index what it is, its
/// name behind the prefix, and what it is made on.
pub(super) const INDEXES: [(&str, &str, &str); 2] = [
    ("UNIQUE INDEX", "unit_number", "intervault_unit(run, number)"),
    ("INDEX", "range_unit", "intervault_range(run, unit)"),
];

/// A control table, as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name, for people.
    pub(super) name: String,
    /// `table`, or what else has the name.
    pub(super) kind: String,
    /// A trigger or rule on it, if there is one.
    pub(super) trigger: Option<String>,
    /// Its columns, in order.
    pub(super) columns: Vec<String>,
}

/// The control tables, seen through one connection, which has a transaction.
pub(super) trait Ledger {
    /// With what the names of control tables begin here, instead of `intervault_`. In statements parameters are `?1`, `?2`, …
    const PREFIX: &'static str;
    /// How to be rid of them.
    const ADVICE: &'static str;

    /// The error of this kind, for the database.
    fn fail(&self, op: &str, kind: StoreErrorKind) -> StoreError;

    /// What is there of the control tables, in the order of [`CONTROL_TABLES`].
    ///
    /// # Errors
    /// The database cannot be read.
    fn found(&mut self, op: &str) -> Result<[Option<Found>; 4], StoreError>;

    /// Makes all control tables.
    ///
    /// # Errors
    /// The database cannot be written to.
    fn create(&mut self) -> Result<(), StoreError>;

    /// Runs a query; `sink` gets the values of each line. A text that it returns is given back with the number of the line.
    ///
    /// # Errors
    /// The database cannot be read.
    fn select(
        &mut self,
        op: &str,
        sql: &str,
        parameters: &[OwnedValue],
        sink: &mut dyn FnMut(&[Value<'_>]) -> Result<(), String>,
    ) -> Result<Result<(), String>, StoreError>;

    /// Runs a statement; how many lines it changed.
    ///
    /// # Errors
    /// The database cannot be written to.
    fn execute(&mut self, sql: &str, parameters: &[OwnedValue]) -> Result<u64, StoreError>;

    /// The state; the default where none was set.
    fn state(&mut self) -> Result<State, StoreError> {
        let mut state = State::default();
        if !self.is_there(READ)? {
            return Ok(state);
        }
        if let Some(word) = self.setting(READ, "collection")? {
            state.collection = Collection::of_word(&word).ok_or_else(|| self.odd_setting("collection", &word))?;
        }
        if let Some(word) = self.setting(READ, "mode")? {
            state.mode = Mode::of_word(&word).ok_or_else(|| self.odd_setting("mode", &word))?;
        }
        Ok(state)
    }

    /// All runs, by number.
    fn runs(&mut self) -> Result<Vec<Run>, StoreError> {
        self.lines(RUNS, "ORDER BY number", &[], |line| {
            let number = line.count(0)?;
            Ok(Run {
                number: if number == 0 { return Err(line.odd(0, "runs are numbered from 1")) } else { number },
                status: line.word(1, RunStatus::of_word)?,
                begun_unix: line.utc(2)?.ok_or_else(|| line.odd(2, "no time"))?,
                ended_unix: line.utc(3)?,
                set: line.id(4)?,
                label: line.text(5)?,
                undo: match (line.is_null(6)?, line.is_null(7)?) {
                    (true, true) => None,
                    _ => Some(UndoPlace { set: line.id(6)?, place: line.text(7)? }),
                },
                options: line.text(8)?,
            })
        })
    }

    /// The units of a run, by number.
    fn units(&mut self, run: u64) -> Result<Vec<Unit>, StoreError> {
        let Ok(run) = i64::try_from(run) else { return Ok(Vec::new()) };
        self.lines(UNITS, "WHERE run = ?1 ORDER BY number", &[whole(run)], |line| {
            let totals = |at: usize| {
                let digest = line.id(at.saturating_add(1))?;
                Ok::<Totals, String>(Totals { rows: line.count(at)?, digest })
            };
            Ok(Unit {
                run: line.count(0)?,
                number: line.small(1)?,
                status: line.word(2, UnitStatus::of_word)?,
                table: line.text(3)?,
                slice: line.span(4, 5)?,
                deleted: line.count(6)?,
                inserted: totals(7)?,
                saved: totals(9)?,
                after: totals(11)?,
                keys: keys(line)?,
            })
        })
    }

    /// The ranges of all applied units, in the order in which they were applied.
    fn ranges(&mut self) -> Result<Vec<Range>, StoreError> {
        self.lines(RANGES, "ORDER BY number", &[], |line| {
            Ok(Range {
                run: line.count(1)?,
                unit: line.small(2)?,
                table: line.text(3)?,
                acd: if line.is_null(4)? { None } else { Some(line.integer(4)?) },
                kind: line.word(5, RangeKind::of_word)?,
                span: line.span(6, 7)?,
                set: line.id(8)?,
                chain: line.id(9)?,
                sequence: line.small(10)?,
            })
        })
    }

    /// Makes the control tables if they are not there.
    fn make(&mut self) -> Result<(), StoreError> {
        if self.is_there(WRITE)? {
            return Ok(());
        }
        self.create()?;
        self.set("version", &CONTROL_VERSION.to_string())
    }

    /// Sets the state.
    fn set_state(&mut self, state: &State) -> Result<(), StoreError> {
        self.set("collection", state.collection.word())?;
        self.set("mode", state.mode.word())
    }

    /// Writes a run and its planned units; returns the run's number.
    fn begin_run(&mut self, run: &Run, units: &[Unit]) -> Result<u64, StoreError> {
        let number = self.next_number()?;
        let undo = run.undo.as_ref();
        let values = [
            whole(number),
            text(RunStatus::Begun.word()),
            text(civil(Instant(run.begun_unix))),
            OwnedValue::Null,
            text(hex(&run.set)),
            text(self.bounded("label", &run.label)?),
            maybe(undo.map(|undo| hex(&undo.set))),
            maybe(undo.map(|undo| self.bounded("undo place", &undo.place)).transpose()?),
            text(self.bounded("options", &run.options)?),
        ];
        self.put(RUNS, &values)?;
        for unit in units {
            let (start, stop) = sides(unit.slice);
            let values = [
                whole(number),
                whole(unit.number.into()),
                text(UnitStatus::Planned.word()),
                text(self.bounded("table", &unit.table)?),
                maybe(start),
                maybe(stop),
                self.count(unit.deleted)?,
                self.count(unit.inserted.rows)?,
                text(hex(&unit.inserted.digest)),
                self.count(unit.saved.rows)?,
                text(hex(&unit.saved.digest)),
                self.count(unit.after.rows)?,
                text(hex(&unit.after.digest)),
                OwnedValue::Blob(KeyRuns::default().to_bytes()),
            ];
            self.put(UNITS, &values)?;
        }
        Ok(number.cast_unsigned())
    }

    /// The number of the next run. It also lies above the numbers of lines whose run somebody took away: they must not become
    /// lines of this one.
    fn next_number(&mut self) -> Result<i64, StoreError> {
        let mut last = 0;
        for (table, column) in [(RUNS, "number"), (UNITS, "run"), (RANGES, "run")] {
            let sql = format!("SELECT coalesce(max({column}), 0) FROM {table}");
            let found = self.read(WRITE, table, &sql, &["number"], &[], |line| line.integer(0))?;
            last = found.into_iter().fold(last, i64::max);
        }
        last.checked_add(1)
            .ok_or_else(|| self.altered(WRITE, &format!("{RUNS}: run {last} leaves no number for the next")))
    }

    /// Writes down that a unit was applied; false if its line is not there as planned, or its run has ended.
    fn unit_applied(&mut self, unit: &Unit, ranges: &[Range]) -> Result<bool, StoreError> {
        let sql =
            "UPDATE intervault_unit SET status = ?1, deleted = ?2, inserted = ?3, inserted_digest = ?4, saved = ?5,
                     saved_digest = ?6, after = ?7, after_digest = ?8, keys = ?9
                   WHERE run = ?10 AND number = ?11 AND status = ?12 AND table_name = ?13
                     AND start IS NOT DISTINCT FROM ?14 AND stop IS NOT DISTINCT FROM ?15
                     AND (SELECT status FROM intervault_restore WHERE number = ?10) = ?16";
        let (start, stop) = sides(unit.slice);
        let keys = unit.keys.to_bytes();
        if keys.len() > Line::KEYS_BYTES_MAX {
            let text =
                format!("the row keys of unit {} take {} bytes: cut it into smaller ones", unit.number, keys.len());
            return Err(self.fail(WRITE, StoreErrorKind::Unsupported(text)));
        }
        let values = [
            text(UnitStatus::Applied.word()),
            self.count(unit.deleted)?,
            self.count(unit.inserted.rows)?,
            text(hex(&unit.inserted.digest)),
            self.count(unit.saved.rows)?,
            text(hex(&unit.saved.digest)),
            self.count(unit.after.rows)?,
            text(hex(&unit.after.digest)),
            OwnedValue::Blob(keys),
            self.count(unit.run)?,
            whole(unit.number.into()),
            text(UnitStatus::Planned.word()),
            text(&*unit.table),
            maybe(start),
            maybe(stop),
            text(RunStatus::Begun.word()),
        ];
        if self.execute(sql, &values)? == 0 {
            return Ok(false);
        }
        for range in ranges {
            let (start, stop) = sides(range.span);
            let values = [
                self.count(unit.run)?,
                whole(unit.number.into()),
                text(self.bounded("table", &range.table)?),
                range.acd.map_or(OwnedValue::Null, OwnedValue::Integer),
                text(range.kind.word()),
                maybe(start),
                maybe(stop),
                text(hex(&range.set)),
                text(hex(&range.chain)),
                whole(range.sequence.into()),
            ];
            self.put(RANGES, &values)?;
        }
        Ok(true)
    }

    /// Takes back an applied unit and its ranges; false if there is none.
    fn unit_undone(&mut self, run: u64, unit: u32) -> Result<bool, StoreError> {
        let one = [self.count(run)?, whole(unit.into()), text(UnitStatus::Applied.word())];
        let again =
            "UPDATE intervault_unit SET status = ?4, inserted_digest = ?5, after = 0, after_digest = ?5, keys = ?6
                     WHERE run = ?1 AND number = ?2 AND status = ?3
                       AND (SELECT status FROM intervault_restore WHERE number = ?1) = ?7";
        let planned_again = [
            text(UnitStatus::Planned.word()),
            text(hex(&[0; 16])),
            OwnedValue::Blob(KeyRuns::default().to_bytes()),
            text(RunStatus::Begun.word()),
        ];
        if self.execute(again, &[one.as_slice(), &planned_again].concat())? == 0 {
            let sql = "DELETE FROM intervault_unit WHERE run = ?1 AND number = ?2 AND status = ?3";
            if self.execute(sql, &one)? == 0 {
                return Ok(false);
            }
        }
        let [run, unit, _] = one;
        self.execute("DELETE FROM intervault_range WHERE run = ?1 AND unit = ?2", &[run, unit])?;
        Ok(true)
    }

    /// Keys of the rows of a table that applied units of runs before `run` have inserted, unit by unit: run, number, keys. A run
    /// beyond all numbers stands for all of them.
    fn keys_before(&mut self, run: u64, table: &str) -> Result<Vec<(i64, i64, KeyRuns)>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {UNITS} WHERE run < ?1 AND status = ?2 AND lower(table_name) = lower(?3)",
            names(UNITS).join(", ")
        );
        let run = whole(i64::try_from(run).unwrap_or(i64::MAX));
        let values = [run, text(UnitStatus::Applied.word()), text(table)];
        self.read(WRITE, UNITS, &sql, &names(UNITS), &values, |line| {
            Ok((line.integer(0)?, line.integer(1)?, keys(line)?))
        })
    }

    /// All keys of rows of a table that lines of applied units name.
    #[cfg(feature = "postgres")]
    fn keys_named(&mut self, table: &str) -> Result<KeyRuns, StoreError> {
        let mut named = KeyRuns::default();
        if self.is_there(READ)? {
            self.keys_before(u64::MAX, table)?.iter().for_each(|(.., keys)| named.add(keys));
        }
        Ok(named)
    }

    /// Rows of a table have other keys now: applied units of runs before `run` name them by these.
    fn rename(&mut self, run: u64, table: &str, moved: &BTreeMap<i64, i64>) -> Result<(), StoreError> {
        for (run, unit, keys) in self.keys_before(run, table)? {
            if let Some(keys) = keys.renamed(moved) {
                let sql = "UPDATE intervault_unit SET keys = ?3 WHERE run = ?1 AND number = ?2";
                self.execute(sql, &[whole(run), whole(unit), OwnedValue::Blob(keys.to_bytes())])?;
            }
        }
        Ok(())
    }

    /// Writes down what became of a run; false if there is none of that number.
    fn end_run(&mut self, run: u64, status: RunStatus, ended_unix: Option<i64>) -> Result<bool, StoreError> {
        let sql = "UPDATE intervault_restore SET status = ?1, ended_utc = ?2 WHERE number = ?3";
        let ended = ended_unix.map(|ended| civil(Instant(ended)));
        let values = [text(status.word()), maybe(ended), self.count(run)?];
        Ok(self.execute(sql, &values)? > 0)
    }

    /// Whether the control tables are there: all of them, as this version has them, or none.
    fn is_there(&mut self, op: &str) -> Result<bool, StoreError> {
        let all = self.found(op)?;
        if all.iter().all(Option::is_none) {
            return Ok(false);
        }
        for (table, found) in CONTROL_TABLES.into_iter().zip(all) {
            let Some(Found { name, kind, trigger, columns }) = found else {
                return Err(self.altered(op, &format!("there is no table {table} beside the others")));
            };
            if kind != "table" {
                return Err(self.altered(op, &format!("{name} is a {kind}")));
            }
            if let Some(trigger) = trigger {
                return Err(self.altered(op, &format!("{table} has a rule or trigger, {trigger}")));
            }
            let wanted = names(table);
            if table == STATE && columns == wanted {
                self.known_version(op)?;
            }
            if columns != wanted {
                let text = format!("the columns of {table} are {}, not {}", columns.join(", "), wanted.join(", "));
                return Err(self.altered(op, &text));
            }
        }
        Ok(true)
    }

    /// Refuses control tables of a newer version, before their columns are looked at.
    fn known_version(&mut self, op: &str) -> Result<(), StoreError> {
        let said = self.setting(op, "version")?;
        match said.as_deref().map(str::parse::<u32>) {
            Some(Ok(1..=CONTROL_VERSION)) => Ok(()),
            Some(Ok(version)) if version > CONTROL_VERSION => {
                let text = format!(
                    "its control tables ({} and others) are of version {version}, and this program knows them up to version \
                     {CONTROL_VERSION}: use the newer intervault that wrote them",
                    spelled::<Self>(STATE)
                );
                Err(self.fail(op, StoreErrorKind::Unsupported(text)))
            }
            _ => Err(self.altered(op, &format!("{STATE} says no version"))),
        }
    }

    /// A line of the state.
    fn setting(&mut self, op: &str, name: &str) -> Result<Option<String>, StoreError> {
        let sql = format!("SELECT name, value FROM {STATE} WHERE name = ?1");
        let values = self.read(op, STATE, &sql, &names(STATE), &[text(name)], |line| line.text(1))?;
        Ok(values.into_iter().next())
    }

    /// Sets a line of the state.
    fn set(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO intervault_state(name, value) VALUES (?1, ?2)
                   ON CONFLICT(name) DO UPDATE SET value = excluded.value";
        self.execute(sql, &[text(name), text(value)])?;
        Ok(())
    }

    /// Reads lines of a table; none where the control tables are not there.
    fn lines<T>(
        &mut self,
        table: &str,
        rest: &str,
        parameters: &[OwnedValue],
        read: impl Fn(&Line<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        if !self.is_there(READ)? {
            return Ok(Vec::new());
        }
        let names = names(table);
        let sql = format!("SELECT {} FROM {table} {rest}", names.join(", "));
        self.read(READ, table, &sql, &names, parameters, read)
    }

    /// Reads the lines of a query whose columns have these names.
    fn read<T>(
        &mut self,
        op: &str,
        table: &str,
        sql: &str,
        names: &[&str],
        parameters: &[OwnedValue],
        read: impl Fn(&Line<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        let mut lines = Vec::new();
        let odd = self.select(op, sql, parameters, &mut |values| {
            lines.push(read(&Line { values, names })?);
            Ok(())
        })?;
        let number = lines.len().saturating_add(1);
        odd.map_err(|text| self.altered(op, &format!("{table}, line {number}, {text}")))?;
        Ok(lines)
    }

    /// Adds a line with these values; the lines of [`RANGES`] get their numbers by themselves.
    fn put(&mut self, table: &str, values: &[OwnedValue]) -> Result<(), StoreError> {
        let names = names(table);
        let own = names.get(usize::from(table == RANGES)..).unwrap_or_default();
        let marks: Vec<String> = (1..=values.len()).map(|number| format!("?{number}")).collect();
        let sql = format!("INSERT INTO {table}({}) VALUES ({})", own.join(", "), marks.join(", "));
        self.execute(&sql, values)?;
        Ok(())
    }

    /// A number that is not negative, as it is written.
    fn count(&self, number: u64) -> Result<OwnedValue, StoreError> {
        i64::try_from(number).map(OwnedValue::Integer).map_err(|_| {
            let text = format!("the number {number} is larger than a database can hold");
            self.fail(WRITE, StoreErrorKind::Unsupported(text))
        })
    }

    /// A text, unless it is longer than what is read again.
    fn bounded(&self, what: &str, text: &str) -> Result<String, StoreError> {
        if text.len() <= Line::TEXT_BYTES_MAX {
            return Ok(text.to_owned());
        }
        let text = format!("the {what} takes {} bytes, {} are the most", text.len(), Line::TEXT_BYTES_MAX);
        Err(self.fail(WRITE, StoreErrorKind::Unsupported(text)))
    }

    /// A word of the state that stands for nothing.
    fn odd_setting(&self, name: &str, word: &str) -> StoreError {
        self.altered(READ, &format!("{STATE}: {name} is {word:?}, which means nothing"))
    }

    /// The control tables are not as they should be.
    fn altered(&self, op: &str, what: &str) -> StoreError {
        let what = spelled::<Self>(what);
        let text = format!("the control tables are not as intervault writes them: {what}; {}", Self::ADVICE);
        self.fail(op, StoreErrorKind::Unsupported(text))
    }
}

/// A statement or a text with the names of the control tables as they are here.
pub(super) fn spelled<L: Ledger + ?Sized>(text: &str) -> String {
    text.replace("intervault_", L::PREFIX)
}

/// The names of the columns of a control table.
pub(super) fn names(table: &str) -> Vec<&'static str> {
    let at = CONTROL_TABLES.iter().position(|name| *name == table);
    let columns = at.and_then(|at| COLUMNS.get(at)).copied().unwrap_or_default();
    columns.iter().filter_map(|column| column.split(' ').next()).collect()
}

fn keys(line: &Line<'_>) -> Result<KeyRuns, String> {
    KeyRuns::from_bytes(&line.blob(13)?).map_err(|error| line.odd(13, &error.to_string()))
}

const fn whole(number: i64) -> OwnedValue {
    OwnedValue::Integer(number)
}

fn text(text: impl Into<String>) -> OwnedValue {
    OwnedValue::Text(text.into().into_bytes())
}

fn maybe(value: Option<String>) -> OwnedValue {
    value.map_or(OwnedValue::Null, text)
}
