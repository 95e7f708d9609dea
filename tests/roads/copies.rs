//! Copies of volumes, volumes that are not what their names say, and what an interrupted backup leaves: restored from,
//! verified, and told by the command line.

use super::support::{
    Centre, HSPLIT, SYNONYMS, backup_options, backup_with, only_set, plan, restore_options, restore_set,
};
use intervault::backup::{self, Backup};
use intervault::base::monitor::Silent;
use intervault::device::joined::JoinedDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::format::block::BlockKind;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::verify::finding::Level;
use intervault::verify::set::verify_set;
use intervault::volume::scanner::{ScanItem, Scanner};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A centre whose backup takes several volumes, and the device.
fn spanning() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 16127) INSERT INTO hsplit \
         SELECT '2024-02-' || printf('%02d', 1 + i / 576), i / 24 % 24 * 100 + i / 12 % 2 * 30, 30, 1, i % 12, \
         (i * 7919) % 99991, hex((i * 104729) % 65521) FROM n; \
         INSERT INTO synonyms SELECT 1, 'split', 'split ' || split, split, '' FROM hsplit LIMIT 12",
    );
    let device = MemoryDevice::new();
    let report = backup_with(&centre, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
    assert!(report.set.volumes.len() >= 3, "{} volumes", report.set.volumes.len());
    (centre, device)
}

fn copied(device: &MemoryDevice, place: &str) -> MemoryDevice {
    let copy = MemoryDevice::named(place);
    device.list().unwrap().iter().for_each(|name| copy.insert(name, device.bytes(name).unwrap()));
    copy
}

fn joined(one: &MemoryDevice, two: &MemoryDevice) -> JoinedDevice {
    JoinedDevice::new(vec![Box::new(one.clone()), Box::new(two.clone())])
}

/// Offsets of the blocks of a kind, of all volumes.
fn blocks(device: &dyn Device, kind: BlockKind) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for name in device.list().unwrap() {
        let source = device.open(&name).unwrap();
        for item in Scanner::new(source.as_ref(), &name, None) {
            if let ScanItem::Block(block) = item
                && block.header.kind == kind
            {
                found.push((name.clone(), block.offset as usize));
            }
        }
    }
    found
}

fn flip(device: &MemoryDevice, (name, offset): &(String, usize)) {
    let mut bytes = device.bytes(name).unwrap();
    bytes[offset + 90] ^= 1;
    device.insert(name, bytes);
}

#[test]
fn what_is_bad_in_one_copy_is_restored_from_the_other_and_told() {
    let (centre, device) = spanning();
    let truth = centre.rows("hsplit");
    let chunks = blocks(&device, BlockKind::Chunk);
    let (one, two) = (copied(&device, "one"), copied(&device, "two"));
    // Every chunk is bad in one of the two.
    for (number, chunk) in chunks.iter().enumerate() {
        flip(if number % 2 == 0 { &one } else { &two }, chunk);
    }
    for alone in [&one, &two] {
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1");
        let error = restore_set(&only_set(alone), &centre, &restore_options(None, None)).unwrap_err();
        assert_eq!(error.class(), Class::Damage, "{error}");
        centre.run("UPDATE hsplit SET acdcalls = acdcalls - 1");
    }
    for both in [joined(&one, &two), joined(&two, &one)] {
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1");
        let (plan, _) = restore_set(&only_set(&both), &centre, &restore_options(None, None)).unwrap();
        assert_eq!(centre.rows("hsplit"), truth);
        let told = |word: &str| plan.notices.iter().filter(|notice| notice.contains(word)).count();
        assert!(told("other copy was read") >= 1, "{:?}", plan.notices);
        assert_eq!(told("one/") + told("two/"), plan.notices.len(), "{:?}", plan.notices);
    }
}

#[test]
fn a_verification_judges_every_copy_and_names_it() {
    let (_, device) = spanning();
    let chunk = blocks(&device, BlockKind::Chunk).remove(0);
    let whole = verify_set(&only_set(&device), 2, &Silent);
    assert!(whole.findings.is_empty(), "{:?}", whole.findings);
    for bad in ["one", "two"] {
        let (one, two) = (copied(&device, "one"), copied(&device, "two"));
        flip(if bad == "one" { &one } else { &two }, &chunk);
        let both = joined(&one, &two);
        let verified = verify_set(&only_set(&both), 2, &Silent);
        assert_eq!((verified.blocks(), verified.bytes()), (2 * whole.blocks() - 1, 2 * whole.bytes()));
        assert_eq!((verified.rows, verified.chunks), (whole.rows, whole.chunks), "no row is lost");
        let [finding] = &verified.findings[..] else { panic!("{:?}", verified.findings) };
        assert_eq!(finding.volume.as_deref(), Some(&*format!("{bad}/{}", chunk.0)));
        assert_eq!(finding.level, Level::Damage);
    }
}

