//! Backups that begin while somebody rewrites a table.

use crate::support::{Centre, backup, only_set, restore, restore_options};
use std::time::Duration;

/// What a backup has of hsplit that begins inside a transaction of these statements and ends after it.
fn backed_up_during(statements: &str) {
    let Some(centre) = Centre::world() else { return };
    let before = centre.rows("hsplit");
    let mut other = centre.cluster.client(&centre.name);
    other.batch_execute(&format!("BEGIN; {statements}")).unwrap();
    let store = centre.store();
    let taken = std::thread::spawn(move || backup(&store));
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'hsplit'::regclass";
    while centre.count(waits) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    other.batch_execute("COMMIT").unwrap();
    let (device, report) = taken.join().unwrap();
    let table = report.tables.iter().find(|table| table.table == "hsplit").unwrap();
    assert_eq!(table.rows, before.len() as u64, "{statements}");
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
