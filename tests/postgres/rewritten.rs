//! Backups that begin while somebody rewrites a table, or puts another in its place.

use crate::support::{Centre, backup, only_set, restore, restore_options};
use intervault::device::memory::MemoryDevice;
use std::time::Duration;

/// A backup that begins inside a transaction of these statements, which lock that table, and ends after it; how many rows of the
/// table are in it.
fn backed_up_meanwhile(centre: &Centre, table: &str, statements: &str) -> (MemoryDevice, u64) {
    let mut other = centre.cluster.client(&centre.name);
    other.batch_execute(&format!("BEGIN; {statements}")).unwrap();
    let store = centre.store();
    let taken = std::thread::spawn(move || backup(&store));
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while centre.count(waits) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    other.batch_execute("COMMIT").unwrap();
    let (device, report) = taken.join().unwrap();
    let rows = report.tables.iter().find(|of| of.table == table).unwrap().rows;
    (device, rows)
}

/// What a backup has of hsplit that begins inside a transaction of these statements and ends after it.
fn backed_up_during(statements: &str) {
    let Some(centre) = Centre::world() else { return };
    let before = centre.rows("hsplit");
    let (device, rows) = backed_up_meanwhile(&centre, "hsplit", statements);
    assert_eq!(rows, before.len() as u64, "{statements}");
    assert_eq!(centre.rows("hsplit"), before);
    // And all of it comes back.
    centre.run("DELETE FROM hsplit");
    restore(&device, &centre.store(), &restore_options(), None).unwrap();
    assert_eq!(centre.rows("hsplit"), before);
    drop(only_set(&device));
}

#[test]
fn a_table_that_is_loaded_anew_while_the_backup_begins_is_in_it() {
    backed_up_during(
        "CREATE TEMPORARY TABLE kept AS SELECT * FROM hsplit; TRUNCATE hsplit; INSERT INTO hsplit SELECT * FROM kept",
    );
}

#[test]
fn a_table_whose_type_changes_while_the_backup_begins_is_in_it() {
    backed_up_during("ALTER TABLE hsplit ALTER acdcalls TYPE bigint");
}

#[test]
fn a_table_that_another_takes_the_place_of_while_the_backup_begins_is_in_it() {
    backed_up_during(
        "ALTER TABLE hsplit RENAME TO old; CREATE TABLE hsplit (LIKE old); INSERT INTO hsplit SELECT * FROM old",
    );
}

#[test]
fn a_partition_that_another_table_takes_the_name_of_while_the_backup_begins_is_in_it() {
    let parts = "CREATE TABLE odd (id integer) PARTITION BY LIST (id); CREATE TABLE odd_a PARTITION OF odd FOR VALUES IN (1); \
                 CREATE TABLE odd_b PARTITION OF odd DEFAULT; INSERT INTO odd VALUES (1), (2)";
    let Some(centre) = Centre::new(&[parts]) else { return };
    let (_, rows) = backed_up_meanwhile(
        &centre,
        "odd",
        "ALTER TABLE odd_a RENAME TO odd_c; CREATE TABLE odd_a (LIKE odd); INSERT INTO odd_a SELECT * FROM odd_c",
    );
    assert_eq!(rows, 2);
}
