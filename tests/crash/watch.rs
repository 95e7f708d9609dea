//! Counts the calls that change a disk, and does to one of them what a script says: lets it fail, or kills the process
//! before it, in its middle or after it. Does not know what the calls are for.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// SQLite begins a statement: nothing changes on the disk.
    Statement,
    Write,
    Truncate,
    Sync,
    Delete,
    /// A volume is begun, gets bytes, is synced, gets its name.
    Create,
    Append,
    SyncVolume,
    Finish,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub kind: Kind,
    /// The file's name, without its folder.
    pub file: String,
    pub bytes: usize,
    /// Whether the file becomes longer.
    pub grows: bool,
}

impl Call {
    pub fn new(kind: Kind, file: &str) -> Call {
        Call { kind, file: file.to_owned(), bytes: 0, grows: false }
    }
}

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Before,
    /// After half of the bytes.
    Half,
    After,
}

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Number of the call, from 0.
    pub call: usize,
    pub moment: Moment,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.moment, self.call)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Point, String> {
        let (moment, call) = text.split_once(' ').ok_or_else(|| text.to_owned())?;
        let moments = [Moment::Before, Moment::Half, Moment::After];
        let moment = moments.into_iter().find(|known| format!("{known:?}") == moment);
        Ok(Point { call: call.parse().map_err(|_| text.to_owned())?, moment: moment.ok_or_else(|| text.to_owned())? })
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The medium is full.
    Full,
    /// The medium fails.
    Io,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Pass,
    Fail(Fault),
    Die(Moment),
}

type Script = Box<dyn Fn(usize, &Call) -> Act + Send>;

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    script: Option<Script>,
    failed: usize,
}

/// Shared by all that is watched together.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<State>>);

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts from 0 again; from now on `script` says what becomes of each call.
    pub fn script(&self, script: impl Fn(usize, &Call) -> Act + Send + 'static) {
        *self.state() = State { script: Some(Box::new(script)), ..State::default() };
    }

    /// All calls pass from now on.
    pub fn calm(&self) {
        self.state().script = None;
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls were made to fail.
    pub fn failed(&self) -> usize {
        self.state().failed
    }

    /// Makes a call, or what the script wants in its place.
    pub fn call<T>(
        &self,
        call: Call,
        half: impl FnOnce(),
        whole: impl FnOnce() -> T,
        fail: impl FnOnce(Fault) -> T,
    ) -> T {
        let act = {
            let mut state = self.state();
            let act = state.script.as_ref().map_or(Act::Pass, |script| script(state.calls.len(), &call));
            state.failed += usize::from(matches!(act, Act::Fail(_)));
            state.calls.push(call);
            act
        };
        match act {
            Act::Pass => whole(),
            Act::Fail(fault) => fail(fault),
            Act::Die(moment) => {
                match moment {
                    Moment::Before => {}
                    Moment::Half => half(),
                    Moment::After => drop(whole()),
                }
                die()
            }
        }
    }
}

/// Ends this process as a power cut would: nothing of it runs any more.
fn die() -> ! {
    let this = rustix::process::getpid();
    loop {
        rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
    }
}
