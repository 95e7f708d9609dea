//! Row keys and the journal: which keys rows have, that they are found by them, and that the journal goes on naming rows that
//! come back under other keys.

use super::reading::{keyed, made};
use super::writing::{batch, begin, kind, numbers};
use super::*;
use crate::column::batch::{OwnedValue, Value};
use crate::store::contract::{self, OFF, applied, change, journal, reading, run, says, units};
use crate::store::control::{KeyRuns, RunStatus, State, Unit};
use crate::store::traits::Replacement;

const TABLE: &str = "CREATE TABLE hsplit(n int); INSERT INTO hsplit VALUES (1)";

/// Keys and first column of all rows of `t`.
fn rows(store: &PostgresStore) -> Vec<(i64, i64)> {
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let number = |value: &OwnedValue| if let OwnedValue::Integer(n) = value { *n } else { panic!("{value:?}") };
    keyed(&*snapshot, &schema, &[0]).iter().map(|(key, row)| (*key, number(&row[0]))).collect()
}

#[test]
fn the_journal_is_kept_as_every_store_keeps_it() {
    for (name, body) in [
        ("journal1", contract::what_was_written_comes_back as fn(&dyn Store)),
        ("journal2", contract::a_unit_is_applied_once_and_only_as_it_was_planned),
        ("journal3", contract::units_of_one_number_are_refused),
        ("journal4", contract::what_is_too_large_for_a_line_is_refused_before_it_is_written),
    ] {
        let Some((_, store)) = made(name, TABLE) else { return };
        body(&store);
    }
}

#[test]
fn a_database_without_control_tables_has_the_default_and_what_is_rolled_back_makes_none() {
    let Some((cluster, store)) = made("none", TABLE) else { return };
    let nothing = (State::default(), vec![], vec![], vec![]);
    assert_eq!(journal(&store), nothing);
    let mut replacement = store.replace().unwrap();
    replacement.set_state(&OFF).unwrap();
    assert_eq!(replacement.begin_run(&run("a"), &units()).unwrap(), 1);
    assert!(replacement.unit_applied(&applied(&units()[0]), &[]).unwrap());
    drop(replacement);
    assert_eq!(journal(&store), nothing);
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname = 'intervault'";
    assert_eq!(cluster.query("none", schemas), [[]; 0] as [[Option<String>; 0]; 0]);
    contract::write(&store);
    let before = journal(&store);
    let mut replacement = store.replace().unwrap();
    assert!(replacement.unit_undone(1, 0).unwrap());
    assert!(replacement.end_run(1, RunStatus::Undone, Some(0)).unwrap());
    drop(replacement);
    assert_eq!(journal(&store), before);
    assert_eq!(store.snapshot(1).unwrap().tables().unwrap(), ["hsplit"]);
}

#[test]
fn people_can_read_the_journal() {
    let Some((cluster, store)) = made("people", TABLE) else { return };
    contract::write(&store);
    let text = |sql: &str| cluster.query("people", sql).into_iter().map(|row| row.join_text()).collect::<Vec<_>>();
    assert_eq!(
        text("SELECT name, value FROM intervault.state ORDER BY 1"),
        ["collection|off", "mode|single-user", "version|1"]
    );
    assert_eq!(
        text("SELECT number, status, begun_utc, set_id, label, undo_place FROM intervault.restore"),
        ["1|begun|2024-02-29 06:01:01|abababababababababababababababab|CMS-030220-01-LSAH-00-F-01|dir:/undo"]
    );
    assert_eq!(
        text("SELECT number, status, table_name, start, stop, deleted, inserted FROM intervault.unit ORDER BY number"),
        [
            "0|applied|hsplit|1970-01-01 00:00:00|1970-01-02 00:00:00|5|6",
            "1|applied|hsplit||1970-01-01 00:00:00|5|6",
            "2|planned|hsplit|||0|0"
        ]
    );
    assert_eq!(
        text("SELECT unit, acd, kind, start, stop, sequence FROM intervault.range ORDER BY number"),
        [
            "0|1|held|1969-12-31 23:59:55|1970-01-01 00:30:00|2",
            "0||undated|1969-12-31 23:59:55|1970-01-01 00:30:00|2",
            "1|1|held|1969-12-31 23:59:55|1970-01-01 00:30:00|2",
            "1||undated|1969-12-31 23:59:55|1970-01-01 00:30:00|2"
        ]
    );
}

