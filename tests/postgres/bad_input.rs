//! What a server, its databases and its roles can be that is not as it should be: each has a clear end, words that name the table
//! and what to do, and nothing is changed.

use super::across::File;
use super::proxy::{Act, Proxy};
use super::support::*;
use intervault::backup::Backup;
use intervault::error::{Class, Error};
use intervault::restore::{Options, Restore, RestorePlan, Select};
use intervault::schema::catalogue::Catalogue;
use intervault::store::postgres::PostgresStore;
use intervault::store::postgres::address::Address;
use intervault::testing::cluster::{Cluster, ClusterOptions};
use intervault::testing::not_tested;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// All tables of the schema.
fn options(centre: &Centre) -> Options {
    Options { select: Select::Tables(centre.tables()), ..restore_options() }
}

/// The words of a failure of this class, with all of these in them.
fn assert_said<T: std::fmt::Debug>(result: Result<T, Error>, class: Class, words: &[&str]) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.class(), class, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}\nwanted {words:?}");
}

/// Runs the program; its exit status and what it says.
fn intervault(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intervault"));
    command.args(arguments).env("INTERVAULT_STATE", "").envs(environment.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn at(url: &str) -> PostgresStore {
    PostgresStore::open(&Address::parse(url, &BTreeMap::new()).unwrap()).unwrap()
}

/// Plans, lets something happen, and applies; everything but what that was must be as before.
fn between(
    centre: &Centre,
    happens: impl FnOnce(),
    contents: impl Fn() -> Vec<String>,
) -> (Result<(), Error>, RestorePlan) {
    let (device, _) = backup(&centre.store());
    let store = centre.store();
    let set = only_set(&device);
    let restore = Restore::new(&set, &store, options(centre));
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals, []);
    happens();
    let before = contents();
    let result = restore.apply(&plan, None).map(drop).map_err(Error::from);
    if result.is_err() {
        assert_eq!(contents(), before, "{result:?}");
    }
    (result, plan)
}

#[test]
fn who_is_not_let_in_is_told_so_by_the_program() {
    let Some(cluster) = Cluster::with(ClusterOptions::default().tcp().hba("host all all 127.0.0.1/32 scram-sha-256"))
    else {
        return;
    };
    cluster.run("postgres", "CREATE ROLE clerk LOGIN PASSWORD 'right'");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("volumes").display().to_string();
    let url = |database: &str| format!("postgres://clerk@127.0.0.1:{}/{database}", cluster.port());
    for (database, password, status, words) in [
        ("postgres", "wrong", 7, ["password authentication failed", "PGPASSWORD"]),
        ("nowhere", "right", 10, ["nowhere", "no such database"]),
    ] {
        let arguments = ["backup", "--database", &url(database), "--to", &place];
        let (ended, said) = intervault(&arguments, &[("PGPASSWORD", password)]);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(ended, Some(status), "{said}");
        assert!(!said.contains("wrong") && !said.contains("right"), "{said}");
    }
}

#[test]
fn a_table_that_may_not_be_read_is_named_and_nothing_is_backed_up() {
    let Some(centre) = Centre::world() else { return };
    let role = format!("clerk_{}", centre.name);
    centre.run(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON hsplit, synonyms TO {role}"));
    let store = at(&centre.url.replace("user=postgres", &format!("user={role}")));
    let device = intervault::device::memory::MemoryDevice::new();
    let backed_up = Backup::new(&store, &Catalogue::builtin(), &device, backup_options(1)).run();
    assert_said(backed_up, Class::NotPermitted, &["dsplit", "permission denied", "grant"]);
    assert!(intervault::volume::set::list_sets(&device).unwrap().sets.is_empty());
    // Nor is what may only be read replaced.
    centre.run(&format!(
        "GRANT USAGE ON SCHEMA intervault TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA intervault TO {role}"
    ));
    let (device, _) = backup(&centre.store());
    let set = only_set(&device);
    let tables = Options { select: Select::Tables(vec!["hsplit".to_owned()]), ..restore_options() };
    let plan = Restore::new(&set, &store, tables).plan().map(drop);
    assert_said(plan, Class::NotPermitted, &["hsplit", "GRANT INSERT, DELETE ON"]);
}

/// Answers as a server does that has been there for a long time.
#[test]
fn a_server_that_is_too_old_is_told_by_its_version() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let message = |letter: u8, body: &[u8]| {
            [&[letter][..], &(u32::try_from(body.len()).unwrap() + 4).to_be_bytes(), body].concat()
        };
        let ready = message(b'Z', b"I");
        let mut begins = [0; 1_024];
        let _ = stream.read(&mut begins);
        let _ = stream.write_all(&[message(b'R', &[0, 0, 0, 0]), ready.clone()].concat());
        let _ = stream.read(&mut begins);
        let column = [b"v\0".as_slice(), &[0; 6], &25u32.to_be_bytes(), &[255, 255, 255, 255, 255, 255, 0, 0]].concat();
        let row = [[0u8, 1].as_slice(), &6u32.to_be_bytes(), b"130022"].concat();
        let answer =
            [message(b'T', &[&[0, 1][..], &column].concat()), message(b'D', &row), message(b'C', b"SHOW\0"), ready];
        let _ = stream.write_all(&answer.concat());
        let _ = stream.read(&mut begins);
    });
    let url = format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable");
    let opened = PostgresStore::open(&Address::parse(&url, &BTreeMap::new()).unwrap()).map_err(Error::from);
    assert_said(opened.map(drop), Class::NotRestorable, &["PostgreSQL 13", "at least PostgreSQL 14"]);
}

