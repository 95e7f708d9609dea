//! What the readers make of damaged volumes: what they find, what they still give, and whether any of it is not what was
//! written. The judge of the battery and of fuzzing alike.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "helpers of tests stop at a surprise, as tests do")]

use super::fixtures::Fixture;
use super::tables::lines;
use crate::base::monitor::Silent;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::device::memory::MemoryDevice;
use crate::format::block::SetId;
use crate::format::catalog::{BucketEntry, CatalogRecord};
use crate::format::label::LabelRecord;
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::section::rows::SectionTable;
use crate::verify::Depth;
use crate::verify::finding::{Finding, Level};
use crate::verify::part::{Choice, Subset};
use crate::verify::set::{Asked, Verified, verify, verify_set};
use crate::volume::section::SectionView;
use crate::volume::set::{SetReader, list_sets};
use std::collections::{BTreeMap, BTreeSet};

/// Section and number of a chunk.
pub type ChunkId = (u32, u64);

/// What a set says of a section beside its rows.
type Told = (SectionRecord, Option<SectionEndRecord>, Vec<BucketEntry>);

/// A fixture and everything that its readers give while it is whole.
#[derive(Debug)]
pub struct Whole {
    /// The volumes.
    pub fixture: Fixture,
    /// Its id.
    pub set: SetId,
    /// The payload of each chunk.
    pub chunks: BTreeMap<ChunkId, Vec<u8>>,
    /// Volume and block of each chunk.
    pub places: BTreeMap<ChunkId, (u32, u64)>,
    /// Rows in all.
    pub rows: u64,
    label: LabelRecord,
    catalog: CatalogRecord,
    told: Vec<Told>,
    /// The rows of each chunk.
    lines: BTreeMap<ChunkId, Vec<String>>,
}

/// What the readers make of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Sets that are listed.
    pub sets: usize,
    /// Whether the fixture's set is among them.
    pub own: bool,
    /// The level of the worst that is said against that one.
    pub own_worst: Option<Level>,
    /// Files that cannot be used, and why.
    pub unreadable: Vec<String>,
    /// What the verification finds.
    pub findings: Vec<Finding>,
    /// Whether the set is complete.
    pub complete: bool,
    /// Volumes that are wanted.
    pub missing: Vec<u32>,
    /// Chunks that are read and are what was written.
    pub chunks: BTreeSet<ChunkId>,
    /// Chunks of which the rows are read as they were written, whatever else in them is another.
    pub held: BTreeSet<ChunkId>,
    /// Rows that the verification proved.
    pub rows: u64,
    /// What is given without an error and is not what was written: chunks by their numbers, the rest by a word.
    pub changed: Vec<String>,
}

impl Verdict {
    /// Whether anything at all is said against it.
    #[must_use]
    pub fn is_noticed(&self) -> bool {
        self.sets != 1 || !self.unreadable.is_empty() || !self.findings.is_empty()
    }

    /// The worst finding's level.
    #[must_use]
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// Whether a finding of damage names this block.
    #[must_use]
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

/// Whether sound or not, every byte of every volume is read and judged, and there are as many as the device holds: zeros
/// behind its end belong to no volume.
fn all_judged(device: &MemoryDevice, verified: &Verified) {
    assert!(verified.bytes() == verified.exists(), "{} of {}", verified.bytes(), verified.exists());
    for media in &verified.volumes {
        let held = device.bytes(&media.name).unwrap();
        let behind = held.get(usize::try_from(media.exists).unwrap()..);
        let told = (&media.name, media.bytes, media.exists, held.len());
        assert!(media.bytes == media.exists && behind.is_some_and(are_zeros), "bytes are not judged: {told:?}");
    }
}

/// Whether there is nothing but zeros.
#[must_use]
pub(super) fn are_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

impl Whole {
    /// Reads a fixture, which must be sound.
    #[must_use]
    pub fn new(fixture: Fixture) -> Whole {
        let device = fixture.device();
        let listing = list_sets(&device).unwrap();
        let set = listing.into_set(&device, None).unwrap();
        let verified = verify_set(&set, 1, &Silent);
        assert_eq!(verified.findings, []);
        let all = || set.sections().iter().flat_map(|section| section.chunks.iter().map(move |chunk| (section, chunk)));
        let (mut chunks, mut places, mut written) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (section, chunk) in all() {
            let id = (chunk.section, chunk.number);
            let payload = set.read_chunk(chunk).unwrap();
            let table = SectionTable::new(section.number, &section.header).unwrap();
            let rows = table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).unwrap();
            written.insert(id, lines(&rows.batch));
            places.insert(id, (chunk.entry.volume, chunk.entry.block));
            chunks.insert(id, payload);
        }
        Whole {
            set: set.set_id(),
            chunks,
            places,
            lines: written,
            rows: verified.rows,
            label: set.label().clone(),
            catalog: set.catalog().unwrap().clone(),
            told: set.sections().iter().map(told).collect(),
            fixture: fixture.clone(),
        }
    }

    /// A device with the fixture's volumes, one of them (from 0) in other bytes.
    #[must_use]
    pub fn with(&self, volume: usize, bytes: Vec<u8>) -> MemoryDevice {
        let device = self.fixture.device();
        if let Some((name, _)) = self.fixture.volumes.get(volume) {
            device.insert(name, bytes);
        }
        device
    }

