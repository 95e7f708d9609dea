//! Row numbers: which ones rows get, that deleted rows can have theirs back, and that they are found by them.

use super::*;
use crate::store::control::KeyRuns;
use crate::store::traits::Replacement;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Inserts rows with these values in the first column, and gives the runs of their row numbers.
fn insert(replacement: &mut dyn Replacement, schema: &TableSchema, values: &[i64]) -> Vec<(i64, i64)> {
    let rows: Vec<Vec<Value<'_>>> = values.iter().map(|value| vec![Value::Integer(*value)]).collect();
    let mut rows = batch(&rows);
    rows.columns.resize(1, crate::column::batch::Column::new(crate::column::batch::ColumnData::Integer(Vec::new())));
    let before = replacement.inserted(schema, None, (None, None)).unwrap();
    replacement.insert(schema, &[0], &rows).unwrap();
    let all = replacement.inserted(schema, None, (None, None)).unwrap();
    let new = all.iter().flat_map(|(first, last)| first..=last).filter(|key| !before.holds(*key));
    KeyRuns::of_keys(&new.collect::<Vec<_>>()).iter().collect()
}

fn insert_keyed(replacement: &mut dyn Replacement, schema: &TableSchema, rows: &[(i64, i64)]) -> u64 {
    let keys: Vec<i64> = rows.iter().map(|(key, _)| *key).collect();
    let values: Vec<Vec<Value<'_>>> = rows.iter().map(|(_, value)| vec![Value::Integer(*value)]).collect();
    replacement.insert_keyed(schema, &[0], &keys, None, &batch(&values)).unwrap()
}

fn found(replacement: &mut dyn Replacement, schema: &TableSchema, keys: &KeyRuns) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    replacement
        .scan_runs(schema, keys, &[0], &mut |keys, batch| {
            rows.extend(keys.iter().copied().zip(integers(&rows_of(&batch), 0)));
            Ok(())
        })
        .unwrap();
    rows.sort_unstable();
    rows
}

/// Begins a change of the table `t`.
fn begin(store: &SqliteStore) -> (Box<dyn Replacement>, TableSchema) {
    let mut replacement = store.replace().unwrap();
    let schema = replacement.schema("t").unwrap().unwrap();
    (replacement, schema)
}

/// Row numbers and first column of `t`.
fn rows(fixture: &Fixture) -> Vec<(i64, i64)> {
    let connection = fixture.connection();
    let mut statement = connection.prepare("SELECT rowid, n FROM t ORDER BY rowid").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

const TEN: &str =
    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 10) INSERT INTO t(n) SELECT n FROM i";

