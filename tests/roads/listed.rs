//! What `check` lists beside sets and tables: each held against the rows and blocks that are really there.

use super::commands::{Case, json, run};
use super::support::{Centre, DSPLIT, HSPLIT, MSPLIT, SYNONYMS, WSPLIT};
use intervault::base::time::{civil_of_day, day_of_civil};
use intervault::testing::damage::Damage;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn golden() -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").display().to_string()
}

/// Backs up all historical data of a centre into its folder `name`, with some more options.
fn back_up(centre: &Centre, name: &str, options: &[&str]) -> String {
    let to = centre.folder.path().join(name).display().to_string();
    let url = format!("sqlite:{}", centre.path().display());
    json(&[&["backup", "--database", &url, "--to", &to, "--data", "historical"], options].concat(), 0);
    to
}

fn only<'a>(value: &'a Value, field: &str) -> &'a Value {
    let list = value[field].as_array().unwrap_or_else(|| panic!("{field}: {value}"));
    assert_eq!(list.len(), 1, "{field}: {value}");
    &list[0]
}

/// The blocks of the volumes of a folder, without how they were found.
fn blocks(device: &str, status: i32) -> (Vec<Value>, Vec<String>) {
    let lists = only(&json(&["check", device, "--blocks"], status), "sets")["block_lists"].clone();
    let lists = lists.as_array().unwrap();
    let found = lists.iter().map(|list| list["found_by"].as_str().unwrap().to_owned()).collect();
    (lists.iter().flat_map(|list| list["blocks"].as_array().unwrap().clone()).collect(), found)
}

#[test]
fn blocks_by_the_index_and_by_a_scan_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (listed, found) = blocks(&golden(), 0);
    assert_eq!(found, ["index", "index", "index"]);
    let mut bytes = BTreeMap::new();
    for entry in std::fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "ivv") {
            let volume = std::fs::read(&path).unwrap();
            bytes.insert(bytes.len(), volume.len());
            // Without its end mark nobody finds the index.
            let name = path.file_name().unwrap();
            std::fs::write(folder.path().join(name), &volume[..volume.len() - 192]).unwrap();
        }
    }
    let total: u64 = listed.iter().map(|block| block["bytes"].as_u64().unwrap()).sum();
    assert_eq!(total, bytes.values().sum::<usize>() as u64, "every byte is of a listed block");
    let (scanned, found) = blocks(&folder.path().display().to_string(), 4);
    assert_eq!(found, ["scan", "scan", "scan"]);
    let without_ends: Vec<Value> = listed.into_iter().filter(|block| block["kind"] != "volume end").collect();
    assert_eq!(scanned, without_ends);
}

