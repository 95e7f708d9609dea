//! Chains of a full set and incremental ones, written from real databases.

use super::support::*;
use super::undo::{StopAfter, undo_with};
use intervault::backup::{self, BackupReport};
use intervault::base::monitor::Silent;
use intervault::check;
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::Device;
use intervault::error::{Class, Error};
use intervault::restore::{self, Keep, Missing, Options, Restore, RestorePlan, RestoreReport, Rule, UndoOptions};
use intervault::schema::grain::DataType;
use intervault::schema::range::{Carried, Policies, Uncovered};
use intervault::testing::fault::FaultDevice;
use intervault::verify::set::verify_set;
use intervault::volume::chain::{Chain, ChainError, Wanted};
use intervault::volume::set::list_sets;

/// Goes on with the chain on the device, the only one there.
pub fn incremental(centre: &Centre, device: &MemoryDevice, options: &backup::Options) -> BackupReport {
    let kind = backup::Kind::Incremental(backup::Incremental::default());
    backup_with(centre, device, &backup::Options { kind, ..options.clone() })
}

/// An incremental set holds what changed and lists the rest, and a check finds nothing wrong with it.
#[test]
fn an_incremental_holds_what_changed() {
    let centre = Centre::new(&[HSPLIT, SYNONYMS]);
    for day in 10..15 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    centre.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    let device = backup(&centre);
    centre.run("UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-12' AND starttime = 830");
    centre.run("DELETE FROM hsplit WHERE row_date = '2024-03-13'");
    centre.intervals("2024-03-15", 800, 900, 30, 1);
    incremental(&centre, &device, &backup_options(2));
    let sets = list_sets(&device).unwrap().sets;
    let set = sets.iter().find(|set| set.label().sequence == 1).unwrap();
    let label = set.label();
    assert_eq!((label.parent_set, label.chain, label.incremental), (Some([1; 16]), [1; 16], true));
    assert!(label.label.ends_with("-I-01"), "{}", label.label);
    assert_eq!(verify_set(set, 1, &Silent).findings, []);
    let outline = check::outline(set);
    let hsplit = outline.tables.iter().find(|table| table.table == "hsplit").unwrap();
    assert_eq!((hsplit.rows, hsplit.buckets), (4 + 2, 2));
    let span = |start, stop| intervault::base::time::Span::new(at(start), at(stop)).unwrap();
    let held = [
        span("2024-03-12 00:00", "2024-03-14 00:00"),
        // From the end of what the full one holds.
        span("2024-03-14 10:00", "2024-03-15 09:00"),
    ];
    assert_eq!(hsplit.acds[0].held, held);
    let section = set.sections().iter().find(|section| section.header.table == "hsplit").unwrap();
    let unwritten: Vec<_> = section.buckets.iter().filter(|bucket| !bucket.is_written()).collect();
    assert_eq!(unwritten.len(), 3);
    let full = sets.iter().find(|set| set.label().sequence == 0).unwrap();
    let older = &full.sections().iter().find(|section| section.header.table == "hsplit").unwrap().buckets;
    for bucket in unwritten {
        assert!(
            older.iter().any(|other| (other.day, other.rows, other.digest) == (bucket.day, bucket.rows, bucket.digest))
        );
    }
}

/// Restores the only chain of a device.
pub fn restore_chain(
    device: &MemoryDevice,
    centre: &Centre,
    options: &Options,
) -> Result<(RestorePlan, RestoreReport), Error> {
    let sets = list_sets(device).unwrap().sets;
    let store = centre.store();
    let restore = Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, options.clone());
    let plan = restore.plan()?;
    let report = restore.apply(&plan, None)?;
    Ok((plan, report))
}

/// Restores one member of the chain of a device by itself.
pub fn restore_member(device: &MemoryDevice, sequence: u32, centre: &Centre, options: &Options) -> RestorePlan {
    let sets = list_sets(device).unwrap().sets;
    let set = sets.iter().find(|set| set.label().sequence == sequence).unwrap();
    restore_set(set, centre, options).unwrap().0
}

