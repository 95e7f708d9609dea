//! The bodies of the fuzz targets. Each takes any bytes and must not panic; beside that it holds a promise with an
//! `assert!`. They run under libFuzzer from `fuzz/`, and on stable over seeds and mutations in the tests below.

use crate::base::checksum::crc32;
use crate::format::block::{BlockHeader, HEADER_LEN, MAGIC, encode_block};
use crate::format::catalog::{
    BlockListRecord, BucketListRecord, CatalogRecord, CatalogSectionRecord, ChunkListRecord, VolumeIndexRecord,
    VolumeListRecord,
};
use crate::format::chunk::{ChunkRecord, encode_chunk, parse_chunk};
use crate::format::label::LabelRecord;
use crate::format::layout::block as at;
use crate::format::marks::VolumeEndRecord;
use crate::format::record::{FRAME_LEN, Record, decode_record, encode_record, read_records};
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::store::control::KeyRuns;
use std::fmt::Debug;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(byte, new)| *byte = *new);
}

/// The bytes with magic, version, header length, reserved fields and both checksums made right, so that every other
/// check is reached; padded with zeros to a whole header. The payload length is folded into what is there.
fn repaired(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let aligned = bytes.len().max(HEADER_LEN).next_multiple_of(crate::format::block::ALIGNMENT);
    bytes.resize(aligned, 0);
    put(&mut bytes, at::MAGIC, &MAGIC);
    put(&mut bytes, at::VERSION, &1u16.to_le_bytes());
    put(&mut bytes, at::HEADER_LEN, &80u16.to_le_bytes());
    put(&mut bytes, at::FLAGS, &[0; 3]);
    put(&mut bytes, at::KEY_ID, &[0; 20]);
    let len = data.len().saturating_sub(HEADER_LEN) as u32;
    put(&mut bytes, at::PAYLOAD_LEN, &len.to_le_bytes());
    let payload_crc = crc32(bytes.get(HEADER_LEN..).unwrap_or_default());
    put(&mut bytes, at::PAYLOAD_CRC, &payload_crc.to_le_bytes());
    let header_crc = crc32(bytes.get(..at::HEADER_CRC).unwrap_or_default());
    put(&mut bytes, at::HEADER_CRC, &header_crc.to_le_bytes());
    bytes
}

/// A block: what is accepted is what the writer would have written, byte for byte.
pub fn block(data: &[u8]) {
    for bytes in [data.to_vec(), repaired(data)] {
        let Ok(header) = BlockHeader::parse(&bytes) else { continue };
        let Ok(payload) = header.payload(&bytes) else { continue };
        let again = encode_block(header.kind, header.identity, payload);
        let same = again.as_ref().is_ok_and(|again| Some(again.as_slice()) == bytes.get(..header.block_len()));
        assert!(same, "an accepted block differs from what is written: {header:?}");
    }
}

/// A payload with one record of type `R` whose body is `body`.
pub(super) fn framed(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(body.len().saturating_add(FRAME_LEN));
    payload.extend_from_slice(&kind.to_le_bytes());
    payload.extend_from_slice(&1u16.to_le_bytes());
    payload.extend_from_slice(&(body.len() as u32).to_le_bytes());
    payload.extend_from_slice(body);
    payload
}

/// A record body: what is accepted reads back equal after it was written again, and the bytes written are the front of
/// the bytes read, unless the record holds others that may have grown.
fn record_body<R: Record + PartialEq + Debug>(body: &[u8], embeds: bool) {
    let Ok(record) = decode_record::<R>(&framed(R::KIND, body)) else { return };
    let again = encode_record(&record);
    assert!(again.is_ok(), "an accepted record cannot be written: {record:?}");
    let again = again.unwrap_or_default();
    let front = again.get(FRAME_LEN..).unwrap_or_default();
    assert!(embeds || body.starts_with(front), "the body has two forms: {record:?}");
    assert!(decode_record::<R>(&again).as_ref() == Ok(&record), "written and read back, it differs: {record:?}");
}

