//! What a backup refuses before it begins, what it says of the time and of what will not come back, and that it is alone.

use super::bad_input::expect;
use super::support::{Centre, DSPLIT, HSPLIT, MSPLIT};
use intervault::device::directory::DirectoryDevice;
use intervault::device::traits::Device;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A database, and a folder for volumes that is not there yet.
struct Site {
    centre: Centre,
    url: String,
    to: PathBuf,
}

impl Site {
    fn new(statements: &[&str]) -> Site {
        let centre = Centre::new(statements);
        let (url, to) = (format!("sqlite:{}", centre.path().display()), centre.folder.path().join("new/volumes"));
        Site { centre, url, to }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intervault"));
        command.args(["backup", "--database", &self.url, "--to"]).arg(&self.to).args(more).stdin(Stdio::null());
        command
    }

    fn backup(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// The backup ends with this status and says these words on standard error; nothing at all is left behind.
    fn refused(&self, more: &[&str], status: i32, words: &[&str]) -> String {
        let output = self.backup(more);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(status), "{more:?}: {text}");
        for word in words {
            assert!(text.contains(word), "{more:?}: {word:?} is not in: {text}");
        }
        assert!(!self.to.parent().unwrap().exists(), "{more:?} leaves a folder");
        text
    }

    /// A backup that ends with this status; its answer.
    fn answer(&self, more: &[&str], status: i32) -> Value {
        let output = self.backup(&[&["--json"], more].concat());
        assert_eq!(output.status.code(), Some(status), "{more:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The smallest size that a refusal names.
fn smallest(text: &str) -> u64 {
    let (before, _) = text.split_once(" bytes), which is the smallest").unwrap();
    before.rsplit_once('(').unwrap().1.parse().unwrap()
}

/// A size below the smallest is refused before anything is made; with the smallest itself the whole road works.
#[test]
fn a_volume_size_that_is_too_small_is_refused_with_the_smallest() {
    let wide: Vec<String> = (0..300).map(|at| format!("column_{at} INTEGER")).collect();
    let wide = format!("CREATE TABLE wide ({})", wide.join(", "));
    let fill_wide = format!("INSERT INTO wide VALUES ({})", vec!["random()"; 300].join(", "));
    let cases: [(&str, &[&str]); 4] = [
        ("hsplit", &[HSPLIT]),
        ("wide", &[&wide, &fill_wide, &fill_wide, &fill_wide]),
        (
            "dsplit",
            &[
                DSPLIT,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO dsplit \
                 SELECT date('2004-01-01', '+' || (i % 900) || ' days'), 1 + i % 17, i % 5, random() FROM n",
            ],
        ),
        (
            "notes",
            &[
                "CREATE TABLE notes (at DATE, who VARCHAR(30), what TEXT)",
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO notes \
                 SELECT '2004-01-01', hex(randomblob(15)), hex(randomblob(i % 40)) FROM n",
            ],
        ),
    ];
    for (table, statements) in cases {
        let site = Site::new(statements);
        site.centre.run("PRAGMA journal_mode = WAL");
        if table == "hsplit" {
            site.centre.intervals("2024-03-20", 0, 2400, 5, 1);
        }
        let truth = site.centre.rows(table);
        let text = site.refused(&["--tables", table, "--volume-size", "1"], 2, &["too small", table]);
        let bytes = smallest(&text);
        assert!((1_024..64 << 10).contains(&bytes), "{text}");
        site.refused(&["--tables", table, "--volume-size", "100", "--dry-run"], 2, &["too small"]);
        // The text names whole KiB.
        let less = (bytes - 1_024).to_string();
        assert_eq!(smallest(&site.refused(&["--tables", table, "--volume-size", &less], 2, &[])), bytes);
        let answer = site.answer(&["--tables", table, "--volume-size", &bytes.to_string()], 0);
        assert_eq!(answer["rows"], truth.len());
        for volume in answer["volumes"].as_array().unwrap() {
            assert!(volume["bytes"].as_u64().unwrap() <= bytes, "{volume}");
        }
        site.centre.run(&format!("DELETE FROM {table}"));
        let from = site.to.to_str().unwrap();
        expect(&["restore", "--database", &site.url, "--from", from, "--tables", table, "--yes"], 0, &[]);
        assert_eq!(site.centre.rows(table), truth, "{table} on volumes of {bytes} bytes");
    }
}

/// A row that is larger than ordinary ones shows only when it is read: the size that it needs is said, and is enough.
#[test]
fn a_row_that_no_volume_holds_is_refused_with_the_size_that_it_needs() {
    let site = Site::new(&["CREATE TABLE notes (what TEXT)", "INSERT INTO notes VALUES (hex(randomblob(20000)))"]);
    let output = site.backup(&["--volume-size", "12KiB"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(9), "{text}");
    let needed = text.split_once("table notes: a row needs volumes of ").unwrap().1.split_once(' ').unwrap().0;
    let bytes: u64 = needed.parse().unwrap();
    assert!((20_000..30_000).contains(&bytes), "{text}");
    assert!(!names(&site.to).iter().any(|name| name.ends_with(".ivv")), "nothing looks whole: {:?}", names(&site.to));
    site.answer(&["--volume-size", needed], 0);
}

#[test]
fn a_backup_that_fails_before_it_writes_leaves_no_folder() {
    let site = Site::new(&[HSPLIT]);
    site.refused(&["--tables", "hsplitt"], 10, &["hsplitt"]);
    site.refused(&["--catalogue", "/no/such/file.toml"], 10, &["/no/such/file.toml"]);
    site.refused(&["--now", "2003-02-30"], 2, &["--now", "no such date"]);
    site.refused(&["--dry-run"], 0, &[]);
}

/// Another writer has the folder: refused by name, and free again when that one is gone.
#[test]
fn a_second_backup_into_a_folder_is_refused() {
    let site = Site::new(&[HSPLIT]);
    site.centre.intervals("2024-03-20", 800, 1800, 30, 1);
    let device = DirectoryDevice::for_writing(&site.to).unwrap();
    let lock = device.lock().unwrap();
    let output = site.backup(&["--data", "historical"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(6), "{text}");
    let owner = format!("process {}", std::process::id());
    for word in [site.to.to_str().unwrap(), owner.as_str(), "wait"] {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    // Looking and restoring are not writing.
    expect(&["check", site.to.to_str().unwrap()], 10, &["no volume"]);
    drop(lock);
    assert_eq!(site.backup(&["--data", "historical"]).status.code(), Some(0));
    assert_eq!(names(&site.to).len(), 1, "{:?}", names(&site.to));
}

/// Whether a volume is begun there and not finished.
fn is_begun(folder: &Path) -> bool {
    folder.is_dir() && names(folder).iter().any(|name| name.ends_with(".partial"))
}

/// A backup that is stopped in the middle of its work.
fn stopped_backup(site: &Site) -> Child {
    for _ in 0..20 {
        let mut child = site.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            if is_begun(&site.to) {
                let process = Pid::from_child(&child);
                kill_process(process, Signal::STOP).unwrap();
                // It goes on for a little until it stands still, and may end meanwhile.
                let either = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                let stopped = waitid(WaitId::Pid(process), either).unwrap().is_some_and(|status| status.stopped());
                if stopped && is_begun(&site.to) {
                    return child;
                }
                kill_process(process, Signal::CONT).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // It was faster than this test: once more.
        assert!(child.wait().unwrap().success());
        std::fs::remove_dir_all(&site.to).unwrap();
    }
    panic!("no backup could be stopped");
}

/// Real backups: while one is at work neither its folder nor its database takes another, and checking goes on; once it is
/// killed nothing blocks.
#[test]
fn a_killed_backup_blocks_nobody() {
    let site = Site::new(&[
        "CREATE TABLE notes (n INTEGER, what TEXT)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT INTO notes \
         SELECT i, hex(randomblob(12)) FROM n",
        "PRAGMA journal_mode = WAL",
    ]);
    let other = Site::new(&["CREATE TABLE notes (n INTEGER)", "INSERT INTO notes VALUES (1)"]);
    let mut first = stopped_backup(&site);
    let (folder, elsewhere) = (site.to.to_str().unwrap(), other.to.to_str().unwrap());
    let owner = format!("process {}", first.id());
    let same_folder = ["backup", "--database", &other.url, "--to", folder];
    let same_database = ["backup", "--database", &site.url, "--to", elsewhere];
    expect(&same_folder, 6, &[folder, &owner]);
    expect(&same_database, 6, &["centre.db", "another backup or restore", &owner]);
    assert!(!other.to.exists(), "nothing is left behind");
    let check = Command::new(env!("CARGO_BIN_EXE_intervault")).args(["check", folder]).output().unwrap();
    assert_eq!(check.status.code(), Some(6), "it is being written: {}", said(&check));
    first.kill().unwrap();
    first.wait().unwrap();
    // Who writes there next has begun nothing yet: what the dead one left is not his.
    let next = DirectoryDevice::open(&site.to).unwrap().lock().unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_intervault")).args(["check", folder]).output().unwrap();
    assert_eq!(check.status.code(), Some(5), "it was given up: {}", said(&check));
    drop(next);
    let lock = site.centre.folder.path().join(".centre.db.intervault-lock");
    assert!(lock.exists(), "the file of the dead is still there, and in nobody's way");
    expect(&same_folder, 0, &[]);
    expect(&same_database, 0, &[]);
    assert!(!lock.exists());
    let left = names(&site.to);
    assert_eq!(left.len(), 2, "a partial volume and a whole one: {left:?}");
}

/// The time that decides what is complete is said; a zone that is not known is refused, not taken for UTC.
#[test]
fn the_time_of_a_backup_is_said_with_its_zone() {
    let site = Site::new(&[HSPLIT]);
    let run = |zone: &str, more: &[&str]| site.command(more).env("TZ", zone).output().unwrap();
    for zone in ["Nowhere/X", "Berlin"] {
        for more in [&[][..], &["--dry-run"]] {
            let output = run(zone, more);
            let text = said(&output);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.contains(zone) && text.contains("--now"), "{text}");
        }
    }
    assert!(!site.to.exists());
    let now = |zone: &str, more: &[&str]| -> (String, String) {
        let output = run(zone, &[&["--json"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        (answer["now"].as_str().unwrap().to_owned(), answer["zone"].as_str().unwrap().to_owned())
    };
    let (east, zone) = now("XYZ-14", &["--dry-run"]);
    assert_eq!(zone, "XYZ-14");
    let (west, _) = now("XYZ12", &["--dry-run"]);
    assert!(west[..10] < east[..10], "{west} is a day before {east}");
    let given = now("Nowhere/X", &["--now", "2024-03-20 10:20"]);
    assert_eq!(given, ("2024-03-20 10:20".to_owned(), "as given with --now".to_owned()));
    let text = run("UTC", &[]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("Now is taken as ") && text.contains("(UTC)"), "{text}");
}

/// No range of time brings back a table of history whose dates nobody can read: the backup says so. One such row is nothing odd,
/// nor are rows of tables without a time.
#[test]
fn a_table_of_history_without_one_readable_date_is_warned_about() {
    let table = "CREATE TABLE dsplit (row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER); \
                 INSERT INTO dsplit VALUES ('first of May', 1, 1, 1), ('n.a.', 1, 2, 3); \
                 CREATE TABLE own (a INTEGER); INSERT INTO own VALUES (1)";
    let site = Site::new(&[table]);
    let answer = site.answer(&["--tables", "dsplit,own"], 3);
    assert_eq!((&answer["tables"][0]["undated"], &answer["tables"][1]["undated"]), (&Value::from(2), &Value::from(0)));
    std::fs::remove_dir_all(&site.to).unwrap();
    let text = said(&site.backup(&["--tables", "dsplit,own"]));
    assert!(text.contains("warning: table dsplit: none of its 2 rows has a date"), "{text}");
    site.centre.run("INSERT INTO dsplit VALUES ('2024-05-01', 1, 3, 1)");
    std::fs::remove_dir_all(&site.to).unwrap();
    site.answer(&["--tables", "dsplit,own"], 0);
    // Of an incremental one the dated rows may be as they were.
    std::fs::remove_dir_all(&site.to).unwrap();
    site.answer(&["--data", "historical"], 0);
    site.centre.run("INSERT INTO dsplit VALUES ('n.a.', 1, 4, 1)");
    let answer = site.answer(&["--data", "historical", "--incremental"], 0);
    assert_eq!(answer["tables"][0]["rows"], 3, "{answer}");
}

/// Tables that this release writes onto volumes but could not restore are named when they are backed up, and refused by
/// name in the plan of a restore.
#[test]
fn tables_that_cannot_be_restored_are_named() {
    let wide: Vec<String> = (0..2_000).map(|at| format!("c{at}")).collect();
    let cases = [
        (
            "keyed",
            "CREATE TABLE keyed (a INTEGER PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO keyed VALUES (1, 2)".to_owned(),
        ),
        ("hidden", "CREATE TABLE hidden (rowid, _rowid_, oid); INSERT INTO hidden VALUES (1, 2, 3)".to_owned()),
        ("wide", format!("CREATE TABLE wide ({}); INSERT INTO wide (c0) VALUES (1)", wide.join(", "))),
    ];
    let words = ["WITHOUT ROWID", "rowid", "2000 columns"];
    for ((table, statements), word) in cases.iter().zip(words) {
        let site = Site::new(&[statements]);
        let answer = site.answer(&["--tables", table], 3);
        assert_eq!(answer["rows"], 1);
        let listed = &answer["not_restorable"][0];
        assert_eq!((&listed["name"], &listed["warns"]), (&Value::from(*table), &Value::from(true)));
        assert!(listed["reason"].as_str().unwrap().contains(word), "{listed}");
        assert_eq!(site.answer(&["--tables", table, "--dry-run"], 3)["not_restorable"][0], *listed);
        let text = said(&site.backup(&["--tables", table]));
        assert!(text.contains("warning: ") && text.contains(table) && text.contains(word), "{text}");
        std::fs::remove_dir_all(&site.to).unwrap();
        site.answer(&["--tables", table], 3);
        let before = site.centre.rows(table);
        let from = site.to.to_str().unwrap();
        let arguments = ["restore", "--database", &site.url, "--from", from, "--tables", table, "--dry-run"];
        expect(&arguments, 9, &[table, word]);
        assert_eq!(site.centre.rows(table), before);
    }
}

/// 1,999 columns are the most that come back, and they do.
#[test]
fn the_widest_table_that_can_be_restored_is_restored() {
    let wide: Vec<String> = (0..1_999).map(|at| format!("c{at}")).collect();
    let site =
        Site::new(&[&format!("CREATE TABLE wide ({}); INSERT INTO wide (c0, c1998) VALUES (1, 'x')", wide.join(", "))]);
    site.answer(&["--tables", "wide"], 0);
    let truth = site.centre.rows("wide");
    site.centre.run("DELETE FROM wide");
    let from = site.to.to_str().unwrap();
    expect(&["restore", "--database", &site.url, "--from", from, "--tables", "wide", "--yes"], 0, &[]);
    assert_eq!(site.centre.rows("wide"), truth);
}

/// A trigger can be dropped for a restore: said in the answer, but no warning each night.
#[test]
fn what_can_be_mended_before_a_restore_is_no_warning() {
    let site =
        Site::new(&["CREATE TABLE notes (n INTEGER)", "CREATE TRIGGER t AFTER DELETE ON notes BEGIN SELECT 1; END"]);
    let output = site.backup(&[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(text.contains("To be mended before a restore: notes: ") && text.contains("triggers"), "{text}");
}

/// A table that the catalogue takes or leaves out stays out, is listed as left out, and comes only when it is named.
#[test]
fn tables_that_the_catalogue_leaves_out_stay_out() {
    let site = Site::new(&[MSPLIT, DSPLIT, "CREATE TABLE scratch (n INTEGER)", "CREATE TABLE notes (n INTEGER)"]);
    let file = site.centre.folder.path().join("own.toml");
    std::fs::write(&file, "extends = \"cms\"\nremove = [\"msplit\"]\nleave_out = [\"Scratch\"]\n").unwrap();
    let catalogue = ["--catalogue", file.to_str().unwrap()];
    let tables = |answer: &Value| -> Vec<String> {
        answer["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap().to_owned()).collect()
    };
    let answer = site.answer(&catalogue, 0);
    assert_eq!(tables(&answer), ["dsplit", "notes"]);
    let left: Vec<&str> =
        answer["left_out"].as_array().unwrap().iter().map(|gap| gap["name"].as_str().unwrap()).collect();
    assert_eq!(left, ["msplit", "scratch"]);
    assert!(answer["left_out"][0]["reason"].as_str().unwrap().contains("catalogue"), "{answer}");
    // As written out, the catalogue in force says the same.
    let written = Command::new(env!("CARGO_BIN_EXE_intervault")).arg("catalogue").args(catalogue).output().unwrap();
    std::fs::write(&file, written.stdout).unwrap();
    assert_eq!(tables(&site.answer(&[&catalogue[..], &["--dry-run"]].concat(), 0)), ["dsplit", "notes"]);
    let named = site.answer(&[&catalogue[..], &["--tables", "scratch,msplit", "--dry-run"]].concat(), 0);
    assert_eq!(tables(&named), ["scratch", "msplit"]);
}

/// A site's own table that has grown since: named, it is replaced whole, and the plan says what that costs.
#[test]
fn rows_that_a_whole_replacement_loses_are_said() {
    let site = Site::new(&["CREATE TABLE notes (n INTEGER)", "INSERT INTO notes VALUES (1), (2)"]);
    site.answer(&[], 0);
    site.centre.run("INSERT INTO notes VALUES (3), (4)");
    let from = site.to.to_str().unwrap();
    let restore = ["restore", "--database", &site.url, "--from", from, "--tables", "notes", "--dry-run"];
    let output = Command::new(env!("CARGO_BIN_EXE_intervault")).args(restore).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}{}", said(&output));
    assert!(text.contains("2 rows fewer than now") && text.contains("notes has 2 rows more than the set"), "{text}");
}
