//! What `check --verify` brings to a verification: which part is read, until when, what was proved before, and that what is
//! proved now is remembered. A memory that cannot be written is a warning, and the check stands.

use crate::base::monitor::{Monitor, Task};
use crate::check;
use crate::cli::args::{CheckOptions, CheckWork, PartOptions, Since};
use crate::cli::failure::Failure;
use crate::cli::job;
use crate::cli::output::Output;
use crate::cli::render::check::GoesOn;
use crate::cli::render::text::{counted, escape};
use crate::device::name::split_place;
use crate::history::proofs::{ProofKey, ProofLine, Proofs, Withdrawn, proven};
use crate::verify::Depth;
use crate::verify::finding::Level;
use crate::verify::part::{Choice, Sample, Subset, VolumeId};
use crate::verify::set::{Asked, Verified};
use crate::volume::set::{SetReader, VolumeView};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant as Clock};

/// A verification as it was asked for.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Proving {
    pub(in crate::cli) depth: Depth,
    pub(in crate::cli) jobs: usize,
    part: PartOptions,
    sample: Option<Sample>,
    subset: Option<Subset>,
    /// Begins to run with the first set that is verified: what it takes to list them is not counted.
    until: OnceLock<Option<Clock>>,
    memory: Option<Proofs>,
    now: i64,
}

impl Proving {
    /// All of it, so deep; nothing is remembered.
    pub(in crate::cli) fn whole(depth: Depth, jobs: usize) -> Proving {
        Proving {
            depth,
            jobs,
            part: PartOptions::default(),
            sample: None,
            subset: None,
            until: OnceLock::new(),
            memory: None,
            now: 0,
        }
    }

    /// What the options ask for; `None` if nothing is to be verified.
    ///
    /// # Errors
    /// No random number can be had for a sample.
    pub(in crate::cli) fn new(options: &CheckOptions, state: Option<&Path>) -> Result<Option<Proving>, Failure> {
        let CheckWork::Verify(depth) = options.work else { return Ok(None) };
        let now = jiff::Timestamp::now().as_second();
        let part = options.part;
        let sample = part.sample.map(|millionths| {
            let seed = part.seed.map_or_else(random, Ok)?;
            Ok::<_, Failure>(Sample { millionths, seed })
        });
        let subset = part.subset.map(|subset| Subset {
            part: subset.part.unwrap_or_else(|| part_of_day(job::civil(now).day(), subset.of)),
            of: subset.of,
        });
        Ok(Some(Proving {
            sample: sample.transpose()?,
            subset,
            memory: state.map(Proofs::new),
            part,
            now,
            ..Proving::whole(depth, options.jobs)
        }))
    }

    /// Whether anything but the whole may be read.
    pub(in crate::cli) fn is_part(&self) -> bool {
        self.part.is_asked()
    }

    /// What was asked for beside the depth, in words; empty for the whole.
    pub(in crate::cli) fn words(&self) -> String {
        let percent = |millionths: u32| {
            let text = format!("{}.{:04}", millionths / 10_000, millionths % 10_000);
            format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
        };
        let sample = self.sample.map(|sample| format!("sample {}, seed {}", percent(sample.millionths), sample.seed));
        let subset = self.subset.map(|subset| format!("part {} of {}", subset.part, subset.of));
        let time = self.part.max_duration.map(|seconds| format!("at most {}", counted(seconds, "second", "seconds")));
        let since = self.part.since_last.map(|_| "what was not proved before".to_owned());
        sample.into_iter().chain(subset).chain(since).chain(time).collect::<Vec<_>>().join(", ")
    }

    /// The seed of the sample.
    pub(in crate::cli) fn seed(&self) -> Option<u64> {
        self.sample.map(|sample| sample.seed)
    }

    /// The part and the number of parts.
    pub(in crate::cli) fn subset(&self) -> Option<(u32, u32)> {
        self.subset.map(|subset| (subset.part, subset.of))
    }

