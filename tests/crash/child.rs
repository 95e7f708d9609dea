//! The process that is killed: this test binary, told by its environment what to do and when to die.

use super::vfs;
use super::watch::{Act, Call, Kind, Point};
use super::world::{Folder, options};
use intervault::base::monitor::Silent;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs, io};

const ROAD: &str = "INTERVAULT_CRASH_ROAD";
const FOLDER: &str = "INTERVAULT_CRASH_FOLDER";
const POINT: &str = "INTERVAULT_CRASH_POINT";
/// What the process says on standard error when it begins its work.
const BEGUN: &str = "the work begins";
const KINDS: [Kind; 9] = [
    Kind::Statement,
    Kind::Write,
    Kind::Truncate,
    Kind::Sync,
    Kind::Delete,
    Kind::Create,
    Kind::Append,
    Kind::SyncVolume,
    Kind::Finish,
];

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    Restore,
    Resume,
    Undo,
    Salvage,
    /// A full one.
    Backup,
    Incremental,
}

/// The body of the process; as a test among the others it does nothing.
#[test]
fn body() {
    let (Ok(road), Ok(folder)) = (env::var(ROAD), env::var(FOLDER)) else { return };
    let folder = Folder(PathBuf::from(folder));
    let watch = vfs::watch(&folder.0);
    if let Ok(point) = env::var(POINT) {
        let point: Point = point.parse().unwrap();
        let die = move |number, _: &Call| if number == point.call { Act::Die(point.moment) } else { Act::Pass };
        watch.script(die);
    }
    writeln!(io::stderr(), "{BEGUN}").unwrap();
    match road.as_str() {
        "Restore" => {
            let undo = folder.watched_undo(&watch);
            drop(folder.restore(&folder.volumes(), Some((&undo, 0xAA)), &options(), &Silent).unwrap());
        }
        "Resume" => drop(folder.resume().unwrap()),
        "Undo" => drop(folder.undo().unwrap()),
        "Salvage" => folder.salvage(&folder.watched_salvaged(&watch), 0xAC),
        "Backup" => drop(folder.back_up(&folder.watched_backups(&watch), Road::Backup, 0xB1).unwrap()),
        "Incremental" => drop(folder.back_up(&folder.watched_backups(&watch), Road::Incremental, 0xB1).unwrap()),
        other => panic!("{other}"),
    }
    let lines: Vec<String> =
        watch.calls().iter().map(|call| format!("{:?} {} {}", call.kind, call.bytes, call.file)).collect();
    fs::write(folder.0.join("calls"), lines.join("\n")).unwrap();
}

/// Starts the process.
pub fn start(road: Road, folder: &Folder, point: Option<Point>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child::body", "--test-threads=1", "--nocapture"]);
    command.env(ROAD, format!("{road:?}")).env(FOLDER, &folder.0).env_remove(POINT);
    if let Some(point) = point {
        command.env(POINT, point.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the process begins its work.
pub fn await_work(child: &mut Child) {
    let mut said = String::new();
    let mut byte = [0];
    let from = child.stderr.as_mut().unwrap();
    while !said.ends_with(BEGUN) {
        from.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
}

/// Waits for the end of the process: whether it was killed; otherwise it has done all.
pub fn was_killed(child: Child, what: &str) -> bool {
    let ended = child.wait_with_output().unwrap();
    match (ended.status.signal(), ended.status.success()) {
        (Some(9), _) => true,
        (None, true) => false,
        _ => panic!("{what}: {}\n{}", ended.status, String::from_utf8_lossy(&ended.stderr)),
    }
}

/// Lets the process go all the way; returns the calls that it made.
pub fn calls(road: Road, folder: &Folder) -> Vec<Call> {
    assert!(!was_killed(start(road, folder, None), "nobody kills it"));
    let text = fs::read_to_string(folder.0.join("calls")).unwrap();
    let call = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap();
        let kind = word();
        let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind).unwrap();
        let bytes = word().parse().unwrap();
        Call { bytes, ..Call::new(kind, word()) }
    };
    text.lines().map(call).collect()
}
