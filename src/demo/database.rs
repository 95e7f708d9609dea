//! The demonstration database as a whole: interval tables, what they roll up to, events, administration.

use super::admin;
use super::agents::{AGENT_DAYS, Agent, LOGIN_COLUMNS, Work, agent_measures, agent_rows, agents, login_row};
use super::bank_calls::{Count, counts};
use super::calls::{CALL_COLUMNS, CALL_DAYS, call_rows};
use super::error::DemoError;
use super::measure::Measure;
use super::splits::{INTERVAL, SPLITS, Slot, Trunks, slots, split_measures, trunk_measures, vdn_measures};
use super::table::{Cell, Column, Filling, date, hhmm, run};
use crate::base::time::Day;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A demonstration database that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The file.
    pub path: PathBuf,
    /// Its tables, by name.
    pub tables: Vec<BuiltTable>,
    /// First and last day of the call data, days since 1970-01-01.
    pub days: (Day, Day),
}

impl Built {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// A table of a demonstration database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltTable {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// Builds the demonstration database in a new SQLite file, in WAL mode. Equal in every row each time.
///
/// # Errors
/// The file exists already, or cannot be created or filled; a file that was begun is removed.
///
/// ```no_run
/// let built = intervault::demo::build("/tmp/demo.db".as_ref())?;
/// assert!(built.tables.iter().any(|table| table.name == "hsplit"));
/// # Ok::<(), intervault::demo::DemoError>(())
/// ```
pub fn build(path: &Path) -> Result<Built, DemoError> {
    std::fs::File::create_new(path).map(drop).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => DemoError::Exists(path.to_owned()),
        _ => DemoError::Create { path: path.to_owned(), source },
    })?;
    let built = fill(path);
    if built.is_err() {
        // The error that led here matters more than one of removing what is left.
        drop(std::fs::remove_file(path));
    }
    built
}

fn fill(path: &Path) -> Result<Built, DemoError> {
    let connection = Connection::open(path)
        .map_err(|source| DemoError::Sqlite { what: format!("open {}", path.display()), source })?;
    run(&connection, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", "the database")?;
    let real = counts()?;
    let slots = slots(&real);
    let agents = agents();
    intervals(&connection, &slots)?;
    trunk_groups(&connection, &slots)?;
    agent_intervals(&connection, &slots, &agents, &last_days(&real, AGENT_DAYS))?;
    roll_up(&connection, "split", &[("split", "SMALLINT")], &split_measures(&Slot::default()))?;
    roll_up(&connection, "vdn", VDN_KEYS, &vdn_measures(&Slot::default()))?;
    roll_up(&connection, "tkgrp", &[("tkgrp", "SMALLINT")], &trunk_measures(&Trunks::default()))?;
    roll_up(&connection, "agent", AGENT_KEYS, &agent_measures(&Work::NONE))?;
    logins(&connection, &agents, &last_days(&real, AGENT_DAYS))?;
    call_records(&connection, &real, &agents)?;
    period_seconds(&connection)?;
    for table in admin::tables(&agents) {
        let mut filling = Filling::create(&connection, table.name, table.columns)?;
        for row in &table.rows {
            filling.insert(row)?;
        }
    }
    indexes(&connection)?;
    run(&connection, "COMMIT; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", "the database")?;
    let days = (real.first().map_or(0, |each| each.day), real.last().map_or(0, |each| each.day));
    Ok(Built { path: path.to_owned(), tables: tables_of(&connection)?, days })
}

const VDN_KEYS: &[Column] = &[("vdn", "CHAR(7)"), ("vector", "SMALLINT")];
const AGENT_KEYS: &[Column] = &[
    ("split", "SMALLINT"),
    ("extension", "CHAR(6)"),
    ("logid", "CHAR(10)"),
    ("loc_id", "SMALLINT"),
    ("rsv_level", "SMALLINT"),
];
/// Columns that begin every interval table.
const WHEN: &[Column] = &[("row_date", "DATE"), ("starttime", "SMALLINT"), ("intrvl", "SMALLINT"), ("acd", "SMALLINT")];

fn last_days(real: &[Count], count: usize) -> BTreeSet<Day> {
    let days: BTreeSet<Day> = real.iter().map(|each| each.day).collect();
    days.into_iter().rev().take(count).collect()
}

fn interval_columns(keys: &[Column], measures: &[Measure]) -> Vec<Column> {
    let measured = measures.iter().map(|measure| (measure.name, measure.kind.interval_type()));
    WHEN.iter().chain(keys).copied().chain(measured).collect()
}

/// The cells of [`WHEN`].
fn when(day: Day, minute: i64, acd: i64) -> Vec<Cell> {
    vec![date(day), hhmm(minute).into(), INTERVAL.into(), acd.into()]
}

fn values(measures: &[Measure]) -> impl Iterator<Item = Cell> + '_ {
    measures.iter().map(|measure| Cell::Int(measure.value))
}

