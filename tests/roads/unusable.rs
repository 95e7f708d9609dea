//! Files beside the sets that cannot be used: a restore says so, and takes no older state for the newest where the name of one of
//! them says that it is newer.

use super::commands::{Case, json, run};
use intervault::device::directory::DirectoryDevice;
use intervault::device::name::partial_name;
use intervault::device::traits::Device;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A full backup and an incremental one, the database with the rows of the last.
struct Nights {
    case: Case,
    /// The volume of the incremental one.
    newest: PathBuf,
    full: String,
}

impl Nights {
    fn new() -> Nights {
        let case = Case::new();
        let full = case.backup["set"].as_str().unwrap().to_owned();
        let before = names(&case);
        case.centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1000");
        let (url, to) = (case.url(), case.device());
        run(&["backup", "--database", &url, "--to", &to, "--data", "historical,acd", "--incremental"], 0);
        let newest = names(&case).difference(&before).next().unwrap().clone();
        Nights { case, newest, full }
    }

    /// Damages the label of the newest volume.
    fn unlabelled() -> Nights {
        let nights = Nights::new();
        let mut bytes = std::fs::read(&nights.newest).unwrap();
        bytes[90] ^= 4;
        std::fs::write(&nights.newest, bytes).unwrap();
        nights
    }

    fn restore<'a>(&self, words: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
        words.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    fn words(&self) -> Vec<String> {
        let (url, from) = (self.case.url(), self.case.device());
        ["restore", "--database", &url, "--from", &from, "--data", "historical"].map(str::to_owned).to_vec()
    }
}

