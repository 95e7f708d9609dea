//! What a salvage believes, and what it calls lost: strays that contradict what catalog, index or most copies say are not taken;
//! what cannot be shown to be complete is told, and the range of a loss covers every row of it.

use super::chains::{all, incremental, restore_chain};
use super::salvage::{buckets, heap, month, partial, parts, restored, ruined, salvaged, sound};
use super::support::*;
use intervault::backup;
use intervault::device::memory::MemoryDevice;
use intervault::format::block::{BlockIdentity, BlockKind, encode_block};
use intervault::format::chunk::parse_chunk;
use intervault::format::label::lost;
use intervault::restore::{Options, Restore, passed_over};
use intervault::salvage::{Account, SetAccount};
use intervault::testing::damage::{Damage, Place, payload, places};
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::section::SectionView;
use intervault::volume::set::list_sets;
use std::collections::BTreeMap;

/// A whole set in one volume, a section of it in several chunks: its name and its bytes.
fn one_volume(centre: &Centre) -> (String, Vec<u8>) {
    (40..=400)
        .step_by(8)
        .find_map(|size| {
            let device = MemoryDevice::new();
            backup_with(centre, &device, &backup::Options { volume_size: Some(size << 10), ..backup_options(1) });
            let several = only_set(&device).sections().iter().any(|section| section.chunks.len() > 2);
            let mut parts = parts(&device);
            parts.pop_first().filter(|_| parts.is_empty() && several)
        })
        .unwrap()
}

/// A whole set in small volumes, by their numbers.
fn volumes(device: &MemoryDevice) -> Vec<(String, Vec<u8>)> {
    let set = only_set(device);
    let name = |number: u32| set.volumes()[number as usize - 1].name.clone().unwrap();
    (1..=set.volumes().len() as u32).map(|number| (name(number), device.bytes(&name(number)).unwrap())).collect()
}

fn of_kind(bytes: &[u8], kind: BlockKind) -> Vec<Place> {
    places(bytes).into_iter().filter(|place| place.header.kind == kind).collect()
}

/// The payloads of all blocks of a kind are damaged.
pub fn without(bytes: &[u8], kinds: &[BlockKind]) -> Vec<u8> {
    let mut hurt = bytes.to_vec();
    for place in places(bytes).iter().filter(|place| kinds.contains(&place.header.kind)) {
        Damage::Flip { at: place.at + 81, mask: 0x5A }.apply(&mut hurt);
    }
    hurt
}

/// A block like another one, but for its number in the volume and its payload.
fn stray(like: &Place, block: u64, payload: &[u8]) -> Vec<u8> {
    let identity = BlockIdentity { block, ..like.header.identity };
    encode_block(like.header.kind, identity, payload).unwrap()
}

/// The chunks of the section that has most.
fn largest(bytes: &[u8]) -> Vec<Place> {
    let mut sections: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for place in of_kind(bytes, BlockKind::Chunk) {
        sections.entry(place.header.identity.section).or_default().push(place);
    }
    sections.into_values().max_by_key(Vec::len).unwrap()
}

/// Strays of every kind: what they are called, and their bytes.
fn strays(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mine = &largest(bytes);
    let of = |place: &Place| payload(bytes, place).to_vec();
    // The number of a chunk and that of its first row stand behind the frame of its directory.
    let numbered = |place: &Place, chunk: u64, row: u64| {
        let mut payload = of(place);
        payload[8..16].copy_from_slice(&chunk.to_le_bytes());
        payload[16..24].copy_from_slice(&row.to_le_bytes());
        stray(place, 9_000, &payload)
    };
    let rows: u64 = mine.iter().map(|place| u64::from(parse_chunk(&of(place)).unwrap().directory.rows)).sum();
    let count = mine.len() as u64;
    let flipped = |kind: BlockKind, at: usize, block: Option<u64>| {
        let place = of_kind(bytes, kind)[0];
        let mut payload = of(&place);
        let at = if at < payload.len() { at } else { payload.len() - 1 };
        payload[at] ^= 1;
        stray(&place, block.unwrap_or(place.header.identity.block), &payload)
    };
    let label = of_kind(bytes, BlockKind::Label)[0];
    let mut other = of(&label);
    let software = other.windows(11).position(|window| window == b"intervault ").unwrap();
    other[software] ^= 1;
    vec![
        ("a chunk behind the last one", numbered(&mine[0], count, rows)),
        ("another first chunk", numbered(&mine[1], 0, 0)),
        ("a chunk whose first row lies far away", numbered(&mine[1], 1, 1 << 50)),
        // The last byte of the section's name.
        ("another header", flipped(BlockKind::SectionHeader, 8 + 8 + 5, Some(9_001))),
        ("another end", flipped(BlockKind::SectionEnd, 8, Some(9_002))),
        ("another catalog block", flipped(BlockKind::Catalog, usize::MAX, None)),
        ("another label", stray(&label, 0, &other)),
        ("a block of a section that there is not", {
            let header = of_kind(bytes, BlockKind::SectionHeader)[0];
            let identity = BlockIdentity { section: 60_000, block: 9_003, ..header.header.identity };
            encode_block(BlockKind::SectionHeader, identity, &of(&header)).unwrap()
        }),
    ]
}

