//! The control tables in SQLite: the state of the database and the restore journal.
//!
//! They are ordinary tables that any SQLite can read, kept so that a person can read them too: words for what became of
//! something, civil times, ids and digests in hex. An open side of a span is null. All are made together, in the
//! transaction that first writes to one of them.
//!
//! What is read from them may have been altered by anybody. A line that is not as the engine writes it is an error that
//! names it; nothing is guessed, as rows are deleted by what these lines say.

use rusqlite::{Params, params};
use std::collections::BTreeMap;

use super::fault::Site;
use super::line::{Line, civil, hex, sides};
use super::reader::Reader;
use super::shape;
use crate::base::time::Instant;
use crate::store::control::{
    CONTROL_TABLES, CONTROL_VERSION, Collection, KeyRuns, Mode, Range, RangeKind, Run, RunStatus, State, Totals,
    UndoPlace, Unit, UnitStatus,
};
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::name::quoted;

const READ: &str = "read the restore journal";
const WRITE: &str = "write the restore journal";
const STATE: &str = CONTROL_TABLES[0];
const RUNS: &str = CONTROL_TABLES[1];
const UNITS: &str = CONTROL_TABLES[2];
const RANGES: &str = CONTROL_TABLES[3];
const ADVICE: &str = "put back what was altered, or, if no restore is to be resumed or undone, drop the tables \
                      intervault_state, intervault_restore, intervault_unit and intervault_range";

/// Columns of each control table, as they are declared. `keys` is a list of row number runs in compact bytes.
const COLUMNS: [&[&str]; 4] = [
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
/// What follows the columns: a unit has one line, and the ranges of a unit are found without a walk.
const AFTER: &str = "CREATE UNIQUE INDEX main.intervault_unit_number ON intervault_unit(run, number);
                     CREATE INDEX main.intervault_range_unit ON intervault_range(run, unit);";

/// The control tables, seen through one connection.
pub(super) struct Control<'a> {
    /// The connection; it has a transaction.
    pub(super) reader: &'a Reader,
    /// The database.
    pub(super) site: Site<'a>,
}

