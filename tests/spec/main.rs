//! `format-spec.md` against the code: tables, ids, numbers, hexadecimal examples. The comparison itself is tried on
//! specifications with planted faults.
#![cfg(test)]

mod annotate;
mod example;

use intervault::base::time::{Instant, day_of_civil};
use intervault::column::id;
use intervault::column::logical::LogicalType;
use intervault::files::entry::{Kind, State};
use intervault::files::rows::COLUMNS;
use intervault::format::block::{BlockHeader, BlockKind, OPTIONAL_KINDS};
use intervault::format::layout::records::STRUCTS;
use intervault::format::layout::{block, numbers};
use intervault::format::record::{FRAME_LEN, Record, decode_record, encode_record};
use intervault::format::section::{CLOCK_KINDS, SectionEndRecord};
use intervault::format::version::RESERVED_FEATURES;
use intervault::format::{label, marks, section};
use intervault::schema::grain::{DataType, Grain};
use intervault::testing::records;
use std::collections::BTreeMap;

/// Rows of cells; the backticks of Markdown are taken off.
type Table = Vec<Vec<String>>;

fn specification() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/format-spec.md");
    std::fs::read_to_string(path).unwrap()
}

/// The marked tables of a specification: `<!-- table: name -->` or `<!-- struct: name -->`, then a Markdown table.
fn tables(text: &str) -> Result<BTreeMap<String, Table>, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(mark) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        if mark.starts_with("hex: ") {
            continue;
        }
        if lines.next().is_some_and(|line| !line.is_empty()) {
            return Err(format!("{mark}: no table after an empty line"));
        }
        let rows: Vec<&str> = lines.by_ref().take_while(|line| line.starts_with('|')).collect();
        let cells = |line: &&str| -> Vec<String> {
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
        };
        let width = rows.first().map_or(0, |head| cells(head).len());
        if rows.len() < 3 || rows.iter().any(|row| cells(row).len() != width) {
            return Err(format!("{mark}: no table, or one with rows of different widths"));
        }
        if found.insert(mark.to_owned(), rows.iter().skip(2).map(cells).collect()).is_some() {
            return Err(format!("{mark}: twice"));
        }
    }
    Ok(found)
}

/// A row of the first cells that a table must have.
fn row(cells: &[&dyn ToString]) -> Vec<String> {
    cells.iter().map(|cell| cell.to_string()).collect()
}

/// What the code says: for every table the first cells of every row.
fn expected() -> BTreeMap<String, Table> {
    let mut out = BTreeMap::new();
    let mut table = |name: &str, rows: Table| assert!(out.insert(name.to_owned(), rows).is_none(), "{name}");
    for layout in STRUCTS {
        let fields = layout.fields.iter().map(|(name, kind)| row(&[name, kind])).collect();
        table(&format!("struct: {}", layout.name), fields);
    }
    let kinds = STRUCTS.iter().filter_map(|layout| layout.record.map(|(kind, version)| (kind, version, layout.name)));
    table("table: record kinds", kinds.map(|(kind, version, name)| row(&[&kind, &version, &name])).collect());
    let header = block::FIELDS.iter().map(|field| row(&[&field.offset, &field.width, &field.name])).collect();
    table("table: header", header);
    table("table: frame", vec![row(&[&0, &2, &"kind"]), row(&[&2, &2, &"version"]), row(&[&4, &4, &"length"])]);
    let in_section = |kind: &BlockKind| if kind.in_section() { "yes" } else { "no" };
    let kinds = BlockKind::ALL.iter().map(|kind| row(&[&kind.id(), &kind.name(), &in_section(kind)])).collect();
    table("table: kinds", kinds);
    table("table: reserved kinds", BlockKind::RESERVED.iter().map(|(id, name)| row(&[id, name])).collect());
    table("table: grains", Grain::ALL.iter().map(|grain| row(&[&grain.id(), &grain.name()])).collect());
    table("table: clocks", CLOCK_KINDS.iter().map(|(id, name)| row(&[id, name])).collect());
    let bits = DataType::ALL.iter().map(|data_type| row(&[&data_type.bit().trailing_zeros(), &data_type.name()]));
    let specific = row(&[&label::data_types::SPECIFIC.trailing_zeros(), &"specific"]);
    table("table: data types", bits.chain([specific]).collect());
    table("table: logical types", LOGICAL.iter().map(|(logical, name)| row(&[&logical.to_stored().0, name])).collect());
    table("table: limits", numbers::LIMITS.iter().map(|(name, value)| row(&[name, value])).collect());
    table("table: fixed", numbers::FIXED.iter().map(|(name, value)| row(&[name, value])).collect());
    table("table: features", RESERVED_FEATURES.iter().map(|(bit, name)| row(&[bit, name])).collect());
    let columns = COLUMNS.iter().enumerate().map(|(at, (name, logical))| row(&[&at, name, &tree_type(*logical)]));
    table("table: file tree columns", columns.collect());
    table("table: file kinds", Kind::ALL.iter().map(|kind| row(&[&kind.id(), &kind.name()])).collect());
    let states = [(State::Sound, "sound"), (State::Changed, "changed"), (State::Unread, "unread")];
    table("table: file states", states.iter().map(|(state, name)| row(&[&state.id(), name])).collect());
    let numbered = |(number, row): (usize, Vec<String>)| [vec![number.to_string()], row].concat();
    table("table: example rows", example::rows().into_iter().enumerate().map(numbered).collect());
    let types = ["u8, u16, u32, u64", "i32, i64", "bool", "bytes N", "text", "list of T", "option of T", "(A, B)"];
    let types = types.iter().chain(&["a struct", "embedded R"]).map(|name| row(&[name])).collect();
    table("table: types", types);
    out
}

