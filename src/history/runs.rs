//! Runs: the lines of the history put together, one for each thing that was at work. A run without a last line is still
//! at work if it holds its lock, and was interrupted otherwise.

use super::entry::{CUSTOM, Entry, Event, Kind, Outcome, TABLES};
use super::proofs::rank;
use std::collections::{BTreeMap, BTreeSet};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is at work now.
    AtWork,
    /// It ended.
    Ended(Outcome),
}

impl State {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::AtWork => "at work",
            State::Ended(outcome) => outcome.name(),
        }
    }
}

/// Something that was at work, or is.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What its last line says.
    pub entry: Entry,
    /// Where it stands.
    pub state: State,
}

impl Run {
    /// Whether it is a backup that was finished.
    #[must_use]
    pub fn is_good_backup(&self) -> bool {
        self.entry.kind == Kind::Backup && self.state == State::Ended(Outcome::Finished)
    }

    /// Whether it is a backup of what a database is backed up for, or one of files alone. Tables that somebody named one by
    /// one, and custom data beside a database, say nothing of the backups of the rest.
    #[must_use]
    pub fn is_regular_backup(&self) -> bool {
        let Entry { kind, database, data, .. } = &self.entry;
        let beside = |data: &String| data == TABLES || data == CUSTOM && database.is_some();
        *kind == Kind::Backup && (data.is_empty() || !data.iter().all(beside))
    }

    /// Whether it stands for what an earlier run was to do, so that how that one ended does not matter any more.
    fn stands_for(&self, earlier: &Run) -> bool {
        let (entry, before) = (&self.entry, &earlier.entry);
        if (entry.kind, &entry.database) != (before.kind, &before.database) {
            return false;
        }
        // What a check does not read may still be damaged.
        if entry.kind == Kind::Check && (entry.part || reach(entry) < reach(before)) {
            return false;
        }
        let holds = |what: &String| what == TABLES || entry.data.is_empty() || entry.data.contains(what);
        let place = |device: &String| entry.devices.contains(device);
        let acd = entry.acd.is_none() || entry.acd == before.acd;
        before.data.iter().all(holds) && acd && (entry.database.is_some() || before.devices.iter().all(place))
    }

    /// Whether it went wrong.
    #[must_use]
    pub const fn went_wrong(&self) -> bool {
        matches!(self.state, State::Ended(Outcome::Failed | Outcome::Interrupted))
    }
}

/// How deep a check went, none first.
fn reach(entry: &Entry) -> usize {
    entry.depth.as_deref().and_then(rank).map_or(0, |rank| rank.saturating_add(1))
}

/// The runs, in the order in which they ended; those without an end by where they began. `at_work` says whether a run that
/// has no end holds its lock.
///
/// ```
/// use intervault::history::entry::{Entry, Kind, Outcome};
/// use intervault::history::runs::{State, runs};
/// let entry = Entry { run: "00112233445566ff".into(), ..Entry::begun(Kind::Backup, 0, "1970-01-01 00:00:00") };
/// let state = |at_work| runs(std::slice::from_ref(&entry), |_| at_work)[0].state;
/// assert_eq!((state(true), state(false)), (State::AtWork, State::Ended(Outcome::Interrupted)));
/// ```
#[must_use]
pub fn runs(entries: &[Entry], at_work: impl Fn(&str) -> bool) -> Vec<Run> {
    let mut last: BTreeMap<(&str, u64), &Entry> = BTreeMap::new();
    for entry in entries {
        // Lines without a run stand for themselves.
        let own = if entry.run.is_empty() { entry.sequence } else { 0 };
        let known = last.entry((&entry.run, own)).or_insert(entry);
        if entry.event == Event::Ended || known.event == Event::Begun {
            *known = entry;
        }
    }
    let state = |entry: &Entry| match (entry.event, entry.outcome) {
        (Event::Ended, Some(outcome)) => State::Ended(outcome),
        (Event::Begun, _) if at_work(&entry.run) => State::AtWork,
        _ => State::Ended(Outcome::Interrupted),
    };
    let mut runs: Vec<Run> =
        last.into_values().map(|entry| Run { state: state(entry), entry: entry.clone() }).collect();
    runs.sort_by_key(|run| run.entry.sequence);
    runs
}

/// How many backups were finished on a civil day, `YYYY-MM-DD`.
#[must_use]
pub fn completed_on(runs: &[Run], day: &str) -> usize {
    let ended = |run: &&Run| run.entry.ended.as_deref().is_some_and(|ended| ended.starts_with(day));
    runs.iter().filter(|run| run.is_good_backup()).filter(ended).count()
}

