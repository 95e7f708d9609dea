//! Files of any name and any content, for reading: what is left of volumes. Knows of blocks only how they begin; the records of
//! tape images are put one behind the other, so that what lies across two of them is in one piece. An image may be damaged, and
//! begin anywhere: what is no record is taken as it is.

use super::directory::FileSource;
use super::error::{DeviceError, DeviceErrorKind, within};
use super::traits::{Device, VolumeSink, VolumeSource, VolumeWriter};
use std::collections::BTreeMap;
use std::fs::{DirEntry, File, FileType};
use std::path::{Path, PathBuf};

/// Longest record of a tape image.
const RECORD_MAX: u64 = 8 << 20;

/// Runs of records of one length that are told apart in a file, at most; what follows is taken as it is.
const RUNS_MAX: usize = 1 << 16;

/// One file, or all files in a folder, links to files too. Folders in it are not looked into, and nothing is opened that is no
/// file.
#[derive(Debug)]
pub struct HeapDevice {
    path: PathBuf,
    /// What is listed, ascending.
    names: Vec<String>,
    /// Files that are called otherwise than they are listed.
    odd: BTreeMap<String, PathBuf>,
    /// How many folders are not looked into.
    folders: u64,
    /// How files begin that are certainly no images; empty if nothing is known of that.
    plain: Vec<u8>,
}

impl HeapDevice {
    /// The file, or the files of the folder, at a path.
    ///
    /// # Errors
    /// There is nothing, or it cannot be read; it is neither a file nor a folder.
    pub fn open(path: &Path) -> Result<HeapDevice, DeviceError> {
        let fail = |error: std::io::Error| DeviceError { op: "open", place: path.to_owned(), kind: error.into() };
        let about = std::fs::metadata(path).map_err(fail)?;
        let mut heap = HeapDevice {
            path: path.to_owned(),
            names: Vec::new(),
            odd: BTreeMap::new(),
            folders: 0,
            plain: Vec::new(),
        };
        if about.is_file() {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            heap.odd.insert(name.clone(), path.to_owned());
            heap.names.push(name);
        } else if about.is_dir() {
            for entry in std::fs::read_dir(path).map_err(fail)? {
                heap.add(&entry.map_err(fail)?);
            }
            heap.names.sort_unstable();
        } else {
            let kind = DeviceErrorKind::Io(std::io::Error::other("it is neither a file nor a folder"));
            return Err(DeviceError { op: "open", place: path.to_owned(), kind });
        }
        Ok(heap)
    }

    fn add(&mut self, entry: &DirEntry) {
        let kind = entry.file_type();
        let link = kind.as_ref().is_ok_and(FileType::is_symlink);
        // What cannot be looked at is listed, and told when it cannot be opened.
        let target = link.then(|| std::fs::metadata(entry.path()).map(|about| about.file_type()));
        let kind = target.unwrap_or(kind);
        if kind.as_ref().is_ok_and(FileType::is_dir) {
            self.folders = self.folders.saturating_add(1);
        } else if kind.is_err() || kind.is_ok_and(|kind| kind.is_file()) {
            match entry.file_name().into_string() {
                Ok(name) if !name.contains(char::REPLACEMENT_CHARACTER) => self.names.push(name),
                Ok(_) | Err(_) => {
                    let mut shown = entry.file_name().to_string_lossy().into_owned();
                    while self.odd.contains_key(&shown) {
                        shown.push('+');
                    }
                    self.odd.insert(shown.clone(), entry.path());
                    self.names.push(shown);
                }
            }
        }
    }

    /// The same; files that begin with these bytes are certainly no images of tapes.
    #[must_use]
    pub fn plain(self, beginning: &[u8]) -> HeapDevice {
        HeapDevice { plain: beginning.to_vec(), ..self }
    }

    /// Who is writing in the folder, and the volume that was begun last; of a single file, if it is that volume. `None` if nobody
    /// is, or began none yet.
    #[must_use]
    pub fn at_work(&self) -> Option<VolumeWriter> {
        let single = self.path.is_file();
        let folder = if single { self.path.parent()? } else { &self.path };
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let writer = super::lock::writer(here)?;
        let volume = writer.volume.as_ref()?;
        // Until it is whole its file has more before and behind its name.
        (!single || self.names.iter().any(|name| name.contains(volume.as_str()))).then_some(writer)
    }

    /// How many folders lie in it, which are not looked into.
    #[must_use]
    pub const fn folders(&self) -> u64 {
        self.folders
    }
}

