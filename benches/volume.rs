//! Writing, reading, scanning and listing sets, beside memory copy and CRC-32 of the same bytes in the same run. Small by
//! default; `INTERVAULT_BENCH_LARGE=1` takes 256 MiB, 1,000 volumes and 250,000 buckets.

#![expect(clippy::unwrap_used, reason = "a bench stops at a surprise")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use intervault::base::checksum::{blake3, crc32};
use intervault::base::monitor::Silent;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::testing::mutate::Rng;
use intervault::testing::sets::{Sample, sample_chunk, sample_header, sample_label};
use intervault::verify::Depth;
use intervault::verify::set::{Asked, verify};
use intervault::volume::scanner::{ScanItem, Scanner};
use intervault::volume::set::list_sets;
use intervault::volume::set_writer::{ChunkContent, SetOptions, SetWriter};
use std::hint::black_box;

fn large() -> bool {
    std::env::var_os("INTERVAULT_BENCH_LARGE").is_some()
}

fn write(device: &dyn Device, chunks: &[ChunkContent], volume_size: Option<u64>) {
    let mut set = SetWriter::create(device, sample_label(1), &SetOptions { volume_size }).unwrap();
    set.begin_section(sample_header("hsplit")).unwrap();
    chunks.iter().for_each(|chunk| set.chunk(chunk.clone()).unwrap());
    set.end_section(vec![]).unwrap();
    set.finish(vec![], vec![]).unwrap();
}

fn streams(criterion: &mut Criterion) {
    let sample = Sample { seed: 1, sections: 2, chunks: 0, column_bytes: 1 << 19, pieces: 8 };
    let mut random = Rng::new(1);
    let chunks: Vec<_> =
        (0..if large() { 256 } else { 16 }).map(|number| sample_chunk(&mut random, number, &sample)).collect();
    let device = MemoryDevice::new();
    write(&device, &chunks, None);
    let name = device.list().unwrap().remove(0);
    let bytes = device.bytes(&name).unwrap();
    let mut group = criterion.benchmark_group("stream");
    group.sample_size(10).throughput(Throughput::Bytes(bytes.len() as u64));
    let mut copy = vec![0; bytes.len()];
    group.bench_function("limit: memory copy", |bench| bench.iter(|| black_box(&mut copy).copy_from_slice(&bytes)));
    group.bench_function("limit: crc32", |bench| bench.iter(|| crc32(black_box(&bytes))));
    group.bench_function("write", |bench| bench.iter(|| write(&MemoryDevice::new(), &chunks, None)));
    group.bench_function("read chunks", |bench| {
        let set = list_sets(&device).unwrap().into_set(&device, None).unwrap();
        let chunks = &set.sections()[0].chunks;
        bench.iter(|| chunks.iter().map(|chunk| set.read_chunk(chunk).unwrap().len()).sum::<usize>());
    });
    let source = device.open(&name).unwrap();
    group.bench_function("scan", |bench| {
        bench.iter(|| {
            let scanner = Scanner::new(source.as_ref(), &name, None);
            scanner.filter(|item| matches!(item, ScanItem::Block(_))).count()
        });
    });
    group.finish();
}

