//! Chains of tables of every grain, by a clock ahead of, amid and behind their rows, against fulls one after the other.

use super::chains::{all, restore_chain};
use super::incremental_since::quick;
use super::support::*;
use intervault::backup::{self, Backup, Incremental, Kind};
use intervault::base::time::Instant;
use intervault::device::memory::MemoryDevice;
use intervault::schema::catalogue::Catalogue;
use intervault::volume::set::list_sets;
use proptest::prelude::*;

const CALL_REC: &str = "CREATE TABLE call_rec (row_date DATE, row_time SMALLINT, acd SMALLINT, callid INTEGER)";
const ELOG: &str = "CREATE TABLE elog (login INTEGER, acd SMALLINT, n INTEGER)";
const TABLES: [&str; 6] = ["hsplit", "dsplit", "wsplit", "msplit", "call_rec", "elog"];
/// Midnight of 2018-02-01 in UTC; the zone of `elog` is three or two hours behind, and changes at midnight of the 18th.
const FEBRUARY: i64 = 1_517_443_200;

fn everything() -> Centre {
    Centre::new(&[HSPLIT, DSPLIT, WSPLIT, MSPLIT, CALL_REC, ELOG])
}

/// What happens at the source: table, ACD, a number that says when, and what.
#[derive(Debug, Clone)]
enum Change {
    Insert(usize, i64, i64),
    Delete(usize, i64, i64),
    Update(usize, i64, i64),
    Age(i64),
    Remove(i64),
}

fn change() -> impl Strategy<Value = Change> {
    let (table, acd, when) = (|| 0..TABLES.len(), || 1..=2_i64, || 0..1_000_i64);
    prop_oneof![
        8 => (table(), acd(), when()).prop_map(|(table, acd, when)| Change::Insert(table, acd, when)),
        2 => (table(), acd(), when()).prop_map(|(table, acd, when)| Change::Delete(table, acd, when)),
        2 => (table(), acd(), when()).prop_map(|(table, acd, when)| Change::Update(table, acd, when)),
        1 => (12..19_i64).prop_map(Change::Age),
        1 => acd().prop_map(Change::Remove),
    ]
}

/// The rows of a table at a time, as a condition and as values; rows lie on a few days so that changes meet them.
fn row(table: usize, acd: i64, when: i64, value: i64) -> (String, String) {
    let (day, slot) = (12 + when % 9, when / 9 % 6);
    let hour = [0, 8, 12, 18, 22, 23][slot as usize];
    let start = hour * 100 + if when % 2 == 0 { 0 } else { 30 };
    let date = format!("2018-02-{day:02}");
    let week = 4 + (when % 3) * 7;
    let month = ["2017-12-05", "2018-01-31", "2018-02-28"][(when % 3) as usize];
    match table {
        0 => (
            format!("acd = {acd} AND row_date = '{date}' AND starttime = {start}"),
            format!("'{date}', {start}, 30, {acd}, 1, {value}, 'a'"),
        ),
        1 => (format!("acd = {acd} AND row_date = '{date}'"), format!("'{date}', {acd}, 1, {value}")),
        2 => (
            format!("acd = {acd} AND row_date = '2018-02-{week:02}'"),
            format!("'2018-02-{week:02}', {acd}, 1, {value}"),
        ),
        3 => (format!("acd = {acd} AND row_date = '{month}'"), format!("'{month}', {acd}, 1, {value}")),
        4 => (
            format!("acd = {acd} AND row_date = '{date}' AND row_time = {start}"),
            format!("'{date}', {start}, {acd}, {value}"),
        ),
        _ => {
            // By the hour around the midnight at which the clock goes back, so that one of them comes twice.
            let login = FEBRUARY + (15 + when % 5) * 86_400 + (when / 5 % 9) * 3_600 + (when % 2) * 1_740;
            (format!("acd = {acd} AND login = {login}"), format!("{login}, {acd}, {value}"))
        }
    }
}

fn sql(change: &Change, value: i64) -> String {
    let number = |table: usize| ["acdcalls", "acdcalls", "acdcalls", "acdcalls", "callid", "n"][table];
    match change {
        Change::Insert(table, acd, when) => {
            format!("INSERT INTO {} VALUES ({})", TABLES[*table], row(*table, *acd, *when, value).1)
        }
        Change::Delete(table, acd, when) => {
            format!("DELETE FROM {} WHERE {}", TABLES[*table], row(*table, *acd, *when, value).0)
        }
        Change::Update(table, acd, when) => {
            let (those, _) = row(*table, *acd, *when, value);
            format!("UPDATE {} SET {} = {value} WHERE {those}", TABLES[*table], number(*table))
        }
        Change::Age(day) => {
            let dated = TABLES[..5].iter().map(|table| format!("DELETE FROM {table} WHERE row_date < '2018-02-{day}'"));
            let epoch = format!("DELETE FROM elog WHERE login < {}", FEBRUARY + (day - 1) * 86_400 + 5_000);
            dated.chain([epoch]).collect::<Vec<_>>().join("; ")
        }
        Change::Remove(acd) => TABLES.map(|table| format!("DELETE FROM {table} WHERE acd = {acd}")).join("; "),
    }
}