/// The body of a label.
pub fn label(data: &[u8]) {
    record_body::<LabelRecord>(data, false);
}

/// The body of a section header or, where the first byte is odd, of a section end.
pub fn section(data: &[u8]) {
    match data.split_first() {
        Some((first, body)) if first & 1 == 1 => record_body::<SectionEndRecord>(body, false),
        Some((_, body)) => record_body::<SectionRecord>(body, false),
        None => {}
    }
}

/// A chunk's payload as it is; and the body of a directory, with as many column bytes behind it as it asks for.
pub fn chunk(data: &[u8]) {
    let mut payloads = vec![data.to_vec()];
    let mut built = framed(ChunkRecord::KIND, data);
    if let Ok(directory) = decode_record::<ChunkRecord>(&built) {
        let asked = directory.columns.iter().map(|column| column.stored as usize).fold(0, usize::saturating_add);
        built.extend(std::iter::repeat_n(0xC5, asked.min(1 << 20)));
        payloads.push(built);
    }
    for payload in payloads {
        let Ok(view) = parse_chunk(&payload) else { continue };
        let columns: Vec<Vec<u8>> = view.columns.iter().map(|bytes| bytes.to_vec()).collect();
        let again = encode_chunk(&view.directory, &columns);
        assert!(again.is_ok(), "an accepted chunk cannot be written: {:?}", view.directory);
        let again = again.unwrap_or_default();
        assert!(parse_chunk(&again).as_ref() == Ok(&view), "written and read back, it differs: {:?}", view.directory);
    }
}

/// The records of a catalog, an index and an end mark: as a payload; and the first byte chooses the kind of a body.
pub fn catalog(data: &[u8]) {
    if let Ok(records) = read_records(data) {
        let whole = records.iter().map(|record| record.body.len().saturating_add(FRAME_LEN)).sum::<usize>();
        assert!(whole == data.len(), "records leave {} of {} bytes out", data.len().saturating_sub(whole), data.len());
        records.iter().for_each(|record| catalog_body(record.kind, record.body));
    }
    if let Some((first, body)) = data.split_first() {
        catalog_body(u16::from(first % 8).saturating_add(VolumeIndexRecord::KIND), body);
    }
}

fn catalog_body(kind: u16, body: &[u8]) {
    match kind {
        VolumeIndexRecord::KIND => record_body::<VolumeIndexRecord>(body, false),
        BlockListRecord::KIND => record_body::<BlockListRecord>(body, false),
        CatalogRecord::KIND => record_body::<CatalogRecord>(body, false),
        VolumeListRecord::KIND => record_body::<VolumeListRecord>(body, false),
        CatalogSectionRecord::KIND => record_body::<CatalogSectionRecord>(body, true),
        ChunkListRecord::KIND => record_body::<ChunkListRecord>(body, false),
        BucketListRecord::KIND => record_body::<BucketListRecord>(body, false),
        VolumeEndRecord::KIND => record_body::<VolumeEndRecord>(body, false),
        _ => {}
    }
}

/// A list of row keys: what is accepted is in its only spelling, and its runs ascend without touching.
pub fn keys(data: &[u8]) {
    let Ok(keys) = KeyRuns::from_bytes(data) else { return };
    assert!(keys.to_bytes() == data, "a list of row keys has two spellings: {keys:?}");
    let runs: Vec<(i64, i64)> = keys.iter().collect();
    assert!(runs.iter().all(|(first, last)| first <= last), "a run goes backwards: {keys:?}");
    let apart = runs.windows(2).all(|pair| matches!(pair, [(_, last), (next, _)] if last.saturating_add(1) < *next));
    assert!(apart, "runs touch: {keys:?}");
    let ends = runs.iter().all(|(first, last)| keys.holds(*first) && keys.holds(*last));
    assert!(ends && keys.last() == runs.last().map(|run| run.1), "keys are lost: {keys:?}");
    let mut again = KeyRuns::default();
    runs.iter().rev().for_each(|(first, last)| again.add_run(*first, *last));
    assert!(again == keys && again.rows() >= runs.len() as u64, "put together anew, it differs: {keys:?}");
}

