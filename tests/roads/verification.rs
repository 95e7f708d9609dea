//! Verification by depth and in parts, of media that fail, and what is remembered of it.

use super::commands::{json, run};
use super::support::{Centre, HSPLIT, backup_options, backup_with, only_set};
use intervault::backup;
use intervault::base::monitor::Silent;
use intervault::check::find;
use intervault::device::directory::DirectoryDevice;
use intervault::device::error::{DeviceError, DeviceErrorKind};
use intervault::device::joined::JoinedDevice;
use intervault::device::memory::MemoryDevice;
use intervault::device::name::{is_volume_name, partial_name};
use intervault::device::traits::{Device, VolumeSink, VolumeSource};
use intervault::error::Class;
use intervault::format::block::BlockKind;
use intervault::inspect::{ChunkLine, coverage};
use intervault::salvage::{Salvage, SalvageOptions};
use intervault::testing::damage::{mend_block, places};
use intervault::testing::fault::{FaultDevice, Op};
use intervault::testing::fixtures;
use intervault::verify::Depth;
use intervault::verify::finding::Level;
use intervault::verify::listed::member_sections;
use intervault::verify::set::{Asked, Verified, verify};
use intervault::volume::set::{SetReader, list_sets};
use std::path::{Path, PathBuf};

/// A backup over several volumes.
fn spanning() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 16127) INSERT INTO hsplit \
         SELECT '2024-02-' || printf('%02d', 1 + i / 576), i / 24 % 24 * 100 + i / 12 % 2 * 30, 30, 1, i % 12, \
         (i * 7919) % 99991, hex((i * 104729) % 65521) FROM n",
    );
    let device = MemoryDevice::new();
    let report = backup_with(&centre, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
    assert!(report.set.volumes.len() >= 3, "{} volumes", report.set.volumes.len());
    (centre, device)
}

fn proved(set: &SetReader<'_>, depth: Depth) -> Verified {
    verify(set, &Asked { depth, choice: None }, 2, &Silent)
}

fn hurt(device: &MemoryDevice, name: &str, change: impl Fn(&mut Vec<u8>)) -> MemoryDevice {
    let torn = device.copy();
    let mut bytes = torn.bytes(name).unwrap();
    change(&mut bytes);
    torn.insert(name, bytes);
    torn
}

#[test]
fn the_index_alone_reads_no_row_and_tells_what_does_not_agree() {
    let (_, memory) = spanning();
    let device = FaultDevice::new(memory.clone(), 1);
    let set = list_sets(&device).unwrap().sets.remove(0);
    let chunks: Vec<_> = set.sections().iter().flat_map(|section| &section.chunks).map(|chunk| chunk.entry).collect();
    let name = |number: u32| set.volumes()[number as usize - 1].name.clone().unwrap();
    device.clear_log();
    let sound = proved(&set, Depth::Index);
    assert_eq!(sound.findings, []);
    assert!(!sound.is_whole() && sound.bytes() > 0 && sound.bytes() < sound.exists() / 2, "{sound:?}");
    let log = device.log();
    let reads: Vec<_> = log.iter().filter(|entry| entry.op == Op::Read).collect();
    assert!(reads.len() < 30 * set.volumes().len(), "{} reads", reads.len());
    for chunk in &chunks {
        let (from, until) = (chunk.offset, chunk.offset + u64::from(chunk.bytes));
        // A label is read with a few bytes behind it.
        let into = |read: &intervault::testing::fault::LogEntry| {
            read.name == name(chunk.volume) && read.at > 0 && read.at < until && from < read.at + read.bytes
        };
        assert!(!reads.iter().copied().any(into), "{chunk:?}");
    }
    let names = memory.list().unwrap();
    let len = memory.bytes(&names[1]).unwrap().len();
    let index = |device: &MemoryDevice| proved(&only_set(device), Depth::Index);
    // A block with rows is not looked at; everything that a volume says of itself is.
    let chunk = chunks.iter().find(|chunk| name(chunk.volume) == names[1]).unwrap();
    let at = chunk.offset as usize + 200;
    assert_eq!(index(&hurt(&memory, &names[1], |bytes| bytes[at] ^= 1)).findings, []);
    for (what, place) in [("label", 100), ("index", len - 250), ("end mark", len - 100)] {
        let found = index(&hurt(&memory, &names[1], |bytes| bytes[place] ^= 1));
        assert!(found.worst() >= Some(Level::Incomplete), "{what}: {found:?}");
        assert!(found.findings.iter().any(|finding| finding.volume.as_deref() == Some(&names[1])), "{what}: {found:?}");
    }
    let cut = index(&hurt(&memory, &names[0], |bytes| bytes.truncate(bytes.len() - 64)));
    assert!(cut.worst() >= Some(Level::Incomplete));
    let gone = memory.copy();
    gone.remove(&names[1]).unwrap();
    let found = index(&gone).findings;
    assert!(found.iter().any(|finding| finding.what.starts_with("volume 2 of set ")), "{found:?}");
}

