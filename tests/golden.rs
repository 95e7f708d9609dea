//! The golden set of every released format version: files that are never edited, read with the code as it is now. Of the
//! newest version also: what is written now from the same values has the same bytes. `INTERVAULT_BLESS=1` writes the
//! folder of a version that has none yet; a folder that is there is left as it is.
#![cfg(test)]

use intervault::base::checksum::blake3;
use intervault::base::monitor::Silent;
use intervault::base::position::Position;
use intervault::column::digest::RowHasher;
use intervault::column::id::{ENCODINGS, INTEGERS, form, method};
use intervault::column::logical::LogicalType;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::chunk::parse_chunk;
use intervault::schema::grain::{DataType, Grain};
use intervault::section::rows::{ChunkRows, SectionTable};
use intervault::testing::golden::{contents_v1, write_v1};
use intervault::testing::tables::lines;
use intervault::verify::set::verify_set;
use intervault::volume::section::SectionView;
use intervault::volume::set::{SetReader, list_sets};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Most bytes of a version's folder.
const FOLDER_BYTES_MAX: u64 = 200 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one set of a device.
fn only_set(device: &dyn Device) -> SetReader<'_> {
    let listing = list_sets(device).unwrap();
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    listing.into_set(device, None).unwrap()
}

/// The golden set as it would be written now, by file name.
fn written_now() -> BTreeMap<String, Vec<u8>> {
    let device = MemoryDevice::new();
    let summary = write_v1(&device).unwrap();
    let volume = |name: &String| (name.clone(), device.bytes(name).unwrap());
    summary.volumes.iter().map(|volume| &volume.name).map(volume).collect()
}

/// The chunks of a section, decoded and proved.
fn chunks(set: &SetReader<'_>, section: &SectionView) -> Vec<ChunkRows> {
    let table = SectionTable::new(section.number, &section.header).unwrap();
    let prove = |payload: Vec<u8>| table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).unwrap();
    section.chunks.iter().map(|chunk| prove(set.read_chunk(chunk).unwrap())).collect()
}

/// Every row of the set as text, table by table: the file `ROWS`.
fn rows_of(set: &SetReader<'_>) -> String {
    let mut out = String::new();
    for section in set.sections() {
        writeln!(out, "[{}]", section.header.table).unwrap();
        for line in chunks(set, section).iter().flat_map(|chunk| lines(&chunk.batch)) {
            writeln!(out, "{line}").unwrap();
        }
    }
    out
}

/// What `MANIFEST` says: name, bytes and BLAKE3 of every file, then table, rows, carried rows, buckets and digest.
fn manifest(files: &BTreeMap<String, Vec<u8>>, set: &SetReader<'_>) -> String {
    let mut out = String::from("# The golden set of format version 1. Never edited; tests/golden.rs reads it.\n");
    for (name, bytes) in files {
        writeln!(out, "file {name} {} {}", bytes.len(), hex(&blake3(bytes))).unwrap();
    }
    for section in set.sections() {
        let end = section.end.as_ref().unwrap();
        let carried: u64 = section.buckets.iter().map(|bucket| bucket.carried).sum();
        let (name, digest) = (&section.header.table, hex(&end.digest));
        writeln!(out, "table {name} rows {} carried {carried} buckets {} {digest}", end.rows, end.buckets).unwrap();
    }
    out
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Name and bytes of every file of the folder but the manifest.
fn files() -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    named.filter(|(name, _)| name != "MANIFEST").map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

#[test]
#[ignore = "writes the folder of a new format version: INTERVAULT_BLESS=1 cargo test --test golden -- --ignored"]
fn bless() {
    assert_eq!(std::env::var("INTERVAULT_BLESS").as_deref(), Ok("1"), "set INTERVAULT_BLESS=1 to write golden files");
    assert!(!folder().exists(), "golden files are never edited: a new format version has a new folder");
    std::fs::create_dir_all(folder()).unwrap();
    let device = MemoryDevice::new();
    let mut files = written_now();
    files.iter().for_each(|(name, bytes)| device.insert(name, bytes.clone()));
    let set = only_set(&device);
    files.insert("ROWS".to_owned(), rows_of(&set).into_bytes());
    std::fs::write(folder().join("MANIFEST"), manifest(&files, &set)).unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder().join(name), bytes).unwrap());
}

