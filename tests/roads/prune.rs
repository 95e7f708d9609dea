//! `prune`: sets of real chains in folders go by rules and never tear a chain; a removal that ends at any step leaves nothing
//! that looks complete, and is finished by the next one.

use super::commands::{json, run};
use super::support::*;
use intervault::backup::{self, Select};
use intervault::base::time::Instant;
use intervault::device::directory::DirectoryDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::format::block::SetId;
use intervault::prune::{Condition, Known, Rules, facts, plan, remove};
use intervault::schema::grain::DataType;
use intervault::testing::fault::{Fault, FaultDevice, Op};
use intervault::testing::sets::{Sample, write_sample};
use intervault::volume::set::list_sets;
use serde_json::Value;
use std::path::PathBuf;

/// A centre with a folder of sets: two chains of a full set and two incremental ones, a day apart.
struct Nights {
    centre: Centre,
    number: u8,
}

impl Nights {
    fn new() -> Nights {
        let centre = Centre::new(&[HSPLIT]);
        centre.intervals("2024-03-01", 800, 1200, 30, 1);
        std::fs::create_dir(centre.folder.path().join("volumes")).unwrap();
        let mut nights = Nights { centre, number: 0 };
        for _ in 0..2 {
            nights.full();
            nights.incremental();
            nights.incremental();
        }
        nights
    }

    fn folder(&self) -> PathBuf {
        self.centre.folder.path().join("volumes")
    }

    fn path(&self) -> String {
        self.folder().display().to_string()
    }

    fn state(&self) -> String {
        self.centre.folder.path().join("state").display().to_string()
    }

    fn device(&self) -> DirectoryDevice {
        DirectoryDevice::open(self.folder()).unwrap()
    }

    /// The options of the next night, with rows that it finds.
    fn next(&mut self) -> backup::Options {
        self.number += 1;
        self.centre.interval(&format!("2024-03-{:02}", self.number + 1), 900, 30, 1, i64::from(self.number));
        let now = Instant(at("2024-04-01 23:00").0 + i64::from(self.number) * 86_400);
        let select = Select::Data(vec![DataType::Historical]);
        backup::Options { select, now, now_unix: now.0, ..backup_options(self.number) }
    }

    fn full(&mut self) {
        let options = self.next();
        backup_onto(&self.centre, &self.device(), &options).unwrap();
    }

    /// An incremental set on the last one.
    fn incremental(&mut self) {
        let kind = backup::Kind::Incremental(backup::Incremental::default());
        let options = backup::Options { kind, ..self.next() };
        backup_onto(&self.centre, &self.device(), &options).unwrap();
    }

    fn prune(&self, more: &[&str], status: i32) -> Value {
        json(&[&["prune", &self.path(), "--state-dir", &self.state()], more].concat(), status)
    }