/// `hsplit` and `hvdn`.
fn intervals(connection: &Connection, slots: &[Slot]) -> Result<(), DemoError> {
    let (no_split, no_vdn) = (split_measures(&Slot::default()), vdn_measures(&Slot::default()));
    let mut splits = Filling::create(connection, "hsplit", &interval_columns(&[("split", "SMALLINT")], &no_split))?;
    let mut vdns = Filling::create(connection, "hvdn", &interval_columns(VDN_KEYS, &no_vdn))?;
    for slot in slots {
        let split = &SPLITS[slot.split];
        let mut row = when(slot.day, slot.minute, split.acd);
        row.push(split.number.into());
        row.extend(values(&split_measures(slot)));
        splits.insert(&row)?;
        let mut row = when(slot.day, slot.minute, split.acd);
        row.extend([split.vdn().to_string().into(), split.vector().into()]);
        row.extend(values(&vdn_measures(slot)));
        vdns.insert(&row)?;
    }
    Ok(())
}

/// `htkgrp`: the calls of an ACD come in over two trunk groups.
fn trunk_groups(connection: &Connection, slots: &[Slot]) -> Result<(), DemoError> {
    let keys: &[Column] = &[("tkgrp", "SMALLINT")];
    let columns = interval_columns(keys, &trunk_measures(&Trunks::default()));
    let mut table = Filling::create(connection, "htkgrp", &columns)?;
    let mut sums: BTreeMap<(Day, i64, i64), Trunks> = BTreeMap::new();
    for slot in slots {
        let sum = sums.entry((slot.day, slot.minute, SPLITS[slot.split].acd)).or_default();
        sum.answered += slot.answered;
        sum.abandoned += slot.abandoned;
        sum.other += slot.answered / 60;
        sum.talk += slot.talk();
    }
    for ((day, minute, acd), sum) in sums {
        let first = Trunks {
            answered: sum.answered * 3 / 5,
            abandoned: sum.abandoned / 2,
            other: sum.other / 3,
            talk: sum.talk * 3 / 5,
        };
        let second = Trunks {
            answered: sum.answered - first.answered,
            abandoned: sum.abandoned - first.abandoned,
            other: sum.other - first.other,
            talk: sum.talk - first.talk,
        };
        for (group, trunks) in [(1, first), (2, second)] {
            let mut row = when(day, minute, acd);
            row.push((acd * 10 + group).into());
            row.extend(values(&trunk_measures(&trunks)));
            table.insert(&row)?;
        }
    }
    Ok(())
}

/// `hagent`.
fn agent_intervals(
    connection: &Connection,
    slots: &[Slot],
    agents: &[Agent],
    days: &BTreeSet<Day>,
) -> Result<(), DemoError> {
    let columns = interval_columns(AGENT_KEYS, &agent_measures(&Work::NONE));
    let mut table = Filling::create(connection, "hagent", &columns)?;
    for slot in slots.iter().filter(|slot| days.contains(&slot.day)) {
        let split = &SPLITS[slot.split];
        for (agent, measures) in agent_rows(agents, slot) {
            let mut row = when(slot.day, slot.minute, split.acd);
            row.extend([split.number.into(), agent.extension(), agent.logid(), 1.into(), 0.into()]);
            row.extend(values(&measures));
            table.insert(&row)?;
        }
    }
    Ok(())
}

