//! Fuzz body: a set of real rows is hurt as the bytes say, now and then with its checksums made right again, and salvaged. What
//! comes of it is a valid set that has no row which was not there, and is told as whole only if all rows are there.

use super::damage::mend;
use super::golden::{write_example, write_v1};
use super::parts::{Shuffle, every_damage};
use super::tables::lines;
use crate::base::monitor::Silent;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::device::memory::MemoryDevice;
use crate::format::block::SetId;
use crate::salvage::{Salvage, SalvageOptions};
use crate::section::rows::SectionTable;
use crate::verify::set::verify_set;
use crate::volume::set::{SetReader, find_set, list_sets};
use std::collections::BTreeMap;
use std::sync::OnceLock;

type Parts = BTreeMap<String, Vec<u8>>;

/// How often each row is there.
type Rows = BTreeMap<String, usize>;

/// A set of real rows: its volumes, its rows with their tables, and the same without.
struct Whole {
    parts: Parts,
    rows: Rows,
    lines: Rows,
}

impl Whole {
    fn new(device: &MemoryDevice, names: Vec<String>) -> Whole {
        let parts = names.into_iter().filter_map(|name| Some((name.clone(), device.bytes(&name)?))).collect();
        let sets = list_sets(device).map(|listing| listing.sets).unwrap_or_default();
        let rows = sets.iter().fold(Rows::new(), |rows, set| joined(rows, rows_of_set(set)));
        let lines = without_tables(&rows);
        Whole { parts, rows, lines }
    }
}

/// Two sets, one on one volume, one on several.
fn whole() -> &'static (Whole, Whole) {
    static WHOLE: OnceLock<(Whole, Whole)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let (one, many) = (MemoryDevice::new(), MemoryDevice::new());
        let names =
            |set: crate::volume::set_writer::SetSummary| set.volumes.into_iter().map(|volume| volume.name).collect();
        let small = write_example(&one).map(names).unwrap_or_default();
        let large = write_v1(&many).map(names).unwrap_or_default();
        (Whole::new(&one, small), Whole::new(&many, large))
    })
}

fn joined(mut rows: Rows, others: Rows) -> Rows {
    others.into_iter().for_each(|(row, count)| *rows.entry(row).or_default() += count);
    rows
}

/// The same rows, whatever table they are of.
fn without_tables(rows: &Rows) -> Rows {
    let line = |row: &String| row.split_once(TABLE_ENDS).map_or_else(|| row.clone(), |(_, line)| line.to_owned());
    rows.iter().fold(Rows::new(), |lines, (row, count)| joined(lines, Rows::from([(line(row), *count)])))
}

/// What stands between the name of a table and a row of it.
const TABLE_ENDS: &str = ": ";

/// All rows of a set as text, with their tables.
fn rows_of_set(set: &SetReader<'_>) -> Rows {
    let mut rows = Rows::new();
    for section in set.sections() {
        let Ok(table) = SectionTable::new(section.number, &section.header) else { continue };
        for chunk in &section.chunks {
            let payload = set.read_chunk(chunk).ok();
            let proved =
                payload.and_then(|payload| table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).ok());
            for line in proved.iter().flat_map(|proved| lines(&proved.batch)) {
                *rows.entry(format!("{}{TABLE_ENDS}{line}", section.header.table)).or_default() += 1;
            }
        }
    }
    rows
}

/// Rows that are more often there than they were written.
fn strange<'r>(found: &'r Rows, written: &Rows) -> Vec<&'r String> {
    let more = |(row, count): &(&String, &usize)| **count > written.get(*row).copied().unwrap_or(0);
    found.iter().filter(more).map(|(row, _)| row).collect()
}

/// Takes numbers off the bytes; zeros when they are used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn number(&mut self) -> usize {
        self.byte() << 16 | self.byte() << 8 | self.byte()
    }
}

