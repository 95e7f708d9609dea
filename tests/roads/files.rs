//! File trees, by the library: onto volumes and back, whole and in part, from damaged sets, beside tables and in chains.

use super::support::*;
use intervault::backup::{self, Backup, BackupReport, FileTree, Select};
use intervault::base::monitor::Silent;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore::{FilesOptions, FilesRestore, TableAction};
use intervault::schema::catalogue::Catalogue;
use intervault::store::none::NoDatabase;
use intervault::verify::set::verify_set;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// Bytes that do not compress.
pub fn noise(bytes: usize) -> Vec<u8> {
    let blocks = (0..bytes.div_ceil(32) as u64).map(|at| blake3::hash(&at.to_le_bytes()));
    let mut out: Vec<u8> = blocks.flat_map(|hash| *hash.as_bytes()).collect();
    out.truncate(bytes);
    out
}

/// What is known of a path: kind and permissions, size, time, content or link, and how many names it has.
type Known = (u32, u64, (i64, i64), Vec<u8>, u64);

/// All that lies in a folder, by path, the folder itself left out.
pub fn tree_of(folder: &Path) -> BTreeMap<Vec<u8>, Known> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = match meta.file_type() {
                kind if kind.is_symlink() => fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
                kind if kind.is_file() => blake3::hash(&fs::read(&path).unwrap()).as_bytes().to_vec(),
                kind if kind.is_dir() => {
                    folders.push(path.clone());
                    Vec::new()
                }
                _ => continue,
            };
            let (size, names) = if meta.is_file() { (meta.len(), meta.nlink()) } else { (0, 0) };
            let name = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
            found.insert(name, (meta.mode(), size, (meta.mtime(), meta.mtime_nsec()), content, names));
        }
    }
    found
}