#[test]
fn every_hurt_block_is_found_by_its_bytes_alone_and_says_what_it_costs() {
    let (_, memory) = spanning();
    let set = only_set(&memory);
    for depth in [Depth::Blocks, Depth::Rows] {
        let whole = proved(&set, depth);
        assert_eq!((whole.findings.clone(), whole.is_whole(), whole.bytes()), (Vec::new(), true, whole.exists()));
        let bytes: u64 = memory.list().unwrap().iter().map(|name| memory.bytes(name).unwrap().len() as u64).sum();
        assert_eq!((whole.exists(), whole.rows > 0), (bytes, depth == Depth::Rows));
        for section in set.sections() {
            for chunk in section.chunks.iter().step_by(3) {
                let name = set.volumes()[chunk.entry.volume as usize - 1].name.clone().unwrap();
                let torn = hurt(&memory, &name, |bytes| bytes[chunk.entry.offset as usize + 150] ^= 0x20);
                let found = proved(&only_set(&torn), depth);
                let [finding] = &found.findings[..] else { panic!("{:#?}", found.findings) };
                assert_eq!((finding.level, finding.volume.as_deref()), (Level::Damage, Some(&*name)));
                assert_eq!((finding.at.block, finding.at.section), (Some(chunk.entry.block), Some(section.number)));
                let [cost] = &finding.costs[..] else { panic!("{finding:?}") };
                assert_eq!((&*cost.table, cost.rows), ("hsplit", u64::from(chunk.entry.rows)));
                let span = cost.span.unwrap();
                assert_eq!(
                    (span.start.0, span.stop.0, &cost.acds[..]),
                    (chunk.entry.first, chunk.entry.stop, &[Some(1)][..])
                );
                assert!(finding.expected.is_some() && finding.found.is_some(), "{finding:?}");
                assert!(found.is_whole(), "damaged bytes are judged too");
            }
        }
    }
}

/// A device on which a part of each volume cannot be read, and which says that volumes are longer than they are.
struct Failing {
    inner: MemoryDevice,
    bad: std::ops::Range<u64>,
    longer: u64,
}

struct FailingSource {
    inner: Box<dyn VolumeSource>,
    bad: std::ops::Range<u64>,
    longer: u64,
}

impl VolumeSource for FailingSource {
    fn len(&self) -> u64 {
        self.inner.len() + self.longer
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        if at < self.bad.end && self.bad.start < at + buffer.len() as u64 {
            let kind = DeviceErrorKind::Io(std::io::Error::from_raw_os_error(5));
            return Err(DeviceError { op: "read", place: PathBuf::from("x"), kind });
        }
        self.inner.read_at(at, buffer)
    }
}

impl Device for Failing {
    fn describe(&self) -> String {
        "a failing disk".to_owned()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let inner = self.inner.open(name)?;
        Ok(Box::new(FailingSource { inner, bad: self.bad.clone(), longer: self.longer }))
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.inner.create(name)
    }
}

#[test]
fn sectors_that_cannot_be_read_cost_what_stands_on_them_and_no_more() {
    let (_, memory) = spanning();
    let whole = proved(&only_set(&memory), Depth::Rows);
    let device = Failing { inner: memory, bad: 9_000..9_512, longer: 0 };
    let set = list_sets(&device).unwrap().sets.remove(0);
    let found = proved(&set, Depth::Rows);
    assert_eq!((found.is_whole(), found.bytes()), (true, whole.bytes()), "{found:#?}");
    assert!(!found.findings.is_empty() && found.findings.iter().all(|finding| finding.level == Level::Damage));
    let lost: u64 = found.findings.iter().flat_map(|finding| &finding.costs).map(|cost| cost.rows).sum();
    assert_eq!(found.rows + lost, whole.rows, "{found:#?}");
    assert!(lost > 0 && found.rows > 0, "{lost}");
}

