//! Rebuild by the library and the program: catalog and indexes made anew are those that were written, byte for byte; what was
//! changed is told. And salvage as a process: its exit statuses, what it refuses, what it leaves alone.

use super::chains::incremental;
use super::commands::{Case, json};
use super::files::{backup_trees, tree};
use super::salvage::{heap, parts};
use super::support::*;
use intervault::backup;
use intervault::base::monitor::Silent;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::rebuild::{Compared, SetRebuilt, rebuild};
use intervault::testing::damage::{Damage, mend, places};
use intervault::testing::parts::Shuffle;
use intervault::volume::set::list_sets;
use std::path::Path;

fn rebuilt(device: &dyn Device) -> Vec<SetRebuilt> {
    list_sets(device).unwrap().sets.iter().map(|set| rebuild(set, &Silent).unwrap()).collect()
}

fn equal(device: &dyn Device, sets: usize, what: &str) {
    let rebuilt = rebuilt(device);
    assert_eq!(rebuilt.len(), sets, "{what}");
    for set in &rebuilt {
        assert!(set.all().all(|compared| *compared == Compared::Equal), "{what}: {set:?}");
    }
}

#[test]
fn what_is_made_anew_is_what_was_written() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    equal(&DirectoryDevice::open(golden).unwrap(), 1, "golden");
    let centre = super::undo::world();
    for volume_size in [None, Some(8 << 10), Some(20 << 10)] {
        let device = MemoryDevice::new();
        let size = |number| backup::Options { volume_size, ..backup_options(number) };
        backup_with(&centre, &device, &size(1));
        equal(&device, 1, "fresh");
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE row_date = '2024-03-03'");
        incremental(&centre, &device, &size(2));
        equal(&device, 2, "incremental");
    }
    let (source, device) = (tempfile::tempdir().unwrap(), MemoryDevice::new());
    std::fs::write(source.path().join("a"), vec![7; 100_000]).unwrap();
    backup_trees(vec![tree(source.path())], &device, backup_options(1));
    equal(&device, 1, "tree");
    let (_, new) = super::salvage::salvaged(&heap(Shuffle::Joined.apply(&parts(&device))));
    equal(&new, 1, "salvaged");
}

/// A catalog that says something else under right checksums is told, with the place; so is one that is damaged, and an index.
#[test]
fn what_differs_is_told() {
    let centre = super::undo::world();
    let device = backup(&centre);
    let name = device.list().unwrap().remove(0);
    let whole = device.bytes(&name).unwrap();
    let set = only_set(&device);
    let volume = set.volume(1).unwrap();
    let end = volume.end().unwrap().clone();
    drop((volume, set));
    // A byte of the last bucket's digest, a few bytes before the index.
    for (at, what) in [(end.index_offset as usize - 70, "catalog"), (end.bytes as usize - 100, "index")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        mend(&mut bytes);
        device.insert(&name, bytes);
        let rebuilt = rebuilt(&device);
        let found = if what == "catalog" { &rebuilt[0].catalog } else { &rebuilt[0].indexes[0].1 };
        assert!(matches!(found, Compared::Differs(_) | Compared::Missing(_)), "{what}: {rebuilt:?}");
    }
    let mut bytes = whole.clone();
    bytes[end.catalog_offset as usize + 100] ^= 1;
    device.insert(&name, bytes);
    let rebuilt = rebuilt(&device);
    let Compared::Missing(why) = &rebuilt[0].catalog else { panic!("{rebuilt:?}") };
    assert!(why.contains("intervault salvage"), "{why}");
}