impl Device for HeapDevice {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(self.names.clone())
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let place = self.path.join(name);
        let fail = |kind| DeviceError { op: "open", place: place.clone(), kind };
        if self.names.binary_search_by(|other| other.as_str().cmp(name)).is_err() {
            return Err(fail(DeviceErrorKind::NotFound));
        }
        let path = self.odd.get(name).unwrap_or(&place).clone();
        let file = File::open(&path).map_err(|error| fail(error.into()))?;
        let len = file.metadata().map_err(|error| fail(error.into()))?.len();
        let source = Box::new(FileSource { file, len, place: path });
        let mut first = vec![0; self.plain.len()];
        if !first.is_empty() && source.read_at(0, &mut first).is_ok() && first == self.plain {
            return Ok(source);
        }
        Ok(match runs(source.as_ref()).map(|Image { runs, len, .. }| (runs, len)) {
            Some((runs, len)) => Box::new(Stretched { file: source, runs, len }),
            None => source,
        })
    }

    /// Always refused: what is left of volumes is only read.
    fn create(&self, _name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        Err(DeviceError { op: "write to", place: self.path.clone(), kind: DeviceErrorKind::NotPermitted })
    }
}

/// Bytes of a file in which the first sound record of a tape image is looked for.
const SEARCHED: u64 = 2 * RECORD_MAX + 64;

/// Bytes looked through at a time in search of a record.
const WINDOW: u64 = 256 << 10;

/// Records of one length, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// First byte of the first one as it is read.
    start: u64,
    /// Its first byte in the file.
    from: u64,
    /// Bytes of each.
    len: u64,
    count: u64,
}

impl Run {
    const fn stop(&self) -> u64 {
        self.start.saturating_add(self.len.saturating_mul(self.count))
    }
}

/// Bytes from one record to the next.
const fn step(len: u64) -> u64 {
    len.next_multiple_of(2).saturating_add(8)
}

/// The records of a tape image in a file. None of them is believed for its own sake: two lengths that agree make one, or
/// one that is as long as those around it.
struct Image<'s> {
    source: &'s dyn VolumeSource,
    runs: Vec<Run>,
    len: u64,
}

/// Where the records of a tape image lie in its file. `None` if it is no tape image.
fn runs(source: &dyn VolumeSource) -> Option<Image<'_>> {
    let mut image = Image { source, runs: Vec::new(), len: 0 };
    let end = source.len();
    let begins = image.number(0).filter(|len| (1..=RECORD_MAX).contains(len) && image.goes_on(0, *len));
    let (mut at, mut usual) = match image.record_at(0).or(begins) {
        Some(len) => (0, len),
        None => image.first()?,
    };
    let certain = at == 0;
    image.raw(0, at, Some(usual));
    while at < end && image.runs.len() < RUNS_MAX {
        match image.number(at) {
            // Zeros with the length of a record behind them are no mark, but one of which the beginning is damaged.
            Some(0) if image.behind(at, usual) != Some(usual) && image.is_mark(at) => at = at.saturating_add(4),
            _ => {
                let Some(len) = image.length_at(at, usual) else {
                    let next = image.find(at.saturating_add(1), usual).unwrap_or(end);
                    image.raw(at, next, Some(usual));
                    at = next;
                    continue;
                };
                usual = len;
                image.add(at.saturating_add(4), len.min(end.saturating_sub(at).saturating_sub(4)));
                at = at.saturating_add(step(len));
            }
        }
    }
    if at < end {
        image.raw(at, end, None);
    }
    if !certain {
        // It may be no image at all: then its bytes are looked at as they are, too.
        image.raw(0, end, None);
    }
    Some(image)
}

