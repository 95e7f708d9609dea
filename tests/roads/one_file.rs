//! Several volumes in one file: what lies between them is told of, whatever it is, and what is damaged there is damage.

use super::commands::{json, run};
use super::support::{Centre, HSPLIT};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A set of several volumes in a folder, with the bytes of each.
fn volumes(centre: &Centre) -> (PathBuf, Vec<Vec<u8>>) {
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 16127) INSERT INTO hsplit \
         SELECT '2024-02-' || printf('%02d', 1 + i / 576), i / 24 % 24 * 100 + i / 12 % 2 * 30, 30, 1, i % 12, \
         (i * 7919) % 99991, hex((i * 104729) % 65521) FROM n",
    );
    let folder = centre.folder.path().join("g");
    let (url, to) = (format!("sqlite:{}", centre.path().display()), folder.display().to_string());
    run(&["backup", "--database", &url, "--to", &to, "--data", "historical", "--volume-size", "24KiB"], 0);
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|suffix| suffix == "ivv"));
    names.sort();
    let bytes: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(name).unwrap()).collect();
    assert!(bytes.len() >= 3, "{names:?}");
    (folder, bytes)
}

struct Place {
    path: PathBuf,
    state: String,
}

impl Place {
    fn new(centre: &Centre) -> Place {
        let at = |name: &str| centre.folder.path().join(name);
        Place { path: at("one.ivv"), state: at("state").display().to_string() }
    }

    fn check(&self, bytes: &[u8], more: &[&str], status: i32) -> Value {
        std::fs::write(&self.path, bytes).unwrap();
        json(&[&["check", self.path.to_str().unwrap(), "--state-dir", &self.state][..], more].concat(), status)
    }
}

fn rows(answer: &Value) -> u64 {
    answer["sets"].as_array().unwrap().iter().map(|set| set["verified"]["rows"].as_u64().unwrap()).sum()
}

#[test]
fn what_lies_between_volumes_is_never_passed_in_silence() {
    let centre = Centre::new(&[HSPLIT]);
    let (_, bytes) = volumes(&centre);
    let place = Place::new(&centre);
    let all = bytes.concat();
    let sound = place.check(&all, &["--verify"], 0);
    let (verified, whole) = (&sound["sets"][0]["verified"], rows(&sound));
    assert_eq!((verified["whole"].clone(), verified["exists"].clone()), (true.into(), all.len().into()));
    assert_eq!(verified["findings"].as_array().unwrap().len(), 0);
    // Noise at each border is damage, and the set is there all the same.
    let noise: Vec<u8> = (0..64_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    for border in 1..=bytes.len() {
        let (before, behind) = bytes.split_at(border);
        let answer = place.check(&[before.concat(), noise.clone(), behind.concat()].concat(), &["--verify"], 4);
        let bad = answer["unreadable"].as_array().unwrap();
        assert_eq!((bad.len(), rows(&answer)), (1, whole), "{border}: {answer}");
        assert!(bad[0]["reason"].as_str().unwrap().contains("(64000 bytes"), "{bad:?}");
    }
    // Zeros, as the last record of a volume on a tape ends with, are told of.
    std::fs::write(&place.path, [&bytes[0][..], &[0; 4_096], &bytes[1..].concat()].concat()).unwrap();
    let words = ["check", place.path.to_str().unwrap(), "--verify", "--state-dir", &place.state];
    let (said, warned) = run(&words, 0);
    assert!(
        said.contains("nothing is wrong") && warned.contains("4096 bytes beside its volumes are zeros"),
        "{warned}"
    );
    // More of them than fill any record are none of a tape.
    let zeros = vec![0; (8 << 20) + 64];
    let answer = place.check(&[&bytes[0][..], &zeros, &bytes[1..].concat()].concat(), &["--verify"], 4);
    assert_eq!((answer["unreadable"].as_array().unwrap().len(), rows(&answer)), (1, whole), "{answer}");
}

#[test]
fn a_volume_whose_label_is_damaged_is_damaged_in_a_file_as_it_is_in_a_folder() {
    let centre = Centre::new(&[HSPLIT]);
    let (folder, bytes) = volumes(&centre);
    let place = Place::new(&centre);
    let last = bytes.len() - 1;
    for (volume, at) in [(1, 1), (1, 17), (1, 60), (0, 60), (last, 2)] {
        let mut hurt = bytes.clone();
        hurt[volume][at] ^= 0x55;
        let answer = place.check(&hurt.concat(), &["--verify"], 4);
        let [set] = &answer["sets"].as_array().unwrap()[..] else { panic!("{volume} {at}: {answer}") };
        assert_eq!(set["missing_volumes"].as_array().unwrap().len(), 0, "{volume} {at}: {set}");
        let name = |number: usize| {
            std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|suffix| suffix == "ivv"))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .nth(number)
                .unwrap()
        };
        std::fs::write(name(volume), &hurt[volume]).unwrap();
        let apart = json(&["check", folder.to_str().unwrap(), "--verify", "--state-dir", &place.state], 4);
        std::fs::write(name(volume), &bytes[volume]).unwrap();
        let of = |answer: &Value| {
            let verified = &answer["sets"][0]["verified"];
            (verified["rows"].clone(), verified["exists"].clone(), verified["findings"].as_array().unwrap().len())
        };
        assert_eq!(of(&answer), of(&apart), "{volume} {at}");
    }
    // Of another set behind it nobody knows the label: its bytes are told of.
    let mut other = bytes[0].clone();
    for chunk in other.chunks_mut(64).filter(|chunk| chunk.starts_with(&bytes[0][..4])) {
        chunk[0] ^= 1;
    }
    let answer = place.check(&[bytes.concat(), other].concat(), &["--verify"], 4);
    assert_eq!((answer["unreadable"].as_array().unwrap().len(), answer["sets"].as_array().unwrap().len()), (1, 1));
}

