//! Random histories of a source, backed up as a chain: what a restore of the chain gives is compared with what was there,
//! row by row, told apart in the plainest way.

use super::chains::{all, incremental, restore_chain, restore_member};
use super::support::*;
use intervault::backup::{self, ChangedSince, Incremental, Kind};
use intervault::base::time::{Instant, day_of_civil};
use intervault::device::memory::MemoryDevice;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::BTreeMap;

/// What happens at the source between two backups.
#[derive(Debug, Clone)]
enum Change {
    /// A row comes: ACD, day of March, slot of the day.
    Insert(i64, i64, usize),
    /// All rows of a slot change.
    Update(i64, i64, usize),
    /// The rows of a slot go.
    Delete(i64, i64, usize),
    /// A day's rows go.
    Empty(i64, i64),
    /// The oldest rows go: up to this slot of this day.
    Age(i64, usize),
    /// An ACD goes.
    Remove(i64),
    /// A row without a usable date comes.
    Undated(i64),
    /// A table without a time changes.
    Synonym(i64),
    /// The rows of a slot come once more, as in the hour that occurs twice.
    Again(i64, i64, usize),
    /// A day's half hours become quarters.
    Quarters(i64, i64),
    /// A day is summarised, again or for the first time: ACD, day.
    Summarise(i64, i64),
    /// A day's summary goes.
    Unsummarise(i64, i64),
}

/// When rows begin (HHMM) and how long they last. The last reaches past midnight where it is said to.
const SLOTS: [(i64, i64); 5] = [(800, 30), (830, 30), (1200, 60), (1430, 15), (2330, 60)];

fn change() -> impl Strategy<Value = Change> {
    let (acd, day, slot) = (|| 1..=2_i64, || 10..=18_i64, || 0..SLOTS.len());
    prop_oneof![
        6 => (acd(), day(), slot()).prop_map(|(acd, day, slot)| Change::Insert(acd, day, slot)),
        2 => (acd(), day(), slot()).prop_map(|(acd, day, slot)| Change::Update(acd, day, slot)),
        2 => (acd(), day(), slot()).prop_map(|(acd, day, slot)| Change::Delete(acd, day, slot)),
        1 => (acd(), day()).prop_map(|(acd, day)| Change::Empty(acd, day)),
        1 => (10..=14_i64, slot()).prop_map(|(day, slot)| Change::Age(day, slot)),
        1 => acd().prop_map(Change::Remove),
        1 => acd().prop_map(Change::Undated),
        1 => (1..100_i64).prop_map(Change::Synonym),
        1 => (acd(), day(), slot()).prop_map(|(acd, day, slot)| Change::Again(acd, day, slot)),
        1 => (acd(), day()).prop_map(|(acd, day)| Change::Quarters(acd, day)),
        2 => (acd(), day()).prop_map(|(acd, day)| Change::Summarise(acd, day)),
        1 => (acd(), day()).prop_map(|(acd, day)| Change::Unsummarise(acd, day)),
    ]
}

fn sql(change: &Change, value: i64, past_midnight: bool) -> String {
    let at = |acd: i64, day: i64, slot: usize| {
        format!("acd = {acd} AND row_date = '2024-03-{day}' AND starttime = {}", SLOTS[slot].0)
    };
    match change {
        Change::Insert(acd, day, slot) => {
            let (start, length) = SLOTS[*slot];
            let length = if past_midnight { length } else { length.min(30) };
            format!("INSERT INTO hsplit VALUES ('2024-03-{day}', {start}, {length}, {acd}, 1, {value}, 'a')")
        }
        Change::Update(acd, day, slot) => {
            format!("UPDATE hsplit SET acdcalls = {value} WHERE {}", at(*acd, *day, *slot))
        }
        Change::Delete(acd, day, slot) => format!("DELETE FROM hsplit WHERE {}", at(*acd, *day, *slot)),
        Change::Empty(acd, day) => format!("DELETE FROM hsplit WHERE acd = {acd} AND row_date = '2024-03-{day}'"),
        Change::Age(day, slot) => {
            let start = SLOTS[*slot].0;
            format!(
                "DELETE FROM hsplit WHERE row_date < '2024-03-{day}' AND row_date <> '' \
                 OR row_date = '2024-03-{day}' AND starttime < {start}"
            )
        }
        Change::Remove(acd) => format!("DELETE FROM hsplit WHERE acd = {acd} AND row_date <> ''"),
        Change::Undated(acd) => format!("INSERT INTO hsplit VALUES ('', 800, 30, {acd}, 1, {value}, 'u')"),
        Change::Synonym(value) => format!("UPDATE synonyms SET value = '{value}'"),
        Change::Again(acd, day, slot) => {
            format!("INSERT INTO hsplit SELECT * FROM hsplit WHERE {}", at(*acd, *day, *slot))
        }
        Change::Quarters(acd, day) => {
            let those = format!("acd = {acd} AND row_date = '2024-03-{day}' AND intrvl = ");
            format!(
                "INSERT INTO hsplit SELECT row_date, starttime + 15, 15, acd, split, {value}, logid FROM hsplit \
                 WHERE {those} 30; UPDATE hsplit SET intrvl = 15, acdcalls = {value} WHERE {those} 30"
            )
        }
        Change::Summarise(acd, day) => {
            let gone = format!("DELETE FROM dsplit WHERE acd = {acd} AND row_date = '2024-03-{day}'");
            format!("{gone}; INSERT INTO dsplit VALUES ('2024-03-{day}', {acd}, 1, {value})")
        }
        Change::Unsummarise(acd, day) => {
            format!("DELETE FROM dsplit WHERE acd = {acd} AND row_date = '2024-03-{day}'")
        }
    }
}