/// What is there of each section.
fn shape(set: &SetAccount) -> Vec<(String, u64, u64, bool)> {
    set.sections.iter().map(|one| (one.table.clone(), one.rows, one.chunks, one.whole)).collect()
}

fn account_of(files: &[(&str, &[u8])]) -> (Account, MemoryDevice) {
    let named = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    let (account, to) = salvaged(&heap(named.collect()));
    sound(&to, "whatever strays there are");
    (account, to)
}

#[test]
fn a_stray_block_never_beats_what_catalog_index_or_most_copies_say() {
    let (_, bytes) = one_volume(&month());
    let no_index = without(&bytes, &[BlockKind::VolumeIndex, BlockKind::VolumeEnd]);
    let no_catalog = without(&bytes, &[BlockKind::Catalog]);
    let (whole, _) = account_of(&[("a", &bytes)]);
    assert!(!whole.has_losses(), "{whole:?}");
    let expected = shape(&whole.sets[0]);
    for (what, stray) in strays(&bytes) {
        for (known, volume) in [("all", &bytes), ("the index", &no_catalog), ("the catalog", &no_index)] {
            // Nobody but the index says which label, and which catalog block, is the right one.
            if known == "the catalog" && ["another catalog block", "another label"].contains(&what) {
                continue;
            }
            for files in [[("a", &volume[..]), ("b", &stray[..])], [("a", &stray[..]), ("b", &volume[..])]] {
                let (account, _) = account_of(&files);
                let set = &account.sets[0];
                assert_eq!(shape(set), expected, "{what}, where {known} is left: {:?}", set.conflicts);
                assert!(set.label.is_some() && set.all_known, "{what}, {known}");
                assert_eq!(account.has_losses(), known != "all", "{what}, {known}: {account:?}");
                let untold = what == "another catalog block" && known == "the index";
                assert!(untold || !set.conflicts.is_empty(), "{what}, {known}: a stray is told");
            }
        }
        let neither = without(&no_index, &[BlockKind::Catalog]);
        let beyond = ["a chunk behind the last one", "a block of a section that there is not"].contains(&what);
        if !beyond {
            let (account, _) = account_of(&[("a", &neither), ("b", &neither), ("c", &stray)]);
            assert_eq!(shape(&account.sets[0]), expected, "{what}: two copies against one");
            assert!(account.has_losses());
        }
    }
}

/// A chunk that is damaged is not made up for by one that calls itself by its number.
#[test]
fn no_stray_takes_the_place_of_a_chunk_that_is_lost() {
    let (_, bytes) = one_volume(&month());
    let lost = largest(&bytes)[1];
    let mut hurt = bytes.clone();
    Damage::Flip { at: lost.at + 90, mask: 1 }.apply(&mut hurt);
    let expected = shape(&account_of(&[("a", &hurt)]).0.sets[0]);
    let (_, far) = strays(&bytes).remove(2);
    for kinds in [&[][..], &[BlockKind::Catalog], &[BlockKind::VolumeIndex, BlockKind::VolumeEnd]] {
        let (account, _) = account_of(&[("a", &without(&hurt, kinds)), ("b", &far)]);
        assert_eq!(shape(&account.sets[0]), expected, "without {kinds:?}");
    }
}

