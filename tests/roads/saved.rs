//! Saved plans: what has changed since is found, what does not matter is not; by the library and as files by the command line.

use super::commands::{Case, json, run};
use super::support::*;
use intervault::device::memory::MemoryDevice;
use intervault::error::{Class, Error};
use intervault::restore::{Options, Restore, SavedPlan};
use intervault::schema::range::Request;
use intervault::store::sqlite::SqliteStore;
use intervault::volume::set::SetReader;

/// Two tables of six days, and the range 2 to 4 March restored after a ruin.
fn world() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    for day in 1..=6 {
        centre.intervals(&format!("2024-03-{day:02}"), 800, 1200, 30, 1);
        centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', 1, 1, {day})"));
    }
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1; DELETE FROM dsplit WHERE row_date = '2024-03-03'");
    (centre, device)
}

fn options() -> Options {
    let request = Request::parse(Some("2024-03-02"), Some("2024-03-04")).unwrap();
    Options { request, other_version: true, ..restore_options(None, None) }
}

fn save(set: &SetReader<'_>, store: &SqliteStore, options: &Options) -> SavedPlan {
    let plan = Restore::new(set, store, options.clone()).plan().unwrap();
    assert_eq!(plan.refusals, []);
    let saved = SavedPlan::of(&plan, &[set], store, options).unwrap();
    // What is applied is what was written and read.
    let read = SavedPlan::from_text(&saved.to_text().unwrap()).unwrap();
    assert_eq!(read, saved);
    read
}

/// Plans again by a saved plan, and checks it. `now` is that of applying.
fn again(saved: &SavedPlan, set: &SetReader<'_>, store: &SqliteStore, now: &Options) -> Result<Options, Error> {
    let options = saved.options(now)?;
    let plan = Restore::new(set, store, options.clone()).plan()?;
    saved.check(&plan, &[set], store, &options).map(|()| options)
}

fn later_options() -> Options {
    Options::new(at("2031-05-06 07:00"), at("2031-05-06 07:00").0)
}

#[test]
fn what_was_asked_for_is_kept_and_time_may_go_on() {
    let (centre, device) = world();
    let (set, store) = (only_set(&device), centre.store());
    let saved = save(&set, &store, &options());
    assert_eq!(saved.sets().unwrap(), [set_id(1)]);
    let base = Options { jobs: 3, unit_rows: 7, anew: true, ..later_options() };
    let read = again(&saved, &set, &store, &base).unwrap();
    let written = options();
    assert_eq!((read.request, read.policies, read.other_version), (written.request, written.policies, true));
    // These are of the moment, and what is settled is judged by the earlier one.
    assert_eq!((read.jobs, read.unit_rows, read.anew, read.now_unix), (3, 7, true, base.now_unix));
    assert_eq!((read.now, read.decided_at), (base.now, Some(written.now)));
}

#[test]
fn rows_that_changed_in_the_range_are_found_and_others_do_not_matter() {
    let found: [(&str, &str); 6] = [
        (
            "UPDATE hsplit SET acdcalls = 5 WHERE row_date = '2024-03-03' AND starttime = 900",
            "table hsplit: the target's",
        ),
        // Two rows that change places are not what they were.
        (
            "UPDATE hsplit SET acdcalls = starttime WHERE row_date = '2024-03-02' AND starttime IN (900, 930)",
            "table hsplit: the target's",
        ),
        ("DELETE FROM hsplit WHERE row_date = '2024-03-04'", "table hsplit: the target's"),
        ("INSERT INTO hsplit VALUES ('2024-03-04', 900, 30, 1, 2, 3, 'a')", "table hsplit: the target's"),
        ("INSERT INTO hsplit VALUES ('2024-03-04', 1000, 30, 2, 2, 3, 'a')", ""),
        ("INSERT INTO dsplit VALUES ('2024-03-03', 1, 1, 9)", "table dsplit: the target's"),
    ];
    for (change, part) in found {
        let (centre, device) = world();
        let (set, store) = (only_set(&device), centre.store());
        let saved = save(&set, &store, &options());
        centre.run(change);
        match (again(&saved, &set, &store, &later_options()), part) {
            (Ok(_), "") => {}
            (Err(error), part) if !part.is_empty() => {
                assert_eq!(error.class(), Class::NotRestorable, "{change}: {error}");
                assert!(error.to_string().contains(part), "{change}: {error}");
            }
            (other, _) => panic!("{change}: {other:?}"),
        }
    }
    let (centre, device) = world();
    let (set, store) = (only_set(&device), centre.store());
    let saved = save(&set, &store, &options());
    centre.run(
        "UPDATE hsplit SET acdcalls = 5 WHERE row_date = '2024-03-05'; DELETE FROM dsplit WHERE row_date = '2024-03-01'; \
         INSERT INTO hsplit VALUES ('2024-03-07', 900, 30, 1, 2, 3, 'a'); CREATE TABLE more (a INTEGER)",
    );
    again(&saved, &set, &store, &later_options()).unwrap();
}