#[test]
fn rows_are_numbered_from_the_highest_on() {
    for (sql, column, expected) in [
        ("CREATE TABLE t(n)", 0, (1, 40)),
        ("CREATE TABLE t(n); INSERT INTO t(rowid, n) VALUES (70, 0)", 0, (71, 110)),
        ("CREATE TABLE t(n); INSERT INTO t(rowid, n) VALUES (-70, 0)", 0, (-69, -30)),
        ("CREATE TABLE t(n, rowid, oid); INSERT INTO t(_rowid_, n) VALUES (5, 0)", 0, (6, 45)),
        ("CREATE TABLE t(k INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (9, 0)", 1, (10, 49)),
        ("CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, n)", 1, (1, 40)),
        (
            "CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, n); INSERT INTO t VALUES (500, 0); DELETE FROM t",
            1,
            (501, 540),
        ),
        // Where a column is the number, it says so itself.
        ("CREATE TABLE t(k INTEGER PRIMARY KEY, n)", 0, (100, 139)),
        ("CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, n)", 0, (100, 139)),
    ] {
        let fixture = Fixture::new(sql);
        let (mut replacement, schema) = begin(&fixture.store());
        let values: Vec<Vec<Value<'_>>> = (100..140).map(|value| vec![Value::Integer(value)]).collect();
        replacement.insert(&schema, &[column], &batch(&values)).unwrap();
        let keys = replacement.inserted(&schema, None, (None, None)).unwrap();
        assert_eq!(keys.iter().collect::<Vec<_>>(), [expected], "{sql}");
        replacement.commit().unwrap();
        let name = if sql.contains("_rowid_") { "_rowid_" } else { "rowid" };
        let counted: (i64, i64, i64) = fixture
            .connection()
            .query_row(
                &format!("SELECT count(*), min({name}), max({name}) FROM t WHERE {name} BETWEEN ?1 AND ?2"),
                expected,
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(counted, (40, expected.0, expected.1), "{sql}");
    }
}

#[test]
fn numbers_that_a_column_says_are_listed_in_any_order() {
    let fixture = Fixture::new("CREATE TABLE t(n INTEGER PRIMARY KEY)");
    let (mut replacement, schema) = begin(&fixture.store());
    assert_eq!(insert(&mut *replacement, &schema, &[7, -1, 6, i64::MAX, 8]), [(-1, -1), (6, 8), (i64::MAX, i64::MAX)]);
    assert_eq!(insert(&mut *replacement, &schema, &[]), []);
    replacement.commit().unwrap();
    assert_eq!(rows(&fixture).len(), 5);
}

/// The scenario that numbering is about: the end of a table is replaced by fewer rows, new ones arrive, and an undo puts
/// the old rows back where they were.
#[test]
fn deleted_rows_have_their_numbers_back_though_new_rows_arrived() {
    for journal in ["wal", "delete"] {
        let fixture = Fixture::new(&format!("PRAGMA journal_mode={journal}; CREATE TABLE t(n INTEGER); {TEN}"));
        let before = rows(&fixture);
        let store = fixture.store();
        let (mut replacement, schema) = begin(&store);
        assert_eq!(replacement.delete(&schema, &[10, 9]).unwrap(), 2);
        assert_eq!(replacement.delete(&schema, &[7, 8]).unwrap(), 2);
        let first = insert(&mut *replacement, &schema, &[70]);
        assert_eq!(first, [(11, 11)], "{journal}");
        assert_eq!(insert(&mut *replacement, &schema, &[71]), [(12, 12)]);
        replacement.commit().unwrap();
        fixture.connection().execute_batch("INSERT INTO t VALUES (1000), (1001)").unwrap();
        let (mut replacement, schema) = begin(&store);
        let mut keys = KeyRuns::default();
        keys.add_run(11, 12);
        assert_eq!(found(&mut *replacement, &schema, &keys), [(11, 70), (12, 71)]);
        assert_eq!(replacement.delete_runs(&schema, &keys).unwrap(), 2);
        assert_eq!(insert_keyed(&mut *replacement, &schema, &before[6..]), 0, "{journal}: each has its own number");
        replacement.commit().unwrap();
        assert_eq!(rows(&fixture), [&before[..], &[(13, 1000), (14, 1001)]].concat());
    }
}

#[test]
fn a_table_emptied_and_filled_again_goes_on_above_its_old_numbers() {
    let fixture = Fixture::new(&format!("CREATE TABLE t(n INTEGER); {TEN}"));
    let (mut replacement, schema) = begin(&fixture.store());
    assert_eq!(replacement.delete_all(&schema).unwrap(), 10);
    assert_eq!(insert(&mut *replacement, &schema, &(0..40).collect::<Vec<_>>()), [(11, 50)]);
    // Rows put in and taken out again in the same change are above no less.
    assert_eq!(replacement.delete(&schema, &(11..=50).collect::<Vec<_>>()).unwrap(), 40);
    assert_eq!(insert(&mut *replacement, &schema, &[5]), [(51, 51)]);
    replacement.commit().unwrap();
    assert_eq!(rows(&fixture), [(51, 5)]);
}

/// Where nothing was put in, the numbers are free and new rows get them: the old rows come back all the same.
#[test]
fn a_row_whose_number_is_taken_gets_a_new_one_and_is_counted() {
    let fixture = Fixture::new(&format!("CREATE TABLE t(n INTEGER); {TEN}"));
    let store = fixture.store();
    let (mut replacement, schema) = begin(&store);
    replacement.delete(&schema, &[2, 8, 9, 10]).unwrap();
    replacement.commit().unwrap();
    fixture.connection().execute_batch("INSERT INTO t VALUES (1000), (1001)").unwrap();
    let (mut replacement, schema) = begin(&store);
    assert_eq!(insert_keyed(&mut *replacement, &schema, &[(2, 2), (8, 8), (9, 9), (10, 10), (2, 22)]), 3);
    replacement.commit().unwrap();
    let kept = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 1000), (9, 1001), (10, 10)];
    assert_eq!(rows(&fixture), [&kept[..], &[(11, 8), (12, 9), (13, 22)]].concat());
}

