//! Call records: one for every answered call of the last days. How many there are in each 5 minutes is real.

use super::agents::{Agent, BEHIND_UTC, staff_of};
use super::bank_calls::Count;
use super::random::{mix, within};
use super::splits::{INTERVAL, SPLITS, Slot, by_split};
use super::table::{Cell, date, hhmm};
use crate::base::time::Instant;

/// Call records are kept for this many working days.
pub(super) const CALL_DAYS: usize = 2;

/// Columns of `call_rec`.
pub(super) const CALL_COLUMNS: &[(&str, &str)] = &[
    ("row_date", "DATE"),
    ("row_time", "SMALLINT"),
    ("acd", "SMALLINT"),
    ("seqnum", "INTEGER"),
    ("callid", "INTEGER"),
    ("segment", "SMALLINT"),
    ("segstart", "INTEGER"),
    ("segstop", "INTEGER"),
    ("duration", "INTEGER"),
    ("talktime", "INTEGER"),
    ("acwtime", "INTEGER"),
    ("ansholdtime", "INTEGER"),
    ("queuetime", "INTEGER"),
    ("ringtime", "INTEGER"),
    ("disptime", "INTEGER"),
    ("disposition", "SMALLINT"),
    ("disppriority", "SMALLINT"),
    ("dispsplit", "SMALLINT"),
    ("dispivector", "SMALLINT"),
    ("firstivector", "SMALLINT"),
    ("split1", "SMALLINT"),
    ("split2", "SMALLINT"),
    ("tkgrp", "SMALLINT"),
    ("held", "SMALLINT"),
    ("transferred", "SMALLINT"),
    ("conference", "SMALLINT"),
    ("agt_released", "SMALLINT"),
    ("anslocid", "SMALLINT"),
    ("event1", "SMALLINT"),
    ("anslogin", "CHAR(10)"),
    ("origlogin", "CHAR(10)"),
    ("calling_pty", "CHAR(13)"),
    ("dialed_num", "CHAR(25)"),
    ("dispvdn", "CHAR(6)"),
    ("firstvdn", "CHAR(6)"),
    ("eqloc", "CHAR(10)"),
    ("lastcwc", "CHAR(17)"),
    ("calling_ii", "CHAR(3)"),
    ("ucid", "CHAR(21)"),
];

/// The records of the calls that ended in these 5 minutes; `sequence` is the number of the last record before them.
pub(super) fn call_rows(agents: &[Agent], real: &Count, sequence: &mut i64) -> Vec<Vec<Cell>> {
    let mut out = Vec::new();
    for (place, calls) in by_split(real).into_iter().enumerate() {
        let minute = real.minute / INTERVAL * INTERVAL;
        let slot = Slot { day: real.day, minute, split: place, staff: 1, ..Slot::default() };
        let staff = staff_of(agents, &slot);
        for _ in 0..calls {
            *sequence += 1;
            let agent = staff.get((mix(&[*sequence, 31]) % staff.len().max(1) as u64) as usize).copied();
            out.push(call_row(real, place, agent, *sequence));
        }
    }
    out
}

fn call_row(real: &Count, place: usize, agent: Option<&Agent>, sequence: i64) -> Vec<Cell> {
    let split = &SPLITS[place];
    let random = |purpose: i64, low: i64, high: i64| within(&[sequence, purpose], low, high);
    let stop_second = real.minute * 60 + random(1, 0, 299);
    let (queue, ring, talk, after) = (random(2, 0, 45), random(3, 1, 9), random(4, 20, 420), random(5, 0, 60));
    let held = i64::from(random(6, 0, 11) == 0);
    let stop = Instant::of_day(real.day).plus(stop_second + BEHIND_UTC).0;
    let duration = queue + ring + talk;
    vec![
        date(real.day),
        hhmm(stop_second / 60).into(),
        split.acd.into(),
        sequence.into(),
        (sequence % 32_767).into(),
        1.into(),
        (stop - duration).into(),
        stop.into(),
        duration.into(),
        talk.into(),
        after.into(),
        (held * random(7, 5, 90)).into(),
        queue.into(),
        ring.into(),
        (queue + ring).into(),
        2.into(),
        2.into(),
        split.number.into(),
        split.vector().into(),
        split.vector().into(),
        split.number.into(),
        if random(8, 0, 19) == 0 { (split.number + 1).into() } else { Cell::Null },
        (split.acd * 10 + random(9, 1, 2)).into(),
        held.into(),
        i64::from(random(10, 0, 24) == 0).into(),
        0.into(),
        i64::from(random(11, 0, 2) == 0).into(),
        1.into(),
        0.into(),
        agent.map_or(Cell::Null, Agent::logid),
        Cell::Null,
        format!("55555501{:02}", random(12, 0, 99)).into(),
        split.vdn().to_string().into(),
        split.vdn().to_string().into(),
        split.vdn().to_string().into(),
        format!("{:02}A{:04}", split.acd, random(13, 1, 96)).into(),
        if random(14, 0, 5) == 0 { random(15, 1, 40).to_string().into() } else { Cell::Null },
        "00".into(),
        format!("{:05}{:05}{stop:010}", split.acd, sequence % 100_000).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::agents::agents;
    use super::*;

    #[test]
    fn every_answered_call_has_a_record_in_its_5_minutes() {
        let (agents, real) = (agents(), Count { day: 12_349, minute: 625, calls: 203 });
        let mut sequence = 7;
        let rows = call_rows(&agents, &real, &mut sequence);
        assert_eq!((rows.len(), sequence), (203, 210));
        for row in &rows {
            assert_eq!(row.len(), CALL_COLUMNS.len());
            assert!(matches!(row[1], Cell::Int(1_025..=1_029)), "{:?}", row[1]);
            assert_ne!(row[29], Cell::Null, "nobody answered");
        }
    }
}
