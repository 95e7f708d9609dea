//! `restore`, `undo`, `state` and `log` as processes: what they change, what they say, how they end, and what Ctrl-C does.

use super::support::{Centre, DSPLIT, HSPLIT, MSPLIT, SYNONYMS, WSPLIT};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn intervault(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_intervault")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs and demands the exit status; both streams.
pub fn run(arguments: &[&str], status: i32) -> (String, String) {
    let output = intervault(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {out}{err}");
    (out, err)
}

/// The one object of a command that is run with `--json`.
pub fn json(arguments: &[&str], status: i32) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let (out, err) = run(&arguments, status);
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}{err}"));
    assert_eq!(value["exit"], status, "{arguments:?}");
    value
}

/// A centre with a backup.
pub struct Case {
    pub centre: Centre,
    /// The answer of the backup.
    pub backup: Value,
}

impl Case {
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.centre.path().display())
    }

    pub fn device(&self) -> String {
        self.centre.folder.path().join("volumes").display().to_string()
    }

    fn undo_folder(&self) -> PathBuf {
        PathBuf::from(format!("{}.undo", self.centre.path().display()))
    }

    fn backed_up(centre: Centre) -> Case {
        let mut case = Case { centre, backup: Value::Null };
        let arguments = ["backup", "--database", &case.url(), "--to", &case.device(), "--data", "historical,acd"];
        case.backup = json(&arguments, 0);
        case
    }

    /// A few days of two ACDs.
    pub fn new() -> Case {
        let centre = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
        for day in 1..=4 {
            for acd in [1, 2] {
                centre.intervals(&format!("2024-03-{day:02}"), 800, 1200, 30, acd);
                centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', {acd}, 1, {day})"));
            }
        }
        centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', '')");
        Case::backed_up(centre)
    }

    /// So many rows that a restore takes long enough to be stopped, in two tables: two units at least.
    fn large(rows: u32) -> Case {
        let centre = Centre::new(&[HSPLIT, DSPLIT]);
        centre.run(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows} - 1) INSERT INTO hsplit \
             SELECT '2024-02-' || printf('%02d', 1 + i * 28 / {rows}), (i % 24) * 100, 30, 1, i % 50, i, 'x' FROM n"
        ));
        centre.run("INSERT INTO dsplit VALUES ('2024-02-01', 1, 1, 7)");
        Case::backed_up(centre)
    }

    /// With all that a plan can have to tell: rows that only the target has, fewer rows on the volumes, a changed interval
    /// length, weeks and months.
    pub fn troubled() -> Case {
        let centre = Centre::new(&[HSPLIT, DSPLIT, WSPLIT, MSPLIT, SYNONYMS]);
        for day in 1..=6 {
            for (from, to) in [(800, 1000), (1030, 1400)] {
                centre.intervals(&format!("2024-03-{day:02}"), from, to, 30, 1);
            }
            centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', 1, 1, {day})"));
        }
        centre.run("INSERT INTO wsplit VALUES ('2024-02-25', 1, 1, 7), ('2024-03-03', 1, 1, 7)");
        centre.run("INSERT INTO msplit VALUES ('2024-03-01', 1, 1, 7)");
        let case = Case::backed_up(centre);
        case.centre.run("UPDATE hsplit SET acdcalls = -1; DELETE FROM dsplit WHERE row_date = '2024-03-03'");
        // 10:00 is uncovered, 09:00 has a row more, and an hour begins before the range does.
        case.centre.interval("2024-03-02", 1000, 30, 1, 4);
        case.centre.interval("2024-03-02", 900, 30, 1, 5);
        case.centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-06' AND starttime >= 1300");
        case.centre.interval("2024-03-06", 1330, 60, 1, 6);
        case
    }

    pub fn ruin(&self) {
        self.centre.run(
            "UPDATE hsplit SET acdcalls = -1 WHERE row_date >= '2024-03-02'; \
             DELETE FROM hsplit WHERE row_date = '2024-03-03' AND acd = 2; UPDATE dsplit SET acdcalls = 99",
        );
    }

    /// All rows with their row numbers.
    fn keyed(&self) -> Vec<String> {
        let rows = |table: &str| self.centre.rows(&format!("(SELECT rowid, * FROM {table})"));
        [rows("hsplit"), rows("dsplit")].concat()
    }

    pub fn contents(&self) -> Vec<String> {
        [self.centre.rows("hsplit"), self.centre.rows("dsplit")].concat()
    }

    fn restore(&self, more: &[&str], status: i32) -> (String, String) {
        let (url, from) = (self.url(), self.device());
        let arguments = ["restore", "--database", &url, "--from", &from, "--data", "historical", "--yes"];
        run(&[&arguments[..], more].concat(), status)
    }
}