fn catalogue() -> Catalogue {
    let text = "extends = \"cms\"\n[[table]]\nname = \"elog\"\ndata = \"historical\"\ngrain = \"event\"\n\
                time = [{ epoch = \"login\", zone = \"America/Sao_Paulo\" }]\nacd = [\"acd\"]\n";
    Catalogue::parse(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("BROKEN_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(30),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A chain gives what full backups of the same moments give that are restored one after the other, whatever the clock
    /// says: ahead of the rows, in the midst of them, set back; of every grain, and where an hour occurs twice.
    #[test]
    fn a_chain_is_the_same_as_fulls_one_after_the_other_by_any_clock(
        first in proptest::collection::vec(change(), 20..60),
        history in proptest::collection::vec(proptest::collection::vec(change(), 0..12), 1..4),
        clocks in proptest::collection::vec((12..24_i64, 0..24_i64, 0..60_i64), 4),
        by_clock in any::<bool>(),
    ) {
        let source = everything();
        let catalogue = catalogue();
        let now = |number: usize| -> Instant {
            let (day, hour, minute) = clocks[number];
            if by_clock { at(&format!("2018-02-{day} {hour:02}:{minute:02}")) } else { later() }
        };
        let (chain, mut value) = (MemoryDevice::new(), 1_000);
        let other = everything();
        let states = std::iter::once(&first).chain(&history);
        for (number, changes) in states.enumerate() {
            let statements: Vec<String> = changes.iter().map(|change| { value += 1; sql(change, value) }).collect();
            source.run(&format!("BEGIN; {}; COMMIT", statements.join("; ")));
            let kind = if number == 0 { Kind::Full } else { Kind::Incremental(Incremental::default()) };
            let options = backup::Options { now: now(number), ..backup_options(1 + number as u8) };
            let store = source.store();
            let step = backup::Options { kind, ..options.clone() };
            Backup::new(&store, &catalogue, &chain, step).run().unwrap();
            let alone = MemoryDevice::new();
            Backup::new(&store, &catalogue, &alone, options).run().unwrap();
            let sets = list_sets(&alone).unwrap().sets;
            restore_set(&sets[0], &other, &all()).unwrap();
        }
        let target = everything();
        restore_chain(&chain, &target, &all()).unwrap();
        for table in TABLES {
            prop_assert_eq!(target.rows(table), other.rows(table), "{}", table);
        }
    }

    /// Where all that is new came since the last backup, the quick mode gives what reading everything gives, whatever the
    /// clock says.
    #[test]
    fn the_quick_mode_finds_all_that_came_since_the_last_backup(
        first in proptest::collection::vec(change(), 20..60),
        then in proptest::collection::vec(change(), 1..20),
        today in 13..19_i64,
        hours in (0..24_i64, 0..24_i64),
        days in 0..3_i64,
    ) {
        let source = everything();
        let catalogue = catalogue();
        let day_of = |when: i64| 12 + when % 9;
        let value = std::cell::Cell::new(1_000);
        let keep = |changes: &[Change], fits: &dyn Fn(usize, i64) -> bool| -> Vec<String> {
            let fits = |change: &&Change| match change {
                Change::Insert(table, _, when) => fits(*table, *when),
                _ => false,
            };
            let changes = changes.iter().filter(fits);
            changes.map(|change| { value.set(value.get() + 1); sql(change, value.get()) }).collect()
        };
        let epoch_day = |when: i64| 16 + when % 5;
        // Weeks and months come when they are over: none of them is new here.
        let before = keep(&first, &|table, when| match table {
            0 | 1 | 4 => day_of(when) <= today,
            5 => epoch_day(when) <= today,
            _ => true,
        });
        let after = keep(&then, &|table, when| match table {
            0 | 1 | 4 => day_of(when) >= today,
            5 => epoch_day(when) > today,
            _ => false,
        });
        source.run(&before.join("; "));
        let now = |day: i64, hour: i64| at(&format!("2018-02-{day} {hour:02}:10"));
        let options = |number, now| backup::Options { now, ..backup_options(number) };
        let store = source.store();
        let (all_read, device) = (MemoryDevice::new(), MemoryDevice::new());
        let full = options(1, now(today, hours.0));
        Backup::new(&store, &catalogue, &all_read, full.clone()).run().unwrap();
        Backup::new(&store, &catalogue, &device, full).run().unwrap();
        source.run(&after.join("; "));
        let now = now(today + days, hours.1);
        let plain = backup::Options { kind: Kind::Incremental(Incremental::default()), ..options(2, now) };
        Backup::new(&store, &catalogue, &all_read, plain).run().unwrap();
        let quick = backup::Options { kind: quick(2).kind, ..options(2, now) };
        Backup::new(&store, &catalogue, &device, quick).run().unwrap();
        let (one, two) = (everything(), everything());
        restore_chain(&all_read, &one, &all()).unwrap();
        restore_chain(&device, &two, &all()).unwrap();
        for table in TABLES {
            prop_assert_eq!(two.rows(table), one.rows(table), "{}", table);
        }
    }
}
