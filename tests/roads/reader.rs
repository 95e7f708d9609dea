//! The reader in Python (tests/reader), which was written from format-spec.md alone: over golden and fresh volumes its rows
//! are the engine's, it proves them sound, and it finds damage in every kind of block.
//!
//! `INTERVAULT_NO_PYTHON=1` leaves it out and says so; without that a missing Python or zstd fails.

use super::files::{backup_trees, noise, tree};
use super::salvage::{heap, parts, salvaged, sound as proved};
use super::salvage_evidence::{chain, only, without};
use super::support::*;
use super::undo;
use intervault::backup;
use intervault::base::checksum::crc32;
use intervault::base::monitor::Silent;
use intervault::base::position::Position;
use intervault::column::batch::Value;
use intervault::column::digest::RowHasher;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::BlockKind;
use intervault::section::rows::SectionTable;
use intervault::testing::damage::{Damage, places};
use intervault::testing::not_tested;
use intervault::volume::set::{SetReader, list_sets};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a reader says of the rows: those of every section, by set and table.
type Rows = BTreeMap<(String, String), Vec<String>>;

/// Runs the reader. `None` where it is left out.
fn python(arguments: &[&str], folder: &Path) -> Option<Output> {
    if std::env::var_os("INTERVAULT_NO_PYTHON").is_some_and(|value| value == "1") {
        not_tested("the reader in Python, since INTERVAULT_NO_PYTHON=1 is set");
        return None;
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut command = Command::new("python3");
    command.args(["-B", "-m", "reader"]).args(arguments).arg(folder).current_dir(package);
    let output = command.output().unwrap_or_else(|error| {
        panic!("python3: {error}: install the package python3, or set INTERVAULT_NO_PYTHON=1 to leave this out")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() != Some(3), "{said} (or set INTERVAULT_NO_PYTHON=1 to leave this out)");
    assert!(!said.contains("Traceback"), "{said}");
    Some(output)
}

/// What the reader wrote, and that it found nothing wrong.
fn sound(arguments: &[&str], folder: &Path) -> Option<String> {
    let output = python(arguments, folder)?;
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (Some(0), ""),
        "{arguments:?}"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The rows in a dump: the form is that of tests/reader/dump.py.
fn rows_dumped(dump: &str) -> Rows {
    let mut rows = Rows::new();
    let (mut set, mut table) = (String::new(), String::new());
    for line in dump.lines() {
        match line.strip_prefix("# ") {
            None => rows.get_mut(&(set.clone(), table.clone())).unwrap().push(line.to_owned()),
            Some(said) => {
                let words: Vec<&str> = said.splitn(4, ' ').collect();
                match words[..] {
                    ["set", id, ..] => id.clone_into(&mut set),
                    ["section", _, "table", name] => {
                        name.clone_into(&mut table);
                        assert!(rows.insert((set.clone(), table.clone()), Vec::new()).is_none(), "{said} twice");
                    }
                    _ => assert!(said.starts_with("columns ") || said.starts_with("end section "), "{said}"),
                }
            }
        }
    }
    rows
}

/// Bytes of a text as the dump shows them.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => write!(out, "\\{}", char::from(byte)).unwrap(),
            0x20..=0x7E => out.push(char::from(byte)),
            _ => write!(out, "\\x{byte:02x}").unwrap(),
        }
    }
    out + "\""
}

