//! Whether a medium may be written to: what the labels of the volumes on it say, before anything is.

use super::error::VolumeError;
use super::reader::read_label;
use crate::base::time::civil_of_day;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::Device;
use crate::format::block::SetId;
use crate::format::label::LabelRecord;

/// When volumes on a medium may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// Never: new volumes go behind those that are there.
    #[default]
    Never,
    /// When the day has come until which each of them is kept.
    Expired,
    /// Whatever is there.
    Any,
}

/// What must be known to judge a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// When what is there may be overwritten.
    pub overwrite: Overwrite,
    /// Today's civil day, since 1970-01-01.
    pub today: i32,
    /// The server whose volumes these are.
    pub server: String,
    /// Its database; empty for files alone.
    pub database: String,
    /// The set that is written: a medium that holds a volume of it is none for the next one, whatever may be overwritten.
    pub set: SetId,
    /// Sets that were written just before, in the same run: they are never overwritten, new volumes go behind them.
    pub before: Vec<SetId>,
}

/// Looks at a medium before a set is written to it, and erases it if the rule says so. A place where each volume is a file
/// takes any.
///
/// # Errors
/// [`DeviceErrorKind::WrongMedium`]: it holds something that must stay, or that is another system's; it cannot be read.
pub fn admit(device: &dyn Device, admission: &Admission) -> Result<(), VolumeError> {
    if judge(device, admission)? {
        device.erase()?;
    }
    Ok(())
}

/// Looks at a medium as [`admit`] does, and changes nothing: whether it is to be erased before a set is written to it.
///
/// # Errors
/// As [`admit`].
pub fn judge(device: &dyn Device, admission: &Admission) -> Result<bool, VolumeError> {
    if !device.is_sequential() {
        return Ok(false);
    }
    let any = admission.overwrite == Overwrite::Any;
    let names = match device.list() {
        // Whatever it is, it is not what this run wrote.
        Err(_) if any => return Ok(true),
        names => names?,
    };
    let mut labels = Vec::new();
    for name in &names {
        match device.open(name).map_err(VolumeError::from).and_then(|source| read_label(source, name)) {
            Ok((_, label, _)) => labels.push(label),
            Err(_) if any => {}
            Err(VolumeError::Device(error)) => return Err(error.into()),
            Err(_) => {
                let what = format!("holds something that is no volume or a damaged one ({name})");
                return Err(wrong(device, &what, LOSE));
            }
        }
    }
    if let Some(own) = labels.iter().find(|label| label.set() == admission.set) {
        let what = format!("holds volume {} of the set that is being written", own.label);
        return Err(wrong(device, &what, ""));
    }
    let kept = labels.iter().any(|label| admission.before.contains(&label.set()));
    if any {
        return Ok(!kept);
    }
    labels.iter().try_for_each(|label| same_system(device, admission, label))?;
    if admission.overwrite == Overwrite::Never || kept {
        return Ok(false);
    }
    labels.iter().try_for_each(|label| expired(device, admission, label))?;
    Ok(!names.is_empty())
}

/// What may be done with a medium whose volumes nobody needs.
const LOSE: &str = ", or say --overwrite any if what is on it may be lost";

/// A server's files, which belong to no database, may lie beside the tables of its databases.
fn same_system(device: &dyn Device, admission: &Admission, label: &LabelRecord) -> Result<(), VolumeError> {
    let (server, database) = (&label.source_server, &label.source_database);
    let files = database.is_empty() || admission.database.is_empty();
    if *server == admission.server && (files || *database == admission.database) {
        return Ok(());
    }
    let whose = if database.is_empty() {
        format!("files of server {server}")
    } else {
        format!("database {database} of server {server}")
    };
    Err(wrong(device, &format!("holds volume {} of another system, {whose}", label.label), ""))
}

fn expired(device: &dyn Device, admission: &Admission, label: &LabelRecord) -> Result<(), VolumeError> {
    match label.retain_until {
        Some(day) if day <= admission.today => Ok(()),
        Some(day) => {
            let (year, month, day) = civil_of_day(day);
            let what = format!("holds volume {}, to be kept until {year:04}-{month:02}-{day:02}", label.label);
            Err(wrong(device, &what, ""))
        }
        None => {
            Err(wrong(device, &format!("holds volume {}, which says nothing of when it may go", label.label), LOSE))
        }
    }
}

fn wrong(device: &dyn Device, what: &str, or: &str) -> VolumeError {
    let kind = DeviceErrorKind::WrongMedium(format!("it {what}: bring another medium{or}"));
    DeviceError { op: "write to", place: device.describe().into(), kind }.into()
}
