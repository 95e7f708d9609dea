//! What `check` lists beside sets and tables, and what it compares.

use crate::base::time::Span;
use crate::cli::failure::Failure;
use crate::cli::parse::{self, DatabaseUrl, DevicePath};
use crate::schema::range::Request;
use clap::Args;

/// Arguments of `check` that ask for more than its list.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// List the label of each volume
    #[arg(long, conflicts_with = "verify")]
    pub labels: bool,
    /// List the sections: columns and types, order, cutoffs, the time they speak for
    #[arg(long, conflicts_with = "verify")]
    pub sections: bool,
    /// List the blocks of each volume: number, kind, section, place, bytes
    #[arg(long, conflicts_with = "verify")]
    pub blocks: bool,
    /// List the chunks: rows, times, ACDs, encodings and sizes; and how each column is stored; each chunk is read
    #[arg(long, conflicts_with = "verify")]
    pub chunks: bool,
    /// Show of which days, weeks and months there is anything, and what is missing between the first and the last
    #[arg(long, conflicts_with = "verify")]
    pub coverage: bool,
    /// With --coverage: read the times of all rows of interval tables, and say of which intervals between the first and the last
    /// row of an ACD there is none; the time of day at which no day has a row is told once, and the hour that clocks skip (in
    /// the zone of this machine, or TZ) is no gap
    #[arg(long, requires = "coverage")]
    pub exact: bool,
    /// Compare with a database (sqlite:PATH, postgresql://…), or with the set on another device
    #[arg(long, value_name = "URL|DEVICE", value_parser = against, conflicts_with = "verify")]
    pub against: Option<Against>,
    /// Compare with this set, on the device of --against or on the same
    #[arg(long, value_name = "ID", value_parser = parse::set_id, conflicts_with = "verify")]
    pub against_set: Option<String>,
    /// These tables only
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse::table, conflicts_with = "verify")]
    pub tables: Vec<String>,
    /// One ACD only
    #[arg(long, value_name = "N", value_parser = parse::acd, allow_negative_numbers = true, conflicts_with = "verify")]
    pub acd: Option<i64>,
    /// First minute, or a day: nothing before it is listed or compared
    #[arg(long, value_name = "TIME", conflicts_with = "verify")]
    pub start: Option<String>,
    /// Last minute, or a day
    #[arg(long, value_name = "TIME", conflicts_with = "verify")]
    pub stop: Option<String>,
}

/// What a set is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A database.
    Database(DatabaseUrl),
    /// The set on a device.
    Device(DevicePath),
}

fn against(text: &str) -> Result<Against, String> {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("sqlite" | "postgres" | "postgresql") => parse::database(text).map(Against::Database),
        _ => match parse::device(text)? {
            DevicePath::Pipe => {
                Err("a comparison reads its sets here and there: name a folder, a file or a tape".to_owned())
            }
            device => Ok(Against::Device(device)),
        },
    }
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Labels of volumes.
    Labels,
    /// Sections.
    Sections,
    /// Blocks.
    Blocks,
    /// Chunks.
    Chunks,
    /// Which time is there.
    Coverage,
}

/// What `check` lists beside sets and tables, of what, and what it compares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// What is listed, in this order.
    pub what: Vec<Listing>,
    /// Whether the times of rows are read for coverage.
    pub exact: bool,
    /// With what sets are compared.
    pub against: Option<Against>,
    /// 4 to 32 hexadecimal digits of the id of the set that is compared with.
    pub against_set: Option<String>,
    /// Tables, as they are written in any case; all if empty.
    pub tables: Vec<String>,
    /// The only ACD.
    pub acd: Option<i64>,
    /// The time in question; `None` for all, rows without a time too.
    pub window: Option<Span>,
}

impl ListOptions {
    /// Whether nothing is asked for beside the usual list.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == ListOptions::default()
    }

    /// Whether a comparison is asked for.
    #[must_use]
    pub const fn compares(&self) -> bool {
        self.against.is_some() || self.against_set.is_some()
    }

    /// Whether a part is chosen of what is listed or compared: tables, an ACD, a time.
    #[must_use]
    pub const fn chooses(&self) -> bool {
        !self.tables.is_empty() || self.narrows()
    }

    /// Whether a part of the rows of a table is chosen: an ACD, a time.
    #[must_use]
    pub const fn narrows(&self) -> bool {
        self.acd.is_some() || self.window.is_some()
    }

    /// Whether a table is meant.
    #[must_use]
    pub fn has_table(&self, name: &str) -> bool {
        self.tables.is_empty() || self.tables.iter().any(|table| table.eq_ignore_ascii_case(name))
    }

    /// Whether an ACD is meant.
    #[must_use]
    pub fn has_acd(&self, acd: Option<i64>) -> bool {
        self.acd.is_none_or(|only| acd == Some(only))
    }

    /// Whether a time is meant; what has none is, unless a time is asked for.
    #[must_use]
    pub fn has_time(&self, time: Option<Span>) -> bool {
        self.window.is_none_or(|window| time.is_some_and(|time| time.meets(window)))
    }
}

impl ListArgs {
    /// The options.
    ///
    /// # Errors
    /// Times that are none or in the wrong order; a selection of which nothing is asked.
    pub fn options(&self) -> Result<ListOptions, Failure> {
        let asked = [
            (self.labels, Listing::Labels),
            (self.sections, Listing::Sections),
            (self.blocks, Listing::Blocks),
            (self.chunks, Listing::Chunks),
            (self.coverage, Listing::Coverage),
        ];
        let what: Vec<Listing> = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, what)| what).collect();
        let request = Request::parse(self.start.as_deref(), self.stop.as_deref());
        let request = request.map_err(|error| Failure::usage(error.to_string()))?;
        let options = ListOptions {
            what,
            exact: self.exact,
            against: self.against.clone(),
            against_set: self.against_set.clone(),
            tables: self.tables.clone(),
            acd: self.acd,
            window: request.span().filter(|_| !request.is_unbounded()),
        };
        if options.chooses() && options.what.is_empty() && !options.compares() {
            let hint = "--sections, --chunks and --coverage list them, --against compares them";
            return Err(Failure::usage("tables, an ACD or a time are chosen, and nothing of them is asked").hint(hint));
        }
        if options.compares() && !options.what.is_empty() {
            return Err(Failure::usage("a comparison lists nothing else: ask for one of both"));
        }
        Ok(options)
    }
}