/// A real as Python writes it: the same shortest digits as here, laid out by its own rule.
fn real(value: f64) -> String {
    if value.is_nan() {
        return format!("nan:{:016x}", value.to_bits());
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => real(value),
        Value::Text(bytes) => quoted(bytes),
        Value::Blob(bytes) => format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// All rows of a set, as the engine reads and proves them.
fn rows_read(set: &SetReader<'_>, rows: &mut Rows) {
    for section in set.sections() {
        let table = SectionTable::new(section.number, &section.header).unwrap();
        let mut lines = Vec::new();
        for chunk in &section.chunks {
            let payload = set.read_chunk(chunk).unwrap();
            let found = table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).unwrap();
            let line = |row| found.batch.row(row).map(shown).collect::<Vec<_>>().join(",");
            lines.extend((0..found.batch.rows).map(line));
        }
        rows.insert((set.set_id().to_string(), quoted(section.header.table.as_bytes())), lines);
    }
}

/// Both readers over the same volumes.
fn compare(folder: &Path, sets: usize, least: usize) {
    let device = DirectoryDevice::open(folder).unwrap();
    let listing = list_sets(&device).unwrap();
    assert_eq!((listing.unreadable.len(), listing.sets.len()), (0, sets));
    let mut expected = Rows::new();
    listing.sets.iter().for_each(|set| rows_read(set, &mut expected));
    assert!(expected.values().map(Vec::len).sum::<usize>() >= least);
    let Some(dump) = sound(&["dump"], folder) else { return };
    let found = rows_dumped(&dump);
    assert!(found.keys().eq(expected.keys()), "{:?} and {:?}", found.keys(), expected.keys());
    for (table, rows) in &expected {
        assert_eq!(&found[table], rows, "{table:?}");
    }
    let said = sound(&["verify"], folder).unwrap();
    assert_eq!(said.lines().filter(|line| line.ends_with(": sound")).count(), sets, "{said}");
    let bytes: u64 = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(said.contains(&format!("{bytes} bytes in sound blocks, 0 lost, 0 between volumes; {bytes} bytes in all")));
    let listed = sound(&["list"], folder).unwrap();
    for (id, table) in expected.keys() {
        assert!(listed.contains(&format!("set {id}")) && listed.contains(&format!(" {table}: ")), "{id} {table}");
    }
}

/// The volumes of a device as files.
fn folder_of(device: &MemoryDevice) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in device.list().unwrap() {
        std::fs::write(folder.path().join(&name), device.bytes(&name).unwrap()).unwrap();
    }
    folder
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn golden_volumes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path());
    let mut volumes: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "ivv")).collect();
    volumes.sort();
    volumes
}

/// Every logical type, encoding, grain and clock, over three volumes.
#[test]
fn the_golden_set_is_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    for volume in golden_volumes() {
        std::fs::copy(&volume, folder.path().join(volume.file_name().unwrap())).unwrap();
    }
    compare(folder.path(), 1, 816);
}

/// A table whose columns hold values of all classes, and the edges of them.
const ODD: &str = "CREATE TABLE odd (i INTEGER, r REAL, d DECIMAL(9,2), t TEXT, c CHAR(8), b BLOB, dt DATE, ts TIMESTAMP, x); \
    INSERT INTO odd VALUES (1, 0.1, '12.50', 'plain', 'ab  ', x'00ff', '2024-02-29', '2024-02-29 01:02:03', null), \
    (-9223372036854775808, -0.0, 12.5, 'quote \" back \\ end', '', x'', '2024-02-30', '2024-02-29T01:02:03.25', 1e300), \
    (9223372036854775807, 1e16, 7, CAST(x'ff0a00fe' AS TEXT), null, 'text', 12, null, 1e-5), \
    ('seven', 123456789012345.6, '-0.00', 'Grüße', 5, null, null, 3.5, 5e-324), \
    (null, 9e15, null, null, 'x', x'09', '0001-01-01', '9999-12-31 23:59:59.999999', 9e999); \
    WITH RECURSIVE n(v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM n WHERE v < 3000) \
    INSERT INTO odd SELECT v * v, v / 8.0, v || '.25', 'number ' || v % 17, v, randomblob(v % 40), \
    date('2024-01-01', v || ' days'), datetime('2024-01-01', v || ' minutes'), \
    CASE v % 5 WHEN 0 THEN v WHEN 1 THEN v / 3.0 WHEN 2 THEN 't' || v END FROM n";

