//! Undo where something is wrong with one unit alone: it is left as it is and said so, and the others go back all the same.

use super::support::*;
use super::undo::{options, restore_onto, undo_watched};
use intervault::base::monitor::Silent;
use intervault::device::memory::MemoryDevice;
use intervault::restore::{Options, UndoOptions};

/// A table is gone since the restore: what is of other tables can be taken back all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_partial_undo_leaves_out_the_table_that_is_gone_only() {
    use super::commands::{Case, run};
    let case = Case::new();
    case.ruin();
    let before = case.centre.rows("(SELECT rowid, * FROM hsplit)");
    let url = case.url();
    run(
        &[
            "restore",
            "--database",
            &url,
            "--from",
            &case.device(),
            "--yes",
            "--uncovered",
            "delete",
            "--data",
            "historical",
        ],
        0,
    );
    case.centre.run("DROP TABLE dsplit");
    let hsplit = || case.centre.rows("(SELECT rowid, * FROM hsplit)");
    let restored = hsplit();
    let (_, said) = run(&["undo", "--database", &url, "--yes"], 9);
    assert!(hsplit() == restored && said.contains("absent-table") && said.contains("nothing was changed"), "{said}");
    let (out, said) = run(&["undo", "--database", &url, "--yes", "--partial"], 3);
    assert!(hsplit() == before, "hsplit was not taken back because of dsplit: {said}");
    assert!(out.contains("1 as the restore left them") && said.contains("no table dsplit"), "{out}{said}");
}

/// A row that the set lacks was deleted with its number, and a row that came later has that number by now, in a table whose rows
/// bring theirs. What is of other tables can be taken back all the same.
#[test]
fn a_partial_undo_leaves_out_the_unit_whose_number_is_taken_only() {
    for keyed in ["hsplit", "dsplit"] {
        let with_key = |table: &str, name: &str| match keyed == name {
            true => table.replace(&format!("TABLE {name} ("), &format!("TABLE {name} (id INTEGER PRIMARY KEY, ")),
            false => table.to_owned(),
        };
        let centre = Centre::new(&[&with_key(HSPLIT, "hsplit"), &with_key(DSPLIT, "dsplit")]);
        let hour = |day: i64, calls: i64| {
            centre.run(&format!(
                "INSERT INTO hsplit (row_date, starttime, intrvl, acd, split, acdcalls, logid) VALUES \
                 ('2024-03-{day}', 900, 30, 1, 1, {calls}, 'a'); \
                 INSERT INTO dsplit (row_date, acd, split, acdcalls) VALUES ('2024-03-{day}', 1, 1, {calls})"
            ));
        };
        [20, 22].into_iter().for_each(|day| hour(day, 10));
        let device = backup(&centre);
        centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
        hour(21, -1);
        let undo = MemoryDevice::new();
        restore_onto(&only_set(&device), &centre, &options(250_000), Some(&undo), &Silent).unwrap();
        hour(23, 99);
        assert_eq!(centre.count(&format!("SELECT id FROM {keyed} WHERE acdcalls = 99")), 3);
        let undone = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).map_err(|error| error.to_string());
        let other = if keyed == "hsplit" { "dsplit" } else { "hsplit" };
        let back = centre.count(&format!("SELECT count(*) FROM {other} WHERE acdcalls = -1"));
        assert_eq!(back, 3, "{other} was not taken back because of {keyed}: {undone:?}");
    }
}