/// The last regular backup that was finished, by which the age of backups is judged: of a database, if any is; else of files.
#[must_use]
pub fn last_regular(runs: &[Run]) -> Option<&Run> {
    let good = || runs.iter().rev().filter(|run| run.is_good_backup() && run.is_regular_backup());
    good().find(|run| run.entry.database.is_some()).or_else(|| good().next())
}

/// The runs that went wrong and that no later one stands for. What began before `since_unix` is past where others of its kind
/// went well since: perhaps nobody will ever do the same again.
#[must_use]
pub fn errors(runs: &[Run], since_unix: i64) -> Vec<&Run> {
    let mut errors: Vec<&Run> = Vec::new();
    let mut ended: Vec<&Run> = Vec::new();
    for run in runs.iter().rev() {
        if !matches!(run.state, State::Ended(Outcome::Finished | Outcome::Failed | Outcome::Interrupted)) {
            continue;
        }
        let settled = ended.iter().any(|later| later.stands_for(run));
        if settled {
            continue;
        }
        let others_went_well = ended
            .iter()
            .any(|later| later.entry.kind == run.entry.kind && later.state == State::Ended(Outcome::Finished));
        if run.went_wrong() && (run.entry.began_unix >= since_unix || !others_went_well) {
            errors.push(run);
        }
        ended.push(run);
    }
    errors.reverse();
    errors
}

/// The sets in which a check has found damage, unless one that found none came after it and read the copies that are meant: as
/// many volumes as were there, on each of the devices where the damage was found, or on each of those `here`, named as in
/// [`Entry::devices`]. That a copy elsewhere is sound mends nothing, nor that a device is named where nothing was read. What a
/// prune removed is damaged no more.
#[must_use]
pub fn faulty(runs: &[Run], here: &[String]) -> BTreeSet<String> {
    let mut faults: Vec<(&String, Places<'_>)> = Vec::new();
    for Run { entry, state } in runs {
        let gone = |set: &String| entry.kind == Kind::Prune && entry.removed.contains(set);
        faults.retain_mut(|(set, at)| {
            if gone(set) && *state == State::Ended(Outcome::Finished) {
                at.retain(|device, _| !entry.devices.iter().any(|named| named == device));
                return !at.is_empty();
            }
            !entry.proved.contains(set) || !settles(&read(entry, set), at, here)
        });
        faults.extend(entry.faulty.iter().map(|set| (set, damaged(entry, set))));
    }
    faults.into_iter().map(|(set, _)| set.clone()).collect()
}

/// How many volumes of a set, each counted once, on which devices.
type Places<'e> = BTreeMap<&'e str, u64>;

/// Whether what was read and proved settles the damage of these places, for whoever works with the devices `here`.
fn settles(read: &Places<'_>, at: &Places<'_>, here: &[String]) -> bool {
    let covers = |(device, volumes): (&&str, &u64)| read.get(device).is_some_and(|read| read >= volumes);
    let all_here = || here.iter().all(|device| read.contains_key(device.as_str()));
    let mut at_here = at.iter().filter(|(device, _)| here.iter().any(|here| here == *device));
    !at.is_empty() && at.iter().all(covers) || !here.is_empty() && all_here() && at_here.all(covers)
}

/// What a check read of a set that it proved. A line that does not say it can mean its one device only.
fn read<'e>(entry: &'e Entry, set: &str) -> Places<'e> {
    judged(entry, set).unwrap_or_else(|| match entry.devices.as_slice() {
        [device] => [(device.as_str(), u64::MAX)].into(),
        _ => Places::new(),
    })
}

/// Where the damage of a set may lie that a check found: on any device that was named, where the line does not say more.
fn damaged<'e>(entry: &'e Entry, set: &str) -> Places<'e> {
    judged(entry, set).unwrap_or_else(|| entry.devices.iter().map(|device| (device.as_str(), 1)).collect())
}

fn judged<'e>(entry: &'e Entry, set: &str) -> Option<Places<'e>> {
    let judged = entry.judged.iter().find(|judged| judged.sets.iter().any(|one| one == set))?;
    Some(judged.copies.iter().map(|copies| (copies.device.as_str(), copies.volumes)).collect())
}

