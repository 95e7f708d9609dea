//! Salvage by the library: damage of every kind in every place, and what comes of it. What survives is exactly the intact
//! chunks; what is restored is equal to what was backed up, or is left alone.

use super::chains::{all, incremental};
use super::files::{backup_trees, below, noise, tree};
use super::support::*;
use super::undo::{options as unit_options, restore_onto, undo_with};
use intervault::backup;
use intervault::base::monitor::Silent;
use intervault::base::position::Position;
use intervault::base::time::civil_of_day;
use intervault::column::digest::RowHasher;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::format::block::SetId;
use intervault::format::chunk::parse_chunk;
use intervault::format::label::lost;
use intervault::restore::{FilesOptions, FilesRestore, Missing, Options, Restore, UndoOptions};
use intervault::salvage::{Account, Count, Salvage, SalvageOptions};
use intervault::section::rows::SectionTable;
use intervault::testing::damage::Damage;
use intervault::testing::fault::{Fault, FaultDevice};
use intervault::testing::mutate::Rng;
use intervault::testing::parts::{Shuffle, any_damage, every_damage};
use intervault::testing::tables::lines;
use intervault::verify::set::verify_set;
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::section::ChunkRef;
use intervault::volume::set::{SetReader, find_set, list_sets};
use std::collections::{BTreeMap, BTreeSet};

pub type Parts = BTreeMap<String, Vec<u8>>;

pub fn parts(device: &MemoryDevice) -> Parts {
    device.list().unwrap().into_iter().map(|name| (name.clone(), device.bytes(&name).unwrap())).collect()
}

pub fn heap(parts: Parts) -> MemoryDevice {
    let device = MemoryDevice::named("heap");
    parts.into_iter().for_each(|(name, part)| device.insert(&name, part));
    device
}

/// Salvages everything onto a new device.
pub fn salvaged(from: &MemoryDevice) -> (Account, MemoryDevice) {
    let to = MemoryDevice::named("salvaged");
    let mut next = 0x60;
    let mut new_id = || {
        next += 1;
        Ok(SetId([next; 16]))
    };
    let options = SalvageOptions { jobs: 2, ..SalvageOptions::default() };
    let account = Salvage::new(&[from], options.clone()).write(&to, &mut new_id).unwrap();
    let dry = Salvage::new(&[from], options).account().unwrap();
    let without = |account: &Account| {
        let sets = account.sets.iter().map(|set| intervault::salvage::SetAccount { written: None, ..set.clone() });
        (sets.collect::<Vec<_>>(), account.sources.clone())
    };
    assert_eq!(without(&account), without(&dry), "a dry run tells the same");
    (account, to)
}

/// A month of half hours of two ACDs, over several chunks and volumes.
pub fn month() -> Centre {
    let centre = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    let sql = centre.sql();
    sql.execute_batch("BEGIN").unwrap();
    for day in 1..=24 {
        for acd in [1, 2] {
            for at in 0..40i64 {
                let (time, calls) = ((at / 2) * 100 + at % 2 * 30, day * 7919 + at * 31 + acd);
                sql.execute(
                    "INSERT INTO hsplit VALUES (?, ?, 30, ?, 1, ?, ?)",
                    (
                        format!("2024-03-{day:02}"),
                        time,
                        acd,
                        calls * 104_729 % 65_521,
                        format!("{:08x}", calls * 2_654_435_761 % 4_294_967_296),
                    ),
                )
                .unwrap();
            }
            sql.execute("INSERT INTO dsplit VALUES (?, ?, 1, ?)", (format!("2024-03-{day:02}"), acd, day)).unwrap();
        }
    }
    sql.execute_batch(
        "INSERT INTO hsplit VALUES ('not a day', 900, 30, 1, 1, 7, 'x'); \
         INSERT INTO synonyms VALUES (1, 'split', 'one', '1', ''), (2, 'split', 'two', '2', ''); COMMIT",
    )
    .unwrap();
    centre
}

const RUIN: &str = "UPDATE hsplit SET acdcalls = -1; UPDATE dsplit SET acdcalls = -1; UPDATE synonyms SET value = 'x'";

