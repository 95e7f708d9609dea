//! What a target that is collecting is still at work on: nothing of that is touched. Pure.

use super::journal::SettledLine;
use super::options::Options;
use super::report::{AcdPlan, RestorePlan, TableAction, TablePlan};
use crate::base::time::{Instant, Span};
use crate::schema::clock::{CompletionRule, settled_until};
use crate::schema::grain::Grain;
use crate::schema::range::{Side, SpanSet, event_slot, reach_days, rows};
use crate::schema::table::BoundTable;
use crate::section::pieces::Acd;
use crate::store::control::{Collection, State};
use std::collections::BTreeMap;

/// Up to when each table and ACD is settled in a plan; `None` where nothing is held back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settled(BTreeMap<(String, Acd), Option<Instant>>);

impl Settled {
    /// As a plan has it.
    pub(super) fn of(plan: &RestorePlan) -> Settled {
        let of_table = |table: &TablePlan| match &table.action {
            TableAction::Ranges(ranges) => {
                let of_acd = |acd: &AcdPlan| ((table.table.clone(), acd.acd), acd.settled_until);
                ranges.acds.iter().map(of_acd).collect()
            }
            TableAction::Leave(_) | TableAction::Whole(_) => Vec::new(),
        };
        Settled(plan.tables.iter().flat_map(of_table).collect())
    }

    /// As the lines of the journal have it.
    pub(super) fn of_lines(lines: Vec<SettledLine>) -> Settled {
        Settled(lines.into_iter().map(|line| ((line.table, line.acd), line.until.map(Instant))).collect())
    }

    /// As lines of the journal.
    pub(super) fn lines(&self) -> Vec<SettledLine> {
        let line = |((table, acd), until): (&(String, Acd), &Option<Instant>)| SettledLine {
            table: table.clone(),
            acd: *acd,
            until: until.map(|until| until.0),
        };
        self.0.iter().map(line).collect()
    }

    /// Of one ACD; nothing if the plan did not know it.
    pub(super) fn until(&self, table: &str, acd: Acd) -> Option<Option<Instant>> {
        self.0.get(&(table.to_owned(), acd)).copied()
    }
}

/// Whether the target collects, and what time it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settling {
    /// Whether it collects.
    pub(super) collecting: bool,
    /// When it was decided what is settled, not later than now.
    decided: Instant,
    now: Instant,
    asked: Option<Instant>,
}

/// The same of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct SettledTable {
    settling: Settling,
    rule: CompletionRule,
    /// For events the length of their slots, in minutes.
    slot_minutes: Option<u32>,
    /// Seconds of the longest row near now, on either side and of whatever ACD.
    longest: i64,
}

impl Settling {
    /// By the state of the target, unless the options know better.
    pub(super) fn new(options: &Options, state: State) -> Settling {
        let collecting = options.collecting.unwrap_or(state.collection == Collection::On);
        let decided = options.decided_at.map_or(options.now, |at| at.min(options.now));
        Settling { collecting, decided, now: options.now, asked: options.settled_until }
    }

    /// Of a table with these rows.
    pub(super) fn table<'s>(self, table: &BoundTable, sides: impl IntoIterator<Item = &'s Side>) -> SettledTable {
        // A row of years ago may have any length; those near now show how the collection works.
        let reach = i64::from(reach_days(table.grain)).saturating_mul(86_400);
        let near = self.decided.plus(reach.saturating_neg());
        let slots = sides.into_iter().flat_map(Side::slots);
        let longest = slots.filter(|slot| slot.span.stop > near).map(|slot| slot.span.seconds()).max();
        SettledTable {
            settling: self,
            rule: CompletionRule::new(table.grain),
            slot_minutes: (table.grain == Grain::Event).then_some(table.event_slot_minutes),
            longest: longest.unwrap_or(0),
        }
    }
}

