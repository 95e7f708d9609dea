//! Fuzz bodies over whole sets: volumes of a fixture that are damaged, renamed, doubled, mixed with those of another set, as
//! files, through a pipe and on a tape. What is said of them is compared with what was written.

use super::damage::{Damage, forge, mend, places};
use super::fixtures::{Fixture, other, small};
use super::mutate::Rng;
use super::whole::{Verdict, Whole, are_zeros};
use crate::check::outline;
use crate::device::memory::MemoryDevice;
use crate::device::tape::device::TapeDevice;
use crate::device::traits::Device;
use crate::verify::finding::Level;
use crate::volume::set::list_sets;
use crate::volume::stream::{ON_TAPE, receive};
use std::io::Read;
use std::sync::OnceLock;

/// Bytes of a volume of the fixture.
const VOLUME: u64 = 16 << 10;

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| Whole::new(small(Some(VOLUME))))
}

fn stranger() -> &'static Fixture {
    static STRANGER: OnceLock<Fixture> = OnceLock::new();
    STRANGER.get_or_init(|| other(0x77, Some(VOLUME)))
}

/// Bytes that steer.
pub(super) struct Script<'a>(&'a [u8]);

impl Script<'_> {
    pub(super) const fn new(data: &[u8]) -> Script<'_> {
        Script(data)
    }

    /// The next byte; 0 when they are used up.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let number = (0..3).fold(0usize, |number, _| number << 8 | usize::from(self.byte()));
        number.checked_rem(end).unwrap_or(0)
    }

    pub(super) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// One damage to a volume, in steps of whole blocks as often as anywhere.
fn damage(script: &mut Script<'_>, bytes: &[u8]) -> Damage {
    let blocks = places(bytes);
    let place = |script: &mut Script<'_>| match script.byte() % 2 {
        0 => (script.below(bytes.len().saturating_add(1)), 1usize << (script.byte() % 14)),
        _ => blocks.get(script.below(blocks.len())).map_or((0, 1), |place| (place.at, place.len)),
    };
    let (at, len) = place(script);
    match script.byte() % 10 {
        0 | 1 => Damage::Flip { at, mask: script.byte().max(1) },
        2 => Damage::Zero { at, len },
        3 => Damage::Burst { at, len: len.min(64), seed: u64::from(script.byte()) },
        4 => Damage::Cut { len: at },
        5 => Damage::Behind { len: len.min(1 << 12) },
        6 => Damage::Swap { a: at, b: place(script).0, len },
        7 => Damage::Misdirected { from: at, to: place(script).0, len },
        8 => Damage::Lost { at, len },
        _ => Damage::Doubled { at, len },
    }
}

/// Damages, renames and mixes; then the checksums are as they are, made right, or made right with all hashes. What is read
/// without an error is what was written: always where nobody made checksums right, and row by row in any case. A set of which
/// rows are lost is said to be less than whole, and where nobody made checksums right so is each volume that was changed.
///
/// # Panics
/// If it is not.
pub fn set(data: &[u8]) {
    let mut script = Script::new(data);
    let (whole, mode) = (whole(), script.byte() % 3);
    let mut volumes = whole.fixture.volumes.clone();
    while !script.is_over() {
        let (count, what) = (volumes.len(), script.byte() % 8);
        let at = script.below(count);
        match what {
            0 => drop((at < count && count > 1).then(|| volumes.remove(at))),
            1 if count < 8 => {
                volumes.extend(volumes.get(at).cloned().map(|(_, bytes)| (format!("{count}.ivv"), bytes)))
            }
            2 if count < 8 => volumes.extend(stranger().volumes.get(at).cloned()),
            3 => {
                let other = script.below(count);
                let name = volumes.get(other).map(|(name, _)| name.clone()).unwrap_or_default();
                if let Some(volume) = volumes.get_mut(at) {
                    volume.0 = name;
                }
            }
            _ => {
                if let Some((_, bytes)) = volumes.get_mut(at) {
                    damage(&mut script, bytes).apply(bytes);
                }
            }
        }
    }
    let (names, mut bytes): (Vec<String>, Vec<Vec<u8>>) = volumes.into_iter().unzip();
    if mode > 0 {
        bytes.iter_mut().for_each(|bytes| mend(bytes));
    }
    if mode > 1 {
        // What cannot be read any more stays as it is.
        let _ = forge(&mut bytes);
    }
    let device = MemoryDevice::new();
    names.iter().zip(bytes).for_each(|(name, bytes)| device.insert(name, bytes));
    let verdict = whole.judge(&device);
    let wrong: Vec<_> = verdict.changed.iter().filter(|what| mode == 0 || what.starts_with("rows ")).collect();
    assert!(wrong.is_empty(), "what was never written is believed: {wrong:?}");
    assert!(!verdict.own || !whole.is_less(&verdict), "rows are lost, and nobody says so: {verdict:?}");
    if mode == 0 {
        as_written_or_told(&device, &verdict);
    }
    for set in list_sets(&device).map(|listing| listing.sets).unwrap_or_default() {
        let _ = (outline(&set), set.check_chain().is_ok());
    }
}