/// The daily, weekly and monthly tables of an interval table: daily from intervals, weekly (from Sunday) and monthly from
/// daily.
fn roll_up(connection: &Connection, stem: &str, keys: &[Column], measures: &[Measure]) -> Result<(), DemoError> {
    let key_names: Vec<&str> = ["acd"].into_iter().chain(keys.iter().map(|(name, _)| *name)).collect();
    let key_list = key_names.join(", ");
    let sums: Vec<String> = measures.iter().map(|m| format!("{}({})", m.kind.roll_up(), m.name)).collect();
    let mut declared = vec!["row_date DATE".to_owned(), "acd SMALLINT".to_owned()];
    declared.extend(keys.iter().map(|(name, kind)| format!("{name} {kind}")));
    declared.extend(measures.iter().map(|m| format!("{} {}", m.name, m.kind.period_type())));
    let periods = [
        ("d", "h", "row_date"),
        ("w", "d", "date(row_date, '-' || strftime('%w', row_date) || ' days')"),
        ("m", "d", "date(row_date, 'start of month')"),
    ];
    for (to, from, day) in periods {
        let sql = format!(
            "CREATE TABLE {to}{stem} ({});
             INSERT INTO {to}{stem} SELECT {day}, {key_list}, {} FROM {from}{stem} GROUP BY {day}, {key_list}
             ORDER BY {day}, {key_list}",
            declared.join(", "),
            sums.join(", "),
        );
        run(connection, &sql, &format!("{to}{stem}"))?;
    }
    Ok(())
}

/// `haglog`.
fn logins(connection: &Connection, agents: &[Agent], days: &BTreeSet<Day>) -> Result<(), DemoError> {
    let mut table = Filling::create(connection, "haglog", LOGIN_COLUMNS)?;
    for day in days {
        for agent in agents {
            table.insert(&login_row(agent, *day))?;
        }
    }
    Ok(())
}

/// `call_rec`.
fn call_records(connection: &Connection, real: &[Count], agents: &[Agent]) -> Result<(), DemoError> {
    let days = last_days(real, CALL_DAYS);
    let mut table = Filling::create(connection, "call_rec", CALL_COLUMNS)?;
    let mut sequence = 0;
    for each in real.iter().filter(|each| days.contains(&each.day)) {
        for row in call_rows(agents, each, &mut sequence) {
            table.insert(&row)?;
        }
    }
    Ok(())
}

/// `d_secs`, `w_secs`, `m_secs`: the seconds that each period has.
fn period_seconds(connection: &Connection) -> Result<(), DemoError> {
    let periods = [
        ("d", "secsperday", "86400"),
        ("w", "secsperwk", "604800"),
        ("m", "secspermn", "86400 * CAST(strftime('%d', row_date, '+1 month', '-1 day') AS INTEGER)"),
    ];
    for (period, column, seconds) in periods {
        let sql = format!(
            "CREATE TABLE {period}_secs (acd SMALLINT, row_date DATE, {column} INTEGER);
             INSERT INTO {period}_secs SELECT DISTINCT acd, row_date, {seconds} FROM {period}split ORDER BY 2, 1"
        );
        run(connection, &sql, &format!("{period}_secs"))?;
    }
    Ok(())
}

/// None of them is unique: rows are a multiset.
fn indexes(connection: &Connection) -> Result<(), DemoError> {
    for table in ["hsplit", "hvdn", "htkgrp", "hagent"] {
        run(connection, &format!("CREATE INDEX {table}_when ON {table} (row_date, starttime, acd)"), table)?;
    }
    for stem in ["split", "vdn", "tkgrp", "agent"] {
        for period in ["d", "w", "m"] {
            let table = format!("{period}{stem}");
            run(connection, &format!("CREATE INDEX {table}_when ON {table} (row_date, acd)"), &table)?;
        }
    }
    for (table, columns) in [("haglog", "row_date, acd, split"), ("call_rec", "row_date, row_time, acd")] {
        run(connection, &format!("CREATE INDEX {table}_when ON {table} ({columns})"), table)?;
    }
    Ok(())
}