#[test]
fn a_volume_that_shrank_meanwhile_is_damaged_at_its_end() {
    let (_, memory) = spanning();
    let device = Failing { inner: memory, bad: 0..0, longer: 4_096 };
    let set = list_sets(&device).unwrap().sets.remove(0);
    for depth in [Depth::Blocks, Depth::Rows] {
        let found = proved(&set, depth);
        assert!(found.worst() == Some(Level::Damage) && found.is_whole(), "{found:#?}");
    }
}

/// A folder with a set of several volumes.
fn folder() -> (Centre, String, String) {
    let (centre, memory) = spanning();
    let at = |name: &str| centre.folder.path().join(name).to_str().unwrap().to_owned();
    let (place, state) = (at("volumes"), at("state"));
    std::fs::create_dir(&place).unwrap();
    for name in memory.list().unwrap() {
        std::fs::write(PathBuf::from(&place).join(&name), memory.bytes(&name).unwrap()).unwrap();
    }
    (centre, place, state)
}

#[test]
fn a_check_remembers_what_it_proved_and_leaves_it_out() {
    let (_centre, place, state) = folder();
    let check = |more: &[&str], status| {
        let words = [&["check", &place, "--state-dir", &state][..], more].concat();
        json(&words, status)["sets"][0]["verified"].clone()
    };
    let part = |verified: &serde_json::Value, name: &str| verified["part"][name].as_u64().unwrap();
    let first = check(&["--verify", "--sample", "30%", "--seed", "3"], 0);
    let (chosen, of) = (part(&first, "blocks"), part(&first, "of"));
    assert!(chosen > 0 && chosen < of && part(&first, "read") == chosen && first["whole"] == false, "{first}");
    assert_eq!((first["part"]["seed"].clone(), first["depth"].clone()), (3.into(), "rows".into()));
    let rest = check(&["--verify", "--since-last"], 0);
    assert_eq!((part(&rest, "read"), part(&rest, "proved_before")), (of - chosen, chosen));
    let none = check(&["--verify", "--since-last=1h"], 0);
    assert_eq!((part(&none, "read"), part(&none, "proved_before")), (0, of));
    // What was read less deep says nothing of rows, and what is deeper counts for both.
    let blocks = check(&["--verify=blocks", "--since-last"], 0);
    assert_eq!(part(&blocks, "read"), 0);
    // A volume that was written again is another one.
    let name = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let copy = std::fs::read(&name).unwrap();
    std::fs::write(&name, [&copy[..], &[7; 64]].concat()).unwrap();
    let changed = check(&["--verify", "--since-last"], 4);
    assert!(
        !changed["findings"].as_array().unwrap().is_empty() && changed["blocks"].as_u64().unwrap() > 3,
        "{changed}"
    );
    std::fs::write(&name, &copy).unwrap();
    // Nothing can be remembered where the folder is a file: the check stands.
    let file = format!("{place}.file");
    std::fs::write(&file, "x").unwrap();
    let (said, warned) = run(&["check", &place, "--verify", "--sample", "50%", "--state-dir", &file], 0);
    assert!(said.contains("Asked for sample 50%, seed ") && warned.contains("cannot be remembered"), "{said}{warned}");
}

#[test]
fn a_check_that_had_the_time_says_that_it_read_all() {
    let (_centre, place, state) = folder();
    let answer = json(&["check", &place, "--state-dir", &state, "--verify", "--max-duration", "1h"], 0);
    let verified = &answer["sets"][0]["verified"];
    assert_eq!((verified["stopped"].clone(), verified["whole"].clone()), (false.into(), true.into()));
    assert_eq!(verified["bytes"], verified["exists"]);
}

