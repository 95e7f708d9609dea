//! The control tables: what is written comes back, what was altered is named, and a database of others stays as it is.

use super::*;
use crate::store::contract::{self, OFF, applied, change, journal, reading, run, says, units};
use crate::store::control::{CONTROL_TABLES, Collection, KeyRuns, Mode, RunStatus, State, Unit};
use crate::store::traits::Replacement;

const TABLE: &str = "CREATE TABLE hsplit(n); INSERT INTO hsplit VALUES (1)";

/// A database with a run of three units, of which two are applied.
fn written() -> Fixture {
    let fixture = Fixture::new(TABLE);
    contract::write(&fixture.store());
    fixture
}

#[test]
fn the_journal_is_kept_as_every_store_keeps_it() {
    contract::what_was_written_comes_back(&Fixture::new(TABLE).store());
    contract::a_unit_is_applied_once_and_only_as_it_was_planned(&Fixture::new(TABLE).store());
    contract::units_of_one_number_are_refused(&Fixture::new(TABLE).store());
    contract::what_is_too_large_for_a_line_is_refused_before_it_is_written(&Fixture::new(TABLE).store());
}

#[test]
fn people_can_read_it() {
    let fixture = written();
    assert_eq!(fixture.dump("intervault_state", "name, value"), ["collection|off", "mode|single-user", "version|1"]);
    assert_eq!(
        fixture.dump("intervault_restore", "number, status, begun_utc, set_id, label, undo_place"),
        ["1|begun|2024-02-29 06:01:01|abababababababababababababababab|CMS-030220-01-LSAH-00-F-01|dir:/undo"]
    );
    assert_eq!(
        fixture.dump("intervault_unit", "number, status, table_name, start, stop, deleted, inserted"),
        [
            "0|applied|hsplit|1970-01-01 00:00:00|1970-01-02 00:00:00|5|6",
            "1|applied|hsplit|1970-01-01 00:00:00|5|6",
            "2|planned|hsplit|0|0"
        ]
    );
    assert_eq!(
        fixture.dump("intervault_range", "unit, acd, kind, start, stop, sequence"),
        [
            "0|1|held|1969-12-31 23:59:55|1970-01-01 00:30:00|2",
            "0|undated|1969-12-31 23:59:55|1970-01-01 00:30:00|2",
            "1|1|held|1969-12-31 23:59:55|1970-01-01 00:30:00|2",
            "1|undated|1969-12-31 23:59:55|1970-01-01 00:30:00|2"
        ]
    );
}

#[test]
fn a_database_without_control_tables_has_the_default_and_reading_makes_none() {
    let fixture = Fixture::new("CREATE TABLE t(n)");
    let store = fixture.store();
    let before = std::fs::read(&fixture.path).unwrap();
    assert_eq!(journal(&store), (State { collection: Collection::On, mode: Mode::MultiUser }, vec![], vec![], vec![]));
    assert_eq!(store.snapshot(1).unwrap().units(1).unwrap(), []);
    assert_eq!(std::fs::read(&fixture.path).unwrap(), before);
}

#[test]
fn control_tables_are_no_tables_of_the_database() {
    let fixture = written();
    let store = fixture.store();
    let snapshot = store.snapshot(1).unwrap();
    assert_eq!(snapshot.tables().unwrap(), ["hsplit"]);
    let mut replacement = store.replace().unwrap();
    for name in CONTROL_TABLES.into_iter().chain(["INTERVAULT_unit"]) {
        assert_eq!(snapshot.schema(name).unwrap(), None, "{name}");
        assert_eq!(replacement.schema(name).unwrap(), None, "{name}");
        // Asked for all the same, as a volume may name any table.
        let schema = TableSchema { name: name.to_owned(), columns: Vec::new() };
        assert!(matches!(kind(snapshot.writable(&schema)), StoreErrorKind::NoTable(_)), "{name}");
        assert!(matches!(kind(snapshot.parts(&schema, 1)), StoreErrorKind::NoTable(_)), "{name}");
        let read = snapshot.scan_runs(0, &schema, &KeyRuns::default(), &[], &mut |_, _| Ok(()));
        assert!(matches!(kind(read), StoreErrorKind::NoTable(_)), "{name}");
    }
    let schema = TableSchema { name: "intervault_unit".to_owned(), columns: Vec::new() };
    assert!(matches!(kind(replacement.delete_all(&schema)), StoreErrorKind::NoTable(_)));
}

