//! Databases, roles and tables that are set up in an odd way: each is understood or refused with words.

use super::super::fault::Site;
use super::reading::{keyed, made, read};
use super::writing::{batch, begin, kind, numbers};
use super::*;
use crate::column::batch::Value;
use crate::store::control::{KeyRuns, Run, RunStatus, Unit};
use crate::testing::cluster::ClusterOptions;
use std::time::Duration;

/// The database as another role sees it.
fn as_role(cluster: &Cluster, database: &str, role: &str) -> PostgresStore {
    PostgresStore::open(&address(&cluster.url(database).replace("user=postgres", &format!("user={role}")))).unwrap()
}

#[test]
fn foreign_keys_are_looked_at_whatever_role_a_session_plays() {
    let sql = "CREATE TABLE parent(n int PRIMARY KEY); CREATE ROLE no_player LOGIN; GRANT ALL ON parent TO no_player; \
               CREATE TABLE t(n int REFERENCES parent DEFERRABLE); ALTER DATABASE played SET session_replication_role = replica";
    let Some((cluster, store)) = made("played", sql) else { return };
    let (mut replacement, schema) = begin(&store);
    replacement.insert(&schema, &[0], &numbers(&[7])).unwrap();
    assert!(matches!(kind(replacement.commit()), StoreErrorKind::Refused(_)));
    let store = as_role(cluster, "played", "no_player");
    let words = format!("{:?}", kind(store.writer().map(drop)));
    assert!(words.starts_with("NotPermitted") && words.contains("session_replication_role is replica"), "{words}");
}

#[test]
fn schemas_of_the_server_and_of_the_journal_are_no_data() {
    let Some((cluster, _)) = made("schemas", "CREATE SCHEMA intervault; CREATE SCHEMA mine") else { return };
    let open = |schema: &str| PostgresStore::open(&address(&format!("{}&schema={schema}", cluster.url("schemas"))));
    for schema in ["intervault", "pg_catalog", "pg_toast", "information_schema"] {
        let error = open(schema).unwrap_err();
        assert!(matches!(&error.kind, StoreErrorKind::Unsupported(words) if words.contains(schema)), "{error}");
    }
    assert!(matches!(kind(open("nobody")), StoreErrorKind::NoSchema(name) if name == "nobody"));
    open("mine").unwrap();
}

