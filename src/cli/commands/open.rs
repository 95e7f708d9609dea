//! Opening what the arguments name: databases, devices, table catalogues; and the time of day.

use crate::base::time::Instant;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::parse::{DatabaseUrl, DevicePath};
use crate::cli::render::text::escape;
use crate::device::directory::DirectoryDevice;
use crate::device::file::FileDevice;
use crate::device::joined::JoinedDevice;
use crate::device::traits::Device;
use crate::error::Error;
use crate::format::block::SetId;
use crate::schema::catalogue::Catalogue;
use crate::store::sqlite::SqliteStore;
use std::path::Path;

/// Opens a database.
///
/// # Errors
/// As [`SqliteStore::open`].
pub fn database(url: &DatabaseUrl) -> Result<SqliteStore, Failure> {
    let DatabaseUrl::Sqlite(path) = url;
    Ok(SqliteStore::open(path)?)
}

/// Opens a folder of volumes, or one volume by its file.
///
/// # Errors
/// There is no such folder or file.
pub fn volumes(device: &DevicePath) -> Result<Box<dyn Device>, Failure> {
    let DevicePath::Path(path) = device;
    Ok(if path.is_file() { Box::new(FileDevice::open(path)?) } else { Box::new(DirectoryDevice::open(path)?) })
}

/// Opens several devices as one.
///
/// # Errors
/// As [`volumes`].
pub fn all_volumes(devices: &[DevicePath]) -> Result<JoinedDevice, Failure> {
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

/// The civil time of this machine, and the same moment in seconds since 1970-01-01 00:00 UTC.
#[must_use]
pub fn now() -> (Instant, i64) {
    let now = jiff::Zoned::now();
    let unix = now.timestamp().as_second();
    (Instant(unix.saturating_add(i64::from(now.offset().seconds()))), unix)
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
