//! Writing: fidelity, rules of the database, locks, rights, rollback.

use super::reading::{keyed, made, read, text};
use super::*;
use crate::base::time::Day;
use crate::column::batch::{Batch, Column, ColumnData, Value};
use crate::schema::clock::{Clock, ClockKind};
use crate::schema::table::TableSchema;
use crate::store::control::KeyRuns;
use crate::store::error::StoreError;
use crate::store::traits::Replacement;
use std::time::Duration;

/// A batch of these rows.
pub(super) fn batch(rows: &[Vec<Value<'_>>]) -> Batch {
    let width = rows.first().map_or(0, Vec::len);
    let mut columns = vec![Column::new(ColumnData::Integer(Vec::new())); width];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(*value);
        }
    }
    Batch { columns, rows: rows.len() }
}

/// A batch of one column of whole numbers.
pub(super) fn numbers(values: &[i64]) -> Batch {
    Batch::new(vec![Column::new(ColumnData::Integer(values.to_vec()))])
}

pub(super) fn kind<T>(result: Result<T, StoreError>) -> StoreErrorKind {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => {
            assert!(!error.op.is_empty() && !error.place.is_empty(), "{error}");
            error.kind
        }
    }
}

/// Begins a change of the table `t`.
pub(super) fn begin(store: &PostgresStore) -> (Box<dyn Replacement>, TableSchema) {
    let mut replacement = store.replace().unwrap();
    let schema = replacement.schema("t").unwrap().unwrap();
    (replacement, schema)
}

fn all(schema: &TableSchema) -> Vec<usize> {
    (0..schema.columns.len()).collect()
}

/// The values of the first column of `t`, sorted as text.
fn column(cluster: &Cluster, database: &str, sql: &str) -> Vec<String> {
    let rows = cluster.query(database, sql);
    rows.into_iter().map(|mut row| row.remove(0).unwrap_or_default()).collect()
}

/// Statements that make and fill a table with every type there is to carry.
const TYPES: &str =
    "CREATE TYPE colour AS ENUM ('deep red', 'blue'); CREATE DOMAIN percent AS smallint CHECK (VALUE < 101);
    CREATE DOMAIN exact AS numeric(6,2);
    CREATE TABLE t(i2 smallint, i4 int, i8 bigint, n numeric, n2 numeric(9,2), n3 numeric(6,-2), f4 real, f8 float8,
      b boolean, c char(6), v varchar(6), s text, d date, h time, h3 time(3), ts timestamp, tz timestamptz,
      htz timetz, y bytea, a int[], sa text[], j json, jb jsonb, iv interval, u uuid, ip inet, e colour, p percent,
      x exact, o oid, one \"char\", nm name, m money, bi bit(5), pt point, r int4range)";
const ROWS: [&str; 4] = [
    "INSERT INTO t VALUES (32767, -2147483648, 9223372036854775807, 1e300, 12.50, 1200, 0.1, 0.1, true, 'ab', 'ab  ',
      E'tab\\tline\\nreturn\\rback\\\\slash \\\\N \u{1F4DE}', '2024-02-29', '23:59:59.999999', '07:00:00.5',
      '2024-02-29 12:00:00.123456', '2024-02-29 12:00:00+02', '07:00:00+03', '\\x00ff5c0a09', '{1,NULL,3}',
      '{\"a,b\",\"c\\\\\\\\d\",\"\"}', '{\"a\":  1}', '{\"a\": 1}', '1 mon 2 days 03:04:05.6',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1/8', 'deep red', 7, 1.25, 4294967295, 'x', 'Name', '12.50',
      '10101', '(1.5,-2)', '[1,5)')",
    "INSERT INTO t(i2, n, f4, f8, c, v, s, d, h, ts, tz, y) VALUES (-1, 'NaN', 'NaN', 'NaN', '', '', '', 'infinity',
      '24:00:00', '-infinity', 'infinity', '')",
    "INSERT INTO t(n, f4, f8, d, ts, tz, s) VALUES (-0.000000000000000000012300, '-Infinity', '-0', '0044-03-15 BC',
      '0044-03-15 12:00:00.5 BC', '12345-01-01 00:00:00+00', '\\.')",
    "INSERT INTO t(f8, f4, s) VALUES (5e-324, 1e-45, E'\\\\N'), (1.7976931348623157e308, 3.4028235e38, ' ')",
];

