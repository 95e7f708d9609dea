//! Where in one file the volumes are that lie one behind the other in it: every byte is some volume's, or told of.

use super::error::VolumeError;
use super::name::{label_of_volume, volume_name};
use super::scanner::behind_hole;
use super::stream::{NAME_BYTES, label_in};
use crate::device::parts::PARTS_MAX;
use crate::device::tape::drive::RECORD_MAX;
use crate::device::traits::VolumeSource;
use crate::format::block::{ALIGNMENT, BlockHeader, BlockKind, HEADER_LEN, MAGIC, SetId};
use crate::format::label::LabelRecord;
use crate::format::marks::{VOLUME_END_BLOCK_LEN, VolumeEndRecord};
use crate::format::record::decode_record;
use std::collections::BTreeMap;

/// A volume among others in one file, or bytes between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The name that its label gives it, or that of its set if its own is damaged; none if nobody knows what it is.
    pub name: Option<String>,
    /// Its first byte in the file.
    pub from: u64,
    /// Its bytes.
    pub len: u64,
}

/// Some bytes of a file that holds several volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    from: u64,
    to: u64,
    /// Set and volume of the blocks in it; none if there is no block.
    of: Option<(SetId, u32)>,
    /// Whether it begins with the header of a label.
    labelled: bool,
    /// Whether it ends with an end mark of its own.
    ended: bool,
    /// Whether it is zeros alone.
    blank: bool,
}

impl Cut {
    const fn new(from: u64, to: u64) -> Cut {
        Cut { from, to, of: None, labelled: false, ended: false, blank: false }
    }
}

/// The volumes that lie one behind the other in a file, as a pipe brought them. What is one volume, whatever its state, is one
/// extent. Looks at the headers of the blocks alone; at none but the first and the last if these are of one volume. What is in
/// none of them are zeros behind a volume, as many as fill a record of a tape at most: anything else between volumes is an
/// extent without a name, or belongs to the volume whose blocks follow it and whose label it was. Behind [`PARTS_MAX`] volumes
/// nothing is told apart: the last extent is all that follows. One volume with zeros behind it is one extent without a name.
///
/// # Errors
/// The file cannot be read.
pub fn extents(source: &dyn VolumeSource) -> Result<Vec<Extent>, VolumeError> {
    let whole = || Ok(vec![Extent { name: None, from: 0, len: source.len() }]);
    // The last may be another copy of the first: only what says that it is as long as the file is one volume.
    if let Some(first) = header_at(source, 0)?
        && end_of(source)?.is_some_and(|(last, bytes)| of(&last) == of(&first) && bytes == source.len())
    {
        return whole();
    }
    if let Some(first) = header_at(source, 0)?
        && let Some((last, len)) = end_before_zeros(source)?
        && of(&last) == of(&first)
    {
        return Ok(vec![Extent { name: None, from: 0, len }]);
    }
    let mut joined = Joined::default();
    cut(source, &mut |cut| {
        joined.take(cut);
        joined.volumes <= PARTS_MAX
    })?;
    let Joined { mut cuts, volumes } = joined;
    if volumes < 2 {
        return whole();
    }
    if volumes > PARTS_MAX {
        cuts.iter_mut().last().into_iter().for_each(|last| last.to = source.len());
    }
    let (mut extents, mut labels) = (Vec::new(), BTreeMap::new());
    for cut in cuts.iter().filter(|cut| cut.labelled) {
        labels.extend(label_at(source, cut)?.map(|label| (label.set().0, label)));
    }
    for cut in cuts.iter().filter(|cut| !cut.blank || cut.to.saturating_sub(cut.from) > RECORD_MAX as u64) {
        let label = if cut.labelled { label_at(source, cut)? } else { None };
        let sibling = || {
            let (set, volume) = cut.of?;
            let sibling: &LabelRecord = labels.get(&set.0)?;
            Some(LabelRecord { volume, label: label_of_volume(&sibling.label, volume), ..sibling.clone() })
        };
        let name = label.or_else(sibling).map(|label| volume_name(&label)).filter(|name| name.len() <= NAME_BYTES);
        extents.push(Extent { name, from: cut.from, len: cut.to.saturating_sub(cut.from) });
    }
    Ok(extents)
}