#[test]
fn a_table_that_somebody_has_locked_is_named_and_the_rest_is_as_it_was() {
    let Some(centre) = Centre::world() else { return };
    let (device, _) = backup(&centre.store());
    centre.ruin();
    let before = centre.contents();
    let hasty = || {
        let address = Address::parse(&centre.url, &BTreeMap::new()).unwrap();
        PostgresStore::open(&address.with_lock_wait(Duration::from_millis(200))).unwrap()
    };
    let mut other = centre.cluster.client(&centre.name);
    other.batch_execute("SET application_name = 'payroll'; BEGIN; UPDATE hsplit SET acdcalls = acdcalls").unwrap();
    // A table that is to be altered waits for the one who reads, and everybody else waits for it.
    let mut reader = centre.cluster.client(&centre.name);
    let only = Options { select: Select::Tables(vec!["hsplit".to_owned()]), ..restore_options() };
    let restored = restore(&device, &hasty(), &only, None);
    assert_said(restored, Class::Busy, &["table hsplit", "payroll", "locked"]);
    assert_eq!(centre.contents(), before);
    other.batch_execute("ROLLBACK").unwrap();
    reader.batch_execute("BEGIN; SELECT 1 FROM hsplit LIMIT 1").unwrap();
    let (name, cluster) = (centre.name.clone(), centre.cluster);
    let altered = std::thread::spawn(move || cluster.run(&name, "ALTER TABLE hsplit ADD COLUMN late int"));
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'hsplit'::regclass";
    while centre.count(waits) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let restored = restore(&device, &hasty(), &only, None);
    let error = restored.unwrap_err();
    assert_eq!(error.class(), Class::Busy, "{error}");
    assert!(error.to_string().contains("hsplit"), "{error}");
    reader.batch_execute("ROLLBACK").unwrap();
    altered.join().unwrap();
}

#[test]
fn a_type_that_has_changed_since_the_backup_takes_what_it_can_and_refuses_the_rest() {
    let table = |of: &str| {
        format!(
            "CREATE TABLE hsplit (row_date date, starttime smallint, intrvl smallint, acd smallint, split smallint, n {of})"
        )
    };
    for (from, to, row, class) in [
        ("integer", "smallint", "70000", Some(Class::NotRestorable)),
        ("integer", "smallint", "7", Some(Class::NotRestorable)),
        ("text", "integer", "'seven'", Some(Class::NotRestorable)),
        ("integer", "text", "7", Some(Class::NotRestorable)),
        ("numeric(9,3)", "numeric(9,1)", "1.234", Some(Class::NotRestorable)),
        ("integer", "bigint", "7", None),
        ("varchar(9)", "varchar(3)", "'sevens'", Some(Class::NotRestorable)),
        ("timestamp", "date", "'2024-01-01 10:00'", Some(Class::NotRestorable)),
    ] {
        let what = format!("{from} to {to}, {row}");
        let insert = |row: &str| format!("INSERT INTO hsplit VALUES ('2024-03-01', 900, 30, 1, 1, {row})");
        let Some(source) = Centre::new(&[&table(from), &insert(row)]) else { return };
        let (device, _) = backup(&source.store());
        let Some(target) = Centre::new(&[&table(to), &insert("NULL")]) else { return };
        let before = target.rows("hsplit");
        let restored = restore(&device, &target.store(), &restore_options(), None);
        match (class, restored) {
            (None, restored) => drop(restored.unwrap_or_else(|error| panic!("{what}: {error}"))),
            (Some(class), Err(error)) => {
                let text = error.to_string();
                assert_eq!(error.class(), class, "{what}: {text}");
                assert!(text.contains("hsplit") && text.contains("column n"), "{what}: {text}");
                assert_eq!(target.rows("hsplit"), before, "{what}");
            }
            (Some(_), Ok(_)) => panic!("{what}: it went in"),
        }
    }
}

