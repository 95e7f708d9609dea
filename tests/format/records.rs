//! Records: round trips, growth, and what their own checks refuse.

use super::{body, framed};
use intervault::base::cursor::Cursor;
use intervault::for_every_record;
use intervault::format::catalog::{BucketListRecord, CatalogSectionRecord, VolumeEntry, VolumeListRecord};
use intervault::format::chunk::{ChunkRecord, encode_chunk, parse_chunk};
use intervault::format::error::FormatErrorKind;
use intervault::format::label::{LabelRecord, lost};
use intervault::format::record::{
    FRAME_LEN, Record, decode_record, encode_record, next_record, push_record, read_records,
};
use intervault::format::section::{HeldEntry, Losses, SectionEndRecord, SectionRecord};
use intervault::testing::records;
use std::fmt::Debug;

#[test]
fn every_record_reads_back() {
    fn one<R: Record + PartialEq + Debug>(record: &R) {
        assert_eq!(decode_record::<R>(&encode_record(record).unwrap()).as_ref(), Ok(record));
    }
    assert_eq!(for_every_record!(sample => one(&sample)).len(), 12);
}

#[test]
fn every_truncation_of_every_record_is_refused() {
    fn one<R: Record + PartialEq + Debug>(record: &R) {
        let payload = encode_record(record).unwrap();
        for len in 0..payload.len() {
            assert!(decode_record::<R>(&payload[..len]).is_err(), "{}: payload of {len} bytes", R::NAME);
        }
        let body = body(record);
        for len in 0..body.len() {
            let error = decode_record::<R>(&framed::<R>(&body[..len])).expect_err(R::NAME);
            assert!(matches!(error.kind, FormatErrorKind::Record { .. }), "{}: {len} bytes: {error}", R::NAME);
        }
    }
    for_every_record!(sample => one(&sample));
}

#[test]
fn bytes_after_a_known_record_are_ignored_and_unknown_records_skipped() {
    fn one<R: Record + PartialEq + Debug>(record: &R) {
        let mut grown = body(record);
        grown.extend(b"a field of a later version");
        let mut payload = vec![0xE7, 0x03, 9, 0, 4, 0, 0, 0, 1, 2, 3, 4];
        let mut newer = framed::<R>(&grown);
        newer[2] = 2;
        payload.extend(newer);
        payload.extend([0xE8, 0x03, 1, 0, 0, 0, 0, 0]);
        assert_eq!(decode_record::<R>(&payload).as_ref(), Ok(record), "{}", R::NAME);
    }
    for_every_record!(sample => one(&sample));
}

#[test]
fn an_embedded_record_may_grow_without_moving_what_follows() {
    let sample = records::catalog_section();
    let mut grown = 1u32.to_le_bytes().to_vec();
    for part in [body(&sample.header), body(&sample.end)] {
        grown.extend((part.len() as u64 + 3).to_le_bytes());
        grown.extend(part);
        grown.extend([7, 8, 9]);
    }
    grown.extend(sample.bytes.to_le_bytes());
    grown.extend(sample.listed.to_le_bytes());
    assert_eq!(decode_record::<CatalogSectionRecord>(&framed::<CatalogSectionRecord>(&grown)), Ok(sample));
}

#[test]
fn a_payload_must_hold_exactly_the_record_that_its_block_asks_for() {
    let says = |payload: &[u8]| decode_record::<SectionEndRecord>(payload).unwrap_err().to_string();
    assert_eq!(says(&[]), "section end record cannot be decoded: no such record in this block (byte 0)");
    let label = encode_record(&records::label()).unwrap();
    assert_eq!(says(&label), "section end record cannot be decoded: no such record in this block (byte 0)");
    let mut two = encode_record(&records::section_end()).unwrap();
    let second = two.len();
    push_record(&mut two, &records::section_end()).unwrap();
    let expected = format!("section end record cannot be decoded: more than one in this block (byte {second})");
    assert_eq!(says(&two), expected);
    let mut unversioned = encode_record(&records::section_end()).unwrap();
    unversioned[2] = 0;
    assert_eq!(says(&unversioned), "record version is 0, allowed: 1 or more (byte 0)");
    let raw = next_record(&mut Cursor::new(&label)).unwrap();
    let wrong = "section end record cannot be decoded: record kind 1 found, 3 expected (byte 0)";
    assert_eq!(raw.decode::<SectionEndRecord>().unwrap_err().to_string(), wrong);
    assert_eq!(read_records(&label).unwrap().len(), 1);
}

