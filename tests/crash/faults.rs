//! Calls that fail, devices that vanish, rows that change: each ends with a database that is as it was, or complete unit by
//! unit, with an error of the right class and a report that says which.

use super::kills::{Bench, all};
use super::support::{at, only_set, set_id};
use super::vfs;
use super::watch::{Act, Call, Fault, Kind, Watch};
use super::world::{Folder, Journal, UNITS, options};
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::base::time::Instant;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore::{Keep, Options, Outcome, Restore, RestoreReport, Stopped};
use intervault::store::control::{RunStatus, UnitStatus};
use intervault::store::traits::Store;
use intervault::testing::fault::{self, FaultDevice, Op};
use intervault::volume::section::ChunkRef;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What a restore says that it did must be what the journal has.
fn says_which(folder: &Folder, report: &RestoreReport, what: &str) {
    let snapshot = folder.store().snapshot(1).unwrap();
    let Some(run) = report.run else {
        // Whether the lines of a run were written may be in doubt, too; it has done nothing then.
        let begun = snapshot.runs().unwrap().iter().map(|run| snapshot.units(run.number).unwrap()).collect::<Vec<_>>();
        assert!(begun.iter().flatten().all(|unit| unit.status == UnitStatus::Planned), "{what}");
        assert_eq!(report.count(Outcome::NotBegun), report.units.len(), "{what}");
        return;
    };
    let units = snapshot.units(run).unwrap();
    assert_eq!((units.len(), report.units.len()), (UNITS, UNITS), "{what}");
    for (unit, said) in units.iter().zip(&report.units).filter(|(_, said)| said.outcome != Outcome::InDoubt) {
        let applied = matches!(said.outcome, Outcome::Replaced | Outcome::ReplacedBefore);
        assert_eq!(unit.status == UnitStatus::Applied, applied, "{what}: {unit:?}, {said:?}");
    }
    assert!(report.count(Outcome::RolledBack) + report.count(Outcome::InDoubt) <= 1, "{what}");
}

/// Numbers of calls at which something happens: every one, or about `count` with the first and the last.
fn spread(calls: usize, count: usize) -> Vec<usize> {
    let step = if all() { 1 } else { (calls / count.max(1)).max(1) | 1 };
    let mut numbers: Vec<usize> = (0..calls).step_by(step).collect();
    numbers.extend(calls.checked_sub(1));
    numbers.dedup();
    numbers
}

type Ended = Result<RestoreReport, Box<Stopped>>;

fn restore(folder: &Folder, undo: &dyn Device, options: &Options, monitor: &dyn Monitor) -> Ended {
    folder.restore(&folder.volumes(), Some((undo, 0xAA)), options, monitor)
}

/// Lets SQLite's calls of a restore fail from one on, `once` or until the end: those that `may` fail.
/// Gives how often a unit was in doubt.
fn failing_target(bench: &Bench, fault: Fault, once: bool, count: usize, may: fn(&Call) -> bool) -> usize {
    let class = if fault == Fault::Full { Class::Full } else { Class::Failed };
    let counted = bench.with(&bench.start, "counted", |folder| {
        let watch = vfs::watch(&folder.0);
        restore(folder, &folder.undo_device(), &options(), &Silent).unwrap();
        watch.calls().iter().filter(|call| may(call)).count()
    });
    assert!(counted >= count, "{counted}");
    let (mut stopped_early, mut in_run, mut in_doubt) = (0, 0, 0);
    for (number, from) in spread(counted, count).into_iter().enumerate() {
        let what = format!("{fault:?} at {from} of {counted}, once: {once}");
        bench.with(&bench.start, "failing", |folder| {
            let watch = vfs::watch(&folder.0);
            let seen = AtomicUsize::new(0);
            watch.script(move |_, call| {
                let due = may(call) && {
                    let number = seen.fetch_add(1, Ordering::Relaxed);
                    number == from || (!once && number > from)
                };
                if due { Act::Fail(fault) } else { Act::Pass }
            });
            let result = restore(folder, &folder.undo_device(), &options(), &Silent);
            assert!(watch.failed() > 0, "{what}");
            watch.calm();
            match result {
                // What SQLite does when it closes a database may fail: everything is in its log then.
                Ok(report) => assert_eq!(report.count(Outcome::Replaced), UNITS, "{what}"),
                Err(stopped) => {
                    stopped_early += 1;
                    in_run += usize::from(stopped.report.run.is_some());
                    in_doubt += stopped.report.count(Outcome::InDoubt);
                    assert_eq!(stopped.error.class(), class, "{what}: {stopped}");
                    says_which(folder, &stopped.report, &what);
                }
            }
            bench.judge(folder, number, &what);
        });
    }
    assert!(stopped_early * 2 > count && in_run > 0, "{stopped_early} of {count}, {in_run} of them in the run");
    in_doubt
}