#[test]
fn what_is_read_is_written_back_as_it_was() {
    let Some((cluster, store)) = made("written", &format!("{TYPES}; {}", ROWS.join(";"))) else { return };
    cluster.run("written", "CREATE TABLE copy(LIKE t); ALTER TABLE t RENAME TO source; ALTER TABLE copy RENAME TO t");
    let snapshot = store.snapshot(1).unwrap();
    let source = snapshot.schema("source").unwrap().unwrap();
    let (_, rows) = read(&*snapshot, &source, 100);
    assert_eq!(rows.len(), 5);
    let (mut replacement, target) = begin(&store);
    for part in snapshot.parts(&source, 100).unwrap() {
        snapshot
            .scan(0, &source, &part, 2, 1 << 20, &mut |batch| replacement.insert(&target, &all(&target), &batch))
            .unwrap();
    }
    replacement.commit().unwrap();
    let sorted = |table: &str| cluster.query("written", &format!("SELECT * FROM {table} ORDER BY {table}::text"));
    assert_eq!(sorted("t"), sorted("source"));
    let again = store.snapshot(1).unwrap();
    let (_, written) = read(&*again, &target, 100);
    assert_eq!(format!("{written:?}"), format!("{rows:?}"));
}

/// Inserts one value into `t(a)` with this type, and gives what became of it.
fn insert_one(
    store: &PostgresStore,
    cluster: &Cluster,
    database: &str,
    of: &str,
    value: Value<'_>,
) -> Option<StoreError> {
    cluster.run(database, &format!("DROP TABLE IF EXISTS t; CREATE TABLE t(a {of})"));
    let (mut replacement, schema) = begin(store);
    let inserted = replacement.insert(&schema, &[0], &batch(&[vec![value]]));
    inserted.and_then(|()| replacement.commit()).err()
}

#[test]
fn a_value_that_the_column_would_change_is_refused() {
    use Value::{Blob, Integer, Real, Text};
    let Some((cluster, store)) = made("changed", "") else { return };
    for (of, value) in [
        ("int", Text(b"12")),
        ("int", Real(1.0)),
        ("smallint", Integer(32_768)),
        ("int", Integer(1 << 31)),
        ("bool", Integer(2)),
        ("bool", Text(b"t")),
        ("text", Integer(12)),
        ("text", Blob(b"12")),
        ("bytea", Text(b"12")),
        ("float8", Integer(12)),
        ("real", Real(0.1)),
        ("numeric(9,2)", Text(b"0.125")),
        ("numeric(9,2)", Real(0.125)),
        ("numeric", Text(b"1e5")),
        ("numeric(5,-2)", Integer(1_250)),
        ("varchar(3)", Text(b"ab  ")),
        ("varchar(3)", Text(b"abcd")),
        ("name", Text(&[b'x'; 64])),
        ("\"char\"", Text(b"xy")),
        ("date", Text(b"today")),
        ("timestamp(3)", Text(b"2024-01-05 10:00:00.1235")),
        ("timestamptz", Text(b"2024-01-05 10:00:00")),
        ("text", Text(b"a\0b")),
        ("text", Text(b"\xff\xfe")),
        ("int[]", Text(b"{1,")),
        ("numeric(5,2)", Text(b"12345")),
    ] {
        let error = insert_one(&store, cluster, "changed", of, value);
        let refused = error.as_ref().is_some_and(|error| matches!(error.kind, StoreErrorKind::Refused(_)));
        assert!(refused, "{of}: {value:?}: {error:?}");
        let text = error.unwrap().to_string();
        assert!(text.contains("table t") && text.contains('a') && text.contains("changed"), "{text}");
        assert_eq!(column(cluster, "changed", "SELECT count(*)::text FROM t"), ["0"]);
    }
    for (of, value, expected) in [
        ("numeric(9,2)", Text(b"12.500"), "12.50"),
        ("numeric(9,2)", Integer(12), "12.00"),
        ("numeric", Real(1e-7), "0.0000001"),
        ("numeric", Real(1.5e20), "150000000000000000000"),
        ("numeric(5,-2)", Integer(1_200), "1200"),
        ("real", Real(f64::from(0.1f32)), "0.1"),
        ("varchar(3)", Text("äöü".as_bytes()), "äöü"),
        ("char(3)", Text(b"ab    "), "ab "),
        ("bool", Integer(0), "f"),
        ("oid", Text(b"4294967295"), "4294967295"),
    ] {
        let error = insert_one(&store, cluster, "changed", of, value);
        assert!(error.is_none(), "{of}: {value:?}: {error:?}");
        assert_eq!(column(cluster, "changed", "SELECT * FROM t"), [expected], "{of}");
    }
}

