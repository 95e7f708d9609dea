//! Programs that ask, on a real terminal: what they ask, what they make of wrong answers, of the end of the input, of Ctrl-C.

use super::support::{Centre, HSPLIT};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long an answer of the program may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program whose standard streams are a terminal that is its own.
pub struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown and not yet looked for.
    shown: String,
    child: Child,
}

impl Terminal {
    /// Starts a program. `setsid --ctty` gives it the terminal to which Ctrl-C belongs.
    pub fn start(program: &str, arguments: &[&str]) -> Terminal {
        Terminal::of_width(program, arguments, 0)
    }

    /// The same, with lines of so many characters; 0 says nothing of it.
    pub fn of_width(program: &str, arguments: &[&str], columns: u16) -> Terminal {
        let (keyboard, child) = on_terminal(program, arguments, columns);
        let mut from = keyboard.try_clone().unwrap();
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            loop {
                // When the program and all that it started are gone, the read fails.
                match from.read(&mut bytes) {
                    Ok(0) | Err(_) => return,
                    Ok(read) => drop(send.send(bytes[..read].to_vec())),
                }
            }
        });
        Terminal { keyboard, screen, shown: String::new(), child }
    }

    /// Waits until the terminal shows this; what stands before it is returned.
    pub fn shows(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            match self.screen.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} is not shown, but: {}", self.shown),
            }
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.types_bytes(keys.as_bytes());
    }

    pub fn types_bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// Waits until the terminal shows this or the program ends; what was shown, and the status if it ended.
    pub fn shows_or_ends(&mut self, text: &str) -> (String, Option<ExitStatus>) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.shown.contains(text) {
                return (std::mem::take(&mut self.shown), None);
            }
            match self.screen.recv_timeout(Duration::from_millis(200)) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => {
                    if let Some(status) = self.child.try_wait().unwrap() {
                        return (std::mem::take(&mut self.shown), Some(status));
                    }
                }
            }
        }
        panic!("{text:?} is not shown, but: {}", self.shown)
    }

    /// Waits for the end; everything that was shown since, and the status.
    pub fn ends(mut self) -> (String, ExitStatus) {
        let status = self.child.wait().unwrap();
        // The reading thread ends with the last program that has the terminal.
        for bytes in self.screen.iter() {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (std::mem::take(&mut self.shown), status)
    }
}

/// A program on a terminal of its own, and the other end of that.
fn on_terminal(program: &str, arguments: &[&str], columns: u16) -> (File, Child) {
    // Nobody else has this end, so that the terminal is closed when it is.
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let end = || File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(end(), size).unwrap();
    // Tests may themselves run in the background, with Ctrl-C ignored; a program in front of a person has it.
    let child = Command::new("env")
        .args(["--default-signal=INT,HUP", "setsid", "--ctty", "--wait", program])
        .args(arguments)
        .env("TERM", "dumb")
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    (File::from(keyboard), child)
}

/// A folder with a backup of two ACDs in it.
fn volumes() -> (Centre, PathBuf) {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1800, 30, 1);
    centre.intervals("2024-03-20", 800, 1800, 30, 3);
    let folder = centre.folder.path().join("volumes");
    let backup = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &format!("sqlite:{}", centre.path().display()), "--data", "historical", "--to"])
        .arg(&folder)
        .output()
        .unwrap();
    assert_eq!(backup.status.code(), Some(0), "{}", String::from_utf8_lossy(&backup.stderr));
    (centre, folder)
}

fn br_check() -> Terminal {
    Terminal::start(env!("CARGO_BIN_EXE_br_check"), &[])
}

const TYPE: &str = "Enter device type [d for directory, f for file, q for tape]: ";
const PATH: &str = "Enter device path: ";
const WORK: &str = "Enter l to list the tables or v to also verify the volume: ";

