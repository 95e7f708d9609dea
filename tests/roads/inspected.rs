//! `inspect`: every byte of a block is told of once, whatever it is; what is wrong is marked; any file can be looked at.

use super::commands::{Case, intervault, json, run};
use super::dialogue::Terminal;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::{BlockHeader, BlockIdentity, BlockKind, HEADER_LEN, SetId, encode_block};
use intervault::format::layout::block::FIELDS;
use intervault::format::record::encode_record;
use intervault::inspect::{self, Block, ENTRIES_SHOWN, Listed, Medium, Run, Stretch};
use intervault::testing::records;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

/// Name and bytes of the golden volumes.
fn volumes() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path());
    let volumes = entries.filter(|path| path.extension().is_some_and(|end| end == "ivv"));
    let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap());
    let mut volumes: Vec<_> = volumes.map(named).collect();
    volumes.sort();
    volumes
}

fn held(bytes: &[u8]) -> MemoryDevice {
    let device = MemoryDevice::new();
    device.insert("a.ivv", bytes.to_vec());
    device
}

fn medium(device: &MemoryDevice) -> Medium<'_> {
    Medium::new("a.ivv", || device.open("a.ivv"))
}

fn read(bytes: &[u8], offset: u64) -> Block {
    let device = held(bytes);
    Block::read(device.open("a.ivv").unwrap().as_ref(), offset).unwrap()
}

/// The faults of a block, each with the name of its field, after a proof that its bytes are told of once and in order.
fn faults(block: &Block, entries: u64) -> Vec<(String, String)> {
    let (mut next, mut faults) = (0, Vec::new());
    block.parts(entries, &[], &mut |part| {
        assert_eq!(part.at, next, "{part:?}");
        let from = usize::try_from(part.at).unwrap();
        assert_eq!(part.bytes, &block.bytes[from..from + part.bytes.len()]);
        next += part.bytes.len() as u64;
        faults.extend(part.fault.map(|fault| (part.name, fault)));
        true
    });
    assert_eq!(next, block.bytes.len() as u64, "bytes are left out");
    faults
}

/// The offsets of a volume's blocks.
fn offsets(bytes: &[u8]) -> Vec<u64> {
    let device = held(bytes);
    let mut offsets = Vec::new();
    inspect::list_blocks(&medium(&device), &mut |listed| {
        match listed {
            Listed::Block(block) => offsets.push(block.offset),
            Listed::Damaged { why, .. } => panic!("{why}"),
        }
        true
    })
    .unwrap();
    offsets
}

/// xorshift: the same numbers on every run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn every_byte_of_every_sound_block_is_told_of_once_and_nothing_is_wrong_with_it() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, bytes) in volumes() {
        for offset in offsets(&bytes) {
            let block = read(&bytes, offset);
            kinds.insert(block.bytes[12]);
            for entries in [0, 1, ENTRIES_SHOWN, u64::MAX] {
                assert_eq!(faults(&block, entries), [], "{name}, byte {offset}");
            }
            assert_eq!(block.verdict, Ok(()));
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7], "blocks of all kinds");
}

/// A changed bit shows in the checksum that covers it, and in the field itself where its value is not allowed.
#[test]
fn every_changed_bit_of_a_block_is_marked() {
    let (_, bytes) = volumes().remove(0);
    for offset in offsets(&bytes).into_iter().take(6) {
        let sound = read(&bytes, offset).bytes;
        for bit in 0..sound.len() * 8 {
            let mut changed = sound.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let block = read(&changed, 0);
            assert!(block.verdict.is_err());
            let faults = faults(&block, ENTRIES_SHOWN);
            let marked = |field: &str| faults.iter().any(|(name, _)| name == field);
            let (at, payload) = (bit / 8, FIELDS.iter().find(|field| field.name == "payload_crc").unwrap().offset);
            let wanted =
                if at >= HEADER_LEN || (payload..payload + 4).contains(&at) { "payload_crc" } else { "header_crc" };
            assert!(marked(wanted), "bit {bit} of the block at {offset}: {faults:?}");
            let field = FIELDS.iter().find(|field| (field.offset..field.offset + field.width).contains(&at));
            let bound = |name: &str| {
                ["magic", "format_version", "header_len", "flags", "reserved", "key_id", "tag"].contains(&name)
            };
            if let Some(field) = field.filter(|field| bound(field.name)) {
                assert!(marked(field.name), "bit {bit}: {faults:?}");
            }
        }
    }
}

