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
