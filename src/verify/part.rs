//! Verification of a part: what every volume says of itself, and of its other blocks those that are chosen. The index of a volume
//! lists the hash of every block, and is itself under the running hash of the end mark: so a block can be proved alone. A volume
//! of which the index cannot be read is read whole.

use super::finding::Finding;
use super::judge::{Fact, Held, Judge};
use super::media::{MediaProof, Passed, UNFINISHED_VOLUME, before_catalog, catalog_elsewhere, ending, index_at_odds};
use super::order::ordered;
use super::proof::Gathered;
use super::read::{Open, Reader, Taker};
use crate::base::checksum::{Hash, blake3, chain};
use crate::base::ordered::ordered_from;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::format::block::{BlockHeader, BlockKind, SetId};
use crate::format::catalog::BlockEntry;
use crate::format::label::Predecessor;
use crate::format::marks::VolumeEndRecord;
use crate::volume::error::VolumeError;
use crate::volume::reader::{Blocks, VolumeIndex};
use crate::volume::scanner::{ScanItem, ScanPoint, Scanner};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::Range;

/// Which bytes these are: a copy of a volume that was not written again since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeId {
    /// The set.
    pub set: SetId,
    /// Number of the volume, from 1.
    pub number: u32,
    /// Its name on its device.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// The running hash of its end mark.
    pub running_hash: Hash,
}

/// Blocks of a volume that were proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The volume.
    pub volume: VolumeId,
    /// Numbers of the blocks, ascending, without overlap.
    pub blocks: Vec<Range<u64>>,
}

/// A random part of the blocks of each volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How many of a million blocks; at least one block of each volume is read.
    pub millionths: u32,
    /// The same seed chooses the same blocks.
    pub seed: u64,
}

/// One of so many parts, which together are all blocks and of which no two have one in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subset {
    /// Number of the part, from 1 to `of`.
    pub part: u32,
    /// How many parts there are, from 1.
    pub of: u32,
}

/// Which blocks are read; beside them, always, those by which a volume says what it holds.
#[derive(Clone, Copy)]
pub struct Choice<'c> {
    /// A random part of what else is chosen.
    pub sample: Option<Sample>,
    /// One of several parts.
    pub subset: Option<Subset>,
    /// Blocks that need not be read, ascending and without overlap.
    pub proven: &'c (dyn Fn(&VolumeId) -> Vec<Range<u64>> + Sync),
}

impl std::fmt::Debug for Choice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice").field("sample", &self.sample).field("subset", &self.subset).finish_non_exhaustive()
    }
}

/// How much was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chosen {
    /// Blocks that were chosen, beside those that are always read.
    pub blocks: u64,
    /// Of these, how many were read.
    pub read: u64,
    /// How many there are to choose from.
    pub of: u64,
    /// How many were left out since they were proved before.
    pub proven: u64,
    /// Volumes without an index that can be read: nothing is chosen of these, they are read from their first byte on.
    pub unlisted: u64,
}

impl Subset {
    /// Whether a block belongs to this part. Depends on nothing but set, volume and block.
    #[must_use]
    pub fn has(&self, set: SetId, volume: u32, block: u64) -> bool {
        let of = u64::from(self.of.max(1));
        draw(0, set, volume, block).checked_rem(of) == Some(u64::from(self.part).saturating_sub(1))
    }
}