#[test]
fn a_volume_with_a_damaged_label_is_judged_to_its_end() {
    let (_, device) = spanning();
    let whole = verify_set(&only_set(&device), 2, &Silent);
    for (name, offset) in blocks(&device, BlockKind::Label) {
        let torn = device.copy();
        flip(&torn, &(name.clone(), offset));
        // Another fault behind the label is found as well.
        let index = blocks(&device, BlockKind::VolumeIndex).into_iter().find(|(volume, _)| *volume == name).unwrap();
        flip(&torn, &index);
        let verified = verify_set(&only_set(&torn), 2, &Silent);
        assert_eq!((verified.blocks(), verified.bytes()), (whole.blocks() - 2, whole.bytes()), "{name}");
        assert!(verified.not_judged.is_empty());
        let of_it = verified.findings.iter().filter(|finding| finding.volume.as_ref() == Some(&name));
        assert!(of_it.count() >= 2, "{:?}", verified.findings);
        assert_eq!(verified.rows, whole.rows);
    }
}

#[test]
fn a_file_of_another_length_is_a_notice_where_nothing_of_it_is_lost() {
    let (centre, device) = spanning();
    let name = device.list().unwrap().remove(0);
    let mut bytes = device.bytes(&name).unwrap();
    bytes.extend([7; 100]);
    device.insert(&name, bytes.clone());
    let planned = plan(&only_set(&device), &centre, &restore_options(None, None));
    assert!(planned.refusals.is_empty(), "{:?}", planned.refusals);
    assert!(planned.notices.iter().any(|notice| notice.contains(&name) && notice.contains("catalog")));
    bytes.truncate(1_000);
    device.insert(&name, bytes);
    let planned = plan(&only_set(&device), &centre, &restore_options(None, None));
    assert!(planned.refusals.iter().any(|refusal| refusal.class == Class::Damage), "{:?}", planned.refusals);
}

#[test]
fn a_backup_looks_at_labels_only_where_unfinished_sets_lie_beside_it() {
    let (centre, device) = spanning();
    let unfinished = FaultDevice::new(MemoryDevice::new(), 1);
    for name in device.list().unwrap().iter().take(2) {
        unfinished.inner().insert(name, device.bytes(name).unwrap());
    }
    let run = |device: &FaultDevice<MemoryDevice>, number: u8| {
        // One thread: two may open the same volume at the same time, and then it counts twice.
        let options = backup::Options { volume_size: Some(24 << 10), jobs: 1, ..backup_options(number) };
        let catalogue = intervault::schema::catalogue::Catalogue::builtin();
        Backup::new(&centre.store(), &catalogue, device, options).run().unwrap()
    };
    let alone = FaultDevice::new(MemoryDevice::new(), 1);
    run(&alone, 2);
    let report = run(&unfinished, 2);
    assert!(report.verified && report.set.label.contains("-02-"), "{}", report.set.label);
    // Beside what a backup onto an empty device costs: one label.
    let more = |op| unfinished.count(op) - alone.count(op);
    assert_eq!((more(Op::Open), more(Op::Read)), (1, 2));
}

fn intervault(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_intervault")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs, demands the exit status and the words; returns standard output.
fn expect(arguments: &[&str], status: i32, words: &[&str]) -> String {
    let output = intervault(arguments);
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}{out}");
    for word in words {
        assert!(out.contains(word) || errors.contains(word), "{arguments:?}: {word:?} is not in: {errors}{out}");
    }
    out.into_owned()
}