#[test]
fn a_row_that_is_refused_takes_the_rows_before_it_along() {
    let sql = "CREATE TABLE t(n int UNIQUE, m int CHECK (m < 40)); INSERT INTO t VALUES (-1, 0)";
    let Some((cluster, store)) = made("refused", sql) else { return };
    let rows = |last: i64| {
        let rows = (0..40_000).map(|n| vec![Value::Integer(n), Value::Integer(if n == 39_999 { last } else { 1 })]);
        batch(&rows.collect::<Vec<_>>())
    };
    let (mut replacement, schema) = begin(&store);
    let error = replacement.insert(&schema, &[0, 1], &rows(40)).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Refused(_)), "{error}");
    let said = error.to_string();
    assert!(said.contains("table t") && said.contains("line 40000"), "{said}");
    assert!(replacement.insert(&schema, &[0, 1], &rows(1)).is_err(), "nothing goes on after a failure");
    assert!(replacement.commit().is_err());
    assert_eq!(column(cluster, "refused", "SELECT n::text FROM t"), ["-1"]);
    // The session of a writer can be used again.
    let mut writer = store.writer().unwrap();
    let mut replacement = writer.begin().unwrap();
    let two = batch(&[vec![Value::Integer(-1), Value::Null]]);
    assert!(matches!(kind(replacement.insert(&schema, &[0, 1], &two)), StoreErrorKind::Refused(_)));
    drop(replacement);
    let mut replacement = writer.begin().unwrap();
    assert_eq!(replacement.delete_all(&schema).unwrap(), 1);
    replacement.insert(&schema, &[1, 0], &batch(&[vec![Value::Integer(7), Value::Integer(8)]])).unwrap();
    replacement.commit().unwrap();
    assert_eq!(cluster.query("refused", "SELECT n, m FROM t"), [["8", "7"].map(|n| Some(n.to_owned()))]);
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let Some((_, store)) = made("misfit", "CREATE TABLE t(a int, b int)") else { return };
    let (_, schema) = begin(&store);
    let two = batch(&[vec![Value::Integer(1), Value::Integer(2)]]);
    let mut short = two.clone();
    short.columns[1] = Column::new(ColumnData::Integer(Vec::new()));
    for (columns, batch) in
        [(vec![0], &two), (vec![0, 0], &two), (vec![0, 2], &two), (vec![], &two), (vec![0, 1], &short)]
    {
        let (mut replacement, _) = begin(&store);
        let error = kind(replacement.insert(&schema, &columns, batch));
        assert!(matches!(error, StoreErrorKind::Unsupported(_)), "{columns:?}: {error:?}");
    }
    let keyed = begin(&store).0.insert_keyed(&schema, &[0, 1], &[1, 2], None, &two);
    assert!(matches!(kind(keyed), StoreErrorKind::Unsupported(_)));
    let other = TableSchema { columns: schema.columns[..1].to_vec(), ..schema.clone() };
    assert!(matches!(kind(begin(&store).0.delete_all(&other)), StoreErrorKind::Unsupported(_)));
    let (mut replacement, _) = begin(&store);
    assert_eq!(replacement.schema("gone").unwrap(), None);
    let gone = TableSchema { name: "gone".to_owned(), ..schema };
    assert!(matches!(kind(replacement.delete_all(&gone)), StoreErrorKind::NoTable(_)));
}

