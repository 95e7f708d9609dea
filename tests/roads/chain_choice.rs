//! Which chain a plain restore takes where several sets are there, and what it says of those that it passes over.

use super::chains::{all, incremental};
use super::support::*;
use intervault::backup::{self, Select};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Class;
use intervault::restore::{Restore, RestorePlan};
use intervault::schema::grain::DataType;
use intervault::volume::chain::{Chain, ChainError, Wanted};
use intervault::volume::set::list_sets;

/// A centre of many rows.
fn large() -> Centre {
    let centre = Centre::new(&[HSPLIT]);
    for day in 1..29 {
        centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    centre
}

/// Takes a full backup of several volumes, so many seconds after the others, and takes its last volume off the device.
fn without_its_end(centre: &Centre, device: &MemoryDevice, set: u8, seconds: i64, more: backup::Options) {
    let before = device.list().unwrap();
    let now_unix = more.now_unix + seconds;
    backup_with(centre, device, &backup::Options { volume_size: Some(16 << 10), now_unix, set: set_id(set), ..more });
    let own: Vec<String> = device.list().unwrap().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(own.len() > 2, "{own:?}");
    drop(device.remove(own.last().unwrap()).unwrap());
}

/// The newest set that a plain restore takes, and what the plan says; or the error.
fn taken(device: &MemoryDevice, target: &Centre) -> Result<(u8, Vec<String>), ChainError> {
    let sets = list_sets(device).unwrap().sets;
    let chain = Chain::choose(&sets, Wanted::default())?;
    let store = target.store();
    let plan: RestorePlan = Restore::new(chain, &store, all()).plan().unwrap();
    assert_eq!(plan.refusals, []);
    Ok((plan.set.0[0], plan.notices))
}

/// A full set of which the end is not here failed, or has more volumes elsewhere: the whole one is restored, with a word if
/// that is older. The other one comes when it is asked for.
#[test]
fn a_full_without_its_end_is_passed_over_for_a_whole_one() {
    for (seconds, told) in [(3_600, 1), (-3_600, 0)] {
        let centre = large();
        let device = backup(&centre);
        without_its_end(&centre, &device, 2, seconds, backup_options(2));
        let (set, notices) = taken(&device, &centre).unwrap();
        assert_eq!((set, notices.len()), (1, told), "{notices:?}");
        assert!(notices.iter().all(|notice| notice.contains("passed over") && notice.contains(&set_id(2).to_string())));
        let sets = list_sets(&device).unwrap().sets;
        let id = set_id(2).to_string();
        let chain = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
        assert!(chain.passed_over().is_empty());
        let store = centre.store();
        let refusals = Restore::new(chain, &store, all()).plan().unwrap().refusals;
        assert!(refusals.iter().any(|refusal| refusal.class == Class::Volume), "{refusals:?}");
        // A chain that goes on from the whole one is taken as it would be.
        incremental(&centre, &device, &backup::Options { now_unix: later().0 + 60, ..backup_options(3) });
        assert_eq!(taken(&device, &centre).unwrap().0, 3);
    }
}

/// Of another database, or of more kinds of data, the whole set is no better: it is asked for.
#[test]
fn what_no_whole_set_stands_for_is_asked_for() {
    let (centre, other) = (large(), large());
    let device = backup(&centre);
    without_its_end(&other, &device, 2, 60, backup_options(2));
    assert!(matches!(taken(&device, &centre), Err(ChainError::Several(names)) if names.len() == 2));
    let device = MemoryDevice::new();
    let select = Select::Data(vec![DataType::Historical]);
    backup_with(&centre, &device, &backup::Options { select, ..backup_options(1) });
    without_its_end(&centre, &device, 2, 60, backup_options(2));
    assert!(matches!(taken(&device, &centre), Err(ChainError::Several(names)) if names.len() == 2));
    // Two whole ones too, and two that are not.
    let device = backup(&centre);
    backup_with(&centre, &device, &backup_options(2));
    assert!(taken(&device, &centre).is_err());
    let device = MemoryDevice::new();
    without_its_end(&centre, &device, 1, 0, backup_options(1));
    without_its_end(&centre, &device, 2, 60, backup_options(2));
    assert!(taken(&device, &centre).is_err());
}

/// The catalog of the newest set is damaged, so that nothing can be built on it: the next incremental is written in its place,
/// and is what a plain restore takes. Of the damage a word is said.
#[test]
fn a_set_with_a_damaged_catalog_is_passed_over_for_the_one_in_its_place() {
    let centre = large();
    let device = backup(&centre);
    centre.interval("2024-02-20", 2300, 15, 1, 7);
    let before = device.list().unwrap();
    incremental(&centre, &device, &backup_options(2));
    let name = device.list().unwrap().into_iter().find(|name| !before.contains(name)).unwrap();
    let mut bytes = device.bytes(&name).unwrap();
    let starts = |at: &usize| bytes[*at..].starts_with(&[0x8B, b'I', b'V', b'B']) && bytes[at + 12] == 6;
    let catalog = (0..bytes.len()).step_by(64).rfind(starts).unwrap();
    bytes[catalog + 100] ^= 4;
    device.insert(&name, bytes);
    // While nothing is in its place it is the newest, and refused for what it is.
    {
        let (sets, store) = (list_sets(&device).unwrap().sets, centre.store());
        let chain = Chain::choose(&sets, Wanted::default()).unwrap();
        assert!(chain.passed_over().is_empty());
        let plan = Restore::new(chain, &store, all()).plan().unwrap();
        assert_eq!((plan.set, plan.refusals[0].class), (set_id(2), Class::Damage));
    }
    centre.interval("2024-02-21", 2300, 15, 1, 8);
    let report = incremental(&centre, &device, &backup_options(3));
    assert_eq!(report.parent.unwrap().set, set_id(1));
    let target = Centre::new(&[HSPLIT]);
    let (set, notices) = taken(&device, &target).unwrap();
    assert_eq!((set, notices.len()), (3, 1), "{notices:?}");
    assert!(notices[0].contains("catalog") && notices[0].contains(&set_id(2).to_string()), "{notices:?}");
    super::chains::restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}
