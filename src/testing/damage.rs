//! What can happen to bytes on media, as data: to the bytes of one part, and to the parts among each other.

use super::mutate::Rng;
use std::collections::BTreeMap;

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// What happens to the bytes of one part. Places beyond its end touch nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hurt {
    /// The bits of `mask` are turned over in one byte.
    Flip {
        /// The byte.
        at: usize,
        /// The bits.
        mask: u8,
    },
    /// Bytes become zeros.
    Zero {
        /// The first of them.
        at: usize,
        /// How many.
        len: usize,
    },
    /// Bytes become noise.
    Noise {
        /// The first of them.
        at: usize,
        /// How many.
        len: usize,
    },
    /// The part ends before this byte.
    Cut {
        /// The byte.
        at: usize,
    },
    /// The part begins with this byte: its head is gone.
    Behead {
        /// The byte.
        at: usize,
    },
    /// Two sectors change places.
    Swap {
        /// Number of one, from 0.
        one: usize,
        /// Number of the other.
        other: usize,
    },
    /// A sector was written in the place of another.
    Misdirect {
        /// Number of the sector, from 0.
        from: usize,
        /// Number of the place.
        to: usize,
    },
    /// Bytes are gone, and what is behind them moved up.
    Remove {
        /// The first of them.
        at: usize,
        /// How many.
        len: usize,
    },
    /// Noise stands between, and what is behind it moved down.
    Insert {
        /// Before which byte.
        at: usize,
        /// How much.
        len: usize,
    },
    /// A stretch is there twice, the second time at once behind the first.
    Repeat {
        /// Its first byte.
        at: usize,
        /// Its bytes.
        len: usize,
    },
}

/// Noise that is the same every time.
fn noise(len: usize) -> Vec<u8> {
    let mut random = Rng::new(len as u64 ^ 0xD1A5);
    (0..len).map(|_| random.next() as u8).collect()
}

impl Hurt {
    /// One of every kind, near a byte of a part of so many bytes.
    #[must_use]
    pub fn all(at: usize, len: usize) -> Vec<Hurt> {
        let sector = at / SECTOR;
        let other = (sector + len / SECTOR / 2) % (len / SECTOR).max(1);
        vec![
            Hurt::Flip { at, mask: 1 },
            Hurt::Flip { at, mask: 0xFF },
            Hurt::Zero { at, len: SECTOR },
            Hurt::Noise { at, len: 3 * SECTOR },
            Hurt::Cut { at },
            Hurt::Behead { at },
            Hurt::Swap { one: sector, other },
            Hurt::Misdirect { from: sector, to: other },
            Hurt::Remove { at, len: 77 },
            Hurt::Insert { at, len: 77 },
            Hurt::Repeat { at, len: 3 * SECTOR },
        ]
    }

    /// One at random for a part of so many bytes.
    pub fn random(random: &mut Rng, len: usize) -> Hurt {
        let at = random.below(len);
        let kinds = Hurt::all(at, len);
        let kind = random.below(kinds.len());
        kinds.into_iter().nth(kind).unwrap_or(Hurt::Cut { at })
    }

    /// Does it.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        let range = |at: usize, len: usize| at.min(end)..at.saturating_add(len).min(end);
        let sector = |number: usize| range(number.saturating_mul(SECTOR), SECTOR);
        match *self {
            Hurt::Flip { at, mask } => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask),
            Hurt::Zero { at, len } => bytes[range(at, len)].fill(0),
            Hurt::Noise { at, len } => {
                let range = range(at, len);
                let noise = noise(range.len());
                bytes[range].copy_from_slice(&noise);
            }
            Hurt::Cut { at } => bytes.truncate(at),
            Hurt::Behead { at } => drop(bytes.drain(range(0, at))),
            Hurt::Swap { one, other } => {
                let (first, second) = (bytes[sector(one)].to_vec(), bytes[sector(other)].to_vec());
                if first.len() == second.len() {
                    bytes[sector(one)].copy_from_slice(&second);
                    bytes[sector(other)].copy_from_slice(&first);
                }
            }
            Hurt::Misdirect { from, to } => {
                let stray = bytes[sector(from)].to_vec();
                if bytes[sector(to)].len() == stray.len() {
                    bytes[sector(to)].copy_from_slice(&stray);
                }
            }
            Hurt::Remove { at, len } => drop(bytes.drain(range(at, len))),
            Hurt::Insert { at, len } => drop(bytes.splice(range(at, 0), noise(len))),
            Hurt::Repeat { at, len } => {
                let again = bytes[range(at, len)].to_vec();
                let behind = range(at, len).end;
                bytes.splice(behind..behind, again);
            }
        }
    }
}

