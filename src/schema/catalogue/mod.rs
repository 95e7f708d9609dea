//! The table catalogue: which tables there are and what their rows mean. The CMS one is built in; a user's TOML replaces
//! or extends it. Nothing else in the engine knows a table by name. Knows no database: a table's columns are handed to
//! [`Entry::bind`].
//!
//! # A database that is no CMS
//! Any database of time-bucketed rows works by writing such a file, here for a web shop. Without `extends = "cms"` it
//! stands alone.
//!
//! ```
//! use intervault::schema::catalogue::Catalogue;
//! use intervault::schema::grain::Grain;
//!
//! let catalogue = Catalogue::parse(r#"
//!     [[table]]
//!     name = "page_views"                     # a row per page and interval, whose length the row says
//!     data = "historical"                     # local, system, acd, historical or custom
//!     grain = "interval"                      # none, interval, daily, weekly, monthly or event
//!     time = [{ timestamp = "begins_at", length = "minutes" }]
//!     acd = ["site_id"]                       # what divides the table: a number; absent if nothing does
//!
//!     [[table]]
//!     name = "server_load"                    # every row stands for five minutes, and none says so
//!     data = "historical"
//!     grain = "interval"
//!     time = [{ timestamp = "begins_at", length_minutes = 5 }]
//!
//!     [[table]]
//!     name = "page_views_daily"
//!     data = "historical"
//!     grain = "daily"
//!     time = [{ date = "day" }]
//!     acd = ["site_id"]
//!     roll_up = "views"                       # how it follows from the table above
//!     from = "page_views"
//!
//!     [[table]]
//!     name = "orders"                         # events, in seconds since 1970, read in a zone
//!     data = "historical"
//!     grain = "event"
//!     time = [{ epoch = "placed_at", zone = "Europe/Berlin" }, { timestamp = "placed" }]
//!     event_slot_minutes = 60                 # an order is missing if its hour has no order at all
//!
//!     [[table]]
//!     name = "pages"                          # no grain: replaced whole
//!     data = "system"
//!
//!     [[path]]
//!     name = "/srv/shop/templates"
//!     data = "custom"
//!
//!     [roll_up.views]
//!     key = ["site_id", "page", "day"]
//!     skip = ["begins_at", "minutes"]
//!     max = ["max_*"]
//!     default = "sum"
//! "#)?;
//! assert_eq!(catalogue.entries().len(), 6);
//! assert_eq!(catalogue.get("PAGE_VIEWS").unwrap().grain(), Grain::Interval);
//! # Ok::<(), intervault::schema::catalogue::CatalogueError>(())
//! ```
//!
//! `time` is a list of alternatives and `acd` a list of names: the first that the table has is taken, so that one entry
//! serves several releases of a database. A `time` is one of
//!
//! - `date` (text `YYYY-MM-DD`), for intervals and events mostly with `time` (a number HHMM);
//! - `timestamp` (text `YYYY-MM-DD HH:MM[:SS[.fraction]]`, civil time);
//! - `epoch` (seconds since 1970-01-01 00:00 UTC) with `zone` (an IANA name);
//!
//! and, for intervals, either `length`, a column of minutes, or `length_minutes`, the minutes of every row: 1 to 1,440 both
//! ways. `[archive_status]` names a table that says up to when
//! each ACD was archived, see [`ArchiveStatus`]. A file with `extends = "cms"` begins with the built-in catalogue: entries
//! of the same name (ASCII case ignored) replace it whole, others are added, `remove = ["name"]` takes entries out.
//!
//! A table that is not listed is custom data, replaced whole, and belongs to a backup of everything. One that was taken out
//! does not, nor one that `leave_out = ["scratch"]` names; both are backed up only when they are named.

mod archive;
mod bind;
mod file;
mod roll_up;
#[cfg(test)]
mod tests;

pub use archive::{ArchiveReader, ArchiveStatus};
pub use bind::{BindError, BindProblem};
pub use file::CatalogueError;
pub use roll_up::{RollUp, RollUpRules};

use super::grain::{DataType, Grain};
use super::table::{BoundTable, TableSchema};
use std::collections::{BTreeMap, BTreeSet};

/// Minutes of an event slot where an entry says nothing.
pub const EVENT_SLOT_MINUTES: u32 = 30;

/// A table catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    entries: Vec<Entry>,
    /// Where an entry stands, by its name in lower case.
    places: BTreeMap<String, usize>,
    /// Tables that stay out of every backup that does not name them, in lower case; none of them has an entry.
    left_out: BTreeSet<String>,
    roll_ups: BTreeMap<String, RollUpRules>,
    archive_status: Option<ArchiveStatus>,
}

/// One table or path of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the table, or the path.
    pub name: String,
    /// The data type that it belongs to.
    pub data_type: DataType,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A table.
    Table(TableEntry),
    /// A file or directory of the server.
    Path,
}

/// What the rows of a table mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// How much time a row stands for.
    pub grain: Grain,
    /// Which columns say when: alternatives, the first that the table has is taken. Empty exactly for [`Grain::None`].
    pub times: Vec<TimeColumns>,
    /// Names of the ACD column: alternatives. Empty: the table has none.
    pub acd: Vec<String>,
    /// Whether the rows describe the state of their server.
    pub server_state: bool,
    /// Minutes of an event slot.
    pub event_slot_minutes: u32,
    /// Name of the rules by which rows are rolled up into this table.
    pub roll_up: Option<String>,
    /// The table that it is rolled up from.
    pub from: Option<String>,
}