#[test]
fn a_chunk_is_its_directory_and_exactly_its_column_bytes() {
    let (directory, columns) = (records::chunk(), records::chunk_columns());
    let payload = encode_chunk(&directory, &columns).unwrap();
    let view = parse_chunk(&payload).unwrap();
    assert_eq!((&view.directory, &view.columns), (&directory, &vec![b"first".as_slice(), b"two".as_slice()]));
    for len in 0..payload.len() {
        assert!(parse_chunk(&payload[..len]).is_err(), "{len} bytes");
    }
    let mut more = payload.clone();
    more.push(0);
    let error = parse_chunk(&more).unwrap_err().to_string();
    assert_eq!(error, format!("bytes after the last column is 1, allowed: 0 (byte {})", payload.len()));
    let stored = "stored is 0, allowed: the length of the column's bytes (byte 0)";
    assert_eq!(encode_chunk(&directory, &columns[..1]).unwrap_err().to_string(), stored);
    let other = [b"first".to_vec(), b"three".to_vec()];
    assert_eq!(encode_chunk(&directory, &other).unwrap_err().to_string(), stored);
}

/// What a changed record is refused with, when it is written and when it is read.
fn refusal<R: Record>(mut record: R, change: impl Fn(&mut R)) -> String {
    assert!(record.validate().is_ok(), "{}: the sample is not sound", R::NAME);
    change(&mut record);
    let written = encode_record(&record).expect_err("a writer accepted it").kind;
    assert_eq!(record.validate().expect_err("a reader accepted it"), written);
    written.to_string()
}

fn label(change: impl Fn(&mut LabelRecord)) -> String {
    refusal(records::label(), change)
}

fn section(change: impl Fn(&mut SectionRecord)) -> String {
    refusal(records::section(), change)
}

#[test]
fn labels_that_contradict_themselves_are_refused() {
    let unknown = "which this release does not understand: use a newer release";
    assert_eq!(
        label(|label| label.required_features = 0b101 | 1 << 63),
        format!("the volume needs bit 0 (sealed payloads), bit 2, bit 63, {unknown}")
    );
    assert_eq!(label(|label| label.volume = 0), "volume is 0, allowed: 1 or more");
    assert_eq!(label(|label| label.volume = 1_000_001), "volume is 1000001, the limit is 1000000");
    assert_eq!(label(|label| label.source_server = "x".repeat(1_025)), "source_server is 1025, the limit is 1024");
    for bits in [0, 33, 64, 1 << 31] {
        let expected = format!("data_types is {bits}, allowed: some of bits 0 to 4, or bit 5 alone");
        assert_eq!(label(|label| label.data_types = bits), expected);
    }
    let predecessor = "allowed: present exactly on volumes after the first";
    assert_eq!(label(|label| label.predecessor = None), format!("predecessor is 0, {predecessor}"));
    assert_eq!(label(|label| label.volume = 1), format!("predecessor is 1, {predecessor}"));
    let chain = "allowed: 1 or more, with a parent_set, exactly in an incremental";
    assert_eq!(label(|label| label.sequence = 0), format!("sequence is 0, {chain}"));
    assert_eq!(label(|label| label.parent_set = None), format!("sequence is 4, {chain}"));
    assert_eq!(label(|label| label.incremental = false), format!("sequence is 4, {chain}"));
    let begins = "allowed: another set for an incremental, the set itself, or that it was salvaged from, otherwise";
    assert_eq!(label(|label| (label.chain, label.salvaged) = (label.set_id, None)), format!("chain is 1, {begins}"));
    let full = |label: &mut LabelRecord| {
        (label.incremental, label.parent_set, label.sequence) = (false, None, 0);
        (label.chain, label.salvaged) = (label.set_id, None);
    };
    // A salvaged full begins the chain of the set that it stands for.
    assert_eq!(
        label(|label| {
            let salvaged = label.salvaged;
            full(label);
            label.salvaged = salvaged;
        }),
        format!("chain is 0, {begins}")
    );
    assert_eq!(
        label(|label| {
            full(label);
            label.chain[3] ^= 1;
        }),
        format!("chain is 0, {begins}")
    );
    let purpose = "allowed: 0, or 1 in a set that is not incremental";
    assert_eq!(label(|label| label.purpose = 1), format!("purpose is 1, {purpose}"));
    assert_eq!(
        label(|label| {
            full(label);
            label.purpose = 2;
        }),
        format!("purpose is 2, {purpose}")
    );
}

