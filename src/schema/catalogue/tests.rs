//! The catalogue as it is built in, as people write it, and against tables as databases have them.

use super::*;
use crate::column::logical::LogicalType;
use crate::schema::clock::{Clock, ClockKind, Length};
use crate::schema::table::ColumnSchema;

const INTEGER: LogicalType = LogicalType::Integer { bits: 64 };

fn table(name: &str, columns: &[(&str, LogicalType)]) -> TableSchema {
    let column = |(name, logical): &(&str, LogicalType)| ColumnSchema {
        name: (*name).to_owned(),
        logical: *logical,
        nullable: true,
        has_default: false,
        declared: String::from(match logical {
            LogicalType::Integer { .. } => "INTEGER",
            LogicalType::Date => "DATE",
            LogicalType::Blob => "BLOB",
            _ => "TEXT",
        }),
        collation: String::new(),
    };
    TableSchema { name: name.to_owned(), columns: columns.iter().map(column).collect() }
}

#[test]
fn the_built_in_catalogue_reads_and_is_complete() {
    let catalogue = Catalogue::parse(Catalogue::BUILTIN_TOML).unwrap();
    assert_eq!(catalogue, Catalogue::builtin());
    let count = |data_type: DataType, path: bool| {
        catalogue.entries().iter().filter(|entry| entry.data_type == data_type && entry.is_path() == path).count()
    };
    assert_eq!([DataType::Local, DataType::System, DataType::Acd].map(|data| count(data, false)), [5, 17, 27]);
    assert_eq!([DataType::Local, DataType::System, DataType::Acd].map(|data| count(data, true)), [3, 9, 0]);
    assert_eq!(count(DataType::Historical, false), 48);
    let state: Vec<&str> = catalogue
        .entries()
        .iter()
        .filter(|entry| matches!(&entry.kind, EntryKind::Table(table) if table.server_state))
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(state, ["arch_stat", "dbstatus"]);
    for entry in catalogue.entries().iter().filter(|entry| entry.data_type == DataType::Historical) {
        assert_ne!(entry.grain(), Grain::None, "{}", entry.name);
    }
}

#[test]
fn what_is_written_reads_back_equal() {
    let own = "extends = 'cms'\nremove = ['f_status']\n[archive_status]\ntable = 'a'\ndate = 'd'\ntime = 't'\n\
               [[table]]\nname = \"qu\\\"o'te\"\ndata = 'custom'\ngrain = 'event'\nevent_slot_minutes = 7\n\
               time = [{ epoch = 'e', zone = 'UTC' }, { timestamp = 't' }, { date = 'd' }, { date = 'd', time = 't' }]\n\
               [[table]]\nname = 'i'\ndata = 'custom'\ngrain = 'interval'\n\
               time = [{ timestamp = 't', length_minutes = 1440 }, { timestamp = 't', length = 'l' }]\n";
    let alone =
        Catalogue::parse("[[path]]\nname = '/a'\ndata = 'custom'\n[[path]]\nname = '/b'\ndata = 'custom'\n").unwrap();
    let entry = |name: &str| format!("[[path]]\nname = \"{name}\"\ndata = \"custom\"\n");
    assert_eq!(alone.to_toml(), format!("{}\n{}", entry("/a"), entry("/b")));
    for catalogue in [Catalogue::builtin(), Catalogue::default(), Catalogue::parse(own).unwrap()] {
        assert_eq!(Catalogue::parse(&catalogue.to_toml()).unwrap(), catalogue);
    }
}

