//! The call traffic by half hour: real counts shared out over ACDs and splits, and what is derived from them for splits,
//! VDNs and trunk groups. Pure arithmetic.

use super::bank_calls::Count;
use super::measure::{Measure, count, max, setting, time};
use super::random::{mix, share, within};
use crate::base::time::Day;
use std::collections::BTreeMap;

/// A split (a group of agents) of an ACD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// The ACD, from 1.
    pub acd: i64,
    /// Number of the split within its ACD, from 1: the same numbers occur in each ACD.
    pub number: i64,
    /// Name in the dictionary.
    pub name: &'static str,
    /// Its share of the calls.
    pub weight: i64,
    /// Agents in its pool, a third for each shift.
    pub pool: i64,
}

impl Split {
    /// The VDN that leads to it.
    pub(super) const fn vdn(&self) -> i64 {
        30_000 + self.acd * 1_000 + self.number * 10
    }

    /// The vector of that VDN.
    pub(super) const fn vector(&self) -> i64 {
        self.number + 10
    }
}

/// The splits of all ACDs. The fourth of ACD 1 also takes calls at night and at weekends.
pub(super) const SPLITS: &[Split] = &[
    split(1, 1, "Accounts", 21, 60),
    split(1, 2, "Cards", 16, 48),
    split(1, 3, "Loans", 11, 36),
    split(1, 4, "Lost cards", 7, 24),
    split(2, 1, "Accounts", 14, 42),
    split(2, 2, "Online", 10, 30),
    split(2, 3, "Business", 6, 24),
    split(3, 1, "Accounts", 9, 30),
    split(3, 2, "Spanish", 6, 24),
];

const fn split(acd: i64, number: i64, name: &'static str, weight: i64, pool: i64) -> Split {
    Split { acd, number, name, weight, pool }
}

/// Position in [`SPLITS`] of the split that is open all the time.
pub(super) const ALWAYS_OPEN: usize = 3;
/// Length of an interval in minutes.
pub(super) const INTERVAL: i64 = 30;
/// Names of the ACDs, the first is ACD 1.
pub(super) const ACDS: [&str; 3] = ["East", "Central", "West"];

/// The answered calls of 5 minutes by split, in the order of [`SPLITS`]; they add up to the real count.
pub(super) fn by_split(real: &Count) -> Vec<i64> {
    let weights: Vec<i64> = SPLITS.iter().map(|split| split.weight).collect();
    share(real.calls, &weights, within(&[real.day.into(), real.minute, 77], 0, 99))
}

/// One split in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot {
    /// The day.
    pub day: Day,
    /// Minute of the day at which the interval begins.
    pub minute: i64,
    /// Position in [`SPLITS`].
    pub split: usize,
    /// Calls answered.
    pub answered: i64,
    /// Calls abandoned.
    pub abandoned: i64,
    /// Agents at work.
    pub staff: i64,
}

impl Slot {
    fn random(&self, purpose: i64, low: i64, high: i64) -> i64 {
        within(&[self.day.into(), self.minute, self.split as i64, purpose], low, high)
    }

    /// Seconds of talk in all: as long as the agents can.
    pub(super) fn talk(&self) -> i64 {
        (self.answered * self.random(1, 95, 155)).min(self.staff * 60 * INTERVAL * 65 / 100)
    }

    /// Seconds of work after calls in all.
    pub(super) fn after_call(&self) -> i64 {
        self.talk() * self.random(2, 10, 22) / 100
    }
}

/// Agents of a pool that are at work at this minute of a working day: shifts 07:00 to 15:00, 10:00 to 18:00, 13:30 to
/// 21:30, a third of the pool each.
pub(super) const fn at_work(pool: i64, minute: i64) -> i64 {
    let mut shifts = 0;
    let mut shift = 0;
    while shift < SHIFTS.len() {
        if SHIFTS[shift].0 <= minute && minute < SHIFTS[shift].1 {
            shifts += 1;
        }
        shift += 1;
    }
    pool / 3 * shifts
}

/// First minute of each shift, and the minute after it.
pub(super) const SHIFTS: [(i64, i64); 3] = [(420, 900), (600, 1_080), (810, 1_290)];

