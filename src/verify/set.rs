//! A whole set: every byte of its volumes, every copy of each, the rows of every chunk, the totals of every section.

use super::finding::Finding;
use super::judge::Depth;
use super::proof::{Around, SetProof, SetProved};
use super::verified::{UNFINISHED, WRONG};
use crate::base::monitor::{Monitor, Task};
use crate::base::position::Position;
use crate::volume::set::SetReader;

pub use super::verified::Verified;

/// Verifies all volumes of a set that are there and all rows on them, with `jobs` threads. Stops between blocks if somebody asks
/// for it, and says so.
pub fn verify_set(set: &SetReader<'_>, jobs: usize, monitor: &dyn Monitor) -> Verified {
    verify(set, Depth::Rows, jobs, monitor)
}

/// Reads all bytes of the volumes of a set that are there, and proves as much as the depth asks for.
pub fn verify(set: &SetReader<'_>, depth: Depth, jobs: usize, monitor: &dyn Monitor) -> Verified {
    let copies = copies(set);
    let several = copies.iter().any(|(rank, ..)| *rank > 0);
    let mut proof = SetProof::new(depth, several);
    proof.know(set.sections());
    let bytes = copies.iter().map(|(_, _, name)| set.size(name)).fold(0, u64::saturating_add);
    monitor.begin_bytes(Task::Verify, "reading and proving", bytes);
    let order = copies.into_iter().map(|(_, number, name)| (number, name)).collect();
    proof.volumes(order, set.is_sequential(), &|number, name| set.blocks(number, name), jobs, monitor);
    monitor.end(Task::Verify);
    let missing = set.missing_volumes();
    let around = Around { all_here: missing.is_empty(), interrupted: set.is_interrupted() };
    let SetProved { verified, .. } = proof.finish_with(set.sections(), around);
    let findings = [of_set(set, &missing), verified.findings].concat();
    Verified { findings, stopped: monitor.cancelled(), ..verified }
}

/// The copies of volumes that are here: the first of each, then the second of each; with their rank, number and name.
fn copies(set: &SetReader<'_>) -> Vec<(usize, u32, String)> {
    let here = set.volumes().iter().filter(|volume| volume.name.is_some());
    let ranked = here.flat_map(|volume| {
        (0usize..).zip(set.copies(volume.number)).map(|(rank, name)| (rank, volume.number, name))
    });
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
    if !missing.is_empty() {
        let numbers: Vec<String> = missing.iter().map(u32::to_string).collect();
        let what = format!("volume {} of set {label} is not here", numbers.join(", "));
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
