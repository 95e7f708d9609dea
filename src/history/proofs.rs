//! What checks have proved of volumes: which blocks, how deep, when. One file a set in the folder of the history; written as a
//! whole and renamed into its place. What cannot be read counts as not proved, and is no error: the volumes can be read again.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Name of the folder, in that of the history.
pub const FOLDER_NAME: &str = "proofs";
/// Most bytes of a file that are read; a longer one counts as none.
const READ_BYTES_MAX: u64 = 64 << 20;
/// The words for depths, the least first.
const DEPTHS: [&str; 3] = ["index", "blocks", "rows"];

/// Which bytes these are. Whatever differs makes it another volume, of which nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofKey {
    /// Where the volumes lie.
    pub place: String,
    /// Name of the volume there.
    pub name: String,
    /// Its number in the set, from 1.
    pub volume: u32,
    /// Its bytes.
    pub bytes: u64,
    /// The running hash of its end mark, in hexadecimal digits.
    pub hash: String,
    /// Which file it is and when it was changed, as the device tells: another medium in the same place with the same bytes
    /// proves nothing of this one. Never empty: where the device cannot tell, nothing is remembered. Media that were copied
    /// sector by sector are not told apart.
    #[serde(default)]
    pub stamp: String,
}

/// Of which volumes a set's proofs count no more, since something is wrong with them: wherever they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawn {
    /// Those of these numbers.
    Volumes(BTreeSet<u32>),
    /// All of the set.
    All,
}

impl Withdrawn {
    /// Of none.
    pub const NONE: Withdrawn = Withdrawn::Volumes(BTreeSet::new());

    /// Whether proofs of this volume count no more.
    #[must_use]
    pub fn has(&self, volume: u32) -> bool {
        match self {
            Withdrawn::Volumes(volumes) => volumes.contains(&volume),
            Withdrawn::All => true,
        }
    }
}

/// Blocks of a volume that were proved at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofLine {
    /// The volume.
    #[serde(flatten)]
    pub key: ProofKey,
    /// How deep: `index`, `blocks` or `rows`.
    pub depth: String,
    /// When, in seconds since 1970-01-01 00:00 UTC.
    pub at: i64,
    /// Numbers of the blocks: from, and up to but without, ascending, without overlap.
    pub blocks: Vec<(u64, u64)>,
}

/// What is remembered of the volumes of sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proofs {
    folder: PathBuf,
}

impl Proofs {
    /// What is remembered in the folder of a history, which need not be there.
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Proofs {
        Proofs { folder: state.into().join(FOLDER_NAME) }
    }

