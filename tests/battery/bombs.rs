//! Volumes made to harm: small ones that ask for much. Listed, verified, outlined and planned with in a process of 320 MiB and
//! little time; what they are told with stays short.

use super::confined::confined;
use super::restores::Target;
use super::tiers::long;
use intervault::base::monitor::Silent;
use intervault::base::time::{Instant, day_of_civil};
use intervault::check::outline;
use intervault::column::id::{EQUAL, INTEGERS, STRINGS};
use intervault::device::memory::MemoryDevice;
use intervault::format::block::{BlockIdentity, BlockKind, encode_block};
use intervault::format::chunk::{ColumnBytesEntry, PieceEntry, parse_chunk};
use intervault::format::layout::block as at;
use intervault::format::record::{decode_record, encode_record};
use intervault::format::section::{HeldEntry, SectionEndRecord, SectionRecord};
use intervault::restore::{Missing, Options, Restore};
use intervault::store::sqlite::SqliteStore;
use intervault::testing::damage::{Place, mend, payload, places};
use intervault::testing::fields::fields;
use intervault::testing::fixtures::small;
use intervault::testing::sets::{sample_header, sample_label};
use intervault::verify::set::verify_set;
use intervault::volume::set::list_sets;
use intervault::volume::set_writer::{ChunkContent, SetOptions, SetWriter};

/// What a bomb is expected to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Something is found to be wrong.
    Refused,
    /// It is odd and allowed.
    Borne,
}

