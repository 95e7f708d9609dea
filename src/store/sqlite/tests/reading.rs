//! Reading: schema, parts, scans, snapshots.

use super::*;
use crate::base::time::day_of_civil;
use crate::column::logical::LogicalType;
use crate::schema::clock::{Clock, ClockKind};
use crate::store::sqlite::reader::Reader;
use crate::store::sqlite::{days, shape};
use crate::store::traits::DayCount;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

const DATES: &str = "CREATE TABLE h(row_date TEXT, starttime INTEGER, n INTEGER);";

fn dated(date: usize) -> Clock {
    Clock { kind: ClockKind::Date { date }, length: None }
}

fn day(text: &str) -> i32 {
    days::canonical_day(text.as_bytes()).unwrap()
}

#[test]
fn every_kind_of_value_is_read_as_it_is() {
    let fixture = Fixture::new(
        "CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, n);
         INSERT INTO t VALUES
           (9223372036854775807, 9e999, 'plain', x'00ff', NULL),
           (-9223372036854775808, -9e999, '', x'', 1),
           ('text in an integer column', 5e-324, CAST(x'ff00fe' AS TEXT), 'text in a blob column', 0.5),
           (x'01', 'text in a real column', CAST(x'610062' AS TEXT), 7, -0.0),
           (2.5, 3, x'05', 0.25, x'');",
    );
    let snapshot = fixture.snapshot();
    let rows = read(&*snapshot, &table(&*snapshot, "T"), 1_000);
    let text = |bytes: &[u8]| OwnedValue::Text(bytes.to_vec());
    let blob = |bytes: &[u8]| OwnedValue::Blob(bytes.to_vec());
    use OwnedValue::{Integer, Null, Real};
    assert_eq!(
        rows,
        vec![
            vec![Integer(i64::MAX), Real(f64::INFINITY), text(b"plain"), blob(b"\x00\xff"), Null],
            vec![Integer(i64::MIN), Real(f64::NEG_INFINITY), text(b""), blob(b""), Integer(1)],
            vec![
                text(b"text in an integer column"),
                Real(5e-324),
                text(b"\xff\x00\xfe"),
                text(b"text in a blob column"),
                Real(0.5)
            ],
            vec![blob(b"\x01"), text(b"text in a real column"), text(b"a\x00b"), Integer(7), Real(-0.0)],
            vec![Real(2.5), Real(3.0), blob(b"\x05"), Real(0.25), blob(b"")],
        ]
    );
    let OwnedValue::Real(zero) = rows[3][4] else { panic!() };
    assert!(zero.is_sign_negative());
}

#[test]
fn the_schema_is_the_database_s_own() {
    let fixture = Fixture::new(
        "CREATE TABLE Hsplit(
            id INTEGER PRIMARY KEY, row_date DATE NOT NULL, logid CHAR(10) COLLATE NOCASE, n SMALLINT DEFAULT 5,
            twice INTEGER GENERATED ALWAYS AS (n * 2) VIRTUAL, kept INTEGER AS (n * 3) STORED, rate DECIMAL(5,2));
         CREATE VIEW v AS SELECT 1 AS a;
         CREATE TABLE odd(k INTEGER PRIMARY KEY DESC, v);
         CREATE TABLE auto(k INTEGER PRIMARY KEY AUTOINCREMENT);
         INSERT INTO auto VALUES (1);
         CREATE VIRTUAL TABLE words USING fts5(body);
         CREATE TABLE strict(a ANY, b INTEGER NOT NULL) STRICT;",
    );
    let snapshot = fixture.snapshot();
    assert_eq!(snapshot.tables().unwrap(), ["Hsplit", "auto", "odd", "strict"]);
    for none in ["v", "words", "words_data", "sqlite_schema", "sqlite_sequence", "nothing", "", "Hsplit\0x"] {
        assert_eq!(snapshot.schema(none).unwrap(), None, "{none}");
    }
    let schema = table(&*snapshot, "HSPLIT");
    assert_eq!(schema.name, "Hsplit");
    let facts: Vec<_> = schema
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.logical, c.nullable, c.has_default, c.declared.as_str(), c.collation.as_str()))
        .collect();
    assert_eq!(
        facts,
        [
            ("id", LogicalType::Integer { bits: 64 }, false, true, "INTEGER", ""),
            ("row_date", LogicalType::Date, false, false, "DATE", ""),
            ("logid", LogicalType::FixedText { width: 10 }, true, false, "CHAR(10)", "NOCASE"),
            ("n", LogicalType::Integer { bits: 16 }, true, true, "SMALLINT", ""),
            ("rate", LogicalType::Decimal { precision: 5, scale: 2 }, true, false, "DECIMAL(5,2)", ""),
        ]
    );
    assert!(table(&*snapshot, "odd").columns[0].nullable);
}

