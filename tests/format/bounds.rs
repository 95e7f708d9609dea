//! Where what is allowed ends: the last value that is accepted, and the first beyond it that is refused. What is only
//! refused far beyond its bound could have any bound.

use super::{body, framed};
use intervault::base::cursor::Cursor;
use intervault::base::limits::{BLOCK_PAYLOAD_MAX, NAME_BYTES_MAX, RECORD_BYTES_MAX, SECTIONS_MAX, VOLUMES_MAX};
use intervault::base::time::{Instant, day_of_civil};
use intervault::format::block::{BLOCK_BYTES_MAX, BlockHeader, BlockIdentity, BlockKind, SetId, encode_block};
use intervault::format::catalog::{
    BlockListRecord, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkListRecord,
};
use intervault::format::chunk::ChunkRecord;
use intervault::format::error::FormatErrorKind;
use intervault::format::label::{LabelRecord, data_types, purpose};
use intervault::format::marks::VolumeEndRecord;
use intervault::format::record::{FRAME_LEN, Record, decode_record, encode_record, next_record};
use intervault::format::section::{ColumnEntry, CutoffEntry, HeldEntry, SectionEndRecord, SectionRecord};
use intervault::testing::records;
use std::fmt::Debug;

/// Accepted by writer and reader alike.
fn sound<R: Record + PartialEq + Debug>(record: &R) {
    let payload = encode_record(record).unwrap_or_else(|error| panic!("{}: {error}", R::NAME));
    assert_eq!(decode_record::<R>(&payload).as_ref(), Ok(record));
}

/// What writer and reader refuse it with. The reader is given the bytes that a careless writer would have made.
fn unsound<R: Record + PartialEq + Debug>(record: &R) -> String {
    let written = encode_record(record).expect_err("a writer accepted it").kind;
    assert_eq!(record.validate().expect_err("a reader accepted it"), written);
    written.to_string()
}

#[test]
fn no_block_is_listed_that_is_larger_than_the_largest() {
    let identity = records::identity(BlockKind::Chunk);
    let largest = encode_block(BlockKind::Chunk, identity, &vec![0; BLOCK_PAYLOAD_MAX as usize]).unwrap();
    assert_eq!(largest.len(), BLOCK_BYTES_MAX as usize);
    let blocks = |bytes| {
        let mut list = records::block_list();
        list.blocks[0].bytes = bytes;
        list
    };
    let chunks = |bytes| {
        let mut list = records::chunk_list();
        list.chunks[0].bytes = bytes;
        list
    };
    sound::<BlockListRecord>(&blocks(BLOCK_BYTES_MAX));
    sound::<ChunkListRecord>(&chunks(BLOCK_BYTES_MAX));
    for bytes in [BLOCK_BYTES_MAX + 1, u32::MAX] {
        assert!(unsound(&blocks(bytes)).contains("bytes of a block"));
        assert!(unsound(&chunks(bytes)).contains("bytes of a block"));
    }
}

#[test]
fn volume_and_section_numbers_are_allowed_up_to_their_caps() {
    let last = BlockIdentity { volume: VOLUMES_MAX, section: SECTIONS_MAX, ..records::identity(BlockKind::Chunk) };
    let block = encode_block(BlockKind::Chunk, last, b"rows").unwrap();
    assert_eq!(BlockHeader::parse(&block).map(|header| header.identity), Ok(last));
    let first = BlockIdentity { volume: 1, section: 1, block: 1, ..last };
    let block = encode_block(BlockKind::Chunk, first, b"rows").unwrap();
    assert_eq!(BlockHeader::parse(&block).map(|header| header.identity), Ok(first));
}

#[test]
fn kinds_from_128_on_are_optional_and_none_below_is() {
    assert_eq!(BlockKind::from_id(128), Some(BlockKind::Optional(128)));
    assert_eq!(BlockKind::from_id(255), Some(BlockKind::Optional(255)));
    assert_eq!((BlockKind::from_id(127), BlockKind::from_id(8), BlockKind::from_id(0)), (None, None, None));
    for (id, kind) in (1..).zip(BlockKind::ALL) {
        assert_eq!((kind.id(), BlockKind::from_id(id)), (id, Some(kind)));
        assert_eq!(kind.in_section(), (2..=4).contains(&id), "{kind:?}");
    }
    let names = BlockKind::ALL.map(BlockKind::name);
    let told = ["label", "section header", "chunk", "section end", "volume index", "catalog", "volume end"];
    assert_eq!((names, BlockKind::Optional(200).name()), (told, "optional"));
}

