//! Devices and file trees where they do not hold what is said of them.

use super::commands::{json, run};
use super::dialogue::Terminal;
use super::files::{backup_trees, noise, tree};
use super::files_restored::forty;
use super::support::*;
use intervault::backup::{self, Backup};
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::tape::TapeDevice;
use intervault::device::traits::Device;
use intervault::schema::catalogue::Catalogue;
use intervault::volume::stream::{ON_TAPE, receive};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Many rows, so that a backup takes several devices.
fn large() -> Centre {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
         INSERT INTO hsplit SELECT date('2024-01-01', (i / 400) || ' days'), (i % 40) / 2 * 100 + 30 * (i % 2), 30, \
         1 + i % 2, 1 + (i / 40) % 5, abs(random()) % 100000, abs(random()) % 100000 FROM n",
    );
    centre
}

const ASKED: &str = "or q to end here:";

/// Enter without a change of tape, or the first tape put in again: it holds a volume of this very set.
#[test]
fn no_backup_overwrites_its_own_volumes() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["32KiB", "--overwrite", "any"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    terminal.shows(ASKED);
    terminal.types("\n");
    let said = terminal.shows(ASKED);
    let listed = json(&["check", &tape], 5);
    terminal.types("q\n");
    terminal.ends();
    let volumes = &listed["sets"][0]["missing_volumes"];
    assert!(!volumes.as_array().unwrap().contains(&1.into()), "volume 1 is gone: {volumes}; said: {said}");
}

/// To the end: every volume on one tape over the one before, and a set that is called done.
#[test]
fn a_set_whose_volumes_overwrote_each_other_is_not_called_done() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["128KiB", "--overwrite", "any"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    terminal.shows(ASKED);
    // More than it wants: what is left is read by nobody.
    for _ in 0..40 {
        terminal.types("\n");
    }
    let (said, status) = terminal.ends();
    let listed = super::commands::intervault(&["check", &tape]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(!matches!(status.code(), Some(0 | 3)), "status {status}, {said}\n{listed}");
}

#[test]
fn a_wrong_tape_is_named_and_the_next_volume_asked_for_by_number_and_label_again() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name);
    let tape = format!("tape:{}", place("a.tap").display());
    let strange = format!("tape:{}", place("strange.tap").display());
    fs::copy(centre.path(), place("strange.db")).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", place("strange.db").display()), "--to", &strange], 0);
    let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "90KiB", "--volume-size"];
    let arguments = [&arguments[..], &["32KiB"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    let first = terminal.shows(ASKED);
    assert!(first.contains("volume 2, CMS-"), "{first}");
    fs::rename(place("a.tap"), place("first.tap")).unwrap();
    fs::copy(place("strange.tap"), place("a.tap")).unwrap();
    terminal.types("\n");
    let second = terminal.shows(ASKED);
    terminal.types(&format!("{}\n", place("folder").display()));
    let (said, status) = {
        let third = terminal.shows_or_ends(ASKED);
        third
    };
    assert!(second.contains("of another system") && second.contains("volume 2, CMS-"), "asked: {second}");
    assert!(place("folder").exists(), "another device was named: {said}, {status:?}");
}

#[test]
fn a_further_device_that_will_not_do_is_named_and_the_next_asked_for() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let strange = format!("tape:{}", place("strange.tap"));
    fs::copy(centre.path(), place("strange.db")).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", place("strange.db")), "--to", &strange], 0);
    let first = place("first");
    let arguments = ["backup", "--database", &url, "--to", &first, "--to", &strange, "--device-capacity", "90KiB"];
    let arguments = [&arguments[..], &["--volume-size", "32KiB"]].concat();
    let mut terminal = Terminal::start(env!("CARGO_BIN_EXE_intervault"), &arguments);
    let (said, status) = terminal.shows_or_ends(ASKED);
    assert!(status.is_none(), "{said}, {status:?}");
}