/// A copy of a centre, all of whose rows are others.
pub fn ruined(centre: &Centre) -> Centre {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(centre.path(), folder.path().join("centre.db")).unwrap();
    let copy = Centre { folder };
    copy.run(RUIN);
    copy
}

/// The rows of each bucket.
pub fn buckets(centre: &Centre) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, key) in
        [("hsplit", "row_date || ' ' || acd"), ("dsplit", "row_date || ' ' || acd"), ("synonyms", "'all'")]
    {
        let sql = centre.sql();
        let mut statement = sql.prepare(&format!("SELECT {key}, * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let key: String = row.get(0)?;
            let values: Vec<String> =
                (1..columns).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap())).collect();
            Ok((format!("{table} {key}"), values.join(" ")))
        });
        for row in rows.unwrap() {
            let (key, values) = row.unwrap();
            found.entry(key).or_default().push(values);
        }
    }
    found.values_mut().for_each(|rows| rows.sort());
    found
}

pub fn partial() -> Options {
    Options { missing: Missing::Partial, ..all() }
}

/// How many buckets of a restored centre are as they were backed up; all others must be as they were before.
pub fn restored(after: &Centre, good: &Centre, before: &BTreeMap<String, Vec<String>>, what: &str) -> (usize, usize) {
    let (good, now) = (buckets(good), buckets(after));
    let keys: BTreeSet<&String> = good.keys().chain(now.keys()).collect();
    let mut back = 0;
    for key in &keys {
        let is = now.get(*key);
        if is == good.get(*key) {
            back += 1;
        } else {
            assert_eq!(is, before.get(*key), "{what}: {key} is neither as it was backed up nor as it was");
        }
    }
    (back, keys.len())
}

/// The bytes of a chunk, and its rows as text.
type KnownChunk = (Vec<u8>, Vec<String>);

/// A set with the bytes of its chunks and headers.
struct Known {
    parts: Parts,
    /// Of each section: name, the bytes of each chunk, its rows as text.
    chunks: Vec<(String, Vec<KnownChunk>)>,
    /// Where blocks of every kind begin: part and byte.
    places: Vec<(String, usize, String)>,
}

fn known(device: &MemoryDevice) -> Known {
    let set = only_set(device);
    let mut chunks = Vec::new();
    for section in set.sections() {
        let table = SectionTable::new(section.number, &section.header).unwrap();
        let one = |chunk: &ChunkRef| {
            let name = set.volumes()[chunk.entry.volume as usize - 1].name.clone().unwrap();
            let from = chunk.entry.offset as usize;
            let bytes = device.bytes(&name).unwrap()[from..from + chunk.entry.bytes as usize].to_vec();
            let payload = set.read_chunk(chunk).unwrap();
            let rows = table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).unwrap();
            (bytes, lines(&rows.batch))
        };
        chunks.push((section.header.table.clone(), section.chunks.iter().map(one).collect()));
    }
    let mut places = Vec::new();
    for view in set.volumes() {
        let name = view.name.clone().unwrap();
        let volume = set.volume(view.number).unwrap();
        let index = volume.index().unwrap().unwrap();
        let mut seen = BTreeSet::new();
        for entry in &index.blocks {
            if seen.insert((entry.kind, entry.section)) {
                places.push((name.clone(), entry.offset as usize + 90, format!("kind {} in {name}", entry.kind)));
            }
        }
        places.push((name.clone(), index.head.bytes as usize + 90, format!("index of {name}")));
        places.push((name.clone(), device.bytes(&name).unwrap().len() - 100, format!("end of {name}")));
    }
    Known { parts: parts(device), chunks, places }
}

