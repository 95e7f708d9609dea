//! Which sets go: a pure function of what is known of them, of the rules and of today.

use super::facts::{Condition, SetFacts};
use crate::base::time::{Day, civil_of_day};
use crate::format::block::SetId;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds by which a clock may be ahead of this one before it is not believed any more.
const AHEAD_MAX: i64 = 86_400;

/// How many sets are kept, of each kind of backup: those that any of the rules keeps. Zero keeps none by that rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The last sets.
    pub last: usize,
    /// The last set of each of the last days that have one.
    pub days: usize,
    /// The last set of each of the last weeks, from Monday, that have one.
    pub weeks: usize,
    /// The last set of each of the last months that have one.
    pub months: usize,
    /// The last undo sets of each database. `None`: all of them.
    pub undo_sets: Option<usize>,
}

/// Why a set stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is one of the last.
    Last,
    /// It is the last of its day.
    Daily,
    /// It is the last of its week.
    Weekly,
    /// It is the last of its month.
    Monthly,
    /// It is the last good full set.
    LastFull,
    /// It is the last full set that was proved whole.
    LastVerifiedFull,
    /// A set that stays builds on it.
    Needed(SetId),
    /// Its label says that it stays until that day.
    Retained(Day),
    /// It is an undo set, and nobody said how many of these stay.
    UndoSet,
    /// Some of its volumes are not here.
    Partly,
    /// It is from the future, and the history does not know it.
    Future,
    /// It is no good, but no newer good full set is there.
    NothingBetter,
}

/// What becomes of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The set.
    pub facts: SetFacts,
    /// Why it stays; empty if it goes.
    pub reasons: Vec<Reason>,
}

impl Judged {
    /// Whether it goes.
    #[must_use]
    pub const fn goes(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// What becomes of the sets, by group, in each group the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The sets.
    pub sets: Vec<Judged>,
}

impl Plan {
    /// Those that go, in the order in which they are removed: never one on which another that is still there builds.
    #[must_use]
    pub fn going(&self) -> Vec<&SetFacts> {
        let mut going: Vec<&SetFacts> =
            self.sets.iter().rev().filter(|judged| judged.goes()).map(|judged| &judged.facts).collect();
        going.sort_by_key(|facts| std::cmp::Reverse(facts.sequence));
        going
    }

    /// Ids of those that go.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<SetId> {
        self.going().iter().map(|facts| facts.set).collect()
    }
}

/// Judges sets. `now_unix` is the time of this machine, `today` the civil day.
#[must_use]
pub fn plan(sets: Vec<SetFacts>, rules: &Rules, now_unix: i64, today: Day) -> Plan {
    let mut groups: BTreeMap<String, Vec<SetFacts>> = BTreeMap::new();
    for facts in sets {
        groups.entry(facts.group.clone()).or_default().push(facts);
    }
    let judged = groups.into_values().flat_map(|group| group_plan(ordered(group), rules, now_unix, today));
    let mut sets: Vec<Judged> = judged.collect();
    keep_needed(&mut sets);
    Plan { sets }
}

/// The sets of a group, the oldest first: see the module.
fn ordered(mut group: Vec<SetFacts>) -> Vec<SetFacts> {
    let parents: BTreeMap<SetId, (i64, Option<SetId>)> =
        group.iter().map(|facts| (facts.set, (facts.created_unix, facts.parent))).collect();
    let when = |facts: &SetFacts| {
        let (mut at, mut parent) = (facts.created_unix, facts.parent);
        // Parents that go round in a circle are no chain.
        for _ in 0..=parents.len() {
            let Some((time, next)) = parent.and_then(|parent| parents.get(&parent)) else { break };
            at = at.max(*time);
            parent = *next;
        }
        at
    };
    group.sort_by_key(|facts| (when(facts), facts.chain, facts.sequence, facts.set));
    let mut known: Vec<SetFacts> = group.iter().filter(|facts| facts.order.is_some()).cloned().collect();
    known.sort_by_key(|facts| (facts.order, facts.sequence));
    let mut known = known.into_iter();
    for facts in &mut group {
        if facts.order.is_some()
            && let Some(next) = known.next()
        {
            *facts = next;
        }
    }
    parents_first(group)
}

