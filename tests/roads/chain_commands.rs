//! Chains by the command line: a full set and incremental ones in one folder or in several, restored as one, to an earlier
//! state, with a member missing.

use super::commands::{Case, json, run};
use super::support::*;
use intervault::device::directory::DirectoryDevice;
use intervault::device::joined::JoinedDevice;
use intervault::device::traits::Device;
use intervault::restore::{self, Outcome, Restore};
use intervault::schema::grain::DataType;
use intervault::schema::range::{Policies, Uncovered};
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::set::list_sets;
use serde_json::Value;
use std::path::PathBuf;

/// A centre with a full backup, and two incremental ones each in a folder of its own: a late row on the 2nd and the days 5
/// and 6 in the first, a late row on the 3rd in the second.
pub struct Chained {
    pub case: Case,
    /// What the tables held when each set was written, the full one first.
    pub states: Vec<Vec<String>>,
}

impl Chained {
    pub fn new() -> Chained {
        let case = Case::new();
        let mut chained = Chained { states: vec![case.contents()], case };
        chained.case.centre.interval("2024-03-02", 1200, 30, 1, 77);
        for day in [5, 6] {
            chained.case.centre.intervals(&format!("2024-03-{day:02}"), 800, 1200, 30, 1);
        }
        chained.incremental(1);
        chained.case.centre.interval("2024-03-03", 1200, 30, 1, 78);
        chained.incremental(2);
        chained
    }

    pub fn folder(&self, sequence: u32) -> String {
        let folder: PathBuf = match sequence {
            0 => self.case.device().into(),
            _ => self.case.centre.folder.path().join(format!("incremental-{sequence}")),
        };
        folder.display().to_string()
    }

    fn incremental(&mut self, sequence: u32) {
        let (url, to) = (self.case.url(), self.folder(sequence));
        let mut words = vec!["backup", "--database", &url, "--to", &to, "--data", "historical,acd", "--incremental"];
        let before: Vec<String> = (0..sequence).map(|before| self.folder(before)).collect();
        words.extend(before.iter().flat_map(|folder| ["--base", folder]));
        run(&words, 0);
        self.states.push(self.case.contents());
    }

