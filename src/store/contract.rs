//! What every store must do with its journal, as tests that each store runs on a database of its own: one with a table
//! `hsplit(n)` and no control tables, all of which is another for each of them.

use super::control::{
    Collection, KeyRuns, Mode, Range, RangeKind, Run, RunStatus, State, Totals, UndoPlace, Unit, UnitStatus,
};
use super::error::{StoreError, StoreErrorKind};
use super::traits::{Replacement, Store};
use crate::base::time::{Instant, Span};

pub(in crate::store) const OFF: State = State { collection: Collection::Off, mode: Mode::SingleUser };

pub(in crate::store) fn run(label: &str) -> Run {
    Run {
        number: 0,
        begun_unix: 1_709_186_461,
        ended_unix: None,
        set: [0xAB; 16],
        label: label.to_owned(),
        undo: Some(UndoPlace { set: [1; 16], place: "dir:/undo".to_owned() }),
        options: "{\"jobs\": 2}".to_owned(),
        status: RunStatus::Begun,
    }
}

pub(in crate::store) fn span(start: i64, stop: i64) -> Span {
    Span { start: Instant(start), stop: Instant(stop) }
}

pub(in crate::store) fn units() -> Vec<Unit> {
    let slices = [span(0, 86_400), Span { start: Instant::MIN, stop: Instant(0) }, Span::ALL];
    (0..).zip(slices).map(|(number, slice)| Unit::planned(1, number, "hsplit", slice)).collect()
}

pub(in crate::store) fn applied(unit: &Unit) -> Unit {
    let totals = |rows: u64| Totals { rows, digest: [rows as u8; 16] };
    Unit {
        status: UnitStatus::Applied,
        deleted: 5,
        inserted: totals(6),
        saved: totals(5),
        after: totals(i64::MAX as u64),
        keys: KeyRuns::of_keys(&[-3, 11, 12, 13, i64::MAX]),
        ..unit.clone()
    }
}

pub(in crate::store) fn range(unit: &Unit, acd: Option<i64>, kind: RangeKind) -> Range {
    let (run, unit, table) = (unit.run, unit.number, unit.table.clone());
    Range { run, unit, table, acd, kind, span: span(-5, 1_800), set: [3; 16], chain: [4; 16], sequence: 2 }
}

/// Everything that the journal says.
pub(in crate::store) fn journal(store: &dyn Store) -> (State, Vec<Run>, Vec<Unit>, Vec<Range>) {
    let snapshot = store.snapshot(2).unwrap();
    let runs = snapshot.runs().unwrap();
    let units = runs.iter().flat_map(|run| snapshot.units(run.number).unwrap()).collect();
    (snapshot.state().unwrap(), runs, units, snapshot.ranges().unwrap())
}

pub(in crate::store) fn change<T>(
    store: &dyn Store,
    work: impl FnOnce(&mut dyn Replacement) -> Result<T, StoreError>,
) -> T {
    let mut replacement = store.replace().unwrap();
    let result = work(&mut *replacement).unwrap();
    replacement.commit().unwrap();
    result
}

/// Writes a run of three units, of which two are applied.
pub(in crate::store) fn write(store: &dyn Store) {
    change(store, |change| {
        change.set_state(&OFF)?;
        change.begin_run(&run("CMS-030220-01-LSAH-00-F-01"), &units())
    });
    for unit in units().iter().take(2) {
        let ranges = [range(unit, Some(1), RangeKind::Held), range(unit, None, RangeKind::Undated)];
        assert!(change(store, |change| change.unit_applied(&applied(unit), &ranges)));
    }
}

pub(in crate::store) fn says(error: &StoreError, words: &[&str], what: &str) {
    let text = error.to_string();
    assert!(matches!(error.kind, StoreErrorKind::Unsupported(_)), "{what}: {text}");
    for word in words {
        assert!(text.contains(word), "{what}: {word:?} is not in: {text}");
    }
}

/// What reading the whole journal fails with.
pub(in crate::store) fn reading(store: &dyn Store) -> Option<StoreError> {
    let snapshot = store.snapshot(1).unwrap();
    let read = || {
        snapshot.state()?;
        snapshot.runs()?;
        snapshot.units(1)?;
        snapshot.ranges()
    };
    read().err()
}

