//! What was proved of a set, volume by volume in whatever order they come. What is proved of a volume stays proved when it is
//! gone. Ends with what does not agree: each volume with the one before it, and all with the catalog.

use super::cost::Cost;
use super::finding::{Finding, Level};
use super::judge::{ChunkFact, Depth, Fact, Held, Judge};
use super::media::{MediaProof, PLACES_TOLD, Pass, Passed};
use super::order::{Ordered, over_volumes};
use super::part::{Choice, Chosen, Proven, VolumeId};
use super::read::{Open, Reader, Taker};
use super::section::{Known, SectionProof, Seen};
use super::verified::Verified;
use crate::base::monitor::{Monitor, Task};
use crate::base::position::Position;
use crate::format::block::BlockKind;
use crate::format::catalog::{BlockEntry, ChunkEntry};
use crate::format::label::Predecessor;
use crate::volume::catalog::{Catalog, begins_catalog};
use crate::volume::error::VolumeError;
use crate::volume::reader::Blocks;
use crate::volume::section::{SectionSource, SectionView};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is said of an end mark that leads to no catalog, or past the beginning of one.
const MISNAMED: &str = "the end mark of the last volume does not name the volume on which the catalog begins";

/// What was proved of a set so far. Memory: the entries of its chunks and buckets, and its catalog.
pub struct SetProof {
    judge: Arc<Judge>,
    gathered: Gathered,
}

impl Default for SetProof {
    fn default() -> SetProof {
        SetProof::new(Depth::Rows, false)
    }
}

/// What the volumes that were read so far hold.
pub(super) struct Gathered {
    judge: Arc<Judge>,
    volumes: Vec<VolumeProof>,
    sections: BTreeMap<u32, SectionProof>,
    /// How many blocks of sections are told of one by one, since they are not what they should be.
    told: usize,
    /// Payloads of catalog blocks, by volume and block.
    catalog: BTreeMap<(u32, u64), Vec<u8>>,
    /// How many catalog blocks a volume has by its end mark, and on which volume the catalog begins.
    ends: BTreeMap<u32, (u32, u32)>,
    /// Number of the volume that ends the set.
    last: Option<u32>,
    /// What the label of the volume that is being read says of the one before it; the outer `None`: it has no sound label.
    predecessor: Option<Option<Predecessor>>,
    /// Whether the first sound label that was read is that of a full set.
    full: Option<bool>,
    unopened: Verified,
    /// Blocks that were proved, by volume.
    pub(super) proven: Vec<Proven>,
    /// How much was chosen, where a part is read.
    pub(super) chosen: Chosen,
}

/// What was proved of a copy of a volume.
struct VolumeProof {
    passed: Passed,
    predecessor: Option<Option<Predecessor>>,
}

/// What a whole proof found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetProved {
    /// What was read, and what is not as it should be. Volumes that nobody brought are no finding here.
    pub verified: Verified,
    /// How many volumes the set has; `None` if its last one was not proved.
    pub last: Option<u32>,
    /// Table and rows of each section, in order.
    pub tables: Vec<(String, u64)>,
}

/// What is known of a set beside its volumes' blocks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    /// Whether all of its volumes were read, so that what is not found is not there.
    pub(super) all_here: bool,
    /// Whether it was never finished.
    pub(super) interrupted: bool,
    /// Whether only a part of the volumes was read.
    pub(super) part: bool,
    /// Whether a label says that it is a full set.
    pub(super) full: bool,
}

impl SetProof {
    /// Nothing proved yet. `copies`: whether volumes are there more than once.
    #[must_use]
    pub fn new(depth: Depth, copies: bool) -> SetProof {
        let judge = Arc::new(Judge::new(depth, copies));
        SetProof { gathered: Gathered::new(Arc::clone(&judge)), judge }
    }

