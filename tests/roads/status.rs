//! `status` and `log` as processes: what the history of a machine tells of backups that were finished, failed and were cut
//! off, how old the last one is, what chains are on devices, and how a lost history is made up again.

use super::chain_commands::Chained;
use super::commands::{Case, json, run};
use super::site::{Site, volumes};
use intervault::history::entry::{Entry, Event, Kind, Outcome};
use intervault::history::journal::Journal;
use intervault::history::status_line::parse;
use serde_json::Value;
use std::path::PathBuf;

/// A centre with a history.
struct Told {
    case: Case,
    state: PathBuf,
}

impl Told {
    fn new() -> Told {
        let case = Case::new();
        let state = case.centre.folder.path().join("state");
        Told { case, state }
    }

    fn state(&self) -> String {
        self.state.display().to_string()
    }

    fn journal(&self) -> Journal {
        Journal::new(&self.state)
    }

    fn json(&self, arguments: &[&str], status: i32) -> Value {
        json(&[arguments, &["--state-dir", &self.state()]].concat(), status)
    }

    fn run(&self, arguments: &[&str], status: i32) -> (String, String) {
        run(&[arguments, &["--state-dir", &self.state()]].concat(), status)
    }

    fn backup(&self, to: &str, status: i32) -> (String, String) {
        self.run(&["backup", "--database", &self.case.url(), "--to", to, "--data", "historical"], status)
    }

    fn folder(&self, name: &str) -> String {
        self.case.centre.folder.path().join(name).display().to_string()
    }
}

#[test]
fn what_was_done_is_told_in_its_order_and_what_looks_only_is_not() {
    let told = Told::new();
    let (url, to) = (told.case.url(), told.folder("monday"));
    let database = url.as_str();
    told.backup(&to, 0);
    told.run(&["backup", "--database", database, "--to", &to, "--dry-run"], 0);
    told.run(&["check", &to], 0);
    told.run(&["check", &to, "--verify"], 0);
    told.case.ruin();
    let restore = ["restore", "--database", database, "--from", &to, "--data", "historical"];
    told.run(&[&restore[..], &["--dry-run"]].concat(), 0);
    told.run(&[&restore[..], &["--yes"]].concat(), 0);
    told.run(&["undo", "--database", database, "--yes"], 0);
    told.run(&["backup", "--database", "sqlite:/no/such", "--to", &to], 10);
    let runs = told.json(&["log"], 0)["runs"].clone();
    let field = |name: &str| runs.as_array().unwrap().iter().map(|run| run[name].clone()).collect::<Vec<Value>>();
    assert_eq!(field("kind"), ["backup", "check", "restore", "undo", "backup"]);
    assert_eq!(field("state"), ["finished", "finished", "finished", "finished", "failed"]);
    assert_eq!(field("ended_with"), [0, 0, 0, 0, 10]);
    let (backup, check, restore, failed) = (&runs[0], &runs[1], &runs[2], &runs[4]);
    assert_eq!((&backup["verified"], &backup["volumes"], &backup["member"]), (&true.into(), &1.into(), &0.into()));
    assert_eq!(check["proved"][0], backup["set"]);
    assert_eq!((&restore["set"], &restore["database"]), (&backup["set"], &database.into()));
    assert!(restore["rows"].as_u64().unwrap() > 0 && backup["bytes"].as_u64().unwrap() > 1_000);
    assert!(failed["message"].as_str().unwrap().contains("/no/such"), "{failed}");
    assert_eq!(told.json(&["log", "--failed"], 0)["runs"].as_array().unwrap().len(), 1);
    let last = told.json(&["log", "--last", "2"], 0);
    assert_eq!((last["runs"].as_array().unwrap().len(), &last["more"]), (2, &3.into()));
    let (out, _) = told.run(&["log"], 0);
    assert!(out.contains("finished, verified") && out.contains("/no/such"), "{out}");
}

