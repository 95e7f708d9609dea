//! Opening what the arguments name: databases, devices, table catalogues; and the time of day.

use crate::base::time::Instant;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::parse::{DatabaseUrl, DevicePath};
use crate::cli::render::text::escape;
use crate::device::directory::DirectoryDevice;
use crate::device::file::FileDevice;
use crate::device::joined::JoinedDevice;
use crate::device::parts::PartsDevice;
use crate::device::pipe::PipeDevice;
use crate::device::spool::SpoolDevice;
use crate::device::tape::TapeDevice;
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::schema::catalogue::Catalogue;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::address::Address;
use crate::store::postgres::url::ServerUrl;
use crate::store::sqlite::SqliteStore;
use crate::store::traits::Store;
use crate::volume::stream::{self, ON_TAPE};
use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens a database.
///
/// # Errors
/// As [`SqliteStore::open`] or [`address`] and [`PostgresStore::open`].
pub fn database(url: &DatabaseUrl) -> Result<Box<dyn Store>, Failure> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => Box::new(SqliteStore::open(path)?),
        DatabaseUrl::Postgres(url) => Box::new(PostgresStore::open(&address(url)?)?),
    })
}

/// Where a server is, by its URL and what belongs to that in the environment of this process and in the home of its user.
///
/// # Errors
/// As [`Address::resolve`].
pub fn address(url: &ServerUrl) -> Result<Address, Failure> {
    let concerns = |name: &str| name.starts_with("PG") || ["HOME", "LOGNAME", "USER"].contains(&name);
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let environment = std::env::vars_os().filter_map(text).filter(|(name, _)| concerns(name)).collect();
    Address::resolve(url, &environment).map_err(|error| Failure::usage(format!("{url}: {error}")))
}

/// The folder below that of the history for what restores of a database on a server delete: the server keeps no files of
/// this machine beside it.
#[must_use]
pub fn undo_below(state: &Path, address: &Address) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name = |text: &str| {
        let name: String = text.chars().map(plain).collect();
        if name.starts_with('.') { format!("_{name}") } else { name }
    };
    state.join("undo").join(name(&address.server())).join(name(&address.name()))
}

/// Opens a folder of volumes, one volume by its file, or what comes through standard input.
///
/// # Errors
/// There is no such folder or file; no volume comes through standard input, or there is no room for it.
pub fn volumes(device: &DevicePath) -> Result<Box<dyn Device>, Failure> {
    Ok(match device {
        DevicePath::Path(path) if path.is_file() => file(path)?,
        DevicePath::Path(path) => Box::new(DirectoryDevice::open(path)?),
        DevicePath::Tape(path) => Box::new(TapeDevice::open(path, ON_TAPE, false, None)?),
        DevicePath::Pipe => Box::new(piped()?),
    })
}

/// Opens one file: a volume, or several one behind the other, as a pipe brought them; zeros behind them are passed over.
///
/// # Errors
/// There is no such file, or its name is not that of a volume.
pub fn file(path: &Path) -> Result<Box<dyn Device>, Failure> {
    let device = FileDevice::open(path)?;
    let Some(name) = device.list()?.pop() else { return Ok(Box::new(device)) };
    // Before it is opened: what is read is no older than it says.
    let stamp = device.stamp(&name);
    let source = device.open(&name)?;
    let volumes = stream::extents(source.as_ref()).map_err(Error::from)?;
    let volumes: Vec<_> = match volumes.as_slice() {
        [] => return Ok(Box::new(device)),
        [only] if only.len == source.len() => return Ok(Box::new(device)),
        [only] => vec![(Some(name), only.from, only.len)],
        _ => volumes.into_iter().map(|volume| (volume.name, volume.from, volume.len)).collect(),
    };
    Ok(Box::new(PartsDevice::new(path, source, volumes).with_stamp(stamp)))
}

/// What people call the pipes of this process.
const INPUT: &str = "standard input";
const OUTPUT: &str = "standard output";

/// Reads volumes from standard input to its end. They are kept, as long as this process lives, in files without a name where
/// temporary files go: a restore reads here and there, and a pipe comes once.
fn piped() -> Result<SpoolDevice, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Failure::usage("volumes cannot come from a terminal")
            .hint("send them through a pipe, as in: ssh vault cat /backup/monday.ivv | intervault check -"));
    }
    let folder = std::env::temp_dir();
    if !folder.is_dir() {
        let what = format!("volumes from a pipe are kept in {} meanwhile, which is no folder", folder.display());
        return Err(Failure::usage(what).hint("let TMPDIR name a folder with room for them"));
    }
    let spool = SpoolDevice::new(INPUT, &folder);
    stream::receive(&mut input.lock(), INPUT, &spool).map_err(|error| {
        let failure = Failure::from(Error::from(error));
        match failure.exit {
            Exit::Full => failure.hint(
                "volumes that come through a pipe are kept in files without a name until the command \
                                        ends: let TMPDIR name a folder with room for them",
            ),
            _ => failure,
        }
    })?;
    Ok(spool)
}

/// Opens a device to write a set to, with room for so many bytes if that is told.
///
/// # Errors
/// It cannot be used; standard output is a terminal.
pub fn target(device: &DevicePath, capacity: Option<u64>) -> Result<Arc<dyn Device>, Failure> {
    Ok(match device {
        DevicePath::Path(path) => Arc::new(DirectoryDevice::for_writing(path)?.with_capacity(capacity)),
        DevicePath::Tape(path) => Arc::new(TapeDevice::for_writing(path, ON_TAPE, capacity)?),
        DevicePath::Pipe => {
            let output = std::io::stdout();
            if output.is_terminal() {
                let how =
                    "send them through a pipe: intervault backup ... --to - | ssh vault 'cat > /backup/monday.ivv'";
                return Err(Failure::usage("volumes are not written to a terminal").hint(how));
            }
            let file = output.as_fd().try_clone_to_owned().map(File::from);
            let file =
                file.map_err(|error| Failure::new(Exit::Failed, format!("cannot write to {OUTPUT}: {error}")))?;
            Arc::new(PipeDevice::new(OUTPUT, Box::new(file)))
        }
    })
}

