//! Restores, resumes, undos and backups over a server are cut short: the connection at any message, the session, the server,
//! this program. Whatever happens, each unit is wholly old or wholly new, what is told of it is true, and what comes next
//! finishes, once.
//!
//! `INTERVAULT_KILLS=all` cuts at every message; without it a spread of them is enough, in which all sorts of messages come.

use super::proxy::{Act, Cut, From, Message, Proxy};
use super::support::*;
use intervault::backup::{Backup, Incremental, Kind};
use intervault::base::monitor::Monitor;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::error::Error;
use intervault::restore::{Keep, Options, Outcome, Restore, RestoreReport, Stopped, unfinished};
use intervault::schema::catalogue::Catalogue;
use intervault::store::control::{RunStatus, UnitStatus};
use intervault::testing::cluster::{Cluster, ClusterOptions};
use intervault::volume::set::list_sets;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to notice that a connection has gone, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Under which number rows are kept.
const KEPT: u8 = 0xAA;

/// Whether every point is asked for.
fn all() -> bool {
    std::env::var("INTERVAULT_KILLS").is_ok_and(|kills| kills == "all")
}

/// Rows, each as often as it is there.
type Rows = BTreeMap<String, i64>;

/// Numbers of units that are replaced.
type Applied = BTreeSet<u32>;

/// What is in a database, and what its journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    rows: Rows,
    /// Of the last run.
    status: Option<RunStatus>,
    applied: Applied,
}

/// Asks a database for it, all in one session.
fn look(session: &mut postgres::Client) -> State {
    let mut rows = Rows::new();
    for table in ["hsplit", "dsplit", "synonyms"] {
        for row in session.query(&format!("SELECT t::text FROM public.{table} t"), &[]).unwrap() {
            *rows.entry(format!("{table} {}", row.get::<_, String>(0))).or_default() += 1;
        }
    }
    let last = "SELECT number, status FROM intervault.restore ORDER BY number DESC LIMIT 1";
    let there = session.query_one("SELECT to_regclass('intervault.restore') IS NOT NULL", &[]).unwrap();
    let last = if there.get(0) { session.query_opt(last, &[]).unwrap() } else { None };
    let Some(last) = last else { return State { rows, status: None, applied: Applied::new() } };
    let status = RunStatus::of_word(last.get(1));
    let units = "SELECT number FROM intervault.unit WHERE run = $1 AND status = $2";
    let units = session.query(units, &[&last.get::<_, i64>(0), &UnitStatus::Applied.word()]).unwrap();
    let applied = units.iter().map(|unit| u32::try_from(unit.get::<_, i64>(0)).unwrap()).collect();
    State { rows, status, applied }
}

fn state(centre: &Centre) -> State {
    look(&mut centre.cluster.client(&centre.name))
}

/// What is more in one than in the other; less is below 0.
fn difference(one: &Rows, other: &Rows) -> Rows {
    let mut sum = one.clone();
    other.iter().for_each(|(row, count)| *sum.entry(row.clone()).or_default() -= count);
    sum.retain(|_, count| *count != 0);
    sum
}

/// Notes what the database holds each time that more units are replaced, and stops when so many are.
struct Watcher {
    session: Mutex<postgres::Client>,
    states: Mutex<BTreeMap<Applied, Rows>>,
    most: usize,
}

impl Monitor for Watcher {
    fn cancelled(&self) -> bool {
        let State { applied, rows, .. } = look(&mut self.session.lock().unwrap());
        let count = applied.len();
        self.states.lock().unwrap().entry(applied).or_insert(rows);
        count >= self.most
    }
}

/// Small units, so that there are several of a table.
fn options(jobs: usize) -> Options {
    Options { unit_rows: 20, jobs, ..restore_options() }
}

/// What is done, from which database on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Road {
    /// With so many jobs.
    Restore(usize),
    Resume,
    /// Of a restore that has finished.
    Undo,
    /// Of one that has not.
    UndoHalf,
}

