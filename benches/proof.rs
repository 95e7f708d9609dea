//! What proves a medium, beside its limits in the same run: a full verification against the compressed database, decompressed
//! from memory without a checksum (`zstd -t` reads a file and has one), and against decoding alone, rebuild and salvage against
//! the verification, block checksums against CRC-32. Volumes are files in a folder, in the page cache. Ratios within one run
//! are what counts: machines differ.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench has no interface, and stops at a surprise")]

mod common;

use common::{backed_up, data};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use intervault::backup::ReadBack;
use intervault::base::checksum::crc32;
use intervault::base::monitor::Silent;
use intervault::base::ordered::ordered;
use intervault::base::position::Position;
use intervault::check;
use intervault::column::batch::Batch;
use intervault::column::decode::{StoredColumn, decode_batch};
use intervault::column::digest::RowHasher;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::SetId;
use intervault::rebuild::rebuild;
use intervault::salvage::{Salvage, SalvageOptions, SetAccount};
use intervault::section::rows::SectionTable;
use intervault::verify::Depth;
use intervault::verify::set::Asked;
use intervault::volume::set::{SetReader, list_sets};
use std::hint::black_box;
use std::io::sink;

/// Threads where nothing else is said.
const JOBS: usize = 2;

/// Every chunk read and decoded, and its rows hashed if asked.
fn decoded(set: &SetReader<'_>, digests: bool) -> u64 {
    let mut seen = 0;
    for section in set.sections() {
        let table = SectionTable::new(section.number, &section.header).unwrap();
        ordered(
            JOBS,
            section.chunks.len(),
            1,
            |_, item, emit| {
                let payload = set.read_chunk(&section.chunks[item]).unwrap();
                let batch = if digests {
                    table.prove(&mut RowHasher::default(), &payload, Position::default()).unwrap().batch
                } else {
                    columns(&table, &payload)
                };
                emit(batch.rows as u64);
                black_box(batch);
                Ok::<(), ()>(())
            },
            |rows| {
                seen += rows;
                Ok(())
            },
        )
        .unwrap();
    }
    seen
}

/// All columns of a chunk.
fn columns(table: &SectionTable, payload: &[u8]) -> Batch {
    let view = table.view(payload, Position::default()).unwrap();
    let entries = view.directory.columns.iter().zip(&view.columns);
    let stored: Vec<StoredColumn<'_>> = entries
        .map(|(entry, bytes)| StoredColumn { encoding: entry.encoding, decoded: entry.decoded, bytes })
        .collect();
    decode_batch(&stored, view.directory.rows as usize, None).unwrap()
}

/// Rows that a salvage of the folder brought into a new set.
fn salvaged(from: &DirectoryDevice, to: &dyn Device, verify: bool) -> u64 {
    let options = SalvageOptions { verify, jobs: JOBS, ..SalvageOptions::default() };
    let account = Salvage::new(&[from], options).write(to, &mut || Ok(SetId([9; 16]))).unwrap();
    account.sets.iter().map(SetAccount::rows).sum()
}

fn proof(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let mut group = criterion.benchmark_group("proof");
    group.sample_size(10);
    for data in &data {
        let id = |what: &str| BenchmarkId::new(what, data.name);
        let written = backed_up(data, ReadBack::Skip);
        let place = folder.path().join(data.name);
        std::fs::create_dir(&place).unwrap();
        let volumes: Vec<Vec<u8>> = written.list().unwrap().iter().map(|name| written.bytes(name).unwrap()).collect();
        for (name, volume) in written.list().unwrap().iter().zip(&volumes) {
            std::fs::write(place.join(name), volume).unwrap();
        }
        let device = DirectoryDevice::open(&place).unwrap();
        let set = list_sets(&device).unwrap().sets.remove(0);
        let compressed = zstd::encode_all(std::fs::File::open(&data.path).unwrap(), 3).unwrap();
        let bytes = volumes.iter().map(Vec::len).sum::<usize>() as u64;

        group.throughput(Throughput::Elements(data.rows));
        group.bench_function(id("limit: the compressed database decompressed"), |bench| {
            bench.iter(|| zstd::stream::copy_decode(&compressed[..], sink()).unwrap());
        });
        group.bench_function(id("verify"), |bench| {
            bench.iter(|| check::verify(&set, &Asked::default(), JOBS, &Silent).rows);
        });
        group.bench_function(id("decode alone"), |bench| bench.iter(|| decoded(&set, false)));
        group.bench_function(id("decode and digest"), |bench| bench.iter(|| decoded(&set, true)));
        group.bench_function(id("rebuild"), |bench| bench.iter(|| rebuild(&set, &Silent).unwrap()));
        group.bench_function(id("salvage"), |bench| bench.iter(|| salvaged(&device, &MemoryDevice::new(), false)));
        group.bench_function(id("salvage, read back"), |bench| {
            bench.iter(|| salvaged(&device, &MemoryDevice::new(), true));
        });

        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(id("limit: crc32, one thread"), |bench| {
            bench.iter(|| volumes.iter().fold(0, |sum, volume| sum ^ crc32(black_box(volume))));
        });
        let blocks = Asked { depth: Depth::Blocks, ..Asked::default() };
        group.bench_function(id("verify blocks, one thread"), |bench| {
            bench.iter(|| check::verify(&set, &blocks, 1, &Silent).blocks());
        });
    }
    group.finish();
}

criterion_group!(benches, proof);
criterion_main!(benches);