/// The same order, but each set after the one that it builds on.
fn parents_first(group: Vec<SetFacts>) -> Vec<SetFacts> {
    let place: BTreeMap<SetId, usize> = group.iter().enumerate().map(|(at, facts)| (facts.set, at)).collect();
    let mut taken = BTreeSet::new();
    let mut order = Vec::with_capacity(group.len());
    for at in 0..group.len() {
        let mut line = Vec::new();
        let mut next = Some(at);
        // From the set up to the oldest that was not taken yet; a circle ends where it began.
        while let Some(here) = next.filter(|here| !taken.contains(here)) {
            taken.insert(here);
            line.push(here);
            next = group.get(here).and_then(|facts| facts.parent).and_then(|parent| place.get(&parent).copied());
        }
        order.extend(line.into_iter().rev());
    }
    let mut group: Vec<Option<SetFacts>> = group.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| group.get_mut(at).and_then(Option::take)).collect()
}

fn group_plan(sets: Vec<SetFacts>, rules: &Rules, now_unix: i64, today: Day) -> Vec<Judged> {
    let mut sets: Vec<Judged> = sets.into_iter().map(|facts| Judged { facts, reasons: Vec::new() }).collect();
    if sets.iter().any(|judged| judged.facts.undo) {
        keep_undo(&mut sets, rules.undo_sets);
    } else {
        let latest = now_unix.saturating_add(AHEAD_MAX);
        let future = |facts: &SetFacts| facts.order.is_none() && facts.created_unix > latest;
        keep_by_rules(&mut sets, rules, &future);
        keep_what_is_doubtful(&mut sets, &future);
    }
    for judged in &mut sets {
        if let Some(day) = judged.facts.retain_until.filter(|day| today < *day) {
            judged.reasons.push(Reason::Retained(day));
        }
    }
    sets
}

fn keep_undo(sets: &mut [Judged], most: Option<usize>) {
    let mut kept = 0;
    for judged in sets.iter_mut().rev() {
        match most {
            None => judged.reasons.push(Reason::UndoSet),
            Some(_) if judged.facts.condition == Condition::Partly => judged.reasons.push(Reason::Partly),
            Some(most) if kept < most && judged.facts.condition == Condition::Good => {
                kept = kept.saturating_add(1);
                judged.reasons.push(Reason::Last);
            }
            Some(_) => {}
        }
    }
}

/// Good sets, from the newest on.
fn keep_by_rules(sets: &mut [Judged], rules: &Rules, future: &impl Fn(&SetFacts) -> bool) {
    let week = |day: Day| i64::from(day).saturating_add(3).div_euclid(7);
    let month = |day: Day| {
        let (year, month, _) = civil_of_day(day);
        i64::from(year).saturating_mul(12).saturating_add(i64::from(month))
    };
    let mut seen: [BTreeSet<i64>; 3] = Default::default();
    let (mut last, mut full, mut verified) = (0, false, false);
    for judged in sets.iter_mut().rev() {
        let facts = &judged.facts;
        if facts.condition != Condition::Good || future(facts) {
            continue;
        }
        let mut reasons = Vec::new();
        if last < rules.last {
            last = last.saturating_add(1);
            reasons.push(Reason::Last);
        }
        let periods = [
            (i64::from(facts.day), rules.days, Reason::Daily),
            (week(facts.day), rules.weeks, Reason::Weekly),
            (month(facts.day), rules.months, Reason::Monthly),
        ];
        for ((period, most, reason), seen) in periods.into_iter().zip(&mut seen) {
            if seen.len() < most && seen.insert(period) {
                reasons.push(reason);
            }
        }
        if facts.parent.is_none() {
            if !full {
                reasons.push(Reason::LastFull);
            }
            if facts.verified && !verified {
                reasons.push(Reason::LastVerifiedFull);
            }
            full = true;
            verified |= facts.verified;
        }
        judged.reasons.extend(reasons);
    }
}

