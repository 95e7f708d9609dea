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
    pub fn backup(&mut self, first: usize, more: &[&str], status: i32) -> (usize, String) {
        self.put(first);
        let (url, name) = (self.url(), self.name());
        let arguments = ["backup", "--database", &url, "--to", &name, "--device-capacity", "600KiB"];
        let mut terminal = self.start(&[&arguments[..], &["--volume-size", "64KiB"], more].concat());
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
    let (tapes, said) = drive.backup(1, &[], 0);
    assert!(tapes > 2, "{tapes} tapes: {said}");
    assert_eq!(said.matches("read back before it is changed").count(), tapes - 1, "{said}");
    assert!(said.contains("read back and proved"), "{said}");
    drive.take_out();
    let names: Vec<String> = (1..=tapes).map(|number| format!("tape:{}", drive.tape(number).display())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let verified = json(&[&["check"], &names[..], &["--verify"]].concat(), 0);
    assert_eq!(verified["sets"][0]["complete"], true);
}

/// What is asked for when a tape is to be read.
const WANTED: &str = "or q to go on without it:";

/// Six volumes on three tapes, taken out.
fn three_tapes() -> Drive {
    let mut drive = Drive::new();
    let (tapes, said) = drive.backup(1, &[], 0);
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
    /// Answers every question of a program with the tape that has what is wanted, and with Enter. What was asked for, all that was
    /// shown, and the status.
    fn serve(&mut self, terminal: &mut Terminal) -> (Vec<Option<u32>>, String, Option<i32>) {
        let (mut asked, mut all) = (Vec::new(), String::new());
        loop {
            let (said, ended) = terminal.shows_or_ends(WANTED);
            all.push_str(&said);
            if let Some(status) = ended {
                return (asked, all, status.code());
            }
            let number = wanted(&said);
            asked.push(number);
            assert!(asked.len() < 20, "it asks for ever: {all}");
            // Two volumes on each.
            self.put(number.map_or(6, |number| number as usize).div_ceil(2));
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
    assert!(said.contains("volume 1, 2 of set ") && !said.contains("damage"), "{said}");
}

#[test]
fn where_nobody_answers_what_is_there_is_all() {
    let mut drive = three_tapes();
    drive.put(1);
    let listed = json(&["check", &drive.name(), "--verify"], 5);
    assert_eq!(listed["sets"][0]["missing_volumes"], serde_json::json!([3]));
    drive.put(3);
    let (said, err) = super::commands::run(&["check", &drive.name(), "--verify"], 5);
    assert!(said.contains("volume 1, 2, 3, 4 is not here"), "{said}{err}");
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