    fn path(&self, set: &str) -> Option<PathBuf> {
        let is_id = set.len() == 32 && set.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| self.folder.join(format!("{set}.jsonl")))
    }

    /// What is remembered of a set, named by the 32 digits of its id. Nothing, where it cannot be read.
    #[must_use]
    pub fn read(&self, set: &str) -> Vec<ProofLine> {
        let read = || -> io::Result<Vec<u8>> {
            let path = self.path(set).ok_or(io::ErrorKind::NotFound)?;
            let (mut file, mut bytes) = (File::open(path)?, Vec::new());
            if file.metadata()?.len() > READ_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Read::by_ref(&mut file).take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).filter(ProofLine::is_sound).collect()
    }

    /// Adds what was proved to what is remembered of a set, and forgets what is withdrawn, whenever it was proved. What it
    /// stands for is forgotten: the same blocks, proved earlier and no deeper, and what was known of other bytes under the same
    /// name.
    ///
    /// # Errors
    /// The folder cannot be made or the file not be written; what was remembered is still there then.
    pub fn remember(&self, set: &str, proved: &[ProofLine], withdrawn: &Withdrawn) -> io::Result<()> {
        let path = self.path(set).ok_or(io::ErrorKind::InvalidInput)?;
        let mut lines = self.read(set);
        let known = lines.len();
        lines.retain(|line| !withdrawn.has(line.key.volume));
        let counts = |line: &&ProofLine| !line.blocks.is_empty() && !withdrawn.has(line.key.volume);
        if lines.len() == known && !proved.iter().any(|line| counts(&line)) {
            return Ok(());
        }
        for new in proved.iter().filter(counts) {
            lines
                .retain(|old| old.key == new.key || (&old.key.place, &old.key.name) != (&new.key.place, &new.key.name));
            for old in lines.iter_mut().filter(|old| old.key == new.key && rank(&old.depth) <= rank(&new.depth)) {
                old.blocks = without(&old.blocks, &new.blocks);
            }
            lines.retain(|old| !old.blocks.is_empty());
            lines.push(new.clone());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let temporary = self.folder.join(format!("{set}.new"));
        let mut file = File::create(&temporary)?;
        for line in &lines {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            file.write_all(&text)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    }
}

impl ProofLine {
    /// Whether it can have been written by [`Proofs::remember`].
    fn is_sound(&self) -> bool {
        let ascending = self.blocks.windows(2).all(|pair| matches!(pair, [(_, stop), (next, _)] if stop < next));
        let stamped = !self.key.stamp.is_empty();
        stamped && ascending && self.blocks.iter().all(|(first, stop)| first < stop) && rank(&self.depth).is_some()
    }
}

/// The blocks of a volume that are proved at least so deep, in this time; ascending, without overlap. The time ends with now: of
/// what a clock that was wrong says of later, nobody knows when it was.
#[must_use]
pub fn proven(lines: &[ProofLine], key: &ProofKey, depth: &str, when: RangeInclusive<i64>) -> Vec<Range<u64>> {
    let fits = |line: &&ProofLine| line.key == *key && when.contains(&line.at) && rank(&line.depth) >= rank(depth);
    let mut all: Vec<(u64, u64)> = lines.iter().filter(fits).flat_map(|line| line.blocks.iter().copied()).collect();
    all.sort_unstable();
    let mut merged: Vec<Range<u64>> = Vec::new();
    for (first, stop) in all {
        match merged.last_mut() {
            Some(last) if first <= last.end => last.end = last.end.max(stop),
            _ => merged.push(first..stop),
        }
    }
    merged
}

/// The place of a depth among the others, the least first.
pub(super) fn rank(depth: &str) -> Option<usize> {
    DEPTHS.iter().position(|known| *known == depth)
}

/// The first without the second; both ascending and without overlap.
fn without(all: &[(u64, u64)], taken: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    for (first, stop) in all {
        let (mut at, from) = (*first, taken.partition_point(|(_, end)| end <= first));
        for (begin, end) in taken.iter().skip(from).take_while(|(begin, _)| begin < stop) {
            if at < *begin {
                left.push((at, *begin));
            }
            at = at.max(*end);
        }
        if at < *stop {
            left.push((at, *stop));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "00112233445566778899aabbccddeeff";

    fn line(name: &str, hash: &str, depth: &str, at: i64, blocks: &[(u64, u64)]) -> ProofLine {
        let (place, stamp) = ("/b".into(), "7:0:9".into());
        let key = ProofKey { place, name: name.into(), volume: 1, bytes: 9, hash: hash.into(), stamp };
        ProofLine { key, depth: depth.into(), at, blocks: blocks.to_vec() }
    }

    #[test]
    fn what_was_proved_is_remembered_and_what_it_stands_for_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let proofs = Proofs::new(folder.path());
        assert_eq!(proofs.read(SET), []);
        proofs
            .remember(
                SET,
                &[line("a", "1", "rows", 10, &[(0, 5)]), line("b", "1", "blocks", 10, &[(0, 9)])],
                &Withdrawn::NONE,
            )
            .unwrap();
        proofs.remember(SET, &[line("a", "1", "blocks", 20, &[(3, 8)])], &Withdrawn::NONE).unwrap();
        let key = line("a", "1", "rows", 0, &[]).key;
        let of = |depth, since| {
            let ranges = proven(&proofs.read(SET), &key, depth, since..=100);
            ranges.into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!((of("rows", 0), of("blocks", 0), of("blocks", 15)), (vec![(0, 5)], vec![(0, 8)], vec![(3, 8)]));
        proofs.remember(SET, &[line("a", "1", "rows", 30, &[(1, 2), (4, 6)])], &Withdrawn::NONE).unwrap();
        assert_eq!((of("rows", 0), of("rows", 25)), (vec![(0, 6)], vec![(1, 2), (4, 6)]));
        assert_eq!(proofs.read(SET).len(), 4, "{:?}", proofs.read(SET));
        // A proof of later than now, and one of bytes that nobody can tell from others.
        assert_eq!(proven(&proofs.read(SET), &key, "rows", 0..=29), [0..1, 2..4]);
        let unstamped = ProofKey { stamp: String::new(), ..line("z", "1", "rows", 0, &[]).key };
        let unstamped = ProofLine { key: unstamped, ..line("z", "1", "rows", 10, &[(0, 5)]) };
        let before = proofs.read(SET);
        proofs.remember(SET, &[unstamped], &Withdrawn::NONE).unwrap();
        assert_eq!(proofs.read(SET), before);
        // Another volume under the same name: nothing of the old one holds.
        proofs.remember(SET, &[line("a", "2", "index", 40, &[(0, 1)])], &Withdrawn::NONE).unwrap();
        assert_eq!(of("index", 0), []);
        assert_eq!(proofs.read(SET).len(), 2);
    }

    #[test]
    fn what_is_withdrawn_is_forgotten_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let proofs = Proofs::new(folder.path());
        let of = |volume: u32, place: &str| {
            let line = line("a", "1", "rows", 10, &[(0, 5)]);
            let name = format!("{place}{volume}");
            ProofLine { key: ProofKey { volume, place: place.into(), name, ..line.key }, ..line }
        };
        let all = [of(1, "/b"), of(2, "/b"), of(2, "/c")];
        proofs.remember(SET, &all, &Withdrawn::NONE).unwrap();
        assert_eq!(proofs.read(SET), all);
        // What the same run has proved of the volume counts as little.
        proofs.remember(SET, &[of(2, "/d")], &Withdrawn::Volumes(BTreeSet::from([2, 3]))).unwrap();
        assert_eq!(proofs.read(SET), all[..1]);
        proofs.remember(SET, &[], &Withdrawn::All).unwrap();
        assert_eq!(proofs.read(SET), []);
        // Other bytes under the same name: another file, or written at another time.
        proofs.remember(SET, &all, &Withdrawn::NONE).unwrap();
        let other = ProofKey { stamp: "8:0:9".into(), ..all[0].key.clone() };
        assert_eq!(
            (proven(&proofs.read(SET), &all[0].key, "rows", 0..=10).len(), proven(&all, &other, "rows", 0..=10)),
            (1, vec![])
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_proved() {
        let folder = tempfile::tempdir().unwrap();
        let proofs = Proofs::new(folder.path());
        proofs.remember(SET, &[line("a", "1", "rows", 10, &[(0, 5)])], &Withdrawn::NONE).unwrap();
        let path = proofs.path(SET).unwrap();
        let good = fs::read(&path).unwrap();
        for bad in [&b"\xFF\xFE\n"[..], b"{\"volume\":1}\n", b"[1,2", &good[..good.len() / 2]] {
            fs::write(&path, [bad, b"\n", &good].concat()).unwrap();
            assert_eq!(proofs.read(SET).len(), 1, "a bad line costs itself");
            fs::write(&path, bad).unwrap();
            assert_eq!(proofs.read(SET), []);
        }
        for odd in [&[(5, 5)][..], &[(7, 9), (1, 2)], &[(1, 5), (4, 6)]] {
            fs::write(&path, serde_json::to_vec(&line("a", "1", "rows", 10, odd)).unwrap()).unwrap();
            assert_eq!(proofs.read(SET), [], "{odd:?}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(proofs.read(SET), []);
        assert!(proofs.remember(SET, &[line("a", "1", "rows", 10, &[(0, 5)])], &Withdrawn::NONE).is_err());
        assert!(proofs.remember("../x", &[], &Withdrawn::NONE).is_err());
    }

    #[test]
    fn ranges_are_taken_out_of_ranges() {
        let all = [(0, 10), (20, 30)];
        assert_eq!(without(&all, &[]), all);
        assert_eq!(without(&all, &[(0, 40)]), []);
        assert_eq!(without(&all, &[(2, 3), (5, 22), (29, 31)]), [(0, 2), (3, 5), (22, 29)]);
    }
}