#[test]
fn the_folder_is_what_its_manifest_says() {
    let device = DirectoryDevice::open(folder()).unwrap();
    assert_eq!(manifest(&files(), &only_set(&device)), read("MANIFEST"));
    assert!(files().values().map(|bytes| bytes.len() as u64).sum::<u64>() < FOLDER_BYTES_MAX);
}

#[test]
fn the_set_is_whole_and_verifies() {
    let device = DirectoryDevice::open(folder()).unwrap();
    let set = only_set(&device);
    assert!(set.is_complete() && set.damage().is_empty() && set.check_chain().unwrap().is_empty());
    assert!((2..=3).contains(&set.volumes().len()), "{} volumes", set.volumes().len());
    let catalog = set.catalog().unwrap();
    assert_eq!(catalog.absent, ["agroups", "/cms/pbx/acd1/dict"]);
    assert_eq!(catalog.left_out, [("/cms/custom".to_owned(), "file trees are not built".to_owned())]);
    let verified = verify_set(&set, 1, &Silent);
    assert_eq!(verified.findings, []);
    assert_eq!((verified.rows, verified.sections as usize), (catalog.rows, contents_v1().len()));
}

#[test]
fn the_rows_are_those_written_down() {
    let device = DirectoryDevice::open(folder()).unwrap();
    let rows = rows_of(&only_set(&device));
    assert_eq!(rows, read("ROWS"));
    // Some of them here too, so that the files cannot agree on a common error.
    for line in [
        "[every_type]\n0 | -9223372036854775808 | 0.5 | 0.1 | '12.50' | '7' | 1 | '2024-02-29' | '23:59:59' | \
         '2024-03-31 02:30:00' | '2024-03-31 01:30:00+00' | 'Grüße, ''ACD 1''' | 'abc' | x'0001feff' | 0",
        "'seven' | 0.5 | 3 | 4 | 12 | 'n/a' | 2 | '2024-02-30' | 1200 | '2024-03-31T02:30' | x'7a6f6e65' | 5 | 6 | \
         'no blob' | x'07'",
        "[nothing_yet]\n[numbers]\n",
        "1 | 'split' | 'Service' | '2'\n2 | 'split' | 'Vente' | '1'\n1 | 'split' | 'Service' | '2'",
        "[call_rec]\n1698539400 | 1 | 0\n1698543000 | 1 | 0\n1698546600 | 1 | 0\nnull | 2 | 0\n",
    ] {
        assert!(rows.contains(line), "{line}");
    }
}

#[test]
fn what_is_written_now_has_the_golden_bytes() {
    let mut golden = files();
    assert!(golden.remove("ROWS").is_some());
    let now = written_now();
    assert!(now.keys().eq(golden.keys()), "{:?} and {:?}", now.keys(), golden.keys());
    for (name, bytes) in &now {
        let differs = bytes.iter().zip(&golden[name]).position(|(now, golden)| now != golden);
        // If nothing but the compressor changed, the golden set stays and is read; this comparison needs a new one.
        assert_eq!(differs, None, "{name}: the format changed: is that meant? Then it is a new version (spec, 11)");
        assert_eq!(bytes.len(), golden[name].len(), "{name}");
    }
}