    /// Whether a volume was read.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.gathered.volumes.iter().any(|volume| volume.passed.media.number == number)
    }

    /// The first thing that is not as it should be on a volume by itself.
    #[must_use]
    pub fn first(&self) -> Option<Finding> {
        let media = self.gathered.volumes.iter().find_map(|volume| volume.passed.media.findings.first().cloned());
        media.or_else(|| self.gathered.sections.values().find_map(SectionProof::first))
    }

    /// Takes for known which tables the set has: a volume on which the header of a section is damaged can then be proved all
    /// the same.
    pub fn know(&mut self, sections: &[SectionView]) {
        sections.iter().for_each(|view| self.judge.tables.learn(view.number, &view.header));
    }

    /// Reads a volume as deep as is wanted, from its first byte to its last: bytes, blocks, rows. `jobs` threads judge what one
    /// reads. Breaks off between blocks if somebody asks to stop.
    pub fn volume(&mut self, volume: &Blocks, jobs: usize, monitor: &dyn Monitor) {
        let judge = Arc::clone(&self.judge);
        let reader = Reader { judge: &judge, jobs, task: Task::Verify, monitor };
        match judge.depth {
            Depth::Index => reader.part(volume, None, &mut self.gathered),
            Depth::Blocks | Depth::Rows => reader.scan(volume, &mut self.gathered),
        }
    }

    /// Reads what copies of volumes say of themselves, and the blocks that are chosen.
    pub(super) fn parts(
        &mut self,
        copies: Vec<(u32, String)>,
        open: &Open<'_>,
        choice: Option<&Choice<'_>>,
        jobs: usize,
        monitor: &dyn Monitor,
    ) {
        let judge = Arc::clone(&self.judge);
        Reader { judge: &judge, jobs, task: Task::Verify, monitor }.parts(copies, open, choice, &mut self.gathered);
    }

    /// Reads copies of volumes, by number and name: several at a time and each in parts, unless they lie on a `sequential`
    /// medium.
    pub(super) fn volumes(
        &mut self,
        copies: Vec<(u32, String)>,
        sequential: bool,
        open: &Open<'_>,
        jobs: usize,
        monitor: &dyn Monitor,
    ) {
        let judge = Arc::clone(&self.judge);
        let reader = Reader { judge: &judge, jobs, task: Task::Verify, monitor };
        if sequential {
            reader.one_by_one(copies, open, &mut self.gathered);
        } else {
            reader.volumes(copies, open, &mut self.gathered);
        }
    }

    /// Compares what the volumes have with each other: each with the one before it, and all with the catalog that is on them.
    #[must_use]
    pub fn finish(self) -> SetProved {
        self.finish_with(&[], Around { all_here: true, ..Around::default() })
    }

    /// The same with a set of which the sections are known.
    pub(super) fn finish_with(mut self, views: &[SectionView], around: Around) -> SetProved {
        let catalog = self.gathered.catalog();
        let mut proved = SetProved { last: self.gathered.last, ..SetProved::default() };
        proved.verified.depth = self.judge.depth;
        let (catalog, unreadable) = match catalog {
            Ok(catalog) => (catalog, None),
            Err(finding) => (None, Some(finding.about("the catalog cannot be read"))),
        };
        let elsewhere = catalog.as_ref().and_then(|catalog| self.gathered.begins_elsewhere(catalog));
        let known = known(views, catalog);
        proved.verified.proven = self.gathered.proven();
        proved.verified.chosen = around.part.then_some(self.gathered.chosen);
        self.charge(known.as_deref().unwrap_or_default());
        // By the volumes, which are given away then.
        let seen = self.seen(around);
        let odd = self.gathered.order(known.as_ref().map(Vec::len));
        self.gathered.media(&mut proved.verified);
        proved.verified.findings.extend(unreadable.into_iter().chain(elsewhere).chain(odd));
        self.sections(known, &seen, around, &mut proved);
        proved
    }

    /// Says of lost bytes what they cost: the chunks that stood there, unless another copy has them.
    fn charge(&mut self, known: &[Known]) {
        let Gathered { volumes, sections, .. } = &mut self.gathered;
        let mut copies: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (copy, volume) in (0usize..).zip(volumes.iter()) {
            copies.entry(volume.passed.media.number).or_default().push(copy);
        }
        // How many sections a finding costs something, and the last chunk of which it is.
        type Hit = (u64, Option<(u32, ChunkEntry)>);
        let mut hits: BTreeMap<(usize, usize), Hit> = BTreeMap::new();
        for section in known {
            let met = sections.entry(section.number).or_default();
            // By copy and finding.
            let mut lost: BTreeMap<(usize, usize), Vec<&ChunkEntry>> = BTreeMap::new();
            for (number, entry) in (0u64..).zip(&section.chunks) {
                if met.has(number, entry) {
                    continue;
                }
                let of_volume = copies.get(&entry.volume).into_iter().flatten();
                let mut hit = of_volume.filter_map(|copy| Some((*copy, volumes.get(*copy)?.passed.finding_at(entry)?)));
                if let Some(hit) = hit.next() {
                    lost.entry(hit).or_default().push(entry);
                    met.charged.insert((entry.volume, entry.block));
                }
            }
            for ((copy, finding), chunks) in lost {
                let (sections, only) = hits.entry((copy, finding)).or_default();
                *sections = sections.saturating_add(1);
                *only = if let [only] = chunks.as_slice() { Some((section.number, **only)) } else { None };
                let findings = volumes.get_mut(copy).map(|copy| &mut copy.passed.media.findings);
                let Some(finding) = findings.and_then(|findings| findings.get_mut(finding)) else { continue };
                finding.costs.extend(Cost::of_chunks(&section.header.table, &section.buckets, chunks.into_iter()));
            }
        }
        // Several have no place in common but that of the bytes.
        for ((copy, finding), (sections, only)) in hits {
            let found = volumes.get_mut(copy).and_then(|copy| copy.passed.media.findings.get_mut(finding));
            if let (1, Some((section, only)), Some(found)) = (sections, only, found) {
                found.at = found.at.with_section(section).with_rows(only.first_row, u64::from(only.rows));
            }
        }
    }

    /// The volumes of which can be said what is not there: those that were read whole, and where the index is what was asked
    /// for those of which it was. Of others that were read in part it is known what their indexes list.
    fn seen(&self, around: Around) -> Seen {
        let mut seen = Seen::default();
        for MediaProof { number, ending, .. } in self.gathered.volumes.iter().map(|volume| &volume.passed.media) {
            let indexed = ending.is_some() && around.part;
            if indexed && self.judge.depth > Depth::Index {
                seen.surveyed.insert(*number);
            }
        }
        let whole = |media: &&MediaProof| match self.judge.depth {
            Depth::Index => media.ending.is_some(),
            Depth::Blocks | Depth::Rows => media.is_whole(),
        };
        let media = self.gathered.volumes.iter().map(|volume| &volume.passed.media);
        let sound = |media: &MediaProof| whole(&media) && media.findings.is_empty();
        let opened = self.gathered.unopened.not_judged.is_empty();
        seen.all_sound = around.all_here && !around.part && opened && media.clone().all(sound);
        seen.read = media.filter(whole).map(|media| media.number).collect();
        seen
    }

    fn sections(&mut self, known: Option<Vec<Known>>, seen: &Seen, around: Around, proved: &mut SetProved) {
        let listed = known.is_some();
        let around = Around { full: around.full || self.gathered.full == Some(true), ..around };
        for section in known.into_iter().flatten() {
            let met = self.gathered.sections.remove(&section.number).unwrap_or_default();
            met.listed(section, seen, around, proved);
        }
        let (mut told, mut more) = (0usize, Further::default());
        for (number, met) in std::mem::take(&mut self.gathered.sections) {
            let nameless = listed || !met.has_header();
            let before = proved.verified.findings.len();
            if listed {
                let at = Position::UNKNOWN.with_section(number);
                let what = format!("section {number} stands on the volumes and not in the catalog");
                proved.verified.findings.push(Finding::damage(at, what));
            } else {
                met.unlisted(number, around, proved);
            }
            told = told.saturating_add(usize::from(proved.verified.findings.len() > before));
            if told > PLACES_TOLD {
                more.take(nameless, proved.verified.findings.drain(before..));
            }
        }
        proved.verified.findings.extend(more.findings());
    }
}