/// Where a column is the number, a row under another number would be another row.
#[test]
fn a_taken_number_that_is_a_column_is_refused() {
    let fixture = Fixture::new("CREATE TABLE t(n INTEGER PRIMARY KEY, x DEFAULT 7); INSERT INTO t(n) VALUES (1), (2)");
    let store = fixture.store();
    let try_insert = |columns: &[usize], keys: &[i64], values: &[Vec<Value<'_>>]| {
        let (mut replacement, schema) = begin(&store);
        let result = replacement.insert_keyed(&schema, columns, keys, None, &batch(values));
        result.and_then(|count| replacement.commit().map(|()| count)).map_err(|error| error.kind)
    };
    let one = |value| vec![Value::Integer(value)];
    assert!(matches!(try_insert(&[0], &[2], &[one(2)]), Err(StoreErrorKind::Refused(_))));
    assert!(matches!(try_insert(&[1], &[2], &[one(0)]), Err(StoreErrorKind::Refused(_))));
    assert!(matches!(try_insert(&[0], &[3], &[one(4)]), Err(StoreErrorKind::Unsupported(_))));
    assert!(matches!(try_insert(&[0], &[3, 4], &[one(3)]), Err(StoreErrorKind::Unsupported(_))));
    assert!(matches!(try_insert(&[1], &[], &[one(3)]), Err(StoreErrorKind::Unsupported(_))));
    assert_eq!(fixture.dump("t", "n, x"), ["1|7", "2|7"]);
    assert!(matches!(try_insert(&[0], &[4, 3], &[one(4), one(3)]), Ok(0)));
    assert!(matches!(try_insert(&[1], &[5], &[one(9)]), Ok(0)));
    assert_eq!(fixture.dump("t", "n, x"), ["1|7", "2|7", "3|7", "4|7", "5|9"]);
}

#[test]
fn used_up_numbers_are_refused_and_never_guessed() {
    let fixture = Fixture::new("CREATE TABLE t(n INTEGER); INSERT INTO t(rowid, n) VALUES (9223372036854775806, 1)");
    let store = fixture.store();
    let (mut replacement, schema) = begin(&store);
    assert_eq!(insert(&mut *replacement, &schema, &[2]), [(i64::MAX, i64::MAX)]);
    let refused = kind(replacement.insert(&schema, &[0], &batch(&[vec![Value::Integer(3)]])));
    assert!(matches!(&refused, StoreErrorKind::Refused(text) if text.contains("used up")), "{refused:?}");
    drop(replacement);
    let (mut replacement, schema) = begin(&store);
    let two = batch(&[vec![Value::Integer(3)], vec![Value::Integer(4)]]);
    assert!(matches!(kind(replacement.insert(&schema, &[0], &two)), StoreErrorKind::Refused(_)));
    drop(replacement);
    // The row with the last number is among those that are replaced: there is nothing above it to go on from.
    fixture.connection().execute_batch("INSERT INTO t VALUES (5)").unwrap();
    let (mut replacement, schema) = begin(&store);
    replacement.delete(&schema, &[i64::MAX]).unwrap();
    assert_eq!(insert(&mut *replacement, &schema, &[6]), [(i64::MAX, i64::MAX)]);
    let keyed = kind(replacement.insert_keyed(&schema, &[0], &[i64::MAX], None, &batch(&[vec![Value::Integer(7)]])));
    assert!(matches!(keyed, StoreErrorKind::Refused(_)), "{keyed:?}");
    drop(replacement);
    let fixture = Fixture::new(
        "CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, n); INSERT INTO t VALUES (9223372036854775807, 0); DELETE FROM t",
    );
    let (mut replacement, schema) = begin(&fixture.store());
    let refused = kind(replacement.insert(&schema, &[1], &batch(&[vec![Value::Integer(3)]])));
    assert!(matches!(refused, StoreErrorKind::Refused(_)), "AUTOINCREMENT gives no number twice: {refused:?}");
}