/// Everything, and the volumes are right.
pub fn all() -> Options {
    let policies = Policies { uncovered: Uncovered::Delete, ..Policies::default() };
    Options { policies, ..restore_options(None, None) }
}

/// Takes a set's volumes off the device.
pub fn remove(device: &MemoryDevice, set: u8) {
    let digits = &set_id(set).to_string()[..8];
    let names: Vec<String> = device.list().unwrap().into_iter().filter(|name| name.contains(digits)).collect();
    assert!(!names.is_empty());
    names.iter().for_each(|name| drop(device.remove(name).unwrap()));
}

/// A source of five days with its full backup, and two incremental ones: a late row on the 12th, then one on the 13th.
fn three_members() -> (Centre, MemoryDevice) {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..15 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&centre);
    for (day, set) in [(12, 2), (13, 3)] {
        centre.interval(&format!("2024-03-{day}"), 1000, 30, 1, 77);
        centre.intervals(&format!("2024-03-{}", day + 3), 800, 1000, 30, 1);
        incremental(&centre, &device, &backup_options(set));
    }
    (centre, device)
}

/// What a chain put in before is no later word than its own.
#[test]
fn a_chain_is_restored_again_into_what_it_was_restored_into() {
    let (centre, device) = three_members();
    let whole = centre.rows("hsplit");
    for round in 0..2 {
        centre.run("UPDATE hsplit SET acdcalls = -1");
        restore_chain(&device, &centre, &all()).unwrap();
        assert_eq!(centre.rows("hsplit"), whole, "{round}");
    }
    centre.run("UPDATE hsplit SET acdcalls = -1 WHERE row_date = '2024-03-13'");
    restore_member(&device, 2, &centre, &all());
    assert_eq!(centre.rows("hsplit"), whole);
}

/// 7. A late row for an old day is in the incremental; the older full restored after it does not bring the stale day back.
#[test]
fn scenario_07_an_older_member_does_not_bring_a_stale_day_back() {
    let (source, device) = three_members();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1], [0, 2, 1], [1, 0, 2]] {
        let target = Centre::new(&[HSPLIT]);
        for sequence in order {
            restore_member(&device, sequence, &target, &all());
        }
        assert_eq!(target.rows("hsplit"), source.rows("hsplit"), "{order:?}");
    }
    // What is left out is in the plan, and comes back when somebody says so.
    let target = Centre::new(&[HSPLIT]);
    restore_member(&device, 1, &target, &all());
    let plan = restore_member(&device, 0, &target, &all());
    let day = |day: u32| {
        intervault::base::time::Span::new(at(&format!("2024-03-{day}")), at(&format!("2024-03-{}", day + 1)))
    };
    assert_eq!(ranges(&plan, "hsplit").acds[0].later.spans(), [day(12).unwrap()]);
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-12'"), 5);
    restore_member(&device, 0, &target, &Options { older_wins: true, ..all() });
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-12'"), 4);
}

/// A full and its incrementals are restored as one, and each row comes from the newest member that has its bucket.
#[test]
fn a_chain_is_restored_as_one() {
    let (source, device) = three_members();
    let target = Centre::new(&[HSPLIT]);
    let (plan, report) = restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), source.rows("hsplit"));
    assert_eq!(plan.members.iter().map(|member| member.sequence).collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!((report.tables[0].inserted, plan.notices.len()), (20 + 2 + 8, 0));
    // Each member is needed, and its volume is named with it.
    assert_eq!(plan.volumes.iter().map(|need| need.member).collect::<Vec<_>>(), [0, 1, 2]);
    // An earlier state.
    let sets = list_sets(&device).unwrap().sets;
    let id = set_id(2).to_string();
    let chain = Chain::choose(&sets, Wanted { set: None, stop_at: Some(&id) }).unwrap();
    let store = target.store();
    let options = Options { older_wins: true, ..restore_options(Some("2024-03-13"), Some("2024-03-13")) };
    let restore = Restore::new(chain, &store, Options { policies: all().policies, ..options });
    restore.apply(&restore.plan().unwrap(), None).unwrap();
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-13'"), 4);
    assert_eq!(target.count("SELECT count(*) FROM hsplit"), 29);
}