/// The line of an answer that is a command to be typed, as a shell would run it.
pub fn typed(text: &str, command: &str, more: &str) -> Output {
    let start = format!("    intervault {command} ");
    let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {command} in: {text}"));
    let line = line.trim().replacen("intervault", env!("CARGO_BIN_EXE_intervault"), 1);
    Command::new("bash").args(["-c", &format!("{line} {more}")]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_command_that_a_restore_shows_takes_it_back() {
    let case = Case::new();
    let whole = case.contents();
    case.ruin();
    let ruined = case.keyed();
    let (plan, _) = {
        let (url, from) = (case.url(), case.device());
        run(&["restore", "--database", &url, "--from", &from, "--data", "historical", "--dry-run"], 0)
    };
    let folder = case.undo_folder();
    assert!(plan.contains(&format!("saved first, for intervault undo, in {}\n", folder.display())), "{plan}");
    assert!(!folder.exists(), "a dry run makes nothing");
    let (said, _) = case.restore(&[], 0);
    assert_eq!(case.contents(), whole);
    assert!(said.contains("Restore 1 is finished. Replaced 2 units in "), "{said}");
    assert_eq!(
        std::fs::read_dir(&folder)
            .unwrap()
            .filter(|file| { file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".ivv") })
            .count(),
        1
    );
    let undo = typed(&said, "undo", "--yes");
    let text = String::from_utf8(undo.stdout).unwrap();
    assert_eq!(undo.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&undo.stderr));
    assert!(text.contains("Restore 1 is taken back: 2 units; "), "{text}");
    assert_eq!(case.keyed(), ruined);
    // There is nothing more to take back.
    let (_, said) = run(&["undo", "--database", &case.url(), "--yes"], 10);
    assert!(said.contains("restore 1 is undone already"), "{said}");
}

#[test]
fn an_undo_shows_its_plan_and_finds_its_set_by_the_journal() {
    let case = Case::new();
    case.ruin();
    let (url, from) = (case.url(), case.device());
    let place = case.centre.folder.path().join("kept here");
    case.restore(&["--undo", place.to_str().unwrap()], 0);
    let restored = case.keyed();
    let (plan, _) = run(&["undo", "--database", &url, "--dry-run"], 0);
    assert!(plan.contains("2024-03-01 08:00 to 2024-03-04 11:59") && plan.contains("put back"), "{plan}");
    let (_, said) = run(&["undo", "--database", &url], 2);
    assert!(said.contains("--yes"), "{said}");
    let (_, said) = run(&["undo", "--database", &url, "--from", &from, "--yes"], 5);
    assert!(said.contains("is not on ") && said.contains("kept here"), "{said}");
    let (_, said) = run(&["undo", "--database", &url, "--run", "7", "--yes"], 10);
    assert!(said.contains("no restore number 7"), "{said}");
    assert_eq!(case.keyed(), restored);
    let moved = case.centre.folder.path().join("moved");
    std::fs::rename(&place, &moved).unwrap();
    let (_, said) = run(&["undo", "--database", &url, "--yes"], 10);
    assert!(said.contains("--from"), "{said}");
    run(&["undo", "--database", &url, "--from", moved.to_str().unwrap(), "--yes"], 0);
}