/// Reads of files in the page cache, by positions and through maps. Each pass opens the volumes anew, as a command does:
/// the first touch of a map's pages is a part of what it costs.
#[cfg(feature = "mmap")]
fn files(criterion: &mut Criterion) {
    use intervault::device::map::MapDevice;
    let sample = Sample { seed: 3, sections: 2, chunks: 0, column_bytes: 1 << 19, pieces: 8 };
    let mut random = Rng::new(3);
    let chunks: Vec<_> =
        (0..if large() { 256 } else { 16 }).map(|number| sample_chunk(&mut random, number, &sample)).collect();
    let place = tempfile::tempdir().unwrap();
    let positional = DirectoryDevice::open(place.path()).unwrap();
    write(&positional, &chunks, Some(16 << 20));
    let names = positional.list().unwrap();
    let bytes: u64 = names.iter().map(|name| positional.size(name).unwrap()).sum();
    let mapped = MapDevice::open(place.path()).unwrap();
    let devices: [(&str, &dyn Device); 2] = [("positions", &positional), ("map", &mapped)];
    let mut group = criterion.benchmark_group("files");
    group.sample_size(10).throughput(Throughput::Bytes(bytes));
    for (how, device) in devices {
        group.bench_function(format!("bytes alone, by {how}"), |bench| {
            let mut buffer = vec![0; 1 << 20];
            bench.iter(|| {
                for name in &names {
                    let source = device.open(name).unwrap();
                    for at in (0..source.len()).step_by(1 << 20) {
                        let wanted = (source.len() - at).min(1 << 20) as usize;
                        source.read_at(at, black_box(&mut buffer[..wanted])).unwrap();
                    }
                }
            });
        });
        group.bench_function(format!("read chunks, by {how}"), |bench| {
            bench.iter(|| {
                let set = list_sets(device).unwrap().into_set(device, None).unwrap();
                set.sections()[0].chunks.iter().map(|chunk| set.read_chunk(chunk).unwrap().len()).sum::<usize>()
            });
        });
        group.bench_function(format!("scan, by {how}"), |bench| {
            bench.iter(|| {
                let scanned = names.iter().map(|name| {
                    let source = device.open(name).unwrap();
                    Scanner::new(source.as_ref(), name, None).count()
                });
                scanned.sum::<usize>()
            });
        });
    }
    group.finish();
}

/// Without the feature there is nothing to compare.
#[cfg(not(feature = "mmap"))]
const fn files(_: &mut Criterion) {}

fn listing(criterion: &mut Criterion) {
    // Small chunks, so that volumes are many although the set is small; and many buckets, or as many as eight ACDs have of a
    // dozen tables in two years.
    let sizes: &[(u32, u32)] = if large() { &[(1_310, 400), (1_310, 80)] } else { &[(50, 50)] };
    let mut group = criterion.benchmark_group("list");
    group.sample_size(10);
    for (count, pieces) in sizes {
        let sample = Sample { seed: 2, sections: 2, chunks: 0, column_bytes: 100_000, pieces: *pieces };
        let mut random = Rng::new(2);
        let chunks: Vec<_> = (0..*count).map(|number| sample_chunk(&mut random, number, &sample)).collect();
        let place = tempfile::tempdir().unwrap();
        let device = DirectoryDevice::open(place.path()).unwrap();
        // The catalog gets a volume of its own size, as a real one would: the least that holds it all.
        write(&device, &chunks, Some(450_000));
        let set = list_sets(&device).unwrap().into_set(&device, None).unwrap();
        let buckets: usize = set.sections().iter().map(|section| section.buckets.len()).sum();
        let name = format!("{} volumes, {buckets} buckets", set.volumes().len());
        group.bench_function(name, |bench| bench.iter(|| list_sets(&device).unwrap().sets.len()));
    }
    group.finish();
}

/// Verification of all bytes, beside CRC-32 and BLAKE3 of the same bytes in the same run.
fn verification(criterion: &mut Criterion) {
    let sample = Sample { seed: 4, sections: 2, chunks: 0, column_bytes: 1 << 19, pieces: 8 };
    let mut random = Rng::new(4);
    let chunks: Vec<_> =
        (0..if large() { 256 } else { 16 }).map(|number| sample_chunk(&mut random, number, &sample)).collect();
    let device = MemoryDevice::new();
    write(&device, &chunks, Some(64 << 20));
    let volumes: Vec<Vec<u8>> = device.list().unwrap().iter().map(|name| device.bytes(name).unwrap()).collect();
    let set = list_sets(&device).unwrap().into_set(&device, None).unwrap();
    let bytes: usize = volumes.iter().map(Vec::len).sum();
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("limit: crc32", |bench| {
        bench.iter(|| volumes.iter().fold(0, |sum, volume| sum ^ crc32(black_box(volume))));
    });
    group.bench_function("limit: BLAKE3", |bench| {
        bench.iter(|| volumes.iter().map(|volume| blake3(black_box(volume))[0]).fold(0, u8::wrapping_add));
    });
    for (depth, jobs) in [(Depth::Blocks, 1), (Depth::Blocks, 2), (Depth::Index, 1)] {
        group.bench_function(format!("{}, {jobs} jobs", depth.name()), |bench| {
            bench.iter(|| verify(&set, &Asked { depth, choice: None }, jobs, &Silent).blocks());
        });
    }
    group.finish();
}

criterion_group!(benches, streams, files, listing, verification);
criterion_main!(benches);