/// The sets that were read back, or checked and proved whole, on devices that are all among those `here`, named as in
/// [`Entry::devices`], and of which no later check found otherwise, wherever.
#[must_use]
pub fn proved(runs: &[Run], here: &[String]) -> BTreeSet<String> {
    let mut proved = BTreeSet::new();
    for Run { entry, state } in runs {
        if !entry.devices.is_empty() && entry.devices.iter().all(|device| here.contains(device)) {
            if let (Some(set), Some(true), State::Ended(Outcome::Finished)) = (&entry.set, entry.verified, state) {
                proved.insert(set.clone());
            }
            proved.extend(entry.proved.iter().cloned());
        }
        entry.faulty.iter().for_each(|set| {
            proved.remove(set);
        });
    }
    proved
}

#[cfg(test)]
mod tests {
    use super::super::entry::Copies;
    use super::*;

    fn line(sequence: u64, run: &str, event: Event, outcome: Option<Outcome>) -> Entry {
        let ended = outcome.map(|_| "2026-11-21 18:00:00".to_owned());
        let begun = Entry::begun(Kind::Backup, 0, "2026-11-20 23:00:00");
        Entry { sequence, run: run.to_owned(), event, outcome, ended, set: Some(run.to_owned()), ..begun }
    }

    #[test]
    fn a_run_is_what_its_last_line_says() {
        let entries = [
            line(1, "a", Event::Begun, None),
            line(2, "b", Event::Begun, None),
            line(3, "b", Event::Ended, Some(Outcome::Finished)),
            line(4, "c", Event::Begun, None),
            line(5, "a", Event::Ended, Some(Outcome::Failed)),
            line(6, "d", Event::Begun, None),
            line(7, "", Event::Ended, Some(Outcome::Finished)),
            line(8, "", Event::Ended, Some(Outcome::Finished)),
        ];
        let runs = runs(&entries, |run| run == "d");
        let told: Vec<_> = runs.iter().map(|run| (run.entry.sequence, run.state.name())).collect();
        let wanted =
            [(3, "finished"), (4, "interrupted"), (5, "failed"), (6, "at work"), (7, "finished"), (8, "finished")];
        assert_eq!(told, wanted);
        assert_eq!((completed_on(&runs, "2026-11-21"), completed_on(&runs, "2026-11-20")), (3, 0));
        assert_eq!(runs.iter().filter(|run| run.went_wrong()).count(), 2);
    }

    #[test]
    fn a_second_line_that_it_began_does_not_undo_its_end() {
        let ended = line(1, "a", Event::Ended, Some(Outcome::Finished));
        let runs = runs(&[ended, line(2, "a", Event::Begun, None)], |_| false);
        assert_eq!((runs.len(), runs[0].entry.sequence), (1, 1));
    }

    /// A run of a kind, of a database (none if empty) and of data.
    fn run(sequence: u64, kind: Kind, outcome: Outcome, database: &str, data: &[&str]) -> Run {
        let database = Some(database.to_owned()).filter(|name| !name.is_empty());
        let data = data.iter().map(|word| (*word).to_owned()).collect();
        let entry = Entry {
            sequence,
            event: Event::Ended,
            outcome: Some(outcome),
            database,
            data,
            ..Entry::begun(kind, 0, "")
        };
        Run { entry, state: State::Ended(outcome) }
    }

    #[test]
    fn an_error_stands_until_a_later_run_does_what_was_not_done() {
        use Outcome::{Declined, Failed, Finished, Interrupted};
        let numbers = |runs: &[Run]| errors(runs, 0).iter().map(|run| run.entry.sequence).collect::<Vec<_>>();
        let backup = |sequence, outcome, database, data: &[&str]| run(sequence, Kind::Backup, outcome, database, data);
        let told = [
            backup(1, Failed, "a", &["historical"]),
            run(2, Kind::Restore, Failed, "a", &[]),
            run(3, Kind::Check, Failed, "", &[]),
            run(4, Kind::Check, Finished, "", &[]),
            backup(5, Interrupted, "a", &["historical"]),
            run(6, Kind::Undo, Declined, "a", &[]),
        ];
        assert_eq!(numbers(&told), [2, 5]);
        let with = |later: Run| numbers(&[&told[..], &[later]].concat());
        assert_eq!(with(backup(7, Finished, "a", &["local", "historical"])), [2]);
        assert_eq!(with(backup(7, Finished, "b", &["historical"])), [2, 5], "another database");
        assert_eq!(with(backup(7, Finished, "a", &["custom"])), [2, 5], "other data");
        assert_eq!(with(backup(7, Finished, "a", &[TABLES])), [2, 5], "some tables");
        let one_acd = backup(7, Finished, "a", &["historical"]);
        assert_eq!(with(Run { entry: Entry { acd: Some(1), ..one_acd.entry }, ..one_acd }), [2, 5], "one ACD");
        assert_eq!(with(run(7, Kind::Restore, Declined, "a", &[])), [2, 5], "nothing was done");
        assert_eq!(with(run(7, Kind::Restore, Finished, "a", &[])), [5]);
        let tables = [backup(1, Failed, "a", &[TABLES]), backup(2, Finished, "a", &["historical"])];
        assert_eq!(numbers(&tables), [0; 0]);
        assert_eq!(errors(&told, 1).len(), 2, "long past, but nothing went well since");
        let other = [backup(7, Finished, "b", &["historical"]), run(8, Kind::Restore, Finished, "b", &[])];
        assert_eq!(errors(&[&told[..], &other].concat(), 1), [] as [&Run; 0], "long past");
    }