#[test]
fn odd_files_beside_a_set_are_told_and_stop_nothing() {
    let (_centre, place, state) = folder();
    let at = |name: &str| PathBuf::from(&place).join(name);
    std::fs::write(at("CMS-260101-09-LSAC-00-F-01.00000000.ivv"), b"").unwrap();
    let answer = json(&["check", &place, "--state-dir", &state, "--verify"], 4);
    assert_eq!(answer["sets"][0]["verified"]["rows"], 16_128, "{answer}");
    let unreadable = answer["unreadable"].as_array().unwrap();
    assert_eq!(unreadable.len(), 1, "{answer}");
    assert!(unreadable[0]["name"].as_str().unwrap().contains("00000000"), "{answer}");
}

/// Name, bytes and times of all files in a folder.
fn files_of(folder: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_check_changes_no_byte_of_volumes_and_database() {
    let (centre, place, state) = folder();
    let name = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let url = format!("sqlite:{}", centre.path().display());
    let before = || (files_of(Path::new(&place)), files_of(centre.folder.path()));
    let look = |words: &[&str], status: i32| {
        let found = before();
        run(&[&["check", &place, "--state-dir", &state][..], words].concat(), status);
        assert!(before() == found, "{words:?} changed something");
    };
    for words in [&["--verify"][..], &["--coverage", "--exact"], &["--against", &url], &["--chunks", "--blocks"]] {
        look(words, 0);
    }
    // Nor does it mend what is wrong.
    let mut bytes = std::fs::read(&name).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&name, bytes).unwrap();
    centre.run("UPDATE hsplit SET acdcalls = -1 WHERE starttime = 900");
    look(&["--verify"], 4);
    look(&["--against", &url], 4);
}

/// As the engine leaves it where it is killed, or has it while it writes: under the name that it gives to what is not finished.
#[test]
fn a_volume_that_is_being_written_is_told_and_stops_nothing() {
    let (_centre, place, state) = folder();
    let first = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let bytes = std::fs::read(&first).unwrap();
    let name = partial_name("CMS-260101-08-LSAC-00-F-01.11111111.ivv");
    assert!(is_volume_name(&name) && name.starts_with('.'));
    std::fs::write(PathBuf::from(&place).join(&name), &bytes[..bytes.len() / 2]).unwrap();
    let words = ["check", &place, "--state-dir", &state, "--verify"];
    let answer = json(&words, 4);
    assert_eq!(answer["sets"][0]["verified"]["rows"], 16_128, "{answer}");
    let (said, warned) = run(&words, 4);
    assert!(said.contains(&name), "{said}{warned}");
    // What other programs leave under names that no volume has is passed over.
    std::fs::rename(PathBuf::from(&place).join(&name), PathBuf::from(&place).join(name.trim_start_matches('.')))
        .unwrap();
    let (said, _) = run(&words, 0);
    assert!(!said.contains("11111111"), "{said}");
}

#[test]
fn a_chain_says_which_members_are_not_here_and_what_they_had() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..15 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup_options(1));
    centre.run("UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-12'");
    let before = device.list().unwrap();
    let kind = backup::Kind::Incremental(backup::Incremental::default());
    backup_with(&centre, &device, &backup::Options { kind, ..backup_options(2) });
    let judged = |device: &MemoryDevice| {
        let sets = list_sets(device).unwrap().sets;
        intervault::verify::chain::judge_chains(&sets)
    };
    let all = judged(&device);
    assert_eq!((all.len(), all[0].members.len(), &all[0].missing[..], &all[0].lacks[..]), (1, 2, &[][..], &[][..]));
    let alone = device.copy();
    before.iter().for_each(|name| drop(alone.remove(name)));
    let [chain] = &judged(&alone)[..] else { panic!("one chain") };
    assert_eq!((&chain.missing[..], chain.findings.len()), (&[(0, 0)][..], 2));
    assert!(chain.findings.iter().all(|finding| finding.level == Level::Warning), "{chain:?}");
    assert_eq!((&chain.findings[0].costs[..], &chain.findings[1].costs), (&[][..], &chain.lacks), "{chain:?}");
    let [cost] = &chain.lacks[..] else { panic!("{chain:?}") };
    assert_eq!((&*cost.table, &cost.acds[..], cost.rows), ("hsplit", &[Some(1)][..], 4 * 4));
}

