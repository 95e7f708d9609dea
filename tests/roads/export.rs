//! `intervault export`: what is in the files is what was backed up, row by row; what cannot be read is in none.

use super::commands::{intervault, run};
use super::dialogue::Terminal;
use super::site::{Site, volumes};
use super::support::{self, Centre, backup_options, backup_with, incremental_options, only_set};
use intervault::backup;
use intervault::base::monitor::Silent;
use intervault::device::memory::MemoryDevice;
use intervault::export::{Export, Failed, Format, Options, TableReport};
use intervault::schema::range::Request;
use intervault::testing::damage::Damage;
use intervault::volume::set::SetReader;
use std::path::Path;
use std::process::{Command, Stdio};

const CSV: Format = Format::Csv { spreadsheet: false };

fn options() -> Options {
    Options { tables: Vec::new(), acd: None, window: None, partial: false, jobs: 2 }
}

/// A table of the set, as it is written.
fn exported(
    set: &SetReader<'_>,
    table: &str,
    options: Options,
    format: Format,
) -> Result<(TableReport, Vec<u8>), Failed> {
    let export = Export::new(set, Options { tables: vec![table.to_owned()], ..options }, &Silent);
    let (plan, mut out) = (export.plan().unwrap(), Vec::new());
    export.table(&plan.tables[0], format, &mut out).map(|report| (report, out))
}

/// The lines of CSV behind the heading, sorted. For tables without line feeds in their values.
fn lines(csv: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = std::str::from_utf8(csv).unwrap().lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// What the database's own text of the same rows is.
fn queried(centre: &Centre, columns: &str, rest: &str) -> Vec<String> {
    let sql = centre.sql();
    let fields =
        columns.split(',').map(|column| format!("ifnull({column}, '')")).collect::<Vec<_>>().join(" || ',' || ");
    let mut statement = sql.prepare(&format!("SELECT {fields} FROM {rest}")).unwrap();
    let mut rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}

const COLUMNS: &str = "row_date,starttime,intrvl,acd,split,acdcalls,logid";

fn some_days() -> Centre {
    let centre = Centre::new(&[support::HSPLIT, support::DSPLIT, support::SYNONYMS]);
    for day in 1..=6 {
        for acd in [1, 2] {
            centre.intervals(&format!("2024-03-{day:02}"), 0, 2400, 30, acd);
            centre.run(&format!("INSERT INTO dsplit VALUES ('2024-03-{day:02}', {acd}, 1, {day})"));
        }
    }
    centre.run(
        "INSERT INTO hsplit VALUES ('2024-03-03', 2345, 30, 1, 9, NULL, 'late'); \
                INSERT INTO hsplit VALUES ('no day', 0, 30, 1, 9, 1, NULL); \
                INSERT INTO synonyms VALUES (1, 'split', 'one', '1', '')",
    );
    centre
}

#[test]
fn all_rows_come_out_as_they_are_in_the_database() {
    let centre = some_days();
    let device = support::backup(&centre);
    let (report, csv) = exported(&only_set(&device), "hsplit", options(), CSV).unwrap();
    assert!(csv.starts_with(format!("{COLUMNS}\n").as_bytes()));
    assert_eq!(lines(&csv), queried(&centre, COLUMNS, "hsplit"));
    assert_eq!((report.rows, report.lost.len()), (6 * 96 + 2, 0));
}

/// A row that reaches into the range stands for a part of it; one without a usable time for none.
#[test]
fn a_range_of_an_acd_is_the_rows_that_stand_for_any_of_it() {
    let centre = some_days();
    let device = support::backup(&centre);
    let request = Request::parse(Some("2024-03-04"), Some("2024-03-04")).unwrap();
    let asked = Options { acd: Some(1), window: request.span(), ..options() };
    let (_, csv) = exported(&only_set(&device), "hsplit", asked, CSV).unwrap();
    let wanted = "hsplit WHERE acd = 1 AND (row_date = '2024-03-04' OR row_date = '2024-03-03' AND starttime = 2345)";
    assert_eq!(lines(&csv), queried(&centre, COLUMNS, wanted));
    let asked = Options { acd: Some(2), ..options() };
    let (_, csv) = exported(&only_set(&device), "dsplit", asked, CSV).unwrap();
    assert_eq!(lines(&csv), queried(&centre, "row_date,acd,split,acdcalls", "dsplit WHERE acd = 2"));
}

#[test]
fn tables_that_have_no_acd_or_no_times_are_left_out_or_refused_by_name() {
    let centre = some_days();
    centre.run("CREATE TABLE notes (v TEXT); INSERT INTO notes VALUES ('x')");
    let device = support::backup(&centre);
    let set = only_set(&device);
    let plan = |tables: &[&str], acd, window| {
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        let export = Export::new(&set, Options { tables, acd, window, ..options() }, &Silent);
        export.plan().map_err(|error| error.to_string())
    };
    let window = Request::parse(Some("2024-03-04"), None).unwrap().span();
    let left_out = |plan: intervault::export::Plan| plan.left_out.into_iter().map(|one| one.table).collect::<Vec<_>>();
    assert_eq!(left_out(plan(&[], Some(1), None).unwrap()), ["notes"]);
    assert_eq!(left_out(plan(&[], None, window).unwrap()), ["synonyms", "notes"]);
    assert!(plan(&["NOTES"], Some(1), None).unwrap_err().contains("has no ACD column"));
    assert!(plan(&["synonyms"], None, window).unwrap_err().contains("has no times"));
    assert!(plan(&["nowhere"], None, None).unwrap_err().contains("nowhere is not in set"));
}

/// An incremental set gives the rows that it wrote.
#[test]
fn an_incremental_set_gives_its_own_rows() {
    let centre = some_days();
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup_options(1));
    centre.interval("2024-03-02", 1215, 15, 1, 7);
    backup_with(&centre, &device, &incremental_options(2));
    let sets = intervault::volume::set::list_sets(&device).unwrap().sets;
    let newest = sets.iter().find(|set| set.label().sequence == 1).unwrap();
    let (_, csv) = exported(newest, "hsplit", options(), CSV).unwrap();
    assert_eq!(lines(&csv), queried(&centre, COLUMNS, "hsplit WHERE acd = 1 AND row_date = '2024-03-02'"));
}