/// Whatever the bytes are, they are told of once, and nothing panics; also where all checksums are right.
#[test]
fn changed_bytes_are_walked_past_wherever_they_are() {
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for (_, bytes) in volumes() {
        for offset in offsets(&bytes) {
            let sound = read(&bytes, offset).bytes;
            let header = BlockHeader::parse(&sound).unwrap();
            let payload = header.payload(&sound).unwrap();
            for _ in 0..40 {
                let mut changed = payload.to_vec();
                for _ in 0..=random(&mut state) % 3 {
                    let at = (random(&mut state) % changed.len() as u64) as usize;
                    changed[at] = if random(&mut state).is_multiple_of(3) { 0xFF } else { random(&mut state) as u8 };
                }
                let block = encode_block(header.kind, header.identity, &changed).unwrap();
                faults(&read(&block, 0), ENTRIES_SHOWN);
                let cut = (random(&mut state) % block.len() as u64) as usize;
                faults(&read(&block[..cut.max(1)], 0), u64::MAX);
            }
        }
    }
}

#[test]
fn a_list_that_claims_to_be_endless_ends_with_its_block() {
    let (_, bytes) = volumes().remove(0);
    let at = offsets(&bytes)[1];
    let sound = read(&bytes, at).bytes;
    let header = BlockHeader::parse(&sound).unwrap();
    let record = encode_record(&records::block_list()).unwrap();
    let mut endless = record;
    endless[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let identity = BlockIdentity { section: 0, ..header.identity };
    let block = encode_block(BlockKind::VolumeIndex, identity, &endless).unwrap();
    let faults = faults(&read(&block, 0), ENTRIES_SHOWN);
    assert!(
        faults.iter().any(|(name, fault)| name == "further bytes" && fault.contains("left in the record")),
        "{faults:?}"
    );
}

/// What of a record makes no sense ends with the record: the next one is named as if nothing were before it.
#[test]
fn a_record_that_breaks_off_does_not_hide_the_next_one() {
    let identity = BlockIdentity { set: SetId([7; 16]), volume: 1, block: 3, section: 0 };
    let (mut first, second) =
        (encode_record(&records::label()).unwrap(), encode_record(&records::volume_end()).unwrap());
    // The length of the label's text.
    first[8 + 36..8 + 44].fill(0xFF);
    let payload = [first.clone(), second].concat();
    let block = read(&encode_block(BlockKind::VolumeIndex, identity, &payload).unwrap(), 0);
    let mut told = Vec::new();
    block.parts(ENTRIES_SHOWN, &[], &mut |part| {
        told.push((part.at, part.name, part.fault.is_some()));
        true
    });
    let second = told.iter().find(|(at, ..)| *at == 80 + first.len() as u64).unwrap();
    assert_eq!((second.1.as_str(), second.2), ("record kind", false), "{told:?}");
    let rest: Vec<_> = told.iter().filter(|(_, name, _)| name == "further bytes").collect();
    assert_eq!((rest.len(), rest[0].2, rest[0].0), (1, true, 80 + 8 + 44), "{told:?}");
    assert!(told.iter().any(|(_, name, fault)| name == "index_offset" && !fault), "{told:?}");
}

/// Damage, what is cut off and what was put before a block: the map accounts for every byte, runs lie side by side.
#[test]
fn a_map_leaves_out_no_byte() {
    let (_, bytes) = volumes().remove(0);
    let places = offsets(&bytes);
    let mut hurt = bytes.clone();
    hurt[places[5] as usize + 90] ^= 1;
    hurt[places[9] as usize..places[12] as usize].fill(0xA5);
    for bytes in
        [bytes.clone(), bytes[..bytes.len() - 100].to_vec(), hurt, vec![0; 5_000], b"text".to_vec(), Vec::new()]
    {
        let device = held(&bytes);
        let (mut next, mut damage) = (0, 0);
        let coverage = inspect::map(&medium(&device), &mut |run: Run| {
            assert_eq!(run.offset, next);
            next += run.bytes;
            damage += if matches!(run.what, Stretch::Damaged { .. }) { run.bytes } else { 0 };
            true
        })
        .unwrap();
        assert!(coverage.is_whole());
        assert_eq!((next, damage), (bytes.len() as u64, coverage.damaged));
    }
}

#[test]
fn a_block_is_found_by_the_index_by_a_scan_and_where_only_damage_is() {
    let (_, bytes) = volumes().remove(0);
    let places = offsets(&bytes);
    let find = |bytes: &[u8], number| {
        let device = held(bytes);
        inspect::find_block(&medium(&device), number).unwrap().map(|found| (found.offset, found.how.name()))
    };
    let without = &bytes[..bytes.len() - 192];
    let mut hurt = without.to_vec();
    hurt[places[5] as usize + 90] ^= 1;
    let mut gone = without.to_vec();
    gone[places[7] as usize..places[9] as usize].fill(0xA5);
    for (number, offset) in (0..).zip(&places) {
        assert_eq!(find(&bytes, number), Some((*offset, "index")));
        let last = number + 1 == places.len() as u64;
        assert_eq!(find(without, number), (!last).then_some((*offset, "scan")), "{number}");
        assert_eq!(find(&hurt, number), (!last).then_some((*offset, "scan")), "{number}");
    }
    // Of two blocks in one stretch the stretch is all that is known.
    assert_eq!(find(&gone, 7), Some((places[7], "scan")));
    assert_eq!(find(&gone, 8), Some((places[7], "scan")));
    assert_eq!((find(&bytes, 900), find(&gone, 900)), (None, None));
}

/// What people see of each kind of block and of the whole, held against the file of the last release:
/// `INTERVAULT_BLESS=1` writes it anew.
#[test]
fn the_golden_blocks_look_as_they_did() {
    let folder = golden().display().to_string();
    let mut shown = String::new();
    let blocks = [("1", "0"), ("1", "4"), ("1", "5"), ("1", "6"), ("1", "22"), ("1", "23"), ("3", "1")];
    for (volume, block) in blocks {
        shown.push_str(&format!("== block {block}, volume {volume}\n"));
        shown.push_str(&run(&["inspect", "block", block, &folder, "--volume", volume], 0).0);
    }
    shown.push_str("== byte 100, volume 2\n");
    shown.push_str(&run(&["inspect", "block", "--at", "100", &folder, "--volume", "2"], 0).0);
    shown.push_str("== map\n");
    shown.push_str(&run(&["inspect", "map", &folder], 0).0);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/inspect.txt");
    if std::env::var("INTERVAULT_BLESS").as_deref() == Ok("1") {
        std::fs::write(&file, &shown).unwrap();
    }
    assert_eq!(shown, std::fs::read_to_string(file).unwrap());
}

#[test]
fn any_file_can_be_looked_at_and_what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("empty"), b"").unwrap();
    std::fs::write(path("empty.ivv"), b"").unwrap();
    std::fs::write(path("letter.txt"), b"Dear Sir,\x1b[2J\n").unwrap();
    let letter = path("letter.txt");
    let (text, _) = run(&["inspect", "block", "0", &letter], 4);
    assert!(text.contains("no block begins here") && text.contains("44 65 61 72"), "{text}");
    assert!(!text.contains('\u{1b}'));
    let (text, _) = run(&["inspect", "block", "--at", "5", &letter], 0);
    assert!(text.contains("53 69 72 2c"), "{text}");
    let (text, _) = run(&["inspect", "map", &letter], 4);
    assert!(text.contains("14 bytes") && text.contains("80 bytes wanted"), "{text}");
    // A sound volume has nothing wrong, one with a changed bit has.
    let (_, mut bytes) = volumes().remove(0);
    for status in [0, 4] {
        std::fs::write(path("one.ivv"), &bytes).unwrap();
        json(&["inspect", "block", "0", &path("one.ivv")], status);
        run(&["inspect", "map", &path("one.ivv")], status);
        bytes[70] ^= 1;
    }
    std::fs::remove_file(path("one.ivv")).unwrap();
    for name in ["empty", "empty.ivv"] {
        assert!(run(&["inspect", "map", &path(name)], 4).0.contains("0 bytes"));
        run(&["inspect", "block", "0", &path(name)], 10);
        run(&["inspect", "block", "--at", "0", &path(name)], 10);
    }
    run(&["inspect", "block", "--at", "14", &letter], 10);
    run(&["inspect", "block", "1", &path("none")], 10);
    let folder_of_none = path("");
    let (_, error) = run(&["inspect", "block", &letter], 2);
    assert!(error.contains("which block"), "{error}");
    run(&["inspect", "block", "1", &letter, "--at", "3"], 2);
    std::fs::remove_file(path("empty.ivv")).unwrap();
    run(&["inspect", "map", &folder_of_none], 10);
}

