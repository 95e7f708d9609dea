//! Writing: fidelity, rules of the database, locks, full and read-only databases, rollback.

use super::*;
use crate::schema::clock::{Clock, ClockKind};
use crate::store::traits::Replacement;

fn all(schema: &TableSchema) -> Vec<usize> {
    (0..schema.columns.len()).collect()
}

/// Row keys and first column of a table.
fn keyed(replacement: &mut dyn Replacement, schema: &TableSchema) -> Vec<(i64, OwnedValue)> {
    let mut rows = Vec::new();
    replacement
        .scan_keyed(schema, None, (None, None), &[0], &mut |keys, batch| {
            assert_eq!(keys.len(), batch.rows);
            rows.extend(keys.iter().copied().zip(rows_of(&batch).into_iter().map(|mut row| row.remove(0))));
            Ok(())
        })
        .unwrap();
    rows
}

/// Inserts one row into `t(a, b, …)` of this database, and gives what became of it.
fn insert_one(sql: &str, row: Vec<Value<'_>>) -> Result<(), StoreErrorKind> {
    let fixture = Fixture::new(sql);
    let mut replacement = fixture.store().replace().unwrap();
    let schema = replacement.schema("t").unwrap().unwrap();
    let inserted = replacement.insert(&schema, &all(&schema), &batch(&[row]));
    inserted.and_then(|_| replacement.commit()).map_err(|error| {
        assert!(error.place.contains("stats.db"));
        error.kind
    })
}

#[test]
fn what_is_read_is_written_back_as_it_was() {
    let columns = "(i INTEGER, r REAL, s TEXT, b BLOB, n, d DATE, x DECIMAL(9,2))";
    let source = Fixture::new(&format!(
        "CREATE TABLE t{columns};
         INSERT INTO t VALUES
           (9223372036854775807, 9e999, 'plain', x'00ff', NULL, '2024-01-05', 0.1),
           (-9223372036854775808, -9e999, '', x'', 1, 'later', '12.50'),
           ('text', 5e-324, CAST(x'ff00fe' AS TEXT), 'text', 0.5, '', 1e18),
           ('12', '0.5', CAST(x'610062' AS TEXT), '7', -0.0, ' 12x', 3.0),
           (2.5, 3, x'05', 0.25, x'', NULL, 9.3e18),
           (2.5, 3, x'05', 0.25, x'', NULL, 9.3e18);"
    ));
    let target = Fixture::new(&format!("CREATE TABLE t{columns}; INSERT INTO t(i) VALUES (99)"));
    let snapshot = source.snapshot();
    let schema = table(&*snapshot, "t");
    let mut replacement = target.store().replace().unwrap();
    assert_eq!(replacement.delete_all(&schema).unwrap(), 1);
    for part in snapshot.parts(&schema, 4).unwrap() {
        snapshot
            .scan(0, &schema, &part, 2, 1 << 20, &mut |batch| {
                replacement.insert(&schema, &all(&schema), &batch).map(drop)
            })
            .unwrap();
    }
    replacement.commit().unwrap();
    let rows = read(&*snapshot, &schema, 100);
    let bits = |rows: &[Row]| format!("{rows:?}");
    assert_eq!(rows.len(), 6);
    assert_eq!(bits(&read(&*target.snapshot(), &schema, 100)), bits(&rows));
    let quotes = "quote(i), quote(r), hex(s), quote(b), quote(n), quote(d), quote(x)";
    assert_eq!(target.dump("t", quotes), source.dump("t", quotes));
}

