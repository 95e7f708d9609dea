//! Row keys as runs of consecutive numbers, and their compact bytes. Knows nothing of tables.
//!
//! The bytes: the number of runs; then for each its first key (of the first run zigzag-coded, of the others the distance
//! from the last key of the run before, less 2: as close as two runs can be) and its length less 1. All are LEB128
//! varints in their shortest form, so that a list has one spelling.

use std::collections::BTreeMap;

/// Row keys: runs of consecutive numbers, ascending, each at least one number away from the next.
///
/// ```
/// use intervault::store::control::KeyRuns;
/// let mut keys = KeyRuns::of_keys(&[7, 3, 4, 5]);
/// keys.add_run(6, 6);
/// keys.add_keys(&[-1, 7]);
/// assert_eq!(keys.iter().collect::<Vec<_>>(), [(-1, -1), (3, 7)]);
/// assert_eq!(keys.rows(), 6);
/// assert_eq!(KeyRuns::from_bytes(&keys.to_bytes()), Ok(keys));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRuns(Vec<(i64, i64)>);

/// Bytes that are no list of row keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of a list of row keys (from 0): {what}")]
pub struct KeyRunsError {
    /// The byte, from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Fewest bytes that a run takes.
const RUN_BYTES_MIN: usize = 2;

impl KeyRuns {
    /// The runs of some keys, which may come in any order and more than once.
    #[must_use]
    pub fn of_keys(keys: &[i64]) -> KeyRuns {
        let mut runs = KeyRuns::default();
        if keys.is_sorted() {
            keys.iter().for_each(|key| runs.append(*key, *key));
        } else {
            let mut keys = keys.to_vec();
            keys.sort_unstable();
            keys.iter().for_each(|key| runs.append(*key, *key));
        }
        runs
    }

    /// Adds the keys `first..=last`; none if `last` is smaller. Keys that are there already stay there once.
    pub fn add_run(&mut self, first: i64, last: i64) {
        if first > last {
            return;
        }
        if self.0.last().is_none_or(|before| before.0 <= first) {
            self.append(first, last);
        } else {
            self.add(&KeyRuns(vec![(first, last)]));
        }
    }

    /// Adds keys, in any order.
    pub fn add_keys(&mut self, keys: &[i64]) {
        self.add(&KeyRuns::of_keys(keys));
    }

    /// Adds the keys of another list.
    pub fn add(&mut self, other: &KeyRuns) {
        let follows = match (self.0.last(), other.0.first()) {
            (Some(last), Some(first)) => last.0 <= first.0,
            _ => true,
        };
        if follows {
            other.iter().for_each(|(first, last)| self.append(first, last));
            return;
        }
        let mut both: Vec<(i64, i64)> = self.0.drain(..).chain(other.iter()).collect();
        both.sort_unstable();
        both.iter().for_each(|(first, last)| self.append(*first, *last));
    }

    /// Adds a run that begins no earlier than the last one.
    fn append(&mut self, first: i64, last: i64) {
        match self.0.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => self.0.push((first, last)),
        }
    }

