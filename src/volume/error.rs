//! What can go wrong between blocks and devices.

use crate::base::position::Position;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::format::block::SetId;
use crate::format::error::{FormatError, FormatErrorKind};

/// A set, volume or block that cannot be written or read: what, where, what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// Bytes that are not what the format demands.
    #[error("{name}: {source}")]
    Format {
        /// The volume's name on its device.
        name: String,
        /// What is wrong, and where.
        source: FormatError,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The file holds something else, or nothing.
    #[error("{name} is not an intervault volume ({len} bytes, no label at its start): look for another file")]
    NotAVolume {
        /// Its name on its device.
        name: String,
        /// Bytes that it has.
        len: u64,
    },
    /// There is no such set on the device.
    #[error("no set {wanted} on {place}: list the device to see what is there")]
    NoSuchSet {
        /// What was asked for, or `at all`.
        wanted: String,
        /// The device.
        place: String,
    },
    /// One set was expected.
    #[error("{} sets on {place}: choose one of {}", sets.len(), sets.join(", "))]
    SeveralSets {
        /// The device.
        place: String,
        /// Label and id of each.
        sets: Vec<String>,
    },
    /// Volumes that are needed are not there.
    #[error(
        "set {set} lacks volume {}; found {}: put the missing volumes beside the others",
        list(wanted),
        list(found)
    )]
    MissingVolumes {
        /// The set.
        set: SetId,
        /// Numbers of the volumes wanted.
        wanted: Vec<u32>,
        /// Numbers of those that are there.
        found: Vec<u32>,
    },
    /// The volume size leaves no room for a block.
    #[error(
        "volumes of {capacity} bytes are too small, {needed} are needed for the next block: use a larger volume size"
    )]
    CapacityTooSmall {
        /// Capacity asked for.
        capacity: u64,
        /// Least capacity that holds label, section header, the block, index and end mark.
        needed: u64,
    },
    /// A file in a folder holds several volumes: a folder has a file for each.
    #[error(
        "{name} holds {volumes} volumes, one behind the other: name the file itself and not its folder, then all are read"
    )]
    Several {
        /// Its name on its device.
        name: String,
        /// How many.
        volumes: usize,
    },
    /// A volume of another set, or another one of this set, stands under the name of a volume.
    #[error(
        "{name} is volume {found_volume} of set {found_set}, not volume {volume} of set {set}: bring the volume that \
         should be there"
    )]
    WrongVolume {
        /// Its name on its device.
        name: String,
        /// The set to which a volume of that name belongs.
        set: SetId,
        /// The number that a volume of that name has.
        volume: u32,
        /// The set that its label names.
        found_set: SetId,
        /// The number that its label names.
        found_volume: u32,
    },
    /// A volume that was begun and has no label: who wrote it was interrupted before anything else was on it.
    #[error(
        "{name} was begun by a backup or a salvage that was interrupted before its label was written ({len} bytes): do that \
         again, then remove this"
    )]
    Interrupted {
        /// Its name on its device.
        name: String,
        /// Bytes that it has.
        len: u64,
    },
    /// A volume that somebody is beginning now, and that has no label yet.
    #[error("{name} is being begun now{who}: look again when that is done")]
    Begun {
        /// Its name on its device.
        name: String,
        /// Who that is, in brackets; empty if that is not known.
        who: String,
    },
    /// A volume is not as long as the catalog of its set says.
    #[error("{name} has {len} bytes, the catalog of its set says {expected}: use another copy of it")]
    Length {
        /// Its name on its device.
        name: String,
        /// Number of the volume.
        volume: u32,
        /// Bytes that it has.
        len: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// A volume does not follow the one that should stand before it.
    #[error(
        "{name}: volume {volume} does not follow the volume before it: another run wrote it, look for the right one"
    )]
    ChainBroken {
        /// Number of the volume.
        volume: u32,
        /// Its name on its device.
        name: String,
    },
    /// Damage on a volume that is not told place by place.
    #[error("{name}: {places} further places, {bytes} bytes in all, are of no sound block: use another copy of it")]
    Places {
        /// Its name on its device.
        name: String,
        /// Number of the volume.
        volume: u32,
        /// How many places.
        places: u64,
        /// Bytes of all of them.
        bytes: u64,
    },
    /// A set has more volumes, sections or blocks than the format can name.
    #[error("more than {limit} {what}: split the backup")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// The writer was used out of order, or after a failure.
    #[error("{0}")]
    Order(&'static str),
}

impl VolumeError {
    /// A format error on a named volume.
    pub(super) fn format(name: &str, error: FormatError) -> VolumeError {
        VolumeError::Format { name: name.to_owned(), source: error }
    }

    /// A field with a value that does not agree with the rest of the set.
    pub(super) fn field(name: &str, place: Position, field: &'static str, found: u64, allowed: &'static str) -> Self {
        let kind = FormatErrorKind::Field { field, found, allowed };
        VolumeError::format(name, FormatError { kind, at: place })
    }

    /// Where on the media it is, as far as that is known.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            VolumeError::Format { source, .. } => source.at,
            VolumeError::WrongVolume { volume, .. }
            | VolumeError::Length { volume, .. }
            | VolumeError::Places { volume, .. }
            | VolumeError::ChainBroken { volume, .. } => Position::volume(*volume),
            _ => Position::UNKNOWN,
        }
    }

    /// Whether the device did not let whoever asks have it: nothing is known to be wrong with it.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self, VolumeError::Device(DeviceError { kind: DeviceErrorKind::NotPermitted, .. }))
    }

    /// Whether what has the volume's name is none and holds none: a link that leads to nothing, for one.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        matches!(self, VolumeError::Device(DeviceError { kind: DeviceErrorKind::NoVolume(_), .. }))
    }

    /// Whether it is on a medium that is not in the drive: nothing is wrong with it.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        matches!(self, VolumeError::Device(DeviceError { kind: DeviceErrorKind::Wanted { .. }, .. }))
    }

    /// Whether the bytes on the medium are wrong, in contrast to a device that fails or a volume that is not there.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            VolumeError::Format { .. }
                | VolumeError::NotAVolume { .. }
                | VolumeError::Length { .. }
                | VolumeError::Places { .. }
                | VolumeError::ChainBroken { .. }
        )
    }
}

/// Volume numbers for people: runs are shortened.
fn list(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let text =
        |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first} to {last}") };
    if runs.is_empty() { "none".to_owned() } else { runs.iter().map(text).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_volumes_are_named_by_runs() {
        let error = VolumeError::MissingVolumes { set: SetId([0; 16]), wanted: vec![2, 3, 4, 7], found: vec![] };
        let text = error.to_string();
        assert!(text.contains("lacks volume 2 to 4, 7; found none"), "{text}");
    }
}
