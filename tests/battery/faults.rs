//! A fault at each operation of a device, one after the other, while a backup writes and reads back, a check or a restore reads:
//! no room, a medium that fails, a call that a signal interrupts, and reads, writes and syncs that do a part and say that it is
//! all. What comes of it is an error, or all of what was asked for; never a set that counts as finished and is not.

use super::support::{Centre, DSPLIT, HSPLIT, SYNONYMS, backup_onto, backup_options, later, set_id};
use super::tiers::{apart, long};
use intervault::backup::{Options as BackupOptions, ReadBack};
use intervault::base::monitor::Silent;
use intervault::device::memory::MemoryDevice;
use intervault::device::name::finished_name;
use intervault::device::pipe::PipeDevice;
use intervault::device::traits::Device;
use intervault::error::{Class, Error};
use intervault::restore::{Options, Restore};
use intervault::testing::fault::{Fault, FaultDevice, LogEntry, Op};
use intervault::testing::fixtures::small;
use intervault::testing::whole::Whole;
use intervault::verify::Depth;
use intervault::verify::part::{Choice, Subset};
use intervault::verify::set::{Asked, Verified, verify};
use intervault::volume::set::{find_set, list_sets};
use std::io::Write;
use std::sync::{Arc, Mutex};

type Faulty = FaultDevice<MemoryDevice>;

/// Two days of rows of two ACDs, a table by day and one without time.
const FILL: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
    INSERT INTO hsplit SELECT printf('2024-03-%02d', i / 100 + 1), 800 + i % 10 / 2 * 100 + i % 2 * 30, 30, i % 20 / 10 + 1, 1,
      i * 7919 % 10007, printf('%d', i * 104729 % 99991) FROM n;
    INSERT INTO dsplit SELECT row_date, acd, 1, sum(acdcalls) FROM hsplit GROUP BY row_date, acd;
    INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (2, 'split', 'two', '2', '');";
const TABLES: [&str; 3] = ["hsplit", "dsplit", "synonyms"];

fn centre() -> Centre {
    Centre::new(&[HSPLIT, DSPLIT, SYNONYMS, FILL])
}

fn rows(centre: &Centre) -> Vec<Vec<String>> {
    TABLES.iter().map(|table| centre.rows(table)).collect()
}

/// A backup on small volumes by one thread, whose operations come in the same order each time.
fn options(number: u8) -> BackupOptions {
    BackupOptions { jobs: 1, volume_size: Some(6_000), ..backup_options(number) }
}

fn faulty(volumes: &MemoryDevice, fault: Option<(usize, Fault)>) -> Faulty {
    let device = FaultDevice::new(volumes.copy(), 7);
    if let Some((number, fault)) = fault {
        device.fail_at(number, fault);
    }
    device
}

const fn writes(op: Op) -> bool {
    matches!(op, Op::Create | Op::Append | Op::Sync | Op::Finish)
}

/// Every volume that has its name is byte for byte that of the undisturbed run.
fn finished_are_right(device: &MemoryDevice, right: &MemoryDevice, what: &str) {
    for name in device.list().unwrap().iter().filter(|name| finished_name(name).is_none()) {
        assert!(device.bytes(name) == right.bytes(name), "{what}: {name} is not what was to be written");
    }
}

/// What a backup owes whatever its device did: done and right, or an error and nothing that counts as finished.
fn backup_owes(ended: Result<(), Error>, device: &Faulty, failed: &LogEntry, fault: Fault, right: &MemoryDevice) {
    let what = format!("{fault:?} at {failed:?}");
    let log = device.log();
    let number = log.iter().position(|entry| entry.failed).unwrap();
    // A sync that lies cannot be told from one that does not, as long as the power stays on.
    let lie = fault == Fault::Short;
    if !lie {
        finished_are_right(device.inner(), right, &what);
    }
    match ended {
        Ok(()) => {
            assert!(
                !writes(failed.op) || (lie && failed.op != Op::Append),
                "{what}: it was not done, and nobody says so"
            );
            assert_eq!(device.inner().list().unwrap(), right.list().unwrap(), "{what}");
            finished_are_right(device.inner(), right, &what);
        }
        Err(error) => {
            let sets = list_sets(device.inner()).unwrap().sets;
            assert!(sets.iter().all(|set| !set.is_complete()), "{what}: {error}: a set counts as finished");
            assert!(lie || log[number + 1..].iter().all(|entry| !writes(entry.op)), "{what}: written on: {log:?}");
            let class = if fault == Fault::Full && writes(failed.op) { Some(Class::Full) } else { None };
            assert!(class.is_none_or(|class| error.class() == class), "{what}: {error}");
        }
    }
}

