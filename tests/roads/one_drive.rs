//! A set on several tapes, and one drive: what is asked for, how often, and what a person may answer.

use super::commands::json;
use super::devices::large;
use super::dialogue::Terminal;
use super::support::Centre;
use std::fs;
use std::path::PathBuf;

/// A backup asks so for its next tape.
const NEXT: &str = "or q to end here:";

/// A drive, which is where one tape image is at a time, and the tapes beside it.
pub struct Drive {
    pub centre: Centre,
    within: Option<usize>,
}

impl Drive {
    pub fn new() -> Drive {
        Drive { centre: large(), within: None }
    }

    pub fn place(&self, name: &str) -> PathBuf {
        self.centre.folder.path().join(name)
    }

    pub fn tape(&self, number: usize) -> PathBuf {
        self.place(&format!("{number}.tap"))
    }

    /// The drive, as it is named on the command line.
    pub fn name(&self) -> String {
        format!("tape:{}", self.place("drive.tap").display())
    }

    pub fn url(&self) -> String {
        format!("sqlite:{}", self.centre.path().display())
    }

    /// Takes out the tape that is in the drive, and puts in another one, blank if there is none of this number.
    pub fn put(&mut self, number: usize) {
        self.take_out();
        if self.tape(number).exists() {
            fs::rename(self.tape(number), self.place("drive.tap")).unwrap();
        } else {
            fs::write(self.place("drive.tap"), "").unwrap();
        }
        self.within = Some(number);
    }

    pub fn take_out(&mut self) {
        if let Some(before) = self.within.take() {
            fs::rename(self.place("drive.tap"), self.tape(before)).unwrap();
        }
    }

    /// Starts the program on a terminal.
    pub fn start(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(env!("CARGO_BIN_EXE_intervault"), arguments)
    }

    /// Backs up onto tapes from a number on, each put in as it is asked for; how many were used, and what was said.
    pub fn backup(&mut self, first: usize, source: &[&str], status: i32) -> (usize, String) {
        self.put(first);
        let name = self.name();
        let arguments = ["backup", "--to", &name, "--device-capacity", "600KiB", "--volume-size", "64KiB"];
        let mut terminal = self.start(&[&arguments[..], source].concat());
        let (mut all, mut number) = (String::new(), first);
        loop {
            let (said, ended) = terminal.shows_or_ends(NEXT);
            all.push_str(&said);
            if let Some(ended) = ended {
                assert_eq!(ended.code(), Some(status), "{all}");
                return (number + 1 - first, all);
            }
            number += 1;
            self.put(number);
            terminal.types("\n");
        }
    }
}