/// Databases to copy, and what they hold.
struct World {
    cluster: &'static Cluster,
    proxy: Proxy,
    device: MemoryDevice,
    /// Ruined; half restored, and wholly.
    before: Centre,
    half: Centre,
    done: Centre,
    half_kept: MemoryDevice,
    done_kept: MemoryDevice,
    /// What the ruined and the restored database hold.
    old: Rows,
    new: Rows,
    /// What each unit changes.
    changes: BTreeMap<u32, Rows>,
    number: AtomicUsize,
    /// In how many cases a unit was told to be in doubt that was as before, and one that was replaced.
    doubts: Mutex<[usize; 2]>,
}

impl World {
    fn new(cluster: &'static Cluster) -> World {
        let before = Centre::world_in(cluster);
        let (device, _) = backup(&before.store());
        before.ruin();
        let proxy = Proxy::new(cluster.socket().join(format!(".s.PGSQL.{}", cluster.port())));
        let (done, done_kept, states) = restored(&before, "done", &device, usize::MAX);
        let (half, half_kept, _) = restored(&before, "half", &device, states.len() / 2);
        let (old, restored) = (state(&before).rows, state(&done));
        let new = restored.rows;
        let mut changes = BTreeMap::new();
        let mut states: Vec<(Applied, Rows)> = states.into_iter().collect();
        states.push((restored.applied, new.clone()));
        states.sort_by_key(|(applied, _)| applied.len());
        for pair in states.windows(2) {
            let [(less, from), (more, to)] = pair else { continue };
            let unit: Vec<u32> = more.difference(less).copied().collect();
            assert_eq!(unit.len(), 1, "one unit after the other");
            changes.insert(unit[0], difference(to, from));
        }
        assert!(changes.len() >= 6 && changes.values().filter(|change| !change.is_empty()).count() >= 4, "{changes:?}");
        let number = AtomicUsize::new(0);
        World {
            cluster,
            proxy,
            device,
            before,
            half,
            done,
            half_kept,
            done_kept,
            old,
            new,
            changes,
            number,
            doubts: Mutex::default(),
        }
    }

    /// A copy of a database, reached through the proxy.
    fn copy(&self, of: &Centre) -> Centre {
        let name = format!("{}_{}", self.before.name, self.number.fetch_add(1, Ordering::Relaxed));
        copy(of, &name);
        Centre { cluster: self.cluster, url: self.proxy.url(&name), name }
    }

    fn from(&self, road: Road) -> &Centre {
        match road {
            Road::Restore(_) => &self.before,
            Road::Resume | Road::UndoHalf => &self.half,
            Road::Undo => &self.done,
        }
    }

    /// What the database holds when these units are replaced.
    fn holds(&self, applied: &Applied) -> Rows {
        let mut rows = self.old.clone();
        for unit in applied {
            self.changes[unit].iter().for_each(|(row, count)| *rows.entry(row.clone()).or_default() += count);
        }
        rows.retain(|_, count| *count != 0);
        rows
    }

    /// Walks a road; rows that a restore deletes are kept on the device.
    fn walk(&self, road: Road, centre: &Centre, kept: &MemoryDevice) -> Result<(), Box<Stopped>> {
        let begun = |error: Error| Box::new(Stopped { error, report: RestoreReport::default() });
        let store = open(centre).map_err(begun)?;
        let set = only_set(&self.device);
        match road {
            Road::Restore(jobs) => {
                let restore = Restore::new(&set, &store, options(jobs));
                let plan = restore.plan().map_err(begun)?;
                restore.apply(&plan, Some(Keep { device: kept, set: intervault::format::block::SetId([KEPT; 16]) }))?;
            }
            Road::Resume => {
                let left = unfinished(&store).map_err(begun)?.unwrap();
                Restore::new(&set, &store, options(1)).resume(&left)?;
            }
            Road::Undo | Road::UndoHalf => {
                undo(kept, KEPT, &store).map_err(begun)?;
            }
        }
        Ok(())
    }

    /// The rows that a road needs or keeps.
    fn kept(&self, road: Road) -> MemoryDevice {
        match road {
            Road::Restore(_) => MemoryDevice::new(),
            Road::Resume | Road::UndoHalf => self.half_kept.clone(),
            Road::Undo => self.done_kept.clone(),
        }
    }

    /// The messages of a road that nobody disturbs.
    fn messages(&self, road: Road) -> Vec<Message> {
        let centre = self.copy(self.from(road));
        self.proxy.calm();
        self.walk(road, &centre, &self.kept(road)).unwrap();
        let seen = self.proxy.seen();
        quiet(&centre);
        drop_database(&centre);
        seen
    }