#[test]
fn what_is_rolled_back_leaves_nothing() {
    let fixture = Fixture::new("CREATE TABLE t(n)");
    let store = fixture.store();
    let mut replacement = store.replace().unwrap();
    replacement.set_state(&OFF).unwrap();
    assert_eq!(replacement.begin_run(&run("a"), &units()).unwrap(), 1);
    assert!(replacement.unit_applied(&applied(&units()[0]), &[]).unwrap());
    drop(replacement);
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'intervault%'";
    assert_eq!(fixture.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    assert_eq!(journal(&store).0, State::default());

    let fixture = written();
    let before = journal(&fixture.store());
    let mut replacement = fixture.store().replace().unwrap();
    assert!(replacement.unit_undone(1, 0).unwrap());
    assert!(replacement.end_run(1, RunStatus::Undone, Some(0)).unwrap());
    replacement.set_state(&State::default()).unwrap();
    drop(replacement);
    assert_eq!(journal(&fixture.store()), before);
}

#[test]
fn a_number_is_never_given_twice_while_lines_of_it_are_there() {
    let fixture = written();
    let store = fixture.store();
    assert_eq!(change(&store, |change| change.begin_run(&run("b"), &[])), 2);
    fixture.connection().execute_batch("DELETE FROM intervault_restore").unwrap();
    assert_eq!(change(&store, |change| change.begin_run(&run("c"), &units())), 2, "units of run 1 are there");
    fixture.connection().execute_batch("UPDATE intervault_range SET run = 9").unwrap();
    assert_eq!(change(&store, |change| change.begin_run(&run("d"), &[])), 10);
    fixture.connection().execute_batch("UPDATE intervault_range SET run = 9223372036854775807").unwrap();
    let mut replacement = store.replace().unwrap();
    let error = kind(replacement.begin_run(&run("e"), &[]));
    assert!(matches!(&error, StoreErrorKind::Unsupported(text) if text.contains("no number")), "{error:?}");
}

/// What somebody did to the control tables, and the words that tell of it.
const ALTERED: &[(&str, &[&str])] = &[
    (
        "UPDATE intervault_state SET value = 'maybe' WHERE name = 'collection'",
        &["intervault_state", "collection", "maybe"],
    ),
    ("UPDATE intervault_state SET value = x'00' WHERE name = 'mode'", &["intervault_state", "value", "no text"]),
    ("UPDATE intervault_restore SET status = 'Begun'", &["intervault_restore, line 1", "status", "Begun"]),
    ("UPDATE intervault_restore SET begun_utc = 'yesterday'", &["begun_utc", "no time"]),
    ("UPDATE intervault_restore SET ended_utc = '2024-02-30 00:00:00'", &["ended_utc", "no time"]),
    ("UPDATE intervault_restore SET set_id = 'AB'", &["set_id", "hex"]),
    ("UPDATE intervault_restore SET undo_set = NULL", &["undo_set", "no text"]),
    ("UPDATE intervault_restore SET undo_place = NULL", &["undo_place", "no text"]),
    ("UPDATE intervault_restore SET label = CAST(x'ff' AS TEXT)", &["label", "UTF-8"]),
    ("UPDATE intervault_restore SET options = printf('%01048577d', 0)", &["options", "too long"]),
    ("UPDATE intervault_restore SET number = 0", &["column number: runs are numbered from 1"]),
    ("UPDATE intervault_restore SET number = -1", &["number", "negative"]),
    ("UPDATE intervault_unit SET status = 'done' WHERE number = 1", &["intervault_unit, line 2", "status", "done"]),
    ("UPDATE intervault_unit SET number = 4294967296 WHERE number = 2", &["line 3", "number", "range"]),
    ("UPDATE intervault_unit SET deleted = -1", &["deleted", "negative"]),
    ("UPDATE intervault_unit SET deleted = 0.5", &["deleted", "whole number"]),
    ("UPDATE intervault_unit SET after = 'many'", &["after", "whole number"]),
    ("UPDATE intervault_unit SET after_digest = after_digest || '0'", &["after_digest", "hex"]),
    ("UPDATE intervault_unit SET start = stop", &["stop", "not after"]),
    ("UPDATE intervault_unit SET start = '0'", &["start", "no time"]),
    ("UPDATE intervault_unit SET keys = x'0181'", &["keys", "cut short"]),
    ("UPDATE intervault_unit SET keys = substr(keys, 1, length(keys) - 1) WHERE number = 1", &["line 2", "keys"]),
    ("UPDATE intervault_unit SET keys = keys || x'00'", &["keys"]),
    ("UPDATE intervault_unit SET keys = 'text'", &["keys", "no bytes"]),
    ("UPDATE intervault_range SET kind = ''", &["intervault_range, line 1", "kind"]),
    ("UPDATE intervault_range SET acd = 'one'", &["acd", "whole number"]),
    ("UPDATE intervault_range SET sequence = -1", &["sequence", "range"]),
    ("UPDATE intervault_range SET chain_id = NULL", &[]),
];

/// What changes the tables themselves, so that nothing is read from them nor written to them.
const RESHAPED: &[(&str, &[&str])] = &[
    ("ALTER TABLE intervault_unit ADD COLUMN more", &["columns of intervault_unit", "more"]),
    ("ALTER TABLE intervault_state RENAME COLUMN value TO word", &["columns of intervault_state", "word"]),
    ("DROP TABLE intervault_range", &["no table intervault_range"]),
    ("DROP TABLE intervault_state", &["no table intervault_state"]),
    ("DROP TABLE intervault_unit; CREATE VIEW intervault_unit AS SELECT 1", &["intervault_unit is a view"]),
    (
        "CREATE TRIGGER g AFTER UPDATE ON intervault_unit BEGIN DELETE FROM hsplit; END",
        &["intervault_unit", "trigger, g"],
    ),
    ("DELETE FROM intervault_state WHERE name = 'version'", &["no version"]),
    ("UPDATE intervault_state SET value = 'one' WHERE name = 'version'", &["no version"]),
    ("UPDATE intervault_state SET value = '0' WHERE name = 'version'", &["no version"]),
    ("UPDATE intervault_state SET value = '2' WHERE name = 'version'", &["version 2", "newer intervault"]),
    (
        "UPDATE intervault_state SET value = '2' WHERE name = 'version'; ALTER TABLE intervault_unit ADD COLUMN more",
        &["version 2", "newer intervault"],
    ),
];

#[test]
fn lines_altered_by_hand_are_named() {
    for (sql, words) in ALTERED {
        let fixture = written();
        if let Err(error) = fixture.connection().execute_batch(sql) {
            assert!(words.is_empty(), "{sql}: {error}");
            continue;
        }
        assert!(!words.is_empty(), "{sql}: the tables themselves refuse it");
        says(&reading(&fixture.store()).expect(sql), words, sql);
    }
}

#[test]
fn tables_reshaped_by_hand_or_of_a_newer_version_are_neither_read_nor_written() {
    for (sql, words) in RESHAPED {
        let fixture = written();
        fixture.connection().execute_batch(sql).unwrap();
        let store = fixture.store();
        let everything = |connection: &Connection| -> String {
            let sql = "SELECT group_concat(sql, ';') || (SELECT group_concat(n) FROM hsplit) FROM sqlite_schema";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let before = everything(&fixture.connection());
        says(&reading(&store).expect(sql), words, sql);
        type Write = fn(&mut dyn Replacement) -> Result<(), StoreError>;
        let writes: [Write; 5] = [
            |change| change.set_state(&OFF),
            |change| change.begin_run(&run("b"), &units()).map(drop),
            |change| change.unit_applied(&applied(&units()[2]), &[]).map(drop),
            |change| change.unit_undone(1, 0).map(drop),
            |change| change.end_run(1, RunStatus::Undone, None).map(drop),
        ];
        for write in writes {
            let mut replacement = store.replace().unwrap();
            says(&write(&mut *replacement).expect_err(sql), words, sql);
            assert!(replacement.commit().is_err(), "{sql}");
        }
        assert_eq!(everything(&fixture.connection()), before, "{sql}");
    }
}

#[test]
fn tables_of_such_names_that_somebody_else_made_are_left_alone() {
    let fixture = Fixture::new("CREATE TABLE Intervault_State(city); INSERT INTO intervault_state VALUES ('Vaduz')");
    let store = fixture.store();
    says(&reading(&store).unwrap(), &["intervault_state", "city"], "somebody else's");
    let mut replacement = store.replace().unwrap();
    says(&replacement.set_state(&OFF).unwrap_err(), &["city"], "somebody else's");
    drop(replacement);
    assert_eq!(fixture.dump("intervault_state", "city"), ["Vaduz"]);
    assert_eq!(fixture.dump("sqlite_schema", "name"), ["Intervault_State"]);
}

/// Whatever its owner has set on a database, the journal can be kept in it beside a change of rows.
#[test]
fn databases_of_every_sort_can_have_a_journal() {
    for setup in [
        "PRAGMA encoding = 'UTF-16le'",
        "PRAGMA encoding = 'UTF-16be'; PRAGMA journal_mode = WAL",
        "PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL",
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA secure_delete = ON; PRAGMA application_id = 7",
        "PRAGMA foreign_keys = OFF; CREATE TABLE p(k INTEGER PRIMARY KEY); CREATE TABLE c(k REFERENCES p(k));
         INSERT INTO c VALUES (5)",
        "CREATE TABLE s(a TEXT) STRICT; CREATE VIEW v AS SELECT * FROM s",
        "CREATE TABLE w(a INTEGER PRIMARY KEY AUTOINCREMENT); CREATE VIRTUAL TABLE f USING fts5(x)",
    ] {
        let fixture = Fixture::new(&format!("{setup}; CREATE TABLE hsplit(n); INSERT INTO hsplit VALUES (1)"));
        let store = fixture.store();
        let unit = units()[0].clone();
        let label = "ÄÖ \u{1F4DE} 'quoted'";
        change(&store, |change| {
            change.set_state(&OFF)?;
            change.begin_run(&run(label), std::slice::from_ref(&unit))
        });
        change(&store, |change| {
            let schema = change.schema("hsplit")?.unwrap();
            change.delete_all(&schema)?;
            change.insert(&schema, &[0], &batch(&[vec![Value::Integer(2)]]))?;
            let keys = change.inserted(&schema, None, (None, None))?;
            assert!(change.unit_applied(&Unit { keys, ..applied(&unit) }, &[])?);
            Ok(())
        });
        let (state, runs, units, _) = journal(&store);
        assert_eq!((state, runs[0].label.as_str()), (OFF, label), "{setup}");
        assert_eq!(units[0].keys.iter().collect::<Vec<_>>(), [(2, 2)], "{setup}");
        assert_eq!(fixture.dump("hsplit", "n"), ["2"], "{setup}");
    }
}
