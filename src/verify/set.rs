//! A whole set: every byte of its volumes, every copy of each, the rows of every chunk, the totals of every section.

use super::finding::Finding;
use super::judge::Depth;
use super::part::Choice;
use super::proof::{Around, SetProof, SetProved, end_words};
use super::verified::{UNFINISHED, WRONG};
use crate::base::checksum::Hash;
use crate::base::monitor::{Monitor, Task};
use crate::base::numbers::not_here;
use crate::base::position::Position;
use crate::format::label::Predecessor;
use crate::volume::error::VolumeError;
use crate::volume::reader::Blocks;
use crate::volume::set::SetReader;
use crate::volume::stream::several;
use std::collections::BTreeSet;

pub use super::verified::Verified;

/// What is asked of a verification.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'c> {
    /// How deep it goes.
    pub depth: Depth,
    /// The part that is read, of [`Depth::Blocks`] or [`Depth::Rows`]; all if `None`. With a part the blocks are found by the
    /// index of their volume, and what was read can be left out another time.
    pub choice: Option<Choice<'c>>,
}

/// Verifies all volumes of a set that are there and all rows on them, with `jobs` threads. Does not stop when somebody asks for
/// it: who relies on the answer must have it.
pub fn verify_set(set: &SetReader<'_>, jobs: usize, monitor: &dyn Monitor) -> Verified {
    verify(set, &Asked::default(), jobs, &Unstopped(monitor))
}

/// Passes on what is told, and not that somebody asks to stop.
struct Unstopped<'m>(&'m dyn Monitor);

impl Monitor for Unstopped<'_> {
    fn begin(&self, task: Task, what: &str, total_rows: u64) {
        self.0.begin(task, what, total_rows);
    }

    fn begin_bytes(&self, task: Task, what: &str, total_bytes: u64) {
        self.0.begin_bytes(task, what, total_bytes);
    }

    fn advance(&self, task: Task, rows: u64, bytes: u64) {
        self.0.advance(task, rows, bytes);
    }

    fn end(&self, task: Task) {
        self.0.end(task);
    }

    fn notice(&self, text: &str) {
        self.0.notice(text);
    }
}

/// Verifies as much as is asked of the volumes of a set that are there. Stops between blocks if somebody asks for it, and
/// says so: [`Verified::stopped`]. Memory: at most some 200 MiB, whatever `jobs` is, and what
/// index and catalog list.
pub fn verify(set: &SetReader<'_>, asked: &Asked<'_>, jobs: usize, monitor: &dyn Monitor) -> Verified {
    let copies = copies(set);
    let several = copies.iter().any(|(rank, ..)| *rank > 0);
    let mut proof = SetProof::new(asked.depth, several);
    proof.know(set.sections());
    let bytes = copies.iter().map(|(_, _, name)| set.size(name)).fold(0, u64::saturating_add);
    let all = copies.clone();
    let order = copies.into_iter().map(|(_, number, name)| (number, name)).collect();
    let sequential = set.is_sequential();
    let open = |number: u32, name: &str| {
        let blocks = set.blocks(number, name)?;
        if sequential { Ok(blocks) } else { one_volume(blocks) }
    };
    let part = asked.depth == Depth::Index || asked.choice.is_some();
    monitor.begin_bytes(Task::Verify, "reading and proving", if part { 0 } else { bytes });
    if part {
        let choice = asked.choice.filter(|_| asked.depth > Depth::Index);
        proof.parts(order, &open, choice.as_ref(), jobs, monitor);
    } else {
        proof.volumes(order, sequential, &open, jobs, monitor);
    }
    monitor.end(Task::Verify);
    let missing = set.missing_volumes();
    let around = Around { all_here: missing.is_empty(), interrupted: set.is_interrupted(), part, full: is_full(set) };
    let SetProved { mut verified, .. } = proof.finish_with(set.sections(), around);
    let unread = verified.chosen.is_some_and(|chosen| chosen.read < chosen.blocks);
    let reached: BTreeSet<&String> =
        verified.volumes.iter().map(|volume| &volume.name).chain(&verified.not_judged).collect();
    let left = all.iter().filter(|(.., name)| !reached.contains(name));
    let not_reached: Vec<_> = left.map(|(_, number, name)| (*number, name.clone(), set.size(name))).collect();
    verified.not_reached = not_reached;
    let left = !verified.not_reached.is_empty();
    verified.stopped = monitor.cancelled() && (unread || left || !part && !verified.is_whole());
    against_catalog(set, &mut verified);
    let mut findings = of_set(set, &missing);
    findings.append(&mut verified.findings);
    verified.findings = findings;
    verified
}

