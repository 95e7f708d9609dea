//! What is read is what is there: every type, every kind of table, in one state.

use super::*;
use crate::column::batch::{Batch, OwnedValue};
use crate::column::logical::LogicalType;
use crate::schema::clock::{Clock, ClockKind};
use crate::schema::table::TableSchema;
use crate::store::control::KeyRuns;
use crate::store::traits::{Part, Snapshot};
use OwnedValue::{Blob, Integer, Null, Real, Text};

pub(super) type Row = Vec<OwnedValue>;

fn rows_of(batch: &Batch) -> Vec<Row> {
    (0..batch.rows).map(|row| batch.row(row).map(OwnedValue::from).collect()).collect()
}

/// A database made by these statements, as a store.
pub(super) fn made(name: &str, sql: &str) -> Option<(&'static Cluster, PostgresStore)> {
    let cluster = Cluster::shared()?;
    let url = cluster.database(name);
    cluster.run(name, sql);
    Some((cluster, PostgresStore::open(&address(&url)).unwrap()))
}

pub(super) fn read(snapshot: &dyn Snapshot, table: &TableSchema, part_rows: u64) -> (Vec<Part>, Vec<Row>) {
    let parts = snapshot.parts(table, part_rows).unwrap();
    let mut rows = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        snapshot
            .scan(at, table, part, 7, 1 << 20, &mut |batch| {
                assert!(batch.rows > 0 && batch.rows <= 7);
                rows.extend(rows_of(&batch));
                Ok(())
            })
            .unwrap();
    }
    (parts, rows)
}

pub(super) fn keyed(snapshot: &dyn Snapshot, table: &TableSchema, columns: &[usize]) -> Vec<(i64, Row)> {
    let mut rows = Vec::new();
    snapshot
        .scan_keyed(0, table, None, (None, None), columns, &mut |keys, batch| {
            assert_eq!(keys.len(), batch.rows);
            rows.extend(keys.iter().copied().zip(rows_of(&batch)));
            Ok(())
        })
        .unwrap();
    rows
}

pub(super) fn text(text: &str) -> OwnedValue {
    Text(text.as_bytes().to_vec())
}

const UUID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