/// Every slot that has a row, in order of time, then of [`SPLITS`].
pub(super) fn slots(real: &[Count]) -> Vec<Slot> {
    let mut answered: BTreeMap<(Day, i64), Vec<i64>> = BTreeMap::new();
    for each in real {
        let sums =
            answered.entry((each.day, each.minute / INTERVAL * INTERVAL)).or_insert_with(|| vec![0; SPLITS.len()]);
        for (sum, calls) in sums.iter_mut().zip(by_split(each)) {
            *sum += calls;
        }
    }
    let (first, last) = (real.first().map_or(0, |c| c.day), real.last().map_or(-1, |c| c.day));
    let last_minute = real.last().map_or(0, |c| c.minute);
    let mut out = Vec::new();
    for day in first..=last {
        for minute in (0..1_440).step_by(INTERVAL as usize) {
            if let Some(sums) = answered.get(&(day, minute)) {
                for ((split, answered), place) in SPLITS.iter().zip(sums).zip(0..) {
                    let staff = at_work(split.pool, minute).max(1);
                    let mut slot = Slot { day, minute, split: place, answered: *answered, abandoned: 0, staff };
                    slot.abandoned = slot.answered * slot.random(3, 0, 60) / 1_000;
                    out.push(slot);
                }
            } else if (day, minute) < (last, last_minute) && mix(&[day.into(), minute, 5]).is_multiple_of(14) {
                let abandoned = within(&[day.into(), minute, 6], 1, 3);
                out.push(Slot { day, minute, split: ALWAYS_OPEN, answered: 0, abandoned, staff: 0 });
            }
        }
    }
    out
}

/// The measures of `hsplit`.
#[rustfmt::skip]
pub(super) fn split_measures(slot: &Slot) -> Vec<Measure> {
    let (talk, after) = (slot.talk(), slot.after_call());
    let staffed = slot.staff * 60 * INTERVAL;
    let ring = slot.answered * 3;
    let aux = staffed * slot.random(10, 6, 13) / 100;
    let aux_by_reason = share(aux, &[2, 5, 8, 3, 1, 0, 1, 0, 0, 0], slot.random(11, 0, 19));
    let other = staffed / 180;
    let waits = share(slot.answered, &[48, 22, 11, 7, 4, 3, 2, 1, 1, 1], slot.random(12, 0, 99));
    let lost = share(slot.abandoned, &[20, 24, 18, 12, 9, 6, 5, 3, 2, 1], slot.random(13, 0, 99));
    let busy = slot.answered * slot.random(14, 0, 4) / 1_000;
    let disconnected = slot.answered * slot.random(15, 0, 6) / 1_000;
    let (transferred, conference) = (slot.answered * slot.random(16, 20, 60) / 1_000, slot.answered / 97);
    let held = slot.answered * slot.random(17, 30, 110) / 1_000;
    let outside = slot.answered * slot.random(18, 0, 25) / 1_000;
    let wait = slot.answered * slot.random(19, 4, 26);
    vec![
        time("i_stafftime", staffed),
        time("i_availtime", (staffed - talk - after - aux - other - ring).max(0)),
        time("i_acdtime", talk), time("i_acwtime", after), time("i_acwouttime", after / 9), time("i_acwintime", after / 23),
        time("i_auxtime", aux), time("i_auxouttime", aux / 15), time("i_auxintime", aux / 40), time("i_othertime", other),
        max("maxstaffed", slot.staff),
        count("acwincalls", after / 900), time("acwintime", after / 23),
        count("auxincalls", aux / 1_200), time("auxintime", aux / 40),
        count("acwoutcalls", after / 400), time("acwouttime", after / 9),
        count("auxoutcalls", aux / 700), time("auxouttime", aux / 15),
        count("assists", slot.answered / 240), count("inflowcalls", outside),
        count("acdcalls", slot.answered), time("anstime", wait), time("acdtime", talk), time("acwtime", after),
        count("o_acdcalls", 0), time("o_acdtime", 0), time("o_acwtime", 0),
        count("acdcalls1", waits[0]), count("acdcalls2", waits[1]), count("acdcalls3", waits[2]),
        count("acdcalls4", waits[3]), count("acdcalls5", waits[4]), count("acdcalls6", waits[5]),
        count("acdcalls7", waits[6]), count("acdcalls8", waits[7]), count("acdcalls9", waits[8]),
        count("acdcalls10", waits[9]),
        count("backupcalls", slot.answered / 31),
        count("holdcalls", held), time("holdtime", held * slot.random(20, 25, 50)), count("holdabncalls", held / 29),
        count("transferred", transferred), count("conference", conference),
        count("abncalls", slot.abandoned), time("abntime", slot.abandoned * slot.random(21, 20, 75)),
        count("abncalls1", lost[0]), count("abncalls2", lost[1]), count("abncalls3", lost[2]),
        count("abncalls4", lost[3]), count("abncalls5", lost[4]), count("abncalls6", lost[5]),
        count("abncalls7", lost[6]), count("abncalls8", lost[7]), count("abncalls9", lost[8]),
        count("abncalls10", lost[9]),
        count("busycalls", busy), count("disccalls", disconnected), time("disctime", disconnected * 44),
        count("outflowcalls", outside / 2), time("outflowtime", outside / 2 * 31), count("interflowcalls", 0),
        count("lowcalls", 0), count("medcalls", slot.answered), count("highcalls", 0), count("topcalls", 0),
        count("acceptable", waits[0] + waits[1] + waits[2]),
        setting("servicelevel", 20),
        setting("period1", 5), setting("period2", 10), setting("period3", 20), setting("period4", 30),
        setting("period5", 45), setting("period6", 60), setting("period7", 90), setting("period8", 120),
        setting("period9", 180),
        max("maxinqueue", slot.abandoned.max(slot.answered / 20)), max("maxocwtime", (slot.answered * 2).min(600)),
        count("callsoffered", slot.answered + slot.abandoned + busy + disconnected + outside / 2),
        time("i_ringtime", ring), time("ringtime", ring), count("ringcalls", slot.answered),
        count("abnringcalls", lost[0] / 2), count("noansredir", slot.answered / 150),
        count("incomplete", i64::from(slot.random(22, 0, 799) == 0)),
        count("phantomabns", 0), count("othercalls", 0), count("slvlabns", lost[3]),
        time("i_arrived", slot.answered + slot.abandoned),
        time("i_auxtime0", aux_by_reason[0]), time("i_auxtime1", aux_by_reason[1]), time("i_auxtime2", aux_by_reason[2]),
        time("i_auxtime3", aux_by_reason[3]), time("i_auxtime4", aux_by_reason[4]), time("i_auxtime6", aux_by_reason[6]),
        max("maxtop", (slot.staff * 9 / 10).max(0)),
    ]
}

