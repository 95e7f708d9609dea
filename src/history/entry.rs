//! One line of the history: what began or ended, as JSON. Fields may be added, none changes its meaning; what a line does
//! not say is none.

use serde::{Deserialize, Serialize};

/// Version of the lines that are written. Lines of a later one are left alone.
pub const VERSION: u32 = 1;
/// Longest line that is written or read, in bytes, its end included.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Longest text in a line, in characters; longer ones are cut.
const TEXT_CHARS_MAX: usize = 1_000;
/// Stands in place of kinds of data for tables that were named one by one.
pub const TABLES: &str = "tables";
/// The kind of data that files are, and tables that no catalogue lists.
pub const CUSTOM: &str = "custom";
/// Most texts in a list of a line; further ones are left out.
pub const LIST_MAX: usize = 500;

/// What was at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A backup.
    Backup,
    /// A restore.
    Restore,
    /// A restore was taken back.
    Undo,
    /// Volumes were verified.
    Check,
    /// Sets were removed from a device.
    Prune,
    /// New sets were made of what is intact of damaged ones.
    Salvage,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Backup => "backup",
            Kind::Restore => "restore",
            Kind::Undo => "undo",
            Kind::Check => "check",
            Kind::Prune => "prune",
            Kind::Salvage => "salvage",
        }
    }
}

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It began.
    Begun,
    /// It ended; the line has all that was known when it began, too.
    Ended,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done, perhaps with warnings.
    Finished,
    /// Not done, or with damage found.
    Failed,
    /// It was cut off: by a signal, a power cut.
    Interrupted,
    /// A person saw what it would do and said no.
    Declined,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Finished => "finished",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
            Outcome::Declined => "declined",
        }
    }
}

/// Where copies of sets lay that were judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The sets, each of which lay so.
    pub sets: Vec<String>,
    /// What was there of each, device by device.
    pub copies: Vec<Copies>,
}

/// Volumes of a set that were judged on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The device, as [`Entry::devices`] names it.
    pub device: String,
    /// How many files with a volume of the set were there.
    pub volumes: u64,
}

/// A line of the history.
///
/// ```
/// use intervault::history::entry::{Entry, Event, Kind};
/// let entry = Entry::begun(Kind::Backup, 1_700_000_000, "2023-11-14 23:13:20");
/// let line = entry.to_line();
/// assert!(line.ends_with("}\n"));
/// let back = Entry::from_line(line.trim_end().as_bytes()).unwrap();
/// assert_eq!((back.event, back.kind), (Event::Begun, Kind::Backup));
/// assert_eq!(back, entry);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the line.
    pub version: u32,
    /// Number of the line, from 1: the order of the history. Given when it is appended.
    pub sequence: u64,
    /// What the lines of one run have in common: 16 hexadecimal digits.
    pub run: String,
    /// Whether it began or ended.
    pub event: Event,
    /// What it was.
    pub kind: Kind,
    /// When it began, in seconds since 1970-01-01 00:00 UTC.
    pub began_unix: i64,
    /// The same in civil time, `YYYY-MM-DD HH:MM:SS`.
    pub began: String,
    /// When it ended, in seconds since 1970-01-01 00:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_unix: Option<i64>,
    /// The same in civil time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The exit status that it ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// The process that was at work, and its machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// The database, by the whole path of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Of a backup the kinds of data that were asked for, or [`TABLES`]; empty if it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    /// The one ACD that was asked for; all of them if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acd: Option<i64>,
    /// The devices, as they were given; folders by their whole path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// The set: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The set that begins its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The set that it builds on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Its number in the chain, 0 for a full one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<u32>,
    /// Rows written, or deleted and inserted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes written, or for a prune those set free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Volumes written or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<u64>,
    /// Seconds that it took, by a clock that nobody sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Whether what was written was read back and proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// How deep a check read: `index`, `blocks` or `rows`; none if it only listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<String>,
    /// Whether a check was asked for a part only, or for one set of several.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// Sets that a check has read and proved whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proved: Vec<String>,
    /// Sets in which a check has found damage; volumes that are not here are no damage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faulty: Vec<String>,
    /// Where the copies lay that a check judged, of all sets that it proved or found damaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<Judged>,
    /// Sets that a prune has removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// What failed, or what should be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the line was made up from volumes, when the history was rebuilt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebuilt: bool,
}

impl Entry {
    /// The line for something that begins now. It has no number yet, and no run.
    #[must_use]
    pub fn begun(kind: Kind, began_unix: i64, began: &str) -> Entry {
        Entry {
            version: VERSION,
            sequence: 0,
            run: String::new(),
            event: Event::Begun,
            kind,
            began_unix,
            began: began.to_owned(),
            ended_unix: None,
            ended: None,
            outcome: None,
            exit: None,
            owner: String::new(),
            database: None,
            data: Vec::new(),
            acd: None,
            devices: Vec::new(),
            set: None,
            label: None,
            chain: None,
            parent: None,
            member: None,
            rows: None,
            bytes: None,
            volumes: None,
            seconds: None,
            verified: None,
            depth: None,
            part: false,
            proved: Vec::new(),
            faulty: Vec::new(),
            judged: Vec::new(),
            removed: Vec::new(),
            message: None,
            rebuilt: false,
        }
    }

    /// Notes where the copies of a set lay that was judged. Nothing, where that is not known.
    pub fn judge(&mut self, set: &str, copies: Vec<Copies>) {
        if copies.is_empty() {
            return;
        }
        match self.judged.iter_mut().find(|judged| judged.copies == copies) {
            Some(judged) => judged.sets.push(set.to_owned()),
            None => self.judged.push(Judged { sets: vec![set.to_owned()], copies }),
        }
    }

