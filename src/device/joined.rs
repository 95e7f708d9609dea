//! Several devices read as one: the volumes of a set may lie in several places.

use super::error::{DeviceError, DeviceErrorKind};
use super::traits::{Device, VolumeSink, VolumeSource};

/// Devices side by side. A name that several have is read from the first of them.
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
}

impl Device for JoinedDevice {
    fn describe(&self) -> String {
        self.devices.iter().map(|device| device.describe()).collect::<Vec<_>>().join(" and ")
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let mut names = Vec::new();
        for device in &self.devices {
            names.extend(device.list()?);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        for device in &self.devices {
            match device.open(name) {
                Err(DeviceError { kind: DeviceErrorKind::NotFound, .. }) => {}
                other => return other,
            }
        }
        Err(self.fail("open", name, DeviceErrorKind::NotFound))
    }

    /// Always refused: a set is written to one device.
    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(self.fail("create", name, DeviceErrorKind::NotPermitted))
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryDevice;
    use super::*;

    #[test]
    fn the_first_device_that_has_a_name_is_read() {
        let (one, two) = (MemoryDevice::new(), MemoryDevice::new());
        one.insert("a.ivv", vec![1]);
        two.insert("a.ivv", vec![2, 2]);
        two.insert("b.ivv", vec![3, 3, 3]);
        let joined = JoinedDevice::new(vec![Box::new(one), Box::new(two)]);
        assert_eq!(joined.list().unwrap(), ["a.ivv", "b.ivv"]);
        let lengths = ["a.ivv", "b.ivv"].map(|name| joined.open(name).unwrap().len());
        assert_eq!(lengths, [1, 3]);
        assert!(matches!(joined.open("c.ivv").err().map(|error| error.kind), Some(DeviceErrorKind::NotFound)));
        assert!(joined.create("d.ivv").is_err());
    }
}
