//! Media one after the other, as processes: what is never overwritten, what a person is asked, where a tape ends.

use super::commands::{intervault, json, run};
use super::devices::large;
use super::dialogue::Terminal;
use std::fs;
use std::path::Path;

const ASKED: &str = "or q to end here:";

/// Enter without a change of tape, or the first tape put in again: it holds a volume of this very set.
#[test]
fn no_backup_overwrites_its_own_volumes() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["32KiB", "--overwrite", "any"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    terminal.shows(ASKED);
    terminal.types("\n");
    let said = terminal.shows(ASKED);
    let listed = json(&["check", &tape], 5);
    terminal.types("q\n");
    terminal.ends();
    let volumes = &listed["sets"][0]["missing_volumes"];
    assert!(!volumes.as_array().unwrap().contains(&1.into()), "volume 1 is gone: {volumes}; said: {said}");
}

/// To the end: every volume on one tape over the one before, and a set that is called done.
#[test]
fn a_set_whose_volumes_overwrote_each_other_is_not_called_done() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["128KiB", "--overwrite", "any"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    terminal.shows(ASKED);
    for _ in 0..40 {
        terminal.types("\n");
    }
    terminal.types("q\n");
    let (said, status) = terminal.ends();
    let listed = intervault(&["check", &tape]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(!matches!(status.code(), Some(0 | 3)), "status {status}, {said}\n{listed}");
}

/// Two sets of one run on one tape: the second goes behind the first, which was written a moment ago.
#[test]
fn file_sets_of_one_run_do_not_overwrite_each_other() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    for name in ["one", "two"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(format!("{}/file", at(name)), name).unwrap();
    }
    let sets = format!(
        "[[file_set]]\nname = \"One\"\npaths = [{:?}]\n[[file_set]]\nname = \"Two\"\npaths = [{:?}]\n",
        at("one"),
        at("two")
    );
    fs::write(at("sets.toml"), sets).unwrap();
    let tape = format!("tape:{}", at("a.tap"));
    run(&["backup", "--file-sets", &at("sets.toml"), "--to", &tape, "--overwrite", "any"], 0);
    let listed = json(&["check", &tape], 0);
    let labels: Vec<&str> =
        listed["sets"].as_array().unwrap().iter().map(|set| set["label"].as_str().unwrap()).collect();
    assert_eq!(labels.len(), 2, "both were called done; on the tape: {labels:?}");
}

/// The files of a server go behind the tables of its database.
#[test]
fn files_and_tables_of_one_server_lie_on_one_tape() {
    let centre = large();
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let tape = format!("tape:{}", place("a.tap"));
    fs::create_dir(place("tree")).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", centre.path().display()), "--to", &tape], 0);
    run(&["backup", "--files", &place("tree"), "--to", &tape], 0);
}

#[test]
fn a_wrong_tape_is_named_and_the_next_volume_asked_for_by_number_and_label_again() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name);
    let tape = format!("tape:{}", place("a.tap").display());
    let strange = format!("tape:{}", place("strange.tap").display());
    fs::copy(centre.path(), place("strange.db")).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", place("strange.db").display()), "--to", &strange], 0);
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["32KiB"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    let first = terminal.shows(ASKED);
    assert!(first.contains("volume 2, CMS-"), "{first}");
    fs::rename(place("a.tap"), place("first.tap")).unwrap();
    fs::copy(place("strange.tap"), place("a.tap")).unwrap();
    terminal.types("\n");
    let second = terminal.shows(ASKED);
    let folder = format!("{}\n", place("folder").display());
    terminal.types(&folder);
    let said = terminal.shows(ASKED);
    assert!(said.contains("is not there; to have it made") && !place("folder").exists(), "{said}");
    terminal.types(&folder);
    let said = terminal.shows(ASKED);
    terminal.types("q\n");
    let (rest, status) = terminal.ends();
    assert_eq!(status.code(), Some(5), "{said}{rest}");
    assert!(second.contains("of another system") && second.contains("volume 2, CMS-"), "asked: {second}");
    assert!(place("folder").exists(), "another device was named: {said}");
}

/// A drive whose driver is not loaded must not become a file in memory.
#[test]
fn nothing_is_made_among_the_devices_of_the_system() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    for to in ["tape:/dev/no-such-drive0", "/dev/no-such-drive0", "tape:/dev/../dev/no-such-drive0"] {
        for more in [&["--dry-run"][..], &[]] {
            let (_, said) = run(&[&["backup", "--database", &url, "--to", to], more].concat(), 10);
            assert!(said.contains("there is no such drive"), "{said}");
            assert!(!Path::new("/dev/no-such-drive0").exists(), "{to}");
        }
    }
}

/// Ctrl-C where the next medium is asked for is an answer: the first one ends the backup, and its finished volumes stay.
#[test]
fn ctrl_c_ends_a_backup_that_waits_for_a_medium() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["32KiB"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    terminal.shows(ASKED);
    terminal.types("\x03");
    let (said, status) = terminal.ends();
    assert!(said.contains("interrupted: ") && !status.success(), "{said}");
    let (listed, _) = run(&["check", &tape], 5);
    assert!(listed.contains("volume 2 is not here"), "{listed}");
}

