//! Volumes that come one after the other through a pipe are put on a device, each under its name, so that they can be read
//! in any order. Nothing is left out and nothing judged: what is damaged arrives as it came, and whoever reads it finds it.

use super::error::VolumeError;
use super::name::volume_name;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::name::VOLUME_SUFFIX;
use crate::device::tape::Namer;
use crate::device::traits::{Device, VolumeSink, VolumeSource};
use crate::format::block::{ALIGNMENT, BlockHeader, BlockKind, HEADER_LEN, MAGIC};
use crate::format::error::FormatErrorKind;
use crate::format::label::LabelRecord;
use crate::format::marks::{VOLUME_END_BLOCK_LEN, VolumeEndRecord};
use crate::format::record::decode_record;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

/// Longest name that a volume gets from its label: what file systems take.
const NAME_BYTES: usize = 200;

/// What came through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Volumes that came with their end mark.
    pub finished: u32,
    /// Volumes that broke off before it.
    pub torn: u32,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Bytes that may always be read in vain while a header is looked for, and how many more for each that was taken: headers that
/// lie must not make this slow.
const VAIN: u64 = 64 << 20;
const VAIN_EACH: u64 = 4;

/// Reads volumes from `input`, which people know as `name`, to its end, and writes them to a device. Zeros between two volumes
/// are passed over, so that the records of a tape may come as they are. Memory: one block.
///
/// # Errors
/// [`VolumeError::NotAVolume`] if the input does not begin with a block; it cannot be read; the device fails. Volumes that
/// were finished before stay there.
pub fn receive(input: &mut dyn Read, name: &str, device: &dyn Device) -> Result<Received, VolumeError> {
    let stream = Stream { input, name, held: Vec::new(), used: 0, ended: false };
    Receiver { stream, device, sink: None, begun: 0, vain: 0, received: Received::default() }.run()
}

/// Bytes of the input that were read and not yet used.
struct Stream<'a> {
    input: &'a mut dyn Read,
    name: &'a str,
    held: Vec<u8>,
    /// How many of them were used.
    used: usize,
    ended: bool,
}

impl Stream<'_> {
    /// What is held.
    fn held(&self) -> &[u8] {
        self.held.get(self.used..).unwrap_or_default()
    }

    /// Reads until `bytes` bytes are held, or the input ends.
    fn hold(&mut self, bytes: usize) -> Result<(), VolumeError> {
        if self.ended || self.held().len() >= bytes {
            return Ok(());
        }
        self.held.drain(..self.used.min(self.held.len()));
        self.used = 0;
        while !self.ended && self.held.len() < bytes {
            let had = self.held.len();
            self.held.resize(bytes, 0);
            let room = self.held.get_mut(had..).unwrap_or_default();
            let read = self.input.read(room);
            self.held.truncate(had.saturating_add(*read.as_ref().unwrap_or(&0)));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let place = PathBuf::from(self.name);
                    return Err(DeviceError { op: "read", place, kind: DeviceErrorKind::from(error) }.into());
                }
            }
        }
        Ok(())
    }

    /// The next `bytes` bytes, fewer at the end of the input.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let taken = self.held().get(..bytes).unwrap_or(self.held()).to_vec();
        self.used = self.used.saturating_add(taken.len());
        taken
    }
}

struct Receiver<'a, 'd> {
    stream: Stream<'a>,
    device: &'d dyn Device,
    sink: Option<Box<dyn VolumeSink>>,
    begun: u32,
    /// Bytes of blocks that turned out to be none.
    vain: u64,
    received: Received,
}

impl Receiver<'_, '_> {
    fn run(mut self) -> Result<Received, VolumeError> {
        self.stream.hold(HEADER_LEN)?;
        if let Err(error) = BlockHeader::parse(self.stream.held())
            && matches!(error.kind, FormatErrorKind::Magic | FormatErrorKind::Short { .. })
        {
            let (name, len) = (self.stream.name.to_owned(), self.stream.held().len() as u64);
            return Err(VolumeError::NotAVolume { name, len });
        }
        while !self.stream.held().is_empty() {
            self.step()?;
            self.stream.hold(HEADER_LEN)?;
        }
        self.give_up();
        Ok(self.received)
    }

