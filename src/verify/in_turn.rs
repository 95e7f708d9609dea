//! A set that is proved volume by volume, each in one pass from its first byte to its last, in whatever order they come: where
//! its media are not all at hand at a time. What is proved of a volume stays proved when it is gone. Knows no devices.

use super::finding::{Finding, Level};
use super::media::{COPY, MediaProof, prove_blocks};
use super::set::{END_WANTED, Verified, not_judged, of_set, totals, when};
use crate::base::monitor::{Monitor, Task};
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::format::block::BlockKind;
use crate::format::catalog::ChunkEntry;
use crate::format::label::{LabelRecord, Predecessor};
use crate::format::marks::VolumeEndRecord;
use crate::format::record::decode_record;
use crate::format::section::{SectionEndRecord, SectionRecord};
use crate::section::rows::SectionTable;
use crate::volume::catalog::{Catalog, CatalogSection, begins_catalog};
use crate::volume::reader::Blocks;
use crate::volume::scanner::ScannedBlock;
use crate::volume::section::{SectionSource, SectionView};
use crate::volume::set::SetReader;
use crate::volume::summary::{BucketTable, chunk_entry, first_header};
use std::collections::BTreeMap;

/// What was proved of a set so far. Memory: the entries of its chunks and buckets, and its catalog.
#[derive(Default)]
pub struct SetProof {
    volumes: BTreeMap<u32, VolumeProof>,
    sections: BTreeMap<u32, SectionProof>,
    /// Payloads of catalog blocks, by volume and block.
    catalog: BTreeMap<(u32, u64), Vec<u8>>,
    /// Number of the volume that ends the set.
    last: Option<u32>,
    hasher: RowHasher,
}

/// What was proved of a volume.
struct VolumeProof {
    media: MediaProof,
    /// What its label says of the volume before it; the outer `None`: it has no sound label.
    predecessor: Option<Option<Predecessor>>,
}

#[derive(Default)]
struct SectionProof {
    header: Option<SectionRecord>,
    table: Option<SectionTable>,
    /// Chunks that are proved, by number.
    chunks: BTreeMap<u64, ChunkEntry>,
    /// Why others are not, by volume and block.
    bad: BTreeMap<(u32, u64), (Position, String)>,
    buckets: BucketTable,
    rows: u64,
    end: Option<SectionEndRecord>,
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

impl SetProof {
    /// Whether a volume was read.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.volumes.contains_key(&number)
    }

    /// The first thing that is not as it should be on a volume by itself.
    #[must_use]
    pub fn first(&self) -> Option<Finding> {
        let media = self.volumes.values().find_map(|volume| volume.media.findings.first().cloned());
        let rows = self.sections.values().find_map(|section| section.bad.values().next());
        media.or_else(|| rows.map(|(at, what)| damage(*at, what.clone(), String::new())))
    }

    /// Takes for known which tables the set has: a volume on which the header of a section is damaged can then be proved all
    /// the same.
    pub fn know(&mut self, sections: &[SectionView]) {
        for view in sections {
            self.header(view.number, &view.header);
        }
    }

    /// Reads a volume from its first byte to its last: bytes, blocks, rows. Breaks off between blocks if somebody asks to stop.
    pub fn volume(&mut self, volume: &Blocks, monitor: &dyn Monitor) {
        let (_, number) = volume.identity();
        let mut predecessor = None;
        let media = prove_blocks(volume, &mut |block| {
            if let Some(label) = self.block(block, monitor) {
                predecessor = Some(label.predecessor);
            }
            !monitor.cancelled()
        });
        self.volumes.insert(number, VolumeProof { media, predecessor });
    }

    /// The label, if the block is one.
    fn block(&mut self, block: &ScannedBlock, monitor: &dyn Monitor) -> Option<LabelRecord> {
        let identity = block.header.identity;
        let section = identity.section;
        match block.header.kind {
            BlockKind::Label => return decode_record(&block.payload).ok(),
            BlockKind::SectionHeader => match decode_record::<SectionRecord>(&block.payload) {
                Ok(header) => self.header(section, &header),
                Err(error) => self.bad(block, format!("its header cannot be read: {error}")),
            },
            BlockKind::Chunk => match self.chunk(block) {
                Ok(rows) => monitor.advance(Task::Verify, u64::from(rows), block.header.block_len() as u64),
                Err(what) => self.bad(block, what),
            },
            BlockKind::SectionEnd => match decode_record(&block.payload) {
                Ok(end) => self.sections.entry(section).or_default().end = Some(end),
                Err(error) => self.bad(block, format!("its end mark cannot be read: {error}")),
            },
            BlockKind::Catalog => {
                self.catalog.insert((identity.volume, identity.block), block.payload.clone());
            }
            BlockKind::VolumeEnd => {
                let end = decode_record::<VolumeEndRecord>(&block.payload).ok();
                self.last = self.last.or_else(|| end.filter(|end| end.set_complete).map(|_| identity.volume));
            }
            BlockKind::VolumeIndex | BlockKind::Optional(_) => {}
        }
        None
    }