/// Holds a salvage against what is really left: each chunk whose bytes are still there somewhere is there, and none else.
fn hold(known: &Known, from: &MemoryDevice, what: &str) -> (Account, MemoryDevice) {
    let left = parts(from);
    let is_there = |bytes: &Vec<u8>| left.values().any(|part| part.windows(bytes.len()).any(|window| window == bytes));
    let (account, to) = salvaged(from);
    let Some(of_set) = account.sets.first() else {
        assert!(known.chunks.iter().flat_map(|(_, chunks)| chunks).all(|(bytes, _)| !is_there(bytes)), "{what}");
        return (account, to);
    };
    assert_eq!(account.sets.len(), 1, "{what}");
    for (number, (table, chunks)) in (1u32..).zip(&known.chunks) {
        let survive: Vec<&Vec<String>> =
            chunks.iter().filter(|(bytes, _)| is_there(bytes)).map(|(_, rows)| rows).collect();
        let Some(section) = of_set.sections.iter().find(|section| section.number == number) else {
            // Its header is lost everywhere: nobody can say what its rows are.
            assert!(
                of_set.nameless.iter().any(|(first, last, _)| (*first..=*last).contains(&number)) || survive.is_empty()
            );
            continue;
        };
        assert_eq!((section.table.as_str(), section.chunks), (table.as_str(), survive.len() as u64), "{what}");
        let lost: u64 = chunks.iter().map(|(_, rows)| rows.len() as u64).sum::<u64>() - section.rows;
        match section.lost_rows {
            Count::Exactly(rows) => assert_eq!(rows, lost, "{what}: {table}"),
            Count::AtLeast(rows) => assert!(rows <= lost, "{what}: {table}"),
        }
        assert_eq!(section.whole, lost == 0 && section.ended, "{what}: {table}");
    }
    if of_set.written.is_some() {
        sound(&to, what);
        let new = only_set(&to);
        for section in new.sections() {
            let (_, chunks) = known.chunks.iter().find(|(table, _)| *table == section.header.table).unwrap();
            let expected: Vec<&String> =
                chunks.iter().filter(|(bytes, _)| is_there(bytes)).flat_map(|(_, rows)| rows).collect();
            let table = SectionTable::new(section.number, &section.header).unwrap();
            let rows: Vec<String> = section
                .chunks
                .iter()
                .flat_map(|chunk| {
                    let payload = new.read_chunk(chunk).unwrap();
                    lines(&table.prove(&mut RowHasher::default(), &payload, Position::UNKNOWN).unwrap().batch)
                })
                .collect();
            assert!(rows.iter().eq(expected), "{what}: rows of {}", section.header.table);
        }
    }
    (account, to)
}

/// Whether all sets of a device are whole and prove sound.
pub fn sound(device: &MemoryDevice, what: &str) {
    let listing = list_sets(device).unwrap();
    assert!(listing.unreadable.is_empty(), "{what}");
    for set in &listing.sets {
        assert!(set.is_complete() && set.catalog().is_some(), "{what}");
        assert_eq!(verify_set(set, 2, &Silent).findings, [], "{what}");
    }
}

fn written(volume_size: Option<u64>) -> (Centre, MemoryDevice, Known) {
    let (centre, device) = (month(), MemoryDevice::new());
    backup_with(&centre, &device, &backup::Options { volume_size, ..backup_options(1) });
    let known = known(&device);
    (centre, device, known)
}

/// Restores what was salvaged onto rows that are all others, and says how much came back.
fn put_back(to: &MemoryDevice, centre: &Centre, what: &str) -> (usize, usize) {
    let target = ruined(centre);
    let before = buckets(&target);
    let sets = list_sets(to).unwrap().sets;
    let Some(set) = sets.first() else { return (0, 1) };
    let store = target.store();
    let restore = Restore::new(set, &store, partial());
    // Of what is lost altogether nothing can be restored: then that is said.
    let Ok(plan) = restore.plan() else { return (0, 1) };
    if plan.refusals.is_empty() {
        restore.apply(&plan, None).unwrap();
    }
    restored(&target, centre, &before, what)
}