/// All grains of a switch, odd values, three sets of a chain with deletions and rows that are carried, on small volumes.
#[test]
fn a_chain_on_small_volumes_is_read_alike() {
    let padded = "CREATE TABLE dagent (row_date CHAR(12), acd CHAR(3), split CHAR(4), logid CHAR(8), acdcalls INTEGER); \
        INSERT INTO dagent VALUES ('2024-03-01  ', '2  ', '1   ', '4711    ', 3), ('2024-03-01', '2', '1', '4712', 4), \
        ('2024-03-02 ', ' 2', '1', '4711', 5)";
    let centre = Centre::new(&[HSPLIT, DSPLIT, WSPLIT, MSPLIT, SYNONYMS, ODD, padded]);
    for day in 1..=6 {
        for acd in [1, 2, 7] {
            centre.intervals(&format!("2024-03-{day:02}"), 0, 2400, 30, acd);
            centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', {acd}, 1, {day})"));
        }
    }
    centre.run("INSERT INTO wsplit VALUES ('2024-03-03', 1, 1, 9); INSERT INTO msplit VALUES ('2024-03-01', 1, 1, 9)");
    centre.interval("not a day", 900, 30, 1, 7);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (null, 'agent', 'Müller', '2', null)");
    let device = MemoryDevice::new();
    let now = |options: backup::Options| backup::Options { now: at("2024-03-06 10:15"), ..options };
    let small = backup::Options { volume_size: Some(24 << 10), ..now(backup_options(1)) };
    let report = backup_with(&centre, &device, &small);
    assert!(report.set.volumes.len() > 2, "{} volumes", report.set.volumes.len());
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-02' AND acd = 1; DELETE FROM dsplit WHERE acd = 7");
    centre.run("UPDATE hsplit SET acdcalls = 3 WHERE row_date = '2024-03-04' AND starttime = 900");
    backup_with(&centre, &device, &now(incremental_options(2)));
    centre.intervals("2024-03-07", 0, 1200, 30, 1);
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-01' AND acd = 2; DROP TABLE msplit");
    backup_with(&centre, &device, &incremental_options(3));
    let folder = folder_of(&device);
    compare(folder.path(), 3, 4000);
    let Some(said) = sound(&["verify"], folder.path()) else { return };
    assert!(said.contains("unwritten buckets found on older members"), "{said}");
    // A member without those that it builds on is sound for itself.
    let alone = MemoryDevice::new();
    let named = |name: &String| name.contains("-02-") && name.contains("-I-");
    let members: Vec<String> = device.list().unwrap().into_iter().filter(named).collect();
    members.iter().for_each(|name| alone.insert(name, device.bytes(name).unwrap()));
    compare(folder_of(&alone).path(), 1, 1);
}

#[test]
fn one_acd_an_undo_set_and_a_file_tree_are_read_alike() {
    let centre = undo::world();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup_options(1));
    centre.run(undo::RUIN);
    let saved = MemoryDevice::new();
    undo::restore_onto(&only_set(&device), &centre, &undo::options(40), Some(&saved), &Silent).unwrap();
    compare(folder_of(&saved).path(), 1, 16);
    backup_with(&centre, &device, &backup::Options { acd: Some(2), ..backup_options(2) });
    let source = tempfile::tempdir().unwrap();
    std::fs::create_dir(source.path().join("folder")).unwrap();
    std::fs::write(source.path().join("folder/big"), noise(3 << 20)).unwrap();
    std::fs::write(source.path().join("folder/none"), "").unwrap();
    backup_trees(vec![tree(source.path())], &device, backup_options(3));
    compare(folder_of(&device).path(), 3, 150);
}

/// What is made of a set without a label counts as a full one, whatever the set was, and keeps the rules of one; it is not
/// told as one that lacks nothing where the set was incremental, or may have been.
#[test]
fn what_was_salvaged_without_a_label_keeps_the_rules_of_a_full_set() {
    let (_, device) = chain();
    for number in 1..=3 {
        let (name, bytes) = parts(&only(&device, &[number], &MemoryDevice::new())).pop_first().unwrap();
        for other in [None, Some(BlockKind::Catalog), Some(BlockKind::SectionEnd)] {
            for chunk_lost in [false, true] {
                let what = format!("set {number} without its label and {other:?}, a chunk lost: {chunk_lost}");
                let kinds: Vec<BlockKind> = other.into_iter().chain([BlockKind::Label]).collect();
                let mut hurt = without(&bytes, &kinds);
                let chunk = places(&bytes).into_iter().find(|place| place.header.kind == BlockKind::Chunk);
                if let Some(chunk) = chunk.filter(|_| chunk_lost) {
                    Damage::Zero { at: chunk.at, len: chunk.len }.apply(&mut hurt);
                }
                let (account, to) = salvaged(&heap(BTreeMap::from([(name.clone(), hurt)])));
                proved(&to, &what);
                let label = only_set(&to).label().clone();
                let may_be = number > 1 || other == Some(BlockKind::Catalog);
                assert_eq!(account.sets[0].sections.iter().any(|section| section.unlisted), may_be, "{what}");
                assert_eq!((label.incremental, label.has_losses()), (false, may_be || chunk_lost), "{what}");
                let Some(said) = sound(&["verify"], folder_of(&to).path()) else { return };
                assert!(said.lines().any(|line| line.ends_with(": sound")), "{what}: {said}");
            }
        }
    }
}

