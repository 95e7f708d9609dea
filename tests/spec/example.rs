//! The whole volume in the last chapter of the specification: its bytes are those that the writer makes, its notes those
//! of the layout, its rows those that a reader finds. `INTERVAULT_BLESS=1` puts the blocks into the page.

use super::annotate::block;
use super::{Table, hex_block, specification, tables};
use intervault::base::checksum::blake3;
use intervault::base::monitor::Silent;
use intervault::base::position::Position;
use intervault::column::digest::RowHasher;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::{BlockHeader, BlockKind};
use intervault::section::rows::SectionTable;
use intervault::testing::golden::write_example;
use intervault::testing::tables::lines;
use intervault::verify::set::verify_set;
use intervault::volume::set::list_sets;

/// What the parts of each column's bytes are, as chapter 7 calls them.
const COLUMNS: [&[(usize, &str)]; 3] = [
    &[
        (1, "head: text, with nulls"),
        (4, "1 null"),
        (1, "gaps: constant"),
        (8, "3 rows before it: row 3 is null"),
        (1, "days: narrow"),
        (1, "width 1"),
        (8, "base 19782"),
        (1, "raw"),
        (4, "3 bytes"),
        (3, "19782, 19782, 19783"),
    ],
    &[
        (1, "head: integer"),
        (1, "values: narrow"),
        (1, "width 1"),
        (8, "base 1"),
        (1, "raw"),
        (4, "4 bytes"),
        (4, "1, 1, 1, 2"),
    ],
    &[
        (1, "head: integer, with nulls"),
        (4, "1 null"),
        (1, "gaps: constant"),
        (8, "2 rows before it: row 2 is null"),
        (1, "values: narrow"),
        (1, "width 1"),
        (8, "base 7"),
        (1, "raw"),
        (4, "3 bytes"),
        (3, "30, 30, 7"),
    ],
];

/// The rows of the example, as the specification lists them.
pub fn rows() -> Table {
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    vec![
        row(["'2024-02-29'", "1", "30"]),
        row(["'2024-02-29'", "1", "30"]),
        row(["'2024-03-01'", "1", "null"]),
        row(["null", "2", "7"]),
    ]
}

/// Name and bytes of the volume as the writer makes it now.
fn written() -> (String, Vec<u8>) {
    let device = MemoryDevice::new();
    let summary = write_example(&device).unwrap();
    assert_eq!(summary.volumes.len(), 1);
    let name = summary.volumes[0].name.clone();
    let bytes = device.bytes(&name).unwrap();
    (name, bytes)
}

/// The blocks of a volume, one after the other.
fn blocks(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let (block, rest) = bytes.split_at(BlockHeader::parse(bytes).unwrap().block_len());
        blocks.push(block);
        bytes = rest;
    }
    blocks
}

/// The text of every hexadecimal block, by its name.
fn pages() -> Vec<(String, String)> {
    let (_, bytes) = written();
    let page = |(number, bytes): (usize, &&[u8])| {
        let kind = BlockHeader::parse(bytes).unwrap().kind;
        let columns: &[&[(usize, &str)]] = if kind == BlockKind::Chunk { &COLUMNS } else { &[] };
        (format!("volume, block {number}"), block(bytes, columns))
    };
    blocks(&bytes).iter().enumerate().map(page).collect()
}

/// The fenced text after a mark: where it stands.
fn fenced(text: &str, name: &str) -> std::ops::Range<usize> {
    let mark = format!("<!-- hex: {name} -->\n\n```text\n");
    let start = text.find(&mark).unwrap_or_else(|| panic!("no block {name}")) + mark.len();
    start..start + text[start..].find("```").unwrap()
}

#[test]
#[ignore = "writes into format-spec.md: INTERVAULT_BLESS=1 cargo test --test spec -- --ignored"]
fn bless() {
    assert_eq!(std::env::var("INTERVAULT_BLESS").as_deref(), Ok("1"), "set INTERVAULT_BLESS=1 to write the example");
    let mut text = specification();
    for (name, lines) in pages() {
        text.replace_range(fenced(&text, &name), &lines);
    }
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/format-spec.md"), text).unwrap();
}

#[test]
fn the_example_volume_is_what_the_writer_makes() {
    let text = specification();
    let (_, bytes) = written();
    let pages = pages();
    let stated: Vec<u8> = pages.iter().flat_map(|(name, _)| hex_block(&text, name).unwrap()).collect();
    assert!(stated == bytes, "the bytes in the page are not those that the writer makes");
    for (name, lines) in &pages {
        assert_eq!(&text[fenced(&text, name)], lines, "{name}");
    }
    assert_eq!(text.matches("<!-- hex: volume, block ").count(), pages.len());
    let kinds: Vec<u8> = blocks(&bytes).iter().map(|block| BlockHeader::parse(block).unwrap().kind.id()).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 6, 5, 7], "every kind of block is shown");
}

#[test]
fn the_example_volume_holds_the_rows_listed() {
    let text = specification();
    let (name, _) = written();
    let stated: Vec<u8> = pages().iter().flat_map(|(name, _)| hex_block(&text, name).unwrap()).collect();
    assert!(text.contains(&name) && text.contains(&format!("{} bytes", stated.len())), "{name}, {}", stated.len());
    let device = MemoryDevice::new();
    device.insert(&name, stated);
    let set = list_sets(&device).unwrap().into_set(&device, None).unwrap();
    assert!(set.is_complete());
    assert_eq!(verify_set(&set, 1, &Silent).findings, []);
    let section = &set.sections()[0];
    let table = SectionTable::new(section.number, &section.header).unwrap();
    let mut found = Table::new();
    for chunk in &section.chunks {
        let payload = set.read_chunk(chunk).unwrap();
        let rows = table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).unwrap();
        found.extend(lines(&rows.batch).iter().map(|line| line.split(" | ").map(str::to_owned).collect()));
    }
    let listed: Table = tables(&text).unwrap()["table: example rows"].iter().map(|row| row[1..].to_vec()).collect();
    assert_eq!(found, listed);
    assert_eq!(found, rows());
    // The canonical row that the text gives for rows 0 and 1.
    assert!(text.contains("`17 D5464D0000 0100 1E00`"));
    let mut canonical = [0; 64];
    canonical[..10].copy_from_slice(&[0x17, 0xD5, 0x46, 0x4D, 0, 0, 0x01, 0, 0x1E, 0]);
    let hash = u128::from_le_bytes(blake3(&canonical)[..16].try_into().unwrap());
    assert_eq!(section.buckets[0].digest, hash.wrapping_mul(2).to_le_bytes());
}

#[test]
fn a_changed_note_or_byte_is_noticed() {
    let (_, lines) = pages().remove(3);
    let changed = lines.replacen("rows 4", "rows 5", 1);
    assert_ne!(changed, lines);
    let page = |lines: &str| format!("<!-- hex: t -->\n\n```text\n{lines}```\n");
    let (whole, wrong) = (page(&lines), page(&lines.replacen("8B 49", "8B 48", 1)));
    assert_eq!(&whole[fenced(&whole, "t")], lines);
    assert_ne!(hex_block(&whole, "t"), hex_block(&wrong, "t"));
}
