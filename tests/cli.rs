//! The programs as processes: exit status, streams, closed pipes, what stands before any work. What the commands do to data is
//! tested where that is done.

#![cfg(all(feature = "cli", feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a program that cannot be started fails the test")]

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

fn intervault(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_intervault")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_wrong_command_line_is_status_2_with_a_reason() {
    let cases: [(&[&str], &str); 9] = [
        (&[], "Usage"),
        (&["unpack"], "unrecognized subcommand"),
        (&["backup", "--to", "/b"], "--database"),
        (&["backup", "--database", "postgres://h/d?colour=red", "--to", "/b"], "colour"),
        (&["backup", "--database", "sqlite:a", "--to", "s3:bucket"], "object stores are not in this release"),
        (&["backup", "--database", "sqlite:a", "--to", "/b", "--incremental", "--tables", "a"], "cannot be used with"),
        (&["restore", "--database", "sqlite:a", "--from", "/b", "--start", "2003-02-29"], "no such date"),
        (
            &["restore", "--database", "sqlite:a", "--from", "/b", "--start", "2003-02-02", "--stop", "2003-02-01"],
            "exchange them",
        ),
        (&["check", "/b", "--list", "--verify"], "cannot be used with"),
    ];
    for (arguments, reason) in cases {
        let output = intervault(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_command_line_is_an_object_too_if_json_is_wanted() {
    for arguments in
        [&["--json", "backup"][..], &["backup", "--json", "--database", "sqlite:a", "--to", "/b", "--base", "/a"]]
    {
        let output = intervault(arguments);
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((code(&output), &object["schema"]), (2, &"intervault/error".into()));
        assert_eq!((&object["exit"], &object["status"]), (&2.into(), &"usage".into()));
        assert!(!object["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [&["--help"][..], &["restore", "--help"], &["--version"]] {
        let output = intervault(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
    let help = text(&intervault(&["restore", "--help"]).stdout);
    assert!(help.contains("Examples:") && help.contains("--resume") && help.contains("--stop-at"), "{help}");
}

/// What stands in an example is typed as it stands: no line is so long that the page breaks it, a line that goes on says so.
#[test]
fn examples_of_help_pages_can_be_typed_line_by_line() {
    let overview = text(&intervault(&["--help"]).stdout);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 15 && names.contains(&"restore"), "{overview}");
    let mut typed = 0;
    for name in names {
        let help = text(&intervault(&[name, "--help"]).stdout);
        let examples: Vec<&str> = help.lines().skip_while(|line| *line != "Examples:").collect();
        for (at, line) in examples.iter().enumerate().filter(|(_, line)| line.starts_with("    ")) {
            assert!(line.chars().count() < 80, "{name}: {line}");
            let before = examples[at - 1];
            let goes_on = before.ends_with(" \\") || before.ends_with(" |");
            assert_eq!(goes_on, line.starts_with("        "), "{name}: {before}\n{line}");
            typed += usize::from(!goes_on);
        }
    }
    assert!(typed > 40, "{typed}");
}

#[test]
fn the_demonstration_does_not_offer_json_and_refuses_it() {
    let help = text(&intervault(&["demo", "--help"]).stdout);
    assert!(help.contains("--quiet") && !help.contains("--json"), "{help}");
    assert_eq!(code(&intervault(&["demo", "--json"])), 2);
}

#[test]
fn a_label_is_explained_and_what_is_not_there_is_status_10() {
    let output = intervault(&["--json", "label", "CMS-031024-01-LSAC-00-F-02"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &object["parts"]["date"]), (0, &"2003-10-24".into()));
    let output = intervault(&["label", "/no/such\u{1b}[2J"]);
    assert_eq!(code(&output), 10);
    assert!(!text(&output.stderr).contains('\u{1b}'), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["label", "CMS-031024-01-LSAC-00-F-02"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["label", "CMS-031024-01-LSAC-00-F-02"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(code(&output), 8);
    assert!(text(&output.stderr).contains("cannot write the answer"), "{}", text(&output.stderr));
}

#[test]
fn completions_and_manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = intervault(&["gen", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(folder.path().join("man/intervault-backup.1").exists());
    assert!(folder.path().join("completions/br_check.bash").exists());
}

#[test]
fn br_check_asks_and_an_input_that_ends_is_status_2() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_br_check"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"d\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 2);
    let asked = "Enter device type [d for directory, f for file, q for tape]: Enter device path: \n";
    assert_eq!(text(&output.stdout), asked);
}