#[test]
fn nothing_is_lost_of_what_is_whole_however_its_parts_lie() {
    let (centre, device, known) = written(Some(24 << 10));
    assert!(known.parts.len() > 2, "{} volumes", known.parts.len());
    for shuffle in Shuffle::all(known.parts.len()) {
        let from = heap(shuffle.apply(&known.parts));
        let what = format!("{shuffle:?}");
        let (account, to) = hold(&known, &from, &what);
        let nothing_lost = !matches!(shuffle, Shuffle::Without(_));
        assert_eq!(account.has_losses(), !nothing_lost, "{what}");
        assert_eq!(account.sets[0].copies > 0, matches!(shuffle, Shuffle::Twice(_)), "{what}");
        let (back, of) = put_back(&to, &centre, &what);
        assert!(back == of || !nothing_lost, "{what}: {back} of {of}");
        assert!(back > 0, "{what}: {back} of {of}");
        let label = only_set(&to).label().clone();
        let salvaged = label.salvaged.unwrap();
        assert_eq!((SetId(salvaged.set), label.chain()), (set_id(1), set_id(1)), "it stands where the other stood");
        assert_eq!(salvaged.lost == lost::NOTHING, nothing_lost);
    }
    drop(device);
}

#[test]
fn each_damage_in_each_place_costs_what_it_hits_and_nothing_is_restored_wrong() {
    let (centre, _device, known) = written(Some(24 << 10));
    let mut cases = 0;
    for (at, (part, byte, place)) in known.places.iter().enumerate() {
        for (number, hurt) in every_damage(*byte, known.parts[part].len()).into_iter().enumerate() {
            let mut parts = known.parts.clone();
            hurt.apply(parts.get_mut(part).unwrap());
            let what = format!("{hurt:?} at {place}");
            let (_, to) = hold(&known, &heap(parts), &what);
            if (at + number) % 7 == 0 {
                put_back(&to, &centre, &what);
            }
            cases += 1;
        }
    }
    assert!(cases > 100, "{cases}");
}

#[test]
fn random_damage_of_several_places_is_survived_by_what_it_does_not_hit() {
    for seed in 0..30 {
        let mut random = Rng::new(seed);
        let size = [None, Some(24 << 10), Some(40 << 10)][random.below(3)];
        let (centre, _device, known) = written(size);
        for round in 0..4 {
            let mut parts = known.parts.clone();
            let names: Vec<String> = parts.keys().cloned().collect();
            let mut done = Vec::new();
            for _ in 0..=random.below(4) {
                let part = parts.get_mut(&names[random.below(names.len())]).unwrap();
                if !part.is_empty() {
                    let hurt = any_damage(&mut random, part.len());
                    hurt.apply(part);
                    done.push(hurt);
                }
            }
            let shuffles = Shuffle::all(parts.len());
            let shuffle = shuffles[random.below(shuffles.len())];
            let what = format!("seed {seed}: {done:?}, {shuffle:?}");
            let (_, to) = hold(&known, &heap(shuffle.apply(&parts)), &what);
            if round == 0 {
                put_back(&to, &centre, &what);
            }
        }
    }
}

/// A table without time is replaced whole or not: a part of it empties nothing.
#[test]
fn a_part_of_a_table_without_time_replaces_nothing() {
    let centre = Centre::new(&[SYNONYMS]);
    for number in 0..4_000 {
        centre.run(&format!(
            "INSERT INTO synonyms VALUES (1, 'split', '{:x}', '{number}', '')",
            number * 2_654_435_761u64
        ));
        if number == 0 {
            centre.run("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY");
        }
        if number == 300 {
            break;
        }
    }
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(8 << 10), ..backup_options(1) });
    let chunks = only_set(&device).sections()[0].chunks.clone();
    assert!(chunks.len() > 1);
    let name = only_set(&device).volumes()[chunks[0].entry.volume as usize - 1].name.clone().unwrap();
    let mut bytes = device.bytes(&name).unwrap();
    bytes[chunks[0].entry.offset as usize + 200] ^= 1;
    device.insert(&name, bytes);
    let (account, to) = salvaged(&device);
    assert_eq!(account.sets[0].sections[0].chunks, chunks.len() as u64 - 1);
    sound(&to, "a part");
    centre.run("UPDATE synonyms SET value = 'x'");
    let before = centre.rows("synonyms");
    let set = only_set(&to);
    let store = centre.store();
    for missing in [Missing::Refuse, Missing::Partial] {
        let plan = Restore::new(&set, &store, Options { missing, ..all() }).plan().unwrap();
        assert!(!plan.refusals.is_empty(), "{missing:?}");
    }
    assert_eq!(centre.rows("synonyms"), before);
}