/// A missing member is named with what it costs; the rest is restored when told, and what is stale is left alone.
#[test]
fn a_missing_member_costs_what_only_it_has() {
    let (source, device) = three_members();
    remove(&device, 2);
    let target = Centre::new(&[HSPLIT]);
    target.interval("2024-03-12", 800, 30, 1, 5);
    let error = restore_chain(&device, &target, &all()).unwrap_err();
    assert_eq!(error.class(), Class::Volume);
    let sets = list_sets(&device).unwrap().sets;
    let store = target.store();
    let chain = || Chain::choose(&sets, Wanted::default()).unwrap();
    let plan = Restore::new(chain(), &store, all()).plan().unwrap();
    assert_eq!((plan.gaps.len(), plan.gaps[0].first, plan.gaps[0].last, plan.gaps[0].set), (1, 1, 1, set_id(2)));
    assert!(plan.refusals.iter().all(|refusal| refusal.rule == Rule::MissingMember), "{:?}", plan.refusals);
    let words: String = plan.refusals.iter().map(|refusal| refusal.what.as_str()).collect();
    assert!(words.contains("older state") && words.contains("2024-03-12") && words.contains("2024-03-15"), "{words}");
    let bucket = |day: u32| (Some(1), Some(at(&format!("2024-03-{day}")).day()));
    assert_eq!((&ranges(&plan, "hsplit").stale, &ranges(&plan, "hsplit").lost), (&vec![bucket(12)], &vec![bucket(15)]));
    let options = Options { missing: Missing::Partial, ..all() };
    restore_chain(&device, &target, &options).unwrap();
    assert_eq!(target.count("SELECT acdcalls FROM hsplit WHERE row_date = '2024-03-12'"), 5);
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-15'"), 0);
    let rest = "SELECT count(*) FROM hsplit WHERE row_date NOT IN ('2024-03-12', '2024-03-15')";
    assert_eq!(target.count(rest), source.count(rest));
    // A day that all members have as it was needs nothing of what is missing: it is restored, with a word.
    let day = Options { policies: all().policies, ..restore_options(Some("2024-03-13"), Some("2024-03-13")) };
    let plan = Restore::new(chain(), &store, day).plan().unwrap();
    assert_eq!(plan.refusals, []);
    assert!(plan.notices.iter().any(|notice| notice.contains("is not here")), "{:?}", plan.notices);
}

/// 8. Retention took the oldest ten days at the source, and one ACD was removed: the chain has them from the full, and says so.
#[test]
fn scenario_08_what_age_took_comes_from_the_full() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 1..=20 {
        centre.intervals(&format!("2024-03-{day:02}"), 800, 1000, 30, 1);
    }
    centre.intervals("2024-03-15", 800, 1000, 30, 2);
    let (device, before) = (backup(&centre), centre.rows("hsplit"));
    centre.run("DELETE FROM hsplit WHERE row_date <= '2024-03-10' OR acd = 2");
    centre.intervals("2024-03-21", 800, 1000, 30, 1);
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit").len(), before.len() + 4);
    assert!(before.iter().all(|row| target.rows("hsplit").contains(row)));
    let acds = &ranges(&plan, "hsplit").acds;
    let older: Vec<_> = acds.iter().map(|acd| acd.older.clone()).collect();
    let span = |start, stop| intervault::base::time::Span::new(at(start), at(stop)).unwrap();
    assert_eq!(older[0], [(1, span("2024-03-01 08:00", "2024-03-11 08:00"))]);
    assert_eq!(older[1], [(1, span("2024-03-15 08:00", "2024-03-15 10:00"))]);
}