/// What was written comes back, in order, and what is undone is gone.
pub(in crate::store) fn what_was_written_comes_back(store: &dyn Store) {
    write(store);
    let first = Run { number: 1, ..run("CMS-030220-01-LSAH-00-F-01") };
    let all = units();
    let both = [applied(&all[0]), applied(&all[1]), all[2].clone()];
    let ranges: Vec<Range> = [&all[0], &all[1]]
        .into_iter()
        .flat_map(|unit| [range(unit, Some(1), RangeKind::Held), range(unit, None, RangeKind::Undated)])
        .collect();
    assert_eq!(journal(store), (OFF, vec![first.clone()], both.to_vec(), ranges.clone()));

    // What is undone in a run that goes on is planned again.
    assert!(change(store, |change| change.unit_undone(1, 0)));
    let whole = Range { span: Span::ALL, sequence: u32::MAX, ..range(&all[2], Some(i64::MIN), RangeKind::Whole) };
    let last = std::slice::from_ref(&whole);
    assert!(change(store, |change| change.unit_applied(&applied(&all[2]), last)));
    let (.., left, left_ranges) = journal(store);
    let nothing = Totals::default();
    let again = Unit { status: UnitStatus::Planned, after: nothing, keys: KeyRuns::default(), ..applied(&all[0]) };
    let again = Unit { inserted: Totals { rows: again.inserted.rows, ..nothing }, ..again };
    assert_eq!(left, [again.clone(), applied(&all[1]), applied(&all[2])]);
    assert_eq!(left_ranges, [&ranges[2..], last].concat());

    let plain = Run { undo: None, begun_unix: i64::MIN, ..run("") };
    assert_eq!(change(store, |change| change.begin_run(&plain, &[])), 2);
    let finished = Some(253_402_300_800);
    assert!(change(store, |change| change.end_run(1, RunStatus::Finished, finished)));
    assert!(change(store, |change| change.end_run(2, RunStatus::SetAside, None)));
    assert!(!change(store, |change| change.end_run(3, RunStatus::Finished, None)));
    let first = Run { status: RunStatus::Finished, ended_unix: finished, ..first };
    let second = Run { number: 2, status: RunStatus::SetAside, ..plain };
    assert_eq!(journal(store).1, [first, second]);

    // In a run that has ended an undone unit is gone with its ranges, and no unit is applied any more.
    assert!(!change(store, |change| change.unit_applied(&applied(&all[0]), &[])), "the run has ended");
    assert!(change(store, |change| change.unit_undone(1, 1)));
    let (.., left, left_ranges) = journal(store);
    assert_eq!(left, [again, applied(&all[2])]);
    assert_eq!(left_ranges, last);
    assert_eq!(store.snapshot(1).unwrap().units(u64::MAX).unwrap(), []);
}

/// A unit is applied once, and only as it was planned.
pub(in crate::store) fn a_unit_is_applied_once_and_only_as_it_was_planned(store: &dyn Store) {
    write(store);
    let before = journal(store);
    let planned = &units()[2];
    let others = [
        applied(&units()[0]),
        Unit { run: 2, ..applied(planned) },
        Unit { number: 9, ..applied(planned) },
        Unit { table: "hvdn".to_owned(), ..applied(planned) },
        Unit { slice: span(0, 5), ..applied(planned) },
    ];
    for unit in others {
        let ranges = [range(&unit, None, RangeKind::Held)];
        assert!(!change(store, |change| change.unit_applied(&unit, &ranges)), "{unit:?}");
    }
    assert!(!change(store, |change| change.unit_undone(1, 2)), "it was not applied");
    assert!(!change(store, |change| change.unit_undone(2, 0)));
    assert!(!change(store, |change| change.unit_undone(1, 9)));
    assert_eq!(journal(store), before);
}

/// Two units of one number are refused.
pub(in crate::store) fn units_of_one_number_are_refused(store: &dyn Store) {
    let twice = [units()[0].clone(), units()[0].clone()];
    let mut replacement = store.replace().unwrap();
    assert!(matches!(replacement.begin_run(&run("a"), &twice).unwrap_err().kind, StoreErrorKind::Refused(_)));
    assert!(replacement.commit().is_err(), "nothing of it is kept");
    assert_eq!(journal(store).1, []);
}

/// What is too large for a line is refused before it is written.
pub(in crate::store) fn what_is_too_large_for_a_line_is_refused_before_it_is_written(store: &dyn Store) {
    write(store);
    let before = journal(store);
    let long = "x".repeat((1 << 20) + 1);
    let refuse = |what: &str, write: &dyn Fn(&mut dyn Replacement) -> Result<(), StoreError>| {
        let mut replacement = store.replace().unwrap();
        says(&write(&mut *replacement).expect_err(what), &["bytes"], what);
    };
    refuse("label", &|change| change.begin_run(&run(&long), &[]).map(drop));
    refuse("options", &|change| change.begin_run(&Run { options: long.clone(), ..run("a") }, &[]).map(drop));
    let place = Some(UndoPlace { set: [0; 16], place: long.clone() });
    refuse("place", &|change| change.begin_run(&Run { undo: place.clone(), ..run("a") }, &[]).map(drop));
    refuse("table", &|change| change.begin_run(&run("a"), &[Unit::planned(0, 0, &long, Span::ALL)]).map(drop));
    let mut replacement = store.replace().unwrap();
    let many = Unit { deleted: u64::MAX, ..applied(&units()[2]) };
    says(&replacement.unit_applied(&many, &[]).unwrap_err(), &["larger than"], "deleted");
    drop(replacement);
    assert_eq!(journal(store), before);
}