    /// Takes one block, or as many bytes as lie between two places where one may begin.
    fn step(&mut self) -> Result<(), VolumeError> {
        let Ok(header) = BlockHeader::parse(self.stream.held()) else {
            let bytes = self.stream.take(ALIGNMENT);
            let between = self.sink.is_none() && bytes.iter().all(|byte| *byte == 0);
            return if between { Ok(()) } else { self.put(&bytes, None) };
        };
        if header.kind == BlockKind::Label {
            self.give_up();
        }
        if !self.is_here(&header)? {
            // The volume broke off in this block: another one may begin where the rest of it should be.
            let bytes = self.stream.take(ALIGNMENT);
            return self.put(&bytes, None);
        }
        let block = self.stream.take(header.block_len());
        let whole = block.len() == header.block_len();
        self.put(&block, Some(&header))?;
        if header.kind == BlockKind::VolumeEnd
            && whole
            && let Some(sink) = self.sink.take()
        {
            sink.finish()?;
            self.received.finished = self.received.finished.saturating_add(1);
        }
        Ok(())
    }

    /// Whether the block whose header came is here to its end: it is sound, or damaged and followed by what follows it.
    fn is_here(&mut self, header: &BlockHeader) -> Result<bool, VolumeError> {
        let len = header.block_len();
        self.stream.hold(len)?;
        if self.stream.held().get(..len).is_some_and(|block| header.payload(block).is_ok()) {
            return Ok(true);
        }
        if self.vain > VAIN.saturating_add(self.received.bytes.saturating_mul(VAIN_EACH)) {
            return Ok(true);
        }
        self.vain = self.vain.saturating_add(len as u64);
        self.stream.hold(len.saturating_add(HEADER_LEN))?;
        let Some(behind) = self.stream.held().get(len..) else { return Ok(false) };
        let (own, last) = (header.identity, header.kind == BlockKind::VolumeEnd);
        Ok(match BlockHeader::parse(behind) {
            Ok(next) if last => next.kind == BlockKind::Label,
            Ok(next) => {
                let next = next.identity;
                next.set == own.set && next.volume == own.volume && Some(next.block) == own.block.checked_add(1)
            }
            Err(_) => behind.is_empty() || (last && behind.iter().all(|byte| *byte == 0)),
        })
    }

    /// Adds bytes to the volume that is being received; begins one if there is none.
    fn put(&mut self, bytes: &[u8], header: Option<&BlockHeader>) -> Result<(), VolumeError> {
        let mut sink = match self.sink.take() {
            Some(sink) => sink,
            None => self.begin(header.and_then(|header| name_in(header, bytes)))?,
        };
        self.received.bytes = self.received.bytes.saturating_add(bytes.len() as u64);
        let done = sink.append(bytes);
        self.sink = Some(sink);
        Ok(done?)
    }