#[test]
fn every_number_of_rows_is_written_in_order() {
    let fixture = Fixture::new("CREATE TABLE t(n INTEGER, v)");
    let store = fixture.store();
    for count in [0usize, 1, 15, 16, 17, 33, 100] {
        let texts: Vec<String> = (0..count).map(|i| format!("text {i}")).collect();
        let value = |i: usize| match i % 5 {
            0 => Value::Null,
            1 => Value::Real(i as f64),
            2 => Value::Blob(texts[i].as_bytes()),
            3 => Value::Integer(i as i64),
            _ => Value::Text(texts[i].as_bytes()),
        };
        let rows: Vec<Vec<Value<'_>>> = (0..count).map(|i| vec![Value::Integer(i as i64), value(i)]).collect();
        let mut replacement = store.replace().unwrap();
        let schema = replacement.schema("t").unwrap().unwrap();
        replacement.delete_all(&schema).unwrap();
        let mut written = batch(&rows);
        written
            .columns
            .resize(2, crate::column::batch::Column::new(crate::column::batch::ColumnData::Integer(Vec::new())));
        replacement.insert(&schema, &[0, 1], &written).unwrap();
        replacement.commit().unwrap();
        let expected: Vec<Row> =
            rows.iter().map(|row| row.iter().map(|value| OwnedValue::from(*value)).collect()).collect();
        assert_eq!(read(&*fixture.snapshot(), &schema, 1_000), expected);
    }
}

#[test]
fn a_row_that_is_refused_takes_the_rows_before_it_along() {
    let fixture = Fixture::new("CREATE TABLE t(n INTEGER UNIQUE); INSERT INTO t VALUES (18)");
    let mut replacement = fixture.store().replace().unwrap();
    let schema = replacement.schema("t").unwrap().unwrap();
    let rows: Vec<Vec<Value<'_>>> = (0..40).map(|n| vec![Value::Integer(n)]).collect();
    assert!(matches!(kind(replacement.insert(&schema, &[0], &batch(&rows))), StoreErrorKind::Refused(_)));
    drop(replacement);
    assert_eq!(fixture.dump("t", "n"), ["18"]);
}

#[test]
fn a_value_that_the_column_would_change_is_refused() {
    let refused = |declared: &str, value: Value<'_>| {
        matches!(insert_one(&format!("CREATE TABLE t(a {declared})"), vec![value]), Err(StoreErrorKind::Refused(_)))
    };
    assert!(refused("INTEGER", Value::Text(b"12")));
    assert!(refused("TEXT", Value::Integer(12)));
    assert!(refused("REAL", Value::Integer(12)));
    assert!(refused("", Value::Real(f64::NAN)));
    assert!(refused("INTEGER PRIMARY KEY", Value::Null));
    assert!(refused("INTEGER PRIMARY KEY", Value::Text(b"x")));
    assert!(!refused("", Value::Text(b"12")));
    assert!(!refused("INTEGER", Value::Text(b"12x")));
    let utf16 = "PRAGMA encoding='UTF-16'; CREATE TABLE t(a TEXT)";
    assert!(matches!(insert_one(utf16, vec![Value::Text(b"\xff")]), Err(StoreErrorKind::Refused(_))));
    assert!(insert_one(utf16, vec![Value::Text("☎".as_bytes())]).is_ok());
}

#[test]
fn the_rules_of_the_database_hold() {
    let one = || vec![Value::Integer(1)];
    for (name, sql) in [
        ("not null", "CREATE TABLE t(a NOT NULL ON CONFLICT IGNORE)"),
        ("check", "CREATE TABLE t(a CHECK (a > 5))"),
        ("unique", "CREATE TABLE t(a UNIQUE ON CONFLICT REPLACE); INSERT INTO t VALUES (1)"),
        ("key", "CREATE TABLE t(a INTEGER PRIMARY KEY ON CONFLICT IGNORE); INSERT INTO t VALUES (1)"),
        ("strict", "CREATE TABLE t(a TEXT) STRICT"),
        ("foreign key", "CREATE TABLE p(k INTEGER PRIMARY KEY); CREATE TABLE t(a REFERENCES p(k))"),
    ] {
        let row = if name == "not null" { vec![Value::Null] } else { one() };
        let result = insert_one(sql, row);
        assert!(matches!(result, Err(StoreErrorKind::Refused(_))), "{name}: {result:?}");
    }
}

