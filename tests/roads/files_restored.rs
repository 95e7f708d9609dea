//! Files that come back, or are said not to: what cannot be read any more, further names, older states, trees in each other.

use super::commands::{json, run};
use super::devices::large;
use super::files::{backup_trees, below, noise, tree, tree_of};
use super::support::*;
use intervault::backup;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore::{FilesOptions, FilesRestore};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Forty files of 300,000 bytes, and a further name of the first one.
pub fn forty() -> tempfile::TempDir {
    let source = tempfile::tempdir().unwrap();
    for number in 0..40 {
        fs::write(source.path().join(format!("{number:02}")), noise(300_000 + number)).unwrap();
    }
    fs::hard_link(source.path().join("00"), source.path().join("zz")).unwrap();
    source
}

/// Flips a byte in the middle of a chunk of the only section.
fn hurt(folder: &Path, chunk: usize) {
    let device = DirectoryDevice::open(folder).unwrap();
    let name = device.list().unwrap().remove(0);
    let set = only_set(&device);
    let at = &set.sections()[0].chunks[chunk].entry;
    let place = at.offset + u64::from(at.bytes) / 2;
    let file = fs::File::options().read(true).write(true).open(folder.join(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 1], place).unwrap();
}

/// The plan was made of sound volumes; what cannot be read when the files are written must not be left out silently.
#[test]
fn what_cannot_be_read_any_more_ends_a_restore_of_files() {
    let (source, volumes, target) = (forty(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let device = DirectoryDevice::for_writing(volumes.path()).unwrap();
    backup_trees(vec![tree(source.path())], &device, backup_options(1));
    let chunks = only_set(&device).sections()[0].chunks.len();
    assert!(chunks > 4);
    let mut told = Vec::new();
    for chunk in 0..chunks - 1 {
        let folder = target.path().join(chunk.to_string());
        let set = only_set(&device);
        let restore = FilesRestore::new(&set, &folder, FilesOptions::default());
        let plan = restore.plan().unwrap();
        hurt(volumes.path(), chunk);
        let applied = restore.apply(&plan);
        hurt(volumes.path(), chunk);
        if let Ok(report) = applied {
            told.push((chunk, plan.trees[0].files, report.written.files, report.written.troubles.count));
        }
    }
    assert!(told.is_empty(), "called done (chunk, files planned, written, troubles): {told:?}");
}

/// With a part that is lost and known to be: another one that is lost later ends it, one that comes back is not looked at,
/// and each is told once.
#[test]
fn what_a_partial_restore_may_leave_out_is_what_its_plan_says() {
    let (source, volumes, target) = (forty(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let device = DirectoryDevice::for_writing(volumes.path()).unwrap();
    backup_trees(vec![tree(source.path())], &device, backup_options(1));
    let set = only_set(&device);
    hurt(volumes.path(), 2);
    let options = FilesOptions { partial: true, ..FilesOptions::default() };
    let planned = |folder: &str| {
        let folder = target.path().join(folder);
        let plan = FilesRestore::new(&set, &folder, options.clone()).plan().unwrap();
        (folder, plan)
    };
    let ((same, plan), (mended, _), (worse, _)) = (planned("same"), planned("mended"), planned("worse"));
    let apply = |folder: &Path| FilesRestore::new(&set, folder, options.clone()).apply(&plan);
    let told = plan.trees[0].lost.first.iter().filter(|(path, _)| Path::new(path) == source.path());
    assert_eq!(told.count(), 1, "{:?}", plan.trees[0].lost);
    assert!((30..40).contains(&plan.trees[0].files));
    assert_eq!(apply(&same).unwrap().written.files, plan.trees[0].files);
    hurt(volumes.path(), 2);
    assert_eq!(apply(&mended).unwrap().written.files, plan.trees[0].files);
    hurt(volumes.path(), 2);
    hurt(volumes.path(), 4);
    let stopped = apply(&worse).unwrap_err();
    assert_eq!(stopped.error.class(), Class::Damage, "{}", stopped.error);
    assert!(stopped.report.written.files < plan.trees[0].files);
}

/// The chunk with the first name is lost; the target has a file of that name, which the backup knows nothing of.
#[test]
fn with_partial_no_further_name_is_given_to_a_file_that_was_not_restored() {
    for overwrite in [false, true] {
        let (source, volumes, target) = (forty(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let device = DirectoryDevice::for_writing(volumes.path()).unwrap();
        backup_trees(vec![tree(source.path())], &device, backup_options(1));
        hurt(volumes.path(), 0);
        let there = below(target.path(), source.path());
        fs::create_dir_all(&there).unwrap();
        fs::write(there.join("00"), "mine").unwrap();
        let set = only_set(&device);
        let options = FilesOptions { partial: true, overwrite, ..FilesOptions::default() };
        let restore = FilesRestore::new(&set, target.path(), options);
        let plan = restore.plan().unwrap();
        assert!(plan.refusals.count == 0 && plan.trees[0].lost.count > 0);
        let report = restore.apply(&plan).unwrap();
        let linked = fs::read(there.join("zz")).ok();
        assert!(
            linked.as_ref().is_none_or(|content| content.len() == 300_000),
            "zz holds {:?}; troubles told: {:?}",
            linked.map(|content| String::from_utf8_lossy(&content).into_owned()),
            report.written.troubles
        );
    }
}

/// The newest set has lost its last volumes, and with them all of its tree: an older tree is not what was asked for.
#[test]
fn an_older_tree_is_not_given_for_a_newer_one_that_is_lost() {
    let centre = large();
    let folder = centre.folder.path().join("tree");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "old").unwrap();
    let device = MemoryDevice::new();
    let with_tree = |options| backup::Options { trees: vec![tree(&folder)], ..options };
    backup_onto(&centre, &device, &with_tree(backup_options(1))).unwrap();
    let before = device.list().unwrap();
    fs::write(folder.join("file"), "new").unwrap();
    centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1");
    let options = backup::Options { volume_size: Some(64 << 10), ..incremental_options(2) };
    backup_onto(&centre, &device, &with_tree(options)).unwrap();
    let second: Vec<String> = device.list().unwrap().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(second.len() > 2);
    let mut told = std::collections::BTreeSet::new();
    for lost_from in (1..second.len()).rev() {
        drop(device.remove(&second[lost_from]).unwrap());
        let sets = intervault::volume::set::list_sets(&device).unwrap().sets;
        let chain = intervault::volume::chain::Chain::choose(&sets, intervault::volume::chain::Wanted::default());
        let chain = chain.unwrap();
        assert_eq!(chain.members().len(), 2, "the newest set is a member still");
        let target = tempfile::tempdir().unwrap();
        let restore = FilesRestore::new(&chain, target.path(), FilesOptions::default());
        assert_eq!(restore.plan().unwrap_err().class(), Class::Volume, "without volumes {}..", lost_from + 1);
        let partial = FilesOptions { partial: true, ..FilesOptions::default() };
        let restore = FilesRestore::new(&chain, target.path(), partial);
        let plan = restore.plan().unwrap();
        let lost = &plan.trees[0].lost.first;
        assert_eq!(lost.len(), 1, "{lost:?}");
        restore.apply(&plan).unwrap();
        let got = fs::read_to_string(below(target.path(), &folder).join("file")).ok();
        let older = lost[0].1.contains("newest state may be elsewhere");
        assert_eq!(got.as_deref() == Some("old"), older, "without volumes {}..: {lost:?}", lost_from + 1);
        told.insert(older);
    }
    assert!(told.contains(&true), "at last nothing is known of the newer tree");
}

/// Whoever names a folder and one in it gets both back, each path once.
#[test]
fn trees_that_lie_in_each_other_come_back() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::create_dir_all(at("tree/sub/deep")).unwrap();
    fs::write(at("tree/sub/a"), "a").unwrap();
    fs::write(at("tree/sub/b.log"), "b").unwrap();
    fs::hard_link(at("tree/sub/a"), at("tree/sub/z")).unwrap();
    fs::write(at("tree/x"), "x").unwrap();
    let (tree, sub) = (at("tree"), at("tree/sub"));
    let expected = tree_of(&yard.path().join("tree"));
    for (number, trees) in [[&tree, &sub], [&sub, &tree]].into_iter().enumerate() {
        let (volumes, out) = (at(&format!("volumes-{number}")), at(&format!("out-{number}")));
        run(&["backup", "--files", trees[0], "--files", trees[1], "--to", &volumes], 0);
        let done = json(&["restore", "--from", &volumes, "--files-to", &out], 0);
        assert_eq!((&done["done"]["files"], &done["done"]["hard_links"]), (&3.into(), &1.into()), "{done}");
        assert_eq!(tree_of(&below(Path::new(&out), &yard.path().join("tree"))), expected);
    }
}

/// Paths that two trees have, and not as the same thing, are not for the program to choose from.
#[test]
fn trees_that_go_to_one_place_and_are_not_the_same_are_refused_until_one_is_chosen() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name);
    let device = MemoryDevice::new();
    for name in ["one/data", "two", "outer"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::write(at("one/data/a"), "one").unwrap();
    fs::write(at("two/b"), "two").unwrap();
    std::os::unix::fs::symlink(at("two"), at("outer/link")).unwrap();
    // A link in the one tree is the root of the other, by which it was named.
    backup_trees(vec![tree(&at("outer")), tree(&at("outer/link"))], &device, backup_options(1));
    let set = only_set(&device);
    let out = at("out");
    let plan = |choose: &[&str], overwrite| {
        let choose = choose.iter().map(|pattern| (*pattern).to_owned()).collect();
        let options = FilesOptions { choose, overwrite, ..FilesOptions::default() };
        let restore = FilesRestore::new(&set, &out, options);
        let plan = restore.plan().unwrap();
        let refused = plan.refusals.first.clone();
        assert_eq!(restore.apply(&plan).is_ok(), refused.is_empty());
        refused
    };
    for overwrite in [false, true] {
        let refused = plan(&[], overwrite);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].0.ends_with("outer/link") && refused[0].1.contains("choose one"), "{refused:?}");
    }
    assert!(plan(&["b"], false).is_empty());
    assert_eq!(fs::read(below(&out, &at("outer/link/b"))).unwrap(), b"two");
}

/// A temporary name may be left of a restore that was killed, and a process may have the number of that one.
#[test]
fn what_a_killed_restore_left_is_not_in_the_way_of_the_next() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(source.path().join("a"), "a").unwrap();
    let device = MemoryDevice::new();
    backup_trees(vec![tree(source.path())], &device, backup_options(1));
    let there = below(target.path(), source.path());
    fs::create_dir_all(&there).unwrap();
    fs::write(there.join(format!(".intervault-{}-1.part", std::process::id())), "left").unwrap();
    let set = only_set(&device);
    let restore = FilesRestore::new(&set, target.path(), FilesOptions::default());
    let done = restore.apply(&restore.plan().unwrap());
    assert!(done.is_ok(), "{}", done.unwrap_err().error);
}
