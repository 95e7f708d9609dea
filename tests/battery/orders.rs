//! Volumes of a set that are missing, renamed, doubled, of another set, or all in one file: in every order.

use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::testing::fixtures::{other, small};
use intervault::testing::whole::{Verdict, Whole};
use intervault::verify::finding::Level;
use intervault::volume::stream::extents;

/// All orders of so many things.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(before) = count.checked_sub(1) else { return vec![Vec::new()] };
    let place = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, before);
            order
        })
    };
    permutations(before).into_iter().flat_map(place).collect()
}

/// A size of volumes of which the fixture takes four.
fn size() -> Option<u64> {
    (60..80)
        .map(|size| Some(size << 8))
        .find(|size| small(*size).volumes.len() == 4)
        .expect("no size gives four volumes")
}

fn several() -> Whole {
    Whole::new(small(size()))
}

fn assert_all(whole: &Whole, verdict: &Verdict, what: &str) {
    assert!(verdict.complete && verdict.findings.is_empty(), "{what}: {verdict:?}");
    assert!(verdict.chunks.iter().eq(whole.chunks.keys()) && verdict.changed.is_empty(), "{what}: {verdict:?}");
    assert_eq!(verdict.rows, whole.rows, "{what}");
}

#[test]
fn volumes_under_each_other_s_names_are_read_as_what_they_are() {
    let whole = several();
    let volumes = &whole.fixture.volumes;
    let orders = permutations(volumes.len());
    assert_eq!(orders.len(), 24);
    for order in orders {
        let device = MemoryDevice::new();
        order.iter().zip(volumes).for_each(|(from, (name, _))| device.insert(name, volumes[*from].1.clone()));
        assert_all(&whole, &whole.judge(&device), &format!("{order:?}"));
        // Names that say nothing.
        let device = MemoryDevice::new();
        order.iter().for_each(|from| device.insert(&format!("{from}.ivv"), volumes[order[*from]].1.clone()));
        assert_all(&whole, &whole.judge(&device), &format!("{order:?} without names"));
    }
}

#[test]
fn each_missing_volume_is_named_and_costs_its_own_chunks() {
    let whole = several();
    let volumes = &whole.fixture.volumes;
    // Every choice of volumes that are here, but for none and all.
    for here in 1..(1usize << volumes.len()) - 1 {
        let device = MemoryDevice::new();
        let is_here = |number: usize| here >> (number - 1) & 1 == 1;
        (1..=volumes.len()).filter(|number| is_here(*number)).for_each(|number| {
            let (name, bytes) = &volumes[number - 1];
            device.insert(name, bytes.clone());
        });
        let verdict = whole.judge(&device);
        assert!(!verdict.complete && verdict.is_noticed(), "{here:b}");
        let last = (1..=volumes.len()).rfind(|number| is_here(*number)).unwrap();
        let missing: Vec<u32> = (1..=last).filter(|number| !is_here(*number)).map(|number| number as u32).collect();
        // Whether more follow the last one that is here, it says itself.
        assert!(verdict.missing.starts_with(&missing), "{here:b}: {:?}", verdict.missing);
        assert_eq!(verdict.missing.len() > missing.len(), last < volumes.len(), "{here:b}: {:?}", verdict.missing);
        let expected = whole.places.iter().filter(|(_, place)| is_here(place.0 as usize)).map(|(chunk, _)| chunk);
        // What has no section header on its volume and no catalog says nothing of its rows.
        assert!(verdict.chunks.iter().eq(expected), "{here:b}: {:?}", verdict.findings);
        assert_eq!(verdict.changed, [""; 0], "{here:b}");
    }
}

#[test]
fn doubled_volumes_cost_nothing() {
    let whole = several();
    for (at, (_, bytes)) in whole.fixture.volumes.iter().enumerate() {
        let device = whole.fixture.device();
        device.insert("copy.ivv", bytes.clone());
        let verdict = whole.judge(&device);
        assert!(verdict.complete && verdict.findings.is_empty(), "{at}: {verdict:?}");
        assert!(verdict.chunks.iter().eq(whole.chunks.keys()) && verdict.changed.is_empty(), "{at}");
    }
}

#[test]
fn a_volume_of_another_set_is_never_taken_for_ours() {
    let whole = several();
    let stranger = other(0x77, size());
    assert_eq!(stranger.volumes.len(), whole.fixture.volumes.len());
    for (at, (_, theirs)) in stranger.volumes.iter().enumerate() {
        let verdict = whole.judge(&whole.with(at, theirs.clone()));
        let number = at as u32 + 1;
        assert!(verdict.worst() >= Some(Level::Incomplete), "{number}: {verdict:?}");
        assert_eq!(verdict.changed, [""; 0], "{number}");
        assert!(verdict.chunks.iter().all(|chunk| whole.places[chunk].0 != number), "{number}");
    }
    // Both whole, in one place.
    let device = whole.fixture.device();
    stranger.volumes.iter().for_each(|(name, bytes)| device.insert(name, bytes.clone()));
    let verdict = whole.judge(&device);
    assert_eq!((verdict.sets, verdict.findings.len()), (2, 0), "{:?}", verdict.findings);
    assert!(verdict.chunks.iter().eq(whole.chunks.keys()) && verdict.changed.is_empty());
}

/// The volumes that are found in one file, by the names that their labels give them.
fn taken_apart(file: &[u8]) -> MemoryDevice {
    let one = MemoryDevice::new();
    one.insert("file.ivv", file.to_vec());
    let source = one.open("file.ivv").unwrap();
    let device = MemoryDevice::new();
    for (number, extent) in extents(source.as_ref()).unwrap().into_iter().enumerate() {
        let bytes = file[extent.from as usize..][..extent.len as usize].to_vec();
        device.insert(&format!("{number}.{}", extent.name.unwrap_or_else(|| "unnamed.ivv".to_owned())), bytes);
    }
    device
}

#[test]
fn volumes_in_one_file_are_found_in_any_order_with_blanks_and_strangers_between() {
    let whole = several();
    let volumes: Vec<&[u8]> = whole.fixture.volumes.iter().map(|volume| volume.1.as_slice()).collect();
    let stranger = &other(0x77, size()).volumes[1].1;
    let zeros = [0u8; 512];
    for order in permutations(volumes.len()) {
        let file: Vec<u8> = order.iter().flat_map(|at| volumes[*at]).copied().collect();
        assert_all(&whole, &whole.judge(&taken_apart(&file)), &format!("{order:?}"));
        let parts = order.iter().flat_map(|at| [volumes[*at], &zeros[..64 * at], stranger.as_slice()]);
        let file: Vec<u8> = parts.flatten().copied().collect();
        let verdict = whole.judge(&taken_apart(&file));
        assert!(verdict.chunks.iter().eq(whole.chunks.keys()) && verdict.changed.is_empty(), "{order:?}: {verdict:?}");
    }
}

#[test]
fn a_file_that_begins_and_ends_with_copies_of_one_volume_is_no_single_volume() {
    let whole = several();
    let volumes: Vec<&[u8]> = whole.fixture.volumes.iter().map(|volume| volume.1.as_slice()).collect();
    let file = [volumes[0], volumes[1], volumes[2], volumes[3], volumes[0]].concat();
    let verdict = whole.judge(&taken_apart(&file));
    assert!(verdict.chunks.iter().eq(whole.chunks.keys()), "{verdict:?}");
}