impl Control<'_> {
    /// The state; the default where none was set.
    pub(super) fn state(&self) -> Result<State, StoreError> {
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
    pub(super) fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.lines(RUNS, "ORDER BY number", [], |line| {
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
    pub(super) fn units(&self, run: u64) -> Result<Vec<Unit>, StoreError> {
        let Ok(run) = i64::try_from(run) else { return Ok(Vec::new()) };
        self.lines(UNITS, "WHERE run = ?1 ORDER BY number", [run], |line| {
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
                keys: KeyRuns::from_bytes(&line.blob(13)?).map_err(|error| line.odd(13, &error.to_string()))?,
            })
        })
    }

    /// The ranges of all applied units, in the order in which they were applied.
    pub(super) fn ranges(&self) -> Result<Vec<Range>, StoreError> {
        self.lines(RANGES, "ORDER BY number", [], |line| {
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
    pub(super) fn make(&self) -> Result<(), StoreError> {
        if self.is_there(WRITE)? {
            return Ok(());
        }
        let mut sql = String::new();
        for (table, columns) in CONTROL_TABLES.iter().zip(COLUMNS) {
            sql.push_str(&format!("CREATE TABLE main.{table}(\n  {}\n);\n", columns.join(",\n  ")));
        }
        sql.push_str(AFTER);
        self.reader.connection.execute_batch(&sql).map_err(self.site.during(WRITE))?;
        self.set("version", &CONTROL_VERSION.to_string())
    }

    /// Sets the state.
    pub(super) fn set_state(&self, state: &State) -> Result<(), StoreError> {
        self.set("collection", state.collection.word())?;
        self.set("mode", state.mode.word())
    }

    /// Writes a run and its planned units; returns the run's number.
    pub(super) fn begin_run(&self, run: &Run, units: &[Unit]) -> Result<u64, StoreError> {
        // Also above the numbers of lines whose run somebody took away: they must not become lines of this one.
        let sql = "SELECT max(coalesce((SELECT max(number) FROM main.intervault_restore), 0),
                              coalesce((SELECT max(run) FROM main.intervault_unit), 0),
                              coalesce((SELECT max(run) FROM main.intervault_range), 0))";
        let last: i64 = self.reader.connection.query_row(sql, [], |row| row.get(0)).map_err(self.site.during(WRITE))?;
        let Some(number) = last.max(0).checked_add(1) else {
            return Err(self.altered(WRITE, &format!("{RUNS}: run {last} leaves no number for the next")));
        };
        let undo = run.undo.as_ref();
        self.put(
            RUNS,
            params![
                number,
                RunStatus::Begun.word(),
                civil(Instant(run.begun_unix)),
                None::<String>,
                hex(&run.set),
                self.bounded("label", &run.label)?,
                undo.map(|undo| hex(&undo.set)),
                undo.map(|undo| self.bounded("undo place", &undo.place)).transpose()?,
                self.bounded("options", &run.options)?,
            ],
        )?;
        let no_keys = KeyRuns::default().to_bytes();
        for unit in units {
            let (start, stop) = sides(unit.slice);
            let table = self.bounded("table", &unit.table)?;
            let planned = UnitStatus::Planned.word();
            let counts = [unit.deleted, unit.inserted.rows, unit.saved.rows, unit.after.rows];
            let [deleted, inserted, saved, after] = counts.map(|rows| self.whole(rows));
            let digests = [unit.inserted, unit.saved, unit.after].map(|totals| hex(&totals.digest));
            let values = params![
                number,
                unit.number,
                planned,
                table,
                start,
                stop,
                deleted?,
                inserted?,
                digests[0],
                saved?,
                digests[1],
                after?,
                digests[2],
                no_keys,
            ];
            self.put(UNITS, values)?;
        }
        Ok(number.cast_unsigned())
    }

    /// Writes down that a unit was applied; false if its line is not there as planned.
    pub(super) fn unit_applied(&self, unit: &Unit, ranges: &[Range]) -> Result<bool, StoreError> {
        let sql = "UPDATE main.intervault_unit SET status = ?1, deleted = ?2, inserted = ?3, inserted_digest = ?4, saved = ?5,
                     saved_digest = ?6, after = ?7, after_digest = ?8, keys = ?9
                   WHERE run = ?10 AND number = ?11 AND status = ?12 AND table_name = ?13 AND start IS ?14 AND stop IS ?15";
        let (start, stop) = sides(unit.slice);
        let keys = unit.keys.to_bytes();
        if keys.len() > Line::KEYS_BYTES_MAX {
            let text =
                format!("the row numbers of unit {} take {} bytes: cut it into smaller ones", unit.number, keys.len());
            return Err(self.site.fail(WRITE, StoreErrorKind::Unsupported(text)));
        }
        let values = params![
            UnitStatus::Applied.word(),
            self.whole(unit.deleted)?,
            self.whole(unit.inserted.rows)?,
            hex(&unit.inserted.digest),
            self.whole(unit.saved.rows)?,
            hex(&unit.saved.digest),
            self.whole(unit.after.rows)?,
            hex(&unit.after.digest),
            keys,
            self.whole(unit.run)?,
            unit.number,
            UnitStatus::Planned.word(),
            unit.table,
            start,
            stop,
        ];
        if self.execute(sql, values)? == 0 {
            return Ok(false);
        }
        for range in ranges {
            let (start, stop) = sides(range.span);
            self.put(
                RANGES,
                params![
                    None::<i64>,
                    self.whole(unit.run)?,
                    unit.number,
                    self.bounded("table", &range.table)?,
                    range.acd,
                    range.kind.word(),
                    start,
                    stop,
                    hex(&range.set),
                    hex(&range.chain),
                    range.sequence,
                ],
            )?;
        }
        Ok(true)
    }

    /// Takes back an applied unit and its ranges; false if there is none.
    pub(super) fn unit_undone(&self, run: u64, unit: u32) -> Result<bool, StoreError> {
        let run = self.whole(run)?;
        let applied = UnitStatus::Applied.word();
        let again =
            "UPDATE main.intervault_unit SET status = ?4, inserted_digest = ?5, after = 0, after_digest = ?5, keys = ?6
                     WHERE run = ?1 AND number = ?2 AND status = ?3
                       AND (SELECT status FROM main.intervault_restore WHERE number = ?1) = ?7";
        let (planned, begun) = (UnitStatus::Planned.word(), RunStatus::Begun.word());
        let no_keys = KeyRuns::default().to_bytes();
        let planned_again = params![run, unit, applied, planned, hex(&[0; 16]), no_keys, begun];
        if self.execute(again, planned_again)? == 0 {
            let sql = "DELETE FROM main.intervault_unit WHERE run = ?1 AND number = ?2 AND status = ?3";
            if self.execute(sql, params![run, unit, applied])? == 0 {
                return Ok(false);
            }
        }
        self.execute("DELETE FROM main.intervault_range WHERE run = ?1 AND unit = ?2", params![run, unit])?;
        Ok(true)
    }

    /// Rows of a table have other keys now: applied units of runs before `run` name them by these.
    pub(super) fn rename(&self, run: u64, table: &str, moved: &BTreeMap<i64, i64>) -> Result<(), StoreError> {
        let before = "WHERE run < ?1 AND status = ?2 AND table_name = ?3 COLLATE NOCASE";
        let values = params![self.whole(run)?, UnitStatus::Applied.word(), table];
        let lines = self.select(WRITE, UNITS, before, values, |line| {
            let keys = KeyRuns::from_bytes(&line.blob(13)?).map_err(|error| line.odd(13, &error.to_string()))?;
            Ok((line.integer(0)?, line.integer(1)?, keys))
        })?;
        for (run, unit, keys) in lines {
            if let Some(keys) = keys.renamed(moved) {
                let sql = "UPDATE main.intervault_unit SET keys = ?3 WHERE run = ?1 AND number = ?2";
                self.execute(sql, params![run, unit, keys.to_bytes()])?;
            }
        }
        Ok(())
    }

    /// Writes down what became of a run; false if there is none of that number.
    pub(super) fn end_run(&self, run: u64, status: RunStatus, ended_unix: Option<i64>) -> Result<bool, StoreError> {
        let sql = "UPDATE main.intervault_restore SET status = ?1, ended_utc = ?2 WHERE number = ?3";
        let ended = ended_unix.map(|ended| civil(Instant(ended)));
        Ok(self.execute(sql, params![status.word(), ended, self.whole(run)?])? > 0)
    }

    /// Whether the control tables are there: all of them, as this version has them, or none.
    fn is_there(&self, op: &str) -> Result<bool, StoreError> {
        let listing = self.reader.listing().map_err(self.site.during(op))?;
        let found = CONTROL_TABLES.map(|table| listing.control(table));
        if found.iter().all(Option::is_none) {
            return Ok(false);
        }
        for ((table, columns), found) in CONTROL_TABLES.into_iter().zip(COLUMNS).zip(&found) {
            let Some((name, kind)) = found else {
                return Err(self.altered(op, &format!("there is no table {table} beside the others")));
            };
            if *kind != "table" {
                return Err(self.altered(op, &format!("{name} is a {kind}")));
            }
            let triggers = listing.triggers(&self.reader.connection, table).map_err(self.site.during(op))?;
            if let Some(trigger) = triggers.first() {
                return Err(self.altered(op, &format!("{table} has a trigger, {trigger}")));
            }
            let names = shape::column_names(&self.reader.connection, name).map_err(self.site.during(op))?;
            let wanted: Vec<&str> = columns.iter().filter_map(|column| column.split(' ').next()).collect();
            if table == STATE && names == wanted {
                self.known_version(op)?;
            }
            if names != wanted {
                let text = format!("the columns of {table} are {}, not {}", names.join(", "), wanted.join(", "));
                return Err(self.altered(op, &text));
            }
        }
        Ok(true)
    }

    /// Refuses control tables of a newer version, before their columns are looked at.
    fn known_version(&self, op: &str) -> Result<(), StoreError> {
        let text = self.setting(op, "version")?;
        match text.as_deref().map(str::parse::<u32>) {
            Some(Ok(1..=CONTROL_VERSION)) => Ok(()),
            Some(Ok(version)) if version > CONTROL_VERSION => {
                let text = format!(
                    "its control tables (intervault_state and others) are of version {version}, and this program knows them up \
                     to version {CONTROL_VERSION}: use the newer intervault that wrote them"
                );
                Err(self.site.fail(op, StoreErrorKind::Unsupported(text)))
            }
            _ => Err(self.altered(op, &format!("{STATE} says no version"))),
        }
    }

    fn setting(&self, op: &str, name: &str) -> Result<Option<String>, StoreError> {
        let values = self.select(op, STATE, "WHERE name = ?1", [name], |line| line.text(1))?;
        Ok(values.into_iter().next())
    }

    fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute("INSERT OR REPLACE INTO main.intervault_state(name, value) VALUES (?1, ?2)", [name, value])?;
        Ok(())
    }

    /// Reads lines of a table; none where the control tables are not there.
    fn lines<T>(
        &self,
        table: &str,
        rest: &str,
        parameters: impl Params,
        read: impl Fn(&Line<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        if self.is_there(READ)? { self.select(READ, table, rest, parameters, read) } else { Ok(Vec::new()) }
    }

    fn select<T>(
        &self,
        op: &str,
        table: &str,
        rest: &str,
        parameters: impl Params,
        read: impl Fn(&Line<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        let failed = self.site.during(op);
        let sql = format!("SELECT * FROM main.{} {rest}", quoted(table));
        let mut statement = self.reader.connection.prepare_cached(&sql).map_err(&failed)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(parameters).map_err(&failed)?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let line = Line { row, names: &names };
            let number = lines.len().saturating_add(1);
            lines.push(read(&line).map_err(|text| self.altered(op, &format!("{table}, line {number}, {text}")))?);
        }
        Ok(lines)
    }

    fn put(&self, table: &str, values: impl Params) -> Result<(), StoreError> {
        let width =
            CONTROL_TABLES.iter().position(|name| *name == table).and_then(|at| COLUMNS.get(at)).map_or(0, |c| c.len());
        let sql = format!("INSERT OR ABORT INTO main.{table} VALUES ({})", vec!["?"; width].join(","));
        self.execute(&sql, values)?;
        Ok(())
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        let failed = self.site.during(WRITE);
        self.reader.connection.prepare_cached(sql).map_err(&failed)?.execute(values).map_err(&failed)
    }

    fn whole(&self, number: u64) -> Result<i64, StoreError> {
        i64::try_from(number).map_err(|_| {
            let text = format!("the number {number} is larger than a database can hold");
            self.site.fail(WRITE, StoreErrorKind::Unsupported(text))
        })
    }

    fn bounded<'t>(&self, what: &str, text: &'t str) -> Result<&'t str, StoreError> {
        if text.len() <= Line::TEXT_BYTES_MAX {
            return Ok(text);
        }
        let text = format!("the {what} takes {} bytes, {} are the most", text.len(), Line::TEXT_BYTES_MAX);
        Err(self.site.fail(WRITE, StoreErrorKind::Unsupported(text)))
    }

    fn odd_setting(&self, name: &str, word: &str) -> StoreError {
        self.altered(READ, &format!("{STATE}: {name} is {word:?}, which means nothing"))
    }

    fn altered(&self, op: &str, what: &str) -> StoreError {
        let text = format!("the control tables are not as intervault writes them: {what}; {ADVICE}");
        self.site.fail(op, StoreErrorKind::Unsupported(text))
    }
}