#[test]
fn without_undo_nothing_is_saved_and_nothing_can_be_taken_back() {
    let case = Case::new();
    case.ruin();
    let (said, _) = case.restore(&["--no-undo"], 0);
    assert!(said.contains("NOT saved") && said.contains("cannot be taken back"), "{said}");
    assert!(!case.undo_folder().exists());
    let (_, said) = run(&["undo", "--database", &case.url(), "--yes"], 9);
    assert!(said.contains("--no-undo"), "{said}");
    // With nothing to change no undo set is made either.
    let (url, from) = (case.url(), case.device());
    let range = ["--start", "2031-01-01", "--stop", "2031-01-02"];
    let arguments = ["restore", "--database", &url, "--from", &from, "--data", "historical", "--yes"];
    let (said, _) = run(&[&arguments[..], &range].concat(), 0);
    assert!(said.contains("Nothing had to be changed."), "{said}");
    assert!(!case.undo_folder().exists());
}

#[test]
fn rows_that_changed_since_are_taken_back_only_when_told() {
    let case = Case::new();
    case.ruin();
    let ruined = case.contents();
    case.restore(&[], 0);
    case.centre.run("UPDATE dsplit SET acdcalls = 5 WHERE row_date = '2024-03-02' AND acd = 1");
    let before = case.keyed();
    let url = case.url();
    let (plan, said) = run(&["undo", "--database", &url, "--yes"], 9);
    assert!(said.contains("dsplit") && said.contains("changed since") && said.contains("--force"), "{said}");
    assert!(plan.lines().any(|line| line.starts_with("dsplit") && line.ends_with("yes")), "{plan}");
    let answer = json(&["undo", "--database", &url, "--yes"], 9);
    assert!(answer["done"].is_null() && answer["plan"]["refusals"].as_array().unwrap().len() == 1, "{answer}");
    assert_eq!(case.keyed(), before);
    let answer = json(&["undo", "--database", &url, "--partial", "--yes"], 3);
    assert_eq!((&answer["done"]["units"], &answer["done"]["left"]), (&1.into(), &1.into()), "{answer}");
    assert_eq!(case.centre.count("SELECT count(*) FROM dsplit WHERE acdcalls = 99"), 0);
    run(&["undo", "--database", &url, "--force", "--yes"], 0);
    assert_eq!(case.contents(), ruined);
}

#[test]
fn the_state_is_kept_in_the_database_and_backed_up_by_nobody() {
    let case = Case::new();
    // A database that nobody has said anything of.
    for table in ["state", "restore", "unit", "range"] {
        case.centre.run(&format!("DROP TABLE intervault_{table}"));
    }
    let url = case.url();
    let state = |more: &[&str]| json(&[&["state", "--database", &url], more].concat(), 0);
    let words = |state: &Value| [state["collection"].clone(), state["mode"].clone(), state["changed"].clone()];
    assert_eq!(words(&state(&[])), ["on".into(), "multi-user".into(), Value::Bool(false)]);
    // Looking writes nothing.
    assert_eq!(case.centre.count("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'intervault%'"), 0);
    assert_eq!(words(&state(&["--mode", "single-user"])), ["on".into(), "single-user".into(), Value::Bool(true)]);
    assert_eq!(words(&state(&["--collection", "off"])), ["off".into(), "single-user".into(), Value::Bool(true)]);
    assert_eq!(words(&state(&[])), ["off".into(), "single-user".into(), Value::Bool(false)]);
    let (said, _) = run(&["state", "--database", &url, "--collection", "on"], 0);
    assert!(said.contains("was off"), "{said}");
    let (said, _) = run(&["backup", "--database", &url, "--to", &case.device(), "--dry-run"], 0);
    assert!(said.contains("hsplit") && !said.contains("intervault_"), "{said}");
}