impl SettledTable {
    /// The instant after which nothing is touched, for one ACD with these rows; `None` if nothing is held back. No row of
    /// either side lies across it where the target collects.
    pub(super) fn until(&self, volume: &Side, target: &Side) -> Option<Instant> {
        let Settling { collecting, decided, asked, .. } = self.settling;
        if !collecting {
            return asked;
        }
        let spans = volume.slots().iter().chain(target.slots()).map(|slot| slot.span);
        // A call is written when it ends, and dated when it began: the slot before this one may still grow.
        let own = match self.slot_minutes {
            Some(minutes) => {
                let slot = i64::from(minutes.max(1)).saturating_mul(60);
                settled_until(self.rule, event_slot(minutes, decided.plus(slot.saturating_neg())).start, 0, spans)
            }
            None => settled_until(self.rule, decided, self.longest, spans),
        };
        Some(asked.map_or(own, |asked| asked.min(own)))
    }

    /// What is to be said of a table whose ACDs were decided so; nothing if nothing was held back.
    pub(super) fn notices(&self, table: &str, acds: &[AcdPlan]) -> Vec<String> {
        let mut notices = Vec::new();
        let held_back: Vec<(Instant, u64, u64)> = acds.iter().filter_map(held_back).collect();
        let instants = || held_back.iter().map(|(until, _, _)| until.plus(-1));
        if let (Some(first), Some(last)) = (instants().min(), instants().max()) {
            let volume = held_back.iter().map(|(_, volume, _)| *volume).fold(0, u64::saturating_add);
            let target = held_back.iter().map(|(_, _, target)| *target).fold(0, u64::saturating_add);
            let minute = |at: Instant| Instant(at.0.div_euclid(60).saturating_mul(60));
            let until = if first == last {
                format!("{}", minute(last))
            } else {
                format!("{} ({} for some ACDs)", minute(last), minute(first))
            };
            let why =
                if self.settling.collecting { ": the database is collecting, and newer rows may change" } else { "" };
            notices.push(format!(
                "table {table} is restored up to {until} and not after{why}; {volume} rows of the volumes and {target} of \
                 the target after that are left as they are"
            ));
        }
        notices.extend(self.clock(table, acds));
        notices
    }

    /// Rows of intervals and events that begin after now: the clock may have been set back, or was wrong when they came.
    fn clock(&self, table: &str, acds: &[AcdPlan]) -> Option<String> {
        let Settling { collecting, now, .. } = self.settling;
        if !collecting || !matches!(self.rule.grain, Grain::Interval | Grain::Event) {
            return None;
        }
        let slots = acds.iter().flat_map(|acd| acd.target.slots()).filter(|slot| slot.span.start > now);
        let (count, newest) = slots.fold((0u64, None), |(count, newest), slot| {
            (count.saturating_add(slot.rows), newest.max(Some(slot.span.start)))
        });
        newest.map(|newest| {
            format!(
                "table {table}: {count} rows of the target are dated after now ({now}), the last {newest}: look whether the \
                 clock was set back; they are left as they are"
            )
        })
    }
}