/// A chain of a full set and two incrementals, of which the middle one will be salvaged.
struct Three {
    /// The database when the middle one was taken, and when the last one was.
    middle: Centre,
    newest: Centre,
    /// The volumes without the last one, and all.
    two: Parts,
    three: Parts,
    /// The buckets of the middle one with the blocks of their chunks, and those of the last one.
    had: BTreeMap<String, Vec<Vec<u8>>>,
    newer: BTreeSet<String>,
}

impl Three {
    fn new() -> Three {
        let middle = month();
        let newest = ruined(&middle);
        newest.run("UPDATE dsplit SET acdcalls = 5; UPDATE hsplit SET acdcalls = 5");
        let device = MemoryDevice::new();
        let size = |number| backup::Options { volume_size: Some(24 << 10), ..backup_options(number) };
        backup_with(&newest, &device, &size(1));
        // All days change, so that the incremental has several chunks.
        std::fs::copy(middle.path(), newest.path()).unwrap();
        incremental(&newest, &device, &size(2));
        let two = parts(&device);
        newest.run("UPDATE hsplit SET acdcalls = 77 WHERE row_date < '2024-03-05'");
        incremental(&newest, &device, &size(3));
        let (had, newer) = (chunks_of_buckets(&device, 2), chunks_of_buckets(&device, 3).into_keys().collect());
        Three { middle, newest, two, three: parts(&device), had, newer }
    }

    /// Hurts the volumes of the middle one.
    fn hurt(&self, first: bool, random: &mut Rng) -> (Parts, String) {
        let middle = self.two.iter().filter(|(name, _)| is_of(2, name));
        let mut parts: Parts = middle.map(|(name, part)| (name.clone(), part.clone())).collect();
        let names: Vec<String> = parts.keys().cloned().collect();
        let mut done = Vec::new();
        for _ in 0..=random.below(3) {
            let name = &names[random.below(names.len())];
            let part = parts.get_mut(name).unwrap();
            let hurt = match first {
                true => Damage::Flip { at: part.len() / 2, mask: 1 },
                false => any_damage(random, part.len().max(1)),
            };
            hurt.apply(part);
            done.push((name.clone(), hurt));
        }
        (parts, format!("{done:?}"))
    }

    /// Salvages the middle one of what is left of it and restores the chain: how many buckets are as they were, of how many of
    /// which all rows are there, and whether all is known that the middle one had.
    fn back(&self, left: Parts, with_newer: bool, what: &str) -> (usize, usize, bool) {
        let bytes: Vec<Vec<u8>> = left.values().cloned().collect();
        let is_there = |block: &Vec<u8>| bytes.iter().any(|part| part.windows(block.len()).any(|at| at == block));
        let (account, new) = salvaged(&heap(left));
        let (whole, good) = if with_newer { (&self.three, &self.newest) } else { (&self.two, &self.middle) };
        let chain = MemoryDevice::new();
        let others = whole.iter().filter(|(name, _)| !is_of(2, name)).map(|(name, part)| (name.clone(), part.clone()));
        others.chain(parts(&new)).for_each(|(name, part)| chain.insert(&name, part));
        let target = ruined(&self.middle);
        let before = buckets(&target);
        let (sets, store) = (list_sets(&chain).unwrap().sets, target.store());
        let chosen = Chain::choose(&sets, Wanted::default()).unwrap();
        assert!(chosen.members().iter().any(|set| set.label().salvaged.is_some()), "{what}");
        let restore = Restore::new(chosen, &store, partial());
        let plan = restore.plan().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(plan.refusals, [], "{what}");
        restore.apply(&plan, None).unwrap();
        restored(&target, good, &before, what);
        let (now, good) = (buckets(&target), buckets(good));
        let back: BTreeSet<&String> = good.keys().filter(|key| now.get(*key) == good.get(*key)).collect();
        // What its chunks still have, what it left to the one before it, and what the newer one has anyway.
        let own = self.had.iter().filter(|(_, chunks)| chunks.iter().all(is_there)).map(|(key, _)| key);
        let older = good.keys().filter(|key| !self.had.contains_key(*key));
        let there: BTreeSet<&String> = own.chain(older).chain(self.newer.iter().filter(|_| with_newer)).collect();
        assert!(back.is_subset(&there), "{what}: {:?}", back.difference(&there));
        (back.len(), there.len(), account.sets[0].catalog && account.sets[0].label.is_some())
    }
}