#[test]
fn parents_may_be_replaced_as_long_as_all_fits_at_the_end() {
    let fixture = Fixture::new(
        "PRAGMA foreign_keys=ON; CREATE TABLE p(k INTEGER PRIMARY KEY); CREATE TABLE c(k REFERENCES p(k));
         INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1)",
    );
    let store = fixture.store();
    let replace = |keep: &[i64]| {
        let mut replacement = store.replace().unwrap();
        let p = replacement.schema("p").unwrap().unwrap();
        assert_eq!(replacement.delete(&p, &[1, 2, 3]).unwrap(), 2);
        let rows: Vec<Vec<Value<'_>>> = keep.iter().map(|k| vec![Value::Integer(*k)]).collect();
        replacement.insert(&p, &[0], &batch(&rows)).unwrap();
        replacement.commit()
    };
    assert!(matches!(kind(replace(&[2, 3])), StoreErrorKind::Refused(_)));
    assert_eq!(fixture.dump("p", "k"), ["1", "2"]);
    replace(&[1, 2]).unwrap();
    assert_eq!(fixture.dump("p", "k"), ["1", "2"]);
}

#[test]
fn tables_whose_change_would_change_others_are_refused() {
    for (name, sql) in [
        ("trigger", "CREATE TABLE t(a); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END"),
        ("cascade", "CREATE TABLE t(a INTEGER PRIMARY KEY); CREATE TABLE c(a REFERENCES T ON DELETE CASCADE)"),
        ("set null", "CREATE TABLE t(a INTEGER PRIMARY KEY); CREATE TABLE c(a REFERENCES t ON DELETE SET NULL)"),
    ] {
        let result = insert_one(sql, vec![Value::Integer(1)]);
        assert!(matches!(result, Err(StoreErrorKind::Refused(_))), "{name}: {result:?}");
    }
}

/// What a table is cannot be lifted for a restore, as a rule can: the two are told apart.
#[test]
fn tables_whose_rows_cannot_be_named_are_not_written() {
    let wide: Vec<String> = (0..2_000).map(|at| format!("c{at}")).collect();
    for (sql, columns) in [
        ("CREATE TABLE t(a INTEGER PRIMARY KEY) WITHOUT ROWID", 1),
        ("CREATE TABLE t(rowid, _rowid_, oid)", 3),
        (&format!("CREATE TABLE t({})", wide.join(",")), 2_000),
    ] {
        let result = insert_one(sql, vec![Value::Integer(1); columns]);
        assert!(matches!(result, Err(StoreErrorKind::Unsupported(_))), "{columns}: {result:?}");
        let store = Fixture::new(sql);
        let snapshot = store.store().snapshot(1).unwrap();
        let schema = snapshot.schema("t").unwrap().unwrap();
        assert!(matches!(kind(snapshot.writable(&schema)), StoreErrorKind::Unsupported(_)), "{columns}");
    }
    let hidden = Fixture::new("CREATE TABLE t(rowid, _rowid_, oid)");
    let mut replacement = hidden.store().replace().unwrap();
    let schema = replacement.schema("t").unwrap().unwrap();
    let scanned = replacement.scan_keyed(&schema, None, (None, None), &[0], &mut |_, _| Ok(()));
    assert!(matches!(kind(scanned), StoreErrorKind::Unsupported(_)));
    assert!(matches!(kind(replacement.delete(&schema, &[1])), StoreErrorKind::Unsupported(_)));
}