#[test]
fn sections_labels_and_chunks_are_those_of_the_set() {
    let answer = json(&["check", &golden(), "--labels", "--sections", "--chunks"], 0);
    let set = only(&answer, "sets");
    let volumes: Vec<_> = set["labels"].as_array().unwrap().iter().map(|label| label["volume"].as_u64()).collect();
    assert_eq!(volumes, [Some(1), Some(2), Some(3)]);
    assert!(set["labels"][1]["follows_block"].is_u64() && set["labels"][0]["follows_block"].is_null());
    let tables = set["tables"].as_array().unwrap();
    let sections = set["sections"].as_array().unwrap();
    let lists = set["chunk_lists"].as_array().unwrap();
    assert_eq!((sections.len(), lists.len()), (tables.len(), tables.len()));
    for ((table, section), list) in tables.iter().zip(sections).zip(lists) {
        let chunks = list["chunks"].as_array().unwrap();
        let sum = |field: &str| chunks.iter().map(|chunk| chunk[field].as_u64().unwrap()).sum::<u64>();
        assert_eq!(
            (table["table"].clone(), table["chunks"].as_u64()),
            (section["table"].clone(), Some(chunks.len() as u64))
        );
        assert_eq!(table["rows"].as_u64(), Some(sum("rows")));
        assert_eq!(table["columns"].as_u64(), Some(section["columns"].as_array().unwrap().len() as u64));
        let of_chunks = |field: &str| -> u64 {
            let columns = chunks.iter().flat_map(|chunk| chunk["columns"].as_array().unwrap());
            columns.map(|column| column[field].as_u64().unwrap()).sum()
        };
        assert_eq!(
            (list["stored"].as_u64(), list["decoded"].as_u64()),
            (Some(of_chunks("stored")), Some(of_chunks("decoded")))
        );
        let acds: BTreeSet<Option<i64>> =
            chunks.iter().flat_map(|chunk| chunk["acds"].as_array().unwrap()).map(Value::as_i64).collect();
        let outlined: BTreeSet<Option<i64>> =
            table["acds"].as_array().unwrap().iter().map(|acd| acd["acd"].as_i64()).collect();
        assert_eq!(acds, outlined, "{table}");
    }
    let one = json(&["check", &golden(), "--chunks", "--tables", "HSPLIT"], 0);
    assert_eq!(only(only(&one, "sets"), "chunk_lists")["table"], "hsplit");
    let (text, _) = run(&["check", &golden(), "--sections", "--labels", "--chunks", "--blocks", "--coverage"], 0);
    for said in ["section 2: ", "volume 3 ", "integer 16", "  in all", "volume index", "# whole"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_selection_of_which_nothing_is_asked_is_a_usage_error() {
    for arguments in [
        &["--tables", "hsplit"][..],
        &["--acd", "1"],
        &["--start", "2024-03-01"],
        &["--exact"],
        &["--labels", "--verify"],
        &["--labels", "--against", "sqlite:x"],
        &["--coverage", "--start", "2024-03-02", "--stop", "2024-03-01"],
    ] {
        run(&[&["check", &golden()][..], arguments].concat(), 2);
    }
    run(&["check", &golden(), "--labels", "--set", "0000"], 10);
}

fn periods(coverage: &Value, table: &str, acd: i64) -> Vec<(String, String, String)> {
    let tables = coverage.as_array().unwrap();
    let table = tables.iter().find(|found| found["table"] == table).unwrap();
    let of_acd = table["acds"].as_array().unwrap().iter().find(|found| found["acd"] == acd).unwrap();
    let text = |value: &Value| value.as_str().unwrap().trim_end_matches(" 00:00").to_owned();
    let told = of_acd["periods"].as_array().unwrap().iter();
    told.map(|period| (text(&period["span"]["from"]), text(&period["span"]["until"]), text(&period["mark"]))).collect()
}

fn coverage(device: &str, options: &[&str]) -> Value {
    only(&json(&[&["check", device, "--coverage"], options].concat(), 0), "sets")["coverage"].clone()
}

fn told(periods: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    periods.iter().map(|(from, until, mark)| (from.to_string(), until.to_string(), mark.to_string())).collect()
}

/// Tables of every grain with gaps, backed up.
fn every_grain() -> (Centre, String) {
    let centre = Centre::new(&[HSPLIT, DSPLIT, WSPLIT, MSPLIT, SYNONYMS]);
    for day in [1, 2, 3, 6, 7] {
        centre.intervals(&format!("2024-03-{day:02}"), 0, 2400, 60, 1);
    }
    centre.intervals("2024-03-05", 800, 1200, 30, 2);
    centre.intervals("2024-03-08", 800, 1000, 30, 2);
    centre.intervals("2024-03-08", 1100, 1200, 30, 2);
    centre.run("INSERT INTO dsplit VALUES ('2024-02-28', 1, 1, 1), ('2024-03-02', 1, 1, 1)");
    centre.run("INSERT INTO wsplit VALUES ('2024-02-25', 1, 1, 7), ('2024-03-10', 1, 1, 7)");
    centre.run("INSERT INTO msplit VALUES ('2023-11-01', 1, 1, 7), ('2024-02-01', 1, 1, 7)");
    let device = back_up(&centre, "volumes", &[]);
    (centre, device)
}

#[test]
fn coverage_of_every_grain_is_told_by_periods() {
    let (_centre, device) = every_grain();
    let all = coverage(&device, &[]);
    let whole_days = [
        ("2024-03-01", "2024-03-04", "whole"),
        ("2024-03-04", "2024-03-06", "empty"),
        ("2024-03-06", "2024-03-08", "whole"),
    ];
    assert_eq!(periods(&all, "hsplit", 1), told(&whole_days));
    let partial = [
        ("2024-03-05", "2024-03-06", "partial"),
        ("2024-03-06", "2024-03-08", "empty"),
        ("2024-03-08", "2024-03-09", "partial"),
    ];
    assert_eq!(periods(&all, "hsplit", 2), told(&partial));
    let daily = [
        ("2024-02-28", "2024-02-29", "whole"),
        ("2024-02-29", "2024-03-02", "empty"),
        ("2024-03-02", "2024-03-03", "whole"),
    ];
    assert_eq!(periods(&all, "dsplit", 1), told(&daily));
    let weekly = [
        ("2024-02-25", "2024-03-03", "whole"),
        ("2024-03-03", "2024-03-10", "empty"),
        ("2024-03-10", "2024-03-17", "whole"),
    ];
    assert_eq!(periods(&all, "wsplit", 1), told(&weekly));
    let monthly = [
        ("2023-11-01", "2023-12-01", "whole"),
        ("2023-12-01", "2024-02-01", "empty"),
        ("2024-02-01", "2024-03-01", "whole"),
    ];
    assert_eq!(periods(&all, "msplit", 1), told(&monthly));
    let some = coverage(&device, &["--tables", "hsplit", "--acd", "2", "--start", "2024-03-06"]);
    let tables = some.as_array().unwrap();
    assert_eq!((tables.len(), tables[0]["acds"].as_array().unwrap().len()), (1, 1));
    assert_eq!(periods(&some, "hsplit", 2), told(&partial[1..]));
    // Read exactly: which intervals of the day are missing.
    let gaps = |value: &Value| {
        let tables = value.as_array().unwrap();
        let table = tables.iter().find(|found| found["table"] == "hsplit").unwrap();
        let acd = &table["acds"].as_array().unwrap()[1];
        acd["periods"].as_array().unwrap().last().unwrap()["gaps"].clone()
    };
    let held = |gaps: &Value| {
        let held = gaps.as_array().unwrap().iter().filter(|gap| gap["held"] == true).cloned();
        held.map(|gap| gap["span"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(held(&gaps(&all)), Vec::<Value>::new());
    let missing = serde_json::json!({"from": "2024-03-08 10:00", "until": "2024-03-08 11:00"});
    assert_eq!(held(&gaps(&coverage(&device, &["--exact"]))), [missing]);
}

#[test]
fn coverage_is_a_calendar_for_people() {
    let (_centre, device) = every_grain();
    let (text, error) = run(&["check", &device, "--coverage", "--exact"], 0);
    assert!(!text.contains('\u{1b}') && error.is_empty(), "{text}{error}");
    let blanks = |count: usize| " ".repeat(count);
    for line in [
        "2024-03 ###..##\n".to_owned(),
        format!("2024-03 {}+..+\n", blanks(4)),
        format!("2024-02 {}#.\n2024-03 .#\n", blanks(27)),
        format!("2023    {}#.\n2024    .#\n", blanks(10)),
        "  no day has a row 12:00 to 07:59\n".to_owned(),
        "  + no row 2024-03-08 10:00 to 10:59; not here 2024-03-08 12:00 to 23:59\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line:?}: {text}");
    }
    let (painted, _) = run(&["check", &device, "--coverage", "--color", "always"], 0);
    assert!(painted.contains("2024-03 \u{1b}[32m###\u{1b}[0m..\u{1b}[32m##\u{1b}[0m\n"), "{painted}");
}

/// From when, until when, which mark.
type Told = (String, String, String);

/// What `--coverage --exact` says of the only ACD of hsplit, in a zone: periods with marks, gaps as text, and the time of day
/// without rows.
fn exactly(device: &str, zone: &str, status: i32) -> (Vec<Told>, Vec<(String, bool)>, Value) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["check", device, "--coverage", "--exact", "--tables", "hsplit", "--json"])
        .env("TZ", zone)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let coverage = &only(&answer, "sets")["coverage"];
    let acd = only(&coverage[0], "acds");
    let gaps = acd["periods"].as_array().unwrap().iter().flat_map(|period| period["gaps"].as_array().unwrap());
    let gap = |gap: &Value| {
        let at = |end: &str| gap["span"][end].as_str().unwrap().to_owned();
        (format!("{} {}", at("from"), at("until")), gap["held"].as_bool().unwrap())
    };
    (periods(coverage, "hsplit", 1), gaps.map(gap).collect(), acd["closed"].clone())
}

/// Rows around the clock but for one night and most of a day: both are seen, the night across midnight.
#[test]
fn an_outage_is_a_gap_wherever_it_begins_and_ends() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 1..=7 {
        let (from, to) = match day {
            3 => (0, 2000),
            4 => (600, 2400),
            6 => (1200, 1230),
            _ => (0, 2400),
        };
        centre.intervals(&format!("2024-03-{day:02}"), from, to, 30, 1);
    }
    let device = back_up(&centre, "volumes", &[]);
    let (periods, gaps, closed) = exactly(&device, "UTC", 0);
    let gap = |text: &str| (text.to_owned(), true);
    let wanted = [
        ("2024-03-01", "2024-03-03", "whole"),
        ("2024-03-03", "2024-03-04", "gaps"),
        ("2024-03-04", "2024-03-05", "gaps"),
        ("2024-03-05", "2024-03-06", "whole"),
        ("2024-03-06", "2024-03-07", "gaps"),
        ("2024-03-07", "2024-03-08", "whole"),
    ];
    assert_eq!((periods, closed), (told(&wanted), Value::Null));
    let wanted = [
        gap("2024-03-03 20:00 2024-03-04 00:00"),
        gap("2024-03-04 00:00 2024-03-04 06:00"),
        gap("2024-03-06 00:00 2024-03-06 12:00"),
        gap("2024-03-06 12:30 2024-03-07 00:00"),
    ];
    assert_eq!(gaps, wanted);
    let (text, _) = run(&["check", &device, "--coverage", "--exact"], 0);
    assert!(text.contains("2024-03 ##::#:#\n") && text.contains("4 whole days, 3 with gaps\n"), "{text}");
    // Without the times of rows nobody can know.
    assert_eq!(self::periods(&coverage(&device, &[]), "hsplit", 1), told(&[("2024-03-01", "2024-03-08", "whole")]));
}

/// Closed at night, over midnight too: told once, and no gap. A day that ends early has one.
#[test]
fn the_time_at_which_no_day_has_a_row_is_told_once() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 1..=6 {
        centre.intervals(&format!("2024-03-{day:02}"), 0, 200, 30, 1);
        centre.intervals(&format!("2024-03-{day:02}"), 600, if day == 4 { 2200 } else { 2400 }, 30, 1);
    }
    let device = back_up(&centre, "volumes", &[]);
    let (_, gaps, closed) = exactly(&device, "UTC", 0);
    assert_eq!(closed, serde_json::json!({"from": "02:00", "until": "06:00"}));
    assert_eq!(gaps, [("2024-03-04 22:00 2024-03-05 00:00".to_owned(), true)]);
    let (text, _) = run(&["check", &device, "--coverage", "--exact"], 0);
    assert!(text.contains("  no day has a row 02:00 to 05:59\n"), "{text}");
}