impl Image<'_> {
    fn number(&self, at: u64) -> Option<u64> {
        let mut bytes = [0; 4];
        self.source.read_at(at, &mut bytes).ok().map(|()| u64::from(u32::from_le_bytes(bytes)))
    }

    /// The length behind the bytes of a record of some length.
    fn behind(&self, at: u64, len: u64) -> Option<u64> {
        self.number(at.saturating_add(step(len)).saturating_sub(4))
    }

    /// The length of the record at a byte, if the lengths before and behind it agree.
    fn record_at(&self, at: u64) -> Option<u64> {
        let len = self.number(at).filter(|len| (1..=RECORD_MAX).contains(len))?;
        (self.behind(at, len) == Some(len)).then_some(len)
    }

    /// Whether the four zeros at a byte are a file mark: a record follows, another mark, or nothing.
    fn is_mark(&self, at: u64) -> bool {
        let next = at.saturating_add(4);
        next >= self.source.len() || self.number(next) == Some(0) || self.record_at(next).is_some()
    }

    /// The length of the record at a byte, where one of its two lengths may be damaged, or both.
    fn length_at(&self, at: u64, usual: u64) -> Option<u64> {
        let leads = self.number(at).filter(|len| (1..=RECORD_MAX).contains(len));
        match leads {
            Some(len) if self.behind(at, len) == Some(len) => Some(len),
            Some(len) if len == usual || self.goes_on(at, len) => Some(len),
            _ if self.behind(at, usual) == Some(usual) || self.goes_on(at, usual) => Some(usual),
            _ => None,
        }
    }

    /// Whether behind a record of some length stands what can stand there: a record, one of the same length of which one of its
    /// lengths is damaged, a file mark, or nothing.
    fn goes_on(&self, at: u64, len: u64) -> bool {
        let next = at.saturating_add(step(len));
        let record = self.record_at(next).is_some() || self.behind(next, len) == Some(len);
        record || next == self.source.len() || self.number(next) == Some(0) && self.is_mark(next)
    }

    /// The next byte from `from` on where a record of this length begins.
    fn find(&self, from: u64, len: u64) -> Option<u64> {
        let pattern = u32::try_from(len).ok()?.to_le_bytes();
        self.search(from, self.source.len(), |bytes| bytes == pattern, |at| self.record_at(at) == Some(len))
    }

    /// Where the first sound record of a file begins that does not begin with one, and its length: one that another one follows.
    fn first(&self) -> Option<(u64, u64)> {
        let likely = |bytes: [u8; 4]| {
            let len = u64::from(u32::from_le_bytes(bytes));
            len.is_multiple_of(64) && (512..=RECORD_MAX).contains(&len)
        };
        let sound = |at: u64| {
            let len = self.record_at(at)?;
            (self.record_at(at.saturating_add(step(len))) == Some(len)).then_some(len)
        };
        let at = self.search(1, self.source.len().min(SEARCHED), likely, |at| sound(at).is_some())?;
        sound(at).map(|len| (at, len))
    }

    /// The first byte of a stretch at which four bytes are likely, and which is right.
    fn search(&self, from: u64, to: u64, likely: impl Fn([u8; 4]) -> bool, right: impl Fn(u64) -> bool) -> Option<u64> {
        let mut at = from;
        let mut bytes = Vec::new();
        while at < to {
            let take = to.saturating_sub(at).min(WINDOW);
            bytes.resize(usize::try_from(take).unwrap_or(0), 0);
            if self.source.read_at(at, &mut bytes).is_err() {
                at = at.saturating_add(4096);
                continue;
            }
            for (place, window) in (at..).zip(bytes.windows(4)) {
                if <[u8; 4]>::try_from(window).is_ok_and(&likely) && right(place) {
                    return Some(place);
                }
            }
            at = at.saturating_add(take.saturating_sub(3).max(1));
        }
        None
    }

    /// Adds a stretch as it is, without the length of a record at its end.
    fn raw(&mut self, from: u64, to: u64, length: Option<u64>) {
        let cut = to.checked_sub(4).filter(|cut| *cut >= from && length.is_some() && self.number(*cut) == length);
        self.add(from, cut.unwrap_or(to).saturating_sub(from));
    }

    fn add(&mut self, from: u64, len: u64) {
        if len == 0 {
            return;
        }
        let start = self.len;
        self.len = start.saturating_add(len);
        match self.runs.last_mut() {
            Some(last) if last.len == len && last.from.saturating_add(step(len).saturating_mul(last.count)) == from => {
                last.count = last.count.saturating_add(1);
            }
            _ => self.runs.push(Run { start, from, len, count: 1 }),
        }
    }
}

/// The records of a tape image, one behind the other.
struct Stretched {
    file: Box<dyn VolumeSource>,
    runs: Vec<Run>,
    len: u64,
}