#[test]
fn an_extension_replaces_adds_and_removes() {
    let own = "extends = 'cms'\nremove = ['Menu']\n[[table]]\nname = 'HAGLOG'\ndata = 'historical'\ngrain = 'event'\n\
               time = [{ epoch = 'login', zone = 'Europe/Berlin' }]\n[[path]]\nname = '/srv/own'\ndata = 'custom'\n";
    let (builtin, catalogue) = (Catalogue::builtin(), Catalogue::parse(own).unwrap());
    assert_eq!(catalogue.entries().len(), builtin.entries().len());
    assert_eq!(catalogue.get("haglog").unwrap().grain(), Grain::Event);
    assert!(catalogue.get("menu").is_none() && builtin.get("menu").is_some());
    assert!(catalogue.get("/srv/own").unwrap().is_path());
    let alone = Catalogue::parse("[[table]]\nname = 'a'\ndata = 'custom'\n").unwrap();
    assert_eq!(alone.entries().len(), 1);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let with = |rest: &str| format!("# first line\n[[table]]\nname = 't'\n{rest}");
    let interval =
        |length: &str| with(&format!("data = 'acd'\ngrain = 'interval'\ntime = [{{ date = 'd', {length} }}]\n"));
    for (text, line, part) in [
        (with("data = 'historic'\n"), Some(4), "historic"),
        (with("data = 'acd'\ngrian = 'daily'\n"), Some(5), "grian"),
        (with("data = 'acd'\ngrain = 'daily'\n"), Some(2), "table t: grain daily needs time"),
        (with("data = 'acd'\ntime = [{ date = 'd' }]\n"), Some(2), "table t: time without grain"),
        (with("data = 'acd'\ngrain = 'interval'\ntime = [{ date = 'd' }]\n"), Some(2), "needs length, a column"),
        (
            interval("length = 'l', length_minutes = 5"),
            Some(2),
            "table t: time: say length (a column) or length_minutes",
        ),
        (interval("length_minutes = 0"), Some(2), "length_minutes must be 1 to 1440"),
        (interval("length_minutes = 1441"), Some(2), "length_minutes must be 1 to 1440"),
        (interval("length_minutes = -5"), Some(6), "expected u32"),
        (
            with("data = 'acd'\ngrain = 'event'\ntime = [{ date = 'd', length_minutes = 5 }]\n"),
            Some(2),
            "interval only",
        ),
        (
            with("data = 'acd'\ngrain = 'daily'\ntime = [{ date = 'd', length = 'l' }]\n"),
            Some(2),
            "length_minutes are for",
        ),
        (with("data = 'acd'\ngrain = 'event'\ntime = [{ time = 'd' }]\n"), Some(2), "time must name"),
        (with("data = 'acd'\ngrain = 'event'\ntime = [{ epoch = 'd' }]\n"), Some(2), "time must name"),
        (with("data = 'acd'\ngrain = 'event'\ntime = [{ date = 'd', timestamp = 't' }]\n"), Some(2), "time must name"),
        (with("data = 'acd'\ngrain = 'event'\ntime = [{ epoch = 'd', zone = 'Mars' }]\n"), Some(2), "no zone Mars"),
        (with("data = 'acd'\nevent_slot_minutes = 5\n"), Some(2), "grain event only"),
        (
            with("data = 'acd'\ngrain = 'event'\ntime = [{ date = 'd' }]\nevent_slot_minutes = 0\n"),
            Some(2),
            "1 to 1440",
        ),
        (
            with("data = 'acd'\ngrain = 'event'\ntime = [{ date = 'd' }]\nevent_slot_minutes = 1441\n"),
            Some(2),
            "1 to 1440",
        ),
        (with("data = 'acd'\nfrom = 'x'\n"), Some(2), "belong together"),
        (with("data = 'acd'\n[[path]]\nname = 'T'\ndata = 'acd'\n"), Some(5), "T stands here twice"),
        (with("data = 'acd'\nroll_up = 'x'\nfrom = 'y'\n"), None, "no roll_up x"),
        (with("data = 'acd'\nroll_up = 'x'\nfrom = 'y'\n[roll_up.x]\n"), None, "cannot be rolled up from y"),
        (with("data = 'acd'\nroll_up = 'x'\nfrom = 't'\n[roll_up.x]\n"), None, "cannot be rolled up from t"),
        ("[[path]]\nname = ''\ndata = 'acd'\n".to_owned(), Some(1), "1 to 1024 bytes"),
        ("extends = 'ucs'\n".to_owned(), None, "only \"cms\" is built in"),
        ("remove = ['x']\n".to_owned(), None, "there is no entry x"),
        ("x = \n".to_owned(), Some(1), ""),
    ] {
        let error = Catalogue::parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{text}{error}");
        assert!(error.to_string().contains(part), "{text}{error}");
    }
    let error = Catalogue::parse(&with("data = 'acd'\ngrain = 'daily'\n")).unwrap_err();
    assert_eq!(error.to_string(), "table catalogue, line 2: table t: grain daily needs time = [{ … }]");
}

