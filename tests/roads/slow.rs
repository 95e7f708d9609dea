//! Devices that answer slowly: a check tells how far it is, ends between two reads when its time is over or somebody asks, leaves
//! nothing untold, and remembers what it proved. Reads are counted, not timed.

use super::commands::{intervault, json};
use super::site::{Site, volumes};
use super::support::{Centre, HSPLIT, backup_options, backup_with, only_set};
use intervault::backup;
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::testing::fault::{FaultDevice, Op};
use intervault::verify::part::{Choice, VolumeId};
use intervault::verify::set::{Asked, Verified, verify};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Slow = FaultDevice<MemoryDevice>;

/// All the time there is: so many reads. Counts the bytes of which it is told.
struct Patience<'d> {
    device: &'d Slow,
    reads: usize,
    told: AtomicU64,
}

impl Monitor for Patience<'_> {
    fn advance(&self, _task: Task, _rows: u64, bytes: u64) {
        self.told.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.device.count(Op::Read) >= self.reads
    }
}

fn slow() -> Slow {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999) INSERT INTO hsplit \
         SELECT '2024-03-' || printf('%02d', 1 + i / 150), i / 6 % 24 * 100 + i / 3 % 2 * 30, 30, 1, i % 3, \
         (i * 7919) % 99991, hex((i * 104729) % 65521) FROM n",
    );
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(4_500), ..backup_options(1) });
    assert!(device.list().unwrap().len() >= 8);
    FaultDevice::new(device, 1)
}

/// Verifies within so many reads: what came of it, bytes of which was told, reads.
fn within(device: &Slow, asked: &Asked<'_>, jobs: usize, reads: usize) -> (Verified, u64, usize) {
    let set = only_set(device);
    device.clear_log();
    let patience = Patience { device, reads, told: AtomicU64::new(0) };
    let verified = verify(&set, asked, jobs, &patience);
    (verified, patience.told.into_inner(), device.count(Op::Read))
}

/// Reads that may follow: what the threads have begun, and label, catalog, index and end mark of a volume, in their parts.
const fn behind(jobs: usize) -> usize {
    4 * jobs + 40
}

#[test]
fn a_check_whose_time_is_over_ends_after_a_few_reads_and_what_it_proved_is_left_out_the_next_time() {
    let device = slow();
    let never = |_: &VolumeId| Vec::new();
    for (jobs, part) in [(1, false), (4, false), (1, true), (4, true)] {
        let choice = Choice { sample: None, subset: None, proven: &never };
        let asked = Asked { choice: part.then_some(choice), ..Asked::default() };
        let (all, told, reads) = within(&device, &asked, jobs, usize::MAX);
        assert!(all.findings.is_empty() && all.is_whole() && !all.stopped && told > 0, "{all:?}");
        assert!(reads > 2 * behind(jobs), "{reads} reads");
        let mut stopped = 0;
        for wanted in (1..reads).step_by(9) {
            let what = format!("{wanted} of {reads} reads, {jobs} threads, part: {part}");
            let (verified, told, done) = within(&device, &asked, jobs, wanted);
            assert!(done <= wanted + behind(jobs), "{what}: {done} reads");
            assert_eq!(verified.findings, [], "{what}: time that is over is no damage");
            assert!(verified.stopped || verified.is_whole(), "{what}: {verified:?}");
            assert!(told <= verified.bytes() && (told > 0 || wanted < behind(jobs)), "{what}: {told} bytes told");
            stopped += usize::from(verified.stopped);
            if part {
                let proven = |id: &VolumeId| {
                    let same = verified.proven.iter().filter(|proven| proven.volume == *id);
                    same.flat_map(|proven| proven.blocks.clone()).collect()
                };
                let choice = Choice { sample: None, subset: None, proven: &proven };
                let (rest, ..) = within(&device, &Asked { choice: Some(choice), ..asked }, jobs, usize::MAX);
                let (first, second) = (verified.chosen.unwrap(), rest.chosen.unwrap());
                assert_eq!(first.read + second.read, all.chosen.unwrap().blocks, "{what}");
                assert_eq!(
                    (rest.findings.len(), rest.stopped, verified.rows + rest.rows),
                    (0, false, all.rows),
                    "{what}"
                );
            }
        }
        assert!(stopped > reads / 20, "{stopped} of {reads}");
    }
}

/// Damage may be as long as a volume: the search for what follows it ends too, and tells how far it is.
#[test]
fn a_check_whose_time_is_over_in_a_long_damage_ends_there() {
    let whole = slow();
    let name = whole.inner().list().unwrap().remove(1);
    let bytes = whole.inner().bytes(&name).unwrap();
    let noise = vec![0xA5; 12 << 20];
    let middle = bytes.len() / 2 / 64 * 64;
    let torn = whole.inner().copy();
    torn.insert(&name, [&bytes[..middle], &noise, &bytes[middle..]].concat());
    let device = FaultDevice::new(torn, 1);
    let never = |_: &VolumeId| Vec::new();
    let choice = Choice { sample: None, subset: None, proven: &never };
    for choice in [None, Some(choice)] {
        let asked = Asked { choice, ..Asked::default() };
        let (all, told, reads) = within(&device, &asked, 1, usize::MAX);
        let listed: u64 = all.chosen.map_or(0, |_| told);
        assert!(all.is_whole() && reads > 180 && (told == all.bytes() || listed > 12 << 20), "{told} {all:?}");
        let reads: Vec<_> = device.log().into_iter().filter(|entry| entry.op == Op::Read).collect();
        let noise = middle as u64 + (6 << 20)..middle as u64 + (7 << 20);
        let inside = reads.iter().position(|read| read.name == name && noise.contains(&read.at)).unwrap();
        let (some, told, done) = within(&device, &asked, 1, inside);
        assert!(some.stopped && done <= inside + behind(1), "{done} reads, {inside} wanted: {some:?}");
        assert!(told > 4 << 20 && told < 9 << 20, "{told} bytes told");
        assert!(some.bytes() < all.bytes() - (6 << 20), "what was not searched to its end is not judged");
    }
    let (healed, ..) = within(&device, &Asked::default(), 1, usize::MAX);
    assert!(healed == verify(&only_set(&device), &Asked::default(), 1, &Silent));
}

