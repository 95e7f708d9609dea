//! `docs/json.md` and the answers of the program say the same: every field of an answer is in the page, and every field of
//! the page is in an answer, or is on a list of those that are met nowhere and stands at least in the code that writes answers.

use super::commands::{Case, json};
use super::support::only_set;
use intervault::device::directory::DirectoryDevice;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
/// What every object begins with.
const COMMON: [&str; 4] = ["schema", "version", "exit", "status"];

/// The fields that the page has, by schema.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut schemas: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut schema = String::new();
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            schema = name.to_owned();
        } else if let Some((field, meaning)) = line.strip_prefix("| `").and_then(|line| line.split_once("` | ")) {
            assert!(meaning.len() > 4, "{schema}: {field} is not explained");
            assert!(schemas.entry(schema.clone()).or_default().insert(field.to_owned()), "{schema}: {field} twice");
        }
    }
    schemas
}

/// The fields of a value, by path. Spans are one field each, and so is what has names that are not the program's.
fn fields(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{path}[]"), out)),
        Value::Object(object) => {
            let span = object.len() == 2 && object.contains_key("from") && object.contains_key("until");
            // What is under `backup` is the object of that command.
            // So is what is under these, by the page.
            if matches!(path, "parts" | "sets[].backup" | "chains[].findings[]") || (span && path != "plan.request") {
                return;
            }
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                out.insert(path.trim_end_matches("[]").to_owned());
                fields(value, &path, out);
            }
        }
        _ => {}
    }
}

/// Answers of all commands, from a restore with all that can be told of one.
fn answers() -> Vec<Value> {
    let case = Case::troubled();
    let (url, from) = (case.url(), case.device());
    let undo = case.centre.folder.path().join("undo").display().to_string();
    let config = case.centre.folder.path().join("intervault.toml").display().to_string();
    std::fs::write(&config, format!("[devices]\nmonday = '{from}'\n")).unwrap();
    let state = case.centre.folder.path().join("state").display().to_string();
    json(&["check", &from, "--verify", "--state-dir", &state], 0);
    let restore = ["restore", "--database", &url, "--from", &from, "--data", "historical", "--undo", &undo];
    let range = ["--start", "2024-03-02 09:00", "--stop", "2024-03-06 23:59", "--partial-periods", "keep"];
    let mut answers = vec![
        json(&["backup", "--database", &url, "--to", &from, "--data", "historical,acd", "--dry-run"], 0),
        json(&[&restore[..], &range, &["--dry-run"]].concat(), 9),
        json(&[&restore[..], &range, &["--uncovered", "delete", "--yes"]].concat(), 0),
        json(&[&restore[..], &["--uncovered", "keep", "--save-plan", &format!("{undo}.plan")]].concat(), 0),
        json(&["check", &from, "--labels", "--sections", "--blocks", "--chunks", "--coverage", "--exact"], 0),
        json(&["check", &from, "--against", &url], 4),
        json(&["inspect", "block", "2", &from], 0),
        json(&["inspect", "map", &from], 0),
        json(&["log", "--database", &url], 0),
        json(&["log", "--state-dir", &state], 0),
        json(&["prune", &from, "--keep-last", "1", "--dry-run", "--state-dir", &state], 0),
        json(&["status", "--chain", &from, "--state-dir", &state], 0),
        json(&["log", "--database", &url, "--run", "1"], 0),
        json(&["restore", "--database", &url, "--from", &from, "--resume", "--yes"], 0),
        json(&["undo", "--database", &url, "--from", &undo, "--yes"], 0),
        json(&["undo", "--database", &url, "--from", &undo, "--yes"], 10),
        json(&["state", "--database", &url], 0),
        json(&["check", &from, &undo, "--verify"], 0),
        json(&["label", &from], 0),
        json(&["export", &from, "--to", &format!("{undo}.export")], 0),
        json(&["label", &from, "--sticker"], 0),
        json(&["label", "CMS-031024-01-LSAC-00-F-02"], 0),
        json(&["catalogue"], 0),
        json(&["roles", "--database", "postgresql://u@server/cms"], 0),
        json(&["schedule", "--database", &url, "--to", &from], 0),
        json(&["devices", "--config", &config], 0),
    ];
    answers.push(case.backup.clone());
    answers.extend(answers_of_damage());
    answers.extend(answers_of_files());
    answers.extend(answers_of_salvage(&from, &state));
    let again = ["backup", "--database", &url, "--to", &from, "--data", "historical,acd", "--incremental"];
    answers.push(json(&[&again[..], &["--dry-run"]].concat(), 0));
    answers.push(json(&[&again[..], &["--changed-since", "last", "--state-dir", &state]].concat(), 0));
    answers.push(json(&["status", "--state-dir", &state], 0));
    answers
}