/// A number that is random for each block, and always the same.
fn draw(seed: u64, set: SetId, volume: u32, block: u64) -> u64 {
    let bytes = [&seed.to_le_bytes()[..], &set.0, &volume.to_le_bytes(), &block.to_le_bytes()].concat();
    blake3(&bytes).first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The blocks of a volume that are chosen of these; how many were left out since they were proved before.
fn choose(choice: &Choice<'_>, volume: &VolumeId, blocks: &[u64]) -> (Vec<u64>, u64) {
    let draws = |seed: u64, block: u64| draw(seed, volume.set, volume.number, block);
    let mut chosen: Vec<u64> = blocks
        .iter()
        .copied()
        .filter(|block| choice.subset.is_none_or(|subset| subset.has(volume.set, volume.number, *block)))
        .collect();
    if let Some(sample) = choice.sample {
        let wanted = (chosen.len() as u64).saturating_mul(u64::from(sample.millionths)).div_ceil(1_000_000);
        chosen.sort_by_key(|block| draws(sample.seed, *block));
        chosen.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        chosen.sort_unstable();
    }
    let before = chosen.len() as u64;
    let proven = (choice.proven)(volume);
    let is_proven = |block: u64| {
        let place = proven.partition_point(|range| range.end <= block);
        proven.get(place).is_some_and(|range| range.contains(&block))
    };
    chosen.retain(|block| !is_proven(*block));
    let left_out = before.saturating_sub(chosen.len() as u64);
    (chosen, left_out)
}

/// A volume of which its own words were read.
struct Surveyed {
    id: VolumeId,
    index: VolumeIndex,
    passed: Passed,
    /// Numbers of the blocks that were met: they need not be read again.
    met: BTreeSet<u64>,
    /// Numbers of the blocks that were read and are as they should be.
    read: Vec<u64>,
}

impl Reader<'_> {
    /// Reads what these copies of volumes say of themselves, and the blocks that are chosen (none without a choice).
    pub(super) fn parts(
        &self,
        copies: Vec<(u32, String)>,
        open: &Open<'_>,
        choice: Option<&Choice<'_>>,
        taker: &mut Gathered,
    ) {
        for (number, name) in copies {
            if self.monitor.cancelled() {
                return;
            }
            match open(number, &name) {
                Ok(blocks) => self.part(&blocks, choice, taker),
                Err(error) => taker.unopened(number, &name, error),
            }
        }
    }

    /// The same of one volume.
    pub(super) fn part(&self, volume: &Blocks, choice: Option<&Choice<'_>>, taker: &mut Gathered) {
        let mut survey = Survey::new(self.judge, volume, taker);
        let Some((end, index)) = survey.own() else {
            let passed = survey.passed;
            return match choice {
                Some(_) => {
                    taker.chosen.unlisted = taker.chosen.unlisted.saturating_add(1);
                    self.scan(volume, taker);
                }
                None => taker.volume(passed),
            };
        };
        let mut surveyed = survey.listed(&end, index);
        match choice {
            Some(choice) => {
                taker.surveyed(surveyed.id.number, &surveyed.index.blocks);
                self.chosen(volume, choice, &mut surveyed, taker);
            }
            None => taker.indexed(surveyed.id.number, &surveyed.index.blocks),
        }
        let Surveyed { id, passed, mut read, .. } = surveyed;
        read.sort_unstable();
        taker.proven.push(Proven { volume: id, blocks: runs(&read) });
        taker.volume(passed);
    }

    fn chosen(&self, volume: &Blocks, choice: &Choice<'_>, surveyed: &mut Surveyed, taker: &mut Gathered) {
        let Surveyed { id, index, passed, met, read } = surveyed;
        let own = |entry: &BlockEntry| entry.kind == BlockKind::Label.id() || entry.kind == BlockKind::Catalog.id();
        let listed = (0u64..).zip(&index.blocks);
        let others = listed.filter(|(number, entry)| !own(entry) && !met.contains(number));
        let others: Vec<u64> = others.map(|(number, _)| number).collect();
        let (chosen, left_out) = choose(choice, id, &others);
        let count = &mut taker.chosen;
        count.of = count.of.saturating_add(others.len() as u64);
        count.blocks = count.blocks.saturating_add(chosen.len() as u64);
        count.proven = count.proven.saturating_add(left_out);
        let mut entries = chosen.into_iter().filter_map(|block| {
            let place = usize::try_from(block).ok()?;
            index.blocks.get(place).map(|entry| (block, *entry))
        });
        let done: Result<(), Infallible> = ordered_from(
            self.workers(),
            1,
            || Ok(if self.monitor.cancelled() { None } else { entries.next() }),
            |_, (block, listed), emit| {
                emit((block, listed, self.listed(volume, block, &listed)));
                Ok(())
            },
            |(block, listed, met)| {
                let bytes = u64::from(listed.bytes);
                self.monitor.advance(self.task, 0, bytes);
                taker.chosen.read = taker.chosen.read.saturating_add(1);
                passed.media.bytes = passed.media.bytes.saturating_add(bytes);
                match met {
                    Ok(fact) => {
                        passed.media.blocks = passed.media.blocks.saturating_add(1);
                        match taker.hold(&id.name, fact) {
                            Ok(()) => read.push(block),
                            Err(finding) => finding.into_iter().for_each(|finding| {
                                passed.note(finding.on(&id.name));
                            }),
                        }
                    }
                    Err(finding) => {
                        let lost = listed.offset..listed.offset.saturating_add(bytes);
                        let told = passed.note(finding.on(&id.name));
                        passed.lost.push((lost, told));
                    }
                }
                Ok(())
            },
        );
        let Ok(()) = done;
    }

    /// A block where the index lists it.
    fn listed(&self, volume: &Blocks, block: u64, listed: &BlockEntry) -> Result<Fact, Finding> {
        let at = Position::volume(volume.identity().1).with_block(block);
        let lent = self.judge.reading.take(u64::from(listed.bytes));
        let met =
            read_listed(volume, block, listed).map_err(|finding| Finding { at: finding.at.within(at), ..finding });
        let fact = met.map(|(header, bytes)| {
            let payload = header.payload(&bytes).unwrap_or_default();
            self.judge.block(&mut RowHasher::default(), listed.offset, header, payload, listed.hash)
        });
        drop(lent);
        fact
    }
}

