//! File trees onto volumes against `tar | zstd -3 -T2` in the same run: many small files, and few large ones. By default 400
//! files and 16 MiB; with `INTERVAULT_BENCH_FILES=large` 20,000 files and 2 GB, the same bytes every time, made in a folder that
//! is gone afterwards (about 5 GB in `TMPDIR`). Ratios within one run are what counts: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has no interface, and stops at a surprise")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use intervault::backup::{Backup, FileTree, Options, ReadBack, Select};
use intervault::base::time::Instant;
use intervault::device::directory::DirectoryDevice;
use intervault::format::block::SetId;
use intervault::schema::catalogue::Catalogue;
use intervault::store::none::NoDatabase;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tree to measure on.
struct Data {
    name: &'static str,
    path: PathBuf,
    bytes: u64,
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// Content of one of four sorts: a log, rows of numbers, what is compressed already, settings.
fn content(sort: u64, bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 128);
    while out.len() < bytes {
        let number = random.next();
        match sort % 4 {
            0 => out.extend_from_slice(
                format!(
                    "2024-03-{:02} 08:{:02}:17 acd {} split {} call {number} queued\n",
                    number % 28 + 1,
                    number % 60,
                    number % 8,
                    number % 150
                )
                .as_bytes(),
            ),
            1 => [number % 30, number % 1_000, number % 7, 30]
                .iter()
                .for_each(|n| out.extend_from_slice(&(*n as u32).to_le_bytes())),
            2 => out.extend_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()),
            _ => out.extend_from_slice(format!("option_{} = {}\n", number % 90, number % 12).as_bytes()),
        }
    }
    out.truncate(bytes);
    out
}

fn data(folder: &Path) -> [Data; 2] {
    let large = std::env::var("INTERVAULT_BENCH_FILES").is_ok_and(|size| size == "large");
    if !large {
        eprintln!("INTERVAULT_BENCH_FILES=large is not set: only small trees are measured");
    }
    let (files, few, each) = if large { (20_000u64, 20u64, 100 << 20) } else { (400, 4, 4 << 20) };
    let mut random = Random(7);
    let (many, big) = (folder.join("many"), folder.join("big"));
    let mut bytes = [0, 0];
    for number in 0..files {
        let place = many.join(format!("{:03}", number / 50));
        fs::create_dir_all(&place).unwrap();
        // From some hundred bytes to 64 KiB, most of them short.
        let size = (200 << (random.next() % 9)) + random.next() % 200;
        fs::write(place.join(format!("{number:05}")), content(number, size as usize, &mut random)).unwrap();
        bytes[0] += size;
    }
    fs::create_dir_all(&big).unwrap();
    for number in 0..few {
        fs::write(big.join(format!("{number:02}")), content(number, each, &mut random)).unwrap();
        bytes[1] += each as u64;
    }
    [Data { name: "many", path: many, bytes: bytes[0] }, Data { name: "big", path: big, bytes: bytes[1] }]
}

/// The measure: what an administrator would type; `sync` makes the output permanent, as a backup does.
fn tar(data: &Data, folder: &Path, sync: bool) -> u64 {
    let out = folder.join("out.tar.zst");
    let synced = if sync { " && sync \"$1\"" } else { "" };
    let script = format!("set -o pipefail; tar -C \"$0\" -cf - . | zstd -3 -T2 -q -f -o \"$1\"{synced}");
    let done = Command::new("bash").arg("-c").arg(script).arg(&data.path).arg(&out).status().unwrap();
    assert!(done.success());
    let size = fs::metadata(&out).unwrap().len();
    fs::remove_file(out).unwrap();
    size
}

fn backup(data: &Data, folder: &Path, read_back: ReadBack) -> u64 {
    let volumes = folder.join("volumes");
    let device = DirectoryDevice::for_writing(&volumes).unwrap();
    let options = Options {
        select: Select::Data(Vec::new()),
        trees: vec![FileTree::new(data.path.to_str().unwrap()).unwrap()],
        read_back,
        jobs: 2,
        ..Options::new(Instant(0), 0, SetId([7; 16]))
    };
    let report = Backup::new(&NoDatabase::new(), &Catalogue::default(), &device, options).run().unwrap();
    assert_eq!(report.trees[0].tally.troubles.count, 0);
    assert_eq!(report.trees[0].tally.bytes, data.bytes);
    fs::remove_dir_all(&volumes).unwrap();
    report.set.bytes
}

fn trees(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    for data in data(folder.path()) {
        let (tar_bytes, own_bytes) = (tar(&data, folder.path(), false), backup(&data, folder.path(), ReadBack::Skip));
        eprintln!("{}: {} bytes; tar | zstd -3: {tar_bytes}, volumes: {own_bytes}", data.name, data.bytes);
        let mut group = criterion.benchmark_group("files");
        group.sample_size(10).throughput(Throughput::Bytes(data.bytes));
        for (name, sync) in [("tar | zstd -3 -T2", false), ("tar | zstd -3 -T2, synced", true)] {
            let id = BenchmarkId::new(name, data.name);
            group.bench_function(id, |bencher| bencher.iter(|| tar(&data, folder.path(), sync)));
        }
        for (name, read_back) in [("backup, not read back", ReadBack::Skip), ("backup, read back", ReadBack::Verify)] {
            let id = BenchmarkId::new(name, data.name);
            group.bench_function(id, |bencher| bencher.iter(|| backup(&data, folder.path(), read_back)));
        }
        group.finish();
    }
}

criterion_group!(benches, trees);
criterion_main!(benches);