/// Sections that no catalog lists and that are not told of one by one, as there are very many.
#[derive(Default)]
struct Further {
    /// Of how many nobody knows what they are.
    nameless: u64,
    /// Of how many others something is not as it should be, and how bad that is.
    named: u64,
    worst: Option<Level>,
}

impl Further {
    /// Counts a section of which there is something to be said.
    fn take(&mut self, nameless: bool, findings: impl Iterator<Item = Finding>) {
        let Some(worst) = findings.map(|finding| finding.level).max() else { return };
        if nameless {
            self.nameless = self.nameless.saturating_add(1);
        } else {
            self.named = self.named.saturating_add(1);
            self.worst = self.worst.max(Some(worst));
        }
    }

    fn findings(&self) -> impl Iterator<Item = Finding> + use<> {
        let Further { nameless, named, worst } = *self;
        let of_nobody =
            format!("blocks of {nameless} further sections stand on the volumes, of which nobody knows what they are");
        let of_others = format!("something is not as it should be with {named} further sections that no catalog lists");
        let others = worst.map(|level| Finding { level, ..Finding::damage(Position::UNKNOWN, of_others) });
        (nameless > 0).then(|| Finding::damage(Position::UNKNOWN, of_nobody)).into_iter().chain(others)
    }
}

/// What a catalog says of the sections: that by which the set was listed, else the one that was read.
fn known(views: &[SectionView], catalog: Option<Catalog>) -> Option<Vec<Known>> {
    if !views.is_empty() && views.iter().all(|view| view.source == SectionSource::Catalog) {
        return Some(views.iter().map(Known::of_view).collect());
    }
    catalog.map(|catalog| catalog.sections.into_iter().map(Known::of_catalog).collect())
}