/// How many volumes a file holds that begins and ends with a finished one; nothing if it is one, or neither. Of a file whose
/// last bytes are no end of a volume that begins behind its first byte little is read, be it damaged as it may.
///
/// # Errors
/// The file cannot be read.
pub fn several(source: &dyn VolumeSource) -> Result<Option<usize>, VolumeError> {
    let last = end_of(source).ok().flatten();
    let begins = last.and_then(|(end, len)| {
        let at = source.len().checked_sub(len).filter(|at| *at > 0)?;
        let first = header_at(source, at).ok()??;
        (first.kind == BlockKind::Label && of(&first) == of(&end)).then_some(at)
    });
    if begins.is_none() {
        return Ok(None);
    }
    let (mut begin, mut volumes) = (Joined::default(), 0usize);
    cut(source, &mut |cut| {
        volumes = volumes.saturating_add(usize::from(cut.labelled));
        // What follows the second volume is no part of the first.
        if begin.volumes < 2 {
            begin.take(cut);
        }
        true
    })?;
    let first = begin.cuts.first().is_some_and(|first| first.labelled && first.ended);
    Ok((first && volumes > 1).then_some(volumes))
}

const fn of(header: &BlockHeader) -> (SetId, u32) {
    (header.identity.set, header.identity.volume)
}

/// The header of a block at this place; none if there is none.
fn header_at(source: &dyn VolumeSource, at: u64) -> Result<Option<BlockHeader>, VolumeError> {
    let mut bytes = [0; HEADER_LEN];
    if source.len().saturating_sub(at) < HEADER_LEN as u64 {
        return Ok(None);
    }
    source.read_at(at, &mut bytes)?;
    Ok(BlockHeader::parse(&bytes).ok())
}

/// The label with which these bytes begin; none if it is damaged.
fn label_at(source: &dyn VolumeSource, cut: &Cut) -> Result<Option<LabelRecord>, VolumeError> {
    let Some(header) = header_at(source, cut.from)? else { return Ok(None) };
    let room = usize::try_from(cut.to.saturating_sub(cut.from)).unwrap_or(usize::MAX);
    let mut block = vec![0; room.min(header.block_len())];
    source.read_at(cut.from, &mut block)?;
    Ok(label_in(&header, &block))
}

/// All bytes of a file, cut where volumes begin and end, as long as who takes the cuts wants more.
fn cut(source: &dyn VolumeSource, take: &mut dyn FnMut(Cut) -> bool) -> Result<(), VolumeError> {
    let (mut open, mut at): (Option<Cut>, u64) = (None, 0);
    let mut search = Search { source, from: 0, held: Vec::new() };
    while at < source.len() {
        let Some(header) = header_at(source, at)? else {
            let (next, blank) = search.behind(at)?;
            if blank && open.is_none() {
                if !take(Cut { blank, ..Cut::new(at, next) }) {
                    return Ok(());
                }
            } else {
                open.get_or_insert(Cut::new(at, next));
            }
            at = next;
            continue;
        };
        let labelled = header.kind == BlockKind::Label;
        if labelled
            && open.is_none_or(|open| !(open.labelled && open.of == Some(of(&header))))
            && open.take().is_some_and(|open| !take(Cut { to: at, ..open }))
        {
            return Ok(());
        }
        let met = open.get_or_insert(Cut { labelled, ..Cut::new(at, at) });
        met.of.get_or_insert(of(&header));
        at = at.saturating_add(header.block_len() as u64).min(source.len());
        if header.kind == BlockKind::VolumeEnd {
            let ended = |open: &Cut| open.of == Some(of(&header));
            if open.take().is_some_and(|open| !take(Cut { to: at, ended: ended(&open), ..open })) {
                return Ok(());
            }
        }
    }
    if let Some(open) = open {
        take(Cut { to: source.len(), ..open });
    }
    Ok(())
}

/// Cuts, with blocks that follow the volume to which they belong as a part of it.
#[derive(Default)]
struct Joined {
    cuts: Vec<Cut>,
    /// How many of them hold blocks.
    volumes: usize,
}

impl Joined {
    fn take(&mut self, cut: Cut) {
        // Between two that hold blocks are two others at most: zeros, and what is no block.
        let before = self.cuts.iter().rposition(|before| before.of.is_some());
        let own = before.filter(|_| !cut.labelled && cut.of.is_some());
        match own.and_then(|place| self.cuts.get_mut(place).filter(|before| before.of == cut.of).map(|it| (place, it)))
        {
            Some((place, before)) => {
                (before.to, before.ended) = (cut.to, cut.ended);
                self.cuts.truncate(place.saturating_add(1));
            }
            None => {
                self.volumes = self.volumes.saturating_add(usize::from(cut.of.is_some()));
                self.cuts.push(cut);
            }
        }
    }
}