/// A folder with one of everything.
pub fn odd_tree(folder: &Path) {
    let at = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    fs::create_dir_all(at(b"a/deep/er")).unwrap();
    fs::create_dir(at(b"empty")).unwrap();
    fs::write(at(b"a/deep/er/small"), "small").unwrap();
    fs::write(at(b"a/none"), "").unwrap();
    fs::write(at(b"a-b"), noise(70_000)).unwrap();
    fs::write(at(b"big"), noise(5 << 20)).unwrap();
    fs::write(at(b"words"), "call centre ".repeat(300_000)).unwrap();
    fs::write(at(b"odd \xff\n\x1b[31m name"), "odd").unwrap();
    fs::write(at(&[b'n'; 255]), "long").unwrap();
    symlink("../outside", at(b"a/link")).unwrap();
    symlink("/no/such", at(b"dangling")).unwrap();
    fs::hard_link(at(b"big"), at(b"zz-big-too")).unwrap();
    let mut sparse = fs::File::create(at(b"sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.seek(SeekFrom::Start(32 << 20)).unwrap();
    sparse.write_all(b"island").unwrap();
    drop(sparse);
    for (name, mode) in [(&b"a/deep"[..], 0o500), (b"a-b", 0o4751), (b"empty", 0o1777), (b"words", 0o400)] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let past = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    fs::File::open(at(b"a-b")).unwrap().set_modified(past).unwrap();
    fs::File::open(at(b"a/deep")).unwrap().set_modified(past).unwrap();
}

pub fn tree(folder: &Path) -> FileTree {
    FileTree::new(folder.to_str().unwrap()).unwrap()
}

/// Backs up trees and nothing else.
pub fn backup_trees(trees: Vec<FileTree>, device: &dyn Device, options: backup::Options) -> BackupReport {
    let options = backup::Options { trees, select: Select::Data(Vec::new()), ..options };
    Backup::new(&NoDatabase::new(), &Catalogue::default(), device, options).run().unwrap()
}

fn files_options() -> FilesOptions {
    FilesOptions { jobs: 2, ..FilesOptions::default() }
}

/// Where a tree lies below the folder that it was restored into.
pub fn below(target: &Path, source: &Path) -> std::path::PathBuf {
    target.join(source.strip_prefix("/").unwrap())
}

#[test]
fn a_tree_comes_back_as_it_was_on_volumes_of_every_size() {
    let source = tempfile::tempdir().unwrap();
    odd_tree(source.path());
    let root = rustix::process::geteuid().is_root();
    let mut expected = tree_of(source.path());
    for (number, (size, jobs)) in
        [(None, 1), (None, 3), (Some(4 << 20), 2), (Some(256 << 10), 2)].into_iter().enumerate()
    {
        let device = MemoryDevice::new();
        let options = backup::Options { volume_size: size, jobs, ..backup_options(number as u8 + 1) };
        let report = backup_trees(vec![tree(source.path())], &device, options);
        assert!(report.verified && report.gaps.left_out.is_empty());
        let tally = &report.trees[0].tally;
        assert_eq!((tally.files, tally.folders, tally.links, tally.other_names), (8, 5, 2, 1));
        assert_eq!((tally.troubles.count, report.set.volumes.len() > 1), (0, size.is_some()), "{:?}", tally.troubles);
        let set = only_set(&device);
        let stored: u64 = report.tables.iter().map(|table| table.stored_bytes).sum();
        assert!(stored < 7 << 20, "{stored} bytes: neither holes nor a second name are stored");
        let target = tempfile::tempdir().unwrap();
        let restore = FilesRestore::new(&set, target.path(), FilesOptions { owners: root, ..files_options() });
        let plan = restore.plan().unwrap();
        assert_eq!((plan.trees.len(), plan.refusals.count), (1, 0));
        assert_eq!((plan.trees[0].files, plan.trees[0].bytes), (8, tally.bytes));
        assert!(fs::read_dir(target.path()).unwrap().next().is_none(), "a plan writes nothing");
        let report = restore.apply(&plan).unwrap();
        assert_eq!((report.written.files, report.written.links, report.written.other_names), (8, 2, 1));
        assert_eq!(report.written.troubles.count, 0, "{:?}", report.written.troubles);
        let restored = below(target.path(), source.path());
        if !root {
            // Who may not set the owner does not hand out its powers.
            expected.get_mut(&b"a-b"[..]).unwrap().0 &= !0o6000;
        }
        assert_eq!(tree_of(&restored), expected, "volumes of {size:?}");
        assert!(fs::metadata(restored.join("sparse")).unwrap().blocks() * 512 < 4 << 20);
        fs::set_permissions(restored.join("a/deep"), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::set_permissions(source.path().join("a/deep"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn only_what_a_pattern_matches_comes_back() {
    let source = tempfile::tempdir().unwrap();
    odd_tree(source.path());
    let device = MemoryDevice::new();
    backup_trees(vec![tree(source.path())], &device, backup_options(1));
    let set = only_set(&device);
    let restored = |choose: &[&str]| {
        let target = tempfile::tempdir().unwrap();
        let choose = choose.iter().map(|pattern| (*pattern).to_owned()).collect();
        let restore = FilesRestore::new(&set, target.path(), FilesOptions { choose, ..files_options() });
        let plan = restore.plan().map_err(|error| error.class())?;
        let report = restore.apply(&plan).unwrap();
        let names: Vec<String> = tree_of(&below(target.path(), source.path()))
            .keys()
            .map(|name| String::from_utf8_lossy(name).into())
            .collect();
        assert_eq!(
            (plan.trees[0].files, plan.trees[0].other_names),
            (report.written.files, report.written.other_names)
        );
        let bytes = fs::read(below(target.path(), source.path()).join("zz-big-too")).unwrap_or_default();
        let _ours =
            fs::set_permissions(below(target.path(), source.path()).join("a/deep"), fs::Permissions::from_mode(0o700));
        Ok::<_, Class>((names.join(" "), bytes.len()))
    };
    assert_eq!(restored(&["small"]), Ok(("a a/deep a/deep/er a/deep/er/small".to_owned(), 0)));
    assert_eq!(restored(&["a/deep/*", "empty"]), Ok(("a a/deep a/deep/er a/deep/er/small empty".to_owned(), 0)));
    let whole = source.path().join("a-b").display().to_string();
    assert_eq!(restored(&[&whole]), Ok(("a-b".to_owned(), 0)));
    // A further name brings the content along, though the first name is not restored.
    assert_eq!(restored(&["zz-*"]), Ok(("zz-big-too".to_owned(), 5 << 20)));
    assert_eq!(restored(&["nothing-such"]), Err(Class::Nothing));
    assert_eq!(restored(&["a["]), Err(Class::Usage));
}

#[test]
fn damage_is_found_before_a_file_is_written_and_costs_only_the_files_it_meets() {
    let source = tempfile::tempdir().unwrap();
    for number in 0..40 {
        fs::write(source.path().join(format!("{number:02}")), noise(300_000 + number)).unwrap();
    }
    let whole = MemoryDevice::new();
    let report = backup_trees(vec![tree(source.path())], &whole, backup_options(1));
    let name = report.set.volumes[0].name.clone();
    let bytes = whole.bytes(&name).unwrap();
    let mut hurt = bytes.clone();
    let middle = hurt.len() / 2;
    hurt[middle] ^= 1;
    let device = MemoryDevice::new();
    device.insert(&name, hurt);
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    let restore = FilesRestore::new(&set, target.path(), files_options());
    assert_eq!(restore.plan().unwrap_err().class(), Class::Damage);
    assert!(fs::read_dir(target.path()).unwrap().next().is_none());
    let restore = FilesRestore::new(&set, target.path(), FilesOptions { partial: true, ..files_options() });
    let plan = restore.plan().unwrap();
    let lost = 40 - plan.trees[0].files;
    assert!((1..=9).contains(&lost) && plan.trees[0].lost.count > 0, "{lost} lost: {:?}", plan.trees[0].lost);
    restore.apply(&plan).unwrap();
    let (restored, expected) = (tree_of(&below(target.path(), source.path())), tree_of(source.path()));
    assert_eq!(restored.len() as u64, plan.trees[0].files);
    assert!(restored.iter().all(|(path, known)| expected[path].3 == known.3));
    // A torn end: the totals are not there.
    let device = MemoryDevice::new();
    device.insert(&name, bytes[..bytes.len() / 2].to_vec());
    let set = only_set(&device);
    assert!(FilesRestore::new(&set, target.path(), files_options()).plan().is_err());
    let torn = FilesOptions { partial: true, overwrite: true, ..files_options() };
    let plan = FilesRestore::new(&set, target.path(), torn).plan().unwrap();
    assert!((10..30).contains(&plan.trees[0].files), "{}", plan.trees[0].files);
}

#[test]
fn a_set_is_backed_up_again_with_its_labels_and_checksums() {
    let (source, first) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    odd_tree(source.path());
    let volumes = DirectoryDevice::for_writing(first.path()).unwrap();
    let options = backup::Options { volume_size: Some(1 << 20), ..backup_options(1) };
    let report = backup_trees(vec![tree(source.path())], &volumes, options);
    assert!(report.set.volumes.len() >= 5);
    let second = MemoryDevice::new();
    backup_trees(vec![tree(first.path())], &second, backup_options(2));
    let target = tempfile::tempdir().unwrap();
    let set = only_set(&second);
    let restore = FilesRestore::new(&set, target.path(), files_options());
    restore.apply(&restore.plan().unwrap()).unwrap();
    let again = below(target.path(), first.path());
    assert_eq!(tree_of(&again), tree_of(first.path()));
    let device = DirectoryDevice::open(&again).unwrap();
    let set = only_set(&device);
    assert_eq!((set.label().label.clone(), set.is_complete()), (report.set.label, true));
    let verified = verify_set(&set, 2, &Silent);
    assert!(verified.findings.is_empty() && verified.rows == report.set.rows, "{:?}", verified.findings);
    fs::set_permissions(source.path().join("a/deep"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_paths_of_a_catalogue_are_backed_up_beside_its_tables_and_left_alone_by_their_restore() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-01", 800, 1000, 30, 1);
    let (there, named) = (centre.folder.path().join("ext"), centre.folder.path().join("named"));
    for folder in [&there, &named] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
    }
    let catalogue = Catalogue::parse(&format!(
        "extends = \"cms\"\n[[path]]\nname = {:?}\ndata = \"system\"\n[[path]]\nname = \"/no/such/path\"\ndata = \"custom\"\n",
        there.display().to_string()
    ));
    let device = MemoryDevice::new();
    let options = backup::Options { trees: vec![tree(&named)], ..backup_options(1) };
    let store = centre.store();
    let catalogue = catalogue.unwrap();
    let report = Backup::new(&store, &catalogue, &device, options).run().unwrap();
    let trees: Vec<&str> = report.trees.iter().map(|tree| tree.tree.as_str()).collect();
    assert_eq!(trees, [named.to_str().unwrap(), there.to_str().unwrap()]);
    assert!(report.gaps.absent.iter().any(|name| name == "/no/such/path"), "{:?}", report.gaps.absent);
    let set = only_set(&device);
    let outline = intervault::check::outline(&set);
    let totals = outline.tables.iter().filter_map(|table| table.tree).map(|tree| tree.totals);
    assert_eq!(totals.collect::<Vec<_>>(), [Some((1, 1)), Some((1, 1))]);
    let (plan, _) = restore_set(&set, &centre, &restore_options(None, None)).unwrap();
    let left = |table: &Path| {
        let found = plan.tables.iter().find(|planned| Path::new(&planned.table) == table).unwrap();
        matches!(&found.action, TableAction::Leave(why) if why.contains("--files-to"))
    };
    assert!(left(&there) && left(&named));
    // One ACD only: the files of the catalogue belong to none, those that were named were asked for.
    let options = backup::Options { trees: vec![tree(&named)], acd: Some(1), ..backup_options(2) };
    let report = Backup::new(&store, &catalogue, &MemoryDevice::new(), options).run().unwrap();
    assert_eq!(report.trees.len(), 1);
    assert!(report.gaps.left_out.iter().any(|gap| gap.name == there.to_str().unwrap() && gap.warns));
}

#[test]
fn an_incremental_set_has_its_trees_whole_and_the_newest_counts() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-01", 800, 1000, 30, 1);
    let folder = centre.folder.path().join("tree");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "old").unwrap();
    let device = MemoryDevice::new();
    let with_tree = |options| backup::Options { trees: vec![tree(&folder)], ..options };
    backup_onto(&centre, &device, &with_tree(backup_options(1))).unwrap();
    fs::write(folder.join("file"), "new").unwrap();
    backup_onto(&centre, &device, &with_tree(incremental_options(2))).unwrap();
    let sets = intervault::volume::set::list_sets(&device).unwrap().sets;
    let wanted = |set| {
        let wanted = intervault::volume::chain::Wanted { set: None, stop_at: set };
        let chain = intervault::volume::chain::Chain::choose(&sets, wanted).unwrap();
        let target = tempfile::tempdir().unwrap();
        let restore = FilesRestore::new(chain, target.path(), files_options());
        restore.apply(&restore.plan().unwrap()).unwrap();
        fs::read_to_string(below(target.path(), &folder).join("file")).unwrap()
    };
    let full = set_id(1).to_string();
    assert_eq!((wanted(None), wanted(Some(full.as_str()))), ("new".to_owned(), "old".to_owned()));
}

#[test]
fn files_in_the_way_are_refused_before_any_is_written() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("a"), "new").unwrap();
    fs::write(source.path().join("b"), "new").unwrap();
    let device = MemoryDevice::new();
    backup_trees(vec![tree(source.path())], &device, backup_options(1));
    let set = only_set(&device);
    let target = tempfile::tempdir().unwrap();
    let there = below(target.path(), source.path());
    fs::create_dir_all(&there).unwrap();
    fs::write(there.join("b"), "old").unwrap();
    let restore = FilesRestore::new(&set, target.path(), files_options());
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals.count, 1);
    assert!(plan.refusals.first[0].0.ends_with("/b") && plan.refusals.first[0].1.contains("there already"));
    let stopped = restore.apply(&plan).unwrap_err();
    assert_eq!((stopped.error.class(), stopped.report.written.files), (Class::NotRestorable, 0));
    assert!(!there.join("a").exists());
    // One that comes in the way later: what is written stays, the file that is there too.
    let late = restore.plan().unwrap();
    fs::remove_file(there.join("b")).unwrap();
    let free = restore.plan().unwrap();
    fs::write(there.join("b"), "late").unwrap();
    assert_eq!((late.refusals.count, free.refusals.count), (1, 0));
    let stopped = restore.apply(&free).unwrap_err();
    assert_eq!((stopped.error.class(), stopped.report.written.files), (Class::NotRestorable, 1));
    assert_eq!(fs::read(there.join("b")).unwrap(), b"late");
    let bold = FilesRestore::new(&set, target.path(), FilesOptions { overwrite: true, ..files_options() });
    bold.apply(&bold.plan().unwrap()).unwrap();
    assert_eq!(fs::read(there.join("b")).unwrap(), b"new");
    assert_eq!(tree_of(&there).len(), 2);
}
