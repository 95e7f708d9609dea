//! Tape images that are large, or no tapes at all.

use super::commands::run;
use super::files::{backup_trees, noise, tree};
use super::support::backup_options;
use intervault::device::directory::DirectoryDevice;
use intervault::device::traits::Device;
use std::fs;
use std::process::{Command, Stdio};

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

/// Device records may have any multiple of 64 bytes.
#[test]
fn an_image_of_small_records_is_read_like_one_of_large_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (source, volumes) = (folder.path().join("tree"), folder.path().join("volumes"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("x"), noise(12 << 20)).unwrap();
    let device = DirectoryDevice::for_writing(&volumes).unwrap();
    backup_trees(vec![tree(&source)], &device, backup_options(1));
    let bytes = fs::read(volumes.join(device.list().unwrap().remove(0))).unwrap();
    let reads = |record: usize| {
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
        let (said, _) = run(&["check", &format!("tape:{}", path.display()), "--verify"], 0);
        said.lines().last().unwrap().to_owned()
    };
    // 200,000 records: searching all that was read before for each of them would take minutes.
    assert_eq!(reads(4_096), reads(64));
}
