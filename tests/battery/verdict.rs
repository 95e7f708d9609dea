//! What the readers make of damaged volumes: what they find, what they still give, and whether any of it is not what was written.

use intervault::base::monitor::Silent;
use intervault::base::position::Position;
use intervault::column::digest::RowHasher;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::SetId;
use intervault::format::catalog::{BucketEntry, CatalogRecord};
use intervault::format::label::LabelRecord;
use intervault::format::section::{SectionEndRecord, SectionRecord};
use intervault::section::rows::SectionTable;
use intervault::testing::fixtures::Fixture;
use intervault::testing::tables::lines;
use intervault::verify::finding::{Finding, Level};
use intervault::verify::set::verify_set;
use intervault::volume::section::SectionView;
use intervault::volume::set::{SetReader, list_sets};
use std::collections::{BTreeMap, BTreeSet};

/// Whether everything is tried at every place.
pub fn long() -> bool {
    std::env::var("INTERVAULT_T1").is_ok_and(|wanted| !wanted.is_empty() && wanted != "0")
}

/// How far apart places are tried: so many in the short tier, every one in the long.
pub fn apart(short: usize) -> usize {
    if long() { 1 } else { short }
}

/// Section and number of a chunk.
pub type ChunkId = (u32, u64);

/// What a set says of a section beside its rows.
type Told = (SectionRecord, Option<SectionEndRecord>, Vec<BucketEntry>);

/// A fixture and everything that its readers give while it is whole.
pub struct Whole {
    pub fixture: Fixture,
    pub set: SetId,
    pub chunks: BTreeMap<ChunkId, Vec<u8>>,
    /// Volume and block of each chunk.
    pub places: BTreeMap<ChunkId, (u32, u64)>,
    pub rows: u64,
    label: LabelRecord,
    catalog: CatalogRecord,
    told: Vec<Told>,
}

/// What the readers make of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Sets that are listed.
    pub sets: usize,
    /// Files that cannot be used, and why.
    pub unreadable: Vec<String>,
    pub findings: Vec<Finding>,
    pub complete: bool,
    pub missing: Vec<u32>,
    /// Chunks that are read and are what was written.
    pub chunks: BTreeSet<ChunkId>,
    /// Rows that the verification proved.
    pub rows: u64,
    /// What is given without an error and is not what was written: chunks by their numbers, the rest by a word.
    pub changed: Vec<String>,
}

impl Verdict {
    /// Whether anything at all is said against it.
    pub fn is_noticed(&self) -> bool {
        self.sets != 1 || !self.unreadable.is_empty() || !self.findings.is_empty()
    }

    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// Whether a finding of damage names this block.
    pub fn names(&self, volume: u32, block: u64) -> bool {
        let here = |finding: &&Finding| {
            finding.level == Level::Damage && finding.at.volume == Some(volume) && finding.at.block == Some(block)
        };
        self.findings.iter().find(here).is_some()
    }
}

fn told(section: &SectionView) -> Told {
    (section.header.clone(), section.end.clone(), section.buckets.clone())
}

impl Whole {
    pub fn new(fixture: Fixture) -> Whole {
        let device = fixture.device();
        let listing = list_sets(&device).unwrap();
        let set = listing.into_set(&device, None).unwrap();
        let verified = verify_set(&set, 1, &Silent);
        assert_eq!(verified.findings, []);
        let all = || set.sections().iter().flat_map(|section| &section.chunks);
        let chunks = all().map(|chunk| ((chunk.section, chunk.number), set.read_chunk(chunk).unwrap())).collect();
        let places = all().map(|chunk| ((chunk.section, chunk.number), (chunk.entry.volume, chunk.entry.block)));
        Whole {
            set: set.set_id(),
            chunks,
            places: places.collect(),
            rows: verified.rows,
            label: set.label().clone(),
            catalog: set.catalog().unwrap().clone(),
            told: set.sections().iter().map(told).collect(),
            fixture: fixture.clone(),
        }
    }

    /// A device with the fixture's volumes, one of them (from 0) in other bytes.
    pub fn with(&self, volume: usize, bytes: Vec<u8>) -> MemoryDevice {
        let device = self.fixture.device();
        device.insert(&self.fixture.volumes[volume].0, bytes);
        device
    }

    /// Lists, verifies and reads everything.
    pub fn judge(&self, device: &MemoryDevice) -> Verdict {
        let listing = list_sets(device).unwrap();
        let mut verdict = Verdict { sets: listing.sets.len(), ..Verdict::default() };
        verdict.unreadable = listing.unreadable.iter().map(|(name, error)| format!("{name}: {error}")).collect();
        for set in listing.sets.iter().filter(|set| set.set_id() == self.set) {
            let verified = verify_set(set, 1, &Silent);
            verdict.findings.extend(verified.findings);
            verdict.rows = verified.rows;
            verdict.complete = set.is_complete();
            verdict.missing = set.missing_volumes();
            self.compare(set, &mut verdict);
        }
        verdict
    }

    fn compare(&self, set: &SetReader<'_>, verdict: &mut Verdict) {
        let own = |label: &LabelRecord| LabelRecord {
            volume: 1,
            label: String::new(),
            capacity: 0,
            predecessor: None,
            ..label.clone()
        };
        if own(set.label()) != own(&self.label) {
            verdict.changed.push("label".to_owned());
        }
        if set.catalog().is_some_and(|catalog| *catalog != self.catalog) {
            verdict.changed.push("catalog".to_owned());
        }
        for section in set.sections() {
            let written = self.told.get(section.number as usize - 1);
            let (header, end, buckets) = told(section);
            let same =
                written.is_some_and(|(whole, _, _)| SectionRecord { first_row: 0, first_chunk: 0, ..header } == *whole);
            if !same {
                verdict.changed.push(format!("header of section {}", section.number));
            }
            let ended = end.is_none_or(|end| written.is_some_and(|(_, whole, _)| Some(end) == *whole));
            if !ended {
                verdict.changed.push(format!("end of section {}", section.number));
            }
            // A bucket that lost chunks has fewer rows; one that lost none is what was written.
            let proven = buckets.iter().zip(&section.proven).filter(|(_, proven)| **proven);
            for (bucket, _) in proven {
                let known = written.is_some_and(|(_, _, whole)| whole.iter().any(|other| other == bucket));
                if !known {
                    verdict.changed.push(format!("a proven bucket of section {}", section.number));
                }
            }
            for chunk in section.chunks.iter().filter(|chunk| chunk.here) {
                let Ok(payload) = set.read_chunk(chunk) else { continue };
                let id = (chunk.section, chunk.number);
                if self.chunks.get(&id) == Some(&payload) {
                    verdict.chunks.insert(id);
                } else if let Some(what) = self.other_rows(section, id, &payload) {
                    verdict.changed.push(what);
                }
            }
        }
    }

    /// Whether a payload that is not what was written gives other rows and passes all the same.
    fn other_rows(&self, section: &SectionView, id: ChunkId, payload: &[u8]) -> Option<String> {
        let Ok(table) = SectionTable::new(section.number, &section.header) else { return None };
        let rows = |payload: &[u8]| {
            let proved = table.prove(&mut RowHasher::default(), payload, Position::UNKNOWN);
            proved.map(|rows| lines(&rows.batch))
        };
        let found = rows(payload).ok()?;
        let written = self.chunks.get(&id).and_then(|payload| rows(payload).ok());
        (Some(found) != written).then(|| format!("rows of chunk {} of section {}", id.1, id.0))
    }
}