#[test]
fn a_file_of_several_volumes_in_a_folder_is_to_be_named_itself() {
    let centre = Centre::new(&[HSPLIT]);
    let (_, bytes) = volumes(&centre);
    let folder = centre.folder.path().join("f");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("one.ivv"), bytes.concat()).unwrap();
    let (said, _) = run(&["check", folder.to_str().unwrap(), "--verify"], 5);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("one.ivv")).collect();
    let wanted = format!("one.ivv holds {} volumes, one behind the other", bytes.len());
    assert!(lines.len() == 1 && lines[0].contains(&wanted), "{said}");
    assert!(!said.contains("damage:"), "{said}");
}

#[test]
fn what_was_proved_of_a_file_of_several_volumes_counts_until_it_is_changed() {
    let centre = Centre::new(&[HSPLIT]);
    let (_, bytes) = volumes(&centre);
    let place = Place::new(&centre);
    let mut all = bytes.concat();
    place.check(&all, &["--verify"], 0);
    let again = |status| {
        let words = ["check", place.path.to_str().unwrap(), "--state-dir", &place.state, "--verify", "--since-last"];
        json(&words, status)["sets"][0]["verified"]["part"].clone()
    };
    let part = again(0);
    assert!(part["read"] == 0 && part["proved_before"].as_u64() > Some(0), "{part}");
    all[bytes[0].len() / 2] ^= 1;
    std::fs::write(&place.path, &all).unwrap();
    let part = again(4);
    assert_eq!(part["proved_before"], 0);
    // What came through a pipe is not known again, good or bad.
    let piped = |bytes: &[u8], more: &str| {
        std::fs::write(&place.path, bytes).unwrap();
        let line = format!(
            "'{}' check - --verify --since-last --state-dir '{}' {more} < '{}'",
            env!("CARGO_BIN_EXE_intervault"),
            place.state,
            Path::new(&place.path).display()
        );
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (bytes, status) in [(&bytes.concat(), 0), (&all, 4)] {
        let (ended, warned) = piped(bytes, "");
        assert_eq!(ended, Some(status), "{warned}");
        assert!(warned.contains("--since-last leaves out nothing"), "{warned}");
    }
}
