//! Chains over tables that changed at the source: columns that were renamed, dropped, added, made wider or narrower, tables that
//! went, another grain. What the newest member has comes back exactly; what only a member has that does not fit the target is
//! left as it is, and told.

use super::chains::{all, incremental, restore_chain};
use super::support::*;
use intervault::backup::Backup;
use intervault::base::time::{Instant, Span, day_of_civil};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::restore::{Missing, Options, Restore, RestorePlan, Rule, Select};
use intervault::schema::catalogue::Catalogue;
use intervault::schema::range::SpanSet;
use intervault::volume::chain::{Chain, Wanted};
use intervault::volume::set::list_sets;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Three days of one ACD.
fn three_days() -> Centre {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..13 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre
}

/// The chain of a source whose table was altered between its two members goes onto a target like the source.
fn altered_goes_back(alter: &str, target: &str) {
    let centre = three_days();
    let device = backup(&centre);
    centre.run(alter);
    let report = incremental(&centre, &device, &backup_options(2));
    assert_eq!(report.tables[0].rows, 12, "the newest member has all rows by itself");
    let target = Centre::new(&[target]);
    let done = restore_chain(&device, &target, &all());
    assert!(done.is_ok(), "{}", done.err().unwrap());
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

#[test]
fn a_chain_over_a_renamed_column_is_restored() {
    altered_goes_back("ALTER TABLE hsplit RENAME COLUMN acdcalls TO calls", &HSPLIT.replace("acdcalls", "calls"));
}

#[test]
fn a_chain_over_a_dropped_column_is_restored() {
    altered_goes_back("ALTER TABLE hsplit DROP COLUMN acdcalls", &HSPLIT.replace("acdcalls INTEGER, ", ""));
}

#[test]
fn a_chain_over_a_narrowed_column_is_restored() {
    let narrow = HSPLIT.replace("acdcalls INTEGER", "acdcalls SMALLINT");
    let (table, index) = narrow.split_once(';').unwrap();
    let alter = format!(
        "ALTER TABLE hsplit RENAME TO was; DROP INDEX hsplit_i; {table}; {index}; INSERT INTO hsplit SELECT * FROM was; \
         DROP TABLE was"
    );
    altered_goes_back(&alter, &narrow);
}

/// A table without a time is replaced by the newest member alone: what columns it had before is nobody's business.
#[test]
fn a_chain_over_an_administration_table_that_lost_a_column_is_restored() {
    let centre = Centre::new(&[SYNONYMS]);
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    let device = backup(&centre);
    centre.run("ALTER TABLE synonyms DROP COLUMN descr");
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[&SYNONYMS.replace(", descr CHAR(50)", "")]);
    let done = restore_chain(&device, &target, &all());
    assert!(done.is_ok(), "{}", done.err().unwrap());
    assert_eq!(target.rows("synonyms"), centre.rows("synonyms"));
}

/// A column was added, and age took the oldest day: both members give rows.
#[test]
fn a_chain_over_an_added_column_is_restored_from_both_members() {
    let centre = three_days();
    let device = backup(&centre);
    centre.run("ALTER TABLE hsplit ADD COLUMN more INTEGER; DELETE FROM hsplit WHERE row_date = '2024-03-10'");
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[&HSPLIT.replace("logid CHAR(10)", "logid CHAR(10), more INTEGER")]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit").len(), 12);
}

/// The newest member says that a table is gone: a target that lacks it too is no reason to refuse everything.
#[test]
fn a_chain_over_a_dropped_table_is_restored_where_the_target_lacks_it_too() {
    let centre = three_days();
    centre.run(DSPLIT);
    centre.run("INSERT INTO dsplit VALUES ('2024-03-10', 1, 1, 1)");
    let device = backup(&centre);
    centre.run("DROP TABLE dsplit");
    let report = incremental(&centre, &device, &backup_options(2));
    assert!(report.gaps.absent.contains(&"dsplit".to_owned()), "{:?}", report.gaps);
    let target = Centre::new(&[HSPLIT]);
    let done = restore_chain(&device, &target, &all());
    assert!(done.is_ok(), "{}", done.err().unwrap());
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
}

