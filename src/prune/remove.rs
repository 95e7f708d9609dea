//! The removal of a set: its last volume first, so that a set which is removed in part never looks complete.

use super::facts::SetFacts;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::Device;
use crate::error::Error;
use crate::volume::set::SetReader;

/// What was removed of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Volumes, all copies.
    pub volumes: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Volumes that were left, with the reason: by their label they are another set's, or that cannot be read.
    pub left: Vec<(String, String)>,
}

/// Removes a set from its device. Each volume is opened before, and left if its label does not say that it is of this set.
///
/// # Errors
/// A volume cannot be removed. Those before it are gone then, and the set is without its last volume.
pub fn remove(device: &dyn Device, set: &SetReader<'_>, facts: &SetFacts) -> Result<Removed, Error> {
    let mut removed = Removed::default();
    for (number, name) in &facts.volumes {
        if let Err(error) = set.copy(*number, name) {
            removed.left.push((name.clone(), error.to_string()));
            continue;
        }
        let bytes = device.size(name).unwrap_or(0);
        match device.remove(name) {
            Ok(()) => {}
            // Somebody else removed it.
            Err(DeviceError { kind: DeviceErrorKind::NotFound, .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        removed.volumes = removed.volumes.saturating_add(1);
        removed.bytes = removed.bytes.saturating_add(bytes);
    }
    Ok(removed)
}