/// The fuzz body: the first byte says which set and whether checksums are made right, the second how its parts are shuffled, and
/// each five that follow what happens to which of them where.
pub fn fuzz_salvage(data: &[u8]) {
    let (small, large) = whole();
    let mut bytes = Bytes(data);
    let flags = bytes.byte();
    let whole = if flags & 1 == 0 { small } else { large };
    let mut parts = whole.parts.clone();
    let shuffles = Shuffle::all(parts.len());
    let shuffle = shuffles.get(bytes.byte() % shuffles.len().max(1)).copied().unwrap_or(Shuffle::AsTheyAre);
    while bytes.0.len() >= 5 {
        let (kind, part, at) = (bytes.byte(), bytes.byte(), bytes.number());
        let number = part % parts.len().max(1);
        let Some(part) = parts.values_mut().nth(number).filter(|part| !part.is_empty()) else { continue };
        let kinds = every_damage(at % part.len(), part.len());
        kinds.get(kind % kinds.len()).into_iter().for_each(|hurt| hurt.apply(part));
        if part.len() > 4 << 20 {
            return;
        }
    }
    let repaired = flags & 2 != 0;
    if repaired {
        parts.values_mut().for_each(|part| mend(part));
    }
    let from = MemoryDevice::named("heap");
    shuffle.apply(&parts).into_iter().for_each(|(name, part)| from.insert(&name, part));
    salvage(&from, whole, repaired);
}

/// Salvages, and holds what comes of it against what was written: it is sound; its rows are rows of the set, each no more often
/// than it was there; and where nothing is said to be lost all are there.
fn salvage(from: &MemoryDevice, whole: &Whole, repaired: bool) {
    let (to, options) = (MemoryDevice::named("new"), SalvageOptions::default());
    let mut next = 0u8;
    let mut new_id = || {
        next = next.wrapping_add(1);
        Ok(SetId([next; 16]))
    };
    let Ok(account) = Salvage::new(&[from], options).write(&to, &mut new_id) else {
        assert!(repaired, "what is merely damaged is salvaged");
        return;
    };
    assert!(repaired || account.sets.len() <= 1, "one set was there");
    for set in &account.sets {
        let Some(written) = &set.written else { continue };
        let new = find_set(&to, written.set).ok().flatten();
        assert!(new.is_some(), "a set that was written is there");
        let Some(new) = new else { continue };
        let findings = verify_set(&new, 1, &Silent).findings;
        assert!(findings.is_empty(), "a salvaged set is sound: {findings:?}");
        let rows = rows_of_set(&new);
        let count = rows.values().sum::<usize>() as u64;
        assert_eq!((set.rows(), count), (written.rows, written.rows), "the account counts what was written");
        // Behind right checksums the name of a table may be another one; its rows may not.
        let (found, known) = match repaired {
            true => (without_tables(&rows), &whole.lines),
            false => (rows, &whole.rows),
        };
        let strange = strange(&found, known);
        assert!(strange.is_empty(), "rows that were never there, or not so often: {strange:?}");
        assert!(set.has_losses() || found == *known, "rows are missing, and nothing is said to be lost");
    }
}

/// Seeds by name.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("whole", vec![0, 0]),
        ("joined", vec![1, 2]),
        ("flip", vec![1, 0, 0, 0, 0, 20, 9]),
        ("behead", vec![1, 4, 5, 1, 0, 3, 3]),
        ("repaired", vec![3, 0, 0, 0, 0, 9, 200, 1, 2, 0, 12, 90]),
        ("swapped", vec![1, 3, 6, 2, 0, 30, 0, 10, 1, 0, 20, 1]),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::mutate::Rng;
    use super::*;

    #[test]
    fn hurt_sets_are_salvaged_whatever_happened_to_them() {
        let mut random = Rng::new(23);
        seeds().iter().for_each(|(_, seed)| fuzz_salvage(seed));
        for _ in 0..60 {
            let bytes: Vec<u8> = (0..2 + 5 * (1 + random.below(4))).map(|_| random.next() as u8).collect();
            fuzz_salvage(&bytes);
        }
    }
}