    #[test]
    fn the_error_of_a_device_is_settled_on_that_device() {
        let on = |sequence, outcome, device: &str| {
            let run = run(sequence, Kind::Check, outcome, "", &[]);
            Run { entry: Entry { devices: vec![device.to_owned()], ..run.entry }, ..run }
        };
        let runs = [on(1, Outcome::Failed, "/a"), on(2, Outcome::Finished, "/b"), on(3, Outcome::Failed, "/b")];
        assert_eq!(errors(&runs, 0).len(), 2);
        assert_eq!(errors(&[&runs[..], &[on(4, Outcome::Finished, "/a")]].concat(), 0).len(), 1);
    }

    #[test]
    fn damage_stands_until_a_check_has_read_as_deep_and_all() {
        let check = |sequence, outcome, depth: &str, part| {
            let run = run(sequence, Kind::Check, outcome, "", &[]);
            let depth = Some(depth.to_owned()).filter(|depth| !depth.is_empty());
            Run { entry: Entry { depth, part, devices: vec!["/a".to_owned()], ..run.entry }, ..run }
        };
        let left = |bad: &str, depth: &str, part| {
            let runs = [check(1, Outcome::Failed, bad, false), check(2, Outcome::Finished, depth, part)];
            errors(&runs, 0).len()
        };
        for depth in ["", "index", "blocks"] {
            assert_eq!((left("rows", depth, false), left(depth, "rows", false), left(depth, depth, false)), (1, 0, 0));
        }
        for depth in ["index", "blocks", "rows"] {
            assert_eq!((left("index", depth, true), left("index", depth, false)), (1, 0), "{depth}");
        }
    }

    #[test]
    fn what_is_backed_up_beside_a_database_says_nothing_of_its_age() {
        let good = |sequence, database, data: &[&str]| run(sequence, Kind::Backup, Outcome::Finished, database, data);
        let last = |runs: &[Run]| last_regular(runs).map(|run| run.entry.sequence);
        let nightly = good(1, "a", &["local", "historical"]);
        let beside = [good(2, "a", &[TABLES]), good(3, "a", &[CUSTOM]), good(4, "", &[CUSTOM])];
        assert_eq!(last(&[std::slice::from_ref(&nightly), &beside[..]].concat()), Some(1));
        assert_eq!((last(&beside), last(&beside[..2])), (Some(4), None), "of files alone where there is nothing else");
        assert_eq!(last(&[nightly, good(2, "a", &[])]), Some(2), "nothing is known against it");
    }