/// The last Sunday of March has no 02:00 in Berlin; the one before has, and where clocks do not change so has this one.
#[test]
fn the_hour_that_clocks_skip_is_no_gap() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 23..=27 {
        centre.intervals(&format!("2023-03-{day:02}"), 0, 200, 30, 1);
        if day != 26 {
            centre.intervals(&format!("2023-03-{day:02}"), 200, 300, 30, 1);
        }
        centre.intervals(&format!("2023-03-{day:02}"), 300, 2400, 30, 1);
    }
    let device = back_up(&centre, "volumes", &[]);
    assert_eq!(exactly(&device, "Europe/Berlin", 0).0, told(&[("2023-03-23", "2023-03-28", "whole")]));
    let hour = ("2023-03-26 02:00 2023-03-26 03:00".to_owned(), true);
    for zone in ["UTC", "America/New_York"] {
        assert_eq!(exactly(&device, zone, 0).1, std::slice::from_ref(&hour), "{zone}");
    }
    centre.run("DELETE FROM hsplit WHERE row_date = '2023-03-26' AND starttime = 300");
    let again = back_up(&centre, "again", &[]);
    let gap = ("2023-03-26 03:00 2023-03-26 03:30".to_owned(), true);
    assert_eq!(exactly(&again, "Europe/Berlin", 0).1, [gap]);
}