/// 11. Two backups on one day, two servers' sets in one folder: never mixed.
#[test]
fn scenario_11_sets_of_two_servers_are_not_mixed() {
    let (source, device) = three_members();
    let other = Centre::new(&[HSPLIT]);
    other.intervals("2024-03-12", 800, 1000, 30, 1);
    other.run("UPDATE hsplit SET acdcalls = 500");
    backup_with(&other, &device, &backup_options(7));
    let sets = list_sets(&device).unwrap().sets;
    let Err(ChainError::Several(names)) = Chain::choose(&sets, Wanted::default()) else { panic!("one was chosen") };
    assert_eq!(names.len(), 2);
    let id = set_id(3).to_string();
    for (wanted, members) in [(id.as_str(), 3), (&set_id(7).to_string()[..], 1)] {
        let chain = Chain::choose(&sets, Wanted { set: Some(wanted), stop_at: None }).unwrap();
        assert_eq!(chain.members().len(), members);
    }
    let store = source.store();
    let before = source.rows("hsplit");
    let chain = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
    let restore = Restore::new(chain, &store, all());
    restore.apply(&restore.plan().unwrap(), None).unwrap();
    assert_eq!(source.rows("hsplit"), before);
    // A second full one of the same day and server is a chain of its own.
    backup_with(&source, &device, &backup_options(8));
    let sets = list_sets(&device).unwrap().sets;
    let Err(ChainError::Several(names)) = Chain::choose(&sets, Wanted::default()) else { panic!("one was chosen") };
    assert_eq!(names.len(), 3);
}

/// A restore of a chain that ended early goes on with the same members, and goes back whole.
#[test]
fn a_chain_that_ended_early_goes_on_and_goes_back() {
    let (source, device) = three_members();
    let options = Options { unit_rows: 5, ..all() };
    let mut stopped_early = 0;
    for questions in 0..60 {
        let target = Centre::new(&[HSPLIT]);
        target.intervals("2024-03-12", 800, 1200, 30, 1);
        target.intervals("2024-03-20", 800, 1200, 30, 1);
        let before = target.rows("hsplit");
        let (store, undo) = (target.store(), MemoryDevice::new());
        let sets = list_sets(&device).unwrap().sets;
        let chain = || Chain::choose(&sets, Wanted::default()).unwrap();
        let restore = Restore::new(chain(), &store, options.clone());
        let plan = restore.plan().unwrap();
        let keep = Keep { device: &undo, set: set_id(0xAA) };
        let monitor = StopAfter::new(questions);
        if restore.watched(&monitor).apply(&plan, Some(keep)).is_ok() {
            break;
        }
        let Some(unfinished) = restore::unfinished(&store).unwrap() else { continue };
        stopped_early += 1;
        assert_eq!(unfinished.sets, [set_id(3), set_id(2), set_id(1)]);
        // One member alone is not what was begun.
        let alone = Restore::new(&sets[0], &store, options.clone()).resume(&unfinished).unwrap_err();
        assert_eq!(alone.error.class(), Class::Volume);
        if questions % 2 == 0 {
            Restore::new(chain(), &store, options.clone()).resume(&unfinished).unwrap();
            let mut whole = source.rows("hsplit");
            whole.extend(target.rows("hsplit").into_iter().filter(|row| row.contains("2024-03-20")));
            whole.sort();
            assert_eq!(target.rows("hsplit"), whole, "stopped after {questions}");
        }
        undo_with(&target, &undo, &UndoOptions::default()).unwrap();
        assert_eq!(target.rows("hsplit"), before);
        // Nothing is left that would hold an older member back.
        restore_member(&device, 0, &target, &all());
        assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-12'"), 4);
    }
    assert!(stopped_early > 8, "{stopped_early}");
}