    /// The words of a restore from some of the folders.
    fn words(&self, sequences: &[u32], more: &[&str]) -> Vec<String> {
        let mut words = vec!["restore".to_owned(), "--database".to_owned(), self.case.url()];
        for sequence in sequences {
            words.extend(["--from".to_owned(), self.folder(*sequence)]);
        }
        let more = [&["--data", "historical", "--uncovered", "delete"], more].concat();
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    fn run(&self, sequences: &[u32], more: &[&str], status: i32) -> (String, String) {
        let words = self.words(sequences, more);
        run(&words.iter().map(String::as_str).collect::<Vec<_>>(), status)
    }

    fn json(&self, sequences: &[u32], more: &[&str], status: i32) -> Value {
        let words = self.words(sequences, more);
        json(&words.iter().map(String::as_str).collect::<Vec<_>>(), status)
    }

    fn label(&self, sequence: u32) -> String {
        let found = json(&["check", &self.folder(sequence), "--list"], 0);
        found["sets"][0]["label"].as_str().unwrap().to_owned()
    }

    fn ruin(&self) {
        self.case.ruin();
        self.case.centre.run("DELETE FROM hsplit WHERE row_date IN ('2024-03-04', '2024-03-06')");
    }
}

fn hsplit(plan: &Value) -> &Value {
    plan["tables"].as_array().unwrap().iter().find(|table| table["table"] == "hsplit").unwrap()
}

#[test]
fn a_chain_in_several_folders_is_restored_as_one_and_to_an_earlier_state() {
    let chain = Chained::new();
    chain.ruin();
    // Which folder is named first does not matter.
    let plan = chain.json(&[1, 0, 2], &["--dry-run"], 0)["plan"].clone();
    let of =
        |name: &str| plan["members"].as_array().unwrap().iter().map(|member| member[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("sequence"), [2, 1, 0]);
    assert_eq!((plan["set"].clone(), of("set").len()), (of("set")[0].clone(), 3));
    assert_eq!(plan["gaps"], Value::Array(Vec::new()));
    let volumes: Vec<Value> = plan["volumes"].as_array().unwrap().iter().map(|need| need["set"].clone()).collect();
    assert_eq!(volumes, of("set"), "each member gives something");
    let (said, _) = chain.run(&[0, 1, 2], &["--yes"], 0);
    assert!(said.contains(&format!("; 1 of {}", chain.label(0))) && said.contains("of its chain"), "{said}");
    assert_eq!(chain.case.contents(), chain.states[2]);
    // Back to what the first one saw, and to the full one by the beginning of its id.
    let label = chain.label(1);
    chain.run(&[0, 1, 2], &["--stop-at", &label, "--yes"], 0);
    assert_eq!(chain.case.contents(), chain.states[1]);
    let full = chain.case.backup["set"].as_str().unwrap();
    let (said, _) = chain.run(&[0, 1, 2], &["--stop-at", &full[..6], "--yes"], 0);
    assert!(!said.contains("of its chain"), "{said}");
    // What no set up to there speaks for stays.
    let held = |rows: &[String]| {
        rows.iter()
            .filter(|row| !row.contains("2024-03-05") && !row.contains("2024-03-06"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(held(&chain.case.contents()), chain.states[0]);
    // A set brings those before it along, and is not an earlier state of itself and those.
    let plan = chain.json(&[0, 1, 2], &["--set", &label, "--dry-run"], 0)["plan"].clone();
    assert_eq!(plan["members"].as_array().unwrap().len(), 2);
    let newest = chain.label(2);
    let (_, said) = chain.run(&[0, 1, 2], &["--set", &label, "--stop-at", &newest, "--yes"], 9);
    assert!(said.contains("no earlier state") && said.contains("list them with"), "{said}");
    let (_, said) = chain.run(&[0, 1, 2], &["--set", "CMS-999999-01-H-00-F-01", "--yes"], 10);
    assert!(said.contains("no set CMS-999999-01-H-00-F-01 on "), "{said}");
}

#[test]
fn a_missing_member_is_named_with_what_it_costs() {
    let chain = Chained::new();
    chain.ruin();
    let before = chain.case.contents();
    let (said, error) = chain.run(&[0, 2], &["--yes"], 5);
    assert!(said.contains("NOT HERE") && said.contains("missing-member"), "{said}");
    assert!(error.contains("missing-member") && error.contains("--partial"), "{error}");
    assert_eq!(chain.case.contents(), before);
    let plan = chain.json(&[0, 2], &["--dry-run"], 5)["plan"].clone();
    assert_eq!((&plan["gaps"][0]["first"], &plan["gaps"][0]["last"]), (&1.into(), &1.into()));
    let hsplit = hsplit(&plan);
    assert_eq!(hsplit["stale"], serde_json::json!([{"acd": 1, "day": "2024-03-02"}]));
    let lost = |day: &str| serde_json::json!({"acd": 1, "day": day});
    assert_eq!(hsplit["lost"], Value::Array(vec![lost("2024-03-05"), lost("2024-03-06")]));
    assert!(said.contains("1 bucket only in an older state here") && said.contains("2 buckets in no set"), "{said}");
    chain.run(&[0, 2], &["--partial", "--yes"], 3);
    let rest = |rows: &[String]| {
        let lost = ["2024-03-02", "2024-03-05", "2024-03-06"];
        rows.iter().filter(|row| !lost.iter().any(|day| row.contains(day))).cloned().collect::<Vec<_>>()
    };
    assert_eq!(rest(&chain.case.contents()), rest(&chain.states[2]));
}

#[test]
fn an_older_member_leaves_alone_what_a_later_one_put_in() {
    let chain = Chained::new();
    chain.ruin();
    chain.run(&[0, 1, 2], &["--yes"], 0);
    let (said, _) = chain.run(&[0], &["--yes"], 0);
    assert!(said.contains("left out, a later set was restored there"), "{said}");
    assert_eq!(chain.case.contents(), chain.states[2]);
    let later = chain.json(&[0], &["--dry-run"], 0)["plan"].clone();
    let later = &hsplit(&later)["acds"][0]["later"];
    assert_eq!(*later, serde_json::json!([{"from": "2024-03-02 00:00", "until": "2024-03-04 00:00"}]));
    chain.run(&[0], &["--older-wins", "--yes"], 0);
    assert_ne!(chain.case.contents(), chain.states[2]);
}

/// Several chains in one folder: they are listed, with what to say.
#[test]
fn several_chains_are_listed_and_told_apart() {
    let chain = Chained::new();
    run(&["backup", "--database", &chain.case.url(), "--to", &chain.folder(0), "--data", "historical"], 0);
    let (_, said) = chain.run(&[0, 1, 2], &["--yes"], 9);
    assert!(said.contains("several sets to choose from") && said.contains("with 2 before it"), "{said}");
    assert!(said.contains("--set"), "{said}");
    let newest = chain.label(2);
    chain.run(&[0, 1, 2], &["--set", &newest, "--yes"], 0);
}

#[test]
fn a_chain_is_saved_in_a_plan_and_applied_with_just_its_members() {
    let chain = Chained::new();
    chain.ruin();
    let file = chain.case.centre.folder.path().join("chain.plan").display().to_string();
    chain.run(&[0, 1, 2], &["--save-plan", &file], 0);
    let url = chain.case.url();
    let apply = |sequences: &[u32], status| {
        let mut words = vec!["restore".to_owned(), "--database".to_owned(), url.clone()];
        words.extend(sequences.iter().flat_map(|sequence| ["--from".to_owned(), chain.folder(*sequence)]));
        words.extend(["--plan".to_owned(), file.clone(), "--yes".to_owned()]);
        run(&words.iter().map(String::as_str).collect::<Vec<_>>(), status)
    };
    let (_, said) = apply(&[0, 2], 5);
    assert!(said.contains("the saved plan is of set") && said.contains("which is not on"), "{said}");
    // A set more does not matter: the plan names its own.
    run(&["backup", "--database", &url, "--to", &chain.folder(0), "--data", "historical"], 0);
    apply(&[2, 0, 1], 0);
    assert_eq!(chain.case.contents(), chain.states[2]);
}

/// A centre with one row more than that, a thousand a day, its URL and a folder for volumes of which it needs several.
fn onto_small_volumes(rows: u32) -> (Centre, String, String) {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(&format!(
        "INSERT INTO hsplit WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         SELECT date('2024-01-01', '+' || (i / 1000) || ' days'), i % 48 / 2 * 100 + i % 2 * 30, 30, 1, i % 5, random(), \
         'a' FROM n"
    ));
    let url = format!("sqlite:{}", centre.path().display());
    let volumes = centre.folder.path().join("volumes").display().to_string();
    (centre, url, volumes)
}

/// However early it is killed, an incremental backup advances the chain wholly or not at all; the next one finds the rest.
#[test]
fn a_backup_that_is_killed_advances_the_chain_wholly_or_not_at_all() {
    let (centre, url, volumes) = onto_small_volumes(60000);
    let backup = ["backup", "--database", &url, "--to", &volumes, "--data", "historical", "--volume-size", "64KiB"];
    run(&backup, 0);
    let incremental = [&backup[..], &["--incremental"]].concat();
    let (mut members, mut killed) = (0, 0);
    for delay in [1, 5, 20, 40, 60, 80, 120, 200, 400] {
        centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE starttime = 800");
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_intervault"))
            .args(&incremental)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        let done = child.wait().unwrap().success();
        killed += u32::from(!done);
        let answer = json(&incremental, 0);
        // A kill may also come after the last volume has its name.
        let parent = answer["base"]["sequence"].as_u64().unwrap();
        assert!(parent == members || (parent == members + 1 && answer["rows"] == 0), "{delay}: {answer}");
        members = parent + 1;
    }
    assert!(killed > 2, "{killed}");
    let target = Centre::new(&[HSPLIT]);
    let target_url = format!("sqlite:{}", target.path().display());
    run(&["restore", "--database", &target_url, "--from", &volumes, "--yes", "--no-undo"], 0);
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// A backup that was cut short between two volumes looks as if its next one were elsewhere. The one that was taken in its place
/// is meant, with a word, unless somebody asks for the other.
#[test]
fn a_set_that_was_written_again_is_not_in_the_way() {
    let (centre, url, volumes) = onto_small_volumes(30000);
    let backup = ["backup", "--database", &url, "--to", &volumes, "--data", "historical", "--volume-size", "64KiB"];
    run(&backup, 0);
    let incremental = [&backup[..], &["--incremental"]].concat();
    centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1");
    let first = json(&incremental, 0);
    let label = first["label"].as_str().unwrap();
    let names: Vec<&str> = first["volumes"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert!(names.len() > 2, "{names:?}");
    names[1..].iter().for_each(|name| std::fs::remove_file(PathBuf::from(&volumes).join(name)).unwrap());
    let again = json(&incremental, 0);
    assert_eq!((again["base"]["sequence"].as_u64(), again["rows"].as_u64()), (Some(0), Some(30_001)), "{again}");
    let target = Centre::new(&[HSPLIT]);
    let target_url = format!("sqlite:{}", target.path().display());
    let restore = ["restore", "--database", &target_url, "--from", &volumes, "--yes", "--no-undo"];
    run(&[&restore[..], &["--set", label]].concat(), 5);
    let (said, _) = run(&restore, 3);
    assert!(said.contains(label) && said.contains("passed over") && !said.contains("left alone"), "{said}");
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// A restore of a chain that stopped between its units is finished by the command, with just the sets that it was of.
#[test]
fn a_chain_that_stopped_is_finished_with_just_its_members() {
    let chain = Chained::new();
    chain.ruin();
    let devices = (0..3).map(|at| Box::new(DirectoryDevice::open(chain.folder(at)).unwrap()) as Box<dyn Device>);
    let joined = JoinedDevice::new(devices.collect());
    let sets = list_sets(&joined).unwrap().sets;
    let store = chain.case.centre.store();
    let policies = Policies { uncovered: Uncovered::Delete, ..Policies::default() };
    let select = restore::Select::Data(vec![DataType::Historical]);
    let options = restore::Options { policies, select, unit_rows: 1, ..restore_options(None, None) };
    let stop = super::undo::StopAfter::new(0);
    let restore = Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, options);
    let plan = restore.plan().unwrap();
    let stopped = restore.watched(&stop).apply(&plan, None).unwrap_err();
    assert!(stopped.report.count(Outcome::NotBegun) >= 2, "{:?}", stopped.report.units);
    assert_ne!(chain.case.contents(), chain.states[2]);
    let (_, said) = chain.run(&[0, 2], &["--resume", "--yes"], 2);
    assert!(said.contains("--resume"), "what was asked for is in the journal: {said}");
    let resume = |sequences: &[u32], status| {
        let mut words = vec!["restore".to_owned(), "--database".to_owned(), chain.case.url()];
        words.extend(sequences.iter().flat_map(|sequence| ["--from".to_owned(), chain.folder(*sequence)]));
        words.extend(["--resume".to_owned(), "--yes".to_owned()]);
        run(&words.iter().map(String::as_str).collect::<Vec<_>>(), status)
    };
    let (_, said) = resume(&[0, 2], 5);
    assert!(said.contains("which is not on") && said.contains("intervault undo"), "{said}");
    resume(&[2, 1, 0], 0);
    assert_eq!(chain.case.contents(), chain.states[2]);
    let (said, _) = resume(&[2, 1, 0], 0);
    assert!(said.contains("no restore to finish"), "{said}");
}

/// A column got another name, and age took a day of an ACD: what only the full has of it is left as the database has it, and
/// told by words, by JSON and by the status; a saved plan and an undo see nothing odd in it.
#[test]
fn what_fits_no_more_is_left_and_told() {
    let case = Case::new();
    let (url, to) = (case.url(), case.device());
    case.centre.run(
        "ALTER TABLE hsplit RENAME COLUMN acdcalls TO calls; DELETE FROM hsplit WHERE row_date = '2024-03-01' AND acd = 1",
    );
    run(&["backup", "--database", &url, "--to", &to, "--data", "historical,acd", "--incremental"], 0);
    let mut state = case.centre.rows("hsplit");
    case.centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-02'");
    case.centre.interval("2024-03-01", 900, 30, 1, -5);
    let before = case.centre.rows("hsplit");
    let restore = ["restore", "--database", &url, "--from", &to, "--data", "historical"];
    let plan = json(&[&restore[..], &["--dry-run"]].concat(), 3)["plan"].clone();
    let acds = hsplit(&plan)["acds"].as_array().unwrap();
    let unfit: Vec<usize> = acds.iter().map(|acd| acd["unfit"].as_array().unwrap().len()).collect();
    assert_eq!((unfit, plan["notices"].as_array().unwrap().len()), (vec![1, 0], 1));
    let unfit = &acds[0]["unfit"][0];
    assert_eq!((&unfit["set"], &unfit["undated"]), (&case.backup["set"], &Value::Bool(false)));
    assert_eq!((unfit["spans"].as_array().unwrap().len(), &unfit["spans"][0]["from"]), (1, &"2024-03-01 08:00".into()));
    let file = case.centre.folder.path().join("saved.plan").display().to_string();
    run(&[&restore[..], &["--save-plan", &file]].concat(), 3);
    let words = ["restore", "--database", &url, "--from", &to, "--plan", &file, "--yes"];
    let (said, _) = run(&words, 3);
    assert!(said.contains("only member 0 of the chain") && said.contains("column acdcalls"), "{said}");
    state.extend(before.iter().filter(|row| row.contains("(-5)")).cloned());
    state.sort();
    assert_eq!(case.centre.rows("hsplit"), state);
    let undo = format!("{}.undo", case.centre.path().display());
    run(&["undo", "--database", &url, "--from", &undo, "--yes"], 0);
    assert_eq!(case.centre.rows("hsplit"), before);
}

/// Labels of sound volumes are shown, those of an incremental of administration data too.
#[test]
fn the_labels_of_sound_volumes_are_no_damage() {
    let case = Case::new();
    let (url, device) = (case.url(), case.device());
    run(&["backup", "--database", &url, "--to", &device, "--data", "acd", "--incremental"], 0);
    let (out, _) = run(&["label", &device], 0);
    assert!(out.contains("-XXMX-00-F-01"), "{out}");
}

/// A check has found that rows of the full backup are lost while the source still has them: the next incremental writes them
/// again and says so, once, and the chain can be restored.
#[test]
fn what_a_check_has_found_damaged_is_written_again() {
    let case = Case::new();
    let (url, device, state) =
        (case.url(), case.device(), case.centre.folder.path().join("state").display().to_string());
    let full = std::fs::read_dir(&device).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let elsewhere = case.centre.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(&full, elsewhere.join(full.file_name().unwrap())).unwrap();
    let elsewhere = elsewhere.display().to_string();
    let mut bytes = std::fs::read(&full).unwrap();
    bytes[1_200] ^= 0x40;
    std::fs::write(&full, bytes).unwrap();
    run(&["check", &device, "--verify", "--state-dir", &state], 4);
    // That a copy elsewhere is sound mends nothing.
    run(&["check", &elsewhere, "--verify", "--state-dir", &state], 0);
    let words = ["backup", "--database", &url, "--to", &device, "--data", "historical,acd", "--incremental"];
    let words = [&words[..], &["--state-dir", &state]].concat();
    let plan = json(&[&words[..], &["--dry-run"]].concat(), 3);
    assert_eq!(plan["base"]["warnings"].as_array().unwrap().len(), 1, "{plan}");
    let (_, err) = run(&words, 3);
    assert!(err.contains("warning: set ") && err.contains("written again"), "{err}");
    let restore = ["restore", "--database", &url, "--from", &device, "--data", "historical"];
    run(&[&restore[..], &["--dry-run"]].concat(), 0);
    let again = json(&words, 0);
    assert_eq!(again["base"]["warnings"].as_array().unwrap().len(), 0, "{again}");
    let said = case.contents();
    case.ruin();
    run(&[&restore[..], &["--yes", "--uncovered", "delete"]].concat(), 0);
    assert_eq!(case.contents(), said);
}

/// An incremental passes over a chain that was begun later than now, and goes on with the other one. A nightly restore, which
/// says `--set newest`, must take that one too, and say what it passed over.
#[test]
fn a_nightly_restore_takes_the_chain_that_incrementals_go_on_with() {
    let case = Case::new();
    let device = DirectoryDevice::for_writing(std::path::Path::new(&case.device())).unwrap();
    // Begun in 2030, by a clock that was wrong.
    backup_onto(&case.centre, &device, &backup_options(9)).unwrap();
    case.centre.intervals("2024-03-05", 800, 1200, 30, 1);
    let (url, to) = (case.url(), case.device());
    run(&["backup", "--database", &url, "--to", &to, "--data", "historical,acd", "--incremental"], 0);
    let target = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    let onto = format!("sqlite:{}", target.path().display());
    let words = [
        "restore",
        "--database",
        &onto,
        "--from",
        &to,
        "--data",
        "historical",
        "--set",
        "newest",
        "--no-undo",
        "--yes",
    ];
    let (out, _) = run(&words, 3);
    assert!(out.contains("was begun at 2030-") && out.contains("it may be newer"), "{out}");
    assert_eq!(target.rows("hsplit"), case.centre.rows("hsplit"));
}