/// Each chunk in turn: its days are not whole, and nobody says that the source had no rows.
#[test]
fn rows_that_cannot_be_read_are_no_gap_of_the_source() {
    let centre = Centre::new(&[HSPLIT]);
    (1..=20).for_each(|day| centre.intervals(&format!("2024-03-{day:02}"), 0, 2400, 15, 1));
    centre.run("UPDATE hsplit SET acdcalls = rowid * 7919 % 99991, logid = hex(rowid * 104729)");
    let device = back_up(&centre, "volumes", &["--volume-size", "8KiB"]);
    let whole = told(&[("2024-03-01", "2024-03-21", "whole")]);
    assert_eq!(exactly(&device, "UTC", 0), (whole, vec![], Value::Null));
    let listed = json(&["check", &device, "--chunks"], 0);
    let chunks = only(only(&listed, "sets"), "chunk_lists")["chunks"].as_array().unwrap().clone();
    let volumes = super::site::volumes(&PathBuf::from(&device));
    assert!(chunks.len() > 3);
    for chunk in &chunks {
        let path = &volumes[chunk["volume"].as_u64().unwrap() as usize - 1];
        let sound = std::fs::read(path).unwrap();
        let at = (chunk["byte"].as_u64().unwrap() + chunk["bytes"].as_u64().unwrap() / 2) as usize;
        std::fs::write(path, Damage::Flip { at, mask: 4 }.of(&sound)).unwrap();
        let (periods, gaps, _) = exactly(&device, "UTC", 4);
        let time = |end: &str| chunk["time"][end].as_str().unwrap();
        for (from, _, mark) in periods.iter().filter(|(_, _, mark)| mark == "whole") {
            assert!(from.as_str() > time("until") || from[..10] < time("from")[..10], "{chunk}: {from} {mark}");
        }
        assert!(gaps.iter().all(|(_, held)| !held), "{chunk}: {gaps:?}");
        assert!(periods.iter().any(|(_, _, mark)| mark == "partial" || mark == "missing"), "{periods:?}");
        let covered = |day: &str| {
            let held = |(from, until, mark): &&Told| mark != "whole" && &**from <= day && day < &**until;
            periods.iter().any(|period| held(&period))
        };
        assert!(covered(&time("from")[..10]), "{chunk}: {periods:?}");
        let (text, error) = run(&["check", &device, "--coverage", "--exact"], 4);
        assert!(!text.contains("no row 2024") && error.contains("table hsplit"), "{text}{error}");
        std::fs::write(path, sound).unwrap();
    }
}