    /// Walks a road on which this happens at that message, and judges what is left.
    fn disturb(&self, road: Road, message: usize, act: Act, number: usize, what: &str) {
        self.disturbed(road, || self.proxy.at(message, act), number, what);
    }

    /// Walks a road on which happens what `prepare` prepares, and judges what is left.
    fn disturbed(&self, road: Road, prepare: impl FnOnce(), number: usize, what: &str) {
        let centre = self.copy(self.from(road));
        let kept = self.kept(road);
        prepare();
        let ended = self.walk(road, &centre, &kept);
        let done = self.proxy.is_done();
        self.proxy.calm();
        quiet(&centre);
        assert!(done || ended.is_ok(), "{what}: nothing was done to it: {:?}", ended.err());
        self.judge(&centre, road, &kept, ended, number, what);
        drop_database(&centre);
    }

    /// What is left is as it is told, and goes on or goes back.
    fn judge(
        &self,
        centre: &Centre,
        road: Road,
        kept: &MemoryDevice,
        ended: Result<(), Box<Stopped>>,
        number: usize,
        what: &str,
    ) {
        let mut session = centre.cluster.client(&centre.name);
        let left = look(&mut session);
        let same = |is: &Rows, wanted: &Rows, words: &str| {
            let differs = difference(is, wanted);
            assert!(differs.is_empty(), "{what}: {words}: {ended:?}: {differs:?}");
        };
        same(&left.rows, &self.holds(&left.applied), "the journal and the rows");
        match &ended {
            Ok(()) => {
                let undo = matches!(road, Road::Undo | Road::UndoHalf);
                let end = if undo { RunStatus::Undone } else { RunStatus::Finished };
                assert_eq!(left.status, Some(end), "{what}");
            }
            Err(stopped) => self.told(&stopped.report, &left.applied, what),
        }
        let fails = |words: &str, stopped: &Stopped| -> () { panic!("{what}: {words}: {stopped}") };
        let goes_on = number.is_multiple_of(2) && road != Road::Undo && left.status == Some(RunStatus::Begun);
        if goes_on {
            self.walk(Road::Resume, centre, kept).unwrap_or_else(|stopped| fails("it does not go on", &stopped));
            same(&look(&mut session).rows, &self.new, "gone on with");
            assert!(unfinished(&centre.store()).unwrap().is_none(), "{what}: a second resume has nothing to do");
        }
        match left.status {
            None => {
                let kept = MemoryDevice::new();
                self.walk(Road::Restore(2), centre, &kept).unwrap_or_else(|stopped| fails("anew", &stopped));
                same(&look(&mut session).rows, &self.new, "begun anew");
            }
            Some(RunStatus::Undone) => {}
            Some(_) if goes_on => {}
            Some(_) => {
                self.walk(Road::Undo, centre, kept).unwrap_or_else(|stopped| fails("it does not go back", &stopped));
                let back = look(&mut session);
                same(&back.rows, &self.old, "gone back");
                assert_eq!((back.status, back.applied), (Some(RunStatus::Undone), Applied::new()), "{what}");
            }
        }
    }

    /// What was told of the units is true.
    fn told(&self, report: &RestoreReport, applied: &Applied, what: &str) {
        for (number, unit) in (0u32..).zip(&report.units) {
            let replaced = applied.contains(&number);
            match unit.outcome {
                Outcome::Replaced | Outcome::ReplacedBefore => assert!(replaced, "{what}: {unit:?}"),
                Outcome::RolledBack | Outcome::NotBegun => assert!(!replaced, "{what}: {unit:?}"),
                Outcome::InDoubt => self.doubts.lock().unwrap()[usize::from(replaced)] += 1,
            }
        }
    }

    /// Disturbs a road at about `count` of its messages. `act` is told the number of the point.
    fn each(&self, road: Road, count: usize, act: impl Fn(usize, &Centre) -> (Act, String)) {
        let messages = self.messages(road);
        for (number, point) in points(&messages, count).into_iter().enumerate() {
            let (act, does) = act(number, &self.before);
            let what = format!("{road:?}: {does} at message {point} of {}: {:?}", messages.len(), messages[point]);
            self.disturb(road, point, act, number, &what);
        }
    }