#[test]
fn every_type_arrives_as_what_it_is() {
    let columns = [
        ("smallint", LogicalType::Integer { bits: 16 }, "-32768", Integer(-32_768)),
        ("int", LogicalType::Integer { bits: 32 }, "2147483647", Integer(2_147_483_647)),
        ("bigint", LogicalType::Integer { bits: 64 }, "-9223372036854775808", Integer(i64::MIN)),
        ("numeric", LogicalType::Decimal { precision: 0, scale: 0 }, "1e400", text(&format!("1{}", "0".repeat(400)))),
        ("numeric(7,2)", LogicalType::Decimal { precision: 7, scale: 2 }, "2.50", text("2.50")),
        ("numeric", LogicalType::Decimal { precision: 0, scale: 0 }, "NaN", text("NaN")),
        ("real", LogicalType::Float { bits: 32 }, "0.1", Real(f64::from(0.1f32))),
        ("float8", LogicalType::Float { bits: 64 }, "0.1", Real(0.1)),
        ("float8", LogicalType::Float { bits: 64 }, "-0", Real(-0.0)),
        ("float8", LogicalType::Float { bits: 64 }, "Infinity", Real(f64::INFINITY)),
        ("bool", LogicalType::Boolean, "true", Integer(1)),
        ("char(6)", LogicalType::FixedText { width: 6 }, "ab", text("ab    ")),
        ("varchar(6)", LogicalType::Text, "ab ", text("ab ")),
        (
            "text",
            LogicalType::Text,
            "tab\tline\nback\\slash \\N \u{1F4DE}",
            text("tab\tline\nback\\slash \\N \u{1F4DE}"),
        ),
        ("text", LogicalType::Text, "\\N", text("\\N")),
        ("text", LogicalType::Text, "", text("")),
        ("date", LogicalType::Date, "2024-02-29", text("2024-02-29")),
        ("date", LogicalType::Date, "infinity", text("infinity")),
        ("date", LogicalType::Date, "0044-03-15 BC", text("0044-03-15 BC")),
        ("time", LogicalType::Time, "23:59:59.5", text("23:59:59.5")),
        ("timestamp", LogicalType::Timestamp, "2024-02-29 12:00:00.123456", text("2024-02-29 12:00:00.123456")),
        ("timestamptz", LogicalType::TimestampZone, "2024-02-29 12:00:00+02", text("2024-02-29 10:00:00+00")),
        ("bytea", LogicalType::Blob, "\\x00ff5c", Blob(vec![0, 0xFF, 0x5C])),
        ("bytea", LogicalType::Blob, "", Blob(vec![])),
        ("int[]", LogicalType::Any, "{1,NULL,3}", text("{1,NULL,3}")),
        ("text[]", LogicalType::Any, "{\"a,b\",\"c\\\\d\"}", text("{\"a,b\",\"c\\\\d\"}")),
        ("jsonb", LogicalType::Any, "{\"a\": 1}", text("{\"a\": 1}")),
        ("interval", LogicalType::Any, "1 day 02:00:00", text("1 day 02:00:00")),
        ("public.colour", LogicalType::Any, "deep red", text("deep red")),
        ("public.percent", LogicalType::Integer { bits: 16 }, "7", Integer(7)),
        ("public.part", LogicalType::Decimal { precision: 4, scale: 1 }, "7.5", text("7.5")),
        ("uuid", LogicalType::Any, UUID, text(UUID)),
        ("inet", LogicalType::Any, "10.0.0.1/8", text("10.0.0.1/8")),
    ];
    let types: Vec<String> = columns.iter().enumerate().map(|(at, (of, ..))| format!("c{at} {of}")).collect();
    let values: Vec<String> =
        columns.iter().map(|(of, _, value, _)| format!("'{}'::{of}", value.replace('\'', "''"))).collect();
    let sql = format!(
        "CREATE TYPE colour AS ENUM ('deep red'); CREATE DOMAIN percent AS smallint CHECK (VALUE < 101); \
         CREATE DOMAIN exact AS numeric(4,1); CREATE DOMAIN part AS exact NOT NULL; CREATE TABLE t({}); \
         INSERT INTO t VALUES ({}); INSERT INTO t(c30) VALUES (1)",
        types.join(","),
        values.join(",")
    );
    let Some((_, store)) = made("types", &sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("T").unwrap().unwrap();
    let logical: Vec<_> = columns.iter().map(|(_, logical, ..)| *logical).collect();
    assert_eq!(schema.logical_types(), logical);
    assert_eq!((schema.columns[28].declared.as_str(), schema.columns[30].nullable), ("public.colour", false));
    let (_, rows) = read(&*snapshot, &schema, 100);
    let expected: Vec<OwnedValue> = columns.iter().map(|(.., value)| value.clone()).collect();
    for (at, (is, wanted)) in rows[0].iter().zip(&expected).enumerate() {
        let same = match (is, wanted) {
            (Real(a), Real(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        };
        assert!(same, "{}: {is:?} is not {wanted:?}", columns[at].0);
    }
    assert_eq!(rows[1].iter().filter(|value| **value == Null).count(), columns.len() - 1);
}

#[test]
fn parts_are_the_whole_table_in_the_order_in_which_rows_lie() {
    let sql = "CREATE TABLE t(n int, pad text); INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 5000) n; \
               DELETE FROM t WHERE n % 3 = 0; CREATE TABLE empty(n int); CREATE TABLE none()";
    let Some((_, store)) = made("parts", sql) else { return };
    let snapshot = store.snapshot(3).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let expected: Vec<i64> = (1..=5000).filter(|n| n % 3 != 0).collect();
    for part_rows in [1, 100, 1_000, 1_000_000] {
        let (parts, rows) = read(&*snapshot, &schema, part_rows);
        let numbers: Vec<i64> = rows.iter().map(|row| if let Integer(n) = row[0] { n } else { -1 }).collect();
        assert_eq!(numbers, expected, "{part_rows}");
        assert!(part_rows != 100 || (25..60).contains(&parts.len()), "{}", parts.len());
        let estimate: u64 = parts.iter().map(|part| part.rows).sum();
        assert!((2_500..4_500).contains(&estimate), "{estimate} rows estimated");
    }
    let empty = snapshot.schema("empty").unwrap().unwrap();
    assert_eq!(read(&*snapshot, &empty, 10), (Vec::new(), Vec::new()));
    assert_eq!(snapshot.tables().unwrap(), ["empty", "t"], "nothing can be put into the other");
}

#[test]
fn rows_are_found_by_their_keys() {
    let sql =
        "CREATE TABLE t(n int, pad text); INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n";
    let Some((_, store)) = made("keys", sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let all = keyed(&*snapshot, &schema, &[0]);
    assert_eq!(all.len(), 20_000);
    assert!(all.is_sorted_by(|left, right| left.0 < right.0));
    // Near each other, far apart, and so many far apart that they are listed.
    for step in [1usize, 10, 37, 9_999] {
        let wanted: Vec<&(i64, Row)> = all.iter().step_by(step).collect();
        let mut keys = KeyRuns::of_keys(&wanted.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        keys.add_run(1 << 40, (1 << 40) + 3);
        // Nobody writes such a run, but somebody may alter the journal.
        keys.add_run(1 << 41, (1 << 47) + 3);
        let mut found = Vec::new();
        snapshot
            .scan_runs(0, &schema, &keys, &[0], &mut |keys, batch| {
                found.extend(keys.iter().copied().zip(rows_of(&batch)));
                Ok(())
            })
            .unwrap();
        found.sort_by_key(|(key, _)| *key);
        assert!(found.iter().eq(wanted.into_iter()), "every {step}th");
    }
}

#[test]
fn a_partitioned_table_is_one_table() {
    let sql = "CREATE TABLE t(day date, n int) PARTITION BY RANGE (day); \
               CREATE TABLE a PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2024-01-02'); \
               CREATE TABLE b(n int, day date); \
               ALTER TABLE t ATTACH PARTITION b FOR VALUES FROM ('2024-01-02') TO ('2024-01-03'); \
               CREATE TABLE rest PARTITION OF t DEFAULT PARTITION BY LIST (n); CREATE TABLE rest1 PARTITION OF rest DEFAULT; \
               INSERT INTO t SELECT date '2024-01-01' + n % 4, n FROM generate_series(0, 399) n; \
               CREATE TABLE parent(n int); CREATE TABLE child() INHERITS (parent); INSERT INTO parent VALUES (1); \
               INSERT INTO child VALUES (2)";
    let Some((_, store)) = made("partitioned", sql) else { return };
    let snapshot = store.snapshot(2).unwrap();
    assert_eq!(snapshot.tables().unwrap(), ["child", "parent", "t"]);
    let schema = snapshot.schema("t").unwrap().unwrap();
    let (_, mut rows) = read(&*snapshot, &schema, 50);
    let leaf = |row: &Row| matches!(&row[0], Text(day) if day < &b"2024-01-03".to_vec());
    assert_eq!((rows.len(), rows.iter().filter(|row| leaf(row)).count()), (400, 200));
    let all = keyed(&*snapshot, &schema, &[0, 1]);
    let mut unique: Vec<i64> = all.iter().map(|(key, _)| *key).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 400, "no two rows have one key");
    let mut keyed_rows: Vec<Row> = all.iter().map(|(_, row)| row.clone()).collect();
    let order = |row: &Row| if let Integer(n) = row[1] { n } else { -1 };
    rows.sort_by_key(order);
    keyed_rows.sort_by_key(order);
    assert_eq!(rows, keyed_rows);
    let clock = Clock { kind: ClockKind::Date { date: 0 }, length: None };
    let mut days = 0;
    let second = Some(19_724);
    snapshot
        .scan_days(1, &schema, &clock, (second, second), &[0, 1], &mut |batch| {
            days += batch.rows;
            Ok(())
        })
        .unwrap();
    assert_eq!(days, 100);
    let wanted = KeyRuns::of_keys(&all.iter().filter(|(_, row)| leaf(row)).map(|(key, _)| *key).collect::<Vec<_>>());
    let mut found = 0;
    snapshot
        .scan_runs(0, &schema, &wanted, &[1], &mut |_, batch| {
            found += batch.rows;
            Ok(())
        })
        .unwrap();
    assert_eq!(found, 200);
    let parent = snapshot.schema("parent").unwrap().unwrap();
    assert_eq!(read(&*snapshot, &parent, 50).1, [vec![Integer(1)]], "rows of a child are the child's");
}

#[test]
fn all_readers_see_one_state_and_a_writer_goes_on() {
    let Some((cluster, store)) = made("state", "CREATE TABLE t(n int); INSERT INTO t VALUES (1), (2)") else { return };
    let snapshot = store.snapshot(3).unwrap();
    assert_eq!(snapshot.readers(), 3);
    cluster.run("state", "INSERT INTO t VALUES (3); UPDATE t SET n = 9 WHERE n = 1; ALTER TABLE t ADD x int");
    let schema = snapshot.schema("t").unwrap().unwrap();
    for reader in 0..3 {
        let mut rows = Vec::new();
        let part = Part { first: 0, last: i64::MAX, rows: 0 };
        snapshot
            .scan(reader, &schema, &part, 10, 1_000, &mut |batch| {
                rows.extend(rows_of(&batch));
                Ok(())
            })
            .unwrap();
        assert_eq!(rows, [[Integer(1)], [Integer(2)]], "reader {reader}");
    }
}

#[test]
fn names_of_all_kinds_are_found_and_those_that_would_be_mixed_up_are_left_out() {
    let long = "n".repeat(63);
    let sql = format!(
        "CREATE TABLE \"select\"(\"from\" int, \"a\"\"b; DROP TABLE x; --\" int); CREATE TABLE \"Mixed\"(\"Ab\" int); \
         CREATE TABLE \"quo\"\"te\"(n int); CREATE TABLE {long}(n int); CREATE TABLE twin(n int); CREATE TABLE \"TWIN\"(n int); \
         CREATE TABLE columns(a int, \"A\" int); CREATE SCHEMA other; CREATE TABLE other.hidden(n int); \
         CREATE VIEW v AS SELECT 1; CREATE TABLE generated(n int, twice int GENERATED ALWAYS AS (n * 2) STORED); \
         INSERT INTO generated VALUES (4)"
    );
    let Some((cluster, store)) = made("names", &sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    assert_eq!(snapshot.tables().unwrap(), ["Mixed", "generated", &long, "quo\"te", "select"]);
    let unlisted = snapshot.unlisted().unwrap();
    let names: Vec<&str> = unlisted.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["TWIN", "columns", "twin", "other.*"], "{unlisted:?}");
    for table in ["SELECT", "mixed", "quo\"te"] {
        let schema = snapshot.schema(table).unwrap().unwrap();
        assert_eq!(read(&*snapshot, &schema, 10).1, Vec::<Row>::new());
    }
    assert_eq!(snapshot.schema(&format!("{long}n")).unwrap(), None, "a longer name is not cut");
    let generated = snapshot.schema("generated").unwrap().unwrap();
    assert_eq!(read(&*snapshot, &generated, 10).1, [[Integer(4)]]);
    let other = PostgresStore::open(&address(&format!("{}&schema=other", cluster.url("names")))).unwrap();
    assert_eq!(other.snapshot(1).unwrap().tables().unwrap(), ["hidden"]);
}

#[test]
fn a_server_without_a_snapshot_to_share_is_read_by_one_session() {
    let Some((cluster, _)) = made("alone", "CREATE TABLE t(n int); INSERT INTO t VALUES (1)") else { return };
    cluster.run("alone", "CREATE ROLE no_export LOGIN; GRANT SELECT ON t TO no_export");
    cluster.run("alone", "REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC");
    let url = cluster.url("alone").replace("postgres@", "no_export@").replace("user=postgres", "user=no_export");
    let store = PostgresStore::open(&address(&url)).unwrap();
    let snapshot = store.snapshot(2).unwrap();
    assert_eq!(snapshot.readers(), 1);
    assert!(snapshot.notices()[0].contains("by one session alone"), "{:?}", snapshot.notices());
    let schema = snapshot.schema("t").unwrap().unwrap();
    assert_eq!(read(&*snapshot, &schema, 10).1, [[Integer(1)]]);
}

#[test]
fn an_empty_table_that_may_not_be_read_is_no_empty_table() {
    let Some((cluster, _)) = made("unread", "CREATE TABLE t(n int); CREATE ROLE no_reader LOGIN") else { return };
    let url = cluster.url("unread").replace("user=postgres", "user=no_reader");
    let snapshot = PostgresStore::open(&address(&url)).unwrap().snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let error = snapshot.parts(&schema, 10).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::NotPermitted(_)), "{error}");
}

#[test]
fn rules_by_which_rows_must_differ_are_known() {
    let sql = "CREATE TABLE t(a int PRIMARY KEY, b text UNIQUE, c int, d int); CREATE UNIQUE INDEX ON t(c, d); \
               CREATE UNIQUE INDEX ON t(lower(b), c); CREATE INDEX ON t(d)";
    let Some((_, store)) = made("unique_rules", sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let mut rules = snapshot.unique_columns(&schema).unwrap();
    rules.sort();
    assert_eq!(rules, [vec![0], vec![1], vec![2], vec![2, 3]]);
}
