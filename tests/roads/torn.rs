//! Backups that were cut short: what the history says of them, and that they go when something better is there.

use super::commands::intervault;
use super::site::{Site, volumes};
use intervault::format::block::BlockHeader;
use std::path::PathBuf;
use std::time::Duration;

/// A whole full set, and a later one as a process leaves it that was killed while it wrote; the volume of that.
fn with_a_torn_full() -> (Site, PathBuf) {
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
    (site, torn)
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

/// A full backup that was cut off (a full disk) is worth nothing once a whole incremental has been taken after it: prune
/// gives its room back.
#[test]
fn a_torn_full_goes_once_the_chain_has_gone_on() {
    let (site, torn) = with_a_torn_full();
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
    let run = site.json(&["log"], 0)["runs"][0].clone();
    assert!(run["state"] == "failed" && run["set"].is_string() && run["label"].is_string(), "{run}");
    std::thread::sleep(Duration::from_millis(1_100));
    site.backup("nightly", &["--data", "historical"], 0);
    site.run(&["prune", &nightly, "--keep-last", "1", "--yes"], 0);
    let restore = ["restore", "--database", &url, "--from", &nightly, "--data", "historical", "--dry-run"];
    let restored = intervault(&restore).status.code();
    assert_eq!((torn.iter().filter(|path| path.exists()).count(), restored), (0, Some(0)));
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

/// A full backup that was killed is never finished: it is not in the way of a restore of the only chain that is there.
#[test]
fn a_full_that_was_never_finished_is_not_in_the_way_of_a_restore() {
    let (site, _torn) = with_a_torn_full();
    let (url, nightly) = (site.case.url(), site.text("nightly"));
    site.run(&["restore", "--database", &url, "--from", &nightly, "--data", "historical", "--dry-run"], 0);
}

/// Nothing tells any more which administration tables the full set had: that is not "all that is restored".
#[test]
fn what_only_a_torn_full_had_is_not_left_out_of_a_restore_of_everything() {
    let site = Site::new();
    let url = site.case.url();
    site.backup("v", &["--data", "acd,historical", "--full"], 0);
    let full = volumes(&site.path("v")).remove(0);
    site.case.centre.intervals("2024-03-05", 800, 1200, 30, 1);
    site.backup("v", &["--data", "historical", "--incremental"], 0);
    let bytes = std::fs::read(&full).unwrap();
    let label = BlockHeader::parse(&bytes).unwrap().block_len();
    std::fs::write(&full, &bytes[..label]).unwrap();
    site.backup("v", &["--data", "historical", "--incremental"], 3);
    // Synonyms are nowhere any more.
    site.run(&["restore", "--database", &url, "--from", &site.text("v"), "--uncovered", "delete", "--dry-run"], 5);
}
