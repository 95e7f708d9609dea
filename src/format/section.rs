//! Sections: one table each. The header carries the schema, so that a reader needs no struct of ours; the end mark
//! carries totals and held ranges, so that a section proves itself without index or catalog.

use super::error::FormatErrorKind;
use super::record::{Record, at_most};
use crate::base::limits::{COLUMNS_MAX, INTERVAL_MINUTES_MAX, NAME_BYTES_MAX, RECORD_ENTRIES_MAX};
use serde::{Deserialize, Serialize};

/// Begins a section; repeated, with the next row's number, on each further volume that the section reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionRecord {
    /// Name of the table at the source.
    pub table: String,
    /// The table's own data type, also where tables were named one by one: one of bits 0 to 4 of
    /// [`super::label::data_types`].
    pub data_type: u32,
    /// Grain id: 0 none, 1 interval, 2 daily, 3 weekly, 4 monthly, 5 event.
    pub grain: u8,
    /// Which columns say when, as the table catalogue of the writer had it; empty for grain none.
    pub clock: ClockEntry,
    /// Number of the column that names the ACD, from 0.
    pub acd_column: Option<u32>,
    /// The columns, in schema order.
    pub columns: Vec<ColumnEntry>,
    /// Number of the row that comes next, from 0 in the section; 0 where the section begins.
    pub first_row: u64,
    /// Number of the chunk that comes next, from 0 in the section.
    pub first_chunk: u64,
    /// Whether the rows of the section come in ascending order of their bucket's day.
    pub ordered: bool,
    /// Minutes of the slots by which event rows are judged covered; 1 to 1,440.
    pub slot_minutes: u32,
    /// Whether the rows describe the state of their server, so that they are restored only onto that server.
    pub server_bound: bool,
    /// Row digest id: 1, see `column::digest`.
    pub digest_id: u16,
    /// Up to when the set speaks, per ACD; ascending by ACD. A dated row of an ACD listed here is *carried*, in no
    /// digest and in no held range, if its span ends after the instant given. Rows of other ACDs are all held.
    pub cutoffs: Vec<CutoffEntry>,
}

/// Up to when a section speaks for one ACD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoffEntry {
    /// The ACD; none for rows that name none.
    pub acd: Option<i64>,
    /// Civil second since 1970-01-01 00:00.
    pub cutoff: i64,
}

/// Clock kinds of a [`ClockEntry`]: (id, name in the specification). Frozen.
pub const CLOCK_KINDS: [(u8, &str); 5] =
    [(0, "none"), (1, "date and HHMM"), (2, "date"), (3, "timestamp"), (4, "epoch seconds")];

/// How the columns of a row say when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockEntry {
    /// Clock kind id: 0 none, 1 date column with HHMM column, 2 date column alone, 3 timestamp column, 4 epoch seconds.
    pub kind: u8,
    /// Number of the date, timestamp or epoch column, from 0.
    pub date_column: u32,
    /// Number of the HHMM column, for kind 1.
    pub time_column: Option<u32>,
    /// Number of the column with the interval's length in minutes; for interval tables this or `length_minutes`.
    pub length_column: Option<u32>,
    /// Minutes of every interval, 1 to [`INTERVAL_MINUTES_MAX`], where no column says it; 0 otherwise.
    pub length_minutes: u32,
    /// Name of the time zone in which epoch seconds are read; empty otherwise.
    pub zone: String,
}

/// One column of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Name at the source.
    pub name: String,
    /// Logical type id.
    pub logical: u16,
    /// First parameter of the logical type: bits, precision or width.
    pub parameter: u32,
    /// Second parameter of the logical type: scale.
    pub parameter2: u32,
    /// Whether the source allows null.
    pub nullable: bool,
    /// The declaration of the type at the source, as written there.
    pub declared: String,
    /// The collation at the source; empty for the default.
    pub collation: String,
}

impl SectionRecord {
    /// Whether the digests of two sections say the same of the same rows: they have the same columns, and the same of them say
    /// when and whose a row is.
    ///
    /// # Errors
    /// What is not the same, in words.
    pub fn compares_with(&self, other: &SectionRecord) -> Result<(), &'static str> {
        let meaning = |header: &SectionRecord| {
            let SectionRecord { grain, clock, acd_column, digest_id, .. } = header;
            (*grain, clock.clone(), *acd_column, *digest_id)
        };
        if self.columns != other.columns {
            return Err("its columns changed");
        }
        if meaning(self) != meaning(other) {
            return Err("the table catalogue reads it in another way");
        }
        Ok(())
    }
}