/// Days as a naive look at the rows gives them, for many random tables: a day is there if it has rows, and nothing else is.
#[test]
fn coverage_is_what_the_rows_say() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for case in 0..6 {
        let centre = Centre::new(&[DSPLIT]);
        let first = day_of_civil(2023, 12, 20).unwrap();
        let days: BTreeSet<i32> = (0..=random(40)).map(|_| first + random(90) as i32).collect();
        let name = |day: i32| {
            let (year, month, day) = civil_of_day(day);
            format!("{year:04}-{month:02}-{day:02}")
        };
        for day in &days {
            centre.run(&format!("INSERT INTO dsplit VALUES ('{}', 1, 1, 1)", name(*day)));
        }
        let found = periods(&coverage(&back_up(&centre, "volumes", &[]), &[]), "dsplit", 1);
        let mut wanted: Vec<(String, String, String)> = Vec::new();
        for day in *days.first().unwrap()..=*days.last().unwrap() {
            let mark = if days.contains(&day) { "whole" } else { "empty" };
            match wanted.last_mut() {
                Some(last) if last.2 == mark => last.1 = name(day + 1),
                _ => wanted.push((name(day), name(day + 1), mark.to_owned())),
            }
        }
        assert_eq!(found, wanted, "case {case}");
    }
}

/// An incremental set speaks with those before it; without the full the days that only it has are missing.
#[test]
fn coverage_of_a_chain_is_that_of_its_members_together() {
    let centre = Centre::new(&[DSPLIT]);
    let insert = |day: u32| centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', 1, 1, 1)"));
    [1, 2, 4, 5].into_iter().for_each(insert);
    let full = back_up(&centre, "full", &[]);
    insert(7);
    let next = back_up(&centre, "next", &["--incremental", "--base", &full]);
    let of_newest = |devices: &[&str]| {
        let answer = json(&[&["check"], devices, &["--coverage"]].concat(), 0);
        let newest = answer["sets"].as_array().unwrap().iter().find(|set| set["incremental"] == true).unwrap();
        periods(&newest["coverage"], "dsplit", 1)
    };
    let whole = [
        ("2024-03-01", "2024-03-03", "whole"),
        ("2024-03-03", "2024-03-04", "empty"),
        ("2024-03-04", "2024-03-06", "whole"),
        ("2024-03-06", "2024-03-07", "empty"),
        ("2024-03-07", "2024-03-08", "whole"),
    ];
    assert_eq!(of_newest(&[&full, &next]), told(&whole));
    // Alone it does not even say that there was no row on the 3rd.
    let alone = [("2024-03-01", "2024-03-06", "missing"), whole[3], whole[4]];
    assert_eq!(of_newest(&[&next]), told(&alone));
    let (text, _) = run(&["check", &full, &next, "--coverage"], 0);
    assert!(text.contains("Coverage, with 1 set before it:"), "{text}");
}

/// A calendar ends where the rows do, also where all of its last month is of one sort.
#[test]
fn a_calendar_ends_with_the_last_day() {
    let centre = Centre::new(&[DSPLIT]);
    for date in ["2024-02-27", "2024-03-01", "2024-03-02"] {
        centre.run(&format!("INSERT INTO dsplit VALUES ('{date}', 1, 1, 1)"));
    }
    let full = back_up(&centre, "full", &[]);
    centre.run("UPDATE dsplit SET acdcalls = 2 WHERE row_date = '2024-02-27'");
    let next = back_up(&centre, "next", &["--incremental", "--base", &full]);
    let (text, _) = run(&["check", &next, "--coverage"], 0);
    assert!(text.contains("\n2024-03 --\n"), "{text}");
    let (text, _) = run(&["check", &full, "--coverage"], 0);
    assert!(text.contains("\n2024-03 ##\n"), "{text}");
}

