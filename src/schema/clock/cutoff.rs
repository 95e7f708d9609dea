//! Up to when rows are complete. A snapshot may catch the newest interval half written; rows that may be part of one are
//! *carried*, not held.

use crate::base::time::{Instant, Span};
use crate::schema::grain::Grain;

/// Minutes after the end of a day, week or month before its row counts as complete: eight hours, since sites summarise in
/// the small hours.
pub const PERIOD_LAG_MINUTES: u32 = 480;

/// When a row counts as complete by the clock alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletionRule {
    /// The grain of the table.
    pub grain: Grain,
    /// For days, weeks and months: minutes after the period's end.
    pub period_lag_minutes: u32,
}

impl CompletionRule {
    /// The rule of a grain, with [`PERIOD_LAG_MINUTES`].
    #[must_use]
    pub const fn new(grain: Grain) -> CompletionRule {
        CompletionRule { grain, period_lag_minutes: PERIOD_LAG_MINUTES }
    }

    /// The first instant at which a row of this span counts as complete: an interval or event once more its own length
    /// after its end (systems archive one interval late), a period the lag after its end.
    #[must_use]
    pub const fn complete_from(self, span: Span) -> Instant {
        match self.grain {
            Grain::Daily | Grain::Weekly | Grain::Monthly => span.stop.plus(self.lag_seconds()),
            Grain::Interval | Grain::Event | Grain::None => span.stop.plus(span.seconds()),
        }
    }

    const fn lag_seconds(self) -> i64 {
        (self.period_lag_minutes as i64).saturating_mul(60)
    }
}

/// Gathers what the cutoff of one table and one ACD depends on. Rows may come in any order; only the few spans near the end
/// are remembered.
///
/// The newest interval is that of the row that starts last. If it is complete, all rows are; if not, every row that does
/// not lie wholly before its start is carried. A row dated after `now` (a clock set wrong once) would make itself the
/// newest and hide the interval that is really being written: so for intervals and events the newest of the rows that start
/// by `now` is judged too. Not for days, weeks and months: forecasts of days to come are nothing unusual.
///
/// ```
/// use intervault::base::time::{Instant, Span};
/// use intervault::schema::{clock::{CompletionRule, Newest}, grain::Grain};
/// let half_hour = |n: i64| Span { start: Instant(n * 1800), stop: Instant((n + 1) * 1800) };
/// let mut newest = Newest::new(CompletionRule::new(Grain::Interval), Instant(4 * 1800 + 600));
/// for n in 0..4 {
///     newest.add(half_hour(n));
/// }
/// // The fourth half hour ended ten minutes ago: not complete yet. The archive status may know better.
/// assert_eq!(newest.cutoff(None), Some(Instant(3 * 1800)));
/// assert_eq!(newest.cutoff(Some(Instant(4 * 1800))), Some(Instant(4 * 1800)));
/// ```
#[derive(Debug, Clone)]
pub struct Newest {
    rule: CompletionRule,
    now: Instant,
    last_stop: Option<Instant>,
    all: Tail,
    begun: Tail,
}

/// The latest start among some rows, and when those that do not lie wholly before it are complete.
#[derive(Debug, Clone, Default)]
struct Tail {
    start: Option<Instant>,
    reaching: Vec<Span>,
}

impl Tail {
    fn add(&mut self, span: Span) {
        if self.start < Some(span.start) {
            self.start = Some(span.start);
            self.reaching.retain(|old| old.stop > span.start);
        }
        if self.start.is_some_and(|start| span.stop > start) && !self.reaching.contains(&span) {
            self.reaching.push(span);
        }
    }

    /// Where the rows begin that are not complete.
    fn incomplete_from(&self, rule: CompletionRule, now: Instant) -> Option<Instant> {
        self.start.filter(|_| self.reaching.iter().any(|span| now < rule.complete_from(*span)))
    }
}

impl Newest {
    /// Nothing gathered yet. `now` is when the backup began, in the civil time of the tables.
    #[must_use]
    pub fn new(rule: CompletionRule, now: Instant) -> Newest {
        Newest { rule, now, last_stop: None, all: Tail::default(), begun: Tail::default() }
    }

