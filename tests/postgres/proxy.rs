//! Stands between this program and a server: counts the messages of all sessions, and at one of them does what it is told.
//! Knows the frame of a message, and of its content what tells one sort from another.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    Us,
    Server,
}

/// A message: who sent it, its letter (`-` for the one that begins a session), and the beginning of a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    pub from: From,
    pub letter: char,
    pub text: String,
}

/// What becomes of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The message is the last thing that goes by.
    After,
    /// Not all of the message arrives.
    Within,
    /// The message does not arrive.
    Before,
}

/// What is done at a message.
pub enum Act {
    /// This session is cut.
    One(Cut),
    /// All sessions are, and none is let in any more.
    All(Cut),
    /// Before it goes by, this is done, with the process number that the server gave the session (0: none yet).
    Do(Box<dyn FnOnce(i32) + Send>),
}

#[derive(Default)]
struct State {
    seen: Vec<Message>,
    at: Option<(usize, Act)>,
    /// Only statements of ours with this text count, if it is there.
    of: Option<String>,
    down: bool,
    /// Whether what is to be done is being done.
    at_work: bool,
    /// Whether it could not be done.
    failed: bool,
    ended: bool,
    sessions: BTreeMap<usize, [UnixStream; 2]>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

/// What becomes of a message, in bytes of it that go by, and whether the session goes on.
struct Passage {
    bytes: usize,
    goes_on: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message and says what becomes of it. `cut_all` tells that it was the one for all sessions.
    fn judge(&self, message: Message, length: usize, number: i32) -> (Passage, bool) {
        let mut state = self.state();
        let counts = |message: &Message| match &state.of {
            Some(text) => message.from == From::Us && message.text == *text,
            None => true,
        };
        let count = counts(&message).then(|| state.seen.iter().filter(|message| counts(message)).count());
        state.seen.push(message);
        let due = state.at.take_if(|(at, _)| count == Some(*at)).map(|(_, act)| act);
        let passage = |cut| match cut {
            Cut::After => Passage { bytes: length, goes_on: false },
            Cut::Within => Passage { bytes: length / 2, goes_on: false },
            Cut::Before => Passage { bytes: 0, goes_on: false },
        };
        match due {
            Some(Act::One(cut)) => (passage(cut), false),
            Some(Act::All(cut)) => {
                state.down = true;
                (passage(cut), true)
            }
            Some(Act::Do(work)) => {
                state.at_work = true;
                drop(state);
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(number)));
                let mut state = self.state();
                (state.at_work, state.failed) = (false, done.is_err());
                (Passage { bytes: length, goes_on: true }, false)
            }
            None => (Passage { bytes: length, goes_on: !state.down }, false),
        }
    }

    fn cut_all(&self) {
        for streams in self.state().sessions.values() {
            streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }
}

/// The proxy; a socket in a folder of its own.
pub struct Proxy {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Before the server whose socket is this.
    pub fn new(server: PathBuf) -> Proxy {
        let folder = tempfile::Builder::new().prefix("ivpx").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let shared = Arc::new(Shared::default());
        let accepted = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, ours) in listener.incoming().enumerate() {
                let ours = ours.unwrap();
                let mut state = accepted.state();
                if state.ended {
                    return;
                }
                let (false, Ok(theirs)) = (state.down, UnixStream::connect(&server)) else { continue };
                state.sessions.insert(number, [ours.try_clone().unwrap(), theirs.try_clone().unwrap()]);
                drop(state);
                session(number, &accepted, ours, theirs);
            }
        });
        Proxy { folder, shared }
    }

    /// The address of a database behind it, as the superuser.
    pub fn url(&self, database: &str) -> String {
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgresql:///{database}?host={host}&port=5432&user=postgres")
    }

    /// Counts from 0 again; at a message, so counted, this is done.
    pub fn at(&self, number: usize, act: Act) {
        let mut state = self.shared.state();
        state.seen.clear();
        (state.at, state.of) = (Some((number, act)), None);
    }

    /// The same at one of our statements of this text, counted from 0.
    pub fn at_statement(&self, text: &str, number: usize, act: Act) {
        let mut state = self.shared.state();
        state.seen.clear();
        (state.at, state.of) = (Some((number, act)), Some(text.to_owned()));
    }

    /// Counts from 0 again, and lets everything by. What is being done is waited for.
    pub fn calm(&self) {
        while self.shared.state().at_work {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let mut state = self.shared.state();
        assert!(!state.failed, "what was to be done could not be done");
        state.seen.clear();
        (state.at, state.of, state.down) = (None, None, false);
    }

    /// What went by.
    pub fn seen(&self) -> Vec<Message> {
        self.shared.state().seen.clone()
    }

    /// Whether what was to be done has been.
    pub fn is_done(&self) -> bool {
        self.shared.state().at.is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        drop(UnixStream::connect(self.folder.path().join(".s.PGSQL.5432")));
        self.shared.cut_all();
    }
}

/// Copies both ways until one side ends.
fn session(number: usize, shared: &Arc<Shared>, ours: UnixStream, theirs: UnixStream) {
    let pid = Arc::new(Mutex::new(0));
    let ways = [
        (From::Us, ours.try_clone().unwrap(), theirs.try_clone().unwrap()),
        (From::Server, theirs.try_clone().unwrap(), ours.try_clone().unwrap()),
    ];
    for (from, source, sink) in ways {
        let (shared, pid) = (Arc::clone(shared), Arc::clone(&pid));
        let both = [ours.try_clone().unwrap(), theirs.try_clone().unwrap()];
        std::thread::spawn(move || {
            let all = copy(from, source, sink, &shared, &pid);
            both.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            shared.state().sessions.remove(&number);
            if all {
                shared.cut_all();
            }
        });
    }
}

/// Copies one way, message by message; whether all sessions are to be cut.
fn copy(from: From, mut source: UnixStream, mut sink: UnixStream, shared: &Shared, pid: &Mutex<i32>) -> bool {
    let mut first = from == From::Us;
    loop {
        let mut bytes = vec![0; if first { 4 } else { 5 }];
        if source.read_exact(&mut bytes).is_err() {
            return false;
        }
        let letter = if first { '-' } else { char::from(bytes[0]) };
        let length = u32::from_be_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
        let head = bytes.len();
        bytes.resize(head + length as usize - 4, 0);
        if source.read_exact(&mut bytes[head..]).is_err() {
            return false;
        }
        if (from, letter) == (From::Server, 'K') {
            *pid.lock().unwrap() = i32::from_be_bytes(bytes[5..9].try_into().unwrap());
        }
        let text = match (from, letter) {
            // A name goes before the text of a statement that is prepared.
            (From::Us, 'P') => bytes[5..].split(|byte| *byte == 0).nth(1).unwrap_or_default(),
            (From::Us, 'Q') | (From::Server, 'C') => &bytes[5..],
            _ => &[],
        };
        let text = String::from_utf8_lossy(&text[..text.len().min(30)]).trim_end_matches('\0').to_owned();
        let number = *pid.lock().unwrap();
        let (passage, all) = shared.judge(Message { from, letter, text }, bytes.len(), number);
        if from == From::Us && !passage.goes_on {
            // No answer goes back, however quick the server is.
            drop(source.shutdown(Shutdown::Write));
        }
        let sent = sink.write_all(&bytes[..passage.bytes]);
        if all || sent.is_err() || !passage.goes_on {
            return all;
        }
        first = false;
    }
}