/// The server cuts names after 63 bytes.
#[test]
fn names_that_are_one_when_they_are_cut_are_refused() {
    let long = "n".repeat(63);
    let file = File::new(&format!(
        "CREATE TABLE odd (id INTEGER, {long}_first INTEGER, {long}_second INTEGER); INSERT INTO odd VALUES (1, 2, 3)"
    ));
    let (device, _) = backup(&file.store());
    let Some(target) =
        Centre::new(&[&format!("CREATE TABLE odd (id integer, {long} integer); INSERT INTO odd VALUES (9, 9)")])
    else {
        return;
    };
    let before = target.rows("odd");
    let restored = restore(&device, &target.store(), &options(&target), None);
    assert_said(restored, Class::NotRestorable, &["odd", "nnn_first"]);
    assert_eq!(target.rows("odd"), before);
}

#[test]
fn names_that_must_be_quoted_are_found_as_they_are() {
    let tables = r#"CREATE TABLE "Select" ("Order" integer, "a ""b""" text, "group" integer, "Ärger" text, "semi;--" integer);
        CREATE TABLE "two words" ("from" integer);"#;
    let rows = r#"INSERT INTO "Select" VALUES (1, 'x''y', 2, 'ü', 3); INSERT INTO "two words" VALUES (4)"#;
    let file = File::new(&format!("{tables}{rows}"));
    let (device, _) = backup(&file.store());
    let Some(target) = Centre::new(&[tables]) else { return };
    restore(&device, &target.store(), &options(&target), None).unwrap();
    assert_eq!(target.rows("\"Select\""), ["(1,x'y,2,ü,3)"]);
    assert_eq!(target.rows("\"two words\""), ["(4)"]);
}

/// The engine takes names for equal that differ in case; which of two tables is meant nobody can say.
#[test]
fn tables_whose_names_differ_in_case_alone_are_not_confused() {
    let file = File::new("CREATE TABLE odd (id integer); INSERT INTO odd VALUES (1)");
    let (device, _) = backup(&file.store());
    let Some(target) = Centre::new(&["CREATE TABLE odd (id integer); CREATE TABLE \"Odd\" (id integer)"]) else {
        return;
    };
    let only = Options { select: Select::Tables(vec!["odd".to_owned()]), ..restore_options() };
    let result = restore(&device, &target.store(), &only, None);
    match result {
        Ok(_) => assert_eq!((target.rows("odd"), target.rows("\"Odd\"")), (vec!["(1)".to_owned()], Vec::new())),
        Err(error) => {
            assert!(error.to_string().to_lowercase().contains("odd"), "{error}");
            assert!(target.rows("odd").is_empty() && target.rows("\"Odd\"").is_empty());
        }
    }
}

#[test]
fn databases_of_other_encodings_come_back_byte_for_byte() {
    let Some(cluster) = Cluster::shared() else { return };
    for (encoding, value) in [
        ("LATIN1", "convert_from('\\xe9fc', 'LATIN1')"),
        ("EUC_JP", "convert_from('\\xc6fccbdc', 'EUC_JP')"),
        ("SQL_ASCII", "convert_from('\\xe9ff80', 'SQL_ASCII')"),
    ] {
        let name = format!("coded_{}", encoding.to_lowercase());
        let create =
            format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        cluster.run("postgres", &create);
        let centre = Centre { cluster, url: cluster.url(&name), name };
        centre.run("CREATE TABLE odd (id integer, t text, c char(9))");
        centre.run(&format!("INSERT INTO odd VALUES (1, {value}, {value}), (2, 'plain', NULL)"));
        set_state(&centre.store());
        let bytes = |centre: &Centre| {
            let of = |column: &str| format!("encode(convert_to({column}::text, '{encoding}'), 'hex')");
            let mut rows = centre.cluster.query(&centre.name, &format!("SELECT id, {}, {} FROM odd", of("t"), of("c")));
            rows.sort();
            rows
        };
        let before = bytes(&centre);
        let (device, _) = backup(&centre.store());
        centre.run("DELETE FROM odd");
        restore(&device, &centre.store(), &options(&centre), None)
            .unwrap_or_else(|error| panic!("{encoding}: {error}"));
        assert_eq!(bytes(&centre), before, "{encoding}");
        let Some(target) = Centre::new(&["CREATE TABLE odd (id integer, t text, c char(9))"]) else { return };
        let restored = restore(&device, &target.store(), &options(&target), None);
        if encoding == "SQL_ASCII" {
            // Nobody knows what letters these are.
            assert_said(restored, Class::NotRestorable, &["odd", "0xe9"]);
            continue;
        }
        restored.unwrap();
        assert_eq!(target.rows("odd").len(), 2, "{encoding}");
    }
    // What the database cannot write either.
    let file = File::new("CREATE TABLE odd (id integer, t text, c char(9)); INSERT INTO odd VALUES (1, '日本', '')");
    let (device, _) = backup(&file.store());
    let centre = Centre { cluster, url: cluster.url("coded_latin1"), name: "coded_latin1".to_owned() };
    let before = centre.rows("odd");
    let restored = restore(&device, &centre.store(), &options(&centre), None);
    assert_said(restored, Class::NotRestorable, &["odd", "LATIN1"]);
    assert_eq!(centre.rows("odd"), before);
}