    /// Lists, verifies and reads everything.
    ///
    /// # Panics
    /// If the verification leaves out bytes of a volume that it judges.
    #[must_use]
    pub fn judge(&self, device: &MemoryDevice) -> Verdict {
        let listing = list_sets(device).unwrap();
        let mut verdict = Verdict { sets: listing.sets.len(), ..Verdict::default() };
        verdict.unreadable = listing.unreadable.iter().map(|(name, error)| format!("{name}: {error}")).collect();
        for set in &listing.sets {
            let verified = verify_set(set, 1, &Silent);
            all_judged(device, &verified);
            let own_worst = verified.worst();
            verdict.findings.extend(verified.findings);
            if set.set_id() != self.set {
                continue;
            }
            verdict.own = true;
            verdict.own_worst = own_worst;
            verdict.rows = verified.rows;
            verdict.complete = set.is_complete();
            verdict.missing = set.missing_volumes();
            self.compare(set, &mut verdict);
        }
        verdict
    }

    /// Whether rows are not there, or not as they were written, and nobody says so. That there is no such set, or that it is
    /// another one beside others, is told.
    #[must_use]
    pub fn is_less(&self, verdict: &Verdict) -> bool {
        let gone = !verdict.own && verdict.sets != 1;
        let told = gone || !verdict.unreadable.is_empty() || verdict.own_worst >= Some(Level::Incomplete);
        !told && (verdict.rows != self.rows || !verdict.held.iter().eq(self.chunks.keys()))
    }

    /// What verification finds that goes so deep, of all or of one of so many parts of the set.
    ///
    /// # Panics
    /// If it says that it has read more bytes than there are.
    #[must_use]
    pub fn verified(&self, device: &MemoryDevice, depth: Depth, part: Option<(u32, u32)>) -> Verified {
        let listing = list_sets(device).unwrap();
        let Some(set) = listing.sets.iter().find(|set| set.set_id() == self.set) else { return Verified::default() };
        let never = |_: &_| Vec::new();
        let choice = |(part, of)| Choice { sample: None, subset: Some(Subset { part, of }), proven: &never };
        let verified = verify(set, &Asked { depth, choice: part.map(choice) }, 2, &Silent);
        assert!(verified.bytes() <= verified.exists(), "{} of {}", verified.bytes(), verified.exists());
        verified
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
            let written = self.told.get((section.number as usize).wrapping_sub(1));
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
                    verdict.held.insert(id);
                } else {
                    match self.other_rows(section, id, &payload) {
                        Some(Some(what)) => verdict.changed.push(what),
                        Some(None) => drop(verdict.held.insert(id)),
                        None => {}
                    }
                }
            }
        }
    }

    /// What a payload that is not what was written gives, if it passes: nothing else, `rows` that nobody wrote, or the rows of
    /// another chunk.
    fn other_rows(&self, section: &SectionView, id: ChunkId, payload: &[u8]) -> Option<Option<String>> {
        let table = SectionTable::new(section.number, &section.header).ok()?;
        let proved = table.prove(&mut RowHasher::default(), payload, Position::UNKNOWN).ok()?;
        let rows = lines(&proved.batch);
        if self.lines.get(&id) == Some(&rows) {
            return Some(None);
        }
        let what = if self.lines.values().any(|lines| *lines == rows) { "another chunk's rows" } else { "rows" };
        Some(Some(format!("{what} in chunk {} of section {}", id.1, id.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damage::{Damage, places};
    use crate::testing::fixtures::{other, small};

    #[test]
    fn what_differs_is_told() {
        let (own, stranger) = (Whole::new(small(None)), Whole::new(other(0x77, None)));
        let verdict = own.judge(&own.fixture.device());
        assert!(!verdict.is_noticed() && verdict.changed.is_empty() && verdict.complete);
        assert!(verdict.chunks.iter().eq(own.chunks.keys()));
        // The judge of one set, asked of another.
        let judge = Whole { set: stranger.set, ..own };
        let verdict = judge.judge(&stranger.fixture.device());
        assert!(verdict.changed.contains(&"label".to_owned()), "{verdict:?}");
        let volume = &stranger.fixture.volumes[0].1;
        let place = places(volume)[4];
        let verdict = stranger.judge(&stranger.with(0, Damage::Flip { at: place.at + 90, mask: 1 }.of(volume)));
        assert!(verdict.names(1, 4) && !verdict.names(1, 5), "{:?}", verdict.findings);
        assert!(verdict.chunks.len() < stranger.chunks.len() || verdict.rows == stranger.rows);
    }

    #[test]
    fn rows_that_nobody_wrote_are_told() {
        let mut judge = Whole::new(small(None));
        let device = judge.fixture.device();
        let id = *judge.chunks.keys().next().unwrap();
        judge.chunks.get_mut(&id).unwrap().push(0);
        judge.lines.get_mut(&id).unwrap()[0].push('x');
        assert_eq!(judge.judge(&device).changed, [format!("rows in chunk {} of section {}", id.1, id.0)]);
    }
}