/// What changed bytes owe whose checksums nobody made right: a word against them, and that a volume which is as it was written
/// is still known for what it is.
fn as_written_or_told(device: &MemoryDevice, verdict: &Verdict) {
    // Zeros behind a volume are no part of it.
    let is = |volume: &[u8], bytes: &[u8]| bytes.strip_prefix(volume).is_some_and(are_zeros);
    let is_of = |fixture: &Fixture, bytes: &[u8]| fixture.volumes.iter().any(|(_, volume)| is(volume, bytes));
    let held = held(device);
    let changed: Vec<&str> = held
        .iter()
        .filter(|(_, bytes)| !is_of(&whole().fixture, bytes) && !is_of(stranger(), bytes))
        .map(|(name, _)| name.as_str())
        .collect();
    let told = !verdict.unreadable.is_empty() || verdict.worst() >= Some(Level::Incomplete);
    assert!(changed.is_empty() || told, "{changed:?} are not what was written, and nobody says so: {verdict:?}");
    let here = held.iter().any(|(_, bytes)| is_of(&whole().fixture, bytes));
    assert!(verdict.own || !here, "a volume is as it was written, and its set is not known: {verdict:?}");
}

/// Reads in pieces of sizes that follow from a seed.
struct Pieces<'a>(&'a [u8], Rng);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let room = self.1.below(300).max(1).min(buffer.len());
        self.0.read(buffer.get_mut(..room).unwrap_or_default())
    }
}

/// Name and bytes of all volumes of a device.
fn held(device: &dyn Device) -> Vec<(String, Vec<u8>)> {
    let mut held = Vec::new();
    for name in device.list().unwrap_or_default() {
        let Ok(source) = device.open(&name) else { continue };
        let mut bytes = vec![0; usize::try_from(source.len()).unwrap_or(0).min(1 << 24)];
        let read = source.read_at(0, &mut bytes).is_ok();
        held.push((name, if read { bytes } else { Vec::new() }));
    }
    held
}

/// Bytes that come through a pipe, as they are and with their checksums right: the same volumes arrive however the pipe cuts
/// them, with no more bytes than came.
///
/// # Panics
/// If they do not.
pub fn stream(data: &[u8]) {
    let mut mended = data.to_vec();
    mend(&mut mended);
    for bytes in [data, &mended] {
        let (once, cut) = (MemoryDevice::new(), MemoryDevice::new());
        let all = receive(&mut &*bytes, "a pipe", &once);
        let pieces = receive(&mut Pieces(bytes, Rng::new(bytes.len() as u64)), "a pipe", &cut);
        assert_eq!(all.as_ref().ok(), pieces.as_ref().ok(), "what arrives depends on the pipe");
        assert!(held(&once) == held(&cut), "other volumes arrive where the pipe cuts them");
        let total: usize = held(&once).iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(total <= bytes.len(), "{total} bytes of {} arrived", bytes.len());
        if let Ok(received) = all {
            assert_eq!(received.bytes, total as u64, "bytes are counted wrong");
        }
    }
}