trait JoinText {
    fn join_text(&self) -> String;
}

impl JoinText for Vec<Option<String>> {
    fn join_text(&self) -> String {
        self.iter().map(|value| value.clone().unwrap_or_default()).collect::<Vec<_>>().join("|")
    }
}

/// What somebody did to the control tables, and the words that tell of it.
const ALTERED: &[(&str, &[&str])] = &[
    ("UPDATE intervault.state SET value = 'maybe' WHERE name = 'mode'", &["intervault.state", "mode", "maybe"]),
    ("UPDATE intervault.restore SET status = 'Begun'", &["intervault.restore, line 1", "status", "Begun"]),
    ("UPDATE intervault.restore SET number = 0", &["column number: runs are numbered from 1"]),
    ("UPDATE intervault.restore SET undo_place = NULL", &["undo_place", "no text"]),
    ("UPDATE intervault.restore SET options = repeat('x', 1048577)", &["options", "too long"]),
    ("UPDATE intervault.unit SET deleted = -1", &["deleted", "negative"]),
    ("UPDATE intervault.unit SET keys = '\\x0181'", &["intervault.unit, line 1", "keys", "cut short"]),
    ("UPDATE intervault.range SET sequence = 4294967296", &["sequence", "range"]),
];

/// What changes the tables themselves, so that nothing is read from them nor written to them.
const RESHAPED: &[(&str, &[&str])] = &[
    ("ALTER TABLE intervault.unit ADD COLUMN more int", &["columns of intervault.unit", "more"]),
    ("ALTER TABLE intervault.unit ALTER COLUMN deleted TYPE text", &["deleted (text)"]),
    ("DROP TABLE intervault.range", &["no table intervault.range"]),
    ("DROP TABLE intervault.unit; CREATE VIEW intervault.unit AS SELECT 1", &["intervault.unit is a view"]),
    (
        "CREATE FUNCTION intervault.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER g BEFORE UPDATE ON intervault.unit FOR EACH ROW EXECUTE FUNCTION intervault.f()",
        &["intervault.unit", "trigger, g"],
    ),
    ("DELETE FROM intervault.state WHERE name = 'version'", &["no version"]),
    (
        "UPDATE intervault.state SET value = '2' WHERE name = 'version'; ALTER TABLE intervault.unit ADD COLUMN more int",
        &["version 2", "newer intervault"],
    ),
];

#[test]
fn control_tables_altered_by_hand_are_named_and_not_written() {
    let Some((cluster, store)) = made("altered", TABLE) else { return };
    for (sql, words) in ALTERED.iter().chain(RESHAPED) {
        cluster.run("altered", "DROP SCHEMA IF EXISTS intervault CASCADE");
        contract::write(&store);
        cluster.run("altered", sql);
        says(&reading(&store).expect(sql), words, sql);
    }
    for (sql, words) in RESHAPED {
        cluster.run("altered", "DROP SCHEMA IF EXISTS intervault CASCADE");
        contract::write(&store);
        cluster.run("altered", sql);
        type Write = fn(&mut dyn Replacement) -> Result<(), StoreError>;
        let writes: [Write; 3] = [
            |change| change.set_state(&OFF),
            |change| change.unit_applied(&applied(&units()[2]), &[]).map(drop),
            |change| change.unit_undone(1, 0).map(drop),
        ];
        for write in writes {
            let mut replacement = store.replace().unwrap();
            says(&write(&mut *replacement).expect_err(sql), words, sql);
            assert!(replacement.commit().is_err(), "{sql}");
        }
    }
}

