//! A whole set: its volumes one by one, the rows of every chunk, the totals of every section.

use super::finding::{Finding, Level};
use super::media::{COPY, MediaProof, prove_volume};
use crate::base::monitor::{Monitor, Task};
use crate::base::ordered::ordered;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::format::chunk::PieceEntry;
use crate::section::rows::SectionTable;
use crate::volume::error::VolumeError;
use crate::volume::section::{ChunkRef, SectionSource, SectionView};
use crate::volume::set::SetReader;
use crate::volume::summary::BucketTable;

/// What to try where a file is not the volume that its name says.
const WRONG: &str = "bring the volume that should be there, or make it readable";

/// What to try where the end of a section is on a volume that is not here.
pub(super) const END_WANTED: &str =
    "bring the volume that ends it; without it only buckets known to be whole are replaced";

/// What to try with a set that was never finished.
const UNFINISHED: &str = "the backup was interrupted: take a new one; what it holds can be restored (--partial)";

/// What a verification did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The volumes, in order, every copy of each.
    pub volumes: Vec<MediaProof>,
    /// Names of copies whose bytes were not judged: they cannot be opened, or are other volumes. Each has a finding.
    pub not_judged: Vec<String>,
    /// Sections whose rows were proved.
    pub sections: u32,
    /// Chunks decoded and proved.
    pub chunks: u64,
    /// Rows decoded and hashed.
    pub rows: u64,
    /// Buckets whose digest was computed again.
    pub buckets: u64,
    /// What is not as it should be, in order of place.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Bytes read and judged: all that the volumes have, but for those of [`Verified::not_judged`].
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.volumes.iter().map(|volume| volume.bytes).fold(0, u64::saturating_add)
    }

    /// Blocks that are sound and in their place.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.volumes.iter().map(|volume| volume.blocks).fold(0, u64::saturating_add)
    }

    /// The worst finding's level; `None` if there is no finding.
    #[must_use]
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }
}

/// Verifies all volumes of a set that are there and all rows on them, with `jobs` threads.
pub fn verify_set(set: &SetReader<'_>, jobs: usize, monitor: &dyn Monitor) -> Verified {
    let mut verified = Verified::default();
    media(set, &mut verified);
    let rows = set.sections().iter().map(SectionView::rows_here).fold(0, u64::saturating_add);
    monitor.begin(Task::Verify, "proving rows", rows);
    for section in set.sections() {
        rows_of(set, section, jobs.max(1), monitor, &mut verified);
    }
    monitor.end(Task::Verify);
    verified
}

/// What is said of a set as a whole of which these volumes are not here.
pub(super) fn of_set(set: &SetReader<'_>, missing: &[u32]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let incomplete = |what: String, advice: &'static str| Finding {
        level: Level::Incomplete,
        volume: None,
        at: Position::UNKNOWN,
        what,
        costs: String::new(),
        advice,
    };
    let label = &set.label().label;
    if set.is_interrupted() {
        findings.push(incomplete(format!("set {label} was never finished"), UNFINISHED));
    }
    if !missing.is_empty() {
        let numbers: Vec<String> = missing.iter().map(u32::to_string).collect();
        let what = format!("volume {} of set {label} is not here", numbers.join(", "));
        findings.push(incomplete(what, "bring it to this device"));
    }
    for error in set.wrong_volumes() {
        let found =
            if error.is_damage() { damage(error.position(), String::new()) } else { incomplete(String::new(), WRONG) };
        findings.push(Finding { what: error.to_string(), at: error.position(), ..found });
    }
    findings
}

fn media(set: &SetReader<'_>, verified: &mut Verified) {
    verified.findings.extend(of_set(set, &set.missing_volumes()));
    let mut before: Option<MediaProof> = None;
    for number in set.volumes().iter().filter(|volume| volume.name.is_some()).map(|volume| volume.number) {
        let mut best: Option<MediaProof> = None;
        for name in set.copies(number) {
            let Some(proof) = copy(set, number, &name, before.as_ref(), verified) else { continue };
            verified.volumes.push(proof.clone());
            let better = |best: &MediaProof| proof.findings.len() < best.findings.len();
            if best.as_ref().is_none_or(better) {
                best = Some(proof);
            }
        }
        before = best;
    }
}

