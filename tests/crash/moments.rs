//! The process is killed from outside at random moments.

use super::child::{Road, await_work, start, was_killed};
use super::kills::{Bench, all};
use super::world::{Folder, Journal, UNITS};
use intervault::store::control::{RunStatus, UnitStatus};
use intervault::store::traits::Store;
use intervault::testing::mutate::Rng;
use std::time::{Duration, Instant};

/// Kills that must hit a run, of as many as are tried.
const LEAST: usize = 5;

/// How far a folder's restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NotBegun,
    /// So many units are replaced.
    Begun(usize),
    Finished,
}

fn stage(folder: &Folder) -> Stage {
    let snapshot = folder.store().snapshot(1).unwrap();
    match snapshot.runs().unwrap().last() {
        None => Stage::NotBegun,
        Some(run) if run.status == RunStatus::Begun => {
            let units = snapshot.units(run.number).unwrap();
            Stage::Begun(units.iter().filter(|unit| unit.status == UnitStatus::Applied).count())
        }
        Some(_) => Stage::Finished,
    }
}

/// Kills a restore, and then the resume of what it left, after random delays within the time that a restore takes.
#[expect(clippy::print_stdout, reason = "figures for whoever asks for all kills")]
fn kill(journal: Journal, seed: u64) {
    let count = if all() { 500 } else { 30 };
    let bench = Bench::new(journal);
    let measured = |_| {
        bench.with(&bench.start, "measured", |folder| {
            let mut child = start(Road::Restore, folder, None);
            await_work(&mut child);
            let began = Instant::now();
            was_killed(child, "measured");
            began.elapsed().as_micros() as usize
        })
    };
    let takes = (0..5).map(measured).min().unwrap();
    let mut random = Rng::new(seed);
    let mut stages = Vec::new();
    let mut restores = 0;
    let in_run = |stages: &[Stage]| stages.iter().filter(|stage| matches!(stage, Stage::Begun(_))).count();
    // On a machine that does much besides most may hit the time before the run: then more are killed.
    while stages.len() < count || (in_run(&stages) < LEAST && stages.len() < 10 * count) {
        restores += 1;
        bench.with(&bench.start, "killed", |folder| {
            for road in [Road::Restore, Road::Resume, Road::Resume] {
                let mut child = start(road, folder, None);
                await_work(&mut child);
                let delay = random.below(takes);
                std::thread::sleep(Duration::from_micros(delay as u64));
                child.kill().unwrap();
                let what = format!("{journal:?}, number {}: {road:?} killed after {delay} us of {takes}", stages.len());
                was_killed(child, &what);
                bench.judge(folder, stages.len(), &what);
                stages.push(bench.with(folder, "asked", stage));
                if !matches!(stages.last(), Some(Stage::Begun(_))) {
                    return;
                }
            }
        });
    }
    let so_far = |wanted: &dyn Fn(&Stage) -> bool| stages.iter().filter(|stage| wanted(stage)).count();
    let begun = so_far(&|stage| matches!(stage, Stage::Begun(_)));
    let units: Vec<usize> = (0..=UNITS).map(|units| so_far(&|stage| *stage == Stage::Begun(units))).collect();
    println!(
        "{journal:?}: {} kills of {restores} restores and their resumes, each within {takes} us: {} before the run was begun, \
         {begun} in it (by units replaced: {units:?}), {} after it",
        stages.len(),
        so_far(&|stage| *stage == Stage::NotBegun),
        so_far(&|stage| *stage == Stage::Finished),
    );
    assert!(begun >= LEAST && (!all() || begun > count / 4), "{stages:?}");
}

#[test]
fn at_random_with_a_rollback_journal() {
    kill(Journal::Delete, 1);
}

#[test]
fn at_random_with_a_write_ahead_log() {
    kill(Journal::Wal, 2);
}
