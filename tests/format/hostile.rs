//! Lengths and counts that lie: refused with a typed error, and without taking the memory that they ask for.

use super::{body, framed};
use intervault::for_every_record;
use intervault::format::block::{BlockHeader, BlockKind, encode_block};
use intervault::format::error::FormatErrorKind;
use intervault::format::label::LabelRecord;
use intervault::format::record::{FRAME_LEN, Record, decode_record, encode_record, read_records};
use intervault::format::section::SectionEndRecord;
use intervault::testing::damage::mend_block;
use intervault::testing::records;

/// Lengths that a parser could believe.
const LIES: [u64; 8] = [1 << 63, u64::MAX, 1 << 32, u32::MAX as u64, 1 << 30, 1 << 26, (8 << 20) + 1, 65_537];

/// Most address space that this process ever had, in KiB; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_lie_at_any_place_of_any_record_costs_no_memory() {
    fn one<R: Record>(record: &R) -> usize {
        let body = body(record);
        let mut refused = 0;
        for at in 0..body.len().saturating_sub(7) {
            for lie in LIES {
                let mut hostile = body.clone();
                hostile[at..at + 8].copy_from_slice(&lie.to_le_bytes());
                refused += usize::from(decode_record::<R>(&framed::<R>(&hostile)).is_err());
            }
        }
        refused
    }
    let before = peak_kib();
    let refused: usize = for_every_record!(sample => one(&sample)).iter().sum();
    assert!(refused > 1_000, "only {refused} refused: the lies did not hit");
    // A decoder may take one record's worth at a time; believing a lie would take gigabytes. Other tests run beside this.
    assert!(peak_kib() < before + (600 << 10), "the address space grew from {before} to {} KiB", peak_kib());
}

#[test]
fn a_text_longer_than_the_record_is_refused() {
    let sample = body(&records::label());
    // After two feature words, the set and the volume number stands the length of the label for people.
    let at = 8 + 8 + 16 + 4;
    assert_eq!(sample[at..at + 8], 26u64.to_le_bytes());
    for lie in LIES {
        let mut hostile = sample.clone();
        hostile[at..at + 8].copy_from_slice(&lie.to_le_bytes());
        let error = decode_record::<LabelRecord>(&framed::<LabelRecord>(&hostile)).unwrap_err();
        assert!(matches!(error.kind, FormatErrorKind::Record { record: "label", .. }), "{lie}: {error}");
    }
}

#[test]
fn a_list_longer_than_the_record_is_refused() {
    let sample = body(&records::section_end());
    let at = 8 * 3 + 16;
    assert_eq!(sample[at..at + 8], 2u64.to_le_bytes());
    for lie in LIES {
        let mut hostile = sample.clone();
        hostile[at..at + 8].copy_from_slice(&lie.to_le_bytes());
        let error = decode_record::<SectionEndRecord>(&framed::<SectionEndRecord>(&hostile)).unwrap_err();
        assert!(matches!(error.kind, FormatErrorKind::Record { record: "section end", .. }), "{lie}: {error}");
    }
}

#[test]
fn tags_and_text_that_are_none_are_refused() {
    let sample = body(&records::section_end());
    let mut tag = sample.clone();
    tag[8 * 3 + 16 + 8] = 2;
    let refused = decode_record::<SectionEndRecord>(&framed::<SectionEndRecord>(&tag));
    assert!(matches!(refused.unwrap_err().kind, FormatErrorKind::Record { .. }));
    let label = body(&records::label());
    let text = label.windows(3).position(|part| part == b"CMS").unwrap();
    let mut bytes = label.clone();
    bytes[text] = 0xFF;
    let refused = decode_record::<LabelRecord>(&framed::<LabelRecord>(&bytes));
    assert!(matches!(refused.unwrap_err().kind, FormatErrorKind::Record { .. }));
    let whole = encode_record(&LabelRecord { incremental: true, ..records::label() }).unwrap();
    let other = encode_record(&LabelRecord { acd: Some(4), ..records::label() }).unwrap();
    let acd = whole.iter().zip(&other).position(|(a, b)| a != b).unwrap();
    let mut flag = whole.clone();
    assert_eq!(flag[acd + 8], 1, "the flag stands after the ACD");
    flag[acd + 8] = 2;
    assert!(matches!(decode_record::<LabelRecord>(&flag).unwrap_err().kind, FormatErrorKind::Record { .. }));
}

#[test]
fn a_record_length_over_the_cap_or_past_the_payload_is_refused_with_the_checksum_right() {
    let payload = encode_record(&records::section_end()).unwrap();
    let block = |length: u32| {
        let kind = BlockKind::SectionEnd;
        let mut block = encode_block(kind, records::identity(kind), &payload).unwrap();
        block[84..88].copy_from_slice(&length.to_le_bytes());
        mend_block(&mut block);
        let header = BlockHeader::parse(&block).unwrap();
        let payload = header.payload(&block).unwrap();
        read_records(payload).map(|records| records.len()).map_err(|error| error.to_string())
    };
    let real = (payload.len() - FRAME_LEN) as u32;
    assert_eq!(block(real), Ok(1));
    assert_eq!(block((8 << 20) + 1), Err("record length is 8388609, the limit is 8388608 (byte 0)".into()));
    assert_eq!(block(u32::MAX), Err("record length is 4294967295, the limit is 8388608 (byte 0)".into()));
    assert_eq!(block(real + 1), Err(format!("{} bytes wanted, {real} left (byte 8)", real + 1)));
    // A length that is too short leaves bytes that are no frame.
    assert!(block(real - 1).is_err());
}