/// An incremental after which its chain cannot be restored any more, even onto the source itself, is not called done: after
/// a table catalogue reads a table in another grain, it takes a full backup, or says so.
#[test]
fn a_chain_over_another_grain_is_restored_or_not_gone_on_with() {
    let centre = Centre::new(&["CREATE TABLE haglog (row_date DATE, login INTEGER, acd SMALLINT, logid CHAR(10))"]);
    centre.run("INSERT INTO haglog VALUES ('2024-03-10', 1710057600, 1, 'a'), ('2024-03-11', 1710144000, 1, 'b')");
    let device = backup(&centre);
    // As the comment in the built-in catalogue proposes.
    let text = "extends = \"cms\"\n[[table]]\nname = \"haglog\"\ndata = \"historical\"\ngrain = \"event\"\n\
                time = [{ epoch = \"login\", zone = \"Europe/Berlin\" }]\nacd = [\"acd\"]\n";
    let (store, catalogue) = (centre.store(), Catalogue::parse(text).unwrap());
    let Ok(_report) = Backup::new(&store, &catalogue, &device, incremental_options(2)).run() else { return };
    let done = restore_chain(&device, &centre, &all());
    assert!(done.is_ok(), "{}", done.err().unwrap());
}

fn day(number: u32) -> Instant {
    at(&format!("2024-03-{number:02}"))
}

/// The plan of a restore of the only chain of a device.
fn planned(device: &dyn Device, target: &Centre, options: Options) -> RestorePlan {
    let sets = list_sets(device).unwrap().sets;
    let store = target.store();
    Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, options).plan().unwrap()
}

fn remove(device: &MemoryDevice, set: u8) {
    let digits = &set_id(set).to_string()[..8];
    let names: Vec<String> = device.list().unwrap().into_iter().filter(|name| name.contains(digits)).collect();
    assert!(!names.is_empty());
    names.iter().for_each(|name| drop(device.remove(name).unwrap()));
}

const RENAME: &str = "ALTER TABLE hsplit RENAME COLUMN acdcalls TO calls";

fn renamed() -> String {
    HSPLIT.replace("acdcalls", "calls")
}

/// Age took the oldest day and the rows of an ACD, and a column got another name: of the newest member all comes back, what
/// only the full has stays as the target has it, by ACD and time, and is told. In columns that fit it comes back too.
#[test]
fn what_only_a_member_has_that_does_not_fit_is_left_and_told() {
    let centre = three_days();
    centre.intervals("2024-03-11", 800, 1000, 30, 2);
    let device = backup(&centre);
    let before = centre.rows("hsplit").len();
    centre.run(&format!("{RENAME}; DELETE FROM hsplit WHERE row_date = '2024-03-10' OR acd = 2"));
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[&renamed()]);
    target.interval("2024-03-10", 900, 30, 1, 5);
    target.interval("2024-03-11", 800, 30, 2, 6);
    let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.count("SELECT count(*) FROM hsplit"), 8 + 2);
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE calls IN (5, 6)"), 2, "they are nobody's to delete");
    let unfit: Vec<_> = ranges(&plan, "hsplit").acds.iter().map(|acd| (acd.acd, acd.unfit.clone())).collect();
    let span = |start, stop| SpanSet::from(Span::new(at(start), at(stop)).unwrap());
    let spans = [span("2024-03-10 08:00", "2024-03-11 08:00"), span("2024-03-11 08:00", "2024-03-11 10:00")];
    for ((acd, unfit), (number, spans)) in unfit.iter().zip([1, 2].into_iter().zip(spans)) {
        assert_eq!(*acd, Some(number));
        assert_eq!((unfit.len(), unfit[0].member, unfit[0].undated), (1, 1, false));
        assert_eq!(unfit[0].spans, spans);
        assert_eq!(unfit[0].rows.spans().len(), 1);
    }
    assert_eq!(plan.notices.len(), 1, "{:?}", plan.notices);
    let said = &plan.notices[0];
    for word in ["2 ACDs", "2024-03-10 08:00", "2024-03-11 10:00", "F-01", "column acdcalls"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // Of a time that the newest member has by itself nothing is to be told.
    let options = Options { policies: all().policies, ..restore_options(Some("2024-03-11"), Some("2024-03-12")) };
    assert_eq!(planned(&device, &target, Options { acd: Some(1), ..options }).notices, Vec::<String>::new());
    // As the words say: with that column it fits.
    target.run("ALTER TABLE hsplit ADD COLUMN acdcalls INTEGER");
    let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(plan.notices, Vec::<String>::new());
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE acdcalls IS NOT NULL AND calls IS NULL"), 8);
    assert_eq!(target.rows("hsplit").len(), before);
}