#[test]
fn volumes_are_told_apart_by_set_and_number() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in volumes() {
        std::fs::write(folder.path().join(&name), &bytes).unwrap();
    }
    let path = folder.path().display().to_string();
    assert_eq!(json(&["inspect", "block", "0", &path], 0)["name"], volumes()[0].0.as_str());
    let second = json(&["inspect", "block", "0", &path, "--volume", "2", "--set", "901de201"], 0);
    assert_eq!(second["name"], volumes()[1].0.as_str());
    let (_, error) = run(&["inspect", "block", "0", &path, "--volume", "4"], 10);
    assert!(error.contains("no such volume"), "{error}");
    run(&["inspect", "block", "0", &path, "--set", "0000"], 10);
    assert_eq!(json(&["inspect", "map", &path], 0)["volumes"].as_array().unwrap().len(), 3);
    // A volume of another set, whatever its name says.
    let identity = BlockIdentity { set: SetId([7; 16]), volume: 1, block: 0, section: 0 };
    let label =
        intervault::format::label::LabelRecord { set_id: [7; 16], volume: 1, predecessor: None, ..records::label() };
    let block = encode_block(BlockKind::Label, identity, &encode_record(&label).unwrap()).unwrap();
    std::fs::write(folder.path().join("other.ivv"), block).unwrap();
    let (_, error) = run(&["inspect", "block", "0", &path], 2);
    assert!(error.contains("2 sets: 07070707, 901de201"), "{error}");
    let other = json(&["inspect", "block", "0", &path, "--set", "07070707"], 0);
    assert_eq!((other["name"].as_str(), other["found_by"].as_str()), (Some("other.ivv"), Some("scan")));
}

