//! The agents: who works when, their share of each split's calls, their logins. Pure arithmetic.

use super::measure::{Measure, count, setting, time};
use super::random::{mix, share, within};
use super::splits::{INTERVAL, SHIFTS, SPLITS, Slot, at_work};
use super::table::{Cell, date};
use crate::base::time::{Day, Instant};

/// Agent tables go back this many working days: data storage is allocated table by table.
pub(super) const AGENT_DAYS: usize = 20;
/// Seconds that the source's clock is behind UTC in these days (summer time in the East of North America).
pub(super) const BEHIND_UTC: i64 = 4 * 3_600;

/// An agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agent {
    /// Login number, unique over all ACDs.
    pub login: i64,
    /// Position of the split in [`SPLITS`].
    pub split: usize,
    /// Position of the shift in [`SHIFTS`].
    pub shift: usize,
}

impl Agent {
    /// The login as the tables store it.
    pub(super) fn logid(&self) -> Cell {
        Cell::Text(self.login.to_string())
    }

    /// The extension as the tables store it.
    pub(super) fn extension(&self) -> Cell {
        Cell::Text((self.login + 40_000).to_string())
    }
}

/// All agents, by login.
pub(super) fn agents() -> Vec<Agent> {
    let mut out = Vec::new();
    for (split, each) in SPLITS.iter().enumerate() {
        for (number, shift) in (1..=each.pool).zip((0..SHIFTS.len()).cycle()) {
            out.push(Agent { login: each.acd * 1_000 + each.number * 100 + number, split, shift });
        }
    }
    out
}

/// Agents of a split that are at work in a slot.
pub(super) fn staff_of<'a>(agents: &'a [Agent], slot: &Slot) -> Vec<&'a Agent> {
    if slot.staff == 0 {
        return Vec::new();
    }
    let on = |agent: &&Agent| SHIFTS.get(agent.shift).is_some_and(|(from, to)| (*from..*to).contains(&slot.minute));
    agents.iter().filter(|agent| agent.split == slot.split).filter(on).collect()
}

/// What `hagent` holds of one slot: each agent with one row of measures per login session. Nearly all have one; some log
/// out and in again and have two, now and then two that are equal in every column. They add up to what the split did.
pub(super) fn agent_rows<'a>(agents: &'a [Agent], slot: &Slot) -> Vec<(&'a Agent, Vec<Measure>)> {
    let staff = staff_of(agents, slot);
    debug_assert!(staff.is_empty() || staff.len() as i64 == at_work(SPLITS[slot.split].pool, slot.minute));
    let at: [i64; 2] = [slot.day.into(), slot.minute];
    let weights: Vec<i64> = staff.iter().map(|agent| within(&[at[0], at[1], agent.login], 8, 13)).collect();
    let parts = |total: i64, purpose: i64| share(total, &weights, within(&[at[0], at[1], purpose], 0, 9_999));
    let (calls, talk, after) = (parts(slot.answered, 1), parts(slot.talk(), 2), parts(slot.after_call(), 3));
    let mut out = Vec::new();
    for (place, agent) in staff.iter().enumerate() {
        let work = Work { calls: calls[place], talk: talk[place], after: after[place], staffed: 60 * INTERVAL };
        match mix(&[at[0], at[1], agent.login, 9]) % 700 {
            0..=3 => {
                let first = work.half();
                out.push((*agent, agent_measures(&first)));
                out.push((*agent, agent_measures(&work.less(&first))));
            }
            4 => {
                out.push((*agent, agent_measures(&work)));
                let nothing = agent_measures(&Work { calls: 0, talk: 0, after: 0, staffed: 0 });
                out.extend([(*agent, nothing.clone()), (*agent, nothing)]);
            }
            _ => out.push((*agent, agent_measures(&work))),
        }
    }
    out
}

/// What an agent did in one login session of one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    calls: i64,
    talk: i64,
    after: i64,
    staffed: i64,
}

impl Work {
    /// Nothing.
    pub(super) const NONE: Work = Work { calls: 0, talk: 0, after: 0, staffed: 0 };

    const fn half(&self) -> Work {
        Work { calls: self.calls / 2, talk: self.talk / 2, after: self.after / 2, staffed: self.staffed / 2 }
    }

    const fn less(&self, other: &Work) -> Work {
        Work {
            calls: self.calls - other.calls,
            talk: self.talk - other.talk,
            after: self.after - other.after,
            staffed: self.staffed - other.staffed,
        }
    }
}