#[test]
fn a_row_of_fifty_megabytes_and_a_table_of_many_columns_come_back() {
    let columns: Vec<String> = (0..1_500).map(|n| format!("c{n} integer")).collect();
    let wide = format!("CREATE TABLE wide ({}); INSERT INTO wide (c0, c1499) VALUES (1, 2)", columns.join(","));
    let long = "CREATE TABLE long (id integer, t text); INSERT INTO long SELECT 1, repeat('0123456789abcdef', 3276800)";
    let Some(centre) = Centre::new(&[&wide, long]) else { return };
    let sum = "SELECT ('x' || left(md5(t), 7))::bit(28)::int FROM long";
    let before = (centre.rows("wide"), centre.count(sum));
    let (device, report) = backup(&centre.store());
    assert!(report.verified);
    centre.run("UPDATE long SET t = 'x'; UPDATE wide SET c0 = 3");
    restore(&device, &centre.store(), &options(&centre), None).unwrap();
    assert_eq!((centre.rows("wide"), centre.count(sum)), before);
}

#[test]
fn tables_with_rules_of_their_own_are_refused_in_the_plan() {
    let base = "CREATE TABLE odd (id integer PRIMARY KEY); INSERT INTO odd VALUES (1)";
    let function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
    for (words, sql) in [
        ("triggers", format!("{function}; CREATE TRIGGER g BEFORE DELETE ON odd FOR EACH ROW EXECUTE FUNCTION f()")),
        ("rules", "CREATE RULE r AS ON INSERT TO odd DO INSTEAD NOTHING".to_owned()),
        ("CASCADE", "CREATE TABLE child (id integer REFERENCES odd ON DELETE CASCADE)".to_owned()),
    ] {
        let Some(centre) = Centre::new(&[base, &sql]) else { return };
        let (device, _) = backup(&centre.store());
        let (set, store) = (only_set(&device), centre.store());
        let only = Options { select: Select::Tables(vec!["odd".to_owned()]), ..restore_options() };
        let plan = Restore::new(&set, &store, only).plan().unwrap();
        let said: Vec<String> =
            plan.refusals.iter().map(|refusal| format!("{}; {}", refusal.what, refusal.advice)).collect();
        assert!(said.iter().any(|said| said.contains("odd") && said.contains(words)), "{words}: {said:?}");
        assert_eq!(centre.rows("odd"), ["(1)"]);
    }
    // Whom a policy binds cannot see all rows.
    let Some(centre) = Centre::new(&[base]) else { return };
    let role = format!("bound_{}", centre.name);
    centre.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON odd TO {role}; ALTER TABLE odd ENABLE ROW LEVEL SECURITY"
    ));
    let store = at(&centre.url.replace("user=postgres", &format!("user={role}")));
    let device = intervault::device::memory::MemoryDevice::new();
    let backed_up = Backup::new(&store, &Catalogue::builtin(), &device, backup_options(1)).run();
    assert_said(backed_up, Class::NotPermitted, &["table odd", "row level security", "BYPASSRLS"]);
}