/// A logical type as the columns of a file tree name it.
fn tree_type(logical: LogicalType) -> String {
    match logical {
        LogicalType::Integer { bits } => format!("integer {bits}"),
        LogicalType::Blob => "blob".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The tables of chapter 7, due as soon as it has text.
fn encodings() -> [(String, Table); 3] {
    let bytes = |list: &[(u8, &str)]| -> Table { list.iter().map(|(id, name)| row(&[id, name])).collect() };
    [
        ("table: encodings".to_owned(), id::ENCODINGS.iter().map(|(id, name)| row(&[id, name])).collect()),
        ("table: number forms".to_owned(), bytes(id::form::FORMS)),
        ("table: byte methods".to_owned(), bytes(id::method::METHODS)),
    ]
}

/// The text of a chapter, without its heading; empty if there is no such chapter.
fn chapter(text: &str, number: u32) -> &str {
    let begin = |number: u32| text.find(&format!("\n## {number}. "));
    let body = begin(number).map_or("", |at| text.get(at..begin(number + 1).unwrap_or(text.len())).unwrap_or(""));
    body.trim_start().split_once('\n').map_or("", |(_, body)| body.trim())
}

const LOGICAL: [(LogicalType, &str); 12] = [
    (LogicalType::Integer { bits: 16 }, "integer"),
    (LogicalType::Float { bits: 64 }, "float"),
    (LogicalType::Decimal { precision: 9, scale: 2 }, "decimal"),
    (LogicalType::Boolean, "boolean"),
    (LogicalType::Date, "date"),
    (LogicalType::Time, "time"),
    (LogicalType::Timestamp, "timestamp"),
    (LogicalType::TimestampZone, "timestamp with zone"),
    (LogicalType::Text, "text"),
    (LogicalType::FixedText { width: 4 }, "fixed text"),
    (LogicalType::Blob, "blob"),
    (LogicalType::Any, "any"),
];

/// Every way in which a specification differs from the code.
fn differences(text: &str) -> Vec<String> {
    let found = match tables(text) {
        Ok(found) => found,
        Err(fault) => return vec![fault],
    };
    let mut expected = expected();
    if !chapter(text, 7).is_empty() {
        expected.extend(encodings());
    }
    let mut faults: Vec<String> =
        found.keys().filter(|name| !expected.contains_key(*name)).map(|name| format!("{name}: unknown")).collect();
    for (name, rows) in &expected {
        let Some(stated) = found.get(name) else {
            faults.push(format!("{name}: missing"));
            continue;
        };
        for (at, row) in rows.iter().enumerate() {
            match stated.get(at) {
                None => faults.push(format!("{name}: row {row:?} is missing")),
                Some(cells) if cells.get(..row.len()) != Some(row) => {
                    faults.push(format!("{name}: {cells:?} should begin with {row:?}"));
                }
                Some(_) => {}
            }
        }
        faults.extend(stated.iter().skip(rows.len()).map(|row| format!("{name}: row {row:?} is too much")));
    }
    for name in ["table: header", "table: frame"] {
        faults.extend(found.get(name).into_iter().flatten().filter_map(|row| width_fault(name, row)));
    }
    faults
}

/// Whether the type of a fixed field has its width.
fn width_fault(name: &str, row: &[String]) -> Option<String> {
    let [_, width, field, kind, ..] = row else { return Some(format!("{name}: {row:?} is too short")) };
    let bytes = match kind.as_str() {
        "u8" => "1",
        "u16" => "2",
        "u32" => "4",
        "u64" => "8",
        other => other.strip_prefix("bytes ").unwrap_or("?"),
    };
    (bytes != width).then(|| format!("{name}: {field} is {kind} and {width} wide"))
}

#[test]
fn the_specification_says_what_the_code_does() {
    let faults = differences(&specification());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn planted_faults_are_found() {
    let spec = specification();
    let plant = |from: &str, to: &str| {
        assert_eq!(spec.matches(from).count(), 1, "{from:?} should be there once");
        differences(&spec.replace(from, to))
    };
    let cases = [
        // A wrong width, a wrong offset, a type that does not fit its width.
        ("| 52 | 4 | `key_id` | u32", "| 52 | 8 | `key_id` | u32", 2, "key_id is u32 and 8 wide"),
        ("| 56 | 16 | `tag`", "| 57 | 16 | `tag`", 1, r#"should begin with ["56", "16", "tag"]"#),
        (
            "| `block` | u64 | block number in the volume, from 0 |",
            "| `block` | u32 | x |",
            1,
            "block is u32 and 8 wide",
        ),
        // A row missing, a row too much, two rows swapped, a field renamed, a type changed.
        (
            "| `retain_until` | option of i32 | day before which the volume should not be overwritten |\n",
            "",
            2,
            "retain",
        ),
        ("| 12 | any |", "| 12 | any | - | - | any |\n| 13 | other |", 1, r#"["13", "other""#),
        ("| `stored` | u32 | bytes stored |", "| `stored_bytes` | u32 | bytes stored |", 1, "stored_bytes"),
        ("| `digest_id` | u16 |", "| `digest_id` | u8 |", 1, "digest_id"),
        // Ids and numbers.
        ("| 128 | parity |", "| 10 | parity |", 1, "128"),
        ("| rows in a chunk | 65536 |", "| rows in a chunk | 65535 |", 1, "rows in a chunk"),
        ("| 1 | continued rows |", "| 3 | continued rows |", 1, "continued rows"),
        ("| 5 | event |", "| 6 | event |", 1, "event"),
        // A table missing, one that nobody knows, one that is none.
        ("<!-- struct: cutoff entry -->", "", 1, "struct: cutoff entry: missing"),
        ("<!-- struct: held entry -->", "<!-- struct: holding -->", 2, "struct: holding: unknown"),
        ("<!-- table: fixed -->\n", "<!-- table: fixed -->\nwords", 1, "table: fixed: no table"),
        ("<!-- table: limits -->", "<!-- table: fixed -->", 1, "table: fixed: twice"),
    ];
    for (from, to, count, says) in cases {
        let faults = plant(from, to);
        assert!(faults.len() >= count && faults.iter().any(|fault| fault.contains(says)), "{from:?}: {faults:?}");
    }
}

#[test]
fn the_logical_types_listed_are_all_there_are() {
    for (logical, name) in LOGICAL {
        let (id, first, second) = logical.to_stored();
        assert_eq!(LogicalType::from_stored(id, first, second), Some(logical), "{name}");
    }
    let known = |id: u16| (0..=64).any(|first| LogicalType::from_stored(id, first, 0).is_some());
    assert_eq!((0..200).filter(|id| known(*id)).collect::<Vec<u16>>(), (1..=12).collect::<Vec<u16>>());
    let ids = (0..=255).filter(|id| BlockKind::from_id(*id).is_some());
    assert_eq!(ids.collect::<Vec<u8>>(), (1..=7).chain(OPTIONAL_KINDS..=255).collect::<Vec<u8>>());
}

#[test]
fn records_have_the_kinds_that_the_layout_says() {
    fn one<R: Record>(sample: &R) -> (u16, u16, &'static str) {
        let payload = encode_record(sample).unwrap();
        let le = |at: usize| u16::from_le_bytes([payload[at], payload[at + 1]]);
        assert_eq!(u32::from_le_bytes(payload[4..8].try_into().unwrap()) as usize, payload.len() - FRAME_LEN);
        (le(0), le(2), R::NAME)
    }
    let stored = intervault::for_every_record!(sample => one(&sample));
    let listed: Vec<_> =
        STRUCTS.iter().filter_map(|s| s.record.map(|(kind, version)| (kind, version, s.name))).collect();
    assert_eq!(stored, listed);
}

#[test]
fn numbers_in_the_text_are_those_of_the_code() {
    let spec = specification();
    let numbers = [
        (day_of_civil(2024, 2, 29).unwrap().to_string(), "19782 is 2024-02-29"),
        (Instant::MIN.0.to_string(), "from -62135596800 to"),
        (Instant::MAX.0.to_string(), "to 253402300800."),
        (Instant::of_day(day_of_civil(2024, 2, 29).unwrap()).0.to_string(), "start 1709164800"),
    ];
    for (number, sentence) in numbers {
        assert!(sentence.contains(&number) && spec.contains(sentence), "{sentence}");
    }
}

/// The bytes of a hexadecimal block: `<!-- hex: name -->`, then a fenced text of lines `OFFSET: BYTES # MEANING`.
fn hex_block(text: &str, name: &str) -> Result<Vec<u8>, String> {
    let (_, after) = text.split_once(&format!("<!-- hex: {name} -->\n")).ok_or_else(|| format!("no block {name}"))?;
    let (_, fenced) = after.split_once("```text\n").ok_or_else(|| format!("{name}: no fence"))?;
    let (block, _) = fenced.split_once("```").ok_or_else(|| format!("{name}: no end"))?;
    let mut bytes = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let data = line.split('#').next().unwrap_or_default();
        let fault = |what: &str| format!("{name}: {what}: {line}");
        let (offset, data) = data.split_once(':').ok_or_else(|| fault("no offset"))?;
        if usize::from_str_radix(offset.trim(), 16) != Ok(bytes.len()) {
            return Err(fault(&format!("the offset should be {:02X}", bytes.len())));
        }
        for pair in data.split_whitespace() {
            let byte = u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2);
            bytes.push(byte.ok_or_else(|| fault("no byte"))?);
        }
    }
    Ok(bytes)
}

#[test]
fn a_hexadecimal_block_with_a_fault_is_refused() {
    let block = |lines: &str| hex_block(&format!("x\n<!-- hex: t -->\n\n```text\n{lines}\n```\n"), "t");
    assert_eq!(block("00: 01 02 # two\n02: ff"), Ok(vec![1, 2, 255]));
    for lines in ["00: 01 02\n03: ff", "00: 1", "00: 0102", "01 02", "00: 01 zz"] {
        assert!(block(lines).is_err(), "{lines}");
    }
    assert!(hex_block("", "t").is_err());
}

#[test]
fn the_example_block_is_one() {
    let bytes = hex_block(&specification(), "empty block").unwrap();
    let header = BlockHeader::parse(&bytes).unwrap();
    assert_eq!((header.kind, header.payload_len), (BlockKind::Optional(200), 0));
    assert_eq!((header.identity.set, header.identity.volume, header.identity.block), (records::SET, 2, 5));
    assert_eq!((header.payload(&bytes).unwrap(), header.block_len()), (&[][..], bytes.len()));
    let again = intervault::format::block::encode_block(header.kind, header.identity, &[]).unwrap();
    assert_eq!(again, bytes);
}

#[test]
fn the_example_record_is_one() {
    let bytes = hex_block(&specification(), "section end record").unwrap();
    let held = section::HeldEntry { acd: Some(1), start: 1_709_164_800, stop: 1_709_168_400 };
    let record = SectionEndRecord {
        rows: 3,
        chunks: 1,
        buckets: 1,
        digest: [0xD1; 16],
        held: vec![held],
        envelope: vec![held],
        lost: None,
    };
    assert_eq!(decode_record::<SectionEndRecord>(&bytes).unwrap(), record);
    assert_eq!(encode_record(&record).unwrap(), bytes);
}

#[test]
fn the_end_mark_has_its_length_whatever_it_says() {
    let smallest = marks::VolumeEndRecord { set_complete: false, ..records::volume_end() };
    for record in [records::volume_end(), smallest] {
        let payload = encode_record(&record).unwrap();
        assert_eq!(intervault::format::block::block_len(payload.len()), marks::VOLUME_END_BLOCK_LEN);
    }
}

#[test]
fn every_chapter_is_there_in_order() {
    let spec = specification();
    let headings: Vec<&str> = spec.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(headings.len(), 12);
    for (number, heading) in (1..).zip(&headings) {
        assert!(heading.starts_with(&format!("## {number}. ")), "{heading}");
    }
    // What a chapter with text owes is asked for, and a chapter without is seen as such.
    let empty = "\n## 7. Column encodings\n\n## 8. Row digest\n";
    assert_eq!(chapter(empty, 7), "");
    assert!(chapter(&spec, 10).starts_with("A value above its limit"));
    let faults = differences(&empty.replace("encodings\n", "encodings\n\nWords.\n"));
    assert!(faults.contains(&"table: encodings: missing".to_owned()), "{faults:?}");
}
