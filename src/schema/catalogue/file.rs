//! The catalogue as TOML: read with the line of whatever is wrong, written so that it reads back equal.

use super::roll_up::RollUpRules;
use super::{
    ArchiveStatus, Catalogue, EVENT_SLOT_MINUTES, Entry, EntryKind, RowLength, StartColumns, TableEntry, TimeColumns,
};
use crate::base::limits::{INTERVAL_MINUTES_MAX, NAME_BYTES_MAX, SECTIONS_MAX};
use crate::schema::grain::{DataType, Grain};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// A table catalogue that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table catalogue{}: {message}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct CatalogueError {
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, with the name of the entry and the field, and what to write instead.
    pub message: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    extends: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remove: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leave_out: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_status: Option<ArchiveFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    roll_up: BTreeMap<String, RollUpRules>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    table: Vec<Spanned<TableFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<Spanned<PathFile>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveFile {
    table: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    acd: Option<String>,
    date: String,
    time: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    name: String,
    data: DataType,
    #[serde(skip_serializing_if = "Option::is_none")]
    grain: Option<Grain>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    time: Vec<TimeFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    acd: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    server_state: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_slot_minutes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roll_up: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length_minutes: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathFile {
    name: String,
    data: DataType,
}

pub(super) fn parse(text: &str) -> Result<Catalogue, CatalogueError> {
    let line = |at: usize| {
        let before = text.as_bytes().get(..at).unwrap_or_default();
        Some(before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1))
    };
    let file: File = toml::from_str(text).map_err(|error| CatalogueError {
        line: error.span().and_then(|span| line(span.start)),
        message: error.message().to_owned(),
    })?;
    let mut catalogue = match file.extends.as_deref() {
        None => Catalogue::default(),
        Some("cms") => Catalogue::builtin(),
        Some(other) => return Err(general(format!("extends = \"{other}\": only \"cms\" is built in"))),
    };
    if let Some(name) = file.remove.iter().find(|name| catalogue.get(name).is_none()) {
        let hint = "remove takes out entries of the catalogue that this one extends";
        return Err(general(format!("remove: there is no entry {name}; {hint}")));
    }
    catalogue.remove(file.remove.iter().map(|name| name.to_ascii_lowercase()).collect());
    let mut placed: Vec<(usize, Entry)> = Vec::new();
    for table in file.table {
        let at = table.span().start;
        placed
            .push((at, table_entry(table.into_inner()).map_err(|message| CatalogueError { line: line(at), message })?));
    }
    for path in file.path {
        let at = path.span().start;
        let PathFile { name, data } = path.into_inner();
        placed.push((at, Entry { name, data_type: data, kind: EntryKind::Path }));
    }
    placed.sort_by_key(|(at, _)| *at);
    let mut names = BTreeSet::new();
    for (at, entry) in placed {
        let fail = |message: String| Err(CatalogueError { line: line(at), message });
        if entry.name.is_empty() || entry.name.len() > NAME_BYTES_MAX as usize {
            return fail(format!("a name must have 1 to {NAME_BYTES_MAX} bytes"));
        }
        if !names.insert(entry.name.to_ascii_lowercase()) {
            return fail(format!("{} stands here twice (upper and lower case are one)", entry.name));
        }
        catalogue.put(entry);
    }
    if let Some(name) = file.leave_out.iter().find(|name| catalogue.get(name).is_some()) {
        let hint = "leave_out is for tables that are not listed; take an entry out with remove";
        return Err(general(format!("leave_out: {name} is listed; {hint}")));
    }
    catalogue.left_out.extend(file.leave_out.iter().map(|name| name.to_ascii_lowercase()));
    catalogue.roll_ups.extend(file.roll_up);
    if let Some(ArchiveFile { table, acd, date, time }) = file.archive_status {
        catalogue.archive_status = Some(ArchiveStatus { table, acd, date, time });
    }
    check(&catalogue)?;
    Ok(catalogue)
}

fn general(message: String) -> CatalogueError {
    CatalogueError { line: None, message }
}

fn table_entry(file: TableFile) -> Result<Entry, String> {
    let TableFile { name, data, grain, time, acd, server_state, event_slot_minutes, roll_up, from } = file;
    let grain = grain.unwrap_or(Grain::None);
    match (grain, time.is_empty()) {
        (Grain::None, false) => {
            return Err(format!("table {name}: time without grain; say which, or leave out time to replace it whole"));
        }
        (Grain::None, true) | (_, false) => {}
        (_, true) => return Err(format!("table {name}: grain {} needs time = [{{ … }}]", grain.name())),
    }
    if event_slot_minutes.is_some() && grain != Grain::Event {
        return Err(format!("table {name}: event_slot_minutes is for grain event only"));
    }
    let event_slot_minutes = event_slot_minutes.unwrap_or(EVENT_SLOT_MINUTES);
    if !(1..=1_440).contains(&event_slot_minutes) {
        return Err(format!("table {name}: event_slot_minutes must be 1 to 1440"));
    }
    if roll_up.is_some() != from.is_some() {
        return Err(format!("table {name}: roll_up and from belong together"));
    }
    let times: Result<Vec<TimeColumns>, String> =
        time.into_iter().map(|time| time_columns(&name, grain, time)).collect();
    let table = TableEntry { grain, times: times?, acd, server_state, event_slot_minutes, roll_up, from };
    Ok(Entry { name, data_type: data, kind: EntryKind::Table(table) })
}