#[test]
fn a_backup_whose_device_fails_at_any_operation_is_done_or_no_set() {
    let centre = centre();
    let right = faulty(&MemoryDevice::new(), None);
    backup_onto(&centre, &right, &options(1)).unwrap();
    let log = right.log();
    let kinds = [Op::List, Op::Open, Op::Read, Op::Create, Op::Append, Op::Sync, Op::Finish];
    assert!(kinds.iter().all(|kind| right.count(*kind) > 0) && right.count(Op::Finish) > 2, "{log:?}");
    for (number, entry) in log.iter().enumerate() {
        // In the short tier two of the four, each time the other two.
        let faults = [Fault::Io, Fault::Full, Fault::Interrupted, Fault::Short];
        for fault in faults.into_iter().skip(if long() { 0 } else { number % 2 }).step_by(apart(2)) {
            let device = faulty(&MemoryDevice::new(), Some((number, fault)));
            let ended = backup_onto(&centre, &device, &options(1));
            assert_eq!(device.log().iter().filter(|entry| entry.failed).count(), 1);
            backup_owes(ended.map(|_| ()), &device, entry, fault, right.inner());
            if number.is_multiple_of(apart(7)) {
                // The next backup onto the same device is done, whatever the one before left there.
                backup_onto(&centre, &device, &options(2))
                    .unwrap_or_else(|error| panic!("{number} {fault:?}: {error}"));
                assert!(find_set(device.inner(), set_id(2)).unwrap().unwrap().is_complete());
            }
        }
    }
}

/// As the medium is where the power goes at any operation of a whole backup: of what was not synced some pages are there, others
/// are zero. Nothing but a finished set counts as one, and the next backup is done.
#[test]
fn a_power_cut_at_any_write_of_a_backup_leaves_no_set_and_one_behind_the_last_a_whole_one() {
    let centre = centre();
    let right = faulty(&MemoryDevice::new(), None);
    backup_onto(&centre, &right, &options(1)).unwrap();
    let complete = |image: &MemoryDevice| find_set(image, set_id(1)).unwrap().is_some_and(|set| set.is_complete());
    assert!(complete(&right.power_cut(0)));
    let mut begun = 0;
    // Nothing is written behind a write that fails: what is there then is what the power leaves.
    for (number, entry) in right.log().iter().enumerate().filter(|(_, entry)| writes(entry.op)) {
        let device = faulty(&MemoryDevice::new(), Some((number, Fault::Io)));
        // What it says is nobody's business any more.
        let _ = backup_onto(&centre, &device, &options(1));
        for seed in (0..4).skip(if long() { 0 } else { number % 4 }).step_by(apart(4)) {
            let (image, what) = (device.power_cut(seed), format!("{entry:?}, {seed}"));
            finished_are_right(&image, right.inner(), &what);
            assert!(!complete(&image), "{what}: a set counts as finished");
            begun += usize::from(!image.list().unwrap().is_empty());
            if number.is_multiple_of(apart(7)) {
                backup_onto(&centre, &image, &options(2)).unwrap_or_else(|error| panic!("{what}: {error}"));
                let next = find_set(&image, set_id(2)).unwrap().unwrap();
                assert!(
                    next.is_complete() && verify(&next, &Asked::default(), 1, &Silent).findings.is_empty(),
                    "{what}"
                );
            }
        }
    }
    assert!(begun > 20, "{begun} begun");
}

/// Without the reading back nothing but what calls say is known of what was written; what a call did not do, a check finds.
#[test]
fn a_write_that_did_a_part_and_said_all_is_found_by_the_check_where_nothing_is_read_back() {
    let centre = centre();
    let options = BackupOptions { read_back: ReadBack::Skip, ..options(1) };
    let right = faulty(&MemoryDevice::new(), None);
    backup_onto(&centre, &right, &options).unwrap();
    assert!(right.count(Op::Read) == 0 && right.count(Op::Append) > 20);
    for number in 0..right.count(Op::Append) {
        let device = FaultDevice::new(MemoryDevice::new(), number as u64);
        device.fail_nth(Op::Append, number, Fault::Short);
        backup_onto(&centre, &device, &options).unwrap();
        let listing = list_sets(device.inner()).unwrap();
        let told = |set: &_| !verify(set, &Asked::default(), 1, &Silent).findings.is_empty();
        assert!(!listing.unreadable.is_empty() || listing.sets.iter().any(told), "append {number}");
    }
}

/// All of a set is verified, or something is said against it.
fn check_owes(whole: &Whole, verified: &Verified, what: &str) {
    if verified.findings.is_empty() {
        let unread = verified.chosen.is_some_and(|chosen| chosen.read < chosen.blocks);
        assert!(verified.is_whole() && !unread, "{what}: {verified:?}");
        assert!(verified.rows == whole.rows && verified.chunks == whole.chunks.len() as u64, "{what}: {verified:?}");
    }
}

