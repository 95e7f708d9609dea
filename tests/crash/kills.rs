//! The process is killed at every call that changes a disk, and at every statement; what it left goes on and goes back.

use super::child::{Road, calls, start, was_killed};
use super::support::{only_set, set_id};
use super::watch::{Call, Kind, Moment, Point};
use super::world::{Folder, Journal, Truth, place};
use intervault::base::monitor::Silent;
use intervault::device::traits::Device;
use intervault::format::catalog::BucketEntry;
use intervault::store::error::StoreErrorKind;
use intervault::store::sqlite::SqliteStore;
use intervault::verify::set::verify_set;
use intervault::volume::set::{SetReader, find_set, list_sets};
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

/// Whether every point is asked for.
pub fn all() -> bool {
    env::var("INTERVAULT_KILLS").is_ok_and(|kills| kills == "all")
}

fn moments(call: &Call) -> &'static [Moment] {
    match call.kind {
        Kind::Statement => &[Moment::Before],
        Kind::Write | Kind::Append if call.bytes > 1 => &[Moment::Before, Moment::Half, Moment::After],
        _ => &[Moment::Before, Moment::After],
    }
}

/// The points at which the process is killed: all, or about `count` of them with the first and the last call of each kind to
/// each file.
pub fn points(calls: &[Call], count: usize) -> Vec<Point> {
    let every = calls
        .iter()
        .enumerate()
        .flat_map(|(number, call)| moments(call).iter().map(move |moment| Point { call: number, moment: *moment }));
    let every: Vec<Point> = every.collect();
    if all() {
        return every;
    }
    let mut classes: BTreeMap<(Kind, &str), Vec<usize>> = BTreeMap::new();
    for (number, call) in calls.iter().enumerate() {
        classes.entry((call.kind, &call.file)).or_default().push(number);
    }
    let mut chosen: BTreeMap<usize, Moment> = BTreeMap::new();
    for numbers in classes.values() {
        let ends = [*numbers.first().unwrap(), *numbers.last().unwrap()];
        for (at, number) in ends.into_iter().enumerate() {
            let moments = moments(&calls[number]);
            chosen.entry(number).or_insert(moments[at * (moments.len() - 1)]);
        }
    }
    for point in every.iter().step_by((every.len() / count.saturating_sub(chosen.len()).max(1)).max(1) | 1) {
        chosen.entry(point.call).or_insert(point.moment);
    }
    chosen.into_iter().map(|(call, moment)| Point { call, moment }).collect()
}

/// Where copies of a folder are made.
pub struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    pub start: Folder,
    pub truth: Truth,
    /// The restored folder.
    pub done: Folder,
}

impl Bench {
    pub fn new(journal: Journal) -> Bench {
        let (folder, path) = place();
        let start = Folder::ruined(path.join("start"), journal);
        let (truth, done) = Truth::of(&start, &path.join("done"));
        Bench { _folder: folder, path, start, truth, done }
    }

    /// A copy that is taken away after `work`.
    pub fn with<T>(&self, of: &Folder, name: &str, work: impl FnOnce(&Folder) -> T) -> T {
        let path = self.path.join(name);
        let result = work(&of.copy(&path));
        std::fs::remove_dir_all(&path).unwrap();
        result
    }

    /// The calls of a road that nobody disturbs.
    pub fn calls(&self, road: Road, from: &Folder) -> Vec<Call> {
        self.with(from, "counted", |folder| calls(road, folder))
    }

    /// A folder as the process leaves it that is killed at this point.
    pub fn killed(&self, road: Road, from: &Folder, point: Point, to: &Path) -> Folder {
        let folder = from.copy(to);
        assert!(was_killed(start(road, &folder, Some(point)), &point.to_string()), "{road:?}: {point}");
        folder
    }

    /// What a dead process left goes on, and goes back.
    pub fn judge(&self, left: &Folder, number: usize, what: &str) {
        self.with(left, "on", |folder| self.truth.goes_on(folder, number % 2 == 1, what));
        self.with(left, "back", |folder| self.truth.goes_back(folder, number % 3 == 1, what));
    }

    /// Kills at about `count` points.
    fn kill(&self, road: Road, from: &Folder, count: usize) {
        let calls = self.calls(road, from);
        let points = points(&calls, count);
        assert!(points.len() >= 10, "{road:?}: {} points in {} calls", points.len(), calls.len());
        for (number, point) in points.iter().enumerate() {
            let what = format!("{road:?}, {point} of {}: {:?}", calls.len(), calls[point.call]);
            let path = self.path.join("killed");
            let left = self.killed(road, from, *point, &path);
            match road {
                Road::Restore | Road::Resume => self.judge(&left, number, &what),
                Road::Undo => self.truth.goes_back(&left, number % 2 == 1, &what),
                Road::Salvage | Road::Backup | Road::Incremental => panic!("it changes no database"),
            }
            std::fs::remove_dir_all(&path).unwrap();
        }
    }

    /// What is left by a restore that is killed when half of its calls are made.
    fn half(&self) -> Folder {
        let count = self.calls(Road::Restore, &self.start).len();
        let point = Point { call: count * 6 / 10, moment: Moment::Before };
        self.killed(Road::Restore, &self.start, point, &self.path.join("half"))
    }
}