impl VolumeSource for Stretched {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let fail = |kind| DeviceError { op: "read", place: PathBuf::from("a tape image"), kind };
        within(self.len, at, buffer).map_err(fail)?;
        let mut number = self.runs.partition_point(|run| run.stop() <= at);
        let (mut at, mut rest) = (at, buffer);
        while !rest.is_empty() {
            let Some(run) = self.runs.get(number) else { break };
            let inside = at.saturating_sub(run.start);
            let (record, byte) = (inside.checked_div(run.len).unwrap_or(0), inside.checked_rem(run.len).unwrap_or(0));
            let take = usize::try_from(run.len.saturating_sub(byte)).unwrap_or(usize::MAX).min(rest.len());
            let (here, behind) = rest.split_at_mut(take);
            let from = run.from.saturating_add(record.saturating_mul(step(run.len))).saturating_add(byte);
            self.file.read_at(from, here)?;
            at = at.saturating_add(take as u64);
            rest = behind;
            if at >= run.stop() {
                number = number.saturating_add(1);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(records: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records {
            let len = (record.len() as u32).to_le_bytes();
            out.extend(len);
            out.extend(*record);
            out.extend(vec![0; record.len() % 2]);
            if !record.is_empty() {
                out.extend(len);
            }
        }
        out
    }

    fn read(bytes: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("some thing"), bytes).unwrap();
        let device = HeapDevice::open(folder.path()).unwrap();
        assert_eq!(device.list().unwrap(), ["some thing"]);
        let source = device.open("some thing").unwrap();
        let mut whole = vec![0; source.len() as usize];
        source.read_at(0, &mut whole).unwrap();
        let middle = whole.len() / 2;
        let mut part = vec![0; middle];
        source.read_at(1, &mut part).unwrap();
        assert_eq!(part, whole[1..][..middle]);
        whole
    }

    #[test]
    fn records_of_a_tape_image_are_read_as_one() {
        let whole = image(&[b"abcdefgh", b"ijk", b"", b"lmnopqrs"]);
        assert_eq!(read(&whole), b"abcdefghijklmnopqrs");
        assert_eq!(read(b"no tape image at all"), b"no tape image at all");
        let mut hurt = image(&[b"abcdefgh", b"ijklmnop", b"qrstuvwx"]);
        hurt[16] ^= 0x40;
        assert_eq!(read(&hurt), b"abcdefghijklmnopqrstuvwx", "one length that is damaged costs nothing");
        hurt.truncate(30);
        assert_eq!(read(&hurt)[..8], *b"abcdefgh");
    }

    /// Ten records of 640 bytes, then a file mark, then five more; no byte pattern repeats.
    fn long_image() -> (Vec<u8>, Vec<u8>) {
        let mut random = crate::testing::mutate::Rng::new(3);
        let records: Vec<Vec<u8>> = (0..15).map(|_| (0..640).map(|_| random.next() as u8 | 1).collect()).collect();
        let mut parts: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        parts.insert(10, b"");
        (image(&parts), records.concat())
    }

    #[test]
    fn damage_at_the_border_of_two_records_costs_no_more_than_its_own_bytes() {
        let (whole, data) = long_image();
        let border = 4 * 648;
        for (name, zeros) in [
            ("leading length", border..border + 4),
            ("trailing length", border - 4..border),
            ("both lengths", border - 4..border + 4),
            ("sector at the border", border - 256..border + 256),
            ("sector at the first length", 0..512),
        ] {
            let mut hurt = whole.clone();
            hurt[zeros.clone()].fill(0);
            let found = read(&hurt);
            let same = found.len() == data.len() || zeros.start == 0;
            assert!(same, "{name}: {} bytes", found.len());
            let behind = &data[5 * 640..];
            assert!(found.windows(behind.len()).any(|window| window == behind), "{name}: what follows is in one piece");
            let before = &data[512..3 * 640];
            assert!(
                found.windows(before.len()).any(|window| window == before),
                "{name}: what is before is in one piece"
            );
        }
        for (name, hurt) in [
            ("beheaded", whole[1_000..].to_vec()),
            ("junk before", [vec![0; 100], whole.clone()].concat()),
            ("bytes missing", [&whole[..2_000], &whole[2_100..]].concat()),
        ] {
            let (found, behind) = (read(&hurt), &data[5 * 640..]);
            assert!(found.windows(behind.len()).any(|window| window == behind), "{name}");
        }
    }

    #[test]
    fn links_to_files_are_followed_and_folders_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/a"), [1]).unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(folder.path().join(to), folder.path().join(name));
        link("inner/a", "linked").unwrap();
        link("nowhere", "broken").unwrap();
        link("inner", "folder").unwrap();
        let heap = HeapDevice::open(folder.path()).unwrap();
        assert_eq!((heap.list().unwrap(), heap.folders()), (vec!["broken".to_owned(), "linked".to_owned()], 2));
        assert!(heap.open("linked").is_ok() && heap.open("broken").is_err());
    }

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("a"), [1]).unwrap();
        assert_eq!(HeapDevice::open(folder.path()).unwrap().list().unwrap(), ["a"]);
        let one = HeapDevice::open(&folder.path().join("a")).unwrap();
        assert!(one.open("a").is_ok() && one.open("b").is_err() && one.create("c").is_err());
        assert!(HeapDevice::open(&folder.path().join("nothing")).is_err());
    }
}
