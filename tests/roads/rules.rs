//! Every rule refuses what it should, by its name, and lets through what its option says; `docs/rules.md` lists them all.

use super::chains::incremental;
use super::support::*;
use intervault::backup;
use intervault::base::monitor::{Monitor, Silent, Task};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::Error;
use intervault::restore::{self, Keep, Missing, Options, Restore, Rule, Select, UndoOptions};
use intervault::schema::grain::DataType;
use intervault::schema::range::{Policies, Uncovered};
use intervault::store::control::{Collection, Mode};
use intervault::store::traits::{Store, StoreIdentity};
use intervault::volume::chain::Chain;
use intervault::volume::set::{find_set, list_sets};
use std::collections::BTreeMap;

const FULLEX: &str = "CREATE TABLE fullex (acd SMALLINT, item CHAR(8))";

/// What came of an attempt: the words with which it was refused, and whether the rule's option let it through.
type Tried = (String, Option<bool>);

/// Everything, as it should be.
fn everything() -> Options {
    restore_options(None, None)
}

/// A restore that a rule refuses in the plan, and the same with other options.
fn plan_and_apply(rule: Rule, from: Chain<'_>, store: &dyn Store, options: Options, with: Option<Options>) -> Tried {
    let attempt = |options: Options| {
        let restore = Restore::new(from.clone(), store, options);
        let plan = restore.plan().unwrap();
        let refusal = plan.refusals.iter().find(|refusal| refusal.rule == rule).cloned();
        (refusal, restore.apply(&plan, None).map_err(|stopped| stopped.error))
    };
    let (refusal, done) = attempt(options);
    let (refusal, error) = (refusal.unwrap(), done.unwrap_err());
    assert_eq!(
        (error.class(), error.to_string().starts_with("refused by the rule ")),
        (refusal.class, true),
        "{error}"
    );
    let through = with.map(|with| {
        let (refusal, done) = attempt(with);
        refusal.is_none() && done.map_err(|error| panic!("{rule}: {error}")).is_ok()
    });
    (refusal.to_string(), through)
}

/// A few half hours and their backup.
fn backed_up(tables: &[&str]) -> (Centre, MemoryDevice) {
    let centre = Centre::new(tables);
    for hours in [(800, 900), (1000, 1200)] {
        centre.intervals("2024-03-20", hours.0, hours.1, 30, 1);
    }
    let device = backup(&centre);
    (centre, device)
}

/// As [`plan_and_apply`], of the one set on a device onto a centre.
fn of_set(rule: Rule, centre: &Centre, device: &MemoryDevice, options: Options, with: Option<Options>) -> Tried {
    let set = only_set(device);
    plan_and_apply(rule, Chain::alone(&set), &centre.store(), options, with)
}

fn told(options: Options, uncovered: Uncovered) -> Options {
    Options { policies: Policies { uncovered, ..Policies::default() }, ..options }
}

fn named(tables: &[&str]) -> Options {
    Options { select: Select::Tables(tables.iter().map(|table| (*table).to_owned()).collect()), ..everything() }
}

fn partial() -> Option<Options> {
    Some(Options { missing: Missing::Partial, ..everything() })
}

/// Many days on several volumes.
pub fn spanning() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT]);
    centre.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO hsplit \
         SELECT '2024-02-' || printf('%02d', 1 + i / 400), (i % 24) * 100, 60, 1, i, i * 7919 % 99991, hex(i * 104729) FROM n",
    );
    let device = MemoryDevice::new();
    let report = backup_with(&centre, &device, &backup::Options { volume_size: Some(24 << 10), ..backup_options(1) });
    assert!(report.set.volumes.len() > 2);
    (centre, device)
}