#[test]
fn tables_whose_change_would_change_others_are_refused() {
    let parent = "CREATE TABLE t(a int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE c(a int REFERENCES t";
    let function = "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
    let Some((cluster, store)) = made("ruled", function) else { return };
    for (words, sql) in [
        (
            "triggers",
            "CREATE TABLE t(a int); CREATE TRIGGER g AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION f()"
                .to_owned(),
        ),
        (
            "(g)",
            "CREATE TABLE t(a int); CREATE TRIGGER g BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()".to_owned(),
        ),
        (
            "triggers",
            "CREATE TABLE t(a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t DEFAULT; \
             CREATE TRIGGER g BEFORE INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION f()"
                .to_owned(),
        ),
        ("rules", "CREATE TABLE t(a int); CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING".to_owned()),
        ("CASCADE", format!("{parent} ON DELETE CASCADE)")),
        ("SET NULL", format!("{parent} ON DELETE SET NULL DEFERRABLE)")),
        ("SET DEFAULT", format!("{parent} ON DELETE SET DEFAULT)")),
        ("ALTER CONSTRAINT \"c_a_fkey\" DEFERRABLE", format!("{parent}); INSERT INTO c VALUES (1)")),
        ("RESTRICT", format!("{parent} ON DELETE RESTRICT DEFERRABLE); INSERT INTO c VALUES (1)")),
        ("CASCADE", "CREATE TABLE t(a int PRIMARY KEY, b int REFERENCES t ON DELETE CASCADE)".to_owned()),
    ] {
        cluster.run("ruled", &format!("DROP TABLE IF EXISTS c; DROP TABLE IF EXISTS t; {sql}"));
        let snapshot = store.snapshot(1).unwrap();
        let schema = snapshot.schema("t").unwrap().unwrap();
        let plan = kind(snapshot.writable(&schema));
        assert!(matches!(&plan, StoreErrorKind::Refused(text) if text.contains(words)), "{sql}: {plan:?}");
        snapshot.schema("t").expect("the snapshot goes on");
        drop(snapshot);
        let (mut replacement, schema) = begin(&store);
        assert!(matches!(kind(replacement.delete_all(&schema)), StoreErrorKind::Refused(_)), "{sql}");
    }
    for sql in [
        "CREATE TABLE t(a int); CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()".to_owned(),
        "CREATE TABLE t(a int); CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
         ALTER TABLE t DISABLE TRIGGER g"
            .to_owned(),
        "CREATE UNLOGGED TABLE t(a int); CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING".to_owned(),
        format!("{parent}); INSERT INTO c VALUES (NULL)"),
        "CREATE TABLE c(a int PRIMARY KEY); INSERT INTO c VALUES (1); CREATE TABLE t(a int REFERENCES c)".to_owned(),
    ] {
        cluster.run("ruled", &format!("DROP TABLE IF EXISTS t CASCADE; DROP TABLE IF EXISTS c; {sql}"));
        let snapshot = store.snapshot(1).unwrap();
        snapshot.writable(&snapshot.schema("t").unwrap().unwrap()).expect(&sql);
        drop(snapshot);
        let (mut replacement, schema) = begin(&store);
        replacement.delete_all(&schema).expect(&sql);
        replacement.insert(&schema, &[0], &numbers(&[1])).expect(&sql);
        replacement.commit().expect(&sql);
        cluster.run("ruled", "DROP TABLE IF EXISTS c CASCADE; DROP TABLE t CASCADE");
    }
}