#[test]
fn rows_are_found_by_long_and_short_runs() {
    // Columns with names that a statement might use for itself.
    let fixture = Fixture::new(
        "CREATE TABLE t(n INTEGER, \"key\", \"value\", rowid, oid);
         WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 3000)
           INSERT INTO t(_rowid_, n) SELECT n * 2, n FROM i;
         INSERT INTO t(_rowid_, n) VALUES (-9223372036854775808, -1), (9223372036854775807, -2)",
    );
    let store = fixture.store();
    let mut keys = KeyRuns::of_keys(&[i64::MIN, i64::MAX, 2, 3, 4, 5_998, 6_000, 6_002]);
    keys.add_run(1_000, 2_999);
    keys.add_keys(&(3_100..5_000).step_by(3).collect::<Vec<_>>());
    let (mut replacement, schema) = begin(&store);
    let expected: Vec<(i64, i64)> = std::iter::once((i64::MIN, -1))
        .chain((1..=3_000).map(|n| (n * 2, n)).filter(|(key, _)| keys.holds(*key)))
        .chain([(i64::MAX, -2)])
        .collect();
    assert!(expected.len() > 1_300);
    assert_eq!(found(&mut *replacement, &schema, &keys), expected);
    assert_eq!(found(&mut *replacement, &schema, &KeyRuns::default()), []);
    let mut seen = 0;
    store
        .snapshot(2)
        .unwrap()
        .scan_runs(1, &schema, &keys, &[0, 4], &mut |keys, batch| {
            assert_eq!((keys.len(), batch.columns.len()), (batch.rows, 2));
            seen += batch.rows;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, expected.len());
    let stop = |_: &[i64], _| Err(StoreError { op: "o".into(), place: "p".into(), kind: StoreErrorKind::Stopped });
    assert!(matches!(kind(replacement.scan_runs(&schema, &keys, &[0], &mut { stop })), StoreErrorKind::Stopped));
    assert_eq!(replacement.delete_runs(&schema, &keys).unwrap(), expected.len() as u64);
    assert_eq!(found(&mut *replacement, &schema, &keys), []);
}

#[test]
fn tables_whose_rows_cannot_be_named_have_no_runs() {
    let runs = KeyRuns::of_keys(&[1]);
    for sql in ["CREATE TABLE t(n INTEGER PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE t(rowid, _rowid_, oid)"] {
        let fixture = Fixture::new(sql);
        let store = fixture.store();
        let snapshot = store.snapshot(1).unwrap();
        let schema = table(&*snapshot, "t");
        let rows = batch(&[vec![Value::Integer(1); schema.columns.len()]]);
        let all: Vec<usize> = (0..schema.columns.len()).collect();
        let mut errors = vec![kind(snapshot.scan_runs(0, &schema, &runs, &[0], &mut |_, _| Ok(())))];
        drop(snapshot);
        let begin = || store.replace().unwrap();
        errors.push(kind(begin().scan_runs(&schema, &runs, &[0], &mut |_, _| Ok(()))));
        errors.push(kind(begin().delete_runs(&schema, &runs)));
        errors.push(kind(begin().insert_keyed(&schema, &all, &[1], None, &rows)));
        assert!(errors.iter().all(|kind| matches!(kind, StoreErrorKind::Unsupported(_))), "{sql}: {errors:?}");
    }
}