#[test]
fn br_check_lists_a_folder() {
    let (_centre, folder) = volumes();
    let mut terminal = br_check();
    assert_eq!(terminal.shows(TYPE), TYPE);
    terminal.types("d\n");
    terminal.shows(PATH);
    terminal.types(&format!("{}\n", folder.display()));
    let before = terminal.shows(WORK);
    assert!(before.contains("ACD(s) on the volume: 1, 3\r\n") && before.contains("CMS-"), "{before}");
    terminal.types("l\n");
    let (rest, status) = terminal.ends();
    assert!(rest.contains("hsplit") && !rest.contains("Verified"), "{rest}");
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn br_check_verifies_a_single_volume_after_wrong_answers() {
    let (_centre, folder) = volumes();
    let volume = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut terminal = br_check();
    terminal.shows(TYPE);
    terminal.types("disc\n");
    terminal.shows("\"disc\" is no answer to that");
    terminal.shows(TYPE);
    terminal.types("f\n");
    terminal.shows(PATH);
    terminal.types("\n");
    terminal.shows(PATH);
    terminal.types(&format!("{}\n", volume.display()));
    terminal.shows(WORK);
    terminal.types("x\n");
    terminal.shows("\"x\" is no answer to that");
    terminal.shows(WORK);
    terminal.types("v\n");
    let (rest, status) = terminal.ends();
    assert!(rest.contains("hsplit") && rest.contains("Verified"), "{rest}");
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn br_check_gives_the_status_of_what_it_found() {
    let (centre, folder) = volumes();
    let volume = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&volume).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&volume, bytes).unwrap();
    let path = folder.display().to_string();
    for (path, work, code, word) in [(path.as_str(), "v", 4, "damage"), ("/no/such/folder", "", 10, "/no/such/folder")]
    {
        let mut terminal = br_check();
        terminal.shows(TYPE);
        terminal.types("d\n");
        terminal.shows(PATH);
        terminal.types(&format!("{path}\n"));
        if !work.is_empty() {
            terminal.shows(WORK);
            terminal.types(&format!("{work}\n"));
        }
        let (rest, status) = terminal.ends();
        assert!(rest.to_lowercase().contains(word), "{rest}");
        assert_eq!(status.code(), Some(code), "{rest}");
    }
    drop(centre);
}

/// What a person asks first is said before the last question: what it is, of when, from where, whether it is all there.
#[test]
fn br_check_says_whose_the_volumes_are() {
    let (_centre, folder) = volumes();
    let mut terminal = Terminal::of_width(env!("CARGO_BIN_EXE_br_check"), &[], 40);
    terminal.shows(TYPE);
    terminal.types("d\n");
    terminal.shows(PATH);
    terminal.types(&format!("{}\n", folder.display()));
    let before = terminal.shows(WORK);
    for said in ["CMS-", "(set ", "from sqlite ", "centre", "1 volume here, complete", "ACD(s) on the volume: 1, 3"] {
        let words = before.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(said), "{said}: {before}");
    }
    terminal.types("l\n");
    let (rest, status) = terminal.ends();
    assert_eq!(status.code(), Some(0));
    let shown = format!("{before}{rest}");
    let long: Vec<&str> = shown.lines().map(str::trim).filter(|line| line.chars().count() > 40).collect();
    // The questions are what their users know; a word has no blank to be broken at.
    assert!(long.iter().all(|line| line.starts_with("Enter ") || !line.contains(' ')), "{long:?}");
}

/// A tape, by the letter that its users know.
#[test]
fn br_check_looks_at_a_tape() {
    let (centre, _folder) = volumes();
    let tape = centre.folder.path().join("a.tap");
    let url = format!("sqlite:{}", centre.path().display());
    let backup = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["backup", "--database", &url, "--data", "historical", "--to", &format!("tape:{}", tape.display())])
        .output()
        .unwrap();
    assert_eq!(backup.status.code(), Some(0), "{}", String::from_utf8_lossy(&backup.stderr));
    let mut terminal = br_check();
    terminal.shows(TYPE);
    terminal.types("q\n");
    terminal.shows(PATH);
    terminal.types(&format!("{}\n", tape.display()));
    assert!(terminal.shows(WORK).contains("ACD(s) on the volume: 1, 3"));
    terminal.types("v\n");
    let (rest, status) = terminal.ends();
    assert!(rest.contains("hsplit") && rest.contains("nothing is wrong"), "{rest}");
    assert_eq!(status.code(), Some(0), "{rest}");
    // The same without a question.
    let path = tape.display().to_string();
    let terminal = Terminal::start(env!("CARGO_BIN_EXE_br_check"), &["-t", "q", "-p", &path, "--list"]);
    let (said, status) = terminal.ends();
    assert!(said.contains("hsplit") && !said.contains("Enter"), "{said}");
    assert_eq!(status.code(), Some(0), "{said}");
}

