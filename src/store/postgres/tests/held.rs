//! Tables that are rewritten while a view of the database begins.

use super::reading::{made, read};
use super::*;
use crate::column::batch::OwnedValue::Integer;

fn rewritten(result: Result<(), StoreError>, table: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Rewritten), "{error}");
    assert!(error.to_string().contains(&format!("table {table}")), "{error}");
}

#[test]
fn a_table_that_was_rewritten_after_the_view_began_is_not_read_as_empty() {
    let sql = "CREATE TABLE t(n int); INSERT INTO t VALUES (1), (2); CREATE TABLE other(n int)";
    let Some((cluster, store)) = made("rewritten", sql) else { return };
    for change in [
        "BEGIN; TRUNCATE t; INSERT INTO t VALUES (1), (2); COMMIT",
        "ALTER TABLE t ALTER n TYPE bigint",
        "VACUUM FULL t",
    ] {
        let snapshot = store.snapshot(1).unwrap();
        let (t, other) = (snapshot.schema("t").unwrap().unwrap(), snapshot.schema("other").unwrap().unwrap());
        cluster.run("rewritten", change);
        snapshot.hold(&[&other]).unwrap();
        rewritten(snapshot.hold(&[&other, &t]), "t");
        rewritten(snapshot.parts(&t, 10).map(drop), "t");
        rewritten(snapshot.scan_keyed(0, &t, None, (None, None), &[0], &mut |_, _| Ok(())), "t");
        let anew = store.snapshot(1).unwrap();
        let t = anew.schema("t").unwrap().unwrap();
        anew.hold(&[&t]).unwrap();
        assert_eq!(read(&*anew, &t, 10).1, [[Integer(1)], [Integer(2)]], "{change}");
    }
    let snapshot = store.snapshot(1).unwrap();
    let t = snapshot.schema("t").unwrap().unwrap();
    cluster.run("rewritten", "DROP TABLE t");
    rewritten(snapshot.hold(&[&t]), "t");
}

#[test]
fn a_table_that_is_held_is_not_rewritten() {
    let Some((cluster, store)) = made("held", "CREATE TABLE t(n int); INSERT INTO t VALUES (1)") else { return };
    let snapshot = store.snapshot(2).unwrap();
    let t = snapshot.schema("t").unwrap().unwrap();
    snapshot.hold(&[&t]).unwrap();
    let mut other = cluster.client("held");
    let refused = other.batch_execute("SET lock_timeout = 50; TRUNCATE t").unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("55P03"), "{refused}");
    other.batch_execute("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(read(&*snapshot, &t, 10).1, [[Integer(1)]]);
}

#[test]
fn partitions_that_were_rewritten_or_moved_are_missed() {
    let sql = "CREATE TABLE p(n int) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); \
               CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (n); \
               CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (1), (11); \
               CREATE TABLE p3(n int); INSERT INTO p3 VALUES (21)";
    let Some((cluster, store)) = made("moved", sql) else { return };
    for (change, listed_first) in [
        ("BEGIN; TRUNCATE p21; INSERT INTO p VALUES (11); COMMIT", true),
        ("ALTER TABLE p DETACH PARTITION p1", true),
        ("ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10)", true),
        ("ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30)", false),
        ("ALTER TABLE p DETACH PARTITION p3", false),
    ] {
        let snapshot = store.snapshot(1).unwrap();
        if listed_first {
            snapshot.schema("p").unwrap().unwrap();
        }
        cluster.run("moved", change);
        let p = snapshot.schema("p").unwrap().unwrap();
        rewritten(snapshot.hold(&[&p]), "p");
        let anew = store.snapshot(1).unwrap();
        anew.hold(&[&p]).unwrap();
    }
    let last = store.snapshot(1).unwrap();
    assert_eq!(read(&*last, &last.schema("p").unwrap().unwrap(), 9).1, [[Integer(1)], [Integer(11)]]);
}