    /// The line as it is written, with its end. Texts and lists that are too long are cut, so that it is never longer than
    /// [`LINE_BYTES_MAX`].
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut entry = self.clone();
        let texts = [&mut entry.database, &mut entry.label, &mut entry.message, &mut entry.set];
        texts.into_iter().flatten().for_each(clip);
        [&mut entry.chain, &mut entry.parent, &mut entry.ended, &mut entry.depth].into_iter().flatten().for_each(clip);
        [&mut entry.run, &mut entry.began, &mut entry.owner].into_iter().for_each(clip);
        let lists = [&mut entry.data, &mut entry.devices, &mut entry.proved, &mut entry.faulty, &mut entry.removed];
        for list in lists {
            list.truncate(LIST_MAX);
            list.iter_mut().for_each(clip);
        }
        entry.judged.iter_mut().for_each(|judged| judged.sets.truncate(LIST_MAX));
        // Cut names are those of other devices.
        entry.judged.retain(|judged| judged.copies.iter().all(|copies| entry.devices.contains(&copies.device)));
        let whole = line(&entry);
        if whole.len() <= LINE_BYTES_MAX {
            return whole;
        }
        // Without it more damage stands than need be, never less.
        entry.judged.clear();
        let line = line(&entry);
        if line.len() <= LINE_BYTES_MAX {
            return line;
        }
        // Only devices have names of any length; the lists of sets are short.
        entry.devices.truncate(1);
        // A proof holds for all the devices together.
        entry.proved.clear();
        line_within(entry)
    }

    /// Reads a line without its end.
    ///
    /// # Errors
    /// It is no line of this version; the text says why.
    pub fn from_line(line: &[u8]) -> Result<Entry, String> {
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("it has more than {LINE_BYTES_MAX} bytes"));
        }
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let versioned: Versioned =
            serde_json::from_slice(line).map_err(|error| format!("no line of a history: {error}"))?;
        if versioned.version != VERSION {
            return Err(format!("it has version {}, this release knows {VERSION}", versioned.version));
        }
        serde_json::from_slice(line).map_err(|error| format!("no line of a history: {error}"))
    }
}

fn clip(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(at);
    }
}

fn line(entry: &Entry) -> String {
    // A struct of numbers and texts is always JSON; the empty line that would follow otherwise is skipped by readers.
    let mut line = serde_json::to_string(entry).unwrap_or_default();
    line.push('\n');
    line
}

fn line_within(mut entry: Entry) -> String {
    let made = line(&entry);
    if made.len() <= LINE_BYTES_MAX {
        return made;
    }
    let texts = [&mut entry.database, &mut entry.label, &mut entry.message];
    texts.into_iter().for_each(|text| *text = None);
    entry.devices.clear();
    line(&entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Entry {
        Entry {
            event: Event::Ended,
            outcome: Some(Outcome::Finished),
            exit: Some(0),
            seconds: Some(1.5),
            verified: Some(true),
            devices: vec!["/backup/a".to_owned()],
            message: Some("line\nbreak \u{1b}[2J \u{202e}".to_owned()),
            ..Entry::begun(Kind::Backup, -5, "1969-12-31 23:59:55")
        }
    }

    #[test]
    fn a_line_is_one_line_and_reads_back() {
        let line = full().to_line();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert_eq!(Entry::from_line(line.trim_end().as_bytes()), Ok(full()));
        assert!(!line.contains("parent"), "what is not known is not written: {line}");
    }

    #[test]
    fn nothing_makes_a_line_too_long() {
        let long = "\u{1}".repeat(100_000);
        let many = vec![long.clone(); 1_000];
        let entry = Entry {
            database: Some(long.clone()),
            message: Some(long.clone()),
            label: Some(long),
            devices: many,
            removed: vec!["0".repeat(32); 1_000],
            proved: vec!["0".repeat(32); 1_000],
            faulty: vec!["0".repeat(32); 1_000],
            judged: vec![
                Judged {
                    sets: vec!["0".repeat(32); 1_000],
                    copies: vec![Copies { device: "/backup/a".to_owned(), volumes: u64::MAX }; 1_000],
                };
                1_000
            ],
            ..full()
        };
        let line = entry.to_line();
        assert!(line.len() <= LINE_BYTES_MAX, "{}", line.len());
        let back = Entry::from_line(line.trim_end().as_bytes()).unwrap();
        assert_eq!((back.removed.len(), back.outcome), (LIST_MAX, Some(Outcome::Finished)));
    }

    #[test]
    fn fields_that_are_added_later_are_no_trouble_and_other_versions_are() {
        let line = full().to_line().replacen('{', "{\"later\":[1,2],", 1);
        assert_eq!(Entry::from_line(line.trim_end().as_bytes()), Ok(full()));
        let newer = line.replace("\"version\":1", "\"version\":2");
        assert!(Entry::from_line(newer.trim_end().as_bytes()).unwrap_err().contains("version 2"));
        for foreign in
            ["", "{}", "null", "[1]", "{\"version\":\"1\"}", "{\"version\":1}", "\u{0}\u{0}", "{\"version\":1"]
        {
            assert!(Entry::from_line(foreign.as_bytes()).is_err(), "{foreign:?}");
        }
        assert!(Entry::from_line(&vec![b' '; LINE_BYTES_MAX + 1]).unwrap_err().contains("bytes"));
    }
}