/// A row: ACD, start and stop in seconds (none if it has no usable date), and the rest.
type Row = (i64, Option<(i64, i64)>, i64);

fn rows(centre: &Centre) -> Vec<Row> {
    let sql = centre.sql();
    let mut statement = sql.prepare("SELECT acd, row_date, starttime, intrvl, acdcalls FROM hsplit").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let date: String = row.get(1)?;
        let (start, length): (i64, i64) = (row.get(2)?, row.get(3)?);
        let span = (!date.is_empty()).then(|| {
            let day = day_of_civil(2024, 3, date[8..].parse().unwrap()).unwrap();
            let at = Instant::of_day(day).0 + (start / 100 * 60 + start % 100) * 60;
            (at, at + length * 60)
        });
        Ok((row.get(0)?, span, row.get(4)?))
    };
    let mut rows: Vec<Row> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
    rows.sort_unstable();
    rows
}

/// From the first row's start to the last one's end, per ACD.
fn envelopes(rows: &[Row]) -> BTreeMap<i64, (i64, i64)> {
    let mut envelopes = BTreeMap::new();
    for (acd, span, _) in rows {
        let Some((start, stop)) = *span else { continue };
        let whole = envelopes.entry(*acd).or_insert((start, stop));
        *whole = (whole.0.min(start), whole.1.max(stop));
    }
    envelopes
}

fn within(envelopes: &BTreeMap<i64, (i64, i64)>, acd: i64, at: i64) -> bool {
    envelopes.get(&acd).is_some_and(|(start, stop)| *start <= at && at < *stop)
}

/// Of each instant the newest state whose envelope reaches it; rows without a date are those of the newest.
fn expected(states: &[Vec<Row>]) -> Vec<Row> {
    let mut expected = Vec::new();
    for (number, state) in states.iter().enumerate() {
        let newer: Vec<_> = states.iter().skip(number + 1).map(|state| envelopes(state)).collect();
        expected.extend(state.iter().filter(|(acd, span, _)| match span {
            Some((start, _)) => !newer.iter().any(|newer| within(newer, *acd, *start)),
            None => newer.is_empty(),
        }));
    }
    expected.sort_unstable();
    expected
}

/// The rows of the days' table.
fn day_rows(centre: &Centre) -> Vec<Row> {
    let sql = centre.sql();
    let mut statement = sql.prepare("SELECT acd, row_date, acdcalls FROM dsplit").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let date: String = row.get(1)?;
        let at = Instant::of_day(day_of_civil(2024, 3, date[8..].parse().unwrap()).unwrap()).0;
        Ok((row.get(0)?, Some((at, at + 86_400)), row.get(2)?))
    };
    let mut rows: Vec<Row> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
    rows.sort_unstable();
    rows
}

