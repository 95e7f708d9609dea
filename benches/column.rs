//! Encoding, decoding and digesting columns: a generator with fixed seeds for everyone, and, where `INTERVAULT_BENCH_DATA`
//! names a folder of raw columns, sizes and speeds of whole tables.
//!
//! The folder holds one sub-folder per table with a file `meta` (a line `name kind` per column, kind `i32`, `i64` or
//! `str`) and raw little-endian columns `name.i32`, `name.i64`, or `name.off` and `name.dat` for strings. As the SQLite
//! store delivers them, `row_date`, `segstart` and `segstop` are handed over as text.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at a surprise")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use intervault::base::time::{Instant as Civil, civil_of_day};
use intervault::column::batch::{Batch, Column, ColumnData, Strings};
use intervault::column::decode::{StoredColumn, decode_batch};
use intervault::column::digest::row_hashes;
use intervault::column::encode::{EncodeOptions, EncodedColumn, Related, encode_batch};
use intervault::column::id::ENCODINGS;
use intervault::column::logical::LogicalType;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const CHUNK: usize = 65_536;

/// The next number of a fixed sequence; good enough for shapes, not for secrets.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ (self.0 >> 33)) >> 11
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Falls off roughly like the counters and times of a contact centre.
    fn skewed(&mut self, top: u64) -> i64 {
        (self.below(top) * self.below(top) / top) as i64
    }
}