/// Damage in one member costs nothing where another member has the same, and is named with what it costs where none has.
#[test]
fn a_damaged_member_costs_what_only_it_has() {
    for (set, stale, lost) in [(1, vec![], vec![10, 11, 14]), (2, vec![12], vec![15]), (3, vec![13], vec![16])] {
        let (source, device) = three_members();
        let volumes = FaultDevice::new(device, 1);
        let digits = set_id(set).to_string()[..8].to_owned();
        let name = volumes.list().unwrap().into_iter().find(|name| name.contains(&digits)).unwrap();
        let first = {
            let sets = list_sets(&volumes).unwrap().sets;
            let of_set = sets.iter().find(|found| found.set_id() == set_id(set)).unwrap();
            of_set.sections()[0].chunks[0].entry.offset
        };
        let bits = (first + 100) * 8;
        volumes.flip(&name, bits);
        let target = Centre::new(&[HSPLIT]);
        target.interval("2024-03-12", 800, 30, 1, 5);
        let sets = list_sets(&volumes).unwrap().sets;
        let store = target.store();
        let chain = || Chain::choose(&sets, Wanted::default()).unwrap();
        let plan = Restore::new(chain(), &store, all()).plan().unwrap();
        let days = |buckets: &[intervault::section::evidence::Bucket]| -> Vec<i32> {
            buckets.iter().map(|(_, day)| day.unwrap() - at("2024-03-01").day() + 1).collect()
        };
        let ranges = ranges(&plan, "hsplit");
        assert_eq!((days(&ranges.stale), days(&ranges.lost)), (stale.clone(), lost.clone()), "set {set}");
        assert!(plan.refusals.iter().all(|refusal| refusal.rule == Rule::Damage) && !plan.refusals.is_empty());
        let options = Options { missing: Missing::Partial, ..all() };
        let restore = Restore::new(chain(), &store, options);
        restore.apply(&restore.plan().unwrap(), None).unwrap();
        for day in 10..=16 {
            let count = |centre: &Centre| {
                centre.count(&format!("SELECT count(*) FROM hsplit WHERE row_date = '2024-03-{day}'"))
            };
            let left_alone = stale.contains(&day) || lost.contains(&day);
            assert_eq!(
                count(&target),
                if !left_alone { count(&source) } else { i64::from(day == 12) },
                "set {set}, {day}"
            );
        }
    }
}

/// What age took since a member that is missing may have been changed by it: nobody can tell, so it is asked.
#[test]
fn what_only_an_older_member_has_is_uncertain_beyond_a_gap() {
    let centre = Centre::new(&[HSPLIT]);
    for day in 10..20 {
        centre.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1);
    }
    let device = backup(&centre);
    centre.interval("2024-03-11", 1000, 30, 1, 77);
    incremental(&centre, &device, &backup_options(2));
    centre.run("DELETE FROM hsplit WHERE row_date < '2024-03-15'");
    incremental(&centre, &device, &backup_options(3));
    remove(&device, 2);
    let target = Centre::new(&[HSPLIT]);
    let sets = list_sets(&device).unwrap().sets;
    let store = target.store();
    let plan =
        |options: Options| Restore::new(Chain::choose(&sets, Wanted::default()).unwrap(), &store, options).plan();
    let whole = plan(all()).unwrap();
    assert_eq!(whole.refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>(), [Rule::MissingMember]);
    assert!(ranges(&whole, "hsplit").stale.is_empty() && ranges(&whole, "hsplit").lost.is_empty());
    // Where the newest member reaches it is certain.
    let certain = Options { policies: all().policies, ..restore_options(Some("2024-03-15 08:00"), None) };
    assert_eq!(plan(certain).unwrap().refusals, []);
    restore_chain(&device, &target, &Options { missing: Missing::Partial, ..all() }).unwrap();
    assert_eq!(target.count("SELECT count(*) FROM hsplit"), 40);
}

/// A row that reaches past midnight comes with its day, though the next day's bucket is in another member.
#[test]
fn a_row_past_midnight_comes_with_its_own_bucket() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    centre.interval("2024-03-10", 2330, 60, 1, 5);
    centre.intervals("2024-03-11", 800, 1000, 30, 1);
    let device = backup(&centre);
    centre.interval("2024-03-10", 1000, 30, 1, 77);
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    restore_member(&device, 1, &target, &all());
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE starttime = 2330"), 1);
    assert_eq!(target.count("SELECT count(*) FROM hsplit"), 6);
}

