//! Devices on the command line: pipes, tapes, media that end. As processes, from a database and back.

use super::commands::{Case, json, run};
use super::dialogue::Terminal;
use super::support::{Centre, HSPLIT};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs with standard input and output as given.
fn between(arguments: &[&str], input: Stdio, output: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intervault"));
    command.args(arguments).stdin(input).stdout(output).stderr(Stdio::piped()).output().unwrap()
}

/// A centre, and what its backup sends through a pipe.
struct Piped {
    case: Case,
    stream: PathBuf,
    said: String,
}

impl Piped {
    fn new(more: &[&str]) -> Piped {
        let case = Case::new();
        let stream = case.centre.folder.path().join("stream.ivv");
        let url = case.url();
        let arguments = ["backup", "--database", &url, "--to", "-", "--data", "historical,acd"];
        let arguments = [&arguments[..], more].concat();
        let done = between(&arguments, Stdio::null(), File::create(&stream).unwrap().into());
        let status = if more.contains(&"--no-verify") { 0 } else { 3 };
        assert_eq!(done.status.code(), Some(status), "{}", text(&done.stderr));
        Piped { case, stream, said: text(&done.stderr) }
    }

    fn read(&self, arguments: &[&str], status: i32) -> (String, String) {
        let done = between(arguments, File::open(&self.stream).unwrap().into(), Stdio::piped());
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        assert_eq!(done.status.code(), Some(status), "{arguments:?}: {out}{err}");
        (out, err)
    }
}

#[test]
fn what_goes_through_a_pipe_is_proved_and_restored_at_its_other_end() {
    for more in [&[][..], &["--volume-size", "6KiB", "--no-verify"]] {
        let piped = Piped::new(more);
        assert_eq!(
            piped.said.contains("not read back, since it went through a pipe"),
            more.is_empty(),
            "{}",
            piped.said
        );
        assert!(piped.said.contains("CMS-"), "{}", piped.said);
        let (out, _) = piped.read(&["check", "-", "--verify"], 0);
        assert!(out.contains("standard input") || out.contains("CMS-"), "{out}");
        let (out, _) = piped.read(&["label", "-"], 0);
        assert_eq!(out.contains("-F-02"), !more.is_empty(), "{out}");
        let whole = piped.case.contents();
        piped.case.ruin();
        let url = piped.case.url();
        piped.read(&["restore", "--database", &url, "--from", "-", "--data", "historical", "--yes"], 0);
        assert_eq!(piped.case.contents(), whole);
    }
}

#[test]
fn the_answer_of_a_backup_to_a_pipe_goes_aside() {
    let piped = Piped::new(&["--json"]);
    let object = &piped.said[piped.said.find("\n{").map_or(0, |at| at + 1)..=piped.said.rfind('}').unwrap()];
    let value: serde_json::Value = serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {object}"));
    assert_eq!((&value["schema"], &value["exit"]), (&"intervault/backup".into(), &3.into()));
    assert_eq!(value["verified"], false);
    // A volume that is not split is a volume file wherever it is put.
    run(&["check", piped.stream.to_str().unwrap(), "--verify"], 0);
}

#[test]
fn a_pipe_that_breaks_off_or_brings_something_else_is_told() {
    let piped = Piped::new(&[]);
    let whole = std::fs::read(&piped.stream).unwrap();
    std::fs::write(&piped.stream, &whole[..whole.len() / 2]).unwrap();
    let (out, _) = piped.read(&["check", "-", "--verify"], 4);
    assert!(out.contains("incomplete"), "{out}");
    let mut hurt = whole.clone();
    hurt[whole.len() / 2] ^= 1;
    std::fs::write(&piped.stream, &hurt).unwrap();
    piped.read(&["check", "-", "--verify"], 4);
    std::fs::write(&piped.stream, "CREATE TABLE hsplit").unwrap();
    let (_, err) = piped.read(&["check", "-"], 4);
    assert!(err.contains("standard input is not an intervault volume"), "{err}");
    let url = piped.case.url();
    let (_, err) = piped.read(&["restore", "--database", &url, "--from", "-", "--from", "-", "--yes"], 2);
    assert!(err.contains("name it once"), "{err}");
    let (_, err) = run(&["backup", "--database", &url, "--to", "-", "--to", "/b"], 2);
    assert!(err.contains("no other device beside it"), "{err}");
    let (_, err) = run(&["restore", "--database", &url, "--from", "-", "--undo", "-"], 2);
    assert!(err.contains("not a pipe"), "{err}");
}