/// The bytes of a block that are exactly those that the index lists.
fn read_listed(volume: &Blocks, block: u64, listed: &BlockEntry) -> Result<(BlockHeader, Vec<u8>), Finding> {
    let (set, number) = volume.identity();
    let about = format!("{} bytes from byte {}", listed.bytes, listed.offset);
    let format = |error| Finding::of_format(&error).about(&about);
    let mut bytes = vec![0; listed.bytes as usize];
    let read = volume.source().read_at(listed.offset, &mut bytes);
    read.map_err(|error| Finding::of_error(&VolumeError::from(error)).about(&about))?;
    let header = BlockHeader::parse(&bytes).map_err(format)?;
    header.expect(set, number, block).map_err(format)?;
    header.payload(&bytes).map_err(format)?;
    let same = header.block_len() == bytes.len()
        && (header.kind.id(), header.identity.section) == (listed.kind, listed.section)
        && blake3(&bytes) == listed.hash;
    if !same {
        return Err(
            Finding::damage(Position::UNKNOWN, "a sound block, but not the one that the index lists").about(&about)
        );
    }
    Ok((header, bytes))
}

/// Reads what a volume says of itself.
struct Survey<'s> {
    judge: &'s Judge,
    volume: &'s Blocks,
    taker: &'s mut Gathered,
    passed: Passed,
    /// Numbers of the blocks that were met, and of those that are as they should be.
    met: BTreeSet<u64>,
    read: Vec<u64>,
}