#[test]
fn what_one_copy_has_costs_nothing_and_counts_whichever_is_read_first() {
    let (_, memory) = spanning();
    let whole = proved(&only_set(&memory), Depth::Rows);
    let set = only_set(&memory);
    let name = |number: u32| set.volumes()[number as usize - 1].name.clone().unwrap();
    // A chunk late on the volume: those before it are proved by the time that it is met.
    let of = |volume: u32| {
        let chunks = set.sections()[0].chunks.iter().filter(|chunk| chunk.entry.volume == volume);
        chunks.map(|chunk| chunk.entry).collect::<Vec<_>>()
    };
    let chunks = of(2);
    let [.., before, last] = &chunks[..] else { panic!("{} chunks", chunks.len()) };
    let flipped = |offset: u64| hurt(&memory, &name(2), |bytes| bytes[offset as usize + 150] ^= 1);
    let named = |device: &MemoryDevice, place: &str| {
        let copy = MemoryDevice::named(place);
        device.list().unwrap().iter().for_each(|name| copy.insert(name, device.bytes(name).unwrap()));
        Box::new(copy) as Box<dyn Device>
    };
    let (one, other) = (flipped(last.offset), flipped(before.offset));
    for (first, second, findings) in [(&one, &memory, 1), (&memory, &one, 1), (&one, &other, 2)] {
        let joined = JoinedDevice::new(vec![named(first, "a"), named(second, "b")]);
        let set = list_sets(&joined).unwrap().sets.remove(0);
        for jobs in [1, 2, 5] {
            let found = verify(&set, &Asked { depth: Depth::Rows, choice: None }, jobs, &Silent);
            assert_eq!((found.rows, found.chunks), (whole.rows, whole.chunks), "{:#?}", found.findings);
            assert_eq!(found.findings.len(), findings, "{:#?}", found.findings);
            assert!(found.findings.iter().all(|finding| finding.costs.is_empty()), "{:#?}", found.findings);
        }
    }
}

#[test]
fn what_was_proved_before_damage_was_found_counts_no_more() {
    let (_centre, place, state) = folder();
    let check = |more: &[&str], status| {
        let words = [&["check", &place, "--state-dir", &state][..], more].concat();
        json(&words, status)["sets"][0]["verified"].clone()
    };
    let left_out = |verified: &serde_json::Value| verified["part"]["proved_before"].as_u64().unwrap();
    let errors = || json(&["status", "--state-dir", &state], 0)["errors"].as_array().unwrap().len();
    assert_eq!(check(&["--verify"], 0)["whole"], true);
    assert!(left_out(&check(&["--verify", "--since-last"], 0)) > 0);
    let mut names: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let name = names.swap_remove(1);
    let sound = std::fs::read(&name).unwrap();
    let mut bad = sound.clone();
    bad[9_000] ^= 1;
    // In the file itself, as a medium does it: nothing that the file system says of it tells.
    let device = DirectoryDevice::open(&place).unwrap();
    let stamp = || device.stamp(name.file_name().unwrap().to_str().unwrap()).unwrap();
    let before = stamp();
    std::fs::write(&name, &bad).unwrap();
    for entry in std::fs::read_dir(PathBuf::from(&state).join("proofs")).unwrap().map(|entry| entry.unwrap().path()) {
        let lines = std::fs::read_to_string(&entry).unwrap();
        assert!(lines.contains(&before), "{lines}");
        std::fs::write(&entry, lines.replace(&before, &stamp())).unwrap();
    }
    assert_eq!(check(&["--verify", "--since-last"], 0)["part"]["read"], 0, "it is not read");
    check(&["--verify"], 4);
    for _ in 0..2 {
        let again = check(&["--verify", "--since-last"], 4);
        assert!(left_out(&again) > 0, "what is on other volumes is still proved");
    }
    check(&["--verify", "--max-duration", "1h", "--since-last=4w"], 4);
    // A check that does not read what is damaged takes nothing back.
    check(&["--verify=index"], 0);
    assert_eq!(errors(), 4);
    std::fs::write(&name, &sound).unwrap();
    check(&["--verify=blocks"], 0);
    check(&["--verify", "--since-last"], 0);
    assert_eq!(errors(), 4);
    check(&["--verify"], 0);
    assert_eq!(errors(), 0);
}