fn tables() -> Centre {
    let centre = Centre::new(&[HSPLIT, DSPLIT, SYNONYMS]);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    centre
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_chain_gives_what_was_there_last(
        history in proptest::collection::vec(proptest::collection::vec(change(), 0..12), 1..4),
        first in proptest::collection::vec(change(), 10..40),
        past_midnight in any::<bool>(),
        garbage in subsequence((9..=20_i64).collect::<Vec<_>>(), 0..6),
        order in select(vec![[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [0, 3, 2, 1], [1, 0, 3, 2]]),
    ) {
        let source = tables();
        // Both ACDs have a row of either kind, whatever comes.
        source.run("INSERT INTO hsplit VALUES ('', 800, 30, 1, 1, 0, 'u'), ('', 800, 30, 2, 1, 0, 'u')");
        let (mut states, mut days, mut value) = (Vec::new(), Vec::new(), 1000);
        let mut live = |changes: &[Change]| {
            let mut statement = |change| { value += 1; sql(change, value, past_midnight) };
            let statements: Vec<String> = changes.iter().map(&mut statement).collect();
            source.run(&format!("BEGIN; {}; COMMIT", statements.join("; ")));
            states.push(rows(&source));
            days.push(day_rows(&source));
        };
        live(&first);
        let device = backup(&source);
        for (number, changes) in history.iter().enumerate() {
            live(changes);
            incremental(&source, &device, &backup_options(2 + number as u8));
        }
        let (wanted, names, wanted_days) = (expected(&states), source.rows("synonyms"), expected(&days));

        let target = tables();
        restore_chain(&device, &target, &all()).unwrap();
        prop_assert_eq!(rows(&target), wanted.clone());
        prop_assert_eq!(target.rows("synonyms"), names.clone());
        prop_assert_eq!(day_rows(&target), wanted_days.clone());

        // Rows of the target in time that some member reaches are not there at the source; others are nobody's business.
        let other = tables();
        let reached: Vec<_> = states.iter().map(|state| envelopes(state)).collect();
        let mut kept = wanted.clone();
        for day in garbage {
            other.run(&format!("INSERT INTO hsplit VALUES ('2024-03-{day:02}', 1000, 30, 1, 1, -1, 'g')"));
            let at = Instant::of_day(day_of_civil(2024, 3, day as u32).unwrap()).0 + 36_000;
            if !reached.iter().any(|reached| within(reached, 1, at)) {
                kept.push((1, Some((at, at + 1_800)), -1));
            }
        }
        kept.sort_unstable();
        restore_chain(&device, &other, &all()).unwrap();
        prop_assert_eq!(rows(&other), kept);

        // One by one, in any order: not promised where a row reaches into a bucket that another member restored.
        if past_midnight {
            return Ok(());
        }
        let other = tables();
        let members = 1 + history.len() as u32;
        for sequence in order.into_iter().filter(|sequence| *sequence < members) {
            restore_member(&device, sequence, &other, &all());
        }
        prop_assert_eq!(rows(&other), wanted);
        prop_assert_eq!(other.rows("synonyms"), names);
        prop_assert_eq!(day_rows(&other), wanted_days);
    }

    /// What is not read is as the chain had it, what is read is as it is; and the next that reads everything puts it right.
    #[test]
    fn what_is_taken_on_trust_is_what_was_there_before(
        first in proptest::collection::vec(change(), 10..40),
        middle in proptest::collection::vec(change(), 0..12),
        last in proptest::collection::vec(change(), 0..12),
        margin_days in 0..4_u16,
        past_midnight in any::<bool>(),
    ) {
        let source = tables();
        let mut value = 1000;
        let mut live = |changes: &[Change]| {
            let mut statement = |change| { value += 1; sql(change, value, past_midnight) };
            let statements: Vec<String> = changes.iter().map(&mut statement).collect();
            source.run(&format!("BEGIN; {}; COMMIT", statements.join("; ")));
        };
        live(&first);
        let device = backup(&source);
        live(&middle);
        incremental(&source, &device, &backup_options(2));
        let had = (rows(&source), day_rows(&source));
        live(&last);
        let (plain, since) = (device.copy(), device.copy());
        incremental(&source, &plain, &backup_options(3));
        let kind = Kind::Incremental(Incremental {
            changed_since: Some(ChangedSince { margin_days }),
            ..Incremental::default()
        });
        let report = backup_with(&source, &since, &backup::Options { kind, ..backup_options(4) });
        let restored = |device: &MemoryDevice| {
            let target = tables();
            restore_chain(device, &target, &all()).unwrap();
            (rows(&target), day_rows(&target))
        };
        let (before, after, trusting) = (restored(&device), restored(&plain), restored(&since));
        incremental(&source, &since, &backup_options(5));
        let mended = restored(&since);
        for (table, before, after, trusting, mended, had, now) in [
            ("hsplit", before.0, after.0, trusting.0, mended.0, had.0, rows(&source)),
            ("dsplit", before.1, after.1, trusting.1, mended.1, had.1, day_rows(&source)),
        ] {
            let done = report.tables.iter().find(|done| done.table == table).unwrap();
            let Some(day) = done.compared.as_ref().unwrap().read_from else {
                prop_assert_eq!(trusting, after);
                continue;
            };
            let edge = Instant::of_day(day).0;
            // An ACD of which source or chain have nothing from before that day may have lost it by age, or be new: what age
            // took looks like deletion then, and deletion like age.
            let (had, has) = (envelopes(&had), envelopes(&now));
            let reaches = |acd: &i64, of: &BTreeMap<i64, (i64, i64)>| of.get(acd).is_some_and(|whole| whole.0 < edge);
            let judged = |row: &&Row| reaches(&row.0, &had) && reaches(&row.0, &has);
            let recent = |row: &&Row| row.1.is_some_and(|(start, _)| start >= edge);
            let pick = |rows: &[Row], is_recent| -> Vec<Row> {
                rows.iter().filter(judged).filter(|row| recent(row) == is_recent).copied().collect()
            };
            prop_assert_eq!(pick(&trusting, true), pick(&after, true), "{}", table);
            prop_assert_eq!(pick(&trusting, false), pick(&before, false), "{}", table);
            prop_assert_eq!(pick(&mended, true), pick(&after, true), "{}", table);
            prop_assert_eq!(pick(&mended, false), pick(&after, false), "{}", table);
        }
    }
}