#[test]
fn a_table_that_nothing_can_be_put_into_is_left_out() {
    let sql = "CREATE TABLE bare(); CREATE TABLE made(a int GENERATED ALWAYS AS (1) STORED); CREATE TABLE t(n int)";
    let Some((_, store)) = made("bare", sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    assert_eq!(snapshot.tables().unwrap(), ["t"]);
    let unlisted = snapshot.unlisted().unwrap();
    assert!(unlisted.iter().all(|(_, why)| why.contains("no columns")) && unlisted.len() == 2, "{unlisted:?}");
}

#[test]
fn rules_that_only_a_partition_has_are_known() {
    let sql = "CREATE TABLE parent(n int PRIMARY KEY) PARTITION BY RANGE (n); \
               CREATE TABLE parent1 PARTITION OF parent FOR VALUES FROM (0) TO (9); CREATE TABLE other(n int PRIMARY KEY); \
               CREATE TABLE t(a int, b int, c int UNIQUE) PARTITION BY RANGE (c); \
               CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9); \
               CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (9) TO (99); CREATE UNIQUE INDEX ON t1(b); \
               ALTER TABLE t2 ADD FOREIGN KEY (a) REFERENCES other; ALTER TABLE t1 ADD FOREIGN KEY (a) REFERENCES parent1";
    let Some((_, store)) = made("partition_rules", sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    assert_eq!(snapshot.unique_columns(&schema).unwrap(), [vec![1], vec![2]]);
    assert_eq!(snapshot.refers_to(&schema).unwrap(), ["other", "parent"]);
}

#[test]
fn rows_of_a_table_of_as_many_columns_as_there_may_be_are_put_back() {
    let columns: Vec<String> = (0..1_600).map(|n| format!("c{n} smallint")).collect();
    let sql = format!("CREATE TABLE t({}); INSERT INTO t(c0) VALUES (1), (2)", columns.join(","));
    let Some((cluster, store)) = made("widest", &sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let keys: Vec<i64> = keyed(&*snapshot, &schema, &[0]).into_iter().map(|(key, _)| key).collect();
    drop(snapshot);
    // Two runs whose lines name these rows, of which the second is taken back.
    let run = crate::store::contract::run("a");
    for number in 1..=2 {
        let unit = Unit::planned(number, 0, "t", crate::base::time::Span::ALL);
        let mut change = store.replace().unwrap();
        change.begin_run(&Run { number, ..run.clone() }, std::slice::from_ref(&unit)).unwrap();
        change.unit_applied(&Unit { keys: KeyRuns::of_keys(&keys), ..unit }, &[]).unwrap();
        change.end_run(number, RunStatus::Finished, None).unwrap();
        change.commit().unwrap();
    }
    let (mut replacement, schema) = begin(&store);
    replacement.delete_all(&schema).unwrap();
    replacement.insert_keyed(&schema, &[0], &keys, None, &numbers(&[1, 2])).unwrap();
    assert!(replacement.unit_undone(2, 0).unwrap());
    replacement.commit().unwrap();
    let snapshot = store.snapshot(1).unwrap();
    let again = keyed(&*snapshot, &schema, &[0]);
    assert_eq!(again.len(), 2);
    let named = snapshot.units(1).unwrap().remove(0).keys;
    assert_eq!(named, KeyRuns::of_keys(&again.iter().map(|(key, _)| *key).collect::<Vec<_>>()));
    assert_eq!(cluster.query("widest", "SELECT sum(c0) FROM t")[0][0].as_deref(), Some("3"));
}

#[test]
fn who_holds_a_table_is_said_of_prepared_transactions_too() {
    let Some(cluster) = Cluster::with(ClusterOptions::default().set("max_prepared_transactions", "2")) else { return };
    let url = cluster.database("prepared");
    cluster.run("prepared", "CREATE TABLE t(n int)");
    cluster.run("prepared", "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'gone'");
    let store = PostgresStore::open(&address(&url).with_lock_wait(Duration::from_millis(100))).unwrap();
    let error = store.replace().unwrap().schema("t").unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Busy), "{error}");
    assert!(error.to_string().contains("prepared transaction \"gone\" of user postgres"), "{error}");
}

#[test]
fn a_server_that_has_no_room_is_busy() {
    let sql = "CREATE ROLE crowd LOGIN CONNECTION LIMIT 1; GRANT CONNECT ON DATABASE crowded TO crowd";
    let Some((cluster, _)) = made("crowded", sql) else { return };
    let error = as_role(cluster, "crowded", "crowd").snapshot(2).map(drop).unwrap_err();
    assert!(matches!(error.kind, StoreErrorKind::Crowded(_)), "{error}");
    assert!(error.to_string().contains("fewer jobs"), "{error}");
}

#[test]
fn rows_that_a_policy_hides_are_not_passed_over() {
    let sql = "CREATE TABLE t(n int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY; \
               CREATE ROLE blinkered LOGIN; GRANT SELECT ON t TO blinkered";
    let Some((cluster, _)) = made("policies", sql) else { return };
    let snapshot = as_role(cluster, "policies", "blinkered").snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let words = format!("{:?}", kind(snapshot.parts(&schema, 9)));
    assert!(words.starts_with("NotPermitted") && words.contains("owner") && words.contains("BYPASSRLS"), "{words}");
    cluster.run("policies", "ALTER ROLE blinkered BYPASSRLS");
    let snapshot = as_role(cluster, "policies", "blinkered").snapshot(1).unwrap();
    assert_eq!(read(&*snapshot, &schema, 9).1.len(), 1);
}

#[test]
fn a_journal_that_may_not_be_used_is_named_with_what_to_grant() {
    let Some((cluster, store)) = made("journal_rights", "CREATE TABLE t(n int); CREATE ROLE stranger LOGIN") else {
        return;
    };
    let mut change = store.replace().unwrap();
    change.begin_run(&crate::store::contract::run("a"), &[]).unwrap();
    change.commit().unwrap();
    let stranger = as_role(cluster, "journal_rights", "stranger");
    let reading = || stranger.snapshot(1).unwrap().runs().map(drop).map_err(|error| error.to_string());
    let words = reading().unwrap_err();
    let grant =
        "GRANT USAGE ON SCHEMA intervault TO stranger; GRANT SELECT ON ALL TABLES IN SCHEMA intervault TO stranger";
    assert!(words.contains(grant) && words.contains("intervault.state"), "{words}");
    cluster.run("journal_rights", grant);
    reading().unwrap();
    let writing = stranger.replace().unwrap().end_run(1, RunStatus::Undone, None).unwrap_err();
    assert!(
        matches!(&writing.kind, StoreErrorKind::NotPermitted(words) if words.contains("GRANT INSERT")),
        "{writing}"
    );
}

#[test]
fn a_broken_foreign_key_says_which_table_goes_first() {
    let sql = "CREATE TABLE t(n int PRIMARY KEY); INSERT INTO t VALUES (1); \
               CREATE TABLE child(n int REFERENCES t DEFERRABLE); INSERT INTO child VALUES (1)";
    let Some((_, store)) = made("broken_keys", sql) else { return };
    let (mut replacement, schema) = begin(&store);
    replacement.delete_all(&schema).unwrap();
    let error = replacement.commit().unwrap_err();
    assert!(matches!(&error.kind, StoreErrorKind::Refused(words) if words.contains("--tables child")), "{error}");
    let mut replacement = store.replace().unwrap();
    let schema = replacement.schema("child").unwrap().unwrap();
    replacement.insert(&schema, &[0], &batch(&[vec![Value::Integer(2)]])).unwrap();
    let error = replacement.commit().unwrap_err();
    assert!(
        matches!(&error.kind, StoreErrorKind::Refused(words) if words.contains("restore that table too")),
        "{error}"
    );
}

#[test]
fn a_sequence_that_rows_have_overtaken_is_named() {
    let sql = "CREATE TABLE t(id serial, other int GENERATED BY DEFAULT AS IDENTITY, free int); \
               INSERT INTO t VALUES (7, 1, 1); SELECT setval('t_other_seq', 5); CREATE ROLE unseeing LOGIN; \
               GRANT SELECT ON t TO unseeing";
    let Some((cluster, store)) = made("overtaken", sql) else { return };
    let behind = |store: &PostgresStore| {
        let snapshot = store.snapshot(1).unwrap();
        snapshot.behind(&snapshot.schema("t").unwrap().unwrap()).unwrap()
    };
    let said = behind(&store);
    assert!(said.len() == 1 && said[0].contains("public.t_id_seq has given no number yet"), "{said:?}");
    let statement = "SELECT setval('public.t_id_seq', 7)";
    assert!(said[0].ends_with(statement), "{said:?}");
    let blind = behind(&as_role(cluster, "overtaken", "unseeing"));
    assert!(blind.len() == 2 && blind.iter().all(|words| words.contains("may not be looked at")), "{blind:?}");
    cluster.run("overtaken", statement);
    assert_eq!(behind(&store), Vec::<String>::new());
}

/// What is not asked of is not what ends the transaction in which all tables are asked about.
#[test]
fn sequences_of_other_columns_than_numbers_keep_nothing_from_being_told() {
    let sql = "CREATE SEQUENCE s; CREATE SEQUENCE w; \
               CREATE TABLE t(flag boolean, word text DEFAULT 'T' || nextval('w'), n numeric DEFAULT nextval('s'), big numeric); \
               ALTER SEQUENCE s OWNED BY t.flag; CREATE SEQUENCE huge OWNED BY t.big; \
               INSERT INTO t VALUES (true, 'T9', 7, 1e40); CREATE TABLE u(id serial, many int); INSERT INTO u VALUES (3, 1)";
    let Some((_, store)) = made("owned otherwise", sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let behind = |table: &str| snapshot.behind(&snapshot.schema(table).unwrap().unwrap()).unwrap();
    let said = behind("t");
    assert!(said.len() == 1 && said[0].contains("column n: the sequence public.s has given no number"), "{said:?}");
    assert_eq!(behind("u").len(), 1);
}

#[test]
fn a_large_table_is_not_read_for_a_sequence() {
    let sql = "CREATE TABLE t(id serial, x text); ALTER TABLE t ALTER x SET STORAGE PLAIN; \
               INSERT INTO t SELECT n, repeat('x', 7000) FROM generate_series(1, 8300) n";
    let Some((cluster, store)) = made("large for a sequence", sql) else { return };
    let behind = || {
        let snapshot = store.snapshot(1).unwrap();
        snapshot.behind(&snapshot.schema("t").unwrap().unwrap()).unwrap()
    };
    let said = behind();
    assert!(said.len() == 1 && said[0].contains("public.t_id_seq is behind the rows was not looked at"), "{said:?}");
    cluster.run("large for a sequence", "CREATE INDEX ON t (id)");
    assert!(behind()[0].ends_with("SELECT setval('public.t_id_seq', 8300)"));
}

#[test]
fn a_journal_with_a_rule_on_it_is_not_written_to() {
    let Some((cluster, store)) = made("ruled journal", "CREATE TABLE t(n int)") else { return };
    let begin = || {
        let mut change = store.replace()?;
        change.begin_run(&crate::store::contract::run("a"), &[])?;
        change.commit()
    };
    begin().unwrap();
    cluster.run("ruled journal", "CREATE RULE nothing AS ON INSERT TO intervault.range DO INSTEAD NOTHING");
    let error = begin().unwrap_err();
    assert!(error.to_string().contains("rule or trigger, nothing"), "{error}");
}

#[test]
fn a_row_that_no_chunk_holds_is_not_gathered() {
    let sql = "CREATE TABLE t(n int, x text); INSERT INTO t VALUES (1, 'a'), (2, repeat('0123456789', 14000000))";
    let Some((_, store)) = made("long_row", sql) else { return };
    let snapshot = store.snapshot(1).unwrap();
    let schema = snapshot.schema("t").unwrap().unwrap();
    let part = snapshot.parts(&schema, 9).unwrap().remove(0);
    let error = snapshot.scan(0, &schema, &part, 9, 1 << 20, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&error.kind, StoreErrorKind::Unsupported(words) if words.contains("SELECT tableoid")), "{error}");
    let error = snapshot.scan_keyed(0, &schema, None, (None, None), &[0, 1], &mut |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("the row at ctid (0,2)"), "{error}");
    assert_eq!(keyed(&*snapshot, &schema, &[0]).len(), 2, "what is short of it can be read");
}

/// A row that fails comes behind those before it, which have been taken by then.
#[test]
fn long_rows_are_taken_one_by_one() {
    let Some((_, store)) = made("long rows", "CREATE TABLE t(n int)") else { return };
    let mut session = connect::open(store.address(), Purpose::Reading).unwrap();
    let sql = "COPY (SELECT n / (20 - n), repeat('x', 1048576) FROM generate_series(1, 40) n) TO STDOUT";
    let mut taken = 0;
    let mut take = |_: &[u8]| {
        taken += 1;
        Ok(())
    };
    let error = session.copy_out(Site::database("here"), "read", sql, &mut take).unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    assert_eq!(taken, 19);
}
