//! Fuzz body: any bytes as volumes on a device, their checksums made right, are listed, scanned and read without a panic.

use super::damage::mend;
use super::golden::write_example;
use super::sets::{Sample, write_sample};
use crate::device::memory::MemoryDevice;
use crate::device::traits::Device;
use crate::format::block::ALIGNMENT;
use crate::volume::scanner::{ScanItem, Scanner};
use crate::volume::set::list_sets;

/// Everything that can be read of a device.
fn read_all(device: &MemoryDevice) {
    let Ok(listing) = list_sets(device) else { return };
    for set in &listing.sets {
        for section in set.sections() {
            assert_eq!(section.proven.len(), section.buckets.len());
            for chunk in &section.chunks {
                if let Ok(payload) = set.read_chunk(chunk) {
                    assert!(payload.len() < chunk.entry.bytes as usize);
                }
            }
        }
        let _ = (set.check_chain(), set.missing_volumes(), set.is_complete());
        for volume in set.volumes().iter().filter(|volume| volume.name.is_some()) {
            let _ = set.volume(volume.number).map(|volume| (volume.index().is_ok(), volume.catalog().is_ok()));
        }
    }
    for name in device.list().unwrap_or_default() {
        let Ok(source) = device.open(&name) else { continue };
        let mut scanner = Scanner::new(source.as_ref(), &name, None);
        let mut next = 0;
        for item in scanner.by_ref() {
            let (offset, len) = match &item {
                ScanItem::Block(block) => (block.offset, block.header.block_len() as u64),
                ScanItem::Damaged(extent) => (extent.offset, extent.len),
            };
            assert_eq!(offset, next, "a scan leaves no byte out and takes none twice");
            next = offset + len;
        }
        assert!(scanner.coverage().is_whole());
    }
}

/// The fuzz body. The first byte says where the bytes are cut into two volumes; both are tried as they are and with
/// their checksums made right.
pub fn fuzz_volume(data: &[u8]) {
    let (cut, bytes) = data.split_first().map_or((0, data), |(cut, rest)| (usize::from(*cut), rest));
    let (first, second) = bytes.split_at(bytes.len() * cut / 256 / ALIGNMENT * ALIGNMENT);
    for repaired in [false, true] {
        let device = MemoryDevice::new();
        for (name, part) in [("CMS-1-01.00000000.ivv", first), ("CMS-1-02.00000000.ivv", second)] {
            let mut part = part.to_vec();
            if repaired {
                mend(&mut part);
            }
            device.insert(name, part);
        }
        read_all(&device);
    }
}

/// Seeds by name: a set on one volume, the first two volumes of a set on several, the example of the specification.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let sample = Sample { column_bytes: 30, sections: 2, chunks: 3, ..Sample::default() };
    let mut seeds = Vec::new();
    for (name, size) in [("one", None), ("two", Some(2_900))] {
        let device = MemoryDevice::new();
        let names = write_sample(&device, &sample, size).map(|set| set.volumes).unwrap_or_default();
        let volumes: Vec<_> = names.iter().filter_map(|volume| device.bytes(&volume.name)).take(2).collect();
        seeds.push((name, seed(&volumes)));
    }
    let device = MemoryDevice::new();
    let names = write_example(&device).map(|set| set.volumes).unwrap_or_default();
    let volumes: Vec<_> = names.iter().filter_map(|volume| device.bytes(&volume.name)).collect();
    seeds.push(("example", seed(&volumes)));
    seeds
}

/// One volume or two behind the byte that cuts them.
fn seed(volumes: &[Vec<u8>]) -> Vec<u8> {
    let all = volumes.concat();
    let first = volumes.first().map_or(0, Vec::len);
    let cut = if volumes.len() == 2 { (first * 256).div_ceil(all.len().max(1)) } else { 255 };
    [vec![u8::try_from(cut).unwrap_or(255)], all].concat()
}

#[cfg(test)]
mod tests {
    use super::super::mutate::{Rng, mutate};
    use super::*;
    use crate::format::block::MAGIC;
    use crate::format::layout::block as at;

    #[test]
    fn sample_volumes_and_their_mutations_are_read_without_a_panic() {
        let mut random = Rng::new(11);
        for (_, seed) in seeds() {
            fuzz_volume(&seed);
            for _ in 0..400 {
                let mut data = seed.clone();
                mutate(&mut data, &mut random);
                fuzz_volume(&data);
            }
        }
    }

    #[test]
    fn repaired_volumes_are_accepted() {
        let device = MemoryDevice::new();
        let summary = write_sample(&device, &Sample::default(), None).unwrap();
        let name = &summary.volumes[0].name;
        let whole = device.bytes(name).unwrap();
        let mut bytes = whole.clone();
        let chunk = whole.windows(8).position(|window| window == MAGIC).unwrap();
        bytes[chunk + at::HEADER_CRC] ^= 1;
        assert_ne!(bytes, whole);
        mend(&mut bytes);
        assert!(bytes == whole);
    }
}