impl Taker for Gathered {
    fn block(&mut self, pass: &mut Pass, fact: Fact) {
        pass.block(&fact);
        if let Err(Some(finding)) = self.hold(pass.name(), fact) {
            pass.bad(finding);
        }
    }

    fn volume(&mut self, passed: Passed) {
        let predecessor = self.predecessor.take();
        self.volumes.push(VolumeProof { passed, predecessor });
    }

    fn unopened(&mut self, number: u32, name: &str, error: VolumeError) {
        self.unopened.not_judged(number, name, &error);
    }
}

impl Gathered {
    fn new(judge: Arc<Judge>) -> Gathered {
        Gathered {
            judge,
            volumes: Vec::new(),
            sections: BTreeMap::new(),
            told: 0,
            catalog: BTreeMap::new(),
            ends: BTreeMap::new(),
            last: None,
            predecessor: None,
            full: None,
            unopened: Verified::default(),
            proven: Vec::new(),
            chosen: Chosen::default(),
        }
    }

    /// Keeps what a sound block of the volume of this name holds.
    ///
    /// # Errors
    /// It is not what it should be: with the finding, unless that is kept with its section.
    pub(super) fn hold(&mut self, name: &str, fact: Fact) -> Result<(), Option<Finding>> {
        let Fact { header, entry, held } = fact;
        let (volume, block, section, hash) = (header.identity.volume, header.identity.block, entry.section, entry.hash);
        match held {
            Held::Nothing if entry.kind == BlockKind::Chunk.id() => {
                self.section(section).sound((volume, block), &entry)
            }
            // What the first copy gave counts once.
            Held::Nothing | Held::Again => {}
            Held::Label(label) => {
                self.predecessor = Some(label.predecessor);
                self.full.get_or_insert(!label.incremental);
            }
            Held::Header(header) => self.section(section).header((volume, block), entry.bytes, &header),
            Held::Chunk(chunk) => {
                let ChunkFact { number, entry, pieces } = *chunk;
                self.section(section).chunk(number, entry, &pieces);
                // Only now: what a worker has proved may be read again before it comes here.
                self.judge.kept(&hash);
            }
            Held::End(end) => self.section(section).end((volume, block), entry.bytes, *end),
            Held::Catalog(payload) => {
                self.catalog.insert((volume, block), payload);
            }
            Held::VolumeEnd(end) => {
                self.ends.entry(volume).or_insert((end.catalog_blocks, end.catalog_volume));
                self.last = self.last.or_else(|| end.set_complete.then_some(volume));
            }
            Held::Bad(finding) if section > 0 => {
                let tell = self.told < PLACES_TOLD;
                let told = self.section(section).bad((volume, block), finding.on(name), tell);
                self.told = self.told.saturating_add(usize::from(told));
                return Err(None);
            }
            Held::Bad(finding) => return Err(Some(*finding)),
        }
        Ok(())
    }