#[test]
fn the_status_tells_the_last_backup_its_errors_and_its_age() {
    let told = Told::new();
    let to = told.folder("monday");
    let (out, _) = told.run(&["status"], 0);
    assert!(
        out.starts_with("Backups completed today: 0\nStatus: No backup has finished yet.\nErrors: none\n"),
        "{out}"
    );
    told.run(&["status", "--max-age", "26h"], 10);
    told.backup(&to, 0);
    told.backup(&to, 0);
    let (out, _) = told.run(&["status", "--max-age", "26h"], 0);
    let lines: Vec<&str> = out.lines().collect();
    // A test at midnight has one backup of each day.
    assert!(lines[0].starts_with("Backups completed today: "), "{out}");
    assert!(parse(lines[1]).is_some() && lines[2] == "Errors: none", "{out}");
    assert!(lines[3].contains("finished, verified, 1 volume"), "{out}");
    told.backup("/dev/null/x", 10);
    let status = told.json(&["status"], 0);
    assert_eq!((status["errors"].as_array().unwrap().len(), &status["last"]["verified"]), (1, &true.into()));
    let (out, _) = told.run(&["status"], 0);
    assert!(out.contains("\nErrors: backup of ") && out.contains("see intervault log --failed"), "{out}");
    // The next backup that is finished settles it.
    told.backup(&to, 0);
    assert_eq!(told.json(&["status"], 0)["errors"].as_array().unwrap().len(), 0);
    let other = told.json(&["status", "--database", "sqlite:/other", "--max-age", "1h"], 10);
    assert_eq!((&other["last"], &other["age_seconds"]), (&Value::Null, &Value::Null));
    told.json(&["status", "--database", &told.case.url(), "--max-age", "1h"], 0);
}

#[test]
fn a_backup_that_is_old_and_one_from_the_future_are_status_3() {
    let told = Told::new();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    for (ended, status) in [(now - 95_000, 3), (now - 93_000, 0), (now + 60, 0), (now + 4_000, 3)] {
        let mut entry = Entry {
            event: Event::Ended,
            ended_unix: Some(ended),
            outcome: Some(Outcome::Finished),
            ..Entry::begun(Kind::Backup, ended, "2026-11-21 18:00:00")
        };
        told.journal().append(&mut entry).unwrap();
        let age = told.json(&["status", "--max-age", "26h"], status)["age_seconds"].as_i64().unwrap();
        assert!((age - (now - ended)).abs() < 600, "{age}");
    }
    let (out, _) = told.run(&["status", "--max-age", "26h"], 3);
    assert!(out.contains("in the future"), "{out}");
}

#[test]
fn a_run_without_an_end_is_at_work_or_was_interrupted() {
    let told = Told::new();
    let run = "00112233445566ff";
    let entry =
        Entry { run: run.to_owned(), owner: "process 7 on here".to_owned(), ..Entry::begun(Kind::Backup, 0, "then") };
    told.journal().append(&mut entry.clone()).unwrap();
    let lock = told.journal().at_work(run).unwrap().unwrap();
    let status = told.json(&["status"], 0);
    assert_eq!((&status["at_work"][0]["owner"], &status["errors"][0]), (&"process 7 on here".into(), &Value::Null));
    assert!(told.run(&["status"], 0).0.contains("At work: backup since then, process 7 on here"));
    drop(lock);
    let status = told.json(&["status"], 0);
    assert_eq!((&status["at_work"][0], &status["errors"][0]["state"]), (&Value::Null, &"interrupted".into()));
}

#[test]
fn a_history_that_cannot_be_written_or_read_stops_no_backup() {
    let told = Told::new();
    std::fs::write(&told.state, "no folder").unwrap();
    let (_, err) = told.backup(&told.folder("monday"), 0);
    assert!(err.contains("warning: cannot append to the history "), "{err}");
    told.run(&["status"], 10);
    std::fs::remove_file(&told.state).unwrap();
    std::fs::create_dir(&told.state).unwrap();
    std::fs::write(told.journal().path(), [&b"\xff\xfe not a history \x1b[2J\n"[..], &[0; 5_000]].concat()).unwrap();
    let (_, err) = told.backup(&told.folder("tuesday"), 0);
    assert!(!err.contains("warning"), "{err}");
    let (out, err) = told.run(&["status"], 0);
    assert!(out.contains("Last backup finished ") && err.contains("lines that cannot be read: 2"), "{out}{err}");
    assert!(!err.contains('\u{1b}'), "{err}");
}