/// A terminal that goes away takes the program with it: nothing waits for an answer that nobody can give.
#[test]
fn a_closed_terminal_ends_br_check() {
    let (mut keyboard, mut child) = on_terminal(env!("CARGO_BIN_EXE_br_check"), &[], 0);
    let mut asked = [0; TYPE.len()];
    keyboard.read_exact(&mut asked).unwrap();
    assert_eq!(std::str::from_utf8(&asked), Ok(TYPE));
    drop(keyboard);
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            None => panic!("it still waits"),
        }
    };
    // By the signal that a closed terminal sends, or because there is nothing to read any more.
    assert!(status.signal() == Some(1) || [Some(2), Some(129)].contains(&status.code()), "{status}");
}

/// Ctrl-D is no answer: what should have been given instead is said, and the status is that of a wrong command line.
#[test]
fn the_end_of_the_input_ends_br_check() {
    let mut terminal = br_check();
    terminal.shows(TYPE);
    terminal.types("d\n");
    terminal.shows(PATH);
    terminal.types("\u{4}");
    let (rest, status) = terminal.ends();
    assert!(rest.contains("the input ended") && rest.contains("--path"), "{rest}");
    assert_eq!(status.code(), Some(2), "{rest}");
}

/// Ctrl-C ends the program by its signal, which shells report as 130, with a word on what is left behind.
#[test]
fn ctrl_c_ends_br_check_and_says_that_nothing_was_changed() {
    let mut terminal = br_check();
    terminal.shows(TYPE);
    terminal.types("\u{3}");
    let (rest, status) = terminal.ends();
    assert!(rest.contains("interrupted: nothing was changed"), "{rest}");
    // `setsid --wait` hands the signal on as 130 or as itself.
    assert!(status.signal() == Some(2) || status.code() == Some(130), "{status}");
}

/// Work in the background is started with the signal ignored, and must not die by a Ctrl-C that is meant for another.
#[test]
fn an_ignored_ctrl_c_stays_ignored() {
    let mut child = Command::new("bash")
        .args(["-c", "trap '' INT; exec \"$0\"", env!("CARGO_BIN_EXE_br_check")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asked = [0; TYPE.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut asked).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.stdin.as_mut().unwrap().write_all(b"d\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim()),
        (Some(2), PATH.trim()),
        "{said}"
    );
    assert!(!said.contains("interrupted"), "{said}");
}

/// The question of a restore: no, Ctrl-D and Ctrl-C change nothing, yes restores.
#[test]
fn a_restore_asks_before_it_changes_anything() {
    let (centre, folder) = volumes();
    let truth = centre.rows("hsplit");
    centre.run("UPDATE hsplit SET acdcalls = -1 WHERE acd = 3");
    let ruined = centre.rows("hsplit");
    let (url, from) = (format!("sqlite:{}", centre.path().display()), folder.display().to_string());
    for (keys, word, code) in
        [("n\n", "Nothing was changed.", 1), ("\u{4}", "Nothing was changed.", 1), ("yes\n", "Replaced", 0)]
    {
        assert_eq!(centre.rows("hsplit"), ruined);
        let mut terminal =
            Terminal::start(env!("CARGO_BIN_EXE_intervault"), &["restore", "--database", &url, "--from", &from]);
        terminal.shows("? [y/N] ");
        terminal.types(keys);
        let (rest, status) = terminal.ends();
        assert!(rest.contains(word), "{rest}");
        assert_eq!(status.code(), Some(code), "{rest}");
    }
    assert_eq!(centre.rows("hsplit"), truth);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let ruined = centre.rows("hsplit");
    let mut terminal =
        Terminal::start(env!("CARGO_BIN_EXE_intervault"), &["restore", "--database", &url, "--from", &from]);
    terminal.shows("? [y/N] ");
    terminal.types("\u{3}");
    let (rest, status) = terminal.ends();
    assert!(rest.contains("interrupted: ") && !status.success(), "{rest}");
    assert_eq!(centre.rows("hsplit"), ruined);
}