    /// Cuts connections, one or all, before, within and after messages.
    fn cut(&self, road: Road, count: usize) {
        self.each(road, count, |number, _| {
            let cut = [Cut::Before, Cut::After, Cut::Within][number % 3];
            match number % 2 {
                0 => (Act::All(cut), format!("all are cut, {cut:?}")),
                _ => (Act::One(cut), format!("one is cut, {cut:?}")),
            }
        });
    }
}

/// The store, as a user of the program would open it.
fn open(centre: &Centre) -> Result<intervault::store::postgres::PostgresStore, Error> {
    let address = intervault::store::postgres::address::Address::parse(&centre.url, &BTreeMap::new()).unwrap();
    Ok(intervault::store::postgres::PostgresStore::open(&address)?)
}

fn copy(of: &Centre, name: &str) {
    quiet(of);
    of.cluster.run("postgres", &format!("CREATE DATABASE {name} TEMPLATE {}", of.name));
}

fn drop_database(centre: &Centre) {
    centre.cluster.run("postgres", &format!("DROP DATABASE {}", centre.name));
}

/// Waits until nobody is in a database any more.
fn quiet(centre: &Centre) {
    let sql = format!("SELECT pid, state, query FROM pg_stat_activity WHERE datname = '{}'", centre.name);
    let began = Instant::now();
    let mut session = centre.cluster.client("postgres");
    while !session.query(&sql, &[]).unwrap().is_empty() {
        let left = || centre.cluster.query("postgres", &sql);
        assert!(began.elapsed() < PATIENCE, "{}: still in it: {:?}", centre.name, left());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A copy of a database after a restore that stops when so many units are replaced, with what it kept and what the database
/// held in between.
fn restored(
    before: &Centre,
    word: &str,
    device: &MemoryDevice,
    most: usize,
) -> (Centre, MemoryDevice, BTreeMap<Applied, Rows>) {
    let name = format!("{}_{word}", before.name);
    copy(before, &name);
    let centre = Centre { cluster: before.cluster, url: before.cluster.url(&name), name };
    let kept = MemoryDevice::new();
    let session = Mutex::new(centre.cluster.client(&centre.name));
    let watcher = Watcher { session, states: Mutex::default(), most };
    let (set, store) = (only_set(device), centre.store());
    let restore = Restore::new(&set, &store, options(1));
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals, []);
    let keep = Keep { device: &kept, set: intervault::format::block::SetId([KEPT; 16]) };
    let ended = restore.watched(&watcher).apply(&plan, Some(keep));
    assert_eq!(ended.is_ok(), most == usize::MAX, "{ended:?}");
    let states = watcher.states.into_inner().unwrap();
    (centre, kept, states)
}

/// The messages at which something happens: all, or about `count` of them, the first of each sort among those that are left.
fn points(messages: &[Message], count: usize) -> Vec<usize> {
    if all() {
        return (0..messages.len()).collect();
    }
    let mut sorts: BTreeMap<&Message, usize> = BTreeMap::new();
    for (number, message) in messages.iter().enumerate() {
        sorts.entry(message).or_insert(number);
    }
    let mut chosen: BTreeSet<usize> = (0..messages.len()).step_by((messages.len() * 2 / count).max(1)).collect();
    let step = (sorts.len() * 2 / count).max(1);
    chosen.extend(sorts.values().copied().collect::<BTreeSet<_>>().into_iter().step_by(step));
    chosen.into_iter().collect()
}

#[test]
fn a_restore_over_connections_that_are_cut() {
    let Some(cluster) = Cluster::shared() else { return };
    let world = World::new(cluster);
    world.cut(Road::Restore(1), 16);
    world.cut(Road::Restore(2), 10);
}

#[test]
fn a_resume_and_an_undo_over_connections_that_are_cut() {
    let Some(cluster) = Cluster::shared() else { return };
    let world = World::new(cluster);
    world.cut(Road::Resume, 8);
    world.cut(Road::Undo, 8);
    world.cut(Road::UndoHalf, 4);
}

/// Who asked for a commit and heard nothing does not know what became of it, and says so.
#[test]
fn a_commit_without_an_answer_is_in_doubt() {
    let Some(cluster) = Cluster::shared() else { return };
    let world = World::new(cluster);
    let messages = world.messages(Road::Restore(1));
    let commits = messages.iter().filter(|message| message.from == From::Us && message.text == "COMMIT").count();
    assert_eq!(commits, world.changes.len() + 2, "the units, and the beginning and the end of the run");
    let mut number = 0;
    for at in 1..commits - 1 {
        for (after, cut) in [(false, Cut::Before), (false, Cut::Within), (true, Cut::After)] {
            // Of the others some are enough.
            number += 1;
            if number > 3 && number % 5 != 0 && !all() {
                continue;
            }
            let before = *world.doubts.lock().unwrap();
            let prepare = || world.proxy.at_statement("COMMIT", at, Act::One(cut));
            world.disturbed(Road::Restore(1), prepare, number, &format!("commit {at} is cut, {cut:?}"));
            let mut wanted = before;
            wanted[usize::from(after)] += 1;
            assert_eq!(*world.doubts.lock().unwrap(), wanted, "{at}, {cut:?}");
        }
    }
}

#[test]
fn sessions_are_ended_by_an_administrator() {
    let Some(cluster) = Cluster::shared() else { return };
    let world = World::new(cluster);
    let name = world.before.name.clone();
    for (road, count) in [(Road::Restore(2), 8), (Road::Resume, 4), (Road::Undo, 4)] {
        world.each(road, count, |number, _| {
            let (whom, words) = match number % 3 {
                0 => ("pid = $1", "the session is ended"),
                1 => ("pid <> $1", "the others are ended"),
                _ => ("$1::integer IS NOT NULL", "all are ended"),
            };
            let sql = format!(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname LIKE '{name}%' AND {whom}"
            );
            let end = move |pid: i32| drop(cluster.client("postgres").query(&sql, &[&pid]).unwrap());
            (Act::Do(Box::new(end)), words.to_owned())
        });
    }
}

/// A server of its own, which keeps what it has said to be kept when it crashes.
#[test]
fn the_server_crashes() {
    let options = ClusterOptions::default().set("fsync", "on").set("full_page_writes", "on");
    let Some(cluster) = Cluster::with(options) else { return };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let world = World::new(cluster);
    for (road, count) in [(Road::Restore(1), 3), (Road::Resume, 1), (Road::Undo, 2)] {
        let messages = world.messages(road);
        let count = if all() { 40 } else { count };
        for number in 0..count {
            // Most of a road is its beginning, which changes nothing.
            let point = messages.len() * (number + count) / (2 * count);
            let what = format!("{road:?}: the server crashes at message {point}: {:?}", messages[point]);
            world.disturb(road, point, Act::Do(Box::new(|_| cluster.restart_immediate())), number, &what);
        }
    }
}

/// Runs the program until a message is reached, where it is killed; how it ended.
fn command(proxy: &Proxy, arguments: &[&str], point: Option<usize>) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intervault"));
    command.args(arguments).env("INTERVAULT_STATE", "").stdin(Stdio::null());
    proxy.calm();
    let (send, receive) = std::sync::mpsc::channel::<u32>();
    if let Some(point) = point {
        let kill = move |_| {
            let pid = rustix::process::Pid::from_raw(receive.recv().unwrap() as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        };
        proxy.at(point, Act::Do(Box::new(kill)));
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = send.send(child.id());
    child.wait_with_output().unwrap()
}

/// The program itself is killed, by the signal that nobody can answer.
#[test]
fn the_program_is_killed() {
    let Some(cluster) = Cluster::shared() else { return };
    let world = World::new(cluster);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let whole = Centre::world_in(cluster);
    let volumes = DirectoryDevice::for_writing(place("volumes")).unwrap();
    Backup::new(&whole.store(), &Catalogue::builtin(), &volumes, backup_options(1)).run().unwrap();
    let walk = |centre: &Centre, undo: &str, point| {
        let url = centre.url.as_str();
        let volumes = place("volumes");
        let restore =
            ["restore", "--database", url, "--from", &volumes, "--undo", undo, "--yes", "--uncovered", "delete"];
        command(&world.proxy, &restore, point)
    };
    let measured = world.copy(&world.before);
    let ended = walk(&measured, &place("measured"), None);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(state(&measured).rows, world.new);
    let messages = world.proxy.seen().len();
    let count = if all() { 60 } else { 4 };
    for number in 0..count {
        let centre = world.copy(&world.before);
        let (url, undo) = (centre.url.clone(), place(&format!("undo{number}")));
        let point = messages * (number + count) / (2 * count);
        let what = format!("killed at message {point} of {messages}");
        let ended = walk(&centre, &undo, Some(point));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(9), "{what}: {ended:?}");
        world.proxy.calm();
        quiet(&centre);
        let began = state(&centre).status;
        let resume = ["restore", "--database", &url, "--from", &place("volumes"), "--resume", "--yes"];
        let back = ["undo", "--database", &url, "--from", &undo, "--yes"];
        let (arguments, wanted): (&[&str], &Rows) =
            if number.is_multiple_of(2) { (&resume, &world.new) } else { (&back, &world.old) };
        let ended = command(&world.proxy, arguments, None);
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        let is = state(&centre).rows;
        match (began, ended.status.success()) {
            (Some(_), true) => assert!(difference(&is, wanted).is_empty(), "{what}: {words}"),
            // Nothing was begun: there is nothing to finish, which is no failure, and nothing to undo, which is one.
            (None, _) => assert!(difference(&is, &world.old).is_empty(), "{what}: {words}"),
            // A run is to be resumed that is over.
            (Some(RunStatus::Finished), false) => assert!(difference(&is, &world.new).is_empty(), "{what}: {words}"),
            _ => panic!("{what}: {began:?}: {words}"),
        }
    }
}

/// What a backup left that was cut is no base; the next one is whole.
#[test]
fn a_backup_over_connections_that_are_cut() {
    let Some(cluster) = Cluster::shared() else { return };
    let centre = Centre::world_in(cluster);
    let proxy = Proxy::new(cluster.socket().join(format!(".s.PGSQL.{}", cluster.port())));
    let through = Centre { cluster, name: centre.name.clone(), url: proxy.url(&centre.name) };
    let back_up = |device: &MemoryDevice, number: u8, kind: Kind| -> Result<_, Error> {
        let store = open(&through)?;
        let options = intervault::backup::Options { kind, ..backup_options(number) };
        Backup::new(&store, &Catalogue::builtin(), device, options).run()
    };
    proxy.calm();
    back_up(&MemoryDevice::new(), 1, Kind::default()).unwrap();
    let messages = proxy.seen();
    let mut failed = 0;
    for (number, point) in points(&messages, 10).into_iter().enumerate() {
        let what = format!("message {point} of {}: {:?}", messages.len(), messages[point]);
        let device = MemoryDevice::new();
        proxy.calm();
        back_up(&device, 1, Kind::default()).unwrap();
        let name = centre.name.clone();
        let end = move |_: i32| {
            let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
            drop(cluster.client("postgres").query(sql, &[&name]).unwrap());
        };
        proxy.at(
            point,
            match number % 3 {
                0 => Act::One(Cut::Before),
                1 => Act::All(Cut::Within),
                _ => Act::Do(Box::new(end)),
            },
        );
        let cut = back_up(&device, 2, Kind::default());
        proxy.calm();
        quiet(&centre);
        failed += usize::from(cut.is_err());
        let whole: Vec<u8> = list_sets(&device).unwrap().sets.iter().map(|set| set.set_id().0[0]).collect();
        let next = back_up(&device, 3, Kind::Incremental(Incremental::default()))
            .unwrap_or_else(|error| panic!("{what}: the next backup: {error}"));
        assert!(next.verified, "{what}");
        match cut {
            Ok(_) => assert!(whole.contains(&2), "{what}"),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                let base = list_sets(&device)
                    .unwrap()
                    .sets
                    .iter()
                    .find(|set| set.set_id().0[0] == 3)
                    .map(|set| set.label().clone());
                assert_eq!(base.unwrap().chain().0[0], 1, "{what}: a set that was cut short is no base");
            }
        }
    }
    assert!(failed * 2 > points(&messages, 10).len(), "{failed}");
}
