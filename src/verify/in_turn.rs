//! A set that is proved volume by volume, each in one pass from its first byte to its last, in whatever order they come: where
//! its media are not all at hand at a time. Knows no devices.

use super::judge::Depth;
use super::proof::{Around, SetProof, SetProved};
use super::set::{against_catalog, is_full, of_set};
use super::verified::Verified;
use crate::base::monitor::{Monitor, Task};
use crate::volume::set::SetReader;

/// Given the numbers of the volumes that are left, which of them is at hand now, and the name of the copy that is.
pub type AtHand<'n> = dyn FnMut(&[u32]) -> Option<(u32, String)> + 'n;

/// Verifies the volumes of a set in the order in which they come. `next` is given the numbers of those that are left, and says
/// which of them is at hand now, and the name of the copy that is; `None` if the first of them does not come. Of a volume with
/// several copies that one is read. What turns out to be elsewhere all the same is not here, and not damaged.
pub fn verify_in_turn(
    set: &SetReader<'_>,
    depth: Depth,
    next: &mut AtHand<'_>,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Verified {
    let (mut proof, mut unopened) = (SetProof::new(depth, false), Verified::default());
    proof.know(set.sections());
    let mut missing = set.missing_volumes();
    let here = set.volumes().iter().filter(|volume| volume.name.is_some());
    let mut left: Vec<u32> = here.map(|volume| volume.number).collect();
    while let Some(first) = left.first().copied().filter(|_| !monitor.cancelled()) {
        let Some((number, name)) = next(&left) else {
            missing.push(first);
            left.remove(0);
            continue;
        };
        left.retain(|other| *other != number);
        match set.blocks(number, &name) {
            Ok(blocks) => {
                monitor.begin_bytes(Task::Verify, &format!("volume {number}"), blocks.source().len());
                proof.volume(&blocks, jobs, monitor);
                monitor.end(Task::Verify);
            }
            Err(error) if error.is_elsewhere() => missing.push(number),
            Err(error) => unopened.not_judged(number, &name, &error),
        }
    }
    missing.sort_unstable();
    let part = depth == Depth::Index;
    let around = Around { all_here: missing.is_empty(), interrupted: set.is_interrupted(), part, full: is_full(set) };
    let SetProved { mut verified, .. } = proof.finish_with(set.sections(), around);
    against_catalog(set, &mut verified);
    let findings = [of_set(set, &missing), unopened.findings, verified.findings].concat();
    Verified { not_judged: unopened.not_judged, findings, stopped: monitor.cancelled(), ..verified }
}