/// Why a journal line has a digest of the rows beside their numbers.
#[test]
fn vacuum_numbers_rows_anew() {
    let fixture = Fixture::new(&format!("CREATE TABLE t(n INTEGER); {TEN}"));
    let store = fixture.store();
    let (mut replacement, schema) = begin(&store);
    replacement.delete(&schema, &[1, 2, 3]).unwrap();
    let keys = KeyRuns::of_keys(&[8, 9, 10]);
    assert_eq!(found(&mut *replacement, &schema, &keys), [(8, 8), (9, 9), (10, 10)]);
    replacement.commit().unwrap();
    fixture.connection().execute_batch("VACUUM").unwrap();
    let (mut replacement, schema) = begin(&store);
    assert_eq!(found(&mut *replacement, &schema, &keys), []);
    assert_eq!(found(&mut *replacement, &schema, &KeyRuns::of_keys(&[5, 6, 7])), [(5, 8), (6, 9), (7, 10)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any rows are replaced by any number of others, any number of rows arrives, and the undo gives every old row its
    /// number back; only where nothing was put in may a newcomer have it.
    #[test]
    fn an_undo_leaves_old_rows_and_newcomers(
        old in prop::collection::btree_set(-20i64..40, 1..30),
        deleted in prop::collection::vec(any::<bool>(), 30),
        inserted in 0usize..25,
        newcomers in 0i64..6,
    ) {
        let fixture = Fixture::new("CREATE TABLE t(n INTEGER)");
        let store = fixture.store();
        let before: BTreeMap<i64, i64> = old.iter().map(|key| (*key, key * 100)).collect();
        for (key, value) in &before {
            fixture.connection().execute("INSERT INTO t(rowid, n) VALUES (?1, ?2)", [key, value]).unwrap();
        }
        let gone: Vec<(i64, i64)> =
            before.iter().zip(&deleted).filter(|(_, gone)| **gone).map(|((key, value), _)| (*key, *value)).collect();
        let (mut replacement, schema) = begin(&store);
        replacement.delete(&schema, &gone.iter().map(|(key, _)| *key).collect::<Vec<_>>()).unwrap();
        let values: Vec<i64> = (0..inserted as i64).map(|value| 5_000 + value).collect();
        let mut keys = KeyRuns::default();
        insert(&mut *replacement, &schema, &values).iter().for_each(|(first, last)| keys.add_run(*first, *last));
        prop_assert_eq!(keys.rows(), inserted as u64);
        replacement.commit().unwrap();
        for newcomer in 0..newcomers {
            fixture.connection().execute("INSERT INTO t VALUES (?1)", [9_000 + newcomer]).unwrap();
        }
        let arrived: Vec<(i64, i64)> = rows(&fixture).into_iter().filter(|(_, value)| *value >= 9_000).collect();
        let (mut replacement, schema) = begin(&store);
        prop_assert_eq!(replacement.delete_runs(&schema, &keys).unwrap(), inserted as u64);
        let renamed = if gone.is_empty() { 0 } else { insert_keyed(&mut *replacement, &schema, &gone) };
        replacement.commit().unwrap();
        let mut expected: Vec<(i64, i64)> = before.into_iter().chain(arrived).collect();
        let mut after = rows(&fixture);
        if renamed > 0 {
            prop_assert!(inserted == 0 && renamed <= newcomers as u64);
            [&mut expected, &mut after].into_iter().for_each(|rows| rows.iter_mut().for_each(|row| row.0 = 0));
        }
        expected.sort_unstable();
        after.sort_unstable();
        prop_assert_eq!(after, expected);
    }
}

/// Rows that are still to come keep their numbers: a row that has lost its own goes behind them.
#[test]
fn a_new_number_leaves_those_of_rows_to_come_alone() {
    let fixture = Fixture::new("CREATE TABLE t(n INTEGER); INSERT INTO t VALUES (7)");
    let store = fixture.store();
    let (mut replacement, schema) = begin(&store);
    let rows_of = |values: &[i64]| batch(&values.iter().map(|value| vec![Value::Integer(*value)]).collect::<Vec<_>>());
    let mut insert = |keys: &[i64]| replacement.insert_keyed(&schema, &[0], keys, Some(4), &rows_of(keys)).unwrap();
    assert_eq!((insert(&[1, 2]), insert(&[3, 4])), (1, 0));
    replacement.commit().unwrap();
    assert_eq!(rows(&fixture), [(1, 7), (2, 2), (3, 3), (4, 4), (5, 1)]);
}

#[test]
fn the_rules_by_which_rows_must_differ_are_told() {
    let tables: [(&str, &[&[usize]]); 7] = [
        ("CREATE TABLE t(a, b); CREATE INDEX i ON t(a)", &[]),
        ("CREATE TABLE t(a, b INTEGER PRIMARY KEY)", &[&[1]]),
        ("CREATE TABLE t(a, b, PRIMARY KEY (b, a))", &[&[1, 0]]),
        ("CREATE TABLE t(a UNIQUE, b INTEGER PRIMARY KEY, c)", &[&[1], &[0]]),
        ("CREATE TABLE t(a, b); CREATE UNIQUE INDEX i ON t(b) WHERE a > 3", &[&[1]]),
        ("CREATE TABLE t(a, b); CREATE UNIQUE INDEX i ON t(a COLLATE NOCASE, b, a + b)", &[&[1]]),
        ("CREATE TABLE t(a TEXT COLLATE NOCASE, b); CREATE UNIQUE INDEX i ON t(abs(b), a)", &[&[]]),
    ];
    for (sql, expected) in tables {
        let fixture = Fixture::new(sql);
        let store = fixture.store();
        let snapshot = store.snapshot(1).unwrap();
        let schema = snapshot.schema("t").unwrap().unwrap();
        assert_eq!(snapshot.unique_columns(&schema).unwrap(), expected, "{sql}");
    }
}