/// Where label, catalog or end are lost that is a loss, and the rows come back all the same.
#[test]
fn without_label_catalog_or_end_nothing_is_called_whole() {
    let centre = month();
    let (_, bytes) = one_volume(&centre);
    for kinds in [
        &[BlockKind::Label][..],
        &[BlockKind::Catalog],
        &[BlockKind::VolumeIndex, BlockKind::VolumeEnd],
        &[BlockKind::SectionEnd, BlockKind::Catalog],
    ] {
        let (account, to) = account_of(&[("a", &without(&bytes, kinds))]);
        assert!(account.has_losses() && account.sets[0].has_losses(), "{kinds:?}");
        let ends = kinds.contains(&BlockKind::SectionEnd);
        let set = only_set(&to);
        let label = set.label();
        assert_eq!(label.salvaged.map(|salvaged| salvaged.lost), Some(if ends { lost::ROWS } else { lost::NOTHING }));
        if !ends {
            let target = ruined(&centre);
            let before = buckets(&target);
            restore_set(&set, &target, &all()).unwrap();
            let (back, of) = restored(&target, &centre, &before, "all rows are there");
            assert_eq!(back, of, "{kinds:?}");
        }
    }
}

/// Restores the chain that the sets of a device make, and says what was refused without `--partial`.
fn put_back(device: &MemoryDevice, target: &Centre, options: Options) -> usize {
    let sets = list_sets(device).unwrap().sets;
    let store = target.store();
    let restore = Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, options);
    let plan = restore.plan().unwrap();
    if plan.refusals.is_empty() {
        restore.apply(&plan, None).unwrap();
    }
    plan.refusals.len()
}

/// Only the sets of these numbers, and those that were salvaged.
pub fn only(device: &MemoryDevice, numbers: &[u8], new: &MemoryDevice) -> MemoryDevice {
    let digits: Vec<String> = numbers.iter().map(|number| set_id(*number).to_string()[..8].to_owned()).collect();
    let mine = parts(device).into_iter().filter(|(name, _)| digits.iter().any(|digits| name.contains(digits)));
    heap(mine.chain(parts(new)).collect())
}

/// A full set of a month, and two incremental ones: what changed on the 4th, then on the 9th.
pub fn chain() -> (Centre, MemoryDevice) {
    let (centre, device) = (month(), MemoryDevice::new());
    backup_with(&centre, &device, &backup_options(1));
    for (number, day) in [(2, "04"), (3, "09")] {
        centre.run(&format!("UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE row_date = '2024-03-{day}'"));
        incremental(&centre, &device, &backup_options(number));
    }
    (centre, device)
}

/// The list of what it left unwritten is lost with the catalog of an incremental set: with the member before it the chain is
/// whole all the same, without that nothing older is put over what is newer. So it is with the damaged set itself.
#[test]
fn behind_a_missing_member_a_set_without_its_list_brings_nothing_older_back() {
    let (centre, device) = chain();
    let newest = only(&device, &[3], &MemoryDevice::new());
    let (name, bytes) = parts(&newest).into_iter().next().unwrap();
    let hurt = heap(BTreeMap::from([(name, without(&bytes, &[BlockKind::Catalog]))]));
    let (account, new) = salvaged(&hurt);
    let set = &account.sets[0];
    assert!(account.has_losses() && !set.catalog && set.sections.iter().any(|section| section.unlisted));
    assert!(only_set(&new).label().has_losses());
    for (name, last) in [("salvaged", &new), ("damaged", &hurt)] {
        let truth = buckets(&centre);
        let copy = |centre: &Centre| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::copy(centre.path(), folder.path().join("centre.db")).unwrap();
            Centre { folder }
        };
        let target = copy(&centre);
        assert_eq!(put_back(&only(&device, &[1], last), &target, partial()), 0, "{name}");
        assert_eq!(buckets(&target), truth, "{name}: nothing right is replaced by what is older");
        let target = ruined(&centre);
        assert_eq!(put_back(&only(&device, &[1, 2], last), &target, partial()), 0, "{name}");
        let (back, of) = restored(&target, &centre, &buckets(&ruined(&centre)), name);
        // Whether it left undated rows as they were, or there were none any more, its list alone said.
        assert_eq!(back + 1, of, "{name}: with all members here no dated row is left out");
    }
    let target = ruined(&centre);
    let error = restore_chain(&only(&device, &[1, 2], &new), &target, &all()).unwrap_err();
    assert!(error.to_string().contains("its list of what it left unwritten is lost"), "{error}");
}

