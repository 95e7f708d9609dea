//! `schedule`: the units that it writes are understood by systemd, where that is here, and what they start does the backups of
//! a week and the restore of a night.

use super::commands::{Case, intervault, json, run};
use super::site::Site;
use super::support::*;
use intervault::testing::not_tested;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folder and words of a schedule of everything, for a database and devices below a folder.
fn words(folder: &Path, database: &str) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (nightly, files, units) = (path("nightly"), path("files"), path("units"));
    let onto = format!("sqlite:{}", path("second.db"));
    std::fs::create_dir_all(&units).unwrap();
    let words =
        ["schedule", &units, "--database", database, "--to", &nightly, "--files-to", &files, "--volume-size", "1MiB"];
    let restore = ["--restore-onto", &onto, "--from", &nightly, "--uncovered", "delete", "--at-most", "6h"];
    [&words[..], &restore].concat().into_iter().map(str::to_owned).collect()
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// What a unit starts, of words without blanks.
fn started(units: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(units.join(name)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn systemd_understands_the_units() {
    let centre = Centre::new(&[HSPLIT]);
    let folder = centre.folder.path().join("odd $HOME %h 'a' \"b\" \\ ;");
    std::fs::create_dir(&folder).unwrap();
    let said = json(&strs(&words(&folder, "sqlite:/var/cms/a b.db")), 0);
    let names: Vec<&str> =
        said["units"].as_array().unwrap().iter().map(|unit| unit["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    let files: Vec<PathBuf> = names.iter().map(|name| folder.join("units").join(name)).collect();
    for (file, unit) in files.iter().zip(said["units"].as_array().unwrap()) {
        assert_eq!(std::fs::read_to_string(file).unwrap(), unit["text"].as_str().unwrap());
    }
    let full = said["units"][0]["text"].as_str().unwrap();
    for line in
        ["Type=oneshot", "SuccessExitStatus=3", "TimeoutStartSec=21600", "RequiresMountsFor=", "NoNewPrivileges=yes"]
    {
        assert!(full.lines().any(|found| found.starts_with(line)), "{line}: {full}");
    }
    for (at, time) in
        [(1, "Sun *-*-* 22:30:00"), (3, "Mon..Sat *-*-* 23:00:00"), (5, "*-*-01 04:00:00"), (7, "*-*-* 02:30:00")]
    {
        let timer = said["units"][at]["text"].as_str().unwrap();
        assert!(timer.contains(&format!("\nOnCalendar={time}\nPersistent=true\n")), "{timer}");
    }
    // What the words of a unit mean is tested beside what writes them; here the whole is judged by the real reader.
    let Ok(verified) = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output() else {
        return not_tested("what systemd makes of the units, since there is no systemd-analyze here");
    };
    let text = String::from_utf8_lossy(&verified.stderr).into_owned();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("intervault")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{text}");
}

#[test]
fn what_the_units_start_backs_up_a_week_and_restores_a_night() {
    let case = Case::new();
    let folder = case.centre.folder.path();
    let second = folder.join("second.db");
    std::fs::copy(case.centre.path(), &second).unwrap();
    run(&strs(&words(folder, &case.url())), 0);
    let units = folder.join("units");
    let start = |name: &str, status: i32| {
        let words = started(&units, &format!("intervault-{name}.service"));
        assert_eq!(words[0], env!("CARGO_BIN_EXE_intervault"));
        let output = intervault(&strs(&words[1..]));
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(output.status.code(), Some(status), "{name}: {text}");
    };
    start("incremental", 9);
    start("full", 0);
    case.centre.interval("2024-03-02", 1200, 30, 1, 77);
    start("incremental", 0);
    start("restore", 0);
    // Volumes tell in which second a chain was begun.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    case.centre.interval("2024-03-03", 1200, 30, 1, 78);
    start("full", 0);
    case.centre.interval("2024-03-04", 1200, 30, 1, 79);
    start("incremental", 0);
    // Two chains are there by now: the newer one counts.
    start("restore", 0);
    let restored = rusqlite_rows(&second);
    assert_eq!(restored, rusqlite_rows(&case.centre.path()));
    assert!(restored.len() > 60, "{}", restored.len());
    // It has no custom data: that is said each month.
    start("files", 10);
    let chains = json(&["status", &folder.join("nightly").display().to_string(), "--state-dir", "/no/such"], 0);
    assert_eq!(chains["chains"].as_array().unwrap().len(), 2);
}

/// All rows of the interval table of a database.
fn rusqlite_rows(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut query =
        connection.prepare("SELECT row_date || starttime || acd || acdcalls FROM hsplit ORDER BY 1").unwrap();
    let rows: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    rows
}

#[test]
fn files_of_others_are_not_replaced_and_own_ones_are() {
    let centre = Centre::new(&[HSPLIT]);
    let folder = centre.folder.path();
    let words = words(folder, "sqlite:/a.db");
    run(&strs(&words), 0);
    run(&strs(&words), 0);
    let units = folder.join("units");
    let count = || std::fs::read_dir(&units).unwrap().count();
    assert_eq!(count(), 8);
    std::fs::remove_file(units.join("intervault-full.service")).unwrap();
    std::fs::write(units.join("intervault-restore.timer"), "[Timer]\n# my own\n").unwrap();
    let (_, err) = run(&strs(&words), 1);
    assert!(err.contains("intervault schedule did not write it") && err.contains("--name"), "{err}");
    assert_eq!(count(), 7, "nothing was written");
    run(&[&strs(&words)[..], &["--name", "other"]].concat(), 0);
    assert_eq!(count(), 15);
    let (_, err) = run(&["schedule", "/no/such", "--database", "sqlite:/a", "--to", "/b"], 10);
    assert!(err.contains("cannot write /no/such: ") && !err.contains(".intervault"), "{err}");
}

#[test]
fn a_configuration_says_what_is_scheduled() {
    let centre = Centre::new(&[HSPLIT]);
    let file = centre.folder.path().join("own.toml").display().to_string();
    std::fs::write(&file, "database = 'sqlite:/var/x.db'\ndefault_device = 'n'\n[devices]\nn = '/backup/n'\n").unwrap();
    let said = json(&["schedule", "--config", &file], 0);
    let text = said["units"][0]["text"].as_str().unwrap();
    let line = format!(
        "backup --database sqlite:/var/x.db --to /backup/n --data local,system,acd,historical --full --wait 12h \
         --config {file}\n"
    );
    assert!(text.contains(&line), "{text}");
    assert_eq!((said["units"].as_array().unwrap().len(), &said["folder"]), (4, &Value::Null));
    let (out, _) = run(&["schedule", "--config", &file], 0);
    assert!(out.starts_with("# intervault-full.service\n# Written by intervault schedule"), "{out}");
    run(&["schedule"], 2);
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

/// Old sets go once a week, by the rules that were given, from the folders of all backups; and a name of a device is the
/// device that it stands for.
#[test]
fn old_sets_are_pruned_where_rules_say_what_is_kept() {
    let site = Site::new();
    let (url, nightly, files) = (site.case.url(), site.text("nightly"), site.text("files"));
    let words = ["schedule", "--database", &url, "--to", &nightly, "--files-to", &files];
    let said = site.json(&[&words[..], &["--keep-last", "2", "--keep-months", "12"]].concat(), 0);
    let units = said["units"].as_array().unwrap();
    let text = |name: &str| units.iter().find(|unit| unit["name"] == name).unwrap()["text"].as_str().unwrap();
    let (service, timer) = (text("intervault-prune.service"), text("intervault-prune.timer"));
    let line = format!("prune {nightly} {files} --keep-last 2 --keep-months 12 --yes --state-dir");
    assert!(service.contains(&line) && timer.contains("OnCalendar=Mon *-*-* 06:00:00"), "{service}{timer}");
    assert!(service.contains("After=intervault-full.service intervault-incremental.service intervault-files.service"));
    let (_, err) = site.run(&["schedule", "--database", &url, "--to", "tape:/dev/nst0", "--keep-last", "2"], 2);
    assert!(err.contains("from folders only"), "{err}");
    std::fs::write(site.path("own.toml"), format!("[devices]\nn = '{nightly}'\n")).unwrap();
    let config = site.text("own.toml");
    let words = ["schedule", "--config", &config, "--database", &url, "--to", "n", "--files-to", &nightly];
    assert!(site.run(&words, 2).1.contains("of their own"));
}

/// A backup that is told to wait begins when the other one is over.
#[test]
fn a_backup_waits_for_the_one_that_is_at_work() {
    use intervault::device::traits::Device;
    let site = Site::new();
    std::fs::create_dir(site.path("nightly")).unwrap();
    let other = intervault::device::directory::DirectoryDevice::for_writing(site.path("nightly")).unwrap();
    let lock = other.lock().unwrap();
    site.backup("nightly", &["--data", "historical"], 6);
    let (_, err) = site.backup("nightly", &["--data", "historical", "--wait", "1s"], 6);
    assert!(err.contains("Waiting: "), "{err}");
    let held = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        drop(lock);
    });
    site.backup("nightly", &["--data", "historical", "--wait", "5m"], 0);
    held.join().unwrap();
    assert_eq!(site.json(&["log"], 0)["runs"][2]["state"], "finished");
}
