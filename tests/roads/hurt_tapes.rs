//! Sets on several tapes and one drive, where something on a tape is damaged or was never finished.

use super::commands::{json, run};
use super::dialogue::Terminal;
use super::one_drive::{Drive, three_tapes};
use std::fs;
use std::path::Path;

/// The objects of a tape image: records, and file marks, which are `None`.
fn objects(image: &Path) -> Vec<Option<Vec<u8>>> {
    let bytes = fs::read(image).unwrap();
    let (mut objects, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        objects.push((len > 0).then(|| bytes[at + 4..at + 4 + len].to_vec()));
        at += if len > 0 { 8 + len.next_multiple_of(2) } else { 4 };
    }
    objects
}

fn write(image: &Path, objects: &[Option<Vec<u8>>]) {
    let mut bytes = Vec::new();
    for object in objects {
        let record = object.as_deref().unwrap_or_default();
        let len = (record.len() as u32).to_le_bytes();
        bytes.extend(len);
        if object.is_some() {
            bytes.extend(record);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            bytes.extend(len);
        }
    }
    fs::write(image, bytes).unwrap();
}

/// The end of a volume that is one record.
fn end_of(record: &[u8]) -> usize {
    record.iter().rposition(|byte| *byte != 0).unwrap()
}

/// Another set of the same database on a tape of its own: its one volume, and the first digits of its id.
fn another_set(drive: &mut Drive) -> (Vec<u8>, String) {
    let image = drive.tape(8);
    let name = format!("tape:{}", image.display());
    run(&["backup", "--database", &drive.url(), "--to", &name, "--data", "historical"], 0);
    let set = json(&["check", &name], 0)["sets"][0]["set"].as_str().unwrap()[..8].to_owned();
    (objects(&image)[0].clone().unwrap(), set)
}

impl Drive {
    /// As [`Drive::serve`], but there is nothing more of one set.
    fn serve_without(&mut self, terminal: &mut Terminal, set: &str) -> (Vec<String>, String, Option<i32>) {
        let (mut asked, mut all) = (Vec::new(), String::new());
        loop {
            let (said, ended) = terminal.shows_or_ends("or name another device, or q to ");
            all.push_str(&said);
            if let Some(status) = ended {
                return (asked, all, status.code());
            }
            let what = said.rsplit("Wanted is ").next().unwrap().to_owned();
            assert!(asked.len() < 20, "it asks for ever: {all}");
            if what.contains(&format!("(set {set})")) {
                terminal.types("q\n");
            } else {
                let number = what.strip_prefix("volume ").map(|rest| rest.split(',').next().unwrap().parse().unwrap());
                self.put(number.unwrap_or(6_usize).div_ceil(2));
                terminal.types("\n");
            }
            asked.push(what);
        }
    }
}

#[test]
fn what_is_wrong_on_a_tape_that_is_gone_is_told() {
    let mut drive = three_tapes();
    let (mut strange, set) = another_set(&mut drive);
    let sound = objects(&drive.tape(1));
    let torn = [&strange[..20_000], &vec![0; strange.len() - 20_000]].concat();
    strange[100] ^= 1;
    let damaged = [&[Some(strange), None][..], &sound[..]].concat();
    let torn = [&sound[..], &[Some(torn)]].concat();
    let id = format!("(set {set})");
    for (tape, status, told) in [(damaged, 4, "file-000001.ivv"), (torn, 5, id.as_str())] {
        write(&drive.tape(1), &tape);
        for first in [1, 3] {
            drive.put(first);
            let mut terminal = drive.start(&["check", &drive.name(), "--verify"]);
            let (_, said, ended) = drive.serve_without(&mut terminal, &set);
            drive.take_out();
            assert_eq!(ended, Some(status), "{said}");
            let warned: Vec<&str> = said.split("warning: ").skip(1).collect();
            assert!(warned.iter().any(|warning| warning.contains(told)), "{said}");
        }
    }
}

#[test]
fn an_end_that_is_damaged_hides_no_other_tape() {
    let mut drive = three_tapes();
    let (truth, sound) = (drive.centre.rows("hsplit"), objects(&drive.tape(1)));
    let mut second = sound[2].clone().unwrap();
    let end = end_of(&second);
    second[end - 100] ^= 1;
    // The end mark of volume 2 is damaged, or the file mark behind it was never written.
    let damaged = [&sound[..2], &[Some(second), None]].concat();
    for (tape, proved) in [(&damaged[..], 4), (&sound[..3], 0)] {
        write(&drive.tape(1), tape);
        for (first, questions) in [(3, 2), (1, 3)] {
            drive.centre.run("UPDATE hsplit SET acdcalls = -1");
            drive.put(first);
            let (url, name) = (drive.url(), drive.name());
            let arguments = ["restore", "--database", &url, "--from", &name, "--yes", "--no-undo"];
            let (asked, said, status) = drive.serve_without(&mut drive.start(&arguments), "none");
            assert_eq!((asked.len(), status), (questions, Some(0)), "{said}");
            assert!(drive.centre.rows("hsplit") == truth, "{said}");
            drive.put(first);
            let mut terminal = drive.start(&["check", &name, "--verify"]);
            let (asked, said, status) = drive.serve_without(&mut terminal, "none");
            assert_eq!((asked.len(), status), (questions, Some(proved)), "{said}");
            drive.take_out();
        }
    }
}

#[test]
fn an_answer_that_cannot_be_understood_ends_no_backup() {
    let mut drive = Drive::new();
    drive.put(1);
    let (url, name) = (drive.url(), drive.name());
    let arguments = ["backup", "--to", &name, "--device-capacity", "600KiB", "--volume-size", "64KiB"];
    let mut terminal = drive.start(&[&arguments[..], &["--database", &url]].concat());
    terminal.shows("or q to end here:");
    terminal.types_bytes(b"\xe4\n");
    let said = terminal.shows("or q to end here:");
    assert!(said.contains("not UTF-8"), "{said}");
    terminal.types("q\n");
    assert_eq!(terminal.ends().1.code(), Some(5));
}
