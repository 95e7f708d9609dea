//! What can happen to the parts of something among each other, as data: gone, doubled, renamed, joined.

use super::mutate::Rng;
use std::collections::BTreeMap;

/// Noise that is the same every time.
fn noise(len: usize) -> Vec<u8> {
    let mut random = Rng::new(len as u64 ^ 0xD1A5);
    (0..len).map(|_| random.next() as u8).collect()
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