#[test]
fn parents_may_be_replaced_as_long_as_all_fits_at_the_end() {
    let sql = "CREATE TABLE t(a int PRIMARY KEY); INSERT INTO t VALUES (1), (2);
               CREATE TABLE c(a int REFERENCES t DEFERRABLE); INSERT INTO c VALUES (1)";
    let Some((cluster, store)) = made("parents", sql) else { return };
    let replace = |keep: &[i64]| {
        let (mut replacement, schema) = begin(&store);
        assert_eq!(replacement.delete_all(&schema).unwrap(), 2);
        replacement.insert(&schema, &[0], &numbers(keep)).unwrap();
        replacement.commit()
    };
    assert!(matches!(kind(replace(&[2, 3])), StoreErrorKind::Refused(_)));
    assert_eq!(column(cluster, "parents", "SELECT a::text FROM t ORDER BY a"), ["1", "2"]);
    replace(&[1, 7]).unwrap();
    assert_eq!(column(cluster, "parents", "SELECT a::text FROM t ORDER BY a"), ["1", "7"]);
}

#[test]
fn generated_and_identity_columns_and_odd_names_are_written() {
    let sql = "CREATE TABLE \"t\"(\"select\" int GENERATED ALWAYS AS IDENTITY, \"a\"\"b\" int, \
               twice int GENERATED ALWAYS AS (\"a\"\"b\" * 2) STORED, \"ÄÖ\" text DEFAULT 'x')";
    let Some((cluster, store)) = made("odd \"names\"", sql) else { return };
    let (mut replacement, schema) = begin(&store);
    let rows = [[70, 1], [71, 2]].map(|row| row.map(Value::Integer).to_vec());
    replacement.insert(&schema, &[0, 1], &batch(&rows)).unwrap();
    let keys = replacement.inserted(&schema, None, (None, None)).unwrap();
    assert_eq!(keys.rows(), 2);
    assert_eq!(replacement.insert_keyed(&schema, &[0, 1], &[5, 6], None, &batch(&rows)).unwrap(), 0);
    replacement.commit().unwrap();
    let rows = cluster.query("odd \"names\"", "SELECT * FROM t ORDER BY 1, 2");
    let row = |words: [&str; 4]| words.map(|word| Some(word.to_owned())).to_vec();
    let (one, two) = (row(["70", "1", "2", "x"]), row(["71", "2", "4", "x"]));
    assert_eq!(rows, [one.clone(), one, two.clone(), two]);
}

const PARTS: &str = "CREATE TABLE t(day date, n int) PARTITION BY RANGE (day);
    CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
    CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY HASH (n);
    CREATE TABLE t2a PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE t2b PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE INDEX ON t(day);
    INSERT INTO t SELECT date '2024-01-01' + n % 59, n FROM generate_series(1, 1000) n";

#[test]
fn rows_of_partitioned_tables_are_deleted_and_found_where_they_are() {
    let Some((cluster, store)) = made("parted", PARTS) else { return };
    let (mut replacement, schema) = begin(&store);
    let clock = Clock { kind: ClockKind::Date { date: 0 }, length: None };
    // 2024-01-30 to 2024-02-02.
    let first: Day = 19_752;
    let days = (Some(first), Some(first + 3));
    let mut keys = Vec::new();
    let mut scanned = Vec::new();
    replacement
        .scan_keyed(&schema, Some(&clock), days, &[0, 1], &mut |more, batch| {
            keys.extend_from_slice(more);
            scanned.push(batch);
            Ok(())
        })
        .unwrap();
    let rows: usize = scanned.iter().map(|batch| batch.rows).sum();
    assert_eq!((keys.len(), rows), (68, 68));
    let leaves: std::collections::BTreeSet<i64> = keys.iter().map(|key| key >> 48).collect();
    assert_eq!(leaves.len(), 3);
    let runs = KeyRuns::of_keys(&keys);
    assert_eq!(replacement.delete_runs(&schema, &runs).unwrap(), 68);
    assert_eq!(replacement.delete_runs(&schema, &runs).unwrap(), 0, "keys that name no row are passed over");
    scanned.iter().for_each(|batch| replacement.insert(&schema, &[0, 1], batch).unwrap());
    let inserted = replacement.inserted(&schema, Some(&clock), days).unwrap();
    assert_eq!(inserted.rows(), 68);
    let mut found = 0;
    replacement
        .scan_runs(&schema, &inserted, &[1], &mut |keys, batch| {
            assert!(keys.iter().all(|key| inserted.holds(*key)));
            found += batch.rows;
            Ok(())
        })
        .unwrap();
    assert_eq!(found, 68);
    replacement.commit().unwrap();
    let sums = "SELECT count(*), sum(n) FROM t";
    assert_eq!(cluster.query("parted", sums), [["1000", "500500"].map(|n| Some(n.to_owned()))]);
    let snapshot = store.snapshot(1).unwrap();
    assert_eq!(keyed(&*snapshot, &schema, &[1]).iter().filter(|(key, _)| inserted.holds(*key)).count(), 68);
    drop(snapshot);
    // What no partition takes is refused.
    let (mut replacement, schema) = begin(&store);
    let outside = batch(&[vec![Value::Text(b"2025-01-01"), Value::Integer(1)]]);
    assert!(matches!(kind(replacement.insert(&schema, &[0, 1], &outside)), StoreErrorKind::Refused(_)));
}