#[test]
fn the_set_has_one_of_everything() {
    let contents = contents_v1();
    let grains: BTreeSet<u8> = contents.iter().map(|content| content.table.grain.id()).collect();
    assert_eq!(grains.len(), Grain::ALL.len());
    let data_types: BTreeSet<u32> = contents.iter().map(|content| content.table.data_type.bit()).collect();
    assert_eq!(data_types.len(), DataType::ALL.len());
    let types = |content: &intervault::testing::tables::Content| content.table.schema.logical_types();
    let logical: BTreeSet<u16> =
        contents.iter().flat_map(types).map(|logical: LogicalType| logical.to_stored().0).collect();
    assert_eq!(logical, (1..=12).collect());

    let device = DirectoryDevice::open(folder()).unwrap();
    let set = only_set(&device);
    let (mut encodings, mut forms, mut clocks, mut marks) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut nulls, mut strays, mut undated, mut carried, mut zstd, mut repeated) = (0, 0, 0, 0, false, 0);
    for section in set.sections() {
        clocks.insert(section.header.clock.kind);
        repeated +=
            usize::from(section.chunks.iter().map(|chunk| chunk.entry.volume).collect::<BTreeSet<_>>().len() > 1);
        for chunk in &section.chunks {
            let payload = set.read_chunk(chunk).unwrap();
            let view = parse_chunk(&payload).unwrap();
            for (entry, bytes) in view.directory.columns.iter().zip(&view.columns) {
                encodings.insert(entry.encoding);
                if entry.encoding == INTEGERS && bytes[0] == 0 {
                    forms.insert(bytes[1]);
                }
                zstd |= bytes.windows(4).any(|window| window == [0x28, 0xB5, 0x2F, 0xFD]);
            }
            marks.extend(view.directory.pieces.iter().map(|piece| piece.last));
            undated += view.directory.pieces.iter().filter(|piece| piece.day.is_none()).count();
            carried += view.directory.pieces.iter().map(|piece| piece.carried).sum::<u32>();
        }
        for column in chunks(&set, section).iter().flat_map(|chunk| &chunk.batch.columns) {
            nulls += column.nulls.len();
            strays += column.strays.len();
        }
    }
    assert_eq!(encodings, ENCODINGS.iter().map(|(id, _)| *id).collect());
    assert_eq!(forms, form::FORMS.iter().map(|(id, _)| *id).collect());
    assert_eq!((clocks, marks), ((0..=4).collect(), (0..=2).collect()));
    assert!(zstd, "no column is compressed with method {}", method::ZSTD);
    assert!(
        nulls > 0 && strays > 0 && undated > 0 && carried > 0 && repeated > 0,
        "{nulls} {strays} {undated} {carried}"
    );
}

#[cfg(feature = "sqlite")]
mod restored {
    //! The golden set put back into a database that has its tables.

    use super::*;
    use intervault::base::time::Instant;
    use intervault::restore;
    use intervault::schema::range::{Carried, Policies};
    use intervault::store::sqlite::SqliteStore;
    use intervault::testing::target;

    #[test]
    fn a_restore_gives_the_rows_written_down() {
        let folder_of_target = tempfile::tempdir().unwrap();
        let path = folder_of_target.path().join("target.db");
        target::create(&path, &contents_v1()).unwrap();
        let sql = rusqlite::Connection::open(&path).unwrap();
        let device = DirectoryDevice::open(folder()).unwrap();
        let set = only_set(&device);
        let data = DataType::ALL.into_iter().filter(|data_type| *data_type != DataType::Local).collect();
        let options = restore::Options {
            select: restore::Select::Data(data),
            policies: Policies { carried: Carried::Insert, ..Policies::default() },
            ..restore::Options::new(Instant(0), 0)
        };
        let store = SqliteStore::open(&path).unwrap();
        let restore = restore::Restore::new(&set, &store, options);
        let plan = restore.plan().unwrap();
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        restore.apply(&plan, None).unwrap();
        let written = read("ROWS");
        let mut compared = 0;
        for part in written.split('[').skip(1) {
            let (table, lines) = part.split_once("]\n").unwrap();
            let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
            lines.sort();
            // Local data of another server stay where they are.
            let expected = if table == "arch_stat" { Vec::new() } else { lines };
            assert_eq!(target::rows(&sql, table).unwrap(), expected, "{table}");
            compared += 1;
        }
        assert_eq!(compared, contents_v1().len());
    }
}
