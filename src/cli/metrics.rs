//! The figures of backups as a text file for Prometheus (its textfile collector), written under another name and renamed, so
//! that nobody reads half of it.

use super::exit::Exit;
use super::failure::Failure;
use super::render::text::escape;
use crate::history::runs::Run;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What is told of the last finished backup of each database: name, meaning, value.
type Figure = (&'static str, &'static str, fn(&Run, i64) -> Option<f64>);

const FIGURES: [Figure; 7] = [
    ("last_success_timestamp_seconds", "When the last finished backup ended.", |run, _| {
        run.entry.ended_unix.map(|unix| unix as f64)
    }),
    ("age_seconds", "How long ago that was when this file was written.", |run, now| {
        run.entry.ended_unix.map(|unix| now.saturating_sub(unix) as f64)
    }),
    ("size_bytes", "Bytes of its volumes.", |run, _| run.entry.bytes.map(|bytes| bytes as f64)),
    ("rows", "Its rows.", |run, _| run.entry.rows.map(|rows| rows as f64)),
    ("volumes", "Its volumes.", |run, _| run.entry.volumes.map(|volumes| volumes as f64)),
    ("duration_seconds", "How long it took.", |run, _| run.entry.seconds),
    ("verified", "Whether it was read back and proved: 1 or 0.", |run, _| run.entry.verified.map(f64::from)),
];

/// The text: the last finished backup of each database, and whether the last backup of each went well; those of specific
/// tables, or of custom data beside a database, do not count. `now` in seconds since
/// 1970-01-01 00:00 UTC.
#[must_use]
pub fn text(runs: &[Run], now: i64) -> String {
    let (mut good, mut last): (BTreeMap<&str, &Run>, BTreeMap<&str, &Run>) = Default::default();
    let backups = runs.iter().filter(|run| run.is_regular_backup());
    for run in backups.filter(|run| run.is_good_backup() || run.went_wrong()) {
        let database = run.entry.database.as_deref().unwrap_or_default();
        last.insert(database, run);
        if run.is_good_backup() {
            good.insert(database, run);
        }
    }
    let mut out = String::new();
    for (name, help, value) in FIGURES {
        let values = good.iter().filter_map(|(database, run)| Some((*database, value(run, now)?)));
        figure(&mut out, name, help, values);
    }
    let ok = last.iter().map(|(database, run)| (*database, f64::from(run.is_good_backup())));
    figure(&mut out, "last_ok", "Whether the last backup was finished: 1, or 0 if it failed or was interrupted.", ok);
    out
}

fn figure<'a>(out: &mut String, name: &str, help: &str, values: impl Iterator<Item = (&'a str, f64)>) {
    let _written = writeln!(out, "# HELP intervault_backup_{name} {help}\n# TYPE intervault_backup_{name} gauge");
    for (database, value) in values {
        let database = escape(database).replace('\\', "\\\\").replace('"', "\\\"");
        let _written = writeln!(out, "intervault_backup_{name}{{database=\"{database}\"}} {value}");
    }
}

/// Writes a file in place of one that may be there.
///
/// # Errors
/// Its folder is not there or cannot be written to; what was there is as it was.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| {
        let kind = crate::device::error::DeviceErrorKind::from(std::io::Error::from(error.kind()));
        Failure::new(Exit::from(&kind), format!("cannot write the figures {}: {error}", path.display()))
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".intervault").suffix(".tmp").tempfile_in(folder).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    // Whoever collects it is another user.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::entry::{Entry, Event, Kind, Outcome};
    use crate::history::runs::runs;

    fn entry(sequence: u64, database: &str, outcome: Outcome) -> Entry {
        Entry {
            sequence,
            event: Event::Ended,
            ended_unix: Some(1_000),
            outcome: Some(outcome),
            database: Some(database.to_owned()),
            bytes: Some(sequence),
            seconds: Some(2.5),
            verified: Some(true),
            ..Entry::begun(Kind::Backup, 900, "")
        }
    }

    #[test]
    fn the_last_finished_backup_of_each_database_is_told() {
        let entries = [
            entry(1, "sqlite:/a", Outcome::Finished),
            entry(2, "sqlite:/a", Outcome::Finished),
            entry(3, "sqlite:/a", Outcome::Failed),
            entry(4, "sqlite:/b\"\\\n", Outcome::Finished),
            entry(5, "sqlite:/c", Outcome::Failed),
        ];
        let beside =
            |sequence, outcome| Entry { data: vec!["tables".to_owned()], ..entry(sequence, "sqlite:/c", outcome) };
        let entries = [&entries[..], &[beside(6, Outcome::Finished)]].concat();
        let told = text(&runs(&entries, |_| false), 1_060);
        for line in [
            "# TYPE intervault_backup_size_bytes gauge\n",
            "intervault_backup_size_bytes{database=\"sqlite:/a\"} 2\n",
            "intervault_backup_last_success_timestamp_seconds{database=\"sqlite:/a\"} 1000\n",
            "intervault_backup_age_seconds{database=\"sqlite:/a\"} 60\n",
            "intervault_backup_duration_seconds{database=\"sqlite:/a\"} 2.5\n",
            "intervault_backup_verified{database=\"sqlite:/a\"} 1\n",
            "intervault_backup_last_ok{database=\"sqlite:/a\"} 0\n",
            "intervault_backup_last_ok{database=\"sqlite:/b\\\"\\\\\\\\u{a}\"} 1\n",
            "intervault_backup_last_ok{database=\"sqlite:/c\"} 0\n",
        ] {
            assert!(told.contains(line), "{line}{told}");
        }
        assert!(!told.contains("size_bytes{database=\"sqlite:/c\"}") && !told.contains("rows{"), "{told}");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("intervault.prom");
        write(&path, "one\n").unwrap();
        write(&path, "two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        let failure = write(&place.path().join("none/x"), "").unwrap_err();
        assert!(failure.message.starts_with("cannot write the figures "), "{failure}");
    }
}
