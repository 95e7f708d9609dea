//! What `status`, `prune`, `label`, hooks and schedules should hold, as processes.

use super::commands::{Case, intervault, json, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Site {
    case: Case,
}

impl Site {
    fn new() -> Site {
        Site { case: Case::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.case.centre.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn run(&self, words: &[&str], status: i32) -> (String, String) {
        run(&[words, &["--state-dir", &self.text("state")]].concat(), status)
    }

    fn json(&self, words: &[&str], status: i32) -> Value {
        json(&[words, &["--state-dir", &self.text("state")]].concat(), status)
    }

    fn backup(&self, to: &str, more: &[&str], status: i32) -> (String, String) {
        let (url, to) = (self.case.url(), self.text(to));
        self.run(&[&["backup", "--database", &url, "--to", &to], more].concat(), status)
    }
}

fn volumes(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "ivv"));
    names.sort();
    names
}

/// A backup of several volumes that was cut short between two of them is no finished one when the history is made up again.
#[test]
fn a_set_without_its_end_is_not_written_into_the_history_as_finished() {
    let site = Site::new();
    for day in 5..29 {
        site.case.centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    site.backup("nightly", &["--data", "historical", "--volume-size", "16KiB"], 0);
    let there = volumes(&site.path("nightly"));
    assert!(there.len() > 2);
    there[1..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    std::fs::remove_dir_all(site.path("state")).unwrap();
    site.run(&["status", "--rebuild", &site.text("nightly")], 0);
    let runs = site.json(&["log"], 0)["runs"].clone();
    assert_ne!(runs[0]["state"], "finished", "{runs}");
    site.run(&["status", "--max-age", "26h"], 10);
}

/// What a rebuilt history says of a database is found by the name of that database.
#[test]
fn a_rebuilt_history_knows_the_database_by_its_name() {
    let site = Site::new();
    let url = site.case.url();
    site.backup("nightly", &["--data", "historical"], 0);
    std::fs::remove_dir_all(site.path("state")).unwrap();
    site.run(&["status", "--rebuild", &site.text("nightly")], 0);
    site.run(&["status", "--max-age", "26h", "--database", &url], 0);
}

/// A few tables that somebody saved before a change say nothing of the nightly backups: a monitor that asks for those is told
/// that they have stopped.
#[test]
fn a_backup_of_specific_tables_does_not_hide_that_the_nightly_ones_have_stopped() {
    let site = Site::new();
    site.backup("one", &["--tables", "hsplit"], 0);
    site.run(&["status", "--max-age", "26h"], 10);
}

/// Where volumes and a database are named, the age is that of the backups of this database.
#[test]
fn the_age_on_a_device_is_that_of_the_database_that_was_named() {
    let site = Site::new();
    site.backup("nightly", &["--data", "historical"], 0);
    let nightly = site.text("nightly");
    site.run(&["status", &nightly, "--max-age", "26h", "--database", "sqlite:/other/database.db"], 10);
}

/// A hook after a backup runs always, as `devices --help` says: also when the backup is asked to end before its first row is
/// read, or while it is read back.
#[test]
fn a_hook_after_runs_whenever_the_backup_is_asked_to_end() {
    let site = Site::new();
    let (before, after) = (site.text("before"), site.text("after"));
    let text = format!("[hooks]\nbefore = [['/usr/bin/touch', '{before}']]\nafter = [['/usr/bin/touch', '{after}']]\n");
    let config = site.path("intervault.toml");
    std::fs::write(&config, text).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o644)).unwrap();
    // It waits for its table catalogue.
    let pipe = site.path("pipe.toml");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args([
            "backup",
            "--database",
            &site.case.url(),
            "--to",
            &site.text("nightly"),
            "--state-dir",
            &site.text("state"),
        ])
        .arg("--config")
        .arg(&config)
        .arg("--catalogue")
        .arg(&pipe)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now();
    while !site.path("before").exists() {
        assert!(patience.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert!(site.path("after").exists(), "what the hook before has begun is not ended");
}

/// Figures that are wanted and cannot be written are told of.
#[test]
fn figures_that_are_wanted_without_a_history_are_told_of() {
    let site = Site::new();
    let (url, to, file) = (site.case.url(), site.text("nightly"), site.text("figures.prom"));
    let output = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &url, "--to", &to, "--data", "historical", "--metrics", &file])
        .env("INTERVAULT_STATE", "")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(site.path("figures.prom").exists() || said.contains("figures"), "status {:?}: {said:?}", output.status);
}

/// A set with a volume that was cut off is not the good one for which older ones go.
#[test]
fn a_full_with_a_cut_volume_pushes_no_good_one_out() {
    let site = Site::new();
    for day in 5..29 {
        site.case.centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    site.backup("nightly", &["--data", "historical"], 0);
    std::thread::sleep(Duration::from_millis(1_100));
    let first = volumes(&site.path("nightly"));
    site.backup("nightly", &["--data", "historical", "--volume-size", "16KiB", "--no-verify"], 0);
    let there: Vec<PathBuf> = volumes(&site.path("nightly")).into_iter().filter(|path| !first.contains(path)).collect();
    assert!(there.len() > 2);
    let cut = std::fs::read(&there[1]).unwrap();
    std::fs::write(&there[1], &cut[..cut.len() / 2]).unwrap();
    std::fs::remove_dir_all(site.path("state")).unwrap();
    site.run(&["prune", &site.text("nightly"), "--keep-last", "1", "--yes"], 0);
    assert!(first[0].exists(), "the last good full set has gone");
}

/// The schedule of a whole database takes all of it: a site's own tables are in some backup.
#[test]
fn what_a_schedule_does_not_back_up_is_told_of() {
    let site = Site::new();
    let url = site.case.url();
    let (out, err) = site.run(&["schedule", "--database", &url, "--to", &site.text("nightly")], 0);
    let takes_all = out.lines().filter(|line| line.starts_with("ExecStart=")).any(|line| line.contains("custom"));
    assert!(takes_all || format!("{out}{err}").contains("custom"), "{out}{err}");
}

/// The nightly backup has failed; that another database was backed up since does not make that good.
#[test]
fn a_failed_backup_is_not_hidden_by_that_of_another_database() {
    let (site, other) = (Site::new(), Case::new());
    std::fs::write(site.path("nightly"), "no folder").unwrap();
    site.backup("nightly", &[], 1);
    let (url, elsewhere) = (other.url(), site.text("elsewhere"));
    site.run(&["backup", "--database", &url, "--to", &elsewhere, "--data", "historical"], 0);
    let status = site.json(&["status"], 0);
    assert_eq!(status["errors"].as_array().unwrap().len(), 1, "{status}");
}

/// A backup that Ctrl-C has ended ends by that signal, as the README says, so that the shell and what called it know.
#[test]
fn a_backup_that_was_interrupted_ends_by_its_signal() {
    let site = Site::new();
    site.case.centre.run(
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (n INTEGER, what TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION \
         ALL SELECT i + 1 FROM n WHERE i < 400000) INSERT INTO notes SELECT i, hex(randomblob(12)) FROM n",
    );
    for round in 0..10 {
        let to = site.path(&format!("to{round}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
            .args(["backup", "--database", &site.case.url(), "--state-dir", &site.text("state"), "--to"])
            .arg(&to)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now();
        let begun = || {
            std::fs::read_dir(&to)
                .is_ok_and(|mut names| names.any(|name| name.unwrap().path().to_string_lossy().ends_with(".partial")))
        };
        while !begun() && child.try_wait().unwrap().is_none() {
            assert!(patience.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            continue;
        }
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(status.signal(), Some(2), "{status}");
        return;
    }
    panic!("no backup could be interrupted");
}

/// After a machine was off for days all timers are due at once (`Persistent=true`), and a full backup may take until the hour
/// of the next one: units of one database wait for each other, since a second backup at the same time is refused.
#[test]
fn units_of_one_database_wait_for_each_other() {
    let site = Site::new();
    let (url, nightly, files) = (site.case.url(), site.text("nightly"), site.text("files"));
    let said = site.json(&["schedule", "--database", &url, "--to", &nightly, "--files-to", &files], 0);
    for unit in said["units"].as_array().unwrap() {
        let (name, text) = (unit["name"].as_str().unwrap(), unit["text"].as_str().unwrap());
        let waits = text.lines().any(|line| line.starts_with("After=") && line.contains("intervault-full.service"));
        assert!(waits || !name.ends_with(".service") || name.contains("-full"), "{name}: {text}");
    }
}

/// Before a full backup it is said how many volumes it will take, also where files belong to it.
#[test]
fn a_full_backup_with_files_is_estimated_too() {
    let site = Site::new();
    std::fs::create_dir(site.path("tree")).unwrap();
    std::fs::write(site.path("tree/file"), "some text").unwrap();
    let (url, to, tree) = (site.case.url(), site.text("nightly"), site.text("tree"));
    let plan = site.json(&["backup", "--database", &url, "--to", &to, "--files", &tree, "--dry-run"], 0);
    assert!(plan["estimate"]["volumes"].as_u64().is_some(), "{}", plan["estimate"]);
}

/// Two databases of one file name, in two folders of one server, backed up into one folder: the only good full set of the one
/// does not go because the other has a newer one.
#[test]
fn the_last_full_of_a_database_does_not_go_for_that_of_another_of_its_name() {
    let (site, other) = (Site::new(), Case::new());
    let nightly = site.text("nightly");
    site.backup("nightly", &["--data", "historical"], 0);
    std::thread::sleep(Duration::from_millis(1_100));
    let first = volumes(&site.path("nightly"));
    site.run(&["backup", "--database", &other.url(), "--to", &nightly, "--data", "historical"], 0);
    site.run(&["prune", &nightly, "--keep-last", "1", "--yes"], 0);
    assert!(first[0].exists(), "the only backup of {} has gone", site.case.url());
}

/// A full backup that was killed is never finished: it is not in the way of a restore of the only chain that is there.
#[test]
fn a_full_that_was_never_finished_is_not_in_the_way_of_a_restore() {
    let site = Site::new();
    site.backup("nightly", &["--data", "historical"], 0);
    std::thread::sleep(Duration::from_millis(1_100));
    let first = volumes(&site.path("nightly"));
    site.backup("nightly", &["--data", "historical"], 0);
    let second = volumes(&site.path("nightly")).into_iter().find(|path| !first.contains(path)).unwrap();
    // As a process leaves it that was killed while it wrote.
    let bytes = std::fs::read(&second).unwrap();
    let name = format!(".{}.partial", second.file_name().unwrap().to_str().unwrap());
    std::fs::write(second.with_file_name(name), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::remove_file(&second).unwrap();
    let (url, nightly) = (site.case.url(), site.text("nightly"));
    site.run(&["restore", "--database", &url, "--from", &nightly, "--data", "historical", "--dry-run"], 0);
}

/// A full backup that was cut off (a full disk) is worth nothing once a whole incremental has been taken after it: prune
/// gives its room back.
#[test]
fn a_torn_full_goes_once_the_chain_has_gone_on() {
    let site = Site::new();
    site.backup("nightly", &["--data", "historical"], 0);
    std::thread::sleep(Duration::from_millis(1_100));
    let first = volumes(&site.path("nightly"));
    site.backup("nightly", &["--data", "historical"], 0);
    let second = volumes(&site.path("nightly")).into_iter().find(|path| !first.contains(path)).unwrap();
    let bytes = std::fs::read(&second).unwrap();
    let torn = second.with_file_name(format!(".{}.partial", second.file_name().unwrap().to_str().unwrap()));
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::remove_file(&second).unwrap();
    // What the history says of it is what it says of a run that was cut off.
    std::fs::remove_dir_all(site.path("state")).unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    site.backup("nightly", &["--data", "historical", "--incremental"], 0);
    site.run(&["prune", &site.text("nightly"), "--keep-last", "5", "--yes"], 0);
    assert!(!torn.exists());
}

/// A full backup ended between two volumes since the folder was full. It goes once a newer good one is there, and stands in
/// nobody's way until then: the history knows that it failed.
#[test]
fn a_full_that_ended_between_two_volumes_goes_and_is_in_nobodys_way() {
    let site = Site::new();
    for day in 5..29 {
        site.case.centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    let (url, nightly) = (site.case.url(), site.text("nightly"));
    let small = ["--data", "historical", "--volume-size", "16KiB", "--device-capacity", "24KiB"];
    site.backup("nightly", &small, 5);
    let torn = volumes(&site.path("nightly"));
    assert!(!torn.is_empty());
    std::thread::sleep(Duration::from_millis(1_100));
    site.backup("nightly", &["--data", "historical"], 0);
    site.run(&["prune", &nightly, "--keep-last", "1", "--yes"], 0);
    let restore = ["restore", "--database", &url, "--from", &nightly, "--data", "historical", "--dry-run"];
    let restored = intervault(&restore).status.code();
    assert_eq!((torn.iter().filter(|path| path.exists()).count(), restored), (0, Some(0)));
}
