//! Indexes that are put off while an empty table is filled: which, when, and what is left of that.

use super::reading::made;
use super::writing::{begin, numbers};
use super::*;

/// Numbers and definitions of the indexes of `t`.
fn indexes(cluster: &Cluster, database: &str) -> Vec<(String, String)> {
    let sql = "SELECT indexrelid::text, pg_get_indexdef(indexrelid) FROM pg_index \
               WHERE indrelid = 't'::regclass ORDER BY 2";
    let mut rows = cluster.query(database, sql).into_iter().map(|row| row.into_iter().flatten());
    rows.by_ref().filter_map(|mut row| Some((row.next()?, row.next()?))).collect()
}

/// Puts rows into `t` as if it were filled; how many of its indexes are others afterwards.
fn fill(cluster: &Cluster, database: &str, store: &PostgresStore) -> usize {
    let before = indexes(cluster, database);
    let expected = {
        let snapshot = store.snapshot(1).unwrap();
        let table = snapshot.schema("t").unwrap().unwrap();
        snapshot.fills_at_once(&table).unwrap()
    };
    let (mut replacement, schema) = begin(store);
    replacement.fill(&schema).unwrap();
    replacement.insert(&schema, &[0], &numbers(&[3, 1, 2])).unwrap();
    assert_eq!(replacement.inserted(&schema, None, (None, None)).unwrap().rows(), 3);
    replacement.commit().unwrap();
    let after = indexes(cluster, database);
    let definitions = |all: &[(String, String)]| all.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    assert_eq!(definitions(&after), definitions(&before));
    let anew = after.iter().filter(|index| !before.contains(index)).count();
    assert_eq!(expected, anew > 0);
    anew
}

#[test]
fn plain_indexes_of_an_empty_table_are_made_anew_and_no_others() {
    for (name, sql, expected) in [
        ("fill plain", "CREATE INDEX ON t (a); CREATE INDEX \"O\"\"dd\" ON t USING hash (a) WITH (fillfactor = 50)", 2),
        ("fill none", "", 0),
        // Rows whose foreign keys are looked at in the end.
        (
            "fill referring",
            "CREATE TABLE k (a int PRIMARY KEY); INSERT INTO k VALUES (1), (2), (3); CREATE INDEX ON t (a); \
                          ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES k DEFERRABLE",
            1,
        ),
        ("fill rows", "CREATE INDEX ON t (a); INSERT INTO t VALUES (7)", 0),
        ("fill rules", "CREATE UNIQUE INDEX ON t (a); ALTER TABLE t ADD PRIMARY KEY (a), ADD EXCLUDE (a WITH =)", 0),
        ("fill clustered", "CREATE INDEX c ON t (a); ALTER TABLE t CLUSTER ON c", 0),
        ("fill commented", "CREATE INDEX c ON t (a); COMMENT ON INDEX c IS 'x'; CREATE INDEX ON t (b)", 1),
        ("fill measured", "CREATE INDEX c ON t ((a + 1)); ALTER INDEX c ALTER COLUMN 1 SET STATISTICS 9", 0),
        ("fill unlogged", "ALTER TABLE t SET UNLOGGED; CREATE INDEX ON t (a)", 0),
        ("fill parent", "CREATE INDEX ON t (a); CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (1)", 0),
        (
            "fill parts",
            "DROP TABLE t; CREATE TABLE t (a int, b int) PARTITION BY LIST (b); CREATE INDEX ON t (a); \
                        CREATE TABLE p PARTITION OF t DEFAULT",
            0,
        ),
        (
            "fill watched",
            "CREATE INDEX ON t (a); CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS \
                          'BEGIN END'; CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f()",
            0,
        ),
    ] {
        let Some((cluster, store)) = made(name, &format!("CREATE TABLE t (a int, b int); {sql}")) else { return };
        assert_eq!(fill(cluster, name, &store), expected, "{name}");
    }
}

#[test]
fn what_is_in_use_or_fails_keeps_its_indexes() {
    let name = "fill in use";
    let Some((cluster, store)) = made(name, "CREATE TABLE t (a smallint, b int); CREATE INDEX ON t (a)") else {
        return;
    };
    let before = indexes(cluster, name);
    // A change that ends without a commit.
    let (mut replacement, schema) = begin(&store);
    replacement.fill(&schema).unwrap();
    drop(replacement);
    assert_eq!(indexes(cluster, name), before);
    // Somebody reads: nobody is waited for, and it works all the same.
    let mut reader = cluster.client(name);
    reader.batch_execute("BEGIN; SELECT FROM t").unwrap();
    let (mut replacement, schema) = begin(&store);
    replacement.fill(&schema).unwrap();
    replacement.insert(&schema, &[0], &numbers(&[1])).unwrap();
    replacement.commit().unwrap();
    assert_eq!(indexes(cluster, name), before);
    assert_eq!(cluster.query(name, "SELECT a FROM t"), [[Some("1".to_owned())]]);
}

/// That is known for certain: nothing of it was made permanent.
#[test]
fn rows_that_an_index_does_not_take_are_refused() {
    let name = "fill refused";
    let Some((cluster, store)) = made(name, "CREATE TABLE t (a int, b int); CREATE INDEX ON t ((1 / a))") else {
        return;
    };
    let before = indexes(cluster, name);
    let (mut replacement, schema) = begin(&store);
    replacement.fill(&schema).unwrap();
    replacement.insert(&schema, &[0], &numbers(&[1, 0])).unwrap();
    let error = replacement.commit().unwrap_err();
    assert!(matches!(&error.kind, StoreErrorKind::Refused(words) if words.contains("division by zero")), "{error}");
    assert_eq!(indexes(cluster, name), before);
    assert!(cluster.query(name, "SELECT FROM t").is_empty());
}
