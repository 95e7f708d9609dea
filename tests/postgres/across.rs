//! From one kind of store into another and back: the same rows, by the same digests.

use super::support::*;
use intervault::device::memory::MemoryDevice;
use intervault::error::Class;
use intervault::store::sqlite::SqliteStore;

pub struct File {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl File {
    pub fn new(sql: &str) -> File {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("centre.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let file = File { _folder: folder, path };
        set_state(&file.store());
        file
    }

    pub fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path).unwrap()
    }
}

/// The digests of all buckets of all tables, as the catalog of a set has them.
fn digests(device: &MemoryDevice) -> Vec<String> {
    let set = only_set(device);
    let mut all = Vec::new();
    for section in set.sections() {
        for bucket in &section.buckets {
            all.push(format!(
                "{} {:?} {:?} {} {:?}",
                section.header.table, bucket.acd, bucket.day, bucket.rows, bucket.digest
            ));
        }
    }
    all.sort();
    all
}

const TABLES: &str = "
    CREATE TABLE hsplit (row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, split SMALLINT, acdcalls INTEGER,
      logid CHAR(10), rate NUMERIC(9,3), share DOUBLE PRECISION, note VARCHAR(40), at TIMESTAMP);
    CREATE TABLE synonyms (acd_no SMALLINT, item_type CHAR(20), item_name CHAR(20), value CHAR(20), descr CHAR(50));
";

const ROWS: &str = "
    INSERT INTO hsplit VALUES ('2024-03-01', 900, 30, 1, 1, 2147483647, 'a', 2.5, 0.1, 'tab\t', '2024-03-01 10:00:00'),
      ('2024-03-01', 930, 30, 1, 2, -5, 'bcd', 0, -1.5, NULL, NULL),
      ('2024-03-02', 0, 30, 2, 1, NULL, NULL, -123456.789, 1e300, '', '2024-03-01 10:00:00.5'),
      (NULL, 0, 30, 2, 1, 7, '', NULL, NULL, 'café \\', NULL);
    INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (2, 'split', 'two', NULL, 'x');
";

#[test]
fn rows_go_over_and_back_and_have_the_same_digests_everywhere() {
    let file = File::new(&format!("{TABLES}{ROWS}"));
    let Some(server) = Centre::new(&[TABLES]) else { return };
    let (from_file, _) = backup(&file.store());
    restore(&from_file, &server.store(), &restore_options(), None).unwrap();
    let (from_server, _) = backup(&server.store());
    assert_eq!(digests(&from_server), digests(&from_file));
    assert_eq!(digests(&from_file).len(), 5, "two days, the rows without one, and two ACDs of a table without days");
    let same = "rate = -123456.789 OR note = E'café \\\\' OR share = 0.1";
    assert_eq!(server.count(&format!("SELECT count(*) FROM hsplit WHERE {same}")), 3);

    let back = File::new(TABLES);
    restore(&from_server, &back.store(), &restore_options(), None).unwrap();
    let (from_back, _) = backup(&back.store());
    assert_eq!(digests(&from_back), digests(&from_file));
    // And over what is there already.
    restore(&from_server, &file.store(), &restore_options(), None).unwrap();
    assert_eq!(digests(&backup(&file.store()).0), digests(&from_file));
}

#[test]
fn what_would_be_changed_on_its_way_is_refused_and_nothing_is_done() {
    let wide = "CREATE TABLE hsplit (row_date DATE, starttime INTEGER, intrvl INTEGER, acd INTEGER, split INTEGER, \
                acdcalls INTEGER, rate NUMERIC(9,3))";
    for (row, word) in [
        ("('2024-03-01', 900, 30, 1, 1, 2147483648, 1)", "acdcalls"),
        ("('2024-03-01', 900, 30, 1, 1, 1, 1.2345)", "rate"),
        ("('2024-03-01', 900, 30, 1, 1, 'five', 1)", "acdcalls"),
        ("('2024-03-01', 900, 30, 1, 1, 1.5, 1)", "acdcalls"),
    ] {
        let file = File::new(&format!("{wide}; INSERT INTO hsplit VALUES {row}"));
        let (device, _) = backup(&file.store());
        let narrow = wide.replace("starttime INTEGER", "starttime SMALLINT");
        let there = "INSERT INTO hsplit VALUES ('2024-03-01', 900, 30, 1, 1, 42, 1)";
        let Some(server) = Centre::new(&[&narrow, there]) else { return };
        let error = restore(&device, &server.store(), &restore_options(), None).unwrap_err();
        assert!(error.to_string().contains(word), "{row}: {error}");
        assert_eq!(server.rows("hsplit"), ["(2024-03-01,900,30,1,1,42,1.000)"], "{row}");
    }
    // And the other way: SQLite keeps no decimal of twenty digits, and no NaN.
    for (value, column) in [("12345678901234567.891", "numeric"), ("'NaN'", "double precision")] {
        let table =
            format!("CREATE TABLE hsplit (row_date date, starttime int, intrvl int, acd int, split int, v {column})");
        let row = format!("INSERT INTO hsplit VALUES ('2024-03-01', 900, 30, 1, 1, {value})");
        let Some(server) = Centre::new(&[&table, &row]) else { return };
        let (device, _) = backup(&server.store());
        let file = File::new(&table);
        let error = restore(&device, &file.store(), &restore_options(), None).unwrap_err();
        assert_eq!(error.class(), Class::NotRestorable, "{value}: {error}");
        assert!(error.to_string().contains("column v"), "{value}: {error}");
    }
}