/// The measures of `hvdn` for the VDN that leads to a slot's split.
#[rustfmt::skip]
pub(super) fn vdn_measures(slot: &Slot) -> Vec<Measure> {
    let busy = slot.answered * slot.random(14, 0, 4) / 1_000;
    let waits = share(slot.answered, &[48, 22, 11, 7, 4, 3, 2, 1, 1, 1], slot.random(12, 0, 99));
    let held = slot.answered * slot.random(17, 30, 110) / 1_000;
    vec![
        count("inflowcalls", 0),
        time("anstime", slot.answered * slot.random(19, 4, 26)), count("acdcalls", slot.answered), time("acdtime", slot.talk()),
        count("backupcalls", slot.answered / 31), count("transferred", slot.answered * slot.random(16, 20, 60) / 1_000),
        count("abncalls", slot.abandoned), time("abntime", slot.abandoned * slot.random(21, 20, 75)),
        count("abnquecalls", slot.abandoned), count("busycalls", busy), time("busytime", busy * 6),
        count("disccalls", 0), time("disctime", 0), count("othercalls", 0), time("othertime", 0),
        count("outflowcalls", 0), time("outflowtime", 0),
        time("intime", slot.talk() + slot.answered * slot.random(19, 4, 26)),
        count("incalls", slot.answered + slot.abandoned + busy),
        count("acceptable", waits[0] + waits[1] + waits[2]), time("acwtime", slot.after_call()),
        count("ansconncalls1", waits[0]), count("ansconncalls2", waits[1]), count("ansconncalls3", waits[2]),
        count("ansconncalls4", waits[3]), count("ansconncalls5", waits[4]), count("ansconncalls6", waits[5]),
        count("ansconncalls7", waits[6]), count("ansconncalls8", waits[7]), count("ansconncalls9", waits[8]),
        count("ansconncalls10", waits[9]),
        setting("servicelevel", 20), count("holdcalls", held), time("holdtime", held * slot.random(20, 25, 50)),
        max("maxocwtime", (slot.answered * 2).min(600)), max("maxwaiting", slot.abandoned.max(slot.answered / 20)),
        count("noansredir", slot.answered / 150), count("incomplete", i64::from(slot.random(22, 0, 799) == 0)),
        setting("skill1", 1), setting("skill2", 0), setting("skill3", 0),
    ]
}