/// The question must be where the person is.
#[test]
fn the_next_medium_is_asked_for_where_it_is_seen() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let command = format!(
        "exec {} backup --database {url} --to {} --device-capacity 90KiB --volume-size 32KiB > {}",
        env!("CARGO_BIN_EXE_intervault"),
        place("first"),
        place("answer")
    );
    let mut terminal = Terminal::start("sh", &["-c", &command]);
    std::thread::sleep(std::time::Duration::from_secs(10));
    let answer = fs::read_to_string(place("answer")).unwrap();
    terminal.types("q\n");
    let (said, _) = terminal.ends();
    assert!(!answer.contains(ASKED) && said.contains(ASKED), "in the file: {answer}; on the terminal: {said}");
}

/// An image of nothing but file marks, as a file that was made large beforehand is.
#[test]
fn an_image_of_zeros_is_listed_soon_and_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tap");
    for bytes in [16u64 << 20, 256 << 20] {
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        let command = format!(
            "ulimit -v 1000000; exec timeout 20 {} check tape:{}",
            env!("CARGO_BIN_EXE_intervault"),
            path.display()
        );
        let output = Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 4 | 10)), "{bytes} bytes: {:?} {said}", output.status);
    }
}

#[test]
fn folder_and_tape_get_the_same_bytes_from_a_backup() {
    let centre = large();
    let options = backup::Options { volume_size: Some(64 << 10), ..backup_options(1) };
    let memory = MemoryDevice::new();
    let write = |device: &dyn Device| {
        Backup::new(&centre.store(), &Catalogue::builtin(), device, options.clone()).run().unwrap();
    };
    write(&memory);
    let tape = TapeDevice::for_writing(&centre.folder.path().join("a.tap"), ON_TAPE, None).unwrap();
    write(&tape);
    for name in memory.list().unwrap() {
        let right = memory.bytes(&name).unwrap();
        let source = tape.open(&name).unwrap();
        let mut bytes = vec![0; source.len() as usize];
        source.read_at(0, &mut bytes).unwrap();
        let differ = right.iter().zip(&bytes).filter(|(one, other)| one != other).count();
        assert!(bytes == right, "{name}: {differ} of {} bytes differ", right.len());
    }
}

/// What stands behind a volume that broke off is whole, and must be found whole.
#[test]
fn a_volume_behind_a_torn_one_comes_whole_out_of_a_pipe() {
    let source = forty();
    let (one, two) = (MemoryDevice::new(), MemoryDevice::new());
    backup_trees(vec![tree(source.path())], &one, backup_options(1));
    backup_trees(vec![tree(source.path())], &two, backup_options(2));
    let name = two.list().unwrap().remove(0);
    let first = one.bytes(&one.list().unwrap()[0]).unwrap();
    let whole = two.bytes(&name).unwrap();
    let cut = first.len() / 2 / 64 * 64;
    let stream = [&first[..cut], &whole[..]].concat();
    let received = MemoryDevice::new();
    receive(&mut stream.as_slice(), "a pipe", &received).unwrap();
    assert!(received.bytes(&name).as_ref() == Some(&whole), "{:?}", received.list().unwrap());
}

/// What a pipe brought, kept in one file as the help shows it, is read from that file.
#[test]
fn several_volumes_in_one_file_are_read_from_it() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let stream = centre.folder.path().join("monday.ivv");
    let done = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &url, "--to", "-", "--no-verify", "--volume-size", "64KiB"])
        .stdin(Stdio::null())
        .stdout(fs::File::create(&stream).unwrap())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(0));
    run(&["check", stream.to_str().unwrap(), "--verify"], 0);
}

/// Two sets of one run on one tape: the second goes behind the first, which was written a moment ago.
#[test]
fn file_sets_of_one_run_do_not_overwrite_each_other() {
    let yard = tempfile::tempdir().unwrap();
    let at = |name: &str| yard.path().join(name).display().to_string();
    for name in ["one", "two"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(format!("{}/file", at(name)), name).unwrap();
    }
    let sets = format!(
        "[[file_set]]\nname = \"One\"\npaths = [{:?}]\n[[file_set]]\nname = \"Two\"\npaths = [{:?}]\n",
        at("one"),
        at("two")
    );
    fs::write(at("sets.toml"), sets).unwrap();
    let tape = format!("tape:{}", at("a.tap"));
    run(&["backup", "--file-sets", &at("sets.toml"), "--to", &tape, "--overwrite", "any"], 0);
    let listed = json(&["check", &tape], 0);
    let labels: Vec<&str> =
        listed["sets"].as_array().unwrap().iter().map(|set| set["label"].as_str().unwrap()).collect();
    assert_eq!(labels.len(), 2, "both were called done; on the tape: {labels:?}");
}