#[test]
fn salvage_as_a_process() {
    let case = Case::new();
    let (from, folder) = (case.device(), case.centre.folder.path().to_owned());
    let path = |name: &str| folder.join(name).display().to_string();
    let state = path("state");
    let call = |words: &[&str], status: i32| json(&[words, &["--state-dir", &state]].concat(), status);
    let volumes: Vec<_> = std::fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()).collect();
    let before: Vec<_> = volumes.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let dry = call(&["salvage", &from, "--dry-run"], 0);
    assert_eq!((&dry["nothing_lost"], &dry["sets"][0]["written"]), (&true.into(), &serde_json::Value::Null));
    let done = call(&["salvage", &from, &from, "--to", &path("new")], 0);
    assert!(done["sets"][0]["copies"].as_u64().unwrap() > 3, "the same folder twice: {done}");
    call(&["check", &path("new"), "--verify"], 0);
    for to in [from.clone(), format!("{from}/inside"), format!("{from}/../volumes/x")] {
        call(&["salvage", &from, "--to", &to], 2);
    }
    // A damaged volume under a name that says nothing, with junk before it.
    let mut bytes = before[0].clone();
    Damage::Burst { at: bytes.len() / 8, len: bytes.len() / 4, seed: 1 }.apply(&mut bytes);
    let hurt = path("found.000");
    std::fs::write(&hurt, [&[1; 99][..], &bytes].concat()).unwrap();
    let lossy = call(&["salvage", &hurt, "--to", &path("lossy")], 4);
    assert_eq!(lossy["nothing_lost"], false);
    let sections = lossy["sets"][0]["sections"].as_array().unwrap();
    assert!(sections.iter().any(|section| section["lost_rows"]["known"].as_u64() > Some(0)), "{lossy}");
    call(&["check", &path("lossy"), "--verify"], 0);
    call(&["salvage", &hurt, "--set", "ffffffff", "--dry-run"], 10);
    std::fs::write(path("nothing"), [0; 5_000]).unwrap();
    call(&["salvage", &path("nothing"), "--to", &path("none")], 10);
    call(&["salvage", &path("no such"), "--dry-run"], 10);
    let after: Vec<_> = volumes.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(before == after, "nothing is written to a source");
    let rebuilt = call(&["rebuild", &from], 0);
    assert_eq!(rebuilt["sets"][0]["catalog"]["state"], "equal");
    let lost = path("lost");
    std::fs::create_dir(&lost).unwrap();
    let name = volumes[0].file_name().unwrap();
    let mut bytes = before[0].clone();
    let half = bytes.len() / 2;
    bytes.truncate(half);
    std::fs::write(Path::new(&lost).join(name), bytes).unwrap();
    let told = json(&["rebuild", &lost, "--state-dir", &state], 4);
    assert_ne!(told["sets"][0]["catalog"]["state"], "equal");
}

/// A further copy that is damaged, an end mark that says something else, bytes behind it: all of it is told. Of a set whose end
/// was cut off nothing is said that is not so.
#[test]
fn every_copy_is_read_to_its_end() {
    let centre = super::undo::world();
    let device = backup(&centre);
    let name = device.list().unwrap().remove(0);
    let whole = device.bytes(&name).unwrap();
    let end = *places(&whole).last().unwrap();
    let differs = |what: &str, volume: usize| {
        let rebuilt = rebuilt(&device);
        let (number, _, compared) = &rebuilt[0].volumes[volume];
        assert!(*number == 1 && matches!(compared, Compared::Differs(_)), "{what}: {rebuilt:?}");
        assert_eq!(rebuilt[0].catalog, Compared::Equal, "{what}");
    };
    let mut hurt = whole.clone();
    Damage::Flip { at: places(&whole)[3].at + 90, mask: 1 }.apply(&mut hurt);
    device.insert("z-copy.ivv", hurt);
    differs("a copy", 1);
    device.remove("z-copy.ivv").unwrap();
    // The running hash stands behind the frame and two numbers.
    let mut hurt = whole.clone();
    Damage::Flip { at: end.at + 80 + 8 + 16, mask: 1 }.apply(&mut hurt);
    mend(&mut hurt);
    device.insert(&name, hurt);
    differs("an end mark", 0);
    device.insert(&name, [&whole[..], &[0x5A; 1_000]].concat());
    differs("what is behind it", 0);
    device.insert(&name, whole[..end.at].to_vec());
    let rebuilt = rebuilt(&device);
    assert_eq!((&rebuilt[0].catalog, &rebuilt[0].indexes[0].1), (&Compared::Equal, &Compared::Equal), "{rebuilt:?}");
    assert!(matches!(rebuilt[0].volumes[0].2, Compared::Missing(_)), "{rebuilt:?}");
}