#[test]
fn names_of_every_sort_are_read() {
    let names = ["select", "a b", "quo\"te", "d'or", "semi;colon", "-- comment", "☎ calls", "[x]", "rowid", "x\u{301}"];
    let fixture = Fixture::new("CREATE TABLE seed(a)");
    for name in names {
        let quoted = crate::store::name::quoted(name);
        let sql = format!("CREATE TABLE {quoted}({quoted} TEXT, \"%s\" INTEGER); INSERT INTO {quoted} VALUES ('v', 3)");
        fixture.connection().execute_batch(&sql).unwrap();
    }
    let snapshot = fixture.snapshot();
    for name in names {
        let schema = table(&*snapshot, name);
        assert_eq!(schema.columns[0].name, name);
        assert_eq!(read(&*snapshot, &schema, 10), [[OwnedValue::Text(b"v".to_vec()), OwnedValue::Integer(3)]]);
    }
}

#[test]
fn a_column_that_went_away_is_an_error_and_no_text() {
    let fixture = Fixture::new("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2)");
    let schema = table(&*fixture.snapshot(), "t");
    fixture.connection().execute_batch("ALTER TABLE t RENAME COLUMN b TO c").unwrap();
    let part = Part { first: 1, last: 1, rows: 1 };
    let late = fixture.snapshot();
    assert!(matches!(kind(late.scan(0, &schema, &part, 10, 10, &mut |_| Ok(()))), StoreErrorKind::Unsupported(_)));
    drop(late);
    fixture.connection().execute_batch("DROP TABLE t").unwrap();
    let gone = fixture.snapshot();
    assert!(matches!(kind(gone.parts(&schema, 10)), StoreErrorKind::NoTable(_)));
}