#[test]
fn generated_and_left_out_columns_are_filled_by_the_database() {
    let fixture = Fixture::new("CREATE TABLE t(a, b DEFAULT 7, c AS (a * 2) STORED, \"d\"\"; DROP TABLE t\" TEXT)");
    let mut replacement = fixture.store().replace().unwrap();
    let schema = replacement.schema("t").unwrap().unwrap();
    assert_eq!(schema.columns.len(), 3);
    replacement.insert(&schema, &[2, 0], &batch(&[vec![Value::Text(b"x"), Value::Integer(4)]])).unwrap();
    replacement.commit().unwrap();
    assert_eq!(fixture.dump("t", "a, b, c, \"d\"\"; DROP TABLE t\""), ["4|7|8|x"]);
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let fixture = Fixture::new("CREATE TABLE t(a, b)");
    let store = fixture.store();
    let row = || batch(&[vec![Value::Integer(1), Value::Integer(2)]]);
    let mut uneven = row();
    uneven.columns[1].push(Value::Integer(3));
    for (columns, batch) in [(vec![0], row()), (vec![0, 2], row()), (vec![1, 1], row()), (vec![0, 1], uneven)] {
        let mut replacement = store.replace().unwrap();
        let schema = replacement.schema("t").unwrap().unwrap();
        assert!(matches!(kind(replacement.insert(&schema, &columns, &batch)), StoreErrorKind::Unsupported(_)));
        // After a failure nothing goes on, and nothing is kept.
        assert!(matches!(kind(replacement.insert(&schema, &[0, 1], &row())), StoreErrorKind::Other { .. }));
        assert!(matches!(kind(replacement.commit()), StoreErrorKind::Other { .. }));
    }
    assert_eq!(fixture.dump("t", "a"), [""; 0]);
}

#[test]
fn rows_are_found_and_deleted_by_key() {
    let fixture = Fixture::new(
        "CREATE TABLE t(d TEXT, n INTEGER); CREATE INDEX i ON t(d);
         INSERT INTO t(rowid, d, n) VALUES (-9223372036854775808, '2024-01-01', 1), (-1, '2024-01-02', 2), (0, '2024-01-02', 3),
           (1, '2024-01-02', 4), (9223372036854775807, '2024-01-03', 5)",
    );
    let store = fixture.store();
    let mut replacement = store.replace().unwrap();
    let schema = replacement.schema("T").unwrap().unwrap();
    assert_eq!(
        keyed(&mut *replacement, &schema).into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
        [i64::MIN, -1, 0, 1, i64::MAX]
    );
    let clock = Clock { kind: ClockKind::Date { date: 0 }, length: None };
    let day = crate::base::time::day_of_civil(2024, 1, 2);
    let mut found = Vec::new();
    replacement
        .scan_keyed(&schema, Some(&clock), (day, day), &[1], &mut |keys, batch| {
            found.extend(keys.iter().copied().zip(integers(&rows_of(&batch), 0)));
            Ok(())
        })
        .unwrap();
    assert_eq!(found, [(-1, 2), (0, 3), (1, 4)]);
    assert_eq!(replacement.delete(&schema, &[i64::MAX, 1, 0, 77]).unwrap(), 3);
    assert_eq!(replacement.delete(&schema, &[]).unwrap(), 0);
    replacement.commit().unwrap();
    assert_eq!(fixture.dump("t", "n"), ["1", "2"]);
    assert_eq!(store.replace().unwrap().delete_all(&schema).unwrap(), 2);
    assert_eq!(fixture.dump("t", "n"), ["1", "2"], "rolled back when dropped");
}

#[test]
fn a_change_sees_its_own_rows_and_nobody_else_does() {
    for journal in ["wal", "delete"] {
        let fixture =
            Fixture::new(&format!("PRAGMA journal_mode={journal}; CREATE TABLE t(n); INSERT INTO t VALUES (1)"));
        let store = fixture.store();
        let mut replacement = store.replace().unwrap();
        let schema = replacement.schema("t").unwrap().unwrap();
        replacement.insert(&schema, &[0], &batch(&[vec![Value::Integer(2)]])).unwrap();
        assert_eq!(keyed(&mut *replacement, &schema).len(), 2);
        assert_eq!(fixture.dump("t", "n"), ["1"]);
        replacement.commit().unwrap();
        assert_eq!(fixture.dump("t", "n"), ["1", "2"]);
    }
}