/// Bytes as a tape image: what is on it is listed and read, the same each time, and is no more than the image holds.
///
/// # Panics
/// If it is not; if there is no room for a file of these bytes.
#[expect(clippy::expect_used, reason = "a fuzz body without a file to try says so")]
pub fn tape(data: &[u8]) {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let file = tempfile::NamedTempFile::new_in(folder).expect("a temporary file");
    std::fs::write(file.path(), data).expect("room for a few bytes");
    let open = || TapeDevice::open(file.path(), ON_TAPE, false, None);
    let (Ok(one), Ok(other)) = (open(), open()) else { return };
    let read = held(&one);
    assert!(read == held(&other) && read == held(&one), "a tape is read in two ways");
    let total: usize = read.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(total <= data.len(), "{total} bytes on an image of {}", data.len());
    for (name, bytes) in &read {
        let source = one.open(name).expect("it was opened before");
        for (at, expected) in bytes.iter().enumerate().step_by(bytes.len() / 7 + 1) {
            let mut byte = [0];
            let same = source.read_at(at as u64, &mut byte).is_ok() && byte == [*expected];
            assert!(same, "byte {at} of {name} differs alone");
        }
    }
    let _ = list_sets(&one).map(|listing| listing.sets.len());
}

/// The records of a tape image with these volumes, each with a file mark behind it.
fn image(volumes: &[Vec<u8>], record: usize) -> Vec<u8> {
    let mut image = Vec::new();
    for volume in volumes {
        for part in volume.chunks(record) {
            let mut part = part.to_vec();
            part.resize(record, 0);
            let len = u32::try_from(record).unwrap_or(0).to_le_bytes();
            image.extend(len.iter().chain(&part).chain(&len));
        }
        image.extend([0; 4]);
    }
    image
}

/// A small set on several volumes.
fn volumes() -> Vec<Vec<u8>> {
    use super::sets::{Sample, write_sample};
    let sample = Sample { seed: 8, sections: 2, chunks: 2, column_bytes: 20, pieces: 1 };
    let device = MemoryDevice::new();
    let names = write_sample(&device, &sample, Some(2_200)).map(|set| set.volumes).unwrap_or_default();
    names.iter().filter_map(|volume| device.bytes(&volume.name)).collect()
}

/// Seeds by name, for the target `set`.
#[must_use]
pub fn set_seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("whole", vec![0]),
        ("a_flip", vec![0, 4, 0, 0, 1, 0, 1, 2, 3, 1, 0, 8]),
        ("mended", vec![1, 4, 0, 0, 2, 1, 0, 0, 3, 2, 5, 4, 0, 0, 0, 0, 0, 200, 7, 0, 255]),
        ("forged", vec![2, 5, 0, 0, 1, 1, 0, 0, 4, 0, 16, 6, 0, 0, 2, 0, 1, 0, 0, 9, 3]),
        ("renamed", vec![0, 3, 0, 0, 1, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 3]),
        ("mixed", vec![0, 2, 0, 0, 1, 2, 0, 0, 2, 7, 0, 0, 1, 1, 0, 0, 1, 4]),
        ("found_1", b"\0\0\0'\0\0\0 fo4 54\0\0\0\0\0\0DDDDDDDDD1DDDDD\0\x01".to_vec()),
    ]
}

/// Seeds by name, for the target `stream`.
#[must_use]
pub fn stream_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let volumes = volumes();
    let mut torn = volumes.first().cloned().unwrap_or_default();
    torn.truncate(torn.len() / 2 / 64 * 64);
    vec![("several", volumes.concat()), ("torn", [torn, vec![0; 256], volumes.concat()].concat())]
}

/// Seeds by name, for the target `tape`.
#[must_use]
pub fn tape_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut torn = image(&volumes(), 512);
    torn.truncate(torn.len().saturating_sub(700));
    vec![("one_record_each", image(&volumes(), 2_304)), ("small_records", image(&volumes(), 256)), ("torn", torn)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damage::payload;

    #[test]
    fn the_seeds_reach_what_they_are_for() {
        assert!(volumes().len() > 1);
        let device = MemoryDevice::new();
        let received = receive(&mut &*volumes().concat(), "a pipe", &device).unwrap();
        assert_eq!(received.finished as usize, volumes().len());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), image(&volumes(), 256)).unwrap();
        let tape = TapeDevice::open(file.path(), ON_TAPE, false, None).unwrap();
        assert_eq!(tape.list().unwrap().len(), volumes().len());
        assert_eq!(held(&tape)[0].1, volumes()[0]);
        let first = &whole().fixture.volumes[0].1;
        assert!(places(first).iter().all(|place| payload(first, place).len() == place.header.payload_len as usize));
    }
}