/// The source took a change back, and what says so is on an older member: the set with the change fell out of the chain, or the
/// newest one's own copy is damaged. The target, into which the change was restored, gets the day back.
#[test]
fn what_the_newest_lists_counts_whichever_member_has_the_rows() {
    for fell_out in [true, false] {
        let source = Centre::new(&[HSPLIT]);
        (10..15).for_each(|day| source.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1));
        source.run(
            "INSERT INTO hsplit (row_date, starttime, intrvl, acd, split, acdcalls) VALUES (NULL, 1, 30, 1, 9, 1)",
        );
        let device = backup(&source);
        let target = Centre { folder: tempfile::tempdir().unwrap() };
        std::fs::copy(source.path(), target.path()).unwrap();
        let before = source.rows("hsplit");
        source.run("UPDATE hsplit SET acdcalls = acdcalls + 999 WHERE row_date = '2024-03-12' OR row_date IS NULL");
        incremental(&source, &device, &backup_options(2));
        let changed = source.rows("hsplit");
        restore_chain(&device, &target, &all()).unwrap();
        assert_eq!(target.rows("hsplit"), changed);
        source.run("UPDATE hsplit SET acdcalls = acdcalls - 999 WHERE row_date = '2024-03-12' OR row_date IS NULL");
        assert_eq!(source.rows("hsplit"), before);
        if fell_out {
            remove(&device, 2);
            source.interval("2024-03-14", 1000, 30, 1, 77);
            incremental(&source, &device, &backup_options(3));
        } else {
            incremental(&source, &device, &backup_options(3));
            hurt_chunks(&device, 3);
        }
        let (plan, _) = restore_chain(&device, &target, &all()).unwrap();
        assert_eq!(target.rows("hsplit"), source.rows("hsplit"), "{fell_out}: {:?}", plan.notices);
        assert!(ranges(&plan, "hsplit").acds.iter().all(|acd| acd.later.is_empty()), "{fell_out}");
        // An older state of the chain does not go over it, as ever.
        let id = set_id(if fell_out { 1 } else { 2 }).to_string();
        let sets = list_sets(&device).unwrap().sets;
        let store = target.store();
        let older = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
        let plan = Restore::new(older, &store, all()).plan().unwrap();
        assert!(ranges(&plan, "hsplit").acds.iter().any(|acd| !acd.later.is_empty()), "{fell_out}");
        let older = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
        let restore = Restore::new(older, &store, all());
        restore.apply(&restore.plan().unwrap(), None).unwrap();
        assert_eq!(target.rows("hsplit"), source.rows("hsplit"), "{fell_out}");
    }
}

/// So it is where a set between says nothing of the day, which had gone, or is not here when the later state is restored.
#[test]
fn a_set_that_cannot_tell_of_a_day_may_have_had_it_otherwise() {
    for away in [false, true] {
        let source = Centre::new(&[HSPLIT]);
        (10..15).for_each(|day| source.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1));
        let device = backup(&source);
        let before = source.rows("hsplit");
        let (change, back) = if away {
            let by = |by: &str| format!("UPDATE hsplit SET acdcalls = acdcalls {by} WHERE row_date = '2024-03-12'");
            (by("+ 999"), by("- 999"))
        } else {
            let back = "INSERT INTO hsplit SELECT * FROM gone; DROP TABLE gone".to_owned();
            let gone = "CREATE TABLE gone AS SELECT * FROM hsplit WHERE row_date = '2024-03-12'";
            (format!("{gone}; DELETE FROM hsplit WHERE row_date = '2024-03-12'"), back)
        };
        source.run(&change);
        incremental(&source, &device, &backup_options(2));
        source.run(&back);
        assert_eq!(source.rows("hsplit"), before);
        incremental(&source, &device, &backup_options(3));
        hurt_chunks(&device, 3);
        let between: Vec<String> =
            device.list().unwrap().into_iter().filter(|name| name.contains(&"02".repeat(4))).collect();
        let bytes: Vec<Vec<u8>> = between.iter().map(|name| device.bytes(name).unwrap()).collect();
        let target = Centre::new(&[HSPLIT]);
        if away {
            remove(&device, 2);
        }
        restore_chain(&device, &target, &all()).unwrap();
        assert_eq!(target.rows("hsplit"), before, "{away}");
        if away {
            between.iter().zip(bytes).for_each(|(name, bytes)| device.insert(name, bytes));
        }
        let sets = list_sets(&device).unwrap().sets;
        let (store, id) = (target.store(), set_id(2).to_string());
        let older = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
        let mut options = all();
        options.policies.uncovered = Uncovered::Delete;
        let restore = Restore::new(older, &store, options);
        let plan = restore.plan().unwrap();
        restore.apply(&plan, None).unwrap();
        assert_eq!(target.rows("hsplit"), before, "{away}: {:?}", plan.notices);
        assert!(ranges(&plan, "hsplit").acds.iter().any(|acd| !acd.later.is_empty()), "{away}");
    }
}