/// Whether the label of a set says that it is a full one.
pub(super) fn is_full(set: &SetReader<'_>) -> bool {
    !set.label().incremental
}

/// Refuses a file with several volumes: what follows the first is no damage of it. Not asked of a tape, which tells its volumes
/// apart and would be wound.
fn one_volume(mut blocks: Blocks) -> Result<Blocks, VolumeError> {
    if blocks.ended().is_none()
        && let Some(volumes) = several(blocks.source())?
    {
        return Err(VolumeError::Several { name: blocks.name().to_owned(), volumes });
    }
    Ok(blocks)
}

/// Holds the volumes against what the catalog says of each: bytes, blocks, running hash.
pub(super) fn against_catalog(set: &SetReader<'_>, verified: &mut Verified) {
    for volume in set.volumes() {
        let Some(listed) = volume.entry else { continue };
        for media in verified.volumes.iter().filter(|media| media.number == volume.number) {
            let Some(ending) = media.ending.filter(|_| media.findings.is_empty()) else { continue };
            let words = |blocks: u64, bytes: u64, hash: Hash| {
                format!("{bytes} bytes, {}", end_words(Some(Predecessor { last_block: blocks, running_hash: hash })))
            };
            let said = (listed.blocks.saturating_sub(1), listed.bytes, listed.running_hash);
            let met = (ending.last_block, media.exists, ending.running_hash);
            if said != met {
                // Words leave the end of a hash out.
                let (expected, found) = (words(said.0, said.1, said.2), words(met.0, met.1, met.2));
                let what = "the volume is not the one that the catalog of its set lists";
                let finding = Finding::damage(Position::volume(media.number), what).on(&media.name);
                verified.findings.push(finding.odds(expected, found));
            }
        }
    }
}

/// The copies of volumes that are here: the first of each, then the second of each; with their rank, number and name.
fn copies(set: &SetReader<'_>) -> Vec<(usize, u32, String)> {
    let here = set.volumes().iter().filter(|volume| volume.name.is_some());
    let ranked = here
        .flat_map(|volume| (0usize..).zip(set.copies(volume.number)).map(|(rank, name)| (rank, volume.number, name)));
    let mut copies: Vec<_> = ranked.collect();
    copies.sort_by_key(|(rank, number, _)| (*rank, *number));
    copies
}

/// What is said of a set as a whole of which these volumes are not here.
pub(super) fn of_set(set: &SetReader<'_>, missing: &[u32]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let at = Position::UNKNOWN;
    let label = &set.label().label;
    if set.is_interrupted() {
        findings.push(Finding::incomplete(at, format!("set {label} was never finished"), UNFINISHED));
    }
    if set.lacks_end_only() {
        let what = format!("the end of set {label} is lost; its catalog is here");
        findings.push(Finding::damage(at, what));
    }
    if !missing.is_empty() {
        let what = not_here(missing, &format!(" of set {label}"));
        findings.push(Finding::incomplete(at, what, "bring it to this device"));
    }
    for error in set.wrong_volumes() {
        findings.push(if error.is_damage() {
            Finding::of_error(error)
        } else {
            Finding::incomplete(error.position(), error.to_string(), WRONG)
        });
    }
    findings
}
