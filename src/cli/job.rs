//! What a command runs in: the history that it is written into, and the line about it. A history that cannot be written is
//! a warning, and never stops or fails the work.

use super::commands::open;
use super::commands::prune::id;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::{self, AtEnd};
use super::output::Output;
use super::parse::{DatabaseUrl, DevicePath};
use super::render::text::escape;
use crate::backup::Parent;
use crate::base::time::{Day, Instant};
use crate::format::block::SetId;
use crate::format::label::LabelRecord;
use crate::history::entry::{Entry, Event, Kind, Outcome, TABLES};
use crate::history::journal::{HistoryError, Journal, RunLock};
use crate::history::runs;
use crate::schema::grain::DataType;
use crate::schema::label_text::last_of_day;
use crate::store::none;
use crate::volume::set_writer::SetSummary;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

/// The line about a command that is at work, as far as it is known.
#[derive(Debug)]
pub struct Job {
    entry: Arc<Mutex<Entry>>,
    began: Clock,
    journal: Option<Journal>,
    /// The history that it looks into; also where no line is written.
    known: Option<Journal>,
    system: String,
}

/// Name of the system in labels, where no configuration says another.
const SYSTEM: &str = "CMS";

impl Job {
    /// A job of this kind that begins now.
    #[must_use]
    pub fn new(kind: Kind) -> Job {
        let unix = jiff::Timestamp::now().as_second();
        let entry = Arc::new(Mutex::new(Entry::begun(kind, unix, &stamp(unix))));
        Job { entry, began: Clock::now(), journal: None, known: None, system: SYSTEM.to_owned() }
    }

    /// With the database that it works on.
    #[must_use]
    pub fn database(self, url: &DatabaseUrl) -> Job {
        self.note(|entry| entry.database = Some(database_name(url)));
        self
    }

    /// With what it backs up: kinds of data, or specific tables where there are none.
    #[must_use]
    pub fn data(self, data: &[DataType], acd: Option<i64>) -> Job {
        self.note(|entry| (entry.data, entry.acd) = (data_words(data), acd));
        self
    }

    /// With the devices that it works with.
    #[must_use]
    pub fn devices(self, devices: &[DevicePath]) -> Job {
        self.note(|entry| entry.devices = devices.iter().map(device_name).collect());
        self
    }

    /// With the name of the system, where one is configured.
    #[must_use]
    pub fn system(mut self, system: Option<&str>) -> Job {
        self.system = system.unwrap_or(SYSTEM).to_owned();
        self
    }

    /// With a history to look into, where no line is written into one.
    #[must_use]
    pub fn knowing(mut self, history: Option<&Journal>) -> Job {
        self.known = history.cloned();
        self
    }

    /// Name of the system in labels.
    #[must_use]
    pub fn system_name(&self) -> &str {
        &self.system
    }

    /// The folder of its history, where one is kept.
    #[must_use]
    pub fn state(&self) -> Option<std::path::PathBuf> {
        self.journal.as_ref().and_then(|journal| journal.path().parent().map(std::path::Path::to_owned))
    }

    /// Puts something into the line.
    pub fn note(&self, note: impl FnOnce(&mut Entry)) {
        note(&mut locked(&self.entry));
    }

    /// The set that it is about.
    pub fn set(&self, label: &LabelRecord) {
        self.note(|entry| label_into(entry, label));
    }

    /// The highest number of a backup of this day in the history: a device that was changed since may not know of it.
    #[must_use]
    pub fn last_number(&self, day: Day) -> u32 {
        // A history that cannot be read was told of when the line was begun.
        let reading = self.known.as_ref().and_then(|journal| journal.read().ok()).unwrap_or_default();
        let backups = reading.entries.iter().filter(|entry| entry.kind == Kind::Backup);
        last_of_day(backups.filter_map(|entry| entry.label.as_deref()), day)
    }