#[test]
fn a_check_whose_device_fails_at_any_operation_reads_all_or_says_what_not() {
    let whole = Whole::new(small(Some(16 << 10)));
    let never = |_: &_| Vec::new();
    let part = Choice { sample: None, subset: Some(Subset { part: 1, of: 1 }), proven: &never };
    let asked = [
        Asked::default(),
        Asked { choice: Some(part), ..Asked::default() },
        Asked { depth: Depth::Index, ..Asked::default() },
    ];
    for asked in &asked {
        // None where the device cannot even be listed, or lists no set.
        let checked = |device: &Faulty| {
            let listing = list_sets(device).ok()?;
            let told = !listing.unreadable.is_empty();
            let verified = listing.sets.first().map(|set| verify(set, asked, 1, &Silent));
            assert!(verified.is_some() || told, "the set is gone in silence");
            verified.filter(|_| !told)
        };
        let right = faulty(&whole.fixture.device(), None);
        let undisturbed = checked(&right).unwrap();
        assert_eq!(undisturbed.findings, []);
        let (log, mut told) = (right.log(), 0);
        for (number, entry) in log.iter().enumerate() {
            for fault in [Fault::Io, Fault::Interrupted, Fault::Short] {
                let device = faulty(&whole.fixture.device(), Some((number, fault)));
                let verified = checked(&device);
                let said = verified.as_ref().is_none_or(|verified| !verified.findings.is_empty());
                told += usize::from(said);
                let (Some(verified), what) = (verified, format!("{fault:?} at {entry:?}")) else { continue };
                match asked.depth {
                    Depth::Rows => check_owes(&whole, &verified, &what),
                    // What volumes say of themselves was read of each, and as much of it as where nothing fails.
                    _ => assert!(said || verified == undisturbed, "{what}: {verified:?}, not {undisturbed:?}"),
                }
            }
        }
        // Much is read again, or in another way, and costs nothing then.
        assert!(told >= 10, "{told} faults of {} operations were told", log.len());
    }
}

/// How many rows are not among those written, or more often.
fn strange(found: &[String], written: &[String]) -> usize {
    let mut rest = written.to_vec();
    let mut count = 0;
    for row in found {
        match rest.iter().position(|other| other == row) {
            Some(at) => drop(rest.swap_remove(at)),
            None => count += 1,
        }
    }
    count
}

#[test]
fn a_restore_whose_device_fails_at_any_operation_is_done_or_can_be_done_again() {
    let (good, device) = (centre(), MemoryDevice::new());
    backup_onto(&good, &device, &options(1)).unwrap();
    let written = rows(&good);
    let options = Options { jobs: 1, ..Options::new(later(), later().0) };
    let restore = |centre: &Centre, device: &Faulty| -> Result<(), String> {
        let set = find_set(device, set_id(1)).map_err(|error| error.to_string())?;
        let set = set.ok_or_else(|| "no such set".to_owned())?;
        let store = centre.store();
        let restore = Restore::new(&set, &store, options.clone());
        let plan = restore.plan().map_err(|error| error.to_string())?;
        restore.apply(&plan, None).map(|_| ()).map_err(|stopped| stopped.error.to_string())
    };
    let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    let empty = std::fs::read(target.path()).unwrap();
    let fresh = || std::fs::write(target.path(), &empty).unwrap();
    let right = faulty(&device, None);
    restore(&target, &right).unwrap();
    assert_eq!(rows(&target), written);
    let (log, mut failed) = (right.log(), 0);
    for (number, entry) in log.iter().enumerate() {
        for fault in [Fault::Io, Fault::Interrupted, Fault::Short] {
            let what = format!("{fault:?} at {entry:?}");
            fresh();
            match restore(&target, &faulty(&device, Some((number, fault)))) {
                Ok(()) => assert_eq!(rows(&target), written, "{what}"),
                Err(error) => {
                    failed += 1;
                    let found = rows(&target);
                    let strange: usize = found.iter().zip(&written).map(|(found, all)| strange(found, all)).sum();
                    assert_eq!(strange, 0, "{what}: {error}: rows that were never written");
                    restore(&target, &faulty(&device, None)).unwrap_or_else(|error| panic!("{what}, again: {error}"));
                    assert_eq!(rows(&target), written, "{what}, again");
                }
            }
        }
    }
    assert!(failed > log.len() / 2, "{failed} restores failed at {} operations", log.len());
}

/// Takes few bytes at a time, and is interrupted between them.
#[derive(Clone, Default)]
struct Hurried {
    calls: usize,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Write for Hurried {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let taken = bytes.len().min(self.calls * 31 % 97 + 1);
        self.taken.lock().unwrap().extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_that_takes_few_bytes_at_a_time_gets_all_of_them() {
    let (centre, right) = (centre(), MemoryDevice::new());
    backup_onto(&centre, &right, &options(1)).unwrap();
    let hurried = Hurried::default();
    backup_onto(&centre, &PipeDevice::new("a pipe", Box::new(hurried.clone())), &options(1)).unwrap();
    let volumes: Vec<u8> = right.list().unwrap().iter().flat_map(|name| right.bytes(name).unwrap()).collect();
    assert!(*hurried.taken.lock().unwrap() == volumes, "other bytes came through the pipe");
}