/// What one trunk group carries in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trunks {
    /// Calls answered.
    pub answered: i64,
    /// Calls abandoned.
    pub abandoned: i64,
    /// Calls that went neither way.
    pub other: i64,
    /// Seconds of talk.
    pub talk: i64,
}

/// The measures of `htkgrp`.
#[rustfmt::skip]
pub(super) fn trunk_measures(trunks: &Trunks) -> Vec<Measure> {
    let Trunks { answered, abandoned, other, talk } = *trunks;
    vec![
        setting("trunks", 96), count("incalls", answered + abandoned + other), time("intime", talk + abandoned * 40),
        time("i_inocc", talk + abandoned * 40), count("acdcalls", answered), count("abncalls", abandoned),
        count("abnveccalls", 0), count("abnquecalls", abandoned), count("busycalls", 0), count("disccalls", 0),
        count("othercalls", other), count("outcalls", answered / 40), time("out_time", answered / 40 * 95),
        time("i_outocc", answered / 40 * 95), count("completed", answered / 45), time("setuptime", answered / 40 * 6),
        count("blockage", 0), count("failures", 0), count("audio", 0), time("mbusytime", 0), time("allinusetime", 0),
        count("shortcalls", abandoned / 6), count("incomplete", 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::bank_calls::counts;
    use super::*;

    fn value(measures: &[Measure], name: &str) -> i64 {
        measures.iter().find(|measure| measure.name == name).unwrap().value
    }

    #[test]
    fn answered_calls_of_every_half_hour_are_the_real_ones() {
        let real = counts().unwrap();
        let mut wanted: BTreeMap<(Day, i64), i64> = BTreeMap::new();
        for each in &real {
            *wanted.entry((each.day, each.minute / 30)).or_default() += each.calls;
        }
        let mut found: BTreeMap<(Day, i64), i64> = BTreeMap::new();
        for slot in slots(&real).iter().filter(|slot| slot.answered > 0) {
            *found.entry((slot.day, slot.minute / 30)).or_default() += slot.answered;
        }
        assert_eq!(found, wanted);
    }

    #[test]
    fn identities_of_the_measures_hold() {
        let slots = slots(&counts().unwrap());
        for slot in slots.iter().step_by(37) {
            let split = split_measures(slot);
            let sum = |stem: &str| (1..=10).map(|n| value(&split, &format!("{stem}{n}"))).sum::<i64>();
            assert_eq!(sum("acdcalls"), value(&split, "acdcalls"));
            assert_eq!(sum("abncalls"), value(&split, "abncalls"));
            assert!(value(&split, "maxstaffed") >= value(&split, "maxtop"));
            assert!(value(&split, "i_acwtime") >= value(&split, "i_acwouttime") + value(&split, "i_acwintime"));
            let parts = ["i_availtime", "i_acdtime", "i_acwtime", "i_auxtime", "i_othertime", "i_ringtime"];
            let used: i64 = parts.iter().map(|part| value(&split, part)).sum();
            assert!(slot.staff == 0 || used == value(&split, "i_stafftime"), "{slot:?}: {used}");
            assert!(
                split.iter().all(|m| m.value >= 0 && (m.kind == super::super::measure::Kind::Time || m.value < 32_768))
            );
        }
        let trunks = trunk_measures(&Trunks { answered: 40, abandoned: 3, other: 2, talk: 4_000 });
        let parts = value(&trunks, "abncalls") + value(&trunks, "acdcalls") + value(&trunks, "othercalls");
        assert_eq!(value(&trunks, "incalls"), parts);
    }

    #[test]
    fn nights_and_weekends_are_sparse_and_the_last_interval_is_the_newest() {
        let slots = slots(&counts().unwrap());
        let quiet = slots.iter().filter(|slot| slot.answered == 0 && slot.staff == 0).count();
        assert!((200..2_000).contains(&quiet), "{quiet}");
        let last = slots.last().unwrap();
        assert_eq!(last.minute, 21 * 60);
        assert_eq!(
            slots.iter().filter(|slot| (slot.day, slot.minute) == (last.day, last.minute)).count(),
            SPLITS.len()
        );
    }
}