/// A type was made wider while age took a day: both members give rows, each as it was.
#[test]
fn a_chain_over_a_widened_column_is_restored_from_both_members() {
    let narrow = HSPLIT.replace("acdcalls INTEGER", "acdcalls SMALLINT");
    let centre = Centre::new(&[&narrow]);
    for day in 10..13 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&centre);
    let before = centre.rows("hsplit");
    let (table, index) = HSPLIT.split_once(';').unwrap();
    centre.run(&format!(
        "ALTER TABLE hsplit RENAME TO was; DROP INDEX hsplit_i; {table}; {index}; INSERT INTO hsplit SELECT * FROM was \
         WHERE row_date > '2024-03-10'; DROP TABLE was; UPDATE hsplit SET acdcalls = 100000 WHERE starttime = 930"
    ));
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(plan.notices, Vec::<String>::new());
    let mut whole = centre.rows("hsplit");
    whole.extend(before.into_iter().filter(|row| row.contains("2024-03-10")));
    whole.sort();
    assert_eq!(target.rows("hsplit"), whole);
    // Onto a table as it was before, the newest member does not fit: that is refused.
    let error = restore_chain(&device, &Centre::new(&[&narrow]), &all()).unwrap_err();
    assert!(error.to_string().contains("schema-drift"), "{error}");
}

/// A column came and went again, and each time age took a day: of the member in the middle nothing fits. What it alone has is
/// left as it is, also where an older member that fits has an older state of it.
#[test]
fn a_chain_over_a_column_that_came_and_went_is_restored() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..15 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&centre);
    let full = centre.rows("hsplit");
    centre.run(
        "ALTER TABLE hsplit ADD COLUMN more INTEGER; DELETE FROM hsplit WHERE row_date = '2024-03-10'; \
         UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-11'",
    );
    incremental(&centre, &device, &backup_options(2));
    centre.run("ALTER TABLE hsplit DROP COLUMN more; DELETE FROM hsplit WHERE row_date = '2024-03-11'");
    incremental(&centre, &device, &backup_options(3));
    centre.interval("2024-03-13", 1000, 30, 1, 77);
    let report = incremental(&centre, &device, &backup_options(4));
    assert_eq!(report.tables[0].rows, 5);
    let target = Centre::new(&[HSPLIT]);
    target.interval("2024-03-11", 900, 30, 1, -1);
    let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
    let mut whole = centre.rows("hsplit");
    whole.extend(full.into_iter().filter(|row| row.contains("2024-03-10")));
    assert_eq!(target.rows("hsplit").len(), whole.len() + 1);
    target.run("DELETE FROM hsplit WHERE acdcalls = -1");
    whole.sort();
    assert_eq!(target.rows("hsplit"), whole);
    let unfit = &ranges(&plan, "hsplit").acds[0].unfit;
    assert_eq!((unfit.len(), unfit[0].member), (1, 2));
    assert_eq!(unfit[0].spans.envelope(), Span::new(at("2024-03-11 08:00"), at("2024-03-12 08:00")));
    assert_eq!(plan.notices.len(), 1, "{:?}", plan.notices);
}