/// Notes that a copy of a volume cannot be opened.
pub(super) fn not_judged(number: u32, name: &str, error: &VolumeError, verified: &mut Verified) {
    let at = error.position().within(Position::volume(number));
    let found = Finding { volume: Some(name.to_owned()), ..damage(at, error.to_string()) };
    verified.findings.push(if error.is_damage() {
        found
    } else {
        Finding { level: Level::Incomplete, advice: WRONG, ..found }
    });
    verified.not_judged.push(name.to_owned());
}

/// Judges one copy of a volume, which follows `before` if that is the volume before it.
fn copy(
    set: &SetReader<'_>,
    number: u32,
    name: &str,
    before: Option<&MediaProof>,
    verified: &mut Verified,
) -> Option<MediaProof> {
    let opened = set.copy(number, name);
    let proof = match &opened {
        Ok(volume) => Ok(prove_volume(volume.blocks())),
        Err(_) => set.blocks(number, name).map(|blocks| prove_volume(&blocks)),
    };
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) => {
            not_judged(number, name, &error, verified);
            return None;
        }
    };
    verified.findings.extend(proof.findings.iter().cloned());
    let at_label = Position::volume(number).with_block(0);
    let mut find = |what: String| {
        verified.findings.push(Finding { volume: Some(name.to_owned()), ..damage(at_label, what) });
    };
    match opened {
        Ok(volume) => {
            let follows = before.filter(|before| before.number.checked_add(1) == Some(number));
            if follows.is_some_and(|before| before.findings.is_empty() && before.ending != volume.label().predecessor) {
                find("its label does not name the end of the volume before it".to_owned());
            }
        }
        // Where the scan met the damage too, it is told already.
        Err(error) if proof.findings.is_empty() => find(error.to_string()),
        Err(_) => {}
    }
    Some(proof)
}

fn damage(at: Position, what: String) -> Finding {
    Finding { level: Level::Damage, volume: None, at, what, costs: String::new(), advice: COPY }
}

fn rows_of(set: &SetReader<'_>, section: &SectionView, jobs: usize, monitor: &dyn Monitor, verified: &mut Verified) {
    let name = &section.header.table;
    let at = Position::UNKNOWN.with_section(section.number);
    let table = match SectionTable::new(section.number, &section.header) {
        Ok(table) => table,
        Err(error) => {
            let finding = Finding { costs: format!("all rows of {name}"), ..damage(error.at, error.to_string()) };
            return verified.findings.push(finding);
        }
    };
    verified.sections = verified.sections.saturating_add(1);
    let here: Vec<&ChunkRef> = section.chunks.iter().filter(|chunk| chunk.here).collect();
    let (mut buckets, mut rows, mut lost) = (BucketTable::default(), 0u64, false);
    let done: Result<(), std::convert::Infallible> = ordered(
        jobs,
        here.len(),
        2,
        |_, item, emit| {
            if let Some(chunk) = here.get(item) {
                emit((item, prove_chunk(set, &table, chunk)));
            }
            Ok(())
        },
        |(item, proved)| {
            let Some(chunk) = here.get(item) else { return Ok(()) };
            monitor.advance(Task::Verify, u64::from(chunk.entry.rows), u64::from(chunk.entry.bytes));
            match proved {
                Ok(pieces) => {
                    pieces.iter().for_each(|piece| buckets.add(piece));
                    rows = rows.saturating_add(u64::from(chunk.entry.rows));
                    verified.chunks = verified.chunks.saturating_add(1);
                }
                Err((level, what)) => {
                    lost = true;
                    let costs = format!("{} rows of {name}{}", chunk.entry.rows, when(&chunk.entry));
                    let found = damage(place(chunk), format!("table {name}: {what}"));
                    verified.findings.push(Finding { level, costs, ..found });
                }
            }
            Ok(())
        },
    );
    let Ok(()) = done;
    verified.rows = verified.rows.saturating_add(rows);
    verified.buckets = verified.buckets.saturating_add(buckets.len() as u64);
    if section.end.is_none() {
        verified.findings.push(Finding {
            level: Level::Incomplete,
            what: format!("section {} (table {name}) has no end mark here", section.number),
            advice: if set.is_interrupted() { UNFINISHED } else { END_WANTED },
            ..damage(at, String::new())
        });
    }
    if !lost && here.len() == section.chunks.len() {
        totals(section, &buckets, rows, verified);
    }
}

