//! Volumes made to harm, given to the commands that look at volumes, each in a process of 320 MiB and little time: they end by
//! themselves, with a status of their own.

use super::bombs::{BOMBS, Fate, TO_TELL};
use super::confined::SPACE;
use super::tiers::{apart, long};
use intervault::testing::fixtures::small;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_intervault");

/// Statuses that the commands have.
const STATUSES: std::ops::RangeInclusive<i32> = 0..=10;

/// Runs a program with little memory and, in seconds, little processor time.
pub fn confined(program: &str, words: &[&str], state: &Path) -> Output {
    let command = format!("ulimit -v {SPACE}; ulimit -t {}; exec \"$0\" \"$@\"", if long() { 300 } else { 60 });
    let mut process = Command::new("sh");
    process.args(["-c", &command, program]).args(words);
    process.env("INTERVAULT_STATE", state).env("MALLOC_ARENA_MAX", "1").env("RUST_MIN_STACK", "2097152");
    process.stdin(Stdio::null()).output().unwrap()
}

pub fn put(folder: &Path, volumes: Vec<Vec<u8>>) -> String {
    std::fs::create_dir(folder).unwrap();
    for (number, bytes) in volumes.into_iter().enumerate() {
        std::fs::write(folder.join(format!("CMS-{number}.ivv")), bytes).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn commands_that_look_at_bombs_end_by_themselves_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (state, out) = (folder.path().join("state"), folder.path().join("out"));
    let good = put(&folder.path().join("good"), small(None).volumes.into_iter().map(|(_, bytes)| bytes).collect());
    let (to, mut shown) = (out.display().to_string(), 0);
    for (number, (name, fate, bomb)) in BOMBS.iter().enumerate() {
        let place = put(&folder.path().join(number.to_string()), bomb());
        let volume = format!("{place}/CMS-0.ivv");
        let commands: [&[&str]; 16] = [
            &["check", &place],
            &["check", &place, "--json"],
            &["check", &place, "--verify", "--jobs", "1"],
            &["check", &place, "--verify", "--jobs", "1", "--json", "--sample", "50%"],
            &["check", &place, "--labels", "--sections", "--blocks", "--json"],
            &["check", &place, "--chunks"],
            &["check", &place, "--chunks", "--json"],
            &["check", &place, "--coverage"],
            &["check", &place, "--coverage", "--exact", "--json"],
            &["check", &place, "--against", &good],
            &["check", &good, "--against", &place, "--json"],
            &["inspect", "map", &volume],
            &["inspect", "block", "1", &volume],
            &["export", &place, "--to", &to, "--partial", "--jobs", "1"],
            &["rebuild", &place],
            &["salvage", &place, "--to", &to, "--jobs", "1"],
        ];
        // What is refused no verification calls sound, and it says what is wrong.
        let verified = confined(PROGRAM, commands[2], &state);
        let wanted = if *fate == Fate::Refused { 4..=5 } else { 0..=0 };
        assert!(verified.status.code().is_some_and(|code| wanted.contains(&code)), "{name}: {}", verified.status);
        // In the short tier every fourth, of each bomb another one.
        for words in commands.into_iter().skip(if long() { 0 } else { (number + 2) % 4 }).step_by(apart(4)) {
            let Output { status, stdout, stderr } = confined(PROGRAM, words, &state);
            let said = String::from_utf8_lossy(&stderr[..stderr.len().min(2_000)]).into_owned();
            assert!(status.code().is_some_and(|code| STATUSES.contains(&code)), "{name}: {words:?}: {status}: {said}");
            // What is wrong is said in few words; tables of blocks are as long as there are blocks.
            assert!(stderr.len() < 256 << 10, "{name}: {words:?}: {} bytes of errors", stderr.len());
            shown += usize::from(status.success() && !stdout.is_empty());
            let _made_by_this_one = std::fs::remove_dir_all(&out);
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
    assert!(shown > BOMBS.len(), "{shown} commands showed something");
}

/// What may be lost of very many ACDs in very many places is told of some and counted.
#[test]
fn a_salvage_that_has_very_much_to_tell_takes_little_memory_and_few_words() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for (number, (name, acds, bomb)) in TO_TELL.iter().enumerate() {
        let place = put(&folder.path().join(number.to_string()), bomb());
        let salvage = ["salvage", &place, "--jobs", "1", "--dry-run"];
        let text = confined(PROGRAM, &salvage, &state);
        let said = String::from_utf8_lossy(&text.stdout).into_owned();
        assert_eq!(text.status.code(), Some(4), "{name}: {}", String::from_utf8_lossy(&text.stderr));
        assert!(said.contains(" more ACDs may be lost") && said.len() < 1 << 20, "{name}: {} bytes", said.len());
        let json = confined(PROGRAM, &[&salvage[..], &["--json"]].concat(), &state);
        assert_eq!(json.status.code(), Some(4), "{name}: {}", String::from_utf8_lossy(&json.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        let sections = answer["sets"][0]["sections"].as_array().unwrap();
        let told = |section: &serde_json::Value| {
            let listed = section["acds"].as_array().unwrap().len() as u64;
            assert!(listed <= 1_000);
            listed + section["more_acds"].as_u64().unwrap()
        };
        let sum: u64 = sections.iter().map(told).sum();
        assert!(sum >= *acds && sum < acds + 100 * sections.len() as u64, "{name}: {sum} ACDs");
        std::fs::remove_dir_all(&place).unwrap();
    }
}

/// The limit is one: a command that holds more than there is does not end by itself.
#[test]
fn a_command_without_the_memory_that_it_needs_fails_here() {
    let folder = tempfile::tempdir().unwrap();
    let place = put(&folder.path().join("good"), small(None).volumes.into_iter().map(|(_, bytes)| bytes).collect());
    let command = "ulimit -v 20000; exec \"$0\" \"$@\"";
    let mut process = Command::new("sh");
    process.args(["-c", command, PROGRAM, "check", &place]);
    let output = process.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.code().is_none_or(|code| !STATUSES.contains(&code)), "{}", output.status);
}