    /// The sets of which a check has said last, by the history, that they are damaged; where, says [`runs::faulty`].
    #[must_use]
    pub fn faulty(&self) -> BTreeSet<SetId> {
        let reading = self.known.as_ref().and_then(|journal| journal.read().ok()).unwrap_or_default();
        let here = locked(&self.entry).devices.clone();
        let faulty = runs::faulty(&runs::runs(&reading.entries, |_| false), &here);
        faulty.iter().filter_map(|set| id(set)).collect()
    }

    /// What a backup wrote, and what that builds on.
    pub fn written(&self, set: &SetSummary, parent: Option<&Parent>, verified: bool) {
        self.note(|entry| {
            entry.set = Some(set.set.to_string());
            entry.chain = Some(parent.map_or(set.set, |parent| parent.chain).to_string());
            entry.parent = parent.map(|parent| parent.set.to_string());
            entry.member = Some(parent.map_or(0, |parent| parent.sequence.saturating_add(1)));
            entry.label = Some(set.label.clone());
            entry.rows = Some(set.rows);
            entry.bytes = Some(set.bytes);
            entry.volumes = Some(set.volumes.len() as u64);
            entry.verified = Some(verified);
        });
    }

    /// A person saw what it would do and said no.
    pub fn declined(&self) {
        self.note(|entry| entry.outcome = Some(Outcome::Declined));
    }

    /// What failed, where the answer was given all the same.
    pub fn failed(&self, failure: &Failure) {
        self.note(|entry| entry.message = Some(failure.message.clone()));
    }

    /// Writes down what is known so far: before something is begun that must be known of if this process does not end it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn checkpoint(&self) -> Result<(), Failure> {
        let Some(journal) = &self.journal else { return Ok(()) };
        Ok(journal.append(&mut locked(&self.entry))?)
    }

    /// From now on a signal that ends the process writes into the history that it did, and does `then`.
    pub fn at_signal(&self, then: impl FnOnce(&Entry) + Send + 'static) -> AtEnd {
        let (entry, began, journal) = (Arc::clone(&self.entry), self.began, self.journal.clone());
        interrupt::at_end(move || {
            let mut entry = locked(&entry).clone();
            end(&mut entry, &Err(Failure::new(Exit::Failed, "ended by a signal")), true);
            entry.seconds = Some(began.elapsed().as_secs_f64());
            // Nobody is left to be told that it cannot be written: without this line the run is told as interrupted too.
            let _written = journal.map(|journal| journal.append(&mut entry));
            then(&entry);
        })
    }

    /// Does the work, and writes into the history that it began and how it ended.
    ///
    /// # Errors
    /// Those of the work.
    pub fn run(
        self,
        journal: Option<&Journal>,
        output: &Output,
        work: impl FnOnce(&Job) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        self.run_then(journal, output, work, |_, done| done)
    }

    /// The same, and then something that knows how it ended, whose answer is the answer.
    ///
    /// # Errors
    /// Those of `then`.
    pub fn run_then(
        mut self,
        journal: Option<&Journal>,
        output: &Output,
        work: impl FnOnce(&Job) -> Result<Exit, Failure>,
        then: impl FnOnce(&Entry, Result<Exit, Failure>) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        self.journal = journal.cloned();
        self.known = self.journal.clone().or(self.known);
        let _at_work = journal.and_then(|journal| {
            self.begin(journal).unwrap_or_else(|error| {
                warn(output, &error);
                None
            })
        });
        let done = work(&self);
        let mut entry = self.entry();
        end(&mut entry, &done, interrupt::asked());
        entry.seconds = Some(self.began.elapsed().as_secs_f64());
        if let Some(error) = journal.and_then(|journal| journal.append(&mut entry).err()) {
            warn(output, &error);
        }
        then(&entry, done)
    }

    /// The line as it is so far.
    #[must_use]
    pub fn entry(&self) -> Entry {
        locked(&self.entry).clone()
    }

    fn begin(&self, journal: &Journal) -> Result<Option<RunLock>, HistoryError> {
        let mut run = [0; 8];
        let random = getrandom::fill(&mut run).map_err(|error| std::io::Error::other(error.to_string()));
        random.map_err(|reason| HistoryError { op: "begin a line in", place: journal.path(), reason })?;
        let run = format!("{:016x}", u64::from_le_bytes(run));
        let lock = journal.at_work(&run)?;
        let host = rustix::system::uname();
        let owner = format!("process {} on {}", std::process::id(), host.nodename().to_string_lossy());
        self.note(|entry| (entry.run, entry.owner) = (run, owner));
        journal.append(&mut locked(&self.entry))?;
        Ok(lock)
    }
}

