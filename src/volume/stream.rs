//! Volumes that come one after the other through a pipe are put on a device, each under its name, so that they can be read
//! in any order. Nothing is left out and nothing judged: what is damaged arrives as it came, and whoever reads it finds it.

use super::error::VolumeError;
use super::name::volume_name;
use crate::device::error::{DeviceError, DeviceErrorKind};
use crate::device::name::VOLUME_SUFFIX;
use crate::device::tape::Namer;
use crate::device::traits::{Device, VolumeSink};
use crate::format::block::{ALIGNMENT, BlockHeader, BlockKind, HEADER_LEN};
use crate::format::error::FormatErrorKind;
use crate::format::label::LabelRecord;
use crate::format::marks::VOLUME_END_BLOCK_LEN;
use crate::format::record::decode_record;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

pub use super::extents::{Extent, extents, several};

/// Longest name that a volume gets from its label: what file systems take.
pub(super) const NAME_BYTES: usize = 200;

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
    Receiver { stream, device, sink: None, labelled: false, begun: 0, vain: 0, received: Received::default() }.run()
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
    /// Whether what is being received began with a label.
    labelled: bool,
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
        self.give_up()?;
        Ok(self.received)
    }

    /// Takes one block, or as many bytes as lie between two places where one may begin.
    fn step(&mut self) -> Result<(), VolumeError> {
        let Ok(header) = BlockHeader::parse(self.stream.held()) else {
            let bytes = self.stream.take(ALIGNMENT);
            self.labelled &= self.sink.is_some();
            let between = self.sink.is_none() && bytes.iter().all(|byte| *byte == 0);
            return if between { Ok(()) } else { self.put(&bytes, None) };
        };
        if header.kind == BlockKind::Label {
            self.give_up()?;
        }
        if self.sink.is_none() {
            self.labelled = header.kind == BlockKind::Label;
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

    /// Leaves the volume that is being received as it is: it has no end mark. What did not begin as a volume was never one that
    /// somebody was writing, and has not the name of one.
    fn give_up(&mut self) -> Result<(), VolumeError> {
        let Some(sink) = self.sink.take() else { return Ok(()) };
        self.received.torn = self.received.torn.saturating_add(1);
        if !self.labelled {
            sink.finish()?;
        }
        Ok(())
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

fn name_in(header: &BlockHeader, block: &[u8]) -> Option<String> {
    label_in(header, block).map(|label| volume_name(&label)).filter(|name| name.len() <= NAME_BYTES)
}

/// The label that this block is, if it is a sound one.
pub(super) fn label_in(header: &BlockHeader, block: &[u8]) -> Option<LabelRecord> {
    let label: LabelRecord = decode_record(header.payload(block).ok()?).ok()?;
    (header.kind == BlockKind::Label && label.check_block(header).is_ok()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::device::name::partial_name;
    use crate::device::pipe::PipeDevice;
    use crate::format::block::{BlockIdentity, SetId, encode_block};
    use crate::testing::sets::{Sample, write_sample};
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
    fn something_else_is_refused_at_once() {
        for bytes in [&b""[..], b"SQLite format 3", &[0; 500]] {
            let device = MemoryDevice::new();
            let error = receive(&mut &bytes[..], "standard input", &device).unwrap_err();
            assert!(matches!(error, VolumeError::NotAVolume { .. }), "{error}");
            assert!(device.list().unwrap().is_empty());
        }
    }

    /// What comes behind the volumes and is none has not the name of one that somebody was writing.
    #[test]
    fn junk_in_a_pipe_is_no_unfinished_volume() {
        let (memory, bytes) = piped();
        let received = MemoryDevice::new();
        let told = receive(&mut [&bytes[..], &[7; 1_000]].concat().as_slice(), "a pipe", &received).unwrap();
        let names = received.list().unwrap();
        assert_eq!((told.torn, names.len()), (1, memory.list().unwrap().len() + 1));
        assert!(names.iter().all(|name| !name.ends_with("partial")), "{names:?}");
    }
}