/// A set that was salvaged without its list is damaged in its turn: it is no more to be trusted for that, and what it held when
/// it was salvaged is still all that it speaks for.
#[test]
fn a_salvaged_set_that_is_damaged_again_is_still_one_without_its_list() {
    let (centre, device) = chain();
    let (name, bytes) = parts(&only(&device, &[3], &MemoryDevice::new())).into_iter().next().unwrap();
    let (_, new) = salvaged(&heap(BTreeMap::from([(name, without(&bytes, &[BlockKind::Catalog]))])));
    let (name, bytes) = parts(&new).into_iter().next().unwrap();
    let truth = buckets(&centre);
    let chunks = of_kind(&bytes, BlockKind::Chunk);
    assert!(!chunks.is_empty());
    // Of an ACD of which no list names undated rows nobody says that there were any.
    let (plan, _) = restore_chain(&only(&device, &[1], &new), &ruined(&centre), &partial()).unwrap();
    for table in ["table hsplit:", "table dsplit:"] {
        let told = plan.notices.iter().find(|told| told.starts_with(table) && told.ends_with("they are left alone"));
        let told = told.unwrap_or_else(|| panic!("{:?}", plan.notices));
        assert!(told.contains("rows without a usable time may be missing") && !told.contains("here (rows"), "{told}");
    }
    for damaged in chunks.iter().map(Some).chain([None]) {
        let mut hurt = bytes.clone();
        let hits = chunks.iter().filter(|place| damaged.is_none_or(|damaged| damaged.at == place.at));
        hits.for_each(|place| Damage::Flip { at: place.at + 90, mask: 1 }.apply(&mut hurt));
        let there = only(&device, &[1], &heap(BTreeMap::from([(name.clone(), hurt)])));
        for options in [partial(), Options { request: month_of_march(), ..partial() }] {
            let target = Centre { folder: tempfile::tempdir().unwrap() };
            std::fs::copy(centre.path(), target.path()).unwrap();
            assert_eq!(put_back(&there, &target, options), 0);
            assert_eq!(buckets(&target), truth, "nothing right is replaced by what is older");
        }
    }
}

/// Whatever is lost of the newest set of a chain: where it no longer proves what it wrote, no older copy stands in for it. Beside
/// it what was salvaged of it is taken.
#[test]
fn what_is_lost_of_the_newest_set_brings_nothing_older_back() {
    use BlockKind::{Catalog, Chunk, SectionEnd, SectionHeader, VolumeIndex};
    let (centre, device) = chain();
    let (name, bytes) = parts(&only(&device, &[3], &MemoryDevice::new())).into_iter().next().unwrap();
    let truth = buckets(&centre);
    let cases: [&[BlockKind]; 8] = [
        &[Chunk],
        &[Catalog],
        &[Catalog, Chunk],
        &[Catalog, SectionEnd],
        &[Catalog, SectionEnd, Chunk],
        &[Catalog, SectionHeader],
        &[Catalog, VolumeIndex, SectionHeader, SectionEnd],
        &[Catalog, VolumeIndex, SectionHeader, SectionEnd, Chunk],
    ];
    for kinds in cases {
        let hurt = heap(BTreeMap::from([(name.clone(), without(&bytes, kinds))]));
        let (_, new) = salvaged(&hurt);
        let both = heap(parts(&hurt).into_iter().chain(parts(&new)).collect());
        let salvaged = !list_sets(&new).unwrap().sets.is_empty();
        for (last, what) in [(&hurt, "damaged"), (&new, "salvaged"), (&both, "both")] {
            // Of a set of which no section has a header nothing is salvaged: without it the chain ends before it.
            if what == "salvaged" && !salvaged {
                assert!(kinds.contains(&SectionHeader), "{kinds:?}");
                continue;
            }
            let target = Centre { folder: tempfile::tempdir().unwrap() };
            std::fs::copy(centre.path(), target.path()).unwrap();
            for options in [partial(), Options { request: month_of_march(), ..partial() }] {
                let there = only(&device, &[1, 2], last);
                let sets = list_sets(&there).unwrap().sets;
                let store = target.store();
                let restore = Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, options);
                match restore.plan() {
                    Ok(plan) => drop(restore.apply(&plan, None).unwrap()),
                    Err(error) => assert!(error.to_string().contains("may have had"), "{kinds:?}, {what}: {error}"),
                }
                assert_eq!(buckets(&target), truth, "{kinds:?}, {what}: nothing right is replaced by what is older");
            }
        }
    }
}