/// Answers about a set with a damaged chunk, and about a chain of which a member is not here.
fn answers_of_damage() -> Vec<Value> {
    let case = Case::new();
    let (url, place) = (case.url(), case.device());
    let at = |name: &str| case.centre.folder.path().join(name).display().to_string();
    let volume = std::fs::read_dir(&place).unwrap().next().unwrap().unwrap().path();
    let sound = std::fs::read(&volume).unwrap();
    let mut hurt = sound.clone();
    let device = DirectoryDevice::open(&place).unwrap();
    let chunk =
        only_set(&device).sections().iter().find(|section| section.header.table == "hsplit").unwrap().chunks[0].entry;
    hurt[(chunk.offset + u64::from(chunk.bytes) / 2) as usize] ^= 1;
    std::fs::write(&volume, hurt).unwrap();
    let restore = ["restore", "--database", &url, "--from", &place, "--data", "historical", "--partial", "--dry-run"];
    let mut answers = vec![
        json(&["check", &place, "--verify"], 4),
        json(&["check", &place, "--verify", "--sample", "100%"], 4),
        json(&["check", &place, "--coverage", "--exact"], 4),
        json(&["export", &place, "--to", &at("hurt"), "--partial"], 4),
        json(&restore, 3),
    ];
    assert!(!answers[0]["sets"][0]["verified"]["findings"][0]["lost"].as_array().unwrap().is_empty(), "{}", answers[0]);
    std::fs::write(&volume, sound).unwrap();
    let names = || {
        let names = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
        names.collect::<BTreeSet<_>>()
    };
    let mut known = names();
    for (number, change) in ["UPDATE hsplit SET acdcalls = -7 WHERE row_date = '2024-03-02'", "DELETE FROM synonyms"]
        .into_iter()
        .enumerate()
    {
        case.centre.run(change);
        let again = ["backup", "--database", &url, "--to", &place, "--data", "historical,acd", "--incremental"];
        json(&again, 0);
        // The first of the two goes: what it wrote no other has.
        if number == 0 {
            known = names().difference(&known).cloned().collect();
        }
    }
    known.iter().for_each(|path| std::fs::rename(path, at("gone")).unwrap());
    answers.push(json(&["check", &place, "--verify"], 3));
    answers.push(json(&restore, 3));
    let gaps = &answers[6]["plan"]["gaps"];
    assert_eq!((gaps[0]["first"].as_u64(), gaps[0]["last"].as_u64()), (Some(1), Some(1)), "{}", answers[6]);
    answers
}

/// Answers about a set of which something is lost.
fn answers_of_salvage(device: &str, state: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let volume = std::fs::read_dir(device).unwrap().map(|entry| entry.unwrap().path());
    let volume = volume.filter(|path| path.extension().is_some_and(|end| end == "ivv")).min().unwrap();
    let mut bytes = std::fs::read(volume).unwrap();
    let (from, len) = (bytes.len() / 8, bytes.len() / 4);
    bytes[from..from + len].fill(0);
    let hurt = folder.path().join("found").display().to_string();
    std::fs::write(&hurt, bytes).unwrap();
    let to = folder.path().join("new").display().to_string();
    let out = folder.path().join("out").display().to_string();
    vec![
        json(&["salvage", &hurt, "--to", &to], 4),
        json(&["rebuild", device, "--state-dir", state], 0),
        json(&["export", &to, "--to", &out], 3),
    ]
}