fn of_target(rule: Rule) -> Tried {
    let (centre, device) = backed_up(&[HSPLIT, FULLEX, SYNONYMS]);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let collection = if rule == Rule::Collection { Collection::On } else { Collection::Off };
    centre.state(collection, Mode::SingleUser);
    let tried = |options: Options, with: Option<Options>| of_set(rule, &centre, &device, options, with);
    match rule {
        Rule::Uncovered => {
            centre.intervals("2024-03-20", 900, 1000, 30, 1);
            tried(everything(), Some(told(everything(), Uncovered::Delete)))
        }
        Rule::Straddling => {
            centre.interval("2024-03-20", 730, 60, 1, 5);
            let range = restore_options(Some("2024-03-20 07:00"), Some("2024-03-20 12:00"));
            tried(range.clone(), Some(told(range, Uncovered::Keep)))
        }
        Rule::SingleUser => {
            centre.state(Collection::Off, Mode::MultiUser);
            let acd = Options { select: Select::Data(vec![DataType::Acd]), ..everything() };
            tried(acd, Some(named(&["synonyms"])))
        }
        Rule::Collection => tried(everything(), Some(named(&["fullex", "hsplit"]))),
        Rule::SchemaDrift => {
            centre.run("ALTER TABLE hsplit DROP COLUMN acdcalls");
            tried(everything(), None)
        }
        Rule::AbsentTable => {
            centre.run("DROP TABLE hsplit");
            tried(everything(), None)
        }
        Rule::NotWritable => {
            centre.run("CREATE TRIGGER t AFTER DELETE ON hsplit BEGIN SELECT 1; END");
            tried(everything(), None)
        }
        Rule::UnknownAcd => tried(Options { acd: Some(77), ..named(&["synonyms"]) }, None),
        other => panic!("{other} is none of the target's"),
    }
}

fn of_source(rule: Rule) -> Tried {
    let (centre, device) = backed_up(&[HSPLIT, FULLEX, "PRAGMA user_version = 7"]);
    centre.state(Collection::Off, Mode::SingleUser);
    let (set, store) = (only_set(&device), centre.store());
    let identity = store.identity().clone();
    if rule == Rule::Server {
        let store = Posed::as_another(store, StoreIdentity { server: "another".to_owned(), ..identity });
        return plan_and_apply(rule, Chain::alone(&set), &store, everything(), None);
    }
    let store = Posed::as_another(store, StoreIdentity { version: "99".to_owned(), ..identity });
    let with = Options { other_version: true, ..everything() };
    plan_and_apply(rule, Chain::alone(&set), &store, everything(), Some(with))
}

fn of_volumes(rule: Rule) -> Tried {
    let (centre, device) = spanning();
    let names = device.list().unwrap();
    // Where the second chunk of a volume begins.
    let second_chunk = |bytes: &[u8]| {
        let start = |at: &usize| bytes[*at..].starts_with(&[0x8B, b'I', b'V', b'B']) && bytes[*at + 12] == 3;
        (0..bytes.len()).step_by(64).filter(start).nth(1).unwrap()
    };
    match rule {
        Rule::MissingVolume => drop(device.remove(&names[1]).unwrap()),
        Rule::IncompleteSet => {
            // As an interrupted backup leaves it: the volume ends in the middle, and no other was begun.
            let mut bytes = device.bytes(&names[0]).unwrap();
            bytes.truncate(second_chunk(&bytes));
            names.iter().for_each(|name| drop(device.remove(name).unwrap()));
            device.insert(&format!(".{}.partial", names[0]), bytes);
        }
        _ => {
            let mut bytes = device.bytes(&names[1]).unwrap();
            let chunk = second_chunk(&bytes);
            bytes[chunk + 100] ^= 4;
            device.insert(&names[1], bytes);
        }
    }
    of_set(rule, &centre, &device, everything(), partial())
}

/// A chain whose middle member is lost, with what only it had.
fn missing_member(rule: Rule) -> Tried {
    let (centre, device) = backed_up(&[HSPLIT]);
    for number in 2..=3 {
        centre.intervals(&format!("2024-03-2{number}"), 800, 900, 30, 1);
        incremental(&centre, &device, &backup_options(number));
    }
    let mut sets = list_sets(&device).unwrap().sets;
    sets.sort_by_key(|set| std::cmp::Reverse(set.label().sequence));
    plan_and_apply(rule, Chain::of(&[&sets[0], &sets[2]]), &centre.store(), everything(), partial())
}

/// Stops at the first unit.
struct Stop;

impl Monitor for Stop {
    fn begin(&self, task: Task, _what: &str, _total_rows: u64) {
        assert_ne!(task, Task::Undo);
    }

    fn cancelled(&self) -> bool {
        true
    }
}