    /// Numbers of the sets that are there, in the order in which they were written.
    fn there(&self) -> Vec<u8> {
        let mut numbers: Vec<u8> =
            list_sets(&self.device()).unwrap().sets.iter().map(|set| set.set_id().0[0]).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Numbers of the sets of a plan that go.
fn going(plan: &Value) -> Vec<u64> {
    let sets = plan["sets"].as_array().unwrap().iter().filter(|set| set["goes"] == true);
    sets.map(|set| u64::from_str_radix(&set["set"].as_str().unwrap()[..2], 16).unwrap()).collect()
}

#[test]
fn a_chain_goes_as_a_whole_or_stays_as_far_as_it_is_needed() {
    let nights = Nights::new();
    assert_eq!(nights.there(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(going(&nights.prune(&["--keep-last", "1", "--dry-run"], 0)), [1, 2, 3]);
    assert_eq!(going(&nights.prune(&["--keep-last", "4", "--dry-run"], 0)), [0; 0], "the fourth needs all before it");
    assert_eq!(nights.there().len(), 6, "nothing was removed");
    let (out, _) = run(&["prune", &nights.path(), "--keep-days", "1", "--dry-run", "--state-dir", &nights.state()], 0);
    assert!(
        out.contains("3 sets go, ") && out.contains("no rule keeps it") && out.contains("06060606 builds on it"),
        "{out}"
    );
    let done = nights.prune(&["--keep-last", "2", "--yes"], 0);
    assert_eq!((&done["removed"]["volumes"], nights.there()), (&3.into(), vec![4, 5, 6]));
    let left = json(&["check", &nights.path(), "--verify"], 0);
    assert_eq!(left["sets"].as_array().unwrap().len(), 3);
    let log = json(&["log", "--state-dir", &nights.state()], 0)["runs"][0].clone();
    assert_eq!((&log["kind"], log["removed"].as_array().unwrap().len()), (&"prune".into(), 3));
    assert_eq!((&log["volumes"], &log["bytes"]), (&3.into(), &done["removed"]["bytes"]));
    let again = nights.prune(&["--keep-last", "2", "--yes"], 0);
    assert_eq!((going(&again), &again["removed"]), (vec![], &Value::Null));
}

#[test]
fn nobody_is_there_to_say_yes_and_others_may_be_writing() {
    let nights = Nights::new();
    let words = ["prune", &nights.path(), "--keep-last", "1", "--state-dir", &nights.state()];
    let (out, err) = run(&words, 2);
    assert!(out.contains("3 sets go") && err.contains("--yes"), "{out}{err}");
    let lock = nights.device().lock().unwrap();
    let (_, err) = run(&[&words[..], &["--yes"]].concat(), 6);
    assert!(err.contains("another process is writing there"), "{err}");
    assert_eq!(nights.there().len(), 6);
    drop(lock);
    run(&["prune", "/no/such", "--keep-last", "1", "--yes"], 10);
    let (_, err) = run(&["prune", "tape:/dev/nst0", "--keep-last", "1", "--yes"], 2);
    assert!(err.contains("from folders only"), "{err}");
    run(&["prune", &nights.centre.folder.path().display().to_string(), "--keep-last", "1", "--yes"], 10);
}

#[test]
fn what_is_no_good_pushes_nothing_out() {
    let mut nights = Nights::new();
    nights.full();
    // The newest full set is cut short, so that it has damage, and the one before it must stay.
    let name = nights.device().list().unwrap().into_iter().find(|name| name.contains(".07070707.")).unwrap();
    let file = nights.folder().join(&name);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    nights.prune(&["--keep-last", "1", "--yes"], 0);
    assert_eq!(nights.there(), [4, 5, 6, 7]);
    // A check that finds damage is heeded too: here in a set that can be listed whole.
    let mut nights = Nights::new();
    nights.full();
    let name = nights.device().list().unwrap().into_iter().find(|name| name.contains(".07070707.")).unwrap();
    let file = nights.folder().join(&name);
    let whole = std::fs::read(&file).unwrap();
    let hidden = (0..whole.len()).rev().step_by(64).any(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&file, &bytes).unwrap();
        let device = nights.device();
        let sets = list_sets(&device).unwrap().sets;
        let set = sets.iter().find(|set| set.set_id() == set_id(7));
        set.is_some_and(|set| set.is_complete() && set.catalog().is_some() && set.damage().is_empty())
    });
    assert!(hidden, "no damage but in what is read to list a set");
    assert_eq!(
        going(&nights.prune(&["--keep-last", "1", "--dry-run"], 0)),
        [1, 2, 3, 4, 5, 6],
        "nobody knows of it yet"
    );
    json(&["check", &nights.path(), "--verify", "--state-dir", &nights.state()], 4);
    let plan = nights.prune(&["--keep-last", "1", "--dry-run"], 0);
    assert_eq!(going(&plan), [1, 2, 3]);
    assert_eq!(plan["sets"][6]["condition"], "damaged");
    assert_eq!(plan["sets"][6]["reasons"][0], "nothing-better");
    assert!(plan["sets"][3]["reasons"].as_array().unwrap().contains(&"last-verified-full".into()), "{plan}");
}

#[test]
fn a_sound_copy_elsewhere_lets_no_good_set_go() {
    let mut nights = Nights::new();
    nights.full();
    let (folder, copy) = (nights.folder(), nights.centre.folder.path().join("copy"));
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let name = nights.device().list().unwrap().into_iter().find(|name| name.contains(".07070707.")).unwrap();
    // A row of the newest full set: what is read to list it is whole.
    let mut bytes = std::fs::read(folder.join(&name)).unwrap();
    let device = nights.device();
    let sets = list_sets(&device).unwrap().sets;
    let chunk = sets.iter().find(|set| set.set_id() == set_id(7)).unwrap().sections()[0].chunks[0].entry;
    bytes[usize::try_from(chunk.offset).unwrap() + chunk.bytes as usize - 64] ^= 1;
    std::fs::write(folder.join(&name), bytes).unwrap();
    let (path, there) = (nights.path(), copy.display().to_string());
    let check = |devices: &[&str], status| {
        json(&[&["check", "--verify", "--state-dir", &nights.state()], devices].concat(), status)
    };
    let kept = |nights: &Nights| going(&nights.prune(&["--keep-last", "1", "--dry-run"], 0));
    check(&[&path], 4);
    assert_eq!(kept(&nights), [1, 2, 3]);
    // As where a file system is not mounted for a while.
    let away = nights.centre.folder.path().join("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::create_dir(&folder).unwrap();
    check(&[&path, &there], 0);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(kept(&nights), [1, 2, 3], "nobody has read the damaged copy again");
    std::fs::copy(copy.join(&name), folder.join(&name)).unwrap();
    check(&[&path, &there], 0);
    assert_eq!(
        kept(&nights),
        [1, 2, 3, 5, 6],
        "it counts as good again, and the last that was proved there stays beside it"
    );
    check(&[&path], 0);
    assert_eq!(kept(&nights), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_volume_that_is_not_what_its_name_says_is_left() {
    let nights = Nights::new();
    let names = nights.device().list().unwrap();
    let of = |id: &str| nights.folder().join(names.iter().find(|name| name.contains(id)).unwrap());
    // Under the name of a volume of set 2 lies one of set 5.
    std::fs::copy(of(".05050505."), of(".02020202.")).unwrap();
    let before = std::fs::read(of(".05050505.")).unwrap();
    nights.prune(&["--keep-last", "1", "--yes"], 0);
    assert_eq!(std::fs::read(of(".05050505.")).unwrap(), before);
    assert!(of(".02020202.").exists(), "it is a copy of set 5, which stays");
    assert_eq!(nights.there(), [4, 5, 6]);
}

/// A set of several volumes and a newer one, of the same source.
fn two_sets() -> (MemoryDevice, SetId) {
    let device = MemoryDevice::new();
    let old = write_sample(&device, &Sample { seed: 1, ..Sample::default() }, Some(4_000)).unwrap();
    assert!(old.volumes.len() > 2, "{}", old.volumes.len());
    write_sample(&device, &Sample { seed: 2, ..Sample::default() }, None).unwrap();
    (device, old.set)
}

#[test]
fn a_removal_that_ends_at_any_step_leaves_nothing_that_looks_complete() {
    let (whole, old) = two_sets();
    let volumes = list_sets(&whole).unwrap().sets.iter().find(|set| set.set_id() == old).unwrap().volumes().len();
    let rules = Rules { last: 1, ..Rules::default() };
    for step in 0..volumes {
        let device = FaultDevice::new(whole.copy(), 1);
        device.fail_nth(Op::Remove, step, Fault::Io);
        // The order of these two is not on the volumes: both were begun in one second.
        let order =
            list_sets(&device).unwrap().sets.iter().map(|set| (set.set_id(), u64::from(set.set_id() != old))).collect();
        let mut known = Known { order, ..Known::default() };
        let sets = list_sets(&device).unwrap().sets;
        let judged = plan(facts(&sets, &known, |_| 1), &rules, i64::MAX, 0);
        let set = sets.iter().find(|set| set.set_id() == old).unwrap();
        assert_eq!(judged.ids().into_iter().collect::<Vec<_>>(), [old]);
        assert!(remove(&device, set, judged.going()[0]).is_err(), "step {step}");
        let sets = list_sets(&device).unwrap().sets;
        let set = sets.iter().find(|set| set.set_id() == old).unwrap();
        assert_eq!(set.is_complete(), step == 0, "step {step}");
        assert_eq!(set.volumes().iter().filter(|volume| volume.name.is_some()).count(), volumes - step);
        // Whoever does not know that it was going leaves it; the history knows.
        let condition =
            |known: &Known| facts(&sets, known, |_| 1).iter().find(|facts| facts.set == old).unwrap().condition;
        if step > 0 {
            assert_eq!(condition(&known), Condition::Partly, "step {step}");
            assert!(plan(facts(&sets, &known, |_| 1), &rules, i64::MAX, 0).ids().is_empty(), "step {step}");
        }
        known.going.insert(old);
        let judged = plan(facts(&sets, &known, |_| 1), &rules, i64::MAX, 0);
        let removed = remove(&device, set, judged.going()[0]).unwrap();
        assert_eq!((removed.volumes as usize, removed.left.len()), (volumes - step, 0), "step {step}");
        let sets = list_sets(&device).unwrap().sets;
        assert!(sets.len() == 1 && sets[0].is_complete() && sets[0].set_id() != old, "step {step}");
    }
}