/// The blocks of a volume: kind, first byte, payload bytes and length.
fn blocks(volume: &[u8]) -> Vec<(u8, usize, usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < volume.len() {
        let payload = u32::from_le_bytes(volume[at + 48..at + 52].try_into().unwrap()) as usize;
        let length = (80 + payload).next_multiple_of(64);
        found.push((volume[at + 12], at, payload, length));
        at += length;
    }
    found
}

/// Verifies the golden set with other bytes in one volume: the exit status and what was said.
fn verify_with(number: usize, bytes: &[u8]) -> Option<(Option<i32>, String)> {
    let folder = tempfile::tempdir().unwrap();
    for (at, volume) in golden_volumes().iter().enumerate() {
        let whole = std::fs::read(volume).unwrap();
        let bytes = if at == number { bytes } else { &whole[..] };
        std::fs::write(folder.path().join(volume.file_name().unwrap()), bytes).unwrap();
    }
    let output = python(&["verify"], folder.path())?;
    Some((output.status.code(), String::from_utf8(output.stderr).unwrap()))
}

#[test]
fn a_flipped_bit_is_found_in_every_kind_of_block() {
    let volumes: Vec<Vec<u8>> = golden_volumes().iter().map(|volume| std::fs::read(volume).unwrap()).collect();
    for (kind, name) in [(1, "label"), (2, "section header"), (3, "chunk"), (4, "section end"), (5, "volume index")]
        .into_iter()
        .chain([(6, "catalog"), (7, "volume end")])
    {
        let place = |volume: &Vec<u8>| blocks(volume).into_iter().rfind(|block| block.0 == kind);
        let (number, (_, at, payload, length)) =
            volumes.iter().enumerate().rev().find_map(|(number, volume)| Some((number, place(volume)?))).unwrap();
        // In the header, in the middle of the payload, and in its last byte.
        for (byte, words) in [(33, "damage"), (80 + payload / 2, name), (80 + payload - 1, name)] {
            let mut bytes = volumes[number].clone();
            bytes[at + byte] ^= 0x10;
            let Some((status, said)) = verify_with(number, &bytes) else { return };
            assert!(status == Some(1) && said.contains(words), "{name}, byte {byte}: {status:?} {said}");
            assert!(said.contains(&at.to_string()), "{name}, byte {byte}: no place is named: {said}");
        }
        // Whoever writes the right checksum over a wrong byte is found by what the others say of the block.
        let mut bytes = volumes[number].clone();
        bytes[at + 80 + payload - 1] ^= 1;
        let crc = crc32(&bytes[at + 80..at + length]).to_le_bytes();
        bytes[at + 72..at + 76].copy_from_slice(&crc);
        let crc = crc32(&bytes[at..at + 76]).to_le_bytes();
        bytes[at + 76..at + 80].copy_from_slice(&crc);
        let (status, said) = verify_with(number, &bytes).unwrap();
        assert!(status == Some(1) && said.starts_with("damage: "), "{name}, with its checksum: {status:?} {said}");
    }
}

#[test]
fn what_is_cut_off_missing_or_no_volume_is_told_apart() {
    let volumes: Vec<Vec<u8>> = golden_volumes().iter().map(|volume| std::fs::read(volume).unwrap()).collect();
    let last = &volumes[2];
    let Some((status, said)) = verify_with(2, &last[..last.len() - 192]) else { return };
    assert!(status == Some(1) && said.contains("cut off"), "{status:?} {said}");
    let (status, said) = verify_with(2, &[last, &b"more"[..]].concat()).unwrap();
    assert!(status == Some(1) && said.contains("neither zeros nor a volume"), "{status:?} {said}");
    let (status, said) = verify_with(2, &volumes[1]).unwrap();
    assert!(status == Some(1) && said.contains("volume 3 is not given"), "{status:?} {said}");
    let (status, said) = verify_with(1, b"no volume").unwrap();
    assert!(status == Some(2) && said.contains("not a volume"), "{status:?} {said}");
    let mut newer = volumes[0].clone();
    newer[8] = 2;
    let crc = crc32(&newer[..76]).to_le_bytes();
    newer[76..80].copy_from_slice(&crc);
    let (status, said) = verify_with(0, &newer).unwrap();
    assert!(status == Some(2) && said.contains("format version 2"), "{status:?} {said}");
}
