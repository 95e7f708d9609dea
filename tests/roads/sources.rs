//! Backups of one database are never taken for those of another, though they lie in one folder and have one file name.

#[cfg(target_os = "linux")]
use super::commands::Case;
#[cfg(target_os = "linux")]
use super::site::{Site, volumes};
use super::support::*;
use intervault::error::Class;
use intervault::format::block::SetId;

/// Two databases on one server whose files have the same name, in other folders: neither goes on with the other's chain.
#[test]
fn databases_in_two_folders_with_one_file_name_are_not_mixed() {
    let (one, two) = (Centre::new(&[HSPLIT]), Centre::new(&[HSPLIT]));
    for day in 10..13 {
        one.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    two.intervals("2024-03-12", 800, 1000, 30, 1);
    two.run("UPDATE hsplit SET acdcalls = 500");
    let device = backup(&one);
    // There is no full of the second one.
    let refused = backup_onto(&two, &device, &incremental_options(2)).unwrap_err();
    assert_eq!(refused.class(), Class::NotRestorable, "{refused}");
    backup_onto(&two, &device, &backup_options(3)).unwrap();
    let report = backup_onto(&two, &device, &incremental_options(4)).unwrap();
    assert_eq!(report.parent.map(|parent| parent.set), Some(SetId([3; 16])));
}

/// Two databases of one file name, in two folders of one server, backed up into one folder: the only good full set of the one
/// does not go because the other has a newer one.
#[test]
#[cfg(target_os = "linux")]
fn the_last_full_of_a_database_does_not_go_for_that_of_another_of_its_name() {
    let (site, other) = (Site::new(), Case::new());
    let nightly = site.text("nightly");
    site.backup("nightly", &["--data", "historical"], 0);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let first = volumes(&site.path("nightly"));
    site.run(&["backup", "--database", &other.url(), "--to", &nightly, "--data", "historical"], 0);
    site.run(&["prune", &nightly, "--keep-last", "1", "--yes"], 0);
    assert!(first[0].exists(), "the only backup of {} has gone", site.case.url());
}
