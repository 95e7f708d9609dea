//! Whether a medium may be written to: what the labels of the volumes on it say, before anything is.

use super::error::VolumeError;
use super::reader::read_label;
use crate::base::time::civil_of_day;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::Device;
use crate::format::label::LabelRecord;

/// When volumes on a medium may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// Never: new volumes go behind those that are there.
    #[default]
    Never,
    /// When the day is past until which each of them is kept.
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
    /// Its database.
    pub database: String,
}

/// Looks at a medium before a set is written to it, and erases it if the rule says so. A place where each volume is a file
/// takes any.
///
/// # Errors
/// [`DeviceErrorKind::WrongMedium`]: it holds something that must stay, or that is another system's; it cannot be read.
pub fn admit(device: &dyn Device, admission: &Admission) -> Result<(), VolumeError> {
    if !device.is_sequential() {
        return Ok(());
    }
    match admission.overwrite {
        Overwrite::Any => return Ok(device.erase()?),
        Overwrite::Never | Overwrite::Expired => {}
    }
    let names = device.list()?;
    for name in &names {
        let label = match read_label(device.open(name)?, name) {
            Ok((_, label, _)) => label,
            Err(VolumeError::Device(error)) => return Err(error.into()),
            Err(_) => {
                return Err(wrong(device, format!("holds something that is no volume or a damaged one ({name})")));
            }
        };
        judge(device, admission, &label)?;
    }
    if admission.overwrite == Overwrite::Expired && !names.is_empty() {
        device.erase()?;
    }
    Ok(())
}

fn judge(device: &dyn Device, admission: &Admission, label: &LabelRecord) -> Result<(), VolumeError> {
    let (server, database) = (&label.source_server, &label.source_database);
    if (server, database) != (&admission.server, &admission.database) {
        let what = format!("holds volume {} of another system, database {database} of server {server}", label.label);
        return Err(wrong(device, what));
    }
    if admission.overwrite == Overwrite::Never {
        return Ok(());
    }
    match label.retain_until {
        Some(day) if day < admission.today => Ok(()),
        Some(day) => {
            let (year, month, day) = civil_of_day(day);
            let what = format!("holds volume {}, to be kept until {year:04}-{month:02}-{day:02}", label.label);
            Err(wrong(device, what))
        }
        None => Err(wrong(device, format!("holds volume {}, which says nothing of when it may go", label.label))),
    }
}

fn wrong(device: &dyn Device, what: String) -> VolumeError {
    let kind = DeviceErrorKind::WrongMedium(format!("it {what}: bring another medium, or say --overwrite any"));
    DeviceError { op: "write to", place: device.describe().into(), kind }.into()
}