fn is_of(number: u8, name: &str) -> bool {
    name.contains(&set_id(number).to_string()[..8])
}

/// Of a chain whose damaged member was salvaged comes back the newest state, or nothing; never an older one. Where all is known
/// that the member had, everything comes back of which all rows are there.
#[test]
fn a_chain_with_a_salvaged_member_gives_no_older_state() {
    let three = Three::new();
    assert!(three.had.len() > three.newer.len() && !three.newer.is_empty());
    let mut random = Rng::new(5);
    let mut rounds = Vec::new();
    for round in 0..24 {
        let (left, done) = three.hurt(round == 0, &mut random);
        rounds.push(three.back(left, round % 2 == 0, &format!("round {round}: {done}")));
    }
    let known = |rounds: &[(usize, usize, bool)]| rounds.iter().filter(|(.., known)| *known).count();
    assert!(rounds.iter().all(|(back, there, known)| back == there || !known), "{rounds:?}");
    assert!(rounds[0].2 && rounds[0].0 > 90 && known(&rounds) >= 12 && known(&rounds) < 24, "{rounds:?}");
    // Where nobody can tell what the member had, less comes back than is there, and the rest is left alone.
    assert!(rounds.iter().any(|(back, there, _)| back < there), "{rounds:?}");
}

/// The buckets that a set has rows of, as [`buckets`] names them, each with the blocks of its chunks.
fn chunks_of_buckets(device: &MemoryDevice, number: u8) -> BTreeMap<String, Vec<Vec<u8>>> {
    let set = find_set(device, set_id(number)).unwrap().unwrap();
    let mut found: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for section in set.sections() {
        let table = &section.header.table;
        for chunk in &section.chunks {
            let name = set.volumes()[chunk.entry.volume as usize - 1].name.clone().unwrap();
            let from = chunk.entry.offset as usize;
            let block = device.bytes(&name).unwrap()[from..from + chunk.entry.bytes as usize].to_vec();
            for piece in parse_chunk(&set.read_chunk(chunk).unwrap()).unwrap().directory.pieces {
                let key = match (piece.day.map(civil_of_day), piece.acd) {
                    (Some((year, month, day)), Some(acd)) => format!("{table} {year}-{month:02}-{day:02} {acd}"),
                    _ if table == "synonyms" => "synonyms all".to_owned(),
                    _ => format!("{table} not a day 1"),
                };
                found.entry(key).or_default().push(block.clone());
            }
        }
    }
    found
}

/// An incremental that goes on with a salvaged set writes what that lacks, and the chain is whole again.
#[test]
fn the_next_incremental_writes_what_a_salvaged_set_lacks() {
    let centre = month();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
    let known = known(&device);
    let (name, at, _) = known.places.iter().filter(|(_, _, what)| what.starts_with("kind 3")).nth(1).unwrap().clone();
    let mut hurt = known.parts.clone();
    Damage::Flip { at: at + 60, mask: 4 }.apply(hurt.get_mut(&name).unwrap());
    let (account, new) = salvaged(&heap(hurt));
    assert!(account.has_losses());
    let report = incremental(&centre, &new, &backup_options(2));
    assert_eq!(report.parent.as_ref().map(|parent| (parent.set, parent.chain)), Some((set_id(1), set_id(1))));
    assert!(report.set.rows > 2, "only what is lost and what has no time: {}", report.set.rows);
    let target = ruined(&centre);
    let before = buckets(&target);
    let sets = list_sets(&new).unwrap().sets;
    let store = target.store();
    let restore = Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, partial());
    let plan = restore.plan().unwrap();
    assert_eq!(plan.refusals, []);
    restore.apply(&plan, None).unwrap();
    let (back, of) = restored(&target, &centre, &before, "a chain made whole");
    // Rows without a usable time are left alone where it is not certain that all are there.
    assert!(back + 1 >= of, "{back} of {of}");
}

