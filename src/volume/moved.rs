//! A volume that its medium could not take to the end is written again on the next one, block by block, from what the first
//! medium gives back. Nothing that fails its hash goes along.

use super::error::VolumeError;
use super::writer::{Sketch, VolumeWriter};
use crate::base::checksum::blake3;
use crate::base::position::Position;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::name::partial_name;
use crate::device::spool::SpoolDevice;
use crate::device::traits::{Device, VolumeSource};
use crate::format::block::BlockHeader;
use crate::format::error::FormatError;
use crate::format::label::LabelRecord;

/// Writes the blocks of `old` behind a label of their own, which has the length of the one before. The blocks have the
/// numbers and offsets that they had.
///
/// # Errors
/// What was written cannot be read any more; the next medium cannot be used, or does not take it either.
pub(super) fn write_again(device: &dyn Device, label: &LabelRecord, old: &Sketch) -> Result<VolumeWriter, VolumeError> {
    let source = source_of(device, old)?;
    let mut volume = begin(device, label, old.bytes())?;
    if let Some(begun_on) = old.catalog_begun {
        volume.continue_catalog(begun_on);
    }
    for (number, entry) in (0u64..).zip(&old.blocks).skip(1) {
        let place = Position::volume(label.volume).with_block(number);
        let fail = |error: FormatError| VolumeError::format(&old.name, error.within(place));
        let mut block = vec![0; entry.bytes as usize];
        source.read_at(entry.offset, &mut block)?;
        if blake3(&block) != entry.hash {
            return Err(VolumeError::field(
                &old.name,
                place,
                "hash of a block read back",
                0,
                "that of the block written",
            ));
        }
        let header = BlockHeader::parse(&block).map_err(fail)?;
        let payload = header.payload(&block).map_err(fail)?;
        if !volume.reserve(1, u64::from(entry.bytes))? {
            let place = device.describe().into();
            return Err(DeviceError { op: "write a volume again to", place, kind: DeviceErrorKind::Full }.into());
        }
        let again = volume.append(header.kind, header.identity.section, payload)?;
        if again.offset != entry.offset {
            return Err(VolumeError::Order("a volume that is written again has another layout"));
        }
    }
    drop(source);
    device.discard(&old.name)?;
    Ok(volume)
}

/// The blocks of a volume that its medium did not take. A drive lets one at a time have it, and gives nothing of a tape back that
/// was changed: what is on one is kept, where there is room for it.
fn source_of(device: &dyn Device, old: &Sketch) -> Result<Box<dyn VolumeSource>, VolumeError> {
    let source = device.open(&partial_name(&old.name))?;
    if !device.is_sequential() {
        return Ok(source);
    }
    let spool = SpoolDevice::temporary("what a tape did not take");
    let keep = || {
        let mut sink = spool.create(&old.name)?;
        for entry in &old.blocks {
            let mut block = vec![0; entry.bytes as usize];
            source.read_at(entry.offset, &mut block)?;
            sink.append(&block)?;
        }
        spool.open(&partial_name(&old.name))
    };
    let kept: Result<_, DeviceError> = keep();
    Ok(kept.unwrap_or(source))
}

/// Begins a volume, on the next medium if the one at hand does not even take the label.
///
/// # Errors
/// As [`VolumeWriter::create`].
pub(super) fn begin(device: &dyn Device, label: &LabelRecord, needed: u64) -> Result<VolumeWriter, VolumeError> {
    let begun = VolumeWriter::create(device, label, needed);
    if !matches!(&begun, Err(error) if goes_on(device, error)) {
        return begun;
    }
    let volume = VolumeWriter::create(device, label, needed)?;
    device.discard(volume.name())?;
    Ok(volume)
}

/// Whether a medium is full and followed by another one.
pub(super) fn goes_on(device: &dyn Device, error: &VolumeError) -> bool {
    matches!(error, VolumeError::Device(DeviceError { kind: DeviceErrorKind::Full, .. })) && device.goes_on()
}