    fn begin(&mut self, name: Option<String>) -> Result<Box<dyn VolumeSink>, VolumeError> {
        self.begun = self.begun.saturating_add(1);
        let number = format!("stream-{:06}{VOLUME_SUFFIX}", self.begun);
        match name.map(|name| self.device.create(&name)) {
            Some(Ok(sink)) => Ok(sink),
            // A volume that came twice keeps both copies.
            Some(Err(DeviceError { kind: DeviceErrorKind::Exists, .. })) | None => Ok(self.device.create(&number)?),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Leaves the volume that is being received as it is: it has no end mark.
    fn give_up(&mut self) {
        if self.sink.take().is_some() {
            self.received.torn = self.received.torn.saturating_add(1);
        }
    }
}

/// The name of the volume that begins with these bytes; none if they hold no sound label.
///
/// ```
/// use intervault::volume::stream::name_of;
/// assert_eq!(name_of(b"something else"), None);
/// ```
#[must_use]
pub fn name_of(bytes: &[u8]) -> Option<String> {
    name_in(&BlockHeader::parse(bytes).ok()?, bytes)
}

/// Whether these are the last bytes of a volume that was finished: an end mark.
#[must_use]
pub fn ends(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(VOLUME_END_BLOCK_LEN);
    let bytes = bytes.get(from..).unwrap_or_default();
    BlockHeader::parse(bytes).is_ok_and(|header| {
        header.kind == BlockKind::VolumeEnd && header.block_len() == bytes.len() && header.payload(bytes).is_ok()
    })
}

/// How a tape tells the volumes on it.
pub const ON_TAPE: Namer = Namer { name: name_of, ends, tail: VOLUME_END_BLOCK_LEN };

/// A volume among others in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The name that its label gives it; none if that is damaged.
    pub name: Option<String>,
    /// Its first byte in the file.
    pub from: u64,
    /// Its bytes.
    pub len: u64,
}

/// The volumes that lie one behind the other in a file, as a pipe brought them. What is one volume, whatever its state, is one
/// extent. Looks at the headers of the blocks alone; at none but the first and the last if these are of one volume.
///
/// # Errors
/// The file cannot be read.
pub fn extents(source: &dyn VolumeSource) -> Result<Vec<Extent>, VolumeError> {
    let header_at = |at: u64| {
        let mut bytes = [0; HEADER_LEN];
        if source.len().saturating_sub(at) < HEADER_LEN as u64 {
            return Ok(None);
        }
        source.read_at(at, &mut bytes)?;
        Ok::<_, VolumeError>(BlockHeader::parse(&bytes).ok())
    };
    let whole = || Ok(vec![Extent { name: None, from: 0, len: source.len() }]);
    let Some(first) = header_at(0)? else { return whole() };
    let of = |header: &BlockHeader| (header.identity.set, header.identity.volume);
    // The last may be another copy of the first: only what says that it is as long as the file is one volume.
    if end_of(source)?.is_some_and(|(last, bytes)| of(&last) == of(&first) && bytes == source.len()) {
        return whole();
    }
    let (mut found, mut open, mut at) = (Vec::new(), None, 0);
    let mut search = Search { source, from: 0, held: Vec::new() };
    while at < source.len() {
        let Some(header) = header_at(at)? else {
            at = search.next(at.saturating_add(ALIGNMENT as u64))?;
            continue;
        };
        let new = header.kind == BlockKind::Label && open.is_none_or(|(_, volume)| volume != of(&header));
        if new {
            found.extend(open.map(|(from, _)| (from, at)));
            open = Some((at, of(&header)));
        }
        at = at.saturating_add(header.block_len() as u64);
        if header.kind == BlockKind::VolumeEnd {
            found.extend(open.take().map(|(from, _)| (from, at.min(source.len()))));
        }
    }
    found.extend(open.map(|(from, _)| (from, source.len())));
    if found.len() < 2 {
        return whole();
    }
    let mut extents = Vec::new();
    for (from, to) in found {
        let header = header_at(from)?;
        let len = header.as_ref().map_or(0, BlockHeader::block_len);
        let mut block = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX).min(len)];
        source.read_at(from, &mut block)?;
        extents.push(Extent {
            name: header.and_then(|header| name_in(&header, &block)),
            from,
            len: to.saturating_sub(from),
        });
    }
    Ok(extents)
}