/// After a column got another name only some buckets changed: they come from the newest member, the others from the one that
/// wrote all with that name. Without that one the full has them value by value, in another column: that is another state.
#[test]
fn buckets_are_never_taken_from_a_member_with_another_name_for_a_column() {
    let both = HSPLIT.replace("logid CHAR(10)", "logid CHAR(10), acdcalls INTEGER").replacen("acdcalls", "calls", 1);
    for target in [&renamed(), &both] {
        let centre = three_days();
        let device = backup(&centre);
        centre.run(RENAME);
        incremental(&centre, &device, &backup_options(2));
        centre.interval("2024-03-12", 1000, 30, 1, 77);
        let report = incremental(&centre, &device, &backup_options(3));
        assert_eq!(report.tables[0].rows, 5);
        let whole = Centre::new(&[target]);
        let (plan, _) = restore_chain(&device, &whole, &all()).unwrap();
        assert_eq!((plan.notices.len(), whole.count("SELECT count(*) FROM hsplit WHERE calls IS NOT NULL")), (0, 13));
        remove(&device, 2);
        let empty = Centre::new(&[target]);
        let plan = planned(&device, &empty, all());
        assert!(!plan.refusals.is_empty(), "{:?}", plan.notices);
        assert!(plan.refusals.iter().all(|refusal| refusal.rule == Rule::MissingMember), "{:?}", plan.refusals);
        let days: Vec<i32> = ranges(&plan, "hsplit").stale.iter().filter_map(|(_, day)| *day).collect();
        assert_eq!(days, [day(10).day(), day(11).day()]);
        restore_chain(&device, &empty, &Options { missing: Missing::Partial, ..all() }).unwrap();
        assert_eq!(empty.count("SELECT count(*) FROM hsplit"), 5);
        assert_eq!(empty.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-12' AND calls IS NOT NULL"), 5);
    }
}

/// What age took while a member was there that is missing may have been in it in columns that fit: nobody can tell.
#[test]
fn what_does_not_fit_is_uncertain_beyond_a_gap() {
    let centre = three_days();
    let device = backup(&centre);
    centre.run(RENAME);
    incremental(&centre, &device, &backup_options(2));
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-10'");
    incremental(&centre, &device, &backup_options(3));
    let target = Centre::new(&[&renamed()]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit").len(), 12, "the second member has that day");
    // The third one written whole again needs nothing of the one before it but what age took.
    centre.run("ALTER TABLE hsplit ADD COLUMN more INTEGER");
    incremental(&centre, &device, &backup_options(4));
    for set in [2, 3] {
        remove(&device, set);
    }
    let more = renamed().replace("logid CHAR(10)", "logid CHAR(10), more INTEGER");
    let plan = planned(&device, &Centre::new(&[&more]), all());
    assert_eq!(plan.refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>(), [Rule::MissingMember]);
    let certain = Options { policies: all().policies, ..restore_options(Some("2024-03-11 08:00"), None) };
    assert_eq!(planned(&device, &Centre::new(&[&more]), certain).refusals, []);
}

/// A full whose rows cannot be used is not read, nor missed.
#[test]
fn volumes_with_what_does_not_fit_are_not_needed() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 1..29 {
        centre.intervals(&format!("2024-02-{day:02}"), 0, 2300, 15, 1);
    }
    let device = MemoryDevice::new();
    let small = intervault::backup::Options { volume_size: Some(16 << 10), ..backup_options(1) };
    backup_with(&centre, &device, &small);
    let names = device.list().unwrap();
    assert!(names.len() > 2, "{names:?}");
    centre.run(&format!("{RENAME}; DELETE FROM hsplit WHERE row_date < '2024-02-03'"));
    incremental(&centre, &device, &backup_options(2));
    drop(device.remove(&names[0]).unwrap());
    let target = Centre::new(&[&renamed()]);
    let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
    assert!(plan.volumes.iter().all(|need| need.member == 0 && need.here), "{:?}", plan.volumes);
    assert!(plan.notices.iter().any(|notice| notice.contains("2024-02-01 00:00")), "{:?}", plan.notices);
}

/// Whoever names a table that source and target lack asks for its rows: without a table they have no place.
#[test]
fn a_dropped_table_that_is_named_is_asked_for() {
    let centre = three_days();
    centre.run(DSPLIT);
    centre.run("INSERT INTO dsplit VALUES ('2024-03-10', 1, 1, 1)");
    let device = backup(&centre);
    centre.run("DROP TABLE dsplit");
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    let plan = planned(&device, &target, all());
    assert_eq!(plan.refusals, []);
    assert!(plan.notices.iter().any(|notice| notice.contains("dsplit")), "{:?}", plan.notices);
    let named = Options { select: Select::Tables(vec!["dsplit".to_owned()]), ..all() };
    let plan = planned(&device, &target, named.clone());
    assert_eq!(plan.refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>(), [Rule::AbsentTable]);
    target.run(DSPLIT);
    restore_chain(&device, &target, &named).unwrap();
    assert_eq!(target.rows("dsplit").len(), 1);
    // A table that the newest set still has is missed.
    let target = Centre::new(&[DSPLIT]);
    let plan = planned(&device, &target, all());
    assert_eq!(plan.refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>(), [Rule::AbsentTable]);
}

/// A row: start of its interval and what it counts.
type Counted = (i64, i64);

/// One thing that happens at the source.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// A row comes on this day, in this half hour from 08:00.
    Insert(u32, u32),
    /// A day's rows are corrected.
    Correct(u32),
    /// A day's rows go.
    Empty(u32),
    /// What is older than this day goes.
    Age(u32),
    /// The column gets its other name.
    Rename,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => (10..19_u32, 0..4_u32).prop_map(|(day, slot)| Change::Insert(day, slot)),
        2 => (10..19_u32).prop_map(Change::Correct),
        1 => (10..19_u32).prop_map(Change::Empty),
        2 => (11..15_u32).prop_map(Change::Age),
        2 => Just(Change::Rename),
    ]
}

/// A source that changes, as a model and as a database.
struct Source {
    centre: Centre,
    rows: Vec<Counted>,
    name: &'static str,
    value: i64,
}