/// The end mark that a file ends with, and how long its volume is.
fn end_of(source: &dyn VolumeSource) -> Result<Option<(BlockHeader, u64)>, VolumeError> {
    end_at(source, source.len())
}

/// The end mark that ends at this place, and how long its volume is.
fn end_at(source: &dyn VolumeSource, stop: u64) -> Result<Option<(BlockHeader, u64)>, VolumeError> {
    let mut block = [0; VOLUME_END_BLOCK_LEN];
    let Some(at) = stop.checked_sub(block.len() as u64) else { return Ok(None) };
    source.read_at(at, &mut block)?;
    let Ok(header) = BlockHeader::parse(&block) else { return Ok(None) };
    let end = header.payload(&block).ok().and_then(|payload| decode_record::<VolumeEndRecord>(payload).ok());
    Ok(end
        .filter(|_| header.kind == BlockKind::VolumeEnd)
        .map(|end| (header, end.bytes.saturating_add(block.len() as u64))))
}

/// The end mark of a volume that begins with the first byte, where nothing but zeros follows it, as many as fill a record of a
/// tape at most; and how long the volume is.
pub(super) fn end_before_zeros(source: &dyn VolumeSource) -> Result<Option<(BlockHeader, u64)>, VolumeError> {
    let least = source.len().saturating_sub(RECORD_MAX.saturating_add(VOLUME_END_BLOCK_LEN) as u64);
    let (mut from, mut window) = (source.len(), vec![0; ALIGNMENT]);
    let last = loop {
        if from <= least {
            return Ok(None);
        }
        window.resize(window.len().min(usize::try_from(from.saturating_sub(least)).unwrap_or(usize::MAX)), 0);
        from = from.saturating_sub(window.len() as u64);
        source.read_at(from, &mut window)?;
        if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
            break from.saturating_add(last as u64);
        }
        // What ends with something else is seen by a short look.
        window.resize(64 << 10, 0);
    };
    // The end mark itself may end with zeros.
    let mut stop = last.saturating_add(1).next_multiple_of(ALIGNMENT as u64);
    for _ in 0..VOLUME_END_BLOCK_LEN.div_ceil(ALIGNMENT) {
        if stop >= source.len() {
            break;
        }
        let fills = source.len().saturating_sub(stop) <= RECORD_MAX as u64;
        if let Some(end) = end_at(source, stop)?.filter(|(_, len)| fills && *len == stop) {
            return Ok(Some(end));
        }
        stop = stop.saturating_add(ALIGNMENT as u64);
    }
    Ok(None)
}

/// Bytes that are searched at a time for the beginning of a block.
const WINDOW: usize = 1 << 20;

/// A file that is looked through for the beginnings of blocks; what was searched is read once, whatever stands there.
struct Search<'f> {
    source: &'f dyn VolumeSource,
    /// Where in the file what is held begins.
    from: u64,
    held: Vec<u8>,
}