#[test]
fn parts_cover_each_row_once_however_the_row_numbers_lie() {
    let fill = |ids: &[i64]| {
        let fixture = Fixture::new("CREATE TABLE t(k INTEGER PRIMARY KEY)");
        let connection = fixture.connection();
        connection.execute_batch("BEGIN").unwrap();
        for id in ids {
            connection.execute("INSERT INTO t VALUES (?1)", [id]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        fixture
    };
    let dense: Vec<i64> = (1..=3_000).collect();
    let holed: Vec<i64> = (1..=6_000).filter(|i| i % 3 != 0).collect();
    let sparse: Vec<i64> = (0..1_000).map(|i| i * 1_000_003 - 77).collect();
    let ends = vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let clusters: Vec<i64> =
        (0..700).chain((0..700).map(|i| i64::MAX - i)).chain((0..700).map(|i| i64::MIN + i)).collect();
    for ids in [dense, holed, sparse, ends, clusters, vec![5], vec![i64::MAX]] {
        let fixture = fill(&ids);
        let snapshot = fixture.snapshot();
        let schema = table(&*snapshot, "t");
        let mut expected = ids.clone();
        expected.sort_unstable();
        for rows in [1, 100, 1_000_000] {
            if rows == 1 && ids.len() > 1_000 {
                continue;
            }
            let parts = snapshot.parts(&schema, rows).unwrap();
            assert!(parts.windows(2).all(|pair| pair[0].last < pair[1].first));
            let mut seen = Vec::new();
            for part in &parts {
                let rows_here = integers(&read_part(&*snapshot, &schema, part), 0);
                assert!(rows_here.len() as u64 <= rows.saturating_mul(2), "{} rows in {part:?}", rows_here.len());
                seen.extend(rows_here);
            }
            assert_eq!(seen, expected);
        }
    }
    let empty = fill(&[]);
    let snapshot = empty.snapshot();
    assert_eq!(snapshot.parts(&table(&*snapshot, "t"), 100).unwrap(), []);
}

#[test]
fn a_part_of_part_size_zero_is_still_a_part() {
    let fixture = Fixture::new("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)");
    let snapshot = fixture.snapshot();
    assert_eq!(integers(&read(&*snapshot, &table(&*snapshot, "t"), 0), 0), [1, 2]);
}

#[test]
fn tables_without_rowid_and_with_hidden_rowid_are_read_in_one_part() {
    let fixture = Fixture::new(
        "CREATE TABLE w(b TEXT, a INTEGER, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
         INSERT INTO w VALUES ('y', 2, 0), ('z', 1, 0), ('x', 2, 0);
         CREATE INDEX w_c ON w(c);
         CREATE TABLE hidden(rowid, _rowid_, oid);
         INSERT INTO hidden VALUES (3, 0, 0), (1, 0, 0), (2, 0, 0);
         CREATE TABLE shadowed(rowid TEXT, _rowid_ TEXT);
         INSERT INTO shadowed VALUES ('p', 'q'), ('r', 's');
         CREATE TABLE empty(a PRIMARY KEY) WITHOUT ROWID;",
    );
    let snapshot = fixture.snapshot();
    let rows = read(&*snapshot, &table(&*snapshot, "w"), 1);
    assert_eq!(integers(&rows, 1), [1, 2, 2]);
    assert_eq!(rows[1][0], OwnedValue::Text(b"x".to_vec()));
    assert_eq!(integers(&read(&*snapshot, &table(&*snapshot, "hidden"), 1), 0), [3, 1, 2]);
    assert_eq!(read(&*snapshot, &table(&*snapshot, "shadowed"), 1).len(), 2);
    assert_eq!(snapshot.parts(&table(&*snapshot, "shadowed"), 1).unwrap().len(), 2);
    assert_eq!(snapshot.parts(&table(&*snapshot, "empty"), 1).unwrap(), []);
}

#[test]
fn a_utf16_database_is_read_as_utf8() {
    let fixture =
        Fixture::new("PRAGMA encoding='UTF-16le'; CREATE TABLE t(\"naïve ☎\" TEXT); INSERT INTO t VALUES ('ä☎😀')");
    let snapshot = fixture.snapshot();
    let rows = read(&*snapshot, &table(&*snapshot, "t"), 10);
    assert_eq!(rows, [[OwnedValue::Text("ä☎😀".as_bytes().to_vec())]]);
}

#[test]
fn a_table_wider_than_a_function_s_arguments_is_read() {
    let names: Vec<String> = (0..1_500).map(|i| format!("c{i}")).collect();
    let values: Vec<String> = (0..1_500).map(|i| i.to_string()).collect();
    let sql = format!("CREATE TABLE wide({}); INSERT INTO wide VALUES ({})", names.join(","), values.join(","));
    let fixture = Fixture::new(&sql);
    let snapshot = fixture.snapshot();
    let schema = table(&*snapshot, "wide");
    let rows = read(&*snapshot, &schema, 10);
    let expected: Vec<OwnedValue> = (0..1_500).map(OwnedValue::Integer).collect();
    assert_eq!(rows, [expected]);
    let mut replacement = fixture.store().replace().unwrap();
    let all: Vec<usize> = (0..1_500).collect();
    let mut keys = Vec::new();
    replacement
        .scan_keyed(&schema, None, (None, None), &all, &mut |some, batch| {
            assert_eq!(batch.columns[1_499].get(0), Value::Integer(1_499));
            keys.extend_from_slice(some);
            Ok(())
        })
        .unwrap();
    assert_eq!(keys, [1]);
}

#[test]
fn batches_end_by_rows_and_by_bytes_and_a_sink_can_stop_the_scan() {
    let fixture = Fixture::new(
        "CREATE TABLE t(s TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100)
         INSERT INTO t SELECT printf('%050d', i) FROM n",
    );
    let snapshot = fixture.snapshot();
    let schema = table(&*snapshot, "t");
    let part = Part { first: 1, last: 100, rows: 100 };
    let sizes = |rows: usize, bytes: usize| {
        let mut sizes = Vec::new();
        let mut sink = |batch: Batch| {
            sizes.push(batch.rows);
            Ok(())
        };
        snapshot.scan(0, &schema, &part, rows, bytes, &mut sink).unwrap();
        sizes
    };
    assert_eq!(sizes(30, 1 << 20), [30, 30, 30, 10]);
    assert_eq!(sizes(100, 580).first(), Some(&10));
    assert_eq!(sizes(0, 0).len(), 100);
    let mut calls = 0;
    let stopped = snapshot.scan(0, &schema, &part, 10, 1 << 20, &mut |_| {
        calls += 1;
        Err(StoreError { op: "x".into(), place: "y".into(), kind: StoreErrorKind::Stopped })
    });
    assert!(matches!(kind(stopped), StoreErrorKind::Stopped));
    assert_eq!(calls, 1);
    assert_eq!(sizes(100, 1 << 20), [100]);
}

#[test]
fn days_are_in_order_only_if_proved() {
    let days = |sql: &str| {
        let fixture = Fixture::new(&format!("{DATES}{sql}"));
        let snapshot = fixture.snapshot();
        snapshot.days_in_order(&table(&*snapshot, "h"), &dated(0)).unwrap()
    };
    let index = "CREATE INDEX i ON h(row_date, starttime);";
    let ordered = "INSERT INTO h VALUES ('2024-01-01', 0, 1), ('2024-01-01', 30, 1), ('2024-01-03', 0, 1);";
    let counted = vec![DayCount { day: day("2024-01-01"), rows: 2 }, DayCount { day: day("2024-01-03"), rows: 1 }];
    assert_eq!(days(&format!("{index}{ordered}")), Some(counted.clone()));
    assert_eq!(days(&format!("CREATE INDEX i ON h(row_date DESC, n);{ordered}")), Some(counted));
    assert_eq!(days(ordered), None, "no index");
    assert_eq!(days(&format!("CREATE INDEX i ON h(starttime, row_date);{ordered}")), None, "not the first column");
    assert_eq!(days(&format!("CREATE INDEX i ON h(row_date) WHERE starttime > 0;{ordered}")), None, "partial");
    assert_eq!(days(&format!("CREATE INDEX i ON h(substr(row_date, 1));{ordered}")), None, "an expression");
    for late in ["'2023-12-31'", "'2024-01-01'", "NULL", "'2024-1-5'", "20240105", "x'323032342d30312d3035'"] {
        assert_eq!(days(&format!("{index}{ordered}INSERT INTO h VALUES ({late}, 0, 1)")), None, "{late}");
    }
    assert_eq!(days(index), Some(Vec::new()));
}

#[test]
fn a_day_range_is_served_by_an_index() {
    let fixture = Fixture::new(&format!(
        "{DATES} CREATE INDEX i ON h(row_date, starttime);
         CREATE TABLE d(row_date DATE, n); CREATE INDEX di ON d(row_date);
         CREATE TABLE e(at INTEGER, n); CREATE INDEX ei ON e(at);"
    ));
    let reader = Reader::new(fixture.connection()).unwrap();
    let epoch = Clock { kind: ClockKind::EpochSeconds { at: 0, zone: "UTC".into() }, length: None };
    for (name, clock, index) in [("h", dated(0), "i"), ("d", dated(0), "di"), ("e", epoch, "ei")] {
        let shape = shape::load(&reader, name).unwrap().unwrap();
        for range in [(Some(1), Some(2)), (None, Some(2)), (Some(1), None)] {
            let condition = days::condition(&shape, &clock, range);
            let scan = crate::store::sqlite::snapshot::scan_of_days(&shape, &[1], Some("rowid"), &condition);
            let sql = scan.sql(&["rowid".into(), "n".into()], false).replace("\"n\"", "n");
            let mut plan = reader.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan
                .query_map(scan.parameters.as_slice(), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(steps.len(), 1, "{steps:?}");
            assert!(steps[0].starts_with(&format!("SEARCH {name} USING INDEX {index} (")), "{steps:?}");
        }
    }
}

#[test]
fn a_day_range_brings_every_row_of_its_days() {
    let fixture = Fixture::new(&format!(
        "{DATES} CREATE INDEX i ON h(row_date);
         INSERT INTO h VALUES ('2024-01-01', 0, 1), ('2024-01-02', 0, 2), ('2024-01-02', 30, 3), ('2024-01-03', 0, 4),
           (NULL, 0, 5), ('', 0, 6), (7, 0, 7), ('2024-01-02 10:00', 0, 8), ('9999-12-31', 0, 9), ('0001-01-01', 0, 10);"
    ));
    let snapshot = fixture.snapshot();
    let schema = table(&*snapshot, "h");
    let got = |first: Option<i32>, last: Option<i32>| {
        let mut numbers = BTreeSet::new();
        snapshot
            .scan_days(0, &schema, &dated(0), (first, last), &[2, 0], &mut |batch| {
                assert_eq!(batch.columns.len(), 2);
                numbers.extend(integers(&rows_of(&batch), 0));
                Ok(())
            })
            .unwrap();
        numbers.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(got(Some(day("2024-01-02")), Some(day("2024-01-02"))), [2, 3, 8]);
    assert_eq!(got(None, Some(day("2024-01-01"))), [1, 6, 10]);
    // A number in a TEXT column is the text of the number.
    assert_eq!(got(Some(day("2024-01-03")), None), [4, 7, 9]);
    assert_eq!(got(None, None), (1..=10).collect::<Vec<_>>());
    assert_eq!(got(Some(i32::MIN), Some(i32::MAX)), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert_eq!(got(Some(day("9999-12-31")), Some(day("9999-12-31"))), [9]);
    assert_eq!(got(day_of_civil(2030, 1, 1), day_of_civil(2029, 1, 1)), Vec::<i64>::new());
    let outside = snapshot.scan_days(0, &schema, &dated(0), (None, None), &[3], &mut |_| Ok(()));
    assert!(matches!(kind(outside), StoreErrorKind::Unsupported(_)));
}

#[test]
fn epoch_seconds_come_with_a_day_of_slack_and_from_text_columns_all() {
    let second = i64::from(day("2024-06-01")) * 86_400;
    let fixture = Fixture::new(&format!(
        "CREATE TABLE e(at INTEGER); CREATE TABLE s(at TEXT);
         INSERT INTO e VALUES ({second} - 50000), ({second}), ({second} + 120000), ({second} - 90000), ({second} + 173000);
         INSERT INTO s SELECT at FROM e;"
    ));
    let snapshot = fixture.snapshot();
    let clock = Clock { kind: ClockKind::EpochSeconds { at: 0, zone: "Asia/Tokyo".into() }, length: None };
    let count = |name: &str| {
        let mut rows = 0;
        let days = (Some(day("2024-06-01")), Some(day("2024-06-01")));
        let schema = table(&*snapshot, name);
        snapshot
            .scan_days(0, &schema, &clock, days, &[], &mut |batch| {
                rows += batch.rows;
                Ok(())
            })
            .unwrap();
        rows
    };
    assert_eq!(count("e"), 3);
    assert_eq!(count("s"), 5);
}

#[test]
fn readers_see_one_state_while_a_writer_commits() {
    for journal in ["wal", "delete"] {
        let fixture =
            Fixture::new(&format!("PRAGMA journal_mode={journal}; CREATE TABLE t(n); INSERT INTO t VALUES (0)"));
        let stop = AtomicBool::new(false);
        let store = fixture.store();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let connection = fixture.connection();
                connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
                connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
                let mut commits = 0u32;
                while !stop.load(Ordering::Relaxed) {
                    connection.execute("UPDATE t SET n = n + 1", []).unwrap();
                    commits += 1;
                    if commits.is_multiple_of(16) {
                        std::thread::sleep(std::time::Duration::from_micros(300));
                    }
                }
                commits
            });
            let mut several = 0;
            for _ in 0..20 {
                let snapshot = store.snapshot(3).unwrap();
                let schema = table(&*snapshot, "t");
                let part = Part { first: 1, last: 1, rows: 1 };
                let mut seen = BTreeSet::new();
                for reader in [2, 0, 1, 2, 0] {
                    let mut sink = |batch: Batch| {
                        seen.extend(integers(&rows_of(&batch), 0));
                        Ok(())
                    };
                    snapshot.scan(reader, &schema, &part, 10, 1_000, &mut sink).unwrap();
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
                assert_eq!(seen.len(), 1, "{journal}: {seen:?}");
                several += usize::from(snapshot.readers() == 3);
                assert_eq!(snapshot.notices().iter().any(|notice| notice.contains("journal_mode")), journal != "wal");
            }
            stop.store(true, Ordering::Relaxed);
            assert!(writer.join().unwrap() > 20, "{journal}: the writer hardly came to write");
            assert!(several > 0, "{journal}: there never were several readers");
        });
    }
}

#[test]
fn a_snapshot_can_be_asked_while_all_its_readers_scan() {
    let fixture = Fixture::new("CREATE TABLE t(n); INSERT INTO t VALUES (1)");
    let snapshot = fixture.store().snapshot(1).unwrap();
    assert_eq!(snapshot.readers(), 1);
    let schema = table(&*snapshot, "t");
    let part = Part { first: 1, last: 1, rows: 1 };
    let mut tables = Vec::new();
    let mut sink = |_| {
        std::thread::scope(|scope| tables = scope.spawn(|| snapshot.tables().unwrap()).join().unwrap());
        Ok(())
    };
    snapshot.scan(0, &schema, &part, 10, 1_000, &mut sink).unwrap();
    assert_eq!(tables, ["t"]);
}

#[test]
fn a_writer_is_not_held_up_by_a_snapshot_in_wal_mode() {
    let fixture = Fixture::new("PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES (1)");
    let snapshot = fixture.store().snapshot(2).unwrap();
    let connection = fixture.connection();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    connection.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(read(&*snapshot, &table(&*snapshot, "t"), 10).len(), 1);
    assert_eq!(read(&*fixture.snapshot(), &table(&*snapshot, "t"), 10).len(), 2);
}

#[test]
fn reading_leaves_the_database_file_as_it_is() {
    for journal in ["wal", "delete"] {
        let fixture =
            Fixture::new(&format!("PRAGMA journal_mode={journal}; CREATE TABLE t(n); INSERT INTO t VALUES (1)"));
        let before = std::fs::read(&fixture.path).unwrap();
        let snapshot = fixture.store().snapshot(2).unwrap();
        assert_eq!(read(&*snapshot, &table(&*snapshot, "t"), 10).len(), 1);
        drop(snapshot);
        assert!(std::fs::read(&fixture.path).unwrap() == before);
    }
}

#[test]
fn a_schema_that_cannot_be_read_is_said_so() {
    let fixture = Fixture::new("CREATE TABLE t(abcdef); CREATE TABLE fine(a)");
    let connection = fixture.connection();
    let rename = "PRAGMA writable_schema=ON;
                  UPDATE sqlite_schema SET sql = CAST(replace(CAST(sql AS BLOB), x'616263', x'ff4243') AS TEXT) WHERE name = 't'";
    connection.execute_batch(rename).unwrap();
    drop(connection);
    let snapshot = fixture.snapshot();
    assert!(matches!(kind(snapshot.schema("t")), StoreErrorKind::Unsupported(_)));
    assert!(snapshot.schema("fine").unwrap().is_some());
    let connection = fixture.connection();
    let ruin = "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t(' WHERE name = 't'";
    drop(snapshot);
    connection.execute_batch(ruin).unwrap();
    drop(connection);
    assert!(matches!(kind(SqliteStore::open(&fixture.path)), StoreErrorKind::Damaged(_)));
}

#[test]
fn an_exclusive_lock_is_busy() {
    let fixture = Fixture::new("CREATE TABLE t(n)");
    let store = fixture.store();
    let other = fixture.connection();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(matches!(kind(store.snapshot(2)), StoreErrorKind::Busy));
}