/// The measures of `hagent`.
#[rustfmt::skip]
pub(super) fn agent_measures(work: &Work) -> Vec<Measure> {
    let Work { calls, talk, after, staffed } = *work;
    let ring = calls * 3;
    let aux = ((staffed - talk - after - ring).max(0)) / 5;
    let held = calls / 9;
    vec![
        time("i_stafftime", staffed), time("ti_stafftime", staffed),
        time("i_availtime", (staffed - talk - after - ring - aux).max(0)),
        time("ti_availtime", (staffed - talk - after - ring - aux).max(0)),
        time("i_acdtime", talk), time("i_acwtime", after), time("i_acwouttime", after / 9), time("i_acwintime", after / 23),
        time("ti_auxtime", aux), time("i_auxouttime", aux / 15), time("i_auxintime", aux / 40), time("i_othertime", 0),
        count("acwincalls", 0), time("acwintime", after / 23), count("auxincalls", 0), time("auxintime", aux / 40),
        count("acwoutcalls", after / 400), time("acwouttime", after / 9), count("auxoutcalls", aux / 700),
        time("auxouttime", aux / 15), count("assists", 0),
        count("acdcalls", calls), time("acdtime", talk), time("acwtime", after),
        count("da_acdcalls", 0), count("da_abncalls", 0),
        count("holdcalls", held), time("holdtime", held * 31), count("holdabncalls", 0),
        count("transferred", calls / 21), count("conference", 0), count("abncalls", 0), time("abntime", 0),
        time("i_ringtime", ring), count("ringcalls", calls), time("ringtime", ring), time("ansringtime", ring),
        count("noansredir", 0), setting("incomplete", 0), count("phantomabns", 0),
        time("ti_auxtime1", aux / 3), time("ti_auxtime2", aux - aux / 3),
    ]
}

/// Columns of `haglog`.
pub(super) const LOGIN_COLUMNS: &[(&str, &str)] = &[
    ("acd", "SMALLINT"),
    ("split", "SMALLINT"),
    ("row_date", "DATE"),
    ("extn", "CHAR(6)"),
    ("inflag", "CHAR(1)"),
    ("outflag", "CHAR(1)"),
    ("loc_id", "INTEGER"),
    ("logid", "CHAR(10)"),
    ("login", "INTEGER"),
    ("logout", "INTEGER"),
    ("logout_date", "DATE"),
    ("logout_reason", "SMALLINT"),
    ("logonskill2", "SMALLINT"),
    ("preference", "INTEGER"),
    ("sklevel", "INTEGER"),
];

/// The row of `haglog` for an agent's shift on a day.
pub(super) fn login_row(agent: &Agent, day: Day) -> Vec<Cell> {
    let split = &SPLITS[agent.split];
    let (from, to) = SHIFTS[agent.shift];
    let stamp = |minute: i64, late: i64| Instant::of_day(day).plus(minute * 60 + late + BEHIND_UTC).0;
    let late = within(&[day.into(), agent.login, 21], -240, 180);
    vec![
        split.acd.into(),
        split.number.into(),
        date(day),
        agent.extension(),
        Cell::Null,
        if late < -200 { "<".into() } else { Cell::Null },
        1.into(),
        agent.logid(),
        stamp(from, late).into(),
        stamp(to, within(&[day.into(), agent.login, 22], 0, 420)).into(),
        date(day),
        within(&[day.into(), agent.login, 23], 0, 9).into(),
        Cell::Null,
        0.into(),
        1.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::bank_calls::counts;
    use super::super::splits::slots;
    use super::*;

    fn sum(rows: &[(&Agent, Vec<Measure>)], name: &str) -> i64 {
        rows.iter().flat_map(|(_, measures)| measures).filter(|m| m.name == name).map(|m| m.value).sum()
    }

    #[test]
    fn agents_add_up_to_their_split() {
        let (agents, slots) = (agents(), slots(&counts().unwrap()));
        let mut twins = 0;
        for slot in slots.iter().rev().take(2_000) {
            let rows = agent_rows(&agents, slot);
            assert_eq!(sum(&rows, "acdcalls"), slot.answered);
            assert_eq!(sum(&rows, "acdtime"), slot.talk());
            assert_eq!(sum(&rows, "acwtime"), slot.after_call());
            assert_eq!(sum(&rows, "i_stafftime"), slot.staff * 60 * INTERVAL);
            twins += rows.windows(2).filter(|pair| pair[0] == pair[1]).count();
        }
        assert!(twins > 0, "no re-login left two equal rows");
    }

    #[test]
    fn logins_are_unique() {
        let mut logins: Vec<i64> = agents().iter().map(|agent| agent.login).collect();
        let all = logins.len();
        logins.dedup();
        assert_eq!((logins.len(), logins.is_sorted()), (all, true));
    }
}
