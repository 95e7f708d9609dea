//! What can happen to the volumes of a set as a whole: parts that are missing, doubled, renamed or in one file; and what of
//! [`Damage`] a test tries near a byte.

use super::damage::Damage;
use super::mutate::Rng;
use super::sets::bytes;
use std::collections::BTreeMap;

/// Bytes of a sector.
const SECTOR: usize = 512;

/// One of every kind of damage near a byte of a part of so many bytes.
#[must_use]
pub fn every_damage(at: usize, len: usize) -> Vec<Damage> {
    let sector = at / SECTOR * SECTOR;
    let other = (at / SECTOR + len / SECTOR / 2) % (len / SECTOR).max(1) * SECTOR;
    vec![
        Damage::Flip { at, mask: 1 },
        Damage::Flip { at, mask: 0xFF },
        Damage::Zero { at, len: SECTOR },
        Damage::Burst { at, len: 3 * SECTOR, seed: at as u64 },
        Damage::Cut { len: at },
        Damage::Lost { at: 0, len: at },
        Damage::Swap { a: sector, b: other, len: SECTOR },
        Damage::Misdirected { from: sector, to: other, len: SECTOR },
        Damage::Lost { at, len: 77 },
        Damage::Before { len: 77 },
        Damage::Behind { len: 501 },
        Damage::Doubled { at, len: 3 * SECTOR },
    ]
}

/// One at random for a part of so many bytes.
pub fn any_damage(random: &mut Rng, len: usize) -> Damage {
    let at = random.below(len);
    let kinds = every_damage(at, len);
    let kind = random.below(kinds.len());
    kinds.into_iter().nth(kind).unwrap_or(Damage::Cut { len: at })
}

/// Noise that is the same every time.
fn noise(len: usize) -> Vec<u8> {
    bytes(&mut Rng::new(len as u64 ^ 0xD1A5), len)
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
    fn parts_are_shuffled_whole() {
        let parts = BTreeMap::from([("a".to_owned(), vec![1; 3]), ("b".to_owned(), vec![2; 4])]);
        let bytes = |shuffle: Shuffle| shuffle.apply(&parts).values().map(Vec::len).sum::<usize>();
        assert_eq!((bytes(Shuffle::Without(0)), bytes(Shuffle::Twice(1)), bytes(Shuffle::Renamed)), (4, 11, 7));
        assert_eq!(Shuffle::Joined.apply(&parts)["all"], [1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(bytes(Shuffle::JoinedBackwards), 7 + 13 + 1 + 18);
    }
}