/// Sets that count for no rule, and must not go for that alone. What was never finished is worth nothing once the chain that
/// it was to begin, or go on with, has gone on without it.
fn keep_what_is_doubtful(sets: &mut [Judged], future: &impl Fn(&SetFacts) -> bool) {
    let restorable = restorable(sets);
    let (mut better, mut gone_on) = (false, false);
    for judged in sets.iter_mut().rev() {
        let facts = &judged.facts;
        let reason = match facts.condition {
            _ if future(facts) => Some(Reason::Future),
            Condition::Partly => Some(Reason::Partly),
            Condition::Unfinished if !gone_on => Some(Reason::NothingBetter),
            Condition::Damaged if !better => Some(Reason::NothingBetter),
            _ => None,
        };
        if restorable.contains(&facts.set) && !future(facts) {
            gone_on = true;
            better |= facts.parent.is_none();
        }
        judged.reasons.extend(reason);
    }
}

/// The good sets that build on good ones only, down to a full one; parents come first.
fn restorable(sets: &[Judged]) -> BTreeSet<SetId> {
    let mut found = BTreeSet::new();
    for SetFacts { set, parent, condition, .. } in sets.iter().map(|judged| &judged.facts) {
        if *condition == Condition::Good && parent.is_none_or(|parent| found.contains(&parent)) {
            found.insert(*set);
        }
    }
    found
}