/// Of what is left of a restore some units are replaced and some are not; the rows that arrive meanwhile belong to none.
#[test]
fn scenario_12_new_rows_arrive_while_a_killed_restore_goes_on_or_back() {
    for journal in [Journal::Delete, Journal::Wal] {
        let bench = Bench::new(journal);
        let half = bench.half();
        bench.with(&half, "on", |folder| bench.truth.goes_on(folder, true, "resumed"));
        bench.with(&half, "back", |folder| bench.truth.goes_back(folder, true, "undone"));
    }
}

#[test]
fn a_restore_with_a_rollback_journal() {
    let bench = Bench::new(Journal::Delete);
    bench.kill(Road::Restore, &bench.start, 40);
}

#[test]
fn a_restore_with_a_write_ahead_log() {
    let bench = Bench::new(Journal::Wal);
    bench.kill(Road::Restore, &bench.start, 40);
}

#[test]
fn a_resume_with_a_rollback_journal() {
    let bench = Bench::new(Journal::Delete);
    bench.kill(Road::Resume, &bench.half(), 25);
}

#[test]
fn a_resume_with_a_write_ahead_log() {
    let bench = Bench::new(Journal::Wal);
    bench.kill(Road::Resume, &bench.half(), 25);
}

#[test]
fn an_undo_with_a_rollback_journal() {
    let bench = Bench::new(Journal::Delete);
    bench.kill(Road::Undo, &bench.done, 25);
    bench.kill(Road::Undo, &bench.half(), 10);
}

#[test]
fn an_undo_with_a_write_ahead_log() {
    let bench = Bench::new(Journal::Wal);
    bench.kill(Road::Undo, &bench.done, 25);
    bench.kill(Road::Undo, &bench.half(), 10);
}

/// What each section of a set has.
pub fn sections(set: &SetReader<'_>) -> Vec<(String, Vec<BucketEntry>)> {
    set.sections().iter().map(|section| (section.header.table.clone(), section.buckets.clone())).collect()
}

/// What a dead salvage leaves is a finished set, which is as it should be, or none that anybody takes for one; the next one is
/// done whatever lies there, and no source is touched.
#[test]
fn a_salvage_is_finished_or_no_set_and_is_done_again() {
    let bench = Bench::new(Journal::Delete);
    let hurt = bench.start.copy(&bench.path.join("hurt"));
    let volume = hurt.0.join("volumes").join(hurt.volumes().list().unwrap().remove(0));
    let mut bytes = std::fs::read(&volume).unwrap();
    let chunk = only_set(&bench.start.volumes()).sections()[0].chunks[0].entry.offset;
    bytes[chunk as usize + 100] ^= 1;
    std::fs::write(&volume, &bytes).unwrap();
    let whole = hurt.copy(&bench.path.join("whole"));
    let calls = calls(Road::Salvage, &whole);
    let salvaged = |folder: &Folder| find_set(&folder.salvaged(), set_id(0xAC)).unwrap().map(|set| sections(&set));
    let right = salvaged(&whole);
    let last = calls.iter().rposition(|call| call.kind == Kind::Finish).unwrap();
    let finishes = calls.iter().filter(|call| call.kind == Kind::Finish).count();
    let points = points(&calls, 40);
    assert!(finishes > 2 && points.len() >= 30, "{finishes} volumes, {} points in {calls:?}", points.len());
    for point in points {
        let what = format!("{point} of {}: {:?}", calls.len(), calls[point.call]);
        let left = bench.killed(Road::Salvage, &hurt, point, &bench.path.join("killed"));
        assert!(std::fs::read(&volume).unwrap() == bytes, "{what}: a source was changed");
        let finished = point.call > last || (point.call == last && point.moment == Moment::After);
        let to = left.salvaged();
        let sets = list_sets(&to).map(|listing| listing.sets).unwrap_or_default();
        assert_eq!(sets.iter().any(SetReader::is_complete), finished, "{what}");
        for set in sets.iter().filter(|_| finished) {
            assert_eq!(verify_set(set, 1, &Silent).findings, [], "{what}");
            assert_eq!(Some(sections(set)), right, "{what}");
        }
        left.salvage(&left.salvaged(), 0xAD);
        let again = find_set(&to, set_id(0xAD)).unwrap().unwrap();
        assert_eq!(verify_set(&again, 1, &Silent).findings, [], "{what}, again");
        assert_eq!(Some(sections(&again)), right, "{what}, again");
        std::fs::remove_dir_all(&left.0).unwrap();
    }
}

/// What a dead process left in a rollback journal only a writer can put right: a reader says so, and changes nothing.
#[test]
fn a_transaction_that_was_cut_short_is_rolled_back_by_whoever_may_write() {
    let bench = Bench::new(Journal::Delete);
    let calls = bench.calls(Road::Restore, &bench.start);
    let written = |call: &Call| call.kind == Kind::Write && call.file == "centre.db";
    let call = calls.iter().rposition(written).unwrap();
    let left =
        bench.killed(Road::Restore, &bench.start, Point { call, moment: Moment::Half }, &bench.path.join("killed"));
    let bytes = std::fs::read(left.database()).unwrap();
    let error = SqliteStore::open(&left.database()).unwrap_err();
    assert!(matches!(&error.kind, StoreErrorKind::NotPermitted(why) if why.contains("cut short")), "{error}");
    assert_eq!(std::fs::read(left.database()).unwrap(), bytes);
    SqliteStore::open_for_writing(&left.database()).unwrap();
    assert!(std::fs::read(left.database()).unwrap() != bytes);
    SqliteStore::open(&left.database()).unwrap();
}