/// Answers that speak of files.
fn answers_of_files() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let long = folder.path().join("tree").join("n".repeat(200));
    std::fs::create_dir_all(&long).unwrap();
    std::os::unix::net::UnixListener::bind(at("tree/socket")).unwrap();
    let tree = std::fs::File::create(at("tree/file")).unwrap();
    drop(tree);
    // A path in the tree that is longer than the format takes, so that there is trouble to be told.
    let mut beneath = intervault::files::beneath::Beneath::open(&long).unwrap();
    let mut path = Vec::new();
    for _ in 0..20 {
        let name = "n".repeat(200);
        let mode = rustix::fs::Mode::from_raw_mode(0o755);
        rustix::fs::mkdirat(beneath.folder(&path).unwrap(), name.as_str(), mode).unwrap();
        path = intervault::files::name::join(&path, name.as_bytes());
    }
    std::fs::write(at("sets.toml"), format!("[[file_set]]\nname = \"all\"\npaths = [{:?}]\n", at("tree"))).unwrap();
    let (volumes, out) = (at("volumes"), at("out"));
    vec![
        json(&["backup", "--files", &at("tree"), "--to", &volumes, "--dry-run"], 0),
        json(&["backup", "--files", &at("tree"), "--to", &volumes], 3),
        json(&["check", &volumes], 0),
        json(&["restore", "--from", &volumes, "--files-to", &out], 0),
        json(&["restore", "--from", &volumes, "--files-to", &out], 9),
        json(&["backup", "--file-sets", &at("sets.toml"), "--to", &at("others")], 3),
    ]
}

/// What is told of tables that a backup leaves out.
const LEFT_OUT: &[&str] = &[
    "left_out[].name",
    "left_out[].reason",
    "left_out[].warns",
    "not_restorable[].name",
    "not_restorable[].reason",
    "not_restorable[].warns",
];

/// Fields of the page that no answer here has. What writes them is looked for in the code. A ratchet: each that an answer has
/// goes from this list.
const NOT_MET: &[(&str, &[&str])] = &[
    ("intervault/backup", LEFT_OUT),
    ("intervault/backup-plan", LEFT_OUT),
    (
        "intervault/check",
        &[
            "sets[].copies[].names",
            "sets[].copies[].volume",
            "sets[].sections[].cutoffs[].acd",
            "sets[].sections[].cutoffs[].until",
            "unreadable[].name",
            "unreadable[].reason",
            "unreadable[].status",
        ],
    ),
    ("intervault/error", &["hint"]),
    (
        "intervault/export",
        &[
            "left_out[].reason",
            "left_out[].table",
            "unknown[].damaged",
            "unknown[].what",
            "unreadable[].name",
            "unreadable[].reason",
            "unreadable[].status",
        ],
    ),
    (
        "intervault/prune",
        &["removed.bytes", "removed.left", "removed.left[].name", "removed.left[].reason", "removed.volumes"],
    ),
    (
        "intervault/restore",
        &[
            "done.error.hint",
            "done.error.message",
            "plan.tables[].acds[].older[].set",
            "plan.tables[].acds[].older[].spans",
            "plan.tables[].acds[].unfit[].set",
            "plan.tables[].acds[].unfit[].spans",
            "plan.tables[].acds[].unfit[].undated",
            "plan.tables[].acds[].unsettled[].rows",
            "plan.tables[].acds[].unsettled[].span",
            "plan.tables[].from_set",
            "plan.tables[].left_alone",
            "plan.tables[].lost[].acd",
            "plan.tables[].lost[].day",
            "plan.tables[].whole",
            "resumed.applied",
            "resumed.delete",
            "resumed.insert",
            "resumed.label",
            "resumed.run",
            "resumed.set",
            "resumed.units",
        ],
    ),
    (
        "intervault/restore-files",
        &[
            "done.error.hint",
            "done.error.message",
            "done.troubles.first[].path",
            "done.troubles.first[].what",
            "trees[].changed.first[].path",
            "trees[].changed.first[].what",
            "trees[].lost.first[].path",
            "trees[].lost.first[].what",
            "unreadable[].name",
            "unreadable[].reason",
            "unreadable[].status",
        ],
    ),
    (
        "intervault/salvage",
        &[
            "sets[].nameless[].chunks",
            "sets[].nameless[].first",
            "sets[].nameless[].last",
            "sets[].sections[].files.odd",
            "sets[].sections[].files.of",
            "sets[].sections[].files.paths",
            "sets[].sections[].files.torn",
            "sets[].sections[].files.whole",
            "unopened[].name",
            "unopened[].reason",
        ],
    ),
    (
        "intervault/status",
        &[
            "at_work[].acd",
            "at_work[].began",
            "at_work[].began_unix",
            "at_work[].bytes",
            "at_work[].chain",
            "at_work[].data",
            "at_work[].database",
            "at_work[].depth",
            "at_work[].devices",
            "at_work[].ended",
            "at_work[].ended_unix",
            "at_work[].ended_with",
            "at_work[].faulty",
            "at_work[].judged",
            "at_work[].judged[].copies",
            "at_work[].judged[].copies[].device",
            "at_work[].judged[].copies[].volumes",
            "at_work[].judged[].sets",
            "at_work[].kind",
            "at_work[].label",
            "at_work[].member",
            "at_work[].message",
            "at_work[].owner",
            "at_work[].parent",
            "at_work[].part",
            "at_work[].proved",
            "at_work[].rebuilt",
            "at_work[].removed",
            "at_work[].rows",
            "at_work[].seconds",
            "at_work[].sequence",
            "at_work[].set",
            "at_work[].state",
            "at_work[].verified",
            "at_work[].volumes",
            "chains[].missing[].first",
            "chains[].missing[].last",
            "errors[].acd",
            "errors[].began",
            "errors[].began_unix",
            "errors[].bytes",
            "errors[].chain",
            "errors[].data",
            "errors[].database",
            "errors[].depth",
            "errors[].devices",
            "errors[].ended",
            "errors[].ended_unix",
            "errors[].ended_with",
            "errors[].faulty",
            "errors[].judged",
            "errors[].judged[].copies",
            "errors[].judged[].copies[].device",
            "errors[].judged[].copies[].volumes",
            "errors[].judged[].sets",
            "errors[].kind",
            "errors[].label",
            "errors[].member",
            "errors[].message",
            "errors[].owner",
            "errors[].parent",
            "errors[].part",
            "errors[].proved",
            "errors[].rebuilt",
            "errors[].removed",
            "errors[].rows",
            "errors[].seconds",
            "errors[].sequence",
            "errors[].set",
            "errors[].state",
            "errors[].verified",
            "errors[].volumes",
            "last.judged[].copies",
            "last.judged[].copies[].device",
            "last.judged[].copies[].volumes",
            "last.judged[].sets",
        ],
    ),
    (
        "intervault/undo",
        &[
            "done.error.hint",
            "done.error.message",
            "plan.gaps",
            "plan.gaps[].first",
            "plan.gaps[].last",
            "plan.gaps[].set",
            "plan.members",
            "plan.members[].label",
            "plan.members[].sequence",
            "plan.members[].set",
            "plan.refusals[].advice",
            "plan.refusals[].override",
            "plan.refusals[].rule",
            "plan.refusals[].what",
        ],
    ),
];

