//! What a verification did and found, as a whole.

use super::finding::{Finding, Level};
use super::judge::Depth;
use super::media::MediaProof;
use super::part::{Chosen, Proven};
use crate::base::position::Position;
use crate::device::error::DeviceErrorKind;
use crate::volume::error::VolumeError;

/// What to try where a file is not the volume that its name says.
pub(super) const WRONG: &str = "bring the volume that should be there, or make it readable";

/// What to try where the end of a section is on a volume that is not here.
pub(super) const END_WANTED: &str =
    "bring the volume that ends it; without it only buckets known to be whole are replaced";

/// What to try with a set that was never finished.
pub(super) const UNFINISHED: &str =
    "the backup was interrupted: take a new one; what it holds can be restored (--partial)";

/// What a verification did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How deep it went.
    pub depth: Depth,
    /// The volumes, in order, every copy of each.
    pub volumes: Vec<MediaProof>,
    /// Names of copies whose bytes were not judged: they cannot be opened, or are other volumes. Each has a finding.
    pub not_judged: Vec<String>,
    /// Whether some of them are not judged since whoever asks is not allowed to open them.
    pub refused: bool,
    /// Copies that were not reached before it was stopped: number of the volume, name, bytes. Of their blocks nothing is known.
    pub not_reached: Vec<(u32, String, u64)>,
    /// Sections whose rows were proved.
    pub sections: u32,
    /// Chunks decoded and proved.
    pub chunks: u64,
    /// Rows decoded and hashed.
    pub rows: u64,
    /// Buckets whose digest was computed again.
    pub buckets: u64,
    /// How much was chosen, where a part was asked for: beside that, every volume's own words were read.
    pub chosen: Option<Chosen>,
    /// The blocks that were proved, to be left out another time.
    pub proven: Vec<Proven>,
    /// Whether somebody asked to stop before all was read.
    pub stopped: bool,
    /// What is not as it should be, in order of place.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Bytes read and judged: all that the volumes have, but for those of [`field@Verified::not_judged`], unless it was
    /// stopped.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.volumes.iter().map(|volume| volume.bytes).fold(0, u64::saturating_add)
    }

    /// Bytes that the volumes have that could be opened, and those that were not reached.
    #[must_use]
    pub fn exists(&self) -> u64 {
        let opened = self.volumes.iter().map(|volume| volume.exists);
        opened.chain(self.not_reached.iter().map(|(.., bytes)| *bytes)).fold(0, u64::saturating_add)
    }

    /// Whether every byte of every volume was judged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.stopped && self.not_judged.is_empty() && self.volumes.iter().all(MediaProof::is_whole)
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

    /// Notes that a copy of a volume cannot be opened.
    pub(super) fn not_judged(&mut self, number: u32, name: &str, error: &VolumeError) {
        let damage = Finding::of_error(error);
        let at = damage.at.within(Position::volume(number));
        let finding = match error.is_damage() {
            true => Finding { at, ..damage },
            false => Finding { at, level: Level::Incomplete, advice: WRONG, ..damage },
        };
        let kind = if let VolumeError::Device(error) = error { Some(&error.kind) } else { None };
        self.refused |= matches!(kind, Some(DeviceErrorKind::NotPermitted));
        self.findings.push(finding.on(name));
        self.not_judged.push(name.to_owned());
    }
}