fn tables_of(connection: &Connection) -> Result<Vec<BuiltTable>, DemoError> {
    let list = || -> rusqlite::Result<Vec<BuiltTable>> {
        let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let count = |name: String| {
            let sql = format!("SELECT count(*) FROM {name}");
            let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
            Ok(BuiltTable { name, rows: rows.unsigned_abs() })
        };
        names.into_iter().map(count).collect()
    };
    list().map_err(|source| DemoError::Sqlite { what: "list the tables".to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::super::bank_calls::{REAL_CALLS, REAL_DAYS};
    use super::*;

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[test]
    fn the_database_holds_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.db");
        let built = build(&path).unwrap();
        let db = Connection::open(&path).unwrap();
        // Real calls, at every grain and seen from every side.
        for table in ["hsplit", "dsplit", "wsplit", "msplit", "hvdn", "dvdn", "wvdn", "mvdn", "htkgrp", "mtkgrp"] {
            assert_eq!(number(&db, &format!("SELECT sum(acdcalls) FROM {table}")), REAL_CALLS, "{table}");
        }
        let days = "SELECT count(DISTINCT row_date) FROM dsplit WHERE acdcalls > 0";
        assert_eq!(number(&db, days), REAL_DAYS as i64);
        let apart = "SELECT count(*) FROM (SELECT row_date d, sum(acdcalls) n FROM hagent GROUP BY 1) JOIN
             (SELECT row_date e, sum(acdcalls) m FROM hsplit GROUP BY 1) ON d = e WHERE n <> m";
        assert_eq!(number(&db, apart), 0);
        assert_eq!(number(&db, "SELECT count(DISTINCT row_date) FROM hagent"), AGENT_DAYS as i64);
        let records = "SELECT (SELECT count(*) FROM call_rec) -
             (SELECT sum(acdcalls) FROM dsplit WHERE row_date IN (SELECT row_date FROM call_rec))";
        assert_eq!(number(&db, records), 0);
        // Roll-ups: sums, maxima, weeks from Sunday, months from the first.
        let maxima = "SELECT (SELECT max(maxinqueue) FROM hsplit) - (SELECT max(maxinqueue) FROM msplit)";
        assert_eq!(number(&db, maxima), 0);
        assert_eq!(number(&db, "SELECT count(*) FROM wsplit WHERE strftime('%w', row_date) <> '0'"), 0);
        assert_eq!(number(&db, "SELECT count(*) FROM msplit WHERE strftime('%d', row_date) <> '01'"), 0);
        assert_eq!(
            number(&db, "SELECT sum(incomplete) FROM hsplit"),
            number(&db, "SELECT sum(incomplete) FROM wsplit")
        );
        // A multiset: the same split of the same interval twice for an agent who logged in again.
        let twice = "SELECT count(*) FROM (SELECT 1 FROM hagent GROUP BY row_date, starttime, split, logid HAVING count(*) > 1)";
        assert!(number(&db, twice) > 100);
        // The newest interval is there for every split.
        let newest = "SELECT count(*) FROM hsplit WHERE row_date = '2003-10-24' AND starttime = 2100";
        assert_eq!(number(&db, newest), SPLITS.len() as i64);
        assert_eq!(
            built.rows(),
            built.tables.iter().map(|t| number(&db, &format!("SELECT count(*) FROM {}", t.name)) as u64).sum::<u64>()
        );
        assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get(0)), Ok("ok".to_owned()));
    }

    #[test]
    fn declared_types_and_columns_are_those_of_the_tables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.db");
        build(&path).unwrap();
        let db = Connection::open(&path).unwrap();
        let declared = |table: &str, column: &str| {
            let sql = format!("SELECT type FROM pragma_table_info('{table}') WHERE name = '{column}'");
            db.query_row(&sql, [], |row| row.get::<_, String>(0))
                .unwrap_or_else(|error| panic!("{table}.{column}: {error}"))
        };
        assert_eq!(declared("hsplit", "row_date"), "DATE");
        assert_eq!([declared("hsplit", "acdcalls"), declared("dsplit", "acdcalls")], ["SMALLINT", "INTEGER"]);
        assert_eq!([declared("hsplit", "maxinqueue"), declared("wsplit", "maxinqueue")], ["SMALLINT", "SMALLINT"]);
        assert_eq!(declared("hagent", "logid"), "CHAR(10)");
        assert!(number(&db, "SELECT count(*) FROM pragma_table_info('hsplit')") >= 50);
        let small = "SELECT max(acdcalls, holdcalls, callsoffered, maxstaffed) FROM hsplit ORDER BY 1 DESC";
        assert!(number(&db, small) <= 32_767, "a small integer must fit");
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.db");
        std::fs::write(&path, "mine").unwrap();
        let error = build(&path).unwrap_err();
        assert!(matches!(&error, DemoError::Exists(there) if *there == path), "{error}");
        assert!(error.to_string().contains("name another folder"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let error = build(&folder.path().join("no/such/folder.db")).unwrap_err();
        assert!(matches!(error, DemoError::Create { .. }), "{error}");
    }
}