    /// The blocks that were proved: all of a volume that was read whole and where nothing is wrong, those read of a part.
    fn proven(&mut self) -> Vec<Proven> {
        let bad: BTreeSet<u32> = self.sections.values().flat_map(SectionProof::bad_volumes).collect();
        let mut proven = std::mem::take(&mut self.proven);
        for VolumeProof { passed: Passed { set, media, .. }, .. } in &self.volumes {
            let Some(ending) = media.ending.filter(|_| media.is_whole() && media.findings.is_empty()) else { continue };
            let volume = VolumeId {
                set: *set,
                number: media.number,
                name: media.name.clone(),
                bytes: media.exists,
                running_hash: ending.running_hash,
            };
            proven.retain(|other| other.volume != volume);
            proven.push(Proven { volume, blocks: std::iter::once(0..ending.last_block.saturating_add(1)).collect() });
        }
        proven.retain(|proven| !bad.contains(&proven.volume.number));
        proven
    }

    /// Takes for read what an index lists.
    pub(super) fn indexed(&mut self, volume: u32, blocks: &[BlockEntry]) {
        for (number, entry) in (0u64..).zip(blocks).filter(|(_, entry)| entry.kind == BlockKind::Chunk.id()) {
            self.section(entry.section).sound((volume, number), entry);
        }
    }

    /// Takes what an index lists of a volume of which a part is read.
    pub(super) fn surveyed(&mut self, volume: u32, blocks: &[BlockEntry]) {
        for (number, entry) in (0u64..).zip(blocks).filter(|(_, entry)| entry.kind == BlockKind::Chunk.id()) {
            self.section(entry.section).indexed((volume, number), entry);
        }
    }

    fn section(&mut self, number: u32) -> &mut SectionProof {
        self.sections.entry(number).or_default()
    }

    /// The catalog, if all the blocks that end marks count of it were met: on the volume that ends the set, and on those before
    /// it down to the one on which it begins.
    fn catalog(&mut self) -> Result<Option<Catalog>, Finding> {
        let catalog = std::mem::take(&mut self.catalog);
        let begins = self.last.and_then(|last| Some((self.ends.get(&last)?.1, last)));
        let Some((begins, last)) = begins else { return Ok(None) };
        let met = |volume: u32| catalog.range((volume, 0)..=(volume, u64::MAX)).count() as u64;
        let all = |volume: u32| self.ends.get(&volume).is_some_and(|(blocks, _)| u64::from(*blocks) == met(volume));
        if !(begins..=last).all(all) {
            return Ok(None);
        }
        let payloads: Vec<Vec<u8>> =
            catalog.into_iter().filter(|(place, _)| place.0 >= begins).map(|(_, p)| p).collect();
        match payloads.first() {
            Some(first) if begins_catalog(first) => {
                Catalog::from_payloads(&payloads).map(Some).map_err(|error| Finding::of_format(&error))
            }
            // All blocks that end marks name are here, and the first of them is none with which a catalog begins.
            Some(_) => Err(Finding::damage(Position::volume(begins), MISNAMED)),
            None => Ok(None),
        }
    }