    #[test]
    fn the_last_word_on_a_set_counts() {
        let here = ["/a".to_owned()];
        let devices = here.to_vec();
        let backup = Entry {
            verified: Some(true),
            devices: devices.clone(),
            ..line(1, "a", Event::Ended, Some(Outcome::Finished))
        };
        let failed = Entry {
            verified: Some(true),
            devices: devices.clone(),
            ..line(2, "b", Event::Ended, Some(Outcome::Failed))
        };
        let check = |sequence, proved: &[&str], faulty: &[&str]| Entry {
            set: None,
            proved: proved.iter().map(ToString::to_string).collect(),
            faulty: faulty.iter().map(ToString::to_string).collect(),
            devices: devices.clone(),
            ..line(sequence, "", Event::Ended, Some(Outcome::Finished))
        };
        let at = |entries: &[Entry]| proved(&runs(entries, |_| false), &here).into_iter().collect::<Vec<_>>();
        let (first, second, third) = (check(3, &["c"], &["a"]), check(4, &["a"], &[]), check(5, &[], &["c"]));
        assert_eq!(at(&[backup.clone(), failed.clone()]), ["a"]);
        assert_eq!(at(&[backup.clone(), failed.clone(), first.clone()]), ["c"]);
        let all = [backup, failed, first, second, third];
        assert_eq!(at(&all), ["a"]);
        let broken = |entries: &[Entry]| faulty(&runs(entries, |_| false), &here).into_iter().collect::<Vec<_>>();
        assert_eq!((broken(&all[..3]), broken(&all)), (vec!["a".to_owned()], vec!["c".to_owned()]));
    }
    #[test]
    fn a_sound_copy_elsewhere_mends_nothing_here() {
        let names = |devices: &[&str]| devices.iter().map(|device| (*device).to_owned()).collect::<Vec<_>>();
        let check = |sequence, devices: &[&str], proved: &[&str], faulty: &[&str]| Entry {
            set: None,
            proved: names(proved),
            faulty: names(faulty),
            devices: names(devices),
            ..line(sequence, "", Event::Ended, Some(Outcome::Finished))
        };
        let told = |entries: &[Entry], here: &[&str]| {
            let (runs, here) = (runs(entries, |_| false), names(here));
            (faulty(&runs, &here).contains("x"), proved(&runs, &here).contains("x"))
        };
        let (bad, elsewhere) = (check(1, &["/a"], &[], &["x"]), check(2, &["/b"], &["x"], &[]));
        let both = [bad.clone(), elsewhere.clone()];
        assert_eq!((told(&both, &["/a"]), told(&both, &["/b"])), ((true, false), (false, true)));
        assert_eq!(told(&both, &["/a", "/b"]), (true, true), "one copy is damaged, the other is not");
        let again = [bad.clone(), elsewhere, check(3, &["/a"], &["x"], &[])];
        assert_eq!(told(&again, &["/a"]), (false, true));
        assert_eq!(told(&[check(1, &[], &["x"], &[])], &["/a"]), (false, false), "nobody knows where");
        assert_eq!(told(&[bad.clone(), check(2, &[], &["x"], &[])], &["/a"]), (true, false), "nobody knows where");
        let joined = check(2, &["/a", "/b"], &["x"], &[]);
        assert_eq!(told(&[bad, joined], &["/a"]), (true, false), "perhaps by the other copy alone");
    }

    #[test]
    fn damage_is_settled_by_a_check_that_read_the_copies_in_question() {
        // One line a check: what was found, where, of how many volumes.
        let check = |sequence, sound: bool, at: &[(&str, u64)]| {
            let devices = vec!["/a".to_owned(), "/b".to_owned()];
            let set = vec!["x".to_owned()];
            let (proved, faulty) = if sound { (set, vec![]) } else { (vec![], set) };
            let kind = Kind::Check;
            let line = line(sequence, "", Event::Ended, Some(Outcome::Finished));
            let mut entry = Entry { kind, set: None, devices, proved, faulty, ..line };
            entry.judge(
                "x",
                at.iter().map(|(device, volumes)| Copies { device: (*device).into(), volumes: *volumes }).collect(),
            );
            entry
        };
        let stands = |entries: &[Entry], here: &[&str]| {
            let here: Vec<String> = here.iter().map(|device| (*device).to_owned()).collect();
            faulty(&runs(entries, |_| false), &here).contains("x")
        };
        let bad = check(1, false, &[("/a", 3)]);
        let by = |at: &[(&str, u64)], here: &[&str]| stands(&[bad.clone(), check(2, true, at)], here);
        for here in [&["/a"][..], &["/a", "/b"], &[]] {
            assert!(by(&[("/b", 3)], here), "the folder was empty: {here:?}");
            assert!(by(&[("/a", 2), ("/b", 3)], here), "one volume was not there: {here:?}");
            assert!(!by(&[("/a", 3)], here) && !by(&[("/a", 3), ("/b", 3)], here), "read again: {here:?}");
        }
        assert!(!by(&[("/b", 3)], &["/b"]), "there it never was damaged");
        let both = check(1, false, &[("/a", 2), ("/b", 1)]);
        assert!(!stands(&[both.clone(), check(2, true, &[("/a", 2), ("/b", 1)])], &["/a", "/b"]), "a set in two parts");
        let pruned = |devices: &[&str], outcome| Entry {
            kind: Kind::Prune,
            devices: devices.iter().map(|device| (*device).to_owned()).collect(),
            removed: vec!["x".to_owned()],
            ..line(2, "p", Event::Ended, Some(outcome))
        };
        assert!(stands(&[both.clone(), pruned(&["/b"], Outcome::Finished)], &["/a", "/b"]), "one copy is left");
        assert!(!stands(&[both.clone(), pruned(&["/a", "/b"], Outcome::Finished)], &["/a", "/b"]));
        assert!(stands(&[both, pruned(&["/a", "/b"], Outcome::Failed)], &["/a", "/b"]), "perhaps it was not removed");
    }
}