/// A store whose sessions wait for locks only for a moment.
fn hasty(cluster: &Cluster, database: &str) -> PostgresStore {
    PostgresStore::open(&address(&cluster.url(database)).with_lock_wait(Duration::from_millis(200))).unwrap()
}

#[test]
fn a_table_that_is_locked_is_named_with_its_holder_and_stays_as_it_was() {
    let Some((cluster, _)) = made("locked_table", "CREATE TABLE t(n int); INSERT INTO t VALUES (1)") else { return };
    let store = hasty(cluster, "locked_table");
    let mut other = cluster.client("locked_table");
    other.batch_execute("SET application_name = 'payroll'; BEGIN; INSERT INTO t VALUES (2)").unwrap();
    let mut replacement = store.replace().unwrap();
    let error = replacement.schema("t").unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error.kind, StoreErrorKind::Busy) && text.contains("payroll") && text.contains("table t"),
        "{text}"
    );
    assert!(replacement.commit().is_err());
    other.batch_execute("COMMIT").unwrap();
    // Who only reads goes on, and keeps nobody out.
    other.batch_execute("BEGIN; SELECT * FROM t").unwrap();
    let (mut replacement, schema) = begin(&store);
    assert_eq!(replacement.delete_all(&schema).unwrap(), 2);
    assert_eq!(other.query("SELECT * FROM t", &[]).unwrap().len(), 2);
    other.batch_execute("ROLLBACK; SET lock_timeout = 100").unwrap();
    let refused = other.batch_execute("INSERT INTO t VALUES (3)").unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("55P03"), "{refused}");
    replacement.commit().unwrap();
    assert_eq!(column(cluster, "locked_table", "SELECT count(*)::text FROM t"), ["0"]);
}

#[test]
fn writers_of_one_store_wait_for_each_other_as_long_as_it_takes() {
    let Some((cluster, _)) = made("colleagues", "CREATE TABLE t(n int)") else { return };
    let store = hasty(cluster, "colleagues");
    let (mut first, schema) = begin(&store);
    let waited = std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let (mut second, schema) = begin(&store);
            second.insert(&schema, &[0], &numbers(&[2])).unwrap();
            second.commit().unwrap();
        });
        // Longer than anybody else is waited for.
        std::thread::sleep(Duration::from_millis(700));
        let waited = !second.is_finished();
        first.insert(&schema, &[0], &numbers(&[1])).unwrap();
        first.commit().unwrap();
        second.join().unwrap();
        waited
    });
    assert!(waited);
    assert_eq!(column(cluster, "colleagues", "SELECT n::text FROM t ORDER BY n"), ["1", "2"]);
}