/// The files of a server go behind the tables of its database.
#[test]
fn files_and_tables_of_one_server_lie_on_one_tape() {
    let centre = large();
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let tape = format!("tape:{}", place("a.tap"));
    fs::create_dir(place("tree")).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", centre.path().display()), "--to", &tape], 0);
    run(&["backup", "--files", &place("tree"), "--to", &tape], 0);
}

/// `--device-capacity`: "A device holds volumes of so many bytes in all, those that are there included".
#[test]
fn an_image_takes_no_more_than_its_capacity_however_often_it_is_opened() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let tape = format!("tape:{}", centre.folder.path().join("a.tap").display());
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let arguments = ["backup", "--database", &url, "--to", &tape, "--device-capacity", "600KiB"];
        statuses.push(super::commands::intervault(&arguments).status.code());
    }
    let bytes = fs::metadata(centre.folder.path().join("a.tap")).unwrap().len();
    assert!(statuses.contains(&Some(5)), "{statuses:?}; the image of 614400 bytes has {bytes}");
}

/// Names of the configuration are "usable wherever a device is named".
#[test]
fn a_configured_name_is_taken_where_the_next_medium_is_asked_for() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    fs::write(place("c.toml"), format!("[devices]\nmonthly = {:?}\n", place("meant"))).unwrap();
    let (here, config, first) = (centre.folder.path().display().to_string(), place("c.toml"), place("first"));
    let program = ["-C", &here, env!("CARGO_BIN_EXE_intervault"), "--config", &config, "backup", "--database", &url];
    let options = ["--to", &first, "--device-capacity", "200KiB", "--volume-size", "64KiB"];
    let mut terminal = Terminal::start("env", &[&program[..], &options].concat());
    terminal.shows(ASKED);
    terminal.types("monthly\n");
    let (said, _) = terminal.shows_or_ends(ASKED);
    let made = (Path::new(&place("meant")).exists(), Path::new(&place("monthly")).exists());
    assert_eq!(made, (true, false), "{said}");
}

/// Device records may have any multiple of 64 bytes.
#[test]
fn an_image_of_small_records_is_read_as_fast_as_one_of_large_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (source, volumes) = (folder.path().join("tree"), folder.path().join("volumes"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("x"), noise(12 << 20)).unwrap();
    let device = DirectoryDevice::for_writing(&volumes).unwrap();
    backup_trees(vec![tree(&source)], &device, backup_options(1));
    let bytes = fs::read(volumes.join(device.list().unwrap().remove(0))).unwrap();
    let time = |record: usize| {
        let mut image = Vec::new();
        for part in bytes.chunks(record) {
            let mut part = part.to_vec();
            part.resize(record, 0);
            let mark = u32::try_from(record).unwrap().to_le_bytes();
            image.extend([&mark[..], &part, &mark].concat());
        }
        image.extend([0; 4]);
        let path = folder.path().join("a.tap");
        fs::write(&path, image).unwrap();
        let began = std::time::Instant::now();
        run(&["check", &format!("tape:{}", path.display()), "--verify"], 0);
        began.elapsed()
    };
    let (large, small) = (time(4_096), time(64));
    assert!(small < large * 20 + std::time::Duration::from_secs(2), "4096 bytes: {large:?}, 64 bytes: {small:?}");
}

#[test]
fn a_shared_device_removes_as_the_device_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ivv"), "x").unwrap();
    let device = std::sync::Arc::new(DirectoryDevice::open(folder.path()).unwrap());
    fn remove(device: &dyn Device) -> Result<(), String> {
        device.remove("a.ivv").map_err(|error| error.to_string())
    }
    assert_eq!(remove(&device), Ok(()));
}
