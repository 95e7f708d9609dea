//! The roles that are made do what backups and restores do, and nothing else.

use super::reading::{keyed, read};
use super::writing::{begin, numbers};
use super::*;
use crate::store::control::State;
use crate::store::postgres::roles::Roles;

const TABLES: &str = "CREATE TABLE t(a int); INSERT INTO t VALUES (1), (2), (3); \
    CREATE TABLE other(a int); INSERT INTO other VALUES (1); \
    CREATE SCHEMA elsewhere; CREATE TABLE p(a int) PARTITION BY RANGE (a); \
    CREATE TABLE elsewhere.p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (5)";

const READS: &str = "it \"reads\" $intervault$ it's";
const RESTORES: &str = "puts\\back";

/// A database with roles for these tables, and the store as each of both roles sees it.
fn made(name: &str, tables: &[&str]) -> Option<(&'static Cluster, [Address; 2])> {
    let cluster = Cluster::shared()?;
    let url = cluster.database(name);
    cluster.run(name, TABLES);
    let roles = Roles {
        database: name.to_owned(),
        schema: "public".to_owned(),
        backup: Some(format!("{READS} {name}")),
        restore: Some(format!("{RESTORES} {name}")),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
    };
    let sql = roles.sql().unwrap();
    // What everybody has here would hide what a role lacks.
    cluster
        .run(name, &format!("REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"));
    cluster.run(name, &sql);
    cluster.run(name, &sql);
    let at = |role: &str| {
        let role = role.replace('\\', "%5C").replace('"', "%22").replace(' ', "%20");
        address(&url.replace("user=postgres", &format!("user={role}%20{name}")))
    };
    Some((cluster, [at(READS), at(RESTORES)]))
}

/// The codes with which the server refuses these statements; `00000` where it does not.
fn codes(address: &Address, statements: &[&str]) -> Vec<String> {
    let code = |error: postgres::Error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned());
    let one = |sql: &&str| {
        let mut session = connect::open(address, Purpose::Writing).unwrap();
        session.batch_execute(sql).map_or_else(code, |()| "00000".to_owned())
    };
    statements.iter().map(one).collect()
}

#[test]
fn the_role_for_backups_reads_what_is_listed_and_nothing_else() {
    let Some((cluster, [backup, restore])) = made("roles for backups", &["t", "p"]) else { return };
    let store = PostgresStore::open(&backup).unwrap();
    drop(store.lock_for_reading().unwrap());
    // The control tables come later, made by the other role.
    let mut change = PostgresStore::open(&restore).unwrap().replace().unwrap();
    change.set_state(&State::default()).unwrap();
    change.commit().unwrap();
    let snapshot = store.snapshot(2).unwrap();
    assert_eq!(snapshot.state().unwrap(), State::default());
    assert!(snapshot.runs().unwrap().is_empty());
    for (table, rows) in [("t", 3), ("p", 1)] {
        let schema = snapshot.schema(table).unwrap().unwrap();
        assert_eq!(read(snapshot.as_ref(), &schema, 100).1.len(), rows, "{table}");
    }
    let refused = [
        "SELECT * FROM public.other",
        "DELETE FROM public.t",
        "INSERT INTO public.t VALUES (9)",
        "UPDATE public.t SET a = 9",
        "TRUNCATE public.t",
        "DROP TABLE public.t",
        "CREATE TABLE public.x(a int)",
        "DELETE FROM intervault.state",
        "CREATE TABLE intervault.x(a int)",
    ];
    assert_eq!(codes(&backup, &refused), vec!["42501"; refused.len()]);
    assert_eq!(codes(&backup, &["SELECT * FROM public.t"]), ["00000"]);
    assert_eq!(cluster.query("roles for backups", "SELECT count(*) FROM t")[0][0].as_deref(), Some("3"));
}

#[test]
fn the_role_for_restores_puts_rows_back_in_what_is_listed_and_nothing_else() {
    let Some((cluster, [_, restore])) = made("roles for restores", &["t", "p"]) else { return };
    let store = PostgresStore::open(&restore).unwrap();
    let lock = store.lock().unwrap();
    let snapshot = store.snapshot(1).unwrap();
    for table in ["t", "p"] {
        snapshot.writable(&snapshot.schema(table).unwrap().unwrap()).unwrap();
    }
    let refused = snapshot.writable(&snapshot.schema("other").unwrap().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("GRANT"), "{refused}");
    let keys = keyed(snapshot.as_ref(), &snapshot.schema("t").unwrap().unwrap(), &[0]);
    let (mut change, schema) = begin(&store);
    assert_eq!(change.delete(&schema, &[keys[0].0]).unwrap(), 1);
    change.insert(&schema, &[0], &numbers(&[7, 8])).unwrap();
    let parts = change.schema("p").unwrap().unwrap();
    assert_eq!(change.delete_all(&parts).unwrap(), 1);
    change.insert(&parts, &[0], &numbers(&[6])).unwrap();
    change.set_state(&State::default()).unwrap();
    change.commit().unwrap();
    drop(lock);
    let sums = cluster.query("roles for restores", "SELECT (SELECT sum(a) FROM t), (SELECT sum(a) FROM p)");
    assert_eq!(sums, [[Some("20".to_owned()), Some("6".to_owned())]]);
    let refused = [
        "SELECT * FROM public.other",
        "DELETE FROM public.other",
        "UPDATE public.t SET a = 9",
        "TRUNCATE public.t",
        "DROP TABLE public.t",
        "ALTER TABLE public.t ADD b int",
        "CREATE TABLE public.x(a int)",
    ];
    assert_eq!(codes(&restore, &refused), vec!["42501"; refused.len()]);
}

#[test]
fn without_a_list_all_tables_are_meant() {
    let Some((_, [backup, restore])) = made("roles for all", &[]) else { return };
    let read = ["SELECT * FROM public.other, elsewhere.p1", "SELECT * FROM public.t", "DELETE FROM public.other"];
    assert_eq!(codes(&backup, &read), ["00000", "00000", "42501"]);
    let store = PostgresStore::open(&backup).unwrap();
    let snapshot = store.snapshot(1).unwrap();
    for table in ["t", "other", "p"] {
        assert!(!super::reading::read(snapshot.as_ref(), &snapshot.schema(table).unwrap().unwrap(), 9).1.is_empty());
    }
    assert_eq!(codes(&restore, &["DELETE FROM public.other", "UPDATE public.other SET a = 1"]), ["00000", "42501"]);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let roles = |backup: &str, restore: Option<&str>| Roles {
        database: "d".to_owned(),
        schema: "public".to_owned(),
        backup: Some(backup.to_owned()),
        restore: restore.map(str::to_owned),
        tables: Vec::new(),
    };
    assert!(roles(&"x".repeat(63), None).sql().is_ok());
    for (wrong, restore) in [("", None), (&*"x".repeat(64), None), ("a\nb", None), ("same", Some("same"))] {
        assert!(roles(wrong, restore).sql().is_err(), "{wrong:?}");
    }
}