/// Opens several devices as one.
///
/// # Errors
/// As [`volumes`].
pub fn all_volumes(devices: &[DevicePath]) -> Result<JoinedDevice, Failure> {
    if devices.iter().filter(|device| **device == DevicePath::Pipe).count() > 1 {
        return Err(Failure::usage("- stands for standard input, which can be read once: name it once"));
    }
    Ok(JoinedDevice::new(devices.iter().map(volumes).collect::<Result<_, _>>()?))
}

/// The table catalogue in force: a user's own, or the one built in.
///
/// # Errors
/// The file cannot be read, or makes no sense.
pub fn catalogue(path: Option<&Path>) -> Result<Catalogue, Failure> {
    let Some(path) = path else { return Ok(Catalogue::builtin()) };
    let name = escape(&path.display().to_string()).into_owned();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::Nothing,
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        Failure::new(exit, format!("cannot read the table catalogue {name}: {error}"))
    })?;
    Catalogue::parse(&text).map_err(|error| {
        let failure = Failure::from(Error::from(error));
        Failure::new(failure.exit, format!("{name}: {}", failure.message))
    })
}

/// The moment of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The civil time, in whole seconds.
    pub civil: Instant,
    /// The same moment in seconds since 1970-01-01 00:00 UTC.
    pub unix: i64,
    /// The zone of the civil time, or where else it comes from: a word for people.
    pub zone: String,
}

impl Now {
    /// A word if the civil time that was given can be none of now: no zone is so far ahead.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let ahead = self.civil.0.saturating_sub(self.unix);
        (ahead > AHEAD_MAX).then(|| {
            let hours = ahead / 3_600;
            let what = format!("the time given with --now is {hours} hours ahead of UTC on this machine");
            format!("{what}: intervals that are not over yet may count as complete")
        })
    }
}

/// Seconds by which a civil time may be ahead of UTC: 14 hours, and some for clocks that differ.
const AHEAD_MAX: i64 = 15 * 3_600;

/// This moment, its civil time as given or in the zone of this machine.
///
/// # Errors
/// `TZ` is set to a zone that is not known. UTC in its place would let a half-written interval count as complete wherever
/// the switch's time is behind UTC, and nobody would see it.
pub fn now(given: Option<Instant>) -> Result<Now, Failure> {
    let moment = jiff::Timestamp::now();
    let unix = moment.as_second();
    if let Some(civil) = given {
        return Ok(Now { civil, unix, zone: "as given with --now".to_owned() });
    }
    let set = std::env::var_os("TZ").map(|set| set.to_string_lossy().into_owned());
    let (zone, name) = match (jiff::tz::TimeZone::try_system(), set) {
        (Ok(zone), set) => {
            let name = zone.iana_name().map(str::to_owned).or(set);
            (zone, name.unwrap_or_else(|| "the zone of this machine".to_owned()))
        }
        (Err(error), Some(set)) => {
            return Err(Failure::usage(format!(
                "TZ is {}, which is no zone that is known here: {error}",
                escape(&set)
            ))
            .hint("correct TZ (a name like Europe/Berlin; their list is the package tzdata), or give --now"));
        }
        (Err(_), None) => (jiff::tz::TimeZone::UTC, "UTC, since no zone is set on this machine".to_owned()),
    };
    let offset = zone.to_offset(moment).seconds();
    Ok(Now { civil: Instant(unix.saturating_add(i64::from(offset))), unix, zone: name })
}

/// A moment in seconds since 1970-01-01 00:00 UTC, for people: civil time in the zone of this machine, in UTC where that is
/// not known.
#[must_use]
pub fn local(unix: i64) -> String {
    civil(unix).map_or_else(|| "?".to_owned(), |civil| civil.to_string())
}

/// The same as a civil time; `None` for what is no moment of the years 1 to 9999.
#[must_use]
pub fn civil(unix: i64) -> Option<Instant> {
    let moment = jiff::Timestamp::from_second(unix).ok()?;
    let zone = jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC);
    Some(Instant(unix.saturating_add(i64::from(zone.to_offset(moment).seconds()))))
}

/// The same for programs, in UTC: `2024-03-01T05:30:00Z`; `None` for what is no moment of the years 1 to 9999.
#[must_use]
pub fn utc(unix: i64) -> Option<String> {
    jiff::Timestamp::from_second(unix).ok().map(|moment| moment.to_string())
}

/// A new random identity.
///
/// # Errors
/// The operating system has no random numbers.
pub fn new_set() -> Result<SetId, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| Failure::new(Exit::Failed, format!("the system gives no random numbers: {error}")))?;
    Ok(SetId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_civil_time_that_no_zone_has_is_doubted() {
        let now = |hours: i64| Now {
            civil: Instant(hours * 3_600 + 1_709_271_000),
            unix: 1_709_271_000,
            zone: String::new(),
        };
        assert_eq!((now(14).doubt(), now(-12).doubt(), now(-99_999).doubt()), (None, None, None));
        assert!(now(30).doubt().is_some_and(|doubt| doubt.contains("30 hours ahead")));
    }

    #[test]
    fn moments_are_read_by_programs_in_utc() {
        assert_eq!(utc(1_709_271_000).as_deref(), Some("2024-03-01T05:30:00Z"));
        assert_eq!((utc(i64::MAX), local(i64::MIN).as_str()), (None, "?"));
    }
}