#[test]
fn a_backup_reads_each_tape_back_before_it_is_changed() {
    let mut drive = Drive::new();
    let url = drive.url();
    let (tapes, said) = drive.backup(1, &["--database", &url], 0);
    assert!(tapes > 2, "{tapes} tapes: {said}");
    assert_eq!(said.matches("read back before it is changed").count(), tapes - 1, "{said}");
    assert!(said.contains("read back and proved"), "{said}");
    drive.take_out();
    let names: Vec<String> = (1..=tapes).map(|number| format!("tape:{}", drive.tape(number).display())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let verified = json(&[&["check"], &names[..], &["--verify"]].concat(), 0);
    assert_eq!(verified["sets"][0]["complete"], true);
}

/// What is asked for when a tape is to be read, and when nothing can be done without it.
const WANTED: &str = "or q to go on without it:";
const NEEDED: &str = "or q to end here:";

/// Six volumes on three tapes, taken out.
pub fn three_tapes() -> Drive {
    let mut drive = Drive::new();
    let url = drive.url();
    let (tapes, said) = drive.backup(1, &["--database", &url], 0);
    assert_eq!(tapes, 3, "{said}");
    drive.take_out();
    drive
}

/// What a program on a terminal asks for, by the numbers of the volumes that it wants; `None` stands for the last one.
fn wanted(asked: &str) -> Option<u32> {
    let (_, what) = asked.rsplit_once("Wanted is ").unwrap_or_else(|| panic!("nothing is asked for: {asked}"));
    what.strip_prefix("volume ").map(|rest| rest.split(',').next().unwrap().parse().unwrap())
}

impl Drive {
    /// Answers every question of a program with the tape that has what is wanted, and with Enter: two volumes of a full backup
    /// are on each of three, an incremental one is on the fourth. What was asked for, all that was shown, and the status.
    fn serve(&mut self, terminal: &mut Terminal) -> (Vec<Option<u32>>, String, Option<i32>) {
        let (mut asked, mut all) = (Vec::new(), String::new());
        loop {
            let (said, ended) = terminal.shows_or_ends("or name another device, or q to ");
            all.push_str(&said);
            if let Some(status) = ended {
                return (asked, all, status.code());
            }
            let number = wanted(&said);
            asked.push(number);
            assert!(asked.len() < 20, "it asks for ever: {all}");
            let incremental = said.rsplit("Wanted is ").next().unwrap().contains("-I-");
            self.put(if incremental { 4 } else { number.map_or(6, |number| number as usize).div_ceil(2) });
            terminal.types("\n");
        }
    }
}

#[test]
fn a_check_asks_for_each_tape_once() {
    let mut drive = three_tapes();
    for (first, questions) in [(3, vec![Some(1), Some(3)]), (1, vec![None, Some(1), Some(3)])] {
        drive.put(first);
        let mut terminal = drive.start(&["check", &drive.name(), "--verify"]);
        let (asked, said, status) = drive.serve(&mut terminal);
        assert_eq!((asked, status), (questions, Some(0)), "{said}");
        assert!(said.contains("40,001 rows") && !said.contains("incomplete"), "{said}");
    }
    // A list is of what is there.
    drive.put(1);
    let mut terminal = drive.start(&["check", &drive.name(), "--list"]);
    let (asked, said, status) = drive.serve(&mut terminal);
    assert_eq!((asked, status), (vec![], Some(5)), "{said}");
}

#[test]
fn damage_on_a_tape_is_found_when_its_turn_comes() {
    let mut drive = three_tapes();
    drive.put(2);
    let mut bytes = fs::read(drive.place("drive.tap")).unwrap();
    bytes[20_000] ^= 1;
    fs::write(drive.place("drive.tap"), bytes).unwrap();
    drive.put(3);
    let mut terminal = drive.start(&["check", &drive.name(), "--verify"]);
    let (asked, said, status) = drive.serve(&mut terminal);
    assert_eq!((asked, status), (vec![Some(1), Some(3)], Some(4)), "{said}");
    assert!(said.contains("damage: ") && said.contains("rows of hsplit"), "{said}");
}

#[test]
fn a_wrong_tape_and_one_that_never_comes_are_named() {
    let mut drive = three_tapes();
    drive.put(3);
    let mut terminal = drive.start(&["check", &drive.name(), "--verify"]);
    assert_eq!(wanted(&terminal.shows(WANTED)), Some(1));
    drive.put(2);
    terminal.types("\n");
    let said = terminal.shows(WANTED);
    assert!(wanted(&said) == Some(1) && said.contains("-F-03.") && said.contains("drive.tap holds "), "{said}");
    drive.put(9);
    terminal.types("\n");
    let said = terminal.shows(WANTED);
    assert!(wanted(&said) == Some(1) && said.contains("drive.tap holds no volume"), "{said}");
    // The drive is open to others meanwhile, and so is the name of another one.
    terminal.types("nosuch\n");
    let said = terminal.shows(WANTED);
    assert!(said.contains("nosuch is neither a configured device nor a folder"), "{said}");
    terminal.types("q\n");
    assert_eq!(wanted(&terminal.shows(WANTED)), Some(2), "the other volume of that tape");
    terminal.types("q\n");
    assert_eq!(wanted(&terminal.shows(WANTED)), Some(3));
    let second = format!("tape:{}\n", drive.tape(2).display());
    terminal.types(&second);
    let (said, status) = terminal.ends();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(said.contains("volumes 1, 2 of set ") && !said.contains("damage"), "{said}");
}

#[test]
fn where_nobody_answers_what_is_there_is_all() {
    let mut drive = three_tapes();
    drive.put(1);
    let listed = json(&["check", &drive.name(), "--verify"], 5);
    assert_eq!(listed["sets"][0]["missing_volumes"], serde_json::json!([3]));
    drive.put(3);
    let (said, err) = super::commands::run(&["check", &drive.name(), "--verify"], 5);
    assert!(said.contains("volumes 1 to 4 are not here"), "{said}{err}");
}

#[test]
fn ctrl_c_at_the_question_ends_a_check() {
    let mut drive = three_tapes();
    drive.put(3);
    let mut terminal = drive.start(&["check", &drive.name(), "--verify"]);
    terminal.shows(WANTED);
    terminal.types("\x03");
    let (said, status) = terminal.ends();
    assert!(said.contains("interrupted: ") && !status.success(), "{said}");
}

impl Drive {
    /// Changes all rows, and restores; the tapes that were asked for, what was said, the status.
    fn restore(&mut self, first: usize, more: &[&str]) -> (Vec<Option<u32>>, String, Option<i32>) {
        self.put(first);
        let (url, name) = (self.url(), self.name());
        let arguments = ["restore", "--database", &url, "--from", &name, "--yes", "--no-undo"];
        let mut terminal = self.start(&[&arguments[..], more].concat());
        self.serve(&mut terminal)
    }
}

#[test]
fn a_restore_asks_for_each_tape_once_before_it_changes_anything() {
    let mut drive = three_tapes();
    let truth = drive.centre.rows("hsplit");
    for (first, questions) in [(3, vec![Some(1), Some(3)]), (1, vec![None, Some(1), Some(3)])] {
        drive.centre.run("UPDATE hsplit SET acdcalls = -1");
        let (asked, said, status) = drive.restore(first, &[]);
        assert_eq!((asked, status), (questions, Some(0)), "{said}");
        assert!(said.contains("At most 4 changes of tape, each in its turn."), "{said}");
        assert!(said.rfind("Wanted is").unwrap() < said.find("Replaced").unwrap(), "{said}");
        assert!(drive.centre.rows("hsplit") == truth, "{said}");
    }
}

#[test]
fn a_restore_of_a_day_asks_for_the_tape_that_has_it() {
    let mut drive = three_tapes();
    let truth = drive.centre.rows("hsplit");
    // The volumes follow the days: the first of them are on the first tape, the last on the last.
    for (day, first, questions) in
        [("2024-01-02", 3, vec![Some(1)]), ("2024-04-10", 3, vec![]), ("2024-04-10", 2, vec![None])]
    {
        drive.centre.run(&format!("UPDATE hsplit SET acdcalls = -1 WHERE row_date = '{day}'"));
        let (asked, said, status) = drive.restore(first, &["--start", day, "--stop", day]);
        assert_eq!((asked, status), (questions, Some(0)), "{day}: {said}");
        assert!(drive.centre.rows("hsplit") == truth, "{said}");
    }
}

#[test]
fn a_tape_that_never_comes_ends_a_restore_or_is_done_without() {
    let mut drive = three_tapes();
    drive.centre.run("UPDATE hsplit SET acdcalls = -1");
    let ruined = drive.centre.rows("hsplit");
    drive.put(3);
    let (url, name) = (drive.url(), drive.name());
    let arguments = ["restore", "--database", &url, "--from", &name, "--yes", "--no-undo"];
    let mut terminal = drive.start(&arguments);
    terminal.shows(NEEDED);
    drive.put(1);
    terminal.types("\n");
    terminal.shows(NEEDED);
    terminal.types("q\n");
    let (said, status) = terminal.ends();
    assert!(status.code() == Some(5) && said.contains("volume 3, CMS-") && said.contains("--partial"), "{said}");
    assert!(drive.centre.rows("hsplit") == ruined, "nothing was changed");
    let mut terminal = drive.start(&arguments);
    terminal.shows(NEEDED);
    terminal.types("\x03");
    let (said, status) = terminal.ends();
    assert!(said.contains("interrupted: the database is as it was") && !status.success(), "{said}");
    // Without a terminal nothing is asked.
    let (_, said) = super::commands::run(&arguments, 5);
    assert!(said.contains("volume 2 of set ") || said.contains("catalog is not whole"), "{said}");
    drive.put(3);
    let mut terminal = drive.start(&[&arguments[..], &["--partial"]].concat());
    for number in [1, 2, 3] {
        assert_eq!(wanted(&terminal.shows(WANTED)), Some(number));
        if number == 3 {
            drive.put(2);
        }
        terminal.types(if number == 3 { "\n" } else { "q\n" });
    }
    let (said, status) = terminal.ends();
    assert_eq!(status.code(), Some(3), "{said}");
    let of = |query: &str| drive.centre.count(&format!("SELECT count(*) FROM hsplit WHERE {query}"));
    assert!(of("acdcalls >= 0") > 10_000 && of("acdcalls = -1") > 10_000, "{said}");
}

#[test]
fn a_chain_on_several_tapes_is_put_together_in_one_drive() {
    let mut drive = three_tapes();
    drive.centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE row_date = '2024-02-10'");
    let (url, base) = (drive.url(), format!("tape:{}", drive.tape(3).display()));
    let (tapes, said) = drive.backup(4, &["--database", &url, "--incremental", "--base", &base], 0);
    assert_eq!(tapes, 1, "{said}");
    let truth = drive.centre.rows("hsplit");
    drive.centre.run("UPDATE hsplit SET acdcalls = -1");
    let (mut asked, said, status) = drive.restore(4, &[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Wanted is the last volume of set "), "{said}");
    // The full set's catalog first; the tape that went out for it is asked for again.
    asked.sort_unstable();
    assert_eq!(asked, [None, Some(1), Some(1), Some(3)], "{said}");
    assert!(drive.centre.rows("hsplit") == truth, "{said}");
}

#[test]
fn files_on_several_tapes_are_restored_in_one_drive() {
    let mut drive = Drive::new();
    let (tree, to) = (drive.place("tree"), drive.place("to"));
    fs::create_dir(&tree).unwrap();
    for (number, bytes) in super::files::noise(300_000).chunks(30_000).enumerate() {
        fs::write(tree.join(number.to_string()), bytes).unwrap();
    }
    let (tapes, said) = drive.backup(1, &["--files", &tree.display().to_string()], 0);
    assert_eq!(tapes, 3, "{said}");
    drive.put(3);
    let (name, folder) = (drive.name(), to.display().to_string());
    let mut terminal = drive.start(&["restore", "--from", &name, "--files-to", &folder, "--yes"]);
    let (asked, said, status) = drive.serve(&mut terminal);
    assert_eq!((asked, status), (vec![Some(1), Some(3)], Some(0)), "{said}");
    for number in 0..10 {
        let restored: Vec<_> = walk(&to).into_iter().filter(|path| path.ends_with(number.to_string())).collect();
        assert_eq!(restored.len(), 1, "{said}");
        assert!(fs::read(&restored[0]).unwrap() == fs::read(tree.join(number.to_string())).unwrap());
    }
}

/// The files below a folder.
fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_wrong_tape_is_never_restored_in_place_of_the_right_one() {
    let mut drive = three_tapes();
    drive.centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1");
    let url = drive.url();
    fs::write(drive.place("drive.tap"), "").unwrap();
    super::commands::run(&["backup", "--database", &url, "--to", &drive.name()], 0);
    fs::rename(drive.place("drive.tap"), drive.tape(7)).unwrap();
    drive.centre.run("UPDATE hsplit SET acdcalls = -1");
    let (ruined, name, to) = (drive.centre.rows("hsplit"), drive.name(), drive.place("to").display().to_string());
    let database = ["restore", "--from", &name, "--database", &url, "--yes", "--no-undo"];
    let whole = [&database[..], &["--partial"]].concat();
    let files = ["restore", "--from", &name, "--files-to", &to];
    for (arguments, end) in [(&database[..], NEEDED), (&whole[..], WANTED), (&files[..], NEEDED)] {
        drive.put(1);
        let mut terminal = drive.start(arguments);
        assert_eq!(wanted(&terminal.shows(end)), None);
        drive.put(7);
        terminal.types("\n");
        let said = terminal.shows(end);
        assert!(said.contains("drive.tap holds ") && wanted(&said).is_none(), "{said}");
        terminal.types("q\n");
        let (said, status) = terminal.ends();
        assert_eq!(status.code(), Some(5), "{said}");
        assert!(said.contains("nobody brings it") && said.contains("nor is the tape in "), "{said}");
        assert!(drive.centre.rows("hsplit") == ruined && !drive.place("to").exists(), "{said}");
    }
    // The first tape in the drive again is what there is, and less than is wanted.
    drive.put(1);
    let mut terminal = drive.start(&database);
    terminal.shows(NEEDED);
    terminal.types("q\n");
    let (said, status) = terminal.ends();
    assert!(status.code() == Some(5) && said.contains("--partial"), "{said}");
    assert!(drive.centre.rows("hsplit") == ruined, "{said}");
}

#[test]
fn a_folder_that_was_named_by_mistake_is_not_the_drive_from_then_on() {
    let mut drive = three_tapes();
    drive.put(1);
    let mut terminal = drive.start(&["check", &drive.name(), "--verify"]);
    terminal.shows(WANTED);
    terminal.types(&format!("{}\n", drive.place("").display()));
    let said = terminal.shows(WANTED);
    assert!(said.contains(" holds no volume") && said.contains("drive.tap and press Enter"), "{said}");
    terminal.types("q\n");
    let (said, status) = terminal.ends();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(said.contains("volume 3 is not here") || said.contains("-F-01"), "{said}");
}

#[test]
fn a_volume_that_a_folder_has_too_is_read_there() {
    let mut drive = three_tapes();
    let (truth, folder) = (drive.centre.rows("hsplit"), drive.place("copies"));
    // A copy of volume 1, under its name.
    let first = format!("tape:{}", drive.tape(1).display());
    let listed = json(&["check", &first], 5);
    let (label, set) = (listed["sets"][0]["label"].as_str().unwrap(), listed["sets"][0]["set"].as_str().unwrap());
    let name = format!("{label}.{}.ivv", &set[..8]);
    fs::create_dir(&folder).unwrap();
    {
        use intervault::device::{tape::TapeDevice, traits::Device};
        let tape = TapeDevice::open(&drive.tape(1), intervault::volume::stream::ON_TAPE, false, None).unwrap();
        let source = tape.open(&name).unwrap();
        let mut bytes = vec![0; source.len() as usize];
        source.read_at(0, &mut bytes).unwrap();
        fs::write(folder.join(&name), bytes).unwrap();
    }
    let folder = folder.display().to_string();
    for (first, questions) in [(1, vec![None, Some(2), Some(3)]), (3, vec![Some(2), Some(3)])] {
        for named in [[drive.name(), folder.clone()], [folder.clone(), drive.name()]] {
            drive.put(first);
            let mut terminal = drive.start(&["check", &named[0], &named[1], "--verify"]);
            let (asked, said, status) = drive.serve(&mut terminal);
            assert_eq!((&asked, status), (&questions, Some(0)), "{said}");
            assert!(!said.contains("damage"), "{said}");
        }
    }
    drive.centre.run("UPDATE hsplit SET acdcalls = -1");
    let (asked, said, status) = drive.restore(3, &["--from", &folder]);
    assert_eq!((asked, status), (vec![Some(2), Some(3)], Some(0)), "{said}");
    assert!(drive.centre.rows("hsplit") == truth, "{said}");
}

#[test]
fn a_restore_that_was_stopped_goes_on_in_one_drive() {
    use intervault::base::monitor::{Monitor, Task};
    use intervault::device::joined::JoinedDevice;
    use intervault::device::tape::TapeDevice;
    use intervault::device::traits::Device;
    use intervault::restore::{Options, Restore};
    use intervault::volume::stream::ON_TAPE;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Stops a restore behind its first unit.
    #[derive(Default)]
    struct Stops(AtomicBool);

    impl Monitor for Stops {
        fn advance(&self, task: Task, _rows: u64, _bytes: u64) {
            self.0.fetch_or(task == Task::Restore, Ordering::Relaxed);
        }

        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    let mut drive = three_tapes();
    let truth = drive.centre.rows("hsplit");
    drive.centre.run("UPDATE hsplit SET acdcalls = -1");
    let open = |number: usize| TapeDevice::open(&drive.tape(number), ON_TAPE, false, None).unwrap();
    let tapes = (1..=3).map(|number| Box::new(open(number)) as Box<dyn Device>).collect();
    let device = JoinedDevice::new(tapes);
    let set = super::support::only_set(&device);
    let (store, stops) = (drive.centre.store(), Stops::default());
    let options = Options { unit_rows: 5_000, ..super::support::restore_options(None, None) };
    let restore = Restore::new(&set, &store, options).watched(&stops);
    let plan = restore.plan().unwrap();
    let report = restore.apply(&plan, None).unwrap_err().report;
    assert!(report.units.len() > 3, "{} units", report.units.len());
    drop(set);
    drop(device);
    drop(store);
    drive.put(3);
    let (url, name) = (drive.url(), drive.name());
    let mut terminal = drive.start(&["restore", "--database", &url, "--from", &name, "--resume", "--yes"]);
    let (asked, said, status) = drive.serve(&mut terminal);
    assert_eq!((asked, status), (vec![Some(1), Some(3)], Some(0)), "{said}");
    assert!(drive.centre.rows("hsplit") == truth, "{said}");
}