#[test]
fn a_file_that_was_changed_is_not_proved_whatever_its_times_say() {
    let (_centre, place, state) = folder();
    let words = ["check", &place, "--state-dir", &state, "--verify"];
    json(&words, 0);
    let name = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let times = std::fs::metadata(&name).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&name).unwrap();
    bytes[9_000] ^= 1;
    std::fs::write(&name, &bytes).unwrap();
    std::fs::File::options().write(true).open(&name).unwrap().set_modified(times).unwrap();
    let answer = json(&[&words[..], &["--since-last"]].concat(), 4);
    assert!(
        answer["sets"][0]["verified"]["part"]["proved_before"].as_u64() > Some(0),
        "other volumes are as they were"
    );
}

/// A place has many names: what was proved counts under each.
#[test]
fn what_was_proved_counts_by_whatever_name_the_place_goes() {
    let (_centre, place, state) = folder();
    json(&["check", &place, "--state-dir", &state, "--verify"], 0);
    for place in [format!("{place}/../volumes/."), format!("{place}//")] {
        let answer = json(&["check", &place, "--state-dir", &state, "--verify", "--since-last"], 0);
        assert_eq!(answer["sets"][0]["verified"]["part"]["read"], 0, "{place}");
    }
}

#[test]
fn one_file_under_two_names_is_no_copy() {
    let (_centre, place, state) = folder();
    let name = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    std::fs::hard_link(&name, PathBuf::from(&place).join("linked.ivv")).unwrap();
    let other = format!("{place}/../volumes");
    let copies =
        |words: &[&str]| json(&[&["check", "--state-dir", &state], words].concat(), 0)["sets"][0]["copies"].clone();
    assert_eq!(copies(&[&place, &other]).as_array().unwrap().len(), 0);
    std::fs::remove_file(PathBuf::from(&place).join("linked.ivv")).unwrap();
    std::fs::copy(&name, PathBuf::from(&place).join("copied.ivv")).unwrap();
    assert_eq!(copies(&[&place]).as_array().unwrap().len(), 1);
}

/// The last volume of a folder, not whole yet, and the lock of whoever is writing it.
fn begin_again(place: &str) -> (DirectoryDevice, PathBuf) {
    let last = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let partial = last.with_file_name(partial_name(last.file_name().unwrap().to_str().unwrap()));
    let bytes = std::fs::read(&last).unwrap();
    std::fs::remove_file(&last).unwrap();
    std::fs::write(&partial, &bytes[..bytes.len() / 2]).unwrap();
    (DirectoryDevice::open(place).unwrap(), last)
}

/// With all checksums right: an end mark that does not name the volume on which the catalog begins is found, whichever it names.
#[test]
fn an_end_mark_that_names_another_beginning_of_the_catalog_is_found() {
    let fixture = fixtures::small(Some(8 << 10));
    let (name, bytes) = fixture.volumes.last().unwrap();
    let end = places(bytes).into_iter().rfind(|place| place.header.kind == BlockKind::VolumeEnd).unwrap();
    let field = end.at + 80 + 80;
    let begins = u32::from_le_bytes(bytes[field..field + 4].try_into().unwrap());
    let last = fixture.volumes.len() as u32;
    assert!(begins > 1 && begins <= last, "{begins} of {last}");
    for named in 1..=last {
        let mut forged = bytes.clone();
        forged[field..field + 4].copy_from_slice(&named.to_le_bytes());
        mend_block(&mut forged[end.at..]);
        let device = fixture.device();
        device.remove(name).unwrap();
        device.insert(name, forged);
        let findings = verify(&only_set(&device), &Asked::default(), 1, &Silent).findings;
        let told = findings.iter().any(|finding| finding.what.contains("does not name the volume"));
        assert_eq!(told, named != begins, "{named}, not {begins}: {findings:?}");
    }
}