#[test]
fn a_further_device_that_will_not_do_is_named_and_the_next_asked_for() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let strange = format!("tape:{}", place("strange.tap"));
    fs::copy(centre.path(), place("strange.db")).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", place("strange.db")), "--to", &strange], 0);
    let first = place("first");
    let arguments = ["backup", "--database", &url, "--to", &first, "--to", &strange, "--device-capacity", "90KiB"];
    let arguments = [&arguments[..], &["--volume-size", "32KiB"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    let (said, status) = terminal.shows_or_ends(ASKED);
    assert!(status.is_none(), "{said}, {status:?}");
    terminal.types("q\n");
    let (rest, status) = terminal.ends();
    assert_eq!(status.code(), Some(5), "{said}{rest}");
    // What will not do is known before the first one is full.
    assert!(said.find("warning: ").unwrap() < said.find("is full").unwrap(), "{said}");
}

/// The question must be where the person is.
#[test]
fn the_next_medium_is_asked_for_where_it_is_seen() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let command = format!(
        "exec {} backup --database {url} --to {} --device-capacity 90KiB --volume-size 32KiB > {}",
        env!("CARGO_BIN_EXE_intervault"),
        place("first"),
        place("answer")
    );
    let mut terminal = Terminal::start("sh", &["-c", &command]);
    std::thread::sleep(std::time::Duration::from_secs(10));
    let answer = fs::read_to_string(place("answer")).unwrap();
    terminal.types("q\n");
    let (said, _) = terminal.ends();
    assert!(!answer.contains(ASKED) && said.contains(ASKED), "in the file: {answer}; on the terminal: {said}");
}

/// Names of the configuration are "usable wherever a device is named".
#[test]
fn a_configured_name_is_taken_where_the_next_medium_is_asked_for() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    fs::write(place("c.toml"), format!("[devices]\nmonthly = {:?}\n", place("meant"))).unwrap();
    let (here, config, first) = (centre.folder.path().display().to_string(), place("c.toml"), place("first"));
    let program = ["-C", &here, env!("CARGO_BIN_EXE_intervault"), "--config", &config, "backup", "--database", &url];
    let options = ["--to", &first, "--device-capacity", "200KiB", "--volume-size", "64KiB"];
    let mut terminal = Terminal::start("env", &[&program[..], &options].concat());
    terminal.shows(ASKED);
    terminal.types("monthly\n");
    let (said, _) = terminal.shows_or_ends(ASKED);
    let made = (Path::new(&place("meant")).exists(), Path::new(&place("monthly")).exists());
    assert_eq!(made, (true, false), "{said}");
}

/// `--device-capacity`: "A device holds volumes of so many bytes in all, those that are there included".
#[test]
fn an_image_takes_no_more_than_its_capacity_however_often_it_is_opened() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "600KiB"];
        statuses.push(intervault(&arguments).status.code());
    }
    let bytes = fs::metadata(centre.folder.path().join("a.tap")).unwrap().len();
    assert!(statuses.contains(&Some(5)), "{statuses:?}; the image of 614400 bytes has {bytes}");
}

#[test]
fn a_plan_says_which_tapes_would_be_refused() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let (tape, second) = (format!("tape:{}", place("a.tap")), format!("tape:{}", place("b.tap")));
    let plan = ["backup", "--database", &url, "--dry-run", "--to", &tape];
    assert!(!run(&plan, 0).1.contains("warning"), "a tape that is not there is made");
    run(&["backup", "--database", &url, "--to", &tape, "--retain", "7", "--now", "2024-03-18 12:00"], 0);
    fs::copy(place("a.tap"), place("b.tap")).unwrap();
    run(&plan, 0);
    let plan = [&plan[..], &["--to", &second, "--overwrite", "expired", "--now"]].concat();
    let (_, err) = run(&[&plan[..], &["2024-03-24 12:00"]].concat(), 3);
    for name in ["a.tap", "b.tap"] {
        let told = err.lines().any(|line| line.contains(name) && line.contains("to be kept until 2024-03-25"));
        assert!(told, "{name}: {err}");
    }
    run(&[&plan[..], &["2024-03-25 12:00"]].concat(), 0);
}

#[test]
fn nothing_is_left_of_an_image_that_was_made_for_nothing() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let image = centre.folder.path().join("a.tap");
    let tape = format!("tape:{}", image.display());
    run(&["backup", "--database", &url, "--to", &tape, "--tables", "nosuch"], 10);
    assert!(!image.exists());
    fs::write(&image, "").unwrap();
    run(&["backup", "--database", &url, "--to", &tape, "--tables", "nosuch"], 10);
    assert!(image.exists(), "a blank tape that was there stays");
}

#[test]
fn a_capacity_is_not_asked_of_a_drive() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let (_, err) = run(&["backup", "--database", &url, "--to", "tape:/dev/null", "--device-capacity", "1MiB"], 1);
    assert!(err.contains("tape:/dev/null knows itself where its tape ends"), "{err}");
}

#[test]
fn a_folder_for_what_comes_through_a_pipe_that_is_none_is_named() {
    let program = env!("CARGO_BIN_EXE_intervault");
    let output =
        std::process::Command::new(program).args(["check", "-"]).env("TMPDIR", "/no/such/folder").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && err.contains("/no/such/folder") && err.contains("TMPDIR"), "{err}");
}