fn time_columns(name: &str, grain: Grain, file: TimeFile) -> Result<TimeColumns, String> {
    let length = row_length(name, grain, &file)?;
    let start = match file {
        TimeFile { date: Some(date), time: Some(time), timestamp: None, epoch: None, zone: None, .. } => {
            StartColumns::DateHhmm { date, time }
        }
        TimeFile { date: Some(date), time: None, timestamp: None, epoch: None, zone: None, .. } => {
            StartColumns::Date { date }
        }
        TimeFile { timestamp: Some(timestamp), date: None, time: None, epoch: None, zone: None, .. } => {
            StartColumns::Timestamp { timestamp }
        }
        TimeFile { epoch: Some(epoch), zone: Some(zone), date: None, time: None, timestamp: None, .. } => {
            if TimeZone::get(&zone).is_err() {
                return Err(format!(
                    "table {name}: time: there is no zone {zone}; write a name like Europe/Berlin, or UTC"
                ));
            }
            StartColumns::Epoch { epoch, zone }
        }
        _ => {
            let forms = "date, date with time, timestamp, or epoch with zone";
            return Err(format!("table {name}: time must name {forms}"));
        }
    };
    Ok(TimeColumns { start, length })
}

fn row_length(name: &str, grain: Grain, file: &TimeFile) -> Result<Option<RowLength>, String> {
    match (grain, &file.length, file.length_minutes) {
        (Grain::Interval, Some(_), Some(_)) => {
            Err(format!("table {name}: time: say length (a column) or length_minutes (a number), not both"))
        }
        (Grain::Interval, None, None) => Err(format!(
            "table {name}: time of an interval needs length, a column of minutes, or length_minutes, those of every row"
        )),
        (Grain::Interval, None, Some(minutes)) if !(1..=INTERVAL_MINUTES_MAX).contains(&i64::from(minutes)) => {
            Err(format!("table {name}: time: length_minutes must be 1 to {INTERVAL_MINUTES_MAX}"))
        }
        (Grain::Interval, Some(column), None) => Ok(Some(RowLength::Column(column.clone()))),
        (Grain::Interval, None, Some(minutes)) => Ok(Some(RowLength::Minutes(minutes))),
        (_, None, None) => Ok(None),
        _ => Err(format!("table {name}: time: length and length_minutes are for grain interval only")),
    }
}

/// What can only be seen with all entries in place.
fn check(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    if catalogue.entries.len() > SECTIONS_MAX as usize {
        return Err(general(format!("a catalogue has at most {SECTIONS_MAX} entries")));
    }
    for entry in &catalogue.entries {
        let EntryKind::Table(table) = &entry.kind else { continue };
        let (Some(roll_up), Some(from)) = (&table.roll_up, &table.from) else { continue };
        if !catalogue.roll_ups.contains_key(roll_up) {
            let hint = format!("write [roll_up.{roll_up}], or take another");
            return Err(general(format!("table {}: there is no roll_up {roll_up}; {hint}", entry.name)));
        }
        let finer = catalogue.get(from).map(Entry::grain);
        let fits = matches!(
            (finer, table.grain),
            (Some(Grain::Interval), Grain::Daily | Grain::Weekly | Grain::Monthly)
                | (Some(Grain::Daily), Grain::Weekly | Grain::Monthly)
        );
        if !fits {
            let hint = "it must be a table of this catalogue with a finer grain";
            return Err(general(format!("table {}: cannot be rolled up from {from}; {hint}", entry.name)));
        }
    }
    Ok(())
}

pub(super) fn write(catalogue: &Catalogue) -> String {
    let head = File {
        leave_out: catalogue.left_out.iter().cloned().collect(),
        archive_status: catalogue.archive_status.clone().map(|status| {
            let ArchiveStatus { table, acd, date, time } = status;
            ArchiveFile { table, acd, date, time }
        }),
        roll_up: catalogue.roll_ups.clone(),
        ..File::default()
    };
    // Strings, numbers and lists always have a form in TOML.
    let mut text = toml::to_string(&head).unwrap_or_default();
    for entry in &catalogue.entries {
        let mut file = File::default();
        match &entry.kind {
            EntryKind::Path => {
                let path = PathFile { name: entry.name.clone(), data: entry.data_type };
                file.path.push(Spanned::new(0..0, path));
            }
            EntryKind::Table(table) => file.table.push(Spanned::new(0..0, table_file(entry, table))),
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&toml::to_string(&file).unwrap_or_default());
    }
    text
}

fn table_file(entry: &Entry, table: &TableEntry) -> TableFile {
    let time = |columns: &TimeColumns| {
        let file = match columns.length.clone() {
            None => TimeFile::default(),
            Some(RowLength::Column(length)) => TimeFile { length: Some(length), ..TimeFile::default() },
            Some(RowLength::Minutes(minutes)) => TimeFile { length_minutes: Some(minutes), ..TimeFile::default() },
        };
        match columns.start.clone() {
            StartColumns::DateHhmm { date, time } => TimeFile { date: Some(date), time: Some(time), ..file },
            StartColumns::Date { date } => TimeFile { date: Some(date), ..file },
            StartColumns::Timestamp { timestamp } => TimeFile { timestamp: Some(timestamp), ..file },
            StartColumns::Epoch { epoch, zone } => TimeFile { epoch: Some(epoch), zone: Some(zone), ..file },
        }
    };
    TableFile {
        name: entry.name.clone(),
        data: entry.data_type,
        grain: (table.grain != Grain::None).then_some(table.grain),
        time: table.times.iter().map(time).collect(),
        acd: table.acd.clone(),
        server_state: table.server_state,
        event_slot_minutes: (table.event_slot_minutes != EVENT_SLOT_MINUTES).then_some(table.event_slot_minutes),
        roll_up: table.roll_up.clone(),
        from: table.from.clone(),
    }
}