    /// Verifies a set on a device at this place, and remembers what was proved.
    pub(in crate::cli) fn verify(
        &self,
        set: &SetReader<'_>,
        place: &str,
        monitor: &dyn Monitor,
        output: &Output,
    ) -> Verified {
        let id = set.set_id().to_string();
        let known = self.memory.iter().filter(|_| self.part.since_last.is_some());
        let known: Vec<ProofLine> = known.flat_map(|memory| memory.read(&id)).collect();
        let since = match self.part.since_last {
            Some(Since::Seconds(age)) => self.now.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX)),
            Some(Since::Ever) | None => i64::MIN,
        };
        // As it is before the first byte is read.
        let names = || set.volumes().iter().flat_map(|volume| volume.name.iter().chain(&volume.copies));
        let asked = names().filter(|_| self.memory.is_some());
        let stamps: BTreeMap<&str, String> = asked.filter_map(|name| Some((name.as_str(), set.stamp(name)?))).collect();
        let unstamped = names().filter(|name| !stamps.contains_key(name.as_str())).count();
        if self.part.since_last.is_some() && self.memory.is_some() && unstamped > 0 {
            output.warning(&format!(
                "--since-last leaves out nothing of {} on {}: nobody can tell there whether it was written again since it was \
                 proved",
                counted(unstamped as u64, "volume", "volumes"),
                escape(place)
            ));
        }
        let key = |volume: &VolumeId| Some(key(volume, place, stamps.get(volume.name.as_str())?));
        let before = |volume: &VolumeId| {
            key(volume).map_or_else(Vec::new, |key| proven(&known, &key, self.depth.name(), since..=self.now))
        };
        let choice = Choice { sample: self.sample, subset: self.subset, proven: &before };
        let asked = Asked { depth: self.depth, choice: self.is_part().then_some(choice) };
        let after = |seconds| Clock::now().checked_add(Duration::from_secs(seconds));
        let until = *self.until.get_or_init(|| self.part.max_duration.and_then(after));
        let verified = check::verify(set, &asked, self.jobs, &Watched { monitor, until });
        let line = |proven: &crate::verify::part::Proven| {
            Some(ProofLine {
                key: key(&proven.volume)?,
                depth: verified.depth.name().to_owned(),
                at: self.now,
                blocks: proven.blocks.iter().map(|blocks| (blocks.start, blocks.end)).collect(),
            })
        };
        let lines: Vec<ProofLine> = verified.proven.iter().filter_map(line).collect();
        self.remember(set, &lines, &verified, output);
        verified
    }

    /// What another check of the set need not read again, if this one was stopped.
    pub(in crate::cli) fn goes_on(&self, set: &SetReader<'_>) -> GoesOn {
        let mut names = set.volumes().iter().flat_map(|volume| volume.name.iter().chain(&volume.copies));
        match self.memory.is_some() && names.all(|name| set.stamp(name).is_some()) {
            false => GoesOn::Nowhere,
            // Without a part a volume is proved when it was read to its end.
            true if self.is_part() || self.depth == Depth::Index => GoesOn::Blocks,
            true => GoesOn::Volumes,
        }
    }

    /// Remembers what was proved, and takes back what was proved of volumes with which something is wrong now.
    pub(in crate::cli) fn remember(
        &self,
        set: &SetReader<'_>,
        proved: &[ProofLine],
        verified: &Verified,
        output: &Output,
    ) {
        let Some(memory) = &self.memory else { return };
        if let Err(error) = memory.remember(&set.set_id().to_string(), proved, &withdrawn(set, verified)) {
            let stale = match verified.findings.is_empty() {
                true => "",
                false => ", nor can it be noted that some of what was proved before counts no more",
            };
            output.warning(&format!(
                "what was proved cannot be remembered for --since-last{stale}: {error}; the check itself stands (--state-dir \
                 says where it is kept)"
            ));
        }
    }
}

/// Of which volumes proofs count no more: those with which something is wrong; all, if that is damage of the set as a whole.
fn withdrawn(set: &SetReader<'_>, verified: &Verified) -> Withdrawn {
    let has = |volume: &VolumeView, name: &String| volume.name.as_ref() == Some(name) || volume.copies.contains(name);
    let mut volumes = BTreeSet::new();
    for finding in &verified.findings {
        let named = finding.volume.as_ref().and_then(|name| set.volumes().iter().find(|volume| has(volume, name)));
        match named.map(|volume| volume.number).or(finding.at.volume) {
            Some(number) => drop(volumes.insert(number)),
            None if finding.level == Level::Damage => return Withdrawn::All,
            None => {}
        }
    }
    Withdrawn::Volumes(volumes)
}

fn key(volume: &VolumeId, place: &str, stamp: &str) -> ProofKey {
    // One place has many names, and one of several devices is told by the place before the name.
    let (place, name) = split_place(&volume.name).unwrap_or((place, &volume.name));
    let canonical = std::fs::canonicalize(place).map_or_else(|_| place.to_owned(), |path| path.display().to_string());
    ProofKey {
        place: canonical,
        name: name.to_owned(),
        volume: volume.number,
        bytes: volume.bytes,
        hash: volume.running_hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        stamp: stamp.to_owned(),
    }
}

/// The part of a day: the next day's is the next one.
fn part_of_day(day: i32, of: u32) -> u32 {
    u32::try_from(day.rem_euclid(i32::try_from(of).unwrap_or(i32::MAX).max(1))).unwrap_or(0).saturating_add(1)
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(crate::cli::exit::Exit::Failed, format!("no random number for the sample: {error}"))
            .hint("give one with --seed")
    })?;
    Ok(u64::from(u32::from_le_bytes(bytes)))
}

/// Stops when the time is over, and lets a signal ask it to stop between two blocks.
struct Watched<'m> {
    monitor: &'m dyn Monitor,
    until: Option<Clock>,
}

impl Monitor for Watched<'_> {
    fn begin(&self, _task: Task, what: &str, total_rows: u64) {
        self.monitor.begin(Task::Check, what, total_rows);
    }

    fn begin_bytes(&self, _task: Task, what: &str, total_bytes: u64) {
        self.monitor.begin_bytes(Task::Check, what, total_bytes);
    }

    fn advance(&self, _task: Task, rows: u64, bytes: u64) {
        self.monitor.advance(Task::Check, rows, bytes);
    }

    fn end(&self, _task: Task) {
        self.monitor.end(Task::Check);
    }

    fn cancelled(&self) -> bool {
        self.until.is_some_and(|until| Clock::now() >= until) || self.monitor.cancelled()
    }

    fn notice(&self, text: &str) {
        self.monitor.notice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::part_of_day;
    use std::collections::BTreeSet;

    #[test]
    fn as_many_days_as_there_are_parts_have_them_all() {
        for of in [1u32, 2, 30, 31] {
            for first in [-40, 0, 20_413] {
                let parts: BTreeSet<u32> = (first..first + of as i32).map(|day| part_of_day(day, of)).collect();
                assert_eq!(parts, (1..=of).collect(), "{of} parts from day {first}");
            }
        }
    }
}