#[test]
fn what_happens_between_plan_and_restore_is_seen() {
    let parts = "CREATE TABLE odd (id integer, n integer) PARTITION BY LIST (id); CREATE TABLE odd_a PARTITION OF odd FOR VALUES \
                 IN (1); CREATE TABLE odd_b PARTITION OF odd DEFAULT; INSERT INTO odd VALUES (1, 1), (2, 2)";
    for (sql, words) in [
        ("DROP TABLE odd_a", &["odd"][..]),
        ("ALTER TABLE odd ADD COLUMN late integer", &["odd"]),
        ("DROP TABLE odd", &["odd"]),
        ("ALTER TABLE odd ALTER COLUMN n TYPE text", &["odd"]),
        ("INSERT INTO odd VALUES (3, 3)", &["odd"]),
    ] {
        let Some(centre) = Centre::new(&[parts]) else { return };
        let contents = || if sql == "DROP TABLE odd" { Vec::new() } else { centre.rows("odd") };
        let (result, _) = between(&centre, || centre.run(sql), contents);
        let Err(error) = result else { panic!("{sql}: it went well") };
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{sql}: {text}");
        assert!(matches!(error.class(), Class::NotRestorable | Class::Nothing), "{sql}: {:?}: {text}", error.class());
    }
}

/// The server is gone for a moment, in the middle of a backup; those of a restore are in `kills`.
#[test]
fn a_server_that_is_started_again_ends_a_backup_with_words() {
    let Some(cluster) = Cluster::start() else { return };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let centre = Centre::world_in(cluster);
    let proxy = Proxy::new(cluster.socket().join(format!(".s.PGSQL.{}", cluster.port())));
    let store = at(&proxy.url(&centre.name));
    let device = intervault::device::memory::MemoryDevice::new();
    let back_up = |number| Backup::new(&store, &Catalogue::builtin(), &device, backup_options(number)).run();
    proxy.calm();
    back_up(1).unwrap();
    proxy.at(proxy.seen().len() / 2, Act::Do(Box::new(|_| cluster.restart_immediate())));
    let cut = back_up(2);
    proxy.calm();
    assert_said(cut, Class::Failed, &["connection"]);
    assert!(back_up(3).unwrap().verified);
}

/// A server that follows another one, which is not there any more.
#[test]
fn what_a_standby_does_not_have_is_left_out_of_its_backup_with_words() {
    let Some(cluster) = Cluster::with(ClusterOptions::default().set("wal_level", "replica")) else { return };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let parts = "CREATE TABLE odd (id integer) PARTITION BY LIST (id); CREATE TABLE odd_a PARTITION OF odd FOR VALUES IN (1); \
                 CREATE UNLOGGED TABLE odd_b PARTITION OF odd DEFAULT; INSERT INTO odd VALUES (1), (2)";
    let quick = "CREATE UNLOGGED TABLE quick (id integer); INSERT INTO quick VALUES (1)";
    let centre = Centre::new_in(cluster, &[HSPLIT, parts, quick]);
    centre.intervals("2024-03-01", 1);
    let (_, report) = backup(&centre.store());
    assert_eq!((report.tables.len(), report.gaps.left_out.len()), (3, 0));
    cluster.run(&centre.name, "CHECKPOINT");
    let _signal = cluster.file("data/standby.signal", b"");
    cluster.restart_immediate();
    let (_, report) = backup(&centre.store());
    let tables: Vec<(&str, u64)> = report.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(tables, [("hsplit", 8)]);
    let left_out = &report.gaps.left_out;
    assert_eq!(left_out.iter().map(|gap| gap.name.as_str()).collect::<Vec<_>>(), ["odd", "quick"]);
    assert!(left_out.iter().all(|gap| gap.reason.contains("unlogged") && gap.warns), "{left_out:?}");
}

/// A disk of three megabytes under the table.
#[test]
fn a_server_whose_disk_is_full_leaves_the_table_as_it_was() {
    let Some(cluster) = Cluster::start() else { return };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let place = cluster.folder("small");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m,mode=0777", "none"]).arg(&place).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        return not_tested("a server whose disk is full: no file system of three megabytes can be mounted here");
    }
    let _unmount = Unmount(place.clone());
    let inner = place.join("space");
    std::fs::create_dir(&inner).unwrap();
    let facts = std::fs::metadata(cluster.data()).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    std::os::unix::fs::chown(&inner, Some(facts.uid()), Some(facts.gid())).unwrap();
    let rows = "INSERT INTO odd SELECT n, repeat('x', 900) FROM generate_series(1, 6000) n";
    let source = Centre::new_in(cluster, &["CREATE TABLE odd (id integer, t text)", rows]);
    let (device, _) = backup(&source.store());
    cluster.run("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", inner.display()));
    let table = "CREATE TABLE odd (id integer, t text) TABLESPACE small; INSERT INTO odd VALUES (7, 'old')";
    let target = Centre::new_in(cluster, &[table]);
    let restored = restore(&device, &target.store(), &options(&target), None);
    assert_said(restored, Class::Full, &["odd"]);
    assert_eq!(target.rows("(SELECT id, t AS word FROM odd)"), ["(7,old)"]);
}

/// Takes a file system away again.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
