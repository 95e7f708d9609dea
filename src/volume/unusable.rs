//! What has a volume's name and cannot be used. A folder may hold any number of such files: so many are told, the rest counted.

use super::error::VolumeError;
use super::name::parse_name;
use crate::device::error::{DeviceError, DeviceErrorKind};
use std::mem::{Discriminant, discriminant};

/// So many are told one by one, and beyond them one of each kind of error that is not among them.
pub const UNUSABLE_TOLD: usize = 1_000;

/// A kind of error, that of the device apart.
type Kind = (Discriminant<VolumeError>, Option<Discriminant<DeviceErrorKind>>);

/// Files that cannot be used, with the reason, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Unusable {
    told: Vec<(String, VolumeError)>,
    kinds: Vec<Kind>,
    further: u64,
    traces: Vec<Trace>,
}

/// A volume of which only the name tells the set.
#[derive(Debug)]
pub(super) struct Trace {
    /// The name on the device.
    pub(super) name: String,
    /// Whether it was begun and not finished.
    pub(super) begun: bool,
    /// Whether there is something on it, without a label that can be read.
    pub(super) lost: bool,
}

impl Unusable {
    pub(super) fn push(&mut self, name: String, error: VolumeError) {
        let begun = matches!(error, VolumeError::Interrupted { .. });
        let lost = error.is_damage() || matches!(error, VolumeError::Interrupted { len, .. } if len > 0);
        let kind = kind(&error);
        let is_new = !self.kinds.contains(&kind);
        if is_new {
            self.kinds.push(kind);
        }
        if is_new || self.told.len() < UNUSABLE_TOLD {
            self.told.push((name.clone(), error));
        } else {
            self.further = self.further.saturating_add(1);
        }
        if (begun || lost) && parse_name(&name).is_some() {
            self.traces.push(Trace { name, begun, lost });
        }
    }

    /// What there is to be said of sets by names alone, whether told or not.
    pub(super) fn take_traces(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.traces)
    }

    /// Those that are told, by name, and how many more there are. Of each kind of error at least one is told.
    pub(super) fn finish(mut self) -> (Vec<(String, VolumeError)>, u64) {
        self.told.sort_by(|a, b| a.0.cmp(&b.0));
        (self.told, self.further)
    }
}

fn kind(error: &VolumeError) -> Kind {
    let of_device = match error {
        VolumeError::Device(DeviceError { kind, .. }) => Some(discriminant(kind)),
        _ => None,
    };
    (discriminant(error), of_device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: DeviceErrorKind) -> VolumeError {
        VolumeError::Device(DeviceError { op: "open", place: "x".into(), kind })
    }

    #[test]
    fn so_many_are_told_and_of_each_kind_one_at_least() {
        let mut unusable = Unusable::default();
        for number in 0..UNUSABLE_TOLD + 7 {
            unusable.push(format!("{number:05}"), device(DeviceErrorKind::Full));
        }
        unusable.push("late".to_owned(), device(DeviceErrorKind::NotFound));
        unusable.push("later".to_owned(), device(DeviceErrorKind::NotFound));
        let interrupted = |len| VolumeError::Interrupted { name: "x".to_owned(), len };
        unusable.push("CMS-2003-01-01-LSAHMPX-01.0123abcd.ivv".to_owned(), interrupted(1));
        unusable.push("notes.ivv".to_owned(), interrupted(1));
        let traces = unusable.take_traces();
        assert_eq!((traces.len(), traces[0].begun, traces[0].lost), (1, true, true));
        let (told, further) = unusable.finish();
        assert_eq!((told.len(), further), (UNUSABLE_TOLD + 2, 9));
        assert!(told.iter().any(|(name, _)| name == "late") && !told.iter().any(|(name, _)| name == "later"));
        assert!(told.is_sorted_by(|a, b| a.0 < b.0));
    }
}
