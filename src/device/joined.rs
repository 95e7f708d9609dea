//! Several devices read as one: the volumes of a set, and copies of them, may lie in several places.

use super::error::{DeviceError, DeviceErrorKind};
use super::name::{placed_name, split_place};
use super::traits::{Device, VolumeSink, VolumeSource, VolumeWriter};

/// Devices side by side. A volume that only one of them has keeps its name; where several have one of that name each is
/// listed with its place before the name, so that every copy can be opened. Devices with the same place are one.
///
/// ```
/// use intervault::device::joined::JoinedDevice;
/// use intervault::device::memory::MemoryDevice;
/// use intervault::device::traits::Device;
/// # fn main() -> Result<(), intervault::device::error::DeviceError> {
/// let (one, two) = (MemoryDevice::named("one"), MemoryDevice::named("two"));
/// one.insert("a.ivv", vec![1]);
/// two.insert("a.ivv", vec![2, 2]);
/// two.insert("b.ivv", vec![3]);
/// let joined = JoinedDevice::new(vec![Box::new(one), Box::new(two)]);
/// assert_eq!(joined.list()?, ["one/a.ivv", "two/a.ivv", "b.ivv"]);
/// assert_eq!(joined.open("two/a.ivv")?.len(), 2);
/// # Ok(())
/// # }
/// ```
pub struct JoinedDevice {
    devices: Vec<Box<dyn Device>>,
}

impl JoinedDevice {
    /// These devices as one, in this order.
    #[must_use]
    pub const fn new(devices: Vec<Box<dyn Device>>) -> JoinedDevice {
        JoinedDevice { devices }
    }

    fn fail(&self, op: &'static str, name: &str, kind: DeviceErrorKind) -> DeviceError {
        DeviceError { op, place: format!("{} on {}", name, self.describe()).into(), kind }
    }

    /// What the first device tells that can tell something of a volume of this name. None is opened for it: a tape would be
    /// wound.
    fn told<T>(&self, name: &str, ask: impl Fn(&dyn Device, &str) -> Option<T>) -> Option<T> {
        let (place, own) = split_place(name).map_or((None, name), |(place, own)| (Some(place), own));
        let mut devices = self.devices.iter().filter(|device| place.is_none_or(|place| device.place() == place));
        devices.find_map(|device| ask(device.as_ref(), own))
    }

    /// What the first device says that has a volume of this name; only those of a place, if the name has one.
    fn first<T>(
        &self,
        op: &'static str,
        name: &str,
        ask: impl Fn(&dyn Device, &str) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let (place, own) = split_place(name).map_or((None, name), |(place, own)| (Some(place), own));
        for device in self.devices.iter().filter(|device| place.is_none_or(|place| device.place() == place)) {
            match ask(device.as_ref(), own) {
                Err(DeviceError { kind: DeviceErrorKind::NotFound, .. }) => {}
                other => return other,
            }
        }
        Err(self.fail(op, name, DeviceErrorKind::NotFound))
    }
}

impl Device for JoinedDevice {
    fn describe(&self) -> String {
        self.devices.iter().map(|device| device.describe()).collect::<Vec<_>>().join(" and ")
    }

    /// By name; copies of one name in the order of the devices.
    fn list(&self) -> Result<Vec<String>, DeviceError> {
        if let [only] = self.devices.as_slice() {
            return only.list();
        }
        // There may be very many names: none is held twice.
        let mut found: Vec<(String, usize)> = Vec::new();
        for (at, device) in self.devices.iter().enumerate() {
            found.extend(device.list()?.into_iter().map(|name| (name, at)));
        }
        found.sort_unstable();
        let mut names = Vec::with_capacity(found.len());
        let mut found = found.into_iter().peekable();
        while let Some((name, at)) = found.next() {
            let place = |at: usize| self.devices.get(at).map(|device| device.place()).unwrap_or_default();
            let mut places = Vec::new();
            while let Some((_, other)) = found.next_if(|(next, _)| *next == name) {
                let first = places.is_empty().then(|| place(at));
                places.extend(first);
                let place = place(other);
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            match places.len() {
                0 | 1 => names.push(name),
                _ => names.extend(places.iter().map(|place| placed_name(place, &name))),
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        self.first("open", name, |device, own| device.open(own))
    }

    fn size(&self, name: &str) -> Result<u64, DeviceError> {
        self.first("look at", name, |device, own| device.size(own))
    }

    fn stamp(&self, name: &str) -> Option<String> {
        self.told(name, |device, own| device.stamp(own))
    }

    fn writer(&self, name: &str) -> Option<VolumeWriter> {
        self.told(name, |device, own| device.writer(own))
    }

    fn may_open(&self, name: &str) -> bool {
        self.told(name, |device, own| (!device.may_open(own)).then_some(false)).unwrap_or(true)
    }

    fn file_of(&self, name: &str) -> Option<(u64, u64)> {
        self.told(name, |device, own| device.file_of(own))
    }

    fn remarks(&self) -> Vec<String> {
        self.devices.iter().flat_map(|device| device.remarks()).collect()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.first("remove", name, |device, own| device.remove(own))
    }

    /// Always refused: a set is written to one device.
    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(self.fail("create", name, DeviceErrorKind::NotPermitted))
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::DirectoryDevice;
    use super::super::file::FileDevice;
    use super::super::memory::MemoryDevice;
    use super::super::name::finished_name;
    use super::*;

    #[test]
    fn every_copy_of_a_name_can_be_opened() {
        let (one, two) = (MemoryDevice::named("z"), MemoryDevice::named("a"));
        one.insert("a.ivv", vec![1]);
        two.insert("a.ivv", vec![2, 2]);
        two.insert("b.ivv", vec![3, 3, 3]);
        two.insert(".c.ivv.partial", vec![4]);
        one.insert(".c.ivv.partial", vec![4]);
        let joined = JoinedDevice::new(vec![Box::new(one), Box::new(two)]);
        let names = joined.list().unwrap();
        assert_eq!(names, ["z/.c.ivv.partial", "a/.c.ivv.partial", "z/a.ivv", "a/a.ivv", "b.ivv"]);
        assert_eq!(names.iter().filter(|name| finished_name(name) == Some("c.ivv")).count(), 2);
        let opened: Vec<u64> = names.iter().map(|name| joined.open(name).unwrap().len()).collect();
        let sized: Vec<u64> = names.iter().map(|name| joined.size(name).unwrap()).collect();
        assert_eq!((opened, sized), (vec![1, 1, 1, 2, 3], vec![1, 1, 1, 2, 3]));
        for name in ["c.ivv", "z/b.ivv", "y/a.ivv"] {
            assert!(
                matches!(joined.open(name).err().map(|error| error.kind), Some(DeviceErrorKind::NotFound)),
                "{name}"
            );
        }
        assert!(joined.create("d.ivv").is_err());
    }

    #[test]
    fn a_folder_and_a_file_in_it_are_one_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.ivv"), [1]).unwrap();
        std::fs::write(folder.path().join("b.ivv"), [1]).unwrap();
        let file = FileDevice::open(&folder.path().join("a.ivv")).unwrap();
        let twice = DirectoryDevice::open(format!("{}/", folder.path().display())).unwrap();
        let joined = JoinedDevice::new(vec![Box::new(file), Box::new(twice)]);
        assert_eq!(joined.list().unwrap(), ["a.ivv", "b.ivv"]);
    }
}
