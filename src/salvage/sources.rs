//! What is looked through: everything that lies on some devices, each stretch of bytes under a number.

use crate::base::checksum::{Hash, blake3};
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::traits::{Device, VolumeSource};
use crate::format::block::BlockHeader;
use crate::format::record::{Record, decode_record};
use crate::volume::finder::{FoundBlock, read_found};
use std::collections::VecDeque;

/// Sources kept open at a time.
const OPEN_MAX: usize = 16;

/// So many bytes of the hash of a block tell it from every other one.
pub(super) type ShortHash = [u8; 16];

/// The first bytes of a hash.
pub(super) fn short(hash: &Hash) -> ShortHash {
    let mut short = [0; 16];
    short.iter_mut().zip(hash).for_each(|(short, byte)| *short = *byte);
    short
}

/// Where a block lies, and which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    source: u32,
    offset: u64,
    bytes: u32,
    hash: ShortHash,
}

impl Place {
    /// The place of a block that was found.
    pub(super) fn of(source: u32, block: &FoundBlock) -> Place {
        let bytes = u32::try_from(block.bytes.len()).unwrap_or(u32::MAX);
        Place { source, offset: block.offset, bytes, hash: short(&blake3(&block.bytes)) }
    }

    /// Whether what lies there is a copy of what lies elsewhere.
    pub(super) fn is_copy(&self, other: &Place) -> bool {
        self.hash == other.hash
    }

    /// The beginning of the hash of the block.
    pub(super) const fn hash(&self) -> &ShortHash {
        &self.hash
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

    /// A block that was found, if it is still there and can be read again.
    ///
    /// # Errors
    /// Its source cannot be opened any more.
    pub(super) fn block(&mut self, place: &Place) -> Result<Option<FoundBlock>, DeviceError> {
        let Place { source, offset, bytes, .. } = *place;
        if !self.open.iter().any(|(number, _)| *number == source) {
            if self.open.len() >= OPEN_MAX {
                self.open.pop_back();
            }
            self.open.push_front((source, self.sources.open(source)?));
        }
        let Some((_, opened)) = self.open.iter().find(|(number, _)| *number == source) else { return Ok(None) };
        let found = read_found(opened.as_ref(), offset, bytes).unwrap_or(None);
        Ok(found.filter(|found| Place::of(source, found).is_copy(place)))
    }

    /// The record of which a block that was found consists; none if it is not there any more, or cannot be used.
    ///
    /// # Errors
    /// The medium fails.
    pub(super) fn record<R: Record>(&mut self, place: &Place) -> Result<Option<(BlockHeader, R)>, DeviceError> {
        let block = self.block(place)?;
        Ok(block.and_then(|block| decode_record(block.payload()).ok().map(|record| (block.header, record))))
    }
}