#[test]
fn what_a_terminal_would_act_on_is_escaped() {
    let identity = BlockIdentity { set: SetId([7; 16]), volume: 1, block: 0, section: 0 };
    let text = "CMS\u{1b}[2J\u{202e}\0\n-01".to_owned();
    let label = intervault::format::label::LabelRecord {
        set_id: [7; 16],
        volume: 1,
        label: text,
        predecessor: None,
        ..records::label()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd\u{1b}[31m.ivv").display().to_string();
    std::fs::write(&path, encode_block(BlockKind::Label, identity, &encode_record(&label).unwrap()).unwrap()).unwrap();
    for arguments in
        [&["inspect", "block", "0"][..], &["inspect", "map"], &["check", "--labels"], &["check", "--blocks"]]
    {
        let output = intervault(&[arguments, &[&path]].concat());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.is_empty() && !said.contains(['\u{1b}', '\u{202e}', '\0']), "{arguments:?}: {said}");
        assert!(said.contains("\\u{1b}"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = golden().display().to_string();
    let listings =
        ["--labels", "--sections", "--blocks", "--chunks", "--coverage"].map(|what| vec!["check", &folder, what]);
    let further = [vec!["inspect", "map", &folder], vec!["inspect", "block", "4", &folder]];
    for arguments in listings.into_iter().chain(further) {
        for json in [&[][..], &["--json"]] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
                .args(&arguments)
                .args(json)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
        }
    }
}

/// Lines that are longer than a terminal is wide though they have a blank to be broken at.
fn too_long(shown: &str, width: usize) -> Vec<&str> {
    let long = |line: &&str| line.chars().count() > width && line.trim().contains(' ');
    shown.lines().map(str::trim_end).filter(long).collect()
}

/// Whatever is shown, no line is longer than the terminal is wide.
#[test]
fn no_line_is_longer_than_forty_columns() {
    let case = Case::new();
    let folder = case.device();
    let listings =
        ["--labels", "--sections", "--blocks", "--chunks", "--coverage", "-l"].map(|what| vec!["check", &folder, what]);
    let inspected =
        [vec!["inspect", "map", &folder], vec!["inspect", "block", "3", &folder], vec!["check", &folder, "-v"]];
    for arguments in listings.into_iter().chain(inspected) {
        for width in [40, 72] {
            let (shown, status) = Terminal::of_width(env!("CARGO_BIN_EXE_intervault"), &arguments, width).ends();
            assert_eq!(status.code(), Some(0), "{shown}");
            assert_eq!(too_long(&shown, usize::from(width)), [""; 0], "{arguments:?}");
            assert!(shown.lines().count() > 3, "{arguments:?}: {shown}");
        }
    }
}

#[test]
fn a_block_is_shown_in_forty_columns() {
    let folder = golden().display().to_string();
    let arguments = ["inspect", "block", "6", &folder, "--color", "never"];
    let terminal = Terminal::of_width(env!("CARGO_BIN_EXE_intervault"), &arguments, 40);
    let (shown, status) = terminal.ends();
    assert_eq!(status.code(), Some(0), "{shown}");
    let bytes = |line: &&str| line.contains("  8b 49");
    let line = shown.lines().find(bytes).unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(line.trim_end(), "   0  8b 49 56 42 0d 0a 1a 0a");
    assert!(shown.contains("   0  magic\r\n"), "{shown}");
}