fn month_of_march() -> intervault::schema::range::Request {
    intervault::schema::range::Request::parse(Some("2024-03-01"), Some("2024-04-01")).unwrap()
}

/// Of the catalog of an incremental set only the end is cut off, which lists nothing but what was not written: that is no whole
/// catalog, wherever the cut is.
#[test]
fn a_catalog_that_was_cut_off_is_not_taken_for_whole() {
    let (centre, device) = (month(), MemoryDevice::new());
    backup_with(&centre, &device, &backup_options(1));
    let small = backup::Options { volume_size: Some(8 << 10), ..backup_options(2) };
    incremental(&centre, &device, &small);
    let second = only(&device, &[2], &MemoryDevice::new());
    let volumes = volumes(&second);
    let (mut cuts, mut lists) = (0, 0);
    for (at, (name, bytes)) in volumes.iter().enumerate() {
        for place in of_kind(bytes, BlockKind::Catalog) {
            // The volume is cut off before a catalog block, and those behind it are gone.
            let mut left: BTreeMap<String, Vec<u8>> = volumes[..at].iter().cloned().collect();
            left.insert(name.clone(), bytes[..place.at].to_vec());
            let (account, new) = salvaged(&heap(left));
            let Some(set) = account.sets.first() else { continue };
            assert!(account.has_losses() && !set.catalog && !set.ended, "cut in volume {} at {}", at + 1, place.at);
            cuts += 1;
            if set.written.is_none() {
                continue;
            }
            lists += usize::from(set.sections.iter().any(|section| section.unlisted));
            let target = ruined(&centre);
            assert_eq!(put_back(&only(&device, &[1], &new), &target, partial()), 0);
            let (back, of) = restored(&target, &centre, &buckets(&ruined(&centre)), "the full set has all");
            let nameless = set.nameless.is_empty() && set.all_known;
            assert!(!nameless || back == of, "{back} of {of}, cut in volume {} at {}", at + 1, place.at);
        }
    }
    assert!(cuts > 3 && lists > 0, "{cuts} cuts, {lists} with sections");
    // A block that is missing between others is no less.
    for (at, (name, bytes)) in volumes.iter().enumerate() {
        for place in of_kind(bytes, BlockKind::Catalog) {
            let mut left: BTreeMap<String, Vec<u8>> = volumes.iter().cloned().collect();
            let mut hurt = bytes.clone();
            Damage::Flip { at: place.at + 81, mask: 1 }.apply(&mut hurt);
            left.insert(name.clone(), hurt);
            let (account, _) = salvaged(&heap(left));
            assert!(account.has_losses() && !account.sets[0].catalog, "volume {}, byte {}", at + 1, place.at);
        }
    }
}