#[test]
fn a_reader_that_goes_away_fails_the_backup() {
    let case = Case::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done = between(&["backup", "--database", &case.url(), "--to", "-"], Stdio::null(), writer.into());
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("the reader at the other end of the pipe went away"), "{}", text(&done.stderr));
}

fn tape(case: &Case, name: &str) -> String {
    format!("tape:{}", case.centre.folder.path().join(name).display())
}

fn exists(device: &str) -> bool {
    Path::new(device.strip_prefix("tape:").unwrap_or(device)).exists()
}

fn image(device: &str) -> &Path {
    Path::new(device.strip_prefix("tape:").unwrap())
}

#[test]
fn a_tape_takes_set_after_set_and_gives_them_back() {
    let case = Case::new();
    let (url, tape) = (case.url(), tape(&case, "a.tap"));
    let whole = case.contents();
    let backup = |more: &[&str], status| {
        let arguments = ["backup", "--database", &url, "--to", &tape, "--data", "historical,acd"];
        json(&[&arguments[..], more].concat(), status)
    };
    let first = backup(&["--retain", "7", "--now", "2024-03-10 12:00"], 0);
    assert_eq!(first["verified"], true);
    case.ruin();
    let second = backup(&["--now", "2024-03-11 12:00", "--volume-size", "6KiB"], 0);
    assert_ne!(first["set"], second["set"]);
    let checked = json(&["check", &tape, "--verify"], 0);
    assert_eq!(checked["sets"].as_array().unwrap().len(), 2);
    let (out, _) = run(&["label", &tape], 0);
    assert!(out.contains("CMS-240310-01-") && out.contains("CMS-240311-01-"), "{out}");
    let set = first["set"].as_str().unwrap();
    let arguments = ["restore", "--database", &url, "--from", &tape, "--set", set, "--data", "historical", "--yes"];
    run(&arguments, 0);
    assert_eq!(case.contents(), whole);
    let said = backup(&["--overwrite", "expired", "--now", "2024-03-18 12:00"], 5);
    assert!(said["message"].as_str().unwrap().contains("says nothing of when it may go"), "{said}");
    backup(&["--overwrite", "any", "--retain", "7", "--now", "2024-03-18 12:00"], 0);
    let said = backup(&["--overwrite", "expired", "--now", "2024-03-24 12:00"], 5);
    assert!(said["message"].as_str().unwrap().contains("to be kept until 2024-03-25"), "{said}");
    backup(&["--overwrite", "expired", "--now", "2024-03-25 12:00"], 0);
    assert_eq!(json(&["check", &tape], 0)["sets"].as_array().unwrap().len(), 1);
    let (_, err) = run(&["backup", "--database", &url, "--to", "/b", "--overwrite", "any"], 2);
    assert!(err.contains("--overwrite is for tapes"), "{err}");
}

#[test]
fn a_tape_of_another_system_or_with_something_else_is_refused() {
    let case = Case::new();
    let tape = tape(&case, "a.tap");
    let other = case.centre.folder.path().join("other.db");
    std::fs::copy(case.centre.path(), &other).unwrap();
    run(&["backup", "--database", &format!("sqlite:{}", other.display()), "--to", &tape], 0);
    let before = std::fs::read(image(&tape)).unwrap();
    let (_, err) = run(&["backup", "--database", &case.url(), "--to", &tape], 5);
    assert!(err.contains("of another system"), "{err}");
    assert!(std::fs::read(image(&tape)).unwrap() == before);
    std::fs::write(image(&tape), "no tape image at all").unwrap();
    let (_, err) = run(&["check", &tape], 1);
    assert!(err.contains("it is no tape image"), "{err}");
    std::fs::remove_file(image(&tape)).unwrap();
    run(&["check", &tape], 10);
}

