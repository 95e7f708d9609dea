//! What monitors ask: how old the last backup is, what went wrong, figures; and that a backup of something else is no answer.

use super::commands::Case;
use super::site::{Site, volumes};
use std::process::Command;

/// What a rebuilt history says of a database is found by the name of that database.
#[test]
fn a_rebuilt_history_knows_the_database_by_its_name() {
    let site = Site::new();
    let url = site.case.url();
    site.backup("nightly", &["--data", "historical"], 0);
    let sizes = || {
        let run = &site.json(&["log"], 0)["runs"][0];
        ["rows", "bytes", "volumes", "set", "label", "began"].map(|field| run[field].clone())
    };
    let before = sizes();
    std::fs::remove_dir_all(site.path("state")).unwrap();
    site.run(&["status", "--rebuild", &site.text("nightly")], 0);
    assert!(before[1].as_u64() > Some(0) && sizes() == before, "{before:?} {:?}", sizes());
    site.run(&["status", "--max-age", "26h", "--database", &url], 0);
}

/// One database has one name, however it is typed.
#[test]
fn a_database_has_one_name_however_it_is_typed() {
    let site = Site::new();
    std::os::unix::fs::symlink(site.case.centre.path(), site.path("link.db")).unwrap();
    let typed =
        [site.case.url(), site.case.url().replace("sqlite:", "sqlite://"), format!("sqlite:{}", site.text("link.db"))];
    for url in &typed {
        let to = site.text("nightly");
        site.run(
            &["backup", "--database", url, "--to", &to, "--data", "historical", "--metrics", &site.text("f.prom")],
            0,
        );
    }
    let figures = std::fs::read_to_string(site.path("f.prom")).unwrap();
    assert_eq!(figures.matches("intervault_backup_rows{").count(), 1, "{figures}");
    for url in &typed {
        site.run(&["status", "--max-age", "26h", "--database", url], 0);
        site.run(&["status", &site.text("nightly"), "--max-age", "26h", "--database", url], 0);
    }
    let sets = volumes(&site.path("nightly"));
    std::fs::remove_dir_all(site.path("state")).unwrap();
    site.run(&["status", "--rebuild", &site.text("nightly")], 0);
    let runs = site.json(&["log"], 0)["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), sets.len());
    assert!(runs.as_array().unwrap().iter().all(|run| run["database"] == typed[0].as_str()), "{runs}");
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
