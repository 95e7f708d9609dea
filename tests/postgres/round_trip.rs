//! What was backed up and restored is what was there, by the server's own programs.

use super::support::*;
use intervault::backup::{Backup, Incremental, Kind};
use intervault::restore::{Options, Part, Restore, Select, UnitReport};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::Request;
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::set::list_sets;

/// Tables of all kinds of types and names: what the engine has no word for is a custom table.
const ODD: &str = r#"
    CREATE TYPE colour AS ENUM ('red', 'deep red');
    CREATE DOMAIN percent AS smallint CHECK (VALUE < 101);
    CREATE TABLE "Odd Table" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "select" numeric(9,3), c char(5), v varchar(9),
      t text, b bytea, f real, d double precision, day date, at timestamp, zoned timestamptz, tod time, ok boolean, list int[],
      paint colour, share percent, doc jsonb, span interval, net inet, twice numeric GENERATED ALWAYS AS ("select" * 2) STORED);
    INSERT INTO "Odd Table" ("select", c, v, t, b, f, d, day, at, zoned, tod, ok, list, paint, share, doc, span, net) VALUES
      (1.500, 'ab', 'x ', E'tab\t nl\n back\\ \\N', '\x00ff', 'NaN', '-Infinity', 'infinity', '-infinity', 'infinity', '24:00',
       true, '{1,NULL}', 'deep red', 7, '{"a": [1]}', '1 mon 2 days', '10.1.2.3/8'),
      (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
      ('NaN', '', '', '', '', 0.1, 0.1, '0044-03-15 BC', '2024-02-29 12:00:00.123456', '2024-02-29 12:00:00.5+02', '00:00:00.1',
       false, '{}', 'red', -1, 'null', '-1 second', '::1');
    CREATE TABLE parts (day date, n int) PARTITION BY RANGE (day);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
    CREATE TABLE parts_b (n int, day date); ALTER TABLE parts ATTACH PARTITION parts_b DEFAULT;
    INSERT INTO parts SELECT date '2024-01-01' + n % 60, n FROM generate_series(1, 500) n;
    CREATE TABLE parent (k int PRIMARY KEY);
    CREATE TABLE child (k int REFERENCES parent DEFERRABLE, self int UNIQUE);
    INSERT INTO parent SELECT generate_series(1, 9); INSERT INTO child SELECT k, k FROM parent;
"#;

/// What `pg_dump` makes of a database, but for the engine's own tables and the state of sequences.
fn dump(centre: &Centre, arguments: &[&str]) -> String {
    let text = centre.cluster.client_program("pg_dump", &centre.name, &[&["-N", "intervault"], arguments].concat());
    // Newer versions mark each text with a word of its own.
    let same =
        |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict") && !line.contains("setval");
    text.lines().filter(same).collect::<Vec<_>>().join("\n")
}

fn psql(centre: &Centre, sql: &str) -> String {
    centre.cluster.client_program("psql", &centre.name, &["-Atc", sql])
}

#[test]
fn a_database_restored_into_empty_tables_is_dumped_as_the_same_text() {
    let Some(source) = Centre::world() else { return };
    source.run(ODD);
    let (device, report) = backup(&source.store());
    assert!(report.verified);
    let Some(target) = Centre::new(&[&dump(&source, &["--schema-only"])]) else { return };
    let options = Options { select: Select::Tables(source.tables()), ..restore_options() };
    restore(&device, &target.store(), &options, None).unwrap();
    let (is, wanted) = (dump(&target, &[]), dump(&source, &[]));
    let differs = is.lines().zip(wanted.lines()).find(|(is, wanted)| is != wanted);
    assert!(is == wanted, "first at {differs:?}");
    // Once more over what is there now: the same rows.
    let before = target.contents();
    restore(&device, &target.store(), &options, None).unwrap();
    assert_eq!(target.contents(), before);
    let read = "SELECT count(*), sum(acdcalls), min(row_date) FROM public.hsplit";
    assert_eq!(psql(&target, read), psql(&source, read));
}

#[test]
fn an_empty_table_with_indexes_is_filled_at_once_and_has_them_afterwards() {
    let Some(source) = Centre::world() else { return };
    source.run(
        "CREATE INDEX plain ON hsplit (row_date, starttime);
         CREATE INDEX \"Odd one\" ON hsplit (lower(acdcalls::text)) WHERE split > 1;
         CREATE INDEX told ON dsplit (row_date); COMMENT ON INDEX told IS 'kept'",
    );
    let (device, _) = backup(&source.store());
    let Some(target) = Centre::new(&[&dump(&source, &["--schema-only"])]) else { return };
    let numbers =
        "SELECT relname, oid FROM pg_class WHERE relkind = 'i' AND relname IN ('plain', 'Odd one', 'told') ORDER BY 1";
    let before = psql(&target, numbers);
    let select = Select::Tables(vec!["hsplit".to_owned(), "dsplit".to_owned()]);
    let options = Options { select, unit_rows: 1, ..restore_options() };
    let report = restore(&device, &target.store(), &options, None).unwrap();
    let slices = |table: &str| {
        let slice = |unit: &&UnitReport| unit.table == table && matches!(unit.part, Part::Slice(_));
        report.units.iter().filter(slice).count()
    };
    assert!(slices("hsplit") == 1 && slices("dsplit") > 3, "{:?}", report.units);
    assert_eq!(dump(&target, &["-t", "hsplit", "-t", "dsplit"]), dump(&source, &["-t", "hsplit", "-t", "dsplit"]));
    // Those that were made anew have other numbers.
    let after = psql(&target, numbers);
    let kept: Vec<&str> = after.lines().filter(|line| before.contains(*line)).collect();
    assert!(kept.len() == 1 && kept[0].starts_with("told|"), "{before}, {after}");
    // Over rows that are there nothing is put off, and units are small.
    let report = restore(&device, &target.store(), &options, None).unwrap();
    assert!(report.units.iter().filter(|unit| unit.table == "hsplit").count() > 3);
    assert_eq!(psql(&target, numbers), after);
}

#[test]
fn one_day_comes_back_and_nothing_else_is_touched() {
    let Some(centre) = Centre::world() else { return };
    let (device, _) = backup(&centre.store());
    let whole = centre.contents();
    centre.ruin();
    let other = "hsplit WHERE row_date <> '2024-03-02' OR row_date IS NULL";
    let others = |centre: &Centre| centre.rows(&format!("(SELECT ctid, * FROM {other})"));
    let ruined = (others(&centre), centre.rows("dsplit"));
    let request = Request::parse(Some("2024-03-02"), Some("2024-03-02")).unwrap();
    let options = Options { request, select: Select::Tables(vec!["hsplit".to_owned()]), ..restore_options() };
    let report = restore(&device, &centre.store(), &options, None).unwrap();
    assert!(report.proved);
    assert_eq!((report.tables[0].deleted, report.tables[0].inserted), (17, 17));
    assert_eq!(centre.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-02' AND acdcalls = -1"), 0);
    assert_eq!((others(&centre), centre.rows("dsplit")), ruined);
    restore(&device, &centre.store(), &restore_options(), None).unwrap();
    assert_eq!(centre.contents(), whole);
}

/// Units of several tables go in side by side; what refers to other rows waits for these.
#[test]
fn tables_are_restored_side_by_side_and_in_the_order_of_their_references() {
    let names = ["a_child", "b_child", "c_parent", "d_alone"];
    let sql = "CREATE TABLE c_parent (k int PRIMARY KEY, t text); \
               CREATE TABLE a_child (k int REFERENCES c_parent DEFERRABLE); \
               CREATE TABLE b_child (k int REFERENCES c_parent DEFERRABLE); CREATE TABLE d_alone (k int); \
               INSERT INTO c_parent SELECT n, repeat('x', 100) FROM generate_series(1, 5000) n; \
               INSERT INTO a_child SELECT k FROM c_parent; INSERT INTO b_child SELECT k FROM c_parent; \
               INSERT INTO d_alone SELECT k FROM c_parent";
    let Some(source) = Centre::new(&[sql]) else { return };
    let (device, _) = backup(&source.store());
    for changed in ["TRUNCATE a_child, b_child, c_parent, d_alone", "UPDATE c_parent SET t = ''", "TRUNCATE a_child"] {
        for jobs in [1, 4] {
            source.run(changed);
            let options =
                Options { select: Select::Tables(names.map(str::to_owned).to_vec()), jobs, ..restore_options() };
            let report = restore(&device, &source.store(), &options, None).unwrap();
            assert_eq!(report.tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), names);
            for name in names {
                assert_eq!(source.count(&format!("SELECT count(*) FROM {name}")), 5_000, "{name}");
            }
            assert_eq!(source.count("SELECT min(length(t)) FROM c_parent"), 100);
        }
    }
}

/// Only what changed is written, also where rows have moved to other places meanwhile.
#[test]
fn an_incremental_has_what_changed_and_the_chain_restores_it() {
    let Some(centre) = Centre::world() else { return };
    let (device, _) = backup(&centre.store());
    centre.run(
        "UPDATE hsplit SET acdcalls = 99 WHERE row_date = '2024-03-03' AND acd = 1; UPDATE hsplit SET logid = logid",
    );
    centre.run("VACUUM FULL hsplit");
    let store = centre.store();
    let options = intervault::backup::Options { kind: Kind::Incremental(Incremental::default()), ..backup_options(2) };
    let report = Backup::new(&store, &Catalogue::builtin(), &device, options).run().unwrap();
    let hsplit = report.tables.iter().find(|table| table.table == "hsplit").unwrap();
    assert_eq!(hsplit.compared.as_ref().unwrap().changed, 1, "{report:?}");
    let whole = centre.contents();
    centre.ruin();
    let sets = list_sets(&device).unwrap().sets;
    let restore = Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, restore_options());
    restore.apply(&restore.plan().unwrap(), None).unwrap();
    assert_eq!(centre.contents(), whole);
}