/// Whether the code of the programs has this as a field of something that it answers.
fn is_written(code: &str, field: &str) -> bool {
    let name = field.rsplit(['.', ']']).next().unwrap();
    code.contains(&format!("\"{name}\"")) || code.contains(&format!(" {name}: "))
}

#[test]
fn every_field_of_an_answer_is_in_the_page_and_every_field_of_the_page_in_an_answer() {
    let documented = documented();
    let mut met: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for answer in answers() {
        let schema = answer["schema"].as_str().unwrap().to_owned();
        let mut found = BTreeSet::new();
        fields(&answer, "", &mut found);
        for common in COMMON {
            assert!(found.remove(common), "{schema}: {common} is not there");
        }
        met.entry(schema).or_default().extend(found);
    }
    for (schema, found) in &met {
        let page = documented.get(schema).unwrap_or_else(|| panic!("{schema} is not in the page"));
        let missing: Vec<&String> = found.difference(page).collect();
        assert!(missing.is_empty(), "{schema}: not in the page: {missing:?}");
    }
    let schemas: Vec<&String> = documented.keys().filter(|schema| !schema.is_empty()).collect();
    assert_eq!(met.keys().collect::<Vec<_>>(), schemas);
    let mut code = String::new();
    for folder in ["src/cli/render", "src/cli/commands"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            code.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
    }
    let (mut not_met, mut checked) = (Vec::new(), 0);
    for (schema, page) in documented.iter().filter(|(schema, _)| !schema.is_empty()) {
        let missed: Vec<&str> = page.difference(&met[schema]).map(String::as_str).collect();
        assert!(missed.iter().all(|field| is_written(&code, field)), "{schema}: nothing writes one of {missed:?}");
        checked += page.len();
        if !missed.is_empty() {
            not_met.push((schema.as_str(), missed));
        }
    }
    assert!(checked > 200, "{checked}");
    let expected: Vec<(&str, Vec<&str>)> = NOT_MET.iter().map(|(schema, fields)| (*schema, fields.to_vec())).collect();
    assert_eq!(not_met, expected);
}