#[test]
fn other_sets_other_databases_and_other_tables_are_found() {
    let (centre, device) = world();
    let (set, store) = (only_set(&device), centre.store());
    let saved = save(&set, &store, &options());
    let words = |result: Result<Options, Error>, part: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(part) && error.class() == Class::NotRestorable, "{error}");
    };
    // The same rows on other volumes.
    let other = MemoryDevice::new();
    backup_with(&centre, &other, &backup_options(2));
    words(again(&saved, &only_set(&other), &store, &later_options()), "the sets are not those");
    // The same rows in another database.
    let copied = SqliteStore::open(&copy(&centre)).unwrap();
    words(again(&saved, &set, &copied, &later_options()), "which this is not");
    // A text from which a table was taken, or to which one was added.
    let text = saved.to_text().unwrap();
    let cut = text.rfind("[[tables]]").unwrap();
    let less = SavedPlan::from_text(&text[..cut]).unwrap();
    words(again(&less, &set, &store, &later_options()), "is not in the saved plan");
    let more = format!("{text}\n{}", text[cut..].replace("dsplit", "wsplit").replace("hsplit", "wsplit"));
    let more = SavedPlan::from_text(&more).unwrap();
    words(again(&more, &set, &store, &later_options()), "table wsplit: what would be restored");
}

#[test]
fn a_damaged_text_and_one_of_another_version_are_refused() {
    let (centre, device) = world();
    let (set, store) = (only_set(&device), centre.store());
    let text = save(&set, &store, &options()).to_text().unwrap();
    let unreadable = |text: &str, part: &str| {
        let error = SavedPlan::from_text(text).unwrap_err();
        assert!(error.to_string().contains("no saved plan") && error.to_string().contains(part), "{error}");
    };
    unreadable("", "version");
    unreadable("garbage", "");
    unreadable(&text.replacen("version = 1", "version = 2\nmore = 3", 1), "version 2");
    unreadable(&text.replacen("delete = ", "remove = ", 1), "remove");
    // Cut off anywhere it is unreadable or no longer the plan.
    for end in (0..text.len()).step_by(7) {
        if let Ok(saved) = SavedPlan::from_text(&text[..end]) {
            again(&saved, &set, &store, &later_options()).unwrap_err();
        }
    }
    // What was asked for is a text of its own.
    let error = SavedPlan::from_text(&text.replacen("proof = ", "prove = ", 1)).unwrap();
    let error = error.options(&later_options()).unwrap_err();
    assert!(error.to_string().contains("no saved plan") && !error.to_string().contains("journal"), "{error}");
}

/// The same database under another name.
fn copy(centre: &Centre) -> std::path::PathBuf {
    let path = centre.folder.path().join("copy.db");
    centre.run(&format!("VACUUM INTO '{}'", path.display()));
    path
}

fn files(case: &Case) -> Vec<String> {
    let names = std::fs::read_dir(case.centre.folder.path()).unwrap();
    let mut names: Vec<String> = names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains("plan"));
    names.sort();
    names
}

#[test]
fn a_plan_is_saved_looked_at_and_applied_by_the_command_that_was_shown() {
    let case = Case::new();
    let (url, from) = (case.url(), case.device());
    let whole = case.contents();
    case.ruin();
    let ruined = case.contents();
    let file = case.centre.folder.path().join("the plan").display().to_string();
    let range = ["--start", "2024-03-02", "--stop", "2024-03-09"];
    let restore = ["restore", "--database", &url, "--from", &from, "--data", "historical"];
    let save = [&restore[..], &range, &["--no-undo", "--save-plan", &file]].concat();
    let (said, _) = run(&save, 0);
    assert!(said.contains("actual range") && said.contains("Nothing was changed."), "{said}");
    assert_eq!((case.contents() == ruined, files(&case)), (true, vec!["the plan".to_owned()]));
    // Never over something else, and found before any work.
    let before = std::fs::read(&file).unwrap();
    let (said, error) = run(&save, 2);
    assert!(error.contains("saved over nothing") && said.is_empty(), "{said}{error}");
    assert_eq!((std::fs::read(&file).unwrap() == before, files(&case).len()), (true, 1));
    let plan = ["restore", "--database", &url, "--from", &from, "--plan", &file];
    let shown = json(&[&plan[..], &["--dry-run"]].concat(), 0);
    assert_eq!(shown["plan"]["request"]["from"], "2024-03-02 00:00");
    assert!(shown["saved"].is_null() && shown["done"].is_null(), "{shown}");
    let applied = super::commands::typed(&said_of(&save, &file), "restore", "--yes");
    assert_eq!(applied.status.code(), Some(0), "{}", String::from_utf8_lossy(&applied.stderr));
    let rest = |rows: &[String]| rows.iter().filter(|row| !row.contains("2024-03-01")).cloned().collect::<Vec<_>>();
    assert_eq!(rest(&case.contents()), rest(&whole));
    assert!(String::from_utf8_lossy(&applied.stdout).contains("NOT saved"), "it was asked for without undo");
    // Applied once, the rows are no longer those that it was made for.
    let (_, said) = run(&[&plan[..], &["--yes"]].concat(), 9);
    assert!(said.contains("changed since the plan was saved") && said.contains("save it anew"), "{said}");
}