/// Where no catalog says which rows a lost chunk had, what is told covers every one of them.
#[test]
fn the_range_of_a_loss_covers_every_row_of_it() {
    let centre = month();
    let mixed = Centre::new(&[HSPLIT]);
    // The same rows in no order of time.
    let sql = mixed.sql();
    sql.execute_batch(&format!(
        "ATTACH '{}' AS other; INSERT INTO hsplit SELECT * FROM other.hsplit ORDER BY acdcalls * 7919 % 1000",
        centre.path().display()
    ))
    .unwrap();
    drop(sql);
    let ordered = month();
    ordered.run("DELETE FROM hsplit WHERE row_date = 'not a day'");
    let mut orders = [0; 2];
    for source in [&centre, &ordered, &mixed] {
        let device = MemoryDevice::new();
        backup_with(source, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
        let volumes = volumes(&device);
        let most = |section: &SectionView| section.chunks.len();
        let (number, ordered) = {
            let set = only_set(&device);
            let largest = set.sections().iter().max_by_key(|section| most(section)).unwrap();
            (largest.number, largest.header.ordered)
        };
        for (name, bytes) in &volumes {
            let chunks = of_kind(bytes, BlockKind::Chunk);
            for place in chunks.iter().filter(|place| place.header.identity.section == number) {
                orders[usize::from(ordered)] += 1;
                let mut left: BTreeMap<String, Vec<u8>> = BTreeMap::new();
                for (other, bytes) in &volumes {
                    let mut bytes = without(bytes, &[BlockKind::Catalog]);
                    if other == name {
                        Damage::Flip { at: place.at + 90, mask: 1 }.apply(&mut bytes);
                    }
                    left.insert(other.clone(), bytes);
                }
                let (account, _) = salvaged(&heap(left));
                let section = &account.sets[0].sections[number as usize - 1];
                let lost = parse_chunk(payload(bytes, place)).unwrap().directory;
                assert_eq!(section.lost_rows.known(), u64::from(lost.rows));
                for piece in &lost.pieces {
                    let Some(told) = section.acds.iter().find(|told| told.acd == piece.acd) else {
                        assert!(section.other_acds, "{piece:?} is told");
                        continue;
                    };
                    let Some(day) = piece.day else {
                        assert!(told.undated);
                        continue;
                    };
                    let covered = told.days.iter().any(|(first, last)| (*first..=*last).contains(&day));
                    assert!(told.any_time || covered, "day {day} of {told:?}");
                    let inside = section.gaps.iter().any(|gap| {
                        gap.after.is_none_or(|after| after.0 <= piece.first)
                            && gap.before.is_none_or(|before| piece.stop <= before.0)
                    });
                    assert!(inside, "{piece:?} in {:?}", section.gaps);
                }
            }
        }
    }
    assert!(orders.iter().all(|count| *count > 3), "{orders:?}");
}

/// Of two sets that were salvaged from one the better one is restored, and that is said, whatever their ids are.
#[test]
fn of_two_salvaged_sets_the_one_that_lacks_less_is_taken() {
    let centre = month();
    let (_, bytes) = one_volume(&centre);
    let chunks = largest(&bytes);
    let hurt = |count: usize| {
        let mut hurt = bytes.clone();
        chunks.iter().take(count).for_each(|place| Damage::Flip { at: place.at + 90, mask: 1 }.apply(&mut hurt));
        hurt
    };
    for swap in [false, true] {
        let to = MemoryDevice::named("both");
        let order = if swap { [2, 1] } else { [1, 2] };
        for (number, count) in (0x60u8..).zip(order) {
            let from = heap(BTreeMap::from([("v".to_owned(), hurt(count))]));
            let mut new_id = || Ok(set_id(number));
            let salvage = intervault::salvage::Salvage::new(&[&from], Default::default());
            salvage.write(&to, &mut new_id).unwrap();
        }
        let sets = list_sets(&to).unwrap().sets;
        let chain = Chain::choose(&sets, Wanted::default()).unwrap();
        let better = set_id(if swap { 0x61 } else { 0x60 });
        assert_eq!(chain.members()[0].set_id(), better);
        let said = passed_over(&chain);
        assert!(said.len() == 1 && said[0].contains("lacks less") && said[0].contains(&better.to_string()), "{said:?}");
    }
    let to = MemoryDevice::named("equal");
    for number in [0x60, 0x61] {
        let from = heap(BTreeMap::from([("v".to_owned(), bytes.clone())]));
        let mut new_id = || Ok(set_id(number));
        intervault::salvage::Salvage::new(&[&from], Default::default()).write(&to, &mut new_id).unwrap();
    }
    let sets = list_sets(&to).unwrap().sets;
    let said = passed_over(&Chain::choose(&sets, Wanted::default()).unwrap());
    assert!(said.len() == 1 && said[0].contains("salvaged too;") && !said[0].contains("less"), "{said:?}");
}