/// What a set that stays builds on stays. Where that is not here, all older members of its chain stay: one of them may be
/// what it needs.
fn keep_needed(sets: &mut [Judged]) {
    let place: BTreeMap<SetId, usize> = sets.iter().enumerate().map(|(at, judged)| (judged.facts.set, at)).collect();
    let mut stay: BTreeSet<usize> = (0..sets.len()).filter(|at| sets.get(*at).is_some_and(|set| !set.goes())).collect();
    let mut to_do: Vec<usize> = stay.iter().copied().collect();
    while let Some(at) = to_do.pop() {
        let Some(SetFacts { set, chain, parent, sequence, .. }) = sets.get(at).map(|judged| judged.facts.clone())
        else {
            continue;
        };
        let Some(parent) = parent else { continue };
        let needs: Vec<usize> = match place.get(&parent) {
            Some(at) => vec![*at],
            None => {
                let older = |judged: &Judged| judged.facts.chain == chain && judged.facts.sequence < sequence;
                (0..sets.len()).filter(|at| sets.get(*at).is_some_and(older)).collect()
            }
        };
        for at in needs {
            if let Some(needed) = sets.get_mut(at) {
                needed.reasons.push(Reason::Needed(set));
            }
            if stay.insert(at) {
                to_do.push(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::mutate::Rng;

    const NOW: i64 = 1_000 * 86_400;
    const TODAY: Day = 1_000;

    fn id(number: u8) -> SetId {
        SetId([number; 16])
    }

    /// A full set of a day.
    fn full(number: u8, day: Day) -> SetFacts {
        SetFacts {
            set: id(number),
            label: format!("set {number}"),
            group: "one".to_owned(),
            chain: id(number),
            parent: None,
            sequence: 0,
            undo: false,
            condition: Condition::Good,
            created_unix: i64::from(day) * 86_400,
            day,
            order: None,
            verified: false,
            retain_until: None,
            bytes: 1,
            volumes: Vec::new(),
        }
    }

    /// An incremental one on another.
    fn on(parent: &SetFacts, number: u8, day: Day) -> SetFacts {
        SetFacts { chain: parent.chain, parent: Some(parent.set), sequence: parent.sequence + 1, ..full(number, day) }
    }

    fn last(last: usize) -> Rules {
        Rules { last, ..Rules::default() }
    }

    /// Numbers of those that go, in the order of removal.
    fn going(sets: &[SetFacts], rules: &Rules) -> Vec<u8> {
        plan(sets.to_vec(), rules, NOW, TODAY).going().iter().map(|facts| facts.set.0[0]).collect()
    }

    #[test]
    fn the_last_stay_and_the_newest_goes_first_of_the_others() {
        let sets: Vec<SetFacts> = (1..=5).map(|number| full(number, 900 + Day::from(number))).collect();
        assert_eq!(going(&sets, &last(2)), [3, 2, 1]);
        assert_eq!(going(&sets, &last(9)), [0; 0]);
        assert_eq!(going(&sets, &Rules::default()), [4, 3, 2, 1], "the last full one never goes");
    }

    #[test]
    fn an_incremental_that_stays_keeps_what_it_builds_on() {
        let (a, b) = (full(1, 900), full(5, 910));
        let (a1, b1) = (on(&a, 2, 901), on(&b, 6, 911));
        let (a2, b2) = (on(&a1, 3, 902), on(&b1, 7, 912));
        let a3 = on(&a2, 4, 903);
        let sets = [a, a1, a2, a3, b, b1, b2];
        assert_eq!(going(&sets, &last(1)), [4, 3, 2, 1]);
        assert_eq!(going(&sets, &last(4)), [0; 0], "number 4 of the last needs all before it");
        let without: Vec<SetFacts> = sets.iter().filter(|facts| facts.set != id(2)).cloned().collect();
        assert_eq!(going(&without, &last(4)), [0; 0], "what number 3 builds on is not here: all older ones stay");
        let middle = plan(sets.to_vec(), &Rules { last: 2, ..Rules::default() }, NOW, TODAY);
        let b1 = middle.sets.iter().find(|judged| judged.facts.set == id(6)).unwrap();
        assert_eq!(b1.reasons, [Reason::Last, Reason::Needed(id(7))]);
    }

    #[test]
    fn periods_keep_their_last_set_and_empty_ones_do_not_count() {
        // 1970-01-05 was a Monday: day 4. Days 4 to 17 are two weeks, then one set a month.
        let days: [Day; 6] = [4, 10, 10, 11, 17, 100];
        let sets: Vec<SetFacts> = (1..).zip(days).map(|(number, day)| full(number, day)).collect();
        assert_eq!(going(&sets, &Rules { days: 3, ..Rules::default() }), [3, 2, 1]);
        assert_eq!(
            going(&sets, &Rules { weeks: 3, ..Rules::default() }),
            [4, 2, 1],
            "week of day 100, of 11 to 17, of 4 to 10"
        );
        assert_eq!(going(&sets, &Rules { months: 2, ..Rules::default() }), [4, 3, 2, 1]);
        assert_eq!(going(&sets, &Rules { days: 2, months: 1, last: 1, ..Rules::default() }), [4, 3, 2, 1]);
    }

    #[test]
    fn the_last_good_full_and_the_last_verified_one_stay() {
        let old = SetFacts { verified: true, ..full(1, 900) };
        let damaged = SetFacts { condition: Condition::Damaged, ..full(4, 904) };
        let sets = [full(0, 899), old, full(2, 901), full(3, 903), damaged];
        assert_eq!(going(&sets, &Rules::default()), [2, 0]);
        let judged = plan(sets.to_vec(), &Rules::default(), NOW, TODAY).sets;
        let reasons: Vec<_> = judged.iter().map(|judged| judged.reasons.clone()).collect();
        assert_eq!(reasons[1], [Reason::LastVerifiedFull]);
        assert_eq!(reasons[3], [Reason::LastFull]);
        assert_eq!(reasons[4], [Reason::NothingBetter], "no newer good full set is there");
    }

    #[test]
    fn what_is_no_good_counts_for_no_rule_and_goes_when_something_better_is_there() {
        let unfinished = SetFacts { condition: Condition::Unfinished, ..full(2, 902) };
        let partly = SetFacts { condition: Condition::Partly, ..full(3, 903) };
        let left = SetFacts { condition: Condition::Going, ..full(4, 904) };
        let sets = [full(1, 901), unfinished.clone(), partly, left, full(5, 905)];
        assert_eq!(going(&sets, &last(2)), [4, 2]);
        assert_eq!(going(&[full(1, 901), unfinished], &last(1)), [0; 0]);
    }

    #[test]
    fn what_was_never_finished_goes_once_the_chain_has_gone_on() {
        let is = |condition, facts: SetFacts| SetFacts { condition, ..facts };
        let first = full(1, 901);
        let torn = is(Condition::Unfinished, full(2, 902));
        let next = on(&first, 3, 903);
        assert_eq!(going(&[first.clone(), torn.clone(), next.clone()], &last(9)), [2]);
        let damaged = is(Condition::Damaged, full(2, 902));
        assert_eq!(going(&[first.clone(), damaged, next.clone()], &last(9)), [0; 0], "its rows may be wanted");
        for broken in [Condition::Damaged, Condition::Partly] {
            let sets = [is(broken, first.clone()), torn.clone(), next.clone()];
            assert_eq!(going(&sets, &last(9)), [0; 0], "{broken:?}: the chain that went on is no good");
        }
        assert_eq!(going(&[torn.clone(), next], &last(9)), [0; 0], "what it builds on is not here");
        assert_eq!(going(&[on(&first, 3, 900), first, torn], &last(9)), [0; 0], "it is the newest");
    }

    #[test]
    fn labels_and_undo_sets_hold_what_they_say() {
        let retained = |day| SetFacts { retain_until: Some(day), ..full(1, 900) };
        assert_eq!(going(&[retained(TODAY + 1), full(2, 901)], &last(1)), [0; 0]);
        assert_eq!(going(&[retained(TODAY), full(2, 901)], &last(1)), [1]);
        let child = SetFacts { retain_until: Some(TODAY + 1), ..on(&full(3, 880), 4, 881) };
        assert_eq!(going(&[full(3, 880), child, full(5, 900)], &last(1)), [0; 0], "it needs its full set");
        let undo = |number, day| SetFacts { undo: true, group: "undo".to_owned(), ..full(number, day) };
        let sets = [undo(1, 1), undo(2, 2), undo(3, 3), full(4, 4)];
        assert_eq!(going(&sets, &last(1)), [0; 0]);
        assert_eq!(going(&sets, &Rules { undo_sets: Some(1), ..last(1) }), [2, 1]);
    }

    #[test]
    fn groups_are_judged_each_for_itself() {
        let files = |number, day| SetFacts { group: "files".to_owned(), ..full(number, day) };
        let sets = [files(1, 800), full(2, 900), full(3, 901), full(4, 902)];
        assert_eq!(going(&sets, &last(1)), [3, 2]);
    }

    #[test]
    fn a_clock_that_was_wrong_makes_nothing_newer_than_the_history_says() {
        // The clock was a year ahead when set 1 was written, and right again for the others.
        let ahead = full(1, TODAY - 10);
        let sets = [ahead, full(2, 401), full(3, 402)];
        assert_eq!(going(&sets, &last(1)), [3, 2], "by times alone set 1 is the newest");
        let known = |order, facts: &SetFacts| SetFacts { order: Some(order), ..facts.clone() };
        let told: Vec<SetFacts> = (1..).zip(&sets).map(|(order, facts)| known(order, facts)).collect();
        assert_eq!(going(&told, &last(1)), [2, 1], "the history knows better");
        let some = [told[0].clone(), sets[1].clone(), told[2].clone()];
        assert_eq!(going(&some, &last(1)).len(), 2);
        assert!(!going(&some, &last(1)).contains(&3), "of those that it knows the last is the last");
    }

    #[test]
    fn sets_from_the_future_stay_and_push_nothing_out() {
        let sets = [full(1, 900), full(2, 901), full(3, TODAY + 400), full(4, TODAY + 401)];
        assert_eq!(going(&sets, &last(1)), [1], "the future ones do not count as the last");
        let known = SetFacts { order: Some(1), ..full(3, TODAY + 400) };
        assert_eq!(
            going(&[full(1, 900), full(2, 901), known], &last(1)),
            [2, 1],
            "this clock is wrong, says the history"
        );
    }

    #[test]
    fn a_chain_stays_in_its_order_whatever_the_clock_said() {
        let a = full(1, 900);
        let a1 = on(&a, 2, 100);
        let a2 = on(&a1, 3, 901);
        let sets = [a2.clone(), a1.clone(), a.clone(), full(4, 850)];
        let order: Vec<u8> = ordered(sets.to_vec()).iter().map(|facts| facts.set.0[0]).collect();
        assert_eq!(order, [4, 1, 2, 3]);
        assert_eq!(going(&sets, &last(1)), [4]);
        let (mut x, mut y) = (on(&a, 5, 1), on(&a, 6, 2));
        (x.parent, y.parent) = (Some(id(6)), Some(id(5)));
        assert_eq!(ordered(vec![x, y]).len(), 2, "a circle loses nobody");
    }

    /// Whatever is there and whatever the rules say: what stays can be restored as before, and a good full set is left.
    #[test]
    fn no_history_of_sets_loses_what_a_set_that_stays_needs() {
        for seed in 0..3_000_u64 {
            let mut random = Rng::new(seed);
            let sets = world(&mut random);
            let mut pick = || random.below(4);
            let rules = Rules { last: pick(), days: pick(), weeks: pick(), months: pick(), undo_sets: None };
            let plan = plan(sets.clone(), &rules, NOW, TODAY);
            assert_eq!(plan.sets.len(), sets.len(), "seed {seed}: nobody is lost or twice");
            let gone = plan.ids();
            for kept in sets.iter().filter(|facts| !gone.contains(&facts.set)) {
                let mut at = Some(kept);
                while let Some(facts) = at {
                    assert!(!gone.contains(&facts.set), "seed {seed}: {} needs {}", kept.label, facts.label);
                    at = facts.parent.and_then(|parent| sets.iter().find(|facts| facts.set == parent));
                }
            }
            let good = |facts: &&SetFacts| facts.condition == Condition::Good && facts.parent.is_none();
            let proved = |facts: &&SetFacts| good(facts) && facts.verified;
            let stays =
                |of: &dyn Fn(&&SetFacts) -> bool| sets.iter().filter(of).any(|facts| !gone.contains(&facts.set));
            assert!(sets.iter().filter(good).count() == 0 || stays(&good), "seed {seed}: no full set is left");
            assert!(sets.iter().filter(proved).count() == 0 || stays(&proved), "seed {seed}: no proved one is left");
            let mut left: BTreeSet<SetId> = sets.iter().map(|facts| facts.set).collect();
            for facts in plan.going() {
                left.remove(&facts.set);
                let orphan = sets.iter().find(|other| left.contains(&other.set) && other.parent == Some(facts.set));
                assert_eq!(orphan, None, "seed {seed}: removed before what builds on it");
            }
        }
    }

    /// Some chains, with clocks that jump, sets of every condition, and a history that knows some of them.
    fn world(random: &mut Rng) -> Vec<SetFacts> {
        let mut sets: Vec<SetFacts> = Vec::new();
        for number in 1..=(4 + random.below(12)) as u8 {
            let day = 900 + random.below(90) as Day + if random.below(12) == 0 { 500 } else { 0 };
            let mut facts = match sets.get(random.below(sets.len() + 2)) {
                Some(parent) => on(&parent.clone(), number, day),
                None => full(number, day),
            };
            facts.condition = match random.below(12) {
                0 => Condition::Damaged,
                1 => Condition::Unfinished,
                2 => Condition::Partly,
                3 => Condition::Going,
                _ => Condition::Good,
            };
            facts.order = (random.below(2) == 0).then_some(u64::from(number));
            facts.verified = random.below(3) == 0;
            facts.retain_until = (random.below(10) == 0).then_some(TODAY + 5);
            sets.push(facts);
        }
        sets
    }
}