/// A restore, an export and a salvage say that somebody is at the set, and not that it was given up.
#[test]
fn whoever_reads_a_set_that_is_being_written_is_told() {
    let (centre, place, state) = folder();
    let (device, last) = begin_again(&place);
    let (url, to) = (format!("sqlite:{}", centre.path().display()), centre.folder.path().join("rows"));
    let said = |words: &[&str], more: &[&str], status| {
        let (out, err) = run(&[words, more].concat(), status);
        out + &err
    };
    let words = ["restore", "--database", &url, "--from", &place, "--data", "historical", "--state-dir", &state];
    let restore = |more: &[&str], status| said(&words, more, status);
    let words = ["export", &place, "--to", to.to_str().unwrap(), "--overwrite"];
    let export = |more: &[&str], status| said(&words, more, status);
    let salvage = || said(&["salvage", &place, "--dry-run", "--state-dir", &state], &[], 4);
    let told = |said: &str| said.contains("being written now (process ");
    assert!(!told(&restore(&["--yes"], 4)) && !told(&export(&[], 4)) && !told(&salvage()), "nobody is at it");
    let lock = device.lock().unwrap();
    let name = last.file_name().unwrap().to_str().unwrap();
    let partial = last.with_file_name(partial_name(name));
    let left = std::fs::read(&partial).unwrap();
    std::fs::remove_file(&partial).unwrap();
    drop(device.create(name).unwrap());
    std::fs::write(&partial, left).unwrap();
    for said in [restore(&["--yes"], 6), restore(&["--dry-run"], 6), export(&[], 6)] {
        assert!(told(&said) && said.contains("wait until that is done") && !said.contains("interrupted"), "{said}");
    }
    for said in [restore(&["--dry-run", "--partial"], 3), export(&["--partial"], 6), salvage()] {
        assert!(told(&said), "{said}");
    }
    let said = export(&["--tables", "hsplit"], 6);
    assert!(told(&said), "{said}");
    drop(lock);
    assert!(!told(&salvage()) && !told(&restore(&["--yes"], 4)));
}

#[test]
fn a_set_that_is_being_written_is_not_called_dead() {
    let (_centre, place, state) = folder();
    let last = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let partial = last.with_file_name(format!(".{}.partial", last.file_name().unwrap().to_str().unwrap()));
    let bytes = std::fs::read(&last).unwrap();
    std::fs::remove_file(&last).unwrap();
    let left = &bytes[..bytes.len() / 2];
    std::fs::write(&partial, left).unwrap();
    let check = |more: &[&str], status| {
        json(&[&["check", &place, "--state-dir", &state], more].concat(), status)["sets"][0].clone()
    };
    assert_eq!(
        (check(&[], 4)["writer"].clone(), check(&["--verify"], 4)["interrupted"].clone()),
        (serde_json::Value::Null, true.into())
    );
    let device = DirectoryDevice::open(&place).unwrap();
    let lock = device.lock().unwrap();
    assert!(check(&["--verify"], 4)["writer"].is_null(), "whoever writes there has not begun it");
    std::fs::remove_file(&partial).unwrap();
    drop(device.create(last.file_name().unwrap().to_str().unwrap()).unwrap());
    std::fs::write(&partial, left).unwrap();
    for more in [&[][..], &["--verify"], &["--verify=index"], &["--labels"]] {
        let set = check(more, 6);
        assert!(set["writer"].as_str().unwrap().starts_with("process ") && set["verified"].is_null(), "{set}");
    }
    let (said, _) = run(&["check", &place, "--state-dir", &state], 6);
    assert!(said.contains("being written now (process "), "{said}");
    // What is finished is as it will be.
    let first = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
    let first = first.filter(|path| path.extension().is_some_and(|end| end == "ivv")).min().unwrap();
    let whole = std::fs::read(&first).unwrap();
    let mut bytes = whole.clone();
    bytes[9_000] ^= 1;
    std::fs::write(&first, &bytes).unwrap();
    let set = check(&[], 4);
    assert!(set["writer"].is_string() && set["damage"].as_array().is_some_and(|damage| damage.len() == 1), "{set}");
    std::fs::write(&first, &whole).unwrap();
    check(&[], 6);
    drop(lock);
    check(&[], 4);
}

/// A device on which one volume may not be opened.
struct Closed {
    inner: MemoryDevice,
    name: String,
}

