//! Files by the command line: backed up with a database and without, listed, restored, and how that ends.

use super::commands::{intervault, json, run};
use super::files::{noise, tree_of};
use super::site::Site;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;

/// A folder with a tree in it, volumes beside it, and where it is restored.
struct Yard {
    folder: tempfile::TempDir,
}

impl Yard {
    fn new() -> Yard {
        let yard = Yard { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(yard.at("tree/sub")).unwrap();
        fs::write(yard.at("tree/sub/a.cfg"), "a").unwrap();
        fs::write(yard.at("tree/b.tmp"), "b").unwrap();
        fs::write(yard.at("tree/c"), noise(100_000)).unwrap();
        yard
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn backed_up(more: &[&str]) -> Yard {
        let yard = Yard::new();
        let words = ["backup", "--files", &yard.path("tree"), "--to", &yard.path("volumes")];
        run(&[&words[..], more].concat(), 0);
        yard
    }

    fn restored(&self) -> PathBuf {
        self.at("out").join(self.at("tree").strip_prefix("/").unwrap())
    }
}

#[test]
fn files_are_backed_up_without_a_database_listed_and_restored() {
    let yard = Yard::new();
    let (volumes, out) = (yard.path("volumes"), yard.path("out"));
    let plan = json(&["backup", "--files", &yard.path("tree"), "--to", &volumes, "--dry-run"], 0);
    assert_eq!((&plan["trees"][0]["files"], &plan["trees"][0]["entries"]), (&3.into(), &5.into()));
    let (said, _) = run(&["backup", "--files", &yard.path("tree"), "--to", &volumes, "--exclude", "*.tmp"], 0);
    assert!(said.contains("2 files of ") && said.contains("1 left out by patterns"), "{said}");
    assert!(said.contains("-XXXC-00-F-01"), "{said}");
    let (said, _) = run(&["check", &volumes, "--list"], 0);
    assert!(said.contains("2 files of 97.6 KiB"), "{said}");
    let listed = json(&["check", &volumes, "--verify"], 0);
    assert_eq!(listed["sets"][0]["tables"][0]["files"], serde_json::json!({"count": 2, "bytes": 100_001}));
    let (said, _) = run(&["restore", "--from", &volumes, "--files-to", &out, "--dry-run"], 0);
    assert!(said.contains("2") && !yard.at("out").exists(), "{said}");
    let (said, _) = run(&["restore", "--from", &volumes, "--files-to", &out], 0);
    assert!(said.contains("Written: 2 files of 97.6 KiB, 2 folders, 0 links."), "{said}");
    let mut expected = tree_of(&yard.at("tree"));
    expected.remove(&b"b.tmp"[..]);
    assert_eq!(tree_of(&yard.restored()), expected);
    // A second time they are in the way.
    let (_, said) = run(&["restore", "--from", &volumes, "--files-to", &out], 9);
    assert!(said.contains("it is there already") && said.contains("--overwrite-files"), "{said}");
    let (_, said) = run(&["restore", "--from", &volumes, "--files-to", &out, "--overwrite-files"], 2);
    assert!(said.contains("--yes"), "nobody can confirm: {said}");
    fs::write(yard.restored().join("c"), "other").unwrap();
    let again = ["restore", "--from", &volumes, "--files-to", &out, "--overwrite-files", "--yes", "--files", "c"];
    let done = json(&again, 0);
    assert_eq!((&done["done"]["files"], &done["done"]["ended"]), (&1.into(), &"finished".into()));
    assert_eq!(tree_of(&yard.restored()), expected);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let yard = Yard::backed_up(&[]);
    let (tree, volumes, out) = (yard.path("tree"), yard.path("volumes"), yard.path("out"));
    let up = yard.path("tree/../tree");
    let none = yard.path("none");
    let cases: [(&[&str], i32, &str); 11] = [
        (&["backup", "--to", &volumes], 2, "--database"),
        (&["backup", "--files", &up, "--to", &volumes], 2, "without .."),
        (&["backup", "--files", &none, "--to", &volumes], 10, "no file or folder"),
        (&["backup", "--files", &tree, "--to", &volumes, "--exclude", "a["], 2, "a["),
        (&["backup", "--files", &tree, "--to", &volumes, "--incremental"], 2, "--database"),
        (&["backup", "--cmsadm", "--to", &volumes, "--database", "sqlite:x"], 2, "--files"),
        (&["backup", "--files", &tree, "--to", &volumes, "--volume-size", "2KiB"], 2, "too small"),
        (&["restore", "--from", &volumes], 2, "--database"),
        (&["restore", "--from", &volumes, "--files", "x"], 2, "--files-to"),
        (&["restore", "--from", &volumes, "--files-to", &out, "--start", "2024-01-01"], 2, "cannot be used with"),
        (&["restore", "--from", &volumes, "--files-to", &out, "--files", "nothing"], 10, "none of the files"),
    ];
    for (words, status, part) in cases {
        let (_, said) = run(words, status);
        assert!(said.contains(part), "{words:?}: {said}");
    }
    assert!(!yard.at("out").exists());
    // Volumes with tables alone.
    let centre = super::commands::Case::new();
    let (_, said) = run(&["restore", "--from", &centre.device(), "--files-to", &out], 10);
    assert!(said.contains("no file tree"), "{said}");
}

#[test]
fn what_cannot_be_kept_is_named_harmlessly_and_the_rest_is_written() {
    let yard = Yard::new();
    let mut folder = yard.at("tree").join(OsStr::from_bytes(b"evil\n\x1b[31m\xff"));
    fs::create_dir(&folder).unwrap();
    // As deep as the system goes by paths, and then some: what lies there has no path of 4096 bytes.
    let name = "n".repeat(255);
    let mut beneath = intervault::files::beneath::Beneath::open(&folder).unwrap();
    let mut path = Vec::new();
    for _ in 0..16 {
        let mode = rustix::fs::Mode::from_raw_mode(0o755);
        rustix::fs::mkdirat(beneath.folder(&path).unwrap(), name.as_str(), mode).unwrap();
        path = intervault::files::name::join(&path, name.as_bytes());
    }
    let words = ["backup", "--files", &yard.path("tree"), "--to", &yard.path("volumes")];
    let (out, said) = run(&words, 3);
    assert!(said.contains("longer than 4096 bytes") && out.contains("1 not as they were"), "{out}{said}");
    let shown = format!("{out}{said}");
    assert!(said.contains(r"evil\n\x1b[31m\xff/n") && !shown.contains('\x1b') && !shown.contains("evil\n"), "{shown}");
    let (out, said) = run(&["check", &yard.path("volumes"), "--list"], 0);
    assert!(out.contains(r"evil\n\x1b[31m\xff/n") && !out.contains('\x1b'), "{out}{said}");
    run(&["restore", "--from", &yard.path("volumes"), "--files-to", &yard.path("out")], 0);
    folder = yard.restored().join(folder.file_name().unwrap());
    assert!(folder.join(&name).is_dir());
}

#[test]
fn the_volumes_are_not_backed_up_into_themselves() {
    let yard = Yard::new();
    let inside = yard.path("tree/volumes");
    let (said, _) = run(&["backup", "--files", &yard.path("tree"), "--to", &inside, "--dry-run"], 0);
    assert!(said.contains("3 files of "), "{said}");
    let (said, _) = run(&["backup", "--files", &yard.path("tree"), "--to", &inside], 0);
    assert!(said.contains("  left out: volumes: this backup is written there\n"), "{said}");
    for _ in 0..2 {
        let done = json(&["backup", "--files", &yard.path("tree"), "--to", &inside], 0);
        assert_eq!(done["trees"][0]["files"], 3);
        let left = &done["trees"][0]["left_out"]["first"][0];
        assert_eq!((&left["path"], &left["what"]), (&"volumes".into(), &"this backup is written there".into()));
    }
}

#[test]
fn a_full_disk_ends_a_restore_with_its_own_status_and_no_half_file() {
    let yard = Yard::backed_up(&[]);
    let command = format!(
        "trap '' XFSZ; ulimit -f 50; exec {} restore --from {} --files-to {} --jobs 1",
        env!("CARGO_BIN_EXE_intervault"),
        yard.path("volumes"),
        yard.path("out")
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("no space is left"), "{said}");
    let left: Vec<String> =
        tree_of(&yard.restored()).keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(left, ["b.tmp"], "whole files and no others");
}

#[test]
fn file_sets_give_one_output_on_all_servers_and_two_on_the_first() {
    let yard = Yard::new();
    let server = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let sets = |name: &str| {
        let text = format!(
            "[[file_set]]\nname = \"MASAll\"\npaths = [{:?}]\nexclude = [\"*.tmp\"]\n\n\
             [[file_set]]\nname = \"MASSingle\"\npaths = [{:?}]\nservers = [{name:?}]\nto = {:?}\n",
            yard.path("tree"),
            yard.path("tree/sub"),
            yard.path("single")
        );
        fs::write(yard.at("sets.toml"), text).unwrap();
    };
    let all = yard.path("all");
    let backup = ["backup", "--file-sets", &yard.path("sets.toml"), "--to", &all];
    sets("another-server");
    let (said, _) = run(&backup, 0);
    assert!(said.contains("File set MASAll:") && !said.contains("MASSingle") && !yard.at("single").exists(), "{said}");
    sets(&server.to_ascii_uppercase());
    let done = json(&backup, 0);
    let names: Vec<&Value> = done["sets"].as_array().unwrap().iter().map(|set| &set["name"]).collect();
    assert_eq!(names, ["MASAll", "MASSingle"]);
    let label = |at: usize| done["sets"][at]["backup"]["label"].as_str().unwrap_or_default().to_owned();
    assert!(label(0).starts_with("MASAll-") && label(1).starts_with("MASSingle-"), "{done}");
    run(&["check", &all, "--verify"], 0);
    run(&["restore", "--from", &yard.path("single"), "--files-to", &yard.path("out")], 0);
    assert_eq!(fs::read(yard.restored().join("sub/a.cfg")).unwrap(), b"a");
    // One set that fails does not keep the other from being written.
    fs::remove_dir_all(yard.at("tree/sub")).unwrap();
    let done = json(&backup, 10);
    assert!(done["sets"][0]["error"].is_null() && done["sets"][1]["error"].is_string(), "{done}");
    fs::write(yard.at("sets.toml"), "[[file_set]]\nname = \"A\"\npaths = []").unwrap();
    run(&backup, 2);
    sets("another-server");
    let (_, said) = run(&["backup", "--file-sets", &yard.path("sets.toml"), "--to", "-"], 2);
    assert!(said.contains("a pipe takes one set"), "{said}");
    assert_eq!(intervault(&["backup", "--file-sets", "/no/such", "--to", &all]).status.code(), Some(10));
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
