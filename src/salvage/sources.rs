//! What is looked through: everything that lies on some devices, each stretch of bytes under a number.

use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::{Device, VolumeSource};
use crate::format::block::{BlockHeader, BlockKind, SetId};
use crate::volume::finder::{FoundBlock, read_found};
use std::collections::VecDeque;

/// Sources kept open at a time.
const OPEN_MAX: usize = 16;

/// Where a block lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    source: u32,
    offset: u64,
    bytes: u32,
    crc: u32,
}

impl Place {
    /// The place of a block that was found.
    pub(super) fn of(source: u32, block: &FoundBlock) -> Place {
        let header = &block.header;
        let bytes = u32::try_from(header.block_len()).unwrap_or(u32::MAX);
        Place { source, offset: block.offset, bytes, crc: header.payload_crc }
    }

    /// Whether what lies there is a copy of what lies elsewhere.
    pub(super) const fn is_copy(&self, other: &Place) -> bool {
        self.bytes == other.bytes && self.crc == other.crc
    }

    /// Bytes of the block.
    pub(super) const fn bytes(&self) -> u32 {
        self.bytes
    }
}

/// Everything on some devices.
pub(super) struct Sources<'d> {
    names: Vec<(&'d dyn Device, String)>,
}

impl<'d> Sources<'d> {
    /// What the devices list.
    ///
    /// # Errors
    /// A device cannot be listed.
    pub(super) fn new(devices: &[&'d dyn Device]) -> Result<Sources<'d>, DeviceError> {
        let mut names = Vec::new();
        for device in devices {
            names.extend(device.list()?.into_iter().map(|name| (*device, name)));
        }
        Ok(Sources { names })
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// What people know one as.
    pub(super) fn name(&self, number: u32) -> String {
        self.names.get(number as usize).map_or_else(String::new, |(device, name)| {
            let place = device.describe();
            if place.ends_with(name.as_str()) { place } else { format!("{place}/{name}") }
        })
    }

    /// Opens one.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(&self, number: u32) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let missing = || DeviceError { op: "open", place: "a source".into(), kind: DeviceErrorKind::NotFound };
        let (device, name) = self.names.get(number as usize).ok_or_else(missing)?;
        device.open(name)
    }
}

/// Reads blocks again, a few sources being open at a time.
pub(super) struct Again<'a, 'd> {
    sources: &'a Sources<'d>,
    open: VecDeque<(u32, Box<dyn VolumeSource>)>,
}

impl<'a, 'd> Again<'a, 'd> {
    pub(super) const fn new(sources: &'a Sources<'d>) -> Again<'a, 'd> {
        Again { sources, open: VecDeque::new() }
    }

    /// The payload of a block that was found, if it is still there: of this set, kind and section.
    ///
    /// # Errors
    /// The medium fails.
    pub(super) fn payload(
        &mut self,
        place: &Place,
        set: SetId,
        kind: BlockKind,
        section: u32,
    ) -> Result<Option<Vec<u8>>, DeviceError> {
        let Place { source, offset, bytes, crc } = *place;
        if !self.open.iter().any(|(number, _)| *number == source) {
            if self.open.len() >= OPEN_MAX {
                self.open.pop_back();
            }
            self.open.push_front((source, self.sources.open(source)?));
        }
        let Some((_, opened)) = self.open.iter().find(|(number, _)| *number == source) else { return Ok(None) };
        let same = |header: &BlockHeader| {
            let identity = header.identity;
            (header.payload_crc, header.kind, identity.set, identity.section) == (crc, kind, set, section)
        };
        let found = read_found(opened.as_ref(), offset, bytes)?;
        Ok(found.filter(|(header, _)| same(header)).map(|(_, payload)| payload))
    }
}