    /// Where a catalog does not list the volume on which it begins as that was before it, or the end mark of the last volume
    /// names another one.
    fn begins_elsewhere(&self, catalog: &Catalog) -> Option<Finding> {
        let (number, listed) = (catalog.head.volumes, catalog.volumes.last()?);
        let named = self.last.and_then(|last| self.ends.get(&last)).map(|(_, begins)| *begins);
        if let Some(named) = named.filter(|named| *named != number) {
            return Some(Finding::damage(Position::volume(named), MISNAMED));
        }
        let of_volume = |passed: &&Passed| passed.media.number == number && passed.media.findings.is_empty();
        let begun = self.volumes.iter().map(|volume| &volume.passed).filter(of_volume);
        let (passed, before) =
            begun.filter_map(|passed| passed.before_catalog.map(|before| (passed, before))).next()?;
        let what = "the catalog does not list the volume on which it begins as that was before it";
        (before != *listed).then(|| Finding::damage(Position::volume(number), what).on(&passed.media.name))
    }

    /// What is not in order over the volumes, of which the catalog lists so many `sections`.
    fn order(&self, sections: Option<usize>) -> Vec<Finding> {
        let mut best: BTreeMap<u32, Ordered> = BTreeMap::new();
        for Passed { media, order, .. } in self.volumes.iter().map(|volume| &volume.passed) {
            best.extend(order.map(|order| (media.number, order)));
        }
        let greatest = best.last_key_value().map_or(0, |(number, _)| *number);
        let volumes: Vec<Option<Ordered>> = (1..=greatest).map(|number| best.get(&number).copied()).collect();
        let listed = sections.filter(|_| self.last == Some(greatest)).and_then(|sections| u32::try_from(sections).ok());
        over_volumes(&volumes, listed)
    }

    /// Gives the volumes in order, and says which do not follow the one before.
    fn media(&mut self, verified: &mut Verified) {
        let unopened = std::mem::take(&mut self.unopened);
        verified.findings.extend(unopened.findings);
        (verified.not_judged, verified.refused) = (unopened.not_judged, unopened.refused);
        let mut volumes = std::mem::take(&mut self.volumes);
        // Copies of a volume stay in the order in which they were read.
        volumes.sort_by_key(|volume| volume.passed.media.number);
        let mut before: Option<(u32, Option<Predecessor>)> = None;
        let mut best: Option<(u32, usize, Option<Predecessor>)> = None;
        for VolumeProof { passed: Passed { media, .. }, predecessor } in volumes {
            let number = media.number;
            if let Some((of, _, ending)) = best.filter(|(of, ..)| *of != number) {
                before = Some((of, ending));
                best = None;
            }
            verified.findings.extend(media.findings.iter().cloned());
            let follows = before.filter(|(before, ending)| before.checked_add(1) == Some(number) && ending.is_some());
            if let Some(((_, ending), predecessor)) = follows.zip(predecessor)
                && ending != predecessor
            {
                let at = Position::volume(number).with_block(0);
                let what = "its label does not name the end of the volume before it";
                verified
                    .findings
                    .push(Finding::damage(at, what).on(&media.name).odds(end_words(ending), end_words(predecessor)));
            }
            let faults = media.findings.len();
            if best.is_none_or(|(_, fewest, _)| faults < fewest) {
                best = Some((number, faults, media.ending.filter(|_| faults == 0)));
            }
            verified.volumes.push(media);
        }
    }
}

/// How a volume ended.
pub(super) fn end_words(ending: Option<Predecessor>) -> String {
    ending.map_or_else(
        || "no volume before it".to_owned(),
        |ending| {
            let hash: String = ending.running_hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("block {} and running hash {hash}…", ending.last_block)
        },
    )
}