impl Device for Closed {
    fn describe(&self) -> String {
        "somebody else's".to_owned()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let refused = DeviceError { op: "open", place: name.into(), kind: DeviceErrorKind::NotPermitted };
        if name == self.name { Err(refused) } else { self.inner.open(name) }
    }

    fn may_open(&self, name: &str) -> bool {
        name != self.name
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        self.inner.create(name)
    }
}

#[test]
fn a_volume_that_may_not_be_read_is_not_said_to_be_damaged() {
    let (_, memory) = spanning();
    let name = memory.list().unwrap()[1].clone();
    let device = Closed { inner: memory, name };
    let set = list_sets(&device).unwrap().sets.remove(0);
    let lines = set.sections().iter().flat_map(|section| &section.chunks).map(|chunk| ChunkLine::read(&set, chunk));
    let unread: Vec<_> =
        lines.filter_map(|line| Some((line.chunk.entry.volume, line.directory.err()?.class))).collect();
    assert!(!unread.is_empty() && unread.iter().all(|told| *told == (2, Class::NotPermitted)), "{unread:?}");
    let sections = member_sections(&[&set]);
    let covered = coverage(&sections[0], None, Some(&jiff::tz::TimeZone::UTC)).unwrap();
    let classes: Vec<_> = covered.unread.iter().map(|unread| unread.class).collect();
    assert!(!classes.is_empty() && classes.iter().all(|class| *class == Class::NotPermitted), "{classes:?}");
    let account = Salvage::new(&[&device], SalvageOptions::default()).account().unwrap();
    assert!(account.has_losses() && account.lost_by_refusal(), "{account:?}");
    // Nor where a volume is missing too, and the set is looked through.
    let closed = device.name.clone();
    let first = device.inner.list().unwrap().remove(0);
    drop(device.inner.remove(&first));
    let found = find(&device, None).unwrap();
    let outline = found.outline(&found.sets[0]);
    assert_eq!((outline.closed, outline.damage, outline.complete), (vec![closed], vec![], false));
}

/// What a check has found stands in the status, until one finds that it is mended: in the volumes that are there by then.
#[test]
fn damage_that_a_check_found_is_told_by_the_status_until_it_is_mended() {
    let (_centre, place, state) = folder();
    let check = |status| drop(run(&["check", &place, "--state-dir", &state, "--verify"], status));
    let told = |status| {
        let answer = json(&["status", "--chain", &place, "--state-dir", &state, "--max-age", "1000000h"], status);
        let member = &answer["chains"][0]["members"][0];
        assert_eq!(member["complete"], true, "{member}");
        member["faulty"].as_bool().unwrap()
    };
    check(0);
    // Its clock is ahead of this one.
    assert!(!told(3));
    let volume = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let whole = std::fs::read(&volume).unwrap();
    let mut hurt = whole.clone();
    hurt[9_000] ^= 1;
    std::fs::write(&volume, &hurt).unwrap();
    check(4);
    assert!(told(10), "no set that is whole is of any age");
    let (said, _) = run(&["status", "--chain", &place, "--state-dir", &state], 0);
    assert!(said.contains("damaged, as a check has found"), "{said}");
    std::fs::write(&volume, &whole).unwrap();
    check(0);
    assert!(!told(3));
    // A copy beside it, which is taken away again: as many volumes as before, and fewer files.
    let copy = volume.with_file_name("copy.ivv");
    std::fs::write(&copy, &hurt).unwrap();
    check(4);
    assert!(told(10));
    std::fs::remove_file(&copy).unwrap();
    check(0);
    assert!(!told(3));
}

#[test]
fn another_medium_in_the_same_place_is_not_proved() {
    let (_centre, place, state) = folder();
    let words = ["check", &place, "--state-dir", &state, "--verify"];
    json(&words, 0);
    let copy = format!("{place}.other");
    std::fs::rename(&place, &copy).unwrap();
    std::fs::create_dir(&place).unwrap();
    for entry in std::fs::read_dir(&copy).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), PathBuf::from(&place).join(entry.file_name())).unwrap();
    }
    let answer = json(&[&words[..], &["--since-last"]].concat(), 0);
    let part = &answer["sets"][0]["verified"]["part"];
    assert_eq!((part["proved_before"].as_u64(), part["read"].clone()), (Some(0), part["of"].clone()));
}