/// What is said when a plan is saved in another file, with the name of the first.
fn said_of(save: &[&str], file: &str) -> String {
    let other = format!("{file} 2");
    let save: Vec<&str> = save.iter().map(|word| if *word == file { &other } else { *word }).collect();
    run(&save, 0).0.replace(&other, file)
}

#[test]
fn a_saved_plan_is_refused_where_it_does_not_fit() {
    let case = Case::new();
    let (url, from) = (case.url(), case.device());
    case.ruin();
    let file = case.centre.folder.path().join("plan.toml").display().to_string();
    let saved =
        json(&["restore", "--database", &url, "--from", &from, "--data", "historical", "--save-plan", &file], 0);
    assert_eq!(saved["saved"]["file"], file.as_str());
    assert!(saved["saved"]["command"].as_str().unwrap().ends_with("plan.toml"), "{saved}");
    let before = case.contents();
    let apply = |file: &str, from: &str, status: i32| {
        let (_, said) = run(&["restore", "--database", &url, "--from", from, "--plan", file, "--yes"], status);
        assert_eq!(case.contents(), before);
        said
    };
    assert!(apply("/no/such/plan", &from, 10).contains("/no/such/plan"));
    let bad = format!("{file}.bad");
    std::fs::write(&bad, b"\xff\xfe not a plan").unwrap();
    let said = apply(&bad, &from, 9);
    assert!(said.contains("plan.toml.bad: this is no saved plan"), "{said}");
    let other = Case::new();
    let said = apply(&file, &other.device(), 5);
    assert!(said.contains("the saved plan is of set ") && said.contains("give the device"), "{said}");
    let copied = format!("sqlite:{}", copy(&case.centre).display());
    let (_, said) = run(&["restore", "--database", &copied, "--from", &from, "--plan", &file, "--yes"], 9);
    assert!(said.contains("the plan was saved for sqlite database"), "{said}");
    let (_, said) = run(
        &["restore", "--database", &url, "--from", &from, "--data", "historical", "--save-plan", "/no/such/folder/p"],
        10,
    );
    assert!(said.contains("cannot save the plan in /no/such/folder/p"), "{said}");
    // A refused plan is not saved: the target has an interval that the volumes lack.
    case.centre.interval("2024-03-03", 400, 30, 1, 5);
    let (unsaved, data) = (format!("{file}.unsaved"), "historical");
    let (_, said) = run(&["restore", "--database", &url, "--from", &from, "--data", data, "--save-plan", &unsaved], 9);
    assert!(said.contains("uncovered"), "{said}");
    assert_eq!(files(&case), ["plan.toml", "plan.toml.bad"]);
}

/// What was still being written when the plan was saved is not in it, however much later it is applied; and that time went
/// on and rows came in meanwhile is no reason to refuse it.
#[test]
fn a_plan_of_a_database_that_collects_is_applied_the_next_day_as_it_was_saved() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-20", 800, 1030, 30, 1);
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let (set, store) = (only_set(&device), centre.store());
    let at_time = |now: &str| Options::new(at(now), at(now).0);
    let saved = save(&set, &store, &at_time("2024-03-20 10:40"));
    centre.intervals("2024-03-20", 1030, 1300, 30, 1);
    let next = at_time("2024-03-21 09:00");
    let options = again(&saved, &set, &store, &next).unwrap();
    let restore = Restore::new(&set, &store, options);
    let plan = restore.plan().unwrap();
    assert_eq!(ranges(&plan, "hsplit").acds[0].settled_until, Some(at("2024-03-20 10:00")));
    assert!(!plan.notices.iter().any(|notice| notice.contains("clock")), "{:?}", plan.notices);
    restore.apply(&plan, None).unwrap();
    let ruined = "SELECT count(*) FROM hsplit WHERE acdcalls = -1";
    assert_eq!(centre.count(&format!("{ruined} AND starttime = 1000")), centre.count(ruined));
    assert_eq!((centre.count(ruined), centre.count("SELECT count(*) FROM hsplit")), (1, 10));
    // A clock that was set back since holds more back, and that is another plan.
    centre.run("UPDATE hsplit SET acdcalls = -1");
    let saved = save(&set, &store, &at_time("2024-03-20 10:40"));
    let error = again(&saved, &set, &store, &at_time("2024-03-20 09:10")).unwrap_err();
    assert!(error.to_string().contains("changed since the plan was saved"), "{error}");
}