impl Record for SectionRecord {
    const KIND: u16 = 2;
    const VERSION: u16 = 1;
    const NAME: &'static str = "section header";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        let name_max = u64::from(NAME_BYTES_MAX);
        at_most("table", self.table.len() as u64, name_max)?;
        at_most("zone", self.clock.zone.len() as u64, name_max)?;
        at_most("columns", self.columns.len() as u64, u64::from(COLUMNS_MAX))?;
        at_most("cutoffs", self.cutoffs.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        let own = super::label::data_types::ALL & !super::label::data_types::SPECIFIC;
        if self.data_type.count_ones() != 1 || self.data_type & !own != 0 {
            let allowed = "one of the data-type bits 0 to 4";
            return Err(FormatErrorKind::Field { field: "data_type", found: u64::from(self.data_type), allowed });
        }
        if self.grain > 5 {
            return Err(FormatErrorKind::Field { field: "grain", found: u64::from(self.grain), allowed: "0 to 5" });
        }
        self.clock.validate(self.grain)?;
        if !(1..=1_440).contains(&self.slot_minutes) {
            let allowed = "1 to 1,440";
            return Err(FormatErrorKind::Field { field: "slot_minutes", found: u64::from(self.slot_minutes), allowed });
        }
        if self.digest_id != 1 {
            let allowed = "1";
            return Err(FormatErrorKind::Field { field: "digest_id", found: u64::from(self.digest_id), allowed });
        }
        if !self.cutoffs.is_sorted_by(|one, next| one.acd < next.acd) {
            let (found, allowed) = (self.cutoffs.len() as u64, "ascending by ACD, each once");
            return Err(FormatErrorKind::Field { field: "cutoffs", found, allowed });
        }
        self.validate_columns()
    }
}

impl SectionRecord {
    fn validate_columns(&self) -> Result<(), FormatErrorKind> {
        let name_max = u64::from(NAME_BYTES_MAX);
        let count = self.columns.len() as u64;
        let dated = (self.clock.kind != 0).then_some(self.clock.date_column);
        let named = [dated, self.clock.time_column, self.clock.length_column, self.acd_column];
        for column in named.into_iter().flatten() {
            if u64::from(column) >= count {
                let allowed = "less than the number of columns";
                return Err(FormatErrorKind::Field { field: "column number", found: u64::from(column), allowed });
            }
        }
        for column in &self.columns {
            at_most("column name", column.name.len() as u64, name_max)?;
            at_most("declared", column.declared.len() as u64, name_max)?;
            at_most("collation", column.collation.len() as u64, name_max)?;
        }
        Ok(())
    }
}

impl ClockEntry {
    fn validate(&self, grain: u8) -> Result<(), FormatErrorKind> {
        let refuse =
            |field, found: bool, allowed| Err(FormatErrorKind::Field { field, found: u64::from(found), allowed });
        if CLOCK_KINDS.iter().all(|(id, _)| *id != self.kind) {
            let found = u64::from(self.kind);
            return Err(FormatErrorKind::Field { field: "clock kind", found, allowed: "0 to 4" });
        }
        if (self.kind == 0) != (grain == 0) {
            let found = u64::from(self.kind);
            return Err(FormatErrorKind::Field { field: "clock kind", found, allowed: "0 exactly for grain none" });
        }
        if self.time_column.is_some() != (self.kind == 1) {
            return refuse("time_column", self.time_column.is_some(), "given exactly for clock kind 1");
        }
        if self.length_column.is_some() && grain != 1 {
            return refuse("length_column", true, "given only for grain interval");
        }
        let fixed = grain == 1 && self.length_column.is_none();
        let allowed = if fixed { 1..=INTERVAL_MINUTES_MAX } else { 0..=0 };
        if !allowed.contains(&i64::from(self.length_minutes)) {
            let allowed = "1 to 1,440 for grain interval without length_column, else 0";
            let found = u64::from(self.length_minutes);
            return Err(FormatErrorKind::Field { field: "length_minutes", found, allowed });
        }
        if self.zone.is_empty() != (self.kind != 4) {
            return refuse("zone", !self.zone.is_empty(), "given exactly for clock kind 4");
        }
        Ok(())
    }
}