pub type Bomb = (&'static str, Fate, fn() -> Vec<Vec<u8>>);

/// A column of a chunk: encoding, bytes, and how many it says that they decode to.
type Stored = (u16, Vec<u8>, u32);

/// A set of one volume with one table of one chunk, which has these columns and says that it has so many rows.
fn chunk(rows: u32, columns: Vec<Stored>) -> Vec<Vec<u8>> {
    written(|set| {
        let first = sample_header("hsplit");
        let column = |at: usize| {
            let mut column = first.columns[0].clone();
            column.name = format!("c{at}");
            column
        };
        let header = SectionRecord {
            grain: 0,
            clock: intervault::format::section::ClockEntry { kind: 0, length_minutes: 0, ..first.clock.clone() },
            acd_column: None,
            columns: (0..columns.len()).map(column).collect(),
            ..first
        };
        set.begin_section(header).unwrap();
        let piece = PieceEntry {
            acd: None,
            day: None,
            piece: 0,
            last: 1,
            rows,
            carried: 0,
            first: 0,
            stop: 0,
            digest: [7; 16],
            carried_digest: None,
        };
        let entry = |(encoding, bytes, decoded): &Stored| ColumnBytesEntry {
            encoding: *encoding,
            stored: bytes.len() as u32,
            decoded: *decoded,
        };
        set.chunk(ChunkContent {
            rows,
            columns: columns.iter().map(entry).collect(),
            bytes: columns.iter().map(|(_, bytes, _)| bytes.clone()).collect(),
            pieces: vec![piece],
        })
        .unwrap();
        set.end_section(Vec::new()).unwrap();
    })
}

/// A set of one volume, written by the real writer.
fn written(sections: impl FnOnce(&mut SetWriter<'_>)) -> Vec<Vec<u8>> {
    let device = MemoryDevice::new();
    let mut set = SetWriter::create(&device, sample_label(3), &SetOptions { volume_size: None }).unwrap();
    sections(&mut set);
    let summary = set.finish(Vec::new(), Vec::new()).unwrap();
    summary.volumes.iter().map(|volume| device.bytes(&volume.name).unwrap()).collect()
}

/// A zstd frame of so many runs of 128 KiB zeros: four bytes each. `window` is its window descriptor.
fn frame(runs: usize, window: u8, said: Option<u64>) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, if said.is_some() { 0xC0 } else { 0 }, window];
    frame.extend(said.map(u64::to_le_bytes).into_iter().flatten());
    for run in 1..=runs {
        let header = (128u32 << 10) << 3 | 1 << 1 | u32::from(run == runs);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// A column of strings, all in one frame that is said to decompress to `raw` bytes.
fn strings(raw: u32, frame: &[u8]) -> Stored {
    let mut bytes = vec![2, 1];
    bytes.extend(i64::from(raw).to_le_bytes());
    bytes.push(2);
    bytes.extend(raw.to_le_bytes());
    bytes.extend((frame.len() as u32).to_le_bytes());
    bytes.extend(frame);
    (STRINGS, bytes, raw.saturating_add(4).min(64 << 20))
}

/// So many equal numbers in ten bytes.
fn constant() -> Vec<u8> {
    [vec![0, 1], 7i64.to_le_bytes().to_vec()].concat()
}

/// The first volume of the fixture with a field of its end mark changed.
fn end_mark(name: &str, value: u64) -> Vec<Vec<u8>> {
    let (_, mut volume) = small(None).volumes.remove(0);
    let place = *places(&volume).last().unwrap();
    let field = fields(&volume[place.at..place.end()]).unwrap().into_iter().find(|field| field.name == name).unwrap();
    let start = place.at + field.at;
    volume[start..start + field.width].copy_from_slice(&value.to_le_bytes()[..field.width]);
    mend(&mut volume);
    vec![volume]
}

/// The label of the fixture as that of a volume with a very high number.
fn only_volume(number: u32) -> Vec<Vec<u8>> {
    let mut volumes = small(Some(16 << 10)).volumes;
    let (_, mut volume) = volumes.remove(1);
    let label = fields(&volume[..places(&volume)[0].len]).unwrap();
    for place in places(&volume) {
        volume[place.at + at::VOLUME..place.at + at::SECTION].copy_from_slice(&number.to_le_bytes());
    }
    let field = label.into_iter().find(|field| field.name == "label.volume").unwrap();
    volume[field.at..field.at + 4].copy_from_slice(&number.to_le_bytes());
    mend(&mut volume);
    vec![volume]
}

/// Blocks without content behind a label, the kind and the section of each by its number.
fn tiny_blocks(count: u64, kind: BlockKind, section: fn(u64) -> u32) -> Vec<Vec<u8>> {
    let (_, volume) = small(None).volumes.remove(0);
    let label = places(&volume)[0];
    let mut bytes = volume[..label.end()].to_vec();
    for block in 1..=count {
        let identity = BlockIdentity { set: label.header.identity.set, volume: 1, section: section(block), block };
        bytes.extend(encode_block(kind, identity, &[]).unwrap());
    }
    vec![bytes]
}

/// A table that says that it holds all time for very many ACDs.
fn all_time(acds: i64) -> Vec<Vec<u8>> {
    written(|set| {
        set.begin_section(sample_header("hsplit")).unwrap();
        let start = Instant::of_day(day_of_civil(1, 1, 1).unwrap()).0;
        let stop = Instant::of_day(day_of_civil(9_999, 12, 31).unwrap()).0;
        set.end_section((0..acds).map(|acd| HeldEntry { acd: Some(acd), start, stop }).collect()).unwrap();
    })
}

/// A chunk that says that it has a piece of very many buckets, of very long rows.
fn many_pieces(count: u32) -> Vec<Vec<u8>> {
    written(|set| {
        set.begin_section(sample_header("hsplit")).unwrap();
        let first = day_of_civil(1, 1, 1).unwrap();
        let piece = |at: u32| {
            let day = first + at as i32;
            let (first, stop) = (Instant::of_day(day).0, Instant::of_day(day_of_civil(9_999, 12, 31).unwrap()).0);
            PieceEntry {
                acd: Some(1),
                day: Some(day),
                piece: 0,
                last: 1,
                rows: 1,
                carried: 0,
                first,
                stop,
                digest: [1; 16],
                carried_digest: None,
            }
        };
        let column = ColumnBytesEntry { encoding: INTEGERS, stored: 10, decoded: count * 8 };
        let bytes = vec![constant(), constant()];
        let pieces = (0..count).map(piece).collect();
        set.chunk(ChunkContent { rows: count, columns: vec![column; 2], bytes, pieces }).unwrap();
        set.end_section(Vec::new()).unwrap();
    })
}

/// Numbers in numbers in numbers.
fn nested(form: u8, body: &[u8], depth: usize) -> Stored {
    let mut bytes = vec![0];
    for _ in 0..depth {
        bytes.push(form);
        bytes.extend(body);
    }
    (INTEGERS, bytes, 1 << 20)
}

/// Sections of very many ACDs, one behind the other: of each a header, `chunks` sound chunks with one missing behind each, and an
/// end that names so many ACDs. With nothing else on the volume but its label.
fn many_acds(sections: u32, chunks: u64, acds: i64) -> Vec<Vec<u8>> {
    let (_, volume) = small(None).volumes.remove(0);
    let blocks = places(&volume);
    let is_of =
        |place: &&Place| decode_record::<SectionRecord>(payload(&volume, place)).is_ok_and(|it| it.table == "hsplit");
    let header = blocks.iter().find(is_of).unwrap();
    let of_table = blocks.iter().filter(|place| place.header.identity.section == header.header.identity.section);
    let chunk = of_table.clone().find(|place| place.header.kind == BlockKind::Chunk).unwrap();
    let end = of_table.clone().find(|place| place.header.kind == BlockKind::SectionEnd).unwrap();
    let (held, mut rows) = (payload(&volume, chunk).to_vec(), payload(&volume, chunk).to_vec());
    let count = u64::from(parse_chunk(&held).unwrap().directory.rows);
    let last: SectionEndRecord = decode_record(payload(&volume, end)).unwrap();
    let (start, stop) = last.held.first().map_or((0, 86_400), |entry| (entry.start, entry.stop));
    let held: Vec<HeldEntry> = (0..acds).map(|acd| HeldEntry { acd: Some(1_000 + acd), start, stop }).collect();
    // Something is lost in each.
    let claimed = (2 * chunks).max(80);
    let ending = SectionEndRecord { rows: claimed * count, chunks: claimed, envelope: held.clone(), held, ..last };
    let ending = encode_record(&ending).unwrap();
    let mut bytes = volume[..blocks[0].end()].to_vec();
    let mut block = 0;
    let mut put = |kind: BlockKind, section: u32, payload: &[u8]| {
        block += 1;
        let identity = BlockIdentity { volume: 1, section, block, ..header.header.identity };
        bytes.extend(encode_block(kind, identity, payload).unwrap());
    };
    for section in 1..=sections {
        put(BlockKind::SectionHeader, section, payload(&volume, header));
        for number in 0..chunks {
            // Its number in the section, and that of its first row.
            rows[8..16].copy_from_slice(&(2 * number).to_le_bytes());
            rows[16..24].copy_from_slice(&(2 * number * count).to_le_bytes());
            put(BlockKind::Chunk, section, &rows);
        }
        put(BlockKind::SectionEnd, section, &ending);
    }
    vec![bytes]
}

/// Its name, how many ACDs there are, and its volumes.
type ToTell = (&'static str, u64, fn() -> Vec<Vec<u8>>);

/// What a salvage has very much to tell of, and how many ACDs there are in all sections.
pub const TO_TELL: &[ToTell] = &[
    ("gaps in which very many ACDs may have lost rows", 65_000, || many_acds(1, 1_500, 65_000)),
    ("very many ACDs in each of many sections", 40 * 32_000, || many_acds(40, 0, 32_000)),
];

pub const BOMBS: &[Bomb] = &[
    ("ten gigabytes in a frame", Fate::Refused, || chunk(1, vec![strings(60 << 20, &frame(81_920, 0x38, None))])),
    ("a frame that says a terabyte", Fate::Refused, || {
        chunk(1, vec![strings(60 << 20, &frame(8, 0x38, Some(1 << 40)))])
    }),
    ("a window of two gigabytes", Fate::Refused, || chunk(1, vec![strings(60 << 20, &frame(480, 0xA8, None))])),
    ("a text of four gigabytes", Fate::Refused, || chunk(1, vec![strings(u32::MAX, &frame(32_768, 0x38, None))])),
    ("sixty megabytes that are allowed, other rows", Fate::Refused, || {
        chunk(1, vec![strings(60 << 20, &frame(480, 0x38, None))])
    }),
    ("numbers nested without end", Fate::Refused, || chunk(9, vec![nested(7, &[0; 8], 500_000)])),
    ("dictionaries of dictionaries", Fate::Refused, || chunk(9, vec![nested(6, &[9, 0, 0, 0], 500_000)])),
    ("a quarter of a milliard equal numbers", Fate::Refused, || {
        let equal = (EQUAL, vec![0, 0], 0);
        chunk(65_536, [vec![(INTEGERS, constant(), 65_536 * 8)], vec![equal; 4_095]].concat())
    }),
    ("a column that owns up to little", Fate::Refused, || chunk(65_536, vec![(INTEGERS, constant(), 8)])),
    ("a hundred thousand tiny blocks", Fate::Refused, || tiny_blocks(100_000, BlockKind::Optional(200), |_| 0)),
    ("very many chunks of nothing", Fate::Refused, || tiny_blocks(30_000, BlockKind::Chunk, |_| 1)),
    ("very many headers of nothing", Fate::Refused, || tiny_blocks(30_000, BlockKind::SectionHeader, |_| 1)),
    ("very many sections of a chunk", Fate::Refused, || {
        tiny_blocks(66_000, BlockKind::Chunk, |block| block as u32 % 65_536 + 1)
    }),
    ("very many ends", Fate::Refused, || tiny_blocks(30_000, BlockKind::VolumeEnd, |_| 0)),
    ("very many catalogs", Fate::Refused, || tiny_blocks(30_000, BlockKind::Catalog, |_| 0)),
    ("an index that is the end mark", Fate::Refused, || {
        let (_, volume) = small(None).volumes.remove(0);
        end_mark("volume end.index_offset", volume.len() as u64 - 192)
    }),
    ("an index at the label", Fate::Refused, || end_mark("volume end.index_offset", 0)),
    ("four milliard blocks of index", Fate::Refused, || end_mark("volume end.index_blocks", u64::from(u32::MAX))),
    ("four milliard blocks of catalog", Fate::Refused, || end_mark("volume end.catalog_blocks", u64::from(u32::MAX))),
    ("a catalog that begins on a later volume", Fate::Refused, || end_mark("volume end.catalog_volume", 9)),
    ("a catalog that begins at itself", Fate::Refused, || {
        let (_, volume) = small(None).volumes.remove(0);
        end_mark("volume end.catalog_offset", volume.len() as u64 - 192)
    }),
    ("the millionth volume alone", Fate::Refused, || only_volume(1_000_000)),
    ("all time of very many ACDs", Fate::Borne, || all_time(60_000)),
    ("a piece of very many days", Fate::Refused, || many_pieces(60_000)),
];

/// Does all that reads: the findings, and how long all that is said is.
fn used(volumes: Vec<Vec<u8>>, target: &Target) -> (usize, usize) {
    let device = MemoryDevice::new();
    for (number, bytes) in volumes.into_iter().enumerate() {
        device.insert(&format!("{number}.ivv"), bytes);
    }
    let listing = list_sets(&device).unwrap();
    let mut said: Vec<String> = listing.unreadable.iter().map(|(_, error)| error.to_string()).collect();
    for set in &listing.sets {
        said.extend(verify_set(set, 1, &Silent).findings.iter().map(ToString::to_string));
        said.extend(outline(set).damage);
        let store = SqliteStore::open(target.path()).unwrap();
        let options = Options { missing: Missing::Partial, ..Options::new(Instant(0), 0) };
        if let Err(error) = Restore::new(set, &store, options).plan() {
            said.push(error.to_string());
        }
    }
    (said.len(), said.iter().map(String::len).sum())
}

#[test]
fn bombs_are_refused_in_little_memory_and_few_words() {
    let seconds = if long() { 1_200 } else { 240 };
    confined("bombs::bombs_are_refused_in_little_memory_and_few_words", seconds, || {
        let target = Target::new(&small(None));
        for (name, fate, bomb) in BOMBS {
            eprintln!("{name}");
            let (said, length) = used(bomb(), &target);
            assert_eq!(said > 0, *fate == Fate::Refused, "{name}: {said} findings");
            // Of what is there very often the first thousand are told one by one, in each of the ways in which it is odd.
            let most = if name.starts_with("very many") { 1 << 20 } else { 64 << 10 };
            assert!(said < 5_000 && length < most, "{name}: {said} findings take {length} bytes to tell");
        }
    });
}