/// A row with a wild date makes no calendar of thousands of lines; no line is longer than 40 characters.
#[test]
fn a_calendar_of_centuries_is_short_and_narrow() {
    let centre = Centre::new(&[DSPLIT, MSPLIT]);
    centre.run("INSERT INTO dsplit VALUES ('0001-01-31', 1, 1, 1), ('2024-03-15', 1, 1, 1), ('9999-12-31', 1, 1, 1)");
    centre.run("INSERT INTO msplit VALUES ('0001-01-01', 1, 1, 7), ('9999-12-01', 1, 1, 7)");
    let device = back_up(&centre, "volumes", &[]);
    let (text, _) = run(&["check", &device, "--coverage"], 0);
    assert!(text.lines().count() < 40, "{text}");
    let calendar = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()) || line.contains('…'));
    let long: Vec<&str> = calendar.clone().filter(|line| line.chars().count() > 40).collect();
    assert!(long.is_empty() && calendar.count() > 6, "{long:?}");
    for said in ["2024-03 ..............#", "more months like this", "more years like this"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

/// ACD, day, on which side, rows on one side, rows on the other.
type Found = (Option<i64>, Option<String>, String, u64, u64);

fn differences(value: &Value, table: &str) -> Vec<Found> {
    let tables = value["tables"].as_array().unwrap();
    let table = tables.iter().find(|found| found["table"] == table).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = table["differences"].as_array().unwrap().iter();
    list.map(|one| {
        let (here, there) = (one["rows_here"].as_u64().unwrap(), one["rows_there"].as_u64().unwrap());
        (one["acd"].as_i64(), text(&one["day"]), text(&one["what"]).unwrap(), here, there)
    })
    .collect()
}

fn only_difference(value: &Value, table: &str) -> (Option<i64>, Option<String>, String, u64, u64) {
    let found = differences(value, table);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn day(acd: i64, day: &str, what: &str, here: u64, there: u64) -> (Option<i64>, Option<String>, String, u64, u64) {
    (Some(acd), Some(format!("2024-03-{day}")), what.to_owned(), here, there)
}

#[test]
fn a_set_is_compared_with_its_database_day_by_day() {
    let case = Case::new();
    let (device, url) = (case.device(), case.url());
    let same = json(&["check", &device, "--against", &url], 0);
    assert!(
        same["tables"].as_array().unwrap().iter().all(|table| table["same"] == true && table["buckets"] != 0),
        "{same}"
    );
    let (text, _) = run(&["check", &device, "--against", &url], 0);
    assert!(text.contains("tables are the same."), "{text}");
    case.centre.run(
        "UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE row_date = '2024-03-02' AND acd = 1 AND starttime = 900; \
         DELETE FROM hsplit WHERE row_date = '2024-03-03' AND acd = 2; UPDATE synonyms SET descr = 'x'",
    );
    case.centre.intervals("2024-03-05", 800, 900, 30, 1);
    let answer = json(&["check", &device, "--against", &url], 4);
    let wanted = [day(1, "02", "other-rows", 8, 8), day(1, "05", "only-there", 0, 2), day(2, "03", "only-here", 8, 0)];
    assert_eq!(differences(&answer, "hsplit"), wanted);
    assert_eq!(differences(&answer, "dsplit"), []);
    let (_, day_of, what, ..) = only_difference(&answer, "synonyms");
    assert_eq!((day_of, what.as_str()), (None, "other-rows"));
    let only = |options: &[&str], status| json(&[&["check", &device, "--against", &url], options].concat(), status);
    assert_eq!(differences(&only(&["--acd", "2"], 4), "hsplit"), wanted[2..]);
    let some = only(&["--start", "2024-03-02", "--stop", "2024-03-02"], 4);
    assert_eq!((differences(&some, "hsplit"), differences(&some, "synonyms")), (wanted[..1].to_vec(), vec![]));
    assert_eq!(only(&["--tables", "dsplit"], 0)["tables"].as_array().unwrap().len(), 1);
    let (text, _) = run(&["check", &device, "--against", &url], 4);
    for said in [
        "hsplit: 3 of 9 buckets differ",
        "only in the set",
        "only on the other side",
        "2 tables differ, 1 is the same.",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // What cannot be compared is a difference, and says why.
    case.centre.run("ALTER TABLE dsplit RENAME COLUMN split TO skill; DROP TABLE synonyms");
    let answer = json(&["check", &device, "--against", &url], 4);
    let unlike = |name: &str| {
        let tables = answer["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"] == name).unwrap()["unlike"].as_str().unwrap().to_owned()
    };
    assert_eq!(unlike("dsplit"), "the database lacks column split");
    assert_eq!(unlike("synonyms"), "the database does not have it");
    run(&["check", &device, "--against", "sqlite:/no/such.db"], 10);
}

/// What came in after the backup was taken is no difference: neither rows of the interval that was not over nor later ones.
#[test]
fn rows_after_the_cutoff_are_no_difference() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-01", 800, 1030, 30, 1);
    let device = back_up(&centre, "volumes", &["--now", "2024-03-01 10:10"]);
    let url = format!("sqlite:{}", centre.path().display());
    centre.run("UPDATE hsplit SET acdcalls = 77 WHERE starttime = 1000");
    centre.intervals("2024-03-01", 1030, 1800, 30, 1);
    centre.intervals("2024-03-02", 800, 1800, 30, 1);
    assert_eq!(differences(&json(&["check", &device, "--against", &url], 0), "hsplit"), []);
    centre.run("UPDATE hsplit SET acdcalls = 77 WHERE starttime = 930 AND row_date = '2024-03-01'");
    assert_eq!(
        differences(&json(&["check", &device, "--against", &url], 4), "hsplit"),
        [day(1, "01", "other-rows", 4, 4)]
    );
}

/// Rows that are only not here are no difference: nobody knows what the set has of them.
#[test]
fn what_is_not_here_is_no_difference() {
    let centre = Centre::new(&[HSPLIT]);
    for date in 1..=20 {
        centre.intervals(&format!("2024-03-{date:02}"), 0, 2330, 30, 1);
    }
    let device = back_up(&centre, "volumes", &["--volume-size", "7KiB"]);
    let url = format!("sqlite:{}", centre.path().display());
    let mut volumes: Vec<_> = std::fs::read_dir(&device).unwrap().map(|entry| entry.unwrap().path()).collect();
    volumes.sort();
    assert!(volumes.len() > 4, "{volumes:?}");
    let compared = |status| {
        let answer = json(&["check", &device, "--against", &url], status);
        let tables = answer["tables"].as_array().unwrap();
        assert_eq!(tables.len(), 1, "{answer}");
        (tables[0]["same"].as_bool(), tables[0]["buckets"].as_u64(), tables[0]["unknown"].as_u64())
    };
    assert_eq!(compared(0), (Some(true), Some(20), Some(0)));
    // The catalog is on the last one.
    std::fs::remove_file(volumes.last().unwrap()).unwrap();
    std::fs::remove_file(&volumes[2]).unwrap();
    let (same, buckets, unknown) = compared(5);
    assert_eq!((same, buckets.unwrap() + unknown.unwrap()), (None, 20));
    assert!(buckets > Some(3) && unknown > Some(1), "{buckets:?} {unknown:?}");
    let (text, _) = run(&["check", &device, "--against", &url], 5);
    assert!(text.contains("not compared: the set's catalog is not here") && !text.contains("the same,"), "{text}");
    // A row that is another one all the same.
    centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE row_date = '2024-03-01'");
    assert_eq!(compared(4).0, Some(false));
}

/// Two sets that speak up to different times do not say that they are the same.
#[test]
fn buckets_after_a_cutoff_are_not_said_to_be_the_same() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-01", 800, 1000, 30, 1);
    let first = back_up(&centre, "first", &["--now", "2024-03-01 10:10"]);
    centre.run("UPDATE hsplit SET acdcalls = 999 WHERE starttime = 830");
    centre.intervals("2024-03-01", 1000, 1030, 30, 1);
    let second = back_up(&centre, "second", &["--now", "2024-03-01 10:40"]);
    let answer = json(&["check", &first, "--against", &second], 3);
    let table = &answer["tables"][0];
    assert_eq!((table["same"].as_bool(), table["beyond_cutoff"].as_u64()), (None, Some(1)), "{answer}");
    let (text, _) = run(&["check", &first, "--against", &second], 3);
    assert!(
        text.contains("hsplit: no difference in 0 buckets") && text.contains("0 tables are the same. 1 table"),
        "{text}"
    );
}

