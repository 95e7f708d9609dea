//! The bytes of a volume: every block's checksums and place, the index, the running hash, the end mark.

use super::finding::{Finding, Level};
use crate::base::checksum::{Hash, blake3, chain};
use crate::base::position::Position;
use crate::format::block::{BlockKind, encode_block};
use crate::format::catalog::BlockEntry;
use crate::format::label::Predecessor;
use crate::volume::reader::Blocks;
use crate::volume::scanner::{ScanItem, ScannedBlock, Scanner};

/// What to try where bytes are not what was written.
pub(super) const COPY: &str = "use another copy of the set; what else it holds can still be restored (--partial)";

/// What a pass over a volume's bytes gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaProof {
    /// Name of the volume on its device.
    pub name: String,
    /// Its number in the set, from 1.
    pub number: u32,
    /// Blocks that are sound and in their place.
    pub blocks: u64,
    /// Bytes that were read and judged: exactly those that the volume has.
    pub bytes: u64,
    /// Number of the last sound block and the running hash after it, for the label of the next volume.
    pub ending: Option<Predecessor>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// Reads a volume from its first byte to its last. Needs no sound label: a damaged one is a finding like any other.
#[must_use]
pub fn prove_volume(volume: &Blocks) -> MediaProof {
    prove_blocks(volume, &mut |_| true)
}

/// The same, and gives each sound block in its place to `each`, in order. Where that says no, the pass is broken off, and what
/// was not read is a finding.
#[must_use]
pub fn prove_blocks(volume: &Blocks, each: &mut dyn FnMut(&ScannedBlock) -> bool) -> MediaProof {
    let (set, number) = volume.identity();
    let mut pass = Pass { name: volume.name(), number, running: [0; 32], entries: Vec::new(), findings: Vec::new() };
    let mut scanner = Scanner::new(volume.source(), volume.name(), Some((set, number)));
    for item in &mut scanner {
        match item {
            ScanItem::Block(block) => {
                pass.block(&block);
                if !each(&block) {
                    break;
                }
            }
            ScanItem::Damaged(extent) => {
                let what = format!("{} bytes from byte {}: {}", extent.len, extent.offset, extent.error);
                pass.find(Level::Damage, extent.error.position().within(Position::volume(number)), what);
            }
        }
    }
    let coverage = scanner.coverage();
    if !coverage.is_whole() {
        let seen = coverage.intact.saturating_add(coverage.damaged);
        let what = format!("{seen} bytes were judged of {} that exist", coverage.exists);
        pass.find(Level::Damage, Position::volume(number), what);
    }
    pass.compare_end(volume);
    let ending = pass
        .entries
        .len()
        .checked_sub(1)
        .map(|last| Predecessor { last_block: last as u64, running_hash: pass.running });
    MediaProof {
        name: volume.name().to_owned(),
        number,
        blocks: pass.entries.len() as u64,
        bytes: coverage.intact.saturating_add(coverage.damaged),
        ending,
        findings: pass.findings,
    }
}

struct Pass<'a> {
    name: &'a str,
    number: u32,
    running: Hash,
    entries: Vec<(BlockEntry, Hash)>,
    findings: Vec<Finding>,
}

impl Pass<'_> {
    fn find(&mut self, level: Level, at: Position, what: String) {
        let volume = Some(self.name.to_owned());
        self.findings.push(Finding { level, volume, at, what, costs: String::new(), advice: COPY });
    }

    fn block(&mut self, block: &ScannedBlock) {
        let header = &block.header;
        // A sound block has only one spelling, so that its bytes can be made again from header and payload.
        let Ok(bytes) = encode_block(header.kind, header.identity, &block.payload) else { return };
        let hash = blake3(&bytes);
        let before = self.running;
        self.running = chain(&before, &hash);
        let entry = BlockEntry {
            kind: header.kind.id(),
            section: header.identity.section,
            offset: block.offset,
            bytes: bytes.len() as u32,
            hash,
        };
        self.entries.push((entry, before));
    }

    /// Compares what was met with what end mark and index say.
    fn compare_end(&mut self, volume: &Blocks) {
        let at = Position::volume(self.number);
        let Some(end) = volume.end() else {
            let what = "the volume has no end mark: it was cut off, or never finished".to_owned();
            return self.find(Level::Incomplete, at, what);
        };
        let last = self.entries.last().filter(|(entry, _)| entry.kind == BlockKind::VolumeEnd.id()).copied();
        let sound = self.findings.is_empty();
        match last {
            Some((entry, before)) if entry.offset == end.bytes && before == end.running_hash => {}
            _ if sound => self.find(Level::Damage, at, "the end mark does not agree with the blocks before it".into()),
            _ => {}
        }
        let index = match volume.index(&end) {
            Ok(index) => index,
            Err(error) => return self.find(Level::Damage, at, format!("the index cannot be read: {error}")),
        };
        let met = self.entries.iter().take(index.blocks.len()).map(|(entry, _)| entry);
        if sound && !met.eq(index.blocks.iter()) {
            self.find(Level::Damage, at, "the index does not list the blocks that are there".to_owned());
        }
    }
}