#[test]
fn the_log_has_every_restore() {
    let case = Case::new();
    let url = case.url();
    assert!(run(&["log", "--database", &url], 0).0.contains("No restore"));
    case.ruin();
    case.restore(&[], 0);
    run(&["undo", "--database", &url, "--yes"], 0);
    case.restore(&["--no-undo"], 0);
    let log = json(&["log", "--database", &url], 0);
    let of = |name: &str| log["runs"].as_array().unwrap().iter().map(|run| run[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["undone", "finished"]);
    assert_eq!((of("applied"), of("inserted")), (vec![0.into(), 2.into()], vec![0.into(), 72.into()]));
    assert!(log["runs"][1]["undo"].is_null() && log["runs"][0]["unit_lines"].is_null(), "{log}");
    let one = json(&["log", "--database", &url, "--run", "2"], 0);
    let units = one["runs"][0]["unit_lines"].as_array().unwrap();
    assert_eq!(units.len(), 2);
    assert_eq!(units[0]["ranges"][0]["set"], case.backup["set"]);
    let (said, _) = run(&["log", "--database", &url, "--run", "2"], 0);
    assert!(said.contains("uncovered = \"refuse\"") && said.contains("2024-03-01 to 2024-03-04"), "{said}");
    assert!(run(&["log", "--database", &url, "--run", "9"], 10).1.contains("no restore number 9"));
}

#[test]
fn a_second_resume_has_nothing_to_do() {
    let case = Case::new();
    let (url, from) = (case.url(), case.device());
    let resume = ["restore", "--database", &url, "--from", &from, "--resume", "--yes"];
    assert!(
        run(&resume, 0).0.contains("There is no restore to finish, nothing was changed: the database has had none")
    );
    case.ruin();
    case.restore(&[], 0);
    let before = case.keyed();
    let (said, _) = run(&resume, 0);
    assert!(said.contains("the last one, 1 from ") && said.contains(" was finished on "), "{said}");
    assert_eq!(case.keyed(), before);
}

#[test]
fn with_json_nothing_is_asked() {
    let case = Case::new();
    case.ruin();
    let (url, from) = (case.url(), case.device());
    let arguments = ["restore", "--database", &url, "--from", &from, "--data", "historical"];
    let answer = json(&arguments, 2);
    assert_eq!(answer["schema"], "intervault/error");
    assert!(answer["hint"].as_str().unwrap().contains("--yes"), "{answer}");
}

/// A program whose standard error is read line by line.
struct Running {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        // Tests may themselves run in the background, with Ctrl-C ignored.
        let mut child = Command::new("env")
            .args(["--default-signal=INT,TERM", env!("CARGO_BIN_EXE_intervault")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Running { child, said }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until something is so.
    fn until(&mut self, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "it does not come to that");
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended before");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn says(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "{words:?} is not said");
        }
    }

    /// What it answered, what else it said, and how it ended.
    fn ends(mut self) -> (String, String, std::process::ExitStatus) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.said.read_to_string(&mut err).unwrap();
        (out, err, self.child.wait().unwrap())
    }
}

/// How many units of the journal are planned.
fn planned(sql: &rusqlite::Connection) -> i64 {
    // The table is not there before the restore begins.
    sql.query_row("SELECT count(*) FROM intervault_unit WHERE status = 'planned'", [], |row| row.get(0)).unwrap_or(0)
}

/// A restore with units planned that cannot get further: as long as the answer reads, nothing else is committed. The program
/// waits some seconds for that, and so a signal finds it at work however slow the machine is.
fn held(case: &Case, running: &mut Running) -> rusqlite::Connection {
    let sql = case.centre.sql();
    running.until(|| {
        sql.execute_batch("BEGIN").unwrap();
        planned(&sql) > 0 || {
            sql.execute_batch("ROLLBACK").unwrap();
            false
        }
    });
    sql
}

const STOPPING: &str = "stopping at the next place where all is consistent";