#[test]
fn sets_are_compared_with_each_other_and_chains_by_their_newest_state() {
    let centre = Centre::new(&[HSPLIT, DSPLIT]);
    for date in ["2024-03-01", "2024-03-02", "2024-03-03"] {
        centre.intervals(date, 800, 1200, 30, 1);
    }
    let full = back_up(&centre, "full", &[]);
    centre.run("UPDATE hsplit SET acdcalls = 0 WHERE row_date = '2024-03-02'");
    centre.intervals("2024-03-04", 800, 900, 30, 1);
    let next = back_up(&centre, "next", &["--incremental", "--base", &full]);
    let again = back_up(&centre, "again", &[]);
    // A chain has the state of a full backup that was taken at the same time.
    assert_eq!(differences(&json(&["check", &full, &next, "--against", &again], 0), "hsplit"), []);
    let url = format!("sqlite:{}", centre.path().display());
    assert_eq!(differences(&json(&["check", &full, &next, "--against", &url], 0), "hsplit"), []);
    let wanted = [day(1, "02", "other-rows", 8, 8), day(1, "04", "only-there", 0, 2)];
    let answer = json(&["check", &full, "--against", &again], 4);
    assert_eq!(differences(&answer, "hsplit"), wanted);
    // Two sets of one device, by their ids.
    let id = |device: &str| only(&json(&["check", device], 0), "sets")["set"].as_str().unwrap().to_owned();
    let ids = [id(&full), id(&again)];
    let answer = json(&["check", &full, &again, "--set", &ids[0], "--against-set", &ids[1]], 4);
    assert_eq!(differences(&answer, "hsplit"), wanted);
    assert_eq!(answer["against"]["set"].as_str(), Some(ids[1].as_str()));
    // A part of the chain that is not here is told of: nothing of it can be restored.
    let answer = json(&["check", &next, "--against", &again], 5);
    let hsplit = answer["tables"].as_array().unwrap().iter().find(|table| table["table"] == "hsplit").unwrap();
    assert_eq!((hsplit["same"].as_bool(), hsplit["not_here"].as_u64()), (Some(true), Some(2)), "{answer}");
    // Tables that only one of them has.
    centre.run(WSPLIT);
    centre.run("INSERT INTO wsplit VALUES ('2024-02-25', 1, 1, 7)");
    let more = back_up(&centre, "more", &[]);
    let answer = json(&["check", &again, "--against", &more], 4);
    let unlike = answer["tables"].as_array().unwrap().iter().find(|table| table["table"] == "wsplit").unwrap();
    assert_eq!(unlike["unlike"], "the first set does not have it");
    let (text, _) = run(&["check", &full, "--against", &again], 4);
    assert!(text.contains("hsplit: 2 of 4 buckets differ"), "{text}");
}