fn names(case: &Case) -> BTreeSet<PathBuf> {
    std::fs::read_dir(case.device()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// The label of the newest set is damaged: the night before does not come back over it in silence.
#[test]
fn a_newer_volume_without_its_label_refuses_the_older_state() {
    let nights = Nights::unlabelled();
    let newest = nights.newest.file_name().unwrap().to_str().unwrap();
    let truth = nights.case.contents();
    let words = nights.words();
    for more in [&["--yes", "--no-undo"][..], &["--yes", "--no-undo", "-q"], &["--dry-run"], &["--save-plan", "plan"]] {
        let (_, err) = run(&nights.restore(&words, more), 4);
        assert!(err.contains(newest) && err.contains("--set"), "{more:?}: {err}");
        assert_eq!(nights.case.contents(), truth);
    }
    let answer = json(&nights.restore(&words, &["--dry-run"]), 4);
    let refusals = answer["plan"]["refusals"].as_array().unwrap();
    assert!(refusals.len() == 1 && refusals[0]["what"].as_str().unwrap().contains(newest), "{refusals:?}");
    assert!(answer["plan"]["notices"].to_string().contains(newest), "{answer}");
    run(&nights.restore(&words, &["--dry-run", "--set", "newest"]), 4);
    // Told what is meant, it goes on, and says what it could not use.
    for more in [&["--set", &nights.full, "--yes", "--no-undo"][..], &["--dry-run", "--partial"]] {
        let (out, _) = run(&nights.restore(&words, more), 3);
        assert!(out.contains(newest), "{more:?}: {out}");
    }
    assert_ne!(nights.case.contents(), truth);
}

/// Nor does it where the newest set can be read and is not whole: whoever asks for the last whole one is told of a newer one,
/// as is who asks for the newest.
#[test]
fn the_last_whole_set_is_not_taken_in_silence_for_a_newer_one() {
    let nights = Nights::new();
    let (truth, words, whole) = (nights.case.contents(), nights.words(), std::fs::read(&nights.newest).unwrap());
    for (left, status) in [(whole.len() - 10, 4), (whole.len() - 192, 4), (whole.len() / 2, 4)] {
        std::fs::write(&nights.newest, &whole[..left]).unwrap();
        for set in [&[][..], &["--set", "newest"]] {
            run(&nights.restore(&words, &[set, &["--yes", "--no-undo"]].concat()), status);
            assert_eq!(nights.case.contents(), truth, "{left}, {set:?}");
        }
        let (out, _) = run(&nights.restore(&words, &["--set", "newest", "--dry-run"]), status);
        assert!(out.contains("the last whole one, and is not whole here"), "{out}");
        let (out, _) = run(&nights.restore(&words, &["--set", "newest", "--dry-run", "--partial"]), 3);
        assert!(out.contains("the last whole one, and is not whole here"), "{out}");
        // What it has not it does not stand in the way of.
        run(&nights.restore(&words, &["--set", &nights.full, "--dry-run"]), 0);
    }
    // One that was never finished is in nobody's way, whatever became of its label.
    let name = nights.newest.file_name().unwrap().to_str().unwrap();
    let partial = nights.newest.with_file_name(partial_name(name));
    std::fs::remove_file(&nights.newest).unwrap();
    for (flip, status) in [(0, 0), (4, 3)] {
        let mut left = whole[..whole.len() / 2].to_vec();
        left[90] ^= flip;
        std::fs::write(&partial, left).unwrap();
        for set in [&[][..], &["--set", "newest"]] {
            run(&nights.restore(&words, &[set, &["--dry-run"]].concat()), status);
        }
    }
}

/// The newest member need not have the kinds of data of a volume that cannot be used: the one counts that has them.
#[test]
fn a_newer_set_of_other_data_hides_no_volume() {
    let nights = Nights::unlabelled();
    let (url, to, truth) = (nights.case.url(), nights.case.device(), nights.case.contents());
    run(&["backup", "--database", &url, "--to", &to, "--data", "acd", "--incremental"], 0);
    let words = nights.words();
    run(&nights.restore(&words, &["--yes", "--no-undo"]), 4);
    run(&["restore", "--database", &url, "--from", &to, "--yes", "--no-undo"], 4);
    assert_eq!(nights.case.contents(), truth);
    run(&["restore", "--database", &url, "--from", &to, "--data", "acd", "--dry-run"], 3);
}

/// A link that leads to nothing may be one to a volume on a disk that is not here; a name that nobody can read may be one of a
/// volume. Neither is an absence.
#[test]
fn links_to_nothing_and_names_that_nobody_can_read_are_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let nights = Nights::new();
    let (words, truth, from) = (nights.words(), nights.case.contents(), nights.case.device());
    let whole = std::fs::read(&nights.newest).unwrap();
    std::fs::remove_file(&nights.newest).unwrap();
    for target in [PathBuf::from("/nowhere/volume.ivv"), nights.newest.clone()] {
        std::os::unix::fs::symlink(target, &nights.newest).unwrap();
        for command in [&["check"][..], &["check", "--list"], &["check", "--verify"]] {
            let (out, err) = run(&[command, &[&from]].concat(), 5);
            assert!((out + &err).contains(nights.newest.file_name().unwrap().to_str().unwrap()), "{command:?}");
        }
        run(&nights.restore(&words, &["--yes", "--no-undo"]), 5);
        assert_eq!(nights.case.contents(), truth);
        std::fs::remove_file(&nights.newest).unwrap();
    }
    let mut name = nights.newest.file_name().unwrap().as_bytes().to_vec();
    name[4] = 0xFF;
    std::fs::write(nights.newest.with_file_name(std::ffi::OsStr::from_bytes(&name)), whole).unwrap();
    let (_, err) = run(&["check", &from], 5);
    assert!(err.contains("its name is no UTF-8"), "{err}");
    let (out, _) = run(&nights.restore(&words, &["--dry-run"]), 3);
    assert!(out.contains("its name is no UTF-8"), "{out}");
}

/// What a name says after a line break is no word of ours.
#[test]
fn a_line_break_in_a_name_begins_no_line() {
    let nights = Nights::new();
    let from = nights.case.device();
    let name = "a\nerror: FORGED\r\nVerified all: nothing is wrong.ivv";
    std::fs::write(PathBuf::from(&from).join(name), "no volume").unwrap();
    let state = nights.case.centre.folder.path().join("state").display().to_string();
    let status = ["status", "--chain", "--state-dir", &state];
    let rebuild = ["rebuild", "--state-dir", &state];
    let export = ["export", "--tables", "hsplit", "--to", "-"];
    for command in [&["check"][..], &["check", "--list"], &rebuild, &status, &export] {
        let (out, err) = said(&[command, &[&from]].concat());
        let all = format!("{out}\n{err}");
        assert!(all.contains("FORGED"), "{command:?}: {all}");
        assert!(
            !all.lines().any(|line| line.starts_with("error: FORGED") || line.starts_with("Verified all")),
            "{all}"
        );
    }
}

fn said(words: &[&str]) -> (String, String) {
    let output = super::commands::intervault(words);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// An answer says the status with which the command ends.
#[test]
fn the_status_of_an_answer_is_that_of_the_command() {
    let nights = Nights::unlabelled();
    let state = nights.case.centre.folder.path().join("state").display().to_string();
    json(&["status", "--chain", &nights.case.device(), "--state-dir", &state], 4);
}

/// A comparison says so too: the same as an older state is not the same.
#[test]
fn a_comparison_says_what_it_cannot_use() {
    let nights = Nights::unlabelled();
    let (url, from) = (nights.case.url(), nights.case.device());
    nights.case.centre.run("UPDATE hsplit SET acdcalls = acdcalls - 1000");
    let against = ["check", &from, "--against", &url, "--tables", "hsplit"];
    let (out, err) = run(&against, 4);
    assert!(out.contains("the same") && err.contains("by its name it may be newer"), "{out}{err}");
    let (_, err) = run(&[&against[..], &["--set", &nights.full]].concat(), 3);
    assert!(err.contains("checksum") || err.contains("damaged"), "{err}");
}

/// What is being written between two volumes is no set that lost something: whoever asks for the last whole one waits for it.
#[test]
fn the_last_whole_set_is_not_taken_while_a_newer_one_is_written() {
    let case = Case::new();
    let before = names(&case);
    case.centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1000");
    let (url, to) = (case.url(), case.device());
    let backup = ["backup", "--database", &url, "--to", &to, "--data", "historical,acd", "--incremental"];
    run(&[&backup[..], &["--volume-size", "5KiB"]].concat(), 0);
    let own: Vec<PathBuf> = names(&case).difference(&before).cloned().collect();
    assert!(own.len() > 1, "{own:?}");
    let device = DirectoryDevice::open(&to).unwrap();
    let lock = device.lock().unwrap();
    let last = own.last().unwrap();
    let name = last.file_name().unwrap().to_str().unwrap();
    std::fs::remove_file(last).unwrap();
    drop(device.create(name).unwrap());
    std::fs::remove_file(last.with_file_name(partial_name(name))).unwrap();
    let restore =
        ["restore", "--database", &url, "--from", &to, "--data", "historical", "--set", "newest", "--dry-run"];
    let (out, err) = run(&restore, 6);
    assert!((out.clone() + &err).contains("being written now (process "), "{out}{err}");
    run(&[&restore[..], &["--partial"]].concat(), 3);
    drop(lock);
    let (out, err) = run(&restore, 5);
    assert!(!(out.clone() + &err).contains("being written now"), "{out}{err}");
}

/// Export too takes the newest state that is here.
#[test]
fn an_export_says_what_it_cannot_use() {
    let nights = Nights::unlabelled();
    let from = nights.case.device();
    let to = nights.case.centre.folder.path().join("rows.csv").display().to_string();
    let export = ["export", &from, "--tables", "hsplit", "--to", &to];
    let (_, err) = run(&export, 4);
    assert!(err.contains("by its name it may be newer"), "{err}");
    run(&[&export[..], &["--set", &nights.full]].concat(), 3);
    let answer = json(&[&export[..], &["--partial", "--overwrite"]].concat(), 3);
    assert_eq!(answer["set"], *nights.full);
    let unusable = answer["unreadable"].as_array().unwrap();
    assert_eq!((unusable.len(), &unusable[0]["status"]), (1, &"damage".into()), "{answer}");
}

/// Nor do older files come back in silence.
#[test]
fn files_of_an_older_set_are_refused_beside_a_newer_volume() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("tree")).unwrap();
    let backup = ["backup", "--files", &path("tree"), "--to", &path("volumes")];
    std::fs::write(path("tree/file"), "old").unwrap();
    let older = json(&backup, 0);
    std::fs::write(path("tree/file"), "new").unwrap();
    let newer = json(&backup, 0);
    let name = newer["volumes"][0]["name"].as_str().unwrap();
    let volume = folder.path().join("volumes").join(name);
    let mut bytes = std::fs::read(&volume).unwrap();
    bytes[90] ^= 4;
    std::fs::write(&volume, bytes).unwrap();
    let restore = ["restore", "--from", &path("volumes"), "--files-to", &path("out")];
    let (_, err) = run(&restore, 4);
    assert!(err.contains("by its name it may be newer") && !folder.path().join("out").exists(), "{err}");
    let answer = json(&[&restore[..], &["--partial", "--dry-run"]].concat(), 3);
    assert_eq!(answer["unreadable"][0]["name"], *name, "{answer}");
    let (_, err) = run(&[&restore[..], &["--set", older["set"].as_str().unwrap()]].concat(), 3);
    assert!(err.contains(name), "{err}");
}