/// One chunk of the undo set is damaged: what is of other tables can be taken back all the same.
#[test]
fn a_partial_undo_leaves_out_the_unit_whose_rows_cannot_be_read_only() {
    use intervault::device::traits::Device;
    use intervault::volume::set::find_set;
    for damaged in ["hsplit", "dsplit"] {
        let centre = Centre::new(&[HSPLIT, DSPLIT]);
        centre.intervals("2024-03-20", 800, 1000, 30, 1);
        centre.run("INSERT INTO dsplit VALUES ('2024-03-20', 1, 1, 10)");
        let device = backup(&centre);
        centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
        let undo = MemoryDevice::new();
        restore_onto(&only_set(&device), &centre, &options(250_000), Some(&undo), &Silent).unwrap();
        let entry = {
            let set = find_set(&undo, set_id(0xAA)).unwrap().unwrap();
            let section = set.sections().iter().find(|section| section.header.table == damaged).unwrap();
            section.chunks[0].entry
        };
        let name = undo.list().unwrap().remove(0);
        let mut bytes = undo.remove(&name).unwrap();
        bytes[(entry.offset + u64::from(entry.bytes) / 2) as usize] ^= 4;
        undo.insert(&name, bytes);
        let undone = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).map_err(|error| error.to_string());
        let other = if damaged == "hsplit" { "dsplit" } else { "hsplit" };
        let left = centre.count(&format!("SELECT count(*) FROM {other} WHERE acdcalls <> -1"));
        assert_eq!(left, 0, "{other} was not taken back because of {damaged}: {undone:?}");
    }
}

/// A later row has the number of one row that goes back: that one gets another, and all others get theirs.
#[test]
fn one_number_that_is_taken_costs_one_row_its_number() {
    let centre = Centre::new(&[HSPLIT]);
    centre.interval("2024-03-09", 800, 30, 1, 1);
    centre.interval("2024-03-11", 800, 30, 1, 1);
    let device = backup(&centre);
    centre.run(
        "DELETE FROM hsplit; WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199999) \
         INSERT INTO hsplit SELECT '2024-03-10', 900, 30, 1, 1, i, 'a' FROM n",
    );
    let undo = MemoryDevice::new();
    let day =
        Options { request: restore_options(Some("2024-03-10"), Some("2024-03-10 23:59")).request, ..options(250_000) };
    restore_onto(&only_set(&device), &centre, &day, Some(&undo), &Silent).unwrap();
    assert_eq!(centre.count("SELECT count(*) FROM hsplit"), 0);
    centre.interval("2024-03-12", 800, 30, 1, 1);
    let report = undo_watched(&centre, &undo, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!((report.put_back, report.new_keys), (200_000, 1));
}

/// The command changes nothing where a part of the undo set is damaged, and takes the rest back when told.
#[cfg(target_os = "linux")]
#[test]
fn a_damaged_undo_set_changes_nothing_unless_told() {
    use super::commands::{Case, run};
    use intervault::volume::set::list_sets;
    let case = Case::new();
    case.ruin();
    let before = case.centre.rows("(SELECT rowid, * FROM hsplit)");
    let (url, from) = (case.url(), case.device());
    let restore =
        ["restore", "--database", &url, "--from", &from, "--yes", "--uncovered", "delete", "--data", "historical"];
    run(&restore, 0);
    let folder = format!("{}.undo", url.trim_start_matches("sqlite:"));
    let volume = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let volume = volume.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let (entry, set) = {
        let device = intervault::device::directory::DirectoryDevice::open(&folder).unwrap();
        let set = list_sets(&device).unwrap().sets.remove(0);
        let section = set.sections().iter().find(|section| section.header.table == "dsplit").unwrap();
        (section.chunks[0].entry, set.set_id())
    };
    let mut bytes = std::fs::read(&volume).unwrap();
    bytes[(entry.offset + u64::from(entry.bytes) / 2) as usize] ^= 4;
    std::fs::write(&volume, bytes).unwrap();
    let hsplit = || case.centre.rows("(SELECT rowid, * FROM hsplit)");
    let restored = hsplit();
    let (_, said) = run(&["undo", "--database", &url, "--yes"], 4);
    assert!(hsplit() == restored && said.contains("nothing was changed"), "{set}: {said}");
    let (out, said) = run(&["undo", "--database", &url, "--yes", "--partial"], 3);
    assert!(hsplit() == before && out.contains("1 as the restore left them"), "{set}: {out}{said}");
}