/// The end mark that a file ends with, and how long its volume is.
fn end_of(source: &dyn VolumeSource) -> Result<Option<(BlockHeader, u64)>, VolumeError> {
    let mut block = [0; VOLUME_END_BLOCK_LEN];
    let Some(at) = source.len().checked_sub(block.len() as u64) else { return Ok(None) };
    source.read_at(at, &mut block)?;
    let Ok(header) = BlockHeader::parse(&block) else { return Ok(None) };
    let end = header.payload(&block).ok().and_then(|payload| decode_record::<VolumeEndRecord>(payload).ok());
    Ok(end
        .filter(|_| header.kind == BlockKind::VolumeEnd)
        .map(|end| (header, end.bytes.saturating_add(block.len() as u64))))
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

    /// The next place, from this one on, where a block may begin; the end of the file if there is none.
    fn next(&mut self, from: u64) -> Result<u64, VolumeError> {
        let mut at = from;
        while at < self.source.len() {
            if self.held(at).len()
                < ALIGNMENT.min(usize::try_from(self.source.len().saturating_sub(at)).unwrap_or(usize::MAX))
            {
                let room = usize::try_from(self.source.len().saturating_sub(at)).unwrap_or(usize::MAX).min(WINDOW);
                self.held.resize(room, 0);
                self.from = at;
                self.source.read_at(at, &mut self.held)?;
            }
            let held = self.held(at);
            if let Some(places) = held.chunks(ALIGNMENT).position(|place| place.starts_with(&MAGIC)) {
                return Ok(at.saturating_add(places.saturating_mul(ALIGNMENT) as u64));
            }
            at = at.saturating_add(held.len().next_multiple_of(ALIGNMENT) as u64);
        }
        Ok(self.source.len())
    }
}