/// What merely has the ending of a volume is told and refuses nothing; nor does a volume that was begun and has nothing on it, or
/// one that is older.
#[test]
fn strays_and_beginnings_are_told_and_refuse_nothing() {
    let nights = Nights::new();
    let words = nights.words();
    let truth = nights.case.contents();
    let volumes = PathBuf::from(nights.case.device());
    let strays = ["notes.ivv", "CMS-old-01.0123abcd.ivv", "CMS-030303-01-LSAX-00-F-01.0123abcd.ivv"];
    let begun = ".CMS-690303-01-LSAX-00-F-01.0123abcd.ivv.partial";
    for name in strays.into_iter().chain([begun]) {
        let path = volumes.join(name);
        std::fs::write(&path, if name == begun { "" } else { "no volume" }).unwrap();
        nights.case.centre.run("DELETE FROM hsplit WHERE acd = 1");
        let (out, _) = run(&nights.restore(&words, &["--yes", "--no-undo", "-q"]), 3);
        assert!(out.contains(name), "{name}: {out}");
        assert_eq!(nights.case.contents(), truth, "{name}");
        std::fs::remove_file(path).unwrap();
    }
    run(&nights.restore(&words, &["--dry-run"]), 0);
    // The same bytes under the name of a newer volume may have been one.
    std::fs::write(volumes.join("CMS-690303-01-LSAX-00-F-01.0123abcd.ivv"), "no volume").unwrap();
    run(&nights.restore(&words, &["--dry-run"]), 4);
    let named = ["restore", "--database", &nights.case.url(), "--from", &nights.case.device(), "--dry-run", "--tables"];
    run(&[&named[..], &["synonyms"]].concat(), 4);
    // By its name it has no ACD administration data.
    std::fs::rename(
        volumes.join("CMS-690303-01-LSAX-00-F-01.0123abcd.ivv"),
        volumes.join("CMS-690303-01-LSHX-00-F-01.0123abcd.ivv"),
    )
    .unwrap();
    let acd = [&named[..named.len() - 1], &["--data", "acd"]].concat();
    let (out, _) = run(&acd, 3);
    assert!(out.contains("CMS-690303-01-LSHX") && !out.contains("Refused"), "{out}");
    // Files alone are no part of all tables, nor administration data of a range of time.
    for (letters, more) in [("XXXC", &[][..]), ("LSMX", &["--start", "2003-01-01"])] {
        let name = volumes.join(format!("CMS-690303-01-{letters}-00-F-01.0123abcd.ivv"));
        std::fs::remove_file(volumes.join("CMS-690303-01-LSHX-00-F-01.0123abcd.ivv")).unwrap_or_default();
        std::fs::write(&name, "no volume").unwrap();
        let (out, _) = run(&[&named[..named.len() - 1], more].concat(), 3);
        assert!(out.contains(letters) && !out.contains("Refused"), "{out}");
        std::fs::remove_file(name).unwrap();
    }
}

/// A volume that somebody is beginning is told by a notice.
#[test]
fn a_volume_that_is_being_begun_is_a_notice() {
    let nights = Nights::new();
    let words = nights.words();
    let volumes = PathBuf::from(nights.case.device());
    let device = DirectoryDevice::open(&volumes).unwrap();
    let lock = device.lock().unwrap();
    let sink = device.create("CMS-690303-01-LSAX-00-F-01.0123abcd.ivv").unwrap();
    let (_, err) = run(&nights.restore(&words, &["--dry-run"]), 0);
    assert!(err.contains("is being begun now"), "{err}");
    drop((sink, lock));
}