#[test]
fn sections_that_contradict_themselves_are_refused() {
    for bits in [0, 3, 32] {
        let expected = format!("data_type is {bits}, allowed: one of the data-type bits 0 to 4");
        assert_eq!(section(|section| section.data_type = bits), expected);
    }
    assert_eq!(section(|section| section.grain = 6), "grain is 6, allowed: 0 to 5");
    assert_eq!(section(|section| section.clock.kind = 5), "clock kind is 5, allowed: 0 to 4");
    assert_eq!(section(|section| section.grain = 0), "clock kind is 1, allowed: 0 exactly for grain none");
    assert_eq!(section(|section| section.clock.kind = 0), "clock kind is 0, allowed: 0 exactly for grain none");
    assert_eq!(section(|section| section.clock.kind = 2), "time_column is 1, allowed: given exactly for clock kind 1");
    assert_eq!(section(|section| section.grain = 5), "length_column is 1, allowed: given only for grain interval");
    let fixed = |section: &mut SectionRecord, minutes: u32| {
        (section.clock.length_column, section.clock.length_minutes) = (None, minutes);
    };
    let either = "allowed: 1 to 1,440 for grain interval without length_column, else 0";
    assert_eq!(section(|section| section.clock.length_minutes = 5), format!("length_minutes is 5, {either}"));
    for minutes in [0, 1_441] {
        assert_eq!(section(|section| fixed(section, minutes)), format!("length_minutes is {minutes}, {either}"));
    }
    let event = section(|section| {
        fixed(section, 1);
        section.grain = 5;
    });
    assert_eq!(event, format!("length_minutes is 1, {either}"));
    for minutes in [1, 1_440] {
        let mut record = records::section();
        fixed(&mut record, minutes);
        assert_eq!(record.validate(), Ok(()));
    }
    assert_eq!(
        section(|section| section.clock.zone = "UTC".into()),
        "zone is 1, allowed: given exactly for clock kind 4"
    );
    for minutes in [0, 1_441] {
        let expected = format!("slot_minutes is {minutes}, allowed: 1 to 1,440");
        assert_eq!(section(|section| section.slot_minutes = minutes), expected);
    }
    assert_eq!(section(|section| section.digest_id = 2), "digest_id is 2, allowed: 1");
    assert_eq!(section(|section| section.cutoffs.reverse()), "cutoffs is 2, allowed: ascending by ACD, each once");
    let column = "column number is 4, allowed: less than the number of columns";
    assert_eq!(section(|section| section.acd_column = Some(4)), column);
    assert_eq!(section(|section| section.clock.date_column = 4), column);
    assert_eq!(section(|section| section.clock.time_column = Some(4)), column);
    assert_eq!(section(|section| section.clock.length_column = Some(4)), column);
    let long = "n".repeat(1_025);
    assert_eq!(section(|section| section.columns[1].declared = long.clone()), "declared is 1025, the limit is 1024");
    let column = section(|section| section.columns = vec![section.columns[0].clone(); 4_097]);
    assert_eq!(column, "columns is 4097, the limit is 4096");
}

#[test]
fn held_ranges_that_overlap_or_run_backwards_are_refused() {
    let held = |held: Vec<(i64, i64, i64)>| {
        let entries = held.into_iter().map(|(acd, start, stop)| HeldEntry { acd: Some(acd), start, stop });
        let record = SectionEndRecord { held: entries.collect(), ..records::section_end() };
        record.validate().map_err(|kind| kind.to_string())
    };
    assert_eq!(held(vec![(1, 0, 10), (1, 10, 20), (2, 0, 5)]), Ok(()));
    let order = "held ranges is 2, allowed: ascending by ACD and start, none over another";
    assert_eq!(held(vec![(1, 0, 10), (1, 9, 20)]), Err(order.into()));
    assert_eq!(held(vec![(2, 0, 10), (1, 20, 30)]), Err(order.into()));
    assert_eq!(held(vec![(1, 10, 10)]), Err("held stop is 0, allowed: after its start".into()));
}