    fn bad(&mut self, block: &ScannedBlock, what: String) {
        let identity = block.header.identity;
        let at = block.header.position().with_section(identity.section);
        self.sections.entry(identity.section).or_default().bad.insert((identity.volume, identity.block), (at, what));
    }

    fn header(&mut self, number: u32, header: &SectionRecord) {
        let section = self.sections.entry(number).or_default();
        // A section that goes on over volumes begins again on each.
        if section.header.is_none() {
            section.table = SectionTable::new(number, header).ok();
            section.header = Some(first_header(header));
        }
    }

    /// Proves the rows of a chunk, and says how many they are.
    fn chunk(&mut self, block: &ScannedBlock) -> Result<u32, String> {
        let identity = block.header.identity;
        let section = self.sections.entry(identity.section).or_default();
        let table = section.table.as_ref().ok_or_else(|| "no header says what its rows are".to_owned())?;
        let at = block.header.position().with_section(identity.section);
        let rows = table.prove(&mut self.hasher, &block.payload, at).map_err(|error| error.to_string())?;
        let bytes = u32::try_from(block.header.block_len()).unwrap_or(u32::MAX);
        let entry = chunk_entry(&rows.directory, identity.volume, identity.block, block.offset, bytes);
        if section.chunks.insert(rows.directory.chunk, entry).is_some() {
            return Err(format!("chunk {} is there twice", rows.directory.chunk));
        }
        rows.directory.pieces.iter().for_each(|piece| section.buckets.add(piece));
        section.rows = section.rows.saturating_add(u64::from(entry.rows));
        Ok(entry.rows)
    }

    /// Compares what the volumes have with each other: each with the one before it, and all with the catalog.
    #[must_use]
    pub fn finish(mut self) -> SetProved {
        let catalog = self.catalog();
        let mut proved = SetProved { last: self.last, ..SetProved::default() };
        self.media(&mut proved.verified);
        let listed = match catalog {
            Ok(catalog) => catalog.map(|catalog| catalog.sections),
            Err(what) => {
                let at = Position::UNKNOWN;
                proved.verified.findings.push(damage(at, format!("the catalog cannot be read: {what}"), String::new()));
                None
            }
        };
        let is_listed = listed.is_some();
        for section in listed.into_iter().flatten() {
            let met = self.sections.remove(&section.record.section).unwrap_or_default();
            met.listed(section, &mut proved);
        }
        for (number, met) in std::mem::take(&mut self.sections) {
            if is_listed {
                let at = Position::UNKNOWN.with_section(number);
                let what = format!("section {number} stands on the volumes and not in the catalog");
                proved.verified.findings.push(damage(at, what, String::new()));
            } else {
                met.unlisted(number, &mut proved);
            }
        }
        proved
    }

    /// The catalog, if the volumes on which it stands were read.
    fn catalog(&mut self) -> Result<Option<Catalog>, String> {
        let payloads: Vec<Vec<u8>> = std::mem::take(&mut self.catalog).into_values().collect();
        match payloads.first() {
            Some(first) if begins_catalog(first) => {
                Catalog::from_payloads(&payloads).map(Some).map_err(|error| error.to_string())
            }
            _ => Ok(None),
        }
    }

    fn media(&mut self, verified: &mut Verified) {
        let mut before: Option<(u32, Option<Predecessor>)> = None;
        for (number, VolumeProof { media, predecessor }) in std::mem::take(&mut self.volumes) {
            verified.findings.extend(media.findings.iter().cloned());
            let follows = before.filter(|(before, ending)| before.checked_add(1) == Some(number) && ending.is_some());
            if let Some(((_, ending), predecessor)) = follows.zip(predecessor)
                && ending != predecessor
            {
                let at = Position::volume(number).with_block(0);
                let what = "its label does not name the end of the volume before it".to_owned();
                let found = Finding { volume: Some(media.name.clone()), ..damage(at, what, String::new()) };
                verified.findings.push(found);
            }
            before = Some((number, media.ending.filter(|_| media.findings.is_empty())));
            verified.volumes.push(media);
        }
    }
}