/// Many rows, so that a backup takes several devices.
pub fn large() -> Centre {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
         INSERT INTO hsplit SELECT date('2024-01-01', (i / 400) || ' days'), (i % 40) / 2 * 100 + 30 * (i % 2), 30, \
         1 + i % 2, 1 + (i / 40) % 5, abs(random()) % 100000, abs(random()) % 100000 FROM n",
    );
    centre
}

#[test]
fn devices_that_are_full_are_followed_by_the_next_or_by_a_wish() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let tapes: Vec<String> = (0..2).map(|number| format!("tape:{}", place(&format!("{number}.tap")))).collect();
    let folders: Vec<String> = (0..2).map(|number| place(&format!("folder{number}"))).collect();
    for devices in [&folders, &tapes] {
        let arguments = ["backup", "--database", &url, "--device-capacity", "90KiB", "--volume-size", "32KiB"];
        let arguments = [&arguments[..], &["--to", &devices[0]]].concat();
        let (_, err) = run(&arguments, 5);
        assert!(err.contains("wants a further medium") && err.contains("is full"), "{err}");
        assert!(err.contains("name further devices with --to"), "{err}");
        let listed = json(&["check", &devices[0]], 5);
        assert_eq!((listed["sets"].as_array().unwrap().len(), &listed["sets"][0]["complete"]), (1, &false.into()));
        // The finished volumes stay, so that a new backup wants new devices.
        let spare: Vec<String> =
            (0..10).map(|number| place(&format!("{number}-behind-{}", devices == &tapes))).collect();
        let next = [&devices[1..], &spare].concat();
        let to: Vec<&str> = next.iter().flat_map(|device| ["--to", device.as_str()]).collect();
        let arguments = ["backup", "--database", &url, "--volume-size", "32KiB", "--device-capacity", "90KiB"];
        let said = json(&[&arguments[..], &to].concat(), 0);
        assert_eq!(said["verified"], true);
        let used: Vec<&str> = next.iter().map(String::as_str).filter(|device| exists(device)).collect();
        assert!(used.len() > 2 && used.len() < next.len(), "{used:?}");
        json(&[&["check"], &used[..], &["--verify"]].concat(), 0);
        let listed = json(&[&["check"], &used[1..]].concat(), 5);
        assert_eq!(listed["sets"][0]["complete"], false);
    }
    let (_, err) = run(&["backup", "--database", &url, "--to", &place("tiny"), "--device-capacity", "100"], 1);
    assert!(err.contains("more than the capacity of the folder"), "{err}");
    assert!(!Path::new(&place("tiny")).exists(), "nothing is left of a folder that was made for nothing");
}

#[test]
fn a_person_is_asked_for_the_next_medium() {
    let centre = large();
    let url = format!("sqlite:{}", centre.path().display());
    let place = |name: &str| centre.folder.path().join(name).display().to_string();
    let (first, second) = (place("first"), format!("tape:{}", place("second.tap")));
    let program = env!("CARGO_BIN_EXE_intervault");
    let arguments =
        ["backup", "--database", &url, "--to", &first, "--device-capacity", "90KiB", "--volume-size", "32KiB"];
    let mut terminal = Terminal::start(program, &arguments);
    let before = terminal.shows("or q to end here:");
    assert!(before.contains(&format!("{first} is full. The next medium is for volume ")), "{before}");
    terminal.types("/proc/nowhere\n");
    let before = terminal.shows("or q to end here:");
    assert!(before.contains("/proc/nowhere"), "what does not do is named, and asked for again: {before}");
    for _ in 0..2 {
        terminal.types(&format!("{second}\n"));
        terminal.shows("or q to end here:");
    }
    terminal.types("q\n");
    let (said, status) = terminal.ends();
    assert_eq!(status.code(), Some(5), "{said}");
    let listed = json(&["check", &first, &second], 5);
    let wanted = |listed: &serde_json::Value| listed["sets"][0]["missing_volumes"][0].as_u64().unwrap();
    assert_eq!(wanted(&listed), wanted(&json(&["check", &first], 5)) + 1, "the tape goes on where the folder ended");
    assert_eq!(listed["sets"][0]["complete"], false);
}