#[test]
fn a_comparison_of_nothing_is_no_good_news() {
    let case = Case::new();
    let (device, url) = (case.device(), case.url());
    for options in [&["--tables", "nope"][..], &["--acd", "77"], &["--start", "1990-01-01", "--stop", "1990-01-01"]] {
        let (_, warned) = run(&[&["check", &device, "--against", &url], options].concat(), 10);
        assert!(warned.contains("nothing was compared"), "{options:?}: {warned}");
        json(&[&["check", &device, "--against", &device], options].concat(), 10);
    }
    for list in ["--coverage", "--chunks", "--sections"] {
        let (_, failed) = run(&["check", &device, list, "--tables", "nope"], 10);
        assert!(failed.contains("no table nope"), "{failed}");
    }
    for list in ["--coverage", "--chunks"] {
        json(&["check", &device, list, "--acd", "77"], 10);
        json(&["check", &device, list, "--acd", "1"], 0);
    }
}

#[test]
fn what_is_there_is_listed_and_compared_without_a_complaint() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-01", 800, 1200, 30, 1);
    centre.run(
        "CREATE TABLE own_notes (id INTEGER); INSERT INTO own_notes VALUES (1); CREATE TABLE own_empty (id INTEGER)",
    );
    let (to, url) =
        (centre.folder.path().join("to").display().to_string(), format!("sqlite:{}", centre.path().display()));
    json(&["backup", "--database", &url, "--to", &to, "--data", "historical,custom"], 0);
    for table in ["hsplit", "own_notes", "own_empty"] {
        for list in ["--sections", "--chunks", "--coverage", "--labels"] {
            let (_, said) = run(&["check", &to, list, "--tables", table], 0);
            assert_eq!(
                said.contains("have no time"),
                list == "--coverage" && table != "hsplit",
                "{list} {table}: {said}"
            );
        }
        json(&["check", &to, "--against", &url, "--tables", table], 0);
    }
    for list in ["--sections", "--chunks", "--coverage"] {
        json(&["check", &to, list, "--acd", "1"], 0);
        for more in [&["--acd", "77"][..], &["--start", "2030-01-01"], &["--acd", "1", "--tables", "own_notes"]] {
            let (_, said) = run(&[&["check", &to, list], more].concat(), 10);
            assert!(said.contains("nothing is listed"), "{list} {more:?}: {said}");
        }
    }
    // What has neither ACD nor time is none of a choice by them: on the set and beside it.
    centre.run("CREATE TABLE own_more (id INTEGER); INSERT INTO own_more VALUES (1)");
    json(&["check", &to, "--against", &url], 4);
    for more in [["--acd", "1"], ["--start", "2024-01-01"]] {
        json(&[&["check", &to, "--against", &url][..], &more].concat(), 0);
    }
}

#[test]
fn a_table_that_only_the_database_has_is_a_difference_where_the_set_was_to_have_it() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-01", 800, 1200, 30, 1);
    let url = format!("sqlite:{}", centre.path().display());
    let back_up = |name: &str, options: &[&str]| {
        let to = centre.folder.path().join(name).display().to_string();
        json(&[&["backup", "--database", &url, "--to", &to], options].concat(), 0);
        to
    };
    let all = back_up("all", &["--data", "historical,custom"]);
    let named = back_up("named", &["--tables", "hsplit"]);
    let one = back_up("one", &["--acd", "1", "--data", "historical"]);
    let historical = back_up("historical", &["--data", "historical"]);
    centre.run("CREATE TABLE own_notes (id INTEGER, text TEXT); INSERT INTO own_notes VALUES (1, 'x')");
    let unlike = |device: &str, status| {
        let answer = json(&["check", device, "--against", &url], status);
        let tables = answer["tables"].as_array().unwrap().clone();
        tables
            .into_iter()
            .filter(|table| !table["unlike"].is_null())
            .map(|table| table["table"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(unlike(&all, 4), ["own_notes"]);
    for device in [&named, &one, &historical] {
        assert_eq!(unlike(device, 0), [""; 0], "{device}");
    }
    assert_eq!(
        json(&["check", &all, "--against", &url, "--tables", "hsplit"], 0)["tables"].as_array().unwrap().len(),
        1
    );
    // One with an ACD of its own is one that a set of one ACD would have.
    centre.run(WSPLIT);
    centre.run("INSERT INTO wsplit VALUES ('2024-02-25', 1, 1, 7)");
    assert_eq!((unlike(&one, 4), unlike(&named, 0)), (vec!["wsplit".into()], vec![]));
}