/// A folder with the volumes of a device; their paths.
fn folder(centre: &Centre, name: &str, device: &MemoryDevice) -> (PathBuf, Vec<PathBuf>) {
    let folder = centre.folder.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let names = device.list().unwrap();
    let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    names.iter().zip(&paths).for_each(|(name, path)| std::fs::write(path, device.bytes(name).unwrap()).unwrap());
    (folder, paths)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_command_line_reads_another_copy() {
    let (centre, device) = spanning();
    let damaged = copied(&device, "damaged");
    blocks(&device, BlockKind::Chunk).iter().step_by(2).for_each(|chunk| flip(&damaged, chunk));
    let (good, good_paths) = folder(&centre, "good", &device);
    let (bad, bad_paths) = folder(&centre, "bad", &damaged);
    let url = format!("sqlite:{}", centre.path().display());
    let before = centre.rows("hsplit");
    let restore = ["restore", "--database", &url, "--yes", "--from"];
    expect(&[&restore[..], &[text(&bad)]].concat(), 4, &["checksum"]);
    for order in [[&bad, &good], [&good, &bad]] {
        centre.run("UPDATE hsplit SET acdcalls = 5");
        let told = if order[0] == &bad { 3 } else { 0 };
        expect(&[&restore[..], &[text(order[0]), "--from", text(order[1])]].concat(), told, &[]);
        assert_eq!(centre.rows("hsplit"), before);
    }
    // Single files: only those that are named are read.
    let mut files = vec!["restore", "--database", &url, "--yes"];
    files.extend(bad_paths.iter().skip(1).chain(&good_paths[..1]).flat_map(|path| ["--from", text(path)]));
    expect(&files, 4, &["checksum"]);
    let all: Vec<&str> = good_paths.iter().flat_map(|path| ["--from", text(path)]).collect();
    expect(&[&["restore", "--database", &url, "--yes"][..], &all].concat(), 0, &[]);
    // A check of both names the bad copies, and counts each.
    let name = bad_paths[0].to_str().unwrap();
    expect(&["check", text(&good), text(&bad), "--verify"], 4, &[name, "all of them", "is here 2 times"]);
    expect(&["check", text(&good), "--verify"], 0, &["nothing is wrong"]);
}

#[test]
fn the_command_line_tells_files_of_another_length() {
    let (centre, device) = spanning();
    let (volumes, paths) = folder(&centre, "volumes", &device);
    let whole = std::fs::read(&paths[0]).unwrap();
    expect(&["check", text(&volumes), "--list"], 0, &["complete"]);
    for bytes in [Vec::new(), whole[..1_000].to_vec(), [whole.clone(), vec![1; 64]].concat()] {
        std::fs::write(&paths[0], &bytes).unwrap();
        let name = paths[0].file_name().unwrap().to_str().unwrap();
        let length = format!("{} bytes", bytes.len());
        expect(&["check", text(&volumes), "--list"], 4, &[name, &length, "catalog"]);
        let json = expect(&["check", text(&volumes), "--json"], 4, &[]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["sets"][0]["damage"][0].as_str().unwrap().contains(&length), "{json}");
    }
}

#[test]
fn the_command_line_tells_another_set_s_volume_under_our_name() {
    let (centre, device) = spanning();
    let (volumes, paths) = folder(&centre, "volumes", &device);
    let other = MemoryDevice::new();
    let report = backup_with(&centre, &other, &backup::Options { volume_size: Some(24 << 10), ..backup_options(9) });
    let ours = only_set(&device).label().set().to_string();
    let theirs = report.set.set.to_string();
    std::fs::write(&paths[1], other.bytes(&report.set.volumes[1].name).unwrap()).unwrap();
    let name = paths[1].file_name().unwrap().to_str().unwrap();
    let url = format!("sqlite:{}", centre.path().display());
    let before = centre.rows("hsplit");
    let restore = ["restore", "--database", &url, "--from", text(&volumes), "--yes"];
    expect(&restore, 5, &[name, &ours, &theirs]);
    assert_eq!(centre.rows("hsplit"), before);
    expect(&["check", text(&volumes), "--verify"], 5, &[name, &ours, &theirs]);
}

/// A stranger is told of whatever its length, and also where the right volume lies elsewhere.
#[test]
fn another_set_s_volume_is_told_of_beside_a_good_copy() {
    let (centre, device) = spanning();
    let (bad, paths) = folder(&centre, "bad", &device);
    let (good, _) = folder(&centre, "good", &device);
    let other = MemoryDevice::new();
    let report = backup_with(&centre, &other, &backup_options(9));
    std::fs::write(&paths[0], other.bytes(&report.set.volumes[0].name).unwrap()).unwrap();
    let name = paths[0].file_name().unwrap().to_str().unwrap();
    let theirs = report.set.set.to_string();
    expect(&["check", text(&bad), text(&good), "--verify"], 5, &[name, &theirs]);
    let url = format!("sqlite:{}", centre.path().display());
    let before = centre.rows("hsplit");
    let restore = ["restore", "--database", &url, "--from", text(&bad), "--from", text(&good), "--yes"];
    expect(&restore, 3, &[name, &theirs]);
    assert_eq!(centre.rows("hsplit"), before);
}

#[test]
fn the_command_line_tells_an_interrupted_backup() {
    let (centre, device) = spanning();
    let (volumes, paths) = folder(&centre, "volumes", &device);
    let third = paths[2].file_name().unwrap().to_str().unwrap().to_owned();
    paths[2..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let partial = volumes.join(format!(".{third}.partial"));
    std::fs::write(&partial, "").unwrap();
    let out = expect(&["check", text(&volumes)], 5, &["interrupted", "never finished", &third]);
    assert!(!out.contains("not here"), "{out}");
    let out = expect(&["check", text(&volumes), "--verify"], 5, &["never finished"]);
    assert!(!out.contains("bring"), "{out}");
    let url = format!("sqlite:{}", centre.path().display());
    let output = intervault(&["restore", "--database", &url, "--from", text(&volumes), "--yes"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("never finished") && !told.contains("bring"), "{told}");
    paths[..2].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    expect(&["check", text(&volumes)], 5, &["interrupted"]);
    expect(&["restore", "--database", &url, "--from", text(&volumes), "--yes"], 5, &["interrupted"]);
}