/// Columns that say when a row was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumns {
    /// Where the row's time begins.
    pub start: StartColumns,
    /// How long rows last; given exactly for intervals.
    pub length: Option<RowLength>,
}

/// How long the rows of an interval table last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowLength {
    /// As many minutes as the column of this name says.
    Column(String),
    /// All rows as many minutes: 1 to [`crate::base::limits::INTERVAL_MINUTES_MAX`].
    Minutes(u32),
}

/// Columns that say when a row begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of columns; what they hold is said in the module above")]
pub enum StartColumns {
    /// A date, and a time of day as a number HHMM.
    DateHhmm { date: String, time: String },
    /// A date alone.
    Date { date: String },
    /// A civil timestamp.
    Timestamp { timestamp: String },
    /// Epoch seconds, read in a zone.
    Epoch { epoch: String, zone: String },
}

impl Catalogue {
    /// The text of the built-in catalogue, with the reasons for its choices.
    pub const BUILTIN_TOML: &'static str = include_str!("../cms.toml");

    /// The built-in catalogue: all items of a full maintenance backup of a CMS.
    ///
    /// ```
    /// use intervault::schema::catalogue::Catalogue;
    /// let catalogue = Catalogue::builtin();
    /// assert_eq!(catalogue.entries().len(), 109);
    /// assert_eq!(catalogue.entries().iter().filter(|entry| entry.is_path()).count(), 12);
    /// ```
    #[must_use]
    pub fn builtin() -> Catalogue {
        // A test reads the text and finds no error.
        file::parse(Self::BUILTIN_TOML).unwrap_or_default()
    }

    /// Reads a catalogue from TOML.
    ///
    /// # Errors
    /// What cannot be read or makes no sense, with its line and field.
    pub fn parse(toml: &str) -> Result<Catalogue, CatalogueError> {
        file::parse(toml)
    }

    /// The catalogue as TOML that reads back equal.
    #[must_use]
    pub fn to_toml(&self) -> String {
        file::write(self)
    }

    /// All entries, in the order in which they were written.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a table or path; ASCII case is ignored.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.places.get(&name.to_ascii_lowercase())?)
    }

    /// Whether a table stays out of every backup that does not name it; ASCII case is ignored.
    #[must_use]
    pub fn leaves_out(&self, name: &str) -> bool {
        self.left_out.contains(&name.to_ascii_lowercase())
    }

    /// Replaces the entry of the same name, or adds one at the end.
    fn put(&mut self, entry: Entry) {
        let end = self.entries.len();
        self.left_out.remove(&entry.name.to_ascii_lowercase());
        let place = *self.places.entry(entry.name.to_ascii_lowercase()).or_insert(end);
        match self.entries.get_mut(place) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Takes out entries, given in lower case. They stay out.
    fn remove(&mut self, names: BTreeSet<String>) {
        let entries = std::mem::take(&mut self.entries);
        self.places.clear();
        for entry in entries.into_iter().filter(|entry| !names.contains(&entry.name.to_ascii_lowercase())) {
            self.put(entry);
        }
        self.left_out.extend(names);
    }

    /// Where the database says up to when it was archived, if it does.
    #[must_use]
    pub fn archive_status(&self) -> Option<&ArchiveStatus> {
        self.archive_status.as_ref()
    }

    /// The rules by which a table is rolled up from [`TableEntry::from`].
    #[must_use]
    pub fn roll_up(&self, entry: &Entry) -> Option<&RollUpRules> {
        let EntryKind::Table(table) = &entry.kind else { return None };
        self.roll_ups.get(table.roll_up.as_ref()?)
    }

    /// A table with what the catalogue says of it. One that is not listed is custom data, replaced whole.
    ///
    /// # Errors
    /// As [`Entry::bind`].
    pub fn bind(&self, schema: &TableSchema) -> Result<BoundTable, BindError> {
        match self.get(&schema.name) {
            Some(entry) => entry.bind(schema),
            None => Entry::whole(&schema.name).bind(schema),
        }
    }
}

impl Entry {
    /// The entry of a table of which nothing is known: custom data, replaced whole.
    #[must_use]
    pub fn whole(name: &str) -> Entry {
        let table = TableEntry {
            grain: Grain::None,
            times: Vec::new(),
            acd: Vec::new(),
            server_state: false,
            event_slot_minutes: EVENT_SLOT_MINUTES,
            roll_up: None,
            from: None,
        };
        Entry { name: name.to_owned(), data_type: DataType::Custom, kind: EntryKind::Table(table) }
    }

    /// Whether it is a path of the server, not a table.
    #[must_use]
    pub const fn is_path(&self) -> bool {
        matches!(self.kind, EntryKind::Path)
    }

    /// The grain; none for paths.
    #[must_use]
    pub const fn grain(&self) -> Grain {
        match &self.kind {
            EntryKind::Table(table) => table.grain,
            EntryKind::Path => Grain::None,
        }
    }

    /// The table with names resolved to column numbers. The first alternative all of whose columns exist, with types that
    /// can hold what the catalogue says, is taken.
    ///
    /// A table without grain whose ACD column is missing is bound without one: it is the same for all ACDs. A table with
    /// rows in time must have the ACD column that its entry names: without it a restore would take all ACDs for one.
    ///
    /// # Errors
    /// No alternative fits; the entry is a path.
    pub fn bind(&self, schema: &TableSchema) -> Result<BoundTable, BindError> {
        bind::bind(self, schema)
    }
}