impl<'s> Survey<'s> {
    fn new(judge: &'s Judge, volume: &'s Blocks, taker: &'s mut Gathered) -> Survey<'s> {
        let media = MediaProof {
            name: volume.name().to_owned(),
            number: volume.identity().1,
            blocks: 0,
            bytes: 0,
            exists: volume.source().len(),
            ending: None,
            findings: Vec::new(),
        };
        let passed =
            Passed { set: volume.identity().0, media, lost: Vec::new(), order: None, before_catalog: None, further: 0 };
        Survey { judge, volume, taker, passed, met: BTreeSet::new(), read: Vec::new() }
    }

    fn find(&mut self, finding: Finding) {
        let at = finding.at.within(Position::volume(self.passed.media.number));
        self.passed.note(Finding { at, ..finding }.on(self.volume.name()));
    }

    /// End mark and index; none if either cannot be read, which is noted.
    fn own(&mut self) -> Option<(VolumeEndRecord, VolumeIndex)> {
        match ending(self.volume) {
            None => {
                let what = "the volume has no end mark: it was cut off, or never finished";
                self.find(Finding::incomplete(Position::UNKNOWN, what, UNFINISHED_VOLUME));
                None
            }
            Some((_, Err(error))) => {
                self.find(Finding::of_error(&error).about("the index cannot be read"));
                None
            }
            Some((end, Ok(index))) => Some((end, index)),
        }
    }

    /// Reads label, catalog, index and end mark, and holds them against each other.
    fn listed(mut self, end: &VolumeEndRecord, index: VolumeIndex) -> Surveyed {
        let mut at = 0;
        let mut running: Hash = [0; 32];
        for entry in &index.blocks {
            if entry.offset != at {
                let what = "the index does not list one block behind the other";
                let odds = (format!("byte {at}"), format!("byte {}", entry.offset));
                self.find(Finding::damage(Position::UNKNOWN, what).odds(odds.0, odds.1));
                break;
            }
            at = at.saturating_add(u64::from(entry.bytes));
            running = chain(&running, &entry.hash);
        }
        index_at_odds(end, &index).into_iter().for_each(|finding| self.find(finding));
        catalog_elsewhere(end, index.blocks.iter()).into_iter().for_each(|finding| self.find(finding));
        self.passed.before_catalog = before_catalog(index.blocks.iter());
        match ordered(index.blocks.iter()) {
            Ok(order) => self.passed.order = Some(order),
            Err(finding) => self.find(finding),
        }
        self.blocks(ScanPoint::block(0, 0), 1, &index, None);
        let catalog = |entry: &BlockEntry| entry.kind == BlockKind::Catalog.id();
        for (number, entry) in (0u64..).zip(&index.blocks).filter(|(_, entry)| catalog(entry)) {
            self.blocks(ScanPoint::block(entry.offset, number), 1, &index, None);
        }
        let tail = ScanPoint::block(end.index_offset, index.head.blocks);
        self.blocks(tail, u64::MAX, &index, Some(&mut running));
        let id = VolumeId {
            set: self.volume.identity().0,
            number: self.passed.media.number,
            name: self.volume.name().to_owned(),
            bytes: self.passed.media.exists,
            running_hash: running,
        };
        if self.passed.media.findings.is_empty() {
            self.passed.media.ending = Some(Predecessor { last_block: end.blocks, running_hash: running });
        }
        Surveyed { id, index, passed: self.passed, met: self.met, read: self.read }
    }

    /// Reads `count` blocks from a place on, which are those of the index where that lists them. With a running hash: goes on
    /// with it, and holds it against the end mark.
    fn blocks(&mut self, from: ScanPoint, count: u64, index: &VolumeIndex, mut running: Option<&mut Hash>) {
        let volume = self.volume;
        let mut scanner =
            Scanner::new(volume.source(), volume.name(), Some(volume.identity())).with_hashes().starting(from);
        let (mut hasher, mut left) = (RowHasher::default(), count);
        while let Some(item) = (left > 0).then(|| scanner.next()).flatten() {
            left = left.saturating_sub(1);
            let block = match item {
                ScanItem::Block(block) => block,
                ScanItem::Damaged(extent) => {
                    let what = format!("{} bytes from byte {}", extent.len, extent.offset);
                    self.find(Finding::of_error(&extent.error).about(what));
                    continue;
                }
            };
            let number = block.header.identity.block;
            // Where the index lies about places, a block may be met again: it counts once.
            if !self.met.insert(number) {
                continue;
            }
            let hash = block.hash.unwrap_or_default();
            let fact = self.judge.block(&mut hasher, block.offset, block.header, &block.payload, hash);
            let place = Position::volume(self.passed.media.number).with_block(number);
            let listed = usize::try_from(number).ok().and_then(|number| index.blocks.get(number));
            if listed.is_some_and(|listed| *listed != fact.entry) {
                self.find(Finding::damage(place, "a sound block, but not the one that the index lists"));
            }
            if let Some(running) = running.as_deref_mut() {
                if let Held::VolumeEnd(end) = &fact.held
                    && end.running_hash != *running
                {
                    let what = "the end mark does not agree with the running hash of the blocks that the index lists";
                    self.find(Finding::damage(place, what));
                }
                *running = chain(running, &fact.entry.hash);
            }
            self.passed.media.blocks = self.passed.media.blocks.saturating_add(1);
            self.passed.media.bytes = self.passed.media.bytes.saturating_add(u64::from(fact.entry.bytes));
            match self.taker.hold(volume.name(), fact) {
                Ok(()) => self.read.push(number),
                Err(finding) => finding.into_iter().for_each(|finding| self.find(finding)),
            }
        }
    }
}

/// Ascending numbers as ranges.
fn runs(numbers: &[u64]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(last) if last.end == *number => last.end = number.saturating_add(1),
            _ => runs.push(*number..number.saturating_add(1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_volume_are_all_of_it_and_none_twice() {
        for (seed, of) in [(1u8, 1u32), (2, 2), (3, 7), (4, 30), (5, 31), (6, 1_000)] {
            let (set, mut sizes) = (SetId([seed; 16]), vec![0u64; of as usize]);
            for (volume, block) in (1..4).flat_map(|volume| (0..2_000).map(move |block| (volume, block))) {
                let has: Vec<u32> =
                    (1..=of).filter(|part| Subset { part: *part, of }.has(set, volume, block)).collect();
                assert_eq!(has.len(), 1, "{of} parts, volume {volume}, block {block}");
                sizes[has[0] as usize - 1] += 1;
            }
            let even = 6_000 / u64::from(of);
            assert!(sizes.iter().all(|size| *size <= even * 2 + 12), "{of} parts: {sizes:?}");
        }
    }

    fn id() -> VolumeId {
        VolumeId { set: SetId([9; 16]), number: 2, name: "a.ivv".to_owned(), bytes: 0, running_hash: [0; 32] }
    }

    #[test]
    fn a_sample_is_as_large_as_was_asked_and_the_same_for_one_seed() {
        let blocks: Vec<u64> = (3..1_003).collect();
        let of = |millionths: u32, seed: u64| {
            let sample = Some(Sample { millionths, seed });
            choose(&Choice { sample, subset: None, proven: &|_| Vec::new() }, &id(), &blocks).0
        };
        assert_eq!((of(50_000, 1).len(), of(1, 1).len(), of(1_000_000, 1).len()), (50, 1, 1_000));
        assert_eq!(of(50_000, 1), of(50_000, 1));
        assert_ne!(of(50_000, 1), of(50_000, 2));
        assert!(of(50_000, 1).is_sorted());
    }

    #[test]
    fn what_was_proved_is_left_out() {
        let blocks: Vec<u64> = (0..20).collect();
        let proven = |_: &VolumeId| vec![2..5, 9..10, 18..40];
        let (chosen, left_out) = choose(&Choice { sample: None, subset: None, proven: &proven }, &id(), &blocks);
        assert_eq!(chosen, [0, 1, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(left_out, 6);
        assert_eq!(runs(&chosen), [0..2, 5..9, 10..18]);
    }
}