#[test]
fn names_become_column_numbers() {
    let schema = table(
        "HSPLIT",
        &[
            ("Row_Date", LogicalType::Date),
            ("STARTTIME", INTEGER),
            ("intrvl", INTEGER),
            ("split", INTEGER),
            ("ACD", INTEGER),
        ],
    );
    let bound = Catalogue::builtin().bind(&schema).unwrap();
    let kind = ClockKind::DateHhmm { date: 0, time: 1 };
    assert_eq!(bound.clock, Some(Clock { kind, length: Some(Length::Column(2)) }));
    assert_eq!((bound.acd_column, bound.grain), (Some(4), Grain::Interval));
    assert_eq!((bound.data_type, bound.server_bound), (DataType::Historical, false));
    assert_eq!(bound.schema, schema);
}

#[test]
fn a_length_that_no_column_says_is_that_of_the_catalogue() {
    let text = "[[table]]\nname = 't'\ndata = 'custom'\ngrain = 'interval'\n\
                time = [{ timestamp = 'at', length = 'minutes' }, { timestamp = 'at', length_minutes = 5 }]\n";
    let catalogue = Catalogue::parse(text).unwrap();
    let length = |columns: &[(&str, LogicalType)]| catalogue.bind(&table("t", columns)).unwrap().clock.unwrap().length;
    assert_eq!(length(&[("at", LogicalType::Timestamp)]), Some(Length::Minutes(5)));
    assert_eq!(length(&[("at", LogicalType::Timestamp), ("minutes", INTEGER)]), Some(Length::Column(1)));
}