/// Up to when an ACD is settled, and the rows of volumes and target after that which would have been replaced.
fn held_back(acd: &AcdPlan) -> Option<(Instant, u64, u64)> {
    let until = acd.settled_until?;
    let volume = rows(&acd.decision.unsettled);
    let held: SpanSet = acd.held.iter().copied().collect();
    let after = SpanSet::from(Span { start: until, stop: Instant::MAX });
    let beyond = held.intersection(&acd.decision.widened).intersection(&after);
    let target = acd.target.slots().iter().filter(|slot| beyond.holds(slot.span)).map(|slot| slot.rows);
    let target = target.fold(0, u64::saturating_add);
    (volume > 0 || target > 0).then_some((until, volume, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::grain::DataType;
    use crate::schema::range::Slot;
    use crate::schema::table::TableSchema;

    fn table(grain: Grain) -> BoundTable {
        BoundTable {
            schema: TableSchema { name: "t".into(), columns: Vec::new() },
            data_type: DataType::Historical,
            grain,
            clock: None,
            acd_column: None,
            event_slot_minutes: 30,
            server_bound: false,
        }
    }

    fn side(minutes: &[(i64, i64)]) -> Side {
        let span = |(start, stop): &(i64, i64)| Span { start: Instant(start * 60), stop: Instant(stop * 60) };
        Side::new(minutes.iter().map(|minutes| Slot { span: span(minutes), rows: 1 }), 0)
    }

    /// Up to which minute nothing is held back.
    fn until(grain: Grain, now: i64, volume: &[(i64, i64)], target: &[(i64, i64)]) -> Option<i64> {
        let state = State { collection: Collection::On, ..State::default() };
        let settling = Settling::new(&Options::new(Instant(now * 60), 0), state);
        let [volume, target] = [volume, target].map(side);
        let settled = settling.table(&table(grain), [&volume, &target]);
        settled.until(&volume, &target).map(|until| until.0 / 60)
    }

    #[test]
    fn the_longest_row_near_now_of_either_side_counts() {
        let quarters = [(0, 15), (15, 30), (30, 45), (45, 60), (60, 75)];
        assert_eq!(until(Grain::Interval, 90, &quarters, &quarters), Some(75));
        assert_eq!(until(Grain::Interval, 89, &quarters, &quarters), Some(60));
        // The target writes hours: the one from 60 may still come, whatever the volumes have there.
        assert_eq!(until(Grain::Interval, 130, &quarters, &[(0, 60)]), Some(60));
        assert_eq!(until(Grain::Interval, 130, &[(0, 60)], &quarters), Some(60));
        // Long ago they were longer.
        let now = 5 * 1_440;
        assert_eq!(until(Grain::Interval, now, &[(0, 1_440)], &[(now - 30, now)]), Some(now - 30));
    }

    #[test]
    fn no_row_of_either_side_lies_across() {
        assert_eq!(until(Grain::Interval, 119, &[(30, 90)], &[(0, 30), (30, 60), (60, 90)]), Some(30));
        assert_eq!(until(Grain::Daily, 2 * 1_440 + 479, &[(1_440, 2_880)], &[]), Some(1_440));
        assert_eq!(until(Grain::Daily, 2 * 1_440 + 480, &[(1_440, 2_880)], &[]), Some(2_880));
    }

    #[test]
    fn events_are_settled_by_whole_slots() {
        assert_eq!(until(Grain::Event, 95, &[(3, 4)], &[(64, 65), (92, 93)]), Some(60));
        assert_eq!(until(Grain::Event, 89, &[], &[]), Some(30));
    }

    #[test]
    fn the_earlier_word_wins_and_a_still_target_has_none() {
        let mut options = Options::new(Instant(6_000), 0);
        let off = State { collection: Collection::Off, ..State::default() };
        let none = side(&[]);
        let of = |options: &Options| Settling::new(options, off).table(&table(Grain::Interval), []).until(&none, &none);
        assert_eq!(of(&options), None);
        options.settled_until = Some(Instant(7_000));
        assert_eq!(of(&options), Some(Instant(7_000)));
        options.collecting = Some(true);
        assert_eq!(of(&options), Some(Instant(6_000)));
        options.settled_until = Some(Instant(5_000));
        assert_eq!(of(&options), Some(Instant(5_000)));
    }

    #[test]
    fn rows_of_the_target_after_now_are_told_of_and_one_that_begins_now_is_not() {
        let now = 90;
        let state = State { collection: Collection::On, ..State::default() };
        let settling = Settling::new(&Options::new(Instant(now * 60), 0), state);
        let said = |starts: &[i64]| {
            let target = side(&starts.iter().map(|start| (*start, start + 30)).collect::<Vec<_>>());
            let settled = settling.table(&table(Grain::Interval), [&target]);
            settled.clock("t", &[AcdPlan::idle(Side::default(), target)])
        };
        assert_eq!(said(&[30, 60, now]), None);
        let told = said(&[30, now + 1, now + 60]).unwrap();
        assert!(
            told.contains("2 rows of the target are dated after now (1970-01-01 01:30), the last 1970-01-01 02:30"),
            "{told}"
        );
    }
}