#[test]
fn an_undo_set_that_was_salvaged_takes_a_restore_back() {
    let centre = super::undo::world();
    let device = backup(&centre);
    centre.run(super::undo::RUIN);
    let before = [centre.rows("hsplit"), centre.rows("dsplit"), centre.rows("synonyms")];
    let undo = MemoryDevice::new();
    restore_onto(&only_set(&device), &centre, &unit_options(20), Some(&undo), &Silent).unwrap();
    let from = heap(Shuffle::JoinedBackwards.apply(&parts(&undo)));
    let (account, new) = salvaged(&from);
    assert!(!account.has_losses());
    sound(&new, "undo");
    let set = only_set(&new);
    assert!(set.label().is_undo() && set.label().member() == set_id(0xAA));
    let store = centre.store();
    let plan = intervault::restore::undo_plan(&set, &store, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!(plan.refusals, []);
    intervault::restore::undo(&plan, &set, &store, &UndoOptions::default(), &Silent).unwrap();
    assert_eq!([centre.rows("hsplit"), centre.rows("dsplit"), centre.rows("synonyms")], before);
    let again = undo_with(&centre, &undo, &UndoOptions::default()).err().map(|error| error.class());
    assert_eq!(again, Some(Class::Nothing), "it is taken back already");
}

#[test]
fn a_set_of_one_acd_stays_one() {
    let centre = month();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { acd: Some(2), ..backup_options(1) });
    let (account, new) = salvaged(&heap(Shuffle::Junk.apply(&parts(&device))));
    assert!(!account.has_losses());
    let set = only_set(&new);
    assert_eq!(set.label().acd, Some(2));
    let target = ruined(&centre);
    restore_set(&set, &target, &all()).unwrap();
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE acd = 1 AND acdcalls <> -1"), 0);
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE acd = 2 AND acdcalls = -1"), 0);
}

#[test]
fn files_of_a_salvaged_tree_are_whole_or_absent() {
    let source = tempfile::tempdir().unwrap();
    for (folder, files) in [("a", 3), ("b", 4)] {
        std::fs::create_dir(source.path().join(folder)).unwrap();
        for file in 0..files {
            std::fs::write(source.path().join(folder).join(format!("f{file}")), noise(900_000 + file * 400_000))
                .unwrap();
        }
    }
    let device = MemoryDevice::new();
    backup_trees(
        vec![tree(source.path())],
        &device,
        backup::Options { volume_size: Some(4 << 20), ..backup_options(1) },
    );
    let set = only_set(&device);
    let chunks = set.sections()[0].chunks.clone();
    let names: Vec<String> = set.volumes().iter().map(|volume| volume.name.clone().unwrap()).collect();
    drop(set);
    assert!(chunks.len() > 3);
    for lost in 0..chunks.len() {
        let entry = chunks[lost].entry;
        let from = heap(parts(&device));
        let name = &names[entry.volume as usize - 1];
        let mut bytes = from.bytes(name).unwrap();
        Damage::Zero { at: entry.offset as usize + 300, len: 64 }.apply(&mut bytes);
        from.insert(name, bytes);
        let (account, new) = salvaged(&from);
        sound(&new, "a tree");
        let files = account.sets[0].sections[0].files.clone().unwrap();
        assert_eq!(files.odd, None, "chunk {lost}");
        if lost + 1 < chunks.len() {
            assert_eq!(files.of, Some(7), "chunk {lost}");
        }
        let target = tempfile::tempdir().unwrap();
        let set = only_set(&new);
        let refused = FilesRestore::new(&set, target.path(), FilesOptions::default()).plan();
        assert!(refused.is_err(), "chunk {lost}: only when told");
        let restore = FilesRestore::new(&set, target.path(), FilesOptions { partial: true, ..FilesOptions::default() });
        let plan = restore.plan().unwrap();
        let report = restore.apply(&plan).unwrap();
        assert_eq!(report.written.files, files.whole, "chunk {lost}: the account says how many are whole");
        let mut seen = 0;
        for (folder, count) in [("a", 3), ("b", 4)] {
            for file in 0..count {
                let path = below(target.path(), source.path()).join(folder).join(format!("f{file}"));
                let Ok(bytes) = std::fs::read(&path) else { continue };
                assert_eq!(bytes, std::fs::read(source.path().join(folder).join(format!("f{file}"))).unwrap());
                seen += 1;
            }
        }
        assert_eq!(seen, files.whole);
    }
}