fn date(day: i32) -> String {
    let (year, month, day) = civil_of_day(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn timestamp(second: i64) -> String {
    let of_day = Civil(second).second_of_day();
    format!("{} {:02}:{:02}:{:02}", date(Civil(second).day()), of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// Interval rows of 400 splits: a date, keys, and 45 counters of which seven in ten rows have none.
fn intervals(rows: usize) -> (Batch, Vec<LogicalType>) {
    let mut noise = Noise(20_240_101);
    let (splits, mut busy) = (400, Vec::new());
    for _ in 0..rows {
        busy.push(noise.below(10) < 3);
    }
    let key = |f: &dyn Fn(usize) -> i64| Column::new(ColumnData::Integer((0..rows).map(f).collect()));
    let mut strings = Strings::default();
    (0..rows).for_each(|row| strings.push(date(19_723 + (row / (splits * 48)) as i32).as_bytes()));
    let mut columns = vec![
        Column::new(ColumnData::Text(strings)),
        key(&|row| ((row / splits) % 48 / 2 * 100 + (row / splits) % 2 * 30) as i64),
        key(&|_| 30),
        key(&|row| (row % splits / 100 + 1) as i64),
        key(&|row| (row % 100 + 1) as i64),
    ];
    for counter in 0..45u64 {
        let top = [8, 40, 300, 2_000, 9_000][(counter % 5) as usize];
        let values = busy.iter().map(|busy| if *busy { noise.skewed(top) } else { 0 }).collect();
        columns.push(Column::new(ColumnData::Integer(values)));
    }
    let mut types = vec![LogicalType::Integer { bits: 32 }; columns.len()];
    types[0] = LogicalType::Date;
    (Batch::new(columns), types)
}

/// Call records: texts of digits and times beside counters.
fn calls(rows: usize) -> (Batch, Vec<LogicalType>) {
    let mut noise = Noise(7);
    let mut second = 1_704_067_200i64;
    let mut texts = [Strings::default(), Strings::default(), Strings::default(), Strings::default()];
    let mut numbers = vec![Vec::new(); 12];
    for row in 0..rows {
        second += noise.below(4) as i64;
        let talk = noise.skewed(900);
        let [ucid, start, stop, caller] = &mut texts;
        ucid.push(format!("{:05}{:05}{second:010}", noise.below(8) + 1, row % 32_767 + 1).as_bytes());
        start.push(timestamp(second).as_bytes());
        stop.push(timestamp(second + talk).as_bytes());
        caller.push(format!("{}{:07}", 201 + noise.skewed(700), noise.below(10_000_000)).as_bytes());
        for (at, values) in numbers.iter_mut().enumerate() {
            values.push(if at == 0 { talk } else { noise.skewed([6, 2, 60, 400][at % 4]) });
        }
    }
    let text = [LogicalType::Text, LogicalType::Timestamp, LogicalType::Timestamp, LogicalType::Text];
    let types = text.into_iter().chain([LogicalType::Integer { bits: 32 }; 12]).collect();
    let columns = texts.into_iter().map(|strings| Column::new(ColumnData::Text(strings)));
    let numbers = numbers.into_iter().map(|values| Column::new(ColumnData::Integer(values)));
    (Batch::new(columns.chain(numbers).collect()), types)
}

/// Time that this thread has spent computing, where the system tells (Linux); else time passed since `start`.
fn busy(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

fn stored(encoded: &[EncodedColumn]) -> Vec<StoredColumn<'_>> {
    encoded.iter().map(StoredColumn::from).collect()
}

fn synthetic(criterion: &mut Criterion) {
    let large = std::env::var_os("INTERVAULT_BENCH_LARGE").is_some();
    let rows = if large { CHUNK } else { 8_192 };
    for (name, (batch, types)) in [("intervals", intervals(rows)), ("calls", calls(rows))] {
        let mut group = criterion.benchmark_group("column");
        group.throughput(Throughput::Elements(batch.rows as u64)).sample_size(10);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
        for related in [Related::Alone, Related::Allowed] {
            let options = EncodeOptions { related, ..EncodeOptions::default() };
            let id = BenchmarkId::new(format!("encode {related:?}"), name);
            group.bench_function(id, |b| b.iter(|| encode_batch(black_box(&batch), &options).unwrap()));
        }
        let encoded = encode_batch(&batch, &EncodeOptions::default()).unwrap();
        let columns = stored(&encoded);
        group.bench_function(BenchmarkId::new("decode", name), |b| {
            b.iter(|| decode_batch(black_box(&columns), batch.rows, None).unwrap());
        });
        group.bench_function(BenchmarkId::new("decode 4 columns", name), |b| {
            b.iter(|| decode_batch(black_box(&columns), batch.rows, Some(&[0, 1, 2, 3])).unwrap());
        });
        group.bench_function(BenchmarkId::new("digest", name), |b| {
            let mut hashes = Vec::new();
            b.iter(|| row_hashes(black_box(&batch), &types, &mut hashes).unwrap());
        });
        // The bare limit in the same run: a copy of the numbers.
        group.bench_function(BenchmarkId::new("copy", name), |b| b.iter(|| black_box(&batch).clone()));
        group.finish();
    }
}

/// A column of a table folder, whole.
enum Raw {
    Numbers(Vec<i64>),
    Strings(Strings),
}

fn load(folder: &Path) -> (Vec<String>, Vec<Raw>) {
    let read = |name: String| std::fs::read(folder.join(name)).unwrap();
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(folder.join("meta")).unwrap().lines() {
        let (name, kind) = line.split_once(' ').unwrap();
        let numbers: Vec<i64> = match kind {
            "i32" => read(format!("{name}.i32")).as_chunks().0.iter().map(|v| i32::from_le_bytes(*v).into()).collect(),
            "i64" => read(format!("{name}.i64")).as_chunks().0.iter().map(|v| i64::from_le_bytes(*v)).collect(),
            _ => read(format!("{name}.off")).as_chunks().0.iter().map(|v| u32::from_le_bytes(*v).into()).collect(),
        };
        columns.push(match kind {
            "str" => {
                let offsets = numbers.iter().map(|v| *v as u32).collect();
                Raw::Strings(Strings { offsets, bytes: read(format!("{name}.dat")) })
            }
            _ => Raw::Numbers(numbers),
        });
        names.push(name.to_owned());
    }
    (names, columns)
}

fn cut(raw: &Raw, name: &str, first: usize, rows: usize) -> Column {
    let nullable = matches!(name, "calling_pty" | "anslogin");
    let mut strings = Strings::default();
    let mut nulls = Vec::new();
    match raw {
        Raw::Numbers(values) => {
            let values = &values[first..first + rows];
            match name {
                "row_date" => values.iter().for_each(|day| strings.push(date(*day as i32).as_bytes())),
                "segstart" | "segstop" => values.iter().for_each(|at| strings.push(timestamp(*at).as_bytes())),
                _ => return Column::new(ColumnData::Integer(values.to_vec())),
            }
        }
        Raw::Strings(all) => {
            for row in 0..rows {
                let string = all.get(first + row);
                if nullable && string.is_empty() {
                    nulls.push(row as u32);
                }
                strings.push(string);
            }
        }
    }
    Column { nulls, ..Column::new(ColumnData::Text(strings)) }
}

fn logical(name: &str, raw: &Raw) -> LogicalType {
    match (name, raw) {
        ("row_date", _) => LogicalType::Date,
        ("segstart" | "segstop", _) => LogicalType::Timestamp,
        (_, Raw::Numbers(_)) => LogicalType::Integer { bits: 32 },
        (_, Raw::Strings(_)) => LogicalType::Text,
    }
}

/// Sizes and speeds of one table, chunk by chunk.
fn table(folder: &Path, related: Related, level: i32, detail: bool) {
    let (names, raw) = load(folder);
    let types: Vec<LogicalType> = names.iter().zip(&raw).map(|(name, raw)| logical(name, raw)).collect();
    let total = match &raw[0] {
        Raw::Numbers(values) => values.len(),
        Raw::Strings(strings) => strings.len(),
    };
    let mut sizes = vec![(0usize, vec![0u32; ENCODINGS.len() + 1]); names.len()];
    let (mut encode, mut decode, mut some, mut digest) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let begun = Instant::now();
    let options = EncodeOptions { related, level };
    let mut hashes = Vec::new();
    for first in (0..total).step_by(CHUNK) {
        let rows = CHUNK.min(total - first);
        let batch = Batch::new(names.iter().zip(&raw).map(|(name, raw)| cut(raw, name, first, rows)).collect());
        let start = busy(begun);
        let encoded = encode_batch(&batch, &options).unwrap();
        encode += busy(begun) - start;
        for (column, (bytes, used)) in encoded.iter().zip(&mut sizes) {
            *bytes += column.bytes.len();
            used[usize::from(column.encoding)] += 1;
        }
        let columns = stored(&encoded);
        let start = busy(begun);
        let back = decode_batch(&columns, rows, None).unwrap();
        decode += busy(begun) - start;
        assert!(back == batch, "chunk at row {first} does not come back");
        let start = busy(begun);
        black_box(decode_batch(&columns, rows, Some(&[0, 1, 2, 3])).unwrap());
        some += busy(begun) - start;
        let start = busy(begun);
        row_hashes(&batch, &types, &mut hashes).unwrap();
        digest += busy(begun) - start;
    }
    let bytes: usize = sizes.iter().map(|(bytes, _)| bytes).sum();
    let rate = |time: Duration| total as f64 / time.as_secs_f64() / 1e6;
    println!(
        "{:<10} {related:?} level {level}: {:.2} MB, {:.2} bytes/row; million rows/s: encode {:.2}, decode {:.2}, \
         4 columns {:.1}, digest {:.2}",
        folder.file_name().unwrap().to_string_lossy(),
        bytes as f64 / 1e6,
        bytes as f64 / total as f64,
        rate(encode),
        rate(decode),
        rate(some),
        rate(digest)
    );
    if detail {
        for (name, (bytes, used)) in names.iter().zip(&sizes) {
            let used: Vec<String> = ENCODINGS
                .iter()
                .filter(|(id, _)| used[usize::from(*id)] > 0)
                .map(|(id, name)| format!("{name} {}", used[usize::from(*id)]))
                .collect();
            println!("    {name:<16} {bytes:>10}  {}", used.join(", "));
        }
    }
}

fn tables(_: &mut Criterion) {
    let Some(folder) = std::env::var_os("INTERVAULT_BENCH_DATA") else {
        println!("INTERVAULT_BENCH_DATA is not set: sizes and speeds of hsplit, hagent and call_rec are skipped");
        return;
    };
    let level = std::env::var("INTERVAULT_BENCH_LEVEL").map_or(1, |level| level.parse().unwrap());
    let only = std::env::var("INTERVAULT_BENCH_TABLE").ok();
    let detail = std::env::var_os("INTERVAULT_BENCH_DETAIL").is_some();
    for name in
        ["hsplit", "hagent", "call_rec"].into_iter().filter(|name| only.as_deref().is_none_or(|only| only == *name))
    {
        for related in [Related::Alone, Related::Allowed] {
            table(&Path::new(&folder).join(name), related, level, detail);
        }
    }
}

criterion_group!(benches, tables, synthetic);
criterion_main!(benches);