/// What a process has read so far, in bytes.
fn read_by(child: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{child}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

#[test]
fn ctrl_c_in_a_check_ends_it_with_what_was_proved_told_and_remembered() {
    let site = Site::new();
    site.case.centre.run(
        "CREATE TABLE notes (n INTEGER, what TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
         WHERE i < 60000) INSERT INTO notes SELECT i, hex(randomblob(24)) FROM n",
    );
    let state = site.text("state");
    for round in 0..6 {
        let to = format!("to{round}");
        site.backup(&to, &["--no-verify", "--volume-size", "256KiB"], 0);
        let total: u64 = volumes(&site.path(&to)).iter().map(|path| path.metadata().unwrap().len()).sum();
        let mut child = Command::new("env")
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_intervault"), "check", &site.text(&to), "--json"])
            .args(["--verify", "--since-last", "--jobs", "1", "--state-dir", &state])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let patience = Instant::now();
        while read_by(child.id()).is_some_and(|read| read < total / 2) && child.try_wait().unwrap().is_none() {
            assert!(patience.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            // Done before the signal came: the next one has twice as much.
            site.case.centre.run("INSERT INTO notes SELECT n, what FROM notes");
            continue;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.signal(), Some(2), "{said}");
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let verified = &answer["sets"][0]["verified"];
        assert_eq!((&verified["stopped"], &verified["whole"]), (&true.into(), &false.into()), "{verified}");
        assert_eq!((verified["findings"].as_array().map(Vec::len), &answer["exit"]), (Some(0), &1.into()), "{answer}");
        assert_eq!(site.json(&["log"], 0)["runs"].as_array().unwrap().last().unwrap()["state"], "interrupted");
        let rest = json(&["check", &site.text(&to), "--verify", "--since-last", "--state-dir", &state], 0);
        let rest = &rest["sets"][0]["verified"];
        let number = |value: &serde_json::Value, name: &str| value["part"][name].as_u64().unwrap();
        let read = number(verified, "read");
        assert!(read > 0 && number(rest, "proved_before") == read, "{verified} {rest}");
        assert_eq!(read + number(rest, "read"), number(rest, "of"), "{verified} {rest}");
        return;
    }
    panic!("no check could be interrupted");
}

/// Volumes that come slowly through a pipe are waited for until somebody ends that; nothing stays behind.
#[test]
fn ctrl_c_while_volumes_come_through_a_pipe_ends_at_once() {
    let site = Site::new();
    site.backup("v", &[], 0);
    let volume = std::fs::read(&volumes(&site.path("v"))[0]).unwrap();
    let bytes = volume.repeat((1 << 20) / volume.len() + 1);
    let spool = site.path("spool");
    std::fs::create_dir(&spool).unwrap();
    let mut child = Command::new("env")
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_intervault"), "check", "-", "--verify", "--json"])
        .env("TMPDIR", &spool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // Much more than a pipe holds: all but that was taken by then.
    std::io::Write::write_all(&mut pipe, &bytes[..bytes.len() - volume.len() / 2]).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(pipe);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.signal() == Some(2) && said.contains("interrupted: nothing was changed"), "{said}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "what had come is left behind");
}

/// A reader that goes away changes nothing of what was found, and what it has read so far is no whole object.
#[test]
fn a_reader_that_goes_away_in_the_midst_takes_half_an_answer_for_none() {
    let site = Site::new();
    site.backup("v", &[], 0);
    let (place, volume) = (site.text("v"), volumes(&site.path("v")).remove(0));
    let single = volume.display().to_string();
    for status in [0, 4] {
        let commands: [&[&str]; 4] = [
            &["check", &place, "--verify", "--json"],
            &["check", &place, "--verify"],
            &["check", &place, "--json"],
            &["check", &place, "--chunks", "--json"],
        ];
        for words in commands {
            let whole = intervault(words);
            let found = whole.status.code().unwrap();
            assert!(found == status || !words.contains(&"--verify"), "{words:?}: {found}");
            for keep in [0, 1, 60, whole.stdout.len() / 2] {
                let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
                    .args(words)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut kept = vec![0; keep];
                let mut pipe = child.stdout.take().unwrap();
                pipe.read_exact(&mut kept).unwrap();
                drop(pipe);
                let output = child.wait_with_output().unwrap();
                let said = (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
                let whole = (Some(found), String::from_utf8_lossy(&whole.stderr).into_owned());
                assert_eq!(said, whole, "{words:?}, {keep} bytes");
                let object = serde_json::from_slice::<serde_json::Value>(&kept);
                assert!(object.is_err(), "{words:?}: {keep} bytes are a whole object");
            }
        }
        let mut bytes = std::fs::read(&single).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 1;
        std::fs::write(&single, bytes).unwrap();
    }
}