/// Notes are whole or not made: there is nothing to fear in what a thread that panicked has left.
fn locked(entry: &Mutex<Entry>) -> MutexGuard<'_, Entry> {
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts into a line what a label says.
pub(super) fn label_into(entry: &mut Entry, label: &LabelRecord) {
    entry.set = Some(label.set().to_string());
    entry.label = Some(label.label.clone());
    entry.chain = Some(label.chain().to_string());
    entry.parent = label.parent_set.map(|parent| crate::format::block::SetId(parent).to_string());
    entry.member = Some(label.sequence);
}

/// Kinds of data as the history names them.
pub(super) fn data_words(data: &[DataType]) -> Vec<String> {
    match data {
        [] => vec![TABLES.to_owned()],
        data => data.iter().map(|data| data.name().to_owned()).collect(),
    }
}

/// Makes the line that something began into the one that it ended.
fn end(entry: &mut Entry, done: &Result<Exit, Failure>, interrupted: bool) {
    let unix = jiff::Timestamp::now().as_second();
    entry.event = Event::Ended;
    entry.ended_unix = Some(unix);
    entry.ended = Some(stamp(unix));
    let exit = match done {
        Ok(exit) => *exit,
        Err(failure) => {
            entry.message = Some(failure.message.clone());
            failure.exit
        }
    };
    entry.exit = Some(exit.code());
    entry.outcome = Some(match (entry.outcome, exit) {
        (Some(Outcome::Declined), _) => Outcome::Declined,
        (_, Exit::Done | Exit::Warnings) => Outcome::Finished,
        // Loss is what a salvage is for: it has said it, and all else is written.
        (_, Exit::Damage) if done.is_ok() && entry.kind == Kind::Salvage => Outcome::Finished,
        _ if interrupted => Outcome::Interrupted,
        _ => Outcome::Failed,
    });
}

fn warn(output: &Output, error: &HistoryError) {
    output.warning(&format!("{error}; the work itself is not touched by that (--state-dir says where the history is)"));
}

/// A moment in civil time, in the zone of this machine; in UTC where that is not known.
#[must_use]
pub fn civil(unix: i64) -> Instant {
    open::civil(unix).unwrap_or(Instant(unix))
}

/// The same as text with its seconds, `YYYY-MM-DD HH:MM:SS`.
#[must_use]
pub fn stamp(unix: i64) -> String {
    civil_stamp(civil(unix))
}

/// A civil time with its seconds.
#[must_use]
pub fn civil_stamp(at: Instant) -> String {
    let text = at.to_string();
    if at.0.rem_euclid(60) == 0 { format!("{text}:00") } else { text }
}

/// A database as the history names it: by the whole path of its file, links followed, or by its server and its name there,
/// however it was typed, so that it is the name that volumes have of it.
#[must_use]
pub fn database_name(url: &DatabaseUrl) -> String {
    let path = match url {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(url) => {
            return match open::address(url) {
                Ok(address) => on_server("postgres", &address.server(), &address.name()),
                Err(_) => escape(&url.to_string()).into_owned(),
            };
        }
    };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    // Of a file that is not there its folder may be.
    let real = path.canonicalize().or_else(|error| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => folder.canonicalize().map(|folder| folder.join(name)),
        _ => Err(error),
    });
    format!("sqlite:{}", escape(&real.unwrap_or(path).display().to_string()))
}