/// A parser with a planted fault: it believes a length. Fuzzing that does not find this finds nothing.
pub fn canary(data: &[u8]) {
    let Some((len, rest)) = data.split_first() else { return };
    if rest.first() == Some(&b'I') {
        assert!(usize::from(*len) <= rest.len(), "the canary believed a length of {len}");
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;
    use crate::testing::fuzz_column::column;
    use crate::testing::mutate::{Rng, mutate};
    use crate::testing::seeds::{TARGETS, seeds};
    use crate::testing::twin::twin;
    use crate::testing::{fuzz_postgres, fuzz_set, fuzz_text};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;

    type Body = fn(&[u8]);

    const MUTATIONS: usize = 20_000;

    /// Runs a body over its seeds and so many mutations of them; how many inputs failed.
    fn run(target: &str, body: Body, mutations: usize) -> usize {
        let mut rng = Rng::new(0x1D);
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target} has no seed");
        let failed = |bytes: &[u8]| usize::from(catch_unwind(AssertUnwindSafe(|| body(bytes))).is_err());
        let mut failures: usize = seeds.iter().map(|(_, bytes)| failed(bytes)).sum();
        for _ in 0..mutations {
            let mut bytes = seeds[rng.below(seeds.len())].1.clone();
            mutate(&mut bytes, &mut rng);
            failures += failed(&bytes);
        }
        failures
    }

    #[test]
    fn bodies_hold_over_seeds_and_mutations() {
        let bodies: [(&str, Body); 10] = [
            ("block", block),
            ("label", label),
            ("section", section),
            ("chunk", chunk),
            ("catalog", catalog),
            ("column", column),
            ("keys", keys),
            ("copy_text", fuzz_postgres::copy_text),
            ("url", fuzz_postgres::url),
            ("twin", twin),
        ];
        for (target, body) in bodies {
            assert_eq!(run(target, body, MUTATIONS), 0, "{target}");
        }
    }

    #[test]
    fn slower_bodies_hold_over_seeds_and_fewer_mutations() {
        let bodies: [(&str, Body, usize); 5] = [
            ("set", fuzz_set::set, 80),
            ("stream", fuzz_set::stream, 300),
            ("tape", fuzz_set::tape, 100),
            ("catalogue", fuzz_text::catalogue, 400),
            ("files", fuzz_text::files, MUTATIONS),
        ];
        for (target, body, mutations) in bodies {
            assert_eq!(run(target, body, mutations), 0, "{target}");
        }
    }

    #[test]
    fn the_canary_dies() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let failures = run("canary", canary, MUTATIONS);
        std::panic::set_hook(hook);
        assert!(failures > 10, "only {failures} of {MUTATIONS} mutations found the planted fault");
    }

    #[test]
    fn a_repaired_block_reaches_its_payload() {
        for (name, bytes) in seeds("block") {
            let bytes = repaired(&bytes);
            let header = BlockHeader::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(header.payload(&bytes).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_seeds_on_disk_are_those_that_are_generated() {
        let bless = std::env::var_os("INTERVAULT_BLESS").is_some();
        for target in TARGETS {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
            if bless {
                std::fs::create_dir_all(&dir).unwrap();
                seeds(target).iter().for_each(|(name, bytes)| std::fs::write(dir.join(name), bytes).unwrap());
            }
            let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(&dir)
                .unwrap_or_else(|error| panic!("{}: {error}; INTERVAULT_BLESS=1 writes the seeds", dir.display()))
                .map(|entry| entry.unwrap())
                .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
                .collect();
            found.sort();
            let mut expected = seeds(target);
            expected.sort();
            assert!(found == expected, "{target}: seeds differ; INTERVAULT_BLESS=1 writes them again");
        }
    }
}
