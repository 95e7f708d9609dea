//! The contents of the golden set of format version 1 and of the example in the specification. Frozen with the files made
//! from them: a later format gets a generator of its own.

use super::tables::{Content, Fault, NULL, Row, blob, int, real, table, text, write_set};
use crate::base::time::{DAY, Day, Instant, civil_of_day, day_of_civil};
use crate::column::batch::OwnedValue;
use crate::column::logical::LogicalType;
use crate::device::traits::Device;
use crate::format::label::{LabelRecord, data_types};
use crate::schema::clock::{Clock, ClockKind, Length};
use crate::schema::grain::{DataType, Grain};
use crate::schema::table::BoundTable;
use crate::section::pieces::Cutoffs;
use crate::testing::sets::sample_label;
use crate::volume::set_writer::SetSummary;

/// Bytes of a volume of the golden set.
pub const VOLUME_SIZE: u64 = 33 << 9;

const SMALL: LogicalType = LogicalType::Integer { bits: 16 };
const WHOLE: LogicalType = LogicalType::Integer { bits: 32 };
const LARGE: LogicalType = LogicalType::Integer { bits: 64 };

fn label(set_id: [u8; 16], text: &str, data_types: u32) -> LabelRecord {
    LabelRecord {
        set_id,
        chain: set_id,
        label: text.to_owned(),
        created_unix: 1_709_374_500,
        created_civil: 1_709_378_100,
        source_server: "cms-a".to_owned(),
        source_database: "cms.db".to_owned(),
        source_version: "R21".to_owned(),
        data_types,
        software: "intervault 0.1.0".to_owned(),
        ..sample_label(0)
    }
}

/// Writes the one volume that chapter 12 of the specification shows.
///
/// # Errors
/// The device fails.
pub fn write_example(device: &dyn Device) -> Result<SetSummary, Fault> {
    let columns = [("row_date", "DATE", LogicalType::Date), ("acd", "SMALLINT", SMALL), ("calls", "INTEGER", WHOLE)];
    let clock = Clock { kind: ClockKind::Date { date: 0 }, length: None };
    let table = table("dsplit", DataType::Historical, Grain::Daily, Some(clock), Some(1), &columns);
    let row = |date: OwnedValue, acd, calls| vec![date, int(acd), calls];
    let day = text("2024-02-29");
    let rows = vec![
        row(day.clone(), 1, int(30)),
        row(day, 1, int(30)),
        row(text("2024-03-01"), 1, NULL),
        row(NULL, 2, int(7)),
    ];
    let content = Content { table, ordered: true, cutoffs: Cutoffs::default(), chunks: vec![rows] };
    let set_id = std::array::from_fn(|at| 0xA0 + at as u8);
    let label = label(set_id, "CMS-240302-01-XXHX-00-F-01", data_types::HISTORICAL);
    write_set(device, label, None, &[content], Vec::new(), Vec::new())
}

