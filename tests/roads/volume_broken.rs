//! Devices and file trees where they do not hold what is said of them.

use super::commands::{json, run};
use super::devices::large;
use super::files::{backup_trees, noise, tree};
use super::files_hostile::{file, other, row, set_of};
use super::support::*;
use intervault::backup;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::files::entry::{Kind, State};
use intervault::files::owners::Owners;
use intervault::files::pattern::Filter;
use intervault::files::read::{Part, Parts, Reader};
use intervault::files::rows::Row;
use intervault::files::walk::{Source, Walk};
use intervault::restore::{FilesOptions, FilesRestore};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn below(target: &Path, source: &Path) -> PathBuf {
    target.join(source.strip_prefix("/").unwrap())
}

/// Forty files of 300,000 bytes, and a further name of the first one.
fn forty() -> tempfile::TempDir {
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

/// A set whose further name points at a file that is no row of it: format-spec 6.3 demands one that stands before it.
#[test]
fn a_further_name_of_a_file_that_is_not_in_the_tree_is_refused() {
    let device = set_of("./t", &[row(Kind::Folder, ""), other("b", "a"), Row::totals(0, 0, State::Sound)]);
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("t")).unwrap();
    fs::write(target.path().join("t/a"), "a file of somebody else").unwrap();
    let restore = FilesRestore::new(&set, target.path(), FilesOptions::default());
    let refused = restore.plan().map_or(true, |plan| restore.apply(&plan).is_err());
    let linked = fs::read_to_string(target.path().join("t/b")).ok();
    assert!(refused && linked.is_none(), "refused: {refused}, b is now {linked:?}");
}

#[test]
fn a_further_name_of_a_folder_is_refused_before_anything_is_written() {
    let rows =
        [row(Kind::Folder, ""), file("a"), row(Kind::Folder, "b"), other("c", "b"), Row::totals(1, 4, State::Sound)];
    let device = set_of("./t", &rows);
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    let restore = FilesRestore::new(&set, target.path(), FilesOptions::default());
    let planned = restore.plan();
    assert!(planned.is_err(), "{planned:?}");
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

/// A file with two names, of which the one met first goes away before it is read: the other one has the content still.
#[test]
fn a_file_that_loses_one_of_its_names_meanwhile_is_kept_under_the_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log"), "the only copy").unwrap();
    fs::hard_link(folder.path().join("log"), folder.path().join("log.1")).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let mut parts = Parts::new(&source, Walk::new(source.clone(), Filter::all().unwrap(), HashSet::new()), 1 << 20);
    let cut: Vec<Part> = std::iter::from_fn(|| parts.step()).collect();
    fs::remove_file(folder.path().join("log")).unwrap();
    let owners = Owners::default();
    let mut reader = Reader::new(&source, &owners, 1 << 20);
    let mut contents = Vec::new();
    for part in cut {
        let batch = reader.read(part).0.into_batch();
        for at in 0..batch.rows {
            let row = Row::of(&batch, at).unwrap();
            contents.push((String::from_utf8_lossy(row.path).into_owned(), row.kind, row.data.to_vec()));
        }
    }
    assert!(contents.iter().any(|(_, _, data)| data == b"the only copy"), "{contents:?}");
}

/// Whoever names a folder and one in it gets both back.
#[test]
fn trees_that_lie_in_each_other_come_back() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::create_dir_all(at("tree/sub")).unwrap();
    fs::write(at("tree/sub/a"), "a").unwrap();
    run(&["backup", "--files", &at("tree"), "--files", &at("tree/sub"), "--to", &at("volumes")], 0);
    run(&["restore", "--from", &at("volumes"), "--files-to", &at("out")], 0);
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
    for lost in (1..second.len()).rev() {
        drop(device.remove(&second[lost]).unwrap());
        let sets = intervault::volume::set::list_sets(&device).unwrap().sets;
        let chain = intervault::volume::chain::Chain::choose(&sets, intervault::volume::chain::Wanted::default());
        let chain = chain.unwrap();
        assert_eq!(chain.members().len(), 2, "the newest set is a member still");
        let target = tempfile::tempdir().unwrap();
        let restore = FilesRestore::new(chain, target.path(), FilesOptions::default());
        if let Ok(plan) = restore.plan() {
            restore.apply(&plan).unwrap();
            let got = fs::read_to_string(below(target.path(), &folder).join("file")).unwrap();
            panic!("{got:?} is restored without a word when volumes {}.. of the newest set are lost", lost + 1);
        }
    }
}

#[test]
fn a_tree_that_is_a_single_file_is_chosen_by_its_name() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::write(at("adm.cfg"), "a").unwrap();
    run(&["backup", "--files", &at("adm.cfg"), "--to", &at("volumes")], 0);
    run(&["restore", "--from", &at("volumes"), "--files-to", &at("out"), "--files", "*.cfg"], 0);
}

/// The number of a file that is gone is given to the next new one on most file systems.
#[test]
fn a_new_file_is_no_further_name_of_one_that_is_gone() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("z")).unwrap();
    fs::write(at("a"), "one").unwrap();
    fs::hard_link(at("a"), at("a2")).unwrap();
    let number = fs::metadata(at("a")).unwrap().ino();
    let source = Source::open(folder.path()).unwrap();
    let mut walk = Walk::new(source, Filter::all().unwrap(), HashSet::new());
    for _ in 0..3 {
        walk.step().unwrap();
    }
    fs::remove_file(at("a")).unwrap();
    fs::remove_file(at("a2")).unwrap();
    let again = (0..2_000).map(|count| format!("z/{count:04}")).find(|name| {
        fs::write(at(name), "quite another content").unwrap();
        fs::metadata(at(name)).unwrap().ino() == number
    });
    let Some(again) = again else { panic!("this file system gives no number again: the test says nothing here") };
    fs::hard_link(at(&again), at("z/zz")).unwrap();
    let met: Vec<String> = std::iter::from_fn(|| walk.step()).map(|met| format!("{met:?}")).collect();
    let wrong: Vec<&String> =
        met.iter().filter(|met| met.contains("OtherName") && met.contains("link: Some([97])")).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:?}", wrong.len(), met.len());
}

/// A tree that was named and of which nothing is on the volumes is not done.
#[test]
fn a_named_tree_of_which_nothing_is_kept_is_told_by_the_status() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    fs::create_dir(at("tree")).unwrap();
    fs::write(at("tree/a"), "a").unwrap();
    let output = super::commands::intervault(&["backup", "--files", &at("tree"), "--to", &at("tree")]);
    assert_ne!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