#[test]
fn a_role_without_rights_is_told_what_it_lacks() {
    let sql = "CREATE TABLE t(n int); INSERT INTO t VALUES (1); CREATE TABLE own(n int) PARTITION BY LIST (n);
               CREATE TABLE own1 PARTITION OF own DEFAULT; CREATE TABLE policed(n int);
               ALTER TABLE policed ENABLE ROW LEVEL SECURITY; CREATE ROLE \"weak one\" LOGIN;
               GRANT SELECT, DELETE ON t TO \"weak one\"; GRANT ALL ON own, policed TO \"weak one\"";
    let Some((cluster, _)) = made("rights", sql) else { return };
    let url = cluster.url("rights").replace("user=postgres", "user=weak%20one");
    let store = PostgresStore::open(&address(&url)).unwrap();
    let snapshot = store.snapshot(1).unwrap();
    for (table, words) in [
        ("t", "GRANT INSERT ON \"public\".\"t\" TO \"weak one\""),
        ("own", "GRANT SELECT, DELETE ON \"public\".\"own1\" TO \"weak one\""),
        ("policed", "row level security"),
    ] {
        let schema = snapshot.schema(table).unwrap().unwrap();
        let error = kind(snapshot.writable(&schema));
        assert!(matches!(&error, StoreErrorKind::NotPermitted(text) if text.contains(words)), "{table}: {error:?}");
        let mut replacement = store.replace().unwrap();
        assert!(matches!(kind(replacement.delete_all(&schema)), StoreErrorKind::NotPermitted(_)), "{table}");
    }
    let error = store.replace().unwrap().set_state(&crate::store::control::State::default()).unwrap_err().to_string();
    assert!(error.contains("CREATE SCHEMA intervault AUTHORIZATION \"weak one\""), "{error}");
    cluster.run("rights", "CREATE SCHEMA intervault AUTHORIZATION \"weak one\"");
    let mut replacement = store.replace().unwrap();
    replacement.set_state(&crate::store::control::State::default()).unwrap();
    replacement.commit().unwrap();
}

#[test]
fn a_server_that_dies_or_a_session_that_is_ended_leaves_nothing_of_a_change() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database("dying");
    cluster.run("dying", "CREATE TABLE t(n int); INSERT INTO t VALUES (7)");
    for terminate in [true, false] {
        let store = PostgresStore::open(&address(&url)).unwrap();
        let (mut replacement, schema) = begin(&store);
        replacement.delete_all(&schema).unwrap();
        replacement.insert(&schema, &[0], &numbers(&(0..50_000).collect::<Vec<_>>())).unwrap();
        if terminate {
            cluster.run(
                "dying",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'intervault'",
            );
        } else {
            cluster.restart_immediate();
        }
        let error = kind(replacement.insert(&schema, &[0], &numbers(&[1])));
        assert!(matches!(error, StoreErrorKind::Lost(_)), "{error:?}");
        assert!(replacement.commit().is_err());
        assert_eq!(column(&cluster, "dying", "SELECT n::text FROM t"), ["7"]);
    }
    // In the end, too: whether it was committed is not known then.
    let store = PostgresStore::open(&address(&url)).unwrap();
    let (mut replacement, schema) = begin(&store);
    replacement.delete_all(&schema).unwrap();
    cluster.restart_immediate();
    assert!(matches!(kind(replacement.commit()), StoreErrorKind::Lost(_)));
    assert_eq!(column(&cluster, "dying", "SELECT n::text FROM t"), ["7"]);
}

#[test]
fn a_database_of_another_encoding_is_written_in_it() {
    let Some(cluster) = Cluster::shared() else { return };
    for (name, encoding) in [("latin", "LATIN1"), ("bytes", "SQL_ASCII")] {
        let sql =
            format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        cluster.run("postgres", &sql);
        cluster.run(name, "CREATE TABLE t(s text)");
        let store = PostgresStore::open(&address(&cluster.url(name))).unwrap();
        let (mut replacement, schema) = begin(&store);
        replacement.insert(&schema, &[0], &batch(&[vec![Value::Text("Zürich".as_bytes())]])).unwrap();
        replacement.commit().unwrap();
        let (_, rows) = read(&*store.snapshot(1).unwrap(), &schema, 10);
        assert_eq!(rows, [[text("Zürich")]], "{name}");
        let (mut replacement, schema) = begin(&store);
        let odd: &[u8] = if name == "latin" { "☎".as_bytes() } else { b"\xff" };
        let result = replacement.insert(&schema, &[0], &batch(&[vec![Value::Text(odd)]]));
        match name {
            "latin" => assert!(matches!(kind(result), StoreErrorKind::Refused(_))),
            _ => result.unwrap(),
        }
    }
}