/// Writes the golden set of format version 1.
///
/// # Errors
/// The device fails.
pub fn write_v1(device: &dyn Device) -> Result<SetSummary, Fault> {
    let all = data_types::ALL & !data_types::SPECIFIC;
    let set_id = [0x90, 0x1D, 0xE2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let label = label(set_id, "CMS-240302-01-LSAC-00-F-01", all);
    let absent = vec!["agroups".to_owned(), "/cms/pbx/acd1/dict".to_owned()];
    let left_out = vec![("/cms/custom".to_owned(), "file trees are not built".to_owned())];
    write_set(device, label, Some(VOLUME_SIZE), &contents_v1(), absent, left_out)
}

/// The tables of the golden set of format version 1, in order.
#[must_use]
pub fn contents_v1() -> Vec<Content> {
    let mut contents = vec![arch_stat(), every_type(), synonyms(), hsplit()];
    contents.extend(periods());
    contents.extend([ag_actv(), load(), call_rec(), exceptions(), empty(), numbers(), texts()]);
    contents
}

fn whole(table: BoundTable, rows: Vec<Row>) -> Content {
    Content { table, ordered: false, cutoffs: Cutoffs::default(), chunks: vec![rows] }
}

/// Local data, bound to its server.
fn arch_stat() -> Content {
    let columns = [("acd", "SMALLINT", SMALL), ("arch_type", "SMALLINT", SMALL), ("stop_time", "INTEGER", WHOLE)];
    let mut table = table("arch_stat", DataType::Local, Grain::None, None, Some(0), &columns);
    table.server_bound = true;
    whole(table, vec![vec![int(1), int(0), int(1_709_373_600)], vec![int(2), int(0), int(1_709_370_000)]])
}

/// A column of every logical type: values that fit, edges, nulls, strays.
fn every_type() -> Content {
    let columns = [
        ("c_int8", "TINYINT", LogicalType::Integer { bits: 8 }),
        ("c_int64", "BIGINT", LARGE),
        ("c_float32", "SMALLFLOAT", LogicalType::Float { bits: 32 }),
        ("c_float64", "DOUBLE PRECISION", LogicalType::Float { bits: 64 }),
        ("c_decimal", "DECIMAL(9,2)", LogicalType::Decimal { precision: 9, scale: 2 }),
        ("c_money", "MONEY", LogicalType::Decimal { precision: 0, scale: 0 }),
        ("c_boolean", "BOOLEAN", LogicalType::Boolean),
        ("c_date", "DATE", LogicalType::Date),
        ("c_time", "TIME", LogicalType::Time),
        ("c_timestamp", "DATETIME YEAR TO SECOND", LogicalType::Timestamp),
        ("c_zone", "TIMESTAMPTZ", LogicalType::TimestampZone),
        ("c_text", "VARCHAR(80)", LogicalType::Text),
        ("c_char", "CHAR(6)", LogicalType::FixedText { width: 6 }),
        ("c_blob", "BLOB", LogicalType::Blob),
        ("c_any", "", LogicalType::Any),
    ];
    let table = table("every_type", DataType::System, Grain::None, None, None, &columns);
    whole(table, [fitting_rows(), odd_rows()].concat())
}

/// Values that fit their type.
fn fitting_rows() -> Vec<Row> {
    vec![
        vec![
            int(0),
            int(i64::MIN),
            real(0.5),
            real(0.1),
            text("12.50"),
            text("7"),
            int(1),
            text("2024-02-29"),
            text("23:59:59"),
            text("2024-03-31 02:30:00"),
            text("2024-03-31 01:30:00+00"),
            text("Grüße, 'ACD 1'"),
            text("abc"),
            blob(&[0, 1, 0xFE, 0xFF]),
            int(0),
        ],
        vec![
            int(127),
            int(i64::MAX),
            real(-0.0),
            real(f64::MAX),
            text("-0.05"),
            text("1000000"),
            int(0),
            text("0001-01-01"),
            text("00:00:00.5"),
            text("1969-12-31 23:59:59"),
            text("2024-03-31 01:30:00.25+00"),
            text(""),
            text("abc   "),
            blob(&[]),
            real(2.5),
        ],
        vec![NULL; 15],
        vec![
            int(-128),
            int(16_384),
            real(f64::INFINITY),
            real(5e-324),
            text("0.00"),
            real(12.5),
            int(1),
            text("9999-12-31"),
            text("12:00:00"),
            text("9999-12-31 23:59:59"),
            text("1970-01-01 00:00:00+00"),
            OwnedValue::Text(b"K\xF6ln".to_vec()),
            text("      "),
            blob(b"blob"),
            text("00"),
        ],
    ]
}

/// Strays and values that do not fit their type.
fn odd_rows() -> Vec<Row> {
    vec![
        vec![
            text("seven"),
            real(0.5),
            int(3),
            int(4),
            int(12),
            text("n/a"),
            int(2),
            text("2024-02-30"),
            int(1_200),
            text("2024-03-31T02:30"),
            blob(b"zone"),
            int(5),
            int(6),
            text("no blob"),
            blob(&[7]),
        ],
        vec![NULL; 15],
    ]
}

/// Administration data of several ACDs; one row twice.
fn synonyms() -> Content {
    let columns = [
        ("acd_no", "SMALLINT", SMALL),
        ("item_type", "CHAR(20)", LogicalType::FixedText { width: 20 }),
        ("item_name", "CHAR(20)", LogicalType::FixedText { width: 20 }),
        ("value", "CHAR(20)", LogicalType::FixedText { width: 20 }),
    ];
    let table = table("synonyms", DataType::Acd, Grain::None, None, Some(0), &columns);
    let row = |acd: i64, kind: &str, name: &str, value: &str| vec![int(acd), text(kind), text(name), text(value)];
    let rows = vec![
        row(1, "split", "Sales", "1"),
        row(1, "split", "Service", "2"),
        row(2, "split", "Vente", "1"),
        row(1, "split", "Service", "2"),
        row(1, "agent", "Müller", "4711"),
        vec![NULL, text("all"), text("x"), NULL],
    ];
    whole(table, rows)
}

fn hhmm() -> ClockKind {
    ClockKind::DateHhmm { date: 0, time: 1 }
}

fn day(year: i32, month: u32, of_month: u32) -> Day {
    day_of_civil(year, month, of_month).unwrap_or(0)
}

fn date(day: Day) -> OwnedValue {
    let (year, month, of_month) = civil_of_day(day);
    text(&format!("{year:04}-{month:02}-{of_month:02}"))
}

/// Intervals of two days over several chunks and volumes: duplicates, undated rows, carried rows, a changed interval
/// length, rows without an ACD.
fn hsplit() -> Content {
    let columns = [
        ("row_date", "DATE", LogicalType::Date),
        ("starttime", "SMALLINT", SMALL),
        ("intrvl", "SMALLINT", SMALL),
        ("acd", "SMALLINT", SMALL),
        ("split", "SMALLINT", SMALL),
        ("calls", "INTEGER", WHOLE),
        ("offered", "INTEGER", WHOLE),
        ("answered", "INTEGER", WHOLE),
        ("logid", "CHAR(10)", LogicalType::FixedText { width: 10 }),
        ("ucid", "CHAR(20)", LogicalType::FixedText { width: 20 }),
    ];
    let clock = Clock { kind: hhmm(), length: Some(Length::Column(2)) };
    let table = table("hsplit", DataType::Historical, Grain::Interval, Some(clock), Some(3), &columns);
    let mut random = Lcg(1);
    let mut row = |day: Day, minute: i64, length: i64, acd: i64, split: i64| {
        let calls = random.below(60_000);
        let answered = calls - random.below(3);
        vec![
            date(day),
            int(minute / 60 * 100 + minute % 60),
            int(length),
            int(acd),
            int(split),
            int(calls),
            int(calls),
            int(answered),
            text(&format!("{}", 4_000 + random.below(40))),
            text(&format!("0000{acd}{:05}{:010}", random.below(3), i64::from(day) * DAY + minute * 60)),
        ]
    };
    let mut chunks = Vec::new();
    for (of_month, length) in [(29, 30), (30, 15)] {
        let day = day(2024, 2, 29) + of_month - 29;
        for half in [0, 12 * 60] {
            let starts = (half..half + 12 * 60).step_by(length);
            let keys = starts.flat_map(|minute| [(1, 1), (1, 2), (2, 1)].map(|(acd, split)| (minute, acd, split)));
            chunks.push(keys.map(|(minute, acd, split)| row(day, minute, length as i64, acd, split)).collect());
        }
    }
    let odd = |mut row: Row, changes: &[(usize, OwnedValue)]| -> Row {
        for (column, value) in changes {
            row.splice(*column..=*column, [value.clone()]);
        }
        row
    };
    let plain = row(day(2024, 2, 29), 600, 30, 1, 1);
    let mut last: Vec<Row> = vec![plain.clone(), plain.clone()];
    last.push(odd(plain.clone(), &[(1, NULL)]));
    last.push(odd(plain.clone(), &[(0, text("2024-02-30"))]));
    last.push(odd(plain.clone(), &[(2, int(0)), (5, NULL)]));
    last.push(odd(plain.clone(), &[(3, NULL)]));
    last.push(odd(plain, &[(3, text("x")), (5, text("many")), (6, int(-1))]));
    chunks.push(last);
    let noon = Instant::of_day(day(2024, 3, 1)).plus(12 * 3_600);
    let cutoffs = Cutoffs::new([(Some(1), noon), (Some(2), noon.plus(3_600))]);
    Content { table, ordered: false, cutoffs, chunks }
}

/// Daily, weekly and monthly rows, by day; the newest month is carried, one row has no date.
fn periods() -> Vec<Content> {
    let columns = [
        ("row_date", "DATE", LogicalType::Date),
        ("acd", "SMALLINT", SMALL),
        ("split", "SMALLINT", SMALL),
        ("acdcalls", "INTEGER", WHOLE),
    ];
    let content = |name: &str, grain: Grain, days: &[Day], cutoff: Option<Day>| {
        let clock = Clock { kind: ClockKind::Date { date: 0 }, length: None };
        let table = table(name, DataType::Historical, grain, Some(clock), Some(1), &columns);
        let mut rows: Vec<Row> = Vec::new();
        for day in days {
            for acd in [1, 2] {
                rows.push(vec![date(*day), int(acd), int(1), int(i64::from(*day) * acd % 97)]);
            }
        }
        rows.push(vec![NULL, int(1), int(1), int(3)]);
        let half = rows.split_off(rows.len() / 2);
        let cutoffs = cutoff.map(|day| (Some(1), Instant::of_day(day)));
        Content { table, ordered: true, cutoffs: Cutoffs::new(cutoffs), chunks: vec![rows, half] }
    };
    let daily: Vec<Day> = (day(2024, 2, 20)..day(2024, 3, 2)).collect();
    let weekly: Vec<Day> = (day(2024, 1, 7)..day(2024, 3, 1)).step_by(7).collect();
    let monthly: Vec<Day> = (1..4).map(|month| day(2024, month, 1)).collect();
    vec![
        content("dsplit", Grain::Daily, &daily, Some(day(2024, 3, 1))),
        content("wsplit", Grain::Weekly, &weekly, None),
        content("msplit", Grain::Monthly, &monthly, Some(day(2024, 3, 1))),
    ]
}

/// Intervals of a length that no column says; the last row reaches past midnight, one has no time.
fn load() -> Content {
    let columns = [("at", "TIMESTAMP", LogicalType::Timestamp), ("busy", "INTEGER", WHOLE)];
    let clock = Clock { kind: ClockKind::Timestamp { at: 0 }, length: Some(Length::Minutes(5)) };
    let table = table("load", DataType::Custom, Grain::Interval, Some(clock), None, &columns);
    let row = |at: &str, busy: i64| vec![text(at), int(busy)];
    let rows = vec![
        row("2024-02-29 23:45:00", 12),
        row("2024-02-29 23:50", 13),
        row("2024-02-29 23:57:30", 14),
        vec![NULL, int(0)],
    ];
    whole(table, rows)
}

/// Events by timestamp.
fn ag_actv() -> Content {
    let columns = [
        ("at", "DATETIME YEAR TO SECOND", LogicalType::Timestamp),
        ("acd", "SMALLINT", SMALL),
        ("event", "CHAR(8)", LogicalType::FixedText { width: 8 }),
    ];
    let clock = Clock { kind: ClockKind::Timestamp { at: 0 }, length: None };
    let mut table = table("ag_actv", DataType::Historical, Grain::Event, Some(clock), Some(1), &columns);
    table.event_slot_minutes = 15;
    let row = |at: &str, event: &str| vec![text(at), int(1), text(event)];
    let rows = vec![
        row("2024-02-29 08:00:00", "login"),
        row("2024-02-29 12:00:00", "aux"),
        row("2024-02-29 12:00:00", "aux"),
        row("2024-03-01 16:30:59", "logout"),
        vec![NULL, int(1), text("login")],
    ];
    whole(table, rows)
}

/// Events by epoch seconds, through the hour that occurs twice.
fn call_rec() -> Content {
    let columns = [("segstart", "INTEGER", WHOLE), ("acd", "SMALLINT", SMALL), ("talktime", "INTEGER", WHOLE)];
    let clock = Clock { kind: ClockKind::EpochSeconds { at: 0, zone: "Europe/Berlin".to_owned() }, length: None };
    let table = table("call_rec", DataType::Historical, Grain::Event, Some(clock), Some(1), &columns);
    // 2023-10-29 00:30 and 01:30 UTC are both 02:30 in Berlin.
    let rows = [1_698_539_400, 1_698_543_000, 1_698_546_600].map(|at| vec![int(at), int(1), int(at % 100)]);
    whole(table, [rows.to_vec(), vec![vec![NULL, int(2), int(0)]]].concat())
}

/// Events by date and HHMM, one minute each.
fn exceptions() -> Content {
    let columns = [
        ("row_date", "DATE", LogicalType::Date),
        ("row_time", "SMALLINT", SMALL),
        ("acd", "SMALLINT", SMALL),
        ("what", "VARCHAR(40)", LogicalType::Text),
    ];
    let clock = Clock { kind: hhmm(), length: None };
    let table = table("mex", DataType::Historical, Grain::Event, Some(clock), Some(2), &columns);
    let rows = vec![
        vec![text("2024-02-29"), int(1_430), int(1), text("link down")],
        vec![text("2024-02-29"), int(0), int(2), text("link up")],
        vec![text("2024-02-29"), int(2_460), int(2), text("no such time")],
    ];
    whole(table, rows)
}

/// A table that the source has and that holds nothing.
fn empty() -> Content {
    let columns = [("id", "INTEGER", LARGE), ("note", "TEXT", LogicalType::Text)];
    let table = table("nothing_yet", DataType::Custom, Grain::None, None, None, &columns);
    Content { table, ordered: false, cutoffs: Cutoffs::default(), chunks: Vec::new() }
}

/// Whole numbers for every form of a number stream.
fn numbers() -> Content {
    let names = ["constant", "narrow", "planes", "tokens", "sparse", "dictionary", "delta"];
    let columns = names.map(|name| (name, "INTEGER", LARGE));
    let table = table("numbers", DataType::Custom, Grain::None, None, None, &columns);
    let mut random = Lcg(7);
    let rows = (0..240i64).map(|row| {
        let size = random.below(24);
        vec![
            int(42),
            int(random.below(200)),
            int(if row == 0 { 0 } else { random.below(4) << 40 | random.below(256) << 16 }),
            int(random.below(1 << size)),
            int(if row % 60 == 17 { 100_000 + row } else { 0 }),
            int([7, 1_000_000_007, -70_000, 1 << 50][random.below(4) as usize]),
            int(1_709_164_800 + row * 30),
        ]
    });
    whole(table, rows.collect())
}

/// Texts and reals for every encoding of a column.
fn texts() -> Content {
    let columns = [
        ("real", "FLOAT", LogicalType::Float { bits: 64 }),
        ("scaled", "FLOAT", LogicalType::Float { bits: 64 }),
        ("string", "VARCHAR(40)", LogicalType::Text),
        ("named", "VARCHAR(40)", LogicalType::Text),
        ("decimal", "DECIMAL(9,2)", LogicalType::Decimal { precision: 9, scale: 2 }),
        ("digits", "CHAR(5)", LogicalType::FixedText { width: 5 }),
        ("repeated", "TEXT", LogicalType::Text),
        ("blob", "BLOB", LogicalType::Blob),
    ];
    let table = table("texts", DataType::Custom, Grain::None, None, None, &columns);
    let mut random = Lcg(3);
    let rows = (0..60i64).map(|row| {
        let number = random.below(1 << 30);
        vec![
            real((number as f64).sqrt()),
            real((number % 1_000) as f64 / 8.0),
            text(&format!("call {number:x} of {row}")),
            text(["Sales", "Service", "Billing"][random.below(3) as usize]),
            text(&format!("{}.{:02}", number % 500, row)),
            text(&format!("{:05}", number % 100_000)),
            text(&"abcdefgh".repeat(8)),
            blob(&number.to_le_bytes()),
        ]
    });
    whole(table, rows.collect())
}

/// A small generator of its own, so that these files depend on no other that may change.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as i64) % end.max(1)
    }
}
