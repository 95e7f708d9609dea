//! Backups that a signal ends: what they owe to hooks, to the history and to whoever started them.

use super::site::Site;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    let run = site.json(&["log"], 0)["runs"][0].clone();
    assert_eq!((&run["state"], &run["message"]), (&"interrupted".into(), &"ended by a signal".into()));
}

/// Nothing was written, so there is nothing to take again.
#[test]
fn a_backup_that_was_only_planned_leaves_nothing_behind() {
    let site = Site::new();
    let pipe = site.path("pipe.toml");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &site.case.url(), "--to", &site.text("nightly"), "--dry-run", "--catalogue"])
        .arg(&pipe)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is open for writing as soon as somebody reads it.
    let _held = std::fs::File::options().write(true).open(&pipe).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.signal() == Some(15) && said.contains("interrupted: nothing was changed"), "{said}");
}

/// A backup that Ctrl-C has ended ends by that signal, as the README says, so that the shell and what called it know.
#[test]
fn a_backup_that_was_interrupted_ends_by_its_signal() {
    let site = Site::new();
    site.case.centre.run(
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (n INTEGER, what TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION \
         ALL SELECT i + 1 FROM n WHERE i < 400000) INSERT INTO notes SELECT i, hex(randomblob(12)) FROM n",
    );
    for round in 0..6 {
        let to = site.path(&format!("to{round}"));
        // Tests may themselves run in the background, with Ctrl-C ignored.
        let mut child = Command::new("env")
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_intervault")])
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
            // Done before the signal came, on a machine that has much else to do: the next one has twice as much.
            site.case.centre.run("INSERT INTO notes SELECT n, what FROM notes");
            continue;
        }
        assert_eq!(status.signal(), Some(2), "{status}");
        return;
    }
    panic!("no backup could be interrupted");
}

/// What a hook after a backup ends is not ended while the hook before it is at work, and nothing is written behind it.
#[test]
fn a_hook_after_comes_when_all_else_is_over() {
    let site = Site::new();
    let (trace, v) = (site.text("trace"), site.text("v"));
    let hook = |name: &str, text: String| {
        let path = site.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let before = hook("before.sh", format!("echo begun >> {trace}; sleep 2; echo switched off >> {trace}"));
    let after = hook("after.sh", format!("echo switched on >> {trace}; sleep 4"));
    let config = site.path("intervault.toml");
    std::fs::write(&config, format!("[hooks]\nbefore = [['{before}']]\nafter = [['{after}']]\n")).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (url, state) = (site.case.url(), site.text("state"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &url, "--to", &v, "--state-dir", &state, "--config"])
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now();
    while !site.path("trace").exists() {
        assert!(patience.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    let lines = std::fs::read_to_string(site.path("trace")).unwrap();
    let begun = std::fs::read_dir(site.path("v")).map_or(0, |folder| {
        folder.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".ivv")).count()
    });
    assert_eq!((lines.lines().last(), begun), (Some("switched on"), 0), "{lines}");
}

/// What an export was writing when it was interrupted is gone, as it says.
#[test]
fn an_export_that_was_interrupted_leaves_no_unfinished_file() {
    let site = Site::new();
    site.case.centre.run(
        "CREATE TABLE notes (n INTEGER, what TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
         WHERE i < 200000) INSERT INTO notes SELECT i, hex(randomblob(12)) FROM n",
    );
    site.backup("volumes2", &["--data", "custom"], 0);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let to = site.path("out");
        let mut child = Command::new("env")
            .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_intervault")])
            .args(["export", &site.text("volumes2"), "--jobs", "1", "--state-dir", &site.text("state"), "--to"])
            .arg(&to)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let patience = Instant::now();
        let begun = || {
            std::fs::read_dir(&to).is_ok_and(|mut files| files.any(|file| file.unwrap().metadata().unwrap().len() > 0))
        };
        while !begun() {
            assert!(patience.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{said}");
        assert!(said.contains("that which was being written does not"), "{said}");
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "{said}");
    }
}