/// Whatever fails while it is written, no set is there that looks finished.
#[test]
fn a_salvage_that_fails_leaves_no_set_that_looks_finished() {
    let centre = super::undo::world();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(12 << 10), ..backup_options(1) });
    let options = || SalvageOptions { volume_size: Some(12 << 10), ..SalvageOptions::default() };
    let run = |to: &FaultDevice<MemoryDevice>| {
        Salvage::new(&[&device], options()).write(to, &mut || Ok(set_id(9))).map(|account| account.sets.len())
    };
    let whole = FaultDevice::new(MemoryDevice::new(), 1);
    run(&whole).unwrap();
    let operations = whole.log().len();
    assert!(operations > 20);
    let mut failed = 0;
    for (number, fault) in (0..operations).flat_map(|number| [(number, Fault::Io), (number, Fault::Full)]) {
        let inner = MemoryDevice::new();
        let to = FaultDevice::new(inner.copy(), 1);
        to.fail_at(number, fault);
        if run(&to).is_err() {
            failed += 1;
            let left = to.power_cut(number as u64);
            let finished = list_sets(&left).unwrap().sets.iter().any(SetReader::is_finished);
            // Only what fails after the last volume has its name may leave one, and then it was proved before.
            assert!(!finished || number + 3 >= operations, "operation {number}, {fault:?}");
        }
    }
    assert!(failed > operations / 2, "{failed} of {operations}");
}

#[test]
fn fifty_sets_in_one_file_become_fifty_sets() {
    let centre = super::undo::world();
    let mut all_bytes = Vec::new();
    for number in 1..=50 {
        let device = MemoryDevice::new();
        backup_with(&centre, &device, &backup_options(number));
        all_bytes.extend(parts(&device).into_values().flatten());
        all_bytes.extend(vec![number; usize::from(number)]);
    }
    let (account, new) = salvaged(&heap(BTreeMap::from([("dump".to_owned(), all_bytes)])));
    assert_eq!((account.sets.len(), account.has_losses()), (50, false));
    sound(&new, "fifty");
    let originals: BTreeSet<SetId> = list_sets(&new).unwrap().sets.iter().map(|set| set.label().member()).collect();
    assert_eq!(originals, (1..=50).map(set_id).collect());
}

/// Two headers that give one section two tables: neither is believed, and no row goes into the wrong one.
#[test]
fn sections_that_contradict_each_other_are_not_mixed() {
    let (one, other) = (Centre::new(&[HSPLIT]), Centre::new(&[DSPLIT]));
    one.intervals("2024-03-01", 800, 1200, 30, 1);
    other.run("INSERT INTO dsplit VALUES ('2024-03-01', 1, 1, 1)");
    let from = MemoryDevice::named("heap");
    for (name, centre) in [("a", &one), ("b", &other)] {
        let device = MemoryDevice::new();
        // The same id twice, which no honest writer gives.
        backup_with(centre, &device, &backup_options(1));
        from.insert(name, parts(&device).into_values().flatten().collect());
    }
    let (account, new) = salvaged(&from);
    let set = &account.sets[0];
    assert!(set.conflicts.iter().any(|conflict| conflict.contains("headers")), "{:?}", set.conflicts);
    assert!(set.has_losses() && set.sections.is_empty());
    assert!(list_sets(&new).unwrap().sets.is_empty());
}
