//! Which files are meant by patterns, and trees of which nothing is kept.

use super::commands::{json, run};
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn a_pattern_that_means_the_named_folder_means_all_in_it() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::create_dir_all(at("tree/sub")).unwrap();
    fs::write(at("tree/sub/a"), "a").unwrap();
    let words = ["backup", "--files", &at("tree"), "--to", &at("volumes"), "--include", &at("tree")];
    let done = json(&words, 0);
    assert_eq!(done["trees"][0]["files"], 1, "{}", done["trees"][0]);
}

#[test]
fn a_tree_that_is_a_single_file_is_chosen_by_its_name() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::write(at("adm.cfg"), "a").unwrap();
    run(&["backup", "--files", &at("adm.cfg"), "--to", &at("volumes")], 0);
    run(&["restore", "--from", &at("volumes"), "--files-to", &at("out"), "--files", "*.cfg"], 0);
}

#[test]
fn a_whole_path_is_the_one_that_the_file_had_also_of_a_tree_that_was_named_relatively() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::create_dir(at("data")).unwrap();
    fs::write(at("data/x.cfg"), "x").unwrap();
    let program = env!("CARGO_BIN_EXE_intervault");
    let backup = Command::new(program)
        .args(["backup", "--files", "data", "--to", "volumes", "--include", &at("data/*.cfg")])
        .current_dir(yard.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(backup.status.code(), Some(0));
    run(&["restore", "--from", &at("volumes"), "--files-to", &at("out"), "--files", &at("data/*.cfg")], 0);
}

/// A tree that was named and of which nothing is on the volumes is not done.
#[test]
fn a_named_tree_of_which_nothing_is_kept_is_told_by_the_status() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::create_dir(at("tree")).unwrap();
    fs::write(at("tree/a"), "a").unwrap();
    let words = ["backup", "--files", &at("tree"), "--to", &at("tree")];
    let (_, said) = run(&words, 3);
    assert!(said.contains("tree: this backup is written there"), "{said}");
    run(&[&words[..], &["--dry-run"]].concat(), 3);
    let words =
        ["backup", "--files", &at("tree"), "--to", &at("volumes"), "--exclude", &yard.path().display().to_string()];
    let (_, said) = run(&words, 3);
    assert!(said.contains("tree: a pattern leaves all of it out"), "{said}");
    run(&[&words[..], &["--dry-run"]].concat(), 3);
    let done = json(&["backup", "--files", &at("tree"), "--to", &at("other")], 0);
    assert_eq!(done["trees"][0]["files"], 2, "the file, and the first volume: {done}");
}