/// Ends a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionEndRecord {
    /// Rows in the section, carried ones included.
    pub rows: u64,
    /// Chunks in the section.
    pub chunks: u64,
    /// Distinct buckets in the section.
    pub buckets: u64,
    /// Sum (modulo 2^128, little-endian) of the digests of all buckets.
    pub digest: [u8; 16],
    /// The time for which the set speaks, per ACD; ascending by ACD, then by start.
    pub held: Vec<HeldEntry>,
    /// The time for which a full set taken at the same moment would speak, in the same order. In a set that is not
    /// incremental the same as `held`.
    pub envelope: Vec<HeldEntry>,
    /// What the set that this one was salvaged from had of the section and this one has not; none if it has all.
    pub lost: Option<Losses>,
}

/// What a salvaged section lacks. Whoever reads it takes none of this for known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Whether nobody knows for which time the section spoke: for any that it does not hold.
    pub any_time: bool,
    /// The time for which the section spoke and does no longer, in the order of held ranges; empty with `any_time`.
    pub time: Vec<HeldEntry>,
    /// The ACDs whose undated rows are all there, ascending, none first. Those of others are not.
    pub undated: Vec<Option<i64>>,
    /// Numbers of the rows before which rows are missing, ascending; that behind the last row where they are missing there.
    pub gaps: Vec<u64>,
}

impl Losses {
    /// Whether rows are among what is lost; else it is only the list of what an incremental set left unwritten.
    #[must_use]
    pub const fn has_rows(&self) -> bool {
        self.any_time || !self.time.is_empty() || !self.gaps.is_empty()
    }
}

/// A held range: the set speaks for all rows of this ACD whose span lies wholly in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEntry {
    /// The ACD; none for rows that name none.
    pub acd: Option<i64>,
    /// First second, civil, since 1970-01-01.
    pub start: i64,
    /// First second after it.
    pub stop: i64,
}

impl Record for SectionEndRecord {
    const KIND: u16 = 3;
    const VERSION: u16 = 1;
    const NAME: &'static str = "section end";

    fn validate(&self) -> Result<(), FormatErrorKind> {
        validate_ranges("held ranges", "held stop", &self.held)?;
        validate_ranges("envelope", "envelope stop", &self.envelope)?;
        let Some(lost) = &self.lost else { return Ok(()) };
        validate_ranges("lost time", "stop of lost time", &lost.time)?;
        if lost.any_time && !lost.time.is_empty() {
            let (found, allowed) = (lost.time.len() as u64, "nothing where any time may be lost");
            return Err(FormatErrorKind::Field { field: "lost time", found, allowed });
        }
        at_most("undated", lost.undated.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        if !lost.undated.is_sorted_by(|one, next| one < next) {
            let (found, allowed) = (lost.undated.len() as u64, "ascending by ACD, each once");
            return Err(FormatErrorKind::Field { field: "undated", found, allowed });
        }
        at_most("gaps", lost.gaps.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
        if !lost.gaps.is_sorted_by(|one, next| one < next) || lost.gaps.last().is_some_and(|last| *last > self.rows) {
            let (found, allowed) = (lost.gaps.len() as u64, "ascending, none behind the last row");
            return Err(FormatErrorKind::Field { field: "gaps", found, allowed });
        }
        Ok(())
    }
}

fn validate_ranges(list: &'static str, stop: &'static str, ranges: &[HeldEntry]) -> Result<(), FormatErrorKind> {
    at_most(list, ranges.len() as u64, u64::from(RECORD_ENTRIES_MAX))?;
    if ranges.iter().any(|range| range.start >= range.stop) {
        return Err(FormatErrorKind::Field { field: stop, found: 0, allowed: "after its start" });
    }
    let in_order = |one: &HeldEntry, next: &HeldEntry| (one.acd, one.stop) <= (next.acd, next.start);
    if !ranges.is_sorted_by(in_order) {
        let (found, allowed) = (ranges.len() as u64, "ascending by ACD and start, none over another");
        return Err(FormatErrorKind::Field { field: list, found, allowed });
    }
    Ok(())
}