/// A set between that has not that kind of data at all says nothing against it: what was lost since comes back from the older
/// one.
#[test]
fn a_set_of_other_kinds_between_two_leaves_a_lost_day_to_the_older_one() {
    let source = Centre::new(&[HSPLIT, SYNONYMS]);
    source.run("INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')");
    (10..15).for_each(|day| source.intervals(&format!("2024-03-{day}"), 800, 1000, 30, 1));
    let device = backup(&source);
    for (number, kind, change) in [
        (2, DataType::Acd, "UPDATE synonyms SET value = 'new'"),
        (3, DataType::Historical, "UPDATE hsplit SET acdcalls = 7 WHERE row_date = '2024-03-14'"),
    ] {
        source.run(change);
        let select = backup::Select::Data(vec![kind]);
        incremental(&source, &device, &backup::Options { select, ..backup_options(number) });
    }
    let target = Centre::new(&[HSPLIT, SYNONYMS]);
    restore_chain(&device, &target, &all()).unwrap();
    assert_eq!(target.rows("hsplit"), source.rows("hsplit"));
    target.run("DELETE FROM hsplit WHERE row_date = '2024-03-11'");
    let sets = list_sets(&device).unwrap().sets;
    let (store, id) = (target.store(), set_id(1).to_string());
    let full = Chain::choose(&sets, Wanted { set: Some(&id), stop_at: None }).unwrap();
    let restore = Restore::new(full, &store, all());
    restore.apply(&restore.plan().unwrap(), None).unwrap();
    assert_eq!(target.rows("hsplit"), source.rows("hsplit"));
}

/// A wrong bit in every chunk of the first section of a set.
fn hurt_chunks(device: &MemoryDevice, set: u8) {
    let sets = list_sets(device).unwrap().sets;
    let set = sets.iter().find(|other| other.set_id() == set_id(set)).unwrap();
    let chunks = set.sections()[0].chunks.clone();
    let name = set.volumes()[0].name.clone().unwrap();
    drop(sets);
    let mut bytes = device.remove(&name).unwrap();
    chunks.iter().for_each(|chunk| bytes[chunk.entry.offset as usize + 90] ^= 4);
    device.insert(&name, bytes);
}

/// Carried rows of an older member stay out where a later one was restored, though the target has nothing there.
#[test]
fn carried_rows_do_not_come_back_behind_a_later_member() {
    let centre = Centre::new(&[HSPLIT]);
    centre.intervals("2024-03-10", 800, 1000, 30, 1);
    let device = MemoryDevice::new();
    backup_with(&centre, &device, &backup::Options { now: at("2024-03-10 09:50"), ..backup_options(1) });
    centre.run("DELETE FROM hsplit WHERE starttime = 930");
    centre.intervals("2024-03-10", 1000, 1200, 30, 1);
    incremental(&centre, &device, &backup_options(2));
    let target = Centre::new(&[HSPLIT]);
    let carried = |mut options: Options| {
        options.policies.carried = Carried::Insert;
        options
    };
    restore_member(&device, 1, &target, &all());
    restore_member(&device, 0, &target, &carried(all()));
    assert_eq!(target.rows("hsplit"), centre.rows("hsplit"));
    // They do come where nothing was restored before.
    let target = Centre::new(&[HSPLIT]);
    restore_member(&device, 0, &target, &carried(all()));
    assert_eq!(target.count("SELECT count(*) FROM hsplit WHERE starttime = 930"), 1);
}