impl SectionProof {
    /// A section as the catalog lists it.
    fn listed(mut self, section: CatalogSection, proved: &mut SetProved) {
        let CatalogSection { record, chunks, buckets } = section;
        let (name, verified) = (record.header.table.clone(), &mut proved.verified);
        let at = Position::UNKNOWN.with_section(record.section);
        let mut find = |at: Position, what: String, costs: String| {
            verified.findings.push(damage(at, format!("table {name}: {what}"), costs));
        };
        if self.header.as_ref().is_some_and(|header| *header != record.header) {
            find(at, "its header is another one in the catalog".to_owned(), String::new());
        }
        if self.end.as_ref().is_some_and(|end| *end != record.end) {
            find(at, "its end mark is another one in the catalog".to_owned(), String::new());
        }
        let (mut whole, listed) = (true, chunks.len());
        for (number, entry) in (0u64..).zip(&chunks) {
            let (read, volume) = (self.chunks.get(&number), entry.volume);
            if read == Some(entry) {
                continue;
            }
            whole = false;
            let place = Position::volume(volume)
                .with_block(entry.block)
                .with_section(record.section)
                .with_rows(entry.first_row, u64::from(entry.rows));
            let why = match self.bad.remove(&(volume, entry.block)) {
                Some((_, what)) => what,
                None if read.is_some() => format!("chunk {number} is not what the catalog says of it"),
                // What is not here may be sound.
                None if !proved.verified.volumes.iter().any(|media| media.number == volume) => continue,
                None => format!("chunk {number} is not among the sound blocks of its volume"),
            };
            let costs = format!("{} rows of {name}{}", entry.rows, when(entry));
            proved.verified.findings.push(damage(place, format!("table {name}: {why}"), costs));
        }
        let view = SectionView {
            number: record.section,
            header: record.header,
            end: Some(record.end),
            bytes: record.bytes,
            chunks: Vec::new(),
            buckets,
            proven: Vec::new(),
            source: SectionSource::Catalog,
        };
        if whole && self.chunks.len() == listed {
            totals(&view, &self.buckets, self.rows, &mut proved.verified);
        }
        self.count(view.number, view.header.table, proved);
    }

    /// A section of which no catalog tells.
    fn unlisted(mut self, number: u32, proved: &mut SetProved) {
        let at = Position::UNKNOWN.with_section(number);
        let findings = &mut proved.verified.findings;
        let Some(header) = self.header.take() else {
            let what = format!("section {number}: no header says what its rows are");
            return findings.push(damage(at, what, String::new()));
        };
        let table = header.table.clone();
        match &self.end {
            Some(end) if end.chunks == self.chunks.len() as u64 => {
                let view = SectionView {
                    number,
                    header,
                    end: self.end.clone(),
                    bytes: 0,
                    chunks: Vec::new(),
                    buckets: Vec::new(),
                    proven: Vec::new(),
                    source: SectionSource::Scan,
                };
                totals(&view, &self.buckets, self.rows, &mut proved.verified);
            }
            Some(_) => {}
            None => {
                let what = format!("section {number} (table {table}) has no end mark here");
                let found = Finding { level: Level::Incomplete, advice: END_WANTED, ..damage(at, what, String::new()) };
                findings.push(found);
            }
        }
        self.count(number, table, proved);
    }

    /// What was read of it, and what of that no catalog explains.
    fn count(self, number: u32, table: String, proved: &mut SetProved) {
        let verified = &mut proved.verified;
        verified.findings.extend(
            self.bad
                .into_values()
                .map(|(at, what)| damage(at, format!("table {table}: section {number}: {what}"), String::new())),
        );
        verified.sections = verified.sections.saturating_add(1);
        verified.chunks = verified.chunks.saturating_add(self.chunks.len() as u64);
        verified.rows = verified.rows.saturating_add(self.rows);
        verified.buckets = verified.buckets.saturating_add(self.buckets.len() as u64);
        proved.tables.push((table, self.rows));
    }
}

/// Given the numbers of the volumes that are left, which of them is at hand now, and the name of the copy that is.
pub type AtHand<'n> = dyn FnMut(&[u32]) -> Option<(u32, String)> + 'n;

/// Verifies the volumes of a set in the order in which they come. `next` is given the numbers of those that are left, and says
/// which of them is at hand now, and the name of the copy that is; `None` if the first of them does not come. Of a volume with
/// several copies that one is read. What turns out to be elsewhere all the same is not here, and not damaged.
pub fn verify_in_turn(set: &SetReader<'_>, next: &mut AtHand<'_>, monitor: &dyn Monitor) -> Verified {
    let (mut proof, mut unopened) = (SetProof::default(), Verified::default());
    proof.know(set.sections());
    let mut missing = set.missing_volumes();
    let here = set.volumes().iter().filter(|volume| volume.name.is_some());
    let mut left: Vec<u32> = here.map(|volume| volume.number).collect();
    while let Some(first) = left.first().copied() {
        let Some((number, name)) = next(&left) else {
            missing.push(first);
            left.remove(0);
            continue;
        };
        left.retain(|other| *other != number);
        let chunks = set.sections().iter().flat_map(|section| &section.chunks);
        let rows = chunks.filter(|chunk| chunk.entry.volume == number).map(|chunk| u64::from(chunk.entry.rows));
        monitor.begin(Task::Verify, &format!("volume {number}"), rows.fold(0, u64::saturating_add));
        match set.blocks(number, &name) {
            Ok(blocks) => proof.volume(&blocks, monitor),
            Err(error) if error.is_elsewhere() => missing.push(number),
            Err(error) => not_judged(number, &name, &error, &mut unopened),
        }
        monitor.end(Task::Verify);
    }
    missing.sort_unstable();
    let SetProved { verified, .. } = proof.finish();
    let findings = [of_set(set, &missing), unopened.findings, verified.findings].concat();
    Verified { not_judged: unopened.not_judged, findings, ..verified }
}

fn damage(at: Position, what: String, costs: String) -> Finding {
    Finding { level: Level::Damage, volume: None, at, what, costs, advice: COPY }
}
