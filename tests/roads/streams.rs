//! The same volumes wherever they are written, and what is left of them where they came one behind the other.

use super::commands::run;
use super::devices::large;
use super::files::{backup_trees, noise, tree};
use super::support::backup_options;
use intervault::backup::{self, Backup};
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::tape::TapeDevice;
use intervault::device::traits::Device;
use intervault::schema::catalogue::Catalogue;
use intervault::volume::stream::{ON_TAPE, receive};
use std::fs;
use std::process::{Command, Stdio};

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
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("a"), noise(8 << 20)).unwrap();
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

/// Copied with `dd if=DRIVE bs=256k >> FILE`: the records of each volume as they are, the last one filled up with zeros.
#[test]
fn volumes_copied_from_several_tapes_into_one_file_are_read_from_it() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let tapes: Vec<String> = (0..9).map(|number| format!("tape:{}", place(&format!("{number}.tap")))).collect();
    let to: Vec<&str> = tapes.iter().flat_map(|tape| ["--to", tape.as_str()]).collect();
    let arguments = ["backup", "--database", &url, "--device-capacity", "300KiB", "--volume-size", "128KiB"];
    run(&[&arguments[..], &to].concat(), 0);
    let mut copied = Vec::new();
    for number in 0..9 {
        let Ok(image) = fs::read(place(&format!("{number}.tap"))) else { break };
        let mut rest = image.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = u32::from_le_bytes(*length) as usize;
            copied.extend_from_slice(&behind[..length]);
            rest = &behind[if length == 0 { 0 } else { length + 4 }..];
        }
    }
    assert!(copied.len() > 2 << 18 && !std::path::Path::new(&place("8.tap")).exists());
    fs::write(place("set.ivv"), copied).unwrap();
    run(&["check", &place("set.ivv"), "--verify"], 0);
    run(&["check", &tapes[0], "--verify"], 5);
}