#[test]
fn a_set_is_shown_by_its_bytes_everywhere() {
    let set = SetId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]);
    assert_eq!(set.to_string(), "000102030405060708090a0b0c0dfeff");
    assert_eq!(format!("{set:?}"), set.to_string());
}

#[test]
fn every_text_of_a_label_and_a_section_header_is_a_name() {
    let (most, over) = ("n".repeat(NAME_BYTES_MAX as usize), "n".repeat(NAME_BYTES_MAX as usize + 1));
    type Set<R> = (&'static str, fn(&mut R, String));
    let texts: [Set<LabelRecord>; 6] = [
        ("label", |label, text| label.label = text),
        ("source_store", |label, text| label.source_store = text),
        ("source_server", |label, text| label.source_server = text),
        ("source_database", |label, text| label.source_database = text),
        ("source_version", |label, text| label.source_version = text),
        ("software", |label, text| label.software = text),
    ];
    for (field, set) in texts {
        let mut label = records::label();
        set(&mut label, most.clone());
        sound(&label);
        set(&mut label, over.clone());
        assert_eq!(unsound(&label), format!("{field} is 1025, the limit is 1024"));
    }
    let texts: [Set<SectionRecord>; 5] = [
        ("table", |section, text| section.table = text),
        ("zone", |section, text| {
            (section.clock.kind, section.clock.time_column, section.clock.zone) = (4, None, text);
        }),
        ("column name", |section, text| section.columns[3].name = text),
        ("declared", |section, text| section.columns[3].declared = text),
        ("collation", |section, text| section.columns[3].collation = text),
    ];
    for (field, set) in texts {
        let mut section = records::section();
        set(&mut section, most.clone());
        sound(&section);
        set(&mut section, over.clone());
        assert_eq!(unsound(&section), format!("{field} is 1025, the limit is 1024"));
    }
}

#[test]
fn every_choice_of_data_types_that_the_specification_allows_is_read() {
    let label = |bits| LabelRecord { data_types: bits, ..records::label() };
    (1..32).chain([data_types::SPECIFIC]).for_each(|bits| sound(&label(bits)));
    for bits in [0].into_iter().chain(33..=128) {
        assert!(unsound(&label(bits)).starts_with(&format!("data_types is {bits}, ")));
    }
    let section = |bits| SectionRecord { data_type: bits, ..records::section() };
    for bits in 0..=128u32 {
        match bits {
            1 | 2 | 4 | 8 | 16 => sound(&section(bits)),
            _ => assert!(unsound(&section(bits)).starts_with(&format!("data_type is {bits}, "))),
        }
    }
}

#[test]
fn labels_of_first_and_last_volumes_and_of_fulls_are_read() {
    let first = LabelRecord { volume: 1, predecessor: None, ..records::label() };
    sound(&first);
    sound(&LabelRecord { volume: VOLUMES_MAX, ..records::label() });
    let own = records::SET.0;
    let full = LabelRecord { incremental: false, parent_set: None, sequence: 0, chain: own, salvaged: None, ..first };
    sound(&full);
    sound(&LabelRecord { purpose: purpose::UNDO, ..full.clone() });
    let parent = Some([1; 16]);
    sound(&LabelRecord { incremental: true, parent_set: parent, sequence: 1, chain: [1; 16], ..full.clone() });
    // A parent or a number in a chain alone makes no incremental.
    assert!(unsound(&LabelRecord { parent_set: Some([1; 16]), ..full.clone() }).starts_with("sequence is 0, "));
    assert!(unsound(&LabelRecord { sequence: 1, ..full }).starts_with("sequence is 1, "));
}

#[test]
fn every_grain_has_its_clocks_and_columns() {
    let sample = records::section();
    for grain in 0..=5u8 {
        for kind in 0..=4u8 {
            let mut section = SectionRecord { grain, ..sample.clone() };
            section.clock.kind = kind;
            section.clock.time_column = (kind == 1).then_some(1);
            section.clock.length_column = (grain == 1).then_some(2);
            section.clock.zone = if kind == 4 { "Europe/Vienna".into() } else { String::new() };
            if (grain == 0) != (kind == 0) {
                assert_eq!(unsound(&section), format!("clock kind is {kind}, allowed: 0 exactly for grain none"));
                continue;
            }
            sound(&section);
            // Exactly in an interval table the length is said, by a column or for all rows at once.
            section.clock.length_column = None;
            for minutes in [0, 1, 1_440, 1_441] {
                section.clock.length_minutes = minutes;
                let allowed = if grain == 1 { (1..=1_440).contains(&minutes) } else { minutes == 0 };
                assert_eq!(encode_record(&section).is_ok(), allowed, "{minutes} minutes, grain {grain}");
            }
            (section.clock.length_column, section.clock.length_minutes) = (Some(2), 0);
            assert_eq!(encode_record(&section).is_ok(), grain == 1, "a length column, grain {grain}");
            section.clock.length_minutes = 1;
            assert!(encode_record(&section).is_err(), "a length column and minutes, grain {grain}");
            (section.clock.length_column, section.clock.length_minutes) = (None, u32::from(grain == 1));
            section.clock.time_column = if kind == 1 { None } else { Some(1) };
            assert!(unsound(&section).starts_with("time_column is "), "grain {grain}, kind {kind}");
        }
    }
}

#[test]
fn the_columns_named_are_columns_of_the_section() {
    let mut section = records::section();
    (section.clock.date_column, section.clock.time_column) = (3, Some(3));
    (section.clock.length_column, section.acd_column) = (Some(3), Some(3));
    sound(&section);
    // Without a clock the number of its column says nothing.
    let mut undated = SectionRecord { grain: 0, acd_column: None, columns: Vec::new(), ..records::section() };
    (undated.clock.kind, undated.clock.date_column) = (0, u32::MAX);
    (undated.clock.time_column, undated.clock.length_column) = (None, None);
    sound(&undated);
    let column = |at: usize| ColumnEntry { name: at.to_string(), ..records::section().columns[0].clone() };
    sound(&SectionRecord { columns: (0..4_096).map(column).collect(), ..records::section() });
}

#[test]
fn slots_and_cutoffs_are_held_to_their_bounds() {
    for minutes in [1, 1_440] {
        sound(&SectionRecord { slot_minutes: minutes, ..records::section() });
    }
    let cutoffs = |acds: &[Option<i64>]| {
        let cutoffs = acds.iter().map(|acd| CutoffEntry { acd: *acd, cutoff: 5 }).collect();
        SectionRecord { cutoffs, ..records::section() }
    };
    sound(&cutoffs(&[]));
    sound(&cutoffs(&[None, Some(-1), Some(0), Some(7)]));
    for wrong in [[None, None], [Some(3), Some(3)], [Some(3), None], [Some(4), Some(3)]] {
        assert_eq!(unsound(&cutoffs(&wrong)), "cutoffs is 2, allowed: ascending by ACD, each once");
    }
}

#[test]
fn held_ranges_may_touch_and_must_not_be_empty() {
    type Range = (Option<i64>, i64, i64);
    fn list(ranges: &[Range]) -> Vec<HeldEntry> {
        ranges.iter().map(|(acd, start, stop)| HeldEntry { acd: *acd, start: *start, stop: *stop }).collect()
    }
    let held = |ranges: &[Range]| SectionEndRecord { held: list(ranges), ..records::section_end() };
    let envelope = |ranges: &[Range]| SectionEndRecord { envelope: list(ranges), ..records::section_end() };
    let good: [&[Range]; 2] = [&[], &[(None, 0, 1), (None, 1, 2), (Some(-4), -9, 0), (Some(1), -9, -8)]];
    let over: [&[Range]; 2] = [&[(Some(1), 5, 7), (Some(1), 6, 8)], &[(Some(1), 0, 1), (None, 5, 6)]];
    let order = "is 2, allowed: ascending by ACD and start, none over another";
    good.iter().for_each(|ranges| sound(&held(ranges)));
    good.iter().for_each(|ranges| sound(&envelope(ranges)));
    for ranges in over {
        assert_eq!(unsound(&held(ranges)), format!("held ranges {order}"));
        assert_eq!(unsound(&envelope(ranges)), format!("envelope {order}"));
    }
    assert_eq!(unsound(&held(&[(None, 4, 3)])), "held stop is 0, allowed: after its start");
    assert_eq!(unsound(&envelope(&[(None, 4, 4)])), "envelope stop is 0, allowed: after its start");
}

#[test]
fn pieces_lie_in_the_years_1_to_9999() {
    let (first_day, last_day) = (day_of_civil(1, 1, 1).unwrap(), day_of_civil(9999, 12, 31).unwrap());
    let chunk = |day, first, stop| {
        let mut chunk = records::chunk();
        (chunk.pieces[0].day, chunk.pieces[0].first, chunk.pieces[0].stop) = (day, first, stop);
        chunk
    };
    let bucket = |day, first, stop| {
        let mut list = records::bucket_list();
        (list.buckets[1].day, list.buckets[1].first, list.buckets[1].stop) = (day, first, stop);
        list
    };
    let (min, max) = (Instant::MIN.0, Instant::MAX.0);
    let good = [(first_day, min, min + 1), (last_day, max - 1, max), (last_day, max - 86_400, max)];
    for (day, first, stop) in good {
        sound(&chunk(Some(day), first, stop));
        sound(&bucket(Some(day), first, stop));
    }
    sound(&chunk(None, 0, 0));
    let (day, stop) = ("day is ", "stop is ");
    let bad = [
        (Some(first_day - 1), min, min + 1, day),
        (Some(last_day + 1), max - 1, max, day),
        (Some(i32::MIN), min, max, day),
        (Some(first_day), min - 1, min + 1, stop),
        (Some(last_day), max - 1, max + 1, stop),
        (Some(last_day), max - 1, i64::MAX, stop),
        (Some(0), 5, 5, stop),
        (Some(0), 6, 5, stop),
        (None, 0, 1, stop),
        (None, 1, 0, stop),
        (None, 1, 1, stop),
    ];
    for (at, first, last, field) in bad {
        let refused =
            [unsound::<ChunkRecord>(&chunk(at, first, last)), unsound::<BucketListRecord>(&bucket(at, first, last))];
        assert!(refused.iter().all(|message| message.starts_with(field)), "{at:?} {first} {last}: {refused:?}");
    }
}

#[test]
fn a_directory_counts_rows_and_bytes_up_to_its_caps() {
    let mut chunk = records::chunk();
    chunk.rows = 65_536;
    chunk.pieces[0].rows = 65_536 - 2;
    chunk.columns[0].decoded = (64 << 20) - chunk.columns[1].decoded;
    chunk.first_row = u64::MAX - 65_536;
    sound(&chunk);
    for last in 0..=2 {
        chunk.pieces[0].last = last;
        sound(&chunk);
    }
    let over = ChunkRecord { first_row: u64::MAX - 65_535, ..chunk.clone() };
    assert!(unsound(&over).starts_with("first_row is 18446744073709486080, "));
    chunk.columns[0].decoded += 1;
    assert_eq!(unsound(&chunk), "decoded bytes is 67108865, the limit is 67108864");
    // Bytes and rows of all entries are added up without an overflow.
    let mut wide = records::chunk();
    wide.columns = vec![wide.columns[0]; 4_096];
    sound(&wide);
    wide.columns.iter_mut().for_each(|column| column.decoded = u32::MAX);
    assert_eq!(unsound(&wide), "decoded bytes is 17592186040320, the limit is 67108864");
    wide.columns.truncate(1);
    assert!(unsound(&ChunkRecord { columns: vec![wide.columns[0]; 4_097], ..wide }).starts_with("columns is 4097, "));
    let mut carried = records::chunk();
    (carried.pieces[0].rows, carried.pieces[0].carried) = (0, 2);
    sound(&carried);
    let digest = carried.pieces[0].carried_digest.take();
    let unlike = "allowed: 0 exactly if it has no digest of carried rows";
    assert_eq!(unsound(&carried), format!("carried is 2, {unlike}"));
    (carried.pieces[0].rows, carried.pieces[0].carried) = (2, 0);
    sound(&carried);
    carried.pieces[0].carried_digest = digest;
    assert_eq!(unsound(&carried), format!("carried is 0, {unlike}"));
    (carried.pieces[0].rows, carried.pieces[0].carried) = (u32::MAX, u32::MAX);
    assert_eq!(unsound(&carried), "rows of all pieces is 8589934591, allowed: the number of rows in the chunk");
}

#[test]
fn a_catalog_counts_up_to_its_caps_and_checks_what_it_repeats() {
    sound(&CatalogRecord { volumes: VOLUMES_MAX, sections: SECTIONS_MAX, ..records::catalog() });
    let over = CatalogRecord { volumes: VOLUMES_MAX + 1, ..records::catalog() };
    assert_eq!(unsound(&over), "volumes is 1000001, the limit is 1000000");
    let over = CatalogRecord { sections: SECTIONS_MAX + 1, ..records::catalog() };
    assert_eq!(unsound(&over), "sections is 65537, the limit is 65536");
    let left_out = |count| CatalogRecord { left_out: vec![Default::default(); count], ..records::catalog() };
    sound(&left_out(65_536));
    assert_eq!(unsound(&left_out(65_537)), "left_out is 65537, the limit is 65536");
    let mut section = records::catalog_section();
    section.header.grain = 6;
    assert_eq!(unsound(&section), "grain is 6, allowed: 0 to 5");
    let mut section = records::catalog_section();
    section.end.held[0].stop = section.end.held[0].start;
    assert_eq!(unsound(&section), "held stop is 0, allowed: after its start");
    // The same, as a reader meets it: the embedded end with its second range moved over its first.
    let good = records::catalog_section();
    let mut bytes = body(&good);
    // Behind it the envelope, of 8 + 17 + 25 bytes, what is lost, the section's bytes, and the buckets listed.
    let mut whole = good.clone();
    whole.end.lost = None;
    let lost = bytes.len() - body(&whole).len() + 1;
    let held = bytes.len() - 16 - lost - 50 - 25;
    assert_eq!(bytes[held..held + 9], [1, 2, 0, 0, 0, 0, 0, 0, 0], "the second range is that of ACD 2");
    bytes[held + 1] = 1;
    let error = decode_record::<CatalogSectionRecord>(&framed::<CatalogSectionRecord>(&bytes)).unwrap_err();
    assert!(matches!(error.kind, FormatErrorKind::Field { field: "held ranges", .. }), "{error}");
}

#[test]
fn a_record_may_be_as_large_as_its_cap_and_no_larger() {
    let empty = CatalogRecord { absent: vec![String::new()], left_out: Vec::new(), ..records::catalog() };
    let room = RECORD_BYTES_MAX as usize - body(&empty).len();
    let filled = |bytes: usize| CatalogRecord { absent: vec!["t".repeat(bytes)], ..empty.clone() };
    let most = filled(room);
    assert_eq!(body(&most).len(), RECORD_BYTES_MAX as usize);
    sound(&most);
    let error = encode_record(&filled(room + 1)).unwrap_err();
    assert!(matches!(error.kind, FormatErrorKind::Limit { .. } | FormatErrorKind::Record { .. }), "{error}");
    // A record of a kind not known is stepped over up to the same size.
    let mut unknown = framed::<CatalogRecord>(&vec![0; RECORD_BYTES_MAX as usize]);
    unknown[0] = 0xE7;
    let raw = next_record(&mut Cursor::new(&unknown)).map(|record| (record.kind, record.body.len(), record.offset));
    assert_eq!(raw, Ok((0xE7, RECORD_BYTES_MAX as usize, 0)));
    unknown[4] = 1;
    unknown.push(0);
    let error = next_record(&mut Cursor::new(&unknown)).unwrap_err();
    assert!(matches!(error.kind, FormatErrorKind::Limit { field: "record length", found: 8_388_609, .. }), "{error}");
    assert_eq!(encode_record(&records::label()).unwrap().len(), FRAME_LEN + body(&records::label()).len());
}

#[test]
fn an_end_mark_may_point_to_the_places_next_to_its_bounds() {
    let good = records::volume_end();
    sound(&VolumeEndRecord { index_offset: good.bytes - 64, ..good.clone() });
    sound(&VolumeEndRecord { index_offset: 128, catalog_offset: 64, ..good.clone() });
    sound(&VolumeEndRecord { blocks: 6, ..good.clone() });
    sound(&VolumeEndRecord { catalog_volume: VOLUMES_MAX, ..good.clone() });
    sound(&VolumeEndRecord { set_complete: false, ..good.clone() });
    let bare = VolumeEndRecord { catalog_offset: 0, catalog_blocks: 0, catalog_volume: 0, set_complete: false, ..good };
    sound(&VolumeEndRecord { index_blocks: 1, blocks: 2, ..bare.clone() });
    let blocks = "allowed: more than the blocks of index and catalog";
    assert_eq!(unsound(&VolumeEndRecord { index_blocks: 1, blocks: 1, ..bare }), format!("blocks is 1, {blocks}"));
    let good = records::volume_end();
    let over = VolumeEndRecord { catalog_volume: VOLUMES_MAX + 1, ..good.clone() };
    assert_eq!(unsound(&over), "catalog_volume is 1000001, the limit is 1000000");
    let huge = VolumeEndRecord { index_blocks: u32::MAX, catalog_blocks: u32::MAX, ..good.clone() };
    assert_eq!(unsound(&huge), format!("blocks is 13, {blocks}"));
    let askew = VolumeEndRecord { catalog_offset: 6_401, ..good };
    assert_eq!(unsound(&askew), "catalog_offset is 6401, allowed: a multiple of 64 before the index");
}