#[test]
fn the_database_s_disk_is_full() {
    for journal in [Journal::Delete, Journal::Wal] {
        let bench = Bench::new(journal);
        let in_doubt = failing_target(&bench, Fault::Full, false, 12, |call| call.kind == Kind::Write && call.grows);
        assert_eq!(in_doubt, 0, "{journal:?}: a full disk leaves no doubt");
    }
}

#[test]
fn the_database_s_disk_fails_once() {
    for journal in [Journal::Delete, Journal::Wal] {
        let bench = Bench::new(journal);
        failing_target(&bench, Fault::Io, true, 12, |call| call.kind == Kind::Write);
        failing_target(&bench, Fault::Io, true, 12, |call| call.kind == Kind::Sync);
    }
}

#[test]
fn the_database_s_disk_fails_for_good() {
    for journal in [Journal::Delete, Journal::Wal] {
        let bench = Bench::new(journal);
        assert!(failing_target(&bench, Fault::Io, false, 12, |call| call.kind != Kind::Statement) > 0, "{journal:?}");
    }
}

/// Nothing is touched before the rows that go are safe.
#[test]
fn the_undo_set_cannot_be_written() {
    let bench = Bench::new(Journal::Delete);
    let begin = |folder: &Folder, watch: &Watch| restore(folder, &folder.watched_undo(watch), &options(), &Silent);
    let calls = bench.with(&bench.start, "counted", |folder| {
        let watch = Watch::default();
        begin(folder, &watch).unwrap();
        watch.calls()
    });
    let kinds: BTreeSet<Kind> = calls.iter().map(|call| call.kind).collect();
    assert_eq!(kinds, BTreeSet::from([Kind::Create, Kind::Append, Kind::Finish]));
    for fault in [Fault::Full, Fault::Io] {
        let class = if fault == Fault::Full { Class::Full } else { Class::Failed };
        for (number, call) in calls.iter().enumerate() {
            let what = format!("{fault:?} at {number}: {call:?}");
            bench.with(&bench.start, "failing", |folder| {
                let watch = Watch::default();
                watch.script(move |at, _| if at == number { Act::Fail(fault) } else { Act::Pass });
                let stopped = begin(folder, &watch).unwrap_err();
                assert_eq!(stopped.error.class(), class, "{what}: {stopped}");
                assert!(stopped.report.undo.is_none() && stopped.report.run.is_none(), "{what}");
                assert_eq!(watch.failed(), 1, "{what}");
                says_which(folder, &stopped.report, &what);
                bench.judge(folder, number, &what);
            });
        }
    }
}

#[test]
fn an_undo_fails_and_is_done_again() {
    for journal in [Journal::Delete, Journal::Wal] {
        let bench = Bench::new(journal);
        let counted = bench.with(&bench.done, "counted", |folder| {
            let watch = vfs::watch(&folder.0);
            folder.undo().unwrap();
            watch.calls().iter().filter(|call| call.kind != Kind::Statement).count()
        });
        for (number, from) in spread(counted, 12).into_iter().enumerate() {
            let fault = [Fault::Io, Fault::Full][number % 2];
            let what = format!("{journal:?}: {fault:?} at {from} of {counted}");
            bench.with(&bench.done, "failing", |folder| {
                let watch = vfs::watch(&folder.0);
                let seen = AtomicUsize::new(0);
                watch.script(move |_, call| match call.kind {
                    Kind::Statement => Act::Pass,
                    _ if seen.fetch_add(1, Ordering::Relaxed) >= from => Act::Fail(fault),
                    _ => Act::Pass,
                });
                if let Err(error) = folder.undo() {
                    let class = if fault == Fault::Full { Class::Full } else { Class::Failed };
                    assert_eq!(error.class(), class, "{what}: {error}");
                }
                assert!(watch.failed() > 0, "{what}");
                watch.calm();
                bench.truth.goes_back(folder, number % 3 == 1, &what);
            });
        }
    }
}