/// The name of the database that a set is of, as the history names it; `None` for files alone.
#[must_use]
pub fn database_of_label(label: &LabelRecord) -> Option<String> {
    let (kind, server, database) = (&label.source_store, &label.source_server, &label.source_database);
    match kind.as_str() {
        none::KIND => None,
        "postgres" => Some(on_server(kind, server, database)),
        _ => Some(escape(&format!("{kind}:{database}")).into_owned()),
    }
}

fn on_server(kind: &str, server: &str, database: &str) -> String {
    escape(&format!("{kind}://{server}/{database}")).into_owned()
}

/// A device as the history names it: a folder by its whole path.
#[must_use]
pub fn device_name(device: &DevicePath) -> String {
    match device {
        DevicePath::Path(path) => whole(path),
        DevicePath::Tape(path) => format!("tape:{}", whole(path)),
        DevicePath::Pipe => device.to_string(),
    }
}

fn whole(path: &std::path::Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    escape(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::output::Style;
    use super::super::output::tests::captured;
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal) {
        let place = tempfile::tempdir().unwrap();
        let journal = Journal::new(place.path());
        (place, journal)
    }

    #[test]
    fn a_run_is_written_when_it_begins_and_when_it_ends() {
        let (_place, journal) = journal();
        let (output, _, err) = captured(Style::default());
        let job = Job::new(Kind::Check).devices(&[DevicePath::Path("/b/\u{1b}".into())]);
        let done = job.run(Some(&journal), &output, |job| {
            let entries = journal.read().unwrap().entries;
            assert_eq!((entries.len(), entries[0].event), (1, Event::Begun));
            assert!(journal.is_at_work(&entries[0].run));
            job.note(|entry| entry.rows = Some(7));
            Ok(Exit::Warnings)
        });
        assert_eq!(done, Ok(Exit::Warnings));
        let entries = journal.read().unwrap().entries;
        assert_eq!((entries.len(), entries[1].run == entries[0].run), (2, true));
        let last = &entries[1];
        assert_eq!((last.event, last.outcome, last.exit), (Event::Ended, Some(Outcome::Finished), Some(3)));
        assert_eq!((last.rows, last.devices[0].as_str()), (Some(7), "/b/\\u{1b}"));
        assert!(last.owner.starts_with("process ") && !journal.is_at_work(&last.run));
        assert_eq!(err.text(), "");
    }

    #[test]
    fn a_failure_is_written_with_its_reason_and_passed_on() {
        let (_place, journal) = journal();
        let (output, ..) = captured(Style::default());
        let failure = Failure::new(Exit::Full, "no space");
        let done = Job::new(Kind::Backup).run(Some(&journal), &output, |_| Err(failure.clone()));
        assert_eq!(done, Err(failure));
        let last = journal.read().unwrap().entries.pop().unwrap();
        assert_eq!((last.outcome, last.exit), (Some(Outcome::Failed), Some(8)));
        assert_eq!(last.message.as_deref(), Some("no space"));
        let declined = Job::new(Kind::Restore).run(Some(&journal), &output, |job| {
            job.declined();
            Ok(Exit::Failed)
        });
        assert_eq!(declined, Ok(Exit::Failed));
        assert_eq!(journal.read().unwrap().entries.pop().unwrap().outcome, Some(Outcome::Declined));
    }

    #[test]
    fn a_history_that_cannot_be_written_warns_and_fails_nothing() {
        let (place, _) = journal();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (output, _, err) = captured(Style::default());
        let done = Job::new(Kind::Backup).run(Some(&Journal::new(file.join("below"))), &output, |_| Ok(Exit::Done));
        assert_eq!(done, Ok(Exit::Done));
        assert!(err.text().contains("warning: cannot begin a line in the history "), "{}", err.text());
        assert!(err.text().contains("warning: cannot append to the history "), "{}", err.text());
    }

    #[test]
    fn without_a_history_the_work_is_done_all_the_same() {
        let (output, ..) = captured(Style::default());
        assert_eq!(Job::new(Kind::Backup).run(None, &output, |_| Ok(Exit::Done)), Ok(Exit::Done));
    }
}