#[test]
fn chunk_directories_that_do_not_add_up_are_refused() {
    let chunk = |change: fn(&mut ChunkRecord)| refusal(records::chunk(), change);
    assert_eq!(chunk(|chunk| chunk.rows = 4), "rows of all pieces is 3, allowed: the number of rows in the chunk");
    assert_eq!(chunk(|chunk| chunk.rows = 65_537), "rows is 65537, the limit is 65536");
    assert_eq!(chunk(|chunk| chunk.columns[0].decoded = 64 << 20), "decoded bytes is 67108884, the limit is 67108864");
    assert!(chunk(|chunk| chunk.first_row = u64::MAX - 1).starts_with("first_row is 18446744073709551614"));
    assert_eq!(chunk(|chunk| chunk.pieces[1].last = 3), "last is 3, allowed: 0 to 2");
    assert_eq!(chunk(|chunk| chunk.pieces[1].stop = 5), "stop is 5, allowed: 0, as first, without a day");
    let years = "allowed: after first, both in the years 1 to 9999";
    assert_eq!(chunk(|chunk| chunk.pieces[0].stop = chunk.pieces[0].first), format!("stop is 1709164800, {years}"));
    assert_eq!(
        chunk(|chunk| chunk.pieces[0].day = Some(i32::MAX)),
        "day is 2147483647, allowed: a day of the years 1 to 9999"
    );
    let empty = |chunk: &mut ChunkRecord| {
        (chunk.rows, chunk.pieces[1].rows) = (2, 0);
    };
    assert_eq!(refusal(records::chunk(), empty), "rows is 0, allowed: 1 or more in rows and carried");
}

#[test]
fn pieces_and_buckets_have_a_digest_of_carried_rows_exactly_where_they_carry_any() {
    let allowed = "0 exactly if it has no digest of carried rows";
    let chunk = |change: fn(&mut ChunkRecord)| refusal(records::chunk(), change);
    assert_eq!(chunk(|chunk| chunk.pieces[0].carried_digest = None), format!("carried is 1, allowed: {allowed}"));
    assert_eq!(
        chunk(|chunk| chunk.pieces[1].carried_digest = Some([0; 16])),
        format!("carried is 0, allowed: {allowed}")
    );
    let buckets = |change: fn(&mut BucketListRecord)| refusal(records::bucket_list(), change);
    assert_eq!(buckets(|list| list.buckets[0].carried_digest = None), format!("carried is 11, allowed: {allowed}"));
    assert_eq!(buckets(|list| list.buckets[0].carried = 0), format!("carried is 0, allowed: {allowed}"));
}

#[test]
fn a_bucket_without_pieces_names_rows_of_another_set_and_carries_none() {
    fn list(pieces: u32, rows: u64, carried: u64) -> BucketListRecord {
        let mut list = records::bucket_list();
        let bucket = &mut list.buckets[0];
        (bucket.pieces, bucket.rows, bucket.carried) = (pieces, rows, carried);
        bucket.carried_digest = (carried > 0).then_some([1; 16]);
        list
    }
    for (pieces, rows, carried) in [(0, 1, 0), (0, 2, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)] {
        let list = list(pieces, rows, carried);
        assert_eq!(decode_record(&encode_record(&list).unwrap()), Ok(list), "{pieces} {rows} {carried}");
    }
    for (rows, carried) in [(0, 0), (0, 1), (1, 1), (2, 2)] {
        let allowed = "allowed: 1 or more, and none carried, in a bucket without pieces";
        assert_eq!(
            refusal(list(1, rows, carried), |list| list.buckets[0].pieces = 0),
            format!("rows is {rows}, {allowed}")
        );
    }
}

#[test]
fn a_salvaged_set_is_another_than_the_one_it_was_salvaged_from() {
    assert_eq!(
        label(|label| label.salvaged.as_mut().unwrap().set = label.set_id),
        "salvaged is 0, allowed: another set than itself"
    );
    for code in [lost::NOTHING, lost::SECTIONS] {
        let mut record = records::label();
        record.salvaged.as_mut().unwrap().lost = code;
        assert_eq!(decode_record(&encode_record(&record).unwrap()), Ok(record));
    }
    let over = lost::SECTIONS + 1;
    assert_eq!(
        label(|label| label.salvaged.as_mut().unwrap().lost = over),
        format!("lost is {over}, the limit is {}", lost::SECTIONS)
    );
}

#[test]
fn losses_are_in_order_each_once_and_end_behind_the_last_row() {
    fn end(change: impl Fn(&mut Losses)) -> SectionEndRecord {
        let mut record = SectionEndRecord { rows: 9, ..records::section_end() };
        let lost = record.lost.as_mut().expect("the sample lacks something");
        lost.gaps = vec![0, 9];
        change(lost);
        record
    }
    let sound = |record: SectionEndRecord| assert_eq!(record.validate(), Ok(()));
    let unsound = |record: SectionEndRecord| record.validate().unwrap_err().to_string();
    sound(end(|lost| lost.undated = vec![None, Some(1), Some(2)]));
    for undated in [vec![None, None], vec![Some(1), Some(1)], vec![Some(2), Some(1)], vec![Some(1), None]] {
        let told = unsound(end(|lost| lost.undated.clone_from(&undated)));
        assert_eq!(told, "undated is 2, allowed: ascending by ACD, each once");
    }
    for gaps in [vec![], vec![0], vec![0, 9], vec![8, 9]] {
        sound(end(|lost| lost.gaps.clone_from(&gaps)));
    }
    for gaps in [vec![1, 1], vec![2, 1], vec![9, 10], vec![9, 9]] {
        let told = unsound(end(|lost| lost.gaps.clone_from(&gaps)));
        assert_eq!(told, "gaps is 2, allowed: ascending, none behind the last row");
    }
}