#[test]
fn no_history_is_kept_where_none_is_wanted() {
    let told = Told::new();
    let program = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_intervault"));
        command.env("INTERVAULT_STATE", "").stdin(std::process::Stdio::null());
        command
    };
    let to = told.folder("monday");
    let backup = program().args(["backup", "--database", &told.case.url(), "--to", &to]).output().unwrap();
    assert_eq!(backup.status.code(), Some(0));
    let status = program().arg("status").output().unwrap();
    assert_eq!(status.status.code(), Some(10));
    assert!(String::from_utf8(status.stderr).unwrap().contains("no history is kept"));
    let mut elsewhere = program();
    elsewhere.env_remove("INTERVAULT_STATE").env_remove("HOME").env("XDG_STATE_HOME", &told.state);
    let checked = elsewhere.args(["check", &to, "--verify"]).output().unwrap();
    assert_eq!(checked.status.code(), Some(0));
    assert!(told.state.join("intervault/history.jsonl").exists());
}

#[test]
fn chains_are_shown_as_they_are_on_the_volumes() {
    let chained = Chained::new();
    let folders: Vec<String> = (0..3).map(|member| chained.folder(member)).collect();
    let all =
        [&["status", "--chain", "--state-dir", "/no/such"][..], &[&folders[0], &folders[1], &folders[2]]].concat();
    let chains = json(&all, 0)["chains"].clone();
    assert_eq!(chains.as_array().unwrap().len(), 1);
    let members = chains[0]["members"].as_array().unwrap();
    assert_eq!(members.iter().map(|member| &member["member"]).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(
        members.iter().map(|member| &member["kind"]).collect::<Vec<_>>(),
        ["full", "incremental", "incremental"]
    );
    assert!(members.iter().all(|member| member["complete"] == true && member["bytes"].as_u64().unwrap() > 1_000));
    assert_eq!(members[0]["held"]["from"], "2024-03-01 00:00");
    assert_eq!(members[0]["rows"], chained.states[0].len() + 1, "and one row of synonyms");
    let (out, _) = run(&["status", &folders[2], &folders[0], "--state-dir", "/no/such"], 0);
    assert!(out.contains("Missing: number 1\n") && out.contains("what it builds on is not here"), "{out}");
    let ages = ["status", "--state-dir", "/no/such", "--max-age", "26h", &folders[0]];
    assert!(json(&ages, 0)["age_seconds"].as_i64().unwrap() < 600, "the volumes tell the age");
}

#[test]
fn a_lost_history_is_made_up_from_the_volumes() {
    let told = Told::new();
    let (one, two) = (told.folder("one"), told.folder("two"));
    told.backup(&one, 0);
    // Volumes tell in which second they were begun.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    told.backup(&two, 0);
    let before = told.json(&["log"], 0)["runs"].clone();
    std::fs::remove_dir_all(&told.state).unwrap();
    let (_, err) = told.run(&["status", "--rebuild", &one, &two], 0);
    assert!(err.contains("2 sets that it lacked were written into the history "), "{err}");
    let after = told.json(&["log"], 0)["runs"].clone();
    for at in 0..2 {
        for field in ["kind", "state", "set", "label", "chain", "member", "volumes", "rows"] {
            assert_eq!(after[at][field], before[at][field], "{field}");
        }
        assert_eq!((&after[at]["rebuilt"], &after[at]["verified"]), (&true.into(), &Value::Null));
    }
    assert!(told.run(&["status", "--rebuild", &one, &two], 0).1.contains("has all sets"));
    assert_eq!(told.json(&["log"], 0)["runs"], after, "a second time changes nothing");
    told.backup(&one, 0);
    assert_eq!(told.json(&["log"], 0)["runs"][2]["sequence"], 5, "lines when it began, had a set, and ended");
    told.run(&["status", "--max-age", "1h", "--database", &told.case.url()], 0);
}

#[test]
fn the_number_of_the_day_is_that_of_the_history_where_the_device_knows_less() {
    let told = Told::new();
    let now = ["--now", "2026-11-21 18:00", "--database", &told.case.url(), "--data", "historical"];
    let label = |to: &str, more: &[&str]| {
        let folder = told.folder(to);
        let words = [&["backup", "--to", &folder], &now[..], more].concat();
        told.json(&words, 0)["label"].as_str().unwrap().to_owned()
    };
    assert_eq!(label("one", &[]), "CMS-261121-01-XXHX-00-F-01");
    assert_eq!(label("one", &["--incremental"]), "CMS-261121-02-XXHX-00-I-01");
    assert_eq!(label("two", &[]), "CMS-261121-03-XXHX-00-F-01");
    let runs = told.json(&["log"], 0)["runs"].clone();
    assert_eq!(
        (&runs[1]["member"], &runs[1]["parent"], &runs[1]["chain"]),
        (&1.into(), &runs[0]["set"], &runs[0]["set"])
    );
    assert_eq!((&runs[2]["member"], &runs[2]["chain"]), (&0.into(), &runs[2]["set"]));
    // Where the history was lost the device still knows.
    std::fs::remove_dir_all(&told.state).unwrap();
    assert_eq!(label("one", &[]), "CMS-261121-03-XXHX-00-F-01");
    // Two digits of a year stand for one in another century too.
    let late = told.folder("late");
    let words = ["backup", "--to", &late, "--now", "2071-01-01 18:00", "--database", &told.case.url(), "--data", "acd"];
    let numbers =
        [(); 2].map(|()| json(&[&words[..], &["--state-dir", &told.folder("other")]].concat(), 0)["label"].clone());
    assert_eq!(numbers, ["CMS-710101-01-XXMX-00-F-01", "CMS-710101-02-XXMX-00-F-01"]);
    let label_99 = Some("CMS-261121-99-XXHX-00-F-01".to_owned());
    told.journal().append(&mut Entry { label: label_99, ..Entry::begun(Kind::Backup, 0, "") }).unwrap();
    let words = ["backup", "--to", &told.folder("three"), "--now", "2026-11-21 18:00", "--database", &told.case.url()];
    let specific = told.json(&[&words[..], &["--tables", "hsplit"]].concat(), 0);
    assert_eq!(specific["label"], "CMS-261121-100-XXXX-00-F-01");
}

#[test]
fn a_backup_that_is_killed_is_told_as_interrupted() {
    let told = Told::new();
    let pipe = told.case.centre.folder.path().join("pipe.toml");
    let named = rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0);
    named.unwrap();
    // It waits for its table catalogue, until it is killed.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &told.case.url(), "--to", &told.folder("monday"), "--state-dir", &told.state()])
        .arg("--catalogue")
        .arg(&pipe)
        .spawn()
        .unwrap();
    let patience = std::time::Instant::now();
    loop {
        let status = told.json(&["status"], 0);
        if status["at_work"][0]["kind"] == "backup" {
            break;
        }
        assert!(patience.elapsed().as_secs() < 60, "it does not begin: {status}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let status = told.json(&["status"], 0);
    assert_eq!(status["errors"][0]["state"], "interrupted", "{status}");
    told.backup(&told.folder("monday"), 0);
    let names: Vec<_> = std::fs::read_dir(&told.state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["history.jsonl"], "what it left behind is cleared");
}

/// A salvage has its line: what it wrote, and that something is lost. Loss is what it is for, and no error of this machine.
#[test]
fn a_salvage_is_written_into_the_history() {
    let site = Site::new();
    site.backup("v", &[], 0);
    let volume = volumes(&site.path("v")).remove(0);
    let mut bytes = std::fs::read(&volume).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&volume, bytes).unwrap();
    let (from, to) = (site.text("v"), site.text("salvaged"));
    let runs = || site.json(&["log"], 0)["runs"].as_array().unwrap().clone();
    let known = runs().len();
    site.run(&["salvage", &from, "--dry-run"], 4);
    assert_eq!(runs().len(), known, "what only looks has no line");
    let account = site.json(&["salvage", &from, "--to", &to], 4);
    let written = &account["sets"][0]["written"];
    let run = runs().pop().unwrap();
    let said = (&run["kind"], &run["state"], &run["ended_with"], &run["verified"]);
    assert_eq!(said, (&"salvage".into(), &"finished".into(), &4.into(), &true.into()), "{run}");
    assert_eq!((&run["set"], &run["rows"]), (&written["set"], &written["rows"]), "{run} {written}");
    assert!(run["rows"].as_u64().unwrap() > 0 && run["message"].as_str().unwrap().contains("lost"), "{run}");
    assert_eq!(run["devices"].as_array().unwrap().len(), 2, "{run}");
    // The folder is taken: nothing can be written into a file.
    let file = site.text("file");
    std::fs::write(&file, "x").unwrap();
    let output = super::commands::intervault(&["salvage", &from, "--to", &file, "--state-dir", &site.text("state")]);
    assert!(!output.status.success());
    let run = runs().pop().unwrap();
    assert_eq!((&run["kind"], &run["state"]), (&"salvage".into(), &"failed".into()), "{run}");
}