    /// Takes note of a dated row, or of all rows of one span.
    pub fn add(&mut self, span: Span) {
        self.last_stop = Some(self.last_stop.map_or(span.stop, |stop| stop.max(span.stop)));
        self.all.add(span);
        if span.start <= self.now {
            self.begun.add(span);
        }
    }

    /// The cutoff: a dated row is complete exactly if its span ends at or before it. `None` if no row was added.
    ///
    /// `archived` is the instant up to which the archive status, where there is one, says that everything was written; it
    /// alone decides then.
    #[must_use]
    pub fn cutoff(&self, archived: Option<Instant>) -> Option<Instant> {
        let last_stop = self.last_stop?;
        if let Some(archived) = archived {
            return Some(archived.min(last_stop));
        }
        let collected = matches!(self.rule.grain, Grain::Interval | Grain::Event);
        let begun = self.begun.incomplete_from(self.rule, self.now).filter(|_| collected);
        Some(begun.or(self.all.incomplete_from(self.rule, self.now)).unwrap_or(last_stop))
    }
}

/// For a target that is collecting: the instant after which nothing may be touched, for one table and one ACD. No row, there
/// or to be inserted, that ends by then can still change, and no row of the target lies across it.
///
/// `spans` are the target's rows (those near the end suffice), `longest_seconds` the length of the longest row that may be
/// inserted or deleted.
#[must_use]
pub fn settled_until(
    rule: CompletionRule,
    now: Instant,
    longest_seconds: i64,
    spans: impl IntoIterator<Item = Span>,
) -> Instant {
    let margin = match rule.grain {
        Grain::Daily | Grain::Weekly | Grain::Monthly => rule.lag_seconds(),
        Grain::Interval | Grain::Event | Grain::None => longest_seconds,
    };
    let mut settled = now.plus(margin.saturating_neg());
    let mut latest_first: Vec<Span> = spans.into_iter().collect();
    latest_first.sort_unstable_by_key(|span| std::cmp::Reverse(span.stop));
    // A row that lies across moves the instant to its start, where an earlier row may lie across in turn.
    for span in latest_first {
        if span.stop <= settled {
            break;
        }
        settled = settled.min(span.start);
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64, stop: i64) -> Span {
        Span { start: Instant(start * 60), stop: Instant(stop * 60) }
    }

    fn cutoff(grain: Grain, now: i64, archived: Option<i64>, spans: &[Span]) -> Option<i64> {
        let answers = [false, true].map(|reversed| {
            let mut newest = Newest::new(CompletionRule::new(grain), Instant(now * 60));
            let mut spans = spans.to_vec();
            if reversed {
                spans.reverse();
            }
            spans.into_iter().for_each(|span| newest.add(span));
            newest.cutoff(archived.map(|minute| Instant(minute * 60)))
        });
        assert_eq!(answers[0], answers[1], "the order of rows matters");
        answers[0].map(|at| at.0 / 60)
    }

    #[test]
    fn the_newest_interval_is_complete_one_interval_after_its_end() {
        let rows = [span(0, 30), span(30, 60), span(60, 90)];
        assert_eq!(cutoff(Grain::Interval, 120, None, &rows), Some(90));
        assert_eq!(cutoff(Grain::Interval, 119, None, &rows), Some(60));
        assert_eq!(cutoff(Grain::Interval, 70, None, &rows), Some(60));
        assert_eq!(cutoff(Grain::Interval, 0, None, &rows[..1]), Some(0));
        assert_eq!(cutoff(Grain::Interval, 0, None, &[]), None);
    }

    #[test]
    fn where_there_is_an_archive_status_it_alone_decides() {
        let rows = [span(0, 30), span(30, 60), span(60, 90)];
        assert_eq!(cutoff(Grain::Interval, 70, Some(90), &rows), Some(90));
        assert_eq!(cutoff(Grain::Interval, 70, Some(500), &rows), Some(90));
        assert_eq!(cutoff(Grain::Interval, 500, Some(89), &rows), Some(89));
        assert_eq!(cutoff(Grain::Interval, 500, Some(30), &rows), Some(30));
        assert_eq!(cutoff(Grain::Interval, 500, Some(30), &[]), None);
    }

    #[test]
    fn rows_that_reach_into_the_newest_interval_are_carried_with_it() {
        // An hour that overlaps the newest quarter, and two rows of one start (a clock set back by a minute).
        let rows = [span(0, 60), span(30, 45), span(45, 46), span(45, 60)];
        assert_eq!(cutoff(Grain::Interval, 74, None, &rows), Some(45));
        // The quarter is complete at 75, the hour not before 120.
        assert_eq!(cutoff(Grain::Interval, 75, None, &rows), Some(45));
        assert_eq!(cutoff(Grain::Interval, 120, None, &rows), Some(60));
        // An hour that ends where the newest quarter begins is none of its business.
        assert_eq!(cutoff(Grain::Interval, 90, None, &[span(0, 60), span(60, 75)]), Some(75));
    }

    #[test]
    fn a_row_of_the_future_does_not_hide_the_interval_that_is_being_written() {
        let rows = [span(0, 30), span(30, 60), span(9_000, 9_030)];
        assert_eq!(cutoff(Grain::Interval, 61, None, &rows), Some(30));
        assert_eq!(cutoff(Grain::Interval, 90, None, &rows), Some(9_000));
        assert_eq!(cutoff(Grain::Interval, 9_060, None, &rows), Some(9_030));
        assert_eq!(cutoff(Grain::Event, 60, None, &[span(0, 1), span(60, 61), span(70, 71)]), Some(60));
        // Forecasts of days to come are nothing unusual: only the last of them is taken for unfinished.
        let days: Vec<Span> = (0..5).map(|n| span(n * 1_440, (n + 1) * 1_440)).collect();
        assert_eq!(cutoff(Grain::Daily, 2_000, None, &days), Some(4 * 1_440));
    }

    #[test]
    fn periods_wait_for_their_lag_and_events_for_their_unit() {
        let day = [span(0, 1_440)];
        assert_eq!(cutoff(Grain::Daily, 1_440 + 480, None, &day), Some(1_440));
        assert_eq!(cutoff(Grain::Daily, 1_440 + 479, None, &day), Some(0));
        assert_eq!(cutoff(Grain::Weekly, 7 * 1_440 + 479, None, &[span(0, 7 * 1_440)]), Some(0));
        assert_eq!(cutoff(Grain::Monthly, 31 * 1_440 + 480, None, &[span(0, 31 * 1_440)]), Some(31 * 1_440));
        assert_eq!(cutoff(Grain::Event, 6, None, &[span(3, 4), span(4, 5)]), Some(5));
        assert_eq!(cutoff(Grain::Event, 5, None, &[span(3, 4), span(4, 5)]), Some(4));
        let late = CompletionRule { period_lag_minutes: 10, ..CompletionRule::new(Grain::Daily) };
        assert_eq!(late.complete_from(day[0]), Instant(1_450 * 60));
    }

    #[test]
    fn a_collecting_target_is_settled_up_to_its_last_finished_interval() {
        let settled = |grain, now: i64, longest: i64, spans: &[Span]| {
            settled_until(CompletionRule::new(grain), Instant(now * 60), longest * 60, spans.iter().copied()).0 / 60
        };
        let rows = [span(0, 30), span(30, 60), span(60, 90)];
        assert_eq!(settled(Grain::Interval, 120, 30, &rows), 90);
        assert_eq!(settled(Grain::Interval, 119, 30, &rows), 60);
        assert_eq!(settled(Grain::Interval, 1_000, 30, &rows), 970);
        assert_eq!(settled(Grain::Interval, 95, 30, &[]), 65);
        // A row across moves it to its start, and the row across that in turn.
        assert_eq!(settled(Grain::Interval, 119, 30, &[span(0, 10), span(8, 61), span(60, 90)]), 0);
        assert_eq!(settled(Grain::Interval, 119, 30, &[span(0, 10), span(10, 60), span(60, 90)]), 60);
        assert_eq!(settled(Grain::Daily, 1_440 + 600, 0, &[span(0, 1_440), span(1_440, 2_880)]), 1_440);
        assert_eq!(settled(Grain::Daily, 1_440 + 400, 0, &[span(0, 1_440), span(1_440, 2_880)]), 0);
    }
}