/// Who did not choose an incremental set is told that it is one.
#[test]
fn an_incremental_set_that_nobody_chose_is_told_of() {
    let centre = some_days();
    let folder = tempfile::tempdir().unwrap();
    let (volumes, to) = (folder.path().join("volumes"), folder.path().join("to"));
    let state = folder.path().join("state");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_intervault"));
        let output = command.args(arguments).env("INTERVAULT_STATE", &state).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (url, volumes, to) =
        (format!("sqlite:{}", centre.path().display()), volumes.to_str().unwrap(), to.to_str().unwrap());
    let backup = ["backup", "--database", &url, "--to", volumes];
    assert_eq!(run(&backup).0, Some(0));
    centre.interval("2024-03-02", 1215, 15, 1, 7);
    assert_eq!(run(&[&backup[..], &["--incremental"]].concat()).0, Some(0));
    let export = ["export", volumes, "--tables", "hsplit", "--overwrite", "--json", "--to", to];
    let (status, out, err) = run(&export);
    assert!(status == Some(3) && err.contains("is incremental"), "{status:?} {err}");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["incremental"], true);
    let chosen = answer["set"].as_str().unwrap();
    let (status, _, err) = run(&[&export[..], &["--set", chosen]].concat());
    assert_eq!(status, Some(0), "{err}");
}

