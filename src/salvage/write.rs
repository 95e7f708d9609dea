//! The second pass: a judged set is written anew. Column bytes go over as they are; only numbers in directories change.

use super::judge::{Judged, JudgedSection};
use super::sources::{Again, Sources};
use super::{SalvageOptions, unless_cancelled};
use crate::base::monitor::{Monitor, Task};
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::format::chunk::{ChunkView, PieceEntry, parse_chunk};
use crate::format::label::LabelRecord;
use crate::verify::Depth;
use crate::verify::set::{Asked, verify};
use crate::volume::set::{SetReader, find_set};
use crate::volume::set_writer::{ChunkContent, SetOptions, SetSummary, SetWriter};

/// What to try where what was written cannot be relied on.
const UNRELIABLE: &str = "the device is not to be relied on; salvage onto another one";

/// What to try where a source is not what it was.
const CHANGED: &str = "salvage again while nothing changes the sources";

/// The writing of one set.
pub(super) struct Writing<'a> {
    pub(super) to: &'a dyn Device,
    pub(super) options: &'a SalvageOptions,
    pub(super) monitor: &'a dyn Monitor,
}

impl Writing<'_> {
    /// Writes the set under a new id, reads it back, and only then gives its last volume its name.
    ///
    /// # Errors
    /// A source fails or has changed; the device fails or is full; what is read back differs.
    pub(super) fn write(&self, judged: &Judged, sources: &Sources<'_>, id: SetId) -> Result<SetSummary, Error> {
        let salvaged = judged.label.salvaged.map(|salvaged| salvaged.set);
        let chain = if judged.label.incremental { judged.label.chain } else { salvaged.unwrap_or(id.0) };
        let label = LabelRecord { set_id: id.0, chain, device_record: self.to.record_bytes(), ..judged.label.clone() };
        let rows = judged.sections.iter().map(|section| section.chunks.len() as u64).fold(0, u64::saturating_add);
        self.monitor.begin(Task::Backup, "writing what was salvaged", rows);
        let mut again = Again::new(sources);
        let mut set = SetWriter::create(self.to, label, &SetOptions { volume_size: self.options.volume_size })?;
        for section in &judged.sections {
            self.section(section, &mut set, &mut again)?;
        }
        let mut ended = set.end(judged.absent.clone(), judged.left_out.clone())?;
        self.monitor.end(Task::Backup);
        let before = self.options.verify && self.to.reads_back() && ended.readable()?;
        if before {
            self.read_back(id, &ended.summary(), judged)?;
        }
        let summary = ended.name()?;
        if self.options.verify && !before && self.to.reads_back() {
            self.read_back(id, &summary, judged)?;
        }
        Ok(summary)
    }

    fn section(
        &self,
        section: &JudgedSection,
        set: &mut SetWriter<'_>,
        again: &mut Again<'_, '_>,
    ) -> Result<(), Error> {
        set.begin_section(section.header.clone())?;
        for place in &section.chunks {
            unless_cancelled(self.monitor)?;
            let block = again.block(place)?;
            let changed = || Error::damage("a block that was found is not there any more".to_owned(), CHANGED);
            let block = block.ok_or_else(changed)?;
            let ChunkView { directory, columns } = parse_chunk(block.payload())?;
            let as_known = |piece: &PieceEntry| match section.short.contains(&(piece.acd, piece.day)) {
                true => PieceEntry { last: 0, ..*piece },
                false => *piece,
            };
            let content = ChunkContent {
                rows: directory.rows,
                bytes: columns.iter().map(|column| column.to_vec()).collect(),
                pieces: directory.pieces.iter().map(as_known).collect(),
                columns: directory.columns,
            };
            set.chunk(content)?;
            self.monitor.advance(Task::Backup, 1, u64::from(place.bytes()));
        }
        let (held, envelope) = (section.held.clone(), section.envelope.clone());
        set.end_salvaged(held, envelope, section.unwritten.clone(), section.lost.clone())?;
        Ok(())
    }

    /// Reads every byte of the new volumes: all are as they were written, by the chain of their hashes. The rows in them were
    /// proved before.
    fn read_back(&self, id: SetId, summary: &SetSummary, judged: &Judged) -> Result<(), Error> {
        let failed = |what: String| Error::damage(what, UNRELIABLE);
        let whole = |set: &SetReader<'_>| set.total_volumes().is_some() && set.missing_volumes().is_empty();
        let found = find_set(self.to, id)?.filter(|set| whole(set) && set.catalog().is_some());
        let set = found.ok_or_else(|| failed("the set just written cannot be read back whole".to_owned()))?;
        let asked = Asked { depth: Depth::Blocks, choice: None };
        let proof = verify(&set, &asked, self.options.jobs, self.monitor);
        unless_cancelled(self.monitor)?;
        if let Some(finding) = proof.findings.first() {
            return Err(failed(format!("reading back found: {finding}")));
        }
        for volume in &summary.volumes {
            let read = proof.volumes.iter().find(|read| read.number == volume.number);
            let ending = read.and_then(|read| read.ending).map(|ending| (ending.last_block, ending.running_hash));
            if ending != Some((volume.blocks.saturating_sub(1), volume.running_hash)) {
                return Err(failed(format!("volume {} reads back as other bytes than were written", volume.number)));
            }
        }
        let chunks = set.sections().iter().map(|section| section.chunks.len());
        if !chunks.eq(judged.sections.iter().map(|section| section.chunks.len())) {
            return Err(failed("the catalog just written does not list what was written".to_owned()));
        }
        Ok(())
    }
}
