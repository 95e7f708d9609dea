//! Devices and file trees where they do not hold what is said of them.

use super::commands::{json, run};
use super::devices::large;
use super::files::{backup_trees, noise, tree};
use super::files_hostile::{file, other, row, set_of};
use super::support::*;
use intervault::backup::{self, Backup};
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::tape::TapeDevice;
use intervault::device::traits::Device;
use intervault::files::entry::{Kind, State};
use intervault::files::owners::Owners;
use intervault::files::pattern::Filter;
use intervault::files::read::{Part, Parts, Reader};
use intervault::files::rows::Row;
use intervault::files::walk::{Source, Walk};
use intervault::restore::{FilesOptions, FilesRestore};
use intervault::schema::catalogue::Catalogue;
use intervault::volume::stream::{ON_TAPE, receive};
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