fn name_in(header: &BlockHeader, block: &[u8]) -> Option<String> {
    let label: LabelRecord = decode_record(header.payload(block).ok()?).ok()?;
    let ours = header.kind == BlockKind::Label && label.check_block(header).is_ok();
    Some(volume_name(&label)).filter(|name| ours && name.len() <= NAME_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::device::name::partial_name;
    use crate::device::pipe::PipeDevice;
    use crate::format::block::{BlockIdentity, SetId, encode_block};
    use crate::testing::sets::{Sample, write_sample};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A set of several volumes, as it is on a device and as it came through a pipe.
    fn piped() -> (MemoryDevice, Vec<u8>) {
        let (memory, kept) = (MemoryDevice::new(), Kept::default());
        write_sample(&memory, &Sample::default(), Some(5_000)).unwrap();
        let pipe = PipeDevice::new("a pipe", Box::new(kept.clone()));
        write_sample(&pipe, &Sample::default(), Some(5_000)).unwrap();
        let bytes = kept.0.lock().unwrap().clone();
        (memory, bytes)
    }

    /// Gives a few bytes at a time, and is interrupted now and then.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(5) {
                return Err(ErrorKind::Interrupted.into());
            }
            let taken = room.len().min(self.0.len()).min(1 + self.1 % 97);
            room[..taken].copy_from_slice(&self.0[..taken]);
            self.0 = &self.0[taken..];
            Ok(taken)
        }
    }

    fn same(left: &MemoryDevice, right: &MemoryDevice) {
        assert_eq!(left.list().unwrap(), right.list().unwrap());
        for name in left.list().unwrap() {
            assert!(left.bytes(&name) == right.bytes(&name), "{name}");
        }
    }

    #[test]
    fn what_goes_into_a_pipe_comes_out_of_it() {
        let (memory, bytes) = piped();
        assert!(memory.list().unwrap().len() > 2);
        let received = MemoryDevice::new();
        // The trickle never gives nothing before its end.
        let told = receive(&mut Trickle(&bytes, 1), "a pipe", &received).unwrap();
        assert_eq!((told.finished as usize, told.torn), (memory.list().unwrap().len(), 0));
        assert_eq!(told.bytes, bytes.len() as u64);
        same(&received, &memory);
    }

    #[test]
    fn zeros_between_volumes_are_those_of_tape_records() {
        let (memory, _) = piped();
        let padded: Vec<u8> = memory
            .list()
            .unwrap()
            .iter()
            .flat_map(|name| {
                let mut bytes = memory.bytes(name).unwrap();
                bytes.resize(bytes.len().next_multiple_of(4_096), 0);
                bytes
            })
            .collect();
        let received = MemoryDevice::new();
        receive(&mut padded.as_slice(), "a tape", &received).unwrap();
        same(&received, &memory);
    }

    #[test]
    fn what_breaks_off_is_partial_and_what_was_whole_stays_whole() {
        let (memory, bytes) = piped();
        let names = memory.list().unwrap();
        let first = memory.bytes(&names[0]).unwrap();
        for len in (HEADER_LEN..bytes.len()).step_by(61) {
            let received = MemoryDevice::new();
            let told = receive(&mut &bytes[..len], "a pipe", &received).unwrap();
            let listed = received.list().unwrap();
            assert_eq!(listed.len() as u32, told.finished + told.torn);
            for name in listed.iter().filter(|name| names.contains(name)) {
                assert!(received.bytes(name) == memory.bytes(name), "{name}");
            }
            if len < first.len() {
                let torn = listed[0].clone();
                assert!(torn == partial_name(&names[0]) || torn == ".stream-000001.ivv.partial", "{torn}");
                assert_eq!(received.bytes(&torn).unwrap(), bytes[..len]);
            }
        }
    }

    #[test]
    fn damage_arrives_as_it_came() {
        let (memory, bytes) = piped();
        let names = memory.list().unwrap();
        let first = memory.bytes(&names[0]).unwrap().len();
        for bit in (0..bytes.len() * 8).step_by(2_003) {
            let mut hurt = bytes.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            let received = MemoryDevice::new();
            let told = match receive(&mut hurt.as_slice(), "a pipe", &received) {
                Ok(told) => told,
                Err(error) => {
                    assert!(bit / 8 < 8 && matches!(error, VolumeError::NotAVolume { .. }), "{bit}: {error}");
                    continue;
                }
            };
            assert_eq!(told.bytes, hurt.len() as u64, "{bit}");
            if bit / 8 >= first {
                assert_eq!(received.bytes(&names[0]), memory.bytes(&names[0]));
            }
        }
    }

    #[test]
    fn what_stands_behind_a_volume_that_broke_off_is_whole() {
        let (memory, bytes) = piped();
        let name = memory.list().unwrap().remove(1);
        let second = memory.bytes(&name).unwrap();
        for len in (HEADER_LEN.next_multiple_of(ALIGNMENT)..bytes.len()).step_by(ALIGNMENT) {
            let received = MemoryDevice::new();
            let stream = [&bytes[..len], &second[..]].concat();
            let told = receive(&mut stream.as_slice(), "a pipe", &received).unwrap();
            let all: Vec<Vec<u8>> = received.list().unwrap().iter().map(|name| received.bytes(name).unwrap()).collect();
            assert!(all.contains(&second) && told.bytes == stream.len() as u64, "{len}: {told:?}");
        }
    }

    #[test]
    fn headers_that_lie_do_not_make_it_slow() {
        let identity = BlockIdentity { set: SetId([1; 16]), volume: 1, block: 7, section: 1 };
        let block = encode_block(BlockKind::Chunk, identity, &vec![0; 1 << 20]).unwrap();
        let mut lies = block[..ALIGNMENT * 2].to_vec();
        lies[HEADER_LEN..].fill(1);
        let stream = lies.repeat(30_000);
        let received = MemoryDevice::new();
        let told = receive(&mut stream.as_slice(), "a pipe", &received).unwrap();
        assert_eq!(told.bytes, stream.len() as u64);
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
    fn something_else_is_refused_at_once() {
        for bytes in [&b""[..], b"SQLite format 3", &[0; 500]] {
            let device = MemoryDevice::new();
            let error = receive(&mut &bytes[..], "standard input", &device).unwrap_err();
            assert!(matches!(error, VolumeError::NotAVolume { .. }), "{error}");
            assert!(device.list().unwrap().is_empty());
        }
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
            assert_eq!(extents(&behind).unwrap().len(), 2 * found.len());
        }
    }
}
