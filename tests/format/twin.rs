//! The engine and the second implementation of the record layout, `testing::twin`: both write and take the same bytes.

use super::body;
use intervault::format::catalog::CatalogSectionRecord;
use intervault::format::label::LabelRecord;
use intervault::format::record::Record;
use intervault::format::section::SectionEndRecord;
use intervault::testing::mutate::{Rng, mutate};
use intervault::testing::records;
use intervault::testing::seeds::seeds;
use intervault::testing::twin::{Judged, KINDS, judged};

/// A record of each kind: the seeds of the fuzz target, which begin with the place of their kind.
fn samples() -> Vec<(u16, Vec<u8>)> {
    let seeds = seeds("twin").into_iter();
    seeds.map(|(_, bytes)| (KINDS[usize::from(bytes[0])], bytes[1..].to_vec())).collect()
}

#[test]
fn both_implementations_write_and_read_the_same() {
    let (samples, mut random) = (samples(), Rng::new(7));
    assert!(samples.iter().map(|(kind, _)| kind).eq(KINDS), "a sample of each kind");
    for (kind, sample) in samples {
        assert_eq!(judged(kind, &sample), Judged::Accepted, "record kind {kind}");
        let mut accepted = 0;
        for _ in 0..4_000 {
            let mut bytes = sample.clone();
            mutate(&mut bytes, &mut random);
            accepted += usize::from(judged(kind, &bytes) == Judged::Accepted);
        }
        assert!((400..3_900).contains(&accepted), "{accepted} of 4,000 mutations of record kind {kind} were accepted");
    }
}

#[test]
fn options_not_given_and_empty_lists_are_the_same_too() {
    let label = LabelRecord {
        volume: 1,
        acd: None,
        incremental: false,
        parent_set: None,
        sequence: 0,
        predecessor: None,
        retain_until: None,
        chain: records::SET.0,
        salvaged: None,
        ..records::label()
    };
    assert_eq!(judged(LabelRecord::KIND, &body(&label)), Judged::Accepted);
    let end = SectionEndRecord { held: Vec::new(), envelope: Vec::new(), lost: None, ..records::section_end() };
    assert_eq!(judged(SectionEndRecord::KIND, &body(&end)), Judged::Accepted);
}

/// An embedded record may have grown at its end.
#[test]
fn an_embedded_record_that_has_grown_is_taken_by_both() {
    let sample = records::catalog_section();
    let (header, end) = (body(&sample.header), body(&sample.end));
    let with = |header: &[u8]| {
        let mut bytes = body(&sample);
        let (from, to) = (4, 4 + 8 + header_len(&sample));
        bytes.splice(from..to, (header.len() as u64).to_le_bytes().into_iter().chain(header.iter().copied()));
        bytes
    };
    assert_eq!(with(&header), body(&sample));
    assert!(with(&header).windows(end.len()).any(|part| part == end));
    let kind = CatalogSectionRecord::KIND;
    assert_eq!(judged(kind, &with(&[&header[..], b"later"].concat())), Judged::Accepted);
    assert_eq!(judged(kind, &with(&header[..header.len() / 2])), Judged::Refused);
}

fn header_len(sample: &CatalogSectionRecord) -> usize {
    body(&sample.header).len()
}