    /// The runs, ascending: first and last key of each.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().copied()
    }

    /// The highest key.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|run| run.1)
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is among them.
    #[must_use]
    pub fn holds(&self, key: i64) -> bool {
        let after = self.0.partition_point(|run| run.0 <= key);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|run| key <= run.1)
    }

    /// Number of keys; saturates at [`u64::MAX`].
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.iter().map(|(first, last)| last.abs_diff(first).saturating_add(1)).fold(0, u64::saturating_add)
    }

    /// The list with keys replaced: each that is among `moved` by the one beside it there, all at once. `None` if none is.
    ///
    /// ```
    /// use intervault::store::control::KeyRuns;
    /// let keys = KeyRuns::of_keys(&[1, 2, 3, 9]);
    /// let moved = [(2, 3), (3, 7), (5, 6)].into();
    /// assert_eq!(keys.renamed(&moved), Some(KeyRuns::of_keys(&[1, 3, 7, 9])));
    /// assert_eq!(keys.renamed(&[(5, 6)].into()), None);
    /// ```
    #[must_use]
    pub fn renamed(&self, moved: &BTreeMap<i64, i64>) -> Option<KeyRuns> {
        let mut renamed = KeyRuns::default();
        let mut came = Vec::new();
        for (first, last) in self.iter() {
            let mut next = Some(first);
            for (old, new) in moved.range(first..=last) {
                came.push(*new);
                if let Some(from) = next.filter(|from| from < old) {
                    renamed.add_run(from, old.saturating_sub(1));
                }
                next = old.checked_add(1);
            }
            next.filter(|from| *from <= last).into_iter().for_each(|from| renamed.add_run(from, last));
        }
        renamed.add_keys(&came);
        (!came.is_empty()).then_some(renamed)
    }

    /// The compact bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(RUN_BYTES_MIN).saturating_add(1));
        put(&mut bytes, self.0.len() as u64);
        let mut before: Option<i64> = None;
        for (first, last) in self.iter() {
            match before {
                None => put(&mut bytes, zigzag(first)),
                Some(before) => put(&mut bytes, first.abs_diff(before).saturating_sub(2)),
            }
            put(&mut bytes, last.abs_diff(first));
            before = Some(last);
        }
        bytes
    }

    /// The list of these bytes. Nothing is allocated that the bytes do not pay for.
    ///
    /// # Errors
    /// They are cut short, go on after the end, or hold a number that is not in its shortest form or out of range.
    pub fn from_bytes(bytes: &[u8]) -> Result<KeyRuns, KeyRunsError> {
        let mut input = Input { bytes, at: 0 };
        let count = usize::try_from(input.take()?).unwrap_or(usize::MAX);
        if count > bytes.len() / RUN_BYTES_MIN {
            return Err(KeyRunsError { at: 0, what: "more runs than there are bytes for" });
        }
        let mut runs: Vec<(i64, i64)> = Vec::with_capacity(count);
        for _ in 0..count {
            let at = input.at;
            let beyond = KeyRunsError { at, what: "a run ends after the highest possible key" };
            let first = match (runs.last(), input.take()?) {
                (None, coded) => Some(unzigzag(coded)),
                (Some(before), gap) => before.1.checked_add_unsigned(gap).and_then(|key| key.checked_add(2)),
            };
            let last = first.zip(Some(input.take()?)).and_then(|(first, more)| first.checked_add_unsigned(more));
            runs.push(first.zip(last).ok_or(beyond)?);
        }
        if input.at < bytes.len() {
            return Err(KeyRunsError { at: input.at, what: "bytes after the end" });
        }
        Ok(KeyRuns(runs))
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn take(&mut self) -> Result<u64, KeyRunsError> {
        let start = self.at;
        let fail = |what| Err(KeyRunsError { at: start, what });
        let mut number = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let Some(byte) = self.bytes.get(self.at).copied() else {
                return fail("cut short");
            };
            self.at = self.at.saturating_add(1);
            let part = u64::from(byte & 0x7F);
            if part > u64::MAX >> shift {
                return fail("a number of more than 64 bits");
            }
            number |= part << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { fail("a number not in its shortest form") } else { Ok(number) };
            }
        }
        fail("a number of more than 64 bits")
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(coded: u64) -> i64 {
    (coded >> 1).cast_signed() ^ (coded & 1).cast_signed().wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const ENDS: [i64; 6] = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX];

    #[test]
    fn ends_of_the_range_survive() {
        for first in ENDS {
            for last in ENDS.into_iter().filter(|last| *last >= first) {
                let mut keys = KeyRuns::default();
                keys.add_run(first, last);
                assert_eq!(KeyRuns::from_bytes(&keys.to_bytes()), Ok(keys.clone()));
                let wide = (i128::from(last) - i128::from(first) + 1).min(i128::from(u64::MAX));
                assert_eq!(i128::from(keys.rows()), wide);
            }
        }
        let ends = KeyRuns::of_keys(&[i64::MAX, i64::MIN, i64::MAX]);
        assert_eq!(ends.iter().collect::<Vec<_>>(), [(i64::MIN, i64::MIN), (i64::MAX, i64::MAX)]);
        assert_eq!(KeyRuns::from_bytes(&ends.to_bytes()), Ok(ends));
    }

    #[test]
    fn the_bytes_are_these() {
        assert_eq!(KeyRuns::default().to_bytes(), [0]);
        assert_eq!(KeyRuns::of_keys(&[-1, 5, 6, 300]).to_bytes(), [3, 1, 0, 4, 1, 0xA4, 2, 0]);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let what = |bytes: &[u8]| KeyRuns::from_bytes(bytes).unwrap_err().what;
        assert_eq!(what(&[]), "cut short");
        assert_eq!(what(&[1, 0x80, 0x80]), "cut short");
        assert_eq!(what(&[1, 0]), "cut short");
        assert_eq!(what(&[0, 0]), "bytes after the end");
        assert_eq!(what(&[2, 0, 0]), "more runs than there are bytes for");
        assert_eq!(
            what(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
            "more runs than there are bytes for"
        );
        assert_eq!(what(&[0x80, 0]), "a number not in its shortest form");
        assert_eq!(what(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]), "a number of more than 64 bits");
        let mut beyond = vec![1];
        put(&mut beyond, zigzag(i64::MAX));
        beyond.push(1);
        assert_eq!(what(&beyond), "a run ends after the highest possible key");
        let mut second = vec![2, 0, 0];
        put(&mut second, i64::MAX as u64 - 1);
        second.push(0);
        assert_eq!(what(&second), "a run ends after the highest possible key");
    }

    proptest! {
        #[test]
        fn a_list_is_the_set_of_its_keys(
            parts in prop::collection::vec(prop::collection::vec(-40i64..40, 0..12), 0..6),
            moved in prop::collection::vec((-45i64..45, -60i64..60), 0..12),
        ) {
            let mut keys = KeyRuns::default();
            let mut set = BTreeSet::new();
            for part in &parts {
                keys.add_keys(part);
                set.extend(part.iter().copied());
            }
            let listed: Vec<i64> = keys.iter().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(&listed, &set.iter().copied().collect::<Vec<_>>());
            prop_assert!(keys.iter().zip(keys.iter().skip(1)).all(|(left, right)| left.1 + 1 < right.0));
            prop_assert!((-41..41).all(|key| keys.holds(key) == set.contains(&key)));
            prop_assert_eq!(keys.rows(), set.len() as u64);
            prop_assert_eq!(keys.last(), set.last().copied());
            let moved: BTreeMap<i64, i64> = moved.into_iter().collect();
            let renamed = set.iter().map(|key| moved.get(key).unwrap_or(key)).copied().collect::<BTreeSet<_>>();
            let any = set.iter().any(|key| moved.contains_key(key));
            let expected = any.then(|| KeyRuns::of_keys(&renamed.into_iter().collect::<Vec<_>>()));
            prop_assert_eq!(keys.renamed(&moved), expected);
            prop_assert_eq!(KeyRuns::from_bytes(&keys.to_bytes()), Ok(keys));
        }

        #[test]
        fn any_bytes_are_a_list_in_its_one_spelling_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(keys) = KeyRuns::from_bytes(&bytes) {
                prop_assert_eq!(keys.to_bytes(), bytes);
            }
        }
    }
}