/// Does something at a question whether to stop, counted from where rows begin to be replaced: asked before each unit,
/// and after each chunk.
struct Between<F> {
    question: usize,
    /// Only questions before units count: nothing is locked there.
    units_only: bool,
    working: AtomicBool,
    in_unit: AtomicBool,
    seen: AtomicUsize,
    then: F,
}

impl<F: Fn() -> bool + Sync> Monitor for Between<F> {
    fn begin(&self, task: Task, _what: &str, _rows: u64) {
        self.working.fetch_or(task == Task::Restore, Ordering::Relaxed);
    }

    fn advance(&self, task: Task, _rows: u64, _bytes: u64) {
        self.in_unit.fetch_or(task == Task::Restore, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        let in_unit = self.in_unit.swap(false, Ordering::Relaxed);
        self.working.load(Ordering::Relaxed)
            && !(in_unit && self.units_only)
            && self.seen.fetch_add(1, Ordering::Relaxed) == self.question
            && (self.then)()
    }
}

/// At any question. `then` says whether to stop.
fn at_question<F: Fn() -> bool + Sync>(question: usize, then: F) -> Between<F> {
    let (working, in_unit) = (AtomicBool::new(false), AtomicBool::new(false));
    Between { question, units_only: false, working, in_unit, seen: AtomicUsize::new(0), then }
}

/// Before a unit, by its number from 0. `then` says whether to stop.
fn before_unit<F: Fn() -> bool + Sync>(unit: usize, then: F) -> Between<F> {
    Between { units_only: true, ..at_question(unit, then) }
}

/// Asks for every question how a restore ends if `then` happens there.
fn at_every_question(
    bench: &Bench,
    volumes: &dyn Fn(&Folder) -> FaultDevice<MemoryDevice>,
    then: &(dyn Fn(&Folder, &FaultDevice<MemoryDevice>) + Sync),
    judge: &dyn Fn(&Folder, Ended, &str) -> bool,
) {
    let count = bench.with(&bench.start, "counted", |folder| {
        let monitor = at_question(usize::MAX, || false);
        folder.restore(&volumes(folder), None, &options(), &monitor).unwrap();
        monitor.seen.into_inner()
    });
    assert!(count >= UNITS);
    let mut stopped = 0;
    for question in 0..count {
        bench.with(&bench.start, "disturbed", |folder| {
            let device = volumes(folder);
            let monitor = at_question(question, || {
                then(folder, &device);
                false
            });
            let result = folder.restore(&device, None, &options(), &monitor);
            stopped += usize::from(judge(folder, result, &format!("at question {question} of {count}")));
        });
    }
    assert!(stopped > count / 2, "{stopped} of {count}");
}

/// The volumes in memory, so that they can vanish and change.
fn in_memory(device: &dyn Device) -> FaultDevice<MemoryDevice> {
    let memory = MemoryDevice::new();
    for name in device.list().unwrap() {
        let source = device.open(&name).unwrap();
        let mut bytes = vec![0; source.len() as usize];
        source.read_at(0, &mut bytes).unwrap();
        memory.insert(&name, bytes);
    }
    FaultDevice::new(memory, 1)
}

/// No read succeeds any more.
fn pull(device: &FaultDevice<MemoryDevice>) {
    (0..1_000).for_each(|passes| device.fail_nth(Op::Read, passes, fault::Fault::Io));
}

/// A bit in the middle of each block of rows.
fn bits(device: &dyn Device) -> Vec<(String, u64)> {
    let set = only_set(device);
    let chunks = set.sections().iter().flat_map(|section| &section.chunks);
    let bit = |chunk: &ChunkRef| {
        let entry = &chunk.entry;
        (set.copies(entry.volume).remove(0), (entry.offset + u64::from(entry.bytes) / 2) * 8)
    };
    chunks.map(bit).collect()
}

/// The run ended with some units old and the others new, and goes on with the volumes that are in the folder.
fn ended_between_units(bench: &Bench, folder: &Folder, stopped: &Stopped, what: &str) {
    says_which(folder, &stopped.report, what);
    assert_eq!(stopped.report.count(Outcome::RolledBack), 1, "{what}");
    folder.resume().unwrap();
    assert_eq!(folder.keyed(), bench.truth.after, "{what}");
}

#[test]
fn a_volume_is_pulled_away_while_it_is_read() {
    let bench = Bench::new(Journal::Wal);
    let gone = |_: &Folder, device: &FaultDevice<MemoryDevice>| pull(device);
    at_every_question(&bench, &|folder| in_memory(&folder.volumes()), &gone, &|folder, result, what| {
        let Err(stopped) = result else { return false };
        assert_eq!(stopped.error.class(), Class::Failed, "{what}: {stopped}");
        ended_between_units(&bench, folder, &stopped, what);
        true
    });
}

#[test]
fn a_single_read_fails() {
    let bench = Bench::new(Journal::Wal);
    let run = |folder: &Folder, fail: Option<usize>| {
        let device = in_memory(&folder.volumes());
        let store = folder.store();
        let set = only_set(&device);
        device.clear_log();
        if let Some(passes) = fail {
            device.fail_nth(Op::Read, passes, fault::Fault::Io);
        }
        let restore = Restore::new(&set, &store, options()).remembering(0);
        let plan = restore.plan();
        let planned = device.count(Op::Read);
        let keep = Keep { device: &folder.undo_device(), set: set_id(0xAA) };
        let result = plan.map(|plan| {
            assert!(plan.refusals.is_empty() || fail.is_some_and(|fail| fail < planned), "{:?}", plan.refusals);
            restore.apply(&plan, Some(keep))
        });
        (planned, device.count(Op::Read), result)
    };
    let (planned, reads, _) = bench.with(&bench.start, "counted", |folder| run(folder, None));
    assert!(planned >= 3 && reads >= planned + UNITS, "{planned} {reads}");
    for number in 0..reads {
        let what = format!("read {number} of {reads}, {planned} of them for the plan");
        bench.with(&bench.start, "failing", |folder| {
            match run(folder, Some(number)).2 {
                Err(error) => assert!(number < planned, "{what}: {error}"),
                Ok(Err(stopped)) => {
                    says_which(folder, &stopped.report, &what);
                    assert_eq!(stopped.report.run.is_none(), number < planned, "{what}: {stopped}");
                }
                // What says nothing of rows, such as the mark at a volume's end, may be missed.
                Ok(Ok(_)) => assert!(number < planned && folder.keyed() == bench.truth.after, "{what}"),
            }
            bench.judge(folder, number, &what);
        });
    }
}

#[test]
fn a_volume_changes_after_the_plan() {
    let bench = Bench::new(Journal::Delete);
    let bits = bits(&bench.start.volumes());
    assert!(bits.len() >= 3);
    let flip = |_: &Folder, device: &FaultDevice<MemoryDevice>| {
        bits.iter().for_each(|(name, bit)| device.flip(name, *bit));
    };
    at_every_question(&bench, &|folder| in_memory(&folder.volumes()), &flip, &|folder, result, what| {
        let Err(stopped) = result else { return false };
        assert_eq!(stopped.error.class(), Class::Damage, "{what}: {stopped}");
        ended_between_units(&bench, folder, &stopped, what);
        true
    });
}

/// What the plan has read and verified is not asked of the volumes again.
#[test]
fn a_volume_that_goes_after_the_plan_is_not_missed_if_all_of_it_is_remembered() {
    let bench = Bench::new(Journal::Delete);
    let bits = bits(&bench.start.volumes());
    for changed in [false, true] {
        bench.with(&bench.start, "pulled", |folder| {
            let device = in_memory(&folder.volumes());
            let (store, set) = (folder.store(), only_set(&device));
            let restore = Restore::new(&set, &store, options());
            let plan = restore.plan().unwrap();
            match changed {
                true => bits.iter().for_each(|(name, bit)| device.flip(name, *bit)),
                false => pull(&device),
            }
            restore.apply(&plan, None).unwrap();
            assert_eq!(folder.keyed(), bench.truth.after);
            // A new plan looks at the volumes again.
            assert!(restore.plan().is_err() || !restore.plan().unwrap().refusals.is_empty());
        });
    }
}

/// The rows that were saved cannot be read, or are not those, or somebody asks to stop: whole units are put back, and the
/// rest follows with the set as it was.
#[test]
fn the_undo_set_fails_while_it_is_read() {
    let bench = Bench::new(Journal::Wal);
    let bits = bits(&bench.done.undo_device());
    assert!(bits.len() >= 3);
    let flip = |device: &FaultDevice<MemoryDevice>| bits.iter().for_each(|(name, bit)| device.flip(name, *bit));
    let stop = |_: &FaultDevice<MemoryDevice>| {};
    type Break<'a> = &'a (dyn Fn(&FaultDevice<MemoryDevice>) + Sync);
    let faults: [(Break<'_>, Class); 3] = [(&pull, Class::Failed), (&flip, Class::Damage), (&stop, Class::Failed)];
    for unit in 0..UNITS {
        for (fault, (happens, class)) in faults.iter().enumerate() {
            let what = format!("fault {fault} before unit {unit}");
            bench.with(&bench.done, "failing", |folder| {
                let device = in_memory(&folder.undo_device());
                let then = || {
                    happens(&device);
                    fault == 2
                };
                let monitor = Between { working: AtomicBool::new(true), ..at_question(unit, then) };
                let error = folder.undo_from(&device, &monitor).unwrap_err();
                assert_eq!(error.class(), *class, "{what}: {error}");
                assert_eq!(folder.applied(), UNITS - unit, "{what}: {error}");
                bench.truth.goes_back(folder, unit % 2 == 1, &what);
            });
        }
    }
}

/// Rows that somebody writes into ranges that are still to be replaced are not deleted, neither by the run nor by its
/// resume, and an undo of what was done leaves them as they are.
#[test]
fn the_target_changes_after_the_plan() {
    const CHANGE: &str =
        "UPDATE hsplit SET acdcalls = 4711 WHERE row_date = '2024-03-08' AND starttime = 1200 AND acd = 2;
        INSERT INTO hsplit VALUES ('2024-03-08', 1200, 30, 2, 1, 4712, 'late')";
    let bench = Bench::new(Journal::Wal);
    let monitor = |folder: &Folder| {
        let folder = folder.clone();
        move || {
            folder.run(CHANGE);
            false
        }
    };
    for unit in [0, 3, 7, 10] {
        bench.with(&bench.start, "changed", |folder| {
            let undo = folder.undo_device();
            let disturbed = before_unit(unit, monitor(folder));
            let stopped = restore(folder, &undo, &options(), &disturbed).unwrap_err();
            let what = format!("before unit {unit}");
            assert_eq!(stopped.error.class(), Class::NotRestorable, "{what}: {stopped}");
            assert!(stopped.error.to_string().contains("have changed since"), "{what}: {stopped}");
            says_which(folder, &stopped.report, &what);
            let again = folder.resume().unwrap_err();
            assert_eq!(again.error.class(), Class::NotRestorable, "{what}: {again}");
            assert_eq!(again.report.count(Outcome::Replaced), 0, "{what}");
            assert_eq!(folder.count("SELECT count(*) FROM hsplit WHERE acdcalls IN (4711, 4712)"), 2, "{what}");
            folder.undo().unwrap();
            let expected = bench.with(&bench.start, "expected", |folder| {
                folder.run(CHANGE);
                folder.contents()
            });
            assert_eq!(folder.contents(), expected, "{what}");
        });
    }
}

/// The clock of this machine decides nothing.
#[test]
fn the_clock_is_set_back() {
    let bench = Bench::new(Journal::Delete);
    for (now, now_unix) in
        [(at("1999-12-31 23:00"), -1), (at("1970-01-01 00:00"), i64::from(i32::MIN)), (Instant(0), 0)]
    {
        bench.with(&bench.start, "early", |folder| {
            let early = Options { now, now_unix, ..options() };
            let stopped = restore(folder, &folder.undo_device(), &early, &before_unit(7, || true)).unwrap_err();
            assert!(stopped.report.count(Outcome::Replaced) > 0 && stopped.report.count(Outcome::NotBegun) > 0);
            bench.judge(folder, 0, &format!("now {now:?}"));
        });
        bench.with(&bench.start, "whole", |folder| {
            restore(folder, &folder.undo_device(), &Options { now, now_unix, ..options() }, &Silent).unwrap();
            assert_eq!(folder.keyed(), bench.truth.after);
            assert_eq!(folder.status(), Some(RunStatus::Finished));
            bench.judge(folder, 1, &format!("now {now:?}"));
        });
    }
}

/// Asks to stop once so many questions were asked.
struct StopAfter(AtomicUsize);

impl Monitor for StopAfter {
    fn cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn somebody_asks_to_stop() {
    for journal in [Journal::Delete, Journal::Wal] {
        let bench = Bench::new(journal);
        let count = bench.with(&bench.start, "counted", |folder| {
            let monitor = StopAfter(AtomicUsize::new(100_000));
            restore(folder, &folder.undo_device(), &options(), &monitor).unwrap();
            100_000 - monitor.0.into_inner()
        });
        assert!(count > UNITS);
        let (mut saving, mut replacing) = (0, 0);
        for (number, questions) in spread(count, 15).into_iter().enumerate() {
            let what = format!("{journal:?}: after {questions} of {count} questions");
            bench.with(&bench.start, "stopped", |folder| {
                let monitor = StopAfter(AtomicUsize::new(questions));
                let stopped = restore(folder, &folder.undo_device(), &options(), &monitor).unwrap_err();
                assert_eq!(stopped.error.to_string(), "stopped as asked", "{what}");
                // A set that is not finished keeps the names of its volumes for itself.
                let begun = !folder.undo_device().list().unwrap().is_empty();
                saving += usize::from(begun && stopped.report.undo.is_none());
                replacing += usize::from(stopped.report.run.is_some());
                says_which(folder, &stopped.report, &what);
                bench.judge(folder, number, &what);
            });
        }
        assert!(saving > 0 && replacing > 0, "{journal:?}: {saving} while rows were saved, {replacing} in the run");
    }
}

/// Another writer has the database: the restore waits some seconds for it, no longer, and then goes on or says so.
#[test]
fn another_writer_has_the_database() {
    let bench = Bench::new(Journal::Wal);
    // Locks in the middle of the run, gives back after some time.
    let run = |folder: &Folder, hold: Duration| {
        let path = folder.database();
        let lock = move || {
            let writer = rusqlite::Connection::open(&path).unwrap();
            writer.execute_batch("BEGIN IMMEDIATE").unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(hold);
                drop(writer);
            });
            false
        };
        restore(folder, &folder.undo_device(), &options(), &before_unit(7, lock))
    };
    bench.with(&bench.start, "waits", |folder| {
        run(folder, Duration::from_millis(500)).unwrap();
        assert_eq!(folder.keyed(), bench.truth.after);
    });
    bench.with(&bench.start, "gives up", |folder| {
        let began = std::time::Instant::now();
        let stopped = run(folder, Duration::from_secs(9)).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
        assert_eq!(stopped.error.class(), Class::Busy, "{stopped}");
        says_which(folder, &stopped.report, "locked");
        assert!(stopped.report.count(Outcome::Replaced) > 0 && stopped.report.count(Outcome::NotBegun) > 0);
        bench.judge(folder, 0, "locked");
    });
}

/// One restore at a time: the second is told whose the lock is, and changes nothing.
#[test]
fn another_restore_is_at_work() {
    let bench = Bench::new(Journal::Delete);
    bench.with(&bench.done, "locked", |folder| {
        let store = folder.store();
        let lock = store.lock().unwrap();
        let state = folder.everything();
        let stopped = folder.restore(&folder.volumes(), None, &options(), &Silent).unwrap_err();
        assert_eq!(stopped.error.class(), Class::Busy, "{stopped}");
        assert_eq!(folder.undo().unwrap_err().class(), Class::Busy);
        assert_eq!(folder.everything(), state);
        drop(lock);
        folder.undo().unwrap();
    });
}