#[test]
fn a_second_change_is_busy_and_a_reader_in_rollback_mode_keeps_a_commit_out() {
    let fixture = Fixture::new("CREATE TABLE t(n)");
    let store = fixture.store();
    let mut first = store.replace().unwrap();
    assert!(matches!(kind(store.replace()), StoreErrorKind::Busy));
    let snapshot = store.snapshot(1).unwrap();
    let schema = first.schema("t").unwrap().unwrap();
    first.insert(&schema, &[0], &batch(&[vec![Value::Integer(2)]])).unwrap();
    assert!(matches!(kind(first.commit()), StoreErrorKind::Busy));
    drop(snapshot);
    assert_eq!(fixture.dump("t", "n"), [""; 0]);
    assert!(store.replace().is_ok(), "the lock is free again");
}

#[test]
fn a_full_database_is_said_to_be_full_and_stays_as_it_was() {
    let fixture = Fixture::new("CREATE TABLE t(n); INSERT INTO t VALUES ('old')");
    let mut replacement = crate::store::sqlite::replace::SqliteReplacement::begin(&fixture.path).unwrap();
    replacement.limit_pages(20);
    let schema = replacement.schema("t").unwrap().unwrap();
    let text = vec![b'x'; 1_000];
    let rows: Vec<Vec<Value<'_>>> = (0..200).map(|_| vec![Value::Text(&text)]).collect();
    assert!(matches!(kind(replacement.insert(&schema, &[0], &batch(&rows))), StoreErrorKind::Full));
    assert!(replacement.delete_all(&schema).is_err(), "nothing goes on outside the transaction");
    assert!(Box::new(replacement).commit().is_err());
    assert_eq!(fixture.dump("t", "n"), ["old"]);
}

#[test]
fn a_process_that_dies_in_the_middle_of_a_change_leaves_nothing_of_it() {
    for journal in ["wal", "delete"] {
        let fixture =
            Fixture::new(&format!("PRAGMA journal_mode={journal}; CREATE TABLE t(n); INSERT INTO t VALUES ('old')"));
        let mut replacement = crate::store::sqlite::replace::SqliteReplacement::begin(&fixture.path).unwrap();
        replacement.shrink_cache();
        let schema = replacement.schema("t").unwrap().unwrap();
        let text = vec![b'x'; 2_000];
        let rows: Vec<Vec<Value<'_>>> = (0..500).map(|_| vec![Value::Text(&text)]).collect();
        replacement.delete_all(&schema).unwrap();
        replacement.insert(&schema, &[0], &batch(&rows)).unwrap();
        // What lies on the disk now is what a process leaves that is killed now.
        let left = tempfile::tempdir().unwrap();
        let mut grown = 0;
        for suffix in ["", "-wal", "-journal"] {
            let from = format!("{}{suffix}", fixture.path.display());
            if let Ok(bytes) = std::fs::read(from) {
                grown += bytes.len();
                std::fs::write(left.path().join(format!("stats.db{suffix}")), bytes).unwrap();
            }
        }
        assert!(grown > 1_000_000, "{journal}: nothing of the change had reached the disk");
        let after = Connection::open(left.path().join("stats.db")).unwrap();
        let text: String = after.query_row("SELECT group_concat(n) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(text, "old", "{journal}");
    }
}

#[test]
fn no_room_for_the_shared_memory_of_a_log_is_a_full_disk() {
    let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE), None);
    assert!(matches!(crate::store::sqlite::fault::kind_of(&error), StoreErrorKind::Full));
}

#[test]
fn a_read_only_file_is_not_permitted() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new("CREATE TABLE t(n); INSERT INTO t VALUES (1)");
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().append(true).open(&fixture.path).is_ok() {
        // The superuser may write all the same; what SQLite says of a read-only file is mapped in one place.
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY), None);
        assert!(matches!(crate::store::sqlite::fault::kind_of(&error), StoreErrorKind::NotPermitted(_)));
        return;
    }
    let store = fixture.store();
    assert!(matches!(kind(store.replace()), StoreErrorKind::NotPermitted(_)));
    assert_eq!(read(&*fixture.snapshot(), &table(&*fixture.snapshot(), "t"), 10).len(), 1);
}