#[test]
fn rows_are_found_and_deleted_by_long_and_short_runs() {
    let sql =
        "CREATE TABLE t(n int, pad text); INSERT INTO t SELECT n, repeat('x', 40) FROM generate_series(1, 30000) n;
               DELETE FROM t WHERE n % 7 = 0";
    let Some((_, store)) = made("runs", sql) else { return };
    let before = rows(&store);
    let mut keys = KeyRuns::of_keys(&before.iter().step_by(3).map(|(key, _)| *key).collect::<Vec<_>>());
    // Places that hold nothing, a partition that is not there, keys that are none.
    keys.add_keys(&[0, i64::MAX, i64::MIN, -1, (9 << 48) | 65_537, 0xFFFF]);
    // A run that no list of rows has, as a journal that was altered may.
    keys.add_run(100 << 16, 120 << 16);
    let expected: Vec<(i64, i64)> = before.iter().copied().filter(|(key, _)| keys.holds(*key)).collect();
    assert!(expected.len() > 9_000 && expected.len() < before.len());
    let (mut replacement, schema) = begin(&store);
    let mut found = Vec::new();
    replacement
        .scan_runs(&schema, &keys, &[0], &mut |keys, batch| {
            found.extend(keys.iter().copied().zip(batch.columns[0].clone().data.integers()));
            Ok(())
        })
        .unwrap();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(replacement.delete_runs(&schema, &keys).unwrap(), expected.len() as u64);
    replacement.commit().unwrap();
    let left: Vec<(i64, i64)> = before.into_iter().filter(|(key, _)| !keys.holds(*key)).collect();
    assert_eq!(rows(&store), left);
}

/// Rows that lie together are deleted by ranges of places, and none that lies between them.
#[test]
fn rows_that_lie_together_are_deleted_without_those_between() {
    let sql =
        "CREATE TABLE t(n int, pad text); INSERT INTO t SELECT n, repeat('x', 40) FROM generate_series(1, 30000) n;
               DELETE FROM t WHERE n % 700 = 0";
    let Some((_, store)) = made("together", sql) else { return };
    let before = rows(&store);
    let goes = |n: i64| (5_000..=20_000).contains(&n) && n != 10_000 && !(15_000..15_100).contains(&n);
    let keys = KeyRuns::of_keys(&before.iter().filter(|(_, n)| goes(*n)).map(|(key, _)| *key).collect::<Vec<_>>());
    let (mut replacement, schema) = begin(&store);
    assert_eq!(replacement.delete_runs(&schema, &keys).unwrap(), keys.rows());
    assert_eq!(replacement.delete_runs(&schema, &keys).unwrap(), 0);
    replacement.commit().unwrap();
    assert!(keys.rows() > 14_000);
    assert_eq!(rows(&store), before.into_iter().filter(|(_, n)| !goes(*n)).collect::<Vec<_>>());
}

trait Integers {
    fn integers(self) -> Vec<i64>;
}