#[test]
fn end_marks_that_point_nowhere_are_refused() {
    let end = |change: fn(&mut intervault::format::marks::VolumeEndRecord)| refusal(records::volume_end(), change);
    assert_eq!(end(|end| end.bytes += 1), "bytes is 8193, allowed: a multiple of 64");
    let inside = "allowed: a multiple of 64 inside the volume";
    assert_eq!(end(|end| end.index_offset = 8_192), format!("index_offset is 8192, {inside}"));
    assert_eq!(end(|end| end.index_offset = 0), format!("index_offset is 0, {inside}"));
    assert_eq!(end(|end| end.index_offset += 8), format!("index_offset is 7688, {inside}"));
    assert_eq!(end(|end| end.index_blocks = 0), "index_blocks is 0, allowed: 1 or more");
    assert_eq!(end(|end| end.blocks = 5), "blocks is 5, allowed: more than the blocks of index and catalog");
    let given = "allowed: given, with catalog_volume, exactly with a catalog";
    assert_eq!(end(|end| end.catalog_offset = 0), format!("catalog_offset is 0, {given}"));
    assert_eq!(end(|end| end.catalog_volume = 0), format!("catalog_offset is 6400, {given}"));
    assert_eq!(end(|end| end.catalog_blocks = 0), format!("catalog_offset is 6400, {given}"));
    let before = "allowed: a multiple of 64 before the index";
    assert_eq!(end(|end| end.catalog_offset = 7_680), format!("catalog_offset is 7680, {before}"));
    let bare = |end: &mut intervault::format::marks::VolumeEndRecord| {
        (end.catalog_offset, end.catalog_blocks, end.catalog_volume) = (0, 0, 0);
    };
    assert_eq!(
        refusal(records::volume_end(), bare),
        "set_complete is 1, allowed: 0 on a volume without a catalog block"
    );
}

#[test]
fn a_list_at_its_cap_fits_a_record_and_one_more_is_refused() {
    fn one<R: Record + PartialEq + Debug>(name: &str, make: impl Fn(usize) -> R) {
        let record = make(65_536);
        let payload = encode_record(&record).expect(name);
        assert!(payload.len() - FRAME_LEN <= 8 << 20, "{name}");
        assert_eq!(decode_record::<R>(&payload).as_ref(), Ok(&record));
        let error = encode_record(&make(65_537)).expect_err(name).kind;
        assert!(matches!(error, FormatErrorKind::Limit { found: 65_537, limit: 65_536, .. }), "{name}: {error}");
    }
    let volume = VolumeEntry { blocks: 1, bytes: 1, running_hash: records::hash(1) };
    one("volumes", |count| VolumeListRecord { first_volume: 1, volumes: vec![volume; count] });
    one("blocks", |count| {
        let mut record = records::block_list();
        record.blocks = vec![record.blocks[0]; count];
        record
    });
    one("chunks", |count| {
        let mut record = records::chunk_list();
        record.chunks = vec![record.chunks[0]; count];
        record
    });
    one("buckets", |count| {
        let mut record = records::bucket_list();
        record.buckets = vec![record.buckets[1]; count];
        record
    });
    one("pieces", |count| {
        let mut record = records::chunk();
        record.pieces = vec![record.pieces[1]; count];
        record.rows = count.min(65_536) as u32;
        record
    });
    one("held", |count| {
        let entry = |at: usize| HeldEntry { acd: Some(1), start: at as i64 * 2, stop: at as i64 * 2 + 1 };
        SectionEndRecord { held: (0..count).map(entry).collect(), ..records::section_end() }
    });
    one("envelope", |count| {
        let entry = |at: usize| HeldEntry { acd: Some(at as i64), start: 0, stop: 1 };
        SectionEndRecord { envelope: (0..count).map(entry).collect(), ..records::section_end() }
    });
    one("cutoffs", |count| {
        let entry = |at: usize| intervault::format::section::CutoffEntry { acd: Some(at as i64), cutoff: 5 };
        SectionRecord { cutoffs: (0..count).map(entry).collect(), ..records::section() }
    });
    one("absent", |count| {
        let mut record = records::catalog();
        record.absent = vec!["x".into(); count];
        record
    });
}