fn place(chunk: &ChunkRef) -> Position {
    Position::volume(chunk.entry.volume)
        .with_block(chunk.entry.block)
        .with_section(chunk.section)
        .with_rows(chunk.entry.first_row, u64::from(chunk.entry.rows))
}

pub(super) fn when(chunk: &ChunkEntry) -> String {
    use crate::base::time::{Instant, Span};
    let span = Span::new(Instant(chunk.first), Instant(chunk.stop));
    span.map_or_else(String::new, |span| format!(" between {} and {}", span.start, span.stop))
}

fn prove_chunk(
    set: &SetReader<'_>,
    table: &SectionTable,
    chunk: &ChunkRef,
) -> Result<Vec<PieceEntry>, (Level, String)> {
    let payload = set.read_chunk(chunk).map_err(|error| {
        let absent = matches!(error, VolumeError::MissingVolumes { .. } | VolumeError::WrongVolume { .. });
        (if absent { Level::Incomplete } else { Level::Damage }, error.to_string())
    })?;
    let wrong = |what: String| (Level::Damage, what);
    let rows =
        table.prove(&mut RowHasher::default(), &payload, place(chunk)).map_err(|error| wrong(error.to_string()))?;
    let (found, expected) = (&rows.directory, &chunk.entry);
    if found.chunk != chunk.number || found.first_row != expected.first_row || found.rows != expected.rows {
        return Err(wrong(format!(
            "the block holds chunk {} ({} rows from row {}), the catalog says chunk {} ({} rows from row {})",
            found.chunk, found.rows, found.first_row, chunk.number, expected.rows, expected.first_row
        )));
    }
    Ok(rows.directory.pieces)
}

/// Compares what the rows gave with what end mark and catalog say of the section.
pub(super) fn totals(section: &SectionView, buckets: &BucketTable, rows: u64, verified: &mut Verified) {
    let at = Position::UNKNOWN.with_section(section.number);
    let name = &section.header.table;
    let mut find = |what: String| verified.findings.push(damage(at, what));
    if let Some(end) = &section.end
        && (end.rows != rows || end.digest != buckets.digest() || end.buckets != buckets.len() as u64)
    {
        find(format!(
            "table {name}: the end mark lists {} rows in {} buckets, its chunks give {rows} in {}, or the digests \
            differ",
            end.rows,
            end.buckets,
            buckets.len()
        ));
    }
    if section.source == SectionSource::Catalog {
        let computed: Vec<BucketEntry> = buckets.entries().collect();
        // Buckets that the set did not write have no rows on its volumes.
        let written: Vec<BucketEntry> = section.buckets.iter().filter(|bucket| bucket.is_written()).copied().collect();
        if computed != written {
            let first = computed.iter().zip(&written).find(|(a, b)| a != b).map(|(_, listed)| *listed);
            let which = first
                .map_or_else(String::new, |listed| format!(", first at ACD {:?}, day {:?}", listed.acd, listed.day));
            find(format!("table {name}: the catalog does not list the buckets that the chunks give{which}"));
        }
    }
}