#[test]
fn ctrl_c_once_stops_a_restore_where_all_is_consistent_and_it_is_finished_later() {
    for (signal, undo) in [(Signal::INT, true), (Signal::TERM, false)] {
        let case = Case::large(200_000);
        let whole = case.contents();
        case.centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
        let ruined = case.keyed();
        let (url, from) = (case.url(), case.device());
        let mut arguments = vec!["restore", "--database", &url, "--from", &from, "--data", "historical", "--yes"];
        arguments.extend((!undo).then_some("--no-undo"));
        let mut running = Running::start(&arguments);
        let reading = held(&case, &mut running);
        running.signal(signal);
        running.says(STOPPING);
        drop(reading);
        let (out, err, status) = running.ends();
        assert_eq!(status.code(), Some(1), "{out}{err}");
        assert!(err.contains("stopped as asked"), "{err}");
        assert!(out.contains("Every unit is wholly as it was or wholly replaced."), "{out}");
        assert!(out.contains("rolled back") && out.contains("not begun"), "{out}");
        // Units are cut at midnight: each day is wholly as it was or wholly replaced.
        let mixed = "SELECT count(*) FROM (SELECT 1 FROM hsplit GROUP BY row_date HAVING \
                     sum(acdcalls < 0) NOT IN (0, count(*)))";
        assert_eq!((case.centre.count(mixed), case.centre.count("SELECT count(*) FROM hsplit")), (0, 200_000));
        assert!(case.contents() != whole, "nothing is left to finish: {out}");
        let resume = typed(&out, "restore", "--yes");
        assert_eq!(resume.status.code(), Some(0), "{}", String::from_utf8_lossy(&resume.stderr));
        assert!(case.contents() == whole, "{out}");
        assert_eq!(planned(&case.centre.sql()), 0);
        if undo {
            let said = String::from_utf8(resume.stdout).unwrap();
            assert_eq!(typed(&said, "undo", "--yes").status.code(), Some(0));
            assert!(case.keyed() == ruined, "{said}");
        }
    }
}

#[test]
fn ctrl_c_twice_ends_a_restore_at_once_and_it_is_finished_later() {
    let case = Case::large(200_000);
    let whole = case.contents();
    case.centre.run("UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1");
    let (url, from) = (case.url(), case.device());
    let arguments = ["restore", "--database", &url, "--from", &from, "--data", "historical", "--yes", "--json"];
    let mut running = Running::start(&arguments);
    let reading = held(&case, &mut running);
    running.signal(Signal::INT);
    running.says(STOPPING);
    running.signal(Signal::INT);
    let (out, err, status) = running.ends();
    drop(reading);
    assert_eq!(status.signal(), Some(2), "{out}{err}");
    assert!(err.contains("interrupted: ") && err.contains("--resume") && err.contains("intervault undo"), "{err}");
    assert_eq!(out, "");
    let answer = json(&["restore", "--database", &url, "--from", &from, "--resume", "--yes"], 0);
    let done = &answer["done"];
    assert_eq!((&done["ended"], &done["not_begun"]), (&"finished".into(), &0.into()), "{answer}");
    assert!(done["replaced"].as_u64() > Some(0) && case.contents() == whole, "{answer}");
}

#[test]
fn ctrl_c_once_stops_a_backup_between_chunks() {
    let case = Case::large(800_000);
    let folder = case.centre.folder.path().join("second");
    let url = case.url();
    let arguments = ["backup", "--database", &url, "--to", folder.to_str().unwrap(), "--jobs", "1"];
    let mut running = Running::start(&arguments);
    // The volume is begun as soon as tables are read.
    running.until(|| std::fs::read_dir(&folder).is_ok_and(|files| files.count() > 1));
    running.signal(Signal::INT);
    running.says(STOPPING);
    let (out, err, status) = running.ends();
    assert_eq!(status.signal(), Some(2), "{out}{err}");
    assert!(err.contains("stopped as asked") && err.contains("take the backup again"), "{err}");
    let check = intervault(&["check", folder.to_str().unwrap()]);
    assert_ne!(check.status.code(), Some(0), "half a backup looks whole: {}", String::from_utf8_lossy(&check.stdout));
}