#[test]
fn the_first_alternative_that_fits_is_taken() {
    let catalogue = Catalogue::builtin();
    let bind = |columns: &[(&str, LogicalType)]| {
        catalogue.bind(&table("call_rec", columns)).map(|bound| bound.clock.unwrap().kind)
    };
    let (date, acd) = (("row_date", LogicalType::Text), ("acd", INTEGER));
    let both = bind(&[date, acd, ("starttime", INTEGER), ("row_time", INTEGER)]);
    assert_eq!(both, Ok(ClockKind::DateHhmm { date: 0, time: 3 }));
    let second = bind(&[date, acd, ("starttime", INTEGER), ("segstart", LogicalType::Timestamp)]);
    assert_eq!(second, Ok(ClockKind::DateHhmm { date: 0, time: 2 }));
    assert_eq!(bind(&[date, acd, ("segstart", LogicalType::Text)]), Ok(ClockKind::Timestamp { at: 2 }));
    // Epoch seconds are no civil timestamp: better no answer than every row undated.
    let error = bind(&[date, acd, ("segstart", INTEGER)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "table call_rec: no column that the table catalogue names says when a row was (row_time is not there; starttime \
         is not there; segstart is declared INTEGER, which does not hold a civil timestamp); the table has row_date TEXT, \
         acd INTEGER, segstart INTEGER; write an entry for it in a table catalogue of your own"
    );
    assert!(bind(&[("row_date", LogicalType::Blob), acd, ("row_time", INTEGER)]).is_err());
    assert!(bind(&[date, acd, ("row_time", LogicalType::Blob)]).is_err());
}

#[test]
fn a_missing_acd_column_matters_only_where_rows_have_a_time() {
    let catalogue = Catalogue::builtin();
    let error = catalogue.bind(&table("dsplit", &[("row_date", LogicalType::Date)])).unwrap_err();
    assert!(error.to_string().contains("table dsplit: no column names the ACD: acd expected"), "{error}");
    let agroups = catalogue.bind(&table("agroups", &[("item_name", LogicalType::Text), ("acd_no", INTEGER)])).unwrap();
    assert_eq!((agroups.acd_column, agroups.grain, agroups.clock), (Some(1), Grain::None, None));
    let synonyms = catalogue.bind(&table("synonyms", &[("item_name", LogicalType::Text)])).unwrap();
    assert_eq!(synonyms.acd_column, None);
    assert!(catalogue.bind(&table("arch_stat", &[("acd", INTEGER)])).unwrap().server_bound);
    assert!(catalogue.bind(&table("dcadmin", &[("x", INTEGER)])).unwrap().server_bound);
    let error = catalogue.bind(&table("/cms/db/ext", &[])).unwrap_err();
    assert!(error.to_string().contains("a path of this name"), "{error}");
}

#[test]
fn an_unknown_table_is_custom_and_whole() {
    let bound = Catalogue::builtin().bind(&table("own", &[("row_date", LogicalType::Date)])).unwrap();
    assert_eq!((bound.data_type, bound.grain, bound.acd_column), (DataType::Custom, Grain::None, None));
}

#[test]
fn long_tables_are_described_in_short() {
    let names: Vec<String> = (0..15).map(|n| format!("c{n}")).collect();
    let columns: Vec<(&str, LogicalType)> = names.iter().map(|name| (name.as_str(), INTEGER)).collect();
    let error = Catalogue::builtin().bind(&table("dsplit", &columns)).unwrap_err();
    assert!(error.columns.ends_with("c11 INTEGER, 3 more columns"), "{error}");
}

#[test]
fn the_archive_status_is_read_row_by_row() {
    let own = "[archive_status]\ntable = 'arch_stat'\nacd = 'acd'\ndate = 'd'\ntime = 't'\n";
    let catalogue = Catalogue::parse(own).unwrap();
    let status = catalogue.archive_status().unwrap();
    let schema = table("arch_stat", &[("acd", INTEGER), ("d", LogicalType::Date), ("t", INTEGER)]);
    let mut columns: Vec<crate::column::batch::Column> = (0..3)
        .map(|_| crate::column::batch::Column::new(crate::column::batch::ColumnData::Integer(Vec::new())))
        .collect();
    use crate::column::batch::Value;
    for (acd, date, time) in [(1, "2024-03-05", 530), (2, "never", 0)] {
        columns[0].push(Value::Integer(acd));
        columns[1].push(Value::Text(date.as_bytes()));
        columns[2].push(Value::Integer(time));
    }
    let read = status.reader(&schema).unwrap().read(&crate::column::batch::Batch::new(columns));
    assert_eq!(read.len(), 1);
    assert_eq!((read[0].0, read[0].1.to_string()), (Some(1), "2024-03-05 05:30".to_owned()));
    let error = status.reader(&table("arch_stat", &[("d", LogicalType::Date), ("t", INTEGER)])).unwrap_err();
    assert!(error.to_string().contains("read from column acd, which is not there"), "{error}");
}

#[test]
fn a_table_is_rolled_up_by_the_rules_that_it_names() {
    let catalogue = Catalogue::builtin();
    let rules = |name: &str| catalogue.roll_up(catalogue.get(name).unwrap());
    assert_eq!(rules("dsplit").unwrap().of("maxinqueue"), RollUp::Max);
    assert_eq!(rules("wsplit"), rules("dsplit"));
    assert!(rules("hsplit").is_none() && rules("/cms/db/ext").is_none());
}

#[test]
fn names_and_numbers_have_limits() {
    let named = |bytes: usize| Catalogue::parse(&format!("[[path]]\nname = '{}'\ndata = 'acd'\n", "x".repeat(bytes)));
    assert!(named(1_024).is_ok());
    assert!(named(1_025).is_err());
    let many = |count: u32| -> String { (0..count).map(|n| format!("[[path]]\nname='{n}'\ndata='acd'\n")).collect() };
    assert_eq!(Catalogue::parse(&many(65_536)).unwrap().entries().len(), 65_536);
    assert!(Catalogue::parse(&many(65_537)).unwrap_err().message.contains("at most 65536"));
}

#[test]
fn tables_that_were_taken_out_stay_out_and_are_written_so() {
    let own = "extends = 'cms'\nremove = ['msplit', 'wvdn']\nleave_out = ['Scratch']\n\
               [[table]]\nname = 'WVDN'\ndata = 'system'\n";
    let catalogue = Catalogue::parse(own).unwrap();
    let out = ["MSPLIT", "scratch", "wvdn", "hsplit", "own"].map(|name| catalogue.leaves_out(name));
    assert_eq!(out, [true, true, false, false, false], "one that is listed again is not left out");
    assert_eq!(Catalogue::parse(&catalogue.to_toml()).unwrap(), catalogue);
    let error = Catalogue::parse("extends = 'cms'\nleave_out = ['hsplit']\n").unwrap_err();
    assert!(error.message.contains("hsplit is listed") && error.message.contains("remove"), "{error}");
    assert!(Catalogue::parse("extends = 'cms'\nremove = ['hsplt']\n").unwrap_err().message.contains("hsplt"));
}