/// What happens to the parts of something among each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shuffle {
    /// Nothing.
    AsTheyAre,
    /// One of them, by its number from 0, is gone.
    Without(usize),
    /// One of them is there twice.
    Twice(usize),
    /// They have names that say nothing, in another order.
    Renamed,
    /// All are in one file, one behind the other.
    Joined,
    /// The same, the last first, with some noise before, between and behind.
    JoinedBackwards,
    /// Each begins with some noise.
    Junk,
}

impl Shuffle {
    /// All of them, for so many parts.
    #[must_use]
    pub fn all(parts: usize) -> Vec<Shuffle> {
        let mut all =
            vec![Shuffle::AsTheyAre, Shuffle::Renamed, Shuffle::Joined, Shuffle::JoinedBackwards, Shuffle::Junk];
        all.extend((0..parts).flat_map(|part| [Shuffle::Without(part), Shuffle::Twice(part)]));
        all
    }

    /// The parts as they are then, by name.
    #[must_use]
    pub fn apply(self, parts: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
        let mut out = parts.clone();
        let name = |number: usize| parts.keys().nth(number).cloned().unwrap_or_default();
        match self {
            Shuffle::AsTheyAre => {}
            Shuffle::Without(part) => drop(out.remove(&name(part))),
            Shuffle::Twice(part) => {
                let again = parts.get(&name(part)).cloned().unwrap_or_default();
                out.insert(format!("{} (copy)", name(part)), again);
            }
            Shuffle::Renamed => {
                let last = parts.len();
                let renamed =
                    parts.values().enumerate().map(|(at, part)| (format!("found.{:03}", last - at), part.clone()));
                return renamed.collect();
            }
            Shuffle::Joined => {
                return BTreeMap::from([("all".to_owned(), parts.values().flatten().copied().collect())]);
            }
            Shuffle::JoinedBackwards => {
                let mut all = noise(13);
                for (at, part) in parts.values().rev().enumerate() {
                    all.extend(part);
                    all.extend(noise(at * 17 + 1));
                }
                return BTreeMap::from([("all".to_owned(), all)]);
            }
            Shuffle::Junk => out.values_mut().for_each(|part| drop(part.splice(0..0, noise(1_001)))),
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hurt_changes_something_and_none_panics_beyond_the_end() {
        let whole: Vec<u8> = (0..10 * SECTOR).map(|at| (at % 251) as u8).collect();
        for at in [0, 700, 5_000] {
            for hurt in Hurt::all(at, whole.len()) {
                let mut hurt_bytes = whole.clone();
                hurt.apply(&mut hurt_bytes);
                assert!(hurt_bytes != whole || hurt == Hurt::Behead { at: 0 }, "{hurt:?}");
                let mut short = vec![1; 3];
                hurt.apply(&mut short);
            }
        }
    }

    #[test]
    fn parts_are_shuffled_whole() {
        let parts = BTreeMap::from([("a".to_owned(), vec![1; 3]), ("b".to_owned(), vec![2; 4])]);
        let bytes = |shuffle: Shuffle| shuffle.apply(&parts).values().map(Vec::len).sum::<usize>();
        assert_eq!((bytes(Shuffle::Without(0)), bytes(Shuffle::Twice(1)), bytes(Shuffle::Renamed)), (4, 11, 7));
        assert_eq!(Shuffle::Joined.apply(&parts)["all"], [1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(bytes(Shuffle::JoinedBackwards), 7 + 13 + 1 + 18);
    }
}