/// One bit of each chunk in turn: nothing of it goes out, and with `partial` everything else does.
#[test]
fn what_is_damaged_is_in_no_file() {
    let centre = some_days();
    centre.run("UPDATE hsplit SET logid = hex(rowid * 104729), acdcalls = rowid * 7919 % 99991");
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { volume_size: Some(8 << 10), ..backup_options(1) });
    let sound = only_set(&device);
    let section = sound.sections().iter().find(|section| section.header.table == "hsplit").unwrap().clone();
    assert!(section.chunks.len() > 2, "{} chunks", section.chunks.len());
    let (_, whole) = exported(&sound, "hsplit", options(), CSV).unwrap();
    // In the order of the set, so that the rows of a chunk stand where its number of the first row says.
    let whole: Vec<&str> = std::str::from_utf8(&whole).unwrap().lines().skip(1).collect();
    for chunk in &section.chunks {
        let name = sound.copies(chunk.entry.volume).remove(0);
        let bytes = device.bytes(&name).unwrap();
        let at = chunk.entry.offset as usize + chunk.entry.bytes as usize / 2;
        device.insert(&name, Damage::Flip { at, mask: 0x10 }.of(&bytes));
        let set = only_set(&device);
        let refused = exported(&set, "hsplit", options(), CSV);
        assert!(matches!(refused, Err(Failed::Set(error)) if error.to_string().contains("--partial")));
        let (report, csv) = exported(&set, "hsplit", Options { partial: true, ..options() }, CSV).unwrap();
        assert_eq!(report.lost.iter().map(|lost| lost.rows).sum::<u64>(), u64::from(chunk.entry.rows));
        let lost = chunk.entry.first_row as usize..(chunk.entry.first_row + u64::from(chunk.entry.rows)) as usize;
        let rest: Vec<&str> = [&whole[..lost.start], &whole[lost.end..]].concat();
        let left: Vec<&str> = std::str::from_utf8(&csv).unwrap().lines().skip(1).collect();
        assert!(!rest.is_empty() && left == rest, "chunk {}", chunk.number);
        assert_eq!(report.rows, rest.len() as u64);
        device.insert(&name, bytes);
    }
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::*;
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
    use ::parquet::record::{Field, Row};

    fn rows(file: Vec<u8>) -> (Vec<Row>, String) {
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        let schema = format!("{:?}", reader.metadata().file_metadata().schema());
        let kept = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
        assert!(kept.iter().any(|pair| pair.key == "intervault.table" && pair.value.is_some()));
        (reader.get_row_iter(None).unwrap().map(Result::unwrap).collect(), schema)
    }

    fn text(field: &Field) -> String {
        match field {
            Field::Null => String::new(),
            Field::Int(number) => number.to_string(),
            Field::Long(number) => number.to_string(),
            Field::Str(text) => text.clone(),
            Field::Date(days) => {
                let (year, month, day) = intervault::base::time::civil_of_day(*days);
                format!("{year:04}-{month:02}-{day:02}")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rows_of_a_parquet_file_are_those_of_the_database() {
        let centre = some_days();
        centre.run("DELETE FROM hsplit WHERE row_date = 'no day'");
        let device = support::backup(&centre);
        let (report, file) = exported(&only_set(&device), "hsplit", options(), Format::Parquet).unwrap();
        let (rows, schema) = rows(file);
        let mut found: Vec<String> = rows
            .iter()
            .map(|row| row.get_column_iter().map(|(_, field)| text(field)).collect::<Vec<_>>().join(","))
            .collect();
        found.sort();
        assert_eq!(found, queried(&centre, COLUMNS, "hsplit"));
        assert!(schema.contains("DATE") && report.columns.iter().all(|column| !column.widened), "{schema}");
    }

    /// Where one value is no date, all are texts, and it is said.
    #[test]
    fn a_column_is_widened_by_the_first_value_that_does_not_fit() {
        let centre = some_days();
        let device = support::backup(&centre);
        let (report, file) = exported(&only_set(&device), "hsplit", options(), Format::Parquet).unwrap();
        let widened: Vec<&str> =
            report.columns.iter().filter(|column| column.widened).map(|column| column.name.as_str()).collect();
        assert_eq!(widened, ["row_date"]);
        let dates: Vec<String> = rows(file).0.iter().map(|row| text(row.get_column_iter().next().unwrap().1)).collect();
        assert!(dates.contains(&"no day".to_owned()) && dates.len() == report.rows as usize);
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_command_writes_a_file_for_each_table_and_replaces_none_unasked() {
    let site = Site::new();
    let (from, to) = (site.case.device(), site.text("out"));
    let answer = site.json(&["export", &from, "--to", &to], 0);
    assert_eq!(files(Path::new(&to)), ["dsplit.csv", "hsplit.csv", "synonyms.csv"]);
    let table = answer["tables"].as_array().unwrap().iter().find(|table| table["table"] == "hsplit").unwrap().clone();
    let csv = std::fs::read(site.path("out").join("hsplit.csv")).unwrap();
    assert_eq!((table["rows"].as_u64(), table["bytes"].as_u64()), (Some(64), Some(csv.len() as u64)));
    assert_eq!(lines(&csv), queried(&site.case.centre, COLUMNS, "hsplit"));
    let (_, err) = site.run(&["export", &from, "--to", &to], 9);
    assert!(err.contains("is there already") && err.contains("--overwrite"), "{err}");
    std::fs::write(site.path("out").join("dsplit.csv"), "old").unwrap();
    let (out, _) = site.run(&["export", &from, "--to", &to, "--overwrite"], 0);
    assert!(out.contains("dsplit") && std::fs::read(site.path("out").join("dsplit.csv")).unwrap().len() > 100, "{out}");
    assert_eq!(files(Path::new(&to)).len(), 3, "nothing else is left");
}

#[test]
fn rows_go_to_standard_output_and_a_reader_may_go_away() {
    let site = Site::new();
    let (from, state) = (site.case.device(), site.text("state"));
    let (out, err) = site.run(&["export", &from, "--to", "-", "--tables", "hsplit", "--acd", "2"], 0);
    assert_eq!(lines(out.as_bytes()), queried(&site.case.centre, COLUMNS, "hsplit WHERE acd = 2"), "{err}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["export", &from, "--to", "-", "--tables", "hsplit", "--state-dir", &state])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // How many rows went out nobody knows then.
    let mut child = Command::new(env!("CARGO_BIN_EXE_intervault"))
        .args(["export", &from, "--to", "-", "--tables", "hsplit", "--state-dir", &state, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(answer["tables"][0]["rows"].is_null() && answer["exit"] == 0, "{answer}");
    let (_, err) = run(&["export", &from, "--to", "-", "--state-dir", &state], 2);
    assert!(err.contains("one file is for one table"), "{err}");
}

#[test]
fn damage_and_missing_volumes_end_an_export_and_leave_no_file_unless_the_rest_is_wanted() {
    let site = Site::new();
    for day in 5..20 {
        site.case.centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    site.case.centre.run("UPDATE hsplit SET acdcalls = rowid * 7919 % 99991, logid = hex(rowid * 104729)");
    site.backup("small", &["--data", "historical", "--volume-size", "16KiB"], 0);
    let all = volumes(&site.path("small"));
    assert!(all.len() > 2);
    let mut bytes = std::fs::read(&all[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&all[1], &bytes).unwrap();
    let (from, to) = (site.text("small"), site.text("out"));
    let words = ["export", &from, "--to", &to, "--tables", "hsplit"];
    let (_, err) = site.run(&words, 4);
    assert!(err.contains("table hsplit") && err.contains("--partial"), "{err}");
    assert_eq!(files(Path::new(&to)), [] as [String; 0]);
    let answer = site.json(&[&words[..], &["--partial"]].concat(), 4);
    let lost = answer["tables"][0]["lost"].as_array().unwrap();
    let truth = queried(&site.case.centre, COLUMNS, "hsplit");
    let left = lines(&std::fs::read(site.path("out").join("hsplit.csv")).unwrap());
    assert_eq!(left.len() as u64 + lost[0]["rows"].as_u64().unwrap(), truth.len() as u64);
    assert!(!left.is_empty() && left.iter().all(|line| truth.binary_search(line).is_ok()));
    assert!(lost.len() == 1 && lost[0]["absent"] == false && lost[0]["volume"] == 2, "{answer}");
    std::fs::remove_file(&all[1]).unwrap();
    let over = [&words[..], &["--overwrite"]].concat();
    let (_, err) = site.run(&over, 5);
    assert!(err.contains("table hsplit"), "{err}");
    let answer = site.json(&[&over[..], &["--partial"]].concat(), 5);
    assert_eq!(answer["tables"][0]["lost"][0]["absent"], true, "{answer}");
    let (_, err) = site.run(&["export", &from, "--to", &to, "--set", "ffff"], 10);
    assert!(err.contains("no set ffff"), "{err}");
}

/// What a table is called decides no path.
#[test]
fn a_hostile_table_name_stays_in_the_folder() {
    let site = Site::new();
    site.case.centre.run("CREATE TABLE \"../../evil\" (v TEXT); INSERT INTO \"../../evil\" VALUES ('=1+1')");
    site.backup("odd", &["--data", "custom"], 0);
    let (from, to) = (site.text("odd"), site.text("out"));
    site.run(&["export", &from, "--to", &to, "--spreadsheet"], 0);
    assert_eq!(files(Path::new(&to)), ["%2E.%2F..%2Fevil.csv"]);
    let csv = std::fs::read_to_string(site.path("out").join("%2E.%2F..%2Fevil.csv")).unwrap();
    assert_eq!(csv, "v\n'=1+1\n");
    let output = intervault(&[
        "export",
        &from,
        "--to",
        "/proc/none/x.csv",
        "--tables",
        "../../evil",
        "--state-dir",
        &site.text("state"),
    ]);
    assert!(matches!(output.status.code(), Some(7 | 10)), "{output:?}");
}

/// On a terminal nothing of a value acts; in a pipe it is as it was.
#[test]
fn rows_on_a_terminal_are_harmless() {
    let site = Site::new();
    site.case.centre.run("UPDATE synonyms SET descr = char(27) || '[31m' || char(155) || char(7) || 'x'");
    site.backup("odd", &["--data", "acd"], 0);
    let (from, state) = (site.text("odd"), site.text("state"));
    let words = ["export", &from, "--to", "-", "--tables", "synonyms", "--state-dir", &state];
    let (shown, status) = Terminal::of_width(env!("CARGO_BIN_EXE_intervault"), &words, 40).ends();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(shown.contains("\\u{1b}[31m\\u{9b}\\u{7}x"), "{shown}");
    assert!(!shown.contains("\u{1b}[31m") && !shown.contains(['\u{9b}', '\u{7}']), "{shown}");
    let (out, _) = site.run(&words[..6], 0);
    assert!(out.contains("\u{1b}[31m\u{9b}\u{7}x"), "{out}");
    // Programs read the same, and no text of it acts on a terminal.
    let value = site.json(&["check", &from, "--sections"], 0);
    assert!(value["sets"][0]["sections"].is_array());
}

/// Runs the program by a shell that first sets something.
fn beneath(limits: &str, words: &[&str]) -> (Option<i32>, String) {
    let command = format!("{limits}; exec \"$0\" \"$@\"");
    let output =
        Command::new("sh").args(["-c", &command, env!("CARGO_BIN_EXE_intervault")]).args(words).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn others_may_read_a_file_if_the_umask_lets_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let (from, state) = (site.case.device(), site.text("state"));
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let to = site.text(umask);
        let words = ["export", &from, "--to", &to, "--state-dir", &state];
        assert_eq!(beneath(&format!("umask {umask}"), &words).0, Some(0));
        for file in ["hsplit.csv", "dsplit.csv"] {
            let found = site.path(umask).join(file).metadata().unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{umask} {file}");
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_a_full_medium_and_leaves_nothing() {
    let site = Site::new();
    let (from, state, to) = (site.case.device(), site.text("state"), site.text("out"));
    let words = ["export", &from, "--to", &to, "--tables", "hsplit", "--state-dir", &state];
    let (status, err) = beneath("ulimit -f 1", &words);
    assert!(status == Some(8) && err.contains("no space"), "{status:?} {err}");
    assert_eq!(files(Path::new(&to)), Vec::<String>::new());
    let words = ["salvage", &from, "--to", &to, "--state-dir", &state];
    let (status, err) = beneath("ulimit -f 1", &words);
    assert!(status == Some(8), "{status:?} {err}");
}

#[test]
fn rows_that_are_not_there_and_a_place_that_is_no_folder_are_told() {
    let site = Site::new();
    let (from, to, file) = (site.case.device(), site.text("out"), site.text("file"));
    let (_, err) = site.run(&["export", &from, "--to", &to, "--acd", "99"], 3);
    assert!(err.contains("no row of ACD 99"), "{err}");
    let range = ["--start", "1999-01-01", "--stop", "1999-01-02"];
    let words = ["export", &from, "--to", &to, "--tables", "hsplit", "--overwrite"];
    let (_, err) = site.run(&[&words[..], &range].concat(), 3);
    assert!(err.contains("no row in the range"), "{err}");
    std::fs::write(&file, "mine").unwrap();
    let (_, err) = site.run(&["export", &from, "--to", &file, "--overwrite"], 2);
    assert!(err.contains("is no folder") && std::fs::read(&file).unwrap() == b"mine", "{err}");
}