impl Source {
    fn live(&mut self, change: Change) {
        self.value += 1;
        let (name, value) = (self.name, self.value);
        let of_day = |at: i64, number: u32| Instant(at).day() == day(number).day();
        let sql = match change {
            Change::Insert(number, slot) => {
                self.rows.push((day(number).0 + 28_800 + i64::from(slot) * 1_800, value));
                let time = 800 + slot / 2 * 100 + slot % 2 * 30;
                format!("INSERT INTO hsplit VALUES ('2024-03-{number}', {time}, 30, 1, 1, {value}, 'a')")
            }
            Change::Correct(number) => {
                self.rows.iter_mut().filter(|row| of_day(row.0, number)).for_each(|row| row.1 = value);
                format!("UPDATE hsplit SET {name} = {value} WHERE row_date = '2024-03-{number}'")
            }
            Change::Empty(number) => {
                self.rows.retain(|row| !of_day(row.0, number));
                format!("DELETE FROM hsplit WHERE row_date = '2024-03-{number}'")
            }
            Change::Age(number) => {
                self.rows.retain(|row| row.0 >= day(number).0);
                format!("DELETE FROM hsplit WHERE row_date < '2024-03-{number}'")
            }
            Change::Rename => {
                self.name = if name == "calls" { "acdcalls" } else { "calls" };
                format!("ALTER TABLE hsplit RENAME COLUMN {name} TO {}", self.name)
            }
        };
        self.centre.run(&sql);
    }
}

/// From the first row's start to the last one's end.
fn reaches(rows: &[Counted], at: i64) -> bool {
    rows.iter().any(|row| row.0 <= at) && rows.iter().any(|row| at < row.0 + 1_800)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Of each instant the newest state that reaches it decides: it comes back if its set has the column by its last name, and is
    /// left as the target has it if not. What is left so is told.
    #[test]
    fn over_random_changes_the_newest_state_comes_back_or_what_is_there_stays(
        first in proptest::collection::vec(change(), 10..30),
        history in proptest::collection::vec(proptest::collection::vec(change(), 0..8), 1..4),
    ) {
        let mut source = Source { centre: three_days(), rows: Vec::new(), name: "acdcalls", value: 1_000 };
        source.centre.run("DELETE FROM hsplit");
        first.into_iter().for_each(|change| source.live(change));
        let device = backup(&source.centre);
        let mut states = vec![(source.rows.clone(), source.name)];
        for (number, changes) in history.into_iter().enumerate() {
            changes.into_iter().for_each(|change| source.live(change));
            incremental(&source.centre, &device, &backup_options(2 + number as u8));
            states.push((source.rows.clone(), source.name));
        }
        let target = Centre::new(&[&HSPLIT.replace("acdcalls", source.name)]);
        let mut before = BTreeMap::new();
        for number in 9..20_u32 {
            target.interval(&format!("2024-03-{number:02}"), 830, 30, 1, -i64::from(number));
            before.insert(day(number).0 + 30_600, -i64::from(number));
        }
        let decides = |at: i64| states.iter().rposition(|(rows, _)| reaches(rows, at));
        let fits = |number: usize| states[number].1 == source.name;
        let mut wanted: Vec<Counted> = Vec::new();
        for (number, (rows, _)) in states.iter().enumerate().filter(|(number, _)| fits(*number)) {
            wanted.extend(rows.iter().filter(|row| decides(row.0) == Some(number)));
        }
        wanted.extend(before.into_iter().filter(|(at, _)| decides(*at).is_none_or(|number| !fits(number))));
        wanted.sort_unstable();
        let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
        let sql = target.sql();
        let mut statement = sql.prepare(&format!("SELECT row_date, starttime, {} FROM hsplit", source.name)).unwrap();
        let found = statement.query_map([], |row| {
            let (date, time): (String, i64) = (row.get(0)?, row.get(1)?);
            let day = day_of_civil(2024, 3, date[8..].parse().unwrap()).unwrap();
            Ok((Instant::of_day(day).0 + (time / 100 * 60 + time % 100) * 60, row.get(2)?))
        });
        let mut found: Vec<Counted> = found.unwrap().map(Result::unwrap).collect();
        found.sort_unstable();
        prop_assert_eq!(found, wanted);
        let lost = (0..states.len()).filter(|number| !fits(*number));
        let lost = lost.flat_map(|number| states[number].0.iter().map(move |row| (row.0, number)));
        let lost: Vec<i64> = lost.filter(|(at, number)| decides(*at) == Some(*number)).map(|(at, _)| at).collect();
        let unfit = ranges(&plan, "hsplit").acds.iter().flat_map(|acd| &acd.unfit);
        let told = unfit.fold(SpanSet::EMPTY, |all, unfit| all.union(&unfit.rows));
        for at in &lost {
            prop_assert!(told.holds(Span { start: Instant(*at), stop: Instant(*at + 1_800) }), "{at}: {told:?}");
        }
        prop_assert_eq!(plan.notices.is_empty(), told.is_empty());
    }
}
