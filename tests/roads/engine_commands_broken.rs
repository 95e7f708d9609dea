//! What `status`, `prune`, `label`, hooks and schedules should hold, as processes.

use super::commands::Case;
use super::site::{Site, volumes};
use std::time::Duration;

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