impl Integers for crate::column::batch::ColumnData {
    fn integers(self) -> Vec<i64> {
        match self {
            crate::column::batch::ColumnData::Integer(values) => values,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_rows_of_this_transaction_count_as_inserted() {
    let Some((_, store)) = made("inserted", "CREATE TABLE t(n int); INSERT INTO t VALUES (1), (2)") else { return };
    let (mut replacement, schema) = begin(&store);
    assert_eq!(replacement.inserted(&schema, None, (None, None)).unwrap(), KeyRuns::default());
    replacement.insert(&schema, &[0], &numbers(&[])).unwrap();
    replacement.insert(&schema, &[0], &numbers(&[5, 6])).unwrap();
    replacement.insert(&schema, &[0], &numbers(&[7])).unwrap();
    let keys = replacement.inserted(&schema, None, (None, None)).unwrap();
    replacement.commit().unwrap();
    let named: Vec<i64> = rows(&store).into_iter().filter(|(key, _)| keys.holds(*key)).map(|(_, n)| n).collect();
    assert_eq!((named, keys.rows()), (vec![5, 6, 7], 3));
}

/// Two restores replace the same rows; when the second is undone, its rows come back in other places, and the journal's line
/// of the first names them there.
#[test]
fn the_journal_names_rows_that_came_back_under_other_keys() {
    for (name, sql) in [
        (
            "renamed",
            "CREATE TABLE t(n int GENERATED ALWAYS AS IDENTITY, s text);
             INSERT INTO t(s) SELECT 'old' FROM generate_series(1, 500)",
        ),
        (
            "renamed parts",
            "CREATE TABLE t(n int, s text) PARTITION BY LIST (n); CREATE TABLE t0 PARTITION OF t FOR VALUES IN (7);
             CREATE TABLE t1 PARTITION OF t DEFAULT; INSERT INTO t SELECT n, 'old' FROM generate_series(1, 500) n",
        ),
    ] {
        let Some((cluster, store)) = made(name, sql) else { return };
        let of = |n: i64, s: &'static str| vec![Value::Integer(n), Value::Text(s.as_bytes())];
        let unit = |run: u64, keys: KeyRuns| Unit { run, keys, table: "t".to_owned(), ..applied(&units()[0]) };
        let planned = Unit { table: "t".to_owned(), ..units()[0].clone() };
        // The first restore puts in a hundred rows.
        assert_eq!(change(&store, |change| change.begin_run(&run("1"), std::slice::from_ref(&planned))), 1);
        let first = change(&store, |change| {
            let schema = change.schema("t")?.unwrap();
            change.insert(&schema, &[0, 1], &batch(&(1_000..1_100).map(|n| of(n, "first")).collect::<Vec<_>>()))?;
            let keys = change.inserted(&schema, None, (None, None))?;
            assert!(change.unit_applied(&unit(1, keys.clone()), &[])?);
            Ok(keys)
        });
        change(&store, |change| change.end_run(1, RunStatus::Finished, Some(0)));
        // The second deletes sixty of them and forty older ones.
        let gone: Vec<(i64, i64)> =
            rows(&store).into_iter().filter(|(_, n)| (461..=500).contains(n) || (1_000..1_060).contains(n)).collect();
        assert_eq!(gone.len(), 100);
        let old: Vec<i64> = gone.iter().map(|(key, _)| *key).collect();
        assert_eq!(change(&store, |change| change.begin_run(&run("2"), std::slice::from_ref(&planned))), 2);
        let second = change(&store, |change| {
            let schema = change.schema("t")?.unwrap();
            assert_eq!(change.delete(&schema, &old)?, 100);
            change.insert(&schema, &[0, 1], &batch(&[of(2_000, "second")]))?;
            let keys = change.inserted(&schema, None, (None, None))?;
            assert!(change.unit_applied(&unit(2, keys.clone()), &[])?);
            Ok(keys)
        });
        cluster.run(name, "VACUUM t");
        cluster.run(
            name,
            "INSERT INTO t(n, s) OVERRIDING SYSTEM VALUE SELECT n, 'newcomer' FROM generate_series(3001, 3030) n",
        );
        change(&store, |change| {
            let schema = change.schema("t")?.unwrap();
            assert_eq!(change.delete_runs(&schema, &second)?, 1);
            let back: Vec<Vec<Value<'_>>> = gone.iter().map(|(_, n)| of(*n, "back")).collect();
            for (keys, rows) in old.chunks(30).zip(back.chunks(30)) {
                assert_eq!(change.insert_keyed(&schema, &[0, 1], keys, None, &batch(rows))?, 0);
            }
            assert!(change.unit_undone(2, 0)?);
            Ok(())
        });
        let line = store.snapshot(1).unwrap().units(1).unwrap().remove(0);
        let mut named: Vec<i64> =
            rows(&store).into_iter().filter(|(key, _)| line.keys.holds(*key)).map(|(_, n)| n).collect();
        named.sort_unstable();
        assert_eq!(named, (1_000..1_100).collect::<Vec<_>>(), "{name}");
        assert_eq!(line.keys.rows(), 100);
        assert_ne!(line.keys, first);
        let count = "SELECT count(*), count(*) FILTER (WHERE s = 'back') FROM t";
        assert_eq!(cluster.query(name, count)[0].join_text(), "630|100");
    }
}

#[test]
fn a_journal_that_names_no_row_needs_no_table_of_its_own() {
    let Some((cluster, _)) = made("plain", "CREATE TABLE t(n int)") else { return };
    cluster.run(
        "plain",
        "REVOKE TEMPORARY ON DATABASE plain FROM PUBLIC; CREATE ROLE plain LOGIN; GRANT ALL ON t TO plain",
    );
    let store = PostgresStore::open(&address(&cluster.url("plain").replace("user=postgres", "user=plain"))).unwrap();
    let (mut replacement, schema) = begin(&store);
    assert_eq!(replacement.insert_keyed(&schema, &[0], &[4, 2], None, &numbers(&[40, 20])).unwrap(), 0);
    replacement.commit().unwrap();
    assert_eq!(rows(&store).len(), 2);
    let missing = begin(&store).0.unit_undone(1, 0);
    assert!(matches!(kind(missing), StoreErrorKind::NotPermitted(_)), "no schema may be made");
}