fn unfinished(rule: Rule) -> Tried {
    let (centre, device) = backed_up(&[HSPLIT]);
    let (set, store) = (only_set(&device), centre.store());
    let plan = Restore::new(&set, &store, everything()).plan().unwrap();
    Restore::new(&set, &store, everything()).watched(&Stop).apply(&plan, None).unwrap_err();
    of_set(rule, &centre, &device, everything(), Some(Options { anew: true, ..everything() }))
}

fn changed_since_plan() -> Tried {
    let (centre, device) = backed_up(&[HSPLIT]);
    let (set, store) = (only_set(&device), centre.store());
    let restore = Restore::new(&set, &store, everything());
    let plan = restore.plan().unwrap();
    centre.interval("2024-03-20", 1030, 30, 1, 5);
    (restore.apply(&plan, None).unwrap_err().error.to_string(), None)
}

/// Undoes a restore, after something happened.
fn of_undo(rule: Rule) -> Tried {
    let (centre, device) = backed_up(&[HSPLIT]);
    let (set, store, undo) = (only_set(&device), centre.store(), MemoryDevice::new());
    let restore = Restore::new(&set, &store, everything());
    let again = |keep: Option<Keep<'_>>| restore.apply(&restore.plan().unwrap(), keep).unwrap();
    again((rule != Rule::NotKept).then_some(Keep { device: &undo, set: set_id(0xAA) }));
    match rule {
        Rule::ChangedSince => centre.run("UPDATE hsplit SET acdcalls = 5 WHERE starttime = 1030"),
        Rule::ReplacedSince => drop(again(None)),
        Rule::UndoSet => {
            let set = only_set(&undo);
            return (Restore::new(&set, &store, everything()).plan().unwrap_err().to_string(), None);
        }
        _ => {}
    }
    let attempt = |force: bool| -> Result<(), Error> {
        let options = UndoOptions { run: Some(1), force, now_unix: 0 };
        restore::undoable(&store, options.run)?;
        let set = find_set(&undo, set_id(0xAA)).unwrap().unwrap();
        let plan = restore::undo_plan(&set, &store, &options, &Silent)?;
        assert!(plan.refusals.iter().all(|refusal| refusal.rule == rule));
        restore::undo(&plan, &set, &store, &options, &Silent).map(drop)
    };
    let error = attempt(false).unwrap_err().to_string();
    (error, (rule != Rule::NotKept).then(|| attempt(true).is_ok()))
}

#[test]
fn every_rule_refuses_by_its_name_and_lets_its_option_through() {
    for rule in Rule::ALL {
        let (said, through) = match rule {
            Rule::Uncovered
            | Rule::Straddling
            | Rule::SingleUser
            | Rule::Collection
            | Rule::SchemaDrift
            | Rule::AbsentTable
            | Rule::NotWritable
            | Rule::UnknownAcd => of_target(rule),
            Rule::Server | Rule::SchemaVersion => of_source(rule),
            Rule::MissingVolume | Rule::IncompleteSet | Rule::Damage => of_volumes(rule),
            Rule::MissingMember => missing_member(rule),
            Rule::UnfinishedRestore => unfinished(rule),
            Rule::LeftAlone => left_alone(rule),
            Rule::ChangedSincePlan => changed_since_plan(),
            Rule::UndoSet | Rule::ChangedSince | Rule::ReplacedSince | Rule::NotKept => of_undo(rule),
        };
        assert!(said.starts_with(&format!("refused by the rule {}: ", rule.name())), "{rule}: {said}");
        assert_eq!(through, rule.override_option().map(|_| true), "{rule}: {said}");
    }
}

/// Of all that is asked for nothing names an ACD.
fn left_alone(rule: Rule) -> Tried {
    let centre = Centre::new(&["CREATE TABLE dbitems (item_type CHAR(8), item_name CHAR(20))"]);
    centre.run("INSERT INTO dbitems VALUES ('a', 'b')");
    let device = backup(&centre);
    of_set(rule, &centre, &device, Options { acd: Some(1), ..named(&["dbitems"]) }, None)
}

#[test]
fn the_page_lists_every_rule_with_its_option() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md")).unwrap();
    let mut listed = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [rule, meaning, option] = cells[..] else { panic!("{line}") };
        assert!(meaning.len() > 20, "{line}");
        listed.insert(rule, option);
    }
    let rules = Rule::ALL.map(|rule| (rule.name(), rule.override_option().unwrap_or_default()));
    assert_eq!(listed, BTreeMap::from(rules));
}