impl Search<'_> {
    /// What is held from this place on; nothing if the place is not in it.
    fn held(&self, at: u64) -> &[u8] {
        let skip = at.checked_sub(self.from).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.held.get(skip..)).unwrap_or_default()
    }

    /// The next place behind this one, which is no block, where one may begin: the end of the file if there is none. And whether
    /// all before it are zeros. Holes are not read.
    fn behind(&mut self, from: u64) -> Result<(u64, bool), VolumeError> {
        let (mut at, mut blank, mut first) = (from, true, true);
        while at < self.source.len() {
            let left = usize::try_from(self.source.len().saturating_sub(at)).unwrap_or(usize::MAX);
            if self.held(at).len() < ALIGNMENT.min(left) {
                self.held.resize(left.min(WINDOW), 0);
                self.from = at;
                self.source.read_at(at, &mut self.held)?;
            }
            let held = self.held(at);
            let mut places = held.chunks(ALIGNMENT).skip(usize::from(first));
            let found = places.position(|place| place.starts_with(&MAGIC));
            let passed =
                found.map_or(held.len(), |places| places.saturating_add(usize::from(first)).saturating_mul(ALIGNMENT));
            let zeros = held.iter().take(passed).all(|byte| *byte == 0);
            blank &= zeros;
            at = at.saturating_add(passed.next_multiple_of(ALIGNMENT) as u64).min(self.source.len());
            if found.is_some() {
                return Ok((at, blank));
            }
            if zeros {
                at = behind_hole(self.source, at);
            }
            first = false;
        }
        Ok((self.source.len(), blank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::error::DeviceError;
    use crate::device::memory::MemoryDevice;
    use crate::device::traits::Device;
    use crate::testing::sets::{Sample, write_sample};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A set of several volumes, and their bytes one behind the other.
    fn piped() -> (MemoryDevice, Vec<u8>) {
        let memory = MemoryDevice::new();
        write_sample(&memory, &Sample::default(), Some(5_000)).unwrap();
        let bytes = memory.list().unwrap().iter().flat_map(|name| memory.bytes(name).unwrap()).collect();
        (memory, bytes)
    }

    #[test]
    fn volumes_in_one_file_are_told_apart() {
        let (memory, bytes) = piped();
        let names = memory.list().unwrap();
        let found = |bytes: Vec<u8>| {
            let device = MemoryDevice::new();
            device.insert("all.ivv", bytes);
            extents(device.open("all.ivv").unwrap().as_ref()).unwrap()
        };
        let mut from = 0;
        let wanted: Vec<Extent> = names
            .iter()
            .map(|name| {
                let len = memory.bytes(name).unwrap().len() as u64;
                from += len;
                Extent { name: Some(name.clone()), from: from - len, len }
            })
            .collect();
        assert_eq!(found(bytes.clone()), wanted);
        // The last one may have been cut off, and zeros may stand between them.
        let cut = found(bytes[..bytes.len() - 100].to_vec());
        assert!(
            cut.len() == wanted.len() && cut[1..].iter().zip(&wanted[1..]).all(|(cut, right)| cut.from == right.from)
        );
        let one = memory.bytes(&names[0]).unwrap();
        let padded = [one.clone(), vec![0; 640], memory.bytes(&names[1]).unwrap()].concat();
        assert_eq!(found(padded).iter().map(|extent| extent.from).collect::<Vec<_>>(), [0, one.len() as u64 + 640]);
        // One volume is one, whatever became of it.
        for bytes in [one.clone(), one[..one.len() - 64].to_vec(), one[64..].to_vec(), Vec::new()] {
            let len = bytes.len() as u64;
            assert_eq!(found(bytes), [Extent { name: None, from: 0, len }]);
        }
    }

    #[test]
    fn one_volume_ends_before_the_zeros_that_follow_it() {
        let (memory, _) = piped();
        for name in memory.list().unwrap() {
            let volume = memory.bytes(&name).unwrap();
            let len = volume.len() as u64;
            let found = |tail: Vec<u8>| {
                let device = MemoryDevice::new();
                device.insert("all.ivv", [&volume[..], &tail].concat());
                extents(device.open("all.ivv").unwrap().as_ref()).unwrap()
            };
            for zeros in [1, 64, 1_280, RECORD_MAX - 1] {
                assert_eq!(found(vec![0; zeros]), [Extent { name: None, from: 0, len }], "{zeros}");
            }
            // What is no zeros, and more of them than any record has, belongs to what is looked at.
            for tail in [vec![0, 0, 7, 0], vec![0; RECORD_MAX + 64]] {
                let all = len + tail.len() as u64;
                assert_eq!(found(tail), [Extent { name: None, from: 0, len: all }]);
            }
        }
    }

    #[test]
    fn behind_very_many_volumes_nothing_is_told_apart() {
        let (memory, bytes) = piped();
        let volumes = memory.list().unwrap().len();
        let device = MemoryDevice::new();
        device.insert("all.ivv", bytes.repeat(PARTS_MAX));
        let source = device.open("all.ivv").unwrap();
        let found = extents(source.as_ref()).unwrap();
        assert_eq!(found.len(), PARTS_MAX + 1);
        assert_eq!(found.iter().map(|extent| extent.len).sum::<u64>(), source.len());
        assert_eq!(several(source.as_ref()).unwrap(), Some(volumes * PARTS_MAX));
    }

    /// What follows volumes and is none, zeros or what looks like blocks at each place, is read once.
    #[test]
    fn a_long_tail_is_searched_in_few_reads() {
        struct Counted(Vec<u8>, AtomicU64);
        impl VolumeSource for Counted {
            fn len(&self) -> u64 {
                self.0.len() as u64
            }

            fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
                self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
                buffer.copy_from_slice(&self.0[at as usize..][..buffer.len()]);
                Ok(())
            }
        }
        let (_, bytes) = piped();
        let volumes = extents(&Counted(bytes.clone(), AtomicU64::new(0))).unwrap().len();
        let alike = [&MAGIC[..], &[0; ALIGNMENT - MAGIC.len()]].concat();
        for place in [vec![0; ALIGNMENT], alike] {
            let tail = place.repeat(100_000);
            let whole = Counted([&bytes[..], &tail].concat(), AtomicU64::new(0));
            let found = extents(&whole).unwrap();
            assert!(found.len() > 2);
            let read = whole.1.load(Ordering::Relaxed);
            // The tail once, its places each once more as headers, and of the volumes headers and labels.
            assert!(read < 3 * whole.len(), "{read} of {}", whole.len());
            // A block that lies in the search is found at its place, though it begins a window later.
            let behind = Counted([&bytes[..], &tail, &bytes].concat(), AtomicU64::new(0));
            assert_eq!(extents(&behind).unwrap().len(), found.len() + volumes);
        }
    }

    #[test]
    fn extents_leave_out_nothing_but_few_zeros() {
        let (memory, _) = piped();
        let names = memory.list().unwrap();
        let volumes: Vec<Vec<u8>> = names.iter().map(|name| memory.bytes(name).unwrap()).collect();
        let found = |bytes: Vec<u8>| {
            let device = MemoryDevice::new();
            device.insert("all.ivv", bytes);
            extents(device.open("all.ivv").unwrap().as_ref()).unwrap()
        };
        let told = |found: &[Extent]| found.iter().map(|extent| (extent.name.clone(), extent.len)).collect::<Vec<_>>();
        let name = |at: usize| Some(names[at].clone());
        let sizes: Vec<u64> = volumes.iter().map(|volume| volume.len() as u64).collect();
        // What is no block is an extent of its own, and a volume without its label is still a volume.
        let noise = found([&volumes[0][..], &[7; 640], &volumes[1]].concat());
        assert_eq!(told(&noise), [(name(0), sizes[0]), (None, 640), (name(1), sizes[1])]);
        let mut hurt = volumes[1].clone();
        hurt[0] ^= 1;
        let unlabelled = found([&volumes[0][..], &hurt, &volumes[2]].concat());
        assert_eq!(told(&unlabelled), [(name(0), sizes[0]), (name(1), sizes[1]), (name(2), sizes[2])]);
        let zeros = found([&volumes[0][..], &[0; 640], &volumes[1], &[0; 64]].concat());
        assert_eq!(told(&zeros), [(name(0), sizes[0]), (name(1), sizes[1])]);
        let many = vec![0; RECORD_MAX + ALIGNMENT];
        let zeros = found([&volumes[0][..], &many, &volumes[1]].concat());
        assert_eq!(told(&zeros), [(name(0), sizes[0]), (None, many.len() as u64), (name(1), sizes[1])]);
        // A byte anywhere costs no volume, and none of the bytes.
        let bytes = volumes.concat();
        for at in (0..bytes.len()).step_by(97) {
            let mut hurt = bytes.clone();
            hurt[at] ^= 0x10;
            let found = found(hurt);
            assert_eq!(found.iter().map(|extent| extent.len).sum::<u64>(), bytes.len() as u64, "{at}: {found:?}");
        }
    }

    #[test]
    fn holes_between_volumes_are_not_read() {
        /// Volumes with a hole behind the first.
        struct Sparse(Vec<u8>, Vec<u8>, AtomicU64);
        const HOLE: u64 = 1 << 44;
        impl VolumeSource for Sparse {
            fn len(&self) -> u64 {
                self.0.len() as u64 + HOLE + self.1.len() as u64
            }

            fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
                self.2.fetch_add(buffer.len() as u64, Ordering::Relaxed);
                let second = self.0.len() as u64 + HOLE;
                for (at, byte) in (at..).zip(buffer) {
                    let in_second = at.checked_sub(second).and_then(|at| self.1.get(at as usize));
                    *byte = *self.0.get(at as usize).or(in_second).unwrap_or(&0);
                }
                Ok(())
            }

            fn next_data(&self, at: u64) -> u64 {
                let (first, second) = (self.0.len() as u64, self.0.len() as u64 + HOLE);
                if (first..second).contains(&at) { second } else { at }
            }
        }
        let (memory, _) = piped();
        let names = memory.list().unwrap();
        let bytes = |at: usize| memory.bytes(&names[at]).unwrap();
        let sparse = Sparse(bytes(0), bytes(1), AtomicU64::new(0));
        let found = extents(&sparse).unwrap();
        assert_eq!(
            found.iter().map(|extent| extent.name.clone()).collect::<Vec<_>>(),
            [Some(names[0].clone()), None, Some(names[1].clone())]
        );
        let read = sparse.2.load(Ordering::Relaxed);
        assert!(read < 4 << 20, "{read} bytes");
    }
}
